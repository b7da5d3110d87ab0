"""Rooms: who is in them, and what is passed on to whom."""

import asyncio
from typing import Any

import bascule
from bascule import web

__all__ = ["Member", "Room", "Rooms"]

# Messages that wait for a member who reads slowly; beyond them the member has to leave.
_MAX_WAITING = 100


class Member:
    """One socket in a room, with what it has yet to be sent.

    Args:
        name: of who sits behind it.
        socket: open.
    """

    def __init__(self, name: str, socket: web.WebSocketResponse) -> None:
        self.name = name
        self.socket = socket
        self._waiting: asyncio.Queue[Any] = asyncio.Queue(_MAX_WAITING)
        self._is_late = asyncio.Event()

    def tell(self, event: dict[str, Any]) -> None:
        """Let an event be sent; nobody else waits for it."""
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self._is_late.set()

    async def pass_on(self) -> None:
        """Send what is told, for as long as the member keeps up."""
        while not self._is_late.is_set():
            await self.socket.send_json(await self._waiting.get())
        await self.socket.close(code=bascule.WSCloseCode.TRY_AGAIN_LATER, message=b"too slow")


class Room:
    """The members who hear each other."""

    def __init__(self) -> None:
        self._members: set[Member] = set()

    @property
    def names(self) -> list[str]:
        """Who is here."""
        return sorted(member.name for member in self._members)

    def enter(self, member: Member) -> None:
        """Let a member hear, and all of them know."""
        self._members.add(member)
        self.tell({"type": "members", "names": self.names})

    def leave(self, member: Member) -> None:
        """Let a member hear no more."""
        self._members.discard(member)
        self.tell({"type": "members", "names": self.names})

    def tell(self, event: dict[str, Any]) -> None:
        """Tell an event to all."""
        for member in self._members:
            member.tell(event)


class Rooms(dict[str, Room]):
    """All rooms by name; one begins when somebody asks for it."""

    def __missing__(self, name: str) -> Room:
        room = self[name] = Room()
        return room
