"""WebSockets over real sockets, frame by frame: messages, closes, the heart, bounds, the end."""

import asyncio
import contextlib
import logging
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule import WSCloseCode, web
from bascule.channel import ChannelOptions, ChannelState, ClientConnectionResetError
from bascule.server.channel import SocketChannel
from support.frames import (
    BINARY,
    CLOSE,
    CONT,
    GOING_AWAY,
    INVALID_TEXT,
    NORMAL,
    PING,
    PONG,
    PROTOCOL_ERROR,
    SENT_BINARY,
    SENT_CLOSE,
    SENT_PING,
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
    fragments,
    frame,
    handshake,
    listen,
    opened,
)
from support.wire import PATIENCE, serve

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"


async def never(ws: web.WebSocketResponse, story: Story) -> None:
    """Neither receive nor return."""
    await asyncio.Event().wait()


# -- a sample of each class of cases ---------------------------------------------------------------

HELLO = (SENT_TEXT, b"Hello")
END = close_frame(1000)
CASES = [
    pytest.param(frame(TEXT, b"Hello") + END, [HELLO, NORMAL], id="1.1 text"),
    pytest.param(
        frame(BINARY, b"\xfe" * 65536) + END, [(SENT_BINARY, b"\xfe" * 65536), NORMAL], id="1.2"
    ),
    pytest.param(frame(TEXT, b"Hello", form=64) + END, [HELLO, NORMAL], id="1 a longer form"),
    pytest.param(frame(TEXT, b"Hello", mask=b""), [PROTOCOL_ERROR], id="1 not masked"),
    pytest.param(frame(PING, b"p" * 125) + END, [(SENT_PONG, b"p" * 125), NORMAL], id="2.4"),
    pytest.param(frame(PING, b"p" * 126), [PROTOCOL_ERROR], id="2.5 a long ping"),
    pytest.param(frame(PONG, b"unasked") + END, [NORMAL], id="2.7 an unasked pong"),
    pytest.param(
        b"".join(frame(PING, b"%d" % number) for number in range(10)) + END,
        [*((SENT_PONG, b"%d" % number) for number in range(10)), NORMAL],
        id="2.10 ten pings",
    ),
    pytest.param(frame(TEXT, b"x", rsv=2) + frame(PING), [PROTOCOL_ERROR], id="3.3 a reserved bit"),
    pytest.param(frame(3, b"x") + frame(PING), [PROTOCOL_ERROR], id="4.1 a reserved opcode"),
    pytest.param(frame(11), [PROTOCOL_ERROR], id="4.2 a reserved control opcode"),
    pytest.param(
        frame(TEXT, b"Hel", fin=False) + frame(PING, b"p") + frame(CONT, b"lo") + END,
        [(SENT_PONG, b"p"), HELLO, NORMAL],
        id="5.6 a ping between fragments",
    ),
    pytest.param(frame(CONT, b"x"), [PROTOCOL_ERROR], id="5.9 continuation of nothing"),
    pytest.param(
        frame(TEXT, b"x", fin=False) + frame(TEXT, b"x"), [PROTOCOL_ERROR], id="5.18 not continued"
    ),
    pytest.param(frame(TEXT, b"\xed\xa0\x80"), [INVALID_TEXT], id="6.3 a surrogate"),
    pytest.param(frame(TEXT, b"\xf4\x90", fin=False), [INVALID_TEXT], id="6.4 seen at once"),
    pytest.param(close_frame(), [NORMAL], id="7.3.1 a close without a code"),
    pytest.param(frame(CLOSE, b"x"), [PROTOCOL_ERROR], id="7.3.2 a close of a byte"),
    pytest.param(close_frame(1000, b"\xff"), [INVALID_TEXT], id="7.5 a reason that is no text"),
    pytest.param(close_frame(3999, b"bye"), [NORMAL], id="7.7 a code of a framework"),
    pytest.param(close_frame(1005), [PROTOCOL_ERROR], id="7.9 a code never sent"),
    pytest.param(END + frame(PING) + frame(TEXT, b"late"), [NORMAL], id="7.1 behind a close"),
    pytest.param(frame(BINARY, b"x" * 100_000), [TOO_BIG], id="9 at the limit"),
    pytest.param(fragments(BINARY, [b"x" * 50_000] * 2), [TOO_BIG], id="9 in fragments"),
    pytest.param(frame(BINARY, size=2**62), [TOO_BIG], id="9 a giant length"),
    pytest.param(
        fragments(TEXT, [b"*" * 1300] * 50) + END,
        [(SENT_TEXT, b"*" * 65_000), NORMAL],
        id="10.1 fragments of 1300 bytes",
    ),
]


@pytest.mark.parametrize(("data", "frames"), CASES)
@pytest.mark.parametrize("offers", [[], [DEFLATE]], ids=["plain", "compressing"])
async def test_peers_are_answered_as_the_rfc_says(
    data: bytes, frames: list[Sent], offers: list[str]
) -> None:
    async def echo_plain(ws: web.WebSocketResponse, story: Story) -> None:
        async for message in ws:
            if message.type is web.WSMsgType.TEXT:
                await ws.send_str(message.data, compress=0)
            elif message.type is web.WSMsgType.BINARY:
                await ws.send_bytes(message.data, compress=0)

    async with opened(echo_plain, *offers, max_msg_size=100_000) as (peer, story):
        await peer.send(data)
        assert await peer.read_rest() == frames
        await story.wait()


async def test_compressed_messages_are_echoed() -> None:
    """12.1: RFC 7692 section 7.2.3.2; the second refers to the first, both ways."""
    async with opened(echo, DEFLATE) as (peer, story):
        assert peer.fields[b"sec-websocket-extensions"] == (
            b"permessage-deflate; server_max_window_bits=12"
        )
        for payload in ("f248cdc9c90700", "f200110000"):
            await peer.send(frame(TEXT, bytes.fromhex(payload), rsv=4))
            assert await peer.read() == (0xC1, bytes.fromhex(payload))
        await peer.send(END)
        assert await peer.read_rest() == [NORMAL]
        await story.wait()
    assert story.messages == [(1, "Hello", ""), (1, "Hello", "")]


async def test_a_bit_of_compression_that_was_not_agreed_on_is_refused() -> None:
    async with opened(listen, DEFLATE, compress=False) as (peer, story):
        assert b"sec-websocket-extensions" not in peer.fields
        await peer.send(frame(TEXT, bytes.fromhex("f248cdc9c90700"), rsv=4))
        assert await peer.read_rest() == [PROTOCOL_ERROR]
        await story.wait()


# -- the opening -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 100])
async def test_frames_right_behind_the_handshake_are_received(count: int) -> None:
    data = b"".join(frame(TEXT, b"%d" % number) for number in range(count))
    async with opened(listen, behind=data + END) as (peer, story):
        assert await peer.read_rest() == [NORMAL]
        await story.wait()
    assert story.messages == [(1, str(number), "") for number in range(count)]


async def test_half_a_frame_behind_the_handshake_is_completed() -> None:
    data = frame(TEXT, b"Hello")
    async with opened(listen, behind=data[:3]) as (peer, story):
        await peer.send(data[3:] + END)
        assert await peer.read_rest() == [NORMAL]
        await story.wait()
    assert story.messages == [(1, "Hello", "")]


async def test_frames_behind_the_handshake_wait_for_a_slow_handler() -> None:
    """More of them than are read ahead of an answer."""
    gate = asyncio.Event()
    story = Story()
    app = app_of(listen, story)

    @web.middleware
    async def wait(request: web.Request, handler: Any) -> Any:
        await gate.wait()
        return await handler(request)

    app.middlewares.append(wait)
    async with serve(app) as served, served.connect() as wire:
        data = frame(BINARY, b"x" * 1000) * 2000
        sending = asyncio.create_task(wire.send(handshake() + data + END))
        connection = await served.alone()
        await story.until(lambda: not connection.is_reading)
        gate.set()
        assert (await wire.read_head())[0] == b"HTTP/1.1 101 Switching Protocols"
        assert await Peer(wire, {}).read_rest() == [NORMAL]
        await sending
        await story.wait()
    assert [len(message[1]) for message in story.messages] == [1000] * 2000


async def test_bytes_behind_a_refused_upgrade_are_the_next_request() -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(text="no")

    app = web.Application()
    app.router.add_get("/", refuse)
    async with serve(app) as served, served.connect() as wire:
        await wire.send(handshake() + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" + handshake())
        for _ in range(3):
            status, _, body = await wire.read_answer()
            assert (status, body) == (b"HTTP/1.1 200 OK", b"no")


async def test_a_bad_handshake_keeps_the_connection() -> None:
    story = Story()
    async with serve(app_of(listen, story)) as served, served.connect() as wire:
        await wire.send(handshake().replace(b"-Version: 13", b"-Version: 14"))
        status, fields, _ = await wire.read_answer()
        assert status == b"HTTP/1.1 400 Bad Request"
        assert fields[b"sec-websocket-version"] == b"13, 8, 7"
        await wire.send(handshake())
        assert (await wire.read_head())[0] == b"HTTP/1.1 101 Switching Protocols"
        peer = Peer(wire, {})
        await peer.send(END)
        assert await peer.read_rest() == [NORMAL]


@pytest.mark.parametrize(
    "framing", ["Content-Length: 3", "Transfer-Encoding: chunked"], ids=["length", "chunked"]
)
async def test_body_bytes_of_an_upgrade_are_no_frames(framing: str) -> None:
    """A request with a body does not become a WebSocket."""
    story = Story()
    async with serve(app_of(listen, story)) as served, served.connect() as wire:
        body = b"abc" if "Length" in framing else b"3\r\nabc\r\n0\r\n\r\n"
        await wire.send(handshake(framing) + body)
        assert (await wire.read_head())[0] == b"HTTP/1.1 400 Bad Request"
    assert story.messages == []


async def test_the_101_says_nothing_of_a_body() -> None:
    async with opened(listen) as (peer, _):
        del peer.fields[b"date"], peer.fields[b"server"]
        assert peer.fields == {
            b"upgrade": b"websocket",
            b"connection": b"upgrade",
            b"sec-websocket-accept": b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        }
        await peer.send(END)
        assert await peer.read_rest() == [NORMAL]


# -- closes ----------------------------------------------------------------------------------------


async def test_a_close_of_the_peer_is_answered_and_ends_the_connection() -> None:
    async with opened(listen) as (peer, story):
        await peer.send(close_frame(4001, b"bye"))
        assert await peer.read_rest() == [NORMAL]
        await story.wait()
    assert (story.ws.close_code, story.ws.exception(), story.ws.closed) == (4001, None, True)


async def test_a_close_of_ours_waits_for_that_of_the_peer() -> None:
    async def close(ws: web.WebSocketResponse, story: Story) -> None:
        story.messages.append((await ws.close(code=4000, message=b"enough"),))

    async with opened(close) as (peer, story):
        assert await peer.read() == (SENT_CLOSE, b"\x0f\xa0enough")
        await peer.send(frame(TEXT, b"late") + frame(PING, b"late"))
        assert story.messages == []
        await peer.send(close_frame(4000, b"enough"))
        assert await peer.read_rest() == []
        await story.wait()
    assert story.messages == [(True,)]
    assert (story.ws.close_code, story.ws.exception()) == (4000, None)


async def test_closes_may_cross() -> None:
    """RFC 6455 section 7.1.5: the code is that of the peer's; nobody answers an answer."""

    async def close(ws: web.WebSocketResponse, story: Story) -> None:
        await ws.close(code=4000)

    async with opened(close, behind=close_frame(4001)) as (peer, story):
        assert await peer.read_rest() == [(SENT_CLOSE, b"\x0f\xa0")]
        await story.wait()
    assert story.ws.close_code == 4001


async def test_a_close_wakes_the_task_that_receives() -> None:
    async def receive(ws: web.WebSocketResponse, story: Story) -> None:
        story.messages.append(tuple(await ws.receive()))

    async with opened(receive) as (peer, story):
        await story.until(lambda: story._ws is not None and story.ws._receiving)
        closing = asyncio.create_task(story.ws.close(code=4000))
        assert await peer.read() == (SENT_CLOSE, b"\x0f\xa0")
        await peer.send(close_frame(4000))
        assert await peer.read_rest() == []
        assert await closing is True
        await story.wait()
    assert story.messages == [(web.WSMsgType.CLOSING, None, None)]


async def test_a_second_close_does_nothing() -> None:
    async def close(ws: web.WebSocketResponse, story: Story) -> None:
        first = asyncio.create_task(ws.close(code=4000))
        await asyncio.sleep(0)
        story.messages.append((await ws.close(code=4001), await first, await ws.close()))

    async with opened(close) as (peer, story):
        assert await peer.read() == (SENT_CLOSE, b"\x0f\xa0")
        await peer.send(close_frame(4000))
        assert await peer.read_rest() == []
        await story.wait()
    assert story.messages == [(False, True, False)]


async def test_a_close_that_is_not_answered_ends_in_time() -> None:
    async def close(ws: web.WebSocketResponse, story: Story) -> None:
        await ws.close()

    async with opened(close, timeout=0.05) as (peer, story):
        assert await peer.read_rest() == [NORMAL]
        await story.wait()
    assert story.ws.close_code == 1006
    assert isinstance(story.ws.exception(), TimeoutError)


async def test_an_endless_talker_cannot_delay_a_close() -> None:
    """The limit is that of the whole close, not of a wait for each message."""

    async def close(ws: web.WebSocketResponse, story: Story) -> None:
        await ws.close()

    async with opened(close, timeout=0.05) as (peer, story):
        with contextlib.suppress(ConnectionError):
            while not story.ended.is_set():
                await peer.send(frame(TEXT, b"more"))
                await asyncio.sleep(0)
    assert story.ws.close_code == 1006
    assert isinstance(story.ws.exception(), TimeoutError)


async def test_without_autoclose_the_handler_answers() -> None:
    async def receive(ws: web.WebSocketResponse, story: Story) -> None:
        story.messages.append(tuple(await ws.receive()))
        await ws.send_str("one more")
        await ws.close(code=4002)

    async with opened(receive, autoclose=False) as (peer, story):
        await peer.send(close_frame(4001, b"bye"))
        assert await peer.read_rest() == [(SENT_TEXT, b"one more"), (SENT_CLOSE, b"\x0f\xa2")]
        await story.wait()
    assert story.messages == [(web.WSMsgType.CLOSE, 4001, "bye")]
    assert story.ws.close_code == 4001


async def test_an_open_websocket_is_closed_behind_its_handler() -> None:
    async def leave(ws: web.WebSocketResponse, story: Story) -> None:
        await ws.send_str("hi")

    async with opened(leave) as (peer, _):
        assert await peer.read() == (SENT_TEXT, b"hi")
        assert await peer.read() == NORMAL
        await peer.send(END)
        assert await peer.read_rest() == []


async def test_a_handler_that_fails_drops_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(ws: web.WebSocketResponse, story: Story) -> None:
        raise ValueError("by the handler")

    async with opened(fail) as (peer, _):
        with contextlib.suppress(ConnectionError):
            assert await peer.read_rest() == []
    assert caplog.text.count("ValueError: by the handler") == 1


async def test_what_came_before_an_error_is_still_received() -> None:
    async with opened(listen) as (peer, story):
        await peer.send(frame(TEXT, b"one") + frame(TEXT, b"two") + frame(3))
        assert await peer.read_rest() == [PROTOCOL_ERROR]
        await story.wait()
    one, two, error = story.messages
    assert (one, two) == ((1, "one", ""), (1, "two", ""))
    assert error[0] is web.WSMsgType.ERROR
    assert error[1] is story.ws.exception()
    assert (error[1].code, str(error[1])) == (1002, "Unexpected opcode=3")
    assert story.ws.close_code == 1006


async def test_a_peer_that_goes_on_behind_an_error_can_read_our_close() -> None:
    """It is not reset while it sends (RFC 9112 section 9.6 says why)."""
    async with opened(listen) as (peer, story):
        await peer.send(frame(3) + frame(BINARY, b"x" * 100_000) * 10)
        assert await peer.read_rest() == [PROTOCOL_ERROR]
        await story.wait()


# -- losses ----------------------------------------------------------------------------------------


async def receive_on(ws: web.WebSocketResponse, story: Story) -> None:
    """Receive up to the end, and try to send."""
    while (message := await ws.receive()).type is not web.WSMsgType.CLOSED:
        story.messages.append(tuple(message))
    with pytest.raises(ConnectionResetError):
        await ws.send_str("late")
    with pytest.raises(ConnectionResetError):
        await ws.ping()


async def test_half_a_connection_is_lost() -> None:
    """What came before is received; nothing can be answered."""
    async with opened(receive_on) as (peer, story):
        await peer.send(frame(TEXT, b"one") + frame(TEXT, b"two")[:-1])
        peer.wire.writer.write_eof()
        assert await peer.read_rest() == []
        await story.wait()
    assert story.messages == [(1, "one", "")]
    assert story.ws.close_code == 1006


async def test_a_reset_is_a_loss() -> None:
    async with opened(receive_on) as (peer, story):
        await story.until(lambda: story._ws is not None and story.ws._receiving)
        peer.wire.writer.transport.abort()
        await story.wait()
    assert story.messages == []
    assert story.ws.close_code == 1006
    assert isinstance(story.ws.exception(), ConnectionResetError)


async def test_all_that_came_before_a_loss_is_received() -> None:
    """Also what was not read yet since there was no room."""
    gate = asyncio.Event()

    async def receive_late(ws: web.WebSocketResponse, story: Story) -> None:
        await gate.wait()
        await listen(ws, story)

    async with opened(receive_late) as (peer, story):
        sending = asyncio.create_task(peer.send(frame(BINARY, b"x" * 10_000) * 300))
        await story.until(lambda: story._ws and story.channel and not story.channel.is_listening)
        gate.set()
        await sending
        peer.wire.writer.write_eof()
        await story.wait()
    assert [len(message[1]) for message in story.messages] == [10_000] * 300
    assert story.ws.close_code == 1006


async def test_a_sender_that_waits_for_room_learns_of_a_loss() -> None:
    async def send(ws: web.WebSocketResponse, story: Story) -> None:
        with pytest.raises(ConnectionResetError):
            await ws.send_bytes(bytes(100_000_000))

    async with opened(send) as (peer, story):
        await story.until(lambda: story._ws and story.channel and story.channel._wire.room())
        peer.wire.writer.transport.abort()
        await story.wait()


# -- pings -----------------------------------------------------------------------------------------


async def test_without_autoping_the_handler_sees_pings_and_pongs() -> None:
    async with opened(listen, autoping=False) as (peer, story):
        await peer.send(frame(PING, b"a") + frame(PONG, b"b") + END)
        assert await peer.read_rest() == [NORMAL]
        await story.wait()
    assert story.messages == [(9, b"a", ""), (10, b"b", "")]


async def test_pings_and_pongs_of_ours_are_sent() -> None:
    async def ping(ws: web.WebSocketResponse, story: Story) -> None:
        await ws.ping(b"a")
        await ws.pong(b"b")

    async with opened(ping) as (peer, _):
        assert await peer.read() == (SENT_PING, b"a")
        assert await peer.read() == (SENT_PONG, b"b")
        await peer.send(END)
        assert await peer.read_rest() == [NORMAL]


async def test_a_peer_that_pings_and_does_not_read_gets_the_latest_pong() -> None:
    """RFC 6455 section 5.5.3; nothing piles up for it."""

    async def send(ws: web.WebSocketResponse, story: Story) -> None:
        await ws.send_bytes(bytes(8_000_000))
        await listen(ws, story)

    async with opened(send) as (peer, story):
        await story.until(lambda: story._ws and story.channel and story.channel._wire.room())
        before = story.channel._wire.transport.get_write_buffer_size()
        for number in range(5000):
            await peer.send(frame(PING, b"%d" % number))
        await peer.send(frame(TEXT, b"done"))
        await story.until(lambda: story.channel._inbox)
        assert story.channel._wire.transport.get_write_buffer_size() <= before
        assert await peer.read() == (SENT_BINARY, bytes(8_000_000))
        assert await peer.read() == (SENT_PONG, b"4999")
        await peer.send(frame(PING, b"again") + END)
        assert await peer.read_rest() == [(SENT_PONG, b"again"), NORMAL]
        await story.wait()


async def test_an_owed_pong_never_follows_our_close() -> None:
    async def close(ws: web.WebSocketResponse, story: Story) -> None:
        sending = asyncio.create_task(ws.send_bytes(bytes(8_000_000)))
        await story.until(lambda: story.channel._owed_pong is not None)
        await asyncio.gather(sending, ws.close())

    async with opened(close, behind=frame(PING, b"x")) as (peer, story):
        await peer.send(frame(PING, b"y"))
        await story.until(lambda: story._ws and story.ws.closed)
        frames = [await peer.read() for _ in range(3)]
        assert frames == [(SENT_PONG, b"x"), (SENT_BINARY, bytes(8_000_000)), NORMAL]
        await peer.send(END)
        assert await peer.read_rest() == []
        await story.wait()


# -- the heart -------------------------------------------------------------------------------------


class Clock:
    """The clock of the loop, which can be put forward."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._time = loop.time
        self._ahead = 0.0

    def time(self) -> float:
        return self._time() + self._ahead

    async def advance(self, seconds: float) -> None:
        """Put it forward, and let come what is due."""
        self._ahead += seconds
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    loop = asyncio.get_running_loop()
    clock = Clock(loop)
    monkeypatch.setattr(loop, "time", clock.time)
    return clock


HEARTBEAT = 1000.0
PINGED = (SENT_PING, b"")


async def test_a_silent_peer_is_pinged_and_given_up(clock: Clock) -> None:
    async with opened(listen, heartbeat=HEARTBEAT) as (peer, story):
        await clock.advance(HEARTBEAT + 1)
        assert await peer.read() == PINGED
        assert not story.ended.is_set()
        await clock.advance(HEARTBEAT / 2 + 1)
        with contextlib.suppress(ConnectionError):
            assert await peer.read_rest() == []
        await story.wait()
    assert story.ws.close_code == 1006
    assert isinstance(story.ws.exception(), TimeoutError)
    assert str(story.ws.exception()) == "No PONG received after 500.0 seconds"


@pytest.mark.parametrize(
    "sign",
    [frame(PONG), frame(PONG, b"another"), frame(TEXT, b"x"), frame(PING), b"\x81"],
    ids=["pong", "unasked pong", "text", "ping", "a byte of a frame"],
)
async def test_whatever_comes_is_a_sign_of_life(clock: Clock, sign: bytes) -> None:
    async with opened(listen, heartbeat=HEARTBEAT) as (peer, story):
        await clock.advance(HEARTBEAT + 1)
        assert await peer.read() == PINGED
        heard = story.channel._heart._heard_at
        await peer.send(sign)
        await story.until(lambda: story.channel._heart._heard_at > heard)
        await clock.advance(HEARTBEAT / 2 + 1)
        assert story.channel.state is ChannelState.OPEN
        await clock.advance(HEARTBEAT / 2 + 1)
        while (found := await peer.read()) != PINGED:
            assert found == (SENT_PONG, b"")


async def test_a_peer_that_talks_is_not_pinged(clock: Clock) -> None:
    async with opened(echo, heartbeat=HEARTBEAT) as (peer, story):
        for _ in range(5):
            await clock.advance(HEARTBEAT * 0.6)
            await peer.send(frame(TEXT, b"x"))
            assert await peer.read() == (SENT_TEXT, b"x")
        await peer.send(END)
        assert await peer.read_rest() == [NORMAL]
        await story.wait()


async def test_a_peer_that_is_not_read_is_neither_pinged_nor_judged(clock: Clock) -> None:
    gate = asyncio.Event()

    async def receive_late(ws: web.WebSocketResponse, story: Story) -> None:
        await gate.wait()
        await listen(ws, story)

    async with opened(receive_late, heartbeat=HEARTBEAT) as (peer, story):
        data = frame(BINARY, b"x" * 10_000) * 300
        sending = asyncio.create_task(peer.send(data + END))
        await story.until(lambda: story._ws and story.channel and not story.channel.is_listening)
        for _ in range(5):
            await clock.advance(HEARTBEAT)
        gate.set()
        await sending
        assert await peer.read_rest() == [NORMAL]
        await story.wait()
    assert len(story.messages) == 300
    assert story.ws.close_code == 1000


async def test_a_close_of_ours_ends_the_heart(clock: Clock) -> None:
    async def close(ws: web.WebSocketResponse, story: Story) -> None:
        await ws.close()

    async with opened(close, heartbeat=HEARTBEAT, timeout=HEARTBEAT * 10) as (peer, story):
        assert await peer.read() == NORMAL
        for _ in range(4):
            await clock.advance(HEARTBEAT)
        await peer.send(END)
        assert await peer.read_rest() == []
        await story.wait()
    assert (story.ws.close_code, story.ws.exception()) == (1000, None)


async def test_a_close_of_the_peer_ends_the_heart(clock: Clock) -> None:
    gate = asyncio.Event()

    async def receive_late(ws: web.WebSocketResponse, story: Story) -> None:
        await gate.wait()
        await listen(ws, story)

    async with opened(receive_late, heartbeat=HEARTBEAT) as (peer, story):
        await peer.send(END)
        await story.until(lambda: story._ws and story.channel and story.channel._inbox)
        for _ in range(4):
            await clock.advance(HEARTBEAT)
        gate.set()
        assert await peer.read_rest() == [NORMAL]
        await story.wait()
    assert (story.ws.close_code, story.ws.exception()) == (1000, None)


# -- bounds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 10_000, 256 * 1024])
async def test_sending_waits_while_the_peer_does_not_read(limit: int) -> None:
    async def send(ws: web.WebSocketResponse, story: Story) -> None:
        for number in range(200):
            await ws.send_bytes(bytes([number]) * 100_000)
            story.messages.append((number,))

    async with opened(send, writer_limit=limit) as (peer, story):
        await story.until(lambda: story._ws and story.channel and story.channel._wire.room())
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(story.messages) < 199
        assert story.channel._wire.transport.get_write_buffer_size() <= limit + 100_010
        for number in range(200):
            assert await peer.read() == (SENT_BINARY, bytes([number]) * 100_000)
        await peer.send(END)
        assert await peer.read_rest() == [NORMAL]
        await story.wait()


async def test_senders_that_wait_for_the_same_room_all_go_on() -> None:
    """Also when one of them is cancelled."""

    async def send(ws: web.WebSocketResponse, story: Story) -> None:
        data = bytes(3_000_000)
        tasks = [asyncio.create_task(ws.send_bytes(data)) for _ in range(4)]
        await story.until(lambda: story.channel._wire.room())
        tasks[1].cancel()
        story.messages += [await asyncio.gather(*tasks, return_exceptions=True)]  # type: ignore[list-item]  # whatever came of them

    async with opened(send) as (peer, story):
        for _ in range(4):
            assert await peer.read() == (SENT_BINARY, bytes(3_000_000))
        await peer.send(END)
        assert await peer.read_rest() == [NORMAL]
        await story.wait()
    assert [type(each) for each in story.messages[0]].count(asyncio.CancelledError) == 1


@pytest.mark.parametrize("size", [0, 10, 1000, 100_000])
async def test_reading_pauses_while_nobody_receives(size: int) -> None:
    """What waits is bounded, and nothing of it is lost or out of order."""
    gate = asyncio.Event()
    count = 5_000_000 // (size + 500)

    async def receive_late(ws: web.WebSocketResponse, story: Story) -> None:
        await gate.wait()
        await listen(ws, story)

    async with opened(receive_late) as (peer, story):
        data = b"".join(
            frame(BINARY, (b"%d:" % number + bytes(size))[:size]) for number in range(count)
        )
        sending = asyncio.create_task(peer.send(data + END))
        await story.until(lambda: story._ws and story.channel and not story.channel.is_listening)
        for _ in range(10):
            await asyncio.sleep(0)
        channel = story.channel
        waiting = sum(len(message.data) + 128 for message in channel._inbox)
        unread = len(channel._assembler.buffer)
        gate.set()
        assert await peer.read_rest() == [NORMAL]
        await sending
        await story.wait()
    assert waiting <= 128 * 1024 + size + 128
    assert unread <= 2**18 + size + 14  # what one read of the transport gives, and part of a frame
    assert [message[1] for message in story.messages] == [
        (b"%d:" % number + bytes(size))[:size] for number in range(count)
    ]


# -- the end of the server -------------------------------------------------------------------------


async def test_a_stop_tells_peers_that_the_server_goes_away() -> None:
    """`async for` ends, and the handler cleans up."""
    story = Story()
    async with serve(app_of(listen, story)) as served, connect(served) as peer:
        await story.until(lambda: story._ws and story.ws._receiving)
        stopping = asyncio.create_task(served.runner.cleanup())
        assert await peer.read() == GOING_AWAY
        await peer.send(close_frame(1001))
        assert await peer.read_rest() == []
        await stopping
        await story.wait()
    assert story.ws.closed


@pytest.mark.parametrize("handler", [listen, never])
async def test_a_stop_does_not_wait_for_peers_without_end(handler: Any) -> None:
    story = Story()
    async with serve(app_of(handler, story), shutdown_timeout=0.05) as served:
        async with connect(served) as peer:
            await story.until(lambda: story._ws and story.channel)
            await served.runner.cleanup()
            assert story.ended.is_set()
            with contextlib.suppress(ConnectionError):
                assert await peer.read_rest() == [GOING_AWAY]


async def test_an_application_may_close_its_websockets_itself() -> None:
    """The pattern of aiohttp's documentation."""
    sockets: weakref.WeakSet[web.WebSocketResponse] = weakref.WeakSet()

    async def keep(ws: web.WebSocketResponse, story: Story) -> None:
        sockets.add(ws)
        await listen(ws, story)

    async def close_all(app: web.Application) -> None:
        for ws in set(sockets):
            await ws.close(code=WSCloseCode.GOING_AWAY, message=b"Server shutdown")

    story = Story()
    app = app_of(keep, story)
    app.on_shutdown.append(close_all)
    async with serve(app) as served, connect(served) as peer:
        await story.until(lambda: story._ws and story.ws._receiving)
        stopping = asyncio.create_task(served.runner.cleanup())
        assert await peer.read() == (SENT_CLOSE, b"\x03\xe9Server shutdown")
        await peer.send(close_frame(1001))
        assert await peer.read_rest() == []
        await stopping
        await story.wait()
    assert story.ws.close_code == 1001


async def test_a_websocket_that_opens_during_a_stop_is_told_at_once() -> None:
    gate = asyncio.Event()
    story = Story()
    app = app_of(listen, story)

    @web.middleware
    async def wait(request: web.Request, handler: Any) -> Any:
        gate.set()
        await stopping_seen.wait()
        return await handler(request)

    stopping_seen = asyncio.Event()
    app.middlewares.append(wait)
    async with serve(app) as served, served.connect() as wire:
        await wire.send(handshake())
        await gate.wait()
        stopping = asyncio.create_task(served.runner.cleanup())
        server = served.runner.server
        assert server is not None
        await story.until(lambda: server.stopping or not server.connections)
        stopping_seen.set()
        assert (await wire.read_head())[0] == b"HTTP/1.1 101 Switching Protocols"
        peer = Peer(wire, {})
        assert await peer.read() == GOING_AWAY
        await peer.send(close_frame(1001))
        assert await peer.read_rest() == []
        await stopping
        await story.wait()


# -- logs ------------------------------------------------------------------------------------------


async def test_the_access_log_has_one_line_of_a_websocket(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At its end, with all the bytes that were sent."""
    caplog.set_level(logging.INFO)
    story = Story()
    log = logging.getLogger("test.access")
    options: Any = {"access_log": log, "access_log_format": "%r %s %b"}
    async with serve(app_of(echo, story), **options) as served, served.connect() as wire:
        await wire.send(handshake() + frame(TEXT, b"Hello") + END)
        sent = await wire.read_all()
    lines = [record.getMessage() for record in caplog.records if record.name == log.name]
    assert lines == [f"GET / HTTP/1.1 101 {len(sent)}"]


# -- any sequence of events ------------------------------------------------------------------------


class FakeWire:
    """A connection in memory, which notes what a channel does with it."""

    def __init__(self) -> None:
        self.written = b""
        self.bytes_sent = 0
        self.ended = False
        self.full: asyncio.Future[None] | None = None
        self.is_reading = True

    def write(self, data: bytes) -> None:
        if self.ended:
            raise ClientConnectionResetError("written behind the end")
        self.written += data

    def write_frame(self, data: bytes) -> asyncio.Future[None] | None:
        self.write(data)
        return self.full

    def room(self) -> asyncio.Future[None] | None:
        return self.full

    def limit_writes(self, size: int) -> None:
        """Nothing is queued here."""

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    max_fragments = 1000

    def leave_channel(self, *, at_once: bool) -> None:
        self.ended = True

    def cut(self, cause: BaseException) -> None:
        self.ended = True

    def frames(self) -> Iterator[int]:
        """Give the opcodes of what was written, of which none is long."""
        at = 0
        while at < len(self.written):
            yield self.written[at] & 0x0F
            at += 2 + self.written[at + 1]


LEGAL = {
    ChannelState.OPEN: set(ChannelState),
    ChannelState.CLOSING: {ChannelState.CLOSING, ChannelState.CLOSED, ChannelState.LOST},
    ChannelState.CLOSE_RECEIVED: {
        ChannelState.CLOSE_RECEIVED,
        ChannelState.CLOSED,
        ChannelState.LOST,
    },
    ChannelState.CLOSED: {ChannelState.CLOSED},
    ChannelState.LOST: {ChannelState.LOST},
}
EVENTS = {
    "text": frame(TEXT, b"x"),
    "large": frame(BINARY, bytes(200_000)),
    "ping": frame(PING, b"p"),
    "close": END,
    "wrong": frame(3),
    "half": b"\x81",
}
ACTIONS = ["send", "ping_peer", "close_ours", "go_away", "drop", "lost", "receive", "clog", "clear"]


@contextlib.asynccontextmanager
async def channel_over(wire: FakeWire, options: ChannelOptions) -> AsyncIterator[SocketChannel]:
    channel = SocketChannel(wire, wire, options)
    try:
        yield channel
    finally:
        channel.lost(ClientConnectionResetError("at the end"))
        if wire.full is not None and not wire.full.done():
            wire.full.set_result(None)


async def act(channel: SocketChannel, wire: FakeWire, action: str) -> None:
    """Let one thing happen; what waits is cancelled."""
    if action in EVENTS:
        if not wire.ended:
            channel.feed(EVENTS[action])
    elif action in ("go_away", "ping_peer"):
        getattr(channel, action)()
    elif action in ("drop", "lost"):
        wire.ended = wire.ended or action == "lost"
        getattr(channel, action)(ClientConnectionResetError(action))
    elif action == "clog":
        wire.full = wire.full or asyncio.get_running_loop().create_future()
    elif action == "clear":
        room, wire.full = wire.full, None
        if room is not None:
            room.set_result(None)
    else:
        await call(channel, action)


async def call(channel: SocketChannel, action: str) -> None:
    waits = {
        "send": lambda: channel.send(web.WSMsgType.TEXT, "x"),
        "close_ours": channel.close,
        "receive": channel.receive,
    }[action]
    may_send = channel.state in (ChannelState.OPEN, ChannelState.CLOSE_RECEIVED)
    task = asyncio.ensure_future(waits())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    except ClientConnectionResetError:
        assert not may_send
        assert action == "send"


@given(
    actions=st.lists(st.sampled_from([*EVENTS, *ACTIONS]), max_size=15),
    autoclose=st.booleans(),
    autoping=st.booleans(),
)
@settings(max_examples=200, deadline=None)
async def test_any_sequence_of_events_ends_in_a_legal_state(
    actions: list[str], autoclose: bool, autoping: bool
) -> None:
    """One close frame at most, nothing behind it, and nothing behind the end of the connection."""
    wire = FakeWire()
    options = ChannelOptions(autoclose=autoclose, autoping=autoping, heartbeat=60)
    async with channel_over(wire, options) as channel:
        state = channel.state
        for action in actions:
            await act(channel, wire, action)
            assert channel.state in LEGAL[state]
            state = channel.state
            assert CLOSE not in [*wire.frames()][:-1]
            assert wire.bytes_sent >= len(wire.written)
            if state is ChannelState.CLOSED:
                assert wire.ended
                assert [*wire.frames()][-1] == CLOSE
            if state is not ChannelState.CLOSE_RECEIVED:
                assert (channel.close_code == 1006) == (state is ChannelState.LOST)
        channel.lost(ClientConnectionResetError("at the end"))
        async with asyncio.timeout(PATIENCE):
            while (await channel.receive()).type is not web.WSMsgType.CLOSED:
                pass
            assert (await channel.receive()).type is web.WSMsgType.CLOSED


@pytest.mark.parametrize("bits", [9, 15])
async def test_the_memory_of_compression_is_an_option(bits: int) -> None:
    """What is sent keeps to the window; the client is told of it."""
    async with (
        serve(app_of(echo, Story()), ws_window_bits=bits, ws_memory_level=1) as served,
        connect(served, f"{DEFLATE}; client_max_window_bits") as peer,
    ):
        told = peer.fields[b"sec-websocket-extensions"]
        assert f"server_max_window_bits={bits}".encode() in told
        assert f"client_max_window_bits={bits}".encode() in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ws_window_bits", 8),
        ("ws_window_bits", 16),
        ("ws_window_bits", "12"),
        ("ws_memory_level", 0),
        ("ws_memory_level", 10),
    ],
)
async def test_memory_that_zlib_cannot_have_is_refused(name: str, value: Any) -> None:
    runner = web.AppRunner(web.Application(), **{name: value})
    with pytest.raises(ValueError, match=f"{name} should be "):
        await runner.setup()
