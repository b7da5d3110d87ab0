"""Each fault of the catalogue against our server: on loops, under TLS, and cut in any way.

The rule of every case: it has one of the outcomes allowed, nothing is parsed behind an error, at
most one bounded line is logged and no traceback, and no connection is left.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme

from bascule import web
from strictness.answers import read_answers
from strictness.applications import make_app
from strictness.cases import CANARY, Case, Outcome, Refused, Seen, find_fault
from strictness.catalogue import CASES, GROUPS
from strictness.wires import MemoryClient, bytewise, cut_at, exchange

# A safety net: a case that waits so long for the end of its connection has failed.
_PATIENCE = 20
# Options of the server for each engine that reads heads.
_ENGINES: dict[str, dict[str, Any]] = {"auto": {}, "h11": {"http": "h11"}}


@dataclass
class _Server:
    runner: web.AppRunner
    port: int
    journal: dict[int, list[Seen]] = field(default_factory=dict)

    def look_at(self, number: int, received: bytes, closed: bool) -> Outcome:
        answers = read_answers(received)
        seen = tuple(self.journal.get(number, ()))
        return Outcome(answers.statuses, answers.says_close, closed, seen)

    async def wait_until_alone(self) -> None:
        """Wait until no connection is left."""
        server = self.runner.server
        assert server is not None
        async with asyncio.timeout(_PATIENCE):
            while server.connections:
                await asyncio.sleep(0.001)


@asynccontextmanager
async def _serve(
    ssl_context: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[_Server]:
    journal: dict[int, list[Seen]] = {}

    def note(number: int, seen: Seen) -> None:
        journal.setdefault(number, []).append(seen)

    app = make_app(web, note)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5, **options)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
        await site.start()
        yield _Server(runner, site.port, journal)
    finally:
        await runner.cleanup()


class _Watch:
    """Says what a case has logged that it should not."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        caplog.set_level(logging.INFO, "bascule")

    def find_fault(self) -> str | None:
        records = self._caplog.records[:]
        self._caplog.clear()
        lines = [record.getMessage() for record in records]
        if any(record.exc_info or record.stack_info for record in records):
            return f"logged a traceback: {lines}"
        told = [line for line in lines if "held back" not in line]
        if len(told) > 1 or any(len(line) > 200 or not line.isprintable() for line in lines):
            return f"logged {lines}"
        return None


async def _run_over_sockets(
    cases: list[Case],
    watch: _Watch,
    options: dict[str, Any],
    contexts: tuple[Any, Any] = (None, None),
) -> list[str]:
    faults = []
    taken: set[int] = set()
    async with _serve(contexts[0], **options) as server:
        for case in cases:
            result = await exchange(
                case, server.port, taken, patience=_PATIENCE, context=contexts[1]
            )
            fault = find_fault(case, server.look_at(*result)) or watch.find_fault()
            if fault:
                faults.append(f"{case.name} ({case.source}): {fault}")
        await server.wait_until_alone()
    return faults


async def _run_in_memory(
    cases: list[Case],
    watch: _Watch,
    options: dict[str, Any],
    cut: Callable[[bytes], list[bytes]],
    *,
    with_steps: bool,
) -> list[str]:
    faults = []
    async with _serve(**options) as server:
        make_protocol: Any = server.runner.server
        for number, case in enumerate(cases, 1):
            pieces = cut(case.data + CANARY)
            client = MemoryClient(make_protocol(), number)
            closed = await client.exchange(pieces, with_steps=with_steps, patience=_PATIENCE)
            await server.wait_until_alone()
            outcome = server.look_at(number, bytes(client.received), closed)
            fault = find_fault(case, outcome) or watch.find_fault()
            if fault:
                faults.append(f"{case.name} ({case.source}): {fault} {pieces!r:.300}")
    return faults


@pytest.mark.parametrize("engine", _ENGINES)
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_cases_over_sockets(
    loop: str, group: str, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    factory = pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        running = _run_over_sockets(GROUPS[group], _Watch(caplog), _ENGINES[engine])
        assert runner.run(running) == []


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize("group", GROUPS)
async def test_cases_under_tls(
    group: str,
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    caplog: pytest.LogCaptureFixture,
) -> None:
    cases = GROUPS[group]
    if group == "byte":  # of each place some: a handshake takes longer than most cases
        cases = cases[::3]
    assert await _run_over_sockets(cases, _Watch(caplog), {}, contexts) == []


@pytest.mark.parametrize("engine", _ENGINES)
@pytest.mark.parametrize("group", GROUPS)
async def test_cases_cut_into_single_bytes(
    group: str, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    faults = await _run_in_memory(
        GROUPS[group], _Watch(caplog), _ENGINES[engine], bytewise, with_steps=False
    )
    assert faults == []


@pytest.mark.parametrize("engine", _ENGINES)
@pytest.mark.parametrize("group", GROUPS)
async def test_cases_cut_at_random(
    group: str, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The application runs between the pieces: what came in one has been acted on."""
    generator = random.Random(f"{group} {engine}")

    def cut(data: bytes) -> list[bytes]:
        return cut_at(data, (generator.randrange(len(data)) for _ in range(4)))

    faults = await _run_in_memory(
        GROUPS[group], _Watch(caplog), _ENGINES[engine], cut, with_steps=True
    )
    assert faults == []


def test_the_catalogue_is_one_of_rules() -> None:
    """Names are unique and stable, each case names its source, and most are refusals."""
    assert len({case.name for case in CASES}) == len(CASES) > 500
    assert all(case.source and case.data for case in CASES)
    refusals = [case for case in CASES if all(isinstance(each, Refused) for each in case.allowed)]
    assert len(refusals) > len(CASES) * 3 // 4
