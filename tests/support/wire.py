"""Raw bytes to a server of ours, and back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bascule import web

# A safety net: a test that waits so long for an event has failed.
PATIENCE = 60


@dataclass
class Wire:
    """A client's end of a plain connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read_head(self) -> tuple[bytes, dict[bytes, bytes]]:
        """Read up to the empty line; give the status line and the fields, names lower-cased."""
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines)
        return first, {name.lower(): value for name, value in fields.items()}

    async def read_answer(self) -> tuple[bytes, dict[bytes, bytes], bytes]:
        """Read an answer that is framed by a length or by chunks."""
        first, fields = await self.read_head()
        async with asyncio.timeout(PATIENCE):
            if b"content-length" in fields:
                body = await self.reader.readexactly(int(fields[b"content-length"]))
            elif b"transfer-encoding" in fields:
                body = await self._read_chunks()
            else:
                body = b""
        return first, fields, body

    async def _read_chunks(self) -> bytes:
        pieces = []
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            pieces.append(await self.reader.readexactly(size))
            await self._read_line_end()
        await self._read_line_end()
        return b"".join(pieces)

    async def _read_line_end(self) -> None:
        found = await self.reader.readexactly(2)
        assert found == b"\r\n"

    async def read_all(self) -> bytes:
        """Read until the server closes."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


@dataclass
class Served:
    """A server of ours on a port of the system's choice."""

    runner: web.AppRunner
    port: int

    @asynccontextmanager
    async def connect(self, **kwargs: Any) -> AsyncIterator[Wire]:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port, **kwargs))
        try:
            yield wire
        finally:
            await wire.close()

    async def exchange(self, data: bytes) -> bytes:
        """Send bytes, end our half, and read until the server closes."""
        async with self.connect() as wire:
            await wire.send(data)
            wire.writer.write_eof()
            return await wire.read_all()

    async def alone(self) -> Any:
        """Give the server's one connection."""
        server = self.runner.server
        assert server is not None
        async with asyncio.timeout(PATIENCE):
            while len(server.connections) != 1:
                await asyncio.sleep(0)
        return server.connections[0]


@asynccontextmanager
async def serve(app: Any, *, ssl_context: Any = None, **options: Any) -> AsyncIterator[Served]:
    options.setdefault("shutdown_timeout", 5)
    runner = web.AppRunner(app, **options)
    try:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
        await site.start()
        yield Served(runner, site.port)
    finally:
        await runner.cleanup()
