"""The readers of multipart bodies: streaming, codings, limits, and peers that mean no good."""

import asyncio
import base64
import binascii
import email
import email.policy
import gzip
import tracemalloc
import weakref
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from bascule import BodyPartReader, MultipartReader, web
from bascule.streams import StreamReader
from bascule.wire.multipart import Limits, MultipartError, MultipartParser
from support.bodies import MIB, Body, cut, find_peak, repeat

MIXED = "multipart/mixed; boundary=B"
FORM = "multipart/form-data; boundary=B"


def read(*pieces: bytes, content_type: str = MIXED, **more: Any) -> MultipartReader:
    return MultipartReader({"Content-Type": content_type}, Body(pieces).stream, **more)


def make_part(data: bytes, fields: Mapping[str, str], **more: Any) -> BodyPartReader:
    headers = CIMultiDictProxy(CIMultiDict(fields))
    return BodyPartReader(b"--B", headers, Body([data, b"\r\n--B--"]).stream, **more)


def dump(parts: Iterable[tuple[Mapping[str, str], bytes]], boundary: str = "B") -> bytes:
    mark = b"--" + boundary.encode()
    body = b""
    for fields, data in parts:
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        body += mark + b"\r\n" + lines.encode() + b"\r\n" + data + b"\r\n"
    return body + mark + b"--\r\n"


async def tell(reader: MultipartReader) -> list[Any]:
    """Read all parts; a nested body is told as a list."""
    told: list[Any] = []
    async for part in reader:
        if isinstance(part, MultipartReader):
            told.append(await tell(part))
        else:
            told.append((dict(part.headers), bytes(await part.read())))
    return told


# -- reading while the body comes


async def test_a_part_is_given_when_its_head_has_come() -> None:
    stream = StreamReader()
    reader = MultipartReader({"Content-Type": MIXED}, stream)
    stream.feed_data(b"--B\r\nContent-Disposition: attachment; filename=a\r\n\r\n")
    part = await reader.next()
    assert isinstance(part, BodyPartReader)
    assert part.filename == "a"


async def test_a_chunk_is_given_when_it_has_come() -> None:
    stream = StreamReader()
    reader = MultipartReader({"Content-Type": MIXED}, stream)
    stream.feed_data(b"--B\r\n\r\nabcdef")
    part = await reader.next()
    assert isinstance(part, BodyPartReader)
    assert (await part.read_chunk(3), await part.read_chunk(3)) == (b"abc", b"def")
    assert not part.at_eof()
    stream.feed_data(b"\r\n--B--")
    stream.feed_eof()
    assert (await part.read_chunk(3), part.at_eof()) == (b"", True)


async def test_no_more_is_read_than_is_asked_for() -> None:
    whole = dump([({}, b"x" * MIB), ({}, b"y" * MIB)])
    body = Body(whole[at : at + 4096] for at in range(0, len(whole), 4096))
    reader = MultipartReader({"Content-Type": MIXED}, body.stream)
    part = await reader.next()
    assert isinstance(part, BodyPartReader)
    assert body.given == 4096
    await part.read_chunk(10_000)
    assert body.given == 3 * 4096


async def test_what_was_not_read_of_a_part_is_skipped() -> None:
    reader = read(dump([({}, b"x" * 9000), ({}, b"y"), ({}, b"z")]))
    first = await reader.next()
    assert isinstance(first, BodyPartReader)
    assert await first.read_chunk(9) == b"x" * 9
    await reader.next()
    third = await reader.next()
    assert isinstance(third, BodyPartReader)
    assert await third.read() == b"z"
    assert (first.at_eof(), await first.read(), await first.readline()) == (True, b"", b"")


async def test_a_part_of_a_nested_body_that_was_left_is_over() -> None:
    inner = dump([({}, b"inner" * 1000)], "C")
    reader = read(dump([({"Content-Type": "multipart/mixed; boundary=C"}, inner), ({}, b"z")]))
    nested = await reader.next()
    assert isinstance(nested, MultipartReader)
    part = await nested.next()
    assert isinstance(part, BodyPartReader)
    assert await part.read_chunk(5) == b"inner"
    await reader.next()
    assert (part.at_eof(), await part.read(), nested.at_eof()) == (True, b"", True)
    assert await nested.next() is None


async def test_reading_on_behind_the_end_gives_nothing() -> None:
    reader = read(b"--B--\r\nepilogue")
    assert [await reader.next(), await reader.next(), reader.at_eof()] == [None, None, True]


METHODS: dict[str, Callable[[BodyPartReader], Awaitable[Any]]] = {
    "read": lambda part: part.read(),
    "chunk": lambda part: part.read_chunk(100),
    "line": lambda part: part.readline(),
    "text": lambda part: part.text(),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fields", [{}, {"Content-Transfer-Encoding": "base64"}])
async def test_cancelling_loses_nothing(method: str, fields: dict[str, str]) -> None:
    stream = StreamReader()
    reader = MultipartReader({"Content-Type": MIXED}, stream)
    stream.feed_data(dump([(fields, b"YWJj")])[:-9])
    part = await reader.next()
    assert isinstance(part, BodyPartReader)
    reading = asyncio.ensure_future(METHODS[method](part))
    while not stream.is_waiting:
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    stream.feed_data(b"YWJj\r\n--B--")
    stream.feed_eof()
    assert await part.read() == b"YWJjYWJj"


async def test_a_reader_and_its_parts_are_freed_without_a_collection() -> None:
    reader = read(dump([({}, b"x" * 99_999)]))
    part = await reader.next()
    assert isinstance(part, BodyPartReader)
    await part.read_chunk(1)
    watched = [weakref.ref(reader), weakref.ref(part)]
    del reader, part
    assert [ref() for ref in watched] == [None, None]


# -- what is dumped is read back

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20)
FIELDS = st.dictionaries(
    st.sampled_from(["A", "X-B", "Content-Type", "Content-Disposition"]),
    TEXT.map(str.strip).filter(lambda value: not value.lower().startswith("multipart/")),
)
# No line begins with a boundary: RFC 2046 wants composers to see to it.
DATA = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"B", b"\r\n", b"x", b"\xff" * 9])).map(
    lambda pieces: b"".join(pieces).replace(b"\n--B", b"\n-B").replace(b"\n--N", b"")
)
LEAVES = st.tuples(FIELDS, DATA.map(lambda data: data[2:] if data.startswith(b"--B") else data))
TREES = st.recursive(
    st.lists(LEAVES, max_size=4), lambda inner: st.lists(LEAVES | inner, max_size=3), max_leaves=8
)


def dump_tree(tree: list[Any], boundary: str = "B", depth: int = 0) -> bytes:
    parts = []
    for part in tree:
        if isinstance(part, list):
            name = f"N{depth}"
            media = {"Content-Type": f"multipart/mixed; boundary={name}"}
            parts.append((media, dump_tree(part, name, depth + 1)))
        else:
            parts.append(part)
    return dump(parts, boundary)


@settings(deadline=None)
@given(tree=TREES, cuts=st.lists(st.integers(0, 10**6), max_size=20))
def test_what_is_dumped_is_read_back_however_it_is_cut(tree: list[Any], cuts: list[int]) -> None:
    assert asyncio.run(tell(read(*cut(dump_tree(tree), cuts)))) == tree


@settings(deadline=None)
@given(
    texts=st.lists(TEXT, min_size=1, max_size=4),
    boundary=st.sampled_from(["b", "a b'()+_,-./:=?", "x" * 70]),
    deep=st.booleans(),
)
def test_mail_is_read_as_by_the_standard_library(
    texts: list[str], boundary: str, deep: bool
) -> None:
    mail = MIMEMultipart(boundary=boundary)
    for text in texts:
        mail.attach(MIMEText(text, "plain", "utf-8"))
    if deep:
        outer = MIMEMultipart(boundary="outer")
        outer.attach(mail)
        mail = outer
    data = mail.as_bytes(policy=email.policy.SMTP.clone(max_line_length=998))
    parsed = email.message_from_bytes(data, policy=email.policy.default)
    expected = [
        (part.get_content_type(), part.get_content().replace("\r\n", "\n").removesuffix("\n"))
        for part in parsed.walk()
        if not part.is_multipart()
    ]
    _, _, body = data.partition(b"\r\n\r\n")

    async def walk(reader: MultipartReader) -> list[Any]:
        found: list[Any] = []
        async for part in reader:
            if isinstance(part, MultipartReader):
                found += await walk(part)
            else:
                text = (await part.text()).replace("\r\n", "\n").removesuffix("\n")
                found.append((part.headers["Content-Type"].partition(";")[0], text))
        return found

    assert asyncio.run(walk(read(body, content_type=str(mail["Content-Type"])))) == expected


class Sink:
    """What a payload of aiohttp's writes itself to."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


@pytest.mark.parametrize(
    "coding", [{}, *({"Content-Encoding": name} for name in ("deflate", "gzip"))]
)
@pytest.mark.parametrize("transfer", [{}, {"Content-Transfer-Encoding": "base64"}])
async def test_what_aiohttp_writes_is_read(
    coding: dict[str, str], transfer: dict[str, str]
) -> None:
    data = bytes(range(256)) * 99
    with aiohttp.MultipartWriter("mixed") as writer:
        writer.append(data, coding | transfer)  # type: ignore[arg-type]
        with aiohttp.MultipartWriter("related") as inner:
            inner.append("text")
            inner.append_json({"a": 1})
        writer.append(inner)
        writer.append_form({"b": "c d"})
    sink = Sink()
    await writer.write(sink)  # type: ignore[arg-type]
    reader = read(sink.data, content_type=writer.content_type)
    first, nested = await reader.next(), None
    assert isinstance(first, BodyPartReader)
    assert await first.read(decode=True) == data
    nested = await reader.next()
    assert isinstance(nested, MultipartReader)
    texts = [await part.text() async for part in nested if isinstance(part, BodyPartReader)]
    assert texts == ["text", '{"a": 1}']
    form = await reader.next()
    assert isinstance(form, BodyPartReader)
    assert await form.form() == [("b", "c d")]
    assert await reader.next() is None


# -- codings


@settings(deadline=None)
@given(data=st.binary(max_size=200), size=st.integers(1, 50), line=st.integers(1, 80))
def test_chunks_of_base64_can_be_decoded_one_by_one(data: bytes, size: int, line: int) -> None:
    encoded = base64.b64encode(data)
    lines = b"\r\n".join(encoded[at : at + line] for at in range(0, len(encoded), line))

    async def decode() -> bytes:
        part = make_part(lines, {"Content-Transfer-Encoding": "base64"})
        decoded = b""
        while chunk := await part.read_chunk(size):
            assert len(chunk) < size + 4
            decoded += part.decode(chunk)
        return decoded

    assert asyncio.run(decode()) == data


async def test_what_is_no_base64_does_not_make_chunks_grow() -> None:
    part = make_part(b"a" + b"!" * MIB + b"bcd", {"Content-Transfer-Encoding": "base64"})
    sizes = []
    while chunk := await part.read_chunk(1000):
        sizes.append(len(chunk))
    assert max(sizes) < 1004


@settings(deadline=None)
@given(members=st.lists(st.binary(max_size=3000), min_size=1, max_size=4), limit=st.integers(1, 99))
def test_gzip_is_inflated_in_bounded_pieces(members: list[bytes], limit: int) -> None:
    encoded = b"".join(map(gzip.compress, members))

    async def decode() -> list[bytes]:
        part = make_part(b"", {"Content-Encoding": "gzip"}, max_decompress_size=limit)
        return [bytes(piece) async for piece in part.decode_iter(encoded)]

    pieces = asyncio.run(decode())
    assert b"".join(pieces) == b"".join(members)
    assert all(len(piece) <= limit for piece in pieces)


@pytest.mark.parametrize(
    ("fields", "data", "text"),
    [
        ({"Content-Transfer-Encoding": "base64"}, b"abcde", "Invalid base64"),
        ({"Content-Transfer-Encoding": "x-a"}, b"", "unknown content transfer encoding: x-a"),
        ({"Content-Encoding": "x-a"}, b"a", "unknown content encoding: x-a"),
        ({"Content-Encoding": "gzip"}, b"abc", "incorrect header check"),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"abc")[:-1], "gzip data ended early"),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"abc") + b"abc", "incorrect header check"),
        ({"Content-Encoding": "deflate"}, zlib.compress(b"abc")[:-1], "deflate data ended early"),
        ({"Content-Encoding": "deflate"}, b"\xff", "invalid block type"),
    ],
)
async def test_what_is_not_of_its_coding_is_400(
    fields: dict[str, str], data: bytes, text: str
) -> None:
    with pytest.raises(ValueError, match=text) as raised:
        await make_part(data, fields).read(decode=True)
    assert isinstance(raised.value, web.HTTPBadRequest)


async def test_a_form_does_not_inflate() -> None:
    fields = {"Content-Encoding": "gzip"}
    assert await make_part(b"x", fields, subtype="form-data").read(decode=True) == b"x"


async def test_inflating_stops_at_the_limit() -> None:
    bomb = zlib.compress(bytes(64 * MIB))
    part = make_part(bomb, {"Content-Encoding": "deflate"}, client_max_size=MIB)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="1048576"):
            await part.read(decode=True)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


async def test_many_members_of_gzip_are_linear_work() -> None:
    """The copies of what is behind a member are bounded: 20 MiB here, else 10 GiB."""
    encoded = gzip.compress(b"") * 30_000
    tracemalloc.start()
    try:
        assert await make_part(encoded, {"Content-Encoding": "gzip"}).read(decode=True) == b""
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("size", "limit"), [(22, 1), (22, 3), (999, 333), (99_999, 333)])
@pytest.mark.parametrize(
    ("coding", "window_bits"), [("gzip", 31), ("deflate", 15), ("deflate", -15)]
)
async def test_a_part_is_inflated_to_its_last_byte(
    coding: str, window_bits: int, size: int, limit: int
) -> None:
    """Also where zlib holds back what a full piece had no room for."""
    encoded = zlib.compress(bytes(size), wbits=window_bits)
    part = make_part(encoded, {"Content-Encoding": coding}, max_decompress_size=limit)
    assert await part.read(decode=True) == bytes(size)


# -- names


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ("attachment; filename*0=a; filename*1=b", "ab"),
        ("attachment; filename*1=b; filename*0=a", "ab"),
        ("attachment; filename*0=a; filename*2=c", "a"),
        ("attachment; filename*1=b", None),
        ("attachment; filename*0*=utf-8''%E2%82; filename*1*=%AC", "€"),
        ("attachment; filename*0*=utf-8''%E2%82%AC; filename*1=\" %41\"", "€ %41"),
        ("attachment; filename*0=a; filename*1*=%E2%82%AC", None),
        ("attachment; filename*0*=utf-8''%FF", None),
        ("attachment; filename*0*=utf-8''%00", None),
        ("attachment; filename*0*=utf-8''a; filename*1=\"\udcff\"", None),
        ("attachment; filename=whole; filename*0=a", "whole"),
        ("form-data; filename=whole; filename*0*=utf-8''a", "whole"),
        ("attachment; filename*01=a; filename*99999=b", None),
    ],
)
async def test_names_in_sections(disposition: str, filename: str | None) -> None:
    """RFC 2231 section 3."""
    assert make_part(b"", {"Content-Disposition": disposition}).filename == filename


# -- bodies that are wrong

BROKEN = {
    "other boundary": (b"--C\r\n\r\nx\r\n--C--", 0, "Could not find starting boundary b'--B'"),
    "lookalike": (b"--B\r\n\r\nx\r\n--BC\r\n", 1, "Invalid boundary b'--BC', expected b'--B'"),
    "no field": (b"--B\r\n\r\nx\r\n--B\r\nA b\r\n\r\n", 1, "Invalid HTTP header: b'A b'"),
    "no end": (b"--B\r\n\r\nx\r\n--B\r\n\r\ny\r\n", 1, "Multipart body ended inside of a part"),
}


async def count_parts(*pieces: bytes) -> tuple[int, str]:
    reader = read(*pieces)
    parts = []

    async def collect() -> None:
        async for part in reader:
            assert isinstance(part, BodyPartReader)
            await part.read()
            parts.append(part)

    for _ in range(2):
        with pytest.raises(ValueError) as raised:
            await collect()
    assert isinstance(raised.value, web.HTTPBadRequest)
    assert raised.value.text == f"Malformed multipart body: {raised.value}"
    return len(parts), str(raised.value)


@pytest.mark.parametrize("name", BROKEN)
@given(cuts=st.lists(st.integers(0, 100), max_size=9))
@settings(deadline=None)
def test_parts_in_front_of_an_error_are_given_however_it_is_cut(name: str, cuts: list[int]) -> None:
    body, count, text = BROKEN[name]
    assert asyncio.run(count_parts(*cut(body, cuts))) == (count, text)


@pytest.mark.parametrize(
    ("length", "good"), [("3", True), ("2", False), ("4", False), ("+3", False), ("³", False)]
)
async def test_a_part_has_the_length_that_it_declares(length: str, good: bool) -> None:
    async def collect() -> list[bytes]:
        chunks = []
        async for part in read(dump([({"Content-Length": length}, b"abc"), ({}, b"d")])):
            assert isinstance(part, BodyPartReader)
            chunks.append(await part.read_chunk())
            await part.release()
        return chunks

    if good:
        assert await collect() == [b"abc", b"d"]
    else:
        with pytest.raises(ValueError, match=r"Content-Length|did not read all"):
            await collect()


async def test_a_part_that_is_skipped_has_the_length_that_it_declares() -> None:
    reader = read(dump([({"Content-Length": "9"}, b"abc"), ({}, b"d")]))
    await reader.next()
    for _ in range(2):
        with pytest.raises(ValueError, match="did not read all"):
            await reader.next()


@pytest.mark.parametrize("content_type", ["", "text/plain; boundary=B", "multipart; boundary=B"])
def test_another_media_type_is_refused(content_type: str) -> None:
    with pytest.raises(AssertionError, match="expected") as raised:
        read(content_type=content_type)
    assert isinstance(raised.value, web.HTTPBadRequest)


def test_a_charset_field_is_read_once() -> None:
    name = {"Content-Disposition": "form-data; name=_charset_"}
    body = dump([({}, b"first"), (name, b"latin-1"), ({}, b"\xe9"), (name, b"again")])

    async def texts() -> list[str]:
        reader = read(body, content_type=FORM)
        return [await part.text() async for part in reader if isinstance(part, BodyPartReader)]

    assert asyncio.run(texts()) == ["first", "é", "again"]


@pytest.mark.parametrize("charset", [b"x" * 32, b"\xff"])
async def test_a_charset_field_that_is_none_is_refused(charset: bytes) -> None:
    name = {"Content-Disposition": "form-data; name=_charset_"}
    with pytest.raises(RuntimeError, match="Invalid default charset"):
        await read(dump([(name, charset)]), content_type=FORM).next()


# -- bodies that mean no good


@pytest.mark.parametrize(
    ("start", "piece", "text"),
    [
        (b"", b"\r\n" * 2048, "Preamble larger than 65536 bytes"),
        (b"", b"\r\n--" * 1024, "Preamble larger than 65536 bytes"),
        (b"--B\r\n", b"A: b\r\n" * 999, "Too many fields in a part: more than 128"),
        (b"--B\r\n", b"A" * 4096, "Field of a part larger than 8190 bytes"),
        (b"--B\r\n", b"A:" + b"b" * 8000 + b"\r\n", "Head of a part larger than 65536 bytes"),
    ],
)
async def test_what_is_kept_of_a_head_is_bounded(start: bytes, piece: bytes, text: str) -> None:
    body = Body(repeat(start, piece))
    reader = MultipartReader({"Content-Type": MIXED}, body.stream)
    with pytest.raises(ValueError, match=text) as raised:
        await reader.next()
    assert isinstance(raised.value, web.HTTPRequestEntityTooLarge)
    assert body.given < 100_000


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(2, 40), max_size=6),
    cuts=st.lists(st.integers(0, 10**6), max_size=20),
    limits=st.builds(
        Limits,
        max_part_fields=st.integers(1, 6),
        max_part_field_size=st.integers(2, 50),
        max_part_head_size=st.integers(2, 120),
    ),
)
def test_the_limit_that_is_passed_first_is_told_however_it_is_cut(
    sizes: list[int], cuts: list[int], limits: Limits
) -> None:
    head = b"".join(b"A:" + b"b" * (size - 2) + b"\r\n" for size in sizes)
    body = b"--B\r\n" + head + b"\r\n"

    def find_error(pieces: list[bytes]) -> str:
        parser = MultipartParser(b"B", limits=limits)
        try:
            for piece in pieces:
                parser.feed(piece)
        except MultipartError as exc:
            return str(exc)
        return ""

    error = find_error(cut(body, cuts))
    assert error == find_error([body])
    too_long = any(size + 2 > limits.max_part_field_size for size in sizes)
    too_large = len(head) + 2 > limits.max_part_head_size
    assert bool(error) == (too_long or too_large or len(sizes) > limits.max_part_fields)


@pytest.mark.parametrize(
    ("start", "piece", "size"),
    [
        (b"--B\r\n\r\n", b"x" * 65536, 32 * MIB),
        (b"--B\r\n\r\n", b"\r\n--" * 16384, 16 * MIB),
        (b"--B\r\n\r\n", b"\r\n--A" * 13107, 16 * MIB),
        (b"", b"--B\r\n\r\n\r\n" * 6553, 200_000),
        (
            b"--B\r\nContent-Type: multipart/mixed; boundary=C\r\n\r\n",
            *(b"--C\r\n\r\n\r\n" * 6553, 200_000),
        ),
    ],
    ids=["a part without end", "half delimiters", "lookalikes", "tiny parts", "nested tiny parts"],
)
async def test_bodies_without_end_take_no_memory(start: bytes, piece: bytes, size: int) -> None:
    async def walk(reader: MultipartReader) -> None:
        async for part in reader:
            if isinstance(part, MultipartReader):
                await walk(part)
            else:
                while await part.read_chunk(65536):
                    pass

    async def work() -> None:
        body = Body(repeat(start, piece, size))
        with pytest.raises(ValueError, match="Multipart body ended"):
            await walk(MultipartReader({"Content-Type": MIXED}, body.stream))

    assert await find_peak(work()) < 8 * MIB


async def test_tiny_parts_let_the_loop_run() -> None:
    reader = read(b"--B\r\n\r\n\r\n" * 10_000 + b"--B--")
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    await reader.release()
    counting.cancel()
    assert turns > 5


async def test_bodies_are_nested_16_deep_at_most() -> None:
    body = b"x"
    fields: dict[str, str] = {}
    for level in range(17):
        body = dump([(fields, body)], f"{level:02}")
        fields = {"Content-Type": f"multipart/mixed; boundary={level:02}"}
    part: Any = read(body, content_type=fields["Content-Type"])
    for _ in range(15):
        part = await part.next()
    with pytest.raises(ValueError, match="bodies nested more than 16 deep") as raised:
        await part.next()
    assert isinstance(raised.value, web.HTTPRequestEntityTooLarge)


@pytest.mark.parametrize("method", ["read", "text", "json", "form"])
async def test_reading_stops_at_the_limit(method: str) -> None:
    body = Body(repeat(b"--B\r\n\r\n", b"x" * 4096))
    reader = MultipartReader({"Content-Type": MIXED}, body.stream, client_max_size=50_000)
    part = await reader.next()
    with pytest.raises(ValueError, match="50000"):
        await getattr(part, method)()
    assert body.given < 60_000


async def test_lines_are_bounded() -> None:
    body = Body(repeat(b"--B\r\n\r\n", b"x" * 4096))
    part = await MultipartReader({"Content-Type": MIXED}, body.stream).next()
    assert isinstance(part, BodyPartReader)
    with pytest.raises(ValueError, match="line longer than 131072 bytes") as raised:
        await part.readline()
    assert isinstance(raised.value, web.HTTPRequestEntityTooLarge)


async def test_short_lines_are_linear_work() -> None:
    """A copy of the rest for each line would be 32 GiB."""
    part = make_part(b"\n" * MIB, {})
    count = 0
    while await part.readline():
        count += 1
    assert count == MIB


def test_binascii_errors_are_value_errors() -> None:
    """Users of aiohttp catch either."""
    assert issubclass(binascii.Error, ValueError)
