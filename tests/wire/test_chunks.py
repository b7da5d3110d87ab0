"""The decoder of chunked bodies, with h11 as the referee over what it accepts."""

from itertools import pairwise

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.wire.chunks import ChunkDecoder
from bascule.wire.grammar import BadRequest
from bascule.wire.head import HeadLimits

LIMITS = HeadLimits(max_field_size=40, max_head_size=60, max_headers=3)


def decode(*pieces: bytes, limits: HeadLimits = LIMITS) -> tuple[bytes, list[int], bytes, bool]:
    """Give the body, the ends of its chunks, what came behind, and whether it ended."""
    decoder = ChunkDecoder(limits)
    body, ends, rest = b"", [], b""
    for piece in pieces:
        if decoder.ended:
            rest += piece
            continue
        parts, marks, behind = decoder.feed(piece)
        ends += [len(body) + mark for mark in marks]
        body += b"".join(parts)
        rest += behind
    return body, ends, rest, decoder.ended


def refusal(*pieces: bytes) -> int:
    with pytest.raises(BadRequest) as caught:
        decode(*pieces)
    return caught.value.status


def outcome(*pieces: bytes) -> object:
    try:
        return decode(*pieces)
    except BadRequest as exc:
        return exc.status


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"0\r\n\r\n", (b"", [], b"", True)),
        (b"3\r\nabc\r\n0\r\n\r\nGET", (b"abc", [3], b"GET", True)),
        (b"3\r\nabc\r\n00002\r\nde\r\n0000\r\n\r\n", (b"abcde", [3, 5], b"", True)),
        (b'A;b=c;d="e f"\r\n0123456789\r\n0;x\r\n\r\n', (b"0123456789", [10], b"", True)),
        (
            b'1;\ta \t=\t"\\"\xff;\t" ;b;c=d\r\na\r\n0\r\nA: b\r\nC:\td \r\n\r\nX',
            (b"a", [1], b"X", True),
        ),
        (b'1;a="";b=c\r\na\r\n0\r\n\r\n', (b"a", [1], b"", True)),
        (b"2\r\na", (b"a", [], b"", False)),
        (b"", (b"", [], b"", False)),
    ],
)
def test_what_is_decoded(data: bytes, expected: object) -> None:
    assert decode(data) == expected
    assert decode(*(data[i : i + 1] for i in range(len(data)))) == expected


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"x\r\n", 400),
        (b"\r\n", 400),
        (b"-1\r\n", 400),
        (b"+1\r\n", 400),
        (b"0x1\r\n", 400),
        (b"1_0\r\n", 400),
        (b"\xd9\xa1\r\n", 400),
        (b" 1\r\n", 400),
        (b"1 \r\n", 400),
        (b"1 ;a\r\n", 400),
        (b"1" * 17 + b"\r\n", 400),
        (b"1\na\n0\n\n", 400),
        (b"1;a\rb\r\n", 400),
        (b"1;\r\n", 400),
        (b"1;;a\r\n", 400),
        (b"1;=a\r\n", 400),
        (b"1;a=\r\n", 400),
        (b"1;a b\r\n", 400),
        (b"1;a=b c\r\n", 400),
        (b"1;a \r\n", 400),
        (b"1;\xff\r\n", 400),
        (b'1;a="b\r\n', 400),
        (b'1;a="b"c\r\n', 400),
        (b'1;a="b\\"\r\n', 400),
        (b'1;a="\0"\r\n', 400),
        (b'1;a="\\\x7f"\r\n', 400),
        (b"1,a\r\n", 400),
        (b"1;a\0\r\n", 400),
        (b"1;a\x7f\r\n", 400),
        (b"1;" + b"a" * 256 + b"\r\n", 400),
        (b"1;" + b"a" * 300, 400),
        (b"1\r\nab\r\n", 400),
        (b"1\r\na\n", 400),
        (b"1\r\naX\r\n", 400),
        (b"0\r\n\n", 400),
        (b"0\r\nA: b\n\r\n", 400),
        (b"0\r\nA : b\r\n\r\n", 400),
        (b"0\r\nA: b\r\n c\r\n\r\n", 400),
        (b"0\r\nA: \0\r\n\r\n", 400),
        (b"0\r\nno colon\r\n\r\n", 400),
        (b"0\r\n" + b"A: b\r\n" * 4 + b"\r\n", 431),
        (b"0\r\nA: " + b"b" * 40 + b"\r\n\r\n", 431),
        (b"0\r\nA: " + b"b" * 50, 431),
        (b"0\r\n" + (b"A: " + b"b" * 30 + b"\r\n") * 2 + b"\r\n", 431),
    ],
)
def test_what_is_refused(data: bytes, status: int) -> None:
    """RFC 9112 section 7.1; security advisories on chunk lines of the last years."""
    assert refusal(data) == status
    assert refusal(*(data[i : i + 1] for i in range(len(data)))) == status


def test_extensions_are_bounded_by_the_data_they_come_with() -> None:
    """16 KiB in all, and a byte for each byte of data (Go's CVE-2023-39326)."""
    line = b"1;" + b"e" * 200 + b"\r\na\r\n"
    assert decode(line * 80)[0] == b"a" * 80
    assert refusal(line * 90) == 400
    whole = b"c8;" + b"e" * 199 + b"\r\n" + b"a" * 200 + b"\r\n"
    assert len(decode(whole * 500)[0]) == 100_000


def test_trailers_share_the_budget_of_their_head() -> None:
    """Not a second one (CVE-2026-22815 of aiohttp): 3 fields and 60 bytes in all."""

    def read(trailers: bytes, **head: int) -> object:
        decoder = ChunkDecoder(LIMITS, **head)
        try:
            decoder.feed(b"0\r\n" + trailers + b"\r\n")
        except BadRequest as exc:
            return exc.status
        return decoder.ended

    assert read(b"A: b\r\n" * 2, head_fields=1) is True
    assert read(b"A: b\r\n" * 2, head_fields=2) == 431
    assert read(b"A: b\r\n", head_size=54) is True
    assert read(b"A: b\r\n", head_size=55) == 431
    assert read(b"", head_fields=3, head_size=60) is True


PIECES = st.sampled_from(
    ["0", "1", "2", "a", "F", ";", "\r", "\n", " ", "\0", "\r\n", "x=y", "A: b", "data"]
).map(str.encode)


@settings(deadline=None, max_examples=400)
@given(st.lists(PIECES, max_size=14).map(b"".join), st.lists(st.integers(0, 30), max_size=4))
def test_any_split_gives_the_same_and_h11_agrees(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    split = [data[a:b] for a, b in pairwise(places)]
    expected = outcome(data)
    assert outcome(*split) == expected
    if isinstance(expected, tuple) and expected[3]:
        assert by_h11(data) == (expected[0], expected[2])


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=20), max_size=5), st.binary(max_size=9))
def test_what_was_encoded_is_decoded(chunks: list[bytes], rest: bytes) -> None:
    data = b"".join(b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    body, ends, behind, ended = decode(data + rest)
    assert (body, behind, ended) == (b"".join(chunks), rest, True)
    assert ends == [sum(map(len, chunks[: i + 1])) for i in range(len(chunks))]
    assert by_h11(data + rest) == (body, rest)


@pytest.mark.parametrize(
    "lengths", [[5, 5, 5, 9, 5], [2000, 2000, 3, 2000], [16, 256]], ids=["small", "large", "other"]
)
def test_chunks_that_are_cut_anywhere_are_whole(lengths: list[int]) -> None:
    """Those in front of a cut are taken in one step, and of the last one what is there."""
    chunks = [bytes([65 + number]) * length for number, length in enumerate(lengths)]
    data = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    expected = decode(data)
    assert expected[0] == b"".join(chunks)
    assert expected[1] == [sum(lengths[: number + 1]) for number in range(len(lengths))]
    for cut in range(len(data)):
        assert decode(data[:cut], data[cut:]) == expected


def test_extensions_are_set_against_all_data_behind_them() -> None:
    """Also where many chunks are taken in one step."""
    limits = HeadLimits(max_chunk_extensions=10)
    plain = b"4\r\naaaa\r\n" * 3
    data = b"1;abcdefg\r\na\r\n" + plain + b"1;abcdefg\r\na\r\n0\r\n\r\n"
    assert decode(data, limits=limits)[3] is True
    assert refusal_with(data.replace(plain, plain[:9]), limits) == 400


def refusal_with(data: bytes, limits: HeadLimits) -> int:
    with pytest.raises(BadRequest) as caught:
        decode(data, limits=limits)
    return caught.value.status


def by_h11(data: bytes) -> tuple[bytes, bytes]:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert isinstance(connection.next_event(), h11.Request)
    connection.receive_data(data)
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    return body, connection.trailing_data[0]


@pytest.mark.parametrize(
    "end",
    [b"\n1\r\n", b"\r\n1\n", b"\r1\r\n", b"\r\n\r\n", b"\r\n 1\r\n", b"\r\n1 \r\n", b"\r\n0x1\r\n"],
    ids=repr,
)
def test_behind_a_chunk_that_is_all_there_lines_are_held_to_the_same(end: bytes) -> None:
    assert refusal(b"1\r\na" + end + b"b\r\n0\r\n\r\n") == 400


def test_plain_lines_behind_a_chunk_are_held_to_the_longest_line() -> None:
    limits = HeadLimits(max_chunk_line=4)
    assert decode(b"1\r\na\r\n0001\r\nb\r\n", limits=limits)[0] == b"ab"
    with pytest.raises(BadRequest):
        decode(b"1\r\na\r\n00001\r\nb\r\n", limits=limits)


def test_data_of_plain_chunks_pays_for_extensions_too() -> None:
    loud = b"1;" + b"e" * 200 + b"\r\na\r\n"
    plain = b"c8\r\n" + b"b" * 200 + b"\r\n"
    assert len(decode((loud + plain) * 200)[0]) == 200 * 201
    assert refusal((loud + b"1\r\nb\r\n") * 90) == 400
