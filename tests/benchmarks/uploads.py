"""CPU time, throughput and peak memory of uploads, beside the peers in the same run.

Usage: python tests/benchmarks/uploads.py [-r ROUNDS] [-w WORKLOAD ...] [-s SERVER ...]

Each server runs in a process of its own and is sent forms over loopback. `form` has three small
fields, the others one file; `post` reads the form at once, files larger than 1 MiB by way of the
disk, and `parts` chunk by chunk. CPU is the user and system time of the server, its threads too,
over the requests, the median of the rounds; the ratio is the median of the ratios to the first
server in the same round. The rate is what client and server reach together on this machine. The
peak is the most memory of the server that was resident at a time, Python and modules included.
`-w "2 GiB post" "2 GiB parts" -r 1` takes a minute, and 2 GiB of the disk.
"""

import argparse
import asyncio
import importlib
import multiprocessing
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 2**20
_CHUNK_SIZE = 2**16


_END = b"\r\n--aBoundary--\r\n"
# Bytes with line ends in them, as there are in any file that is not compressed.
_DATA = (bytes(range(256)) * 255 + b"\r\n--" + bytes(252)) * 16


@dataclass(frozen=True)
class Body:
    """A form: a piece as often as told, between a start and an end."""

    start: bytes
    piece: bytes = b""
    times: int = 0

    def __len__(self) -> int:
        return len(self.start) + len(self.piece) * self.times + len(_END)


def _open(disposition: str) -> bytes:
    return f"--aBoundary\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()


def _upload(mebibytes: int) -> Body:
    return Body(_open('name="file"; filename="file.bin"'), _DATA, mebibytes)


_FORM = Body(
    b"\r\n".join(
        [
            _open('name="user"') + b"somebody",
            _open('name="text"') + b"x" * 200,
            _open('name="go"') + b"yes",
        ]
    )
)


@dataclass(frozen=True)
class Workload:
    """One kind of request: how it is read, its body, how many at once and in all."""

    path: str
    body: Body
    connections: int
    count: int


WORKLOADS = {
    "form post": Workload("post", _FORM, 16, 4000),
    "form parts": Workload("parts", _FORM, 16, 4000),
    "1 MiB post": Workload("post", _upload(1), 4, 200),
    "1 MiB parts": Workload("parts", _upload(1), 4, 200),
    "64 MiB post": Workload("post", _upload(64), 1, 6),
    "64 MiB parts": Workload("parts", _upload(64), 1, 6),
    "2 GiB post": Workload("post", _upload(2048), 1, 1),
    "2 GiB parts": Workload("parts", _upload(2048), 1, 1),
}
SMALLEST = WORKLOADS["form post"]
_QUICK = [name for name in WORKLOADS if "GiB" not in name]


def native(package: str) -> Callable[[socket.socket], None]:
    """Make a server of a package with the aiohttp.web API."""

    def serve(sock: socket.socket) -> None:
        web: Any = importlib.import_module(f"{package}.web")

        async def post(request: Any) -> Any:
            return web.Response(text=str(len(await request.post())))

        async def parts(request: Any) -> Any:
            size = 0
            async for part in await request.multipart():
                while chunk := await part.read_chunk(_CHUNK_SIZE):
                    size += len(chunk)
            return web.Response(text=str(size))

        app = web.Application(client_max_size=2**40)
        app.router.add_post("/post", post)
        app.router.add_post("/parts", parts)
        web.run_app(app, sock=sock, print=None, access_log=None)

    return serve


def serve_starlette(sock: socket.socket) -> None:
    """Serve Starlette on uvicorn; it has no reader of parts."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def post(request: Request) -> PlainTextResponse:
        async with request.form() as form:
            return PlainTextResponse(str(len(form)))

    app = Starlette(routes=[Route("/post", post, methods=["POST"])])
    config = uvicorn.Config(app, log_config=None, access_log=False, http="httptools", ws="none")
    asyncio.run(uvicorn.Server(config).serve(sockets=[sock]))


SERVERS = {
    "aiohttp": native("aiohttp"),
    "bascule": native("bascule"),
    "starlette": serve_starlette,
}


def cpu_time(pid: int) -> float:
    """Read the user and system time of a process and its threads, in seconds."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


async def load(port: int, workload: Workload, count: int) -> None:
    """Send `count` requests over connections that stay open."""
    head = (
        f"POST /{workload.path} HTTP/1.1\r\nHost: x\r\n"
        "Content-Type: multipart/form-data; boundary=aBoundary\r\n"
        f"Content-Length: {len(workload.body)}\r\n\r\n"
    )

    async def client(share: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(share):
            writer.write(head.encode() + workload.body.start)
            for _ in range(workload.body.times):
                writer.write(workload.body.piece)
                await writer.drain()
            writer.write(_END)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200"), answer
            length = answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
        writer.close()
        await writer.wait_closed()

    connections = min(workload.connections, count) or 1
    await asyncio.gather(*(client(count // connections) for _ in range(connections)))


def peak(pid: int) -> int:
    """Read the most memory that a process had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def measure(server: str, workload: Workload) -> tuple[float, float, int]:
    """Give seconds of CPU per request, bytes a second, and the peak in bytes."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as sock:
        context = multiprocessing.get_context("fork")
        process = context.Process(target=SERVERS[server], args=(sock,), daemon=True)
        process.start()
        port = sock.getsockname()[1]
        assert process.pid is not None
        try:
            asyncio.run(load(port, SMALLEST, 1))  # all is imported
            asyncio.run(load(port, workload, workload.count // 10))
            before, start = cpu_time(process.pid), time.monotonic()
            asyncio.run(load(port, workload, workload.count))
            elapsed = time.monotonic() - start
            used = cpu_time(process.pid) - before
            most = peak(process.pid)
        finally:
            process.terminate()
            process.join()
    return used / workload.count, workload.count * len(workload.body) / elapsed, most


def report(
    name: str, servers: list[str], rounds: list[dict[str, tuple[float, float, int]]]
) -> None:
    """Print a line for each server."""
    for server in servers:
        cost = statistics.median(figures[server][0] for figures in rounds)
        ratio = statistics.median(f[server][0] / f[servers[0]][0] for f in rounds)
        rate = statistics.median(figures[server][1] for figures in rounds)
        most = max(figures[server][2] for figures in rounds)
        told = f"{cost * 1e6:10.1f} us of CPU  x {ratio:.2f}  {rate / MIB:8.1f} MiB/s"
        told += f"  peak {most / MIB:6.1f} MiB"
        print(f"{name:13} {server:10} {told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-r", type=int, default=3)
    parser.add_argument("-w", nargs="*", default=_QUICK)
    parser.add_argument("-s", nargs="*", default=list(SERVERS))
    options = parser.parse_args()
    for name in options.w:
        workload = WORKLOADS[name]
        able = [s for s in options.s if s != "starlette" or workload.path == "post"]
        rounds = [{server: measure(server, workload) for server in able} for _ in range(options.r)]
        report(name, able, rounds)


if __name__ == "__main__":
    main()
