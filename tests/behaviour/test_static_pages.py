"""What directories of files may be told beyond aiohttp, the same on every host."""

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from bascule import web
from support.files import GZIP, TEN, make_root, put, static_app

PAGE = b"<p>page"
INDEX = b"<p>index"
HTML = {"Accept": "text/html,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = make_root(tmp_path)
    put(root, "index.html", INDEX)
    put(root, "app.html", PAGE)
    put(root, "docs/index.html", b"<p>docs")
    put(root, "packed/index.html", INDEX)
    put(root, "packed/index.html.gz", GZIP)
    return root


# -- the file of a directory


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/static/", INDEX),
        ("/static/?a=1", INDEX),
        ("/static/sub/../", INDEX),
        ("/static/docs/", b"<p>docs"),
        ("/static/docs/index.html", b"<p>docs"),
    ],
)
async def test_a_directory_is_answered_with_its_index(
    serve: Any, root: Path, target: str, body: bytes
) -> None:
    client = await serve(static_app(root, index="index.html"))
    answer = await client.get(target)
    assert (answer.status, answer.body) == (200, body)
    assert answer.fields["Content-Type"] == "text/html"
    head = await client.request("HEAD", target)
    assert (head.status, head.fields["Content-Length"]) == (200, str(len(body)))
    fields = {"If-None-Match": answer.fields["ETag"]}
    assert (await client.get(target, fields=fields)).status == 304
    answer = await client.get(target, fields={"Range": "bytes=1-2"})
    assert (answer.status, answer.body) == (206, body[1:3])


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/static", "/static/"),
        ("/static/docs", "/static/docs/"),
        ("/static/docs?a=%20&b", "/static/docs/?a=%20&b"),
        ("/static/a%20d", "/static/a%20d/"),
    ],
)
async def test_links_of_an_index_are_relative_to_its_directory(
    serve: Any, root: Path, target: str, location: str
) -> None:
    """Without the slash the browser would look for them beside it; conditions do not count."""
    put(root, "a d/index.html", INDEX)
    client = await serve(static_app(root, index="index.html"))
    for method in ("GET", "HEAD"):
        for fields in ({}, {"If-None-Match": "*"}, {"If-Match": '"x"'}):
            answer = await client.request(method, target, fields=fields)
            assert answer.status == 301
            assert answer.fields["Location"] == getattr(client, "prefix", "") + location


async def test_a_directory_sends_nobody_to_another_host(serve: Any, root: Path) -> None:
    """What begins with two slashes would be a host."""
    put(root, "evil.test/index.html", INDEX)
    client = await serve(static_app(root, "/", index="index.html"))
    assert (await client.get("/evil.test")).status == 301
    assert (await client.get("//evil.test")).status in (404, 301)  # hosts may join the slashes
    assert (await client.get("/%5Cevil.test")).status == 404
    for answer in (
        await client.get("//evil.test"),
        await (await serve(static_app(root, "//evil.test", index="index.html"))).get("//evil.test"),
    ):
        assert not answer.fields.get("Location", "/").startswith(("//", "/\\"))


@pytest.mark.parametrize(("show_index", "status"), [(False, 403), (True, 200)])
async def test_a_directory_without_its_index_is_listed_or_forbidden(
    serve: Any, root: Path, show_index: bool, status: int
) -> None:
    (root / "odd").mkdir()
    (root / "odd" / "index.html").mkdir()
    (root / "sub" / "index.html").symlink_to("../../secret.txt")
    client = await serve(static_app(root, index="index.html", show_index=show_index))
    for target in ("/static/sub", "/static/sub/", "/static/odd/"):
        answer = await client.get(target)
        assert (answer.status, b"secret" in answer.body) == (status, False)
        assert (b"<h1>Index of /" in answer.body) == show_index


async def test_the_index_comes_compressed(serve: Any, root: Path) -> None:
    client = await serve(static_app(root, index="index.html"))
    answer = await client.get("/static/packed/", fields={"Accept-Encoding": "gzip"})
    assert answer.fields["Content-Encoding"] == "gzip"
    assert answer.body in (GZIP, b"plain")  # as clients decode it


async def test_an_index_in_an_application_inside(serve: Any, root: Path) -> None:
    app = web.Application()
    app.add_subapp("/in ner", static_app(root, index="index.html"))
    client = await serve(app)
    answer = await client.get("/in%20ner/static")
    assert answer.fields["Location"] == getattr(client, "prefix", "") + "/in%20ner/static/"
    assert (await client.get("/in%20ner/static/")).body == INDEX


# -- the file for what is missing


async def test_a_fallback_that_is_compressed_varies_by_all_that_counts(
    serve: Any, root: Path
) -> None:
    """Else a cache would give the page to who asked for something else."""
    (root / "app.html.gz").write_bytes(gzip.compress(PAGE))
    client = await serve(static_app(root, fallback="app.html", headers={"Vary": "Origin"}))
    wish = {**HTML, "Accept-Encoding": "gzip"}
    answer = await client.get("/static/users/1", fields=wish)
    names = ", ".join(answer.fields.getall("Vary")).split(", ")
    assert sorted(names) == ["Accept", "Accept-Encoding", "Origin"]


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        ("/static/users/1", HTML),
        ("/static/users/a.b", HTML),
        ("/static/missing.js", HTML),
        ("/static/sub", HTML),
        ("/static/ten.txt/x", HTML),
        ("/static/users/1", {}),
        ("/static/users.of/1/", {}),
        ("/static/users/1", {"Accept": "*/*"}),
        ("/static/users/1", {"Accept": "text/*"}),
        ("/static/users/1", {"Accept": "image/png, */*;q=0.1"}),
    ],
)
async def test_paths_of_pages_are_answered_with_the_fallback(
    serve: Any, root: Path, target: str, fields: dict[str, str]
) -> None:
    client = await serve(static_app(root, fallback="app.html"))
    answer = await client.get(target, fields={"Accept": "*/*", **fields})
    assert (answer.status, answer.body) == (200, PAGE)
    assert (answer.fields["Content-Type"], answer.fields["Vary"]) == ("text/html", "Accept")
    known = {"Accept": "*/*", **fields, "If-None-Match": answer.fields["ETag"]}
    answer = await client.get(target, fields=known)
    assert (answer.status, answer.fields["Vary"]) == (304, "Accept")


@pytest.mark.parametrize(
    ("target", "accept"),
    [
        ("/static/missing.js", "*/*"),
        ("/static/users/a.b/", "*/*"),
        ("/static/users/1", "application/json"),
        ("/static/users/1", "image/*, text/css"),
        ("/static/users/1", "text/html;q=0, */*"),
        ("/static/users/1", "*/*;q=0"),
        ("/static/../secret", "text/html"),
        ("/static/out", "text/html"),
    ],
)
async def test_what_is_no_page_stays_missing(
    serve: Any, root: Path, target: str, accept: str
) -> None:
    """Scripts, images and data, and what leads out of the directory."""
    (root / "out").symlink_to("../secret.txt")
    client = await serve(static_app(root, fallback="app.html"))
    answer = await client.get(target, fields={"Accept": accept})
    assert answer.status == 404
    assert PAGE not in answer.body


async def test_files_come_before_the_fallback(serve: Any, root: Path) -> None:
    client = await serve(static_app(root, index="index.html", fallback="app.html"))
    assert (await client.get("/static/ten.txt", fields=HTML)).body == TEN
    assert (await client.get("/static/docs/", fields=HTML)).body == b"<p>docs"
    assert (await client.get("/static/docs", fields=HTML)).status == 301
    assert (await client.get("/static/sub/", fields=HTML)).body == PAGE
    listed = await serve(static_app(root, fallback="app.html", show_index=True))
    assert b"<h1>Index of /sub" in (await listed.get("/static/sub", fields=HTML)).body


async def test_a_fallback_may_be_missing_itself(serve: Any, root: Path) -> None:
    """It may be built later."""
    client = await serve(static_app(root, fallback="made/later.html"))
    assert (await client.get("/static/users/1", fields=HTML)).status == 404
    assert (await client.get("/static/sub", fields=HTML)).status == 403
    put(root, "made/later.html", PAGE)
    assert (await client.get("/static/users/1", fields=HTML)).body == PAGE


async def test_a_fallback_at_the_root_leaves_routes_alone(serve: Any, root: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response([])

    app = web.Application()
    app.router.add_get("/api/users", handler)
    app.router.add_static("/", root, index="index.html", fallback=Path("app.html"))
    client = await serve(app)
    assert (await client.get("/api/users", fields=HTML)).text == "[]"
    assert (await client.get("/", fields=HTML)).body == INDEX
    assert (await client.get("/users/1", fields=HTML)).body == PAGE
    assert (await client.post("/users/1", fields=HTML)).status == 405


# -- fields


async def test_answers_with_a_file_have_fields_of_ones_own(serve: Any, root: Path) -> None:
    headers = [("X-A", "1"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")]
    app = static_app(root, headers=headers, max_age=3600, fallback="app.html")
    client = await serve(app)
    whole = await client.get("/static/ten.txt")
    etag = whole.fields["ETag"]
    for fields, status in [
        ({}, 200),
        ({"Range": "bytes=1-2"}, 206),
        ({"If-None-Match": etag}, 304),
    ]:
        answer = await client.get("/static/ten.txt", fields=fields)
        assert (answer.status, answer.fields["X-A"]) == (status, "1")
        assert answer.fields.getall("Set-Cookie") == ["a=b", "c=d"]
        assert answer.fields["Cache-Control"] == "public, max-age=3600"
    # Errors are not to be kept, and what is fallen back to names what is new.
    answer = await client.get("/static/ten.txt", fields={"If-Match": '"x"'})
    assert (answer.status, "Cache-Control" in answer.fields) == (412, False)
    answer = await client.get("/static/ten.txt", fields={"Range": "bytes=20-"})
    assert (answer.status, "Cache-Control" in answer.fields) == (416, False)
    for target in ("/static/users/1", "/static/app.html"):
        answer = await client.get(target, fields=HTML)
        assert (answer.body, answer.fields["Cache-Control"]) == (PAGE, "no-cache")
    answer = await client.get("/static/missing.js")
    assert (answer.status, "Cache-Control" in answer.fields, "X-A" in answer.fields) == (
        404,
        False,
        False,
    )


async def test_fields_of_ones_own_come_first(serve: Any, root: Path) -> None:
    headers = {"cache-control": "private", "Content-Type": "a/b", "Vary": "Cookie"}
    client = await serve(static_app(root, headers=headers, max_age=0))
    answer = await client.get("/static/style.css", fields={"Accept-Encoding": "gzip"})
    assert answer.fields.getall("Cache-Control") == ["private"]
    assert answer.fields.getall("Content-Type") == ["a/b"]
    assert answer.fields["Vary"] == "Cookie, Accept-Encoding"
    client = await serve(static_app(root, max_age=0))
    answer = await client.get("/static/ten.txt")
    assert answer.fields["Cache-Control"] == "public, max-age=0"


# -- options as objects


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"index": ""}, "index must be the name of a file, got ''"),
        ({"index": "a/b"}, "index must be the name of a file"),
        ({"index": ".."}, "index must be the name of a file"),
        ({"index": "a\0"}, "index must be the name of a file"),
        ({"index": "a\\b"}, "index must be the name of a file"),
        ({"index": True}, "index must be the name of a file, got True"),
        ({"fallback": "../secret.txt"}, "fallback must be the path of a file below the directory"),
        ({"fallback": "a/../../b"}, "fallback must be the path of a file below the directory"),
        ({"fallback": "/etc/passwd"}, "fallback must be the path of a file below the directory"),
        ({"fallback": ""}, "fallback must be the path of a file below the directory"),
        ({"headers": {"X": "a\r\nb: c"}}, "[Cc]ontrol|character|Newline|newline"),
        ({"max_age": -1}, "max_age must be a number of seconds from 0, got -1"),
        ({"max_age": 1.5}, "max_age must be a number of seconds from 0, got 1.5"),
        ({"max_age": True}, "max_age must be a number of seconds from 0, got True"),
        ({"max_ranges": 0}, "max_ranges must be at least 1, got 0"),
        ({"max_ranges": "2"}, "max_ranges must be at least 1, got '2'"),
    ],
    ids=str,
)
def test_bad_options_are_refused(root: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        web.Application().router.add_static("/static", root, **options)


def test_definitions_take_the_options(root: Path) -> None:
    options: dict[str, Any] = {"index": "index.html", "fallback": "app.html", "max_age": 60}
    definition = web.static("/static", root, headers={"X": "1"}, max_ranges=3, **options)
    app = web.Application()
    app.add_routes([definition])
    (resource,) = app.router.resources()
    assert isinstance(resource, web.StaticResource)


async def test_links_may_lead_to_an_index_when_allowed(serve: Any, root: Path) -> None:
    (root / "sub" / "index.html").symlink_to("../../secret.txt")
    os.symlink("..", root / "outside")
    client = await serve(static_app(root, index="index.html", follow_symlinks=True))
    assert (await client.get("/static/sub/")).body == b"secret"
    assert (await client.get("/static/outside/root/")).body == INDEX
