"""Threads that work on the disk, so that the event loop does not wait for it.

An executor wakes one of its threads for each call and the event loop for each result, and every
thread that is awake makes the loop's wait for the interpreter. For calls as short as the opening of
a file that costs several times what they do. Here one thread works as long as it is quick, and
results that are there together are handed over together; only where the queue stands still are
there more threads, since a disk may be away behind a network.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final
from weakref import WeakKeyDictionary

__all__ = ["DISK", "DiskThreads", "run_on_disk"]

# As many as an executor of asyncio has.
_MOST_THREADS: Final = min(32, (os.cpu_count() or 1) + 4)
# Seconds for which the queue may stand still before there is one more thread.
_PATIENCE: Final = 0.01


class _Call:
    """A call on its way to a thread, and what came of it on the way back.

    Attributes:
        future: who waits; touched in the thread of the loop alone.
        function: what is called.
        arguments: of the call.
        release: gets a result that nobody waits for any more.
        desk: of the loop.
        result: of the call.
        error: that it ended with instead.
    """

    __slots__ = ("arguments", "desk", "error", "function", "future", "release", "result")

    def __init__(
        self,
        future: "asyncio.Future[Any]",
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        release: Callable[[Any], object] | None,
        desk: "_Desk",
    ) -> None:
        self.future = future
        self.function = function
        self.arguments = arguments
        self.release = release
        self.desk = desk
        self.result: Any = None
        self.error: BaseException | None = None

    def make(self) -> None:
        """Make the call, and lay down what came of it."""
        try:
            self.result = self.function(*self.arguments)
        except BaseException as exc:  # it is raised where the result is waited for
            self.error = exc
        self.desk.put(self)

    def hand_over(self) -> None:
        """Wake who waits."""
        future, error = self.future, self.error
        if future.done():  # it was cancelled
            self.drop()
        elif error is None:
            future.set_result(self.result)
        else:
            future.set_exception(error)

    def drop(self) -> None:
        """Let go of a result that nobody waits for."""
        if self.error is None and self.release is not None:
            self.release(self.result)


class _Desk:
    """Where the results for one event loop lie until it comes for them."""

    __slots__ = ("is_called", "is_watching", "results")

    def __init__(self) -> None:
        self.results: deque[_Call] = deque()
        # The loop is on its way.
        self.is_called = False
        # The loop looks after a while whether the queue has moved.
        self.is_watching = False

    def put(self, call: _Call) -> None:
        """Lay a result down, in a thread, and call the loop unless it comes anyway."""
        self.results.append(call)
        if not self.is_called:
            self.is_called = True
            try:
                call.future.get_loop().call_soon_threadsafe(self.clear)
            except RuntimeError:  # it is closed: nobody waits
                self.is_called = False
                while self.results:
                    self.results.popleft().drop()

    def clear(self) -> None:
        """Hand everything over, in the thread of the loop."""
        self.is_called = False  # first: for what is laid down from now on it is called again
        while self.results:
            self.results.popleft().hand_over()


class DiskThreads:
    """Threads for short calls that may have to wait for a disk, for all loops of a process.

    They are there from the first call on; one stays, and no program waits for it at its end.

    Args:
        most: threads at once.
        patience: seconds for which the queue may stand still before there is one more.

    Attributes:
        begun: calls that were begun.
        count: threads there are.
    """

    def __init__(self, most: int = _MOST_THREADS, *, patience: float = _PATIENCE) -> None:
        self._most = most
        self._patience = patience
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a process that was forked no thread goes on."""
        self._lock = threading.Lock()
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._desks: WeakKeyDictionary[asyncio.AbstractEventLoop, _Desk] = WeakKeyDictionary()
        # Threads, and those of them that wait for a call.
        self.count = self._idle = 0
        self.begun = 0

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do, and nothing is being done."""
        return self._calls.empty() and self._idle == self.count

    def run(
        self,
        function: Callable[..., Any],  # Any: it may take and give what it likes
        *arguments: Any,
        release: Callable[[Any], object] | None = None,
    ) -> "asyncio.Future[Any]":
        """Call a function in a thread.

        Args:
            function: to be called; it goes on when the wait for it is cancelled.
            arguments: of the call.
            release: called with the result where nobody waits for it any more, in any thread.

        Raises:
            RuntimeError: there is no thread, and none can be made.
        """
        loop = asyncio.get_running_loop()
        desk = self._desks.get(loop)
        if desk is None:
            desk = self._desks[loop] = _Desk()
        if not self.count:
            self._add_thread()
        future = loop.create_future()
        self._calls.put(_Call(future, function, arguments, release, desk))
        if not desk.is_watching and self._calls.qsize() > self._idle:
            self._watch(loop, desk)
        return future

    def _watch(self, loop: asyncio.AbstractEventLoop, desk: _Desk) -> None:
        desk.is_watching = True
        loop.call_later(self._patience, self._look, loop, desk, self.begun)

    def _look(self, loop: asyncio.AbstractEventLoop, desk: _Desk, begun: int) -> None:
        """Have one more thread where the queue has not moved since."""
        desk.is_watching = False
        if self._calls.empty():
            return
        if self.begun == begun:
            try:
                self._add_thread()
            except RuntimeError:
                pass  # the system has no more: those there are have to do
        self._watch(loop, desk)

    def _add_thread(self) -> None:
        with self._lock:
            if self.count >= self._most:
                return
            self.count += 1
        try:
            threading.Thread(target=self._work, name="bascule-disk", daemon=True).start()
        except BaseException:
            with self._lock:
                self.count -= 1
            raise

    def _work(self) -> None:
        calls, lock = self._calls, self._lock
        while True:
            with lock:
                if self._idle and calls.empty():  # one that waits is enough
                    self.count -= 1
                    return
                self._idle += 1
            call = calls.get()
            with lock:
                self._idle -= 1
                self.begun += 1
            call.make()
            del call  # what it holds is not to be kept while the next is waited for


# The threads of this process.
DISK: Final = DiskThreads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=DISK.forget)

run_on_disk: Final = DISK.run
