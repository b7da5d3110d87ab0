"""Hints that are sent before an answer (103, RFC 8297), on every host."""

from typing import Any

import pytest

from bascule import web
from bascule.testing import Client
from support import wire
from support.requests import app_of, request

LINK = "</style.css>; rel=preload; as=style"
OTHER = "</script.js>; rel=preload; as=script"


async def hint(request: web.Request) -> web.Response:
    await request.send_early_hints({"Link": LINK})
    await request.send_early_hints([("Link", OTHER), ("link", LINK), ("X-More", "é")])
    return web.Response(text="answer")


@pytest.mark.every_host
async def test_an_answer_comes_behind_its_hints(serve: Any) -> None:
    """On hosts that have no way to send them nothing happens."""
    answer = await (await serve(app_of(hint))).get("/")
    assert (answer.status, answer.text) == (200, "answer")
    assert "Link" not in answer.fields


async def test_a_client_in_memory_sees_them() -> None:
    async with Client(app_of(hint)) as client:
        answer = await client.get("/")
        assert [(status, list(fields.items())) for status, fields in answer.informed] == [
            (103, [("Link", LINK)]),
            (103, [("Link", OTHER), ("link", LINK), ("X-More", "é")]),
        ]


async def test_they_are_sent_at_once_in_front_of_the_answer() -> None:
    async with wire.serve(app_of(hint)) as served, served.connect() as client:
        await client.send(request("/"))
        first = await client.reader.readuntil(b"\r\n\r\n")
        assert first == f"HTTP/1.1 103 Early Hints\r\nLink: {LINK}\r\n\r\n".encode()
        second = await client.reader.readuntil(b"\r\n\r\n")
        fields = f"Link: {OTHER}\r\nlink: {LINK}\r\nX-More: é"
        assert second == f"HTTP/1.1 103 Early Hints\r\n{fields}\r\n\r\n".encode()
        assert (await client.read_answer())[2] == b"answer"


async def test_they_are_not_sent_to_http_1_0() -> None:
    """RFC 9110 section 15.2."""
    async with wire.serve(app_of(hint)) as served:
        raw = await served.exchange(request("/", version="1.0"))
        assert raw.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_they_wait_for_nobody_but_come_before_a_stream() -> None:
    """A head that is only decided has not been sent."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await request.send_early_hints({"Link": LINK})
        await response.write(b"body")
        return response

    async with wire.serve(app_of(handler)) as served, served.connect() as client:
        await client.send(request("/"))
        assert (await client.read_head())[0] == b"HTTP/1.1 103 Early Hints"
        assert (await client.read_answer())[2] == b"body"


BAD: list[Any] = [
    {"Link": "a\r\nX-Evil: 1"},
    {"Link": "a\n"},
    {"Li nk": "a"},
    {"Link\r\nX": "a"},
    {"": "a"},
    {"Content-Length": "1"},
    {"transfer-encoding": "chunked"},
]


@pytest.mark.parametrize("headers", BAD, ids=repr)
async def test_what_cannot_be_sent_is_refused(serve: Any, headers: Any) -> None:
    """Also where nothing would be sent: the handler is the same everywhere."""

    async def handler(request: web.Request) -> web.Response:
        with pytest.raises(ValueError, match=r"."):
            await request.send_early_hints(headers)
        return web.Response(text="refused")

    assert (await (await serve(app_of(handler))).get("/")).text == "refused"


async def test_behind_the_head_they_are_too_late(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        with pytest.raises(RuntimeError, match="head of the answer has been sent"):
            await request.send_early_hints({"Link": LINK})
        await response.write_eof(b" and ended")
        with pytest.raises(RuntimeError, match="head of the answer has been sent"):
            await request.send_early_hints({"Link": LINK})
        return response

    assert (await (await serve(app_of(handler))).get("/")).text == "begun and ended"


async def test_a_client_that_has_left_gets_none(serve: Any) -> None:
    """As with all that is sent before an answer: that tells it."""
    seen = []

    async def handler(request: web.Request) -> web.Response:
        request._exchange.leave(web.ClientConnectionResetError("left"))
        await request.send_early_hints({"Link": LINK})
        seen.append("sent to nobody")
        return web.Response()

    async with Client(app_of(handler)) as client:
        with pytest.raises(ConnectionError):
            await client.get("/")
    assert seen == ["sent to nobody"]


async def test_those_that_are_not_taken_are_waited_for() -> None:
    """A handler that goes on hinting fills no memory."""
    sizes = []

    async def handler(request: web.Request) -> web.Response:
        transport = request.transport
        assert transport is not None
        for _ in range(200):
            await request.send_early_hints({"X-Long": "x" * 60_000})
            sizes.append(transport.get_write_buffer_size())  # type: ignore[attr-defined]
        return web.Response()

    async with wire.serve(app_of(handler)) as served, served.connect(limit=2**20) as client:
        await client.send(request("/"))
        for _ in range(200):
            assert (await client.read_head())[0] == b"HTTP/1.1 103 Early Hints"
        assert (await client.read_answer())[0] == b"HTTP/1.1 200 OK"
    assert max(sizes) < 200_000
