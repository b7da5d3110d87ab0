"""Messages of an ASGI application that answer an exchange: the head, and pieces of the body."""

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from ..exchange import ClientConnectionResetError, Exchange

__all__ = ["log_error", "read_headers", "send_answer", "start_answer"]

# Causes of an error that are looked at.
_MAX_CHAIN = 10


def start_answer(exchange: Exchange, message: Mapping[str, Any]) -> None:
    """Decide the head of an answer.

    Raises:
        TypeError: the status is not int, or a name or value not bytes.
        ValueError: they cannot be sent.
    """
    fields = read_headers(message.get("headers") or ())
    names = {name.lower() for name, _ in fields}
    for name, value in exchange.default_fields:
        if name.lower() not in names:
            fields.append((name, value))
    status = message["status"]
    if not isinstance(status, int):
        raise TypeError(f"status must be int, got {status!r}")
    exchange.start(status, _phrase(status), fields)


async def send_answer(exchange: Exchange, message: Mapping[str, Any]) -> bool:
    """Send a piece of the body; give whether it was the last.

    Raises:
        TypeError: it is not bytes.
    """
    data = message.get("body") or b""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"body must be bytes, got {type(data).__name__}")
    if message.get("more_body"):
        await exchange.write(data)
        return False
    await exchange.write_eof(data)
    return True


def read_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Read header fields so that they go out again as they are.

    Raises:
        TypeError: a name or value is not bytes.
    """
    return [(_text(name), _text(value)) for name, value in headers]


def log_error(exc: BaseException, logger: logging.Logger) -> None:
    """Tell of an application's error, but not of a client that has left: frameworks make errors
    of their own of the OSError that our send has raised."""
    cause: BaseException | None = exc
    for _ in range(_MAX_CHAIN):
        if isinstance(cause, ClientConnectionResetError):
            logger.debug("The ASGI application was left by its client", exc_info=exc)
            return
        if cause is None:
            break
        cause = cause.__cause__ or cause.__context__
    logger.error("Error in the ASGI application", exc_info=exc)


def _text(value: bytes) -> str:
    if not isinstance(value, bytes | bytearray):
        raise TypeError(f"header names and values must be bytes, got {value!r:.100}")
    return value.decode("utf-8", "surrogateescape")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
