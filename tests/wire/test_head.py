"""Heads of messages: gathered within limits however they are cut, and written out."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from multidict import istr

from bascule.wire.grammar import BadRequest
from bascule.wire.head import (
    HeadLimits,
    HeadReader,
    check_fields,
    check_status,
    dump_head,
    status_line,
)

DEFAULTS = HeadLimits()
# A request line of 12 bytes, field lines of 16, a head of 72, 3 fields.
SMALL = HeadLimits(max_line_size=12, max_field_size=16, max_head_size=72, max_headers=3)


def read(pieces: Iterable[bytes], limits: HeadLimits = DEFAULTS) -> tuple[bytes, bytes] | None:
    """Feed pieces until a head is complete; what comes later is behind it."""
    reader = HeadReader(limits)
    rest = iter(pieces)
    for piece in rest:
        found = reader.feed(piece)
        if found is not None:
            return found[0], found[1] + b"".join(rest)
    return None


def outcome(
    pieces: Iterable[bytes], limits: HeadLimits = DEFAULTS
) -> tuple[bytes, bytes] | int | None:
    """The head and what is behind it, or the status of the error, to be compared."""
    try:
        return read(pieces, limits)
    except BadRequest as error:
        return error.status


def bytewise(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


def cut(data: bytes, at: Iterable[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[start:stop] for start, stop in pairwise(places)]


# -- HeadReader: what a head is -------------------------------------------------------------------

HEADS = [
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"", id="no field"),
    pytest.param(
        b"GET / HTTP/1.1\r\nA: b\r\n\r\n", b"GET / HTTP/1.1\r\nA: b\r\n\r\n", b"", id="a field"
    ),
    pytest.param(b"X\r\n\r\nbody", b"X\r\n\r\n", b"body", id="bytes behind"),
    pytest.param(b"X\r\n\r\n\r\n\r\n", b"X\r\n\r\n", b"\r\n\r\n", id="line ends behind"),
    pytest.param(b"X\r\n\r\n\n", b"X\r\n\r\n", b"\n", id="bare LF behind"),
    pytest.param(b"X\r\n\r\n\x16\x03", b"X\r\n\r\n", b"\x16\x03", id="TLS behind"),
    pytest.param(b"\r\nX\r\n\r\n", b"X\r\n\r\n", b"", id="empty line in front"),
    pytest.param(b"X\ra\r\n\r\n", b"X\ra\r\n\r\n", b"", id="bare CR is the grammar's"),
    pytest.param(b"X\r\r\n\r\n", b"X\r\r\n\r\n", b"", id="CR CR LF is the grammar's"),
    pytest.param(b"X\r\n\r\r\n\r\n", b"X\r\n\r\r\n\r\n", b"", id="almost an empty line"),
    pytest.param(b"\x80\xff\x00\r\n\r\n", b"\x80\xff\x00\r\n\r\n", b"", id="any bytes"),
]


@pytest.mark.parametrize(("data", "head", "rest"), HEADS)
def test_a_head_ends_with_its_empty_line(data: bytes, head: bytes, rest: bytes) -> None:
    assert read([data]) == (head, rest)
    assert read(bytewise(data)) == (head, rest)


def test_only_one_empty_line_in_front_is_skipped() -> None:
    """RFC 9112 section 2.2: at least one should be; a second is a head that nobody can parse."""
    for pieces in ([b"\r\n\r\nX\r\n\r\n"], bytewise(b"\r\n\r\nX\r\n\r\n")):
        assert read(pieces) == (b"\r\n", b"X\r\n\r\n")


@pytest.mark.parametrize(
    "data", [b"", b"\r", b"\r\n", b"\r\n\r", b"X", b"X\r\n", b"X\r\n\r", b"X\r\nA: b\r\n"]
)
def test_a_head_without_its_empty_line_is_awaited(data: bytes) -> None:
    assert read([data]) is None
    assert read(bytewise(data)) is None
    assert read([b"", data, b""]) is None


@pytest.mark.parametrize(
    ("data", "begun"),
    [(b"", False), (b"\r\n", False), (b"\r", True), (b"X", True), (b"\r\nX", True)],
)
def test_a_reader_knows_whether_a_head_has_begun(data: bytes, begun: bool) -> None:
    reader = HeadReader(DEFAULTS)
    reader.feed(data)
    assert bool(reader) is begun


BARE_LF = "Line not ended by CRLF"
ERRORS = [
    pytest.param(b"\n", 400, BARE_LF, id="LF first"),
    pytest.param(b"\nX\r\n\r\n", 400, BARE_LF, id="LF in front"),
    pytest.param(b"\r\n\nX", 400, BARE_LF, id="CRLF and LF in front"),
    pytest.param(b"X\n", 400, BARE_LF, id="LF behind the request line, at once"),
    pytest.param(b"X\n\n", 400, BARE_LF, id="all LF"),
    pytest.param(b"X\r\nA: b\nC: d\r\n\r\n", 400, BARE_LF, id="LF between fields"),
    pytest.param(b"X\r\nA: b\r\n\n", 400, BARE_LF, id="LF as the empty line"),
    pytest.param(b"X\r\n\n\r\n\r\n", 400, BARE_LF, id="CRLF LF"),
    pytest.param(b"X\n\r\n\r\n", 400, BARE_LF, id="LF CRLF CRLF"),
    pytest.param(
        b"\x16\x03\x01\x02\x00", 400, "Received HTTPS traffic on an HTTP port", id="TLS greeting"
    ),
    pytest.param(
        b"GET /" + b"a" * 8186, 414, "Request line longer than 8190 bytes", id="long target"
    ),
    pytest.param(
        b"X\r\n" + b"A: b\r\n" * 129 + b"\r\n",
        431,
        "More than 128 header fields",
        id="many fields",
    ),
    pytest.param(
        b"X\r\nA: " + b"b" * 8188 + b"\r\n\r\n",
        431,
        "Header field longer than 8190 bytes",
        id="long field",
    ),
    pytest.param(
        b"X\r\nA: " + b"b" * 8190, 431, "Header field longer than 8190 bytes", id="unfinished field"
    ),
    pytest.param(
        b"X\r\n" + (b"A: " + b"b" * 8000 + b"\r\n") * 9,
        431,
        "Head larger than 65536 bytes",
        id="large head",
    ),
]


@pytest.mark.parametrize(("data", "status", "detail"), ERRORS)
@pytest.mark.parametrize("split", [lambda data: [data], bytewise], ids=["whole", "bytewise"])
def test_what_is_refused(data: bytes, status: int, detail: str, split: object) -> None:
    """RFC 9112 sections 2.2 and 3; RFC 6585 section 5."""
    with pytest.raises(BadRequest) as caught:
        read(split(data))  # type: ignore[operator]  # one of the two functions above
    assert (caught.value.status, caught.value.detail) == (status, detail)


def test_a_tls_greeting_behind_an_empty_line_is_known_in_any_split() -> None:
    assert outcome([b"\r\n\x16\x03\x01"]) == outcome([b"\r\n", b"\x16\x03\x01"]) == 400


# -- HeadReader: limits ---------------------------------------------------------------------------


def fields(count: int, size: int) -> bytes:
    """So many field lines of so many bytes, without their CRLF."""
    return b"".join(b"A: " + b"b" * (size - 3) + b"\r\n" for _ in range(count))


def line(size: int) -> bytes:
    return b"a" * size + b"\r\n"


BOUNDARIES = [
    pytest.param(line(12) + b"\r\n", 200, id="line at its limit"),
    pytest.param(line(13) + b"\r\n", 414, id="line beyond"),
    pytest.param(b"a" * 13, 414, id="line beyond, unfinished"),
    pytest.param(b"a" * 12, None, id="line at its limit, unfinished"),
    pytest.param(line(13) + fields(1, 4), 414, id="line beyond, fields behind"),
    pytest.param(line(12) + fields(1, 16) + b"\r\n", 200, id="field at its limit"),
    pytest.param(line(12) + fields(1, 17) + b"\r\n", 431, id="field beyond"),
    pytest.param(line(1) + fields(1, 16) + b"\r\n", 200, id="field alone at its limit"),
    pytest.param(line(1) + fields(1, 17) + b"\r\n", 431, id="field alone beyond"),
    pytest.param(line(1) + fields(1, 4) + fields(1, 17) + b"\r\n", 431, id="second field beyond"),
    pytest.param(line(1) + fields(3, 3) + b"\r\n", 200, id="number at its limit"),
    pytest.param(line(1) + fields(4, 3) + b"\r\n", 431, id="number beyond"),
    pytest.param(line(12) + fields(3, 16) + b"\r\n", 200, id="whole head at 70"),
    pytest.param(line(12) + fields(3, 16) + b"A", None, id="head at 69, unfinished"),
    pytest.param(line(12) + fields(3, 16) + b"A: b", None, id="head at 72, unfinished"),
    pytest.param(line(12) + fields(3, 16) + b"A: bc", 431, id="head at 73, unfinished"),
]


@pytest.mark.parametrize(("data", "status"), BOUNDARIES)
def test_each_limit_holds_to_the_byte(data: bytes, status: int | None) -> None:
    expected = (data, b"") if status == 200 else status
    assert outcome([data], SMALL) == expected
    assert outcome([b"\r\n" + data], SMALL) == expected
    assert outcome(bytewise(data), SMALL) == expected


def test_a_line_limit_above_that_of_fields_holds() -> None:
    limits = HeadLimits(max_line_size=9000, max_field_size=100)
    data = line(8000) + b"\r\n"
    assert outcome([data], limits) == (data, b"")
    assert outcome([data[:4000], data[4000:]], limits) == (data, b"")


@pytest.mark.parametrize("size", [64, 65])
def test_a_head_limit_holds_to_the_byte(size: int) -> None:
    limits = HeadLimits(max_line_size=16, max_field_size=60, max_head_size=64, max_headers=3)
    data = line(4) + fields(1, size - 10) + b"\r\n"
    assert len(data) == size
    expected = (data, b"") if size == 64 else 431
    assert outcome([data], limits) == outcome(bytewise(data), limits) == expected


def test_default_limits() -> None:
    """aiohttp's defaults: 8190 for line and field; 128 fields."""
    assert HeadLimits() == HeadLimits(8190, 8190, 65536, 128)
    assert outcome([line(8190) + fields(1, 8190) + b"\r\n"]) != 414
    assert outcome([line(1) + fields(128, 12) + b"\r\n"]) == (
        line(1) + fields(128, 12) + b"\r\n",
        b"",
    )


def test_a_head_limit_below_those_of_lines_holds() -> None:
    data = line(4) + fields(2, 12) + b"\r\n"
    limits = HeadLimits(max_head_size=20)
    assert outcome([data], limits) == outcome(bytewise(data), limits) == 431


def test_what_is_behind_a_head_does_not_count() -> None:
    data = line(12) + fields(3, 16) + b"\r\n"
    assert read([data + b"x\n" * 100], SMALL) == (data, b"x\n" * 100)


# -- HeadReader: any split ------------------------------------------------------------------------

SPLIT_CASES = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b"\r\n\r\n", b"a", b":", b"A: b", b"GET / HTTP/1.1"]),
    max_size=12,
).map(b"".join)
CUTS = st.lists(st.integers(0, 200), max_size=8)


@settings(deadline=None)
@given(SPLIT_CASES, CUTS)
@example(b"\r\nX\r\n\r\nY", [1, 2, 4, 5, 6, 7])
def test_any_split_gives_the_same_head_or_error(data: bytes, cuts: list[int]) -> None:
    assert outcome(cut(data, cuts)) == outcome([data]) == outcome(bytewise(data))


ONE_FAULT = st.one_of(
    st.integers(13, 30).map(lambda n: line(n) + b"A: b\r\n\r\n"),
    st.integers(1, 12).map(lambda n: line(n) + b"\r\n"),
    st.tuples(st.integers(1, 12), st.integers(0, 3), st.integers(3, 18)).map(
        lambda sizes: line(sizes[0]) + fields(sizes[1], sizes[2]) + b"\r\nrest"
    ),
    st.tuples(st.integers(1, 12), st.integers(3, 6)).map(
        lambda sizes: line(sizes[0]) + fields(sizes[1], 5) + b"\r\n"
    ),
    st.integers(15, 80).map(lambda n: line(2) + fields(1, n) + b"\r\n"),
)


@settings(deadline=None)
@given(ONE_FAULT, CUTS)
def test_any_split_meets_the_same_limit(data: bytes, cuts: list[int]) -> None:
    assert outcome(cut(data, cuts), SMALL) == outcome([data], SMALL)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(line(13) + b"A: b\n", id="long line, then a bare LF"),
        pytest.param(line(13) + fields(4, 4) + b"\r\n", id="long line, then too many fields"),
        pytest.param(line(80) + b"\r\n", id="line longer than a head may be"),
        pytest.param(line(4) + b"a" * 80 + b"\n", id="large head, then a bare LF"),
    ],
)
def test_any_split_tells_the_same_of_two_faults(data: bytes) -> None:
    assert outcome([data], SMALL) == outcome(bytewise(data), SMALL)


@settings(deadline=None)
@given(SPLIT_CASES | ONE_FAULT | st.binary(max_size=90), CUTS)
@example(line(12) + b"\r\n", [13])
@example(line(13) + b"\n", [13])
@example(b"\r\n\x16", [2])
@example(b"\r\n\r\nX\r\n\r\n", [2])
def test_any_split_of_anything_is_the_same(data: bytes, cuts: list[int]) -> None:
    assert outcome(cut(data, cuts), SMALL) == outcome([data], SMALL)


# -- what goes out --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason"),
    [(100, ""), (200, "OK"), (999, "x"), (404, "a\tb"), (200, "Gr\xfc\xdfe"), (200, "\udcff")],
)
def test_statuses_that_pass(status: int, reason: str) -> None:
    check_status(status, reason)


@pytest.mark.parametrize("status", [-200, 0, 99, 1000, 20000])
def test_a_status_has_three_digits(status: int) -> None:
    """RFC 9112 section 4."""
    with pytest.raises(ValueError, match=f"Status code must be three digits, got {status}"):
        check_status(status, "")


@pytest.mark.parametrize("reason", ["a\rb", "a\nb", "\r\n", "\0", "a\x0b", "\x1f", "\x7f", "\n"])
def test_a_reason_has_no_controls(reason: str) -> None:
    with pytest.raises(ValueError, match=r"Reason cannot contain \\r or \\n"):
        check_status(200, reason)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("A", ""),
        ("x-y", "a\tb"),
        ("!#$%&'*+-.^_`|~09", "a"),
        (istr("Content-Type"), "a"),
        ("A", "\xe9\u20ac\U0001f600"),
        ("A", "\udc80\udcff"),
        ("A", "\x80\x85\u2028"),
        ("A", " a "),
    ],
)
def test_fields_that_pass(name: str, value: str) -> None:
    check_fields([("A", "b"), (name, value)])


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a:", ":a", "a\r\nb", "a\n", "a\0", "\xe9", "a/b", "(a)", " a", "a "]
)
def test_a_field_name_is_a_token(name: str) -> None:
    for _ in range(2):  # what was refused is not remembered
        with pytest.raises(ValueError, match="Invalid header name "):
            check_fields([("A", "b"), (name, "c")])


@pytest.mark.parametrize("code", [*range(9), *range(10, 32), 127])
def test_a_field_value_has_no_controls(code: int) -> None:
    with pytest.raises(ValueError, match="Control character in the header field 'A': "):
        check_fields([("A", f"b{chr(code)}c")])


def test_messages_of_errors_are_bounded() -> None:
    for pair in (("\n" * 9999, "a"), ("A", "\n" * 9999)):
        with pytest.raises(ValueError) as caught:
            check_fields([pair])
        assert len(str(caught.value)) < 300


def test_names_are_checked_beyond_those_that_are_remembered() -> None:
    check_fields((f"X-{number}", "") for number in range(1100))
    check_fields([("X-Another", "")])
    with pytest.raises(ValueError, match="Invalid header name 'X Another'"):
        check_fields([("X Another", "")])


@pytest.mark.parametrize("code", [0xD800, 0xDC7F, 0xDD00, 0xDFFF])
def test_text_that_is_no_unicode_is_refused_before_it_is_sent(code: int) -> None:
    """Only U+DC80 to U+DCFF stand for bytes (PEP 383)."""
    with pytest.raises(ValueError):
        check_fields([("A", chr(code))])


@pytest.mark.parametrize(
    ("first_line", "pairs", "head"),
    [
        (status_line(200, "OK"), [], b"HTTP/1.1 200 OK\r\n\r\n"),
        (status_line(599, ""), [("A", "")], b"HTTP/1.1 599 \r\nA: \r\n\r\n"),
        (
            status_line(200, "Gr\xfcn"),
            [("a", "b"), ("A", "c"), (istr("X-Y"), "\u20ac\udcff")],
            b"HTTP/1.1 200 Gr\xc3\xbcn\r\na: b\r\nA: c\r\nX-Y: \xe2\x82\xac\xff\r\n\r\n",
        ),
        ("", [("Trailer", "x")], b"Trailer: x\r\n\r\n"),
        ("", [], b"\r\n"),
    ],
)
def test_a_head_on_the_wire(first_line: str, pairs: list[tuple[str, str]], head: bytes) -> None:
    assert dump_head(first_line, pairs) == head


@settings(deadline=None)
@given(st.binary())
def test_what_came_in_goes_out_as_it_came(value: bytes) -> None:
    text = value.decode("utf-8", "surrogateescape")
    assert dump_head("", [("A", text)]) == b"A: " + value + b"\r\n\r\n"


NAMES = st.text("abcXYZ-_0", min_size=1, max_size=8)
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12) | st.binary(
    max_size=12
).map(lambda raw: bytes(b for b in raw if b > 31 and b != 127).decode("utf-8", "surrogateescape"))


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=5), CUTS)
def test_a_head_that_was_dumped_is_read_back(pairs: list[tuple[str, str]], cuts: list[int]) -> None:
    check_fields(pairs)
    head = dump_head(status_line(200, "OK"), pairs)
    assert read(cut(head + b"rest", cuts)) == (head, b"rest")
    block = head.decode("utf-8", "surrogateescape").removeprefix("HTTP/1.1 200 OK\r\n")
    assert [tuple(text.split(": ", 1)) for text in block.split("\r\n")[:-2]] == pairs


@pytest.mark.parametrize(
    ("sizes", "first_line", "status", "told"),
    [
        pytest.param((60, 40, 30), b"GET /" + b"a" * 70, 431, "Head", id="head in the first line"),
        pytest.param((30, 40, 60), b"GET /" + b"a" * 70, 414, "Request", id="the first line"),
        pytest.param((99, 40, 40), b"G / HTTP/1.1\r\nA: ", 431, "Head", id="head in a field"),
        pytest.param((99, 40, 70), b"G / HTTP/1.1\r\nA: ", 431, "Header", id="a field"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 50, 500])
def test_of_two_limits_the_one_that_is_passed_first_is_told(
    sizes: tuple[int, int, int], first_line: bytes, status: int, told: str, size: int
) -> None:
    line, field, head = sizes
    reader = HeadReader(HeadLimits(max_line_size=line, max_field_size=field, max_head_size=head))
    data = first_line + b"a" * 70

    def feed() -> None:
        for at in range(0, len(data), size):
            reader.feed(data[at : at + size])

    with pytest.raises(BadRequest) as caught:
        feed()
    assert (caught.value.status, caught.value.detail.split()[0]) == (status, told)
