"""Other frameworks below a native application: `pip install fastapi flask`, then
`python examples/mounted.py`, or `uvicorn examples.mounted:app`.

Middlewares, signals and the access log of the native one stand around all of them, their lifespans
are within its own, and each finds its prefix in its root path. Try `curl -i http://127.0.0.1:8080/`,
`curl -i -H "X-Name: Ann" http://127.0.0.1:8080/api/items/1` and
`curl -i -H "X-Name: Ann" -d gift=cake http://127.0.0.1:8080/old/`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import fastapi
import flask

import bascule
from bascule import web


@web.middleware
async def guard(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    """Let nobody in without a name, wherever they go; this stands for a real check."""
    if request.path != "/" and "X-Name" not in request.headers:
        raise web.HTTPForbidden(text="Say who you are, as in X-Name: Ann.\n")
    return await handler(request)


async def add_site(request: web.Request, response: web.StreamResponse) -> None:
    """See each answer before its head leaves."""
    response.headers["X-Site"] = "The site"


@asynccontextmanager
async def lifespan(api: fastapi.FastAPI) -> AsyncIterator[dict[str, list[str]]]:
    yield {"items": ["zero", "one"]}  # here connections to databases are opened and closed


api = fastapi.FastAPI(lifespan=lifespan)


@api.get("/items/{number}")
async def item(request: fastapi.Request, number: int) -> dict[str, str | None]:
    items: list[str] = request.state.items
    name = items[number] if number < len(items) else None
    return {"name": name, "url": str(request.url_for("item", number=number).path)}


old = flask.Flask(__name__)


@old.post("/")
def greet() -> str:
    return f"Hello, {flask.request.headers['X-Name']}! Thanks for {flask.request.form['gift']}.\n"


async def index(request: web.Request) -> web.Response:
    router = request.app.router
    links = [str(router["api"].url_for(path="items/1")), str(router["old"].url_for(path="/"))]
    return web.json_response(links)


app = web.Application(middlewares=[guard])
app.on_response_prepare.append(add_site)
app.add_routes([web.get("/", index)])
app.mount("/api", api, name="api")
app.mount("/old", bascule.wsgi(old, threads=8), name="old")

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
