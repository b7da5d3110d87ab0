"""One part of a multipart body, as handlers read it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any, Self, TypeVar
from urllib.parse import parse_qsl

from multidict import CIMultiDictProxy

from ..wire import hdrs
from ..wire.disposition import parse_content_disposition
from ..wire.fields import find_charset, parse_content_type
from .malformed import blame_peer
from .part_codings import align_base64, decode_transfer, inflate, is_inflatable
from .part_stream import MalformedMultipart, OversizeMultipart, PartStream, Readable

__all__ = ["BodyPartReader"]

# The high-water mark of `StreamReader`, which bounds its lines, too.
_MAX_LINE_SIZE = 2**17

_Data = TypeVar("_Data", bytes, bytearray, memoryview)


class BodyPartReader:
    """One part of a multipart body; it is at its end when the next part is asked for.

    Names and behaviour are those of ``aiohttp.BodyPartReader``. All ways of reading go on where
    the last one ended, and cancelling one loses nothing.

    Args:
        boundary: with the two dashes in front of it.
        headers: fields of the part.
        content: what `MultipartReader` gives; or a stream at the first byte of the part.
        subtype: of the multipart body. Parts of ``form-data`` have neither a Content-Encoding nor
            a Content-Length that counts (RFC 7578 section 4.8).
        default_charset: of parts that name none.
        max_decompress_size: most bytes that `decode` inflates to, and that `decode_iter` gives at
            once.
        client_max_size: most bytes that `read`, `text`, `json` and `form` give, and take.
        max_size_error_cls: is raised beyond that, with the limit as its argument.

    Raises:
        MalformedMultipart: the part declares a length that is none.
    """

    chunk_size = 8192

    def __init__(
        self,
        boundary: bytes,
        headers: CIMultiDictProxy[str],
        content: Readable,
        *,
        subtype: str = "mixed",
        default_charset: str | None = None,
        max_decompress_size: int = 262144,
        client_max_size: int = sys.maxsize,
        max_size_error_cls: type[Exception] = ValueError,
    ) -> None:
        self.headers = headers
        if isinstance(content, PartStream):
            self._content = content
        else:
            self._content = PartStream.behind_head(content, boundary.removeprefix(b"--"))
        self._is_form_data = subtype == "form-data"
        self._default_charset = default_charset
        self._max_decompress_size = max_decompress_size
        self._client_max_size = client_max_size
        self._max_size_error_cls = max_size_error_cls
        self._disposition: dict[str, str] | None = None
        if not self._is_form_data and (length := headers.get(hdrs.CONTENT_LENGTH)) is not None:
            self._content.declare(_parse_length(length))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes | bytearray:
        part = await self.next()
        if part is None:
            raise StopAsyncIteration
        return part

    # -- the head

    @property
    def name(self) -> str | None:
        """The name of the field, of Content-Disposition."""
        return self._parse_disposition().get("name")

    @property
    def filename(self) -> str | None:
        """The name of the file, as the client sent it: not to be trusted as a path."""
        return self._parse_disposition().get("filename")

    def _parse_disposition(self) -> dict[str, str]:
        if self._disposition is None:
            value = self.headers.get(hdrs.CONTENT_DISPOSITION, "")
            _, self._disposition = parse_content_disposition(value)
        return self._disposition

    def get_charset(self, default: str) -> str:
        """Give the charset of the part, of its body or, where neither names one, the default."""
        _, parameters = parse_content_type(self.headers.get(hdrs.CONTENT_TYPE))
        return parameters.get("charset", self._default_charset or default)

    # -- the body

    def at_eof(self) -> bool:
        """Whether the part was read to its end.

        At the border of a chunk that may turn out later: the last chunk is empty then.
        """
        return self._content.at_eof

    async def next(self) -> bytes | bytearray | None:
        """Read what is left of the part; None when nothing is."""
        return await self.read() or None

    async def read(self, *, decode: bool = False) -> bytes | bytearray:
        """Read what is left of the part.

        Args:
            decode: by the codings of the part, see `decode`.

        Raises:
            MalformedMultipart: the body ends within the part, or the part is not of its codings.
        """
        if self.at_eof():
            return b""
        data = bytearray()
        try:
            while piece := await self._content.read():
                data += piece
                self._check_size(data)
        except asyncio.CancelledError:
            self._content.put_back(bytes(data))
            raise
        return await self._decode_within_limit(data) if decode else data

    async def _decode_within_limit(self, data: bytearray) -> bytearray:
        decoded = bytearray()
        async for piece in self.decode_iter(data):
            decoded += piece
            self._check_size(decoded)
        return decoded

    def _check_size(self, data: bytearray) -> None:
        if len(data) > self._client_max_size:
            raise self._max_size_error_cls(self._client_max_size)

    async def read_chunk(self, size: int = chunk_size) -> bytes:
        """Read `size` bytes, fewer at the end of the part, ``b""`` behind it.

        Chunks of a part in base64 can be decoded one by one: they end with a group of four digits,
        and are so up to three bytes shorter or, when the group needs them, longer.

        Raises:
            ValueError: `size` is not positive.
            MalformedMultipart: the body ends within the part.
        """
        if size < 1:
            raise ValueError(f"Chunk size must be at least 1, got {size}")
        chunk = await self._read_up_to(size)
        if self.headers.get(hdrs.CONTENT_TRANSFER_ENCODING, "").lower() != "base64":
            return chunk
        while not self.at_eof():
            aligned, rest = align_base64(chunk)
            if aligned:
                self._content.put_back(rest)
                return aligned
            try:
                chunk = rest + await self._read_up_to(size)
            except asyncio.CancelledError:
                self._content.put_back(rest)
                raise
        return chunk

    async def _read_up_to(self, size: int) -> bytes:
        first = await self._content.read(size)
        missing = size - len(first)
        if not missing or not first:
            return first  # uncopied
        pieces = [first]
        try:
            while missing and await self._content.fill():
                pieces.append(self._content.take(missing))
                missing -= len(pieces[-1])
        except asyncio.CancelledError:
            self._content.put_back(b"".join(pieces))
            raise
        return b"".join(pieces)

    async def readline(self) -> bytes:
        r"""Read up to and with the next ``\n``, or what is left of the part.

        Raises:
            OversizeMultipart: the line is longer than 128 KiB.
            MalformedMultipart: the body ends within the part.
        """
        line = bytearray()
        try:
            while await self._content.fill():
                size = self._content.count_to(b"\n")
                line += self._content.take(size or self.chunk_size)
                if len(line) > _MAX_LINE_SIZE:
                    message = f"line longer than {_MAX_LINE_SIZE} bytes: {bytes(line[:100])!r}"
                    raise OversizeMultipart(message, _MAX_LINE_SIZE)
                if size:
                    break
        except asyncio.CancelledError:
            self._content.put_back(bytes(line))
            raise
        return bytes(line)

    async def release(self) -> None:
        """Read what is left of the part and throw it away."""
        await self._content.skip()

    async def text(self, *, encoding: str | None = None) -> str:
        """Read and decode what is left of the part as text, of its charset or UTF-8.

        A handler that lets these errors pass has the request answered 400.

        Raises:
            LookupError: the charset is not one of text.
            UnicodeDecodeError: the part is not of that charset.
        """
        data = await self.read(decode=True)
        try:
            return data.decode(find_charset(encoding or self.get_charset("utf-8")))
        except (LookupError, UnicodeError) as exc:
            blame_peer(exc)
            raise

    async def json(self, *, encoding: str | None = None) -> Any:  # Any: whatever JSON holds
        """Read and decode what is left of the part as JSON; None when nothing is.

        A handler that lets these errors pass has the request answered 400.

        Raises:
            json.JSONDecodeError: it is none.
            RecursionError: it is nested too deeply.
            LookupError: as of `text`.
            UnicodeDecodeError: as of `text`.
        """
        text = await self.text(encoding=encoding)
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError) as exc:
            blame_peer(exc)
            raise

    async def form(self, *, encoding: str | None = None) -> list[tuple[str, str]]:
        """Read and decode what is left of the part as an urlencoded form.

        Raises:
            LookupError: the charset is not one of text.
            MalformedMultipart: the part is not of its charset.
        """
        data = await self.read(decode=True)
        charset = encoding or self.get_charset("utf-8")
        try:
            text = data.decode(find_charset(charset))
        except UnicodeDecodeError as exc:
            raise MalformedMultipart(f"data cannot be decoded with {charset} encoding") from exc
        except LookupError as exc:
            blame_peer(exc)
            raise
        return parse_qsl(text.rstrip(), keep_blank_values=True, encoding=find_charset(charset))

    # -- codings

    def decode(self, data: _Data) -> _Data | bytes:
        """Decode data of the part, all of it, by Content-Transfer-Encoding and Content-Encoding.

        Raises:
            UnknownCoding: the part has one that is not known.
            MalformedMultipart: the data is not of it.
            Exception: `max_size_error_cls`, when it inflates to more than `max_decompress_size`.
        """
        transferred = self._decode_transfer(data)
        coding = self._find_inflatable()
        if coding is None:
            return transferred
        limit = self._max_decompress_size
        inflated = bytearray()
        for piece in inflate(coding, bytes(transferred), limit):
            inflated += piece
            if len(inflated) > limit:
                raise self._max_size_error_cls(limit)
        return bytes(inflated)

    async def decode_iter(self, data: _Data) -> AsyncIterator[_Data | bytes]:
        """Decode data of the part, all of it, in pieces of `max_decompress_size` bytes at most.

        The event loop runs on between the pieces.

        Raises:
            UnknownCoding: the part has a coding that is not known.
            MalformedMultipart: the data is not of it.
        """
        transferred = self._decode_transfer(data)
        coding = self._find_inflatable()
        if coding is None:
            yield transferred
            return
        for piece in inflate(coding, bytes(transferred), self._max_decompress_size):
            yield piece
            await asyncio.sleep(0)

    def _decode_transfer(self, data: _Data) -> _Data | bytes:
        coding = self.headers.get(hdrs.CONTENT_TRANSFER_ENCODING)
        return data if coding is None else decode_transfer(coding, bytes(data))

    def _find_inflatable(self) -> str | None:
        coding = self.headers.get(hdrs.CONTENT_ENCODING)
        if coding is None or self._is_form_data:
            return None
        coding = coding.lower()
        return coding if is_inflatable(coding) else None


def _parse_length(value: str) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > 18:
        raise MalformedMultipart(f"invalid Content-Length: {value!r:.100}")
    return int(value)
