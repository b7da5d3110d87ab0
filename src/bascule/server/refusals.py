"""Answers that are made before there is a request."""

from ..wire.grammar import BadRequest
from ..wire.head import dump_head, status_line

__all__ = ["dump_refusal"]

_REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    414: "URI Too Long",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    505: "HTTP Version Not Supported",
}


def dump_refusal(exc: BadRequest) -> bytes:
    """Write the answer to a head that is not served: plain text, the last on its connection."""
    reason = _REASONS.get(exc.status, "Bad Request")
    body = f"{exc.status} {reason}: {exc.detail}".encode()
    fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    return dump_head(status_line(exc.status, reason), fields) + body
