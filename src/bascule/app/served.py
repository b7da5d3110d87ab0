"""What a runner serves: a native application or another's ASGI one, behind the same few turns."""

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..asgi.lifespan import SHUTDOWN_TIMEOUT, STARTUP_TIMEOUT, Lifespan
from ..exchange import Responder
from .access import AbstractAccessLogger
from .application import Application
from .handling import Handling, LoggedResponder

__all__ = ["LifespanMode", "Served", "ServedOptions", "serve_as"]

# Whether an ASGI application is told of start and end: if it has a lifespan, it must have one, no.
LifespanMode = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True)
class ServedOptions:
    """How an application is served.

    Attributes:
        logger: told of errors.
        access_logger: told of answers; None for none.
        debug: show tracebacks to clients; None for what the event loop says.
        handler_cancellation: cancel a handler whose client has left.
        auto_decompress: take content codings off the bodies of requests; a hosted application gets
            them as they come.
        lifespan: of a hosted application; a native one always has its own.
        startup_timeout: seconds that a lifespan gets to start up; None for no limit.
        shutdown_timeout: likewise, to shut down.
    """

    logger: logging.Logger
    access_logger: AbstractAccessLogger | None = None
    debug: bool | None = None
    handler_cancellation: bool = False
    auto_decompress: bool = True
    lifespan: LifespanMode = "auto"
    startup_timeout: float | None = STARTUP_TIMEOUT
    shutdown_timeout: float | None = SHUTDOWN_TIMEOUT


class Served(Protocol):
    """The life of an application on a server of ours, turn by turn."""

    async def startup(self) -> Responder:
        """Start it; give what answers its requests."""

    async def shutdown(self) -> None:
        """Tell it that the end is near; connections are still open."""

    async def cleanup(self) -> None:
        """End it."""


def serve_as(app: object, options: ServedOptions) -> Served:
    """Find out how `app` is served.

    Raises:
        TypeError: it is no application.
    """
    if isinstance(app, Application):
        return _Native(app, options)
    if callable(app) and not inspect.iscoroutine(app):
        return _Hosted(app, options)
    raise TypeError(
        "The first argument should be web.Application instance or an ASGI application, "
        f"got {app!r:.200}"
    )


class _Native:
    """An application of ours."""

    def __init__(self, app: Application, options: ServedOptions) -> None:
        self._app = app
        self._options = options

    async def startup(self) -> Responder:
        """Freeze and start it."""
        await self._app._start()
        options = self._options
        return Handling(
            self._app,
            logger=options.logger,
            access_logger=options.access_logger,
            debug=self._app._debug if options.debug is None else options.debug,
            handler_cancellation=options.handler_cancellation,
            auto_decompress=options.auto_decompress,
        )

    async def shutdown(self) -> None:
        """Send its `on_shutdown`."""
        await self._app.shutdown()

    async def cleanup(self) -> None:
        """Clean it up."""
        await self._app.cleanup()


class _Hosted:
    """An ASGI application, with its lifespan."""

    def __init__(self, app: Callable[..., Any], options: ServedOptions) -> None:
        self._app = app
        self._options = options
        self._lifespan: Lifespan | None = None

    async def startup(self) -> Responder:
        """Start its lifespan, if it is to have one."""
        options = self._options
        state: dict[str, Any] = {}
        if options.lifespan != "off":
            self._lifespan = Lifespan(
                self._app,
                logger=options.logger,
                is_required=options.lifespan == "on",
                startup_timeout=options.startup_timeout,
                shutdown_timeout=options.shutdown_timeout,
            )
            await self._lifespan.startup()
            state = self._lifespan.state
        from ..asgi.host import Host

        host = Host(self._app, state=state, logger=options.logger)
        if options.access_logger is None:
            return host
        return LoggedResponder(host, options.access_logger, options.logger)

    async def shutdown(self) -> None:
        """Do nothing: a hosted application is told after its last request."""

    async def cleanup(self) -> None:
        """End its lifespan."""
        lifespan, self._lifespan = self._lifespan, None
        if lifespan is not None:
            await lifespan.shutdown()
