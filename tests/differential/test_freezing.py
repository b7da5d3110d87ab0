"""What may be changed in an application at which moment of its life, and who is warned of it."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import pytest

from differential.objects import VALUE, compare_outcomes

Code = Callable[[Any], Any]


async def handler(request: Any) -> Any:
    raise AssertionError("never called")


async def receiver(app: Any) -> None:
    """Do nothing."""


async def context(app: Any) -> Any:
    yield


def attempt(change: Callable[[Any, Any], Any], web: Any, app: Any) -> Any:
    try:
        result = change(web, app)
    except Exception as exc:
        return "raised", type(exc).__name__, str(exc)
    return type(result).__name__


# -- what may be changed when

PART_NAMES = ("on_startup", "on_shutdown", "on_cleanup", "on_response_prepare", "cleanup_ctx")
CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "add a route": lambda web, app: app.router.add_get("/new", handler),
    "add a definition": lambda web, app: app.add_routes([web.get("/new", handler)]),
    "add a resource": lambda web, app: app.router.add_resource("/new"),
    "add to a resource": lambda web, app: app.router["old"].add_route("PUT", handler),
    "add an application": lambda web, app: app.add_subapp("/sub", web.Application()),
    "add a domain": lambda web, app: app.add_domain("a.test", web.Application()),
    "add a middleware": lambda web, app: app.middlewares.append(handler),
    "insert a middleware": lambda web, app: app.middlewares.insert(0, handler),
    "remove middlewares": lambda web, app: app.middlewares.clear(),
    "replace middlewares": lambda web, app: app.middlewares.__setitem__(slice(None), []),
    "set the logger": lambda web, app: setattr(app, "logger", None),
    "set a value": lambda web, app: app.__setitem__(VALUE[web], 2),
    "set a value by str": lambda web, app: app.__setitem__("text", 2),
    "set the same value": lambda web, app: app.__setitem__(VALUE[web], 1),
    "delete a value": lambda web, app: app.__delitem__(VALUE[web]),
    "pop a value": lambda web, app: app.pop(VALUE[web]),
    "pop nothing": lambda web, app: app.pop("missing", None),
    "set a default": lambda web, app: app.setdefault("text", 2),
    "set a default that is there": lambda web, app: app.setdefault(VALUE[web], 2),
    "update": lambda web, app: app.update({"a": 1, "b": 2}),
    "update with nothing": lambda web, app: app.update({}),
    "clear": lambda web, app: app.clear(),
    "freeze": lambda web, app: app.freeze(),
    "freeze first": lambda web, app: app.pre_freeze(),
    "freeze the router": lambda web, app: app.router.freeze(),
    "become part of another": lambda web, app: web.Application().add_subapp("/x", app),
    **{
        f"append to {name}": lambda web, app, name=name: getattr(app, name).append(  # type: ignore[misc]
            context if name == "cleanup_ctx" else receiver
        )
        for name in PART_NAMES
    },
    **{
        f"clear {name}": lambda web, app, name=name: getattr(app, name).clear()  # type: ignore[misc]
        for name in PART_NAMES
    },
}


def new(web: Any) -> Any:
    app = web.Application()
    app.router.add_get("/old", handler, name="old")
    app[VALUE[web]] = 1
    return app


Act = Callable[[Any], Any]


async def when_new(web: Any, app: Any, act: Act) -> Any:
    return act(app)


async def when_pre_frozen(web: Any, app: Any, act: Act) -> Any:
    app.pre_freeze()
    return act(app)


async def when_frozen(web: Any, app: Any, act: Act) -> Any:
    app.freeze()
    return act(app)


async def when_inside(web: Any, app: Any, act: Act) -> Any:
    web.Application().add_subapp("/a", app)
    return act(app)


async def when_inside_by_domain(web: Any, app: Any, act: Act) -> Any:
    web.Application().add_domain("a.test", app)
    return act(app)


async def when_outside(web: Any, app: Any, act: Act) -> Any:
    app.add_subapp("/a", web.Application())
    return act(app)


async def lead(web: Any, app: Any, *, outermost: Any = None) -> None:
    runner = web.AppRunner(outermost or app, access_log=None)
    await runner.setup()
    await runner.cleanup()


def when_sent(name: str, *, inside: bool = False) -> Callable[[Any, Any, Act], Any]:
    """Act in a receiver of a signal; perhaps of an application inside another."""

    async def when(web: Any, app: Any, act: Act) -> Any:
        acted: list[Any] = []

        async def receive(app: Any) -> None:
            acted.append(act(app))

        getattr(app, name).append(receive)
        outermost = web.Application()
        if inside:
            outermost.add_subapp("/in", app)
        await lead(web, app, outermost=outermost if inside else app)
        return acted

    return when


def when_a_context(stage: str) -> Callable[[Any, Any, Act], Any]:
    async def when(web: Any, app: Any, act: Act) -> Any:
        acted: list[Any] = []

        async def context(app: Any) -> Any:
            if stage == "enters":
                acted.append(act(app))
            yield
            if stage == "leaves":
                acted.append(act(app))

        app.cleanup_ctx.append(context)
        await lead(web, app)
        return acted

    return when


async def when_set_up(web: Any, app: Any, act: Act) -> Any:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        return act(app)
    finally:
        await runner.cleanup()


async def when_over(web: Any, app: Any, act: Act) -> Any:
    await lead(web, app)
    return act(app)


MOMENTS = {
    "new": when_new,
    "pre-frozen": when_pre_frozen,
    "frozen": when_frozen,
    "inside": when_inside,
    "inside by domain": when_inside_by_domain,
    "outside": when_outside,
    "context enters": when_a_context("enters"),
    "on_startup": when_sent("on_startup"),
    "on_startup inside": when_sent("on_startup", inside=True),
    "set up": when_set_up,
    "on_shutdown": when_sent("on_shutdown"),
    "context leaves": when_a_context("leaves"),
    "on_cleanup": when_sent("on_cleanup"),
    "over": when_over,
}


def changed(moment: str, change: str) -> Code:
    async def code(web: Any) -> Any:
        app = new(web)
        return await MOMENTS[moment](web, app, partial(attempt, CHANGES[change], web))

    return code


def parts(moment: str) -> Code:
    """Tell which parts of an application are frozen at a moment."""

    def tell(web: Any, app: Any) -> Any:
        names = ("router", "middlewares", *PART_NAMES)
        return app.pre_frozen, app.frozen, [getattr(app, name).frozen for name in names]

    async def code(web: Any) -> Any:
        app, inner = new(web), new(web)
        app.add_subapp("/inner", inner)
        return await MOMENTS[moment](
            web, app, lambda app: (tell(web, app), tell(web, inner), len(app))
        )

    return code


CODES: dict[str, Code] = {
    **{
        f"change/{moment}/{change}": changed(moment, change)
        for moment, change in product(MOMENTS, CHANGES)
    },
    **{f"parts/{moment}": parts(moment) for moment in MOMENTS},
}


@pytest.mark.parametrize("name", CODES)
async def test_changes_are_allowed_when_aiohttp_allows_them(name: str) -> None:
    """The same change at the same moment has the same outcome, and warns of the same line."""
    await compare_outcomes(name, CODES[name])
