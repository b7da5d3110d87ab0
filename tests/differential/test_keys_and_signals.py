"""Typed keys, frozen lists and signals are those of aiohttp."""

import asyncio
import types
from collections.abc import Callable, MutableSequence
from functools import partial
from typing import Any

import pytest

from differential.objects import compare_outcomes

Code = Callable[[Any], Any]
PART_NAMES = ("on_startup", "on_shutdown", "on_cleanup", "on_response_prepare", "cleanup_ctx")

# -- keys

SOURCE = """
from {package} import web
module = web.AppKey("a", int)
def make(kind=web.AppKey, *args):
    return kind("b", *args)
class Scope:
    key = web.RequestKey("c", dict[str, int])
    def method(self):
        return web.ResponseKey("d")
inside = make()
generic = web.AppKey[list[int]]("e")
lambdas = (lambda: web.AppKey("f", Scope))()
method = Scope().method()
"""


def scoped(name: str) -> Code:
    """Make keys in a module and tell one of them."""

    def code(web: Any) -> Any:
        module = types.ModuleType("shop.keys")
        source = SOURCE.format(package=web.__name__.partition(".")[0])
        exec(compile(source, "shop/keys.py", "exec"), module.__dict__)
        return repr(eval(name, module.__dict__))

    return code


def keys(function: Callable[..., Any]) -> Code:
    """Run with the three kinds of keys."""
    return lambda web: [function(kind) for kind in (web.AppKey, web.RequestKey, web.ResponseKey)]


def sort_them(kind: Any) -> Any:
    values = [kind("b"), kind("a"), kind("c", int)]
    return [repr(key).split(",")[0].rpartition(".")[2] for key in sorted(values)]


KEYS: dict[str, Code] = {
    **{
        f"in {name}": scoped(name)
        for name in ("module", "inside", "Scope.key", "method", "generic", "lambdas", "make()")
    },
    "type": keys(lambda kind: repr(kind("a", int)).rpartition(".")[2]),
    "type of a class": keys(lambda kind: repr(kind("a", asyncio.Event)).rpartition("type=")[2]),
    "type of a generic": keys(lambda kind: repr(kind("a", list[int])).rpartition("type=")[2]),
    "type of a union": keys(lambda kind: repr(kind("a", int | None)).rpartition("type=")[2]),
    "type of a string": keys(lambda kind: repr(kind("a", "Own")).rpartition("type=")[2]),
    "type in brackets": keys(lambda kind: repr(kind[dict[str, int]]("a")).rpartition("type=")[2]),
    "type in both": keys(lambda kind: repr(kind[int]("a", str)).rpartition("type=")[2]),
    "no type": keys(lambda kind: repr(kind("a")).rpartition("type=")[2]),
    "no name": keys(lambda kind: kind()),
    "by keyword": keys(lambda kind: repr(kind(name="a", t=int)).rpartition("type=")[2]),
    "order": keys(sort_them),
    "order among others": keys(lambda kind: (kind("a") < "b", kind("b") < 5, kind("a") < None)),
    "order of texts": keys(lambda kind: sorted(["b", kind("a")])[1]),
    "order, other way": keys(lambda kind: kind("b") > kind("a")),
    "order, at most": keys(lambda kind: kind("b") <= kind("a")),
    "identity": keys(lambda kind: (kind("a") == kind("a"), kind("a") != kind("a"))),
    "hash": keys(lambda kind: len({kind("a"), kind("a")})),
    "text": keys(lambda kind: str(kind("a", int)) == repr(kind("a", int))),
    "kinds": lambda web: [
        [base.__name__ for base in kind.__mro__ if base.__name__.endswith("Key")]
        for kind in (web.AppKey, web.RequestKey, web.ResponseKey)
    ],
    "subclass": lambda web: repr(type("Own", (web.AppKey,), {})("a", int)).partition("(")[0],
    "in a request": lambda web: web.StreamResponse().__setitem__("a", 1),
    "in a response": lambda web: web.StreamResponse().__setitem__(web.ResponseKey("a", int), 1),
}

# -- lists of functions


def listed(function: Callable[[Any], Any], *, freeze: bool = False) -> Code:
    """Do something to the middlewares, which are a plain frozen list, and tell them."""

    async def code(web: Any) -> Any:
        app = web.Application(middlewares=["a", "b", "c"])
        middlewares = app.middlewares
        if freeze:
            middlewares.freeze()
        try:
            result = function(middlewares)
        except (AttributeError, TypeError) as exc:
            result = type(exc).__name__  # the text names the module it is written in
        except Exception as exc:
            result = type(exc).__name__, str(exc)
        return result, list(middlewares), repr(middlewares)

    return code


def increase(middlewares: Any) -> str:
    middlewares += ["d"]
    return type(middlewares).__name__


LIST_STEPS: dict[str, Callable[[Any], Any]] = {
    "append": lambda each: each.append("d"),
    "extend": lambda each: each.extend("de"),
    "insert": lambda each: each.insert(1, "d"),
    "insert behind": lambda each: each.insert(99, "d"),
    "set": lambda each: each.__setitem__(0, "d"),
    "set out of range": lambda each: each.__setitem__(9, "d"),
    "set slice": lambda each: each.__setitem__(slice(1, None), ["d", "e", "f"]),
    "delete": lambda each: each.__delitem__(0),
    "delete slice": lambda each: each.__delitem__(slice(0, 2)),
    "pop": lambda each: each.pop(),
    "pop first": lambda each: each.pop(0),
    "remove": lambda each: each.remove("b"),
    "remove missing": lambda each: each.remove("x"),
    "clear": lambda each: each.clear(),
    "reverse": lambda each: each.reverse(),
    "increase": increase,
    "get": lambda each: (each[0], each[-1], each[1:], type(each[1:]).__name__),
    "get out of range": lambda each: each[7],
    "index": lambda each: (each.index("b"), each.count("c"), "a" in each, "x" in each),
    "index of missing": lambda each: each.index("x"),
    "length": lambda each: (len(each), bool(each), [*each], [*reversed(each)]),
    "compare": lambda each: (each == ["a", "b", "c"], each != ["a"], each == ("a", "b", "c")),
    "compare order": lambda each: (each < ["b"], each <= ["a"], each > ["b"], each >= ["a"]),
    "compare with a number": lambda each: (each == 5, each != 5),
    "order with a number": lambda each: each < 5,
    "hash": lambda each: hash(each) == hash(tuple(each)),
    "frozen": lambda each: each.frozen,
    "set frozen": lambda each: setattr(each, "frozen", True),
    "freeze again": lambda each: (each.freeze(), each.frozen),
    "kind": lambda each: (isinstance(each, MutableSequence), type(each).__name__),
    "sum": lambda each: each.__add__(["d"]),
    "attribute": lambda each: setattr(each, "other", 1),
}


def signalled(function: Callable[[Any, Any], Any]) -> Code:
    async def code(web: Any) -> Any:
        app = web.Application()
        result = function(web, app)
        return await result if asyncio.iscoroutine(result) else result

    return code


async def send(web: Any, app: Any, *args: Any, name: str = "on_shutdown", **kwargs: Any) -> Any:
    seen: list[Any] = []

    async def receive(*args: Any, **kwargs: Any) -> None:
        seen.append((len(args), kwargs))

    signal = getattr(app, name)
    signal.append(receive)
    signal.append(receive)
    signal.freeze()
    return await signal.send(*args, **kwargs), seen


async def send_to_sync(web: Any, app: Any) -> Any:
    app.on_shutdown.append(lambda app: None)
    app.on_shutdown.freeze()
    return await app.on_shutdown.send(app)


def decorated(web: Any, app: Any) -> Any:
    @app.on_shutdown
    async def receive(app: Any) -> None:
        """Do nothing."""

    return receive.__name__, len(app.on_shutdown)


SIGNALS: dict[str, Code] = {
    "repr": signalled(lambda web, app: repr(app.on_shutdown)),
    "repr with receivers": signalled(
        lambda web, app: app.on_shutdown.append(5) or repr(app.on_shutdown)
    ),
    "reprs": signalled(lambda web, app: [type(getattr(app, n)).__name__ for n in PART_NAMES]),
    "repr of contexts": signalled(
        lambda web, app: app.cleanup_ctx.append(5) or repr(app.cleanup_ctx)
    ),
    "lengths": signalled(lambda web, app: [len(getattr(app, name)) for name in PART_NAMES]),
    "lengths with one inside": signalled(
        lambda web, app: (
            app.add_subapp("/a", web.Application()) and [len(getattr(app, n)) for n in PART_NAMES]
        )
    ),
    "send": signalled(send),
    "send with arguments": signalled(partial(send, name="on_response_prepare", a=1)),
    "send not frozen": signalled(lambda web, app: app.on_shutdown.send(app)),
    "send to a sync function": signalled(send_to_sync),
    "decorator": signalled(decorated),
    "call with another thing": signalled(lambda web, app: app.on_shutdown(5)),
    "equality": signalled(
        lambda web, app: (app.on_shutdown == [], app.on_shutdown == app.on_cleanup)
    ),
    "truth": signalled(lambda web, app: (bool(app.on_shutdown), bool(app.on_startup))),
    "startup not frozen": signalled(lambda web, app: app.startup()),
    "shutdown not frozen": signalled(lambda web, app: app.shutdown()),
    "cleanup not frozen": signalled(lambda web, app: app.cleanup()),
    "set a signal": signalled(lambda web, app: setattr(app, "on_startup", [])),
    "set the router": signalled(lambda web, app: setattr(app, "router", None)),
}

CODES: dict[str, Code] = {
    **{f"key/{name}": code for name, code in KEYS.items()},
    **{f"list/{name}": listed(step) for name, step in LIST_STEPS.items()},
    **{f"frozen list/{name}": listed(step, freeze=True) for name, step in LIST_STEPS.items()},
    **{f"signal/{name}": code for name, code in SIGNALS.items()},
}


@pytest.mark.parametrize("name", CODES)
async def test_keys_and_lists_are_those_of_aiohttp(name: str) -> None:
    """The same code has the same outcome, and its warnings point at the same line."""
    await compare_outcomes(name, CODES[name])
