"""Frames of WebSockets: the lane beside the library's parser, heads, closes, kinds and codes."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.extensions.base import Extension
from websockets.frames import Frame, Opcode, apply_mask

from bascule.wire.frames import (
    CLOSED,
    CLOSING,
    COMPRESSED,
    WebSocketError,
    WSCloseCode,
    WSMessage,
    WSMessageTextBytes,
    WSMsgType,
    cut_reason,
    dump_close,
    dump_frame,
    dump_frame_head,
    find_plain_frame,
    is_sendable_code,
    make_message,
    read_plain_frame,
)
from support.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame

# -- the lane --------------------------------------------------------------------------------------


class Coding(Extension):
    """Allows the bit of compression, and notes it."""

    is_compressed = False

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        self.is_compressed = frame.rsv1
        return replace(frame, rsv1=False)


def parse(data: bytes, *extensions: Extension) -> tuple[Frame, int] | None:
    """Read a frame by the library: the frame and where it ends; None if it is not complete.

    Raises:
        ProtocolError: it is no frame of a client.
    """
    at = 0

    def read_exact(size: int) -> Generator[None, None, bytes]:
        nonlocal at
        while at + size > len(data):
            yield
        at += size
        return data[at - size : at]

    try:
        next(Frame.parse(read_exact, mask=True, extensions=extensions))
    except StopIteration as done:
        return done.value, at
    return None


# RFC 6455 section 5.7 has the first.
SHORT = [
    pytest.param("818537fa213d7f9f4d5158", (1, b"Hello", 11), id="text"),
    pytest.param("828537fa213d7f9f4d5158", (2, b"Hello", 11), id="binary"),
    pytest.param("818037fa213d", (1, b"", 6), id="empty"),
    pytest.param("818100000000ff", (1, b"\xff", 7), id="not masked by its key, and no UTF-8"),
    pytest.param("8282ffffffff0000", (2, b"\xff\xff", 8), id="zeros behind the mask"),
    pytest.param("828400000000610000006162", (2, b"a\0\0\0", 10), id="zeros at its end; rest"),
    pytest.param(f"82fd01020304{'01020304' * 31}01", (2, bytes(125), 131), id="of 125 bytes"),
]


@pytest.mark.parametrize(("data", "read"), SHORT)
def test_the_lane_reads_plain_frames(data: str, read: tuple[int, bytes, int]) -> None:
    assert read_plain_frame(bytearray.fromhex(data), 0, apply_mask) == read


def test_the_lane_reads_from_any_place() -> None:
    buffer = bytearray(b"\x81\x81" + frame(TEXT, b"one") + frame(BINARY, b"two"))
    assert read_plain_frame(buffer, 2, apply_mask) == (1, b"one", 11)
    assert read_plain_frame(buffer, 11, apply_mask) == (2, b"two", 20)
    assert read_plain_frame(buffer, 20, apply_mask) is None


OTHERS = [
    pytest.param(b"", id="nothing"),
    pytest.param(frame(TEXT, b"x")[:5], id="no whole head"),
    pytest.param(frame(TEXT, b"xyz")[:-1], id="no whole payload"),
    pytest.param(frame(TEXT, b"x", fin=False), id="first fragment"),
    pytest.param(frame(CONT, b"x"), id="last fragment"),
    pytest.param(frame(TEXT, b"x", rsv=4), id="compressed"),
    pytest.param(frame(TEXT, b"x", rsv=2), id="second reserved bit"),
    pytest.param(frame(TEXT, b"x", rsv=1), id="third reserved bit"),
    pytest.param(frame(3, b"x"), id="opcode 3"),
    pytest.param(frame(CLOSE), id="close"),
    pytest.param(frame(PING), id="ping"),
    pytest.param(frame(PONG), id="pong"),
    pytest.param(frame(TEXT, b"xxxxxx", mask=b""), id="not masked"),
    pytest.param(frame(TEXT, b"x" * 126)[:-1], id="no whole payload of 126 bytes"),
    pytest.param(frame(TEXT, b"x" * 126)[:7], id="no whole head in 16 bits"),
    pytest.param(frame(TEXT, b"x" * 65536)[:-1], id="no whole payload of 65536 bytes"),
    pytest.param(frame(TEXT, b"x" * 65536)[:13], id="no whole head in 64 bits"),
]


@pytest.mark.parametrize("data", OTHERS)
def test_the_lane_leaves_all_other_frames_alone(data: bytes) -> None:
    assert read_plain_frame(bytearray(data), 0, apply_mask) is None


heads = st.builds(
    lambda first, second, rest: bytes((first, second)) + rest,
    st.one_of(st.sampled_from([0x81, 0x82]), st.integers(0, 255)),
    st.one_of(st.integers(0x80, 0x88), st.integers(0x80, 0xFF), st.integers(0, 255)),
    st.binary(max_size=16) | st.binary(min_size=120, max_size=140),
)


@given(data=heads | st.binary(max_size=16), front=st.binary(max_size=3))
@example(data=frame(TEXT, b"x" * 125), front=b"")
@example(data=frame(TEXT, b"x" * 126), front=b"")
@example(data=frame(TEXT, b"x" * 125, form=16), front=b"")
@example(data=frame(TEXT, b"x" * 65536), front=b"ab")
@example(data=frame(BINARY, b"x" * 3, form=64), front=b"")
@example(data=frame(BINARY, bytes(8)), front=b"\x81")
def test_the_lane_is_the_library_wherever_it_takes_a_frame(data: bytes, front: bytes) -> None:
    """It takes each complete, final, plain and masked frame of data, no other."""
    read = read_plain_frame(bytearray(front + data), len(front), apply_mask)
    try:
        parsed = parse(data)
    except ProtocolError:
        parsed = None
    if parsed is None:
        assert read is None
        return
    found, end = parsed
    if found.fin and found.opcode in (TEXT, BINARY):
        assert read == (found.opcode, bytes(found.data), len(front) + end)
    else:
        assert read is None


@given(data=heads | st.binary(max_size=16), front=st.binary(max_size=3))
@example(data=frame(TEXT, b"x" * 125, rsv=4), front=b"")
@example(data=frame(TEXT, b"x" * 126, rsv=4), front=b"")
@example(data=frame(BINARY, b"x" * 65536, rsv=4), front=b"ab")
@example(data=frame(TEXT, b"x", rsv=4, fin=False), front=b"")
@example(data=frame(PING, b"x", rsv=4), front=b"")
@example(data=frame(TEXT, b"x", rsv=6), front=b"")
def test_with_compression_it_takes_compressed_frames_too(data: bytes, front: bytes) -> None:
    read = read_plain_frame(front + data, len(front), apply_mask, compressed=True)
    coding = Coding()
    try:
        parsed = parse(data, coding)
    except ProtocolError:
        parsed = None
    if parsed is None or not parsed[0].fin or parsed[0].opcode not in (TEXT, BINARY):
        assert read is None
        return
    found, end = parsed
    opcode = found.opcode | (COMPRESSED if coding.is_compressed else 0)
    assert read == (opcode, bytes(found.data), len(front) + end)


@pytest.mark.parametrize("size", [1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("rsv", [0, 4])
def test_the_lane_takes_no_more_than_the_limit(size: int, rsv: int) -> None:
    data = frame(BINARY, bytes(size), rsv=rsv)
    for function in (
        lambda limit: read_plain_frame(data, 0, apply_mask, limit, True),
        lambda limit: find_plain_frame(data, 0, limit, True),
    ):
        assert function(size) is not None
        assert function(size - 1) is None


@pytest.mark.parametrize(("size", "head"), [(0, 6), (125, 6), (126, 8), (65535, 8), (65536, 14)])
def test_a_plain_frame_is_found_by_its_head(size: int, head: int) -> None:
    data = b"ab" + frame(TEXT, bytes(size))
    for cut in range(2, 2 + head):
        assert find_plain_frame(data[:cut], 2) is None
    assert find_plain_frame(data[: 2 + head], 2) == (2 + head, 2 + head + size)


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, b"xy", fin=False),
        frame(CONT, b"xy"),
        frame(TEXT, b"xy", rsv=4),
        frame(PING, b"x"),
        frame(TEXT, b"x" * 8, mask=b""),
        frame(TEXT, b"x" * 200, mask=b""),
    ],
    ids=["fragment", "last fragment", "compressed", "ping", "not masked", "not masked, longer"],
)
def test_no_other_frame_is_found(data: bytes) -> None:
    assert find_plain_frame(data, 0) is None


# -- what is sent ----------------------------------------------------------------------------------

HEADS = [
    pytest.param(TEXT, 0, False, "8100", id="empty"),
    pytest.param(TEXT, 125, False, "817d", id="largest in 7 bits"),
    pytest.param(BINARY, 126, False, "827e007e", id="least in 16 bits"),
    pytest.param(BINARY, 65535, False, "827effff", id="largest in 16 bits"),
    pytest.param(BINARY, 65536, False, "827f0000000000010000", id="least in 64 bits"),
    pytest.param(BINARY, 2**40, False, "827f0000010000000000", id="a long one"),
    pytest.param(TEXT, 5, True, "c105", id="compressed"),
    pytest.param(CLOSE, 2, False, "8802", id="close"),
    pytest.param(PING, 0, False, "8900", id="ping"),
    pytest.param(PONG, 4, False, "8a04", id="pong"),
]


@pytest.mark.parametrize(("opcode", "size", "rsv1", "head"), HEADS)
def test_lengths_are_written_in_the_least_form(
    opcode: int, size: int, rsv1: bool, head: str
) -> None:
    assert dump_frame_head(opcode, size, rsv1=rsv1) == bytes.fromhex(head)


@given(
    opcode=st.sampled_from([TEXT, BINARY, PING]),
    size=st.integers(0, 125) | st.integers(120, 130) | st.integers(65530, 65540),
)
def test_heads_are_those_of_the_library(opcode: int, size: int) -> None:
    data = bytes(size if opcode != PING else size % 126)
    whole = Frame(Opcode(opcode), data).serialize(mask=False)
    assert dump_frame_head(opcode, len(data)) + data == whole
    assert dump_frame(opcode, data) == whole
    marked = bytes([whole[0] | COMPRESSED]) + whole[1:]
    assert dump_frame(opcode, data, rsv1=True) == marked


# -- closes ----------------------------------------------------------------------------------------

SENDABLE = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
SENDABLE += [3000, 3999, 4000, 4999]
UNSENDABLE = [-1, 0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535, 65536]


@pytest.mark.parametrize("code", SENDABLE)
def test_codes_of_the_registry_and_of_applications_may_be_sent(code: int) -> None:
    """RFC 6455 section 7.4, and IANA's registry."""
    assert is_sendable_code(code)


@pytest.mark.parametrize("code", [*UNSENDABLE, "1000", None, 1000.0])
def test_other_codes_may_not_be_sent(code: object) -> None:
    assert not is_sendable_code(code)


def test_a_close_has_its_code_and_reason() -> None:
    assert dump_close(1000, b"") == b"\x03\xe8"
    assert dump_close(4999, b"bye") == b"\x13\x87bye"
    assert dump_close(1005, b"") == b""


@pytest.mark.parametrize(
    ("reason", "cut"),
    [
        pytest.param(b"", b"", id="empty"),
        pytest.param(b"x" * 123, b"x" * 123, id="as long as may be"),
        pytest.param(b"x" * 124, b"x" * 123, id="too long"),
        pytest.param("é".encode() * 61 + b"xy", "é".encode() * 61 + b"x", id="cut between"),
        pytest.param("é".encode() * 62, "é".encode() * 61, id="not cut within a character"),
        pytest.param(b"a\xffb", "a\ufffdb".encode(), id="no UTF-8"),
        pytest.param(b"\xff" * 123, "\ufffd".encode() * 41, id="no UTF-8, longer when mended"),
    ],
)
def test_a_reason_is_made_fit_to_be_sent(reason: bytes, cut: bytes) -> None:
    assert cut_reason(reason) == cut


@given(st.binary(max_size=200))
def test_any_reason_can_be_sent(reason: bytes) -> None:
    cut = cut_reason(reason)
    assert len(cut) <= 123
    cut.decode("utf-8")


# -- messages --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "data", "decode_text", "message"),
    [
        (WSMsgType.TEXT, "é", True, (1, "é", "")),
        (WSMsgType.TEXT, "é".encode(), True, (1, "é", "")),
        (WSMsgType.TEXT, "é", False, (1, b"\xc3\xa9", "")),
        (WSMsgType.TEXT, bytearray(b"\xff"), False, (1, b"\xff", "")),
        (WSMsgType.BINARY, memoryview(b"ab"), True, (2, b"ab", "")),
        (WSMsgType.PING, "a", True, (9, b"a", "")),
    ],
)
def test_a_message_is_what_its_peer_receives(
    kind: WSMsgType, data: Any, decode_text: bool, message: tuple[int, Any, str]
) -> None:
    made = make_message(kind, data, decode_text)
    assert made == message
    assert isinstance(made, WSMessageTextBytes) is (kind is WSMsgType.TEXT and not decode_text)


def test_text_that_is_none_makes_no_message() -> None:
    with pytest.raises(UnicodeDecodeError):
        make_message(WSMsgType.TEXT, b"\xff")


def test_messages_parse_json() -> None:
    assert WSMessage(WSMsgType.TEXT, '{"a": 1}', "").json() == {"a": 1}
    assert WSMessageTextBytes(WSMsgType.TEXT, b"[1]", "").json() == [1]
    assert WSMessage(WSMsgType.TEXT, "x", "").json(loads=str.upper) == "X"


def test_what_is_told_of_the_connection_has_no_data() -> None:
    assert CLOSING == (0x100, None, None)
    assert CLOSED == (0x101, None, None)


def test_an_error_knows_the_code_of_its_close() -> None:
    error = WebSocketError(WSCloseCode.INVALID_TEXT, "what it did")
    assert error.code == 1007
    assert str(error) == "what it did"
    assert error.args == (1007, "what it did")
