"""`StreamReader` against a model that is a string of bytes and the ends of its chunks.

Rules feed, end, fail and close the body, and read it in every way there is, waiting or not, in any
order. A read that cannot end yet is left waiting while more comes, or is cancelled.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from bascule.streams import StreamReader

# What is deprecated works all the same.
pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")

_DATA = st.text("ab\n", min_size=1, max_size=9).map(str.encode)
_SIZES = st.integers(1, 12)


class _BodyFailedError(Exception):
    """What the body ends with when it fails."""


class StreamMachine(RuleBasedStateMachine):
    """One body: what was fed and not yet read is `rest`, what is behind a failure never comes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.rest = b""
        self.ended = self.failed = False
        self.total = 0
        self.told: list[str] = []
        self.task: asyncio.Task[Any] | None = None
        self.check: Callable[[Any], None] = lambda result: None

    @initialize(limit=st.integers(1, 9))
    def open(self, limit: int) -> None:
        """Begin with a reader of these marks."""
        self.limit = limit
        self.reader = StreamReader(limit)
        self.reader.on_eof(lambda: self.told.append("end"))

    def teardown(self) -> None:
        """End what still waits."""
        if self.task is not None:
            self.task.cancel()
            self.loop.run_until_complete(asyncio.wait([self.task]))
        self.loop.close()

    # -- feeding

    @property
    def is_open(self) -> bool:
        """Whether more may come."""
        return not self.ended and not self.failed

    @rule(data=_DATA)
    @precondition(lambda self: self.is_open)
    def feed(self, data: bytes) -> None:
        """Append bytes; the answer is whether to pause."""
        paused = self._step(lambda: self.reader.feed_data(data))
        self.total += len(data)
        self.rest += data
        if self.task is None:
            assert paused is (len(self.rest) > 2 * self.limit)
        self._settle()

    @rule()
    @precondition(lambda self: self.is_open)
    def end(self) -> None:
        """Feed the end, twice."""
        self._step(self.reader.feed_eof)
        self._step(self.reader.feed_eof)
        self.ended = True
        self._settle()

    @rule()
    @precondition(lambda self: self.is_open)
    def fail(self) -> None:
        """Let reads fail once all was read."""
        self._step(lambda: self.reader.set_exception(_BodyFailedError("x")))
        self.failed = True
        self._settle()

    # -- reading

    @rule(size=_SIZES)
    def read(self, size: int) -> None:
        """Read some."""
        self._begin(self.reader.read(size), lambda data: self._take(data, 1, size))

    @rule()
    def readany(self) -> None:
        """Read what is there."""
        self._begin(self.reader.readany(), lambda data: self._take(data, 1, len(self.rest)))

    @rule()
    @precondition(lambda self: self.ended)
    def read_all(self) -> None:
        """Read to the end."""
        self._begin(self.reader.read(), lambda data: self._take(data, len(self.rest), 10**6))

    @rule(size=_SIZES)
    def readexactly(self, size: int) -> None:
        """Read a number of bytes, or fail with those there are."""

        def check(result: Any) -> None:
            if isinstance(result, asyncio.IncompleteReadError):
                assert self.ended
                assert len(self.rest) < size == result.expected
                result = result.partial
                self._take(result, len(self.rest), size)
            else:
                self._take(result, size, size)

        self._begin(self.reader.readexactly(size), check)

    @rule(separator=st.text("ab\n", min_size=1, max_size=3).map(str.encode), size=_SIZES)
    def readuntil(self, separator: bytes, size: int) -> None:
        """Read to a separator, the end, or the limit of a line."""

        def check(result: Any) -> None:
            found = self.rest.find(separator)
            stop = found + len(separator) if found >= 0 else len(self.rest)
            if isinstance(result, ValueError):
                # What was read of the line is gone, at least as much as is too long.
                assert stop > size
                self.rest = self._left()
                return
            assert stop <= size
            self._take(result, stop, stop)

        self._begin(self.reader.readuntil(separator, max_size=size), check)

    @rule()
    def readline(self) -> None:
        """Read a line of any length."""

        def check(result: bytes) -> None:
            size = self.rest.find(b"\n") + 1 or len(self.rest)
            self._take(result, size, size)

        self._begin(self.reader.readline(max_line_length=10**6), check)

    @rule(size=st.none() | _SIZES)
    def iterate(self, size: int | None) -> None:
        """Take the next of an iteration."""
        pieces = self.reader.iter_any() if size is None else self.reader.iter_chunked(size)

        async def next_piece() -> bytes:
            try:
                return await anext(pieces, b"")
            finally:
                await pieces.aclose()  # type: ignore[attr-defined]  # they are generators

        limit = len(self.rest) if size is None else size
        self._begin(next_piece(), lambda data: self._take(data, 1, limit or 10**6))

    @rule(size=st.just(-1) | _SIZES)
    @precondition(lambda self: self.task is None and not self.failed)
    def read_nowait(self, size: int) -> None:
        """Read without waiting."""
        data = self.reader.read_nowait(size)
        assert data == (self.rest if size < 0 else self.rest[:size])
        self.rest = self.rest[len(data) :]

    @rule(data=_DATA)
    @precondition(lambda self: self.task is None)
    def unread(self, data: bytes) -> None:
        """Put bytes in front."""
        self.reader.unread_data(data)
        self.rest = data + self.rest

    @rule()
    @precondition(lambda self: self.task is not None)
    def cancel(self) -> None:
        """Cancel the read that waits: nothing is lost."""
        task, self.task = self.task, None
        assert task is not None
        task.cancel()
        self.loop.run_until_complete(asyncio.wait([task]))
        assert task.cancelled()

    @rule()
    @precondition(lambda self: self.task is not None)
    def read_beside(self) -> None:
        """A second reader is told that it is one too many."""
        with pytest.raises(RuntimeError, match="another coroutine"):
            self.loop.run_until_complete(self.reader.readany())

    # -- what always holds

    @invariant()
    def tells_the_truth(self) -> None:
        """The questions are answered as by the model, while nothing waits."""
        if not hasattr(self, "reader") or self.task is not None:
            return
        assert self.reader.total_bytes == self.total
        assert self.reader.is_eof() is self.ended
        assert self.reader.at_eof() is (self.ended and not self.rest)
        assert self.reader.is_full is (len(self.rest) > 2 * self.limit)
        assert isinstance(self.reader.exception(), _BodyFailedError) is self.failed
        assert self.told == ["end"] * self.ended
        assert not self.reader.is_waiting

    # -- how it is done

    def _begin(self, read: Any, check: Callable[[Any], None]) -> None:
        if self.task is not None:
            read.close()
            return
        self.task = self.loop.create_task(_catch(read))
        self.check = check
        self._settle()

    def _step(self, action: Callable[[], Any]) -> Any:
        """Do something as a callback of the loop would."""

        async def act() -> Any:
            return action()

        return self.loop.run_until_complete(act())

    def _settle(self) -> None:
        """Let the loop run; look at what the read gave, if it has ended."""
        for _ in range(5):
            self.loop.run_until_complete(asyncio.sleep(0))
        if self.task is None:
            return
        if not self.task.done():
            assert self.is_open
            assert self.reader.is_waiting
            return
        task, self.task = self.task, None
        result = task.result()
        if isinstance(result, _BodyFailedError):
            assert self.failed
            self.rest = self._left()
            return
        self.check(result)

    def _left(self) -> bytes:
        """Give what is buffered now, without reading it; it is an end of what was there."""
        size = self.reader._size  # the one thing that has no public name
        assert size <= len(self.rest)
        return self.rest[len(self.rest) - size :]

    def _take(self, data: bytes, least: int, most: int) -> None:
        assert len(data) <= most
        assert data == self.rest[: len(data)]
        assert len(data) >= min(least, len(self.rest))
        assert data or self.ended
        self.rest = self.rest[len(data) :]


async def _catch(read: Awaitable[Any]) -> Any:
    try:
        return await read
    except (_BodyFailedError, ValueError, asyncio.IncompleteReadError) as exc:
        return exc


StreamMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestStreamReader = StreamMachine.TestCase
