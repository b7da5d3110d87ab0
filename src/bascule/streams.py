"""A body on its way: the reader that handlers hold, with back-pressure towards its source.

Long, since every way to read shares one buffer, and the rules of waiting for more of it.
"""

import asyncio
import warnings
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

__all__ = [
    "EMPTY_PAYLOAD",
    "EmptyStreamReader",
    "PayloadAccessError",
    "PayloadTimeoutError",
    "RequestPayloadError",
    "Source",
    "StreamReader",
]


_MAX_CHUNK_ENDS = 1024


class RequestPayloadError(Exception):
    """The body of a request could not be read: broken framing or coding, or it stopped coming."""


class PayloadTimeoutError(RequestPayloadError):
    """The body of a request did not come in time."""


class PayloadAccessError(Exception):
    """The body of a request was read after its answer was complete."""


class Source(Protocol):
    """Where the bytes of a body come from, seen from its reader."""

    def starved(self) -> Awaitable[None] | None:
        """A reader waits for bytes and none are buffered, or for the end.

        Returns:
            None when the bytes will be fed from outside; or an awaitable that the reader awaits
            in its own task, after which something was fed, or the end, or an exception.
        """

    def drained(self) -> None:
        """The buffer has fallen below its low-water mark: more may come."""


class _Limit(NamedTuple):
    """How much of a body may be read.

    Attributes:
        size: in bytes.
        declared: what the sender has said that will come, 0 when it has not.
        make_error: of the limit and of what is too much.
    """

    size: int
    declared: int
    make_error: Callable[[int, int], Exception]

    def check(self, size: int) -> None:
        """Refuse to read so far; all of a body that was declared to be too long."""
        size = max(size, self.declared)
        if size > self.size:
            raise self.make_error(self.size, size)


class StreamReader:
    """The bytes of one request body, in order, until its end.

    Its life is that of the exchange it belongs to. One reader at a time may wait; a second one
    gets a RuntimeError. Cancelling a read loses nothing: what was buffered stays buffered.
    Method names and behaviour are aiohttp's ``StreamReader``.

    Args:
        limit: low-water mark in bytes; the high-water mark is twice that.
        source: asked for more; without one the reader is fed by its owner alone.
    """

    __slots__ = (
        "_chunk_ends",
        "_chunks",
        "_closed",
        "_eof",
        "_eof_callbacks",
        "_eof_waiters",
        "_exception",
        "_high",
        "_limit",
        "_low",
        "_offset",
        "_reading",
        "_size",
        "_source",
        "_waiter",
        "total_bytes",
    )

    def __init__(self, limit: int = 2**16, source: Source | None = None) -> None:
        self._low = limit
        self._high = limit * 2
        self._source = source
        self._limit: _Limit | None = None
        self._chunks: deque[bytes] = deque()
        self._offset = 0
        self._size = 0
        self._eof = False
        self._closed = False
        self._exception: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._reading = False
        # Both are lists from their first use on.
        self._eof_callbacks: Sequence[Callable[[], None]] = ()
        self._eof_waiters: Sequence[asyncio.Future[None]] = ()
        # Positions in the stream where chunks of the transfer coding end, not yet read.
        self._chunk_ends: deque[int] | None = None
        self.total_bytes = 0

    @property
    def total_compressed_bytes(self) -> int | None:
        """Bytes that have come of a body that is decoded; None where none is."""
        return None

    @property
    def total_raw_bytes(self) -> int:
        """Bytes that have come, before they were decoded if they are."""
        return self.total_bytes

    @property
    def position(self) -> int:
        """How many bytes have been read."""
        return self.total_bytes - self._size

    # -- the feeding side

    @property
    def is_full(self) -> bool:
        """Whether the high-water mark is passed: the source should pause."""
        return self._size > self._high

    @property
    def is_waiting(self) -> bool:
        """Whether a reader waits for bytes now."""
        return self._waiter is not None

    def feed_data(self, data: bytes) -> bool:
        """Append bytes of the body; after the end they are dropped.

        Returns:
            Whether the source should pause, being above the high-water mark.
        """
        if data and not self._eof and not self._closed:
            self._size += len(data)
            self.total_bytes += len(data)
            self._chunks.append(data)
            waiter = self._waiter
            if waiter is not None:  # as in `_wake`: this is done for each piece of an upload
                self._waiter = None
                if not waiter.done():
                    waiter.set_result(None)
        return self._size > self._high

    def feed_eof(self) -> None:
        """Mark the end: reads give what is left, then ``b""``. A second call does nothing."""
        if self._eof or self._closed:
            return
        self._eof = True
        self._wake()
        callbacks, self._eof_callbacks = self._eof_callbacks, ()
        for callback in callbacks:
            callback()

    def feed_chunks(self, pieces: Sequence[bytes | memoryview], ends: list[int]) -> None:
        """Append pieces of the body, and mark ends of chunks at offsets into them.

        Of chunks that wait to be read the ends of 1024 are kept; beyond that chunks run together,
        so that a peer that sends a byte a chunk makes nothing grow.
        """
        if not pieces or self._eof or self._closed:
            return
        position = self.total_bytes
        first = pieces[0]
        if len(pieces) > 1 or not isinstance(first, bytes):
            first = b"".join(pieces)
        self.feed_data(first)
        if self._chunk_ends is None:
            self._chunk_ends = deque()
        room = _MAX_CHUNK_ENDS - len(self._chunk_ends)
        self._chunk_ends.extend([position + end for end in ends[: max(0, room)]])

    def end_chunk(self) -> None:
        """Mark the end of a chunk of the transfer coding here, for `readchunk`."""
        if self._chunk_ends is None:
            self._chunk_ends = deque()
        if not self._chunk_ends or self._chunk_ends[-1] != self.total_bytes:
            self._chunk_ends.append(self.total_bytes)
            self._wake()

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Make reads fail with `exc`, once what is buffered has been read."""
        if exc_cause is not None:
            exc.__cause__ = exc_cause
        self._exception = exc
        self._wake()
        self._eof_callbacks = ()

    def feed_whole(self, data: bytes) -> None:
        """Feed all of a body, and its end, to a reader that was just made."""
        self._chunks.append(data)
        self._size = self.total_bytes = len(data)
        self._eof = True

    def take_whole(self, limit: int) -> bytes | None:
        """Take all that is left, where the end has been fed and no more than `limit` is left, 0 for
        no limit; None where that is not so, with nothing taken."""
        if not self._eof or self._reading or (limit and self._size > limit):
            return None
        return self._take(-1)

    def close(self, exc: BaseException) -> None:
        """Drop what is buffered and make every later read fail with `exc`."""
        if self._size:
            self._chunks.clear()
            self._offset = self._size = 0
        self._eof = False
        self._closed = True
        self._chunk_ends = None
        self._exception = exc
        if self._waiter is not None or self._eof_waiters:
            self._wake()
        self._eof_callbacks = ()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
        if self._eof or self._exception is not None:
            for ended in self._eof_waiters:
                if not ended.done():
                    ended.set_result(None)

    # -- questions

    def exception(self) -> BaseException | None:
        """Give the exception that reads end with, if any."""
        return self._exception

    def get_read_buffer_limits(self) -> tuple[int, int]:
        """Give the low-water and the high-water mark in bytes."""
        return self._low, self._high

    def is_eof(self) -> bool:
        """Whether the end has been fed, read or not."""
        return self._eof

    def at_eof(self) -> bool:
        """Whether everything has been read."""
        return self._eof and not self._size

    def on_eof(self, callback: Callable[[], None]) -> None:
        """Call back when the end is fed, at once if it was."""
        if self._eof:
            callback()
        else:
            self._eof_callbacks = [*self._eof_callbacks, callback]

    async def wait_eof(self) -> None:
        """Wait until the end has been fed; nothing is read by this, and another may read.

        What comes is buffered; above the high-water mark nothing comes until something is read.
        """
        while not self._eof:
            self._raise()
            if self._source is not None and not self._reading and not self.is_full:
                before = self.total_bytes
                pull = self._source.starved()
                if pull is not None:
                    await self._pull(pull)
                if pull is not None or self._eof or self.total_bytes != before:
                    continue
            await self._wait_for_end()

    async def _wait_for_end(self) -> None:
        if self._eof:
            return
        ended = asyncio.get_running_loop().create_future()
        self._eof_waiters = [*self._eof_waiters, ended]
        try:
            await ended
        finally:
            self._eof_waiters = [each for each in self._eof_waiters if each is not ended]

    async def _pull(self, pull: Awaitable[None]) -> None:
        self._reading = True
        try:
            await pull
        finally:
            self._reading = False

    # -- the reading side

    def limit_to(
        self, size: int, make_error: Callable[[int, int], Exception], *, declared: int = 0
    ) -> None:
        """Let no more than so much be read: what would go beyond it raises, and goes on to.

        Args:
            size: bytes from the beginning of the body, after it was decoded if it is; 0 for no
                limit.
            make_error: makes the exception, of the limit and of what is too much.
            declared: length of the body in bytes, if that is known; one beyond the limit lets
                nothing be read at all.
        """
        self._limit = _Limit(size, declared, make_error) if size else None

    async def read(self, n: int = -1) -> bytes:
        """Read up to `n` bytes, waiting for the first; everything until the end if negative."""
        if n == 0:
            return b""
        if n < 0:
            return await self._read_all()
        await self._fill("read()")
        return self._take(n)

    async def _read_all(self) -> bytes:
        parts: list[bytes] = []
        try:
            while part := await self.readany():
                parts.append(part)
        except asyncio.CancelledError:
            self._put_back(b"".join(parts))
            raise
        return b"".join(parts)

    async def readany(self) -> bytes:
        """Read what is buffered, waiting until something is; ``b""`` at the end."""
        if not self._size or self._reading:
            await self._fill("readany()")
        return self._take(-1)

    async def readchunk(self) -> tuple[bytes, bool]:
        """Read until the end of a chunk of the transfer coding.

        Returns:
            the bytes, and whether a chunk ends behind them; ``(b"", False)`` at the end.
        """
        while True:
            ends = self._chunk_ends
            position = self.total_bytes - self._size
            if ends:
                if self._size or ends[0] == position:
                    size = ends[0] - position
                    data = self._take(size) if size else b""
                    if self.total_bytes - self._size == ends[0]:
                        ends.popleft()
                        return data, True
                    return data, False
            elif self._size:
                return self._take(-1), False
            elif self._eof:
                return b"", False
            self._raise()
            await self._wait("readchunk()")

    async def readexactly(self, n: int) -> bytes:
        """Read exactly `n` bytes.

        Raises:
            asyncio.IncompleteReadError: the body ended before; holds what there was.
        """
        parts: list[bytes] = []
        missing = n
        try:
            while missing > 0:
                part = await self.read(missing)
                if not part:
                    raise asyncio.IncompleteReadError(b"".join(parts), n)
                parts.append(part)
                missing -= len(part)
        except asyncio.CancelledError:
            self._put_back(b"".join(parts))
            raise
        return b"".join(parts)

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        """Read up to and with the next line feed, or what is left before the end."""
        return await self.readuntil(b"\n", max_size=max_line_length)

    async def readuntil(self, separator: bytes = b"\n", *, max_size: int | None = None) -> bytes:
        """Read up to and with `separator`, or what is left before the end.

        Raises:
            ValueError: the separator is empty, or does not come within `max_size` bytes
                (the high-water mark by default).
        """
        if not separator:
            raise ValueError("Separator should be at least one-byte string")
        limit = self._high if max_size is None else max_size
        line = bytearray()
        found = False
        while not found:
            try:
                await self._fill("readuntil()")
            except asyncio.CancelledError:
                self._put_back(bytes(line))
                raise
            if not self._size:
                break
            count, found = self._scan(line, separator)
            line += self._take(count)
            if len(line) > limit:
                raise ValueError(f"Line longer than {limit} bytes: {bytes(line[:100])!r}")
        return bytes(line)

    def _scan(self, line: bytearray, separator: bytes) -> tuple[int, bool]:
        """Look for the end of `line` in the first chunk, also where it began in the line's tail.

        Returns:
            how many bytes of the chunk belong to the line, and whether it ends there.
        """
        chunk, offset = self._chunks[0], self._offset
        overlap = len(separator) - 1
        tail = line[-overlap:] if overlap else b""
        border = bytes(tail) + chunk[offset : offset + overlap]
        at = border.find(separator)
        if at >= 0:
            return at + len(separator) - len(tail), True
        at = chunk.find(separator, offset)
        if at >= 0:
            return at + len(separator) - offset, True
        return len(chunk) - offset, False

    def read_nowait(self, n: int = -1) -> bytes:
        """Read up to `n` buffered bytes, all of them if negative, without waiting."""
        self._raise()
        if self._reading:
            raise RuntimeError("Called while some coroutine is waiting for incoming data.")
        return self._take(n)

    def unread_data(self, data: bytes) -> None:
        """Deprecated: put bytes back in front of what is still to be read."""
        warnings.warn(
            "unread_data() is deprecated and will be removed in future releases (#3260)",
            DeprecationWarning,
            stacklevel=2,
        )
        self._put_back(data)

    async def iter_chunked(self, n: int) -> AsyncIterator[bytes]:
        """Iterate over pieces of at most `n` bytes."""
        while data := await self.read(n):
            yield data

    async def iter_any(self) -> AsyncIterator[bytes]:
        """Iterate over the pieces as they are buffered."""
        while True:
            if not self._size or self._reading:
                await self._fill("readany()")
            if not (data := self._take(-1)):
                return
            yield data

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        """Iterate over what `readchunk` gives."""
        while True:
            data, end = await self.readchunk()
            if not data and not end:
                return
            yield data, end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while line := await self.readline():
            yield line

    # -- within

    async def _fill(self, caller: str) -> None:
        """Wait until something is buffered or the end was fed."""
        while not self._size:
            if self._eof:
                return
            self._raise()
            # As in `_wait`, whose coroutine would cost each piece of an upload.
            waiting = self._begin_wait(caller)
            if waiting is not None:
                try:
                    await waiting
                finally:
                    self._waiter = None
                    self._reading = False
        if self._reading:
            raise RuntimeError(f"{caller} called while another coroutine is reading")

    async def _wait(self, caller: str) -> None:
        """Wait until something has happened."""
        waiting = self._begin_wait(caller)
        if waiting is not None:
            try:
                await waiting
            finally:
                self._waiter = None
                self._reading = False

    def _begin_wait(self, caller: str) -> Awaitable[None] | None:
        """Ask the source for more; give what is to be awaited, with which the wait ends, or None
        when there is nothing to wait for."""
        if self._limit is not None:
            self._limit.check(0)  # nobody is asked for what is refused
        if self._reading:
            raise RuntimeError(
                f"{caller} called while another coroutine is already waiting for incoming data"
            )
        if self._source is not None:
            self._reading = True
            try:
                pull = self._source.starved()
            except BaseException:
                self._reading = False
                raise
            if pull is not None:
                return pull
        if self._size or self._eof or self._exception is not None:
            self._reading = False
            return None
        self._reading = True
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        return waiter

    def _take(self, n: int) -> bytes:
        """Take up to `n` buffered bytes; all of them if negative."""
        chunks = self._chunks
        if not chunks:
            return b""
        is_one = n < 0 and len(chunks) == 1
        if is_one and not (self._offset or self._chunk_ends or self._limit is not None):
            data = chunks.popleft()  # as most pieces of an upload are read
            self._size = 0
            if self._source is not None and not self._eof:
                self._source.drained()
            return data
        if self._limit is not None:
            self._limit.check(self.position + (self._size if n < 0 else min(n, self._size)))
        if n < 0 or n >= self._size:
            if self._offset:
                chunks[0] = chunks[0][self._offset :]
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            chunks.clear()
            self._offset = self._size = 0
        else:
            data = self._take_some(n)
        if self._chunk_ends:
            self._forget_ends()
        if self._source is not None and self._size <= self._low and not self._eof:
            self._source.drained()
        return data

    def _forget_ends(self) -> None:
        """Forget ends of chunks that were read over; one that was read up to is still told."""
        ends, position = self._chunk_ends, self.total_bytes - self._size
        if ends and (last := ends[-1]) <= position:  # all of them, as a rule
            ends.clear()
            if last == position:
                ends.append(last)
        while ends and (ends[0] < position or (len(ends) > 1 and ends[1] <= position)):
            ends.popleft()

    def _take_some(self, n: int) -> bytes:
        parts = []
        self._size -= n
        while n:
            first = self._chunks[0]
            part = first[self._offset : self._offset + n]
            n -= len(part)
            self._offset += len(part)
            parts.append(part)
            if self._offset == len(first):
                self._chunks.popleft()
                self._offset = 0
        return b"".join(parts)

    def _put_back(self, data: bytes) -> None:
        if not data or self._closed:
            return
        if self._offset:
            self._chunks[0] = self._chunks[0][self._offset :]
            self._offset = 0
        self._chunks.appendleft(data)
        self._size += len(data)

    def _raise(self) -> None:
        if self._exception is not None:
            raise self._exception


class EmptyStreamReader(StreamReader):
    """The body of a message that has none: always at its end, shared by all such messages."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self._eof = True

    def feed_data(self, data: bytes) -> bool:
        """Do nothing: nothing can be put into it."""
        return False

    def feed_chunks(self, pieces: Sequence[bytes | memoryview], ends: list[int]) -> None:
        """Do nothing: nothing can be put into it."""

    def end_chunk(self) -> None:
        """Do nothing: it has no chunks."""

    def _put_back(self, data: bytes) -> None:
        """Do nothing: nothing can be put into it."""

    def limit_to(
        self, size: int, make_error: Callable[[int, int], Exception], *, declared: int = 0
    ) -> None:
        """Do nothing: nothing is read."""

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Do nothing: a shared reader keeps no exception."""

    def close(self, exc: BaseException) -> None:
        """Do nothing: there is nothing to drop."""


EMPTY_PAYLOAD = EmptyStreamReader()
