"""The exchange over a connection of ours: an answer turned into HTTP/1.1 bytes."""

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

from ..channel import ChannelOptions
from ..exchange import (
    AnswerHead,
    Bytes,
    ClientConnectionResetError,
    Event,
    Exchange,
    Fields,
    Head,
    NotSupported,
    State,
)
from ..streams import EMPTY_PAYLOAD, StreamReader
from ..wire.fields import dump_date
from ..wire.framing import BodyFraming
from ..wire.grammar import HttpVersion10, HttpVersion11
from ..wire.handshake import check_handshake, dump_accept, parse_extensions
from ..wire.head import Role, check_fields, dump_head, find_role, status_line
from .channel import SocketChannel
from .cycle_wire import Wire
from .sendfile import descriptor_of

if TYPE_CHECKING:
    from .deflate import Deflate

__all__ = ["JOIN_SIZE", "Cycle"]

# Up to here a head and its body are joined into one write; beyond it copying costs more than
# a second call.
JOIN_SIZE = 128 * 1024
# Bytes of a body that wait for the end of a step of the loop at most.
_PENDING_SIZE = 64 * 1024
_chunk_lines: dict[int, bytes] = {}
_MAX_CHUNK_LINES = 1024
# Shared by all that have no such piece; never changed.
_NONE: list[bytes] = []
# Members by names of the module: to look one up in its class costs ten times as much (Python 3.11).
_ROLE_CODING = Role.CODING
_ROLE_CONNECTION = Role.CONNECTION
_FRAMED_NONE = BodyFraming.NONE
_FRAMED_LENGTH = BodyFraming.LENGTH
_FRAMED_CHUNKED = BodyFraming.CHUNKED
_FRAMED_CLOSE = BodyFraming.CLOSE
_OPEN = State.OPEN
_STARTED = State.STARTED
_ENDED = State.ENDED
_SENDING = State.SENDING
# Fields that an acceptance never has: they would speak of a body, or of another handshake.
_NOT_IN_101 = frozenset(
    {"content-length", "transfer-encoding", "sec-websocket-extensions", "sec-websocket-protocol"}
)


class Cycle(Exchange):
    """One request and its answer on a connection; ends with the answer's last byte."""

    __slots__ = ("_agreed", "_framing", "_pending", "_pending_size", "_wire", "date")

    def __init__(self, wire: Wire, head: Head, body: StreamReader = EMPTY_PAYLOAD) -> None:
        Exchange.__init__(self, head, body)
        self._wire = wire
        # The compression of a WebSocket that was negotiated, once it was.
        self._agreed: tuple[Deflate | None] | None = None
        self._framing = _FRAMED_NONE
        # That of the answer, once it has one.
        self.date = ""
        # Pieces of the body that leave by the end of this step of the loop; a list from the first.
        self._pending: list[bytes] = _NONE
        self._pending_size = 0

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
        fields = [("Date", self.date or dump_date(time.time()))]
        if self._wire.server_header:
            fields.append(("Server", self._wire.server_header))
        return fields

    def answer_plain(
        self, status: int, reason: str, content_type: str | None, body: bytes
    ) -> Awaitable[None] | None:
        """Write head and body at once, where nothing else is to be thought of."""
        size = len(body)
        if content_type is not None:
            described = f"Content-Type: {content_type}\r\nContent-Length: {size}"
        elif body:
            described = f"Content-Length: {size}\r\nContent-Type: application/octet-stream"
        else:
            described = "Content-Length: 0"
        start = f"HTTP/1.1 {status} {reason}\r\n{described}\r\n"
        left = self._answer_at_once(status, start, body)
        if left is not False:
            return left
        self.date = dump_date(time.time())  # of the fields, whenever they are asked for
        return super().answer_plain(status, reason, content_type, body)

    def answer_described(
        self, status: int, reason: str, fields: list[tuple[str, str]], body: bytes
    ) -> Awaitable[None] | None:
        """Write head and body at once, where nothing else is to be thought of."""
        lines = "".join([f"{name}: {value}\r\n" for name, value in fields])
        start = f"HTTP/1.1 {status} {reason}\r\n{lines}Content-Length: {len(body)}\r\n"
        left = self._answer_at_once(status, start, body)
        if left is not False:
            return left
        self.date = dump_date(time.time())
        return super().answer_described(status, reason, fields, body)

    def _answer_at_once(
        self, status: int, start: str, body: bytes
    ) -> Awaitable[None] | Literal[False] | None:
        """Write a head of which Date and Server are missing, and the body; False where that is
        not all there is to do."""
        if self._state is not _OPEN:
            return False
        data = start.encode("utf-8", "surrogateescape")
        is_old = self.head.version is not HttpVersion11
        room = self._wire.write_plain(self, data, body, is_old=is_old)
        if room is False:
            return False
        self._state = _ENDED
        self.status = status
        return None if room is None else asyncio.shield(room)

    def answer_listed(
        self, status: int, reason: str, fields: list[tuple[str, str]], body: bytes
    ) -> Awaitable[None] | None:
        """Write head and body at once, where nothing else is to be thought of."""
        is_new = self.head.version is HttpVersion11
        if (is_new or self.goes_on) and self._state is _OPEN:
            lines = "".join([f"{name}: {value}\r\n" for name, value in fields])
            kept = "" if is_new else "Connection: keep-alive\r\n"  # as 1.0 has to be told
            start = f"HTTP/1.1 {status} {reason}\r\n{lines}{kept}".encode(
                "utf-8", "surrogateescape"
            )
            room = self._wire.write_plain(self, start, body, is_dated=True)
            if room is not False:
                self._state = _ENDED
                self.status = status
                return None if room is None else asyncio.shield(room)
        return super().answer_listed(status, reason, fields, body)

    def at_step_end(self, callback: Callable[[], object]) -> None:
        """Call back together with others."""
        self._wire.at_step_end(callback)

    def answer_block(
        self, status_line: bytes, block: bytes, body: bytes
    ) -> Awaitable[None] | Literal[False] | None:
        """Write head and body at once, where nothing else is to be thought of."""
        head = self.head
        if (
            head.version is not HttpVersion11
            or self._state is not _OPEN
            or head.method not in _WITH_BODY
        ):
            return False
        room = self._wire.write_plain(self, status_line + block, body)
        if room is False:
            return False
        self._state = _ENDED
        self.status = int(status_line[9:12])
        return None if room is None else asyncio.shield(room)

    @property
    def addresses(self) -> tuple[Any, Any]:
        """Those of the peer and of the own socket, looked up once for a connection."""
        wire = self._wire
        if wire.addresses is None:
            wire.addresses = super().addresses
        return wire.addresses

    async def answer_file(self, lines: bytes, file: int, offset: int, count: int) -> bool | None:
        """Send a whole answer of the status 200 with part of a file, where nothing else is to be
        thought of; says on the wire what `start`, `send_file` and `write_eof` would.

        Args:
            lines: of fields, each with its end; printable; with a Content-Length, which is `count`,
                and but for the fields of a server all that there are.
            file: descriptor.
            offset: as of `send_file`.
            count: likewise.

        Returns:
            None where it does not go so: nothing was sent. False when the system cannot send the
            file: the head was sent. True when all is done.

        Raises:
            what `send_file` raises.
        """
        wire = self._wire
        if (
            self._state is not _OPEN
            or self.head.version is not HttpVersion11
            or not wire.sends_files
            or (ending := wire.end_plain(self)) is None
        ):
            return None
        prefix = b"HTTP/1.1 200 OK\r\n" + lines + ending
        self.status = 200
        self._framing = _FRAMED_LENGTH
        self._remaining = count
        self._state = _SENDING
        try:
            sent = await wire.send_file(prefix, file, offset, count)
        except asyncio.CancelledError:
            self.abort(RuntimeError("Sending a file was cancelled"))
            raise
        except BaseException as exc:  # how much has left is not known: nothing can follow
            self.abort(exc)
            raise
        self.bytes_sent += len(prefix) + (sent or 0)
        self._remaining -= sent or 0
        if self._state is _SENDING:  # the peer may have left just now
            self._state = _STARTED if self._remaining else _ENDED
        return sent is not None

    def take(self, data: bytes) -> Awaitable[None] | None:
        """Take a piece of the body, to leave with others: by the end of this step of the loop, at
        64 KiB, or before anything else is sent. A piece is one chunk, as ever.

        Returns:
            what is to be awaited; None when there is nothing to wait for.
        """
        pending, size = self._pending, len(data)
        if not pending or not size or self._state is not _STARTED:
            if not self._begin_pending(data):
                return self.write(data)
            pending = self._pending
        pending += (_chunk_lines.get(size) or _dump_chunk_line(size), data, b"\r\n")
        self._pending_size = size = self._pending_size + size
        if size < _PENDING_SIZE:
            return None
        self._send(b"", b"", b"")
        room = self._wire.room()
        return None if room is None else asyncio.shield(room)

    def _begin_pending(self, data: bytes) -> bool:
        """Make ready to take a piece; say whether it can be taken."""
        transport = self._wire.transport
        if (
            self._state is not _STARTED
            or self._framing is not _FRAMED_CHUNKED
            or not data
            or self._wire.room() is not None
            or transport is None
            or transport.is_closing()
        ):
            return False
        if self._pending is _NONE:
            self._pending = []
        self._wire.at_step_end(self._flush)
        return True

    def _flush(self) -> None:
        """Send what was taken in this step of the loop."""
        if self._pending and self._state is _STARTED:
            try:
                self._send(b"", b"", b"")
            except ClientConnectionResetError as exc:
                self.abort(exc)

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
        self._check(Event.ACCEPT)
        if self.gone:  # also by half: nothing that comes behind would be read
            raise ClientConnectionResetError("Connection lost")
        pairs = self._complete(list(fields), self.propose(options, subprotocol))
        check_fields(pairs)
        self._move(Event.ACCEPT)
        self.status = 101
        head = dump_head(status_line(101, "Switching Protocols"), pairs)
        self.bytes_sent += len(head)
        self._wire.write(head)
        channel = SocketChannel(
            self._wire, self, options, subprotocol=subprotocol, deflate=self._negotiate(options)
        )
        self._wire.switch(channel)
        return channel

    def _negotiate(self, options: ChannelOptions) -> "Deflate | None":
        """Find out once what compression can be agreed on."""
        if not options.compress:
            return None
        if self._agreed is None:
            from .deflate import negotiate  # loads the websockets library

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
        if self._framing is _FRAMED_CHUNKED:
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
            framing is not _FRAMED_CHUNKED
            and self._wire.sends_files
            and descriptor_of(file) is not None
        )

    async def _emit_file(
        self, head: AnswerHead | None, file: Any, offset: int, count: int
    ) -> int | None:
        descriptor = descriptor_of(file)
        assert descriptor is not None  # or `_can_send` would have said so
        prefix = b"" if head is None else self._dump(head)
        if self._pending:
            self._send(prefix, b"", b"")
            prefix = b""
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
        if self._pending:  # what was written before an error is on its way
            try:
                self._send(b"", b"", b"")
            except ClientConnectionResetError:
                pass  # it is closing already
        if self._framing is _FRAMED_CLOSE:
            _reset_at_close(self._wire.get_extra_info("socket"))
        self._wire.cut(cause)

    def _dump(self, head: AnswerHead) -> bytes:
        """Write the head as bytes, with the fields that framing and connection still need."""
        fields = head.fields
        roles = [find_role(name) for name, _ in fields]
        self._framing = head.framing
        self.goes_on = not head.close
        if head.framing is _FRAMED_CHUNKED and _ROLE_CODING not in roles:
            fields.append(("Transfer-Encoding", "chunked"))
        if _ROLE_CONNECTION not in roles:
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
        if self._pending:
            self._pending.append(prefix)
            prefix = b"".join(self._pending)
            self._pending.clear()
            self._pending_size = 0
        size = len(prefix) + len(data) + len(suffix)
        if not size:
            return
        self.bytes_sent += size
        write = self._wire.write
        if size == len(prefix):
            write(prefix)
            return
        if size <= JOIN_SIZE:
            write(b"".join((prefix, data, suffix)))
            return
        for piece in (prefix, data, suffix):
            if piece:  # asyncio may keep what it cannot send at once, and buffers may change
                write(piece if isinstance(piece, bytes) else bytes(piece))


def _dump_chunk_line(size: int) -> bytes:
    """Write the line in front of a chunk (RFC 9112 section 7.1), and remember that of the sizes
    that come first."""
    line = b"%x\r\n" % size
    if len(_chunk_lines) < _MAX_CHUNK_LINES:
        _chunk_lines[size] = line
    return line


def _reset_at_close(sock: Any) -> None:  # Any: a TransportSocket, or a stand-in of it; None
    """Let the close of a socket be a reset, which is all that a client without a length sees."""
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass  # it is closed


# Methods whose answers have bodies.
_WITH_BODY = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_INTERIM = {100: "Continue", 102: "Processing", 103: "Early Hints"}
