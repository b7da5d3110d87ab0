"""Heads of messages on the wire: bytes until the empty line, and a head written out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .grammar import BadRequest, is_token

__all__ = [
    "HeadLimits",
    "HeadReader",
    "check_fields",
    "check_status",
    "dump_head",
    "status_line",
]

# HTAB alone of the control characters may stand in a value (RFC 9110 section 5.5).
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_END = b"\r\n\r\n"
_KNOWN_NAMES: set[str] = set()
_MAX_KNOWN_NAMES = 1024


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Bounds of a request head, in bytes and in field lines; aiohttp's defaults where it has one.

    Attributes:
        max_line_size: the request line; 414 beyond it.
        max_field_size: one field line; 431 beyond it.
        max_head_size: the head in all; 431 beyond it.
        max_headers: the number of field lines; 431 beyond it.
    """

    max_line_size: int = 8190
    max_field_size: int = 8190
    max_head_size: int = 65536
    max_headers: int = 128


class HeadReader:
    """Gathers the bytes of one head, up to its empty line, within limits.

    Lines end with CRLF and with nothing else: a bare LF is refused as soon as it is seen, since
    parsers disagree about it (RFC 9112 section 2.2 permits tolerance, we have none). One empty line
    in front of the head is skipped (same section). Each byte is looked at once, however the
    input is cut. An instance serves one head.
    """

    __slots__ = ("_buffer", "_limits", "_line_checked", "_started")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._started = False
        self._line_checked = False

    def __bool__(self) -> bool:
        """Whether a byte of the head is here."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Take bytes; give the head with its empty line, and what came behind it, once complete.

        Raises:
            BadRequest: 400 for a bare LF or a TLS greeting, 414 for a request line and 431 for a
                field, a number of fields or a head beyond the limits.
        """
        buffer = self._buffer
        searched = len(buffer)
        buffer += data
        if not self._started:
            if buffer == b"\r" or not buffer:
                return None
            searched = self._begin()
        end = buffer.find(_END, max(0, searched - 3))
        stop = end + 4 if end >= 0 else len(buffer)
        self._check_line_ends(searched, stop)
        if end < 0:
            self._check_incomplete()
            return None
        head, rest = bytes(buffer[:stop]), bytes(buffer[stop:])
        self._check_limits(head)
        return head, rest

    def _begin(self) -> int:
        """Look at the first bytes of all; give the offset that the search starts from."""
        self._started = True
        buffer = self._buffer
        if buffer[:2] == b"\r\n":
            del buffer[:2]
        if buffer[:1] == b"\x16":
            raise BadRequest(400, "Received HTTPS traffic on an HTTP port")
        return 0

    def _check_line_ends(self, start: int, stop: int) -> None:
        buffer = self._buffer
        if start and buffer[start - 1] == 0x0D:
            start -= 1
        if buffer.count(b"\n", start, stop) != buffer.count(b"\r\n", start, stop):
            raise BadRequest(400, "Line not ended by CRLF")

    def _check_incomplete(self) -> None:
        """Refuse a head that has outgrown its bounds before it is complete."""
        size = len(self._buffer)
        limits = self._limits
        if not self._line_checked and size > limits.max_line_size:
            line = self._buffer.find(b"\r\n", 0, limits.max_line_size + 2)
            if line < 0:
                raise BadRequest(414, f"Request line longer than {limits.max_line_size} bytes")
            self._line_checked = True
        if size > limits.max_head_size:
            raise BadRequest(431, f"Head larger than {limits.max_head_size} bytes")

    def _check_limits(self, head: bytes) -> None:
        limits = self._limits
        lines = head.count(b"\r\n") - 2
        if lines > limits.max_headers:
            raise BadRequest(431, f"Too many headers received: {lines} > {limits.max_headers}")
        if len(head) <= min(limits.max_line_size, limits.max_field_size):
            return
        if len(head) > limits.max_head_size:
            raise BadRequest(431, f"Head larger than {limits.max_head_size} bytes")
        first, *rest = head.split(b"\r\n")
        if len(first) > limits.max_line_size:
            raise BadRequest(414, f"Request line longer than {limits.max_line_size} bytes")
        if max(map(len, rest)) > limits.max_field_size:
            raise BadRequest(431, f"Header field longer than {limits.max_field_size} bytes")


def check_status(status: int, reason: str) -> None:
    """Refuse a status or a reason phrase that would break the status line.

    Raises:
        ValueError: the status is not three digits, or the reason holds a control character.
    """
    if not 100 <= status <= 999:
        raise ValueError(f"Status code must be three digits, got {status!r}")
    if not reason.isprintable() and _CONTROLS.search(reason):
        raise ValueError("Reason cannot contain \\r or \\n")


def check_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Refuse fields that would smuggle something into a head.

    Raises:
        ValueError: a name is not a token, or a value holds CR, LF or NUL.
    """
    for name, value in fields:
        if name not in _KNOWN_NAMES:
            _check_name(name)
        if not value.isprintable() and _CONTROLS.search(value):
            raise ValueError(f"Control character in the header field {name!r}: {value!r:.200}")


def status_line(status: int, reason: str) -> str:
    """Write the status line of an HTTP/1.1 message, with its CRLF."""
    return f"HTTP/1.1 {status} {reason}\r\n"


def dump_head(first_line: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """Write a head: the first line as given, then the checked fields, then the empty line.

    Text goes out as UTF-8, and what came in undecodable goes out as it came (surrogateescape).
    """
    block = "".join([f"{name}: {value}\r\n" for name, value in fields])
    return f"{first_line}{block}\r\n".encode("utf-8", "surrogateescape")


def _check_name(name: str) -> None:
    if not is_token(name):
        raise ValueError(f"Invalid header name {name!r:.200}")
    if len(_KNOWN_NAMES) < _MAX_KNOWN_NAMES:
        _KNOWN_NAMES.add(str(name))
