"""The lifespan protocol: said to a hosted application, and heard from a host."""

import asyncio
import contextvars
import logging
from typing import Any, Protocol

from asgiref.compatibility import guarantee_single_callable

from .guest import Receive, Send

__all__ = ["Life", "Lifespan", "LifespanError", "serve_lifespan"]


# Seconds that an application gets to return from its call, once it has said that it is down.
_GRACE = 1.0


class LifespanError(RuntimeError):
    """A hosted application said that its start-up or shut-down failed."""


class Life(Protocol):
    """A life that can be begun and ended; the application's."""

    async def start(self) -> None:
        """Begin it, unless it has begun."""

    async def stop(self, *, for_good: bool = False) -> None:
        """End it, unless it has ended; for good when no request is to begin it again."""


async def serve_lifespan(receive: Receive, send: Send, life: Life) -> None:
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
    lifespan; it is served without.

    Args:
        application: of ASGI 3, or 2.
        logger: told of what fails on the way.

    Attributes:
        state: what the application puts there at start-up.
    """

    def __init__(self, application: Any, *, logger: logging.Logger) -> None:
        self._application = guarantee_single_callable(application)  # type: ignore[no-untyped-call]  # asgiref leaves it untyped
        self._logger = logger
        self.state: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answer: asyncio.Future[dict[str, Any]] | None = None

    async def startup(self) -> None:
        """Start the application up.

        Raises:
            LifespanError: it said that it failed.
        """
        self._task = asyncio.get_running_loop().create_task(
            self._run(), name="bascule-lifespan", context=contextvars.copy_context()
        )
        await self._say("startup")

    async def shutdown(self) -> None:
        """Shut the application down, if it has a lifespan.

        Raises:
            LifespanError: it said that it failed.
        """
        if self._task is not None and not self._task.done():
            try:
                await self._say("shutdown")
            finally:
                await asyncio.wait([self._task], timeout=_GRACE)
                self._task.cancel()
                await asyncio.wait([self._task], timeout=_GRACE)
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.exception()  # logged where it was raised

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._application(scope, self._inbox.get, self._hear)
        except Exception as exc:
            self._logger.info("The application is served without lifespan: %r", exc)

    async def _hear(self, message: dict[str, Any]) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)

    async def _say(self, phase: str) -> None:
        """Send an event and wait for its answer, or for the end of the call."""
        assert self._task is not None  # made in startup
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait({"type": f"lifespan.{phase}"})
        try:
            await asyncio.wait([answer, self._task], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if answer.done() and answer.result()["type"] == f"lifespan.{phase}.failed":
            raise LifespanError(answer.result().get("message") or f"lifespan.{phase} failed")
