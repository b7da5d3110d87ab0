"""aiohttp's own client against our server, by the fixtures and tools that users have."""

import asyncio
from typing import Any

import aiohttp
import pytest

import bascule
from bascule import web
from bascule.test_utils import TestClient, TestServer


async def echo(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(protocols=("chat",), heartbeat=request.query.get("beat") and 0.02)
    await ws.prepare(request)
    async for message in ws:
        if message.type is bascule.WSMsgType.TEXT:
            await ws.send_str(message.data)
        else:
            await ws.send_bytes(message.data)
    return ws


def application() -> web.Application:
    async def forbidden(request: web.Request) -> web.WebSocketResponse:
        raise web.HTTPForbidden(text="no")

    app = web.Application()
    app.add_routes([web.get("/ws", echo), web.get("/forbidden", forbidden)])
    return app


@pytest.mark.parametrize("compress", [0, 15])
async def test_messages_go_both_ways(bascule_server: Any, compress: int) -> None:
    server: TestServer = await bascule_server(application())
    async with aiohttp.ClientSession() as session:
        options: Any = {"protocols": ("x", "chat"), "compress": compress}
        async with session.ws_connect(server.make_url("/ws"), **options) as ws:
            assert (ws.protocol, bool(ws.compress)) == ("chat", bool(compress))
            for size in (0, 1, 125, 126, 65535, 65536, 1_000_000):
                await ws.send_str("a" * size)
                message = await ws.receive()
                # Types of theirs and of ours are equal, as users compare them.
                assert message.type == bascule.WSMsgType.TEXT
                assert message.data == "a" * size
                await ws.send_bytes(b"b" * size)
                assert await ws.receive_bytes() == b"b" * size
            await ws.ping()
            await ws.close(code=4000)
            assert ws.close_code == 1000


async def test_a_heartbeat_keeps_a_quiet_client(bascule_server: Any) -> None:
    server: TestServer = await bascule_server(application())
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(server.make_url("/ws?beat=1"), autoping=False) as ws:
            for _ in range(3):
                message = await ws.receive()
                assert message.type == bascule.WSMsgType.PING
                await ws.pong(message.data)
            message = await ws.receive()  # one more, which nobody answers
            assert (await ws.receive()).type == bascule.WSMsgType.CLOSED


async def test_refusals_are_seen() -> None:
    async with TestClient(TestServer(application())) as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect("/forbidden")
        assert refused.value.status == 403
        async with client.ws_connect("/ws") as ws:
            await ws.send_json({"a": 1})
            assert await ws.receive_json() == {"a": 1}


async def test_events_are_read_while_they_come(bascule_server: Any) -> None:
    go_on = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.EventSourceResponse(request) as events:
            await events.send("one")
            await go_on.wait()
            await events.send("two")
        return events

    app = web.Application()
    app.router.add_get("/", handler)
    server: TestServer = await bascule_server(app)
    async with aiohttp.ClientSession() as session, session.get(server.make_url("/")) as answer:
        assert await answer.content.readline() == b"data: one\n"
        go_on.set()
        assert await answer.content.read() == b"\ndata: two\n\n"


async def test_requests_are_asked_in_memory(bascule_client: Any) -> None:
    client = await bascule_client(application())
    async with client.ws_connect("/ws", protocols=("chat",)) as ws:
        await ws.send_str("x")
        assert (ws.protocol, await ws.receive_str()) == ("chat", "x")
    assert (await client.get("/forbidden")).status == 403


async def test_bare_handlers_are_served(bascule_raw_server: Any) -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(text=request.path)

    server = await bascule_raw_server(handler)
    async with aiohttp.ClientSession() as session:
        async with session.get(server.make_url("/a")) as answer:
            assert await answer.text() == "/a"
