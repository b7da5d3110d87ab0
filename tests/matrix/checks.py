"""What the checks of the black box have in common: how they are made, and what they record."""

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .clients import Answer, Client, Power

__all__ = ["CHECKS", "Check", "Record", "check", "clip", "record"]

# Any: what `json.dumps` takes: None, bool, int, str, lists and dicts of those.
Record = Any

# Fields of answers that are compared wherever they are.
_COMPARED = (
    "Content-Type",
    "Content-Length",
    "Content-Encoding",
    "Content-Disposition",
    "Content-Range",
    "Accept-Ranges",
    "Allow",
    "Cache-Control",
    "ETag",
    "Last-Modified",
    "Link",
    "Location",
    "Set-Cookie",
    "Vary",
)
# Bytes of a body that are recorded as they are.
_MAX_BODY = 2000


@dataclass(frozen=True)
class Check:
    """One behaviour that a client can see.

    Attributes:
        name: of it.
        run: gives what was seen.
        needs: what a client has to be able to do.
        cancels: it is asked of an application whose handlers are cancelled when clients leave.
        slow: it takes about a second, and is no part of a plain run of the tests.
    """

    name: str
    run: Callable[[Client], Awaitable[Record]]
    needs: frozenset[Power]
    cancels: bool = False
    slow: bool = False


CHECKS: dict[str, Check] = {}


def check(
    *needs: Power, cancels: bool = False, slow: bool = False
) -> Callable[[Callable[[Client], Awaitable[Record]]], Callable[[Client], Awaitable[Record]]]:
    """Make a check of a function that is named after what it shows."""

    def decorate(
        function: Callable[[Client], Awaitable[Record]],
    ) -> Callable[[Client], Awaitable[Record]]:
        name = function.__name__.removeprefix("check_").replace("_", " ")
        assert name not in CHECKS, name
        wanted = frozenset((*needs, Power.VARIANT) if cancels else needs)
        CHECKS[name] = Check(name, function, wanted, cancels, slow)
        return function

    return decorate


def record(answer: Answer, *, without: Iterable[str] = ()) -> Record:
    """Give what is compared of an answer: its status, fields that the application decides about,
    and its body."""
    hidden = {name.lower() for name in without}
    seen: dict[str, Any] = {"status": answer.status}
    for name in sorted({name.lower() for name in (*_COMPARED, *answer.fields)}):
        if name in hidden or not (name.startswith("x-") or name in _COMPARED_NAMES):
            continue
        values = answer.fields.getall(name, [])
        if values:
            seen[name] = values
    seen["body"] = clip(answer.body)
    return seen


def clip(body: bytes) -> str:
    """Give a body that can be looked at, or the digest of one that is too long for that."""
    if len(body) > _MAX_BODY:
        return f"{len(body)} bytes, SHA-256 {hashlib.sha256(body).hexdigest()}"
    return body.decode("utf-8", "backslashreplace")


_COMPARED_NAMES = frozenset(name.lower() for name in _COMPARED)
