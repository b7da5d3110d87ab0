"""Bodies of every kind, on aiohttp and on bascule."""

import asyncio
import gzip
import logging
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.payload
import aiohttp.web
import pytest

import bascule
from support.surface import compare_surfaces, read_surface
from support.wire import PATIENCE

from .payload_differences import PAYLOAD_DIFFERENCES
from .payload_programs import CASES, WRITTEN, Library, application, write_parts

_PART = (
    b"--B\r\nContent-Type: text/x\r\n"
    b'Content-Disposition: form-data; name="n"; filename="f.txt"\r\n\r\nin the part\r\n--B--\r\n'
)
_VARYING = (b"date", b"server", b"connection")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Errors are expected of aiohttp here; their tracebacks would show its source."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def libraries(tmp_path: Path) -> Iterator[list[Library]]:
    (tmp_path / "a file.html").write_bytes(b"<p>" + b"x" * 200)
    (tmp_path / "large.bin").write_bytes(b"0123456789abcdef" * 40_000)
    (tmp_path / "text.txt").write_bytes("näive\n".encode())
    both = [Library(aiohttp, tmp_path), Library(bascule, tmp_path)]
    yield both
    for library in both:
        library.close()


@asynccontextmanager
async def serving(library: Library) -> AsyncIterator[int]:
    runner = library.web.AppRunner(application(library), access_log=None)
    await runner.setup()
    try:
        site = library.web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def ask(port: int, number: int, case: dict[str, Any]) -> object:
    """Give the status, the fields in their order, and the body without its codings."""
    line = f"{case['method']} /{number} HTTP/{case['version']}\r\n"
    fields = "Host: x\r\nConnection: close\r\nContent-Type: multipart/mixed; boundary=B\r\n"
    head = f"{line}{fields}Content-Length: {len(_PART)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head.encode() + _PART)
        async with asyncio.timeout(PATIENCE):
            raw = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    return read_answer(raw)


def read_answer(raw: bytes) -> object:
    if not raw:
        return "dropped"
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    pairs = [line.partition(b": ")[::2] for line in lines]
    kept = [(name.lower(), value) for name, value in pairs if name.lower() not in _VARYING]
    fields = dict(kept)
    if fields.get(b"transfer-encoding") == b"chunked":
        body = join_chunks(body)
    return first.split(b" ")[1], kept, decode(fields.get(b"content-encoding"), body)


def join_chunks(body: bytes) -> bytes:
    joined = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        joined, body = joined + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return joined


def decode(coding: bytes | None, body: bytes) -> bytes:
    if not body or coding is None:
        return body
    return gzip.decompress(body) if coding == b"gzip" else zlib.decompress(body)


NAMES = ["MultipartWriter", "LookupError", "Order", "PayloadRegistry", "StreamReaderPayload"]
SURFACES = {
    # How aiohttp writes "not given"; None has the same effect.
    "Payload": [".__init__(content_type): default sentinel -> None"],
    # What aiohttp binds for speed.
    "PAYLOAD_REGISTRY": [".get(_CHAIN): missing"],
    "PayloadRegistry": [".get(_CHAIN): missing"],
}


@pytest.mark.parametrize("name", [*aiohttp.payload.__all__, "register_payload", *NAMES])
def test_payloads_have_the_surface_of_aiohttp(name: str) -> None:
    roots: list[tuple[Any, Any]] = [(aiohttp, aiohttp.payload), (bascule, bascule.payload)]
    places = [root if name == "MultipartWriter" else module for root, module in roots]
    surfaces = [read_surface(getattr(place, name)) for place in places]
    assert list(compare_surfaces(*surfaces)) == SURFACES.get(name, [])


async def test_bodies_are_answered_as_by_aiohttp(libraries: list[Library]) -> None:
    """A case differs just where a difference that is meant says so."""
    wrong = []
    async with serving(libraries[0]) as theirs, serving(libraries[1]) as ours:
        for number, case in enumerate(CASES):
            seen = [await ask(port, number, case) for port in (theirs, ours)]
            wrong += judge(case, seen)
    assert "\n".join(wrong) == ""


async def test_parts_are_written_as_by_aiohttp(libraries: list[Library]) -> None:
    """A case differs just where a difference that is meant says so."""
    wrong = []
    for case in WRITTEN:
        seen = [await write_parts(library, case) for library in libraries]
        wrong += judge(case, seen)
    assert "\n".join(wrong) == ""


def judge(case: dict[str, Any], seen: list[Any]) -> list[str]:
    named = [each.name for each in PAYLOAD_DIFFERENCES if each.holds(case)]
    if (seen[0] != seen[1]) == bool(named):
        return []
    shown = [re.sub(r"(x{20})x+|(.{600}).+", r"\1\2", repr(each)) for each in seen]
    return [f"{case}\n  {named}\n  {shown[0]}\n  {shown[1]}"]


@pytest.mark.parametrize("difference", PAYLOAD_DIFFERENCES, ids=lambda each: each.name)
def test_each_difference_has_a_case(difference: Any) -> None:
    assert any(difference.holds(case) for case in [*CASES, *WRITTEN])
