"""The application for Litestar."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from litestar import Litestar, Request, WebSocket, get, post, websocket
from litestar.datastructures import UploadFile
from litestar.enums import MediaType, RequestEncodingType
from litestar.params import Body
from litestar.response import Stream


@post("/json", name="add", status_code=200)
async def add(
    request: Request[Any, Any, Any], data: Annotated[dict[str, int], Body()]
) -> dict[str, Any]:
    url = request.scope["root_path"] + request.app.route_reverse("add")
    return {"sum": data["a"] + data["b"], "left": request.app.state.left, "url": url}


@post("/upload", status_code=200)
async def upload(
    data: Annotated[dict[str, UploadFile], Body(media_type=RequestEncodingType.MULTI_PART)],
) -> list[Any]:
    file = data["file"]
    return [file.filename, len(await file.read())]


@get("/stream")
async def stream() -> Stream:
    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            yield f"{number}\n"

    return Stream(lines(), media_type=MediaType.TEXT)


@websocket("/ws")
async def talk(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    while (message := await socket.receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await socket.send_text(message["text"].upper())
        else:
            await socket.send_bytes(message["bytes"][::-1])


def make(log: list[str]) -> Any:
    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        log.append("up")
        app.state.left = "state"
        yield
        log.append("down")

    routes = [add, upload, stream, talk]
    # Its logging would be that of the whole process.
    return Litestar(routes, lifespan=[lifespan], logging_config=None, openapi_config=None)
