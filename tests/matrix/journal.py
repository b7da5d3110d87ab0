"""What handlers of the application have seen, told to its clients; and gates they wait at."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

__all__ = ["Journal", "JournalRoutes"]

# Seconds that a client is kept waiting for what does not come.
_PATIENCE = 3.0


class Journal:
    """Events by key; made where the application starts, for the loop that runs there."""

    def __init__(self) -> None:
        self._events: defaultdict[str, list[str]] = defaultdict(list)
        self._gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._changed = asyncio.Event()

    def add(self, key: str, event: str) -> None:
        """Write an event down."""
        self._events[key].append(event)
        self._changed.set()
        self._changed = asyncio.Event()

    async def read(self, key: str, count: int) -> list[str]:
        """Give the events, once there are so many, or what there is after a while."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while len(self._events[key]) < count:
                    await self._changed.wait()
        except TimeoutError:
            pass
        return self._events[key]

    async def pass_gate(self, key: str) -> None:
        """Wait until a client opens the gate."""
        await self._gates[key].wait()

    def open_gate(self, key: str) -> None:
        """Let all pass who wait at the gate, or will."""
        self._gates[key].set()


class JournalRoutes:
    """Routes by which a client reads the journal and opens gates.

    Args:
        web: the module that the application is made of.
    """

    def __init__(self, web: Any) -> None:
        self.web = web
        self.key = web.AppKey("journal", Journal)

    def routes(self) -> list[Any]:
        return [
            self.web.get("/seen/{key}", self.seen),
            self.web.post("/open/{key}", self.open),
        ]

    async def context(self, app: Any) -> AsyncIterator[None]:
        app[self.key] = Journal()
        yield

    def of(self, request: Any) -> Journal:
        """Give the journal of a request's application."""
        journal: Journal = request.app[self.key]
        return journal

    async def seen(self, request: Any) -> Any:
        count = int(request.query["count"])
        events = await self.of(request).read(request.match_info["key"], count)
        return self.web.json_response(events)

    async def open(self, request: Any) -> Any:
        self.of(request).open_gate(request.match_info["key"])
        return self.web.Response(text="open")
