"""The client in memory: applications are started, asked, streamed and left as over a connection."""

import asyncio
import contextvars
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from yarl import URL

from bascule import web
from bascule.testing import (
    Answer,
    Client,
    ClientResponseError,
    ContentTypeError,
    RedirectClientError,
    TooManyRedirects,
)
from support.requests import app_of, ok, read_back

PIECE = b"x" * 16 * 1024


async def step(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def tell(request: web.Request) -> web.Response:
    """Tell what came, but for what every request has."""
    usual = {"host", "user-agent", "accept"}
    fields = [[n, v] for n, v in request.headers.items() if n.lower() not in usual]
    body = (await request.read()).decode("latin-1")
    told = {"line": f"{request.method} {request._head.target}", "fields": fields, "body": body}
    return web.json_response(told)


def talking(handler: Any, **options: Any) -> Client:
    return Client(app_of(handler), **options)


# -- the life of the application ------------------------------------------------------------------


def living(seen: list[str], fail: str = "") -> web.Application:
    app = web.Application()

    def note(name: str) -> Any:
        async def receiver(app: web.Application) -> None:
            seen.append(name)
            if name == fail:
                raise ValueError(name)

        return receiver

    async def context(app: web.Application) -> AsyncIterator[None]:
        seen.append("enter")
        yield
        seen.append("leave")

    app.cleanup_ctx.append(context)
    app.on_startup.append(note("startup"))
    app.on_shutdown.append(note("shutdown"))
    app.on_cleanup.append(note("cleanup"))
    app.router.add_get("/", ok)
    return app


async def test_the_application_lives_as_long_as_the_block() -> None:
    seen: list[str] = []
    async with Client(living(seen)) as client:
        assert seen == ["enter", "startup"]
        await client.get("/")
        assert seen == ["enter", "startup"]
    assert seen == ["enter", "startup", "shutdown", "leave", "cleanup"]


async def test_the_application_is_cleaned_up_behind_an_error() -> None:
    seen: list[str] = []
    with pytest.raises(ZeroDivisionError):
        async with Client(living(seen)):
            raise ZeroDivisionError
    assert seen[-3:] == ["shutdown", "leave", "cleanup"]


async def test_an_error_of_the_start_is_raised_and_cleaned_up_behind() -> None:
    seen: list[str] = []
    client = Client(living(seen, fail="startup"))
    with pytest.raises(ValueError, match="startup"):
        await client.__aenter__()
    assert seen == ["enter", "startup", "leave"]


@pytest.mark.parametrize("place", ["shutdown", "cleanup"])
async def test_an_error_of_the_end_is_raised(place: str) -> None:
    seen: list[str] = []
    with pytest.raises(ValueError, match=place):
        async with Client(living(seen, fail=place)):
            pass
    assert seen[-3:] == ["shutdown", "leave", "cleanup"]


async def test_a_cancelled_start_is_cleaned_up_behind() -> None:
    seen: list[str] = []
    app = living(seen)

    async def wait(app: web.Application) -> None:
        await asyncio.Event().wait()

    app.on_startup.append(wait)
    task = asyncio.create_task(Client(app).__aenter__())
    await step()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["enter", "startup", "leave"]


async def test_a_cancelled_end_cleans_up_all_the_same() -> None:
    """The handlers are waited for no more."""
    seen: list[str] = []
    app = living(seen)
    begun = asyncio.Event()

    async def wait(request: web.Request) -> web.Response:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cancelled")
        raise AssertionError

    app.router.add_get("/wait", wait)
    client = await Client(app, shutdown_timeout=1000).__aenter__()
    asking = asyncio.ensure_future(client.get("/wait"))
    await begun.wait()
    asking.cancel()
    ending = asyncio.create_task(client.__aexit__(None, None, None))
    await step()
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert seen[-4:] == ["shutdown", "cancelled", "leave", "cleanup"]


async def test_start_and_end_run_in_one_task_and_requests_in_others() -> None:
    tasks: list[Any] = []
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    app = web.Application()

    async def context(app: web.Application) -> AsyncIterator[None]:
        token = variable.set("start")
        tasks.append(asyncio.current_task())
        yield
        tasks.append(asyncio.current_task())
        variable.reset(token)  # fails in another context

    async def tell_variable(request: web.Request) -> web.Response:
        tasks.append(asyncio.current_task())
        before = variable.get()
        variable.set("request")
        return web.Response(text=before)

    app.cleanup_ctx.append(context)
    app.router.add_get("/", tell_variable)
    client = await asyncio.create_task(Client(app).__aenter__())
    texts = [await (await client.get("/")).text() for _ in range(2)]
    await asyncio.create_task(client.__aexit__(None, None, None))
    assert texts == ["start", "start"]
    start, one, other, end = tasks
    assert start is end
    assert len({start, one, other, asyncio.current_task()}) == 4


async def test_a_client_is_used_while_it_is_entered_only_and_once() -> None:
    client = talking(ok)
    with pytest.raises(RuntimeError, match="not running"):
        await client.get("/")
    async with client:
        assert (await client.get("/")).status == 200
        with pytest.raises(RuntimeError, match="entered once"):
            await client.__aenter__()
    with pytest.raises(RuntimeError, match="not running"):
        await client.get("/")


async def test_two_clients_may_ask_one_application() -> None:
    seen: list[str] = []
    app = living(seen)
    app.router.add_get("/tell", tell)
    async with Client(app, cookies={"user": "ann"}) as ann:
        async with Client(app, cookies={"user": "bob"}, lifespan="off") as bob:
            told = [await (await c.get("/tell")).json() for c in (ann, bob)]
        assert seen == ["enter", "startup"]
    assert [each["fields"] for each in told] == [[["Cookie", "user=ann"]], [["Cookie", "user=bob"]]]


async def test_a_native_application_may_be_asked_by_its_asgi_face() -> None:
    seen: list[str] = []
    app = living(seen)

    async def face(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    async with Client(face) as client:
        assert await (await client.get("/")).text() == "/"
    assert seen == ["enter", "startup", "shutdown", "leave", "cleanup"]


def test_what_is_no_application_is_refused() -> None:
    with pytest.raises(TypeError, match=r"should be web\.Application"):
        Client("app")


@pytest.mark.parametrize(
    "url", ["localhost", "ftp://a", "http://a/b", "http://u:p@a", "http://a?b"]
)
def test_a_base_url_is_a_scheme_and_a_host(url: str) -> None:
    with pytest.raises(ValueError, match="base_url should be"):
        Client(web.Application(), base_url=url)


@pytest.mark.parametrize("url", ["https://a", "https://a/", URL("https://a:443")])
def test_a_base_url_may_have_a_slash_and_a_port(url: Any) -> None:
    client = Client(web.Application(), base_url=url)
    assert str(client.make_url("/x")) == "https://a/x"


def test_a_lifespan_is_auto_or_off() -> None:
    with pytest.raises(ValueError, match="lifespan should be"):
        Client(web.Application(), lifespan="on")  # type: ignore[arg-type]  # on purpose


# -- requests -------------------------------------------------------------------------------------

METHODS = ["get", "post", "put", "patch", "delete", "options"]


@pytest.mark.parametrize("name", METHODS)
async def test_each_method_has_a_call(name: str) -> None:
    async with talking(tell) as client:
        answer = await getattr(client, name)("/a", params={"b": "c"})
        assert (await answer.json())["line"] == f"{name.upper()} /a?b=c"


async def test_head_has_a_call_and_no_body() -> None:
    async with talking(ok) as client:
        answer = await client.head("/abc")
        assert (answer.method, answer.status, await answer.read()) == ("HEAD", 200, b"")
        assert answer.headers["Content-Length"] == "4"


@pytest.mark.parametrize(
    ("path", "params", "line"),
    [
        ("/", None, "/"),
        ("a", None, "/a"),
        ("//a/b", None, "//a/b"),
        ("/ü b?c=d e#f", None, "/%C3%BC%20b?c=d+e"),
        ("/a%2Fb?c=%26", None, "/a%2Fb?c=%26"),
        ("/a?b=c", {"d": "e&f"}, "/a?b=c&d=e%26f"),
        ("/a", [("b", "1"), ("b", "2")], "/a?b=1&b=2"),
        (URL("/a/../%7e", encoded=True), None, "/a/../%7e"),
        ("http://localhost/x", None, "/x"),
        (URL("http://localhost/x"), {"a": 1}, "/x?a=1"),
    ],
)
async def test_targets(path: Any, params: Any, line: str) -> None:
    async with talking(tell) as client:
        options = {} if params is None else {"params": params}
        assert (await (await client.get(path, **options)).json())["line"] == f"GET {line}"


async def test_fields_of_the_client_and_of_a_request() -> None:
    async def all_fields(request: web.Request) -> web.Response:
        return web.json_response([list(pair) for pair in request.headers.items()])

    async with talking(all_fields, headers={"User-Agent": "t", "X": "1"}) as client:
        assert await (await client.get("/")).json() == [
            ["Host", "localhost"],
            ["Accept", "*/*"],
            ["User-Agent", "t"],
            ["X", "1"],
        ]
        own = [("x", "2"), ("X", "3"), ("Host", "h"), ("accept", "a/b")]
        fields = await (await client.get("/", headers=own)).json()
        assert [value for name, value in fields if name.lower() == "x"] == ["2", "3"]
        assert [value for name, value in fields if name.lower() == "accept"] == ["a/b"]
        assert [value for name, value in fields if name.lower() == "host"] == ["h"]
        client.headers["X"] = "4"
        assert ["X", "4"] in await (await client.get("/")).json()


@pytest.mark.parametrize("field", [("A\n", "b"), ("A", "b\r\nC: d"), ("A b", "c")])
async def test_fields_that_cannot_be_sent_are_refused(field: tuple[str, str]) -> None:
    async with talking(ok) as client:
        with pytest.raises(ValueError):
            await client.get("/", headers=[field])


async def pieces(*parts: Any) -> AsyncIterator[Any]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


BODIES = [
    pytest.param("GET", {}, {}, "", id="none"),
    pytest.param("POST", {}, {"Content-Length": "0"}, "", id="none, of a method with one"),
    pytest.param(
        "POST",
        {"json": {"a": "ü"}},
        {"Content-Type": "application/json", "Content-Length": "15"},
        '{"a": "\\u00fc"}',
        id="json",
    ),
    pytest.param(
        "POST",
        {"data": {"a": "b c", "d": 1, "e": ["f", "g"], "ü": "&"}},
        {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "28"},
        "a=b+c&d=1&e=f&e=g&%C3%BC=%26",
        id="form",
    ),
    pytest.param(
        "POST",
        {"data": [("a", "1"), ("a", "2")]},
        {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "7"},
        "a=1&a=2",
        id="form of pairs",
    ),
    pytest.param(
        "PUT",
        {"data": b"\0\xff"},
        {"Content-Type": "application/octet-stream", "Content-Length": "2"},
        "\0\xff",
        id="bytes",
    ),
    pytest.param(
        "PUT",
        {"data": "ü"},
        {"Content-Type": "text/plain; charset=utf-8", "Content-Length": "2"},
        "\xc3\xbc",
        id="text",
    ),
    pytest.param(
        "PUT",
        {"data": io.BytesIO(b"abc"), "headers": {"content-type": "a/b"}},
        {"content-type": "a/b", "Content-Length": "3"},
        "abc",
        id="file, of a type that is given",
    ),
    pytest.param(
        "DELETE",
        {"data": memoryview(b"abc")},
        {"Content-Type": "application/octet-stream", "Content-Length": "3"},
        "abc",
        id="view",
    ),
    pytest.param(
        "PUT",
        {"data": iter([b"a", b"", b"b"])},
        {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"},
        "ab",
        id="iterator",
    ),
    pytest.param(
        "PUT",
        {"data": [b"a", b"b"]},
        {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"},
        "ab",
        id="list of pieces",
    ),
]


@pytest.mark.parametrize(("method", "options", "fields", "body"), BODIES)
async def test_bodies(
    method: str, options: dict[str, Any], fields: dict[str, str], body: str
) -> None:
    async with talking(tell) as client:
        told = await (await client.request(method, "/", **options)).json()
    assert dict(told["fields"]) == fields
    assert told["body"] == body


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"json": 1, "data": b""}, ValueError, "at the same time"),
        ({"data": b"", "files": {"a": b""}}, ValueError, "A form with files"),
        ({"data": 1}, TypeError, "cannot be made of 1"),
        ({"data": {"a": None}}, TypeError, "must be str, int or float, got None"),
        ({"files": {"a": 1}}, TypeError, "must be bytes, str or a file, got 1"),
        ({"files": {"a": ("a", b"", "a\r\nb: c")}}, ValueError, "Not a content type"),
        ({"data": b"a", "headers": {"Content-Length": "2"}}, ValueError, "the body has 1 bytes"),
        ({"data": ["a"]}, TypeError, "Pieces of a body must be bytes, got 'a'"),
    ],
)
async def test_bodies_that_cannot_be_sent(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    async with talking(read_back) as client:
        with pytest.raises(error, match=message):
            await client.post("/", **options)


async def test_a_form_with_files() -> None:
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                seen.append((name, value.filename, value.content_type, value.file.read()))
            else:
                seen.append((name, value))
        return web.Response()

    text = io.BytesIO(b"3")
    text.name = "/tmp/c.txt"
    files = [
        ("a", b"1"),
        ("b", ('q"\r\n.bin', b"2")),
        ("c", text),
        ("d", ("d", io.BytesIO(b"4"), "a/b")),
        ("ü", ("ü.html", "ä")),
    ]
    async with talking(handler) as client:
        answer = await client.post("/", data={'x"': "1", "y": ["2", "ü"]}, files=files)
        assert answer.status == 200
        assert (await client.post("/", data={"z": io.BytesIO(b"5")})).status == 200
    assert seen == [
        ("x%22", "1"),
        ("y", "2"),
        ("y", "ü"),
        ("a", "a", "application/octet-stream", b"1"),
        ("b", "q%22%0D%0A.bin", "application/octet-stream", b"2"),
        ("c", "c.txt", "text/plain", b"3"),
        ("d", "d", "a/b", b"4"),
        ("ü", "ü.html", "text/html", "ä".encode()),
        ("z", "z", "application/octet-stream", b"5"),
    ]


async def test_a_streamed_body_is_read_while_it_is_sent() -> None:
    heard = asyncio.Queue[bytes]()

    async def hear(request: web.Request) -> web.Response:
        async for piece, ends in request.content.iter_chunks():
            assert ends
            heard.put_nowait(piece)
        return web.Response(text="heard")

    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        assert await heard.get() == b"one"
        yield b"two"
        assert await heard.get() == b"two"

    async with talking(hear) as client:
        assert await (await client.post("/", data=body())).text() == "heard"


async def test_a_streamed_body_waits_for_its_reader() -> None:
    """With 128 KiB unread, which is where a reader is full."""
    sent: list[int] = []
    may_read = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await may_read.wait()
        return web.Response(text=str(len(await request.read())))

    async def body() -> AsyncIterator[bytes]:
        for number in range(20):
            sent.append(number)
            yield PIECE

    async with Client(app_of(handler, client_max_size=2**20)) as client:
        asking = asyncio.ensure_future(client.post("/", data=body()))
        await step(100)
        assert len(sent) == 9
        may_read.set()
        assert await (await asking).text() == str(20 * len(PIECE))


async def test_a_streamed_body_that_nobody_reads_ends_with_the_answer() -> None:
    closed: list[bool] = []

    async def body() -> AsyncIterator[bytes]:
        try:
            while True:
                yield PIECE
        finally:
            closed.append(True)

    async def handler(request: web.Request) -> web.Response:
        await step()
        return web.Response()

    async with talking(handler) as client:
        assert (await client.post("/", data=body())).status == 200
        assert closed == [True]


async def test_an_error_of_a_streamed_body_is_raised_and_seen_as_a_lost_client() -> None:
    seen: list[BaseException] = []

    async def handler(request: web.Request) -> web.Response:
        try:
            await request.read()
        except BaseException as exc:
            seen.append(exc)
            raise
        raise AssertionError

    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        raise ZeroDivisionError

    async with talking(handler) as client:
        with pytest.raises(ZeroDivisionError):
            await client.post("/", data=body())
    assert [type(exc).__mro__[1] for exc in seen] == [ConnectionResetError]


@pytest.mark.parametrize("parts", [[b"ab"], [b"ab", b"cd"]])
async def test_a_streamed_body_has_the_length_that_was_announced(parts: list[bytes]) -> None:
    async with talking(tell) as client:
        with pytest.raises(ValueError, match="3 bytes that were announced"):
            await client.post("/", data=pieces(*parts), headers={"Content-Length": "3"})
        answer = await client.post("/", data=pieces(b"ab", b"c"), headers={"Content-Length": "3"})
        told = await answer.json()
    assert told["body"] == "abc"
    assert "Transfer-Encoding" not in dict(told["fields"])


async def test_what_the_application_knows_of_the_connection() -> None:
    async def handler(request: web.Request) -> web.Response:
        transport = [request._exchange.extra(name) for name in ("peername", "sockname", "x")]
        return web.json_response(
            [request.url.human_repr(), request.remote, request.secure, transport]
        )

    app = app_of(handler)
    async with Client(
        app, base_url="https://a.example:8443", peername=("10.0.0.1", 9), extra={"x": "y"}
    ) as client:
        assert await (await client.get("/p?q=1")).json() == [
            "https://a.example:8443/p?q=1",
            "10.0.0.1",
            True,
            [["10.0.0.1", 9], ["127.0.0.1", 8443], "y"],
        ]
    async with Client(app, lifespan="off") as client:
        url, remote, is_secure, _ = await (await client.get("http://b.example/")).json()
        assert (url, remote, is_secure) == ("http://b.example/", "127.0.0.1", False)


async def test_a_root_path_is_part_of_what_is_asked_for() -> None:
    app = web.Application()
    app.router.add_get("/users", ok)
    async with Client(app, root_path="/api") as client:
        assert (await client.get("/api/users")).status == 200


async def test_basic_authentication() -> None:
    async with talking(tell) as client:
        told = await (await client.get("/", auth=("a", "b:ü"))).json()
    assert told["fields"] == [["Authorization", "Basic YTpiOsO8"]]


# -- answers --------------------------------------------------------------------------------------


async def test_the_surface_of_an_answer() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(status=201, reason="Made", text="ü", charset="latin-1")
        response.set_cookie("a", "b c", path="/p", httponly=True)
        response.headers.add("X", "1")
        response.headers.add("X", "2")
        return response

    async with talking(handler) as client:
        answer = await client.get("/p?q#f")
    assert isinstance(answer, Answer)
    assert (answer.status, answer.reason, answer.ok, answer.method) == (201, "Made", True, "GET")
    assert (answer.content_type, answer.charset) == ("text/plain", "latin-1")
    assert answer.content_length == 1
    assert answer.headers.getall("x") == ["1", "2"]
    assert not hasattr(answer.headers, "add")
    assert (str(answer.url), str(answer.real_url)) == (
        "http://localhost/p?q",
        "http://localhost/p?q#f",
    )
    assert answer.cookies["a"].value == "b c"
    assert (answer.cookies["a"]["path"], answer.cookies["a"]["httponly"]) == ("/p", True)
    assert (answer.history, answer.error, answer.informed, answer.closed) == ((), None, [], True)
    assert answer.request_info.method == "GET"
    assert answer.request_info.headers["Host"] == "localhost"
    assert repr(answer) == "<Answer GET http://localhost/p?q#f [201 Made]>"
    assert [await answer.read(), await answer.read()] == [b"\xfc", b"\xfc"]
    assert [await answer.text(), await answer.text("cp437")] == ["ü", "ⁿ"]
    answer.raise_for_status()


async def test_an_answer_may_be_awaited_entered_and_made_a_task_of() -> None:
    """As with aiohttp's client."""
    async with talking(ok) as client:
        awaited = await client.get("/a")
        async with client.get("/b") as entered:
            assert await entered.text() == "/b"
        tasked = await asyncio.create_task(client.get("/c"))  # type: ignore[arg-type]  # it is a coroutine
        gathered = await asyncio.gather(client.get("/d"), client.get("/e"))
        texts = [await each.text() for each in (awaited, entered, tasked, *gathered)]
        async with await client.get("/f") as again:
            texts.append(await again.text())
    assert texts == ["/a", "/b", "/c", "/d", "/e", "/f"]


async def test_a_complete_answer_may_be_read_like_a_stream() -> None:
    """As with aiohttp's client."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one\nt")
        await response.write(b"wo\n")
        return response

    async with talking(handler) as client:
        answers = [await client.get("/") for _ in range(4)]
    assert [line async for line in answers[0].content] == [b"one\n", b"two\n"]
    assert [chunk async for chunk in answers[1].iter_chunks()] == [
        (b"one\nt", True),
        (b"wo\n", True),
    ]
    assert await answers[2].content.readexactly(5) == b"one\nt"
    assert await answers[2].read() == b"wo\n"
    assert await answers[3].text() == "one\ntwo\n"


async def test_an_answer_that_nobody_awaits_is_told_of() -> None:
    async with talking(ok) as client:
        with pytest.warns(RuntimeWarning, match=r"'Client\._request' was never awaited"):
            client.get("/")


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}),
        ("application/json; charset=latin-1", b'"\xfc"', "ü"),
        ("application/problem+json", b"[]", []),
        ("application/json", b" ", None),
    ],
)
async def test_json(content_type: str, body: bytes, expected: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": content_type})

    async with talking(handler) as client:
        assert await (await client.get("/")).json() == expected


async def test_json_of_another_type() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=b"[1]", headers={"Content-Type": "text/plain; charset=none"})

    async with talking(handler) as client:
        answer = await client.get("/")
        with pytest.raises(ContentTypeError, match="unexpected mimetype: text/plain") as caught:
            await answer.json()
        assert isinstance(caught.value, ClientResponseError)
        assert caught.value.status == 200
        assert await answer.json(content_type=None) == [1]
        assert await answer.json(content_type="text/plain", loads=str.upper) == "[1]"


async def test_raise_for_status() -> None:
    async def handler(request: web.Request) -> web.Response:
        raise ZeroDivisionError

    async with talking(handler) as client:
        answer = await client.get("/x")
        assert not answer.ok
        with pytest.raises(ClientResponseError) as caught:
            answer.raise_for_status()
    assert str(caught.value) == "500, 'Internal Server Error', GET http://localhost/x"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_content_have_no_body(status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        await response.write(b"abc")
        return response

    async with talking(handler) as client:
        answer = await client.get("/")
        assert (answer.status, await answer.read()) == (status, b"")


async def test_interim_answers_are_recorded() -> None:
    async def handler(request: web.Request) -> web.Response:
        await request._exchange.inform(103, [("Link", "</a>")])
        return web.Response()

    async with talking(handler) as client:
        [(status, fields)] = (await client.get("/")).informed
    assert (status, fields["link"]) == (103, "</a>")


async def test_trailers_are_there_behind_the_body() -> None:
    async def handler(request: web.Request) -> web.Response:
        exchange = request._exchange
        exchange.start(200, "", [])
        await exchange.write(b"a")
        await exchange.write_eof(b"b", [("X", "y")])
        return web.Response()

    async with talking(handler) as client:
        async with client.stream("GET", "/") as answer:
            assert await answer.read() == b"ab"
            assert answer.trailers["x"] == "y"


# -- cookies: see also test_cookies_of_clients ----------------------------------------------------


async def login(request: web.Request) -> web.Response:
    response = web.json_response(dict(request.cookies))
    for name, value in request.query.items():
        if value:
            response.set_cookie(name, value)
        else:
            response.del_cookie(name)
    return response


async def test_cookies_come_back_and_are_deleted() -> None:
    async with talking(login, cookies={"first": "1 2"}) as client:
        assert await (await client.get("/?a=b;c&d=e")).json() == {"first": "1 2"}
        assert await (await client.get("/x?d=")).json() == {"first": "1 2", "a": "b;c", "d": "e"}
        assert await (await client.get("/")).json() == {"first": "1 2", "a": "b;c"}
        own = await client.get("/", cookies={"a": "mine", "g": "h"})
        assert await own.json() == {"first": "1 2", "a": "mine", "g": "h"}
        assert own.request_info.headers["Cookie"] == 'first="1 2"; a=mine; g=h'
        given = await client.get("/", headers={"Cookie": "x=y"})
        assert await given.json() == {"x": "y"}
        client.cookie_jar.clear()
        assert await (await client.get("/")).json() == {}


# -- redirections ---------------------------------------------------------------------------------


async def redirect(request: web.Request) -> web.Response:
    if "to" in request.query:
        status = int(request.query.get("status", "302"))
        return web.Response(status=status, headers={"Location": request.query["to"]})
    return await tell(request)


# As aiohttp's client does, which was asked; so do browsers.
@pytest.mark.parametrize(
    ("status", "methods"),
    [
        (301, ["GET", "HEAD", "GET", "PUT", "DELETE"]),
        (302, ["GET", "HEAD", "GET", "PUT", "DELETE"]),
        (303, ["GET", "HEAD", "GET", "GET", "GET"]),
        (307, ["GET", "HEAD", "POST", "PUT", "DELETE"]),
        (308, ["GET", "HEAD", "POST", "PUT", "DELETE"]),
    ],
)
async def test_methods_behind_redirections(status: int, methods: list[str]) -> None:
    async with talking(redirect) as client:
        for method, expected in zip(["GET", "HEAD", "POST", "PUT", "DELETE"], methods, strict=True):
            data = {"data": b"abc"} if method in ("POST", "PUT") else {}
            answer = await client.request(method, f"/?status={status}&to=/end", **data)
            assert answer.method == expected
            assert [each.status for each in answer.history] == [status]
            if expected == "HEAD":
                continue
            told = await answer.json()
            kept = bool(data) and expected == method
            assert told["body"] == ("abc" if kept else "")
            names = {name for name, _ in told["fields"]}
            assert names == ({"Content-Type", "Content-Length"} if kept else set())


@pytest.mark.parametrize("status", [300, 304, 305, 306, 200])
async def test_other_statuses_are_no_redirections(status: int) -> None:
    async with talking(redirect) as client:
        answer = await client.get(f"/?status={status}&to=/end")
        assert (answer.status, answer.history) == (status, ())


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b", "http://localhost/b#f"),
        ("b?c=d", "http://localhost/x/b?c=d#f"),
        ("../b", "http://localhost/b#f"),
        ("http://localhost/b#g", "http://localhost/b#g"),
        ("//other.example/b", "http://other.example/b#f"),
        ("https://other.example:8443/b", "https://other.example:8443/b#f"),
        ("/ü b", "http://localhost/%C3%BC%20b#f"),
        ("/a%2Fb", "http://localhost/a%2Fb#f"),
    ],
)
async def test_locations(location: str, url: str) -> None:
    async with talking(redirect) as client:
        answer = await client.get("/x/y#f", params={"to": location})
        assert (answer.status, str(answer.real_url)) == (200, url)
        assert answer.request_info.headers["Host"] == (URL(url).host_port_subcomponent)


@pytest.mark.parametrize(
    "location", ["mailto:a@b", "ftp://a/b", "http://", "http://[", "javascript:x"]
)
async def test_locations_that_cannot_be_followed(location: str) -> None:
    async with talking(redirect) as client:
        with pytest.raises(RedirectClientError, match="The Location is no URL"):
            await client.get("/", params={"to": location})


async def test_a_redirection_without_a_location_is_an_answer() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=302)

    async with talking(handler) as client:
        assert (await client.get("/")).status == 302


async def test_redirections_may_be_left_alone() -> None:
    async with talking(redirect) as client:
        for options in ({"allow_redirects": False}, {"follow_redirects": False}):
            answer = await client.get("/?to=/end", **options)  # type: ignore[arg-type]  # either name
            assert (answer.status, answer.headers["Location"]) == (302, "/end")
    async with talking(redirect, follow_redirects=False) as client:
        assert (await client.get("/?to=/end")).status == 302
        assert (await client.get("/?to=/end", allow_redirects=True)).status == 200


async def chain(request: web.Request) -> web.Response:
    left = int(request.path[1:])
    return (
        web.Response(status=302, headers={"Location": f"/{left - 1}"}) if left else web.Response()
    )


async def test_ten_redirections_are_followed_and_no_more() -> None:
    async with talking(chain) as client:
        answer = await client.get("/10")
        assert [each.url.path for each in answer.history] == [f"/{10 - n}" for n in range(10)]
        with pytest.raises(TooManyRedirects, match="More than 10 redirections") as caught:
            await client.get("/11")
        assert len(caught.value.history) == 10
        assert (await client.get("/11", max_redirects=11)).status == 200
        with pytest.raises(TooManyRedirects):
            await client.get("/1", max_redirects=0)


SECRETS = {"Authorization": "a", "Cookie": "b=c", "Proxy-Authorization": "d", "X": "e"}


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("/b", True),
        ("http://a.example/b", True),
        ("http://a.example:80/b", True),
        ("https://a.example/b", True),  # the same server, by TLS from now on
        ("https://a.example:8443/b", False),
        ("http://a.example:81/b", False),
        ("http://b.example/", False),
        ("http://a.example.b.example/", False),
    ],
)
async def test_secrets_do_not_go_to_other_hosts(location: str, kept: bool) -> None:
    async with talking(redirect, base_url="http://a.example") as client:
        answer = await client.get("/", params={"to": location}, headers=SECRETS)
        assert dict((await answer.json())["fields"]) == (SECRETS if kept else {"X": "e"})
        answer = await client.get("/", params={"to": location}, cookies={"k": "v"})
        assert (await answer.json())["fields"] == ([["Cookie", "k=v"]] if kept else [])


async def test_a_streamed_body_is_not_sent_again() -> None:
    async with talking(redirect) as client:
        with pytest.raises(RedirectClientError, match="307 asks for the body of POST"):
            await client.post("/?status=307&to=/end", data=pieces(b"a"))
        assert (await client.post("/?status=303&to=/end", data=pieces(b"a"))).status == 200


async def test_cookies_of_redirections_are_taken_and_sent() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/":
            response: web.Response = web.HTTPFound("/home")
            response.set_cookie("session", "1")
            raise response
        return web.json_response(dict(request.cookies))

    async with talking(handler) as client:
        assert await (await client.post("/")).json() == {"session": "1"}
