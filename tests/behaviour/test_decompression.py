"""Request bodies that come compressed, on every host."""

import asyncio
import gzip
import time
import tracemalloc
import zlib
from functools import cache
from typing import Any

import brotli  # type: ignore[import-untyped,unused-ignore]
import pytest

from bascule import web
from bascule.message import decompression
from bascule.testing import Client
from bascule.wire.coding import zstd

assert zstd is not None, "the tests need backports.zstd"

PLAIN = b"hello " * 1000


def zstd_with_window(data: bytes, bits: int) -> bytes:
    assert zstd is not None
    machine = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: bits})
    made: bytes = machine.compress(data) + machine.flush()
    return made


# A frame that decoders skip (RFC 8878 section 3.1.2).
SKIPPED = b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip"


def raw_deflate(data: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return machine.compress(data) + machine.flush()


def echo(**options: Any) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application(**options)
    app.router.add_post("/", handler)
    return app


GOOD = [
    ("gzip", gzip.compress(PLAIN), PLAIN),
    ("GZip", gzip.compress(PLAIN), PLAIN),
    ("gzip", gzip.compress(PLAIN) + gzip.compress(b"more"), PLAIN + b"more"),
    ("deflate", zlib.compress(PLAIN), PLAIN),
    ("deflate", raw_deflate(PLAIN), PLAIN),
    ("br", brotli.compress(PLAIN), PLAIN),
    ("zstd", zstd.compress(PLAIN), PLAIN),
    ("ZStd", zstd.compress(PLAIN) + zstd.compress(b"more"), PLAIN + b"more"),
    ("zstd", SKIPPED + zstd.compress(PLAIN) + SKIPPED, PLAIN),
    ("zstd", zstd.compress(PLAIN * 40) * 2, PLAIN * 80),
    ("zstd", zstd_with_window(PLAIN, 23), PLAIN),
    ("zstd", zstd.compress(b"") * 99 + zstd.compress(b"more"), b"more"),
    ("zstd", zstd.compress(b""), b""),
    ("zstd", b"", b""),
    ("gzip", gzip.compress(b""), b""),
    ("gzip", b"", b""),
    # What is not known is left as it is.
    ("identity", PLAIN, PLAIN),
    ("x-own", PLAIN, PLAIN),
    ("gzip, deflate", b"as it is", b"as it is"),
]


@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "byte by byte"])
@pytest.mark.parametrize(("coding", "sent", "read"), GOOD)
async def test_a_body_is_decoded(
    serve: Any, coding: str, sent: bytes, read: bytes, pieces: bool
) -> None:
    client = await serve(echo())
    body = [sent[at : at + 1] for at in range(min(len(sent), 100))] + [sent[100:]]
    fields = {"Content-Encoding": coding}
    answer = await client.post("/", fields=fields, body=body if pieces else sent)
    assert (answer.status, answer.body) == (200, read)


BAD = [
    ("gzip", PLAIN),
    ("gzip", gzip.compress(PLAIN)[:-9]),
    ("gzip", gzip.compress(PLAIN)[:1]),
    ("gzip", gzip.compress(PLAIN) + b"junk"),
    ("gzip", gzip.compress(b"") * 200),
    ("deflate", PLAIN),
    ("deflate", zlib.compress(PLAIN)[:-1]),
    ("deflate", zlib.compress(PLAIN) + b"junk"),
    ("deflate", raw_deflate(PLAIN)[:-1]),
    ("br", PLAIN),
    ("br", brotli.compress(PLAIN)[:-1]),
    ("br", brotli.compress(PLAIN) + b"junk"),
    ("zstd", PLAIN),
    ("zstd", zstd.compress(PLAIN)[:-1]),
    ("zstd", zstd.compress(PLAIN)[:3]),
    ("zstd", zstd.compress(PLAIN) + b"junk"),
    ("zstd", zstd.compress(PLAIN) + zstd.compress(PLAIN)[:-1]),
    ("zstd", zstd.compress(b"") * 101),
    ("zstd", zstd.compress(b"x") * 200),
    ("zstd", zstd_with_window(PLAIN, 24)),
]


@pytest.mark.parametrize(("coding", "sent"), BAD)
async def test_a_broken_body_is_refused(serve: Any, coding: str, sent: bytes, caplog: Any) -> None:
    """Also one that is cut short, which aiohttp takes for a whole."""
    client = await serve(echo())
    answer = await client.post("/", fields={"Content-Encoding": coding}, body=sent)
    assert (answer.status, answer.text) == (400, f"400: Can not decode content-encoding: {coding}")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@cache
def bomb_of(coding: str) -> bytes:
    """Give fifty megabytes as some thousand bytes, which takes longer than to stop them."""
    compress: Any = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": brotli.compress,
        "zstd": zstd.compress,
    }[coding]
    made: bytes = compress(bytes(50_000_000))
    return made


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_a_bomb_is_stopped_by_the_limit(serve: Any, coding: str) -> None:
    """Memory stays near the limit."""
    bomb = bomb_of(coding)
    client = await serve(echo(client_max_size=2**20))
    tracemalloc.start()
    try:
        answer = await client.post("/", fields={"Content-Encoding": coding}, body=bomb)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()
    assert (answer.status, answer.text) == (413, "Maximum request body size 1048576 exceeded.")


async def test_a_stream_is_decoded_step_by_step(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        sizes = [len(piece) async for piece in request.content.iter_any()]
        content = request.content
        assert content.total_bytes == sum(sizes)
        assert content.total_raw_bytes == content.total_compressed_bytes == len(body)
        return web.json_response([max(sizes), sum(sizes)])

    app = web.Application(max_inflation=0)
    app.router.add_post("/", handler)
    body = gzip.compress(bytes(3_000_000))
    answer = await (await serve(app)).post("/", fields={"Content-Encoding": "gzip"}, body=body)
    assert answer.text == "[262144, 3000000]"


@pytest.mark.parametrize("size", [262_143, 262_144, 262_145, 850_000, 3_000_000])
async def test_all_that_brotli_makes_of_a_body_is_read(serve: Any, size: int) -> None:
    """It holds back what goes beyond a step, and does not always say so."""
    plain = (b'{"number": 12345, "text": "some words"}, ' * (size // 41 + 1))[:size]
    client = await serve(echo(client_max_size=0, max_inflation=0))
    for each in (plain, bytes(size)):
        sent = brotli.compress(each)
        answer = await client.post("/", fields={"Content-Encoding": "br"}, body=sent)
        assert (answer.status, answer.body) == (200, each)


async def test_others_have_their_turn_while_a_body_is_decoded(serve: Any) -> None:
    """A thousand bytes that have come may be a gigabyte."""
    longest = turns = since = 0

    async def count() -> None:
        nonlocal since, turns
        while True:
            since, turns = 0, turns + 1
            await asyncio.sleep(0)

    async def handler(request: web.Request) -> web.Response:
        nonlocal since, longest
        counting = asyncio.create_task(count())
        try:
            async for piece in request.content.iter_any():
                since += len(piece)
                longest = max(longest, since)
        finally:
            counting.cancel()
        return web.json_response(turns)

    app = web.Application(max_inflation=0)
    app.router.add_post("/", handler)
    client = await serve(app)
    answer = await client.post("/", fields={"Content-Encoding": "br"}, body=bomb_of("br"))
    assert answer.status == 200
    assert longest <= 4 * 2**20


async def test_forms_are_decoded(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(dict(await request.post()))

    app = web.Application()
    app.router.add_post("/", handler)
    fields = {
        "Content-Encoding": "deflate",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    answer = await (await serve(app)).post("/", fields=fields, body=zlib.compress(b"a=1&b=2"))
    assert answer.text == '{"a": "1", "b": "2"}'


async def test_a_body_that_is_not_read_is_not_decoded(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response([request.can_read_body, request.body_exists])

    app = web.Application()
    app.router.add_post("/", handler)
    answer = await (await serve(app)).post("/", fields={"Content-Encoding": "gzip"}, body=b"bad")
    assert (answer.status, answer.text) == (200, "[true, true]")


async def test_decoding_can_be_switched_off(serve: Any) -> None:
    client = await serve(echo(), auto_decompress=False)
    answer = await client.post("/", fields={"Content-Encoding": "gzip"}, body=b"as it is")
    assert answer.body == b"as it is"


@pytest.mark.parametrize(
    ("coding", "library"), [("br", "_HAS_BROTLI"), ("zstd", "zstd")], ids=["br", "zstd"]
)
async def test_without_its_library_a_coding_is_refused(
    serve: Any, coding: str, library: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(decompression, library, None)
    answer = await (await serve(echo())).post("/", fields={"Content-Encoding": coding}, body=b"x")
    assert (answer.status, answer.text) == (400, f"400: Can not decode content-encoding: {coding}")


async def test_tiny_members_are_decoded_in_time() -> None:
    """Each leaves what is behind it as a copy: of a body in one piece that would take minutes."""
    count = 100_000
    body = gzip.compress(b"x", 0, mtime=0) * count
    async with Client(echo()) as client:
        start = time.process_time()
        answer = await client.post("/", headers={"Content-Encoding": "gzip"}, data=body)
        assert await answer.read() == b"x" * count
        assert time.process_time() - start < 8
