"""Peers that mean harm to a WebSocket: memory stays bounded, others are served, logs stay quiet."""

import asyncio
import contextlib
import gc
import logging
import random
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from bascule import web
from support.frames import (
    BINARY,
    CLOSE,
    CONT,
    INVALID_TEXT,
    NORMAL,
    PING,
    PONG,
    PROTOCOL_ERROR,
    SENT_PONG,
    SENT_TEXT,
    TEXT,
    TOO_BIG,
    Peer,
    Sent,
    Story,
    app_of,
    close_frame,
    connect,
    echo,
    frame,
    handshake,
    listen,
    opened,
)
from support.wire import Served, serve

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
MIB = 2**20
# Bytes that reading in pieces, the tasks of a test and the logs may take besides.
SLACK = 1_500_000


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that a peer does is logged as an error, and nothing with a traceback."""
    caplog.set_level(logging.INFO)
    yield
    for record in caplog.records:
        assert record.exc_info is None, record.getMessage()
        assert record.levelno < logging.ERROR, record.getMessage()


@contextlib.contextmanager
def memory() -> Iterator[list[int]]:
    """Measure the most that was taken inside, in bytes; it is the one item of the list."""
    gc.collect()
    peaks: list[int] = []
    tracemalloc.start()
    try:
        yield peaks
        peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


async def flood(peer: Peer, data: bytes, count: int) -> None:
    """Send the same again and again, as long as it is taken."""
    with contextlib.suppress(ConnectionError):
        for _ in range(count):
            await peer.send(data)


async def read_last(peer: Peer) -> list[Sent]:
    """Read all frames up to the end; a reset is one."""
    found: list[Sent] = []
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            found.append(await peer.read())
    return found


@contextlib.asynccontextmanager
async def bystander(served: Served) -> AsyncIterator[None]:
    """See that somebody else is served all the while."""
    async with connect(served) as peer:

        async def talk() -> int:
            for number in range(20):
                data = b"%d" % number
                await peer.send(frame(TEXT, data))
                assert await peer.read() == (SENT_TEXT, data)
            return 20

        talking = asyncio.create_task(talk())
        yield
        assert await talking == 20
        await peer.send(close_frame(1000))
        assert await peer.read_rest() == [NORMAL]


# -- what is too much ------------------------------------------------------------------------------

TOO_MUCH = [
    pytest.param(frame(BINARY, size=2**63 - 1), b"x" * 65536, id="a giant frame"),
    pytest.param(frame(BINARY, size=MIB), b"x" * 65536, id="a frame at the limit"),
    pytest.param(
        frame(BINARY, fin=False), frame(CONT, b"x" * 65536, fin=False), id="endless fragments"
    ),
    pytest.param(
        frame(TEXT, fin=False), frame(CONT, b"x", fin=False) * 100, id="endless tiny fragments"
    ),
    pytest.param(
        frame(TEXT, fin=False),
        (frame(CONT, fin=False) + frame(PONG)) * 100,
        id="endless empty fragments",
    ),
]


@pytest.mark.parametrize(("head", "more"), TOO_MUCH)
@pytest.mark.parametrize("offers", [[], [DEFLATE]], ids=["plain", "compressing"])
async def test_what_is_too_much_is_refused_and_not_kept(
    head: bytes, more: bytes, offers: list[str]
) -> None:
    async with opened(listen, *offers, max_msg_size=MIB) as (peer, story):
        with memory() as peaks:
            await peer.send(head)
            await flood(peer, more, 100)
            assert await read_last(peer) == [TOO_BIG]
            await story.wait()
        assert peaks[0] < 2 * MIB + SLACK
    assert story.ws.close_code == 1006
    assert [message[0] for message in story.messages] == [web.WSMsgType.ERROR]


def deflated(size: int) -> bytes:
    stream = zlib.compressobj(9, wbits=-15)
    zeros = bytes(MIB)
    made = b"".join(stream.compress(zeros) for _ in range(size // MIB))
    return made + stream.flush(zlib.Z_SYNC_FLUSH)[:-4]


@pytest.mark.parametrize("pieces", [1, 10, 500])
async def test_a_compressed_bomb_does_not_go_off(pieces: int) -> None:
    """128 MiB in 127 KiB: no more than the limit is made of it."""
    bomb = deflated(128 * MIB)
    size = len(bomb) // pieces + 1
    cuts = [bomb[at : at + size] for at in range(0, len(bomb), size)]
    data = frame(BINARY, cuts[0], rsv=4, fin=False)
    data += b"".join(frame(CONT, each, fin=False) for each in cuts[1:]) + frame(CONT)
    async with opened(listen, DEFLATE, max_msg_size=MIB) as (peer, story):
        with memory() as peaks:
            await flood(peer, data, 1)
            assert await read_last(peer) == [TOO_BIG]
            await story.wait()
        assert peaks[0] < 4 * MIB + SLACK


@pytest.mark.parametrize(
    ("data", "options"),
    [
        pytest.param(frame(TEXT, b"x") * 1000, {}, id="tiny text"),
        pytest.param(frame(BINARY) * 1000, {}, id="empty messages"),
        pytest.param(frame(PING, b"p") * 1000, {"autoping": False}, id="pings for the handler"),
        pytest.param(frame(TEXT, "\U0001f600".encode() * 30) * 100, {}, id="wide text"),
        pytest.param(
            frame(TEXT, bytes.fromhex("f248cdc9c90700"), rsv=4) * 1000, {}, id="compressed"
        ),
    ],
)
async def test_a_flood_waits_outside_while_nobody_receives(
    data: bytes, options: dict[str, Any]
) -> None:
    gate = asyncio.Event()

    async def wait(ws: web.WebSocketResponse, story: Story) -> None:
        await gate.wait()

    async with opened(wait, DEFLATE, timeout=0.05, **options) as (peer, story):
        with memory() as peaks:
            flooding = asyncio.create_task(flood(peer, data, 10_000))
            await story.until(
                lambda: story._ws and story.channel and not story.channel.is_listening
            )
            for _ in range(100):
                await asyncio.sleep(0)
        assert not flooding.done()
        assert peaks[0] < SLACK
        gate.set()
        await story.wait()
        await flooding


async def test_pings_without_end_are_answered_within_bounds() -> None:
    """The peer reads nothing: what is owed to it is one pong."""

    async def send(ws: web.WebSocketResponse, story: Story) -> None:
        await ws.send_bytes(bytes(8 * MIB))

    async with opened(send, timeout=0.05) as (peer, story):
        await story.until(lambda: story._ws and story.channel and story.channel._wire.room())
        queued = story.channel._wire.transport.get_write_buffer_size()
        with memory() as peaks:
            await flood(peer, frame(PING, b"p" * 125) * 100, 100)
            await peer.send(frame(TEXT, b"done"))
            await story.until(lambda: story.channel._inbox)
        assert story.channel._wire.transport.get_write_buffer_size() <= queued
        assert peaks[0] < SLACK
        peer.wire.writer.transport.abort()


# -- who is slow, or gone --------------------------------------------------------------------------


async def test_many_slow_peers_cost_what_they_sent() -> None:
    """Half a frame each, of which much is promised: nothing is set aside for the rest."""
    story = Story()
    async with serve(app_of(echo, story)) as served, contextlib.AsyncExitStack() as stack:
        with memory() as peaks:
            for _ in range(50):
                peer = await stack.enter_async_context(connect(served))
                for byte in frame(BINARY, b"x" * 20, size=3_000_000):
                    await peer.send(bytes((byte,)))
            async with bystander(served):
                pass
        assert peaks[0] < 50 * 20_000 + SLACK


async def test_a_peer_that_does_not_read_is_found_out_by_the_heart() -> None:
    """Its pings stay in our buffer, and nothing comes."""

    async def send(ws: web.WebSocketResponse, story: Story) -> None:
        with pytest.raises(ConnectionResetError):
            await ws.send_bytes(bytes(50 * MIB))

    async with opened(send, heartbeat=0.05) as (peer, story):
        peer.wire.reader._transport.pause_reading()  # type: ignore[attr-defined]  # has no public way
        await story.wait()
    assert story.ws.close_code in (None, 1006)


async def test_peers_that_leave_all_at_once_are_forgotten() -> None:
    """1000 of them; another is served meanwhile, and nothing is left of them."""
    story = Story()
    async with serve(app_of(echo, story), access_log=None) as served:
        async with bystander(served):
            streams = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(1000)]
            for number, (_, writer) in enumerate(streams):
                writer.write(handshake(DEFLATE) + frame(TEXT, b"x" * (number % 300)) + b"\x81")
            await asyncio.gather(*(reader.readuntil(b"\r\n\r\n") for reader, _ in streams))
            server = served.runner.server
            assert server is not None
            assert len(server.connections) == 1001
            for _, writer in streams:
                writer.transport.abort()
            await story.until(lambda: len(server.connections) == 1)
        await story.until(lambda: not server.connections)
        names = [task.get_name() for task in asyncio.all_tasks()]
        assert not [name for name in names if name.startswith("bascule")]


async def test_a_flooded_server_serves_others() -> None:
    story = Story()
    async with serve(app_of(listen, story)) as served, connect(served) as noisy:
        flooding = asyncio.create_task(flood(noisy, frame(TEXT, b"x" * 20) * 500, 100_000))
        async with connect(served) as peer:
            for number in range(5):
                await peer.send(frame(PING, b"%d" % number))
                assert await peer.read() == (SENT_PONG, b"%d" % number)
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
        noisy.wire.writer.transport.abort()


# -- who is wrong ----------------------------------------------------------------------------------

WRONG = [
    pytest.param(frame(TEXT, b"\xff"), INVALID_TEXT, id="no text"),
    pytest.param(close_frame(1000, b"\xff"), INVALID_TEXT, id="a reason that is no text"),
    pytest.param(frame(TEXT, b"x", mask=b""), PROTOCOL_ERROR, id="not masked"),
    pytest.param(frame(TEXT, b"x", rsv=7), PROTOCOL_ERROR, id="all reserved bits"),
    pytest.param(frame(15, b"x"), PROTOCOL_ERROR, id="a reserved opcode"),
    pytest.param(frame(CLOSE, b"x"), PROTOCOL_ERROR, id="a close of a byte"),
    pytest.param(frame(PING, b"x" * 126), PROTOCOL_ERROR, id="a long ping"),
    pytest.param(frame(TEXT, b"\x07" * 9, rsv=4), PROTOCOL_ERROR, id="no compressed data"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01", PROTOCOL_ERROR, id="a TLS greeting"),
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", PROTOCOL_ERROR, id="a request"),
]


@pytest.mark.parametrize(("data", "answer"), WRONG)
@pytest.mark.parametrize("handler", [listen, echo], ids=["listen", "echo"])
async def test_who_is_wrong_is_told_and_left(data: bytes, answer: Sent, handler: Any) -> None:
    """Also when the handler still had something to say to it."""
    async with opened(handler, DEFLATE) as (peer, story):
        await peer.send(frame(TEXT, b"first") + data)
        assert (await read_last(peer))[-1] == answer
        await story.wait()
    assert story.messages[0] == (1, "first", "")


@pytest.mark.parametrize("seed", range(20))
async def test_noise_ends_in_a_close(seed: int) -> None:
    """Wrong sooner or later, and never a fault of the server's."""
    noise = random.Random(seed)
    async with opened(echo, DEFLATE, max_msg_size=10_000) as (peer, story):
        await flood(peer, noise.randbytes(20_000), 1)
        peer.wire.writer.write_eof()
        *_, (first, payload) = await read_last(peer)
        assert first == 0x88
        assert int.from_bytes(payload, "big") in (1002, 1007, 1009)
        await story.wait()


@pytest.mark.parametrize("seed", range(20))
async def test_good_frames_with_a_bit_flipped_never_log_an_error(seed: int) -> None:
    noise = random.Random(seed)
    good = frame(TEXT, b"Hello") + frame(PING, b"p") + frame(BINARY, b"x" * 300)
    good += frame(TEXT, b"a", fin=False) + frame(CONT, b"b") + close_frame(1000, b"bye")
    async with opened(echo, DEFLATE) as (peer, story):
        data = bytearray(good)
        place = noise.randrange(len(data) * 8)
        data[place // 8] ^= 1 << place % 8
        await flood(peer, bytes(data), 1)
        peer.wire.writer.write_eof()
        await read_last(peer)
        await story.wait()


@pytest.mark.parametrize("step", range(1, len(handshake()) + 12, 7))
async def test_who_leaves_at_any_byte_is_forgotten(step: int) -> None:
    data = handshake(DEFLATE) + frame(TEXT, b"Hello") + close_frame(1000)
    story = Story()
    async with serve(app_of(echo, story)) as served:
        async with served.connect() as wire:
            await wire.send(data[:step])
            wire.writer.transport.abort()
        server = served.runner.server
        assert server is not None
        await story.until(lambda: not server.connections)
