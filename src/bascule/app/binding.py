"""Where a program listens, as its arguments say, and the sites made of that."""

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

from ..server.sites import BaseSite, SockSite, TCPSite, UnixSite
from .runners import BaseRunner

__all__ = ["Binding", "PathLike"]

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Binding:
    """Where to listen."""

    host: str | Iterable[str] | None
    port: int | None
    path: PathLike | Iterable[PathLike] | None
    sock: socket.socket | Iterable[socket.socket] | None
    ssl_context: SSLContext | None
    backlog: int
    reuse_address: bool | None
    reuse_port: bool | None

    def make_sites(self, runner: BaseRunner) -> list[BaseSite]:
        """Make the sites: TCP too when nothing else is named, or when host or port are."""
        common: dict[str, Any] = {"ssl_context": self.ssl_context, "backlog": self.backlog}
        sites: list[BaseSite] = [
            UnixSite(runner, path, **common) for path in _listed(self.path, str | os.PathLike)
        ]
        sites += [SockSite(runner, sock, **common) for sock in _listed(self.sock, socket.socket)]
        if self.host is not None or self.port is not None or not sites:
            sites += [
                TCPSite(
                    runner,
                    host,
                    self.port,
                    reuse_address=self.reuse_address,
                    reuse_port=self.reuse_port,
                    **common,
                )
                for host in _listed(self.host, str) or [None]
            ]
        return sites


def _listed(value: Any, single: Any) -> list[Any]:  # Any: one thing or several of it
    if value is None:
        return []
    return [value] if isinstance(value, single) else list(value)
