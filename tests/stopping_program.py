"""A program that is stopped while it answers: ``stopping_program.py native|asgi signals|cancel``.

It prints a line when a request has come in, and obeys lines of its standard input: ``go`` lets
answers be finished, ``cancel`` cancels the task that serves.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import bascule
from bascule import web

# What each answer consists of: a part in front of the stop, where it streams, and a part behind.
FIRST = b"first\n"
REST = b"and the rest\n" * 5000


class Control:
    """What standard input says."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.serving: asyncio.Task[Any] | None = None

    def listen(self) -> None:
        """Begin to obey."""
        asyncio.get_running_loop().add_reader(0, self._obey)

    def _obey(self) -> None:
        for word in os.read(0, 4096).split():
            if word == b"go":
                self.go.set()
            elif self.serving is not None:
                self.serving.cancel()


def tell(what: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def block() -> None:
    """Keep the loop from doing anything until standard input says ``unblock``."""
    tell("entered")
    os.read(0, len(b"unblock\n"))


def make_native(control: Control) -> web.Application:
    """Make an application of our own."""

    async def quick(request: web.Request) -> web.Response:
        tell("entered")
        return web.Response(body=REST)

    async def busy(request: web.Request) -> web.Response:
        tell("entered")
        await control.go.wait()
        return web.Response(body=REST)

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(FIRST)
        tell("entered")
        await control.go.wait()
        await response.write(REST)
        return response

    async def upload(request: web.Request) -> web.Response:
        tell("entered")
        return web.Response(body=await request.read())

    async def websocket(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        tell("entered")
        async for _ in ws:
            pass
        return ws

    async def wait_blocked(request: web.Request) -> web.Response:
        block()
        return web.Response(body=REST)

    async def obey(app: web.Application) -> AsyncIterator[None]:
        control.listen()
        yield
        tell("cleaned up")

    app = web.Application()
    app.cleanup_ctx.append(obey)
    for handler in (quick, busy, stream, websocket, wait_blocked):
        app.router.add_get(f"/{handler.__name__}", handler)
    app.router.add_post("/upload", upload)
    return app


class Foreign:
    """An ASGI application that does the same."""

    def __init__(self, control: Control) -> None:
        self.control = control

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.live(receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/upload":
            tell("entered")
            await send({"type": "http.response.body", "body": await self.read(receive)})
            return
        if scope["path"] == "/stream":
            await send({"type": "http.response.body", "body": FIRST, "more_body": True})
        tell("entered")
        await self.control.go.wait()
        await send({"type": "http.response.body", "body": REST})

    async def live(self, receive: Any, send: Any) -> None:
        """Start up and shut down."""
        await receive()
        self.control.listen()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        tell("cleaned up")
        await send({"type": "lifespan.shutdown.complete"})

    async def read(self, receive: Any) -> bytes:
        """Read the whole body."""
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body


async def serve(app: Any, control: Control, timeout: float) -> None:
    """Serve until the task is cancelled."""
    control.serving = asyncio.current_task()
    async with bascule.serve(app, shutdown_timeout=timeout, access_log=None) as server:
        tell(f"Running on {server.url} ==")
        await asyncio.Event().wait()


def main(kind: str, way: str, timeout: float) -> None:
    """Run, the one way or the other."""
    control = Control()
    app = make_native(control) if kind == "native" else Foreign(control)
    if way == "cancel":
        try:
            asyncio.run(serve(app, control, timeout))
        except asyncio.CancelledError:
            tell("cancelled")
    else:
        options: dict[str, Any] = {"shutdown_timeout": timeout, "access_log": None, "print": tell}
        web.run_app(app, host="127.0.0.1", port=0, **options)
    tell("quiet end")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
