"""What bodies that come compressed may become, on every host."""

import gzip
import tracemalloc
import zlib
from functools import cache
from typing import Any

import brotli  # type: ignore[import-untyped,unused-ignore]
import pytest

from bascule import BodyPartReader, web
from bascule.wire.coding import zstd
from support.bodies import MIB

assert zstd is not None, "the tests need backports.zstd"

COMPRESS: dict[str, Any] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}
REFUSED = (413, "Request body inflates to more than 100 times its size.")


@cache
def bomb_of(coding: str) -> bytes:
    """Give sixteen megabytes as some ten thousand bytes at most, but for those of zlib."""
    made: bytes = COMPRESS[coding](bytes(16 * MIB))
    return made


async def read_pieces(request: web.Request) -> int:
    return sum([len(piece) async for piece in request.content.iter_any()])


async def read_chunked(request: web.Request) -> int:
    return sum([len(piece) async for piece in request.content.iter_chunked(1000)])


async def read_lines(request: web.Request) -> int:
    return sum([len(line) async for line in request.content])


async def read_content(request: web.Request) -> int:
    return len(await request.content.read())


async def release(request: web.Request) -> int:
    await request.release()
    return -1


async def read(request: web.Request) -> int:
    return len(await request.read())


async def read_text(request: web.Request) -> int:
    return len(await request.text())


async def read_form(request: web.Request) -> int:
    return sum(len(value) for value in (await request.post()).values())  # type: ignore[arg-type]


async def read_parts(request: web.Request) -> int:
    size = 0
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        while piece := await part.read_chunk():
            size += len(piece)
    return size


def make_app(work: Any, **options: Any) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(await work(request))

    app = web.Application(**options)
    app.router.add_post("/", handler)
    return app


async def ask(serve: Any, app: web.Application, coding: str, body: bytes, **fields: str) -> Any:
    client = await serve(app)
    fields = {name.replace("_", "-"): value for name, value in fields.items()}
    answer = await client.post("/", fields={"Content-Encoding": coding, **fields}, body=body)
    return answer.status, answer.text


@pytest.mark.parametrize("work", [read_pieces, read_chunked, read_content, release])
@pytest.mark.parametrize("coding", COMPRESS)
async def test_a_stream_is_no_bomb(serve: Any, work: Any, coding: str) -> None:
    """Refused early: of sixteen megabytes no more are made than a hundredfold of what has come."""
    body = bomb_of(coding)
    made = 0

    async def count(request: web.Request) -> int:
        nonlocal made
        try:
            return int(await work(request))
        finally:
            made = request.content.total_bytes

    app = make_app(count)
    tracemalloc.start()
    try:
        assert await ask(serve, app, coding, body) == REFUSED
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()
    assert made <= max(MIB, 100 * len(body))


@pytest.mark.parametrize("coding", COMPRESS)
async def test_the_parts_of_a_body_are_no_bomb(serve: Any, coding: str) -> None:
    head = b"--B\r\n\r\n"
    body = COMPRESS[coding](head + bytes(4 * MIB) + b"\r\n--B--\r\n")
    media = {"Content_Type": "multipart/mixed; boundary=B"}
    assert await ask(serve, make_app(read_parts), coding, body, **media) == REFUSED


@pytest.mark.parametrize("coding", COMPRESS)
async def test_the_first_mebibyte_may_have_come_as_anything(serve: Any, coding: str) -> None:
    body = COMPRESS[coding](bytes(MIB))
    assert await ask(serve, make_app(read_pieces), coding, body) == (200, str(MIB))


async def test_what_does_not_grow_that_much_may_be_long(serve: Any) -> None:
    """A hundred times its size is more than text in gzip has."""
    line = b'{"name": "some name", "number": 12345, "text": "some more words"}\n'
    plain = b"".join(b"%d %b" % (number, line) for number in range(30_000))
    body = gzip.compress(plain)
    assert 10 < len(plain) / len(body) < 100
    assert await ask(serve, make_app(read_lines), "gzip", body) == (200, str(len(plain)))


FORM = {"Content_Type": "application/x-www-form-urlencoded"}
PARTS = {"Content_Type": "multipart/form-data; boundary=B"}
FIELD = b'--B\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: x/y\r\n\r\n'


@pytest.mark.parametrize(
    ("work", "start", "end", "fields"),
    [
        (read, b"", b"", {}),
        (read_text, b"", b"", {}),
        (read_form, b"a=", b"", FORM),
        (read_form, FIELD, b"\r\n--B--\r\n", PARTS),
    ],
    ids=["read", "text", "urlencoded", "form-data"],
)
async def test_what_is_bounded_in_bytes_may_grow_as_it_likes(
    serve: Any, work: Any, start: bytes, end: bytes, fields: dict[str, str]
) -> None:
    """Who has allowed so many bytes to be read at once has allowed these; without such a limit the
    bound is there."""
    body = gzip.compress(start + b"x" * (3 * MIB) + end)
    app = make_app(work, client_max_size=4 * MIB)
    told = 3 * MIB + (len(start + end) if work is read else 0)
    assert await ask(serve, app, "gzip", body, **fields) == (200, str(told))
    app = make_app(work, client_max_size=0)
    assert await ask(serve, app, "gzip", body, **fields) == REFUSED


async def test_what_limits_streams_suffices(serve: Any) -> None:
    body = gzip.compress(bytes(3 * MIB))
    app = make_app(read_pieces, limit_streams=True, client_max_size=4 * MIB)
    assert await ask(serve, app, "gzip", body) == (200, str(3 * MIB))
    app = make_app(read_pieces, limit_streams=True, client_max_size=0)
    assert await ask(serve, app, "gzip", body) == REFUSED


async def test_a_stream_is_guarded_behind_a_read_that_failed(serve: Any) -> None:
    """The limit of one reading is none of another."""

    async def read_twice(request: web.Request) -> int:
        with pytest.raises(web.HTTPRequestEntityTooLarge, match="Too Large"):
            await request.read()
        return await read_pieces(request)

    assert await ask(serve, make_app(read_twice), "gzip", bomb_of("gzip")) == REFUSED


async def test_nothing_is_given_behind_the_bound(serve: Any) -> None:
    """Who goes on reading gets the error again, not the rest without its middle."""

    async def read_on(request: web.Request) -> int:
        with pytest.raises(web.HTTPRequestEntityTooLarge):
            await read_pieces(request)
        made = request.content.total_bytes
        request.max_inflation = 0
        with pytest.raises(web.HTTPRequestEntityTooLarge):
            await request.content.read(1)
        assert request.content.total_bytes == made
        return made

    status, _ = await ask(serve, make_app(read_on), "gzip", bomb_of("gzip"))
    assert status == 200


async def test_an_application_or_a_handler_sets_the_bound(serve: Any) -> None:
    async def read_all(request: web.Request) -> int:
        assert request.max_inflation == 3
        request.max_inflation = 0
        return await read_pieces(request)

    async def read_late(request: web.Request) -> int:
        await request.content.read(1)
        request.max_inflation = 2000
        return 1 + await read_pieces(request)

    body = gzip.compress(bytes(3 * MIB))
    assert await ask(serve, make_app(read_pieces, max_inflation=0), "gzip", body) == (
        200,
        str(3 * MIB),
    )
    app = make_app(read_pieces, max_inflation=3)
    assert await ask(serve, app, "gzip", body) == (413, REFUSED[1].replace("100", "3"))
    assert (await ask(serve, make_app(read_all, max_inflation=3), "gzip", body))[0] == 200
    assert (await ask(serve, make_app(read_late), "gzip", body))[0] == 200


@pytest.mark.parametrize("bound", [-1, True, 1.5, "100", None])
def test_a_bound_is_a_number(bound: Any) -> None:
    with pytest.raises(ValueError, match="max_inflation must be a number from 0"):
        web.Application(max_inflation=bound)


@pytest.mark.parametrize(
    "codings", [["gzip, gzip"], ["gzip", "gzip"], ["gzip,deflate"], ["identity", "gzip"]]
)
async def test_several_codings_are_left_as_they_are(serve: Any, codings: list[str]) -> None:
    """In one field or in several, which are one (RFC 9110 section 5.3)."""
    body = gzip.compress(gzip.compress(bytes(1000), mtime=0), mtime=0)
    client = await serve(make_app(read))
    fields = [("Content-Encoding", coding) for coding in codings]
    answer = await client.post("/", fields=fields, body=body)
    assert (answer.status, answer.text) == (200, str(len(body)))


@pytest.mark.parametrize("coding", COMPRESS)
async def test_a_bomb_that_nobody_reads_is_not_decoded(serve: Any, coding: str) -> None:
    """CVE-2026-54278: it is drained as it came."""

    async def ignore(request: web.Request) -> int:
        return 0

    body = bomb_of(coding)
    tracemalloc.start()
    try:
        client = await serve(make_app(ignore))
        for _ in range(3):
            answer = await client.post("/", fields={"Content-Encoding": coding}, body=body)
            assert answer.status == 200
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()
