"""Content codings of answers and of requests, on aiohttp and on bascule."""

import asyncio
import gzip
import logging
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp.web
import pytest

import bascule.web
from support.wire import PATIENCE

from .codings import BODIES, CODING_DIFFERENCES, RECEIVED, SENT, application

_OWN = (b"date", b"server", b"connection", b"transfer-encoding", b"content-length")


@asynccontextmanager
async def serving(web: Any) -> AsyncIterator[int]:
    runner = web.AppRunner(application(web), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def ask(port: int, data: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Give the status, the fields that count, and the body without its transfer coding."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(PATIENCE):
            raw = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    if not raw:
        return b"dropped", {}, b""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
    if fields.get(b"transfer-encoding") == b"chunked":
        body = _join_chunks(body)
    kept = {name: value for name, value in fields.items() if name not in _OWN}
    return first.split(b" ")[1], kept, body


def _join_chunks(body: bytes) -> bytes:
    joined = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        joined, body = joined + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return joined


def decode(coding: bytes | None, body: bytes) -> object:
    if coding == b"gzip" and body:
        return "gzip", len(body), gzip.decompress(body)
    if coding == b"deflate" and body:
        return "deflate", len(body), zlib.decompress(body)
    return body


def request_of(case: dict[str, Any]) -> bytes:
    if "kind" in case:
        number, accept = SENT.index(case), case["accept"]
        line = f"{case['method']} /send/{number} HTTP/{case['version']}\r\nHost: x\r\n"
        field = f"Accept-Encoding: {accept}\r\n" if accept is not None else ""
        return f"{line}Connection: close\r\n{field}\r\n".encode()
    body = BODIES[case["body"]]
    head = f"POST /receive?how={case['how']} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    if case["coding"] is not None:
        head += f"Content-Encoding: {case['coding']}\r\n"
    if not case["chunked"]:
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
    return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk + b"0\r\n\r\n"


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """Errors are expected of aiohttp here; their tracebacks would show its source."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    "cases", [SENT, RECEIVED], ids=["answers that are sent", "requests that are received"]
)
async def test_codings_are_those_of_aiohttp(cases: list[dict[str, Any]]) -> None:
    """A case differs just where a difference that is meant says so."""
    wrong = []
    async with serving(aiohttp.web) as theirs, serving(bascule.web) as ours:
        for case in cases:
            seen = [_show(case, await ask(port, request_of(case))) for port in (theirs, ours)]
            named = [each.name for each in CODING_DIFFERENCES if each.holds(case)]
            if (seen[0] != seen[1]) != bool(named):
                wrong.append((case, named, *seen))
    assert "\n".join(map(repr, wrong)) == ""


def _show(case: dict[str, Any], answer: tuple[bytes, dict[bytes, bytes], bytes]) -> object:
    status, fields, body = answer
    if case.get("method") == "HEAD":  # no body behind an answer to HEAD is another difference
        return status, {**fields, b"content-type": b""}
    return status, fields, decode(fields.get(b"content-encoding"), body)


def test_each_difference_has_a_case() -> None:
    for difference in CODING_DIFFERENCES:
        assert any(difference.holds(case) for case in [*SENT, *RECEIVED]), difference.name
