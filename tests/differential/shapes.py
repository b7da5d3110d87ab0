"""An application that answers in every shape an answer may have."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["EXTRAS", "KINDS", "SHAPES", "STATUSES", "build"]

Shape = Callable[[Any, Any], Awaitable[Any]]  # of a `web` module and a request

SHAPES: dict[str, Shape] = {}
STATUSES = (200, 201, 204, 205, 304, 404)


def build(web: Any) -> Any:
    """Make the application: `/shape/<name>` and `/made?kind=&status=&extra=`."""

    async def shape(request: Any) -> Any:
        return await SHAPES[request.match_info["name"]](web, request)

    async def made(request: Any) -> Any:
        return await _make(web, request)

    async def on_prepare(request: Any, response: Any) -> None:
        change = PREPARERS.get(request.path.rpartition("/")[2])
        if change is not None and request.path != "/__alive":
            change(response)

    app = web.Application()
    app.router.add_route("*", "/shape/{name}", shape)
    app.router.add_route("*", "/made", made)
    app.on_response_prepare.append(on_prepare)
    return app


# -- made of parts: a kind, a status, and one thing extra

KINDS = ("text", "bytes", "empty", "empty-bytes", "json", "stream-0", "stream-1", "stream-3")


def _plain(response: Any) -> None:
    """Change nothing."""


def _set_cookies(response: Any) -> None:
    response.set_cookie("a", "1")
    response.set_cookie("b", "two words; and more", max_age=60, path="/b", httponly=True)
    response.set_cookie("c", "3", domain="example.test", secure=True, samesite="Strict")


def _del_cookie(response: Any) -> None:
    response.set_cookie("kept", "yes")
    response.del_cookie("gone", path="/x")


def _custom(response: Any) -> None:
    response.headers["X-First"] = "1"
    response.headers.add("x-first", "2")
    response.headers["X-Text"] = "naïve ☃"


EXTRAS: dict[str, Callable[[Any], None]] = {
    "plain": _plain,
    "content-type": lambda r: r.headers.update({"content-type": "text/x-test"}),
    "connection-close": lambda r: r.headers.update({"Connection": "close"}),
    "connection-keep-alive": lambda r: r.headers.update({"Connection": "keep-alive"}),
    "server": lambda r: r.headers.update({"Server": "mine"}),
    "date": lambda r: r.headers.update({"date": "Thu, 01 Jan 1970 00:00:00 GMT"}),
    "cookie": lambda r: r.set_cookie("name", "value"),
    "cookies": _set_cookies,
    "del-cookie": _del_cookie,
    "custom": _custom,
    "force-close": lambda r: r.force_close(),
    "reason": lambda r: r.set_status(r.status, "Because"),
    "empty-reason": lambda r: r.set_status(r.status, ""),
    "chunked": lambda r: r.enable_chunked_encoding(),
}


async def _make(web: Any, request: Any) -> Any:
    kind, status = request.query["kind"], int(request.query["status"])
    if kind.startswith("stream"):
        response = web.StreamResponse(status=status)
    else:
        response = {
            "text": lambda: web.Response(status=status, text="héllo"),
            "bytes": lambda: web.Response(status=status, body=b"\x00\xff bytes"),
            "empty": lambda: web.Response(status=status),
            "empty-bytes": lambda: web.Response(status=status, body=b""),
            "json": lambda: web.json_response({"a": [1, "é"]}, status=status),
        }[kind]()
    EXTRAS[request.query["extra"]](response)
    if kind.startswith("stream"):
        await response.prepare(request)
        for number in range(int(kind[-1])):
            await response.write(b"piece %d;" % number)
    return response


# -- whole shapes


def _shape(function: Shape) -> Shape:
    SHAPES[function.__name__.replace("_", "-")] = function
    return function


@_shape
async def stream_with_length(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    response.content_length = 6
    await response.prepare(request)
    await response.write(b"abc")
    await response.write(b"def")
    return response


@_shape
async def stream_with_length_too_long(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    response.content_length = 4
    await response.prepare(request)
    await response.write(b"abc")
    await response.write(b"def")
    await response.write(b"ghi")
    return response


@_shape
async def stream_with_length_too_short(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    response.content_length = 10
    await response.prepare(request)
    await response.write(b"abc")
    return response


@_shape
async def stream_with_length_0(web: Any, request: Any) -> Any:
    response = web.StreamResponse(headers={"Content-Length": "0"})
    await response.prepare(request)
    return response


@_shape
async def stream_chunked(web: Any, request: Any) -> Any:
    response = web.StreamResponse(headers={"X-A": "a"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b"abc")
    await response.write(b"")
    await response.write(b"x" * 300)
    await response.write_eof()
    return response


@_shape
async def stream_eof_with_data(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write_eof(b"the end")
    return response


@_shape
async def stream_write_and_eof_with_data(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"abc")
    await response.write_eof(b"the end")
    return response


@_shape
async def stream_paused(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    await response.prepare(request)
    await asyncio.sleep(0)
    await response.write(b"abc")
    await asyncio.sleep(0)
    await response.write(bytearray(b"def"))
    await response.write(memoryview(b"ghi"))
    return response


@_shape
async def stream_large(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(4):
        await response.write(b"0123456789abcdef" * 8192)
    return response


@_shape
async def stream_content_type(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    response.content_type = "text/event-stream"
    response.charset = "UTF-8"
    response.headers["Cache-Control"] = "no-cache"
    await response.prepare(request)
    await response.write(b"data: 1\n\n")
    return response


@_shape
async def stream_transfer_encoding_header(web: Any, request: Any) -> Any:
    response = web.StreamResponse(headers={"Transfer-Encoding": "chunked"})
    await response.prepare(request)
    await response.write(b"abc")
    return response


@_shape
async def stream_connection_close_header(web: Any, request: Any) -> Any:
    response = web.StreamResponse(headers={"Connection": "close"})
    await response.prepare(request)
    await response.write(b"abc")
    return response


@_shape
async def stream_not_prepared(web: Any, request: Any) -> Any:
    return web.StreamResponse(status=202)


@_shape
async def stream_prepared_twice(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.prepare(request)
    await response.write(b"abc")
    await response.write_eof()
    await response.write_eof()
    return response


@_shape
async def stream_then_error(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"abc")
    raise ValueError("too late")


@_shape
async def stream_with_length_then_error(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    response.content_length = 10
    await response.prepare(request)
    await response.write(b"abc")
    raise ValueError("too late")


@_shape
async def prepared_then_http_exception(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    await response.prepare(request)
    raise web.HTTPNotFound


@_shape
async def written_then_http_exception(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"abc")
    raise web.HTTPNotFound


@_shape
async def prepared_then_error(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    await response.prepare(request)
    raise ValueError("nothing written yet")


@_shape
async def another_response_than_prepared(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"abc")
    return web.Response(text="other")


@_shape
async def response_prepared_by_handler(web: Any, request: Any) -> Any:
    response = web.Response(text="hello")
    await response.prepare(request)
    await response.write_eof()
    return response


@_shape
async def response_prepared_not_ended(web: Any, request: Any) -> Any:
    response = web.Response(text="hello")
    await response.prepare(request)
    return response


@_shape
async def response_changed(web: Any, request: Any) -> Any:
    response = web.Response(text="hello", status=200)
    response.text = "other text"
    response.set_status(203)
    response.headers["X-Later"] = "yes"
    return response


@_shape
async def response_body_replaced(web: Any, request: Any) -> Any:
    response = web.Response(body=b"hello", content_type="application/x-test")
    response.body = b"a longer body"
    return response


@_shape
async def response_body_removed(web: Any, request: Any) -> Any:
    response = web.Response(body=b"hello", content_type="application/x-test")
    response.body = None
    return response


@_shape
async def response_chunked(web: Any, request: Any) -> Any:
    response = web.Response(text="hello")
    response.enable_chunked_encoding()
    return response


@_shape
async def response_chunked_empty(web: Any, request: Any) -> Any:
    response = web.Response()
    response.enable_chunked_encoding()
    return response


@_shape
async def response_text_charset(web: Any, request: Any) -> Any:
    return web.Response(text="héllo", charset="latin-1", content_type="text/html")


@_shape
async def response_text_header_charset(web: Any, request: Any) -> Any:
    return web.Response(text="héllo", headers={"Content-Type": "text/html; charset=latin-1"})


@_shape
async def response_text_header_type(web: Any, request: Any) -> Any:
    return web.Response(text="{}", headers={"Content-Type": "application/problem+json"})


@_shape
async def response_text_set_later_header_type(web: Any, request: Any) -> Any:
    response = web.Response(headers={"Content-Type": "application/problem+json"})
    response.text = "{}"
    return response


@_shape
async def response_text_empty(web: Any, request: Any) -> Any:
    return web.Response(text="")


@_shape
async def response_body_str(web: Any, request: Any) -> Any:
    return web.Response(body="a str ☃")


@_shape
async def response_body_bytearray(web: Any, request: Any) -> Any:
    return web.Response(body=bytearray(b"a bytearray"))


@_shape
async def response_content_type_parameters(web: Any, request: Any) -> Any:
    return web.Response(text="a 1\n", content_type="text/plain; version=0.0.4")


@_shape
async def response_content_type_charset_of_bytes(web: Any, request: Any) -> Any:
    return web.Response(body=b"a", content_type="text/css", charset="utf-8")


@_shape
async def response_charset_set_later(web: Any, request: Any) -> Any:
    response = web.Response(body=b"a", content_type="text/css")
    response.charset = "UTF-8"
    response.content_type = "text/x-other"
    return response


@_shape
async def response_length_header(web: Any, request: Any) -> Any:
    return web.Response(body=b"hello", headers={"Content-Length": "5"})


@_shape
async def response_length_header_too_long(web: Any, request: Any) -> Any:
    return web.Response(body=b"hello", headers={"Content-Length": "3"})


@_shape
async def response_length_header_too_short(web: Any, request: Any) -> Any:
    return web.Response(body=b"hello", headers={"Content-Length": "10"})


@_shape
async def response_length_header_without_body(web: Any, request: Any) -> Any:
    return web.Response(headers={"Content-Length": "10"})


@_shape
async def response_204_length_header(web: Any, request: Any) -> Any:
    return web.Response(status=204, headers={"Content-Length": "10"})


@_shape
async def response_204_with_text(web: Any, request: Any) -> Any:
    return web.Response(status=204, text="not to be sent")


@_shape
async def response_304_length_header(web: Any, request: Any) -> Any:
    return web.Response(status=304, headers={"Content-Length": "10", "ETag": '"x"'})


@_shape
async def response_304_with_text(web: Any, request: Any) -> Any:
    return web.Response(status=304, text="not to be sent")


@_shape
async def response_transfer_encoding_header(web: Any, request: Any) -> Any:
    return web.Response(text="hello", headers={"Transfer-Encoding": "chunked"})


@_shape
async def response_large(web: Any, request: Any) -> Any:
    return web.Response(body=b"0123456789abcdef" * 40000)


@_shape
async def response_header_pairs(web: Any, request: Any) -> Any:
    return web.Response(text="x", headers=[("b", "1"), ("A", "2"), ("b", "3")])


@_shape
async def response_header_blanks(web: Any, request: Any) -> Any:
    return web.Response(text="x", headers={"X-Blank": "", "X-Spaces": " a b ", "X-Tab": "a\tb"})


@_shape
async def response_header_crlf(web: Any, request: Any) -> Any:
    return web.Response(text="x", headers={"X-Bad": "a\r\nX-Injected: 1"})


@_shape
async def response_header_name_crlf(web: Any, request: Any) -> Any:
    return web.Response(text="x", headers={"X-Bad\r\nX": "a"})


@_shape
async def response_header_nul(web: Any, request: Any) -> Any:
    return web.Response(text="x", headers={"X-Bad": "a\x00b"})


@_shape
async def response_header_int(web: Any, request: Any) -> Any:
    return web.Response(text="x", headers={"X-Int": 1})


@_shape
async def response_status_299(web: Any, request: Any) -> Any:
    return web.Response(status=299, text="x")


@_shape
async def response_status_299_reason(web: Any, request: Any) -> Any:
    return web.Response(status=299, reason="Own Words", text="x")


@_shape
async def response_reason_crlf(web: Any, request: Any) -> Any:
    return web.Response(reason="a\r\nb")


@_shape
async def response_last_modified_etag(web: Any, request: Any) -> Any:
    response = web.Response(text="x")
    response.last_modified = 1234567890.5
    response.headers["ETag"] = '"abc"'
    return response


@_shape
async def response_cookies_changed(web: Any, request: Any) -> Any:
    response = web.Response(text="x")
    response.set_cookie("b", "1", max_age=5)
    response.set_cookie("a", "2", expires="Thu, 31 Dec 2099 23:59:59 GMT", version="1")
    response.del_cookie("b")
    response.set_cookie("b", "again")
    response.cookies["raw"] = 'quoted "value", é'
    return response


@_shape
async def response_set_cookie_header(web: Any, request: Any) -> Any:
    response = web.Response(text="x", headers=[("Set-Cookie", "own=1"), ("X-After", "a")])
    response.set_cookie("other", "2")
    return response


@_shape
async def response_bad_cookie_name(web: Any, request: Any) -> Any:
    response = web.Response(text="x")
    response.set_cookie("a b", "1")
    return response


@_shape
async def json_types(web: Any, request: Any) -> Any:
    return web.json_response([None, True, 1.5, "☃", {"k": "v"}], headers={"X-A": "a"})


@_shape
async def json_null(web: Any, request: Any) -> Any:
    return web.json_response(None)


@_shape
async def json_text(web: Any, request: Any) -> Any:
    return web.json_response(text=json.dumps({"a": 1}), content_type="application/hal+json")


@_shape
async def json_body(web: Any, request: Any) -> Any:
    return web.json_response(body=b"{}")


@_shape
async def signal_adds(web: Any, request: Any) -> Any:
    return web.Response(text="x")


@_shape
async def signal_deletes(web: Any, request: Any) -> Any:
    return web.Response(text="x")


@_shape
async def signal_replaces(web: Any, request: Any) -> Any:
    return web.Response(text="x")


@_shape
async def signal_sets_cookie(web: Any, request: Any) -> Any:
    return web.Response(text="x")


@_shape
async def signal_closes(web: Any, request: Any) -> Any:
    return web.Response(text="x")


@_shape
async def signal_fails(web: Any, request: Any) -> Any:
    return web.Response(text="x")


@_shape
async def signal_on_stream(web: Any, request: Any) -> Any:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"abc")
    return response


@_shape
async def signal_on_http_exception(web: Any, request: Any) -> Any:
    raise web.HTTPForbidden


def _fail(response: Any) -> None:
    raise ValueError("in a signal")


def _delete(response: Any) -> None:
    del response.headers["Server"]
    del response.headers["Date"]


PREPARERS: dict[str, Callable[[Any], None]] = {
    "signal-adds": lambda r: r.headers.update({"X-Signal": "yes"}),
    "signal-deletes": _delete,
    "signal-replaces": lambda r: r.headers.update({"Server": "mine", "Content-Type": "a/b"}),
    "signal-sets-cookie": lambda r: r.set_cookie("late", "1"),
    "signal-closes": lambda r: r.headers.update({"Connection": "close"}),
    "signal-fails": _fail,
    "signal-on-stream": lambda r: r.headers.update({"X-Signal": "yes"}),
    "signal-on-http-exception": lambda r: r.headers.update({"X-Signal": "yes"}),
}


def _raising(name: str, make: Callable[[Any], BaseException]) -> None:
    async def raise_it(web: Any, request: Any) -> Any:
        raise make(web)

    SHAPES[name] = raise_it


_raising("raise-404", lambda web: web.HTTPNotFound())
_raising("raise-404-text", lambda web: web.HTTPNotFound(text="nothing hére"))
_raising("raise-404-headers", lambda web: web.HTTPNotFound(headers={"X-Why": "gone"}))
_raising("raise-404-reason", lambda web: web.HTTPNotFound(reason="Lost"))
_raising(
    "raise-404-html",
    lambda web: web.HTTPNotFound(text="<p>no</p>", content_type="text/html"),
)
_raising("raise-404-empty-text", lambda web: web.HTTPNotFound(text=""))
_raising("raise-404-content-type-only", lambda web: web.HTTPNotFound(content_type="text/html"))
_raising(
    "raise-404-content-type-header",
    lambda web: web.HTTPNotFound(headers={"Content-Type": "application/problem+json"}, text="{}"),
)
_raising("raise-200", lambda web: web.HTTPOk())
_raising("raise-201", lambda web: web.HTTPCreated(text="made"))
_raising("raise-204", lambda web: web.HTTPNoContent())
_raising("raise-205", lambda web: web.HTTPResetContent())
_raising("raise-300", lambda web: web.HTTPMultipleChoices("/a"))
_raising("raise-301", lambda web: web.HTTPMovedPermanently("/a b/é?q=ü#f"))
_raising("raise-302", lambda web: web.HTTPFound("/there"))
_raising("raise-302-absolute", lambda web: web.HTTPFound("http://example.test:80/%7Ea?b=c%20d"))
_raising("raise-302-crlf", lambda web: web.HTTPFound("/a\r\nX-Injected: 1"))
_raising("raise-302-empty", lambda web: web.HTTPFound(""))
_raising("raise-303", lambda web: web.HTTPSeeOther("?next=%2F"))
_raising("raise-304", lambda web: web.HTTPNotModified())
_raising("raise-304-headers", lambda web: web.HTTPNotModified(headers={"ETag": '"x"'}))
_raising("raise-307", lambda web: web.HTTPTemporaryRedirect("//other.test/x"))
_raising("raise-308", lambda web: web.HTTPPermanentRedirect("/x", text="over there"))
_raising("raise-405", lambda web: web.HTTPMethodNotAllowed("get", ["PUT", "DELETE"]))
_raising("raise-405-empty", lambda web: web.HTTPMethodNotAllowed("get", []))
_raising("raise-413", lambda web: web.HTTPRequestEntityTooLarge(10, 20))
_raising("raise-413-text", lambda web: web.HTTPRequestEntityTooLarge(10, 20, text="too much"))
_raising("raise-414", lambda web: web.HTTPRequestURITooLong())
_raising("raise-416", lambda web: web.HTTPRequestRangeNotSatisfiable())
_raising("raise-417", lambda web: web.HTTPExpectationFailed())
_raising("raise-451", lambda web: web.HTTPUnavailableForLegalReasons("http://x.test/why?é"))
_raising("raise-451-no-link", lambda web: web.HTTPUnavailableForLegalReasons(None))
_raising("raise-500", lambda web: web.HTTPInternalServerError())
_raising("raise-503", lambda web: web.HTTPServiceUnavailable(headers={"Retry-After": "5"}))
_raising("raise-511", lambda web: web.HTTPNetworkAuthenticationRequired())
_raising("raise-value-error", lambda web: ValueError("inside"))
_raising("raise-timeout-error", lambda web: TimeoutError())
_raising("raise-cancelled-error", lambda web: asyncio.CancelledError())
_raising("raise-key-error", lambda web: KeyError("x"))
_raising("raise-connection-reset", lambda web: ConnectionResetError("elsewhere"))


@_shape
async def raise_404_cookie(web: Any, request: Any) -> Any:
    exc = web.HTTPNotFound()
    exc.set_cookie("a", "1")
    exc.headers["X-Late"] = "yes"
    raise exc


@_shape
async def raise_404_text_changed(web: Any, request: Any) -> Any:
    exc = web.HTTPNotFound()
    exc.text = "changed"
    exc.content_type = "text/html"
    raise exc


@_shape
async def raise_from(web: Any, request: Any) -> Any:
    try:
        raise KeyError("cause")
    except KeyError as exc:
        raise web.HTTPBadRequest(text="bad") from exc


@_shape
async def returned_none(web: Any, request: Any) -> Any:
    return None


@_shape
async def returned_text(web: Any, request: Any) -> Any:
    return "text"
