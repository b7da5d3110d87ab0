"""What an application does with WebSockets, the same on every host."""

import asyncio
import contextvars
import json
import logging
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bascule import WSCloseCode, WSMsgType, web
from bascule.channel import ClientConnectionResetError
from support.features import Feature
from support.sockets import LOST, NO_CODE, Closed, Refused
from support.wire import PATIENCE

TEXT, BINARY, CLOSE = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CLOSE
MEGABYTE = 2**20

USER: web.RequestKey[str] = web.RequestKey("user", str)

# Hosts where frames are ours, or nobody's: what they do is what `web.WebSocketResponse` says.
OURS = ("memory", "socket")


class Story:
    """What a handler tells its test, fact by fact."""

    def __init__(self) -> None:
        self._facts: asyncio.Queue[Any] = asyncio.Queue()

    def tell(self, *facts: Any) -> None:
        self._facts.put_nowait(facts[0] if len(facts) == 1 else facts)

    async def next(self) -> Any:
        async with asyncio.timeout(PATIENCE):
            return await self._facts.get()


def make_app(*routes: web.AbstractRouteDef, **kwargs: Any) -> web.Application:
    app = web.Application(**kwargs)
    app.add_routes(routes)
    return app


def socket_app(handler: Any, **kwargs: Any) -> web.Application:
    return make_app(web.get("/ws", handler), **kwargs)


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Send back what comes, until the client closes."""
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for message in ws:
        if message.type is TEXT:
            await ws.send_str(message.data)
        else:
            assert message.type is BINARY
            await ws.send_bytes(message.data)
    return ws


async def opened(request: web.Request, **options: Any) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(**options)
    await ws.prepare(request)
    return ws


# -- messages


@pytest.mark.parametrize(
    "data",
    ["text", "п\U0001f600", "", b"bytes", b"", b"\x00\xff", "ü" * 70, b"x" * 70_000],
    ids=["text", "wide", "empty", "bytes", "no bytes", "not utf-8", "140 bytes", "70 kB"],
)
async def test_messages_keep_kind_and_content(serve: Any, data: str | bytes) -> None:
    client = await serve(socket_app(echo))
    async with await client.ws_connect("/ws") as ws:
        for _ in range(2):
            await ws.send(data)
            assert await ws.receive() == data


@pytest.mark.parametrize("data", ["ä" * (MEGABYTE // 2), bytes(range(256)) * 4096])
@pytest.mark.every_host
async def test_a_megabyte_goes_both_ways(serve: Any, data: str | bytes) -> None:
    client = await serve(socket_app(echo))
    async with await client.ws_connect("/ws") as ws:
        await ws.send(data)
        assert await ws.receive() == data


async def test_messages_keep_their_order(serve: Any) -> None:
    async def mirror(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        got = [(await ws.receive()).data for _ in range(200)]
        for each in got:
            await (ws.send_str if isinstance(each, str) else ws.send_bytes)(each)
        return ws

    sent = [str(n) if n % 3 else b"%d" % n for n in range(200)]
    client = await serve(socket_app(mirror))
    async with await client.ws_connect("/ws") as ws:
        for each in sent:
            await ws.send(each)
        assert [await ws.receive() for _ in sent] == sent


async def test_json_both_ways(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.send_json({"got": await ws.receive_json()})
        await ws.send_json_bytes([1], dumps=lambda value: json.dumps(value).encode())
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        await ws.send('{"ü": [1, null]}')
        assert await ws.receive() == '{"got": {"\\u00fc": [1, null]}}'
        assert await ws.receive() == b"[1]"


@pytest.mark.every_host
async def test_messages_have_types_data_and_extra(serve: Any) -> None:
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        for _ in range(3):
            story.tell(tuple(await ws.receive()))
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        await ws.send("t")
        await ws.send(b"b")
        await ws.close(4321, "why")
        assert await story.next() == (TEXT, "t", "")
        assert await story.next() == (BINARY, b"b", "")
        if not client.lacks(Feature.CLOSE_CODES):
            reason = "" if client.lacks(Feature.CLOSE_REASONS) else "why"
            assert await story.next() == (CLOSE, 4321, reason)


async def test_a_message_of_the_other_kind_is_a_type_error(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        for receive in (ws.receive_str, ws.receive_bytes, ws.receive_json):
            try:
                await receive()
            except TypeError as exc:
                await ws.send_str(str(exc))
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        await ws.send(b"b")
        await ws.send("t")
        await ws.send(b"j")
        assert await ws.receive() == "Received message 2:b'b' is not WSMsgType.TEXT"
        assert await ws.receive() == "Received message 1:'t' is not WSMsgType.BINARY"
        assert await ws.receive() == "Received message 2:b'j' is not WSMsgType.TEXT"


async def test_text_may_be_left_as_bytes(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request, decode_text=False)
        message = await ws.receive()
        await ws.send_str(repr((message.type, message.data, message.json())))
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        await ws.send('"ü"')
        assert await ws.receive() == repr((TEXT, '"ü"'.encode(), "ü"))


async def test_wrong_types_are_refused_and_nothing_is_sent(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        wrong: list[Any] = [(ws.send_str, b"x"), (ws.send_bytes, "x"), (ws.send_json, {1, 2})]
        for send, data in wrong:
            with pytest.raises(TypeError):
                await send(data)
        await ws.send_str("right")
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        assert await ws.receive() == "right"


async def test_pings_of_either_side_disturb_nothing(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request, heartbeat=60)
        await ws.ping(b"p")
        await ws.pong()
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        await ws.ping()
        await ws.send("x")
        assert await ws.receive() == "x"


async def test_a_client_that_does_not_read_is_waited_for(serve: Any) -> None:
    """On hosts with a connection; its buffers take some megabytes."""
    stopped = asyncio.Event()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        data = os.urandom(MEGABYTE // 4)
        for _ in range(100):
            sending = asyncio.ensure_future(ws.send_bytes(data))
            done, _ = await asyncio.wait([sending], timeout=0.2)
            if not done:
                stopped.set()
            await sending
        return ws

    client = await serve(socket_app(handler))
    client.require(Feature.SOCKET_STOPS)
    async with await client.ws_connect("/ws") as ws:
        async with asyncio.timeout(PATIENCE):
            await stopped.wait()
        for _ in range(100):
            assert len(await ws.receive()) == MEGABYTE // 4
        assert await ws.receive() == client.sees(1000)


# -- the handshake


@pytest.mark.parametrize(
    ("offered", "known", "chosen"),
    [
        (["a", "b"], ("b", "a"), "a"),
        (["a", "b"], ("c", "b"), "b"),
        (["a"], (), None),
        ([], ("a",), None),
        ([], (), None),
    ],
)
async def test_subprotocol_is_the_clients_first_that_is_known(
    serve: Any, offered: list[str], known: tuple[str, ...], chosen: str | None
) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=known)
        ready = ws.can_prepare(request)
        assert (bool(ready), ready.protocol) == (True, chosen)
        await ws.prepare(request)
        await ws.send_str(str(ws.ws_protocol))
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws", subprotocols=offered) as ws:
        assert await ws.receive() == str(chosen)
        assert ws.subprotocol == (None if client.lacks(Feature.SUBPROTOCOLS) else chosen)


async def test_no_common_subprotocol_is_warned_of(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        return await opened(request, protocols=("mine",))

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws", subprotocols=["yours"]) as ws:
        assert isinstance(await ws.receive(), Closed)
        assert ws.subprotocol is None
    text = "127.0.0.1: Client protocols ['yours'] don’t overlap server-known ones ('mine',)"
    assert text in caplog.messages


async def forbid(request: web.Request) -> web.WebSocketResponse:
    raise web.HTTPForbidden(text="not you", headers={"X-Why": "because"})


async def forbid_late(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse()
    assert not ws.prepared
    raise web.HTTPForbidden(text="not you", headers={"X-Why": "because"})


async def answer_plainly(request: web.Request) -> web.Response:
    return web.Response(status=418, text="not you", headers={"X-Why": "because"})


async def answer_in_pieces(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=418, headers={"X-Why": "because"})
    await response.prepare(request)
    await response.write(b"not")
    await asyncio.sleep(0)
    await response.write(b" you")
    return response


async def fail(request: web.Request) -> web.WebSocketResponse:
    raise ValueError("boom")


REFUSALS = [
    ("/forbid", 403, "not you", "because"),
    ("/late", 403, "not you", "because"),
    ("/plain", 418, "not you", "because"),
    ("/pieces", 418, "not you", "because"),
    ("/nowhere", 404, "404: Not Found", None),
    ("/post", 405, "405: Method Not Allowed", None),
    ("/fail", 500, "500 Internal Server Error\n\nServer got itself in trouble", None),
]


@pytest.mark.parametrize(("path", "status", "text", "why"), REFUSALS)
@pytest.mark.every_host
async def test_a_handshake_can_be_refused(
    serve: Any, path: str, status: int, text: str, why: str | None
) -> None:
    """All these hosts have ``websocket.http.response``."""
    routes = [
        web.get("/forbid", forbid),
        web.get("/late", forbid_late),
        web.get("/plain", answer_plainly),
        web.get("/pieces", answer_in_pieces),
        web.post("/post", echo),
        web.get("/fail", fail),
    ]
    client = await serve(make_app(*routes))
    with pytest.raises(Refused) as refused:
        await client.ws_connect(path)
    answer = refused.value.answer
    assert answer.status == status
    if not client.lacks(Feature.REFUSALS):
        assert answer.fields.get("X-Why") == why
        assert answer.body == text.encode()


async def test_a_handshake_can_be_redirected(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        raise web.HTTPFound("/else")

    client = await serve(make_app(web.get("/ws", handler), web.get("/else", echo)))
    client.require(Feature.REFUSALS)
    if client.lacks(Feature.REDIRECTED_SOCKETS):
        with pytest.raises(Refused) as refused:
            await client.ws_connect("/ws")
        assert refused.value.answer.fields["Location"] == "/else"
        return
    async with await client.ws_connect("/ws") as ws:
        await ws.send("x")
        assert await ws.receive() == "x"


async def test_a_socket_may_be_offered_beside_a_page(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        if not ws.can_prepare(request):
            return web.Response(text="a page")
        await ws.prepare(request)
        with pytest.raises(RuntimeError):
            ws.can_prepare(request)
        await ws.send_str("a socket")
        return ws

    client = await serve(socket_app(handler))
    assert (await client.get("/ws")).text == "a page"
    async with await client.ws_connect("/ws") as ws:
        assert await ws.receive() == "a socket"
    assert (await client.get("/ws")).text == "a page"


async def test_a_plain_request_to_a_socket_is_400(serve: Any) -> None:
    client = await serve(socket_app(echo))
    answer = await client.get("/ws")
    assert answer.status == 400
    assert answer.text == 'No WebSocket UPGRADE hdr: None\n Can "Upgrade" only to "WebSocket".'


async def test_another_answer_after_can_prepare(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert web.WebSocketResponse().can_prepare(request)
        return web.json_response({"no": "socket"}, status=409)

    client = await serve(socket_app(handler))
    with pytest.raises(Refused) as refused:
        await client.ws_connect("/ws")
    assert refused.value.answer.status == 409
    assert refused.value.answer.body == b'{"no": "socket"}' or client.lacks(Feature.REFUSALS)


@pytest.mark.every_host
async def test_fields_and_cookies_of_the_acceptance(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        ws.headers.add("X-Two", "1")
        ws.headers.add("X-Two", "zwei")
        ws.set_cookie("a", "1", path="/p")
        ws.set_cookie("b", "2")
        await ws.prepare(request)
        return ws

    client = await serve(socket_app(handler))
    client.require(Feature.ACCEPTANCE_FIELDS)
    async with await client.ws_connect("/ws") as ws:
        assert ws.fields.getall("X-Two") == ["1", "zwei"]
        assert ws.fields.getall("Set-Cookie") == ["a=1; Path=/p", "b=2; Path=/"]
        assert "Content-Type" not in ws.fields
        assert "Content-Length" not in ws.fields


async def test_request_of_a_socket(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.send_json(
            {
                "method": request.method,
                "path": request.path,
                "query": list(request.query.items()),
                "scheme": request.scheme,
                "secure": request.secure,
                "url": str(request.url.with_port(None)),
                "remote": request.remote,
                "cookie": request.cookies["c"],
                "field": request.headers["X-Field"],
                "name": request.match_info["name"],
                "peer": ws.get_extra_info("peername")[0],
                "else": ws.get_extra_info("nonsense", "default"),
            }
        )
        return ws

    client = await serve(make_app(web.get("/ws/{name}", handler)))
    fields = [("X-Field", "f"), ("Cookie", "c=7")]
    async with await client.ws_connect("/ws/a%20b?x=%C3%BC", fields=fields) as ws:
        told = json.loads(await ws.receive())
    assert told == {
        "method": "GET",
        "path": f"{client.prefix}/ws/a b",
        "query": [["x", "ü"]],
        "scheme": "http",
        "secure": False,
        "url": f"http://127.0.0.1{client.prefix}/ws/a%20b?x=%C3%BC",
        "remote": "127.0.0.1",
        "cookie": "7",
        "field": "f",
        "name": "a b",
        "peer": "127.0.0.1",
        "else": "default",
    }


async def test_a_view_can_open_a_socket(serve: Any) -> None:
    class Talk(web.View):
        async def get(self) -> web.WebSocketResponse:
            return await echo(self.request)

    client = await serve(make_app(web.view("/ws", Talk)))
    async with await client.ws_connect("/ws") as ws:
        await ws.send("x")
        assert await ws.receive() == "x"
    assert (await client.post("/ws")).status == 405


async def test_limits_of_a_route_are_not_of_its_messages(serve: Any) -> None:
    client = await serve(make_app(web.get("/ws", echo, client_max_size=10, timeout=60)))
    async with await client.ws_connect("/ws") as ws:
        await ws.send("x" * 1000)
        assert await ws.receive() == "x" * 1000


async def test_time_limit_of_a_route_ends_its_socket(serve: Any) -> None:
    """As any error behind the acceptance."""
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        try:
            await ws.receive()
        except asyncio.CancelledError:
            story.tell("cancelled")
            raise
        return ws

    client = await serve(make_app(web.get("/ws", handler, timeout=0.05)))
    async with await client.ws_connect("/ws") as ws:
        end = await ws.receive()
        assert await story.next() == "cancelled"
        assert isinstance(end, Closed)
        assert end.code == (LOST if client.host in OURS else client.sees(1011).code)


# -- closing


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1000, ""), (1000, "done"), (1001, "bye"), (3000, "x"), (4999, "ü" * 61)],
)
@pytest.mark.every_host
async def test_a_close_of_the_client(serve: Any, code: int, reason: str) -> None:
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        message = await ws.receive()
        story.tell(tuple(message))
        story.tell(ws.closed, ws.close_code, ws.exception())
        story.tell(tuple(await ws.receive()))
        story.tell(await ws.close())
        with pytest.raises(ConnectionResetError):
            await ws.send_str("late")
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        await ws.close(code, reason)
        got = await story.next()
        if client.lacks(Feature.CLOSE_CODES):
            # It is a close without a code where it is told from a loss.
            is_close = not client.lacks(Feature.CLOSES)
            assert got == ((CLOSE, 0, "") if is_close else (WSMsgType.CLOSED, None, None))
            return
        assert got == (CLOSE, code, "" if client.lacks(Feature.CLOSE_REASONS) else reason)
        assert await story.next() == (True, code, None)
        assert await story.next() == (WSMsgType.CLOSED, None, None)
        assert await story.next() is False


async def test_iteration_ends_at_the_close(serve: Any) -> None:
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        story.tell([message.data async for message in ws])
        story.tell(ws.closed)
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        for each in ("a", b"b", "c"):
            await ws.send(each)
        await ws.close()
        assert await story.next() == ["a", b"b", "c"]
        assert await story.next() is True


@pytest.mark.parametrize(
    ("code", "message", "seen"),
    [
        (1000, b"", Closed(1000)),
        (1000, b"done", Closed(1000, "done")),
        (WSCloseCode.GOING_AWAY, b"bye", Closed(1001, "bye")),
        (1011, b"", Closed(1011)),
        (3000, b"x", Closed(3000, "x")),
        (4999, "ü".encode() * 61, Closed(4999, "ü" * 61)),
        (4000, b"x" * 200, Closed(4000, "x" * 123)),
    ],
)
@pytest.mark.every_host
async def test_a_close_of_the_server(serve: Any, code: int, message: bytes, seen: Closed) -> None:
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        story.tell(await ws.close(code=code, message=message))
        story.tell(ws.closed, ws.close_code, ws.exception())
        story.tell(await ws.close(code=4001))
        story.tell(tuple(await ws.receive()))
        with pytest.raises(ConnectionResetError):
            await ws.send_bytes(b"late")
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        assert await ws.receive() == client.sees(seen.code, seen.reason)
        assert await story.next() is True
        assert await story.next() == (True, code, None)
        assert await story.next() is False
        assert await story.next() == (WSMsgType.CLOSED, None, None)


async def test_the_fifth_receive_behind_the_end_raises(serve: Any) -> None:
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.close()
        for _ in range(4):
            assert (await ws.receive()).type is WSMsgType.CLOSED
        try:
            await ws.receive()
        except RuntimeError as exc:
            story.tell(str(exc))
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        assert await ws.receive() == client.sees(1000)
        assert await story.next() == "WebSocket connection is closed."


async def test_a_close_from_another_task_ends_a_receive(serve: Any) -> None:
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        receiving = asyncio.create_task(ws.receive())
        await asyncio.sleep(0)
        story.tell(await ws.close(code=4000, message=b"other"))
        story.tell(tuple(await receiving))
        story.tell(ws.close_code, ws.exception())
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        assert await ws.receive() == client.sees(4000, "other")
        assert await story.next() is True
        assert await story.next() == (WSMsgType.CLOSING, None, None)
        assert await story.next() == (4000, None)


async def test_many_tasks_may_close(serve: Any) -> None:
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        story.tell(await asyncio.gather(*(ws.close(code=4000 + n) for n in range(5))))
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        assert await ws.receive() == client.sees(4000)
        assert await story.next() == [True, False, False, False, False]


async def test_a_handler_that_returns_closes_with_1000(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.send_str("last")
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        assert await ws.receive() == "last"
        assert await ws.receive() == client.sees(1000)


async def test_what_a_client_sends_behind_the_end_is_dropped(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.receive()
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        for n in range(20):
            await ws.send(str(n))
        assert await ws.receive() == client.sees(1000)


@pytest.mark.every_host
async def test_an_error_of_the_handler_is_logged_and_seen(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """As in aiohttp the connection is dropped; hosts have nothing but a close for that."""

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.send_str("before")
        raise ValueError("boom")

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        assert await ws.receive() == "before"
        end = await ws.receive()
        assert isinstance(end, Closed)
        assert end.code == (LOST if client.host in OURS else client.sees(1011).code)
    told = [record for record in caplog.records if record.exc_info and record.levelno > 30]
    assert [str(record.exc_info[1]) for record in told if record.exc_info] == ["boom"]
    assert (await client.get("/ws")).status == 400  # the server goes on


async def test_an_http_error_behind_the_acceptance_ends_the_socket(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        await opened(request)
        raise web.HTTPForbidden()

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        end = await ws.receive()
        assert isinstance(end, Closed)
        assert end.code == (LOST if client.host in OURS else client.sees(1011).code)


@pytest.mark.every_host
async def test_a_client_that_vanishes(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        story.tell([message.data async for message in ws])
        story.tell(ws.closed, ws.close_code)
        with pytest.raises(ConnectionResetError):
            await ws.send_str("late")
        story.tell(await ws.close())
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        await ws.send("a")
        await ws.send("b")
        await ws.ping()
        await ws.abort()
        assert (await story.next())[:2] == ["a", "b"]
        assert await story.next() == (True, 0 if client.lacks(Feature.SOCKET_LOSSES) else LOST)
        assert await story.next() is False
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_sending_to_a_client_that_has_vanished_raises_at_last(serve: Any) -> None:
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        receiving = asyncio.create_task(ws.receive())
        try:
            while True:
                await ws.send_bytes(bytes(65536))
                await asyncio.sleep(0)
        except ConnectionResetError as exc:
            story.tell(type(exc), (await receiving).type)
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        assert isinstance(await ws.receive(), bytes)
        await ws.abort()
        kind, message = await story.next()
        assert issubclass(kind, ClientConnectionResetError)
        assert message is (CLOSE if client.lacks(Feature.SOCKET_LOSSES) else WSMsgType.CLOSED)


@pytest.mark.every_host
async def test_a_handler_that_only_sends_is_told_that_its_client_has_vanished(serve: Any) -> None:
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        try:
            while True:
                await ws.send_str("tick")
                await asyncio.sleep(0)
        except ConnectionResetError:
            story.tell("over")
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        assert await ws.receive() == "tick"
        await ws.abort()
        assert await story.next() == "over"


@pytest.mark.every_host
async def test_a_message_over_the_limit_closes_with_1009(serve: Any) -> None:
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request, max_msg_size=1000)
        assert len((await ws.receive()).data) == 999
        message = await ws.receive()
        story.tell(message.type, getattr(message.data, "code", None))
        story.tell(ws.closed, ws.close_code, type(ws.exception()).__name__)
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        await ws.send(b"x" * 999)
        await ws.send("ü" * 500)
        end = await ws.receive()
        assert isinstance(end, Closed)
        assert end.code == client.sees(1009).code
        assert await story.next() == (WSMsgType.ERROR, 1009)
        assert await story.next() == (True, LOST, "WebSocketError")


# -- receiving


async def test_a_receive_that_times_out_loses_no_message(serve: Any) -> None:
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request, receive_timeout=0.01)
        with pytest.raises(TimeoutError):
            await ws.receive()
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.001)
        assert not ws.closed
        story.tell("late")
        for _ in range(3):
            await ws.send_str(await ws.receive_str(timeout=PATIENCE))
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        assert await story.next() == "late"
        for each in ("a", "b", "c"):
            await ws.send(each)
        assert [await ws.receive() for _ in range(3)] == ["a", "b", "c"]


async def test_cancelled_receives_lose_no_message(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        got: list[str] = []
        while len(got) < 50:
            receiving = asyncio.create_task(ws.receive_str())
            for _ in range(len(got) % 4):
                await asyncio.sleep(0)
            receiving.cancel()
            try:
                got.append(await receiving)
            except asyncio.CancelledError:
                got += [await ws.receive_str()]
        await ws.send_json(got)
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        for n in range(50):
            await ws.send(str(n))
        assert json.loads(await ws.receive()) == [str(n) for n in range(50)]


async def test_one_task_receives_at_a_time(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        first = asyncio.create_task(ws.receive())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="Concurrent call to receive"):
            await ws.receive()
        await ws.send_str("go on")
        await ws.send_str((await first).data)
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        assert await ws.receive() == "go on"
        await ws.send("x")
        assert await ws.receive() == "x"


async def test_sending_goes_on_beside_a_pending_receive(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        receiving = asyncio.create_task(ws.receive())
        await asyncio.sleep(0)
        for n in range(3):
            await ws.send_str(str(n))
        await ws.send_str((await receiving).data)
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        assert [await ws.receive() for _ in range(3)] == ["0", "1", "2"]
        await ws.send("x")
        assert await ws.receive() == "x"


@pytest.mark.parametrize(
    "call",
    [
        lambda ws: ws.receive(),
        lambda ws: ws.send_str("x"),
        lambda ws: ws.send_bytes(b"x"),
        lambda ws: ws.ping(),
        lambda ws: ws.close(),
        lambda ws: ws.write_eof(),
    ],
    ids=["receive", "send_str", "send_bytes", "ping", "close", "write_eof"],
)
async def test_nothing_works_before_the_acceptance(serve: Any, call: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        with pytest.raises(RuntimeError):
            await call(ws)
        assert (ws.prepared, ws.closed, ws.close_code, ws.exception()) == (False,) * 2 + (None,) * 2
        assert ws.get_extra_info("peername", "none") == "none"
        return web.Response(status=418)

    client = await serve(socket_app(handler))
    with pytest.raises(Refused) as refused:
        await client.ws_connect("/ws")
    assert refused.value.answer.status == 418


# -- what is around


async def test_a_middleware_is_around_a_socket(serve: Any) -> None:
    story = Story()

    @web.middleware
    async def watch(request: web.Request, handler: Any) -> web.StreamResponse:
        if "stranger" in request.query:
            raise web.HTTPUnauthorized(text="who?")
        request[USER] = "me"
        response = await handler(request)
        story.tell(type(response), response.status, response.prepared, response.close_code)
        assert isinstance(response, web.StreamResponse)
        return response

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.send_str(request[USER])
        await ws.receive()
        return ws

    client = await serve(socket_app(handler, middlewares=[watch]))
    async with await client.ws_connect("/ws") as ws:
        assert await ws.receive() == "me"
        await ws.close(4000)
        kind, *rest = await story.next()
        assert kind is web.WebSocketResponse
        code = 4000
        if client.lacks(Feature.CLOSE_CODES):
            code = LOST if client.lacks(Feature.CLOSES) else 0
        assert rest == [101, True, code]
    with pytest.raises(Refused) as refused:
        await client.ws_connect("/ws?stranger")
    assert refused.value.answer.status == 401
    assert refused.value.answer.body == b"who?" or client.lacks(Feature.REFUSALS)


async def test_a_middleware_may_answer_in_place_of_a_socket(serve: Any) -> None:
    @web.middleware
    async def replace(request: web.Request, handler: Any) -> web.StreamResponse:
        return web.Response(status=503, text="later")

    client = await serve(socket_app(echo, middlewares=[replace]))
    with pytest.raises(Refused) as refused:
        await client.ws_connect("/ws")
    assert refused.value.answer.status == 503
    assert refused.value.answer.body == b"later" or client.lacks(Feature.REFUSALS)


@pytest.mark.filterwarnings("ignore:old-style middleware:DeprecationWarning")
async def test_middlewares_of_nested_applications_are_around_a_socket(serve: Any) -> None:
    story = Story()

    def named(name: str) -> Any:
        @web.middleware
        async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
            story.tell(f"{name} in")
            response: web.StreamResponse = await handler(request)
            story.tell(f"{name} out")
            return response

        return middleware

    async def old_style(app: web.Application, handler: Any) -> Any:
        async def inside(request: web.Request) -> web.StreamResponse:
            story.tell("old in")
            response: web.StreamResponse = await handler(request)
            story.tell("old out")
            return response

        return inside

    inner = socket_app(echo, middlewares=[named("inner"), old_style])
    app = web.Application(middlewares=[named("outer")])
    app.add_subapp("/sub", inner)
    client = await serve(app)
    async with await client.ws_connect("/sub/ws") as ws:
        await ws.send("x")
        assert await ws.receive() == "x"
        order = ["outer in", "inner in", "old in"]
        assert [await story.next() for _ in order] == order
        await ws.close()
        order = ["old out", "inner out", "outer out"]
        assert [await story.next() for _ in order] == order


async def test_on_response_prepare_is_sent_once_with_the_acceptance(serve: Any) -> None:
    story = Story()

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        story.tell(request.path, response.status, type(response), response.prepared)
        response.headers["X-Late"] = "added"

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.prepare(request)
        story.tell("prepared")
        return ws

    app = socket_app(handler)
    app.on_response_prepare.append(add)
    client = await serve(app)
    client.require(Feature.ACCEPTANCE_FIELDS)
    async with await client.ws_connect("/ws") as ws:
        assert ws.fields["X-Late"] == "added"
        assert await ws.receive() == client.sees(1000)
    assert await story.next() == (f"{client.prefix}/ws", 101, web.WebSocketResponse, False)
    assert await story.next() == "prepared"


async def test_on_response_prepare_may_refuse(serve: Any) -> None:
    async def refuse(request: web.Request, response: web.StreamResponse) -> None:
        if response.status == 101:
            raise web.HTTPForbidden(text="no sockets")

    app = socket_app(echo)
    app.on_response_prepare.append(refuse)
    client = await serve(app)
    with pytest.raises(Refused) as refused:
        await client.ws_connect("/ws")
    assert refused.value.answer.status == 403
    assert refused.value.answer.body == b"no sockets" or client.lacks(Feature.REFUSALS)


async def test_handler_cancellation_ends_a_handler_whose_client_vanishes(serve: Any) -> None:
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.send_str("ready")
        try:
            await ws.receive()
            story.tell("received")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            story.tell("cancelled")
            raise
        return ws

    client = await serve(socket_app(handler), handler_cancellation=True)
    client.require(Feature.SOCKET_LOSSES)
    async with await client.ws_connect("/ws") as ws:
        assert await ws.receive() == "ready"
        await ws.abort()
        assert await story.next() == "cancelled"
    assert (await client.get("/ws")).status == 400


async def test_a_handler_goes_on_behind_its_client(serve: Any) -> None:
    story = Story()
    go_on = asyncio.Event()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        async for _ in ws:
            pass
        story.tell("over")
        await go_on.wait()
        story.tell("cleaned up")
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        await ws.abort()
        assert await story.next() == "over"
        go_on.set()
        assert await story.next() == "cleaned up"


async def test_context_variables_of_the_start_are_seen_in_a_socket(serve: Any) -> None:
    shared: contextvars.ContextVar[str] = contextvars.ContextVar("shared", default="unset")
    own: contextvars.ContextVar[str] = contextvars.ContextVar("own", default="unset")

    async def begin(app: web.Application) -> AsyncIterator[None]:
        shared.set("by start-up")
        yield

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.send_str(f"{shared.get()}, {own.get()}")
        own.set("by a handler")
        return ws

    app = socket_app(handler)
    app.cleanup_ctx.append(begin)
    client = await serve(app)
    for _ in range(2):
        async with await client.ws_connect("/ws") as ws:
            assert await ws.receive() == "by start-up, unset"


async def test_sockets_may_be_closed_from_outside_their_handlers(serve: Any) -> None:
    """As applications do that keep them in a set."""
    sockets: set[web.WebSocketResponse] = set()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        sockets.add(ws)
        await ws.send_str("ready")
        async for _ in ws:
            pass
        sockets.discard(ws)
        return ws

    app = socket_app(handler)
    client = await serve(app)
    async with await client.ws_connect("/ws") as ws:
        assert await ws.receive() == "ready"
        await asyncio.gather(*(each.close(code=1001, message=b"bye") for each in list(sockets)))
        assert await ws.receive() == client.sees(1001, "bye")
    async with asyncio.timeout(PATIENCE):
        while sockets:
            await asyncio.sleep(0)


async def test_many_sockets_at_once(serve: Any) -> None:
    client = await serve(socket_app(echo))

    async def talk(name: str) -> list[Any]:
        async with await client.ws_connect("/ws") as ws:
            for n in range(5):
                await ws.send(f"{name}{n}")
            got = [await ws.receive() for _ in range(5)]
            await ws.close()
            return got

    answers = await asyncio.gather(*(talk(name) for name in "abcdefghijklmnopqrst"))
    assert answers == [[f"{name}{n}" for n in range(5)] for name in "abcdefghijklmnopqrst"]


async def test_a_close_without_a_code(serve: Any) -> None:
    story = Story()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = await opened(request)
        await ws.close(code=0)
        story.tell(ws.close_code, ws.exception())
        return ws

    client = await serve(socket_app(handler))
    async with await client.ws_connect("/ws") as ws:
        # ASGI has no close without a code
        if client.host in OURS:
            assert await ws.receive() == Closed(NO_CODE)
            assert await story.next() == (0, None)
        else:
            assert await ws.receive() == client.sees(1000)
            assert await story.next() == (1000, None)


def test_the_class_may_be_written_as_generic() -> None:
    """As aiohttp's, which is generic in ``decode_text``."""
    assert web.WebSocketResponse[bool].__origin__ is web.WebSocketResponse
