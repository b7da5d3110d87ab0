"""The exchange in memory: what is given is what is seen, what is sent is recorded."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bascule.exchange import (
    AnswerHead,
    Exchange,
    NotSupported,
    State,
)
from bascule.streams import EMPTY_PAYLOAD
from bascule.testing import MemoryExchange
from bascule.wire.frames import WSMsgType
from bascule.wire.framing import BodyFraming


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
    await ours.send(WSMsgType.TEXT, "hello")
    assert await theirs.receive() == (WSMsgType.TEXT, "hello", "")
    await theirs.send(WSMsgType.BINARY, b"world")
    assert await ours.receive() == (WSMsgType.BINARY, b"world", "")


async def test_a_request_with_a_body_becomes_no_websocket() -> None:
    with pytest.raises(NotSupported, match="with a body"):
        await MemoryExchange("POST", body=b"x").accept()
    with pytest.raises(ValueError, match="Control character"):
        await MemoryExchange().accept([("A", "b\r\nc")])
