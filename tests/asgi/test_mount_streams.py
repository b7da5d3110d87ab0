"""Mounting on a server of ours: bodies that wait for each other, the access log, the root path."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

import bascule
from bascule import web
from support.asgi_apps import body, mirror, of_http, read_all, start
from support.hosts import own_socket
from support.wire import PATIENCE, Served, Wire, serve

PIECE = b"x" * 64 * 1024
# More than the buffers of two sockets hold, and of what is between.
MUCH = 32 * 1024 * 1024


def mounted(inner: Any, **kwargs: Any) -> web.Application:
    app = web.Application(**kwargs)
    app.mount("/api", inner)
    return app


async def until_it_rests(count: Callable[[], int]) -> int:
    """Wait until a number that grows grows no more: the loop has nothing else to do."""
    async with asyncio.timeout(PATIENCE):
        while True:
            before = count()
            for _ in range(300):
                await asyncio.sleep(0)
            if before == count() > 0:
                return before


def transport_of(connection: Any) -> asyncio.Transport:
    transport: asyncio.Transport = connection.transport
    return transport


async def ask(wire: Wire, method: bytes = b"GET", more: bytes = b"") -> None:
    await wire.send(method + b" /api/ HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n")


async def test_an_application_waits_for_a_client_that_does_not_read() -> None:
    made = 0
    ended = asyncio.Event()

    @of_http
    async def endless(scope: Any, receive: Any, send: Any) -> None:
        nonlocal made
        await read_all(receive)
        await send(start())
        try:
            while True:
                await send(body(PIECE, more=True))
                made += len(PIECE)
        except OSError:
            ended.set()
            raise

    async with serve(mounted(endless)) as served, served.connect() as wire:
        await ask(wire)
        await wire.read_head()
        seen = await until_it_rests(lambda: made)
        assert seen < MUCH
        assert transport_of(await served.alone()).get_write_buffer_size() < 512 * 1024
        for _ in range(200):  # it goes on where the client does
            await wire.reader.readexactly(len(PIECE))
        assert await until_it_rests(lambda: made) > seen
        wire.writer.transport.abort()
        async with asyncio.timeout(PATIENCE):
            await ended.wait()


async def test_a_client_waits_for_an_application_that_does_not_read() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    @of_http
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        size, message = 0, await receive()
        begun.set()
        await go_on.wait()
        while message["more_body"]:
            size += len(message["body"])
            message = await receive()
        await send(start())
        await send(body(b"%d" % (size + len(message["body"]))))

    async with serve(mounted(slow)) as served, served.connect() as wire:
        await ask(wire, b"POST", b"Content-Length: %d\r\n" % MUCH)
        wire.writer.write(bytes(MUCH))
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
        left = wire.writer.transport.get_write_buffer_size
        assert MUCH - await until_it_rests(lambda: MUCH - left()) > MUCH // 4
        assert not transport_of(await served.alone()).is_reading()
        go_on.set()
        assert (await wire.read_answer())[2] == b"%d" % MUCH


async def test_100_continue_comes_when_the_application_reads() -> None:
    @of_http
    async def choosy(scope: Any, receive: Any, send: Any) -> None:
        data = b"" if scope["path"].endswith("no") else await read_all(receive)
        await send(start(200 if data else 417))
        await send(body(data))

    head = b"POST /api/%b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    async with serve(mounted(choosy)) as served:
        async with served.connect() as wire:
            await wire.send(head % b"no")
            assert (await wire.read_answer())[0] == b"HTTP/1.1 417 Expectation Failed"
        async with served.connect() as wire:
            await wire.send(head % b"yes")
            assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await wire.send(b"ab")
            assert (await wire.read_answer())[2] == b"ab"


async def test_early_hints_and_trailers_are_passed_on() -> None:
    @of_http
    async def rich(scope: Any, receive: Any, send: Any) -> None:
        await read_all(receive)
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
        await send(start(200, [(b"trailer", b"x-sum")], trailers=True))
        await send(body(b"abc"))
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})

    async with serve(mounted(rich)) as served, served.connect() as wire:
        await ask(wire, more=b"TE: trailers\r\nConnection: close, TE\r\n")
        data = await wire.read_all()
    hint, _, rest = data.partition(b"\r\n\r\n")
    assert hint == b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload"
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
    assert rest.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n")


@pytest.mark.parametrize("fields", [b"Sec-WebSocket-Version: 13\r\n", b"Sec-WebSocket-Key: x\r\n"])
async def test_a_malformed_handshake_is_refused_in_front_of_the_application(fields: bytes) -> None:
    @of_http
    async def never(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError

    async with serve(mounted(never)) as served, served.connect() as wire:
        await ask(wire, more=b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + fields)
        assert (await wire.read_answer())[0] == b"HTTP/1.1 400 Bad Request"


async def test_the_stop_of_the_server_is_told(caplog: pytest.LogCaptureFixture) -> None:
    told, begun = asyncio.Event(), asyncio.Event()

    @of_http
    async def listen(scope: Any, receive: Any, send: Any) -> None:
        await read_all(receive)
        await send(start())
        await send(body(b"x", more=True))
        begun.set()
        assert (await receive())["type"] == "http.disconnect"
        told.set()

    served: Served
    async with (
        serve(mounted(listen), shutdown_timeout=PATIENCE) as served,
        served.connect() as wire,
    ):
        await ask(wire)
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
            await served.runner.cleanup()
            await told.wait()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_requests_are_in_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = logging.getLogger("bascule.test-mounts")
    async with own_socket(mounted(mirror), access_log=log, access_log_format="%r %s %b") as client:
        answer = await client.get("/api/x")
        await client.get("/api")
    lines = [record.getMessage() for record in caplog.records if record.name == log.name]
    first, second = lines
    assert first.startswith("GET /api/x HTTP/1.1 200 ")
    assert int(first.rpartition(" ")[2]) >= len(answer.body)
    assert second.startswith("GET /api HTTP/1.1 307 ")


@pytest.mark.parametrize("target", ["/r%20t/api/x", "/api/x"])
async def test_a_proxy_may_take_the_root_path_off_or_not(target: str) -> None:
    app = mounted(mirror)
    async with own_socket(app, root_path="/r t") as client:
        found = json.loads((await client.get(target)).body)
        assert (found["path"], found["root_path"]) == ("/r t/api/x", "/r t/api")
        assert found["raw_path"] == "/r%20t/api/x"
        redirect = await client.get(target.removesuffix("/x"))
        assert redirect.fields["Location"] == "/r%20t/api/"


async def test_a_url_that_a_middleware_has_rewritten_is_put_under_the_root_path() -> None:
    @web.middleware
    async def rewrite(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        changed = request.clone(rel_url="/api/new?q")
        changed._match_info = request._match_info
        return await handler(changed)

    async with own_socket(mounted(mirror, middlewares=[rewrite]), root_path="/r") as client:
        found = json.loads((await client.get("/r/api/old")).body)
        assert (found["path"], found["root_path"], found["query"]) == ("/r/api/new", "/r/api", "q")


async def test_a_wsgi_application_behind_a_root_path() -> None:
    def tell(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [f"{environ['SCRIPT_NAME']} {environ['PATH_INFO']}".encode()]

    for app, told in ((bascule.wsgi(tell), "/r /x"), (mounted(bascule.wsgi(tell)), "/r/api /x")):
        for prefix in ("", "/r"):
            inside = "/api" if isinstance(app, web.Application) else ""
            async with own_socket(app, root_path="/r") as client:
                assert (await client.get(f"{prefix}{inside}/x")).text == told


@pytest.mark.parametrize("is_mounted", [True, False])
async def test_a_malformed_body_is_the_fault_of_the_client(
    is_mounted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when the fault comes later than the application begins to read."""
    begun = asyncio.Event()

    @of_http
    async def reader(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    async with (
        serve(mounted(reader) if is_mounted else reader) as served,
        served.connect() as wire,
    ):
        await wire.send(
            b"POST /api/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"
        )
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
        await wire.send(b"lloXX\r\n")
        assert (await wire.read_answer())[0] == b"HTTP/1.1 400 Bad Request"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("has_begun", [True, False])
async def test_a_client_that_leaves_an_application_is_no_error(
    has_begun: bool, caplog: pytest.LogCaptureFixture
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    @of_http
    async def wait(scope: Any, receive: Any, send: Any) -> None:
        await read_all(receive)
        if has_begun:
            await send(start())
            await send(body(b"x", more=True))
        begun.set()
        assert (await receive())["type"] == "http.disconnect"
        ended.set()

    async with serve(wait) as served:
        async with served.connect() as wire, asyncio.timeout(PATIENCE):
            await ask(wire)
            await begun.wait()
            wire.writer.transport.abort()
            await ended.wait()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_request_is_answered_once(caplog: pytest.LogCaptureFixture) -> None:
    """A middleware that calls its handler twice is told so."""

    @web.middleware
    async def twice(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        await handler(request)
        return await handler(request)

    async with serve(mounted(mirror, middlewares=[twice])) as served, served.connect() as wire:
        await ask(wire)
        assert (await wire.read_answer())[0] == b"HTTP/1.1 200 OK"
    errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [str(error) for error in errors] == ["The request was answered before"]
