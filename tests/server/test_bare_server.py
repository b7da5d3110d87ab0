"""`web.Server`: a bare handler behind asyncio's own `create_server`, and behind a runner."""

import asyncio
import logging
from typing import Any

import httpx
import pytest

from bascule import web
from support.wire import PATIENCE, serve


async def handler(request: web.BaseRequest) -> web.Response:
    if request.path == "/boom":
        raise ValueError("boom")
    return web.Response(text=f"{type(request).__name__} {request.path}")


async def get(port: int, path: str) -> tuple[int, str]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        answer = await client.get(path)
        return answer.status_code, answer.text


async def test_server_is_a_protocol_factory(caplog: pytest.LogCaptureFixture) -> None:
    server = web.Server(handler)
    assert (server.request_handler, server.requests_count) == (handler, 0)
    async with await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        assert await get(port, "/a") == (200, "BaseRequest /a")
        with caplog.at_level(logging.CRITICAL, logger="bascule.server"):
            status, text = await get(port, "/boom")
        assert (status, "Traceback" in text) == (500, False)
        assert server.requests_count == 2
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"BaseRequest /")
        (connection,) = server.connections
        server.pre_shutdown()
        assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
        assert connection not in server.connections
        writer.close()
        await server.shutdown(5)


async def test_server_takes_options_and_a_request_factory() -> None:
    class Own(web.BaseRequest):
        pass

    server = web.Server(
        handler, request_factory=Own, debug=True, access_log=None, server_header="own"
    )
    async with await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        assert await get(port, "/") == (200, "Own /")
        status, text = await get(port, "/boom")
        assert (status, "ValueError: boom" in text) == (500, True)
        await server.shutdown(5)


async def test_server_runner_runs_it_on_sites() -> None:
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert isinstance(runner.server, web.Server)
        assert await get(site.port, "/b") == (200, "BaseRequest /b")
    finally:
        await runner.cleanup()
    assert runner.server is None


async def test_make_handler_still_works() -> None:
    """The spelling of aiohttp 2: start-up and clean-up are the caller's."""
    log: list[str] = []

    async def started(app: web.Application) -> None:
        log.append("started")

    async def tell(request: web.Request) -> web.Response:
        return web.Response(text=f"{type(request).__name__} {request.app.frozen}")

    app: Any = web.Application(handler_args={"server_header": "args"})
    app.on_startup.append(started)
    app.router.add_get("/", tell)
    with pytest.warns(DeprecationWarning, match=r"make_handler\(\.\.\.\) is deprecated"):
        server = app.make_handler(access_log=None)
    await app.startup()
    async with await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        assert await get(port, "/") == (200, "Request True")
        await app.shutdown()
        await server.shutdown(5)
        await app.cleanup()
    assert (log, server.options.server_header) == (["started"], "args")


async def test_a_domain_is_that_of_an_absolute_target() -> None:
    """RFC 9112 section 3.2.2: its host goes before the Host field."""

    async def inner(request: web.Request) -> web.Response:
        return web.Response(text="internal")

    async def outer(request: web.Request) -> web.Response:
        return web.Response(text="public")

    app, internal = web.Application(), web.Application()
    internal.router.add_get("/", inner)
    app.router.add_get("/", outer)
    app.add_domain("internal.example", internal)
    async with serve(app) as served:
        for target, host, expected in [
            (b"/", b"internal.example", b"internal"),
            (b"http://public.example/", b"internal.example", b"public"),
            (b"http://internal.example/", b"public.example", b"internal"),
        ]:
            async with served.connect() as wire:
                await wire.send(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host))
                assert (await wire.read_answer())[2] == expected
