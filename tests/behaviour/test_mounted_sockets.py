"""WebSockets of ASGI applications that are mounted in a native one, the same on every host."""

import asyncio
import logging
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from bascule import web
from support.asgi_apps import of_http
from support.features import Feature
from support.sockets import LOST, NO_CODE, Refused
from support.wire import PATIENCE


def app_with(inner: Any, **kwargs: Any) -> web.Application:
    app = web.Application(**kwargs)
    app.mount("/api", inner)
    return app


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.ERROR and record.name.startswith("bascule")
    ]


async def echo(ws: WebSocket) -> None:
    await ws.accept(subprotocol=(ws.scope["subprotocols"] or [None])[0])
    await ws.send_text(f"{ws.scope['path']} {ws.scope['root_path']} {ws.scope['query_string']!r}")
    while (message := await ws.receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await ws.send_text(message["text"])
        else:
            await ws.send_bytes(message["bytes"])


def starlette(endpoint: Any = echo) -> Starlette:
    return Starlette(routes=[WebSocketRoute("/{rest:path}", endpoint)])


@pytest.mark.every_host
async def test_messages_go_both_ways(serve: Any) -> None:
    client = await serve(app_with(starlette()))
    async with await client.ws_connect("/api/x%20y?q", subprotocols=["a", "b"]) as ws:
        assert ws.subprotocol == "a" or client.lacks(Feature.SUBPROTOCOLS)
        root = client.prefix
        assert await ws.receive() == f"{root}/api/x y {root}/api b'q'"
        for data in ("text", "", b"\0\xff", "ü" * 100_000):
            await ws.send(data)
            assert await ws.receive() == data
        await ws.close(3001, "enough")


async def test_a_socket_at_the_prefix_itself_is_handed_on(serve: Any) -> None:
    """Clients of WebSockets follow no redirects."""

    @of_http
    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope["path"]})
        await send({"type": "websocket.close", "code": 4000, "reason": "bye"})

    client = await serve(app_with(plain))
    async with await client.ws_connect("/api") as ws:
        assert await ws.receive() == client.prefix + "/api"
        assert await ws.receive() == client.sees(4000, "bye")


async def test_middlewares_and_signals_stand_around(serve: Any) -> None:
    seen: list[Any] = []

    @web.middleware
    async def around(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        seen.append(request.headers.get("X-Asked"))
        response = await handler(request)
        seen.append((response.status, response.prepared, response.headers["X-Signal"]))
        return response

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Signal"] = "1"
        seen.append(f"prepare {response.status}")

    app = app_with(starlette(), middlewares=[around])
    app.on_response_prepare.append(prepare)
    client = await serve(app)
    async with await client.ws_connect("/api/", fields={"X-Asked": "yes"}) as ws:
        assert client.lacks(Feature.ACCEPTANCE_FIELDS) or ws.fields["X-Signal"] == "1"
        assert seen == ["yes", "prepare 101"]
        await ws.close()
    async with asyncio.timeout(PATIENCE):
        while len(seen) < 3:
            await asyncio.sleep(0)
    assert seen[2] == (101, True, "1")


async def test_the_end_of_the_client_is_told(serve: Any) -> None:
    ends: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

    async def listen(ws: WebSocket) -> None:
        await ws.accept()
        while (message := await ws.receive())["type"] == "websocket.receive":
            pass
        ends.put_nowait((message["code"], message.get("reason") or ""))

    client = await serve(app_with(starlette(listen)))
    async with asyncio.timeout(PATIENCE):
        ws = await client.ws_connect("/api/")
        await ws.close(3001, "enough")
        code, reason = await ends.get()
        await ws.leave()
        assert code == 3001 or client.lacks(Feature.CLOSE_CODES)
        assert reason == "enough" or client.lacks(Feature.CLOSE_REASONS)
        ws = await client.ws_connect("/api/")
        await ws.abort()
        assert (await ends.get())[0] in (LOST, NO_CODE)
        await ws.leave()


async def test_a_close_before_the_acceptance_is_403(serve: Any) -> None:
    statuses: list[int] = []

    @web.middleware
    async def around(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        response = await handler(request)
        statuses.append(response.status)
        return response

    async def refuse(ws: WebSocket) -> None:
        await ws.close(4000)

    client = await serve(app_with(starlette(refuse), middlewares=[around]))
    with pytest.raises(Refused) as info:
        await client.ws_connect("/api/")
    assert info.value.answer.status == 403
    async with asyncio.timeout(PATIENCE):
        while not statuses:  # granian answers before the call has ended
            await asyncio.sleep(0)
    assert statuses == [403]


@pytest.mark.every_host
async def test_a_denial_is_an_answer(serve: Any) -> None:
    @of_http
    async def deny(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert "websocket.http.response" in scope["extensions"]
        kind = "websocket.http.response"
        headers = [(b"x-why", b"because"), (b"content-type", b"text/plain")]
        await send({"type": f"{kind}.start", "status": 410, "headers": headers})
        await send({"type": f"{kind}.body", "body": b"go", "more_body": True})
        await send({"type": f"{kind}.body", "body": b"ne"})

    client = await serve(app_with(deny))
    with pytest.raises(Refused) as info:
        await client.ws_connect("/api/")
    answer = info.value.answer
    if client.host in ("memory", "socket", "asgi", "uvicorn"):
        assert (answer.status, answer.fields["X-Why"], answer.body) == (410, "because", b"gone")


async def test_an_error_before_the_acceptance_is_the_natives_to_handle(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(ws: WebSocket) -> None:
        raise ValueError("inside")

    client = await serve(app_with(starlette(fail)))
    with pytest.raises(Refused) as info:
        await client.ws_connect("/api/")
    assert info.value.answer.status == 500
    assert len(errors(caplog)) == 1


async def test_an_error_behind_the_acceptance_closes_with_1011(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(ws: WebSocket) -> None:
        await ws.accept()
        raise ValueError("inside")

    client = await serve(app_with(starlette(fail)))
    async with await client.ws_connect("/api/") as ws:
        assert await ws.receive() == client.sees(1011)
    assert len(errors(caplog)) == 1


async def test_an_application_that_returns_leaves_nothing_open(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @of_http
    async def leave(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].endswith("late"):
            await receive()
            await send({"type": "websocket.accept"})

    client = await serve(app_with(leave))
    with pytest.raises(Refused) as info:
        await client.ws_connect("/api/early")
    assert info.value.answer.status == 500
    assert "returned without a response" in caplog.text
    async with await client.ws_connect("/api/late") as ws:
        assert await ws.receive() == client.sees(1000)
    assert len(errors(caplog)) == 1


async def test_a_native_socket_inside(serve: Any) -> None:
    """Native in ASGI in native, two calls deep."""

    async def native(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str(request.path)
        async for message in ws:
            await ws.send_str(message.data.upper())
        return ws

    innermost = web.Application()
    innermost.router.add_get("/ws", native)
    middle = web.Application()
    middle.mount("/deep", innermost)
    client = await serve(app_with(middle))
    async with await client.ws_connect("/api/deep/ws") as ws:
        assert await ws.receive() == client.prefix + "/api/deep/ws"
        await ws.send("ab")
        assert await ws.receive() == "AB"
        await ws.close()
    with pytest.raises(Refused) as info:
        await client.ws_connect("/api/deep/nowhere")
    assert info.value.answer.status == 404
