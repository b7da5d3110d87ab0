"""What was said in each room, in a SQLite file."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["History", "Message"]

_T = TypeVar("_T")
_TABLE = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY, room TEXT NOT NULL, name TEXT NOT NULL,
    text TEXT NOT NULL, said_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_of_room ON messages (room, id);
"""


@dataclass(frozen=True)
class Message:
    """Something that was said.

    Attributes:
        name: who said it.
        text: what.
        said_at: when, in seconds since 1970.
    """

    name: str
    text: str
    said_at: float


class History:
    """The messages of all rooms; one thread of its own talks to SQLite, so that the loop never
    waits for a disk.

    Args:
        path: the file; it is made where there is none.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")
        self._database: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the file."""

        def connect() -> sqlite3.Connection:
            database = sqlite3.connect(self._path)
            database.executescript(_TABLE)
            return database

        self._database = await self._run(connect)

    async def add(self, room: str, name: str, text: str) -> Message:
        """Keep what was said."""
        message = Message(name, text, time.time())
        values = (room, name, text, message.said_at)

        def insert() -> None:
            with self._opened() as database:
                database.execute("INSERT INTO messages VALUES (NULL, ?, ?, ?, ?)", values)

        await self._run(insert)
        return message

    async def last(self, room: str, count: int = 50) -> list[Message]:
        """Give the latest messages of a room, the oldest first."""
        query = "SELECT name, text, said_at FROM messages WHERE room = ? ORDER BY id DESC LIMIT ?"
        rows = await self._run(lambda: self._opened().execute(query, (room, count)).fetchall())
        return [Message(*row) for row in reversed(rows)]

    async def close(self) -> None:
        """Close the file."""
        await self._run(self._opened().close)
        self._thread.shutdown()

    def _opened(self) -> sqlite3.Connection:
        assert self._database is not None, "the history was not opened"
        return self._database

    async def _run(self, function: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)
