"""An application that runs in memory: its life, and a task for each of its requests."""

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from ..app.access import make_access_logger
from ..app.application import Application
from ..app.handling import Handling
from ..app.protocol import server_logger
from ..app.served import ServedOptions, serve_as
from ..asgi.host import Host
from ..exchange import ClientConnectionResetError, Responder, fail
from .streamed import StreamedExchange
from .upload import Upload
from .witness import Witness, answering

__all__ = ["Call", "Hosting", "HostingOptions"]

# What a native application's ``handler_args`` may say of itself.
_SHARED = ("logger", "debug", "handler_cancellation", "auto_decompress")
_ACCESS_LOG = ("access_log", "access_log_class", "access_log_format")


@dataclass(frozen=True, slots=True)
class HostingOptions:
    """How an application runs in memory.

    Attributes:
        lifespan: start it and clean it up.
        logger: told of errors.
        debug: show tracebacks in error pages; None for what the application or the loop says.
        handler_cancellation: cancel a handler whose client has left.
        shutdown_timeout: seconds that handlers get at the end whose answers nobody reads.
        auto_decompress: take content codings off the bodies of requests.
    """

    lifespan: bool = True
    logger: logging.Logger = server_logger
    debug: bool | None = None
    handler_cancellation: bool = False
    shutdown_timeout: float = 1.0
    auto_decompress: bool = True


class Call:
    """A request that an application answers in a task of its own, from its begin to its end.

    Attributes:
        exchange: of the request.
    """

    __slots__ = ("_over", "_task", "_upload", "_uploading", "exchange")

    def __init__(self, exchange: StreamedExchange, upload: Upload | None) -> None:
        self.exchange = exchange
        self._upload = upload
        self._uploading: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        # Done a moment behind the task: once its exchange is closed.
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def tasks(self) -> list["asyncio.Task[None]"]:
        """Its tasks that have not ended."""
        both = (self._task, self._uploading)
        return [task for task in both if task is not None and not task.done()]

    def begin(self, responder: Responder, context: contextvars.Context) -> None:
        """Begin it.

        Args:
            responder: answers.
            context: that it answers in; it belongs to this call alone.
        """
        context.run(answering.set, self.exchange)
        answer = self._answer(responder)
        self._task = asyncio.Task(answer, name="bascule-request", context=context)
        self._task.add_done_callback(self._answered)  # also if it is cancelled before it runs
        if self._upload is not None:
            self._uploading = asyncio.create_task(self._send(self._upload), name="bascule-upload")

    def leave(self) -> None:
        """Let the client leave: the application sees it as of a connection that is lost."""
        if not self.exchange.complete:
            self.exchange.leave(ClientConnectionResetError("The client has left"))
        self._stop_upload()

    def cancel(self) -> None:
        """Cancel what has not ended."""
        for task in self.tasks:
            task.cancel()

    async def ended(self) -> None:
        """Wait until the application is done with the request; its errors are not raised."""
        both = (self._over, self._uploading)
        while waits := [each for each in both if each is not None and not each.done()]:
            await asyncio.wait(waits)

    async def _answer(self, responder: Responder) -> None:
        """Have the request answered, as a connection of our server does; what is raised stays at
        the exchange, out of the loop's way."""
        exchange = self.exchange
        try:
            await responder(exchange)
        except asyncio.CancelledError as exc:
            exchange.abort(exc)
            raise
        except Exception as exc:  # outside of what the application's own handling guards
            exchange.error = exc
            await fail(exchange, exc)
        except BaseException as exc:
            exchange.interrupt = exc
            await fail(exchange, exc)

    def _answered(self, task: "asyncio.Task[None]") -> None:
        self.exchange.close()
        self._stop_upload()
        self._over.set_result(None)

    def _stop_upload(self) -> None:
        if self._uploading is not None:
            self._uploading.cancel()

    async def _send(self, upload: Upload) -> None:
        await upload.send()
        if upload.error is not None and not self.exchange.complete:
            self.exchange.content.set_exception(upload.error)
            self.exchange.leave(ClientConnectionResetError("The client could not send its body"))


class Hosting:
    """An application from its start-up to its clean-up.

    Args:
        app: a native application or an ASGI one. What a native one has in its ``handler_args``
            goes before the options.
        options: how it runs.

    Raises:
        TypeError: `app` is no application.
    """

    def __init__(self, app: Any, options: HostingOptions) -> None:
        access: dict[str, Any] = {}
        if isinstance(app, Application):
            args = app._handler_args
            options = replace(options, **{name: args[name] for name in _SHARED if name in args})
            access = {name: args[name] for name in _ACCESS_LOG if name in args}
        self._app = app
        self._lifespan = options.lifespan
        self._shutdown_timeout = options.shutdown_timeout
        self._options = ServedOptions(
            logger=Witness(options.logger),
            access_logger=make_access_logger(access.pop("access_log", None), **access),
            debug=options.debug,
            handler_cancellation=options.handler_cancellation,
            auto_decompress=options.auto_decompress,
        )
        self._served = serve_as(app, self._options)
        self._responder: Responder | None = None
        self._context = contextvars.Context()
        self._calls: set[Call] = set()
        self._hurried = asyncio.Event()

    @property
    def is_running(self) -> bool:
        """Whether it takes requests."""
        return self._responder is not None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run the application while a block does: start it, and clean it up behind its last
        request. A start that fails is cleaned up behind, too."""
        try:
            self._responder = await self._start()
            self._context = contextvars.copy_context()
        except BaseException as exc:
            await self._leave_early(exc)
            raise
        try:
            yield
        finally:
            await self._stop()

    def begin(self, exchange: StreamedExchange, upload: Upload | None) -> Call:
        """Begin to answer a request, in a copy of the context where start-up ended."""
        assert self._responder is not None  # asked for by the caller
        call = Call(exchange, upload)
        self._calls = {each for each in self._calls if each.tasks}
        self._calls.add(call)
        call.begin(self._responder, self._context.copy())
        return call

    def hurry(self) -> None:
        """Wait for no handler any more, in a stop that goes on or comes."""
        self._hurried.set()

    async def _start(self) -> Responder:
        if self._lifespan:
            return await self._served.startup()
        options = self._options
        if not isinstance(self._app, Application):
            return Host(self._app, logger=options.logger)
        return Handling(
            self._app,
            logger=options.logger,
            access_logger=options.access_logger,
            debug=self._app._debug if options.debug is None else options.debug,
            handler_cancellation=options.handler_cancellation,
            auto_decompress=options.auto_decompress,
        )

    async def _leave_early(self, exc: BaseException) -> None:
        try:
            await self._clean_up()
        except Exception as cleanup_exc:
            exc.add_note(f"clean-up after the failed start failed too: {cleanup_exc!r}")

    async def _stop(self) -> None:
        """Let the client leave, tell the application of the end, end its tasks, clean it up."""
        self._responder = None
        for call in self._calls:
            call.leave()
        try:
            if self._lifespan:
                await self._served.shutdown()
        finally:
            try:
                await self._end_calls()
            finally:
                await self._clean_up()

    async def _end_calls(self) -> None:
        """Wait for handlers for a time, then cancel them and wait for their end."""
        calls, self._calls = self._calls, set()
        hurried = asyncio.ensure_future(self._hurried.wait())
        ended = asyncio.ensure_future(_gather(calls))
        try:
            waits = {hurried, ended}
            await asyncio.wait(
                waits, timeout=self._shutdown_timeout, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for call in calls:
                call.cancel()
            hurried.cancel()
        try:
            await ended
        finally:
            ended.cancel()

    async def _clean_up(self) -> None:
        if self._lifespan:
            await self._served.cleanup()


async def _gather(calls: Iterable[Call]) -> None:
    for call in calls:
        await call.ended()
