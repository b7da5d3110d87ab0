"""How many connections there may be: accepting pauses at the limit, and idle ones go before."""

import asyncio
import contextlib
import logging
import socket
import struct
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bascule import serve, web
from bascule.server.descriptors import CENSUS, Census, find_limit
from support.loops import LOOPS, make_contexts, run_in, settle
from support.programs import program
from support.requests import GET, app_of, ok
from support.wire import PATIENCE, Wire

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="of Unix")

resource = pytest.importorskip("resource")

CLOSE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SERVER_TLS, CLIENT_TLS = make_contexts()


@pytest.fixture(autouse=True)
def heard(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Any:
    """Let each test hear what is said once a minute, and search for idle ones anew."""
    monkeypatch.setattr(CENSUS, "_said_at", {})
    monkeypatch.setattr(CENSUS, "_searched_at", float("-inf"))
    caplog.set_level(logging.INFO)
    return caplog


class Gate:
    """A handler that answers when it is let."""

    def __init__(self) -> None:
        self.entered = 0
        self.opened = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.Response:
        self.entered += 1
        await self.opened.wait()
        return web.Response(text="hi")


class Place:
    """Where a server of one kind listens, and how it is reached."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.options: dict[str, Any] = {}
        if kind == "unix":
            self.options["path"] = directory / "socket"
        if kind == "tls":
            self.options["ssl_context"] = SERVER_TLS
        self.kind = kind

    @contextlib.asynccontextmanager
    async def connect(self, server: Any) -> AsyncIterator[Wire]:
        if self.kind == "unix":
            opening = asyncio.open_unix_connection(self.options["path"])
        elif self.kind == "tls":
            opening = asyncio.open_connection(
                "127.0.0.1", server.port, ssl=CLIENT_TLS, server_hostname="localhost"
            )
        else:
            opening = asyncio.open_connection("127.0.0.1", server.port)
        wire = Wire(*await opening)
        try:
            yield wire
        finally:
            await wire.close()


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


def reset(wire: Wire) -> None:
    """Leave so that the server cannot take it for the end of one half."""
    sock = wire.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.writer.transport.abort()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", ["tcp", "unix", "tls"])
def test_new_connections_wait_at_the_limit(
    kind: str, loop: str, tmp_path: Path, heard: pytest.LogCaptureFixture
) -> None:
    """Nobody is reset: what is too much waits in the backlog, and is served in its turn."""

    async def scenario() -> None:
        gate, place = Gate(), Place(kind, tmp_path)
        async with (
            serve(app_of(gate), limit_connections=2, access_log=None, **place.options) as server,
            contextlib.AsyncExitStack() as stack,
        ):
            busy = [await stack.enter_async_context(place.connect(server)) for _ in range(2)]
            for wire in busy:
                await wire.send(CLOSE)
            await until(lambda: gate.entered == 2)

            async def wait_in_line() -> bytes:
                async with place.connect(server) as wire:
                    await wire.send(CLOSE)
                    return await wire.read_all()

            late = [asyncio.create_task(wait_in_line()) for _ in range(3)]
            await settle()
            assert (gate.entered, len(server.runner.server.connections)) == (2, 2)
            gate.opened.set()
            for answer in [*[wire.read_all() for wire in busy], *late]:
                assert (await answer).endswith(b"\r\n\r\nhi")
            assert gate.entered == 5
        said = [record.getMessage() for record in heard.records]
        assert said == ["Accepting pauses: limit_connections is 2"]

    run_in(loop, scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_the_idlest_connections_are_closed_for_new_ones(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        place = Place("tcp", tmp_path)
        async with (
            serve(app_of(ok), limit_connections=3, access_log=None) as server,
            contextlib.AsyncExitStack() as stack,
        ):
            wires = []
            for _ in range(4):
                wire = await stack.enter_async_context(place.connect(server))
                await wire.send(GET)
                await wire.read_answer()
                wires.append(wire)
            assert await wires[0].read_all() == b""
            for wire in wires[1:]:
                await wire.send(GET)
                assert (await wire.read_answer())[2] == b"/"

    run_in(loop, scenario())


async def test_idle_connections_are_closed_before_the_limit(tmp_path: Path) -> None:
    """With a sixteenth of it left, so that the next ones need not wait."""
    place = Place("tcp", tmp_path)
    async with (
        serve(app_of(ok), limit_connections=32, access_log=None) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        wires = []
        for _ in range(31):
            wire = await stack.enter_async_context(place.connect(server))
            await wire.send(GET)
            await wire.read_answer()
            wires.append(wire)
        assert await wires[0].read_all() == b""
        await wires[1].send(GET)
        assert (await wires[1].read_answer())[2] == b"/"


async def test_connections_that_never_sent_a_byte_go_last(tmp_path: Path) -> None:
    """A new one has its five seconds, whatever else waits."""
    place = Place("tcp", tmp_path)
    async with (
        serve(app_of(ok), limit_connections=2, access_log=None) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        silent = await stack.enter_async_context(place.connect(server))
        kept = await stack.enter_async_context(place.connect(server))
        await kept.send(GET)
        await kept.read_answer()
        third = await stack.enter_async_context(place.connect(server))
        assert await kept.read_all() == b""
        connections = server.runner.server
        await until(lambda: len(connections.connections) == 2)
        fourth = await stack.enter_async_context(place.connect(server))
        await settle()
        assert not silent.reader.at_eof()
        assert len(connections.connections) == 2
        real = connections.now
        connections.now = lambda: real() + 6
        assert await silent.read_all() == b""
        await until(lambda: len(connections.connections) == 2)
        connections.now = real
        for wire in (third, fourth):
            await wire.send(GET)
            await wire.read_answer()


async def test_kept_connections_go_before_silent_ones(tmp_path: Path) -> None:
    place = Place("tcp", tmp_path)
    async with (
        serve(app_of(ok), limit_connections=2, access_log=None) as server,
        place.connect(server) as silent,
        place.connect(server) as kept,
    ):
        await kept.send(GET)
        await kept.read_answer()
        connections = server.runner.server
        real = connections.now
        connections.now = lambda: real() + 6
        async with place.connect(server) as third:
            assert await kept.read_all() == b""
            connections.now = real
            for wire in (third, silent):
                await wire.send(GET)
                await wire.read_answer()


async def test_requests_and_websockets_are_never_closed_for_new_connections(
    tmp_path: Path,
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if "Upgrade" not in request.headers:
            return web.Response(body=await request.read())
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            await socket.send_str("here")
        return socket

    place = Place("tcp", tmp_path)
    async with (
        serve(app_of(handler), limit_connections=3, access_log=None) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        head, body, channel = [
            await stack.enter_async_context(place.connect(server)) for _ in range(3)
        ]
        await channel.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await channel.read_head()
        await head.send(GET + GET[:-2])
        await head.read_answer()
        await body.send(GET + b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        await body.read_answer()
        connections = server.runner.server
        await until(lambda: all(c.idle_for(0) is None for c in connections.connections))
        late = await stack.enter_async_context(place.connect(server))
        await settle()
        real = connections.now
        connections.now = lambda: real() + 10
        await settle()
        assert len(connections.connections) == 3
        await head.send(b"Connection: close\r\n\r\n")
        assert (await head.read_all()).startswith(b"HTTP/1.1 200 ")
        await late.send(GET)
        await late.read_answer()
        await body.send(b"b")
        assert (await body.read_answer())[2] == b"ab"
        await channel.send(b"\x81\x80abcd")
        assert await channel.reader.readexactly(6) == b"\x81\x04here"


async def test_connections_of_all_servers_of_the_process_count(tmp_path: Path) -> None:
    """Also of one that has no limit of its own, as runners have none unless asked for."""
    gate, place = Gate(), Place("tcp", tmp_path)
    async with (
        serve(app_of(gate), access_log=None) as first,
        serve(app_of(ok), limit_connections=2, access_log=None) as second,
        place.connect(first) as one,
        place.connect(first) as two,
        place.connect(second) as three,
    ):
        assert first.runner.server.options.limit_connections is None
        await one.send(CLOSE)
        await two.send(CLOSE)
        await three.send(CLOSE)
        await until(lambda: gate.entered == 2)
        await settle()
        assert not second.runner.server.connections
        gate.opened.set()
        assert (await three.read_all()).endswith(b"/")
        async with place.connect(first) as four:
            await four.send(CLOSE)
            assert (await four.read_all()).endswith(b"hi")


async def test_a_responder_without_its_client_holds_no_descriptor(tmp_path: Path) -> None:
    gate, place = Gate(), Place("tcp", tmp_path)
    async with serve(app_of(gate), limit_connections=1, access_log=None) as server:
        connections = server.runner.server
        for number in range(1, 4):
            async with place.connect(server) as wire:
                await wire.send(GET)
                await until(lambda number=number: gate.entered == number)
                reset(wire)
            await until(lambda: connections.held == 0)
        assert len(connections.connections) == 3
        gate.opened.set()
        await until(lambda: not connections.connections)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_handshake_holds_a_descriptor(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        place = Place("tls", tmp_path)
        async with serve(
            app_of(ok), limit_connections=1, access_log=None, **place.options
        ) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            await until(lambda: server.runner.server.held == 1)

            async def ask() -> bytes:
                async with place.connect(server) as wire:
                    await wire.send(CLOSE)
                    return await wire.read_all()

            asking = asyncio.create_task(ask())
            await settle()
            assert server.runner.server.held == 1
            writer.close()
            await writer.wait_closed()
            assert (await asking).endswith(b"/")
            await until(lambda: server.runner.server.held == 0)

    run_in(loop, scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_stop_does_not_wait_for_handshakes(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        place = Place("tls", tmp_path)
        async with serve(app_of(ok), access_log=None, **place.options) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            connections = server.runner.server
            await until(lambda: connections.held == 1)
        await until(lambda: connections.held == 0)
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()

    run_in(loop, scenario())


async def test_a_stop_at_the_limit_ends(tmp_path: Path) -> None:
    gate, place = Gate(), Place("tcp", tmp_path)
    async with serve(app_of(gate), limit_connections=1, access_log=None) as server:
        async with place.connect(server) as busy:
            await busy.send(CLOSE)
            await until(lambda: gate.entered == 1)
            async with place.connect(server) as late:
                await settle()
                gate.opened.set()
                stopping = asyncio.create_task(server.runner.cleanup())
                assert (await busy.read_all()).endswith(b"hi")
                await stopping
                with contextlib.suppress(ConnectionResetError):
                    assert await late.read_all() == b""
    assert not CENSUS._waiting


def test_servers_of_other_threads_count(tmp_path: Path) -> None:
    """What a server in another loop lets go of is seen within a quarter of a second."""
    place = Place("tcp", tmp_path)
    holding, let_go = threading.Event(), threading.Event()

    async def hold() -> None:
        async with serve(app_of(ok), access_log=None) as server, place.connect(server):
            await until(lambda: server.runner.server.held == 1)
            holding.set()
            await asyncio.to_thread(let_go.wait, PATIENCE)

    async def scenario() -> None:
        async with (
            serve(app_of(ok), limit_connections=1, access_log=None) as server,
            place.connect(server) as wire,
        ):
            await settle()
            assert not server.runner.server.connections
            let_go.set()
            await wire.send(CLOSE)
            assert (await wire.read_all()).endswith(b"/")

    thread = threading.Thread(target=lambda: asyncio.run(hold()))
    thread.start()
    try:
        assert holding.wait(PATIENCE)
        asyncio.run(scenario())
    finally:
        let_go.set()
        thread.join()


# -- the limit itself


def test_the_limit_is_found_from_the_descriptors_that_may_be_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    soft = [1024]
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft[0], resource.RLIM_INFINITY))
    assert (find_limit("auto"), find_limit(None), find_limit(7)) == (960, None, 7)
    soft[0] = 10
    assert find_limit("auto") == 1
    soft[0] = resource.RLIM_INFINITY
    assert find_limit("auto") is None


async def test_a_search_that_found_nothing_is_not_repeated_at_once() -> None:
    """Else each new connection would cost a look at all others."""
    looked = []

    class Busy:
        loop = asyncio.get_running_loop()
        held = 100

        def list_idle(self) -> list[Any]:
            looked.append(1)
            return []

    now = [0.0]
    census, holder = Census(clock=lambda: now[0]), Busy()
    census.join(holder)
    for _ in range(5):
        assert not census.has_room(100)
    assert len(looked) == 1
    now[0] += 1.5
    assert census.has_room(101)
    assert len(looked) == 2
    del holder
    assert census.held == 0


LIMITED = """
import asyncio, resource
from bascule import web

resource.setrlimit(resource.RLIMIT_NOFILE, (80, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

async def hold(request):
    request.app["count"] += 1
    if request.app["count"] == 16:
        print("sixteen", flush=True)
    await request.app["go"].wait()
    return web.Response(text="held")

async def begin(app):
    app["count"], app["go"] = 0, asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(10, app["go"].set)

app = web.Application()
app.router.add_get("/", hold)
app.on_startup.append(begin)
if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=0)
"""


@pytest.mark.parametrize("how", ["run_app", "command line", "off"])
async def test_programs_have_the_limit_by_default(how: str, tmp_path: Path) -> None:
    (tmp_path / "limited.py").write_text(LIMITED.replace('app["', 'app["x'))
    arguments = ["limited.py"]
    if how != "run_app":
        arguments = ["-m", "bascule", "limited:app", "--port", "0"]
    if how == "off":
        arguments += ["--limit-connections", "none"]
    async with program("-W", "ignore::Warning", *arguments, cwd=tmp_path) as running:
        port = int((await running.url()).rpartition(":")[2])
        async with contextlib.AsyncExitStack() as stack:
            wires = []
            for _ in range(18):
                wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
                stack.push_async_callback(wire.close)
                await wire.send(CLOSE)
                wires.append(wire)
            await running.read_until("sixteen")
            if how != "off":
                await running.read_until("Accepting pauses: limit_connections is 16")
            running.process.send_signal(10)
            for wire in wires:
                assert (await wire.read_all()).endswith(b"held")
        assert await running.end(15) == 0
    assert running.output.count("Accepting pauses") == (how != "off")
