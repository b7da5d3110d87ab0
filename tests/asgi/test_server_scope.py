"""What an ASGI application of others is told of a request on our server: rules S01 to S32."""

import asyncio
import json
from typing import Any

import pytest

from support.asgi_role import GET, START, Application, body, get, opened, scope_of
from support.wire import serve


async def test_s01_the_scope_is_a_dict() -> None:
    """The scope is a dict of the type http whose keys are text."""
    scope = await scope_of()
    assert type(scope) is dict
    assert scope["type"] == "http"
    assert all(type(key) is str for key in scope)


async def test_s02_the_version_of_asgi() -> None:
    """ASGI itself is told as version 3.0."""
    assert (await scope_of())["asgi"]["version"] == "3.0"


async def test_s03_the_version_of_the_specification() -> None:
    """2.5 is told, since send() raises an OSError once the client has left, as 2.4 promises."""
    assert (await scope_of())["asgi"]["spec_version"] == "2.5"


async def test_s04_http_1_1() -> None:
    """HTTP/1.1 is told as 1.1."""
    assert (await scope_of())["http_version"] == "1.1"


async def test_s05_http_1_0() -> None:
    """HTTP/1.0 is told as 1.0."""
    assert (await scope_of(b"GET / HTTP/1.0\r\n\r\n"))["http_version"] == "1.0"


@pytest.mark.parametrize(
    ("sent", "method"), [("GET", "GET"), ("PROPFIND", "PROPFIND"), ("M-SEARCH", "M-SEARCH")]
)
async def test_s06_the_method(sent: str, method: str) -> None:
    """The method is text in capitals, those of extensions too."""
    assert (await scope_of(f"{sent} / HTTP/1.1\r\nHost: x\r\n\r\n".encode()))["method"] == method


async def test_s07_the_scheme() -> None:
    """The scheme of a plain connection is http."""
    assert (await scope_of())["scheme"] == "http"


async def test_s08_the_path_is_decoded() -> None:
    """The path is text, its escapes decoded as UTF-8."""
    assert (await scope_of(get(target="/a%20b/%D0%BF")))["path"] == "/a b/п"


async def test_s09_escapes_that_are_not_utf_8() -> None:
    """Escapes that are not UTF-8 do no harm."""
    assert (await scope_of(get(target="/%ff%C3")))["path"] == "/\ufffd\ufffd"


async def test_s10_the_raw_path() -> None:
    """The raw path is the bytes that came."""
    assert (await scope_of(get(target="/a%2Fb%20c")))["raw_path"] == b"/a%2Fb%20c"


async def test_s11_the_raw_path_has_no_query() -> None:
    """The query is not part of the raw path."""
    assert (await scope_of(get(target="/a?b=c")))["raw_path"] == b"/a"


async def test_s12_the_query() -> None:
    """The query is the bytes that came, not decoded."""
    assert (await scope_of(get(target="/?a=%20+%D0%BF&b?")))["query_string"] == b"a=%20+%D0%BF&b?"


@pytest.mark.parametrize("target", ["/", "/?"])
async def test_s13_no_query(target: str) -> None:
    """No query is empty bytes."""
    assert (await scope_of(get(target=target)))["query_string"] == b""


async def test_s14_no_root_path() -> None:
    """The root path is empty unless one was set."""
    assert (await scope_of())["root_path"] == ""


async def test_s15_headers() -> None:
    """Headers are pairs of bytes."""
    for pair in (await scope_of(get("A: b")))["headers"]:
        name, value = pair
        assert type(name) is type(value) is bytes


async def test_s16_names_of_headers() -> None:
    """Names of headers are in small letters."""
    assert (b"x-mixed", b"Value") in (await scope_of(get("X-MiXed: Value")))["headers"]


async def test_s17_headers_that_repeat() -> None:
    """Headers of one name stay apart and in order."""
    scope = await scope_of(get("X-A: 1", "X-B: 2", "x-a: 3"))
    assert scope["headers"][1:] == [(b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3")]


async def test_s18_bytes_of_values() -> None:
    """Values keep bytes beyond ASCII."""
    scope = await scope_of(b"GET / HTTP/1.1\r\nHost: x\r\nX: \xff\xc3\xa9\r\n\r\n")
    assert (b"x", b"\xff\xc3\xa9") in scope["headers"]


async def test_s19_underscores_in_names() -> None:
    """A header with an underscore is handed on, apart from the one with a hyphen."""
    scope = await scope_of(get("X_a: 1", "X-a: 2"))
    assert scope["headers"][1:] == [(b"x_a", b"1"), (b"x-a", b"2")]


async def test_s20_space_around_values() -> None:
    """Space around a value goes; an empty value stays."""
    scope = await scope_of(get("A: \t b c \t", "B:", "C:   "))
    assert scope["headers"][1:] == [(b"a", b"b c"), (b"b", b""), (b"c", b"")]


async def test_s21_s22_client_and_server() -> None:
    """Client and server are the addresses of both ends of the socket."""
    app = Application()
    async with opened(app) as (served, wire):
        await wire.send(GET)
        await wire.read_answer()
        own = wire.writer.get_extra_info("sockname")
        assert list(app.scopes[0]["client"]) == [own[0], own[1]]
        assert list(app.scopes[0]["server"]) == ["127.0.0.1", served.port]


class Stateful:
    """An application whose lifespan puts something into the state."""

    def __init__(self) -> None:
        self.shared: list[int] = []
        self.states: list[dict[str, Any]] = []
        self.loops: list[Any] = [asyncio.get_running_loop()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.loops.append(asyncio.get_running_loop())
        if scope["type"] == "lifespan":
            await receive()
            scope["state"].update(shared=self.shared, number=1)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.states.append(scope["state"])
        scope["state"]["number"] += 1
        scope["state"]["shared"].append(len(self.states))
        await send(START)
        await send(body())


async def test_s23_s24_state() -> None:
    """Each request gets a shallow copy of what the lifespan put into the state."""
    app = Stateful()
    async with opened(app) as (_, wire):
        for _ in range(2):
            await wire.send(GET)
            await wire.read_answer()
    assert [state["number"] for state in app.states] == [2, 2]
    assert app.states[0]["shared"] is app.states[1]["shared"] is app.shared
    assert app.shared == [1, 2]


async def test_s25_each_request_has_its_own_scope() -> None:
    """Requests of one connection share nothing of the scope that may be changed."""
    app = Application()
    async with opened(app) as (_, wire):
        for _ in range(2):
            await wire.send(GET)
            await wire.read_answer()
    first, second = app.scopes
    assert first is not second
    for key in ("asgi", "headers", "extensions", "state"):
        assert first[key] is not second[key]
    for name in first["extensions"]:
        assert first["extensions"][name] is not second["extensions"][name]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("http://other/p?q", "/p", b"q"),
        ("http://other", "/", b""),
        ("HTTP://o:1/a%20b", "/a b", b""),
    ],
)
async def test_s26_absolute_targets(target: str, path: str, query: bytes) -> None:
    """Of an absolute target the path is the path alone (RFC 9112 section 3.2.2)."""
    scope = await scope_of(get(target=target))
    assert (scope["path"], scope["query_string"]) == (path, query)
    assert scope["raw_path"] == path.replace(" ", "%20").encode()


async def test_s27_options_of_the_server() -> None:
    """OPTIONS * comes to the application, and the connection goes on."""
    app = Application()
    async with opened(app) as (_, wire):
        for _ in range(2):
            await wire.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await wire.read_answer())[0] == b"HTTP/1.1 200 OK"
    assert app.scopes[1]["path"] == "*"


async def test_s28_cookies() -> None:
    """Cookie headers are handed on as they came."""
    scope = await scope_of(get("Cookie: a=1; b=2", "Cookie: c=3"))
    assert scope["headers"][1:] == [(b"cookie", b"a=1; b=2"), (b"cookie", b"c=3")]


async def test_s29_extensions() -> None:
    """Extensions are a dict of dicts; that for debugging is not among them."""
    extensions = (await scope_of())["extensions"]
    assert all(type(value) is dict for value in extensions.values())
    assert "http.response.debug" not in extensions


async def test_s30_no_tls() -> None:
    """A plain connection has no TLS extension."""
    assert "tls" not in (await scope_of())["extensions"]


async def test_s31_one_loop() -> None:
    """Lifespan and requests run in one event loop."""
    app = Stateful()
    async with serve(app) as served:
        await served.exchange(GET)
    assert len(app.loops) == 3
    assert len(set(app.loops)) == 1


async def test_s32_plain_types() -> None:
    """The scope holds plain types alone, text where the specification says so."""
    scope = await scope_of(get("A: b", target="/%D0%BF?q"))
    for key in ("type", "http_version", "method", "scheme", "path", "root_path"):
        assert type(scope[key]) is str

    def check(value: Any) -> Any:
        assert type(value) is bytes
        return None

    json.dumps(scope, default=check)
