"""Multipart bodies: a push parser from bytes to the events of their parts."""

import re
import sys
from dataclasses import dataclass
from enum import IntEnum, auto

from .grammar import is_token

__all__ = [
    "End",
    "Event",
    "Limits",
    "MultipartError",
    "MultipartParser",
    "PartBegin",
    "PartData",
    "PartEnd",
]

# RFC 2046 section 5.1.1 names fewer characters (bchars); clients send others, quoted. What matters
# here: nothing that ends a line, and no space at the end, where padding begins.
_BOUNDARY = re.compile(rb"[ -~]{0,69}[!-~]")
_MAX_BOUNDARY_SIZE = 70
# The "--" of a close delimiter, transport padding, CRLF. No composer sends padding, so that its
# bound is small; it is ours.
_MAX_LINE_REST = 72
# Fields that say what a part is: where one comes twice, a guard in front may believe the other.
_SINGLE_FIELDS = frozenset(
    {
        "content-disposition",
        "content-encoding",
        "content-length",
        "content-transfer-encoding",
        "content-type",
    }
)
# All control characters but HTAB (RFC 9110 section 5.5); lines are split at CRLF before.
_CONTROLS = bytes([*range(9), *range(0x0A, 0x20), 0x7F])


class MultipartError(ValueError):
    """The peer's body is not a multipart body, or is a larger one than allowed.

    Attributes:
        too_large: a limit was exceeded (413 above), else the syntax is wrong (400).
    """

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


@dataclass(frozen=True, slots=True)
class PartBegin:
    """The head of a part.

    Attributes:
        fields: names as sent, values stripped; UTF-8, undecodable bytes by surrogateescape.
            Values are free of control characters other than HTAB.
    """

    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PartData:
    """A piece of the body of the part begun last, never empty."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part begun last is complete."""


@dataclass(frozen=True, slots=True)
class End:
    """The close delimiter was read: nothing but an ignored epilogue follows."""


Event = PartBegin | PartData | PartEnd | End


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a multipart body; what the parts hold is for the reader of the events to bound.

    Attributes:
        max_parts: the number of parts, as in Go and werkzeug.
        max_part_fields: the number of field lines in the head of a part, as in Kestrel.
        max_part_field_size: bytes of such a line, its end included.
        max_part_head_size: bytes of such a head, line ends and empty line included.
        max_preamble_size: bytes in front of the first delimiter; forms have none, so that a body
            with another boundary is refused early instead of being read to its end.
    """

    max_parts: int = 1000
    max_part_fields: int = 16
    max_part_field_size: int = 8192
    max_part_head_size: int = 8192
    max_preamble_size: int = 65536


# Both are IntEnum since an Enum is hashed by Python code: 45 instead of 56 us for ten fields.
class _State(IntEnum):
    PREAMBLE = auto()
    DELIMITER = auto()  # behind a boundary, in the rest of its line
    HEAD = auto()
    BODY_START = auto()  # at the empty line, whose CRLF may belong to the next delimiter
    BODY = auto()
    EPILOGUE = auto()
    FAILED = auto()


class _Found(IntEnum):
    BOUNDARY = auto()  # CRLF "--" boundary
    LINE_END = auto()  # the CRLF behind a boundary
    CLOSE = auto()  # "--" and then a CRLF behind a boundary
    EMPTY_LINE = auto()  # the end of a head
    OCTET = auto()  # a body that does not begin with a delimiter


# What is found in the input moves the parser on; nobody else does, but for an error, which leads
# to FAILED from everywhere, and the end of the input, which stands for the CRLF of a CLOSE. Each
# state has one scanner (see `_SCANNERS`) that finds only what the table has for it. Every circle
# goes through BOUNDARY, which takes bytes, hence no input makes the parser turn for ever.
_TRANSITIONS = {
    (_State.PREAMBLE, _Found.BOUNDARY): _State.DELIMITER,
    (_State.DELIMITER, _Found.LINE_END): _State.HEAD,
    (_State.DELIMITER, _Found.CLOSE): _State.EPILOGUE,
    (_State.HEAD, _Found.EMPTY_LINE): _State.BODY_START,
    (_State.BODY_START, _Found.BOUNDARY): _State.DELIMITER,
    (_State.BODY_START, _Found.OCTET): _State.BODY,
    (_State.BODY, _Found.BOUNDARY): _State.DELIMITER,
}


class MultipartParser:
    """Reads one multipart body, without I/O (RFC 2046 section 5.1, RFC 7578).

    Any split of the input gives the same events, once the data of a part is joined, and the same
    error. Only an incomplete delimiter or field line is kept between calls; each byte is searched
    once, but for those of an incomplete delimiter (77 at most), which are looked at again.

    Lines end with CRLF and nothing else. A line that begins with the delimiter but goes on with
    something else than padding is an error rather than data (RFC 2046: the delimiter must not
    appear inside of a part), as in aiohttp.

    Once an error is raised, every later call raises it again. The events of the call that raises
    are not delivered, since most refuse a body with an error as a whole; who hands out parts as
    they come gets them from `salvage`.

    Attributes:
        has_more: a batch is full, and the bytes fed so far may hold more: feed ``b""`` next.
    """

    __slots__ = (
        "_batch_size",
        "_boundary",
        "_buffer",
        "_delimiter",
        "_events",
        "_failure",
        "_fields",
        "_head_size",
        "_limits",
        "_parts",
        "_position",
        "_preamble_size",
        "_searched",
        "_state",
        "has_more",
    )

    def __init__(
        self, boundary: bytes, *, limits: Limits = Limits(), batch_size: int = sys.maxsize
    ) -> None:
        """Make a parser for a body with this boundary.

        Args:
            boundary: as in the Content-Type, unquoted: 1 to 70 printable ASCII characters, the
                last of them no space.
            limits: bounds of the body.
            batch_size: about how many events are given at once: the smallest parts have nine
                bytes and three events.

        Raises:
            MultipartError: no valid boundary.
        """
        if len(boundary) > _MAX_BOUNDARY_SIZE:
            raise MultipartError(f"boundary {boundary!r:.200} is too long (70 chars max)")
        if _BOUNDARY.fullmatch(boundary) is None:
            raise MultipartError(f"Invalid boundary {boundary!r}")
        self._boundary = b"--" + boundary
        self._delimiter = b"\r\n" + self._boundary
        self._limits = limits
        self._batch_size = batch_size
        self.has_more = False
        self._state = _State.PREAMBLE
        # The first delimiter needs no CRLF in front of it: this one stands for it.
        self._buffer = b"\r\n"
        self._preamble_size = -2
        self._position = 0
        self._events: list[Event] = []
        self._parts = 0
        self._fields: list[tuple[str, str]] = []
        self._head_size = 0
        self._searched = 0
        self._failure = ("", False)

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes of the body; give the events they complete.

        Raises:
            MultipartError: the bytes break a rule or a limit, now or in a call before.
        """
        if data:
            rest = self._buffer[self._position :]
            self._buffer = rest + data if rest else data
            self._position = 0
        self.has_more = True
        try:
            while len(self._events) < self._batch_size:
                found = _SCANNERS[self._state](self)
                if found is None:
                    self._forget_read()
                    break
                self._state = _TRANSITIONS[self._state, found]
        except MultipartError as error:
            self._fail(error)
            raise
        events, self._events = self._events, []
        return events

    def _forget_read(self) -> None:
        self._buffer = self._buffer[self._position :]
        self._position = 0
        self.has_more = False

    def close(self) -> list[Event]:
        """Take the end of the body; give the event it completes, if any.

        That is the `End` of a close delimiter without its CRLF, which many clients leave out.

        Raises:
            MultipartError: the body is incomplete, or had an error before.
        """
        if self._state is _State.EPILOGUE:
            return []
        if self._state is _State.DELIMITER and self._buffer.rstrip(b" \t") == b"--":
            self._buffer = b""
            self._state = _TRANSITIONS[_State.DELIMITER, _Found.CLOSE]
            return [End()]
        error = self._explain_end()
        self._fail(error)
        raise error

    def salvage(self) -> list[Event]:
        """Give the events that the call that raised has found in front of the error, once."""
        events, self._events = self._events, []
        return events

    def _explain_end(self) -> MultipartError:
        """Tell what the end of the input means in a state where it is an error."""
        if self._state is _State.FAILED:
            return self._copy_failure()
        if self._state is _State.PREAMBLE:
            return MultipartError(f"Could not find starting boundary {self._boundary!r}")
        where = "delimiter" if self._state is _State.DELIMITER else "part"
        return MultipartError(f"Multipart body ended inside of a {where}")

    def _fail(self, error: MultipartError) -> None:
        """Remember an error, not as an object: its traceback would keep this parser alive."""
        self._failure = (str(error), error.too_large)
        self._state = _State.FAILED
        self._buffer = b""
        self._position = 0
        self.has_more = False

    def _copy_failure(self) -> MultipartError:
        message, too_large = self._failure
        return MultipartError(message, too_large=too_large)

    # Scanners: each goes on from `_position` in `_buffer` as far as its state reaches, moves
    # `_position` behind what it has read for good, and returns what ends the state, or None when
    # it needs more bytes.

    def _scan_preamble(self) -> _Found | None:
        boundary, end = self._find_boundary()
        self._preamble_size += end - self._position
        limit = self._limits.max_preamble_size
        if self._preamble_size > limit:
            raise MultipartError(f"Preamble larger than {limit} bytes", too_large=True)
        self._position = end + (len(self._delimiter) if boundary else 0)
        return boundary

    def _scan_delimiter(self) -> _Found | None:
        start = self._position
        tail = self._buffer[start : start + _MAX_LINE_REST]
        closes = tail.startswith(b"--")
        rest = tail.removeprefix(b"--").lstrip(b" \t")
        if not rest.startswith(b"\r\n"):
            if len(tail) == _MAX_LINE_REST or not (rest in (b"", b"\r") or tail == b"-"):
                line = self._boundary + tail[: len(tail) - len(rest) + 1]
                raise MultipartError(f"Invalid boundary {line!r}, expected {self._boundary!r}")
            return None
        self._position += len(tail) - len(rest) + 2
        if closes:
            self._events.append(End())
            return _Found.CLOSE
        self._begin_head()
        return _Found.LINE_END

    def _begin_head(self) -> None:
        self._parts += 1
        if self._parts > self._limits.max_parts:
            message = f"Too many parts: more than {self._limits.max_parts}"
            raise MultipartError(message, too_large=True)
        self._fields = []
        self._head_size = 0

    def _scan_head(self) -> _Found | None:
        buffer = self._buffer
        start = self._position
        while (end := buffer.find(b"\r\n", start + self._searched)) >= 0:
            self._searched = 0
            self._check_line(end + 2 - start)
            self._head_size += end + 2 - start
            if end == start:
                self._position = end
                if len(self._fields) > 1:
                    _check_repeats(self._fields)
                self._events.append(PartBegin(tuple(self._fields)))
                return _Found.EMPTY_LINE
            self._add_field(buffer[start:end])
            self._position = start = end + 2
        rest = len(buffer) - start
        self._searched = max(rest - 1, 0)
        self._check_line(rest)
        return None

    def _check_line(self, size: int) -> None:
        """Hold a line, or what is there of it, to the limit that it passes first."""
        limits = self._limits
        left = limits.max_part_head_size - self._head_size
        if size <= min(left, limits.max_part_field_size):
            return
        if left <= limits.max_part_field_size:
            what, limit = "Head", limits.max_part_head_size
        else:
            what, limit = "Field", limits.max_part_field_size
        raise MultipartError(f"{what} of a part larger than {limit} bytes", too_large=True)

    def _add_field(self, line: bytes) -> None:
        limit = self._limits.max_part_fields
        if len(self._fields) == limit:
            raise MultipartError(f"Too many fields in a part: more than {limit}", too_large=True)
        self._fields.append(_parse_field(line))

    def _scan_body_start(self) -> _Found | None:
        """Look for a delimiter that shares its CRLF with the empty line.

        RFC 2046 section 5.1.1 has a part without body end like that (``[CRLF *OCTET]``).
        """
        rest = self._buffer[self._position : self._position + len(self._delimiter)]
        if rest == self._delimiter:
            self._position += len(rest)
            self._events.append(PartEnd())
            return _Found.BOUNDARY
        if self._delimiter.startswith(rest):
            return None
        self._position += 2
        return _Found.OCTET

    def _scan_body(self) -> _Found | None:
        boundary, end = self._find_boundary()
        if end > self._position:
            self._events.append(PartData(self._buffer[self._position : end]))
        self._position = end
        if boundary:
            self._position += len(self._delimiter)
            self._events.append(PartEnd())
        return boundary

    def _scan_epilogue(self) -> None:
        self._position = len(self._buffer)

    def _scan_failed(self) -> None:
        raise self._copy_failure()

    def _find_boundary(self) -> tuple[_Found | None, int]:
        """Find the next delimiter, else the offset of the bytes at the end that may begin one.

        A delimiter holds one CR, its first byte. So only the last CR of the buffer can begin one
        that is incomplete, and two candidates never overlap: `find` does linear work even when
        the peer chooses boundary and data for each other.
        """
        buffer, delimiter = self._buffer, self._delimiter
        end = buffer.find(delimiter, self._position)
        if end >= 0:
            return _Found.BOUNDARY, end
        size = len(buffer)
        end = buffer.rfind(b"\r", max(self._position, size - len(delimiter) + 1))
        if end >= 0 and delimiter.startswith(buffer[end:]):
            return None, end
        return None, size


_SCANNERS = {
    _State.PREAMBLE: MultipartParser._scan_preamble,
    _State.DELIMITER: MultipartParser._scan_delimiter,
    _State.HEAD: MultipartParser._scan_head,
    _State.BODY_START: MultipartParser._scan_body_start,
    _State.BODY: MultipartParser._scan_body,
    _State.EPILOGUE: MultipartParser._scan_epilogue,
    _State.FAILED: MultipartParser._scan_failed,
}


def _parse_field(line: bytes) -> tuple[str, str]:
    """Split a field line; one that is folded (it begins with a space) has no name, hence fails."""
    name, colon, value = line.decode("utf-8", "surrogateescape").partition(":")
    if not colon or not is_token(name) or len(line.translate(None, _CONTROLS)) != len(line):
        raise MultipartError(f"Invalid HTTP header: {line[:100]!r}")
    return name, value.strip(" \t")


def _check_repeats(fields: list[tuple[str, str]]) -> None:
    seen = set()
    for name, _ in fields:
        lowered = name.lower()
        if lowered in seen and lowered in _SINGLE_FIELDS:
            raise MultipartError(f"Duplicate {name!r} header found")
        seen.add(lowered)
