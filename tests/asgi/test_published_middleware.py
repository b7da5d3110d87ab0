"""Published ASGI middlewares around a native application: they do their work, nothing is lost."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sentry_sdk
from asgi_correlation_id import CorrelationIdMiddleware, correlation_id
from asgi_csrf import asgi_csrf
from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from sentry_sdk.integrations.logging import EventHandler
from sentry_sdk.transport import Transport
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from yarl import URL

from bascule import web
from support.hosts import own_socket, uvicorn_guest
from support.sockets import Closed, Refused
from support.wire import PATIENCE

PLAIN = {"Content-Type": "text/plain"}
HOSTS = {"own": own_socket, "uvicorn": uvicorn_guest}


# -- the application


async def echo(request: web.Request) -> web.Response:
    told = {
        "method": request.method,
        "target": request.path_qs,
        "fields": request.headers.getall("X-Two", []),
        "cookie": request.cookies.get("a"),
        "body": await request.text(),
    }
    response = web.json_response(told, status=201, headers=[("X-Out", "1"), ("X-Out", "2")])
    response.set_cookie("b", "1")
    response.set_cookie("c", "2")
    return response


async def upload(request: web.Request) -> web.Response:
    form = await request.post()
    file = form["file"]
    assert isinstance(file, web.FileField)
    return web.json_response([file.filename, len(file.file.read()), form["text"]])


async def shout(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = "text/plain"
    await response.prepare(request)
    async for piece in request.content.iter_any():
        await response.write(piece.upper())
    await response.write_eof()
    return response


async def talk(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(protocols=["chat"])
    await ws.prepare(request)
    async for message in ws:
        if message.type is web.WSMsgType.BINARY:
            await ws.send_bytes(message.data[::-1])
        elif message.data == "close":
            await ws.close(code=3001, message=b"enough")
        else:
            await ws.send_str(message.data.upper())
    return ws


async def deny(request: web.Request) -> web.Response:
    raise web.HTTPForbidden(text="not you", headers={"X-Why": "because"})


async def fail(request: web.Request) -> web.StreamResponse:
    if request.path == "/late":
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x" * 1000)
    raise ValueError("inside")


STARTED = web.AppKey("started", str)


def make_app(log: list[str] | None = None) -> web.Application:
    async def context(app: web.Application) -> AsyncIterator[None]:
        app[STARTED] = "yes"
        if log is not None:
            log.append("up")
        yield
        if log is not None:
            log.append("down")

    async def tell(request: web.Request) -> web.Response:
        return web.Response(text=request.app[STARTED])

    app = web.Application(client_max_size=0)
    app.cleanup_ctx.append(context)
    app.router.add_route("*", "/echo", echo)
    app.add_routes(
        [
            web.get("/", tell),
            web.post("/upload", upload),
            web.post("/shout", shout),
            web.get("/ws", talk),
            web.get("/denied", deny),
            web.get("/early", fail),
            web.get("/late", fail),
        ]
    )
    return app


# -- what stands around it


def is_echo(scope: Any) -> bool:
    """Say whether a request has no need of a token: this one has cookies, and changes nothing."""
    return bool(scope["path"] == "/echo")


async def pass_on(request: Any, call_next: Any) -> Any:
    return await call_next(request)


MIDDLEWARES: dict[str, Callable[[Any], Any]] = {
    "correlation-id": CorrelationIdMiddleware,
    "cors": lambda app: CORSMiddleware(app, allow_origins=["https://x.example"]),
    "csrf": lambda app: asgi_csrf(app, signing_secret="secret", skip_if_scope=is_echo),
    "gzip": GZipMiddleware,
    "opentelemetry": lambda app: OpenTelemetryMiddleware(app, tracer_provider=TracerProvider()),
    "sentry": SentryAsgiMiddleware,
    "session": lambda app: SessionMiddleware(app, secret_key="secret"),
    "starlette-base": lambda app: BaseHTTPMiddleware(app, dispatch=pass_on),
}


@pytest.fixture(params=MIDDLEWARES)
def wrap(request: pytest.FixtureRequest) -> Any:
    return MIDDLEWARES[request.param]


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> Any:
    return HOSTS[request.param]


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.ERROR and record.name.startswith("bascule")
    ]


# -- nothing is lost


async def test_requests_answers_and_lifespan(wrap: Any, host: Any) -> None:
    log: list[str] = []
    async with host(wrap(make_app(log))) as client:
        assert (log, (await client.get("/")).text) == (["up"], "yes")
        answer = await client.request(
            "PATCH",
            "/echo?a=%20b",
            body=b"data",
            fields=[("X-Two", "1"), ("X-Two", "2"), ("Cookie", "a=1")],
        )
        assert (answer.status, answer.fields.getall("X-Out")) == (201, ["1", "2"])
        assert len(answer.fields.getall("Set-Cookie")) == 2
        assert answer.fields["Content-Length"] == str(len(answer.body))
        assert json.loads(answer.body) == {
            "method": "PATCH",
            "target": "/echo?a=%20b",
            "fields": ["1", "2"],
            "cookie": "1",
            "body": "data",
        }
        answer = await client.request("HEAD", "/echo")
        assert (answer.status, answer.body) == (201, b"")
        answer = await client.get("/denied")
        assert (answer.status, answer.text, answer.fields["X-Why"]) == (403, "not you", "because")
        assert (await client.get("/nowhere")).status == 404
        assert log == ["up"]
    assert log == ["up", "down"]


async def test_uploads(wrap: Any, host: Any) -> None:
    async with host(wrap(make_app())) as client:
        http: httpx.AsyncClient = client.httpx
        files = {"file": ("a.bin", b"x" * 300_000)}
        answer = await http.post("/upload", data={"text": "ü"}, files=files)
        assert answer.json() == ["a.bin", 300_000, "ü"]


async def test_streams_both_ways(wrap: Any, host: Any) -> None:
    pieces = [b"a" * 70_000, b"b", b"c" * 70_000]
    async with host(wrap(make_app())) as client:
        answer = await client.post("/shout", body=pieces, fields=PLAIN)
        assert answer.body == b"".join(pieces).upper()


async def test_the_first_piece_is_seen_before_the_last_is_made(wrap: Any, host: Any) -> None:
    go_on = asyncio.Event()

    async def tick(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "text/plain"
        await response.prepare(request)
        await response.write(b"first")
        await go_on.wait()
        await response.write(b"last")
        return response

    app = make_app()
    app.router.add_get("/tick", tick)
    async with host(wrap(app)) as client, asyncio.timeout(PATIENCE):
        plain = {"Accept-Encoding": "identity"}
        async with client.httpx.stream("GET", "/tick", headers=plain) as answer:
            pieces = answer.aiter_raw()
            assert await anext(pieces) == b"first"
            go_on.set()
            assert b"".join([piece async for piece in pieces]) == b"last"


async def test_sockets(wrap: Any, host: Any) -> None:
    async with host(wrap(make_app())) as client:
        async with await client.ws_connect("/ws", subprotocols=["chat"]) as ws:
            assert ws.subprotocol == "chat"
            await ws.send("text")
            assert await ws.receive() == "TEXT"
            await ws.send(b"ab" * 50_000)
            assert await ws.receive() == b"ba" * 50_000
            await ws.send("close")
            assert await ws.receive() == Closed(3001, "enough")
        with pytest.raises(Refused) as info:
            await client.ws_connect("/denied")
        assert info.value.answer.status == 403
        assert info.value.answer.fields["X-Why"] == "because"


async def test_errors_are_answered_or_cut(
    wrap: Any, host: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with host(wrap(make_app())) as client:
        assert (await client.get("/early")).status == 500
        assert len(errors(caplog)) == 1
        if wrap is MIDDLEWARES["starlette-base"]:
            # It completes the answer, and raises behind it: so it is with Starlette's own.
            assert (await client.get("/late")).body == b"x" * 1000
            return
        with pytest.raises(ConnectionError):
            await client.get("/late")


async def test_a_client_that_leaves_is_noticed(wrap: Any, host: Any) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(os.urandom(1000))  # what is compressed has to leave, too
                begun.set()
                await asyncio.sleep(0)
        finally:
            ended.set()

    app = make_app()
    app.router.add_get("/endless", endless)
    async with host(wrap(app)) as client, asyncio.timeout(PATIENCE):
        request = asyncio.create_task(client.get("/endless"))
        await begun.wait()
        request.cancel()
        await asyncio.wait([request])
        await ended.wait()


async def test_files(wrap: Any, host: Any, tmp_path: Path) -> None:
    """Hosts may offer to send files themselves, which middlewares know nothing of."""
    path = tmp_path / "file.bin"
    data = bytes(range(256)) * 2000
    path.write_bytes(data)

    async def send(request: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    app = make_app()
    app.router.add_get("/file", send)
    async with host(wrap(app)) as client:
        for fields in (PLAIN, {"Accept-Encoding": "identity"}):
            answer = await client.get("/file", fields=fields)
            assert (answer.status, answer.body) == (200, data)
            answer = await client.get("/file", fields={**fields, "Range": "bytes=1000-300999"})
            assert (answer.status, answer.body) == (206, data[1000:301_000])


# -- they do their work


async def test_correlation_ids_reach_the_handler() -> None:
    async def tell(request: web.Request) -> web.Response:
        return web.Response(text=correlation_id.get() or "none")

    app = web.Application()
    app.router.add_get("/", tell)
    wrapped = CorrelationIdMiddleware(app, validator=None, transformer=str)
    async with own_socket(wrapped) as client:
        answer = await client.get("/", fields={"X-Request-ID": "seven"})
        assert (answer.text, answer.fields["X-Request-ID"]) == ("seven", "seven")


async def test_cors_is_answered_and_added() -> None:
    fields = {"Origin": "https://x.example", "Access-Control-Request-Method": "GET"}
    async with own_socket(MIDDLEWARES["cors"](make_app())) as client:
        answer = await client.get("/", fields=fields)
        assert answer.fields["Access-Control-Allow-Origin"] == "https://x.example"
        answer = await client.request("OPTIONS", "/", fields=fields)
        assert (answer.status, "GET" in answer.fields["Access-Control-Allow-Methods"]) == (
            200,
            True,
        )


async def test_answers_are_compressed() -> None:
    async with own_socket(GZipMiddleware(make_app(), minimum_size=10)) as client:
        for data in (b"x" * 10_000, [b"x" * 10_000] * 2):
            fields = {"Accept-Encoding": "gzip", **PLAIN}
            answer = await client.post("/shout", body=data, fields=fields)
            assert answer.fields["Content-Encoding"] == "gzip"  # httpx has unpacked it
            assert answer.body == (data if isinstance(data, bytes) else b"".join(data)).upper()


async def test_sessions_are_in_the_scope_of_a_request() -> None:
    async def count(request: web.Request) -> web.Response:
        session = request.get_extra_info("scope")["session"]
        session["count"] = session.get("count", 0) + 1
        return web.Response(text=str(session["count"]))

    app = web.Application()
    app.router.add_get("/", count)
    async with own_socket(MIDDLEWARES["session"](app)) as client:
        first = await client.get("/")
        cookie = first.fields["Set-Cookie"].partition(";")[0]
        again = await client.get("/", fields={"Cookie": cookie})
        assert (first.text, again.text) == ("1", "2")


async def test_forged_forms_are_refused_and_others_read_on() -> None:
    """The middleware reads the body to find its token, and gives it once more."""

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=request.get_extra_info("scope")["csrftoken"]())

    async def take(request: web.Request) -> web.Response:
        return web.Response(text=str((await request.post())["text"]))

    app = web.Application()
    app.add_routes([web.get("/", show), web.post("/", take)])
    async with own_socket(MIDDLEWARES["csrf"](app)) as client:
        http: httpx.AsyncClient = client.httpx
        token = (await http.get("/")).text
        http.cookies.set("csrftoken", token)
        assert (await http.post("/", data={"text": "forged"})).status_code == 403
        answer = await http.post("/", data={"csrftoken": token, "text": "ü"})
        assert (answer.status_code, answer.text) == (200, "ü")


async def test_spans_are_of_a_request_and_around_those_of_the_handler() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    async def work(request: web.Request) -> web.Response:
        with trace.get_tracer(__name__, tracer_provider=provider).start_as_current_span("inside"):
            return web.Response(status=202)

    app = web.Application()
    app.router.add_get("/", work)
    async with own_socket(OpenTelemetryMiddleware(app, tracer_provider=provider)) as client:
        assert (await client.get("/?q=1")).status == 202
        # Its last span ends behind the answer.
        async with asyncio.timeout(PATIENCE):
            while not (spans := [s for s in exporter.get_finished_spans() if s.parent is None]):
                await asyncio.sleep(0)
    (outer,) = spans
    (inside,) = [span for span in exporter.get_finished_spans() if span.name == "inside"]
    assert inside.parent is not None
    assert outer.context is not None
    assert inside.parent.span_id == outer.context.span_id
    attributes = outer.attributes or {}
    assert attributes.get("http.status_code", attributes.get("http.response.status_code")) == 202


class Taker(Transport):
    """Keeps what Sentry would send."""

    def __init__(self) -> None:
        super().__init__({"dsn": "https://key@sentry.invalid/1"})
        self.taken: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.taken += [(item.type, item.payload.json) for item in envelope.items]

    def of(self, kind: str) -> list[Any]:
        return [payload for found, payload in self.taken if found == kind]


@contextmanager
def sentry() -> Iterator[Taker]:
    """Let Sentry tell us, and nobody else, without its patches of other packages."""
    taker = Taker()
    client = sentry_sdk.Client(
        dsn="https://key@sentry.invalid/1",
        transport=taker,
        default_integrations=False,
        auto_enabling_integrations=False,
        traces_sample_rate=1.0,
    )
    scope = sentry_sdk.get_global_scope()
    before = scope.client
    scope.set_client(client)
    try:
        yield taker
    finally:
        scope.set_client(before)
        client.close()


async def test_sentry_is_told_of_requests_and_errors() -> None:
    """Of an error that was answered by the log, as our 500 is the answer; of one behind the head by
    the call itself."""
    app = make_app()
    app.logger = logging.getLogger("bascule.test-sentry")
    app.logger.addHandler(handler := EventHandler())
    try:
        with sentry() as told:
            async with own_socket(SentryAsgiMiddleware(app)) as client:
                assert (await client.get("/")).status == 200
                assert (await client.get("/early")).status == 500
                with pytest.raises(ConnectionError):
                    await client.get("/late")
    finally:
        app.logger.removeHandler(handler)
    found = {
        (URL(event["request"]["url"]).path, event["exception"]["values"][-1]["value"])
        for event in told.of("event")
    }
    assert found == {("/early", "inside"), ("/late", "inside")}
    statuses = [item["contexts"]["trace"].get("status") for item in told.of("transaction")]
    assert statuses == ["ok", "internal_error", "internal_error"]
