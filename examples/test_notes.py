"""How to test an application, without a server: `pytest examples/test_notes.py`.

Plain functions use `SyncClient` and need no plugin; coroutines use `Client` in the loop that they
run in. Both start the application, ask it in memory, and clean it up.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest

from bascule import web
from bascule.testing import Client, SyncClient

NOTES = web.AppKey("notes", list[str])


async def add(request: web.Request) -> web.Response:
    request.app[NOTES].append((await request.post())["text"])  # type: ignore[arg-type]  # no file
    raise web.HTTPSeeOther("/")


async def show(request: web.Request) -> web.Response:
    return web.json_response(request.app[NOTES])


async def export(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for note in request.app[NOTES]:
        await response.write(f"{json.dumps(note)}\n".encode())
    return response


def create_app() -> web.Application:
    async def keep_notes(app: web.Application) -> AsyncIterator[None]:
        app[NOTES] = []
        yield
        app[NOTES].clear()

    app = web.Application()
    app.cleanup_ctx.append(keep_notes)
    app.add_routes([web.get("/", show), web.post("/", add), web.get("/export", export)])
    return app


@pytest.fixture
def client() -> Iterator[SyncClient]:
    with SyncClient(create_app()) as client:
        yield client


def test_a_note_is_shown(client: SyncClient) -> None:
    answer = client.post("/", data={"text": "buy milk"})  # and follows the redirection
    assert (answer.status, answer.json()) == (200, ["buy milk"])
    assert answer.history[0].status == 303


def test_nobody_can_delete(client: SyncClient) -> None:
    assert client.delete("/").status == 405


def test_an_export_is_streamed() -> None:
    """A coroutine; with pytest-asyncio or anyio's plugin the test itself can be one."""

    async def run() -> None:
        async with Client(create_app()) as client:
            await client.post("/", data={"text": "a"})
            await client.post("/", data={"text": "b"})
            async with client.stream("GET", "/export") as answer:
                assert [line async for line in answer.content] == [b'"a"\n', b'"b"\n']

    asyncio.run(run())
