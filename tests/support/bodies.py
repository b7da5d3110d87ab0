"""Bodies that come piece by piece, and what they make a reader hold."""

import tracemalloc
from collections.abc import Awaitable, Iterable, Iterator
from itertools import pairwise
from typing import Any

from bascule.streams import StreamReader

__all__ = ["MIB", "Body", "cut", "find_peak", "repeat"]

MIB = 2**20


class Body:
    """A body that comes piece by piece, each when its reader asks for more.

    Attributes:
        stream: of it.
        given: how many bytes were asked for.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self.stream = StreamReader(source=self)
        self.given = 0

    def starved(self) -> Awaitable[None]:
        return self._feed()

    def drained(self) -> None: ...

    async def _feed(self) -> None:
        piece = next(self._pieces, None)
        if piece is None:
            self.stream.feed_eof()
        else:
            self.given += len(piece)
            self.stream.feed_data(piece)


def cut(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Cut a body anywhere."""
    edges = [0, *sorted(i % (len(body) + 1) for i in cuts), len(body)]
    return [body[a:b] for a, b in pairwise(edges) if a < b]


def repeat(start: bytes, piece: bytes, size: int = 32 * MIB) -> Iterator[bytes]:
    """Give a piece again and again, to about so many bytes in all."""
    yield start
    for _ in range(0, size, len(piece)):
        yield piece


async def find_peak(work: Awaitable[Any]) -> int:
    """Give how many bytes were held at most while something ran."""
    tracemalloc.start()
    try:
        await work
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
