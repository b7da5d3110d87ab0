"""Middlewares: coroutine functions around handlers."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial, update_wrapper
from typing import Any, TypeVar

from ..message.request import Request
from ..message.stream import StreamResponse
from .resources import Handler

__all__ = ["Middleware", "chain", "middleware"]

Middleware = Callable[[Request, Handler], Awaitable[StreamResponse]]
_FunctionT = TypeVar("_FunctionT")


def middleware(f: _FunctionT) -> _FunctionT:
    """Mark a coroutine function of request and handler as a middleware."""
    f.__middleware_version__ = 1  # type: ignore[attr-defined]  # the mark aiohttp's users know
    return f


def chain(handler: Handler, middlewares: Iterable[Middleware]) -> Handler:
    """Put middlewares around a handler, the first of them outermost.

    Each wrapper keeps the attributes of the handler, so that decorations stay visible.
    """
    for each in reversed(list(middlewares)):
        wrapped: Any = each  # Any: the type of a middleware does not name its parameters
        handler = update_wrapper(partial(wrapped, handler=handler), handler)
    return handler
