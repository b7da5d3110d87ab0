"""Definitions of routes, made apart from a router and registered with it later."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, overload

from ..message.request import BaseRequest
from ..wire import hdrs
from .abstract import AbstractView, ExpectHandler, Handler, HandlerOf
from .routes import AbstractRoute

__all__ = [
    "AbstractRouteDef",
    "RouteDef",
    "RouteTableDef",
    "Router",
    "StaticDef",
    "delete",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "route",
    "static",
    "view",
]

_HandlerT = TypeVar("_HandlerT", bound=Handler | type[AbstractView[Any]])
_AnyHandler = Handler | type[AbstractView[Any]]
_RequestT = TypeVar("_RequestT", bound=BaseRequest)
_Registered = HandlerOf[_RequestT] | type[AbstractView[Any]]
_Path = str | os.PathLike[str]


class Router(Protocol):
    """What a definition registers itself with."""

    def add_route(
        self,
        method: str,
        path: str,
        handler: _AnyHandler,
        *,
        name: str | None = None,
        expect_handler: ExpectHandler | None = None,
        **options: Any,
    ) -> AbstractRoute:
        """Add a handler for a method on a path."""

    def add_get(self, path: str, handler: Handler, **kwargs: Any) -> AbstractRoute:
        """Add a handler for GET, and for HEAD."""

    @property
    def add_static(self) -> Callable[..., Iterable[AbstractRoute]]:
        """Add a directory of files."""


class AbstractRouteDef(ABC):
    """A definition of routes."""

    __slots__ = ()

    @abstractmethod
    def register(self, router: Router) -> list[AbstractRoute]:
        """Add what is defined to a router; give the routes."""


@dataclass(frozen=True, repr=False)
class RouteDef(AbstractRouteDef):
    """A method, a path and a handler, with the options of ``add_route``."""

    __slots__ = ("handler", "kwargs", "method", "path")

    method: str
    path: str
    handler: _AnyHandler
    kwargs: dict[str, Any]

    def __repr__(self) -> str:
        info = "".join(f", {name}={value!r}" for name, value in sorted(self.kwargs.items()))
        name = getattr(self.handler, "__name__", repr(self.handler))
        return f"<RouteDef {self.method} {self.path} -> {name!r}{info}>"

    def register(self, router: Router) -> list[AbstractRoute]:
        """Add the route."""
        if self.method == hdrs.METH_GET:
            handler: Any = self.handler  # Any: add_get names functions only
            return [router.add_get(self.path, handler, **self.kwargs)]
        return [router.add_route(self.method, self.path, self.handler, **self.kwargs)]


@dataclass(frozen=True, repr=False)
class StaticDef(AbstractRouteDef):
    """A prefix and a directory of files, with the options of ``add_static``."""

    __slots__ = ("kwargs", "path", "prefix")

    prefix: str
    path: _Path
    kwargs: dict[str, Any]

    def __repr__(self) -> str:
        info = "".join(f", {name}={value!r}" for name, value in sorted(self.kwargs.items()))
        return f"<StaticDef {self.prefix} -> {self.path}{info}>"

    def register(self, router: Router) -> list[AbstractRoute]:
        """Add the directory; give its routes."""
        return list(router.add_static(self.prefix, self.path, **self.kwargs))


def route(method: str, path: str, handler: _Registered[_RequestT], **kwargs: Any) -> RouteDef:
    """Define a route."""
    return RouteDef(method, path, handler, kwargs)


def head(path: str, handler: _Registered[_RequestT], **kwargs: Any) -> RouteDef:
    """Define a route for HEAD."""
    return route(hdrs.METH_HEAD, path, handler, **kwargs)


def options(path: str, handler: _Registered[_RequestT], **kwargs: Any) -> RouteDef:
    """Define a route for OPTIONS."""
    return route(hdrs.METH_OPTIONS, path, handler, **kwargs)


def get(
    path: str,
    handler: _Registered[_RequestT],
    *,
    name: str | None = None,
    allow_head: bool = True,
    **kwargs: Any,
) -> RouteDef:
    """Define a route for GET, and for HEAD unless `allow_head` is false."""
    return route(hdrs.METH_GET, path, handler, name=name, allow_head=allow_head, **kwargs)


def post(path: str, handler: _Registered[_RequestT], **kwargs: Any) -> RouteDef:
    """Define a route for POST."""
    return route(hdrs.METH_POST, path, handler, **kwargs)


def put(path: str, handler: _Registered[_RequestT], **kwargs: Any) -> RouteDef:
    """Define a route for PUT."""
    return route(hdrs.METH_PUT, path, handler, **kwargs)


def patch(path: str, handler: _Registered[_RequestT], **kwargs: Any) -> RouteDef:
    """Define a route for PATCH."""
    return route(hdrs.METH_PATCH, path, handler, **kwargs)


def delete(path: str, handler: _Registered[_RequestT], **kwargs: Any) -> RouteDef:
    """Define a route for DELETE."""
    return route(hdrs.METH_DELETE, path, handler, **kwargs)


def view(path: str, handler: type[AbstractView[Any]], **kwargs: Any) -> RouteDef:
    """Define a view class for any method."""
    return route(hdrs.METH_ANY, path, handler, **kwargs)


def static(prefix: str, path: _Path, **kwargs: Any) -> StaticDef:
    """Define a directory of files below a prefix."""
    return StaticDef(prefix, path, kwargs)


class RouteTableDef(Sequence[AbstractRouteDef]):
    """A list of definitions that decorators add to."""

    def __init__(self) -> None:
        self._items: list[AbstractRouteDef] = []

    def __repr__(self) -> str:
        return f"<RouteTableDef count={len(self._items)}>"

    @overload
    def __getitem__(self, index: int) -> AbstractRouteDef: ...
    @overload
    def __getitem__(self, index: slice) -> list[AbstractRouteDef]: ...
    def __getitem__(self, index: int | slice) -> AbstractRouteDef | list[AbstractRouteDef]:
        return self._items[index]

    def __iter__(self) -> Iterator[AbstractRouteDef]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def route(self, method: str, path: str, **kwargs: Any) -> Callable[[_HandlerT], _HandlerT]:
        """Decorate a handler to define a route."""

        def decorate(handler: _HandlerT) -> _HandlerT:
            self._items.append(RouteDef(method, path, handler, kwargs))
            return handler

        return decorate

    def head(self, path: str, **kwargs: Any) -> Callable[[_HandlerT], _HandlerT]:
        """Decorate a handler of HEAD."""
        return self.route(hdrs.METH_HEAD, path, **kwargs)

    def get(self, path: str, **kwargs: Any) -> Callable[[_HandlerT], _HandlerT]:
        """Decorate a handler of GET, and of HEAD unless ``allow_head=False``."""
        return self.route(hdrs.METH_GET, path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> Callable[[_HandlerT], _HandlerT]:
        """Decorate a handler of POST."""
        return self.route(hdrs.METH_POST, path, **kwargs)

    def put(self, path: str, **kwargs: Any) -> Callable[[_HandlerT], _HandlerT]:
        """Decorate a handler of PUT."""
        return self.route(hdrs.METH_PUT, path, **kwargs)

    def patch(self, path: str, **kwargs: Any) -> Callable[[_HandlerT], _HandlerT]:
        """Decorate a handler of PATCH."""
        return self.route(hdrs.METH_PATCH, path, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Callable[[_HandlerT], _HandlerT]:
        """Decorate a handler of DELETE."""
        return self.route(hdrs.METH_DELETE, path, **kwargs)

    def options(self, path: str, **kwargs: Any) -> Callable[[_HandlerT], _HandlerT]:
        """Decorate a handler of OPTIONS."""
        return self.route(hdrs.METH_OPTIONS, path, **kwargs)

    def view(self, path: str, **kwargs: Any) -> Callable[[_HandlerT], _HandlerT]:
        """Decorate a view class."""
        return self.route(hdrs.METH_ANY, path, **kwargs)

    def static(self, prefix: str, path: _Path, **kwargs: Any) -> None:
        """Define a directory of files below a prefix."""
        self._items.append(StaticDef(prefix, path, kwargs))
