"""What `MultipartWriter` writes is read back by our readers, however it is cut on its way."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bascule import BodyPartReader, MultipartReader, MultipartWriter, web
from bascule.test_utils import make_mocked_request
from support.bodies import Body, cut

# Pieces of which delimiters, line ends, escapes and groups of base64 are made, whole and broken.
PIECES = [b"\r", b"\n", b"\r\n", b"-", b"--", b"\r\n--", b"=", b"=3D", b".", b" ", b"\t", b"a"]
DATA = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join),
    st.binary(max_size=40),
    st.integers(0, 3000).map(lambda size: b"0123456789" * (size // 10) + b"x" * (size % 10)),
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=12)
CODINGS = st.fixed_dictionaries(
    {},
    optional={
        "Content-Encoding": st.sampled_from(["gzip", "deflate", "identity"]),
        "Content-Transfer-Encoding": st.sampled_from(["base64", "quoted-printable", "binary"]),
    },
)
LEAVES = st.tuples(CODINGS, NAMES, DATA)
TREES = st.recursive(
    st.lists(LEAVES, max_size=4), lambda inner: st.lists(LEAVES | inner, max_size=3), max_leaves=8
)
FIELDS = st.lists(st.tuples(NAMES, TEXT | st.tuples(NAMES, DATA)), max_size=6)
CUTS = st.lists(st.integers(0, 10**6), max_size=20)


class Writer:
    """What a body is written to."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data += data


def write_tree(tree: list[Any]) -> MultipartWriter:
    writer = MultipartWriter("mixed")
    for part in tree:
        if isinstance(part, list):
            writer.append(write_tree(part))
            continue
        codings, name, data = part
        payload: Any = writer.append(data, codings)
        payload.set_content_disposition("attachment", quote_fields=False, filename=name)
    return writer


def write_form(fields: list[tuple[str, Any]]) -> MultipartWriter:
    writer = MultipartWriter("form-data")
    for name, value in fields:
        if isinstance(value, str):
            payload: Any = writer.append(value)
            payload.set_content_disposition("form-data", quote_fields=False, name=name)
        else:
            filename, data = value
            payload = writer.append(data)
            payload.set_content_disposition(
                "form-data", quote_fields=False, name=name, filename=filename
            )
    return writer


async def write(writer: MultipartWriter) -> bytes:
    """Write a body; where its size is told before, it is that."""
    sink = Writer()
    size = writer.size
    await writer.write(sink)
    assert size in (None, len(sink.data))
    return sink.data


async def by_read(part: BodyPartReader) -> bytes:
    return bytes(await part.read(decode=True))


async def by_chunks(part: BodyPartReader) -> bytes:
    pieces = []
    while piece := await part.read_chunk(7):
        pieces.append(piece)
    return part.decode(b"".join(pieces))


async def by_lines(part: BodyPartReader) -> bytes:
    lines = []
    while line := await part.readline():
        assert line.find(b"\n") in (-1, len(line) - 1)
        lines.append(line)
    return part.decode(b"".join(lines))


Read = Callable[[BodyPartReader], Awaitable[bytes]]
READS: list[Read | None] = [by_read, by_chunks, by_lines, None]


async def walk(reader: MultipartReader, tree: list[Any], choose: Callable[[], Read | None]) -> None:
    """Read the parts in any way, or leave them, and compare them with what was written."""
    for expected in tree:
        part = await reader.next()
        read = choose()
        if isinstance(expected, list):
            assert isinstance(part, MultipartReader)
            if read is not None:
                await walk(part, expected, choose)
            continue
        assert isinstance(part, BodyPartReader)
        _, name, data = expected
        assert part.filename == name
        if read is not None:
            assert await read(part) == data
            assert part.at_eof()
    assert await reader.next() is None
    assert reader.at_eof()


@settings(deadline=None)
@given(tree=TREES, cuts=CUTS, more=st.data())
def test_parts_are_read_back(tree: list[Any], cuts: list[int], more: st.DataObject) -> None:
    async def run() -> None:
        writer = write_tree(tree)
        stream = Body(cut(await write(writer), cuts)).stream
        reader = MultipartReader(writer.headers, stream)
        await walk(reader, tree, lambda: more.draw(st.sampled_from(READS)))

    asyncio.run(run())


@settings(deadline=None)
@given(fields=FIELDS, cuts=CUTS)
def test_forms_are_read_back_at_once(fields: list[tuple[str, Any]], cuts: list[int]) -> None:
    async def run() -> list[tuple[str, Any]]:
        writer = write_form(fields)
        stream = Body(cut(await write(writer), cuts)).stream
        request = make_mocked_request("POST", "/", headers=writer.headers, payload=stream)
        told: list[tuple[str, Any]] = []
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                with value.file as file:
                    told.append((name, (value.filename, file.read())))
            else:
                told.append((name, value))
        return told

    assert asyncio.run(run()) == fields


@settings(deadline=None, max_examples=50)
@given(fields=FIELDS)
def test_a_form_is_written_as_it_is_told_to_be(fields: list[tuple[str, Any]]) -> None:
    """The three ways of getting a body out of a writer give the same."""

    async def run() -> None:
        writer = write_form(fields)
        body = await write(writer)
        assert await writer.as_bytes() == body
        assert writer.decode(errors="surrogateescape") == body.decode(errors="surrogateescape")

    asyncio.run(run())
