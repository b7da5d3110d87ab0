"""An application inside another, with parts of its own: `python examples/nested_apps.py`.

The middlewares of the outer one stand around those of the inner one; `request.app` is the one that
a handler or middleware belongs to, and `request.config_dict` looks in the inner, then the outer.
Try `curl -i http://127.0.0.1:8080/` and `curl -i -H "X-Role: admin" http://127.0.0.1:8080/admin/`.
"""

from bascule import web

TITLE = web.AppKey("title", str)
MESSAGES = web.AppKey("messages", list[str])


@web.middleware
async def sign(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    """Of the outer application: it sees what the inner one answers, refusals too."""
    try:
        response = await handler(request)
    except web.HTTPException as exc:
        exc.headers["X-Site"] = request.app[TITLE]
        raise
    response.headers["X-Site"] = request.app[TITLE]
    return response


@web.middleware
async def require_admin(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    """Of the inner application: it stands around its routes, and around its 404 and 405."""
    if request.headers.get("X-Role") != "admin":  # stands for a real check
        raise web.HTTPForbidden(text="For admins only.\n")
    return await handler(request)


async def index(request: web.Request) -> web.Response:
    title = request.config_dict[TITLE]
    return web.Response(text=f"{title}: {len(request.app[MESSAGES])} messages\n")


async def say(request: web.Request) -> web.Response:
    request.app[MESSAGES].append(await request.text())
    raise web.HTTPSeeOther(request.app.router["index"].url_for())  # with the prefix


def make_admin() -> web.Application:
    admin = web.Application(middlewares=[require_admin])
    admin[MESSAGES] = []
    admin.add_routes([web.get("/", index, name="index"), web.post("/messages", say)])
    return admin


async def welcome(request: web.Request) -> web.Response:
    return web.Response(text=f"Welcome to {request.app[TITLE]}\n")


app = web.Application(middlewares=[sign])
app[TITLE] = "The site"
app.add_routes([web.get("/", welcome)])
app.add_subapp("/admin/", make_admin())

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
