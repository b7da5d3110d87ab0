"""What comes of a piece of code with each of the two packages, and where its warnings point."""

import inspect
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import aiohttp.web
import pytest

import bascule.web

from .differences import Difference

__all__ = [
    "OBJECT_DIFFERENCES",
    "VALUE",
    "Outcome",
    "Warned",
    "compare_outcomes",
    "find_outcome",
    "plain",
    "still_differs",
]

Code = Callable[[Any], Any]  # of a `web` module; perhaps a coroutine function

# A typed key of each package.
VALUE = {web: web.AppKey("value", int) for web in (aiohttp.web, bascule.web)}
_HERE = Path(__file__).parent
_ADDRESS = re.compile(r"0x[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning.

    Attributes:
        category: name of its class.
        text: of it.
        place: file and line that it points at, when that is a test's; None elsewhere.
    """

    category: str
    text: str
    place: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a piece of code.

    Attributes:
        result: what it gave, or type and text of what it raised.
        warned: the warnings on the way.
    """

    result: Any
    warned: tuple[Warned, ...] = ()


async def find_outcome(web: Any, code: Code) -> Outcome:
    """Run a piece of code and tell what came of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", category=ResourceWarning)
        try:
            result = code(web)
            if inspect.isawaitable(result):
                result = await result
        except Exception as exc:
            result = ("raised", type(exc).__name__, str(exc))
    return Outcome(plain(result), tuple(_tell_warning(each) for each in caught))


def _tell_warning(warning: warnings.WarningMessage) -> Warned:
    own = Path(warning.filename).is_relative_to(_HERE)
    place = f"{Path(warning.filename).name}:{warning.lineno}" if own else None
    return Warned(warning.category.__name__, plain(str(warning.message)), place)


def plain(value: Any) -> Any:
    """Take out of a value what no two packages and no two runs have in common."""
    if isinstance(value, str):
        text = _ADDRESS.sub("0x", value).replace("bascule", "aiohttp")
        return text.replace("aiohttp.message.exceptions", "aiohttp.web_exceptions")
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, int | float | bytes | bytearray | set | frozenset | None):
        return value
    return f"{type(value).__name__}: {plain(str(value))}"


async def compare_outcomes(name: str, code: Code) -> None:
    """Run a piece of code on both; fail the test unless the outcomes agree or differ as expected.

    Warnings of bascule point at a line of the test; where aiohttp's do, too, at the same.
    """
    theirs = expected = await find_outcome(aiohttp.web, code)
    ours = await find_outcome(bascule.web, code)
    for difference in OBJECT_DIFFERENCES:
        if difference.covers(name):
            expected = difference.rewrite(expected, name)
    if len(ours.warned) == len(expected.warned):
        places = [mine.place for mine in ours.warned]
        expected = replace(
            expected,
            warned=tuple(
                replace(one, place=one.place or place or "a line of the test")
                for one, place in zip(expected.warned, places, strict=True)
            ),
        )
    if ours != expected:
        _fail(name, theirs, expected, ours)


def _fail(name: str, *outcomes: Outcome) -> None:
    lines = [name]
    for who, outcome in zip(("aiohttp", "expected", "bascule"), outcomes, strict=True):
        lines.append(f"  {who}: {outcome.result!r}")
        lines += [f"      {warning}" for warning in outcome.warned]
    pytest.fail("\n".join(lines), pytrace=False)


async def still_differs(difference: Difference, pattern: str, codes: Mapping[str, Code]) -> bool:
    """Say whether a difference finds something to rewrite in a case of a pattern."""
    for name, code in codes.items():
        if fnmatchcase(name, pattern):
            theirs = await find_outcome(aiohttp.web, code)
            if difference.rewrite(theirs, name) != theirs:
                return True
    return False


def _give(result: Any) -> Callable[[Outcome, str], Outcome]:
    return lambda theirs, name: replace(theirs, result=result)


def _refuse_what_is_no_application(theirs: Outcome, name: str) -> Outcome:
    what = {
        "None": "None",
        "a router": "<UrlDispatcher 0 resources>",
        "a class": "<class 'aiohttp.app.application.Application'>",
    }[name.partition("of ")[2]]
    text = f"Sub-application must be web.Application, got {what}"
    return replace(theirs, result=["raised", "TypeError", text])


OBJECT_DIFFERENCES: list[Difference] = [
    Difference(
        name="an application is called as ASGI says",
        reason="It is an ASGI application; aiohttp's gives itself, for servers of long ago.",
        cases=("mapping/call",),
        rewrite=_give(
            [
                [
                    [
                        "raised",
                        "TypeError",
                        "Application.__call__() missing 3 required positional arguments: 'scope', "
                        "'receive', and 'send'",
                    ]
                ],
                0,
                [],
            ]
        ),
    ),
    Difference(
        name="an application whose debug was not given has None there",
        reason="As the annotation says; aiohttp's sentinel is an Ellipsis.",
        cases=("deprecated/debug not given",),
        rewrite=_give("None"),
    ),
    Difference(
        name="old-style middlewares are called when their turn comes",
        reason="And not where one before them answers; aiohttp calls all factories of a request "
        "first, the innermost first.",
        cases=("deprecated/order of factories",),
        rewrite=_give(["0 middleware", "0 factory", "1 middleware", "1 factory"]),
    ),
    Difference(
        name="what is no application cannot be added to one",
        reason="The mistake is told by a TypeError, not by what fails first.",
        cases=("register/sub/of None", "register/sub/of a [rc]*", "register/domain/of None"),
        rewrite=_refuse_what_is_no_application,
    ),
    Difference(
        name="an application cannot be added to itself",
        reason="Every request below the prefix would be searched for without an end.",
        cases=("register/sub/to itself",),
        rewrite=_give(["raised", "RuntimeError", "Cannot add an application to itself"]),
    ),
    Difference(
        name="an application with domains may be added below a prefix",
        reason="aiohttp fails with a KeyError.",
        cases=("register/domain/below a prefix",),
        rewrite=_give("<PrefixedSubAppResource /a -> <Application 0x>>"),
    ),
]
