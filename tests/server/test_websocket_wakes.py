"""Whoever waits for a message is handed it as its bytes come in, and none is lost by that."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from bascule.channel import ChannelOptions
from bascule.server.channel import SocketChannel
from bascule.wire.frames import WSMsgType
from support.frames import BINARY, CLOSE, TEXT, frame


class Wire:
    """A connection that keeps what is written, and has room."""

    is_reading = True
    max_fragments = 1000

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    write_frame = write

    def room(self) -> None:
        return None

    def limit_writes(self, size: int) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def leave_channel(self, *, at_once: bool) -> None: ...
    def cut(self, cause: BaseException) -> None: ...


def make_channel() -> tuple[SocketChannel, Wire]:
    wire = Wire()
    return SocketChannel(wire, SimpleNamespace(bytes_sent=0), ChannelOptions()), wire


async def call(function: Callable[[], Any]) -> Any:
    """Call a function in a step of the loop that is no task's."""
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: done.set_result(function()))
    return await done


async def all_of(waiting: list[asyncio.Task[Any]]) -> list[Any]:
    """Give the results of all; a message that is lost is an error, not a wait without end."""
    async with asyncio.timeout(5):
        return await asyncio.gather(*waiting)


async def echo(channel: SocketChannel) -> None:
    while True:
        message = await channel.receive()
        await channel.send(message.type, message.data)


@pytest.fixture
async def echoing() -> Any:
    channel, wire = make_channel()
    task = asyncio.create_task(echo(channel))
    await asyncio.sleep(0)
    yield channel, wire
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_message_is_answered_in_the_next_step(echoing: Any) -> None:
    channel, wire = echoing
    for text in (b"one", b"two"):
        wire.sent = b""
        await call(lambda text=text: channel.feed(frame(TEXT, text)))
        await asyncio.sleep(0)
        assert wire.sent == b"\x81\x03" + text


async def test_messages_that_come_at_once_are_all_answered(echoing: Any) -> None:
    channel, wire = echoing
    await call(lambda: channel.feed(frame(TEXT, b"one") + frame(BINARY, b"two")))
    await asyncio.sleep(0)
    assert wire.sent == b"\x81\x03one\x82\x03two"


async def test_nobody_runs_inside_of_the_call_that_brings_bytes(echoing: Any) -> None:
    """Else an answer of one connection would delay what has come to the others."""
    channel, wire = echoing
    assert await call(lambda: (channel.feed(frame(TEXT, b"one")), wire.sent)[1]) == b""
    while not wire.sent:
        await asyncio.sleep(0)
    assert wire.sent == b"\x81\x03one"


async def test_those_who_wait_get_a_message_each_in_their_order() -> None:
    channel, _ = make_channel()
    waiting = [asyncio.create_task(channel.receive()) for _ in range(3)]
    await asyncio.sleep(0)
    channel.feed(frame(TEXT, b"a") + frame(TEXT, b"b") + frame(TEXT, b"c") + frame(TEXT, b"d"))
    assert [message.data for message in await all_of(waiting)] == ["a", "b", "c"]
    assert (await channel.receive()).data == "d"


async def test_a_message_of_one_that_is_cancelled_keeps_its_place() -> None:
    channel, _ = make_channel()
    waiting = asyncio.create_task(channel.receive())
    await asyncio.sleep(0)
    channel.feed(frame(TEXT, b"one"))
    channel.feed(frame(TEXT, b"two"))
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    late = [asyncio.create_task(channel.receive()) for _ in range(2)]
    assert [message.data for message in await all_of(late)] == ["one", "two"]


async def test_all_who_wait_are_let_go_when_it_is_lost() -> None:
    channel, _ = make_channel()
    waiting = [asyncio.create_task(channel.receive()) for _ in range(3)]
    await asyncio.sleep(0)
    channel.feed(frame(TEXT, b"one"))
    channel.lost(ConnectionResetError("gone"))
    assert [message.data for message in await all_of(waiting)] == ["one", None, None]


async def test_all_who_wait_are_let_go_behind_a_close() -> None:
    channel, _ = make_channel()
    waiting = [asyncio.create_task(channel.receive()) for _ in range(3)]
    await asyncio.sleep(0)
    channel.feed(frame(CLOSE, b"\x03\xe8"))
    kinds = [message.type for message in await all_of(waiting)]
    assert kinds == [WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSED]


async def test_a_flood_leaves_others_their_turn() -> None:
    channel, _ = make_channel()
    channel.feed(frame(TEXT, b"x") * 100)
    ticks: list[int] = []

    async def take() -> int:
        for count in range(100):
            await channel.receive()
            if ticks:
                return count
        return 100

    taking = asyncio.create_task(take())
    asyncio.get_running_loop().call_soon(ticks.append, 1)
    assert await taking < 100


async def test_one_that_is_cancelled_as_it_is_woken_leaves_its_message() -> None:
    channel, _ = make_channel()
    second: asyncio.Task[Any]

    async def take_and_cancel() -> Any:
        message = await channel.receive()
        second.cancel()
        return message.data

    first = asyncio.create_task(take_and_cancel())
    await asyncio.sleep(0)
    second = asyncio.create_task(channel.receive())
    await asyncio.sleep(0)
    third = asyncio.create_task(channel.receive())
    await asyncio.sleep(0)
    await call(lambda: channel.feed(frame(TEXT, b"one") + frame(TEXT, b"two")))
    await asyncio.wait([first, second])
    assert first.result() == "one"
    assert second.cancelled()
    await asyncio.sleep(0)
    assert third.done()
    assert third.result().data == "two"


async def test_a_cancelled_wait_leaves_the_next_message() -> None:
    channel, _ = make_channel()
    waiting = asyncio.create_task(channel.receive())
    await asyncio.sleep(0)
    waiting.cancel("why")
    with pytest.raises(asyncio.CancelledError, match="why"):
        await waiting
    await call(lambda: channel.feed(frame(TEXT, b"one")))
    assert (await channel.receive()).data == "one"


async def test_one_that_is_being_cancelled_is_passed_over() -> None:
    channel, _ = make_channel()
    waiting = [asyncio.create_task(channel.receive()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    channel.feed(frame(TEXT, b"one"))
    assert [message.data for message in await all_of(waiting[1:])] == ["one"]
    assert waiting[0].cancelled()


async def test_a_limit_of_time_ends_a_wait() -> None:
    channel, _ = make_channel()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(channel.receive(), 0.001)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await channel.receive()
    channel.feed(frame(TEXT, b"one"))
    assert (await channel.receive()).data == "one"
