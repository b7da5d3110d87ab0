"""Programs about bodies of every kind, for aiohttp and bascule alike."""

import binascii
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from .pairwise import pairwise

__all__ = ["BODIES", "CASES", "WRITTEN", "Library", "application", "write_parts"]

TEXT = "naïve ☃\n"
PLAIN = b"hello " * 300


class Library:
    """The names of one library.

    Attributes:
        web: its module of that name.
        payload: its module of that name.
        MultipartWriter: its class.
        folder: where the files are that bodies are made of.
    """

    def __init__(self, root: Any, folder: Path) -> None:
        self.web = root.web
        self.payload = root.payload
        self.MultipartWriter = root.MultipartWriter
        self.folder = folder
        self.opened: list[Any] = []

    def open(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Open a file, to be closed by `close` at the latest."""
        file = open(self.folder / name, *args, **kwargs)  # noqa: SIM115  # closed by the payload
        self.opened.append(file)
        return file

    def close(self) -> None:
        """Close what no payload has closed."""
        for file in self.opened:
            file.close()
        self.opened.clear()


async def _generate() -> AsyncIterator[bytes]:
    yield b"one, "
    yield b""
    yield bytearray(b"two")


async def _generate_nothing() -> AsyncIterator[bytes]:
    for piece in ():
        yield piece


class _Iterable:
    def __aiter__(self) -> AsyncIterator[bytes]:
        return _generate()


def _move(library: Library) -> io.BytesIO:
    file = io.BytesIO(PLAIN)
    file.seek(100)
    return file


def _own(library: Library, size: int | None) -> Any:
    class Own(library.payload.Payload):  # type: ignore[misc, name-defined]  # of either library
        def __init__(self) -> None:
            super().__init__(None, headers={"X-Own": "1", "Content-Type": "x/own"})
            self._size = size

        def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
            return "own body"

        async def write(self, writer: Any) -> None:
            await writer.write(b"own ")
            await writer.write(b"body")

    return Own()


def _parts(library: Library, *bodies: Any) -> Any:
    writer = library.MultipartWriter("mixed", "x-border")
    for body in bodies:
        writer.append(body)
    return writer


def _nested(library: Library) -> Any:
    inner = library.MultipartWriter("related", "inner")
    inner.append(b"in", {"X-In": "1"})
    return _parts(library, "out", inner, b"last")


BODIES: dict[str, Callable[[Library], Any]] = {
    "bytes": lambda library: PLAIN,
    "bytearray": lambda library: bytearray(PLAIN),
    "memoryview": lambda library: memoryview(PLAIN),
    "text": lambda library: TEXT,
    "empty text": lambda library: "",
    "bytes io": lambda library: io.BytesIO(PLAIN),
    "bytes io moved": _move,
    "bytes io empty": lambda library: io.BytesIO(),
    "text io": lambda library: io.StringIO(TEXT),
    "file": lambda library: library.open("a file.html", "rb"),
    "large file": lambda library: library.open("large.bin", "rb"),
    "raw file": lambda library: library.open("a file.html", "rb", buffering=0),
    "both-ways file": lambda library: library.open("a file.html", "r+b"),
    "text file": lambda library: library.open("text.txt", encoding="utf-8"),
    "generator": lambda library: _generate(),
    "empty generator": lambda library: _generate_nothing(),
    "iterable": lambda library: _Iterable(),
    "json": lambda library: library.payload.JsonPayload({"a": "é"}),
    "json bytes": lambda library: library.payload.JsonBytesPayload(1, dumps=lambda _: b"1"),
    "own": lambda library: _own(library, None),
    "own sized": lambda library: _own(library, 8),
    "named": lambda library: library.payload.BytesIOPayload(io.BytesIO(b"x"), filename="ü ü.png"),
    "parts": lambda library: _parts(library, "text", b"bytes", io.BytesIO(b"io")),
    "no parts": lambda library: _parts(library),
    "parts streamed": lambda library: _parts(library, _generate(), "text"),
    "nested parts": _nested,
    "number": lambda library: 1,
    "list": lambda library: [b"a"],
    "path": lambda library: Path("a"),
}

_HEADERS: dict[str, dict[str, Any]] = {
    "none": {},
    "type": {"headers": {"Content-Type": "text/x; charset=utf-8"}},
    "latin": {"headers": {"content-type": "text/x; charset=latin-1"}},
    "type argument": {"content_type": "text/y"},
    "charset argument": {"content_type": "text/y", "charset": "utf-8"},
    "disposition": {"headers": {"Content-Disposition": "inline", "X-Own": "2"}},
    "length": {"headers": {"Content-Length": "1"}},
}

_NAMES = [*BODIES, "content", "part"]
CASES = pairwise(
    {
        "body": _NAMES,
        "headers": [*_HEADERS],
        "method": ["GET", "HEAD", "POST"],
        "version": ["1.1", "1.0"],
        "coding": [None, "gzip", "deflate", "identity"],
        "status": [200, 404],
        "chunked": [False, True],
    }
) + pairwise(
    {
        "body": _NAMES,
        "headers": ["none", "length"],
        "method": ["GET", "HEAD"],
        "version": ["1.1"],
        "coding": [None, "gzip"],
        "status": [204, 304],
        "chunked": [False, True],
    }
)


def application(library: Library) -> Any:
    """Make the application under test: `/<number of a case>`."""

    async def answer(request: Any) -> Any:
        case = CASES[int(request.match_info["number"])]
        body = await _make_body(library, request, case["body"])
        headers = _HEADERS[case["headers"]]
        response = library.web.Response(body=body, status=case["status"], **headers)
        if case["coding"] is not None:
            response.enable_compression(library.web.ContentCoding[case["coding"]])
        if case["chunked"] and case["version"] == "1.1" and case["headers"] != "length":
            response.enable_chunked_encoding()
        return response

    app = library.web.Application()
    app.router.add_route("*", "/{number}", answer)
    return app


async def _make_body(library: Library, request: Any, name: str) -> Any:
    if name == "content":
        return request.content
    if name == "part":
        return await (await request.multipart()).next()
    return BODIES[name](library)


# -- bodies of parts, written without a server

WRITTEN = pairwise(
    {
        "subtype": ["mixed", "related", "form-data"],
        "boundary": ["x-border", "a b", 'q"u\\o'],
        "first": [*BODIES],
        "second": [None, "bytes", "text", "generator", "nested parts"],
        "coding": [None, "", "gzip", "deflate", "identity", "GZIP", "br"],
        "transfer": [None, "", "base64", "quoted-printable", "binary", "Base64", "8bit"],
        "head": ["none", "type", "disposition", "named", "injected", "injected name"],
        "nested": [False, True],
        "closed": [True, False],
    }
)

_HEADS: dict[str, dict[str, str]] = {
    "none": {},
    "type": {"content-type": "x/y"},
    "disposition": {"Content-Disposition": 'form-data; name="n"'},
    "named": {},
    "injected": {"X-A": "a\r\nX-B: b"},
    "injected name": {"X-A\nX-B": "a"},
}


async def write_parts(library: Library, case: dict[str, Any]) -> list[Any]:
    """Write the parts of a case; tell what was written, or the type of the error."""
    try:
        writer = _compose(library, case)
        facts = [dict(writer.headers), writer.boundary, len(writer), writer.size]
        facts += [[dict(part.headers), coding, kind] for part, coding, kind in writer]
        sink = Sink()
        await writer.write(sink, close_boundary=case["closed"])
        await writer.close()
    except Exception as exc:
        return [type(exc).__name__]
    if case["transfer"] == "quoted-printable":  # which blanks are encoded is free
        return [*facts, binascii.a2b_qp(sink.data)]
    return [*facts, bytes(sink.data)]


def _compose(library: Library, case: dict[str, Any]) -> Any:
    writer = library.MultipartWriter(case["subtype"], case["boundary"])
    head = dict(_HEADS[case["head"]])
    if case["coding"] is not None:
        head["Content-Encoding"] = case["coding"]
    if case["transfer"] is not None:
        head["Content-Transfer-Encoding"] = case["transfer"]
    part = writer.append(BODIES[case["first"]](library), head)
    if case["head"] == "named":
        part.set_content_disposition("form-data", name="n\u00e9", filename='a "b".txt')
    if case["second"] is not None:
        writer.append(BODIES[case["second"]](library))
    if case["nested"]:
        outer = library.MultipartWriter("mixed", "outer")
        outer.append(writer, {"X-Nested": "1"})
        return outer
    return writer


class Sink:
    """Keeps what is written to it."""

    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, data: Any) -> None:
        """Take a piece."""
        self.data += data

    async def drain(self) -> None:
        """Wait for nothing."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Take the last piece."""
        self.data += data
