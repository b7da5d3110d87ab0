"""Pastes in one SQLite file, read and written without blocking the event loop."""

import asyncio
import os
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from bascule import web

from .pastes import Attachment, Draft, Listing, Paste, Summary

__all__ = ["STORAGE", "Storage", "default_database"]

_T = TypeVar("_T")
# The types of a row are those of the schema, which no type checker can read: Any.
_Rows = list[Any]

_PAGE_SIZE = 20
# An export holds this many pastes in memory at a time.
_EXPORT_BATCH = 20

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pastes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    file_name TEXT,
    file BLOB
)
"""
_PASTE = "id, created, title, text, file_name, length(file)"
_SUMMARY = "id, created, title, substr(text, 1, 160), file_name"


class Storage:
    """All pastes of a board; lives from `open` to `close`.

    Each call runs in a worker thread. A cancelled caller leaves its thread running, so the
    lock is the threads' own: an asyncio lock would let the next call in too early.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    async def open(cls, database: Path | str) -> Self:
        """Open `database`, making the file and its directory when they are missing."""
        return cls(await asyncio.to_thread(_connect, database))

    async def close(self) -> None:
        """Close the file, after the call that is running."""

        def alone() -> None:
            with self._lock:
                self._connection.close()

        await asyncio.to_thread(alone)

    async def add(self, draft: Draft) -> int:
        """Store `draft` and return its id, which is never used again."""
        file = draft.attachment
        row = (
            datetime.now(UTC).isoformat(timespec="seconds"),
            draft.title,
            draft.text,
            file.name if file else None,
            file.content if file else None,
        )
        sql = "INSERT INTO pastes (created, title, text, file_name, file) VALUES (?, ?, ?, ?, ?)"
        return await self._run(lambda connection: connection.execute(sql, row).lastrowid or 0)

    async def get(self, paste_id: int) -> Paste | None:
        """Return a paste, or None when there is none of this id."""
        rows = await self._fetch(f"SELECT {_PASTE} FROM pastes WHERE id = ?", paste_id)
        return Paste(*rows[0]) if rows else None

    async def get_attachment(self, paste_id: int) -> Attachment | None:
        """Return the file of a paste, or None when it has none or does not exist."""
        sql = "SELECT file_name, file FROM pastes WHERE id = ? AND file_name IS NOT NULL"
        rows = await self._fetch(sql, paste_id)
        return Attachment(*rows[0]) if rows else None

    async def delete(self, paste_id: int) -> bool:
        """Delete a paste; return whether there was one."""
        sql = "DELETE FROM pastes WHERE id = ?"
        return await self._run(lambda connection: connection.execute(sql, [paste_id]).rowcount > 0)

    async def page(self, number: int) -> Listing:
        """Return a page of the list; a number out of bounds means the nearest page."""
        [[total]] = await self._fetch("SELECT count(*) FROM pastes")
        pages = max(1, -(-total // _PAGE_SIZE))
        number = min(max(number, 1), pages)
        sql = f"SELECT {_SUMMARY} FROM pastes ORDER BY id DESC LIMIT ? OFFSET ?"
        rows = await self._fetch(sql, _PAGE_SIZE, (number - 1) * _PAGE_SIZE)
        return Listing([Summary(*row) for row in rows], number, pages, total)

    async def export(self) -> AsyncIterator[Paste]:
        """Yield every paste, oldest first, reading ahead a few at a time."""
        sql = f"SELECT {_PASTE} FROM pastes WHERE id > ? ORDER BY id LIMIT {_EXPORT_BATCH}"
        last = 0
        while rows := await self._fetch(sql, last):
            for row in rows:
                yield Paste(*row)
            last = rows[-1][0]

    async def _fetch(self, sql: str, *values: int) -> _Rows:
        return await self._run(lambda connection: connection.execute(sql, values).fetchall())

    async def _run(self, call: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run `call` in a worker thread, as one transaction and alone."""

        def alone() -> _T:
            with self._lock, self._connection:
                return call(self._connection)

        return await asyncio.to_thread(alone)


STORAGE = web.AppKey("storage", Storage)


def default_database() -> Path:
    """Return the file of this user's board, where the platform keeps the data of programs."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "bascule-board" / "board.sqlite3"


def _connect(database: Path | str) -> sqlite3.Connection:
    """Open the file; the lock of `Storage` stands in for SQLite's check of threads."""
    Path(database).parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(database, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(_SCHEMA)
    return connection
