"""CPU time of a server per request, beside its peers in the same run.

Usage: python tests/benchmarks/cpu_per_request.py
           [-n REQUESTS] [-r ROUNDS] [-w WORKLOAD ...] [-s SERVER ...]

Each server runs in a process of its own and is loaded over loopback by 32 connections that stay
open. The figure is the user and system time of the server's process over its requests, the median
of the rounds; the ratio is the median of the ratios to the first server in the same round.
"""

import argparse
import asyncio
import importlib
import multiprocessing
import socket
import statistics
import time
from collections.abc import Callable
from typing import Any

CONNECTIONS = 32
BROWSER = "".join(
    f"{name}: {value}\r\n"
    for name, value in {
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
        "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Accept-Language": "en-GB,en;q=0.7,de;q=0.3",
        "Accept-Encoding": "gzip, deflate, br, zstd",
        "Referer": "http://127.0.0.1/somewhere/else",
        "DNT": "1",
        "Sec-GPC": "1",
        "Connection": "keep-alive",
        "Cookie": "session=0123456789abcdef; theme=dark",
        "Upgrade-Insecure-Requests": "1",
        "Priority": "u=0, i",
    }.items()
)
POST = b'{"number": 1}'
WORKLOADS = {
    "plaintext": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "plaintext12": f"GET / HTTP/1.1\r\nHost: x\r\n{BROWSER}\r\n".encode(),
    "json": b"GET /json HTTP/1.1\r\nHost: x\r\n\r\n",
    "param": b"GET /items/42 HTTP/1.1\r\nHost: x\r\n\r\n",
    "post": b"POST /post HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(POST) + POST,
}


def native(package: str) -> Callable[[socket.socket], None]:
    """Make a server of a package with the aiohttp.web API."""

    def serve(sock: socket.socket) -> None:
        web: Any = importlib.import_module(f"{package}.web")

        async def plaintext(request: Any) -> Any:
            return web.Response(text="Hello, world!")

        async def give_json(request: Any) -> Any:
            return web.json_response({"message": "Hello, world!"})

        async def item(request: Any) -> Any:
            return web.Response(text=request.match_info["id"])

        async def post(request: Any) -> Any:
            return web.json_response(await request.json())

        app = web.Application()
        app.router.add_get("/", plaintext)
        app.router.add_get("/json", give_json)
        app.router.add_get("/items/{id}", item)
        app.router.add_post("/post", post)
        web.run_app(app, sock=sock, print=None, access_log=None)

    return serve


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Answer as the native applications do, by hand."""
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    data = (await receive())["body"] if scope["method"] == "POST" else b"Hello, world!"
    fields = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(data))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": data})


def serve_hosted(sock: socket.socket) -> None:
    from bascule import web

    web.run_app(asgi, sock=sock, print=None, access_log=None)


def serve_uvicorn(http: str) -> Callable[[socket.socket], None]:
    def serve(sock: socket.socket) -> None:
        import uvicorn

        config = uvicorn.Config(asgi, log_config=None, access_log=False, http=http, ws="none")
        asyncio.run(uvicorn.Server(config).serve(sockets=[sock]))

    return serve


SERVERS = {
    "aiohttp": native("aiohttp"),
    "bascule": native("bascule"),
    "bascule-asgi": serve_hosted,
    "uvicorn-h11": serve_uvicorn("h11"),
    "uvicorn-httptools": serve_uvicorn("httptools"),
}


def cpu_time(pid: int) -> float:
    """Read the user and system time of a process, in seconds."""
    with open(f"/proc/{pid}/schedstat") as file:
        return int(file.read().split()[0]) / 1e9


async def load(port: int, request: bytes, count: int) -> None:
    """Send `count` requests over connections that stay open."""

    async def client(share: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(share):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client(count // CONNECTIONS) for _ in range(CONNECTIONS)))


def measure(server: str, request: bytes, count: int) -> float:
    """Give microseconds of CPU per request."""
    with socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS * 2) as sock:
        context = multiprocessing.get_context("fork")
        process = context.Process(target=SERVERS[server], args=(sock,), daemon=True)
        process.start()
        port = sock.getsockname()[1]
        assert process.pid is not None
        asyncio.run(load(port, request, CONNECTIONS * 10))
        before = cpu_time(process.pid)
        asyncio.run(load(port, request, count))
        used = cpu_time(process.pid) - before
        process.terminate()
        process.join()
    return used / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=10_000)
    parser.add_argument("-r", type=int, default=3)
    parser.add_argument("-w", nargs="*", default=list(WORKLOADS))
    parser.add_argument("-s", nargs="*", default=list(SERVERS))
    options = parser.parse_args()
    start = time.monotonic()
    for workload in options.w:
        rounds = [
            {server: measure(server, WORKLOADS[workload], options.n) for server in options.s}
            for _ in range(options.r)
        ]
        for server in options.s:
            cost = statistics.median(figures[server] for figures in rounds)
            ratio = statistics.median(f[server] / f[options.s[0]] for f in rounds)
            print(f"{workload:12} {server:18} {cost:7.1f} us  x {ratio:.2f}", flush=True)
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
