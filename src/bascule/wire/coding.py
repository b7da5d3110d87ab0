"""Content codings: which to choose, and the machines that encode."""

import zlib
from collections.abc import Iterable
from enum import Enum
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Protocol

from .fields import parse_codings

__all__ = [
    "CODINGS",
    "ContentCoding",
    "Encoder",
    "brotli",
    "choose_coding",
    "is_installed",
    "make_encoder",
    "negotiate_coding",
    "refused_codings",
    "zstd",
]


def _import_first(*names: str) -> ModuleType | None:
    """Import the first of some optional modules that is there."""
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


brotli = _import_first("brotli")
# In the standard library from Python 3.14 on, unless it was built without; before that the
# backport, which is what aiohttp takes too.
zstd = _import_first("compression.zstd", "backports.zstd")


class ContentCoding(Enum):
    """The codings that responses may have.

    Values are the names of RFC 9110 section 8.4.1; ``deflate`` is the zlib format of RFC 1950.
    ``br`` and ``zstd`` need their libraries.
    """

    deflate = "deflate"
    gzip = "gzip"
    identity = "identity"
    br = "br"
    zstd = "zstd"


# Window bits, by which zlib knows the formats.
CODINGS = {"deflate": zlib.MAX_WBITS, "gzip": 16 + zlib.MAX_WBITS}


# The fastest quality of br that beats gzip in size and in time; that of the library, 11, is for
# files that are compressed once and for all.
_BROTLI_QUALITY = 4
# Bits of the window of br and zstd: 512 KiB. Each stream that is open has one; the libraries would
# take up to 8 times as much. RFC 9659 lets zstd have no more than 23.
_WINDOW_BITS = 19


class Encoder(Protocol):
    """Encodes one body."""

    def compress(self, data: bytes | bytearray | memoryview, /) -> bytes:
        """Take a piece; give what is ready."""

    def sync(self) -> bytes:
        """Give what a decoder needs to make all that was taken so far."""

    def flush(self) -> bytes:
        """Give the rest."""


def is_installed(coding: ContentCoding) -> bool:
    """Say whether bodies can be encoded in a coding."""
    return {ContentCoding.br: brotli, ContentCoding.zstd: zstd}.get(coding, zlib) is not None


def make_encoder(coding: str, *, strategy: int | None = None, level: int = -1) -> Encoder:
    """Make the machine of a coding.

    Args:
        coding: ``deflate``, ``gzip``, ``br`` or ``zstd``.
        strategy: of zlib; its default when None.
        level: of zlib.

    Raises:
        ValueError: an unknown coding, or one whose library is not installed.
    """
    if coding == "br" and brotli is not None:
        return _BrotliEncoder(brotli)
    if coding == "zstd" and zstd is not None:
        return _ZstdEncoder(zstd)
    window_bits = CODINGS.get(coding)
    if window_bits is None:
        raise ValueError(f"Unknown content coding {coding!r:.100}, or its library is not installed")
    return _ZlibEncoder(level, window_bits, strategy or zlib.Z_DEFAULT_STRATEGY)


class _ZlibEncoder:
    """gzip and deflate."""

    __slots__ = ("compress", "flush", "sync")

    def __init__(self, level: int, window_bits: int, strategy: int) -> None:
        machine = zlib.compressobj(level, zlib.DEFLATED, window_bits, zlib.DEF_MEM_LEVEL, strategy)
        self.compress = machine.compress
        self.flush = machine.flush
        self.sync = partial(machine.flush, zlib.Z_SYNC_FLUSH)


class _BrotliEncoder:
    """br."""

    __slots__ = ("compress", "flush", "sync")

    def __init__(self, library: ModuleType) -> None:
        machine = library.Compressor(quality=_BROTLI_QUALITY, lgwin=_WINDOW_BITS)
        self.compress = machine.process
        self.flush = machine.finish
        self.sync = machine.flush


class _ZstdEncoder:
    """zstd, in one frame."""

    __slots__ = ("compress", "flush", "sync")

    def __init__(self, library: ModuleType) -> None:
        options = {library.CompressionParameter.window_log: _WINDOW_BITS}
        machine = library.ZstdCompressor(options=options)
        self.compress = machine.compress
        self.flush = machine.flush
        self.sync = partial(machine.flush, machine.FLUSH_BLOCK)


def negotiate_coding(
    accepted: str | None, offered: Iterable[ContentCoding]
) -> ContentCoding | None:
    """Choose the coding that a client likes best; None for none.

    Of those with the same weight the first that is offered is chosen; ``*`` stands for all that
    are not named, and no coding at all is chosen only where nothing weighs more (RFC 9110 section
    12.5.3).

    Args:
        accepted: value of Accept-Encoding; None where there is none.
        offered: in the order in which they are preferred.
    """
    weights = parse_codings(accepted)
    best, most = None, weights.get("identity", 0.0)
    for coding in offered:
        weight = weights.get(coding.value, weights.get("*", 0.0))
        if weight > most or (best is None and weight == most > 0):
            best, most = coding, weight
    return best


def choose_coding(accepted: str | None, offered: Iterable[ContentCoding]) -> ContentCoding | None:
    """Choose the first coding that a client accepts.

    Like aiohttp it looks for names anywhere in the field, in any case; but a coding that the field
    refuses by ``q=0`` is never chosen (RFC 9110 section 12.4.2).

    Args:
        accepted: value of Accept-Encoding; None where there is none.
        offered: in the order in which they are preferred.
    """
    if not accepted:
        return None
    accepted = accepted.lower()
    refused = refused_codings(accepted)
    for coding in offered:
        if coding.value in accepted and coding.value not in refused:
            return coding
    return None


def refused_codings(accepted: str) -> set[str]:
    """Give the codings that an Accept-Encoding refuses by a weight of nought."""
    refused = set()
    for element in accepted.split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        for parameter in parameters:
            key, _, weight = parameter.partition("=")
            if key.strip() == "q" and _is_nought(weight.strip()):
                refused.add(name)
    return refused


def _is_nought(weight: str) -> bool:
    """Whether it is ``0`` with up to three decimals that are 0."""
    whole, _, decimals = weight.partition(".")
    return whole == "0" and not decimals.strip("0") and len(decimals) <= 3
