"""With a router of one's own, and with options for connections, the answers are aiohttp's."""

import importlib
import logging
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp.web
import pytest

import bascule.web
from differential.frame import Call, Case, compare
from differential.requesting import request
from differential.transcript import View

TEXT = {web: web.AppKey("text", str) for web in (aiohttp.web, bascule.web)}
Resolve = Callable[[Any, Any, Any], Any]  # of `web`, the package's `abc`, and a request


def told(web: Any, *lines: object) -> Any:
    return web.Response(text="\n".join(map(str, lines)))


def make_match_info(abc: Any, handler: Any, **attributes: Any) -> Any:
    """Make a match info with no more than the abstract class asks for, and these attributes."""

    class Found(abc.AbstractMatchInfo):  # type: ignore[misc]
        current_app: Any

        def __init__(self) -> None:
            self._apps: list[Any] = []
            self.frozen = 0

        @property
        def handler(self) -> Any:
            return handler

        @property
        def expect_handler(self) -> Any:
            return attributes.get("expect", self._expect)

        async def _expect(self, request: Any) -> None:
            """Let the body come."""

        @property
        def http_exception(self) -> Any:
            return attributes.get("http_exception")

        def get_info(self) -> dict[str, Any]:
            return {"own": "info"}

        @property
        def apps(self) -> Any:
            return tuple(self._apps)

        def add_app(self, app: Any) -> None:
            self._apps.insert(0, app)
            if "current_app" in attributes:
                self.current_app = app

        def freeze(self) -> None:
            self.frozen += 1

    found = Found()
    if "current_app" in attributes:
        found.current_app = None
    return found


async def own(web: Any, abc: Any, request: Any) -> Any:
    async def handler(request: Any) -> Any:
        info = request.match_info
        return told(web, type(info).__name__, info.get_info(), len(info.apps), info.frozen)

    return make_match_info(abc, handler)


async def own_with_current_app(web: Any, abc: Any, request: Any) -> Any:
    async def handler(request: Any) -> Any:
        text, config = TEXT[web], request.config_dict
        return told(web, request.app[text], config[text], len(config))

    return make_match_info(abc, handler, current_app=True)


async def own_without_current_app(web: Any, abc: Any, request: Any) -> Any:
    async def handler(request: Any) -> Any:
        return told(web, request.app[TEXT[web]])

    return make_match_info(abc, handler)


async def own_without_a_response(web: Any, abc: Any, request: Any) -> Any:
    async def handler(request: Any) -> Any:
        return None

    return make_match_info(abc, handler)


async def own_with_exception(web: Any, abc: Any, request: Any) -> Any:
    async def handler(request: Any) -> Any:
        return told(web, "handled all the same")

    return make_match_info(abc, handler, http_exception=web.HTTPGone())


async def own_expecting(web: Any, abc: Any, request: Any) -> Any:
    async def handler(request: Any) -> Any:
        return told(web, "handled")

    async def expect(request: Any) -> Any:
        return web.Response(status=417, text="not expected")

    return make_match_info(abc, handler, expect=expect)


async def gone(web: Any, abc: Any, request: Any) -> Any:
    raise web.HTTPGone(text="by the router", headers={"X-Router": "yes"})


async def moved(web: Any, abc: Any, request: Any) -> Any:
    raise web.HTTPFound("/there")


async def fails(web: Any, abc: Any, request: Any) -> Any:
    raise ValueError("in the router")


async def nothing(web: Any, abc: Any, request: Any) -> Any:
    return None


async def text(web: Any, abc: Any, request: Any) -> Any:
    return "text"


async def by_another(web: Any, abc: Any, request: Any) -> Any:
    async def handler(request: Any) -> Any:
        return told(web, dict(request.match_info), request.match_info.route.method)

    router = web.UrlDispatcher()
    router.add_get("/{name}", handler)
    return await router.resolve(request)


async def by_hand(web: Any, abc: Any, request: Any) -> Any:
    async def handler(request: Any) -> Any:
        return told(web, dict(request.match_info), request.match_info.handler.__name__)

    route = web.ResourceRoute("GET", handler, web.PlainResource("/x"))
    return web.UrlMappingMatchInfo({"by": "hand"}, route)


RESOLVES: dict[str, Resolve] = {
    function.__name__.replace("_", "-"): function
    for function in (
        *(own, own_with_current_app, own_without_current_app, own_without_a_response),
        *(own_with_exception, own_expecting, gone, moved, fails, nothing, text),
        *(by_another, by_hand),
    )
}
REQUESTS = {
    "get": request(target="/name"),
    "post": request("POST", "/name", body=b"x"),
    "expect": request("GET", "/name", {"Expect": "100-continue"}, b""),
}


def build(resolve: Resolve, kind: str, web: Any) -> Any:
    """Make an application with a router that resolves so."""
    abc = importlib.import_module(f"{web.__name__.partition('.')[0]}.abc")
    base = abc.AbstractRouter if kind != "derived" else web.UrlDispatcher

    class Router(base):  # type: ignore[misc]
        alive: Any

        async def resolve(self, request: Any) -> Any:
            if request.path == "/__alive":
                found = make_match_info(abc, self.alive, current_app=True)
            else:
                found = await resolve(web, abc, request)
            if kind == "surrounded" and type(found).__name__ == "Found":
                # aiohttp asks for these where there are middlewares.
                found.route, found.current_app = None, app
            return found

        def add_route(self, method: str, path: str, handler: Any) -> None:
            self.alive = staticmethod(handler)

    @web.middleware
    async def middleware(request: Any, handler: Any) -> Any:
        response = await handler(request)
        response.headers["X-Middleware"] = request.method
        return response

    async def on_response_prepare(request: Any, response: Any) -> None:
        response.headers["X-Signal"] = request.path

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        app = web.Application(router=Router())
    app[TEXT[web]] = "of the app"
    if kind == "surrounded":
        app.middlewares.append(middleware)
        app.on_response_prepare.append(on_response_prepare)
    return app


def make_case(name: str, kind: str, asked: str) -> Case:
    return Case(
        f"router/{name}/{kind}/{asked}",
        partial(build, RESOLVES[name], kind),
        Call(REQUESTS[asked]),
    )


def options(name: str, *, call: bytes | None = None, runner: Any = None, **given: Any) -> Case:
    """Make a case of an application with options for its connections."""

    def build(web: Any) -> Any:
        async def handler(request: Any) -> Any:
            return web.Response(text=(await request.text()) + str(request.client_max_size))

        async def fail(request: Any) -> Any:
            raise ValueError("inside")

        app = web.Application(**given)
        app.router.add_route("*", "/", handler)
        app.router.add_get("/fail", fail)
        return app

    return Case(
        f"options/{name}",
        build,
        Call(call or request("POST", body=b"x" * 100)),
        view=View.OUTCOME if "field" in name or "line" in name else View.BYTES,
        options=runner or {},
    )


LONG = request(fields={"X-Long": "x" * 300})
ROUTED = [
    make_case(name, kind, asked)
    for name in RESOLVES
    for kind in ("alone", "surrounded", "derived")
    for asked in REQUESTS
]
OPTIONS = [
    options("none"),
    options("size", client_max_size=10),
    options("size-exact", client_max_size=100),
    options("size-zero", client_max_size=0),
    options("size-none", client_max_size=None),
    options("size-negative", client_max_size=-1),
    options("field", call=LONG, handler_args={"max_field_size": 100}),
    options("field-of-runner", call=LONG, runner={"max_field_size": 100}),
    options(
        "field-of-both",
        call=LONG,
        handler_args={"max_field_size": 1000},
        runner={"max_field_size": 100},
    ),
    options("line", call=request(target="/?" + "x" * 300), handler_args={"max_line_size": 100}),
    options("log", handler_args={"access_log": logging.getLogger("own")}),
    options("cancellation", handler_args={"handler_cancellation": True, "keepalive_timeout": 0.5}),
]
CASES = [*ROUTED, *OPTIONS]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_answers_are_those_of_aiohttp(case: Case) -> None:
    """A raw conversation on both servers gives the same bytes."""
    await compare(case)


# Who is told of an error: by options of the application, of the handler and of the runner.
LOGGERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nobody": ({}, {}),
    "application": ({"logger": logging.getLogger("own.app")}, {}),
    "handler": ({"handler_args": {"logger": logging.getLogger("own.handler")}}, {}),
    "runner": ({}, {"logger": logging.getLogger("own.runner")}),
    "both": (
        {"handler_args": {"logger": logging.getLogger("own.handler")}},
        {"logger": logging.getLogger("own.runner")},
    ),
}


@pytest.mark.parametrize("who", LOGGERS)
async def test_errors_are_told_to_the_same_logger(
    who: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The server's own where none is given."""
    given, runner = LOGGERS[who]
    await compare(options(who, call=request(target="/fail"), runner=runner, **given))
    theirs, ours = (record.name for record in caplog.records if record.levelname == "ERROR")
    assert ours.replace("bascule", "aiohttp") == theirs
