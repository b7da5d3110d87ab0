"""aiohttp-sse on our `StreamResponse`, of which it makes a subclass."""

from support.programs import program
from support.wire import PATIENCE

# It takes its base class from aiohttp.web; here that name is bascule's.
_PROGRAM = f"""
import asyncio, sys
import aiohttp
import bascule
from bascule import web

sys.modules["aiohttp.web"] = aiohttp.web = web
from aiohttp_sse import EventSourceResponse, sse_response

assert issubclass(EventSourceResponse, web.StreamResponse)
ended = asyncio.Event()


async def three(request):
    async with sse_response(request) as events:
        for number in range(3):
            await events.send("m", id=str(number), event="e", retry=5)
        await events.send(f"{{events.last_event_id}} {{events.is_connected()}}")
    return events


async def endless(request):
    try:
        async with sse_response(request) as events:
            events.ping_interval = 0.01
            while events.is_connected():
                await events.send("x")
                await asyncio.sleep(0.01)
    finally:
        ended.set()
    return events


async def main():
    app = web.Application()
    app.add_routes([web.get("/", three), web.get("/endless", endless)])
    async with bascule.serve(app) as server, asyncio.timeout({PATIENCE}):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nLast-Event-ID: 4\\r\\n\\r\\n"
        )
        print(await reader.read())
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /endless HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        await reader.readuntil(b"data: x")
        writer.transport.abort()
        await ended.wait()
        print("ended", flush=True)


asyncio.run(main())
"""


async def test_its_streams_work_and_end_with_their_client() -> None:
    async with program("-W", "ignore::DeprecationWarning", "-c", _PROGRAM) as running:
        await running.read_until(r"ended")
        assert await running.end() == 0
    assert "Content-Type: text/event-stream" in running.output
    event = r"id: 0\r\nevent: e\r\ndata: m\r\nretry: 5\r\n\r\n"
    assert event in running.output
    assert r"data: 4 True" in running.output
    assert "Error" not in running.output
