"""A server for a bare handler of requests, as a factory of asyncio protocols."""

import asyncio
import logging
import platform
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
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

__all__ = ["Server", "access_logger", "make_options", "server_logger"]

access_logger = logging.getLogger("bascule.access")
server_logger = logging.getLogger("bascule.server")

_SERVER = "Python/{} bascule/{}".format(".".join(platform.python_version_tuple()[:2]), __version__)
_LIMITS = frozenset(field.name for field in fields(HeadLimits))
_OPTIONS = frozenset(field.name for field in fields(ConnectionOptions)) - {"limits"}


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
        )
        super().__init__(handling, options=make_options(kwargs, logger), logger=logger)

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
