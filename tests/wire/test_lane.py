"""The lane: it takes ordinary heads, and reads them as the parser beside it does, or not at all."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.wire.head import HeadLimits
from bascule.wire.lane import CHUNKED, Lane, Ordinary, split_block
from strictness.catalogue import CASES, GROUPS
from support.heads import choose_limits, compare, compare_pieces, make_head

DEFAULTS = HeadLimits()
_HEADS, _SEEDS = 2000, 10


def recognise(data: bytes, **limits: int) -> Ordinary | None:
    return Lane(HeadLimits(**limits)).recognise(data)


def head(*lines: bytes, first: bytes = b"GET / HTTP/1.1", host: bytes = b"a") -> bytes:
    return b"\r\n".join([first, b"Host: " + host, *lines, b"", b""])


# -- what it takes --------------------------------------------------------------------------------


def test_a_plain_head() -> None:
    data = b"GET /a?b=c HTTP/1.1\r\nHost: h:80\r\nX-A:  b \r\nX-a:\r\n\r\n"
    seen = recognise(data + b"GET")
    assert seen == ("GET", "/a?b=c", data[20:-2], 0, True, len(data))
    assert list(split_block(seen[2])) == [(b"Host", b"h:80"), (b"X-A", b"b"), (b"X-a", b"")]


@pytest.mark.parametrize(
    ("line", "length", "keep_alive"),
    [
        pytest.param(b"Content-Length: 0", 0, True, id="no body"),
        pytest.param(b"CONTENT-LENGTH:\t0012 ", 12, True, id="a length"),
        pytest.param(b"Transfer-Encoding: chunked", CHUNKED, True, id="chunks"),
        pytest.param(b"Connection: Close", 0, False, id="the last one"),
        pytest.param(b"Connection: keep-alive", 0, True, id="not the last one"),
        pytest.param(b"User-Agent: x\r\nContent-Type: y", 0, True, id="fields that stand once"),
        pytest.param(b"X: caf\xc3\xa9\t\xff", 0, True, id="bytes that are no ASCII"),
    ],
)
def test_ordinary_fields(line: bytes, length: int, keep_alive: bool) -> None:
    data = head(line)
    seen = recognise(data)
    assert seen is not None
    assert seen[3:] == (length, keep_alive, len(data))
    assert compare(data, DEFAULTS)


def test_a_host_that_was_seen_makes_no_other_ordinary() -> None:
    """Hosts are remembered, so many of them, and those that are no ordinary ones never."""
    lane = Lane(DEFAULTS)
    for host in (b"a.example:80", b"a.example:99999", b"a.example:80", b"a--b", b"A.example:80"):
        data = head(host=host)
        assert lane.recognise(data) == recognise(data), host
    for number in range(200):
        assert lane.recognise(head(host=b"h%d" % number)) is not None
    assert lane.recognise(head(host=b"h" * 1000)) is not None
    assert len(lane._hosts) == 64
    assert lane.recognise(head(b"Host: a.example:80", host=b"a.example:80")) is None


@pytest.mark.parametrize("method", [b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"])
def test_ordinary_methods(method: bytes) -> None:
    assert compare(head(first=method + b" / HTTP/1.1"), DEFAULTS)


# -- what it leaves to the parser -----------------------------------------------------------------

_LEFT = {
    "not complete": head()[:-1],
    "HTTP/1.0": head(first=b"GET / HTTP/1.0"),
    "an absolute target": head(first=b"GET http://a/ HTTP/1.1"),
    "an asterisk": head(first=b"OPTIONS * HTTP/1.1"),
    "a fragment": head(first=b"GET /#a HTTP/1.1"),
    "another method": head(first=b"BREW / HTTP/1.1"),
    "no host": b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
    "two hosts": head(b"Host: a"),
    "an empty host": head(host=b""),
    "an IPv6 host": head(host=b"[::1]"),
    "a port beyond all": head(host=b"a:65536"),
    "user information": head(host=b"a@b"),
    "two lengths": head(b"Content-Length: 1", b"Content-Length: 1"),
    "a length in a list": head(b"Content-Length: 1, 1"),
    "a length with a sign": head(b"Content-Length: +1"),
    "a length of 19 digits": head(b"Content-Length: " + b"1" * 19),
    "a length before chunks": head(b"Content-Length: 1", b"Transfer-Encoding: chunked"),
    "a length behind chunks": head(b"Transfer-Encoding: chunked", b"Content-Length: 1"),
    "no length before chunks": head(b"Content-Length: 0", b"Transfer-Encoding: chunked"),
    "chunks twice": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "chunks in another spelling": head(b"Transfer-Encoding: Chunked", b"X: chunked"),
    "a coding in front of chunks": head(b"Transfer-Encoding: gzip, chunked"),
    "an unknown coding": head(b"Transfer-Encoding: gzip"),
    "an Expect": head(b"Expect: 100-continue"),
    "an Upgrade": head(b"Upgrade: h2c"),
    "other options of the connection": head(b"Connection: close, te"),
    "Connection twice": head(b"Connection: close", b"Connection: close"),
    "User-Agent twice": head(b"User-Agent: a", b"User-Agent: a"),
    "Content-Type twice": head(b"Content-Type: a", b"content-type: a"),
    "ETag twice": head(b"ETag: a", b"ETag: a"),
    "a blank in front of a colon": head(b"X : y"),
    "a folded line": head(b"X: y", b" z"),
    "a control character": head(b"X: \x01"),
    "a bare LF": head(b"X: a\nY: b"),
    "a bare CR": head(b"X: a\rY: b"),
    "an empty line in front": b"\r\n" + head(),
}


@pytest.mark.parametrize("data", _LEFT.values(), ids=_LEFT)
def test_left_to_the_parser(data: bytes) -> None:
    assert recognise(data) is None


@pytest.mark.parametrize("name", ["max_line_size", "max_field_size", "max_head_size"])
def test_left_to_the_parser_beyond_a_size(name: str) -> None:
    data = head(b"X: y")
    assert recognise(data, **{name: len(data)}) is not None
    assert recognise(data, **{name: len(data) - 1}) is None


def test_left_to_the_parser_beyond_a_number_of_fields() -> None:
    data = head(b"A:", b"B:", b"C:")
    assert recognise(data, max_headers=4) is not None
    assert recognise(data, max_headers=3) is None


# -- the same as the parser -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(_SEEDS))
def test_it_reads_generated_heads_as_the_parser_does(seed: int) -> None:
    generator = random.Random(seed)
    taken = 0
    for _ in range(_HEADS):
        data, limits = make_head(generator), choose_limits(generator)
        taken += compare(data, limits)
        compare_pieces(data, generator.randrange(len(data) + 1), limits)
    assert taken > _HEADS * 0.3


@pytest.mark.parametrize("group", GROUPS)
def test_it_takes_no_fault_of_the_catalogue(group: str) -> None:
    for case in GROUPS[group]:
        compare(case.data, DEFAULTS)
        for cut in range(0, len(case.data), max(1, len(case.data) // 10)):
            compare_pieces(case.data, cut, DEFAULTS)


_PIECES = st.sampled_from([b"\r\n", b":", b" ", b"\t", b"\n", b"\0"]) | st.binary(max_size=2)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_it_reads_changed_heads_as_the_parser_does(data: st.DataObject) -> None:
    """Ordinary heads and faults, with some bytes changed: what the lane takes the parser does."""
    choose: Callable[[st.SearchStrategy[bytes]], bytes] = data.draw
    begin = choose(st.sampled_from([head(b"Content-Length: 5", b"A: b"), *_LEFT.values()]))
    begin = choose(st.sampled_from([begin, data.draw(st.sampled_from(CASES)).data]))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(begin)))
        gap = data.draw(st.integers(0, 2))
        piece = choose(
            st.sampled_from([b"\r\n", b":", b" ", b"\t", b"\n", b"\0"]) | st.binary(max_size=2)
        )
        begin = begin[:at] + piece + begin[at + gap :]
    compare(begin, DEFAULTS)
    compare_pieces(begin, data.draw(st.integers(0, len(begin))), DEFAULTS)
