"""Looking files up on the disk. Everything here may block: it is called in threads."""

import errno
import mimetypes
import os
import stat
from io import FileIO
from typing import Any, BinaryIO, Final, NamedTuple

from multidict import CIMultiDictProxy

from ..wire import hdrs
from ..wire.conditions import ETag, Validators, Verdict, join_field, judge
from ..wire.fields import parse_codings
from .lately import Lately

__all__ = [
    "MISSING",
    "Found",
    "Wish",
    "find_file",
    "find_lately",
    "is_lately_found",
    "is_missing",
    "read_piece",
]

# What is sent of a file up to this size is read at once (DESIGN section 4).
_SMALL = 64 * 1024
# What is fetched of a larger one before it is sent: several steps of its sending.
_AHEAD = 4 * 1024 * 1024
# Files that are looked for beside a file, best first.
_NEIGHBOURS: Final = (("br", ".br"), ("gzip", ".gz"))
# Types of files that are asked for by their compressed name.
_CODED_TYPES: Final = {
    "gzip": "application/gzip",
    "br": "application/x-brotli",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
}
_FALLBACK_TYPE: Final = "application/octet-stream"
# Characters that are remembered of what a client can decode.
_MOST_TOLD: Final = 64
_MISSING_ERRORS: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
# What opening a socket or a device that took the place of the file says.
_SPECIAL_ERRORS: Final = {errno.ENXIO, errno.ENODEV}
_LAST_SECOND: Final = 253402300799  # of the year 9999, the last that a date can tell
# Without O_NONBLOCK a pipe that took the place of the file would be waited for.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_ADVISE: Final = getattr(os, "posix_fadvise", None)


class Wish(NamedTuple):
    """What is wanted of a file.

    Attributes:
        method: of the request.
        fields: of the request.
        is_conditional: conditions and ranges count (RFC 9110 section 13.2.1).
        is_empty: the answer has no body whatever is found.
        max_ranges: that are answered with parts of the file.
    """

    method: str
    fields: CIMultiDictProxy[str]
    is_conditional: bool
    is_empty: bool
    max_ranges: int = 1


class Known:
    """A file as it was when it was looked at.

    Attributes:
        current: its validators.
        whole: the verdict that all of it is sent.
        told: for who tells of it, to be kept until it changes.
    """

    __slots__ = ("_identity", "current", "told", "whole")

    def __init__(self, status: os.stat_result, current: Validators) -> None:
        self._identity = _identify(status)
        self.current = current
        self.whole = Verdict(200, 0, current.size)
        self.told: tuple[object, Any] | None = None  # Any: what its teller makes of it

    def is_of(self, status: os.stat_result) -> bool:
        """Say whether a file is this one, and unchanged."""
        return self._identity == _identify(status)


def _identify(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


class Found(NamedTuple):
    """What was found for a wish.

    Attributes:
        verdict: the status, also 403 and 404, and the bytes to send.
        current: of the file, where there is one to be seen.
        media_type: by its name.
        coding: content coding of a neighbour that was taken, else empty.
        data: the bytes to send, where they are few; of several parts one behind the other.
        file: where to read them, where they are many; whoever gets it closes it.
        known: what can be kept of it.
    """

    verdict: Verdict
    current: Validators | None = None
    media_type: str = _FALLBACK_TYPE
    coding: str = ""
    data: bytes = b""
    file: BinaryIO | None = None
    known: Known | None = None


# Files that were found, and whose beginning was read, in this process.
_lately: Final[Lately[Known]] = Lately()
MISSING: Final = Found(Verdict(404))
_FORBIDDEN: Final = Found(Verdict(403))


def find_file(path: str, wish: Wish) -> Found:
    """Find a file, or a compressed neighbour, open it, and read it if it is small.

    Only regular files are ever opened.

    Raises:
        OSError: of other kinds than those that are 403 and 404.
    """
    key = _key_of(path, wish)
    return _find(path, wish, key, _lately.get(key))


def find_lately(path: str, wish: Wish) -> Found | None:
    """Find a file as `find_file` does, in the event loop, where that does not wait; else None."""
    key = _key_of(path, wish)
    known = _lately.get(key)
    if known is None or hdrs.RANGE in wish.fields:
        return None  # what lies in the middle of a file may not have been read
    return _find(path, wish, key, known)


def is_lately_found(path: str, wish: Wish) -> bool:
    """Say whether looking a file up, and the directories above it, does not wait."""
    return _lately.get(_key_of(path, wish)) is not None and hdrs.RANGE not in wish.fields


def _key_of(path: str, wish: Wish) -> tuple[str, str]:
    """Tell which names are looked at for a wish."""
    return path, wish.fields.get(hdrs.ACCEPT_ENCODING, "")[:_MOST_TOLD]


def _find(path: str, wish: Wish, key: tuple[str, str], known: Known | None) -> Found:
    """Find a file of which may be known what was found a moment ago, or None."""
    try:
        descriptor, name, coding = _open_best(path, wish)
    except (PermissionError, IsADirectoryError):
        return _FORBIDDEN
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the name
        if is_missing(exc):
            return MISSING
        if getattr(exc, "errno", None) in _SPECIAL_ERRORS:
            return _FORBIDDEN
        raise
    file = None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return _FORBIDDEN
        if known is None or not known.is_of(status):
            current = _make_validators(status)
            seen = Known(status, current)
        else:
            current, seen = known.current, known
        verdict = _judge(seen, coding, wish)
        data = b""
        count = 0 if wish.is_empty else verdict.stop - verdict.start or verdict.count
        if count > _SMALL:
            if known is None or verdict.start:
                _read_ahead(descriptor, verdict.start)
            file = FileIO(descriptor)
            file.name = name  # which hosts may want, for it may be handed on
        elif count:
            data = _read_spans(descriptor, verdict)
        if known is not None:
            if seen is not known:
                _lately.correct(key, seen)
        elif count and verdict.status == 200:  # read from its beginning, or about to be
            _lately.note(key, status.st_dev, seen)
        return Found(verdict, current, _guess_type(path), coding, data, file, seen)
    finally:
        if file is None:
            os.close(descriptor)


def is_missing(error: Exception) -> bool:
    """Say whether an error means that there is no such file; impossible names are ValueError."""
    return isinstance(error, ValueError) or getattr(error, "errno", None) in _MISSING_ERRORS


def _open_best(path: str, wish: Wish) -> tuple[int, str, str]:
    """Open the best of a file and its neighbours; give descriptor, name and content coding."""
    if hdrs.ACCEPT_ENCODING in wish.fields:
        accepted = parse_codings(join_field(wish.fields, hdrs.ACCEPT_ENCODING))
        for coding, suffix in _NEIGHBOURS:
            if accepted.get(coding):
                neighbour = f"{path}{suffix}"
                descriptor = _open_neighbour(neighbour)
                if descriptor is not None:
                    return descriptor, neighbour, coding
    # Looked at before it is opened: opening alone makes some devices act.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise PermissionError(errno.EACCES, "Not a regular file", path)
    return os.open(path, _FLAGS), path, ""


def _open_neighbour(path: str) -> int | None:
    """Open a path that is a regular file itself: symbolic links might leave the directory.

    One that may not be read, or has gone in the meantime, is none: the file that it is made of is
    there to be sent.
    """
    try:
        if stat.S_ISREG(os.lstat(path).st_mode):
            return os.open(path, _FLAGS | _NO_FOLLOW)
    except (OSError, ValueError):
        pass
    return None


def _judge(known: Known, coding: str, wish: Wish) -> Verdict:
    """Say what is sent of a file that is there."""
    fields = wish.fields
    if not wish.is_conditional or not (
        hdrs.IF_NONE_MATCH in fields
        or hdrs.IF_MODIFIED_SINCE in fields
        or hdrs.RANGE in fields
        or hdrs.IF_MATCH in fields
        or hdrs.IF_UNMODIFIED_SINCE in fields
    ):
        return known.whole  # as most ask
    verdict = judge(wish.method, wish.fields, known.current, max_ranges=wish.max_ranges)
    if coding and verdict.parts:
        # Of several parts it could not be told whether the coding is of each or of all of them.
        return known.whole
    return verdict


def _read_spans(descriptor: int, verdict: Verdict) -> bytes:
    """Read what is sent; less where the file has become shorter."""
    spans = verdict.parts or ((verdict.start, verdict.stop),)
    pieces = []
    for start, stop in spans:
        while start < stop:
            piece = _read_at(descriptor, start, stop - start)
            if not piece:
                break
            pieces.append(piece)
            start += len(piece)
    return b"".join(pieces)


def _read_ahead(descriptor: int, start: int) -> None:
    """Have the system fetch the beginning of what will be sent, so that sending it does not wait
    for the disk; behind that it reads ahead of itself."""
    if _ADVISE is not None:
        try:
            _ADVISE(descriptor, start, _AHEAD, os.POSIX_FADV_WILLNEED)
        except OSError:
            pass  # it was a wish


def _make_validators(status: os.stat_result) -> Validators:
    """Make the entity tag and the date, rounded up to a second, that aiohttp makes of a file."""
    seconds = -(-status.st_mtime_ns // 10**9)
    etag = ETag(f"{status.st_mtime_ns:x}-{status.st_size:x}")
    return Validators(etag, min(seconds, _LAST_SECOND), status.st_size)


def _guess_type(path: str) -> str:
    """Guess a media type; what is compressed by its own name is of the type of its compression.

    The module's tables are asked each time, since programs edit them.
    """
    name = path.rpartition("/")[2]
    stem, dot, ending = name.partition(".")
    if not dot and "" not in mimetypes.types_map:
        return _FALLBACK_TYPE
    if stem and "." not in ending and mimetypes.inited:
        ending = f".{ending}"
        media = mimetypes.types_map.get(ending)
        if media and not (ending in mimetypes.encodings_map or ending in mimetypes.suffix_map):
            return media  # as what is asked below says of a name so simple
    # The slash keeps a name from being a URL.
    guessed, coding = mimetypes.guess_type(f"/{os.path.basename(path)}")
    if coding is not None:
        guessed = _CODED_TYPES.get(coding)
    return guessed or _FALLBACK_TYPE


def read_piece(file: BinaryIO, offset: int, size: int) -> bytes:
    """Read a piece of a file; nothing at its end, and at times less than `size` before."""
    return _read_at(file.fileno(), offset, size)


def _read_at(descriptor: int, offset: int, size: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)
