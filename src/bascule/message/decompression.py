"""Request bodies that come compressed, decoded while they are read."""

import weakref
import zlib
from collections.abc import Awaitable
from typing import Any, Protocol

from ..streams import RequestPayloadError, StreamReader
from ..wire.coding import CODINGS

try:
    # An extra; older ones cannot bound what they make.
    import brotli  # type: ignore[import-not-found,import-untyped,unused-ignore]
except ImportError:
    brotli = None
else:
    if not hasattr(brotli.Decompressor, "can_accept_more_data"):
        brotli = None

__all__ = ["DecodedReader", "decode_body"]

# Bytes that are made of a body before somebody has read them: a body may grow a thousandfold.
_STEP = 256 * 1024


# Members of gzip in a row that hold nothing; each costs more than it is long.
_MAX_EMPTIES = 100


class _Decoder(Protocol):
    """Decodes one body."""

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""

    def take(self) -> bytes:
        """Give decoded bytes, `_STEP` of them at most; none when more are needed."""

    @property
    def is_complete(self) -> bool:
        """Whether the body may end here."""


def decode_body(raw: StreamReader, coding: str) -> StreamReader:
    """Give a reader of the decoded body; that of the raw one for a coding that is not known.

    Args:
        raw: the body as it comes.
        coding: value of Content-Encoding; several codings at once are left alone, as in aiohttp.
    """
    coding = coding.strip().lower()
    if coding in CODINGS:
        return DecodedReader(raw, coding, _Inflater(coding))
    if coding == "br":
        return DecodedReader(raw, coding, None if brotli is None else _Brotli())
    return raw


class DecodedReader(StreamReader):
    """The decoded bytes of a body.

    What is broken, cut short or followed by other bytes is an error of the reader, so that no
    part of a body is taken for the whole.

    Args:
        raw: the body as it comes; it is read on demand.
        coding: its name, for errors.
        decoder: None where the library is not installed.
    """

    __slots__ = ("__weakref__", "_raw")

    def __init__(self, raw: StreamReader, coding: str, decoder: _Decoder | None) -> None:
        source = _Decoding(raw, coding, decoder)
        super().__init__(_STEP, source=source)
        source.reader = weakref.proxy(self)  # no cycle: bodies are many
        self._raw = raw

    @property
    def total_compressed_bytes(self) -> int | None:
        """Bytes that have come, before they were decoded."""
        return self._raw.total_bytes

    @property
    def total_raw_bytes(self) -> int:
        """Bytes that have come, before they were decoded."""
        return self._raw.total_bytes


class _Decoding:
    """The source of a decoded body."""

    reader: DecodedReader

    def __init__(self, raw: StreamReader, coding: str, decoder: _Decoder | None) -> None:
        self._raw = raw
        self._coding = coding
        self._decoder = decoder

    def starved(self) -> Awaitable[None]:
        """Decode more."""
        return self._decode_more()

    def drained(self) -> None:
        """Nothing to do: more is decoded when it is wanted."""

    async def _decode_more(self) -> None:
        if self._decoder is None:
            raise RequestPayloadError(f"Can not decode content-encoding: {self._coding}")
        try:
            data = self._decoder.take()
            while not data:
                piece = await self._raw.readany()
                if not piece:
                    if self._raw.total_bytes and not self._decoder.is_complete:
                        raise ValueError("the body ends inside its coding")
                    self.reader.feed_eof()
                    return
                self._decoder.feed(piece)
                data = self._decoder.take()
        except (ValueError, zlib.error, _BROTLI_ERROR) as exc:
            error = RequestPayloadError(f"Can not decode content-encoding: {self._coding}")
            self.reader.set_exception(error, exc)
            raise error from exc
        self.reader.feed_data(data)


class _Inflater:
    """gzip, whose members may follow each other, and deflate, with the head of zlib or without."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._bits = CODINGS[coding]
        self._waiting = b""
        self._stream: Any = None  # Any: typeshed keeps the class private
        # The last step made all it was allowed to: the stream may hold more.
        self._is_full = False
        self._empties = 0

    def feed(self, data: bytes) -> None:
        """Take bytes."""
        self._waiting += data

    def take(self) -> bytes:
        """Give decoded bytes.

        Raises:
            zlib.error: they are not of this coding.
            ValueError: bytes behind the end.
        """
        while self._waiting or self._is_full:
            if self._stream is None and not self._begin():
                return b""
            made: bytes = self._stream.decompress(self._waiting, _STEP)
            self._waiting = self._stream.unconsumed_tail
            self._is_full = len(made) >= _STEP and not self._stream.eof
            if self._stream.eof:
                self._waiting = self._stream.unused_data
                if self._coding == "gzip" and self._waiting:
                    self._stream = None
                    self._empties = 0 if made else self._empties + 1
                    if self._empties > _MAX_EMPTIES:
                        raise ValueError("too many empty members")
                elif self._waiting:
                    raise ValueError("bytes behind the end")
            if made:
                return made
        return b""

    def _begin(self) -> bool:
        """Begin a stream; senders disagree about what deflate means, two bytes tell."""
        bits = self._bits
        if self._coding == "deflate":
            if len(self._waiting) < 2:
                return False
            first, second = self._waiting[0], self._waiting[1]
            if first & 0x0F != 8 or (first << 8 | second) % 31:
                bits = -zlib.MAX_WBITS
        self._stream = zlib.decompressobj(bits)
        return True

    @property
    def is_complete(self) -> bool:
        """Whether the last stream has ended."""
        return self._stream is not None and self._stream.eof and not self._waiting


class _Brotli:
    """br."""

    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self._waiting = b""

    def feed(self, data: bytes) -> None:
        """Take bytes."""
        self._waiting += data

    def take(self) -> bytes:
        """Give decoded bytes."""
        data, self._waiting = self._waiting, b""
        if not data and self._stream.can_accept_more_data():
            return b""
        made: bytes = self._stream.process(data, output_buffer_limit=_STEP)
        return made

    @property
    def is_complete(self) -> bool:
        """Whether the stream has ended."""
        return bool(self._stream.is_finished())


_BROTLI_ERROR: type[Exception] = ValueError if brotli is None else brotli.error
