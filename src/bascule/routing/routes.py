"""Routes, and the resources they belong to: sets of paths with a handler for each method."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sized
from functools import partial, wraps
from typing import Any

from yarl import URL

from ..message.deprecation import warn_deprecated
from ..message.exceptions import HTTPException, HTTPExpectationFailed
from ..message.request import BaseRequest
from ..message.stream import StreamResponse
from ..wire import hdrs
from ..wire.fields import show_text
from ..wire.grammar import is_token
from .abstract import AbstractMatchInfo, AbstractView, ExpectHandler, Handler, RequestMiddleware

__all__ = [
    "AbstractResource",
    "AbstractRoute",
    "Resolved",
    "ResourceRoute",
    "SystemRoute",
    "is_async_callable",
]

_AnyHandler = Handler | type[AbstractView[Any]]


# What a resource says of a request: what it has found, or None, and the methods it would answer.
Resolved = tuple[AbstractMatchInfo | None, set[str]]


class AbstractResource(Sized, Iterable["AbstractRoute"], ABC):
    """A set of paths, perhaps named, with routes.

    Attributes:
        middlewares: around the handlers of all its routes, inside those of the applications.
    """

    middlewares: tuple[RequestMiddleware, ...] = ()

    def __init__(self, *, name: str | None = None) -> None:
        self._name = name

    @property
    def name(self) -> str | None:
        """The name it is found by in the router."""
        return self._name

    @property
    @abstractmethod
    def canonical(self) -> str:
        """The path it was registered with, without regular expressions."""

    @property
    def index_key(self) -> str:
        """The literal segments that its paths begin with, by which a router finds it."""
        path = self.canonical
        if "{" in path:
            path = path.partition("{")[0].rpartition("/")[0]
        return path.rstrip("/")

    @abstractmethod
    def url_for(self, **kwargs: str) -> URL:
        """Build a URL."""

    @abstractmethod
    async def resolve(self, request: BaseRequest) -> Resolved:
        """Find the route of a request, or the methods that there are for its path."""

    @abstractmethod
    def add_prefix(self, prefix: str) -> None:
        """Put a literal in front of its paths; it must not be indexed while that is done."""

    @abstractmethod
    def get_info(self) -> dict[str, Any]:
        """Describe it for people and tools."""

    def freeze(self) -> None:
        """Be told that the router is frozen."""

    @abstractmethod
    def raw_match(self, path: str) -> bool:
        """Say whether this is the path it was registered with."""


class AbstractRoute(ABC):
    """One method of one resource, and its handler.

    Args:
        method: a token, upper-cased; ``*`` for any.
        handler: coroutine function of a request, or a view class.
        expect_handler: called for requests with an Expect field.
        resource: what it belongs to.

    Attributes:
        client_max_size: most bytes of a body that is read at once for this route, 0 for no limit;
            None for what the application says.
        timeout: seconds that its handler gets before the answer is 504; None for no limit.
        middlewares: around this handler alone, inside those of the applications.

    Raises:
        ValueError: the method is not a token.
    """

    client_max_size: int | None = None
    timeout: float | None = None
    middlewares: tuple[RequestMiddleware, ...] = ()
    # What an application above has built around the handler.
    _chain: Any = None

    def __init__(
        self,
        method: str,
        handler: _AnyHandler,
        *,
        expect_handler: ExpectHandler | None = None,
        resource: AbstractResource | None = None,
    ) -> None:
        method = method.upper()
        if not is_token(method):
            raise ValueError(f"{method} is not allowed HTTP method")
        self._method = method
        self._handler: Any = _as_coroutine_function(handler)
        self._expect_handler = expect_handler or _default_expect_handler
        if not inspect.iscoroutinefunction(self._expect_handler):
            raise AssertionError(f"Coroutine is expected, got {expect_handler!r}")
        self._resource = resource

    @property
    def method(self) -> str:
        """The method, upper-case, or ``*``."""
        return self._method

    @property
    def handler(self) -> Handler:
        """The coroutine function, or the view class."""
        handler: Handler = self._handler
        return handler

    @property
    @abstractmethod
    def name(self) -> str | None:
        """The name of its resource."""

    @property
    def resource(self) -> AbstractResource | None:
        """The resource it belongs to; None for system routes."""
        return self._resource

    @abstractmethod
    def get_info(self) -> dict[str, Any]:
        """Describe its resource."""

    @abstractmethod
    def url_for(self, *args: str, **kwargs: str) -> URL:
        """Build the URL of its resource."""

    async def handle_expect_header(self, request: Any) -> StreamResponse | None:
        """Decide about an Expect field; a response given back is the answer."""
        return await self._expect_handler(request)


class ResourceRoute(AbstractRoute):
    """A route of a resource in the table."""

    def __init__(
        self,
        method: str,
        handler: _AnyHandler,
        resource: AbstractResource,
        *,
        expect_handler: ExpectHandler | None = None,
    ) -> None:
        super().__init__(method, handler, expect_handler=expect_handler, resource=resource)
        self._owner = resource

    def __repr__(self) -> str:
        return f"<ResourceRoute [{self.method}] {self._resource} -> {self.handler!r}"

    @property
    def name(self) -> str | None:
        """The name of its resource."""
        return self._owner.name

    def url_for(self, *args: str, **kwargs: str) -> URL:
        """Build the URL of its resource."""
        return self._owner.url_for(*args, **kwargs)

    def get_info(self) -> dict[str, Any]:
        """Describe its resource."""
        return self._owner.get_info()


class SystemRoute(AbstractRoute):
    """The route of a request that nothing in the table answers: it raises."""

    def __init__(self, http_exception: HTTPException) -> None:
        super().__init__(hdrs.METH_ANY, self._handle)
        self._http_exception = http_exception

    def __repr__(self) -> str:
        return f"<SystemRoute {self.status}: {self.reason}>"

    async def _handle(self, request: BaseRequest) -> StreamResponse:
        raise self._http_exception

    @property
    def name(self) -> str | None:
        """None."""
        return None

    @property
    def status(self) -> int:
        """The status it answers with."""
        return self._http_exception.status

    @property
    def reason(self) -> str:
        """The reason phrase it answers with."""
        return self._http_exception.reason

    def url_for(self, *args: str, **kwargs: str) -> URL:
        """Fail: it has no URL."""
        raise RuntimeError(".url_for() is not allowed for SystemRoute")

    def get_info(self) -> dict[str, Any]:
        """Give what it raises."""
        return {"http_exception": self._http_exception}


async def _default_expect_handler(request: BaseRequest) -> StreamResponse | None:
    """Leave 100 Continue to the first read of the body; refuse any other expectation.

    Raises:
        HTTPExpectationFailed: the Expect field asks for something else (RFC 9110 section 10.1.1).
    """
    expect = request.headers.get(hdrs.EXPECT, "")
    if request.version >= (1, 1) and expect.lower() != "100-continue":
        raise HTTPExpectationFailed(text=f"Unknown Expect: {show_text(expect)}")
    return None


def _as_coroutine_function(handler: Any) -> Any:  # Any: whatever was registered as a handler
    """Accept what aiohttp accepts: coroutine functions, views, and with a warning functions."""
    if is_async_callable(handler):
        return handler
    if inspect.isgeneratorfunction(handler):
        warn_deprecated("Bare generators are deprecated, use @coroutine wrapper")
        return handler
    if isinstance(handler, type) and issubclass(handler, AbstractView):
        return handler
    if not callable(handler):
        raise AssertionError(handler)
    warn_deprecated("Bare functions are deprecated, use async ones")

    @wraps(handler)
    async def handler_wrapper(request: BaseRequest) -> StreamResponse:
        result = handler(request)
        if inspect.isawaitable(result):
            result = await result
        response: StreamResponse = result
        return response

    return handler_wrapper


def is_async_callable(function: Any) -> bool:  # Any: whatever was given as one
    """Say whether calling it gives a coroutine: functions, partials of them, callable objects."""
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or (
        not isinstance(function, type)
        and inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
    )
