"""Where the behaviour of aiohttp.web and what ASGI says do not meet by themselves.

Each spot has a number; its tests show what was made of it, by the messages of a scripted host.
The same on real hosts is shown by the matrix, and by the tests of behaviours.
"""

import asyncio
import contextvars
import importlib
import logging
import ssl
from typing import Any

import pytest
import trustme
from starlette.applications import Starlette
from starlette.routing import Mount

from bascule import web
from support.hosts import own_socket
from support.scripted_host import (
    END,
    GONE,
    ScriptedHost,
    app_of,
    http_scope,
    piece,
    socket_app_of,
    socket_scope,
)

CONNECT = {"type": "websocket.connect"}
POST = http_scope(method="POST", headers=[(b"host", b"h"), (b"content-length", b"4")])
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def tell(ask: Any, **changes: Any) -> Any:
    """Give what a function finds out about a request with such a scope."""
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(ask(request))
        return web.Response()

    await ScriptedHost(END).call(app_of(handler), http_scope(**changes))
    return seen[0]


# -- 1 to 4: what a request tells


PEM_OF_NOTHING = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


async def test_01_the_transport_tells_what_the_host_does() -> None:
    changes = {"client": ["203.0.113.7", 5], "server": ("h", "80")}

    def ask(request: web.Request) -> Any:
        assert request.transport is not None
        names = ("peername", "sockname", "unknown")
        return [request.transport.get_extra_info(name, "default") for name in names]

    assert await tell(ask, **changes) == [("203.0.113.7", 5), ("h", 80), "default"]
    assert await tell(lambda request: request.transport.is_closing()) is False


@pytest.mark.parametrize(("scheme", "is_there"), [("http", False), ("https", True)])
async def test_01_a_context_says_that_there_is_tls(scheme: str, is_there: bool) -> None:
    def ask(request: web.Request) -> Any:
        assert request.transport is not None
        return isinstance(request.transport.get_extra_info("sslcontext"), ssl.SSLContext)

    assert await tell(ask, scheme=scheme) is is_there


def ask_for_certificate(request: web.Request) -> Any:
    assert request.transport is not None
    return request.transport.get_extra_info("peercert", "default")


async def test_01_the_certificate_of_the_client_is_told() -> None:
    """As the module ssl tells it, of what the TLS extension has."""
    authority = trustme.CA()
    chain = [
        authority.issue_cert("who@example.org", common_name="Who").cert_chain_pems[0].bytes(),
        authority.cert_pem.bytes(),
    ]
    tls = {"client_cert_chain": [each.decode() for each in chain]}
    found = await tell(ask_for_certificate, scheme="https", extensions={"tls": tls})
    assert (("commonName", "Who"),) in found["subject"]
    assert found["subjectAltName"] == (("email", "who@example.org"),)


@pytest.mark.parametrize(
    "extensions",
    [None, {}, {"tls": {}}, {"tls": {"client_cert_chain": []}}]
    + [{"tls": {"client_cert_chain": [bad]}} for bad in ("", "nonsense", PEM_OF_NOTHING)],
)
async def test_01_without_a_certificate_there_is_none(extensions: Any) -> None:
    assert await tell(ask_for_certificate, extensions=extensions) == "default"


async def test_01_a_transport_that_is_closed_has_the_host_cut() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    host = ScriptedHost()
    with pytest.raises(ConnectionAbortedError):
        await host.call(app_of(handler))
    assert host.sent == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"scheme": "https", "client": ["1.2.3.4", 5]}, "https://h/ 1.2.3.4"),
        ({"headers": [], "server": ["srv", 80]}, "http://srv/ None"),
        ({"headers": [(b"host", b"a"), (b"x-forwarded-proto", b"https")]}, "http://a/ None"),
    ],
)
async def test_02_url_host_scheme_and_remote(changes: Any, expected: str) -> None:
    assert await tell(lambda r: f"{r.url} {r.remote}", **changes) == expected


@pytest.mark.parametrize(
    ("changes", "raw", "tail"),
    [
        ({"path": "/a/b", "raw_path": b"/a%2Fb"}, "/a%2Fb", "a/b"),
        ({"path": "/a b", "raw_path": None}, "/a%20b", "a b"),
        ({"path": "/ü"}, "/%C3%BC", "ü"),
        ({"path": "/new", "raw_path": b"/old"}, "/new", "new"),  # by a middleware
        ({"path": "/\ufffd", "raw_path": b"/%ff"}, "/%ff", "%ff"),
        ({"path": "/r/a b", "raw_path": b"/a%20b", "root_path": "/r"}, "/r/a%20b", "a b"),
    ],
)
async def test_03_the_raw_path_counts(changes: Any, raw: str, tail: str) -> None:
    assert await tell(lambda r: (r.raw_path, r.match_info["tail"]), **changes) == (raw, tail)


async def test_04_the_prefix_is_in_the_path_and_in_urls_but_not_in_routes() -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.path, str(app.router["item"].url_for(id="8"))))
        return web.Response()

    app = web.Application()
    app.router.add_get("/item/{id}", handler, name="item")
    for path in ("/r/item/7", "/item/7"):
        await ScriptedHost().call(app, http_scope(path=path, root_path="/r"))
    assert seen == [("/r/item/7", "/r/item/8")] * 2
    assert str(app.router["item"].url_for(id="8")) == "/item/8"


# -- 5 and 6: the life


async def test_05_sockets_that_the_host_has_closed_are_closed_in_silence_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def forget_nothing(app: web.Application) -> None:
        await sockets[0].close(code=1001)

    async def keep(ws: web.WebSocketResponse) -> None:
        sockets.append(ws)
        await ws.receive()

    sockets: list[web.WebSocketResponse] = []
    app = socket_app_of(keep)
    app.on_shutdown.append(forget_nothing)
    host = ScriptedHost(CONNECT, {"type": "websocket.disconnect", "code": 1012})
    await host.call(app, socket_scope())
    assert host.types == ["accept"]
    assert [each for each in caplog.records if each.levelno > logging.DEBUG] == []


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def test_06_a_start_that_failed_is_tried_again_by_the_next_request() -> None:
    async def fail_once(app: web.Application) -> None:
        failures.append(1)
        if len(failures) == 1:
            raise ValueError("not yet")

    failures: list[int] = []
    app = app_of(hello)
    app.on_startup.append(fail_once)
    statuses = []
    for _ in range(3):
        host = ScriptedHost()
        await app(http_scope(), host.receive, host.send)
        statuses.append(host.status)
    async with app:
        pass
    assert (statuses, len(failures)) == ([500, 200, 200], 2)


async def test_06_a_lifespan_behind_a_lazy_start_is_answered_and_starts_nothing() -> None:
    starts: list[int] = []

    async def count(app: web.Application) -> None:
        starts.append(1)

    app = app_of(hello)
    app.on_startup.append(count)
    host = ScriptedHost()
    await app(http_scope(), host.receive, host.send)
    life = ScriptedHost({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    await app({"type": "lifespan"}, life.receive, life.send)
    assert (len(starts), life.types) == (1, ["complete", "complete"])


async def test_06_a_parents_lifespan_holds_the_life() -> None:
    seen: list[str] = []

    async def context(app: web.Application) -> Any:
        seen.append("enter")
        yield
        seen.append("leave")

    app = app_of(hello)
    app.cleanup_ctx.append(context)
    outer = Starlette(routes=[Mount("/r", app)], lifespan=lambda _: app)
    async with outer.router.lifespan_context(outer):
        host = ScriptedHost()
        await outer(http_scope(path="/r/"), host.receive, host.send)
        assert (host.body, seen) == (b"hello", ["enter"])
    assert seen == ["enter", "leave"]


# -- 7 to 10: the answer


@pytest.mark.parametrize("cancels", [True, False])
@pytest.mark.parametrize(
    ("scope", "messages"),
    [(http_scope(), ()), (http_scope(), (END,)), (POST, (piece(b"body"),))],
    ids=["asked for nothing", "no body", "body"],
)
async def test_07_a_client_that_leaves_cancels_its_handler_if_it_is_wished(
    cancels: bool, scope: Any, messages: Any
) -> None:
    seen: list[Any] = []
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        seen.append(await request.read())
        begun.set()
        try:
            await may_end.wait()
            seen.append("finished")
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        return web.Response()

    host = ScriptedHost(*messages)
    app = app_of(handler, handler_args={"handler_cancellation": cancels})
    calling = asyncio.create_task(host.call(app, scope))
    await begun.wait()
    host.leaving.set()
    if cancels:
        async with asyncio.timeout(5):
            await calling
    for _ in range(20):
        await asyncio.sleep(0)
    may_end.set()
    await calling
    assert seen == [b"body" if scope is POST else b"", "cancelled" if cancels else "finished"]
    assert len(host.sent) == (0 if cancels else 2)


async def test_07_nothing_of_a_body_is_taken_away_from_its_handler() -> None:
    """The client's leaving is listened for once the body is read, and not before."""

    async def handler(request: web.Request) -> web.Response:
        for _ in range(20):
            await asyncio.sleep(0)
        seen.append(host.received)
        return web.Response(body=await request.read())

    seen: list[int] = []
    host = ScriptedHost(piece(b"bo", True), piece(b"dy"))
    await host.call(app_of(handler, handler_args={"handler_cancellation": True}), POST)
    assert (seen, host.body) == ([0], b"body")


async def test_08_plain_answers_do_not_listen() -> None:
    host = await ScriptedHost(END, GONE).call(app_of(hello))
    assert (host.received, host.body) == (0, b"hello")


async def test_09_a_head_leaves_by_itself_with_an_empty_piece() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await host.until_sent(2)
        return response

    host = ScriptedHost()
    await host.call(app_of(handler))
    assert host.sent[1] == {"type": "http.response.body", "body": b"", "more_body": True}


async def test_10_date_and_server_are_the_hosts() -> None:
    host = await ScriptedHost().call(app_of(hello))
    assert host.headers.keys() == {b"content-type", b"content-length"}


# -- 11 to 14: files and bodies


async def test_11_a_file_is_read_where_nothing_is_offered(tmp_path: Any) -> None:
    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    path = tmp_path / "file.bin"
    path.write_bytes(bytes(range(256)) * 4000)
    for method, size in (("GET", 1_024_000), ("HEAD", 0)):
        host = await ScriptedHost().call(app_of(handler), http_scope(method=method))
        assert len(host.body) == size
        assert max(len(message["body"]) for message in host.sent[1:]) <= 256 * 1024


EXPECTING = http_scope(
    method="POST",
    headers=[(b"host", b"h"), (b"content-length", b"4"), (b"expect", b"100-continue")],
)


async def test_12_nothing_is_received_before_an_expectation_is_refused() -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=417)

    async def read(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application()
    app.router.add_post("/", read, expect_handler=refuse)
    host = await ScriptedHost(piece(b"body")).call(app, EXPECTING)
    assert (host.status, host.received_first) == (417, 0)


async def test_12_a_100_that_a_handler_writes_is_swallowed() -> None:
    async def go_on(request: web.Request) -> None:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def read(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application()
    app.router.add_post("/", read, expect_handler=go_on)
    host = await ScriptedHost(piece(b"body")).call(app, EXPECTING)
    assert (host.types, host.body) == (["start", "body"], b"body")


async def test_13_a_body_is_pulled_as_it_is_read() -> None:
    """A handler that reads slowly is not handed more than it has asked for."""

    async def handler(request: web.Request) -> web.Response:
        seen.append(host.received)
        await request.content.read(1)
        seen.append(host.received)
        async for _ in request.content.iter_any():
            pass
        seen.append(host.received)
        return web.Response()

    seen: list[int] = []
    host = ScriptedHost(*(piece(b"x" * 1000, number < 9) for number in range(10)))
    await host.call(app_of(handler), http_scope(method="POST", headers=_CHUNKED))
    assert seen == [0, 1, 10]


_CHUNKED = [(b"host", b"h"), (b"transfer-encoding", b"chunked")]


async def test_13_whether_there_is_a_body_is_asked_on_http_2() -> None:
    assert await tell(lambda r: r.can_read_body, http_version="2") is False


async def test_14_a_body_is_counted_while_it_is_read() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    host = ScriptedHost(*(piece(b"x" * 100, True) for _ in range(50)))
    app = app_of(handler, client_max_size=1000)
    await host.call(app, http_scope(method="POST", headers=_CHUNKED))
    assert (host.status, host.received_first) == (413, 11)


# -- 15 to 19: tasks, errors, logs, contexts, signals


async def test_15_the_task_is_the_hosts_own() -> None:
    assert await tell(lambda r: r.task is asyncio.current_task())


async def test_16_an_error_is_logged_once_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise ValueError("a fault")

    host = await ScriptedHost().call(app_of(handler))
    assert host.status == 500
    errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert [each.exc_info[0] for each in errors if each.exc_info] == [ValueError]


async def test_16_an_error_is_raised_too_where_that_is_wished() -> None:
    """Behind its answer, as Starlette's TestClient expects it."""

    async def handler(request: web.Request) -> web.Response:
        raise ValueError("a fault")

    host = ScriptedHost()
    with pytest.raises(ValueError, match="a fault"):
        await host.call(app_of(handler, handler_args={"raise_errors": True}))
    assert host.status == 500


# Starlette would rather have a fork of httpx.
@pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`")
def test_16_the_test_client_of_others_raises_errors() -> None:
    testclient = importlib.import_module("starlette.testclient")

    async def handler(request: web.Request) -> web.Response:
        raise ValueError("a fault")

    app = app_of(handler, handler_args={"raise_errors": True})
    with testclient.TestClient(app) as client, pytest.raises(ValueError, match="a fault"):
        client.get("/")
    with testclient.TestClient(app, raise_server_exceptions=False) as client:
        assert client.get("/").status_code == 500


async def test_16_nobody_is_told_of_errors_by_a_server_of_ours() -> None:
    async def handler(request: web.Request) -> web.Response:
        raise ValueError("a fault")

    app = app_of(handler, handler_args={"raise_errors": True})
    async with own_socket(app) as client:
        assert (await client.get("/")).status == 500


@pytest.mark.parametrize("wished", [True, False])
async def test_17_the_access_log_is_written_if_it_is_wished(
    wished: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    args = {"access_log": logging.getLogger("told")} if wished else {}
    await ScriptedHost().call(app_of(hello, handler_args=args))
    assert [each.name for each in caplog.records] == (["told"] if wished else [])


@pytest.mark.parametrize("outer", ["unset", "of a middleware"])
async def test_18_what_start_up_set_is_seen_unless_a_middleware_has_set_it(outer: str) -> None:
    async def set_it(app: web.Application) -> None:
        variable.set("of the start")

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=variable.get())

    async def call() -> None:
        if outer != "unset":
            variable.set(outer)
        await app(http_scope(), host.receive, host.send)

    app, host = app_of(handler), ScriptedHost()
    app.on_startup.append(set_it)
    async with app:
        await asyncio.create_task(call(), context=contextvars.Context())
    assert host.body.decode() == ("of the start" if outer == "unset" else outer)


async def test_19_signals_are_sent_before_the_head() -> None:
    async def sign(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Signed"] = "yes"

    app = app_of(hello)
    app.on_response_prepare.append(sign)
    host = await ScriptedHost().call(app)
    assert host.headers[b"x-signed"] == b"yes"


# -- 20 to 28: WebSockets


async def test_20_the_scope_says_that_it_is_a_websocket() -> None:
    """A scope of HTTP/2 has no Upgrade."""

    async def send(ws: web.WebSocketResponse) -> None:
        await ws.send_str("accepted")

    host = ScriptedHost(CONNECT, {"type": "websocket.disconnect", "code": 1000})
    await host.call(socket_app_of(send), socket_scope(http_version="2", headers=[]))
    assert host.types[:2] == ["accept", "send"]


async def test_21_pings_and_heartbeats_do_nothing() -> None:
    async def ping(ws: web.WebSocketResponse) -> None:
        await ws.ping(b"x")
        await ws.pong()

    host = ScriptedHost(CONNECT, {"type": "websocket.disconnect", "code": 1000})
    await host.call(socket_app_of(ping, heartbeat=0.01, autoping=False), socket_scope())
    assert host.types == ["accept", "close"]


async def test_22_a_receive_that_is_given_up_loses_nothing() -> None:
    class Slow(ScriptedHost):
        async def receive(self) -> Any:
            if self.received == 1:
                await may_come.wait()
            return await super().receive()

    async def handler(ws: web.WebSocketResponse) -> None:
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.001)
        may_come.set()
        seen.append(await ws.receive_str(timeout=5))

    seen: list[str] = []
    may_come = asyncio.Event()
    host = Slow(CONNECT, {"type": "websocket.receive", "text": "kept"})
    host.messages.append({"type": "websocket.disconnect", "code": 1000})
    await host.call(socket_app_of(handler), socket_scope())
    assert seen == ["kept"]


async def test_23_a_close_does_not_wait_for_long() -> None:
    """Nor for a client that answers with messages instead of its close."""

    async def close(ws: web.WebSocketResponse) -> None:
        assert await ws.close(code=4000)

    messages = [{"type": "websocket.receive", "text": "late"}] * 3
    host = ScriptedHost(CONNECT, *messages, {"type": "websocket.disconnect", "code": 4000})
    await host.call(socket_app_of(close), socket_scope())
    assert host.types == ["accept", "close"]


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ({"code": 1000, "reason": "bye"}, ("CLOSE", 1000, "bye", 1000)),
        ({"code": 1006}, ("CLOSED", None, None, 1006)),
    ],
)
async def test_24_codes_of_the_client(told: Any, seen: Any) -> None:
    async def handler(ws: web.WebSocketResponse) -> None:
        message = await ws.receive()
        got.append((message.type.name, message.data, message.extra, ws.close_code))

    got: list[Any] = []
    host = ScriptedHost(CONNECT, {"type": "websocket.disconnect", **told})
    await host.call(socket_app_of(handler), socket_scope())
    assert got == [seen]


async def test_25_a_refusal_is_one_message() -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=401)
        await response.prepare(request)
        await response.write(b"not ")
        await response.write(b"you")
        return response

    scope = socket_scope(extensions={"websocket.http.response": {}})
    host = await ScriptedHost(CONNECT).call(app_of(refuse), scope)
    assert (host.types, host.status, host.body) == (["start", "body"], 401, b"not you")


@pytest.mark.parametrize(("known", "chosen"), [(("a", "b"), "b"), (("c",), None)])
async def test_26_the_clients_order_of_subprotocols_counts(known: Any, chosen: Any) -> None:
    async def nothing(ws: web.WebSocketResponse) -> None:
        assert ws.ws_protocol == chosen

    host = ScriptedHost(CONNECT)
    await host.call(socket_app_of(nothing, protocols=known), socket_scope(subprotocols=["b", "a"]))
    assert host.sent[0]["subprotocol"] == chosen


async def test_27_large_messages_are_refused_here() -> None:
    async def receive(ws: web.WebSocketResponse) -> None:
        message = await ws.receive()
        assert message.type is web.WSMsgType.ERROR

    host = ScriptedHost(CONNECT, {"type": "websocket.receive", "bytes": bytes(1001)})
    await host.call(socket_app_of(receive, max_msg_size=1000), socket_scope())
    assert [(each["type"], each.get("code")) for each in host.sent[1:]] == [
        ("websocket.close", 1009)
    ]


async def test_27_compression_reads_as_none() -> None:
    async def look(ws: web.WebSocketResponse) -> None:
        assert ws.compress == 0

    await ScriptedHost(CONNECT).call(socket_app_of(look), socket_scope())


async def test_28_a_handler_that_returns_closes() -> None:
    async def nothing(ws: web.WebSocketResponse) -> None: ...

    host = await ScriptedHost(CONNECT).call(socket_app_of(nothing), socket_scope())
    assert host.sent[1:] == [{"type": "websocket.close", "code": 1000}]


# -- 29 to 33: the rest


async def test_29_protocol_and_writer_have_stand_ins() -> None:
    def ask(request: web.Request) -> Any:
        return (request.protocol.transport is request.transport, callable(request.writer.write))

    assert await tell(ask) == (True, True)


async def test_30_trailers_and_hints_are_dropped_where_they_are_not_offered() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await request.send_early_hints({"Link": "</a>; rel=preload"})
        response = web.StreamResponse()
        response.trailers["X-Sum"] = "1"
        await response.prepare(request)
        await response.write(b"x")
        return response

    host = await ScriptedHost().call(app_of(handler))
    assert host.types == ["start", "body", "body"]
    assert b"trailer" not in host.headers


async def test_31_the_scope_is_to_be_had() -> None:
    scope = http_scope(state={"of": "the lifespan"})
    assert await tell(lambda r: r.scope["state"], **scope) == {"of": "the lifespan"}


async def test_32_a_response_that_is_used_twice_is_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return once

    once = web.Response(text="once")
    app = app_of(handler)
    hosts = [ScriptedHost(), ScriptedHost()]
    async with app:
        for host in hosts:
            async with asyncio.timeout(5):
                await app(http_scope(), host.receive, host.send)
    assert [host.status for host in hosts] == [200, 500]
    assert "was prepared for another request" in caplog.text


def test_33_other_event_loops_are_refused_with_a_reason() -> None:
    """What trio would do: it runs the call outside of any loop of asyncio's."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    calling = web.Application()({"type": "lifespan"}, receive, send)
    with pytest.raises(RuntimeError, match="asyncio"):
        calling.send(None)
    assert sent[0]["type"] == "lifespan.startup.failed"
    assert "asyncio" in sent[0]["message"]
