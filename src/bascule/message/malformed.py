"""Errors that are the fault of who has sent the request, though their types do not say so."""

from contextlib import suppress
from typing import Final

__all__ = ["blame_peer", "is_of_peer"]

_MARK: Final = "_bascule_is_of_peer"


def blame_peer(error: Exception) -> None:
    """Mark an error as the fault of the peer; a handler that lets it pass has the request answered
    400 instead of 500.

    Handlers catch such errors as in aiohttp, by the types that parsers raise: the type stays, and
    so does the object.
    """
    with suppress(AttributeError, TypeError):  # what cannot be marked is an error like any
        setattr(error, _MARK, True)


def is_of_peer(error: BaseException) -> bool:
    """Say whether an error was marked."""
    return getattr(error, _MARK, False) is True
