"""Every kind of body that is known: loading this module makes `get_payload` complete."""

from .file_payloads import BufferedReaderPayload, BytesIOPayload, IOBasePayload, TextIOPayload
from .memory_payloads import (
    BytesPayload,
    JsonBytesPayload,
    JsonPayload,
    StringIOPayload,
    StringPayload,
)
from .payload import (
    PAYLOAD_REGISTRY,
    LookupError,
    Order,
    Payload,
    PayloadLike,
    PayloadRegistry,
    close_payloads,
    get_payload,
    is_payload_like,
    payload_type,
    register_payload,
)
from .streamed_payloads import AsyncIterablePayload, StreamReaderPayload

__all__ = [
    "PAYLOAD_REGISTRY",
    "AsyncIterablePayload",
    "BufferedReaderPayload",
    "BytesIOPayload",
    "BytesPayload",
    "IOBasePayload",
    "JsonBytesPayload",
    "JsonPayload",
    "LookupError",
    "Order",
    "Payload",
    "PayloadLike",
    "PayloadRegistry",
    "StreamReaderPayload",
    "StringIOPayload",
    "StringPayload",
    "TextIOPayload",
    "close_payloads",
    "get_payload",
    "is_payload_like",
    "payload_type",
    "register_payload",
]
