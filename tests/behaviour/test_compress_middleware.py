"""The middleware that compresses answers: what, for whom, and what it says of it, on every host."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped,unused-ignore]
import pytest

from bascule import web
from bascule.testing import Client
from bascule.wire.coding import zstd
from support.features import LACKS, Feature

assert zstd is not None, "the tests need backports.zstd"

TEXT = "All that travels. " * 200
BODY = TEXT.encode()
DECODERS: dict[str | None, Any] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "br": brotli.decompress,
    "zstd": zstd.decompress,
    None: bytes,
}


def app_of(handler: Any, **options: Any) -> web.Application:
    app = web.Application(middlewares=[web.compress_middleware(**options)])
    app.router.add_route("*", "/", handler)
    return app


def answering(**kwargs: Any) -> Any:
    async def handler(request: web.Request) -> web.Response:
        kwargs.setdefault("text", TEXT)
        return web.Response(**kwargs)

    return handler


class Seen:
    """An answer, with its body decoded; httpx decodes what it can, and leaves its length."""

    def __init__(self, host: str, answer: Any) -> None:
        self.status, self.fields = answer.status, answer.fields
        self.host = host
        self.coding = answer.fields.get("Content-Encoding")
        self.vary = answer.fields.get("Vary")
        self.body = answer.body
        is_raw = host == "memory" or self.body.startswith(b"\x28\xb5\x2f\xfd")  # of zstd
        if is_raw and self.body and self.coding != "x-own":
            self.body = DECODERS[self.coding](self.body)


async def ask(
    serve: Any,
    app: web.Application,
    accepted: str | None = "gzip",
    method: str = "GET",
    **more: str,
) -> Seen:
    client = await serve(app)
    # An empty one is that of a client that says nothing: httpx would say something.
    fields = {
        "Accept-Encoding": accepted or "",
        **{k.replace("_", "-"): v for k, v in more.items()},
    }
    return Seen(client.host, await client.request(method, "/", fields=fields))


# -- which coding ---------------------------------------------------------------------------------

CHOICES = [
    ("", None),
    ("gzip", "gzip"),
    ("x-gzip", "gzip"),
    ("GZip, DEFLATE", "gzip"),
    ("gzip, deflate, br, zstd", "br"),
    ("gzip, deflate, zstd", "zstd"),
    ("deflate", "deflate"),
    ("gzip;q=0.5, deflate", "deflate"),
    ("br;q=0.1, gzip;q=0.2", "gzip"),
    ("br;q=0, gzip;q=0", None),
    ("*", "br"),
    ("br;q=0, *", "zstd"),
    ("*;q=0", None),
    ("*;q=0, gzip", "gzip"),
    ("identity", None),
    ("identity, gzip", "gzip"),
    ("identity, gzip;q=0.5", None),
    ("identity;q=0.4, gzip;q=0.5", "gzip"),
    ("compress, sdch", None),
    ("brotli", None),
]


@pytest.mark.parametrize(("accepted", "coding"), CHOICES)
async def test_the_best_coding_for_a_client_is_chosen(
    serve: Any, accepted: str, coding: str | None
) -> None:
    """RFC 9110 section 12.5.3; whether or not one is, the answer depends on it."""
    seen = await ask(serve, app_of(answering()), accepted)
    assert (seen.status, seen.coding, seen.vary) == (200, coding, "Accept-Encoding")
    assert seen.body == BODY
    size = int(seen.fields["Content-Length"])
    assert size == len(BODY) if coding is None else size < 200


async def test_codings_are_offered_in_the_order_that_is_given(serve: Any) -> None:
    app = app_of(answering(), codings=["deflate", "gzip"])
    assert (await ask(serve, app, "gzip, deflate, br")).coding == "deflate"
    assert (await ask(serve, app, "br")).coding is None


@pytest.mark.parametrize("name", ["identity", "x", "GZIP", ""])
def test_unknown_codings_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Unknown content coding"):
        web.compress_middleware(codings=[name])


# -- what -----------------------------------------------------------------------------------------


async def test_small_bodies_are_left_alone(serve: Any) -> None:
    for size, coding in ((1023, None), (1024, "gzip")):
        seen = await ask(serve, app_of(answering(text="x" * size)))
        assert (seen.coding, seen.vary) == (coding, coding and "Accept-Encoding")
        assert seen.body == b"x" * size
    for size, coding in ((9, None), (10, "gzip")):
        seen = await ask(serve, app_of(answering(text="x" * size), minimum_size=10))
        assert seen.coding == coding
    assert (await ask(serve, app_of(answering(text=""), minimum_size=0))).coding is None


TYPES = [
    ("text/html", True),
    ("TEXT/Plain; charset=utf-8", True),
    ("text/event-stream", False),
    ("application/json", True),
    ("application/problem+json", True),
    ("application/javascript", True),
    ("application/atom+xml", True),
    ("application/wasm", True),
    ("image/svg+xml", True),
    ("image/png", False),
    ("application/zip", False),
    ("application/octet-stream", False),
    ("application/jsonx", False),
    ("x-text/html", False),
]


@pytest.mark.parametrize(("media", "is_compressed"), TYPES)
async def test_types_that_shrink_are_compressed(
    serve: Any, media: str, is_compressed: bool
) -> None:
    handler = answering(body=BODY, text=None, headers={"Content-Type": media})
    seen = await ask(serve, app_of(handler))
    assert (seen.coding, seen.vary) == (
        ("gzip", "Accept-Encoding") if is_compressed else (None, None)
    )
    assert seen.body == BODY


async def test_types_can_be_given(serve: Any) -> None:
    for types, media, coding in [
        (["image/png"], "image/png", "gzip"),
        (["image/png"], "text/plain", None),
        (["IMAGE/*"], "image/png", "gzip"),
        (["text/*"], "text/event-stream", None),
        (["text/event-stream"], "text/event-stream", "gzip"),
        ([], "text/plain", None),
    ]:
        handler = answering(body=BODY, text=None, content_type=media)
        assert (await ask(serve, app_of(handler, types=types))).coding == coding


LEFT = {
    "coded": {"Content-Encoding": "x-own"},
    "not to be changed": {"Cache-Control": "public, No-Transform"},
    "a part": {"Content-Range": "bytes 0-3599/9000"},
    "digest": {"Repr-Digest": "sha-256=:AAAA:"},
    "content digest": {"Content-Digest": "sha-256=:AAAA:"},
    "md5": {"Content-MD5": "AAAA"},
}


@pytest.mark.parametrize("headers", LEFT.values(), ids=[*LEFT])
async def test_what_must_stay_as_it_is_does(serve: Any, headers: dict[str, str]) -> None:
    seen = await ask(serve, app_of(answering(headers={**headers, "ETag": '"a"'})))
    assert seen.fields.get("Content-Encoding") == headers.get("Content-Encoding")
    assert (seen.vary, seen.fields["ETag"], seen.fields["Content-Length"]) == (None, '"a"', "3600")


async def test_what_a_handler_decides_stays(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text=TEXT)
        response.enable_compression(web.ContentCoding.deflate)
        return response

    seen = await ask(serve, app_of(handler))
    assert (seen.coding, seen.vary, seen.body) == ("deflate", None, BODY)


# -- fields ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "vary"),
    [
        ("Origin", "Origin, Accept-Encoding"),
        ("accept-encoding, Cookie", "accept-encoding, Cookie"),
        ("*", "*"),
    ],
)
async def test_vary_is_kept_and_completed(serve: Any, given: str, vary: str) -> None:
    assert (await ask(serve, app_of(answering(headers={"Vary": given})))).vary == vary


@pytest.mark.parametrize(
    ("given", "coded"), [('"a"', 'W/"a"'), ('W/"a"', 'W/"a"'), ("*", "*"), (None, None)]
)
async def test_a_strong_etag_becomes_weak(serve: Any, given: str | None, coded: str | None) -> None:
    app = app_of(answering(headers={"ETag": given} if given else {}))
    assert (await ask(serve, app)).fields.get("ETag") == coded
    assert (await ask(serve, app, "")).fields.get("ETag") == given


async def test_an_answer_of_304_tells_what_one_of_200_would(serve: Any) -> None:
    """RFC 9110 section 15.4.5; a weak tag is that of either form."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=304, headers={"ETag": '"a"'})

    seen = await ask(serve, app_of(handler))
    assert (seen.status, seen.vary, seen.coding) == (304, "Accept-Encoding", None)
    assert seen.fields["ETag"] == 'W/"a"'
    assert (await ask(serve, app_of(handler), "")).fields["ETag"] == '"a"'


async def test_signals_come_before_the_decision(serve: Any) -> None:
    async def set_fields(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Content-Type"] = request.query.get("type", "image/png")
        response.headers["Vary"] = "Origin"

    app = app_of(answering())
    app.on_response_prepare.append(set_fields)
    seen = await ask(serve, app)
    assert (seen.coding, seen.vary) == (None, "Origin")


HANDLED: dict[str, Any] = {
    "text": answering(),
    "empty": answering(text=""),
    "told": answering(text=None, headers={"Content-Length": "6000"}, content_type="text/css"),
}


@pytest.mark.parametrize("name", ["text", "empty"])
async def test_heads_have_the_fields_of_gets(serve: Any, name: str) -> None:
    app = app_of(HANDLED[name])
    seen = [await ask(serve, app, method=method) for method in ("GET", "HEAD")]
    fields = [
        {k: v for k, v in each.fields.items() if k.lower() not in ("date", "server")}
        for each in seen
    ]
    assert fields[0] == fields[1]
    assert seen[1].body == b""


async def test_a_head_tells_no_length_of_other_bytes(serve: Any) -> None:
    """That of the body as it is would be wrong of the one that GET gets (RFC 9110 section 8.6)."""
    seen = await ask(serve, app_of(HANDLED["told"]), method="HEAD")
    assert (seen.coding, seen.fields.get("Content-Length")) == ("gzip", None)


# -- kinds of answers -----------------------------------------------------------------------------


async def test_raised_answers_are_compressed(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPNotFound(text=TEXT)

    seen = await ask(serve, app_of(handler))
    assert (seen.status, seen.coding, seen.body) == (404, "gzip", BODY)


async def test_payloads_are_compressed_while_they_are_written(serve: Any) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(BODY), 100):
            yield BODY[at : at + 100]

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=pieces(), content_type="text/css")

    seen = await ask(serve, app_of(handler), "br")
    assert (seen.coding, seen.body, seen.fields.get("Content-Length")) == ("br", BODY, None)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip", "deflate"])
@pytest.mark.parametrize("size", [None, len(BODY) * 50], ids=["unknown", "declared"])
async def test_streams_are_compressed(serve: Any, coding: str, size: int | None) -> None:
    """Small pieces and one that is large enough for a thread."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.content_length = size
        await response.prepare(request)
        await response.write(memoryview(BODY))
        await response.write(b"")
        await response.write(BODY * 48)
        await response.write_eof(BODY)
        return response

    seen = await ask(serve, app_of(handler), coding)
    assert (seen.coding, seen.body) == (coding, BODY * 50)
    assert "Content-Length" not in seen.fields


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip", "deflate"])
async def test_streams_stay_live(coding: str) -> None:
    """What was written can be decoded before more is."""
    turn = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(b"first")
        await turn.wait()
        await response.write(b"second")
        return response

    decoder: Any = {
        "gzip": lambda: zlib.decompressobj(31).decompress,
        "deflate": lambda: zlib.decompressobj().decompress,
        "br": lambda: brotli.Decompressor().process,
        "zstd": lambda: zstd.ZstdDecompressor().decompress,
    }[coding]()
    async with (
        Client(app_of(handler)) as client,
        client.stream("GET", "/", headers={"Accept-Encoding": coding}) as answer,
    ):
        pieces = answer.content.iter_any()
        seen = b""
        while seen != b"first":
            seen += decoder(await anext(pieces))
        turn.set()
        async for piece in pieces:
            seen += decoder(piece)
        assert seen == b"firstsecond"


async def test_a_stream_that_was_cancelled_in_a_thread_is_cut(serve: Any) -> None:
    """What the thread makes is lost: a client must not take the rest for the whole."""
    seen = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        writing = asyncio.ensure_future(response.write(BODY * 1000))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait([writing])
        assert not response.compression  # the thread has its encoder
        try:
            await response.write(BODY)
        except ConnectionResetError as exc:
            seen.append(type(exc))
        return response

    client = await serve(app_of(handler))
    client.require(Feature.CUTS)
    with pytest.raises(ConnectionResetError):
        await client.get("/", fields={"Accept-Encoding": "gzip"})
    assert seen == [web.ClientConnectionResetError]


@pytest.mark.parametrize("size", [2000, 300_000])
@pytest.mark.every_host
async def test_files_are_compressed(serve: Any, tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"0123456789" * (size // 10))

    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    app = app_of(handler)
    plain = await ask(serve, app, "")
    assert (plain.coding, plain.vary, plain.body) == (None, "Accept-Encoding", path.read_bytes())
    seen = await ask(serve, app)
    assert (seen.coding, seen.vary, seen.body) == ("gzip", "Accept-Encoding", path.read_bytes())
    assert seen.fields["ETag"] == f"W/{plain.fields['ETag']}"
    assert "Accept-Ranges" not in seen.fields
    head = await ask(serve, app, method="HEAD")
    names = {"Content-Encoding", "ETag", "Vary", "Content-Type", "Last-Modified"}
    if seen.host not in LACKS[Feature.LENGTHS]:
        names.add("Content-Length")
    assert [seen.fields.get(name) for name in names] == [head.fields.get(name) for name in names]
    again = await ask(serve, app, If_None_Match=seen.fields["ETag"])
    assert (again.status, again.vary) == (304, "Accept-Encoding")
    assert again.fields["ETag"] == seen.fields["ETag"]


async def test_ranges_of_files_are_sent_as_they_are(serve: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(BODY)

    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    seen = await ask(serve, app_of(handler), Range="bytes=0-1999")
    assert (seen.status, seen.coding, seen.body) == (206, None, BODY[:2000])
    assert (seen.vary, seen.fields["ETag"][:1]) == ("Accept-Encoding", '"')


async def test_files_with_compressed_neighbours_are_left_alone(serve: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(BODY)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"neighbour"))

    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(tmp_path / "a.txt")

    seen = await ask(serve, app_of(handler))
    assert (seen.coding, seen.body, seen.vary) == ("gzip", b"neighbour", "Accept-Encoding")


async def test_events_are_not_compressed(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async def events() -> AsyncIterator[str]:
            yield "x" * 2000

        return web.EventSourceResponse(events=events())

    seen = await ask(serve, app_of(handler))
    assert (seen.coding, seen.body) == (None, b"data: " + b"x" * 2000 + b"\n\n")


async def test_websockets_are_left_alone(serve: Any) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        assert "Vary" not in ws.headers
        await ws.send_str(TEXT)
        await ws.close()
        return ws

    client = await serve(app_of(handler))
    async with await client.ws_connect("/", fields={"Accept-Encoding": "gzip"}) as ws:
        assert await ws.receive() == TEXT
        await ws.close()


async def test_it_may_stand_twice(serve: Any) -> None:
    inner = app_of(answering())
    outer = web.Application(middlewares=[web.compress_middleware()])
    outer.add_subapp("/in", inner)
    client = await serve(outer)
    answer = await client.get("/in/", fields={"Accept-Encoding": "gzip"})
    seen = Seen(client.host, answer)
    assert (seen.coding, seen.vary, seen.body) == ("gzip", "Accept-Encoding", BODY)


async def test_it_may_stand_around_one_route(serve: Any) -> None:
    app = web.Application()
    app.router.add_get("/", answering(), middlewares=[web.compress_middleware()])
    app.router.add_get("/plain", answering())
    client = await serve(app)
    for path, coding in (("/", "gzip"), ("/plain", None)):
        answer = await client.get(path, fields={"Accept-Encoding": "gzip"})
        assert answer.fields.get("Content-Encoding") == coding
