"""URLs are built from resources as in aiohttp: quoting, errors, prefixes."""

from collections.abc import Callable, Mapping
from typing import Any

import aiohttp.web
import pytest

import bascule.web
from differential.routed import describe

# Registered paths by name; those of `QUOTED` have literals that aiohttp compares quoted.
PATTERNS = {
    "plain": "/x",
    "plain-blank": "/a b",
    "plain-non-ascii": "/é",
    "plain-escaped": "/a%20b%2F%e9",
    "plain-question": "/a?b#c",
    "plain-odd": '/a"<>[]|;=:@+',
    "plain-slashes": "//a//",
    "empty": "",
    "root": "/",
    "x": "/{a}",
    "x-inside": "/p/{a}/q",
    "x-slash": "/p/{a}/",
    "x-y": "/{a}{b}",
    "x-dot-y": "/{b}.{a}",
    "x-suffix": "/p/v{a}.html",
    "digits": r"/{a:\d{2,3}}",
    "tail": "/p/{a:.*}",
    "sub-delims": "/!$&'()*,;=:@+~/{a}",
    "escaped-slash": "/a%2Fb%25/{a}",
}
QUOTED = {
    "blank": "/a b/{a}",
    "non-ascii": "/é/{a}/путь",
    "escaped": "/%41%20%e9/{a}",
    "question": "/a?b#c/{a}",
    "odd": '/a"<>[]|^`/{a}',
    "lone-percent": "/100%/%zz/{a}",
}
# Prefixes in which an application is put, the innermost first.
PREFIXES: dict[str, tuple[str, ...]] = {
    "none": (),
    "prefix": ("/sub",),
    "prefix-slash": ("/sub/",),
    "prefix-deep": ("/sub/a+b/c.d;e",),
    "prefix-escaped-slash": ("/a%2Fb%25",),
    "nested": ("/inner", "/outer"),
}
# Prefixes that need quoting, and how they are written in URLs.
QUOTED_PREFIXES = {
    "/é": "/%C3%A9",
    "/a b": "/a%20b",
    "/путь/б": "/%D0%BF%D1%83%D1%82%D1%8C/%D0%B1",
    "/{s}": "/%7Bs%7D",
}
# How a resource is asked, once the application is in its place.
WAYS: dict[str, Callable[[Any], Any]] = {
    "resource": lambda router: next(iter(router.resources())),
    "route": lambda router: next(iter(router.routes())),
    "name": lambda router: router["a.b"],
    "named": lambda router: router.named_resources()["a.b"],
}


class Word(str):
    __slots__ = ()


ARGUMENTS: dict[str, dict[str, Any]] = {
    "ascii": {"a": "abc"},
    "blank": {"a": "a b"},
    "slash": {"a": "a/b"},
    "slash-first": {"a": "//b/"},
    "percent": {"a": "a%b"},
    "escape": {"a": "a%20b%2Fc%2f"},
    "non-ascii": {"a": "é☃𝄞"},
    "plus": {"a": "a+b"},
    "question": {"a": "a?b"},
    "hash": {"a": "a#b"},
    "sub-delims": {"a": "!$&'()*,;=:@~"},
    "odd": {"a": '"<>[]\\^`|'},
    "braces": {"a": "{b}{a}{}"},
    "colon-first": {"a": "http://x.test/"},
    "empty": {"a": ""},
    "dot": {"a": "."},
    "dots": {"a": ".."},
    "dots-inside": {"a": "a/../b/./c"},
    "newline": {"a": "a\r\nb"},
    "nul": {"a": "\x00"},
    "surrogate": {"a": "\ud800"},
    "subclass": {"a": Word("é")},
    "int": {"a": 42},
    "float": {"a": 1.5},
    "bool": {"a": True},
    "none": {"a": None},
    "bytes": {"a": b"a"},
    "list": {"a": ["a"]},
    "missing": {},
    "misspelt": {"A": "x"},
    "extra": {"a": "x", "c": "y"},
    "extra-int": {"a": "x", "c": 7},
    "self": {"a": "x", "name": "y", "filename": "z"},
}


def ask(web: Any, path: str, prefixes: tuple[str, ...], arguments: Mapping[str, Any]) -> Any:
    """Tell what a resource in prefixes makes of arguments, asked in all ways."""
    app = web.Application()
    app.router.add_get(path, _never, name="a.b")
    router = app.router
    for prefix in prefixes:
        outside = web.Application()
        outside.add_subapp(prefix, app)
        app = outside
    return {way: _build(find(router), arguments) for way, find in WAYS.items()}


def _build(asked: Any, arguments: Mapping[str, Any]) -> Any:
    try:
        url = asked.url_for(**arguments)
    except Exception as exc:
        # The text for None is yarl's in aiohttp.
        text = "Argument should be str" if "NoneType" in str(exc) else str(exc)
        return type(exc).__name__, text
    return str(url), url.raw_path, url.path, url.raw_query_string, url.raw_fragment


async def _never(request: Any) -> Any:
    raise AssertionError("never called")


@pytest.mark.parametrize("prefixes", PREFIXES)
@pytest.mark.parametrize("pattern", [*PATTERNS, *QUOTED])
def test_urls_are_those_of_aiohttp(pattern: str, prefixes: str) -> None:
    """The same URL, or the same error, of each argument, asked in each way."""
    path = {**PATTERNS, **QUOTED}[pattern]
    for name, arguments in ARGUMENTS.items():
        values = {"b": "B", **arguments} if "{b}" in path else arguments
        theirs = ask(aiohttp.web, path, PREFIXES[prefixes], values)
        ours = ask(bascule.web, path, PREFIXES[prefixes], values)
        assert ours == theirs, name


@pytest.mark.parametrize("prefix", QUOTED_PREFIXES)
@pytest.mark.parametrize("pattern", [*PATTERNS, *QUOTED])
def test_prefixes_are_quoted_in_urls(pattern: str, prefix: str) -> None:
    """They are, quoted, what other prefixes are; aiohttp leaves them as they were registered, and
    finds nothing below them."""
    path = {**PATTERNS, **QUOTED}[pattern]
    values = {"a": "é", "b": "B"} if "{" in path else {}
    ours = ask(bascule.web, path, (prefix,), values)
    for way, theirs in ask(aiohttp.web, path, ("/sub",), values).items():
        expected = [text.replace("/sub", QUOTED_PREFIXES[prefix], 1) for text in theirs[:2]]
        assert list(ours[way][:2]) == expected


def tell(web: Any, path: str, prefixes: tuple[str, ...]) -> Any:
    """Tell what a resource in prefixes says of itself."""
    app = web.Application()
    route = app.router.add_get(path, _never, name="a.b")
    resource = route.resource
    inmost, outermost = app, app
    for prefix in prefixes:
        outside = web.Application()
        outside.add_subapp(prefix, outermost)
        outermost = outside
    inmost.freeze()
    return describe(
        {
            "resource": resource,
            "route": route,
            "canonical": resource.canonical,
            "info": resource.get_info(),
            "route-info": route.get_info(),
            "name": [resource.name, route.name],
            "length": [len(resource), len(inmost.router), len(outermost.router.routes())],
            "matches": [resource.raw_match(each) for each in (path, *prefixes, "/sub" + path)],
            "outside": [each.canonical for each in outermost.router.resources()],
            "outside-info": [each.get_info() for each in outermost.router.resources()],
        }
    )


@pytest.mark.parametrize("prefixes", PREFIXES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_resources_describe_themselves_as_in_aiohttp(pattern: str, prefixes: str) -> None:
    """Names, canonical paths, descriptions, and what the router says of them."""
    theirs = tell(aiohttp.web, PATTERNS[pattern], PREFIXES[prefixes])
    assert tell(bascule.web, PATTERNS[pattern], PREFIXES[prefixes]) == theirs


@pytest.mark.parametrize("prefixes", PREFIXES)
@pytest.mark.parametrize("pattern", QUOTED)
def test_quoted_resources_describe_themselves_as_in_aiohttp(pattern: str, prefixes: str) -> None:
    """All but the expression, since literals are compared decoded."""
    theirs = tell(aiohttp.web, QUOTED[pattern], PREFIXES[prefixes])
    ours = tell(bascule.web, QUOTED[pattern], PREFIXES[prefixes])
    for told in (ours, theirs):
        del told["info"]["pattern"], told["route-info"]["pattern"]
        told["outside-info"] = [info.pop("pattern", None) and info for info in told["outside-info"]]
    assert ours == theirs
