"""The application for Starlette."""

from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from .bodies import CHUNK, CHUNKS, GREETING, JSON_BODY, LARGE
from .serving import Place

__all__ = ["make"]


def make(place: Place) -> Any:
    async def file(request: Request) -> Response:
        return FileResponse(place.file)

    routes = [
        Route("/", _plaintext),
        Route("/json", _give_json),
        Route("/touch", _touched),
        Route("/large", _large),
        Route("/file", file),
        Route("/post", _post, methods=["POST"]),
        Route("/upload", _upload, methods=["POST"]),
        Route("/stream", _stream),
        WebSocketRoute("/ws", _echo),
        *(Route(f"/route{number}/{{id}}", _routed) for number in range(place.routes)),
    ]
    middlewares = [Middleware(_Marking, number=number) for number in range(5)]
    return Starlette(routes=routes, middleware=middlewares if place.is_full else None)


class _Marking:
    """A middleware that does what most do: look, call, look; the first adds a field."""

    def __init__(self, app: Any, number: int) -> None:
        self._app = app
        self._number = number

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("seen", {})[self._number] = True

        async def signing(event: Any) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [*event["headers"], (b"x-signed", b"yes")]
            await send(event)

        await self._app(scope, receive, send if self._number else signing)


async def _plaintext(request: Request) -> Response:
    return PlainTextResponse(GREETING)


async def _give_json(request: Request) -> Response:
    return JSONResponse(JSON_BODY)


async def _touched(request: Request) -> Response:
    fields = [(name, value) for name, value in request.headers.items()]
    response = PlainTextResponse(f"{request.query_params['n']} {len(fields)}")
    response.headers["X-Path"] = request.url.path
    return response


async def _large(request: Request) -> Response:
    return Response(LARGE)


async def _post(request: Request) -> Response:
    data = await request.body()
    return PlainTextResponse(f"{len(data)} {data[-1]}")


async def _upload(request: Request) -> Response:
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return PlainTextResponse(str(size))


async def _stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(CHUNKS):
            yield CHUNK

    return StreamingResponse(chunks())


async def _routed(request: Request) -> Response:
    return PlainTextResponse(request.path_params["id"])


async def _echo(ws: WebSocket) -> None:
    await ws.accept()
    try:
        while True:
            await ws.send_text(await ws.receive_text())
    except WebSocketDisconnect:
        pass
