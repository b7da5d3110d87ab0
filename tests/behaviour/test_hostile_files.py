"""Directories of files, and requests, links and files that mean no good, on every host."""

import os
import socket
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from bascule import web
from bascule.routing.static_names import is_refused
from support.clients import Answer
from support.features import Feature
from support.files import TEN, make_root, put, static_app

ACCEPT = {"Accept-Encoding": "gzip, br"}
PAGE_WANTED = {"Accept": "text/html"}

INSIDE: dict[str, Any] = {"index": "index.html", "show_index": True}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = make_root(tmp_path)
    put(tmp_path, "index.html", b"secret index")
    put(tmp_path, "secret.txt.gz", b"secret gzip")
    return root


@pytest.fixture
def special(root: Path) -> Callable[[str], Path]:
    """Make a pipe or a socket; to open one for reading would wait, or fail."""

    def make(name: str) -> Path:
        path = root / name
        if name.endswith(".sock"):
            made = socket.socket(socket.AF_UNIX)
            old = os.getcwd()
            os.chdir(root)  # the path of a socket has hundred bytes at most
            try:
                made.bind(name)
            finally:
                os.chdir(old)
                made.close()
        else:
            os.mkfifo(path)
        return path

    return make


# -- names


REFUSED = [
    # Dots and slashes, plain, percent-encoded, encoded twice, and in mixed case.
    *("../secret.txt", "%2e%2e/secret.txt", "%2E%2E/secret.txt", ".%2e/secret.txt"),
    *("%2e./secret.txt", "..%2fsecret.txt", "..%2Fsecret.txt", "%2e%2e%2fsecret.txt"),
    *("%252e%252e/secret.txt", "%252e%252e%252fsecret.txt", "..%252fsecret.txt"),
    *("%25252e%25252e%25252fsecret.txt", "sub/..%2f..%2fsecret.txt", "sub/../../secret.txt"),
    *("....//secret.txt", "..../secret.txt", ".../secret.txt", "....%2f%2fsecret.txt"),
    *("..;/secret.txt", ";/../../secret.txt", "..%3b/secret.txt", "..%00/secret.txt"),
    *("./.././secret.txt", "sub/%2e%2e/%2e%2e/secret.txt", "x/../../secret.txt"),
    # Out, and in again.
    *("../root/ten.txt", "%2e%2e/root/ten.txt", "..%2froot%2ften.txt", "sub/../../root/ten.txt"),
    # Overlong and otherwise broken UTF-8, and characters that only look like dots and slashes.
    *("%c0%ae%c0%ae/secret.txt", "..%c0%afsecret.txt", "%c0%ae%c0%ae%c0%afsecret.txt"),
    *("%e0%80%ae%e0%80%ae/secret.txt", "%f0%80%80%ae%f0%80%80%ae/secret.txt"),
    *("%ef%bc%8e%ef%bc%8e/secret.txt", "..%ef%bc%8fsecret.txt", "..%e2%88%95secret.txt"),
    *("%u002e%u002e/secret.txt", "%ff%fe", "%ed%a0%80", "%ed%b3%bf", "%f4%90%80%80"),
    # Backslashes.
    *("..%5csecret.txt", "..%5Csecret.txt", "..%255csecret.txt", "%5c..%5csecret.txt"),
    *("sub%5c..%5c..%5csecret.txt", "sub%5c..%5cten.txt", "%5c%5chost%5cshare", "C:%5cx"),
    # Absolute paths, drives, schemes.
    *("/etc/passwd", "//etc/passwd", "%2fetc/passwd", "%2f%2fetc/passwd", "/ten.txt"),
    *("C:/secret.txt", "file:///etc/passwd", "%2e%2e//secret.txt", "~/secret.txt", "~root"),
    # Controls; in a segment that ``..`` takes off, too.
    *("ten.txt%00", "ten.txt%00.html", "%00ten.txt", "%00", "sub/%00/a%20b.txt", "..%00/x"),
    *("%00/%2e%2e/ten.txt", "x%00y/%2e%2e/ten.txt", "sub/%00/..%2f..%2ften.txt"),
    *("ten.txt%0a", "ten.txt%0d%0a", "%09ten.txt", "..%09/secret.txt", "..%0d/secret.txt"),
    *("ten.txt%7f", "%1b[31mten.txt", "..%20/secret.txt", "ten.txt%20"),
    # Names of files that mean others on some file systems.
    *("ten.txt.", "ten.txt::$DATA", "TEN.TXT", "ten%E2%80%AE.txt", "ten.txt;", "ten.txt;.html"),
    # What is too long for a name, and for a path.
    *("x" * 256, "%78" * 256, "x" * 5000, "x/" * 2500, "sub/" + "y" * 4090, "%C3%A9" * 200),
    *("../" * 1500 + "secret.txt", "%2e%2e%2f" * 500 + "secret.txt", "..%5c" * 500 + "secret.txt"),
]
# The client of one host takes dots off.
REFUSED_AS_SENT = ["%00/../ten.txt", "x%00y/../ten.txt", "..%00/../ten.txt"]
FOUND = [
    *("./ten.txt", "%2e/ten.txt", "sub/../ten.txt", "sub/%2e%2e/ten.txt", "sub%2f..%2ften.txt"),
    *("missing/../ten.txt", "C:/../ten.txt", "con/../ten.txt", "./" * 1500 + "ten.txt"),
    *("sub/../" * 700 + "ten.txt", "sub/" + "/" * 3000 + "%2e%2e/ten.txt", "%74%65%6e%2etxt"),
]


@pytest.mark.parametrize("options", [INSIDE, {"follow_symlinks": True}], ids=["inside", "links"])
async def test_no_spelling_of_a_name_leads_out(
    serve: Any, root: Path, options: dict[str, Any]
) -> None:
    """CVE-2017-16762, CVE-2022-35920, CVE-2024-23334, CVE-2023-29159 and their kin.

    A sibling whose name begins like the directory's is outside, too.
    """
    put(root.parent, "root2/ten.txt", b"secret")
    client = await serve(static_app(root, **options))
    refused = [*REFUSED, "../root2/ten.txt", "%2e%2e/root2/ten.txt", "..%2froot2%2ften.txt"]
    if not client.lacks(Feature.DOTS):
        refused += REFUSED_AS_SENT
    answers = {name: await client.get(f"/static/{name}") for name in refused}
    assert {name: answer.status for name, answer in answers.items() if answer.status != 404} == {}
    assert not any(b"secret" in answer.body for answer in answers.values())
    answers = {name: await client.get(f"/static/{name}") for name in FOUND}
    wrong = {name: answer.status for name, answer in answers.items() if answer.body != TEN}
    assert wrong == {}


@pytest.mark.parametrize(
    "name",
    [
        *("C:/x", "C:x", "sub/C:x", "C:/../x", "x:y", "ten.txt::$DATA", "sub:stream/../x"),
        *("\\", "..\\x", "sub\\x", "\\\\host\\share", "\\\\host\\share/../x", "sub/\\\\?\\x/../y"),
        *("con", "CON", "Con.txt", "aux", "nul", "NUL.tar.gz", "prn .txt", "nul ", "sub/con/../x"),
        *("com1", "COM9.log", "lpt1", "LPT\N{SUPERSCRIPT TWO}.x", "conin$", "CONOUT$", "com0"),
        *("ten.txt.", "ten.txt ", ".. /x", "... /x", "...", "sub./x", "sub /../x"),
        *("a*", "a?", "a|b", "a<b", "a>b", 'a"b', "a\x01b", "a\nb/../x"),
    ],
)
def test_on_windows_no_name_means_a_share_or_a_device(name: str) -> None:
    r"""CVE-2024-49766, CVE-2025-66221, CVE-2026-21860, CVE-2026-27199, CVE-2026-34515: the system
    is not asked, also not on the way to ``..``."""
    assert is_refused(name, windows=True)
    assert not is_refused(name, windows=False)


@pytest.mark.parametrize("name", ["..", "../x", "x/../../y", "/x", "//x", "/", "\0", "\0/../x"])
def test_on_all_systems_no_name_leads_out(name: str) -> None:
    assert is_refused(name, windows=True)
    assert is_refused(name, windows=False)


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "x", "x/../y", "./x//y/", ".hidden", "..x", "x..y", "x...y", "a b", "é"),
        *("console.js", "auxiliary", "null", "com", "com10", "lpt", "x.con", "conin", "a'b&c;d"),
    ],
)
def test_plain_names_are_looked_for(name: str) -> None:
    assert not is_refused(name, windows=True)
    assert not is_refused(name, windows=False)


# -- links


def tell(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    fields = {name: value for name, value in answer.fields.items() if name.lower() != "date"}
    return answer.status, fields, answer.body


@pytest.mark.parametrize("options", [{}, INSIDE], ids=["plain", "listed"])
async def test_what_lies_outside_is_not_told_from_what_does_not(
    serve: Any, root: Path, options: dict[str, Any]
) -> None:
    """CVE-2025-69226: whatever is asked, and by whatever way."""
    above = root.parent
    (above / "more").mkdir()
    os.mkfifo(above / "fifo")
    put(above, "more/index.html", b"secret")
    (root / "up").symlink_to("..")
    for name in ("secret.txt", "more", "fifo", "nothing"):
        (root / f"to-{name}").symlink_to(above / name)
        (root / f"by-{name}").symlink_to(f"up/{name}")
    client = await serve(static_app(root, **options))
    asked = [("GET", {}), ("GET", {**ACCEPT, **PAGE_WANTED}), ("HEAD", {"If-None-Match": "*"})]
    for method, fields in asked:
        for way in ("up/{}", "to-{}", "by-{}/", "to-{}/x", "%2e%2e/{}"):
            told = [
                tell(await client.request(method, f"/static/{target}", fields=fields))
                for target in map(way.format, ("secret.txt", "more", "fifo", "nothing"))
            ]
            assert told == [told[-1]] * 4, way
            assert told[0][0] == 404


async def test_links_within_the_directory_are_followed_to_their_end(serve: Any, root: Path) -> None:
    """Over several, through directories, and in circles that come back to a file."""
    (root / "d").mkdir()
    (root / "d" / "up").symlink_to("..")
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("d/three")
    (root / "d" / "three").symlink_to("up/ten.txt")
    (root / "absolute").symlink_to(root / "ten.txt")
    (root / "climbing").symlink_to("../root/ten.txt")
    for number in range(60):
        (root / f"long{number}").symlink_to(f"long{number + 1}")
    put(root, "long60", b"far")
    put(root.parent, "root2/ten.txt", b"secret")
    (root / "d" / "sibling").symlink_to(root.parent / "root2" / "ten.txt")
    (root / "d" / "out").symlink_to("../one-out")
    (root / "one-out").symlink_to("two-out")
    (root / "two-out").symlink_to("d/up/../secret.txt")
    (root / "ping").symlink_to("pong")
    (root / "pong").symlink_to("ping")
    client = await serve(static_app(root))
    for name in ("one", "d/up/one", "d/up/d/up/d/up/two", "absolute", "climbing"):
        answer = await client.get(f"/static/{name}")
        assert (name, answer.status, answer.body) == (name, 200, TEN)
    for name in (
        "d/sibling",
        "d/out",
        "one-out",
        "two-out",
        "ping",
        "pong/x",
        "d/up/../../secret.txt",
    ):
        answer = await client.get(f"/static/{name}")
        assert (name, answer.status) == (name, 404)
        assert b"secret" not in answer.body


@pytest.mark.parametrize("follow_symlinks", [False, True])
async def test_no_neighbour_is_a_link(serve: Any, root: Path, follow_symlinks: bool) -> None:
    """CVE-2024-42367, also of what answers for a directory and for what is missing; a directory or
    a pipe is none either."""
    secret = root.parent / "secret.txt.gz"
    for name in ("a.css", "index.html", "app.html"):
        put(root, name, b"plain")
        (root / f"{name}.gz").symlink_to(secret)
        (root / f"{name}.br").symlink_to("ten.txt")
    put(root, "b.css", b"plain")
    os.mkfifo(root / "b.css.gz")
    (root / "b.css.br").mkdir()
    options: dict[str, Any] = {"index": "index.html", "fallback": "app.html"}
    client = await serve(static_app(root, follow_symlinks=follow_symlinks, **options))
    for target in ("a.css", "b.css", "index.html", "", "app.html", "missing"):
        answer = await client.get(f"/static/{target}", fields={**ACCEPT, **PAGE_WANTED})
        assert (target, answer.status, answer.body) == (target, 200, b"plain")
        assert "Content-Encoding" not in answer.fields


async def test_no_page_is_a_link_out(serve: Any, root: Path) -> None:
    """Neither the index of a directory nor the page for what is missing."""
    put(root, "in/page.html", b"page")
    for name in ("sub/index.html", "app.html"):
        (root / name).symlink_to(root.parent / "index.html")
    (root / "in" / "index.html").symlink_to("page.html")
    (root / "other").symlink_to(root.parent)
    client = await serve(static_app(root, index="index.html", fallback="app.html"))
    for target, status in (("sub/", 403), ("sub", 403), ("missing", 404), ("other/", 404)):
        answer = await client.get(f"/static/{target}", fields={**PAGE_WANTED, **ACCEPT})
        assert (target, answer.status, b"secret" in answer.body) == (target, status, False)
    assert (await client.get("/static/in/")).body == b"page"


# -- what is no file


@pytest.mark.parametrize("follow_symlinks", [False, True])
async def test_pipes_sockets_and_devices_are_never_opened(
    serve: Any, root: Path, special: Callable[[str], Path], follow_symlinks: bool
) -> None:
    """To open a pipe is to wait for who writes; in a thread that others need."""
    for name in ("fifo", "x.sock", "fifo.gz", "app.html", "index.html"):
        special(name)
    (root / "linked").symlink_to("fifo")
    (root / "zero").symlink_to("/dev/zero")
    options: dict[str, Any] = {"index": "index.html", "fallback": "app.html"}
    client = await serve(static_app(root, follow_symlinks=follow_symlinks, **options))
    outside = 403 if follow_symlinks else 404
    targets = {"fifo": 403, "x.sock": 403, "fifo.gz": 403, "linked": 403, "zero": outside}
    for target, status in {**targets, "": 403, "missing": 403}.items():
        for fields in ({}, ACCEPT, {"Range": "bytes=0-0"}):
            for method in ("GET", "HEAD"):
                path = f"/static/{target}"
                answer = await client.request(method, path, fields={**fields, **PAGE_WANTED})
                assert (target, answer.status) == (target, status)


# Any: calls of the system's take what they take
def change_before(
    monkeypatch: pytest.MonkeyPatch, name: str, path: Path, change: Callable[[], Any]
) -> None:
    """Let somebody change a file just before the system is asked for it."""
    real = getattr(os, name)

    def call(asked: Any, *args: Any, **kwargs: Any) -> Any:
        if os.fspath(asked) == str(path):
            change()
        return real(asked, *args, **kwargs)

    monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize(
    ("made", "status"), [("", 404), ("fifo", 403), ("x.sock", 403), ("dir", 403)]
)
async def test_a_file_may_change_between_two_looks(
    serve: Any,
    root: Path,
    special: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    made: str,
    status: int,
) -> None:
    """Whoever may write there makes no 500 and no thread that waits."""
    client = await serve(static_app(root))
    if made == "dir":
        (root / made).mkdir()
    elif made:
        special(made)
    ten = root / "ten.txt"

    def change() -> None:
        ten.unlink(missing_ok=True)
        if made and (root / made).exists():
            (root / made).rename(ten)

    change_before(monkeypatch, "open", ten, change)
    assert (await client.get("/static/ten.txt")).status == status


async def test_a_neighbour_may_vanish_between_two_looks(
    serve: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file beside it is still there."""
    client = await serve(static_app(root))
    neighbour = root / "style.css.gz"
    change_before(monkeypatch, "open", neighbour, lambda: neighbour.unlink(missing_ok=True))
    answer = await client.get("/static/style.css", fields={"Accept-Encoding": "gzip"})
    assert (answer.status, answer.body) == (200, b"plain")
    assert "Content-Encoding" not in answer.fields


async def test_a_neighbour_may_become_a_link_between_two_looks(
    serve: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await serve(static_app(root))
    neighbour = root / "style.css.gz"

    def change() -> None:
        neighbour.unlink()
        neighbour.symlink_to(root.parent / "secret.txt.gz")

    change_before(monkeypatch, "open", neighbour, change)
    answer = await client.get("/static/style.css", fields={"Accept-Encoding": "gzip"})
    assert (answer.status, answer.body) == (200, b"plain")


async def test_a_directory_may_vanish_before_it_is_listed(
    serve: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "empty").mkdir()
    client = await serve(static_app(root, show_index=True))
    change_before(monkeypatch, "scandir", root / "empty", (root / "empty").rmdir)
    assert (await client.get("/static/empty/")).status == 404


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is denied to root")
async def test_a_neighbour_that_may_not_be_read_is_none(serve: Any, root: Path) -> None:
    (root / "style.css.br").chmod(0)
    client = await serve(static_app(root))
    answer = await client.get("/static/style.css", fields=ACCEPT)
    assert (answer.status, answer.fields["Content-Encoding"]) == (200, "gzip")


async def test_a_part_of_a_huge_file_costs_a_part(serve: Any, root: Path) -> None:
    """A file of a tebibyte, with nothing in it but its last bytes."""
    size = 2**40
    put(root, "huge", b"")
    os.truncate(root / "huge", size - 3)
    descriptor = os.open(root / "huge", os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, b"end")
    os.close(descriptor)
    client = await serve(static_app(root, max_ranges=4))
    head = await client.request("HEAD", "/static/huge")
    assert (head.status, head.fields["Content-Length"]) == (200, str(size))
    for asked in ("bytes=-3", f"bytes={size - 3}-", f"bytes={size - 3}-{'9' * 99}"):
        answer = await client.get("/static/huge", fields={"Range": asked})
        assert (answer.status, answer.body) == (206, b"end")
        assert answer.fields["Content-Range"] == f"bytes {size - 3}-{size - 1}/{size}"
    answer = await client.get("/static/huge", fields={"Range": "bytes=0-0,-1"})
    assert answer.status == 206
    assert answer.body.count(f"/{size}\r\n".encode()) == 2


# -- ranges


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        ("bytes=0-" + "9" * 500, 416, b""),  # more digits than a size can have
        ("bytes=" + "9" * 99 + "-", 416, b""),
        ("bytes=-" + "9" * 99, 206, TEN),
        ("bytes=-" + "9" * 8000, 416, b""),
        ("bytes=0-0x9", 416, b""),
        ("bytes=+0-9", 416, b""),
        ("bytes=0_0-9", 416, b""),
        ("bytes=--1", 416, b""),
        ("bytes=-0", 206, TEN),  # as in aiohttp
        ("bytes=0-1-2", 416, b""),
        ("bytes=", 416, b""),
        ("bytes=-", 416, b""),
        ("bytes=,", 416, b""),
        ("bytes", 416, b""),
        ("bytes=" + "0-," * 2500, 416, b""),
        ("bytes=" + "," * 7000 + "0-0", 206, b"0"),
        ("bytes=" + "0-0," * 4, 206, b"0"),
        ("bytes=" + "0-0," * 5, 416, b""),
        ("bytes=0-,0-,0-,0-", 206, TEN),
        ("bytes=5-,-5,4-6,6-4", 416, b""),
        ("bytes=9-9,8-8,7-7,6-6", 206, b"6789"),
        ("x" * 8000 + "=0-0", 200, TEN),
    ],
)
async def test_ranges_that_mean_no_good(
    serve: Any, root: Path, asked: str, status: int, body: bytes
) -> None:
    """CVE-2011-3192, CVE-2025-62727, CVE-2025-69225: no byte is sent twice, and no number is read
    that no file can have."""
    client = await serve(static_app(root, max_ranges=4))
    answer = await client.get("/static/ten.txt", fields={"Range": asked})
    assert (answer.status, answer.body) == (status, body)


# -- lists of directories


class Links(HTMLParser):
    """Reads the links of a page, and complains of any other element than those of a list."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.texts: list[str] = []
        self.others: set[str] = set()
        self._within = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            ((name, href),) = attrs
            assert name == "href"
            self.hrefs.append(href or "")
            self.texts.append("")
            self._within = True
        elif tag not in ("html", "head", "title", "body", "h1", "ul", "li") or attrs:
            self.others.add(tag)

    def handle_endtag(self, tag: str) -> None:
        self._within = self._within and tag != "a"

    def handle_data(self, data: str) -> None:
        if self._within:
            self.texts[-1] += data


ODD_NAMES = [
    *("<script>alert(1)<", '"onmouseover="alert(1)', "'onclick='x", "a&lt;b", "&#60;i&#62;"),
    *("javascript:alert(1)", "data:text,html", "http:evil.test", "?query", "#fragment", "a%2e%2e"),
    *("%2e%2e", "%", "%zz", " blank ", "line\nline", "tab\tret\rurn", "\x1b[31mred", "\x7f"),
    *("…", "\u202etxt.exe", "é", "\N{CJK UNIFIED IDEOGRAPH-4E2D}", "a" * 255, "..x", ".hidden"),
    *("<a><li><ul>", "<!--", "]]>", "{title}", "{0}", "{entries!r}", "a;b,c=d@e:f+g$h!*()~"),
]


@pytest.mark.skipif(sys.platform != "linux", reason="names may hold anything there")
@pytest.mark.parametrize("prefix", ["/static", "/"])
async def test_the_links_of_a_list_lead_to_its_files(serve: Any, root: Path, prefix: str) -> None:
    """CVE-2024-27306: names are text, and links stay below the directory."""
    place = root / "<b>\"'&"
    place.mkdir()
    for name in ODD_NAMES:
        (place / name).write_bytes(name.encode())
    client = await serve(static_app(root, prefix, show_index=True))
    base = "" if prefix == "/" else prefix
    answer = await client.get(f"{base}/%3Cb%3E%22'&")
    links = Links(answer.text)
    assert links.others == set()
    assert sorted(links.texts) == sorted(ODD_NAMES)
    for href in links.hrefs:
        assert href.startswith(f"{client.prefix}{base}/%3Cb%3E%22'&/")
        if "%0A" in href and client.lacks(Feature.LINE_BREAKS):
            continue
        file = await client.get(href.removeprefix(client.prefix))
        assert (file.status, file.body) == (200, unquote_to_bytes(href.rpartition("/")[2]))


async def test_a_list_of_a_directory_with_backslashes_has_no_other_host(
    serve: Any, root: Path
) -> None:
    r"""A browser takes ``/\`` for ``//``."""
    put(root, "\\evil.test", b"")
    client = await serve(static_app(root, "/", show_index=True))
    (href,) = (href for href in Links((await client.get("/")).text).hrefs if "evil" in href)
    assert href == f"{client.prefix}/%5Cevil.test"


# -- redirects


@pytest.mark.parametrize(
    "target",
    [
        *("//evil.test", "///evil.test", "/%5Cevil.test", "/%2Fevil.test", "/%09/evil.test"),
        *(
            "/.//evil.test",
            "/x/..//evil.test",
            "/;//evil.test",
            "/%2e%2e//evil.test",
            "/@evil.test",
        ),
        *("//evil.test/%2e%2e", "/%5C%5Cevil.test", "/%0d%0aLocation:%20x", "//%5Cevil.test"),
    ],
)
async def test_nobody_is_sent_to_another_host(serve: Any, target: str) -> None:
    """CVE-2021-21330, CVE-2020-28724, CVE-2023-28370."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application(middlewares=[web.normalize_path_middleware()])
    app.router.add_get(r"/{path:(?s:.*)}/", handler)
    client = await serve(app)
    answer = await client.get(target)
    location = answer.fields.get("Location", "/")
    assert location[:1] == "/"
    assert location[1:2] not in ("/", "\\")
    assert not any(sign <= " " for sign in location)
