"""Files as answers, the same on every host."""

import asyncio
import mimetypes
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from bascule import web
from bascule.testing import MemoryExchange
from support.files import (
    BIG,
    BROTLI,
    GZIP,
    SECONDS,
    TEN,
    file_app,
    make_root,
    memory_handling,
    put,
    static_app,
)
from support.wire import PATIENCE

THEN = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
ETAG = '"ae1b981bc490a00-a"'  # nanoseconds and size in hexadecimal
RANGE = {"Range": "bytes=1-2"}

needs_denial = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is denied to root"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


# -- what is sent


async def test_a_file_is_sent_with_what_is_known_of_it(serve: Any, root: Path) -> None:
    client = await serve(file_app(root / "ten.txt"))
    answer = await client.get("/")
    assert (answer.status, answer.body) == (200, TEN)
    known = {
        "Content-Type": "text/plain",
        "Content-Length": "10",
        "Last-Modified": THEN,
        "ETag": ETAG,
        "Accept-Ranges": "bytes",
    }
    assert {name: answer.fields.get(name) for name in known} == known
    assert "Content-Range" not in answer.fields
    assert "Vary" not in answer.fields


@pytest.mark.parametrize("name", ["ten.txt", "empty.txt", "big.bin"])
@pytest.mark.every_host
async def test_head_tells_what_get_would(serve: Any, root: Path, name: str) -> None:
    client = await serve(file_app(root / name))
    answer, head = await client.get("/"), await client.request("HEAD", "/")
    assert answer.body == (root / name).read_bytes()
    assert head.body == b""
    assert head.status == 200
    unstable = ("Date", "Connection")
    for fields in (answer.fields, head.fields):
        for field in unstable:
            fields.pop(field, None)
    assert dict(head.fields) == dict(answer.fields)  # hosts put their own wherever they like


@pytest.mark.parametrize("chunk_size", [1000, 65536, 10**9])
@pytest.mark.every_host
async def test_big_files_are_sent_whole_and_in_part(
    serve: Any, root: Path, chunk_size: int
) -> None:
    client = await serve(file_app(root / "big.bin", chunk_size))
    assert (await client.get("/")).body == BIG
    answer = await client.get("/", fields={"Range": "bytes=100-200099"})
    assert (answer.status, answer.body) == (206, BIG[100:200100])
    assert answer.fields["Content-Range"] == f"bytes 100-200099/{len(BIG)}"
    assert answer.fields["Content-Length"] == "200000"


@pytest.mark.parametrize(
    ("field", "status", "body", "content_range"),
    [
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=2-5", 206, b"2345", "bytes 2-5/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=7-99", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=-99", 206, TEN, "bytes 0-9/10"),
        ("BYTES=1-2", 206, b"12", "bytes 1-2/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=5-2", 416, b"", "bytes */10"),
        ("bytes=1-2,4-5", 416, b"", "bytes */10"),
        ("bytes=a-b", 416, b"", "bytes */10"),
        ("items=1-2", 200, TEN, None),
    ],
)
async def test_a_part_is_sent_when_asked_for(
    serve: Any, root: Path, field: str, status: int, body: bytes, content_range: str | None
) -> None:
    client = await serve(file_app(root / "ten.txt"))
    answer = await client.get("/", fields={"Range": field})
    assert (answer.status, answer.body) == (status, body)
    assert answer.fields.get("Content-Range") == content_range


@pytest.mark.parametrize(
    ("fields", "status", "body"),
    [
        ({"If-None-Match": ETAG}, 304, b""),
        ({"If-None-Match": f"W/{ETAG}"}, 304, b""),
        ({"If-Modified-Since": THEN}, 304, b""),
        ({"If-Modified-Since": BEFORE}, 200, TEN),
        ({"If-Match": '"x"'}, 412, b""),
        ({"If-Match": f"W/{ETAG}"}, 412, b""),
        ({"If-Unmodified-Since": BEFORE}, 412, b""),
        ({**RANGE, "If-Range": ETAG}, 206, b"12"),
        ({**RANGE, "If-Range": '"x"'}, 200, TEN),
        ({**RANGE, "If-Range": THEN}, 206, b"12"),
        ({**RANGE, "If-Range": BEFORE}, 200, TEN),
        ({**RANGE, "If-None-Match": ETAG}, 304, b""),
    ],
    ids=str,
)
async def test_conditions_are_held(
    serve: Any, root: Path, fields: dict[str, str], status: int, body: bytes
) -> None:
    """RFC 9110 section 13; the order and the comparisons are tested with `judge`."""
    client = await serve(file_app(root / "ten.txt"))
    answer = await client.get("/", fields=fields)
    assert (answer.status, answer.body) == (status, body)
    if status == 304:
        assert (answer.fields["ETag"], answer.fields["Last-Modified"]) == (ETAG, THEN)
        assert "Content-Length" not in answer.fields
        assert "Content-Type" not in answer.fields
    if status == 412:
        assert answer.fields["Content-Length"] == "0"


async def test_a_time_is_rounded_up_to_a_second(serve: Any, root: Path) -> None:
    nanoseconds = SECONDS * 10**9 - 999_999_999
    os.utime(root / "ten.txt", ns=(nanoseconds, nanoseconds))
    client = await serve(file_app(root / "ten.txt"))
    answer = await client.get("/")
    assert answer.fields["Last-Modified"] == THEN
    assert answer.fields["ETag"] == f'"{nanoseconds:x}-a"'
    fields = {"If-Modified-Since": answer.fields["Last-Modified"]}
    assert (await client.get("/", fields=fields)).status == 304


@pytest.mark.parametrize("seconds", [2**38, -1, 0])
async def test_odd_times_are_served(serve: Any, root: Path, seconds: int) -> None:
    """Beyond the calendar, where the file system remembers such a time."""
    os.utime(root / "ten.txt", (seconds, seconds))
    client = await serve(file_app(root / "ten.txt"))
    answer = await client.get("/")
    fields = {"If-Modified-Since": answer.fields["Last-Modified"]}
    assert (answer.status, (await client.get("/", fields=fields)).status) == (200, 304)


# -- compressed neighbours


@pytest.mark.parametrize(
    ("accept", "coding", "sent"),
    [
        ("gzip", "gzip", GZIP),
        ("br", "br", BROTLI),
        ("GZIP, BR", "br", BROTLI),
        ("gzip, deflate, br;q=0.1", "br", BROTLI),
        ("br;q=0, gzip", "gzip", GZIP),
        ("gzip;q=0", None, b"plain"),
        ("brotli", None, b"plain"),
        ("deflate, *", None, b"plain"),
    ],
)
async def test_a_compressed_neighbour_is_sent_to_who_accepts_it(
    serve: Any, root: Path, accept: str, coding: str | None, sent: bytes
) -> None:
    client = await serve(file_app(root / "style.css"))
    answer = await client.get("/", fields={"Accept-Encoding": accept})
    assert answer.body in (sent, b"plain")
    assert answer.fields["Content-Length"] == str(len(sent))
    assert answer.fields.get("Content-Encoding") == coding
    assert answer.fields.get("Vary") == ("Accept-Encoding" if coding else None)
    assert answer.fields["Content-Type"] == "text/css"
    assert answer.fields["ETag"].endswith(f'-{len(sent):x}"')
    fields = {"Accept-Encoding": accept, "If-None-Match": answer.fields["ETag"]}
    answer = await client.get("/", fields=fields)
    assert answer.status == 304
    assert answer.fields.get("Vary") == ("Accept-Encoding" if coding else None)


async def test_a_neighbour_suffices(serve: Any, root: Path) -> None:
    client = await serve(file_app(root / "only.html"))
    answer = await client.get("/", fields={"Accept-Encoding": "gzip"})
    assert (answer.status, answer.fields["Content-Type"]) == (200, "text/html")
    assert (await client.get("/", fields={"Accept-Encoding": "br"})).status == 404


async def test_ranges_are_of_the_neighbour(root: Path) -> None:
    """Asked in memory, since part of what is coded cannot be decoded."""
    exchange = MemoryExchange(fields={"Accept-Encoding": "br", **RANGE})
    await exchange.answered_by(memory_handling(file_app(root / "style.css")))
    assert exchange.answer is not None
    assert (exchange.status, exchange.sent) == (206, BROTLI[1:3])
    assert dict(exchange.answer.fields)["Content-Range"] == f"bytes 1-2/{len(BROTLI)}"


async def test_neighbours_that_are_no_files_are_ignored(serve: Any, root: Path) -> None:
    """A link could lead anywhere (CVE-2024-42367)."""
    put(root, "a.css", b"plain")
    (root / "a.css.gz").symlink_to(root.parent / "secret.txt")
    (root / "a.css.br").mkdir()
    client = await serve(static_app(root))
    answer = await client.get("/static/a.css", fields={"Accept-Encoding": "gzip, br"})
    assert (answer.status, answer.body) == (200, b"plain")


async def test_vary_is_added_to(serve: Any, root: Path) -> None:
    client = await serve(file_app(root / "style.css", headers={"Vary": "Cookie"}))
    answer = await client.get("/", fields={"Accept-Encoding": "br"})
    assert answer.fields["Vary"] == "Cookie, Accept-Encoding"


# -- types


@pytest.mark.parametrize(
    ("name", "media"),
    [
        ("a.html", "text/html"),
        ("a.PNG", "image/png"),
        ("a", "application/octet-stream"),
        ("a.no-such-suffix", "application/octet-stream"),
        ("a.html.gz", "application/gzip"),
        ("a.tar.gz", "application/gzip"),
        ("a.html.br", "application/x-brotli"),
        ("a.bz2", "application/x-bzip2"),
        ("a.xz", "application/x-xz"),
        ("data:,a.html", "text/html"),
    ],
)
async def test_the_type_is_that_of_the_name(serve: Any, root: Path, name: str, media: str) -> None:
    """What is compressed by its own name is not decoded by the client."""
    (root / "types").mkdir()
    (root / "types" / name).write_bytes(b"x")
    client = await serve(file_app(root / "types" / name))
    answer = await client.get("/", fields={"Accept-Encoding": "gzip, br"})
    assert answer.fields["Content-Type"] == media
    assert "Content-Encoding" not in answer.fields


async def test_edits_of_the_tables_of_types_count(serve: Any, root: Path) -> None:
    """ComfyUI edits them for all files there are."""
    put(root, "a.own", b"x")
    client = await serve(file_app(root / "a.own"))
    assert (await client.get("/")).fields["Content-Type"] == "application/octet-stream"
    mimetypes.types_map[".own"] = "text/own; charset=utf-8"
    try:
        assert (await client.get("/")).fields["Content-Type"] == "text/own; charset=utf-8"
    finally:
        del mimetypes.types_map[".own"]


async def test_a_type_that_was_set_is_kept(serve: Any, root: Path) -> None:
    client = await serve(file_app(root / "ten.txt", headers={"Content-Type": "a/b", "X": "1"}))
    answer = await client.get("/", fields=RANGE)
    assert (answer.fields["Content-Type"], answer.fields["X"]) == ("a/b", "1")


# -- what is no file


async def test_what_cannot_be_sent_is_an_empty_answer(serve: Any, root: Path) -> None:
    """Nothing waits for the other end of a pipe."""
    os.mkfifo(root / "fifo")
    (root / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        async with asyncio.timeout(PATIENCE):
            for name, status in [
                ("missing", 404),
                ("ten.txt/x", 404),
                ("loop", 404),
                ("x" * 300, 404),
                ("nul\0", 404),
                ("sub", 403),
                ("fifo", 403),
                ("socket", 403),
                ("/dev/null", 403),
            ]:
                client = await serve(file_app(root / name))
                answer = await client.get("/", fields={"If-None-Match": "*", **RANGE})
                assert (name, answer.status, answer.body) == (name, status, b"")
                assert "ETag" not in answer.fields


@needs_denial
async def test_what_may_not_be_read_is_forbidden(serve: Any, root: Path) -> None:
    (root / "ten.txt").chmod(0)
    (root / "sub").chmod(0)
    try:
        client = await serve(static_app(root, show_index=True))
        for name in ("ten.txt", "sub", "sub/a%20b.txt"):
            assert (await client.get(f"/static/{name}")).status == 403
    finally:
        (root / "sub").chmod(0o700)


# -- the response as an object


async def test_a_status_is_kept_for_the_whole_file(serve: Any, root: Path) -> None:
    client = await serve(file_app(root / "ten.txt", status=201, reason="Made"))
    assert (await client.get("/")).status == 201
    assert (await client.get("/", fields=RANGE)).status == 206


@pytest.mark.parametrize(
    "fields", [RANGE, {"If-None-Match": "*"}, {"If-Match": '"x"'}, {"If-Modified-Since": THEN}]
)
async def test_error_pages_answer_no_conditions(
    serve: Any, root: Path, fields: dict[str, str]
) -> None:
    """RFC 9110 section 13.2.1."""
    client = await serve(file_app(root / "ten.txt", status=404))
    answer = await client.get("/", fields=fields)
    assert (answer.status, answer.body) == (404, TEN)


async def test_a_status_without_content_has_none(serve: Any, root: Path) -> None:
    client = await serve(file_app(root / "ten.txt", status=204))
    answer = await client.get("/", fields=RANGE)
    assert (answer.status, answer.body) == (204, b"")


async def test_answers_to_post_are_not_304(serve: Any, root: Path) -> None:
    client = await serve(file_app(root / "ten.txt"))
    assert (await client.post("/", fields=RANGE)).body == TEN
    answer = await client.post("/", fields={"If-None-Match": ETAG})
    assert (answer.status, answer.body) == (412, b"")


async def test_signals_and_middlewares_see_a_response_like_any(serve: Any, root: Path) -> None:
    seen = []

    @web.middleware
    async def tag(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        seen.append((type(response), response.prepared, response.status))
        response.headers["X-Middleware"] = "1"
        response.set_cookie("a", "b")
        return response

    async def sign(request: web.Request, response: web.StreamResponse) -> None:
        seen.append((response.status, response.headers["Content-Length"]))
        response.headers["X-Signal"] = "1"

    app = web.Application(middlewares=[tag])
    app.router.add_static("/static", root)
    app.on_response_prepare.append(sign)
    client = await serve(app)
    answer = await client.get("/static/ten.txt", fields=RANGE)
    assert seen == [(web.FileResponse, False, 200), (206, "2")]
    assert (answer.fields["X-Middleware"], answer.fields["X-Signal"]) == ("1", "1")
    assert answer.fields["Set-Cookie"] == "a=b; Path=/"
    assert answer.body == b"12"


async def test_a_middleware_may_change_the_status_of_a_file(serve: Any, root: Path) -> None:
    @web.middleware
    async def refuse(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        response.set_status(410)
        return response

    app = web.Application(middlewares=[refuse])
    app.router.add_static("/static", root)
    client = await serve(app)
    answer = await client.get("/static/ten.txt", fields=RANGE)
    assert (answer.status, answer.body) == (410, TEN)


async def test_a_file_is_sent_when_its_response_is_prepared(serve: Any, root: Path) -> None:
    """So that it may be deleted behind `prepare`."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.FileResponse(put(root, "passing.bin", BIG))
        assert await response.prepare(request) is not None
        (root / "passing.bin").unlink()
        assert response.prepared
        assert await response.prepare(request) is None
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    client = await serve(app)
    assert (await client.get("/")).body == BIG


async def test_chunks_may_be_asked_for(serve: Any, root: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.FileResponse(root / request.query["name"])
        response.enable_chunked_encoding()
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    client = await serve(app)
    assert (await client.get("/?name=ten.txt")).body == TEN
    answer = await client.get("/?name=big.bin")
    assert answer.body == BIG
    assert "Content-Length" not in answer.fields


def test_paths_are_what_the_system_takes_for_paths(root: Path) -> None:
    assert web.FileResponse(str(root))._path == root
    assert repr(web.FileResponse("x")) == "<FileResponse OK not prepared>"
    wrong: Any = 3
    with pytest.raises(TypeError):
        web.FileResponse(wrong)


# -- what belongs to it


def test_entity_tags_and_dates_are_set_on_any_response() -> None:
    response = web.Response()
    assert response.etag is None
    response.etag = "x"
    tag = response.etag
    assert (response.headers["ETag"], tag.value, tag.is_weak) == ('"x"', "x", False)
    response.etag = type(tag)("y", is_weak=True)
    assert (response.headers["ETag"], response.etag.is_weak) == ('W/"y"', True)
    response.etag = "*"
    assert (response.headers["ETag"], response.etag.value) == ("*", "*")
    response.etag = None
    assert "ETag" not in response.headers
    wrong: Any = 3
    with pytest.raises(ValueError, match=r"^Unsupported etag type: <class 'int'>"):
        response.etag = wrong
    with pytest.raises(ValueError, match=r"^Value 'a\"b' is not a valid etag"):
        response.etag = 'a"b'
    response.headers["ETag"] = "x"
    assert response.etag is None


async def test_requests_tell_their_conditions(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        told = [request.if_match, request.if_none_match, request.if_modified_since]
        told += [request.if_unmodified_since, request.if_range]
        return web.Response(text=f"{told} {request.http_range}")

    app = web.Application()
    app.router.add_get("/", handler)
    client = await serve(app)
    assert (await client.get("/")).text == f"{[None] * 5} slice(None, None, 1)"
    fields = {
        "If-Match": '"a", W/"b"',
        "If-None-Match": "*",
        "If-Modified-Since": THEN,
        "If-Unmodified-Since": '"x"',
        "If-Range": THEN,
        "Range": "bytes=-5",
    }
    date = "datetime.datetime(1994, 11, 6, 8, 49, 37, tzinfo=datetime.timezone.utc)"
    assert (await client.get("/", fields=fields)).text == (
        "[(ETag(value='a', is_weak=False), ETag(value='b', is_weak=True)), "
        f"(ETag(value='*', is_weak=False),), {date}, None, {date}] slice(-5, None, 1)"
    )


def test_json_may_come_as_bytes() -> None:
    response = web.json_bytes_response({"a": 1}, dumps=lambda data: repr(data).encode())
    assert (response.body, response.headers["Content-Type"]) == (b"{'a': 1}", "application/json")
    response = web.json_bytes_response(body=b"[]", dumps=bytes, status=201, content_type="a/b")
    assert (response.body, response.status, response.content_type) == (b"[]", 201, "a/b")
    with pytest.raises(ValueError, match=r"^only one of data or body should be specified$"):
        web.json_bytes_response(None, body=b"", dumps=bytes)
