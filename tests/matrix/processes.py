"""Servers in processes of their own, which say on which port they listen."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from support.wire import PATIENCE

__all__ = ["reserve_port", "run_server"]

_TESTS = Path(__file__).parent.parent
_RUNNING = re.compile(rb"(?:http://|address )127\.0\.0\.1:(\d+)")
# Not in debug mode, whatever the tests run in: there pages of errors show tracebacks.
_PLAIN = {"PYTHONDEVMODE": "", "PYTHONASYNCIODEBUG": "", "PYTHONUNBUFFERED": "1"}
# Lines of a server that are kept, for when it does not start.
_KEPT = 200


@asynccontextmanager
async def run_server(
    arguments: Sequence[str], environment: dict[str, str], *, port: int | None = None
) -> AsyncIterator[int]:
    """Run ``python -m`` with the arguments; give the port that it says, or the given one.

    At the end it gets SIGTERM, and what is left of its group of processes SIGKILL.

    Raises:
        RuntimeError: it ended, or said nothing in time.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        env={**os.environ, **environment, **_PLAIN, "PYTHONPATH": _path()},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    output = _Output(process)
    try:
        yield (await output.read_port()) if port is None else (await _wait_for(port, process))
    except Exception as exc:
        exc.add_note(f"The server said:\n{output.text}")
        raise
    finally:
        await _end(process)
        await output.end()


def _path() -> str:
    """Let the process import what the tests import, from where they do."""
    return os.pathsep.join([str(_TESTS), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])


class _Output:
    """Reads what a server says, so that it never waits for its reader."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lines: deque[bytes] = deque(maxlen=_KEPT)
        self._port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None  # it is a pipe
        async for line in self._process.stdout:
            self._lines.append(line)
            found = _RUNNING.search(line)
            if found and not self._port.done():
                self._port.set_result(int(found[1]))
        if not self._port.done():
            self._port.set_exception(RuntimeError(f"The server ended:\n{self.text}"))

    async def read_port(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self._port

    async def end(self) -> None:
        await self._reading
        self._port.cancel()

    @property
    def text(self) -> str:
        """What it has said, without the code in tracebacks."""
        kept = [line for line in self._lines if not line.startswith(b"  ")]
        return b"".join(kept).decode(errors="replace")


async def _wait_for(port: int, process: asyncio.subprocess.Process) -> int:
    """Wait until somebody listens."""
    async with asyncio.timeout(PATIENCE):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return port
    raise RuntimeError(f"The server ended with status {process.returncode}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(PATIENCE):
            await process.wait()
    except TimeoutError:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)  # its children, if it has left any
    except ProcessLookupError:
        pass
    await process.wait()


def reserve_port() -> socket.socket:
    """Give a socket that keeps a port for a server which binds it a second time (SO_REUSEPORT)."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", 0))
    return sock
