"""HTML pages, and the same data as JSON: `python examples/html_and_json.py`.

What comes from outside passes through `escape` on its way into HTML; `json_response` quotes by
itself. An error has the form of what was asked for. Open http://127.0.0.1:8080/, or try
`curl http://127.0.0.1:8080/api/planets/Mars` and `.../api/planets/Pluto`.
"""

import json
from html import escape

from bascule import web

RADIUS = web.AppKey("radius", dict[str, int])

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<h1>{title}</h1>
{main}
</html>
"""


def page(title: str, main: str) -> str:
    """Render a page; `main` is HTML, `title` is not."""
    return PAGE.format(title=escape(title), main=main)


async def show_planets(request: web.Request) -> web.Response:
    part = request.query.get("part", "")
    names = [name for name in request.app[RADIUS] if part.casefold() in name.casefold()]
    # `url_for` quotes a name for the path, `escape` for HTML: each place has its own quoting.
    urls = [request.app.router["planet"].url_for(name=name) for name in names]
    links = zip(urls, names, strict=True)
    items = "".join(f'<li><a href="{escape(str(url))}">{escape(name)}</a>' for url, name in links)
    main = f"""<form><input name="part" value="{escape(part)}" aria-label="Part of the name">
<button>Search</button></form>
<ul>{items or "<li>None has such a name."}</ul>"""
    return web.Response(text=page("Planets", main), content_type="text/html")


async def show_planet(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    radius = request.app[RADIUS].get(name)
    if radius is None:
        main = f'<p>{escape(name)} is none. <a href="/">See all</a>.'
        raise web.HTTPNotFound(text=page("No such planet", main), content_type="text/html")
    main = f'<p>Its radius is {radius} km. <a href="/">See all</a>.'
    return web.Response(text=page(name, main), content_type="text/html")


async def list_planets(request: web.Request) -> web.Response:
    return web.json_response([{"name": name} for name in request.app[RADIUS]])


async def get_planet(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    radius = request.app[RADIUS].get(name)
    if radius is None:
        error = json.dumps({"error": f"{name} is no planet"})
        raise web.HTTPNotFound(text=error, content_type="application/json")
    return web.json_response({"name": name, "radius": radius})


app = web.Application()
app[RADIUS] = {"Mercury": 2440, "Venus": 6052, "Earth": 6371, "Mars": 3390, "Jupiter": 69911}
app.router.add_get("/", show_planets)
app.router.add_get("/planets/{name}", show_planet, name="planet")
app.router.add_get("/api/planets", list_planets)
app.router.add_get("/api/planets/{name}", get_planet)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
