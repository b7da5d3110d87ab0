"""Chunked bodies, decoded: chunk lines and trailers held to RFC 9112 section 7.1.

A parser that skips what it need not understand takes control characters in chunk extensions,
sizes of any length and lines that end otherwise than others see them end. And one object for
each chunk lets a peer that sends a byte a chunk make a server work for every byte. So bodies
in chunks have a decoder of their own; what it accepts h11 accepts, with the same bytes.
"""

import re
from enum import Enum

from .grammar import FIELD_LINE, TOKEN, BadRequest
from .head import HeadLimits

__all__ = ["ChunkDecoder"]

# Names with an optional token or quoted string each (RFC 9112 section 7.1.1). Possessive: linear.
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]++|\\[\t -~\x80-\xff])*+"'
_EXTENSION = rb"[\t ]*+%b(?:[\t ]*+=[\t ]*+(?:%b|%b))?+" % (TOKEN, TOKEN, _QUOTED)
# chunk-size, at once its extensions, if any: blanks in front of the first are read by some and not
# by others.
_LINE = re.compile(
    rb"(?P<size>[0-9A-Fa-f]{1,16}+)(?P<extension>(?:;%b(?:[\t ]*+;%b)*+)?+)\r\n"
    % (_EXTENSION, _EXTENSION)
)
_TRAILER = re.compile(FIELD_LINE)
# Such a line as nearly all are, behind the end of the chunk in front.
_NEXT_LINE = re.compile(rb"\r\n([0-9A-Fa-f]{1,16})\r\n")
# The bytes of the longest size there is.
_LONGEST_SIZE = 16


class _State(Enum):
    """SIZE -> DATA -> DATA_END -> SIZE ..., and from a SIZE of zero TRAILERS -> DONE."""

    SIZE = "chunk line"
    DATA = "chunk data"
    DATA_END = "CRLF behind chunk data"
    TRAILERS = "trailers"
    DONE = "done"


# Bytes of a piece below which a view of it would take more memory than a copy.
_LEAST_VIEW = 1024


def _cut(data: bytes, start: int, stop: int) -> bytes | memoryview:
    """Cut a piece out; see `ChunkDecoder.feed`."""
    if stop - start < _LEAST_VIEW or not start:
        return data[start:stop]
    return memoryview(data)[start:stop]


# Members by names of the module: to look one up in its class costs ten times as much (Python 3.11).
_SIZE = _State.SIZE
_DATA = _State.DATA
_DATA_END = _State.DATA_END
_TRAILERS = _State.TRAILERS
_DONE = _State.DONE


class ChunkDecoder:
    """Decodes one chunked body; each byte is looked at once, however the input is cut.

    Args:
        limits: of the head and of what stands behind the body as one: trailers have no budget of
            their own.
        head_fields: field lines of the head.
        head_size: of the head, in bytes.

    Attributes:
        ended: whether the empty line behind the trailers has come.
    """

    __slots__ = ("_extensions", "_fields", "_left", "_limits", "_line", "_size", "_state")

    def __init__(self, limits: HeadLimits, *, head_fields: int = 0, head_size: int = 0) -> None:
        self._limits = limits
        self._state = _SIZE
        self._line = b""
        self._left = 0
        self._extensions = 0
        self._fields = head_fields
        self._size = head_size

    @property
    def ended(self) -> bool:
        """Whether the body is complete."""
        return self._state is _DONE

    def feed(self, data: bytes) -> tuple[list[bytes | memoryview], list[int], bytes]:
        """Take the next bytes.

        Returns:
            pieces of the body, large ones as views of `data` where that has more in it: they are
            copied where they are joined, and a second copy would cost more than all the rest; where
            chunks end, as offsets into the joined pieces; and what came behind the end of the body,
            once `ended`.

        Raises:
            BadRequest: 400 for a bad line, 431 for trailers beyond the limits.
        """
        pieces: list[bytes | memoryview] = []
        ends: list[int] = []
        position, size, given = 0, len(data), 0
        while position < size and self._state is not _DONE:
            if self._state is _DATA:
                if position + self._left < size:
                    position, given = self._take_chunks(data, position, given, pieces, ends)
                    continue
                step = size - position
                pieces.append(_cut(data, position, size))
                given += step
                position = size
                self._left -= step
                if not self._left:
                    ends.append(given)
                    self._state = _DATA_END
            else:
                position = self._take_line(data, position)
        return pieces, ends, data[position:] if self._state is _DONE else b""

    def _take_chunks(
        self,
        data: bytes,
        position: int,
        given: int,
        pieces: list[bytes | memoryview],
        ends: list[int],
    ) -> tuple[int, int]:
        """Take what is left of a chunk that ends in `data`, and those behind it that do, as long as
        nothing is said in the lines between them but the size.

        Returns:
            the position behind what was taken, and how much was given in all.
        """
        left, size, begun = self._left, len(data), 0
        view = memoryview(data)
        is_bounded = self._limits.max_chunk_line < _LONGEST_SIZE
        line, same = b"", 0
        self._state = _DATA_END
        while (stop := position + left) < size:
            pieces.append(data[position:stop] if left < _LEAST_VIEW else view[position:stop])
            given += left
            ends.append(given)
            position = stop
            if line and data.startswith(line, position):  # as most are: like the one before
                left = same
                position += len(line)
            else:
                match = None if is_bounded else _NEXT_LINE.match(data, position)
                if match is None:
                    left = 0
                    break
                line, left = match[0], int(match[1], 16)
                same = left
                position += len(line)
                if not left:
                    self._state = _TRAILERS
                    break
            begun += left
        else:
            self._state = _DATA
        self._left = left
        self._extensions = max(0, self._extensions - begun)
        return position, given

    def _take_line(self, data: bytes, position: int) -> int:
        """Gather a line and act on it; give the position behind what was taken."""
        end = data.find(b"\n", position)
        stop = end + 1 if end >= 0 else len(data)
        line = data[position:stop]
        if self._line:
            line = self._line + line
        if len(line) > self._longest_line:
            status = 431 if self._state is _TRAILERS else 400
            raise BadRequest(status, "Line in a chunked body too long")
        if end < 0:
            self._line = line
            return stop
        self._line = b""
        self._act_on(line)
        return stop

    @property
    def _longest_line(self) -> int:
        limits = self._limits
        is_trailer = self._state is _TRAILERS
        return (limits.max_field_size if is_trailer else limits.max_chunk_line) + 2

    def _act_on(self, line: bytes) -> None:
        if self._state is _DATA_END:
            if line != b"\r\n":
                raise BadRequest(400, "Chunk longer than its size")
            self._state = _SIZE
        elif self._state is _SIZE:
            self._begin_chunk(line)
        elif line == b"\r\n":
            self._state = _DONE
        else:
            self._check_trailer(line)

    def _begin_chunk(self, line: bytes) -> None:
        match = _LINE.fullmatch(line)
        if match is None:
            raise BadRequest(400, "Invalid chunk line")
        left = self._left = int(match["size"], 16)
        self._state = _DATA if left else _TRAILERS
        self._extensions += len(match["extension"])
        if self._extensions > self._limits.max_chunk_extensions:
            raise BadRequest(400, "Too many chunk extensions")
        self._extensions = max(0, self._extensions - left)

    def _check_trailer(self, line: bytes) -> None:
        self._fields += 1
        self._size += len(line)
        limits = self._limits
        if self._fields > limits.max_headers or self._size > limits.max_head_size:
            raise BadRequest(431, "Too many trailers")
        if _TRAILER.fullmatch(line) is None:
            raise BadRequest(400, "Invalid trailer")
