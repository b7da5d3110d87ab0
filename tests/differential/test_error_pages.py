"""The page behind an error is aiohttp's, byte for byte but for frames of the library's own."""

import asyncio
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp.web
import pytest

import bascule.web
from differential.differences import EXPECTED_DIFFERENCES, Difference
from differential.frame import Call, Case, record
from differential.pairwise import pairwise
from differential.requesting import request
from differential.transcript import Transcript

ACCEPTS: dict[str, dict[str, str]] = {
    "none": {},
    "empty": {"Accept": ""},
    "html": {"Accept": "text/html"},
    "plain": {"Accept": "text/plain"},
    "any": {"Accept": "*/*"},
    "any-text": {"Accept": "text/*"},
    "json": {"Accept": "application/json"},
    "html-unwanted": {"Accept": "text/html;q=0"},
    "html-last": {"Accept": "text/plain, application/json;q=0.9, text/html;q=0.1"},
    "html-parameter": {"Accept": 'text/html;level="1"'},
    "html-within-a-word": {"Accept": "x-text/html-x"},
    "xhtml": {"Accept": "application/xhtml+xml"},
    "second-field": {"Accept": "application/json", "accept": "text/html"},
    "browser": {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
}


def fail_plainly() -> None:
    raise ValueError("a <b> & 'c' \"d\" ü ☃")


def fail_with_a_cause() -> None:
    try:
        raise KeyError("the cause")
    except KeyError as exc:
        raise ValueError("the effect") from exc


def fail_while_handling() -> None:
    try:
        raise KeyError("first")
    except KeyError:
        fail_plainly()


def fail_in_a_group() -> None:
    raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])


def fail_with_notes() -> None:
    exc = ValueError("noted")
    exc.add_note("a <note>")
    raise exc


def fail_without_a_text() -> None:
    raise ValueError


def fail_in_lines() -> None:
    raise ValueError("line one\r\nline two")


def fail_when_told() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    raise Odd


def time_out() -> None:
    raise TimeoutError("too late")


ERRORS: dict[str, Callable[[], None]] = {
    "plain": fail_plainly,
    "cause": fail_with_a_cause,
    "context": fail_while_handling,
    "group": fail_in_a_group,
    "notes": fail_with_notes,
    "no-text": fail_without_a_text,
    "lines": fail_in_lines,
    "odd": fail_when_told,
    "timeout": time_out,
}
# Who fails, and who asks for tracebacks.
PLACES = ("handler", "middleware", "inner-handler", "http-500", "none", "text")
DEBUGS = (
    "off",
    "app",
    "loop",
    "app-off-loop-on",
    "runner",
    "runner-off-loop-on",
    "app-off-runner-on",
)


def build(place: str, error: str, debug: str, web: Any) -> Any:
    fail = ERRORS[error]

    async def handler(request: Any) -> Any:
        if place in ("handler", "inner-handler"):
            fail()
        if place == "http-500":
            raise web.HTTPInternalServerError
        return "text" if place == "text" else None

    @web.middleware
    async def middleware(request: Any, handler: Any) -> Any:
        if place == "middleware":
            fail()
        return await handler(request)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        app = web.Application(middlewares=[middleware], **APP_OPTIONS.get(debug, {}))
    if place == "inner-handler":
        inner = web.Application()
        inner.router.add_get("/", handler)
        app.add_domain("example.test", inner)
    else:
        app.router.add_get("/", handler)
    return app


APP_OPTIONS: dict[str, dict[str, Any]] = {
    "app": {"debug": True},
    "app-off-loop-on": {"debug": False},
    "app-off-runner-on": {"debug": False},
}
RUNNER_OPTIONS: dict[str, dict[str, Any]] = {
    "runner": {"debug": True},
    "runner-off-loop-on": {"debug": False},
    "app-off-runner-on": {"debug": True},
}


@contextmanager
def loop_debug(on: bool) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    before = loop.get_debug()
    loop.set_debug(on)
    try:
        yield
    finally:
        loop.set_debug(before)


_OWN = re.escape(str(Path(__file__)))
# A frame, with the lines of source and of marks below it, that is of no test.
_FOREIGN = re.compile(
    rf'^( *[|+]? *)File (?:"|&quot;)(?!{_OWN})[^\n]*\n(?:\1  [^\n]*\n)*', re.MULTILINE
)


def mask(raw: bytes) -> bytes:
    """Take the frames of the library out of a page, once its length is checked."""
    head, _, body = raw.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    if length is None:  # of an answer to HEAD
        return raw
    assert not body or int(length[1]) == len(body)
    if b"Traceback" in body or not body:
        head = head.replace(length[0], b"Content-Length: <length>")
    return head + b"\r\n\r\n" + _FOREIGN.sub("", body.decode()).encode()


ROWS = [
    {"place": "handler", "error": "timeout", "debug": "off", "accept": "none", "method": "HEAD"},
    *pairwise(
        {
            "place": PLACES,
            "error": list(ERRORS),
            "debug": DEBUGS,
            "accept": list(ACCEPTS),
            "method": ("GET", "HEAD"),
        }
    ),
]


def make_case(row: Mapping[str, str]) -> Case:
    debug = row["debug"]
    return Case(
        f"page/{'/'.join(row.values())}",
        partial(build, row["place"], row["error"], debug),
        Call(request(row["method"], fields=ACCEPTS[row["accept"]])),
        options=RUNNER_OPTIONS.get(debug, {}),
    )


# Those that need no loop of their own, for `test_differences`.
CASES = [make_case(row) for row in ROWS if "loop" not in row["debug"]]

# How an application is told what aiohttp does not take from a runner.
TOLD_TO_THE_APP = {
    "runner": "app",
    "app-off-runner-on": "app",
    "runner-off-loop-on": "app-off-loop-on",
}
PAGE_DIFFERENCES = [
    Difference(
        name="the debug of a runner wins over the application's",
        reason="It is documented there; aiohttp takes it and shows no tracebacks.",
        cases=tuple(f"page/*/{debug}/*" for debug in TOLD_TO_THE_APP),
        rewrite=lambda theirs, when_told: when_told,
    ),
]


async def serve(web: Any, row: Mapping[str, str]) -> Transcript:
    on = row["debug"] in ("loop", "app-off-loop-on", "runner-off-loop-on")
    with loop_debug(on):
        return await record(web, make_case(row))


async def expect(row: Mapping[str, str]) -> tuple[Transcript, Transcript]:
    """Give what aiohttp answers, and what bascule must."""
    theirs = expected = await serve(aiohttp.web, row)
    case = make_case(row)
    for page_difference in PAGE_DIFFERENCES:
        if page_difference.covers(case.name):
            told = {**row, "debug": TOLD_TO_THE_APP[row["debug"]]}
            expected = page_difference.rewrite(expected, await serve(aiohttp.web, told))
    for difference in EXPECTED_DIFFERENCES:
        if difference.covers(case.name):
            expected = difference.rewrite(expected, case.call.data)
    return theirs, expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "/".join(row.values()))
async def test_error_pages_are_those_of_aiohttp(row: Mapping[str, str]) -> None:
    """Who asks for which kind of text gets it, and a traceback where somebody asked for one."""
    _, expected = await expect(row)
    ours = await serve(bascule.web, row)
    assert mask(ours.raw).decode() == mask(expected.raw).decode()
    assert ours.stays_open == expected.stays_open


PATTERNS = [
    pytest.param(pattern, id=f"{difference.name}: {pattern}")
    for difference in PAGE_DIFFERENCES
    for pattern in difference.cases
]


@pytest.mark.parametrize("pattern", PATTERNS)
async def test_each_pattern_still_has_a_difference(pattern: str) -> None:
    """In one case of the pattern at least aiohttp's page is not what bascule's must be."""
    for row in ROWS:
        if fnmatchcase(make_case(row).name, pattern):
            theirs, expected = await expect(row)
            if theirs.raw != expected.raw:
                return
    pytest.fail(f"nothing to rewrite in {pattern!r}", pytrace=False)


async def test_frames_of_the_application_are_shown() -> None:
    """What is masked above is not the whole."""
    row = {"place": "handler", "error": "cause", "debug": "app", "accept": "none", "method": "GET"}
    page = mask((await serve(bascule.web, row)).raw).decode()
    assert page.count("in fail_with_a_cause") == 2
    assert "in handler" in page
    assert "/bascule/" not in page
