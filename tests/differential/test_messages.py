"""Requests and responses, member by member, without a server: the same on aiohttp and here."""

import datetime
import fnmatch
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import aiohttp.web
import pytest
from multidict import CIMultiDict, CIMultiDictProxy, MultiDict
from yarl import URL

import bascule.web

from .messages import MESSAGE_DIFFERENCES
from .objects import Code, find_outcome
from .pairwise import pairwise

WHEN = datetime.datetime(2020, 1, 2, 3, 4, 5, 600000, tzinfo=datetime.UTC)
NAIVE = datetime.datetime(2020, 1, 2, 3, 4, 5)
EAST = WHEN.astimezone(datetime.timezone(datetime.timedelta(hours=5)))


def root(web: Any) -> Any:
    return import_module(web.__name__.partition(".")[0])


def mock(web: Any, method: str = "GET", path: str = "/", headers: Any = None, **more: Any) -> Any:
    tools = import_module(f"{root(web).__name__}.test_utils")
    return tools.make_mocked_request(method, path, headers=headers, **more)


def etag(web: Any, value: str, *, is_weak: bool = False) -> Any:
    return import_module("aiohttp.helpers" if web is aiohttp.web else "bascule.web").ETag(
        value, is_weak
    )


def told(response: Any) -> Any:
    """Tell all that a response shows without being sent."""
    names = (
        *("status", "reason", "chunked", "compression", "keep_alive", "prepared", "body_length"),
        *("content_length", "content_type", "charset", "last_modified", "etag", "task"),
    )
    seen: dict[str, Any] = {}
    for name in names:
        try:
            value = getattr(response, name)
        except Exception as exc:
            value = ("raised", type(exc).__name__, str(exc))
        seen[name] = value if isinstance(value, str | int | tuple | None) else repr(value)
    cookies = [morsel.OutputString() for morsel in response.cookies.values()]
    # How the field is spelled is told of answers.
    fields = [(name.replace("Etag", "ETag"), value) for name, value in response.headers.items()]
    return [fields, seen, cookies, repr(response)]


def doing(*steps: Callable[[Any], Any], make: Callable[[Any], Any] | None = None) -> Code:
    """Do something to a response and tell what it is then."""

    def code(web: Any) -> Any:
        response = web.StreamResponse() if make is None else make(web)
        results = [step(response) for step in steps]
        return [results if all(isinstance(each, str) for each in results) else [], told(response)]

    return code


def setting(name: str, value: Any, kind: str | None = "text/html; charset=a; x=y") -> Code:
    headers = {} if kind is None else {"Content-Type": kind}
    return doing(
        lambda response: setattr(response, name, value),
        make=lambda web: web.StreamResponse(headers=headers),
    )


SET: dict[str, Code] = {
    f"set/{name}/{number}": setting(name, value)
    for name, values in {
        "content_type": ["a/b", "A/B", "", "a", "a/b; c=d", 7, None, "text/é"],
        "charset": ["UTF-8", None, "", "x y", 7],
        "content_length": [0, 7, "7", None, 7.9, -1, "x", True],
        "last_modified": [
            *(WHEN, NAIVE, EAST, 0, 0.1, -1, 1577934245, "Thu, 02 Jan 2020 03:04:05 GMT", "x", ""),
            *(None, True, b"x", [], datetime.date(2020, 1, 2)),
        ],
        "etag": ["a", "", "*", 'a"b', "a b", "é", "☃", "W/a", None, 7, b"a", "a\r\nb", "a\x7f"],
    }.items()
    for number, value in enumerate(values)
}
SET |= {
    f"set/content type of {kind!r}": setting("charset", "utf-8", kind)
    for kind in (
        None,
        "text/html",
        "application/octet-stream",
        'a/b; c="d e"',
        'multipart/mixed; boundary="a;b"',
        "x",
        "a/b;",
    )
}
SET |= {
    f"set/type beside {kind!r}": setting("content_type", "a/b", kind)
    for kind in (None, "text/html", 'x/y; c="d e"; f=g', "x", "x/y; charset=Z")
}
SET |= {
    "set/weak etag": lambda web: doing(
        lambda response: setattr(response, "etag", etag(web, "a", is_weak=True))
    )(web),
    "set/any etag": lambda web: doing(
        lambda response: setattr(response, "etag", etag(web, "*", is_weak=True))
    )(web),
    "set/bad etag": lambda web: doing(lambda response: setattr(response, "etag", etag(web, '"')))(
        web
    ),
}
HELD: dict[str, Code] = {
    f"held/{name}/{value}": doing(
        make=lambda web, name=name, value=value: web.StreamResponse(headers={name: value})  # type: ignore[misc]
    )
    for name, values in {
        "ETag": ['"a"', 'W/"a"', "a", '""', "*", '"a" ', 'w/"a"', '"a", "b"'],
        "Last-Modified": ["x", "Thu, 02 Jan 2020 03:04:05 GMT", ""],
        "Content-Length": ["7", "x", "-1", " 7 ", "7.5", "٧"],
        "Content-Type": ["", "a", "A/B; C=D", 'a/b; charset="x y"'],
    }.items()
    for value in values
}
COOKIES: dict[str, Code] = {
    f"cookie/{number}": doing(
        lambda response, case=case: response.set_cookie(  # type: ignore[misc]
            case["name"],
            case["value"],
            **{key: case[key] for key in case.keys() - {"name", "value"} if case[key] != "none"},
        )
    )
    for number, case in enumerate(
        pairwise(
            {
                "name": ["a", "a-b", "__Host-a", "a b", "", "a=b", "path", "é", "a;b", "a,b"],
                "value": ["b", "", "b c", 'b"c', "b;c", "b,c", "é", "\r\n", "a\\b", "=", "b\x00"],
                "expires": ["none", None, "Thu, 01 Jan 2030 00:00:00 GMT", ""],
                "domain": ["none", None, "example.test", ""],
                "max_age": ["none", None, 0, 5, "5", -1, ""],
                "path": ["none", "/p", ""],
                "secure": ["none", None, True, False],
                "httponly": ["none", None, True, False],
                "version": ["none", None, "1"],
                "samesite": ["none", None, "Lax", "strict", "x"],
                "partitioned": ["none", None],
            }
        )
    )
}
COOKIES |= {
    f"cookie/deleted/{number}": doing(
        lambda response, case=case: response.del_cookie("a", **case)  # type: ignore[misc]
    )
    for number, case in enumerate(
        [
            {},
            {"domain": "d"},
            {"path": "/p"},
            {"path": ""},
            {"secure": True, "httponly": True, "samesite": "None"},
            {"secure": False},
        ]
    )
}
COOKIES["cookie/no path"] = doing(lambda r: r.set_cookie("a", "b", path=None))
COOKIES["cookie/partitioned"] = doing(lambda r: r.set_cookie("a", "b", partitioned=True))
COOKIES["cookie/several"] = doing(
    lambda r: r.set_cookie("a", "b"), lambda r: r.set_cookie("c", "d"), lambda r: r.del_cookie("a")
)
MADE: dict[str, Code] = {
    f"made/{number}": doing(
        make=lambda web, case=case: web.Response(  # type: ignore[misc]
            **{key: value for key, value in case.items() if value != "none"}
        )
    )
    for number, case in enumerate(
        pairwise(
            {
                "body": ["none", b"", b"x", bytearray(b"x"), "é", 7],
                "text": ["none", "none", "none", "", "é", b"x"],
                "status": ["none", 201, 204, "404", 1000],
                "reason": ["none", None, "", "R", "é"],
                "headers": [
                    *("none", None, {}, {"A": "b"}, [("A", "b"), ("a", "c")], MultiDict(A="b")),
                    *(CIMultiDictProxy(CIMultiDict(A="b")), {"Content-Type": "x/y"}),
                    *({"content-type": "x/y; charset=latin-1"}, {"Content-Length": "5"}),
                ],
                "content_type": ["none", None, "a/b", "text/plain; charset=x", "", "text"],
                "charset": ["none", None, "latin-1", "UTF-8", "nonsense"],
            }
        )
    )
}
DONE: dict[str, Code] = {
    **{
        f"done/made with {reason!r}": lambda web, reason=reason: web.Response(reason=reason).reason  # type: ignore[misc]
        for reason in ("a\nb", "a\rb", "a\x00b", "\r\n", "é", "☃")
    },
    "done/reason": doing(lambda r: r.set_status(404), lambda r: r.set_status(404, "")),
    "done/status text": doing(lambda r: r.set_status("404")),
    "done/bad reason": doing(lambda r: r.set_status(200, "a\nb")),
    "done/chunk size": doing(lambda r: r.enable_chunked_encoding(5)),
    "done/compress": doing(lambda r: r.enable_compression()),
    "done/compress by bool": doing(lambda r: r.enable_compression(True)),
    "done/compress by no": doing(lambda r: r.enable_compression(False)),
    "done/compress by text": doing(lambda r: r.enable_compression("gzip")),
    "done/compress by list": doing(lambda r: r.enable_compression([])),
    "done/output length": lambda web: web.StreamResponse().output_length,
    "done/write": lambda web: web.StreamResponse().write(b"x"),
    "done/write text": lambda web: web.StreamResponse().write("x"),
    "done/write eof": lambda web: web.StreamResponse().write_eof(),
    "done/response write eof": lambda web: web.Response(text="x").write_eof(),
    "done/drain": lambda web: web.StreamResponse().drain(),
    "done/hash": lambda web: len({web.StreamResponse(), web.StreamResponse()}),
    "done/mapping": doing(
        lambda r: r.update({"x": 1}), lambda r: r.setdefault("y", 2), lambda r: r.pop("x")
    ),
    "done/body": doing(lambda r: setattr(r, "body", "é"), make=lambda web: web.Response()),
    "done/no body": doing(
        lambda r: setattr(r, "body", None), make=lambda web: web.Response(text="x")
    ),
    "done/body of what": doing(lambda r: setattr(r, "body", 7), make=lambda web: web.Response()),
    "done/text": doing(
        lambda r: setattr(r, "text", "é"),
        make=lambda web: web.Response(body=b"x", charset="cp1252"),
    ),
    "done/text in charset": doing(
        lambda r: setattr(r, "text", "é"),
        make=lambda web: web.Response(body=b"x", headers={"Content-Type": "a/b; charset=latin-1"}),
    ),
    "done/length and chunks": doing(
        lambda r: setattr(r, "content_length", 5), lambda r: r.enable_chunked_encoding()
    ),
    "done/chunks and no length": doing(
        lambda r: r.enable_chunked_encoding(), lambda r: setattr(r, "content_length", None)
    ),
}
JSON: dict[str, Code] = {
    f"json/{number}": doing(make=lambda web, case=case: web.json_response(**case))  # type: ignore[misc]
    for number, case in enumerate(
        [
            {},
            {"data": None},
            {"data": {"é": 1}},
            {"data": 1, "text": ""},
            {"data": 1, "body": b"", "text": "x"},
            {"text": "1"},
            {"body": b"1"},
            {"text": "1", "body": b"1"},
            {"data": 1, "status": 201, "reason": "R", "headers": {"A": "b"}},
            {"data": 1, "content_type": "a/b"},
            {"data": 1, "headers": {"Content-Type": "a/b"}},
            {"data": 1, "content_type": None},
            {"data": {1}},
            {"data": 1, "dumps": repr},
        ]
    )
}
JSON |= {
    f"json bytes/{number}": doing(
        make=lambda web, case=case: web.json_bytes_response(  # type: ignore[misc]
            **{"dumps": lambda data: repr(data).encode(), **case}
        )
    )
    for number, case in enumerate(
        [
            {},
            {"data": None},
            {"data": 1, "body": b""},
            {"body": b"1"},
            {"data": 1, "status": 201, "reason": "R", "headers": {"A": "b"}},
            {"data": 1, "content_type": "a/b"},
            {"data": 1, "dumps": repr},
        ]
    )
}

# -- requests

_FACTS = (
    *("method", "version", "scheme", "secure", "host", "remote", "path", "path_qs", "raw_path"),
    *("query_string", "keep_alive", "content_type", "charset", "content_length", "body_exists"),
    *("can_read_body", "if_match", "if_none_match", "if_modified_since", "if_range", "http_range"),
    *("forwarded", "client_max_size", "client_max_fields", "has_body", "cookies"),
)


def facts(request: Any) -> Any:
    seen = {}
    for name in _FACTS:
        try:
            value = getattr(request, name)
        except Exception as exc:
            value = ("raised", type(exc).__name__, str(exc))
        seen[name] = value if isinstance(value, str | int | None) else repr(value)
    pairs = [list(request.query.items()), list(request.headers.items()), list(request.raw_headers)]
    return [seen, pairs, str(request.url), str(request.rel_url), repr(request)]


ASKED: dict[str, Code] = {
    f"asked/{number}": lambda web, case=case: facts(  # type: ignore[misc]
        mock(web, case["method"], case["path"], case["headers"])
    )
    for number, case in enumerate(
        pairwise(
            {
                "method": ["GET", "POST", "QUERY"],
                "path": [
                    *("/", "/a%20b?c=d%20e&f&g=", "/é?ü=1", "/a?b=1&b=2", "/%2F%25", "/a;b=c"),
                    *("/a//b", "/a?", "/?a=%26%3D", "/a+b?c+d", "*", "/%zz"),
                ],
                "headers": [
                    *(None, {}, {"Host": "a.b:80"}, {"Host": "[::1]:8080"}, {"host": "É"}),
                    *({"Content-Type": "A/B; charset=X"}, {"Content-Length": "5"}),
                    *({"Connection": "close"}, {"Cookie": "a=b"}, {"Range": "bytes=1-"}),
                    *({"Forwarded": "for=a"}, {"If-Match": '"a"'}, {"X-Forwarded-Proto": "https"}),
                ],
            }
        )
    )
}
CLONES: dict[str, Any] = {
    "nothing": {},
    "method": {"method": "PUT"},
    "lower method": {"method": "put"},
    "url": {"rel_url": "/x?y=é"},
    "url object": {"rel_url": URL("/x%20y")},
    "absolute url": {"rel_url": "http://other/x"},
    "headers": {"headers": {"Host": "other", "A": "b"}},
    "pairs": {"headers": [("A", "b"), ("a", "c")]},
    "no headers": {"headers": {}},
    "scheme": {"scheme": "https"},
    "host": {"host": "other:81"},
    "remote": {"remote": "1.2.3.4"},
    "size": {"client_max_size": 5, "client_max_fields": 6},
    "all": {"method": "PUT", "rel_url": "/x", "scheme": "https", "host": "h", "remote": "r"},
}
CLONED: dict[str, Code] = {
    f"cloned/{name}": lambda web, change=change: facts(  # type: ignore[misc]
        mock(web, "POST", "/a?b=c", {"Host": "h", "Cookie": "a=b", "Content-Type": "a/b"}).clone(
            **change
        )
    )
    for name, change in CLONES.items()
}


def _mapping(web: Any) -> Any:
    key = web.RequestKey("key", int)
    request = mock(web)
    request[key] = 1
    clone = request.clone()
    clone[key] = 2
    seen = [request[key], clone[key], request.get(key), len(request), key in request, bool(request)]
    del request[key]
    return [*seen, request.get(key, 5), list(request), request == request.clone(), key in clone]


REQUESTS: dict[str, Code] = {
    "request/mapping": _mapping,
    "request/missing": lambda web: mock(web)["x"],
    "request/delete missing": lambda web: mock(web).__delitem__("x"),
    "request/hash": lambda web: len({mock(web), mock(web)}),
    "request/same objects": lambda web: [
        (lambda r: [r.query is r.query, r.url is r.url, r.cookies is r.cookies])(mock(web))
    ],
    "request/cookies are read-only": lambda web: mock(web).cookies.update({}),
    "request/headers are read-only": lambda web: mock(web).headers.update({}),
    "request/forwarded is read-only": lambda web: (
        mock(web, headers={"Forwarded": "for=a"}).forwarded[0].update({})
    ),
    "request/set length": lambda web: setattr(mock(web), "content_length", 5),
    "request/1.0": lambda web: facts(mock(web, version=type(mock(web).version)(1, 0))),
    "request/loop": lambda web: mock(web).loop is not None,
    "request/message": lambda web: mock(web, "PUT", "/x").message.method,
    "request/post methods": lambda web: sorted(web.Request.POST_METHODS),
    "request/read": lambda web: mock(web).read(),
    "request/text": lambda web: mock(web, headers={"Content-Type": "a/b; charset=cp850"}).text(),
    "request/json": lambda web: mock(web).json(),
    "request/release": lambda web: mock(web).release(),
    "request/long path": lambda web: repr(mock(web, "GET", "/é\u2603")),
}

if not sys.flags.dev_mode:  # there Python itself fails, where aiohttp has it decode nothing
    REQUESTS["request/text, unknown"] = lambda web: mock(
        web, headers={"Content-Type": "a/b; charset=x"}
    ).text()

# -- what is injected does not come to be


def injected(make: Callable[[Any], Any]) -> Code:
    def code(web: Any) -> Any:
        response = make(web)
        lines = [f"{name}: {value}" for name, value in response.headers.items()]
        lines += [morsel.OutputString() for morsel in response.cookies.values()]
        return [line for line in lines if "\r" in line or "\n" in line]

    return code


INJECTED: dict[str, Code] = {
    "injected/location": injected(lambda web: web.HTTPFound("/a\r\nX: b")),
    "injected/location url": injected(lambda web: web.HTTPFound(URL("/a\r\nX: b"))),
    "injected/link": injected(lambda web: web.HTTPUnavailableForLegalReasons("http://a/\r\nX: b")),
    "injected/allow": injected(lambda web: web.HTTPMethodNotAllowed("GET", ["A\r\nX: b"])),
    "injected/cookie": injected(lambda web: _with_cookie(web, "a", "b\r\nX: c")),
    "injected/cookie name": injected(lambda web: _with_cookie(web, "a\r\nX", "b")),
    "injected/reason": lambda web: web.HTTPBadRequest(reason="a\r\nX: b"),
}


def _with_cookie(web: Any, *arguments: Any) -> Any:
    response = web.Response()
    response.set_cookie(*arguments)
    return response


CODES: dict[str, Code] = {
    **SET,
    **HELD,
    **COOKIES,
    **MADE,
    **DONE,
    **JSON,
    **ASKED,
    **CLONED,
    **REQUESTS,
    **INJECTED,
}


def _without_text(result: Any) -> Any:
    """The texts of assertions are ours."""
    is_assertion = isinstance(result, list) and result[:2] == ["raised", "AssertionError"]
    return result[:2] if is_assertion else result


@pytest.mark.parametrize("name", CODES)
async def test_messages_are_those_of_aiohttp(name: str) -> None:
    """But for the places that warnings of aiohttp point at."""
    theirs, ours = [await find_outcome(web, CODES[name]) for web in (aiohttp.web, bascule.web)]
    named = [each.name for each in MESSAGE_DIFFERENCES if each.covers(name)]
    seen = [
        (_without_text(each.result), [(one.category, one.text) for one in each.warned])
        for each in (theirs, ours)
    ]
    if (seen[0] == seen[1]) == bool(named):
        pytest.fail(f"{name} {named}\n  aiohttp: {seen[0]}\n  bascule: {seen[1]}", pytrace=False)
    here = Path(__file__).name
    assert [one.place for one in ours.warned if not (one.place or "").startswith(here)] == []


@pytest.mark.parametrize("difference", MESSAGE_DIFFERENCES, ids=lambda each: each.name)
def test_each_difference_has_a_case(difference: Any) -> None:
    assert [each for each in difference.cases if not fnmatch.filter(CODES, each)] == []
