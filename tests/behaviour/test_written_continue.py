"""Handlers of expectations that write the interim answer themselves, as aiohttp's pages show it."""

from typing import Any

import pytest

from bascule import web
from bascule.testing import Client
from support import wire

EXPECT = {"Expect": "100-continue"}


async def go_on(request: web.Request) -> None:
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def echo(request: web.Request) -> web.Response:
    return web.Response(text=await request.text())


def app_of(expect_handler: Any) -> web.Application:
    app = web.Application()
    app.router.add_post("/", echo, expect_handler=expect_handler)
    return app


async def test_an_interim_answer_may_be_written(serve: Any) -> None:
    """Under a host, which sends its own, it is swallowed."""
    client = await serve(app_of(go_on))
    answer = await client.request("POST", "/", fields=EXPECT, body=b"body")
    assert (answer.status, answer.text) == (200, "body")


async def test_the_client_gets_one_100() -> None:
    async with wire.serve(app_of(go_on)) as served, served.connect() as client:
        await client.send(
            b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        )
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"body")
        status, _, body = await client.read_answer()
        assert (status, body) == (b"HTTP/1.1 200 OK", b"body")


async def test_a_connection_goes_on_behind_a_100_and_a_body_that_is_not_read() -> None:
    async def ignore(request: web.Request) -> web.Response:
        return web.Response(text="ignored")

    app = web.Application()
    app.router.add_post("/", ignore, expect_handler=go_on)
    async with wire.serve(app) as served, served.connect() as client:
        for _ in range(2):
            await client.send(
                b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
            )
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(b"body")
            status, fields, body = await client.read_answer()
            assert (status, body) == (b"HTTP/1.1 200 OK", b"ignored")
            assert b"connection" not in {name.lower() for name in fields}


async def test_a_client_in_memory_sees_it() -> None:
    async with Client(app_of(go_on)) as client:
        answer = await client.post("/", data=b"body", headers=EXPECT)
        assert [status for status, _ in answer.informed] == [100]
        assert await answer.text() == "body"


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nbody",
    ],
)
async def test_nothing_else_may_be_written_before_the_answer(serve: Any, data: bytes) -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.writer.write(data)
        return web.Response()

    app = web.Application()
    app.router.add_get("/", handler)
    assert (await (await serve(app)).get("/")).status == 500
