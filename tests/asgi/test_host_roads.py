"""The short roads of applications that we host: they say what the long ones do."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Generator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bascule.asgi import answering
from support.asgi_role import (
    GET,
    LAST_GET,
    START,
    Application,
    answer_to,
    body,
    get,
    opened,
    post,
    read_rest,
    start,
)
from support.wire import PATIENCE

CONTENT_TYPE = (b"content-type", b"text/x-roads")


class Recorder(asyncio.Transport):
    """Takes what a server writes.

    Attributes:
        written: in the pieces that it came in.
        is_lost: the next write finds the connection closing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_lost = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_lost

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.is_lost = True

    abort = close


@asynccontextmanager
async def connected(app: Any) -> AsyncIterator[tuple[Any, Recorder]]:
    """Give a connection to an application that is hosted, and where its answers go."""
    from bascule import web

    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    assert runner.server is not None
    connection, transport = runner.server(), Recorder()
    connection.connection_made(transport)
    try:
        yield connection, transport
    finally:
        connection.connection_lost(None)
        await runner.cleanup()


async def steps(count: int = 5) -> None:
    """Let the event loop make some steps."""
    for _ in range(count):
        await asyncio.sleep(0)


# -- an application that runs until it waits


@pytest.mark.parametrize("waits_before", ["never", "for a result", "for an error"])
async def test_a_plain_answer_takes_one_write_and_no_callback(waits_before: str) -> None:
    """A callback would make the event loop poll for input once more for each request."""
    app = Application()
    called = []

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()
        if waits_before == "for a result":
            await asyncio.sleep(0)
        elif waits_before == "for an error":
            future = loop.create_future()
            loop.call_soon(future.set_exception, ValueError())
            with pytest.raises(ValueError):
                await future
        before = loop.call_soon
        loop.call_soon = lambda *args, **kw: called.append(args) or before(*args, **kw)  # type: ignore[func-returns-value,assignment]
        try:
            await send(start(CONTENT_TYPE, (b"content-length", b"2")))
            await send(body(b"ab"))
        finally:
            del loop.call_soon  # type: ignore[method-assign]

    app.handler = handler
    async with connected(app) as (connection, transport):
        connection.data_received(GET)
        await app.ended()
        (answer,) = transport.written
    assert answer.startswith(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/x-roads\r\ncontent-length: 2\r\nDate: "
    )
    assert answer.endswith(b"\r\n\r\nab")
    assert called == []


@pytest.mark.parametrize("waits_before", [False, True])
async def test_the_head_leaves_when_the_application_waits(waits_before: bool) -> None:
    """Whether it has waited for something else before, or not."""
    go_on = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        if waits_before:
            await asyncio.sleep(0)
        await send(START)
        await go_on.wait()
        await send(body(b"abc"))

    async with opened(Application(handler)) as (_, wire):
        await wire.send(LAST_GET)
        head, _ = await wire.read_head()
        assert head == b"HTTP/1.1 200 OK"
        go_on.set()
        assert await read_rest(wire) == b"3\r\nabc\r\n0\r\n\r\n"


async def test_the_head_leaves_that_another_task_has_sent() -> None:
    go_on = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        async def answer() -> None:
            await send(START)
            await go_on.wait()
            await send(body(b"abc"))

        await asyncio.create_task(answer())

    async with opened(Application(handler)) as (_, wire):
        await wire.send(LAST_GET)
        assert (await wire.read_head())[0] == b"HTTP/1.1 200 OK"
        go_on.set()
        assert await read_rest(wire) == b"3\r\nabc\r\n0\r\n\r\n"


async def test_another_task_answers_in_one_write_too() -> None:
    app = Application()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        async def answer() -> None:
            await send(start((b"content-length", b"3")))
            await send(body(b"abc"))

        await asyncio.create_task(answer())

    app.handler = handler
    async with connected(app) as (connection, transport):
        connection.data_received(GET)
        await app.ended()
        (answer,) = transport.written
    assert answer.endswith(b"\r\n\r\nabc")


async def test_what_it_waits_for_comes_back_to_it() -> None:
    """Results, errors and cancellations of what is awaited are the application's, in that order."""
    seen: list[Any] = []

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()
        for way in ("result", "error", "cancel"):
            future: asyncio.Future[str] = loop.create_future()
            if way == "result":
                loop.call_soon(future.set_result, "done")
            elif way == "error":
                loop.call_soon(future.set_exception, ValueError("bad"))
            else:
                loop.call_soon(future.cancel)
            try:
                seen.append(await future)
            except (ValueError, asyncio.CancelledError) as exc:
                seen.append(type(exc))
        async with asyncio.timeout(PATIENCE):
            try:
                async with asyncio.timeout(0):  # a cancellation of the task itself
                    await loop.create_future()
            except TimeoutError:
                seen.append(TimeoutError)
        await send(START)
        await send(body(b"ok"))

    assert (await answer_to(handler)).endswith(b"\r\n\r\nok")
    assert seen == ["done", ValueError, asyncio.CancelledError, TimeoutError]


async def test_a_cancelled_request_cancels_its_application() -> None:
    app = Application()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        app.told.put_nowait(asyncio.current_task())
        await asyncio.get_running_loop().create_future()

    app.handler = handler
    async with opened(app) as (_, wire):
        await wire.send(GET)
        task = await app.next()
        task.cancel()
        await app.ended()
        assert await read_rest(wire) == b""
    assert [type(exc) for exc in app.errors] == [asyncio.CancelledError]


async def test_an_application_that_swallows_a_cancellation_goes_on() -> None:
    app = Application()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        app.told.put_nowait(asyncio.current_task())
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        await send(start((b"content-length", b"5")))
        await send(body(b"still"))

    app.handler = handler
    async with opened(app) as (_, wire):
        await wire.send(GET)
        (await app.next()).cancel()
        assert (await wire.read_answer())[2] == b"still"


class _Steps:
    """Something to be awaited that is no coroutine."""

    def __init__(self, awaitable: Awaitable[None]) -> None:
        self._awaitable = awaitable

    def __await__(self) -> Generator[Any, None, None]:
        return self._awaitable.__await__()


async def test_an_application_need_not_give_a_coroutine() -> None:
    """ASGI asks for an awaitable callable; compiled ones have awaitables of their own."""
    inner = Application()

    class Given:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            raise AssertionError("not called")

    def give(self: Any, scope: Any, receive: Any, send: Any) -> Any:
        return _Steps(inner(scope, receive, send))

    application = Given()
    async with opened(application) as (_, wire):
        Given.__call__ = give  # type: ignore[method-assign]  # it was found to be of ASGI 3 before
        go_on = asyncio.Event()

        async def handler(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await go_on.wait()
            await send(body(b"abc"))

        inner.handler = handler
        await wire.send(LAST_GET)
        assert (await wire.read_head())[0] == b"HTTP/1.1 200 OK"
        go_on.set()
        assert await read_rest(wire) == b"3\r\nabc\r\n0\r\n\r\n"


async def test_nothing_of_a_cancelled_application_is_kept() -> None:
    """The error is not held by the frames that it has passed."""
    app = Application()

    class Large:
        pass

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        large = Large()
        app.told.put_nowait(asyncio.current_task())
        await asyncio.get_running_loop().create_future()
        del large

    app.handler = handler
    async with opened(app) as (_, wire):
        await wire.send(GET)
        (await app.next()).cancel()
        await app.ended()
        await read_rest(wire)
        app.errors.clear()
        gc.collect()
        assert not [each for each in gc.get_objects() if type(each) is Large]


# -- heads


async def test_lines_that_are_kept_are_checked_first() -> None:
    """A value that was refused once is refused again, whatever was kept of its field."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        value = scope["query_string"].replace(b"_", b"\n")
        await send(start((b"content-type", value), (b"content-length", b"0")))
        await send(body())

    async with opened(Application(handler)) as (_, wire):
        for _ in range(2):
            await wire.send(get(target="/?good"))
            assert (await wire.read_answer())[1][b"content-type"] == b"good"
    for _ in range(2):
        data = await answer_to(handler, get("Connection: close", target="/?a_b:c"))
        assert data.startswith(b"HTTP/1.1 500 ")


async def test_few_lines_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a bounded number and size, and of fields whose values are no secrets."""
    kept: dict[tuple[bytes, bytes], bytes] = {}
    monkeypatch.setattr(answering, "_known_lines", kept)
    monkeypatch.setattr(answering, "_MAX_KNOWN_LINES", 3)

    def dump(*fields: Any) -> Any:
        return answering.dump_block(start(*fields))

    assert dump((b"vary", b"x" * 200), (b"set-cookie", b"a=b"), (b"x-other", b"1")) is not None
    assert kept == {}
    for number in range(9):
        assert dump((b"Vary", b"%d" % number))[1] == b"Vary: %d\r\n" % number
    assert kept == {(b"Vary", b"%d" % n): b"Vary: %d\r\n" % n for n in range(3)}
    assert dump([b"Vary", b"0"], [b"content-length", b"7"])[1:] == (
        b"Vary: 0\r\ncontent-length: 7\r\n",
        7,
    )


@pytest.mark.parametrize(
    "fields",
    [
        [(b"x-a", b"b\r\nc: d")],
        [(b"vary", b"b\nc: d")],
        [(b"vary", b"b\r\nc: d"), (b"vary", b"b\r\nc: d")],
        [(b"x-a", b"1\r\nx-b: 2"), (b"vary", b"*")],
        [(b"x-a", b"\0")],
        [(b"x a", b"b")],
        [(b"", b"b")],
        [(b"content-length", b"1"), (b"Content-Length", b"1")],
        [(b"content-length", b"+1")],
        [(b"content-length", b"")],
        [("vary", b"*")],
        [(b"vary", bytearray(b"*"))],
        [(bytearray(b"vary"), b"*")],
        [(b"transfer-encoding", b"chunked")],
        [(b"Date", b"now")],
    ],
)
def test_heads_that_are_not_plain_take_the_long_road(fields: Any) -> None:
    assert answering.dump_block(start(*fields)) is None


def test_names_and_values_of_the_lane() -> None:
    """The scope has names lowered and values stripped, in their order; see also `test_scope`."""
    from bascule.asgi.scope import scope_of_head
    from bascule.exchange import BlockHead

    block = b"\nHost: x\r\nX-A:\t b \t\r\nx-a:\r\nX-Colon: a:b: c\r\n"
    by_block = scope_of_head(BlockHead("GET", "/", block, "http", True), client=None, server=None)
    assert by_block["headers"] == [
        (b"host", b"x"),
        (b"x-a", b"b"),
        (b"x-a", b""),
        (b"x-colon", b"a:b: c"),
    ]
    head = BlockHead("GET", "/", block, "http", True)
    assert head.raw_fields[1] == (b"X-A", b"b")
    by_fields = scope_of_head(head, client=None, server=None)
    assert by_fields["headers"] == by_block["headers"]


# -- bodies of requests


@pytest.mark.parametrize("size", [1, 1024, 100_000])
async def test_a_body_that_is_all_here_comes_in_one_message(size: int) -> None:
    """Where it is fed as a whole; and nothing but the disconnect behind it."""
    app = Application()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        data, more = b"", True
        while more:
            message = await receive()
            data += message["body"]
            more = message["more_body"]
        await send(START)
        await send(body(b"%d" % len(data)))
        app.told.put_nowait(await receive())

    app.handler = handler
    async with opened(app) as (_, wire):
        for _ in range(2):
            await wire.send(post(b"x" * size))
            assert (await wire.read_answer())[2] == b"%d" % size
            assert await app.next() == {"type": "http.disconnect"}


async def test_the_end_of_a_body_comes_once() -> None:
    """A second receive() waits for the client's leaving, or for the end of the answer."""
    app = Application()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == {"type": "http.request", "body": b"abc", "more_body": False}
        second = asyncio.create_task(receive())
        await steps()
        app.told.put_nowait(second.done())
        await send(START)
        await send(body())
        app.told.put_nowait(await second)

    app.handler = handler
    async with opened(app) as (_, wire):
        await wire.send(post(b"abc"))
        await wire.read_answer()
        assert await app.next() is False
        assert await app.next() == {"type": "http.disconnect"}


# -- bodies of answers


async def stream(*pieces: Any, last: bytes = b"") -> list[bytes]:
    """Give the writes that a body takes whose pieces are sent without a wait."""
    app = Application()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for piece in pieces:
            await send(body(piece, True))
        await send(body(last))

    app.handler = handler
    async with connected(app) as (connection, transport):
        connection.data_received(GET)
        await app.ended()
        return transport.written


async def test_pieces_of_one_step_leave_together() -> None:
    """Each is a chunk of its own, as ever."""
    first, rest = await stream(b"a", b"bc", b"", b"def", last=b"g")
    assert first.endswith(b"\r\n\r\n1\r\na\r\n")
    assert rest == b"2\r\nbc\r\n3\r\ndef\r\n1\r\ng\r\n0\r\n\r\n"


async def test_not_more_than_64_kib_wait_for_others() -> None:
    writes = await stream(*[b"x" * 1000] * 200)
    assert len(writes) == 5
    assert max(map(len, writes)) < 64 * 1024 + 2048
    assert b"".join(writes).count(b"3e8\r\n") == 200


async def test_pieces_keep_their_order_whatever_they_are() -> None:
    """Buffers may change behind `send`, and large pieces are not copied."""
    changing = bytearray(b"two")
    app = Application()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(b"one", True))
        await send(body(b"1.5", True))
        await send({"type": "http.response.body", "body": changing, "more_body": True})
        changing[:] = b"bad"
        await send(body(b"2.5", True))
        await send(body(bytes(70_000), True))
        await send(body(memoryview(b"three"), True))  # type: ignore[arg-type]
        await send(body())

    async with opened(Application(handler)) as (_, wire):
        await wire.send(GET)
        data = (await wire.read_answer())[2]
    assert data == b"one1.5two2.5" + bytes(70_000) + b"three"
    assert app.errors == []


async def test_pieces_leave_at_the_end_of_their_step() -> None:
    app = Application()
    go_on = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for piece in (b"one", b"two", b"six"):
            await send(body(piece, True))
        await go_on.wait()
        await send(body())

    app.handler = handler
    async with connected(app) as (connection, transport):
        connection.data_received(GET)
        await steps()
        assert b"".join(transport.written).endswith(b"3\r\none\r\n3\r\ntwo\r\n3\r\nsix\r\n")
        go_on.set()
        await app.ended()


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (start(), RuntimeError),
        ({"type": "http.response.body", "body": "text", "more_body": True}, TypeError),
        ({"type": "http.response.trailers"}, RuntimeError),
        ({"type": "http.response.pathsend", "path": __file__}, RuntimeError),
        ({"type": "http.response.unknown", "body": b"x", "more_body": True}, ValueError),
        ({"type": "http.response.start", "status": 200, "body": b"", "more_body": 1}, RuntimeError),
        ({}, KeyError),
    ],
)
async def test_a_stream_is_no_place_for_other_messages(message: Any, error: Any) -> None:
    app = Application()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for _ in range(3):
            await send(body(b"abc", True))
        await send(message)

    app.handler = handler
    async with opened(app) as (_, wire):
        await wire.send(GET)
        data = await read_rest(wire)
    assert not data.endswith(b"0\r\n\r\n")
    assert [type(exc) for exc in app.errors] == [error]


async def test_pieces_behind_the_last_are_ignored() -> None:
    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for piece in (b"a", b"b", b"c"):
            await send(body(piece, True))
        await send(body())
        await send(body(b"late", True))

    app = Application(handler)
    async with opened(app) as (_, wire):
        await wire.send(LAST_GET)
        assert (await read_rest(wire)).endswith(b"1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")
    assert app.errors == [None]


async def test_a_stream_of_events_ends_when_the_server_stops() -> None:
    """By the error of `send`, where the application does not listen."""
    app = Application()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(start((b"content-type", b"text/event-stream")))
        for number in range(1000):
            await send(body(b"data: %d\n\n" % number, True))
            if number == 5:
                app.told.put_nowait("streams")
            await asyncio.sleep(0)

    app.handler = handler
    async with opened(app) as (served, wire):
        await wire.send(GET)
        await app.next()
        await served.runner.cleanup()
    assert [isinstance(exc, OSError) for exc in app.errors] == [True]


async def test_pieces_behind_the_last_before_trailers_are_errors() -> None:
    app = Application()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(start(trailers=True))
        for more in (True, True, False, True):
            await send(body(b"a", more))

    app.handler = handler
    async with opened(app) as (_, wire):
        await wire.send(get("TE: trailers"))
        await read_rest(wire)
    assert [type(exc) for exc in app.errors] == [RuntimeError]


@pytest.mark.parametrize(
    ("request_", "fields", "sent"),
    [
        (LAST_GET, [(b"content-length", b"4")], b"abcd"),
        (b"GET / HTTP/1.0\r\n\r\n", [], b"abcdef"),
        (LAST_GET.replace(b"GET", b"HEAD", 1), [], b""),
    ],
    ids=["length", "close", "head"],
)
async def test_streams_without_chunks(request_: bytes, fields: Any, sent: bytes) -> None:
    """What is beyond a length is cut off; HEAD has no body."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(start(*fields))
        for piece in (b"ab", b"cd", b"ef"):
            await send(body(piece, True))
        await send(body())

    data = await answer_to(handler, request_)
    assert data.partition(b"\r\n\r\n")[2] == sent


@pytest.mark.parametrize("waits", [False, True])
async def test_a_stream_learns_that_its_client_has_left(waits: bool) -> None:
    """By the error of `send`: in the next step of the loop, or once 64 KiB are together."""
    app = Application()
    go_on = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for _ in range(3):
            await send(body(b"abc", True))
        await go_on.wait()
        for _ in range(1000):
            await send(body(bytes(1000), True))
            if waits:
                await asyncio.sleep(0)

    app.handler = handler
    async with connected(app) as (connection, transport):
        connection.data_received(GET)
        await steps()
        transport.is_lost = True
        connection.connection_lost(None)
        go_on.set()
        await app.ended()
    assert [isinstance(exc, OSError) for exc in app.errors] == [True]
