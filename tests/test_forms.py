"""`post()`: what a form may make it hold, and what it says to peers that mean no good."""

import asyncio
import base64
import binascii
import os
from collections.abc import Iterable
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule import web
from bascule.test_utils import make_mocked_request
from support.bodies import MIB, Body, cut, find_peak, repeat

FIELD = b'--B\r\nContent-Disposition: form-data; name="a"\r\n'
FILE = b'--B\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n'
CODED = FIELD + b"Content-Transfer-Encoding: %b\r\n\r\n%b"
END = b"\r\n--B--\r\n"


def ask(body: Body, media: str = "multipart/form-data; boundary=B", **limits: int) -> web.Request:
    """Make a request whose form is still to be read."""
    fields = {"Content-Type": media}
    return make_mocked_request("POST", "/", headers=fields, payload=body.stream, **limits)  # type: ignore[arg-type]  # of ints


async def read(*pieces: bytes, **limits: int) -> list[tuple[str, Any]]:
    return list((await ask(Body(pieces), **limits).post()).items())


@contextmanager
def refused(status: int, text: str) -> Any:
    with pytest.raises(web.HTTPException) as raised:
        yield
    assert (raised.value.status, raised.value.text) == (status, text)


# -- what is no form


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "Could not find starting boundary b'--B'"),
        (b"x" * 1000, "Could not find starting boundary b'--B'"),
        (FIELD, "Multipart body ended inside of a part"),
        (FIELD + b"\r\nx", "Multipart body ended inside of a part"),
        (FIELD + b"\r\nx\r\n--B", "Multipart body ended inside of a delimiter"),
        (FIELD + b"\r\nx\r\n--B-", "Multipart body ended inside of a delimiter"),
        (FILE + b"\r\n" + b"x" * 2 * MIB, "Multipart body ended inside of a part"),
        (FIELD + b"\r\nx\r\n--Bx\r\n" + END, "Invalid boundary b'--Bx', expected b'--B'"),
        (b"--B\r\nno field\r\n\r\n" + END, "Invalid HTTP header: b'no field'"),
        (FIELD + b"A\x00: b\r\n\r\n" + END, "Invalid HTTP header: b'A\\x00: b'"),
        (FIELD + FIELD[5:] + b"\r\n" + END, "Duplicate 'Content-Disposition' header found"),
        (CODED % (b"base64", b"abc" + END), "Incorrect padding"),
        (CODED % (b"base64", b"a" * 9 + END), ""),
        (CODED % (b"x-odd", b"a" + END), "unknown content transfer encoding: x-odd"),
    ],
)
async def test_what_is_malformed_is_told(body: bytes, text: str) -> None:
    with pytest.raises(web.HTTPBadRequest) as raised:
        await read(body, client_max_size=0)
    assert raised.value.text is not None
    assert raised.value.text.startswith(f"Malformed multipart body: {text}")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"--B\r\n\r\nx" + END, "Multipart field missing name."),
        (b"--B\r\nContent-Disposition: form-data\r\n\r\nx" + END, "Multipart field missing name."),
        (
            FIELD + b"Content-Type: multipart/mixed; boundary=C\r\n\r\n--C--" + END,
            "To decode nested multipart you need to use custom reader",
        ),
        (FIELD + b"\r\n\xff" + END, "Form field 'a' is not text"),
        (FIELD + b"Content-Type: text/plain; charset=no-such\r\n\r\nx" + END, None),
        (FIELD + b"Content-Type: text/plain; charset=base64\r\n\r\nx" + END, None),
        (CODED % (b"quoted-printable", b"=FF" + END), None),
    ],
)
async def test_what_cannot_be_a_field_is_told(body: bytes, text: str | None) -> None:
    with refused(400, text or "Form field 'a' is not text"):
        await read(body)


# -- limits


@pytest.mark.parametrize(
    ("start", "piece", "text", "limits"),
    [
        (
            b"",
            FIELD + b"\r\n\r\n",
            "Maximum number of form fields 1000 exceeded.",
            {"client_max_size": 0},
        ),
        (
            b"",
            FILE + b"\r\n\r\n",
            "Maximum number of form fields 3 exceeded.",
            {"client_max_fields": 3},
        ),
        (
            b"",
            FIELD + b"\r\n\r\n",
            "Maximum request body size 50000 exceeded",
            {"client_max_size": 50_000, "client_max_fields": 0},
        ),
        (FIELD, b"A" * 4096, "Field of a part larger than 8190 bytes", {}),
        (FIELD, b"A: b\r\n" * 200, "Too many fields in a part: more than 128", {}),
        (b"", b"\r\n--" * 1024, "Preamble larger than 65536 bytes", {}),
        (FIELD + b"\r\n", b"x" * 9999, "Maximum request body size 1048576 exceeded", {}),
        (FILE + b"\r\n", b"\r\n--" * 999, "Maximum request body size 1048576 exceeded", {}),
        (FIELD + END, b"x" * 9999, "Maximum request body size 1048576 exceeded", {}),
        (
            FILE + b"Content-Transfer-Encoding: base64\r\n\r\n",
            b"!" * 9999,
            "Maximum request body size 1048576 exceeded",
            {},
        ),
    ],
    ids=[
        "fields",
        "files",
        "unlimited fields",
        "a field line",
        "field lines",
        "preamble",
        "a field",
        "a file",
        "epilogue",
        "no base64",
    ],
)
async def test_a_form_without_end_is_refused_at_its_limit(
    start: bytes, piece: bytes, text: str, limits: dict[str, int]
) -> None:
    limits = {"client_max_size": MIB, **limits}
    body = Body(repeat(start, piece))
    with pytest.raises(web.HTTPRequestEntityTooLarge) as raised:
        await ask(body, **limits).post()
    assert raised.value.text is not None
    assert text in raised.value.text
    assert body.given < 1.1 * MIB


@pytest.mark.parametrize("count", [3, 4])
async def test_a_form_may_have_as_many_fields_as_are_allowed(count: int) -> None:
    parts = [FIELD + b"\r\nx\r\n"] * count
    forms = {
        "multipart/form-data; boundary=B": [*parts, b"--B--"],
        "application/x-www-form-urlencoded": [b"&".join([b"a=x"] * count)],
    }
    for media, pieces in forms.items():
        request = ask(Body(pieces), media, client_max_fields=3)
        if count == 3:
            assert list((await request.post()).items()) == [("a", "x")] * 3
        else:
            with refused(413, "Maximum number of form fields 3 exceeded."):
                await request.post()


async def find_peak_of(pieces: Iterable[bytes]) -> int:
    """Give what a form made `post()` hold, whether it was one or not."""

    async def work() -> None:
        request = ask(Body(pieces), client_max_size=0)
        try:
            form = await request.post()
        except web.HTTPBadRequest:
            return
        for value in form.values():
            assert isinstance(value, web.FileField)
            value.file.close()

    return await find_peak(work())


@pytest.mark.parametrize(
    "piece", [b"x" * 65536, b"\r\n--" * 16384, b"\r\n--A" * 13107, b"\r" * 65536]
)
async def test_a_large_file_is_not_held(piece: bytes) -> None:
    assert await find_peak_of(repeat(FILE + b"\r\n", piece, 16 * MIB)) < 4 * MIB


@pytest.mark.parametrize("coding", [b"base64", b"quoted-printable"])
@pytest.mark.parametrize("piece", [b"!" * 65536, b"=" * 65536, b"a" + b"!" * 65535, b" =" * 32768])
async def test_what_is_not_of_its_coding_is_not_held(coding: bytes, piece: bytes) -> None:
    start = FILE + b"Content-Transfer-Encoding: %b\r\n\r\n" % coding
    assert await find_peak_of(repeat(start, piece, 8 * MIB)) < 4 * MIB


async def test_all_files_of_a_form_are_not_held() -> None:
    """Each is small enough for the memory, but not all of them."""
    file = FILE + b"\r\n" + b"x" * (MIB - 1) + b"\r\n"
    pieces = [*([file] * 80), b"--B--"]
    assert 32 * MIB < await find_peak_of(pieces) < 40 * MIB


async def test_small_files_do_not_use_up_the_descriptors() -> None:
    large, small = (FILE + b"\r\n" + b"x" * size + b"\r\n" for size in (MIB - 1, 65536))
    before = len(os.listdir("/proc/self/fd"))
    form = await read(*([large] * 40), *([small] * 40), b"--B--", client_max_size=0)
    assert len(os.listdir("/proc/self/fd")) - before == 8  # what is behind 32 MiB
    for _, value in form:
        value.file.close()


# -- files


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB])
async def test_a_file_is_kept_whole_and_from_its_start(size: int) -> None:
    data = os.urandom(size)
    pieces = cut(FILE + b"\r\n" + data + END, range(0, size, 99_999))
    ((_, value),) = await read(*pieces, client_max_size=0)
    with value.file as file:
        assert file.tell() == 0
        assert file.read() == data
        file.write(b"more")
        assert file.tell() == size + 4


async def test_files_in_front_of_an_error_are_closed() -> None:
    """Else the file on the disk warns, which fails this test."""
    file = FILE + b"\r\n" + b"x" * 2 * MIB + b"\r\n"
    with pytest.raises(web.HTTPBadRequest):
        await read(file, file, b"--B\r\nbad\r\n", client_max_size=0)


async def test_a_file_is_closed_when_its_reader_is_cancelled() -> None:
    body = Body(repeat(FILE + b"\r\n", b"x" * 65536, 2 * MIB))
    ended = asyncio.Event()

    async def never() -> None:
        ended.set()
        await asyncio.Event().wait()

    feed = body._feed
    body.starved = lambda: feed() if body.given < 2 * MIB else never()  # type: ignore[method-assign]
    reading = asyncio.create_task(ask(body, client_max_size=0).post())
    await ended.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


# -- codings


@settings(deadline=None, max_examples=50)
@given(
    data=st.binary(max_size=60)
    | st.lists(st.sampled_from([b"=", b"\r\n", b"a ", b" "])).map(b"".join),
    cuts=st.lists(st.integers(0, 10**6), max_size=20),
    length=st.integers(1, 80),
)
def test_codings_are_decoded_however_they_are_cut(
    data: bytes, cuts: list[int], length: int
) -> None:
    digits = base64.b64encode(data)
    lines = b"\r\n".join(digits[at : at + length] for at in range(0, len(digits), length))
    for coding, coded in (
        (b"base64", lines),
        (b"quoted-printable", binascii.b2a_qp(data, istext=False)),
    ):
        body = FIELD + b"Content-Type: x/y\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (
            coding,
            coded,
        )
        assert asyncio.run(read(*cut(body + END, cuts))) == [("a", data)]


async def test_a_line_of_any_length_is_decoded() -> None:
    """Of quoted-printable, whose escapes are not cut in two."""
    coded = b"=E9" * 100_000
    fields = b"Content-Type: x/y\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    pieces = cut(FIELD + fields + coded + END, range(0, 400_000, 997))
    assert await read(*pieces) == [("a", b"\xe9" * 100_000)]


async def test_fields_are_counted_in_the_charset_of_the_form() -> None:
    """An ampersand is another byte in EBCDIC."""
    media = "application/x-www-form-urlencoded; charset=cp037"
    body = Body([("a&" * 2000).encode("cp037")])
    with refused(413, "Maximum number of form fields 1000 exceeded."):
        await ask(body, media, client_max_fields=1000).post()


async def test_a_character_that_holds_the_byte_of_an_ampersand_is_none() -> None:
    media = "application/x-www-form-urlencoded; charset=utf-16-le"
    body = Body([("a=" + "\u2626" * 2000).encode("utf-16-le")])
    form = await ask(body, media, client_max_fields=10).post()
    assert form["a"] == "\u2626" * 2000


@pytest.mark.parametrize("charset", [b"x\0y", b"n" * 10**5])
async def test_a_charset_that_is_none_is_refused(charset: bytes) -> None:
    named = FIELD.replace(b'"a"', b'"_charset_"') + b"\r\n" + charset + b"\r\n"
    with refused(400, "Form field 'a' is not text"):
        await read(named, FIELD + b"\r\nx" + END)
