"""`bascule.test_utils` where it does more than aiohttp's, and where that one cannot be asked."""

import asyncio
import os
import socket
import subprocess
import sys
import unittest
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp.test_utils
import aiohttp.web
import pytest

import bascule.test_utils
import bascule.web
from bascule import web
from bascule.test_utils import (
    AioHTTPTestCase,
    RawTestServer,
    TestClient,
    TestServer,
    get_port_socket,
    loop_context,
    make_mocked_request,
    unittest_run_loop,
)
from support.wire import PATIENCE

SOURCE = Path(bascule.test_utils.__file__).parents[1]


async def hello(request: web.BaseRequest) -> web.Response:
    return web.Response(text="hello")


def make_app(log: list[Any] | None = None) -> web.Application:
    """Make an application whose context notes down its steps, each with its task."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        task = asyncio.current_task()
        steps.append("start")
        yield
        steps.append("stop" if asyncio.current_task() is task else "stop in another task")

    steps = [] if log is None else log
    app = web.Application()
    app.router.add_get("/", hello)
    app.cleanup_ctx.append(context)
    return app


# -- servers --------------------------------------------------------------------------------------


async def test_an_asgi_application_is_served() -> None:
    """With its lifespan."""
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                told.append((await receive())["type"])
                await send({"type": f"lifespan.{phase}.complete"})
            return
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    async with TestClient(TestServer(app)) as client, client.get("/here") as response:
        assert (response.status, await response.text()) == (202, "/here")
        assert told == ["lifespan.startup"]
    assert told == ["lifespan.startup", "lifespan.shutdown"]


async def test_one_task_starts_and_cleans_up() -> None:
    """Fixtures set a server up in one task and close it in another."""
    log: list[Any] = []
    server = TestServer(make_app(log))
    await asyncio.create_task(server.start_server())
    await asyncio.create_task(server.close())
    assert log == ["start", "stop"]


async def test_a_server_that_failed_to_start_may_be_started_again() -> None:
    log: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = TestServer(make_app(log), port=taken.getsockname()[1])
        with pytest.raises(OSError):
            await server.start_server()
    assert (log, server.started) == (["start", "stop"], False)
    server.app, server.port = make_app(log), None
    async with server:
        assert server.started
    assert log == ["start", "stop"] * 2


async def test_a_socket_that_cannot_be_listened_at_is_closed() -> None:
    made = []

    def make(host: str, port: int, family: socket.AddressFamily) -> socket.socket:
        made.append(socket.socket(family, socket.SOCK_DGRAM))
        return made[0]

    server = RawTestServer(hello, socket_factory=make)
    with pytest.raises(ValueError, match="Stream"):
        await server.start_server()
    assert made[0].fileno() == -1


async def test_a_close_that_is_cancelled_waits_for_no_handler() -> None:
    began = asyncio.Event()
    log: list[Any] = []

    async def never(request: web.Request) -> web.Response:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    app = make_app(log)
    app.router.add_get("/never", never)
    server = TestServer(app)
    await server.start_server()
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
    await began.wait()
    closing = asyncio.create_task(server.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(PATIENCE):  # which is less than handlers get otherwise
            await closing
    assert (server.closed, log) == (True, ["start", "stop"])
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_options_of_runners_and_of_connections_are_told_apart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Of a bare handler's server, which is made before its runner is."""
    server = RawTestServer(hello)
    await server.start_server(shutdown_timeout=3, keepalive_timeout=5)
    assert isinstance(server.runner, web.ServerRunner)
    assert server.runner._shutdown_timeout == 3
    assert server.handler.options.keepalive_timeout == 5
    await server.close()
    assert caplog.messages == []


async def test_trouble_of_clean_up_is_raised_by_close_once() -> None:
    async def fail(app: web.Application) -> None:
        raise ValueError("no clean-up")

    app = make_app()
    app.on_cleanup.append(fail)
    server = TestServer(app)
    await server.start_server()
    with pytest.raises(ValueError, match="no clean-up"):
        await server.close()
    await server.close()
    assert server.closed


def test_a_port_that_cannot_be_bound_leaves_no_socket_open() -> None:
    """An open one would warn, which is an error here."""
    with pytest.raises(OSError):
        get_port_socket("192.0.2.1", 0, socket.AF_INET)


# -- clients --------------------------------------------------------------------------------------


async def test_a_client_whose_server_fails_to_start_is_closed() -> None:
    async def fail(app: web.Application) -> None:
        raise ValueError("no start")

    app = make_app()
    app.on_startup.append(fail)
    client: TestClient[web.Request, web.Application] = TestClient(TestServer(app))
    with pytest.raises(ValueError, match="no start"):
        async with client:
            pass
    assert client.session.closed


def test_a_client_needs_a_running_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        TestClient(TestServer(make_app()))


async def test_a_client_closes_answers_that_are_open() -> None:
    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        await asyncio.Event().wait()
        return response

    async with TestClient(RawTestServer(stream)) as client:
        response = await client.get("/")
        assert await response.content.read(5) == b"begun"
    assert response.closed


async def test_a_client_closes_websockets_that_are_open() -> None:
    """Whole, so that the handler is told."""
    ended: list[Any] = []

    async def echo(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        async for message in websocket:
            await websocket.send_str(message.data)
        ended.append(websocket.close_code)
        return websocket

    app = make_app()
    app.router.add_get("/echo", echo)
    async with TestClient(TestServer(app)) as client:
        websocket = await client.ws_connect("/echo")
        async with client.ws_connect("/echo") as other:
            for each in (websocket, other):
                await each.send_str("hello")
                assert await each.receive_str() == "hello"
        assert (other.closed, websocket.closed) == (True, False)
    assert (websocket.closed, ended) == (True, [1000, 1000])


async def test_a_request_may_be_cancelled_or_given_up() -> None:
    async with TestClient(TestServer(make_app())) as client:
        client.get("/").close()
        with pytest.raises(KeyError):
            client.get("/").throw(KeyError("given up"))
        task = asyncio.create_task(client.get("/"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_a_client_without_aiohttp_says_what_else_there_is() -> None:
    code = """
import asyncio, sys
sys.modules["aiohttp"] = None
from bascule.test_utils import TestClient, TestServer, make_mocked_request
from bascule import web
async def main():
    try:
        TestClient(TestServer(web.Application()))
    except ImportError as exc:
        print(exc, "|", exc.name)
asyncio.run(main())
print(make_mocked_request("GET", "/"))
"""
    assert run_python(code) == [
        "TestClient asks by aiohttp's client, which is not installed. bascule.testing.Client, "
        "which needs no sockets, and httpx, at TestServer.make_url(), do without it | aiohttp",
        "<Request GET / >",
    ]


def test_nothing_loads_aiohttp_before_a_client_is_made() -> None:
    code = "import sys, bascule.test_utils, bascule.pytest_plugin; print('aiohttp' in sys.modules)"
    assert run_python(code) == ["False"]


def run_python(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


# -- test cases -----------------------------------------------------------------------------------

CASES = {
    "aiohttp": (aiohttp.test_utils.AioHTTPTestCase, aiohttp.web),
    "bascule": (AioHTTPTestCase, bascule.web),
}


def run_case(case: type[unittest.TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


@pytest.fixture(params=CASES)
def package(request: pytest.FixtureRequest) -> Any:
    """Give the class of test cases and the face of a package."""
    return CASES[request.param]


def test_a_case_has_application_server_client_and_loop(package: Any) -> None:
    base, face = package
    log: list[Any] = []

    class Case(base):  # type: ignore[misc]  # one of two
        async def get_application(self) -> Any:
            log.append("application")
            return face.Application()

        async def get_server(self, app: Any) -> Any:
            log.append(app is self.app)
            return await super().get_server(app)

        async def get_client(self, server: Any) -> Any:
            log.append(server is self.server)
            return await super().get_client(server)

        async def setUpAsync(self) -> None:
            log.append(self.loop is asyncio.get_running_loop())
            await super().setUpAsync()

        async def tearDownAsync(self) -> None:
            await super().tearDownAsync()
            log.append(self.server.closed)

        async def test_it(self) -> None:
            response = await self.client.get("/")
            log.append((response.status, self.client.app is self.app, self.server.started))

    result = run_case(Case)
    assert (result.testsRun, result.errors, result.failures) == (1, [], [])
    assert log == [True, "application", True, True, (404, True, True), True]


def test_a_case_may_define_get_app(package: Any) -> None:
    base, face = package

    class Case(base):  # type: ignore[misc]  # one of two
        def get_app(self) -> Any:
            return face.Application()

        async def test_it(self) -> None:
            assert (await self.client.get("/")).status == 404

    assert run_case(Case).wasSuccessful()


def test_a_case_without_an_application_is_told(package: Any) -> None:
    class Case(package[0]):  # type: ignore[misc]  # one of two
        async def test_it(self) -> None:
            raise AssertionError("unreachable")

    ((_, text),) = run_case(Case).errors
    assert text.endswith("RuntimeError: Did you forget to define get_application()?\n")


def test_a_case_starts_and_cleans_up_in_one_task() -> None:
    log: list[Any] = []

    class Case(AioHTTPTestCase):
        async def get_application(self) -> web.Application:
            return make_app(log)

        async def test_it(self) -> None:
            assert log == ["start"]

    assert run_case(Case).wasSuccessful()
    assert log == ["start", "stop"]


# -- the rest -------------------------------------------------------------------------------------


def test_a_loop_is_closed_behind_an_error() -> None:
    with pytest.raises(ValueError, match="in the block"):
        with loop_context() as loop:
            raise ValueError("in the block")
    assert loop.is_closed()


def test_marking_coroutines_to_be_run_is_deprecated() -> None:
    """The line that is told is the user's."""
    with pytest.warns(DeprecationWarning, match="`@unittest_run_loop` is no longer need") as told:
        unittest_run_loop(hello)
    assert told[0].filename == __file__


def test_a_mocked_application_forgets_what_is_deleted() -> None:
    app: Any = make_mocked_request("GET", "/").app
    app["a"] = 1
    del app["a"]
    assert "a" not in app
    with pytest.raises(KeyError):
        app["a"]


def test_a_mocked_request_has_a_mock_for_a_loop_outside_of_loops() -> None:
    request = make_mocked_request("GET", "/")
    with pytest.warns(DeprecationWarning, match="request.loop property is deprecated"):
        assert isinstance(request.loop, mock.Mock)


async def test_a_mocked_request_has_the_running_loop_or_the_one_given() -> None:
    for loop, expected in ((..., asyncio.get_running_loop()), ("own", "own")):
        request = make_mocked_request("GET", "/", loop=loop)
        with pytest.warns(DeprecationWarning, match="request.loop property is deprecated"):
            assert request.loop == expected
