"""The exchange over a connection of ours: an answer turned into HTTP/1.1 bytes."""

import asyncio
import socket
import struct
import time
from typing import Any, Protocol

from ..channel import ChannelOptions
from ..exchange import (
    AnswerHead,
    Bytes,
    ClientConnectionResetError,
    Exchange,
    Fields,
    Head,
    NotSupported,
    _Event,
)
from ..streams import EMPTY_PAYLOAD, StreamReader
from ..wire.fields import dump_date
from ..wire.framing import BodyFraming
from ..wire.grammar import HttpVersion10
from ..wire.handshake import check_handshake, dump_accept, parse_extensions
from ..wire.head import check_fields, dump_head, status_line
from .channel import ChannelWire, SocketChannel
from .deflate import Deflate, DeflateSettings, negotiate
from .sendfile import descriptor_of

__all__ = ["Cycle", "Wire"]

# Up to here a head and its body are joined into one write; beyond it copying costs more than
# a second call.
_JOIN_SIZE = 64 * 1024
# Fields that an acceptance never has: they would speak of a body, or of another handshake.
_NOT_IN_101 = frozenset(
    {"content-length", "transfer-encoding", "sec-websocket-extensions", "sec-websocket-protocol"}
)


class Wire(ChannelWire, Protocol):
    """What a cycle needs of its connection."""

    @property
    def server_header(self) -> str:
        """Value of the Server field; none is sent when empty."""

    @property
    def deflate_settings(self) -> DeflateSettings:
        """Memory that compression of a WebSocket may take."""

    def switch(self, channel: SocketChannel) -> None:
        """Hand all bytes behind the request to a channel."""

    def forget_continue(self) -> None:
        """The client is told to go on with its body: the first read need not do it."""

    @property
    def sends_files(self) -> bool:
        """Whether `send_file` is worth a try."""

    async def send_file(self, prefix: bytes, file: int, offset: int, count: int) -> int | None:
        """Send bytes, and part of a file behind them; None when that could not be sent."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport; None once it is gone."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Look up a fact of the transport."""

    @property
    def is_condemned(self) -> bool:
        """Whether the connection ends behind the answer in progress."""

    @property
    def has_much_unread(self) -> bool:
        """Whether so much of the body is unread that it is not worth reading away."""


class Cycle(Exchange):
    """One request and its answer on a connection; ends with the answer's last byte.

    Attributes:
        goes_on: whether the connection goes on behind this answer, as its head told.
    """

    __slots__ = ("_agreed", "_framing", "_wire", "goes_on")

    def __init__(self, wire: Wire, head: Head, body: StreamReader = EMPTY_PAYLOAD) -> None:
        super().__init__(head, body)
        self._wire = wire
        # The compression of a WebSocket that was negotiated, once it was.
        self._agreed: tuple[Deflate | None] | None = None
        self._framing = BodyFraming.NONE
        self.goes_on = head.keep_alive

    def extra(self, name: str, default: Any = None) -> Any:
        """Look up a fact of the transport, such as ``peername``."""
        return self._wire.get_extra_info(name, default)

    @property
    def protocol(self) -> Any:
        """The connection."""
        return self._wire

    @property
    def transport(self) -> Any:
        """The transport of the connection; None once it is gone."""
        return self._wire.transport

    @property
    def keeps_alive(self) -> bool:
        """Whether both sides let the connection go on."""
        return self.head.keep_alive and not self._wire.is_condemned

    @property
    def default_fields(self) -> list[tuple[str, str]]:
        """Date, and Server where one is set."""
        fields = [("Date", dump_date(time.time()))]
        if self._wire.server_header:
            fields.append(("Server", self._wire.server_header))
        return fields

    # -- becoming a WebSocket

    def propose(
        self, options: ChannelOptions, subprotocol: str | None = None
    ) -> list[tuple[str, str]]:
        """Give what an acceptance says of the handshake (RFC 6455 section 4.2.2)."""
        head = self.head
        key = check_handshake(head.method, head.version, head.fields)
        fields = [
            ("Upgrade", "websocket"),
            ("Connection", "upgrade"),
            ("Sec-WebSocket-Accept", dump_accept(key)),
        ]
        deflate = self._negotiate(options)
        if deflate is not None:
            fields.append(("Sec-WebSocket-Extensions", deflate.answer))
        if subprotocol is not None:
            fields.append(("Sec-WebSocket-Protocol", subprotocol))
        return fields

    async def accept(
        self,
        fields: Fields = (),
        *,
        subprotocol: str | None = None,
        options: ChannelOptions = ChannelOptions(),  # noqa: B008  # it never changes
    ) -> SocketChannel:
        """Answer 101, and let the channel have the connection."""
        if self.body is not EMPTY_PAYLOAD:
            raise NotSupported("A request with a body cannot become a WebSocket")
        self._check(_Event.ACCEPT)
        if self.gone:  # also by half: nothing that comes behind would be read
            raise ClientConnectionResetError("Connection lost")
        pairs = self._complete(list(fields), self.propose(options, subprotocol))
        check_fields(pairs)
        self._move(_Event.ACCEPT)
        self.status = 101
        head = dump_head(status_line(101, "Switching Protocols"), pairs)
        self.bytes_sent += len(head)
        self._wire.write(head)
        channel = SocketChannel(
            self._wire, self, options, subprotocol=subprotocol, deflate=self._negotiate(options)
        )
        self._wire.switch(channel)
        return channel

    def _negotiate(self, options: ChannelOptions) -> Deflate | None:
        """Find out once what compression can be agreed on."""
        if not options.compress:
            return None
        if self._agreed is None:
            offers = parse_extensions(self.head.fields)
            self._agreed = (negotiate(offers, self._wire.deflate_settings),)
        return self._agreed[0]

    def _complete(
        self, fields: list[tuple[str, str]], proposed: list[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        """Put what is proposed in front, unless it stands among the fields already; what would
        contradict it is dropped, and what frames a body, since there is none."""
        own = {name.lower() for name, _ in proposed} | _NOT_IN_101
        kept = [pair for pair in fields if pair[0].lower() not in own or pair in proposed]
        pairs = [pair for pair in proposed if pair not in kept] + kept
        names = {name.lower() for name, _ in pairs}
        return pairs + [pair for pair in self.default_fields if pair[0].lower() not in names]

    async def _emit(
        self, head: AnswerHead | None, data: Bytes, end: bool, trailers: Fields
    ) -> None:
        if head is not None and end and self._wire.has_much_unread:
            head.close = True
        prefix = b"" if head is None else self._dump(head)
        if self._framing is BodyFraming.CHUNKED:
            self._send_chunk(prefix, data, end, trailers)
        else:
            self._send(prefix, data, b"")
        room = self._wire.room()
        if room is not None:
            await asyncio.shield(room)  # others may wait for the same room

    def _push(self, head: AnswerHead) -> None:
        self._send(self._dump(head), b"", b"")

    def _can_send(self, file: Any, offset: int, count: int) -> bool:
        framing = self._framing if self._held is None else self._held.framing
        return (
            framing is not BodyFraming.CHUNKED
            and self._wire.sends_files
            and descriptor_of(file) is not None
        )

    async def _emit_file(
        self, head: AnswerHead | None, file: Any, offset: int, count: int
    ) -> int | None:
        descriptor = descriptor_of(file)
        assert descriptor is not None  # or `_can_send` would have said so
        prefix = b"" if head is None else self._dump(head)
        sent = await self._wire.send_file(prefix, descriptor, offset, count)
        self.bytes_sent += len(prefix) + (sent or 0)
        return sent

    async def _emit_inform(self, status: int, fields: list[tuple[str, str]]) -> None:
        if status == 100:
            self._wire.forget_continue()
        self._wire.write(dump_head(status_line(status, _INTERIM.get(status, "")), fields))
        room = self._wire.room()
        if room is not None:
            await asyncio.shield(room)

    def _cut(self, cause: BaseException) -> None:
        """Drop the connection; by a reset where its end would make a body look complete."""
        if self._framing is BodyFraming.CLOSE:
            _reset_at_close(self._wire.get_extra_info("socket"))
        self._wire.cut(cause)

    def _dump(self, head: AnswerHead) -> bytes:
        """Write the head as bytes, with the fields that framing and connection still need."""
        fields = head.fields
        names = {name.lower() for name, _ in fields}
        self._framing = head.framing
        self.goes_on = not head.close
        if head.framing is BodyFraming.CHUNKED and "transfer-encoding" not in names:
            fields.append(("Transfer-Encoding", "chunked"))
        if "connection" not in names:
            if self.head.version == HttpVersion10:
                if not head.close:
                    fields.append(("Connection", "keep-alive"))
            elif head.close:
                fields.append(("Connection", "close"))
        return dump_head(status_line(head.status, head.reason), fields)

    def _send_chunk(self, prefix: bytes, data: Bytes, end: bool, trailers: Fields) -> None:
        """Send `data` as a chunk, and the last chunk behind it (RFC 9112 section 7.1)."""
        suffix = b"\r\n" if data else b""
        if data:
            prefix += b"%x\r\n" % len(data)
        if end:
            suffix += b"0\r\n" + dump_head("", trailers)
        self._send(prefix, data, suffix)

    def _send(self, prefix: bytes, data: Bytes, suffix: bytes) -> None:
        size = len(prefix) + len(data) + len(suffix)
        if not size:
            return
        self.bytes_sent += size
        write = self._wire.write
        if size <= _JOIN_SIZE:
            write(b"".join((prefix, data, suffix)))
            return
        for piece in (prefix, data, suffix):
            if piece:  # asyncio may keep what it cannot send at once, and buffers may change
                write(piece if isinstance(piece, bytes) else bytes(piece))


def _reset_at_close(sock: Any) -> None:  # Any: a TransportSocket, or a stand-in of it; None
    """Let the close of a socket be a reset, which is all that a client without a length sees."""
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass  # it is closed


_INTERIM = {100: "Continue", 102: "Processing", 103: "Early Hints"}
