"""The recipe of an upload: what is kept, under which name, and what is left of what fails."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from support.recipes import EVERY_WAY, OUR_WAYS, Start, as_program
from support.wire import PATIENCE, Wire

MAX_SIZE = 20 * 2**20
BOUNDARY = "boundary"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="mp3"; filename="song.mp3"\r\n'
    "Content-Type: audio/mpeg\r\n\r\n"
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
FIELDS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

SAVED_NAMES = {
    "song.mp3": "song.mp3",
    "SONG.MP3": "SONG.MP3",
    "a b&c<d>.mp3": "a_b_c_d_.mp3",
    "Dvořák (9).mp3": "Dvořák_(9).mp3",
    "../../etc/up.mp3": "up.mp3",
    "/absolute.mp3": "absolute.mp3",
    r"C:\music\..\windows.mp3": "windows.mp3",
    "...hidden.mp3": "hidden.mp3",
    "right\u202eto.mp3": "right_to.mp3",
    "\U0001d538" * 300 + ".mp3": "\U0001d538" * 56 + ".mp3",
}
REFUSED_NAMES = ["", ".mp3", "mp3", "../.mp3", "song.exe", "song.mp3/", "song.mp3.exe", "x.mp3\\"]


@pytest.fixture(params=EVERY_WAY)
def start(request: pytest.FixtureRequest, folder: Path) -> Start:
    return EVERY_WAY[request.param]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "music" / "mp3"
    monkeypatch.setenv("MP3_FOLDER", str(folder))
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


async def until_empty(folder: Path) -> None:
    """Wait for a server to remove what it has written: no event of ours tells of it."""
    async with asyncio.timeout(PATIENCE):
        while names_in(folder):
            await asyncio.sleep(0.01)


async def upload(client: httpx.AsyncClient, name: str, content: bytes = b"ID3") -> httpx.Response:
    return await client.post("/", files={"mp3": (name, content, "audio/mpeg")})


async def test_a_file_is_kept_and_listed(start: Start, folder: Path) -> None:
    content = os.urandom(3_000_000)
    async with start("upload_mp3") as client:
        page = await client.get("/")
        assert '<form method="post" enctype="multipart/form-data">' in page.text
        assert '<input type="file" name="mp3"' in page.text
        answer = await upload(client, "song.mp3", content)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "<li>song.mp3" in (await client.get("/")).text
    assert names_in(folder) == ["song.mp3"]
    assert (folder / "song.mp3").read_bytes() == content


async def test_it_runs_as_a_program(folder: Path) -> None:
    async with as_program("upload_mp3") as client:
        assert (await upload(client, "song.mp3", b"ID3")).status_code == 303
    assert (folder / "song.mp3").read_bytes() == b"ID3"


async def test_a_file_is_named_harmlessly(start: Start, folder: Path) -> None:
    async with start("upload_mp3") as client:
        for given, saved in SAVED_NAMES.items():
            assert (await upload(client, given)).status_code == 303, given
            assert names_in(folder) == [saved]
            (folder / saved).unlink()
        for name in REFUSED_NAMES:
            answer = await upload(client, name)
            assert answer.status_code == 415, name
            assert answer.text == "Choose a file with a name like song.mp3.\n"
    assert names_in(folder) == []
    assert names_in(folder.parent) == ["mp3"]


async def test_no_file_takes_the_place_of_another(start: Start, folder: Path) -> None:
    async with start("upload_mp3") as client:
        await upload(client, "song.mp3", b"first")
        answer = await upload(client, "song.mp3", b"second")
        assert (answer.status_code, answer.text) == (409, "There is a song.mp3 already.\n")
        both = await asyncio.gather(*(upload(client, "b.mp3", each) for each in (b"1", b"2")))
    assert sorted(each.status_code for each in both) == [303, 409]
    assert names_in(folder) == ["b.mp3", "song.mp3"]
    assert (folder / "song.mp3").read_bytes() == b"first"


async def pieces(size: int) -> AsyncIterator[bytes]:
    """Give a form with a file of so many bytes, which tells no length."""
    yield HEAD
    for begin in range(0, size, 2**20):
        yield bytes(min(2**20, size - begin))
    yield TAIL


async def test_a_file_has_a_limit_and_may_reach_it(start: Start, folder: Path) -> None:
    async with start("upload_mp3") as client:
        answer = await client.post("/", content=pieces(MAX_SIZE), headers=FIELDS)
        assert answer.status_code == 303
        assert (folder / "song.mp3").stat().st_size == MAX_SIZE
        (folder / "song.mp3").unlink()
        answer = await client.post("/", content=pieces(MAX_SIZE + 1), headers=FIELDS)
        assert (answer.status_code, answer.text) == (413, "A file may have 20 MiB.\n")
        assert names_in(folder) == []


@asynccontextmanager
async def head_sent(client: httpx.AsyncClient, length: int) -> AsyncIterator[Wire]:
    """Send the head of an upload, and nothing of its body."""
    wire = Wire(*await asyncio.open_connection(client.base_url.host, client.base_url.port))
    lines = {"Host": "x", **FIELDS, "Content-Length": str(length)}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    await wire.send(f"POST / HTTP/1.1\r\n{head}\r\n".encode())
    yield wire
    await wire.close()


@pytest.mark.parametrize("way", OUR_WAYS)  # aiohttp waits long for such a body, in a task
async def test_a_length_alone_can_be_too_large(way: str, folder: Path) -> None:
    async with OUR_WAYS[way]("upload_mp3") as client:
        async with head_sent(client, MAX_SIZE + 2**16 + 1) as wire:
            first, _, body = await wire.read_answer()
    assert first.startswith(b"HTTP/1.1 413 ")
    assert body == b"A file may have 20 MiB.\n"


async def test_nothing_is_left_of_an_upload_that_is_broken_off(start: Start, folder: Path) -> None:
    async with start("upload_mp3") as client:
        async with head_sent(client, 2**20) as wire:
            await wire.send(HEAD + bytes(600_000))
            async with asyncio.timeout(PATIENCE):
                while not names_in(folder):
                    await asyncio.sleep(0.01)
            assert [Path(name).suffix for name in names_in(folder)] == [".part"]
            assert "<li>" not in (await client.get("/")).text
            wire.writer.transport.abort()
            await until_empty(folder)


NO_UPLOADS = {
    "a form without the field": {"files": {"other": ("song.mp3", b"ID3")}},
    "a form without files": {"data": {"mp3": "song"}},
    "no form": {"content": b"ID3"},
    "a nested form": {
        "content": (
            f"--{BOUNDARY}\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n"
            "--in\r\nContent-Disposition: attachment; name=mp3; filename=a.mp3\r\n\r\nID3\r\n"
            f"--in--\r\n--{BOUNDARY}--\r\n"
        ).encode(),
        "headers": FIELDS,
    },
}


async def test_what_is_no_upload_is_told(start: Start, folder: Path) -> None:
    async with start("upload_mp3") as client:
        for what, request in NO_UPLOADS.items():
            answer = await client.post("/", **request)  # type: ignore[arg-type]  # a table
            assert answer.status_code == 400, what
            assert answer.text == "Send a form with a file, in its field mp3.\n"
    assert names_in(folder) == []
