"""Files that an ASGI application has sent as body: opened, measured and read in an executor."""

import asyncio
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, TypeVar

from ..exchange import Exchange

__all__ = ["FilePart", "find_part", "open_part", "send_part"]

# Bytes that are copied in one go where the transport cannot take a file.
_PIECE: Final = 256 * 1024

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FilePart:
    """Some bytes of a regular file.

    Attributes:
        file: it, open for reading.
        offset: of the first byte.
        count: of the bytes; they were there when it was looked at.
        moves: leave the position of the file behind the last byte.
    """

    file: BinaryIO
    offset: int
    count: int
    moves: bool = False

    async def close(self) -> None:
        """Close the file."""
        await _run(self.file.close)


async def open_part(path: Any) -> FilePart:  # Any: a message says what it likes
    """Open a whole file, as ``http.response.pathsend`` names it.

    Raises:
        OSError: it cannot be opened.
        TypeError: the path is not str.
        ValueError: the path is not absolute, or not that of a regular file.
    """
    if not isinstance(path, str):
        raise TypeError(f"path must be str, got {type(path).__name__}")
    if not os.path.isabs(path):
        raise ValueError(f"path must be absolute, got {path!r:.200}")
    return await _run(_open, path)


async def find_part(file: Any, offset: Any, count: Any) -> FilePart:
    """Find out what ``http.response.zerocopysend`` speaks of.

    Args:
        file: an open binary file, or its descriptor; it stays the application's to close.
        offset: of the first byte; None for the position of the file, which then moves on.
        count: of bytes at most; None for all to the end.

    Raises:
        TypeError: it is no file with a descriptor, or the numbers are none.
        ValueError: a number is negative, or the file is not a regular one.
    """
    for name, number in (("offset", offset), ("count", count)):
        if number is None:
            continue
        if not isinstance(number, int):
            raise TypeError(f"{name} must be int, got {type(number).__name__}")
        if number < 0:
            raise ValueError(f"{name} must not be negative, got {number}")
    return await _run(_find, file, offset, count)


async def send_part(exchange: Exchange, part: FilePart) -> None:
    """Send bytes of a file as body, without copying them where the transport can.

    Raises:
        ClientConnectionResetError: the client has left.
        EOFError: the file has become shorter in the meantime.
    """
    sent = not part.count or await exchange.send_file(part.file, part.offset, part.count)
    if not sent:
        await _copy(exchange, part)
    if part.moves:
        await _run(part.file.seek, part.offset + part.count)


async def _copy(exchange: Exchange, part: FilePart) -> None:
    offset, end = part.offset, part.offset + part.count
    while offset < end:
        data = await _run(_read_at, part.file, offset, min(_PIECE, end - offset))
        if not data:
            raise EOFError(f"{part.file!r:.200} ended at {offset}, {end} bytes were expected")
        await exchange.write(data)
        offset += len(data)


async def _run(function: Callable[..., _T], *args: Any) -> _T:
    return await asyncio.get_running_loop().run_in_executor(None, function, *args)


def _open(path: str) -> FilePart:
    file = open(path, "rb", buffering=0)  # noqa: SIM115  # closed by the caller
    try:
        return FilePart(file, 0, _measure(file))
    except BaseException:
        file.close()
        raise


def _find(file: Any, offset: int | None, count: int | None) -> FilePart:
    if isinstance(file, int):
        file = open(file, "rb", buffering=0, closefd=False)  # noqa: SIM115  # not ours to close
    if not hasattr(file, "fileno"):
        raise TypeError(f"file must be one with a descriptor, got {type(file).__name__}")
    size = _measure(file)
    start = file.tell() if offset is None else offset
    rest = max(size - start, 0)
    return FilePart(file, start, rest if count is None else min(count, rest), offset is None)


def _measure(file: Any) -> int:
    result = os.fstat(file.fileno())
    if not stat.S_ISREG(result.st_mode):
        raise ValueError(f"Only regular files can be sent, got {file!r:.200}")
    return result.st_size


def _read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    if hasattr(os, "pread"):  # leaves the position alone
        return os.pread(file.fileno(), size, offset)
    position = file.tell()
    try:
        file.seek(offset)
        return file.read(size)
    finally:
        file.seek(position)
