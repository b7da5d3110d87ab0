"""Advisories on aiohttp: bodies that are compressed, forms, parts, payloads."""

import asyncio
import io
import logging
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path
from typing import Any

import pytest

from advisories.attacks import MIB, count_files, head, peak_memory
from bascule import MultipartWriter, payload, web
from support.requests import GET, app_of, read_back
from support.wire import PATIENCE, Wire, serve

FIELD = b'--B\r\nContent-Disposition: form-data; name="a"\r\n'
FILE = b'--B\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n'
MULTIPART = {"Content-Type": "multipart/form-data; boundary=B"}


async def post(request: web.Request) -> web.Response:
    return web.Response(text=repr(sorted((await request.post()).keys())))


async def walk(request: web.Request) -> web.Response:
    """Read all parts with a reader of multipart bodies."""
    size = 0
    async for part in await request.multipart():
        assert not isinstance(part, type(None))
        size += len(await part.read())  # type: ignore[union-attr]  # no part is nested here
    return web.Response(text=str(size))


def bomb(size: int = 64 * MIB) -> bytes:
    """Compress zeros: a thousandth is left of them."""
    stream = zlib.compressobj(9, wbits=31)
    zeros = bytes(MIB)
    return b"".join(stream.compress(zeros) for _ in range(size // MIB)) + stream.flush()


BOMB = bomb()


async def test_CVE_2025_69223_a_compressed_bomb(serve: Any) -> None:
    """A compressed body was inflated whole, and then held against client_max_size."""
    client = await serve(app_of(read_back))
    fields = {"Content-Encoding": "gzip", "Content-Type": "text/plain"}
    with peak_memory() as peaks:
        answer = await client.post("/", fields=fields, body=BOMB)
    assert answer.status == 413
    assert peaks[0] < 8 * MIB


UNENDED = [b"", b"--B", FIELD, FIELD + b"\r\n", FIELD + b"\r\nx", FILE + b"\r\nx\r\n--B", FILE]


@pytest.mark.parametrize("handler", [post, walk], ids=["post", "multipart"])
async def test_CVE_2024_30251_a_part_without_end(
    serve: Any, caplog: pytest.LogCaptureFixture, handler: Any
) -> None:
    """A multipart body that ended inside a part was read for ever."""
    client = await serve(app_of(handler))
    for body in UNENDED:
        async with asyncio.timeout(PATIENCE):
            answer = await client.post("/", fields=MULTIPART, body=body)
        assert answer.status == 400, body
    assert not [each for each in caplog.records if each.exc_info]


def test_CVE_2025_69227_endless_loop_without_asserts() -> None:
    """With -O asserts are gone: what they refused was read for ever."""
    program = """
        import asyncio
        from bascule import testing, web

        async def post(request):
            return web.json_response(len(await request.post()))

        async def main():
            app = web.Application()
            app.router.add_post("/", post)
            media = {"Content-Type": "multipart/form-data; boundary=B"}
            field = b'--B\\r\\nContent-Disposition: form-data; name="a"\\r\\n'
            bad = [b"", b"x", field, field + b"\\r\\nx", b"--B\\r\\n",
                   b"--B\\r\\n\\r\\nx\\r\\n--B--",
                   field + b"Content-Transfer-Encoding: base64\\r\\n\\r\\nabc\\r\\n--B--"]
            async with testing.Client(app) as client, asyncio.timeout(60):
                for body in bad:
                    answer = await client.post("/", data=body, headers=media)
                    print(answer.status, end=" ")

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-O", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["400"] * 7, "")


@pytest.mark.parametrize("piece", [FIELD, FILE], ids=["fields", "files"])
@pytest.mark.parametrize("size", [3000, 100_000])
async def test_CVE_2025_69228_the_limit_is_of_the_form(serve: Any, piece: bytes, size: int) -> None:
    """client_max_size held for each field, so that a form could be a thousand times as large."""
    part = piece + b"\r\n" + b"x" * size + b"\r\n"
    client = await serve(app_of(post))
    answer = await client.post("/", fields=MULTIPART, body=part * (MIB // size + 2) + b"--B--\r\n")
    assert answer.status == 413


@pytest.mark.parametrize("cookie", ['"', "a=b;\x7f", "=", "a b=c; ;;", "[]=x", "a=\xff"])
async def test_CVE_2025_69230_a_warning_for_each_cookie(
    cookie: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each bad cookie of a request was a line in the log."""
    caplog.set_level(logging.DEBUG)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str(len(request.cookies)))

    line = "Cookie: " + "; ".join([cookie.replace("\x7f", "")] * 1000)
    async with serve_raw(handler) as served:
        answer = await served.exchange(head(line[:8000].encode("latin-1"), method="GET"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len([each for each in caplog.records if each.name.startswith("bascule")]) <= 1


def serve_raw(handler: Any, **options: Any) -> Any:
    return serve(app_of(handler), **options)


@pytest.mark.parametrize("value", ["text/plain\r\nX: y", "text/plain\nX: y", "a/b\0", "a/b\r"])
def test_CVE_2026_34514_line_ends_in_the_type_of_a_payload(value: str) -> None:
    """The content type of a payload went into the head of its part as it was."""
    makers: list[Any] = [
        lambda: MultipartWriter().append("x", {"Content-Type": value}),
        lambda: MultipartWriter().append(payload.BytesPayload(b"x", content_type=value)),
        lambda: MultipartWriter().append_payload(payload.StringPayload("x", content_type=value)),
        lambda: MultipartWriter().append(payload.IOBasePayload(io.BytesIO(), content_type=value)),
    ]
    for make in makers:
        with pytest.raises(ValueError):
            make()._binary_headers  # noqa: B018  # of the head of the part: it is written here


@pytest.mark.parametrize("body", [FIELD, FILE], ids=["field", "file"])
@pytest.mark.parametrize(
    "fields", [b"X: y\r\n" * 130, b"X: " + b"y" * 9000 + b"\r\n"], ids=["many", "long"]
)
@pytest.mark.parametrize("handler", [post, walk], ids=["post", "multipart"])
async def test_CVE_2026_34516_many_fields_of_a_part(
    serve: Any, handler: Any, body: bytes, fields: bytes
) -> None:
    """The head of a part had no limit."""
    client = await serve(app_of(handler))
    data = body + fields + b"\r\nx\r\n--B--\r\n"
    assert (await client.post("/", fields=MULTIPART, body=data)).status == 413


@pytest.mark.parametrize("part", [FIELD, FILE, FIELD + b"Content-Transfer-Encoding: base64\r\n"])
async def test_CVE_2026_34517_a_field_is_measured_while_it_comes(part: bytes) -> None:
    """A field was read to its end, and then held against the limit."""
    async with serve(app_of(post)) as served, served.connect() as wire:
        with peak_memory() as peaks:
            await wire.send(head("Content-Type: multipart/form-data; boundary=B", *CHUNKED))
            await wire.send(_chunk(part + b"\r\n"))
            sending = asyncio.create_task(_send_on(wire, _chunk(b"abcd" * 16384)))
            assert (await wire.read_head())[0].startswith(b"HTTP/1.1 413 ")
            await wire.close()
            await sending
    assert peaks[0] < 6 * MIB


CHUNKED = ["Transfer-Encoding: chunked"]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _send_on(wire: Wire, data: bytes) -> None:
    """Send the same again and again, until the connection ends."""
    try:
        while True:
            await wire.send(data)
            await asyncio.sleep(0)
    except ConnectionError:
        pass


@pytest.mark.parametrize("bad", ["a\r\nInjected: yes", "a\nb", "a\rb", "a\0b", "\r\n\r\nbody"])
@pytest.mark.parametrize("where", ["name", "value", "disposition", "filename", "form"])
def test_CVE_2026_50269_line_ends_in_the_head_of_a_part(bad: str, where: str) -> None:
    """Fields of parts and payloads were written as they were given."""

    def write() -> Any:
        writer = MultipartWriter("form-data")
        part: Any
        if where == "name":
            part = writer.append("x", {bad: "y"})
        elif where == "value":
            part = writer.append("x", {"X": bad})
        elif where == "form":
            form: Any = writer.append_form({bad: bad})
            return form._binary_headers
        else:
            part = writer.append("x")
            name = {"filename": bad} if where == "filename" else {"name": bad}
            part.set_content_disposition("form-data", **name)
        return part._binary_headers

    try:
        lines = write().split(b"\r\n")
    except ValueError:
        return
    assert not [line for line in lines if line.startswith((b"Injected", b"b", b"body"))]
    assert b"\n" not in b"".join(lines)
    assert b"\r" not in b"".join(lines)
    assert b"\0" not in b"".join(lines)


async def test_CVE_2026_54278_a_bomb_that_nobody_reads() -> None:
    """A compressed body that was not read was inflated at the end of the request."""

    async def handler(request: web.Request) -> web.Response:
        assert request.content is not None
        return web.Response(text="not read")

    data = head("Content-Encoding: gzip", f"Content-Length: {len(BOMB)}") + BOMB
    async with serve(app_of(handler)) as served, served.connect() as wire:
        with peak_memory() as peaks:
            for _ in range(3):
                await wire.send(data)
                assert (await wire.read_answer())[2] == b"not read"
    assert peaks[0] < 3 * MIB


@pytest.mark.parametrize("how", ["response", "payload", "part", "stream"])
async def test_CVE_2026_54280_files_of_clients_that_left(tmp_path: Path, how: str) -> None:
    """A file that was being sent stayed open when its client had left."""
    path = tmp_path / "file"
    path.write_bytes(bytes(8 * MIB))
    ended = asyncio.Semaphore(0)

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            response = make()
            await response.prepare(request)
            await response.write_eof()
            return response
        finally:
            ended.release()

    def make() -> web.StreamResponse:
        if how == "response":
            return web.FileResponse(path)
        file: Any = path.open("rb")
        if how == "part":
            writer = MultipartWriter()
            writer.append(file)
            return web.Response(body=writer)
        if how == "payload":
            return web.Response(body=payload.BufferedReaderPayload(file))
        return web.Response(body=file)

    async with serve(app_of(handler), access_log=None) as served:
        before = count_files()
        for _ in range(10):
            async with served.connect(limit=1024) as wire:
                await wire.send(GET)
                await wire.reader.readexactly(1000)
                wire.writer.transport.abort()
        async with asyncio.timeout(PATIENCE):
            for _ in range(10):
                await ended.acquire()
            while served.runner.server.connections or count_files() > before:  # type: ignore[union-attr]
                await asyncio.sleep(0)
