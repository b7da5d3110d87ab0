"""Whatever is registered and whatever is asked for, the router finds what aiohttp's finds."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import quote, unquote

import aiohttp.web
from aiohttp.test_utils import make_mocked_request
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

import bascule.web
from bascule.testing import MemoryExchange

# -- what is registered


@dataclass(frozen=True, slots=True)
class Route:
    """A route of an application."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Inside:
    """An application inside another one, below a prefix or at a domain."""

    place: str
    entries: "list[Entry]"


Entry = Route | Inside

# Most segments are of a few, so that what is registered overlaps.
COMMON = ["a", "b", "<>"]
LITERALS = ["a", "b", "é", " ", "ab", "a.b", "a+", "1"]
VARIABLE = ["a<>", "<>b", "<><>", "<>.<>", "é<>", "<> "]
# Expressions of such parts that tell no letter from its stand-in, with what fits.
REGEXES = {
    "": [*["a", "b"] * 6, "ab", "a.b", "1", "é", " ", "a%2Fb", "%25", "a%252Fb", "%FF"],
    r":\d+": ["1", "12", "123"],
    r":\d{1,2}": ["1", "12"],
    ":[ab]+": ["a", "b", "aab"],
    ":a|ab": ["a", "ab"],
    ":[^/]*": ["", "a", "é"],
    ":.*": ["", "a/b", "a//"],
    ":.+": ["é", "a/ "],
    ":(a/)?b": ["b", "a/b"],
}
VALUES = sorted({value for values in REGEXES.values() for value in values})
# Domains, each with a host that fits.
DOMAINS = {"d.test": "d.test", "*.test": "a.d.test:80", "d.test:8080": "D.test:8080"}
ELSEWHERE = "elsewhere.example"
HOSTS = [*DOMAINS.values(), ELSEWHERE]
METHODS = ["GET", "GET", "GET", "POST", "PUT", "HEAD"]


@st.composite
def paths(draw: st.DrawFn) -> str:
    segment = st.sampled_from([*COMMON * 8, *LITERALS, *VARIABLE, ""])
    path = "".join(f"/{each}" for each in draw(st.lists(segment, max_size=3)))
    numbers = count()
    regex = st.sampled_from([*[""] * 16, *REGEXES])
    return re.sub("<>", lambda _: f"{{p{next(numbers)}{draw(regex)}}}", path)


prefixes = st.lists(st.sampled_from([*["a", "b"] * 4, *LITERALS]), min_size=1, max_size=2).map(
    lambda segments: "".join(f"/{each}" for each in segments)
)
domains = st.sampled_from([*DOMAINS])
routes = st.builds(Route, st.sampled_from(["GET", "GET", "POST", "*"]), paths())


# Many routes that begin alike, of which a router should not look at each.
crowds = st.sampled_from(["", "/a"]).flatmap(
    lambda start: st.lists(
        routes.map(lambda route: Route(route.method, f"{start}/{{x}}{route.path}")),
        min_size=10,
        max_size=20,
    )
)


def applications(depth: int, places: st.SearchStrategy[str]) -> st.SearchStrategy[list[Entry]]:
    """Draw what is in an application.

    aiohttp takes no application with domains into one below a prefix, so they are outside only.
    """
    entry: st.SearchStrategy[Entry] = routes
    if depth:
        inside = st.builds(Inside, places, applications(depth - 1, prefixes))
        entry = st.integers(0, 3).flatmap(lambda kind: routes if kind else inside)
    return st.lists(entry, min_size=2, max_size=6) | crowds


# -- what is asked for


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; its path is not encoded, but for the escapes in it.

    Attributes:
        escaped: whether letters are escaped, too.
    """

    method: str
    host: str
    path: str
    escaped: bool


CHANGES: list[Callable[[str], str]] = [
    lambda path: f"{path}/",
    lambda path: f"{path}/a",
    lambda path: f"{path}b",
    lambda path: f"/{path}",
    lambda path: path.rpartition("/")[0],
    lambda path: path.removesuffix("/"),
    lambda path: path.replace("/", "//", 1),
    lambda path: path.replace("a", "%2F"),
]


def list_places(
    entries: list[Entry], host: str = ELSEWHERE, prefix: str = ""
) -> Iterator[tuple[str, str]]:
    """List the hosts and paths of routes."""
    for entry in entries:
        if isinstance(entry, Route):
            yield host, prefix + entry.path
        elif entry.place.startswith("/"):
            yield from list_places(entry.entries, host, prefix + entry.place)
        else:
            yield from list_places(entry.entries, DOMAINS[entry.place], prefix)


@st.composite
def requests(draw: st.DrawFn, entries: list[Entry]) -> Asked:
    """Draw a request, more often than not for a path that was registered."""
    places = [*list_places(entries), (ELSEWHERE, "/a/b")]
    host, registered = draw(st.sampled_from(places))

    def fill(variable: re.Match[str]) -> str:
        fits = draw(st.integers(0, 3))
        return draw(st.sampled_from(REGEXES[variable[1]] if fits else VALUES))

    path = re.sub(r"\{[px]\d?((?::(?:[^{}]|\{1,2\})+)?)\}", fill, registered)
    if draw(st.integers(0, 3)) == 0:
        path = draw(st.sampled_from(CHANGES))(path)
    return Asked(
        draw(st.sampled_from(METHODS)),
        draw(st.sampled_from([*HOSTS, *[host] * 8])),
        path or "/",
        draw(st.booleans()),
    )


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Entry], list[Asked]]:
    entries = draw(applications(2, prefixes | domains))
    return entries, draw(st.lists(requests(entries), min_size=1, max_size=6))


# -- both sides

# aiohttp does not find what has variable parts or stands below a prefix and needs quoting (see
# `differences`): to it the same is told with letters that need none.
STAND_INS = {"é": "Z", " ": "Y"}


def stand_in(text: str) -> str:
    return text.translate(str.maketrans(STAND_INS))


def stand_out(text: str) -> str:
    return text.translate(str.maketrans({value: key for key, value in STAND_INS.items()}))


def build(
    web: Any,
    entries: list[Entry],
    write: Callable[[str], str],
    numbers: Iterator[int],
    place: str = "outermost",
) -> Any:
    """Make an application; its logger has the name of its place."""
    app = web.Application(logger=logging.getLogger(place))
    for entry in entries:
        if isinstance(entry, Route):
            handler = make_handler(next(numbers))
            try:
                app.router.add_route(entry.method, write(entry.path), handler)
            except RuntimeError:  # the method is taken
                app.router.add_route("REFUSED", f"/{handler.__name__}", handler)
        elif entry.place.startswith("/"):
            app.add_subapp(
                write(entry.place), build(web, entry.entries, write, numbers, entry.place)
            )
        else:
            app.add_domain(entry.place, build(web, entry.entries, write, numbers, entry.place))
    return app


def make_handler(number: int) -> Any:
    async def handler(request: Any) -> Any:
        raise AssertionError("never called")

    handler.__name__ = f"handler {number}"
    return handler


def encode(path: str, escaped: bool) -> str:
    text = quote(path, safe="/%+")
    return re.sub("[a1]", lambda match: f"%{ord(match[0]):X}", text) if escaped else text


async def ask_aiohttp(app: Any, asked: Asked) -> Any:
    url = URL.build(path=encode(stand_in(asked.path), asked.escaped), encoded=True)
    mocked = make_mocked_request(asked.method, "/", headers={"Host": asked.host})
    request = mocked.clone(rel_url=url)
    told = tell(await app.router.resolve(request))
    told["each"] = await ask_each(app, request)
    told["allowed"] |= await list_methods_before(app, request) if told["status"] == 405 else set()
    told["match"] = {name: stand_out(value) for name, value in told["match"].items()}
    told["canonical"] = stand_out(told["canonical"])
    return told


async def ask_bascule(app: Any, asked: Asked) -> Any:
    target = encode(asked.path, asked.escaped)
    exchange = MemoryExchange(asked.method, target, fields={"Host": asked.host})
    request = bascule.web.Request(exchange)
    told = tell(await app.router.resolve(request))
    told["each"] = await ask_each(app, request)
    told["canonical"] = unquote(told["canonical"])
    return told


async def ask_each(app: Any, request: Any) -> list[Any]:
    """Ask the resources of an application one by one, but for applications inside, of which
    aiohttp's take any request that the router gives them."""
    resources = [each for each in app.router.resources() if "app" not in each.get_info()]
    answers = [await resource.resolve(request) for resource in resources]
    return [(found is not None, methods) for found, methods in answers]


def tell(found: Any) -> Any:
    error = found.http_exception
    return {
        "status": 200 if error is None else error.status,
        "allowed": set(getattr(error, "allowed_methods", ())),
        "handler": found.handler.__name__ if error is None else "",
        "method": found.route.method,
        "canonical": found.route.resource.canonical if error is None else "",
        "match": dict(found),
        "apps": [app.logger.name for app in found.apps],
    }


async def list_methods_before(app: Any, request: Any) -> set[str]:
    """List the methods of resources that come before what takes a request, at each level.

    The one difference in 405: bascule names them also when an application inside refuses.
    """
    methods: set[str] = set()
    for resource in sorted(app.router.resources(), key=_depth, reverse=True):
        found, own = await resource.resolve(request)
        if found is not None:
            inside = resource.get_info()["app"]
            is_domain = "rule" in resource.get_info()
            before = set() if is_domain else methods
            return before | await list_methods_before(inside, request)
        methods |= own
    return methods


def _depth(resource: Any) -> int:
    """Say how early a resource is asked: by the literal segments it begins with, domains first."""
    if "rule" in resource.get_info():
        return 1000
    literal, brace, _ = resource.canonical.partition("{")
    return len((literal.rpartition("/")[0] if brace else literal).rstrip("/"))


async def compare(entries: list[Entry], asked: list[Asked]) -> list[Any]:
    theirs = build(aiohttp.web, entries, stand_in, count())
    ours = build(bascule.web, entries, str, count())
    theirs.freeze()
    ours.freeze()
    found = []
    for each in asked:
        expected = await ask_aiohttp(theirs, each)
        assert await ask_bascule(ours, each) == expected, each
        found.append(expected)
    return found


INSIDE = Inside("/a", [Route("GET", "/x"), Inside("/b", [Route("GET", "")])])


@settings(deadline=None, derandomize=True, max_examples=300)
@given(conversations())
@example(([Route("POST", "/a/{p0}"), INSIDE], [Asked("PUT", ELSEWHERE, "/a/x", False)]))
@example(([INSIDE, Route("POST", "/a/b/{p0:.*}")], [Asked("PUT", ELSEWHERE, "/a/b", False)]))
@example(([INSIDE, Route("POST", "/a/b/")], [Asked("PUT", ELSEWHERE, "/a/b", False)]))
def test_any_request_finds_in_any_application_what_it_finds_in_aiohttp(
    conversation: tuple[list[Entry], list[Asked]],
) -> None:
    """The same route, values and applications; the same refusal, and methods in it."""
    asyncio.run(compare(*conversation))
