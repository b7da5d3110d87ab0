"""What peers that mean harm send, and what came of it."""

import asyncio
import gc
import os
import re
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bascule import web
from support.requests import app_of
from support.wire import PATIENCE, serve

__all__ = [
    "MIB",
    "SMUGGLED",
    "Outcome",
    "assert_linear",
    "assert_refused",
    "attack",
    "chunked",
    "count_files",
    "form",
    "head",
    "held_memory",
    "peak_memory",
]

MIB = 2**20
# Nothing that an attack hides may reach an application; this is what they hide.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
# Work of n and of 4 n: quadratic work would take sixteen times as long. What takes less than the
# second number of seconds of the processor is quick enough for anybody.
_RATIO = 9
_QUICK = 0.05

Send = Callable[[bytes], Awaitable[bytes]]


@dataclass
class Outcome:
    """What came of an attack.

    Attributes:
        data: all that the server sent.
        served: method, path and body of the requests that reached the application whole.
    """

    data: bytes = b""
    served: list[tuple[str, str, bytes]] = field(default_factory=list)

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.data)]

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _ in self.served]


async def attack(data: bytes, **options: Any) -> Outcome:
    """Send bytes to an application that reads bodies, and see what it is given."""
    outcome = Outcome()

    async def handler(request: web.Request) -> web.Response:
        body = await request.read()
        outcome.served.append((request.method, request.path, body))
        return web.Response(text="served")

    async with serve(app_of(handler), **options) as served:
        outcome.data = await served.exchange(data)
    return outcome


async def assert_refused(data: bytes, *statuses: int) -> Outcome:
    """Send bytes, and behind them what they may hide: there is one answer, an error, and the end.

    Nothing is given to the application, neither the request itself nor what is behind it.
    """
    outcome = await attack(data + SMUGGLED)
    assert outcome.served == []
    assert len(outcome.statuses) == 1, outcome.data
    assert outcome.statuses[0] in (statuses or (400,))
    assert b"\r\nConnection: close\r\n" in outcome.data
    return outcome


def head(*lines: str | bytes, target: str = "/", method: str = "POST") -> bytes:
    """Write a head of HTTP/1.1 with a Host and more lines."""
    first = [f"{method} {target} HTTP/1.1".encode(), b"Host: x"]
    more = [line.encode() if isinstance(line, str) else line for line in lines]
    return b"\r\n".join([*first, *more, b"", b""])


def chunked(body: bytes) -> bytes:
    """Write a request whose body has chunks, in the framing that is given."""
    return head("Transfer-Encoding: chunked") + body


def form(body: bytes, media: str = "multipart/form-data; boundary=B") -> bytes:
    """Write a request with a form."""
    return head(f"Content-Type: {media}", f"Content-Length: {len(body)}") + body


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Measure the most bytes that were taken inside; they are the one item of the list."""
    gc.collect()
    peaks: list[int] = []
    tracemalloc.start()
    try:
        yield peaks
        peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def held_memory() -> int:
    """Give the bytes that are taken now, while they are traced."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def count_files() -> int:
    """Count the open descriptors."""
    return len(os.listdir("/dev/fd"))


async def assert_linear(make: Callable[[int], bytes], size: int, app: Any) -> None:
    """Hold the time of the processor that a request takes against that of one four times as large.

    Args:
        make: gives the request of a size; it is to be answered, whatever the answer.
        size: the smaller of both.
        app: is asked.
    """
    small, large = make(size), make(4 * size)
    async with serve(app) as served:

        async def measure(data: bytes) -> float:
            times = []
            for _ in range(3):
                async with served.connect() as wire, asyncio.timeout(PATIENCE):
                    start = time.process_time()
                    await wire.send(data)
                    await wire.read_head()
                    times.append(time.process_time() - start)
            return min(times)

        few, many = await measure(small), await measure(large)
    assert many < max(_RATIO * few, _QUICK), (few, many)
