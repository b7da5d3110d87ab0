"""What reading a body step by step gives, and what fields mean, is as in aiohttp."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp.web
import pytest

import bascule.web
from support.wire import PATIENCE

from .pairwise import pairwise
from .readings import READING_DIFFERENCES, TOLD_ELSEWHERE, build_readings
from .requesting import request

# -- bodies, step by step

_BODIES = {
    "lines": b"first line\nsecond\n\nlast",
    "one-line": b"no end of a line",
    "json": b'{"a": [1, "b"]}',
    "empty": b"",
    "marks": b"a--b----c--",
    "long": b"0123456789" * 6,  # beyond what `read` takes here
}
_FRAMINGS = ("length", "chunk", "chunks")
# Two of them are done one behind the other, and what follows reads the rest.
_STEPS: dict[str, list[Any]] = {
    "read-0": ["read", 0],
    "read-4": ["read", 4],
    "read-all": ["read", -1],
    "readany": ["readany", None],
    "readexactly-0": ["readexactly", 0],
    "readexactly-7": ["readexactly", 7],
    "readexactly-99": ["readexactly", 99],
    "readline": ["readline", None],
    "readline-within-5": ["readline-within", 5],
    "readline-within-50": ["readline-within", 50],
    "readuntil-blank": ["readuntil", " "],
    "readuntil-marks": ["readuntil", "--"],
    "readuntil-nothing": ["readuntil", ""],
    "readuntil-within": ["readuntil-within", ["\n", 6]],
    "readchunk": ["readchunk", None],
    "read-nowait": ["read-nowait", -1],
    "read-nowait-3": ["read-nowait", 3],
    "unread": ["unread", "put back "],
    "unread-nothing": ["unread", ""],
    "iter-chunked": ["iter-chunked", 5],
    "iter-any": ["iter-any", None],
    "iter-chunks": ["iter-chunks", None],
    "iter-lines": ["iter-lines", None],
    "first-line": ["first-line", None],
    "first-chunk": ["first-chunk", None],
    "first-piece": ["first-piece", 4],
    "at-eof": ["at-eof", None],
    "is-eof": ["is-eof", None],
    "exception": ["exception", None],
    "total": ["total", None],
    "can-read": ["can-read", None],
    "has-body": ["has-body", None],
    "wait-eof": ["wait-eof", None],
    "request-read": ["request-read", None],
    "text": ["text", None],
    "json": ["json", None],
    "release": ["release", None],
    "twice": ["twice", 3],
    "clone": ["clone", 3],
}
_REST = [["at-eof", None], ["can-read", None], ["readany", None], ["read", -1], ["at-eof", None]]


def _frame(body: bytes, framing: str) -> tuple[dict[str, str], bytes]:
    if framing == "length":
        return {"Content-Length": str(len(body))}, body
    cuts = range(0, len(body), 6 if framing == "chunks" else len(body) or 1)
    pieces = [body[at : at + cuts.step] for at in cuts]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return {"Transfer-Encoding": "chunked"}, chunks + b"0\r\n\r\n"


# -- fields

_VALUES: dict[str, tuple[str, ...]] = {
    "If-None-Match": (
        *('"a"', 'W/"a"', '"a", W/"b"', "*", "a", '"a" "b"', '"a", b, "c"', '""', "", 'w/"a"'),
        *('"a","b"', '"a" , "b"', ', "a"', '"a",, "b"', '"a b"', '"é"', '*, "a"', '"a"x'),
    ),
    "If-Modified-Since": (
        *("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "yesterday", "", "0"),
        *("Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 09:49:37 +0100", "6 Nov 1994 08:49 GMT"),
        *("Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT", '"a"'),
    ),
    "Range": (
        *("bytes=0-9", "bytes=5-", "bytes=-5", "BYTES=0-0", "bytes=9-3", "bytes=-", "items=0-5"),
        *("bytes=0-1,4-5", "bytes= 0-1", "bytes=a-b", "bytes", "bytes=\u0663-\u0664", "bytes=-0"),
    ),
    "Forwarded": (
        *("for=1.2.3.4", 'for="[::1]:80";proto=https;by=x', "For=a;HOST=b", 'for="a\\"b"', "for"),
        *("for=a, for=b;proto=http", "for=1.2.3.4:80", 'for="x', "for = a", ";for=a;;by=b;", ""),
        *("for=a b=c, for=d", "for=a;for=b", 'for="", by=""', "for=[::1]", "for=a,,for=b"),
    ),
    "Content-Length": ("0",),
}
_TOLD = {
    "If-None-Match": ("if_none_match", "if_match"),
    "If-Modified-Since": ("if_modified_since", "if_unmodified_since", "if_range"),
    "Range": ("http_range",),
    "Forwarded": ("forwarded",),
    "Content-Length": ("content_length", "body_exists", "can_read_body"),
}
# Fields whose value is read in the same way.
_ALIKE = {
    "If-None-Match": ("If-Match",),
    "If-Modified-Since": ("If-Unmodified-Since", "If-Range"),
}


def _settle(case: dict[str, Any]) -> dict[str, Any]:
    """What a line that is too long leaves unread depends on how the body came: in one piece."""
    strict = {"readline-within-5", "readuntil-within"} & {case["first"], case["second"]}
    return {**case, "framing": "chunk"} if strict and case["framing"] == "chunks" else case


STEPS = [
    _settle(case)
    for case in pairwise(
        {"body": [*_BODIES], "framing": _FRAMINGS, "first": [*_STEPS], "second": [*_STEPS]}
    )
    # Where nothing comes aiohttp's never ends.
    if case["body"] != "empty" or "iter-chunks" not in (case["first"], case["second"])
]
TOLD = [
    {"field": name, "value": value} for name, values in _VALUES.items() for value in (None, *values)
]


_DIFFERENCES = [*READING_DIFFERENCES, *TOLD_ELSEWHERE]


def request_of(case: dict[str, Any]) -> bytes:
    if "first" in case:
        fields, data = _frame(_BODIES[case["body"]], case["framing"])
        do = quote(json.dumps([_STEPS[case["first"]], _STEPS[case["second"]], *_REST]))
        return request("POST", f"/steps?do={do}", fields, data, protocol="1.1-close")
    name, value = case["field"], case["value"]
    fields = {} if value is None else dict.fromkeys((name, *_ALIKE.get(name, ())), value)
    target = f"/told?names={','.join(_TOLD[name])}"
    return request("GET", target, fields, protocol="1.1-close")


@asynccontextmanager
async def serving(web: Any) -> AsyncIterator[int]:
    runner = web.AppRunner(build_readings(web), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def ask(port: int, data: bytes) -> Any:
    """Give what was told, or the status line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(PATIENCE):
            raw = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    head, _, body = raw.partition(b"\r\n\r\n")
    return json.loads(body) if body[:1] in (b"[", b"{") else head.partition(b"\r\n")[0]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Errors are expected of aiohttp here; their tracebacks would show its source."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("cases", [STEPS, TOLD], ids=["bodies", "fields"])
async def test_readings_are_those_of_aiohttp(cases: list[dict[str, Any]]) -> None:
    """A case differs just where a difference that is meant says so."""
    wrong = []
    async with serving(aiohttp.web) as theirs, serving(bascule.web) as ours:
        for case in cases:
            seen = [await ask(port, request_of(case)) for port in (theirs, ours)]
            named = [each.name for each in _DIFFERENCES if each.holds(case)]
            if (seen[0] != seen[1]) != bool(named):
                wrong.append(f"{case} {named}\n  {seen[0]}\n  {seen[1]}")
    assert "\n".join(wrong) == ""


@pytest.mark.parametrize("difference", _DIFFERENCES, ids=lambda each: each.name)
def test_each_difference_has_a_case(difference: Any) -> None:
    assert any(difference.holds(case) for case in [*STEPS, *TOLD])
