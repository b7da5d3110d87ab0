"""Directories of files, the same on every host."""

import os
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from bascule import web
from support.files import TEN, make_root, put, static_app


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/static/ten.txt", 200),
        ("/static/ten.txt?x=1", 200),
        ("/static/ten.txt/", 200),
        ("/static/sub/a%20b.txt", 200),
        ("/static/sub%2Fa%20b.txt", 200),
        ("/static/sub/../ten.txt", 200),
        ("/static/sub//a%20b.txt", 200),
        ("/static/./ten.txt", 200),
        ("/static/in", 200),
        ("/static/ten.txt/x", 404),
        ("/static/missing", 404),
        ("/static/TEN.txt", 404),
        ("/staticten.txt", 404),
        ("/static/../secret.txt", 404),
        ("/static/%2e%2e/secret.txt", 404),
        ("/static/..%2Fsecret.txt", 404),
        ("/static/sub/../../secret.txt", 404),
        ("/static/sub/..%2F..%2Fsecret.txt", 404),
        ("/static/..%5Csecret.txt", 404),
        ("/static//ten.txt", 404),
        ("/static/%2Fetc/passwd", 404),
        ("/static//etc/passwd", 404),
        ("/static/C:/x", 404),
        ("/static/%5C%5Chost%5Cshare", 404),
        ("/static/back%5Cslash", 404),
        ("/static/ten.txt%00", 404),
        ("/static/%E9", 404),
        ("/static/" + "x" * 300, 404),
        ("/static/out", 404),
        ("/static/outside/secret.txt", 404),
        ("/static/outside/missing", 404),
        ("/static/loop", 404),
        ("/static/dangling", 404),
        ("/static/fifo", 403),
        ("/static", 403),
        ("/static/", 403),
        ("/static/.", 403),
        ("/static/sub", 403),
        ("/static/sub/", 403),
    ],
)
async def test_no_name_leads_out_of_a_directory(
    serve: Any, root: Path, target: str, status: int
) -> None:
    """CVE-2024-23334, CVE-2024-27306, CVE-2025-69226 and their kin."""
    put(root, "back\\slash", b"x")
    os.mkfifo(root / "fifo")
    (root / "in").symlink_to("ten.txt")
    (root / "out").symlink_to("../secret.txt")
    (root / "outside").symlink_to("..")
    (root / "loop").symlink_to("loop")
    (root / "dangling").symlink_to("nowhere")
    client = await serve(static_app(root))
    answer = await client.get(target)
    assert (answer.status, b"secret" in answer.body) == (status, False)


async def test_symbolic_links_are_followed_when_allowed(serve: Any, root: Path) -> None:
    (root / "out").symlink_to("../secret.txt")
    (root / "outside").symlink_to("..")
    (root / "loop").symlink_to("loop")
    client = await serve(static_app(root, follow_symlinks=True, show_index=True))
    assert (await client.get("/static/out")).body == b"secret"
    assert (await client.get("/static/out")).fields["Content-Type"] == "text/plain"
    assert (await client.get("/static/outside/secret.txt")).body == b"secret"
    assert (await client.get("/static/loop")).status == 404
    # The name is made plain first: no climbing through a link.
    assert (await client.get("/static/outside/../ten.txt")).body == TEN
    assert (await client.get("/static/../secret.txt")).status == 404
    page = (await client.get("/static/outside")).text
    link = f'<li><a href="{client.prefix}/static/outside/root">root/'
    assert f"<h1>Index of /outside</h1>\n<ul>\n{link}" in page


async def test_an_index_lists_a_directory(serve: Any, root: Path) -> None:
    listed = root / "sub" / 'd<i>&"r'
    listed.mkdir()
    put(listed, "a & b.txt", b"")
    put(listed, "B?é.txt", b"")
    (listed / "more").mkdir()
    (listed / "loop").symlink_to("loop")
    client = await serve(static_app(root, show_index=True))
    page = (
        "<html>\n<head>\n<title>Index of /sub/d&lt;i&gt;&amp;&quot;r</title>\n</head>\n<body>\n"
        "<h1>Index of /sub/d&lt;i&gt;&amp;&quot;r</h1>\n<ul>\n"
        '<li><a href="{}/B%3F%C3%A9.txt">B?é.txt</a></li>\n'
        '<li><a href="{}/a%20&amp;%20b.txt">a &amp; b.txt</a></li>\n'
        '<li><a href="{}/loop">loop</a></li>\n'
        '<li><a href="{}/more">more/</a></li>\n'
        "</ul>\n</body>\n</html>"
    ).replace("{}", f"{client.prefix}/static/sub/d%3Ci%3E&amp;%22r")
    for slash in ("", "/"):
        answer = await client.get(f"/static/sub/d%3Ci%3E&%22r{slash}")
        assert answer.text == page
        assert answer.fields["Content-Type"] == "text/html; charset=utf-8"
    answer = await client.get("/static")
    assert "<h1>Index of /.</h1>" in answer.text
    assert f'<li><a href="{client.prefix}/static/ten.txt">ten.txt</a></li>' in answer.text


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
async def test_an_index_lists_names_that_are_no_text(serve: Any, root: Path) -> None:
    os.close(os.open(os.fsencode(root / "sub") + b"/\xe9", os.O_CREAT))
    client = await serve(static_app(root, show_index=True))
    answer = await client.get("/static/sub")
    href = f"{client.prefix}/static/sub/%E9"
    assert f'<li><a href="{href}">\N{REPLACEMENT CHARACTER}</a></li>' in answer.text


@pytest.mark.parametrize("prefix", ["/a b/é", "/a%20b/%C3%A9", "/a b/é/"])
async def test_a_prefix_may_need_quotes(serve: Any, root: Path, prefix: str) -> None:
    client = await serve(static_app(root, prefix, show_index=True))
    assert (await client.get("/a%20b/%C3%A9/ten.txt")).body == TEN
    assert (await client.get("/a%20b/%c3%a9/ten.txt")).body == TEN
    assert (
        f'href="{client.prefix}/a%20b/%C3%A9/ten.txt"' in (await client.get("/a%20b/%C3%A9")).text
    )


async def test_the_root_may_be_a_directory(serve: Any, root: Path) -> None:
    app = static_app(root, "/", show_index=True)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="dynamic")

    app.router.add_get("/dynamic/{x}", handler)
    client = await serve(app)
    assert (await client.get("/ten.txt")).body == TEN
    assert (await client.get("/dynamic/1")).text == "dynamic"
    assert (await client.get("/dynamic")).status == 404
    assert f'href="{client.prefix}/ten.txt"' in (await client.get("/")).text


@pytest.mark.every_host
async def test_a_directory_may_belong_to_an_application_inside(serve: Any, root: Path) -> None:
    inner = static_app(root, show_index=True)
    app = web.Application()
    app.add_subapp("/in ner", inner)
    client = await serve(app)
    assert (await client.get("/in%20ner/static/ten.txt")).body == TEN
    assert (
        f'href="{client.prefix}/in%20ner/static/sub"' in (await client.get("/in%20ner/static")).text
    )
    (resource,) = inner.router.resources()
    assert str(resource.url_for(filename="x")) == "/in%20ner/static/x"  # type: ignore[call-arg]


@pytest.mark.parametrize("target", ["/ro%20ot/static/ten.txt", "/static/ten.txt"])
async def test_a_directory_is_found_below_the_root_path_of_a_host(root: Path, target: str) -> None:
    app = static_app(root, show_index=True)
    async with app:
        transport = httpx.ASGITransport(app, root_path="/ro ot")  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            assert (await client.get(target)).content == TEN
            page = (await client.get("/ro%20ot/static")).text
            assert 'href="/ro%20ot/static/ten.txt"' in page


async def test_other_methods_are_not_allowed(serve: Any, root: Path) -> None:
    app = static_app(root)
    client = await serve(app)
    answer = await client.post("/static/ten.txt")
    assert (answer.status, answer.fields["Allow"]) == (405, "GET,HEAD")


async def test_options_may_be_answered(serve: Any, root: Path) -> None:
    async def options(request: web.Request) -> web.Response:
        return web.Response(text=request.match_info["filename"])

    app = web.Application()
    resource = app.router.add_static("/static", root)
    assert isinstance(resource, web.StaticResource)
    resource.set_options_route(options)
    with pytest.raises(RuntimeError, match="OPTIONS route was set already"):
        resource.set_options_route(options)
    assert [route.method for route in resource] == ["GET", "HEAD", "OPTIONS"]
    client = await serve(app)
    assert (await client.request("OPTIONS", "/static/a%20b")).text == "a b"
    assert (await client.post("/static/x")).fields["Allow"] == "GET,HEAD,OPTIONS"


async def test_middlewares_may_stand_around_a_directory(serve: Any, root: Path) -> None:
    async def tag(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        response.headers["X-File"] = request.match_info["filename"]
        return response

    client = await serve(static_app(root, middlewares=[tag]))
    answer = await client.get("/static/sub/a%20b.txt")
    assert (answer.body, answer.fields["X-File"]) == (b"blank", "sub/a b.txt")


async def test_a_subclass_may_answer_in_its_own_way(serve: Any, root: Path) -> None:
    """Home Assistant and aiohttp-devtools do."""

    class Own(web.StaticResource):
        async def _handle(self, request: web.Request) -> web.StreamResponse:
            path = self._directory / request.match_info["filename"]
            response = web.FileResponse(path, chunk_size=self._chunk_size)
            response.headers["X-Own"] = f"{self._show_index} {self._follow_symlinks}"
            return response

    app = web.Application()
    app.router.register_resource(Own("/static", root))
    client = await serve(app)
    answer = await client.get("/static/ten.txt")
    assert (answer.body, answer.fields["X-Own"]) == (TEN, "False False")


# -- resources and definitions as objects


@pytest.mark.parametrize(
    ("filename", "url"),
    [
        ("a.txt", "/static/a.txt"),
        ("/a.txt", "/static/a.txt"),
        ("//a/b.txt", "/static/a/b.txt"),
        (Path("a/b.txt"), "/static/a/b.txt"),
        ("a b?é%20#.txt", "/static/a%20b%3F%C3%A9%2520%23.txt"),
        ("", "/static/"),
        ("../x", "/static/../x"),
    ],
)
def test_urls_are_built_from_names(root: Path, filename: Any, url: str) -> None:
    assert str(web.StaticResource("/static", root).url_for(filename=filename)) == url


def test_urls_tell_versions_of_files_that_are_served(root: Path) -> None:
    (root / "out").symlink_to("../secret.txt")
    os.mkfifo(root / "fifo")
    resource = web.StaticResource("/s", root, append_version=True)
    version = "v=hNiYd_DUBB77a_kaFvAkjy_Vc-avBcGflr7bn4gveII%3D"
    assert str(resource.url_for(filename="ten.txt")) == f"/s/ten.txt?{version}"
    assert str(resource.url_for(filename="/ten.txt")) == f"/s/ten.txt?{version}"
    assert str(resource.url_for(filename="ten.txt", append_version=False)) == "/s/ten.txt"
    for name in ("missing", "sub", "fifo", "out", "../secret.txt", ""):
        assert resource.url_for(filename=name).query_string == ""
    assert resource.url_for(filename="nul\0").query_string == ""
    put(root, "ten.txt", b"other")
    changed = resource.url_for(filename="ten.txt")
    assert changed.query["v"] not in version
    following = web.StaticResource("/s", root, follow_symlinks=True)
    assert following.url_for(filename="out", append_version=True).query_string != ""
    assert following.url_for(filename="out").query_string == ""


def test_urls_of_the_root_are_absolute(root: Path) -> None:
    router = web.UrlDispatcher()
    resource: Any = router.add_static("/", root)
    assert str(resource.url_for(filename="a")) == "/a"


def test_resources_describe_themselves(root: Path) -> None:
    router = web.UrlDispatcher()
    resource = router.add_static("/a b/", root, name="files")
    assert repr(resource) == f"<StaticResource 'files' /a%20b -> {root!r}>"
    assert repr(web.StaticResource("/s", root)) == f"<StaticResource  /s -> {root!r}>"
    info = resource.get_info()
    assert (info["directory"], info["prefix"]) == (root, "/a%20b")
    assert info["routes"] == {route.method: route for route in resource}
    assert (len(resource), resource.canonical, resource.name) == (2, "/a%20b", "files")
    assert not resource.raw_match("/a b")
    assert router["files"] is resource
    assert web.StaticResource.VERSION_KEY == "v"


def test_a_directory_must_be_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"^'.*/missing' does not exist$"):
        web.StaticResource("/s", root / "missing")
    with pytest.raises(ValueError, match=r"^'.*/ten\.txt' is not a directory$"):
        web.StaticResource("/s", root / "ten.txt")
    for prefix in ("s", "/s/"):
        with pytest.raises(AssertionError):
            web.StaticResource(prefix, root)
    for prefix in ("s", ""):
        with pytest.raises(AssertionError):
            web.UrlDispatcher().add_static(prefix, root)
    monkeypatch.setenv("HOME", str(root))
    assert web.StaticResource("/s", "~")._directory == root
    (root / "link").symlink_to("sub")
    assert web.StaticResource("/s", root / "link")._directory == root / "sub"


async def test_directories_may_be_defined_apart(serve: Any, root: Path) -> None:
    routes = web.RouteTableDef()
    routes.static("/static", root, name="files")
    (definition,) = routes
    assert repr(definition) == f"<StaticDef /static -> {root}, name='files'>"
    assert definition == web.static("/static", root, name="files")
    assert definition == web.StaticDef("/static", root, {"name": "files"})
    app = web.Application()
    added = app.add_routes(routes)
    assert [(route.method, route.name) for route in added] == [("GET", "files"), ("HEAD", "files")]
    client = await serve(app)
    assert (await client.get("/static/ten.txt")).body == TEN
