"""Servers of tests: on a port that is free, from `start_server` to `close`."""

import asyncio
import ipaddress
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ssl import SSLContext
from types import TracebackType
from typing import Any

from yarl import URL

from ..app.protocol import Server
from ..app.runners import AppRunner, BaseRunner, ServerRunner
from ..message.request import BaseRequest
from ..message.stream import StreamResponse
from ..server.server import ConnectionSet
from ..server.sites import SockSite
from .ports import get_port_socket
from .span import Span

__all__ = ["BaseTestServer", "RawTestServer", "TestServer"]

# What a runner takes itself; the rest is for the connections.
_RUNNER_OPTIONS = ("handle_signals", "shutdown_timeout")


class BaseTestServer(ABC):
    """A server at a socket of its own, for the time of a test; also an ``async with`` block.

    One task starts what is served and cleans it up, whoever calls `start_server` and `close`: the
    set-up of a test often runs in another task than its end.

    Args:
        scheme: of its URLs; as TLS says when empty.
        loop: without effect; the running loop is used.
        host: name or address to listen at.
        port: likewise; a free one when None.
        skip_url_asserts: let `make_url` take absolute URLs too, put behind the server's.
        socket_factory: makes the socket of host, port and family.
        kwargs: without effect, as in aiohttp; `start_server` has some.

    Attributes:
        runner: runs what is served; None before the start.
        host: the address that it listens at, once it does.
        port: likewise; None while it does not.
        scheme: ``http`` or ``https``, once started.
    """

    __test__ = False  # for pytest this is no test

    def __init__(
        self,
        *,
        scheme: str = "",
        loop: asyncio.AbstractEventLoop | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
        skip_url_asserts: bool = False,
        socket_factory: Callable[[str, int, socket.AddressFamily], socket.socket] = get_port_socket,
        **kwargs: Any,
    ) -> None:
        self.runner: BaseRunner | None = None
        self.host = host
        self.port = port
        self.scheme = scheme
        self.skip_url_asserts = skip_url_asserts
        self.socket_factory = socket_factory
        self._root: URL | None = None
        self._closed = False
        self._span: Span | None = None

    @property
    def started(self) -> bool:
        """Whether it was started, be it closed since."""
        return self.runner is not None

    @property
    def closed(self) -> bool:
        """Whether it was started and closed; it cannot be started again."""
        return self._closed

    @property
    def handler(self) -> ConnectionSet:
        """The server, which makes a protocol for each connection.

        Raises:
            AssertionError: it is not running.
        """
        if self.runner is None:
            raise AssertionError("The server is not started")
        if self.runner.server is None:
            raise AssertionError("The server is closed")
        return self.runner.server

    async def start_server(
        self, loop: asyncio.AbstractEventLoop | None = None, **kwargs: Any
    ) -> None:
        """Start what is served and listen; a second call does nothing.

        Args:
            loop: without effect; the running loop is used.
            kwargs: ``ssl``, a context to serve TLS with; the rest is for the runner.

        Raises:
            Exception: what the start raised; what was started has been cleaned up.
        """
        if self._span is not None:
            return
        ssl_context: SSLContext | None = kwargs.pop("ssl", None)
        span = self._span = Span(self._serve(ssl_context, kwargs), "bascule-server", self._hurry)
        try:
            await span.enter()
        except BaseException:
            self._span = None
            raise

    @asynccontextmanager
    async def _serve(
        self, ssl_context: SSLContext | None, options: dict[str, Any]
    ) -> AsyncIterator[None]:
        """Serve while a block runs."""
        runner = self.runner = await self._make_runner(**{"handler_cancellation": True, **options})
        try:
            try:
                await runner.setup()
                await self._listen(runner, ssl_context)
            except BaseException:
                self.runner = None
                raise
            yield
        finally:
            await runner.cleanup()

    def _hurry(self) -> None:
        if self.runner is not None:
            self.runner.hurry()

    async def _listen(self, runner: BaseRunner, ssl_context: SSLContext | None) -> None:
        host = self.host
        sock = self.socket_factory(host, self.port or 0, _find_family(host))
        try:
            address = sock.getsockname()
            await SockSite(runner, sock, ssl_context=ssl_context).start()
        except BaseException:
            sock.close()
            raise
        self.host, self.port = address[:2]
        if not self.scheme:
            self.scheme = "https" if ssl_context else "http"
        named = f"[{host}]" if ":" in host else host
        self._root = URL(f"{self.scheme}://{named}:{self.port}")

    @abstractmethod
    async def _make_runner(self, **kwargs: Any) -> BaseRunner:
        """Make the runner of what is served, with options of `start_server`."""

    def make_url(self, path: str | URL) -> URL:
        """Make the URL of a path on this server.

        Raises:
            AssertionError: it is not running, or `path` is an absolute URL.
        """
        if self._root is None:
            raise AssertionError("The server is not running")
        url = URL(path)
        if self.skip_url_asserts:
            return URL(f"{self._root}{path}")
        if url.absolute:
            raise AssertionError(f"A path was expected, not {url!r}")
        return self._root.join(url)

    async def close(self) -> None:
        """Stop listening, end connections, and clean up what is served.

        Nothing happens where it is not running.
        """
        if self._span is None or self._closed:
            return
        try:
            await self._span.leave()
        finally:
            self._root = None
            self.port = None
            self._closed = True

    def __enter__(self) -> None:
        raise TypeError("Use async with instead")

    def __exit__(  # noqa: B027  # no subclass needs it
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Do nothing: `__enter__` always fails."""

    async def __aenter__(self) -> "BaseTestServer":
        """Start it."""
        await self.start_server()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()


def _find_family(host: str) -> socket.AddressFamily:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:  # a name
        version = 4
    return socket.AF_INET6 if version == 6 else socket.AF_INET


class TestServer(BaseTestServer):
    """A server of an application.

    Args:
        app: an `Application`, or a callable of either ASGI shape.
        scheme: see `BaseTestServer`.
        host: likewise.
        port: likewise.
        kwargs: likewise.
    """

    def __init__(
        self,
        app: Any,  # Any: as of `AppRunner`
        *,
        scheme: str = "",
        host: str = "127.0.0.1",
        port: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.app = app
        super().__init__(scheme=scheme, host=host, port=port, **kwargs)

    async def _make_runner(self, **kwargs: Any) -> BaseRunner:
        return AppRunner(self.app, **kwargs)


class RawTestServer(BaseTestServer):
    """A server of a bare handler of requests; it shows tracebacks to clients.

    Args:
        handler: coroutine function of a `BaseRequest`.
        scheme: see `BaseTestServer`.
        host: likewise.
        port: likewise.
        kwargs: likewise.
    """

    def __init__(
        self,
        handler: Callable[[BaseRequest], Awaitable[StreamResponse]],
        *,
        scheme: str = "",
        host: str = "127.0.0.1",
        port: int | None = None,
        **kwargs: Any,
    ) -> None:
        self._handler = handler
        super().__init__(scheme=scheme, host=host, port=port, **kwargs)

    async def _make_runner(self, debug: bool = True, **kwargs: Any) -> ServerRunner:
        ours = {name: kwargs.pop(name) for name in _RUNNER_OPTIONS if name in kwargs}
        return ServerRunner(Server(self._handler, debug=debug, **kwargs), **ours)
