"""A program that is a server: from a new event loop to its end."""

import asyncio
import inspect
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterable
from ssl import SSLContext
from typing import Any, TypeVar

from .access import AbstractAccessLogger, AccessLogger
from .binding import Binding, PathLike
from .protocol import access_logger
from .runners import AppRunner, GracefulExit

__all__ = ["run_app"]

_T = TypeVar("_T")


class _Program:
    """One run: its runner, and who asked it to end.

    The whole life is one task: start-up, the wait, and clean-up share its context.
    """

    def __init__(self, app: Any, binding: Binding, handle_signals: bool, kwargs: Any) -> None:
        self._app = app
        self._binding = binding
        self._handle_signals = handle_signals
        self._kwargs = kwargs
        self._runner: AppRunner | None = None
        self._ending = asyncio.Event()
        self._exit: BaseException | None = None

    async def run(self, announce: Callable[..., None] | None) -> None:
        """Serve until a signal, or a handler, asks for the end.

        Raises:
            SystemExit: a handler raised it; its status is kept.
        """
        loop = asyncio.get_running_loop()
        if self._handle_signals:
            self._take_signals(loop)
        try:
            await self._serve(announce)
        finally:
            if self._handle_signals:
                _give_signals_back(loop)
        if self._exit is not None:
            raise self._exit

    async def _serve(self, announce: Callable[..., None] | None) -> None:
        app = self._app
        if inspect.isawaitable(app):
            app = await app
        runner = self._runner = AppRunner(app, on_exit=self._end, **self._kwargs)
        try:
            await runner.setup()
            sites = self._binding.make_sites(runner)
            for site in sites:
                await site.start()
            if announce is not None:
                names = ", ".join(sorted(site.name for site in sites))
                announce(f"======== Running on {names} ========\n(Press CTRL+C to quit)")
            await self._ending.wait()
        finally:
            await runner.cleanup()

    def _take_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.add_signal_handler(signal.SIGINT, self._signalled)
            loop.add_signal_handler(signal.SIGTERM, self._signalled)
        except (NotImplementedError, ValueError, RuntimeError):
            pass  # Windows, or a thread other than the main one: KeyboardInterrupt does

    def _signalled(self) -> None:
        """End; a second signal shortens the wait for answers in progress."""
        if self._ending.is_set() and self._runner is not None:
            self._runner.hurry()
        self._ending.set()

    def _end(self, cause: BaseException) -> None:
        if not isinstance(cause, GracefulExit | KeyboardInterrupt) and self._exit is None:
            self._exit = cause
        self._ending.set()


def _give_signals_back(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)
    except (NotImplementedError, ValueError, RuntimeError):
        pass


def run_app(
    app: Any,  # Any: an Application, an ASGI callable, or an awaitable of either
    *,
    host: str | Iterable[str] | None = None,
    port: int | None = None,
    path: PathLike | Iterable[PathLike] | None = None,
    sock: socket.socket | Iterable[socket.socket] | None = None,
    shutdown_timeout: float = 60.0,
    keepalive_timeout: float = 75.0,
    ssl_context: SSLContext | None = None,
    print: Callable[..., None] | None = print,
    backlog: int = 128,
    access_log_class: type[AbstractAccessLogger] = AccessLogger,
    access_log_format: str = AccessLogger.LOG_FORMAT,
    access_log: logging.Logger | None = access_logger,
    handle_signals: bool = True,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    handler_cancellation: bool = False,
    loop: asyncio.AbstractEventLoop | None = None,
    **kwargs: Any,
) -> None:
    """Serve an application until SIGINT, SIGTERM or `GracefulExit`, in an event loop of its own.

    Args:
        app: native, ASGI, or an awaitable that gives one.
        host: names or addresses to bind; all interfaces when nothing is named.
        port: 8080 by default, 8443 with TLS.
        path: Unix sockets to bind.
        sock: sockets that are bound already.
        shutdown_timeout: seconds that answers in progress get at the end.
        keepalive_timeout: seconds that an idle connection is kept.
        ssl_context: serve TLS with it.
        print: told where it runs; None for silence.
        backlog: of listening sockets.
        access_log_class: what writes the access log.
        access_log_format: in the language of that class.
        access_log: its logger; None for no access log.
        handle_signals: end gracefully on SIGINT and SIGTERM; a second one shortens the wait.
        reuse_address: as ``loop.create_server`` takes it.
        reuse_port: likewise.
        handler_cancellation: cancel a handler whose client has left.
        loop: to run in; closed at the end like one of its own.
        kwargs: options of connections, see `ConnectionOptions` and `HeadLimits`.

    Raises:
        OSError: an address is taken or not allowed.
        SystemExit: a handler raised it; the server has ended gracefully by then.
    """
    binding = Binding(host, port, path, sock, ssl_context, backlog, reuse_address, reuse_port)
    options = {
        "shutdown_timeout": shutdown_timeout,
        "keepalive_timeout": keepalive_timeout,
        "access_log_class": access_log_class,
        "access_log_format": access_log_format,
        "access_log": access_log,
        "handler_cancellation": handler_cancellation,
        **kwargs,
    }
    loop = loop or asyncio.new_event_loop()
    if loop.get_debug() and access_log is access_logger:
        _show_access_log(access_log)

    async def live() -> None:
        await _Program(app, binding, handle_signals, options).run(print)

    try:
        asyncio.set_event_loop(loop)
        _run(loop, live())
    except (GracefulExit, KeyboardInterrupt):
        pass
    finally:
        _close(loop)
        asyncio.set_event_loop(None)


def _run(loop: asyncio.AbstractEventLoop, coroutine: Awaitable[None]) -> None:
    """Run to the end; an interrupt cancels the task first, so that it can clean up."""
    task = asyncio.ensure_future(coroutine, loop=loop)
    try:
        loop.run_until_complete(task)
    except (GracefulExit, KeyboardInterrupt):
        if task.done():  # raised within it, and cleaned up behind; run_until_complete would hang
            if not task.cancelled():
                task.exception()
            return
        task.cancel()
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what tasks are left, and close the loop (as ``asyncio.run`` does)."""
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        for task in tasks:
            if not task.cancelled() and (exception := task.exception()) is not None:
                loop.call_exception_handler(
                    {
                        "message": "unhandled exception during asyncio.run() shutdown",
                        "exception": exception,
                        "task": task,
                    }
                )
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def _show_access_log(logger: logging.Logger) -> None:
    """In debug mode show the access log, unless logging was set up for it."""
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.DEBUG)
    if not logger.hasHandlers():
        logger.addHandler(logging.StreamHandler())
