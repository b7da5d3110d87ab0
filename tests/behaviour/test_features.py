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
from support.sockets import Closed
from support.wire import PATIENCE

# Servers; what the others lack is their clients'.
RSGI = [name for name in MATRIX if "rsgi" in name]
_OTHERS = ("memory", "socket", "asgi", "mount", *RSGI)
SERVERS = [name for name in (*HOSTS, *MATRIX) if name not in _OTHERS]

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


# -- the same of granian's own interface, whose applications look otherwise


def _rsgi_fails(is_begun: bool) -> Any:
    async def app(scope: Any, protocol: Any) -> None:
        if is_begun:
            await protocol.response_stream(200, []).send_bytes(b"part")
        raise ValueError("broken")

    return app


def _rsgi_answers(seen: Seen) -> Any:
    async def app(scope: Any, protocol: Any) -> None:
        seen.put_nowait((scope, protocol))
        await protocol.response_stream(200, []).send_bytes(b"x")

    return app


def _rsgi_listens(seen: Seen, close: int | None = None) -> Any:
    async def app(scope: Any, protocol: Any) -> None:
        transport = await protocol.accept()
        if close is not None:
            protocol.close(close)
            return
        try:
            while (message := await transport.receive()).kind:
                pass
        except RuntimeError:
            seen.put_nowait((1006, None))
        else:
            seen.put_nowait((getattr(message, "code", None), getattr(message, "reason", None)))

    return app


def _rsgi_scene_of_paths() -> Scene:
    seen: Seen = asyncio.Queue()

    async def look_at_path(client: Client) -> bool:
        await client.get("/a%2Fb")
        return "%2F" in seen.get_nowait()[0].path

    return _rsgi_answers(seen), look_at_path


def _rsgi_scene_of_fields() -> Scene:
    seen: Seen = asyncio.Queue()

    async def look(client: Any) -> bool:
        await client.httpx.get("/", headers=[(b"X-A", b"\xfc")])
        return "x-a" in dict(seen.get_nowait()[0].headers.items())

    return _rsgi_answers(seen), look


def _rsgi_scene_of_closes(is_so: Callable[[Any], bool], *, aborts: bool = False) -> Scene:
    seen: Seen = asyncio.Queue()

    async def look_at_close(client: Client) -> bool:
        async with await client.ws_connect("/") as ws:
            await (ws.abort() if aborts else ws.close(3001, "enough"))
            async with asyncio.timeout(PATIENCE):
                return is_so(await seen.get())

    return _rsgi_listens(seen), look_at_close


def _rsgi_scene_of_own_closes() -> Scene:
    async def look(client: Client) -> bool:
        async with await client.ws_connect("/") as ws:
            end = await ws.receive()
            return isinstance(end, Closed) and end.code == 3001

    return _rsgi_listens(asyncio.Queue(), 3001), look


def _rsgi_scene_of_stops() -> Scene:
    """Write more than all buffers take to a client that does not read."""
    seen: Seen = asyncio.Queue()

    async def app(scope: Any, protocol: Any) -> None:
        stream = protocol.response_stream(200, [])
        try:
            for _ in range(100):
                async with asyncio.timeout(1.0):
                    await stream.send_bytes(os.urandom(2**18))
        except TimeoutError:
            seen.put_nowait(True)
        else:
            seen.put_nowait(False)

    async def look(client: Any) -> bool:
        async with client.httpx.stream("GET", "/"), asyncio.timeout(PATIENCE):
            is_stopped: bool = await seen.get()
            return is_stopped

    return app, look


RSGI_SCENES: dict[Feature, Callable[[], Scene]] = {
    Feature.CUTS: lambda: (_rsgi_fails(True), _is_cut),
    Feature.DROPS: lambda: (_rsgi_fails(False), _is_cut),
    Feature.LENGTHS: lambda: (
        _rsgi_answers(asyncio.Queue()),
        _scene_of_lengths,
    ),
    Feature.SOCKETS: lambda: (_rsgi_listens(asyncio.Queue()), _opens),
    Feature.CLOSE_CODES: lambda: _rsgi_scene_of_closes(lambda end: end[0] == 3001),
    Feature.CLOSE_REASONS: lambda: _rsgi_scene_of_closes(lambda end: end[1] == "enough"),
    Feature.SOCKET_LOSSES: lambda: _rsgi_scene_of_closes(lambda end: end[0] == 1006, aborts=True),
    Feature.SENT_CLOSE_CODES: _rsgi_scene_of_own_closes,
    Feature.DISTINCT_PATHS: _rsgi_scene_of_paths,
    Feature.WIDE_FIELDS: _rsgi_scene_of_fields,
    Feature.STREAM_STOPS: _rsgi_scene_of_stops,
}


async def _scene_of_lengths(client: Client) -> bool:
    return "Content-Length" not in (await client.get("/")).fields


@pytest.mark.parametrize("host", RSGI)
@pytest.mark.parametrize("feature", RSGI_SCENES, ids=lambda feature: feature.name.lower())
async def test_granians_interface_lacks_what_it_is_said_to_lack(
    request: pytest.FixtureRequest, feature: Feature, host: str
) -> None:
    """Features that need an argument RSGI does not have (trailers, fields and subprotocol of an
    acceptance, body of a refusal) need no look."""
    if not request.config.getoption("--matrix"):
        pytest.skip("the other hosts are watched with --matrix")
    if host in LACKS[Feature.SOCKETS] and feature.name.startswith(("CLOSE", "SOCKET_", "SENT")):
        pytest.skip("there are no WebSockets")
    app, look = RSGI_SCENES[feature]()
    async with MATRIX[host](app) as client:
        assert await look(client) == (host not in LACKS[feature])


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
