"""Every HTTP exception, however it is made, is the same object and the same answer as aiohttp's."""

import inspect
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from multidict import CIMultiDict
from yarl import URL

import bascule.web
from differential.frame import Call, Case, compare
from differential.objects import compare_outcomes
from differential.pairwise import pairwise
from differential.requesting import request

NAMES = sorted(
    name
    for name, value in vars(bascule.web).items()
    if inspect.isclass(value) and issubclass(value, bascule.web.HTTPException)
)
ANSWERS = [name for name in NAMES if getattr(bascule.web, name).status_code > 0]
MOVES = [name for name in ANSWERS if issubclass(getattr(bascule.web, name), bascule.web.HTTPMove)]

# What classes need besides.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(MOVES, ("/a",)),
    "HTTPMove": ("/a",),
    "HTTPMethodNotAllowed": ("get", ["PUT", "GET"]),
    "HTTPRequestEntityTooLarge": (10, 11),
    "HTTPUnavailableForLegalReasons": ("http://a/b",),
}


class _Body:
    """Something of which no body can be made."""


# Keyword arguments by name; and what is done to the exception once it is made.
FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "headers": {"headers": {"X-A": "1", "x-b": "2"}},
    "headers-multi": {"headers": CIMultiDict([("X-A", "1"), ("X-A", "2")])},
    "headers-pairs": {"headers": [("X-A", "1"), ("X-A", "2")]},
    "headers-type": {"headers": {"Content-Type": "a/b"}},
    "headers-type-and-text": {"headers": {"Content-Type": "a/b"}, "text": "x"},
    "headers-type-and-content-type": {"headers": {"content-type": "a/b"}, "content_type": "c/d"},
    "headers-location": {"headers": {"Location": "/own", "Allow": "NONE", "Link": "<own>"}},
    "headers-none": {"headers": None},
    "reason": {"reason": "Because of it"},
    "reason-empty": {"reason": ""},
    "reason-none": {"reason": None},
    "reason-non-ascii": {"reason": "Größe"},
    "reason-wide": {"reason": "☃"},
    "reason-crlf": {"reason": "a\r\nX-Injected: 1"},
    "reason-lf": {"reason": "a\nb"},
    "reason-cr": {"reason": "a\rb"},
    "reason-number": {"reason": 7},
    "text": {"text": "some téxt"},
    "text-empty": {"text": ""},
    "text-none": {"text": None},
    "text-bytes": {"text": b"x"},
    "text-lone-surrogate": {"text": "\ud800"},
    "text-and-type": {"text": "<p>x</p>", "content_type": "text/html"},
    "text-and-json-type": {"text": "{}", "content_type": "application/problem+json"},
    "text-and-charset-in-type": {"text": "x", "content_type": "text/html; charset=utf-16"},
    "type": {"content_type": "text/html"},
    "type-with-charset": {"content_type": "text/html; charset=latin-1"},
    "body": {"body": b"bytes"},
    "body-empty": {"body": b""},
    "body-type": {"body": b"{}", "content_type": "application/json"},
    "body-and-text": {"body": b"x", "text": "x"},
    "body-other": {"body": _Body()},
    "all": {"text": "x", "reason": "R", "headers": {"A": "b"}, "content_type": "a/b"},
    "unknown": {"unknown": 1},
    "positional": {},
}
CHANGES: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda exc: None,
    "cookies": lambda exc: (exc.set_cookie("a", "1"), exc.del_cookie("b")),
    "late-text": lambda exc: setattr(exc, "text", "late"),
    "late-body": lambda exc: setattr(exc, "body", b"late"),
    "no-body": lambda exc: setattr(exc, "body", None),
    "late-status": lambda exc: exc.set_status(418),
    "late-status-and-reason": lambda exc: exc.set_status(599, "Own"),
    "late-headers": lambda exc: exc.headers.update({"X-Late": "1", "Content-Language": "de"}),
    "late-type": lambda exc: setattr(exc, "content_type", "x/y"),
    "force-close": lambda exc: exc.force_close(),
    "chunked": lambda exc: exc.enable_chunked_encoding(),
}


def make(web: Any, name: str, form: str) -> Any:
    arguments = ("x", "y", "z") if form == "positional" else ARGUMENTS.get(name, ())
    return getattr(web, name)(*arguments, **FORMS[form])


def tell(exc: Any) -> dict[str, Any]:
    """Tell all that can be read of an HTTP exception."""
    extra = ("location", "method", "link")
    return {
        "status": (exc.status, exc.reason, type(exc).status_code, type(exc).empty_body),
        "body": (exc.body, exc.text, exc.content_length),
        "type": (exc.content_type, exc.charset),
        "headers": list(exc.headers.items()),
        "cookies": [morsel.OutputString() for morsel in exc.cookies.values()],
        "error": (str(exc), exc.args, repr(exc), bool(exc), exc.prepared, exc.keep_alive),
        "extra": [(key, repr(getattr(exc, key, "-"))) for key in extra],
        "allowed": sorted(map(str, getattr(exc, "allowed_methods", ()))),
    }


OBJECTS = {
    f"exception/{name}/{form}": lambda web, name=name, form=form: tell(make(web, name, form))  # type: ignore[misc]
    for name, form in product(NAMES, FORMS)
}


def made(name: str, *arguments: Any, **kwargs: Any) -> Callable[[Any], Any]:
    return lambda web: tell(getattr(web, name)(*arguments, **kwargs))


LOCATIONS: dict[str, Any] = {
    "empty": "",
    "none": None,
    "number": 5,
    "bytes": b"/a",
    "url": URL("/a b?c=d e#f"),
    "url-encoded": URL("/a%2Fb?c=%26", encoded=True),
    "url-empty": URL(""),
    "url-absolute": URL("https://ü.de:8443/ü"),
    "blank": "/a b",
    "only-blank": " ",
    "encoded": "/a%20b%2Fc",
    "half-encoded": "/a%2",
    "non-ascii": "/ü?ü=ü#ü",
    "wide": "/☃",
    "host-non-ascii": "http://ü.de/",
    "crlf": "/a\r\nX-Injected: 1",
    "crlf-encoded": "/a%0d%0ab",
    "tab": "/a\tb",
    "nul": "/a\0b",
    "relative": "../x",
    "query": "?a=b&c",
    "fragment": "#x",
    "no-scheme": "//host/x",
    "back-slash": "/\\host",
    "quotes": "/a\"b'c<d>",
    "dots": "/a/../b/./c",
    "scheme": "javascript:alert(1)",
    "port": "http://a:80/",
    "bad-port": "http://a:x/",
    "user": "http://u:p@a/",
    "plus": "/a+b?c+d",
    "braces": "/{a}",
}
METHODS: dict[str, tuple[Any, ...]] = {
    "lower": ("get", ["put"]),
    "none-allowed": ("GET", []),
    "unsorted": ("GET", ["B", "A"]),  # of one given twice Allow names one here, both there
    "set": ("GET", {"C", "A", "B"}),
    "string": ("GET", "BA"),
    "missing": ("GET",),
    "empty-method": ("", ["A"]),
    "allowed-none": ("GET", None),
    "lower-case-allowed": ("GET", ["b", "A"]),
}
ARGUED = {
    **{
        f"location/{name}/{label}": made(name, location)
        for name in ("HTTPFound", "HTTPPermanentRedirect")
        for label, location in LOCATIONS.items()
    },
    **{f"location/{name}/missing": made(name) for name in MOVES},
    **{f"location/{name}/by-keyword": made(name, location="/x") for name in MOVES},
    "location/HTTPNotModified/given": made("HTTPNotModified", "/x"),
    **{
        f"method/{label}": lambda web, each=each: tell(web.HTTPMethodNotAllowed(*each))  # type: ignore[misc]
        for label, each in METHODS.items()
    },
    "method/keywords": made("HTTPMethodNotAllowed", method="get", allowed_methods=["A"]),
    "method/odd": made("HTTPMethodNotAllowed", "GET", ["A\r\nX: 1"]),
    **{f"link/{link!r}": made("HTTPUnavailableForLegalReasons", link) for link in (None, "", 5)},
    **{
        f"link/{label}": made("HTTPUnavailableForLegalReasons", location)
        for label, location in LOCATIONS.items()
        if label not in ("none", "empty", "number")
    },
    "link/missing": made("HTTPUnavailableForLegalReasons"),
    "link/by-keyword": made("HTTPUnavailableForLegalReasons", link="/a"),
    "size/one": made("HTTPRequestEntityTooLarge", 5),
    "size/missing": made("HTTPRequestEntityTooLarge"),
    "size/float": made("HTTPRequestEntityTooLarge", 5.5, 6.5),
    "size/none": made("HTTPRequestEntityTooLarge", None),
    "size/keywords": made("HTTPRequestEntityTooLarge", max_size=1, actual_size=2),
    "size/text-none": made("HTTPRequestEntityTooLarge", 1, text=None),
    "size/text-empty": made("HTTPRequestEntityTooLarge", 1, text=""),
    "size/all": made("HTTPRequestEntityTooLarge", 1, 2, reason="R", headers={"A": "b"}),
}


def chained(web: Any) -> Any:
    try:
        try:
            raise KeyError("cause")
        except KeyError as exc:
            raise web.HTTPBadRequest(text="x") from exc
    except web.HTTPException as exc:
        return repr(exc.__cause__), exc.__suppress_context__, exc.__traceback__ is not None


def own(web: Any, **attributes: Any) -> Any:
    kind = type("HTTPOwn", (web.HTTPClientError,), attributes)
    return tell(kind())


def own_init(web: Any) -> Any:
    class HTTPOwn(web.HTTPNotFound):  # type: ignore[misc]
        def __init__(self, what: str) -> None:
            super().__init__(text=f"no {what}")
            self.what = what

    exc = HTTPOwn("tea")
    return tell(exc), exc.what


INNER = ("ABC", "Generic", "HeadersMixin", "ResponseHead")  # bases that nobody is told of
KINDS = {
    **{
        f"kind/{name}": lambda web, name=name: [  # type: ignore[misc]
            base.__name__ for base in getattr(web, name).__mro__ if base.__name__ not in INNER
        ]
        for name in NAMES
    },
    "kind/statuses": lambda web: sorted(
        (getattr(web, name).status_code, name) for name in web.__all__ if name.startswith("HTTP")
    ),
    "kind/equality": lambda web: web.HTTPOk() == web.HTTPOk(),
    "kind/hash": lambda web: len({web.HTTPOk(), web.HTTPOk()}),
    "kind/mapping": lambda web: (list(web.HTTPOk()), len(web.HTTPOk()), web.HTTPOk().get("x")),
    "kind/chained": chained,
    "kind/own status": lambda web: own(web, status_code=418),
    "kind/own unknown status": lambda web: own(web, status_code=499),
    "kind/own without a status": own,
    "kind/own empty body": lambda web: own(web, status_code=418, empty_body=True),
    "kind/own init": own_init,
    "kind/add_note": lambda web: getattr(web.HTTPOk(), "__notes__", None),
}
CODES: dict[str, Callable[[Any], Any]] = {**OBJECTS, **ARGUED, **KINDS}


@pytest.mark.parametrize("form", FORMS)
async def test_exceptions_of_all_classes_are_those_of_aiohttp(form: str) -> None:
    """Status, fields, body, arguments and texts are the same, and so are errors and warnings."""
    for name in NAMES:
        await compare_outcomes(f"exception/{name}/{form}", OBJECTS[f"exception/{name}/{form}"])


@pytest.mark.parametrize("name", [*ARGUED, *KINDS])
async def test_arguments_of_exceptions_are_those_of_aiohttp(name: str) -> None:
    """What a class asks for besides, and what its kind is."""
    await compare_outcomes(name, CODES[name])


# -- on the wire


def raising(name: str, form: str, change: str) -> Callable[[Any], Any]:
    def build(web: Any) -> Any:
        async def handler(request: Any) -> Any:
            exc = make(web, name, form)
            CHANGES[change](exc)
            raise exc

        app = web.Application()
        app.router.add_route("*", "/", handler)
        return app

    return build


PROTOCOLS = ("1.1", "1.1-close", "1.0", "1.0-keep-alive")
RAISED = [
    # Each class by itself, and then every two of the dimensions.
    *({"name": name, "form": "plain", "change": "nothing", "method": method, "protocol": "1.1"}
      for name, method in product(ANSWERS, ("GET", "HEAD"))),
    *pairwise(
        {
            "name": ANSWERS,
            "form": list(FORMS),
            "change": list(CHANGES),
            "method": ("GET", "HEAD", "POST"),
            "protocol": PROTOCOLS,
        }
    ),
]  # fmt: skip
CASES = [
    Case(
        f"raised/{name}/{form}/{change}/{method}/{protocol}",
        raising(name, form, change),
        Call(request(method, protocol=protocol)),
    )
    for name, form, change, method, protocol in {tuple(each.values()): None for each in RAISED}
]


@pytest.mark.filterwarnings("ignore:body argument:DeprecationWarning")
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_raised_exceptions_are_answers_as_in_aiohttp(case: Case) -> None:
    """A raw conversation on both servers gives the same bytes."""
    await compare(case)
