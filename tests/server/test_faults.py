"""Faults that were found once: each has the test that failed."""

import array
import asyncio
import gc
import logging
import weakref
from typing import Any

import pytest

from bascule import web
from bascule.asgi.lifespan import Lifespan
from support.requests import GET, app_of, ok, request
from support.wire import PATIENCE, serve


async def test_one_byte_chunks_cost_little_and_pile_nothing_up() -> None:
    """200 000 chunks of a byte: the pieces of one read are joined, the ends of chunks bounded."""
    bodies = []

    async def handler(request: web.Request) -> web.Response:
        bodies.append(request.content)
        await asyncio.sleep(0)
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
            assert len(request.content._chunk_ends or ()) <= 1024
        return web.Response(text=str(size))

    async with serve(app_of(handler)) as served, served.connect() as wire:
        head = request("/", "Transfer-Encoding: chunked", method="POST")
        upload = asyncio.create_task(wire.send(head + b"1\r\na\r\n" * 200_000 + b"0\r\n\r\n"))
        assert (await wire.read_answer())[2] == b"200000"
        await upload


async def test_views_and_buffers_are_sent_as_they_are_now() -> None:
    """A view counts in bytes; a buffer that is filled anew must not change what was written."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(memoryview(array.array("I", [1, 2, 3])))
        buffer = bytearray(100_000)
        for number in range(40):
            buffer[:] = bytes([number]) * len(buffer)
            await response.write(buffer)
        return response

    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(GET)
        body = (await wire.read_answer())[2]
    assert body[:12] == array.array("I", [1, 2, 3]).tobytes()
    assert body[12:] == b"".join(bytes([number]) * 100_000 for number in range(40))


async def test_a_head_that_is_no_text_is_a_clean_500(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(headers={"X": "\ud800"})

    async with serve(app_of(handler)) as served:
        answer = await served.exchange(GET)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert "Control character" in caplog.text


async def test_a_refused_second_start_leaves_the_first_alone() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        first = web.StreamResponse()
        first.content_length = 5
        await first.prepare(request)
        await first.write(b"he")
        with pytest.raises(RuntimeError, match="Cannot start when the answer is started"):
            await web.StreamResponse(status=204).prepare(request)
        await first.write(b"llo and more")
        return first

    async with serve(app_of(handler)) as served, served.connect() as wire:
        for _ in range(2):
            await wire.send(GET)
            assert (await wire.read_answer())[2] == b"hello"


async def test_nothing_can_be_put_into_the_body_of_the_next_request() -> None:
    async def handler(request: web.Request) -> web.Response:
        data = await request.content.read()
        with pytest.deprecated_call(match="unread_data"):
            request.content.unread_data(b"secret")
        return web.Response(body=data)

    async with serve(app_of(handler)) as served, served.connect() as wire:
        for _ in range(2):
            await wire.send(GET)
            assert (await wire.read_answer())[2] == b""


async def test_100_continue_never_comes_behind_a_started_answer() -> None:
    """RFC 9110 section 15.2: an interim answer precedes the final one."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await response.write(await request.content.read())
        return response

    async with serve(app_of(handler)) as served, served.connect() as wire:
        head = request("/", "Content-Length: 3", "Expect: 100-continue", method="POST")
        await wire.send(head)
        assert (await wire.read_head())[0] == b"HTTP/1.1 200 OK"
        assert await wire.reader.readexactly(10) == b"5\r\nfirst\r\n"
        await wire.send(b"abc")
        assert await wire.reader.readexactly(13) == b"3\r\nabc\r\n0\r\n\r\n"
        await wire.send(GET)
        assert (await wire.read_head())[0] == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("status", [100, 103, 199])
async def test_an_interim_status_is_no_answer(status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status)

    async with serve(app_of(handler)) as served:
        assert (await served.exchange(GET + GET)).count(b"HTTP/1.1 500 ") == 1


async def test_connect_is_not_a_tunnel() -> None:
    """RFC 9110 section 9.3.6: what follows a 2xx is not HTTP, so nothing of it is served."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError("no lifespan")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x"})

    async with serve(application) as served:
        answer = await served.exchange(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n" + GET)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.endswith(b"\r\n\r\n")
    assert b"Connection: close" in answer


async def test_a_dripped_unread_body_ends_in_time() -> None:
    """The limit is on the whole of it, not on each of its bytes."""
    async with serve(app_of(ok)) as served, served.connect() as wire:
        await wire.send(request("/1", "Content-Length: 1000", method="POST"))
        await wire.read_answer()
        connection = await served.alone()
        server = served.runner.server
        assert server is not None
        start = server.now()
        server.now = connection._owner.now = lambda: start + 9
        await wire.send(b"x")
        async with asyncio.timeout(PATIENCE):
            while not connection._discarded:
                await asyncio.sleep(0)
        server.sweep(start + 11)
        assert await wire.read_all() == b""


async def test_a_client_that_left_an_upload_leaves_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its leaving is not seen while reading is paused; half-closing then fails."""
    go_on, answered = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await go_on.wait()
        answered.set()
        return web.Response(body=bytes(1000))

    unhandled: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: unhandled.append(context)
    )
    async with serve(app_of(handler), access_log=None) as served:
        async with served.connect() as wire:
            wire.writer.write(request("/", "Content-Length: 9000000", method="POST"))
            wire.writer.write(bytes(9_000_000))
            connection = await served.alone()
            async with asyncio.timeout(PATIENCE):
                while connection._reading:
                    await asyncio.sleep(0)
            wire.writer.transport.abort()
        go_on.set()
        await answered.wait()
        async with asyncio.timeout(PATIENCE):
            while served.runner.server.connections:  # type: ignore[union-attr]
                await asyncio.sleep(0)
    assert unhandled == []
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_leaving_is_seen_behind_pipelined_bytes() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError("not reached")

    async with serve(app_of(handler), handler_cancellation=True) as served:
        async with served.connect() as wire:
            await wire.send(GET + b"G")
            await started.wait()
        async with asyncio.timeout(PATIENCE):
            await cancelled.wait()


async def test_half_closed_pipelines_are_answered_whole() -> None:
    async with serve(app_of(ok)) as served:
        answer = await served.exchange(request("/1") + request("/2") + request("/3"))
    assert [piece[-2:] for piece in answer.split(b"HTTP/1.1 200 OK")[1:]] == [b"/1", b"/2", b"/3"]


async def test_each_request_of_a_half_closed_pipeline_is_told_of_it() -> None:
    async def handler(request: web.Request) -> web.Response:
        await request._exchange.gone
        return web.Response(text=request.path)

    async with serve(app_of(handler)) as served:
        answer = await served.exchange(request("/1") + request("/2"))
    assert [piece[-2:] for piece in answer.split(b"HTTP/1.1 200 OK")[1:]] == [b"/1", b"/2"]


async def test_a_head_that_a_closing_connection_times_out_in_harms_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serve(app_of(ok)) as served, served.connect() as wire:
        await wire.send(b"GET / HT")
        connection = await served.alone()
        async with asyncio.timeout(PATIENCE):
            while not connection._reader:
                await asyncio.sleep(0)
        connection._transport.close()
        server = served.runner.server
        assert server is not None
        server.sweep(server.now() + 16)
    assert not [record for record in caplog.records if record.exc_info]


async def test_an_unknown_minor_version_needs_a_host_too() -> None:
    async with serve(app_of(ok)) as served:
        assert (await served.exchange(b"GET / HTTP/1.2\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("charset", ["punycode", "idna", "undefined", "hex", "unicode_escape"])
async def test_a_codec_that_is_no_charset_is_refused(charset: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(dict(await request.post()))  # type: ignore[arg-type]

    kind = f"Content-Type: application/x-www-form-urlencoded; charset={charset}"
    async with serve(app_of(handler)) as served:
        answer = await served.exchange(
            request("/", kind, "Content-Length: 3", method="POST") + b"a=1"
        )
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_client_max_fields_holds_for_parts_too() -> None:
    part = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.post())))

    kind = "Content-Type: multipart/form-data; boundary=B"
    async with serve(app_of(handler, client_max_fields=5000)) as served:
        body = part * 1200 + b"--B--\r\n"
        length = f"Content-Length: {len(body)}"
        answer = await served.exchange(request("/", kind, length, method="POST") + body)
    assert answer.endswith(b"1200")


async def test_a_reset_of_something_else_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        raise ConnectionResetError("of the database")

    app = app_of(ok)
    app.on_response_prepare.append(prepare)
    async with serve(app) as served:
        assert (await served.exchange(GET)).startswith(b"HTTP/1.1 500 ")
    assert "of the database" in caplog.text


async def test_a_timeout_around_read_loses_nothing() -> None:
    tried = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        reading = asyncio.create_task(request.read())
        while not request.content.is_waiting or not request.content.total_bytes:
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        tried.set()
        return web.Response(body=await request.read())

    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(request("/", "Content-Length: 11", method="POST") + b"first")
        await tried.wait()
        await wire.send(b"second")
        assert (await wire.read_answer())[2] == b"firstsecond"


async def test_a_request_is_freed_when_its_client_has_left() -> None:
    """Without a collection: the error of the read holds frames, and they the request."""
    kept: list[weakref.ref[web.Request]] = []
    done = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        kept.append(weakref.ref(request))
        try:
            await request.read()
        finally:
            done.set()
        raise AssertionError("not reached")

    gc.disable()
    try:
        async with serve(app_of(handler)) as served:
            await served.exchange(request("/", "Content-Length: 9", method="POST") + b"abc")
            await done.wait()
            async with asyncio.timeout(PATIENCE):
                while served.runner.server.connections:  # type: ignore[union-attr]
                    await asyncio.sleep(0)
            assert kept[0]() is None
    finally:
        gc.enable()


# -- ends


async def test_cleanup_that_is_cancelled_cleans_up_all_the_same() -> None:
    left = []

    async def around(app: web.Application) -> Any:
        yield
        left.append(1)

    app = app_of(ok)
    app.cleanup_ctx.append(around)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    cleanup = asyncio.create_task(runner.cleanup())
    await asyncio.sleep(0)
    cleanup.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cleanup
    assert left == [1]
    assert runner.server is None
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", site.port)


async def test_two_cleanups_at_once_are_one() -> None:
    started = asyncio.Event()
    ended = []

    async def handler(request: web.Request) -> web.Response:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError("not reached")

    async def cleanup(app: web.Application) -> None:
        ended.append(1)

    app = app_of(handler)
    app.on_cleanup.append(cleanup)
    async with serve(app, shutdown_timeout=0.01) as served, served.connect() as wire:
        await wire.send(GET)
        await started.wait()
        await asyncio.gather(served.runner.cleanup(), served.runner.cleanup())
        assert ended == [1]


async def test_a_task_cancelled_before_it_began_leaves_nothing_behind() -> None:
    async with serve(app_of(ok)) as served, served.connect() as wire:
        connection = await served.alone()
        connection.data_received(GET)
        server = served.runner.server
        assert server is not None
        server.hurry()
        connection.task.cancel()
        await served.runner.cleanup()
        assert server.connections == []
        assert server._sweeper is None
        wire.writer.transport.abort()


async def test_an_application_that_stays_in_its_lifespan_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})

    monkeypatch.setattr("bascule.asgi.lifespan._GRACE", 0.01)
    lifespan = Lifespan(application, logger=logging.getLogger("test"))
    await lifespan.startup()
    async with asyncio.timeout(PATIENCE):
        await lifespan.shutdown()
