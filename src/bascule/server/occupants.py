"""Who listens at a TCP port already, as far as Linux tells it under ``/proc``."""

import os
import time
from collections.abc import Iterator

__all__ = ["find_occupant"]

_LISTEN = "0A"
# The search ends after so many seconds, found or not: it is for an error message.
_PATIENCE = 0.2
_MAX_COMMAND = 80


def find_occupant(port: int | str) -> str | None:
    """Find the process that listens at a port of this machine.

    Only processes whose open files this user may see can be found. It never raises and takes 0.2
    seconds at most.

    Returns:
        Such as ``process 4711 (python3 -m http.server)``; None when the system does not tell.
    """
    deadline = time.monotonic() + _PATIENCE
    try:
        inodes = set(_list_listening(int(port)))
        pid = _find_owner(inodes, deadline) if inodes else None
        if pid is None:
            return None
        if pid == os.getpid():
            return "this process itself"
        return f"process {pid} ({_read_command(pid)})"
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _list_listening(port: int) -> Iterator[str]:
    """Give the inodes of the sockets that listen at a port, whatever their address."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(table):
            continue
        with open(table, encoding="ascii") as lines:
            next(lines)
            for line in lines:
                # sl, local address, remote address, state, ..., inode at the tenth place (proc(5))
                columns = line.split()
                if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                    yield columns[9]


def _find_owner(inodes: set[str], deadline: float) -> int | None:
    """Find a process that has one of some sockets open."""
    links = {f"socket:[{inode}]" for inode in inodes}
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        if time.monotonic() > deadline:
            return None
        try:
            with os.scandir(f"/proc/{pid}/fd") as files:
                if any(_read_link(file.path) in links for file in files):
                    return int(pid)
        except OSError:
            continue  # another user's, or gone by now
    return None


def _read_link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _read_command(pid: int) -> str:
    """Give the command line of a process, printable and cut to 80 characters."""
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        words = file.read(4096).rstrip(b"\0").split(b"\0")
    command = b" ".join(words).decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "?" for c in command)[:_MAX_COMMAND]
