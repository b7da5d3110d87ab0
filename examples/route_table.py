"""Routes next to their handlers, by decorators: `python examples/route_table.py`.

A `RouteTableDef` only lists routes, so a module of handlers needs no application to be imported.
Try `curl -d "buy milk" http://127.0.0.1:8080/notes`, then `curl http://127.0.0.1:8080/notes`.
"""

from bascule import web

NOTES = web.AppKey("notes", list[str])

routes = web.RouteTableDef()


@routes.get("/notes", name="notes")  # HEAD too
async def list_notes(request: web.Request) -> web.Response:
    return web.json_response(request.app[NOTES])


@routes.post("/notes")
async def add_note(request: web.Request) -> web.Response:
    notes = request.app[NOTES]
    notes.append(await request.text())
    return web.Response(status=201, headers={"Location": f"/notes/{len(notes) - 1}"})


@routes.get(r"/notes/{number:[0-9]{1,9}}")
async def show_note(request: web.Request) -> web.Response:
    try:
        return web.Response(text=request.app[NOTES][int(request.match_info["number"])])
    except IndexError:
        raise web.HTTPNotFound(text="There is no such note.\n") from None


app = web.Application()
app[NOTES] = []
app.add_routes(routes)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
