"""Compressed messages (RFC 7692): what is agreed on, and that nothing is ever corrupted.

The classes 12 and 13 of the Autobahn test suite, with zlib and a client extension of the
websockets library as peers.
"""

import os
import time
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

from bascule.server.assembler import Assembler
from bascule.server.deflate import Deflate, DeflateSettings, negotiate
from bascule.wire.frames import WebSocketError
from bascule.wire.handshake import parse_extensions
from support.frames import BINARY, CONT, PING, TEXT, cut, fragments, frame

NAME = "permessage-deflate"
COMPRESSED = 4


def agree(offer: str = NAME, **settings: int) -> Deflate | None:
    fields = CIMultiDict({"Sec-WebSocket-Extensions": offer})
    return negotiate(parse_extensions(fields), DeflateSettings(**settings))


def agreed(offer: str = NAME, **settings: int) -> Deflate:
    deflate = agree(offer, **settings)
    assert deflate is not None
    return deflate


def squeeze(data: bytes, bits: int = 15, level: int = 6) -> bytes:
    """Compress a message as a client does (RFC 7692 section 7.2.1)."""
    stream = zlib.compressobj(level, wbits=-bits)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


def read_all(assembler: Assembler, data: bytes = b"") -> list[Any]:
    """Read the data of all messages; the code of an error is the last."""
    assembler.feed(data)
    found: list[Any] = []
    try:
        while (message := assembler.next_message()) is not None:
            found.append(message.data)
    except WebSocketError as error:
        found.append(error.code)
    return found


# -- what is agreed on -----------------------------------------------------------------------------

OFFERS = [
    ("", "; server_max_window_bits=12"),
    ("; client_max_window_bits", "; server_max_window_bits=12; client_max_window_bits=12"),
    ("; client_max_window_bits=8", "; server_max_window_bits=12; client_max_window_bits=8"),
    ("; client_max_window_bits=10", "; server_max_window_bits=12; client_max_window_bits=10"),
    ("; client_max_window_bits=15", "; server_max_window_bits=12; client_max_window_bits=12"),
    ("; server_max_window_bits=9", "; server_max_window_bits=9"),
    ("; server_max_window_bits=15", "; server_max_window_bits=12"),
    ('; server_max_window_bits="10"', "; server_max_window_bits=10"),
    (
        "; server_no_context_takeover",
        "; server_no_context_takeover; server_max_window_bits=12",
    ),
    (
        "; client_no_context_takeover",
        "; client_no_context_takeover; server_max_window_bits=12",
    ),
    (
        "; client_no_context_takeover; server_no_context_takeover"
        "; client_max_window_bits=9; server_max_window_bits=10",
        "; server_no_context_takeover; client_no_context_takeover"
        "; server_max_window_bits=10; client_max_window_bits=9",
    ),
]


@pytest.mark.parametrize(("offer", "answer"), OFFERS)
def test_offers_are_answered_within_their_terms(offer: str, answer: str) -> None:
    """RFC 7692 section 7.1."""
    deflate = agreed(NAME + offer)
    assert deflate.answer == NAME + answer
    assert f"server_max_window_bits={deflate.window_bits}" in answer


UNUSABLE = [
    "x-webkit-deflate-frame",
    f"{NAME}; server_max_window_bits",
    f"{NAME}; server_max_window_bits=8",  # which zlib cannot do
    f"{NAME}; server_max_window_bits=16",
    f"{NAME}; server_max_window_bits=010",
    f"{NAME}; client_max_window_bits=7",
    f"{NAME}; client_max_window_bits=16",
    f"{NAME}; client_no_context_takeover=1",
    f"{NAME}; server_no_context_takeover; server_no_context_takeover",
    f"{NAME}; unknown",
    f"{NAME}; unknown=1",
    f"{NAME}; =",
]


@pytest.mark.parametrize("offer", UNUSABLE)
def test_what_cannot_be_used_is_declined(offer: str) -> None:
    assert agree(offer) is None


@pytest.mark.parametrize("offer", UNUSABLE[:-1])
def test_the_next_offer_is_taken_instead(offer: str) -> None:
    """RFC 7692 section 5.2: alternatives stand in the order of preference."""
    deflate = agreed(f"{offer}, {NAME}; client_no_context_takeover, {NAME}")
    assert deflate.answer == f"{NAME}; client_no_context_takeover; server_max_window_bits=12"


@pytest.mark.parametrize("bits", range(9, 16))
def test_window_bits_can_be_set(bits: int) -> None:
    deflate = agreed(f"{NAME}; client_max_window_bits", window_bits=bits)
    assert deflate.window_bits == bits
    assert deflate.answer.endswith(f"server_max_window_bits={bits}; client_max_window_bits={bits}")


# -- what comes ------------------------------------------------------------------------------------

SIZES = [0, 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072]
JSON = '{"number": 7, "text": "much of it is alike"} ' * 3000


@pytest.mark.parametrize("takeover", ["", "; client_no_context_takeover"])
@pytest.mark.parametrize("bits", [8, 9, 12, 15])
@pytest.mark.parametrize("size", SIZES)
def test_compressed_messages_of_all_sizes_are_read(size: int, bits: int, takeover: str) -> None:
    """12 and 13: ten messages of one compressor, whole and in fragments, plain ones between."""
    offer = f"{NAME}; client_max_window_bits={bits}{takeover}"
    assembler = Assembler(deflate=agreed(offer, window_bits=15))
    stream = zlib.compressobj(wbits=-max(bits, 9))
    data = JSON[: size if bits > 8 else min(size, 250)].encode()  # zlib has no window of 8 bits
    for number in range(10):
        if takeover:
            stream = zlib.compressobj(wbits=-max(bits, 9))
        made = (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]
        pieces = cut(made, [1, 2, 256, 1024] * (number % 2)) or [b""]
        raw = fragments(TEXT, pieces, COMPRESSED) + frame(TEXT, b"plain")
        assert read_all(assembler, raw) == [data.decode(), "plain"]


# RFC 7692 section 7.2.3.
HELLO = "f248cdc9c90700"


@pytest.mark.parametrize("parts", [1, 2], ids=["whole", "in fragments"])
def test_a_client_that_agreed_to_keep_no_context_is_held_to_it(parts: int) -> None:
    """RFC 7692 section 7.1.1.2: each of its messages is inflated with an empty window."""
    again = bytes.fromhex("f200110000")  # refers to the message in front of it
    pieces = [again] if parts == 1 else [again[:3], again[3:]]
    first = frame(TEXT, bytes.fromhex(HELLO), rsv=COMPRESSED)
    second = fragments(TEXT, pieces, COMPRESSED)
    assert read_all(Assembler(deflate=agreed()), first + second) == ["Hello", "Hello"]
    strict = Assembler(deflate=agreed(f"{NAME}; client_no_context_takeover"))
    assert read_all(strict, first + second) == ["Hello", 1002]


EXAMPLES = [
    pytest.param([HELLO], ["Hello"], id="7.2.3.1 one block"),
    pytest.param([HELLO, "f200110000"], ["Hello", "Hello"], id="7.2.3.2 sharing the window"),
    pytest.param(["000500faff48656c6c6f00"], ["Hello"], id="7.2.3.3 no compression"),
    pytest.param(["f348cdc9c9070000"], ["Hello"], id="7.2.3.4 a last block"),
    pytest.param(["f348cdc9c9070000", HELLO, HELLO], ["Hello"] * 3, id="more behind a last block"),
    pytest.param(["f348cdc9c90700"] * 3, ["Hello"] * 3, id="last blocks without an empty one"),
    pytest.param(
        ["f348cdc9c90700f348cdc9c90700" + HELLO], ["Hello" * 3], id="last blocks in a message"
    ),
    pytest.param(["f248050000 00ffff cac9c90700"], ["Hello"], id="7.2.3.5 two blocks"),
    pytest.param(["00", HELLO], ["", "Hello"], id="7.2.3.6 an empty message"),
    pytest.param(["00"] * 3, [""] * 3, id="empty messages"),
]


@pytest.mark.parametrize(("payloads", "messages"), EXAMPLES)
@pytest.mark.parametrize("cuts", [[], [1], [2, 3, 5], range(40)], ids=str)
def test_the_examples_of_the_rfc_are_read(
    payloads: list[str], messages: list[str], cuts: list[int]
) -> None:
    assembler = Assembler(deflate=agreed())
    raw = (fragments(TEXT, cut(bytes.fromhex(each), cuts), COMPRESSED) for each in payloads)
    assert read_all(assembler, b"".join(raw)) == messages


WRONG = [
    pytest.param(frame(TEXT, b"\x07" * 10, rsv=4), 1002, id="no compressed data"),
    pytest.param(
        frame(TEXT, b"\xf2", fin=False, rsv=4) + frame(CONT, b"\x07" * 9), 1002, id="in a fragment"
    ),
    pytest.param(frame(PING, rsv=4), 1002, id="a compressed ping"),
    pytest.param(frame(TEXT, b"x", rsv=6), 1002, id="the second reserved bit too"),
    pytest.param(frame(TEXT, b"x", rsv=5), 1002, id="the third reserved bit too"),
    pytest.param(
        frame(TEXT, b"x", fin=False) + frame(CONT, b"x", rsv=4), 1002, id="begun in a continuation"
    ),
    pytest.param(
        frame(TEXT, b"\xf2H", fin=False, rsv=4) + frame(CONT, b"\x00", rsv=4), 1002, id="told twice"
    ),
    pytest.param(frame(TEXT, squeeze(b"\xff"), rsv=4), 1007, id="no UTF-8 inside"),
    pytest.param(
        frame(TEXT, squeeze(b"\xff" * 50_000, level=0), rsv=4, fin=False), 1007, id="seen at once"
    ),
]


@pytest.mark.parametrize(("data", "code"), WRONG)
def test_what_is_compressed_wrongly_is_refused(data: bytes, code: int) -> None:
    for front in (b"", frame(TEXT, bytes.fromhex(HELLO), rsv=4)):
        found = read_all(Assembler(deflate=agreed()), front + data + frame(TEXT, b"late"))
        assert found == ["Hello", code][not front :]


@pytest.mark.parametrize("size", [998, 999, 1000, 1001, 3000, 10**6])
@pytest.mark.parametrize("kind", [bytes, os.urandom], ids=["zeros", "random"])
@pytest.mark.parametrize("cuts", [[], [100], [10, 500]], ids=str)
def test_the_limit_is_that_of_the_inflated_message(size: int, kind: Any, cuts: list[int]) -> None:
    """As long as it would be if it had come plain, although compression may lengthen it."""
    data = kind(size)
    raw = fragments(BINARY, cut(squeeze(data), cuts), COMPRESSED)
    found = read_all(Assembler(1000, deflate=agreed()), raw)
    assert found == ([data] if size < 1000 else [1009])


def test_a_bomb_is_refused_and_takes_no_memory() -> None:
    """256 MiB of zeros come in 255 KiB; no more than the limit is made of them."""
    bomb = frame(BINARY, squeeze(bytes(2**28), level=9), rsv=4)
    assembler = Assembler(2**20, deflate=agreed())
    tracemalloc.start()
    try:
        assert read_all(assembler, bomb) == [1009]
        assert tracemalloc.get_traced_memory()[1] < 5 * 2**20
    finally:
        tracemalloc.stop()


def test_a_bomb_in_fragments_is_refused_and_takes_no_memory() -> None:
    bomb = fragments(BINARY, cut(squeeze(bytes(2**26), level=9), range(0, 2**20, 500)), COMPRESSED)
    assembler = Assembler(2**20, deflate=agreed())
    tracemalloc.start()
    try:
        assert read_all(assembler, bomb) == [1009]
        assert tracemalloc.get_traced_memory()[1] < 5 * 2**20
    finally:
        tracemalloc.stop()


def test_last_blocks_without_end_cost_little() -> None:
    """Each begins another stream: half a million of them stop nobody."""
    raw = frame(BINARY, b"\x03\x00" * 2**19, rsv=4)
    before = time.process_time()
    read_all(Assembler(4 * 2**20, deflate=agreed()), raw)
    assert time.process_time() - before < 5


def test_nothing_is_made_before_it_is_used() -> None:
    """A socket pays nothing for a direction until something compressed goes there."""
    agreed().encode_message(b"warm")  # what zlib keeps for all
    tracemalloc.start()
    try:
        idle = [agreed() for _ in range(100)]
        assert tracemalloc.get_traced_memory()[0] / len(idle) < 2000
    finally:
        tracemalloc.stop()


# -- what is sent ----------------------------------------------------------------------------------


def client_of(deflate: Deflate, offer: ClientPerMessageDeflateFactory) -> Any:
    """Give the other end of what was agreed on, as the websockets library has it."""
    ((_, parameters),) = parse_extensions(CIMultiDict({"Sec-WebSocket-Extensions": deflate.answer}))
    return offer.process_response_params(parameters, [])  # type: ignore[arg-type]  # its own types


offers = st.builds(
    ClientPerMessageDeflateFactory,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    server_max_window_bits=st.none() | st.integers(9, 15),
    client_max_window_bits=st.none() | st.just(True) | st.integers(9, 15),
)
words = st.lists(st.sampled_from(["alpha ", "beta ", "gamma", "äöü", "x" * 700]), max_size=40)
bodies = st.one_of(
    words.map(lambda each: "".join(each).encode()),
    st.binary(max_size=40),
    st.integers(0, 50).map(lambda seed: (b"%d" % seed) * 3000),
    st.integers(0, 5).map(lambda seed: zlib.compress(b"%d" % seed) * 500),
)
# Data of a message, and `compress=` with which it is sent.
sendings = st.lists(
    st.tuples(bodies, st.none() | st.sampled_from([0, 9, 10, 11, 12, 13, 14, 15])), max_size=12
)


places = st.lists(st.integers(0, 9999), max_size=5)


def offered(factory: ClientPerMessageDeflateFactory) -> str:
    pairs = (f"; {n}" if v is None else f"; {n}={v}" for n, v in factory.get_request_params())
    return NAME + "".join(pairs)


@given(factory=offers, bits=st.integers(9, 15), level=st.integers(1, 9), messages=sendings)
@example(
    factory=ClientPerMessageDeflateFactory(),
    bits=15,
    level=8,
    messages=[(b"abc" * 999, None), (b"abc" * 999, 9), (b"abc" * 999, None), (b"", 9), (b"", None)],
)
@settings(max_examples=200, deadline=None)
def test_clients_read_what_is_sent_whatever_compress_is(
    factory: ClientPerMessageDeflateFactory, bits: int, level: int, messages: Any
) -> None:
    """A message of another window, or of none, never spoils those behind it."""
    deflate = agreed(offered(factory), window_bits=bits, memory_level=level)
    client = client_of(deflate, factory)
    for data, compress in messages:
        sent = data if compress == 0 else bytes(deflate.encode_message(data, compress))
        read = client.decode(Frame(Opcode.BINARY, sent, rsv1=compress != 0))
        assert bytes(read.data) == data


@given(factory=offers, bits=st.integers(9, 15), messages=sendings, places=places)
@settings(max_examples=200, deadline=None)
def test_what_clients_send_is_read_whatever_was_agreed_on(
    factory: ClientPerMessageDeflateFactory, bits: int, messages: Any, places: list[int]
) -> None:
    deflate = agreed(offered(factory), window_bits=bits)
    client = client_of(deflate, factory)
    assembler = Assembler(2**20, deflate=deflate)
    for data, compress in messages:
        made = data
        if compress != 0:
            made = bytes(client.encode(Frame(Opcode.BINARY, data)).data)
        raw = fragments(BINARY, cut(made, places) or [b""], COMPRESSED if compress != 0 else 0)
        assert b"".join(read_all(assembler, raw)) == data


@pytest.mark.parametrize("offer", ["", "; server_no_context_takeover"])
def test_a_window_is_shared_unless_the_client_forbids_it(offer: str) -> None:
    deflate = agreed(NAME + offer)
    data = os.urandom(500)
    first, second = (len(deflate.encode_message(data)) for _ in range(2))
    assert (second < 50) is not offer
    assert first > 500


@pytest.mark.parametrize("compress", [9, 10, 11])
def test_a_smaller_window_for_a_message_is_kept_to(compress: int) -> None:
    """An inflater of just that window reads it."""
    deflate = agreed()
    block = os.urandom(100)
    data = block + bytes(4000) + block
    deflate.encode_message(data)
    made = bytes(deflate.encode_message(data, compress)) + b"\0\0\xff\xff"
    assert zlib.decompressobj(-compress).decompress(made) == data


@pytest.mark.parametrize(
    "data",
    [b"abcdef", bytearray(b"abcdef"), memoryview(b"abcdef"), memoryview(b"aXbXcX")[::2]],
    ids=["bytes", "bytearray", "memoryview", "not contiguous"],
)
def test_any_buffer_can_be_compressed(data: Any) -> None:
    made = bytes(agreed().encode_message(data)) + b"\0\0\xff\xff"
    assert zlib.decompressobj(-12).decompress(made) == bytes(data)
