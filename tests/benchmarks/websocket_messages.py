"""CPU time of a server per echoed WebSocket message, and memory per idle socket, beside its peers.

Usage: python tests/benchmarks/websocket_messages.py
           [-n MESSAGES] [-r ROUNDS] [-w WORKLOAD ...] [-s SERVER ...] [-i IDLE_SOCKETS]

Each server runs in a process of its own and echoes messages to 8 connections over loopback. The
figure is the user and system time of the server's process over its messages, the median of the
rounds; the ratio is the median of the ratios to the first server in the same round. Memory is what
the process has grown by per socket that was opened, used for one message, and left idle.
"""

import argparse
import asyncio
import importlib
import multiprocessing
import resource
import socket
import statistics
import struct
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

CONNECTIONS = 8
# Messages that are sent before the first of them is awaited.
WINDOW = 4
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
OFFER = b"Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n"
JSON = '{"id": 12345, "name": "an item of a list", "price": 9.95, "tags": ["a", "b"]}, '
SIZES = {"16B": 16, "1KiB": 1024, "64KiB": 65536}
KINDS = {"text": 1, "binary": 2}
WORKLOADS = [
    f"{kind}-{size}{coding}" for coding in ("", "-deflate") for size in SIZES for kind in KINDS
]


def native(package: str) -> Callable[[socket.socket], None]:
    """Make a server of a package with the aiohttp.web API."""

    def serve(sock: socket.socket) -> None:
        web: Any = importlib.import_module(f"{package}.web")

        async def echo(request: Any) -> Any:
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            async for message in ws:
                if message.type is web.WSMsgType.TEXT:
                    await ws.send_str(message.data)
                else:
                    await ws.send_bytes(message.data)
            return ws

        app = web.Application()
        app.router.add_get("/", echo)
        web.run_app(app, sock=sock, print=None, access_log=None)

    return serve


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Echo as the native applications do, by hand."""
    if scope["type"] != "websocket":
        raise RuntimeError("no lifespan")
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        text = event.get("text")
        if text is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": event["bytes"]})


def serve_hosted(sock: socket.socket) -> None:
    from bascule import web

    web.run_app(asgi, sock=sock, print=None, access_log=None)


def serve_uvicorn(ws: Any) -> Callable[[socket.socket], None]:
    def serve(sock: socket.socket) -> None:
        import uvicorn

        config = uvicorn.Config(asgi, log_config=None, access_log=False, http="h11", ws=ws)
        asyncio.run(uvicorn.Server(config).serve(sockets=[sock]))

    return serve


SERVERS = {
    "aiohttp": native("aiohttp"),
    "bascule": native("bascule"),
    "bascule-asgi": serve_hosted,
    "uvicorn-websockets": serve_uvicorn("websockets-sansio"),
    "uvicorn-wsproto": serve_uvicorn("wsproto"),
}


@dataclass(frozen=True)
class Workload:
    """Messages that are all alike.

    Attributes:
        data: of each, before it is compressed.
        opcode: 1 for text, 2 for bytes.
        deflate: compress them, and let the server compress.
    """

    data: bytes
    opcode: int
    deflate: bool

    @classmethod
    def named(cls, name: str) -> "Workload":
        kind, size, *coding = name.split("-")
        data = (JSON * (SIZES[size] // len(JSON) + 1))[: SIZES[size]].encode()
        return cls(data, KINDS[kind], bool(coding))

    @property
    def frame(self) -> bytes:
        """One message, as a client sends it."""
        data = self.data
        if self.deflate:
            stream = zlib.compressobj(wbits=-15)
            data = (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]
        first, size = 0x80 | self.opcode | (0x40 if self.deflate else 0), len(data)
        if size < 126:
            head = struct.pack("!BB", first, 0x80 | size)
        elif size < 65536:
            head = struct.pack("!BBH", first, 0xFE, size)
        else:
            head = struct.pack("!BBQ", first, 0xFF, size)
        key = b"\x37\xfa\x21\x3d" * (size // 4 + 1)
        masked = int.from_bytes(data, "big") ^ int.from_bytes(key[:size], "big")
        return head + key[:4] + masked.to_bytes(size, "big")


class Client:
    """The client's end of a socket, which reads frames and looks at their sizes only."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self) -> tuple[int, bytes]:
        """Read a frame: its first byte and its payload."""
        first, size = await self.reader.readexactly(2)
        if size > 125:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        return first, await self.reader.readexactly(size)

    async def echo(self, workload: Workload, count: int) -> None:
        """Have messages echoed; a few are on their way at a time."""
        frame = workload.frame
        for number in range(count + WINDOW):
            if number < count:
                self.writer.write(frame)
            if number >= WINDOW:
                first, data = await self.read()
                assert first & 0x0F == workload.opcode
                assert bool(first & 0x40) is workload.deflate or len(data) <= 125
                assert workload.deflate or len(data) == len(workload.data)


@asynccontextmanager
async def connect(port: int, *, deflate: bool) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    writer.write(HANDSHAKE + (OFFER if deflate else b"") + b"\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 "), head
    assert (b"permessage-deflate" in head) is deflate, head
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


def cpu_time(pid: int) -> float:
    """Read the user and system time of a process, in seconds."""
    with open(f"/proc/{pid}/schedstat") as file:
        return int(file.read().split()[0]) / 1e9


def resident_size(pid: int) -> int:
    """Read how much memory a process has, in bytes."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def load(port: int, workload: Workload, count: int) -> None:
    """Have `count` messages echoed over some connections."""

    async def talk(share: int) -> None:
        async with connect(port, deflate=workload.deflate) as client:
            await client.echo(workload, share)

    await asyncio.gather(*(talk(count // CONNECTIONS) for _ in range(CONNECTIONS)))


def run(server: str, measure: Callable[[int, int], float]) -> float:
    """Start a server, and give what is measured by its port and process."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as sock:
        context = multiprocessing.get_context("fork")
        process = context.Process(target=SERVERS[server], args=(sock,), daemon=True)
        process.start()
        assert process.pid is not None
        try:
            return measure(sock.getsockname()[1], process.pid)
        finally:
            process.kill()
            process.join()


def measure_cpu(server: str, workload: Workload, count: int) -> float:
    """Give microseconds of CPU per message."""

    def measure(port: int, pid: int) -> float:
        asyncio.run(load(port, workload, CONNECTIONS * 10))
        before = cpu_time(pid)
        asyncio.run(load(port, workload, count))
        return (cpu_time(pid) - before) / count * 1e6

    return run(server, measure)


def measure_memory(server: str, count: int, *, deflate: bool) -> float:
    """Give KiB per idle socket."""
    workload = Workload(b"x" * 16, 1, deflate)

    async def hold(port: int, pid: int) -> float:
        await load(port, workload, CONNECTIONS * 10)
        before = resident_size(pid)
        clients = [connect(port, deflate=deflate) for _ in range(count)]
        for each in clients:
            await (await each.__aenter__()).echo(workload, 1)
        after = resident_size(pid)
        for each in clients:
            await each.__aexit__(None, None, None)
        return (after - before) / count / 1024

    return run(server, lambda port, pid: asyncio.run(hold(port, pid)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=4000)
    parser.add_argument("-r", type=int, default=3)
    parser.add_argument("-w", nargs="*", default=WORKLOADS)
    parser.add_argument("-s", nargs="*", default=list(SERVERS))
    parser.add_argument("-i", type=int, default=1000, help="idle sockets; 0 for none")
    options = parser.parse_args()
    start = time.monotonic()
    for name in options.w:
        workload = Workload.named(name)
        count = options.n if len(workload.data) < 10_000 else options.n // 4
        rounds = [
            {server: measure_cpu(server, workload, count) for server in options.s}
            for _ in range(options.r)
        ]
        for server in options.s:
            cost = statistics.median(figures[server] for figures in rounds)
            ratio = statistics.median(f[server] / f[options.s[0]] for f in rounds)
            print(f"{name:20} {server:18} {cost:8.1f} us  x {ratio:.2f}", flush=True)
    if options.i:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for deflate in (False, True) if options.i else ():
        for server in options.s:
            size = measure_memory(server, options.i, deflate=deflate)
            kind = "idle-deflate" if deflate else "idle"
            print(f"{kind:20} {server:18} {size:8.1f} KiB of {options.i} sockets", flush=True)
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
