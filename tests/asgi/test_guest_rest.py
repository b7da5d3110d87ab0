"""What a handler leaves of a request under an ASGI host."""

import asyncio
from typing import Any

import pytest

from bascule import web
from support.requests import app_of
from support.scripted_host import END, ScriptedHost, http_scope

SMALL = b"x" * 100
START, BODY = "http.response.start", "http.response.body"


class Host:
    """One that writes down in which order an application receives and sends."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)
        self.log: list[Any] = []

    async def receive(self) -> dict[str, Any]:
        self.log.append("received")
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)

    async def send(self, message: dict[str, Any]) -> None:
        self.log.append((message["type"], message.get("more_body")))


def piece(*, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": SMALL, "more_body": more}


async def call(handler: Any, host: Host, headers: Any, version: str = "1.1") -> list[Any]:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": version,
        "method": "POST",
        "scheme": "http",
        "path": "/",
        "query_string": b"",
        "headers": [(b"host", b"h"), *headers],
    }
    app = app_of(handler)
    async with app:
        await app(scope, host.receive, host.send)
    return host.log


async def refuse(request: web.Request) -> web.Response:
    return web.Response(status=403)


CHUNKED = [(b"transfer-encoding", b"chunked")]
DRAINED = [(START, None), (BODY, True), "received", "received", (BODY, False)]


@pytest.mark.parametrize(
    ("headers", "version"),
    [(CHUNKED, "1.1"), ([(b"content-length", b"200")], "1.1"), ([], "2")],
    ids=["chunked", "declared", "HTTP/2"],
)
async def test_what_is_left_is_taken_before_the_answer_ends(headers: Any, version: str) -> None:
    """Behind the end hosts close the connection, which costs a client that sends the answer."""
    host = Host(piece(more=True), piece(more=False))
    assert await call(refuse, host, headers, version) == DRAINED


async def test_a_body_of_which_a_part_was_read() -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.content.readany()
        return web.Response(status=403)

    host = Host(piece(more=True), piece(more=True), piece(more=False))
    assert await call(handler, host, CHUNKED) == ["received", *DRAINED]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"65537")],
        [(b"content-length", b"100"), (b"expect", b"100-continue")],
        [*CHUNKED, (b"expect", b"100-continue")],
    ],
    ids=["long", "declared", "chunked"],
)
async def test_nothing_is_asked_for_that_is_long_or_waits_to_be_asked_for(headers: Any) -> None:
    """A host would send 100 Continue for it."""
    assert await call(refuse, Host(), headers) == [(START, None), (BODY, False)]


async def test_no_more_is_taken_than_is_short() -> None:
    host = Host(*[piece(more=True)] * 1000)
    log = await call(refuse, host, CHUNKED)
    assert log.count("received") == 656  # 65 536 bytes
    assert log[-1] == (BODY, False)


async def test_a_client_that_leaves_meanwhile_ends_it() -> None:
    host = Host(piece(more=True), {"type": "http.disconnect"})
    log = await call(refuse, host, CHUNKED)
    assert log.count("received") == 2


class Full(ScriptedHost):
    """Takes no more than the first window of HTTP/2, and comes not back from more."""

    async def send(self, message: dict[str, Any]) -> None:
        await super().send(message)
        if len(message.get("body", b"")) > 65535:
            await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("fields", [None, {"X-A": "b"}], ids=["plain", "with a field"])
async def test_a_large_answer_over_http2_ends_when_its_client_leaves(fields: Any) -> None:
    """Hypercorn waits in `send` for a window that such a client will not open."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=bytes(65536), headers=fields, content_type=None)

    host = Full(END)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(host.call(app_of(handler), http_scope(http_version="2")))
        await host.until_sent(2)
        host.leaving.set()
    assert host.types == ["start", "body"]
