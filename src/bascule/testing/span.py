"""An asynchronous context that one task of its own holds, whoever enters and leaves it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

__all__ = ["Span"]


class Span:
    """A context from its entry to its exit, both in one task: cancel scopes and context variables
    that are entered in a task must be left in it, and fixtures of tests enter in one and leave in
    another.

    Args:
        context: entered once, and left once if it was entered.
        name: of the task.
        hurry: called when the wait for the exit is cancelled; the exit is to be short then.
    """

    def __init__(
        self, context: AbstractAsyncContextManager[object], name: str, hurry: Callable[[], None]
    ) -> None:
        self._context = context
        self._name = name
        self._hurry = hurry
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()

    async def enter(self) -> None:
        """Enter the context. Cancelled, it cancels the entry and waits for its end.

        Raises:
            BaseException: what the entry raised.
        """
        loop = asyncio.get_running_loop()
        entered = loop.create_future()
        task = self._task = loop.create_task(self._hold(entered), name=self._name)
        try:
            await asyncio.wait([entered, task], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            await _outwait(task)
            raise
        if not entered.done():
            await task  # raises

    async def leave(self) -> None:
        """Leave the context. Cancelled, it asks for hurry and waits for the exit all the same;
        cancelled again, it cancels the exit too.

        Raises:
            BaseException: what the exit raised.
        """
        task = self._task
        assert task is not None  # it was entered
        self._ending.set()
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():  # it is this wait that was cancelled
                self._hurry()
                await _outwait(task)
            raise

    async def _hold(self, entered: "asyncio.Future[None]") -> None:
        async with self._context:
            entered.set_result(None)
            await self._ending.wait()


async def _outwait(task: "asyncio.Task[None]") -> None:
    """Wait for the end of a task, whatever cancels this wait; cancellations are passed on to it."""
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
    if not task.cancelled():
        task.exception()  # it is the cancellation that is told
