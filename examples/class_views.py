"""Handlers that are classes, a method for each HTTP method: `python examples/class_views.py`.

One is registered by a decorator, the other by `add_view`. What a class has no method for is
answered 405. Try `curl -X PUT -d red http://127.0.0.1:8080/colours/rose`, then the same with GET.
"""

from bascule import web

COLOURS = web.AppKey("colours", dict[str, str])

routes = web.RouteTableDef()


@routes.view("/colours/{thing}")
class Colour(web.View):
    """The colour of one thing; an instance is made for each request."""

    @property
    def thing(self) -> str:
        return self.request.match_info["thing"]

    async def get(self) -> web.Response:
        colour = self.request.app[COLOURS].get(self.thing)
        if colour is None:
            raise web.HTTPNotFound
        return web.Response(text=colour)

    async def put(self) -> web.Response:
        self.request.app[COLOURS][self.thing] = await self.request.text()
        return web.Response(status=204)


class Colours(web.View):
    """All of them."""

    async def get(self) -> web.Response:
        return web.json_response(self.request.app[COLOURS])

    async def delete(self) -> web.Response:
        self.request.app[COLOURS].clear()
        return web.Response(status=204)


app = web.Application()
app[COLOURS] = {}
app.add_routes(routes)
app.router.add_view("/colours", Colours)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
