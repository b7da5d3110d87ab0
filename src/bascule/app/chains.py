"""What stands around the handler of a route: built on its first use, then kept."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial, update_wrapper
from typing import Any, Protocol

from ..message.exceptions import HTTPGatewayTimeout
from ..message.request import BaseRequest
from ..message.stream import StreamResponse
from ..routing.abstract import AbstractMatchInfo, Handler, RequestMiddleware
from ..routing.match import UrlMappingMatchInfo
from ..routing.middlewares import chain
from ..routing.routes import AbstractRoute, SystemRoute
from .exception_handlers import ExceptionHandlers
from .signals import Signal

__all__ = ["Chain", "Chains"]


class _Layer(Protocol):
    """What an application puts around the handlers of its routes."""

    exception_handlers: ExceptionHandlers[Any]

    @property
    def on_response_prepare(self) -> Signal[Any, StreamResponse]: ...

    @property
    def _middleware_functions(self) -> tuple[RequestMiddleware, ...]: ...


@dataclass(frozen=True, slots=True)
class Chain:
    """The way of a request to a handler and of its response back.

    Attributes:
        apps: the applications on the way, outermost first.
        handler: the route's, within all that stands around it.
        signals: what is sent when its response is prepared, outermost first.
        client_max_size: the route's own limit, if it has one.
        only: the application, where it is the only one on the way.
        prepare_hook: sends the signals.
    """

    apps: list[Any]
    handler: Handler
    signals: tuple[Signal[Any, StreamResponse], ...]
    client_max_size: int | None
    only: Any
    prepare_hook: Callable[[Any, StreamResponse], Awaitable[None]] | None


class Chains:
    """The chains of an application's routes."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        # Of what refuses requests, by the applications on the way; those of routes are kept by the
        # routes, some of which live for one request only.
        self._kept: dict[tuple[Any, ...], Chain] = {}

    def enter(self, match_info: AbstractMatchInfo, app: Any) -> Chain:  # Any: an Application
        """End a resolution with the application that began it, and give the chain.

        Most requests go to a route of that application itself, whose chain is kept: then nothing
        is to be found out.
        """
        if type(match_info) is UrlMappingMatchInfo and not match_info._apps:
            kept: Chain | None = match_info._route._chain
            if kept is not None and kept.only is app:
                match_info._settle(app, kept.apps)
                return kept
        match_info.add_app(app)
        match_info.freeze()
        return self.find(match_info)

    def find(self, match_info: AbstractMatchInfo) -> Chain:
        """Give the chain for what a router has found.

        Those of routes are kept; requests that no route answers share one for each stack of
        applications.
        """
        if not isinstance(match_info, UrlMappingMatchInfo):
            return _build(match_info.handler, None, list(match_info.apps))
        route = match_info._route
        if isinstance(route, SystemRoute):
            return self._find_refusal(match_info.apps)
        kept: Chain | None = route._chain
        # The same route may be reached through one application or another.
        if kept is None or kept.apps != match_info._apps:
            kept = route._chain = _build(route.handler, route, list(match_info._apps))
        return kept

    def _find_refusal(self, apps: tuple[Any, ...]) -> Chain:
        kept = self._kept.get(apps)
        if kept is None:
            kept = self._kept[apps] = _build(_refuse, None, list(apps))
        return kept


async def _refuse(request: Any) -> StreamResponse:
    """Raise what the router has found instead of a route."""
    raise request._match_info.http_exception


def _build(handler: Handler, route: AbstractRoute | None, apps: list[Any]) -> Chain:
    if route is not None:
        handler = _surround(handler, route)
    layers: Iterable[_Layer] = reversed(apps)
    for layer in layers:
        handler = chain(handler, layer._middleware_functions)
        if layer.exception_handlers:
            handler = layer.exception_handlers.around(handler)
        if len(apps) > 1:
            handler = _within(layer, handler)
    signals = tuple(app.on_response_prepare for app in apps if app.on_response_prepare)
    limit = None if route is None else route.client_max_size
    hook = signals[0].send if len(signals) == 1 else partial(_send_all, signals)
    return Chain(apps, handler, signals, limit, apps[0] if len(apps) == 1 else None, hook)


async def _send_all(
    signals: Iterable[Signal[Any, StreamResponse]], request: Any, response: StreamResponse
) -> None:
    for signal in signals:
        await signal.send(request, response)


def _surround(handler: Handler, route: AbstractRoute) -> Handler:
    """Put around a handler what belongs to its route and its resource."""
    outer = () if route.resource is None else route.resource.middlewares
    handler = chain(handler, (*outer, *route.middlewares))
    if route.timeout is not None:
        handler = _limit_time(handler, route.timeout)
    return handler


def _limit_time(handler: Handler, seconds: float) -> Handler:
    async def limited(request: BaseRequest) -> StreamResponse:
        try:
            async with asyncio.timeout(seconds) as limit:
                return await handler(request)
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise HTTPGatewayTimeout from exc

    return update_wrapper(limited, handler)


def _within(app: Any, handler: Handler) -> Handler:
    """Let `request.app` be this application while its part of the chain runs."""

    async def enter(request: Any) -> StreamResponse:
        match_info = request._match_info
        outer = match_info._current_app
        match_info._current_app = app
        try:
            return await handler(request)
        finally:
            match_info._current_app = outer

    return update_wrapper(enter, handler)
