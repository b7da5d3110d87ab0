"""Requests made by hand: `from_message`, and what responses tell the writer."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from unittest import mock

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bascule import web
from bascule.message.handmade import RawRequestMessage
from bascule.streams import EMPTY_PAYLOAD, StreamReader
from bascule.test_utils import make_mocked_request
from bascule.wire.grammar import HttpVersion, HttpVersion10, HttpVersion11

DATED = {"Date", "Server"}


class Writer:
    """Notes down what a writer is told, as aiohttp's ``AbstractStreamWriter`` would be.

    Args:
        steps: how many steps of the loop each call takes.
    """

    def __init__(self, steps: int = 0) -> None:
        self.told: list[Any] = []
        self.length: int | None = None
        self._steps = steps

    def enable_chunking(self) -> None:
        self.told.append("chunked")

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        await self._wait()
        fields = [(name, value) for name, value in headers.items() if name not in DATED]
        self.told += [status_line, *fields]

    async def write(self, data: bytes) -> None:
        await self._wait()
        self.told.append(bytes(data))

    async def write_eof(self, data: bytes = b"") -> None:
        await self._wait()
        self.told += [bytes(data), "end"]

    async def drain(self) -> None:
        await self._wait()
        self.told.append("drain")

    async def _wait(self) -> None:
        for _ in range(self._steps):
            loop = asyncio.get_running_loop()
            later = loop.create_future()
            loop.call_soon(loop.call_soon, later.set_result, None)
            await later


class Transport:
    """Knows facts of a connection, and notes down what is written and that it was dropped."""

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        self.written = b""
        self.dropped = False

    def write(self, data: bytes) -> None:
        self.written += data

    def get_extra_info(self, name: str) -> Any:
        return self.facts.get(name)

    def abort(self) -> None:
        self.dropped = True


def message(method: str = "GET", path: str = "/", **changes: Any) -> RawRequestMessage:
    fields = CIMultiDictProxy(CIMultiDict({"Host": "example.org", "X-A": "1"}))
    raw = ((b"Host", b"example.org"), (b"X-A", b"1"))
    given = RawRequestMessage(
        method, path, HttpVersion11, fields, raw, False, None, False, False, URL(path)
    )
    return given._replace(**changes)


def make(
    given: Any = None,
    *,
    cls: Any = web.Request,
    payload: Any = EMPTY_PAYLOAD,
    transport: Transport | None = None,
    writer: Any = None,
    **kwargs: Any,
) -> Any:
    protocol = SimpleNamespace(transport=transport)
    given = message() if given is None else given
    return cls.from_message(given, payload, protocol, writer, "task", "loop", **kwargs)


# -- what it is made of ---------------------------------------------------------------------------


def test_a_request_needs_no_running_loop() -> None:
    request = make()
    assert isinstance(request, web.Request)
    assert (request.method, request.path, request.task) == ("GET", "/", "task")


def test_a_base_request_is_made_alike() -> None:
    assert type(make(cls=web.BaseRequest)) is web.BaseRequest


async def test_without_a_task_it_is_the_running_one() -> None:
    request = web.Request.from_message(message(), EMPTY_PAYLOAD, None, None, None, None)
    assert request.task is asyncio.current_task()


def test_its_class_may_be_derived() -> None:
    class Own(web.Request):
        pass

    assert type(make(cls=Own)) is Own


def test_head_and_connection_are_those_that_were_given() -> None:
    given, transport, writer = message(), Transport(), Writer()
    request = make(given, transport=transport, writer=writer)
    assert request.headers is given.headers
    assert request.raw_headers is given.raw_headers
    assert (request.transport, request.writer) == (transport, writer)
    assert request.protocol.transport is transport
    assert request.keep_alive
    assert not make(message(should_close=True)).keep_alive


def test_a_message_is_whatever_has_its_attributes() -> None:
    """Here a plain dict of fields, and a version that is a plain tuple."""
    attributes = {**message()._asdict(), "headers": {"a": "b"}, "version": (1, 0)}
    request = make(SimpleNamespace(**attributes))
    assert (request.headers, request.version) == (CIMultiDict({"A": "b"}), HttpVersion10)
    assert isinstance(request.headers, CIMultiDictProxy)
    assert isinstance(request.version, HttpVersion)


def test_a_message_of_aiohttp_makes_a_request() -> None:
    version = aiohttp.HttpVersion10
    given = SimpleNamespace(**{**message()._asdict(), "version": version})
    assert make(given).version == aiohttp.HttpVersion10


TARGETS = {
    "/a%20b?c=d+e": ("/a b", "/a%20b?c=d+e", "example.org", "http://example.org/a%20b?c=d+e"),
    "/ü": ("/ü", "/%C3%BC", "example.org", "http://example.org/%C3%BC"),
    "http://other:81/x?y": ("/x", "/x?y", "other:81", "http://other:81/x?y"),
}


@pytest.mark.parametrize("target", TARGETS)
def test_the_target_is_read_from_the_url(target: str) -> None:
    request = make(message(path=target))
    told = (request.path, request.path_qs, request.host, str(request.url))
    assert told == TARGETS[target]
    assert request.raw_path == target


def test_facts_are_those_of_the_transport() -> None:
    transport = Transport(peername=("1.2.3.4", 5), sockname=("::1", 80))
    request = make(message(headers=CIMultiDict()), transport=transport)
    assert (request.remote, request.host) == ("1.2.3.4", "[::1]")
    assert request.get_extra_info("peername") == ("1.2.3.4", 5)
    assert request.get_extra_info("cipher", "none") == "none"


def test_without_a_transport_nothing_is_known() -> None:
    request = make(message(headers=CIMultiDict()))
    assert (request.remote, request.host, request.scheme) == (None, "", "http")
    assert request.get_extra_info("peername", 7) == 7


@pytest.mark.parametrize(
    ("facts", "given", "scheme"),
    [({}, None, "http"), ({"sslcontext": 1}, None, "https"), ({"sslcontext": 1}, "http", "http")],
)
def test_tls_makes_the_scheme_unless_it_is_given(
    facts: dict[str, Any], given: str | None, scheme: str
) -> None:
    request = make(transport=Transport(**facts), scheme=given)
    assert (request.scheme, request.secure) == (scheme, scheme == "https")


def test_what_is_given_goes_before_what_is_found() -> None:
    state: dict[Any, Any] = {}
    request = make(
        transport=Transport(peername=("1.2.3.4", 5)),
        host="h:1",
        remote="r",
        state=state,
        client_max_size=5,
        client_max_fields=6,
    )
    key = web.RequestKey("key", int)
    request[key] = 1
    assert (request.host, request.remote) == ("h:1", "r")
    assert (request.client_max_size, request.client_max_fields) == (5, 6)
    assert state == {key: 1}


def test_a_message_tells_what_is_in_it() -> None:
    assert repr(message(version=HttpVersion10)) == (
        "<RawRequestMessage(method='GET', path='/', version=HttpVersion(major=1, minor=0), "
        "headers=<CIMultiDictProxy('Host': 'example.org', 'X-A': '1')>, "
        "raw_headers=((b'Host', b'example.org'), (b'X-A', b'1')), should_close=False, "
        "compression=None, upgrade=False, chunked=False, url=URL('/'))>"
    )


# -- the body -------------------------------------------------------------------------------------


def our_stream(data: bytes) -> StreamReader:
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


def their_stream(data: bytes) -> aiohttp.StreamReader:
    protocol = mock.Mock(_reading_paused=False)
    reader = aiohttp.StreamReader(protocol, 2**16, loop=asyncio.get_running_loop())
    reader.feed_data(data)
    reader.feed_eof()
    return reader


STREAMS = {"ours": our_stream, "aiohttp's": their_stream}
FORM = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
BODIES: dict[str, tuple[bytes, str, Callable[[Any], Awaitable[Any]], Any]] = {
    "read": (b"abc", "a/b", lambda request: request.read(), b"abc"),
    "text": ("ü".encode(), "a/b", lambda request: request.text(), "ü"),
    "json": (b'{"a": 1}', "a/b", lambda request: request.json(), {"a": 1}),
    "form": (
        b"a=1&b=2",
        "application/x-www-form-urlencoded",
        lambda request: request.post(),
        CIMultiDict({"a": "1", "b": "2"}),
    ),
    "multipart": (
        FORM,
        "multipart/form-data; boundary=x",
        lambda request: request.post(),
        CIMultiDict({"a": "1"}),
    ),
    "content": (b"abc", "a/b", lambda request: request.content.read(2), b"ab"),
    "release": (b"abc", "a/b", lambda request: request.release(), None),
}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("body", BODIES)
async def test_a_body_is_read_from_either_kind_of_stream(body: str, stream: str) -> None:
    data, media, read, result = BODIES[body]
    payload = STREAMS[stream](data)
    request = make(message("POST", headers=CIMultiDict({"Content-Type": media})), payload=payload)
    assert request.content is payload
    assert (request.body_exists, request.can_read_body) == (True, True)
    assert await read(request) == result


@pytest.mark.parametrize("stream", STREAMS)
async def test_the_limit_of_a_body_holds(stream: str) -> None:
    request = make(message("POST"), payload=STREAMS[stream](b"1234"), client_max_size=3)
    with pytest.raises(web.HTTPRequestEntityTooLarge):
        await request.read()


@pytest.mark.parametrize("stream", STREAMS)
async def test_parts_are_iterated_over_either_kind_of_stream(stream: str) -> None:
    request = make(message("POST"), payload=STREAMS[stream](b"abc"))
    assert [part async for part in request.content.iter_any()] == [b"abc"]


# -- the answer -----------------------------------------------------------------------------------


async def answer(request: Any, response: web.StreamResponse, *pieces: bytes) -> None:
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
    await response.write_eof()


TEXT = ("Content-Type", "text/plain; charset=utf-8")
OCTETS = ("Content-Type", "application/octet-stream")
LENGTH_3 = {"Content-Length": "3"}
ANSWERS: dict[str, tuple[Any, Callable[[], web.StreamResponse], tuple[bytes, ...], list[Any]]] = {
    "whole": (
        message(),
        lambda: web.Response(text="hello"),
        (),
        ["HTTP/1.1 200 OK", TEXT, ("Content-Length", "5"), b"hello", "end"],
    ),
    "status and reason": (
        message(),
        lambda: web.Response(status=299, reason="Zz"),
        (),
        ["HTTP/1.1 299 Zz", ("Content-Length", "0"), b"", "end"],
    ),
    "stream": (
        message(),
        web.StreamResponse,
        (b"a", b"b"),
        [
            *("chunked", "HTTP/1.1 200 OK", ("Transfer-Encoding", "chunked"), OCTETS),
            *(b"a", b"b", b"", "end"),
        ],
    ),
    "stream of a known length": (
        message(),
        lambda: web.StreamResponse(headers=LENGTH_3),
        (b"ab", b"c"),
        ["HTTP/1.1 200 OK", ("Content-Length", "3"), OCTETS, b"ab", b"c", b"", "end"],
    ),
    "too much": (
        message(),
        lambda: web.StreamResponse(headers=LENGTH_3),
        (b"ab", b"cd"),
        ["HTTP/1.1 200 OK", ("Content-Length", "3"), OCTETS, b"ab", b"c", b"", "end"],
    ),
    "stream to HTTP/1.0": (
        message(version=HttpVersion10, should_close=True),
        web.StreamResponse,
        (b"a",),
        ["HTTP/1.0 200 OK", OCTETS, b"a", b"", "end"],
    ),
    "head": (
        message("HEAD"),
        lambda: web.Response(text="hello"),
        (),
        ["HTTP/1.1 200 OK", TEXT, ("Content-Length", "5"), b"", "end"],
    ),
    "no content": (
        message(),
        lambda: web.Response(status=204),
        (),
        ["HTTP/1.1 204 No Content", b"", "end"],
    ),
    "closing": (
        message(should_close=True),
        lambda: web.Response(status=204),
        (),
        ["HTTP/1.1 204 No Content", ("Connection", "close"), b"", "end"],
    ),
}


@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_is_told_to_the_writer(name: str, steps: int) -> None:
    """By one that never waits, and by one that does."""
    given, respond, pieces, told = ANSWERS[name]
    writer = Writer(steps)
    await answer(make(given, writer=writer), respond(), *pieces)
    assert writer.told == told


async def test_date_and_server_are_in_an_answer() -> None:
    request = make(writer=Writer())
    response = web.Response()
    await response.prepare(request)
    assert response.headers["Server"].startswith("Python/3.")
    assert response.headers["Date"].endswith(" GMT")


async def test_the_head_is_told_when_it_is_prepared() -> None:
    """Nothing is held back: tests look at the writer behind `prepare`."""
    writer = Writer()
    await web.Response(text="x").prepare(make(writer=writer))
    assert writer.told == ["HTTP/1.1 200 OK", TEXT, ("Content-Length", "1")]
    assert writer.length == 1


async def test_a_response_is_prepared_once() -> None:
    request, response = make(writer=Writer()), web.Response()
    assert await response.prepare(request) is await response.prepare(request)
    assert request.writer.told.count("HTTP/1.1 200 OK") == 1


async def test_a_request_may_be_answered_again() -> None:
    """One request by hand stands for many in a test, as with aiohttp."""
    request = make(writer=Writer())
    await web.Response(status=404).prepare(request)
    for text in ("1", "2"):
        await answer(request, web.Response(text=text))
    told = request.writer.told
    assert [each for each in told if isinstance(each, bytes)] == [b"1", b"2"]


def test_an_answer_needs_no_loop() -> None:
    """A coroutine that never waits can be run by hand."""
    request = make(writer=Writer())
    with pytest.raises(StopIteration):
        answer(request, web.Response(text="x")).send(None)
    assert request.writer.told[-2:] == [b"x", "end"]


async def test_draining_is_told() -> None:
    writer = Writer()
    response = web.StreamResponse()
    await response.prepare(make(writer=writer))
    with pytest.warns(DeprecationWarning, match="drain method is deprecated"):
        await response.drain()
    assert writer.told[-1] == "drain"


async def test_an_error_of_the_writer_is_raised_by_prepare() -> None:
    class Broken(Writer):
        async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
            raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        await web.Response().prepare(make(writer=Broken()))


async def test_a_short_answer_drops_the_connection() -> None:
    transport, writer = Transport(), Writer()
    request = make(transport=transport, writer=writer)
    await answer(request, web.StreamResponse(headers=LENGTH_3), b"a")
    assert transport.dropped
    assert "end" not in writer.told


async def test_a_short_answer_needs_no_transport() -> None:
    await answer(make(writer=Writer()), web.StreamResponse(headers=LENGTH_3), b"a")


async def test_an_interim_answer_is_written() -> None:
    writer = Writer()
    await make(writer=writer)._exchange.inform(103, [("Link", "</a>")])
    await make(writer=writer)._exchange.inform(199)
    assert b"".join(writer.told) == (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 199 \r\n\r\n"
    )


async def test_a_whole_answer_is_told_in_one_call() -> None:
    exchange = make(writer=(writer := Writer()))._exchange
    for _ in range(2):
        await exchange.respond(200, "OK", [("A", "b")], b"x")
    assert exchange.bytes_sent == 2
    assert writer.told == ["HTTP/1.1 200 OK", ("A", "b"), ("Content-Length", "1"), b"x", "end"] * 2


async def test_receivers_of_on_response_prepare_are_called() -> None:
    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Mark"] = request.path

    app = web.Application()
    app.on_response_prepare.append(mark)
    app.freeze()
    request = make_mocked_request("GET", "/here", app=app)
    response = web.Response()
    await response.prepare(request)
    assert response.headers["X-Mark"] == "/here"


async def test_an_application_handles_a_request_by_hand() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.match_info["name"])

    app = web.Application()
    app.router.add_get("/hello/{name}", handler)
    response = await app._handle(make_mocked_request("GET", "/hello/you"))
    assert isinstance(response, web.Response)
    assert response.text == "you"


async def test_a_clone_is_answered_to_the_same_writer() -> None:
    writer = Writer()
    clone = make(writer=writer).clone(method="HEAD", rel_url="/x")
    await answer(clone, web.Response(status=204))
    assert (clone.path, writer.told) == ("/x", ["HTTP/1.1 204 No Content", b"", "end"])


# -- WebSockets -----------------------------------------------------------------------------------

KEY = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "chat",
}
ACCEPTED = [
    "HTTP/1.1 101 Switching Protocols",
    ("Upgrade", "websocket"),
    ("Connection", "upgrade"),
    ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
]


async def test_a_websocket_is_opened_by_hand() -> None:
    """With the key and the answer of RFC 6455 section 1.3."""
    transport, writer = Transport(), Writer()
    request = make(message(headers=CIMultiDict(KEY)), transport=transport, writer=writer)
    websocket = web.WebSocketResponse(protocols=["chat"])
    await websocket.prepare(request)
    assert writer.told == [*ACCEPTED, ("Sec-WebSocket-Protocol", "chat"), "drain"]
    await websocket.send_str("hi")
    await websocket.send_bytes(bytes(126))
    await websocket.ping()
    assert transport.written == b"\x81\x02hi" + b"\x82\x7e\0\x7e" + bytes(126) + b"\x89\0"


async def test_a_websocket_by_hand_is_closed_and_dropped() -> None:
    """Nobody answers the close."""
    transport, writer = Transport(), Writer()
    request = make(message(headers=CIMultiDict(KEY)), transport=transport, writer=writer)
    websocket = web.WebSocketResponse(timeout=0)
    await websocket.prepare(request)
    assert writer.told == [*ACCEPTED, "drain"]
    await websocket.close(code=1001, message=b"x")
    assert (transport.written, transport.dropped) == (b"\x88\x03\x03\xe9x", True)
    assert websocket.close_code == 1006


async def test_a_websocket_needs_a_transport() -> None:
    request = make(message(headers=CIMultiDict(KEY)), writer=Writer())
    with pytest.raises(web.HTTPBadRequest) as told:
        await web.WebSocketResponse().prepare(request)
    assert told.value.text == "Without a transport this request cannot become a WebSocket"


async def test_date_and_server_are_in_an_acceptance() -> None:
    told: list[str] = []

    class Naming(Writer):
        async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
            told.extend(headers)

    request = make(message(headers=CIMultiDict(KEY)), transport=Transport(), writer=Naming())
    await request._exchange.accept([("X-A", "1"), ("Connection", "close")])
    assert told == ["X-A", "Connection", "Upgrade", "Sec-WebSocket-Accept", "Date", "Server"]


async def test_a_request_that_became_a_websocket_may_be_answered_again() -> None:
    request = make(message(headers=CIMultiDict(KEY)), transport=Transport(), writer=Writer())
    await web.WebSocketResponse().prepare(request)
    await answer(request, web.Response(status=204))
    assert request.writer.told[-3:] == ["HTTP/1.1 204 No Content", b"", "end"]
