"""Servers in processes of their own, all with the same application and its journal."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from matrix.processes import reserve_port, run_server
from strictness.answers import read_answers
from strictness.applications import JOURNAL, read_journal
from strictness.cases import Case, Outcome
from strictness.wires import exchange

__all__ = ["PEERS", "run_cases"]

Run = Callable[[dict[str, str]], AbstractAsyncContextManager[int]]

_ASGI = "strictness.applications:asgi_app"
# Connections at once, and seconds until a server that neither answers nor closes is left.
_AT_ONCE = 24
_PATIENCE = 4.0


def _process(*arguments: str) -> Run:
    @asynccontextmanager
    async def run(environment: dict[str, str]) -> AsyncIterator[int]:
        async with run_server(arguments, environment) as port:
            yield port

    return run


@asynccontextmanager
async def _granian(environment: dict[str, str]) -> AsyncIterator[int]:
    """It does not say its port, and binds one that is bound already."""
    with reserve_port() as sock:
        port = sock.getsockname()[1]
        arguments = ["granian", "--interface", "asgi", "--http", "1", "--no-access-log"]
        async with run_server([*arguments, "--port", str(port), _ASGI], environment, port=port):
            yield port


_UVICORN = ("uvicorn", "--port", "0", "--no-access-log", "--timeout-graceful-shutdown", "1")

# What begins with "bascule" is ours, with one engine for heads or another; it has to hold all.
PEERS: dict[str, Run] = {
    "bascule": _process("strictness.applications", "bascule"),
    "aiohttp": _process("strictness.applications", "aiohttp"),
    "uvicorn-h11": _process(*_UVICORN, "--http", "h11", _ASGI),
    "uvicorn-httptools": _process(*_UVICORN, "--http", "httptools", _ASGI),
    "hypercorn": _process("hypercorn", "--bind", "127.0.0.1:0", "--graceful-timeout", "1", _ASGI),
    "granian": _granian,
}


async def run_cases(name: str, cases: Iterable[Case]) -> dict[str, Outcome]:
    """Send all cases to one server; give what became of each, by its name.

    The journal is read once the server has ended: what it did late counts too.
    """
    with tempfile.TemporaryDirectory() as directory:
        journal = os.path.join(directory, "journal")
        async with PEERS[name]({JOURNAL: journal}) as port:
            results = await _send_all(cases, port)
        seen = read_journal(journal)
    outcomes = {}
    for case_name, (own, received, closed) in results.items():
        answers = read_answers(received)
        outcomes[case_name] = Outcome(
            answers.statuses, answers.says_close, closed, tuple(seen.get(own, ()))
        )
    return outcomes


async def _send_all(cases: Iterable[Case], port: int) -> dict[str, tuple[int, bytes, bool]]:
    results: dict[str, tuple[int, bytes, bool]] = {}
    taken: set[int] = set()
    room = asyncio.Semaphore(_AT_ONCE)

    async def send(case: Case) -> None:
        async with room:
            results[case.name] = await exchange(case, port, taken, patience=_PATIENCE)

    async with asyncio.TaskGroup() as group:
        for case in cases:
            group.create_task(send(case))
    return results
