"""Files that were found a moment ago are found again without a thread, and never from memory."""

import mimetypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bascule import web
from bascule.message.disk import DISK
from bascule.message.lately import Lately
from bascule.testing import MemoryExchange
from support import wire
from support.files import BIG, file_app, make_root, memory_handling, put, static_app

MOUNTS = (
    "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
    "27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw\n"
    "30 27 0:45 / /net rw - nfs4 server:/ rw\n"
    "31 27 0:46 / /ssh rw - fuse.sshfs host: rw\n"
    "32 27 0:47 / /a\\040b rw,noatime - tmpfs tmpfs rw\n"
)
DISK_DEVICE, NET, SSH, MEMORY = (
    os.makedev(*pair) for pair in ((254, 0), (0, 45), (0, 46), (0, 47))
)


def is_kept(root: Path) -> bool:
    """Say whether what lies here can be remembered: the test asks the product, with a clock."""
    lately: Lately[int] = Lately()
    lately.note("x", os.stat(root).st_dev, 1)
    return lately.get("x") is not None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    if not is_kept(tmp_path):
        pytest.skip("the files of tests are on no disk of this machine that the system tells of")
    return make_root(tmp_path)


class _Asking:
    """An application in memory, and how often a request to it went to a thread."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._handling: Any = None

    async def __call__(
        self, target: str = "/", method: str = "GET", **fields: str
    ) -> tuple[int, bytes, dict[str, str], int]:
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        exchange = MemoryExchange(method, target, fields=named)
        before = DISK.begun
        if self._handling is None:  # it is made in a loop
            self._handling = memory_handling(self._app)
        head = (await exchange.answered_by(self._handling)).answer
        assert head is not None
        return head.status, exchange.sent, dict(head.fields), DISK.begun - before


@pytest.fixture(params=["handler", "static"])
def ask(request: pytest.FixtureRequest, root: Path) -> Any:
    """Ask for ``ten.txt``, by a handler's response or below a directory."""
    if request.param == "handler":
        return _Asking(file_app(root / "ten.txt"))
    asking = _Asking(static_app(root))

    async def ask_static(**fields: str) -> tuple[int, bytes, dict[str, str], int]:
        return await asking("/static/ten.txt", **fields)

    return ask_static


async def test_a_file_is_looked_up_in_a_thread_once(ask: Any) -> None:
    first, second = await ask(), await ask()
    assert (first[3], second[3]) == (1, 0)
    assert second[:3] == first[:3]
    assert second[0] == 200


async def test_conditions_need_no_thread_then(ask: Any) -> None:
    etag = (await ask())[2]["ETag"]
    assert (await ask(If_None_Match=etag))[0::3] == (304, 0)
    assert (await ask(If_None_Match='"other"'))[0::3] == (200, 0)
    assert (await ask(If_Match='"other"'))[0::3] == (412, 0)
    assert (await ask(If_Modified_Since="Fri, 31 Dec 9999 23:59:59 GMT"))[0::3] == (304, 0)
    assert (await ask(If_Unmodified_Since="Thu, 01 Jan 1970 00:00:00 GMT"))[0::3] == (412, 0)
    assert (await ask(method="HEAD"))[0::3] == (200, 0)


async def test_a_part_of_a_file_is_found_in_a_thread(ask: Any) -> None:
    """The middle of a file may be on the disk alone, however lately its beginning was read."""
    await ask()
    assert (await ask(Range="bytes=2-4"))[0::3] == (206, 1)


async def test_what_was_only_looked_at_is_not_remembered(ask: Any) -> None:
    """Of an answer without a body nothing was read."""
    assert (await ask(method="HEAD"))[0::3] == (200, 1)
    assert (await ask(If_None_Match="*"))[0::3] == (304, 1)
    assert (await ask(Range="bytes=2-4"))[0::3] == (206, 1)
    assert (await ask())[0::3] == (200, 1)


async def test_other_neighbours_are_looked_for_in_a_thread(ask: Any, root: Path) -> None:
    await ask()
    put(root, "ten.txt.gz", b"compressed")
    assert (await ask(Accept_Encoding="gzip"))[:2] == (200, b"compressed")
    assert (await ask(Accept_Encoding="gzip"))[1::2] == (b"compressed", 0)
    assert (await ask(Accept_Encoding="br"))[3] == 1
    (root / "ten.txt.gz").unlink()
    status, body, fields, _ = await ask(Accept_Encoding="gzip")
    assert (status, body, "Content-Encoding" in fields) == (
        200,
        (root / "ten.txt").read_bytes(),
        False,
    )


def rewrite(path: Path) -> None:
    path.write_bytes(b"longer than what was there before")


def rename_over(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"0123456789")
    times = os.stat(path)
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(path)


def touch(path: Path) -> None:
    os.utime(path, ns=(10**18, 10**18))


@pytest.mark.parametrize("change", [rewrite, rename_over, touch])
async def test_a_changed_file_is_told_as_it_is(
    ask: Any, root: Path, change: Callable[[Path], None]
) -> None:
    path = root / "ten.txt"
    await ask()
    await ask()
    change(path)
    status, body, fields, hops = await ask()
    modified = os.stat(path).st_mtime_ns
    assert (status, body, hops) == (200, path.read_bytes(), 0)
    assert fields["Content-Length"] == str(len(body))
    assert fields["ETag"] == f'"{modified:x}-{len(body):x}"'


async def test_a_file_that_has_gone_is_not_found(ask: Any, root: Path) -> None:
    await ask()
    (root / "ten.txt").unlink()
    assert (await ask())[0] == 404
    put(root, "ten.txt", b"again")
    assert (await ask())[:2] == (200, b"again")


async def test_a_directory_in_its_place_is_none(ask: Any, root: Path) -> None:
    await ask()
    (root / "ten.txt").unlink()
    (root / "ten.txt").mkdir()
    assert (await ask())[0] == 403


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
async def test_a_pipe_in_its_place_is_never_waited_for(ask: Any, root: Path) -> None:
    await ask()
    (root / "ten.txt").unlink()
    os.mkfifo(root / "ten.txt")
    assert (await ask())[0] == 403


async def test_a_link_that_leads_outside_in_its_place_is_not_followed(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_bytes(b"secret")
    ask = _Asking(static_app(root))
    assert (await ask("/static/ten.txt"))[0] == 200
    (root / "ten.txt").unlink()
    (root / "ten.txt").symlink_to(outside)
    assert (await ask("/static/ten.txt"))[0] == 404
    # Also where it was read by another way.
    ask_handler = _Asking(file_app(root / "ten.txt"))
    assert (await ask_handler())[:2] == (200, b"secret")
    assert (await ask("/static/ten.txt"))[0] == 404


async def test_types_are_asked_each_time(root: Path) -> None:
    """Programs edit the tables while they run."""
    path = put(root, "file.lately", b"text")
    ask = _Asking(file_app(path))
    assert (await ask())[2]["Content-Type"] == "application/octet-stream"
    mimetypes.add_type("text/own", ".lately")
    try:
        assert (await ask())[2]["Content-Type"] == "text/own"
    finally:
        del mimetypes.types_map[".lately"]
    assert (await ask())[2]["Content-Type"] == "application/octet-stream"


@pytest.mark.skipif(not hasattr(os, "sendfile"), reason="the system cannot")
async def test_a_large_file_is_sent_again_and_again(root: Path) -> None:
    """Over a connection, where head and file leave together; changed in between."""
    async with wire.serve(file_app(root / "big.bin")) as served, served.connect() as client:
        answers = []
        for body in (BIG, BIG, BIG[::-1] + b"!", BIG[::-1] + b"!"):
            if (root / "big.bin").read_bytes() != body:
                put(root, "big.bin", body)
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answers.append(await client.read_answer())
            assert answers[-1][2] == body
            assert answers[-1][1][b"content-length"] == str(len(body)).encode()
        assert answers[0][1][b"etag"] == answers[1][1][b"etag"] != answers[2][1][b"etag"]


async def test_types_of_large_files_are_asked_each_time(root: Path) -> None:
    """Their heads are kept as they were written."""
    put(root, "big.lately", BIG)
    types = []
    async with wire.serve(file_app(root / "big.lately")) as served, served.connect() as client:
        for media in (None, None, "text/own", None):
            if media is not None:
                mimetypes.add_type(media, ".lately")
            try:
                await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                types.append((await client.read_answer())[1][b"content-type"])
            finally:
                mimetypes.types_map.pop(".lately", None)
    usual = b"application/octet-stream"
    assert types == [usual, usual, b"text/own", usual]


# -- the memory itself


@pytest.fixture
def mounts(tmp_path: Path) -> str:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTS)
    return str(path)


@pytest.mark.parametrize(
    ("device", "kept"),
    [(DISK_DEVICE, True), (MEMORY, True), (NET, False), (SSH, False), (os.makedev(9, 9), False)],
    ids=["disk", "memory", "nfs", "fuse", "unknown"],
)
def test_only_file_systems_of_this_machine_are_remembered(
    mounts: str, device: int, kept: bool
) -> None:
    """Those behind a network ask their server whenever a file is opened."""
    lately: Lately[str] = Lately(mounts)
    lately.note("key", device, "found")
    assert lately.get("key") == ("found" if kept else None)


def test_what_was_moved_to_another_file_system_is_forgotten(mounts: str) -> None:
    lately: Lately[str] = Lately(mounts)
    lately.note("key", DISK_DEVICE, "found")
    lately.note("key", NET, "found")
    assert lately.get("key") is None


@pytest.mark.parametrize("text", [None, "", "broken\n", "1 2 x:y / / rw - ext4 a b\n", "\0" * 99])
def test_nothing_is_remembered_where_mounts_are_not_told(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "mountinfo"
    if text is not None:
        path.write_text(text)
    lately: Lately[str] = Lately(str(path))
    lately.note("key", DISK_DEVICE, "found")
    assert lately.get("key") is None


def test_it_lasts_a_second_after_each_time(mounts: str) -> None:
    now = [100.0]
    lately: Lately[str] = Lately(mounts, clock=lambda: now[0])
    lately.note("key", DISK_DEVICE, "found")
    for _ in range(3):
        now[0] += 0.9
        assert lately.get("key") == "found"
    lately.correct("key", "changed")
    now[0] += 0.9
    assert lately.get("key") == "changed"
    now[0] += 1.0
    assert lately.get("key") is None
    assert lately.get("key") is None


def test_mounts_are_asked_again(mounts: str) -> None:
    """Numbers of devices without a disk are used again."""
    now = [100.0]
    lately: Lately[str] = Lately(mounts, clock=lambda: now[0])
    lately.note("key", MEMORY, "found")
    Path(mounts).write_text(MOUNTS.replace("tmpfs tmpfs", "nfs server:/"))
    now[0] += 31
    lately.note("key", MEMORY, "found")
    assert lately.get("key") is None


def test_a_thousand_files_are_remembered_at_most(mounts: str) -> None:
    lately: Lately[int] = Lately(mounts, clock=lambda: 0.0)
    for number in range(5000):
        lately.note(number, DISK_DEVICE, number)
        assert lately.get(number) == number
    assert sum(lately.get(number) is not None for number in range(5000)) <= 1024
