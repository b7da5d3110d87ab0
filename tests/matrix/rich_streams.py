"""Endpoints of the matrix's application about answers that are streamed, and clients that leave."""

import asyncio
from typing import Any

from .journal import JournalRoutes

__all__ = ["FLOOD_SIZE", "StreamRoutes"]

# Bytes that are written to a client who does not read: more than all buffers between hold.
FLOOD_SIZE = 48 * 2**20
_PIECE = bytes(64 * 1024)


class StreamRoutes:
    """Handlers that write their answers piece by piece.

    Args:
        web: the module that the application is made of.
        journal: where handlers write down what their clients cannot be told.
    """

    def __init__(self, web: Any, journal: JournalRoutes) -> None:
        self.web = web
        self.journal = journal

    def routes(self) -> list[Any]:
        web = self.web
        return [
            web.get("/stream/pieces", self.pieces),
            web.get("/stream/length", self.with_length),
            web.get("/stream/chunked", self.chunked),
            web.get("/stream/compressed", self.compressed),
            web.get("/stream/surplus", self.surplus),
            web.get("/stream/short", self.short),
            web.get("/stream/broken", self.broken),
            web.get("/stream/empty", self.empty),
            web.get("/stream/big", self.big),
            web.get("/stream/held/{key}", self.held),
            web.get("/stream/gated/{key}", self.gated),
            web.get("/stream/endless/{key}", self.endless),
            web.get("/stream/flood/{key}", self.flood),
            web.get("/stream/events", self.events),
            web.post("/stream/echo", self.echo),
            web.get("/wait/{key}", self.wait),
            web.get("/leave/{key}", self.wait_and_write),
        ]

    async def begin(self, request: Any, **fields: Any) -> Any:
        response = self.web.StreamResponse(headers=fields)
        await response.prepare(request)
        return response

    async def pieces(self, request: Any) -> Any:
        response = await self.begin(request, **{"Content-Type": "text/plain"})
        for number in range(4):
            await response.write(f"{number}\n".encode())
            await asyncio.sleep(0)
        await response.write_eof(b"end\n")
        return response

    async def with_length(self, request: Any) -> Any:
        response = self.web.StreamResponse(headers={"Content-Length": "10"})
        await response.prepare(request)
        await response.write(b"01234")
        await response.write(b"56789")
        return response

    async def chunked(self, request: Any) -> Any:
        response = self.web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"one")
        await response.write(b"two")
        return response

    async def compressed(self, request: Any) -> Any:
        response = self.web.StreamResponse()
        response.enable_compression()
        await response.prepare(request)
        for _ in range(10):
            await response.write(b"compressed piece " * 100)
        return response

    async def surplus(self, request: Any) -> Any:
        response = await self.begin(request, **{"Content-Length": "3"})
        await response.write(b"0123456789")
        return response

    async def short(self, request: Any) -> Any:
        response = await self.begin(request, **{"Content-Length": "10"})
        await response.write(b"012")
        return response

    async def broken(self, request: Any) -> Any:
        response = await self.begin(request)
        await response.write(b"begun")
        raise ValueError("in the middle")

    async def empty(self, request: Any) -> Any:
        return await self.begin(request)

    async def big(self, request: Any) -> Any:
        response = await self.begin(request)
        for _ in range(32):
            await response.write(_PIECE)
        return response

    async def held(self, request: Any) -> Any:
        """Send a head, and nothing behind it until a client opens the gate."""
        response = await self.begin(request, **{"X-Held": "no"})
        await self.journal.of(request).pass_gate(request.match_info["key"])
        await response.write(b"late")
        return response

    async def gated(self, request: Any) -> Any:
        """Send a piece, and the next when a client opens the gate."""
        response = await self.begin(request)
        await response.write(b"first;")
        await self.journal.of(request).pass_gate(request.match_info["key"])
        await response.write(b"second")
        return response

    async def endless(self, request: Any) -> Any:
        """Write until that fails."""
        journal, key = self.journal.of(request), request.match_info["key"]
        response = await self.begin(request)
        try:
            while True:
                await response.write(b"more\n")
                await asyncio.sleep(0.01)
        except ConnectionResetError:
            journal.add(key, "reset")
            raise
        except asyncio.CancelledError:
            journal.add(key, "cancelled")
            raise
        finally:
            journal.add(key, "end")

    async def flood(self, request: Any) -> Any:
        """Write much to a client who may not read."""
        journal, key = self.journal.of(request), request.match_info["key"]
        response = await self.begin(request)
        journal.add(key, "begun")
        for _ in range(FLOOD_SIZE // len(_PIECE)):
            await response.write(_PIECE)
        journal.add(key, "written")
        return response

    async def events(self, request: Any) -> Any:
        fields = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        response = await self.begin(request, **fields)
        for number in range(3):
            await response.write(f"id: {number}\ndata: event {number}\n\n".encode())
        return response

    async def echo(self, request: Any) -> Any:
        """Send back what comes, while it comes."""
        response = await self.begin(request, **{"Content-Type": "application/octet-stream"})
        async for piece in request.content.iter_any():
            await response.write(piece)
        return response

    async def wait(self, request: Any) -> Any:
        """Wait at a gate before answering, whether the client stays or not."""
        journal, key = self.journal.of(request), request.match_info["key"]
        journal.add(key, "begun")
        try:
            await journal.pass_gate(key)
        except asyncio.CancelledError:
            journal.add(key, "cancelled")
            raise
        journal.add(key, "finished")
        return self.web.Response(text="waited")

    async def wait_and_write(self, request: Any) -> Any:
        """Wait at a gate in the middle of an answer, then write to a client that has left."""
        journal, key = self.journal.of(request), request.match_info["key"]
        response = await self.begin(request)
        await response.write(b"begun")
        journal.add(key, "begun")
        await journal.pass_gate(key)
        try:
            for _ in range(100):  # the first goes out before the other end says that it is gone
                await response.write(b"x")
                await asyncio.sleep(0.01)
        except ConnectionResetError:
            journal.add(key, "reset")
            raise
        journal.add(key, "not told")
        return response
