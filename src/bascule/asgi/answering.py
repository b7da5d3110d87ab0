"""Messages of an ASGI application that answer an exchange: the head, and pieces of the body."""

import logging
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any, Protocol

from ..channel import Channel, ChannelOptions
from ..exchange import ClientConnectionResetError, Exchange, Fields
from ..wire.grammar import FIELD_LINE, TOKEN

__all__ = [
    "AnswerStart",
    "Block",
    "HalfClosed",
    "Opening",
    "dump_block",
    "is_due_to_leaving",
    "log_error",
    "phrase",
    "read_body",
    "read_headers",
    "read_start",
    "read_value",
    "send_answer",
    "start_answer",
]

# Causes of an error that are looked at, and errors of a group.
_MAX_CHAIN = 10
_MAX_GROUP = 100

# Status and fields of an answer's head.
AnswerStart = tuple[int, list[tuple[str, str]]]
# A head as bytes: status line, field lines, and the Content-Length among them, if there is one.
Block = tuple[bytes, bytes, int | None]

_LINE = re.sub(rb"\?P<\w+>", rb"?:", FIELD_LINE)
_LINES = re.compile(rb"(?:" + _LINE + rb")*+")
_MAX_DIGITS = 18
# Fields that say how an answer goes on, or that servers put in.
_SPECIAL = frozenset({b"transfer-encoding", b"connection", b"date", b"server"})
_NAME = re.compile(TOKEN)
# Fields whose values are few in a program, and no secret: their lines are kept.
_STEADY = frozenset(
    {
        b"cache-control",
        b"content-encoding",
        b"content-type",
        b"referrer-policy",
        b"strict-transport-security",
        b"vary",
        b"x-content-type-options",
        b"x-frame-options",
    }
)
_status_lines: dict[int, bytes] = {}
_kinds: dict[bytes, "_Kind"] = {}
_MAX_KINDS = 1024
_MAX_NAME_SIZE = 64
# Lines of fields, checked, by name and value.
_known_lines: dict[tuple[bytes, bytes], bytes] = {}
_MAX_KNOWN_LINES = 1024
_MAX_LINE_SIZE = 128


class _Kind(Enum):
    """What a field of an answer says."""

    PLAIN = "nothing that concerns a server"
    STEADY = "such a thing, again and again"
    LENGTH = "the length of the body"
    SPECIAL = "how the answer goes on, or what a server puts in"


# By names of the module: to look a member up in its class costs ten times as much (Python 3.11).
_PLAIN, _STEADY_KIND = _Kind.PLAIN, _Kind.STEADY
_LENGTH_KIND, _SPECIAL_KIND = _Kind.LENGTH, _Kind.SPECIAL


class HalfClosed(dict[str, Any]):
    """Our http.disconnect where the client has ended its half behind a whole request: an answer can
    still be sent, and reaches it unless it has left altogether."""


class Opening(Protocol):
    """What begins an answer in the place of its exchange, where something stands around that."""

    async def start(self, status: int, reason: str, fields: list[tuple[str, str]]) -> None:
        """Decide the head of the answer, with the fields that were sent."""

    async def accept(
        self, fields: Fields, subprotocol: str | None, options: ChannelOptions
    ) -> Channel:
        """Take up the WebSocket."""


def start_answer(exchange: Exchange, message: Mapping[str, Any]) -> AnswerStart:
    """Decide the head of an answer, with the fields added that the transport wants; give it.

    Raises:
        TypeError: the status is not int, or a name or value not bytes.
        ValueError: they cannot be sent.
    """
    status, fields = read_start(message)
    names = {name.lower() for name, _ in fields}
    for name, value in exchange.default_fields:
        if name.lower() not in names:
            fields.append((name, value))
    exchange.start(status, phrase(status), fields)
    return status, fields


def read_start(message: Mapping[str, Any]) -> AnswerStart:
    """Read the head of an answer.

    Raises:
        TypeError: the status is not int, or a name or value not bytes.
    """
    status = message["status"]
    if not isinstance(status, int):
        raise TypeError(f"status must be int, got {status!r}")
    # An int of a kind of its own may show itself otherwise than in digits.
    return int(status), read_headers(message.get("headers") or ())


def dump_block(message: Mapping[str, Any]) -> Block | None:
    """Write the head of an answer as bytes, if nothing about it is special; None where it is, or is
    malformed."""
    status = message["status"]
    if type(status) is not int:
        return None
    line = _status_lines.get(status) or _learn_status(status)
    headers = message.get("headers") or ()
    if not line or not isinstance(headers, (list, tuple)):
        return None  # what is no sequence may give them once only
    length = None
    lines = b""
    is_checked = True
    for pair in headers:
        try:
            known = _known_lines.get(pair)
        except TypeError:  # it is a list, as some frameworks have it
            known = None
        if known is not None:
            lines += known
            continue
        name, value = pair
        if type(name) is not bytes or type(value) is not bytes:
            return None
        kind = _kinds.get(name) or _learn_name(name)
        if kind is _LENGTH_KIND:
            if length is not None or not value.isdigit() or len(value) > _MAX_DIGITS:
                return None
            length = int(value)
        elif kind is _SPECIAL_KIND:
            return None
        else:
            is_checked = False
            if kind is _STEADY_KIND:
                _learn_line(name, value)
        lines += b"".join((name, b": ", value, b"\r\n"))  # a format costs more
    if is_checked or _are_lines(lines, len(headers)):
        return line, lines, length
    return None


def _are_lines(lines: bytes, count: int) -> bool:
    """Say whether it is so many field lines: a line break in a name or a value would make more."""
    return _LINES.fullmatch(lines) is not None and lines.count(b"\n") == count


def _learn_line(name: bytes, value: bytes) -> None:
    """Remember the line of a field; those that come first, unless they are long or malformed."""
    line = b"%b: %b\r\n" % (name, value)
    is_short = len(line) <= _MAX_LINE_SIZE
    if is_short and len(_known_lines) < _MAX_KNOWN_LINES and _are_lines(line, 1):
        _known_lines[name, value] = line


def _learn_name(name: bytes) -> _Kind:
    """Find the kind of a field, and remember those of the names that come first."""
    low = name.lower()
    if low == b"content-length":
        kind = _Kind.LENGTH
    elif low in _SPECIAL or _NAME.fullmatch(name) is None:
        kind = _Kind.SPECIAL  # one that is no name is told of where such answers are sent
    else:
        kind = _STEADY_KIND if low in _STEADY else _PLAIN
    if len(_kinds) < _MAX_KINDS and len(name) <= _MAX_NAME_SIZE:
        _kinds[name] = kind
    return kind


def _learn_status(status: int) -> bytes:
    """Write a status line of an answer that may have a body; nothing for any other status."""
    if not 200 <= status <= 999 or status in (204, 304):
        return b""
    line = _status_lines[status] = f"HTTP/1.1 {status} {phrase(status)}\r\n".encode()
    return line


async def send_answer(exchange: Exchange, message: Mapping[str, Any]) -> bool:
    """Send a piece of the body; give whether it was the last.

    Raises:
        TypeError: it is not bytes.
    """
    data = read_body(message)
    if message.get("more_body"):
        await exchange.write(data)
        return False
    await exchange.write_eof(data)
    return True


def read_body(message: Mapping[str, Any]) -> bytes | bytearray | memoryview:
    """Read a piece of the body.

    Raises:
        TypeError: it is not bytes.
    """
    data = message.get("body") or b""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"body must be bytes, got {type(data).__name__}")
    return data


def read_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Read header fields so that they go out again as they are.

    Raises:
        TypeError: a name or value is not bytes.
    """
    return [(read_value(name), read_value(value)) for name, value in headers]


def read_value(value: bytes) -> str:
    """Read the name or the value of a header field.

    Raises:
        TypeError: it is not bytes.
    """
    if not isinstance(value, bytes | bytearray):
        raise TypeError(f"header names and values must be bytes, got {value!r:.100}")
    return value.decode("utf-8", "surrogateescape")


def phrase(status: int) -> str:
    """Give the usual reason phrase of a status; empty where there is none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def log_error(exc: BaseException, logger: logging.Logger) -> None:
    """Tell of an application's error, but not of a client that has left: frameworks make errors
    of their own of the OSError that our send has raised, and groups of errors."""
    if is_due_to_leaving(exc):
        logger.debug("The ASGI application was left by its client", exc_info=exc)
    else:
        logger.error("Error in the ASGI application", exc_info=exc)


def is_due_to_leaving(exc: BaseException | None, depth: int = _MAX_CHAIN) -> bool:
    """Whether an error, or each one of a group, goes back to a client that has left."""
    if exc is None or not depth:
        return False
    if isinstance(exc, ClientConnectionResetError):
        return True
    if isinstance(exc, BaseExceptionGroup):
        few = len(exc.exceptions) <= _MAX_GROUP
        return few and all(is_due_to_leaving(each, depth - 1) for each in exc.exceptions)
    return is_due_to_leaving(exc.__cause__ or exc.__context__, depth - 1)
