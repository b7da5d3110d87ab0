"""WebSocket messages out of the bytes of their frames."""

import codecs
from collections.abc import Generator
from typing import Final

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import (  # type: ignore[attr-defined]  # apply_mask: that of C, if any
    CTRL_OPCODES,
    Close,
    Frame,
    Opcode,
    apply_mask,
)

from ..wire.frames import (
    COMPRESSED,
    MAX_CONTROL_SIZE,
    MAX_LENGTH,
    NO_CODE,
    WebSocketError,
    WSCloseCode,
    WSMessage,
    WSMessageTextBytes,
    WSMsgType,
    find_plain_frame,
    is_sendable_code,
    read_plain_frame,
)
from .deflate import Deflate

__all__ = ["Assembler"]

# Beyond `max_fragments` they must hold this many bytes each on average, so that a message cannot be
# spun out without end.
_TINY: Final = 64

_UTF8 = codecs.getincrementaldecoder("utf-8")
_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY
_make = tuple.__new__


class Assembler:
    """Reads frames of a client and joins them into messages (RFC 6455 sections 5 and 8).

    Between the first fragment of a message and its last, control frames may come, and nothing
    else. Behind a close nothing is read. Plain frames that are complete take a lane of their own;
    all others, and all that is wrong, go through the parser of the websockets library.

    Args:
        max_size: messages of so many bytes or more are refused, before they are gathered; 0 for no
            limit.
        decode_text: give text as str, checked fragment by fragment; else as bytes, unchecked.
        deflate: what compression was agreed on.
        max_fragments: of a message that are taken however small they are.

    Attributes:
        buffer: what came and was not read yet, as a rule nothing; its front may have been read.
    """

    __slots__ = (
        "_at",
        "_closed",
        "_count",
        "_decode_text",
        "_deflate",
        "_kind",
        "_limit",
        "_max_fragments",
        "_max_size",
        "_need",
        "_parser",
        "_parts",
        "_utf8",
        "buffer",
    )

    def __init__(
        self,
        max_size: int = 0,
        *,
        decode_text: bool = True,
        deflate: Deflate | None = None,
        max_fragments: int = 1000,
    ) -> None:
        self._max_size = max_size
        # Most bytes of a message.
        self._limit = max_size - 1 if max_size else MAX_LENGTH
        self._max_fragments = max_fragments
        self._decode_text = decode_text
        self._deflate = deflate
        # What one read has brought, or, where a frame does not end with it, what was gathered.
        self.buffer: bytes | bytearray = b""
        # Where the next unread byte of the buffer is.
        self._at = 0
        # Where a plain frame ends that is not complete yet; nothing is read before that is there.
        self._need = 0
        self._parser: Generator[None, None, Frame] | None = None
        # The kind of the message whose fragments come; None between messages.
        self._kind: WSMsgType | None = None
        self._parts = bytearray()
        self._count = 0
        self._utf8: codecs.IncrementalDecoder | None = None
        self._closed = False

    @property
    def has_bytes(self) -> bool:
        """Whether bytes are kept that were not read yet."""
        return len(self.buffer) > self._at

    def read_first(self, data: bytes) -> WSMessage | None:
        """Take bytes, and read on to the end of the first message; see `next_message`."""
        if self.buffer or self._kind is not None or self._parser is not None or self._closed:
            self.feed(data)
            return self.next_message()
        compressed = self._deflate is not None
        plain = read_plain_frame(data, 0, apply_mask, self._limit, compressed)
        if plain is None:
            self.buffer = data
            return self.next_message()
        opcode, payload, end = plain
        if end < len(data):
            self.buffer, self._at = data, end
        if opcode & COMPRESSED:
            payload = self._inflate(payload)
        return self._finish(_BINARY if opcode & 2 else _TEXT, payload)

    def feed(self, data: bytes) -> None:
        """Take bytes; `next_message` reads them."""
        if self._closed:
            return
        if not self.buffer:
            self.buffer = data
            return
        self._forget()
        if not isinstance(self.buffer, bytearray):
            self.buffer = bytearray(self.buffer)
        self.buffer += data

    def next_message(self) -> WSMessage | None:
        """Read on to the end of a message.

        Returns:
            TEXT, BINARY, PING, PONG or CLOSE; None when more bytes are needed for one.

        Raises:
            WebSocketError: the peer has broken the protocol; nothing is read any more.
        """
        if len(self.buffer) < self._need:
            return None
        self._need = 0
        while not self._closed:
            if self._parser is None and self._kind is None:
                plain = read_plain_frame(
                    self.buffer, self._at, apply_mask, self._limit, self._deflate is not None
                )
                if plain is not None:
                    opcode, data, end = plain
                    if end == len(self.buffer):
                        self.buffer, self._at = b"", 0
                    else:
                        self._at = end
                    if opcode & COMPRESSED:
                        data = self._inflate(data)
                    return self._finish(_BINARY if opcode & 2 else _TEXT, data)
                if self._awaits_plain():
                    break
            frame = self._read_frame()
            if frame is None:
                break
            message = self._take(frame)
            if message is not None:
                return message
        self._forget()
        return None

    def _inflate(self, data: bytes) -> bytes:
        deflate = self._deflate
        assert deflate is not None  # else the lane takes no compressed frame
        try:
            return deflate.decode_message(data, self._limit)
        except PayloadTooBig as exc:
            raise self._too_big(exc.size) from exc
        except ProtocolError as exc:
            raise self._broken(str(exc)) from exc

    def _awaits_plain(self) -> bool:
        """Whether a plain frame has begun that may be taken; it is not looked at until it is
        complete."""
        span = find_plain_frame(self.buffer, self._at, self._limit, self._deflate is not None)
        if span is None:
            return False
        self._need = span[1] - self._at  # what is in front of it is let go of
        return True

    def _forget(self) -> None:
        """Let go of what was read."""
        if not self._at:
            return
        if isinstance(self.buffer, bytearray):
            del self.buffer[: self._at]
        else:
            self.buffer = bytearray(memoryview(self.buffer)[self._at :])
        self._at = 0

    # -- frames

    def _read_frame(self) -> Frame | None:
        """Read one frame by the library; None while it is not complete."""
        if self._parser is None:
            if len(self.buffer) - self._at < 2:
                return None
            self._check_start(self.buffer[self._at], self.buffer[self._at + 1])
            self._parser = Frame.parse(
                self._read_exact,
                mask=True,
                max_size=self._room(),
                extensions=[self._deflate] if self._deflate is not None else [],
            )
        try:
            next(self._parser)
        except StopIteration as done:
            self._parser = None
            frame: Frame = done.value
            return frame
        except PayloadTooBig as exc:
            if not self._max_size:
                raise self._broken("The length of a frame has its first bit set") from exc
            size = None if exc.size is None else exc.size + len(self._parts)
            raise self._too_big(size) from exc
        except ProtocolError as exc:
            raise self._broken(str(exc)) from exc
        return None

    def _read_exact(self, size: int) -> Generator[None, None, bytes]:
        while len(self.buffer) - self._at < size:
            self._forget()
            yield
        start, self._at = self._at, self._at + size
        return bytes(memoryview(self.buffer)[start : self._at])

    def _room(self) -> int:
        """Bytes that a frame may still have; those of control may come between fragments.

        Compression lengthens what cannot be compressed by a little.
        """
        if not self._max_size:
            return MAX_LENGTH
        room = self._max_size - 1 - len(self._parts)
        if self._deflate is not None:
            room += self._max_size // 1000 + 64
        return max(room, MAX_CONTROL_SIZE)

    def _check_start(self, first: int, second: int) -> None:
        """Refuse by its first two bytes a frame that can only be wrong."""
        opcode, size = first & 0x0F, second & 0x7F
        if first & 0x30 or (first & 0x40 and (self._deflate is None or opcode > 2)):
            raise self._broken("Received frame with non-zero reserved bits")
        if opcode > 0xA or 2 < opcode < 8:
            raise self._broken(f"Unexpected opcode={opcode}")
        if opcode >= 8 and not first & 0x80:
            raise self._broken("Received fragmented control frame")
        if opcode >= 8 and size > MAX_CONTROL_SIZE:
            raise self._broken("Control frame payload cannot be larger than 125 bytes")
        if not second & 0x80:
            raise self._broken("Received a frame that is not masked")
        if opcode == 0 and self._kind is None:
            raise self._broken("Continuation frame for non started message")
        if 0 < opcode < 8 and self._kind is not None:
            raise self._broken(f"The opcode in non-fin frame is expected to be zero, got {opcode}")

    # -- messages

    def _take(self, frame: Frame) -> WSMessage | None:
        """Add a frame to what has come; give the message that it ends."""
        if frame.opcode in CTRL_OPCODES:
            return self._take_control(frame)
        if self._kind is None:
            kind = WSMsgType(frame.opcode)
            if frame.fin:
                self._check_size(len(frame.data))
                return self._finish(kind, bytes(frame.data))
            self._kind = kind
            self._count = 0
        return self._take_fragment(frame)

    def _take_fragment(self, frame: Frame) -> WSMessage | None:
        kind = self._kind
        assert kind is not None  # the caller has seen to it
        self._count += 1
        self._parts += frame.data
        size = len(self._parts)
        self._check_size(size)
        if self._count > self._max_fragments and size < self._count * _TINY:
            self._closed = True
            raise WebSocketError(
                WSCloseCode.MESSAGE_TOO_BIG,
                f"A message of more than {self._max_fragments} tiny fragments",
            )
        if kind is _TEXT and self._decode_text:
            self._check_text(frame.data, frame.fin)
        if not frame.fin:
            return None
        data, self._parts, self._kind, self._utf8 = bytes(self._parts), bytearray(), None, None
        return self._finish(kind, data)

    def _finish(self, kind: WSMsgType, data: bytes) -> WSMessage:
        # Named tuples are made as tuples, since their own constructor is slow.
        if kind is _BINARY:
            return _make(WSMessage, (kind, data, ""))
        if not self._decode_text:
            return _make(WSMessageTextBytes, (kind, data, ""))
        try:
            return _make(WSMessage, (kind, data.decode(), ""))
        except UnicodeDecodeError as exc:
            raise self._not_text() from exc

    def _check_text(self, data: object, final: bool) -> None:
        """Find bytes that are no UTF-8 in a fragment already (RFC 6455 section 8.1)."""
        if self._utf8 is None:
            self._utf8 = _UTF8()
        try:
            self._utf8.decode(data, final)  # type: ignore[arg-type]  # typeshed asks for bytes where a buffer does
        except UnicodeDecodeError as exc:
            raise self._not_text() from exc

    def _take_control(self, frame: Frame) -> WSMessage:
        data = bytes(frame.data)
        if frame.opcode is Opcode.CLOSE:
            self._closed = True
            code, reason = self._read_close(data)
            return WSMessage(WSMsgType.CLOSE, code, reason)
        return WSMessage(WSMsgType(frame.opcode), data, "")

    def _read_close(self, data: bytes) -> tuple[int, str]:
        if not data:
            return NO_CODE, ""
        if len(data) == 1:
            raise self._broken("Invalid close frame: its payload has one byte")
        code = int.from_bytes(data[:2], "big")
        if not is_sendable_code(code):
            raise self._broken(f"Invalid close code: {code}")
        try:
            return code, Close.parse(data).reason
        except UnicodeDecodeError as exc:
            raise self._not_text() from exc

    # -- what is wrong

    def _check_size(self, size: int) -> None:
        if 0 < self._max_size <= size:
            raise self._too_big(size)

    def _broken(self, text: str) -> WebSocketError:
        self._closed = True
        return WebSocketError(WSCloseCode.PROTOCOL_ERROR, text)

    def _too_big(self, size: int | None) -> WebSocketError:
        self._closed = True
        told = "" if size is None else f" {size}"
        return WebSocketError(
            WSCloseCode.MESSAGE_TOO_BIG, f"Message size{told} exceeds limit {self._max_size}"
        )

    def _not_text(self) -> WebSocketError:
        self._closed = True
        return WebSocketError(WSCloseCode.INVALID_TEXT, "Invalid UTF-8 text message")
