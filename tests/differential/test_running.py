"""Programs that serve do the same on bascule as on aiohttp, or as is listed."""

from fnmatch import fnmatchcase

import pytest

from differential.differences import Difference
from differential.running import (
    CASES,
    KNOWN_DIFFERENCES,
    RUNNING_DIFFERENCES,
    Outcome,
    name_of,
    run_all,
)

DIFFERENCES = [*RUNNING_DIFFERENCES, *KNOWN_DIFFERENCES]
NAMES = [name_of(case) for case in CASES]
Outcomes = dict[str, tuple[Outcome, Outcome]]


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    """What became of each case, on aiohttp and on bascule."""
    return dict(zip(NAMES, run_all(CASES), strict=True))


def test_names_of_cases_are_unique() -> None:
    """The list of differences refers to cases by name."""
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("number", range(len(CASES)), ids=NAMES)
def test_programs_run_as_on_aiohttp(outcomes: Outcomes, number: int) -> None:
    """Step by step, with the same exit status and the same error."""
    case, name = CASES[number], NAMES[number]
    theirs, ours = outcomes[name]
    expected = theirs
    for difference in DIFFERENCES:
        if difference.covers(name):
            expected = difference.rewrite(expected, case)
    if ours.whole != expected.whole:
        pytest.fail(
            f"{name}\n  aiohttp\n{theirs}\n  expected\n{expected}\n  bascule\n{ours}",
            pytrace=False,
        )


def test_programs_leave_nothing_open(outcomes: Outcomes) -> None:
    """Python complains at the end of none about sockets, tasks or coroutines."""
    complaints = {
        name: ours.complaints
        for name, (_, ours) in outcomes.items()
        if any("DeprecationWarning" not in complaint for complaint in ours.complaints)
    }
    assert complaints == {}


def test_warnings_are_those_of_aiohttp(outcomes: Outcomes) -> None:
    for name, (theirs, ours) in outcomes.items():
        assert _list_deprecations(ours) == _list_deprecations(theirs), name


def _list_deprecations(outcome: Outcome) -> list[str]:
    return [line for line in outcome.complaints if "DeprecationWarning" in line]


PATTERNS = [
    pytest.param(difference, pattern, id=f"{difference.name}: {pattern}")
    for difference in DIFFERENCES
    for pattern in difference.cases
]


@pytest.mark.parametrize(("difference", "pattern"), PATTERNS)
def test_each_pattern_still_has_a_difference(
    outcomes: Outcomes, difference: Difference, pattern: str
) -> None:
    """In one case of the pattern at least aiohttp's outcome is not what bascule's must be."""
    for case, name in zip(CASES, NAMES, strict=True):
        if fnmatchcase(name, pattern):
            theirs, _ = outcomes[name]
            if difference.rewrite(theirs, case).whole != theirs.whole:
                return
    pytest.fail(f"nothing to rewrite for {difference.name!r} in {pattern!r}", pytrace=False)
