"""Out of descriptors, whoever took them: accepting pauses, recovers, and says so in one line."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.programs import Program, program
from support.requests import request
from support.wire import Wire

pytest.importorskip("resource")

HUNGRY = """
import asyncio, os, resource, sys, time
from bascule import web

FILES = []

async def eat(request):
    try:
        while True:
            FILES.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as exc:
        return web.Response(text=exc.strerror)

async def let_go(request):
    while FILES:
        os.close(FILES.pop())
    return web.Response(text="let go")

async def idle(request):
    before = time.process_time()
    await asyncio.sleep(1)
    return web.Response(text=str(time.process_time() - before))

async def hello(request):
    return web.Response(text="hello")

async def limit(app):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, hard))

app = web.Application()
app.add_routes([web.get("/eat", eat), web.get("/let-go", let_go), web.get("/idle", idle)])
app.router.add_get("/", hello)
app.on_startup.append(limit)

if __name__ == "__main__":
    loop = None
    if sys.argv[1] == "uvloop":
        import uvloop
        loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=0, loop=loop, access_log=None, limit_connections=None)
"""


async def ask(wire: Wire, path: str) -> bytes:
    await wire.send(request(path))
    return (await wire.read_answer())[2]


class Server:
    """A program that can be reached."""

    def __init__(self, running: Program, port: int) -> None:
        self.running = running
        self.port = port

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Wire]:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port))
        try:
            yield wire
        finally:
            await wire.close()


@pytest.fixture(params=["asyncio", "uvloop", "command line"])
async def server(request: Any, tmp_path: Path) -> AsyncIterator[Server]:
    (tmp_path / "hungry.py").write_text(HUNGRY)
    arguments = ["hungry.py", request.param]
    if request.param == "command line":
        arguments = ["-m", "bascule", "hungry:app", "--port", "0", "--no-access-log"]
        arguments += ["--limit-concurrency", "none"]
    async with program(*arguments, cwd=tmp_path) as running:
        yield Server(running, int((await running.url()).rpartition(":")[2]))
        assert await running.end(15) == 0
        assert running.output.count("Accepting pauses: Too many open files") == 1
        assert "Traceback" not in running.output
        assert len(running.output) < 600


async def test_files_of_the_application_take_all_descriptors(server: Server) -> None:
    async with server.connect() as kept:
        assert await ask(kept, "/eat") == b"Too many open files"
        late = [asyncio.create_task(ask_once(server)) for _ in range(20)]
        await server.running.read_until("Accepting pauses")
        assert float(await ask(kept, "/idle")) < 0.3
        assert not any(task.done() for task in late)
        assert await ask(kept, "/") == b"hello"
        assert await ask(kept, "/let-go") == b"let go"
        assert await asyncio.gather(*late) == [b"hello"] * 20
        await ask(kept, "/eat")  # again, within the minute: nothing more is said
        again = asyncio.create_task(ask_once(server))
        assert float(await ask(kept, "/idle")) < 0.3
        await ask(kept, "/let-go")
        assert await again == b"hello"


async def test_connections_take_all_descriptors(server: Server) -> None:
    async with contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(server.connect()) for _ in range(80)]
        await server.running.read_until("Accepting pauses")
        assert float(await ask(wires[0], "/idle")) < 0.3
        late = asyncio.create_task(ask(wires[-1], "/"))
        assert await ask(wires[1], "/") == b"hello"
        assert not late.done()
        for wire in wires[2:-1]:
            await wire.close()
        assert await late == b"hello"


async def ask_once(server: Server) -> bytes:
    async with server.connect() as wire:
        return await ask(wire, "/")
