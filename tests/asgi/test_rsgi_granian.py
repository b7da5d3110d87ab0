"""Our applications on granian as its users run it: ``granian module:app``, its own interface."""

import asyncio
import os
import signal
import socket
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from support.wire import PATIENCE

PROGRAM = """
import asyncio
import contextvars
import os

from bascule import web

VARIABLE = contextvars.ContextVar("VARIABLE")


def note(text):
    print(f"note {os.getpid()} {text}", flush=True)


async def answer(request):
    loop = type(asyncio.get_running_loop()).__module__
    text = f"{os.getpid()} {loop} {request.version.major} {VARIABLE.get()} "
    return web.Response(text=text + (await request.text()))


async def context(app):
    await asyncio.sleep(0)
    VARIABLE.set("set")
    note("up")
    yield
    await asyncio.sleep(0)
    note("down")


async def fail(app):
    raise RuntimeError("no database today")


app = web.Application()
app.cleanup_ctx.append(context)
app.router.add_post("/", answer)

failing = web.Application()
failing.cleanup_ctx.append(context)
failing.on_startup.append(fail)
"""


class Granian:
    """A granian that runs.

    Attributes:
        url: of the application.
        lines: that it has said.
    """

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.url = url
        self.lines: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None  # it is a pipe
        async for line in self._process.stdout:
            self.lines.append(line.decode().rstrip())

    def notes(self) -> list[str]:
        """What the application has said, without its process."""
        return [line.split(" ", 2)[2] for line in self.lines if line.startswith("note ")]

    async def wait_until_ready(self) -> None:
        """Wait until a connection is taken up; it says no more about it."""
        async with asyncio.timeout(PATIENCE):
            while not any("Started worker" in line for line in self.lines):
                await asyncio.sleep(0.01)

    async def stop(self) -> int:
        """End it; give the status of its process."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        return await self.wait()

    async def wait(self) -> int:
        async with asyncio.timeout(PATIENCE):
            await self._reading
            return await self._process.wait()


@asynccontextmanager
async def granian(directory: Path, name: str, *options: str) -> AsyncIterator[Granian]:
    (directory / "program_of_granian.py").write_text(textwrap.dedent(PROGRAM))
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", 0))
        port = str(sock.getsockname()[1])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "granian",
            "--port",
            port,
            *options,
            f"program_of_granian:{name}",
            cwd=directory,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        served = Granian(process, f"http://127.0.0.1:{port}/")
        try:
            yield served
        finally:
            await served.stop()


@pytest.mark.parametrize(
    ("options", "is_http2", "loop", "workers"),
    [
        ((), False, "", 1),
        (("--loop", "asyncio", "--workers", "2"), False, "asyncio", 2),
        (("--loop", "asyncio"), True, "asyncio", 1),
        (("--loop", "uvloop"), True, "uvloop", 1),
    ],
    ids=["plain", "asyncio", "http 2", "http 2, uvloop"],
)
async def test_granian_runs_an_application(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    options: tuple[str, ...],
    is_http2: bool,
    loop: str,
    workers: int,
) -> None:
    """Each worker starts it before its first request, and cleans it up at its end."""
    if options and not request.config.getoption("--matrix"):
        pytest.skip("the other ways to run it are tried with --matrix")
    async with granian(tmp_path, "app", *options) as served:
        await served.wait_until_ready()
        versions = {"http1": not is_http2, "http2": is_http2}
        async with httpx.AsyncClient(trust_env=False, **versions) as client:
            answer = await client.post(served.url, content=b"x" * 100)
        assert answer.status_code == 200, served.lines
        _, seen_loop, version, variable, body = answer.text.split(" ")
        assert seen_loop.startswith(loop)
        assert (version, variable, body) == ("2" if is_http2 else "1", "set", "x" * 100)
        assert await served.stop() == 0
        assert sorted(served.notes()) == ["down"] * workers + ["up"] * workers


async def test_a_start_that_fails_ends_granian(tmp_path: Path) -> None:
    """What was entered is left, and the reason is told."""
    async with granian(tmp_path, "failing") as served:
        assert await served.wait() != 0
        assert served.notes() == ["up", "down"]
        assert "RuntimeError: no database today" in served.lines
