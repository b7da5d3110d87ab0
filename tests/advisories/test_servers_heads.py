"""Advisories on other servers: what they took for a request."""

import asyncio

import pytest

from advisories.attacks import (
    SMUGGLED,
    assert_linear,
    assert_refused,
    attack,
    chunked,
    head,
)
from bascule import web
from support.requests import GET, app_of, ok, request
from support.wire import PATIENCE, serve

pytestmark = pytest.mark.usefixtures("quiet")

LAST = b"0\r\n\r\n"
BOTH = head("Content-Length: 6", "Transfer-Encoding: chunked") + LAST + b"X"
TWICE = head("Content-Length: 5", "Content-Length: 0") + b"hello"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(BOTH, id="SNYK-541164"),
        pytest.param(
            head("Transfer-Encoding: chunked", "Transfer-Encoding: identity") + LAST,
            id="CVE-2024-1135 two lines",
        ),
        pytest.param(
            head("Transfer-Encoding: identity, chunked, chunked") + LAST, id="CVE-2024-1135 a list"
        ),
        pytest.param(
            head("Content-Length: 6", "Transfer-Encoding: xchunked") + LAST + b"X",
            id="CVE-2024-6827 with a length",
        ),
        pytest.param(head("Transfer-Encoding: xchunked") + LAST, id="CVE-2024-6827 alone"),
        pytest.param(head("Transfer-Encoding: gzip") + LAST, id="CVE-2024-6827 gzip"),
        pytest.param(head("Transfer-Encoding: gzip, chunked") + LAST, id="CVE-2024-6827 both"),
        pytest.param(TWICE, id="gunicorn-25.3 two lengths"),
        pytest.param(BOTH, id="gunicorn-25.3 both"),
        pytest.param(
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST, id="gunicorn-25.3 1.0"
        ),
        pytest.param(chunked(b"5;a\rb\r\nhello\r\n" + LAST), id="gunicorn-25.3 CR"),
        pytest.param(head(b"A: b\nContent-Length: 5") + b"hello", id="CVE-2019-16785"),
        pytest.param(b"GET / HTTP/1.1\nHost: x\r\n\r\n", id="CVE-2019-16785 request line"),
        pytest.param(head("Transfer-Encoding: nochunked") + LAST, id="CVE-2019-16786 part"),
        pytest.param(head("Transfer-Encoding: chunked-no") + LAST, id="CVE-2019-16786 start"),
        pytest.param(
            head("Content-Length: 5", "Transfer-Encoding: a, chunked, b") + LAST,
            id="CVE-2019-16786 middle",
        ),
        pytest.param(head(b"Transfer-Encoding: \x0bchunked") + LAST, id="CVE-2019-16789 VT"),
        pytest.param(head(b"Transfer-Encoding: \x0cchunked") + LAST, id="CVE-2019-16789 FF"),
        pytest.param(head(b"Transfer-Encoding: chunked\xa0") + LAST, id="CVE-2019-16789 NBSP"),
        pytest.param(head(b"Content-Length: 5\x85") + b"hello", id="CVE-2019-16789 NEL"),
        pytest.param(TWICE, id="CVE-2019-16792"),
        pytest.param(head("Content-Length: 5,5") + b"hello", id="CVE-2019-16792 a list"),
        pytest.param(head("Content-Length: 0x5") + b"hello", id="CVE-2022-24761 0x"),
        pytest.param(head("Content-Length: +5") + b"hello", id="CVE-2022-24761 sign"),
        pytest.param(chunked(b"0x5\r\nhello\r\n" + LAST), id="CVE-2022-24761 0x in chunks"),
        pytest.param(chunked(b"+5\r\nhello\r\n" + LAST), id="CVE-2022-24761 sign in chunks"),
        pytest.param(chunked(b"5;\n\r\nhello\r\n" + LAST), id="CVE-2022-24761 LF"),
        pytest.param(TWICE, id="CVE-2020-10108"),
        pytest.param(BOTH, id="CVE-2020-10109"),
        pytest.param(head("Content-Length: +5") + b"hello", id="CVE-2022-24801 sign"),
        pytest.param(chunked(b"0x5\r\nhello\r\n" + LAST), id="CVE-2022-24801 0x"),
        pytest.param(chunked(b"5;a\nb\r\nhello\r\n" + LAST), id="CVE-2022-24801 LF"),
        pytest.param(chunked(b"\x0b5\r\nhello\r\n" + LAST), id="CVE-2022-24801 blank"),
        pytest.param(head(b"A\x0b: b"), id="CVE-2022-24801 blank in a name"),
        pytest.param(head("Content-Length: -1"), id="GHSA-qppv-j76h-2rpx minus"),
        pytest.param(head("Content-Length: 1_0") + b"0123456789", id="GHSA-qppv-j76h-2rpx _"),
        pytest.param(chunked(b"-5\r\nhello\r\n" + LAST), id="GHSA-qppv-j76h-2rpx minus in chunks"),
        pytest.param(chunked(b"1_0\r\n0123456789abcdef\r\n" + LAST), id="GHSA-qppv-j76h-2rpx both"),
        pytest.param(BOTH, id="GHSA-753j-mpmx-qq6g both"),
        pytest.param(head("Transfer-Encoding: vchunked") + LAST, id="GHSA-753j-mpmx-qq6g unknown"),
        pytest.param(
            head("Content-Length: 5", "Transfer-Encoding: vchunked") + b"hello",
            id="GHSA-753j-mpmx-qq6g unknown and a length",
        ),
        pytest.param(head("Content-Length: +5") + b"hello", id="CVE-2021-32715"),
        pytest.param(
            chunked((b"1;" + b"a" * 250 + b"\r\nx\r\n") * 80 + LAST), id="CVE-2023-39326 many"
        ),
        pytest.param(chunked(b"0;" + b"a" * 5000 + b"\r\n\r\n"), id="CVE-2023-39326 last"),
        pytest.param(chunked(b"5\nhello\r\n" + LAST), id="CVE-2025-22871 size"),
        pytest.param(chunked(b"5\r\nhello\n" + LAST), id="CVE-2025-22871 data"),
        pytest.param(chunked(b"5\r\nhello\r\n0\n\r\n"), id="CVE-2025-22871 last"),
        pytest.param(chunked(b"5;a\nhello\r\n" + LAST), id="CVE-2025-22871 extension"),
        pytest.param(chunked(b"0\r\nA: b\n\r\n"), id="CVE-2025-22871 trailer"),
    ],
)
async def test_framings_that_others_took(data: bytes) -> None:
    """What one server reads as a body another one reads as a request."""
    await assert_refused(data, 400, 501)


@pytest.mark.parametrize("line", ["A: ", "A: \t", "\t", "Content-Length: \t"])
async def test_CVE_2020_5236_blanks_in_fields(line: str) -> None:
    """A regular expression for fields took exponential time."""

    def ask(size: int) -> bytes:
        return head(line + " \t" * (size // 2) + "\x10", method="GET")

    await assert_linear(ask, 2000, app_of(ok))


async def test_CVE_2022_31015_closed_meanwhile() -> None:
    """A connection that was closed in another place ended the server."""
    go_on, started = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        started.set()
        await go_on.wait()
        return web.Response(body=bytes(100_000))

    async with serve(app_of(handler), access_log=None) as served:
        for how in ("client", "server"):
            started.clear()
            async with served.connect() as wire:
                await wire.send(GET + GET)
                await started.wait()
                if how == "client":
                    wire.writer.transport.abort()
                else:
                    (await served.alone()).abort()
                go_on.set()
                async with asyncio.timeout(PATIENCE):
                    while served.runner.server.connections:  # type: ignore[union-attr]
                        await asyncio.sleep(0)
        assert (await served.exchange(GET)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("cut", ["at once", "in pieces"])
@pytest.mark.parametrize(
    "bad",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n",
        chunked(b"x\r\n"),
        b"\r\n\r\n",
        b"X" * 9000,
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 9000 + b"\r\n\r\n",
    ],
    ids=["head", "chunks", "empty lines", "long line", "long field"],
)
async def test_CVE_2024_49768_requests_behind_an_error(cut: str, bad: bytes) -> None:
    """What stood behind a request that was refused was served all the same."""
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        await request.read()
        seen.append(request.path)
        return web.Response()

    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(bad + SMUGGLED if cut == "at once" else bad)
        try:
            for _ in range(20):
                await asyncio.sleep(0)
                await wire.send(SMUGGLED)
        except ConnectionError:
            pass
        wire.writer.write_eof()
        try:
            answer = await wire.read_all()
        except ConnectionError:
            answer = b""
    assert seen == []
    assert answer.count(b"HTTP/1.1 ") <= 1


async def test_CVE_2024_49769_half_open_connections() -> None:
    """A socket whose peer had left was polled again and again."""
    async with serve(app_of(ok), access_log=None) as served:
        wires = [served.connect() for _ in range(20)]
        loop = asyncio.get_running_loop()
        try:
            opened = [await each.__aenter__() for each in wires]
            for number, wire in enumerate(opened):
                await wire.send(
                    [b"", b"GET / HT", GET[:-2], request("/", "Content-Length: 9")][number % 4]
                )
                wire.writer.write_eof()
            for wire in opened:
                await wire.read_all()
            async with asyncio.timeout(PATIENCE):
                while served.runner.server.connections:  # type: ignore[union-attr]
                    await asyncio.sleep(0)
            # Nothing is to be done any more; uvloop does not show what is.
            assert not getattr(loop, "_ready", ())
        finally:
            for each in wires:
                await each.__aexit__(None, None, None)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_CVE_2020_35863_the_body_of_a_get(method: str, framing: str) -> None:
    """A GET was taken for one without a body, and its body for a request."""
    if framing == "length":
        data = head(f"Content-Length: {len(SMUGGLED)}", method=method) + SMUGGLED
    else:
        body = b"%x\r\n%b\r\n" % (len(SMUGGLED), SMUGGLED) + LAST
        data = head("Transfer-Encoding: chunked", method=method) + body
    found = await attack(data + GET)
    assert found.served == [(method, "/", SMUGGLED), ("GET", "/", b"")]


@pytest.mark.parametrize("length", [0, 10])
async def test_CVE_2022_29361_a_body_that_nobody_reads(length: int) -> None:
    """The body of a request whose handler did not read it was parsed as the next request."""
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.path)
        if length and request.body_exists:
            await request.content.readexactly(length)
        return web.Response()

    body = b"0123456789" + SMUGGLED if length else SMUGGLED
    data = head(f"Content-Length: {len(body)}", target="/1") + body + request("/2")
    async with serve(app_of(handler)) as served:
        answer = await served.exchange(data)
        chunks = b"%x\r\n%b\r\n" % (len(body), body) + LAST
        data = head("Transfer-Encoding: chunked", target="/3") + chunks + request("/4")
        answer += await served.exchange(data)
    assert seen in (["/1", "/2", "/3", "/4"], ["/1", "/3"])
    assert answer.count(b"HTTP/1.1 200 OK") == len(seen)


@pytest.mark.parametrize(
    "advisory", [pytest.param(each, id=each) for each in ("CVE-2023-46137", "CVE-2024-41671")]
)
async def test_pipelined_answers_keep_their_order(advisory: str) -> None:
    """Of several requests in one piece a later one was answered before the first had ended."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/1":
            for _ in range(10):
                await asyncio.sleep(0)
        if request.path == "/2":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"2")
            await asyncio.sleep(0)
            await response.write(b"2")
            return response
        return web.Response(text=request.path + (await request.text()))

    data = request("/1", "Content-Length: 5", method="POST") + b"hello" + request("/2")
    data += chunked(b"1\r\nx\r\n" + LAST).replace(b"POST / ", b"POST /3 ") + request("/4")
    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(data)
        bodies = [(await wire.read_answer())[2] for _ in range(4)]
    assert bodies == [b"/1hello", b"22", b"/3x", b"/4"]


@pytest.mark.parametrize("body", [SMUGGLED * 3, b"0\r\n\r\n" + SMUGGLED, b"\r\n\r\n" + SMUGGLED])
async def test_CVE_2022_29361_bodies_look_like_requests(body: bytes) -> None:
    """Bodies of any look are bodies."""
    found = await attack(head(f"Content-Length: {len(body)}") + body + GET)
    assert found.served == [("POST", "/", body), ("GET", "/", b"")]


@pytest.mark.parametrize(
    "host",
    ["x/y", "x?y", "x#y", "x\\y", "x y", "user@x", "x:y", "x:99999", "x,y", "<x>", "x\ty", "é"],
)
async def test_CVE_2026_48710_a_host_with_a_path(host: str) -> None:
    """A Host with a slash or a question mark moved the path of request.url."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.url.path)

    data = f"GET /admin HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    async with serve(app_of(handler)) as served:
        answer = await served.exchange(data)
    if host == "x,y":  # a comma may stand in a name
        assert answer.endswith(b"/admin")
    else:
        assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "target",
    ["@evil.example/", "evil.example", ".evil.example", "?x", ":80/", "x/y", "*", "ftp://x/"],
)
async def test_PYSEC_2026_248_targets_without_a_slash(target: str) -> None:
    """A target that does not begin with a slash was joined to the host."""
    await assert_refused(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


@pytest.mark.parametrize(
    "name", ["X", "X-Forwarded-For", "Cookie", "Content-Encoding", "Connection"]
)
@pytest.mark.parametrize(
    "advisory", [pytest.param(each, id=each) for each in ("CVE-2025-67725", "CVE-2025-14550")]
)
async def test_repeated_fields_take_linear_work(name: str, advisory: str) -> None:
    """Each field of the same name was joined to all before it."""

    async def handler(request: web.Request) -> web.Response:
        return web.json_response([request.headers.getall(name), dict(request.cookies)])

    value = "y" * 400

    def ask(size: int) -> bytes:
        return head(*[f"{name}: {value}"] * size, method="GET")

    await assert_linear(ask, 30, app_of(handler))
