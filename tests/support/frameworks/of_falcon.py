"""The application for Falcon."""

from collections.abc import AsyncIterator
from typing import Any

import falcon
import falcon.asgi
from falcon.asgi import Request, Response, WebSocket


class Life:
    """A middleware, which in Falcon is what hears of the lifespan."""

    def __init__(self, log: list[str]) -> None:
        self._log = log
        self.left = ""

    async def process_startup(self, scope: Any, event: Any) -> None:
        self._log.append("up")
        self.left = "state"

    async def process_shutdown(self, scope: Any, event: Any) -> None:
        self._log.append("down")


class Add:
    def __init__(self, life: Life) -> None:
        self._life = life

    async def on_post(self, request: Request, response: Response) -> None:
        numbers = await request.get_media()
        total = numbers["a"] + numbers["b"]
        response.media = {"sum": total, "left": self._life.left, "url": request.relative_uri}


class Upload:
    async def on_post(self, request: Request, response: Response) -> None:
        async for part in await request.get_media():
            if part.name == "file":
                response.media = [part.filename, len(await part.stream.read())]


class Stream:
    async def on_get(self, request: Request, response: Response) -> None:
        async def lines() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"%d\n" % number

        response.content_type = falcon.MEDIA_TEXT
        response.stream = lines()


class Talk:
    async def on_websocket(self, request: Request, ws: WebSocket) -> None:
        await ws.accept()
        try:
            while True:  # texts and bytes in turn: it has no call for either
                await ws.send_text((await ws.receive_text()).upper())
                await ws.send_data((await ws.receive_data())[::-1])
        except falcon.WebSocketDisconnected:
            pass


def make(log: list[str]) -> Any:
    life = Life(log)
    app = falcon.asgi.App(middleware=[life])
    app.add_route("/json", Add(life))
    app.add_route("/upload", Upload())
    app.add_route("/stream", Stream())
    app.add_route("/ws", Talk())
    return without_root(app)


def without_root(app: Any) -> Any:
    """Take the root path out of the path, where ASGI has it: Falcon looks for routes without."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            scope = {**scope, "path": scope["path"].removeprefix(scope["root_path"])}
        await app(scope, receive, send)

    return application
