"""The body of a request that is sent piece by piece, while the application reads it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable

from ..streams import StreamReader

__all__ = ["Pieces", "Upload"]

# Pieces of a body; a client iterates over them once.
Pieces = AsyncIterable[bytes] | Iterable[bytes]


class Upload:
    """A body on its way to an application, with back-pressure: no piece is asked for while more
    than 128 KiB wait to be read.

    Args:
        pieces: of the body.
        length: how many bytes were announced, if they were.

    Attributes:
        reader: what the application reads.
        error: why the body could not be sent to its end, if it could not.
    """

    def __init__(self, pieces: Pieces, length: int | None = None) -> None:
        self.reader = StreamReader(source=self)
        self.error: Exception | None = None
        self._pieces = pieces
        self._length = length
        self._room = asyncio.Event()

    async def send(self) -> None:
        """Send the body to its end; where that fails `error` tells why."""
        pieces = _iterate(self._pieces)
        try:
            async for piece in pieces:
                await self._send_piece(piece)
            self._check_length()
            self.reader.feed_eof()
        except Exception as exc:
            self.error = exc
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()

    async def _send_piece(self, piece: bytes) -> None:
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise TypeError(f"Pieces of a body must be bytes, got {piece!r:.100}")
        if not piece:
            return
        self._room.clear()
        self.reader.feed_data(bytes(piece))
        self.reader.end_chunk()
        if self.reader.is_full:
            await self._room.wait()

    def _check_length(self) -> None:
        if self._length not in (None, self.reader.total_bytes):
            raise ValueError(f"The body does not have the {self._length} bytes that were announced")

    def starved(self) -> None:
        """Do nothing: pieces are on their way."""

    def drained(self) -> None:
        """Let the next piece be asked for."""
        self._room.set()


def _iterate(pieces: Pieces) -> AsyncIterator[bytes]:
    return aiter(pieces) if isinstance(pieces, AsyncIterable) else _iterate_slowly(pieces)


async def _iterate_slowly(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)  # the application reads in between
