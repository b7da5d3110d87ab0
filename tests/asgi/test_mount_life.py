"""Mounting: what is refused, and the lifespans of what is mounted."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

import bascule
from bascule import web
from bascule.asgi.lifespan import LifespanError
from bascule.routing.listing import dump_routes
from bascule.testing import MemoryExchange
from support.asgi_apps import Living, mirror
from support.hosts import HOSTS, asgi_transport, own_socket, uvicorn_guest

# -- what is refused


@pytest.mark.parametrize(
    ("prefix", "error"),
    [("", ValueError), ("/", ValueError), (None, TypeError), (b"/x", TypeError)],
)
def test_prefixes_are_those_of_applications_inside(prefix: Any, error: type[Exception]) -> None:
    for add, inside in ((web.Application().add_subapp, web.Application()), (None, mirror)):
        with pytest.raises(error, match=r"Prefix cannot be empty|Prefix must be str"):
            (add or web.Application().mount)(prefix, inside)


def test_a_prefix_begins_with_a_slash() -> None:
    with pytest.raises(AssertionError):
        web.Application().mount("api", mirror)


def flask(environ: Any, start_response: Any) -> list[bytes]:
    raise NotImplementedError


def make() -> Any:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("app", "text"),
    [
        (None, "should be an ASGI application, got None"),
        ("module:app", "got 'module:app'"),
        (flask, r"if it is a WSGI application, use bascule\.wsgi\(\) on it"),
        (make, "if it makes an application, call it"),
        (json, "a module; name the application in it"),
        (web.Application, "the class itself; call it|if it makes an application, call it"),
    ],
)
def test_what_is_no_application_is_refused(app: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        web.Application().mount("/x", app)


async def test_frozen_applications_take_nothing() -> None:
    app = web.Application()
    async with app:
        with pytest.raises(RuntimeError, match="Cannot mount an application in a frozen one"):
            app.mount("/x", mirror)
    inside = web.Application()
    web.Application().add_subapp("/sub", inside)
    with pytest.raises(RuntimeError, match="frozen router"):
        inside.mount("/x", mirror)
    with pytest.raises(RuntimeError, match="in itself"):
        (app := web.Application()).mount("/x", app)


def test_names_are_those_of_the_router() -> None:
    app = web.Application()
    mount = app.mount("/x", mirror, name="name")
    assert app.router["name"] is mount
    assert (mount.canonical, mount.get_info()) == ("/x", {"prefix": "/x", "asgi_app": mirror})
    assert len(mount) == len(list(mount)) == 1
    assert repr(mount).startswith("<MountResource 'name' /x -> <function ")
    with pytest.raises(ValueError, match="Duplicate 'name'"):
        app.mount("/y", mirror, name="name")


async def test_a_mount_may_come_while_the_application_starts() -> None:
    """As any resource may."""
    log: list[str] = []

    async def mount(app: web.Application) -> None:
        app.mount("/late", Living("late", log))

    app = web.Application()
    app.on_startup.append(mount)
    async with own_socket(app) as client:
        assert (await client.get("/late/")).status == 200
    assert log == ["late startup", "late shutdown"]


# -- lifespans


def record(app: web.Application, name: str, log: list[str]) -> None:
    """Write the life of a native application into the log."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        log.append(f"{name} enter")
        yield
        log.append(f"{name} leave")

    async def tell_start(app: web.Application) -> None:
        log.append(f"{name} on_startup")

    async def tell_stop(app: web.Application) -> None:
        log.append(f"{name} on_shutdown")

    async def tell_end(app: web.Application) -> None:
        log.append(f"{name} on_cleanup")

    app.cleanup_ctx.append(context)
    app.on_startup.append(tell_start)
    app.on_shutdown.append(tell_stop)
    app.on_cleanup.append(tell_end)


@pytest.mark.parametrize("host", HOSTS)
async def test_lives_are_nested(host: str) -> None:
    log: list[str] = []
    app, sub = web.Application(), web.Application()
    record(app, "app", log)
    record(sub, "sub", log)
    app.mount("/one", Living("one", log))
    sub.mount("/in", Living("in", log))
    app.add_subapp("/sub", sub)
    app.mount("/two", Living("two", log))
    for _ in range(2):  # it can be started again
        log.clear()
        async with HOSTS[host](app) as client:
            assert (await client.get("/two/")).status == 200
            assert (await client.get("/sub/in/")).status == 200
            assert log == [
                "app enter",
                "app on_startup",
                "sub enter",
                "sub on_startup",
                "in startup",
                "one startup",
                "two startup",
            ]
            log.clear()
        assert log == [
            "app on_shutdown",
            "sub on_shutdown",
            "two shutdown",
            "one shutdown",
            "app leave",
            "app on_cleanup",
            "in shutdown",
            "sub leave",
            "sub on_cleanup",
        ]


async def test_each_has_a_state_of_its_own() -> None:
    app = web.Application()
    shared: list[int] = []
    app.mount("/a", Living("a", [], state={"name": "a", "shared": shared}))
    app.mount("/b", Living("b", []))
    app.mount("/none", mirror)
    async with own_socket(app) as client:
        assert json.loads((await client.get("/a/")).body) == {"name": "a", "shared": []}
        shared.append(1)
        assert json.loads((await client.get("/a/")).body) == {"name": "a", "shared": [1]}
        assert json.loads((await client.get("/b/")).body) == {}
        assert json.loads((await client.get("/none/")).body)["path"] == "/none/"


async def test_an_application_of_asgi_2() -> None:
    log: list[str] = []

    class Old:
        def __init__(self, scope: Any) -> None:
            self.scope = scope

        async def __call__(self, receive: Any, send: Any) -> None:
            await Living("old", log, state={"a": 1})(self.scope, receive, send)

    app = web.Application()
    app.mount("/old", Old)
    async with own_socket(app) as client:
        assert json.loads((await client.get("/old/")).body) == {"a": 1}
    assert log == ["old startup", "old shutdown"]


async def test_a_start_that_fails_ends_the_whole() -> None:
    log: list[str] = []
    app = web.Application()
    record(app, "app", log)
    app.mount("/one", Living("one", log))
    app.mount("/two", Living("two", log, fails="startup"))
    app.mount("/three", Living("three", log))
    with pytest.raises(LifespanError, match="two is ill"):
        async with bascule.serve(app):
            raise AssertionError("it was served")
    assert log == [
        "app enter",
        "app on_startup",
        "one startup",
        "two startup",
        "one shutdown",
        "app leave",
    ]


async def test_a_shutdown_that_fails_is_told_and_the_others_end() -> None:
    log: list[str] = []
    app = web.Application()
    record(app, "app", log)
    app.mount("/one", Living("one", log))
    app.mount("/two", Living("two", log, fails="shutdown"))
    with pytest.raises(LifespanError, match="two is ill"):
        async with app:
            pass
    assert log[-4:] == ["two shutdown", "one shutdown", "app leave", "app on_cleanup"]


async def test_a_host_is_told_why_the_start_failed() -> None:
    app = web.Application()
    app.mount("/one", Living("one", [], fails="startup"))
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(LifespanError):
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert sent == [{"type": "lifespan.startup.failed", "message": "one is ill"}]


async def test_native_in_starlette_in_native() -> None:
    """Starlette does not start what it mounts, we do; the innermost life is in its hands."""
    log: list[str] = []

    async def tell(request: web.Request) -> web.Response:
        url = request.app.router["item"].url_for(id="7")
        return web.Response(text=f"{request.path} {request.match_info['id']} {url}")

    innermost = web.Application()
    record(innermost, "innermost", log)
    innermost.router.add_get("/items/{id}", tell, name="item")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        log.append("middle up")
        async with innermost:
            yield
        log.append("middle down")

    middle = Starlette(routes=[Mount("/deep", innermost)], lifespan=lifespan)
    app = web.Application()
    record(app, "app", log)
    app.mount("/mid", middle)
    for host in (own_socket, asgi_transport, uvicorn_guest):
        log.clear()
        async with host(app) as client:
            answer = await client.get("/mid/deep/items/1")
            assert answer.text == "/mid/deep/items/1 1 /mid/deep/items/7"
        assert log == [
            "app enter",
            "app on_startup",
            "middle up",
            "innermost enter",
            "innermost on_startup",
            "app on_shutdown",
            "innermost on_shutdown",
            "innermost leave",
            "innermost on_cleanup",
            "middle down",
            "app leave",
            "app on_cleanup",
        ]


async def test_without_a_start_there_is_no_state() -> None:
    """As in a test that asks the application directly."""
    app = web.Application()
    app.mount("/a", Living("a", []))
    request = app._make_request(MemoryExchange("GET", "/a/"))
    response = await app._handle(request)
    assert (response.status, response.prepared) == (200, True)
    assert request._exchange.sent == b"null"  # type: ignore[attr-defined]  # a memory exchange


# -- between others


async def test_what_asgi_middlewares_around_have_told_is_handed_on() -> None:
    """A session that was opened around the native application; not the router's place, which
    would make the application inside ask the outer one for its URLs."""

    async def home(request: Request) -> JSONResponse:
        request.session["count"] = request.session.get("count", 0) + 1
        return JSONResponse([request.session["count"], str(request.url_for("home").path)])

    inner = Starlette(routes=[Route("/", home, name="home")])
    native = web.Application()
    native.mount("/in", inner)
    outer = Starlette(
        routes=[Mount("/out", native)],
        middleware=[Middleware(SessionMiddleware, secret_key="x")],
        lifespan=lambda _: native,
    )
    async with uvicorn_guest(outer) as client:
        first = await client.get("/out/in/")
        assert json.loads(first.body) == [1, "/out/in/"]
        cookie = first.fields["Set-Cookie"].partition(";")[0]
        again = await client.get("/out/in/", fields={"Cookie": cookie})
        assert json.loads(again.body)[0] == 2
        redirect = await client.get("/out/in")
        assert (redirect.status, redirect.fields["Location"]) == (307, "/out/in/")


def test_mounts_are_listed() -> None:
    def old(environ: Any, start_response: Any) -> list[bytes]:
        raise NotImplementedError

    sub = web.Application()
    sub.mount("/star", Starlette(), name="star")
    app = web.Application()
    app.mount("/old", bascule.wsgi(old))
    app.add_subapp("/sub", sub)
    lines = dump_routes(app.router)
    assert [line.split(maxsplit=3) for line in lines[1:]] == [
        ["*", "/old/*", "-", f"WSGI {__name__}.test_mounts_are_listed.<locals>.old"],
        ["*", "/sub/star/*", "star", "ASGI starlette.applications.Starlette object"],
    ]
