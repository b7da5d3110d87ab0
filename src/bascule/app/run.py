"""A program that is a server: from a new event loop to its end."""

import asyncio
import inspect
import logging
import signal
import socket
from collections.abc import Callable, Iterable
from enum import Enum
from ssl import SSLContext
from typing import Any

from .access import AbstractAccessLogger, AccessLogger
from .binding import Binding, PathLike
from .protocol import access_logger
from .runners import AppRunner, GracefulExit
from .served import LifespanMode

__all__ = ["run_app"]


class _Stage(Enum):
    """Where a run is: STARTING -> SERVING -> ENDING, or straight from the first to the last."""

    STARTING = "the application starts, and the sites are opened"
    SERVING = "requests are answered"
    ENDING = "somebody has asked for the end"


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
        self._task: asyncio.Task[None] | None = None
        self._interrupts = 0
        self._stage = _Stage.STARTING
        self._ending = asyncio.Event()
        # What the process is to end with.
        self.exit: SystemExit | None = None

    async def run(self, announce: Callable[..., None] | None) -> None:
        """Serve until somebody asks for the end."""
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        if self._handle_signals:
            self._take_signals(loop)
        try:
            await self._serve(announce)
        except asyncio.CancelledError:
            if self._stage is not _Stage.ENDING:
                raise
        finally:
            if self._handle_signals:
                _give_signals_back(loop)

    async def _serve(self, announce: Callable[..., None] | None) -> None:
        app = self._app
        if inspect.isawaitable(app):
            app = await app
        runner = self._runner = AppRunner(app, on_exit=self.end, **self._kwargs)
        sites = await self._binding.open(runner)
        try:
            if announce is not None:
                names = ", ".join(sorted(site.name for site in sites))
                announce(f"======== Running on {names} ========\n(Press CTRL+C to quit)")
            if self._stage is _Stage.STARTING:
                self._stage = _Stage.SERVING
            await self._ending.wait()
        finally:
            await runner.cleanup()

    def _take_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.add_signal_handler(signal.SIGINT, self.interrupt)
            loop.add_signal_handler(signal.SIGTERM, self.interrupt)
        except (NotImplementedError, ValueError, RuntimeError):
            pass  # Windows, or a thread other than the main one: KeyboardInterrupt does

    def interrupt(self) -> None:
        """Be told by a signal: the first ends the program, a second one shortens the wait for
        answers in progress, a third one also cancels what the application does to clean up."""
        self._interrupts += 1
        if self._interrupts == 1:
            self._end()
        elif self._interrupts == 2 and self._runner is not None:
            self._runner.hurry()
        elif self._task is not None:
            self._task.cancel()

    def end(self, cause: BaseException) -> None:
        """Be told by an exception; the status of the first SystemExit is kept."""
        if isinstance(cause, KeyboardInterrupt):
            self.interrupt()
            return
        if isinstance(cause, SystemExit) and not isinstance(cause, GracefulExit):
            self.exit = self.exit or cause
        self._end()

    def _end(self) -> None:
        """Stop serving; a start that is under way is cancelled, since it may never come to an
        end."""
        if self._stage is _Stage.STARTING and self._task is not None:
            self._task.cancel()
        self._stage = _Stage.ENDING
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
    root_path: str = "",
    lifespan: LifespanMode = "auto",
    path_mode: int | None = None,
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
        root_path: prefix that the application is served under, whether the proxy in front takes
            it off or not.
        lifespan: of an ASGI application: ``auto``, ``on`` or ``off``; see `AppRunner`.
        path_mode: permissions of the Unix sockets; None leaves them to the umask.
        kwargs: more of `AppRunner`; options of connections, see `ConnectionOptions` and
            `HeadLimits`. ``limit_connections`` is ``auto`` here: so many connections as there are
            descriptors, less 64; None takes the limit away.

    Raises:
        LifespanError: the start-up of an ASGI application failed, or its shut-down.
        OSError: an address is taken or not allowed; a note says more.
        RuntimeError: this thread runs a loop already, or `loop` is closed.
        SystemExit: a handler raised it; the server has ended gracefully by then.
    """
    problem = _find_problem(loop)
    if problem is not None:
        if inspect.iscoroutine(app):
            app.close()  # else its warning would hide the error
        raise RuntimeError(problem)
    binding = Binding(
        host, port, path, sock, ssl_context, backlog, reuse_address, reuse_port, path_mode
    )
    options = {
        "shutdown_timeout": shutdown_timeout,
        "keepalive_timeout": keepalive_timeout,
        "access_log_class": access_log_class,
        "access_log_format": access_log_format,
        "access_log": access_log,
        "handler_cancellation": handler_cancellation,
        "root_path": root_path,
        "lifespan": lifespan,
        "limit_connections": "auto",
        **kwargs,
    }
    program = _Program(app, binding, handle_signals, options)
    _run_to_end(loop or asyncio.new_event_loop(), program, print, access_log)


def _run_to_end(
    loop: asyncio.AbstractEventLoop,
    program: _Program,
    announce: Callable[..., None] | None,
    access_log: logging.Logger | None,
) -> None:
    """Run a program in a loop, which is closed behind it."""
    if loop.get_debug() and access_log is access_logger:
        _show_access_log(access_log)
    try:
        asyncio.set_event_loop(loop)
        _run(loop, program, announce)
    except (GracefulExit, KeyboardInterrupt):
        pass
    finally:
        _close(loop)


def _find_problem(loop: asyncio.AbstractEventLoop | None) -> str | None:
    """Say why no loop can run; texts begin as asyncio's do."""
    if loop is not None and loop.is_closed():
        return "Event loop is closed"
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return None
    return (
        "Cannot run the event loop while another loop is running; in one that is, use "
        "`async with bascule.serve(app)`, or AppRunner and sites"
    )


def _run(
    loop: asyncio.AbstractEventLoop, program: _Program, announce: Callable[..., None] | None
) -> None:
    """Run to the end. What else ends the loop, in a callback or another task, ends the program
    as a signal does.

    Raises:
        SystemExit: somebody raised it; its status is kept.
    """
    task = loop.create_task(program.run(announce), name="bascule-run")
    while not task.done():
        try:
            loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt) as exc:
            if task.done():
                raise
            program.end(exc)
    if program.exit is not None:
        raise program.exit


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
