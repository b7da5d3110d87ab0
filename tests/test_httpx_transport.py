"""Native applications through httpx's ASGI transport, which runs no lifespan: what works there."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bascule import web
from support.requests import app_of, read_back


def living(seen: list[str]) -> web.Application:
    async def context(app: web.Application) -> AsyncIterator[None]:
        seen.append("up")
        yield
        seen.append("down")

    app = app_of(read_back)
    app.cleanup_ctx.append(context)
    return app


def asking(app: Any, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, **options)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def test_a_block_of_the_application_starts_it_and_cleans_it_up() -> None:
    seen: list[str] = []
    app = living(seen)
    async with app, asking(app) as client:
        assert seen == ["up"]
        answer = await client.post("/", content=b"abc")
        assert (answer.status_code, answer.content) == (200, b"abc")
    assert seen == ["up", "down"]


async def test_without_it_the_first_request_starts_the_application() -> None:
    seen: list[str] = []
    app = living(seen)
    async with asking(app) as client:
        assert seen == []
        await asyncio.gather(client.get("/"), client.get("/"))
        assert seen == ["up"]
    assert seen == ["up"]
    async with app:  # its block ends what is running
        pass
    assert seen == ["up", "down"]


async def test_an_application_may_be_started_again() -> None:
    seen: list[str] = []
    app = living(seen)
    for _ in range(2):
        async with app, asking(app) as client:
            assert (await client.get("/")).status_code == 200
    assert seen == ["up", "down"] * 2


async def test_a_body_may_be_streamed() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    app = app_of(read_back)
    async with app, asking(app) as client:
        assert (await client.post("/", content=body())).content == b"ab"


async def test_a_form_with_a_file() -> None:
    async def handler(request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        return web.json_response([form["a"], file.filename, file.file.read().decode()])

    app = app_of(handler)
    async with app, asking(app) as client:
        answer = await client.post("/", data={"a": "b"}, files={"file": ("f.txt", b"text")})
        assert answer.json() == ["b", "f.txt", "text"]


async def test_redirections_and_cookies_are_httpx_s() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/":
            found = web.HTTPFound("/home")
            found.set_cookie("session", "1")
            raise found
        return web.json_response(dict(request.cookies))

    app = app_of(handler)
    async with app, asking(app) as client:
        answer = await client.get("/", follow_redirects=True)
        assert answer.json() == {"session": "1"}


async def boom(request: web.Request) -> web.Response:
    raise ZeroDivisionError


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"abc")
    raise ZeroDivisionError


async def test_an_error_is_answered_500() -> None:
    """As on a server: the transport's own option changes nothing, since the error goes no
    further."""
    app = app_of(boom)
    async with app, asking(app, raise_app_exceptions=True) as client:
        assert (await client.get("/")).status_code == 500


async def test_an_error_behind_the_head_is_raised() -> None:
    app = app_of(cut)
    async with app, asking(app, raise_app_exceptions=True) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/")


async def test_an_answer_comes_when_it_is_whole() -> None:
    """httpx's transport collects it: a stream that does not end needs `bascule.testing.Client`."""
    written: list[int] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(3):
            written.append(number)
            await response.write(b"%d" % number)
        return response

    app = app_of(handler)
    async with app, asking(app) as client, client.stream("GET", "/") as answer:
        assert written == [0, 1, 2]
        assert [piece async for piece in answer.aiter_bytes()] == [b"012"]


async def test_a_failed_start_is_a_500_and_is_tried_again() -> None:
    tries: list[int] = []
    app = app_of(read_back)

    async def startup(app: web.Application) -> None:
        tries.append(len(tries))
        if len(tries) == 1:
            raise ZeroDivisionError

    app.on_startup.append(startup)
    async with asking(app, raise_app_exceptions=False) as client:
        assert (await client.get("/")).status_code == 500
        assert (await client.get("/")).status_code == 200
    async with app:
        pass
    assert tries == [0, 1]
