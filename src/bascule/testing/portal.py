"""An event loop in a thread of its own, for code that has none."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

__all__ = ["Portal"]

T = TypeVar("T")


class Portal:
    """An event loop that runs in a thread while a block does: ``with Portal() as portal:``.

    Calls may come from any thread, several at once. At the end of the block the loop ends its
    tasks, its async generators and its executor, and the thread is joined.

    Args:
        loop_factory: makes the loop; asyncio's own by default.
    """

    def __init__(self, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
        self._loop_factory = loop_factory
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None

    def __enter__(self) -> "Portal":
        """Start the thread.

        Raises:
            Exception: the loop could not be made.
            RuntimeError: it is running.
        """
        if self._thread is not None:
            raise RuntimeError("The portal is open")
        started: Future[None] = Future()
        # A daemon, so that a program can end whose main thread was interrupted here.
        self._thread = threading.Thread(
            target=self._run, args=(started,), name="bascule-portal", daemon=True
        )
        self._thread.start()
        try:
            started.result()
        except BaseException:
            started.cancel()  # ends a loop that is not there yet, as the exit ends one that is
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the loop and join the thread."""
        thread, self._thread = self._thread, None
        loop, ending = self._loop, self._ending
        if loop is not None and ending is not None and not loop.is_closed():
            loop.call_soon_threadsafe(ending.set)
        if thread is not None:
            thread.join()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop, in the context of the caller, and wait for it.

        When this wait is interrupted, the coroutine is cancelled.

        Raises:
            BaseException: what the coroutine raised.
            RuntimeError: the portal is not open, or this is its own thread, which would wait for
                itself.
        """
        if self._thread is None or self._loop is None:
            coroutine.close()
            raise RuntimeError("The portal is not open: use `with` first")
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("The portal cannot be called in its own loop, which would wait")
        future = asyncio.run_coroutine_threadsafe(_shelter(coroutine), self._loop)
        try:
            result, interrupt = future.result()
        except BaseException:
            future.cancel()
            raise
        if interrupt is not None:
            raise interrupt
        return result  # type: ignore[return-value]  # there is one where there is no interrupt

    def _run(self, started: "Future[None]") -> None:
        try:
            with asyncio.Runner(loop_factory=self._loop_factory) as runner:
                runner.run(self._stay(started))
        except BaseException as exc:
            if not started.done():
                started.set_exception(exc)
                return
            raise

    async def _stay(self, started: "Future[None]") -> None:
        self._ending = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if started.set_running_or_notify_cancel():
            started.set_result(None)
            await self._ending.wait()


async def _shelter(coroutine: Coroutine[Any, Any, T]) -> tuple[T | None, BaseException | None]:
    """Keep SystemExit and KeyboardInterrupt from the loop, which they would end."""
    try:
        return await coroutine, None
    except (SystemExit, KeyboardInterrupt) as exc:
        return None, exc
