"""What both packages are asked about routers, and how what they tell is compared."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import aiohttp.abc
import aiohttp.web
import aiohttp.web_urldispatcher

import bascule.abc
import bascule.routing.dispatcher
import bascule.routing.match
import bascule.routing.routes
import bascule.routing.subapps
import bascule.web

from .routed import describe
from .test_objects import after, outcome

__all__ = [
    "Case",
    "added",
    "each",
    "find_inside",
    "handler",
    "look",
    "make_router",
    "make_view",
    "other",
    "tell_both",
]

Case = Callable[[Any], Any]  # takes a `web` module; what it gives or raises is compared

# Names that `web` does not have, but that what it gives is made of.
_INSIDE = {
    "aiohttp.web": [aiohttp.web_urldispatcher, aiohttp.abc],
    "bascule.web": [
        bascule.abc,
        bascule.routing.dispatcher,
        bascule.routing.match,
        bascule.routing.routes,
        bascule.routing.subapps,
    ],
}


def find_inside(web: Any, name: str) -> Any:
    return next(getattr(each, name) for each in _INSIDE[web.__name__] if hasattr(each, name))


async def handler(request: Any) -> Any:
    """Answer with what it was given."""
    return request


async def other(request: Any) -> Any:
    return "other", request


def added(*steps: Callable[[Any], Any]) -> Case:
    """Do something to a router, and describe what it holds then."""

    def case(web: Any) -> Any:
        return look(after(web.UrlDispatcher(), *steps))

    return case


def look(router: Any) -> Any:
    """Describe all that a router holds."""
    return {
        "names": list(router),
        "frozen": router.frozen,
        "resources": [
            [repr(each), each.name, each.canonical, each.get_info(), len(each), list(each)]
            for each in router.resources()
        ],
        "routes": [
            [each.method, each.name, repr(each), each.resource.canonical, each.get_info()]
            for each in router.routes()
        ],
    }


def make_router(web: Any) -> Any:
    return after(
        web.UrlDispatcher(),
        lambda r: r.add_get("/a", handler, name="a"),
        lambda r: r.add_post("/{b}", handler, name="b.c"),
        lambda r: r.add_route("*", "/c", handler),
    )


def make_view(web: Any) -> Any:
    """Make a view class."""
    return type("View", (web.View,), {})


def each(label: str, make: Callable[[Any, Any], Any], values: Iterable[Any]) -> dict[str, Case]:
    """Make a case of each value."""
    return {f"{label} {value!r:.60}": partial(_make_of, make, value) for value in values}


def _make_of(make: Callable[[Any, Any], Any], value: Any, web: Any) -> Any:
    return make(web, value)


def tell_both(name: str, case: Case, different: Mapping[str, Any]) -> tuple[Any, Any]:
    """Ask both, for results, errors and warnings.

    Args:
        name: of the case.
        case: what is asked.
        different: what bascule gives or raises otherwise than aiohttp, by the names of cases.

    Returns:
        what bascule tells, and what it must tell.
    """
    theirs, ours = (_weigh(describe(outcome(case, web))) for web in (aiohttp.web, bascule.web))
    if name not in different:
        return ours, theirs
    assert theirs[0] != different[name], "no longer different"
    return ours, (different[name], theirs[1])


def _weigh(told: Any) -> tuple[Any, Any]:
    """Leave out texts that Python or a library writes, and those of failed assertions."""
    result, warned = told
    if isinstance(result, list) and len(result) == 2 and isinstance(result[1], str):
        name, text = result
        if name in ("AssertionError", "FrozenInstanceError") or "unexpected keyword" in text:
            result = name
    return result, warned
