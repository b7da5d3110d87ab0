"""Forms that requests carry: urlencoded and multipart/form-data."""

import asyncio
import binascii
import sys
import tempfile
from dataclasses import dataclass, field
from typing import IO, Protocol, cast
from urllib.parse import parse_qsl

from multidict import CIMultiDict, CIMultiDictProxy, MultiDict, MultiDictProxy

from ..streams import StreamReader
from ..wire import hdrs
from ..wire.disposition import parse_content_disposition
from ..wire.fields import find_charset, parse_content_type
from ..wire.multipart import Limits, MultipartError, MultipartParser, PartBegin, PartData, PartEnd
from .exceptions import HTTPBadRequest, HTTPRequestEntityTooLarge
from .part_codings import TRANSFER_DECODERS

__all__ = ["FileField", "FormLimits", "FormSource", "FormValue", "read_form"]

# Uploads up to here stay in memory, as aiohttp keeps them; larger ones go to a temporary file.
_SPOOL_SIZE = 2**20


@dataclass(frozen=True, slots=True)
class FileField:
    """A file that came with a form; it is closed when the request is done.

    Attributes:
        name: of the field.
        filename: as the client sent it: not to be trusted as a path.
        file: open for reading and writing, at its start.
        content_type: as the client said, ``application/octet-stream`` if it did not.
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
            reader.discard()
            raise
    return MultiDictProxy(form)


def _parse_urlencoded(data: bytes, charset: str, max_fields: int) -> list[tuple[str, str]]:
    if max_fields > 0 and data.count(b"&") >= max_fields:
        raise _too_many_fields(max_fields)
    try:
        charset = find_charset(charset)
        text = data.decode(charset, "replace").rstrip()
        return parse_qsl(text, keep_blank_values=True, encoding=charset)
    except (LookupError, UnicodeError) as exc:
        raise HTTPBadRequest(text=f"Charset of the form not understood: {charset!r:.50}") from exc


def _too_many_fields(limit: int) -> HTTPRequestEntityTooLarge:
    text = f"Maximum number of form fields {limit} exceeded."
    return HTTPRequestEntityTooLarge(max_size=limit, text=text)


@dataclass(slots=True)
class _Part:
    """A part of the form while it is read."""

    name: str
    filename: str | None
    headers: CIMultiDictProxy[str]
    content_type: str
    charset: str
    coding: str
    data: bytearray = field(default_factory=bytearray)
    file: IO[bytes] | None = None


class _FormReader:
    """Drives the multipart machine over one body and collects what it finds."""

    def __init__(self, form: MultiDict[FormValue], limits: FormLimits) -> None:
        self._form = form
        self._limits = limits
        self._part: _Part | None = None
        # Of fields that do not say; a field `_charset_` in front names it (RFC 7578 section 4.6).
        self._charset = "utf-8"
        self._count = 0

    async def read(self, content: StreamReader, boundary: str) -> None:
        """Read the body to its end."""
        size = 0
        try:
            limits = Limits(max_parts=self._limits.max_fields or sys.maxsize)
            parser = MultipartParser(boundary.encode("utf-8", "surrogateescape"), limits=limits)
            while data := await content.readany():
                size += len(data)
                if self._limits.max_size and size > self._limits.max_size:
                    raise HTTPRequestEntityTooLarge(self._limits.max_size, size)
                for event in parser.feed(data):
                    await self._take(event)
            for event in parser.close():
                await self._take(event)
        except MultipartError as exc:
            if exc.too_large:
                raise HTTPRequestEntityTooLarge(self._limits.max_size, text=str(exc)) from exc
            raise HTTPBadRequest(text=f"Malformed form: {exc}") from exc

    def discard(self) -> None:
        """Close the files of a form that failed."""
        if self._part is not None and self._part.file is not None:
            self._part.file.close()
        for value in self._form.values():
            if isinstance(value, FileField):
                value.file.close()

    async def _take(self, event: object) -> None:
        if isinstance(event, PartBegin):
            self._begin(event.fields)
        elif isinstance(event, PartData):
            await self._append(event.data)
        elif isinstance(event, PartEnd):
            self._end()

    def _begin(self, fields: tuple[tuple[str, str], ...]) -> None:
        self._count += 1
        if 0 < self._limits.max_fields < self._count:
            raise _too_many_fields(self._limits.max_fields)
        headers = CIMultiDictProxy(CIMultiDict(fields))
        disposition = headers.get(hdrs.CONTENT_DISPOSITION, "")
        _, parameters = parse_content_disposition(disposition)
        name = parameters.get("name")
        if name is None:
            raise HTTPBadRequest(text="Multipart field missing name.")
        declared = headers.get(hdrs.CONTENT_TYPE)
        media, media_parameters = parse_content_type(declared)
        if media.startswith("multipart/"):
            raise HTTPBadRequest(text="To decode nested multipart you need to use custom reader")
        self._part = _Part(
            name=name,
            filename=parameters.get("filename") or None,
            headers=headers,
            content_type=media if declared else "",
            charset=media_parameters.get("charset", self._charset),
            coding=headers.get(hdrs.CONTENT_TRANSFER_ENCODING, "").strip().lower(),
        )

    async def _append(self, data: bytes) -> None:
        part = self._part
        assert part is not None  # the machine gives data within parts only
        if part.filename is None or part.coding in TRANSFER_DECODERS:
            part.data += data
            return
        if part.file is None:
            part.file = cast(
                "IO[bytes]",
                tempfile.SpooledTemporaryFile(max_size=_SPOOL_SIZE),  # noqa: SIM115
            )
        if part.file.tell() + len(data) > _SPOOL_SIZE:
            await asyncio.to_thread(part.file.write, data)
        else:
            part.file.write(data)

    def _end(self) -> None:
        part, self._part = self._part, None
        assert part is not None  # the machine ends parts that began
        if part.coding in TRANSFER_DECODERS:
            part.data = self._decode_transfer(part)
        if part.filename is not None:
            file = part.file or cast(
                "IO[bytes]",
                tempfile.SpooledTemporaryFile(max_size=_SPOOL_SIZE),  # noqa: SIM115
            )
            file.write(part.data)
            file.seek(0)
            content_type = part.content_type or "application/octet-stream"
            value: FormValue = FileField(part.name, part.filename, file, content_type, part.headers)
        elif part.content_type in ("",) or part.content_type.startswith("text/"):
            value = self._decode(part)
        else:
            value = part.data
        if part.name == "_charset_" and isinstance(value, str):
            self._charset = value.strip()
        self._form.add(part.name, value)

    def _decode_transfer(self, part: _Part) -> bytearray:
        try:
            return bytearray(TRANSFER_DECODERS[part.coding](bytes(part.data)))
        except binascii.Error as exc:
            text = f"Form field {part.name!r:.50} is not {part.coding}: {exc}"
            raise HTTPBadRequest(text=text) from exc

    def _decode(self, part: _Part) -> str:
        try:
            return part.data.decode(find_charset(part.charset))
        except (LookupError, UnicodeError) as exc:
            raise HTTPBadRequest(text=f"Form field {part.name!r:.50} is not text") from exc
