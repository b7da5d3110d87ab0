"""The table of resources, and the search for the route of a request."""

import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sized
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from ..message.exceptions import HTTPMethodNotAllowed, HTTPNotFound
from ..message.request import BaseRequest
from ..message.response_head import LooseHeaders
from ..wire import hdrs
from .abstract import (
    AbstractRouter,
    AbstractView,
    ExpectHandler,
    HandlerOf,
    RequestMiddleware,
)
from .index import Index
from .match import MatchInfoError, UrlMappingMatchInfo
from .paths import match_path
from .resources import (
    NAME_SPLIT,
    DynamicResource,
    PlainResource,
    Resource,
    check_name,
)
from .routes import AbstractResource, AbstractRoute
from .subapps import MatchedSubAppResource

if TYPE_CHECKING:
    from .tables import AbstractRouteDef

_RequestT = TypeVar("_RequestT", bound=BaseRequest)
# Of paths without variable parts; never changed.
_NO_VALUES: dict[str, str] = {}

__all__ = ["ResourcesView", "RoutesView", "UrlDispatcher"]


class ResourcesView(Sized, Iterable[AbstractResource], Container[AbstractResource]):
    """A read-only view of resources."""

    def __init__(self, resources: list[AbstractResource]) -> None:
        self._resources = resources

    def __len__(self) -> int:
        return len(self._resources)

    def __iter__(self) -> Iterator[AbstractResource]:
        return iter(self._resources)

    def __contains__(self, resource: object) -> bool:
        return resource in self._resources


class RoutesView(Sized, Iterable[AbstractRoute], Container[AbstractRoute]):
    """A read-only view of the routes of resources, as they were at the call."""

    def __init__(self, resources: list[AbstractResource]) -> None:
        self._routes = [route for resource in resources for route in resource]

    def __len__(self) -> int:
        return len(self._routes)

    def __iter__(self) -> Iterator[AbstractRoute]:
        return iter(self._routes)

    def __contains__(self, route: object) -> bool:
        return route in self._routes


class UrlDispatcher(AbstractRouter, Mapping[str, AbstractResource]):
    """The router of an application; also a mapping of its named resources.

    The resource with the longest literal prefix wins, of those with the same one the one that was
    registered first. Applications of domains come before everything else. A lookup does not grow
    with the number of resources, see `Index`.
    """

    NAME_SPLIT_RE = NAME_SPLIT

    def __init__(self) -> None:
        super().__init__()
        self._resources: list[AbstractResource] = []
        self._named_resources: dict[str, AbstractResource] = {}
        self._index = Index()
        self._matched_sub_app_resources: list[MatchedSubAppResource] = []

    def __getitem__(self, name: str) -> AbstractResource:
        return self._named_resources[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._named_resources)

    def __len__(self) -> int:
        return len(self._named_resources)

    def __contains__(self, name: object) -> bool:
        return name in self._named_resources

    def __repr__(self) -> str:
        return f"<UrlDispatcher {len(self._resources)} resources>"

    # -- lookup

    async def resolve(self, request: BaseRequest) -> UrlMappingMatchInfo:
        """Find the route of a request.

        Paths are compared decoded, but for %2F and %25, which stay encoded; so does what is not
        UTF-8.

        Returns:
            what was found; for a request that nothing answers one whose handler raises 404, or
            405 when another method would be answered.
        """
        head = request._head
        path = head.target
        if "?" in path:
            path = path.partition("?")[0]
        if not (self._matched_sub_app_resources or head.root_path):
            routes = self._index.direct.get(path)
            if routes is not None and (direct := routes.get(head.method)) is not None:
                return UrlMappingMatchInfo(_NO_VALUES, direct)
        allowed: set[str] = set()
        for domain in self._matched_sub_app_resources:
            found: Any  # Any: an AbstractMatchInfo; aiohttp promises the class that is usual
            found, _ = await domain.resolve(request)
            if found is not None:
                return found  # type: ignore[no-any-return]  # as above
        method = request.method
        if "%" in path or path[:1] != "/" or head.root_path:
            path = match_path(request)  # it is the path as it stands otherwise
        index = self._index
        buckets = index.buckets
        prefix = path if len(path) <= index.longest else index.start(path)
        while True:
            bucket = buckets.get(prefix)
            for _, resource, match in () if bucket is None else bucket.few or bucket.find(path):
                if match is None:
                    found, methods = await resource.resolve(request)
                    if found is not None:
                        return _name_methods(found, method, allowed)
                    allowed |= methods
                    continue
                values = match(path)
                if values is not None:
                    routes = resource._routes  # type: ignore[attr-defined]  # a Resource: it matches
                    route = routes.get(method) or routes.get(hdrs.METH_ANY)
                    if route is not None:
                        return UrlMappingMatchInfo(values, route)
                    allowed.update(routes)
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
        if not isinstance(resource, AbstractResource):
            raise AssertionError(
                f"Instance of AbstractResource class is required, got {resource!r}"
            )
        if self.frozen:
            raise RuntimeError("Cannot register a resource into frozen router.")
        name = resource.name
        if name is not None:
            check_name(name)
            if name in self._named_resources:
                raise ValueError(
                    f"Duplicate {name!r}, already handled by {self._named_resources[name]!r}"
                )
            self._named_resources[name] = resource
        self._resources.append(resource)
        if isinstance(resource, MatchedSubAppResource):
            self._matched_sub_app_resources.append(resource)
        else:
            self.index_resource(resource)

    def index_resource(self, resource: AbstractResource) -> None:
        """Let a resource be found by its paths."""
        self._index.add(resource)

    def unindex_resource(self, resource: AbstractResource) -> None:
        """Let a resource be found no more, so that its paths can be changed."""
        self._index.remove(resource)

    def add_resource(
        self, path: str, *, name: str | None = None, middlewares: Iterable[RequestMiddleware] = ()
    ) -> Resource:
        """Add a resource, or give the one added last if path and name are the same.

        Args:
            path: starts with a slash, or is empty; ``{name}`` and ``{name:regex}`` are variable.
            name: to find it by in the router.
            middlewares: around the handlers of its routes.

        Raises:
            ValueError: the path or the name is not one.
        """
        if path and not path.startswith("/"):
            raise ValueError("path should be started with / or be empty")
        resource = self._find_last(path, name)
        if resource is None:
            make = DynamicResource if "{" in path or "}" in path else PlainResource
            resource = make(path, name=name)
            self.register_resource(resource)
        resource.middlewares += tuple(middlewares)
        return resource

    def _find_last(self, path: str, name: str | None) -> Resource | None:
        """Give the resource added last, if it is the same."""
        last = self._resources[-1] if self._resources else None
        if isinstance(last, Resource) and last.name == name and last.raw_match(path):
            return last
        return None

    def add_route(
        self,
        method: str,
        path: str,
        handler: HandlerOf[_RequestT] | type[AbstractView[Any]],
        *,
        name: str | None = None,
        expect_handler: ExpectHandler | None = None,
        **options: Any,
    ) -> AbstractRoute:
        """Add a handler for a method on a path.

        Args:
            method: a token; ``*`` for any.
            path: see `add_resource`.
            handler: coroutine function of a request, or a view class.
            name: of the resource.
            expect_handler: called for requests with an Expect field.
            options: ``client_max_size``, ``timeout`` and ``middlewares`` of the route, see
                `AbstractRoute`.
        """
        resource = self.add_resource(path, name=name)
        return resource.add_route(method, handler, expect_handler=expect_handler, **options)

    def add_get(
        self,
        path: str,
        handler: HandlerOf[_RequestT],
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

    def add_head(self, path: str, handler: HandlerOf[_RequestT], **kwargs: Any) -> AbstractRoute:
        """Add a handler for HEAD."""
        return self.add_route(hdrs.METH_HEAD, path, handler, **kwargs)

    def add_options(self, path: str, handler: HandlerOf[_RequestT], **kwargs: Any) -> AbstractRoute:
        """Add a handler for OPTIONS."""
        return self.add_route(hdrs.METH_OPTIONS, path, handler, **kwargs)

    def add_post(self, path: str, handler: HandlerOf[_RequestT], **kwargs: Any) -> AbstractRoute:
        """Add a handler for POST."""
        return self.add_route(hdrs.METH_POST, path, handler, **kwargs)

    def add_put(self, path: str, handler: HandlerOf[_RequestT], **kwargs: Any) -> AbstractRoute:
        """Add a handler for PUT."""
        return self.add_route(hdrs.METH_PUT, path, handler, **kwargs)

    def add_patch(self, path: str, handler: HandlerOf[_RequestT], **kwargs: Any) -> AbstractRoute:
        """Add a handler for PATCH."""
        return self.add_route(hdrs.METH_PATCH, path, handler, **kwargs)

    def add_delete(self, path: str, handler: HandlerOf[_RequestT], **kwargs: Any) -> AbstractRoute:
        """Add a handler for DELETE."""
        return self.add_route(hdrs.METH_DELETE, path, handler, **kwargs)

    def add_view(self, path: str, handler: type[AbstractView[Any]], **kwargs: Any) -> AbstractRoute:
        """Add a view class for any method."""
        return self.add_route(hdrs.METH_ANY, path, handler, **kwargs)

    def add_static(
        self,
        prefix: str,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        expect_handler: ExpectHandler | None = None,
        chunk_size: int = 256 * 1024,
        show_index: bool = False,
        follow_symlinks: bool = False,
        append_version: bool = False,
        index: str | None = None,
        fallback: str | os.PathLike[str] | None = None,
        headers: LooseHeaders | None = None,
        max_age: int | None = None,
        max_ranges: int = 1,
        middlewares: Iterable[RequestMiddleware] = (),
    ) -> AbstractResource:
        """Add a directory whose files answer GET and HEAD below a prefix.

        Args:
            prefix: starts with a slash; one at its end is dropped.
            path: of the directory.
            name: to find it by in the router.
            expect_handler: see `StaticResource`, also for the options that follow.
            middlewares: around its handlers.

        Raises:
            ValueError: there is no such directory, or a bad option.
        """
        if not prefix.startswith("/"):
            raise AssertionError(prefix)
        from .static import StaticResource

        resource = StaticResource(
            prefix.removesuffix("/"),
            path,
            name=name,
            expect_handler=expect_handler,
            chunk_size=chunk_size,
            show_index=show_index,
            follow_symlinks=follow_symlinks,
            append_version=append_version,
            index=index,
            fallback=fallback,
            headers=headers,
            max_age=max_age,
            max_ranges=max_ranges,
        )
        resource.middlewares = tuple(middlewares)
        self.register_resource(resource)
        return resource

    def add_routes(self, routes: "Iterable[AbstractRouteDef]") -> list[AbstractRoute]:
        """Add routes from definitions; give what was added."""
        return [route for definition in routes for route in definition.register(self)]

    # -- views

    def resources(self) -> ResourcesView:
        """Give the resources."""
        return ResourcesView(self._resources)

    def routes(self) -> RoutesView:
        """Give the routes of all resources."""
        return RoutesView(self._resources)

    def named_resources(self) -> Mapping[str, AbstractResource]:
        """Give the resources that have a name."""
        return MappingProxyType(self._named_resources)

    def freeze(self) -> None:
        """Accept no more resources."""
        super().freeze()
        for resource in self._resources:
            resource.freeze()


def _name_methods(found: Any, method: str, allowed: set[str]) -> UrlMappingMatchInfo:
    """Name in a 405 of an application inside also the methods found before it: Allow lists those
    of the target, whoever answers them (RFC 9110 section 15.5.6)."""
    info: UrlMappingMatchInfo = found
    refusal = info.http_exception
    if not allowed or not isinstance(refusal, HTTPMethodNotAllowed):
        return info
    fuller = MatchInfoError(HTTPMethodNotAllowed(method, allowed | refusal.allowed_methods))
    for app in reversed(info.apps):
        fuller.add_app(app)
    return fuller
