"""The application for Quart."""

from collections.abc import AsyncIterator
from typing import Any

from quart import Quart, request, url_for, websocket


def make(log: list[str]) -> Any:
    app = Quart(__name__)

    @app.before_serving
    async def start() -> None:
        log.append("up")
        app.config["LEFT"] = "state"

    @app.after_serving
    async def stop() -> None:
        log.append("down")

    @app.post("/json")
    async def add() -> dict[str, Any]:
        numbers = await request.get_json()
        total = numbers["a"] + numbers["b"]
        return {"sum": total, "left": app.config["LEFT"], "url": url_for("add")}

    @app.post("/upload")
    async def upload() -> list[Any]:
        file = (await request.files)["file"]
        return [file.filename, len(file.read())]

    @app.get("/stream")
    async def stream() -> Any:
        async def lines() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"%d\n" % number

        return lines(), 200, {"Content-Type": "text/plain"}

    @app.websocket("/ws")
    async def talk() -> None:
        while True:
            data = await websocket.receive()
            await websocket.send(data.upper() if isinstance(data, str) else data[::-1])

    return app
