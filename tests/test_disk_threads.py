"""Threads for the disk: one as long as it is quick, more where it hangs, and nothing is lost."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from bascule.message.disk import DiskThreads
from support.wire import PATIENCE


async def until(is_true: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_true():
            await asyncio.sleep(0)


async def hold(threads: DiskThreads, gate: threading.Event) -> "asyncio.Future[Any]":
    """Have a thread wait at a gate; return when it does."""
    begun = threads.begun
    waiting = threads.run(gate.wait, PATIENCE)
    await until(lambda: threads.begun > begun)
    return waiting


async def test_results_and_errors_come_back() -> None:
    threads = DiskThreads()
    assert await threads.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await threads.run(divmod, 7, 0)


async def test_quick_calls_share_one_thread_that_is_not_the_loop_s() -> None:
    threads = DiskThreads(patience=PATIENCE)
    seen = await asyncio.gather(*(threads.run(threading.get_ident) for _ in range(100)))
    assert threads.count == len(set(seen)) == 1
    assert threading.get_ident() not in seen


async def test_a_call_that_hangs_holds_up_no_other() -> None:
    threads, gate = DiskThreads(), threading.Event()
    waiting = await hold(threads, gate)
    assert await threads.run(int) == 0
    assert threads.count == 2
    gate.set()
    assert await waiting
    # One that waits is enough: as soon as both have nothing to do one of them ends.
    await until(lambda: threads.count == 1)
    assert await threads.run(int) == 0


async def test_there_are_no_more_threads_than_allowed() -> None:
    threads, gate = DiskThreads(most=2, patience=0.001), threading.Event()
    held = [await hold(threads, gate) for _ in range(2)]
    behind = [threads.run(int) for _ in range(5)]
    await asyncio.wait(behind, timeout=0.02)  # many times the patience
    assert (threads.count, any(each.done() for each in behind)) == (2, False)
    gate.set()
    assert await asyncio.gather(*held, *behind) == [True, True, 0, 0, 0, 0, 0]


async def test_a_result_that_nobody_waits_for_is_released() -> None:
    threads, gate = DiskThreads(), threading.Event()
    released: list[str] = []
    await hold(threads, gate)
    call = threads.run("{}".format, "found", release=released.append)
    failing = threads.run(divmod, 1, 0, release=released.append)
    call.cancel()
    failing.cancel()
    gate.set()
    await until(lambda: threads.is_idle)
    await asyncio.sleep(0)
    assert released == ["found"]


def test_a_result_for_a_loop_that_is_closed_is_released() -> None:
    threads, gate, done = DiskThreads(), threading.Event(), threading.Event()
    released: list[str] = []

    def release(result: str) -> None:
        released.append(result)
        done.set()

    async def leave() -> None:
        await hold(threads, gate)
        threads.run("{}".format, "found", release=release)

    asyncio.run(leave())
    gate.set()
    assert done.wait(PATIENCE)
    assert released == ["found"]


def test_loops_share_the_threads() -> None:
    threads = DiskThreads(patience=PATIENCE)

    async def call() -> list[int]:
        return [await threads.run(pow, number, 2) for number in range(50)]

    results: list[list[int]] = []
    loops = [threading.Thread(target=lambda: results.append(asyncio.run(call()))) for _ in "abc"]
    for each in loops:
        each.start()
    for each in loops:
        each.join(PATIENCE)
    assert results == [[number**2 for number in range(50)]] * 3
    assert threads.count == 1


_FORKING = """
import asyncio, os
from bascule.message.disk import DISK

async def call():
    return await asyncio.wait_for(DISK.run(divmod, 7, 2), 10)

assert asyncio.run(call()) == (3, 1)
child = os.fork()
if not child:
    try:
        code = 0 if asyncio.run(call()) == (3, 1) else 1
    except BaseException:
        code = 2
    os._exit(code)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot")
def test_a_process_that_was_forked_has_threads_of_its_own() -> None:
    ended = subprocess.run([sys.executable, "-c", _FORKING], timeout=60, check=False)
    assert ended.returncode == 0
