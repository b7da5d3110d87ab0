"""WebSockets of the clients in memory, of native and ASGI applications."""

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from bascule import WSMsgType, web
from bascule.testing import Client, SyncClient, WSServerHandshakeError


async def native_echo(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(protocols=("b", "a"))
    ws.headers["X-Name"] = request.headers.get("X-Name", "")
    ws.set_cookie("seen", "yes")
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            if message.data == "close":
                await ws.close(code=4001, message=b"why")
            else:
                await ws.send_str(message.data * 2)
        else:
            await ws.send_bytes(message.data * 2)
    request.app[CLOSED].append(ws.close_code)
    return ws


CLOSED = web.AppKey("closed", list[int | None])


def native() -> web.Application:
    async def plain(request: web.Request) -> web.Response:
        raise web.HTTPForbidden(text="not here")

    async def failing(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        raise LookupError(await ws.receive_str())

    async def stuck(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await asyncio.Event().wait()
        return ws

    app = web.Application()
    app[CLOSED] = []
    app.add_routes([web.get("/ws", native_echo), web.get("/plain", plain)])
    app.add_routes([web.get("/failing", failing), web.get("/stuck", stuck)])
    return app


def hosted() -> Starlette:
    async def echo(ws: WebSocket) -> None:
        protocol = "a" if "a" in ws.scope["subprotocols"] else None
        name = ws.headers.get("X-Name", "").encode()
        headers = [(b"x-name", name), (b"set-cookie", b"seen=yes")]
        await ws.accept(protocol, headers=headers)
        while (message := await ws.receive())["type"] == "websocket.receive":
            if message["text"] == "close":
                await ws.close(4001, "why")
            elif message["text"] is not None:
                await ws.send_text(message["text"] * 2)
            else:
                await ws.send_bytes(message["bytes"] * 2)

    return Starlette(routes=[WebSocketRoute("/ws", echo)])


@pytest.mark.parametrize("make", [native, hosted])
async def test_messages_go_both_ways(make: Any) -> None:
    async with Client(make()) as client:
        options: Any = {"headers": {"X-Name": "n"}, "params": {"q": "1"}}
        async with client.ws_connect("/ws", protocols=("c", "a"), **options) as ws:
            assert (ws.protocol, ws.headers["X-Name"], ws.closed) == ("a", "n", False)
            await ws.send_str("a")
            assert await ws.receive_str() == "aa"
            await ws.send_bytes(b"b")
            assert await ws.receive_bytes() == b"bb"
            await ws.send_json([1])
            assert await ws.receive() == (WSMsgType.TEXT, "[1][1]", "")
            await ws.send_str("")
            with pytest.raises(TypeError, match=r"is not WSMsgType\.BINARY"):
                await ws.receive_bytes()
        assert ws.closed
        assert "seen=yes" in client.cookie_jar.dump(client.make_url("/"), without=())


@pytest.mark.parametrize("make", [native, hosted])
async def test_a_close_of_the_application_ends_iteration(make: Any) -> None:
    async with Client(make()) as client, client.ws_connect("/ws") as ws:
        await ws.send_str("a")
        await ws.send_str("close")
        assert [message.data async for message in ws] == ["aa"]
        assert (ws.close_code, ws.closed) == (4001, True)
        assert (await ws.receive()).type is WSMsgType.CLOSED
        assert await ws.close() is False
        with pytest.raises(ConnectionResetError):
            await ws.send_str("late")


async def test_what_was_agreed_on_is_told() -> None:
    app = native()
    async with Client(app) as client:
        async with client.ws_connect("/ws") as ws:
            assert ws.protocol is None
            assert await ws.close(code=4000) is True
            assert ws.close_code == 1000  # the application's own
        ws = await client.ws_connect("/ws")
        ws.leave()
    assert app[CLOSED] == [4000, 1006]


async def test_a_refusal_is_an_error() -> None:
    async with Client(native()) as client:
        for path, status in (("/plain", 403), ("/nowhere", 404)):
            with pytest.raises(WSServerHandshakeError) as refused:
                await client.ws_connect(path)
            assert refused.value.status == status
    async with Client(hosted()) as client:
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect("/nowhere")
        assert refused.value.status == 403


async def test_an_error_of_the_handler_is_a_loss(caplog: Any) -> None:
    async with Client(native()) as client, client.ws_connect("/failing") as ws:
        await ws.send_str("x")
        assert (await ws.receive()).type is WSMsgType.CLOSED
        assert ws.close_code == 1006
        assert isinstance(ws.error, LookupError)
    async with Client(native(), raise_app_exceptions=True) as client:
        ws = await client.ws_connect("/failing")
        await ws.send_str("x")
        await ws.receive()
        with pytest.raises(LookupError):
            await ws.end()


async def test_time_is_limited() -> None:
    async with Client(native()) as client:
        ws = await client.ws_connect("/stuck", timeout=0.01)
        with pytest.raises(TimeoutError, match=r"No message came within 0\.01 s"):
            await ws.receive()
        with pytest.raises(TimeoutError, match="not done with its WebSocket"):
            await ws.end()


async def test_a_block_that_fails_leaves() -> None:
    app = native()
    async with Client(app) as client:
        with pytest.raises(LookupError):
            async with client.ws_connect("/ws"):
                raise LookupError
    assert app[CLOSED] == [1006]


async def test_plain_requests_do_not_open_sockets() -> None:
    async with Client(native()) as client:
        assert (await client.get("/ws")).status == 400


def test_plain_functions_can_open_sockets_too() -> None:
    app = native()
    with SyncClient(app) as client:
        with client.ws_connect("/ws", protocols=["a"]) as ws:
            assert (ws.protocol, ws.closed, ws.headers["X-Name"]) == ("a", False, "")
            ws.send_str("a")
            assert ws.receive_str() == "aa"
            ws.send_bytes(b"b")
            assert ws.receive_bytes() == b"bb"
            ws.send_json(1)
            assert ws.receive_json() == 11
            ws.send_str("c")
            ws.send_str("close")
            assert [message.data for message in ws] == ["cc"]
            assert (ws.close_code, ws.close()) == (4001, False)
        with pytest.raises(LookupError), client.ws_connect("/ws"):
            raise LookupError
        with pytest.raises(WSServerHandshakeError), client.ws_connect("/plain"):
            pass
        with client.ws_connect("/ws") as ws:
            assert ws.close() is True
    assert app[CLOSED] == [4001, 1006, 1000]


async def test_a_close_is_limited_as_a_whole() -> None:
    async def chatty(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        while True:
            await ws.send_str("x")
            await asyncio.sleep(0)

    app = web.Application()
    app.router.add_get("/", chatty)
    async with Client(app) as client:
        ws = await client.ws_connect("/", timeout=0.05)
        with pytest.raises(TimeoutError, match=r"did not close within 0\.05 s"):
            await ws.close()
        ws.leave()
