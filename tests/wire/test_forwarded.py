"""The Forwarded field, read as aiohttp does (RFC 7239)."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.wire.forwarded import parse_forwarded

CASES = [
    ("", [{}]),
    ("for=1.2.3.4", [{"for": "1.2.3.4"}]),
    ("For=1.2.3.4:80;PROTO=https", [{"for": "1.2.3.4:80", "proto": "https"}]),
    ('for="[::1]:80"', [{"for": "[::1]:80"}]),
    ('for="a\\"b";host="x,y"', [{"for": 'a"b', "host": "x,y"}]),
    ("for=a, for=b ,for=c", [{"for": "a"}, {"for": "b"}, {"for": "c"}]),
    ("for=a;;by=b", [{"for": "a", "by": "b"}]),
    ("for=a b;by=c, for=d", [{"for": "a"}, {"for": "d"}]),
    ("garbage, for=b", [{}, {"for": "b"}]),
    ("for=[::1], for=b", [{}, {"for": "b"}]),
    ('for="unterminated, by=c', [{}, {"by": "c"}]),
]


@pytest.mark.parametrize(("value", "elements"), CASES)
def test_a_field_is_read_element_by_element(value: str, elements: list[dict[str, str]]) -> None:
    assert [dict(each) for each in parse_forwarded([value])] == elements


def test_fields_are_joined_and_one_does_not_spoil_the_next() -> None:
    read = parse_forwarded(['for="unterminated', "for=b"])
    assert [dict(each) for each in read] == [{}, {"for": "b"}]


@pytest.mark.parametrize("piece", [" ", "\t x", ";", '"', 'a="', "a= ", ",", "a=b "])
def test_the_cost_is_linear(piece: str) -> None:
    def cost(size: int) -> float:
        begin = time.process_time()
        parse_forwarded([piece * size])
        return time.process_time() - begin

    cost(1000)
    assert cost(40_000) < 2  # a second is what 8000 blanks cost once, had it been quadratic


NAMES = st.text("abcforby-_", min_size=1, max_size=6)
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=10)
ELEMENTS = st.lists(st.dictionaries(NAMES, TEXTS, min_size=1, max_size=3), min_size=1, max_size=4)


def dump(elements: list[dict[str, str]], comma: str, semicolon: str) -> str:
    return comma.join(
        semicolon.join(f'{name.upper()}="{quote(text)}"' for name, text in element.items())
        for element in elements
    )


def quote(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@settings(deadline=None, max_examples=40)
@given(ELEMENTS, st.sampled_from([",", ", ", " ,\t"]), st.sampled_from([";", "; ", " ;"]))
def test_written_elements_are_read_back(
    elements: list[dict[str, str]], comma: str, semicolon: str
) -> None:
    read = parse_forwarded([dump(elements, comma, semicolon)])
    assert [dict(each) for each in read] == elements


@given(st.lists(st.text('for=",; \\\tab[]')))
def test_any_texts_are_read(values: list[str]) -> None:
    """And none spoils what comes behind it."""
    *_, last = parse_forwarded([*values, "for=z"])
    assert dict(last) == {"for": "z"}
