"""Writes `differential/captured_forms.py` anew: the requests that real clients make of forms.

Usage: python tests/support/capture_forms.py

Needs curl, httpx, aiohttp and Chromium. The tests read what is written and need none of them.
"""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.form_clients import CURL_FILES, CURLS, read_version, send_by_aiohttp, send_by_httpx
from support.form_mails import write_mails
from support.form_pages import PAGES

_TARGET = Path(__file__).parents[1] / "differential" / "captured_forms.py"
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
)
_WIDTH = 80

_HEAD = '''"""Requests that real clients made of forms, byte by byte as they came.

Written by `tests/support/capture_forms.py`, not by hand; hence its length. The name of a client
comes with its version.
"""

__all__ = ["CAPTURED"]

# Client and case, and all bytes of the request.
CAPTURED: dict[str, bytes] = {
'''


class Recorder:
    """A server on a socket that keeps what it is sent.

    Attributes:
        port: where it listens.
        requests: by the last part of their targets, those with a body.
    """

    def __init__(self) -> None:
        self.port = 0
        self.requests: dict[str, bytes] = {}
        self._came = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve while the block runs."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield

    @property
    def url(self) -> str:
        """What the names of cases are to be put behind."""
        return f"http://127.0.0.1:{self.port}/"

    async def wait_for(self, name: str) -> None:
        """Wait until a request was kept."""
        async with self._came, asyncio.timeout(60):
            await self._came.wait_for(lambda: name in self.requests)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):  # a connection that asks nothing
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b" ", 2)
            fields = head.lower()
            if b"\r\nexpect: 100-continue\r\n" in fields:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await _read_body(reader, fields)
            name = target.decode().rpartition("/")[2]
            page, kind = PAGES.get(name, ""), b"text/html; charset=utf-8"
            if method == b"POST":
                page, kind = "ok", b"text/plain"
                async with self._came:
                    self.requests[name] = head.replace(b":%d\r\n" % self.port, b"\r\n") + body
                    self._came.notify_all()
            writer.write(_ANSWER % (kind, len(page.encode()), page.encode()))
            await writer.drain()
        writer.close()


async def _read_body(reader: asyncio.StreamReader, fields: bytes) -> bytes:
    if b"\r\ntransfer-encoding: chunked\r\n" in fields:
        return b"".join([chunk async for chunk in _read_chunks(reader)])
    _, found, rest = fields.partition(b"\r\ncontent-length: ")
    return await reader.readexactly(int(rest.split(b"\r\n")[0])) if found else b""


async def _read_chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Read chunks with their lines, up to and with the last, which is empty."""
    size = None
    while size != 0:
        line = await reader.readuntil(b"\r\n")
        size = int(line, 16)
        yield line + await reader.readexactly(size + 2)


async def _run_curl(recorder: Recorder) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for filename, data in CURL_FILES.items():
            Path(directory, filename).write_bytes(data)
        for name, (arguments, given) in CURLS.items():
            process = await asyncio.create_subprocess_exec(
                *("curl", "-sS", "-o", "/dev/null", *arguments, recorder.url + name),
                cwd=directory,
                stdin=asyncio.subprocess.PIPE,
            )
            await process.communicate(given)
            if process.returncode:
                raise RuntimeError(f"curl did not send {name}: {process.returncode}")


async def _run_chromium(recorder: Recorder) -> None:
    program = shutil.which("chromium") or "chromium-browser"
    with tempfile.TemporaryDirectory() as directory:
        for name in PAGES:
            process = await asyncio.create_subprocess_exec(
                *(program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *(f"--user-data-dir={directory}", "--remote-debugging-port=0"),
                recorder.url + name,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                await recorder.wait_for(name)
            finally:
                process.terminate()
                await process.wait()


async def _capture() -> dict[str, bytes]:
    captured: dict[str, bytes] = {}
    ways = {
        read_version("curl"): _run_curl,
        f"httpx {read_version('httpx')}": lambda recorder: send_by_httpx(recorder.url),
        f"aiohttp {read_version('aiohttp')}": lambda recorder: send_by_aiohttp(recorder.url),
        read_version("chromium"): _run_chromium,
    }
    for client, send in ways.items():
        recorder = Recorder()
        async with recorder.listening():
            await send(recorder)
        captured |= {f"{client}/{name}": data for name, data in recorder.requests.items()}
    version = ".".join(map(str, sys.version_info[:3]))
    return captured | {f"email {version}/{name}": data for name, data in write_mails().items()}


def _dump(captured: dict[str, bytes]) -> Iterator[str]:
    yield _HEAD
    for name, data in captured.items():
        yield f"    {name!r}: (\n"
        for line in data.splitlines(keepends=True):
            for piece in _split(line):
                yield f"        {piece!r}\n"
        yield "    ),\n"
    yield "}\n"


def _split(line: bytes) -> Iterator[bytes]:
    """Split a line where its literal would become too wide."""
    start = 0
    for stop in range(1, len(line)):
        if len(repr(line[start : stop + 1])) > _WIDTH:
            yield line[start:stop]
            start = stop
    yield line[start:]


if __name__ == "__main__":
    _TARGET.write_text("".join(_dump(asyncio.run(_capture()))))
