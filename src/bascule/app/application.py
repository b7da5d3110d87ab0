"""The application: its data, its routes, its signals, and how it answers a request."""

import logging
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from functools import partial
from types import TracebackType
from typing import Any, TypeVar, overload

from ..asgi.guest import Receive, Send, serve_http
from ..asgi.lifespan import serve_lifespan
from ..exchange import Exchange, fail
from ..message.keys import AppKey, BaseKey, warn_about_str
from ..message.request import Request
from ..message.stream import StreamResponse
from ..routing.dispatcher import UrlDispatcher, UrlMappingMatchInfo
from ..routing.middlewares import Middleware, chain
from ..routing.resources import AbstractRoute, Handler, ResourceRoute
from ..routing.tables import AbstractRouteDef
from ..wire import hdrs
from .handling import Handling
from .life import Life
from .signals import CleanupContext, FrozenList, Signal

__all__ = ["Application", "web_logger"]

_T = TypeVar("_T")
_U = TypeVar("_U")

web_logger = logging.getLogger("bascule.web")


class Application(MutableMapping[str | AppKey[Any], Any]):
    """A web application; also a mapping for its data, and an ASGI 3 application.

    Names and behaviour are those of ``aiohttp.web.Application``. Under an ASGI host it is
    started by the host's lifespan or, where there is none, by the first request.

    Args:
        logger: told of errors in handlers.
        middlewares: around every handler, the first outermost.
        handler_args: options of connections that win over the runner's.
        client_max_size: most bytes of a body that is read at once; 0 for no limit.
        client_max_fields: most fields of a form; 0 for no limit.
    """

    def __init__(
        self,
        *,
        logger: logging.Logger = web_logger,
        middlewares: Iterable[Middleware] = (),
        handler_args: Mapping[str, Any] | None = None,
        client_max_size: int = 1024**2,
        client_max_fields: int = 1000,
    ) -> None:
        self.logger = logger
        self._router = UrlDispatcher()
        self._middlewares: FrozenList[Middleware] = FrozenList(middlewares)
        self._handler_args = dict(handler_args or {})
        self._client_max_size = client_max_size
        self._client_max_fields = client_max_fields
        self._state: dict[str | AppKey[Any], Any] = {}
        self._frozen = False
        self._on_startup = Signal()
        self._on_shutdown = Signal()
        self._on_cleanup = Signal()
        self._on_response_prepare = Signal()
        self._cleanup_ctx = CleanupContext()
        self._chains: dict[AbstractRoute, Handler] = {}
        self._life = Life(self)
        self._guest_handling: Handling | None = None

    # -- the mapping

    @overload
    def __getitem__(self, key: AppKey[_T]) -> _T: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    def __getitem__(self, key: str | AppKey[Any]) -> Any:
        return self._state[key]

    @overload
    def __setitem__(self, key: AppKey[_T], value: _T) -> None: ...
    @overload
    def __setitem__(self, key: str, value: Any) -> None: ...
    def __setitem__(self, key: str | AppKey[Any], value: Any) -> None:
        if not isinstance(key, BaseKey):
            warn_about_str("AppKey")
        self._state[key] = value

    def __delitem__(self, key: str | AppKey[Any]) -> None:
        del self._state[key]

    def __len__(self) -> int:
        return len(self._state)

    def __iter__(self) -> Iterator[str | AppKey[Any]]:
        return iter(self._state)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<Application 0x{id(self):x}>"

    @overload  # type: ignore[override]  # a typed key gives a typed value
    def get(self, key: AppKey[_T], default: None = ...) -> _T | None: ...
    @overload
    def get(self, key: AppKey[_T], default: _U) -> _T | _U: ...
    @overload
    def get(self, key: str, default: Any = ...) -> Any: ...
    def get(self, key: str | AppKey[Any], default: Any = None) -> Any:
        """Look up what it holds, or give the default."""
        return self._state.get(key, default)

    # -- its parts

    @property
    def router(self) -> UrlDispatcher:
        """The router."""
        return self._router

    @property
    def middlewares(self) -> FrozenList[Middleware]:
        """The middlewares, the first outermost."""
        return self._middlewares

    @property
    def on_startup(self) -> Signal:
        """Called with the application when it starts, after its contexts were entered."""
        return self._on_startup

    @property
    def on_shutdown(self) -> Signal:
        """Called with the application before its connections are closed."""
        return self._on_shutdown

    @property
    def on_cleanup(self) -> Signal:
        """Called with the application at its end, after its contexts were left."""
        return self._on_cleanup

    @property
    def on_response_prepare(self) -> Signal:
        """Called with request and response before the head of the response is decided."""
        return self._on_response_prepare

    @property
    def cleanup_ctx(self) -> CleanupContext:
        """Contexts around the application's life."""
        return self._cleanup_ctx

    @property
    def frozen(self) -> bool:
        """Whether it can no longer be changed."""
        return self._frozen

    def add_routes(self, routes: Iterable[AbstractRouteDef]) -> list[AbstractRoute]:
        """Add routes from definitions; give what was added."""
        return self._router.add_routes(routes)

    def freeze(self) -> None:
        """Let router, middlewares and signals be changed no more."""
        if not self._frozen:
            self._frozen = True
            self._router.freeze()
            self._middlewares.freeze()
            for signal in (
                self._on_startup,
                self._on_shutdown,
                self._on_cleanup,
                self._on_response_prepare,
                self._cleanup_ctx,
            ):
                signal.freeze()

    # -- its life

    async def startup(self) -> None:
        """Enter the contexts, then send `on_startup`."""
        await self._cleanup_ctx.enter(self)
        await self._on_startup.send(self)

    async def shutdown(self) -> None:
        """Send `on_shutdown`; connections are still open."""
        await self._on_shutdown.send(self)

    async def cleanup(self) -> None:
        """Leave the contexts, then send `on_cleanup`."""
        try:
            await self._cleanup_ctx.leave()
        finally:
            if self._on_cleanup.frozen:
                await self._on_cleanup.send(self)

    async def __aenter__(self) -> "Application":
        """Start it, for tests and for hosts without a lifespan."""
        await self._life.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Clean it up."""
        await self._life.stop()

    # -- a request

    def _make_request(self, exchange: Exchange) -> Request:
        return Request(
            exchange,
            client_max_size=self._client_max_size,
            client_max_fields=self._client_max_fields,
        )

    async def _handle(self, request: Request) -> StreamResponse:
        """Find the route of a request and call its handler, within the middlewares."""
        match_info = await self._router.resolve(request)
        match_info.add_app(self)
        match_info.freeze()
        request._match_info = match_info
        if self._on_response_prepare:
            request._prepare_hook = partial(self._on_response_prepare.send, request)
        if hdrs.EXPECT in request.headers:
            response = await match_info.expect_handler(request)
            if response is not None:
                return response
        return await self._chain(match_info)(request)

    def _chain(self, match_info: UrlMappingMatchInfo) -> Handler:
        """Give the handler within its middlewares; made on the first use of a route.

        What answers 404 and 405 is made for one request, so nothing of it is kept.
        """
        if not self._middlewares:
            return match_info.handler
        route = match_info.route
        if not isinstance(route, ResourceRoute):
            return chain(match_info.handler, self._middlewares)
        handler = self._chains.get(route)
        if handler is None:
            handler = self._chains[route] = chain(route.handler, self._middlewares)
        return handler

    # -- ASGI

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a call of an ASGI host: ``http`` and ``lifespan``.

        Raises:
            RuntimeError: the scope is of another type.
        """
        kind = scope["type"]
        if kind == "http":
            await self._serve_guest(scope, receive, send)
        elif kind == "lifespan":
            await serve_lifespan(receive, send, self._life)
        else:
            raise RuntimeError(f"ASGI scope type {kind!r} is not supported")

    async def _serve_guest(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if not self._life.is_running:
            try:
                await self._life.start_lazily()
            except Exception as exc:
                self.logger.exception("The application failed to start")
                await serve_http(scope, receive, send, partial(fail, cause=exc))
                return
        self._life.enter_context()
        if self._guest_handling is None:
            cancellation = bool(self._handler_args.get("handler_cancellation"))
            self._guest_handling = Handling(
                self, logger=self.logger, handler_cancellation=cancellation
            )
        await serve_http(scope, receive, send, self._guest_handling)
