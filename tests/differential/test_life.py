"""However a start or an end fails, the same steps are taken in the same order, or as is listed."""

from fnmatch import fnmatchcase
from itertools import product

import aiohttp.web
import pytest

import bascule.web
from differential.differences import Difference
from differential.lives import (
    CULPRITS,
    ERRORS,
    LIFE_DIFFERENCES,
    PLACES,
    SHAPES,
    Life,
    Story,
    live,
)

LIVES = [Life(*each) for each in product(SHAPES, CULPRITS, PLACES, ERRORS)]


# aiohttp forgets the coroutine that it took for a context.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("place", PLACES)
async def test_lives_are_those_of_aiohttp(place: str, error: str) -> None:
    """In every shape of applications, and whichever of them fails."""
    for life in LIVES:
        if (life.place, life.error) != (place, error):
            continue
        theirs = expected = await live(aiohttp.web, life)
        story = Story(life, await live(aiohttp.web, life.flawless))
        for difference in LIFE_DIFFERENCES:
            if difference.covers(life.name):
                expected = difference.rewrite(expected, story)
        ours = await live(bascule.web, life)
        if ours != expected:
            pytest.fail(
                f"{life.name}\n  aiohttp\n{theirs}\n  expected\n{expected}\n  bascule\n{ours}",
                pytrace=False,
            )


PATTERNS = [
    pytest.param(difference, pattern, id=f"{difference.name}: {pattern}")
    for difference in LIFE_DIFFERENCES
    for pattern in difference.cases
]


@pytest.mark.parametrize(("difference", "pattern"), PATTERNS)
async def test_each_pattern_still_has_a_difference(difference: Difference, pattern: str) -> None:
    """In one life of the pattern at least aiohttp's log is not what bascule's must be."""
    for life in LIVES:
        if fnmatchcase(life.name, pattern):
            theirs = await live(aiohttp.web, life)
            story = Story(life, await live(aiohttp.web, life.flawless))
            if difference.rewrite(theirs, story) != theirs:
                return
    pytest.fail(f"nothing to rewrite for {difference.name!r} in {pattern!r}", pytrace=False)
