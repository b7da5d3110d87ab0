"""The application for FastAPI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, File, Request, UploadFile, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel


class Numbers(BaseModel):
    a: int
    b: int


def make(log: list[str]) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        log.append("up")
        yield {"left": "state"}
        log.append("down")

    app = FastAPI(lifespan=lifespan)

    @app.post("/json")
    async def add(request: Request, numbers: Numbers) -> dict[str, Any]:
        total = numbers.a + numbers.b
        return {"sum": total, "left": request.state.left, "url": request.url_for("add").path}

    @app.post("/upload")
    async def upload(file: Annotated[UploadFile, File()]) -> list[Any]:
        return [file.filename, len(await file.read())]

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            for number in range(3):
                yield f"{number}\n"

        return StreamingResponse(lines(), media_type="text/plain")

    @app.websocket("/ws")
    async def talk(ws: WebSocket) -> None:
        await ws.accept()
        while (message := await ws.receive())["type"] == "websocket.receive":
            if message.get("text") is not None:
                await ws.send_text(message["text"].upper())
            else:
                await ws.send_bytes(message["bytes"][::-1])

    return app
