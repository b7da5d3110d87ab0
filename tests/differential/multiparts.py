"""Multipart bodies, and programs that read them with the readers of either package."""

import asyncio
import base64
import binascii
import gzip
import quopri
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

import bascule
import bascule.streams

__all__ = [
    "DIMENSIONS",
    "KITS",
    "METHODS",
    "OURS",
    "STEPS",
    "THEIRS",
    "Kit",
    "Raised",
    "agree",
    "attempt",
    "build",
    "dump",
    "make_part",
    "make_reader",
    "transcribe",
]


# -- the packages


@dataclass(frozen=True)
class Kit:
    """The readers of a package, and its streams."""

    reader: Any
    part: Any
    stream: Callable[[], Any]


def _their_stream() -> Any:
    protocol = mock.Mock(_reading_paused=False)
    return aiohttp.StreamReader(protocol, 2**16, loop=asyncio.get_running_loop())


THEIRS = Kit(aiohttp.MultipartReader, aiohttp.BodyPartReader, _their_stream)
OURS = Kit(bascule.MultipartReader, bascule.BodyPartReader, bascule.streams.StreamReader)
KITS = {"aiohttp": THEIRS, "bascule": OURS}


def _fill(kit: Kit, body: bytes, step: int) -> Any:
    stream = kit.stream()
    for at in range(0, len(body), step):
        stream.feed_data(body[at : at + step])
    stream.feed_eof()
    return stream


def make_reader(kit: Kit, content_type: str, body: bytes, *, step: int = 2**20, **more: Any) -> Any:
    """Make a reader of a body that comes in pieces of `step` bytes."""
    return kit.reader({"Content-Type": content_type}, _fill(kit, body, step), **more)


def make_part(kit: Kit, body: bytes, fields: Mapping[str, str], **more: Any) -> Any:
    """Make the reader of one part directly, as tests of applications do; the boundary is ``B``."""
    headers = CIMultiDictProxy(CIMultiDict(fields))
    return kit.part(b"--B", headers, _fill(kit, body + b"\r\n--B--", 2**20), **more)


# -- outcomes

_KINDS = (
    AssertionError,
    LookupError,
    RecursionError,
    RuntimeError,
    UnicodeDecodeError,
    ValueError,
)


@dataclass(frozen=True)
class Raised:
    """An exception: the built-in classes by which it can be caught, and its text."""

    kinds: frozenset[str]
    text: str


async def attempt(work: Awaitable[Any]) -> Any:
    """Give the result, or what was raised."""
    try:
        return await work
    except Exception as exc:
        kinds = frozenset(kind.__name__ for kind in _KINDS if isinstance(exc, kind))
        return Raised(kinds, str(exc).removeprefix("400, message:\n  "))


def agree(expected: Any, found: Any) -> bool:
    """Compare outcomes; what is raised may be caught by more classes than expected."""
    if isinstance(expected, Raised) and isinstance(found, Raised):
        return expected.kinds <= found.kinds and expected.text == found.text
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(agree, expected, found))
    return bool(expected == found)


# -- ways to read a part


async def _read_chunks(part: Any) -> Any:
    chunks = []
    while not part.at_eof():
        chunks.append(await part.read_chunk())
    return [chunks, await part.read_chunk()]


async def _read_lines(part: Any) -> Any:
    lines = []
    while line := await part.readline():
        lines.append(line)
    return lines


async def _read_twice(part: Any) -> Any:
    return [await part.read(), await part.read(), await part.next()]


async def _decode_later(part: Any) -> Any:
    data = await part.read()
    pieces = [bytes(piece) async for piece in part.decode_iter(data)]
    return [bytes(part.decode(bytes(data))), b"".join(pieces)]


async def _iterate(part: Any) -> Any:
    return [piece async for piece in part]


async def _leave(part: Any) -> Any:
    return "left"


async def _begin(part: Any) -> Any:
    return await part.read_chunk(128)


METHODS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "read": _read_twice,
    "decoded": lambda part: part.read(decode=True),
    "decode": _decode_later,
    "chunks": _read_chunks,
    "lines": _read_lines,
    "iterate": _iterate,
    "text": lambda part: part.text(),
    "text as latin-1": lambda part: part.text(encoding="latin-1"),
    "json": lambda part: part.json(),
    "form": lambda part: part.form(),
    "release": lambda part: part.release(),
    "leave": _leave,
    "begin": _begin,
}


async def transcribe(reader: Any, method: str) -> Any:
    """Read all parts, the nested too, each by one method; tell what was seen."""
    told: list[Any] = []
    while True:
        part = await attempt(reader.next())
        if part is None or isinstance(part, Raised):
            return [*told, part, reader.at_eof()]
        fields = list(part.headers.items())
        if hasattr(part, "fetch_next_part"):
            told.append(["multipart", fields, await transcribe(part, method)])
            continue
        seen = await attempt(METHODS[method](part))
        # What is behind the last line is a difference of its own.
        ended = method == "lines" or part.at_eof()
        told.append([fields, part.name, part.filename, part.get_charset("none"), seen, ended])


# -- bodies

_BOUNDARIES = {"token": "B", "quoted": "a b:c", "longest": "x" * 70, "dashes": "--"}
_FRAMES = {
    "plain": (b"", b"", b"\r\n"),
    "preamble": (b"This is\r\n\r\na preamble.\r\n", b"", b"\r\n"),
    "epilogue": (b"", b"", b"\r\nThis is\r\nan epilogue."),
    "no-last-crlf": (b"", b"", b""),
    "padding": (b"\r\n", b" \t", b"\r\n"),
}
_HEADS = {
    "none": {},
    "name": {"Content-Disposition": 'form-data; name="field"'},
    "file": {
        "content-disposition": 'form-data; name="file"; filename="ä \\"b\\".txt"',
        "Content-Type": "application/octet-stream",
    },
    "charset": {"Content-Type": "text/plain; charset=latin-1"},
    "json": {"Content-Type": 'application/json; charset="UTF-8"'},
    "attachment": {"Content-Disposition": "attachment; filename*=UTF-8''%e2%82%ac"},
    "length": {"Content-Length": "<right>"},
    "many": {f"X-{n}": str(n) for n in range(30)},
}
_CODINGS: dict[str, tuple[dict[str, str], Callable[[bytes], bytes]]] = {
    "none": ({}, bytes),
    "identity": ({"Content-Encoding": "identity"}, bytes),
    "base64": ({"Content-Transfer-Encoding": "base64"}, base64.encodebytes),
    "quoted-printable": (
        {"Content-Transfer-Encoding": "Quoted-Printable"},
        lambda data: quopri.encodestring(data).replace(b"\n", b"\r\n"),
    ),
    "binary": ({"Content-Transfer-Encoding": "binary"}, bytes),
    "8bit": ({"Content-Transfer-Encoding": "8bit"}, bytes),
    "gzip": ({"Content-Encoding": "gzip"}, lambda data: gzip.compress(data, mtime=0)),
    "deflate": ({"Content-Encoding": "deflate"}, lambda data: zlib.compress(data, wbits=-15)),
    "base64 of gzip": (
        {"Content-Encoding": "GZIP", "Content-Transfer-Encoding": "BASE64"},
        lambda data: binascii.b2a_base64(gzip.compress(data, mtime=0), newline=False),
    ),
    "unknown": ({"Content-Encoding": "rot13"}, bytes),
    "unknown transfer": ({"Content-Transfer-Encoding": "uuencode"}, bytes),
}
_DATA = {
    "nothing": b"",
    "json": b'{"a": [1, "\xc3\xa9"]}',
    "form": b"a=1&b=%C3%A9+c&d",
    "lines": b"a\nb\r\n\r\nc",
    "dashes": b"--\r\n-\r\n--\r\r\n--C\r--B\n--B",
    "not utf-8": bytes(range(256)),
    "a chunk": b"0123456789abcdef" * 512,
    "large": b"0123456789abcdefghi\n" * 3501,
}
DIMENSIONS: dict[str, list[Any]] = {
    "subtype": ["form-data", "mixed", "related"],
    "boundary": [*_BOUNDARIES],
    "frame": [*_FRAMES],
    "count": [0, 1, 3],
    "head": [*_HEADS],
    "coding": [*_CODINGS],
    "data": [*_DATA],
    "pieces": ["whole", "few", "many"],
    "method": [*METHODS],
    "depth": [0, 1, 2],
}
STEPS = {"whole": 2**20, "few": 4093, "many": 17}


def dump(
    parts: list[tuple[Mapping[str, str], bytes]],
    boundary: str = "B",
    frame: tuple[bytes, bytes, bytes] = (b"", b"", b"\r\n"),
) -> bytes:
    """Write a body: fields and data of its parts; preamble, padding and epilogue around them."""
    preamble, padding, epilogue = frame
    body = [preamble]
    for fields, data in parts:
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        head = b"--%b%b\r\n%b\r\n" % (boundary.encode(), padding, lines.encode())
        body += [head, data, b"\r\n"]
    return b"".join([*body, b"--%b--%b" % (boundary.encode(), padding), epilogue])


def build(row: Mapping[str, Any]) -> tuple[str, bytes]:
    """Write the body of a row of dimensions, and its media type."""
    coding_fields, encode = _CODINGS[row["coding"]]
    # That lines of an empty part can be read is a difference of its own.
    no_lines = row["method"] == "lines" and row["data"] == "nothing"
    data = encode(_DATA["json" if no_lines else row["data"]])
    fields = {**_HEADS[row["head"]], **coding_fields}
    if "Content-Length" in fields:
        fields["Content-Length"] = str(len(data))
    boundary = _BOUNDARIES[row["boundary"]]
    parts: list[tuple[Mapping[str, str], bytes]] = [(fields, data)] * row["count"]
    subtype = row["subtype"]
    for level in range(row["depth"]):
        # Other epilogues than these are a difference of their own.
        epilogue = b"\r\n" if parts else b""
        inner = dump(parts, f"inner{level}", (b"preamble\r\n", b"", epilogue))
        media = f"multipart/{subtype}; boundary=inner{level}"
        parts = [({"Content-Type": media}, inner), ({"X": "y"}, b"between")]
    return f'multipart/{subtype}; boundary="{boundary}"', dump(
        parts, boundary, _FRAMES[row["frame"]]
    )
