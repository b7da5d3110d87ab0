"""The hosts that behaviour tests run on: one small client interface over all of them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import hypercorn
import hypercorn.asyncio
import uvicorn
from multidict import CIMultiDict
from yarl import URL

from bascule import testing, web
from support.sockets import Socket, connect_by_asgi, connect_by_wire, connect_in_memory
from support.wire import PATIENCE

Fields = Mapping[str, str] | Iterable[tuple[str, str]]
Body = bytes | list[bytes] | None


@dataclass
class Answer:
    """What a client saw."""

    status: int
    fields: CIMultiDict[str]
    body: bytes
    reason: str = ""

    @property
    def text(self) -> str:
        return self.body.decode()


class Client:
    """Sends requests to one application on one host.

    Attributes:
        host: its name, for the few tests that expect something else somewhere.
        has_connection: whether Connection, Date and reason phrases are ours to see.
    """

    host = ""
    has_connection = False

    async def request(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> Answer:
        raise NotImplementedError

    async def ws_connect(
        self, target: str, *, subprotocols: Iterable[str] = (), fields: Fields = ()
    ) -> Socket:
        """Open a WebSocket.

        Raises:
            Refused: it was answered otherwise.
            ConnectionResetError: it was not answered.
        """
        raise NotImplementedError

    async def get(self, target: str, **kwargs: Any) -> Answer:
        return await self.request("GET", target, **kwargs)

    async def post(self, target: str, **kwargs: Any) -> Answer:
        return await self.request("POST", target, **kwargs)


@dataclass
class MemoryClient(Client):
    """No host at all: the client in memory that users have for their tests."""

    client: testing.Client
    host: str = "memory"
    has_connection: bool = False

    async def request(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> Answer:
        url = URL(f"http://127.0.0.1{target}", encoded=True)
        pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
        answer = await self.client.request(
            method, url, headers=pairs, data=body, allow_redirects=False
        )
        return Answer(answer.status, CIMultiDict(answer.headers), await answer.read())

    async def ws_connect(self, target: str, **kwargs: Any) -> Socket:
        return await connect_in_memory(self.client, target, **kwargs)


@dataclass
class HttpxClient(Client):
    """A client of a server, or of an ASGI transport, by httpx.

    Attributes:
        app: what WebSockets call directly, since httpx has none.
    """

    httpx: httpx.AsyncClient
    host: str
    has_connection: bool = False
    app: Any = None

    async def request(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> Answer:
        async def pieces() -> AsyncIterator[bytes]:
            for piece in body or ():
                assert isinstance(piece, bytes)
                yield piece

        content = pieces() if isinstance(body, list) else body
        pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
        request = self.httpx.build_request(method, "/", headers=pairs, content=content)
        request.url = request.url.copy_with(raw_path=target.encode("ascii"))
        try:
            answer = await self.httpx.send(request)
        except (httpx.RemoteProtocolError, httpx.ReadError) as exc:
            raise ConnectionResetError("cut") from exc
        raw = CIMultiDict(answer.headers.multi_items())
        return Answer(answer.status_code, raw, answer.content, answer.reason_phrase)

    async def ws_connect(self, target: str, **kwargs: Any) -> Socket:
        if self.app is not None:
            return await connect_by_asgi(self.app, target, **kwargs)
        return await connect_by_wire(str(self.httpx.base_url).rstrip("/"), target, **kwargs)


Host = Callable[..., AbstractAsyncContextManager[Client]]


@asynccontextmanager
async def memory(app: web.Application, **options: Any) -> AsyncIterator[Client]:
    app._handler_args.update(options)
    async with testing.Client(app, logger=app.logger) as client:
        client.headers.clear()
        yield MemoryClient(client)


@asynccontextmanager
async def own_socket(app: Any, **options: Any) -> AsyncIterator[Client]:
    runner = web.AppRunner(app, shutdown_timeout=5, **options)
    try:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with httpx.AsyncClient(base_url=site.name, trust_env=False) as client:
            yield HttpxClient(client, "socket", has_connection=True)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def asgi_transport(app: web.Application, **options: Any) -> AsyncIterator[Client]:
    app._handler_args.update(options)
    async with app:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield HttpxClient(client, "asgi", app=app)


@asynccontextmanager
async def uvicorn_guest(app: Any, **options: Any) -> AsyncIterator[Client]:
    if isinstance(app, web.Application):
        app._handler_args.update(options)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            http="h11",
            ws="websockets-sansio",
            timeout_graceful_shutdown=PATIENCE,
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            base = f"http://127.0.0.1:{sock.getsockname()[1]}"
            async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
                yield HttpxClient(client, "uvicorn")
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def hypercorn_guest(app: Any, **options: Any) -> AsyncIterator[Client]:
    if isinstance(app, web.Application):
        app._handler_args.update(options)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        config = hypercorn.Config()
        config.bind = [f"fd://{sock.fileno()}"]
        ending = asyncio.Event()
        serving = asyncio.create_task(
            hypercorn.asyncio.serve(app, config, shutdown_trigger=ending.wait)
        )
        try:
            base = f"http://127.0.0.1:{sock.getsockname()[1]}"
            async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
                yield HttpxClient(client, "hypercorn")
        finally:
            ending.set()
            await serving
            sock.detach()  # hypercorn has closed the descriptor


HOSTS: dict[str, Host] = {
    "memory": memory,
    "socket": own_socket,
    "asgi": asgi_transport,
    "uvicorn": uvicorn_guest,
}
# Hosts that run with ``--matrix`` only.
MATRIX: dict[str, Host] = {"hypercorn": hypercorn_guest}
