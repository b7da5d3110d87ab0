"""Start and end of an ASGI application of others on our server: rules L01 to L18."""

import asyncio
import contextvars
import logging
import re
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import bascule
from bascule import web
from bascule.asgi import host_call
from bascule.asgi.lifespan import Lifespan, LifespanError
from support.asgi_role import GET, START, Application, body, get, opened, post, read_rest, start
from support.frames import GOING_AWAY, Peer, close_frame, handshake
from support.programs import Program, program
from support.wire import PATIENCE, Wire, serve

COMPLETE = {"type": "lifespan.startup.complete"}
HERE = Path(__file__).parent


class Living:
    """An application whose lifespan is a coroutine function of receive and send.

    Attributes:
        seen: what happened.
    """

    def __init__(self, live: Any = None) -> None:
        self.live = live or self.obey
        self.seen: list[str] = []
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            self.scopes.append(scope)
            await self.live(receive, send)
            return
        self.seen.append("request")
        await send(START)
        await send(body())

    async def obey(self, receive: Any, send: Any) -> None:
        for _ in range(2):
            phase = (await receive())["type"]
            self.seen.append(phase)
            await send({"type": f"{phase}.complete"})
        self.seen.append("returned")


async def request(app: Any, **options: Any) -> None:
    """Serve an application, and have a request answered."""
    async with opened(app, **options) as (_, wire):
        await wire.send(GET)
        assert (await wire.read_answer())[0] == b"HTTP/1.1 200 OK"


async def test_l01_the_protocol() -> None:
    """The application is told of start and end, in this order, and returns."""
    app = Living()
    await request(app)
    assert app.scopes == [
        {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    ]
    assert app.seen == ["lifespan.startup", "request", "lifespan.shutdown", "returned"]


async def test_l02_no_request_before_the_start_is_complete() -> None:
    """Nothing listens before start-up is complete."""
    go_on = asyncio.Event()

    async def live(receive: Any, send: Any) -> None:
        await receive()
        await go_on.wait()
        await send(COMPLETE)
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    runner = web.AppRunner(Living(live))
    starting = asyncio.ensure_future(runner.setup())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not starting.done()
    with pytest.raises(RuntimeError):  # no site before that
        web.TCPSite(runner, "127.0.0.1", 0)
    go_on.set()
    await starting
    await runner.cleanup()


# -- processes


@asynccontextmanager
async def running(mode: str = "", *options: str) -> AsyncIterator[Program]:
    """Run the command line in a process of its own."""
    arguments = ("-m", "bascule", "living_program:app", "--app-dir", str(HERE), "--port", "0")
    async with program(*arguments, *options, MODE=mode) as process:
        yield process


def told(process: Program) -> list[str]:
    """Give what the application has told, without the logs around."""
    return re.findall(r"^told (.*)$", process.output, re.MULTILINE)


async def connect(process: Program) -> Wire:
    port = int((await process.url()).rpartition(":")[2])
    return Wire(*await asyncio.open_connection("127.0.0.1", port))


async def wait_for_refusal(port: int) -> None:
    """Wait until nobody listens any more."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                return
            writer.close()


async def test_l03_a_start_that_fails() -> None:
    """The message of a start-up that failed is printed, and the process ends with an error."""
    async with running("startup failed") as process:
        assert await process.end() == 3
    assert "no database" in process.output
    assert "Traceback" not in process.output
    assert "Running on" not in process.output


@pytest.mark.parametrize("error", [ValueError("what is a lifespan?"), AssertionError()])
async def test_l04_an_error_on_the_scope(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """An application that raises on the lifespan is served without, and nothing is an error."""

    async def live(receive: Any, send: Any) -> None:
        raise error

    await request(Living(live))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_l05_an_error_at_start(caplog: pytest.LogCaptureFixture) -> None:
    """So is one that raises while it starts up; but that is an error."""

    async def live(receive: Any, send: Any) -> None:
        await receive()
        raise ValueError("no cache")

    await request(Living(live))
    assert [r.levelname for r in caplog.records if r.levelno >= logging.WARNING] == ["ERROR"]
    assert "no cache" in caplog.text


async def test_l06_a_lifespan_that_returns_at_once() -> None:
    """So is one that returns at once."""

    async def live(receive: Any, send: Any) -> None:
        return None

    await request(Living(live))


async def test_l07_a_lifespan_that_dies_later(caplog: pytest.LogCaptureFixture) -> None:
    """A lifespan that ends early harms nothing, and is told of."""

    async def live(receive: Any, send: Any) -> None:
        await receive()
        await send(COMPLETE)
        raise ValueError("later")

    await request(Living(live))
    assert "later" in caplog.text


async def test_l09_a_shutdown_that_fails() -> None:
    """The message of a shut-down that failed is printed, and the process ends."""
    async with running("shutdown failed") as process:
        await process.url()
        assert await process.end(signal.SIGTERM) == 3
    assert "no farewell" in process.output
    assert "Traceback" not in process.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_l10_l14_requests_in_flight_are_completed(number: signal.Signals) -> None:
    """SIGTERM and SIGINT let a request in flight end, refuse new ones, and shut down then."""
    async with running() as process:
        wire = await connect(process)
        await wire.send(post(b"a", length=2).replace(b"POST /", b"POST /upload"))
        await process.read_until("told entered")
        process.process.send_signal(number)
        await wait_for_refusal(wire.writer.get_extra_info("peername")[1])
        await wire.send(b"b")
        assert (await wire.read_answer())[2] == b"complete"
        await wire.close()
        assert await process.end() == 0
    assert told(process)[1:4] == ["entered", "answered", "shutdown begins"]


async def test_l08_l11_the_end_waits_for_the_shutdown_only() -> None:
    """The process ends when the shut-down is complete; idle connections do not hold it up."""
    async with running() as process:
        wire = await connect(process)
        await wire.send(GET)
        await wire.read_answer()
        began = time.monotonic()
        assert await process.end(signal.SIGTERM) == 0
        assert time.monotonic() - began < PATIENCE / 2  # answers in progress get 60 s
        assert await wire.read_all() == b""
        await wire.close()
    assert told(process) == ["startup", "shutdown begins", "shutdown ends"]


async def test_l12_open_websockets() -> None:
    """An open WebSocket is closed with 1001, and its application is told."""
    async with running() as process:
        wire = await connect(process)
        await wire.send(handshake())
        await wire.read_head()
        await process.read_until("told entered")
        process.process.send_signal(signal.SIGTERM)
        peer = Peer(wire, {})
        assert await peer.read() == GOING_AWAY
        await peer.send(close_frame(1001))
        assert await process.end() == 0
        await wire.close()
    assert told(process)[2:] == ["disconnect 1001", "shutdown begins", "shutdown ends"]


async def test_l13_a_handler_that_never_ends() -> None:
    """A handler that never ends is cancelled behind the time limit; the shut-down comes then."""
    async with running("", "--timeout-graceful-shutdown", "0.2") as process:
        wire = await connect(process)
        await wire.send(get(target="/never"))
        await process.read_until("told entered")
        assert await process.end(signal.SIGTERM) == 0
        await read_rest(wire)
        await wire.close()
    assert told(process)[2:] == ["cancelled", "shutdown begins", "shutdown ends"]


async def test_l15_a_port_in_use() -> None:
    """A port in use is told of, the lifespan is ended, and the process ends with an error."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with running("", "--port", str(port)) as process:
            assert await process.end() == 2
    assert f"port {port} is taken by" in process.output
    assert told(process) == ["startup", "shutdown begins", "shutdown ends"]


async def test_l16_lifespan_off() -> None:
    """With lifespan off the application is not asked; requests have a state all the same."""
    app = Living()
    await request(app, lifespan="off")
    assert (app.seen, app.scopes) == (["request"], [])
    kept = Application()
    await request(kept, lifespan="off")
    assert kept.scopes[0]["state"] == {}


async def test_l17_asgi_2() -> None:
    """Applications of ASGI 2 are served, with their lifespan."""
    seen: list[str] = []

    class Old:
        def __init__(self, scope: Any) -> None:
            self.scope = scope

        async def __call__(self, receive: Any, send: Any) -> None:
            if self.scope["type"] == "lifespan":
                for _ in range(2):
                    phase = (await receive())["type"]
                    seen.append(phase)
                    await send({"type": f"{phase}.complete"})
                return
            await send(START)
            await send(body(b"old"))

    await request(Old)
    assert seen == ["lifespan.startup", "lifespan.shutdown"]


async def test_l18_endless_streams_are_told() -> None:
    """An endless stream whose application listens is told by http.disconnect, and the process
    ends."""
    async with running() as process:
        wire = await connect(process)
        await wire.send(get(target="/stream"))
        await process.read_until("told entered")
        began = time.monotonic()
        assert await process.end(signal.SIGTERM) == 0
        assert time.monotonic() - began < PATIENCE / 2  # answers in progress get 60 s
        await read_rest(wire)
        await wire.close()
    assert told(process)[2:] == ["http.disconnect", "shutdown begins", "shutdown ends"]


# -- the stop, of several kinds of answers

EVENTS = start((b"Content-Type", b"text/event-stream; charset=utf-8"))


@asynccontextmanager
async def stopping(app: Application, **options: Any) -> AsyncIterator[tuple[Wire, Any]]:
    """Stop a server once the head of an answer has come."""
    async with opened(app, **options) as (served, wire):
        await wire.send(GET)
        await wire.read_head()
        cleaning = asyncio.ensure_future(served.runner.cleanup())
        yield wire, cleaning
        await cleaning


async def test_streams_of_events_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is a stream of events is told at once, and may still say its farewell."""
    monkeypatch.setattr(host_call, "_STREAM_GRACE", 3600.0)  # what others get

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(EVENTS)
        await send(body(b"data: 1\n\n", True))
        app.told.put_nowait(await receive())
        await send(body(b"data: bye\n\n", True))
        await send(body())

    app = Application(handler)
    async with stopping(app) as (wire, _):
        assert await app.next() == {"type": "http.disconnect"}
        assert (await read_rest(wire)).endswith(b"data: bye\n\n\r\n0\r\n\r\n")
    assert app.errors == [None]


async def test_streams_that_return_when_told(caplog: pytest.LogCaptureFixture) -> None:
    """One that returns when told is cut, so that its client can tell; nothing is logged."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(EVENTS)
        await send(body(b"data: 1\n\n", True))
        await receive()

    async with stopping(Application(handler)) as (wire, _):
        assert not (await read_rest(wire)).endswith(b"0\r\n\r\n")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_streams_of_events_that_do_not_listen(caplog: pytest.LogCaptureFixture) -> None:
    """One that does not listen has its send() raise, as if its client had left; nothing is
    logged."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(EVENTS)
        while True:
            await send(body(b"data: 1\n\n", True))
            await asyncio.sleep(0)

    app = Application(handler)
    async with stopping(app) as (wire, _):
        assert not (await read_rest(wire)).endswith(b"0\r\n\r\n")
    assert isinstance(app.errors[0], OSError)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_other_streams_get_a_little_time() -> None:
    """Other streams may end by themselves for a while, before they are told."""
    go_on = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        left = asyncio.ensure_future(receive())
        await send(START)
        await send(body(b"first ", True))
        await go_on.wait()
        app.told.put_nowait(left.done())
        await send(body(b"rest"))
        await left

    app = Application(handler)
    async with stopping(app) as (wire, _):
        for _ in range(100):
            await asyncio.sleep(0)
        go_on.set()
        assert await app.next() is False
        assert (await read_rest(wire)).endswith(b"rest\r\n0\r\n\r\n")


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"8")]])
async def test_answers_with_an_end_are_not_told(
    headers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that has not begun, and one that has told its length, have all the time there
    is."""
    monkeypatch.setattr(host_call, "_STREAM_GRACE", 0.0)
    go_on = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        left = asyncio.ensure_future(receive())
        if headers:
            await send(start(*headers))
            await send(body(b"some", True))
        app.told.put_nowait("begun")
        await go_on.wait()
        app.told.put_nowait(left.done())
        if not headers:
            await send(start((b"content-length", b"8")))
            await send(body(b"some", True))
        await send(body(b"more"))
        await left

    app = Application(handler)
    async with opened(app) as (served, wire):
        await wire.send(GET)
        assert await app.next() == "begun"
        cleaning = asyncio.ensure_future(served.runner.cleanup())
        async with asyncio.timeout(PATIENCE):
            while served.runner.server is not None:
                await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        go_on.set()
        assert await app.next() is False
        assert (await wire.read_answer())[2] == b"somemore"
        await cleaning


# -- modes and limits


async def test_lifespan_on_wants_one() -> None:
    """With lifespan on an application without one does not start."""

    async def live(receive: Any, send: Any) -> None:
        raise ValueError("what is a lifespan?")

    runner = web.AppRunner(Living(live), lifespan="on")
    with pytest.raises(LifespanError, match="has no lifespan") as caught:
        await runner.setup()
    assert isinstance(caught.value.__cause__, ValueError)
    await runner.cleanup()
    app = Living()
    await request(app, lifespan="on")
    assert app.seen[-1] == "returned"


async def stay(receive: Any, send: Any) -> None:
    """Answer nothing."""
    await asyncio.Event().wait()


async def start_only(receive: Any, send: Any) -> None:
    """Start up, and answer nothing then."""
    await receive()
    await send(COMPLETE)
    await asyncio.Event().wait()


async def test_a_start_is_bounded() -> None:
    """A start-up that takes too long is an error; no task stays."""
    runner = web.AppRunner(Living(stay), lifespan_startup_timeout=0.01)
    with pytest.raises(LifespanError, match=r"startup was not answered within 0\.01 seconds"):
        await runner.setup()
    await runner.cleanup()


async def test_an_end_is_bounded() -> None:
    """A shut-down that takes too long is an error; no task stays."""
    runner = web.AppRunner(Living(start_only), lifespan_shutdown_timeout=0.01)
    await runner.setup()
    with pytest.raises(LifespanError, match=r"shutdown was not answered within 0\.01 seconds"):
        await runner.cleanup()


async def test_an_application_that_failed_to_start_is_not_shut_down() -> None:
    """Behind a start-up that failed there is no shut-down; the call is ended."""
    seen = []

    async def live(receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed"})
        seen.append(await receive())

    runner = web.AppRunner(Living(live))
    with pytest.raises(LifespanError, match=r"lifespan\.startup failed"):
        await runner.setup()
    await runner.cleanup()
    assert seen == []


@pytest.mark.parametrize(
    "kind", ["lifespan.shutdown.complete", "lifespan.nonsense", "http.response.start"]
)
async def test_messages_that_nobody_asked_for(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """A message that answers no question raises."""

    async def live(receive: Any, send: Any) -> None:
        await receive()
        await send({"type": kind})

    await request(Living(live))
    assert f"Unexpected ASGI message '{kind}'" in caplog.text


async def test_a_cancelled_start_leaves_nothing() -> None:
    """Cancelled while it starts, the lifespan is ended."""
    lifespan = Lifespan(Living(stay), logger=logging.getLogger("test"))
    starting = asyncio.ensure_future(lifespan.startup())
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait([starting])
    assert starting.cancelled()


_VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("_VARIABLE", default="unset")


async def test_requests_see_the_context_of_the_start() -> None:
    """Context variables that the lifespan sets are seen by requests, as those that on_startup of a
    native application sets."""

    async def live(receive: Any, send: Any) -> None:
        await receive()
        _VARIABLE.set("by the lifespan")
        await send(COMPLETE)
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send)
            return
        await send(START)
        await send(body(_VARIABLE.get().encode()))

    async with serve(handler) as served:
        for _ in range(2):
            assert (await served.exchange(GET)).endswith(b"by the lifespan")


@pytest.mark.parametrize("value", ["", "yes", None, True])
def test_modes_that_are_none(value: Any) -> None:
    with pytest.raises(ValueError, match="lifespan should be 'auto', 'on' or 'off'"):
        web.AppRunner(Living(), lifespan=value)


def test_a_native_application_is_always_started() -> None:
    with pytest.raises(ValueError, match="always started"):
        web.AppRunner(web.Application(), lifespan="off")


async def test_the_switches_of_serve() -> None:
    app = Living()
    async with bascule.serve(app, lifespan="off", root_path="/p", access_log=None) as server:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", server.port))
        await wire.send(GET)
        await wire.read_answer()
        await wire.close()
    assert app.seen == ["request"]
