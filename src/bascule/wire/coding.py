"""Content codings: which to choose, and the machines that encode."""

import zlib
from collections.abc import Iterable
from enum import Enum
from typing import Protocol

__all__ = [
    "CODINGS",
    "ContentCoding",
    "Encoder",
    "choose_coding",
    "make_encoder",
    "refused_codings",
]


class ContentCoding(Enum):
    """The codings that responses choose from, in the order in which they are preferred.

    Values are the names of RFC 9110 section 8.4.1; ``deflate`` is the zlib format of RFC 1950.
    """

    deflate = "deflate"
    gzip = "gzip"
    identity = "identity"


# Window bits, by which zlib knows the formats.
CODINGS = {"deflate": zlib.MAX_WBITS, "gzip": 16 + zlib.MAX_WBITS}


class Encoder(Protocol):
    """Encodes one body."""

    def compress(self, data: bytes | bytearray | memoryview, /) -> bytes:
        """Take a piece; give what is ready."""

    def flush(self) -> bytes:
        """Give the rest."""


def make_encoder(coding: str, *, strategy: int | None = None, level: int = -1) -> Encoder:
    """Make the machine of a coding.

    Args:
        coding: ``deflate`` or ``gzip``.
        strategy: of zlib; its default when None.
        level: of zlib.

    Raises:
        ValueError: an unknown coding.
    """
    window_bits = CODINGS.get(coding)
    if window_bits is None:
        raise ValueError(f"Unknown content coding {coding!r:.100}, expected one of {[*CODINGS]}")
    if strategy is None:
        strategy = zlib.Z_DEFAULT_STRATEGY
    return zlib.compressobj(level, zlib.DEFLATED, window_bits, zlib.DEF_MEM_LEVEL, strategy)


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
