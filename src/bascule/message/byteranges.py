"""Several parts of a representation in one body (RFC 9110 section 15.3.7.2)."""

from collections.abc import Iterator, Sequence

from ..wire.conditions import Span, dump_content_range

__all__ = ["ByteRanges"]


class ByteRanges:
    """The frame of a ``multipart/byteranges`` body: all of it but the bytes of the parts.

    Args:
        media_type: of the representation, told with each part.
        size: of the representation, in bytes.
        parts: start and stop of each.

    Attributes:
        content_type: of the whole body.
        heads: what goes in front of each part.
        tail: what goes behind the last one.
        length: of the whole body, in bytes.
    """

    __slots__ = ("content_type", "heads", "length", "tail")

    def __init__(self, media_type: str, size: int, parts: Sequence[Span]) -> None:
        # By chance, so that no representation can hold it.
        from secrets import token_hex

        boundary = token_hex(16)
        self.content_type = f"multipart/byteranges; boundary={boundary}"
        self.heads = [
            f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\n"
            f"Content-Range: {dump_content_range(size, start, stop)}\r\n\r\n".encode()
            for start, stop in parts
        ]
        self.heads[0] = self.heads[0].removeprefix(b"\r\n")
        self.tail = f"\r\n--{boundary}--\r\n".encode()
        count = sum(stop - start for start, stop in parts)
        self.length = count + len(self.tail) + sum(map(len, self.heads))

    def fill(self, data: bytes, parts: Sequence[Span]) -> bytes:
        """Put together a body whose bytes are at hand, one part behind the other."""
        return b"".join(self._alternate(data, parts))

    def _alternate(self, data: bytes, parts: Sequence[Span]) -> Iterator[bytes]:
        place = 0
        for head, (start, stop) in zip(self.heads, parts, strict=True):
            yield head
            yield data[place : place + stop - start]
            place += stop - start
        yield self.tail
