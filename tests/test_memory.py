"""The exchange in memory: what is given is what is seen, what is sent is recorded."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bascule.exchange import (
    AnswerHead,
    BodyFraming,
    ClientConnectionResetError,
    Exchange,
    NotSupported,
    State,
)
from bascule.streams import EMPTY_PAYLOAD
from bascule.testing import MemoryChannel, MemoryExchange

# Messages that a channel holds for a side that does not receive.
QUEUE = 32


async def step(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@contextmanager
def begun(call: Any) -> Iterator[asyncio.Task[Any]]:
    """A call in a task of its own, which does not outlive the block."""
    task = asyncio.ensure_future(call)
    try:
        yield task
    finally:
        task.cancel()


# -- the request ----------------------------------------------------------------------------------


def test_a_request_by_default() -> None:
    exchange = MemoryExchange()
    head = exchange.head
    assert (head.method, head.target, head.version) == ("GET", "/", (1, 1))
    assert (head.scheme, head.root_path) == ("http", "")
    assert head.raw_fields == ((b"Host", b"localhost"),)
    assert exchange.body is EMPTY_PAYLOAD
    assert exchange.state is State.OPEN
    assert exchange.extra("peername") == ("127.0.0.1", 1)
    assert exchange.extra("sockname") == ("127.0.0.1", 80)
    assert exchange.extra("ssl_object") is None
    assert exchange.extra("socket", "none") == "none"


def test_a_request_as_given() -> None:
    exchange = MemoryExchange(
        "PUT",
        "/a?b",
        fields=[("host", "x"), ("A", "b"), ("a", "\u20ac\udcff")],
        scheme="https",
        root_path="/r",
        extra={"peername": None, "x": 1},
    )
    head = exchange.head
    assert (head.method, head.target, head.scheme, head.root_path) == ("PUT", "/a?b", "https", "/r")
    raw = ((b"host", b"x"), (b"A", b"b"), (b"a", b"\xe2\x82\xac\xff"))
    assert head.raw_fields == raw
    assert head.fields.getall("a") == ["b", "\u20ac\udcff"]
    assert (exchange.extra("peername"), exchange.extra("x")) == (None, 1)
    assert exchange.extra("sockname") == ("127.0.0.1", 80)


def test_fields_may_be_a_mapping() -> None:
    assert MemoryExchange(fields={"A": "b"}).head.raw_fields == (
        (b"A", b"b"),
        (b"Host", b"localhost"),
    )


@pytest.mark.parametrize(
    ("body", "fields", "framing", "chunks"),
    [
        pytest.param(None, {}, {}, [], id="none"),
        pytest.param(b"", {}, {"Content-Length": "0"}, [], id="empty"),
        pytest.param(b"ab", {}, {"Content-Length": "2"}, [b"ab"], id="whole"),
        pytest.param(
            [b"a", b"bc"], {}, {"Transfer-Encoding": "chunked"}, [b"a", b"bc"], id="pieces"
        ),
        pytest.param(
            (b for b in [b"a"]), {}, {"Transfer-Encoding": "chunked"}, [b"a"], id="iterator"
        ),
        pytest.param([], {}, {"Transfer-Encoding": "chunked"}, [], id="no pieces"),
        pytest.param(
            b"ab", {"content-length": "9"}, {"Content-Length": "9"}, [b"ab"], id="length given"
        ),
    ],
)
async def test_bodies(body: Any, fields: Any, framing: dict[str, str], chunks: list[bytes]) -> None:
    exchange = MemoryExchange("POST", body=body, fields=fields)
    names = ("Content-Length", "Transfer-Encoding")
    seen = {name: exchange.head.fields[name] for name in names if name in exchange.head.fields}
    assert seen == framing
    assert [data async for data, _ in exchange.body.iter_chunks()] == chunks
    assert exchange.body.at_eof()


@pytest.mark.parametrize("pieces", [[b""], [b"", b"a"], [b"a", b"", b"b"]])
async def test_an_empty_piece_is_passed_over(pieces: list[bytes]) -> None:
    exchange = MemoryExchange("POST", body=pieces)
    with begun(exchange.body.read()) as reading:
        await step(9)
        assert reading.done()
        assert reading.result() == b"".join(pieces)


async def test_pieces_come_one_by_one() -> None:
    """As the docstring has it."""
    exchange = MemoryExchange("POST", body=[b"a", b"bc"])
    assert [piece async for piece in exchange.body.iter_any()] == [b"a", b"bc"]


async def test_a_whole_body_has_no_chunks() -> None:
    assert await MemoryExchange("POST", body=b"ab").body.readchunk() == (b"ab", False)


async def test_the_end_of_pieces_can_be_awaited() -> None:
    exchange = MemoryExchange("POST", body=[b"a", b"b", b"c"])
    with begun(exchange.body.wait_eof()) as waiting:
        await step(9)
        assert waiting.done()
    assert exchange.body.read_nowait() == b"abc"


# -- the answer -----------------------------------------------------------------------------------


def test_nothing_is_recorded_at_first() -> None:
    exchange = MemoryExchange()
    assert (exchange.answer, exchange.channel, exchange.cut_by) == (None, None, None)
    assert (exchange.informed, exchange.sent, exchange.trailers) == ([], b"", [])
    assert exchange.complete is False


async def test_an_answer_is_recorded() -> None:
    async def responder(exchange: Exchange) -> None:
        await exchange.inform(103, [("Link", "a")])
        exchange.start(201, "Created", [("X", "y")])
        await exchange.write(b"ab")
        await exchange.write(memoryview(b"c"))
        await exchange.write_eof(b"d", [("T", "u")])

    exchange = await MemoryExchange().answered_by(responder)
    assert exchange.informed == [(103, [("Link", "a")])]
    assert exchange.answer == AnswerHead(201, "Created", [("X", "y")], BodyFraming.CHUNKED, False)
    assert (exchange.sent, exchange.bytes_sent) == (b"abcd", 4)
    assert exchange.trailers == [("T", "u")]
    assert exchange.complete is True


async def test_a_head_that_nothing_follows_is_recorded() -> None:
    async def responder(exchange: Exchange) -> None:
        exchange.start(200, "OK", [])

    exchange = await MemoryExchange().answered_by(responder)
    assert exchange.answer is not None
    assert (exchange.state, exchange.complete) == (State.STARTED, False)


async def test_a_responder_that_fails_fails_the_test() -> None:
    async def responder(exchange: Exchange) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await MemoryExchange().answered_by(responder)


async def test_a_cut_answer_is_not_complete() -> None:
    exchange, cause = MemoryExchange(), KeyError("x")
    await exchange.respond(200, "OK", [], b"ab")
    exchange.abort(cause)
    assert (exchange.cut_by, exchange.complete, exchange.sent) == (cause, False, b"ab")


async def test_an_exchange_becomes_a_websocket() -> None:
    exchange = MemoryExchange()
    ours = await exchange.accept([("X", "y")], subprotocol="chat")
    theirs = exchange.channel
    assert theirs is not None
    assert exchange.answer == AnswerHead(101, "", [("X", "y")], BodyFraming.NONE, True)
    assert (exchange.status, exchange.state) == (101, State.SWITCHED)
    assert ours.subprotocol == theirs.subprotocol == "chat"
    await ours.send("hello")
    assert await theirs.receive() == "hello"
    await theirs.send(b"world")
    assert await ours.receive() == b"world"


# -- channels -------------------------------------------------------------------------------------


async def test_messages_keep_their_order_and_their_kind() -> None:
    one, other = MemoryChannel.pair()
    messages: list[str | bytes] = ["a", b"b", "", b"", "c" * 100_000]
    for message in messages:
        await one.send(message)
    assert [await other.receive() for _ in messages] == messages
    assert one.subprotocol is None
    assert one.close_code is None


async def test_a_receiver_waits_for_a_message() -> None:
    one, other = MemoryChannel.pair()
    with begun(other.receive()) as receiving:
        await step()
        assert not receiving.done()
        await one.send("a")
        assert await receiving == "a"


async def test_a_sender_waits_while_the_other_side_does_not_receive() -> None:
    one, other = MemoryChannel.pair()
    for number in range(QUEUE):
        await one.send(str(number))
    with begun(one.send("last")) as sending:
        await step()
        assert not sending.done()
        assert await other.receive() == "0"
        await sending
    assert [await other.receive() for _ in range(QUEUE)] == [
        *(str(number) for number in range(1, QUEUE)),
        "last",
    ]


async def test_a_send_that_was_cancelled_sends_nothing() -> None:
    one, other = MemoryChannel.pair()
    for _ in range(QUEUE):
        await one.send("a")
    with begun(one.send("b")):
        await step()
    await step()
    for _ in range(QUEUE):
        assert await other.receive() == "a"
    with begun(other.receive()) as receiving:
        await step()
        assert not receiving.done()


async def test_a_close_is_seen_by_both_sides() -> None:
    one, other = MemoryChannel.pair()
    await one.send("a")
    await one.close(4000, "bye")
    assert one.close_code == 4000
    assert await other.receive() == "a"
    assert other.close_code is None
    for _ in range(2):
        assert await other.receive() is None
    assert other.close_code == 4000
    for side in (one, other):
        with pytest.raises(ClientConnectionResetError, match="Cannot write to closing transport"):
            await side.send("b")
    for side in (one, other):
        await side.close(1001)
        assert side.close_code == 4000


async def test_the_code_of_a_plain_close_is_1000() -> None:
    one, other = MemoryChannel.pair()
    await one.close()
    assert await other.receive() is None
    assert (one.close_code, other.close_code) == (1000, 1000)


async def test_what_was_sent_before_a_close_is_received_behind_it() -> None:
    one, other = MemoryChannel.pair()
    await other.send("a")
    await one.close()
    assert await one.receive() == "a"
    assert await one.receive() is None


async def test_both_sides_may_close_at_once() -> None:
    one, other = MemoryChannel.pair()
    await one.close(4000)
    await other.close(4001)
    assert (one.close_code, other.close_code) == (4000, 4001)
    for side in (one, other):
        for _ in range(2):
            assert await side.receive() is None


async def test_a_channel_without_a_peer_is_closed() -> None:
    channel = MemoryChannel("chat")
    assert channel.subprotocol == "chat"
    with pytest.raises(ClientConnectionResetError):
        await channel.send("a")
    await channel.close()


async def test_a_close_ends_a_receiver_of_the_same_side() -> None:
    one, _ = MemoryChannel.pair()
    with begun(one.receive()) as receiving:
        await step()
        await one.close()
        await step()
        assert receiving.done()
        assert receiving.result() is None


async def test_a_close_does_not_wait_for_the_other_side() -> None:
    one, other = MemoryChannel.pair()
    for _ in range(QUEUE):
        await one.send("a")
    with begun(one.close()) as closing:
        await step()
        assert closing.done()
    for _ in range(QUEUE):
        assert await other.receive() == "a"
    assert await other.receive() is None


async def test_a_close_of_the_other_side_ends_a_sender() -> None:
    one, other = MemoryChannel.pair()
    for _ in range(QUEUE):
        await one.send("a")
    with begun(one.send("b")) as sending:
        await step()
        await other.close()
        await step()
        assert sending.done()
        assert isinstance(sending.exception(), ClientConnectionResetError)


async def test_a_peer_that_leaves_ends_the_channel() -> None:
    """As `Channel.receive` promises: None once the peer has closed."""
    exchange = MemoryExchange()
    channel = await exchange.accept()
    with begun(channel.receive()) as receiving:
        await step()
        exchange.leave(ClientConnectionResetError("x"))
        await step()
        assert receiving.done()


async def test_a_request_with_a_body_becomes_no_websocket() -> None:
    with pytest.raises(NotSupported, match="with a body"):
        await MemoryExchange("POST", body=b"x").accept()
    with pytest.raises(ValueError, match="Control character"):
        await MemoryExchange().accept([("A", "b\r\nc")])
