"""WebSockets of granian's own interface, RSGI, told and answered as ASGI's.

RSGI has less of them: no fields of an acceptance, hence no subprotocol; no codes and no reasons of
closes, in either direction; and of a refusal the status only.
"""

import asyncio
import logging
from collections.abc import Awaitable
from functools import cache
from typing import Any, Final, Protocol

from ..exchange import Responder
from ..wire.frames import NO_CODE, WSCloseCode
from .guest_socket import serve_websocket
from .rsgi_scope import RsgiHead, RsgiScope, asgi_scope_of_rsgi

__all__ = ["SocketProtocol", "serve_rsgi_websocket"]

_logger = logging.getLogger("bascule.websocket")

# Kinds of messages; the one that is left is text.
_CLOSE: Final = 0
_BYTES: Final = 1
_REFUSED: Final = 403


class SocketMessage(Protocol):
    """A message of the client; a close has no data."""

    kind: int
    data: Any  # str or bytes, as of the kind


class SocketTransport(Protocol):
    """A WebSocket that is open."""

    def receive(self) -> Awaitable[SocketMessage]:
        """Wait for the next message."""

    def send_bytes(self, data: bytes) -> Awaitable[None]:
        """Send a binary message."""

    def send_str(self, data: str) -> Awaitable[None]:
        """Send a text message."""


class SocketProtocol(Protocol):
    """What a request for a WebSocket is answered by (RSGI specification 1.6)."""

    def accept(self) -> Awaitable[SocketTransport]:
        """Take it up."""

    def close(self, status: int | None = None) -> Any:
        """Refuse it with a status, or close it."""


async def serve_rsgi_websocket(
    scope: RsgiScope, protocol: SocketProtocol, responder: Responder
) -> None:
    """Answer one ``ws`` call of granian, in its own task.

    Raises:
        Exception: as of `serve_websocket`.
    """
    call = _SocketCall(protocol)
    described = asgi_scope_of_rsgi(RsgiHead(scope))
    try:
        await serve_websocket(described, call.receive, call.send, responder)
    finally:
        call.settle()


class _SocketCall:
    """One WebSocket of granian as an ASGI host would tell of it."""

    __slots__ = ("_is_over", "_is_told", "_protocol", "_transport")

    def __init__(self, protocol: SocketProtocol) -> None:
        self._protocol = protocol
        self._transport: SocketTransport | None = None
        # The application knows that there is a request.
        self._is_told = False
        # It was refused or closed by us.
        self._is_over = False

    async def receive(self) -> dict[str, Any]:
        """Give the next message."""
        if not self._is_told:
            self._is_told = True
            return {"type": "websocket.connect"}
        if self._transport is None:
            if not self._is_over:  # a client that leaves before its answer is told of behind it
                await asyncio.get_running_loop().create_future()
            return {"type": "websocket.disconnect", "code": NO_CODE}
        try:
            message = await self._transport.receive()
        except RuntimeError:  # the host's, for a lost connection
            return {"type": "websocket.disconnect", "code": int(WSCloseCode.ABNORMAL_CLOSURE)}
        if message.kind == _CLOSE:
            return {"type": "websocket.disconnect", "code": NO_CODE}
        key = "bytes" if message.kind == _BYTES else "text"
        return {"type": "websocket.receive", key: message.data}

    async def send(self, message: dict[str, Any]) -> None:
        """Take a message of the application.

        Raises:
            OSError: the client has left.
        """
        kind = message["type"]
        try:
            if kind == "websocket.send":
                await self._send(message)
            elif kind == "websocket.accept":
                if message.get("subprotocol"):
                    _tell_of_subprotocols()
                self._transport = await self._protocol.accept()
            elif not self._is_over:
                self._is_over = True
                self._end(message)
        except RuntimeError as exc:  # the host's, for a lost connection
            raise ConnectionResetError("The client has left") from exc

    async def _send(self, message: dict[str, Any]) -> None:
        if self._transport is None:
            raise RuntimeError("The WebSocket is not open")
        text = message.get("text")
        if text is None:
            await self._transport.send_bytes(message["bytes"])
        else:
            await self._transport.send_str(text)

    def _end(self, message: dict[str, Any]) -> None:
        """Close it; or refuse it, with the status of the answer and no more than that.

        The close goes out when nobody holds the transport any more.
        """
        if self._transport is None:
            self._protocol.close(message.get("status", _REFUSED))
        else:
            self._protocol.close(message.get("code"))
            self._transport = None

    def settle(self) -> None:
        """Let go of the transport, which ends a WebSocket that is still open."""
        self._transport = None


@cache  # said once
def _tell_of_subprotocols() -> None:
    _logger.warning("Clients are not told of subprotocols: granian's RSGI has no place for them")
