"""An ASGI application for processes of its own; ``MODE`` says how its lifespan goes. It prints what
happens to it, in lines that begin with ``told``."""

import asyncio
import os
import sys
from typing import Any

MODE = os.environ.get("MODE", "")
START = {"type": "http.response.start", "status": 200}


def tell(what: str) -> None:
    """Print a line, in one piece: logs come between lines."""
    sys.stdout.write(f"told {what}\n")
    sys.stdout.flush()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer by the path."""
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] == "websocket":
        await listen(receive, send)
    else:
        await PATHS[scope["path"].removeprefix(scope["root_path"])](scope, receive, send)


async def live(receive: Any, send: Any) -> None:
    """Live as the mode says."""
    if MODE == "none":
        raise RuntimeError("no lifespan here")
    await receive()
    tell("startup")
    if MODE == "startup failed":
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        return
    if MODE == "startup raises":
        raise ValueError("no cache")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    tell("shutdown begins")
    if MODE == "shutdown failed":
        await send({"type": "lifespan.shutdown.failed", "message": "no farewell"})
        return
    for _ in range(100):
        await asyncio.sleep(0)
    tell("shutdown ends")
    await send({"type": "lifespan.shutdown.complete"})


async def listen(receive: Any, send: Any) -> None:
    """Accept a WebSocket, and tell how it ends."""
    await receive()
    await send({"type": "websocket.accept"})
    tell("entered")
    while (message := await receive())["type"] != "websocket.disconnect":
        pass
    tell(f"disconnect {message['code']}")


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Tell how the request looks."""
    shown = "{scheme} {root_path} {path}".format(**scope)
    tls = scope["extensions"].get("tls") or {}
    if tls.get("client_cert_name"):
        shown += f" {tls['client_cert_name']}"
    await send(START)
    await send({"type": "http.response.body", "body": shown.encode()})


async def upload(scope: Any, receive: Any, send: Any) -> None:
    """Read a body to its end."""
    tell("entered")
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send({"type": "http.response.body", "body": b"complete"})
    tell("answered")


async def stream(scope: Any, receive: Any, send: Any) -> None:
    """Stream without an end, until told that the client has left."""
    await receive()
    await send(START)
    await send({"type": "http.response.body", "body": b"x", "more_body": True})
    tell("entered")
    message = await receive()
    tell(message["type"])


async def never(scope: Any, receive: Any, send: Any) -> None:
    """Answer never."""
    tell("entered")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        tell("cancelled")
        raise


PATHS = {"/": hello, "/upload": upload, "/stream": stream, "/never": never}
