"""WebSockets of an ASGI application of others on our server, frame by frame: rules W01 to W42."""

import asyncio
import contextlib
import logging
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from support.asgi_role import GET, START, Application, body, opened, read_rest
from support.frames import (
    BINARY,
    GOING_AWAY,
    HANDSHAKE,
    INVALID_TEXT,
    NORMAL,
    PING,
    PROTOCOL_ERROR,
    SENT_BINARY,
    SENT_CLOSE,
    SENT_PONG,
    SENT_TEXT,
    TEXT,
    TOO_BIG,
    Peer,
    close_frame,
    fragments,
    frame,
    handshake,
)
from support.wire import PATIENCE

ACCEPT = {"type": "websocket.accept"}
CLOSE = {"type": "websocket.close"}
ERROR = (SENT_CLOSE, b"\x03\xf3")


def text(data: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": data}


def disconnect(code: int, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


def accepting(handler: Any = None, **more: Any) -> Application:
    """Make an application that accepts, and then does what a handler says."""

    async def accept(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == {"type": "websocket.connect"}
        await send({**ACCEPT, **more})
        if handler is not None:
            await handler(receive, send, app.told.put_nowait)

    app = Application(accept)
    return app


async def listen(receive: Any, send: Any, tell: Any) -> None:
    """Tell all messages, the disconnect too."""
    message = {"type": ""}
    while message["type"] != "websocket.disconnect":
        message = await receive()
        tell(message)


@asynccontextmanager
async def socket_of(app: Application, *fields: str, **options: Any) -> AsyncIterator[Peer]:
    """Serve an application, and open a WebSocket to it."""
    async with opened(app, **options) as (_, wire):
        await wire.send(handshake(*fields))
        status, answer = await wire.read_head()
        assert status == b"HTTP/1.1 101 Switching Protocols"
        yield Peer(wire, answer)


async def messages_of(data: bytes, *fields: str) -> list[Any]:
    """Give what an application receives when a client sends some frames and closes."""
    app, found = accepting(listen), []
    async with socket_of(app, *fields) as peer:
        await peer.send(data + close_frame(1000))
        while not found or found[-1]["type"] != "websocket.disconnect":
            found.append(await app.next())
    return found[:-1]


async def frames_of(*messages: Any, **more: Any) -> list[Any]:
    """Give the frames that a client reads of some messages, until the connection ends."""

    async def handler(receive: Any, send: Any, tell: Any) -> None:
        for message in messages:
            await send(message)

    async with socket_of(accepting(handler, **more)) as peer:
        found = [await peer.read()]
        while found[-1][0] != SENT_CLOSE:
            found.append(await peer.read())
        await peer.send(close_frame(1000))
        assert await peer.read_rest() == []
    return found


async def refusal_of(handler: Any, data: bytes = b"") -> tuple[bytes, Application]:
    """Give the status line of the answer to a handshake."""
    app = Application(handler)
    async with opened(app) as (_, wire):
        await wire.send(data or handshake())
        line = (await wire.read_answer())[0]
    return line, app


# -- the handshake


async def test_w01_w02_the_scope() -> None:
    """The scope has all that an http scope has but for the method."""
    app = accepting()
    data = HANDSHAKE.replace(b"GET / ", b"GET /a%20b?q=%20 ") + b"X-Mixed: A\r\n\r\n"
    async with opened(app) as (served, wire):
        await wire.send(data)
        await wire.read_head()
        own = wire.writer.get_extra_info("sockname")[:2]
    scope = app.scopes[0]
    assert (scope["type"], scope["scheme"], scope["http_version"]) == ("websocket", "ws", "1.1")
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert (list(scope["client"]), list(scope["server"])) == ([*own], ["127.0.0.1", served.port])
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (
        "/a b",
        b"/a%20b",
        b"q=%20",
    )
    assert (b"x-mixed", b"A") in scope["headers"]
    assert "method" not in scope


async def test_w03_subprotocols() -> None:
    """Subprotocols are a list in the client's order."""
    app = accepting()
    async with socket_of(app, "Sec-WebSocket-Protocol: b, a", "Sec-WebSocket-Protocol: c"):
        assert app.scopes[0]["subprotocols"] == ["b", "a", "c"]


async def test_w04_the_handshake_waits() -> None:
    """websocket.connect comes first, and nothing is answered before the acceptance."""
    go_on = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        app.told.put_nowait(await receive())
        await go_on.wait()
        await send(ACCEPT)

    app = Application(handler)
    async with opened(app) as (_, wire):
        await wire.send(handshake())
        assert await app.next() == {"type": "websocket.connect"}
        for _ in range(100):
            await asyncio.sleep(0)
        assert not wire.reader._buffer  # type: ignore[attr-defined]  # nothing came yet
        go_on.set()
        assert (await wire.read_head())[0].startswith(b"HTTP/1.1 101 ")


async def test_w05_a_subprotocol() -> None:
    """The subprotocol of the acceptance is told to the client."""
    async with socket_of(accepting(subprotocol="a"), "Sec-WebSocket-Protocol: b, a") as peer:
        assert peer.fields[b"sec-websocket-protocol"] == b"a"


@pytest.mark.parametrize("more", [{}, {"subprotocol": None}])
async def test_w06_no_subprotocol(more: Any) -> None:
    """Without one there is no such header."""
    async with socket_of(accepting(**more), "Sec-WebSocket-Protocol: a") as peer:
        assert b"sec-websocket-protocol" not in peer.fields


async def test_w07_headers_of_the_acceptance() -> None:
    """The acceptance has the headers that it names, repetitions too."""
    headers = [(b"x-a", b"1"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    async with opened(accepting(headers=headers)) as (_, wire):
        await wire.send(handshake())
        head = await wire.reader.readuntil(b"\r\n\r\n")
    assert b"x-a: 1\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n" in head


async def test_w08_a_close_before_the_acceptance() -> None:
    """A close before the acceptance is answered with 403."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(CLOSE)

    assert (await refusal_of(handler))[0] == b"HTTP/1.1 403 Forbidden"


# -- messages


def received(message: Any) -> Any:
    return {"type": "websocket.receive", "text": None, "bytes": None, **message}


async def test_w09_text() -> None:
    """Text comes as text."""
    assert await messages_of(frame(TEXT, "é".encode())) == [received({"text": "é"})]


async def test_w10_bytes() -> None:
    """Bytes come as bytes, empty ones too."""
    found = await messages_of(frame(BINARY, b"\x00\xff") + frame(BINARY))
    assert found == [received({"bytes": b"\x00\xff"}), received({"bytes": b""})]


async def test_w11_sending() -> None:
    """Text and bytes are sent, whether the other key is there or not."""
    messages = [
        {"type": "websocket.send", **more}
        for more in (
            {"text": "a"},
            {"text": "b", "bytes": None},
            {"bytes": b"c"},
            {"bytes": b"d", "text": None},
        )
    ]
    found = await frames_of(*messages)
    assert found[:-1] == [
        (SENT_TEXT, b"a"),
        (SENT_TEXT, b"b"),
        (SENT_BINARY, b"c"),
        (SENT_BINARY, b"d"),
    ]


async def test_w12_empty_messages() -> None:
    """Empty messages are sent."""
    found = await frames_of(text(""), {"type": "websocket.send", "bytes": b"", "text": None})
    assert found[:-1] == [(SENT_TEXT, b""), (SENT_BINARY, b"")]


async def test_w13_fragments() -> None:
    """A message in fragments is one message."""
    found = await messages_of(fragments(TEXT, [b"a", b"", b"\xc3", b"\xa9"]))
    assert found == [received({"text": "aé"})]


async def test_w14_pings() -> None:
    """Pings are answered by the server, and the application does not see them."""
    app = accepting(listen)
    async with socket_of(app) as peer:
        await peer.send(frame(PING, b"you") + frame(TEXT, b"a"))
        assert await peer.read() == (SENT_PONG, b"you")
        assert await app.next() == received({"text": "a"})


# -- how it ends


async def end_told(data: bytes) -> Any:
    """Give what an application is told of the end that a client makes."""
    app = accepting(listen)
    async with socket_of(app) as peer:
        await peer.send(data)
        return await app.next()


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "going"), (3000, "é"), (4999, "x" * 123)]
)
async def test_w15_the_clients_close(code: int, reason: str) -> None:
    """Code and reason of the client's close are told."""
    assert await end_told(close_frame(code, reason.encode())) == disconnect(code, reason)


async def test_w16_a_close_without_code() -> None:
    """A close without a code is told as 1005."""
    assert await end_told(close_frame()) == disconnect(1005)


@pytest.mark.parametrize("way", ["close", "abort"])
async def test_w17_a_lost_client(way: str) -> None:
    """A connection that ends without a close is told as 1006."""
    app = accepting(listen)
    async with socket_of(app) as peer:
        getattr(peer.wire.writer.transport, way)()
        assert (await app.next())["code"] == 1006


async def test_w18_the_applications_close() -> None:
    """A close without a code is sent as 1000."""
    assert await frames_of(CLOSE) == [NORMAL]


async def test_w19_code_and_reason() -> None:
    """Code and reason of the application's close are sent."""
    found = await frames_of({**CLOSE, "code": 4001, "reason": "é"})
    assert found == [(SENT_CLOSE, (4001).to_bytes(2, "big") + "é".encode())]


async def test_w20_receive_behind_a_close() -> None:
    """Behind the application's own close receive() gives websocket.disconnect."""

    async def handler(receive: Any, send: Any, tell: Any) -> None:
        await send({**CLOSE, "code": 3000})
        tell(await receive())

    app = accepting(handler)
    async with socket_of(app) as peer:
        assert await peer.read() == (SENT_CLOSE, (3000).to_bytes(2, "big"))
        assert (await app.next())["type"] == "websocket.disconnect"


@pytest.mark.parametrize("way", ["frame", "abort"])
async def test_w21_send_raises_once_the_client_has_left(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """send() raises an OSError once the client has left; nothing is logged."""

    async def handler(receive: Any, send: Any, tell: Any) -> None:
        tell(await receive())
        try:
            while True:
                await send(text("a"))
        except OSError:
            tell("raised")
            raise

    app = accepting(handler)
    async with socket_of(app) as peer:
        if way == "frame":
            await peer.send(close_frame(1000))
        else:
            peer.wire.writer.transport.abort()
        assert (await app.next())["type"] == "websocket.disconnect"
        assert await app.next() == "raised"
        await app.ended()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_w22_an_error_before_the_acceptance() -> None:
    """An error before the acceptance is answered with 500."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("no")

    assert (await refusal_of(handler))[0] == b"HTTP/1.1 500 Internal Server Error"


async def fail(receive: Any, send: Any, tell: Any) -> None:
    raise ValueError("no")


async def test_w23_w23b_an_error_behind_the_acceptance() -> None:
    """An error behind the acceptance closes with 1011."""
    async with socket_of(accepting(fail)) as peer:
        assert await peer.read() == ERROR
        await peer.send(close_frame(1011))
        assert await peer.read_rest() == []


async def test_w24_an_application_that_returns() -> None:
    """An application that returns closes."""
    assert await frames_of(text("a")) == [(SENT_TEXT, b"a"), NORMAL]


async def test_w25_an_application_that_returns_without_an_answer() -> None:
    """One that returns without an answer refuses."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    assert (await refusal_of(handler))[0] == b"HTTP/1.1 500 Internal Server Error"


@pytest.mark.parametrize("message", [text("a"), {"type": "websocket.nonsense"}])
async def test_w26_w27_messages_out_of_place(message: Any) -> None:
    """A message before the acceptance raises, and so does one of an unknown type."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(message)

    _, app = await refusal_of(handler)
    known = message["type"] == "websocket.send"
    assert [type(exc) for exc in app.errors] == [RuntimeError if known else ValueError]


async def echo(receive: Any, send: Any, tell: Any) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def test_w28_large_messages() -> None:
    """Messages of 1 MB go both ways."""
    data = bytes(range(256)) * 4096
    async with socket_of(accepting(echo)) as peer:
        _, found = await asyncio.gather(peer.send(frame(BINARY, data)), peer.read())
        assert found == (SENT_BINARY, data)


async def test_w29_order() -> None:
    """The order of messages is kept."""
    sent = [b"%d" % number for number in range(200)]
    async with socket_of(accepting(echo)) as peer:
        await peer.send(b"".join(frame(TEXT, data) for data in sent))
        assert [(await peer.read())[1] for _ in sent] == sent


async def test_w30_compression() -> None:
    """permessage-deflate is agreed on, and works both ways (RFC 7692)."""
    data = b"compress me " * 100
    compressor = zlib.compressobj(wbits=-12)
    packed = (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    async with socket_of(accepting(echo), offer) as peer:
        assert peer.fields[b"sec-websocket-extensions"].startswith(b"permessage-deflate")
        await peer.send(frame(TEXT, packed, rsv=4))
        first, found = await peer.read()
        assert first == SENT_TEXT | 0x40
        assert zlib.decompressobj(wbits=-15).decompress(found + b"\0\0\xff\xff") == data


async def test_w31_state() -> None:
    """The scope has a shallow copy of the state of the lifespan."""
    states = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["key"] = shared
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        states.append(scope["state"])
        await send(CLOSE)

    shared: list[int] = []
    async with opened(app) as (_, wire):
        for _ in range(2):
            await wire.send(handshake())
            await wire.read_answer()
    assert states[0] is not states[1]
    assert states[0]["key"] is states[1]["key"] is shared


async def test_w32_send_waits_for_the_client() -> None:
    """send() waits while the client does not read."""
    sent = 0

    async def handler(receive: Any, send: Any, tell: Any) -> None:
        nonlocal sent
        for _ in range(512):
            await send({"type": "websocket.send", "bytes": bytes(2**16)})
            sent += 2**16

    async with opened(accepting(handler)) as (served, wire):
        await wire.send(handshake())
        await wire.read_head()
        connection = await served.alone()
        async with asyncio.timeout(PATIENCE):
            while connection.room() is None:
                await asyncio.sleep(0)
        assert sent < 32 * 2**20
        peer = Peer(wire, {})
        for _ in range(512):
            assert len((await peer.read())[1]) == 2**16
        assert await peer.read() == NORMAL


async def test_w33_a_client_waits_for_an_application_that_does_not_receive() -> None:
    """What is not received is not read either."""
    go_on = asyncio.Event()

    async def handler(receive: Any, send: Any, tell: Any) -> None:
        await go_on.wait()
        for _ in range(512):
            await receive()
        tell("all")

    app = accepting(handler)
    async with opened(app) as (served, wire):
        await wire.send(handshake())
        await wire.read_head()
        flood = asyncio.ensure_future(wire.send(frame(BINARY, bytes(2**16)) * 512))
        connection = await served.alone()
        async with asyncio.timeout(PATIENCE):
            while connection.is_reading:
                await asyncio.sleep(0)
        assert not flood.done()
        go_on.set()
        await flood
        assert await app.next() == "all"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(frame(TEXT, b"\xff"), INVALID_TEXT, id="w34"),
        pytest.param(frame(TEXT, b"a", mask=b""), PROTOCOL_ERROR, id="w35"),
        pytest.param(frame(BINARY, b"", size=17 * 2**20), TOO_BIG, id="w38"),
    ],
)
async def test_w34_w35_w38_clients_that_break_rules(data: bytes, expected: Any) -> None:
    """Text that is no UTF-8 is closed with 1007, an unmasked frame with 1002, and a message of
    more than 16 MB with 1009."""
    async with socket_of(accepting(listen)) as peer:
        await peer.send(data)
        assert await peer.read() == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Version: 13", b"Version: 12"),
        (b"Key: dGhlIHNhbXBsZSBub25jZQ==", b"Key: short"),
        (b"Sec-WebSocket-Version: 13\r\n", b""),
    ],
)
async def test_w36_bad_handshakes(old: bytes, new: bytes) -> None:
    """A bad handshake is refused, and does not come to the application."""
    line, app = await refusal_of(accepting().handler, (HANDSHAKE + b"\r\n").replace(old, new))
    assert line.startswith(b"HTTP/1.1 4")
    assert app.scopes == []


async def test_w37_ordinary_requests() -> None:
    """A request without an upgrade is an http call."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(scope["type"].encode()))

    async with opened(Application(handler)) as (_, wire):
        await wire.send(GET)
        assert (await wire.read_answer())[2] == b"http"


async def test_w39_an_application_may_clean_up() -> None:
    """The application may go on behind websocket.disconnect."""

    async def handler(receive: Any, send: Any, tell: Any) -> None:
        await receive()
        for _ in range(100):
            await asyncio.sleep(0)
        tell("cleaned up")

    app = accepting(handler)
    async with socket_of(app) as peer:
        peer.wire.writer.transport.abort()
        assert await app.next() == "cleaned up"


@pytest.mark.parametrize(("message", "expected"), [(CLOSE, NORMAL), (text("a"), (SENT_TEXT, b"a"))])
async def test_w40_w41_send_beside_a_pending_receive(message: Any, expected: Any) -> None:
    """What is sent while a receive() waits in another task goes out at once."""

    async def handler(receive: Any, send: Any, tell: Any) -> None:
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await send(message)
        tell("sent")
        await waiting

    app = accepting(handler)
    async with socket_of(app) as peer:
        assert await peer.read() == expected
        assert await app.next() == "sent"
        with contextlib.suppress(ConnectionError):
            await peer.send(close_frame(1000))
        await app.ended()


@pytest.mark.parametrize(
    "code",
    [
        1000,
        1001,
        1002,
        1003,
        1007,
        1008,
        1009,
        1010,
        1011,
        1012,
        1013,
        1014,
        3000,
        3999,
        4000,
        4999,
    ],
)
async def test_w42_codes(code: int) -> None:
    """Every code that may be sent is."""
    assert await frames_of({**CLOSE, "code": code}) == [(SENT_CLOSE, code.to_bytes(2, "big"))]


async def test_a_server_that_stops_says_so() -> None:
    """A server that stops closes with 1001, and the application is told."""
    app = accepting(listen)
    async with opened(app) as (served, wire):
        await wire.send(handshake())
        await wire.read_head()
        peer = Peer(wire, {})
        stopping = asyncio.ensure_future(served.runner.cleanup())
        assert await peer.read() == GOING_AWAY
        assert (await app.next())["code"] == 1001
        await peer.send(close_frame(1001))
        assert await read_rest(wire) == b""
        await stopping
