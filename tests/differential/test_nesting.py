"""In applications inside applications everybody is called in the same order, and sees the same."""

import re
import warnings
from typing import Any

import aiohttp.web
import pytest

import bascule.web
from differential.frame import Call, Case, compare, record
from differential.nests import MIDDLEWARES, NESTINGS, OUTCOMES, READINGS, SIGNALS, Nest
from differential.pairwise import pairwise

NESTS = [
    Nest(**row)
    for row in pairwise(
        {
            "nesting": list(NESTINGS),
            "middlewares": list(MIDDLEWARES),
            "signals": list(SIGNALS),
            "outcome": list(OUTCOMES),
            "reading": READINGS,
        }
    )
]
CASES = [Case(nest.name, nest.build, Call(nest.data)) for nest in NESTS]


# What aiohttp logs of an error that bascule answers with a page.
UNHANDLED = "Unhandled exception", "Error handling request from 127.0.0.1"


def logged(caplog: pytest.LogCaptureFixture, package: str) -> list[Any]:
    """Tell what one of the two packages has logged, and of which exception."""
    return [
        (
            record.levelname,
            record.getMessage().replace(*UNHANDLED),
            # That nothing was returned is an error of another type in each.
            repr((record.exc_info or [None] * 3)[1]) * ("Missing return" not in record.message),
        )
        for record in caplog.records
        if record.name.startswith(package)
    ]


def expected_record(nest: Nest) -> list[Any]:
    """Give what bascule must have recorded, where it differs from what aiohttp has.

    No second answer is prepared behind one that was sent.
    """
    theirs = nest.records["aiohttp.web"]
    if (nest.middlewares, nest.outcome) == ("raise-behind-inner", "streamed"):
        last = max(n for n, (who, *_) in enumerate(theirs) if who.startswith("middleware"))
        return theirs[: last + 1]
    return theirs


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # some of these parts are old
@pytest.mark.parametrize(
    ("nest", "case"), list(zip(NESTS, CASES, strict=True)), ids=[case.name for case in CASES]
)
async def test_nests_behave_as_in_aiohttp(
    nest: Nest, case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    """The same bytes leave, the same functions are called, and the same is logged."""
    await compare(case)
    assert nest.records["bascule.web"] == expected_record(nest)
    assert logged(caplog, "bascule") == logged(caplog, "aiohttp")


async def warnings_of(web: Any, nest: Nest) -> list[str]:
    """Tell what is warned of while a nest is built and answers, places apart."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await record(web, Case(nest.name, nest.build, Call(nest.data)))
    texts = [f"{each.category.__name__}: {each.message}" for each in caught]
    return [re.sub("0x[0-9a-f]+", "0x", text) for text in texts]


@pytest.mark.parametrize("outcome", ["returned", "exception-returned"])
@pytest.mark.parametrize("middlewares", ["one", "old-style", "catch-outer"])
@pytest.mark.parametrize("nesting", ["flat", "prefix-prefix"])
async def test_old_ways_are_warned_of(nesting: str, middlewares: str, outcome: str) -> None:
    """Each old-style middleware once, each HTTPException that is returned every time."""
    nest = Nest(nesting, middlewares, "none", outcome, "handler")
    assert await warnings_of(bascule.web, nest) == await warnings_of(aiohttp.web, nest)
