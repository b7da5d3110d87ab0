"""Checks of WebSockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from support.sockets import LOST, Closed, Refused, Socket

from .checks import Record, check
from .clients import Client, Power
from .rich_sockets import MAX_MESSAGE

_PATIENCE = 5.0
_NAMES = ("/ws/refuse/401", "/ws/refuse/503", "/ws/nowhere", "/only-post", "/item/7")


@asynccontextmanager
async def _open(client: Client, target: str, **kwargs: Any) -> AsyncIterator[Socket]:
    async with await client.open_socket(target, **kwargs) as ws:
        yield ws


def _show(message: str | bytes | Closed) -> Record:
    if isinstance(message, Closed):
        return ["closed", message.code, message.reason]
    return message if isinstance(message, str) else ["bytes", len(message), message[:20].hex()]


async def _receive(ws: Socket) -> Record:
    try:
        async with asyncio.timeout(_PATIENCE):
            return _show(await ws.receive())
    except TimeoutError:
        return "nothing came"


async def _receive_all(client: Client, target: str, **kwargs: Any) -> Record:
    """Give all that comes, its end included."""
    seen: list[Record] = []
    async with _open(client, target, **kwargs) as ws:
        while "nothing came" not in seen and not any(each[:1] == ["closed"] for each in seen):
            seen.append(await _receive(ws))
    return seen


async def _refusal(client: Client, target: str) -> Record:
    try:
        async with _open(client, target):
            return "accepted"
    except Refused as exc:
        answer = exc.answer
        return [answer.status, answer.fields.get("X-Why"), answer.body.decode()]
    except ConnectionResetError:
        return "cut"


@check(Power.SOCKET)
async def check_socket_echoes_text_and_bytes(client: Client) -> Record:
    async with _open(client, "/ws/echo") as ws:
        seen = []
        for data in ("größe", b"\x00\x01\xff", "", b"", "l" * 300_000):
            await ws.send(data)
            seen.append(await _receive(ws))
        await ws.close()
    return [seen[:-1], len(seen[-1])]


@check(Power.SOCKET)
async def check_socket_keeps_the_order(client: Client) -> Record:
    async with _open(client, "/ws/echo") as ws:
        for number in range(100):
            await ws.send(str(number))
        seen = [await _receive(ws) for _ in range(100)]
    return seen == [f"text {number}" for number in range(100)]


@check(Power.SOCKET)
async def check_socket_of_json(client: Client) -> Record:
    async with _open(client, "/ws/json") as ws:
        await ws.send('{"a": "ü"}')
        await ws.send("string")
        await ws.send(b"binary")
        return [await _receive(ws) for _ in range(4)]


@check(Power.SOCKET)
async def check_request_of_a_socket(client: Client) -> Record:
    """Its URL is spelled with http, and its path is whole."""
    fields = {"Cookie": "a=1"}
    return (await _receive_all(client, "/ws/facts?q=%C3%BC", fields=fields))[0]


@check(Power.SOCKET)
async def check_subprotocols(client: Client) -> Record:
    seen = []
    for offered in (["one", "two"], ["two"], ["three"], []):
        async with _open(client, "/ws/protocol", subprotocols=offered) as ws:
            seen.append([ws.subprotocol, await _receive(ws)])
    return seen


@check(Power.SOCKET)
async def check_fields_of_an_acceptance(client: Client) -> Record:
    async with _open(client, "/ws/fields") as ws:
        return [ws.fields.get("X-Accepted"), ws.fields.getall("Set-Cookie", [])]


@check(Power.SOCKET)
async def check_socket_that_pushes(client: Client) -> Record:
    return await _receive_all(client, "/ws/push")


@check(Power.SOCKET)
async def check_codes_of_a_close(client: Client) -> Record:
    codes = (1000, 1001, 1003, 1008, 1011, 1012, 3000, 4999)
    return [await _receive_all(client, f"/ws/close/{code}") for code in codes]


@check(Power.SOCKET)
async def check_socket_whose_handler_returns(client: Client) -> Record:
    return await _receive_all(client, "/ws/return")


@check(Power.SOCKET)
async def check_socket_whose_handler_fails(client: Client) -> Record:
    """aiohttp drops the connection; a host may say 1011 first."""
    *data, end = await _receive_all(client, "/ws/error")
    return [data, end[1] in (1011, LOST)]


@check(Power.SOCKET)
async def check_socket_whose_handler_fails_before(client: Client) -> Record:
    return (await _refusal(client, "/ws/error-before"))[0]


@check(Power.SOCKET)
async def check_socket_that_is_refused(client: Client) -> Record:
    return [await _refusal(client, each) for each in _NAMES]


@check(Power.SOCKET)
async def check_sockets_and_others_on_one_route(client: Client) -> Record:
    return [(await client.get("/ws/plain")).text, await _receive_all(client, "/ws/plain")]


@check(Power.SOCKET)
async def check_request_for_no_socket(client: Client) -> Record:
    return (await client.get("/ws/echo")).status


@check(Power.SOCKET)
async def check_message_that_is_too_large(client: Client) -> Record:
    async with _open(client, "/ws/limited") as ws:
        await ws.send("a" * (MAX_MESSAGE - 1))
        seen = [await _receive(ws)]
        await ws.send(b"a" * (MAX_MESSAGE + 1))
        end = await _receive(ws)
        return [*seen, end[:2] if isinstance(end, list) else end]


@check(Power.SOCKET)
async def check_receive_that_is_given_up(client: Client) -> Record:
    async with _open(client, "/ws/timeout") as ws:
        seen = [await _receive(ws), await _receive(ws)]
        await ws.send("late")
        return [*seen, await _receive(ws), await _receive(ws)]


@check(Power.SOCKET)
async def check_sending_while_receiving(client: Client) -> Record:
    async with _open(client, "/ws/both") as ws:
        for number in range(20):
            await ws.send(f"m{number}")
        return [await _receive(ws) for _ in range(21)]


@check(Power.SOCKET)
async def check_pings(client: Client) -> Record:
    """Those of the client are answered; those of the handler disturb nobody."""
    async with _open(client, "/ws/echo") as ws:
        await ws.ping()
        await ws.send("after")
        seen = await _receive(ws)
    return [seen, await _receive_all(client, "/ws/ping")]


async def _end_in_journal(client: Client, key: str, code: int | None, reason: str) -> Record:
    async with _open(client, f"/ws/journal/{key}") as ws:
        await ws.send("one")
        await client.read_journal(key, 2)
        if code is None:
            await ws.abort()
        else:
            await ws.close(code, reason)
        return await client.read_journal(key, 4)


@check(Power.SOCKET, Power.CONCURRENT)
async def check_close_of_the_client(client: Client) -> Record:
    return [
        await _end_in_journal(client, "close-1000", 1000, ""),
        await _end_in_journal(client, "close-4321", 4321, "größe"),
    ]


@check(Power.DROP, Power.SOCKET)
async def check_socket_that_is_lost(client: Client) -> Record:
    return (await _end_in_journal(client, "socket-lost", None, ""))[3:]


@check(Power.SOCKET, Power.CONCURRENT)
async def check_close_by_another_task(client: Client) -> Record:
    key = "by-another"
    async with _open(client, f"/ws/closed-by-other/{key}") as ws:
        await client.open_gate(key)
        seen = await _receive(ws)
    return [seen, await client.read_journal(key, 1)]


@check(Power.SOCKET, Power.CONCURRENT)
async def check_sending_behind_the_close(client: Client) -> Record:
    key = "send-behind"
    async with _open(client, f"/ws/send-after/{key}") as ws:
        await ws.close(1000)
    return await client.read_journal(key, 1)
