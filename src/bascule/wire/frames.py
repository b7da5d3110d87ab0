"""WebSocket frames: the kinds of messages, the codes of closes, and the lane of plain frames."""

import json
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, NamedTuple

__all__ = [
    "CLOSED",
    "CLOSING",
    "COMPRESSED",
    "MAX_CONTROL_SIZE",
    "MAX_LENGTH",
    "NO_CODE",
    "Unmask",
    "WSCloseCode",
    "WSMessage",
    "WSMessageTextBytes",
    "WSMsgType",
    "WebSocketError",
    "cut_reason",
    "dump_close",
    "dump_frame",
    "dump_frame_head",
    "find_plain_frame",
    "is_sendable_code",
    "make_message",
    "read_plain_frame",
]

# Bytes of a control frame's payload (RFC 6455 section 5.5).
MAX_CONTROL_SIZE: Final = 125
# Bytes of a frame's payload (RFC 6455 section 5.2).
MAX_LENGTH: Final = 2**63 - 1
# What stands for a close frame without a code (RFC 6455 section 7.1.5); never on the wire.
NO_CODE: Final = 1005


class WSMsgType(IntEnum):
    """The kind of a message: the opcodes of RFC 6455, and what tells of the connection."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    PING = 0x9
    PONG = 0xA
    CLOSE = 0x8
    CLOSING = 0x100
    CLOSED = 0x101
    ERROR = 0x102

    text = TEXT
    binary = BINARY
    ping = PING
    pong = PONG
    close = CLOSE
    closing = CLOSING
    closed = CLOSED
    error = ERROR


class WSCloseCode(IntEnum):
    """Codes of close frames that have names (RFC 6455 section 7.4.1 and IANA's registry)."""

    OK = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    ABNORMAL_CLOSURE = 1006
    INVALID_TEXT = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014


class WSMessage(NamedTuple):
    """One message, or what is told of the connection in its place.

    Attributes:
        type: of the message.
        data: text, bytes, the code of a close, or an error.
        extra: the reason of a close.
    """

    type: WSMsgType
    data: Any  # Any: by the type
    extra: str | None

    def json(self, *, loads: Callable[[Any], Any] = json.loads) -> Any:
        """Parse the data as JSON."""
        return loads(self.data)


class WSMessageTextBytes(WSMessage):
    """A text message that was left as bytes."""

    __slots__ = ()


class WebSocketError(Exception):
    """The peer has broken the protocol.

    Args:
        code: of the close frame that tells it so.
        message: what it did.
    """

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(code, message)

    def __str__(self) -> str:
        return str(self.args[1])


def make_message(
    kind: WSMsgType, data: str | bytes | bytearray | memoryview, decode_text: bool = True
) -> WSMessage:
    """Make the message that is received where these data were sent.

    Raises:
        UnicodeDecodeError: text that is no UTF-8.
    """
    if kind is not WSMsgType.TEXT:
        return WSMessage(kind, data.encode() if isinstance(data, str) else bytes(data), "")
    if not decode_text:
        raw = data.encode("utf-8") if isinstance(data, str) else bytes(data)
        return WSMessageTextBytes(kind, raw, "")
    return WSMessage(kind, data if isinstance(data, str) else bytes(data).decode("utf-8"), "")


CLOSING: Final = WSMessage(WSMsgType.CLOSING, None, None)
CLOSED: Final = WSMessage(WSMsgType.CLOSED, None, None)

_UNSENDABLE = frozenset({1004, 1005, 1006, 1015})


def is_sendable_code(code: object) -> bool:
    """Whether a close frame may carry this code (RFC 6455 section 7.4)."""
    if not isinstance(code, int):
        return False
    return (1000 <= code <= 1014 and code not in _UNSENDABLE) or 3000 <= code < 5000


def dump_close(code: int, reason: bytes) -> bytes:
    """Write the payload of a close frame; it is empty for `NO_CODE`."""
    return b"" if code == NO_CODE else code.to_bytes(2, "big") + reason


def cut_reason(reason: bytes) -> bytes:
    """Make of a close's reason what may be sent: valid UTF-8 of at most 123 bytes."""
    text = reason.decode("utf-8", "replace").encode("utf-8")
    return text[: MAX_CONTROL_SIZE - 2].decode("utf-8", "ignore").encode("utf-8")


_TINY = struct.Struct("!BB")
_SHORT = struct.Struct("!BBH")
_LONG = struct.Struct("!BBQ")


def dump_frame_head(opcode: int, size: int, *, rsv1: bool = False) -> bytes:
    """Write the head of an unmasked final frame (RFC 6455 section 5.2)."""
    first = 0x80 | opcode | (0x40 if rsv1 else 0)
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return _SHORT.pack(first, 126, size)
    return _LONG.pack(first, 127, size)


def dump_frame(opcode: int, data: bytes, *, rsv1: bool = False) -> bytes:
    """Write an unmasked final frame in one piece."""
    size = len(data)
    if size < 126:
        return _TINY.pack(0xC0 | opcode if rsv1 else 0x80 | opcode, size) + data
    return dump_frame_head(opcode, size, rsv1=rsv1) + data


# The bit of a frame's first byte that says that its payload is compressed (RFC 7692 section 6).
COMPRESSED: Final = 0x40

# First bytes of frames that are final, and text or binary.
_PLAIN_FIRST: Final = (0x81, 0x82)
_CODED_FIRST: Final = (0x81, 0x82, 0x81 | COMPRESSED, 0x82 | COMPRESSED)

# Puts a mask on a payload, or takes it off: payload and key, each a buffer, to bytes.
Unmask = Callable[[Any, Any], bytes]


def read_plain_frame(
    buffer: bytes | bytearray,
    at: int,
    unmask: Unmask,
    limit: int = MAX_LENGTH,
    compressed: bool = False,
) -> tuple[int, bytes, int] | None:
    """Read a plain frame that is complete: the lane beside the full parser.

    A frame is taken if it is final, text or binary, masked, and has no reserved bit set but that
    of compression, where it may be.

    Args:
        buffer: where it is.
        at: where it begins.
        unmask: takes the mask off.
        limit: most bytes that a payload has.
        compressed: frames may be compressed.

    Returns:
        its opcode, with `COMPRESSED` added where it is that, its payload, and where it ends; None
        for any other frame.
    """
    have = len(buffer)
    start = at + 6
    if have < start:
        return None
    first = buffer[at]
    size = buffer[at + 1] ^ 0x80
    if size > 125:
        span = find_plain_frame(buffer, at, limit, compressed)
        if span is None or span[1] > have:
            return None
        start, end = span
        with memoryview(buffer) as whole, whole[start:end] as payload:
            return first & 0x4F, unmask(payload, buffer[start - 4 : start]), end
    end = start + size
    if have < end or size > limit or first not in (_CODED_FIRST if compressed else _PLAIN_FIRST):
        return None
    return first & 0x4F, unmask(buffer[start:end], buffer[start - 4 : start]), end


def find_plain_frame(
    buffer: bytes | bytearray, at: int, limit: int = MAX_LENGTH, compressed: bool = False
) -> tuple[int, int] | None:
    """Find out where the payload of a plain frame is, by a head that is complete.

    Args:
        buffer: where it is.
        at: where it begins.
        limit: most bytes that a payload has.
        compressed: frames may be compressed.

    Returns:
        start and stop of the payload, which may not be there yet; None for other frames than
        `read_plain_frame` takes.
    """
    have = len(buffer) - at
    if have < 6:
        return None
    size = buffer[at + 1] ^ 0x80  # past 127 where it is not masked
    if size > 127 or buffer[at] not in (_CODED_FIRST if compressed else _PLAIN_FIRST):
        return None
    start = at + 6
    if size == 126:
        start += 2
        size = buffer[at + 2] << 8 | buffer[at + 3]
    elif size == 127:
        start += 8
        size = int.from_bytes(buffer[at + 2 : at + 10], "big")
    return (start, start + size) if have >= start - at and size <= limit else None
