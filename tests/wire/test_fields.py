"""Values of fields: dates, content types, parameters."""

import encodings
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import bascule
from bascule.wire.fields import (
    dump_content_type,
    dump_date,
    find_charset,
    parse_codings,
    parse_content_type,
    parse_date,
    parse_parameters,
)

# -- dates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "date"),
    [
        (784111777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (784111777.999, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (784111778, "Sun, 06 Nov 1994 08:49:38 GMT"),
        (1, "Thu, 01 Jan 1970 00:00:01 GMT"),
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (951782400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (4102444800, "Fri, 01 Jan 2100 00:00:00 GMT"),
    ],
)
def test_dates_are_written_in_the_one_form(seconds: float, date: str) -> None:
    """RFC 9110 section 5.6.7."""
    dump_date(784111777)  # another second may have been remembered, or this one
    assert dump_date(seconds) == date
    assert dump_date(seconds) == date


def test_the_first_date_may_be_the_epoch() -> None:
    code = "from bascule.wire.fields import dump_date; print(dump_date(0))"
    assert run_python(code) == "Thu, 01 Jan 1970 00:00:00 GMT\n"


def run_python(code: str, *arguments: str, seconds: int = 60, zone: str = "UTC") -> str:
    """Run code in a fresh interpreter that may spend so many seconds of work, not of time."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))

    path = str(Path(bascule.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PYTHONPATH": path, "TZ": zone},
        preexec_fn=bound,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


NOVEMBER = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "date"),
    [
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", NOVEMBER, id="IMF-fixdate"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", NOVEMBER, id="RFC 850"),
        pytest.param("Sun Nov  6 08:49:37 1994", NOVEMBER, id="asctime"),
        pytest.param("06 Nov 1994 08:49:37 GMT", NOVEMBER, id="no day of the week"),
        pytest.param("Sun, 06 Nov 1994 08:49:37 -0000", NOVEMBER, id="no zone known"),
        pytest.param("Sun, 06 Nov 1994 09:49:37 +0100", NOVEMBER, id="another zone"),
        pytest.param("Sun, 06 Nov 1994 08:49:37", NOVEMBER, id="no zone"),
    ],
)
def test_dates_are_read_in_all_forms(value: str, date: datetime) -> None:
    """RFC 9110 section 5.6.7, and the zones of RFC 5322 as in aiohttp."""
    parsed = parse_date(value)
    assert parsed == date
    assert parsed is not None
    assert parsed.utcoffset() == timedelta(0)
    assert parsed.tzinfo is UTC


def test_dates_are_the_same_wherever_the_server_stands() -> None:
    code = (
        "from bascule.wire.fields import dump_date, parse_date\n"
        "print(parse_date('Sun Nov  6 08:49:37 1994'), dump_date(784111777))\n"
    )
    expected = "1994-11-06 08:49:37+00:00 Sun, 06 Nov 1994 08:49:37 GMT\n"
    assert run_python(code, zone="XYZ-5") == run_python(code) == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "x",
        "0",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 99999999999 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 +9999",
        '"an-entity-tag"',
    ],
)
def test_what_is_no_date(value: str | None) -> None:
    assert parse_date(value) is None


@pytest.mark.parametrize(
    "value", ["Fri, 31 Dec 9999 23:59:59 -0100", "Fri, 31 Dec 9999 23:59:59 -2300"]
)
def test_a_date_beyond_the_calendar_in_utc_is_none(value: str) -> None:
    assert parse_date(value) is None


@settings(deadline=None)
@given(st.integers(0, 253402300799))
def test_a_date_that_was_written_is_read_back(seconds: int) -> None:
    dump_date(1)
    assert parse_date(dump_date(seconds)) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        0, seconds
    )


DATE_PIECES = st.sampled_from(
    ["Sun", ",", " ", "06", "Nov", "1994", "08:49:37", "GMT", "+", "-", "0100", ":", ".", "9", "("]
)


@settings(deadline=None)
@given(st.text() | st.lists(DATE_PIECES).map("".join) | st.lists(DATE_PIECES).map(" ".join))
@example(" ")
@example("Sun,")
def test_any_text_is_a_date_or_none(value: str) -> None:
    date = parse_date(value)
    assert date is None or date.tzinfo is UTC


# -- content types --------------------------------------------------------------------------------

OCTETS = "application/octet-stream"


@pytest.mark.parametrize(
    ("value", "media", "parameters"),
    [
        (None, OCTETS, {}),
        ("", OCTETS, {}),
        ("text/html", "text/html", {}),
        ("TEXT/Html", "text/html", {}),
        (" text/html\t", "text/html", {}),
        ("text/html;charset=utf-8", "text/html", {"charset": "utf-8"}),
        ("text/html ; CHARSET = UTF-8", "text/html", {"charset": "UTF-8"}),
        ('a/b; c="d;e"; f=g', "a/b", {"c": "d;e", "f": "g"}),
        ("a/b; c=d; c=e", "a/b", {"c": "d"}),
        ("a/b; c=; c=d", "a/b", {"c": "d"}),
        ('a/b; c=""', "a/b", {}),
        ("a/b;", "a/b", {}),
        ("html", OCTETS, {}),
        (";charset=utf-8", OCTETS, {"charset": "utf-8"}),
        ("/", OCTETS, {}),
        ("a/", OCTETS, {}),
        ("/b", OCTETS, {}),
        ("a/b/c", OCTETS, {}),
        ("a/b c; d=e", OCTETS, {"d": "e"}),
        ("a/\xe9", OCTETS, {}),
        ("*/*", "*/*", {}),
        ("multipart/form-data; boundary=--x", "multipart/form-data", {"boundary": "--x"}),
    ],
)
def test_content_types(value: str | None, media: str, parameters: dict[str, str]) -> None:
    """RFC 9110 section 8.3, with aiohttp's answers to what is not one."""
    assert parse_content_type(value) == (media, parameters)


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ("", []),
        (";", []),
        (";;; ;", []),
        ("; a=b", [("a", "b")]),
        (";a=b;c=d", [("a", "b"), ("c", "d")]),
        ("; ; a=b; ;c=d;", [("a", "b"), ("c", "d")]),
        (";\ta\t=\tb\t", [("a", "b")]),
        (";A=B", [("a", "B")]),
        (";a=", [("a", "")]),
        (';a=""', [("a", "")]),
        (r';a="b\"c\\d\e"', [("a", r'b"c\de')]),
        (';a="b;c=d";e=f', [("a", "b;c=d"), ("e", "f")]),
        (";a=b;a=c", [("a", "b"), ("a", "c")]),
        (";a=b/c=d:e", [("a", "b/c=d:e")]),
        (";a=\xe9", [("a", "\xe9")]),
        # reading stops at the first piece that is none
        ("a=b", []),
        ("; a", []),
        ("; a; b=c", []),
        ("; =b; c=d", []),
        ("; a b=c", []),
        ("; a=b c; d=e", [("a", "b")]),
        ('; a="b"c; d=e', [("a", "b")]),
        ("; a=b, c=d", [("a", "b,")]),
        ("; \xe9=b; c=d", []),
    ],
)
def test_parameters(value: str, pairs: list[tuple[str, str]]) -> None:
    """RFC 9110 section 5.6.6."""
    assert list(parse_parameters(value)) == pairs


NAMES = st.text("abcxyz!#*-_.0", min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12)
SPACES = st.sampled_from(["", " ", "\t "])


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, TEXTS, SPACES), max_size=5))
def test_quoted_parameters_are_read_back(rows: list[tuple[str, str, str]]) -> None:
    value = "".join(
        f'{space};{space}{name}{space}={space}"{quote(text)}"{space}' for name, text, space in rows
    )
    assert list(parse_parameters(value.lstrip())) == [(name, text) for name, text, _ in rows]


def quote(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@settings(deadline=None)
@given(
    st.sampled_from(["text/html", "multipart/form-data", "a/b"]),
    st.dictionaries(NAMES, TEXTS.filter(bool), max_size=4),
)
@example("a/b", {"c": 'd"e\\f;g'})
@example("a/b", {"boundary": "a b"})
def test_a_dumped_content_type_is_read_back(media: str, parameters: dict[str, str]) -> None:
    assert parse_content_type(dump_content_type(media, parameters)) == (media, parameters)


def test_only_values_that_are_no_tokens_are_quoted() -> None:
    value = dump_content_type("a/b", {"c": "utf-8", "d": "e f", "g": ""})
    assert value == 'a/b; c=utf-8; d="e f"; g='


@pytest.mark.parametrize(
    ("name", "codec"),
    [("utf-8", "utf-8"), ("UTF8", "utf-8"), ("latin-1", "iso8859-1"), ("us-ascii", "ascii")],
)
def test_charsets(name: str, codec: str) -> None:
    assert find_charset(name) == codec


@pytest.mark.parametrize("name", ["", "x", "base64", "zip", "rot13", "hex", "idna", "punycode"])
def test_codecs_that_are_no_charsets(name: str) -> None:
    """They transform bytes, or take quadratic time."""
    with pytest.raises(LookupError):
        find_charset(name)


PIECES = st.lists(st.sampled_from([";", "=", '"', "\\", " ", "a", "/", ",", "\n"])).map("".join)


@settings(deadline=None)
@given(st.text() | PIECES)
def test_any_text_is_a_content_type(value: str) -> None:
    media, parameters = parse_content_type(value)
    assert media == media.lower().strip(" \t")
    assert all(name == name.lower() != "" for name in parameters)


FLOODS = [
    pytest.param(start, flood, end, id=f"{start}{flood}{end}")
    for start, flood, end in [
        ("", ";", ""),
        ("", "; ", "x"),
        (";", " ", "x"),
        (";", "a", ""),
        (";a", " ", "x"),
        (";a=", " ", '"'),
        (';a="', "b", ""),
        (';a="', "\\", ""),
        (';a="', ';a=\\"', ""),
        ("", ';a="b"', ";a"),
        ("", ";a=b", ";a"),
    ]
]


@pytest.mark.parametrize(("start", "flood", "end"), FLOODS)
def test_a_flood_is_read_in_linear_work(start: str, flood: str, end: str) -> None:
    """300 kB, forty times what a field may hold: quadratic work would take minutes."""
    code = (
        "import sys; from bascule.wire.fields import parse_content_type, parse_date\n"
        "start, flood, end = sys.argv[1:]\n"
        "value = start + flood * (300_000 // len(flood)) + end\n"
        "parse_content_type(value), parse_content_type('a/b' + value), parse_date(value)\n"
    )
    run_python(code, start, flood, end, seconds=5)


# -- content codings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "codings"),
    [
        (None, {}),
        ("", {}),
        ("gzip", {"gzip": 1}),
        ("GZIP, Br", {"gzip": 1, "br": 1}),
        ("x-gzip", {"gzip": 1}),
        ("gzip;q=0", {"gzip": 0}),
        ("gzip ; q=0.5,, br;Q=1.000", {"gzip": 0.5, "br": 1}),
        ("gzip;q=2, br;q=x, zstd;q=", {"gzip": 0, "br": 0, "zstd": 0}),
        ("*;q=0, brotli", {"*": 0, "brotli": 1}),
        (";q=1", {}),
    ],
)
def test_codings_have_weights(value: str | None, codings: dict[str, float]) -> None:
    """RFC 9110 section 12.5.3."""
    assert parse_codings(value) == codings


@pytest.mark.parametrize(
    "name", ["x\0y", "utf\0-8", "nonsense", "idna", "", "ü", "u" * 41, "i" * 10**6]
)
def test_what_is_no_charset_is_not_remembered(name: str) -> None:
    """Python keeps each name that it is asked for, for good."""
    before = {*encodings._cache}
    with pytest.raises(LookupError):
        find_charset(name)
    assert {*encodings._cache} == before


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("UTF8", "utf-8"),
        ("ISO-8859-1", "iso8859-1"),
        ("ISO_8859-1:1987", "iso8859-1"),
        ("windows-1252", "cp1252"),
        ("KOI8-U", "koi8-u"),
        ("utf-8-sig", "utf-8-sig"),
        ("us-ascii", "ascii"),
    ],
)
def test_charsets_have_their_names(name: str, codec: str) -> None:
    assert find_charset(name) == codec


@given(
    st.dictionaries(
        st.text("abcxyz-*", min_size=1, max_size=6).filter(lambda name: name != "x-gzip"),
        st.integers(0, 1000),
        max_size=5,
    ),
    st.sampled_from([",", ", ", " ,\t", ",,"]),
    st.sampled_from([";q=", " ; q=", ";Q="]),
)
def test_written_weights_are_read_back(weights: dict[str, int], comma: str, equals: str) -> None:
    value = comma.join(f"{name}{equals}{weight / 1000:.3f}" for name, weight in weights.items())
    assert parse_codings(value) == {name: weight / 1000 for name, weight in weights.items()}
