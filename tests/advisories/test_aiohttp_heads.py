"""Advisories on aiohttp: heads, framing, pipelines."""

import asyncio
import tracemalloc
from itertools import pairwise

import pytest

from advisories.attacks import (
    MIB,
    SMUGGLED,
    assert_linear,
    assert_refused,
    attack,
    chunked,
    head,
    held_memory,
    peak_memory,
)
from bascule import web
from support.frames import PROTOCOL_ERROR, TEXT, TOO_BIG, frame, listen, opened
from support.requests import GET, app_of, ok, read_back
from support.wire import PATIENCE, Wire, serve

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.mark.parametrize(
    "line",
    [
        b"http://[::1/",
        b"http://[x]/",
        b"http://[1:2:3:4:5:6:7:8:9]/",
        b"http://[::1]x/",
        b"http://[1.2.3.4]/",
        b"http://xn--a-ecp.ru/",
        b"http://[::1%25]/",
        b"http://%/",
    ],
)
@pytest.mark.parametrize("where", ["target", "host"])
async def test_CVE_2022_33124_bad_literals_raised(line: bytes, where: str) -> None:
    """A bad IPv6 literal raised ValueError out of the parser, and the connection stayed."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.url.host} {request.host}")

    target, host = (line, b"x") if where == "target" else (b"/", line[7:].rstrip(b"/"))
    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        status, _ = await wire.read_head()
    assert status.split()[1] in (b"200", b"400")


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([b"A: b\rContent-Length: 5"], id="CVE-2023-37276"),
        pytest.param([b"A: b\r\rContent-Length: 5"], id="CVE-2023-37276 two"),
        pytest.param([b"A: b\r X: y"], id="CVE-2023-37276 and a blank"),
        pytest.param([b"A:\r"], id="CVE-2023-37276 at the end"),
    ],
)
async def test_bare_cr_ended_a_field(lines: list[bytes]) -> None:
    """llhttp took a CR alone for the end of a line."""
    await assert_refused(head(*lines))


@pytest.mark.parametrize(
    "value",
    [
        b"+5",
        b"-5",
        b"1_0",
        b"0x5",
        b"5 5",
        b"5,5",
        b"5;",
        b" ",
        b"\x0b5",
        b"5\x0c",
        b"5.0",
        b"\xa05",
    ],
)
async def test_CVE_2023_47627_lenient_lengths(value: bytes) -> None:
    """The Python parser took what int() takes."""
    await assert_refused(head(b"Content-Length: " + value) + b"hello")


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length : 5",
        b" Content-Length: 5",
        b"Content Length: 5",
        b"\x0bA: b",
        b": b",
        b"A",
        b"\tContent-Length: 5",
        b"Content-Length\xa0: 5",
        b"Content-Length",
        b"A\x00: b",
    ],
)
async def test_CVE_2023_47627_lenient_names(line: bytes) -> None:
    """The Python parser stripped blanks of names, and looked at no character of them."""
    await assert_refused(head(line) + b"hello")


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Content-Length: 0", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Transfer-Encoding:"],
    ],
)
async def test_CVE_2023_47641_both_framings(lines: list[str]) -> None:
    """A body was framed by Content-Length here, and by Transfer-Encoding in front."""
    await assert_refused(head(*lines) + b"0\r\n\r\n")


async def test_GHSA_pjjw_qhg8_p2p9_bytes_of_names() -> None:
    """The bundled llhttp took other bytes than those of tokens in the names of fields."""
    tokens = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    others = [bytes([byte]) for byte in range(256) if byte not in tokens and byte not in b":\r\n"]
    async with serve(app_of(ok)) as served:
        for byte in others:
            for name in (byte + b"A", b"A" + byte, b"A" + byte + b"B"):
                async with served.connect() as wire:
                    await wire.send(head(name + b": b", method="GET") + SMUGGLED)
                    answer = await wire.read_all()
                assert answer.startswith(b"HTTP/1.1 400 "), name
                assert answer.count(b"HTTP/1.1 ") == 1, name


@pytest.mark.parametrize(
    "line",
    [
        b"GE(T / HTTP/1.1",
        b"GET, / HTTP/1.1",
        b"G\xc3\x89T / HTTP/1.1",
        b"G=T / HTTP/1.1",
        b"GET / HTTP/1.\xd9\xa1",
        b"GET / HTTP/1.+1",
        b"GET / HTTP/+1.1",
        b"GET / HTTP/1_1",
        b"GET / HTTP/11",
        b"GET / http/1.1",
        b"GET / HTTP/1.1 ",
        b"GET  / HTTP/1.1",
        b"GET /",
        b"GET\t/\tHTTP/1.1",
        b"GET /\x0b HTTP/1.1",
        b"GET / HTTP/-1.1",
        b"\x0bGET / HTTP/1.1",
        b"GET /\xa0x HTTP/1.1",
        b"[GET] / HTTP/1.1",
        b"@ / HTTP/1.1",
        b" GET / HTTP/1.1",
    ],
)
async def test_CVE_2024_23829_separators(line: bytes) -> None:
    """The Python parser took separators in methods and any digits in versions, and some of its
    errors escaped."""
    await assert_refused(line + b"\r\nHost: x\r\n\r\n", 400, 505)


@pytest.mark.parametrize("kind", ["methods", "paths"])
async def test_CVE_2024_52303_leak_of_404_and_405(kind: str) -> None:
    """Each request without a route was kept in a cache where there was a middleware."""

    @web.middleware
    async def middleware(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        return await handler(request)

    def ask(number: int) -> bytes:
        name = f"X{number:06}"
        method, target = (name, "/") if kind == "methods" else ("GET", f"/{name}")
        return head(method=method, target=target)

    app = web.Application(middlewares=[middleware])
    app.router.add_get("/", ok)
    expected = b"405" if kind == "methods" else b"404"
    async with serve(app, access_log=None) as served, served.connect() as wire:

        async def ask_many(first: int) -> int:
            for number in range(first, first + 100):
                await wire.send(ask(number))
                assert (await wire.read_answer())[0].split()[1] == expected
            return held_memory()

        await ask_many(0)
        tracemalloc.start()
        try:
            held = [await ask_many(first) for first in range(100, 500, 100)]
        finally:
            tracemalloc.stop()
    # Bytes: less than any entry takes. What else the process does may take some of them at times.
    assert min(after - before for before, after in pairwise(held)) < 100 * 50


@pytest.mark.parametrize(
    "body",
    [
        b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        b"5;\n\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b'5;a="\n"\r\nhello\r\n0\r\n\r\n',
        b"5\r\nhello\r\n0;\n\r\n\r\n",
    ],
)
async def test_CVE_2024_52304_line_end_in_an_extension(body: bytes) -> None:
    """The Python parser saw the end of a chunk line where others saw an extension."""
    await assert_refused(chunked(body))


async def test_CVE_2025_53643_trailers_were_not_parsed() -> None:
    """The Python parser took trailers for the next request."""
    trailers = b"Content-Length: 100\r\nHost: evil\r\nGET: / HTTP/1.1\r\n"
    found = await attack(chunked(b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n") + GET)
    assert found.served == [("POST", "/", b"hello"), ("GET", "/", b"")]


@pytest.mark.parametrize(
    "data",
    [
        head("Content-Length: ٥") + b"hello",
        head(b"Content-Length: \xb2") + b"hello",
        head("Content-Length: ５") + b"hello",
        head("Transfer-Encoding: chun\u212aed") + b"0\r\n\r\n",
        head(b"Transfer-Encoding: chunked\xa0") + b"0\r\n\r\n",
        chunked("٥\r\nhello\r\n0\r\n\r\n".encode()),
        chunked(b"\xb2\r\nhello\r\n0\r\n\r\n"),
        chunked("ａ\r\n0123456789\r\n0\r\n\r\n".encode()),
    ],
    ids=ascii,
)
async def test_CVE_2025_69224_digits_that_are_not_ascii(data: bytes) -> None:
    """isdigit() and lower() know more digits and letters than HTTP has."""
    await assert_refused(data)


async def test_CVE_2025_69229_small_chunks() -> None:
    """Each chunk was put into one list that was searched again for each of them."""
    await assert_linear(
        lambda n: chunked(b"1\r\na\r\n" * n + b"0\r\n\r\n"), 10_000, app_of(read_back)
    )


async def test_CVE_2025_69229_small_chunks_that_nobody_reads() -> None:
    """The same, with a handler that waits: what comes stays outside."""
    gate, started = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        started.set()
        await gate.wait()
        return web.Response(body=str(len(await request.content.read())))

    async with serve(app_of(handler)) as served, served.connect() as wire:
        with peak_memory() as peaks:
            data = b"1\r\na\r\n" * 100_000
            sending = asyncio.create_task(wire.send(chunked(data + b"0\r\n\r\n")))
            await started.wait()
            connection = await served.alone()
            async with asyncio.timeout(PATIENCE):
                while connection._reading and not sending.done():
                    await asyncio.sleep(0)
        gate.set()
        assert (await wire.read_answer())[2] == b"100000"
        await sending
    assert peaks[0] < 3 * len(data) + 3 * MIB


@pytest.mark.parametrize(
    "trailers",
    [b"A: b\r\n" * 200, b"A: " + b"b" * 9000 + b"\r\n", (b"A: " + b"b" * 4000 + b"\r\n") * 20],
    ids=["many", "long", "large"],
)
async def test_CVE_2026_22815_trailers_without_limit(trailers: bytes) -> None:
    """No limit of heads held for trailers."""
    await assert_refused(chunked(b"0\r\n" + trailers + b"\r\n"), 431)


async def test_CVE_2026_22815_endless_trailers() -> None:
    """The same, without an end: the answer comes while they still come."""
    async with serve(app_of(read_back)) as served, served.connect() as wire:
        with peak_memory() as peaks:
            await wire.send(chunked(b"0\r\n"))
            talking = asyncio.create_task(_talk(wire, b"A: b\r\n" * 1000))
            assert (await wire.read_head())[0].startswith(b"HTTP/1.1 431 ")
            await wire.close()
            await talking
    assert peaks[0] < 2 * MIB


async def _talk(wire: Wire, data: bytes) -> None:
    """Send the same until the connection ends."""
    try:
        while True:
            await wire.send(data)
            await asyncio.sleep(0)
    except (ConnectionError, RuntimeError):  # the latter of uvloop, once it was aborted
        pass


@pytest.mark.parametrize("byte", [0, 1, 7, 8, 11, 12, 27, 31, 127])
@pytest.mark.parametrize("where", [b"A: b%cc", b"A%cB: c", b"A: %c", b"A: b%c", b"Host: x%c"])
async def test_CVE_2026_34520_controls_in_fields(byte: int, where: bytes) -> None:
    """The C parser took NUL and controls in fields."""
    await assert_refused(head(where % byte))


@pytest.mark.parametrize("byte", ["\0", "\r", "\n", "\x1b", "\x7f"])
async def test_CVE_2026_34520_controls_in_our_fields(byte: str) -> None:
    """They could be sent, too."""

    async def handler(request: web.Request) -> web.Response:
        with pytest.raises(ValueError, match="header"):
            await web.Response(headers={"X": f"a{byte}b"}).prepare(request)
        return web.Response(text="fine")

    async with serve(app_of(handler)) as served:
        assert (await served.exchange(GET)).endswith(b"fine")


@pytest.mark.parametrize(
    "lines", [["Host: x"], ["Host: y"], ["host: x"], ["Host:"], ["A: b", "HOST: y"]]
)
async def test_CVE_2026_34525_several_hosts(lines: list[str]) -> None:
    """The first was believed here, and the last in front."""
    await assert_refused(head(*lines))
    await assert_refused(head("Content-Length: 0", *lines, target="http://x/"))


async def test_CVE_2026_54273_pipelined_requests_piled_up() -> None:
    """While a handler was busy, requests behind it were parsed and kept without limit."""
    gate, started = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        started.set()
        await gate.wait()
        return web.Response(text="ok")

    async with serve(app_of(handler), access_log=None) as served, served.connect() as wire:
        await wire.send(GET)
        await started.wait()
        connection = await served.alone()
        requests = GET * (MIB // len(GET))
        with peak_memory() as peaks:
            sending = asyncio.create_task(_talk(wire, requests))
            async with asyncio.timeout(PATIENCE):
                while connection._reading:
                    await asyncio.sleep(0)
            for _ in range(100):
                await asyncio.sleep(0)
        assert not sending.done()
        # A client's own buffer holds two of what is sent at once.
        assert peaks[0] < 2 * MIB + 2 * len(requests)
        wire.writer.transport.abort()
        gate.set()
        await sending


async def test_CVE_2026_54274_a_giant_frame() -> None:
    """A frame was gathered until its end had come, and only then held against the limit."""
    async with opened(listen, max_msg_size=MIB) as (peer, story):
        await peer.send(frame(TEXT, size=2**40))
        assert await peer.read() == TOO_BIG
        await peer.wire.close()
        await story.wait()


@pytest.mark.parametrize(
    ("start", "piece", "count", "status"),
    [
        pytest.param(b"GET /", b"x" * 100, 90, 414, id="target"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA: ", b"b" * 100, 90, 431, id="field"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n", b"b" * 100, 90, 431, id="name"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n" * 10, 14, 431, id="fields"),
        pytest.param(chunked(b""), b"0" * 100, 4, 400, id="chunk size"),
        pytest.param(chunked(b"5;"), b"a" * 100, 4, 400, id="chunk extension"),
        pytest.param(chunked(b"0\r\nA: "), b"b" * 100, 90, 431, id="trailer"),
    ],
)
async def test_CVE_2026_54277_lines_in_pieces(
    start: bytes, piece: bytes, count: int, status: int
) -> None:
    """The limit held for each piece in which a line came, so that no line was too long."""
    async with serve(app_of(read_back)) as served, served.connect() as wire:
        await wire.send(start)
        for _ in range(count):
            await asyncio.sleep(0)
            await wire.send(piece)
        assert (await wire.read_head())[0].startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("bits", [1, 2, 4])
async def test_CVE_2026_59881_compression_without_agreement(bits: int) -> None:
    """The bit of compression was taken though the handshake had not agreed on it."""
    async with opened(listen) as (peer, story):
        await peer.send(frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=bits))
        assert await peer.read() == PROTOCOL_ERROR
        await peer.wire.close()
        await story.wait()
    assert [message[0] for message in story.messages] == [web.WSMsgType.ERROR]


UPGRADE = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("framing", ["Content-Length: %d", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("answers", ["socket", "other"])
async def test_CVE_2026_69243_the_body_of_an_upgrade(
    method: str, framing: str, answers: str
) -> None:
    """What followed an upgrade was parsed as a request, its body too."""
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.path)
        if answers == "other":
            return web.Response(text="no")
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        raise AssertionError("a request with a body became a WebSocket")

    if framing.startswith("C"):
        framing, body = framing % len(SMUGGLED), SMUGGLED
    else:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    async with serve(app_of(handler)) as served:
        answer = await served.exchange(head(*UPGRADE, framing, method=method) + body)
    assert seen == ["/"]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert not answer.startswith(b"HTTP/1.1 101")


@pytest.mark.parametrize(
    "data",
    [
        b"\xffSECRET / HTTP/1.1\r\n\r\n",
        b"GET /SECRET HTTP/9.9\r\nHost: x\r\n\r\n",
        head("SECRET"),
        head(b"SECRET\x00: x"),
        head("Content-Length: SECRET"),
        head("Transfer-Encoding: SECRET"),
        b"GET SECRET HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: SECRET<>\r\n\r\n",
        chunked(b"SECRET\r\n"),
        b"SECRET" * 2000,
    ],
)
async def test_CVE_2026_69244_bytes_in_errors(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The text of an error was cut out of memory that was no longer the request's; in ours stand
    none of the bytes that came."""
    found = await assert_refused(data, 400, 414, 505)
    assert b"SECRET" not in found.data
    assert len(found.data) < 400
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("target", ["https://x/", "HTTPS://x/", "http://x/"])
async def test_PYSEC_2026_4369_scheme_of_the_target(target: str) -> None:
    """request.scheme and request.secure said https where the connection was a plain one."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.scheme} {request.secure} {request.url}")

    async with serve(app_of(handler)) as served:
        answer = await served.exchange(head(target=target, method="GET"))
    assert answer.endswith(b"http False http://x/")


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5", "Content-Length: 5"],
        ["Content-Length: 5, 5"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked, chunked"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: chunked;q=1"],
        ["Transfer-Encoding: ,chunked"],
        ["Transfer-Encoding: chunked,"],
        ["Transfer-Encoding: xchunked"],
        ['Transfer-Encoding: "chunked"'],
        ["Transfer-Encoding:", " chunked"],
        ["A: b", " Transfer-Encoding: chunked"],
        ["Content-Length:", "\t5"],
    ],
)
async def test_CVE_2026_111750_ambiguous_framing(lines: list[str]) -> None:
    """The Python parser took framings that others read in another way."""
    await assert_refused(head(*lines) + b"5\r\nhello\r\n0\r\n\r\n", 400, 501)


async def test_CVE_2026_111750_codings_in_http_1_0() -> None:
    """HTTP/1.0 knows no transfer codings: who does not know them sees a request in the chunks."""
    data = b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    await assert_refused(data)
