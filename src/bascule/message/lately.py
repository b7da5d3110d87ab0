"""Files that were looked up lately, so that looking again does not wait for a disk.

The event loop hands all work on the disk to threads, since nobody can tell how long a disk takes.
But what a thread has looked up and read a moment ago on a disk of this machine the system has in
its memory: names, the file's description and its beginning. To open it again takes microseconds,
and the way to a thread and back many times as long. File systems behind a network ask their server
again, so that nothing on them is ever remembered here.
"""

import os
from collections.abc import Callable
from time import monotonic
from typing import Final, Generic, TypeVar

__all__ = ["Lately"]

_T = TypeVar("_T")

# Seconds for which the system is taken to keep what was used: it drops what was not used for long
# first, and no more than a page or two has to be read again where it was that short of memory.
_LATELY: Final = 1.0
# Files that are remembered; each takes some hundred bytes.
_MOST: Final = 1024
# Seconds after which is asked again what is mounted where: numbers of devices are used again.
_MOUNTED: Final = 30.0
# File systems that keep everything in memory or on a disk of this machine.
_LOCAL: Final = frozenset(
    [
        "ext2",
        "ext3",
        "ext4",
        "xfs",
        "f2fs",
        "tmpfs",
        "ramfs",
        "overlay",
        "squashfs",
        "erofs",
        "zfs",
        "bcachefs",
    ]
)


class Lately(Generic[_T]):
    """What was found a moment ago; asked in event loops, told in threads.

    Args:
        mounts: file with what is mounted where, in the form of Linux's ``/proc/self/mountinfo``;
            where it cannot be read nothing is remembered.
        clock: gives the time in seconds.
    """

    def __init__(
        self, mounts: str = "/proc/self/mountinfo", *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._mounts = mounts
        self._clock = clock
        self._noted: dict[object, tuple[float, _T]] = {}
        self._local: frozenset[int] = frozenset()
        self._asked = float("-inf")

    def get(self, key: object) -> _T | None:
        """Give what was found for a key a moment ago, which is about to be looked up again; None
        where nothing was."""
        noted = self._noted.get(key)
        if noted is None:
            return None
        now, found = self._clock(), noted[1]
        if now - noted[0] >= _LATELY:
            return None
        self._noted[key] = now, found
        return found

    def note(self, key: object, device: int, found: _T) -> None:
        """Remember what was found and read, where it may be.

        Called in a thread: it reads what is mounted, at times.

        Args:
            key: hashable; tells everything that was looked at.
            device: that it lies on, as of `os.stat`.
            found: given by `get`.
        """
        now = self._clock()
        if now - self._asked > _MOUNTED:
            self._local = _read_local(self._mounts)
            self._asked = now
        if device not in self._local:
            self._noted.pop(key, None)
            return
        if len(self._noted) >= _MOST and key not in self._noted:
            self._noted = {}  # whoever is asked for now is here again at once
        self._noted[key] = now, found

    def correct(self, key: object, found: _T) -> None:
        """Put something else in the place of what `get` has just given."""
        self._noted[key] = self._clock(), found


def _read_local(mounts: str) -> frozenset[int]:
    """Give the devices of file systems of this machine, by what the system says is mounted.

    Its lines are described in proc_pid_mountinfo(5).
    """
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as lines:
            return frozenset(
                os.makedev(*map(int, line.split()[2].split(":")))
                for line in lines
                if line.partition(" - ")[2].split(" ", 1)[0] in _LOCAL
            )
    except (OSError, ValueError, IndexError):  # there is no such file, or it is in another form
        return frozenset()
