"""Payloads by themselves: what they are made of, how often they are written, when they close."""

import asyncio
import gc
import io
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from bascule import BodyPartReader, MultipartReader, MultipartWriter, payload, web
from bascule.app.handling import Handling
from bascule.streams import StreamReader
from bascule.testing import MemoryExchange
from support.wire import PATIENCE, serve

LARGE = b"0123456789abcdef" * 40_000


class Sink:
    """Keeps what is written to it, piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))


async def write(body: Any, length: int | None = None) -> bytes:
    sink = Sink()
    if length is None:
        await body.write(sink)
    else:
        await body.write_with_length(sink, length)
    return b"".join(sink.pieces)


async def generate() -> AsyncIterator[bytes]:
    yield b"one, "
    yield b"two"


def start_handling(handler: Any, **options: Any) -> Handling:
    app = web.Application()
    app.router.add_route("*", "/", handler)
    app.freeze()
    return Handling(app, logger=app.logger, **options)


# -- what payloads are made of


@pytest.fixture
def files(tmp_path: Path) -> Iterator[dict[str, Any]]:
    (tmp_path / "a.png").write_bytes(b"12345")
    opened = {
        "buffered": (tmp_path / "a.png").open("rb"),
        "both ways": (tmp_path / "a.png").open("r+b"),
        "raw": (tmp_path / "a.png").open("rb", buffering=0),
        "text": (tmp_path / "a.png").open(encoding="utf-8"),
        "unnamed": tempfile.TemporaryFile(),  # noqa: SIM115  # closed below
        "spooled": tempfile.SpooledTemporaryFile(),  # noqa: SIM115
    }
    yield opened
    for file in opened.values():
        file.close()


FILES = [
    ("buffered", "BufferedReaderPayload", "image/png", 'attachment; filename="a.png"', 5),
    ("both ways", "BufferedReaderPayload", "image/png", 'attachment; filename="a.png"', 5),
    ("raw", "IOBasePayload", "image/png", 'attachment; filename="a.png"', 5),
    (
        "text",
        "TextIOPayload",
        "text/plain; charset=utf-8",
        'attachment; filename="a.png"',
        None,
    ),
    ("unnamed", "BufferedReaderPayload", "application/octet-stream", None, 0),
    ("spooled", "IOBasePayload", "application/octet-stream", None, 0),
]


@pytest.mark.parametrize(("name", "kind", "media", "disposition", "size"), FILES)
def test_a_file_is_described_by_its_name(
    files: dict[str, Any],
    name: str,
    kind: str,
    media: str,
    disposition: str | None,
    size: int | None,
) -> None:
    made = payload.get_payload(files[name])
    seen = [type(made).__name__, made.content_type, made.headers.get("Content-Disposition")]
    assert [*seen, made.size] == [kind, media, disposition, size]


def test_a_disposition_that_is_given_wins(files: dict[str, Any]) -> None:
    given = {"Content-Disposition": 'form-data; name="n"'}
    writer = MultipartWriter("form-data")
    writer.append(files["buffered"], given)
    made = payload.get_payload(files["raw"], headers=given)
    for each in (made, *(part for part, _, _ in writer)):
        assert each.headers.getall("Content-Disposition") == [given["Content-Disposition"]]
    assert "Content-Disposition" not in payload.get_payload(files["raw"], disposition=None).headers


def test_a_spooled_file_stays_in_memory(files: dict[str, Any]) -> None:
    files["spooled"].write(b"123")
    files["spooled"].seek(1)
    assert payload.get_payload(files["spooled"]).size == 2
    assert not files["spooled"]._rolled


@pytest.mark.parametrize(
    "value", [1, None, {}, [b"x"], Path("x"), iter([b"x"]), io, MultipartWriter]
)
def test_what_is_unknown_is_refused(value: Any) -> None:
    with pytest.raises(payload.LookupError):
        payload.get_payload(value)
    with pytest.raises(TypeError, match="Cannot create payload from"):
        MultipartWriter().append(value)
    if value is not None:
        with pytest.raises(ValueError, match=r"Unsupported body type <class '"):
            web.Response(body=value)


TEXTS = [
    ({}, "text/plain; charset=utf-8", "né".encode()),
    ({"encoding": "latin-1"}, "text/plain; charset=latin-1", b"n\xe9"),
    ({"content_type": "text/x"}, "text/x", "né".encode()),
    ({"content_type": "text/x; charset=latin-1"}, "text/x; charset=latin-1", b"n\xe9"),
    (
        {"content_type": "text/x; charset=latin-1", "encoding": "utf-8"},
        "text/x; charset=latin-1",
        "né".encode(),
    ),
]


@pytest.mark.parametrize(("arguments", "content_type", "data"), TEXTS)
async def test_text_is_encoded_as_its_type_says(
    tmp_path: Path, arguments: dict[str, str], content_type: str, data: bytes
) -> None:
    (tmp_path / "a.txt").write_text("né", encoding="utf-16")
    with (tmp_path / "a.txt").open(encoding="utf-16") as file:
        for made in (
            payload.StringPayload("né", **arguments),
            payload.StringIOPayload(io.StringIO("né"), **arguments),
            payload.TextIOPayload(file, **arguments),
        ):
            assert made.content_type == content_type
            assert [await write(made), await made.as_bytes()] == [data, data]
            assert made.decode(made.encoding or "") == "né"


async def test_a_byte_order_mark_is_written_once(tmp_path: Path) -> None:
    text = "é" * 600_000
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    with (tmp_path / "a.txt").open(encoding="utf-8") as file:
        made = payload.TextIOPayload(file, encoding="utf-16")
        assert len(await write(made, 4)) == 4
        for _ in range(2):
            assert (await write(made)).decode("utf-16") == text


async def test_line_ends_of_a_text_file_are_those_that_it_is_read_with(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a\r\nb\r\n")
    with (tmp_path / "a.txt").open() as file:
        assert await write(payload.TextIOPayload(file)) == b"a\nb\n"


# -- how they are written


class Pipe(io.RawIOBase):
    """A file that cannot be wound back."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), 3, len(self._data))
        buffer[:size], self._data = self._data[:size], self._data[size:]
        return size


async def test_files_are_read_in_threads_and_in_pieces() -> None:
    threads = set()

    class Watched(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            threads.add(threading.current_thread())
            return super().read(size)

    with Watched(io.BytesIO(LARGE)) as file:  # type: ignore[arg-type]  # it is raw enough
        sink = Sink()
        await payload.get_payload(file).write(sink)
    assert [len(piece) for piece in sink.pieces] == [2**18, 2**18, 115_712]
    assert b"".join(sink.pieces) == LARGE
    assert threading.main_thread() not in threads


async def test_a_body_can_be_written_again_if_it_can_be_wound_back() -> None:
    moved = io.BytesIO(b"12345")
    moved.seek(2)
    for made, first, second in (
        (payload.get_payload(b"abc"), b"abc", b"abc"),
        (payload.get_payload(moved), b"345", b"345"),
        (payload.get_payload(Pipe(b"12345")), b"12345", b""),
        (payload.get_payload(generate()), b"one, two", b""),
    ):
        assert not made.consumed
        assert await write(made) == first
        assert made.consumed is (second == b"")
        assert await write(made) == second


async def test_what_cannot_be_wound_back_has_no_size() -> None:
    assert payload.get_payload(Pipe(b"12345")).size is None


async def test_a_generator_that_was_kept_can_be_decoded_and_written_again() -> None:
    made = payload.get_payload(generate())
    with pytest.raises(TypeError, match="Unable to decode"):
        made.decode()
    assert await made.as_bytes() == b"one, two"
    assert [made.decode(), await write(made), await write(made, 3)] == [
        "one, two",
        b"one, two",
        b"one",
    ]


@pytest.mark.parametrize("length", [0, 1, 6, 100])
async def test_a_length_bounds_what_is_written(length: int, files: dict[str, Any]) -> None:
    values: list[tuple[Any, bytes]] = [
        (b"one, two", b"one, two"),
        (memoryview(b"one, two").cast("I"), b"one, two"),
        (io.BytesIO(b"one, two"), b"one, two"),
        (generate(), b"one, two"),
        (files["buffered"], b"12345"),
    ]
    for value, data in values:
        made = payload.get_payload(value)
        assert await write(made, length) == data[:length]
        await made.close()


# -- Content-Disposition

DISPOSITIONS = [
    ({"name": "a"}, True, 'form-data; name="a"'),
    ({"name": 'a"\\ b'}, True, 'form-data; name="a\\"\\\\ b"'),
    ({"name": "é"}, True, "form-data; name*=utf-8''%C3%A9"),
    ({"name": "a\r\nb"}, True, "form-data; name*=utf-8''a%0D%0Ab"),
    ({"name": "é"}, False, 'form-data; name="é"'),
    ({"filename": 'a "é".txt'}, True, 'form-data; filename="a%20%22%C3%A9%22.txt"'),
    ({"filename": 'a "é".txt'}, False, 'form-data; filename="a \\"é\\".txt"'),
    ({"name": "n", "filename": "f"}, True, 'form-data; name="n"; filename="f"'),
]


@pytest.mark.parametrize(("parameters", "quoted", "field"), DISPOSITIONS)
def test_a_disposition_is_quoted(parameters: dict[str, str], quoted: bool, field: str) -> None:
    made = payload.BytesPayload(b"")
    made.set_content_disposition("form-data", quote_fields=quoted, **parameters)
    assert made.headers["Content-Disposition"] == field


@pytest.mark.parametrize("kind", ["", "a b", "attachment\n", "é"])
def test_the_type_of_a_disposition_is_a_token(kind: str) -> None:
    with pytest.raises(ValueError, match="bad content disposition type"):
        payload.BytesPayload(b"").set_content_disposition(kind)


@pytest.mark.parametrize("name", ["", "a b", "a=b", "é"])
def test_a_parameter_of_a_disposition_is_a_token(name: str) -> None:
    with pytest.raises(ValueError, match="bad content disposition parameter"):
        payload.BytesPayload(b"").set_content_disposition("x", **{name: "y"})


# -- the registry


class First(payload.BytesPayload):
    """One of two classes of payload."""


class Second(payload.BytesPayload):
    """The other."""


REGISTERED = [
    ([(First, bytes, "normal"), (Second, bytes, "normal")], Second),
    ([(First, object, "normal"), (Second, bytes, "normal")], Second),
    ([(First, object, "normal"), (Second, (bytes, int), "normal")], Second),
    ([(First, object, "try_first"), (Second, bytes, "normal")], First),
    ([(First, object, "try_last"), (Second, object, "normal")], Second),
    ([(First, object, "normal"), (Second, object, "normal")], First),
]


@pytest.mark.parametrize(("registered", "expected"), REGISTERED)
def test_the_nearest_class_takes_a_value(registered: list[Any], expected: Any) -> None:
    registry = payload.PayloadRegistry()
    for factory, kind, order in registered:
        registry.register(factory, kind, order=payload.Order(order))
    assert type(registry.get(b"")) is expected


def test_an_order_is_one_of_three() -> None:
    with pytest.raises(ValueError, match="Unsupported order 'later'"):
        payload.PayloadRegistry().register(First, bytes, order="later")  # type: ignore[arg-type]


# -- closing


@pytest.mark.parametrize("leaves", ["between pieces", "cancelled"])
async def test_a_generator_is_closed_when_the_client_leaves(leaves: str) -> None:
    exchange = MemoryExchange()
    steps = []
    waiting = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            if leaves == "cancelled":
                waiting.set()
                await asyncio.Event().wait()
            exchange.leave(ConnectionResetError("gone"))
            yield b"second"
            steps.append("went on")
        finally:
            steps.append("closed")

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=endless())

    handling = start_handling(handler, handler_cancellation=True)
    answering = asyncio.create_task(handling(exchange))
    if leaves == "cancelled":
        await waiting.wait()
        exchange.leave(ConnectionResetError("gone"))
    await answering
    assert (steps, exchange.sent) == (["closed"], b"first")


@pytest.mark.parametrize("is_part", [False, True])
async def test_a_file_is_closed_when_the_client_leaves(tmp_path: Path, is_part: bool) -> None:
    """GHSA-9x8q-7h8h-wcw9."""
    with (tmp_path / "large").open("wb") as large:
        large.truncate(2**28)
    closed = asyncio.Event()

    class Watched(payload.BufferedReaderPayload):
        async def close(self) -> None:
            await super().close()
            assert self._value.closed
            closed.set()

    async def handler(request: web.Request) -> web.Response:
        body: payload.Payload = Watched((tmp_path / "large").open("rb"))
        if is_part:
            writer = MultipartWriter()
            writer.append(body)
            body = writer
        return web.Response(body=body)

    app = web.Application()
    app.router.add_get("/", handler)
    async with serve(app) as served:
        async with served.connect() as wire:
            await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await wire.read_head()
        async with asyncio.timeout(PATIENCE):
            await closed.wait()


async def test_a_file_is_closed_behind_a_read_that_was_cancelled() -> None:
    """A file that is closed while another thread reads may be another file by then."""
    may_end = threading.Event()
    loop = asyncio.get_running_loop()
    begun, closed = asyncio.Event(), asyncio.Event()
    order = []

    class Slow(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            loop.call_soon_threadsafe(begun.set)
            may_end.wait()
            order.append("read")
            return 0

        def close(self) -> None:
            if not self.closed:
                order.append("closed")
                super().close()
                loop.call_soon_threadsafe(closed.set)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=Slow())

    exchange = MemoryExchange()
    answering = asyncio.create_task(start_handling(handler)(exchange))
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    may_end.set()
    async with asyncio.timeout(PATIENCE):
        await closed.wait()
    assert order == ["read", "closed"]


async def test_a_payload_is_closed_when_its_answer_cannot_be_prepared(
    files: dict[str, Any],
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=files["buffered"], headers={"X-A": "a\r\nb"})

    exchange = await MemoryExchange().answered_by(start_handling(handler))
    assert exchange.status == 500
    assert files["buffered"].closed


async def test_all_parts_are_closed_even_when_one_fails(files: dict[str, Any]) -> None:
    class Failing(payload.BytesPayload):
        async def close(self) -> None:
            raise ValueError("cannot be closed")

    writer = MultipartWriter()
    writer.append(Failing(b""))
    writer.append(files["buffered"])
    assert writer.autoclose is False
    with pytest.raises(ValueError, match="cannot be closed"):
        await writer.close()
    assert files["buffered"].closed


# -- bodies of responses


async def test_a_body_is_a_payload_or_bytes() -> None:
    assert web.Response(body=b"x").body == b"x"
    assert web.Response().body is None
    response = web.Response(body="né")
    assert isinstance(response.body, payload.StringPayload)
    assert (response.text, response.content_length) == ("né", None)
    made = payload.BytesPayload(b"x")
    assert web.Response(body=made).body is made


async def test_a_stream_has_no_text() -> None:
    with pytest.raises(TypeError, match="Unable to decode"):
        _ = web.Response(body=generate()).text


@pytest.mark.parametrize("charset", ["latin-1", "utf-16"])
async def test_a_str_as_body_is_in_the_charset_of_its_type(charset: str) -> None:
    response = web.Response(body="né", content_type="text/x", charset=charset)
    assert await response.body.as_bytes() == "né".encode(charset)
    assert response.text == "né"


class OldPayload:
    """What payloads of aiohttp were before they could be closed."""

    def __init__(self) -> None:
        self.headers = CIMultiDict({"Content-Type": "x/old"})
        self.size = 3

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return "old"

    async def write(self, writer: Any) -> None:
        await writer.write(b"old")


async def test_payloads_without_close_are_bodies_and_parts() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=OldPayload())

    exchange = await MemoryExchange().answered_by(start_handling(handler))
    assert (exchange.sent, exchange.complete) == (b"old", True)
    writer = MultipartWriter("mixed", "B")
    writer.append(OldPayload())
    expected = b"--B\r\nContent-Type: x/old\r\nContent-Length: 3\r\n\r\nold\r\n--B--\r\n"
    assert [await writer.as_bytes(), await write(writer)] == [expected, expected]
    await writer.close()


# -- parts

BOUNDARIES = [
    ("abc", "multipart/mixed; boundary=abc"),
    ("a b", 'multipart/mixed; boundary="a b"'),
    ('a"\\b', 'multipart/mixed; boundary="a\\"\\\\b"'),
    ("a:b=?", 'multipart/mixed; boundary="a:b=?"'),
]


@pytest.mark.parametrize(("boundary", "content_type"), BOUNDARIES)
def test_a_boundary_is_quoted_where_it_must_be(boundary: str, content_type: str) -> None:
    writer = MultipartWriter(boundary=boundary)
    assert (writer.boundary, writer.content_type) == (boundary, content_type)


@pytest.mark.parametrize("boundary", ["é", "a\nb", "a\r\nX: b", "a\x00", "\x7f"])
def test_a_boundary_has_no_control_characters(boundary: str) -> None:
    with pytest.raises(ValueError, match="boundary"):
        MultipartWriter(boundary=boundary)


def test_a_boundary_is_made_up() -> None:
    one, other = MultipartWriter(), MultipartWriter()
    assert len(one.boundary) == 32
    assert one.boundary != other.boundary


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "a\r\nX-B: b"},
        {"X-A": "a\nb"},
        {"X-A": "a\rb"},
        {"X-A": "a\x00b"},
        {"X-A: a\r\nX-B": "b"},
        {"Content-Type": "a/b\r\n\r\nbody"},
    ],
    ids=repr,
)
async def test_fields_of_a_part_hold_no_line_breaks(headers: dict[str, str]) -> None:
    """Nothing of such a part is written, nor is it a secret of `size`."""
    writer = MultipartWriter()
    writer.append(b"x", headers)
    sink = Sink()
    for use in (writer.write(sink), writer.as_bytes()):
        with pytest.raises(ValueError, match=r"header"):
            await use
    with pytest.raises(ValueError, match=r"header"):
        _ = writer.size
    assert sink.pieces == []


@pytest.mark.parametrize(
    "name", ["Content-Length", "Content-Encoding", "Content-Transfer-Encoding"]
)
def test_parts_of_a_form_have_no_codings(name: str) -> None:
    """RFC 7578 section 4.8."""
    with pytest.raises(AssertionError, match=name):
        MultipartWriter("form-data").append("x", {name: "1"})


@pytest.mark.parametrize(
    ("field", "match"),
    [
        ({"Content-Encoding": "br"}, "unknown content encoding: br"),
        ({"Content-Transfer-Encoding": "8bit"}, "unknown content transfer encoding: 8bit"),
    ],
)
def test_a_coding_is_known(field: dict[str, str], match: str) -> None:
    with pytest.raises(RuntimeError, match=match):
        MultipartWriter().append("x", field)


def test_parts_of_a_form_have_a_name() -> None:
    writer = MultipartWriter("form-data")
    writer.append("x")
    writer.append("y", {"Content-Disposition": 'form-data; name="n"'})
    writer.append_form({"a": "é"})
    names = [part.headers["Content-Disposition"] for part, _, _ in writer]
    assert names == [f'form-data; name="{name}"' for name in ("section-0", "n", "section-2")]
    assert (len(writer), bool(MultipartWriter())) == (3, True)


async def test_the_text_of_parts_is_what_is_written() -> None:
    writer = MultipartWriter("mixed", "B")
    writer.append_json({"a": 1})
    writer.append_form([("a", "1"), ("a", "é b")])
    expected = (
        "--B\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n"
        '{"a": 1}\r\n'
        "--B\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 14\r\n\r\n"
        "a=1&a=%C3%A9+b\r\n--B--\r\n"
    )
    assert writer.decode() == expected
    assert [await write(writer), await writer.as_bytes()] == [expected.encode()] * 2


QUOTED = [
    ([b"plain"], b"plain"),
    (["né=".encode()], b"n=C3=A9=3D"),
    ([b"a\r\nb\nc"], b"a\r\nb\nc"),
    ([b"a\r", b"\nb"], b"a\r\nb"),
    ([b"a\rb"], b"a=0Db"),
    ([b"a ", b"b \n", b" "], b"a b=20\n=20"),
    ([b"x" * 100], b"x" * 75 + b"=\n" + b"x" * 25),
]


@pytest.mark.parametrize(("pieces", "encoded"), QUOTED)
async def test_lines_are_quoted_and_end_as_they_did(pieces: list[bytes], encoded: bytes) -> None:
    """RFC 2045 section 6.7."""
    writer = MultipartWriter("mixed", "B")
    writer.append(_give(pieces), {"Content-Transfer-Encoding": "quoted-printable"})
    head = (
        b"--B\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    assert await write(writer) == head + encoded + b"\r\n--B--\r\n"


CODINGS = st.sampled_from(["", "gzip", "deflate", "identity"])
TRANSFERS = st.sampled_from(["", "base64", "quoted-printable", "binary"])
DATA = st.binary(max_size=300) | st.text(alphabet="a \t\r\n=.é-B", max_size=200).map(str.encode)
PIECES = st.lists(DATA, max_size=4)
PARTS = st.lists(st.tuples(PIECES, CODINGS, TRANSFERS), max_size=4)


@given(parts=PARTS, depth=st.integers(0, 2), splits=st.lists(st.integers(1, 400), max_size=8))
async def test_what_is_written_is_what_is_read(
    parts: list[tuple[list[bytes], str, str]], depth: int, splits: list[int]
) -> None:
    """Whatever the pieces in which it is made, written and read."""
    writer = MultipartWriter()
    for pieces, coding, transfer in parts:
        head = {"Content-Encoding": coding, "Content-Transfer-Encoding": transfer}
        fields = {name: value for name, value in head.items() if value}
        writer.append(_give(pieces), fields)
    for _ in range(depth):
        outer = MultipartWriter()
        outer.append(writer)
        writer = outer
    body = await write(writer)
    stream = StreamReader()
    for size in splits:
        stream.feed_data(body[:size])
        body = body[size:]
    stream.feed_data(body)
    stream.feed_eof()
    reader = MultipartReader(CIMultiDictProxy(writer.headers), stream)
    for _ in range(depth):
        inner = await reader.next()
        assert isinstance(inner, MultipartReader)
        reader = inner
    read = []
    async for part in reader:
        assert isinstance(part, BodyPartReader)
        read.append(bytes(await part.read(decode=True)))
    assert read == [b"".join(pieces) for pieces, _, _ in parts]


async def _give(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@given(st.lists(st.binary(max_size=50), max_size=5), st.booleans())
async def test_the_size_of_parts_is_what_is_written_of_them(
    parts: list[bytes], is_nested: bool
) -> None:
    writer = MultipartWriter()
    for data in parts:
        writer.append(data)
    if is_nested:
        outer = MultipartWriter()
        outer.append(writer)
        writer = outer
    assert writer.size == len(await write(writer))


async def test_an_unread_generator_leaves_nothing_behind() -> None:
    """Neither a warning nor a task; `no_leaks` looks for both."""
    web.Response(body=generate())
    gc.collect()
