"""The parts of a multipart body, pulled out of a stream one after the other."""

import asyncio
import sys
from collections import deque
from typing import Protocol

from ..wire.multipart import (
    Event,
    Limits,
    MultipartError,
    MultipartParser,
    PartBegin,
    PartData,
    PartEnd,
)
from .exceptions import HTTPBadRequest, HTTPRequestEntityTooLarge

__all__ = [
    "Fields",
    "MalformedMultipart",
    "OversizeMultipart",
    "PartStream",
    "PartsStream",
    "Readable",
    "limit_heads",
]

# What is read from the body at once, hence what waits here at most: as much as asyncio receives at
# once, so that it is not copied.
_PIECE_SIZE = 2**18
# The loop runs on after so many events, and so many are made at once.
_MAX_STREAK = 1000
# Heads of parts have the bound of heads of requests; aiohttp bounds the lines only.
_MAX_HEAD_SIZE = 2**16
# Each level costs a pass over the bytes. Mail, which nests most, seldom has more than five.
_MAX_DEPTH = 16

Fields = tuple[tuple[str, str], ...]


class MalformedMultipart(HTTPBadRequest, ValueError):
    """A multipart body, or a part of one, is not what it should be; 400 where nobody catches it.

    It is a ValueError since most of aiohttp's are.
    """

    def __init__(self, message: str) -> None:
        super().__init__(text=f"Malformed multipart body: {message}")
        self.message = message

    def __str__(self) -> str:
        return self.message


class OversizeMultipart(HTTPRequestEntityTooLarge, ValueError):
    """A multipart body passes a limit of what is kept at once; 413 where nobody catches it."""

    def __init__(self, message: str, limit: int = 0) -> None:
        super().__init__(limit, text=f"Multipart body too large: {message}")
        self.message = message

    def __str__(self) -> str:
        return self.message


class Readable(Protocol):
    """What a body is read from: a stream of ours, of aiohttp's client, or a `PartStream`."""

    async def read(self, n: int = -1, /) -> bytes:
        """Read up to `n` bytes, waiting for the first; ``b""`` at the end."""


def limit_heads(max_field_size: int = 8190, max_fields: int = 128) -> Limits:
    """Give the limits of a body whose parts are not counted, or not here.

    Args:
        max_field_size: bytes of a field line in the head of a part, its end included.
        max_fields: number of such lines.
    """
    return Limits(
        max_parts=sys.maxsize,
        max_part_fields=max_fields,
        max_part_field_size=max_field_size,
        max_part_head_size=max(_MAX_HEAD_SIZE, max_field_size + 2),
    )


class PartsStream:
    """The parts of one multipart body, which is read as far as they are asked for.

    It does not know the parts it has given, so that no circle of references keeps a body alive:
    a part remembers its turn, and is over when that has passed.

    Args:
        content: the body.
        boundary: without the dashes in front of it.
        limits: of the body, see `limit_heads`.

    Attributes:
        turn: how often the next part was asked for.

    Raises:
        MalformedMultipart: no valid boundary.
        OversizeMultipart: this is a part of a part of a part..., too deep.
    """

    __slots__ = (
        "_content",
        "_declared_size",
        "_depth",
        "_ended",
        "_events",
        "_failure",
        "_in_part",
        "_parser",
        "_size",
        "_streak",
        "turn",
    )

    def __init__(self, content: Readable, boundary: bytes, limits: Limits) -> None:
        self._depth = content.depth + 1 if isinstance(content, PartStream) else 1
        if self._depth > _MAX_DEPTH:
            message = f"bodies nested more than {_MAX_DEPTH} deep"
            raise OversizeMultipart(message, _MAX_DEPTH)
        try:
            self._parser = MultipartParser(boundary, limits=limits, batch_size=_MAX_STREAK)
        except MultipartError as exc:
            raise MalformedMultipart(str(exc)) from exc
        self._content = content
        self._events: deque[Event] = deque()
        self._failure: MultipartError | None = None
        self._ended = False
        self._in_part = False
        self._declared_size: int | None = None
        self._size = 0
        self._streak = 0
        self.turn = 0

    @property
    def depth(self) -> int:
        """How deep it is nested, 1 for a body of its own."""
        return self._depth

    @property
    def at_eof(self) -> bool:
        """Whether the close delimiter was read, or the part that this is was left."""
        return self._ended or self.is_left

    @property
    def is_left(self) -> bool:
        """Whether the part that this is was left for the next one."""
        return isinstance(self._content, PartStream) and self._content.is_left

    async def next(self) -> "tuple[Fields, PartStream] | None":
        """Give the fields and the body of the next part; None behind the last.

        What is left of the part before is skipped. Cancelling loses nothing else.

        Raises:
            MalformedMultipart: the body is not a multipart body; later calls raise it again.
            OversizeMultipart: it passes a limit; later calls raise it again.
        """
        if self.at_eof:
            return None
        self.turn += 1
        while self._in_part:
            await self.next_event()
        event = await self.next_event()
        if isinstance(event, PartBegin):
            self._in_part = True
            self._declared_size, self._size = None, 0
            return event.fields, PartStream(self)
        self._ended = True
        return None

    async def next_event(self) -> Event:
        """Give the next event, reading when there is none."""
        while not self._events:
            if self._failure is not None:
                raise _translate(self._failure)
            waits = self._parser.has_more
            self.parse(b"" if waits else await self._content.read(_PIECE_SIZE))
        self._streak += 1
        if self._streak == _MAX_STREAK:
            self._streak = 0
            await asyncio.sleep(0)
        if isinstance(self._events[0], PartEnd):
            self._check_size()
        return self._take_event()

    def parse(self, data: bytes) -> None:
        """Take bytes of the body, or its end when there are none; first those that still wait."""
        parser = self._parser
        try:
            more = data or parser.has_more
            self._events.extend(parser.feed(data) if more else parser.close())
        except MultipartError as exc:
            self._events.extend(parser.salvage())
            # Without the traceback, which would keep these frames alive.
            self._failure = exc.with_traceback(None)

    def take_end(self) -> bool:
        """Take the end of the part if it has come already; say whether it has."""
        if not self._events or not isinstance(self._events[0], PartEnd) or self._is_contradicted:
            return False
        self._take_event()
        return True

    def declare(self, size: int) -> None:
        """Hold the part to a length in bytes.

        The boundary alone says where it ends: who believes the length, as aiohttp does, sees other
        parts than who believes the boundary. Where they disagree nothing more is given.
        """
        self._declared_size = size

    @property
    def _is_contradicted(self) -> bool:
        return self._declared_size is not None and self._declared_size != self._size

    def _check_size(self) -> None:
        if self._is_contradicted:
            raise MalformedMultipart("Reader did not read all the data or it is malformed")

    def _take_event(self) -> Event:
        event = self._events.popleft()
        if isinstance(event, PartData):
            self._size += len(event.data)
        elif isinstance(event, PartEnd):
            self._in_part = False
        return event


class PartStream:
    """The body of one part; it lives until the next part is asked for.

    Args:
        parts: where it comes from.
    """

    __slots__ = ("_data", "_ended", "_parts", "_position", "_turn")

    def __init__(self, parts: PartsStream) -> None:
        self._parts = parts
        self._turn = parts.turn
        self._data = b""
        self._position = 0
        self._ended = False

    @classmethod
    def behind_head(cls, content: Readable, boundary: bytes) -> "PartStream":
        """Make one of a stream that stands at the first byte of the body of a part."""
        parts = PartsStream(content, boundary, limit_heads())
        parts.parse(b"--%b\r\n\r\n" % boundary)
        parts._take_event()  # the begin of a part without fields
        return cls(parts)

    @property
    def depth(self) -> int:
        """How deep it is nested, 1 for a part of a body of its own."""
        return self._parts.depth

    @property
    def is_left(self) -> bool:
        """Whether the next part was asked for, here or around this."""
        return self._turn != self._parts.turn or self._parts.is_left

    @property
    def at_eof(self) -> bool:
        """Whether nothing is left to be read."""
        return (self._ended and self._position == len(self._data)) or self.is_left

    def declare(self, size: int) -> None:
        """Hold the part to a length in bytes."""
        self._parts.declare(size)

    async def fill(self) -> bool:
        """Wait until something is to be taken; False at the end.

        Raises:
            MalformedMultipart: the body ends within the part, or the length is not the declared.
        """
        if self.is_left:
            return False
        while self._position == len(self._data):
            if self._ended:
                return False
            event = await self._parts.next_event()
            if isinstance(event, PartData):
                self._data, self._position = event.data, 0
            else:
                self._ended = True
        return True

    def take(self, size: int) -> bytes:
        """Take up to `size` bytes of what is there, without waiting."""
        end = self._position + size
        data = self._data[self._position : end]
        if end < len(self._data):
            self._position = end
        else:
            self._data, self._position = b"", 0
            self._ended = self._ended or self._parts.take_end()
        return data

    def count_to(self, octet: bytes) -> int:
        """Count the bytes that are there up to and with an octet; 0 when it is not there."""
        found = self._data.find(octet, self._position)
        return found + 1 - self._position if found >= 0 else 0

    async def read(self, n: int = -1, /) -> bytes:
        """Read up to `n` bytes, waiting for the first; all of what is there if negative."""
        if not await self.fill():
            return b""
        return self.take(n if n >= 0 else len(self._data))

    def put_back(self, data: bytes) -> None:
        """Put bytes back in front of what is still to be read."""
        start = self._position - len(data)
        if start >= 0 and self._data[start : self._position] == data:
            self._position = start  # those that were taken last: nothing is copied
        else:
            self._data = data + self._data[self._position :]
            self._position = 0

    async def skip(self) -> None:
        """Read the rest and throw it away."""
        while await self.fill():
            self.take(len(self._data))


def _translate(error: MultipartError) -> MalformedMultipart | OversizeMultipart:
    return OversizeMultipart(str(error)) if error.too_large else MalformedMultipart(str(error))
