"""Cookies, set, read, counted up and deleted: `python examples/cookies.py`.

A cookie is text that a client can see and change, so it is checked like any input. Open
http://127.0.0.1:8080/ more than once, or try `curl -b jar -c jar http://127.0.0.1:8080/`.
"""

from html import escape
from urllib.parse import quote, unquote

from bascule import web

YEAR = 365 * 24 * 60 * 60  # seconds

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cookies</title>
<p>Hello, {name}! Visits of yours: {visits}.
<form method="post" action="/name">
<input name="name" aria-label="Your name" maxlength="40" required>
<button>Call me so</button>
</form>
<form method="post" action="/forget"><button>Forget me</button></form>
</html>
"""


def count(visits: str) -> int:
    """Give the number of this visit; a cookie that holds no number starts again."""
    return int(visits) + 1 if visits.isdecimal() and len(visits) < 10 else 1


def keep(request: web.Request, response: web.Response, name: str, value: str) -> None:
    """Set a cookie for a year, that scripts cannot read and that other sites cannot send along."""
    response.set_cookie(
        name, value, max_age=YEAR, httponly=True, samesite="Lax", secure=request.secure
    )


async def index(request: web.Request) -> web.Response:
    visits = count(request.cookies.get("visits", ""))
    name = unquote(request.cookies.get("name", "")) or "stranger"
    text = PAGE.format(name=escape(name), visits=visits)
    response = web.Response(text=text, content_type="text/html")
    response.headers["Cache-Control"] = "no-store"  # else a visit may not come here
    keep(request, response, "visits", str(visits))
    return response


async def set_name(request: web.Request) -> web.Response:
    name = (await request.post()).get("name")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= 40:
        raise web.HTTPBadRequest(text="A name has 1 to 40 characters.\n")
    response = web.HTTPSeeOther("/")
    keep(request, response, "name", quote(name.strip()))  # cookies are ASCII
    raise response


async def forget(request: web.Request) -> web.Response:
    response = web.HTTPSeeOther("/")
    for name in ("name", "visits"):
        response.del_cookie(name, httponly=True, samesite="Lax")
    raise response


app = web.Application()
app.add_routes([web.get("/", index), web.post("/name", set_name), web.post("/forget", forget)])

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
