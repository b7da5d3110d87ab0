"""The codings that bodies of parts come in: Content-Transfer-Encoding and Content-Encoding."""

import binascii
import string
import zlib
from collections.abc import Callable, Iterator

from .part_stream import MalformedMultipart

__all__ = [
    "TRANSFER_DECODERS",
    "UnknownCoding",
    "align_base64",
    "decode_transfer",
    "inflate",
    "is_inflatable",
]

# Content-Transfer-Encoding (RFC 2045 section 6): deprecated for forms, read all the same.
TRANSFER_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": binascii.a2b_base64,
    "quoted-printable": binascii.a2b_qp,
}
_TRANSFER_IDENTITIES = frozenset({"7bit", "8bit", "binary"})
_BASE64_DIGITS = (string.ascii_letters + string.digits + "+/=").encode()
_NO_BASE64_DIGITS = bytes({*range(256)} - {*_BASE64_DIGITS})
# A member of gzip leaves what is behind it as a copy: whole bodies of tiny members would make
# quadratic work.
_BLOCK_SIZE = 2**14


class UnknownCoding(MalformedMultipart, RuntimeError):
    """A part comes in a coding that is not known; a RuntimeError in aiohttp."""


def decode_transfer(coding: str, data: bytes) -> bytes:
    """Decode data of a Content-Transfer-Encoding.

    Raises:
        UnknownCoding: there is no such.
        MalformedMultipart: the data is not of it.
    """
    name = coding.strip(" \t").lower()
    if name in _TRANSFER_IDENTITIES:
        return data
    decoder = TRANSFER_DECODERS.get(name)
    if decoder is None:
        raise UnknownCoding(f"unknown content transfer encoding: {name:.100}")
    try:
        return decoder(data)
    except binascii.Error as exc:
        raise MalformedMultipart(str(exc)) from exc


def align_base64(data: bytes) -> tuple[bytes, bytes]:
    """Split base64 where a group of four digits ends, behind what is between groups.

    Returns:
        what can be decoded for itself, and the digits of the group that is incomplete.
    """
    over = sum(map(data.count, _BASE64_DIGITS)) % 4
    position = len(data)
    while over:
        position -= 1
        over -= data[position] in _BASE64_DIGITS
    return data[:position], data[position:].translate(None, _NO_BASE64_DIGITS)


def is_inflatable(coding: str) -> bool:
    """Tell whether a Content-Encoding changes the data.

    Raises:
        UnknownCoding: there is no such.
    """
    if coding == "identity":
        return False
    if coding not in ("gzip", "deflate"):
        raise UnknownCoding(f"unknown content encoding: {coding:.100}")
    return True


def inflate(coding: str, data: bytes, piece_size: int) -> Iterator[bytes]:
    """Decode gzip, of one or more members, or deflate, with or without the frame of zlib.

    Args:
        coding: ``gzip`` or ``deflate``.
        data: all of it.
        piece_size: most bytes of each piece that is given.

    Raises:
        MalformedMultipart: the data is not of the coding, or incomplete.
    """
    inflater = None
    blocks = (data[at : at + _BLOCK_SIZE] for at in range(0, len(data), _BLOCK_SIZE))
    for block in blocks:
        while block:
            if inflater is None:
                inflater = zlib.decompressobj(_choose_window(coding, block))
            yield from _inflate_block(inflater, block, piece_size)
            block = inflater.unused_data
            if inflater.eof:
                inflater = None
    if inflater is not None:
        raise MalformedMultipart(f"{coding} data ended early")


def _choose_window(coding: str, data: bytes) -> int:
    """Give the window bits, by which zlib knows the formats."""
    if coding == "gzip":
        return 16 + zlib.MAX_WBITS
    # Deflate is the format of zlib (RFC 9110 section 8.4.1.2), whose first byte has an 8 in its
    # low half; some, aiohttp too, send it without that frame.
    return zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS


def _inflate_block(inflater: "zlib._Decompress", block: bytes, piece_size: int) -> Iterator[bytes]:
    """Give what one block of a member inflates to."""
    full = True  # a full piece may leave something within zlib without input that waits
    while (block or full) and not inflater.eof:
        try:
            piece = inflater.decompress(block, piece_size)
        except zlib.error as exc:
            raise MalformedMultipart(str(exc)) from exc
        if piece:
            yield piece
        block = inflater.unconsumed_tail
        full = len(piece) == piece_size
