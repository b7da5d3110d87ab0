"""Open files in hand: each is closed in the end, and none is opened in the event loop."""

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bascule import web
from bascule.message.disk import DISK
from bascule.testing import MemoryExchange
from support import wire
from support.features import Feature
from support.files import BIG, file_app, make_root, memory_handling, put, static_app

needs_descriptors = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="open files are looked up in /proc"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


@pytest.fixture
def open_files(root: Path) -> Iterator[Any]:
    """Give the names of open files below the root; none may be left."""

    def list_them() -> list[str]:
        names = []
        for descriptor in os.listdir("/proc/self/fd"):
            try:
                names.append(os.readlink(f"/proc/self/fd/{descriptor}"))
            except OSError:
                continue
        return [Path(name).name for name in names if name.startswith(str(root))]

    yield list_them
    gc.collect()
    assert list_them() == []


@needs_descriptors
@pytest.mark.parametrize("name", ["ten.txt", "big.bin"])
async def test_a_file_is_closed_when_a_signal_fails(
    serve: Any, root: Path, name: str, open_files: Any
) -> None:
    async def fail(request: web.Request, response: web.StreamResponse) -> None:
        if response.status == 200:
            assert open_files() == [name] * (name == "big.bin")
            raise RuntimeError

    app = file_app(root / name)
    app.on_response_prepare.append(fail)
    client = await serve(app)
    answer = await client.get("/")
    assert (answer.status, open_files()) == (500, [])


@needs_descriptors
async def test_a_file_is_closed_when_the_client_has_left(root: Path, open_files: Any) -> None:
    async def leave(request: web.Request, response: web.StreamResponse) -> None:
        assert open_files() == ["big.bin"]
        request._exchange.leave(web.ClientConnectionResetError("left"))

    app = file_app(root / "big.bin")
    app.on_response_prepare.append(leave)
    exchange = MemoryExchange()
    await exchange.answered_by(memory_handling(app))
    assert (exchange.answer, open_files()) == (None, [])


@needs_descriptors
async def test_a_file_is_closed_when_the_sending_task_is_cancelled(
    root: Path, open_files: Any
) -> None:
    """And the client can tell that the file is not whole."""
    size = 64 * 1024 * 1024
    os.truncate(root / "big.bin", size)
    tasks: list[asyncio.Task[None]] = []

    async def remember(request: web.Request, response: web.StreamResponse) -> None:
        tasks.append(request.task)

    app = file_app(root / "big.bin")
    app.on_response_prepare.append(remember)
    async with wire.serve(app) as served, served.connect(limit=4096) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        _, fields = await client.read_head()
        assert fields[b"content-length"] == str(size).encode()
        assert open_files() == ["big.bin"]
        tasks[0].cancel()
        try:
            received = await client.read_all()
        except ConnectionError:  # a reset is a cut, too
            received = b""
        assert len(received) < size
        await asyncio.wait(tasks)
    assert open_files() == []


@needs_descriptors
async def test_a_file_that_is_opened_for_nobody_is_closed(root: Path, open_files: Any) -> None:
    """The task is cancelled while a thread is about to open the file."""
    gate = threading.Event()
    waiting = DISK.run(gate.wait, wire.PATIENCE)
    exchange = MemoryExchange()
    handling = memory_handling(file_app(root / "big.bin"))
    answering = asyncio.create_task(exchange.answered_by(handling))
    for _ in range(5):
        await asyncio.sleep(0)  # up to the look-up, which stands behind the gate
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    gate.set()
    await waiting
    async with asyncio.timeout(wire.PATIENCE):
        while not DISK.is_idle:
            await asyncio.sleep(0)
    await asyncio.sleep(0)  # the loop takes what was found
    assert open_files() == []


async def test_a_file_that_shrinks_is_cut(serve: Any, root: Path) -> None:
    """RFC 9112 section 8: the client must be able to tell."""

    async def shrink(request: web.Request, response: web.StreamResponse) -> None:
        os.truncate(root / "big.bin", 100_000)

    app = file_app(root / "big.bin", chunk_size=50_000)
    app.on_response_prepare.append(shrink)
    client = await serve(app)
    client.require(Feature.CUTS)
    with pytest.raises(ConnectionResetError):
        await client.get("/")


async def test_a_file_that_grows_is_not_sent_beyond_its_length(serve: Any, root: Path) -> None:
    async def grow(request: web.Request, response: web.StreamResponse) -> None:
        with open(root / "big.bin", "ab") as file:  # noqa: ASYNC230 - costs nothing here
            file.write(BIG)

    app = file_app(root / "big.bin")
    app.on_response_prepare.append(grow)
    client = await serve(app)
    assert (await client.get("/")).body == BIG


class _Opened:
    """Which files were opened, or directories read, in which threads."""

    watched: "list[tuple[str, int]] | None" = None

    @classmethod
    def note(cls, event: str, arguments: tuple[Any, ...]) -> None:
        if cls.watched is not None and event in ("open", "os.listdir", "os.scandir"):
            cls.watched.append((str(arguments[0]), threading.get_ident()))


sys.addaudithook(_Opened.note)  # hooks cannot be taken away


async def test_no_file_is_opened_in_the_event_loop(serve: Any, root: Path) -> None:
    client = await serve(static_app(root, show_index=True))
    _Opened.watched = opened = []
    try:
        for name in ("ten.txt", "big.bin", "sub"):
            assert (await client.get(f"/static/{name}")).status == 200
    finally:
        _Opened.watched = None
    here = threading.get_ident()
    ours = [(path, thread) for path, thread in opened if path.startswith(str(root))]
    assert {Path(path).name for path, _ in ours} == {"ten.txt", "big.bin", "sub"}
    assert [path for path, thread in ours if thread == here] == []


async def count_hops(app: web.Application, method: str, target: str, **fields: str) -> int:
    """Give how often a request to an application in memory goes to a thread."""
    exchange = MemoryExchange(method, target, fields=fields)
    before = DISK.begun
    await exchange.answered_by(memory_handling(app))
    return DISK.begun - before


@pytest.mark.parametrize(
    ("method", "target", "fields"),
    [
        ("GET", "/static/ten.txt", {}),
        ("GET", "/static/sub/../in", {}),
        ("GET", "/static/style.css", {"Accept-Encoding": "gzip"}),
        ("GET", "/static/ten.txt", {"Range": "bytes=1-2,4-5"}),
        ("GET", "/static/big.bin", {"Range": "bytes=1-65536"}),
        ("GET", "/static/big.bin", {"If-None-Match": "*"}),
        ("HEAD", "/static/big.bin", {}),
        ("GET", "/static/sub/", {}),
        ("GET", "/static/sub", {}),
        ("GET", "/static/more", {}),
        ("GET", "/static/missing", {}),
        ("GET", "/static/missing", {"Accept": "text/plain"}),
    ],
    ids=str,
)
async def test_one_hop_to_a_thread_is_enough(
    root: Path, method: str, target: str, fields: dict[str, str]
) -> None:
    """To resolve the name, look for neighbours, open, measure and read what is not much."""
    (root / "in").symlink_to("ten.txt")
    put(root, "sub/index.html", b"index")
    put(root, "more/a", b"")
    app = static_app(
        root, index="index.html", fallback="ten.txt", show_index=True, max_age=3, max_ranges=2
    )
    assert await count_hops(app, method, target, **fields) == 1


async def test_a_handler_s_file_takes_one_hop(root: Path) -> None:
    assert await count_hops(file_app(root / "ten.txt"), "GET", "/") == 1


async def test_files_are_closed_in_the_event_loop(root: Path) -> None:
    """A hop is for each piece that is read, where it cannot be sent otherwise."""
    pieces = -(-len(BIG) // 100_000)
    app = static_app(root, chunk_size=100_000)
    assert await count_hops(app, "GET", "/static/big.bin") == 1 + pieces


async def test_huge_files_are_closed_in_a_thread_too(root: Path) -> None:
    """There is much to free where such a one was removed in the meantime."""
    os.truncate(root / "big.bin", 17 * 2**20)
    app = static_app(root, chunk_size=2**24)
    assert await count_hops(app, "GET", "/static/big.bin") == 1 + 2 + 1


@pytest.mark.skipif(not hasattr(os, "sendfile"), reason="the system cannot")
async def test_what_the_system_sends_is_read_in_no_thread(root: Path) -> None:
    async with wire.serve(static_app(root)) as served, served.connect() as client:
        before = DISK.begun
        await client.send(b"GET /static/big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.read_answer())[2] == BIG
        await client.send(b"GET /static/ten.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.read_answer()
        assert DISK.begun - before == 1 + 1


@pytest.mark.parametrize("name", ["ten.txt", "big.bin", "style.css"])
async def test_the_fields_of_a_response_are_those_that_were_sent(root: Path, name: str) -> None:
    """Also where nobody has asked for them before, and in the same order."""
    responses: list[web.StreamResponse] = []

    @web.middleware
    async def keep(request: web.Request, handler: Any) -> web.StreamResponse:
        responses.append(await handler(request))
        return responses[-1]

    app = static_app(root)
    app.middlewares.append(keep)
    async with wire.serve(app) as served, served.connect() as client:
        target = f"/static/{name}".encode()
        await client.send(
            b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n"
        )
        _, fields, body = await client.read_answer()
    told = [(key.lower().encode(), value.encode()) for key, value in responses[0].headers.items()]
    assert told == list(fields.items())
    assert (responses[0].content_length, responses[0].status) == (len(body), 200)
    assert responses[0].keep_alive
    assert responses[0].etag is not None
    assert responses[0].last_modified is not None
