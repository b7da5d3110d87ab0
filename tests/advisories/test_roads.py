"""What no list names: the same bytes, read by our own roads in different ways."""

from typing import Any

import pytest

import bascule
from advisories.attacks import SMUGGLED, head
from bascule import web
from support.requests import GET, app_of, ok, request
from support.wire import Served, serve

pytestmark = pytest.mark.usefixtures("quiet")


async def tell_host(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that answers with the Host fields of its scope."""
    if scope["type"] == "lifespan":
        raise RuntimeError("none")
    hosts = b",".join(value for name, value in scope["headers"] if name == b"host")
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": hosts})


def wsgi_host(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [environ.get("HTTP_HOST", "").encode()]


async def native_host(request: web.Request) -> web.Response:
    return web.Response(text=request.host)


async def ask(served: Served, data: bytes) -> bytes:
    async with served.connect() as wire:
        await wire.send(data)
        return (await wire.read_answer())[2]


@pytest.mark.parametrize("path", ["/native/x", "/asgi/x", "/wsgi/x"])
@pytest.mark.parametrize("target", ["http://good{}", "HTTP://good{}", "{}"])
async def test_hosted_applications_see_the_host_of_an_absolute_target(
    path: str, target: str
) -> None:
    """The authority of an absolute target counts, and Host is ignored (RFC 9112 section 3.2.2), for
    all kinds of applications: else a guard in front of a mounted one looks at another host than
    that one believes."""
    app = app_of(native_host)
    outer = web.Application()
    outer.mount("/asgi", tell_host)
    outer.mount("/wsgi", bascule.wsgi(wsgi_host))
    outer.add_subapp("/native", app)
    data = f"GET {target.format(path)} HTTP/1.1\r\nHost: evil\r\n\r\n".encode()
    async with serve(outer) as served:
        assert await ask(served, data) == (b"good" if "good" in target else b"evil")


@pytest.mark.parametrize(
    "lines",
    [
        ["Expect: 100-continue"],
        ["Expect: 100-continue", "Expect: x"],
        ["Expect: x", "Expect: 100-continue"],
        ["Expect: x 100-continue"],
        ["Expect: x, 100-continue"],
        ["Expect: 100-continue, x"],
        ["Expect: 100-continue;x"],
        ["Expect: 100-Continue"],
    ],
)
async def test_an_odd_expectation_ends_the_connection(lines: list[str]) -> None:
    """Who waits for 100 and gets another answer does not send the body: what comes next would be
    read as that."""
    async with serve(app_of(ok)) as served, served.connect() as wire:
        await wire.send(head("Content-Length: 37", *lines))
        _, fields = await wire.read_head()
    assert fields[b"connection"] == b"close"


@pytest.mark.parametrize("method", ["GET", "POST", "CONNECT"])
async def test_a_refused_connect_or_upgrade_is_followed_by_requests(method: str) -> None:
    """What is behind an offer that was not taken is HTTP; what is behind one that was, is not."""
    target = "x:1" if method == "CONNECT" else "/1"
    offer = head(
        "Upgrade: h2c, websocket",
        "Connection: Upgrade, HTTP2-Settings",
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        target=target,
        method=method,
    )
    async with serve(app_of(ok)) as served:
        answer = await served.exchange(offer + request("/2"))
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b" 101 " not in answer


@pytest.mark.parametrize("length", ["0", "00", "000000000000000000"])
async def test_an_upgrade_with_an_empty_body_is_one_without(length: str) -> None:
    async with serve(app_of(ok)) as served:
        answer = await served.exchange(head(f"Content-Length: {length}") + GET)
    assert answer.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize("cut", range(1, len(SMUGGLED), 7))
async def test_half_closing_inside_a_request_serves_nothing_of_it(cut: int) -> None:
    """The end of what a peer sends ends no message."""
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        await request.read()
        seen.append(request.path)
        return web.Response()

    async with serve(app_of(handler)) as served:
        body = head(f"Content-Length: {len(SMUGGLED)}") + SMUGGLED[:cut]
        chunks = head("Transfer-Encoding: chunked") + b"%x\r\n%b" % (len(SMUGGLED), SMUGGLED[:cut])
        for data in (SMUGGLED[:cut], body, chunks):
            answer = await served.exchange(data)
            assert b" 200 " not in answer
    assert seen == []
