"""Conversations over WebSockets are the same on bascule as on aiohttp, or as is listed."""

import asyncio
import logging
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import groupby
from types import ModuleType
from typing import Any

import aiohttp.web
import pytest

import bascule.web
from differential.differences import Difference
from differential.websocket_cases import CASES, name_of
from differential.websocket_differences import KNOWN_DIFFERENCES, WEBSOCKET_DIFFERENCES
from differential.websocket_programs import PROGRAMS
from differential.websockets import Program, Talk, Talked, hold, serving

DIFFERENCES = [*KNOWN_DIFFERENCES, *WEBSOCKET_DIFFERENCES]
NAMES = [name_of(case) for case in CASES]
Case = dict[str, Any]
Both = tuple[Talked, Talked]

# So many conversations at a time leave the clocks of both ends right.
_AT_ONCE = 50


async def hold_all(cases: list[Case]) -> list[Both]:
    """Hold the conversations of cases with aiohttp and with bascule.

    Returns:
        of each case, what was seen on aiohttp, and on bascule.
    """
    both = [await _hold_all(web, cases) for web in (aiohttp.web, bascule.web)]
    return list(zip(*both, strict=True))


async def _hold_all(web: ModuleType, cases: list[Case]) -> list[Talked]:
    talked: list[Talked] = []
    stops: list[Case] = []
    for server, group in groupby(cases, key=_name_server):
        if server == "its own":
            stops += group
        else:
            talked += await _hold_on_one_server(web, list(group))
    return talked + list(await asyncio.gather(*(_hold_to_the_stop(web, case) for case in stops)))


def _name_server(case: Case) -> str:
    """Tell apart cases that need other servers; those of their own are the last."""
    return "its own" if case["program"] == "stop" else str(case.get("handler_cancellation"))


async def _hold_on_one_server(web: ModuleType, cases: list[Case]) -> list[Talked]:
    talks = [(Talk(web, case, number=n), PROGRAMS[case["program"]]) for n, case in enumerate(cases)]
    places = asyncio.Semaphore(_AT_ONCE)
    options = {name: cases[0][name] for name in ("handler_cancellation",) if name in cases[0]}
    async with serving(web, talks, **options) as (_, port):

        async def hold_one(talk: Talk, program: Program) -> Talked:
            async with places:
                return await hold(talk, program, port)

        return await asyncio.gather(*(hold_one(*each) for each in talks))


async def _hold_to_the_stop(web: ModuleType, case: Case) -> Talked:
    """Stop the server as soon as the handler is ready."""
    talk, program = Talk(web, case), PROGRAMS[case["program"]]
    async with serving(web, [(talk, program)], shutdown_timeout=0.2) as (runner, port):
        holding = asyncio.create_task(hold(talk, program, port))
        await talk.wait("stop")
        await runner.cleanup()
        return await holding


@pytest.fixture(scope="module")
def conversations() -> Iterator[dict[str, Both]]:
    """What was seen in each, on aiohttp and on bascule."""
    logging.disable(logging.CRITICAL)  # handlers fail on purpose
    # Pages of errors show tracebacks in debug mode, and those are of two servers.
    yield dict(zip(NAMES, asyncio.run(hold_all(CASES), debug=False), strict=True))
    logging.disable(logging.NOTSET)


def test_names_of_cases_are_unique() -> None:
    """The list of differences refers to cases by name."""
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("number", range(len(CASES)), ids=NAMES)
def test_conversations_are_those_of_aiohttp(conversations: dict[str, Both], number: int) -> None:
    """What the handler sees, all that the client gets, and how the connection ends."""
    case, name = CASES[number], NAMES[number]
    theirs, ours = conversations[name]
    expected = theirs
    for difference in DIFFERENCES:
        if difference.covers(name):
            expected = difference.rewrite(expected, case)
    if ours != expected:
        pytest.fail(
            f"{name}\n  aiohttp\n{theirs}\n  expected\n{expected}\n  bascule\n{ours}",
            pytrace=False,
        )


def test_no_conversation_hangs(conversations: dict[str, Both]) -> None:
    """On either server: a case that waits for ever compares nothing."""
    hung = [name for name, both in conversations.items() for each in both if each.end == "gave up"]
    assert hung == []


PATTERNS = [
    pytest.param(difference, pattern, id=f"{difference.name}: {pattern}")
    for difference in DIFFERENCES
    for pattern in difference.cases
]


@pytest.mark.parametrize(("difference", "pattern"), PATTERNS)
def test_each_pattern_still_has_a_difference(
    conversations: dict[str, Both], difference: Difference, pattern: str
) -> None:
    """In one case of the pattern at least aiohttp's conversation is not what bascule's must be."""
    for case, name in zip(CASES, NAMES, strict=True):
        if fnmatchcase(name, pattern):
            theirs, _ = conversations[name]
            if difference.rewrite(theirs, case) != theirs:
                return
    pytest.fail(f"nothing to rewrite for {difference.name!r} in {pattern!r}", pytrace=False)
