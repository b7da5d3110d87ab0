"""What aiohttp refuses to send is refused, and the rest is sent, but for what is listed."""

import logging
from collections.abc import Iterator
from typing import Any

import aiohttp.web
import pytest

from bascule import web
from differential.outputs import OUTPUT_DIFFERENCES, OUTPUTS, find_outcome


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Errors are expected of both here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", OUTPUTS)
async def test_bad_text_is_refused_as_by_aiohttp(name: str) -> None:
    theirs: Any = await find_outcome(aiohttp.web, *OUTPUTS[name])
    ours = await find_outcome(web, *OUTPUTS[name])
    for difference in OUTPUT_DIFFERENCES:
        if difference.covers(name) and theirs != ours:
            theirs = difference.rewrite(theirs, b"")
    assert ours == theirs


@pytest.mark.parametrize("pattern", [each for one in OUTPUT_DIFFERENCES for each in one.cases])
async def test_each_entry_is_there(pattern: str) -> None:
    """An entry that finds nothing to rewrite tells of a difference that is gone."""
    (difference,) = [one for one in OUTPUT_DIFFERENCES if pattern in one.cases]
    names = [name for name in OUTPUTS if difference.covers(name)]
    found = [await find_outcome(aiohttp.web, *OUTPUTS[name]) for name in names]
    assert "sent" in found
