"""The generator of combinations keeps its word."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pytest

from differential.pairwise import pairwise

DIMENSIONS = [
    pytest.param({"a": [1, 2], "b": [1, 2, 3]}, id="two-dimensions"),
    pytest.param({"a": "abcdefgh", "b": "abcdef", "c": "ab", "d": "abc", "e": "abcd"}, id="five"),
]


@pytest.mark.parametrize("dimensions", DIMENSIONS)
def test_every_pair_of_values_occurs(dimensions: dict[str, Sequence[Any]]) -> None:
    """Each two values of two dimensions meet in a row."""
    rows = pairwise(dimensions)
    for one, other in combinations(dimensions, 2):
        met = {(row[one], row[other]) for row in rows}
        assert met == {(a, b) for a in dimensions[one] for b in dimensions[other]}


def test_rows_are_far_fewer_than_the_product() -> None:
    """48 pairs of the two longest dimensions are the least there can be."""
    assert len(pairwise(DIMENSIONS[1].values[0])) < 80
