"""Runners: an application and its server in an event loop that is running already."""

import asyncio
import logging
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ..asgi.lifespan import SHUTDOWN_TIMEOUT, STARTUP_TIMEOUT
from ..server.server import ConnectionSet
from ..server.sites import BaseSite
from .access import AbstractAccessLogger, AccessLogger, make_access_logger
from .applicants import check_application
from .application import Application
from .handling import Handling
from .protocol import Server, access_logger, make_options, server_logger
from .root_path import Rooted, read_root_path
from .served import LifespanMode, ServedOptions, serve_as

__all__ = [
    "AppRunner",
    "BaseRunner",
    "GracefulExit",
    "ServerRunner",
    "access_logger",
    "server_logger",
]


# From the accept of a connection until its first bytes are read asyncio takes some loop steps: the
# transport is made, the protocol told of it, the socket watched, and read. A request that was sent
# before the stop is seen so, and its connection not taken for idle.
_SETTLING_STEPS = 5


class GracefulExit(SystemExit):
    """The program was asked to stop, by a signal or from within."""

    code = 1


def _raise_graceful_exit() -> None:
    raise GracefulExit


class BaseRunner(ABC):
    """A server in a running loop, from `setup` to `cleanup`; sites listen for it.

    It touches no logging, calls no ``sys.exit``, and signals only when told to.

    Args:
        handle_signals: let SIGINT and SIGTERM raise `GracefulExit` in the loop.
        shutdown_timeout: seconds that answers in progress get at the end.
        kwargs: options of connections, see `ConnectionOptions` and `HeadLimits`; `setup` refuses
            values without sense. The number of connections has no limit unless
            ``limit_connections`` is given.
    """

    def __init__(
        self, *, handle_signals: bool = False, shutdown_timeout: float = 60.0, **kwargs: Any
    ) -> None:
        self._handle_signals = handle_signals
        self._shutdown_timeout = shutdown_timeout
        self._kwargs = kwargs
        self._server: ConnectionSet | None = None
        # The server whose connections are being ended.
        self._ending: ConnectionSet | None = None
        self._sites: list[BaseSite] = []
        self._is_set_up = False
        self._cleaning = asyncio.Lock()

    @property
    def server(self) -> ConnectionSet | None:
        """The server, which makes a protocol for each connection; None while not set up."""
        return self._server

    @property
    def addresses(self) -> list[Any]:
        """The addresses of all sockets that listen for it."""
        return [sock.getsockname() for site in self._sites for sock in site._sockets()]

    @property
    def sites(self) -> set[BaseSite]:
        """The sites that are started."""
        return set(self._sites)

    async def setup(self) -> None:
        """Start what is to be served; nothing listens yet.

        Raises:
            Exception: what the start raised. `cleanup` is still to be called.
            RuntimeError: it is set up already.
        """
        if self._server is not None:
            raise RuntimeError(f"Runner {self} is already set up; clean it up before a new start")
        if self._handle_signals:
            loop = asyncio.get_running_loop()
            try:
                loop.add_signal_handler(signal.SIGINT, _raise_graceful_exit)
                loop.add_signal_handler(signal.SIGTERM, _raise_graceful_exit)
            except NotImplementedError:
                pass  # Windows: the default handler of SIGINT does
        self._is_set_up = True
        self._server = await self._make_server()

    async def cleanup(self) -> None:
        """Stop listening, let answers in progress end, and clean up.

        Answers get `shutdown_timeout` seconds, then their tasks are cancelled. Cancelled itself,
        it drops connections and cleans up all the same. A second call waits for the first. TLS
        connections whose handshake is not complete are dropped.
        """
        async with self._cleaning:
            server = self._ending = self._server
            self._server = None
            try:
                await self._stop_sites()
            finally:
                try:
                    await self._end_connections(server)
                finally:
                    self._ending = None
                    if self._is_set_up:
                        self._is_set_up = False
                        await self._cleanup()
                    self._restore_signals()

    async def _stop_sites(self) -> None:
        errors: list[Exception] = []
        for site in list(self._sites):
            try:
                await site.stop()
            except Exception as exc:  # told below, after the others had their turn
                errors.append(exc)
        if errors:
            raise errors[0]

    async def _end_connections(self, server: ConnectionSet | None) -> None:
        if server is None:
            return
        for _ in range(_SETTLING_STEPS):
            await asyncio.sleep(0)
        server.close_idle()
        try:
            await self.shutdown()
        finally:
            await server.shutdown(self._shutdown_timeout)

    def hurry(self) -> None:
        """Shorten the wait for answers in progress, in a clean-up that goes on or comes."""
        server = self._server or self._ending
        if server is not None:
            server.hurry()

    @abstractmethod
    async def shutdown(self) -> None:
        """Tell what is served that the end is near."""

    @abstractmethod
    async def _make_server(self) -> ConnectionSet: ...

    @abstractmethod
    async def _cleanup(self) -> None: ...

    def _restore_signals(self) -> None:
        if self._handle_signals:
            loop = asyncio.get_running_loop()
            try:
                loop.remove_signal_handler(signal.SIGINT)
                loop.remove_signal_handler(signal.SIGTERM)
            except NotImplementedError:
                pass

    # -- what sites call

    def _reg_site(self, site: BaseSite) -> None:
        if site in self._sites:
            raise RuntimeError(f"Site {site} is already registered in runner {self}")
        self._sites.append(site)

    def _check_site(self, site: BaseSite) -> None:
        if site not in self._sites:
            raise RuntimeError(f"Site {site} is not registered in runner {self}")

    def _unreg_site(self, site: BaseSite) -> None:
        self._check_site(site)
        self._sites.remove(site)


class AppRunner(BaseRunner):
    """Runs a native application or an ASGI one.

    Args:
        app: what to run.
        handle_signals: see `BaseRunner`.
        access_log: logger of the access log; None for no access log.
        access_log_class: what writes it.
        access_log_format: in the language of that class. What the application has in its
            ``handler_args`` of these three and of the next three goes before.
        logger: told of errors.
        debug: show tracebacks to clients; None for what the event loop says.
        handler_cancellation: cancel a handler whose client has left.
        on_exit: told of SystemExit and KeyboardInterrupt out of a handler, which then do not
            reach the loop; without it they are logged and answered 500.
        root_path: prefix that the application is served under, decoded, whether the proxy in front
            takes it off or not.
        lifespan: of an ASGI application: ``auto`` where it has one, ``on`` requires one, ``off``
            does not tell it of start and end. A native one always has its own.
        lifespan_startup_timeout: seconds that a lifespan gets to start up, 300 by default; None for
            no limit. It failed, when they are over.
        lifespan_shutdown_timeout: likewise to shut down, once no request is left; 60 by default.
        kwargs: see `BaseRunner`.

    Raises:
        TypeError: `app` is no application, or the class is no access logger.
        ValueError: the root path or the lifespan is none.
    """

    def __init__(
        self,
        app: Any,  # Any: an Application, or a callable of either ASGI shape
        *,
        handle_signals: bool = False,
        access_log: logging.Logger | None = access_logger,
        access_log_class: type[AbstractAccessLogger] = AccessLogger,
        access_log_format: str = AccessLogger.LOG_FORMAT,
        logger: logging.Logger = server_logger,
        debug: bool | None = None,
        handler_cancellation: bool = False,
        on_exit: Callable[[BaseException], None] | None = None,
        root_path: str = "",
        lifespan: LifespanMode = "auto",
        lifespan_startup_timeout: float | None = STARTUP_TIMEOUT,
        lifespan_shutdown_timeout: float | None = SHUTDOWN_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        check_application(app)
        _check_lifespan(lifespan, app)
        self._root_path = read_root_path(root_path)
        if isinstance(app, Application):
            kwargs = {**kwargs, **app._handler_args}
            kwargs.pop("raise_errors", None)  # for hosts: here is nobody to raise them to
            handler_cancellation = kwargs.pop("handler_cancellation", handler_cancellation)
            logger = kwargs.pop("logger", logger)
            debug = kwargs.pop("debug", debug)
            access_log = kwargs.pop("access_log", access_log)
            access_log_class = kwargs.pop("access_log_class", access_log_class)
            access_log_format = kwargs.pop("access_log_format", access_log_format)
        auto_decompress = bool(kwargs.pop("auto_decompress", True))
        super().__init__(handle_signals=handle_signals, **kwargs)
        self._app = app
        self._logger = logger
        self._on_exit = on_exit
        self._served = serve_as(
            app,
            ServedOptions(
                logger=logger,
                access_logger=make_access_logger(access_log, access_log_class, access_log_format),
                debug=debug,
                handler_cancellation=handler_cancellation,
                auto_decompress=auto_decompress,
                lifespan=lifespan,
                startup_timeout=lifespan_startup_timeout,
                shutdown_timeout=lifespan_shutdown_timeout,
            ),
        )

    @property
    def app(self) -> Any:
        """What it runs."""
        return self._app

    async def shutdown(self) -> None:
        """Tell the application that the end is near."""
        await self._served.shutdown()

    async def _make_server(self) -> ConnectionSet:
        options = make_options(self._kwargs, self._logger)
        responder = await self._served.startup()
        ends: dict[str, Any] = {"logger": self._logger, "on_exit": self._on_exit}
        server = (
            Server._of_handling(responder, self._app, options=options, **ends)
            if isinstance(responder, Handling)
            else ConnectionSet(responder, options=options, **ends)
        )
        if self._root_path:
            is_native = isinstance(responder, Handling)
            server.responder = Rooted(responder, self._root_path, is_native=is_native)
        return server

    async def _cleanup(self) -> None:
        await self._served.cleanup()


def _check_lifespan(lifespan: object, app: object) -> None:
    """Refuse what is no mode of a lifespan, and what a native application cannot do.

    Raises:
        ValueError: it is one of these.
    """
    if lifespan not in ("auto", "on", "off"):
        raise ValueError(f"lifespan should be 'auto', 'on' or 'off', got {lifespan!r:.200}")
    if lifespan == "off" and isinstance(app, Application):
        raise ValueError(
            "lifespan='off' is for ASGI applications; a web.Application is always started"
        )


class ServerRunner(BaseRunner):
    """Runs a server that was made already.

    Args:
        web_server: what makes the protocol of each connection.
        handle_signals: see `BaseRunner`.
        kwargs: see `BaseRunner`; options of connections are the server's.
    """

    def __init__(self, web_server: Server, *, handle_signals: bool = False, **kwargs: Any) -> None:
        if not isinstance(web_server, ConnectionSet):
            raise TypeError(
                f"The first argument should be web.Server instance, got {web_server!r:.200}"
            )
        super().__init__(handle_signals=handle_signals, **kwargs)
        self._web_server = web_server

    async def shutdown(self) -> None:
        """Do nothing: a bare handler has nothing to be told."""

    async def _make_server(self) -> ConnectionSet:
        return self._web_server

    async def _cleanup(self) -> None:
        pass
