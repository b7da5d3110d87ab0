"""Which names of files below a directory are looked for at all, before the disk is touched."""

import os
import posixpath
from typing import Final

__all__ = ["is_refused"]

# What no name has on Windows; a colon is of a drive or of a stream, a backslash separates.
_FOREIGN_SIGNS: Final = frozenset('<>:"|?*\\') | frozenset(map(chr, range(32)))
# Names that are devices in every directory there, whatever comes behind a dot.
_DEVICES: Final = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    | {f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"}
)


def is_refused(filename: str, *, windows: bool = os.name == "nt") -> bool:
    r"""Say whether a name leads out of the directory that it is below, or is none of a file.

    All of it is looked at as it came, not only what is left when ``..`` is resolved: what stands in
    front of that is asked for on the way, and on Windows the system would send the password of the
    user to the host of ``\\host\share\..`` (CVE-2026-34515), or act on a device.

    Args:
        filename: as in a path, with slashes.
        windows: hold it to what counts there too: drives, shares, streams, devices, signs that no
            name has, and blanks and dots at the end of a name, which are dropped there.
    """
    name = posixpath.normpath(filename)
    if name.startswith(("/", "../")) or name == ".." or "\0" in filename:
        return True
    return windows and any(map(_is_foreign, filename.split("/")))


def _is_foreign(segment: str) -> bool:
    """Say whether a segment means something of Windows' own there, or nothing."""
    if segment in ("", ".", ".."):
        return False
    if segment[-1] in ". " or not _FOREIGN_SIGNS.isdisjoint(segment):
        return True
    return segment.partition(".")[0].rstrip(" ").upper() in _DEVICES
