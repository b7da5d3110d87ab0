"""The codings that bodies of parts come in: Content-Transfer-Encoding and Content-Encoding."""

import binascii
import string
import zlib
from collections.abc import Callable, Iterator

from .part_stream import MalformedMultipart

__all__ = [
    "TransferDecoder",
    "UnknownCoding",
    "align_base64",
    "decode_transfer",
    "find_transfer_coding",
    "inflate",
    "is_inflatable",
]

# Content-Transfer-Encoding (RFC 2045 section 6): deprecated for forms, read all the same.
_TRANSFER_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": binascii.a2b_base64,
    "quoted-printable": binascii.a2b_qp,
}
_TRANSFER_IDENTITIES = frozenset({"7bit", "8bit", "binary"})
_BASE64_DIGITS = (string.ascii_letters + string.digits + "+/=").encode()
_NO_BASE64_DIGITS = bytes({*range(256)} - {*_BASE64_DIGITS})
# More of quoted-printable than this does not wait for the end of its line.
_MAX_LINE_SIZE = 2**16
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
    name = find_transfer_coding(coding)
    if name is None:
        return data
    try:
        return _TRANSFER_DECODERS[name](data)
    except binascii.Error as exc:
        raise MalformedMultipart(str(exc)) from exc


def find_transfer_coding(coding: str) -> str | None:
    """Give the name of a Content-Transfer-Encoding; None for one that changes nothing.

    Raises:
        UnknownCoding: there is no such.
    """
    name = coding.strip(" \t").lower()
    if name in _TRANSFER_IDENTITIES:
        return None
    if name not in _TRANSFER_DECODERS:
        raise UnknownCoding(f"unknown content transfer encoding: {name:.100}")
    return name


class TransferDecoder:
    """Decodes data of a Content-Transfer-Encoding as it comes.

    Args:
        name: of `find_transfer_coding`.
    """

    __slots__ = ("_name", "_rest")

    def __init__(self, name: str) -> None:
        self._name = name
        self._rest = b""

    def decode(self, data: bytes) -> bytes:
        """Decode what is complete of the data so far; a few bytes of it, or a line, may wait.

        Raises:
            MalformedMultipart: the data is not of the coding.
        """
        data = self._rest + data
        if self._name == "base64":
            whole, self._rest = align_base64(data)
        else:
            stop = _find_stop(data)
            whole, self._rest = data[:stop], data[stop:]
        return decode_transfer(self._name, whole)

    def finish(self) -> bytes:
        """Decode what waits.

        Raises:
            MalformedMultipart: the data ended within a group of digits.
        """
        return decode_transfer(self._name, self._rest)


def _find_stop(data: bytes) -> int:
    """Find where quoted-printable can be cut: behind a line, in long ones where no escape is."""
    stop = data.rfind(b"\n") + 1
    if stop or len(data) <= _MAX_LINE_SIZE:
        return stop
    escape = data.rfind(b"=", len(data) - 2)
    return len(data) if escape < 0 else escape


def align_base64(data: bytes) -> tuple[bytes, bytes]:
    """Split base64 where a group of four digits ends, behind what is between groups.

    Returns:
        what can be decoded for itself, and the digits of the group that is incomplete.
    """
    over = len(data.translate(None, _NO_BASE64_DIGITS)) % 4
    whole = data
    for _ in range(over):
        whole = whole.rstrip(_NO_BASE64_DIGITS)[:-1]
    return whole, data[len(whole) :].translate(None, _NO_BASE64_DIGITS)


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
