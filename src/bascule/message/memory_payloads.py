"""Payloads of what is in memory: bytes, text, JSON."""

import json
from collections.abc import Callable
from io import StringIO
from typing import IO, Any

from ..wire.fields import parse_content_type
from .payload import Payload, PayloadWriter, payload_type

__all__ = [
    "BytesPayload",
    "JsonBytesPayload",
    "JsonPayload",
    "StringIOPayload",
    "StringPayload",
]


@payload_type((bytes, bytearray, memoryview))
class BytesPayload(Payload):
    """Bytes.

    Args:
        value: the bytes.
        args: of `Payload`.
        kwargs: of `Payload`.

    Raises:
        TypeError: they are none.
    """

    _autoclose = True

    def __init__(self, value: bytes | bytearray | memoryview, *args: Any, **kwargs: Any) -> None:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise TypeError(f"value argument must be byte-ish, not {type(value)!r}")
        kwargs.setdefault("content_type", "application/octet-stream")
        super().__init__(value, *args, **kwargs)
        self._size = value.nbytes if isinstance(value, memoryview) else len(value)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Give the bytes as text."""
        return bytes(self._value).decode(encoding, errors)

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Give the bytes as they are, whatever the encoding."""
        return bytes(self._value)

    async def write(self, writer: PayloadWriter) -> None:
        """Write the bytes."""
        await writer.write(self._value)

    async def write_with_length(self, writer: PayloadWriter, content_length: int | None) -> None:
        """Write the bytes, or the first of them."""
        if content_length is None:
            await self.write(writer)
        else:
            await writer.write(memoryview(self._value).cast("B")[:content_length])


@payload_type(str)
class StringPayload(BytesPayload):
    """Text.

    Args:
        value: the text.
        args: of `Payload`.
        encoding: of the bytes; by default that of the content type, else UTF-8.
        content_type: ``text/plain`` in the encoding by default.
        kwargs: of `Payload`.
    """

    def __init__(
        self,
        value: str,
        *args: Any,
        encoding: str | None = None,
        content_type: str | None = None,
        **kwargs: Any,
    ) -> None:
        encoding, content_type = settle_charset(encoding, content_type)
        data = value.encode(encoding)
        super().__init__(data, *args, encoding=encoding, content_type=content_type, **kwargs)


def settle_charset(encoding: str | None, content_type: str | None) -> tuple[str, str]:
    """Give the encoding of a text, and its content type, from what is known of them."""
    if content_type is None:
        encoding = encoding or "utf-8"
        return encoding, f"text/plain; charset={encoding}"
    if encoding is None:
        encoding = parse_content_type(content_type)[1].get("charset", "utf-8")
    return encoding, content_type


@payload_type(StringIO)
class StringIOPayload(StringPayload):
    """What is left of a text in memory, read when the payload is made."""

    def __init__(self, value: IO[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(value.read(), *args, **kwargs)


class JsonPayload(BytesPayload):
    """A value as JSON.

    Args:
        value: what `dumps` takes.
        encoding: of its text.
        content_type: of the body.
        dumps: the encoder.
        args: of `Payload`.
        kwargs: of `Payload`.
    """

    def __init__(
        self,
        value: Any,
        encoding: str = "utf-8",
        content_type: str = "application/json",
        dumps: Callable[[Any], str] = json.dumps,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        data = dumps(value).encode(encoding)
        kwargs.update(content_type=content_type, encoding=encoding)
        super().__init__(data, *args, **kwargs)


class JsonBytesPayload(BytesPayload):
    """A value as JSON, by an encoder that gives bytes.

    Args:
        value: what `dumps` takes.
        dumps: the encoder.
        content_type: of the body.
        args: of `Payload`.
        kwargs: of `Payload`.
    """

    def __init__(
        self,
        value: Any,
        dumps: Callable[[Any], bytes],
        content_type: str = "application/json",
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(dumps(value), *args, content_type=content_type, **kwargs)
