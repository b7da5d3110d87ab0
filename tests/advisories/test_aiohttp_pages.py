"""Advisories on aiohttp: directories of files, redirections, status lines."""

from pathlib import Path
from typing import Any

import pytest

from advisories.attacks import head
from advisories.windows import pretend_windows
from bascule import web
from support import wire
from support.files import GZIP, make_root, put, static_app
from support.requests import app_of, ok


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


WINDOWS = [
    "C:/Windows/win.ini",
    "C:%5CWindows%5Cwin.ini",
    "%5C%5Chost%5Cshare",
    "/host/share",
    "//host/share",
    "%2F%2Fhost/share",
    "/etc/passwd",
    "%2Fetc%2Fpasswd",
    "%5C%5C%3F%5CC:%5Cx",
    "sub%5Ca%20b.txt",
]


@pytest.mark.parametrize("follow", [False, True], ids=["", "follow"])
async def test_aiohttp_3_0_2_absolute_paths(serve: Any, root: Path, follow: bool) -> None:
    """Joining a directory with an absolute path gives the latter."""
    client = await serve(static_app(root, follow_symlinks=follow))
    for name in WINDOWS:
        assert (await client.get(f"/static/{name}")).status == 404, name


async def test_CVE_2026_34515_shares_are_refused_by_their_names(
    serve: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking up a share sends the account of the server to a host of the client's choice: the
    name is refused before anything is looked up."""
    client = await serve(static_app(root, follow_symlinks=True))
    looked_up = pretend_windows(monkeypatch)
    for name in WINDOWS:
        assert (await client.get(f"/static/{name}")).status == 404, name
        assert not [path for path in looked_up if str(root) in path], name


HOSTS = [
    *["//evil.example", "//evil.example/", "//evil.example/%2e%2e", "///evil.example", "/%5Cevil"],
    *["/%5C/evil.example", "//evil.example//", "/%2Fevil.example", "/%2F%2Fevil.example/x"],
    *["//evil.example/..", "//@evil.example", "//%5Cevil.example", "/.//evil.example"],
    *["/%09/evil.example", "/\\evil.example", "/\\/evil.example/", "/x\\..\\\\evil.example"],
    *["/..//evil.example", "//evil.example%2f..", "/x/..//evil.example/"],
]


@pytest.mark.parametrize(
    "options",
    [{}, {"append_slash": False, "remove_slash": True}, {"merge_slashes": False}],
    ids=["append", "remove", "not merged"],
)
async def test_CVE_2021_21330_redirected_to_another_host(
    serve: Any, options: dict[str, Any]
) -> None:
    """A target of two slashes became a Location of two slashes, which names a host."""
    app = web.Application(middlewares=[web.normalize_path_middleware(**options)])
    last = "" if "remove_slash" in options else "/"
    for path in ("/{a}", "/{a}/{b}", "/{a}/{b}/{c}", r"/{all:.*[a-z.\\]}"):
        app.router.add_get(path + last, ok)
    client = await serve(app)
    moved = 0
    for target in HOSTS:
        answer = await client.get(target)
        location = answer.fields.get("Location", "/")
        moved += location != "/"
        assert location.startswith("/"), target
        assert location[1:2] not in ("/", "\\"), target
    assert moved


TRAVERSALS = [
    "../secret.txt",
    "%2e%2e/secret.txt",
    "..%2fsecret.txt",
    "%2e%2e%2fsecret.txt",
    "sub/../../secret.txt",
    "sub%2f..%2f..%2fsecret.txt",
    "..%5csecret.txt",
    "%252e%252e/secret.txt",
    "..%c0%afsecret.txt",
    "....//secret.txt",
    "./../secret.txt",
    "ten.txt/../../secret.txt",
    "ten.txt%00/../../secret.txt",
]


@pytest.mark.parametrize("follow", [False, True], ids=["", "follow"])
async def test_CVE_2024_23334_traversal(serve: Any, root: Path, follow: bool) -> None:
    """With follow_symlinks nobody looked whether a file lay below the root."""
    client = await serve(static_app(root, follow_symlinks=follow, show_index=True))
    for name in TRAVERSALS:
        answer = await client.get(f"/static/{name}")
        assert answer.status == 404, name
        assert b"secret" not in answer.body, name


async def test_CVE_2024_27306_names_in_a_list(serve: Any, root: Path) -> None:
    """File names stood as they were in the list of a directory."""
    for name in ("<img src=x onerror=alert(1)>", '"><script>', "'-alert(1)-'", "a&lt;b"):
        put(root, name, b"")
    (root / 'sub"><b>').mkdir()
    client = await serve(static_app(root, show_index=True))
    page = (await client.get("/static/")).text
    assert "<img" not in page
    assert "<script" not in page
    assert "<b>" not in page
    assert '"><' not in page.replace('">&lt;', "").replace('/"><', "")
    assert "&amp;lt;b" in page


@pytest.mark.parametrize("extension", [".gz", ".br"])
async def test_CVE_2024_42367_a_neighbour_that_is_a_link(
    serve: Any, root: Path, extension: str
) -> None:
    """The compressed neighbour of a file was sent wherever it led."""
    put(root.parent, f"secret{extension}", GZIP)
    put(root, "page.html", b"page")
    (root / f"page.html{extension}").symlink_to(f"../secret{extension}")
    client = await serve(static_app(root))
    fields = {"Accept-Encoding": "gzip, br"}
    answer = await client.get("/static/page.html", fields=fields)
    assert (answer.status, answer.body) == (200, b"page")
    assert "Content-Encoding" not in answer.fields


@pytest.mark.parametrize("value", ["٠-٣", "²-", "-٣", "０-３"], ids=ascii)
async def test_CVE_2025_69225_digits_of_ranges(root: Path, value: str) -> None:
    """int() reads digits of all scripts."""
    data = head(f"Range: bytes={value}", target="/static/ten.txt", method="GET")
    async with wire.serve(static_app(root)) as served:
        answer = await served.exchange(data)
    assert answer[9:12] in (b"200", b"416")


async def test_CVE_2025_69226_no_telling_what_exists(serve: Any, root: Path) -> None:
    """403 told of files outside that exist, 404 of those that do not."""
    (root.parent / "dark").mkdir(mode=0)
    for name in ("out", "outside"):
        (root / name).symlink_to("../secret.txt" if name == "out" else "..")
    (root / "nowhere").symlink_to("../missing")
    client = await serve(static_app(root))
    answers = []
    for name in ("../secret.txt", "../missing", "out", "nowhere", "outside/secret.txt"):
        answers.append(await client.get(f"/static/{name}"))
    for name in ("outside/missing", "outside/dark/x", "outside/dark", "outside"):
        answers.append(await client.get(f"/static/{name}"))
    seen = {(each.status, each.body, str(sorted(each.fields))) for each in answers}
    assert len(seen) == 1
    assert answers[0].status == 404


REASONS = ["OK\r\nInjected: yes", "OK\n", "OK\r", "\0", "a\x1bb"]


async def test_CVE_2026_34519_line_ends_in_the_reason(serve: Any) -> None:
    """The reason phrase went into the status line as it was."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(reason=REASONS[int(request.path[1:])])

    client = await serve(app_of(handler))
    for number, reason in enumerate(REASONS):
        answer = await client.get(f"/{number}")
        assert (answer.status, "Injected" in answer.fields) == (500, False), reason


@pytest.mark.parametrize("reason", REASONS[:3])
def test_CVE_2026_34519_line_ends_are_told_at_once(reason: str) -> None:
    """Where the mistake is made it is told."""
    makers: list[Any] = [web.Response, web.StreamResponse, web.HTTPOk, web.HTTPNotFound]
    for make in makers:
        with pytest.raises(ValueError):
            make(reason=reason)
    with pytest.raises(ValueError):
        web.Response().set_status(200, reason)
