"""Forms that requests carry: urlencoded and multipart/form-data."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import IO, Protocol, cast

from multidict import CIMultiDict, CIMultiDictProxy, MultiDict, MultiDictProxy

from ..streams import StreamReader
from ..wire import hdrs
from ..wire.disposition import parse_content_disposition
from ..wire.fields import find_charset, parse_content_type
from ..wire.urlencoded import parse_urlencoded
from .exceptions import HTTPBadRequest, HTTPRequestEntityTooLarge
from .part_codings import TransferDecoder, find_transfer_coding
from .part_stream import Fields, PartsStream, PartStream, limit_heads

__all__ = ["FileField", "FormLimits", "FormSource", "FormValue", "read_form"]

# Uploads up to here stay in memory, as aiohttp keeps them; larger ones go to a temporary file.
_SPOOL_SIZE = 2**20
# All files of a form together have this in memory, not as much as a thousand times the above; the
# smallest have no share in it, as each would cost a descriptor, of which there are fewer.
_MEMORY_SIZE = 2**25
_SMALL_SIZE = 2**16
# What is written to it at once, in a thread: 64 MiB in four times as many hops take 40 % longer.
_BATCH_SIZE = 2**18
# What is read of the body at once, behind the last part.
_PIECE_SIZE = 2**18


@dataclass(frozen=True, slots=True)
class FileField:
    """A file that came with a form; it is closed when the request is done.

    Attributes:
        name: of the field.
        filename: as the client sent it: not to be trusted as a path.
        file: open for reading and writing, at its start.
        content_type: as the client said, parameters too; ``application/octet-stream`` if it did
            not.
        headers: of the part.
    """

    name: str
    filename: str
    file: IO[bytes]
    content_type: str
    headers: CIMultiDictProxy[str]


FormValue = str | bytearray | FileField


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Bounds of a form: bytes in all, and fields; 0 for no limit."""

    max_size: int
    max_fields: int


class FormSource(Protocol):
    """What a form is read from."""

    @property
    def content(self) -> StreamReader:
        """The body as a stream."""

    async def read(self) -> bytes:
        """Read the whole body, within its limit."""


async def read_form(
    source: FormSource, media: str | None, parameters: dict[str, str], limits: FormLimits
) -> MultiDictProxy[FormValue]:
    """Read a form in the order of its fields, duplicates kept.

    Args:
        source: of the body.
        media: the media type; what is no form gives an empty result.
        parameters: of the media type: charset, boundary.
        limits: counted while reading.

    Raises:
        HTTPRequestEntityTooLarge: a limit is passed.
        HTTPBadRequest: the body is not what its media type says.
    """
    form: MultiDict[FormValue] = MultiDict()
    if media == "application/x-www-form-urlencoded":
        charset = parameters.get("charset", "utf-8")
        form.extend(_parse_urlencoded(await source.read(), charset, limits.max_fields))
    elif media == "multipart/form-data":
        reader = _FormReader(form, limits)
        try:
            await reader.read(source.content, parameters.get("boundary", ""))
        except BaseException:
            for value in form.values():
                if isinstance(value, FileField):
                    value.file.close()
            raise
    return MultiDictProxy(form)


def _parse_urlencoded(data: bytes, charset: str, max_fields: int) -> list[tuple[str, str]]:
    try:
        charset = find_charset(charset)
        text = data.decode(charset, "replace").rstrip()
        if 0 < max_fields <= text.count("&"):  # of bytes it would be another in some charsets
            raise _too_many_fields(max_fields)
        return parse_urlencoded(text, charset)
    except (LookupError, UnicodeError) as exc:
        raise HTTPBadRequest(text=f"Charset of the form not understood: {charset!r:.50}") from exc


def _too_many_fields(limit: int) -> HTTPRequestEntityTooLarge:
    text = f"Maximum number of form fields {limit} exceeded."
    return HTTPRequestEntityTooLarge(max_size=limit, text=text)


class _Counted:
    """A body that has a limit.

    Args:
        content: the body.
        max_size: in bytes; 0 for no limit.
    """

    __slots__ = ("_content", "_max_size", "_size")

    def __init__(self, content: StreamReader, max_size: int) -> None:
        self._content = content
        self._max_size = max_size
        self._size = 0

    async def read(self, n: int = -1, /) -> bytes:
        """Read up to `n` bytes, waiting for the first; ``b""`` at the end."""
        data = await self._content.read(n)
        self._size += len(data)
        if self._size > self._max_size > 0:
            raise HTTPRequestEntityTooLarge(self._max_size, self._size)
        return data


class _Upload:
    """The file of a part while it comes: in memory, and then on the disk.

    Args:
        spool_size: bytes that stay in memory.

    Attributes:
        file: is closed by its owner, also when writing fails.
    """

    __slots__ = ("_pieces", "_size", "_spool_size", "_waiting", "file")

    def __init__(self, spool_size: int) -> None:
        import tempfile

        file = tempfile.SpooledTemporaryFile(max_size=spool_size)  # noqa: SIM115
        self.file = cast("IO[bytes]", file)
        self._spool_size = spool_size
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._size = 0

    @property
    def size_in_memory(self) -> int:
        """Bytes of it that are not on the disk."""
        return self._size if self._size <= self._spool_size else 0

    async def write(self, data: bytes) -> None:
        """Append a piece."""
        self._pieces.append(data)
        self._waiting += len(data)
        self._size += len(data)
        if self._waiting >= _BATCH_SIZE:
            await self._flush()

    async def finish(self) -> None:
        """Write what is left, and go back to the start."""
        await self._flush(rewind=True)

    async def _flush(self, *, rewind: bool = False) -> None:
        pieces, self._pieces, self._waiting = self._pieces, [], 0
        if self._size <= self._spool_size:
            self._put(pieces, rewind)
            return
        writing = asyncio.ensure_future(asyncio.to_thread(self._put, pieces, rewind))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])  # before the file is closed, and perhaps another opened
            raise

    def _put(self, pieces: list[bytes], rewind: bool) -> None:
        self.file.writelines(pieces)
        if rewind:
            self.file.seek(0)


@dataclass(slots=True)
class _Part:
    """The head of a part of the form."""

    name: str
    filename: str | None
    headers: CIMultiDictProxy[str]
    content_type: str | None
    charset: str
    decoder: TransferDecoder | None

    def decode(self, data: bytes) -> bytes:
        """Decode what is complete of the data so far."""
        return data if self.decoder is None else self.decoder.decode(data)

    def finish(self) -> bytes:
        """Decode the rest."""
        return b"" if self.decoder is None else self.decoder.finish()


class _FormReader:
    """Reads the parts of one body and collects what they hold."""

    def __init__(self, form: MultiDict[FormValue], limits: FormLimits) -> None:
        self._form = form
        self._limits = limits
        self._memory = _MEMORY_SIZE
        # Of fields that do not say; a field `_charset_` in front names it (RFC 7578 section 4.6).
        self._charset = "utf-8"

    async def read(self, content: StreamReader, boundary: str) -> None:
        """Read the body to its end.

        Raises:
            HTTPRequestEntityTooLarge: a limit is passed.
            HTTPBadRequest: the body is no form.
        """
        body = _Counted(content, self._limits.max_size)
        limits = limit_heads()  # parts are counted here, in aiohttp's words
        parts = PartsStream(body, boundary.encode("utf-8", "surrogateescape"), limits)
        while (found := await parts.next()) is not None:
            if 0 < self._limits.max_fields <= len(self._form):
                raise _too_many_fields(self._limits.max_fields)
            await self._read_part(*found)
        while await body.read(_PIECE_SIZE):
            pass  # the epilogue

    async def _read_part(self, fields: Fields, content: PartStream) -> None:
        part = self._parse_head(fields)
        if part.filename is None:
            data = bytearray()
            while piece := await content.read():
                data += part.decode(piece)
            self._form.add(part.name, self._interpret(part, data + part.finish()))
            return
        file = await self._read_file(part, content)
        content_type = part.content_type
        if content_type is None:
            content_type = "application/octet-stream"
        value = FileField(part.name, part.filename, file, content_type, part.headers)
        self._form.add(part.name, value)

    async def _read_file(self, part: _Part, content: PartStream) -> IO[bytes]:
        upload = _Upload(min(_SPOOL_SIZE, max(self._memory, _SMALL_SIZE)))
        try:
            while piece := await content.read():
                await upload.write(part.decode(piece))
            await upload.write(part.finish())
            await upload.finish()
        except BaseException:
            with contextlib.suppress(OSError):  # of a full disk, once more
                upload.file.close()
            raise
        self._memory -= upload.size_in_memory
        return upload.file

    def _parse_head(self, fields: Fields) -> _Part:
        headers = CIMultiDictProxy(CIMultiDict(fields))
        disposition = headers.get(hdrs.CONTENT_DISPOSITION, "")
        _, parameters = parse_content_disposition(disposition)
        name = parameters.get("name")
        if name is None:
            raise HTTPBadRequest(text="Multipart field missing name.")
        declared = headers.get(hdrs.CONTENT_TYPE)
        charset = self._charset
        if declared is not None:
            media, media_parameters = parse_content_type(declared)
            if media.startswith("multipart/"):
                text = "To decode nested multipart you need to use custom reader"
                raise HTTPBadRequest(text=text)
            charset = media_parameters.get("charset", charset)
        transfer = headers.get(hdrs.CONTENT_TRANSFER_ENCODING)
        coding = None if transfer is None else find_transfer_coding(transfer)
        return _Part(
            name=name,
            filename=parameters.get("filename") or None,
            headers=headers,
            content_type=declared,
            charset=charset,
            decoder=None if coding is None else TransferDecoder(coding),
        )

    def _interpret(self, part: _Part, data: bytearray) -> str | bytearray:
        """Decode a field that is text, as it is where it names no other type."""
        if part.content_type is not None and not part.content_type.startswith("text/"):
            return data
        try:
            text = data.decode(find_charset(part.charset))
        except (LookupError, UnicodeError) as exc:
            raise HTTPBadRequest(text=f"Form field {part.name!r:.50} is not text") from exc
        if part.name == "_charset_":
            self._charset = text.strip()
        return text
