"""What users write beyond the reference, and types that say more than its; nothing here runs."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, assert_type

from multidict import MultiDictProxy

from bascule import AppKey, hdrs, web
from bascule.abc import AbstractAccessLogger, AbstractMatchInfo, AbstractRouter, AbstractView

NAME = AppKey("NAME", str)


# -- annotations of handlers and middlewares


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=request.app[NAME], headers={hdrs.CACHE_CONTROL: "no-store"})


def choose(loud: bool) -> web.Handler:
    async def shout(request: web.Request) -> web.StreamResponse:
        return web.Response(text=request.app[NAME].upper())

    return shout if loud else hello


def log_to(write: Callable[[str], None]) -> web.Middleware:
    @web.middleware
    async def log(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        response = await handler(request)
        write(f"{request.method} {response.status}")
        return response

    return log


def around(handler: web.Handler) -> web.Handler:
    async def decorated(request: web.Request) -> web.StreamResponse:
        request.client_max_size = 10
        return await handler(request)

    return decorated


# -- a table: what is decorated stays what it was

routes = web.RouteTableDef()


@routes.post("/table", timeout=1.0)
@routes.put("/table")
async def change(request: web.Request, strict: bool = False) -> web.Response:
    return web.Response()


@routes.view("/table/view")
class TableView(web.View):
    """A view in a table."""

    extra = 1


async def call_decorated(request: web.Request) -> None:
    assert_type(await change(request, strict=True), web.Response)
    assert_type(TableView.extra, int)


async def read_form(request: web.Request) -> None:
    assert_type(await request.post(), MultiDictProxy[str | bytearray | web.FileField])


# -- answers to exceptions


async def not_found(request: web.Request, exc: Exception) -> web.Response:
    return web.Response(status=404, text=f"{request.path}: {exc}")


class OutOfStock(Exception):
    """An exception of the application's own."""


async def out_of_stock(request: web.Request, exc: OutOfStock) -> web.StreamResponse:
    return web.json_response({"error": str(exc)}, status=409)


# -- routes with limits, an application with all of it


def create_app(name: str) -> web.Application:
    app = web.Application(middlewares=[log_to(print)])
    app[NAME] = name
    app.exception_handlers[404] = not_found
    app.exception_handlers[OutOfStock] = out_of_stock
    app.router.add_get("/", choose(loud=True), timeout=1.0, client_max_size=10)
    app.router.add_post("/", around(hello), middlewares=[log_to(print)])
    resource = app.router.add_resource("/resource", middlewares=[log_to(print)])
    resource.add_route(hdrs.METH_PUT, hello, timeout=1.0)
    app.add_routes([web.get("/defined", hello, timeout=1.0), web.view("/view", Page)])

    @app.on_startup
    async def prepare(app: web.Application) -> None:
        app[NAME] = name

    assert_type(app.on_startup == [prepare], bool)
    return app


class Page(web.View):
    """A view whose method answers HEAD too."""

    async def get(self) -> web.Response:
        return await hello(self.request)

    head = get


# -- ASGI and life


Message = MutableMapping[str, Any]


async def asgi(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    await create_app("name")(scope, receive, send)


async def live() -> None:
    async with create_app("name") as app:
        assert_type(app, web.Application)
        assert_type(app[NAME], str)
    runner = web.AppRunner(asgi, access_log=None, debug=True)
    await runner.setup()
    await web.TCPSite(runner, port=0).start()
    await runner.cleanup()


# -- the abstract classes


class Log(AbstractAccessLogger):
    """An access log of one's own."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        self.logger.info("%s %s %.3f", request.path, response.status, time)


class Quiet(web.AccessLogger):
    """The usual access log with a filter."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        if request.path != "/health":
            super().log(request, response, time)


def main() -> None:
    web.run_app(create_app("name"), access_log_class=Log)
    web.run_app(create_app("name"), access_log_class=Quiet)


class Router(AbstractRouter):
    """A router of one's own."""

    async def resolve(self, request: web.Request) -> AbstractMatchInfo:
        raise web.HTTPNotFound


class Once(AbstractView[web.Request]):
    """A view of one's own."""

    def __await__(self) -> Any:
        return hello(self.request).__await__()


# -- where the reference's types say more: these stand here so that it is seen when that changes


def say_less(request: web.Request, runner: web.AppRunner) -> None:
    """Routing holds applications, a floor above it; runners run those of ASGI too."""
    assert_type(request.match_info.apps, tuple[Any, ...])
    assert_type(request.match_info.current_app, Any)
    assert_type(runner.app, Any)
    assert_type(request.match_info.route.get_info(), dict[str, Any])
