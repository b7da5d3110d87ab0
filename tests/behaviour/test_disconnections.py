"""Handlers that wait until their client has left."""

import asyncio

from bascule import web
from bascule.testing import Client
from support import wire
from support.requests import GET, app_of


class Waiting:
    """A handler that streams while a task beside it waits for the client to leave."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.left = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        async def wait() -> None:
            await request.wait_for_disconnection()
            await request.wait_for_disconnection()  # which is so from now on
            self.left.set()

        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        task = asyncio.ensure_future(wait())
        self.begun.set()
        await self.left.wait()
        await task
        return response


async def test_a_client_on_a_socket_leaves() -> None:
    handler = Waiting()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    async with wire.serve(app_of(answer)) as served:
        async with served.connect() as client:
            await client.send(GET)
            await client.read_head()
            await handler.begun.wait()
            assert not handler.left.is_set()
        async with asyncio.timeout(wire.PATIENCE):
            await handler.left.wait()


async def test_a_client_in_memory_leaves() -> None:
    handler = Waiting()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    async with Client(app_of(answer)) as client:
        async with client.stream("GET", "/") as got:
            assert got.status == 200
            await handler.begun.wait()
            assert not handler.left.is_set()
        async with asyncio.timeout(wire.PATIENCE):
            await handler.left.wait()


async def test_one_that_stays_is_waited_for() -> None:
    async def answer(request: web.Request) -> web.Response:
        waiting = asyncio.ensure_future(request.wait_for_disconnection())
        done, _ = await asyncio.wait([waiting], timeout=0)
        waiting.cancel()
        await asyncio.wait([waiting])
        return web.Response(text=str(len(done)))

    async with Client(app_of(answer)) as client:
        assert await (await client.get("/")).text() == "0"
