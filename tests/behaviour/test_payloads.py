"""Bodies of every kind, the same on every host."""

import asyncio
import base64
import gzip
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO, Any

import pytest
from aiohttp import MultipartWriter as TheirMultipartWriter
from aiohttp import payload as theirs

from bascule import BodyPartReader, MultipartWriter, payload, web
from bascule.testing import MemoryExchange
from support.features import Feature
from support.files import memory_handling
from support.wire import PATIENCE

LARGE = b"0123456789abcdef" * 40_000
NONE = {"Accept-Encoding": ""}
Make = Callable[[], Any]


async def generate() -> AsyncIterator[bytes]:
    yield b"one, "
    yield b""
    yield b"two"


def parts(writer: Any, boundary: str = "B") -> Any:
    body = writer("mixed", boundary)
    body.append("text")
    body.append(b"bytes", {"Content-Transfer-Encoding": "base64"})
    return body


PARTS = (
    b"--B\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n\r\ntext\r\n"
    b"--B\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"Ynl0ZXM=\r\n--B--\r\n"
)


class Celsius:
    """A value that a payload is registered for."""


@payload.payload_type(Celsius)
class CelsiusPayload(payload.Payload):
    """Has neither a size nor anything to close."""

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return "21 °C"

    async def write(self, writer: Any) -> None:
        await writer.write("21 °C".encode())
        await writer.drain()


def application(make: Make, **kwargs: Any) -> web.Application:
    app = web.Application()

    async def answer(request: web.Request) -> web.Response:
        response = web.Response(body=make(), **kwargs)
        if "coding" in request.query:
            response.enable_compression(web.ContentCoding[request.query["coding"]])
        return response

    app.router.add_get("/", answer)
    return app


# What the body is made of, its bytes, its Content-Type, and whether its length is known.
BODIES = [
    pytest.param(lambda: "né", "né".encode(), "text/plain; charset=utf-8", True, id="str"),
    pytest.param(
        lambda: memoryview(b"abcdefgh").cast("I"),
        b"abcdefgh",
        "application/octet-stream",
        True,
        id="memoryview",
    ),
    pytest.param(lambda: io.BytesIO(LARGE), LARGE, "application/octet-stream", True, id="bytes io"),
    pytest.param(
        lambda: io.StringIO("né"), "né".encode(), "text/plain; charset=utf-8", True, id="text io"
    ),
    pytest.param(generate, b"one, two", "application/octet-stream", False, id="generator"),
    pytest.param(
        lambda: payload.JsonPayload({"a": 1}), b'{"a": 1}', "application/json", True, id="json"
    ),
    pytest.param(
        lambda: parts(MultipartWriter), PARTS, "multipart/mixed; boundary=B", False, id="parts"
    ),
    pytest.param(Celsius, "21 °C".encode(), "application/octet-stream", False, id="registered"),
    pytest.param(
        lambda: theirs.JsonPayload({"a": 1}),
        b'{"a": 1}',
        "application/json",
        True,
        id="a payload of aiohttp",
    ),
    pytest.param(
        lambda: parts(TheirMultipartWriter),
        PARTS,
        "multipart/mixed; boundary=B",
        False,
        id="parts of aiohttp",
    ),
    pytest.param(
        lambda: theirs.get_payload(io.BytesIO(LARGE)),
        LARGE,
        "application/octet-stream",
        True,
        id="bytes io of aiohttp",
    ),
]


@pytest.mark.parametrize(("make", "body", "content_type", "is_sized"), BODIES)
async def test_a_body_is_made_of_many_things(
    serve: Any, make: Make, body: bytes, content_type: str, is_sized: bool
) -> None:
    client = await serve(application(make))
    answer = await client.get("/")
    assert (answer.status, answer.body) == (200, body)
    assert answer.fields["Content-Type"] == content_type
    assert answer.fields.get("Content-Length") == (str(len(body)) if is_sized else None)


@pytest.mark.parametrize(("make", "body", "content_type", "is_sized"), BODIES)
async def test_a_body_is_compressed_as_a_stream(
    serve: Any, make: Make, body: bytes, content_type: str, is_sized: bool
) -> None:
    """Its compressed length is not known when the head leaves."""
    client = await serve(application(make))
    answer = await client.get("/?coding=gzip")
    assert answer.fields["Content-Encoding"] == "gzip"
    assert "Content-Length" not in answer.fields
    # httpx decodes what it gets.
    got = gzip.decompress(answer.body) if client.host == "memory" else answer.body
    assert got == body


async def until_closed(file: IO[Any]) -> None:
    """Answers end before their files are closed, which happens in a thread."""
    async with asyncio.timeout(PATIENCE):
        while not file.closed:
            await asyncio.sleep(0)


@pytest.mark.parametrize("mode", ["rb", "r+b", "text"])
@pytest.mark.parametrize("content", [b"", b"short\n", LARGE], ids=["empty", "short", "large"])
async def test_a_file_is_sent_and_closed(
    serve: Any, tmp_path: Path, mode: str, content: bytes
) -> None:
    path = tmp_path / "a ü.txt"
    path.write_bytes(content)
    files = []

    def make() -> Any:
        files.append(path.open() if mode == "text" else path.open(mode))
        return files[-1]

    client = await serve(application(make))
    answer = await client.get("/")
    assert answer.body == content
    assert answer.fields["Content-Type"].partition(";")[0] == "text/plain"
    expected = 'attachment; filename="a%20%C3%BC.txt"'
    assert answer.fields["Content-Disposition"] == expected
    length = None if mode == "text" else str(len(content))
    assert answer.fields.get("Content-Length") == length
    await until_closed(files[0])


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)], ids=str)
async def test_where_no_body_is_sent_it_is_closed_unread(
    serve: Any, tmp_path: Path, method: str, status: int
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"12345")
    files = []
    steps = []

    async def steps_taken() -> AsyncIterator[bytes]:
        steps.append("begun")
        yield b""

    def make() -> Any:
        files.append(path.open("rb"))
        writer = MultipartWriter()
        writer.append(files[-1])
        writer.append(steps_taken())
        return writer

    client = await serve(application(make, status=status))
    answer = await client.request(method, "/")
    assert (answer.status, answer.body, steps) == (status, b"", [])
    await until_closed(files[0])


async def test_head_answers_have_the_length_of_a_payload(serve: Any) -> None:
    client = await serve(application(lambda: io.BytesIO(b"12345")))
    answer = await client.request("HEAD", "/")
    assert (answer.fields["Content-Length"], answer.body) == ("5", b"")


async def test_fields_of_a_payload_fill_in_what_is_missing(serve: Any) -> None:
    fields = {"Content-Type": "x/mine", "X-Mine": "1"}

    def make() -> Any:
        given = {"Content-Type": "x/theirs", "X-Theirs": "2", "x-mine": "3"}
        return payload.BytesPayload(b"", headers=given)

    client = await serve(application(make, headers=fields))
    answer = await client.get("/")
    seen = [answer.fields.getall(name) for name in ("Content-Type", "X-Mine", "X-Theirs")]
    assert seen == [["x/mine"], ["1"], ["2"]]


class Watched(payload.BufferedReaderPayload):
    """A file that can be waited for, since answers end before their files are closed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"))
        self.closed = asyncio.Event()

    async def close(self) -> None:
        await super().close()
        assert self._value.closed
        self.closed.set()

    async def wait_closed(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.closed.wait()


@pytest.mark.parametrize("has_begun", [False, True])
@pytest.mark.every_host
async def test_a_payload_that_fails_is_closed(serve: Any, tmp_path: Path, has_begun: bool) -> None:
    """With an error page when nothing has left, else with a cut."""
    path = tmp_path / "a.bin"
    path.write_bytes(LARGE)
    payloads = []

    class Failing(Watched):
        async def write(self, writer: Any) -> None:
            if has_begun:
                await writer.write(LARGE[1:])
            raise ValueError("no more")

    def make() -> Any:
        payloads.append(Failing(path))
        return payloads[-1]

    client = await serve(application(make))
    if not has_begun:
        assert (await client.get("/")).status == 500
    else:
        client.require(Feature.CUTS)
        with pytest.raises(ConnectionResetError):
            await client.get("/")
    await payloads[0].wait_closed()


@pytest.mark.every_host
async def test_a_request_can_be_sent_back(serve: Any) -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=request.content, content_type="x/echo")

    app = web.Application(client_max_size=10)
    app.router.add_post("/", echo)
    client = await serve(app)
    answer = await client.post("/", body=[LARGE, b"end"])
    assert (answer.body, answer.fields["Content-Type"]) == (LARGE + b"end", "x/echo")


PART_HEADS = [
    ("", b"aGVsbG8=", b"aGVsbG8=", None),
    ("Content-Transfer-Encoding: base64", base64.b64encode(LARGE), LARGE, None),
    ("Content-Transfer-Encoding: quoted-printable", b"=C3=A9" * 20_000, b"\xc3\xa9" * 20_000, None),
    ("Content-Encoding: gzip", gzip.compress(LARGE), LARGE, None),
    (
        'Content-Disposition: form-data; name="n"; filename="a b.txt"',
        b"x",
        b"x",
        'attachment; name="n"; filename="a%20b.txt"',
    ),
]


@pytest.mark.parametrize(("head", "data", "body", "disposition"), PART_HEADS)
async def test_a_part_can_be_sent_back(
    serve: Any, head: str, data: bytes, body: bytes, disposition: str | None
) -> None:
    async def echo(request: web.Request) -> web.Response:
        part = await (await request.multipart()).next()
        assert isinstance(part, BodyPartReader)
        return web.Response(body=part)

    app = web.Application()
    app.router.add_post("/", echo)
    client = await serve(app)
    sent = b"--B\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n--B--\r\n"
    if not head:
        sent = sent.replace(b"\r\n\r\n\r\n", b"\r\n\r\n")
    fields = {"Content-Type": "multipart/mixed; boundary=B"}
    answer = await client.post("/", fields=fields, body=sent)
    assert (answer.status, answer.body) == (200, body)
    assert answer.fields.get("Content-Disposition") == disposition


async def test_the_text_of_a_payload_can_be_read_by_middlewares(serve: Any) -> None:
    @web.middleware
    async def shout(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        response.text = response.text.upper()
        return response

    app = application(lambda: io.BytesIO(b"hello"))
    app.middlewares.append(shout)
    client = await serve(app)
    answer = await client.get("/")
    assert (answer.body, answer.fields["Content-Length"]) == (b"HELLO", "5")


async def test_a_body_that_was_replaced_is_closed_behind_the_other(
    serve: Any, tmp_path: Path
) -> None:
    """The other may be reading from it."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"wrapped")
    payloads = []

    async def wrap(inner: Any) -> AsyncIterator[bytes]:
        yield b"<"
        yield await inner.as_bytes()
        yield b">"

    @web.middleware
    async def wrapping(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        response.body = wrap(response.body)
        return response

    def make() -> Any:
        payloads.append(Watched(path))
        return payloads[-1]

    app = application(make)
    app.middlewares.append(wrapping)
    client = await serve(app)
    assert (await client.get("/")).body == b"<wrapped>"
    await payloads[0].wait_closed()


async def test_a_part_cannot_smuggle_fields(serve: Any) -> None:
    """CVE-2026-50269."""

    def make() -> Any:
        writer = MultipartWriter()
        writer.append("x", {"X-A": "a\r\nX-B: b"})
        return writer

    client = await serve(application(make))
    answer = await client.get("/")
    assert answer.status == 500
    assert b"X-B" not in answer.body


async def test_a_body_that_comes_too_late_is_closed(serve: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"not sent")
    payloads = []

    async def answer(request: web.Request) -> web.Response:
        first = web.StreamResponse()
        await first.prepare(request)
        await first.write(b"x" * 2**17)
        payloads.append(Watched(path))
        return web.Response(body=payloads[-1])

    app = web.Application()
    app.router.add_get("/", answer)
    client = await serve(app)
    client.require(Feature.CUTS)
    with pytest.raises(ConnectionResetError):
        await client.get("/")
    await payloads[0].wait_closed()


async def test_a_body_is_closed_when_the_client_has_left(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"not sent")
    payloads = []

    async def answer(request: web.Request) -> web.Response:
        request._exchange.leave(web.ClientConnectionResetError("left"))
        payloads.append(Watched(path))
        return web.Response(body=payloads[-1])

    app = web.Application()
    app.router.add_get("/", answer)
    exchange = MemoryExchange()
    await exchange.answered_by(memory_handling(app))
    assert payloads[0].closed.is_set()
