"""Programs in processes of their own, with warnings as errors."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from support.wire import PATIENCE

ROOT = Path(__file__).parents[2]


class Program:
    """A program under test, and what it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output = ""

    async def read_until(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while not (match := re.search(pattern, self.output)):
                line = await self.process.stdout.readline()
                assert line, f"ended without {pattern!r}: {self.output}"
                self.output += line.decode()
        return match

    async def url(self) -> str:
        return (await self.read_until(r"Running on (\S+) =+"))[1]

    async def end(self, *signals: int) -> int:
        for number in signals:
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            assert self.process.stdout is not None
            self.output += (await self.process.stdout.read()).decode()
            return await self.process.wait()


@asynccontextmanager
async def program(*arguments: str, cwd: Path = ROOT, **env: str | None) -> AsyncIterator[Program]:
    """Run Python with arguments, with variables of the environment set, or taken away by None."""
    variables = {**os.environ, "PYTHONUNBUFFERED": "1", **env}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-X",
        "dev",
        "-W",
        "error",
        *arguments,
        cwd=cwd,
        env={name: value for name, value in variables.items() if value is not None},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # else its pipe warns


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url)
