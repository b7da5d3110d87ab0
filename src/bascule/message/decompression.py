"""Request bodies that come compressed, decoded while they are read."""

import asyncio
import weakref
import zlib
from collections.abc import Awaitable
from typing import Any, Protocol

from ..streams import RequestPayloadError, StreamReader
from ..wire.coding import CODINGS, brotli, zstd
from .exceptions import HTTPRequestEntityTooLarge

__all__ = ["MAX_INFLATION", "DecodedReader", "check_inflation", "decode_body"]

# What a body may grow to where nothing else bounds it. Text in gzip has grown tenfold, seldom more
# than twentyfold; gzip can make a thousand bytes of one, zstd and br many more.
MAX_INFLATION = 100
# Bytes that may be made whatever they came as: as many as a body may have that is read at once.
_FREE_SIZE = 2**20

# Bytes that are made of a body before somebody has read them: a body may grow a thousandfold.
_STEP = 256 * 1024
# Bytes that are decoded at once: a member or a frame leaves what is behind it as a copy, so that
# whole pieces of tiny members would make quadratic work.
_BLOCK_SIZE = 2**14
# Bytes that are made without a turn for others, some 10 ms by the slowest coding.
_MAX_STREAK = 1024 * 1024
# Members of gzip in a row that hold nothing; each costs more than it is long.
_MAX_EMPTIES = 100
# Frames of zstd that a body may have, and one more for so many bytes that they hold: each takes a
# decoder of its own, some 30 us.
_FREE_FRAMES = 100
_BYTES_A_FRAME = 64
# Bits of the largest window of zstd, 8 MiB: what decoders of HTTP must have (RFC 9659), and what
# one body can make this take. A frame may ask for 2 GiB.
_MAX_WINDOW_BITS = 23
# Older releases of brotli cannot bound what they make.
_HAS_BROTLI = hasattr(getattr(brotli, "Decompressor", None), "can_accept_more_data")


class _Decoder(Protocol):
    """Decodes one body."""

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""

    def take(self) -> bytes:
        """Give decoded bytes, `_STEP` of them at most; none when more are needed."""

    @property
    def is_complete(self) -> bool:
        """Whether the body may end here."""


def decode_body(raw: StreamReader, coding: str, max_inflation: int = MAX_INFLATION) -> StreamReader:
    """Give a reader of the decoded body; that of the raw one for a coding that is not known.

    Args:
        raw: the body as it comes.
        coding: value of Content-Encoding; several codings at once are left alone, as in aiohttp.
        max_inflation: of `DecodedReader`.
    """
    coding = coding.strip().lower()
    if coding in CODINGS:
        return DecodedReader(raw, coding, _Inflater(coding), max_inflation)
    if coding == "br":
        return DecodedReader(raw, coding, _Brotli() if _HAS_BROTLI else None, max_inflation)
    if coding == "zstd":
        return DecodedReader(raw, coding, None if zstd is None else _Zstd(), max_inflation)
    return raw


def check_inflation(ratio: int) -> int:
    """Give it back.

    Raises:
        ValueError: it is no number from 0.
    """
    if isinstance(ratio, bool) or not isinstance(ratio, int) or ratio < 0:
        raise ValueError(f"max_inflation must be a number from 0, got {ratio!r}")
    return ratio


class DecodedReader(StreamReader):
    """The decoded bytes of a body.

    What is broken, cut short or followed by other bytes is an error of the reader, so that no
    part of a body is taken for the whole.

    Args:
        raw: the body as it comes; it is read on demand.
        coding: its name, for errors.
        decoder: None where the library is not installed.
        max_inflation: bytes that may be made for each that has come, behind the first MiB: who
            reads piece by piece counts them seldom. 0 for any number.

    Attributes:
        max_inflation: what it was made with. Who bounds in bytes what is read sets it to 0.
    """

    __slots__ = ("__weakref__", "_raw", "max_inflation")

    def __init__(
        self,
        raw: StreamReader,
        coding: str,
        decoder: _Decoder | None,
        max_inflation: int = MAX_INFLATION,
    ) -> None:
        source = _Decoding(raw, coding, decoder)
        super().__init__(_STEP, source=source)
        source.reader = weakref.proxy(self)  # no cycle: bodies are many
        self._raw = raw
        self.max_inflation = max_inflation

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
        # Of the body as it comes what is read, and where the next block of it begins.
        self._piece = b""
        self._position = 0
        # Bytes that were made since others had their turn.
        self._streak = 0

    def starved(self) -> Awaitable[None]:
        """Decode more."""
        return self._decode_more()

    def drained(self) -> None:
        """Nothing to do: more is decoded when it is wanted."""

    async def _decode_more(self) -> None:
        if self._decoder is None:
            raise RequestPayloadError(f"Can not decode content-encoding: {self._coding}")
        if self._streak >= _MAX_STREAK:  # what has come may be read without a wait for long
            self._streak = 0
            await asyncio.sleep(0)
        try:
            data = self._decoder.take()
            while not data:
                block = await self._read_block()
                if not block:
                    if self._raw.total_bytes and not self._decoder.is_complete:
                        raise ValueError("the body ends inside its coding")
                    self.reader.feed_eof()
                    return
                self._decoder.feed(block)
                data = self._decoder.take()
        except _ERRORS as exc:
            error = RequestPayloadError(f"Can not decode content-encoding: {self._coding}")
            self.reader.set_exception(error, exc)
            raise error from exc
        self._streak += len(data)
        self._check_inflation(len(data))
        self.reader.feed_data(data)

    def _check_inflation(self, size: int) -> None:
        """Refuse a body of which so many bytes more are too many for what has come of it."""
        made, limit = self.reader.total_bytes + size, self.reader.max_inflation
        if made > _FREE_SIZE and 0 < limit * self._raw.total_bytes < made:
            text = f"Request body inflates to more than {limit} times its size."
            error = HTTPRequestEntityTooLarge(limit * self._raw.total_bytes, made, text=text)
            self.reader.set_exception(error)
            raise error

    async def _read_block(self) -> bytes:
        if self._position >= len(self._piece):
            self._piece, self._position = await self._raw.readany(), 0
        start = self._position
        self._position = start + _BLOCK_SIZE
        return self._piece[start : self._position]


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
        self._stream = brotli.Decompressor()  # type: ignore[union-attr]  # asked by who makes it
        self._waiting = b""
        # The last step made something: the stream may hold more, and does not always say so.
        self._has_made = False

    def feed(self, data: bytes) -> None:
        """Take bytes."""
        self._waiting += data

    def take(self) -> bytes:
        """Give decoded bytes."""
        data, self._waiting = self._waiting, b""
        if not (data or self._has_made):
            return b""
        made: bytes = self._stream.process(data, output_buffer_limit=_STEP)
        self._has_made = bool(made)
        return made

    @property
    def is_complete(self) -> bool:
        """Whether the stream has ended."""
        return bool(self._stream.is_finished())


class _Zstd:
    """zstd, whose frames may follow each other (RFC 8878 section 3.1)."""

    def __init__(self) -> None:
        self._stream: Any = None  # Any: of one library or the other
        self._waiting = b""
        self._frames = 0
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Take bytes."""
        self._waiting += data

    def take(self) -> bytes:
        """Give decoded bytes.

        Raises:
            ValueError: too many frames for what they hold.
        """
        while self._waiting or not (self._stream is None or self._needs_input):
            if self._stream is None or self._stream.eof:
                self._begin()
            data, self._waiting = self._waiting, b""
            made: bytes = self._stream.decompress(data, _STEP)
            self._waiting = self._stream.unused_data
            self._size += len(made)
            if made:
                return made
        return b""

    def _begin(self) -> None:
        """Begin a frame."""
        self._frames += 1
        if self._frames > _FREE_FRAMES + self._size // _BYTES_A_FRAME:
            raise ValueError("too many frames")
        assert zstd is not None  # asked by who makes this
        limit = {zstd.DecompressionParameter.window_log_max: _MAX_WINDOW_BITS}
        self._stream = zstd.ZstdDecompressor(options=limit)

    @property
    def _needs_input(self) -> bool:
        return bool(self._stream.needs_input or self._stream.eof)

    @property
    def is_complete(self) -> bool:
        """Whether the last frame has ended."""
        return self._stream is not None and bool(self._stream.eof) and not self._waiting


_ERRORS: tuple[type[Exception], ...] = (
    ValueError,
    zlib.error,
    *([] if brotli is None else [brotli.error]),
    *([] if zstd is None else [zstd.ZstdError]),
)
