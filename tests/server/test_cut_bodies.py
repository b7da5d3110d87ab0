"""Bodies that are shorter or longer than was said: the client can tell, and nothing is misread.

Each program answers the first of two requests that come in one piece; the bytes of the connection
are read by a client that takes nothing but what RFC 9112 allows. Where the first answer is cut,
the second request is never answered; else its answer follows whole.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme

import bascule
from bascule import web
from bascule.payload import BytesPayload
from support.asgi_role import read_rest
from support.requests import request
from support.strict_answers import read_answers
from support.wire import serve

SECOND = b"the second"


class _Wrong(BytesPayload):
    """Says that it is of another size than it is."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self._size = size


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _stream(request: web.Request, *pieces: bytes, **options: Any) -> web.StreamResponse:
    response = web.StreamResponse(**options)
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
    return response


def _length(size: int) -> dict[str, str]:
    return {"Content-Length": str(size)}


async def short(request: web.Request) -> web.StreamResponse:
    return await _stream(request, b"12345", headers=_length(9))


async def nothing(request: web.Request) -> web.StreamResponse:
    return await _stream(request, headers=_length(9))


async def much_missing(request: web.Request) -> web.StreamResponse:
    return await _stream(request, bytes(200_000), bytes(200_000), headers=_length(500_000))


async def short_payload(request: web.Request) -> web.StreamResponse:
    return web.Response(body=_Wrong(b"12345", 9))


async def short_pieces(request: web.Request) -> web.StreamResponse:
    return web.Response(body=_pieces(b"12", b"345"), headers=_length(9))


async def surplus(request: web.Request) -> web.StreamResponse:
    return await _stream(request, b"12345HTTP/1.1 200 OK\r\n\r\n", headers=_length(5))


async def surplus_in_pieces(request: web.Request) -> web.StreamResponse:
    return await _stream(request, b"123", b"45HTTP", b"/1.1 200 OK\r\n\r\n", headers=_length(5))


async def surplus_at_the_end(request: web.Request) -> web.StreamResponse:
    response = await _stream(request, b"12345", headers=_length(5))
    await response.write_eof(b"HTTP/1.1 200 OK\r\n\r\n")
    return response


async def surplus_payload(request: web.Request) -> web.StreamResponse:
    return web.Response(body=_Wrong(b"12345HTTP/1.1 200 OK\r\n\r\n", 5))


async def surplus_of_nothing(request: web.Request) -> web.StreamResponse:
    return await _stream(request, b"HTTP/1.1 200 OK\r\n\r\n", headers=_length(0))


async def no_content(request: web.Request) -> web.StreamResponse:
    return await _stream(request, b"HTTP/1.1 200 OK\r\n\r\n", status=204)


async def no_content_of_a_length(request: web.Request) -> web.StreamResponse:
    return await _stream(request, b"12345", status=204, headers=_length(5))


async def no_content_in_chunks(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=204)
    if request.version >= (1, 1):
        response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b"12345")
    return response


async def not_modified(request: web.Request) -> web.StreamResponse:
    return web.Response(status=304, body=b"12345")


async def not_modified_stream(request: web.Request) -> web.StreamResponse:
    return await _stream(request, b"HTTP/1.1 200 OK\r\n\r\n", status=304)


async def failing(request: web.Request) -> web.StreamResponse:
    await _stream(request, b"12345")
    raise ValueError("in the middle")


async def failing_compressed(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.enable_compression(web.ContentCoding.deflate)
    await response.prepare(request)
    await response.write(bytes(100_000))
    raise ValueError("in the middle")


async def failing_at_once(request: web.Request) -> web.StreamResponse:
    await _stream(request, b"x" * 300_000, headers=_length(400_000))
    raise ValueError("in the middle")


async def two_lengths(request: web.Request) -> web.StreamResponse:
    return await _stream(
        request, b"12345", headers=[("Content-Length", "5"), ("content-length", "5")]
    )


async def length_and_chunks(request: web.Request) -> web.StreamResponse:
    headers = {"Content-Length": "5", "Transfer-Encoding": "chunked"}
    return await _stream(request, b"12345", b"678", headers=headers)


async def another_coding(request: web.Request) -> web.StreamResponse:
    return await _stream(request, b"12345", headers={"Transfer-Encoding": "gzip, chunked"})


# Programs, and what becomes of their answer to GET: None for one that is cut.
CUT = None
NATIVE: dict[Any, tuple[int, bytes] | None] = {
    short: CUT,
    nothing: CUT,
    much_missing: CUT,
    short_payload: CUT,
    short_pieces: CUT,
    failing: CUT,
    failing_compressed: CUT,
    failing_at_once: CUT,
    surplus: (200, b"12345"),
    surplus_in_pieces: (200, b"12345"),
    surplus_at_the_end: (200, b"12345"),
    surplus_payload: (200, b"12345"),
    surplus_of_nothing: (200, b""),
    no_content: (204, b""),
    no_content_of_a_length: (204, b""),
    no_content_in_chunks: (204, b""),
    not_modified: (304, b""),
    not_modified_stream: (304, b""),
    two_lengths: (200, b"12345"),
    length_and_chunks: (200, b"12345"),
    another_coding: (200, b"12345"),
}


async def _second(request: web.Request) -> web.Response:
    return web.Response(body=SECOND)


def _app(handler: Any) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/", handler)
    app.router.add_get("/second", _second)
    return app


async def _talk(app: Any, data: bytes, **options: Any) -> tuple[bytes, bool]:
    """Give what comes back until the end, and whether that was a reset."""
    async with serve(app, access_log=None, **options) as served, served.connect() as wire:
        await wire.send(data)
        raw = await read_rest(wire)
        return raw, wire.reader.exception() is not None


def _two(method: str, version: str) -> bytes:
    fields = ["Connection: keep-alive"] if version == "1.0" else []
    first = request("/", *fields, method=method, version=version)
    return first + request("/second", "Connection: close", version=version)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("handler", NATIVE)
async def test_a_native_answer_is_whole_or_cut(handler: Any, method: str, version: str) -> None:
    raw, is_reset = await _talk(_app(handler), _two(method, version))
    expected = NATIVE[handler]
    if method == "HEAD" and handler not in (failing, failing_compressed, failing_at_once):
        answers = read_answers(raw, "HEAD", "GET")
        assert (answers[0].body, answers[-1].body) == (b"", SECOND)
        return
    is_measured = b"content-length" in raw.partition(b"\r\n\r\n")[0].lower()
    is_open_ended = version == "1.0" and not is_measured and b"204" not in raw[:12]
    if expected is CUT:
        _check_cut(raw, is_reset, method, is_open_ended)
        return
    answers = read_answers(raw, method, "GET")
    assert (answers[0].status, answers[0].body) == expected
    if is_open_ended and expected[0] == 200:  # such an answer is the last
        assert (len(answers), is_reset) == (1, False)
    else:
        assert answers[-1].body == SECOND


def _check_cut(raw: bytes, is_reset: bool, method: str, is_open_ended: bool) -> None:
    """Nothing comes behind the cut, and the client can tell that it is one."""
    assert SECOND not in raw
    if not raw:  # dropped before it was read: a reset takes with it what is on its way
        assert is_reset
        return
    (answer,) = read_answers(raw, method)
    assert method == "HEAD" or is_reset or not answer.is_whole or answer.status == 500
    if is_open_ended and method != "HEAD":
        assert is_reset


@pytest.mark.parametrize("handler", [handler for handler, end in NATIVE.items() if end is CUT])
async def test_a_cut_under_tls_has_no_farewell(handler: Any) -> None:
    """RFC 8446 section 6.1: without close_notify a client can tell that the end is not the end."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with serve(_app(handler), ssl_context=context, access_log=None) as served:
        raw, is_clean = await asyncio.to_thread(_talk_tls, served.port, trusting)
    assert SECOND not in raw
    assert not is_clean
    if raw:
        (answer,) = read_answers(raw)
        assert not answer.is_whole


def _talk_tls(port: int, context: ssl.SSLContext) -> tuple[bytes, bool]:
    """Read until the end; give whether that was told by close_notify."""
    raw = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
        wrapped = context.wrap_socket(
            plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False
        )
        with wrapped as secure:
            secure.sendall(_two("GET", "1.1"))
            try:
                while piece := secure.recv(65536):
                    raw += piece
            except (ssl.SSLError, ConnectionError):
                return raw, False
    return raw, True


# -- hosted


def _start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": [*headers]}


def _piece(body: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


FIVE, NINE = (b"content-length", b"5"), (b"content-length", b"9")
SPLIT = b"HTTP/1.1 200 OK\r\n\r\n"
HOSTED: dict[str, tuple[list[dict[str, Any]], tuple[int, bytes] | None]] = {
    "short": ([_start(NINE), _piece(b"12345")], CUT),
    "short in pieces": ([_start(NINE), _piece(b"12", True), _piece(b"345")], CUT),
    "nothing": ([_start(NINE), _piece(b"")], CUT),
    "unfinished": ([_start(), _piece(b"12345", True)], CUT),
    "unfinished of a length": ([_start(NINE), _piece(b"12345", True)], CUT),
    "surplus": ([_start(FIVE), _piece(b"12345" + SPLIT)], (200, b"12345")),
    "surplus in pieces": (
        [_start(FIVE), _piece(b"1234", True), _piece(b"5" + SPLIT)],
        (200, b"12345"),
    ),
    "surplus behind": ([_start(FIVE), _piece(b"12345"), _piece(SPLIT)], (200, b"12345")),
    "no content": ([_start(status=204), _piece(SPLIT)], (204, b"")),
    "no content of a length": ([_start(FIVE, status=204), _piece(b"12345")], (204, b"")),
    "not modified": ([_start(FIVE, status=304), _piece(b"12345")], (304, b"")),
    "two framings": (
        [_start(FIVE, (b"transfer-encoding", b"chunked")), _piece(b"12345678")],
        (200, b"12345"),
    ),
    "another coding": (
        [_start((b"transfer-encoding", b"gzip, chunked")), _piece(b"12345")],
        (200, b"12345"),
    ),
    "chunks of its own": (
        [_start((b"transfer-encoding", b"chunked")), _piece(b"0\r\n\r\n" + SPLIT)],
        (200, b"0\r\n\r\n" + SPLIT),
    ),
}


def _asgi(messages: list[dict[str, Any]]) -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan")
        if scope["path"].endswith("/second"):
            messages_now = [_start((b"content-length", b"10")), _piece(SECOND)]
        else:
            messages_now = messages
        for message in messages_now:
            await send(message)

    return application


def _wsgi(messages: list[dict[str, Any]]) -> Any:
    def application(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"].endswith("/second"):
            start_response("200 OK", [("Content-Length", "10")])
            yield SECOND
            return
        start, *pieces = messages
        headers = [(name.decode(), value.decode()) for name, value in start["headers"]]
        start_response(f"{start['status']} Told", headers)
        for piece in pieces:
            yield piece["body"]
        if pieces[-1]["more_body"]:
            raise ValueError("in the middle")

    return bascule.wsgi(application)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("kind", [_asgi, _wsgi])
@pytest.mark.parametrize("is_mounted", [True, False], ids=["mounted", "alone"])
@pytest.mark.parametrize(("messages", "expected"), HOSTED.values(), ids=HOSTED)
async def test_a_hosted_answer_is_whole_or_cut(
    messages: list[Any], expected: Any, is_mounted: bool, kind: Any, version: str
) -> None:
    if kind is _wsgi and any(b"transfer-encoding" in dict(m.get("headers", ())) for m in messages):
        pytest.skip("PEP 3333 leaves codings to the server")
    app: Any = kind(messages)
    if is_mounted:
        app = web.Application()
        app.mount("/in", kind(messages))
    data = _two("GET", version).replace(b" / ", b" /in/ ").replace(b" /second", b" /in/second")
    raw, is_reset = await _talk(app, data)
    is_open_ended = (
        version == "1.0" and b"content-length" not in raw.lower() and raw[9:12] == b"200"
    )
    if expected is CUT:
        _check_cut(raw, is_reset, "GET", is_open_ended)
        return
    answers = read_answers(raw)
    assert (answers[0].status, answers[0].body) == expected
    if is_open_ended:
        assert (len(answers), is_reset) == (1, False)
    else:
        assert answers[-1].body == SECOND
