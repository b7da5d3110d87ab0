"""Redirections, raised, to URLs that are built from names: `python examples/redirect.py`.

Try `curl -iL http://127.0.0.1:8080/` and `curl -iL http://127.0.0.1:8080/search?city=new%20york`.
"""

from bascule import web

CITIES = {"oslo": "Oslo", "new york": "New York", "łódź": "Łódź"}


async def index(request: web.Request) -> web.Response:
    raise web.HTTPFound(request.app.router["city"].url_for(name="Oslo"))


async def search(request: web.Request) -> web.Response:
    name = CITIES.get(request.query.get("city", "").casefold())
    if name is None:
        raise web.HTTPNotFound(text="There is no such city.\n")
    # `url_for` quotes the name, and `with_query` the query.
    location = request.app.router["city"].url_for(name=name)
    raise web.HTTPFound(location.with_query({"from": "the search"}))


async def city(request: web.Request) -> web.Response:
    origin = request.query.get("from", "the start")
    return web.Response(text=f"{request.match_info['name']}, from {origin}\n")


app = web.Application()
app.add_routes(
    [
        web.get("/", index),
        web.get("/search", search),
        web.get("/cities/{name}", city, name="city"),
    ]
)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
