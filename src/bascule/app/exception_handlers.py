"""Handlers of exceptions: an application's own answers to what its handlers raise."""

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Generic, TypeVar

from ..exchange import State
from ..message.exceptions import HTTPException
from ..message.request import BaseRequest
from ..message.stream import StreamResponse
from ..routing.abstract import Handler
from ..routing.routes import is_async_callable

__all__ = ["ExceptionHandler", "ExceptionHandlers"]

_RequestT = TypeVar("_RequestT", bound=BaseRequest)
# Any: an exception of the class that the handler stands under.
ExceptionHandler = Callable[[_RequestT, Any], Awaitable[StreamResponse]]
_Key = int | type[Exception]


class ExceptionHandlers(MutableMapping[_Key, ExceptionHandler[_RequestT]], Generic[_RequestT]):
    """A table from classes of exceptions, or statuses of HTTP exceptions, to what answers them.

    It stands around the middlewares of its application, so it sees what they raise too, 404 and
    405 among it. A status comes before a class, a class before those it derives from. What nothing
    in the table answers goes on to the applications outside; so does what a handler in the table
    raises itself, and what comes after the head of an answer has left.

    Raises:
        RuntimeError: it is changed after the application was started.
        TypeError: a key is neither, or a handler is not a coroutine function.
    """

    def __init__(self) -> None:
        self._handlers: dict[_Key, ExceptionHandler[_RequestT]] = {}
        self._frozen = False

    def __getitem__(self, key: _Key) -> ExceptionHandler[_RequestT]:
        return self._handlers[key]

    def __setitem__(self, key: _Key, handler: ExceptionHandler[_RequestT]) -> None:
        self._check()
        if not isinstance(key, int) and not (isinstance(key, type) and issubclass(key, Exception)):
            raise TypeError(f"Expected a status or a subclass of Exception, got {key!r}")
        if not is_async_callable(handler):
            raise TypeError(f"Coroutine function is expected, got {handler!r}")
        self._handlers[key] = handler

    def __delitem__(self, key: _Key) -> None:
        self._check()
        del self._handlers[key]

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._handlers)

    def __len__(self) -> int:
        return len(self._handlers)

    def __repr__(self) -> str:
        return f"<ExceptionHandlers(frozen={self._frozen}, {self._handlers!r})>"

    def _check(self) -> None:
        if self._frozen:
            raise RuntimeError("Cannot modify frozen exception handlers.")

    def freeze(self) -> None:
        """Let it be changed no more."""
        self._frozen = True

    def find(self, exc: Exception) -> ExceptionHandler[_RequestT] | None:
        """Find what answers an exception."""
        if isinstance(exc, HTTPException) and exc.status in self._handlers:
            return self._handlers[exc.status]
        for kind in type(exc).__mro__:
            if kind in self._handlers:
                return self._handlers[kind]
        return None

    def around(self, handler: Handler) -> Handler:
        """Put the table around a handler."""

        async def handled(request: _RequestT) -> StreamResponse:
            try:
                return await handler(request)
            except Exception as exc:
                answer = self.find(exc)
                exchange = request._exchange
                if answer is None or (exchange.state is not State.OPEN and not exchange.withdraw()):
                    raise
                return await answer(request, exc)

        return handled
