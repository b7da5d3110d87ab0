"""The application that hostile clients are let loose on, native and as an ASGI application."""

import asyncio
from typing import Any

__all__ = ["PIECE", "make_native", "run_asgi"]

# Pieces of the large answer, 32 MiB in all.
PIECE = bytes(64 * 1024)
_COUNT = 512
# Seconds that a slow answer takes.
_SLOW = 0.3


def make_native(web: Any) -> Any:  # Any: bascule.web or aiohttp.web
    """Make it with a module that has aiohttp.web's API."""

    async def root(request: Any) -> Any:
        return web.Response(text="ok")

    async def slow(request: Any) -> Any:
        await asyncio.sleep(_SLOW)
        return web.Response(text="ok")

    async def large(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(_COUNT):
            await response.write(PIECE)
        return response

    async def echo(request: Any) -> Any:
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
        return web.Response(text=str(size))

    async def socketed(request: Any) -> Any:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            if message.type in (web.WSMsgType.TEXT, web.WSMsgType.BINARY):
                await ws.send_str(str(len(message.data)))
        return ws

    app = web.Application()
    app.router.add_get("/", root)
    app.router.add_get("/slow", slow)
    app.router.add_get("/large", large)
    app.router.add_post("/echo", echo)
    app.router.add_post("/unread", slow)
    app.router.add_get("/ws", socketed)
    return app


async def run_asgi(scope: Any, receive: Any, send: Any) -> None:
    """Do the same as an ASGI application."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            size = len(message.get("text") or message.get("bytes") or "")
            await send({"type": "websocket.send", "text": str(size)})
        return
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    body, path = b"ok", scope["path"]
    if path in ("/slow", "/unread"):
        await asyncio.sleep(_SLOW)
    elif path == "/echo":
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size, more = size + len(message["body"]), message.get("more_body", False)
        body = str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if path == "/large":
        for _ in range(_COUNT):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        body = b""
    await send({"type": "http.response.body", "body": body})
