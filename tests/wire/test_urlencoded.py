"""Urlencoded forms are read as `urllib.parse` reads them, and in bounded time."""

import time
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.wire.urlencoded import parse_urlencoded

_TEXTS = st.lists(
    st.sampled_from(
        ["a", "=", "&", "+", "%", "%4", "%41", "%C3", "%a9", "%zz", "é", "\0", " ", ";"]
    )
).map("".join)


@given(_TEXTS, st.sampled_from(["utf-8", "latin-1", "cp1251", "utf-16", "shift_jis"]))
def test_they_are_read_as_by_the_standard_library(text: str, charset: str) -> None:
    expected = parse_qsl(text, keep_blank_values=True, encoding=charset)
    assert parse_urlencoded(text, charset) == expected


@pytest.mark.parametrize("unit", ["%", "%4", "%zz", "%41", "é%"])
def test_percent_signs_cost_no_more_than_other_text(unit: str) -> None:
    """Each of them was an exception once: 0.66 s for a mebibyte."""
    size = 200_000
    text = unit * (size // len(unit))
    ours, theirs = _time(text, parse_urlencoded), _time("%41" * (size // 3), _parse_by_library)
    assert ours < 3 * theirs


def _parse_by_library(text: str, charset: str) -> object:
    return parse_qsl(text, keep_blank_values=True, encoding=charset)


def _time(text: str, parse: object) -> float:
    """Give the best of five, in seconds of this thread."""
    times = []
    for _ in range(5):
        start = time.thread_time()
        parse(text, "utf-8")  # type: ignore[operator]  # one of two functions
        times.append(time.thread_time() - start)
    return min(times)
