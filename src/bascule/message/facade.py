"""What stands for transport and protocol where a request came by none of its own."""

import asyncio
from typing import Any

from ..exchange import Exchange

__all__ = ["ProtocolFacade", "TransportFacade"]


class TransportFacade(asyncio.Transport):
    """The transport of a request whose connection belongs to a host, or that came by none.

    It tells the facts that the exchange knows, and can end the exchange; bytes do not go by it.

    Args:
        exchange: whose connection it stands for.
    """

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Look up a fact of the connection, such as ``peername``."""
        return self._exchange.extra(name, default)

    def is_closing(self) -> bool:
        """Whether the peer has left."""
        return bool(self._exchange.gone)

    def close(self) -> None:
        """Drop the connection, as far as the host lets go of it."""
        self.abort()

    def abort(self) -> None:
        """Drop the connection, as far as the host lets go of it."""
        # Not the error of a client that has left: this one reaches the host, which cuts.
        self._exchange.abort(ConnectionAbortedError("The handler has dropped the connection"))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Drop bytes: what goes out is the host's to write."""

    def get_write_buffer_size(self) -> int:
        """Give 0: nothing waits here."""
        return 0


class ProtocolFacade:
    """The protocol of a request whose connection belongs to a host, or that came by none.

    Args:
        exchange: whose connection it stands for.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.transport = TransportFacade(exchange)

    @property
    def peername(self) -> Any:
        """The address of the peer."""
        return self._exchange.extra("peername")

    @property
    def sockname(self) -> Any:
        """The address of the server's own socket."""
        return self._exchange.extra("sockname")

    @property
    def ssl_context(self) -> Any:
        """The TLS context; None where the host does not tell."""
        return self._exchange.extra("sslcontext")

    def close(self) -> None:
        """Do nothing: when a connection ends behind its answer is the host's business."""

    def force_close(self) -> None:
        """Drop the connection without an answer."""
        self.transport.abort()

    def keep_alive(self, val: bool) -> None:
        """Do nothing: how long a connection is kept is the host's business."""
