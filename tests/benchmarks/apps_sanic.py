"""The application for sanic: the workloads that are answered at once."""

from typing import Any

from sanic import Sanic
from sanic.response import json as give_json
from sanic.response import raw, text

from .bodies import GREETING, JSON_BODY, LARGE
from .serving import Place

__all__ = ["make"]


def make(place: Place) -> Any:
    app = Sanic("benchmark", configure_logging=False)

    @app.get("/")
    async def plaintext(request: Any) -> Any:
        return text(GREETING)

    @app.get("/json")
    async def answer_json(request: Any) -> Any:
        return give_json(JSON_BODY)

    @app.get("/large")
    async def large(request: Any) -> Any:
        return raw(LARGE)

    @app.post("/post")
    async def post(request: Any) -> Any:
        return text(f"{len(request.body)} {request.body[-1]}")

    async def routed(request: Any, id: str) -> Any:
        return text(id)

    for number in range(place.routes):
        app.add_route(routed, f"/route{number}/<id>", name=f"route{number}")
    return app
