"""The application for `aiohttp.web`'s API: aiohttp's and bascule's alike."""

from typing import Any

from .bodies import CHUNK, CHUNKS, GREETING, JSON_BODY, LARGE
from .serving import Place

__all__ = ["make"]


def make(web: Any, place: Place) -> Any:
    """Make it of a module with the API."""
    app = web.Application(middlewares=_make_middlewares(web) if place.is_full else ())
    if place.is_full:
        app.on_response_prepare.append(_sign)
    _add_answers(web, app, place)
    _add_bodies(web, app)

    async def routed(request: Any) -> Any:
        return web.Response(text=request.match_info["id"])

    for number in range(place.routes):
        app.router.add_get(f"/route{number}/{{id}}", routed)
    return app


def _add_answers(web: Any, app: Any, place: Place) -> None:
    async def plaintext(request: Any) -> Any:
        return web.Response(text=GREETING)

    async def give_json(request: Any) -> Any:
        return web.json_response(JSON_BODY)

    async def touched(request: Any) -> Any:
        fields = [(name, value) for name, value in request.headers.items()]
        response = web.Response(text=f"{request.url.query['n']} {len(fields)}")
        response.headers["X-Path"] = request.url.path
        return response

    async def large(request: Any) -> Any:
        return web.Response(body=LARGE)

    async def file(request: Any) -> Any:
        return web.FileResponse(place.file)

    app.router.add_get("/", plaintext)
    app.router.add_get("/json", give_json)
    app.router.add_get("/touch", touched)
    app.router.add_get("/large", large)
    app.router.add_get("/file", file)


def _add_bodies(web: Any, app: Any) -> None:
    async def post(request: Any) -> Any:
        data = await request.read()
        return web.Response(text=f"{len(data)} {data[-1]}")

    async def upload(request: Any) -> Any:
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
        return web.Response(text=str(size))

    async def stream(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(CHUNKS):
            await response.write(CHUNK)
        await response.write_eof()
        return response

    async def echo(request: Any) -> Any:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    app.router.add_post("/post", post)
    app.router.add_post("/upload", upload)
    app.router.add_get("/stream", stream)
    app.router.add_get("/ws", echo)


async def _sign(request: Any, response: Any) -> None:
    """Be the receiver of a signal that adds a field."""
    response.headers["X-Signed"] = "yes"


def _make_middlewares(web: Any) -> list[Any]:
    """Make five that do what most do: look, call, look."""

    def make_one(number: int) -> Any:
        key = web.RequestKey(f"seen{number}", bool)

        @web.middleware
        async def middleware(request: Any, handler: Any) -> Any:
            request[key] = True
            return await handler(request)

        return middleware

    return [make_one(number) for number in range(5)]
