"""The waist: the states of an answer, and how its body is framed."""

import array
import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import istr

from bascule.exchange import (
    AnswerHead,
    Bytes,
    ClientConnectionResetError,
    Exchange,
    Fields,
    Gone,
    Head,
    NotSupported,
    State,
    fail,
)
from bascule.streams import EMPTY_PAYLOAD, RequestPayloadError, StreamReader
from bascule.testing import MemoryExchange
from bascule.wire.framing import BodyFraming
from bascule.wire.grammar import HttpVersion, HttpVersion10, HttpVersion11

Pairs = list[tuple[str, str]]

OPEN, HELD, STARTED, ENDED, SWITCHED, GONE, SENDING = State
NONE, LENGTH, CHUNKED, CLOSE = BodyFraming


async def step() -> None:
    """Let what was put off to the end of this loop step happen."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


# -- the table ------------------------------------------------------------------------------------


class FileExchange(MemoryExchange):
    """An exchange that sends files, and never ends with one."""

    def __init__(self) -> None:
        super().__init__()
        self.start(200, "OK", [])
        self.sending = self.send_file(object(), 0, 5)
        self.sending.send(None)  # up to where it waits

    def _can_send(self, file: Any, offset: int, count: int) -> bool:
        return True

    async def _emit_file(self, head: Any, file: Any, offset: int, count: int) -> int | None:
        await self._emit(head, b"", False, ())
        await asyncio.Future()
        return None


async def make(state: State) -> MemoryExchange:
    """Bring a new exchange into a state."""
    exchange = FileExchange() if state is SENDING else MemoryExchange()
    if state is HELD:
        exchange.start(200, "OK", [])
    elif state is STARTED:
        exchange.start(200, "OK", [])
        await exchange.write(b"a")
    elif state is ENDED:
        await exchange.respond(200, "OK", [], b"a")
    elif state is SWITCHED:
        await exchange.accept()
    elif state is GONE:
        exchange.leave(ClientConnectionResetError("left"))
    assert exchange.state is state
    return exchange


async def start(exchange: MemoryExchange, status: int = 201) -> None:
    exchange.start(status, "", [("X", "y")])


async def leave(exchange: MemoryExchange) -> None:
    exchange.leave(ClientConnectionResetError("left again"))


async def abort(exchange: MemoryExchange) -> None:
    exchange.abort(KeyError("abort"))


EVENTS: dict[str, Callable[[MemoryExchange], Awaitable[Any]]] = {
    "inform": lambda x: x.inform(103, [("Link", "a")]),
    "start": start,
    "respond": lambda x: x.respond(201, "Created", [("X", "y")], b"xyz"),
    "write": lambda x: x.write(b"b"),
    "drain": lambda x: x.drain(),
    "write_eof": lambda x: x.write_eof(b"c"),
    "accept": lambda x: x.accept(),
    "leave": leave,
    "abort": abort,
}

ERROR, RESET = "RuntimeError", "ClientConnectionResetError"

# DESIGN section 2, written out.
TABLE: dict[State, dict[str, State | str]] = {
    OPEN: {
        "inform": OPEN,
        "start": HELD,
        "respond": ENDED,
        "write": ERROR,
        "drain": ERROR,
        "write_eof": ERROR,
        "accept": SWITCHED,
        "leave": GONE,
        "abort": GONE,
    },
    HELD: {
        "inform": HELD,
        "start": ERROR,
        "respond": ERROR,
        "write": STARTED,
        "drain": STARTED,
        "write_eof": ENDED,
        "accept": ERROR,
        "leave": GONE,
        "abort": GONE,
    },
    STARTED: {
        "inform": ERROR,
        "start": ERROR,
        "respond": ERROR,
        "write": STARTED,
        "drain": STARTED,
        "write_eof": ENDED,
        "accept": ERROR,
        "leave": GONE,
        "abort": GONE,
    },
    ENDED: {
        "inform": ERROR,
        "start": ERROR,
        "respond": ERROR,
        "write": ERROR,
        "drain": ERROR,
        "write_eof": ENDED,
        "accept": ERROR,
        "leave": ENDED,
        "abort": ENDED,
    },
    SWITCHED: {
        "inform": ERROR,
        "start": ERROR,
        "respond": ERROR,
        "write": ERROR,
        "drain": ERROR,
        "write_eof": ERROR,
        "accept": ERROR,
        "leave": GONE,
        "abort": GONE,
    },
    GONE: {
        "inform": GONE,
        "start": RESET,
        "respond": RESET,
        "write": RESET,
        "drain": RESET,
        "write_eof": RESET,
        "accept": RESET,
        "leave": GONE,
        "abort": GONE,
    },
    SENDING: {
        "inform": ERROR,
        "start": ERROR,
        "respond": ERROR,
        "write": ERROR,
        "drain": ERROR,
        "write_eof": ERROR,
        "accept": ERROR,
        "leave": GONE,
        "abort": GONE,
    },
}
PAIRS = [
    pytest.param(state, event, expected, id=f"{state.name}-{event}")
    for state, row in TABLE.items()
    for event, expected in row.items()
]


def record(exchange: MemoryExchange) -> tuple[Any, ...]:
    """Everything that can be seen of an answer."""
    return (
        exchange.state,
        exchange.answer,
        exchange.sent,
        exchange.trailers,
        exchange.complete,
        exchange.informed,
        exchange.channel,
        exchange.cut_by,
        exchange.status,
        exchange.bytes_sent,
        exchange.gone.cause,
    )


def test_the_table_is_whole() -> None:
    assert list(TABLE) == list(State)
    assert all(row.keys() == EVENTS.keys() for row in TABLE.values())


@pytest.mark.parametrize(("state", "event", "expected"), PAIRS)
async def test_each_event_in_each_state(state: State, event: str, expected: State | str) -> None:
    """DESIGN section 2; the errors leave everything as it was."""
    exchange = await make(state)
    before = record(exchange)
    if isinstance(expected, State):
        await EVENTS[event](exchange)
        assert exchange.state is expected
        return
    with pytest.raises((RuntimeError, ConnectionResetError)) as caught:
        await EVENTS[event](exchange)
    if expected is RESET:
        assert type(caught.value) is ClientConnectionResetError
        assert str(caught.value) == "Cannot write to closing transport"
    else:
        assert type(caught.value) is RuntimeError
        name = {"drain": "write"}.get(event, event)
        assert str(caught.value) == f"Cannot {name} when the answer is {state.name.lower()}"
    assert record(exchange) == before


@pytest.mark.parametrize("state", State)
async def test_withdrawing(state: State) -> None:
    """Only a head that is held can be taken back; before it there is nothing to take."""
    exchange = await make(state)
    before = record(exchange)
    if state in (OPEN, HELD):
        assert exchange.withdraw() is True
        assert exchange.state is OPEN
        assert exchange.status == 0
    else:
        assert exchange.withdraw() is False
        assert record(exchange) == before


@pytest.mark.parametrize("event", ["start", "respond"])
@pytest.mark.parametrize("state", [HELD, STARTED])
async def test_an_illegal_event_does_not_touch_the_framing(state: State, event: str) -> None:
    exchange = MemoryExchange()
    exchange.start(200, "OK", [("Content-Length", "5")])
    if state is STARTED:
        await exchange.write(b"h")
    calls = {
        "start": lambda: start(exchange, 204),
        "respond": lambda: exchange.respond(204, "", []),
    }
    with pytest.raises(RuntimeError):
        await calls[event]()
    await exchange.write_eof(b"hello"[len(exchange.sent) :])
    assert (exchange.sent, exchange.complete, exchange.cut_by) == (b"hello", True, None)


@settings(deadline=None)
@given(st.lists(st.sampled_from([*EVENTS, "withdraw", "step"]), max_size=12))
async def test_any_sequence_of_events_ends_in_a_legal_state_or_a_declared_error(
    events: list[str],
) -> None:
    exchange, state = MemoryExchange(), OPEN
    for event in events:
        if event == "step":
            await step()
            state = STARTED if state is HELD else state
        elif event == "withdraw":
            assert exchange.withdraw() is (state in (OPEN, HELD))
            state = OPEN if state is HELD else state
        else:
            expected = TABLE[state][event]
            try:
                await EVENTS[event](exchange)
            except ClientConnectionResetError:
                assert expected is RESET
            except RuntimeError:
                assert expected is ERROR
            else:
                assert isinstance(expected, State)
                state = expected
        assert exchange.state is state
        assert bool(exchange.gone) is (exchange.gone.cause is not None)
        assert not (exchange.complete and state not in (ENDED, GONE, SWITCHED))
        assert (exchange.status == 0) is (state is OPEN) or state is GONE
    await step()
    if state is GONE:
        assert exchange.gone
    assert exchange.bytes_sent == len(exchange.sent)
    assert (exchange.answer is None) is (state is OPEN) or state is GONE


# -- events, one by one ---------------------------------------------------------------------------


async def test_an_interim_answer_is_sent() -> None:
    exchange = MemoryExchange()
    await exchange.inform(100)
    await exchange.inform(103, iter([("Link", "a")]))
    assert exchange.informed == [(100, []), (103, [("Link", "a")])]
    assert exchange.answer is None


@pytest.mark.parametrize("state", [OPEN, GONE])
async def test_an_interim_answer_goes_neither_to_http_1_0_nor_to_nobody(state: State) -> None:
    """RFC 9110 section 15.2."""
    exchange = MemoryExchange(version=HttpVersion10 if state is OPEN else HttpVersion11)
    if state is GONE:
        exchange.leave(KeyError("x"))
    await exchange.inform(103)
    assert exchange.informed == []


@pytest.mark.parametrize(
    ("status", "fields"), [(99, []), (103, [("A b", "c")]), (103, [("A", "\n")])]
)
async def test_an_interim_answer_that_cannot_be_sent(status: int, fields: Pairs) -> None:
    exchange = MemoryExchange()
    with pytest.raises(ValueError):
        await exchange.inform(status, fields)
    assert exchange.informed == []


@pytest.mark.parametrize("status", [200, 404])
async def test_an_interim_answer_is_below_200(status: int) -> None:
    with pytest.raises(ValueError):
        await MemoryExchange().inform(status)


@pytest.mark.parametrize("status", [100, 101, 199])
async def test_a_final_answer_is_200_or_above(status: int) -> None:
    exchange = MemoryExchange()
    with pytest.raises(ValueError):
        exchange.start(status, "", [])


async def test_a_head_is_held_until_the_end_of_the_step() -> None:
    exchange = MemoryExchange()
    exchange.start(200, "OK", [("X", "y")])
    assert exchange.status == 200
    assert exchange.answer is None
    await step()
    assert exchange.state is STARTED
    assert exchange.answer == AnswerHead(200, "OK", [("X", "y")], CHUNKED, False)
    await exchange.write_eof(b"a")
    assert (exchange.sent, exchange.complete) == (b"a", True)


@pytest.mark.parametrize("event", ["write", "drain", "write_eof"])
async def test_a_head_leaves_with_what_follows_it(event: str) -> None:
    exchange = MemoryExchange()
    exchange.start(200, "OK", [])
    await EVENTS[event](exchange)
    assert exchange.answer is not None
    answer = exchange.answer
    await step()
    assert exchange.answer is answer


async def test_a_head_leaves_with_an_empty_write() -> None:
    exchange = MemoryExchange()
    exchange.start(200, "OK", [])
    await exchange.write(b"")
    assert (exchange.state, exchange.answer is None) == (STARTED, False)
    await exchange.write(b"")
    assert not exchange.complete


async def test_a_head_that_was_withdrawn_never_leaves() -> None:
    exchange = MemoryExchange()
    exchange.start(200, "OK", [("Content-Length", "5")])
    assert exchange.withdraw()
    await step()
    assert (exchange.state, exchange.answer) == (OPEN, None)
    exchange.start(500, "Oops", [])
    await exchange.write_eof(b"much longer")
    assert exchange.answer == AnswerHead(500, "Oops", [("Content-Length", "11")], LENGTH, False)
    assert (exchange.sent, exchange.complete) == (b"much longer", True)


@pytest.mark.parametrize("event", ["leave", "abort"])
async def test_a_held_head_is_not_sent_to_nobody(event: str) -> None:
    exchange = await make(HELD)
    await EVENTS[event](exchange)
    await step()
    assert (exchange.state, exchange.answer, exchange.sent) == (GONE, None, b"")


@pytest.mark.parametrize("state", State)
async def test_an_abort_cuts_the_connection(state: State) -> None:
    exchange = await make(state)
    cause = KeyError("x")
    exchange.abort(cause)
    assert exchange.cut_by is cause
    assert not exchange.complete
    assert exchange.gone


@pytest.mark.parametrize("state", State)
async def test_a_leaving_is_noted_and_cuts_nothing(state: State) -> None:
    exchange = await make(state)
    complete = exchange.complete
    cause = ClientConnectionResetError("now")
    exchange.leave(cause)
    assert exchange.gone
    assert (exchange.gone.cause is cause) is (state is not GONE)
    assert exchange.cut_by is None
    assert exchange.complete is complete


async def test_the_first_cause_of_leaving_stays() -> None:
    exchange = await make(OPEN)
    first = KeyError("first")
    exchange.leave(first)
    exchange.leave(KeyError("second"))
    exchange.abort(KeyError("third"))
    assert exchange.gone.cause is first


async def test_a_leaving_ends_a_body_that_is_still_coming() -> None:
    class Unfinished(MemoryExchange):
        def __init__(self, body: StreamReader) -> None:
            super().__init__("POST")
            self.body = body

    cause = ClientConnectionResetError("x")
    coming, here = StreamReader(), StreamReader()
    coming.feed_data(b"ab")
    here.feed_data(b"ab")
    here.feed_eof()
    for body in (coming, here):
        Unfinished(body).leave(cause)
        assert await body.readexactly(2) == b"ab"
    assert await here.read() == here.read_nowait() == b""
    with pytest.raises(ClientConnectionResetError):
        await coming.read()


async def test_a_second_end_does_nothing() -> None:
    exchange = MemoryExchange()
    exchange.start(200, "OK", [])
    await exchange.write_eof(b"a", [("X", "y")])
    before = record(exchange)
    await exchange.write_eof(b"b", [("Bad name", "\n")])
    assert record(exchange) == before


async def test_a_body_may_be_any_bytes() -> None:
    exchange = MemoryExchange()
    exchange.start(200, "OK", [])
    await exchange.write(bytearray(b"a"))
    await exchange.write(memoryview(b"b"))
    await exchange.write_eof(memoryview(b"xcx")[1:2])
    assert (exchange.sent, exchange.bytes_sent) == (b"abc", 3)


VIEW = memoryview(array.array("H", [1, 2]))


@pytest.mark.parametrize("view", [VIEW, VIEW[::-1]], ids=["plain", "strided"])
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(lambda size: [("Content-Length", str(size))], id="length"),
        pytest.param(lambda _: [], id="length preferred"),
        pytest.param(lambda _: [TE], id="chunks"),
    ],
)
async def test_the_bytes_of_a_view_are_counted(view: memoryview, fields: Any) -> None:
    exchange, size = MemoryExchange(), view.nbytes
    exchange.start(200, "OK", fields(size))
    await exchange.write_eof(view)
    assert (exchange.sent, exchange.complete) == (view.tobytes(), True)
    assert exchange.bytes_sent == size


BAD_ANSWERS = [
    pytest.param(99, "", [], "Not the status of a final answer: 99", id="status"),
    pytest.param(1000, "", [], "three digits", id="large status"),
    pytest.param(200, "a\r\nb", [], "Reason", id="reason"),
    pytest.param(200, "", [("A b", "c")], "Invalid header name", id="name"),
    pytest.param(200, "", [("A", "b\nc")], "Control character", id="value"),
    *(
        pytest.param(200, "", [("content-LENGTH", value)], "Invalid Content-Length", id=repr(value))
        for value in ["", "x", "-1", "+1", "1.0", " 1", "1 ", "1_0", "1,1", "\u0665", "\u00b2"]
    ),
    pytest.param(
        200,
        "",
        [("Content-Length", "1"), ("content-length", "2")],
        r"Invalid Content-Length in the answer: \['1', '2'\]",
        id="two lengths",
    ),
    pytest.param(204, "", [("Content-Length", "x")], "Invalid Content-Length", id="without body"),
    pytest.param(200, "", [("Content-Length", "9" * 9999)], "Exceeds the limit", id="huge length"),
]


@pytest.mark.parametrize(("status", "reason", "fields", "message"), BAD_ANSWERS)
async def test_an_answer_that_cannot_be_sent_is_refused_before_it_begins(
    status: int, reason: str, fields: Pairs, message: str
) -> None:
    exchange = MemoryExchange()
    with pytest.raises(ValueError, match=message):
        exchange.start(status, reason, fields)
    with pytest.raises(ValueError, match=message):
        await exchange.respond(status, reason, fields, b"a")
    assert (exchange.state, exchange.status) == (OPEN, 0)
    await exchange.respond(200, "OK", [], b"ab")
    assert (exchange.sent, exchange.complete) == (b"ab", True)


@pytest.mark.parametrize("trailers", [[("A b", "c")], [("A", "b\rc")]])
async def test_trailers_that_cannot_be_sent_are_refused_before_the_end(trailers: Pairs) -> None:
    exchange = await make(HELD)
    with pytest.raises(ValueError):
        await exchange.write_eof(b"a", trailers)
    assert exchange.state is HELD
    await exchange.write_eof(b"a")
    assert exchange.complete


# -- framing --------------------------------------------------------------------------------------

CL5 = ("Content-Length", "5")
CL0 = ("Content-Length", "0")
CODED = ("Transfer-Encoding", "chunked")
TE = ("Transfer-Encoding", "gzip, chunked")
X = ("X", "y")
V10, V11 = HttpVersion10, HttpVersion11


@dataclass(frozen=True)
class Row:
    """What a responder says, and what becomes of it."""

    name: str
    fields: Pairs
    data: Any  # bytes, or pieces of them
    framing: BodyFraming
    kept: Pairs
    sent: bytes
    method: str = "GET"
    version: HttpVersion = V11
    status: int = 200
    close: bool = False
    whole: bool = True

    def make(self) -> MemoryExchange:
        return MemoryExchange(self.method, version=self.version)

    def check(self, exchange: MemoryExchange) -> None:
        head = AnswerHead(self.status, "", self.kept, self.framing, self.close)
        assert exchange.answer == head
        assert (exchange.sent, exchange.complete) == (self.sent, self.whole)
        assert (exchange.cut_by is None) is self.whole
        assert (exchange.state, exchange.status) == (ENDED, self.status)


def by_name(rows: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=[row.name for row in rows])


# The pieces are written one by one, behind the head.
STREAMED = [
    Row("length", [CL5], [b"he", b"llo"], LENGTH, [CL5], b"hello"),
    Row("surplus", [CL5], [b"hello", b" world"], LENGTH, [CL5], b"hello"),
    Row("surplus in one", [CL5], [b"hello world"], LENGTH, [CL5], b"hello"),
    Row("short", [CL5], [b"he"], LENGTH, [CL5], b"he", whole=False),
    Row("nothing of a length", [CL5], [], LENGTH, [CL5], b"", whole=False),
    Row("length 0", [CL0], [], LENGTH, [CL0], b""),
    Row("surplus of 0", [CL0], [b"x"], LENGTH, [CL0], b""),
    Row("chunks", [X], [b"he", b"llo"], CHUNKED, [X], b"hello"),
    Row("no chunk", [X], [], CHUNKED, [X], b""),
    Row("later version", [], [b"a"], CHUNKED, [], b"a", method="POST", version=HttpVersion(2, 0)),
    Row("length before coding", [X, TE, CL5], [b"hello"], LENGTH, [X, CL5], b"hello"),
    Row("coding is ours", [TE, X], [b"a"], CHUNKED, [CODED, X], b"a"),
    Row(
        "one coding",
        [("TE", "a"), TE, X, ("transfer-encoding", "x")],
        [],
        CHUNKED,
        [("TE", "a"), CODED, X],
        b"",
    ),
    Row("1.0 until the close", [X], [b"he", b"llo"], CLOSE, [X], b"hello", version=V10, close=True),
    Row("1.0 has no codings", [TE, X], [b"a"], CLOSE, [X], b"a", version=V10, close=True),
    Row("1.0 with a length", [CL5], [b"hello"], LENGTH, [CL5], b"hello", version=V10),
    Row("HEAD", [CL5], [b"hello"], NONE, [CL5], b"", method="HEAD"),
    Row("HEAD with coding", [TE], [b"a"], NONE, [], b"", method="HEAD"),
    Row("HEAD in 1.0", [], [b"a"], NONE, [], b"", method="HEAD", version=V10),
    Row("HEAD 204", [CL5], [b"a"], NONE, [], b"", method="HEAD", status=204),
    Row("204", [X, CL5, TE], [b"hello"], NONE, [X], b"", status=204),
    Row("304 tells a length", [X, CL5, TE], [b"hello"], NONE, [X, CL5], b"", status=304),
    Row("304", [], [b"a"], NONE, [], b"", status=304),
    Row("304 in 1.0", [], [], NONE, [], b"", version=V10, status=304),
    Row("CONNECT", [X, CL5, TE], [b"hello"], NONE, [X], b"", method="CONNECT", close=True),
    Row(
        "CONNECT refused", [CL5], [b"hello"], LENGTH, [CL5], b"hello", method="CONNECT", status=405
    ),
    Row("205", [CL5], [b"hello"], LENGTH, [CL5], b"hello", status=205),
    Row("999", [CL5], [b"hello"], LENGTH, [CL5], b"hello", status=999),
]


@by_name(STREAMED)
async def test_how_a_streamed_body_is_framed(row: Row) -> None:
    """RFC 9112 section 6; RFC 9110 sections 6.4.1 and 8.6."""
    exchange, fields = row.make(), list(row.fields)
    exchange.start(row.status, "", fields)
    await exchange.drain()
    for piece in row.data:
        await exchange.write(piece)
    await exchange.write_eof()
    row.check(exchange)
    assert fields == row.fields, "the caller's list is its own"


async def test_a_short_answer_is_cut_with_the_reason() -> None:
    """RFC 9112 section 8: the client could not tell otherwise."""
    exchange = MemoryExchange()
    exchange.start(200, "OK", [CL5])
    await exchange.write(b"he")
    await exchange.write_eof(b"l")
    assert exchange.state is ENDED
    assert isinstance(exchange.cut_by, RuntimeError)
    assert str(exchange.cut_by) == "The answer ended 2 bytes short"


# the same in one `write_eof` on a held head
WHOLE = [
    Row("a length is preferred", [X], b"hello", LENGTH, [X, CL5], b"hello"),
    Row("of nothing too", [], b"", LENGTH, [CL0], b""),
    Row("chunks asked for", [TE], b"hello", CHUNKED, [CODED], b"hello"),
    Row("surplus", [CL5], b"hello world", LENGTH, [CL5], b"hello"),
    Row("1.0", [], b"hello", CLOSE, [], b"hello", version=V10, close=True),
    Row("HEAD", [], b"hello", NONE, [], b"", method="HEAD"),
    Row("204", [], b"hello", NONE, [], b"", status=204),
    Row("304", [], b"hello", NONE, [], b"", status=304),
]


@by_name(WHOLE)
async def test_how_a_whole_body_is_framed(row: Row) -> None:
    exchange = row.make()
    exchange.start(row.status, "", row.fields)
    await exchange.write_eof(row.data)
    row.check(exchange)


RESPONSES = [
    Row("length filled in", [X], b"hello", LENGTH, [X, CL5], b"hello"),
    Row("of nothing too", [], b"", LENGTH, [CL0], b""),
    Row(
        "length given",
        [("content-length", "5"), X],
        b"hello",
        LENGTH,
        [("content-length", "5"), X],
        b"hello",
    ),
    Row("surplus", [CL5], b"hello world", LENGTH, [CL5], b"hello"),
    Row("short", [CL5], b"he", LENGTH, [CL5], b"he", whole=False),
    Row("coding dropped", [TE], b"hello", LENGTH, [CL5], b"hello"),
    Row("1.0", [], b"hello", LENGTH, [CL5], b"hello", version=V10),
    Row("HEAD tells the length", [], b"hello", NONE, [CL5], b"", method="HEAD"),
    Row("204", [X], b"hello", NONE, [X], b"", status=204),
    Row("304", [X], b"hello", NONE, [X], b"", status=304),
    Row("CONNECT", [X], b"hello", NONE, [X], b"", method="CONNECT", close=True),
    Row("304 with a length", [CL5], b"", NONE, [CL5], b"", status=304),
]


@by_name(RESPONSES)
async def test_how_an_answer_in_one_call_is_framed(row: Row) -> None:
    exchange = row.make()
    await exchange.respond(row.status, "", iter(row.fields), row.data)
    row.check(exchange)


async def test_a_length_is_sent_once() -> None:
    """RFC 9110 section 8.6; our own server refuses such a head from a client."""
    exchange = MemoryExchange()
    await exchange.respond(200, "", [CL5, X, CL5], b"hello")
    assert exchange.answer is not None
    assert exchange.answer.fields == [CL5, X]


async def test_trailers_stand_behind_the_chunks() -> None:
    exchange = await make(STARTED)
    await exchange.write_eof(b"b", iter([("Digest", "x")]))
    assert exchange.answer is not None
    assert (exchange.answer.framing, exchange.trailers) == (CHUNKED, [("Digest", "x")])


async def test_trailers_ask_for_chunks() -> None:
    exchange = await make(HELD)
    await exchange.write_eof(b"b", [("Digest", "x")])
    assert exchange.answer is not None
    assert (exchange.answer.framing, exchange.trailers) == (CHUNKED, [("Digest", "x")])


@pytest.mark.parametrize(
    ("fields", "asked", "keep_alive", "close"),
    [
        ([], False, True, False),
        ([], True, True, True),
        ([], False, False, True),
        ([("Connection", "close")], False, True, True),
        ([("connection", "Keep-Alive, CLOSE")], False, True, True),
        ([("Connection", "keep-alive"), ("Connection", "close")], False, True, True),
        ([("Connection", "keep-alive")], False, True, False),
        ([("Connection", "keep-alive")], False, False, True),
        ([("Connection", "closed")], False, True, False),
        ([("X-Connection", "close")], False, True, False),
    ],
)
async def test_which_answers_close_the_connection(
    fields: Pairs, asked: bool, keep_alive: bool, close: bool
) -> None:
    """RFC 9112 section 9.6."""
    for in_one_call in (True, False):
        exchange = Plain(Head("GET", "/", keep_alive=keep_alive))
        if in_one_call:
            await exchange.respond(200, "", fields, close=asked)
        else:
            exchange.start(200, "", fields, close=asked)
            await exchange.drain()
        [head] = exchange.heads
        assert head.close is close
        assert [pair for pair in head.fields if pair[0] != "Content-Length"] == fields


BODY_STEPS = st.lists(st.binary(max_size=4), max_size=5)


@settings(deadline=None)
@given(
    st.sampled_from(["GET", "HEAD"]),
    st.sampled_from([V10, V11]),
    st.sampled_from([200, 204, 304, 404]),
    st.none() | st.integers(0, 12),
    BODY_STEPS,
    st.binary(max_size=4),
    st.booleans(),
)
async def test_any_body_agrees_with_its_framing(
    method: str,
    version: HttpVersion,
    status: int,
    length: int | None,
    pieces: list[bytes],
    last: bytes,
    stepped: bool,
) -> None:
    exchange = MemoryExchange(method, version=version)
    fields = [] if length is None else [("Content-Length", str(length))]
    exchange.start(status, "", fields)
    if stepped:
        await step()
    for piece in pieces:
        await exchange.write(piece)
    await exchange.write_eof(last)
    body = b"".join([*pieces, last])
    answer = exchange.answer
    assert answer is not None
    if method == "HEAD" or status in (204, 304):
        expected, whole, framing = b"", True, NONE
    elif length is None:
        expected, whole = body, True
        whole_at_once = not stepped and not pieces and version == V11
        framing = CLOSE if version == V10 else LENGTH if whole_at_once else CHUNKED
    else:
        expected, whole, framing = body[:length], len(body) >= length, LENGTH
    assert (exchange.sent, exchange.complete, answer.framing) == (expected, whole, framing)
    assert exchange.bytes_sent == len(expected)
    names = [name.lower() for name, _ in answer.fields]
    assert names.count("content-length") <= 1
    assert "content-length" not in names or framing in (LENGTH, NONE)


# -- what a kind of exchange may leave out --------------------------------------------------------


class Plain(Exchange):
    """An exchange with the hooks that must be there, and nothing else."""

    __slots__ = ("heads",)

    def __init__(self, head: Head) -> None:
        super().__init__(head)
        self.heads: list[AnswerHead] = []

    async def _emit(
        self, head: AnswerHead | None, data: Bytes, end: bool, trailers: Fields
    ) -> None:
        if head is not None:
            self.heads.append(head)

    def _push(self, head: AnswerHead) -> None:
        self.heads.append(head)

    async def _emit_inform(self, status: int, fields: Pairs) -> None:
        """Send nothing."""

    def _cut(self, cause: BaseException) -> None:
        """Have no connection."""


async def test_an_exchange_without_powers() -> None:
    before = time.monotonic()
    exchange = Plain(Head("GET", "/"))
    assert before <= exchange.started_at <= time.monotonic()
    assert exchange.extra("peername") is None
    assert exchange.extra("peername", 1) == 1
    assert exchange.default_fields == []
    assert exchange.body is EMPTY_PAYLOAD
    assert (exchange.status, exchange.bytes_sent, exchange.state) == (0, 0, OPEN)
    with pytest.raises(NotSupported, match="cannot become a WebSocket"):
        await exchange.accept()
    assert isinstance(NotSupported("x"), RuntimeError)
    assert exchange.state is OPEN


async def test_a_held_head_that_cannot_be_sent_cuts_the_connection() -> None:
    """Nobody waits for it, so that nobody else would hear of the error."""

    class Failing(MemoryExchange):
        def _push(self, head: AnswerHead) -> None:
            raise KeyError("x")

    exchange = Failing()
    exchange.start(200, "OK", [])
    await step()
    assert exchange.state is GONE
    assert isinstance(exchange.cut_by, KeyError)


@pytest.mark.parametrize("state", State)
async def test_the_end_of_an_exchange_whose_responder_failed(state: State) -> None:
    """A clean 500 while the head has not left; a cut where it has; nothing where all is said."""
    exchange, cause = await make(state), KeyError("x")
    before = record(exchange)
    await fail(exchange, cause)
    if state in (OPEN, HELD):
        assert exchange.answer is not None
        assert (exchange.answer.status, exchange.answer.close) == (500, True)
        assert exchange.sent == b"500 Internal Server Error\n\nServer got itself in trouble"
        assert exchange.complete
    elif state is ENDED:
        assert record(exchange) == before
    else:
        assert (exchange.state, exchange.cut_by) == (GONE, cause)


async def test_a_failure_that_cannot_be_told_cuts_the_connection() -> None:
    class Leaving(MemoryExchange):
        async def _emit(self, *_: Any) -> None:
            raise ClientConnectionResetError("now")

    exchange = Leaving()
    await fail(exchange, KeyError("x"))
    assert isinstance(exchange.cut_by, ClientConnectionResetError)


async def test_a_file_that_cannot_be_sent_costs_nothing() -> None:
    for state in (HELD, STARTED):
        exchange = await make(state)
        before = record(exchange)
        assert await exchange.send_file(object(), 0, 5) is False
        assert record(exchange) == before


# -- Head -----------------------------------------------------------------------------------------


def test_a_head_as_received() -> None:
    head = Head("get", "/a?b", ((b"hOST", b"x"),), scheme="https", root_path="/r", keep_alive=False)
    assert (head.method, head.target, head.version) == ("get", "/a?b", (1, 1))
    assert (head.scheme, head.root_path, head.keep_alive) == ("https", "/r", False)
    assert head.raw_fields == ((b"hOST", b"x"),)
    plain = Head("GET", "/")
    assert (plain.scheme, plain.root_path, plain.keep_alive) == ("http", "", True)
    assert (plain.raw_fields, len(plain.fields)) == ((), 0)


def test_the_fields_of_a_head() -> None:
    raw = ((b"A", b"b"), (b"X-Y", b"\xc3\xa9\xff"), (b"a", b"c"))
    fields = Head("GET", "/", raw).fields
    assert list(fields.items()) == [("A", "b"), ("X-Y", "\xe9\udcff"), ("a", "c")]
    assert fields.getall("A") == ["b", "c"]
    assert fields["x-y"].encode("utf-8", "surrogateescape") == b"\xc3\xa9\xff"
    assert all(isinstance(name, istr) for name in fields)


def test_the_fields_of_a_head_are_made_once() -> None:
    head = Head("GET", "/", [(b"A", b"b")])
    assert head.fields is head.fields


def test_any_number_of_names_is_known() -> None:
    """Only so many are remembered, since clients choose them."""
    for start in (0, 500):
        raw = [(b"X-%d" % number, b"%d" % number) for number in range(start, start + 1100)]
        fields = Head("GET", "/", raw).fields
        assert fields[f"x-{start + 1099}"] == str(start + 1099)
        assert list(fields.values()) == [value.decode() for _, value in raw]


# -- Gone -----------------------------------------------------------------------------------------


def test_a_peer_is_gone_with_its_first_cause() -> None:
    gone, cause = Gone(), KeyError("x")
    assert not gone
    assert gone.cause is None
    gone.set(cause)
    gone.set(KeyError("y"))
    assert gone
    assert gone.cause is cause


def test_callbacks_are_called_once() -> None:
    gone, told = Gone(), []

    def early() -> None:
        told.append("early")

    def forgotten() -> None:
        told.append("forgotten")

    gone.then(early)
    gone.then(forgotten)
    gone.forget(forgotten)
    gone.forget(forgotten)
    assert told == []
    gone.set(KeyError("x"))
    gone.set(KeyError("y"))
    gone.then(lambda: told.append("late"))
    gone.forget(early)
    assert told == ["early", "late"]


def test_a_callback_may_forget_itself() -> None:
    gone, told = Gone(), []

    def once() -> None:
        gone.forget(once)
        told.append("once")

    gone.then(once)
    gone.then(lambda: told.append("next"))
    gone.set(KeyError("x"))
    assert told == ["once", "next"]


async def test_any_number_of_tasks_wait_for_the_leaving() -> None:
    gone = Gone()

    async def wait() -> None:
        await gone

    tasks = [asyncio.ensure_future(wait()) for _ in range(3)]
    await step()
    tasks[0].cancel()
    await step()
    assert [task.done() for task in tasks] == [True, False, False]
    tasks[1].cancel()
    gone.set(KeyError("x"))  # while the second is being cancelled
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results[:2]] == [asyncio.CancelledError] * 2
    assert results[2] is None
    await gone


async def test_an_abort_ends_a_body_that_is_still_coming() -> None:
    exchange = MemoryExchange("POST")
    exchange.body = StreamReader()
    reading = asyncio.ensure_future(exchange.body.read())
    try:
        await step()
        exchange.abort(RequestPayloadError("x"))
        await step()
        assert reading.done()
        with pytest.raises(RequestPayloadError):
            await reading
    finally:
        reading.cancel()


async def test_a_file_is_sent_where_a_write_would_be() -> None:
    exchange = MemoryExchange()
    with pytest.raises(RuntimeError, match="Cannot write when the answer is open"):
        await exchange.send_file(object(), 0, 1)
    await exchange.respond(200, "OK", [])
    with pytest.raises(RuntimeError, match="Cannot write when the answer is ended"):
        await exchange.send_file(object(), 0, 1)
    exchange = MemoryExchange()
    exchange.leave(ClientConnectionResetError("x"))
    with pytest.raises(ClientConnectionResetError):
        await exchange.send_file(object(), 0, 1)
