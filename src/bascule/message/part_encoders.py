"""The codings that parts of a multipart body are written in."""

import binascii
import re
import zlib
from collections.abc import Callable

from .payload import PayloadWriter

__all__ = ["PartEncoder", "encode_quoted_printable", "find_coding", "find_transfer"]

# Window bits, by which zlib knows the formats. Deflate is without the frame of zlib, as aiohttp
# writes it in parts, and reads it.
_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": -zlib.MAX_WBITS}
# More than this does not wait for the end of its line.
_MAX_LINE_SIZE = 2**16
_LINE = re.compile(rb"([^\n]*?)(\r?\n|\Z)")


def find_coding(name: str | None) -> str | None:
    """Give the Content-Encoding that a part names: None for ``identity``, as aiohttp tells it.

    Raises:
        RuntimeError: it is not known.
    """
    coding = (name or "").lower()
    if coding == "identity":
        return None
    if coding and coding not in _WINDOW_BITS:
        raise RuntimeError(f"unknown content encoding: {coding:.100}")
    return coding


def find_transfer(name: str | None) -> str | None:
    """Give the Content-Transfer-Encoding that a part names: None for ``binary``.

    Raises:
        RuntimeError: it is not known.
    """
    transfer = (name or "").lower()
    if transfer == "binary":
        return None
    if transfer not in ("", "base64", "quoted-printable"):
        raise RuntimeError(f"unknown content transfer encoding: {transfer:.100}")
    return transfer


class PartEncoder:
    """Encodes one part: by its Content-Encoding, then by its Content-Transfer-Encoding.

    It stands between the payload of a part and what the body is written to.

    Args:
        writer: gets what is encoded.
        coding: of `find_coding`.
        transfer: of `find_transfer`.
    """

    def __init__(self, writer: PayloadWriter, coding: str | None, transfer: str | None) -> None:
        self._writer = writer
        window_bits = _WINDOW_BITS.get(coding or "")
        self._compressor = zlib.compressobj(wbits=window_bits) if window_bits else None
        self._transfer = _TRANSFERS.get(transfer or "")
        self._rest = b""

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encode a piece and write what is ready."""
        if self._compressor is not None:
            data = self._compressor.compress(data)
        if self._transfer is not None:
            data = self._transfer_whole_units(bytes(data))
        if data:
            await self._writer.write(data)

    async def drain(self) -> None:
        """Do nothing: `write` waits."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Encode a last piece and write all that is left of the part."""
        if data:
            await self.write(data)
        last = b"" if self._compressor is None else self._compressor.flush()
        if self._transfer is not None:
            last = self._transfer_whole_units(last)
            last += self._transfer(self._rest)
            self._rest = b""
        if last:
            await self._writer.write(last)

    def _transfer_whole_units(self, data: bytes) -> bytes:
        """Encode up to where a unit ends; the rest waits for more."""
        assert self._transfer is not None  # asked by who calls
        data = self._rest + data
        if self._transfer is encode_quoted_printable:
            stop = data.rfind(b"\n") + 1
            if len(data) - stop > _MAX_LINE_SIZE:
                stop = len(data) - data.endswith(b"\r")
        else:
            stop = len(data) // 3 * 3
        self._rest = data[stop:]
        return self._transfer(data[:stop])


def _encode_base64(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False)


def encode_quoted_printable(data: bytes) -> bytes:
    """Encode whole lines (RFC 2045 section 6.7); what ends them stays as it is."""
    return b"".join(binascii.b2a_qp(line, istext=False) + end for line, end in _LINE.findall(data))


_TRANSFERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": _encode_base64,
    "quoted-printable": encode_quoted_printable,
}
