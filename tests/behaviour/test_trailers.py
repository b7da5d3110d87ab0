"""Fields that are sent behind a body, on every host."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from multidict import CIMultiDict

from bascule import web
from bascule.testing import Client
from support import wire
from support.features import Feature
from support.requests import app_of, request

DIGEST = hashlib.sha256(b"one, two").hexdigest()
HEAD = b"HTTP/1.1 200 OK\r\n"


async def whole(request: web.Request) -> web.Response:
    response = web.Response(text="body")
    response.trailers["X-Sum"] = "1"
    response.trailers.add("Server-Timing", "db;dur=53")
    response.trailers.add("x-sum", "2")
    return response


async def streamed(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.trailers["X-Digest"] = ""
    await response.prepare(request)
    digest = hashlib.sha256()
    for piece in (b"one", b", two"):
        digest.update(piece)
        await response.write(piece)
    response.trailers["X-Digest"] = digest.hexdigest()
    return response


async def produced(request: web.Request) -> web.Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b", two"
        response.trailers["X-Digest"] = DIGEST

    response = web.Response(body=pieces(), headers={"Trailer": "X-Digest"})
    return response


HANDLERS = {
    "whole": (whole, b"body", "X-Sum, Server-Timing", ["1", "db;dur=53", "2"]),
    "streamed": (streamed, b"one, two", "X-Digest", [DIGEST]),
    "produced": (produced, b"one, two", "X-Digest", [DIGEST]),
}


@pytest.mark.parametrize(("handler", "body"), [each[:2] for each in HANDLERS.values()])
@pytest.mark.every_host
async def test_the_body_is_the_same_everywhere(serve: Any, handler: Any, body: bytes) -> None:
    client = await serve(app_of(handler))
    answer = await client.get("/")
    assert (answer.status, answer.body) == (200, body)
    assert "Content-Length" not in answer.fields or client.lacks(Feature.LENGTHS)
    assert "X-Digest" not in answer.fields
    # What is announced comes: not under hosts that have no way to send it.
    assert ("Trailer" in answer.fields) != client.lacks(Feature.TRAILERS)


@pytest.mark.parametrize(("handler", "body", "announced", "values"), HANDLERS.values())
async def test_a_client_in_memory_sees_them(
    handler: Any, body: bytes, announced: str, values: list[str]
) -> None:
    async with Client(app_of(handler)) as client:
        answer = await client.get("/")
        assert (await answer.read(), answer.headers["Trailer"]) == (body, announced)
        assert list(answer.trailers.values()) == values


SENT = {
    "whole": b"4\r\nbody\r\n0\r\nX-Sum: 1\r\nServer-Timing: db;dur=53\r\nx-sum: 2\r\n\r\n",
    "streamed": b"3\r\none\r\n5\r\n, two\r\n0\r\nX-Digest: %b\r\n\r\n" % DIGEST.encode(),
    "produced": b"3\r\none\r\n5\r\n, two\r\n0\r\nX-Digest: %b\r\n\r\n" % DIGEST.encode(),
}


@pytest.mark.parametrize("te", [[], ["TE: trailers", "Connection: TE"]], ids=["", "TE"])
@pytest.mark.parametrize("name", HANDLERS)
async def test_they_are_sent_behind_the_last_chunk(name: str, te: list[str]) -> None:
    """Whether or not they were asked for (RFC 9110 section 6.5.1); another answer follows."""
    async with wire.serve(app_of(HANDLERS[name][0])) as served, served.connect() as client:
        for _ in range(2):
            await client.send(request("/", *te))
            _, fields = await client.read_head()
            assert fields[b"transfer-encoding"] == b"chunked"
            assert fields[b"trailer"] == HANDLERS[name][2].encode()
            sent = SENT[name]
            assert await client.reader.readexactly(len(sent)) == sent


async def test_they_need_not_be_announced() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        response.trailers["X-Late"] = "1"
        await response.write_eof(b"x")
        return response

    async with wire.serve(app_of(handler)) as served:
        raw = await served.exchange(request("/", "Connection: close"))
        assert raw.endswith(b"\r\n\r\n1\r\nx\r\n0\r\nX-Late: 1\r\n\r\n")
        assert b"Trailer:" not in raw


def setting(make: Any) -> Any:
    async def handler(request: web.Request) -> web.StreamResponse:
        response: web.StreamResponse = make()
        response.trailers["X-Sum"] = "1"
        return response

    return handler


NOWHERE = {
    "HTTP/1.0": (setting(lambda: web.Response(text="x")), request("/", version="1.0")),
    "a stream to HTTP/1.0": (setting(web.StreamResponse), request("/", version="1.0")),
    "HEAD": (setting(lambda: web.Response(text="x")), request("/", method="HEAD")),
    "204": (setting(lambda: web.Response(status=204)), request("/")),
    "304": (setting(lambda: web.Response(status=304)), request("/")),
    "a length": (
        setting(lambda: web.Response(body=b"x", headers={"Content-Length": "1"})),
        request("/"),
    ),
}


@pytest.mark.parametrize("name", NOWHERE)
async def test_without_chunks_there_is_no_place_for_them(name: str) -> None:
    handler, sent = NOWHERE[name]
    async with wire.serve(app_of(handler)) as served:
        raw = await served.exchange(sent)
    assert b"X-Sum: 1" not in raw
    # A head tells what an answer to GET has (RFC 9110 section 9.3.2).
    assert (b"\r\nTrailer: X-Sum\r\n" in raw) == (name == "HEAD")
    assert b"Transfer-Encoding" not in raw
    async with Client(app_of(handler)) as client:
        if "1.0" not in name:  # which it does not speak
            answer = await client.request("HEAD" if name == "HEAD" else "GET", "/")
            assert not answer.trailers


FORBIDDEN = [
    "Content-Length",
    "transfer-encoding",
    "Trailer",
    "Host",
    "Connection",
    "Authorization",
    "Set-Cookie",
    "WWW-Authenticate",
    "Cache-Control",
    "If-Match",
    "Content-Type",
    "Content-Encoding",
    "Content-Range",
    "Content-Security-Policy",
    "Access-Control-Allow-Origin",
    "Location",
    "Vary",
    "Date",
]
ALLOWED = ["ETag", "Server-Timing", "Content-Digest", "Accept-Ranges", "Authentication-Info", "X-A"]
INJECTED = [("X-A", "a\r\nX-B: b"), ("X-A", "a\n"), ("X A", "a"), ("X-A\r\nX-B", "b")]


@pytest.mark.parametrize(
    ("name", "value"), [*((name, "a") for name in FORBIDDEN), *INJECTED], ids=repr
)
async def test_what_must_be_known_before_is_refused(serve: Any, name: str, value: str) -> None:
    """RFC 9110 section 6.5.1. What is set in time is told before anything is sent."""

    async def early(request: web.Request) -> web.Response:
        response = web.Response(text="x")
        response.trailers[name] = value
        with pytest.raises(ValueError, match=r"."):
            await response.prepare(request)
        return web.Response(text="refused")

    answer = await (await serve(app_of(early))).get("/")
    assert (answer.status, answer.text) == (200, "refused")


@pytest.mark.parametrize("name", FORBIDDEN)
async def test_what_is_set_too_late_and_refused_cuts_the_answer(name: str, caplog: Any) -> None:
    async def late(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        response.trailers[name] = "a"
        return response

    async with wire.serve(app_of(late)) as served:
        raw = await served.exchange(request("/"))
    assert raw.endswith(b"\r\n\r\n1\r\nx\r\n")
    assert f"Not a field for trailers, which come behind the body: '{name}'" in caplog.text


@pytest.mark.parametrize("name", ALLOWED)
async def test_what_may_come_behind_is_sent(name: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text="x")
        response.trailers[name] = "a"
        return response

    async with Client(app_of(handler)) as client:
        assert list((await client.get("/")).trailers.items()) == [(name, "a")]


async def test_they_are_a_multidict_of_one_response() -> None:
    response, other = web.Response(), web.StreamResponse()
    assert isinstance(response.trailers, CIMultiDict)
    response.trailers["X-A"] = "1"
    assert response.trailers["x-a"] == "1"
    assert response.trailers is response.trailers
    assert not other.trailers


async def test_an_answer_that_failed_has_none(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.trailers["X-Sum"] = ""
        await response.prepare(request)
        raise ValueError("no body at all")

    answer = await (await serve(app_of(handler))).get("/")
    assert (answer.status, answer.fields.get("Trailer")) == (500, None)


async def test_a_compressed_body_has_them_too(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text="x" * 5000)
        response.trailers["X-Sum"] = "1"
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with Client(app_of(handler)) as client:
        answer = await client.get("/")
        assert answer.trailers["X-Sum"] == "1"
        assert "Content-Length" not in answer.headers
    served = await serve(app_of(handler))
    answer = await served.get("/")
    assert "Content-Length" not in answer.fields or served.lacks(Feature.LENGTHS)
