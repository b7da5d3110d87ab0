"""A WebSocket in memory: both of its sides."""

import asyncio

from ..channel import (
    Channel,
    ChannelOptions,
    ChannelState,
    ClientConnectionResetError,
    Payload,
)
from ..wire.frames import (
    WebSocketError,
    WSCloseCode,
    WSMessage,
    WSMsgType,
    make_message,
)

__all__ = ["MemoryChannel"]

_CLIENT = ChannelOptions(autoclose=True)


class MemoryChannel(Channel):
    """One side of a WebSocket in memory; made in pairs.

    Heartbeats are without effect: there are no frames. A message that is too large ends it as it
    would on a connection.
    """

    def __init__(self, options: ChannelOptions, *, subprotocol: str | None = None) -> None:
        super().__init__(options, subprotocol=subprotocol)
        self._peer: MemoryChannel = self
        # Set when there is room in the inbox, or nothing can come any more.
        self._room = asyncio.Event()
        self._room.set()

    @classmethod
    def pair(
        cls, options: ChannelOptions | None = None, *, subprotocol: str | None = None
    ) -> "tuple[MemoryChannel, MemoryChannel]":
        """Make the server's side, kept by these options, and the client's."""
        server = cls(options or ChannelOptions(), subprotocol=subprotocol)
        client = cls(_CLIENT, subprotocol=subprotocol)
        server._peer, client._peer = client, server
        return server, client

    def lost(self, cause: BaseException) -> None:
        """End this side since the other has left without a close."""
        self._lose(cause)

    def go_away(self) -> None:
        """Close this side since the server stops; see `SocketChannel.go_away`."""
        if self._is_expecting() and self._begin_close():
            self._recall()
            self._push_close(1001, b"")

    async def _emit(self, kind: WSMsgType, data: Payload, compress: int | None) -> None:
        peer = self._peer
        await peer._room.wait()
        if not self._is_open():  # while it waited
            raise ClientConnectionResetError("Cannot write to closing transport")
        limit = peer.options.max_size
        if kind <= WSMsgType.BINARY and limit and (size := _measure(data)) >= limit:
            peer._refuse(size, limit)
            return
        peer._deliver(make_message(kind, data, peer.options.decode_text))

    def _put(self, message: WSMessage) -> None:
        super()._put(message)
        if self._is_full():
            self._room.clear()

    def _resume(self) -> None:
        self._room.set()

    def _push_close(self, code: int, reason: bytes) -> None:
        self._peer._close_came(WSMessage(WSMsgType.CLOSE, code, reason.decode("utf-8")))

    def _close_came(self, message: WSMessage) -> None:
        super()._close_came(message)
        self._room.set()

    def _lose(self, cause: BaseException) -> None:
        super()._lose(cause)
        self._room.set()

    def _cut(self, cause: BaseException) -> None:
        self._peer._lose(ClientConnectionResetError("Connection lost"))

    def _refuse(self, size: int, limit: int) -> None:
        """End it by a message of the peer that is too large."""
        error = WebSocketError(
            WSCloseCode.MESSAGE_TOO_BIG, f"Message size {size} exceeds limit {limit}"
        )
        is_open = self._state is ChannelState.OPEN
        self._fail(error)
        if is_open:
            self._push_close(error.code, b"")

    def _answer_ping(self, data: bytes) -> None:
        if self._is_open():
            self._peer._deliver(WSMessage(WSMsgType.PONG, data, ""))


def _measure(data: Payload) -> int:
    """Give the size of a message in bytes."""
    return len(data.encode("utf-8") if isinstance(data, str) else memoryview(data).cast("B"))
