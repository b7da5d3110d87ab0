"""WebSockets of others' ASGI applications on our server, by the letter of the specification."""

import asyncio
import contextvars
import json
import logging
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
import websockets
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode

from bascule import web
from support.hosts import own_socket
from support.sockets import LOST, Closed, Refused
from support.wire import PATIENCE, Served, Wire, serve

ACCEPT = {"type": "websocket.accept"}
DENIAL = "websocket.http.response"
HANDSHAKE = (
    b"GET /p HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

Handler = Callable[["Call"], Awaitable[None]]


class Call:
    """One ``websocket`` call, and what its application has seen."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send

    async def accept(self, **more: Any) -> None:
        assert await self.receive() == {"type": "websocket.connect"}
        await self.send({**ACCEPT, **more})

    async def send_text(self, text: str) -> None:
        await self.send({"type": "websocket.send", "text": text})

    async def close(self, **more: Any) -> None:
        await self.send({"type": "websocket.close", **more})


class Application:
    """An application of one handler of WebSockets.

    Attributes:
        calls: that were begun.
        told: what the handler had to say.
        errors: what it has raised.
        ended: set with each call that is over.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.calls: list[Call] = []
        self.told: asyncio.Queue[Any] = asyncio.Queue()
        self.errors: list[BaseException] = []
        self.ended = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        assert scope["type"] == "websocket"
        call = Call(scope, receive, send)
        self.calls.append(call)
        try:
            await self._handler(call)
        except Exception as exc:
            self.errors.append(exc)
            raise
        finally:
            self.ended.set()

    async def next(self) -> Any:
        async with asyncio.timeout(PATIENCE):
            return await self.told.get()

    async def end(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.ended.wait()


def telling(handler: Callable[[Call, Callable[[Any], None]], Awaitable[None]]) -> Application:
    """Make an application of a handler that tells something."""

    async def tell_it(call: Call) -> None:
        await handler(call, app.told.put_nowait)

    app = Application(tell_it)
    return app


@asynccontextmanager
async def connected(served: Served, path: str = "/p", **options: Any) -> AsyncIterator[Any]:
    options = {"proxy": None, "max_size": None, "ping_interval": None, **options}
    scheme = "wss" if "ssl" in options else "ws"
    connection = await connect(f"{scheme}://127.0.0.1:{served.port}{path}", **options)
    try:
        yield connection
    finally:
        connection.transport.abort()
        await connection.wait_closed()


@asynccontextmanager
async def opened(served: Served, data: bytes = b"") -> AsyncIterator[Wire]:
    """A raw connection behind its handshake."""
    async with served.connect() as wire:
        await wire.send(HANDSHAKE + data)
        assert (await wire.read_head())[0] == b"HTTP/1.1 101 Switching Protocols"
        yield wire


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True, mask: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=mask)


async def read_end(connection: ClientConnection) -> Closed:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await connection.recv()
            except websockets.ConnectionClosed as exc:
                rcvd = exc.rcvd
                return Closed(LOST) if rcvd is None else Closed(rcvd.code, rcvd.reason)


async def echo(call: Call) -> None:
    await call.accept()
    while (message := await call.receive())["type"] == "websocket.receive":
        del message["type"]
        await call.send({"type": "websocket.send", **message})


def disconnect(code: int, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


def errors_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


# -- the scope


async def test_scope() -> None:
    """W01, W02."""
    app = Application(echo)
    fields = [("X-Two", "1"), ("X-two", "2")]
    async with (
        serve(app) as served,
        connected(served, "/a%20b%2Fc?x=%20y", additional_headers=fields, origin="http://o"),
    ):
        scope = app.calls[0].scope
    assert scope["type"] == "websocket"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert (scope["http_version"], scope["scheme"]) == ("1.1", "ws")
    assert (scope["path"], scope["raw_path"]) == ("/a b/c", b"/a%20b%2Fc")
    assert (scope["query_string"], scope["root_path"]) == (b"x=%20y", "")
    assert (scope["client"][0], scope["server"]) == ("127.0.0.1", ("127.0.0.1", served.port))
    assert [v for n, v in scope["headers"] if n == b"x-two"] == [b"1", b"2"]
    assert (b"origin", b"http://o") in scope["headers"]
    assert all(name == name.lower() for name, _ in scope["headers"])
    assert scope["extensions"] == {DENIAL: {}}
    assert "method" not in scope


@pytest.mark.parametrize("offered", [["b", "a", "c"], ["one"], []])
async def test_scope_has_the_subprotocols_in_their_order(offered: Any) -> None:
    """W03."""
    app = Application(echo)
    async with serve(app) as served, connected(served, subprotocols=offered or None):
        assert app.calls[0].scope["subprotocols"] == offered


async def test_scope_has_the_state_of_the_lifespan() -> None:
    """W31: a shallow copy for each call."""
    states: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            states.append(scope["state"])
            scope["state"]["own"] = 1
            await Call(scope, receive, send).accept()
            return
        for kind in ("startup", "shutdown"):
            await receive()
            scope["state"]["shared"] = states
            await send({"type": f"lifespan.{kind}.complete"})

    async with serve(app) as served:
        for _ in range(2):
            async with connected(served) as ws:
                await read_end(ws)
    assert [sorted(each) for each in states] == [["own", "shared"]] * 2
    assert states[0] is not states[1]
    assert states[0]["shared"] is states[1]["shared"]


async def test_scheme_is_wss_over_tls() -> None:
    """S111."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    app = Application(echo)
    async with serve(app, ssl_context=server) as served, connected(served, ssl=client) as ws:
        assert app.calls[0].scope["scheme"] == "wss"
        await ws.send("x" * 100_000)
        assert await ws.recv() == "x" * 100_000


async def test_a_plain_request_is_an_http_call() -> None:
    """W37."""
    kinds: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        kinds.append(scope["type"])
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async with serve(app) as served:
        await served.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await served.exchange(b"GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Version: 13\r\n\r\n")
    assert kinds == ["lifespan", "http", "http"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Version: 13", b"Version: 12"),
        (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ="),
        (b"Connection: Upgrade", b"Connection: close"),
        (b"GET ", b"POST "),
    ],
    ids=["version", "no key", "short key", "no upgrade", "method"],
)
async def test_a_bad_handshake_does_not_reach_the_application(old: bytes, new: bytes) -> None:
    """W36."""
    app = Application(echo)
    async with serve(app) as served:
        answer = await served.exchange(HANDSHAKE.replace(old, new))
    assert answer.startswith(b"HTTP/1.1 4")
    assert app.calls == []


# -- the acceptance


async def test_the_handshake_waits_for_the_application() -> None:
    """W04."""
    go_on = asyncio.Event()

    async def handler(call: Call) -> None:
        assert await call.receive() == {"type": "websocket.connect"}
        await go_on.wait()
        await call.send(ACCEPT)
        await call.receive()

    app = Application(handler)
    async with serve(app) as served, served.connect() as wire:
        await wire.send(HANDSHAKE)
        async with asyncio.timeout(PATIENCE):
            while not app.calls:
                await asyncio.sleep(0)
        reading = asyncio.create_task(wire.read_head())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not reading.done()
        go_on.set()
        assert (await reading)[0] == b"HTTP/1.1 101 Switching Protocols"


async def test_accept_without_asking_for_connect_first() -> None:
    async def handler(call: Call) -> None:
        await call.send(ACCEPT)
        assert (await call.receive())["type"] == "websocket.connect"
        await call.send_text((await call.receive())["text"])

    async with serve(Application(handler)) as served, connected(served) as ws:
        await ws.send("x")
        assert await ws.recv() == "x"


async def test_a_receive_may_be_begun_before_the_acceptance() -> None:
    async def handler(call: Call) -> None:
        await call.receive()
        receiving = asyncio.create_task(call.receive())
        await asyncio.sleep(0)
        await call.send(ACCEPT)
        await call.send_text((await receiving)["text"])

    async with serve(Application(handler)) as served, connected(served) as ws:
        await ws.send("x")
        assert await ws.recv() == "x"


@pytest.mark.parametrize(
    ("more", "chosen"),
    [({"subprotocol": "b"}, "b"), ({"subprotocol": None}, None), ({}, None)],
)
async def test_subprotocol_of_the_acceptance(more: Any, chosen: Any) -> None:
    """W05, W06."""

    async def handler(call: Call) -> None:
        await call.accept(**more)

    async with serve(Application(handler)) as served:
        async with connected(served, subprotocols=["a", "b"]) as ws:
            assert ws.subprotocol == chosen
            names = [name.lower() for name, _ in ws.response.headers.raw_items()]
            assert ("sec-websocket-protocol" in names) == bool(chosen)


async def test_fields_of_the_acceptance() -> None:
    """W07; what an application says of the handshake itself is not sent twice."""

    async def handler(call: Call) -> None:
        fields = [
            (b"x-two", b"1"),
            (b"x-two", b"2"),
            (b"set-cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"x-raw", "ü".encode()),
            (b"connection", b"close"),
            (b"content-length", b"5"),
            (b"date", b"mine"),
        ]
        await call.accept(headers=fields)

    async with serve(Application(handler)) as served, served.connect() as wire:
        await wire.send(HANDSHAKE)
        async with asyncio.timeout(PATIENCE):
            head = await wire.reader.readuntil(b"\r\n\r\n")
    lines = head[:-4].split(b"\r\n")[1:]
    names = [line.split(b":")[0].lower() for line in lines]
    for name in (b"connection", b"upgrade", b"date", b"sec-websocket-accept"):
        assert names.count(name) == 1, name
    assert b"content-length" not in names
    assert {b"date: mine", "x-raw: ü".encode(), b"Connection: upgrade"} <= set(lines)
    assert [line for line in lines if line.startswith((b"x-two", b"set-"))] == [
        b"x-two: 1",
        b"x-two: 2",
        b"set-cookie: a=1",
        b"set-cookie: b=2",
    ]


# -- refusals


async def refusal(app: Any, **options: Any) -> Any:
    async with own_socket(app, **options) as client:
        with pytest.raises(Refused) as refused:
            await client.ws_connect("/")
        return refused.value.answer


async def test_a_close_before_the_acceptance_is_403() -> None:
    """W08."""

    async def handler(call: Call) -> None:
        await call.receive()
        await call.close()
        assert await call.receive() == disconnect(LOST)

    app = Application(handler)
    answer = await refusal(app)
    assert (answer.status, answer.body) == (403, b"")
    assert app.errors == []


async def test_an_answer_in_place_of_a_socket() -> None:
    """E01."""

    async def handler(call: Call) -> None:
        await call.receive()
        fields = [(b"x-a", b"1"), (b"X-B", b"2"), (b"content-type", b"text/plain")]
        await call.send({"type": f"{DENIAL}.start", "status": 418, "headers": fields})
        await call.send({"type": f"{DENIAL}.body", "body": b"short"})
        assert (await call.receive())["type"] == "websocket.disconnect"

    app = Application(handler)
    answer = await refusal(app)
    assert (answer.status, answer.body) == (418, b"short")
    assert (answer.fields["x-a"], answer.fields["x-b"]) == ("1", "2")
    assert app.errors == []


@pytest.mark.parametrize("pieces", [[b"\x00", b"", b"\xff" * 70_000, b"end"], [b""], [b"a", b""]])
async def test_an_answer_in_pieces_in_place_of_a_socket(pieces: list[bytes]) -> None:
    """E02."""

    async def handler(call: Call) -> None:
        await call.receive()
        await call.send({"type": f"{DENIAL}.start", "status": 503})
        for number, piece in enumerate(pieces):
            more = number < len(pieces) - 1
            await call.send({"type": f"{DENIAL}.body", "body": piece, "more_body": more})

    answer = await refusal(Application(handler))
    assert (answer.status, answer.body) == (503, b"".join(pieces))


async def test_the_connection_goes_on_behind_a_refusal() -> None:
    async def handler(call: Call) -> None:
        await call.receive()
        await call.close()

    async with serve(Application(handler)) as served, served.connect() as wire:
        for _ in range(2):
            await wire.send(HANDSHAKE)
            first, fields, _ = await wire.read_answer()
            assert first == b"HTTP/1.1 403 Forbidden"
            assert b"connection" not in fields


async def test_an_answer_that_stays_incomplete_is_cut() -> None:
    async def handler(call: Call) -> None:
        await call.receive()
        await call.send({"type": f"{DENIAL}.start", "status": 503})
        await call.send({"type": f"{DENIAL}.body", "body": b"x", "more_body": True})

    async with serve(Application(handler)) as served, served.connect() as wire:
        await wire.send(HANDSHAKE)
        try:
            got = await wire.read_all()
        except ConnectionResetError:
            got = b""
    assert not got.endswith(b"0\r\n\r\n")


# -- messages


@pytest.mark.parametrize("data", ["text ü", b"\x00\xff", "", b"", "x" * 2**20, b"x" * 2**20])
async def test_messages_both_ways(data: Any) -> None:
    """W09, W10, W11, W12, W28."""

    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        tell(await call.receive())
        key = "text" if isinstance(data, str) else "bytes"
        other = "bytes" if key == "text" else "text"
        await call.send({"type": "websocket.send", key: data})
        await call.send({"type": "websocket.send", key: data, other: None})

    app = telling(handler)
    async with serve(app) as served, connected(served) as ws:
        await ws.send(data)
        message = await app.next()
        text, binary = (data, None) if isinstance(data, str) else (None, data)
        assert message == {"type": "websocket.receive", "text": text, "bytes": binary}
        assert type(message["bytes"]) in (bytes, type(None))
        assert await ws.recv() == data
        assert await ws.recv() == data
        assert await read_end(ws) == Closed(1000)


async def test_fragments_are_one_message() -> None:
    """W13."""
    async with serve(Application(echo)) as served, opened(served) as wire:
        await wire.send(
            frame(Opcode.TEXT, b"a\xc3", fin=False)
            + frame(Opcode.PING, b"between")
            + frame(Opcode.CONT, b"\xbc", fin=False)
            + frame(Opcode.CONT, b"c")
        )
        expected = frame(Opcode.PONG, b"between", mask=False)
        expected += frame(Opcode.TEXT, b"a\xc3\xbcc", mask=False)
        async with asyncio.timeout(PATIENCE):
            assert await wire.reader.readexactly(len(expected)) == expected


async def test_messages_right_behind_the_handshake_are_kept() -> None:
    async with serve(Application(echo)) as served:
        async with opened(served, frame(Opcode.TEXT, b"early")) as wire:
            async with asyncio.timeout(PATIENCE):
                assert await wire.reader.readexactly(7) == b"\x81\x05early"


async def test_pings_are_not_the_applications_to_see() -> None:
    """W14."""

    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        tell((await call.receive())["text"])

    app = telling(handler)
    async with serve(app) as served, connected(served) as ws:
        async with asyncio.timeout(PATIENCE):
            await (await ws.ping(b"p"))
        await ws.pong(b"unasked")
        await ws.send("seen")
        assert await app.next() == "seen"


async def test_order_is_kept() -> None:
    """W29."""
    async with serve(Application(echo)) as served, connected(served) as ws:
        sent = [str(n) if n % 3 else b"%d" % n for n in range(200)]

        async def send() -> None:
            for each in sent:
                await ws.send(each)

        async def receive() -> list[Any]:
            return [await ws.recv() for _ in sent]

        _, got = await asyncio.gather(send(), receive())
        assert got == sent


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_compression_is_agreed_on(compression: Any) -> None:
    """W30."""
    async with serve(Application(echo)) as served:
        async with connected(served, compression=compression) as ws:
            extensions = [each.name for each in ws.protocol.extensions]
            assert extensions == (["permessage-deflate"] if compression else [])
            for _ in range(3):
                await ws.send("again and again " * 100)
                assert await ws.recv() == "again and again " * 100


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(Opcode.TEXT, b"\xff"), 1007),
        (frame(Opcode.TEXT, b"x", mask=False), 1002),
        (frame(Opcode.CONT, b"x"), 1002),
        (b"\x82\xff" + (2**24 + 1).to_bytes(8, "big") + bytes(4), 1009),
    ],
    ids=["text that is none", "no mask", "out of order", "too much"],
)
async def test_a_client_that_breaks_the_protocol_is_closed(data: bytes, code: int) -> None:
    """W34, W35, W38."""

    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        tell((await call.receive())["text"])
        tell((await call.receive())["code"])

    app = telling(handler)
    async with serve(app) as served, opened(served) as wire:
        await wire.send(frame(Opcode.TEXT, b"before") + data)
        assert await app.next() == "before"
        assert await app.next() == code
        assert await wire.read_all() == b"\x88\x02" + code.to_bytes(2, "big")


async def test_16_megabytes_are_a_message_still() -> None:
    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        tell(len((await call.receive())["bytes"]))

    app = telling(handler)
    async with serve(app) as served, connected(served, compression=None) as ws:
        await ws.send(bytes(2**24))
        assert await app.next() == 2**24


async def test_send_waits_while_the_client_does_not_read() -> None:
    """W32."""
    sent = 0

    async def handler(call: Call) -> None:
        nonlocal sent
        await call.accept()
        data = os.urandom(2**16)
        for _ in range(512):
            await call.send({"type": "websocket.send", "bytes": data})
            sent += len(data)

    app = Application(handler)
    async with serve(app) as served, opened(served) as wire:
        connection = await served.alone()
        async with asyncio.timeout(PATIENCE):
            while connection.room() is None:
                await asyncio.sleep(0)
        assert sent < 32 * 2**20
        got = await wire.reader.readexactly(512 * (2**16 + 10))
        assert got[:10] == b"\x82\x7f" + (2**16).to_bytes(8, "big")
        assert sent == 32 * 2**20


async def test_an_application_that_does_not_receive_stops_the_client() -> None:
    """W33."""
    go_on = asyncio.Event()

    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        await go_on.wait()
        total = 0
        while (message := await call.receive())["type"] == "websocket.receive":
            total += len(message["bytes"])
        tell(total)

    app = telling(handler)
    async with serve(app) as served, opened(served) as wire:
        connection = await served.alone()
        data = frame(Opcode.BINARY, bytes(2**20))
        sent = 0

        async def send() -> None:
            nonlocal sent
            for _ in range(64):
                await wire.send(data)
                sent += 1
            await wire.send(frame(Opcode.CLOSE, b"\x03\xe8"))

        sending = asyncio.create_task(send())
        async with asyncio.timeout(PATIENCE):
            while connection.is_reading:
                await asyncio.sleep(0)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert sent < 64
        go_on.set()
        await sending
        assert await app.next() == 64 * 2**20


# -- the end


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1000, "done"), (1001, "bye"), (4999, "ü" * 61)]
)
async def test_a_close_of_the_client_is_told(code: int, reason: str) -> None:
    """W15, W39."""

    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        tell(await call.receive())
        tell(await call.receive())
        for _ in range(3):
            await asyncio.sleep(0)
        tell("cleaned up")

    app = telling(handler)
    async with serve(app) as served, connected(served) as ws:
        await ws.close(code, reason)
        assert (ws.protocol.close_rcvd.code, ws.protocol.close_rcvd_then_sent) == (code, False)
        assert await app.next() == disconnect(code, reason)
        assert await app.next() == disconnect(code, reason)
        assert await app.next() == "cleaned up"


async def test_a_close_without_a_code_is_1005() -> None:
    """W16."""

    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        tell(await call.receive())

    app = telling(handler)
    async with serve(app) as served, opened(served) as wire:
        await wire.send(frame(Opcode.CLOSE))
        assert await app.next() == disconnect(1005)
        assert (await wire.read_all())[:2] in (b"\x88\x00", b"\x88\x02")


@pytest.mark.parametrize("how", ["abort", "eof"])
async def test_a_lost_client_is_1006(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """W17."""

    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        tell(await call.receive())

    app = telling(handler)
    async with serve(app) as served, opened(served) as wire:
        if how == "abort":
            wire.writer.transport.abort()
        else:
            wire.writer.write_eof()
        assert await app.next() == disconnect(1006)
        await app.end()
    assert errors_of(caplog) == []


async def test_a_client_that_leaves_in_the_handshake_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(call: Call, tell: Any) -> None:
        await call.receive()
        tell("connect")
        tell(await call.receive())
        with pytest.raises(OSError):
            await call.send(ACCEPT)
        await call.send(ACCEPT)

    app = telling(handler)
    async with serve(app) as served:
        async with served.connect() as wire:
            await wire.send(HANDSHAKE)
            assert await app.next() == "connect"
            wire.writer.transport.abort()
            assert await app.next() == disconnect(1006)
            await app.end()
    assert len(app.errors) == 1
    assert isinstance(app.errors[0], OSError)
    assert errors_of(caplog) == []


@pytest.mark.parametrize(
    ("more", "seen"),
    [
        ({}, Closed(1000)),
        ({"code": None, "reason": None}, Closed(1000)),
        ({"code": 4000, "reason": "why ü"}, Closed(4000, "why ü")),
        ({"code": 1001}, Closed(1001)),
        ({"code": 1003}, Closed(1003)),
        ({"code": 1008}, Closed(1008)),
        ({"code": 1011}, Closed(1011)),
        ({"code": 1012}, Closed(1012)),
        ({"code": 3000}, Closed(3000)),
        ({"code": 4999}, Closed(4999)),
        ({"code": 1005}, Closed(1005)),
        ({"code": 1000, "reason": "ü" * 100}, Closed(1000, "ü" * 61)),
    ],
)
async def test_a_close_of_the_application(more: Any, seen: Closed) -> None:
    """W18, W19, W20, W42."""

    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        await call.close(**more)
        tell((await call.receive())["type"])

    app = telling(handler)
    async with serve(app) as served, connected(served) as ws:
        assert await read_end(ws) == seen
        assert await app.next() == "websocket.disconnect"


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 2999, 5000, "1000"])
async def test_a_code_that_may_not_be_sent_raises(code: Any) -> None:
    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        with pytest.raises(ValueError):
            await call.close(code=code)
        await call.close(code=4000)

    app = telling(handler)
    async with serve(app) as served, connected(served) as ws:
        assert await read_end(ws) == Closed(4000)
    assert app.errors == []


async def test_a_close_beside_a_pending_receive_goes_out_at_once() -> None:
    """W40."""

    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        receiving = asyncio.create_task(call.receive())
        await asyncio.sleep(0)
        await call.close(code=4000, reason="r")
        tell(await receiving)

    app = telling(handler)
    async with serve(app) as served, connected(served) as ws:
        assert await read_end(ws) == Closed(4000, "r")
        assert (await app.next())["type"] == "websocket.disconnect"


async def test_a_pending_receive_does_not_wait_for_the_clients_close() -> None:
    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        receiving = asyncio.create_task(call.receive())
        await asyncio.sleep(0)
        await call.close(code=4000, reason="r")
        tell(await receiving)

    app = telling(handler)
    async with serve(app) as served, opened(served) as wire:
        assert await app.next() == disconnect(4000, "r")
        async with asyncio.timeout(PATIENCE):
            assert await wire.reader.readexactly(5) == b"\x88\x03\x0f\xa0r"


async def test_messages_beside_a_pending_receive_go_out_at_once() -> None:
    """W41."""

    async def handler(call: Call) -> None:
        await call.accept()
        receiving = asyncio.create_task(call.receive())
        await asyncio.sleep(0)
        for n in range(3):
            await call.send_text(str(n))
        await call.send_text((await receiving)["text"])

    async with serve(Application(handler)) as served, connected(served) as ws:
        assert [await ws.recv() for _ in range(3)] == ["0", "1", "2"]
        await ws.send("x")
        assert await ws.recv() == "x"


async def test_send_behind_the_clients_close_raises_an_os_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """W21: and nothing is logged when it leaves the application."""

    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        assert (await call.receive())["type"] == "websocket.disconnect"
        await call.send_text("late")

    app = telling(handler)
    async with serve(app) as served, connected(served) as ws:
        await ws.close()
        await app.end()
    assert len(app.errors) == 1
    assert isinstance(app.errors[0], OSError)
    assert errors_of(caplog) == []


async def test_send_to_a_lost_client_raises_an_os_error(caplog: pytest.LogCaptureFixture) -> None:
    """W21."""

    async def handler(call: Call) -> None:
        await call.accept()
        while True:
            await call.send({"type": "websocket.send", "bytes": bytes(65536)})
            await asyncio.sleep(0)

    app = Application(handler)
    async with serve(app) as served:
        async with opened(served) as wire:
            wire.writer.transport.abort()
            await app.end()
    assert len(app.errors) == 1
    assert isinstance(app.errors[0], OSError)
    assert errors_of(caplog) == []


async def test_a_close_behind_the_clients_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Frameworks close in a finally, whether or not the client has."""

    async def handler(call: Call) -> None:
        await call.accept()
        assert (await call.receive())["type"] == "websocket.disconnect"
        try:
            await call.close()
        except OSError:
            pass

    app = Application(handler)
    async with serve(app) as served, connected(served) as ws:
        await ws.close()
        await app.end()
    assert app.errors == []
    assert errors_of(caplog) == []


async def test_an_error_before_the_acceptance_is_500(caplog: pytest.LogCaptureFixture) -> None:
    """W22."""

    async def handler(call: Call) -> None:
        await call.receive()
        raise ValueError("boom")

    answer = await refusal(Application(handler))
    assert answer.status == 500
    assert errors_of(caplog) == ["Error in the ASGI application"]
    assert [str(r.exc_info[1]) for r in caplog.records if r.exc_info] == ["boom"]


async def test_an_error_behind_the_acceptance_closes_with_1011(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """W23, W23b."""

    async def handler(call: Call) -> None:
        await call.accept()
        await call.send_text("before")
        raise ValueError("boom")

    async with serve(Application(handler)) as served, connected(served) as ws:
        assert await ws.recv() == "before"
        assert await read_end(ws) == Closed(1011)
    assert errors_of(caplog) == ["Error in the ASGI application"]


async def test_an_error_behind_the_close_is_logged_only(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(call: Call) -> None:
        await call.accept()
        await call.close(code=4000)
        raise ValueError("boom")

    async with serve(Application(handler)) as served:
        async with connected(served) as ws:
            assert await read_end(ws) == Closed(4000)
    assert errors_of(caplog) == ["Error in the ASGI application"]


async def test_an_application_that_returns_closes_with_1000() -> None:
    """W24."""

    async def handler(call: Call) -> None:
        await call.accept()

    async with serve(Application(handler)) as served, connected(served) as ws:
        assert await read_end(ws) == Closed(1000)


async def test_an_application_that_returns_without_an_answer_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """W25."""

    async def handler(call: Call) -> None:
        await call.receive()

    answer = await refusal(Application(handler), access_log=None)
    assert answer.status == 500
    assert errors_of(caplog) == ["The ASGI application returned without accepting or closing"]


SEND = {"type": "websocket.send", "text": "x"}
CLOSE = {"type": "websocket.close"}
DENY = {"type": f"{DENIAL}.start", "status": 400}
DENY_BODY = {"type": f"{DENIAL}.body", "body": b"x", "more_body": True}


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([SEND], RuntimeError),
        ([{"type": "websocket.nonsense"}], ValueError),
        ([{"type": "http.response.start", "status": 200}], ValueError),
        ([DENY_BODY], RuntimeError),
        ([DENY, ACCEPT], RuntimeError),
        ([DENY, DENY], RuntimeError),
        ([DENY, DENY_BODY, CLOSE], RuntimeError),
        ([{**DENY, "status": "400"}], TypeError),
        ([{"type": f"{DENIAL}.start"}], KeyError),
        ([{**DENY, "headers": [("x", "y")]}], TypeError),
        ([{**DENY, "headers": [(b"x", b"y\r\nz: 1")]}], ValueError),
        ([{**ACCEPT, "headers": [("x", "y")]}], TypeError),
        ([{**ACCEPT, "headers": [(b"x", b"y\r\nz: 1")]}], ValueError),
        ([{**ACCEPT, "subprotocol": "a\r\nb: c"}], ValueError),
        ([ACCEPT, ACCEPT], RuntimeError),
        ([ACCEPT, DENY], RuntimeError),
        ([ACCEPT, {"type": "websocket.nonsense"}], ValueError),
        ([ACCEPT, {"type": "websocket.send"}], ValueError),
        ([ACCEPT, {"type": "websocket.send", "text": None, "bytes": None}], ValueError),
        ([ACCEPT, {"type": "websocket.send", "text": "x", "bytes": b"x"}], ValueError),
        ([ACCEPT, {"type": "websocket.send", "text": b"x"}], TypeError),
        ([ACCEPT, {"type": "websocket.send", "bytes": "x"}], TypeError),
        ([ACCEPT, CLOSE, SEND], RuntimeError),
    ],
)
async def test_messages_out_of_order_or_form_raise(
    messages: list[Any], error: type[Exception]
) -> None:
    """W26, W27."""

    async def handler(call: Call) -> None:
        await call.receive()
        for message in messages:
            await call.send(message)

    app = Application(handler)
    async with serve(app) as served, served.connect() as wire:
        await wire.send(HANDSHAKE)
        await app.end()
        try:
            got = await wire.read_all()
        except ConnectionResetError:
            got = b""
    assert len(app.errors) == 1
    assert isinstance(app.errors[0], error)
    if ACCEPT not in messages and DENY not in messages:
        assert got.startswith(b"HTTP/1.1 500 ")


async def test_extra_keys_are_ignored() -> None:
    async def handler(call: Call) -> None:
        await call.accept(more=1)
        await call.send({"type": "websocket.send", "text": "x", "more": 1})
        await call.close(more=1)

    async with serve(Application(handler)) as served, connected(served) as ws:
        assert await ws.recv() == "x"
        assert await read_end(ws) == Closed(1000)


# -- the server


async def test_a_server_that_stops_tells_both_sides() -> None:
    """L12."""

    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        tell("ready")
        tell(await call.receive())
        tell("cleaned up")

    app = telling(handler)
    async with serve(app) as served, connected(served) as ws:
        assert await app.next() == "ready"
        stopping = asyncio.create_task(served.runner.cleanup())
        assert await read_end(ws) == Closed(1001)
        assert await app.next() == disconnect(1001)
        assert await app.next() == "cleaned up"
        await stopping


async def test_an_application_that_ignores_the_stop_is_cancelled() -> None:
    """L13."""

    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        tell("ready")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            tell("cancelled")
            raise

    app = telling(handler)
    async with serve(app, shutdown_timeout=0.1) as served, connected(served) as ws:
        assert await app.next() == "ready"
        async with asyncio.timeout(PATIENCE):
            await served.runner.cleanup()
        assert await app.next() == "cancelled"
        assert isinstance(await read_end(ws), Closed)


async def test_an_application_that_ignores_its_client_stops_with_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(call: Call, tell: Any) -> None:
        await call.accept()
        tell("ready")
        await asyncio.Event().wait()

    app = telling(handler)
    async with serve(app, shutdown_timeout=0.1) as served:
        async with connected(served) as ws:
            assert await app.next() == "ready"
            await ws.close()
        async with asyncio.timeout(PATIENCE):
            await served.runner.cleanup()
    assert [text for text in errors_of(caplog) if "Error in the ASGI" in text] == []


async def test_sockets_and_requests_are_served_at_once() -> None:
    async with serve(Application(echo)) as served:

        async def talk(text: str) -> Any:
            async with connected(served) as ws:
                await ws.send(text)
                return await ws.recv()

        names = [str(n) for n in range(30)]
        assert await asyncio.gather(*(talk(name) for name in names)) == names


async def test_a_socket_is_in_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bascule.access")

    async def handler(call: Call) -> None:
        await call.accept()

    async with serve(Application(handler)) as served, connected(served) as ws:
        await read_end(ws)
    lines = [r.getMessage() for r in caplog.records if r.name == "bascule.access"]
    assert len(lines) == 1
    assert '"GET /p HTTP/1.1" 101 ' in lines[0]


async def test_context_variables_do_not_leak_between_sockets() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def handler(call: Call) -> None:
        await call.accept()
        await call.send_text(variable.get())
        variable.set("set")

    async with serve(Application(handler)) as served:
        for _ in range(2):
            async with connected(served) as ws:
                assert await ws.recv() == "unset"


async def test_a_receive_that_outlives_its_call_ends() -> None:
    left: list[asyncio.Task[Any]] = []

    async def handler(call: Call) -> None:
        await call.accept()
        left.append(asyncio.create_task(call.receive()))
        await asyncio.sleep(0)

    async with serve(Application(handler)) as served, connected(served) as ws:
        assert await read_end(ws) == Closed(1000)
        async with asyncio.timeout(PATIENCE):
            assert (await left[0])["type"] == "websocket.disconnect"


async def test_a_receive_that_outlives_a_refused_call_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    left: list[asyncio.Task[Any]] = []

    async def handler(call: Call) -> None:
        await call.receive()
        left.append(asyncio.create_task(call.receive()))
        await asyncio.sleep(0)
        raise ValueError("boom")

    async with serve(Application(handler)) as served, served.connect() as wire:
        await wire.send(HANDSHAKE)
        assert (await wire.read_head())[0] == b"HTTP/1.1 500 Internal Server Error"
        async with asyncio.timeout(PATIENCE):
            assert await left[0] == disconnect(1006)


async def test_asgi_2_applications_have_sockets() -> None:
    class Old:
        def __init__(self, scope: Any) -> None:
            if scope["type"] != "websocket":
                raise RuntimeError("no lifespan here")

        async def __call__(self, receive: Any, send: Any) -> None:
            await echo(Call({}, receive, send))

    async with serve(Old) as served, connected(served) as ws:
        await ws.send("x")
        assert await ws.recv() == "x"


async def test_a_runner_of_a_hosted_application_starts_again() -> None:
    for _ in range(2):
        runner = web.AppRunner(Application(echo))
        await runner.setup()
        await runner.cleanup()


# -- frameworks


def starlette_app() -> Any:
    async def echo_socket(ws: WebSocket) -> None:
        await ws.accept(subprotocol="b", headers=[(b"x-own", b"1")])
        await ws.send_json({"path": ws.url.path, "q": ws.query_params["q"]})
        async for message in ws.iter_text():
            if message == "close":
                await ws.close(4000, "why")
                return
            await ws.send_text(message)

    async def refuse(ws: WebSocket) -> None:
        await ws.send_denial_response(PlainTextResponse("not you", 401, {"X-Own": "1"}))

    routes = [WebSocketRoute("/ws", echo_socket), WebSocketRoute("/no", refuse)]
    return Starlette(routes=routes)


def fastapi_app() -> Any:
    fastapi: Any = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()

    async def echo_socket(ws: fastapi.WebSocket, q: str) -> None:
        await ws.accept(subprotocol="b", headers=[(b"x-own", b"1")])
        await ws.send_json({"path": ws.url.path, "q": q})
        try:
            while (message := await ws.receive_text()) != "close":
                await ws.send_text(message)
            await ws.close(4000, "why")
        except fastapi.WebSocketDisconnect:
            pass

    async def refuse(ws: fastapi.WebSocket) -> None:
        raise fastapi.HTTPException(401, "not you", {"X-Own": "1"})

    app.add_api_websocket_route("/ws", echo_socket)
    app.add_api_websocket_route("/no", refuse)
    return app


def quart_app() -> Any:
    quart: Any = pytest.importorskip("quart")
    app = quart.Quart("quart_app")

    async def echo_socket() -> None:
        await quart.websocket.accept(headers={"X-Own": "1"}, subprotocol="b")
        await quart.websocket.send_json(
            {"path": quart.websocket.path, "q": quart.websocket.args["q"]}
        )
        while (message := await quart.websocket.receive()) != "close":
            await quart.websocket.send(message)
        await quart.websocket.close(4000, "why")

    async def refuse() -> Any:
        return "not you", 401, {"X-Own": "1"}

    app.add_websocket("/ws", "echo", echo_socket)
    app.add_websocket("/no", "refuse", refuse)
    return app


def litestar_app() -> Any:
    litestar: Any = pytest.importorskip("litestar")

    @litestar.websocket("/ws")
    async def echo_socket(socket: litestar.WebSocket) -> None:
        await socket.accept(subprotocols="b", headers={"x-own": "1"})
        await socket.send_json({"path": socket.url.path, "q": socket.query_params["q"]})
        while (message := await socket.receive_text()) != "close":
            await socket.send_text(message)
        await socket.close(code=4000, reason="why")

    return litestar.Litestar([echo_socket], logging_config=None)


@pytest.mark.parametrize("make", [starlette_app, fastapi_app, quart_app, litestar_app])
async def test_sockets_of_frameworks(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with own_socket(make()) as client:
        async with await client.ws_connect("/ws?q=%C3%BC", subprotocols=["a", "b"]) as ws:
            assert (ws.subprotocol, ws.fields["x-own"]) == ("b", "1")
            first = await ws.receive()
            assert isinstance(first, str)
            assert json.loads(first) == {"path": "/ws", "q": "ü"}
            for data in ("x", "ü" * 1000, ""):
                await ws.send(data)
                assert await ws.receive() == data
            await ws.send("close")
            assert await ws.receive() == Closed(4000, "why")
        with pytest.raises(Refused):
            await client.ws_connect("/nowhere")
    assert errors_of(caplog) == []


@pytest.mark.parametrize("make", [starlette_app, fastapi_app, quart_app])
async def test_frameworks_refuse_with_answers_of_their_own(make: Any) -> None:
    async with own_socket(make()) as client:
        with pytest.raises(Refused) as refused:
            await client.ws_connect("/no")
    answer = refused.value.answer
    assert (answer.status, answer.fields["X-Own"]) == (401, "1")
    assert b"not you" in answer.body


@pytest.mark.parametrize("make", [starlette_app, fastapi_app, quart_app, litestar_app])
@pytest.mark.parametrize("how", ["close", "abort"])
async def test_clients_that_leave_frameworks_leave_nothing_in_the_log(
    make: Any, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with own_socket(make()) as client:
        async with await client.ws_connect("/ws?q=1", subprotocols=["b"]) as ws:
            await ws.receive()
            await getattr(ws, how)()
    assert errors_of(caplog) == []
