"""A client of a test server, by aiohttp's client, which it asks for when it is made."""

import asyncio
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from yarl import URL

from ..app.application import Application
from ..message.request import BaseRequest
from .testserver import BaseTestServer

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession, ClientWebSocketResponse
    from aiohttp.abc import AbstractCookieJar

__all__ = ["TestClient"]

_RequestT = TypeVar("_RequestT", bound=BaseRequest)
_ApplicationT = TypeVar("_ApplicationT", bound=Application | None)
_ResultT = TypeVar("_ResultT", bound="ClientResponse | ClientWebSocketResponse[bool]")

_MISSING = (
    "TestClient asks by aiohttp's client, which is not installed. bascule.testing.Client, which "
    "needs no sockets, and httpx, at TestServer.make_url(), do without it"
)


class TestClient(Generic[_RequestT, _ApplicationT]):
    """Asks a server of a test; also an ``async with`` block, in which the server is started.

    Args:
        server: what is asked; the client closes it.
        cookie_jar: keeps cookies; one that keeps those of addresses too when None.
        loop: without effect; the running loop is used.
        kwargs: of aiohttp's ``ClientSession``.

    Raises:
        ImportError: aiohttp is not installed.
        RuntimeError: no event loop is running.
        TypeError: `server` is none.
    """

    __test__ = False  # for pytest this is no test

    def __init__(
        self,
        server: BaseTestServer,
        *,
        cookie_jar: "AbstractCookieJar | None" = None,
        loop: asyncio.AbstractEventLoop | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(server, BaseTestServer):
            raise TypeError(f"server must be TestServer instance, found type: {type(server)!r}")
        try:
            from aiohttp import ClientSession, CookieJar
        except ImportError as exc:
            raise ImportError(_MISSING, name="aiohttp") from exc
        self._server = server
        jar = CookieJar(unsafe=True) if cookie_jar is None else cookie_jar
        self._session = ClientSession(cookie_jar=jar, **kwargs)
        self._answers: list[ClientResponse] = []
        self._websockets: list[ClientWebSocketResponse[bool]] = []

    @property
    def host(self) -> str:
        """The address of the server."""
        return self._server.host

    @property
    def port(self) -> int | None:
        """The port of the server; None while it is not running."""
        return self._server.port

    @property
    def server(self) -> BaseTestServer:
        """The server that is asked."""
        return self._server

    @property
    def app(self) -> _ApplicationT:
        """The application of the server; None where it serves a bare handler."""
        app: _ApplicationT = getattr(self._server, "app", None)  # type: ignore[assignment]  # Any
        return app

    @property
    def session(self) -> "ClientSession":
        """The session of aiohttp's client. It is asked with whole URLs, see `make_url`."""
        return self._session

    async def start_server(self) -> None:
        """Start the server; nothing happens when it was."""
        await self._server.start_server()

    def make_url(self, path: str | URL) -> URL:
        """Make the URL of a path on the server; see `BaseTestServer.make_url`."""
        return self._server.make_url(path)

    # -- asking

    def request(self, method: str, path: str | URL, **kwargs: Any) -> "_Call[ClientResponse]":
        """Ask for a path, by any method; to be awaited, or for ``async with``.

        Args:
            method: of the request.
            path: on the server, with a query if there is one.
            kwargs: of the session's method.
        """
        return _Call(self._request(method, path, **kwargs))

    def get(self, path: str | URL, **kwargs: Any) -> "_Call[ClientResponse]":
        """Send a GET; see `request`."""
        return self.request("GET", path, **kwargs)

    def post(self, path: str | URL, **kwargs: Any) -> "_Call[ClientResponse]":
        """Send a POST; see `request`."""
        return self.request("POST", path, **kwargs)

    def put(self, path: str | URL, **kwargs: Any) -> "_Call[ClientResponse]":
        """Send a PUT; see `request`."""
        return self.request("PUT", path, **kwargs)

    def patch(self, path: str | URL, **kwargs: Any) -> "_Call[ClientResponse]":
        """Send a PATCH; see `request`."""
        return self.request("PATCH", path, **kwargs)

    def delete(self, path: str | URL, **kwargs: Any) -> "_Call[ClientResponse]":
        """Send a DELETE; see `request`."""
        return self.request("DELETE", path, **kwargs)

    def head(self, path: str | URL, **kwargs: Any) -> "_Call[ClientResponse]":
        """Send a HEAD; see `request`."""
        return self.request("HEAD", path, **kwargs)

    def options(self, path: str | URL, **kwargs: Any) -> "_Call[ClientResponse]":
        """Send an OPTIONS; see `request`."""
        return self.request("OPTIONS", path, **kwargs)

    def ws_connect(
        self, path: str | URL, *, decode_text: bool = True, **kwargs: Any
    ) -> "_Call[ClientWebSocketResponse[bool]]":
        """Open a WebSocket; to be awaited, or for ``async with``.

        Args:
            path: on the server.
            decode_text: give text messages as str, not as bytes.
            kwargs: of the session's method.
        """
        return _Call(self._ws_connect(path, decode_text=decode_text, **kwargs))

    async def _request(self, method: str, path: str | URL, **kwargs: Any) -> "ClientResponse":
        answer = await self._session.request(method, self.make_url(path), **kwargs)
        self._answers.append(answer)
        return answer

    async def _ws_connect(self, path: str | URL, **kwargs: Any) -> "ClientWebSocketResponse[bool]":
        websocket: ClientWebSocketResponse[bool] = await self._session.ws_connect(
            self.make_url(path), **kwargs
        )
        self._websockets.append(websocket)
        return websocket

    # -- its life

    async def close(self) -> None:
        """Close what is open of its answers and WebSockets, its session, then the server."""
        for answer in self._answers:
            answer.close()
        try:
            for websocket in self._websockets:
                await websocket.close()
            await self._session.close()
        finally:
            await self._server.close()

    def __enter__(self) -> None:
        raise TypeError("Use async with instead")

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Do nothing: `__enter__` always fails."""

    async def __aenter__(self) -> "TestClient[_RequestT, _ApplicationT]":
        """Start the server."""
        try:
            await self.start_server()
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Close it and the server."""
        await self.close()


class _Call(Coroutine[Any, Any, _ResultT], Generic[_ResultT]):
    """A request on its way: awaited, run as a task, or the block of an ``async with``."""

    __slots__ = ("_coroutine", "_result")

    def __init__(self, coroutine: Coroutine[Any, Any, _ResultT]) -> None:
        self._coroutine = coroutine
        self._result: _ResultT | None = None

    def send(self, value: Any) -> Any:
        """Go on with the coroutine."""
        return self._coroutine.send(value)

    def throw(self, *exc: Any) -> Any:
        """Raise in the coroutine."""
        return self._coroutine.throw(*exc)

    def close(self) -> None:
        """Give the coroutine up."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, _ResultT]:
        """Wait for the answer."""
        return self._coroutine.__await__()

    async def __aenter__(self) -> _ResultT:
        """Wait for the answer."""
        self._result = result = await self._coroutine
        await result.__aenter__()
        return result

    async def __aexit__(self, *exc_info: Any) -> None:
        """Release the answer, or close the WebSocket."""
        assert self._result is not None  # the block was entered
        await self._result.__aexit__(*exc_info)
