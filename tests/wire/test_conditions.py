"""Entity tags, ranges, and the verdict on conditional requests."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bascule.wire.conditions import (
    ETag,
    Validators,
    Verdict,
    dump_content_range,
    dump_etag,
    dump_etags,
    dump_range,
    join_field,
    judge,
    parse_etag,
    parse_etags,
    parse_range,
)

# -- entity tags ----------------------------------------------------------------------------------

VALUE_CHARACTERS = "!" + "".join(map(chr, [*range(0x23, 0x7F), *range(0x80, 0x100)]))
values = st.text(VALUE_CHARACTERS, min_size=1).filter(lambda value: value != "*")
tags = st.builds(ETag, values, st.booleans())


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ('"x"', ETag("x")),
        ('W/"x"', ETag("x", is_weak=True)),
        ("*", ETag("*")),
        ('"a,b"', ETag("a,b")),
        ('"é"', ETag("é")),
        (None, None),
        ("", None),
        ("x", None),
        ('""', None),
        ('"x', None),
        ('w/"x"', None),
        ('W/ "x"', None),
        ("W/*", None),
        ('"x" ', None),
        ('"x","y"', None),
        ('"a b"', None),
        ('"\x7f"', None),
        ('"☃"', None),
        ('"\udce9"', None),
    ],
)
def test_one_entity_tag_is_read(value: str | None, tag: ETag | None) -> None:
    """RFC 9110 section 8.8.3."""
    assert parse_etag(value) == tag


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("*", (ETag("*"),)),
        ('"a"', (ETag("a"),)),
        ('"a", W/"b"', (ETag("a"), ETag("b", is_weak=True))),
        ('"a"\t,\t"b","c"', (ETag("a"), ETag("b"), ETag("c"))),
        ('"a,b","c"', (ETag("a,b"), ETag("c"))),
        pytest.param(',, "a",,\t,"b",', (ETag("a"), ETag("b")), id="empty elements"),
        ('"a", *', (ETag("a"),)),
        ('*, "a"', ()),
        ('"a" b', ()),
        ('"a", b, "c"', (ETag("a"),)),
        ('"a";"b"', ()),
        ("a", ()),
        (" ", ()),
    ],
)
def test_entity_tags_are_read_up_to_the_first_malformed_one(
    value: str | None, expected: tuple[ETag, ...] | None
) -> None:
    """As in aiohttp, but for empty elements (RFC 9110 section 5.6.1.2)."""
    assert parse_etags(value) == expected


@given(tags)
def test_a_dumped_entity_tag_is_read_back(tag: ETag) -> None:
    assert parse_etag(dump_etag(tag)) == tag
    assert parse_etags(dump_etag(tag)) == (tag,)


@given(st.lists(tags, min_size=1))
def test_dumped_entity_tags_are_read_back(several: list[ETag]) -> None:
    assert parse_etags(dump_etags(tuple(several))) == tuple(several)


@pytest.mark.parametrize("value", ["", " ", 'a"b', "a b", "\x7f", "aĀ", "a\nb", "\0"])
def test_what_no_entity_tag_holds_is_not_written(value: str) -> None:
    with pytest.raises(ValueError, match=r"is not a valid etag\. Maybe it contains"):
        dump_etag(ETag(value))


def test_any_entity_tag_is_written_without_quotes() -> None:
    assert dump_etag(ETag("*")) == dump_etag(ETag("*", is_weak=True)) == "*"


@given(st.text(st.sampled_from('W/"*, \tax\x00é')))
def test_any_text_may_be_read_as_entity_tags(text: str) -> None:
    for tag in parse_etags(text) or ():
        assert dump_etag(tag) in text or tag.value == "*"


def test_long_lists_are_read_in_linear_time() -> None:
    """Each step begins where the last one ended: a few hundred thousand take no time."""
    assert parse_etags('"a",' * 200_000 + "x") == (ETag("a"),) * 200_000
    assert parse_etags(" ," * 200_000 + "x") == ()


# -- ranges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (None, slice(None, None, 1)),
        ("bytes=0-0", slice(0, 1, 1)),
        ("bytes=2-5", slice(2, 6, 1)),
        ("bytes=5-", slice(5, None, 1)),
        ("bytes=-3", slice(-3, None, 1)),
        ("bytes=-0", slice(0, None, 1)),
        ("BYTES=1-2", slice(1, 3, 1)),
        ("bytes=0000001-2", slice(1, 3, 1)),
        (f"bytes=0-{'9' * 99}", slice(0, 10**99, 1)),
    ],
)
def test_a_range_is_a_slice(value: str | None, part: slice) -> None:
    assert parse_range(value) == part


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("bytes=-", "No start or end of range specified"),
        ("bytes=5-2", "start cannot be after end"),
        *(
            (value, "range not in acceptable format")
            for value in (
                "",
                "bytes",
                "bytes=",
                "1-2",
                "items=1-2",
                "xbytes=1-2",
                " bytes=1-2",
                "bytes =1-2",
                "bytes= 1-2",
                "bytes=1 - 2",
                "bytes=1-2 ",
                "bytes=1-2,4-5",
                "bytes=a-b",
                "bytes=+1-2",
                "bytes=--1",
                "bytes=1_0-",
                "bytes=١-٢",
                f"bytes=0-{'9' * 100}",
                f"bytes=-{'9' * 5000}",
            )
        ),
    ],
)
def test_what_is_no_single_range_of_bytes(value: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse_range(value)


positions = st.integers(0, 10**18)
slices = st.one_of(
    st.builds(lambda start: slice(start, None, 1), positions),
    st.builds(lambda count: slice(-count, None, 1), st.integers(1, 10**18)),
    st.builds(lambda start, count: slice(start, start + count, 1), positions, st.integers(1, 999)),
)


@given(slices)
def test_a_dumped_range_is_read_back(part: slice) -> None:
    assert parse_range(dump_range(part)) == part


@pytest.mark.parametrize(
    ("arguments", "value"),
    [((10, 0, 1), "bytes 0-0/10"), ((10, 2, 10), "bytes 2-9/10"), ((10,), "bytes */10")],
)
def test_content_range_is_inclusive(arguments: tuple[int, ...], value: str) -> None:
    assert dump_content_range(*arguments) == value


# -- the verdict ----------------------------------------------------------------------------------

FILE = Validators(ETag("tag"), 784111777, 10)
THEN = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
WHOLE = Verdict(200, 0, 10)
PART = Verdict(206, 1, 3)
RANGE = {"Range": "bytes=1-2"}

VERDICTS: list[tuple[dict[str, str], Verdict]] = [
    ({}, WHOLE),
    # If-Match compares strongly
    ({"If-Match": '"tag"'}, WHOLE),
    ({"If-Match": '"x", "tag"'}, WHOLE),
    ({"If-Match": "*"}, WHOLE),
    ({"If-Match": 'W/"tag"'}, Verdict(412)),
    ({"If-Match": '"x"'}, Verdict(412)),
    ({"If-Match": "tag"}, Verdict(412)),
    ({"If-Match": ""}, WHOLE),
    # If-Unmodified-Since counts without If-Match only
    ({"If-Unmodified-Since": THEN}, WHOLE),
    ({"If-Unmodified-Since": AFTER}, WHOLE),
    ({"If-Unmodified-Since": BEFORE}, Verdict(412)),
    ({"If-Unmodified-Since": "x"}, WHOLE),
    ({"If-Unmodified-Since": BEFORE, "If-Match": '"tag"'}, WHOLE),
    ({"If-Unmodified-Since": BEFORE, "If-None-Match": '"tag"'}, Verdict(412)),
    # If-None-Match compares weakly
    ({"If-None-Match": '"tag"'}, Verdict(304)),
    ({"If-None-Match": 'W/"x", W/"tag"'}, Verdict(304)),
    ({"If-None-Match": "*"}, Verdict(304)),
    ({"If-None-Match": '"x"'}, WHOLE),
    ({"If-None-Match": "tag"}, WHOLE),
    ({"If-None-Match": '"tag"', "If-Match": '"tag"'}, Verdict(304)),
    ({"If-None-Match": '"tag"', "If-Match": '"x"'}, Verdict(412)),
    # If-Modified-Since counts without If-None-Match only
    ({"If-Modified-Since": THEN}, Verdict(304)),
    ({"If-Modified-Since": AFTER}, Verdict(304)),
    ({"If-Modified-Since": BEFORE}, WHOLE),
    ({"If-Modified-Since": "x"}, WHOLE),
    ({"If-Modified-Since": THEN, "If-None-Match": '"x"'}, WHOLE),
    # Range
    (RANGE, PART),
    ({"Range": "bytes=-3"}, Verdict(206, 7, 10)),
    ({"Range": "bytes=-30"}, Verdict(206, 0, 10)),
    ({"Range": "bytes=8-80"}, Verdict(206, 8, 10)),
    ({"Range": "bytes=10-"}, Verdict(416)),
    ({"Range": "bytes=3-2"}, Verdict(416)),
    ({"Range": "bytes=1-2,4-5"}, Verdict(416)),
    ({"Range": "1-2"}, Verdict(416)),
    ({"Range": "items=1-2"}, WHOLE),
    ({"Range": "seconds = 3"}, WHOLE),
    ({**RANGE, "If-None-Match": '"tag"'}, Verdict(304)),
    ({**RANGE, "If-Match": '"x"'}, Verdict(412)),
    ({"Range": "bytes=10-", "If-Modified-Since": THEN}, Verdict(304)),
    # If-Range, without Range of no meaning
    ({"If-Range": '"x"'}, WHOLE),
    ({**RANGE, "If-Range": '"tag"'}, PART),
    ({**RANGE, "If-Range": 'W/"tag"'}, WHOLE),
    ({**RANGE, "If-Range": '"x"'}, WHOLE),
    ({**RANGE, "If-Range": "*"}, WHOLE),
    ({**RANGE, "If-Range": THEN}, PART),
    ({**RANGE, "If-Range": BEFORE}, WHOLE),
    ({**RANGE, "If-Range": AFTER}, WHOLE),
    ({**RANGE, "If-Range": "x"}, WHOLE),
    ({"Range": "bytes=10-", "If-Range": '"x"'}, WHOLE),
]


@pytest.mark.parametrize(("fields", "verdict"), VERDICTS, ids=str)
def test_conditions_of_get_are_held_in_order(fields: dict[str, str], verdict: Verdict) -> None:
    """RFC 9110 section 13.2.2."""
    assert judge("GET", CIMultiDict(fields), FILE) == verdict


@pytest.mark.parametrize(("fields", "verdict"), VERDICTS, ids=str)
def test_conditions_of_head_are_those_of_get_without_ranges(
    fields: dict[str, str], verdict: Verdict
) -> None:
    """RFC 9110 section 14.2: Range is ignored but for GET."""
    expected = WHOLE if verdict.status in (206, 416) else verdict
    assert judge("HEAD", CIMultiDict(fields), FILE) == expected


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"If-None-Match": '"tag"'}, Verdict(412)),
        ({"If-None-Match": '"x"'}, WHOLE),
        ({"If-Match": '"x"'}, Verdict(412)),
        ({"If-Modified-Since": THEN}, WHOLE),
        (RANGE, WHOLE),
    ],
)
def test_other_methods_have_no_304(fields: dict[str, str], verdict: Verdict) -> None:
    """RFC 9110 sections 13.1.2 and 13.1.3."""
    assert judge("POST", CIMultiDict(fields), FILE) == verdict


def test_no_range_of_nothing_can_be_satisfied() -> None:
    empty = Validators(ETag("tag"), 0, 0)
    assert judge("GET", CIMultiDict(Range="bytes=0-"), empty) == Verdict(416)
    assert judge("GET", CIMultiDict(Range="bytes=-1"), empty) == Verdict(416)
    assert judge("GET", CIMultiDict(), empty) == Verdict(200, 0, 0)


def test_several_fields_are_one_list() -> None:
    """RFC 9110 section 5.3."""
    fields: Any = CIMultiDict([("If-None-Match", '"x"'), ("if-none-match", '"tag"')])
    assert join_field(fields, "If-None-Match") == '"x", "tag"'
    assert join_field(fields, "If-Match") is None
    assert judge("GET", fields, FILE) == Verdict(304)


@given(st.integers(0, 50), slices)
def test_what_is_sent_lies_within_the_file(size: int, part: slice) -> None:
    data = bytes(range(size))
    verdict = judge("GET", CIMultiDict(Range=dump_range(part)), Validators(ETag("x"), 0, size))
    assert data[verdict.start : verdict.stop] == data[part]
    assert verdict.status == (206 if data[part] else 416)


def judge_several(value: str, size: int = 10, most: int = 4) -> Verdict:
    fields = CIMultiDict(Range=value)
    return judge("GET", fields, Validators(ETag("tag"), 0, size), max_ranges=most)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        ("bytes=0-1,4-5", Verdict(206, parts=((0, 2), (4, 6)))),
        ("bytes=4-5,0-1", Verdict(206, parts=((4, 6), (0, 2)))),
        ("bytes=0-0,2-2,4-4,6-6", Verdict(206, parts=((0, 1), (2, 3), (4, 5), (6, 7)))),
        ("bytes=,0-1,,\t4-5 ,", Verdict(206, parts=((0, 2), (4, 6)))),
        ("bytes=0-1,-1", Verdict(206, parts=((0, 2), (9, 10)))),
        ("bytes=0-1,10-", Verdict(206, 0, 2)),
        ("bytes=0-1,2-3", Verdict(206, 0, 4)),
        ("bytes=0-5,2-3", Verdict(206, 0, 6)),
        ("bytes=2-3,0-5", Verdict(206, 0, 6)),
        ("bytes=6-8,2-3,4-4", Verdict(206, parts=((6, 9), (2, 5)))),
        ("bytes=3-3,9-9,2-2", Verdict(206, parts=((2, 4), (9, 10)))),
        ("bytes=0-0,2-2,4-4,6-6,8-8", Verdict(416)),
        ("bytes=10-,11-", Verdict(416)),
        ("bytes=-0,20-", Verdict(206, 0, 10)),  # of a suffix of nothing aiohttp makes all
        ("bytes=,", Verdict(416)),
        ("bytes=0-1,3-2", Verdict(416)),
        ("bytes=0-1,a", Verdict(416)),
        ("bytes=0-1,2 - 3", Verdict(416)),
        ("0-1,4-5", Verdict(416)),
        ("bytes", Verdict(416)),
        ("items=0-1,4-5", WHOLE),
    ],
)
def test_several_ranges_are_joined_and_bounded(value: str, verdict: Verdict) -> None:
    """RFC 9110 sections 14.2 and 15.3.7.2."""
    assert judge_several(value) == verdict


@given(st.integers(1, 50), st.lists(slices, min_size=1, max_size=8))
def test_several_ranges_send_what_was_asked_and_nothing_twice(
    size: int, several: list[slice]
) -> None:
    value = "bytes=" + ", ".join(dump_range(part).removeprefix("bytes=") for part in several)
    verdict = judge_several(value, size, 8)
    asked = {place for part in several for place in range(size)[part]}
    spans = verdict.parts or ((verdict.start, verdict.stop),)
    sent = [place for start, stop in spans for place in range(start, stop)]
    assert sorted(sent) == sorted(asked)
    assert verdict.status == (206 if asked else 416)
    assert verdict.count == len(asked)
    firsts = [min(range(size)[part], default=-1) for part in several]
    order = [
        min(n for n, first in enumerate(firsts) if first >= 0 and start <= first < stop)
        for start, stop in spans
        if asked
    ]
    assert order == sorted(order)
