"""ASGI applications mounted in a native one, the same on every host."""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from bascule import web
from bascule.testing import ClientError
from support.asgi_apps import body, mirror, of_http, read_all, start
from support.features import Feature
from support.wire import PATIENCE

PLAIN = {"Content-Type": "text/plain"}


def app_with(inner: Any, prefix: str = "/api", **kwargs: Any) -> web.Application:
    app = web.Application(**kwargs)
    app.mount(prefix, inner, name="inner")
    return app


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give what native loggers have told of errors; hosts have loggers of their own."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.ERROR and record.name.startswith("bascule")
    ]


# -- the scope


@pytest.mark.parametrize(
    ("prefix", "target", "told"),
    [
        ("/api", "/api/", ["/api/", "/api", "/api/", ""]),
        ("/api", "/api/x?a=%20b", ["/api/x", "/api", "/api/x", "a=%20b"]),
        ("/api", "/api/a%2Fb", ["/api/a/b", "/api", "/api/a%2Fb", ""]),
        ("/api", "/%61pi/x", ["/api/x", "/api", "/%61pi/x", ""]),
        ("/a/b/", "/a/b/c", ["/a/b/c", "/a/b", "/a/b/c", ""]),
        ("/ü b", "/%C3%BC%20b/x", ["/ü b/x", "/ü b", "/%C3%BC%20b/x", ""]),
    ],
)
async def test_the_path_is_whole_and_begins_with_the_root_path(
    serve: Any, prefix: str, target: str, told: list[str]
) -> None:
    """ASGI HTTP specification, `path` and `root_path`."""
    client = await serve(app_with(mirror, prefix))
    answer = await client.request("PATCH", target)
    found = json.loads(answer.body)
    # httpx's transport leaves no raw path to see but a quoted one, and hosts may do likewise.
    whole = [client.prefix + told[0], client.prefix + told[1], told[3]]
    assert [found[key] for key in ("path", "root_path", "query")] == whole
    assert client.host not in ("memory", "socket") or found["raw_path"] == told[2]
    assert (found["method"], found["type"], found["scheme"]) == ("PATCH", "http", "http")
    assert answer.fields["X-Inner"] == "1"


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE"])
@pytest.mark.every_host
async def test_the_prefix_itself_is_redirected(serve: Any, method: str) -> None:
    """As Starlette redirects what it mounts: relative links would lead elsewhere."""
    client = await serve(app_with(mirror))
    answer = await client.request(method, "/api?x=%20y")
    assert (answer.status, answer.fields["Location"]) == (307, f"{client.prefix}/api/?x=%20y")


async def test_longer_prefixes_win_and_shorter_ones_take_what_is_left(serve: Any) -> None:
    async def native(request: web.Request) -> web.Response:
        return web.Response(text=f"native {request.match_info.get('tail')}")

    app = app_with(mirror)
    app.router.add_get("/{tail:.*}", native)
    app.router.add_get("/api/native", native)
    app.router.add_get("/api/native/{tail}", native)
    client = await serve(app)
    assert (await client.get("/api/native")).text == "native None"
    assert (await client.get("/api/native/x")).text == "native x"
    assert (await client.get("/apix")).text == "native apix"
    found = json.loads((await client.get("/api/nativex")).body)
    assert found["path"] == f"{client.prefix}/api/nativex"
    # What the native route has no method for is the mounted application's.
    assert json.loads((await client.post("/api/native")).body)["method"] == "POST"


async def test_urls_of_a_mount(serve: Any) -> None:
    async def tell(request: web.Request) -> web.Response:
        mount = request.app.router["inner"]
        urls = [mount.url_for(), mount.url_for(path="/a b/ü"), mount.url_for(path="c")]
        return web.Response(text=" ".join(map(str, urls)))

    app = app_with(mirror)
    app.router.add_get("/", tell)
    client = await serve(app)
    root = client.prefix
    assert (await client.get("/")).text == f"{root}/api {root}/api/a%20b/%C3%BC {root}/api/c"


async def test_what_middlewares_put_in_place_of_a_request_is_handed_on(serve: Any) -> None:
    @web.middleware
    async def rewrite(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        changed = request.clone(
            rel_url="/api/new?q", scheme="https", host="example.org", remote="1.2.3.4"
        )
        changed._match_info = request._match_info
        return await handler(changed)

    client = await serve(app_with(mirror, middlewares=[rewrite]))
    found = json.loads((await client.get("/api/old")).body)
    path = f"{client.prefix}/api/new"
    assert (found["path"], found["query"], found["scheme"]) == (path, "q", "https")
    assert found["client"] == "1.2.3.4"
    assert ["host", "example.org"] in found["headers"]


# -- what stands around it


async def test_middlewares_and_signals_stand_around(serve: Any) -> None:
    seen: list[Any] = []

    @web.middleware
    async def outer(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        response = await handler(request)
        seen.append((response.status, response.headers["X-Inner"], response.prepared))
        seen.append(request.match_info["path"])
        return response

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        seen.append(f"prepare {response.status}")
        response.headers["X-Signal"] = request.path

    app = app_with(mirror, middlewares=[outer])
    app.on_response_prepare.append(prepare)
    client = await serve(app)
    answer = await client.get("/api/x%2Fy")
    assert answer.fields["X-Signal"] == f"{client.prefix}/api/x/y"
    assert seen == ["prepare 200", (200, "1", True), "/x/y"]


async def test_a_middleware_may_answer_instead(serve: Any) -> None:
    @web.middleware
    async def guard(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        raise web.HTTPForbidden

    client = await serve(app_with(mirror, middlewares=[guard]))
    assert (await client.get("/api/")).status == 403


async def test_signals_run_for_a_head_that_leaves_alone(serve: Any) -> None:
    """It leaves at the end of the step of the loop, without waiting for the body."""
    prepared = asyncio.Event()

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Signal"] = "1"
        prepared.set()

    @of_http
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await prepared.wait()
        await send(body(b"late", more=True))
        await send(body(b"r"))

    app = app_with(slow)
    app.on_response_prepare.append(prepare)
    client = await serve(app)
    async with asyncio.timeout(PATIENCE):
        answer = await client.get("/api/")
    assert (answer.body, answer.fields["X-Signal"]) == (b"later", "1")


async def test_the_type_of_an_answer_is_left_unsaid(serve: Any) -> None:
    @of_http
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await send(start(headers=[(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]))
        await send(body(b"x"))

    client = await serve(app_with(bare))
    answer = await client.get("/api/")
    assert "Content-Type" not in answer.fields
    assert answer.fields.getall("Set-Cookie") == ["a=1", "b=2"]
    assert answer.fields["Content-Length"] == "1" or client.host not in ("memory", "socket")


# -- bodies


@pytest.mark.parametrize("sent", [b"", b"12345", b"x" * 300_000, [b"ab", b"c" * 70_000]])
async def test_bodies_arrive(serve: Any, sent: Any) -> None:
    client = await serve(app_with(mirror))
    answer = await client.post("/api/", body=sent, fields=PLAIN)
    expected = b"".join(sent) if isinstance(sent, list) else sent
    assert json.loads(answer.body)["body"].encode("latin-1") == expected


async def read_json(request: web.Request) -> None:
    assert await request.json() == {"a": 1}


async def read_form(request: web.Request) -> None:
    assert (await request.post())["token"] == "ü"


READERS = [
    pytest.param(read_json, b'{"a": 1}', "application/json", id="json"),
    pytest.param(read_form, b"token=%C3%BC", "application/x-www-form-urlencoded", id="form"),
]


def reading(read: Any) -> Any:
    @web.middleware
    async def middleware(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        await read(request)
        return await handler(request)

    return middleware


@pytest.mark.parametrize(("read", "data", "media"), READERS)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
async def test_a_body_that_was_read_is_given_once_more(
    serve: Any, read: Any, data: bytes, media: str, chunked: bool
) -> None:
    client = await serve(app_with(mirror, middlewares=[reading(read)]))
    sent = [data[:3], data[3:]] if chunked else data
    answer = await client.post("/api/", body=sent, fields={"Content-Type": media})
    found = json.loads(answer.body)
    assert found["body"] == data.decode()
    assert ["content-length", str(len(data))] in found["headers"]
    assert not [1 for name, _ in found["headers"] if name == "transfer-encoding"]


async def test_a_body_that_was_read_decoded_is_given_so(serve: Any) -> None:
    data = b"plain " * 100
    fields = {"Content-Encoding": "gzip", **PLAIN}
    packed = gzip.compress(data)

    async def read(request: web.Request) -> None:
        if "read" in request.path:
            assert await request.read() == data

    client = await serve(app_with(mirror, middlewares=[reading(read)]))
    found = json.loads((await client.post("/api/read", body=packed, fields=fields)).body)
    assert found["body"].encode() == data
    assert "content-encoding" not in dict(found["headers"])
    assert dict(found["headers"])["content-length"] == str(len(data))
    found = json.loads((await client.post("/api/", body=packed, fields=fields)).body)
    assert found["body"].encode("latin-1") == packed
    assert dict(found["headers"])["content-encoding"] == "gzip"


async def test_a_form_with_files_that_was_read_is_written_anew(serve: Any) -> None:
    """As middlewares read it that look for a token against forgery."""

    async def take(request: Request) -> PlainTextResponse:
        async with request.form() as form:
            file: Any = form["file"]
            told = [form["token"], file.filename, file.content_type, len(await file.read())]
            return PlainTextResponse(f"{told} {form['empty'] == ''}")

    async def read(request: web.Request) -> None:
        form = await request.post()
        assert form["token"] == "ü"
        assert isinstance(form["file"], web.FileField)
        assert form["file"].file.read(3) == b"xxx"

    inner = Starlette(routes=[Route("/", take, methods=["POST"])])
    client = await serve(app_with(inner, middlewares=[reading(read)], client_max_size=0))
    files = {"file": ('a"b.txt', b"x" * 2_500_000, "text/csv")}
    made = httpx.Request("POST", "http://x/", data={"token": "ü", "empty": ""}, files=files)
    fields = {"Content-Type": made.headers["Content-Type"]}
    answer = await client.post("/api/", body=made.read(), fields=fields)
    assert answer.text == "['ü', 'a%22b.txt', 'text/csv', 2500000] True"


async def test_a_body_that_is_gone_is_an_error_that_says_so(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def read(request: web.Request) -> None:
        await request.content.read(2)

    client = await serve(app_with(mirror, middlewares=[reading(read)]))
    assert (await client.post("/api/", body=b"12345", fields=PLAIN)).status == 500
    assert "was read as a stream" in caplog.text
    assert len(errors(caplog)) == 1


async def test_streams_go_both_ways_at_once(serve: Any) -> None:
    async def shout(request: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            async for piece in request.stream():
                yield piece.upper()

        return StreamingResponse(pieces(), media_type="text/plain")

    inner = Starlette(routes=[Route("/", shout, methods=["POST"])])
    client = await serve(app_with(inner))
    answer = await client.post("/api/", body=[b"a" * 70_000, b"b", b"c" * 70_000], fields=PLAIN)
    assert answer.body == b"A" * 70_000 + b"B" + b"C" * 70_000


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_a_body(serve: Any, status: int) -> None:
    @of_http
    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        await send(start(status))
        await send(body(b"never seen"))

    client = await serve(app_with(nothing))
    for _ in range(2):  # the connection is in step
        answer = await client.get("/api/")
        assert (answer.status, answer.body) == (status, b"")


async def test_head_has_no_body(serve: Any) -> None:
    client = await serve(app_with(mirror))
    answer = await client.request("HEAD", "/api/")
    assert (answer.status, answer.body, answer.fields["X-Inner"]) == (200, b"", "1")


async def test_an_answer_may_come_before_the_body_is_read(serve: Any) -> None:
    @of_http
    async def early(scope: Any, receive: Any, send: Any) -> None:
        await send(start(413))
        await send(body(b"no"))

    client = await serve(app_with(early))
    for _ in range(2):
        answer = await client.post("/api/", body=b"x" * 10_000, fields=PLAIN)
        assert (answer.status, answer.body) == (413, b"no")


# -- errors


class Broken(Exception):
    """An error of the application inside."""


def failing(*messages: Any) -> Any:
    @of_http
    async def application(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        raise Broken("inside")

    return application


@pytest.mark.parametrize("messages", [[], [start(200, [(b"x-inner", b"1")])]])
async def test_an_error_before_the_answer_left_is_500_logged_once(
    serve: Any, caplog: pytest.LogCaptureFixture, messages: list[Any]
) -> None:
    client = await serve(app_with(failing(*messages)))
    answer = await client.get("/api/")
    assert (answer.status, "X-Inner" in answer.fields) == (500, False)
    assert answer.text == "500 Internal Server Error\n\nServer got itself in trouble"
    assert len(errors(caplog)) == 1


async def test_middlewares_and_exception_handlers_see_errors(serve: Any) -> None:
    seen: list[str] = []

    @web.middleware
    async def watch(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Broken as exc:
            seen.append(str(exc))
            raise

    async def answer(request: web.Request, exc: Broken) -> web.Response:
        return web.Response(status=503, text=f"broken {exc}")

    app = app_with(failing(start()), middlewares=[watch])
    app.exception_handlers[Broken] = answer
    client = await serve(app)
    found = await client.get("/api/")
    assert (found.status, found.text, seen) == (503, "broken inside", ["inside"])


async def test_a_head_that_has_not_left_never_does_behind_an_error(serve: Any) -> None:
    """However long a middleware takes to answer instead."""

    @web.middleware
    async def answer(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Broken:
            for _ in range(10):
                await asyncio.sleep(0)
            return web.Response(status=503, text="sorry")

    client = await serve(app_with(failing(start(200, [(b"x-inner", b"1")])), middlewares=[answer]))
    found = await client.get("/api/")
    assert (found.status, found.text, "X-Inner" in found.fields) == (503, "sorry", False)


@pytest.mark.every_host
async def test_an_error_behind_the_head_cuts_the_answer(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = await serve(app_with(failing(start(), body(b"x" * 1000, more=True))))
    client.require(Feature.CUTS)
    with pytest.raises((ConnectionError, ClientError)):
        await client.get("/api/")
    assert len(errors(caplog)) == 1


async def test_an_error_behind_the_answer_is_logged_and_no_more(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    statuses: list[int] = []

    @web.middleware
    async def watch(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        response = await handler(request)
        statuses.append(response.status)
        return response

    client = await serve(app_with(failing(start(201), body(b"all")), middlewares=[watch]))
    answer = await client.get("/api/")
    assert (answer.status, answer.body, statuses) == (201, b"all", [201])
    assert errors(caplog) == ["Error in the ASGI application"]


@pytest.mark.parametrize("messages", [[], [start()]])
async def test_an_application_that_returns_too_early_is_500(
    serve: Any, caplog: pytest.LogCaptureFixture, messages: list[Any]
) -> None:
    @of_http
    async def lazy(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    client = await serve(app_with(lazy))
    assert (await client.get("/api/")).status == 500
    assert "The ASGI application returned without" in caplog.text
    assert len(errors(caplog)) == 1


async def test_an_error_of_a_signal_is_500(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        if response.status == 200:
            raise Broken("in the signal")

    @of_http
    async def late(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        if scope["path"].endswith("late"):
            for _ in range(5):
                await asyncio.sleep(0)
        await send(body(b"x"))

    app = app_with(late)
    app.on_response_prepare.append(prepare)
    client = await serve(app)
    for target in ("/api/", "/api/late"):
        assert (await client.get(target)).status == 500
    assert len(errors(caplog)) == 2


async def test_a_header_that_cannot_be_sent_is_500(serve: Any) -> None:
    @of_http
    async def splitting(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200, [(b"x", b"a\r\nSet-Cookie: evil")]))
        await send(body(b""))

    client = await serve(app_with(splitting))
    assert (await client.get("/api/")).status == 500


# -- native applications inside


async def test_a_native_application_inside(serve: Any) -> None:
    """It is mounted as any other: its life is its own, its URLs are whole while it answers."""

    async def tell(request: web.Request) -> web.Response:
        url = request.app.router["item"].url_for(id="7")
        return web.Response(text=f"{request.path} {request.match_info['id']} {url}")

    async def outside(request: web.Request) -> web.Response:
        return web.Response(text=str(request.app.router["outside"].url_for()))

    native = web.Application()
    native.router.add_get("/items/{id}", tell, name="item")
    middle = app_with(native, "/deep")
    app = app_with(middle)
    app.router.add_get("/outside", outside, name="outside")
    client = await serve(app)
    root = client.prefix
    item, value = ("ab", "ab") if client.lacks(Feature.DISTINCT_PATHS) else ("a%2Fb", "a/b")
    assert (await client.get(f"/api/deep/items/{item}")).text == (
        f"{root}/api/deep/items/{value} {value} {root}/api/deep/items/7"
    )
    assert (await client.get("/api/deep/else")).status == 404
    assert (await client.get("/outside")).text == f"{root}/outside"
    assert str(native.router["item"].url_for(id="8")) == "/items/8"


@pytest.mark.parametrize("first", ["sub", "mount"])
async def test_mounts_and_applications_inside(serve: Any, first: str) -> None:
    """The longer prefix wins whatever came first; of two that are the same, what came first."""

    async def native(request: web.Request) -> web.Response:
        return web.Response(text="native")

    def make() -> web.Application:
        sub = web.Application()
        sub.router.add_get("/{tail:.*}", native)
        return sub

    app = web.Application()
    adders = {
        "sub": lambda: [app.add_subapp(path, make()) for path in ("/a", "/b/c", "/same")],
        "mount": lambda: [app.mount(path, mirror) for path in ("/a/b", "/b", "/same")],
    }
    for name in sorted(adders, key=lambda name: name != first):
        adders[name]()
    client = await serve(app)
    for target, is_native in {
        "/a/x": True,
        "/a/b/x": False,
        "/b/x": False,
        "/b/c/x": True,
        "/same/x": first == "sub",
    }.items():
        assert ((await client.get(target)).body == b"native") is is_native, target


async def test_mounts_in_applications_inside(serve: Any) -> None:
    inner = app_with(mirror)
    app = web.Application()
    app.add_subapp("/sub", inner)
    client = await serve(app)
    root = client.prefix
    found = json.loads((await client.get("/sub/api/x")).body)
    assert (found["path"], found["root_path"]) == (f"{root}/sub/api/x", f"{root}/sub/api")
    assert str(inner.router["inner"].url_for(path="y")) == "/sub/api/y"
    assert (await client.get("/sub/api")).fields["Location"] == f"{root}/sub/api/"


async def test_mounts_in_applications_of_domains(serve: Any) -> None:
    inner, outer = app_with(mirror), app_with(mirror, "/else")
    outer.add_domain("*.example.org", inner)
    client = await serve(outer)
    fields = {"Host": "a.example.org"}
    found = json.loads((await client.get("/api/x", fields=fields)).body)
    assert found["root_path"] == f"{client.prefix}/api"
    assert ["host", "a.example.org"] in found["headers"]
    assert (await client.get("/else/", fields=fields)).status == 404
    assert (await client.get("/api/x")).status == 404
    assert (await client.get("/else/")).status == 200


@pytest.mark.every_host
async def test_the_client_gone_is_told(serve: Any) -> None:
    """An application that only listens hears of it too."""
    told = asyncio.Event()
    begun = asyncio.Event()

    @of_http
    async def wait(scope: Any, receive: Any, send: Any) -> None:
        await read_all(receive)
        begun.set()
        assert (await receive())["type"] == "http.disconnect"
        told.set()

    client = await serve(app_with(wait))
    client.require(Feature.LEAVING)
    request = asyncio.create_task(client.get("/api/"))
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
        request.cancel()
        await asyncio.wait([request])
        await told.wait()
