"""Payloads of what comes piece by piece: async iterables, bodies of requests, parts of those."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Protocol, runtime_checkable

from multidict import CIMultiDictProxy

from ..streams import StreamReader
from ..wire import hdrs
from .part_heads import dump_content_disposition
from .payload import Order, Payload, PayloadWriter, payload_type

__all__ = ["AsyncIterablePayload", "BodyPartReaderPayload", "Part", "StreamReaderPayload"]

_CHUNK_SIZE = 2**16


@payload_type(AsyncIterable, order=Order.try_last)
class AsyncIterablePayload(Payload):
    """The pieces that an async iterable gives, such as an async generator.

    They are written once, unless `as_bytes` has kept them.

    Args:
        value: gives bytes; a reader, of aiohttp too, is read by its ``iter_any``, not by lines.
        args: of `Payload`.
        kwargs: of `Payload`.

    Raises:
        TypeError: it is no async iterable.
    """

    _autoclose = True

    def __init__(self, value: AsyncIterable[bytes], *args: Any, **kwargs: Any) -> None:
        if not isinstance(value, AsyncIterable):
            raise TypeError(
                "value argument must support collections.abc.AsyncIterable interface, "
                f"got {type(value)!r}"
            )
        kwargs.setdefault("content_type", "application/octet-stream")
        super().__init__(value, *args, **kwargs)
        iter_any = getattr(value, "iter_any", None)
        self._iterator: AsyncIterator[bytes] = aiter(value if iter_any is None else iter_any())
        self._cached: bytes | None = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Give what `as_bytes` has kept as text.

        Raises:
            TypeError: it has kept nothing.
        """
        if self._cached is None:
            raise TypeError("Unable to decode - content not cached. Call as_bytes() first.")
        return self._cached.decode(encoding, errors)

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Take all pieces, keep them, and give them."""
        if self._cached is None:
            self._cached = b"".join([piece async for piece in self._iterator])
        return self._cached

    async def write(self, writer: PayloadWriter) -> None:
        """Write the pieces."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: PayloadWriter, content_length: int | None) -> None:
        """Write the pieces, or the first bytes of them."""
        if self._cached is not None:
            await writer.write(self._cached[:content_length])
            return
        self._consumed = True
        left = content_length
        while left != 0:
            try:
                piece = await anext(self._iterator)
            except StopAsyncIteration:
                break
            if left is not None:
                piece = piece[:left]
                left -= len(piece)
            await writer.write(piece)

    async def close(self) -> None:
        """Close a generator, which runs what it has to run at its end."""
        aclose = getattr(self._iterator, "aclose", None)
        if aclose is not None:
            await aclose()


@payload_type(StreamReader)
class StreamReaderPayload(AsyncIterablePayload):
    """The body of a request, as it comes."""


@runtime_checkable
class Part(Protocol):
    """A part of a multipart body that is being read, of ours or of aiohttp's."""

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The fields of its head."""

    @property
    def name(self) -> str | None:
        """The name of the field."""

    @property
    def filename(self) -> str | None:
        """The name of the file."""

    async def read(self, *, decode: bool = False) -> bytes | bytearray:
        """Read all that is left."""

    async def read_chunk(self, size: int = ...) -> bytes:
        """Read a piece, which can be decoded for itself if it is in base64."""

    def decode(self, data: bytes) -> bytes:
        """Take off the codings."""


@payload_type(Part)
class BodyPartReaderPayload(Payload):
    """What is left of a part of a multipart body, decoded, as it comes.

    Its name and file name are told by a Content-Disposition of the type ``attachment``.

    Args:
        value: the part.
        args: of `Payload`.
        kwargs: of `Payload`.
    """

    _autoclose = True

    def __init__(self, value: Part, *args: Any, **kwargs: Any) -> None:
        super().__init__(value, *args, **kwargs)
        names = {"name": value.name, "filename": value.filename}
        parameters = {key: name for key, name in names.items() if name is not None}
        if parameters:
            disposition = dump_content_disposition("attachment", parameters)
            self._headers[hdrs.CONTENT_DISPOSITION] = disposition

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Refuse: a part is a stream.

        Raises:
            TypeError: always.
        """
        raise TypeError("Unable to decode - a body part is a stream, which is written only")

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Refuse: a part is a stream.

        Raises:
            TypeError: always.
        """
        raise TypeError("Unable to read a body part as bytes - it is a stream, written only")

    async def write(self, writer: PayloadWriter) -> None:
        """Write what is left of the part; one in a coding that has no borders is read whole."""
        part: Part = self._value
        self._consumed = True
        transfer = part.headers.get(hdrs.CONTENT_TRANSFER_ENCODING, "").lower()
        if hdrs.CONTENT_ENCODING in part.headers or transfer == "quoted-printable":
            await writer.write(await part.read(decode=True))
            return
        while chunk := await part.read_chunk(_CHUNK_SIZE):
            await writer.write(part.decode(chunk))
