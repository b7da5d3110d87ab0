"""The reader of bodies: every way to read, against a plain buffer of bytes."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bascule.streams import EMPTY_PAYLOAD, EmptyStreamReader, PayloadAccessError, StreamReader

# What is deprecated works all the same.
pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")


async def step(count: int = 3) -> None:
    """Let the other tasks run until they wait."""
    for _ in range(count):
        await asyncio.sleep(0)


def made_of(*pieces: bytes, end: bool = True, limit: int = 2**16) -> StreamReader:
    reader = StreamReader(limit)
    for piece in pieces:
        reader.feed_data(piece)
    if end:
        reader.feed_eof()
    return reader


def chunked(*pieces: bytes, end: bool = True) -> StreamReader:
    """A body in chunks of the transfer coding."""
    reader = StreamReader()
    for piece in pieces:
        reader.feed_data(piece)
        reader.end_chunk()
    if end:
        reader.feed_eof()
    return reader


@contextmanager
def no_spinning(calls: int = 5000) -> Iterator[None]:
    """Break a loop that turns without ever waiting."""
    left = calls

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise AssertionError(f"more than {calls} calls")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)


@contextmanager
def waiting(read: Coroutine[Any, Any, Any]) -> Iterator[asyncio.Task[Any]]:
    """A read in a task of its own, which does not outlive the block."""
    task = asyncio.ensure_future(read)
    try:
        yield task
    finally:
        task.cancel()


# -- reading what is there ------------------------------------------------------------------------

READS: list[Any] = [
    pytest.param(lambda r: r.read(), b"ab\ncd\ne", b"", id="read all"),
    pytest.param(lambda r: r.read(-5), b"ab\ncd\ne", b"", id="read negative"),
    pytest.param(lambda r: r.read(0), b"", b"ab\ncd\ne", id="read nothing"),
    pytest.param(lambda r: r.read(1), b"a", b"b\ncd\ne", id="read one"),
    pytest.param(lambda r: r.read(5), b"ab\ncd", b"\ne", id="read over pieces"),
    pytest.param(lambda r: r.read(7), b"ab\ncd\ne", b"", id="read to the byte"),
    pytest.param(lambda r: r.read(99), b"ab\ncd\ne", b"", id="read more than there is"),
    pytest.param(lambda r: r.readany(), b"ab\ncd\ne", b"", id="readany"),
    pytest.param(lambda r: r.readexactly(0), b"", b"ab\ncd\ne", id="readexactly nothing"),
    pytest.param(lambda r: r.readexactly(-1), b"", b"ab\ncd\ne", id="readexactly negative"),
    pytest.param(lambda r: r.readexactly(4), b"ab\nc", b"d\ne", id="readexactly"),
    pytest.param(lambda r: r.readexactly(7), b"ab\ncd\ne", b"", id="readexactly all"),
    pytest.param(lambda r: r.readline(), b"ab\n", b"cd\ne", id="readline"),
    pytest.param(lambda r: r.readuntil(), b"ab\n", b"cd\ne", id="readuntil a line feed"),
    pytest.param(lambda r: r.readuntil(b"\nc"), b"ab\nc", b"d\ne", id="readuntil over pieces"),
    pytest.param(lambda r: r.readuntil(b"ab\ncd\n"), b"ab\ncd\n", b"e", id="readuntil, long"),
    pytest.param(lambda r: r.readuntil(b"x"), b"ab\ncd\ne", b"", id="readuntil the end"),
    pytest.param(lambda r: r.readuntil(b"ex"), b"ab\ncd\ne", b"", id="readuntil, half of it"),
    pytest.param(lambda r: r.readchunk(), (b"ab\ncd\ne", False), b"", id="readchunk"),
]


@pytest.mark.parametrize(("read", "given_", "left"), READS)
@pytest.mark.parametrize("pieces", [(b"ab\ncd\ne",), (b"a", b"b\n", b"cd", b"\ne")])
async def test_what_a_read_takes(
    read: Callable[[StreamReader], Awaitable[Any]], given_: Any, left: bytes, pieces: Any
) -> None:
    reader = made_of(*pieces)
    assert await read(reader) == given_
    assert await reader.read() == left


AT_THE_END: list[Any] = [
    (lambda r: r.read(), b""),
    (lambda r: r.read(1), b""),
    (lambda r: r.readany(), b""),
    (lambda r: r.readline(), b""),
    (lambda r: r.readuntil(b"ab"), b""),
    (lambda r: r.readexactly(0), b""),
    (lambda r: r.readchunk(), (b"", False)),
]


@pytest.mark.parametrize(("read", "given_"), AT_THE_END)
@pytest.mark.parametrize("body", [EMPTY_PAYLOAD, made_of()], ids=["EMPTY_PAYLOAD", "ended"])
async def test_reads_at_the_end(read: Any, given_: Any, body: StreamReader) -> None:
    for _ in range(2):
        assert await read(body) == given_
    assert body.at_eof()
    assert body.is_eof()


async def test_readexactly_tells_what_there_was() -> None:
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await made_of(b"ab", b"c").readexactly(4)
    assert (caught.value.partial, caught.value.expected) == (b"abc", 4)


async def test_bytes_without_waiting() -> None:
    reader = made_of(b"ab", b"cd", end=False)
    assert reader.read_nowait(0) == b""
    assert reader.read_nowait(3) == b"abc"
    assert reader.read_nowait() == b"d"
    assert reader.read_nowait() == reader.read_nowait(5) == b""


async def test_bytes_that_are_put_back_are_read_first() -> None:
    reader = made_of(b"abcd")
    await reader.read(2)
    reader.unread_data(b"")
    reader.unread_data(b"xy")
    reader.unread_data(b"w")
    assert not reader.at_eof()
    assert await reader.read(4) == b"wxyc"
    assert await reader.read() == b"d"
    reader.unread_data(b"z")
    assert not reader.at_eof()
    assert await reader.readline() == b"z"


async def collect(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


async def test_iterations() -> None:
    def body() -> StreamReader:
        return made_of(b"ab\nc", b"d\n\ne")

    assert await collect(aiter(body())) == [b"ab\n", b"cd\n", b"\n", b"e"]
    assert await collect(body().iter_chunked(3)) == [b"ab\n", b"cd\n", b"\ne"]
    assert await collect(body().iter_any()) == [b"ab\ncd\n\ne"]
    assert await collect(body().iter_chunks()) == [(b"ab\ncd\n\ne", False)]
    for items in (aiter(made_of()), made_of().iter_any(), made_of().iter_chunks()):
        assert await collect(items) == []


async def test_pieces_are_iterated_as_they_come() -> None:
    reader = StreamReader()
    with waiting(collect(reader.iter_any())) as task:
        for piece in (b"ab", b"cd"):
            await step()
            reader.feed_data(piece)
        await step()
        reader.feed_eof()
        assert await task == [b"ab", b"cd"]


# -- chunks of the transfer coding ----------------------------------------------------------------


async def test_chunks_are_read_with_their_ends() -> None:
    reader = chunked(b"ab", b"c")
    assert await collect(reader.iter_chunks()) == [(b"ab", True), (b"c", True)]
    assert await reader.readchunk() == (b"", False)


async def test_a_chunk_in_pieces_is_read_as_it_comes() -> None:
    reader = made_of(b"a", end=False)
    assert await reader.readchunk() == (b"a", False)
    with waiting(reader.readchunk()) as task:
        await step()
        assert not task.done()
        reader.end_chunk()
        assert await task == (b"", True)
    reader.feed_data(b"bc")
    reader.end_chunk()
    reader.feed_data(b"d")
    assert await reader.readchunk() == (b"bc", True)
    assert await reader.readchunk() == (b"d", False)


async def test_the_end_of_a_chunk_counts_once() -> None:
    reader = made_of(b"ab", end=False)
    reader.end_chunk()
    reader.end_chunk()
    reader.feed_eof()
    assert await collect(reader.iter_chunks()) == [(b"ab", True)]


async def test_the_rest_of_a_chunk_is_read_with_its_end() -> None:
    reader = chunked(b"abc", b"d")
    assert await reader.read(1) == b"a"
    assert await reader.readchunk() == (b"bc", True)
    reader.unread_data(b"c")
    assert await reader.readchunk() == (b"cd", True)


async def test_the_end_of_a_chunk_stands_behind_what_was_read() -> None:
    reader = chunked(b"abc", b"d")
    assert await reader.read(3) == b"abc"
    assert await reader.readchunk() == (b"", True)
    assert await reader.readchunk() == (b"d", True)


@pytest.mark.parametrize(
    ("size", "chunks"),
    [
        pytest.param(2, [(b"b", True), (b"cd", True)], id="up to the next end"),
        pytest.param(3, [(b"", True), (b"cd", True)], id="to an end"),
        pytest.param(4, [(b"d", True)], id="into the last chunk"),
        pytest.param(5, [(b"", True)], id="to the last end"),
        pytest.param(99, [(b"", True)], id="everything"),
    ],
)
async def test_ends_of_chunks_that_were_read_over_are_forgotten(
    size: int, chunks: list[tuple[bytes, bool]]
) -> None:
    """As in aiohttp, which tells only of ends that are still to come."""
    reader = chunked(b"x", b"ab", b"cd")
    await reader.read(size)
    with no_spinning():
        assert await collect(reader.iter_chunks()) == chunks


async def test_ends_of_chunks_do_not_pile_up() -> None:
    """What a peer can make grow has a bound: a body in chunks of a byte, read piece by piece."""
    reader = StreamReader()
    sizes = []
    for _ in range(3):
        for _ in range(1000):
            reader.feed_data(b"a")
            reader.end_chunk()
            await reader.readany()
        sizes.append(sum(map(sys.getsizeof, (reader._chunk_ends or (), reader._chunks))))
    assert sizes[0] == sizes[1] == sizes[2]


async def test_chunks_may_be_fed_together() -> None:
    reader = StreamReader()
    reader.feed_chunks([], [])
    reader.feed_chunks([b"ab", b"c", b"d"], [2, 3])
    reader.feed_chunks([b"e"], [1])
    reader.feed_chunks([b"f"], [])
    reader.feed_eof()
    reader.feed_chunks([b"late"], [4])
    assert await collect(reader.iter_chunks()) == [
        (b"ab", True),
        (b"c", True),
        (b"de", True),
        (b"f", False),
    ]
    assert reader.total_bytes == 6


async def test_chunks_that_are_fed_together_have_a_limit() -> None:
    """What a peer can make grow has a bound; beyond it chunks run together."""
    reader = StreamReader()
    for _ in range(3):
        reader.feed_chunks([b"a"] * 1000, list(range(1, 1001)))
    reader.feed_eof()
    chunks = await collect(reader.iter_chunks())
    assert chunks == [(b"a", True)] * 1024 + [(b"a" * (3000 - 1024), False)]


# -- against a model ------------------------------------------------------------------------------

PIECES = st.lists(st.text("ab\n-", max_size=5).map(str.encode), max_size=8)
SEPARATORS = st.sampled_from([b"\n", b"ab", b"--", b"a-b", b"aab", b"abab", b"\n\n"])
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 6)),
        st.tuples(st.just("readexactly"), st.integers(0, 6)),
        st.tuples(st.just("readuntil"), SEPARATORS),
        st.tuples(st.just("readline"), st.none()),
        st.tuples(st.just("readany"), st.none()),
        st.tuples(st.just("readchunk"), st.none()),
        st.tuples(st.just("read_nowait"), st.integers(-1, 6)),
        st.tuples(st.just("unread"), st.integers(0, 3)),
    ),
    max_size=12,
)


def check_read(call: str, argument: Any, data: bytes, rest: bytes) -> None:
    """Hold what a read gave to what a plain buffer holding `rest` would give."""
    assert rest.startswith(data)
    if call == "readexactly":
        assert len(data) == min(argument, len(rest))
    elif call in ("readuntil", "readline"):
        before, found, _ = rest.partition(argument or b"\n")
        assert data == before + found
    elif call == "read" and argument < 0:
        assert data == rest
    elif call == "read":
        assert len(data) <= argument
        assert data or not rest or not argument
    elif call == "read_nowait" and argument >= 0:
        assert len(data) <= argument
    elif call in ("readany", "readchunk"):
        assert data or not rest


async def perform(reader: StreamReader, call: str, argument: Any) -> bytes:
    if call == "read_nowait":
        return reader.read_nowait(argument)
    try:
        result = await getattr(reader, call)(*() if argument is None else (argument,))
    except asyncio.IncompleteReadError as error:
        return error.partial
    return result[0] if call == "readchunk" else result


async def read_like_a_buffer(reader: StreamReader, rest: bytes, calls: Any) -> None:
    seen = b""
    for call, argument in calls:
        if call == "unread":
            back = seen[len(seen) - argument :] if argument else b""
            seen = seen[: len(seen) - len(back)]
            rest = back + rest
            reader.unread_data(back)
            continue
        data = await perform(reader, call, argument)
        check_read(call, argument, data, rest)
        seen += data
        rest = rest[len(data) :]
    assert await reader.read() == rest
    assert reader.at_eof()


@settings(deadline=None)
@given(PIECES, CALLS)
@example([b"a", b"-", b"b"], [("readuntil", b"a-b")])
@example([b"aa", b"-b"], [("read", 1), ("readuntil", b"a-b")])
async def test_any_reads_of_any_pieces_are_those_of_a_buffer(pieces: Any, calls: Any) -> None:
    await read_like_a_buffer(made_of(*pieces), b"".join(pieces), calls)


@settings(deadline=None)
@given(PIECES, CALLS, st.integers(1, 3))
async def test_any_reads_while_pieces_come_are_those_of_a_buffer(
    pieces: Any, calls: Any, pace: int
) -> None:
    reader = StreamReader()
    with waiting(read_like_a_buffer(reader, b"".join(pieces), calls)) as task:
        for piece in pieces:
            await step(pace)
            reader.feed_data(piece)
        reader.feed_eof()
        await task


@settings(deadline=None)
@given(PIECES, CALLS, st.booleans())
async def test_any_reads_of_a_source_are_those_of_a_buffer(
    pieces: Any, calls: Any, pulled: bool
) -> None:
    source = (Pulled if pulled else Pushed)(pieces)
    await read_like_a_buffer(source.body, b"".join(pieces), calls)
    assert source.breaches == []


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text("ab", min_size=1, max_size=4).map(str.encode),
            st.integers(0, 4),
            st.integers(0, 2),
            st.integers(0, 2),
        ),
        max_size=6,
    )
)
async def test_chunks_of_any_pieces_are_the_chunks(rows: list[tuple[bytes, int, int, int]]) -> None:
    """A chunk may come in pieces; its end is told once, behind its last byte."""
    reader = StreamReader()
    with waiting(collect(reader.iter_chunks())) as task:
        for chunk, cut, pause, rest in rows:
            reader.feed_data(chunk[:cut])
            await step(pause)
            reader.feed_data(chunk[cut:])
            await step(rest)
            reader.end_chunk()
        reader.feed_eof()
        found, begun = [], b""
        for piece, end in await task:
            begun += piece
            if end:
                found.append(begun)
                begun = b""
    assert (found, begun) == ([chunk for chunk, *_ in rows], b"")


# -- limits ---------------------------------------------------------------------------------------


async def test_a_reader_is_full_above_its_high_water_mark() -> None:
    reader = StreamReader(4)
    assert reader.get_read_buffer_limits() == (4, 8)
    assert reader.feed_data(b"a" * 8) is False
    assert not reader.is_full
    assert reader.feed_data(b"a") is True
    assert reader.is_full
    assert reader.feed_data(b"") is True
    assert await reader.read(1) == b"a"
    assert not reader.is_full
    assert reader.total_bytes == 9


def test_the_default_limits() -> None:
    assert StreamReader().get_read_buffer_limits() == (2**16, 2**17)


async def test_what_comes_behind_the_end_is_dropped() -> None:
    reader = made_of(b"a")
    assert reader.feed_data(b"b") is False
    reader.feed_eof()
    assert await reader.read() == b"a"
    assert reader.total_bytes == 1


LONG = [
    pytest.param(lambda r: r.readuntil(b"\n", max_size=4), 4, id="readuntil"),
    pytest.param(lambda r: r.readline(max_line_length=4), 4, id="readline"),
    pytest.param(lambda r: r.readuntil(b"\n", max_size=0), 0, id="nothing allowed"),
    pytest.param(lambda r: r.readline(), 8, id="the high-water mark"),
]


@pytest.mark.parametrize(("read", "limit"), LONG)
@pytest.mark.parametrize("split", [1, 3, 99])
async def test_a_line_has_a_limit(read: Any, limit: int, split: int) -> None:
    def body(text: bytes) -> StreamReader:
        return made_of(*(text[i : i + split] for i in range(0, len(text), split)), limit=4)

    for text in (b"a" * limit + b"\n", b"a" * (limit + 1)):
        with pytest.raises(ValueError, match=f"Line longer than {limit} bytes: b'a*"):
            await read(body(text))
    if limit:
        for text in (b"a" * (limit - 1) + b"\n", b"a" * limit):
            assert await read(body(text)) == text


async def test_the_message_of_a_long_line_is_bounded() -> None:
    with pytest.raises(ValueError) as caught:
        await made_of(b"a" * 9999).readline(max_line_length=1)
    assert len(str(caught.value)) < 200


async def test_a_separator_is_not_empty() -> None:
    with pytest.raises(ValueError, match="Separator should be at least one-byte string"):
        await made_of(b"a").readuntil(b"")


# -- waiting --------------------------------------------------------------------------------------

WAITS: list[Any] = [
    pytest.param(lambda r: r.read(), "readany", b"ab", id="read all"),
    pytest.param(lambda r: r.read(9), "read", b"ab", id="read"),
    pytest.param(lambda r: r.readany(), "readany", b"ab", id="readany"),
    pytest.param(lambda r: r.readline(), "readuntil", b"ab", id="readline"),
    pytest.param(lambda r: r.readuntil(b"xy"), "readuntil", b"ab", id="readuntil"),
    pytest.param(lambda r: r.readexactly(2), "read", b"ab", id="readexactly"),
    pytest.param(lambda r: r.readchunk(), "readchunk", (b"ab", False), id="readchunk"),
]


@pytest.mark.parametrize(("read", "name", "result"), WAITS)
async def test_a_read_waits_for_bytes(read: Any, name: str, result: Any) -> None:
    reader = StreamReader()
    assert not reader.is_waiting
    with waiting(read(reader)) as task:
        await step()
        assert reader.is_waiting
        reader.feed_data(b"")
        await step()
        assert reader.is_waiting
        reader.feed_data(b"ab")
        assert not reader.is_waiting
        reader.feed_eof()
        assert await task == result


@pytest.mark.parametrize(("read", "name", "result"), WAITS)
async def test_a_read_waits_for_the_end(read: Any, name: str, result: Any) -> None:
    reader = StreamReader()
    with waiting(read(reader)) as task:
        await step()
        reader.feed_eof()
        if "readexactly" in str(task.get_coro()):
            with pytest.raises(asyncio.IncompleteReadError):
                await task
        else:
            assert not any(await task)


@pytest.mark.parametrize(("read", "name", "result"), WAITS)
async def test_one_reader_waits_at_a_time(read: Any, name: str, result: Any) -> None:
    reader = StreamReader()
    with waiting(reader.read()) as first:
        await step()
        message = rf"{name}\(\) called while another coroutine is already waiting"
        with pytest.raises(RuntimeError, match=message):
            await read(reader)
        with pytest.raises(RuntimeError, match="Called while some coroutine is waiting"):
            reader.read_nowait()
        reader.feed_data(b"ab")
        reader.feed_eof()
        assert await first == b"ab"


@pytest.mark.parametrize(
    ("read", "name"), [(lambda r: r.read(1), "read"), (lambda r: r.readline(), "readuntil")]
)
async def test_a_reader_that_was_woken_comes_first(read: Any, name: str) -> None:
    reader = StreamReader()
    with waiting(reader.readany()) as first:
        await step()
        reader.feed_data(b"ab")
        with pytest.raises(RuntimeError, match=rf"{name}\(\) called while another coroutine"):
            await read(reader)
        assert await first == b"ab"


@pytest.mark.parametrize(("read", "name", "result"), WAITS)
async def test_a_read_that_was_cancelled_leaves_the_reader_free(
    read: Any, name: str, result: Any
) -> None:
    reader = StreamReader()
    with waiting(read(reader)) as task:
        await step()
        task.cancel()
        reader.feed_data(b"ab")  # before the task has seen that it is cancelled
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not reader.is_waiting
    assert reader.read_nowait() == b"ab"


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda r: r.readchunk(), id="readchunk"),
        pytest.param(lambda r: r.read(), id="read all"),
        pytest.param(lambda r: r.readexactly(9), id="readexactly"),
        pytest.param(lambda r: r.readline(), id="readline"),
        pytest.param(lambda r: r.readuntil(b"xy"), id="readuntil"),
    ],
)
async def test_a_read_that_was_cancelled_loses_nothing(read: Any) -> None:
    reader = StreamReader()
    pieces = [b"ab", b"x", b"cd"]
    with waiting(read(reader)) as task:
        for piece in pieces[:2]:
            await step()
            reader.feed_data(piece)
        await step()
        got = task.result()[0] if task.done() else b""
        task.cancel()
        await step()
    reader.feed_data(pieces[2])
    assert got + reader.read_nowait() == b"abxcd"


# -- the end --------------------------------------------------------------------------------------


async def test_the_end_is_told_once() -> None:
    reader, told = StreamReader(), []
    reader.on_eof(lambda: told.append("early"))
    assert told == []
    assert not reader.is_eof()
    reader.feed_eof()
    reader.feed_eof()
    reader.on_eof(lambda: told.append("late"))
    assert told == ["early", "late"]


async def test_the_end_is_reached_when_everything_is_read() -> None:
    reader = made_of(b"ab")
    assert reader.is_eof()
    assert not reader.at_eof()
    await reader.read(2)
    assert reader.at_eof()


async def test_the_end_can_be_awaited() -> None:
    await made_of(b"ab").wait_eof()
    await EMPTY_PAYLOAD.wait_eof()
    reader = StreamReader()
    with waiting(reader.wait_eof()) as task:
        await step()
        assert not task.done()
        reader.feed_eof()
        await task


async def test_the_end_can_be_awaited_by_many() -> None:
    reader = StreamReader()
    with waiting(reader.wait_eof()) as one, waiting(reader.wait_eof()) as other:
        await step()
        one.cancel()
        reader.feed_eof()  # before the task has seen that it is cancelled
        await other
        assert one.cancelled()


async def test_the_end_of_a_source_can_be_awaited() -> None:
    """An ASGI host gives nothing unless it is asked."""
    source = Pulled([b"ab"])
    with waiting(source.body.wait_eof()) as task:
        await step(20)
        assert task.done()


async def test_the_end_of_a_source_waits_for_room() -> None:
    source = Pulled([b"aaaaa", b"bbbbb", b"c"], limit=4)
    with waiting(source.body.wait_eof()) as task:
        await step(20)
        assert not task.done()
        assert source.body.is_full
        assert await source.body.read() == b"aaaaabbbbbc"
        await task


async def test_a_failed_body_has_no_end_to_wait_for() -> None:
    reader = StreamReader()
    reader.set_exception(KeyError("x"))
    with pytest.raises(KeyError):
        await reader.wait_eof()


async def test_waiting_for_the_end_fails_with_the_body() -> None:
    reader = StreamReader()
    with waiting(reader.wait_eof()) as task:
        await step()
        reader.set_exception(KeyError("x"))
        with pytest.raises(KeyError):
            await task


async def test_the_end_can_be_awaited_while_bytes_are_buffered() -> None:
    reader = made_of(b"ab", end=False)
    with waiting(reader.wait_eof()) as task:
        with no_spinning():
            await step()
        assert not task.done()
        reader.feed_data(b"c")
        await step()
        assert not task.done()
        reader.feed_eof()
        await task
    assert reader.read_nowait() == b"abc"


async def test_the_end_can_be_awaited_beside_a_reader() -> None:
    reader = StreamReader()
    with waiting(reader.wait_eof()) as ending, waiting(reader.read()) as reading:
        await step()
        reader.feed_data(b"a")
        reader.feed_eof()
        assert await reading == b"a"
        await ending


# -- failure --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("read", "name", "result"), WAITS)
async def test_a_waiting_read_fails_with_the_body(read: Any, name: str, result: Any) -> None:
    reader = StreamReader()
    error, cause = KeyError("x"), ValueError("y")
    with waiting(read(reader)) as task:
        await step()
        reader.set_exception(error, cause)
        with pytest.raises(KeyError) as caught:
            await task
    assert caught.value is error is reader.exception()
    assert error.__cause__ is cause


async def test_what_is_buffered_is_read_before_a_failure() -> None:
    reader = made_of(b"ab", end=False)
    assert reader.exception() is None
    reader.set_exception(KeyError("x"))
    with pytest.raises(KeyError):
        reader.read_nowait()
    assert await reader.read(1) == b"a"
    assert await reader.readany() == b"b"
    for _ in range(2):
        with pytest.raises(KeyError):
            await reader.readany()


async def test_a_failed_body_has_no_end() -> None:
    reader, told = StreamReader(), []
    reader.on_eof(lambda: told.append("end"))
    reader.set_exception(KeyError("x"))
    assert not reader.is_eof()
    reader.feed_eof()
    assert told == []


@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize(("read", "name", "result"), WAITS)
async def test_a_closed_body_cannot_be_read(read: Any, name: str, result: Any, end: bool) -> None:
    reader = made_of(b"ab\n", b"cd", end=end)
    await reader.read(1)
    reader.close(PayloadAccessError("x"))
    for _ in range(2):
        with pytest.raises(PayloadAccessError):
            await read(reader)
    with pytest.raises(PayloadAccessError):
        reader.read_nowait()
    assert not reader.is_full


async def test_closing_wakes_a_reader() -> None:
    reader = StreamReader()
    with waiting(reader.readline()) as task:
        await step()
        reader.close(PayloadAccessError("x"))
        with pytest.raises(PayloadAccessError):
            await task


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(lambda r: r.feed_data(b"x"), id="bytes"),
        pytest.param(lambda r: r.feed_eof(), id="the end"),
        pytest.param(lambda r: r.feed_chunks([b"x"], [1]), id="chunks"),
        pytest.param(lambda r: None, id="nothing"),
    ],
)
async def test_a_closed_body_stays_closed(after: Any) -> None:
    reader = StreamReader()
    reader.close(PayloadAccessError("x"))
    after(reader)
    with pytest.raises(PayloadAccessError):
        await reader.readany()


async def test_a_closed_body_takes_nothing_back() -> None:
    reader = StreamReader()
    with waiting(reader.readexactly(4)) as task:
        await step()
        reader.feed_data(b"ab")
        await step()
        reader.close(PayloadAccessError("x"))
        task.cancel()
        await step()
    with pytest.raises(PayloadAccessError):
        await reader.readany()


async def test_a_closed_body_has_no_chunks() -> None:
    reader = chunked(b"ab", end=False)
    reader.close(PayloadAccessError("x"))
    with pytest.raises(PayloadAccessError):
        await reader.readchunk()


# -- the source -----------------------------------------------------------------------------------


class _Source:
    """Gives a body in pieces, each when it is asked for, and notes what it was not promised."""

    def __init__(self, pieces: Iterable[bytes], limit: int = 2**16) -> None:
        self.body = StreamReader(limit, source=self)
        self.breaches: list[str] = []
        self.drains = 0
        self._pieces = iter(pieces)

    def drained(self) -> None:
        self.drains += 1
        if len_buffered(self.body) > self.body.get_read_buffer_limits()[0]:
            self.breaches.append("drained above the low-water mark")

    def feed_next(self) -> None:
        if len_buffered(self.body):
            self.breaches.append("starved with bytes in the buffer")
        piece = next(self._pieces, None)
        if piece is None:
            self.body.feed_eof()
        else:
            self.body.feed_data(piece)


def len_buffered(reader: StreamReader) -> int:
    return reader._size  # the one thing that has no public name


class Pulled(_Source):
    """Is read in the task of the reader, like an ASGI host."""

    async def starved(self) -> None:
        await asyncio.sleep(0)
        self.feed_next()


class Pushed(_Source):
    """Feeds by itself a little later, like a connection whose reading is resumed."""

    def __init__(self, pieces: Iterable[bytes], limit: int = 2**16) -> None:
        super().__init__(filter(None, pieces), limit)  # an empty piece would wake nobody

    def starved(self) -> None:
        asyncio.get_running_loop().call_soon(self.feed_next)


@pytest.mark.parametrize("kind", [Pulled, Pushed])
async def test_a_starved_reader_asks_its_source(kind: type[_Source]) -> None:
    source = kind([b"ab", b"", b"cd"])
    assert await source.body.read(9) == b"ab"
    assert await source.body.read(9) == b"cd"
    assert await source.body.read(9) == b""
    assert source.breaches == []


async def test_a_source_is_asked_only_when_nothing_is_there() -> None:
    source = Pulled([b"x"])
    source.body.feed_data(b"ab")
    assert await source.body.readexactly(2) == b"ab"
    assert next(source._pieces) == b"x"


async def test_one_reader_pulls_at_a_time() -> None:
    source = Pulled([b"ab"])
    with waiting(source.body.readany()) as first:
        await step(1)
        with pytest.raises(RuntimeError, match="already waiting"):
            await source.body.readany()
        assert not source.body.is_waiting  # nobody is to be woken: the reader pulls by itself
        assert await first == b"ab"


async def test_a_pull_that_fails_fails_the_read() -> None:
    class Failing(Pulled):
        async def starved(self) -> None:
            raise KeyError("x")

    with pytest.raises(KeyError):
        await Failing([]).body.readany()


async def test_a_pull_that_was_cancelled_can_be_begun_anew() -> None:
    source = Pulled([b"ab"])
    with waiting(source.body.readany()) as task:
        await step(1)
    await step()
    assert task.cancelled()
    assert await source.body.readany() == b"ab"


async def test_a_source_hears_that_there_is_room() -> None:
    source = Pulled([], limit=4)
    source.body.feed_data(b"a" * 10)
    await source.body.read(5)
    assert source.drains == 0
    await source.body.read(1)
    assert source.drains == 1
    await source.body.read()
    assert source.breaches == []


async def test_a_source_at_its_end_hears_nothing() -> None:
    source = Pulled([], limit=4)
    source.body.feed_data(b"a" * 10)
    source.body.feed_eof()
    await source.body.read()
    assert source.drains == 0


# -- the body that is none ------------------------------------------------------------------------


async def test_the_empty_body_is_shared_and_keeps_nothing() -> None:
    assert isinstance(EMPTY_PAYLOAD, EmptyStreamReader)
    assert EMPTY_PAYLOAD.feed_data(b"a") is False
    EMPTY_PAYLOAD.feed_eof()
    EMPTY_PAYLOAD.set_exception(KeyError("x"), ValueError("y"))
    EMPTY_PAYLOAD.close(KeyError("x"))
    assert EMPTY_PAYLOAD.exception() is None
    assert EMPTY_PAYLOAD.read_nowait() == await EMPTY_PAYLOAD.read() == b""
    told: list[str] = []
    EMPTY_PAYLOAD.on_eof(lambda: told.append("end"))
    assert told == ["end"]
    with pytest.raises(asyncio.IncompleteReadError):
        await EMPTY_PAYLOAD.readexactly(1)


@pytest.mark.parametrize(
    "put", [lambda r: r.unread_data(b"secret"), lambda r: r.end_chunk()], ids=["bytes", "a chunk"]
)
async def test_nothing_can_be_put_into_the_empty_body(put: Any) -> None:
    """It is the body of every other request too."""
    reader = EmptyStreamReader()
    put(reader)
    assert await reader.readchunk() == (b"", False)
