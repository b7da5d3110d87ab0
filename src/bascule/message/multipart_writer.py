"""Bodies of many parts, written: ``multipart/mixed``, ``form-data`` and the others."""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from multidict import CIMultiDict

from ..wire import hdrs
from .memory_payloads import JsonPayload, StringPayload
from .part_encoders import PartEncoder, find_coding, find_transfer
from .part_heads import dump_part_head
from .payload import PayloadWriter, read_payload
from .payloads import (
    LookupError,
    Payload,
    PayloadLike,
    close_payloads,
    get_payload,
    is_payload_like,
)

__all__ = ["MultipartWriter"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_QUOTABLE = re.compile(r"[\t\x20-\x7e]*")
_TO_ESCAPE = re.compile(r'(["\\])')

_Part = tuple[PayloadLike, str | None, str | None]


class MultipartWriter(Payload):
    """A body of parts, each a payload with a head (RFC 2046 section 5.1).

    It is a payload itself, so that it can be a part of another one, or the body of a response.

    Args:
        subtype: ``mixed``, ``form-data``, ``related`` and so on.
        boundary: between the parts; by default one that is made up. It must not occur in them.

    Raises:
        ValueError: the boundary has characters that cannot be in a Content-Type.
    """

    def __init__(self, subtype: str = "mixed", boundary: str | None = None) -> None:
        boundary = uuid.uuid4().hex if boundary is None else boundary
        if not boundary.isascii():
            raise ValueError("boundary should contain ASCII only chars")
        self._boundary = boundary.encode("ascii")
        self._is_form_data = subtype == "form-data"
        self._parts: list[_Part] = []
        super().__init__(None, content_type=f"multipart/{subtype}; boundary={self._boundary_value}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Do nothing: the parts are still to be written."""

    def __iter__(self) -> Iterator[_Part]:
        """Give each part with its Content-Encoding and its Content-Transfer-Encoding."""
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __bool__(self) -> bool:
        return True

    @property
    def boundary(self) -> str:
        """What stands between the parts."""
        return self._boundary.decode("ascii")

    @property
    def _boundary_value(self) -> str:
        """The boundary as it stands in the Content-Type (RFC 9110 section 5.6.4)."""
        boundary = self.boundary
        if _TOKEN.fullmatch(boundary):
            return boundary
        if _QUOTABLE.fullmatch(boundary) is None:
            raise ValueError("boundary value contains invalid characters")
        escaped = _TO_ESCAPE.sub(r"\\\1", boundary)
        return f'"{escaped}"'

    # -- parts

    def append(self, obj: Any, headers: Mapping[str, str] | None = None) -> PayloadLike:
        """Add a part.

        Args:
            obj: whatever a body may be; a payload is changed by the headers.
            headers: of the part. Its Content-Encoding, ``gzip`` or ``deflate``, and its
                Content-Transfer-Encoding, ``base64`` or ``quoted-printable``, are applied.

        Returns:
            the payload of the part.

        Raises:
            TypeError: nothing is known to make a payload of it.
            RuntimeError: a coding is not known.
        """
        fields = CIMultiDict(headers or {})
        if is_payload_like(obj):
            obj.headers.update(fields)
            return self.append_payload(obj)
        try:
            payload = get_payload(obj, headers=fields)
        except LookupError as exc:
            raise TypeError(f"Cannot create payload from {obj!r:.200}") from exc
        return self.append_payload(payload)

    def append_payload(self, payload: PayloadLike) -> PayloadLike:
        """Add a payload as a part, and give it back; errors are those of `append`.

        Raises:
            AssertionError: a part of a form has a coding or a Content-Length (RFC 7578 section 4).
        """
        headers = payload.headers
        if self._is_form_data:
            return self._append_field(payload)
        coding = find_coding(headers.get(hdrs.CONTENT_ENCODING))
        transfer = find_transfer(headers.get(hdrs.CONTENT_TRANSFER_ENCODING))
        size = payload.size
        if size is not None and not (coding or transfer):
            headers[hdrs.CONTENT_LENGTH] = str(size)
        self._parts.append((payload, coding, transfer))
        return payload

    def _append_field(self, payload: PayloadLike) -> PayloadLike:
        headers = payload.headers
        refused = (hdrs.CONTENT_ENCODING, hdrs.CONTENT_LENGTH, hdrs.CONTENT_TRANSFER_ENCODING)
        for refused_name in refused:
            if refused_name in headers:
                raise AssertionError(f"A part of a form must not have a {refused_name}")
        if hdrs.CONTENT_DISPOSITION not in headers:
            name = f"section-{len(self._parts)}"
            headers[hdrs.CONTENT_DISPOSITION] = f'form-data; name="{name}"'
        self._parts.append((payload, None, None))
        return payload

    def append_json(self, obj: Any, headers: Mapping[str, str] | None = None) -> PayloadLike:
        """Add a value as JSON."""
        return self.append_payload(JsonPayload(obj, headers=CIMultiDict(headers or {})))

    def append_form(
        self,
        obj: Sequence[tuple[str, str]] | Mapping[str, str],
        headers: Mapping[str, str] | None = None,
    ) -> PayloadLike:
        """Add an urlencoded form.

        Args:
            obj: names and values.
            headers: of the part.
        """
        pairs = list(obj.items()) if isinstance(obj, Mapping) else obj
        payload = StringPayload(
            urlencode(pairs, doseq=True),
            headers=CIMultiDict(headers or {}),
            content_type="application/x-www-form-urlencoded",
        )
        return self.append_payload(payload)

    # -- the body

    @property
    def size(self) -> int | None:
        """Bytes that will be written; None where a part is encoded or does not know its own.

        Raises:
            ValueError: a field of a part would add others to it.
        """
        total = len(self._boundary) + 6  # the last boundary and its dashes and CRLF
        for payload, coding, transfer in self._parts:
            size = payload.size
            if coding or transfer or size is None:
                return None
            total += len(self._open(payload)) + size + 2
        return total

    @property
    def consumed(self) -> bool:
        """Whether a part was written and cannot be written again."""
        return any(getattr(payload, "consumed", False) for payload, _, _ in self._parts)

    @property
    def autoclose(self) -> bool:
        """Whether no part has to be closed."""
        return all(getattr(payload, "autoclose", True) for payload, _, _ in self._parts)

    async def write(self, writer: PayloadWriter, close_boundary: bool = True) -> None:
        """Write the parts.

        Args:
            writer: is written to.
            close_boundary: write the boundary behind the last part.

        Raises:
            ValueError: a field of a part would add others to it.
        """
        for payload, coding, transfer in self._parts:
            await writer.write(self._open(payload))
            if coding or transfer:
                encoder = PartEncoder(writer, coding, transfer)
                await payload.write(encoder)
                await encoder.write_eof()
            else:
                await payload.write(writer)
            await writer.write(b"\r\n")
        if close_boundary:
            await writer.write(b"--" + self._boundary + b"--\r\n")

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Give the parts as text, without their codings, as it would be written.

        Files are read here and now, not in a thread.

        Raises:
            TypeError: a part is a stream.
        """
        pieces = []
        for payload, _, _ in self._parts:
            pieces += [self._open(payload).decode(), payload.decode(encoding, errors), "\r\n"]
        return f"{''.join(pieces)}--{self.boundary}--\r\n"

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Give the body as it would be written."""
        body = _Buffer()
        for payload, coding, transfer in self._parts:
            await body.write(self._open(payload))
            encoder = PartEncoder(body, coding, transfer)
            await encoder.write_eof(await read_payload(payload, encoding, errors))
            await body.write(b"\r\n")
        await body.write(b"--" + self._boundary + b"--\r\n")
        return bytes(body.data)

    def _open(self, payload: PayloadLike) -> bytes:
        """Give the boundary in front of a part and the head of it."""
        return b"--" + self._boundary + b"\r\n" + dump_part_head(payload.headers)

    async def close(self) -> None:
        """Close the parts."""
        await close_payloads(payload for payload, _, _ in self._parts)


class _Buffer:
    """What is written is kept."""

    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep a piece."""
        self.data += data
