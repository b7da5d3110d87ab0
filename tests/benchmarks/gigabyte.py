"""One gibibyte each way: peak memory of a server whose client uploads, and whose client stops
reading.  Usage: python tests/benchmarks/gigabyte.py [bascule|aiohttp]"""

import importlib
import multiprocessing
import resource
import socket
import sys
import time
from typing import Any

SIZE = 2**30
PIECE = bytes(2**18)


def serve(package: str, sock: socket.socket) -> None:
    web: Any = importlib.import_module(f"{package}.web")

    async def upload(request: Any) -> Any:
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
        return web.json_response([size, peak()])

    async def download(request: Any) -> Any:
        response = web.StreamResponse(headers={"Content-Length": str(SIZE)})
        await response.prepare(request)
        for _ in range(SIZE // len(PIECE)):
            await response.write(PIECE)
        return response

    async def memory(request: Any) -> Any:
        return web.json_response([peak(), time.process_time()])

    app = web.Application()
    app.router.add_post("/", upload)
    app.router.add_get("/", download)
    app.router.add_get("/memory", memory)
    web.run_app(app, sock=sock, print=None, access_log=None)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ask(port: int, head: bytes, body_size: int = 0) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(head)
    for _ in range(body_size // len(PIECE)):
        client.sendall(PIECE)
    return client


def read_all(client: socket.socket) -> bytes:
    data = b""
    while piece := client.recv(65536):
        data += piece
    client.close()
    return data


def main() -> None:
    package = sys.argv[1] if len(sys.argv) > 1 else "bascule"
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    process = multiprocessing.get_context("fork").Process(target=serve, args=(package, sock))
    process.start()
    memory = b"GET /memory HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    print(package, "[peak MiB, CPU s] at rest:", body(read_all(ask(port, memory))))
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % SIZE
    print("upload of 1 GiB [bytes, peak MiB]:", body(read_all(ask(port, head, SIZE))))
    client = ask(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    client.recv(1000)  # and then no more, until the server has filled what it may
    time.sleep(3)
    print("client that stopped reading:", body(read_all(ask(port, memory))))
    rest = 0
    while piece := client.recv(2**20):
        rest += len(piece)
    client.close()
    print("read on after all:", rest, "bytes; at the end:", body(read_all(ask(port, memory))))
    process.terminate()
    process.join()
    print("exit status:", process.exitcode)


def body(answer: bytes) -> str:
    return answer.partition(b"\r\n\r\n")[2].decode()


if __name__ == "__main__":
    main()
