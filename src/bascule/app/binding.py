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
    path_mode: int | None = None

    async def open(self, runner: BaseRunner) -> list[BaseSite]:
        """Set a runner up and start its sites.

        Raises:
            Exception: what one of these raised. The runner is cleaned up by then; an error of that
                is noted in the one that is raised.
        """
        try:
            await runner.setup()
            sites = self.make_sites(runner)
            for site in sites:
                await site.start()
        except BaseException as exc:
            try:
                await runner.cleanup()
            except Exception as other:
                exc.add_note(f"clean-up after the failed start failed too: {other!r}")
            raise
        return sites

    def make_sites(self, runner: BaseRunner) -> list[BaseSite]:
        """Make the sites: TCP too when nothing else is named, or when host or port are."""
        common: dict[str, Any] = {"ssl_context": self.ssl_context, "backlog": self.backlog}
        reuse: dict[str, Any] = {"reuse_address": self.reuse_address, "reuse_port": self.reuse_port}
        sites: list[BaseSite] = [
            TCPSite(runner, host, self.port, **reuse, **common) for host in self._list_hosts()
        ]
        paths = _listed("path", self.path, (str, bytes, os.PathLike), "str or os.PathLike")
        sites += [UnixSite(runner, path, mode=self.path_mode, **common) for path in paths]
        socks = _listed("sock", self.sock, (socket.socket,), "socket.socket")
        sites += [SockSite(runner, sock, **common) for sock in socks]
        return sites

    def _list_hosts(self) -> list[str | None]:
        if self.host is not None:
            return _listed("host", self.host, (str,), "str")
        nothing_else = self.path is None and self.sock is None
        return [None] if self.port is not None or nothing_else else []


def _listed(name: str, value: Any, single: tuple[type, ...], wanted: str) -> list[Any]:
    """Give one thing, or several of it, as a list.

    Raises:
        TypeError: it is neither.
    """
    if value is None:
        return []
    if isinstance(value, single):
        return [value]
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} should be a {wanted} or several of these, got {value!r:.200}")
    return list(value)
