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
# second were seen on busy machines. Long, since behind it the path may be that of another file.
_HOLD_TIME: Final = 30.0
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

    def __del__(self) -> None:
        os.close(self._descriptor)


# By device and inode: answers with the same file share a descriptor.
_Loans = WeakValueDictionary[tuple[int, int], _Loan]
_LOANS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Loans]] = WeakKeyDictionary()


def find_path(file: Any, size: int, *, is_all: bool = True) -> str | None:
    """Give a path of a file, if it is of this size, or not `is_all` at least of it; what an open
    file is, is in memory.

    On Linux the path is that of a descriptor, so that the file may be deleted or replaced at once.
    It is good for 15 seconds. Elsewhere, and while 256 other files are lent, it is the name by
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
        lent = _lend(descriptor, there) if _has_open_files() else None
        return lent or os.path.abspath(os.fsdecode(file.name))
    except (AttributeError, OSError, TypeError, ValueError):  # it only looks like a file
        return None


def _lend(descriptor: int, there: os.stat_result) -> str | None:
    """Give the path of a descriptor; None where too many are lent: one that was closed early would
    let the host open what comes to have its number."""
    loop = asyncio.get_running_loop()
    loans = _LOANS.get(loop)
    if loans is None:
        loans = _LOANS[loop] = WeakValueDictionary()
    key = there.st_dev, there.st_ino
    loan = loans.get(key)
    if loan is None:
        if len(loans) >= _MOST_LOANS:
            return None
        loan = loans[key] = _Loan(os.dup(descriptor))
    return loan.give(loop)


@cache
def _has_open_files() -> bool:
    """Whether the paths are there, and for us: they are root's for who has changed the user."""
    return os.access(_OPEN_FILES, os.R_OK | os.X_OK)
