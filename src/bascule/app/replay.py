"""A body that was read already, for who comes after: once more from what the request kept."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from typing import IO

from ..message.forms import FileField, FormValue
from ..message.request import BaseRequest
from ..streams import StreamReader
from ..wire import hdrs

__all__ = ["Replay", "find_replay"]

_PIECE = 64 * 1024
# Of a part that is read decoded; its length is not told by fields.
_DECODED_AWAY = frozenset({"content-encoding", "content-transfer-encoding", "content-length"})


class Replay:
    """A body as it is given once more.

    Args:
        pieces: bytes, and files that are read from their start.

    Attributes:
        size: of the body, in bytes.
        reader: gives the body, once.
    """

    def __init__(self, pieces: list[bytes | IO[bytes]]) -> None:
        self.size = sum(len(p) if isinstance(p, bytes) else _measure(p) for p in pieces)
        self._chunks = _chop(pieces)
        self.reader = StreamReader(source=self)

    def starved(self) -> Awaitable[None]:
        """Feed the next piece, or the end."""
        return self._feed()

    async def _feed(self) -> None:
        chunk = await anext(self._chunks, b"")
        if chunk:
            self.reader.feed_data(chunk)
        else:
            self.reader.feed_eof()

    def drained(self) -> None:
        """Do nothing: pieces come when they are wanted."""


def find_replay(request: BaseRequest) -> Replay | None:
    """Find the body of a request that somebody has read; None when nobody has.

    What `read`, `text`, `json` and `post` have read is there still: a form with files is written
    anew, part by part, with the boundary that it had.

    Raises:
        RuntimeError: it was read by a stream, and is gone.
    """
    if not request._exchange.body.position:
        return None
    if request._read_bytes is not None:
        return Replay([request._read_bytes] if request._read_bytes else [])
    media, parameters = request._parsed_content_type()
    if request._post is not None and media == "multipart/form-data":
        boundary = parameters.get("boundary", "").encode("utf-8", "surrogateescape")
        return Replay(_write_form(list(request._post.items()), boundary))
    raise RuntimeError(
        "The body of the request was read as a stream before it came to the application that is "
        "mounted here; read it by request.read(), text(), json() or post(), which keep it"
    )


def _write_form(fields: list[tuple[str, FormValue]], boundary: bytes) -> list[bytes | IO[bytes]]:
    pieces: list[bytes | IO[bytes]] = []
    for name, value in fields:
        pieces.append(b"--%b\r\n%b\r\n" % (boundary, _write_part_head(name, value)))
        if isinstance(value, FileField):
            pieces.append(value.file)
        else:
            pieces.append(value.encode("utf-8") if isinstance(value, str) else bytes(value))
        pieces.append(b"\r\n")
    pieces.append(b"--%b--\r\n" % boundary)
    return pieces


def _write_part_head(name: str, value: FormValue) -> bytes:
    if isinstance(value, FileField):
        fields = [(n, v) for n, v in value.headers.items() if n.lower() not in _DECODED_AWAY]
    else:
        fields = [(hdrs.CONTENT_DISPOSITION, f'form-data; name="{_escape(name)}"')]
        if not isinstance(value, str):
            fields.append((hdrs.CONTENT_TYPE, "application/octet-stream"))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return lines.encode("utf-8", "surrogateescape")


def _escape(name: str) -> str:
    """Write the name of a field as browsers do (HTML, multipart/form-data encoding algorithm)."""
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def _measure(file: IO[bytes]) -> int:
    return file.seek(0, os.SEEK_END)


async def _chop(pieces: list[bytes | IO[bytes]]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if isinstance(piece, bytes):
            if piece:
                yield piece
            continue
        await asyncio.to_thread(piece.seek, 0)
        while chunk := await asyncio.to_thread(piece.read, _PIECE):
            yield chunk
