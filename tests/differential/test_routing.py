"""Every request finds the route that it finds in aiohttp, whatever the paths, on both sides.

Cases are generated from dimensions so that every two values meet; each answer has in a field all
that the router has found.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pytest

import bascule.web
from differential.frame import Call, Case, compare, record
from differential.pairwise import pairwise
from differential.requesting import request
from differential.routed import find_seen, tell_routes, telling
from differential.transcript import View

Register = Callable[[Any, Any, str], None]  # `web`, an application, a path

# Registered paths by name, each with a path that fits; {0} is where its value goes.
PATTERNS = {
    "plain": ("/plain", "/plain"),
    "plain-deep": ("/a/b/c", "/a/b/c"),
    "plain-slash": ("/plain/", "/plain/"),
    "plain-double": ("/a//b", "/a//b"),
    "plain-dots": ("/a/../b.", "/a/../b."),
    "plain-blank": ("/a b", "/a b"),
    "plain-non-ascii": ("/путь", "/путь"),
    "plain-plus": ("/a+b", "/a+b"),
    "plain-sub-delims": ("/!$&'()*,;=:@~", "/!$&'()*,;=:@~"),
    "plain-escaped": ("/1%2C3", "/1%2C3"),
    "plain-escaped-blank": ("/a%20b", "/a%20b"),
    "plain-escaped-slash": ("/a%2Fb", "/a%2Fb"),
    "plain-escaped-percent": ("/a%25b", "/a%25b"),
    "plain-escaped-no-byte": ("/a%FFb", "/a%FFb"),
    "root": ("/", "/"),
    "empty": ("", ""),
    "x": ("/item/{x}", "/item/{0}"),
    "x-alone": ("/{x}", "/{0}"),
    "x-slash": ("/item/{x}/", "/item/{0}/"),
    "x-inside": ("/item/{x}/edit", "/item/{0}/edit"),
    "x-two": ("/{x}/{y}", "/{0}/{0}"),
    "x-y": ("/item/{x}{y}", "/item/{0}{0}"),
    "x-dot-y": ("/item/{x}.{y}", "/item/{0}.{0}"),
    "x-behind": ("/item/v{x}", "/item/v{0}"),
    "x-before": ("/item/{x}.html", "/item/{0}.html"),
    "x-underscore": ("/item/{_x_1}", "/item/{0}"),
    "x-sub-delims": ("/!$&'()*,;=:@~/{x}", "/!$&'()*,;=:@~/{0}"),
    "x-escaped-slash": ("/a%2Fb/{x}", "/a%2Fb/{0}"),
    "x-escaped-percent": ("/a%25b/{x}", "/a%25b/{0}"),
    "x-escaped-no-byte": ("/a%FFb/{x}", "/a%FFb/{0}"),
    "x-lone-percent": ("/100%/{x}", "/100%/{0}"),
    "word": ("/item/{x:[a-z]+}", "/item/{0}"),
    "digits": (r"/item/{x:\d{2,3}}", "/item/{0}"),
    "segment": ("/item/{x:[^/]*}", "/item/{0}"),
    "either": ("/item/{x:ab|abc}", "/item/{0}"),
    "optional": ("/item{x:(/ab)?}", "/item/{0}"),
    "tail": ("/item/{x:.*}", "/item/{0}"),
    "tail-alone": ("/{x:.+}", "/{0}"),
    "tail-before": ("/item/{x:.*}/edit", "/item/{0}/edit"),
}
# Dynamic paths whose literal parts need quoting: aiohttp never finds them.
QUOTED = {
    "x-blank": ("/a b/{x}", "/a b/{0}"),
    "x-quote": ('/a"<>/{x}', '/a"<>/{0}'),
    "x-non-ascii": ("/путь/{x}", "/путь/{0}"),
    "x-non-ascii-before": ("/é{x}", "/é{0}"),
    "x-non-ascii-behind": ("/item/{x}é", "/item/{0}é"),
    "x-escaped-blank": ("/a%20b/{x}", "/a b/{0}"),
    "x-escaped-comma": ("/1%2C3/{x}", "/1,3/{0}"),
    "x-escaped-letter": ("/%41/{x}", "/A/{0}"),
    "x-escaped-non-ascii": ("/%C3%A9/{x}", "/é/{0}"),
    "x-escaped-lower": ("/%c3%a9/{x}", "/é/{0}"),
    "x-escaped-lower-slash": ("/a%2fb/{x}", "/a%2Fb/{0}"),
}
# What stands in the place of a variable part, as it is or with escapes.
VALUES = {
    "word": "ab",
    "digits": "12",
    "empty": "",
    "dot": ".",
    "two-dots": "..",
    "dotted": "a.b.c",
    "deep": "a/b/c",
    "double": "a//b",
    "upper-case": "AB",
    "long": "ab" * 300,
    "non-ascii": "é☃",
    "other-digits": "٤٢",
    "blank": "a b",
    "plus": "a+b",
    "sub-delims": "!$&'()*,;=:@~",
    "braces": "{a}",
    "odd": 'a"<>[]\\^`|',
    "slash": "a%2Fb",
    "slash-only": "%2F",
    "slash-twice": "a%252Fb",
    "percent": "a%25b",
    "percents": "%25%25",
    "percent-hex": "%252541",
    "letter": "%41",
    "question": "a%3Fb",
    "hash": "a%23b",
    "latin-1": "%E9",
    "broken-utf-8": "a%C3b",
    "no-byte": "%FF",
    "newline": "a%0Ab",
    "nul": "%00",
    "no-escape": "a%zz",
    "lone-percent": "a%",
}
# Those of them that are decoded as `urllib.parse` does it.
DECODED = ["word", "non-ascii", "blank", "plus", "slash", "slash-twice", "percent", "letter"]
# How characters are written that need no escape, and those that have one.
ENCODINGS: dict[str, Callable[[str], str]] = {
    "least": lambda text: _encode(text, needed=r"[^!-~]"),
    "lower": lambda text: _encode(text, needed=r"[^!-~]", lower=True),
    "all": lambda text: _encode(text, needed=r"[^/%]"),
    "all-lower": lambda text: _encode(text, needed=r"[^/%]", lower=True),
    "marks": lambda text: _encode(text, needed=r"[^/%\w]|[^!-~]"),
}
# What else is done to a path that fits.
SHAPES: dict[str, Callable[[str], str]] = {
    "fits": lambda path: path,
    "slash-behind": lambda path: f"{path}/",
    "slashes-behind": lambda path: f"{path}//",
    "slash-before": lambda path: f"/{path}",
    "slash-last": lambda path: "//".join(path.rsplit("/", 1)),
    "slash-escaped": lambda path: path[0] + "%2F".join(path[1:].rsplit("/", 1)),
    "dot-before": lambda path: f"/.{path}",
    "dot-behind": lambda path: f"{path}/.",
    "dots-before": lambda path: f"/x/..{path}",
    "dots-behind": lambda path: f"{path}/x/..",
    "cut": lambda path: path.rpartition("/")[0] or "/",
    "cut-to-slash": lambda path: f"{path.rpartition('/')[0]}/",
    "cut-letter": lambda path: path[:-1] or "/",
    "more": lambda path: f"{path}x",
    "deeper": lambda path: f"{path}/x",
    "upper-case": str.upper,
    "parameters": lambda path: f"{path};a=b",
    "query": lambda path: f"{path}?/x=/y",
    "query-empty": lambda path: f"{path}?",
    "absolute": lambda path: f"http://absolute.test{path}",
}


def _encode(text: str, *, needed: str, lower: bool = False) -> str:
    """Escape the characters that match, and bring the escapes that are there into one case."""

    def write(match: re.Match[str]) -> str:
        escape = match[0] if len(match[0]) > 1 else _escape(match[0])
        return escape.lower() if lower else escape

    return re.sub(rf"%[0-9A-F]{{2}}|{needed}", write, text)


def _escape(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


# -- how an application is put into another


@dataclass(frozen=True, slots=True)
class Nesting:
    """Where the routes of a case stand.

    Attributes:
        nest: puts the application that has them into another one, and gives the outermost.
        prefix: of the paths that reach them.
        host: that reaches them.
    """

    nest: Callable[[Any, Any], Any]
    prefix: str = ""
    host: str = "example.test"


def nested(*prefixes: str) -> Callable[[Any, Any], Any]:
    """Nest by prefixes, the innermost first; what has a dot in it is a domain."""

    def nest(web: Any, inside: Any) -> Any:
        for prefix in prefixes:
            outside = tell_routes(web)
            outside.router.add_get("/outside", telling(web, "outside"))
            if prefix.startswith("/"):
                outside.add_subapp(prefix, inside)
            else:
                outside.add_domain(prefix, inside)
            inside = outside
        return inside

    return nest


NESTINGS = {
    "none": Nesting(nested()),
    "subapp": Nesting(nested("/sub"), "/sub"),
    "subapp-slash": Nesting(nested("/sub/"), "/sub"),
    "subapp-deep": Nesting(nested("/sub/a+b/c.d"), "/sub/a+b/c.d"),
    "subapp-item": Nesting(nested("/item"), "/item"),
    "subapp-escaped-slash": Nesting(nested("/a%2Fb"), "/a%2Fb"),
    "twice": Nesting(nested("/inner", "/outer"), "/outer/inner"),
    "twice-same": Nesting(nested("/sub", "/sub"), "/sub/sub"),
    "domain": Nesting(nested("domain.test"), host="DOMAIN.test:8080"),
    "domain-port": Nesting(nested("domain.test:8080"), host="domain.test:8080"),
    "domain-mask": Nesting(nested("*.domain.*"), host="a.b.domain.test"),
    "domain-mask-port": Nesting(nested("*.test:8080"), host="domain.test:8080"),
    "domain-other-port": Nesting(nested("*.test:8080"), host="domain.test:8081"),
    "subapp-in-domain": Nesting(nested("/sub", "domain.test"), "/sub", "domain.test"),
}
# Prefixes that need quoting: aiohttp finds nothing below them.
QUOTED_PREFIXES = {
    "subapp-blank": Nesting(nested("/a b"), "/a b"),
    "subapp-braces": Nesting(nested("/{s}"), "/{s}"),
    "subapp-non-ascii": Nesting(nested("/путь"), "/путь"),
    "subapp-non-ascii-inside": Nesting(nested("/é", "/outer"), "/outer/é"),
    "subapp-non-ascii-outside": Nesting(nested("/inner", "/é"), "/é/inner"),
    "subapp-non-ascii-in-domain": Nesting(nested("/é", "domain.test"), "/é", "domain.test"),
    "subapp-escaped-blank": Nesting(nested("/a%20b"), "/a b"),
    "subapp-escaped-letter": Nesting(nested("/%41"), "/A"),
    "subapp-escaped-lower": Nesting(nested("/inner", "/%c3%a9"), "/é/inner"),
}


# -- how a route is registered


def by_method(*methods: str, **options: Any) -> Register:
    def register(web: Any, app: Any, path: str) -> None:
        for method in methods:
            app.router.add_route(method, path, telling(web, method), **options)

    return register


def by_call(name: str, /, **options: Any) -> Register:
    def register(web: Any, app: Any, path: str) -> None:
        getattr(app.router, f"add_{name}")(path, telling(web, name), **options)

    return register


def by_definition(name: str, /, **options: Any) -> Register:
    def register(web: Any, app: Any, path: str) -> None:
        app.add_routes([getattr(web, name)(path, telling(web, name), **options)])

    return register


def by_table(*names: str, **options: Any) -> Register:
    def register(web: Any, app: Any, path: str) -> None:
        table = web.RouteTableDef()
        for name in names:
            getattr(table, name)(path, **options)(telling(web, name))
        app.add_routes(table)

    return register


def by_view(web: Any, app: Any, path: str) -> None:
    class Both(web.View):
        async def get(self) -> Any:
            return web.Response(text="get")

        async def propfind(self) -> Any:
            return web.Response(text="propfind")

    app.router.add_view(path, Both)


REGISTRATIONS: dict[str, Register] = {
    "get": by_call("get"),
    "get-named": by_call("get", name="a.b-c:d"),
    "get-without-head": by_call("get", allow_head=False),
    "post": by_call("post"),
    "head": by_call("head"),
    "options": by_call("options"),
    "put-patch-delete": by_method("PUT", "PATCH", "DELETE"),
    "route-GET": by_method("GET"),
    "route-get": by_method("get", "pOsT"),
    "route-propfind": by_method("PROPFIND"),
    "any": by_method("*"),
    "post-any": by_method("POST", "*"),
    "view": by_view,
    "definition-get": by_definition("get"),
    "definition-get-without-head": by_definition("get", allow_head=False),
    "definition-post": by_definition("post"),
    "table-get": by_table("get"),
    "table-get-post": by_table("get", "post"),
    "table-get-without-head": by_table("get", allow_head=False),
    "table-head": by_table("head"),
}
METHODS = ["GET", "HEAD", "POST", "PUT", "OPTIONS", "PROPFIND", "TRACE", "get", "Get"]


def _make_case(
    group: str,
    pattern: str,
    shape: str = "fits",
    value: str = "word",
    encoding: str = "least",
    nesting: str = "none",
    registration: str = "get-named",
    method: str = "GET",
) -> Case:
    path, fitting = {**PATTERNS, **QUOTED}[pattern]
    where = {**NESTINGS, **QUOTED_PREFIXES}[nesting]
    text = where.prefix + fitting or "/"
    target = SHAPES[shape](ENCODINGS[encoding](text.replace("{0}", VALUES[value])))
    target = target.replace("//absolute.test", f"//{where.host}")  # as Host says, too
    call = Call(request(method, target, {"Host": where.host}))

    def build(web: Any) -> Any:
        app = tell_routes(web)
        REGISTRATIONS[registration](web, app, path)
        return where.nest(web, app)

    parts = (pattern, value, shape, encoding, nesting, registration, method)
    # A lower-case method is refused in other words; what aiohttp does not find is looked at in
    # `test_quoted_literals_are_decoded`.
    only_outcome = not method.isupper() or "quoted" in group
    view = View.OUTCOME if only_outcome else View.BYTES
    return Case(f"routing/{group}/{'/'.join(parts)}", build, call, view)


def _make_cases(group: str, dimensions: Mapping[str, Iterable[str]]) -> list[Case]:
    rows = pairwise({name: list(values) for name, values in dimensions.items()})
    return [_make_case(group, **row) for row in rows]


CASES = [
    *_make_cases(
        "value",
        {
            "pattern": [name for name, (_, fits) in PATTERNS.items() if "{0}" in fits],
            "value": VALUES,
            "encoding": ENCODINGS,
            "nesting": NESTINGS,
        },
    ),
    *_make_cases(
        "shape",
        {
            "pattern": PATTERNS,
            "shape": SHAPES,
            "encoding": ENCODINGS,
            "nesting": NESTINGS,
            "value": ["word", "digits"],
        },
    ),
    *_make_cases(
        "method",
        {
            "registration": REGISTRATIONS,
            "method": METHODS,
            "pattern": ["plain", "root", "empty", "x", "digits", "tail"],
            "nesting": NESTINGS,
            "shape": ["fits", "slash-behind"],
            "value": ["digits"],
        },
    ),
    *_make_cases(
        "quoted-literal",
        {
            "pattern": QUOTED,
            "value": DECODED,
            "encoding": ENCODINGS,
            "nesting": [name for name in NESTINGS if name != "domain-other-port"],
        },
    ),
    *_make_cases(
        "quoted-prefix",
        {
            "pattern": [*QUOTED, "plain", "plain-blank", "root", "empty", "x", "tail"],
            "value": DECODED,
            "encoding": ENCODINGS,
            "nesting": QUOTED_PREFIXES,
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_routes_are_found_as_in_aiohttp(case: Case) -> None:
    """Both servers find the same, and make the same URL of it."""
    await compare(case)


QUOTED_CASES = [case for case in CASES if case.name.startswith("routing/quoted-")]


@pytest.mark.parametrize("case", QUOTED_CASES, ids=str)
async def test_quoted_literals_are_decoded(case: Case) -> None:
    """What aiohttp does not find has the match of other paths, and a URL that leads to it."""
    seen = find_seen(await record(bascule.web, case))
    pattern, value = case.name.split("/")[2:4]
    target = unquote(case.call.data.split(b" ")[1].decode())
    dynamic = "{x" in {**PATTERNS, **QUOTED}[pattern][0]
    if pattern != "tail":
        assert seen["match"] == ({"x": unquote(VALUES[value])} if dynamic else {})
    assert unquote(seen["url"]) == target
