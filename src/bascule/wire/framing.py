"""How the body of an answer is framed, and what its fields may say of that."""

from collections.abc import Iterable
from enum import Enum

__all__ = [
    "BodyFraming",
    "asks_to_close",
    "clean_framing",
    "declared_length",
    "has_field",
    "has_no_content",
]


class BodyFraming(Enum):
    """How the end of an answer's body is told (RFC 9112 section 6.3)."""

    NONE = "no body at all"
    LENGTH = "Content-Length"
    CHUNKED = "chunked transfer coding"
    CLOSE = "end of the connection"


def has_no_content(status: int) -> bool:
    """Whether answers of this status never have a body (RFC 9110 section 6.4.1)."""
    return status in (204, 304) or status < 200


def has_field(fields: Iterable[tuple[str, str]], name: str) -> bool:
    return any(n.lower() == name for n, _ in fields)


def asks_to_close(fields: Iterable[tuple[str, str]]) -> bool:
    return any(
        name.lower() == "connection" and "close" in {t.strip() for t in value.lower().split(",")}
        for name, value in fields
    )


def declared_length(fields: Iterable[tuple[str, str]]) -> int | None:
    """Find the Content-Length.

    Raises:
        ValueError: it is not a plain number, or there are two that differ.
    """
    lengths = {value for name, value in fields if name.lower() == "content-length"}
    if not lengths:
        return None
    value = min(lengths)
    if len(lengths) > 1 or not (value.isascii() and value.isdecimal()):
        raise ValueError(f"Invalid Content-Length in the answer: {sorted(lengths)!r:.100}")
    return int(value)


def clean_framing(fields: list[tuple[str, str]], framing: BodyFraming, length: int | None) -> None:
    """Drop framing fields that would contradict how the body is framed.

    A responder's Transfer-Encoding is a wish for chunks, kept in its place when it is granted;
    the coding itself is ours (ASGI says to ignore it, so that no two are ever on the wire).
    """
    kept: list[tuple[str, str]] = []
    chunked = framing is BodyFraming.CHUNKED
    measured = length is not None
    for name, value in fields:
        low = name.lower()
        if low == "transfer-encoding":
            if chunked:
                kept.append((name, "chunked"))
                chunked = False
        elif low == "content-length":
            if measured:
                kept.append((name, value))
                measured = False  # one that is repeated is sent once
        else:
            kept.append((name, value))
    fields[:] = kept
