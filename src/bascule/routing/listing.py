"""The table of a router, as text for people."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from ..asgi.wsgi import WsgiBridge
from ..wire import hdrs
from .abstract import AbstractRouter, AbstractView
from .resources import DynamicResource
from .routes import AbstractResource, AbstractRoute
from .subapps import MatchedSubAppResource, PrefixedSubAppResource

__all__ = ["dump_routes"]

# Methods, path, name, handler, options.
_Row = tuple[str, str, str, str, str]

_TITLES: _Row = ("METHOD", "PATH", "NAME", "HANDLER", "OPTIONS")
_NO_NAME = "-"
_VARIABLE = re.compile(r"\{(\w+)\}")


def dump_routes(router: AbstractRouter) -> list[str]:
    """List the routes of an application and of those inside it, in order of registration.

    A line is one handler of one path, with its methods. Paths are whole, prefixes included;
    those of a domain have its host in front.

    Args:
        router: the application's.

    Returns:
        lines in aligned columns below a line of titles; of an application without routes one line
        that says so.

    Raises:
        TypeError: a router is one of the user's own that does not list its resources.
    """
    rows = list(_list_rows(router, ""))
    if not rows:
        return ["No routes."]
    table: list[tuple[str, ...]] = [_TITLES, *rows]
    if not any(options for *_, options in rows):
        table = [row[:-1] for row in table]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _list_rows(router: AbstractRouter, host: str) -> Iterator[_Row]:
    if not hasattr(router, "resources"):
        raise TypeError(f"the router {router!r:.200} does not list its resources")
    for resource in router.resources():
        if isinstance(resource, MatchedSubAppResource):
            info = resource.get_info()
            domain = info["rule"].get_info().get("domain", resource.canonical)
            inner_host = f"{host} & {domain}" if host else domain
            yield from _list_rows(info["app"].router, inner_host)
        elif isinstance(resource, PrefixedSubAppResource):
            yield from _list_rows(resource.get_info()["app"].router, host)
        else:
            yield from _list_resource(resource, host)


def _list_resource(resource: AbstractResource, host: str) -> Iterator[_Row]:
    info = resource.get_info()
    directory = info.get("directory")  # of static files
    mounted = info.get("asgi_app")  # of a mount
    path = _describe_path(resource)
    if directory is not None or mounted is not None:
        path = f"{path.rstrip('/')}/*"
    methods: dict[tuple[str, str], list[str]] = {}
    for route in resource:
        is_files = directory is not None and route.method in (hdrs.METH_GET, hdrs.METH_HEAD)
        handler = _describe(route.handler) if mounted is None else _describe_mounted(mounted)
        handler = f"files in {directory}" if is_files else handler
        methods.setdefault((handler, _describe_options(route, resource)), []).append(route.method)
    for (handler, options), names in methods.items():
        name = resource.name or _NO_NAME
        yield ", ".join(sorted(names)), host + path, name, handler, options


def _describe_path(resource: AbstractResource) -> str:
    """Give the path with its prefixes, and with the expressions of its variable parts."""
    path = resource.canonical or "/"
    if not isinstance(resource, DynamicResource):
        return path
    expressions = {}
    for part in resource._SPLIT.split(resource._orig_path):
        if (variable := resource.DYN_WITH_RE.fullmatch(part)) is not None:
            expressions[variable["var"]] = part
    return _VARIABLE.sub(lambda match: expressions.get(match[1], match[0]), path)


def _describe_options(route: AbstractRoute, resource: AbstractResource) -> str:
    options = []
    if route.timeout is not None:
        options.append(f"timeout={route.timeout!r}")
    if route.client_max_size is not None:
        options.append(f"client_max_size={route.client_max_size!r}")
    if middlewares := (*resource.middlewares, *route.middlewares):
        options.append(f"middlewares=[{', '.join(map(_describe, middlewares))}]")
    return ", ".join(options)


def _describe_mounted(app: Any) -> str:  # Any: an ASGI application of any kind
    if isinstance(app, WsgiBridge):
        return f"WSGI {_describe(app.application)}"
    return f"ASGI {_describe(app)}"


def _describe(function: Any) -> str:  # Any: whatever can be a handler or a middleware
    """Name a callable by its module and qualified name, without addresses and arguments."""
    if isinstance(function, partial):
        return f"partial({_describe(function.func)})"
    name = getattr(function, "__qualname__", None)
    if name is None:
        return f"{_describe(type(function))} object"
    text = f"{function.__module__}.{name}"
    if isinstance(function, type) and issubclass(function, AbstractView):
        methods = [each for each in sorted(hdrs.METH_ALL) if hasattr(function, each.lower())]
        text += f" ({', '.join(methods)})"
    return text
