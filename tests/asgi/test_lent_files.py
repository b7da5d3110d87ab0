"""Paths of open files: what is lent, to how many, and for how long."""

import asyncio
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bascule.asgi import lent_files
from bascule.asgi.lent_files import find_path

MOST = 256


def lend(path: Path, size: int = 3, *, is_all: bool = True) -> str | None:
    """Ask for the path of a file that is closed and deleted at once."""
    with path.open("rb") as file:
        result = find_path(file, size, is_all=is_all)
    path.unlink()
    return result


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(name[:3].encode())
        return path

    return make


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Give what moves the clock of the running loop."""
    moved = 0.0

    def jump(seconds: float) -> None:
        nonlocal moved
        moved += seconds

    loop = asyncio.get_event_loop_policy().get_event_loop()
    there = loop.time
    with monkeypatch.context() as patch:
        patch.setattr(loop, "time", lambda: there() + moved, raising=False)
        yield jump


def count_open(path: Path) -> int:
    """Count the descriptors of deleted files of a folder."""
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:  # that of the listing itself
            continue
    return sum(link.startswith(str(path)) for link in links)


async def test_the_path_outlives_the_name(make: Callable[[str], Path]) -> None:
    path = lend(make("abc"))
    assert path is not None
    assert os.path.isabs(path)
    assert Path(path).read_bytes() == Path(path).read_bytes() == b"abc"


async def test_a_replaced_file_stays_what_it_was(make: Callable[[str], Path]) -> None:
    page = make("old")
    with page.open("rb") as file:
        path = find_path(file, 3)
    make("new").replace(page)
    assert path is not None
    assert Path(path).read_bytes() == b"old"


@pytest.mark.parametrize(
    ("size", "is_all", "is_found"),
    [(3, True, True), (2, True, False), (2, False, True), (3, False, True), (4, False, False)],
)
async def test_the_size_decides(
    make: Callable[[str], Path], size: int, is_all: bool, is_found: bool
) -> None:
    assert (lend(make("abc"), size, is_all=is_all) is not None) is is_found


def test_what_only_looks_like_a_file_has_no_path(tmp_path: Path) -> None:
    assert find_path(io.BytesIO(b"abc"), 3) is None
    assert find_path("abc", 3) is None
    closed = (tmp_path / "abc").open("wb")
    closed.close()
    assert find_path(closed, 0) is None


async def test_answers_with_the_same_file_share_a_descriptor(make: Callable[[str], Path]) -> None:
    page = make("abc")
    with page.open("rb") as file:
        paths = {find_path(file, 3) for _ in range(10)}
    with page.open("rb") as file:
        paths.add(find_path(file, 3))
    assert len(paths) == 1
    assert count_open(page.parent) == 1


async def test_what_is_lent_stays_and_others_go_by_name(
    make: Callable[[str], Path], tmp_path: Path
) -> None:
    """A descriptor that was closed early would be another file's for a host that is late."""
    first = lend(make("abc"))
    paths = [lend(make(f"{number:03}")) for number in range(MOST + 10)]
    assert count_open(tmp_path) == MOST
    assert first is not None
    assert Path(first).read_bytes() == b"abc"
    for number, path in enumerate(paths):
        assert path is not None
        if number < MOST - 1:
            assert Path(path).read_bytes() == f"{number:03}".encode()
        else:
            assert path == str(tmp_path / f"{number:03}")


async def test_what_was_lent_is_closed_in_time(
    make: Callable[[str], Path], tmp_path: Path, jump: Callable[[float], None]
) -> None:
    lend(make("one"))
    page = make("two")
    with page.open("rb") as file:
        for _ in range(2):
            assert find_path(file, 3) is not None
            jump(15.1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert count_open(tmp_path) == 1  # asked for once more
    jump(30)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert count_open(tmp_path) == 0


def test_what_was_lent_is_closed_with_the_loop(make: Callable[[str], Path], tmp_path: Path) -> None:
    async def main() -> None:
        lend(make("abc"))
        assert count_open(tmp_path) == 1

    asyncio.run(main())
    assert count_open(tmp_path) == 0


def test_elsewhere_the_path_is_the_name(
    make: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lent_files, "_OPEN_FILES", str(tmp_path / "none"))
    monkeypatch.setattr(lent_files, "_has_open_files", lent_files._has_open_files.__wrapped__)
    monkeypatch.chdir(tmp_path)
    make("abc")
    for name in ("abc", b"abc"):
        with open(name, "rb") as file:
            assert find_path(file, 3) == str(tmp_path / "abc")
    descriptor = os.open("abc", os.O_RDONLY)
    with open(descriptor, "rb") as file:
        assert find_path(file, 3) is None


async def test_without_descriptors_there_is_no_path(
    make: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "dup", fail)
    assert lend(make("abc")) is None
