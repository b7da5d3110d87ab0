"""Errors that are the server's: `python examples/server_error.py`.

An HTTP exception that a handler raises is the answer, with its text and fields. Any other exception
is logged, and answered 500 without a word of it (with its traceback in asyncio's debug mode, as
under `python -X dev`). Try `curl -i http://127.0.0.1:8080/` and `.../bug`.
"""

from bascule import web


async def read_gauge() -> float:
    raise ConnectionError("gauge 7 at 10.0.0.7 does not answer")


async def show_gauge(request: web.Request) -> web.Response:
    try:
        value = await read_gauge()
    except ConnectionError as exc:
        # For the log there is `from exc`; the client is told what it may know.
        raise web.HTTPInternalServerError(
            text="The gauge cannot be read, try later.\n", headers={"Retry-After": "60"}
        ) from exc
    return web.json_response({"value": value})


async def bug(request: web.Request) -> web.Response:
    return web.json_response({"value": await read_gauge()})


app = web.Application()
app.add_routes([web.get("/", show_gauge), web.get("/bug", bug)])

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
