"""Both sides of a WebSocket in memory, and with them what all kinds of channel have in common."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bascule import WSMsgType
from bascule.channel import ChannelOptions, ChannelState, ClientConnectionResetError
from bascule.testing import MemoryChannel, MemoryExchange

TEXT, BINARY = WSMsgType.TEXT, WSMsgType.BINARY


async def step(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@contextmanager
def begun(call: Any) -> Iterator[asyncio.Task[Any]]:
    """A call in a task of its own, which does not outlive the block."""
    task = asyncio.ensure_future(call)
    try:
        yield task
    finally:
        task.cancel()


async def test_messages_keep_their_order_and_their_kind() -> None:
    server, client = MemoryChannel.pair()
    messages: list[tuple[WSMsgType, str | bytes]] = [
        (TEXT, "a"),
        (BINARY, b"b"),
        (TEXT, ""),
        (BINARY, b""),
        (TEXT, "c" * 100_000),
    ]
    for kind, data in messages:
        await server.send(kind, data)
    assert [(await client.receive())[:2] for _ in messages] == messages
    assert (server.subprotocol, server.close_code, server.state) == (None, None, ChannelState.OPEN)


async def test_text_may_be_given_as_bytes_and_received_as_such() -> None:
    server, client = MemoryChannel.pair(ChannelOptions(decode_text=False))
    await server.send(TEXT, "\xe9".encode())
    assert (await client.receive()).data == "\xe9"
    await client.send(TEXT, "\xe9")
    assert (await server.receive()).data == b"\xc3\xa9"


async def test_a_receiver_waits_for_a_message() -> None:
    server, client = MemoryChannel.pair()
    with begun(client.receive()) as receiving:
        await step()
        assert not receiving.done()
        await server.send(TEXT, "a")
        assert (await receiving).data == "a"


async def test_a_cancelled_receive_loses_nothing() -> None:
    server, client = MemoryChannel.pair()
    with begun(client.receive()) as receiving:
        await step()
        await server.send(TEXT, "a")
        receiving.cancel()
        await step()
    assert (await client.receive()).data == "a"


async def test_a_cancelled_receive_does_not_take_the_wake_up_of_the_next() -> None:
    server, client = MemoryChannel.pair()
    with begun(client.receive()) as cancelled:
        await step()
        cancelled.cancel()
        with begun(client.receive()) as receiving:
            await step()
            await server.send(TEXT, "a")
            assert (await receiving).data == "a"


async def test_several_may_receive_and_each_message_goes_to_one() -> None:
    server, client = MemoryChannel.pair()
    with begun(client.receive()) as one, begun(client.receive()) as two:
        await step()
        await server.send(TEXT, "a")
        await server.send(TEXT, "b")
        assert {(await one).data, (await two).data} == {"a", "b"}
    with begun(client.receive()) as one, begun(client.receive()) as two:
        await step()
        await server.send(TEXT, "c")
        one.cancel()  # it was woken already: the message is the other's
        assert (await two).data == "c"
    with begun(client.receive()) as one, begun(client.receive()) as two:
        await step()
        server.drop(RuntimeError("x"))
        assert {(await one).type, (await two).type} == {WSMsgType.CLOSED}


async def test_a_sender_waits_while_the_other_side_does_not_receive() -> None:
    server, client = MemoryChannel.pair()
    count = 0

    async def flood() -> None:
        nonlocal count
        while True:
            await server.send(BINARY, bytes(1024))
            count += 1

    with begun(flood()) as flooding:
        await step(1000)
        assert 100 < count < 130
        before = count
        for _ in range(before):
            await client.receive()
        await step()
        assert count > before
        assert not flooding.done()


async def test_empty_messages_have_a_bound_too() -> None:
    server, _ = MemoryChannel.pair()
    count = 0

    async def flood() -> None:
        nonlocal count
        while True:
            await server.send(TEXT, "")
            count += 1

    with begun(flood()):
        await step(3000)
        assert count < 1100


async def test_a_close_ends_a_sender_that_waits() -> None:
    server, client = MemoryChannel.pair()

    async def flood() -> None:
        while True:
            await server.send(BINARY, bytes(1024))

    with begun(flood()) as flooding:
        await step(200)
        await client.close()
        await server.close()
        await step()
        assert isinstance(flooding.exception(), ClientConnectionResetError)


async def test_pings_are_answered_and_hidden() -> None:
    server, client = MemoryChannel.pair()
    with begun(server.receive()) as receiving:
        await client.send(WSMsgType.PING, b"p")
        await step()
        assert not receiving.done()
    open_server, open_client = MemoryChannel.pair(ChannelOptions(autoping=False))
    await open_client.send(WSMsgType.PING, b"p")
    assert await open_server.receive() == (WSMsgType.PING, b"p", "")
    await open_server.send(WSMsgType.PONG, b"p")
    await open_server.send(TEXT, "after")
    assert (await open_client.receive()).data == "after"


async def test_a_close_is_seen_by_both_sides() -> None:
    server, client = MemoryChannel.pair()
    await server.send(TEXT, "before")
    await server.close(4000, b"why")
    assert server.state is ChannelState.CLOSED  # the client answers at once
    assert (await client.receive()).data == "before"
    assert await client.receive() == (WSMsgType.CLOSE, 4000, "why")
    assert await client.receive() == (WSMsgType.CLOSED, None, None)
    assert await server.receive() == (WSMsgType.CLOSE, 4000, "")
    assert (server.close_code, client.close_code) == (4000, 4000)
    for side in (server, client):
        with pytest.raises(ClientConnectionResetError):
            await side.send(TEXT, "late")
        await side.close()


async def test_data_may_follow_the_close_of_the_other_side() -> None:
    """RFC 6455 section 5.5.1: an endpoint may finish what it is sending."""
    server, client = MemoryChannel.pair()
    await client.close(1001)
    assert await server.receive() == (WSMsgType.CLOSE, 1001, "")
    assert server.state is ChannelState.CLOSE_RECEIVED
    await server.send(TEXT, "last")
    await server.close()
    assert (await client.receive()).data == "last"
    assert (await client.receive()).type is WSMsgType.CLOSE


async def test_a_receiver_can_be_called_back() -> None:
    server, _ = MemoryChannel.pair()
    with begun(server.receive()) as receiving:
        await step()
        server.call_back()
        assert await receiving == (WSMsgType.CLOSING, None, None)
    server.call_back()  # nobody waits: nothing happens
    assert server.state is ChannelState.OPEN


async def test_a_server_that_stops_says_1001() -> None:
    server, client = MemoryChannel.pair()
    with begun(server.receive()) as receiving:
        await step()
        server.go_away()
        assert (await receiving).type is WSMsgType.CLOSING
    assert await client.receive() == (WSMsgType.CLOSE, 1001, "")
    server.go_away()
    assert await server.receive() == (WSMsgType.CLOSE, 1001, "")


async def test_a_drop_shows_as_a_loss() -> None:
    server, client = MemoryChannel.pair()
    cause = RuntimeError("x")
    with begun(client.receive()) as receiving:
        await step()
        server.drop(cause)
        assert (await receiving).type is WSMsgType.CLOSED
    assert (server.state, server.lost_by, server.close_code) == (ChannelState.LOST, cause, 1006)
    assert client.close_code == 1006
    assert isinstance(client.lost_by, ClientConnectionResetError)
    server.drop(RuntimeError("y"))
    assert server.lost_by is cause


async def test_a_peer_that_leaves_ends_the_channel() -> None:
    exchange = MemoryExchange()
    channel = await exchange.accept()
    with begun(channel.receive()) as receiving:
        await step()
        exchange.leave(ClientConnectionResetError("x"))
        assert (await receiving).type is WSMsgType.CLOSED
    assert channel.close_code == 1006


async def test_a_server_that_stops_is_heard_of_by_whoever_receives_next() -> None:
    server, client = MemoryChannel.pair()
    client.options = ChannelOptions(autoclose=False)  # a peer that does not answer
    await client.send(TEXT, "before")
    server.go_away()
    assert (await server.receive()).data == "before"
    assert (await server.receive()).type is WSMsgType.CLOSING
    with begun(server.receive()) as receiving:  # now for the peer's close
        await step()
        assert not receiving.done()
