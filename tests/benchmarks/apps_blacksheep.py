"""The application for BlackSheep: the workloads that are answered at once."""

from typing import Any

from blacksheep import Application, Content, Request, Response, json, text

from .bodies import GREETING, JSON_BODY, LARGE
from .serving import Place

__all__ = ["make"]


def make(place: Place) -> Any:
    app = Application()

    async def plaintext(request: Request) -> Response:
        return text(GREETING)

    async def give_json(request: Request) -> Response:
        return json(JSON_BODY)

    async def large(request: Request) -> Response:
        return Response(200, content=Content(b"application/octet-stream", LARGE))

    async def post(request: Request) -> Response:
        data = await request.read() or b""
        return text(f"{len(data)} {data[-1]}")

    async def routed(request: Request) -> Response:
        values = request.route_values or {}
        return text(values["id"])

    app.router.add_get("/", plaintext)
    app.router.add_get("/json", give_json)
    app.router.add_get("/large", large)
    app.router.add_post("/post", post)
    for number in range(place.routes):
        app.router.add_get(f"/route{number}/{{id}}", routed)
    return app
