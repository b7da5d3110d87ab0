"""A live dashboard by server-sent events: `python examples/dashboard.py`.

One task measures, each open page is a stream; a browser comes back by itself.
"""

import asyncio
import json
import os
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

from bascule import web

PAGE = Path(__file__).with_name("dashboard.html")


class Meter:
    """Measures the machine every `interval` seconds, and lets any number of streams follow."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._samples: deque[tuple[int, str]] = deque(maxlen=120)
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        number, loop = 0, asyncio.get_running_loop()
        while True:
            due = loop.time() + self._interval
            await asyncio.sleep(self._interval)
            sample = {
                "time": time.strftime("%H:%M:%S"),
                "load": round(os.getloadavg()[0], 2),
                "lag": round((loop.time() - due) * 1000, 2),
                "tasks": len(asyncio.all_tasks()),
            }
            number += 1
            async with self._changed:
                self._samples.append((number, json.dumps(sample)))
                self._changed.notify_all()

    async def follow(self, seen: int) -> AsyncIterator[web.ServerSentEvent]:
        while True:
            for number, sample in [each for each in self._samples if each[0] > seen]:
                yield web.ServerSentEvent(sample, event="sample", id=str(number))
                seen = number
            async with self._changed:
                if not self._samples or self._samples[-1][0] == seen:
                    await self._changed.wait()


METER = web.AppKey("meter", Meter)


async def page(request: web.Request) -> web.FileResponse:
    return web.FileResponse(PAGE)


async def stream(request: web.Request) -> web.StreamResponse:
    seen = request.headers.get("Last-Event-ID", "")
    events = request.app[METER].follow(int(seen) if seen.isdecimal() else 0)
    return web.EventSourceResponse(events=events)


async def measuring(app: web.Application) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        running = group.create_task(app[METER].run())
        yield
        running.cancel()


app = web.Application()
app[METER] = Meter(float(os.environ.get("DASHBOARD_INTERVAL", "1")))
app.cleanup_ctx.append(measuring)
app.add_routes([web.get("/", page), web.get("/stream", stream)])

if __name__ == "__main__":
    web.run_app(app)
