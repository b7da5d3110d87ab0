"""Clients that mean no good, each a scenario: `async def scenario(port, count, hold)`.

They expect a server with these targets: ``/`` answers at once, ``/slow`` some tenths of a second
later, ``/large`` with 32 MiB in pieces, ``/echo`` with the size of the body, ``/unread`` without
reading it, ``/ws`` is a WebSocket. What the server does to them is no concern of theirs.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

__all__ = ["SCENARIOS", "Scenario"]

# A port, how many clients or messages, and seconds that those stay who only stay.
Scenario = Callable[[int, int, float], Awaitable[None]]

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
_HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_MASK = bytes(4)  # with which the payload stays as it is
# Clients that are under way at a time.
_AT_ONCE = 100
# Seconds after which a client gives up.
_PATIENCE = 20.0
_RESET = struct.pack("ii", 1, 0)


class _Client:
    """One connection; it reads nothing that it is not told to."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, port: int, *, window: int | None = None) -> "_Client":
        """Connect; a small window makes a client that reads nothing felt soon."""
        sock = socket.socket()
        sock.setblocking(False)
        if window is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(_PATIENCE):
            await self._loop.sock_sendall(self._sock, data)

    async def send_while_taken(self, data: bytes, patience: float) -> None:
        """Send until nothing more is taken for a while, or it is cut."""
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(patience):
                await self._loop.sock_sendall(self._sock, data)

    async def read(self, size: int = 65536) -> bytes:
        async with asyncio.timeout(_PATIENCE):
            return await self._loop.sock_recv(self._sock, size)

    async def read_until_cut(self, patience: float) -> None:
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(patience):
                while await self._loop.sock_recv(self._sock, 65536):
                    pass

    def leave(self, *, reset: bool) -> None:
        """Close by a FIN, or by a reset."""
        if reset:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._sock.close()


async def _crowd(count: int, one: Callable[[int], Awaitable[None]]) -> None:
    """Let many clients do the same, some at a time; what befalls one is its own matter."""
    numbers: Iterator[int] = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            with suppress(OSError, TimeoutError):
                await one(number)

    await asyncio.gather(*(worker() for _ in range(min(count, _AT_ONCE))))


def _aborting(data: bytes, read: int = 0) -> Scenario:
    """Make clients that send so much, read so much and leave, half of them by a reset."""

    async def scenario(port: int, count: int, hold: float) -> None:
        async def one(number: int) -> None:
            client = await _Client.connect(port)
            try:
                if data:
                    await client.send(data)
                if read:
                    await client.read(read)
            finally:
                client.leave(reset=bool(number % 2))

        await _crowd(count, one)

    return scenario


def _staying(data: bytes, *, window: int | None = None) -> Scenario:
    """Make clients that send so much and stay without reading, then leave by a reset."""

    async def scenario(port: int, count: int, hold: float) -> None:
        clients: list[_Client] = []

        async def one(number: int) -> None:
            client = await _Client.connect(port, window=window)
            clients.append(client)
            await client.send_while_taken(data, hold)

        await _crowd(count, one)
        await asyncio.sleep(hold)
        for client in clients:
            client.leave(reset=True)

    return scenario


def _dripping(data: bytes) -> Scenario:
    """Make clients that send a byte at a time."""

    async def scenario(port: int, count: int, hold: float) -> None:
        async def one(client: _Client) -> None:
            with suppress(OSError, TimeoutError):
                for at in range(len(data)):
                    await client.send(data[at : at + 1])
                    await asyncio.sleep(hold / len(data))

        clients = [await _Client.connect(port) for _ in range(count)]
        await asyncio.gather(*map(one, clients))
        for client in clients:
            client.leave(reset=False)

    return scenario


def _flooding(opening: bytes, make: Callable[[int], bytes], *, reads: bool) -> Scenario:
    """Make one client that sends a flood; `make` gives it for a count."""

    async def scenario(port: int, count: int, hold: float) -> None:
        client = await _Client.connect(port)
        try:
            await client.send(opening)
            if opening is _HANDSHAKE:
                await client.read()
            reading = asyncio.ensure_future(client.read_until_cut(hold) if reads else _nothing())
            await client.send_while_taken(make(count), hold)
            await reading
        finally:
            client.leave(reset=True)

    return scenario


async def _nothing() -> None:
    pass


def _frame(first: int, payload: bytes = b"") -> bytes:
    return bytes([first, 0x80 | len(payload)]) + _MASK + payload


async def _giant_frames(port: int, count: int, hold: float) -> None:
    """Declare 1 GiB, and send some of it."""

    async def one(number: int) -> None:
        client = await _Client.connect(port)
        try:
            await client.send(_HANDSHAKE)
            await client.read()
            head = b"\x82\xff" + (1 << 30).to_bytes(8, "big") + _MASK
            await client.send_while_taken(head + bytes(8_000_000), hold)
        finally:
            client.leave(reset=True)

    await _crowd(count, one)


_POST = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_TAKEN = b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n" + bytes(8_000_000)

# Each with the count of a long run.
SCENARIOS: dict[str, tuple[Scenario, int]] = {
    "abort before the first byte": (_aborting(b""), 3000),
    "abort in the head": (_aborting(b"GET / HTTP/1.1\r\nHost: x\r\nX-"), 3000),
    "abort in the body": (_aborting(_POST + b"Content-Length: 99999\r\n\r\nabc"), 3000),
    "abort in a chunk": (_aborting(_CHUNKED + b"ff\r\nabc"), 3000),
    "abort before the answer": (_aborting(GET.replace(b" / ", b" /slow ")), 2000),
    "abort in the answer": (_aborting(GET.replace(b" / ", b" /large "), read=1000), 1000),
    "abort in a handshake": (_aborting(_HANDSHAKE), 2000),
    "abort of a websocket": (_aborting(_HANDSHAKE, read=1000), 2000),
    "never read a large answer": (_staying(GET.replace(b" / ", b" /large "), window=4096), 300),
    "never read what was pipelined": (_staying(GET * 20_000, window=4096), 50),
    "half-open, nothing sent": (_staying(b""), 1000),
    "half-open in the head": (_staying(b"GET / HTTP/1.1\r\nHost:"), 1000),
    "half-open in the body": (_staying(_POST + b"Content-Length: 99999\r\n\r\nabc"), 1000),
    "half-open websocket": (_staying(_HANDSHAKE), 1000),
    "uploads that nobody reads": (_staying(_TAKEN), 20),
    "head by the byte": (_dripping(GET[:-2] + b"X-Long: " + b"x" * 30), 200),
    "body by the byte": (_dripping(_POST + b"Content-Length: 40\r\n\r\n" + b"x" * 39), 200),
    "pipelined requests": (_flooding(b"", lambda count: GET * count, reads=True), 20_000),
    "chunks of a byte": (
        _flooding(_CHUNKED, lambda count: b"1\r\na\r\n" * count + b"0\r\n\r\n", reads=True),
        200_000,
    ),
    "trailers": (
        _flooding(_CHUNKED, lambda count: b"0\r\n" + b"X: y\r\n" * count, reads=True),
        500_000,
    ),
    "header fields": (_flooding(GET[:-2], lambda count: b"X: y\r\n" * count, reads=True), 500_000),
    "pings, pongs unread": (
        _flooding(_HANDSHAKE, lambda count: _frame(0x89, b"x" * 100) * count, reads=False),
        100_000,
    ),
    "fragments of a byte": (
        _flooding(
            _HANDSHAKE,
            lambda count: _frame(0x01, b"x") + _frame(0x00, b"x") * count,
            reads=True,
        ),
        200_000,
    ),
    "empty fragments": (
        _flooding(_HANDSHAKE, lambda count: _frame(0x01) + _frame(0x00) * count, reads=True),
        200_000,
    ),
    "unfinished frames of 1 GiB": (_giant_frames, 30),
}
