"""The lifespan protocol: said to a hosted application, and heard from a host."""

import asyncio
import contextvars
import logging
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .guest_call import Receive, Send

__all__ = [
    "SHUTDOWN_TIMEOUT",
    "STARTUP_TIMEOUT",
    "Life",
    "Lifespan",
    "LifespanError",
    "serve_lifespan",
]

# Seconds. Hypercorn gives 60 to both; programs that load models at their start take longer.
STARTUP_TIMEOUT = 300.0
SHUTDOWN_TIMEOUT = 60.0
# Seconds that an application gets to return from its call, once it has said that it is down.
_GRACE = 1.0


class LifespanError(RuntimeError):
    """The start-up or shut-down of a hosted application failed; the text says why."""


class _Stage(Enum):
    """Where the lifespan of a hosted application is.

    SILENT -> STARTING   it has received ``lifespan.startup``, so it has a lifespan
    STARTING -> UP       it has said that it is up; straight from SILENT if it did not listen
    UP -> ENDING         it is told to shut down
    """

    SILENT = "before it starts up"
    STARTING = "while it starts up"
    UP = "while it is up"
    ENDING = "while it shuts down"


class Life(Protocol):
    """A life that can be begun and ended; the application's."""

    async def start(self) -> None:
        """Begin it, unless it has begun."""

    async def stop(self, *, for_good: bool = False) -> None:
        """End it, unless it has ended; for good when no request is to begin it again."""


async def serve_lifespan(receive: "Receive", send: "Send", life: Life) -> None:
    """Answer a host's ``lifespan`` call (ASGI lifespan specification 2.0)."""
    while True:
        message = await receive()
        phase = message["type"].removeprefix("lifespan.")
        try:
            await (life.start() if phase == "startup" else life.stop(for_good=True))
        except Exception as exc:
            text = str(exc) or type(exc).__name__
            await send({"type": f"lifespan.{phase}.failed", "message": text})
            raise
        await send({"type": f"lifespan.{phase}.complete"})
        if phase == "shutdown":
            return


class Lifespan:
    """The life of a hosted ASGI application, held by one task of its own.

    An application that raises or returns before it has answered ``lifespan.startup`` has no
    lifespan; it is served without, unless one is required.

    Args:
        application: of ASGI 3, or 2.
        logger: told of what fails on the way.
        is_required: an application without lifespan is an error.
        startup_timeout: seconds that it gets to start up; None for no limit.
        shutdown_timeout: likewise, to shut down.

    Attributes:
        state: what the application puts there at start-up.
    """

    def __init__(
        self,
        application: Any,  # Any: a callable of either ASGI shape
        *,
        logger: logging.Logger,
        is_required: bool = False,
        startup_timeout: float | None = STARTUP_TIMEOUT,
        shutdown_timeout: float | None = SHUTDOWN_TIMEOUT,
    ) -> None:
        from asgiref.compatibility import guarantee_single_callable

        self._application = guarantee_single_callable(application)  # type: ignore[no-untyped-call]  # asgiref leaves it untyped
        self._logger = logger
        self._is_required = is_required
        self._startup_timeout = startup_timeout
        self._shutdown_timeout = shutdown_timeout
        self.state: dict[str, Any] = {}
        self._stage = _Stage.SILENT
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self._context = contextvars.copy_context()
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answer: asyncio.Future[dict[str, Any]] | None = None

    async def startup(self) -> None:
        """Start the application up. Context variables that it sets are set here too then, so that
        requests see them as with a native application.

        Raises:
            LifespanError: it said that it failed, it has no lifespan though one is required, or
                it took too long.
        """
        self._context = contextvars.copy_context()
        self._task = asyncio.get_running_loop().create_task(
            self._run(), name="bascule-lifespan", context=self._context
        )
        try:
            is_answered = await self._say("startup", self._startup_timeout)
            if not is_answered and self._is_required:
                text = "The ASGI application has no lifespan, which lifespan='on' requires"
                if self._error is not None and self._stage is not _Stage.SILENT:
                    text = f"The ASGI application failed to start: {self._error!r:.200}"
                raise LifespanError(text) from self._error
        except BaseException:
            await self._end_task()
            raise
        if is_answered:
            self._stage = _Stage.UP
            _take_over(self._context)

    async def shutdown(self) -> None:
        """Shut the application down, if it has started up.

        Raises:
            LifespanError: it said that it failed, or it took too long.
        """
        try:
            if self._stage is _Stage.UP and self._task is not None and not self._task.done():
                self._stage = _Stage.ENDING
                await self._say("shutdown", self._shutdown_timeout)
        finally:
            await self._end_task()

    async def _end_task(self) -> None:
        """Let the call return, else cancel it."""
        task = self._task
        if task is None:
            return
        if not task.done():
            if self._stage is _Stage.ENDING:
                await asyncio.wait([task], timeout=_GRACE)
            task.cancel()
            await asyncio.wait([task], timeout=_GRACE)
        if task.done() and not task.cancelled():
            task.exception()  # logged where it was raised

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._application(scope, self._receive, self._hear)
        except Exception as exc:
            self._error = exc
            if self._stage is _Stage.SILENT:
                self._logger.info("The application is served without lifespan: %r", exc)
            else:
                what = self._stage.value
                self._logger.error(
                    "Error in the lifespan of the application, %s", what, exc_info=exc
                )

    async def _receive(self) -> dict[str, Any]:
        message = await self._inbox.get()
        if self._stage is _Stage.SILENT:
            self._stage = _Stage.STARTING
        return message

    async def _hear(self, message: dict[str, Any]) -> None:
        """Be told how it went.

        Raises:
            RuntimeError: nobody has asked for that.
        """
        kind = message["type"]
        answer = self._answer
        if answer is None or kind not in _ANSWERS[self._stage]:
            raise RuntimeError(f"Unexpected ASGI message {kind!r} {self._stage.value}")
        if not answer.done():
            answer.set_result(message)

    async def _say(self, phase: str, timeout: float | None) -> bool:
        """Send an event and wait for its answer; say whether there was one before the call ended.

        Raises:
            LifespanError: it says that it failed, or none came in time.
        """
        assert self._task is not None  # made in startup
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait({"type": f"lifespan.{phase}"})
        await asyncio.wait(
            [answer, self._task], timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
        if answer.done():
            if answer.result()["type"] == f"lifespan.{phase}.failed":
                text = answer.result().get("message")
                raise LifespanError(text or f"lifespan.{phase} failed")
            return True
        if not self._task.done():
            raise LifespanError(f"lifespan.{phase} was not answered within {timeout} seconds")
        return False


def _take_over(context: contextvars.Context) -> None:
    """Set the variables here that have other values in a context."""
    here = contextvars.copy_context()
    for variable, value in context.items():
        if here.get(variable, _UNSET) is not value:
            variable.set(value)


_UNSET: Any = object()
_ANSWERS = {
    _Stage.SILENT: ("lifespan.startup.complete", "lifespan.startup.failed"),
    _Stage.STARTING: ("lifespan.startup.complete", "lifespan.startup.failed"),
    _Stage.UP: (),
    _Stage.ENDING: ("lifespan.shutdown.complete", "lifespan.shutdown.failed"),
}
