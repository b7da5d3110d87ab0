"""Routers, resources and sub-applications accept and refuse what they do in aiohttp."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from differential.registering import (
    Case,
    added,
    each,
    handler,
    look,
    make_router,
    make_view,
    other,
    tell_both,
)
from differential.routed import describe
from differential.test_objects import after, outcome

# -- paths, names, methods

PATHS: list[Any] = [
    "",
    "/",
    "//",
    "a",
    "a/",
    " /a",
    "*",
    "http://x.test/",
    "/a?b#c",
    "/a\nb",
    "{a}",
    "/{a}",
    "/{_}",
    "/{_a9}",
    "/{A}{b}",
    "/{a}:{b}",
    "/{",
    "/}",
    "/{}",
    "/a{}b",
    "/{a",
    "/a}",
    "/{a}}",
    "/{{a}",
    "/{{a}}",
    "/{a{b}}",
    "/{a}{",
    "/}{a}",
    "/{9a}",
    "/{a-b}",
    "/{a.b}",
    "/{a b}",
    "/{ a}",
    "/{é}",
    "/{'a'}",
    '/{"a"}',
    "/{a}/{a}",
    "/{a:}",
    "/{:a}",
    "/{a:x}",
    "/{a:b:c}",
    "/{a: x }",
    "/{a:.*}",
    "/{a:.+}/{b:(x|y)}/c",
    r"/{a:\d{2}}",
    r"/{a:\d{2,3}[a-z]{4}}",
    r"/{a:\d{2}}/{b:\w{3}}",
    "/{a:{2}}",
    "/{a:{2}",
    "/{a:x}}",
    "/{a:{{2}}}",
    "/{a:[{}]}",
    r"/{a:\}}",
    r"/{a:\{}",
    "/{a:(}",
    "/{a:)}",
    "/{a:[}",
    "/{a:*}",
    "/{a:?}",
    "/{a:x**}",
    r"/{a:\}",
    "/{a:(?P<b>x)}",
    "/{a:(?P<a>x)}",
    "/{a:(?P=b)}",
    "/{a:(?i)x}",
    "/{a:(?i:x)}",
    "/{a:^x$}",
    "/{a:x\ny}",
    "/{a:x/y}",
    "/%zz/{a}",
    None,
    5,
    b"/a",
    ["/a"],
]
NAMES: list[Any] = [
    "a",
    "_",
    "a1",
    "A.b-c:d",
    "é",
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "a b",
    "a/b",
    "1a",
    "a.1",
    "a-b-2",
    "for",
    "a.for",
    "match",
    "None.a",
    "a\n",
    5,
    b"a",
    ["a"],
]
METHODS: list[Any] = [
    "GET",
    "get",
    "gEt",
    "*",
    "**",
    "M-SEARCH",
    "!#$%&'*+-.^_`|~09aZ",
    "",
    " ",
    "A B",
    "GET ",
    " GET",
    "GET\n",
    "A\tB",
    "A/B",
    "A:B",
    "A,B",
    '"A"',
    "A(B)",
    "É",
    "ß",
    "\x00",
    None,
    5,
    b"GET",
]


def cause(case: Case) -> Case:
    """Tell what stands behind the error of a case."""

    def behind(web: Any) -> Any:
        try:
            case(web)
        except Exception as exc:
            return type(exc).__name__, repr(exc.__cause__), exc.__suppress_context__
        return None

    return behind


def _is_str(value: Any) -> bool:
    return isinstance(value, str)


def adding(value: Any) -> Case:
    return added(lambda r: r.add_get(value, handler))


REGISTERED = {
    **each("path", lambda web, v: adding(v)(web), PATHS),
    **each("cause", lambda web, v: cause(adding(v))(web), PATHS),
    **each("plain resource", lambda web, v: repr(web.PlainResource(v)), PATHS),
    **each("dynamic resource", lambda web, v: repr(web.DynamicResource(v)), filter(_is_str, PATHS)),
    **each("name", lambda web, v: added(lambda r: r.add_get("/a", handler, name=v))(web), NAMES),
    **each("method", lambda web, v: added(lambda r: r.add_route(v, "/a", handler))(web), METHODS),
    **each(
        "defined", lambda web, v: web.route(v, "/a", handler).register(web.UrlDispatcher()), METHODS
    ),
}

# -- twice the same, and other ways to ask for too much

ROUTERS: dict[str, Case] = {
    "empty": added(),
    "filled": lambda web: look(make_router(web)),
    "frozen": lambda web: look(after(make_router(web), lambda r: r.freeze())),
    "frozen empty path": added(lambda r: r.add_get("", handler), lambda r: r.freeze()),
    "same method twice": added(
        lambda r: r.add_post("/a", handler), lambda r: r.add_post("/a", handler)
    ),
    "same method in lower case": added(
        lambda r: r.add_post("/a", handler), lambda r: r.add_route("post", "/a", handler)
    ),
    "any behind one": added(
        lambda r: r.add_post("/a", handler), lambda r: r.add_route("*", "/a", handler)
    ),
    "one behind any": added(
        lambda r: r.add_route("*", "/a", handler), lambda r: r.add_post("/a", handler)
    ),
    "any twice": added(
        lambda r: r.add_route("*", "/a", handler), lambda r: r.add_route("*", "/a", handler)
    ),
    "get behind head": added(
        lambda r: r.add_head("/a", handler), lambda r: r.add_get("/a", handler)
    ),
    "get without head behind head": added(
        lambda r: r.add_head("/a", handler),
        lambda r: r.add_get("/a", handler, allow_head=False),
    ),
    "same dynamic path": added(
        lambda r: r.add_get("/{a:x+}", handler), lambda r: r.add_post("/{a:x+}", handler)
    ),
    "like dynamic paths": added(
        lambda r: r.add_get("/{a:x+}", handler), lambda r: r.add_post("/{a}", handler)
    ),
    "same path not last": added(
        lambda r: r.add_get("/a", handler),
        lambda r: r.add_get("/b", handler),
        lambda r: r.add_get("/a", handler),
    ),
    "same path and name": added(
        lambda r: r.add_get("/a", handler, name="x"), lambda r: r.add_post("/a", handler, name="x")
    ),
    "same path, first without name": added(
        lambda r: r.add_get("/a", handler), lambda r: r.add_post("/a", handler, name="x")
    ),
    "same path, then without name": added(
        lambda r: r.add_get("/a", handler, name="x"), lambda r: r.add_post("/a", handler)
    ),
    "same path, other name": added(
        lambda r: r.add_get("/a", handler, name="x"), lambda r: r.add_post("/a", handler, name="y")
    ),
    "same name, other path": added(
        lambda r: r.add_get("/a", handler, name="x"), lambda r: r.add_post("/b", handler, name="x")
    ),
    "same name not last": added(
        lambda r: r.add_get("/a", handler, name="x"),
        lambda r: r.add_get("/b", handler),
        lambda r: r.add_post("/a", handler, name="x"),
    ),
    "refused name leaves nothing": lambda web: look(
        after(
            web.UrlDispatcher(), lambda r: outcome(lambda _: r.add_get("/", handler, name="1"), r)
        )
    ),
    "refused method leaves a resource": lambda web: look(
        after(web.UrlDispatcher(), lambda r: outcome(lambda _: r.add_route(" ", "/", handler), r))
    ),
    "add_resource": lambda web: repr(web.UrlDispatcher().add_resource("/{a}", name="x")),
    "add_resource again": lambda web: (lambda r: r.add_resource("/a") is r.add_resource("/a"))(
        web.UrlDispatcher()
    ),
    "register a resource": added(lambda r: r.register_resource(r.add_resource("/a"))),
    "register no resource": added(lambda r: r.register_resource("x")),
    "register a route": lambda web: (
        lambda resource: after(
            resource, lambda r: r.register_route(web.ResourceRoute("GET", handler, r))
        )
    )(web.PlainResource("/a")),
    "register no route": lambda web: web.PlainResource("/a").register_route(handler),
    "register a route twice": lambda web: len(
        after(
            web.PlainResource("/a"),
            lambda r: r.register_route(web.ResourceRoute("GET", handler, r)),
            lambda r: r.register_route(web.ResourceRoute("GET", other, r)),
        )
    ),
    "a resource has routes": lambda web: [
        repr(web.PlainResource("/a").add_route("get", handler)),
        len(after(web.DynamicResource("/{a}"), lambda r: r.add_route("PUT", handler))),
    ],
    "resource is abstract": lambda web: web.AbstractResource(),
    "route is abstract": lambda web: web.AbstractRoute("GET", handler),
    "definition is abstract": lambda web: web.AbstractRouteDef(),
    "get of a name": lambda web: (
        repr(make_router(web)["b.c"]),
        make_router(web).get("x"),
        "a" in make_router(web),
        list(make_router(web))[:1],
    ),
    "missing name": lambda web: make_router(web)["x"],
    "no way to set a name": lambda web: make_router(web).__setitem__("x", 1),
    "items": lambda web: list(make_router(web).items()),
    "bool": lambda web: (bool(web.UrlDispatcher()), bool(make_router(web))),
    "positional name": lambda web: web.UrlDispatcher().add_get("/", handler, "x"),
    "unknown option": lambda web: type(web.UrlDispatcher().add_get("/", handler, allow=1)),
    "post without head": lambda web: type(web.UrlDispatcher().add_post("/", handler, allow_head=1)),
    "get gives the route of GET": lambda web: web.UrlDispatcher().add_get("/", handler),
    "view gives the route of any": lambda web: web.UrlDispatcher().add_view("/", make_view(web)),
    **{
        f"frozen {name}": partial(lambda step, web: step(frozen(web)), step)
        for name, step in {
            "add_get": lambda r: r.add_get("/x", handler),
            "add_resource": lambda r: r.add_resource("/x"),
            "the last again": lambda r: r.add_resource("/c"),
            "a route of the last": lambda r: r.add_post("/c", handler),
            "add_routes of nothing": lambda r: r.add_routes([]),
            "register_resource": lambda r: r.register_resource(r["a"]),
            "freeze": lambda r: r.freeze(),
            "route of a resource": lambda r: repr(r["a"].add_route("PUT", handler)),
        }.items()
    },
}


def frozen(web: Any) -> Any:
    return after(make_router(web), lambda r: r.freeze())


# -- views of what is registered

VIEWS: dict[str, Case] = {
    "types": lambda web: [
        type(make_router(web).resources()).__name__,
        type(make_router(web).routes()).__name__,
        type(make_router(web).named_resources()).__name__,
    ],
    "lengths": lambda web: [
        len(make_router(web).resources()),
        len(make_router(web).routes()),
        len(make_router(web).named_resources()),
        bool(web.UrlDispatcher().resources()),
        bool(web.UrlDispatcher().routes()),
    ],
    "resources hold": lambda web: (
        lambda r: [each in r.resources() for each in (*r.resources(), handler, None)]
    )(make_router(web)),
    "routes hold": lambda web: (
        lambda r: [each in r.routes() for each in (*r.routes(), handler, None)]
    )(make_router(web)),
    "resources live": lambda web: _length_behind(web, "resources"),
    "routes live": lambda web: _length_behind(web, "routes"),
    "names live": lambda web: _length_behind(web, "named_resources"),
    "resources have no places": lambda web: make_router(web).resources()[0],
    "routes have no places": lambda web: make_router(web).routes()[0],
    "resources are read-only": lambda web: make_router(web).resources().append(1),
    "routes are read-only": lambda web: make_router(web).routes().append(1),
    "names are read-only": lambda web: make_router(web).named_resources().__setitem__("x", 1),
    "names": lambda web: dict(make_router(web).named_resources()),
    "routes of a resource": lambda web: [list(each) for each in make_router(web).resources()],
    "equal routes": lambda web: len({*make_router(web).routes()}),
}


def _length_behind(web: Any, name: str) -> Any:
    router = make_router(web)
    view = getattr(router, name)()
    router.add_get("/more", handler, name="more")
    return len(view), len(list(view))


# -- applications below prefixes

PREFIXES: list[Any] = [
    "/a",
    "/a/",
    "/a//",
    "//a",
    "/a/b",
    "/a b",
    "/é",
    "/%41%2F",
    "/a?b",
    "/{a}",
    "/a/../b",
    "",
    "/",
    "//",
    "a",
    "a/",
    " /a",
    None,
    5,
    b"/a",
]


def with_routes(web: Any) -> Any:
    app = web.Application()
    app.router.add_get("/x", handler, name="x")
    app.router.add_post("/{y}", handler)
    return app


def tell_subapp(resource: Any) -> Any:
    return [
        repr(resource),
        resource.name,
        resource.canonical,
        resource.get_info(),
        len(resource),
        resource.raw_match("/a"),
        resource.raw_match("/a/x"),
    ]


def below(*steps: Callable[[Any, Any, Any], Any]) -> Case:
    """Do something to an application and one that may stand inside it."""

    def case(web: Any) -> Any:
        app, inner = web.Application(), with_routes(web)
        results = [step(web, app, inner) for step in steps]
        return [*map(describe, results), look(app.router), look(inner.router)]

    return case


SUBAPPS: dict[str, Case] = {
    **each(
        "prefix",
        lambda web, v: tell_subapp(web.Application().add_subapp(v, with_routes(web))),
        PREFIXES,
    ),
    **each(
        "no application",
        lambda web, v: web.Application().add_subapp("/a", v),
        [None, 5, "app", {}, []],
    ),
    "nothing": lambda web: web.Application().add_subapp("/a", web.Application()),
    "url": lambda web: web.Application().add_subapp("/a", with_routes(web)).url_for(),
    "url with parts": lambda web: (
        web.Application().add_subapp("/a", with_routes(web)).url_for("x", y="z")
    ),
    "domain url": lambda web: web.Application().add_domain("a.test", with_routes(web)).url_for(),
    "inner router is frozen": below(
        lambda web, app, inner: app.add_subapp("/a", inner),
        lambda web, app, inner: inner.router.add_get("/late", handler),
    ),
    "inner middlewares are frozen": below(
        lambda web, app, inner: app.add_subapp("/a", inner),
        lambda web, app, inner: inner.middlewares.append(handler),
    ),
    "same twice": below(
        lambda web, app, inner: app.add_subapp("/a", inner),
        lambda web, app, inner: app.add_subapp("/b", inner),
    ),
    "prefix twice": below(
        lambda web, app, inner: app.add_subapp("/a", inner),
        lambda web, app, inner: app.add_subapp("/a", with_routes(web)),
    ),
    "domain twice": below(
        lambda web, app, inner: app.add_domain("a.test", inner),
        lambda web, app, inner: app.add_domain("a.test", with_routes(web)),
    ),
    "nested": below(
        lambda web, app, inner: inner.add_subapp("/in", with_routes(web)),
        lambda web, app, inner: app.add_subapp("/a", inner),
    ),
    "nested in domain": below(
        lambda web, app, inner: inner.add_subapp("/in", with_routes(web)),
        lambda web, app, inner: app.add_domain("a.test", inner),
    ),
    "domain in domain": below(
        lambda web, app, inner: inner.add_domain("b.test", with_routes(web)),
        lambda web, app, inner: app.add_domain("a.test", inner),
    ),
    "frozen inside": below(
        lambda web, app, inner: inner.freeze(),
        lambda web, app, inner: app.add_subapp("/a", inner),
    ),
    "pre-frozen inside": below(
        lambda web, app, inner: inner.pre_freeze(),
        lambda web, app, inner: app.add_subapp("/a", inner),
    ),
    "frozen outside": below(
        lambda web, app, inner: app.freeze(),
        lambda web, app, inner: app.add_subapp("/a", inner),
    ),
    "pre-frozen outside": below(
        lambda web, app, inner: app.pre_freeze(),
        lambda web, app, inner: app.add_subapp("/a", inner),
    ),
    "frozen outside of domain": below(
        lambda web, app, inner: app.freeze(),
        lambda web, app, inner: app.add_domain("a.test", inner),
    ),
    "domain without application": lambda web: web.Application().add_domain("a.test", None),
    "add_prefix without slash": lambda web: web.PlainResource("/a").add_prefix("b"),
    "add_prefix with slash behind": lambda web: web.PlainResource("/a").add_prefix("/b/"),
    "add_prefix of root": lambda web: web.PlainResource("/a").add_prefix("/"),
    "add_prefix of nothing": lambda web: web.DynamicResource("/{a}").add_prefix(""),
    "add_prefix": lambda web: [
        after(make("/x{a}" if dynamic else "/x"), lambda r: r.add_prefix("/b")).get_info()
        for make, dynamic in ((web.PlainResource, False), (web.DynamicResource, True))
    ],
}


CASES = {
    f"{group}/{name}": case
    for group, cases in {
        "registered": REGISTERED,
        "router": ROUTERS,
        "view": VIEWS,
        "subapp": SUBAPPS,
    }.items()
    for name, case in cases.items()
}
# What bascule does otherwise.
_NO_APPLICATION = "Sub-application must be web.Application, got "
DIFFERENT: dict[str, Any] = {
    # No token has a line feed in it.
    "registered/method 'GET\\n'": ["ValueError", "GET\n is not allowed HTTP method"],
    "registered/defined 'GET\\n'": ["ValueError", "GET\n is not allowed HTTP method"],
    # aiohttp compares methods before it has made them upper-case, and replaces the first route.
    "router/same method in lower case": [
        "RuntimeError",
        "Added route will never be executed, method POST is already registered",
    ],
    # aiohttp fails where nothing was expected to.
    **{
        f"subapp/no application {value}": ["TypeError", _NO_APPLICATION + value]
        for value in ("None", "5", "'app'", "{}", "[]")
    },
    "subapp/domain without application": ["TypeError", _NO_APPLICATION + "None"],
}


@pytest.mark.parametrize("name", CASES)
def test_registration_is_that_of_aiohttp(name: str) -> None:
    """The same is registered, or the same error raised."""
    ours, expected = tell_both(name, CASES[name], DIFFERENT)
    assert ours == expected
