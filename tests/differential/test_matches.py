"""What a router has found, and rules that match domains, are what they are in aiohttp."""

import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from differential.registering import Case, each, find_inside, handler, tell_both
from differential.test_objects import after

# -- what is found


def make_route(web: Any) -> Any:
    return web.UrlDispatcher().add_get("/{a}", handler, name="n")


def make_match(web: Any) -> Any:
    return web.UrlMappingMatchInfo({"a": "b"}, make_route(web))


def make_error(web: Any) -> Any:
    return find_inside(web, "MatchInfoError")(web.HTTPMethodNotAllowed("GET", ["PUT", "POST"]))


def make_system_route(web: Any) -> Any:
    return find_inside(web, "SystemRoute")(web.HTTPForbidden(reason="Not here"))


def tell_match(found: Any) -> Any:
    return [
        repr(found),
        dict(found),
        found.handler is handler,
        repr(found.route),
        found.get_info(),
        str(found.http_exception),
        found.apps,
    ]


FOUND: dict[str, Case] = {
    "match": lambda web: tell_match(make_match(web)),
    "match is a dict": lambda web: (
        isinstance(make_match(web), dict),
        make_match(web) == {"a": "b"},
        make_match(web)["a"],
        make_match(web).get("x"),
    ),
    "match missing": lambda web: make_match(web)["x"],
    "match is copied": lambda web: (
        lambda given: after(
            web.UrlMappingMatchInfo(given, make_route(web)), lambda m: given.update(c="d")
        )
    )({"a": "b"}),
    "no application yet": lambda web: make_match(web).current_app,
    "expect handler": lambda web: make_match(web).expect_handler.__name__,
    "error": lambda web: tell_match(make_error(web)),
    "error methods": lambda web: sorted(make_error(web).http_exception.allowed_methods),
    "error route": lambda web: type(make_error(web).route).__name__,
    "error of nothing": lambda web: repr(find_inside(web, "MatchInfoError")(web.HTTPNotFound())),
    "apps": lambda web: _tell_apps(web, make_match(web)),
    "apps of an error": lambda web: _tell_apps(web, make_error(web)),
    "other current app": lambda web: setattr(
        after(make_match(web), lambda m: m.add_app("app")), "current_app", "other"
    ),
    "frozen": lambda web: after(make_match(web), lambda m: m.freeze()).add_app("app"),
    "frozen twice": lambda web: after(make_match(web), lambda m: m.freeze()).freeze(),
    "frozen current app": lambda web: setattr(
        after(make_match(web), lambda m: m.add_app("app"), lambda m: m.freeze()),
        "current_app",
        "app",
    ),
    "route": lambda web: (
        lambda r: (r.method, r.name, repr(r), repr(r.resource), r.get_info(), r.handler is handler)
    )(make_route(web)),
    "system route": lambda web: (
        lambda r: (r.method, r.name, repr(r), r.resource, r.get_info(), r.status, r.reason)
    )(make_system_route(web)),
    "url of a system route": lambda web: make_system_route(web).url_for(),
    "url of a system route with parts": lambda web: make_system_route(web).url_for("a", b="c"),
    "system handler": lambda web: make_system_route(web).handler(None).send(None),
    "set status": lambda web: setattr(make_system_route(web), "status", 5),
    "set method": lambda web: setattr(make_route(web), "method", "PUT"),
}


def _tell_apps(web: Any, found: Any) -> Any:
    found.add_app("inside")
    found.add_app("outside")
    before = found.current_app
    found.current_app = "outside"
    return found.apps, before, found.current_app


# -- domains

DOMAINS: list[Any] = [
    "example.test",
    "EXAMPLE.Test",
    "example.test.",
    "example.test..",
    "example",
    "a-b.c--d.e1",
    "a" * 63 + ".test",
    "127.0.0.1",
    "1.2.3.4.5",
    "example.test:80",
    "example.test:8080",
    "example.test:443",
    "example.test:",
    "example.test:0",
    "bücher.test",
    "BÜCHER.test:8080",
    "xn--bcher-kva.test",
    "",
    ".",
    "..",
    ":",
    ":80",
    " ",
    "a b",
    "-a.test",
    "a-.test",
    "a..test",
    ".a.test",
    "a" * 64,
    "a_b.test",
    "a.test/",
    "a.test/b",
    "a.test?b",
    "a.test#b",
    "user@a.test",
    "http://a.test",
    "//a.test",
    "a.test:99999",
    "a.test:x",
    "[::1]",
    "[::1]:8080",
    "::1",
    "^example.test$",
    "exam+ple",
    None,
    5,
    b"a.test",
]
MASKS = [
    "*",
    "*.test",
    "*.*",
    "*.*.test",
    "a.*.test",
    "*.example.test",
    "exam*.test",
    "*ample.test",
    "ex*le.te*t",
    "**.test",
    "*:80",
    "*:8080",
    "*.test:8080",
    "*.test.",
    "*.TEST",
    "-*.test",
    "*-.test",
    "*_.test",
    "*.bücher.*",
    "*é.test",
    "a.*:x",
    "http://*.test",
    "*/",
    "*+.test",
    "",
]
HOSTS = [
    "example.test",
    "EXAMPLE.TEST",
    "example.test.",
    "example.test:80",
    "example.test:8080",
    "example.test:80800",
    "example.test:",
    "example.test:x",
    "sub.example.test",
    "a.b.example.test",
    "a.b.test",
    "a.b.test:8080",
    ".test",
    "test",
    "exampleXtest",
    "example.testing",
    "xexample.test",
    "xn--bcher-kva.test",
    "XN--BCHER-KVA.test:8080",
    "bücher.test",
    "a.xn--bcher-kva.b",
    "127.0.0.1",
    "127.0.0.1:8080",
    "[::1]",
    "[::1]:8080",
    "",
    ":",
    ":8080",
    "*",
    "*.test",
]


def tell_domain(web: Any, kind: str, value: Any) -> Any:
    rule = find_inside(web, kind)(value)
    return [
        rule.canonical,
        rule.get_info(),
        {host: rule.match_domain(host) for host in HOSTS},
        [_match(rule, {"Host": host}) for host in HOSTS],
        _match(rule, {}),
    ]


def _match(rule: Any, headers: dict[str, str]) -> Any:
    head = SimpleNamespace(target="/")
    coroutine = rule.match(SimpleNamespace(headers=headers, _head=head, _host=None))
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


RULES = {
    **each("domain", lambda web, v: tell_domain(web, "Domain", v), DOMAINS),
    **each("mask", lambda web, v: tell_domain(web, "MaskDomain", v), [*MASKS, *DOMAINS]),
    **each(
        "add",
        lambda web, v: tell_rule(web.Application().add_domain(v, web.Application())),
        [*DOMAINS, *MASKS],
    ),
}


def tell_rule(resource: Any) -> Any:
    rule = resource.get_info()["rule"]
    return [
        repr(resource),
        resource.canonical,
        type(rule).__name__,
        rule.canonical,
        len(resource),
        resource.name,
        resource.raw_match("/"),
    ]


CASES = {
    f"{group}/{name}": case
    for group, cases in {"found": FOUND, "rule": RULES}.items()
    for name, case in cases.items()
}
# What bascule does otherwise.
DIFFERENT: dict[str, Any] = {
    # aiohttp fails where nothing was expected to.
    "rule/domain '//a.test'": ["ValueError", "Domain not valid"],
    "rule/mask '//a.test'": ["ValueError", "Domain not valid"],
    "rule/add '//a.test'": ["ValueError", "Domain not valid"],
}
# Both settle it when they are imported, as asyncio does.
if not (sys.flags.dev_mode or os.environ.get("PYTHONASYNCIODEBUG")):  # else aiohttp looks too
    DIFFERENT["found/other current app"] = [
        "RuntimeError",
        "Expected one of the following apps ['app'], got 'other'",
    ]


@pytest.mark.parametrize("name", CASES)
def test_matches_are_those_of_aiohttp(name: str) -> None:
    """They tell the same of themselves, and match the same hosts."""
    ours, expected = tell_both(name, CASES[name], DIFFERENT)
    assert ours == expected
