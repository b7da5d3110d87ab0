"""The smallest application: `python examples/hello.py`, or `uvicorn examples.hello:app`."""

from bascule import web


async def hello(request: web.Request) -> web.Response:
    name = request.match_info.get("name", "world")
    return web.Response(text=f"Hello, {name}!\n")


app = web.Application()
app.add_routes([web.get("/", hello), web.get("/{name}", hello)])

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
