"""Resources and their routes: what a path may be, and who answers each method on it."""

import inspect
import keyword
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sized
from functools import partial, wraps
from typing import Any

from yarl import URL

from ..message.exceptions import HTTPException, HTTPExpectationFailed, HTTPMethodNotAllowed
from ..message.request import Request
from ..message.stream import StreamResponse
from ..wire import hdrs
from ..wire.grammar import is_token

__all__ = [
    "AbstractResource",
    "AbstractRoute",
    "AbstractView",
    "DynamicResource",
    "ExpectHandler",
    "Handler",
    "PlainResource",
    "Resource",
    "ResourceRoute",
    "SystemRoute",
    "View",
    "check_name",
]

Handler = Callable[[Request], Awaitable[StreamResponse]]
ExpectHandler = Callable[[Request], Awaitable[StreamResponse | None]]

_NAME_SPLIT = re.compile(r"[.:-]")
# The parts of a dynamic path: `{name}` or `{name:regex}`, where the regex may hold braces.
_VARIABLE = re.compile(r"\{(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)(?::(?P<regex>.+))?\}")
_SPLIT = re.compile(r"(\{[_a-zA-Z][^{}]*(?:\{[^{}]*\}[^{}]*)*\})")
_SEGMENT = "[^{}/]+"


class AbstractView(ABC):
    """A handler that is a class: made for a request, then awaited."""

    def __init__(self, request: Request) -> None:
        self._request = request

    @property
    def request(self) -> Request:
        """The request it was made for."""
        return self._request

    @abstractmethod
    def __await__(self) -> Iterator[Any]:
        """Answer the request."""


class View(AbstractView):
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


class AbstractRoute(ABC):
    """One method of one resource, and its handler.

    Args:
        method: a token, upper-cased; ``*`` for any.
        handler: coroutine function of a request, or a view class.
        expect_handler: called for requests with an Expect field.
        resource: what it belongs to.

    Raises:
        ValueError: the method is not a token.
    """

    def __init__(
        self,
        method: str,
        handler: Handler | type[AbstractView],
        *,
        expect_handler: ExpectHandler | None = None,
        resource: "AbstractResource | None" = None,
    ) -> None:
        method = method.upper()
        if not is_token(method):
            raise ValueError(f"{method} is not allowed HTTP method")
        self._method = method
        self._handler: Any = _as_coroutine_function(handler)
        self._expect_handler = expect_handler or _expect_continue
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
    def resource(self) -> "AbstractResource | None":
        """The resource it belongs to; None for system routes."""
        return self._resource

    @property
    @abstractmethod
    def name(self) -> str | None:
        """The name of its resource."""

    @abstractmethod
    def url_for(self, *args: str, **kwargs: str) -> URL:
        """Build the URL of its resource."""

    async def handle_expect_header(self, request: Request) -> StreamResponse | None:
        """Decide about an Expect field."""
        return await self._expect_handler(request)


class ResourceRoute(AbstractRoute):
    """A route of a resource in the table."""

    def __init__(
        self,
        method: str,
        handler: Handler | type[AbstractView],
        resource: "AbstractResource",
        *,
        expect_handler: ExpectHandler | None = None,
    ) -> None:
        super().__init__(method, handler, expect_handler=expect_handler, resource=resource)

    def __repr__(self) -> str:
        return f"<ResourceRoute [{self.method}] {self._resource} -> {self.handler!r}"

    @property
    def name(self) -> str | None:
        """The name of its resource."""
        return self._resource.name if self._resource is not None else None

    def url_for(self, *args: str, **kwargs: str) -> URL:
        """Build the URL of its resource."""
        assert self._resource is not None  # given in __init__
        return self._resource.url_for(*args, **kwargs)


class SystemRoute(AbstractRoute):
    """The route of a request that nothing in the table answers: it raises."""

    def __init__(self, http_exception: HTTPException) -> None:
        super().__init__(hdrs.METH_ANY, self._raise)
        self._http_exception = http_exception

    def __repr__(self) -> str:
        return f"<SystemRoute {self.status}: {self.reason}>"

    async def _raise(self, request: Request) -> StreamResponse:
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


class AbstractResource(Sized, Iterable[AbstractRoute], ABC):
    """A set of paths, perhaps named, with routes."""

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

    @abstractmethod
    def url_for(self, **kwargs: str) -> URL:
        """Build a URL."""

    @abstractmethod
    def match(self, path: str) -> dict[str, str] | None:
        """Compare a decoded path; give the values of its variable parts if it is one of these."""

    @abstractmethod
    def find(self, method: str) -> tuple[AbstractRoute | None, set[str]]:
        """Find the route of a method, and the methods there are."""


class Resource(AbstractResource):
    """A resource whose routes are added one by one."""

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._routes: dict[str, ResourceRoute] = {}

    def __len__(self) -> int:
        return len(self._routes)

    def __iter__(self) -> Iterator[ResourceRoute]:
        return iter(self._routes.values())

    def add_route(
        self,
        method: str,
        handler: Handler | type[AbstractView],
        *,
        expect_handler: ExpectHandler | None = None,
    ) -> ResourceRoute:
        """Add a route.

        Raises:
            RuntimeError: the method is taken, or any is.
        """
        route = ResourceRoute(method, handler, self, expect_handler=expect_handler)
        taken = self._routes.get(route.method) or self._routes.get(hdrs.METH_ANY)
        if taken is not None:
            raise RuntimeError(
                f"Added route will never be executed, method {route.method} is already registered"
            )
        self._routes[route.method] = route
        return route

    def find(self, method: str) -> tuple[AbstractRoute | None, set[str]]:
        """Find the route of a method, and the methods there are."""
        route = self._routes.get(method) or self._routes.get(hdrs.METH_ANY)
        return route, set(self._routes)


class PlainResource(Resource):
    """One path, as registered."""

    def __init__(self, path: str, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._path = path or "/"

    def __repr__(self) -> str:
        name = f"'{self.name}' " if self.name is not None else ""
        return f"<PlainResource {name} {self._path}>"

    @property
    def canonical(self) -> str:
        """The path."""
        return self._path

    def url_for(self, **kwargs: str) -> URL:
        """Build the URL of the path, as registered."""
        return URL.build(path=self._path, encoded=True)

    def match(self, path: str) -> dict[str, str] | None:
        """Compare a decoded path with the one registered."""
        return {} if path == self._path else None


class DynamicResource(Resource):
    """Paths with variable parts: ``{name}`` is one segment, ``{name:regex}`` what it matches.

    Raises:
        ValueError: unbalanced braces, a bad name or a bad expression.
    """

    def __init__(self, path: str, *, name: str | None = None) -> None:
        super().__init__(name=name)
        pattern, self._formatter = "", ""
        for part in _SPLIT.split(path):
            variable = _VARIABLE.fullmatch(part)
            if variable is not None:
                pattern += f"(?P<{variable['name']}>{variable['regex'] or _SEGMENT})"
                self._formatter += f"{{{variable['name']}}}"
            elif "{" in part or "}" in part:
                raise ValueError(f"Invalid path '{path}'['{part}']")
            else:
                pattern += re.escape(part)
                self._formatter += part
        try:
            self._pattern = re.compile(pattern)
        except re.error as exc:
            raise ValueError(f"Bad pattern '{pattern}': {exc}") from None

    def __repr__(self) -> str:
        name = f"'{self.name}' " if self.name is not None else ""
        return f"<DynamicResource {name} {self._formatter}>"

    @property
    def canonical(self) -> str:
        """The path with the names of its variable parts."""
        return self._formatter

    @property
    def literal_prefix(self) -> str:
        """The whole segments in front of the first variable part."""
        return self._formatter.partition("{")[0].rpartition("/")[0]

    def url_for(self, **parts: str) -> URL:
        """Build a URL, the values quoted.

        Raises:
            KeyError: a part is missing.
        """
        quoted = {name: _quote_part(str(value)) for name, value in parts.items()}
        return URL.build(path=self._formatter.format_map(quoted), encoded=True)

    def match(self, path: str) -> dict[str, str] | None:
        """Compare a decoded path, in which %2F and %25 are still encoded."""
        match = self._pattern.fullmatch(path)
        if match is None:
            return None
        return {
            name: value.replace("%2F", "/").replace("%25", "%") if "%" in value else value
            for name, value in match.groupdict("").items()
        }


def check_name(name: str) -> None:
    """Check the name of a resource: identifiers joined by dots, dashes or colons.

    Raises:
        ValueError: it is not one.
    """
    for part in _NAME_SPLIT.split(name):
        if keyword.iskeyword(part):
            raise ValueError(
                f"Incorrect route name {name!r}, python keywords cannot be used for route name"
            )
        if not part.isidentifier():
            raise ValueError(
                f"Incorrect route name {name!r}, the name should be a sequence of python "
                "identifiers separated by dash, dot or column"
            )


def _quote_part(value: str) -> str:
    return str(URL.build(path=value, encoded=False).raw_path)


async def _expect_continue(request: Request) -> StreamResponse | None:
    """Leave 100 Continue to the first read of the body; refuse any other expectation.

    Raises:
        HTTPExpectationFailed: the Expect field asks for something else (RFC 9110 section 10.1.1).
    """
    expect = request.headers.get(hdrs.EXPECT, "")
    if request.version >= (1, 1) and expect.lower() != "100-continue":
        raise HTTPExpectationFailed(text=f"Unknown Expect: {expect}")
    return None


def _as_coroutine_function(handler: Any) -> Any:  # Any: whatever was registered as a handler
    """Accept what aiohttp accepts: coroutine functions, views, and with a warning functions."""
    if inspect.iscoroutinefunction(handler) or _is_async_callable(handler):
        return handler
    if isinstance(handler, type):
        if issubclass(handler, AbstractView):
            return handler
        raise TypeError(f"Only async functions are allowed as web-handlers, got {handler!r}")
    if not callable(handler):
        raise AssertionError(handler)
    warnings.warn("Bare functions are deprecated, use async ones", DeprecationWarning, stacklevel=6)

    @wraps(handler)
    async def call(request: Request) -> StreamResponse:
        result = handler(request)
        if inspect.isawaitable(result):
            result = await result
        response: StreamResponse = result
        return response

    return call


def _is_async_callable(handler: Any) -> bool:
    while isinstance(handler, partial):
        handler = handler.func
    return inspect.iscoroutinefunction(handler) or (
        not isinstance(handler, type)
        and inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004
    )
