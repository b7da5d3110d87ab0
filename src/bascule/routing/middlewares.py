"""Middlewares: coroutine functions around handlers."""

import re
from collections.abc import Iterable
from functools import partial, update_wrapper
from typing import Any, TypeVar

from ..message.deprecation import warn_deprecated
from ..message.exceptions import HTTPMove, HTTPPermanentRedirect
from ..message.stream import StreamResponse
from ..wire.grammar import split_target
from .abstract import Handler, RequestMiddleware
from .routes import SystemRoute

__all__ = ["adapt", "chain", "middleware", "normalize_path_middleware"]

_FunctionT = TypeVar("_FunctionT")
_SLASHES = re.compile("//+")


def middleware(f: _FunctionT) -> _FunctionT:
    """Mark a coroutine function of request and handler as a middleware."""
    f.__middleware_version__ = 1  # type: ignore[attr-defined]  # the mark aiohttp's users know
    return f


def adapt(middleware: Any, app: Any) -> RequestMiddleware:  # Any: of either style
    """Accept a middleware of the old style, a factory of application and handler, with a warning.

    Such a factory is called for each request, as in aiohttp.
    """
    if getattr(middleware, "__middleware_version__", 0) == 1:
        new_style: RequestMiddleware = middleware
        return new_style
    warn_deprecated(f'old-style middleware "{middleware!r}" deprecated, see #2252')

    async def old_style(request: Any, handler: Handler) -> StreamResponse:
        inner: Handler = await middleware(app, handler)
        return await inner(request)

    return old_style


def chain(handler: Handler, middlewares: Iterable[RequestMiddleware]) -> Handler:
    """Put middlewares around a handler, the first of them outermost.

    Each wrapper keeps the attributes of the handler, so that decorations stay visible.
    """
    for each in reversed(list(middlewares)):
        wrapped: Any = each  # Any: the type of a middleware does not name its parameters
        handler = update_wrapper(partial(wrapped, handler=handler), handler)
    return handler


def normalize_path_middleware(
    *,
    append_slash: bool = True,
    remove_slash: bool = False,
    merge_slashes: bool = True,
    redirect_class: type[HTTPMove] = HTTPPermanentRedirect,
) -> RequestMiddleware:
    """Make a middleware that redirects a path which nothing answers to a like one that is answered.

    Paths are tried with their slashes merged, then with a slash added or removed at the end, then
    with both. The query is kept, and so are encoded slashes. No redirection leads to another host.

    Args:
        append_slash: try with a slash at the end.
        remove_slash: try without the slash at the end; not together with `append_slash`.
        merge_slashes: try with runs of slashes made one.
        redirect_class: what is raised.
    """
    if append_slash and remove_slash:
        raise AssertionError("Cannot both remove and append slash")

    @middleware
    async def normalize_path(request: Any, handler: Handler) -> StreamResponse:
        if isinstance(request.match_info.route, SystemRoute):
            _, path, query = split_target(request.raw_path)
            query = f"?{query}" if query else ""
            for candidate in _list_candidates(path, append_slash, remove_slash, merge_slashes):
                if await _is_answered(request, candidate):
                    raise redirect_class(candidate + query)
        return await handler(request)

    return normalize_path


def _list_candidates(path: str, append: bool, remove: bool, merge: bool) -> list[str]:
    merged = _SLASHES.sub("/", path)
    candidates = [merged] if merge else []
    if append and not path.endswith("/"):
        candidates += [f"{path}/", f"{merged}/"] if merge else [f"{path}/"]
    if remove and path.endswith("/"):
        candidates += [path[:-1], merged[:-1]] if merge else [path[:-1]]
    # Two slashes at the beginning would name a host.
    return ["/" + each.lstrip("/") for each in candidates if each.startswith("/")]


async def _is_answered(request: Any, path: str) -> bool:
    found = await request.app.router.resolve(request._copy(rel_url=path))
    return found.http_exception is None
