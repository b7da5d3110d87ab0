"""Server-sent events: forms, fields, and their ends, on every host."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bascule import web
from bascule.app.handling import Handling
from bascule.testing import MemoryExchange
from support.wire import PATIENCE
from support.wire import serve as serve_wire

CASES = [
    (web.ServerSentEvent("a"), b"data: a\n\n"),
    (web.ServerSentEvent(""), b"data: \n\n"),
    (web.ServerSentEvent("a\nb\r\nc\rd"), b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
    (web.ServerSentEvent("\u2028\x0b\u00e9"), "data: \u2028\x0b\u00e9\n\n".encode()),
    (web.ServerSentEvent("a", "tick", "7", 250), b"id: 7\nevent: tick\ndata: a\nretry: 250\n\n"),
    (web.ServerSentEvent(comment="x\ny"), b": x\n: y\n\n"),
    (web.ServerSentEvent("a", comment="c"), b": c\ndata: a\n\n"),
    (web.ServerSentEvent(retry=0), b"retry: 0\n\n"),
]


@pytest.mark.parametrize(("event", "expected"), CASES, ids=lambda case: repr(case)[:40])
def test_an_event_is_written(event: web.ServerSentEvent, expected: bytes) -> None:
    assert event.dump() == expected
    assert event.dump("\r\n") == expected.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("name", ["event", "id"])
@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
def test_names_and_ids_cannot_say_more(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"in the {name} of an event"):
        web.ServerSentEvent("x", **{name: value}).dump()


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="retry must be int"):
        web.ServerSentEvent("x", retry="1").dump()  # type: ignore[arg-type]  # the mistake
    with pytest.raises(ValueError, match="sep is CR LF"):
        web.EventSourceResponse(sep=";")
    with pytest.raises(ValueError, match="more than 0"):
        web.EventSourceResponse(ping_interval=0)
    with pytest.raises(TypeError, match="int or float"):
        web.EventSourceResponse(ping_interval="1")  # type: ignore[arg-type]  # the mistake
    with pytest.raises(RuntimeError, match="prepared first"):
        _ = web.EventSourceResponse().last_event_id


async def in_context(request: web.Request) -> web.StreamResponse:
    async with web.EventSourceResponse(request) as events:
        assert events.is_connected() == (request.method == "GET")
        await events.send("one", event="count", id="1")
        await events.comment("note")
        await events.send_event(web.ServerSentEvent(f"last {events.last_event_id}"))
    assert not events.is_connected()
    return events


async def of_an_iterable(request: web.Request) -> web.StreamResponse:
    async def generate() -> AsyncIterator[Any]:
        yield {"data": "one", "event": "count", "id": "1"}
        yield web.ServerSentEvent(comment="note")
        yield f"last {request.headers.get('Last-Event-ID')}"

    return web.EventSourceResponse(events=generate())


async def prepared_by_hand(request: web.Request) -> web.StreamResponse:
    response = web.EventSourceResponse()
    await response.prepare(request)
    await response.send("one", "1", "count")
    await response.comment("note")
    await response.send(f"last {response.last_event_id}")
    response.stop_streaming()
    await response.wait()
    return response


@pytest.mark.parametrize("handler", [in_context, of_an_iterable, prepared_by_hand])
@pytest.mark.every_host
async def test_each_form_streams_events(serve: Any, handler: Any) -> None:
    app = web.Application()
    app.router.add_get("/", handler)
    client = await serve(app)
    answer = await client.get("/", fields={"Last-Event-ID": "9"})
    assert answer.body == b"id: 1\nevent: count\ndata: one\n\n: note\n\ndata: last 9\n\n"
    assert answer.fields["Content-Type"] == "text/event-stream"
    assert answer.fields["Cache-Control"] == "no-cache"
    assert answer.fields["X-Accel-Buffering"] == "no"
    answer = await client.request("HEAD", "/")
    assert (answer.status, answer.body) == (200, b"")


async def test_an_error_in_the_block_is_raised(serve: Any) -> None:
    seen = []

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async with web.EventSourceResponse(request) as events:
                raise LookupError("x")
        except LookupError as exc:
            seen.append(exc)
            await events.write_eof()
        return events

    app = web.Application()
    app.router.add_get("/", handler)
    assert (await (await serve(app)).get("/")).body == b""
    assert len(seen) == 1


async def test_a_response_without_a_request_is_no_context() -> None:
    with pytest.raises(RuntimeError, match="has no request"):
        async with web.EventSourceResponse():
            pass


def endless(ended: asyncio.Event, form: str) -> web.Application:
    async def generate() -> AsyncIterator[str]:
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def handler(request: web.Request) -> web.StreamResponse:
        if form == "iterable":
            return web.EventSourceResponse(events=generate())
        async with web.EventSourceResponse(request) as events:
            async for line in generate():
                await events.send(line)
        ended.set()
        return events

    app = web.Application()
    app.router.add_get("/", handler)
    return app


@pytest.mark.parametrize("form", ["context", "iterable"])
async def test_a_client_that_leaves_ends_the_stream(form: str, caplog: Any) -> None:
    ended = asyncio.Event()
    async with serve_wire(endless(ended, form)) as served:
        async with served.connect() as wire:
            await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await wire.read_head()
            await wire.reader.readuntil(b"data: first\n\n")
            wire.writer.transport.abort()
            await asyncio.wait_for(ended.wait(), PATIENCE)
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


@pytest.mark.parametrize("form", ["context", "iterable"])
async def test_a_server_that_stops_ends_the_stream(form: str, caplog: Any) -> None:
    """The client gets all of it, up to the last chunk, long before the time-out."""
    ended = asyncio.Event()
    async with serve_wire(endless(ended, form), shutdown_timeout=PATIENCE * 3) as served:
        async with served.connect() as wire:
            await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await wire.read_head()
            await wire.reader.readuntil(b"data: first\n\n")
            async with asyncio.timeout(PATIENCE):
                await served.runner.cleanup()
                assert ended.is_set()
                assert await wire.read_all() == b"\r\n0\r\n\r\n"
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


async def test_a_client_that_ends_its_half_is_served_on() -> None:
    go, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.EventSourceResponse(request) as events:
            await events.send("one")
            await go.wait()
            await events.send("two")
        ended.set()
        return events

    app = web.Application()
    app.router.add_get("/", handler)
    async with serve_wire(app) as served, served.connect() as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wire.writer.write_eof()
        await wire.reader.readuntil(b"data: one\n\n")
        go.set()
        await wire.reader.readuntil(b"data: two\n\n")
        await asyncio.wait_for(ended.wait(), PATIENCE)


async def test_silence_is_filled_with_comments() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.EventSourceResponse(request, ping_interval=0.01) as events:
            await events.wait()
        return events

    app = web.Application()
    app.router.add_get("/", handler)
    async with serve_wire(app) as served, served.connect() as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(3):
            await asyncio.wait_for(wire.reader.readuntil(b": ping\n\n"), PATIENCE)


async def test_a_cancellation_from_outside_goes_on() -> None:
    begun, outcome = asyncio.Event(), []

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async with web.EventSourceResponse(request) as events:
                begun.set()
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            outcome.append("cancelled")
            raise
        return events

    app = web.Application()
    app.router.add_get("/", handler)
    async with app:
        exchange = MemoryExchange()
        task = asyncio.create_task(exchange.answered_by(Handling(app, logger=app.logger)))
        await asyncio.wait_for(begun.wait(), PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert outcome == ["cancelled"]


@pytest.mark.parametrize("how", ["raises", "iterable", "another"])
async def test_a_stream_that_is_taken_back_leaves_no_task(how: str, caplog: Any) -> None:
    """A head that is still held gives way to an error page, or to another answer."""

    async def failing() -> AsyncIterator[str]:
        raise LookupError
        yield ""

    async def handler(request: web.Request) -> web.StreamResponse:
        if how == "iterable":
            return web.EventSourceResponse(events=failing())
        response = web.EventSourceResponse()
        await response.prepare(request)
        if how == "raises":
            raise LookupError
        return web.Response(text="another")

    app = web.Application()
    app.router.add_get("/", handler)
    async with serve_wire(app) as served, served.connect() as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        first, _, _ = await wire.read_answer()
    assert first.split()[1] == (b"200" if how == "another" else b"500")
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "bascule-ping"]
