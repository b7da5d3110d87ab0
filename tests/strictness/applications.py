"""One application that keeps a journal of the requests it is called with, in three shapes.

``python -m strictness.applications bascule`` serves it, and writes the journal to the file that
``STRICTNESS_JOURNAL`` names.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

from strictness.cases import Seen

__all__ = ["JOURNAL", "SOCKET", "asgi_app", "make_app", "read_journal"]

JOURNAL = "STRICTNESS_JOURNAL"
# A request for a WebSocket with this target gets one.
SOCKET = "/socket"

Note = Callable[[int, Seen], None]


def make_app(web: Any, note: Note) -> Any:
    """Make it for bascule or aiohttp; a middleware sees all that is routed nowhere too.

    Args:
        web: ``bascule.web`` or ``aiohttp.web``.
        note: called with the client's port and each request.
    """

    @web.middleware
    async def middleware(request: Any, handler: Any) -> Any:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        head = (request.method, request.raw_path, request.raw_headers)
        str(request.url)  # builds what is built late: hosts that cannot be converted show here
        body, broken = b"", False
        try:
            body = await request.read()
        except BaseException:
            broken = True
            raise
        finally:
            note(peer[1] if peer else 0, Seen.of(*head, body, broken=broken))
        if request.path == SOCKET:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            async for _ in socket:
                pass
            return socket
        return web.Response(text="served")

    return web.Application(middlewares=[middleware])


# -- ASGI


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    """Serve HTTP and WebSockets, with a journal."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "websocket":
        await _talk(scope, receive, send)
    else:
        await _answer(scope, receive, send)


async def _live(receive: Any, send: Any) -> None:
    for name in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{name}.complete"})


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    body, broken = b"", True
    try:
        while True:
            message = await receive()
            if message["type"] != "http.request":
                break
            body += message.get("body", b"")
            if not message.get("more_body"):
                broken = False
                break
    finally:
        _note(*_see(scope, body, broken))
    if broken:
        return  # the server knows best what to answer to that
    fields = [(b"content-length", b"6")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"served"})


async def _talk(scope: Any, receive: Any, send: Any) -> None:
    _note(*_see(scope, b"", False))
    await receive()
    if scope["path"] != SOCKET:
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


def _see(scope: Any, body: bytes, broken: bool) -> tuple[int, Seen]:
    raw = scope.get("raw_path") or scope["path"].encode()
    target = raw.decode("latin-1")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    method = scope.get("method", "GET")
    port = int(scope["client"][1])  # granian gives text
    return port, Seen.of(method, target, scope["headers"], body, broken=broken)


# -- the journal


def _note(port: int, seen: Seen) -> None:
    with open(os.environ[JOURNAL], "a", encoding="utf-8") as file:
        file.write(json.dumps([port, seen.to_json()]) + "\n")


def read_journal(path: str) -> dict[int, list[Seen]]:
    """Give what each client's requests were seen as, by its port."""
    found: dict[int, list[Seen]] = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                port, record = json.loads(line)
                found.setdefault(port, []).append(Seen.from_json(record))
    return found


async def _serve(web: Any, options: dict[str, Any]) -> None:
    runner = web.AppRunner(make_app(web, _note), access_log=None, **options)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)  # noqa: T201
    await asyncio.Event().wait()


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=["bascule", "aiohttp"])
    parser.add_argument("--http")
    arguments = parser.parse_args()
    options = {"http": arguments.http} if arguments.http else {}
    if arguments.library == "bascule":
        from bascule import web
    else:
        from aiohttp import web  # type: ignore[no-redef]  # of the same names
    asyncio.run(_serve(web, options))


if __name__ == "__main__":
    _main()
