"""Files over loopback: CPU time of a server per download, and what a client gets, beside peers.

Usage: python tests/benchmarks/file_downloads.py [-r ROUNDS] [-f FILE ...] [-s SERVER ...] [--huge]

Each server runs in a process of its own and is loaded by connections that stay open, each asking
for the same file again and again; the servers take turns in each round. The figures are user and
system time of the server's process per download, the median of the rounds; mebibytes a second,
which on a machine that client and server share is for orientation; and behind each the median of
its ratios to the first server of the same round.

With ``--huge`` one client downloads a file of 2 GiB instead, and the figures are the peak memory of
the server's process at rest and behind it, its CPU time, and mebibytes a second.
"""

import argparse
import asyncio
import importlib
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

# Size of each file, connections, and downloads in a round.
FILES = {
    "1k": (1024, 16, 4000),
    "16k": (16 * 1024, 16, 4000),
    "64k": (64 * 1024, 16, 3000),
    "1m": (2**20, 8, 800),
    "10m": (10 * 2**20, 4, 80),
    "100m": (100 * 2**20, 2, 10),
}
HUGE = 2**31
Serve = Callable[[socket.socket, str], None]
_T = TypeVar("_T")


def native(package: str, loop: str = "asyncio") -> Serve:
    """Make a server of a package with the aiohttp.web API."""

    def serve(sock: socket.socket, directory: str) -> None:
        web: Any = importlib.import_module(f"{package}.web")
        app = web.Application()
        app.router.add_static("/static", directory)
        made = importlib.import_module("uvloop").new_event_loop() if loop == "uvloop" else None
        web.run_app(app, sock=sock, print=None, access_log=None, loop=made)

    return serve


def guest(sock: socket.socket, directory: str) -> None:
    """Serve bascule's files on uvicorn."""
    uvicorn: Any = importlib.import_module("uvicorn")
    web: Any = importlib.import_module("bascule.web")
    app = web.Application()
    app.router.add_static("/static", directory)
    config = uvicorn.Config(app, log_config=None, access_log=False, loop="asyncio")
    asyncio.run(uvicorn.Server(config).serve(sockets=[sock]))


def without_sendfile(sock: socket.socket, directory: str) -> None:
    os.environ["AIOHTTP_NOSENDFILE"] = "1"
    native("bascule")(sock, directory)


def starlette(http: str) -> Serve:
    """Make Starlette's files on uvicorn."""

    def serve(sock: socket.socket, directory: str) -> None:
        uvicorn: Any = importlib.import_module("uvicorn")
        applications: Any = importlib.import_module("starlette.applications")
        files: Any = importlib.import_module("starlette.staticfiles")
        app = applications.Starlette()
        app.mount("/static", files.StaticFiles(directory=directory))
        config = uvicorn.Config(app, log_config=None, access_log=False, http=http, loop="asyncio")
        asyncio.run(uvicorn.Server(config).serve(sockets=[sock]))

    return serve


SERVERS: dict[str, Serve] = {
    "aiohttp": native("aiohttp"),
    "bascule": native("bascule"),
    "bascule-nosendfile": without_sendfile,
    "bascule-on-uvicorn": guest,
    "aiohttp-uvloop": native("aiohttp", "uvloop"),
    "bascule-uvloop": native("bascule", "uvloop"),
    "starlette-h11": starlette("h11"),
    "starlette-httptools": starlette("httptools"),
}


def cpu_time(pid: int) -> float:
    """Read the user and system time of a process with its threads, in seconds."""
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


def download(port: int, name: str, size: int, connections: int, count: int) -> None:
    """Download a file `count` times over some connections, one after another on each."""
    request = f"GET /static/{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    waste = bytearray(2**20)

    async def client(share: int) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", port))
            for _ in range(share):
                await loop.sock_sendall(sock, request)
                data = await loop.sock_recv(sock, 2**16)
                while (end := data.find(b"\r\n\r\n")) < 0:
                    data += await receive(loop.sock_recv(sock, 2**16))
                assert data.startswith(b"HTTP/1.1 200"), data[:200]
                left = size - (len(data) - end - 4)
                while left:
                    left -= await receive(loop.sock_recv_into(sock, waste))

    async def run() -> None:
        await asyncio.gather(*(client(count // connections) for _ in range(connections)))

    asyncio.run(run())


async def receive(receiving: Awaitable[_T]) -> _T:
    """Receive something: nothing means that the server has cut the connection."""
    received = await receiving
    assert received, "cut"
    return received


def peak_memory(pid: int) -> float:
    """Read the most memory that a process has had so far, in mebibytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


@contextmanager
def running(server: str, directory: str) -> Iterator[tuple[int, int]]:
    """Run a server; give its process and its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as sock:
        context = multiprocessing.get_context("fork")
        process = context.Process(target=SERVERS[server], args=(sock, directory), daemon=True)
        process.start()
        assert process.pid is not None
        yield process.pid, sock.getsockname()[1]
        process.terminate()
        process.join()


def measure(server: str, name: str, directory: str) -> tuple[float, float]:
    """Give microseconds of CPU per download, and mebibytes a second."""
    size, connections, count = FILES[name]
    with running(server, directory) as (pid, port):
        download(port, name, size, connections, max(connections, count // 10))
        before, start = cpu_time(pid), time.monotonic()
        download(port, name, size, connections, count)
        used, taken = cpu_time(pid) - before, time.monotonic() - start
    return used / count * 1e6, size * count / taken / 2**20


def compare(servers: list[str], name: str, directory: str, rounds: int) -> None:
    """Measure the downloads of a file, and print a line for each server."""
    figures = [{s: measure(s, name, directory) for s in servers} for _ in range(rounds)]
    for server in servers:
        columns = []
        for column, unit in enumerate(("us", "MiB/s")):
            value = statistics.median(each[server][column] for each in figures)
            ratio = statistics.median(
                each[server][column] / each[servers[0]][column] for each in figures
            )
            columns.append(f"{value:9.1f} {unit} x {ratio:.2f}")
        print(f"{name:4} {server:20} {'   '.join(columns)}", flush=True)


def measure_memory(servers: list[str], directory: str) -> None:
    """Download a file of 2 GiB from each server, and print what that took."""
    with open(Path(directory, "huge"), "wb") as file:
        file.truncate(HUGE)
    with open(Path(directory, "huge"), "rb", buffering=0) as file:
        while file.read(2**20):
            pass  # so that all servers find it in memory
    Path(directory, "small").write_bytes(b"x")
    for server in servers:
        with running(server, directory) as (pid, port):
            download(port, "small", 1, 1, 1)
            rest, before, start = peak_memory(pid), cpu_time(pid), time.monotonic()
            download(port, "huge", HUGE, 1, 1)
            used, taken = cpu_time(pid) - before, time.monotonic() - start
            peak = peak_memory(pid)
        print(
            f"2 GiB {server:20} {rest:6.1f} MiB at rest, {peak:6.1f} MiB at most, "
            f"{used:6.2f} s CPU, {HUGE / taken / 2**20:6.0f} MiB/s",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-r", type=int, default=3)
    parser.add_argument("-f", nargs="*", default=list(FILES))
    parser.add_argument("-s", nargs="*", default=list(SERVERS))
    parser.add_argument("--huge", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        if options.huge:
            measure_memory(options.s, directory)
            return
        for name in options.f:
            Path(directory, name).write_bytes(os.urandom(FILES[name][0]))
            compare(options.s, name, directory, options.r)


if __name__ == "__main__":
    main()
