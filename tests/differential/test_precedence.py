"""Of several resources that take a request the one wins that wins in aiohttp.

Each application has in an unlikely order what may take the same paths: resources, applications
below prefixes that begin alike, applications of domains.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from differential.frame import Call, Case, compare
from differential.pairwise import pairwise
from differential.requesting import request
from differential.routed import tell_routes, telling

Add = Callable[[Any, Any, str], None]  # `web`, an application, a name for what is added


def route(method: str, path: str) -> Add:
    def add(web: Any, app: Any, name: str) -> None:
        with suppress(RuntimeError):  # the method is taken on a path that was given twice
            app.router.add_route(method, path, telling(web, name))

    return add


def subapp(prefix: str, *paths: str, method: str = "*") -> Add:
    """Add an application below a prefix; what has no slash in front is a domain."""

    def add(web: Any, app: Any, name: str) -> None:
        inside = web.Application()
        for path in paths:
            inside.router.add_route(method, path, telling(web, f"{name} {path}"))
        if prefix.startswith("/"):
            app.add_subapp(prefix, inside)
        else:
            app.add_domain(prefix, inside)

    return add


def _make_case(name: str, adds: list[Add], call: Call) -> Case:
    def build(web: Any) -> Any:
        app = tell_routes(web)
        for place, add in enumerate(adds):
            add(web, app, f"number {place}")
        return app

    return Case(f"precedence/{name}", build, call)


# -- resources that overlap

OVERLAPPING = [
    "",
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/",
    "/A",
    "//a",
    "/a.b",
    "/{x}",
    "/{y}",
    "/{x}/",
    "/a{x}",
    "/{x}a",
    "/a/{x}",
    "/a/{x}/",
    "/{x}/b",
    "/{x}/{y}",
    "/a/b{x}",
    "/a/b/{x}",
    "/{x:.*}",
    "/{x:[^/]+}",
    "/a/{x:.*}",
    "/a{x:(/.*)?}",
    "/{x:a|b}/b",
]
ASKED = [
    "/",
    "//",
    "/a",
    "/a/",
    "/a//",
    "//a",
    "/a/b",
    "/a/b/",
    "/a//b",
    "/a/b/c",
    "/ab",
    "/aa",
    "/A",
    "/a.b",
    "/%61",
    "/a%2Fb",
    "/c",
    "/c/b",
    "/c/a/",
]
# The methods of the three resources, and the one that is asked for.
METHODS = {
    "all-GET": ("GET", "GET", "GET", "GET"),
    "third": ("POST", "PUT", "GET", "GET"),
    "second": ("POST", "GET", "GET", "GET"),
    "none": ("POST", "PUT", "PATCH", "GET"),
    "any-first": ("*", "GET", "GET", "GET"),
    "any-last": ("GET", "POST", "*", "PUT"),
}


def _overlap(first: str, second: str, third: str, asked: str, methods: str) -> Case:
    *own, method = METHODS[methods]
    paths = [first, second, third]
    adds = [route(*each) for each in dict.fromkeys(zip(own, paths, strict=True))]
    name = f"overlap/{first}:{second}:{third}/{asked}/{methods}"
    return _make_case(name, adds, Call(request(method, asked)))


# Rules of precedence: what is registered, in order, and what is asked for.
RULES = {
    "the-first-of-two-alike": (["/{x}", "/{y}"], "/a"),
    "the-first-of-two-plain": (["/a", "/b", "/a"], "/a"),
    "plain-behind-dynamic": (["/{x}", "/a"], "/a"),
    "plain-below-behind-tail": (["/a/{x:.*}", "/a/b"], "/a/b"),
    "slash-behind-tail": (["/a/{x:.*}", "/a/"], "/a/"),
    "slash-before-tail": (["/a/", "/a/{x:.*}"], "/a/"),
    "root-behind-tail": (["/{x:.*}", "/"], "/"),
    "root-before-tail": (["/", "/{x:.*}"], "/"),
    "longer-literal-behind-shorter": (["/{x}/b/c", "/a/{x}/c", "/a/b/{x}"], "/a/b/c"),
    "part-of-a-segment-is-no-literal": (["/{x}", "/a{x}"], "/ab"),
    "literals-behind-a-part-count-nothing": (["/{x}/{y}", "/{x}/b"], "/a/b"),
    "empty-path-behind-root": (["/", ""], "/"),
    "empty-path-before-root": (["", "/"], "/"),
    "escaped-as-decoded": (["/{x}", "/a"], "/%61"),
    "double-slash-behind-tail": (["/a/{x:.*}", "/a//b"], "/a//b"),
}


def _rule(name: str, paths: list[str], asked: str) -> Case:
    adds = [route("GET", path) for path in paths]
    return _make_case(f"rule/{name}", adds, Call(request("GET", asked)))


# Many at once, of which a router should not look at each.
CROWD = [
    *OVERLAPPING,
    "/{x}/b/",
    "/{x}/c",
    "/{x}//b",
    "/{x}/b/{y}",
    "/{x}/{y}/c",
    "/{x}/{y}/{z}",
    r"/{x:\d+}/c",
    "/{x:[a-c]+}/b/{y}",
    "/{x:[^/]+}/c",
    "/{x:.+}/c",
    "/{x:a/b}/c",
    "/{x:[--9]+}/e",
    "/{x}.{y}/c",
    "/a{x}/c",
    "/a/{x}/c",
    "/a/{x}/{y}/d",
    "/a/{x}/b/{y:.*}",
    "/a/{x:.*}/d",
]
CROWD_ASKED = [
    "/1/c",
    "/1/2/e",
    "/a/1/b",
    "/a/1/b/",
    "/a/b/d",
    "/a/b/c/d",
    "/a/b/c/d/e",
    "/b/b/c",
    "/b/b/c/",
    "/b//b",
]


def _crowd(turn: int, asked: str, method: str) -> Case:
    """Take all of them, from another one on each time, and backwards at every second time."""
    paths = CROWD[turn:] + CROWD[:turn]
    adds = [route("GET" if number % 5 else "POST", path) for number, path in enumerate(paths)]
    if turn % 2:
        adds.reverse()
    name = f"crowd/{turn}/{asked}/{method}"
    return _make_case(name, adds, Call(request(method, asked)))


# -- prefixes that begin alike

PREFIXES: dict[str, Add] = {
    "s": subapp("/s", "", "/", "/x", "/{y}"),
    "s-empty": subapp("/s"),
    "s-slash": subapp("/s/", "/s", "/s/"),
    "ss": subapp("/ss", "", "/s"),
    "s-s": subapp("/s/s", "", "/{y}"),
    "s-s-s": subapp("/s/s/s", "/{y:.*}"),
    "S": subapp("/S", "", "/{y}"),
    "s.s": subapp("/s.s", "", "/{y}"),
    "s+s": subapp("/s+s", "", "/{y}"),
    "s-escaped": subapp("/s%2Fs", "", "/{y}"),
    "route-s": route("GET", "/s"),
    "route-below": route("GET", "/s/x"),
    "route-dynamic": route("GET", "/{z}"),
    "route-dynamic-below": route("GET", "/s/{z}"),
    "route-all": route("GET", "/{z:.*}"),
}
BELOW = [
    "/",
    "/s",
    "/s/",
    "//s",
    "/s//",
    "/s/x",
    "/s/z",
    "/s//x",
    "/s/x/",
    "/sx",
    "/ss",
    "/ss/",
    "/ss/s",
    "/s/s",
    "/s/s/",
    "/s/s/s",
    "/s/s/s/",
    "/s/ss",
    "/s/sx",
    "/S",
    "/S/s",
    "/s.s/y",
    "/sxs/y",
    "/s+s/y",
    "/s%2Bs/y",
    "/%73/%78",
    "/s%2Fs",
    "/s%2Fs/y",
    "/s%2fs/y",
    "/s/%2Fs",
    "/s/../ss",
]


def _share(first: str, second: str, asked: str, method: str) -> Case:
    adds = [PREFIXES[first], PREFIXES[second]] if first != second else [PREFIXES[first]]
    return _make_case(
        f"prefix/{first}:{second}/{asked}/{method}", adds, Call(request(method, asked))
    )


# -- domains

DOMAINS = [
    "d.test",
    "D.Test.",
    "d.test:80",
    "d.test:8080",
    "*.test",
    "*.d.test",
    "*.*",
    "*",
    "d.*",
    "*:8080",
    "*.test:8080",
    "bücher.test",
    "xn--bcher-kva.test",
    "127.0.0.1",
    "localhost",
]
HOSTS = [
    "d.test",
    "D.TEST",
    "d.test:80",
    "d.test:8080",
    "d.test:08080",
    "d.test:",
    "d.test.",
    "a.d.test",
    "a.b.d.test",
    "a.d.test:8080",
    "ad.test",
    "test",
    "xn--bcher-kva.test",
    "b%C3%BCcher.test",
    "localhost",
    "127.0.0.1:8080",
    "[::1]:8080",
    "",
]


def _host(first: str, second: str, host: str, asked: str) -> Case:
    adds = [
        route("GET", "/both"),
        route("GET", "/outside"),
        subapp(first, "/both", "/{x}/x"),
        subapp(second, "/both", "/second"),
    ]
    # The sentinel would be asked of the domains, too.
    fields = {"Host": host, "Connection": "close"}
    call = Call(request("GET", asked, fields))
    return _make_case(f"domain/{first}:{second}/{host}{asked}", adds, call)


# -- methods that are named in a refusal

# Each has a sub-application that answers POST to /s/x, and in front of it resources that answer
# something else.
BEFORE: dict[str, list[Add]] = {
    "same-key": [route("GET", "/s/{y}"), subapp("/s", "/x", method="POST")],
    "longer-key": [subapp("/s", "/x", method="POST"), route("GET", "/s/x")],
    "nested": [
        route("GET", "/s/{y}"),
        lambda web, app, name: app.add_subapp("/s", _inside_twice(web)),
    ],
}
# Here nothing stands in front of it.
BEHIND: dict[str, list[Add]] = {
    "later": [subapp("/s", "/x", method="POST"), route("GET", "/s/{y}")],
    "shorter-key": [route("GET", "/{y}/x"), subapp("/s", "/x", method="POST")],
    "other-path": [route("GET", "/s/y"), subapp("/s", "/x", method="POST")],
    "no-path": [route("GET", "/s/{y}"), subapp("/s", "/z", method="POST")],
    "domain": [route("GET", "/s/x"), subapp("example.test", "/s/x", method="POST")],
    "no-subapp": [route("GET", "/s/x"), route("POST", "/{y}/x"), route("PUT", "/{y:.*}")],
}


def _inside_twice(web: Any) -> Any:
    inside, inmost = web.Application(), web.Application()
    inmost.router.add_route("POST", "", telling(web, "inmost"))
    inside.add_subapp("/x", inmost)
    return inside


def _refuse(name: str, adds: list[Add]) -> Case:
    return _make_case(name, adds, Call(request("DELETE", "/s/x", {"Connection": "close"})))


CASES = [
    *(
        _overlap(**row)
        for row in pairwise(
            {
                "first": OVERLAPPING,
                "second": OVERLAPPING,
                "third": OVERLAPPING,
                "asked": ASKED,
                "methods": list(METHODS),
            }
        )
    ),
    *(_rule(name, *rule) for name, rule in RULES.items()),
    *(
        _crowd(turn, asked, "GET" if asked in CROWD_ASKED or turn % 2 else "POST")
        for turn in range(0, len(CROWD), 3)
        for asked in [*ASKED, *CROWD_ASKED]
    ),
    *(
        _share(**row)
        for row in pairwise(
            {
                "first": list(PREFIXES),
                "second": list(PREFIXES),
                "asked": BELOW,
                "method": ["GET"],
            }
        )
    ),
    *(
        _host(**row)
        for row in pairwise(
            {
                "first": DOMAINS,
                "second": DOMAINS,
                "host": HOSTS,
                "asked": ["/both", "/second", "/second/x", "/outside", "/missing"],
            }
        )
    ),
    *(_refuse(f"405-before/{name}", adds) for name, adds in BEFORE.items()),
    *(_refuse(f"405-behind/{name}", adds) for name, adds in BEHIND.items()),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_the_same_resource_wins_as_in_aiohttp(case: Case) -> None:
    """Both servers find the same resource among several."""
    await compare(case)
