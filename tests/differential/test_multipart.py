"""Multipart bodies are read as by aiohttp's readers, but for the differences that are listed."""

import base64
import binascii
import gzip
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from multidict import CIMultiDict

from differential.multipart_differences import MULTIPART_DIFFERENCES
from differential.multiparts import (
    DIMENSIONS,
    OURS,
    STEPS,
    THEIRS,
    Kit,
    Raised,
    agree,
    attempt,
    build,
    dump,
    make_part,
    make_reader,
    transcribe,
)
from differential.pairwise import pairwise

# -- well-formed bodies


def _name(row: dict[str, Any]) -> str:
    return "/".join(str(value) for value in row.values())


@pytest.mark.parametrize("row", [pytest.param(row, id=_name(row)) for row in pairwise(DIMENSIONS)])
async def test_bodies_are_read_alike(row: dict[str, Any]) -> None:
    content_type, body = build(row)
    step = STEPS[row["pieces"]]
    theirs, ours = [
        await transcribe(make_reader(kit, content_type, body, step=step), row["method"])
        for kit in (THEIRS, OURS)
    ]
    assert agree(theirs, ours), (theirs, ours)


# -- single programs

Code = Callable[[Kit], Awaitable[Any]]
_MIXED = "multipart/mixed; boundary=B"
_FORM = "multipart/form-data; boundary=B"


def _reading(body: bytes, content_type: str = _MIXED, method: str = "read", **more: Any) -> Code:
    async def code(kit: Kit) -> Any:
        return await transcribe(make_reader(kit, content_type, body, **more), method)

    return code


def _opening(content_type: str) -> Code:
    async def open_it(kit: Kit) -> Any:
        return make_reader(kit, content_type, dump([({}, b"x")])).at_eof()

    return lambda kit: attempt(open_it(kit))


def _asking(*questions: Callable[[Any], Any], body: bytes = b"", **fields: str) -> Code:
    """Ask one part that was made directly; what is awaitable is awaited."""

    async def ask(part: Any, question: Callable[[Any], Any]) -> Any:
        answer = question(part)
        return await answer if hasattr(answer, "__await__") else answer

    async def code(kit: Kit) -> Any:
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        part = make_part(kit, body, named)
        return [await attempt(ask(part, question)) for question in questions]

    return code


def _limited(body: bytes, limit: int, question: Callable[[Any], Any], **fields: str) -> Code:
    async def code(kit: Kit) -> Any:
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        return await attempt(question(make_part(kit, body, named, client_max_size=limit)))

    return code


def _named(disposition: str) -> Code:
    return _asking(lambda part: [part.name, part.filename], Content_Disposition=disposition)


def _nest(inner: bytes, boundary: str = "C", **fields: str) -> bytes:
    media = f"multipart/mixed; boundary={boundary}"
    return dump([({"Content-Type": media, **fields}, inner), ({}, b"z")])


def _deepen(depth: int) -> bytes:
    body = b"x"
    fields: dict[str, str] = {}
    for level in range(depth, 0, -1):
        boundary = f"{level:03}" if level > 1 else "B"
        body = dump([(fields, body)], boundary)
        fields = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
    return body


def _descending(depth: int) -> Code:
    """Read the first part of the first part of the first part..."""

    async def code(kit: Kit) -> Any:
        part = make_reader(kit, _MIXED, _deepen(depth))
        while hasattr(part, "fetch_next_part"):
            part = await part.next()
        return await part.read()

    return code


async def _leave_nested(kit: Kit) -> Any:
    reader = make_reader(kit, _MIXED, _nest(dump([({}, b"x")], "C")))
    nested = await reader.next()
    part = await nested.next()
    begun = await part.read_chunk(8)
    behind = await reader.next()
    return [begun, await behind.read(), nested.at_eof(), part.at_eof(), await part.read()]


async def _leave_malformed(kit: Kit) -> Any:
    reader = make_reader(kit, _MIXED, _nest(b"no boundary in here"))
    await reader.next()
    behind = await attempt(reader.next())
    return behind if isinstance(behind, Raised) else await behind.read()


async def _use_old_part(kit: Kit) -> Any:
    reader = make_reader(kit, _MIXED, dump([({}, b"x"), ({}, b"y")]))
    old, new = await reader.next(), await reader.next()
    told = [old.at_eof(), await old.read(), await old.read_chunk(), await old.text()]
    return [*told, await new.read(), reader.at_eof(), await reader.next(), reader.at_eof()]


async def _release(kit: Kit) -> Any:
    reader = make_reader(kit, _MIXED, dump([({}, b"x"), ({}, b"y")]))
    await reader.release()
    return [reader.at_eof(), await reader.next()]


async def _iterate(kit: Kit) -> Any:
    reader = make_reader(kit, _MIXED, dump([({}, b"x"), ({}, b"y")]))
    return [[chunk async for chunk in part] async for part in reader]


async def _fetch(kit: Kit) -> Any:
    reader = make_reader(kit, _MIXED, dump([({}, b"x")]))
    part = await attempt(reader.fetch_next_part())
    return part if isinstance(part, Raised) else await part.read()


async def _subclass(kit: Kit) -> Any:
    """Tell what classes of applications are called with."""
    calls: list[Any] = []

    class Part(kit.part):  # type: ignore[misc,name-defined]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            calls.append(["part", args[0], list(args[1].items()), len(args), kwargs])
            super().__init__(*args, **kwargs)

    class Reader(kit.reader):  # type: ignore[misc,name-defined]
        part_reader_cls = Part

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            calls.append(["reader", dict(args[0]), len(args), kwargs])
            super().__init__(*args, **kwargs)

    stream = kit.stream()
    stream.feed_data(_nest(dump([({"A": "b"}, b"x")], "C")))
    stream.feed_eof()
    reader = Reader({"Content-Type": _FORM}, stream, client_max_size=9, max_headers=5)
    return [await transcribe(reader, "read"), calls]


class _Answer:
    """What aiohttp's client gives, as far as it is used."""

    def __init__(self, kit: Kit, body: bytes) -> None:
        self.headers = CIMultiDict({"Content-Type": _MIXED})
        self.content = kit.stream()
        self.content.feed_data(body)
        self.content.feed_eof()
        self.released = 0

    async def release(self) -> None:
        self.released += 1


async def _wrap(kit: Kit) -> Any:
    answer = _Answer(kit, dump([({}, b"x"), ({}, b"y")]))
    wrapper = kit.reader.from_response(answer)
    told: list[Any] = [type(wrapper).__name__, wrapper.resp is answer, wrapper.at_eof()]
    told += [await part.read() async for part in wrapper]
    return [*told, answer.released > 0, wrapper.stream.at_eof(), wrapper.at_eof()]


_GZIP = gzip.compress(b"hello", mtime=0)
_BASE64 = b"aGVs\r\nbG8gd29y\r\nbGQh"


def _chunk(size: int) -> Callable[[Any], Any]:
    return lambda part: part.read_chunk(size)


def _decoding(data: bytes, **fields: str) -> Code:
    return _asking(lambda part: part.read(decode=True), body=data, **fields)


CODES: dict[str, Code] = {
    # -- media types
    "type/mixed": _opening(_MIXED),
    "type/spelling": _opening("MultiPart/Mixed; BOUNDARY=B"),
    "type/none": _opening(""),
    "type/text": _opening("text/plain; boundary=B"),
    "type/no slash": _opening("multipart; boundary=B"),
    "type/two slashes": _opening("multipart/x/y; boundary=B"),
    "type/no subtype": _opening("multipart/"),
    "boundary/none": _opening("multipart/mixed"),
    "boundary/empty": _opening("multipart/mixed; boundary="),
    "boundary/too long": _opening("multipart/mixed; boundary=" + "x" * 71),
    "boundary/blank at its end": _opening('multipart/mixed; boundary="B "'),
    "boundary/not ascii": _opening("multipart/mixed; boundary=é"),
    "boundary/control": _opening('multipart/mixed; boundary="B\x01"'),
    # -- malformed bodies
    "malformed/empty": _reading(b""),
    "malformed/no boundary": _reading(b"hello\r\nworld"),
    "malformed/other boundary": _reading(dump([({}, b"x")], "C")),
    "malformed/longer boundary": _reading(b"--B\r\n\r\nx\r\n--BC\r\ny\r\n--B--\r\n"),
    "malformed/behind close": _reading(b"--B\r\n\r\nx\r\n--B--y\r\n--B--\r\n"),
    "malformed/no empty line": _reading(b"--B\r\n--B--\r\n"),
    "malformed/folded": _reading(b"--B\r\nA: b\r\n c\r\n\r\nx\r\n--B--"),
    "malformed/no colon": _reading(b"--B\r\nAb\r\n\r\nx\r\n--B--"),
    "malformed/blank in name": _reading(b"--B\r\nA b: c\r\n\r\nx\r\n--B--"),
    "malformed/nul in value": _reading(b"--B\r\nA: b\0c\r\n\r\nx\r\n--B--"),
    "malformed/second part": _reading(b"--B\r\n\r\nx\r\n--B\r\nA\r\n\r\ny\r\n--B--"),
    "ended/in part": _reading(b"--B\r\n\r\nx"),
    "ended/behind part": _reading(b"--B\r\n\r\nx\r\n"),
    "ended/in head": _reading(b"--B\r\nA: b\r\n"),
    "ended/in field": _reading(b"--B\r\nA: b"),
    "ended/behind boundary": _reading(b"--B\r\n"),
    "ended/in boundary": _reading(b"--B"),
    "ended/in second boundary": _reading(b"--B\r\n\r\nx\r\n--B"),
    "ended/in close": _reading(b"--B\r\n\r\nx\r\n--B-"),
    "ended/part not read": _reading(b"--B\r\n\r\nx", method="leave"),
    "ended/nested": _reading(_nest(b"--C\r\n\r\nx")),
    # -- what else may be in a body
    "body/lines end with LF": _reading(b"--B\nA: b\n\nx\n--B--\n"),
    "body/first line ends with LF": _reading(b"--B\nA: b\r\n\r\nx\r\n--B--\r\n"),
    "body/preamble like boundary": _reading(b"--BC\r\n" + dump([({}, b"x")])),
    "body/boundary in line": _reading(dump([({}, b"xx--B\r\n --B\r\ny")])),
    "body/CRLF shared": _reading(b"--B\r\nA: b\r\n\r\n--B--\r\n"),
    "body/no fields": _reading(b"--B\r\n\r\n--B--\r\n"),
    "body/lines of empty parts": _reading(dump([({}, b""), ({}, b"")]), method="lines"),
    "body/charset": _reading(
        dump(
            [
                ({"Content-Disposition": "form-data; name=_charset_"}, b"latin-1"),
                ({"Content-Disposition": "form-data; name=a"}, b"\xe9"),
            ]
        ),
        _FORM,
        "text",
    ),
    "body/charset too long": _reading(
        dump([({"Content-Disposition": "form-data; name=_charset_"}, b"x" * 32)]), _FORM, "text"
    ),
    "body/charset not in a form": _reading(
        dump([({"Content-Disposition": "form-data; name=_charset_"}, b"latin-1")]), method="text"
    ),
    # -- declared lengths
    "length/right": _reading(dump([({"Content-Length": "3"}, b"abc"), ({}, b"d")])),
    "length/short": _reading(dump([({"Content-Length": "2"}, b"abc")])),
    "length/long": _reading(dump([({"Content-Length": "5"}, b"abc")])),
    "length/bad": _reading(dump([({"Content-Length": "x"}, b"abc")])),
    "length/negative": _reading(dump([({"Content-Length": "-1"}, b"abc")])),
    "length/in a form": _reading(dump([({"Content-Length": "x"}, b"abc")]), _FORM),
    "length/over a boundary": _reading(dump([({"Content-Length": "8"}, b"a\r\n--B\r\n")])),
    # -- limits
    "limit/fields": _reading(dump([({f"A{n}": "" for n in range(129)}, b"x")])),
    "limit/as many fields": _reading(dump([({f"A{n}": "" for n in range(128)}, b"x")])),
    "limit/fields given": _reading(dump([({"A": "", "B": "", "C": ""}, b"x")]), max_headers=2),
    "limit/field": _reading(dump([({"A": "b" * 8186}, b"x")])),
    "limit/field as long": _reading(dump([({"A": "b" * 8185}, b"x")])),
    "limit/field given": _reading(dump([({"A": "bcdefgh"}, b"x")]), max_field_size=10),
    "limit/field as long given": _reading(dump([({"A": "bcdef"}, b"x")]), max_field_size=10),
    "limit/preamble": _reading(dump([({}, b"x")], frame=(b"x" * 65535 + b"\r\n", b"", b""))),
    "limit/read": _limited(b"x" * 50, 49, lambda part: part.read()),
    "limit/read as much": _limited(b"x" * 50, 50, lambda part: part.read()),
    "limit/text": _limited(b"x" * 50, 49, lambda part: part.text()),
    "limit/chunk": _limited(b"x" * 50, 9, lambda part: part.read_chunk()),
    "limit/release": _limited(b"x" * 50, 9, lambda part: part.release()),
    "limit/inflated": _limited(
        gzip.compress(bytes(9000)), 999, lambda p: p.read(decode=True), Content_Encoding="gzip"
    ),
    "limit/line": _asking(lambda part: part.readline(), body=b"x" * 131073),
    "limit/line as long": _asking(lambda part: part.readline(), body=b"x" * 131071 + b"\n"),
    # -- nested bodies
    "nested/left": _leave_nested,
    "nested/left malformed": _leave_malformed,
    "nested/no parts": _reading(_nest(b"--C--")),
    "nested/no CRLF": _reading(_nest(dump([({}, b"x")], "C", (b"", b"", b"")))),
    "nested/epilogue": _reading(_nest(dump([({}, b"x")], "C", (b"", b"", b"\r\nepi\r\nlogue")))),
    "nested/no boundary": _reading(dump([({"Content-Type": "multipart/mixed"}, b"x"), ({}, b"y")])),
    "nested/empty": _reading(_nest(b"")),
    "nested/other boundary": _reading(_nest(dump([({}, b"x")], "D"))),
    "nested/same boundary": _reading(_nest(b"", "B")),
    "nested/longer boundary": _reading(_nest(dump([({}, b"x")], "BB"), "BB")),
    "nested/transfer encoding": _reading(
        _nest(dump([({}, b"x")], "C"), Content_Transfer_Encoding="base64")
    ),
    "nested/16 deep": _descending(16),
    "nested/17 deep": _descending(17),
    # -- readers
    "reader/old part": _use_old_part,
    "reader/release": _release,
    "reader/iterate": _iterate,
    "reader/fetch": _fetch,
    "reader/subclass": _subclass,
    "reader/answer": _wrap,
    # -- parts
    "part/chunks": _asking(*[_chunk(10)] * 4, body=b"x" * 25),
    "part/chunks to the border": _asking(
        *[_chunk(10), _chunk(10), lambda part: part.at_eof()], body=b"x" * 20
    ),
    "part/small chunk": _asking(_chunk(1), _chunk(1), body=b"xy"),
    "part/no chunk": _asking(_chunk(0), body=b"xy"),
    "part/chunks of base64": _asking(
        *[_chunk(6)] * 6, body=_BASE64, Content_Transfer_Encoding="base64"
    ),
    "part/more chunks of base64": _asking(
        *[_chunk(11)] * 3, body=_BASE64, Content_Transfer_Encoding="base64"
    ),
    "part/chunks of base64 in groups": _asking(
        *[_chunk(8)] * 4, body=base64.b64encode(b"abcdef" * 3), Content_Transfer_Encoding="base64"
    ),
    "part/line and rest": _asking(
        lambda part: part.readline(), lambda part: part.read(), body=b"a\nb\r\nc"
    ),
    "part/chunk and line": _asking(_chunk(6), lambda part: part.readline(), body=b"abcdefgh\ni"),
    "part/chunk and release": _asking(
        _chunk(6), lambda part: part.release(), lambda part: part.read(), body=b"x" * 9
    ),
    "part/last line": _asking(
        lambda part: part.readline(), lambda part: part.at_eof(), body=b"only"
    ),
    "part/charset": _asking(lambda part: part.get_charset("x"), Content_Type="a/b; charset=UTF-8"),
    "part/no charset": _asking(lambda part: part.get_charset(default="x")),
    "part/text": _asking(
        lambda part: part.text(), body=b"\xe9", Content_Type="text/plain; charset=latin-1"
    ),
    "part/text not of its charset": _asking(lambda part: part.text(), body=b"\xe9"),
    "part/text of no charset": _asking(
        lambda part: part.text(), body=b"x", Content_Type="text/plain; charset=nonsense"
    ),
    "part/text of a codec": _asking(
        lambda part: part.text(), body=b"78", Content_Type="text/plain; charset=hex"
    ),
    "part/form": _asking(lambda part: part.form(), body=b"a=b&c=&d&e=%FF;f=g&+%zz=\r\n"),
    "part/form in latin-1": _asking(lambda part: part.form(encoding="latin-1"), body=b"a=%E9"),
    "part/json": _asking(lambda part: part.json(), lambda part: part.json(), body=b'{"a": 1}'),
    "part/json in utf-16": _asking(
        lambda part: part.json(encoding="utf-16"), body="[1]".encode("utf-16")
    ),
    # -- names
    "name/plain": _named('form-data; name="a"; filename="b.txt"'),
    "name/tokens": _named("form-data; NAME=a; FileName=b.txt"),
    "name/blanks": _named("form-data ; name = a"),
    "name/escapes": _named('form-data; name="a\\"b"; filename="%22"'),
    "name/empty": _named('form-data; name=""; filename=""'),
    "name/backslash": _named('form-data; filename="C:\\dir\\a"'),
    "name/path": _named('form-data; filename="../../a"'),
    "name/utf-8": _named('form-data; name="é€"'),
    "name/extended": _named("attachment; name*=utf-8''%E2%82%AC; filename*=iso-8859-1''%E9"),
    "name/both in a form": _named("form-data; filename=a; filename*=UTF-8''%E2%82%AC"),
    "name/both": _named("attachment; filename=a; filename*=UTF-8''%E2%82%AC"),
    "name/continued": _named("attachment; filename*0=a; filename*1=b"),
    "name/continued, extended": _named("attachment; filename*0*=utf-8''%E2; filename*1*=%82%AC"),
    "name/none": _named("inline"),
    # -- codings
    "coding/base64": _decoding(b"aGVs\r\nbG8=", Content_Transfer_Encoding="base64"),
    "coding/base64, junk": _decoding(b"!aGVs?bG8=", Content_Transfer_Encoding="BASE64"),
    "coding/base64, cut": _decoding(b"aGVsbG8", Content_Transfer_Encoding="base64"),
    "coding/quoted-printable": _decoding(
        b"=C3=A9=\r\n=zz =20", Content_Transfer_Encoding="quoted-printable"
    ),
    "coding/7bit": _decoding(b"=3D", Content_Transfer_Encoding="7bit"),
    "coding/unknown transfer": _decoding(b"x", Content_Transfer_Encoding="x-token"),
    "coding/empty transfer": _decoding(b"x", Content_Transfer_Encoding=""),
    "coding/gzip": _decoding(_GZIP, Content_Encoding="gzip"),
    "coding/two members": _decoding(_GZIP + _GZIP, Content_Encoding="gzip"),
    "coding/broken gzip": _decoding(b"broken", Content_Encoding="gzip"),
    "coding/cut gzip": _decoding(_GZIP[:-9], Content_Encoding="gzip"),
    "coding/gzip of nothing": _decoding(b"", Content_Encoding="gzip"),
    "coding/deflate": _decoding(zlib.compress(b"hello", wbits=-15), Content_Encoding="deflate"),
    "coding/zlib": _decoding(zlib.compress(b"hello"), Content_Encoding="deflate"),
    "coding/br": _decoding(b"x", Content_Encoding="br"),
    "coding/two": _decoding(b"x", Content_Encoding="gzip, deflate"),
    "coding/inflates to much": _decoding(gzip.compress(bytes(300_000)), Content_Encoding="gzip"),
    "coding/decode what inflates to much": _asking(
        lambda part: part.decode(gzip.compress(bytes(262_145))), Content_Encoding="gzip"
    ),
    "coding/decode what inflates to as much": _asking(
        lambda part: part.decode(gzip.compress(bytes(262_144))), Content_Encoding="gzip"
    ),
    "coding/decode": _asking(
        lambda part: part.decode(b"YQ=="),
        lambda part: part.decode(bytearray(b"YQ==")),
        lambda part: part.decode(b"Y"),
        Content_Transfer_Encoding="base64",
    ),
    "coding/decode nothing": _asking(lambda part: part.decode(bytearray(b"YQ=="))),
    "coding/gzip in base64": _decoding(
        binascii.b2a_base64(_GZIP), Content_Encoding="gzip", Content_Transfer_Encoding="base64"
    ),
}


# -- comparing

_EXPECTED = {
    case: outcome for each in MULTIPART_DIFFERENCES for case, outcome in each.outcomes.items()
}


@pytest.mark.filterwarnings("ignore:.*:aiohttp.BadContentDispositionHeader")
@pytest.mark.parametrize("name", CODES)
async def test_codes_give_the_same_but_for_the_differences(name: str) -> None:
    theirs, ours = [await attempt(CODES[name](kit)) for kit in (THEIRS, OURS)]
    expected = _EXPECTED.get(name, theirs)
    assert agree(expected, ours), (expected, ours)
    assert name not in _EXPECTED or not agree(theirs, ours), "no difference any more"


def test_differences_are_of_codes() -> None:
    assert _EXPECTED.keys() <= CODES.keys()
    assert len(_EXPECTED) == sum(len(each.outcomes) for each in MULTIPART_DIFFERENCES)
