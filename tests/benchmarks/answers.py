"""Reads what servers answer: strictly, so that a wrong answer is never counted."""

import json

from .bodies import JSON_BODY
from .workloads import Exchange

__all__ = ["Wrong", "check", "find_end"]

_SHOWN = 300


class Wrong(Exception):
    """A server answered something else than what was asked for."""


def find_end(data: bytes) -> int:
    """Tell how long the whole answer at the start of some bytes is; 0 if more must come.

    Raises:
        Wrong: it is no answer, or its end cannot be found.
    """
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return 0
    fields = _read_fields(head)
    if b"content-length" in fields:
        end = len(head) + 4 + int(fields[b"content-length"])
        return end if len(data) >= end else 0
    if fields.get(b"transfer-encoding") != b"chunked":
        raise Wrong(f"an answer without a length: {data[:_SHOWN]!r}")
    size = _chunked_size(rest)
    return size and len(head) + 4 + size


def _chunked_size(data: bytes) -> int:
    """Tell how much a chunked body takes; 0 if more must come."""
    if not data.endswith(b"0\r\n\r\n"):
        return 0  # nothing follows the answer on a connection that waits for it
    at = 0
    while (line := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:line].partition(b";")[0], 16)
        at = line + 4 + size
        if not size:
            return at if at <= len(data) else 0
    return 0


def _read_fields(head: bytes) -> dict[bytes, bytes]:
    lines = head.split(b"\r\n")
    if not lines[0].startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
        raise Wrong(f"not a 200: {head[:_SHOWN]!r}")
    pairs = (line.partition(b":") for line in lines[1:])
    return {name.lower(): value.strip() for name, _, value in pairs}


def check(data: bytes, exchange: Exchange) -> None:
    """See that a whole answer is the one that was expected, to the last byte.

    Raises:
        Wrong: it is not.
    """
    head, _, body = data.partition(b"\r\n\r\n")
    fields = _read_fields(head)
    if fields.get(b"transfer-encoding") == b"chunked":
        body = _join_chunks(body)
    elif len(body) != int(fields[b"content-length"]):
        raise Wrong(f"{len(body)} bytes of {fields[b'content-length']!r}")
    if exchange.body is None:
        if json.loads(body) != JSON_BODY:
            raise Wrong(f"other JSON: {body[:_SHOWN]!r}")
    elif body != exchange.body:
        raise Wrong(f"{body[:_SHOWN]!r} instead of {exchange.body[:_SHOWN]!r}")


def _join_chunks(data: bytes) -> bytes:
    pieces, at = [], 0
    while True:
        line = data.index(b"\r\n", at)
        size = int(data[at:line].partition(b";")[0], 16)
        if not size:
            return b"".join(pieces)
        pieces.append(data[line + 2 : line + 2 + size])
        if data[line + 2 + size : line + 4 + size] != b"\r\n":
            raise Wrong(f"a chunk of {size} bytes without its end")
        at = line + 4 + size
