"""No advisory is forgotten."""

import pytest

from advisories.table import ADVISORIES, Advisory, find_tests

TESTS = find_tests()


@pytest.mark.parametrize("advisory", ADVISORIES, ids=lambda each: each.identifier)
def test_each_advisory_is_shown_or_left_out_for_a_reason(advisory: Advisory) -> None:
    assert bool(TESTS[advisory.identifier]) != bool(advisory.left_out)


def test_each_advisory_stands_once() -> None:
    assert len(TESTS) == len(ADVISORIES)
