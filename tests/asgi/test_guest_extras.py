"""Early hints and trailers under ASGI hosts that take them, message by message."""

import asyncio
from typing import Any

import pytest

from asgi.test_guest import Call, app_of, scope
from bascule import web

EARLY_HINT = {"http.response.early_hint": {}}
TRAILERS = {"http.response.trailers": {}}


async def call(
    app: web.Application, extensions: Any = None, **changes: Any
) -> list[dict[str, Any]]:
    """Give the messages that an application sends to one call."""
    one = Call([{"type": "http.request"}])
    async with app:
        await app(scope(**changes, extensions=extensions), one.receive, one.send)
    return one.sent


async def hint(request: web.Request) -> web.Response:
    await request.send_early_hints([("Link", "</é.css>"), ("X-A", "a"), ("link", "</b.js>")])
    await request.send_early_hints({"X-A": "a"})
    return web.Response(text="x")


async def test_links_are_hinted_in_front_of_the_start() -> None:
    sent = await call(app_of(hint), EARLY_HINT)
    assert sent[0] == {
        "type": "http.response.early_hint",
        "links": ["</é.css>".encode(), b"</b.js>"],
    }
    assert [message["type"] for message in sent[1:]] == [
        "http.response.start",
        "http.response.body",
    ]


@pytest.mark.parametrize(
    ("extensions", "version"), [(None, "1.1"), ({}, "2"), (TRAILERS, "1.1"), (EARLY_HINT, "1.0")]
)
async def test_hosts_and_clients_that_take_no_hints_get_none(extensions: Any, version: str) -> None:
    sent = await call(app_of(hint), extensions, http_version=version)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


async def test_a_handler_can_wait_for_the_client_to_leave() -> None:
    left = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await request.wait_for_disconnection()
        left.set()
        return web.Response()

    one = Call([{"type": "http.request"}, {"type": "http.disconnect"}])
    app = app_of(handler)
    async with app:
        await app(scope(), one.receive, one.send)
    assert left.is_set()


async def whole(request: web.Request) -> web.Response:
    response = web.Response(text="body")
    response.trailers["X-Sum"] = "é"
    return response


async def streamed(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Trailer": "X-Sum"})
    await response.prepare(request)
    await response.write(b"body")
    response.trailers["X-Sum"] = "é"
    return response


async def pushed(request: web.Request) -> web.StreamResponse:
    """Its head leaves before anything is written."""
    response = web.StreamResponse(headers={"Trailer": "X-Sum"})
    await response.prepare(request)
    await asyncio.sleep(0)
    response.trailers["X-Sum"] = "é"
    await response.write_eof(b"body")
    return response


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("handler", [whole, streamed, pushed])
async def test_trailers_are_promised_and_sent(handler: Any, version: str) -> None:
    start, *bodies, last = await call(app_of(handler), TRAILERS, http_version=version)
    assert start["trailers"] is True
    assert (b"trailer", b"X-Sum") in start["headers"]
    assert b"".join(message["body"] for message in bodies) == b"body"
    assert [message["more_body"] for message in bodies] == [True] * (len(bodies) - 1) + [False]
    assert last == {
        "type": "http.response.trailers",
        "headers": [(b"x-sum", "é".encode())],
        "more_trailers": False,
    }


@pytest.mark.parametrize(
    ("extensions", "version"), [(None, "1.1"), ({}, "2"), (EARLY_HINT, "2"), (TRAILERS, "1.0")]
)
@pytest.mark.parametrize("handler", [whole, streamed])
async def test_trailers_that_will_not_be_sent_are_not_announced(
    handler: Any, extensions: Any, version: str
) -> None:
    start, *bodies = await call(app_of(handler), extensions, http_version=version)
    assert "trailers" not in start
    assert b"x-sum" not in dict(start["headers"])
    assert {message["type"] for message in bodies} == {"http.response.body"}
    if version != "1.0":
        assert b"trailer" not in dict(start["headers"])


async def test_trailers_that_are_promised_come_also_when_there_are_none() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Trailer": "X-Sum"})
        await response.prepare(request)
        await response.write(b"body")
        return response

    *_, last = await call(app_of(handler), TRAILERS)
    assert last == {"type": "http.response.trailers", "headers": [], "more_trailers": False}


async def test_trailers_that_were_not_announced_are_dropped() -> None:
    """The host has to be told with the head."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"body")
        response.trailers["X-Sum"] = "1"
        return response

    start, *bodies = await call(app_of(handler), TRAILERS)
    assert "trailers" not in start
    assert {message["type"] for message in bodies} == {"http.response.body"}


async def test_an_answer_with_a_length_has_no_trailers() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(body=b"x", headers={"Content-Length": "1"})
        response.trailers["X-Sum"] = "1"
        return response

    start, *bodies = await call(app_of(handler), TRAILERS)
    assert "trailers" not in start
    assert len(bodies) == 1
