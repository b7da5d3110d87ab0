"""Checks of answers that are streamed, of clients that leave, and of the end."""

import asyncio

from .checks import Record, check, clip, record
from .clients import Client, Power
from .rich_streams import FLOOD_SIZE

_PATIENCE = 5.0


async def _read_or_be_cut(client: Client, target: str) -> Record:
    """Give an answer, or what had come of it when it was cut."""
    data, end = b"", "ended"
    try:
        async with client.stream("GET", target) as streamed:
            try:
                while piece := await streamed.read_piece():
                    data += piece
            except ConnectionResetError:
                end = "cut"
            return [streamed.status, clip(data), end]
    except ConnectionResetError:
        return "cut before its head"


@check()
async def check_stream_in_pieces(client: Client) -> Record:
    return record(await client.get("/stream/pieces"))


@check()
async def check_stream_with_a_length(client: Client) -> Record:
    return record(await client.get("/stream/length"))


@check()
async def check_chunked_encoding(client: Client) -> Record:
    return record(await client.get("/stream/chunked"))


@check()
async def check_large_stream(client: Client) -> Record:
    return record(await client.get("/stream/big"))


@check()
async def check_events(client: Client) -> Record:
    return record(await client.get("/stream/events"))


@check()
async def check_echo_of_a_stream(client: Client) -> Record:
    body = [bytes([number]) * 10_000 for number in range(20)]
    return record(await client.post("/stream/echo", body=body))


@check(Power.STREAM)
async def check_surplus_behind_a_length(client: Client) -> Record:
    return await _read_or_be_cut(client, "/stream/surplus")


@check(Power.STREAM)
async def check_less_than_a_length(client: Client) -> Record:
    """(aiohttp leaves its client waiting for the rest.)"""
    try:
        async with asyncio.timeout(1):
            return (await _read_or_be_cut(client, "/stream/short"))[2] != "ended"
    except TimeoutError:
        return True


@check(Power.STREAM)
async def check_error_behind_the_head(client: Client) -> Record:
    return await _read_or_be_cut(client, "/stream/broken")


@check(Power.STREAM, Power.CONCURRENT)
async def check_head_comes_before_the_body(client: Client) -> Record:
    key = "head-first"
    try:
        async with asyncio.timeout(_PATIENCE):
            async with client.stream("GET", f"/stream/held/{key}") as streamed:
                seen = [streamed.status, streamed.fields["X-Held"]]
                await client.open_gate(key)
                return [*seen, (await streamed.read_until(4)).decode()]
    except TimeoutError:
        return "no head"
    finally:
        await client.open_gate(key)


@check(Power.STREAM, Power.CONCURRENT)
async def check_pieces_come_when_they_are_written(client: Client) -> Record:
    key = "pieces-come"
    async with client.stream("GET", f"/stream/gated/{key}") as streamed:
        try:
            async with asyncio.timeout(_PATIENCE):
                first = await streamed.read_until(6)
        except TimeoutError:
            first = b"nothing"
        await client.open_gate(key)
        return [first.decode(), (await streamed.read_until(6)).decode()]


@check(Power.WIRE)
async def check_echo_goes_both_ways_at_once(client: Client) -> Record:
    path = f"{client.prefix}/stream/echo".encode()
    async with client.open_wire() as wire:
        fields = b"Host: rich.test\r\nTransfer-Encoding: chunked"
        await wire.send(b"POST %s HTTP/1.1\r\n%s\r\n\r\n4\r\none;\r\n" % (path, fields))
        try:
            async with asyncio.timeout(_PATIENCE):
                seen = await wire.reader.readuntil(b"one;")
        except TimeoutError:
            return "no echo before the end"
        await wire.send(b"3\r\ntwo\r\n0\r\n\r\n")
        rest = await wire.reader.readuntil(b"0\r\n\r\n")
    return [seen[9:12].decode(), b"two" in rest]


@check(Power.CONCURRENT, Power.LEAVE, Power.STREAM)
async def check_endless_stream_that_is_left(client: Client) -> Record:
    key = "endless"
    async with client.stream("GET", f"/stream/endless/{key}") as streamed:
        await streamed.read_until(5)
        await streamed.leave()
    return await client.read_journal(key, 2)


@check(Power.CONCURRENT, Power.LEAVE, Power.STREAM)
async def check_writing_to_a_client_that_has_left(client: Client) -> Record:
    key = "left-while-waiting"
    async with client.stream("GET", f"/leave/{key}") as streamed:
        await streamed.read_until(5)
        await client.read_journal(key, 1)
        await streamed.leave()
    await client.open_gate(key)
    return await client.read_journal(key, 2)


async def _leave_before_the_answer(client: Client, key: str) -> Record:
    asking = asyncio.create_task(client.get(f"/wait/{key}"))
    await client.read_journal(key, 1)
    asking.cancel()
    await asyncio.wait([asking])


@check(Power.CONCURRENT, Power.LEAVE)
async def check_handler_goes_on_without_its_client(client: Client) -> Record:
    key = "goes-on"
    await _leave_before_the_answer(client, key)
    await asyncio.sleep(0.1)  # time for a host that would cancel it
    await client.open_gate(key)
    return await client.read_journal(key, 2)


@check(Power.CONCURRENT, Power.LEAVE, cancels=True)
async def check_handler_is_cancelled_without_its_client(client: Client) -> Record:
    key = "is-cancelled"
    await _leave_before_the_answer(client, key)
    return await client.read_journal(key, 2)


@check(Power.CONCURRENT, Power.LEAVE, Power.STREAM, cancels=True)
async def check_stream_is_cancelled_without_its_client(client: Client) -> Record:
    """By the cancellation, or by the write that fails first."""
    key = "stream-is-cancelled"
    async with client.stream("GET", f"/stream/endless/{key}") as streamed:
        await streamed.read_until(5)
        await streamed.leave()
    seen = await client.read_journal(key, 2)
    return [seen[0] in ("reset", "cancelled"), seen[1:]] if seen else seen


@check(Power.CONCURRENT)
async def check_requests_at_once(client: Client) -> Record:
    """Those that wait do not keep others waiting."""
    keys = [f"at-once-{number}" for number in range(10)]
    asking = [asyncio.create_task(client.get(f"/wait/{key}")) for key in keys]
    for key in reversed(keys):
        await client.read_journal(key, 1)
        await client.open_gate(key)
    return [record(answer) for answer in await asyncio.gather(*asking)]


@check(Power.WIRE, Power.LEAVE, slow=True)
async def check_handler_waits_for_a_client_that_does_not_read(client: Client) -> Record:
    key = "flood"
    path = f"{client.prefix}/stream/flood/{key}".encode()
    async with client.open_wire() as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # as of all streams
        await wire.send(b"GET %s HTTP/1.0\r\nHost: rich.test\r\n\r\n" % path)
        await client.read_journal(key, 1)
        await asyncio.sleep(0.7)  # time to write it all, were nobody to wait
        waits = list(await client.read_journal(key, 1))
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]  # likewise
        _, _, body = (await wire.read_all()).partition(b"\r\n\r\n")
    return [waits, len(body) == FLOOD_SIZE, await client.read_journal(key, 2)]
