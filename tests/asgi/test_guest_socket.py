"""Our WebSockets under ASGI hosts, message by message, and with the quirks that hosts have."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from bascule import WSMsgType, web
from bascule.asgi import guest_socket
from bascule.channel import ClientConnectionResetError
from support.hosts import own_socket, uvicorn_guest
from support.sockets import Closed, Refused
from support.wire import PATIENCE

CONNECT = {"type": "websocket.connect"}
DENIAL = "websocket.http.response"
# What daphne gives, and no more.
SMALLEST = {"type": "websocket", "path": "/ws", "headers": [(b"host", b"h")]}
SCOPE = {
    **SMALLEST,
    "asgi": {"version": "3.0", "spec_version": "2.5"},
    "http_version": "1.1",
    "scheme": "ws",
    "raw_path": b"/ws",
    "query_string": b"",
    "root_path": "",
    "subprotocols": [],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 80),
    "extensions": {DENIAL: {}},
}


_PLAIN = {str, bytes, int, bool, list, type(None)}


def text(data: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": data}


def disconnect(code: int = 1000, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


class FakeHost:
    """A host of one call, which has all its messages ready.

    Attributes:
        sent: what the application has sent.
        receiving: calls of receive that wait.
        receiving_at_close: how many did when a close came.
    """

    def __init__(self, *messages: Any, refuses: tuple[int, ...] = (), broken: bool = False) -> None:
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        for message in (CONNECT, *messages):
            self.messages.put_nowait(message)
        self._refuses = refuses
        self.broken = broken
        self.sent: list[dict[str, Any]] = []
        self.receiving = 0
        self.receiving_at_close: int | None = None

    async def receive(self) -> Any:
        self.receiving += 1
        try:
            message = await self.messages.get()
        finally:
            self.receiving -= 1
        if isinstance(message, Exception):
            raise message
        return message

    async def send(self, message: dict[str, Any]) -> None:
        # daphne refuses other integers
        assert {type(value) for value in message.values()} <= _PLAIN
        if self.broken and message["type"] != "websocket.accept":
            raise OSError("gone")
        if message["type"] == "websocket.close":
            self.receiving_at_close = self.receiving
            if message.get("code") in self._refuses:
                raise ValueError("a code that this host does not like")
            self.messages.put_nowait(disconnect(message.get("code", 1000)))
        self.sent.append(message)

    @property
    def kinds(self) -> list[str]:
        return [message["type"].removeprefix("websocket.") for message in self.sent]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def app_of(handler: Handler, **kwargs: Any) -> web.Application:
    app = web.Application(**kwargs)
    app.router.add_get("/ws", handler)
    return app


async def call(handler: Handler, host: FakeHost, scope: Any = None, **changes: Any) -> FakeHost:
    app = app_of(handler)
    async with app, asyncio.timeout(PATIENCE):
        await app({**(scope or SCOPE), **changes}, host.receive, host.send)
    return host


async def opened(request: web.Request, **options: Any) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(**options)
    await ws.prepare(request)
    return ws


async def echo(request: web.Request) -> web.WebSocketResponse:
    ws = await opened(request)
    async for message in ws:
        await (ws.send_str if message.type is WSMsgType.TEXT else ws.send_bytes)(message.data)
    return ws


# -- the messages


async def test_messages_of_a_whole_call() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=["b"])
        ws.headers["X-Mixed"] = "ü"
        ws.set_cookie("a", "1")
        await ws.prepare(request)
        await ws.send_str("x")
        await ws.send_bytes(b"y")
        await ws.close(code=4000, message=b"why")
        return ws

    host = await call(handler, FakeHost(), subprotocols=["a", "b"])
    assert host.sent == [
        {
            "type": "websocket.accept",
            "subprotocol": "b",
            "headers": [(b"x-mixed", "ü".encode()), (b"set-cookie", b"a=1; Path=/")],
        },
        {"type": "websocket.send", "text": "x"},
        {"type": "websocket.send", "bytes": b"y"},
        {"type": "websocket.close", "code": 4000, "reason": "why"},
    ]


async def test_fields_of_the_handshake_are_the_hosts_to_send() -> None:
    names = ["Connection", "Upgrade", "Date", "Server", "Content-Length", "X-Own"]
    names += ["Sec-WebSocket-Accept", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"]

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        for name in names:
            ws.headers[name] = "1"
        await ws.prepare(request)
        return ws

    host = await call(handler, FakeHost())
    assert host.sent[0]["headers"] == [(b"x-own", b"1")]


async def test_nothing_is_received_before_it_is_wanted() -> None:
    host = FakeHost(text("a"))

    async def handler(request: web.Request) -> web.WebSocketResponse:
        assert host.messages.qsize() == 2
        ws = await opened(request)
        await asyncio.sleep(0)
        assert host.messages.qsize() == 1
        assert (await ws.receive()).data == "a"
        await asyncio.sleep(0)
        assert host.receiving == 0
        return ws

    await call(handler, host)
    assert host.receiving == 0


async def test_from_the_first_send_on_the_client_is_watched_up_to_a_bound() -> None:
    """Not every host lets a send fail once the client has left."""
    host, ended = FakeHost(*[text("a" * 1000)] * 1000), asyncio.Event()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.send_str("x")
        for _ in range(2000):
            await asyncio.sleep(0)
        assert 800 < host.messages.qsize() < 900
        for _ in range(1000):
            await ws.receive()
        host.messages.put_nowait(disconnect(1006))
        try:
            while True:
                await ws.send_str("x")
                await asyncio.sleep(0)
        except ConnectionResetError:
            ended.set()
        return ws

    await call(handler, host)
    assert ended.is_set()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"text": "x"}, (WSMsgType.TEXT, "x")),
        ({"text": "x", "bytes": None}, (WSMsgType.TEXT, "x")),
        ({"text": ""}, (WSMsgType.TEXT, "")),
        ({"text": "", "bytes": None}, (WSMsgType.TEXT, "")),
        ({"bytes": b"x"}, (WSMsgType.BINARY, b"x")),
        ({"text": None, "bytes": b"x"}, (WSMsgType.BINARY, b"x")),
        ({"text": None, "bytes": b""}, (WSMsgType.BINARY, b"")),
        ({"bytes": b"x", "more": 1}, (WSMsgType.BINARY, b"x")),
    ],
)
async def test_messages_in_each_form(message: Any, expected: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        assert (await ws.receive())[:2] == expected
        return ws

    await call(handler, FakeHost({"type": "websocket.receive", **message}))


async def test_messages_of_unknown_types_are_skipped() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        assert (await ws.receive()).data == "a"
        return ws

    await call(handler, FakeHost({"type": "websocket.new"}, {"type": "x"}, text("a")))


@pytest.mark.parametrize(
    ("message", "seen", "close_code"),
    [
        (disconnect(1000), (WSMsgType.CLOSE, 1000, ""), 1000),
        (disconnect(4000, "why"), (WSMsgType.CLOSE, 4000, "why"), 4000),
        ({"type": "websocket.disconnect", "code": 1001}, (WSMsgType.CLOSE, 1001, ""), 1001),
        (disconnect(1001, None), (WSMsgType.CLOSE, 1001, ""), 1001),  # type: ignore[arg-type]
        (disconnect(1005), (WSMsgType.CLOSE, 0, ""), 0),
        ({"type": "websocket.disconnect"}, (WSMsgType.CLOSE, 0, ""), 0),
        ({"type": "websocket.disconnect", "code": None}, (WSMsgType.CLOSE, 0, ""), 0),
        (disconnect(1006), (WSMsgType.CLOSED, None, None), 1006),
    ],
)
async def test_disconnects_in_each_form(message: Any, seen: Any, close_code: int) -> None:
    told: list[Any] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        told.append(tuple(await ws.receive()))
        told.append(ws.close_code)
        told.append((await ws.receive()).type)
        with pytest.raises(ConnectionResetError):
            await ws.send_str("late")
        return ws

    host = await call(handler, FakeHost(message))
    assert told == [seen, close_code, WSMsgType.CLOSED]
    assert host.kinds == ["accept"]
    assert host.messages.empty()


async def test_a_disconnect_with_autoclose_off_sends_nothing_either() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request, autoclose=False)
        assert (await ws.receive()).type is WSMsgType.CLOSE
        await ws.close()
        return ws

    host = await call(handler, FakeHost(disconnect(4000)))
    assert "send" not in host.kinds
    assert host.kinds.count("close") <= 1


# -- the scope


async def test_the_smallest_scope_is_enough() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request, protocols=["a"])
        assert (request.path, request.scheme, request.remote) == ("/ws", "http", None)
        assert ws.get_extra_info("peername", "unknown") == "unknown"
        assert ws.ws_protocol is None
        await ws.send_str((await ws.receive()).data)
        return ws

    host = await call(handler, FakeHost(text("x")), SMALLEST)
    assert host.kinds == ["accept", "send", "close"]


async def test_the_scope_is_left_as_it_is() -> None:
    scope = dict(SCOPE)
    app = app_of(echo)
    host = FakeHost(disconnect())
    async with app:
        await app(scope, host.receive, host.send)
    assert scope == SCOPE


@pytest.mark.parametrize(
    "changes",
    [
        {"subprotocols": ["a", "b"]},
        {"subprotocols": iter(["a", "b"])},
        {"subprotocols": None, "headers": [(b"sec-websocket-protocol", b"a, b")]},
        {"headers": [(b"sec-websocket-protocol", b"a"), (b"sec-websocket-protocol", b"b")]},
        {"headers": [(b"Sec-WebSocket-Protocol", b"a,b")]},
    ],
    ids=["list", "iterator", "no list", "two fields", "mixed case"],
)
async def test_subprotocols_wherever_they_are(changes: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request, protocols=["b"])
        assert ws.ws_protocol == "b"
        return ws

    host = await call(handler, FakeHost(), **changes)
    assert host.sent[0]["subprotocol"] == "b"


@pytest.mark.parametrize("version", ["1.1", "2", "3", "1.0", "1"])
async def test_sockets_of_any_http_version(version: str) -> None:
    """HTTP/2 has no Upgrade field: the type of the scope decides."""
    host = await call(echo, FakeHost(text("x"), disconnect()), http_version=version)
    assert host.kinds == ["accept", "send"]


@pytest.mark.parametrize(("scheme", "expected"), [("ws", "http"), ("wss", "https")])
async def test_scheme_of_the_request(scheme: str, expected: str) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        assert (request.scheme, request.secure) == (expected, expected == "https")
        assert str(request.url) == f"{expected}://h/ws"
        return await opened(request)

    host = await call(handler, FakeHost(), scheme=scheme)
    assert host.kinds == ["accept", "close"]


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "/r/ws", "raw_path": b"/r/ws", "root_path": "/r"},
        {"path": "/ws", "raw_path": b"/ws", "root_path": "/r"},
        {"path": "/r/ws", "raw_path": None, "root_path": "/r"},
    ],
)
async def test_root_path_is_not_routed(changes: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        assert request.path == "/r/ws"
        return await opened(request)

    host = await call(handler, FakeHost(), **changes)
    assert host.kinds == ["accept", "close"]


# -- quirks of receive and send


class _Awaitable:
    """What granian gives: it can be awaited, and nothing else."""

    def __init__(self, coroutine: Any) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Any:
        return self._coroutine.__await__()


async def test_awaitables_that_are_no_coroutines() -> None:
    host = FakeHost(text("x"), disconnect())
    app = app_of(echo)
    async with app:
        await app(
            SCOPE,
            lambda: _Awaitable(host.receive()),
            lambda message: _Awaitable(host.send(message)),
        )
    assert host.kinds == ["accept", "send"]


async def test_a_pending_receive_is_cancelled_before_the_close() -> None:
    """granian holds a close back while somebody receives."""

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        receiving = asyncio.create_task(ws.receive())
        for _ in range(3):
            await asyncio.sleep(0)
        await ws.close(code=4000)
        assert (await receiving).type is WSMsgType.CLOSING
        return ws

    host = await call(handler, FakeHost())
    assert (host.sent[-1]["code"], host.receiving_at_close) == (4000, 0)


async def test_a_receive_that_timed_out_is_cancelled_before_the_close() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.001)
        return ws

    host = await call(handler, FakeHost())
    assert (host.kinds, host.receiving_at_close) == (["accept", "close"], 0)


async def test_a_time_out_keeps_one_call_of_receive() -> None:
    host = FakeHost()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        for _ in range(5):
            with pytest.raises(TimeoutError):
                await ws.receive(timeout=0.001)
            assert host.receiving == 1
        host.messages.put_nowait(text("a"))
        host.messages.put_nowait(text("b"))
        assert [(await ws.receive()).data, (await ws.receive()).data] == ["a", "b"]
        return ws

    await call(handler, host)


@pytest.mark.parametrize(
    ("refuses", "sent"), [((), 4000), ((4000,), 1000)], ids=["takes it", "falls back"]
)
async def test_a_host_that_refuses_the_code_of_a_close(
    refuses: tuple[int, ...], sent: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[Any] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        told.append(await ws.close(code=4000, message=b"why"))
        told.append((ws.closed, ws.close_code, ws.exception()))
        return ws

    host = await call(handler, FakeHost(refuses=refuses))
    assert [m["code"] for m in host.sent if m["type"] == "websocket.close"] == [sent]
    assert told == [True, (True, sent, None)]
    noted = [r for r in caplog.records if "refused" in r.getMessage()]
    assert [r.levelno for r in noted] == [logging.DEBUG] * len(refuses)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


async def test_a_host_that_refuses_any_close_has_to_cut() -> None:
    """The error goes to the host: daphne keeps a WebSocket open when the call returns."""

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        assert await ws.close(code=4000) is True
        assert ws.closed
        return ws

    host = FakeHost(refuses=(4000, 1000))
    with pytest.raises(ValueError, match="does not like"):
        await call(handler, host)
    assert host.kinds == ["accept"]


async def test_a_send_that_raises_an_os_error_is_a_reset() -> None:
    told: list[Any] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        for _ in range(2):
            with pytest.raises(ClientConnectionResetError):
                await ws.send_str("x")
        told.append((await ws.receive()).type)
        told.append((ws.closed, ws.close_code))
        return ws

    host = await call(handler, FakeHost(broken=True))
    assert told == [WSMsgType.CLOSED, (True, 1006)]
    assert host.kinds == ["accept"]


async def test_a_send_that_raises_wakes_a_receive_beside_it() -> None:
    told: list[Any] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        receiving = asyncio.create_task(ws.receive())
        await asyncio.sleep(0)
        with pytest.raises(ClientConnectionResetError):
            await ws.send_str("x")
        told.append((await receiving).type)
        return ws

    await call(handler, FakeHost(broken=True))
    assert told == [WSMsgType.CLOSED]


async def test_an_os_error_that_leaves_the_handler_is_nobodys_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.send_str("x")
        return ws

    await call(handler, FakeHost(broken=True))
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


async def test_a_receive_that_raises_is_a_loss() -> None:
    told: list[Any] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        told.append((await ws.receive()).type)
        told.append((ws.close_code, str(ws.exception())))
        return ws

    await call(handler, FakeHost(RuntimeError("the host's")))
    assert told == [WSMsgType.CLOSED, (1006, "the host's")]


async def test_a_client_that_left_before_the_acceptance(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Any] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        try:
            await ws.prepare(request)
        except ConnectionResetError as exc:
            told.append(type(exc).__name__)
            raise
        return ws

    host = FakeHost()
    host.messages = asyncio.Queue()
    host.messages.put_nowait(disconnect(1006))
    await call(handler, host)
    assert told == ["ClientConnectionResetError"]
    assert host.sent == []
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


async def test_a_host_that_cancels_the_call_leaves_no_task() -> None:
    told: list[str] = []
    ready = asyncio.Event()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        try:
            ready.set()
            await ws.receive()
        except asyncio.CancelledError:
            told.append("cancelled")
            raise
        return ws

    host = FakeHost()
    app = app_of(handler)
    async with app:
        task = asyncio.create_task(app(SCOPE, host.receive, host.send))
        await ready.wait()
        for _ in range(3):
            await asyncio.sleep(0)
        assert host.receiving == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert told == ["cancelled"]
        assert host.receiving == 0
        assert not [t for t in asyncio.all_tasks() if t.get_name() == "bascule-pull"]


async def test_a_cancelled_call_ends_though_the_host_takes_no_close() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.receive()
        return ws

    host = FakeHost(broken=True)
    app = app_of(handler)
    async with app:
        task = asyncio.create_task(app(SCOPE, host.receive, host.send))
        async with asyncio.timeout(PATIENCE):
            while not host.receiving or not host.sent:
                await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_messages_that_nobody_wanted_are_left() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        return await opened(request)

    host = await call(handler, FakeHost(text("a"), text("b")))
    assert host.kinds == ["accept", "close"]


async def test_a_message_over_the_limit_is_1009() -> None:
    told: list[Any] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request, max_msg_size=8)
        assert (await ws.receive()).data == "1234567"
        message = await ws.receive()
        told.append((message.type, message.data.code, ws.close_code))
        return ws

    for big in ("12345678", "üüüü"):
        host = await call(handler, FakeHost(text("1234567"), text(big)))
        assert host.sent[-1] == {"type": "websocket.close", "code": 1009}
        assert host.kinds == ["accept", "close"]
    assert told == [(WSMsgType.ERROR, 1009, 1006)] * 2


async def test_the_call_does_not_end_before_its_1009_is_sent() -> None:
    """granian closes without a code when the call returns first."""

    class SlowHost(FakeHost):
        async def send(self, message: dict[str, Any]) -> None:
            for _ in range(10):
                await asyncio.sleep(0)
            await super().send(message)

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request, max_msg_size=8)
        assert (await ws.receive()).type is WSMsgType.ERROR
        return ws

    host = await call(handler, SlowHost(text("12345678")))
    assert host.kinds == ["accept", "close"]


async def test_no_limit_of_messages() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request, max_msg_size=0)
        assert len((await ws.receive()).data) == 2**23
        return ws

    await call(handler, FakeHost(text("x" * 2**23)))


@pytest.fixture
def _untold() -> None:
    guest_socket._tell_of_pings.cache_clear()


@pytest.mark.usefixtures("_untold")
async def test_pings_are_without_effect_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bascule.websocket")

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request, heartbeat=0.001)
        await ws.ping()
        await ws.ping(b"x")
        await ws.pong()
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.05)
        assert not ws.closed
        return ws

    for _ in range(2):
        host = await call(handler, FakeHost())
        assert host.kinds == ["accept", "close"]
    said = [r for r in caplog.records if "Pings" in r.getMessage()]
    assert [r.levelno for r in said] == [logging.DEBUG]


async def test_compression_reads_as_none() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request, compress=True)
        assert ws.compress == 0
        await ws.send_str("x", compress=15)
        return ws

    host = await call(handler, FakeHost())
    assert host.sent[1] == {"type": "websocket.send", "text": "x"}


# -- the end


async def test_a_return_closes_with_1000() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        return await opened(request)

    host = await call(handler, FakeHost())
    assert host.sent[-1] == {"type": "websocket.close", "code": 1000}


async def fail(request: web.Request) -> web.WebSocketResponse:
    raise ValueError("boom")


async def fail_late(request: web.Request) -> web.WebSocketResponse:
    await opened(request)
    raise ValueError("boom")


async def return_nothing(request: web.Request) -> Any:
    await opened(request)


async def answer_late(request: web.Request) -> web.StreamResponse:
    await opened(request)
    return web.Response(text="x")


@pytest.mark.parametrize("handler", [fail_late, return_nothing, answer_late])
async def test_an_error_behind_the_acceptance_closes_with_1011(
    handler: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The call returns: the host needs to know no more of it."""
    host = await call(handler, FakeHost())
    assert host.kinds == ["accept", "close"]
    assert host.sent[-1]["code"] == 1011
    assert [r for r in caplog.records if r.levelno >= logging.ERROR]


async def test_an_error_behind_the_close_sends_no_other() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.close(code=4000)
        raise ValueError("boom")

    host = await call(handler, FakeHost())
    assert [m.get("code") for m in host.sent] == [None, 4000]


async def test_an_error_behind_the_disconnect_sends_no_close() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.receive()
        raise ValueError("boom")

    for end in (disconnect(1000), disconnect(1006)):
        host = await call(handler, FakeHost(end))
        assert host.kinds == ["accept"]


async def test_a_shutdown_behind_the_hosts_close_is_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Hosts close sockets before lifespan.shutdown; applications close them in on_shutdown."""
    sockets: list[web.WebSocketResponse] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        sockets.append(ws)
        async for _ in ws:
            pass
        return ws

    async def close_all(app: web.Application) -> None:
        for ws in sockets:
            assert await ws.close(code=1001) is False

    app = app_of(handler)
    app.on_shutdown.append(close_all)
    host = FakeHost(disconnect(1012))
    async with app:
        await app(SCOPE, host.receive, host.send)
    assert host.kinds == ["accept"]
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


# -- refusals


async def forbid(request: web.Request) -> web.WebSocketResponse:
    raise web.HTTPForbidden(text="no", headers={"X-Mixed": "1", "Connection": "close"})


async def test_a_refusal_by_an_answer() -> None:
    host = await call(forbid, FakeHost())
    start, body = host.sent
    assert (start["type"], start["status"]) == (f"{DENIAL}.start", 403)
    assert dict(start["headers"]) == {
        b"x-mixed": b"1",
        b"content-type": b"text/plain; charset=utf-8",
        b"content-length": b"2",
    }
    assert body == {"type": f"{DENIAL}.body", "body": b"no", "more_body": False}


async def test_a_refusal_that_nobody_sees_is_not_gathered() -> None:
    """A host without the extension for it gets the close alone."""
    sizes = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(bytes(64 * 1024))
        sizes.append(len(request._exchange._denial))  # type: ignore[attr-defined]
        return response

    host = await call(handler, FakeHost(), SCOPE, extensions={})
    assert host.sent == [{"type": "websocket.close"}]
    assert sizes in ([], [0])


@pytest.mark.parametrize("changes", [{"extensions": {}}, {"extensions": None}, {}])
async def test_a_refusal_by_a_close(changes: Any) -> None:
    scope = SMALLEST if not changes else SCOPE
    host = await call(forbid, FakeHost(), scope, **changes)
    assert host.sent == [{"type": "websocket.close"}]
    assert host.messages.get_nowait() == disconnect()  # the connect was received before


@pytest.mark.parametrize("extensions", [{DENIAL: {}}, {}])
async def test_a_refusal_in_pieces_is_one_message(extensions: Any) -> None:
    """granian takes no second piece."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=503)
        await response.prepare(request)
        for piece in (b"a", b"", b"b"):
            await response.write(piece)
            await asyncio.sleep(0)
        return response

    host = await call(handler, FakeHost(), extensions=extensions)
    if extensions:
        assert host.kinds == ["http.response.start", "http.response.body"]
        assert (host.sent[1]["body"], host.sent[1]["more_body"]) == (b"ab", False)
    else:
        assert host.kinds == ["close"]


async def test_a_large_refusal_is_bounded_in_memory() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=503)
        await response.prepare(request)
        for _ in range(20):
            await response.write(bytes(30_000))
        return response

    host = await call(handler, FakeHost())
    pieces = host.sent[1:]
    assert sum(len(piece["body"]) for piece in pieces) == 600_000
    assert max(len(piece["body"]) for piece in pieces) < 100_000
    assert [piece["more_body"] for piece in pieces] == [True] * (len(pieces) - 1) + [False]


async def test_a_client_that_left_before_a_refusal(caplog: pytest.LogCaptureFixture) -> None:
    host = FakeHost()
    host.messages = asyncio.Queue()
    host.messages.put_nowait(disconnect(1006))
    await call(forbid, host)
    assert host.sent == []
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


async def test_a_handler_that_fails_is_500() -> None:
    host = await call(fail, FakeHost())
    assert (host.sent[0]["status"], host.sent[1]["more_body"]) == (500, False)


@pytest.mark.parametrize("extensions", [{DENIAL: {}}, {}])
async def test_a_failed_start_refuses(extensions: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def start(app: web.Application) -> None:
        raise ValueError("no start")

    app = app_of(echo)
    app.on_startup.append(start)
    host = FakeHost()
    await app({**SCOPE, "extensions": extensions}, host.receive, host.send)
    if extensions:
        assert host.kinds == ["http.response.start", "http.response.body"]
        assert host.sent[0]["status"] == 500
    else:
        assert host.kinds == ["close"]
    assert "The application failed to start" in caplog.messages


async def test_the_first_socket_starts_an_application_without_lifespan() -> None:
    log: list[str] = []

    async def context(app: web.Application) -> AsyncIterator[None]:
        log.append("up")
        yield
        log.append("down")

    app = app_of(echo)
    app.cleanup_ctx.append(context)
    hosts = [FakeHost(text("x"), disconnect()) for _ in range(3)]
    await asyncio.gather(*(app(SCOPE, host.receive, host.send) for host in hosts))
    assert [host.kinds for host in hosts] == [["accept", "send"]] * 3
    assert log == ["up"]
    await app._life.stop()
    assert log == ["up", "down"]


# -- whole hosts


@pytest.mark.parametrize("host", [own_socket, uvicorn_guest])
async def test_a_mount_in_starlette(host: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request, protocols=["p"])
        await ws.send_str(f"{request.path} {request.match_info['name']} {request.scheme}")
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    native = web.Application()
    native.router.add_get("/ws/{name}", handler)
    native.router.add_get("/no", forbid)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with native:
            yield

    parent = Starlette(routes=[Mount("/native", native)], lifespan=lifespan)
    async with host(parent) as client:
        async with await client.ws_connect("/native/ws/me", subprotocols=["p"]) as ws:
            assert ws.subprotocol == "p"
            assert await ws.receive() == "/native/ws/me me http"
            await ws.send("x")
            assert await ws.receive() == "x"
            await ws.close(4000)
            assert await ws.receive() == Closed(4000)
        with pytest.raises(Refused) as refused:
            await client.ws_connect("/native/no")
        assert (refused.value.answer.status, refused.value.answer.body) == (403, b"no")


@pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}])
async def test_a_refusal_without_an_end_ends_with_the_client(extensions: Any) -> None:
    host, ended = FakeHost(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async with web.EventSourceResponse(request) as events:
                await events.send("x")
                host.messages.put_nowait(disconnect(1006))
                await asyncio.Event().wait()
        finally:
            ended.set()
        return events

    await call(handler, host, SCOPE, extensions=extensions)
    assert ended.is_set()
    assert host.sent == ([] if extensions else [{"type": "websocket.close"}])
