"""Whatever a peer can make long is read in linear time: CPU time is compared, not looked at."""

import asyncio
import gzip
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from bascule import MultipartReader, web
from bascule.message.part_codings import TransferDecoder, align_base64, inflate
from bascule.routing.static_names import is_refused
from bascule.routing.static_options import StaticPages
from bascule.test_utils import make_mocked_request
from bascule.wire.coding import ContentCoding, choose_coding, negotiate_coding
from bascule.wire.conditions import ETag, Validators, judge
from bascule.wire.cookies import parse_cookies
from bascule.wire.disposition import parse_content_disposition
from bascule.wire.fields import find_charset, parse_codings, parse_content_type, parse_date
from bascule.wire.forwarded import parse_forwarded
from bascule.wire.multipart import Limits, MultipartError, MultipartParser
from support.bodies import Body

# Quadratic work for four times as much is 16 times the work, linear work four times.
MOST = 9
# Enough for the clock, and for what a call costs by itself.
SECONDS = 0.004
# Who reads so much in so little time may be of any kind.
LARGEST = 2**20

Work = Callable[[int], Callable[[], Any]]


def is_linear(work: Work) -> bool:
    """Say whether four times as much takes less than nine times the time; the least of several
    runs counts, as others run meanwhile."""
    size = 2**10
    while (once := measure(work(size))) < SECONDS and size < LARGEST:
        size *= 2
    small, large = work(size), work(4 * size)
    for _ in range(4):
        once = min(once, measure(small))
        if measure(large) < MOST * max(once, SECONDS):
            return True
    return False


def measure(function: Callable[[], Any]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def text(parse: Callable[[str], Any], start: str, flood: str, end: str) -> Work:
    """Read a value that is long by a flood."""

    def make(size: int) -> Callable[[], Any]:
        value = start + flood * (size // len(flood)) + end
        return lambda: parse(value)

    return make


def test_quadratic_work_is_noticed() -> None:
    def make(size: int) -> Callable[[], Any]:
        return lambda: [sum(range(size)) for _ in range(size // 16)]

    assert not is_linear(make)
    assert is_linear(lambda size: lambda: sum(range(size)))


# -- fields

CURRENT = Validators(ETag("x"), 0, 10**9)


def judge_by(name: str, max_ranges: int = 10**9) -> Callable[[str], Any]:
    return lambda value: judge("GET", CIMultiDict({name: value}), CURRENT, max_ranges=max_ranges)


def falls_back(value: str) -> bool:
    fields = CIMultiDictProxy(CIMultiDict({"Accept": value}))
    return StaticPages(None, "app.html").falls_back("x", fields)


def find_charset_or_none(value: str) -> str | None:
    try:
        return find_charset(value)
    except LookupError:
        return None


def read_url(value: str) -> Any:
    request = make_mocked_request("GET", value)
    return request.path, request.query, request.query_string, request.url, repr(request)


FIELDS: dict[str, tuple[Callable[[str], Any], list[tuple[str, str, str]]]] = {
    "Cookie": (
        parse_cookies,
        [
            ("", ";", ""),
            ("", "; ", "x"),
            ("a=", " ", "x"),
            ('a="', "\\", ""),
            ("", ",", ""),
            ('a="', "\\101", '"'),
            ('a="', '\\"', ""),
            ("", 'a="', ""),
            ("", 'a="b;', ""),
            *(
                ("", 'a="b"c;', ""),
                ("", "=a;", ""),
                ("", "a ", ""),
                ("", "a=b;", ""),
                ("", '"', ""),
            ),
            ('a="', ";b=", ""),
            ("a", "=", ""),
            ('a="b"', " ", "c"),
            ("", "a=\\;", ""),
        ],
    ),
    "Range": (
        judge_by("Range"),
        [
            *(
                ("bytes=", "0-1,", ""),
                ("bytes=", ",", "0-1"),
                ("bytes=0-", "9", ""),
                ("", "x", "="),
            ),
            ("bytes=", "0-,", ""),
            ("bytes=", "-1,", "0-0"),
            ("bytes=", "5-9 ,\t", "1-2"),
            ("bytes=", " ", "0-1,1-2"),
            ("bytes=0-1,", " ", ""),
            ("bytes", "=", "0-1"),
        ],
    ),
    "If-None-Match": (
        judge_by("If-None-Match"),
        [
            *(
                ("", '"a",', ""),
                ("", ",", '"a"'),
                ("", " ", '"a"'),
                ("", 'W/"a" , ', ""),
                ('"', "a", ""),
            ),
            ("", "W/", ""),
            ("", '"', ""),
            ("", '""', ""),
            ('"a"', " ", "x"),
            ("", ", ", "x"),
        ],
    ),
    "If-Range": (
        judge_by("If-Range"),
        [("", "a", ""), ('"', "a", '"'), ("", " ", ""), ("", ",", "")],
    ),
    "If-Modified-Since": (
        judge_by("If-Modified-Since"),
        [
            *(
                ("", "1", ""),
                ("", " ", ""),
                ("", "a ", ""),
                ("", ",", ""),
                ("", ":", ""),
                ("", "-", ""),
            ),
            *(
                ("Mon, 01 Jan 2024 00:00:", "0", " GMT"),
                ("Mon, 01 Jan 2024 ", "00:", ""),
                ("", "(", ""),
            ),
            ("Mon, 1 Jan ", "9", " 00:00:00 GMT"),
            ("Mon, 1 Jan 2024 00:00:00 +", "9", ""),
        ],
    ),
    "Accept": (
        falls_back,
        [("", "text/html,", ""), ("", "a;q=0,", ""), ("", ";", ""), ("", ";q=", "")],
    ),
    "Accept-Encoding": (
        lambda value: (
            parse_codings(value),
            choose_coding(value, ContentCoding),
            negotiate_coding(value, ContentCoding),
        ),
        [
            *(
                ("", "gzip,", ""),
                ("", "a;q=0,", ""),
                ("", ";", ""),
                ("", ",;", ""),
                ("a", ";q=0", ""),
            ),
            ("gzip;q=0.", "0", ""),
            ("", "gzip ;\t", ""),
            ("", "=", ""),
            ("a;", "=", ""),
        ],
    ),
    "Content-Type": (
        parse_content_type,
        [
            *(
                ("a/b", ";", ""),
                ("a/b", "; ", "x"),
                ("a/b;", " ", "x"),
                ("", "a", "/b"),
                ("a", "/", ""),
            ),
            *(
                ("a/b", ';a="b"', ";"),
                ('a/b;a="', "\\", ""),
                ('a/b;a="', ';a=\\"', ""),
                ("", " ", "x"),
            ),
            ("a/b;a=", " ", '"'),
            ("a/b", ";a=b", ";a"),
            ("a/b;", "a", ""),
            ("a/b", ';a="', ""),
            ("multipart/form-data; boundary=", "b", ""),
            ("a/b", ";boundary=b", ""),
        ],
    ),
    "charset": (
        find_charset_or_none,
        [("", "utf-8", ""), ("", "-", ""), ("", "_", ""), ("a", ".", "")],
    ),
    "Content-Disposition": (
        parse_content_disposition,
        [
            *(
                ("a", ";", ""),
                ("a", "; ", "x"),
                ('a;b="', "\\", ""),
                ('a;b="', '\\"', ""),
                ("", " ", "a"),
            ),
            *(
                ('a;b="', ';c="', ""),
                ("a;b=", " ", '"'),
                ("a;b*=utf-8''", "%41", ""),
                ("", "a", ""),
            ),
            *(
                ("a;b*=utf-8''", "%", ""),
                ("a;b*=utf-8'", "a", ""),
                ("a;", "b", ""),
                ("a;b", "*", "=c"),
            ),
            ('a;b="\\";', 'c="\\";', ""),
            ('a;b="', "=?utf-8?q?a?=", '"'),
            ("a", ';b="c"', ""),
        ],
    ),
    "Forwarded": (
        lambda value: parse_forwarded([value]),
        [
            *(
                ("", "for=a,", ""),
                ("", ",", ""),
                ("", ";", ""),
                ('for="', "\\", ""),
                ('for="', '\\"', ""),
            ),
            *(
                ("", "for=", ""),
                ("", 'for="', ""),
                ("for=a", " ", "x"),
                ("", "a ", ""),
                ("for=a:", "1", ""),
            ),
        ],
    ),
    "target": (
        read_url,
        [
            *(
                ("/?", "a=b&", ""),
                ("/?", "&", ""),
                ("/?", "%", ""),
                ("/?", "%41", ""),
                ("/?a", "=", ""),
            ),
            *(
                ("/", "a/", ""),
                ("/", "../", ""),
                ("/", "%2e%2e%2f", ""),
                ("/", "%", ""),
                ("/", ";", ""),
            ),
            ("/?", "+", ""),
            ("/?", "a;b&", ""),
            ("/", "%c3", ""),
            ("/", "/", ""),
        ],
    ),
    "name of a file": (
        lambda value: is_refused(value, windows=True),
        [
            ("", "/", ""),
            ("", "../", ""),
            ("", "a/../", ""),
            ("a", " ", "b"),
            ("", ".", ""),
            ("a", ".b", ""),
        ],
    ),
}


@pytest.mark.parametrize(
    ("parse", "start", "flood", "end"),
    [
        pytest.param(parse, *case, id=f"{name}: {'...'.join(case)!r}")
        for name, (parse, cases) in FIELDS.items()
        for case in cases
    ],
)
def test_fields_are_read_in_linear_time(
    parse: Callable[[str], Any], start: str, flood: str, end: str
) -> None:
    """CVE-2024-7592, CVE-2024-24762, CVE-2024-52804, CVE-2025-62727, CVE-2026-28356,
    CVE-2026-82397."""
    assert is_linear(text(parse, start, flood, end))


def test_years_of_dates_are_bounded() -> None:
    """A number of thousands of digits takes quadratic time, where it is read at all."""
    assert parse_date(f"Mon, 01 Jan {'9' * 4000} 00:00:00 GMT") is None


# -- bodies

FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=B"
FIELD = b'--B\r\nContent-Disposition: form-data; name="a"\r\n'
CODED = FIELD + b"Content-Transfer-Encoding: %b\r\n\r\n"
FILE = b'--B\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n'
LIMITS = Limits(max_parts=10**9, max_preamble_size=10**9)


def form_of(media: str, start: bytes, flood: bytes, end: bytes, piece_size: int = 2**16) -> Work:
    """Read a form that is long by a flood and comes in pieces."""

    def make(size: int) -> Callable[[], Any]:
        body = start + flood * (size // len(flood)) + end
        pieces = [body[at : at + piece_size] for at in range(0, len(body), piece_size)]

        async def read() -> None:
            request = make_mocked_request(
                "POST",
                "/",
                headers={"Content-Type": media},
                payload=Body(pieces).stream,
                client_max_size=0,
                client_max_fields=0,
            )
            try:
                form = await request.post()
            except web.HTTPException:
                return
            for value in form.values():
                if isinstance(value, web.FileField):
                    value.file.close()

        return lambda: asyncio.run(read())

    return make


@pytest.mark.parametrize(
    ("start", "flood", "end"),
    [
        *(
            (b"", b"a=b&", b""),
            (b"", b"&", b""),
            (b"", b";", b""),
            (b"", b"%", b""),
            (b"", b"%41", b""),
        ),
        *(
            (b"", b"%c3", b""),
            (b"", b"+", b""),
            (b"a", b"=", b""),
            (b"", b"\xff", b""),
            (b"", b" ", b""),
        ),
        (b"", b"a&", b""),
        (b"", b"%zz%", b""),
        (b"a=", b"%26", b""),
        (b"a=b", b"\r\n", b""),
    ],
)
def test_urlencoded_forms_are_read_in_linear_time(start: bytes, flood: bytes, end: bytes) -> None:
    """CVE-2026-53539."""
    assert is_linear(form_of(FORM, start, flood, end))


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "iso-2022-jp", "hz", "gb18030", "cp037"])
@pytest.mark.parametrize("flood", [b"+", b"\x1b$B", b"~{", b"\xff", b"%ff", b"%1b", b"\xd8\x00"])
def test_charsets_of_forms_take_linear_time(charset: str, flood: bytes) -> None:
    assert is_linear(form_of(f"{FORM}; charset={charset}", b"a=", flood, b""))


@pytest.mark.parametrize(
    ("start", "flood", "end"),
    [
        # What begins like a delimiter, in a part.
        (FILE, b"\r", b""),
        (FILE, b"\r\n", b""),
        (FILE, b"\r\n--", b""),
        (FILE, b"\n--B", b""),
        *(
            (FILE, b"\r\n--A", b""),
            (FILE, b"\r\r\n-", b""),
            (FILE + b"\r", b"x", b""),
            (FILE, b"-", b""),
        ),
        # Many parts, and what is between and around them.
        (b"", FIELD + b"\r\n\r\n", b"--B--"),
        (b"", FILE + b"\r\n", b"--B--"),
        (FIELD + b"\r\n\r\n--B--\r\n", b"\r\n", b""),
        (FIELD + b"\r\n\r\n--B--\r\n", b"\r\n--B", b""),
        # Codings.
        (CODED % b"base64", b" ", b"\r\n--B--"),
        (CODED % b"base64", b"\r\n", b"\r\n--B--"),
        (CODED % b"base64", b"A \t", b"\r\n--B--"),
        (CODED % b"base64", b"AAAA", b"\r\n--B--"),
        (CODED % b"base64", b"=", b"\r\n--B--"),
        (CODED % b"base64", b"!", b"AAAA\r\n--B--"),
        *((CODED % b"quoted-printable", b"=", b"\r\n--B--"),),
        *((CODED % b"quoted-printable", b" ", b"\r\n--B--"),),
        *((CODED % b"quoted-printable", b"=\r\n", b"\r\n--B--"),),
        *((CODED % b"quoted-printable", b"= ", b"\r\n--B--"),),
        *((CODED % b"quoted-printable", b"=4", b"\r\n--B--"),),
    ],
    ids=lambda value: f"{len(value)}" if isinstance(value, bytes) and len(value) > 40 else None,
)
@pytest.mark.parametrize("piece_size", [2**16, 61])
def test_multipart_forms_are_read_in_linear_time(
    start: bytes, flood: bytes, end: bytes, piece_size: int
) -> None:
    """CVE-2023-46136, CVE-2024-53981, CVE-2025-67726, CVE-2026-33033, CVE-2026-40347."""
    assert is_linear(form_of(PARTS, start, flood, end, piece_size))


@pytest.mark.parametrize(
    ("boundary", "flood"),
    [
        *(
            (b"B", b"\r\n"),
            (b"B", b"\r\n--"),
            (b"B", b"\r"),
            (b"-" * 70, b"-"),
            (b"-" * 70, b"\r\n-"),
        ),
        (b"a" * 69 + b"b", b"\r\n--" + b"a" * 69),
        (b"a" * 70, b"\r\n--" + b"a" * 69 + b"\r"),
    ],
)
@pytest.mark.parametrize("piece_size", [2**16, 61])
def test_no_boundary_makes_a_slow_search(boundary: bytes, flood: bytes, piece_size: int) -> None:
    """In the preamble, in a part, and behind the last."""

    def make(size: int) -> Callable[[], Any]:
        data = flood * (size // len(flood) + 1)
        delimiter = b"--" + boundary
        bodies = [data, delimiter + b"\r\n\r\n" + data, delimiter + b"--\r\n" + data]

        def parse() -> None:
            for body in bodies:
                parser = MultipartParser(boundary, limits=LIMITS)
                try:
                    for at in range(0, len(body), piece_size):
                        parser.feed(body[at : at + piece_size])
                except MultipartError:
                    pass

        return parse

    assert is_linear(make)


def read_parts(media: str, start: bytes, flood: bytes, *, size: int = 8192) -> Work:
    def make(count: int) -> Callable[[], Any]:
        body = start + flood * (count // len(flood)) + b"\r\n--B--\r\n"

        async def read() -> None:
            pieces = [body[at : at + 2**16] for at in range(0, len(body), 2**16)]
            reader = MultipartReader({"Content-Type": media}, Body(pieces).stream)
            try:
                async for part in reader:
                    while await part.read_chunk(size):  # type: ignore[union-attr]
                        pass
            except ValueError:
                pass

        return lambda: asyncio.run(read())

    return make


@pytest.mark.parametrize("flood", [b"A", b" ", b"A ", b"=", b"\r\n", b"AAAA\r\n"])
@pytest.mark.parametrize("size", [1, 100, 8192])
def test_chunks_of_base64_are_read_in_linear_time(flood: bytes, size: int) -> None:
    start = b"--B\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    assert is_linear(read_parts("multipart/mixed; boundary=B", start, flood, size=size))


@pytest.mark.parametrize("name", ["base64", "quoted-printable"])
@pytest.mark.parametrize("flood", [b" ", b"=", b"A", b"\n", b"= ", b"!"])
def test_codings_of_parts_take_linear_time(name: str, flood: bytes) -> None:
    def make(size: int) -> Callable[[], Any]:
        data = flood * (size // len(flood))

        def decode() -> None:
            decoder = TransferDecoder(name)
            try:
                for at in range(0, len(data), 2**12):
                    decoder.decode(data[at : at + 2**12])
                decoder.finish()
            except ValueError:
                pass
            align_base64(data)

        return decode

    assert is_linear(make)


@pytest.mark.parametrize("member", [b"", b"x", b"x" * 1000])
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_parts_of_many_members_inflate_in_linear_time(coding: str, member: bytes) -> None:
    one = gzip.compress(member, mtime=0) if coding == "gzip" else zlib.compress(member)

    def make(size: int) -> Callable[[], Any]:
        data = one * (size // len(one))

        def decode() -> None:
            try:
                for _ in inflate(coding, data, 2**18):
                    pass
            except ValueError:
                pass

        return decode

    assert is_linear(make)
