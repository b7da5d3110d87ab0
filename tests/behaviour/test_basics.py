"""What an application does, the same on every host."""

import asyncio
import contextvars
import json
import logging
from typing import Any

import pytest

from bascule import web
from support.features import Feature
from support.hosts import HOSTS, MATRIX


def make_app(*routes: web.AbstractRouteDef, **kwargs: Any) -> web.Application:
    app = web.Application(**kwargs)
    app.add_routes(routes)
    return app


# -- requests


async def echo(request: web.Request) -> web.Response:
    return web.json_response(
        {
            "method": request.method,
            "path": request.path,
            "raw_path": request.raw_path,
            "query": list(request.query.items()),
            "match_info": dict(request.match_info),
            "cookies": dict(request.cookies),
            "content_type": request.content_type,
            "charset": request.charset,
            "body": (await request.read()).decode("latin-1"),
            "x": request.headers.getall("X", []),
            "scheme": request.scheme,
        }
    )


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/a/b", {"path": "/a/b", "match_info": {"tail": "b"}, "query": []}),
        ("/a/b?x=1&x=2&y", {"query": [["x", "1"], ["x", "2"], ["y", ""]]}),
        ("/a/b%20c", {"path": "/a/b c", "match_info": {"tail": "b c"}}),
        ("/a/%D0%BF", {"path": "/a/п", "match_info": {"tail": "п"}}),
        ("/a/b+c", {"path": "/a/b+c", "match_info": {"tail": "b+c"}}),
        ("/a/b%2Fc", {"match_info": {"tail": "b/c"}, "raw_path": "/a/b%2Fc"}),
        ("/a/b%252Fc", {"match_info": {"tail": "b%2Fc"}, "raw_path": "/a/b%252Fc"}),
    ],
)
@pytest.mark.every_host
async def test_request_tells_its_target(serve: Any, target: str, expected: Any) -> None:
    client = await serve(make_app(web.get("/a/{tail}", echo)))
    if "%2F" in target:
        client.require(Feature.DISTINCT_PATHS)
    answer = json.loads((await client.get(target)).body)
    paths = {n: client.prefix + expected[n] for n in ("path", "raw_path") if n in expected}
    assert {name: answer[name] for name in expected} == expected | paths


@pytest.mark.every_host
async def test_request_tells_its_fields(serve: Any) -> None:
    client = await serve(make_app(web.post("/", echo)))
    fields = [
        ("X", "1"),
        ("X", "zwei"),
        ("Cookie", 'a=1; b="x\\073y"; bad; c=3'),
        ("Content-Type", "text/plain; charset=KOI8-R"),
    ]
    answer = json.loads((await client.post("/", fields=fields, body=b"abc")).body)
    assert answer["x"] == ["1", "zwei"]
    assert answer["cookies"] == {"a": "1", "b": "x;y", "bad": "", "c": "3"}
    assert (answer["content_type"], answer["charset"]) == ("text/plain", "KOI8-R")
    assert (answer["body"], answer["scheme"]) == ("abc", "http")


@pytest.mark.parametrize("body", [None, b"", b"x" * 200_000, [b"ab", b"cd" * 70_000]])
@pytest.mark.every_host
async def test_body_arrives_whole(serve: Any, body: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        exists = request.can_read_body
        return web.json_response([len(await request.read()), len(await request.read()), exists])

    client = await serve(make_app(web.post("/", handler)))
    size = len(b"".join(body) if isinstance(body, list) else body or b"")
    answer = await client.post("/", body=body)
    assert json.loads(answer.body) == [size, size, size > 0]


async def test_text_and_json_follow_the_charset(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response([await request.text(), await request.json()])

    client = await serve(make_app(web.post("/", handler)))
    fields = {"Content-Type": "application/json; charset=cp1251"}
    answer = await client.post("/", fields=fields, body='"мир"'.encode("cp1251"))
    assert json.loads(answer.body) == ['"мир"', "мир"]


async def test_content_is_a_stream(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        first = await request.content.readline()
        exact = await request.content.readexactly(3)
        rest = [piece async for piece in request.content.iter_chunked(4)]
        assert request.content.at_eof()
        return web.Response(text=repr((first, exact, b"".join(rest))))

    client = await serve(make_app(web.post("/", handler)))
    answer = await client.post("/", body=[b"one\ntw", b"o\nthree"])
    assert answer.text == repr((b"one\n", b"two", b"\nthree"))


async def test_body_over_the_limit_is_413(serve: Any) -> None:
    client = await serve(make_app(web.post("/", echo), client_max_size=10))
    assert (await client.post("/", body=b"x" * 10)).status == 200
    answer = await client.post("/", body=b"x" * 11)
    assert (answer.status, answer.text) == (413, "Maximum request body size 10 exceeded.")


async def test_request_is_a_mapping_and_knows_its_application(serve: Any) -> None:
    key: web.RequestKey[int] = web.RequestKey("key", int)
    shared = web.AppKey("shared", str)

    async def handler(request: web.Request) -> web.Response:
        request[key] = 7
        assert request.app[shared] == "s"
        assert list(request) == [key]
        assert request.remote == "127.0.0.1"
        assert request.task is asyncio.current_task()
        return web.Response(text=str(request[key]))

    app = make_app(web.get("/", handler))
    app[shared] = "s"
    assert (await (await serve(app)).get("/")).text == "7"


# -- forms


async def form(request: web.Request) -> web.Response:
    told = []
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            data = value.file.read().decode("latin-1")
            told.append([name, value.filename, value.content_type, data])
        else:
            told.append([name, value if isinstance(value, str) else bytes(value).decode()])
    return web.json_response(told)


async def test_urlencoded_form(serve: Any) -> None:
    client = await serve(make_app(web.post("/", form)))
    fields = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post("/", fields=fields, body=b"a=1&b=+x%20%D0%BF&a=2&c&d=1;e=2")
    expected = [["a", "1"], ["b", " x п"], ["a", "2"], ["c", ""], ["d", "1;e=2"]]
    assert json.loads(answer.body) == expected


MULTIPART = (
    b"--B\r\n"
    b'Content-Disposition: form-data; name="text"\r\n\r\n'
    b"\xd0\xbf\r\n"
    b"--B\r\n"
    b'Content-Disposition: form-data; name="file"; filename="a b.txt"\r\n'
    b"Content-Type: text/csv\r\n\r\n"
    b"1,2\r\n--Bx is data\r\n--B\r\n"
    b'Content-Disposition: form-data; name="raw"\r\n'
    b"Content-Type: application/json\r\n\r\n"
    b"[]\r\n"
    b"--B\r\n"
    b'Content-Disposition: form-data; name="none"; filename=""\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n"
    b"\r\n--B--\r\n"
)


async def test_multipart_form(serve: Any) -> None:
    client = await serve(make_app(web.post("/", form)))
    fields = {"Content-Type": 'multipart/form-data; boundary="B"'}
    body = MULTIPART.replace(b"\r\n--Bx is data", b" and more")
    answer = await client.post("/", fields=fields, body=[body[:60], body[60:200], body[200:]])
    assert json.loads(answer.body)[:3] == [
        ["text", "п"],
        ["file", "a b.txt", "text/csv", "1,2 and more"],
        ["raw", "[]"],
    ]


async def test_large_upload_is_spooled(serve: Any) -> None:
    data = b"\r\n--nearly\r\n" * 150_000
    client = await serve(make_app(web.post("/", form), client_max_size=0))
    head = b'--B\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    fields = {"Content-Type": "multipart/form-data; boundary=B"}
    answer = await client.post("/", fields=fields, body=head + data + b"\r\n--B--\r\n")
    assert json.loads(answer.body) == [["f", "f", "application/octet-stream", data.decode()]]


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/form-data; boundary=B", MULTIPART[:-20], 400),
        ("multipart/form-data; boundary=B", b"nothing of the kind", 400),
        ("multipart/form-data", MULTIPART, 400),
        ("multipart/form-data; boundary=B", b"--B\r\nX: y\r\n\r\n\r\n--B--\r\n", 400),
        ("application/x-www-form-urlencoded; charset=nonsense", b"a=1", 400),
        ("application/x-www-form-urlencoded", b"a&" * 20, 413),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 2000, 413),
        ("multipart/form-data; boundary=B", b"--B\r\n" + b"x" * 2000, 413),
    ],
)
async def test_bad_form_is_the_clients_fault(
    serve: Any, content_type: str, body: bytes, status: int
) -> None:
    app = make_app(web.post("/", form), client_max_size=1000, client_max_fields=10)
    client = await serve(app)
    answer = await client.post("/", fields={"Content-Type": content_type}, body=body)
    assert answer.status == status


async def test_files_of_a_form_are_closed_with_the_request(serve: Any) -> None:
    files = []

    async def handler(request: web.Request) -> web.Response:
        value = (await request.post())["file"]
        assert isinstance(value, web.FileField)
        assert not value.file.closed
        files.append(value.file)
        return web.Response()

    client = await serve(make_app(web.post("/", handler)))
    fields = {"Content-Type": "multipart/form-data; boundary=B"}
    body = MULTIPART.replace(b"\r\n--Bx is data", b"")
    assert (await client.post("/", fields=fields, body=body)).status == 200
    await client.get("/")  # the first request is over when the second was answered
    assert [file.closed for file in files] == [True]


# -- responses


async def test_response_has_its_parts(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(
            text="тест", status=418, headers=[("X-A", "1"), ("X-A", "2")], content_type="text/css"
        )
        response.set_cookie("a", "b c", httponly=True, samesite="Lax")
        response.set_cookie("d", "e")
        return response

    answer = await (await serve(make_app(web.get("/", handler)))).get("/")
    assert (answer.status, answer.text) == (418, "тест")
    assert answer.fields.getall("X-A") == ["1", "2"]
    assert answer.fields["Content-Type"] == "text/css; charset=utf-8"
    assert answer.fields["Content-Length"] == "8"
    assert answer.fields.getall("Set-Cookie") == [
        'a="b c"; HttpOnly; Path=/; SameSite=Lax',
        "d=e; Path=/",
    ]


@pytest.mark.parametrize("status", [204, 304])
async def test_some_statuses_have_no_body(serve: Any, status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, body=b"surplus")

    client = await serve(make_app(web.get("/", handler)))
    for _ in range(2):
        answer = await client.get("/")
        assert (answer.status, answer.body) == (status, b"")


async def test_head_gets_the_head_alone(serve: Any) -> None:
    async def whole(request: web.Request) -> web.Response:
        return web.Response(text="12345")

    async def streamed(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"12345")
        return response

    client = await serve(make_app(web.get("/", whole), web.get("/s", streamed)))
    answer = await client.request("HEAD", "/")
    assert (answer.body, answer.fields["Content-Length"]) == (b"", "5")
    answer = await client.request("HEAD", "/s")
    assert (answer.status, answer.body) == (200, b"")
    assert "Content-Length" not in answer.fields


async def test_streamed_response(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/csv"})
        await response.prepare(request)
        for number in range(1000):
            await response.write(b"%d\n" % number)
        await response.write(bytearray(b"end"))
        await response.write_eof(b"!")
        return response

    answer = await (await serve(make_app(web.get("/", handler)))).get("/")
    assert answer.body == b"".join(b"%d\n" % n for n in range(1000)) + b"end!"
    assert "Content-Length" not in answer.fields


async def test_declared_length_is_kept(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 5
        await response.prepare(request)
        await response.write(b"123")
        await response.write(b"456789")
        return response

    client = await serve(make_app(web.get("/", handler)))
    for _ in range(2):
        answer = await client.get("/")
        assert (answer.body, answer.fields["Content-Length"]) == (b"12345", "5")


@pytest.mark.every_host
async def test_short_body_is_cut_so_that_the_client_can_tell(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 5
        await response.prepare(request)
        await response.write(b"123")
        return response

    client = await serve(make_app(web.get("/", handler)))
    client.require(Feature.CUTS)
    with pytest.raises(ConnectionResetError):
        await client.get("/")


@pytest.mark.every_host
async def test_head_leaves_before_the_first_write(serve: Any) -> None:
    """A handler may prepare and then wait: the client must have the head by then."""
    prepared, go_on = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        prepared.set()
        await go_on.wait()
        await response.write(b"late")
        return response

    client = await serve(make_app(web.get("/", handler)))
    if client.host == "memory":
        async with client.client.stream("GET", "/") as answer:
            assert (answer.status, prepared.is_set()) == (200, True)
            go_on.set()
            assert await answer.read() == b"late"
        return
    pending = asyncio.create_task(client.get("/"))
    await prepared.wait()
    go_on.set()
    assert (await pending).body == b"late"


@pytest.mark.parametrize(
    ("name", "value"), [("X", "a\r\nInjected: 1"), ("X\nY", "a"), ("X", "a\0"), ("X Y", "a")]
)
async def test_fields_cannot_be_injected(
    serve: Any, name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(headers={name: value})

    answer = await (await serve(make_app(web.get("/", handler)))).get("/")
    assert answer.status == 500
    assert "Injected" not in answer.fields
    assert "Error handling request" in caplog.text


async def test_response_used_twice_says_so(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    response = web.Response(text="once")

    async def handler(request: web.Request) -> web.Response:
        return response

    client = await serve(make_app(web.get("/", handler)))
    assert (await client.get("/")).text == "once"
    assert (await client.get("/")).status == 500
    assert "was prepared for another request" in caplog.text


# -- routing, exceptions, middlewares


class Thing(web.View):
    async def get(self) -> web.Response:
        return web.Response(text=self.request.match_info["id"])

    async def delete(self) -> web.Response:
        raise web.HTTPNoContent


def routed_app() -> web.Application:
    routes = web.RouteTableDef()

    @routes.get("/plain")
    async def plain(request: web.Request) -> web.Response:
        return web.Response(text="plain")

    @routes.get("/{name}")
    async def dynamic(request: web.Request) -> web.Response:
        return web.Response(text=f"dynamic {request.match_info['name']}")

    @routes.post(r"/items/{id:\d{2,3}}")
    async def item(request: web.Request) -> web.Response:
        return web.Response(text=f"item {request.match_info['id']}")

    @routes.get("/moved")
    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPFound("/plain?a=b c", headers={"X-Why": "because"})

    routes.view("/things/{id}")(Thing)
    app = web.Application()
    app.add_routes(routes)
    return app


@pytest.mark.parametrize(
    ("method", "target", "status", "text", "allow"),
    [
        ("GET", "/plain", 200, "plain", None),
        ("GET", "/other", 200, "dynamic other", None),
        ("POST", "/items/12", 200, "item 12", None),
        ("POST", "/items/1", 404, "404: Not Found", None),
        ("POST", "/items/1234", 404, "404: Not Found", None),
        ("GET", "/items/12", 405, "405: Method Not Allowed", "POST"),
        ("PUT", "/plain", 405, "405: Method Not Allowed", "GET,HEAD"),
        ("GET", "//plain", 404, "404: Not Found", None),
        ("GET", "/things/7", 200, "7", None),
        ("PATCH", "/things/7", 405, "405: Method Not Allowed", "DELETE,GET"),
        ("DELETE", "/things/7", 204, "", None),
    ],
)
async def test_routing(
    serve: Any, method: str, target: str, status: int, text: str, allow: str | None
) -> None:
    answer = await (await serve(routed_app())).request(method, target)
    assert (answer.status, answer.text, answer.fields.get("Allow")) == (status, text, allow)


async def test_redirect(serve: Any) -> None:
    answer = await (await serve(routed_app())).get("/moved")
    assert answer.status == 302
    assert answer.fields["Location"] == "/plain?a=b+c"
    assert (answer.fields["X-Why"], answer.text) == ("because", "302: Found")


async def test_middlewares_wrap_in_order_and_see_errors(serve: Any) -> None:
    seen: list[str] = []

    def named(name: str) -> web.Middleware:
        @web.middleware
        async def around(request: web.Request, handler: web.Handler) -> web.StreamResponse:
            seen.append(f"{name} in {getattr(handler, 'mark', '-')}")
            try:
                response = await handler(request)
            except web.HTTPException as exc:
                seen.append(f"{name} {exc.status}")
                raise
            seen.append(f"{name} out")
            response.headers["X-Through"] = name
            return response

        return around

    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    handler.mark = "marked"  # type: ignore[attr-defined]
    app = make_app(web.get("/", handler), middlewares=[named("outer"), named("inner")])
    client = await serve(app)
    assert (await client.get("/")).fields["X-Through"] == "outer"
    assert seen == ["outer in marked", "inner in marked", "inner out", "outer out"]
    seen.clear()
    assert (await client.get("/nowhere")).status == 404
    assert seen == ["outer in -", "inner in -", "inner 404", "outer 404"]


async def test_on_response_prepare_sees_and_changes_the_head(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="x")

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        assert "Content-Length" in response.headers
        response.headers["X-Path"] = request.path

    app = make_app(web.get("/", handler))
    app.on_response_prepare.append(prepare)
    client = await serve(app)
    assert (await client.get("/")).fields["X-Path"] == f"{client.prefix}/"
    assert (await client.get("/no")).fields["X-Path"] == f"{client.prefix}/no"


# -- errors


@pytest.mark.every_host
async def test_error_page(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise ValueError("secret")

    client = await serve(make_app(web.get("/", handler)))
    answer = await client.get("/")
    assert answer.status == 500
    assert answer.text == "500 Internal Server Error\n\nServer got itself in trouble"
    answer = await client.get("/", fields={"Accept": "text/html"})
    assert answer.text == (
        "<html><head><title>500 Internal Server Error</title></head><body>\n"
        "<h1>500 Internal Server Error</h1>\n"
        "Server got itself in trouble\n</body></html>\n"
    )
    if client.has_connection:
        assert answer.fields["Connection"] == "close"
    records = [r for r in caplog.records if r.getMessage().startswith("Error handling request")]
    assert len(records) == 2
    assert records[0].getMessage() == "Error handling request from 127.0.0.1"


@pytest.mark.parametrize("result", [None, "text", 7])
async def test_handler_that_returns_no_response(
    serve: Any, result: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: web.Request) -> Any:
        return result

    answer = await (await serve(make_app(web.get("/", handler)))).get("/")
    assert (answer.status, answer.text) == (500, "500: Internal Server Error")
    expected = "Missing return statement" if result is None else "should return a response"
    assert expected in caplog.text


@pytest.mark.every_host
async def test_error_after_the_head_cuts(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        raise ValueError("late")

    client = await serve(make_app(web.get("/", handler)))
    client.require(Feature.CUTS)
    with pytest.raises(ConnectionResetError):
        await client.get("/")
    assert "Error handling request" in caplog.text


@pytest.mark.every_host
async def test_error_while_the_head_is_held_is_a_clean_500(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await web.StreamResponse().prepare(request)
        raise ValueError("early")

    answer = await (await serve(make_app(web.get("/", handler)))).get("/")
    assert answer.status == 500


async def test_error_behind_a_whole_answer_harms_nothing(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.Response(text="whole")
        await response.prepare(request)
        await response.write_eof()
        raise ValueError("too late")

    client = await serve(make_app(web.get("/", handler)))
    for _ in range(2):
        assert (await client.get("/")).text == "whole"
    assert caplog.text.count("Error handling request") == 2


async def test_response_behind_a_whole_answer_is_an_error(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.Response(text="whole")
        await response.prepare(request)
        await response.write_eof()
        return web.Response(text="another")

    client = await serve(make_app(web.get("/", handler)))
    assert (await client.get("/")).text == "whole"


async def test_timeout_is_504(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise TimeoutError

    answer = await (await serve(make_app(web.get("/", handler)))).get("/")
    assert (answer.status, answer.body) == (504, b"")


async def test_returning_an_exception_is_deprecated(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.HTTPGone()

    client = await serve(make_app(web.get("/", handler)))
    with pytest.warns(DeprecationWarning, match="please raise the exception instead"):
        assert (await client.get("/")).status == 410


# -- the application's life


@pytest.mark.parametrize("host", [*HOSTS, *MATRIX])
async def test_life_of_an_application(host: str) -> None:
    seen: list[str] = []

    def context(name: str) -> Any:
        async def around(app: web.Application) -> Any:
            seen.append(f"enter {name}")
            yield
            seen.append(f"leave {name}")

        return around

    def signal(name: str) -> Any:
        async def receiver(app: web.Application) -> None:
            seen.append(name)

        return receiver

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=" ".join(seen))

    app = make_app(web.get("/", handler))
    app.cleanup_ctx.extend([context("a"), context("b")])
    app.on_startup.append(signal("startup"))
    app.on_shutdown.append(signal("shutdown"))
    app.on_cleanup.append(signal("cleanup"))
    async with {**HOSTS, **MATRIX}[host](app) as client:
        assert (await client.get("/")).text == "enter a enter b startup"
        with pytest.raises(RuntimeError, match="frozen"):
            app.router.add_get("/late", handler)
    assert seen[3:] == ["shutdown", "leave b", "leave a", "cleanup"]


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


@pytest.mark.every_host
async def test_contexts_do_not_leak_between_requests(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        before = VARIABLE.get()
        VARIABLE.set("set by a request")
        return web.Response(text=before)

    client = await serve(make_app(web.get("/", handler)))
    for _ in range(3):
        assert (await asyncio.create_task(client.get("/"))).text == "unset"


@pytest.mark.every_host
async def test_start_up_variables_reach_handlers(serve: Any) -> None:
    async def startup(app: web.Application) -> None:
        VARIABLE.set("set at start-up")

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=VARIABLE.get())

    app = make_app(web.get("/", handler))
    app.on_startup.append(startup)
    client = await serve(app)
    assert (await client.get("/")).text == "set at start-up"


async def test_access_log_is_the_servers(caplog: pytest.LogCaptureFixture, serve: Any) -> None:
    """Hosts write logs of their own."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="x")

    caplog.set_level(logging.INFO, "bascule.access")
    client = await serve(make_app(web.get("/", handler)))
    await client.get("/")
    await client.get("/")  # the first is logged when the second was answered
    lines = [r.getMessage() for r in caplog.records if r.name == "bascule.access"]
    assert bool(lines) == (client.host == "socket")
