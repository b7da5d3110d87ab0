"""Payloads of files and of what looks like one; what is on a disk is read in threads."""

import asyncio
import codecs
import io
from collections.abc import Callable
from typing import IO, Any, Final, TextIO, TypeVar

from ..wire import hdrs
from .memory_payloads import settle_charset
from .payload import Payload, PayloadWriter, payload_type, register_payload

__all__ = ["BufferedReaderPayload", "BytesIOPayload", "IOBasePayload", "TextIOPayload"]

_T = TypeVar("_T")

# Bytes, or characters of a text, that are read at once; as in aiohttp.
_PIECE_SIZE: Final = 2**18


class IOBasePayload(Payload):
    """What is left of a binary file.

    It can be written again, from the same place, if the file can be wound back.

    Args:
        value: the file; the payload closes it.
        disposition: type of the Content-Disposition that tells of the name of the file; None for
            none. One among the headers wins.
        args: of `Payload`.
        kwargs: of `Payload`; ``filename`` is by default that of the file.
    """

    def __init__(
        self, value: IO[Any], disposition: str | None = "attachment", *args: Any, **kwargs: Any
    ) -> None:
        kwargs.setdefault("filename", _guess_filename(value))
        super().__init__(value, *args, **kwargs)
        self._start: int | None = None
        self._working: asyncio.Future[Any] | None = None
        named = self._filename is not None and hdrs.CONTENT_DISPOSITION not in self._headers
        if named and disposition is not None:
            self.set_content_disposition(disposition, filename=str(self._filename))

    @property
    def size(self) -> int | None:
        """Bytes from the place where it is read from to its end; None where it has none.

        Raises:
            ValueError: the file is closed.
        """
        try:
            if not self._value.seekable():
                return None
            start = self._remember_start()
            here = self._value.tell()
            end: int = self._value.seek(0, io.SEEK_END)
            self._value.seek(here)
        except OSError:
            return None
        return max(end - start, 0)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Give what is left of the file as text; it is read here and now, not in a thread."""
        return self._read_all().decode(encoding, errors)

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Give what is left of the file."""
        return await self._run(self._read_all)

    async def write(self, writer: PayloadWriter) -> None:
        """Write what is left of the file.

        Raises:
            ValueError: the file is closed.
        """
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: PayloadWriter, content_length: int | None) -> None:
        """Write what is left of the file, or the first bytes of it."""
        left = content_length
        piece = await self._run(self._read_first, _limit(left))
        while piece:
            if left is not None:
                piece = piece[:left]
                left -= len(piece)
            await writer.write(piece)
            if left == 0:
                break
            piece = await self._run(self._read, _limit(left))

    async def close(self) -> None:
        """Close the file, in a thread; one that reads ends before that, and is not waited for."""
        if self._working is not None and not self._working.done():
            self._working.add_done_callback(self._close_behind)
        elif not self._value.closed:
            await self._run(self._value.close)

    def _close_behind(self, working: "asyncio.Future[Any]") -> None:
        if not working.cancelled():
            working.exception()  # nobody waits for it any more
        working.get_loop().run_in_executor(None, self._value.close)

    async def _run(self, function: Callable[..., _T], *args: Any) -> _T:
        """Call a function in a thread; when cancelled it goes on, and `close` knows of it."""
        loop = asyncio.get_running_loop()
        self._working = working = loop.run_in_executor(None, function, *args)
        return await asyncio.shield(working)

    def _remember_start(self) -> int:
        if self._start is None:
            self._start = self._value.tell()
        return self._start

    def _rewind(self) -> None:
        """Go back to where it is read from; what cannot is read once."""
        try:
            if self._value.seekable():
                self._value.seek(self._remember_start())
                return
        except OSError:
            pass  # such as a text that is being iterated: it is where it is
        self._consumed = True

    def _read_first(self, size: int) -> bytes:
        self._rewind()
        return self._read(size)

    def _read(self, size: int) -> bytes:
        data: bytes | None = self._value.read(size)
        return data or b""  # None is of a file that does not block

    def _read_all(self) -> bytes:
        self._rewind()
        data: bytes | None = self._value.read()
        if not self._consumed:
            self._rewind()
        return data or b""


def _limit(left: int | None) -> int:
    return _PIECE_SIZE if left is None else min(left, _PIECE_SIZE)


def _guess_filename(value: Any) -> str | None:
    """Give the last part of the path of a file; the names of those that have none are strange."""
    name = getattr(value, "name", None)
    if not isinstance(name, str) or not name or name[0] == "<" or name[-1] == ">":
        return None
    return name.replace("\\", "/").rpartition("/")[2] or None


@payload_type((io.BufferedReader, io.BufferedRandom))
class BufferedReaderPayload(IOBasePayload):
    """What is left of a binary file with a buffer."""


@payload_type(io.BytesIO)
class BytesIOPayload(IOBasePayload):
    """What is left of bytes in memory, which stay open.

    Args:
        value: the bytes.
        args: of `IOBasePayload`.
        kwargs: of `IOBasePayload`.
    """

    _autoclose = True

    def __init__(self, value: io.BytesIO, *args: Any, **kwargs: Any) -> None:
        super().__init__(value, *args, **kwargs)

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Give what is left."""
        return self._read_all()

    async def close(self) -> None:
        """Do nothing: nothing is held but memory."""

    async def _run(self, function: Callable[..., _T], *args: Any) -> _T:
        """Call a function, here: nothing in it waits."""
        return function(*args)


@payload_type(io.TextIOBase)
class TextIOPayload(IOBasePayload):
    """What is left of a text file. Its size is not known before it was decoded and encoded.

    Args:
        value: the file; the payload closes it.
        args: of `IOBasePayload`.
        encoding: of the bytes that are written; by default that of the content type, else UTF-8.
        content_type: ``text/plain`` in the encoding by default.
        kwargs: of `IOBasePayload`.
    """

    def __init__(
        self,
        value: TextIO,
        *args: Any,
        encoding: str | None = None,
        content_type: str | None = None,
        **kwargs: Any,
    ) -> None:
        encoding, content_type = settle_charset(encoding, content_type)
        super().__init__(value, *args, content_type=content_type, encoding=encoding, **kwargs)
        self._encoder = codecs.getincrementalencoder(encoding)()

    @property
    def size(self) -> None:
        """Not known: the text is decoded, its line ends are changed, and it is encoded."""

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Give what is left of the file; it is read here and now, not in a thread."""
        return self._read_text()

    def _read_first(self, size: int) -> bytes:
        self._encoder.reset()
        return super()._read_first(size)

    def _read(self, size: int) -> bytes:
        text: str = self._value.read(size)
        return self._encoder.encode(text, final=not text)

    def _read_all(self) -> bytes:
        return self._read_text().encode(self._encoding or "utf-8")

    def _read_text(self) -> str:
        self._rewind()
        text: str = self._value.read()
        if not self._consumed:
            self._rewind()
        return text


register_payload(IOBasePayload, io.IOBase)  # behind those that it is a base of
