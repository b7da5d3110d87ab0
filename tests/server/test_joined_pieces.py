"""Pieces of a streamed answer leave together: by the end of a step of the loop, at 64 KiB, or
before anything else is sent; each stays a chunk of its own, in order, and a slow reader holds the
writer."""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from bascule import web
from support.wire import PATIENCE, Wire, serve

Write = Callable[[web.StreamResponse], Awaitable[Any]]


def _app(write: Write, **options: Any) -> web.Application:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(**options)
        await response.prepare(request)
        await write(response)
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    return app


async def _body_of(app: web.Application, version: bytes = b"1.1") -> bytes:
    """Give the bytes behind the head."""
    async with serve(app) as served:
        raw = await served.exchange(b"GET / HTTP/%s\r\nHost: x\r\n\r\n" % version)
    return raw.partition(b"\r\n\r\n")[2]


def _chunks(body: bytes) -> Iterator[bytes]:
    """Take chunks apart, as far as they came."""
    while body:
        line, _, rest = body.partition(b"\r\n")
        assert re.fullmatch(rb"[0-9a-f]+", line), line
        size = int(line, 16)
        yield rest[:size]
        if len(rest) < size + 2:
            return
        assert rest[size : size + 2] == b"\r\n"
        body = rest[size + 2 :]


SIZES = [1, 9, 15, 16, 255, 256, 1000, 65535, 65536, 65537, 3, 200_000, 1, 131_072, 2]


async def test_each_write_is_a_chunk() -> None:
    async def write(response: web.StreamResponse) -> None:
        for number, size in enumerate(SIZES):
            await response.write(bytes([65 + number]) * size)

    chunks = [*_chunks(await _body_of(_app(write)))]
    assert chunks == [bytes([65 + n]) * size for n, size in enumerate(SIZES)] + [b""]


KINDS: list[Any] = [b"bytes", bytearray(b"array"), memoryview(b"view"), b"", b"end"]


async def test_other_kinds_of_bytes_keep_their_place() -> None:
    async def write(response: web.StreamResponse) -> None:
        for piece in KINDS * 3:
            await response.write(piece)
        await response.write_eof(b"last")

    chunks = [*_chunks(await _body_of(_app(write)))]
    assert chunks == [b"bytes", b"array", b"view", b"end"] * 3 + [b"last", b""]


async def test_trailers_stand_behind_the_pieces() -> None:
    async def write(response: web.StreamResponse) -> None:
        await response.write(b"one")
        response.trailers["Digest"] = "d"
        await response.write(b"two")

    body = await _body_of(_app(write))
    assert body == b"3\r\none\r\n3\r\ntwo\r\n0\r\nDigest: d\r\n\r\n"


async def test_pieces_by_the_writer_and_by_the_response_are_in_order() -> None:
    """What `prepare` gave is written to as well, as payloads and other libraries do."""

    async def write(response: web.StreamResponse) -> None:
        writer: Any = response._payload_writer
        await response.write(b"1")
        await writer.write(b"2")
        await response.write(b"3")
        await writer.drain()
        await response.write(b"4")

    assert await _body_of(_app(write)) == b"1\r\n1\r\n1\r\n2\r\n1\r\n3\r\n1\r\n4\r\n0\r\n\r\n"


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    "error",
    [ValueError("x"), SystemExit(3), asyncio.CancelledError()],
    ids=["error", "exit", "cancelled"],
)
async def test_what_was_written_before_an_error_leaves_before_the_cut(
    error: BaseException, count: int
) -> None:
    async def write(response: web.StreamResponse) -> None:
        for _ in range(count):
            await response.write(b"piece")
        raise error

    assert await _body_of(_app(write)) == b"5\r\npiece\r\n" * count


@pytest.mark.parametrize("options", [{"Content-Length": "6"}], ids=["measured"])
async def test_measured_streams_have_no_chunks(options: dict[str, str]) -> None:
    async def write(response: web.StreamResponse) -> None:
        for piece in (b"a", b"bc", b"def"):
            await response.write(piece)

    assert await _body_of(_app(write, headers=options)) == b"abcdef"


async def test_streams_to_http_1_0_have_no_chunks() -> None:
    async def write(response: web.StreamResponse) -> None:
        for piece in (b"a", b"bc", b"def"):
            await response.write(piece)

    assert await _body_of(_app(write), b"1.0") == b"abcdef"


async def test_surplus_of_a_measured_stream_is_cut() -> None:
    async def write(response: web.StreamResponse) -> None:
        for piece in (b"ab", b"cd", b"ef"):
            await response.write(piece)

    assert await _body_of(_app(write, headers={"Content-Length": "3"})) == b"abc"


async def test_pieces_leave_by_the_end_of_the_step() -> None:
    """Though the handler then waits for something else, and never for the transport."""
    go_on = asyncio.Event()

    async def write(response: web.StreamResponse) -> None:
        for turn in (b"first", b"second"):
            await response.write(turn)
            await response.write(turn)
            await go_on.wait()
            go_on.clear()

    async with serve(_app(write)) as served, served.connect() as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await wire.read_head()
        assert await _read(wire, 20) == b"5\r\nfirst\r\n" * 2
        go_on.set()
        assert await _read(wire, 22) == b"6\r\nsecond\r\n" * 2
        go_on.set()
        assert await _read(wire, 5) == b"0\r\n\r\n"


async def _read(wire: Wire, size: int) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await wire.reader.readexactly(size)


async def test_what_is_held_is_bounded_in_one_step() -> None:
    """A handler that never waits itself does not pile up its pieces: 64 KiB are sent at once."""
    most = 0

    async def write(response: web.StreamResponse) -> None:
        nonlocal most
        exchange: Any = response._payload_writer
        for _ in range(1000):
            await response.write(bytes(1000))
            most = max(most, exchange._pending_size)

    chunks = [*_chunks(await _body_of(_app(write)))]
    assert chunks == [bytes(1000)] * 1000 + [b""]
    assert 0 < most < 64 * 1024


@pytest.mark.parametrize("size", [100, 65536, 1_000_000])
async def test_a_client_that_does_not_read_holds_the_writer(size: int) -> None:
    """What waits in the process stays below the high-water mark, two pieces and what is joined."""
    transport: Any = None
    most = written = 0

    async def write(response: web.StreamResponse) -> None:
        nonlocal transport, most, written
        transport = response._req.transport  # type: ignore[union-attr]  # it is prepared
        transport.set_write_buffer_limits(high=10_000)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        while True:
            await response.write(bytes(size))
            written += size
            most = max(most, transport.get_write_buffer_size())

    async with serve(_app(write)) as served, served.connect(limit=1024) as wire:
        sock = wire.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # the kernel takes little
        await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        connection = await served.alone()
        blocked = 0
        async with asyncio.timeout(PATIENCE):
            while blocked < 50:  # steps in a row: what fits into the kernel has gone
                blocked = 0 if connection.room() is None else blocked + 1
                await asyncio.sleep(0)
        assert most <= 10_000 + 2 * size + 2 * 65536
        assert written <= 2_000_000
