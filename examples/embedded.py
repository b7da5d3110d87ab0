"""A server inside an asyncio program that has work of its own: `python examples/embedded.py`.

The program keeps its signals, its logging and its event loop; the server is one more thing in it.
"""

import asyncio
import contextlib

import bascule
from bascule import web

TICKS = web.AppKey("ticks", list[float])


async def tick(ticks: list[float], interval: float) -> None:
    """The program's own work: note the time, again and again."""
    loop = asyncio.get_running_loop()
    while True:
        ticks.append(loop.time())
        del ticks[:-100]
        await asyncio.sleep(interval)


async def count(request: web.Request) -> web.Response:
    return web.json_response({"ticks": len(request.app[TICKS])})


async def main() -> None:
    ticks: list[float] = []
    app = web.Application()
    app[TICKS] = ticks
    app.add_routes([web.get("/", count)])

    async with bascule.serve(app, shutdown_timeout=5) as server:  # at any port that is free
        print(f"Counting at {server.url}", flush=True)
        async with asyncio.TaskGroup() as group:
            group.create_task(tick(ticks, 0.5))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
