"""Advisories on h11, llhttp, websockets, multidict and the standard library."""

import gzip
import re
import tracemalloc
import zlib
from importlib.metadata import requires, version
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
from multidict import CIMultiDict, MultiDict

from advisories.attacks import (
    MIB,
    assert_linear,
    assert_refused,
    chunked,
    head,
    held_memory,
    peak_memory,
)
from bascule import web
from bascule.wire.coding import zstd
from support.frames import BINARY, TOO_BIG, frame, listen, opened
from support.requests import GET, app_of, read_back
from support.wire import serve

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(chunked(b"5\r\nhelloXX0\r\n\r\n"), id="CVE-2025-43859 two bytes"),
        pytest.param(chunked(b"5\r\nhello\n\n0\r\n\r\n"), id="CVE-2025-43859 two LF"),
        pytest.param(chunked(b"5\r\nhello\r0\r\n\r\n"), id="CVE-2025-43859 CR alone"),
        pytest.param(chunked(b"5\r\nhello\n0\r\n\r\n"), id="CVE-2025-43859 LF alone"),
        pytest.param(chunked(b"2e\r\n" + b"x" * 0x2E + b"0;\r\n\r\n"), id="CVE-2025-43859 digits"),
        pytest.param(head("Content-Length: " + "9" * 5000) + b"x", id="h11-0.15 digits"),
        pytest.param(head("Content-Length: " + "0" * 5000) + b"x", id="h11-0.15 zeros"),
        pytest.param(
            head("Transfer-Encoding: chunked", "Transfer-Encoding: eee") + b"0\r\n\r\n",
            id="CVE-2020-8287",
        ),
        pytest.param(
            head("Transfer-Encoding: eee", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
            id="CVE-2020-8287 other order",
        ),
        pytest.param(head("Content-Length : 5") + b"hello", id="CVE-2021-22959 length"),
        pytest.param(
            head("Transfer-Encoding\t: chunked") + b"0\r\n\r\n", id="CVE-2021-22959 coding"
        ),
        pytest.param(chunked(b"5 ;a\r\nhello\r\n0\r\n\r\n"), id="CVE-2021-22960 blank"),
        pytest.param(chunked(b"5\x00\r\nhello\r\n0\r\n\r\n"), id="CVE-2021-22960 NUL"),
        pytest.param(chunked(b"5 xyz\r\nhello\r\n0\r\n\r\n"), id="CVE-2021-22960 word"),
        pytest.param(chunked(b"0 \r\n\r\n"), id="CVE-2021-22960 end"),
        pytest.param(chunked(b"0;\x7f\r\n\r\n"), id="CVE-2021-22960 control"),
        pytest.param(head("Transfer-Encoding: chunkedchunked") + b"0\r\n\r\n", id="CVE-2022-32213"),
        pytest.param(
            head("Transfer-Encoding: chunked, x") + b"0\r\n\r\n", id="CVE-2022-32213 last"
        ),
        pytest.param(head("Transfer-Encoding: c hunked") + b"0\r\n\r\n", id="CVE-2022-32213 blank"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", id="CVE-2022-32214"),
        pytest.param(b"POST / HTTP/1.1\nHost: x\n\n", id="CVE-2022-32214 all lines"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\n\n", id="CVE-2022-32214 last line"),
        pytest.param(
            head("Transfer-Encoding: chunked", " , identity") + b"0\r\n\r\n", id="CVE-2022-32215"
        ),
        pytest.param(
            head("Transfer-Encoding:", " chunked") + b"0\r\n\r\n", id="CVE-2022-32215 empty first"
        ),
        pytest.param(head(b"A:\rb", "Content-Length: 5") + b"hello", id="CVE-2022-35256"),
        pytest.param(head(b"A: b\r\rB: c"), id="CVE-2022-35256 two CR"),
        pytest.param(head(b"A: b\rContent-Length: 5") + b"hello", id="CVE-2023-30589"),
        pytest.param(head(b"A:\r\r\n Content-Length: 5"), id="CVE-2023-30589 and a fold"),
        pytest.param(head(" Content-Length: 5") + b"hello", id="CVE-2024-27982"),
        pytest.param(
            b"POST / HTTP/1.1\r\n Content-Length: 5\r\nHost: x\r\n\r\nhello",
            id="CVE-2024-27982 first field",
        ),
        pytest.param(head("A: b", "\tContent-Length: 5") + b"hello", id="CVE-2024-27982 tab"),
        pytest.param(chunked(b"1;" + b"a" * 300 + b"\r\n"), id="CVE-2024-22019 long"),
        pytest.param(chunked((b"1;" + b"a" * 200 + b"\r\nx\r\n") * 100), id="CVE-2024-22019 many"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\rX" + HIDDEN, id="CVE-2025-23167"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\r\n" + HIDDEN, id="CVE-2025-23167 CR CR"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\rGET / ", id="CVE-2025-23167 request"),
    ],
)
async def test_heads_and_chunks_that_a_library_took(data: bytes) -> None:
    """Each library took bytes that others see otherwise; here they are refused."""
    await assert_refused(data)


async def test_CVE_2018_1000518_a_compressed_message() -> None:
    """A message was inflated whole, and then held against the limit."""
    made = zlib.compressobj(9, wbits=-15)
    data = b"".join(made.compress(bytes(MIB)) for _ in range(32))
    data += made.flush(zlib.Z_SYNC_FLUSH)[:-4]
    offer = "Sec-WebSocket-Extensions: permessage-deflate"
    async with opened(listen, offer, max_msg_size=MIB) as (peer, story):
        with peak_memory() as peaks:
            await peer.send(frame(BINARY, data, rsv=4))
            assert await peer.read() == TOO_BIG
            await peer.wire.close()
            await story.wait()
    assert peaks[0] < 4 * MIB


def _compress(coding: str) -> bytes:
    data = bytes(48 * MIB)
    if coding == "br":
        return bytes(brotli.compress(data, quality=1))
    if coding == "zstd":
        assert zstd is not None
        return bytes(zstd.compress(data))
    return gzip.compress(data, 1) if coding == "gzip" else zlib.compress(data, 1)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip", "deflate"])
async def test_CVE_2026_116579_decompressors_without_a_bound(coding: str) -> None:
    """Brotli made all of a message at once: every decoder is told how much it may make."""
    data = _compress(coding)
    lines = [f"Content-Encoding: {coding}", f"Content-Length: {len(data)}"]
    async with serve(app_of(read_back)) as served:
        with peak_memory() as peaks:
            answer = await served.exchange(head(*lines) + data)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert peaks[0] < 6 * MIB + len(data)


async def test_CVE_2026_116579_no_brotli_for_messages() -> None:
    """No other compression of messages is agreed on than the one that is bounded."""
    offer = "Sec-WebSocket-Extensions: permessage-brotli, permessage-br, permessage-zstd"
    async with opened(listen, offer) as (peer, _):
        assert b"sec-websocket-extensions" not in peer.fields


def test_CVE_2026_104874_references_of_views() -> None:
    """Operators of the views of a multidict leaked references: the release that is asked for has
    them mended, and what is installed leaks nothing."""
    lines = [line for line in requires("bascule") or () if line.startswith("multidict")]
    assert [re.findall(r">=(\d+)\.(\d+)\.(\d+)", line) for line in lines] == [[("6", "9", "1")]]
    assert int(version("multidict").split(".")[0]) >= 6
    fields: Any = CIMultiDict({f"A{number}": "b" for number in range(50)})
    other = MultiDict(fields)
    tracemalloc.start()
    try:
        sizes = []
        for _ in range(3):
            for _ in range(50):
                fields.items() & other.items()
                fields.items() | other.items()
                fields.items() - {("A1", "b")}
                fields.keys() ^ {"A1"}
            sizes.append(held_memory())
    finally:
        tracemalloc.stop()
    assert sizes[2] - sizes[1] < 2000


async def cookies(request: web.Request) -> web.Response:
    return web.json_response(dict(request.cookies))


@pytest.mark.parametrize("piece", ["\\", "\\\\", '\\"', "\\0", "\\012", "a\\", "\\377"])
async def test_CVE_2024_7592_quoted_cookies(piece: str) -> None:
    """Each escape in a quoted value was looked for from the start."""

    def ask(size: int) -> bytes:
        return head('Cookie: a="' + piece * (size // len(piece)) + 'x"', method="GET")

    await assert_linear(ask, 2000, app_of(cookies))


async def test_CVE_2021_23336_semicolons_in_queries(serve: Any) -> None:
    """A cache in front saw one parameter where there were two."""

    async def handler(request: web.Request) -> web.Response:
        return web.json_response(list(request.query.items()))

    client = await serve(app_of(handler))
    assert (await client.get("/?a=1;b=2&c=3")).text == '[["a", "1;b=2"], ["c", "3"]]'


@pytest.mark.parametrize("bad", ["\r\nInjected: yes", "\n", "\r", "\0", "\x1b", "\x7f"])
@pytest.mark.parametrize("where", ["name", "value", "path", "domain", "expires", "samesite"])
async def test_CVE_2026_3644_controls_in_cookies(bad: str, where: str) -> None:
    """Morsel took controls in what it writes."""
    found = await _set_cookie(where, f"a{bad}b")
    block = found.partition(b"\r\n\r\n")[0]
    lines = block.split(b"\r\n")
    assert found.count(b"HTTP/1.1 ") == 1
    assert not [line for line in lines if line.startswith((b"Injected", b"b"))]
    assert not re.search(rb"[\x00-\x1f\x7f]", b"".join(lines))


async def _set_cookie(where: str, bad: str) -> bytes:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response()
        if where == "name":
            response.set_cookie(bad, "x")
        elif where == "value":
            response.set_cookie("a", bad)
        else:
            options: dict[str, Any] = {where: bad}
            response.set_cookie("a", "x", **options)
        return response

    async with serve(app_of(handler)) as served:
        return await served.exchange(GET)


@pytest.mark.parametrize("attribute", ["path", "domain", "expires", "samesite", "max_age"])
@pytest.mark.parametrize(
    "advisory",
    [
        pytest.param(each, id=each)
        for each in ("CVE-2026-35536", "CVE-2026-91991", "CVE-2026-123535")
    ],
)
def test_no_attribute_of_a_cookie_adds_another(attribute: str, advisory: str) -> None:
    """Tornado let a semicolon stand in attributes: who chooses one chose the others, too."""
    options: dict[str, Any] = {attribute: "x; HttpOnly; Domain=evil.example"}
    with pytest.raises(ValueError):
        web.Response().set_cookie("a", "b", **options)
