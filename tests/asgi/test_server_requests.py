"""How an ASGI application of others receives a request on our server: rules S40 to S56."""

import asyncio
import inspect
from typing import Any

import pytest

from support.asgi_role import GET, START, Application, body, get, opened, post
from support.wire import PATIENCE


async def read_all(receive: Any) -> tuple[bytes, list[Any]]:
    """Read a body; give it, and its messages."""
    messages, more = [], True
    while more:
        message = await receive()
        messages.append(message)
        assert message["type"] == "http.request"
        more = message["more_body"]
    return b"".join(message["body"] for message in messages), messages


def telling(handler: Any) -> Application:
    """Make an application of a handler that tells something; it answers when it has returned."""

    async def tell(scope: Any, receive: Any, send: Any) -> None:
        await handler(receive, app.told.put_nowait)
        await send(START)
        await send(body())

    app = Application(tell)
    return app


async def tell_body(receive: Any, tell: Any) -> None:
    tell(await read_all(receive))


async def body_of(data: bytes) -> tuple[bytes, list[Any]]:
    """Give the body that a request has for the application, and its messages."""
    app = telling(tell_body)
    async with opened(app) as (_, wire):
        await wire.send(data)
        await wire.read_answer()
        found: tuple[bytes, list[Any]] = await app.next()
        return found


async def test_s40_no_body() -> None:
    """A request without body is one message, empty and the last."""
    assert (await body_of(GET))[1] == [{"type": "http.request", "body": b"", "more_body": False}]


async def test_s41_a_body_of_known_length() -> None:
    """A body comes whole, as bytes."""
    data, messages = await body_of(post(b"\x00abc\xff"))
    assert data == b"\x00abc\xff"
    assert all(type(message["body"]) is bytes for message in messages)


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_s42_a_body_in_chunks() -> None:
    """Chunks are joined."""
    assert (await body_of(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))[0] == b"abcde"


async def test_s43_extensions_of_chunks_and_trailers() -> None:
    """Extensions of chunks and trailers of a request are tolerated."""
    data = CHUNKED + b"3;name=value\r\nabc\r\n0;last\r\nX-Trailer: 1\r\n\r\n"
    assert (await body_of(data))[0] == b"abc"


async def test_s44_a_large_body_is_several_messages() -> None:
    """A large body is not gathered: it comes in several messages."""
    size = 8 * 2**20
    app = telling(tell_body)
    async with opened(app) as (_, wire):
        await asyncio.gather(wire.send(post(bytes(size))), wire.read_answer())
        data, messages = await app.next()
    assert len(data) == size
    assert len(messages) > 1


async def test_s45_a_body_is_streamed() -> None:
    """The application sees the first part before the client has sent the rest."""

    async def handler(receive: Any, tell: Any) -> None:
        tell(await receive())
        tell((await read_all(receive))[0])

    app = telling(handler)
    async with opened(app) as (_, wire):
        await wire.send(post(b"first", length=9))
        assert await app.next() == {"type": "http.request", "body": b"first", "more_body": True}
        await wire.send(b"rest")
        assert await app.next() == b"rest"


async def test_s46_a_client_waits_for_an_application_that_does_not_receive() -> None:
    """What is not received is not read either, so that the client has to wait."""
    go_on = asyncio.Event()

    async def handler(receive: Any, tell: Any) -> None:
        await go_on.wait()
        tell(len((await read_all(receive))[0]))

    app = telling(handler)
    size = 64 * 2**20
    async with opened(app) as (served, wire):
        sending = asyncio.ensure_future(wire.send(post(bytes(size))))
        connection = await served.alone()
        async with asyncio.timeout(PATIENCE):
            while connection.is_reading:
                await asyncio.sleep(0)
        assert not sending.done()
        go_on.set()
        await sending
        assert await app.next() == size


EXPECT = "Expect: 100-continue"


async def test_s47_100_continue() -> None:
    """100 Continue is sent when the application receives."""
    go_on = asyncio.Event()

    async def handler(receive: Any, tell: Any) -> None:
        tell("begun")
        await go_on.wait()
        tell((await read_all(receive))[0])

    app = telling(handler)
    async with opened(app) as (_, wire):
        await wire.send(post(b"", EXPECT, length=3))
        await app.next()
        assert not wire.reader._buffer  # type: ignore[attr-defined]  # nothing came yet
        go_on.set()
        assert (await wire.read_head())[0] == b"HTTP/1.1 100 Continue"
        await wire.send(b"abc")
        assert await app.next() == b"abc"
        assert (await wire.read_answer())[0] == b"HTTP/1.1 200 OK"


async def test_s48_no_100_continue_without_need() -> None:
    """No 100 is sent when the application answers without receiving."""
    async with opened(Application()) as (_, wire):
        await wire.send(post(b"", EXPECT, length=3))
        assert (await wire.read_head())[0] == b"HTTP/1.1 200 OK"


async def test_s49_receive_waits_behind_the_body() -> None:
    """Behind the whole body receive() waits, as long as nothing happens."""

    async def handler(receive: Any, tell: Any) -> None:
        await receive()
        waiting = asyncio.ensure_future(receive())
        for _ in range(100):
            await asyncio.sleep(0)
        tell(waiting.done())
        waiting.cancel()

    app = telling(handler)
    async with opened(app) as (_, wire):
        await wire.send(GET)
        await wire.read_answer()
        assert await app.next() is False


async def test_s50_s51_behind_the_response() -> None:
    """Once the response is complete receive() gives http.disconnect, as often as it is asked."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await send(START)
        await send(body())
        app.told.put_nowait([await waiting, await receive(), await receive()])

    app = Application(handler)
    async with opened(app) as (_, wire):
        await wire.send(GET)
        assert await app.next() == [{"type": "http.disconnect"}] * 3


async def tell_disconnect(receive: Any, tell: Any) -> None:
    messages = []
    while not messages or messages[-1]["type"] != "http.disconnect":
        messages.append(await receive())
        tell("received")
    tell(messages)


@pytest.mark.parametrize("way", ["close", "abort"])
async def test_s52_a_client_that_leaves(way: str) -> None:
    """A client that leaves is told of at once."""
    app = telling(tell_disconnect)
    async with opened(app) as (_, wire):
        await wire.send(GET)
        assert await app.next() == "received"
        getattr(wire.writer.transport, way)()
        assert await app.next() == "received"
        assert [message["type"] for message in await app.next()][1:] == ["http.disconnect"]


@pytest.mark.parametrize("way", ["close", "abort"])
@pytest.mark.parametrize("data", [post(b"abc", length=9), CHUNKED + b"3\r\nabc\r\n"])
async def test_s53_a_client_that_leaves_inside_its_body(data: bytes, way: str) -> None:
    """A body that stops coming is a disconnect, and never looks whole."""
    app = telling(tell_disconnect)
    async with opened(app) as (_, wire):
        await wire.send(data)
        assert await app.next() == "received"
        getattr(wire.writer.transport, way)()
        assert await app.next() == "received"
        first, *rest = await app.next()
        assert first == {"type": "http.request", "body": b"abc", "more_body": True}
        assert rest == [{"type": "http.disconnect"}]


async def test_s54_receive_beside_send() -> None:
    """One task may receive while another one sends; it is told of the client's leaving."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        waiting = asyncio.ensure_future(receive())
        await send(START)
        while not waiting.done():
            try:
                await send(body(b"x" * 1000, True))
            except OSError:
                break
            await asyncio.sleep(0)
        app.told.put_nowait(await waiting)

    app = Application(handler)
    async with opened(app) as (_, wire):
        await wire.send(GET)
        await wire.read_head()
        wire.writer.transport.abort()
        assert await app.next() == {"type": "http.disconnect"}


async def test_s54_several_tasks_receive() -> None:
    """Messages that several tasks wait for go to one of them each, in order, a cancelled one's too;
    then all are told of the client's leaving."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        waiting = [asyncio.ensure_future(receive()) for _ in range(5)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        app.told.put_nowait(None)
        for task in waiting[1:]:
            app.told.put_nowait(await task)

    app = Application(handler)
    async with opened(app) as (_, wire):
        await wire.send(post(b"", length=2))
        assert await app.next() is None
        for data in (b"a", b"b"):
            await wire.send(data)
            message = await app.next()
            assert (message["body"], message["more_body"]) == (data, data == b"a")
        wire.writer.transport.abort()
        for _ in range(2):
            assert await app.next() == {"type": "http.disconnect"}


async def test_s54_a_receive_that_outlives_the_call() -> None:
    """A receive() that still waits when the application returns ends."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        app.told.put_nowait(asyncio.ensure_future(receive()))
        await send(START)
        await send(body(b"x", True))
        await asyncio.sleep(0)

    app = Application(handler)
    async with opened(app) as (_, wire):
        await wire.send(GET)
        async with asyncio.timeout(PATIENCE):
            assert await (await app.next()) == {"type": "http.disconnect"}


async def test_s55_an_application_may_clean_up() -> None:
    """A client that leaves does not end the application."""

    async def handler(receive: Any, tell: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            tell("waits")
        for _ in range(100):
            await asyncio.sleep(0)
        tell("cleaned up")

    app = telling(handler)
    async with opened(app) as (_, wire):
        await wire.send(GET)
        assert await app.next() == "waits"
        wire.writer.transport.abort()
        assert await app.next() == "cleaned up"
        await app.ended()


async def test_s56_real_coroutines() -> None:
    """receive() and send() give coroutines, which tasks can be made of, in other threads too."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        reading = receive()
        assert inspect.iscoroutine(reading)
        loop = asyncio.get_running_loop()
        made = asyncio.run_coroutine_threadsafe(reading, loop)
        app.told.put_nowait(await asyncio.wrap_future(made))
        for message in (START, body(b"abc")):
            sending = send(message)
            assert inspect.iscoroutine(sending)
            await asyncio.create_task(sending)

    app = Application(handler)
    async with opened(app) as (_, wire):
        await wire.send(get())
        assert (await wire.read_answer())[2] == b"abc"
        assert (await app.next())["type"] == "http.request"
