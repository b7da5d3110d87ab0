"""Views: handlers that are classes, with a method for each HTTP method."""

from collections.abc import Iterator
from typing import Any

from ..message.exceptions import HTTPMethodNotAllowed
from ..message.stream import StreamResponse
from ..routing.abstract import AbstractView
from ..wire import hdrs
from .application import Request

__all__ = ["View"]


class View(AbstractView[Request]):
    """A class with a coroutine method for each HTTP method it answers, named in lower case."""

    async def _iter(self) -> StreamResponse:
        method = self.request.method
        handler = getattr(self, method.lower(), None) if method in hdrs.METH_ALL else None
        if handler is None:
            allowed = {m for m in hdrs.METH_ALL if hasattr(self, m.lower())}
            raise HTTPMethodNotAllowed(method, allowed)
        response: StreamResponse = await handler()
        return response

    def __await__(self) -> Iterator[Any]:
        """Answer with the method named like the request's.

        Raises:
            HTTPMethodNotAllowed: there is none.
        """
        return self._iter().__await__()
