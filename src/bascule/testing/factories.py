"""What the fixtures for pytest give: factories of clients and servers that a test's end closes."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from ..app.application import Application, Request
from ..message.request import BaseRequest
from ..message.stream import StreamResponse
from .client import Client
from .testclient import TestClient
from .testserver import BaseTestServer, RawTestServer, TestServer

__all__ = [
    "ClientFactory",
    "FixtureRequest",
    "RawServerFactory",
    "ServerFactory",
    "TestClientFactory",
]

_ThingT = TypeVar("_ThingT")
_ServerT = TypeVar("_ServerT", bound=BaseTestServer)


class _Node(Protocol):
    """A test, as pytest holds it."""

    def addfinalizer(self, fin: Callable[[], object]) -> None: ...


class FixtureRequest(Protocol):
    """What is needed of pytest's request for a fixture."""

    @property
    def node(self) -> Any: ...  # Any: as pytest annotates it

    @property
    def fixturenames(self) -> list[str]: ...

    def getfixturevalue(self, argname: str) -> Any: ...


# -- open until the end of a test -----------------------------------------------------------------
#
# Whoever runs a test's coroutines has the loop running when a factory is called, and keeps it open
# behind the test until its fixtures were torn down: pytest-asyncio, the `loop` fixture, and anyio
# as long as a fixture of its own lives. The test's finalizers run in reverse order of what was
# opened when, fixtures included, so that a user's fixture may still use what it made.


class _Keeper:
    """Keeps things open from now to the end of one test."""

    def __init__(self, request: FixtureRequest) -> None:
        self._test: _Node = request.node
        if "anyio_backend" in request.fixturenames:
            request.getfixturevalue("_bascule_anyio_lease")

    async def keep(self, context: AbstractAsyncContextManager[_ThingT]) -> _ThingT:
        """Enter a context, which is left at the end of the test.

        A loop that is closed by then, as by `asyncio.run`, has cancelled what was open.

        Raises:
            Exception: what entering raised.
        """
        loop = asyncio.get_running_loop()
        thing = await context.__aenter__()

        def leave() -> None:
            if not loop.is_closed():
                loop.run_until_complete(context.__aexit__(None, None, None))

        self._test.addfinalizer(leave)
        return thing


# -- the factories --------------------------------------------------------------------------------


class ClientFactory:
    """Gives clients in memory, entered; see `Client`.

    Args:
        request: of the fixture.
    """

    def __init__(self, request: FixtureRequest) -> None:
        self._keep = _Keeper(request).keep

    async def __call__(self, app: Any, **kwargs: Any) -> Client:
        """Make a client, which has started its application.

        Args:
            app: an application, or a `TestServer`, whose application is asked; is that started,
                the client does not start the application once more.
            kwargs: of `Client`.

        Raises:
            TypeError: `app` has no application.
        """
        if isinstance(app, TestServer):
            kwargs.setdefault("lifespan", "off" if app.started else "auto")
            app = app.app
        return await self._keep(Client(app, **kwargs))


class ServerFactory:
    """Gives servers of applications, started; see `TestServer`.

    Args:
        request: of the fixture.
    """

    def __init__(self, request: FixtureRequest) -> None:
        self._keep = _Keeper(request).keep

    async def __call__(
        self, app: Any, *, port: int | None = None, host: str = "127.0.0.1", **kwargs: Any
    ) -> TestServer:
        """Make a server of an application.

        Args:
            app: an `Application`, or a callable of either ASGI shape.
            port: to listen at; a free one when None.
            host: likewise.
            kwargs: of `BaseTestServer.start_server`.
        """
        return await self._keep(_Started(TestServer(app, host=host, port=port), kwargs))


class RawServerFactory:
    """Gives servers of bare handlers, started; see `RawTestServer`.

    Args:
        request: of the fixture.
    """

    def __init__(self, request: FixtureRequest) -> None:
        self._keep = _Keeper(request).keep

    async def __call__(
        self,
        handler: Callable[[BaseRequest], Awaitable[StreamResponse]],
        *,
        port: int | None = None,
        host: str = "127.0.0.1",
        **kwargs: Any,
    ) -> RawTestServer:
        """Make a server of a bare handler.

        Args:
            handler: coroutine function of a `BaseRequest`.
            port: to listen at; a free one when None.
            host: likewise.
            kwargs: of `BaseTestServer.start_server`.
        """
        return await self._keep(_Started(RawTestServer(handler, host=host, port=port), kwargs))


class TestClientFactory:
    """Gives clients over sockets, by aiohttp's client; see `TestClient`.

    Args:
        request: of the fixture.
    """

    __test__ = False  # for pytest this is no test

    def __init__(self, request: FixtureRequest) -> None:
        self._keep = _Keeper(request).keep

    async def __call__(
        self,
        app: Any,
        *args: Any,
        server_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> TestClient[Request, Application]:
        """Make a client, and a server where it is given an application; start it.

        Args:
            app: an application, or a test server.
            args: none.
            server_kwargs: of `TestServer`.
            kwargs: of `TestClient`.

        Raises:
            ValueError: `app` is neither.
        """
        if args:
            raise AssertionError("args should be empty")
        if isinstance(app, BaseTestServer):
            server = app
        elif callable(app):
            server = TestServer(app, **server_kwargs or {})
        else:
            raise ValueError(f"Unknown argument type: {type(app)!r}")
        return await self._keep(TestClient(server, **kwargs))


class _Started(AbstractAsyncContextManager[_ServerT]):
    """The life of a server, with options of its start."""

    def __init__(self, server: _ServerT, options: dict[str, Any]) -> None:
        self._server = server
        self._options = options

    async def __aenter__(self) -> _ServerT:
        await self._server.start_server(**self._options)
        return self._server

    async def __aexit__(self, *exc_info: object) -> None:
        await self._server.close()
