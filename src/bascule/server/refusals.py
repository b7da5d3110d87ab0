"""Answers that are made before there is a request."""

import time

from ..wire.fields import dump_date
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
    """Write the answer to a head that is not served: plain text, the last on its connection.

    It has a Date, as all answers of a server with a clock (RFC 9110 section 6.6.1).
    """
    reason = _REASONS.get(exc.status, "Bad Request")
    body = f"{exc.status} {reason}: {exc.detail}".encode()
    fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Date", dump_date(time.time())),
        ("Connection", "close"),
    ]
    return dump_head(status_line(exc.status, reason), fields) + body
