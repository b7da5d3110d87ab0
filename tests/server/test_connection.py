"""HTTP/1.1 on a socket of our own: framing, order, limits, time, and how connections end."""

import asyncio
import contextvars
import logging
import socket
import ssl
from typing import Any

import pytest
import trustme

from bascule import web
from support.requests import GET, app_of, ok, read_back, request
from support.wire import PATIENCE, Wire, serve

# -- keep-alive and order


@pytest.mark.parametrize(
    ("head", "stays", "connection"),
    [
        (request("/"), True, None),
        (request("/", "Connection: close"), False, b"close"),
        (request("/", "Connection: Keep-Alive, CLOSE"), False, b"close"),
        (request("/", version="1.0"), False, None),
        (request("/", "Connection: keep-alive", version="1.0"), True, b"keep-alive"),
        (request("/", "Connection: keep-alive, close", version="1.0"), False, None),
    ],
)
async def test_keep_alive(head: bytes, stays: bool, connection: bytes | None) -> None:
    """RFC 9112 section 9.3"""
    async with serve(app_of(ok)) as served, served.connect() as wire:
        await wire.send(head)
        first, fields, body = await wire.read_answer()
        assert (first, body) == (b"HTTP/1.1 200 OK", b"/")
        assert fields.get(b"connection") == connection
        if stays:
            await wire.send(GET)
            assert (await wire.read_answer())[2] == b"/"
        else:
            assert await wire.read_all() == b""


async def test_200_pipelined_requests_are_answered_in_order() -> None:
    async def uneven(request: web.Request) -> web.Response:
        for _ in range(int(request.path[1:]) % 3):
            await asyncio.sleep(0)
        return web.Response(text=request.path)

    async with serve(app_of(uneven)) as served, served.connect() as wire:
        await wire.send(b"".join(request(f"/{n}") for n in range(200)))
        for n in range(200):
            assert (await wire.read_answer())[2] == b"/%d" % n


async def test_pipelined_bodies_are_told_apart() -> None:
    async with serve(app_of(read_back)) as served, served.connect() as wire:
        await wire.send(
            request("/", "Content-Length: 3", method="POST")
            + b"abc"
            + request("/", "Transfer-Encoding: chunked", method="POST")
            + b"1;ext=1\r\nd\r\n2\r\nef\r\n0\r\nTrailer: x\r\n\r\n"
            + GET
        )
        assert [(await wire.read_answer())[2] for _ in range(3)] == [b"abc", b"def", b""]


async def test_read_ahead_is_bounded() -> None:
    """A client that pipelines against a busy handler is stopped, not buffered."""
    go_on = asyncio.Event()

    async def busy(request: web.Request) -> web.Response:
        await go_on.wait()
        return web.Response()

    async with serve(app_of(busy)) as served, served.connect() as wire:
        await wire.send(GET)
        connection = await served.alone()
        flood = asyncio.create_task(wire.send(GET * 2_000_000))
        async with asyncio.timeout(PATIENCE):
            while connection._reading:
                await asyncio.sleep(0)
        assert len(connection._ahead) <= 512 * 1024
        assert not flood.done()
        flood.cancel()
        wire.writer.transport.abort()
        go_on.set()


async def test_requests_have_tasks_and_contexts_of_their_own() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    tasks = []

    async def handler(request: web.Request) -> web.Response:
        tasks.append(asyncio.current_task())
        variable.set(variable.get() + 1)
        return web.Response(text=str(variable.get()))

    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(GET * 5)
        assert [(await wire.read_answer())[2] for _ in range(5)] == [b"1"] * 5
    assert len(set(tasks)) == 5


# -- framing of answers


async def test_head_answers_have_no_body() -> None:
    async with serve(app_of(ok)) as served:
        answer = await served.exchange(request("/abc", method="HEAD") + request("/d"))
    first, second = answer.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert b"Content-Length: 4\r\n" in first
    assert first.endswith(b"\r\n\r\n")
    assert second.endswith(b"\r\n\r\n/d")


async def test_stream_is_chunked() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(b"one")
        await response.write(b"")
        await response.write(b"two three!")
        return response

    async with serve(app_of(handler)) as served:
        answer = await served.exchange(GET)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert body == b"3\r\none\r\na\r\ntwo three!\r\n0\r\n\r\n"


async def test_stream_to_http_1_0_ends_with_the_connection() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one")
        return response

    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(request("/", "Connection: keep-alive", version="1.0"))
        head, _, body = (await wire.read_all()).partition(b"\r\n\r\n")
    assert body == b"one"
    assert b"Transfer-Encoding" not in head
    assert b"keep-alive" not in head


async def test_head_and_body_leave_in_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(app_of(ok)) as served, served.connect() as wire:
        await wire.send(GET)
        await wire.read_answer()
        connection = await served.alone()
        writes: list[bytes] = []
        real = connection._transport.write
        monkeypatch.setattr(connection, "_transport", Recorder(connection._transport, writes, real))
        await wire.send(GET)
        await wire.read_answer()
    assert len(writes) == 1


class Recorder:
    """A transport that notes what is written."""

    def __init__(self, transport: Any, writes: list[bytes], write: Any) -> None:
        self._transport = transport
        self._writes = writes
        self._write = write

    def write(self, data: bytes) -> None:
        self._writes.append(data)
        self._write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


# -- 100 Continue


async def test_100_continue_comes_with_the_first_read() -> None:
    """RFC 9110 section 10.1.1"""
    reading = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await reading.wait()
        return web.Response(body=await request.read())

    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(request("/", "Content-Length: 3", "Expect: 100-continue", method="POST"))
        reading.set()
        assert await wire.read_head() == (b"HTTP/1.1 100 Continue", {})
        await wire.send(b"abc")
        assert (await wire.read_answer())[2] == b"abc"
        await wire.send(GET)
        assert (await wire.read_answer())[0] == b"HTTP/1.1 200 OK"


async def test_no_100_continue_when_the_body_is_here_or_nobody_reads_it() -> None:
    expecting = request("/", "Content-Length: 3", "Expect: 100-continue", method="POST")
    async with serve(app_of(read_back)) as served:
        answer = await served.exchange(expecting + b"abc")
        assert answer.startswith(b"HTTP/1.1 200 OK")
    async with serve(app_of(ok)) as served, served.connect() as wire:
        await wire.send(expecting)
        answer = await wire.read_all()  # the connection ends: nobody knows what comes next
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert answer.count(b"HTTP/1.1") == 1
    async with serve(app_of(read_back)) as served, served.connect() as wire:
        await wire.send(
            request("/", "Content-Length: 3", "Expect: 100-continue", method="POST", version="1.0")
            + b"abc"
        )
        assert (await wire.read_all()).startswith(b"HTTP/1.1 200 OK")


async def test_unknown_expectation_is_417() -> None:
    async with serve(app_of(ok)) as served:
        answer = await served.exchange(request("/", "Expect: miracles"))
    assert answer.startswith(b"HTTP/1.1 417 ")
    assert answer.endswith(b"Unknown Expect: miracles")


# -- bad input


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTQ/1.1\r\nHost: x\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
        (b"GET relative HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /#a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: a\r\nUser-Agent: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000, 431),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 128 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + (b"X: " + b"a" * 8000 + b"\r\n") * 9, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
    ],
)
async def test_bad_head_is_answered_and_the_connection_ends(
    data: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bascule.server")
    async with serve(app_of(ok), access_log=None) as served:
        async with served.connect() as wire:
            await wire.send(data)
            head, _, body = (await wire.read_all()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"\r\nConnection: close" in head
        assert b"\r\nContent-Type: text/plain" in head
        assert b"\r\nDate: " in head
        assert body.startswith(b"%d " % status)
        assert (await served.exchange(GET)).startswith(b"HTTP/1.1 200 OK")
    records = [record for record in caplog.records if record.name == "bascule.server"]
    assert len(records) == 1
    assert records[0].exc_info is None
    assert len(records[0].getMessage()) <= 200


async def test_nothing_behind_a_bad_request_is_served() -> None:
    served_paths = []

    async def handler(request: web.Request) -> web.Response:
        served_paths.append(request.path)
        return web.Response()

    async with serve(app_of(handler)) as served:
        await served.exchange(request("/1") + b"bad\r\n\r\n" + request("/2"))
    assert served_paths == ["/1"]


async def test_body_shorter_than_declared(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bascule.server")
    failed: list[BaseException] = []
    done = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        try:
            return web.Response(body=await request.read())
        except BaseException as exc:
            failed.append(exc)
            raise
        finally:
            done.set()

    async with serve(app_of(handler), access_log=None) as served:
        answer = await served.exchange(request("/", "Content-Length: 10", method="POST") + b"short")
        await done.wait()
        assert answer == b""
        assert isinstance(failed[0], ConnectionResetError)
        assert (await served.exchange(GET)).startswith(b"HTTP/1.1 200 OK")
    messages = [r.getMessage() for r in caplog.records if r.levelno >= logging.INFO]
    assert messages == ["127.0.0.1: Connection lost inside a request body"]


async def test_broken_chunks_are_400(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bascule.server")
    chunked = request("/", "Transfer-Encoding: chunked", method="POST")
    async with serve(app_of(read_back), access_log=None) as served, served.connect() as wire:
        await wire.send(chunked + b"3\r\nabc\r\nXX\r\n")
        answer = await wire.read_all()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close" in answer
    assert len([r for r in caplog.records if r.levelno >= logging.INFO]) == 1


async def test_complaints_are_limited_and_escaped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bascule.server")
    async with serve(app_of(ok), access_log=None) as served:
        server = served.runner.server
        assert server is not None
        server.complaints._clock = lambda: 1.0
        for _ in range(15):
            await served.exchange(b"\x1b[31m\r\n\r\n")
        server.complaints._clock = lambda: 2.0
        await served.exchange(b"\x1b[31m\r\n\r\n")
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 12
    assert "5 more" in messages[10]
    assert all(message.isprintable() for message in messages)


# -- handlers that fail


async def test_handler_that_fails_before_the_head_is_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise ValueError

    async with serve(app_of(handler), access_log=None) as served:
        answer = await served.exchange(GET)
        assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert b"\r\nConnection: close\r\n" in answer
    assert len(caplog.records) == 1


async def test_handler_that_fails_after_the_head_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        raise ValueError

    async with serve(app_of(handler), access_log=None) as served:
        async with served.connect() as wire:
            await wire.send(GET)
            try:
                answer = await wire.read_all()
            except ConnectionResetError:
                answer = b""
        assert not answer.endswith(b"\r\n0\r\n\r\n")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
async def test_exit_from_a_handler_does_not_leave_the_loop(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise error

    async with serve(app_of(handler)) as served:
        assert (await served.exchange(GET)).startswith(b"HTTP/1.1 500 ")
    assert "ignored" in caplog.text


async def test_cancelling_the_task_cuts_the_connection() -> None:
    async def handler(request: web.Request) -> web.Response:
        request.task.cancel()
        await asyncio.sleep(0)
        raise AssertionError("not reached")

    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(GET)
        try:
            assert await wire.read_all() == b""
        except ConnectionResetError:
            pass


# -- clients that leave


async def test_handler_goes_on_when_its_client_leaves() -> None:
    started, left, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        started.set()
        await request._exchange.gone
        left.set()
        await asyncio.sleep(0)
        finished.set()
        return web.Response()

    async with serve(app_of(handler)) as served:
        async with served.connect() as wire:
            await wire.send(GET)
            await started.wait()
        async with asyncio.timeout(PATIENCE):
            await left.wait()
            await finished.wait()


async def test_handler_cancellation() -> None:
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
            await wire.send(GET)
            await started.wait()
        async with asyncio.timeout(PATIENCE):
            await cancelled.wait()


async def test_half_closed_connection_is_answered() -> None:
    """RFC 9112 section 9.6: the client may end its half behind a whole request."""
    go_on = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await go_on.wait()
        return web.Response(text="late")

    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(GET)
        wire.writer.write_eof()
        connection = await served.alone()
        async with asyncio.timeout(PATIENCE):
            while not connection.is_condemned:
                await asyncio.sleep(0)
        go_on.set()
        assert (await wire.read_all()).endswith(b"late")


async def test_writing_to_a_client_that_left_fails() -> None:
    failed = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        except ConnectionResetError:
            failed.set()
            raise

    async with serve(app_of(handler)) as served:
        async with served.connect() as wire:
            await wire.send(GET)
            await wire.read_head()
            wire.writer.transport.abort()
        async with asyncio.timeout(PATIENCE):
            await failed.wait()


# -- back-pressure


async def test_upload_waits_for_its_reader() -> None:
    go_on = asyncio.Event()
    size = 64 * 2**20
    seen = []

    async def handler(request: web.Request) -> web.Response:
        await go_on.wait()
        seen.append(request.content.total_bytes)
        async for piece in request.content.iter_any():
            assert len(piece) <= 2**20
        return web.Response(text=str(request.content.total_bytes))

    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(request("/", f"Content-Length: {size}", method="POST"))
        upload = asyncio.create_task(wire.send(bytes(size)))
        connection = await served.alone()
        async with asyncio.timeout(PATIENCE):
            while connection._reading:
                await asyncio.sleep(0)
        go_on.set()
        assert (await wire.read_answer())[2] == str(size).encode()
        await upload
    assert seen[0] <= 2**20


async def test_download_waits_for_its_client() -> None:
    written = 0
    stopped = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1024):
            await response.write(bytes(2**16))
            written += 2**16
        return response

    async with serve(app_of(handler)) as served, served.connect(limit=2**16) as wire:
        await wire.send(GET)
        connection = await served.alone()
        async with asyncio.timeout(PATIENCE):
            while connection.room() is None:
                await asyncio.sleep(0)
        assert written < 64 * 2**20
        stopped.set()
        assert len((await wire.read_answer())[2]) == 64 * 2**20


async def test_cancelled_write_leaves_the_writer_usable() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        writing = asyncio.create_task(write_on(response))
        while request._exchange._wire.room() is None:  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait([writing])
        ready.set()
        await response.write(b"end")
        return response

    async def write_on(response: web.StreamResponse) -> None:
        while True:
            await response.write(bytes(2**16))

    ready = asyncio.Event()
    async with serve(app_of(handler)) as served, served.connect(limit=2**16) as wire:
        await wire.send(GET)
        await ready.wait()
        assert (await wire.read_answer())[2].endswith(b"end")


# -- unread bodies


@pytest.mark.parametrize("size", [10, 200_000])
async def test_unread_body_is_read_away(size: int) -> None:
    async with serve(app_of(ok)) as served, served.connect() as wire:
        await wire.send(request("/1", f"Content-Length: {size}", method="POST"))
        assert (await wire.read_answer())[2] == b"/1"
        await wire.send(bytes(size) + request("/2"))
        assert (await wire.read_answer())[2] == b"/2"


async def test_large_unread_body_ends_the_connection_behind_the_answer() -> None:
    async with serve(app_of(ok)) as served, served.connect() as wire:
        await wire.send(request("/1", "Content-Length: 900000", method="POST") + bytes(100_000))
        answer = await wire.read_all()
        assert answer.endswith(b"/1")


async def test_endless_unread_chunks_end_the_connection() -> None:
    async with serve(app_of(ok)) as served, served.connect() as wire:
        await wire.send(request("/1", "Transfer-Encoding: chunked", method="POST"))
        await wire.send((b"8000\r\n" + bytes(0x8000) + b"\r\n") * 20)
        assert (await wire.read_all()).endswith(b"/1")


async def test_body_cannot_be_read_behind_the_answer() -> None:
    kept = []

    async def handler(request: web.Request) -> web.Response:
        kept.append(request.content)
        return web.Response()

    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(request("/", "Content-Length: 3", method="POST") + b"abc")
        await wire.read_answer()
        with pytest.raises(web.PayloadAccessError):
            await kept[0].read()


# -- options


async def test_the_server_field_and_keepalive_of_sockets_are_options() -> None:
    for options, field, alive in [
        ({}, b"Python/", 1),
        ({"server_header": "mine"}, b"mine", 1),
        ({"server_header": "", "tcp_keepalive": False}, None, 0),
    ]:
        async with serve(app_of(ok), **options) as served, served.connect() as wire:
            await wire.send(GET)
            _, fields, _ = await wire.read_answer()
            assert (b"server" in fields) == (field is not None)
            assert fields.get(b"server", b"").startswith(field or b"")
            sock = (await served.alone()).get_extra_info("socket")
            assert bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) == bool(alive)


# -- time


async def check_at(served: Any, seconds: float) -> None:
    """Let the sweeper look as if so many seconds had passed."""
    server = served.runner.server
    server.sweep(server.now() + seconds)


@pytest.mark.parametrize(
    ("sent", "limit", "answer"),
    [
        (b"", 30, b""),
        (b"GET / HT", 15, b"HTTP/1.1 408 "),
    ],
)
async def test_slow_heads(sent: bytes, limit: float, answer: bytes) -> None:
    async with serve(app_of(ok)) as served, served.connect() as wire:
        await wire.send(sent)
        connection = await served.alone()
        async with asyncio.timeout(PATIENCE):
            while sent and not connection._reader:
                await asyncio.sleep(0)
        await check_at(served, limit - 1)
        assert not connection._transport.is_closing()
        await check_at(served, limit + 1)
        got = await wire.read_all()
        assert got.startswith(answer)
        assert bool(got) == bool(answer)


async def test_idle_connection_is_closed() -> None:
    async with (
        serve(app_of(ok), keepalive_timeout=75) as served,
        served.connect() as wire,
    ):
        await wire.send(GET)
        await wire.read_answer()
        await check_at(served, 74)
        await wire.send(GET)
        await wire.read_answer()
        await check_at(served, 76)
        assert await wire.read_all() == b""


async def test_keepalive_timeout_of_zero_closes_behind_each_answer() -> None:
    async with serve(app_of(ok), keepalive_timeout=0) as served, served.connect() as wire:
        await wire.send(GET)
        assert (await wire.read_all()).startswith(b"HTTP/1.1 200 OK")


async def test_slow_body_is_408_while_a_reader_waits() -> None:
    waiting = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        waiting.set()
        return web.Response(body=await request.read())

    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(request("/", "Content-Length: 3", method="POST") + b"a")
        connection = await served.alone()
        await waiting.wait()
        async with asyncio.timeout(PATIENCE):
            while not (connection.task and connection._cycle.body.is_waiting):
                await asyncio.sleep(0)
        await check_at(served, 59)
        assert connection._cycle is not None
        await check_at(served, 61)
        assert (await wire.read_all()).startswith(b"HTTP/1.1 408 ")


async def test_no_clock_runs_while_a_handler_computes() -> None:
    go_on = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await go_on.wait()
        return web.Response(body=await request.read())

    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(request("/", "Content-Length: 3", method="POST") + b"a")
        connection = await served.alone()
        async with asyncio.timeout(PATIENCE):
            while not connection.task:
                await asyncio.sleep(0)
        await check_at(served, 10_000)
        go_on.set()
        await wire.send(b"bc")
        assert (await wire.read_answer())[2] == b"abc"


async def test_peer_that_takes_nothing_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bascule.server")
    failed = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(2**16))
        except ConnectionResetError:
            failed.set()
            raise

    async with serve(app_of(handler), access_log=None) as served:
        async with served.connect(limit=2**10) as wire:
            await wire.send(GET)
            connection = await served.alone()
            async with asyncio.timeout(PATIENCE):
                while connection.room() is None:
                    await asyncio.sleep(0)
                for _ in range(200):  # until what the kernel takes has settled
                    await asyncio.sleep(0)
                await check_at(served, 0)
                await check_at(served, 61)
                await failed.wait()
    assert "took no byte" in caplog.text


async def test_unread_body_is_waited_for_so_long() -> None:
    async with serve(app_of(ok)) as served, served.connect() as wire:
        await wire.send(request("/1", "Content-Length: 10", method="POST"))
        await wire.read_answer()
        await check_at(served, 9)
        await check_at(served, 11)
        assert await wire.read_all() == b""


async def test_last_answer_is_not_lost_to_a_reset() -> None:
    """RFC 9112 section 9.6: bytes that nobody reads would reset the connection under it."""
    async with serve(app_of(ok)) as served, served.connect() as wire:
        await wire.send(b"bad request\r\n\r\n" + bytes(200_000))
        assert (await wire.read_all()).startswith(b"HTTP/1.1 400 ")
        connection = await served.alone()
        await check_at(served, 3)
        async with asyncio.timeout(PATIENCE):
            while served.runner.server.connections:  # type: ignore[union-attr]
                await asyncio.sleep(0)
        assert connection.phase.name == "LOST"


# -- TLS


async def test_tls() -> None:
    authority = trustme.CA()
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)

    async def handler(request: web.Request) -> web.Response:
        data = await request.read()
        return web.Response(body=request.scheme.encode() + data, headers={"X": str(request.url)})

    app = app_of(handler, client_max_size=0)
    async with (
        serve(app, ssl_context=server_context) as served,
        served.connect(ssl=client_context, server_hostname="localhost") as wire,
    ):
        for size in (0, 3_000_000):
            upload = wire.send(request("/", f"Content-Length: {size}", method="POST") + bytes(size))
            (_, fields, body), _ = await asyncio.gather(wire.read_answer(), upload)
            assert body == b"https" + bytes(size)
            assert fields[b"x"] == b"https://x/"


# -- stopping


async def test_stop_waits_for_answers_and_closes_idle_connections() -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        if request.path == "/slow":
            started.set()
            await go_on.wait()
        return web.Response(text=request.path)

    async with serve(app_of(handler), shutdown_timeout=60) as served:
        async with served.connect() as idle, served.connect() as busy:
            await idle.send(request("/idle"))
            await idle.read_answer()
            await busy.send(request("/slow"))
            await started.wait()
            stop = asyncio.create_task(served.runner.cleanup())
            assert await idle.read_all() == b""
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", served.port)
            assert not stop.done()
            go_on.set()
            answer = await busy.read_all()
            assert answer.endswith(b"/slow")
            assert b"Connection: close" in answer
            await stop


async def test_stop_reads_uploads_in_progress() -> None:
    started = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        started.set()
        return web.Response(body=await request.read())

    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(request("/", "Content-Length: 6", method="POST") + b"abc")
        await started.wait()
        stop = asyncio.create_task(served.runner.cleanup())
        await asyncio.sleep(0)
        await wire.send(b"def")
        assert (await wire.read_all()).endswith(b"abcdef")
        await stop


async def test_stop_cancels_what_does_not_end() -> None:
    cancelled = []

    async def handler(request: web.Request) -> web.Response:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            raise
        raise AssertionError("not reached")

    started = asyncio.Event()
    async with serve(app_of(handler), shutdown_timeout=0.01) as served:
        async with served.connect() as wire:
            await wire.send(GET)
            await started.wait()
            await served.runner.cleanup()
            assert cancelled == [1]


async def test_hurry_shortens_the_wait() -> None:
    started = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError("not reached")

    async with serve(app_of(handler), shutdown_timeout=3600) as served:
        async with served.connect() as wire:
            await wire.send(GET)
            await started.wait()
            stop = asyncio.create_task(served.runner.cleanup())
            await asyncio.sleep(0)
            served.runner.hurry()
            async with asyncio.timeout(PATIENCE):
                await stop


async def test_wire_helper_reads_chunks() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
    wire = Wire(reader, None)  # type: ignore[arg-type]  # nothing is written
    assert (await wire.read_answer())[2] == b"a"
