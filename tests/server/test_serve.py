"""`bascule.serve`: a server inside a program that is running already."""

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

import bascule
from bascule import web
from support.wire import PATIENCE

LOG = web.AppKey("LOG", list[str])


async def get(url: str, path: str = "/") -> tuple[int, str]:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        answer = await client.get(path)
        return answer.status_code, answer.text


async def tell(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


def make_app() -> web.Application:
    """An application that writes down its life."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        app[LOG].append("up")
        yield
        app[LOG].append("down")

    app = web.Application()
    app[LOG] = []
    app.cleanup_ctx.append(context)
    app.router.add_get("/{tail:.*}", tell)
    return app


async def test_serves_while_the_block_runs() -> None:
    app = make_app()
    async with bascule.serve(app) as server:
        assert app[LOG] == ["up"]
        assert server.urls == [server.url] == [f"http://127.0.0.1:{server.port}"]
        assert server.ports == [server.port] != [0]
        assert server.addresses == [("127.0.0.1", server.port)]
        assert await get(server.url, "/a") == (200, "/a")
        url = server.url
    assert app[LOG] == ["up", "down"]
    with pytest.raises(httpx.ConnectError):
        await get(url)


async def test_serves_asgi_applications() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"  # anything else means: no lifespan here
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    async with bascule.serve(app) as server:
        assert await get(server.url, "/asgi") == (200, "/asgi")


async def test_serves_at_several_places(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.create_server(("127.0.0.1", 0)) as sock:
        number = sock.getsockname()[1]
        async with bascule.serve(make_app(), path=path, sock=sock, port=0) as server:
            assert server.urls[1:] == [f"http://unix:{path}:", f"http://127.0.0.1:{number}"]
            assert len(server.urls) == 3
            for url in (server.urls[0], server.urls[2]):
                assert await get(url, "/a") == (200, "/a")
            transport = httpx.AsyncHTTPTransport(uds=str(path))
            async with httpx.AsyncClient(transport=transport) as client:
                assert (await client.get("http://x/b")).text == "/b"


async def test_a_unix_socket_alone_opens_no_port(tmp_path: Path) -> None:
    async with bascule.serve(make_app(), path=tmp_path / "socket") as server:
        assert server.ports == []


async def test_several_servers_share_a_loop() -> None:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(bascule.serve(make_app())) for _ in range(5)]
        answers = await asyncio.gather(*(get(server.url) for server in servers))
        assert answers == [(200, "/")] * 5
        assert len({server.port for server in servers}) == 5


async def test_start_up_errors_are_raised_and_leave_nothing() -> None:
    async def fail(app: web.Application) -> None:
        raise ValueError("no database")

    app = make_app()
    app.on_startup.append(fail)
    with pytest.raises(ValueError, match="no database"):
        async with bascule.serve(app):
            raise AssertionError
    assert app[LOG] == ["up", "down"]


async def test_a_start_up_error_is_raised_though_clean_up_fails_too() -> None:
    async def fail_twice(app: web.Application) -> AsyncIterator[None]:
        yield
        raise RuntimeError("at the end")

    async def fail(app: web.Application) -> None:
        raise ValueError("no database")

    app = make_app()
    app.cleanup_ctx.append(fail_twice)
    app.on_startup.append(fail)
    with pytest.raises(ValueError, match="no database") as caught:
        await bascule.serve(app).__aenter__()
    assert "at the end" in caught.value.__notes__[0]
    assert app[LOG] == ["up", "down"]


async def test_cancelled_twice_while_it_starts_it_leaves_nothing_running() -> None:
    starting, leaving, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(app: web.Application) -> AsyncIterator[None]:
        try:
            yield
        finally:
            leaving.set()
            await asyncio.shield(asyncio.ensure_future(go.wait()))

    async def hang(app: web.Application) -> None:
        starting.set()
        await asyncio.Event().wait()

    app = make_app()
    app.cleanup_ctx.append(slow)
    app.on_startup.append(hang)
    server = bascule.serve(app)
    entering = asyncio.create_task(server.__aenter__())
    await starting.wait()
    entering.cancel()
    await leaving.wait()
    entering.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert app[LOG] == ["up", "down"]


async def test_bind_errors_are_raised_and_leave_nothing() -> None:
    app = make_app()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            async with bascule.serve(app, port=port):
                raise AssertionError
    assert app[LOG] == ["up", "down"]


async def test_what_is_no_application_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"should be web\.Application instance"):
        bascule.serve(1)


async def test_a_server_is_entered_once() -> None:
    server = bascule.serve(make_app())
    async with server:
        pass
    with pytest.raises(RuntimeError, match="can be entered once"):
        await server.__aenter__()


async def test_an_error_of_the_block_is_raised_behind_clean_up() -> None:
    app = make_app()
    with pytest.raises(KeyError, match="of the block"):
        async with bascule.serve(app):
            raise KeyError("of the block")
    assert app[LOG] == ["up", "down"]


class Slow:
    """An application whose handler waits until it is let go."""

    def __init__(self) -> None:
        self.entered, self.go = asyncio.Event(), asyncio.Event()
        self.app = make_app()
        self.app.router.add_post("/", self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        self.entered.set()
        await self.go.wait()
        return web.Response(text="slow")

    async def ask(self, url: str) -> str:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client:
            return (await client.post("/")).text


async def test_answers_in_progress_are_finished() -> None:
    slow = Slow()

    async def let_go(app: web.Application) -> None:
        slow.go.set()

    slow.app.on_shutdown.append(let_go)
    async with bascule.serve(slow.app) as server:
        asking = asyncio.create_task(slow.ask(server.url))
        await slow.entered.wait()
    assert await asking == "slow"
    assert slow.app[LOG] == ["up", "down"]


async def test_cancelled_inside_a_task_group_it_stops_gracefully() -> None:
    slow = Slow()
    urls: asyncio.Queue[str] = asyncio.Queue()

    async def run() -> None:
        async with bascule.serve(slow.app, shutdown_timeout=PATIENCE) as server:
            urls.put_nowait(server.url)
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        running = group.create_task(run())
        asking = asyncio.create_task(slow.ask(await urls.get()))
        await slow.entered.wait()
        running.cancel()
        await asyncio.sleep(0)
        slow.go.set()
    assert await asking == "slow"
    assert slow.app[LOG] == ["up", "down"]


async def test_cancelled_while_it_stops_it_waits_for_no_answer() -> None:
    slow = Slow()
    stopping = asyncio.Event()

    async def tell_that_it_stops(app: web.Application) -> None:
        stopping.set()

    slow.app.on_shutdown.append(tell_that_it_stops)

    async def run() -> None:
        async with bascule.serve(slow.app, shutdown_timeout=3600) as server:
            asking.append(asyncio.create_task(slow.ask(server.url)))
            await slow.entered.wait()

    asking: list[asyncio.Task[str]] = []
    running = asyncio.create_task(run())
    await stopping.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, PATIENCE)
    with pytest.raises(httpx.HTTPError):
        await asking[0]
    assert slow.app[LOG] == ["up", "down"]


async def test_cancelled_while_it_starts_it_cleans_up() -> None:
    app = make_app()
    starting = asyncio.Event()

    async def hang(app: web.Application) -> None:
        starting.set()
        await asyncio.Event().wait()

    app.on_startup.append(hang)
    entering = asyncio.create_task(bascule.serve(app).__aenter__())
    await starting.wait()
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert app[LOG] == ["up", "down"]


async def test_it_may_be_left_in_another_task_than_it_was_entered_in() -> None:
    app = make_app()
    server = bascule.serve(app)
    await asyncio.create_task(server.__aenter__())
    assert await get(server.url) == (200, "/")
    await asyncio.create_task(server.__aexit__(None, None, None))
    assert app[LOG] == ["up", "down"]


async def test_signals_and_logging_are_left_alone() -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    handlers = list(logging.getLogger().handlers), list(web.access_logger.handlers)
    async with bascule.serve(make_app()):
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    assert (logging.getLogger().handlers, web.access_logger.handlers) == handlers


async def test_a_handler_cannot_end_the_program(caplog: pytest.LogCaptureFixture) -> None:
    async def leave(request: web.Request) -> web.Response:
        raise SystemExit(3)

    app = make_app()
    app.router.add_post("/", leave)
    async with bascule.serve(app) as server, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.post(server.url)).status_code == 500
        assert await get(server.url) == (200, "/")
    assert "SystemExit" in caplog.text


def test_it_serves_in_a_thread_with_a_loop_of_its_own() -> None:
    app = make_app()
    urls: list[str] = []
    up = threading.Event()
    stop: list[Any] = []

    async def run() -> None:
        ending = asyncio.Event()
        stop.append((asyncio.get_running_loop(), ending))
        async with bascule.serve(app) as server:
            urls.append(server.url)
            up.set()
            await ending.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert up.wait(PATIENCE)
        assert httpx.get(urls[0] + "/t", trust_env=False).text == "/t"
    finally:
        loop, ending = stop[0]
        loop.call_soon_threadsafe(ending.set)
        thread.join(PATIENCE)
    assert app[LOG] == ["up", "down"]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are counted in /proc")
async def test_two_hundred_servers_leave_nothing_behind() -> None:
    """Neither tasks nor sockets nor threads."""

    def count_descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async with bascule.serve(make_app()) as server:  # what is made once is made now
        await get(server.url)
    tasks, threads, descriptors = asyncio.all_tasks(), threading.active_count(), count_descriptors()
    for _ in range(20):
        async with AsyncExitStack() as stack:
            servers = [
                await stack.enter_async_context(bascule.serve(make_app())) for _ in range(10)
            ]
            async with httpx.AsyncClient(trust_env=False) as client:
                for server in servers:
                    assert (await client.get(server.url)).status_code == 200
    assert asyncio.all_tasks() == tasks
    assert threading.active_count() == threads
    assert count_descriptors() == descriptors


def test_it_serves_in_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")
    app = make_app()

    async def run() -> None:
        async with bascule.serve(app) as server:
            assert await get(server.url, "/u") == (200, "/u")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    assert app[LOG] == ["up", "down"]


@pytest.mark.parametrize("how", ["site", "runner"])
async def test_a_site_that_is_stopped_while_it_starts_listens_to_nobody(how: str) -> None:
    runner = web.AppRunner(web.Application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    starting = asyncio.create_task(site.start())
    await asyncio.sleep(0)
    await (site.stop() if how == "site" else runner.cleanup())
    with pytest.raises(RuntimeError, match="was stopped while it started"):
        await starting
    assert runner.addresses == []
    await runner.cleanup()
