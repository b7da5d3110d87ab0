"""How the body of an answer is framed, and what the fields around it may say."""

from collections.abc import Collection, Iterable
from enum import Enum

from .head import check_fields

__all__ = [
    "BodyFraming",
    "asks_to_close",
    "check_interim",
    "check_trailers",
    "clean_framing",
    "declared_length",
    "has_field",
    "has_no_content",
]

# Fields that have to be known before the body is read, or handled before it is forwarded: they
# frame the message, route it, tell who asks or answers, modify the request, control the response,
# or describe the content (RFC 9110 section 6.5.1).
_NO_TRAILERS = frozenset(
    {
        "transfer-encoding",
        "content-length",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "host",
        "forwarded",
        "via",
        "max-forwards",
        "http2-settings",
        "authorization",
        "proxy-authorization",
        "www-authenticate",
        "proxy-authenticate",
        "cookie",
        "set-cookie",
        "cache-control",
        "expect",
        "pragma",
        "range",
        "age",
        "date",
        "expires",
        "location",
        "refresh",
        "retry-after",
        "vary",
        "warning",
    }
)
_NO_TRAILER_PREFIXES = ("content-", "if-", "accept-", "access-control-", "sec-", "x-forwarded-")
# Their own definitions let them stand there: RFC 9530 section 2, RFC 9110 section 14.3; the last,
# of RFC 1864, is one that senders knew of old.
_TRAILERS_ALL_THE_SAME = frozenset({"content-digest", "accept-ranges", "content-md5"})


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


def check_trailers(fields: Collection[tuple[str, str]]) -> None:
    """Refuse fields that may not stand behind a body.

    Source: RFC 9110 section 6.5.1.

    Raises:
        ValueError: one of them is about framing, routing, authentication, the request, the
            response or the content; or cannot be sent at all.
    """
    check_fields(fields)
    for name, _ in fields:
        low = name.lower()
        if low in _NO_TRAILERS or (
            low.startswith(_NO_TRAILER_PREFIXES) and low not in _TRAILERS_ALL_THE_SAME
        ):
            raise ValueError(
                f"Not a field for trailers, which come behind the body: {name!r:.100}; "
                "it has to be known before (RFC 9110 section 6.5.1)"
            )


def check_interim(fields: Iterable[tuple[str, str]]) -> None:
    """Refuse fields that would frame a body in an answer that has none.

    Source: RFC 9110 section 8.6; RFC 9112 section 6.1.

    Raises:
        ValueError: there is a Content-Length or a Transfer-Encoding.
    """
    for name, _ in fields:
        if name.lower() in ("content-length", "transfer-encoding"):
            raise ValueError(f"An interim answer has no body, and so no {name!r:.100}")
