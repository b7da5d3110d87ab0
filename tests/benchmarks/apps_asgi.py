"""The application as one ASGI function, without a framework."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from .bodies import CHUNK, CHUNKS, GREETING, JSON_BODY, LARGE
from .serving import Place

__all__ = ["app", "make"]

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def make(place: Place) -> Any:
    return app


async def app(scope: Any, receive: Receive, send: Send) -> None:
    """Answer; the lifespan is not for it, which hosts learn by the exception."""
    if scope["type"] == "websocket":
        await _echo(receive, send)
        return
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    path = scope["path"]
    if path == "/":
        await _answer(send, GREETING.encode())
    elif path == "/json":
        await _answer(send, json.dumps(JSON_BODY).encode(), b"application/json")
    elif path.startswith("/route"):
        await _answer(send, path.rpartition("/")[2].encode())
    elif path == "/large":
        await _answer(send, LARGE)
    elif path == "/stream":
        await _stream(send)
    else:
        await _count(path, receive, send)


async def _answer(send: Send, body: bytes, kind: bytes = b"text/plain; charset=utf-8") -> None:
    fields = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Send) -> None:
    fields = [(b"content-type", b"application/octet-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    for _ in range(CHUNKS):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _count(path: str, receive: Receive, send: Send) -> None:
    """Answer an upload by its size, and a small one by its last byte too."""
    size, last, more = 0, b"", True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        last = event.get("body", b"") or last
        size += len(event.get("body", b""))
        more = event.get("more_body", False)
    await _answer(send, b"%d %d" % (size, last[-1]) if path == "/post" else b"%d" % size)


async def _echo(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})
