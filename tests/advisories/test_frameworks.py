"""Advisories on frameworks: files, cookies, names of fields."""

from pathlib import Path
from typing import Any

import pytest

import bascule
from advisories.attacks import assert_linear, head
from advisories.windows import pretend_windows
from bascule import web
from support.files import make_root, put, static_app
from support.requests import app_of
from support.wire import serve as serve_socket


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


async def test_CVE_2023_29159_neighbours_of_a_directory(serve: Any, root: Path) -> None:
    """A directory beside the static one whose name begins in the same way was served, too."""
    (root.parent / "rootsecret").mkdir()
    put(root.parent / "rootsecret", "x.txt", b"secret")
    (root / "link").symlink_to("../rootsecret")
    client = await serve(static_app(root))
    for name in (
        "../rootsecret/x.txt",
        "..%2frootsecret/x.txt",
        "link/x.txt",
        "%2e%2e/rootsecret/",
    ):
        assert (await client.get(f"/static/{name}")).status == 404, name
    for target in ("/staticsecret/x.txt", "/staticsecret", "/static../rootsecret/x.txt"):
        assert (await client.get(target)).status == 404, target


@pytest.mark.parametrize(
    "piece",
    ["0-1,", "0-,", "-1,", ",", "0" * 50, "9" * 50 + "-,", "1-1,3-3,5-5,", " ,\t,"],
)
@pytest.mark.parametrize("max_ranges", [1, 10_000])
async def test_CVE_2025_62727_ranges_take_linear_work(
    root: Path, piece: str, max_ranges: int
) -> None:
    """Ranges were joined pair by pair, and found by a slow regular expression."""

    def ask(size: int) -> bytes:
        value = "bytes=" + piece * (size // len(piece)) + "2-3"
        return head(f"Range: {value}", target="/static/big.bin", method="GET")

    await assert_linear(ask, 1900, static_app(root, max_ranges=max_ranges))


@pytest.mark.parametrize(
    "name",
    ["=__Host-x=bad", "=; =__Host-x=bad", '"__Host-x"=bad', "a=b; =__Host-x=bad", "==__Host-x=bad"],
)
async def test_CVE_2023_23934_cookies_without_a_name(serve: Any, name: str) -> None:
    """A cookie without a name, whose value looked like one, was read as that one."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str("__Host-x" in request.cookies))

    client = await serve(app_of(handler))
    assert (await client.get("/", fields={"Cookie": name})).text == "False"


@pytest.mark.parametrize("piece", ["a=b; ", ";", '"', "a=", 'a="', "\\", "[=", " ", 'a="\\";'])
async def test_CVE_2024_52804_cookies_take_linear_work(piece: str) -> None:
    """The cookies of a request were split in quadratic time."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str(len(request.cookies)))

    def ask(size: int) -> bytes:
        return head("Cookie: " + piece * (size // len(piece)), method="GET")

    await assert_linear(ask, 1900, app_of(handler))


DEVICES = [
    pytest.param("%5C%5Chost%5Cshare%5Cx", id="CVE-2024-49766 share"),
    pytest.param("//host/share/x", id="CVE-2024-49766 slashes"),
    pytest.param("C:x", id="CVE-2024-49766 drive"),
    pytest.param("CON", id="CVE-2025-66221 console"),
    pytest.param("nul", id="CVE-2025-66221 null"),
    pytest.param("COM1", id="CVE-2025-66221 port"),
    pytest.param("CON.txt", id="CVE-2026-21860 extension"),
    pytest.param("aux.tar.gz", id="CVE-2026-21860 extensions"),
    pytest.param("NUL%20", id="CVE-2026-21860 blank"),
    pytest.param("NUL.", id="CVE-2026-21860 dot"),
    pytest.param("ten.txt::$DATA", id="CVE-2026-21860 stream"),
    pytest.param("sub/CON", id="CVE-2026-27199 below"),
    pytest.param("sub/LPT1.txt/x", id="CVE-2026-27199 above"),
    pytest.param("NUL/../ten.txt", id="CVE-2026-27199 and back"),
]


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("follow", [False, True], ids=["", "follow"])
async def test_names_that_windows_understands(
    root: Path, name: str, follow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has files of these names in every directory: opening one hangs, or tells a host of
    the client's choice who we are."""
    pretend_windows(monkeypatch)
    for each in ("CON", "nul", "COM1", "CON.txt", "aux.tar.gz", "NUL ", "NUL.", "sub/CON", "C:x"):
        put(root, each, b"device")
    async with serve_socket(static_app(root, follow_symlinks=follow)) as served:
        answer = await served.exchange(head(target=f"/static/{name}", method="GET"))
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"device" not in answer


# -- names of fields

FORGED = [
    ["X_Forwarded_For: evil"],
    ["X-Forwarded_For: evil"],
    ["X-Forwarded-For: good", "X_Forwarded-For: evil"],
    ["x_forwarded_for: evil", "X-Forwarded-For: good"],
    ["Content_Length: 1"],
    ["Content_Type: evil"],
    ["Proxy: evil"],
]


@pytest.mark.parametrize("lines", FORGED, ids=repr)
@pytest.mark.parametrize("how", ["alone", "mounted"])
async def test_CVE_2026_3902_names_with_underscores(lines: list[str], how: str) -> None:
    """In the environment of WSGI X_Forwarded_For is X-Forwarded-For, which a proxy had dropped."""
    seen: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append({key: value for key, value in environ.items() if isinstance(value, str)})
        start_response("200 OK", [])
        return [b""]

    hosted: Any = bascule.wsgi(application)
    if how == "mounted":
        app = web.Application()
        app.mount("/x", hosted)
        hosted = app
    async with serve_socket(hosted) as served:
        async with served.connect() as wire:
            await wire.send(head(*lines, target="/x/", method="GET"))
            assert (await wire.read_head())[0] == b"HTTP/1.1 200 OK"
    assert "evil" not in seen[0].values()
    assert "CONTENT_LENGTH" not in seen[0]
    assert seen[0].get("HTTP_X_FORWARDED_FOR", "good") == "good"


async def test_CVE_2026_3902_native_names(serve: Any) -> None:
    """Here they are two names."""

    async def handler(request: web.Request) -> web.Response:
        return web.json_response([request.headers.get(f"X{sign}A", "") for sign in "-_"])

    client = await serve(app_of(handler))
    assert (await client.get("/", fields={"X_A": "evil"})).text == '["", "evil"]'
