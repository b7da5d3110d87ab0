"""Fixtures of all tests: the hosts, and the watch over what a test leaves behind."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from bascule.app import protocol, runners

# Their asserts do the checking, and have to under ``python -O`` too.
pytest.register_assert_rewrite(
    "support",
    "differential",
    "strictness",
    "advisories",
    "matrix",
    "tests.matrix",
    "tests.benchmarks",
)

from support.reference import keep_asserts  # noqa: E402  # behind its registration

keep_asserts("aiohttp")

from support.hosts import HOSTS, MATRIX, Client  # noqa: E402  # what has aiohttp loaded

Serve = Callable[..., Any]


def pytest_collection_finish() -> None:
    """Keep what was imported out of the collections behind each test: they would take longer than
    the tests do."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Collect what a test dropped, so that unclosed sockets and files warn in its own name.

    What is left, such as the reports of all tests so far, is kept out of the next collection.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest_asyncio.fixture(autouse=True)
async def no_leaked_tasks() -> AsyncIterator[None]:
    """Fail a test that leaves a task running."""
    before = asyncio.all_tasks()
    yield
    for _ in range(3):
        await asyncio.sleep(0)  # async generators that were dropped close in tasks of the loop's
    before.add(asyncio.current_task())  # type: ignore[arg-type]  # in a fixture there is one
    leaked = [task for task in asyncio.all_tasks() - before if not task.done()]
    assert not leaked, f"tasks left running: {leaked}"


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes that cannot be read by their number: compressed ones hold the time, and processes
    that share the tests must agree on names."""
    if isinstance(val, bytes) and any(byte < 32 and byte not in b"\r\n\t" for byte in val):
        return f"{len(val)} bytes"
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what was logged or printed and is no text: reports travel between processes."""
    report = yield
    report.sections = [(name, _escape(text)) for name, text in report.sections]
    return report


def _escape(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--matrix", action="store_true", help="run on all hosts, not the usual ones")
    parser.addoption("--http", choices=("auto", "h11"), help="read all heads of requests by that")
    parser.addoption("--loop", choices=("asyncio", "uvloop"), help="run on that event loop")


def pytest_configure(config: pytest.Config) -> None:
    """Let all servers read heads as it is asked for, and tests run on the loop."""
    config.addinivalue_line(
        "markers", "every_host: run on all hosts also without --matrix, as one of its kind"
    )
    logging.getLogger("asyncio").addFilter(_is_no_remark_on_debugging)
    _set_loop(config.getoption("--loop"))
    if engine := config.getoption("--http"):
        for module in (protocol, runners):
            module.make_options = partial(_make_with, engine)  # type: ignore[attr-defined]  # it imports the name


def _is_no_remark_on_debugging(record: logging.LogRecord) -> bool:
    """Keep out of the tests' records what asyncio says in debug mode alone: what it does, and what
    took long, which on a busy machine may be anything."""
    return record.levelno > logging.INFO and not record.msg.startswith("Executing ")


_make_options = protocol.make_options


def _set_loop(name: str | None) -> None:
    if name == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def _make_with(engine: str, kwargs: dict[str, Any], logger: Any) -> Any:
    return _make_options({"http": engine, **kwargs}, logger)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let tests that serve an application run on each host in turn."""
    if "serve" in metafunc.fixturenames:
        is_for_all = metafunc.definition.get_closest_marker("every_host") is not None
        names = [*HOSTS]
        if is_for_all or metafunc.config.getoption("--matrix"):
            names += MATRIX
        metafunc.parametrize("serve", names, indirect=True)


@pytest_asyncio.fixture
async def serve(request: pytest.FixtureRequest) -> AsyncIterator[Serve]:
    """Serve an application on a host: ``client = await serve(app)``."""
    host = {**HOSTS, **MATRIX}[request.param]
    async with AsyncExitStack() as stack:

        async def serve_it(app: Any, **options: Any) -> Client:
            return await stack.enter_async_context(host(app, **options))

        yield serve_it
