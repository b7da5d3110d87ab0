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
    MAX_CONTROL_SIZE,
    NO_CODE,
    WebSocketError,
    WSCloseCode,
    WSMessage,
    WSMessageTextBytes,
    WSMsgType,
    is_sendable_code,
    read_plain_frame,
)
from .deflate import Deflate

__all__ = ["Assembler"]

# Beyond `max_fragments` they must hold this many bytes each on average, so that a message cannot be
# spun out without end.
_TINY: Final = 64

# Of a frame, where no limit is set (RFC 6455 section 5.2).
_MAX_LENGTH: Final = 2**63 - 1

_UTF8 = codecs.getincrementaldecoder("utf-8")
_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY


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
    """

    __slots__ = (
        "_at",
        "_buffer",
        "_closed",
        "_count",
        "_decode_text",
        "_deflate",
        "_kind",
        "_max_fragments",
        "_max_size",
        "_parser",
        "_parts",
        "_utf8",
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
        self._max_fragments = max_fragments
        self._decode_text = decode_text
        self._deflate = deflate
        self._buffer = bytearray()
        # Where the next unread byte of the buffer is.
        self._at = 0
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
        return len(self._buffer) > self._at

    def feed(self, data: bytes) -> None:
        """Take bytes; `next_message` reads them."""
        if not self._closed:
            self._buffer += data

    def next_message(self) -> WSMessage | None:
        """Read on to the end of a message.

        Returns:
            TEXT, BINARY, PING, PONG or CLOSE; None when more bytes are needed for one.

        Raises:
            WebSocketError: the peer has broken the protocol; nothing is read any more.
        """
        while not self._closed:
            if self._parser is None and self._kind is None:
                plain = read_plain_frame(self._buffer, self._at, apply_mask)
                if plain is not None and not 0 < self._max_size <= len(plain[1]):
                    opcode, payload, self._at = plain
                    return self._finish(_TEXT if opcode == 1 else _BINARY, payload)
            frame = self._read_frame()
            if frame is None:
                break
            message = self._take(frame)
            if message is not None:
                return message
        self._forget()
        return None

    def _forget(self) -> None:
        """Let go of what was read."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0

    # -- frames

    def _read_frame(self) -> Frame | None:
        """Read one frame by the library; None while it is not complete."""
        if self._parser is None:
            if len(self._buffer) - self._at < 2:
                return None
            self._check_start(self._buffer[self._at], self._buffer[self._at + 1])
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
        while len(self._buffer) - self._at < size:
            self._forget()
            yield
        start, self._at = self._at, self._at + size
        return bytes(memoryview(self._buffer)[start : self._at])

    def _room(self) -> int:
        """Bytes that a frame may still have; those of control may come between fragments.

        Compression lengthens what cannot be compressed by a little.
        """
        if not self._max_size:
            return _MAX_LENGTH
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
        if kind is _BINARY:
            return WSMessage(kind, data, "")
        if not self._decode_text:
            return WSMessageTextBytes(kind, data, "")
        try:
            return WSMessage(kind, data.decode("utf-8"), "")
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
