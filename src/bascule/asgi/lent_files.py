"""Paths of open files, for hosts that open a file later than they are told to."""

import asyncio
import os
from functools import cache
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakValueDictionary

__all__ = ["find_path"]

# Where Linux has a path for each open file, by which the same file is opened again even when its
# name is gone.
_OPEN_FILES: Final = "/proc/self/fd"
# granian opens a file some milliseconds after it is told to, and does not say when; stalls of a
# second were seen on busy machines.
_HOLD_TIME: Final = 5.0
# A quarter of the descriptors that a process has where nobody has asked for more.
_MOST_LOANS: Final = 256


class _Loan:
    """A descriptor that stays open while a host may want to open its path.

    A timer of the loop owns it: it closes when that has come, or when the loop does.
    """

    __slots__ = ("__weakref__", "_descriptor", "_since")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._since = -_HOLD_TIME

    def give(self, loop: asyncio.AbstractEventLoop) -> str:
        """Give the path, which is good for half of the time at least."""
        now = loop.time()
        if now - self._since > _HOLD_TIME / 2:
            self._since = now
            loop.call_later(_HOLD_TIME, self._hold)
        return f"{_OPEN_FILES}/{self._descriptor}"

    def _hold(self) -> None:
        """Do nothing: to have been referred to is enough."""

    def close(self) -> None:
        """Close the descriptor; a second time nothing happens."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    __del__ = close


# By device and inode: answers with the same file share a descriptor. The last lent is the last.
_Loans = WeakValueDictionary[tuple[int, int], _Loan]
_LOANS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Loans]] = WeakKeyDictionary()


def find_path(file: Any, size: int, *, is_all: bool = True) -> str | None:
    """Give a path of a file, if it is of this size, or not `is_all` at least of it; what an open
    file is, is in memory.

    On Linux the path is that of a descriptor, so that the file may be deleted or replaced at once.
    It is good for 2.5 seconds, or until 256 other files were asked for. Elsewhere it is the name by
    which the file was opened.

    Args:
        file: open for reading; Any: as of `Exchange.send_file`.
        size: in bytes.
        is_all: the file must have no more.
    """
    try:
        descriptor = file.fileno()
        there = os.fstat(descriptor)
        if there.st_size != size and (is_all or there.st_size < size):
            return None
        if _has_open_files():
            return _lend(descriptor, (there.st_dev, there.st_ino))
        return os.path.abspath(os.fsdecode(file.name))
    except (AttributeError, OSError, TypeError, ValueError):  # it only looks like a file
        return None


def _lend(descriptor: int, key: tuple[int, int]) -> str:
    loop = asyncio.get_running_loop()
    loans = _LOANS.get(loop)
    if loans is None:
        loans = _LOANS[loop] = WeakValueDictionary()
    loan = loans.pop(key, None)
    if loan is None:
        if len(loans) >= _MOST_LOANS:
            loans.pop(next(iter(loans.keys()))).close()
        loan = _Loan(os.dup(descriptor))
    loans[key] = loan
    return loan.give(loop)


@cache
def _has_open_files() -> bool:
    """Whether the paths are there, and for us: they are root's for who has changed the user."""
    return os.access(_OPEN_FILES, os.R_OK | os.X_OK)
