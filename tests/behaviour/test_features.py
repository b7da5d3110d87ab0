"""What hosts cannot do (``support.features``), watched with applications that are not ours."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from support.asgi_apps import body, of_http, read_all, start
from support.features import LACKS, Feature
from support.hosts import HOSTS, MATRIX, Client
from support.http2_sockets import connect_by_http2
from support.wire import PATIENCE

# Servers; what the others lack is their clients'.
SERVERS = [name for name in (*HOSTS, *MATRIX) if name not in ("memory", "socket", "asgi", "mount")]

# Seconds in which a connection is cut because of an error; hypercorn drops those without requests
# behind 5 s.
_SOON = 3.0

Seen = asyncio.Queue[Any]
Scene = tuple[Callable[..., Awaitable[None]], Callable[[Client], Awaitable[bool]]]


def _fails(*messages: Any) -> Any:
    """Make an application that breaks down behind some messages."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await read_all(receive)
        for message in messages:
            await send(message)
        raise ValueError("broken")

    return app


async def _is_cut(client: Client) -> bool:
    try:
        async with asyncio.timeout(_SOON):
            await client.get("/")
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return False


def _answers(seen: Seen) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await read_all(receive)
        seen.put_nowait(scope)
        await send(start())
        await send(body(b"x"))

    return app


def _listens(seen: Seen) -> Any:
    """Make an application that tells how its WebSocket has ended."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept", "headers": [(b"x-a", b"1")]})
        while (message := await receive())["type"] == "websocket.receive":
            pass
        seen.put_nowait((message.get("code"), message.get("reason")))

    return app


def _scene_of_answers(is_so: Callable[[Any, Any], bool]) -> Scene:
    """Look at a scope, and at what the client gets."""
    seen: Seen = asyncio.Queue()

    async def look(client: Client) -> bool:
        answer = await client.get("/")
        return is_so(seen.get_nowait(), answer)

    return _answers(seen), look


def _scene_of_closes(is_so: Callable[[Any], bool], *, aborts: bool = False) -> Scene:
    seen: Seen = asyncio.Queue()

    async def look(client: Client) -> bool:
        async with await client.ws_connect("/") as ws:
            await (ws.abort() if aborts else ws.close(3001, "enough"))
            async with asyncio.timeout(PATIENCE):
                return is_so(await seen.get())

    return _listens(seen), look


def _scene_of_stops() -> Scene:
    """Send more than all buffers take to a client that does not read."""
    seen: Seen = asyncio.Queue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            for _ in range(100):
                async with asyncio.timeout(1.0):
                    await send({"type": "websocket.send", "bytes": os.urandom(2**18)})
        except TimeoutError:
            seen.put_nowait(True)
        else:
            seen.put_nowait(False)

    async def look(client: Client) -> bool:
        async with await client.ws_connect("/") as ws, asyncio.timeout(PATIENCE):
            is_stopped: bool = await seen.get()
            await ws.abort()
            return is_stopped

    return app, look


async def _opens(client: Any) -> bool:
    if client.is_http2:
        try:
            await (await connect_by_http2(client.httpx.base_url, "/")).leave()
        except NotImplementedError:
            return False
    else:
        await (await client.ws_connect("/")).leave()
    return True


async def _shows_fields(client: Client) -> bool:
    async with await client.ws_connect("/") as ws:
        return ws.fields.get("X-A") == "1"


SCENES: dict[Feature, Callable[[], Scene]] = {
    Feature.CUTS: lambda: (_fails(start(), body(b"part", more=True)), _is_cut),
    Feature.DROPS: lambda: (_fails(), _is_cut),
    Feature.LENGTHS: lambda: _scene_of_answers(lambda _, it: "Content-Length" not in it.fields),
    Feature.TRAILERS: lambda: _scene_of_answers(
        lambda scope, _: "http.response.trailers" in (scope.get("extensions") or ())
    ),
    Feature.SOCKETS: lambda: (_listens(asyncio.Queue()), _opens),
    Feature.ACCEPTANCE_FIELDS: lambda: (_listens(asyncio.Queue()), _shows_fields),
    Feature.CLOSE_CODES: lambda: _scene_of_closes(lambda end: end[0] == 3001),
    Feature.CLOSE_REASONS: lambda: _scene_of_closes(lambda end: end[1] == "enough"),
    Feature.SOCKET_STOPS: _scene_of_stops,
    Feature.SOCKET_LOSSES: lambda: _scene_of_closes(lambda end: end[0] == 1006, aborts=True),
}


@pytest.mark.parametrize("host", SERVERS)
@pytest.mark.parametrize("feature", SCENES, ids=lambda feature: feature.name.lower())
async def test_a_host_lacks_what_it_is_said_to_lack(
    request: pytest.FixtureRequest, feature: Feature, host: str
) -> None:
    """A host that has learned something since is told of here."""
    if host not in HOSTS and not request.config.getoption("--matrix"):
        pytest.skip("the other hosts are watched with --matrix")
    app, look = SCENES[feature]()
    async with {**HOSTS, **MATRIX}[host](of_http(app)) as client:
        assert await look(client) == (host not in LACKS[feature])


@pytest.mark.parametrize(
    ("app", "answer"),
    [(_fails(start(), body(b"part", more=True)), (200, b"part")), (_fails(), (500, b""))],
    ids=["cuts", "drops"],
)
async def test_the_transport_of_httpx_tells_of_no_errors(
    app: Any, answer: tuple[int, bytes]
) -> None:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        got = await client.get("/")
        assert (got.status_code, got.content) == answer
