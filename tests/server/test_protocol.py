"""`web.RequestHandler`: the protocol of a connection of our server, in aiohttp's shape."""

import asyncio
import logging
from typing import Any

import pytest

from bascule import web
from support.wire import PATIENCE, serve

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def application(handler: Any) -> web.Application:
    app = web.Application()
    app.router.add_get("/", handler)
    return app


async def test_connections_of_a_server_are_request_handlers() -> None:
    protocols: list[web.RequestHandler] = []

    async def handler(request: web.Request) -> web.Response:
        protocols.append(request.protocol)
        return web.Response()

    options: dict[str, Any] = {"max_line_size": 100, "max_field_size": 200, "max_headers": 30}
    async with serve(application(handler), keepalive_timeout=5, **options) as served:
        async with served.connect() as wire:
            await wire.send(GET)
            await wire.read_answer()
            (protocol,) = protocols
            assert served.runner.server is not None
            assert served.runner.server.connections == [protocol]
            assert isinstance(protocol, web.RequestHandler)
            assert repr(protocol) == "<RequestHandler connected>"
            assert protocol.peername == wire.writer.get_extra_info("sockname")
            assert protocol.sockname == wire.writer.get_extra_info("peername")
            limits = (protocol.max_line_size, protocol.max_field_size, protocol.max_headers)
            assert (protocol.keepalive_timeout, *limits) == (5, 100, 200, 30)
            assert (protocol.ssl_context, protocol.debug) == (None, False)
            assert protocol.logger.name == "bascule.server"
            assert protocol.access_log is not None
            assert protocol.access_log.name == "bascule.access"
    assert repr(protocol) == "<RequestHandler disconnected>"
    assert protocol.transport is None


async def test_keep_alive_decides_about_the_connection() -> None:
    async def handler(request: web.Request) -> web.Response:
        if "end" in request.query:
            request.protocol.close()
        request.protocol.keep_alive("close" not in request.query)
        return web.Response()

    async with serve(application(handler)) as served, served.connect() as wire:
        await wire.send(GET)
        assert b"connection" not in (await wire.read_answer())[1]
        await wire.send(GET.replace(b"/ ", b"/?close ", 1))
        assert (await wire.read_answer())[1][b"connection"] == b"close"
        assert await wire.read_all() == b""
    async with serve(application(handler)) as served, served.connect() as wire:
        await wire.send(GET.replace(b"/ ", b"/?end ", 1))  # a close is not taken back
        assert (await wire.read_answer())[1][b"connection"] == b"close"


async def test_shutdown_waits_then_cancels() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return web.Response()

    async with serve(application(handler)) as served, served.connect() as wire:
        await wire.send(GET)
        await asyncio.wait_for(begun.wait(), PATIENCE)
        connection = await served.alone()
        await connection.shutdown(0)
        await asyncio.wait_for(ended.wait(), PATIENCE)
        assert await wire.read_all() == b""


async def test_what_it_logs(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        protocol = request.protocol
        protocol.log_access(request, web.Response(), None)
        protocol.log_access(request, web.Response(status=201), 0.5)
        protocol.log_debug("%s", "debug")
        protocol.log_exception("%s went wrong", "it")
        page: web.StreamResponse = protocol.handle_error(request, 400, None, "what")
        return page

    with caplog.at_level(logging.DEBUG, logger="bascule"):
        async with serve(application(handler), debug=True) as served, served.connect() as wire:
            await wire.send(GET)
            first, fields, body = await wire.read_answer()
    assert (first, body) == (b"HTTP/1.1 400 Bad Request", b"what")
    assert fields[b"connection"] == b"close"
    told = [record.getMessage() for record in caplog.records]
    assert "debug" in told
    assert "it went wrong" in told
    assert "Error handling request from 127.0.0.1" in told
    access = [r.getMessage() for r in caplog.records if r.name == "bascule.access"]
    assert [line.split('"')[2].split()[0] for line in access] == ["201", "400"]


async def test_a_peer_that_takes_nothing_is_dropped_though_more_is_written() -> None:
    """The clock of sending counts what the peer takes, not what is queued for it."""
    more: asyncio.Queue[int] = asyncio.Queue()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async with asyncio.TaskGroup() as writers:
            while True:
                writers.create_task(response.write(bytes(await more.get())))

    async with serve(application(handler), send_timeout=60) as served, served.connect() as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it can
        await wire.send(GET)
        connection = await served.alone()
        server = served.runner.server
        assert isinstance(server, web.Server)
        transport = connection._transport
        assert transport is not None

        async def queue(size: int) -> None:
            before = transport.get_write_buffer_size()
            more.put_nowait(size)
            async with asyncio.timeout(PATIENCE):
                while transport.get_write_buffer_size() <= before:
                    await asyncio.sleep(0)

        await queue(32 * 2**20)
        queued = 0
        while queued != (queued := transport.get_write_buffer_size()):
            for _turn in range(100):  # the kernel takes what it can hold
                await asyncio.sleep(0)
        now = server.now()
        server.sweep(now)
        for waited in (29, 58):
            await queue(2**20)
            server.sweep(now + waited)
            assert not transport.is_closing()
        await queue(2**20)
        server.sweep(now + 61)
        assert transport.is_closing()
