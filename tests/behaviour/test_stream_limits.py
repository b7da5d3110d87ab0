"""The limit of bodies that are read as streams, which applications may ask for, on every host."""

import asyncio
import gzip
from typing import Any

import pytest

from bascule import web
from bascule.testing import Client
from support import wire

LIMIT = 1000
REFUSED = (413, "Maximum request body size 1000 exceeded.")


async def read_whole(request: web.Request) -> int:
    return len(await request.content.read())


async def read_pieces(request: web.Request) -> int:
    return sum([len(piece) async for piece in request.content.iter_chunked(7)])


async def read_any(request: web.Request) -> int:
    return sum([len(piece) async for piece in request.content.iter_any()])


async def read_chunks(request: web.Request) -> int:
    return sum([len(piece) async for piece, _ in request.content.iter_chunks()])


async def read_lines(request: web.Request) -> int:
    return sum([len(line) async for line in request.content])


async def read_exactly(request: web.Request) -> int:
    size = 0
    try:
        while True:
            size += len(await request.content.readexactly(1))
    except asyncio.IncompleteReadError:
        return size


async def read_at_once(request: web.Request) -> int:
    size = 0
    while piece := await request.content.read(1):
        size += len(piece) + len(request.content.read_nowait())
    return size


async def read_until(request: web.Request) -> int:
    size = 0
    while line := await request.content.readuntil(b"xy"):
        size += len(line)
    return size


async def release(request: web.Request) -> int:
    await request.release()
    return LIMIT


async def read(request: web.Request) -> int:
    return len(await request.read())


READS = [
    read_whole,
    read_pieces,
    read_any,
    read_chunks,
    read_lines,
    read_exactly,
    read_at_once,
    read_until,
    release,
    read,
]


def app_of(count: Any, **options: Any) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str(await count(request)))

    app = web.Application(**{"client_max_size": LIMIT, "limit_streams": True, **options})
    app.router.add_post("/", handler)
    return app


def body_of(size: int, in_pieces: bool) -> Any:
    body = b"abcdefghi\n" * (size // 10) + b"x" * (size % 10)
    return [body[at : at + 100] for at in range(0, size, 100)] if in_pieces else body


@pytest.mark.parametrize("in_pieces", [False, True], ids=["declared", "in chunks"])
@pytest.mark.parametrize("count", READS)
async def test_what_is_read_has_the_limit(serve: Any, count: Any, in_pieces: bool) -> None:
    client = await serve(app_of(count))
    answer = await client.post("/", body=body_of(LIMIT, in_pieces))
    assert (answer.status, answer.text) == (200, str(LIMIT))
    answer = await client.post("/", body=body_of(LIMIT + 1, in_pieces))
    assert (answer.status, answer.text) == REFUSED


@pytest.mark.parametrize("count", READS[:-1])
async def test_without_asking_streams_have_none(serve: Any, count: Any) -> None:
    """As in aiohttp."""
    client = await serve(app_of(count, limit_streams=False))
    answer = await client.post("/", body=body_of(LIMIT + 1, True))
    assert answer.status == 200


@pytest.mark.parametrize("coding", ["gzip", None])
async def test_what_counts_is_what_is_read(serve: Any, coding: str | None) -> None:
    """A body that comes compressed is as long as what it is decoded to."""
    client = await serve(app_of(read_pieces))
    fields = {"Content-Encoding": coding} if coding else {}
    for size, expected in ((LIMIT, (200, str(LIMIT))), (LIMIT + 1, REFUSED)):
        body = body_of(size, False)
        answer = await client.post("/", fields=fields, body=gzip.compress(body) if coding else body)
        assert (answer.status, answer.text) == expected


@pytest.mark.every_host
async def test_a_stream_is_read_up_to_the_limit(serve: Any) -> None:
    """And no further, however often that is tried."""
    seen = []

    async def count(request: web.Request) -> int:
        seen.append(await request.content.readexactly(LIMIT))
        for _ in range(2):
            with pytest.raises(web.HTTPRequestEntityTooLarge) as error:
                await request.content.readany()
            assert (error.value.max_size, error.value.actual_size > LIMIT) == (LIMIT, True)
        raise error.value

    client = await serve(app_of(count))
    answer = await client.post("/", body=body_of(LIMIT + 500, True))
    assert (answer.status, answer.text) == REFUSED
    assert seen == [body_of(LIMIT, False)]


async def test_a_length_beyond_the_limit_is_refused_before_anything_comes() -> None:
    """A client that waits for 100 Continue need not send anything."""
    async with wire.serve(app_of(read_pieces)) as served, served.connect() as client:
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {LIMIT + 1}\r\n"
        await client.send(f"{head}Expect: 100-continue\r\n\r\n".encode())
        status, _, body = await client.read_answer()
        assert (status, body.decode()) == (
            b"HTTP/1.1 413 Request Entity Too Large",
            REFUSED[1],
        )


async def test_asking_about_a_body_reads_nothing(serve: Any) -> None:
    async def count(request: web.Request) -> str:
        assert request.content is request.content
        return f"{request.can_read_body} {request.body_exists}"

    answer = await (await serve(app_of(count))).post("/", body=body_of(LIMIT + 1, False))
    assert (answer.status, answer.text) == (200, "True True")


MULTIPART = (
    b'--B\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\n%b\r\n'
    b'--B\r\nContent-Disposition: form-data; name="b"\r\n\r\nend\r\n--B--\r\n'
)


@pytest.mark.parametrize("in_pieces", [False, True], ids=["declared", "in chunks"])
async def test_all_parts_together_have_the_limit(serve: Any, in_pieces: bool) -> None:
    async def count(request: web.Request) -> str:
        sizes = []
        async for part in await request.multipart():
            assert not isinstance(part, type(None))
            size = 0
            while piece := await part.read_chunk(50):  # type: ignore[union-attr]
                size += len(piece)
            sizes.append(size)
        return str(sizes)

    rest = len(MULTIPART) - 2
    fields = {"Content-Type": "multipart/form-data; boundary=B"}
    client = await serve(app_of(count))
    for size, expected in (
        (LIMIT - rest, (200, f"[{LIMIT - rest}, 3]")),
        (LIMIT - rest + 1, REFUSED),
    ):
        body: Any = MULTIPART % (b"x" * size)
        body = [body[at : at + 100] for at in range(0, len(body), 100)] if in_pieces else body
        answer = await client.post("/", fields=fields, body=body)
        assert (answer.status, answer.text) == expected


async def test_a_route_or_a_handler_sets_the_limit(serve: Any) -> None:
    def handler(change: Any) -> Any:
        async def handle(request: web.Request) -> web.Response:
            assert request.can_read_body  # the stream was asked for before the limit changed
            change(request)
            return web.Response(text=str(await read_pieces(request)))

        return handle

    def set_size(size: Any) -> Any:
        return lambda request: setattr(request, "client_max_size", size)

    def set_limit(value: bool) -> Any:
        return lambda request: setattr(request, "limit_streams", value)

    app = web.Application(client_max_size=LIMIT, limit_streams=True)
    app.router.add_post("/route", handler(bool), client_max_size=3 * LIMIT)
    app.router.add_post("/none", handler(bool), client_max_size=0)
    app.router.add_post("/more", handler(set_size(3 * LIMIT)))
    app.router.add_post("/all", handler(set_size(0)))
    app.router.add_post("/less", handler(set_size(10)))
    app.router.add_post("/off", handler(set_limit(False)))
    client = await serve(app)
    for path, status in {
        "/route": 200,
        "/none": 200,
        "/more": 200,
        "/all": 200,
        "/less": 413,
        "/off": 200,
    }.items():
        assert (await client.post(path, body=body_of(2 * LIMIT, True))).status == status, path
    app = web.Application(client_max_size=LIMIT)
    app.router.add_post("/on", handler(set_limit(True)))
    client = await serve(app)
    assert (await client.post("/on", body=body_of(2 * LIMIT, True))).status == 413


async def test_a_clone_sets_the_limit_of_the_body_that_it_shares(serve: Any) -> None:
    async def count(request: web.Request) -> int:
        assert request.limit_streams
        return await read_pieces(request.clone(client_max_size=5000))

    client = await serve(app_of(count))
    assert (await client.post("/", body=body_of(LIMIT + 1, True))).text == str(LIMIT + 1)


async def test_the_body_of_one_request_is_not_limited_by_another() -> None:
    """Those that have none share a reader."""

    async def count(request: web.Request) -> int:
        request.limit_streams = True
        request.client_max_size = 1
        return len(await request.content.read())

    async with Client(app_of(count, limit_streams=False)) as client:
        assert await (await client.post("/")).text() == "0"
