"""A static site, the directory `site` beside this program: `python examples/static_site.py`.

`add_static` answers HEAD, ranges, conditional requests and for compressed neighbours of files
(`style.css.gz`), and leaves the directory by no path and by no symbolic link. Index pages are no
part of it, so `/` has a route of its own. Open http://127.0.0.1:8080/, or try
`curl -i http://127.0.0.1:8080/style.css`, and once more with `-H 'If-None-Match: "..."'`, the ETag.
"""

from pathlib import Path

from bascule import web

SITE = Path(__file__).with_name("site")


async def show_index(request: web.Request) -> web.FileResponse:
    return web.FileResponse(SITE / "index.html")


async def add_fields(request: web.Request, response: web.StreamResponse) -> None:
    # Caches ask each time whether a file has changed; if not, a 304 is all they get.
    response.headers["Cache-Control"] = "no-cache"
    if response.status == 404:
        # It is empty. As HTML, browsers show a page of their own in place of it.
        response.content_type = "text/html"


app = web.Application()
app.on_response_prepare.append(add_fields)
app.router.add_get("/", show_index)
app.router.add_static("/", SITE)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
