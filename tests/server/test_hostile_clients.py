"""Clients that mean no good, some of each kind: the server forgets them, and others feel nothing.

The same scenarios with thousands are measured by ``tests/benchmarks/hostile_clients.py``.
"""

import asyncio
import logging
import os
from typing import Any

import pytest

from bascule import web
from support.hostile import SCENARIOS
from support.hostile_apps import PIECE, make_native, run_asgi
from support.requests import request
from support.wire import PATIENCE, Served, serve

# How many of each: enough to find what stays behind, few enough to be quick.
COUNT = 12
FLOOD = 3000
HOLD = 0.1
# Complaints are ten a second; a scenario lasts less than two.
_MOST_LINES = 30
_LONGEST_LINE = 250
APPS = {"native": lambda: make_native(web), "hosted": lambda: run_asgi}
# Where a hosted application is treated otherwise than a native one: what it sends and is sent.
HOSTED = ("answer", "body", "unread", "nobody", "websocket", "frames", "fragments", "pings")
CASES = [
    pytest.param(name, app, id=f"{app}/{name}")
    for name in SCENARIOS
    for app in APPS
    if app == "native" or any(word in name for word in HOSTED)
]


async def _sing(served: Served, ended: asyncio.Event) -> int:
    """Ask for an answer over new connections until the end, and look at what the others hold."""
    answers = 0
    while not ended.is_set() or not answers:
        async with asyncio.timeout(PATIENCE), served.connect() as wire:
            await wire.send(request("/", "Connection: close"))
            assert (await wire.read_answer())[2] == b"ok"
        answers += 1
        _check_what_is_held(served)
    return answers


def _check_what_is_held(served: Served) -> None:
    """No connection holds more than its bounds, whatever its client does."""
    server = served.runner.server
    assert server is not None
    for connection in server.connections:
        held = connection._transport.get_write_buffer_size() if connection._transport else 0
        assert held <= 64 * 1024 + 2 * len(PIECE)
        assert len(connection._ahead) <= 512 * 1024
        if connection._cycle is not None:
            assert connection._cycle.body._size <= 768 * 1024


async def _until_forgotten(served: Served) -> None:
    server = served.runner.server
    assert server is not None
    async with asyncio.timeout(PATIENCE):
        while server.connections:
            await asyncio.sleep(0.01)


def _count_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux")
@pytest.mark.parametrize(("name", "app"), CASES)
async def test_they_cost_nothing_that_stays(
    name: str, app: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    scenario, many = SCENARIOS[name]
    count = FLOOD if many > 10_000 else COUNT
    unhandled: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: unhandled.append(context)
    )
    ended = asyncio.Event()
    async with serve(APPS[app](), access_log=None) as served:
        before = _count_descriptors()
        singing = asyncio.create_task(_sing(served, ended))
        try:
            await scenario(served.port, count, HOLD)
        finally:
            ended.set()
        assert await singing
        await _until_forgotten(served)
        assert _count_descriptors() == before
        _check_log(caplog)
    assert unhandled == []


def _check_log(log: pytest.LogCaptureFixture) -> None:
    """No traceback, and a bounded log (security rules: one escaped line, rate-limited)."""
    assert [record.getMessage() for record in log.records if record.exc_info] == []
    assert all(record.levelno < logging.WARNING for record in log.records)
    assert len(log.records) <= _MOST_LINES
    assert all(len(record.getMessage()) <= _LONGEST_LINE for record in log.records)
