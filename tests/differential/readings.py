"""An application that reads bodies step by step, and one that tells what fields mean."""

import asyncio
import json
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["READING_DIFFERENCES", "TOLD_ELSEWHERE", "ReadingDifference", "build_readings"]

# Of a request and its reader, and an argument; a list is told as it is.
Step = Callable[[Any, Any], Awaitable[Any]]
# Errors whose texts are their own on each side.
_OWN_WORDS = ("ValueError", "RuntimeError", "LineTooLong")


def build_readings(web: Any) -> Any:
    """Make the application: ``/steps?do=[[name, argument], ...]`` and ``/told?names=a,b``."""

    async def steps(request: Any) -> Any:
        # All of the body is there before the first step: what a read gives is the same then.
        await request.content.wait_eof()
        told = []
        for name, argument in json.loads(request.query["do"]):
            told.append([name, await _try(_STEPS[name], request, argument)])
        return web.Response(text=json.dumps(told, indent=0))

    async def told(request: Any) -> Any:
        seen = {}
        for name in request.query["names"].split(","):
            try:
                seen[name] = repr(getattr(request, name))
            except Exception as exc:
                seen[name] = f"raised {type(exc).__name__}: {exc}"
        return web.Response(text=json.dumps(seen, indent=0))

    app = web.Application(client_max_size=50)
    app.router.add_route("*", "/steps", steps)
    app.router.add_route("*", "/told", told)
    return app


async def _try(step: Step, request: Any, argument: Any) -> Any:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DeprecationWarning)
        try:
            result = await step(request, argument)
        except asyncio.IncompleteReadError as exc:
            result = ["raised", type(exc).__name__, repr(exc.partial), exc.expected]
        except Exception as exc:
            name = type(exc).__name__
            result = ["raised", "error" if name in _OWN_WORDS else name]
    return [_plain(result), [str(each.message) for each in caught]]


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, int | str | None) else repr(value)


async def _iterate(iterator: Any) -> list[Any]:
    return [each async for each in iterator]


async def _first(iterator: Any) -> Any:
    """Give the first of an iteration, and leave the rest."""
    try:
        return await anext(aiter(iterator))
    except StopAsyncIteration:
        return "nothing"


async def _give(value: Any) -> Any:
    return value


async def _twice(request: Any, size: int) -> list[Any]:
    """Two reads at a time, where nothing is waited for."""
    return await asyncio.gather(request.content.read(size), request.content.read(size))


async def _clone(request: Any, size: int) -> Any:
    """Read by a clone; the stream is the same."""
    clone = request.clone(method="PUT", rel_url="/other?b=1")
    data = await clone.content.read(size)
    facts = [clone.method, clone.path, clone.query_string, clone.content is request.content]
    return [data, facts, request.method, request.can_read_body]


_STEPS: dict[str, Step] = {
    "read": lambda request, n: request.content.read(n),
    "readany": lambda request, _: request.content.readany(),
    "readexactly": lambda request, n: request.content.readexactly(n),
    "readline": lambda request, _: request.content.readline(),
    "readline-within": lambda request, n: request.content.readline(max_line_length=n),
    "readuntil": lambda request, text: request.content.readuntil(text.encode()),
    "readuntil-within": lambda request, pair: request.content.readuntil(
        pair[0].encode(), max_size=pair[1]
    ),
    "readchunk": lambda request, _: request.content.readchunk(),
    "read-nowait": lambda request, n: _later(lambda: request.content.read_nowait(n)),
    "unread": lambda request, text: _later(lambda: request.content.unread_data(text.encode())),
    "iter-chunked": lambda request, n: _iterate(request.content.iter_chunked(n)),
    "iter-any": lambda request, _: _iterate(request.content.iter_any()),
    "iter-chunks": lambda request, _: _iterate(request.content.iter_chunks()),
    "iter-lines": lambda request, _: _iterate(request.content),
    "first-line": lambda request, _: _first(request.content),
    "first-chunk": lambda request, _: _first(request.content.iter_chunks()),
    "first-piece": lambda request, n: _first(request.content.iter_chunked(n)),
    "at-eof": lambda request, _: _give(request.content.at_eof()),
    "is-eof": lambda request, _: _give(request.content.is_eof()),
    "exception": lambda request, _: _give(request.content.exception()),
    "total": lambda request, _: _give(request.content.total_bytes),
    "can-read": lambda request, _: _give(request.can_read_body),
    "has-body": lambda request, _: _later(lambda: request.has_body),
    "wait-eof": lambda request, _: request.content.wait_eof(),
    "request-read": lambda request, _: request.read(),
    "text": lambda request, _: request.text(),
    "json": lambda request, _: request.json(),
    "release": lambda request, _: request.release(),
    "twice": _twice,
    "clone": _clone,
}


async def _later(function: Callable[[], Any]) -> Any:
    return function()


@dataclass(frozen=True, slots=True)
class ReadingDifference:
    """One intended difference.

    Attributes:
        name: of the difference.
        reason: one sentence.
        holds: whether a case, of steps or of a field, shows it.
    """

    name: str
    reason: str
    holds: Callable[[dict[str, Any]], bool]


def _is_empty(case: dict[str, Any]) -> bool:
    """Whether a step is one that the reader of no body fails at in aiohttp."""
    if case.get("body") != "empty" or case["framing"] != "length":
        return False
    steps = (case["first"], case["second"])
    lacking = {"readexactly-0", "readuntil-blank", "readuntil-marks", "readuntil-within", "unread"}
    return bool(lacking & {*steps}) or "first-chunk" in steps or steps == ("readchunk",) * 2


READING_DIFFERENCES = [
    ReadingDifference(
        name="a body of no bytes is read like any that has come to its end",
        reason="In aiohttp readuntil() and unread_data() fail with an AttributeError there, and "
        "iter_chunks() never ends.",
        holds=_is_empty,
    ),
    ReadingDifference(
        name="readchunk() gives what was put back together with what follows",
        reason="Both are bytes of one chunk.",
        holds=lambda case: (
            case.get("first") == "unread"
            and case["second"] in ("readchunk", "iter-chunks", "first-chunk")
            and case["framing"] == "length"
        ),
    ),
]
# Those that are told of files already.
TOLD_ELSEWHERE = [
    ReadingDifference(
        name="lists of entity tags may have empty elements",
        reason="RFC 9110 section 5.6.1.2; aiohttp stops reading at them.",
        holds=lambda case: case.get("value") in (', "a"', '"a",, "b"'),
    ),
    ReadingDifference(
        name="a zone in a date counts",
        reason="aiohttp drops the zone; RFC 9110 section 5.6.7 has recipients be lenient.",
        holds=lambda case: str(case.get("value")).endswith("+0100"),
    ),
]
