"""The recipe of a reverse proxy, between raw bytes: what passes, what does not, and when."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from support.recipes import EVERY_WAY, Start, as_program
from support.wire import PATIENCE, Wire


class Upstream:
    """A server behind a proxy; the test itself answers at each connection that it gets."""

    def __init__(self) -> None:
        self._wires: asyncio.Queue[Wire] = asyncio.Queue()
        self._all: list[Wire] = []

    async def accept(self) -> Wire:
        async with asyncio.timeout(PATIENCE):
            return await self._wires.get()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for wire in self._all:
                await wire.close()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        self._all.append(wire)
        self._wires.put_nowait(wire)


@pytest.fixture
async def upstream(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Upstream]:
    upstream = Upstream()
    async with upstream.listen() as port:
        monkeypatch.setenv("UPSTREAM", f"http://127.0.0.1:{port}")
        # Uvicorn trusts what a proxy at this address says of its clients, unless told otherwise.
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", "")
        yield upstream


@pytest.fixture(params=EVERY_WAY)
def start(request: pytest.FixtureRequest, upstream: Upstream) -> Start:
    return EVERY_WAY[request.param]


@asynccontextmanager
async def connect(client: httpx.AsyncClient) -> AsyncIterator[Wire]:
    wire = Wire(*await asyncio.open_connection(client.base_url.host, client.base_url.port))
    try:
        yield wire
    finally:
        await wire.close()


Field = tuple[str, str]


async def read_request(wire: Wire) -> tuple[str, list[Field]]:
    """Read the head of a request: its first line and its fields, in order, in lower case."""
    async with asyncio.timeout(PATIENCE):
        head = await wire.reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return first, [(name.lower(), value) for name, value in pairs]


async def read(wire: Wire, count: int) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await wire.reader.readexactly(count)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
REQUEST = b"""\
PUT //a/../b%2Fc%20%7e;d?x=%41&y=+&&z HTTP/1.1\r
Host: front.example:81\r
Content-Length: 5\r
Connection: keep-alive, X-Mine,x-other\r
X-Mine: 1\r
X-Other: 2\r
Keep-Alive: timeout=5\r
Proxy-Connection: keep-alive\r
TE: trailers\r
X-Forwarded-For: 203.0.113.1\r
X-Forwarded-Host: evil.example\r
X-Forwarded-Proto: gopher\r
Forwarded: for=203.0.113.1\r
Via: 1.0 fred\r
Accept-Encoding: x-odd\r
X-Twice: a\r
X-Twice: b\r
Cookie: c=d; e="f"\r
Authorization: Basic YTpi\r
\r
hello"""


async def test_a_request_is_resent_without_what_belongs_to_its_connection(
    start: Start, upstream: Upstream
) -> None:
    async with start("reverse_proxy") as client, connect(client) as wire:
        await wire.send(REQUEST)
        there = await upstream.accept()
        first, fields = await read_request(there)
        assert await read(there, 5) == b"hello"
        await there.send(OK)
        await wire.read_answer()
    assert first == "PUT //a/../b%2Fc%20%7e;d?x=%41&y=+&&z HTTP/1.1"
    assert {name: value for name, value in fields if name == "host"} == {
        "host": f"127.0.0.1:{there.writer.get_extra_info('sockname')[1]}"
    }
    assert sorted(field for field in fields if field[0] != "host") == [
        ("accept-encoding", "x-odd"),
        ("authorization", "Basic YTpi"),
        ("content-length", "5"),
        ("cookie", 'c=d; e="f"'),
        ("via", "1.0 fred"),
        ("via", "1.1 front"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "front.example:81"),
        ("x-forwarded-proto", "http"),
        ("x-twice", "a"),
        ("x-twice", "b"),
    ]


async def test_it_runs_as_a_program(upstream: Upstream) -> None:
    async with as_program("reverse_proxy") as client:
        asking = asyncio.create_task(client.post("/a", content=b"hello"))
        there = await upstream.accept()
        first, _ = await read_request(there)
        assert (first, await read(there, 5)) == ("POST /a HTTP/1.1", b"hello")
        await there.send(OK)
        assert (await asking).status_code == 200


async def test_nothing_is_added_to_a_plain_request(start: Start, upstream: Upstream) -> None:
    async with start("reverse_proxy") as client, connect(client) as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        there = await upstream.accept()
        first, fields = await read_request(there)
        await there.send(OK)
        await wire.read_answer()
    assert first == "GET / HTTP/1.1"
    names = ["host", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]
    assert sorted(name for name, _ in fields) == names


ANSWER = b"""\
HTTP/1.1 404 Not Found\r
Content-Type: text/x-odd\r
Content-Encoding: gzip\r
Content-Length: %d\r
Set-Cookie: a=1; Path=/\r
Set-Cookie: b=2; HttpOnly\r
Date: Sun, 06 Nov 1994 08:49:37 GMT\r
Server: theirs\r
Connection: close, X-Mine\r
X-Mine: 1\r
Keep-Alive: timeout=5\r
Location: /else\r
\r
"""


async def test_an_answer_passes_as_it_is(start: Start, upstream: Upstream) -> None:
    body = gzip.compress(b"hello" * 100)
    async with start("reverse_proxy") as client, connect(client) as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        there = await upstream.accept()
        await read_request(there)
        await there.send(ANSWER % len(body) + body)
        first, fields = await read_request(wire)
        assert await read(wire, len(body)) == body
    assert first == "HTTP/1.1 404 Not Found"
    # As a guest we see the host's own as well.
    assert ("server", "theirs") in fields
    assert ("date", "Sun, 06 Nov 1994 08:49:37 GMT") in fields
    assert sorted(field for field in fields if field[0] not in ("server", "date")) == [
        ("content-encoding", "gzip"),
        ("content-length", str(len(body))),
        ("content-type", "text/x-odd"),
        ("location", "/else"),
        ("set-cookie", "a=1; Path=/"),
        ("set-cookie", "b=2; HttpOnly"),
    ]


EMPTY_ANSWERS = {
    b"HEAD": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
    b"GET": b'HTTP/1.1 304 Not Modified\r\nETag: "e"\r\n\r\n',
    b"DELETE": b"HTTP/1.1 204 No Content\r\n\r\n",
    b"OPTIONS": b"HTTP/1.1 301 Moved Permanently\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
}


async def test_answers_without_a_body_pass(start: Start, upstream: Upstream) -> None:
    async with start("reverse_proxy") as client, connect(client) as wire:
        there: Wire | None = None
        for method, answer in EMPTY_ANSWERS.items():
            await wire.send(method + b" /a HTTP/1.1\r\nHost: x\r\n\r\n")
            there = there or await upstream.accept()  # one connection serves them all
            first, _ = await read_request(there)
            assert first.startswith(method.decode())
            await there.send(answer)
            status, fields = await read_request(wire)
            assert f"{status}\r\n".encode() == answer.splitlines(keepends=True)[0]
            if method == b"HEAD":
                assert ("content-length", "1000") in fields


async def test_a_body_is_passed_on_while_it_comes(start: Start, upstream: Upstream) -> None:
    async with start("reverse_proxy") as client, connect(client) as wire:
        await wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await wire.send(b"3\r\none\r\n")
        there = await upstream.accept()
        _, fields = await read_request(there)
        assert ("transfer-encoding", "chunked") in fields
        assert await read(there, 8) == b"3\r\none\r\n"
        await wire.send(b"3\r\ntwo\r\n")
        assert await read(there, 8) == b"3\r\ntwo\r\n"
        # The answer may begin before the request has ended, and streams as well.
        await there.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nuno\r\n")
        _, fields = await read_request(wire)
        assert ("transfer-encoding", "chunked") in fields
        assert await read(wire, 8) == b"3\r\nuno\r\n"
        await wire.send(b"0\r\n\r\n")
        assert await read(there, 5) == b"0\r\n\r\n"
        await there.send(b"3\r\ndue\r\n0\r\n\r\n")
        assert await read(wire, 13) == b"3\r\ndue\r\n0\r\n\r\n"


async def test_a_compressed_body_stays_compressed(start: Start, upstream: Upstream) -> None:
    body = gzip.compress(b"hello" * 1000)
    async with start("reverse_proxy") as client:
        fields = {"Content-Encoding": "gzip"}
        asking = asyncio.create_task(client.post("/", content=body, headers=fields))
        there = await upstream.accept()
        _, sent = await read_request(there)
        assert ("content-encoding", "gzip") in sent
        assert ("content-length", str(len(body))) in sent
        assert await read(there, len(body)) == body
        await there.send(OK)
        assert (await asking).status_code == 200


async def test_a_client_that_waits_for_100_gets_it(start: Start, upstream: Upstream) -> None:
    async with start("reverse_proxy") as client, connect(client) as wire:
        await wire.send(
            b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
        assert (await wire.read_head())[0] == b"HTTP/1.1 100 Continue"
        await wire.send(b"hello")
        there = await upstream.accept()
        _, fields = await read_request(there)
        assert "expect" not in dict(fields)
        assert await read(there, 5) == b"hello"
        await there.send(OK)
        assert (await wire.read_head())[0] == b"HTTP/1.1 200 OK"


async def test_cookies_of_one_client_are_not_sent_for_another(
    start: Start, upstream: Upstream
) -> None:
    async with start("reverse_proxy") as client, connect(client) as one, connect(client) as two:
        await one.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        there = await upstream.accept()
        await read_request(there)
        await there.send(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n")
        await one.read_answer()
        await two.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        _, fields = await read_request(there)
        assert "cookie" not in dict(fields)
        await there.send(OK)
        await two.read_answer()


ASKED = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
MOMENTS = {
    "before the answer": (ASKED, b""),
    "behind a body": (b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", b""),
    "in the answer": (ASKED, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_client_that_leaves_ends_its_request(
    start: Start, upstream: Upstream, moment: str
) -> None:
    request, answer = MOMENTS[moment]
    async with start("reverse_proxy") as client:
        async with connect(client) as wire:
            await wire.send(request)
            there = await upstream.accept()
            await read_request(there)
            await read(there, len(request.partition(b"\r\n\r\n")[2]))
            if answer:
                await there.send(answer)
                await read_request(wire)
                assert await read(wire, 5) == b"hello"
        assert await there.read_all() == b""


async def test_a_client_that_leaves_in_its_body_ends_its_request(
    start: Start, upstream: Upstream
) -> None:
    async with start("reverse_proxy") as client:
        async with connect(client) as wire:
            await wire.send(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhello")
            there = await upstream.accept()
            await read_request(there)
            assert await read(there, 5) == b"hello"
        assert await there.read_all() == b""


async def test_an_answer_that_breaks_off_is_broken_off(start: Start, upstream: Upstream) -> None:
    async with start("reverse_proxy") as client, connect(client) as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        there = await upstream.accept()
        await read_request(there)
        await there.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await read_request(wire)
        assert await read(wire, 10) == b"5\r\nhello\r\n"
        await there.close()
        assert await wire.read_all() == b""  # and so without the last chunk


UNREACHABLE = "The server behind cannot be reached.\n"


async def test_a_server_that_is_down_is_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:  # bound, so that nobody else listens there
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("UPSTREAM", f"http://127.0.0.1:{closed.getsockname()[1]}")
        async with start("reverse_proxy") as client:
            for answer in (await client.get("/"), await client.post("/", content=b"hello")):
                assert (answer.status_code, answer.text) == (502, UNREACHABLE)


async def test_a_server_that_speaks_something_else_is_told(
    start: Start, upstream: Upstream
) -> None:
    async with start("reverse_proxy") as client:
        for reply in (b"220 mail.example ESMTP\r\n", b""):
            asking = asyncio.create_task(client.post("/", content=b"hello"))
            there = await upstream.accept()
            await read_request(there)
            await there.send(reply)
            await there.close()
            answer = await asking
            assert (answer.status_code, answer.text) == (502, UNREACHABLE)


async def test_a_server_that_is_silent_is_told(
    start: Start, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_TIMEOUT", "0.2")
    async with start("reverse_proxy") as client:
        answer = await client.get("/")
        assert (answer.status_code, answer.text) == (504, "The server behind is too slow.\n")
        there = await upstream.accept()
        await read_request(there)
        assert await there.read_all() == b""
