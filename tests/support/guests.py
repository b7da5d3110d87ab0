"""Our applications as guests of published ASGI servers, each within the loop of its test."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import httpx
import hypercorn
import hypercorn.asyncio
import uvicorn
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server as GranianServer
from starlette.applications import Starlette
from starlette.routing import Mount

from bascule import web
from support.clients import Client, HttpxClient
from support.wire import PATIENCE

Host = Callable[..., AbstractAsyncContextManager[Client]]

PREFIX = "/mounted"


def _set_options(app: Any, options: dict[str, Any]) -> None:
    if isinstance(app, web.Application):
        app._handler_args.update(options)


@asynccontextmanager
async def _client_of(
    name: str, sock: socket.socket, *, is_http2: bool = False
) -> AsyncIterator[Client]:
    base = f"http://127.0.0.1:{sock.getsockname()[1]}"
    versions = {"http1": not is_http2, "http2": is_http2}
    async with httpx.AsyncClient(base_url=base, trust_env=False, **versions) as client:
        yield HttpxClient(client, name, is_http2=is_http2)


# -- uvicorn

# Of the loop, in which the end of a connection gets from one end to the other.
_TURNS = 5


class _Uvicorn(uvicorn.Server):
    """Ends when it is told to: otherwise it looks ten times a second, which adds up in tests."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)  # the Date of answers
        await self.ending.wait()
        self.should_exit = True


@asynccontextmanager
async def _uvicorn(
    app: Any, *, name: str, http: str, ws: str, **options: Any
) -> AsyncIterator[Client]:
    _set_options(app, options)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            http=http,
            ws=ws,
            timeout_graceful_shutdown=PATIENCE,
        )
        server = _Uvicorn(config)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            async with _client_of(name, sock) as client:
                yield client
        finally:
            for _ in range(_TURNS):  # it learns that the client's connections are closed
                await asyncio.sleep(0)
            server.ending.set()
            await serving


uvicorn_guest: Host = partial(_uvicorn, name="uvicorn", http="h11", ws="websockets-sansio")
uvicorn_httptools_guest: Host = partial(
    _uvicorn, name="uvicorn-httptools", http="httptools", ws="wsproto"
)


# -- hypercorn


@asynccontextmanager
async def _hypercorn(
    app: Any, *, name: str, is_http2: bool, **options: Any
) -> AsyncIterator[Client]:
    """It knows HTTP/2 by its first bytes, so that no TLS is needed."""
    _set_options(app, options)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        config = hypercorn.Config()
        config.bind = [f"fd://{sock.fileno()}"]
        ending = asyncio.Event()
        serving = asyncio.create_task(
            hypercorn.asyncio.serve(app, config, shutdown_trigger=ending.wait)
        )
        try:
            async with _client_of(name, sock, is_http2=is_http2) as client:
                yield client
        finally:
            ending.set()
            await serving
            sock.detach()  # hypercorn has closed the descriptor


hypercorn_guest: Host = partial(_hypercorn, name="hypercorn", is_http2=False)
hypercorn_http2_guest: Host = partial(_hypercorn, name="hypercorn-h2", is_http2=True)


# -- granian


@contextmanager
def _kept_port() -> Iterator[socket.socket]:
    """Bind any port that is free, for a server that can share a port but not say which it took."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", 0))
        yield sock


class _Calls:
    """An application whose calls can be waited for: granian leaves those of WebSockets behind."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._running: set[asyncio.Task[Any] | None] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        self._running.add(task := asyncio.current_task())
        try:
            await self._app(scope, receive, send)
        finally:
            self._running.discard(task)

    async def end(self) -> None:
        """Wait until none is running."""
        async with asyncio.timeout(PATIENCE):
            while self._running:
                await asyncio.sleep(0.001)


class _RsgiCalls(_Calls):
    """The same over granian's own interface, with the hooks of the application if it has them."""

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        if isinstance(self._app, web.Application):
            self._app.__rsgi_init__(loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        if isinstance(self._app, web.Application):
            self._app.__rsgi_del__(loop)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        answer = self._app.__rsgi__ if isinstance(self._app, web.Application) else self._app
        self._running.add(task := asyncio.current_task())
        try:
            await answer(scope, protocol)
        finally:
            self._running.discard(task)


@asynccontextmanager
async def _granian(
    app: Any, *, name: str, is_http2: bool, is_rsgi: bool = False, **options: Any
) -> AsyncIterator[Client]:
    _set_options(app, options)
    calls = _RsgiCalls(app) if is_rsgi else _Calls(app)
    with _kept_port() as sock:
        server = GranianServer(
            calls,
            address="127.0.0.1",
            port=sock.getsockname()[1],
            interface=Interfaces.RSGI if is_rsgi else Interfaces.ASGI,
            http=HTTPModes.http2 if is_http2 else HTTPModes.http1,
            log_enabled=False,
        )
        serving = asyncio.create_task(server.serve())
        try:
            await _until_it_listens(sock.getsockname(), serving)
            async with _client_of(name, sock, is_http2=is_http2) as client:
                yield client
            await calls.end()
        finally:
            server.stop()
            await serving
            if is_rsgi and isinstance(app, web.Application):
                await app._life.stop()  # its hook could only begin that, in a loop that runs


async def _until_it_listens(address: tuple[str, int], serving: "asyncio.Task[None]") -> None:
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(*address)
        except ConnectionRefusedError:
            await asyncio.sleep(0.002)
        else:
            writer.close()
            await writer.wait_closed()
            return


granian_guest: Host = partial(_granian, name="granian", is_http2=False)
granian_http2_guest: Host = partial(_granian, name="granian-h2", is_http2=True)
granian_rsgi_guest: Host = partial(_granian, name="granian-rsgi", is_http2=False, is_rsgi=True)
granian_rsgi_http2_guest: Host = partial(
    _granian, name="granian-rsgi-h2", is_http2=True, is_rsgi=True
)


# -- below a prefix of another application


@asynccontextmanager
async def mounted_guest(app: web.Application, **options: Any) -> AsyncIterator[Client]:
    """Starlette tells mounted applications of no lifespan; its own is the place for theirs."""
    _set_options(app, options)
    outer = Starlette(routes=[Mount(PREFIX, app)], lifespan=lambda _: app)
    async with outer.router.lifespan_context(outer):
        transport = httpx.ASGITransport(outer, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield HttpxClient(client, "mount", app=outer, prefix=PREFIX)
