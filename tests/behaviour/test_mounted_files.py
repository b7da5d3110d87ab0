"""Files and compression of what is mounted in a native application, the same on every host."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from bascule import web
from support.asgi_apps import body, of_http, start
from support.clients import Answer

SIZE = 200_000
IDENTITY = {"Accept-Encoding": "identity"}
GZIP = {"Accept-Encoding": "gzip"}


@pytest.fixture
def files(tmp_path: Path) -> Starlette:
    (tmp_path / "a.txt").write_bytes(b"0123456789" * (SIZE // 10))
    (tmp_path / "b.bin").write_bytes(bytes(range(250)) * (SIZE // 250))
    return Starlette(routes=[Mount("/", StaticFiles(directory=tmp_path))])


def app_with(inner: Any, **kwargs: Any) -> web.Application:
    app = web.Application(**kwargs)
    app.mount("/files", inner)
    return app


def unpack(answer: Answer) -> bytes:
    """Give the plain body; httpx has unpacked it."""
    return gzip.decompress(answer.body) if answer.body[:2] == b"\x1f\x8b" else answer.body


async def test_files(serve: Any, files: Starlette) -> None:
    client = await serve(app_with(files))
    answer = await client.get("/files/a.txt", fields=IDENTITY)
    assert (answer.status, answer.body) == (200, b"0123456789" * (SIZE // 10))
    assert answer.fields["Content-Length"] == str(SIZE)
    etag = answer.fields["ETag"]
    answer = await client.get("/files/b.bin", fields={"Range": f"bytes=250-{SIZE - 251}"})
    assert (answer.status, answer.body) == (206, bytes(range(250)) * (SIZE // 250 - 2))
    answer = await client.request("HEAD", "/files/a.txt")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.fields["Content-Length"] == str(SIZE)
    answer = await client.get("/files/a.txt", fields={"If-None-Match": etag})
    assert (answer.status, answer.body) == (304, b"")
    assert (await client.get("/files/none.txt")).status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_files_are_compressed_by_what_stands_around(
    serve: Any, files: Starlette, method: str
) -> None:
    """Their bytes go through the response, not past it; httpx and our client unpack them."""
    client = await serve(app_with(files, middlewares=[web.compress_middleware()]))
    for _ in range(2):
        answer = await client.request(method, "/files/a.txt", fields=GZIP)
        assert (answer.status, answer.fields["Content-Encoding"]) == (200, "gzip")
        assert unpack(answer) == (b"0123456789" * (SIZE // 10) if method == "GET" else b"")
        assert int(answer.fields.get("Content-Length", "0")) < SIZE
        answer = await client.request(method, "/files/b.bin", fields=GZIP)
        assert "Content-Encoding" not in answer.fields
        assert answer.body == (bytes(range(250)) * (SIZE // 250) if method == "GET" else b"")


@pytest.mark.parametrize("length", [[], [(b"content-length", b"6000")]])
async def test_streams_are_compressed_by_what_stands_around(serve: Any, length: Any) -> None:
    @of_http
    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200, [(b"content-type", b"text/plain"), *length]))
        for _ in range(3):
            await send(body(b"x" * 2000, more=True))
        await send(body())

    client = await serve(app_with(stream, middlewares=[web.compress_middleware()]))
    for _ in range(2):
        answer = await client.get("/files/", fields=GZIP)
        assert (answer.fields["Content-Encoding"], unpack(answer)) == ("gzip", b"x" * 6000)
        answer = await client.get("/files/", fields=IDENTITY)
        assert ("Content-Encoding" in answer.fields, answer.body) == (False, b"x" * 6000)


async def test_the_length_that_an_application_told_holds(serve: Any) -> None:
    """What goes beyond it is cut off, once, compressed or not."""

    @of_http
    async def long(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"2000")]
        await send(start(200, headers))
        await send(body(b"x" * 1500, more=True))
        await send(body(b"y" * 1500))

    client = await serve(app_with(long, middlewares=[web.compress_middleware()]))
    for fields in (GZIP, IDENTITY):
        answer = await client.get("/files/", fields=fields)
        assert unpack(answer) == b"x" * 1500 + b"y" * 500


@pytest.mark.parametrize("kind", ["pathsend", "zerocopysend"])
async def test_files_that_are_sent_as_such(serve: Any, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"ab" * 50_000)

    @of_http
    async def send_file(scope: Any, receive: Any, send: Any) -> None:
        assert f"http.response.{kind}" in scope["extensions"]
        await send(start(200, [(b"content-type", b"text/plain")]))
        if kind == "pathsend":
            await send({"type": "http.response.pathsend", "path": str(path)})
            return
        with path.open("rb") as file:
            await send({"type": "http.response.zerocopysend", "file": file})

    for middlewares in ([], [web.compress_middleware()]):
        client = await serve(app_with(send_file, middlewares=middlewares))
        answer = await client.get("/files/", fields=GZIP)
        assert answer.fields.get("Content-Encoding") == ("gzip" if middlewares else None)
        assert unpack(answer) == b"ab" * 50_000
