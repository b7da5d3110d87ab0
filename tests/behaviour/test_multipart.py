"""Multipart bodies read part by part, the same on every host."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from bascule import BodyPartReader, MultipartReader, web

FORM = {"Content-Type": "multipart/form-data; boundary=B"}
MIXED = {"Content-Type": "multipart/mixed; boundary=B"}


def make_app(handler: Any, **kwargs: Any) -> web.Application:
    app = web.Application(**kwargs)
    app.router.add_post("/", handler)
    return app


def dump(parts: Iterable[tuple[str, bytes]]) -> bytes:
    body = b""
    for name, data in parts:
        head = f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return body + b"--B--\r\n"


async def read_sizes(request: web.Request) -> web.Response:
    """Tell names and sizes of the parts, read chunk by chunk."""
    told = []
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        size = 0
        while chunk := await part.read_chunk():
            size += len(chunk)
        told.append([part.name, part.filename, size])
    return web.json_response(told)


async def read_whole(request: web.Request) -> web.Response:
    """Tell the texts of the parts, nested ones in lists."""

    async def tell(reader: MultipartReader) -> list[Any]:
        return [
            await (tell(part) if isinstance(part, MultipartReader) else part.text())
            async for part in reader
        ]

    return web.json_response(await tell(await request.multipart()))


@pytest.mark.every_host
async def test_parts_are_streamed_whatever_the_limit(serve: Any) -> None:
    client = await serve(make_app(read_sizes, client_max_size=1000))
    body = dump([("a", b"x" * 300_000), ("b", b""), ("c", b"y" * 9)])
    pieces = [body[at : at + 9999] for at in range(0, len(body), 9999)]
    answer = await client.post("/", fields=FORM, body=pieces)
    expected = [["a", None, 300_000], ["b", None, 0], ["c", None, 9]]
    assert (answer.status, json.loads(answer.body)) == (200, expected)


async def test_nested_bodies_are_read(serve: Any) -> None:
    client = await serve(make_app(read_whole))
    inner = b"preamble\r\n--C\r\n\r\nb\r\n--C\r\n\r\nc\r\n--C--\r\nepilogue"
    body = (
        b"--B\r\n\r\na\r\n--B\r\nContent-Type: multipart/related; boundary=C\r\n\r\n"
        + inner
        + b"\r\n--B\r\n\r\nd\r\n--B--"
    )
    answer = await client.post("/", fields=MIXED, body=body)
    assert json.loads(answer.body) == ["a", ["b", "c"], "d"]


@pytest.mark.parametrize(("size", "status"), [(1000, 200), (1001, 413)])
async def test_what_is_read_at_once_is_limited(serve: Any, size: int, status: int) -> None:
    client = await serve(make_app(read_whole, client_max_size=1000))
    answer = await client.post("/", fields=FORM, body=dump([("a", b"x" * size)]))
    assert answer.status == status
    if status == 413:
        assert answer.text == "Maximum request body size 1000 exceeded."


async def test_without_a_limit_parts_are_read_whole(serve: Any) -> None:
    client = await serve(make_app(read_whole, client_max_size=0))
    answer = await client.post("/", fields=FORM, body=dump([("a", b"x" * 2_000_000)]))
    assert len(json.loads(answer.body)[0]) == 2_000_000


@pytest.mark.parametrize(
    ("content_type", "body", "status", "text"),
    [
        (
            "text/plain",
            b"x",
            400,
            "Malformed multipart body: multipart/* content type expected",
        ),
        (
            "multipart/mixed",
            b"x",
            400,
            "Malformed multipart body: boundary missed for Content-Type: multipart/mixed",
        ),
        (
            "multipart/mixed; boundary=B",
            b"--B\r\n\r\nx",
            400,
            "Malformed multipart body: Multipart body ended inside of a part",
        ),
        (
            "multipart/mixed; boundary=B",
            b"--B\r\nContent-Transfer-Encoding: base64\r\n\r\nabc\r\n--B--",
            400,
            "Malformed multipart body: Incorrect padding",
        ),
        (
            "multipart/mixed; boundary=B",
            b"--B\r\n" + b"A: b\r\n" * 129,
            413,
            "Multipart body too large: Too many fields in a part: more than 128",
        ),
    ],
    ids=["type", "boundary", "end", "coding", "fields"],
)
async def test_malformed_bodies_are_the_fault_of_the_client(
    serve: Any, content_type: str, body: bytes, status: int, text: str
) -> None:
    client = await serve(make_app(read_whole))
    answer = await client.post("/", fields={"Content-Type": content_type}, body=body)
    assert (answer.status, answer.text) == (status, text)


async def test_handlers_can_catch_a_malformed_body(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        try:
            return await read_whole(request)
        except ValueError as exc:
            return web.Response(text=f"caught: {exc}")

    client = await serve(make_app(handler))
    answer = await client.post("/", fields=MIXED, body=b"--C--")
    assert answer.text == "caught: Could not find starting boundary b'--B'"


async def test_a_body_may_be_left_at_its_first_part(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        reader = await request.multipart()
        part = await reader.next()
        assert isinstance(part, BodyPartReader)
        return web.Response(text=await part.text())

    client = await serve(make_app(handler))
    body = dump([("a", b"one"), ("b", b"x" * 20_000)])
    for _ in range(2):
        assert (await client.post("/", fields=FORM, body=body)).text == "one"


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ([("_charset_", b"latin-1"), ("a", b"\xe9")], "\xe9"),
        ([("b", b"x"), ("_charset_", b" latin-1 "), ("a", b"\xe9")], "\xe9"),
        ([("_charset_", b"latin-1"), ("_charset_", b"utf-8"), ("a", b"\xc3\xa9")], "\xe9"),
        ([("_charset_", b"no-such"), ("a", b"x")], None),
        ([("a", b"\xe9"), ("_charset_", b"latin-1")], None),
    ],
)
async def test_a_form_may_name_the_charset_of_its_fields(
    serve: Any, fields: list[tuple[str, bytes]], value: str | None
) -> None:
    """RFC 7578 section 4.6: of the fields behind it."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str((await request.post())["a"]))

    app = web.Application()
    app.router.add_post("/", handler)
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    body = b"".join(part % (name.encode(), data) for name, data in fields) + b"--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await (await serve(app)).post("/", fields=headers, body=body)
    assert (answer.status, answer.text if value else None) == (200 if value else 400, value)
