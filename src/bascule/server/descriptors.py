"""Connections that this process holds, over all its servers, and how many there may be.

Descriptors are the process's, not a server's: two servers that each took all of them would leave
none for files, databases and logs.
"""

import asyncio
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Protocol

from .options import ConnectionLimit

if sys.platform != "win32":
    import resource

__all__ = ["CENSUS", "Census", "Holder", "find_limit"]

# Kept free for everything that is no connection: files, databases, logs, the event loop.
_RESERVE = 64
# Idle connections are closed when a sixteenth of the limit is left; so many at a time that not
# every new connection looks through all others.
_MARGIN = 16
# While nothing could be closed, seconds until it is looked for again.
_SEARCH_INTERVAL = 1.0
# Seconds between two lines of log that tell of the same want.
_SAY_INTERVAL = 60.0


class Holder(Protocol):
    """What has connections: a server."""

    @property
    def held(self) -> int:
        """Descriptors of its connections, those that are being accepted among them."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it belongs to."""

    def list_idle(self) -> list[tuple[tuple[bool, float], Callable[[], None]]]:
        """Give a sort key, the first to be closed being the smallest, and what closes it, of
        each connection that nobody would miss."""


def find_limit(limit: ConnectionLimit) -> int | None:
    """Give a number for a limit: for ``auto`` the descriptors that may be open, less 64.

    Returns:
        1 or more; None where there is no limit.
    """
    if limit != "auto":
        return limit
    if sys.platform == "win32":
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else max(1, soft - _RESERVE)


class Census:
    """The servers of a process, and the acceptors that wait for connections to end.

    Servers of several threads may use it: each counts its own connections, and what others see of
    that may be a moment old, which the reserve is for.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._holders: tuple[weakref.ref[Holder], ...] = ()
        self._waiting: dict[asyncio.AbstractEventLoop, list[Callable[[], None]]] = {}
        self._searched_at = float("-inf")
        self._said_at: dict[str, float] = {}

    def join(self, holder: Holder) -> None:
        """Count a server's connections, as long as it lives."""
        with self._lock:
            alive = [reference for reference in self._holders if reference() is not None]
            self._holders = (*alive, weakref.ref(holder))

    @property
    def held(self) -> int:
        """Connections of all servers."""
        return sum(holder.held for holder in self._list_holders())

    def count_room(self, limit: int) -> int:
        """Give how many may be accepted before `has_room` is to be asked; 0 or less for none."""
        return limit - limit // _MARGIN - self.held

    def has_room(self, limit: int, *, is_needed: bool = True) -> bool:
        """Say if one more connection may be accepted; near the limit idle ones are closed, if it
        is needed, since somebody waits."""
        held = self.held
        margin = limit // _MARGIN
        if is_needed and held >= limit - margin:
            self._shed(held - (limit - margin) + max(1, margin // 2))
        return held < limit

    def _shed(self, count: int) -> None:
        """Close idle connections, those of this thread's loop."""
        now = self._clock()
        if now - self._searched_at < _SEARCH_INTERVAL:
            return
        loop = asyncio.get_running_loop()
        idle = [
            one
            for holder in self._list_holders()
            if holder.loop is loop
            for one in holder.list_idle()
        ]
        idle.sort(key=lambda one: one[0])
        for _, close in idle[:count]:
            close()
        if not idle:
            self._searched_at = now

    def _list_holders(self) -> list[Holder]:
        return [holder for reference in self._holders if (holder := reference()) is not None]

    # -- acceptors that have paused

    def wait(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        """Call back, once, when a connection of that loop has ended."""
        self._waiting.setdefault(loop, []).append(callback)

    def wait_no_more(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        """Forget a callback, if it is still kept."""
        callbacks = self._waiting.get(loop, [])
        if callback in callbacks:
            callbacks.remove(callback)
        if not callbacks:
            self._waiting.pop(loop, None)

    def freed(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take note that a connection of a loop has ended; its descriptor is closed in the next
        step at the latest."""
        if self._waiting:
            for callback in self._waiting.pop(loop, []):
                loop.call_soon(callback)

    def may_say(self, what: str) -> bool:
        """Say if something may be logged: once a minute, over all acceptors."""
        now = self._clock()
        if now - self._said_at.get(what, float("-inf")) < _SAY_INTERVAL:
            return False
        self._said_at[what] = now
        return True


CENSUS = Census()
