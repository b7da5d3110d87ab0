"""What is said when an address cannot be listened at: the reason, in the user's terms."""

import errno
import os
import socket
import stat
from typing import Any

from .occupants import find_occupant

__all__ = ["add_reason", "tell_reason"]

_BEGINNING = "Cannot listen at "
# Linux has 108 bytes for the path and its final NUL (unix(7)), BSD and macOS 104.
_MAX_PATH = 107


def add_reason(exc: BaseException, name: str, where: Any) -> None:  # Any: as a site was given it
    """Add a note to the error of a bind; its type, number and text stay as they are.

    Args:
        exc: what creating the server raised.
        name: of the site, a URL.
        where: host and port, or the path of a Unix socket.
    """
    if isinstance(where, tuple):
        reason = _find_tcp_reason(exc, *where)
    else:
        reason = _find_unix_reason(exc, os.fsdecode(where))
    exc.add_note(f"{_BEGINNING}{name}: {reason or _tell_briefly(exc)}")


def tell_reason(exc: BaseException) -> str | None:
    """Give the note that `add_reason` added; None when the error is not one of a bind."""
    notes: list[str] = getattr(exc, "__notes__", [])
    return next((note for note in notes if note.startswith(_BEGINNING)), None)


def _tell_briefly(exc: BaseException) -> str:
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or type(exc).__name__


def _find_tcp_reason(exc: BaseException, host: Any, port: Any) -> str | None:
    if isinstance(exc, socket.gaierror):
        return f"the host {host!r} is not known here ({_tell_briefly(exc)})"
    number = exc.errno if isinstance(exc, OSError) else None
    if number == errno.EADDRINUSE:
        occupant = find_occupant(port) or "another program; the system does not tell which"
        return f"port {port} is taken by {occupant}"
    if number == errno.EACCES:
        return f"no permission to bind port {port}; ports below 1024 are for privileged users"
    if number == errno.EADDRNOTAVAIL:
        return f"no network interface of this machine has the address {host!r}"
    return None


def _find_unix_reason(exc: BaseException, path: str) -> str | None:
    directory = os.path.dirname(path) or "."
    number = exc.errno if isinstance(exc, OSError) else None
    if number == errno.EADDRINUSE:
        return f"{path!r} is {_tell_kind(path)}, which was left as it is"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission to create a file in the directory {directory!r}"
    if number in (errno.ENOENT, errno.ENOTDIR):
        return f"there is no directory {directory!r}"
    size = len(os.fsencode(path))
    if size > _MAX_PATH:
        return f"the path has {size} bytes, and those of Unix sockets {_MAX_PATH} at most"
    return None


def _tell_kind(path: str) -> str:
    """Say what stands at a path."""
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError):
        return "taken"
    if stat.S_ISDIR(mode):
        return "a directory"
    if stat.S_ISREG(mode):
        return "a regular file"
    return "a socket in use" if stat.S_ISSOCK(mode) else "no socket"
