"""Applications are put together, spelt in old ways and used as mappings as in aiohttp."""

import asyncio
import copy
import subprocess
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from differential.differences import Difference
from differential.frame import Call, Case, record
from differential.objects import OBJECT_DIFFERENCES, VALUE, compare_outcomes, still_differs
from differential.requesting import request

Code = Callable[[Any], Any]


async def handler(request: Any) -> Any:
    raise AssertionError("never called")


# -- registration of applications inside


def sub(prefix: Any, make: Callable[[Any], Any] | None = None) -> Code:
    def code(web: Any) -> Any:
        app, inner = web.Application(), web.Application() if make is None else make(web)
        resource = app.add_subapp(prefix, inner)
        return repr(resource), resource.canonical, len(resource), sorted(resource.get_info())

    return code


def domain(domain: Any, make: Callable[[Any], Any] | None = None) -> Code:
    def code(web: Any) -> Any:
        app, inner = web.Application(), web.Application() if make is None else make(web)
        resource = app.add_domain(domain, inner)
        info = resource.get_info()
        rule = info["rule"]
        return (
            repr(resource),
            resource.canonical,
            sorted(info),
            rule.get_info(),
            type(rule).__name__,
        )

    return code


def frozen(web: Any) -> Any:
    app = web.Application()
    app.freeze()
    return app


def to_itself(web: Any) -> Any:
    app = web.Application()
    return repr(app.add_subapp("/a", app))


def twice(web: Any) -> Any:
    inner = web.Application()
    web.Application().add_subapp("/a", inner)
    return repr(web.Application().add_subapp("/b", inner))


def behind(web: Any) -> Any:
    """Say how deep the freeze of one that holds another goes."""
    apps = [web.Application() for _ in range(3)]
    apps[1].add_subapp("/b", apps[2])
    apps[0].add_subapp("/a", apps[1])
    states = [(app.pre_frozen, app.frozen) for app in apps]
    apps[0].freeze()
    return states, [(app.pre_frozen, app.frozen) for app in apps]


def domain_below_prefix(web: Any) -> Any:
    outer, middle, inner = (web.Application() for _ in range(3))
    middle.add_domain("a.test", inner)
    return repr(outer.add_subapp("/a", middle))


REGISTRATION: dict[str, Code] = {
    **{
        f"sub/prefix {prefix!r}": sub(prefix)
        for prefix in ("", "/", "//", "a", "/a/", "/a//", "/a b", "/{x}", "/%20", "/ü", "a/b")
    },
    **{f"sub/prefix {prefix!r}": sub(prefix) for prefix in (None, 1, b"/a")},
    "sub/of None": sub("/a", lambda web: None),
    "sub/of a router": sub("/a", lambda web: web.UrlDispatcher()),
    "sub/of a class": sub("/a", lambda web: web.Application),
    "sub/of a frozen one": sub("/a", frozen),
    "sub/empty prefix and wrong type": sub("", lambda web: None),
    "sub/to a frozen one": lambda web: frozen(web).add_subapp("/a", web.Application()),
    "sub/wrong type to a frozen one": lambda web: frozen(web).add_subapp("/a", None),
    "sub/to itself": to_itself,
    "sub/twice": twice,
    "sub/states": behind,
    "sub/missing argument": lambda web: web.Application().add_subapp("/a"),
    **{
        f"domain/{name!r}": domain(name)
        for name in (
            *("", "a", "A.Test", "a.test.", "a.test:80", "a.test:8080", "*.test", "a.*.b", "*"),
            *(
                "*.test:80",
                "*.test:81",
                "http://a",
                "a b",
                "-a",
                "a-",
                "a..b",
                "a/b",
                "a_b",
                "ü.de",
            ),
            *("[::1]", "127.0.0.1", "a:x", "a" * 64, "a.test:", ".", "a?b", "u@a"),
        )
    },
    **{f"domain/{name!r}": domain(name) for name in (None, 1, b"a")},
    "domain/of None": domain("a", lambda web: None),
    "domain/of a frozen one": domain("a", frozen),
    "domain/to a frozen one": lambda web: frozen(web).add_domain("a", web.Application()),
    "domain/below a prefix": domain_below_prefix,
}

# -- deprecated spellings


def subclassed(web: Any) -> Any:
    class Own(web.Application):  # type: ignore[misc]
        pass

    return isinstance(Own(), web.Application)


async def loop_when_set_up(web: Any) -> Any:
    app = web.Application()
    runner = web.AppRunner(app, access_log=None)
    before = app.loop
    await runner.setup()
    try:
        return before, app.loop is asyncio.get_running_loop()
    finally:
        await runner.cleanup()


async def loop_given(web: Any) -> Any:
    loop = asyncio.get_running_loop()
    return web.Application(loop=loop).loop is loop


async def made_handler(web: Any) -> Any:
    app = web.Application()
    server = app.make_handler(keepalive_timeout=1)
    return type(server).__name__, app.frozen, app.loop is asyncio.get_running_loop()


def old_style(*styles: str, inside: bool = False) -> Code:
    async def code(web: Any) -> Any:
        async def old(app: Any, handler: Any) -> Any:
            raise AssertionError("never called")

        made = {"old": old, "new": web.middleware(lambda request, handler: None), "callable": len}
        app = web.Application(middlewares=[made[style] for style in styles])
        if inside:
            outer = web.Application()
            outer.add_subapp("/a", app)
            app = outer
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await runner.cleanup()

    return code


async def returned_exception(web: Any) -> Any:
    exc = web.HTTPOk(body=b"x")
    return exc.body


class NoRouter:
    def __repr__(self) -> str:
        return "<no router>"


async def order_of_factories(web: Any) -> list[str]:
    """Tell when a factory of the old style is called, in an application inside another."""
    events: list[str] = []
    answered: list[str] = []

    def middlewares(label: str) -> list[Any]:
        @web.middleware
        async def middleware(request: Any, handler: Any) -> Any:
            events.append(f"{label} middleware")
            return await handler(request)

        async def factory(app: Any, handler: Any) -> Any:
            events.append(f"{label} factory")
            return handler

        return [middleware, factory]

    def build(web: Any) -> Any:
        app, inner = (web.Application(middlewares=middlewares(label)) for label in ("0", "1"))
        inner.router.add_get("/", handler)
        app.add_domain("inner.test", inner)
        return app

    async def handler(request: Any) -> Any:
        answered.extend(events)
        return web.Response()

    await record(web, Case("", build, Call(request(fields={"Host": "inner.test"}))))
    return answered


def router_given(make: Callable[[Any], Any]) -> Code:
    def code(web: Any) -> Any:
        router = make(web)
        return web.Application(router=router).router is router

    return code


DEPRECATED: dict[str, Code] = {
    "router": router_given(lambda web: web.UrlDispatcher()),
    "router None": router_given(lambda web: None),
    "router of another type": router_given(lambda web: "router"),
    "router of another class": router_given(lambda web: NoRouter()),
    "router positional": lambda web: web.Application(web.UrlDispatcher()),
    "loop": loop_given,
    "loop None": lambda web: repr(web.Application(loop=None).loop),
    "loop before and in its life": loop_when_set_up,
    "debug": lambda web: web.Application(debug=True).debug,
    "debug false": lambda web: web.Application(debug=False).debug,
    "debug None": lambda web: web.Application(debug=None).debug,
    "debug not given": lambda web: repr(web.Application().debug),
    "all at once": lambda web: repr(
        web.Application(router=web.UrlDispatcher(), loop=object(), debug=1)
    ),
    "subclass": subclassed,
    "unknown argument": lambda web: web.Application(unknown=1),
    "old style": old_style("old"),
    "old style between": old_style("new", "old", "new"),
    "two of the old style": old_style("old", "old"),
    "order of factories": order_of_factories,
    "old style inside": old_style("old", inside=True),
    "new style": old_style("new"),
    "body of an exception": returned_exception,
    "make_handler": made_handler,
}

# -- the mapping


def keys_of(web: Any, *steps: Callable[[Any, Any], Any]) -> Any:
    app = web.Application()
    results = []
    for step in steps:
        try:
            results.append(step(web, app))
        except Exception as exc:
            results.append(("raised", type(exc).__name__, str(exc)))
    return results, len(app), [str(key) for key in app]


def steps(*steps: Callable[[Any, Any], Any]) -> Code:
    return lambda web: keys_of(web, *steps)


def put(key: str, value: Any) -> Callable[[Any, Any], Any]:
    return lambda web, app: app.__setitem__(key, value)


def put_key(web: Any, app: Any) -> None:
    app[VALUE[web]] = 5


MAPPING: dict[str, Code] = {
    "set and get": steps(put("a", 1), lambda web, app: app["a"]),
    "set by key": steps(put_key, lambda web, app: (app[VALUE[web]], app.get(VALUE[web]))),
    "set by other types": steps(
        lambda web, app: app.__setitem__(5, 1), lambda web, app: app.__setitem__(None, 2)
    ),
    "set by request key": steps(lambda web, app: app.__setitem__(web.RequestKey("a", int), 1)),
    "set by what has no hash": steps(lambda web, app: app.__setitem__([], 1)),
    "get missing": steps(lambda web, app: app["a"]),
    "get missing key": steps(lambda web, app: app[web.AppKey("a", int)]),
    "get default": steps(
        lambda web, app: (app.get("a"), app.get("a", 1), app.get(VALUE[web], default=2))
    ),
    "warns by get": steps(put("a", 1), lambda web, app: (app.get("a"), app["a"], "a" in app)),
    "pop": steps(put("a", 1), lambda web, app: app.pop("a"), lambda web, app: app.pop("a")),
    "pop default": steps(lambda web, app: app.pop("a", 7)),
    "popitem": steps(put("a", 1), lambda web, app: app.popitem(), lambda web, app: app.popitem()),
    "setdefault": steps(
        lambda web, app: app.setdefault("a", 1), lambda web, app: app.setdefault("a", 2)
    ),
    "update": steps(
        lambda web, app: app.update({"a": 1}),
        lambda web, app: app.update([("b", 2)], c=3),
        lambda web, app: sorted(app.items()),
    ),
    "clear": steps(put("a", 1), lambda web, app: app.clear()),
    "delete": steps(
        put("a", 1), lambda web, app: app.__delitem__("a"), lambda web, app: app.__delitem__("a")
    ),
    "views": steps(
        put("a", 1),
        lambda web, app: (list(app.keys()), list(app.values()), list(app.items())),
        lambda web, app: ([*app], {**app}, dict(app)),
    ),
    "contains": steps(put("a", 1), lambda web, app: ("a" in app, "b" in app, VALUE[web] in app)),
    "truth": steps(lambda web, app: bool(app), put("a", 1), lambda web, app: bool(app)),
    "equality": steps(
        lambda web, app: (app == app, app == web.Application(), app == {}, app != {}, app is app)
    ),
    "hash": steps(lambda web, app: {app: 1}[app]),
    "repr": steps(lambda web, app: (repr(app), str(app))),
    "order": steps(put("b", 1), put("a", 2), put_key, put("b", 3)),
    "union": steps(lambda web, app: app | {}),
    "kind": steps(lambda web, app: isinstance(app, MutableMapping)),
    "copy": steps(lambda web, app: copy.copy(app) is app),
    "call": steps(lambda web, app: app() is app),
}

# -- the rest


def exposed(function: Callable[[Any], Any], **options: Any) -> Code:
    return lambda web: function(web.Application(**options))


OPTIONS: dict[str, Code] = {
    "logger": exposed(lambda app: app.logger.name),
    "own logger": exposed(lambda app: app.logger, logger="own"),
    "no logger": exposed(lambda app: app.logger, logger=None),
    "middlewares": exposed(lambda app: repr(app.middlewares), middlewares="ab"),
    "middlewares once": lambda web: repr(web.Application(middlewares=iter("ab")).middlewares),
    "middlewares None": exposed(lambda app: repr(app.middlewares), middlewares=None),
    "handler_args None": exposed(lambda app: repr(app), handler_args=None),
    "positional": lambda web: web.Application(None),
    "sizes": exposed(lambda app: repr(app), client_max_size=0, client_max_fields=0),
    "routes": lambda web: [
        route.method for route in web.Application().add_routes([web.get("/", handler)])
    ],
    "router": exposed(lambda app: (type(app.router).__name__, app.router is app.router)),
    "cleanup error": lambda web: (
        web.CleanupError("text", [1, 2]).exceptions,
        str(web.CleanupError("text", [1])),
        [base.__name__ for base in web.CleanupError.__mro__],
    ),
    "cleanup error without": lambda web: web.CleanupError("text").exceptions,
}

CODES: dict[str, Code] = {
    **{f"register/{name}": code for name, code in REGISTRATION.items()},
    **{f"deprecated/{name}": code for name, code in DEPRECATED.items()},
    **{f"mapping/{name}": code for name, code in MAPPING.items()},
    **{f"option/{name}": code for name, code in OPTIONS.items()},
}


@pytest.mark.parametrize("name", CODES)
async def test_applications_are_those_of_aiohttp(name: str) -> None:
    """The same code has the same outcome, and its warnings point at the same line."""
    await compare_outcomes(name, CODES[name])


PATTERNS = [
    pytest.param(difference, pattern, id=f"{difference.name}: {pattern}")
    for difference in OBJECT_DIFFERENCES
    for pattern in difference.cases
]


@pytest.mark.parametrize(("difference", "pattern"), PATTERNS)
async def test_each_pattern_still_has_a_difference(difference: Difference, pattern: str) -> None:
    """In one case of the pattern at least aiohttp's outcome is not what bascule's must be."""
    assert await still_differs(difference, pattern, CODES)


# What only asyncio's debug mode, and what only a fresh interpreter, tells of.
SCRIPT = """
import sys, warnings, json
from {package} import web
told = []
warnings.showwarning = lambda message, category, filename, lineno, *rest: told.append(
    [category.__name__, str(message), filename, lineno]
)
app = web.Application()
app.own = 1
app.logger = 3
app["text"] = 4
app[web.AppKey("key", int)] = 5
app.freeze()
app["text"] = 6
app.debug
class Own(web.Application):
    pass
print(json.dumps(told))
"""


@pytest.mark.parametrize("flags", [(), ("-X", "dev"), ("-W", "always")], ids=" ".join)
def test_a_program_is_warned_as_with_aiohttp(flags: tuple[str, ...]) -> None:
    """By the filters that there are, of the lines of the program."""
    told = []
    for package in ("aiohttp", "bascule"):
        code = SCRIPT.format(package=package)
        command = [sys.executable, *flags, "-c", code]
        run = subprocess.run(command, capture_output=True, check=True, text=True)
        told.append(run.stdout)
    assert told[1] == told[0]


# Every public property of requests that has a setter is there to be set.
SETTING = """
import warnings
from bascule import web
from bascule.test_utils import make_mocked_request
warnings.simplefilter("error")
request = make_mocked_request("GET", "/")
for kind in type(request).__mro__:
    for name, value in vars(kind).items():
        if isinstance(value, property) and value.fset is not None:
            setattr(request, name, getattr(request, name))
            print(name)
try:
    request.own = 1
except DeprecationWarning as exc:
    print(exc)
"""


def test_what_is_there_to_be_set_is_set_without_a_warning() -> None:
    command = [sys.executable, "-X", "dev", "-c", SETTING]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    *names, warned = run.stdout.splitlines()
    assert {*names} == {"client_max_size", "limit_streams", "max_inflation"}
    assert warned == "Setting custom Request.own attribute is discouraged"
