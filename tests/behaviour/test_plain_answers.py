"""Answers that leave in one piece: `response.headers` says what went over the wire, whenever it is
asked for, and whoever puts something in the place of how answers are made or sent is heard."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest

from bascule import web
from support.features import Feature
from support.strict_answers import Answer, read_answers
from support.wire import Served
from support.wire import serve as serve_wire

Make = Callable[[], web.StreamResponse]
Pairs = list[tuple[str, str]]


class Sub(web.Response):
    """A class of users' that changes nothing."""


def _changed(response: Any, change: Callable[[Any], Any]) -> Any:
    change(response)
    return response


def _cookies(response: web.Response) -> None:
    response.set_cookie("a", "1", httponly=True)
    response.del_cookie("b")


# Answers of all kinds whose head is made without a multidict, or with one.
MAKERS: dict[str, Make] = {
    "text": lambda: web.Response(text="plain"),
    "bytes": lambda: web.Response(body=b"bytes"),
    "bytearray": lambda: web.Response(body=bytearray(b"bytes")),
    "empty": web.Response,
    "empty text": lambda: web.Response(text=""),
    "json": lambda: web.json_response({"a": 1}),
    "json bytes": lambda: web.json_bytes_response({}, dumps=lambda _: b"{}"),
    "type": lambda: web.Response(body=b"<p>", content_type="text/html"),
    "charset": lambda: web.Response(text="ж", charset="koi8-r"),
    "fields": lambda: web.Response(text="x", headers={"X-A": "1", "X-B": "ö"}),
    "repeated": lambda: web.Response(body=b"x", headers=[("X", "1"), ("Y", "2"), ("X", "3")]),
    "typed by a field": lambda: web.Response(text="x", headers={"Content-Type": "text/csv"}),
    "length": lambda: web.Response(body=b"xyz", headers={"Content-Length": "3"}),
    "no fields": lambda: web.Response(text="x", headers={}),
    "date": lambda: web.Response(text="x", headers={"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}),
    "status": lambda: web.Response(text="x", status=404),
    "unknown status": lambda: web.Response(text="x", status=299),
    "reason": lambda: web.Response(text="x", status=201, reason="Made of it"),
    "204": lambda: web.Response(status=204),
    "304": lambda: web.Response(status=304, headers={"ETag": '"a"'}),
    "cookies": lambda: _changed(web.Response(text="x"), _cookies),
    "set status": lambda: _changed(web.Response(text="x"), lambda it: it.set_status(202)),
    "text set": lambda: _changed(web.Response(), lambda it: setattr(it, "text", "set")),
    "body set": lambda: _changed(web.Response(text="x"), lambda it: setattr(it, "body", b"set")),
    "body taken": lambda: _changed(web.Response(text="x"), lambda it: setattr(it, "body", None)),
    "payload": lambda: web.Response(body="a text payload"),
    "payload later": lambda: _changed(
        web.Response(text="x"), lambda it: setattr(it, "body", "a text payload")
    ),
    "tag": lambda: _changed(web.Response(text="x"), lambda it: setattr(it, "etag", "tag")),
    "kind": lambda: _changed(
        web.Response(body=b"x"), lambda it: setattr(it, "content_type", "image/png")
    ),
    "chunked": lambda: _changed(web.Response(text="x"), lambda it: it.enable_chunked_encoding()),
    "closing": lambda: _changed(web.Response(text="x"), lambda it: it.force_close()),
    "compressed": lambda: _changed(web.Response(text="x" * 99), lambda it: it.enable_compression()),
    "trailers": lambda: _changed(web.Response(text="x"), lambda it: it.trailers.add("Digest", "d")),
    "subclass": lambda: Sub(text="sub", headers={"X": "1"}),
    "large": lambda: web.Response(body=bytes(300_000)),
}
# When the fields are looked at for the first time: never before they have left, by the handler, by
# a middleware around it, or by a signal.
LOOKS = ("never", "handler", "middleware", "signal")

_EMPTY = ("empty", "empty text", "body taken")
# HTTP/1.0 has no chunks.
_ONLY_IN_1_1 = ("chunked", "trailers")
# What hosts say themselves, or do not show; trailers are none of what most ASGI hosts can send.
_OF_HOSTS = frozenset({"date", "server", "connection", "transfer-encoding", "trailer"})


def _build(make: Make, look: str, sent: list[web.StreamResponse]) -> web.Application:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = make()
        sent.append(response)
        if look == "handler":
            assert isinstance(response.headers, MutableMapping)
        return response

    @web.middleware
    async def looking(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        response.headers["X-Seen"] = "yes"
        return response

    async def signal(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Signal"] = "yes"

    app = web.Application(middlewares=[looking] if look == "middleware" else [])
    if look == "signal":
        app.on_response_prepare.append(signal)
    app.router.add_route("*", "/", handler)
    return app


@pytest.mark.parametrize("look", LOOKS)
async def test_fields_are_those_that_the_client_got(serve: Any, look: str) -> None:
    sent: list[web.StreamResponse] = []
    makers: list[Make] = []
    client = await serve(_build(lambda: makers[-1](), look, sent))
    for name, make in MAKERS.items():
        makers.append(make)
        answer = await client.get("/", fields={"Accept-Encoding": "gzip"})
        response = sent[-1]
        assert answer.status == response.status, name
        assert ("X-Seen" in answer.fields) == (look == "middleware"), name
        assert ("X-Signal" in answer.fields) == (look == "signal"), name
        if "Content-Length" not in response.headers and client.lacks(Feature.LENGTHS):
            answer.fields.pop("Content-Length", None)
        assert _shared(response.headers.items()) == _shared(answer.fields.items()), name


def _shared(fields: Any) -> Pairs:
    """Give the fields that no host adds, names in lower case as some send them; one name behind the
    other, since some put those of one name together, which says the same (RFC 9110 section 5.3)."""
    pairs = [(name.lower(), value) for name, value in fields if name.lower() not in _OF_HOSTS]
    return sorted(pairs, key=lambda pair: pair[0])


# -- over our own server: every line


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nConnection: close\r\n",
        b"GET / HTTP/1.0\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n",
        b"HEAD / HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\n",
    ],
    ids=["plain", "close", "1.0", "1.0 kept", "head", "post"],
)
async def test_fields_are_those_of_the_wire(start: bytes, look: str) -> None:
    sent: list[web.StreamResponse] = []
    makers: list[Make] = []
    names = [name for name in MAKERS if b"1.0" not in start or name not in _ONLY_IN_1_1]
    async with serve_wire(_build(lambda: makers[-1](), look, sent)) as served:
        for name in names:
            makers.append(MAKERS[name])
            (answer,) = await _exchange(served, start)
            _check_told(name, sent[-1], answer, start)


def _check_told(name: str, response: web.StreamResponse, answer: Answer, start: bytes) -> None:
    told = [(n.encode(), v.encode("utf-8", "surrogateescape")) for n, v in response.headers.items()]
    assert told == answer.fields, name
    assert (answer.status, answer.reason) == (response.status, response.reason.encode()), name
    assert response.keep_alive is (_is_kept(start) and name != "closing"), name
    assert response.prepared
    has_body = not start.startswith(b"HEAD") and answer.status not in (204, 304)
    assert bool(answer.body) == (has_body and name not in _EMPTY), name
    assert response.body_length >= len(answer.body)


def _is_kept(start: bytes) -> bool:
    return b"close" not in start and (b"1.0" not in start or b"keep-alive" in start)


async def _exchange(served: Served, start: bytes) -> list[Answer]:
    body = b"ab" if start.startswith(b"POST") else b""
    raw = await served.exchange(start + b"Host: x\r\nAccept-Encoding: gzip\r\n\r\n" + body)
    raw = raw.replace(b"HTTP/1.0 ", b"HTTP/1.1 ", 1)
    return read_answers(raw, start.split(b" ", 1)[0].decode())


async def test_date_is_the_one_that_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """However late the fields are asked for."""
    sent: list[web.StreamResponse] = []
    async with serve_wire(_build(MAKERS["text"], "never", sent)) as served:
        (answer,) = await _exchange(served, b"GET / HTTP/1.1\r\n")
        later = time.time() + 3600
        monkeypatch.setattr(time, "time", lambda: later)
        assert sent[0].headers["Date"].encode() == answer.values(b"date")[0]


# -- what users put in the place of ours


class _Stamped(web.Response):
    async def prepare(self, request: Any) -> Any:
        self.headers["X-Stamp"] = "prepare"
        return await super().prepare(request)


class _Ended(web.Response):
    async def write_eof(self, data: Any = b"") -> None:
        await super().write_eof(b"")
        self.ended = True


class _Bodied(web.Response):
    @property
    def body(self) -> Any:
        return self._body

    @body.setter
    def body(self, value: Any) -> None:
        self._body = b"<" + value + b">"


class _Worded(web.Response):
    @property
    def text(self) -> Any:
        return "other"

    @property
    def status(self) -> int:
        return self._status


def _patched_in_instance() -> web.Response:
    response = web.Response(text="x")
    prepare = response.prepare

    async def stamped(request: Any) -> Any:
        response.headers["X-Stamp"] = "instance"
        return await prepare(request)

    response.prepare = stamped  # type: ignore[method-assign]  # users do
    return response


def _ended_in_instance(ended: list[web.Response]) -> web.Response:
    response = web.Response(text="x")
    write_eof = response.write_eof

    async def ending(data: Any = b"") -> None:
        ended.append(response)
        await write_eof(data)

    response.write_eof = ending  # type: ignore[method-assign]  # users do
    return response


@pytest.mark.parametrize("look", ["never", "signal"])
async def test_what_subclasses_and_instances_override_is_called(serve: Any, look: str) -> None:
    ended: list[web.Response] = []
    makers: dict[str, Make] = {
        "stamped": lambda: _Stamped(text="x"),
        "instance": _patched_in_instance,
        "ended": lambda: _Ended(text="x"),
        "ending": lambda: _ended_in_instance(ended),
        "bodied": lambda: _changed(_Bodied(), lambda it: setattr(it, "body", b"x")),
        "worded": lambda: _Worded(text="x"),
    }
    sent: list[Any] = []
    make: list[Make] = []
    client = await serve(_build(lambda: make[-1](), look, sent))
    seen = {}
    for name, maker in makers.items():
        make.append(maker)
        answer = await client.get("/")
        seen[name] = (answer.fields.get("X-Stamp"), answer.text)
    assert seen == {
        "stamped": ("prepare", "x"),
        "instance": ("instance", "x"),
        "ended": (None, "x"),
        "ending": (None, "x"),
        "bodied": (None, "<x>"),
        "worded": (None, "x"),
    }
    assert sent[2].ended
    assert ended == [sent[3]]


@pytest.mark.parametrize("owner", [web.StreamResponse, web.Response])
@pytest.mark.parametrize("name", ["prepare", "write_eof"])
@pytest.mark.parametrize("look", ["never", "signal"])
async def test_methods_patched_on_the_class_are_called(
    serve: Any, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, look: str
) -> None:
    """As tracing libraries do; also after answers that were not patched."""
    sent: list[web.StreamResponse] = []
    client = await serve(_build(MAKERS["text"], look, sent))
    assert (await client.get("/")).text == "plain"
    method: Callable[..., Awaitable[Any]] = getattr(owner, name)
    calls: list[Any] = []

    async def patched(self: Any, *args: Any) -> Any:
        calls.append(self)
        return await method(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, patched)
        assert (await client.get("/")).text == "plain"
        assert calls == [sent[1]]
    assert (await client.get("/")).text == "plain"
    assert calls == [sent[1]]


async def test_response_used_twice_is_an_error(serve: Any) -> None:
    shared = web.Response(text="once")

    async def handler(request: web.Request) -> web.Response:
        return shared

    app = web.Application()
    app.router.add_get("/", handler)
    client = await serve(app)
    answers = [await client.get("/"), await client.get("/")]
    assert [answer.status for answer in answers] == [200, 500]


async def test_fields_set_behind_the_end_change_nothing(serve: Any) -> None:
    """Also a body that is replaced: the length is that of the one that was sent."""
    sent: list[Any] = []
    client = await serve(_build(MAKERS["text"], "never", sent))
    answer = await client.get("/")
    sent[0].body = b"longer than it was"
    assert _shared(sent[0].headers.items()) == _shared(answer.fields.items())
    with pytest.raises(AssertionError, match="after the headers have been sent"):
        sent[0].set_status(404)
    sent[0].force_close()
    assert _shared(sent[0].headers.items()) == _shared(answer.fields.items())


@pytest.mark.parametrize("with_signal", [False, True])
async def test_a_response_that_was_begun_for_another_request_is_refused(
    serve: Any, with_signal: bool
) -> None:
    kept: list[web.Response] = []

    async def handler(request: web.Request) -> web.Response:
        if not kept:
            kept.append(web.Response(text="first"))
            await kept[0].prepare(request)
        return kept[0]

    async def signal(request: web.Request, response: web.StreamResponse) -> None:
        pass

    app = web.Application()
    app.router.add_get("/", handler)
    if with_signal:
        app.on_response_prepare.append(signal)
    client = await serve(app)
    assert (await client.get("/")).text == "first"
    assert (await client.get("/")).status == 500


@pytest.mark.parametrize(
    ("field", "charset", "body"),
    [
        ("text/x; charset=latin-1", "latin-1", b"\xfc"),
        ("text/x", "utf-8", b"\xc3\xbc"),
    ],
)
def test_a_text_is_written_in_the_charset_of_its_field(
    field: str, charset: str, body: bytes
) -> None:
    response = web.Response(text="ü", headers={"Content-Type": field})
    assert (response.body, response.charset) == (body, charset)
    same, other = response, web.Response(text="ü")
    assert response == same
    assert response != other
