"""The table of resources, and the search for the route of a request."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sized
from types import MappingProxyType
from typing import Any

from ..message.exceptions import HTTPException, HTTPMethodNotAllowed, HTTPNotFound
from ..message.request import Request
from ..wire import hdrs
from ..wire.grammar import split_target
from .resources import (
    AbstractResource,
    AbstractRoute,
    AbstractView,
    DynamicResource,
    ExpectHandler,
    Handler,
    PlainResource,
    Resource,
    SystemRoute,
    check_name,
)
from .tables import AbstractRouteDef

__all__ = ["MatchInfoError", "UrlDispatcher", "UrlMappingMatchInfo"]


class UrlMappingMatchInfo(dict[str, str]):
    """The values of a path's variable parts, and the route that was found."""

    def __init__(self, match_dict: dict[str, str], route: AbstractRoute) -> None:
        super().__init__(match_dict)
        self._route = route
        self._apps: list[Any] = []  # Any: applications, a floor above
        self._current_app: Any = None
        self._frozen = False

    @property
    def handler(self) -> Handler:
        """The handler of the route."""
        return self._route.handler

    @property
    def expect_handler(self) -> ExpectHandler:
        """What decides about an Expect field."""
        return self._route.handle_expect_header

    @property
    def route(self) -> AbstractRoute:
        """The route that was found."""
        return self._route

    @property
    def http_exception(self) -> HTTPException | None:
        """What the request will be answered with when no route was found."""
        return None

    @property
    def apps(self) -> tuple[Any, ...]:
        """The applications on the way, outermost first."""
        return tuple(self._apps)

    @property
    def current_app(self) -> Any:
        """The application that is handling the request now; it can be set to one of `apps`."""
        return self._current_app

    @current_app.setter
    def current_app(self, app: Any) -> None:
        if app not in self._apps:
            raise RuntimeError(f"Expected one of the following apps {self._apps!r}, got {app!r}")
        self._current_app = app

    def add_app(self, app: Any) -> None:
        """Put an application in front of those on the way.

        Raises:
            RuntimeError: the resolution is over.
        """
        if self._frozen:
            raise RuntimeError("Cannot change apps stack after .freeze() call")
        if self._current_app is None:
            self._current_app = app
        self._apps.insert(0, app)

    def freeze(self) -> None:
        """End the resolution."""
        self._frozen = True

    def __repr__(self) -> str:
        return f"<MatchInfo {super().__repr__()}: {self._route}>"


class MatchInfoError(UrlMappingMatchInfo):
    """What is found when nothing is found."""

    def __init__(self, http_exception: HTTPException) -> None:
        super().__init__({}, SystemRoute(http_exception))
        self._exception = http_exception

    @property
    def http_exception(self) -> HTTPException:
        """What the request will be answered with."""
        return self._exception

    def __repr__(self) -> str:
        return f"<MatchInfoError {self._exception.status}: {self._exception.reason}>"


class _View(Sized, Iterable[Any], Container[Any]):
    """A read-only view of resources or routes."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = list(items)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __contains__(self, item: object) -> bool:
        return item in self._items


class UrlDispatcher(Mapping[str, AbstractResource]):
    """The router of an application; also a mapping of its named resources.

    Resources are indexed by the literal segments they begin with, so that a lookup touches those
    under the segments of its path alone, longest first, and does not grow with their number.
    """

    def __init__(self) -> None:
        self._resources: list[AbstractResource] = []
        self._named: dict[str, AbstractResource] = {}
        self._index: dict[str, list[AbstractResource]] = {}
        self._longest = 0
        self._frozen = False

    def __getitem__(self, name: str) -> AbstractResource:
        return self._named[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    def __repr__(self) -> str:
        return f"<UrlDispatcher {len(self._resources)} resources>"

    # -- lookup

    async def resolve(self, request: Request) -> UrlMappingMatchInfo:
        """Find the route of a request.

        Paths are compared decoded, but for %2F and %25, which stay encoded; so does what is not
        UTF-8.

        Returns:
            what was found; for a request that nothing answers one whose handler raises 404, or
            405 when another method would be answered.
        """
        head = request._exchange.head
        path = split_target(head.target)[1]
        if "%" in path:
            path = request.rel_url.path_safe
        path = _strip_root(path, head.root_path)
        method = request.method
        allowed: set[str] = set()
        prefix = path
        if len(path) > self._longest:  # no resource is that deep: begin where one may be
            prefix = path[: self._longest + 1].rpartition("/")[0]
        while True:
            for resource in self._index.get(prefix, ()):
                values = resource.match(path)
                if values is not None:
                    route, methods = resource.find(method)
                    if route is not None:
                        return UrlMappingMatchInfo(values, route)
                    allowed |= methods
            if not prefix:
                break
            prefix = prefix.rpartition("/")[0]
        if allowed:
            return MatchInfoError(HTTPMethodNotAllowed(method, allowed))
        return MatchInfoError(HTTPNotFound())

    # -- registration

    def register_resource(self, resource: AbstractResource) -> None:
        """Add a resource.

        Raises:
            RuntimeError: the router is frozen.
            ValueError: its name is taken or not one.
        """
        if self._frozen:
            raise RuntimeError("Cannot register a resource into frozen router.")
        name = resource.name
        if name is not None:
            check_name(name)
            if name in self._named:
                raise ValueError(f"Duplicate {name!r}, already handled by {self._named[name]!r}")
            self._named[name] = resource
        self._resources.append(resource)
        key = resource.canonical
        if isinstance(resource, DynamicResource):
            key = resource.literal_prefix
        self._longest = max(self._longest, len(key))
        self._index.setdefault(key, []).append(resource)

    def add_resource(self, path: str, *, name: str | None = None) -> Resource:
        """Add a resource, or give the one added last if path and name are the same.

        Raises:
            ValueError: the path does not start with a slash.
        """
        if path and not path.startswith("/"):
            raise ValueError("path should be started with / or be empty")
        last = self._resources[-1] if self._resources else None
        resource: Resource
        if "{" in path or "}" in path:
            resource = DynamicResource(path, name=name)
        else:
            resource = PlainResource(path, name=name)
        if isinstance(last, Resource) and last.name == name and _is_same(last, resource):
            return last
        self.register_resource(resource)
        return resource

    def add_route(
        self,
        method: str,
        path: str,
        handler: Handler | type[AbstractView],
        *,
        name: str | None = None,
        expect_handler: ExpectHandler | None = None,
    ) -> AbstractRoute:
        """Add a handler for a method on a path."""
        resource = self.add_resource(path, name=name)
        return resource.add_route(method, handler, expect_handler=expect_handler)

    def add_get(
        self,
        path: str,
        handler: Handler,
        *,
        name: str | None = None,
        allow_head: bool = True,
        **kwargs: Any,
    ) -> AbstractRoute:
        """Add a handler for GET, and for HEAD unless `allow_head` is false."""
        resource = self.add_resource(path, name=name)
        if allow_head:
            resource.add_route(hdrs.METH_HEAD, handler, **kwargs)
        return resource.add_route(hdrs.METH_GET, handler, **kwargs)

    def add_head(self, path: str, handler: Handler, **kwargs: Any) -> AbstractRoute:
        """Add a handler for HEAD."""
        return self.add_route(hdrs.METH_HEAD, path, handler, **kwargs)

    def add_options(self, path: str, handler: Handler, **kwargs: Any) -> AbstractRoute:
        """Add a handler for OPTIONS."""
        return self.add_route(hdrs.METH_OPTIONS, path, handler, **kwargs)

    def add_post(self, path: str, handler: Handler, **kwargs: Any) -> AbstractRoute:
        """Add a handler for POST."""
        return self.add_route(hdrs.METH_POST, path, handler, **kwargs)

    def add_put(self, path: str, handler: Handler, **kwargs: Any) -> AbstractRoute:
        """Add a handler for PUT."""
        return self.add_route(hdrs.METH_PUT, path, handler, **kwargs)

    def add_patch(self, path: str, handler: Handler, **kwargs: Any) -> AbstractRoute:
        """Add a handler for PATCH."""
        return self.add_route(hdrs.METH_PATCH, path, handler, **kwargs)

    def add_delete(self, path: str, handler: Handler, **kwargs: Any) -> AbstractRoute:
        """Add a handler for DELETE."""
        return self.add_route(hdrs.METH_DELETE, path, handler, **kwargs)

    def add_view(self, path: str, handler: type[AbstractView], **kwargs: Any) -> AbstractRoute:
        """Add a view class for any method."""
        return self.add_route(hdrs.METH_ANY, path, handler, **kwargs)

    def add_routes(self, routes: Iterable[AbstractRouteDef]) -> list[AbstractRoute]:
        """Add routes from definitions; give what was added."""
        return [route for definition in routes for route in definition.register(self)]

    # -- views

    def resources(self) -> _View:
        """Give the resources."""
        return _View(self._resources)

    def routes(self) -> _View:
        """Give the routes of all resources."""
        return _View(route for resource in self._resources for route in resource)

    def named_resources(self) -> Mapping[str, AbstractResource]:
        """Give the resources that have a name."""
        return MappingProxyType(self._named)

    @property
    def frozen(self) -> bool:
        """Whether resources can no longer be added."""
        return self._frozen

    def freeze(self) -> None:
        """Accept no more resources."""
        self._frozen = True


def _is_same(one: Resource, other: Resource) -> bool:
    if isinstance(one, DynamicResource) and isinstance(other, DynamicResource):
        return one._pattern == other._pattern
    return type(one) is type(other) and one.canonical == other.canonical


def _strip_root(path: str, root_path: str) -> str:
    """Take a root path off at a segment boundary, if it is there: hosts that mount an application
    disagree on whether the path still holds it."""
    if root_path and path.startswith(root_path) and path[len(root_path) :][:1] in ("", "/"):
        return path[len(root_path) :] or "/"
    return path
