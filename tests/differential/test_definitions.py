"""Definitions of routes, and the handlers in them, are what they are in aiohttp."""

import inspect
import types
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import aiohttp.web
import pytest

import bascule.web
from differential.registering import Case, find_inside, handler, look, make_view, other, tell_both
from differential.routed import describe
from differential.test_objects import after, outcome

# -- handlers


def function(request: Any) -> Any:
    """Answer at once."""
    return request


def function_of_coroutine(request: Any) -> Any:
    return handler(request)


def generator(request: Any) -> Any:
    """Be what coroutines were."""
    yield request


async def async_generator(request: Any) -> Any:
    yield request


@types.coroutine
def old_coroutine(request: Any) -> Any:
    yield
    return request


@wraps(handler)
def decorated(request: Any) -> Any:
    return handler(request)


@wraps(handler)
async def decorated_async(request: Any) -> Any:
    return await handler(request)


class Callable_:
    def __call__(self, request: Any) -> Any:
        return request


class AsyncCallable:
    """Answer when awaited."""

    async def __call__(self, request: Any) -> Any:
        return request


class Methods:
    async def method(self, request: Any) -> Any:
        return request

    @classmethod
    async def of_class(cls, request: Any) -> Any:
        return request

    @staticmethod
    async def static(request: Any) -> Any:
        return request

    def plain(self, request: Any) -> Any:
        return request


class NoView:
    def __init__(self, request: Any) -> None:
        self.request = request

    def __repr__(self) -> str:
        return f"NoView({self.request!r})"


def make_abstract_view(web: Any) -> Any:
    class Own(find_inside(web, "AbstractView")):  # type: ignore[misc]
        def __await__(self) -> Any:
            yield from ()
            return self.request

    return Own


HANDLERS: dict[str, Case] = {
    "coroutine": lambda web: handler,
    "function": lambda web: function,
    "function of coroutine": lambda web: function_of_coroutine,
    "lambda": lambda web: lambda request: request,
    "lambda of coroutine": lambda web: lambda request: handler(request),
    "generator": lambda web: generator,
    "async generator": lambda web: async_generator,
    "types.coroutine": lambda web: old_coroutine,
    "decorated": lambda web: decorated,
    "decorated async": lambda web: decorated_async,
    "partial": lambda web: partial(handler),
    "partial of partial": lambda web: partial(partial(handler)),
    "partial of function": lambda web: partial(function),
    "partial of generator": lambda web: partial(generator),
    "callable": lambda web: Callable_(),
    "async callable": lambda web: AsyncCallable(),
    "partial of async callable": lambda web: partial(AsyncCallable()),
    "method": lambda web: Methods().method,
    "class method": lambda web: Methods.of_class,
    "static method": lambda web: Methods.static,
    "plain method": lambda web: Methods().plain,
    "unbound method": lambda web: partial(Methods.method, Methods()),
    "class": lambda web: NoView,
    "class of async callables": lambda web: AsyncCallable,
    "builtin": lambda web: repr,
    "builtin class": lambda web: str,
    "view": make_view,
    "view itself": lambda web: web.View,
    "abstract view": make_abstract_view,
    "abstract view itself": lambda web: find_inside(web, "AbstractView"),
    "instance of a view": lambda web: make_view(web)("request"),
    "partial of view": lambda web: partial(make_abstract_view(web)),
    "response class": lambda web: web.Response,
    "middleware": lambda web: web.middleware(handler),
    "awaitable": lambda web: after(handler("request"), lambda coroutine: coroutine.close()),
    "none": lambda web: None,
    "int": lambda web: 7,
    "str": lambda web: "handler",
    "list": lambda web: [handler],
}
WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "add_get": lambda web, handler: web.UrlDispatcher().add_get("/", handler),
    "add_route": lambda web, handler: web.UrlDispatcher().add_route("*", "/", handler),
    "add_view": lambda web, handler: web.UrlDispatcher().add_view("/", handler),
    "definition": lambda web, handler: web.post("/", handler).register(web.UrlDispatcher())[0],
    "table": lambda web, handler: after(web.RouteTableDef(), lambda t: t.put("/")(handler))[
        0
    ].register(web.UrlDispatcher())[0],
    "resource": lambda web, handler: web.DynamicResource("/{a}").add_route("GET", handler),
    "route": lambda web, handler: web.ResourceRoute("GET", handler, web.PlainResource("/")),
}


# What bascule takes otherwise, without a warning: async callables are coroutine functions, too.
TAKEN_AS_THEY_ARE = ["async callable", "partial of async callable"]
AS_THEY_ARE = [[], True, False, None, None, True, "<Response OK not prepared>"]
# Whose awaitable is awaited, though it is no coroutine.
AWAITED = ["partial of view"]


async def drive(web: Any, made: Any) -> Any:
    """Call what was made of a handler, and tell what comes of it."""
    try:
        result = made(web.Response())
        if inspect.isawaitable(result):
            result = await result
        elif inspect.isgenerator(result):
            result = list(result)
    except AssertionError:  # how aiohttp refuses what is no response; bascule does later
        return "no response"
    except Exception as exc:
        return type(exc).__name__
    return repr(result) if isinstance(result, web.StreamResponse | list) else "no response"


async def tell_handler(web: Any, way: str, kind: str) -> Any:
    given = HANDLERS[kind](web)
    result, warned = outcome(lambda web: WAYS[way](web, given), web)
    if not isinstance(result, web.AbstractRoute):
        return describe([result, warned])
    made = result.handler
    return describe(
        [
            warned,
            made is given,
            inspect.iscoroutinefunction(made),
            getattr(made, "__name__", None),
            getattr(made, "__wrapped__", None),
            made.__doc__ == given.__doc__,
            await drive(web, made),
        ]
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", HANDLERS)
async def test_handlers_are_taken_as_in_aiohttp(kind: str, way: str) -> None:
    """Warnings, what is made of them, and what that answers."""
    theirs = await tell_handler(aiohttp.web, way, kind)
    expected = AS_THEY_ARE if kind in TAKEN_AS_THEY_ARE else theirs
    if kind in AWAITED:
        expected = [*theirs[:-1], "<Response OK not prepared>"]
    assert (expected != theirs) == (kind in TAKEN_AS_THEY_ARE + AWAITED)
    assert await tell_handler(bascule.web, way, kind) == expected


EXPECT_HANDLERS: dict[str, Case] = {
    name: lambda web, name=name: repr(  # type: ignore[misc]
        web.UrlDispatcher().add_post("/", handler, expect_handler=HANDLERS[name](web))
    )
    for name in HANDLERS
}


# -- definitions

DEFINITIONS: dict[str, Case] = {
    **{
        f"{name}": lambda web, name=name: tell_definition(web, getattr(web, name)("/a", handler))  # type: ignore[misc]
        for name in ("get", "head", "options", "post", "put", "patch", "delete")
    },
    "view": lambda web: tell_definition(web, web.view("/a", make_view(web))),
    "route": lambda web: tell_definition(web, web.route("prop-find", "/a", handler)),
    "lower-case get": lambda web: tell_definition(web, web.route("get", "/a", handler)),
    "get without head": lambda web: tell_definition(
        web, web.get("/a", handler, allow_head=False, name="x")
    ),
    "named": lambda web: tell_definition(web, web.post("/a", handler, name="x")),
    "expect handler": lambda web: tell_definition(
        web, web.post("/{a}", handler, expect_handler=other, name="x")
    ),
    "unknown option": lambda web: tell_definition(web, web.post("/a", handler, extra="x")),
    "extra in repr": lambda web: repr(web.route("GET", "/a", handler, extra="x", b=2)),
    "handler without name": lambda web: repr(web.post("/a", partial(handler))).replace(
        " at 0x", ""
    )[:40],
    "no handler": lambda web: repr(web.get("/a", 5)),
    "bad path": lambda web: repr(web.get(5, handler)),
    "positional name": lambda web: web.get("/a", handler, "x"),
    "no handler at all": lambda web: web.get("/a"),
    "registered twice": lambda web: _register(web, web.post("/a", handler), 2),
    "registered for each of two": lambda web: [
        _register(web, each, 1) for each in [web.get("/a", handler)] * 2
    ],
    "RouteDef": lambda web: tell_definition(web, web.RouteDef("GET", "/a", handler, {})),
    "RouteDef without options": lambda web: web.RouteDef("GET", "/a", handler),
    "equal": lambda web: (
        web.get("/a", handler) == web.get("/a", handler),
        web.get("/a", handler) == web.get("/b", handler),
        web.get("/a", handler) != web.head("/a", handler),
        web.get("/a", handler) == 5,
    ),
    "hash": lambda web: hash(web.get("/a", handler)),
    "set": lambda web: setattr(web.get("/a", handler), "path", "/b"),
    "set another": lambda web: setattr(web.get("/a", handler), "other", "/b"),
    "no dict": lambda web: web.get("/a", handler).__dict__,
    "kwargs": lambda web: web.get("/a", handler).kwargs,
    "instance": lambda web: isinstance(web.get("/a", handler), web.AbstractRouteDef),
    "table": lambda web: tell_table(make_table(web)),
    "empty table": lambda web: tell_table(web.RouteTableDef()),
    "table of decorators": lambda web: [
        after(getattr(table, name)("/a")(handler), repr) is handler
        for table in [web.RouteTableDef()]
        for name in ("get", "head", "options", "post", "put", "patch", "delete", "view")
    ],
    "table of options": lambda web: [
        repr(each)
        for table in [web.RouteTableDef()]
        if [
            table.get("/a", name="x", allow_head=False)(handler),
            table.route("x", "/a", z=1, a=2)(handler),
            table.view("/a", name="y")(make_view(web)),
        ]
        for each in table
    ],
    "table registered": lambda web: look(
        after(web.UrlDispatcher(), lambda r: r.add_routes(make_table(web)))
    ),
    "routes of a table": lambda web: web.UrlDispatcher().add_routes(make_table(web)),
    "routes of an application": lambda web: web.Application().add_routes(make_table(web)),
    "slice": lambda web: [repr(each) for each in make_table(web)[1:]],
    "type of a slice": lambda web: type(make_table(web)[1:]).__name__,
    "beyond": lambda web: make_table(web)[9],
    "set in table": lambda web: make_table(web).__setitem__(0, 1),
    "index": lambda web: (lambda t: (t.index(t[1]), t.count(t[0])))(make_table(web)),
    "reversed": lambda web: [each.path for each in reversed(make_table(web))],
    "tables are not equal": lambda web: make_table(web) == make_table(web),
    "hash of a table": lambda web: isinstance(hash(make_table(web)), int),
    "routes of strings": lambda web: web.UrlDispatcher().add_routes(["/a"]),
    "routes of nothing": lambda web: web.UrlDispatcher().add_routes(None),
    "routes of a generator": lambda web: web.UrlDispatcher().add_routes(
        web.get(path, handler) for path in ("/a", "/b")
    ),
    "one bad among good": lambda web: look(
        after(
            web.UrlDispatcher(),
            lambda r: outcome(
                lambda web: r.add_routes([web.get("/a", handler), web.get("b", handler)]), web
            ),
        )
    ),
    "static": lambda web: repr(web.static("/s", ".", name="x", show_index=True)),
    "static without options": lambda web: repr(web.static("/s", ".")),
    "static fields": lambda web: (
        lambda d: (d.prefix, d.path, d.kwargs, d == web.static("/s", ".", name="x"))
    )(web.static("/s", ".", name="x")),
    "static has no dict": lambda web: web.static("/s", ".").__dict__,
    "static in a table": lambda web: tell_table(
        after(web.RouteTableDef(), lambda t: t.static("/s", "."))
    ),
    "static registered": lambda web: [
        (each.method, each.resource.canonical)
        for each in web.static("/s", ".").register(web.UrlDispatcher())
    ],
    "static bad prefix": lambda web: web.static("s", ".").register(web.UrlDispatcher()),
    "static missing directory": lambda web: web.static("/s", "./none/x").register(
        web.UrlDispatcher()
    ),
}


def tell_definition(web: Any, definition: Any) -> Any:
    router = web.UrlDispatcher()
    fields = [definition.method, definition.path, sorted(definition.kwargs.items())]
    return [repr(definition), fields, definition.register(router), look(router)]


def _register(web: Any, definition: Any, times: int) -> Any:
    router = web.UrlDispatcher()
    for _ in range(times):
        definition.register(router)
    return look(router)


def make_table(web: Any) -> Any:
    table = web.RouteTableDef()
    table.get("/a", name="a")(handler)
    table.post("/a")(other)
    table.view("/b")(make_view(web))
    return table


def tell_table(table: Any) -> Any:
    return [repr(table), len(table), list(map(repr, table)), [each in table for each in table]]


CASES = {
    f"{group}/{name}": case
    for group, cases in {"definition": DEFINITIONS, "expect": EXPECT_HANDLERS}.items()
    for name, case in cases.items()
}
# What bascule does otherwise.
DIFFERENT: dict[str, Any] = {
    # A repr does not fail.
    "definition/handler without name": "<RouteDef POST /a -> 'functools.partial(",
    "definition/no handler": "<RouteDef GET /a -> '5', allow_head=True, name=None>",
}


@pytest.mark.parametrize("name", CASES)
def test_definitions_are_those_of_aiohttp(name: str) -> None:
    """They tell the same of themselves, and register the same."""
    ours, expected = tell_both(name, CASES[name], DIFFERENT)
    assert ours == expected
