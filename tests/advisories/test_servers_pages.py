"""Advisories on other servers: what they sent, logged and let lie open."""

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import pytest

import bascule
from advisories.attacks import attack, head
from bascule import web
from support.files import make_root, static_app
from support.frames import HANDSHAKE, TEXT, TOO_BIG, frame, handshake, listen, opened
from support.requests import GET, app_of, request
from support.wire import PATIENCE, serve

EVIL = ["a\r\nInjected: yes", "a\nInjected: yes", "a\rInjected: yes", "a\0b", "\r\n\r\nbody"]


def named(*advisories: str) -> pytest.MarkDecorator:
    """Give a test the identifiers of several advisories that name the same attack."""
    cases = [pytest.param(each, id=each) for each in advisories]
    return pytest.mark.parametrize("advisory", cases)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


# -- the log


@pytest.mark.parametrize("where", ["target", "agent", "referer", "encoded"])
async def test_CVE_2020_7694_escapes_in_the_log(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Escape sequences of a target reached the terminal of whoever read the log."""
    caplog.set_level(logging.DEBUG)
    evil = b"\xc2\x9b31m\xe2\x80\xae\xc2\x85x"
    lines = {"agent": b"User-Agent: " + evil, "referer": b"Referer: " + evil}
    target = {"encoded": "/%1b[31m%0d%0aGET%20/forged%20HTTP/1.1%00", "target": "/%C2%9B31m"}
    data = head(lines.get(where, b"A: b"), target=target.get(where, "/"), method="GET")
    assert (await attack(data)).statuses
    assert [each for each in caplog.records if each.name.endswith("access")]
    for record in caplog.records:
        message = record.getMessage()
        assert message.isprintable(), message
        assert "\n" not in message


async def test_CVE_2020_7694_escapes_in_what_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """The same, where the request is none."""
    caplog.set_level(logging.DEBUG)
    for data in (b"GET /\x1b[31m HTTP/1.1\r\n\r\n", b"\x1b]0;x\x07\r\n\r\n", head(b"A\x1b: b")):
        assert not (await attack(data)).paths
    own = [each.getMessage() for each in caplog.records if each.name.startswith("bascule")]
    assert len(own) == 3
    assert all(each.isprintable() for each in own)


# -- what is sent


async def _send(where: str, evil: str) -> bytes:
    async def handler(request: web.Request) -> web.Response:
        if where == "name":
            return web.Response(headers={evil: "x"})
        if where == "value":
            return web.Response(headers={"X": evil})
        if where == "type":
            return web.Response(body=b"x", headers={"Content-Type": evil})
        if where == "location":
            raise web.HTTPFound(evil)
        response = web.Response()
        if where == "late":
            response.headers["X"] = evil
        elif where == "charset":
            response.charset = evil
        elif where == "trailer":
            return await _send_trailer(request, evil)
        else:
            response.set_status(200, evil)
        return response

    async with serve(app_of(handler), access_log=None) as served:
        return await served.exchange(GET)


async def _send_trailer(request: web.Request, evil: str) -> Any:
    response: Any = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    response.trailers["X"] = evil
    return response


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
@pytest.mark.parametrize(
    "where",
    ["name", "value", "type", "location", "late", "charset", "reason", "trailer"],
)
@named("CVE-2020-7695", "CVE-2018-1000164", "CVE-2012-2374")
async def test_line_ends_in_what_is_sent(advisory: str, where: str, evil: str) -> None:
    """What an application put into a field became fields, and whole answers, of its client's."""
    found = await _send(where, evil)
    block = found.partition(b"\r\n\r\n")[0]
    assert found.count(b"HTTP/1.1 ") == 1
    assert b"\nInjected" not in found
    assert b"\rInjected" not in found
    assert not re.search(rb"[\0\r\n]", block.replace(b"\r\n", b""))
    assert not found.endswith(b"body")


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
@pytest.mark.parametrize("where", ["name", "value"])
async def test_CVE_2020_7695_line_ends_of_asgi_applications(where: str, evil: str) -> None:
    """The same of an application that we host."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        pair = (b"x", evil.encode()) if where == "value" else (evil.encode(), b"x")
        await send({"type": "http.response.start", "status": 200, "headers": [pair]})
        await send({"type": "http.response.body", "body": b"x"})

    async with serve(application, access_log=None) as served:
        found = await served.exchange(GET)
    assert found.startswith(b"HTTP/1.1 500 ")
    assert found.count(b"HTTP/1.1 ") == 1
    assert b"Injected" not in found


@pytest.mark.parametrize(
    "field",
    [
        ("X", "a\r\nInjected: yes"),
        ("X\r\nInjected", "yes"),
        ("X", "a\x00"),
        ("", "x"),
        ("a b", "x"),
        ("X", "€"),
        ("é", "x"),
        ("X:", "x"),
    ],
    ids=ascii,
)
async def test_CVE_2026_42545_fields_of_wsgi_applications(field: tuple[str, str]) -> None:
    """A field that was none ended the worker."""

    def application(environ: Any, start_response: Any) -> list[bytes]:
        fields = [field] if environ["PATH_INFO"] == "/bad" else []
        start_response("200 OK", fields)
        return [b"fine"]

    async with serve(bascule.wsgi(application), access_log=None) as served:
        async with served.connect() as wire:
            await wire.send(request("/bad"))
            status, fields, _ = await wire.read_answer()
        assert status.startswith(b"HTTP/1.1 500 ")
        assert not any(name.endswith(b"injected") for name in fields)
        async with served.connect() as wire:
            await wire.send(GET)
            assert (await wire.read_answer())[2] == b"fine"


@pytest.mark.parametrize("status", ["200 OK\r\nInjected: yes", "99 x", "1000", "", "2\xb20 x"])
async def test_CVE_2026_42545_statuses_of_wsgi_applications(status: str) -> None:
    """The same of statuses."""

    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, [])
        return [b"x"]

    async with serve(bascule.wsgi(application), access_log=None) as served:
        async with served.connect() as wire:
            await wire.send(GET)
            first, fields = await wire.read_head()
    assert b"injected" not in fields
    assert first in (b"HTTP/1.1 500 Internal Server Error", b"HTTP/1.1 200 OK")


async def test_CVE_2025_67724_html_in_the_reason() -> None:
    """A reason phrase stood unescaped in the page of an error."""

    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPNotFound(reason=f"No {request.query['name']}")

    async with serve(app_of(handler)) as served:
        answer = await served.exchange(request("/?name=%3Cscript%3E", "Accept: text/html"))
    assert b"Content-Type: text/plain" in answer


@pytest.mark.parametrize("bad", ["OK\r\nX: y", "OK\n", "\r\n\r\n<script>"])
async def test_CVE_2025_67724_line_ends_in_the_reason(bad: str) -> None:
    """It went into the status line as it was."""
    for kind in (web.Response, web.HTTPOk, web.HTTPNotFound, web.HTTPBadRequest):
        with pytest.raises(ValueError):
            kind(reason=bad)


@pytest.mark.parametrize("host", ["<script>", 'x"onload=', "x<b>", "'><img>"])
async def test_CVE_2022_39348_host_in_error_pages(host: str) -> None:
    """The page for a host that was not known had its name in it."""
    data = f"GET /<b> HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n".encode()
    found = await attack(data)
    assert found.statuses == [400]
    assert b"<" not in found.data.partition(b"\r\n\r\n")[2]


async def test_CVE_2022_39348_nothing_of_a_request_in_error_pages(serve: Any) -> None:
    """Neither has the page for a path that is not known."""
    client = await serve(web.Application())
    fields = {"Accept": "text/html", "X": "<b>"}
    answer = await client.get("/%3Cscript%3E?<script>", fields=fields)
    assert answer.status == 404
    assert "<script" not in answer.text


@pytest.mark.parametrize(
    "place", ["https://x/?<script>alert(1)</script>", '"><script>', "javascript:alert(1)<b>"]
)
async def test_CVE_2024_41810_html_in_redirections(place: str) -> None:
    """The body of a redirection had its location in it, unescaped."""

    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPFound(place)

    async with serve(app_of(handler)) as served:
        answer = await served.exchange(request("/", "Accept: text/html"))
    assert b"<" not in answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("options", [{}, {"index": "index.html"}, {"show_index": True}])
@named("CVE-2023-28370", "CVE-2020-28724")
async def test_no_directory_redirects_to_another_host(
    advisory: str, root: Path, options: dict[str, Any]
) -> None:
    """//evil.example/.. is a directory here, and a host for who is redirected to it."""
    (root / "evil.example").mkdir()
    (root / "evil.example/index.html").write_text("x")
    app = web.Application(middlewares=[web.normalize_path_middleware()])
    app.router.add_static("/", root, follow_symlinks=True, **options)
    async with serve(app) as served:
        for target in ("//evil.example", "//evil.example/", "/%2Fevil.example", "/\\evil.example"):
            answer = await served.exchange(head(target=target, method="GET"))
            assert not re.search(rb"Location: (https?:)?[/\\]{2}", answer), target
        answer = await served.exchange(head(target="//evil.example/%2e%2e", method="GET"))
        assert not re.search(rb"Location: (https?:)?[/\\]{2}", answer)


# -- WebSockets


@pytest.mark.parametrize(
    "line",
    [
        b"Sec-WebSocket-Protocol: \xe9",
        b"Sec-WebSocket-Protocol: \xff\xfe, chat",
        "Sec-WebSocket-Protocol: 聊天".encode(),
        b'Sec-WebSocket-Protocol: a\tb, ,,;"x',
    ],
)
@pytest.mark.parametrize("kind", ["native", "asgi"])
async def test_CVE_2026_42544_subprotocols_that_are_not_ascii(line: bytes, kind: str) -> None:
    """A subprotocol that is not ASCII ended a worker."""

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=("chat", "é", "聊天"))
        await ws.prepare(request)
        await ws.close()
        return ws

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})

    app: Any = app_of(handler) if kind == "native" else application
    async with serve(app) as served:
        for _ in range(2):
            async with served.connect() as wire:
                await wire.send(HANDSHAKE + line + b"\r\n\r\n")
                status, _ = await wire.read_head()
            assert status.split()[1] in (b"101", b"400")


@pytest.mark.parametrize("kind", ["native", "asgi"])
async def test_CVE_2026_44545_messages_without_limit(kind: str) -> None:
    """Nothing bounded a message by default."""
    size = 4 * 2**20
    if kind == "native":
        async with opened(listen) as (peer, story):
            await peer.send(frame(TEXT, size=size + 1))
            assert await peer.read() == TOO_BIG
            await peer.wire.close()
            await story.wait()
        return
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        ended.set_result(await receive())

    async with serve(application) as served, served.connect() as wire:
        await wire.send(handshake() + frame(TEXT, size=2**40))
        await wire.read_head()
        async with asyncio.timeout(PATIENCE):
            assert (await ended)["type"] == "websocket.disconnect"


@pytest.mark.parametrize(
    ("where", "evil"),
    [(where, evil) for where in ("subprotocol", "name", "value") for evil in EVIL]
    + [("subprotocol", "a b"), ("subprotocol", "a,b"), ("name", "a b"), ("name", "")],
)
async def test_CVE_2026_44546_line_ends_in_an_accepted_handshake(where: str, evil: str) -> None:
    """The fields of a 101 were not looked at as those of other answers are."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        message: dict[str, Any] = {"type": "websocket.accept"}
        if where == "subprotocol":
            message["subprotocol"] = evil
        else:
            pair = (b"x", evil.encode()) if where == "value" else (evil.encode(), b"x")
            message["headers"] = [pair]
        await send(message)
        await send({"type": "websocket.close"})

    async with serve(application, access_log=None) as served:
        found = await served.exchange(handshake("Sec-WebSocket-Protocol: a"))
    assert not found.startswith(b"HTTP/1.1 101 ")
    assert b"Injected" not in found
    assert found.count(b"HTTP/1.1 ") <= 1


# -- files


@pytest.mark.parametrize("advisory", [pytest.param("CVE-2017-16762", id="CVE-2017-16762")])
async def test_encoded_slashes_lead_nowhere(advisory: str, serve: Any, root: Path) -> None:
    """Slashes that were encoded made a path after it had been looked at."""
    client = await serve(static_app(root))
    for name in ("..%2fsecret.txt", "..%2Fsecret.txt", "sub%2f..%2f..%2fsecret.txt", "%2e%2e%2f"):
        assert (await client.get(f"/static/{name}")).status == 404, name
        assert (await client.get(f"/static/./{name}")).status == 404, name


async def test_CVE_2022_35920_encoded_slashes_where_links_are_followed(
    serve: Any, root: Path
) -> None:
    """The same, with follow_symlinks."""
    client = await serve(static_app(root, follow_symlinks=True))
    for name in (
        "..%2fsecret.txt",
        "%2fetc%2fpasswd",
        "%2F%2Fetc/passwd",
        "sub%2f..%2f..%2fsecret.txt",
    ):
        assert (await client.get(f"/static/{name}")).status == 404, name


async def test_CVE_2011_3192_many_ranges(root: Path) -> None:
    """Each of many ranges took memory, though they overlapped."""
    path = root / "big.bin"
    ranges = "bytes=" + ",".join(f"{n}-" for n in range(1500))
    for max_ranges in (1, 10, 2000):
        async with serve(static_app(root, max_ranges=max_ranges)) as served:
            data = head(f"Range: {ranges}", target="/static/big.bin", method="GET")
            answer = await served.exchange(data)
        assert len(answer) < path.stat().st_size + 10_000
        assert answer[9:12] in (b"200", b"206", b"416")


# -- what is shared


async def test_CVE_2020_35681_requests_share_nothing() -> None:
    """What a request wrote into its scope was seen by the next one."""
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("none")
        seen.append([scope.get("user"), scope.get("state"), len(scope["extensions"])])
        scope["user"] = scope["path"]
        scope["headers"].append((b"x", b"y"))
        scope["extensions"]["x"] = {}
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": str(len(scope["headers"])).encode()})

    async with serve(application, access_log=None) as served:
        data = await served.exchange(request("/1") + request("/2"))
        data += await served.exchange(request("/3"))
    assert seen == [seen[0]] * 3
    assert seen[0][0] is None
    assert data.count(b"\r\n\r\n2") == 3


USER = web.RequestKey("user", str)


async def test_CVE_2020_35681_native_requests_share_nothing(serve: Any) -> None:
    """The same of requests here."""

    async def handler(request: web.Request) -> web.Response:
        found = request.get(USER, "nobody")
        request[USER] = request.path
        return web.Response(text=found)

    client = await serve(app_of(handler))
    assert [(await client.get(path)).text for path in ("/1", "/2")] == ["nobody", "nobody"]
