"""Compressed bodies: which coding is chosen, and how they are framed, on every host."""

import gzip
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import brotli  # type: ignore[import-untyped,unused-ignore]
import pytest

from bascule import web
from bascule.wire import coding as codings
from bascule.wire.coding import zstd

assert zstd is not None, "the tests need backports.zstd"

TEXT = "hello " * 100
SMALL = TEXT.encode()
# httpx would put in an Accept-Encoding of its own.
NONE = {"Accept-Encoding": ""}


def decode(coding: str | None, body: bytes) -> bytes:
    decoders: dict[str | None, Any] = {
        "gzip": gzip.decompress,
        "deflate": zlib.decompress,
        "br": brotli.decompress,
        "zstd": zstd.decompress,
        None: bytes,
    }
    decoded: bytes = decoders[coding](body)
    return decoded


def application(make: Any) -> web.Application:
    app = web.Application()

    async def handler(request: web.Request) -> web.StreamResponse:
        response: web.StreamResponse = make()
        if isinstance(response, web.Response):
            return response
        await response.prepare(request)
        if request.method != "HEAD":
            for at in range(0, len(SMALL), 50):
                await response.write(SMALL[at : at + 50])
        return response

    app.router.add_get("/", handler)
    return app


def whole(force: Any = None, **kwargs: Any) -> Any:
    def make() -> web.Response:
        response = web.Response(text=TEXT, **kwargs)
        response.enable_compression(force)
        return response

    return make


def streamed(force: Any = None, **kwargs: Any) -> Any:
    def make() -> web.StreamResponse:
        response = web.StreamResponse(**kwargs)
        response.enable_compression(force)
        return response

    return make


# The Accept-Encoding, and the coding that is chosen.
CHOICES = [
    (None, None),
    ("", None),
    ("gzip", "gzip"),
    ("GZIP", "gzip"),
    ("deflate", "deflate"),
    ("gzip, deflate", "deflate"),
    ("gzip;q=1.0, deflate;q=0.5", "deflate"),
    ("identity", None),
    ("br", None),
    ("zstd", None),
    ("*", None),
    ("x-gzip-x", "gzip"),
    ("gzip;q=0", None),
    ("gzip; q=0.000", None),
    ("gzip;q=0.001", "gzip"),
    ("deflate;q=0, gzip", "gzip"),
    ("deflate;q=0,gzip;q=0", None),
]


@pytest.mark.parametrize("make", [whole(), streamed()], ids=["whole", "streamed"])
@pytest.mark.parametrize(("accepted", "coding"), CHOICES)
async def test_the_first_accepted_coding_is_chosen(
    serve: Any, make: Any, accepted: str | None, coding: str | None
) -> None:
    """As with aiohttp, but a coding that is refused by q=0 is never chosen."""
    client = await serve(application(make))
    answer = await client.get("/", fields={"Accept-Encoding": accepted} if accepted else NONE)
    assert answer.fields.get("Content-Encoding") == coding
    # httpx decodes what it gets.
    assert decode(coding if client.host == "memory" else None, answer.body) == SMALL


@pytest.mark.parametrize("coding", [*web.ContentCoding])
@pytest.mark.parametrize("make", [whole, streamed])
async def test_a_coding_can_be_forced(serve: Any, make: Any, coding: web.ContentCoding) -> None:
    client = await serve(application(make(coding)))
    answer = await client.get("/", fields=NONE)
    expected = None if coding is web.ContentCoding.identity else coding.value
    assert answer.fields.get("Content-Encoding") == expected
    # httpx decodes what it can.
    is_raw = client.host == "memory" or answer.body.startswith(b"\x28\xb5\x2f\xfd")
    assert (decode(expected, answer.body) if is_raw else answer.body) == SMALL


async def test_a_whole_body_tells_its_compressed_length(serve: Any) -> None:
    client = await serve(application(whole(web.ContentCoding.gzip)))
    size = len(gzip.compress(SMALL))
    for _ in range(2):
        answer = await client.get("/")
        assert abs(int(answer.fields["Content-Length"]) - size) < 10
    head = await client.request("HEAD", "/")
    assert (head.body, head.fields["Content-Length"]) == (b"", answer.fields["Content-Length"])


async def test_a_declared_length_is_that_of_what_is_sent(serve: Any) -> None:
    """The length of a whole body is mended, that of a stream dropped."""
    length = {"Content-Length": str(len(SMALL))}
    client = await serve(application(whole(web.ContentCoding.deflate, headers=length)))
    answer = await client.get("/")
    assert int(answer.fields["Content-Length"]) < 50
    client = await serve(application(streamed(web.ContentCoding.deflate, headers=length)))
    answer = await client.get("/")
    assert "Content-Length" not in answer.fields


@pytest.mark.parametrize("make", [whole, streamed])
async def test_what_has_a_coding_is_left_as_it_is(serve: Any, make: Any) -> None:
    headers = {"Content-Encoding": "x-own"}
    client = await serve(application(make(web.ContentCoding.gzip, headers=headers)))
    answer = await client.get("/")
    assert (answer.fields["Content-Encoding"], answer.body) == ("x-own", SMALL)


@pytest.mark.parametrize("status", [200, 204, 304])
async def test_nothing_is_not_compressed(serve: Any, status: int) -> None:
    """With aiohttp these fail with 500."""

    def make() -> web.Response:
        response = web.Response(status=status)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    client = await serve(application(make))
    answer = await client.get("/")
    assert (answer.status, answer.body) == (status, b"")
    assert "Content-Encoding" not in answer.fields


@pytest.mark.parametrize("make", [whole, streamed])
async def test_heads_have_the_coding_and_no_body(serve: Any, make: Any) -> None:
    client = await serve(application(make()))
    answer = await client.request("HEAD", "/", fields={"Accept-Encoding": "gzip"})
    assert (answer.fields["Content-Encoding"], answer.body) == ("gzip", b"")


class Recorded(ThreadPoolExecutor):
    count = 0

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        return super().submit(*args, **kwargs)


@pytest.mark.parametrize(("size", "count"), [(len(SMALL), 0), (len(SMALL) - 1, 1)])
@pytest.mark.every_host
async def test_large_bodies_are_compressed_in_a_thread(size: int, count: int, serve: Any) -> None:
    with Recorded(1) as executor:
        make = whole(web.ContentCoding.gzip, zlib_executor_size=size, zlib_executor=executor)
        client = await serve(application(make))
        await client.get("/")
        assert executor.count == count


def test_the_wish_is_checked() -> None:
    response = web.Response(text="x")
    assert not response.compression
    with pytest.raises(AssertionError, match="force should one of"):
        response.enable_compression("gzip")  # type: ignore[arg-type]  # the mistake
    for force in (True, False):
        with pytest.warns(DeprecationWarning, match="boolean for force is deprecated"):
            response.enable_compression(force)
        assert response.compression
    with pytest.raises(NotImplementedError):
        web.EventSourceResponse().enable_compression()


@pytest.mark.parametrize(("coding", "library"), [("br", "brotli"), ("zstd", "zstd")])
def test_without_its_library_a_coding_cannot_be_forced(
    coding: str, library: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(codings, library, None)
    response = web.Response(text="x")
    with pytest.raises(RuntimeError, match=f"library of the content coding {coding} is not"):
        response.enable_compression(web.ContentCoding(coding))
    with pytest.raises(ValueError, match=f"Unknown content coding '{coding}'"):
        codings.make_encoder(coding)
    response.enable_compression(web.ContentCoding.gzip)
    assert web.compress_middleware()  # which offers the others


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_windows_are_small(coding: str) -> None:
    """512 KiB each: there may be many streams at a time, and RFC 9659 allows 8 MiB."""
    machine = codings.make_encoder(coding)
    made = machine.compress(bytes(range(256)) * 40_000) + machine.flush()
    if coding == "br":
        assert made[0] & 0x0F == 0x05  # RFC 7932 section 9.1: 0101 is of a window of 19 bits
    else:
        # RFC 8878 section 3.1.1.1.2: no single segment, and 19 bits beyond the least, 10.
        assert (made[4] & 0x20, made[5] >> 3) == (0, 9)


async def test_deprecated_names_of_responses_warn(serve: Any) -> None:
    def make() -> web.StreamResponse:
        response = web.StreamResponse()
        with pytest.warns(DeprecationWarning, match="Chunk size is deprecated"):
            response.enable_chunked_encoding(1024)
        with pytest.warns(DeprecationWarning, match="output_length"), pytest.raises(AssertionError):
            _ = response.output_length
        return response

    assert (await (await serve(application(make))).get("/")).body == SMALL
