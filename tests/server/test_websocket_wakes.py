"""Whoever waits for a message runs from where its bytes came in, and no message is lost by that."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from bascule.channel import ChannelOptions
from bascule.server.channel import SocketChannel
from support.frames import BINARY, TEXT, frame


class Wire:
    """A connection that keeps what is written, and has room."""

    is_reading = True
    max_fragments = 1000

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

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


async def test_a_message_is_answered_before_the_call_that_brings_it_returns(echoing: Any) -> None:
    channel, wire = echoing
    for text in (b"one", b"two"):

        def feed(text: bytes = text) -> bytes:
            wire.sent = b""
            channel.feed(frame(TEXT, text))
            return bytes(wire.sent)

        assert await call(feed) == b"\x81\x03" + text


async def test_messages_that_come_at_once_are_all_answered(echoing: Any) -> None:
    channel, wire = echoing
    await call(lambda: channel.feed(frame(TEXT, b"one") + frame(BINARY, b"two")))
    assert wire.sent == b"\x81\x03one\x82\x03two"


async def test_within_a_task_nobody_else_is_run(echoing: Any) -> None:
    channel, wire = echoing
    channel.feed(frame(TEXT, b"one"))
    assert wire.sent == b""
    while not wire.sent:
        await asyncio.sleep(0)
    assert wire.sent == b"\x81\x03one"


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


async def test_a_limit_of_time_ends_a_wait() -> None:
    channel, _ = make_channel()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(channel.receive(), 0.001)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await channel.receive()
    channel.feed(frame(TEXT, b"one"))
    assert (await channel.receive()).data == "one"
