"""A server of requests as a factory of asyncio protocols, in the shape of aiohttp's."""

import asyncio
import logging
import platform
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from ssl import SSLContext
from typing import Any

from bascule import __version__

from ..exchange import Exchange
from ..message.request import BaseRequest
from ..message.stream import StreamResponse
from ..server.connection import Connection
from ..server.options import ConnectionOptions
from ..server.server import ConnectionSet
from ..wire.head import HeadLimits
from .access import AbstractAccessLogger, AccessLogger, make_access_logger
from .handling import Handler, Handling

__all__ = ["RequestHandler", "Server", "access_logger", "make_options", "server_logger"]

access_logger = logging.getLogger("bascule.access")
server_logger = logging.getLogger("bascule.server")

_SERVER = "Python/{} bascule/{}".format(".".join(platform.python_version_tuple()[:2]), __version__)
_LIMITS = frozenset(field.name for field in fields(HeadLimits))
_OPTIONS = frozenset(field.name for field in fields(ConnectionOptions)) - {"limits"}


class RequestHandler(Connection):
    """The protocol of one connection of a `Server`: ``request.protocol``.

    Args:
        manager: the server; asyncio makes protocols by calling it.
        loop: without effect; the running loop is used.
        kwargs: without effect: the options are the server's.
    """

    __slots__ = ("_manager",)

    def __init__(
        self,
        manager: "Server",
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(manager)
        self._manager = manager

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'connected' if self.connected else 'disconnected'}>"

    @property
    def connected(self) -> bool:
        """Whether there is a transport."""
        return self.transport is not None

    # -- what it was made with

    @property
    def logger(self) -> logging.Logger:
        """Told of errors."""
        return self._manager.logger

    @property
    def debug(self) -> bool:
        """Whether tracebacks are shown to clients."""
        return self._manager._handling.debug

    @property
    def access_logger(self) -> AbstractAccessLogger | None:
        """What writes the access log; None where there is none."""
        return self._manager._handling.access_logger

    @property
    def access_log(self) -> logging.Logger | None:
        """The logger of the access log; None where there is none."""
        access = self.access_logger
        return None if access is None else access.logger

    @property
    def keepalive_timeout(self) -> float:
        """Seconds that an idle connection is kept."""
        return self._manager.options.keepalive_timeout

    @property
    def max_line_size(self) -> int:
        """Most bytes of a request line."""
        return self._manager.options.limits.max_line_size

    @property
    def max_field_size(self) -> int:
        """Most bytes of a header field."""
        return self._manager.options.limits.max_field_size

    @property
    def max_headers(self) -> int:
        """Most header fields of a request."""
        return self._manager.options.limits.max_headers

    # -- the connection

    @property
    def peername(self) -> Any:  # Any: of whatever family
        """The address of the peer."""
        return self.get_extra_info("peername")

    @property
    def sockname(self) -> Any:  # Any: of whatever family
        """The address of the server's own socket."""
        return self.get_extra_info("sockname")

    @property
    def ssl_context(self) -> SSLContext | None:
        """The TLS context; None on a plain connection."""
        context: SSLContext | None = self.get_extra_info("sslcontext")
        return context

    def keep_alive(self, val: bool) -> None:
        """Let the connection go on behind the answer in progress, or close it there."""
        self._is_unkept = not val

    def close(self) -> None:
        """Serve no further request: close when idle, else after the answer in progress."""
        self.finish()

    def force_close(self) -> None:
        """Drop the connection; an answer in progress is lost."""
        self.abort()

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """End the connection: wait for the answer in progress, then cancel it.

        Args:
            timeout: seconds to wait; None waits without limit.
        """
        self.finish()
        if (task := self.task) is not None:
            await asyncio.wait([task], timeout=timeout)
            task.cancel()
        self.abort()

    # -- what is told, and to whom

    def log_access(
        self, request: BaseRequest, response: StreamResponse, time: float | None
    ) -> None:
        """Write a line of the access log.

        Args:
            request: that was answered.
            response: what it was answered with.
            time: seconds that it took; None writes nothing.
        """
        access = self.access_logger
        if access is not None and time is not None and access.enabled:
            access.log(request, response, time)

    def log_debug(self, *args: Any, **kw: Any) -> None:
        """Log at debug level, in debug mode."""
        if self.debug:
            self.logger.debug(*args, **kw)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log an error with its traceback."""
        self.logger.exception(*args, **kw)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """Log an error and make the page that tells of it."""
        return self._manager._handling.make_error_page(request, status, exc, message)


class Server(ConnectionSet):
    """Serves a handler; calling it gives the protocol of a new connection.

    It is made for ``loop.create_server(server, host, port)``, in the loop that will run it, and
    is ended by `shutdown`.

    Args:
        handler: coroutine function of a request.
        request_factory: makes the request of an exchange; `BaseRequest` when None.
        handler_cancellation: cancel a handler whose client has left.
        loop: without effect; the running loop is used.
        access_log: logger of the access log; None for no access log.
        access_log_class: what writes it.
        access_log_format: in the language of that class.
        logger: told of errors.
        debug: show tracebacks to clients.
        auto_decompress: take content codings off the bodies of requests.
        kwargs: options of connections, see `ConnectionOptions` and `HeadLimits`.
    """

    def __init__(
        self,
        handler: Callable[[Any], Awaitable[StreamResponse]],  # Any: what the factory makes
        *,
        request_factory: Callable[[Exchange], BaseRequest] | None = None,
        handler_cancellation: bool = False,
        loop: asyncio.AbstractEventLoop | None = None,
        access_log: logging.Logger | None = access_logger,
        access_log_class: type[AbstractAccessLogger] = AccessLogger,
        access_log_format: str = AccessLogger.LOG_FORMAT,
        logger: logging.Logger = server_logger,
        debug: bool | None = False,
        auto_decompress: bool = True,
        **kwargs: Any,
    ) -> None:
        self.request_handler = handler
        self.request_factory = request_factory or BaseRequest
        self.handler_cancellation = handler_cancellation
        handling = Handling(
            _Bare(self.request_factory, handler),
            logger=logger,
            access_logger=make_access_logger(access_log, access_log_class, access_log_format),
            debug=debug,
            handler_cancellation=handler_cancellation,
            auto_decompress=auto_decompress,
        )
        self._handling = handling
        super().__init__(handling, options=make_options(kwargs, logger), logger=logger)

    def __call__(self) -> RequestHandler:
        """Make the protocol of a new connection."""
        return RequestHandler(self)

    @classmethod
    def _of_handling(
        cls,
        handling: Handling,
        app: Handler,
        *,
        options: ConnectionOptions,
        logger: logging.Logger,
        on_exit: Callable[[BaseException], None] | None,
    ) -> "Server":
        """Make the server of an application that is handled already, whose methods are looked up
        for each request, since others replace them."""
        server = cls.__new__(cls)
        server.request_handler = app._handle
        server.request_factory = app._make_request
        server.handler_cancellation = handling.handler_cancellation
        server._handling = handling
        ConnectionSet.__init__(server, handling, options=options, logger=logger, on_exit=on_exit)
        return server

    def connection_made(self, handler: Connection, transport: asyncio.Transport) -> None:
        """Take note of a new connection."""
        self.opened(handler)

    def connection_lost(self, handler: Connection, exc: BaseException | None = None) -> None:
        """Take note that a connection has ended."""
        self.closed(handler)

    def pre_shutdown(self) -> None:
        """Close idle connections, and the others after their answer."""
        self.close_idle()


class _Bare:
    """A handler in the shape of an application."""

    __slots__ = ("_handle", "_make_request")

    def __init__(
        self,
        make_request: Callable[[Exchange], BaseRequest],
        handle: Callable[[Any], Awaitable[StreamResponse]],
    ) -> None:
        self._make_request = make_request
        self._handle = handle


def make_options(kwargs: dict[str, Any], logger: logging.Logger) -> ConnectionOptions:
    """Sort keyword arguments into options; as with aiohttp an unknown one breaks nothing."""
    known = {name: value for name, value in kwargs.items() if name in _OPTIONS}
    limits = {name: value for name, value in kwargs.items() if name in _LIMITS}
    unknown = sorted(kwargs.keys() - known.keys() - limits.keys())
    if unknown:
        logger.warning("Unknown options of connections ignored: %s", ", ".join(unknown))
    options = ConnectionOptions(limits=HeadLimits(**limits), **known)
    return options if "server_header" in known else replace(options, server_header=_SERVER)
