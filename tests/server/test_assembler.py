"""Messages out of frames: each class of cases of the Autobahn test suite, properties, and bounds.

The classes are 1 framing, 2 pings and pongs, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8,
7 closes, 9 limits, 10 automatic fragmentation; 12 and 13 are in ``test_deflate``.
"""

import tracemalloc
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bascule.server.assembler import Assembler
from bascule.wire.frames import WebSocketError, WSMessageTextBytes, WSMsgType
from support.frames import (
    BINARY,
    CLOSE,
    CONT,
    MASK,
    PING,
    PONG,
    TEXT,
    close_frame,
    cut,
    fragments,
    frame,
)

# Type, data and extra of a message; or an error with its code.
Event = tuple[Any, ...]


def read(assembler: Assembler, pieces: Iterable[bytes]) -> list[Event]:
    """Feed pieces, and read all that can be read behind each; an error is the last."""
    events: list[Event] = []
    for piece in pieces:
        assembler.feed(piece)
        try:
            while (message := assembler.next_message()) is not None:
                events.append((message.type.name, message.data, message.extra))
        except WebSocketError as error:
            events.append(("error", error.code))
    return events


def read_all(data: bytes, **options: Any) -> list[Event]:
    return read(Assembler(**options), [data])


def bytewise(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def text(data: str) -> Event:
    return ("TEXT", data, "")


def binary(data: bytes) -> Event:
    return ("BINARY", data, "")


# The last of what is read where the peer has broken the protocol.
BROKEN, NO_TEXT, LARGE = ("error", 1002), ("error", 1007), ("error", 1009)

# -- 1: framing ------------------------------------------------------------------------------------

SIZES = [0, 1, 125, 126, 127, 128, 65535, 65536]


@pytest.mark.parametrize("size", SIZES)
def test_messages_of_all_lengths_are_read(size: int) -> None:
    data = frame(TEXT, b"*" * size) + frame(BINARY, b"\xfe" * size)
    assert read_all(data) == [text("*" * size), binary(b"\xfe" * size)]


@pytest.mark.parametrize("size", SIZES[:-2])
def test_messages_of_all_lengths_are_read_byte_by_byte(size: int) -> None:
    data = frame(TEXT, b"*" * size) + frame(BINARY, b"\xfe" * size)
    assert read(Assembler(), bytewise(data)) == [text("*" * size), binary(b"\xfe" * size)]


@pytest.mark.parametrize("form", [16, 64])
@pytest.mark.parametrize("size", [0, 5, 125])
def test_lengths_in_a_longer_form_than_needed_are_read(form: int, size: int) -> None:
    """RFC 6455 section 5.2 binds their sender; the library reads them, as aiohttp does."""
    assert read_all(frame(TEXT, b"*" * size, form=form)) == [text("*" * size)]


@pytest.mark.parametrize("opcode", [CONT, TEXT, BINARY, CLOSE, PING, PONG])
def test_frames_that_are_not_masked_are_refused(opcode: int) -> None:
    """RFC 6455 section 5.1."""
    assert read_all(frame(opcode, mask=b"")) == [BROKEN]
    assert read_all(frame(opcode, mask=b"")[:2]) == [BROKEN]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (frame(TEXT, b"x", mask=b""), "Received a frame that is not masked"),
        (frame(TEXT, b"x", rsv=2), "Received frame with non-zero reserved bits"),
        (frame(3), "Unexpected opcode=3"),
        (frame(PING, fin=False), "Received fragmented control frame"),
        (frame(PING, b"x" * 126), "Control frame payload cannot be larger than 125 bytes"),
        (frame(CONT), "Continuation frame for non started message"),
        (frame(CLOSE, b"x"), "Invalid close frame: its payload has one byte"),
        (close_frame(999), "Invalid close code: 999"),
        (frame(TEXT, b"\xff"), "Invalid UTF-8 text message"),
        (frame(TEXT, b"x" * 100), "Message size 100 exceeds limit 100"),
    ],
)
def test_an_error_says_what_the_peer_did(data: bytes, text: str) -> None:
    assembler = Assembler(100)
    assembler.feed(data)
    with pytest.raises(WebSocketError) as caught:
        assembler.next_message()
    assert str(caught.value) == text


def test_any_masking_key_is_good() -> None:
    for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1"):
        assert read_all(frame(BINARY, b"12345", mask=mask)) == [binary(b"12345")]


# -- 2: pings and pongs ----------------------------------------------------------------------------

CONTROLS = [
    pytest.param(frame(PING), [("PING", b"", "")], id="2.1 empty"),
    pytest.param(frame(PING, b"Hello"), [("PING", b"Hello", "")], id="2.2 with text"),
    pytest.param(frame(PING, b"\0\xff"), [("PING", b"\0\xff", "")], id="2.3 with bytes"),
    pytest.param(frame(PING, b"\xfe" * 125), [("PING", b"\xfe" * 125, "")], id="2.4 of 125 bytes"),
    pytest.param(frame(PING, b"\xfe" * 126), [BROKEN], id="2.5 of 126 bytes"),
    pytest.param(frame(PING, b"ab", form=16), [BROKEN], id="2.5 in the longer form"),
    pytest.param(frame(PONG, b"Hello"), [("PONG", b"Hello", "")], id="2.8 a pong"),
    pytest.param(frame(PONG, b"\xfe" * 126), [BROKEN], id="a pong of 126 bytes"),
    pytest.param(
        b"".join(frame(PING, b"%d" % number) for number in range(10)),
        [("PING", b"%d" % number, "") for number in range(10)],
        id="2.10 ten pings",
    ),
    pytest.param(frame(PING, b"x", fin=False), [BROKEN], id="5.1 a ping in fragments"),
    pytest.param(frame(PONG, b"x", fin=False), [BROKEN], id="5.2 a pong in fragments"),
    pytest.param(frame(CLOSE, fin=False), [BROKEN], id="a close in fragments"),
]


@pytest.mark.parametrize(("data", "events"), CONTROLS)
def test_control_frames_are_short_and_whole(data: bytes, events: list[Event]) -> None:
    assert read_all(data) == events
    assert read(Assembler(), bytewise(data)) == events


# -- 3 and 4: reserved bits and opcodes ------------------------------------------------------------


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode", [CONT, TEXT, BINARY, CLOSE, PING, PONG])
def test_reserved_bits_are_refused(rsv: int, opcode: int) -> None:
    data = frame(TEXT, b"before") + frame(opcode, b"Hello", rsv=rsv) + frame(PING)
    assert read_all(data) == [text("before"), BROKEN]


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("data", [b"", b"Hello"])
def test_reserved_opcodes_are_refused(opcode: int, data: bytes) -> None:
    whole = frame(TEXT, b"before") + frame(opcode, data) + frame(PING)
    assert read_all(whole) == [text("before"), BROKEN]


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"\x83", id="reserved opcode"),
        pytest.param(b"\xc1", id="compressed"),
        pytest.param(b"\x09", id="ping in fragments"),
        pytest.param(b"\x80", id="continuation of nothing"),
    ],
)
def test_a_wrong_frame_is_refused_by_its_first_two_bytes(start: bytes) -> None:
    assert read_all(start) == []
    assert read_all(start + b"\x85") == [BROKEN]


# -- 5: fragmentation ------------------------------------------------------------------------------

ONE, TWO = frame(TEXT, b"one", fin=False), frame(CONT, b"two")
FRAGMENTS = [
    pytest.param(ONE + TWO, [text("onetwo")], id="5.3 text"),
    pytest.param(ONE + frame(PING, b"p") + TWO, [("PING", b"p", ""), text("onetwo")], id="5.6"),
    pytest.param(
        ONE + frame(PONG) + frame(PING) + TWO,
        [("PONG", b"", ""), ("PING", b"", ""), text("onetwo")],
        id="control frames between",
    ),
    pytest.param(TWO + frame(TEXT, b"x"), [BROKEN], id="5.9 continuation of nothing"),
    pytest.param(frame(CONT, b"x", fin=False) + TWO, [BROKEN], id="5.12 likewise, not final"),
    pytest.param(
        ONE + TWO + frame(CONT, b"x"), [text("onetwo"), BROKEN], id="5.15 behind the last"
    ),
    pytest.param(ONE + frame(TEXT, b"x") + TWO, [BROKEN], id="5.18 another message between"),
    pytest.param(ONE + frame(BINARY, b"x", fin=False), [BROKEN], id="another that begins"),
    pytest.param(
        ONE + close_frame(1000) + TWO, [("CLOSE", 1000, "")], id="a close before the last"
    ),
    pytest.param(fragments(BINARY, [b"", b"", b""]), [binary(b"")], id="6.1.2 all empty"),
    pytest.param(fragments(TEXT, [b"", b"mid", b""]), [text("mid")], id="6.1.3 one is not"),
    pytest.param(
        fragments(BINARY, [b"x" * 126, b"y" * 65536]),
        [binary(b"x" * 126 + b"y" * 65536)],
        id="long ones",
    ),
    pytest.param(fragments(TEXT, [b"*"] * 1000), [text("*" * 1000)], id="a thousand of a byte"),
    pytest.param(fragments(TEXT, [b"*"] * 1001), [LARGE], id="more than a thousand of a byte"),
    pytest.param(
        fragments(BINARY, [b"*" * 64] * 2000), [binary(b"*" * 128000)], id="many of 64 bytes"
    ),
    pytest.param(fragments(BINARY, [b"*" * 63] * 2000), [LARGE], id="many of 63 bytes"),
    pytest.param(
        fragments(TEXT, [b"a", b"b"]) * 2000, [text("ab")] * 2000, id="many messages of two"
    ),
]


@pytest.mark.parametrize(("data", "events"), FRAGMENTS)
def test_fragments_are_joined(data: bytes, events: list[Event]) -> None:
    assert read_all(data) == events


@pytest.mark.parametrize(
    ("data", "events"), [each for each in FRAGMENTS if len(each.values[0]) < 300]
)
def test_fragments_are_joined_byte_by_byte(data: bytes, events: list[Event]) -> None:
    assert read(Assembler(), bytewise(data)) == events


# -- 6: UTF-8 --------------------------------------------------------------------------------------

GOOD_TEXT = [
    pytest.param("", id="empty"),
    pytest.param("Hello-\xb5@\xdf\xf6\xe4\xfc\xe0\xe1-UTF-8!!", id="6.2 greeting"),
    pytest.param("\u03ba\u1f79\u03c3\u03bc\u03b5", id="6.5 kosme"),
    pytest.param("\0", id="6.7 least of one byte"),
    pytest.param("\x7f\x80\u07ff\u0800\uffff\U00010000", id="6.9 edges of lengths"),
    pytest.param("\ud7ff\ue000\ufffd\U0010ffff", id="6.11 edges of the surrogates, and the last"),
    pytest.param("\ufffe\uffff\U0001fffe", id="6.22 no characters, but text"),
    pytest.param("\ufeffa", id="a byte order mark stays"),
]
BAD_TEXT = [
    pytest.param("cebae1bdb9cf83cebcceb5eda08065646974 6564", id="6.3.1 a surrogate within"),
    pytest.param("f4908080", id="6.4 past the last character"),
    pytest.param("f8 88 80 80 80", id="6.8 five bytes"),
    pytest.param("fc 84 80 80 80 80", id="6.8 six bytes"),
    pytest.param("80", id="6.12 a continuation byte"),
    pytest.param("bf bf", id="6.12 two of them"),
    pytest.param("c0 20 c1 20", id="6.13 lone first bytes"),
    pytest.param("ce ba e1 bd", id="6.14 cut within a character"),
    pytest.param("f0 9f 98", id="6.14 cut before the last byte"),
    pytest.param("fe", id="6.16 impossible FE"),
    pytest.param("ff", id="6.16 impossible FF"),
    pytest.param("c0 af", id="6.17 slash in two bytes"),
    pytest.param("e0 80 af", id="6.17 slash in three bytes"),
    pytest.param("f0 80 80 af", id="6.17 slash in four bytes"),
    pytest.param("c1 bf", id="6.18 greatest overlong"),
    pytest.param("ed a0 80", id="6.20 a high surrogate"),
    pytest.param("ed bf bf", id="6.20 a low surrogate"),
    pytest.param("ed a0 80 ed b0 80", id="6.21 a pair of them"),
]


@pytest.mark.parametrize("data", GOOD_TEXT)
def test_text_is_decoded_however_it_is_cut(data: str) -> None:
    raw = data.encode()
    assert read_all(frame(TEXT, raw)) == [text(data)]
    assert read_all(fragments(TEXT, [b"", *bytewise(raw), b""])) == [text(data)]


@pytest.mark.parametrize("data", BAD_TEXT)
@pytest.mark.parametrize("filler", [b"", b"x" * 200], ids=["short", "long"])
def test_text_that_is_no_utf_8_is_refused(data: str, filler: bytes) -> None:
    raw = filler + bytes.fromhex(data)
    assert read_all(frame(TEXT, raw)) == [NO_TEXT]
    assert read_all(fragments(TEXT, [filler, *bytewise(raw)])) == [NO_TEXT]
    assert read_all(frame(BINARY, raw)) == [binary(raw)]


@pytest.mark.parametrize(
    ("pieces", "fails_at"),
    [
        pytest.param([b"ok", b"\xff", b"ok"], 1, id="a wrong byte"),
        pytest.param([b"\xce\xba\xe1\xbd\xb9", b"\xf4\x90", b"\x80\x80"], 1, id="6.4.1"),
        pytest.param([b"\xed", b"\xa0", b"\x80"], 2, id="a surrogate's last byte"),
        pytest.param([b"\xe2\x82", b"x", b""], 1, id="a character that is broken off"),
        pytest.param([b"\xe2\x82", b"", b""], 2, id="one that is not ended"),
    ],
)
def test_wrong_text_is_refused_in_its_fragment(pieces: list[bytes], fails_at: int) -> None:
    """RFC 6455 section 8.1: once it is found out, however much were to follow."""
    frames = [
        frame(CONT if number else TEXT, piece, fin=False) for number, piece in enumerate(pieces)
    ]
    frames[-1] = frame(CONT, pieces[-1])
    assembler = Assembler()
    for number, each in enumerate(frames):
        assert read(assembler, [each]) == ([NO_TEXT] if number == fails_at else [])
        if number == fails_at:
            break


def test_text_may_be_left_as_bytes_which_nobody_checks() -> None:
    data = frame(TEXT, b"a\xff") + fragments(TEXT, [b"\xff", b"\xc3"]) + frame(BINARY, b"b")
    assembler = Assembler(decode_text=False)
    assembler.feed(data)
    first, second, third = (assembler.next_message() for _ in range(3))
    assert first == (WSMsgType.TEXT, b"a\xff", "")
    assert second == (WSMsgType.TEXT, b"\xff\xc3", "")
    assert isinstance(first, WSMessageTextBytes)
    assert isinstance(second, WSMessageTextBytes)
    assert third == (WSMsgType.BINARY, b"b", "")
    assert not isinstance(third, WSMessageTextBytes)


# -- 7: closes -------------------------------------------------------------------------------------

CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4999]
BAD_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
CLOSES = [
    pytest.param(close_frame(), [("CLOSE", 1005, "")], id="7.3.1 empty"),
    pytest.param(frame(CLOSE, b"\x03"), [BROKEN], id="7.3.2 of a byte"),
    pytest.param(close_frame(1000, b"bye"), [("CLOSE", 1000, "bye")], id="7.3.4 with a reason"),
    pytest.param(
        close_frame(1000, b"*" * 123), [("CLOSE", 1000, "*" * 123)], id="7.3.5 a long reason"
    ),
    pytest.param(close_frame(1000, b"*" * 124), [BROKEN], id="7.3.6 a reason too long"),
    pytest.param(close_frame(1000, b"a\xce\xba\xff"), [NO_TEXT], id="7.5.1 a reason no UTF-8"),
    pytest.param(close_frame(999, b"\xff"), [BROKEN], id="a wrong code with a wrong reason"),
    *(pytest.param(close_frame(code), [("CLOSE", code, "")], id=f"7.7 {code}") for code in CODES),
    *(pytest.param(close_frame(code), [BROKEN], id=f"7.9 {code}") for code in BAD_CODES),
]


@pytest.mark.parametrize(("data", "events"), CLOSES)
def test_closes_have_codes_and_reasons(data: bytes, events: list[Event]) -> None:
    assert read_all(data) == events
    assert read(Assembler(), bytewise(data)) == events


@pytest.mark.parametrize(
    "behind",
    [frame(TEXT, b"late"), frame(PING), close_frame(1001), frame(3), b"\xff" * 100],
    ids=["text", "ping", "close", "reserved opcode", "noise"],
)
def test_nothing_is_read_behind_a_close(behind: bytes) -> None:
    """7.1.2 to 7.1.5."""
    assert read_all(close_frame(1000) + behind) == [("CLOSE", 1000, "")]
    assert read(Assembler(), [close_frame(1000), behind, behind]) == [("CLOSE", 1000, "")]


def test_nothing_is_read_or_kept_behind_an_error() -> None:
    assembler = Assembler()
    assert read(assembler, [frame(3)]) == [BROKEN]
    tracemalloc.start()
    try:
        assert read(assembler, (bytes(1000) for _ in range(1000))) == []
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


# -- 9: limits -------------------------------------------------------------------------------------

LIMITS = [
    pytest.param(10, frame(BINARY, b"x" * 9), [binary(b"x" * 9)], id="below"),
    pytest.param(10, frame(BINARY, b"x" * 10), [LARGE], id="at"),
    pytest.param(1000, frame(BINARY, b"x" * 999), [binary(b"x" * 999)], id="long, below"),
    pytest.param(1000, frame(BINARY, b"x" * 1000), [LARGE], id="long, at"),
    pytest.param(10, fragments(BINARY, [b"x" * 5, b"x" * 4]), [binary(b"x" * 9)], id="fragments"),
    pytest.param(10, fragments(BINARY, [b"x" * 5, b"x" * 5]), [LARGE], id="fragments, at"),
    pytest.param(1000, fragments(BINARY, [b"x" * 500] * 2), [LARGE], id="long fragments, at"),
    pytest.param(10, frame(PING, b"x" * 125), [("PING", b"x" * 125, "")], id="a ping is none"),
    pytest.param(
        10,
        frame(BINARY, b"x" * 9, fin=False) + frame(PING, b"y" * 125) + frame(CONT),
        [("PING", b"y" * 125, ""), binary(b"x" * 9)],
        id="a ping between fragments",
    ),
    pytest.param(10, close_frame(1000, b"x" * 100), [("CLOSE", 1000, "x" * 100)], id="a close"),
    pytest.param(10, frame(TEXT, "é".encode() * 5), [LARGE], id="bytes are counted"),
    pytest.param(10, frame(TEXT, b"x" * 9) * 3, [text("x" * 9)] * 3, id="each message by itself"),
    pytest.param(1, frame(TEXT), [text("")], id="none but empty"),
    pytest.param(1, frame(TEXT, b"x"), [LARGE], id="a byte too many"),
]


@pytest.mark.parametrize(("limit", "data", "events"), LIMITS)
def test_messages_at_the_limit_are_refused(limit: int, data: bytes, events: list[Event]) -> None:
    assert read_all(data, max_size=limit) == events
    assert read(Assembler(limit), bytewise(data)) == events


@pytest.mark.parametrize("size", [2**20, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_giant_length_is_refused_before_anything_is_gathered(size: int) -> None:
    head = frame(BINARY, size=size, form=64, mask=MASK)[:-4]
    assert len(head) == 10
    assert read_all(head, max_size=2**20) == [LARGE]


def test_a_length_that_no_frame_can_have_is_refused_without_a_limit() -> None:
    """RFC 6455 section 5.2: the first of the 64 bits is zero."""
    assert read_all(frame(BINARY, size=2**63 - 1)) == []
    assert read_all(frame(BINARY, size=2**63)) == [BROKEN]


def test_a_giant_fragment_is_refused_with_what_came_before() -> None:
    assert read_all(
        frame(BINARY, b"x" * 600, fin=False) + frame(CONT, size=400), max_size=1000
    ) == [LARGE]


@pytest.mark.parametrize("size", [64, 256, 1024, 4096, 16384, 65536])
def test_large_messages_come_in_fragments_of_all_lengths(size: int) -> None:
    """9.3 and 9.4: 1 MiB; 10.1: whatever a client's library makes of it."""
    data = bytes(range(256)) * 4096
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert read_all(fragments(BINARY, pieces)) == [binary(data)]


@pytest.mark.parametrize("size", [64, 1000, 1300, 4096])
def test_large_messages_come_in_pieces_of_all_lengths(size: int) -> None:
    """9.5 and 9.6: 1 MiB."""
    data = frame(TEXT, b"*" * 2**20)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert read(Assembler(), pieces) == [text("*" * 2**20)]


def test_what_was_read_is_let_go_of() -> None:
    """A connection that lives long keeps no more than the frame that is coming."""
    assembler = Assembler()
    data = (frame(BINARY, b"x" * 5000) + frame(TEXT, b"y")) * 10
    tracemalloc.start()
    try:
        for _ in range(100):
            assembler.feed(data + data[:3])
            assembler.feed(data[3:])
            while assembler.next_message() is not None:
                pass
            assert not assembler.has_bytes
        assert tracemalloc.get_traced_memory()[0] < 20_000
    finally:
        tracemalloc.stop()


# -- properties ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A frame, right or wrong."""

    opcode: int
    data: bytes
    fin: bool = True
    rsv: int = 0
    masked: bool = True

    @property
    def raw(self) -> bytes:
        mask = MASK if self.masked else b""
        return frame(self.opcode, self.data, fin=self.fin, rsv=self.rsv, mask=mask)


def expect(parts: list[Part], limit: int) -> list[Event]:
    """Tell by the words of RFC 6455 what is read of frames: the model, of which nothing is ours."""
    events: list[Event] = []
    begun: int | None = None
    gathered = b""
    for part in parts:
        is_control = part.opcode >= 8
        is_wrong = part.rsv or not part.masked or part.opcode not in (0, 1, 2, 8, 9, 10)
        is_wrong = is_wrong or (is_control and (not part.fin or len(part.data) > 125))
        is_wrong = is_wrong or (part.opcode == 0 and begun is None)
        is_wrong = is_wrong or (part.opcode in (1, 2) and begun is not None)
        if is_wrong:
            return [*events, BROKEN]
        if part.opcode == 8:
            return [*events, expect_close(part.data)]
        if is_control:
            events.append(("PING" if part.opcode == 9 else "PONG", part.data, ""))
            continue
        begun = part.opcode or begun
        gathered += part.data
        if limit and len(gathered) >= limit:
            return [*events, LARGE]
        if begun == 1 and not could_be_text(gathered, part.fin):
            return [*events, NO_TEXT]
        if part.fin:
            events.append(text(gathered.decode()) if begun == 1 else binary(gathered))
            begun, gathered = None, b""
    return events


def expect_close(data: bytes) -> Event:
    code = int.from_bytes(data[:2], "big")
    if data and (len(data) == 1 or not (code in CODES or 3000 <= code < 5000)):
        return BROKEN
    try:
        return ("CLOSE", code if data else 1005, data[2:].decode())
    except UnicodeDecodeError:
        return NO_TEXT


def could_be_text(data: bytes, whole: bool) -> bool:
    """Whether data are UTF-8, or the beginning of it.

    The decoder of CPython finds a surrogate by its third byte, not the second.
    """
    if not whole and data[-2:-1] == b"\xed" and data[-1] & 0xC0 == 0x80:
        data = data[:-2]
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return not whole and error.reason == "unexpected end of data"
    return True


some_data = st.one_of(
    st.binary(max_size=8),
    st.text(max_size=6).map(str.encode),
    st.sampled_from([b"", b"\xe2", b"\x82\xac", b"\xf0\x9f", b"x" * 130, b"x" * 70_000]),
)
closes = st.one_of(
    st.binary(max_size=4),
    st.builds(
        lambda code, reason: code.to_bytes(2, "big") + reason,
        st.sampled_from([*CODES, *BAD_CODES]),
        some_data.map(lambda data: data[:123]),
    ),
)
mostly = st.sampled_from([True] * 19 + [False])
parts = st.one_of(
    st.builds(Part, st.sampled_from([0, 0, 1, 2]), some_data, st.booleans()),
    st.builds(Part, st.sampled_from([9, 10]), some_data.map(lambda data: data[:125])),
    st.builds(Part, st.just(8), closes),
    st.builds(
        Part, st.integers(0, 15), some_data, mostly, st.sampled_from([0] * 9 + [1, 2, 4]), mostly
    ),
)
# Messages that are right, with control frames between fragments.
messages = st.builds(
    lambda opcode, pieces, controls: [
        each
        for number, piece in enumerate(pieces)
        for each in (
            Part(0 if number else opcode, piece, number == len(pieces) - 1),
            *(controls if number < len(pieces) - 1 else ()),
        )
    ],
    st.sampled_from([1, 2]),
    st.lists(st.text(max_size=8).map(str.encode), min_size=1, max_size=4),
    st.lists(st.builds(Part, st.sampled_from([9, 10]), st.binary(max_size=5)), max_size=2),
)
sequences = st.one_of(
    st.lists(messages, max_size=5).map(lambda lists: [part for each in lists for part in each]),
    st.lists(parts, max_size=8),
    st.tuples(messages, st.lists(parts, max_size=3)).map(lambda pair: [*pair[0], *pair[1]]),
)


@given(sequence=sequences, places=st.lists(st.integers(0, 2**17), max_size=6))
@example(sequence=[Part(1, b"\xf0\x9f", False), Part(9, b""), Part(0, b"\x98\x80")], places=[3])
@settings(max_examples=400, deadline=None)
def test_frames_however_cut_are_read_as_the_rfc_says(
    sequence: list[Part], places: list[int]
) -> None:
    data = b"".join(part.raw for part in sequence)
    for limit in (0, 100, 2**16):
        assert read(Assembler(limit), cut(data, places)) == expect(sequence, limit)


@given(sequence=sequences)
@settings(max_examples=100, deadline=None)
def test_frames_byte_by_byte_are_read_as_in_one(sequence: list[Part]) -> None:
    data = b"".join(part.raw for part in sequence)[:600]
    assert read(Assembler(50), bytewise(data)) == read_all(data, max_size=50)


@given(data=st.binary(max_size=300), places=st.lists(st.integers(0, 300), max_size=6))
def test_any_bytes_are_read_alike_however_cut(data: bytes, places: list[int]) -> None:
    assert read(Assembler(100), cut(data, places)) == read_all(data, max_size=100)
