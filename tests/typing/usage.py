"""What users write, as type checkers see it; nothing here runs.

All of it is also right of ``aiohttp.web``: only the import would change.
"""

import asyncio
import datetime
import functools
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, assert_type

from multidict import CIMultiDict, CIMultiDictProxy, MultiMapping
from yarl import URL

from bascule import web


class Database:
    """A resource that an application holds."""

    async def fetch(self, key: str) -> str:
        return key

    async def close(self) -> None: ...


DATABASE = web.AppKey("DATABASE", Database)
TASKS = web.AppKey("TASKS", set[asyncio.Task[None]])
SETTINGS = web.AppKey[Mapping[str, int]]("SETTINGS")
USER = web.RequestKey("USER", str)
CACHED = web.ResponseKey("CACHED", bool)


# -- keys and mappings


def look_up(app: web.Application) -> None:
    assert_type(DATABASE, web.AppKey[Database])
    assert_type(app[DATABASE], Database)
    assert_type(app[TASKS], set[asyncio.Task[None]])
    assert_type(app[SETTINGS]["limit"], int)
    assert_type(app.get(DATABASE), Database | None)
    assert_type(app.get(DATABASE, None), Database | None)
    assert_type(app.get(DATABASE, 1), Database | int)
    assert_type(app["text"], Any)
    assert_type(app.get("text"), Any)
    app[DATABASE] = Database()
    app["text"] = 1
    del app[DATABASE]
    if DATABASE in app:
        app[TASKS].clear()
    for key in app:
        assert_type(key, str | web.AppKey[Any])


async def look_around(request: web.Request) -> web.Response:
    assert_type(request.app, web.Application)
    assert_type(request.app[DATABASE], Database)
    assert_type(request.config_dict[DATABASE], Database)
    assert_type(request.config_dict.get(DATABASE), Database | None)
    assert_type(request.config_dict.get(DATABASE, 1), Database | int)
    assert_type(await request.config_dict[DATABASE].fetch("key"), str)
    look_up(request.app)
    request[USER] = "name"
    assert_type(request[USER], str)
    assert_type(request.get("text", None), Any)
    request["text"] = 1
    assert_type(request["text"], Any)
    response = web.Response()
    response[CACHED] = True
    assert_type(response[CACHED], bool)
    return response


# -- what a request says


async def read(request: web.Request) -> web.StreamResponse:
    assert_type(request.match_info["name"], str)
    assert_type(request.match_info.get("name"), str | None)
    assert_type(request.match_info.get("name", "none"), str)
    assert_type(request.match_info.route, web.AbstractRoute)
    assert_type(request.match_info.route.resource, web.AbstractResource | None)
    assert_type(request.match_info.http_exception, web.HTTPException | None)
    resource = request.match_info.route.resource
    assert resource is not None
    assert_type(resource.canonical, str)
    assert_type(request.method, str)
    assert_type(request.path, str)
    assert_type(request.url, URL)
    assert_type(request.rel_url, URL)
    assert_type(request.query, MultiMapping[str])
    assert_type(request.query.get("page", "1"), str)
    assert_type(request.headers, CIMultiDictProxy[str])
    assert_type(request.cookies, Mapping[str, str])
    assert_type(request.content_type, str)
    assert_type(request.charset, str | None)
    assert_type(request.content_length, int | None)
    assert_type(request.remote, str | None)
    assert_type(request.client_max_size, int)
    assert_type(request.task, asyncio.Task[None])
    assert_type(await request.read(), bytes)
    assert_type(await request.text(), str)
    assert_type(await request.json(), Any)
    assert_type(await request.content.readline(), bytes)
    async for chunk in request.content.iter_chunked(1024):
        assert_type(chunk, bytes)
    async for part, ended in request.content.iter_chunks():
        assert_type(part, bytes)
        assert_type(ended, bool)
    async for line in request.content:
        assert_type(line, bytes)
    assert_type(request.clone(method="POST"), web.Request)
    return web.Response(text=request.path)


async def upload(request: web.Request) -> web.Response:
    form = await request.post()
    for name in form:
        assert_type(name, str)
    field = form["file"]
    if not isinstance(field, web.FileField):
        raise web.HTTPBadRequest(text="file expected")
    assert_type(field.filename, str)
    assert_type(field.headers, CIMultiDictProxy[str])
    return web.Response(body=field.file.read(), content_type=field.content_type)


# -- responses


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=200, headers={"X-Field": "value"})
    response.content_type = "text/plain"
    response.content_length = 3
    response.last_modified = 0
    response.set_cookie("name", "value", max_age=60, httponly=True, samesite="Lax")
    response.del_cookie("other")
    assert_type(response.status, int)
    assert_type(response.reason, str)
    assert_type(response.prepared, bool)
    assert_type(response.headers, CIMultiDict[str])
    await response.prepare(request)
    await response.write(b"abc")
    await response.write_eof()
    return response


async def send_file(request: web.Request) -> web.FileResponse:
    assert_type(request.if_modified_since, datetime.datetime | None)
    assert_type(request.http_range, slice)
    for tag in request.if_none_match or ():
        assert_type(tag.value, str)
        assert_type(tag.is_weak, bool)
    response = web.FileResponse(Path("file"), chunk_size=1024, headers={"X-Field": "value"})
    response.etag = "value"
    response.last_modified = datetime.datetime.now(datetime.UTC)
    return response


def respond() -> list[web.StreamResponse]:
    response = web.Response(text="text", headers=[("X-Field", "value")])
    response.text = "other"
    response.body = b"other"
    assert_type(response.text, str | None)
    assert_type(web.json_response({"a": 1}, status=201), web.Response)
    assert_type(web.json_bytes_response({}, dumps=lambda data: b"{}"), web.Response)
    return [response, web.json_response(text="{}", headers={"X-Field": "value"})]


# -- handlers of all kinds


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def greet(greeting: str, request: web.Request) -> web.Response:
    return web.Response(text=greeting)


class Pages:
    """Handlers that share a state."""

    def __init__(self, title: str) -> None:
        self.title = title

    async def show(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=self.title)

    async def __call__(self, request: web.Request) -> web.Response:
        return web.Response(text=self.title)


class Item(web.View):
    """A view that adds to the usual life of one."""

    async def get(self) -> web.StreamResponse:
        assert_type(self.request, web.Request)
        assert_type(self.request.app[DATABASE], Database)
        return web.Response(text=self.request.match_info["name"])

    async def post(self) -> web.Response:
        raise web.HTTPSeeOther(self.request.rel_url)


def register(app: web.Application) -> None:
    pages = Pages("title")
    app.router.add_get("/", hello, name="hello")
    app.router.add_get("/show", pages.show, allow_head=False)
    app.router.add_post("/greet", functools.partial(greet, "hello"))
    app.router.add_route("*", "/item/{name}", Item)
    app.router.add_view("/view/{name}", Item, name="view")
    route = app.router.add_route("GET", "/pages", pages)
    assert_type(route, web.AbstractRoute)
    assert_type(route.url_for(), URL)
    resource = app.router.add_resource("/resource/{name}", name="resource")
    assert_type(resource, web.Resource)
    assert_type(resource.add_route("GET", hello), web.ResourceRoute)
    assert_type(app.router["hello"], web.AbstractResource)
    assert_type(app.router["resource"].url_for(name="value"), URL)
    static = app.router.add_static("/static", Path("static"), name="static", show_index=True)
    assert_type(static, web.AbstractResource)
    assert_type(static.url_for(filename="file.css"), URL)
    added = app.add_routes(
        [
            web.get("/a", hello, name="a"),
            web.post("/b", pages.show),
            web.put("/c", functools.partial(greet, "hello")),
            web.delete("/d", Item),
            web.view("/e", Item),
            web.static("/files", "files", follow_symlinks=True),
            web.route("PROPFIND", "/f", pages),
        ]
    )
    assert_type(added, list[web.AbstractRoute])
    for each in app.router.routes():
        assert_type(each, web.AbstractRoute)
    for name, named in app.router.named_resources().items():
        assert_type(name, str)
        assert_type(named, web.AbstractResource)


routes = web.RouteTableDef()
routes.static("/more", Path("more"))


@routes.get("/table/{name}", name="table")
async def from_table(request: web.Request) -> web.Response:
    return web.json_response(dict(request.match_info))


@routes.post("/table")
@routes.put("/table")
async def change_table(request: web.Request, strict: bool = False) -> web.StreamResponse:
    return web.Response()


@routes.view("/table/view")
class TableView(web.View):
    """A view in a table."""

    async def get(self) -> web.Response:
        return web.Response()


# -- middlewares

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    response.headers["X-Count"] = "1"
    return response


@web.middleware
async def translate(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPMove as move:
        assert_type(move.location, str | URL)
        raise
    except web.HTTPMethodNotAllowed as refusal:
        assert_type(refusal.allowed_methods, set[str])
        raise
    except web.HTTPException as exc:
        assert_type(exc.status, int)
        assert_type(exc.text, str | None)
        response: web.StreamResponse = exc
        return response


class Timing:
    """A middleware that is an object."""

    __middleware_version__ = 1

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)


async def call_middleware(request: web.Request) -> None:
    """A decorated middleware is what it was."""
    assert_type(await count(request, hello), web.StreamResponse)


# -- signals and contexts


async def set_header(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Path"] = request.path


async def connect(app: web.Application) -> None:
    app[DATABASE] = Database()


async def disconnect(app: web.Application) -> None:
    await app[DATABASE].close()


async def database(app: web.Application) -> AsyncIterator[None]:
    app[DATABASE] = Database()
    yield
    await app[DATABASE].close()


@asynccontextmanager
async def tasks(app: web.Application) -> AsyncGenerator[None, None]:
    app[TASKS] = set()
    yield


# -- applications and how they run


def create_app(size: int) -> web.Application:
    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        if (request.content_length or 0) > size:
            raise web.HTTPRequestEntityTooLarge(size, request.content_length or 0)
        return await handler(request)

    app = web.Application(
        logger=logging.getLogger("usage"),
        middlewares=[count, limit, translate, Timing(), web.normalize_path_middleware()],
        client_max_size=size,
        handler_args={"keepalive_timeout": 5.0},
    )
    app.on_startup.append(connect)
    app.on_shutdown.append(disconnect)
    app.on_cleanup.append(disconnect)
    app.on_response_prepare.append(set_header)
    app.cleanup_ctx.append(database)
    app.cleanup_ctx.append(tasks)
    app.cleanup_ctx.extend([database, tasks])
    app.middlewares.append(count)
    app.add_routes(routes)
    assert_type(routes[0], web.AbstractRouteDef)
    register(app)
    inner = web.Application(middlewares=[count])
    assert_type(app.add_subapp("/inner", inner), web.PrefixedSubAppResource)
    app.add_domain("*.example.org", web.Application())
    assert_type(app.frozen, bool)
    return app


async def run() -> None:
    runner = web.AppRunner(create_app(1), handle_signals=True, shutdown_timeout=5.0)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    sites = [
        web.TCPSite(runner, "127.0.0.1", 8080, ssl_context=context, reuse_port=True),
        web.UnixSite(runner, "/run/usage.sock"),
    ]
    for site in sites:
        await site.start()
        assert_type(site.name, str)
    assert_type(runner.addresses, list[Any])
    await runner.cleanup()


async def create_later() -> web.Application:
    return create_app(1)


def main() -> None:
    web.run_app(create_app(1), host="127.0.0.1", port=8080, print=None, access_log=None)
    web.run_app(create_later(), path="/run/usage.sock", handle_signals=False)
    web.run_app(create_app(1), host=["127.0.0.1", "::1"], access_log_format="%a %r %s")
