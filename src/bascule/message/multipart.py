"""Multipart bodies, read part by part."""

import sys
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from multidict import CIMultiDict, CIMultiDictProxy

from ..wire import hdrs
from ..wire.fields import parse_content_type
from .part_codings import UnknownCoding
from .part_stream import (
    Fields,
    MalformedMultipart,
    PartsStream,
    PartStream,
    Readable,
    limit_heads,
)
from .parts import BodyPartReader

__all__ = ["MultipartReader", "MultipartResponseWrapper", "NotMultipart"]

# Longest name in the registry of charsets is 45; aiohttp takes 31.
_MAX_CHARSET_SIZE = 31


class NotMultipart(MalformedMultipart, AssertionError):
    """The media type is no multipart one; an AssertionError in aiohttp."""


class MultipartResponseWrapper:
    """A multipart answer that aiohttp's client got; the connection is released at its end.

    Args:
        resp: the answer.
        stream: its reader.
    """

    def __init__(self, resp: Any, stream: "MultipartReader") -> None:  # Any: of aiohttp's client
        self.resp = resp
        self.stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "MultipartReader | BodyPartReader":
        part = await self.next()
        if part is None:
            raise StopAsyncIteration
        return part

    def at_eof(self) -> bool:
        """Whether all of the answer was read."""
        ended: bool = self.resp.content.at_eof()
        return ended

    async def next(self) -> "MultipartReader | BodyPartReader | None":
        """Give the next part; None behind the last, whereupon the connection is released."""
        part = await self.stream.next()
        if self.stream.at_eof():
            await self.release()
        return part

    async def release(self) -> None:
        """Release the connection; the rest of the answer is thrown away."""
        await self.resp.release()


class MultipartReader:
    """The parts of one multipart body, one after the other.

    Names and behaviour are those of ``aiohttp.MultipartReader``. The body is read as far as parts
    are asked for; what was not read of a part is skipped when the next is asked for. A part that
    is a multipart body again is given as a reader.

    Args:
        headers: fields of the body; of them Content-Type counts.
        content: the body.
        client_max_size: most bytes that the readers of parts read at once.
        max_field_size: bytes of a field line in the head of a part, its end included.
        max_headers: number of such lines; the whole head has 64 KiB.
        max_size_error_cls: what readers of parts raise beyond `client_max_size`.

    Raises:
        NotMultipart: the media type is another one.
        MalformedMultipart: it has no boundary, or none that can be.
        OversizeMultipart: the body is part of a part of a part..., more than 16 deep.
    """

    response_wrapper_cls: ClassVar[type[MultipartResponseWrapper]] = MultipartResponseWrapper
    # The class of readers of nested bodies; None for this one.
    multipart_reader_cls: "ClassVar[type[MultipartReader] | None]" = None
    part_reader_cls: ClassVar[type[BodyPartReader]] = BodyPartReader

    def __init__(
        self,
        headers: Mapping[str, str],
        content: Readable,
        *,
        client_max_size: int = sys.maxsize,
        max_field_size: int = 8190,
        max_headers: int = 128,
        max_size_error_cls: type[Exception] = ValueError,
    ) -> None:
        self.headers = headers
        self._subtype, boundary = _parse_media_type(headers)
        self._boundary = b"--" + boundary
        self._client_max_size = client_max_size
        self._max_field_size = max_field_size
        self._max_headers = max_headers
        self._max_size_error_cls = max_size_error_cls
        self._default_charset: str | None = None
        limits = limit_heads(max_field_size, max_headers)
        self._parts = PartsStream(content, boundary, limits)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "MultipartReader | BodyPartReader":
        part = await self.next()
        if part is None:
            raise StopAsyncIteration
        return part

    @classmethod
    def from_response(cls, response: Any) -> MultipartResponseWrapper:  # Any: of aiohttp's client
        """Make a reader of a multipart answer that aiohttp's client got."""
        return cls.response_wrapper_cls(response, cls(response.headers, response.content))

    def at_eof(self) -> bool:
        """Whether the end of the last part was passed."""
        return self._parts.at_eof

    async def next(self) -> "MultipartReader | BodyPartReader | None":
        """Give the next part; None behind the last. What is left of the part before is skipped.

        The field ``_charset_`` of a form is not given: it names the charset of the parts behind it
        that name none (RFC 7578 section 4.6).

        Raises:
            MalformedMultipart: the body is not a multipart body; the parts before were given.
            OversizeMultipart: the head of the part passes a limit.
        """
        part = await self.fetch_next_part()
        if (
            self._default_charset is None
            and self._subtype == "form-data"
            and isinstance(part, BodyPartReader)
            and part.name == "_charset_"
        ):
            self._default_charset = await _read_charset(part)
            part = await self.fetch_next_part()
        return part

    async def fetch_next_part(self) -> "MultipartReader | BodyPartReader | None":
        """Give the next part, whatever its name; None behind the last."""
        found = await self._parts.next()
        return None if found is None else self._make_reader(*found)

    async def release(self) -> None:
        """Read the rest of the parts and throw them away."""
        while await self._parts.next() is not None:
            pass

    def _make_reader(
        self, fields: Fields, content: PartStream
    ) -> "MultipartReader | BodyPartReader":
        headers = CIMultiDictProxy(CIMultiDict(fields))
        media, _ = parse_content_type(headers.get(hdrs.CONTENT_TYPE))
        if media.startswith("multipart/"):
            return (self.multipart_reader_cls or type(self))(
                headers,
                content,
                client_max_size=self._client_max_size,
                max_field_size=self._max_field_size,
                max_headers=self._max_headers,
                max_size_error_cls=self._max_size_error_cls,
            )
        return self.part_reader_cls(
            self._boundary,
            headers,
            content,
            subtype=self._subtype,
            default_charset=self._default_charset,
            client_max_size=self._client_max_size,
            max_size_error_cls=self._max_size_error_cls,
        )


def _parse_media_type(headers: Mapping[str, str]) -> tuple[str, bytes]:
    """Give the subtype and the boundary of a body."""
    value = headers.get("Content-Type", "")
    media, parameters = parse_content_type(value)
    kind, _, subtype = media.partition("/")
    if kind != "multipart":
        raise NotMultipart("multipart/* content type expected")
    boundary = parameters.get("boundary")
    if boundary is None:
        raise MalformedMultipart(f"boundary missed for Content-Type: {value:.200}")
    return subtype, boundary.encode("utf-8", "surrogateescape")


async def _read_charset(part: BodyPartReader) -> str:
    data = await part.read_chunk(_MAX_CHARSET_SIZE + 1)
    charset = data.decode("ascii", "replace").strip()
    if len(data) > _MAX_CHARSET_SIZE or not charset.isascii():
        raise UnknownCoding("Invalid default charset")
    return charset
