"""Heads of messages on the wire: bytes until the empty line, and a head written out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from .bounds import check_count
from .grammar import BadRequest, is_token

__all__ = [
    "HeadLimits",
    "HeadReader",
    "Role",
    "check_fields",
    "check_roles",
    "check_status",
    "dump_head",
    "find_plain_end",
    "find_role",
    "status_line",
]

# HTAB alone of the control characters may stand in a value (RFC 9110 section 5.5); of the
# surrogates those that stand for bytes (PEP 383).
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")
_END = b"\r\n\r\n"
_KNOWN_NAMES: dict[str, "Role"] = {}
_MAX_KNOWN_NAMES = 1024


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Bounds of a request head and of chunk lines, in bytes and in field lines; aiohttp's defaults
    where it has one.

    Attributes:
        max_line_size: the request line; 414 beyond it.
        max_field_size: one field line; 431 beyond it.
        max_head_size: the head in all; 431 beyond it.
        max_headers: the number of field lines; 431 beyond it.
        max_chunk_line: a line that gives the size of a chunk, extensions and all; 400 beyond it.
        max_chunk_extensions: the extensions of all chunks, less one byte for each byte of data, so
            that nobody makes a server read much for little (Go's CVE-2023-39326); 400 beyond it.

    Raises:
        TypeError: one is no int.
        ValueError: nothing could be served with it.
    """

    max_line_size: int = 8190
    max_field_size: int = 8190
    max_head_size: int = 65536
    max_headers: int = 128
    max_chunk_line: int = 256
    max_chunk_extensions: int = 16 * 1024

    def __post_init__(self) -> None:
        """Find out now what would fail with every request."""
        for name in ("max_line_size", "max_field_size", "max_head_size", "max_headers"):
            check_count(name, getattr(self, name))
        check_count("max_chunk_line", self.max_chunk_line)
        check_count("max_chunk_extensions", self.max_chunk_extensions, least=0)


class HeadReader:
    """Gathers the bytes of one head, up to its empty line, within limits.

    Lines end with CRLF and with nothing else: a bare LF is refused as soon as it is seen, since
    parsers disagree about it (RFC 9112 section 2.2 permits tolerance, we have none). One empty line
    in front of the head is skipped (same section). Each byte is looked at once, and the first
    fault in the order of the bytes is the one that is told, however the input is cut. An
    instance serves one head.
    """

    __slots__ = ("_buffer", "_fields", "_limits", "_line_start", "_searched", "_started")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._started = False
        # Where the line that is being read begins, and from where its end is still to be found.
        self._line_start = 0
        self._searched = 0
        # Lines that are complete, the request line among them.
        self._fields = 0

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
        buffer += data
        if not self._started and not self._begin():
            return None
        stop = find_plain_end(self._buffer, self._limits) if not self._searched else -1
        if stop < 0:
            stop = self._read_lines()
        return None if stop < 0 else (bytes(buffer[:stop]), bytes(buffer[stop:]))

    def _begin(self) -> bool:
        """Look at the first bytes of all; say whether there are enough of them."""
        buffer = self._buffer
        if buffer[:2] == b"\r\n" and not self._searched:
            del buffer[:2]
            self._searched = -1  # a second empty line is not skipped
        if not buffer or (buffer == b"\r" and not self._searched):
            return False
        if buffer[0] == 0x16:
            raise BadRequest(400, "Received HTTPS traffic on an HTTP port")
        self._started = True
        self._searched = 0
        return True

    def _read_lines(self) -> int:
        """Check line after line; give the end of the head, -1 while it is not here."""
        buffer = self._buffer
        while True:
            end = buffer.find(b"\n", self._searched)
            start = self._line_start
            stop = len(buffer) if end < 0 else end
            returned = stop > start and buffer[stop - 1] == 0x0D
            self._check_size(stop - start - returned, stop if end < 0 else stop + 1)
            if end < 0:
                self._searched = stop
                return -1
            if not returned:
                raise BadRequest(400, "Line not ended by CRLF")
            self._line_start = self._searched = stop + 1
            if stop - 1 == start:
                return stop + 1
            self._fields += 1
            limit = self._limits.max_headers
            if self._fields > limit + 1:
                raise BadRequest(431, f"More than {limit} header fields")

    def _check_size(self, line_size: int, head_size: int) -> None:
        limits = self._limits
        most = limits.max_field_size if self._fields else limits.max_line_size
        if head_size > limits.max_head_size <= self._line_start + most:  # that byte came first
            raise BadRequest(431, f"Head larger than {limits.max_head_size} bytes")
        if line_size > most:
            if self._fields:
                raise BadRequest(431, f"Header field longer than {most} bytes")
            raise BadRequest(414, f"Request line longer than {most} bytes")
        if head_size > limits.max_head_size:
            raise BadRequest(431, f"Head larger than {limits.max_head_size} bytes")


def find_plain_end(data: bytes | bytearray, limits: HeadLimits) -> int:
    """Find the end of a head that came at once and is below all limits, as most do.

    Args:
        data: the bytes of the connection from the first byte of the head on.
        limits: of the head.

    Returns:
        where its empty line ends; -1 for any other head, which is read line by line: one that is
        not complete or comes near a limit, one with a bare LF or behind an empty line, and what is
        a TLS greeting.
    """
    stop = data.find(_END) + 4
    if (
        stop < 5
        or stop > limits.max_line_size
        or stop > limits.max_field_size
        or stop > limits.max_head_size
        or data[0] in (0x0D, 0x16)
    ):
        return -1
    lines = data.count(b"\n", 0, stop)
    if lines - 2 > limits.max_headers or lines != data.count(b"\r\n", 0, stop):
        return -1
    return stop


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
            find_role(name)
        if not value.isprintable() and _CONTROLS.search(value):
            raise ValueError(f"Control character in the header field {name!r}: {value!r:.200}")


class Role(Enum):
    """What a field says of the message that it stands in, if anything."""

    NONE = ""
    LENGTH = "content-length"
    CODING = "transfer-encoding"
    CONNECTION = "connection"
    # Fields that servers put in.
    DATE = "date"
    SERVER = "server"


_ROLES = {role.value: role for role in Role if role is not Role.NONE}


def check_roles(fields: Iterable[tuple[str, str]]) -> list[Role]:
    """Check fields as `check_fields` does, and find the role of each.

    Raises:
        ValueError: likewise.
    """
    roles = []
    known = _KNOWN_NAMES.get
    for name, value in fields:
        roles.append(known(name) or find_role(name))
        if not value.isprintable() and _CONTROLS.search(value):
            raise ValueError(f"Control character in the header field {name!r}: {value!r:.200}")
    return roles


def status_line(status: int, reason: str) -> str:
    """Write the status line of an HTTP/1.1 message, with its CRLF."""
    return f"HTTP/1.1 {status} {reason}\r\n"


def dump_head(first_line: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """Write a head: the first line as given, then the checked fields, then the empty line.

    Text goes out as UTF-8, and what came in undecodable goes out as it came (surrogateescape).
    """
    block = "".join([f"{name}: {value}\r\n" for name, value in fields])
    return f"{first_line}{block}\r\n".encode("utf-8", "surrogateescape")


def find_role(name: str) -> Role:
    """Find the role of a field, and remember those of the names that come first.

    Raises:
        ValueError: the name is not a token.
    """
    role = _KNOWN_NAMES.get(name)
    if role is None:
        if not is_token(name):
            raise ValueError(f"Invalid header name {name!r:.200}")
        role = _ROLES.get(name.lower(), Role.NONE)
        if len(_KNOWN_NAMES) < _MAX_KNOWN_NAMES:
            _KNOWN_NAMES[str(name)] = role
    return role
