"""The life of an application under a host: begun and ended in one task, whoever asks for it."""

import asyncio
import contextvars
import logging
from typing import Any, Protocol

__all__ = ["Life", "Living"]

_logger = logging.getLogger("bascule.web")


class Living(Protocol):
    """What has a life: an application."""

    async def _start(self) -> None:
        """Begin, and be changed no more."""

    async def shutdown(self) -> None:
        """Be told that the end is near."""

    async def cleanup(self) -> None:
        """End."""


class Life:
    """Starts an application once and cleans it up once, in a task of its own.

    Start-up and clean-up share that task, since cancel scopes and context variables entered in one
    must be left in it. Where the host has no lifespan, the first request starts the life; the
    task ends with its loop. A life that failed to start, or whose loop is gone, may start again.

    Args:
        app: whose life it is.
    """

    def __init__(self, app: Living) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._started: asyncio.Future[None] | None = None
        self._ending: asyncio.Event | None = None
        # The loop in which it is started, until its end begins.
        self._up_in: asyncio.AbstractEventLoop | None = None
        # The host has said that no request will come any more.
        self._over = False
        self._held: set[asyncio.Task[None]] = set()
        self._set_at_start: list[tuple[contextvars.ContextVar[Any], Any]] = []

    @property
    def is_running(self) -> bool:
        """Whether the application is started, in the loop that runs now."""
        up = self._up_in
        return up is not None and up is asyncio.get_running_loop()

    async def start(self) -> None:
        """Start the application unless it is; all who ask wait for the same start. An end that is
        under way comes first.

        Raises:
            Exception: what start-up raised; the contexts that were entered have been left.
            RuntimeError: the host runs another kind of event loop.
        """
        loop = _find_loop()
        self._over = False
        while self._is_ending(loop):
            assert self._task is not None  # an end is that of a task
            await asyncio.wait([self._task])
        if self._task is None or self._task.done() or self._loop is not loop:
            self._loop = loop
            self._started = loop.create_future()
            self._ending = asyncio.Event()
            self._task = loop.create_task(
                self._live(self._started, self._ending), name="bascule-life"
            )
        assert self._started is not None  # made together with the task
        await asyncio.shield(self._started)

    async def start_lazily(self) -> None:
        """Start for a request that came without a lifespan.

        Raises:
            RuntimeError: the host has ended the life for good.
        """
        if self._over and self._loop is asyncio.get_running_loop():
            raise RuntimeError("A request came behind the host's lifespan.shutdown")
        await self.start()

    async def stop(self, *, for_good: bool = False) -> None:
        """Clean the application up, if it is started here, also when this wait is cancelled.

        Raises:
            Exception: what clean-up raised.
        """
        self._over = for_good
        task = self._task
        if task is None or self._loop is not asyncio.get_running_loop():
            return
        if self._ending is not None:
            self._ending.set()
            self._up_in = None
        await asyncio.shield(task)

    def start_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the application in a loop: at once, or in a task of it where it runs already.

        Raises:
            Exception: as of `start`, where the loop did not run; else each request is told.
        """
        if loop.is_running():
            self._hold(loop.create_task(self._start_unasked(), name="bascule-start"))
        else:
            loop.run_until_complete(self.start())

    def stop_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """Clean it up in a loop, as `start_in` does it.

        Raises:
            Exception: as of `stop`, where the loop did not run.
        """
        stopping = self.stop(for_good=True)
        if loop.is_running():
            self._hold(loop.create_task(stopping, name="bascule-stop"))
        else:
            loop.run_until_complete(stopping)

    async def _start_unasked(self) -> None:
        try:
            await self.start()
        except Exception:  # raised again, and told, to the first request
            _logger.debug("The application failed to start", exc_info=True)

    def _hold(self, task: "asyncio.Task[None]") -> None:
        """Keep a task that nobody waits for until it is done."""
        self._held.add(task)
        task.add_done_callback(self._held.discard)

    def _is_ending(self, loop: asyncio.AbstractEventLoop) -> bool:
        return (
            self._loop is loop
            and self._task is not None
            and not self._task.done()
            and self._ending is not None
            and self._ending.is_set()
        )

    def enter_context(self) -> None:
        """Give the running context the variables that start-up set and that it lacks."""
        if not self._set_at_start:
            return
        context = contextvars.copy_context()
        for variable, value in self._set_at_start:
            if variable not in context:
                variable.set(value)

    async def _live(self, started: "asyncio.Future[None]", ending: asyncio.Event) -> None:
        before = contextvars.copy_context()
        app = self._app
        try:
            await app._start()
        except BaseException as exc:
            await self._leave_early(exc)
            if not started.done():
                started.set_exception(exc)
                started.exception()  # told to those who wait, if any still do
            return
        self._set_at_start = [
            (variable, value)
            for variable, value in contextvars.copy_context().items()
            if before.get(variable, _UNSET) is not value
        ]
        started.set_result(None)
        loop = asyncio.get_running_loop()
        if not ending.is_set():
            self._up_in = loop
        try:
            await ending.wait()
        finally:
            if self._up_in is loop:  # else it lives in another one by now
                self._up_in = None
            try:
                await app.shutdown()
            finally:
                await app.cleanup()

    async def _leave_early(self, exc: BaseException) -> None:
        try:
            await self._app.cleanup()
        except Exception as cleanup_exc:
            exc.add_note(f"clean-up after the failed start failed too: {cleanup_exc!r}")


_UNSET: Any = object()


def _find_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError as exc:
        raise RuntimeError(
            "The application runs on asyncio only: its host runs another event loop, such as trio"
        ) from exc
