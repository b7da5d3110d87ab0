"""Few combinations of many dimensions in which every pair of values occurs."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

__all__ = ["pairwise"]

_Value = tuple[int, int]  # dimension and place of a value in it


def pairwise(dimensions: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Choose combinations so that every two values of two dimensions meet at least once.

    Greedy and without chance: each combination begins with the first pair that has not met yet
    and takes in every other dimension the value that makes most new pairs meet.

    Returns:
        combinations, each a value by the name of its dimension.
    """
    names = list(dimensions)
    places = [[(d, v) for v in range(len(dimensions[name]))] for d, name in enumerate(names)]
    missing = {
        pair: None  # a dict as an ordered set
        for one, other in combinations(places, 2)
        for pair in ((a, b) for a in one for b in other)
    }
    rows: list[list[_Value]] = []
    while missing:
        row = _complete(list(next(iter(missing))), places, missing)
        for pair in combinations(row, 2):
            missing.pop(pair, None)
        rows.append(row)
    return [{names[d]: dimensions[names[d]][v] for d, v in row} for row in rows]


def _complete(
    row: list[_Value], places: list[list[_Value]], missing: Mapping[tuple[_Value, _Value], None]
) -> list[_Value]:
    taken = {d for d, _ in row}
    for d, values in enumerate(places):
        if d not in taken:
            row.append(max(values, key=lambda value: _gain(value, row, missing)))
    return sorted(row)


def _gain(value: _Value, row: list[_Value], missing: Mapping[tuple[_Value, _Value], None]) -> int:
    return sum((min(value, other), max(value, other)) in missing for other in row)
