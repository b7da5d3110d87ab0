"""Objects that are made and asked without any request: the same on aiohttp and here."""

import asyncio
import datetime
import warnings
from collections.abc import Callable
from typing import Any

import aiohttp.web
import pytest
from yarl import URL

import bascule.web

Case = Callable[[Any], Any]


def outcome(case: Case, web: Any) -> Any:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = case(web)
        except Exception as exc:
            result = (type(exc).__name__, str(exc))
    return result, [(warning.category.__name__, str(warning.message)) for warning in caught]


def fields(response: Any) -> list[tuple[str, str]]:
    return list(response.headers.items())


def after(thing: Any, *steps: Callable[[Any], Any]) -> Any:
    """Do something to a thing, and give it."""
    for step in steps:
        step(thing)
    return thing


def cookies(*steps: Callable[[Any], Any]) -> Case:
    def case(web: Any) -> list[str]:
        response = after(web.Response(), *steps)
        return [morsel.OutputString() for morsel in response.cookies.values()]

    return case


def told(name: str, value: Any) -> Case:
    """Set an attribute of a response and tell its fields, and the attribute as it is then."""

    def case(web: Any) -> Any:
        response = web.StreamResponse(headers={"Content-Type": "text/html; charset=a; x=y"})
        setattr(response, name, value)
        return fields(response), repr(getattr(response, name))

    return case


async def handler(request: Any) -> Any:
    raise AssertionError("never called")


def routed(*paths: str) -> Callable[[Any], Any]:
    def make(web: Any) -> Any:
        router = web.UrlDispatcher()
        for number, path in enumerate(paths):
            router.add_get(path, handler, name=f"n{number}")
        return router

    return make


WHEN = datetime.datetime(2020, 1, 2, 3, 4, 5, 600000, tzinfo=datetime.UTC)

RESPONSES: dict[str, Case] = {
    "text": lambda web: fields(web.Response(text="ü")),
    "text charset": lambda web: web.Response(text="ü", charset="cp1252").body,
    "text type": lambda web: fields(web.Response(text="x", content_type="a/b")),
    "text and body": lambda web: web.Response(text="a", body=b"b"),
    "text of bytes": lambda web: web.Response(text=b"x"),
    "charset in type": lambda web: web.Response(text="", content_type="text/plain; charset=x"),
    "type twice": lambda web: web.Response(headers={"Content-Type": "a/b"}, content_type="c/d"),
    "charset and field": lambda web: web.Response(headers={"Content-Type": "a/b"}, charset="x"),
    "body": lambda web: fields(web.Response(body=b"x")),
    "body type": lambda web: fields(web.Response(body=b"x", content_type="a/b")),
    "body charset": lambda web: fields(web.Response(body=b"x", content_type="a/b", charset="c")),
    "bytearray": lambda web: web.Response(body=bytearray(b"x")).body,
    "no body": lambda web: (web.Response().body, web.Response().text),
    "length": lambda web: web.Response(text="üü").content_length,
    "length of nothing": lambda web: web.Response().content_length,
    "set length": lambda web: setattr(web.Response(), "content_length", 5),
    "text back": lambda web: web.Response(body="ü".encode()).text,
    "set text": lambda web: fields(after(web.Response(), lambda r: setattr(r, "text", "x"))),
    "set bytes text": lambda web: setattr(web.Response(), "text", b"x"),
    "unknown status": lambda web: web.Response(status=799).reason,
    "status reason": lambda web: web.Response(status=404).reason,
    "own reason": lambda web: web.Response(status=200, reason="Fine").reason,
    "empty reason": lambda web: web.Response(status=200, reason="").reason,
    "bad reason": lambda web: web.Response(reason="a\r\nb"),
    "set status": lambda web: after(web.Response(), lambda r: r.set_status(201)).reason,
    "repr": lambda web: repr(web.Response()),
    "truth": lambda web: bool(web.Response()),
    "mapping": lambda web: after(
        web.Response(), lambda r: r.__setitem__("own", 1), lambda r: r.__setitem__("own", 2)
    )["own"],  # a key of its own: it is warned of once in a process
    "mapping length": lambda web: (len(web.Response()), list(web.Response())),
    "missing key": lambda web: web.Response()["x"],
    "delete key": lambda web: web.Response().__delitem__("x"),
    "prepared": lambda web: (web.Response().prepared, web.Response().keep_alive),
    "task": lambda web: web.Response().task,
    "force close": lambda web: after(web.Response(), lambda r: r.force_close()).keep_alive,
    "chunked": lambda web: (
        after(web.StreamResponse(), lambda r: r.enable_chunked_encoding()).chunked
    ),
    "chunked with length": lambda web: web.StreamResponse(
        headers={"Content-Length": "1"}
    ).enable_chunked_encoding(),
    "length when chunked": lambda web: setattr(
        after(web.StreamResponse(), lambda r: r.enable_chunked_encoding()), "content_length", 5
    ),
    "type": told("content_type", "a/b"),
    "charset": told("charset", "UTF-8"),
    "no charset": told("charset", None),
    "set a length": told("content_length", 7),
    "set no length": told("content_length", None),
    "last modified": told("last_modified", WHEN),
    "last modified seconds": told("last_modified", 1577934245.6),
    "last modified text": told("last_modified", "Thu, 02 Jan 2020 03:04:05 GMT"),
    "last modified none": told("last_modified", None),
    "last modified list": told("last_modified", []),
    "charset without type": lambda web: setattr(web.StreamResponse(), "charset", "x"),
    "json": lambda web: (web.json_response({"a": "ü"}).text, fields(web.json_response([]))),
    "json text": lambda web: web.json_response(text="[]").body,
    "json both": lambda web: web.json_response([], text="[]"),
    "json dumps": lambda web: web.json_response(1, dumps=lambda x: f"<{x}>").text,
    "headers are copied": lambda web: fields(web.Response(headers=[("A", "1"), ("A", "2")])),
}
COOKIES: dict[str, Case] = {
    "plain": cookies(lambda r: r.set_cookie("a", "b")),
    "quoted": cookies(lambda r: r.set_cookie("a", "b c;ü")),
    "all": cookies(
        lambda r: r.set_cookie(
            "a",
            "b",
            expires="Thu, 01 Jan 2030 00:00:00 GMT",
            domain="d",
            max_age=5,
            path="/p",
            secure=True,
            httponly=True,
            samesite="Strict",
        )
    ),
    "twice": cookies(
        lambda r: r.set_cookie("a", "b"), lambda r: r.set_cookie("a", "c", domain="d")
    ),
    "deleted": cookies(lambda r: r.del_cookie("a")),
    "set and deleted": cookies(lambda r: r.set_cookie("a", "b"), lambda r: r.del_cookie("a")),
    "deleted and set": cookies(lambda r: r.del_cookie("a"), lambda r: r.set_cookie("a", "b")),
    "deleted with all": cookies(
        lambda r: r.del_cookie(
            "a", domain="d", path="/p", secure=True, httponly=True, samesite="Lax"
        )
    ),
}
ROUTING: dict[str, Case] = {
    "plain": lambda web: (
        str(routed("/a b")(web)["n0"].url_for()),
        routed("/x")(web)["n0"].canonical,
    ),
    "dynamic": lambda web: str(routed("/a/{b}/{c:x+}")(web)["n0"].url_for(b="ü/%", c="xx")),
    "canonical": lambda web: routed(r"/a/{b:\d{2,3}}")(web)["n0"].canonical,
    "missing part": lambda web: routed("/{a}")(web)["n0"].url_for(),
    "no slash": routed("a"),
    "unbalanced": routed("/{a"),
    "closing": routed("/a}"),
    "nested name": routed("/{a{b}}"),
    "quoted name": routed("/{'a'}"),
    "bad expression": routed("/{a:(}"),
    "names": lambda web: (sorted(routed("/a", "/b")(web)), len(routed("/a", "/b")(web))),
    "missing name": lambda web: routed("/a")(web)["x"],
    "duplicate name": lambda web: after(
        web.UrlDispatcher(),
        lambda r: r.add_get("/a", handler, name="x"),
        lambda r: r.add_get("/b", handler, name="x"),
    ),
    "keyword name": lambda web: web.UrlDispatcher().add_get("/a", handler, name="a.for"),
    "odd name": lambda web: web.UrlDispatcher().add_get("/a", handler, name="a b"),
    "duplicate method": lambda web: after(
        web.UrlDispatcher(),
        lambda r: r.add_post("/a", handler),
        lambda r: r.add_post("/a", handler),
    ),
    "odd method": lambda web: web.UrlDispatcher().add_route("A B", "/", handler),
    "lower-case method": lambda web: web.UrlDispatcher().add_route("get", "/", handler).method,
    "no handler": lambda web: web.UrlDispatcher().add_get("/a", 7),
    "methods": lambda web: [
        getattr(web.UrlDispatcher(), f"add_{name}")("/a", handler).method
        for name in ("head", "options", "post", "put", "patch", "delete")
    ],
    "view": lambda web: web.UrlDispatcher().add_view("/a", type("V", (web.View,), {})).method,
    "routes": lambda web: [route.method for route in routed("/a", "/b")(web).routes()],
    "resources": lambda web: [r.canonical for r in routed("/a", "/{b}")(web).resources()],
    "same resource": lambda web: len(
        after(
            web.UrlDispatcher(),
            lambda r: r.add_get("/a/{b}", handler),
            lambda r: r.add_post("/a/{b}", handler),
        ).resources()
    ),
    "frozen": lambda web: after(web.UrlDispatcher(), lambda r: r.freeze()).add_get("/", handler),
    "definition": lambda web: repr(web.get("/a", handler)).replace("name=None, ", ""),
    "table": lambda web: repr(web.RouteTableDef()),
    "expect handler": lambda web: web.UrlDispatcher().add_post("/", handler, expect_handler=len),
}
KEYS: dict[str, Case] = {
    "app key": lambda web: repr(web.AppKey("a", int)).replace(__name__, "here"),
    "untyped key": lambda web: repr(web.AppKey("a")),
    "typed by brackets": lambda web: repr(web.AppKey[list[int]]("a")),
    "order": lambda web: sorted([web.AppKey("b"), web.AppKey("a")])[0] < 5,
    "str key": lambda web: after(web.Application(), lambda app: app.__setitem__("a", 1))["a"],
    "get": lambda web: (web.Application().get("a"), web.Application().get("a", 5)),
    "truth": lambda web: (bool(web.Application()), len(web.Application())),
    "equality": lambda web: web.Application() == web.Application(),
    "delete": lambda web: web.Application().__delitem__("a"),
    "frozen": lambda web: after(web.Application(), lambda app: app.freeze()).frozen,
    "frozen signal": lambda web: after(
        web.Application(), lambda app: app.freeze()
    ).on_startup.append(handler),
}
NAMES = [
    name
    for name in bascule.web.__all__
    if name.startswith("HTTP") and getattr(bascule.web, name).status_code > 0
]
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "HTTPMethodNotAllowed": ("get", ["PUT", "GET"]),
    "HTTPRequestEntityTooLarge": (10, 11),
    "HTTPUnavailableForLegalReasons": ("http://a/b",),
}
EXCEPTIONS: dict[str, Case] = {
    f"{name} {label}": lambda web, name=name, kwargs=kwargs: tell(web, name, kwargs)  # type: ignore[misc]
    for name in NAMES
    for label, kwargs in {
        "plain": {},
        "text": {"text": "x"},
        "all": {"text": "x", "reason": "R", "headers": {"A": "b"}, "content_type": "a/b"},
    }.items()
}


def tell(web: Any, name: str, kwargs: dict[str, Any]) -> Any:
    made = getattr(web, name)
    move = issubclass(made, web.HTTPMove)
    arguments = ("/a b?ü",) if move else ARGUMENTS.get(name, ())
    exc = made(*arguments, **kwargs)
    extra = [getattr(exc, key, None) for key in ("location", "allowed_methods", "method", "link")]
    bases = [base.__name__ for base in made.__mro__ if base.__name__.startswith("HTTP")]
    return exc.status, exc.reason, exc.text, str(exc), sorted(fields(exc)), extra, bases


MOVES: dict[str, Case] = {
    "url": lambda web: web.HTTPFound(URL("/a b")).headers["Location"],
    "empty": lambda web: web.HTTPFound(""),
    "none": lambda web: web.HTTPFound(None),
    "injected": lambda web: web.HTTPFound("/a\r\nSet-Cookie: b").headers["Location"],
    "no link": lambda web: web.HTTPUnavailableForLegalReasons(None).headers.get("Link"),
    "body": lambda web: web.HTTPBadRequest(body=b"x").body,
    "truth": lambda web: bool(web.HTTPOk()),
}
CASES = {
    f"{group}/{name}": case
    for group, cases in {
        "response": RESPONSES,
        "cookie": COOKIES,
        "routing": ROUTING,
        "key": KEYS,
        "exception": EXCEPTIONS,
        "move": MOVES,
    }.items()
    for name, case in cases.items()
}


@pytest.mark.parametrize("name", CASES)
async def test_objects_are_those_of_aiohttp(name: str) -> None:
    theirs = outcome(CASES[name], aiohttp.web)
    ours = outcome(CASES[name], bascule.web)
    assert plain(ours) == plain(theirs)
    await asyncio.sleep(0)


def plain(value: Any) -> Any:
    """Take the package's name out of texts."""
    if isinstance(value, str):
        return value.replace("bascule", "aiohttp")
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, int | bytes | bytearray | set | None | URL) else type(value)
