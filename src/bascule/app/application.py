"""The application and its requests: its data, its routes, its signals, how it answers.

Long, since each knows the other by type, and all of the application that users call is one class.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, overload

from ..exchange import Exchange
from ..message.chainmap import ChainMapProxy
from ..message.decompression import MAX_INFLATION, check_inflation
from ..message.deprecation import warn_deprecated
from ..message.keys import AppKey, warn_about_str
from ..message.request import BaseRequest
from ..message.stream import StreamResponse
from ..routing.abstract import AbstractRouter, RequestMiddleware
from ..routing.dispatcher import UrlDispatcher
from ..routing.match import UrlMappingMatchInfo
from ..routing.middlewares import adapt
from ..routing.routes import AbstractRoute
from ..routing.subapps import Domain, MaskDomain, MatchedSubAppResource, PrefixedSubAppResource
from ..wire import hdrs
from .access import AbstractAccessLogger, AccessLogger
from .chains import Chains
from .exception_handlers import ExceptionHandlers
from .life import Life
from .mount_list import Mounts
from .protocol import Server
from .signals import CleanupContext, FrozenList, Signal, run_all

if TYPE_CHECKING:
    from ..asgi.guest_call import Receive, Send
    from ..asgi.rsgi_scope import RsgiScope
    from ..asgi.scope import Scope
    from ..routing.tables import AbstractRouteDef
    from .asgi_calls import AsgiCalls
    from .mounts import MountResource

__all__ = ["Application", "Handler", "Middleware", "Request", "web_logger"]

_T = TypeVar("_T")
_U = TypeVar("_U")
_ResourceT = TypeVar("_ResourceT", bound=PrefixedSubAppResource)

web_logger = logging.getLogger("bascule.web")
_NOT_GIVEN: Any = object()
# As asyncio decides about its own debug mode.
_DEBUG = sys.flags.dev_mode or (
    not sys.flags.ignore_environment and bool(os.environ.get("PYTHONASYNCIODEBUG"))
)
# Public names of applications and requests that are there to be set.
_SETTABLE = frozenset(
    {"client_max_size", "exception_handlers", "limit_streams", "logger", "max_inflation"}
)


class Request(BaseRequest):
    """A request that an application handles, with the route that was found for it."""

    __slots__ = ("_match_info",)

    _match_info: UrlMappingMatchInfo
    _scope: "Scope | None" = None

    if _DEBUG:

        def __setattr__(self, name: str, value: Any) -> None:
            if not name.startswith("_") and name not in _SETTABLE:
                warn_deprecated(f"Setting custom Request.{name} attribute is discouraged")
            super().__setattr__(name, value)

    @property
    def match_info(self) -> UrlMappingMatchInfo:
        """The values of the path's variable parts, and the route; a dict."""
        try:
            return self._match_info
        except AttributeError:  # in front of `Application._handle`, where nobody asks
            return cast("UrlMappingMatchInfo", None)

    @property
    def scope(self) -> "Scope":
        """The ASGI scope: the host's own, with its ``state`` and what ASGI middlewares have put
        there; where there is no host, one that tells the same, made when it is asked for."""
        if self._scope is None:
            from ..asgi.scope import scope_of_exchange

            self._scope = scope_of_exchange(self._exchange)
        return self._scope

    @property
    def app(self) -> "Application":
        """The application that is handling the request: in a middleware the one it belongs to."""
        app: Application = self.match_info.current_app
        return app

    @property
    def config_dict(self) -> ChainMapProxy:
        """The data of the application that is handling the request, then of those outside it."""
        apps = self.match_info.apps
        inside = apps.index(self.app)
        # A request made by hand may have any mapping for an application.
        states = [getattr(app, "_state", app) for app in reversed(apps[: inside + 1])]
        return ChainMapProxy(states)


Handler = Callable[[Request], Awaitable[StreamResponse]]


class Middleware(Protocol):
    """A coroutine function around handlers; the handler is given by that name, as in aiohttp."""

    def __call__(self, request: Request, /, handler: Handler) -> Awaitable[StreamResponse]:
        """Answer a request, perhaps by the handler."""


_AppSignal = Signal["Application"]


class Application(MutableMapping[str | AppKey[Any], Any]):
    """A web application; also a mapping for its data, and an ASGI 3 application.

    Names and behaviour are those of ``aiohttp.web.Application``. Under an ASGI host it is
    started by the host's lifespan or, where there is none, by the first request.

    Args:
        logger: told of errors in handlers.
        router: deprecated; finds out who answers.
        middlewares: around every handler, the first outermost.
        handler_args: options of connections that win over the runner's. Of these ``access_log``
            and its like, ``logger``, ``debug``, ``handler_cancellation`` and ``auto_decompress``
            count under ASGI hosts too; ``raise_errors`` counts there alone: errors of handlers are
            raised to the host behind their answer 500, as test clients of other frameworks expect.
        client_max_size: most bytes of a body that is read at once; 0 for no limit.
        client_max_fields: most fields of a form; 0 for no limit.
        limit_streams: `client_max_size` bounds also what is read of bodies as streams and by
            `multipart`; a handler may set ``request.limit_streams``.
        max_inflation: bytes that a body that comes compressed may become for each that has come,
            beyond its first MiB, where nothing else bounds what is read of it; 0 for any number.
            A handler may set ``request.max_inflation``.
        loop: deprecated, without effect.
        debug: deprecated; show tracebacks to clients.

    Attributes:
        exception_handlers: what answers exceptions, by class or by status.
    """

    def __init__(
        self,
        *,
        logger: logging.Logger = web_logger,
        router: UrlDispatcher | None = None,
        middlewares: Iterable[Middleware] = (),
        handler_args: Mapping[str, Any] | None = None,
        client_max_size: int = 1024**2,
        client_max_fields: int = 1000,
        loop: asyncio.AbstractEventLoop | None = None,
        debug: Any = _NOT_GIVEN,  # Any: as in aiohttp
        limit_streams: bool = False,
        max_inflation: int = MAX_INFLATION,
    ) -> None:
        if router is not None:
            warn_deprecated("router argument is deprecated")
            if not isinstance(router, AbstractRouter):
                raise AssertionError(router)
        if loop is not None:
            warn_deprecated("loop argument is deprecated")
        if debug is not _NOT_GIVEN:
            warn_deprecated("debug argument is deprecated")
        self.logger = logger
        self._router: UrlDispatcher = UrlDispatcher() if router is None else router
        self._loop = loop
        self._debug: bool | None = None if debug is _NOT_GIVEN else debug
        self._handler_args = dict(handler_args or {})
        self._client_max_size = client_max_size
        self._client_max_fields = client_max_fields
        self._limit_streams = limit_streams
        self._max_inflation = check_inflation(max_inflation)
        # Most applications have neither.
        self._guards_bodies = limit_streams or max_inflation != MAX_INFLATION
        self._state: dict[str | AppKey[Any], Any] = {}
        self._pre_frozen = self._frozen = self._is_starting = False
        self._subapps: list[Application] = []
        self._middlewares: FrozenList[Middleware] = FrozenList(middlewares or ())
        self._adapted: tuple[RequestMiddleware, ...] | None = None
        self.exception_handlers: ExceptionHandlers[Request] = ExceptionHandlers()
        self._chains = Chains()
        self._mounts = Mounts()
        self._make_signals()
        self._life = Life(self)
        self._asgi_calls: AsgiCalls | None = None

    def _make_signals(self) -> None:
        self._on_response_prepare: Signal[Request, StreamResponse] = Signal(self)
        self._on_startup: _AppSignal = Signal(self)
        self._on_shutdown: _AppSignal = Signal(self)
        self._on_cleanup: _AppSignal = Signal(self)
        self._cleanup_ctx: CleanupContext[Application] = CleanupContext()
        self._on_startup.append(self._cleanup_ctx._on_startup)
        self._on_cleanup.append(self._cleanup_ctx._on_cleanup)

    def __init_subclass__(cls) -> None:
        warn_deprecated(f"Inheritance class {cls.__name__} from web.Application is discouraged")

    if _DEBUG:

        def __setattr__(self, name: str, value: Any) -> None:
            if not name.startswith("_") and name not in _SETTABLE:
                warn_deprecated(f"Setting custom web.Application.{name} attribute is discouraged")
            super().__setattr__(name, value)

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
        self._warn_if_frozen()
        if not isinstance(key, AppKey):
            warn_about_str("AppKey")
        self._state[key] = value

    def __delitem__(self, key: str | AppKey[Any]) -> None:
        self._warn_if_frozen()
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

    def _warn_if_frozen(self) -> None:
        if self._frozen and not self._is_starting:  # it may be started a second time
            warn_deprecated("Changing state of started or joined application is deprecated")

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
    def on_startup(self) -> _AppSignal:
        """Called with the application when it starts, after its contexts were entered."""
        return self._on_startup

    @property
    def on_shutdown(self) -> _AppSignal:
        """Called with the application before its connections are closed."""
        return self._on_shutdown

    @property
    def on_cleanup(self) -> _AppSignal:
        """Called with the application at its end, after its contexts were left."""
        return self._on_cleanup

    @property
    def on_response_prepare(self) -> Signal[Request, StreamResponse]:
        """Called with request and response before the head of the response is decided; those of
        outer applications first."""
        return self._on_response_prepare

    @property
    def cleanup_ctx(self) -> "CleanupContext[Application]":
        """Contexts around the application's life."""
        return self._cleanup_ctx

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """Deprecated: the loop it was started in; None before."""
        warn_deprecated("loop property is deprecated")
        return self._loop

    @property
    def debug(self) -> bool | None:
        """Deprecated: whether tracebacks are shown to clients; None for what the loop says."""
        warn_deprecated("debug property is deprecated")
        return self._debug

    def _set_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._loop = loop or asyncio.get_running_loop()

    # -- routes and applications inside

    def add_routes(self, routes: "Iterable[AbstractRouteDef]") -> list[AbstractRoute]:
        """Add routes from definitions; give what was added."""
        return self._router.add_routes(routes)

    def add_subapp(self, prefix: str, subapp: "Application") -> PrefixedSubAppResource:
        """Let another application answer all paths below a prefix.

        Its start-up and clean-up become part of this one's; its routes, middlewares and signals
        can be changed no more.

        Raises:
            RuntimeError: either is frozen.
            TypeError: the prefix is not str, or `subapp` is not an application.
            ValueError: the prefix is empty.
        """
        prefix = _check_prefix(prefix)
        return self._add_subapp(partial(PrefixedSubAppResource, prefix), subapp)

    def add_domain(self, domain: str, subapp: "Application") -> MatchedSubAppResource:
        """Let another application answer all requests for a host; see `add_subapp`.

        Args:
            domain: a host, perhaps with a port, or a mask of hosts with ``*`` in it.
            subapp: what answers.
        """
        if not isinstance(domain, str):
            raise TypeError("Domain must be str")
        rule = MaskDomain(domain) if "*" in domain else Domain(domain)
        return self._add_subapp(partial(MatchedSubAppResource, rule), subapp)

    def mount(self, prefix: str, asgi_app: Any, *, name: str | None = None) -> "MountResource":
        """Let an ASGI application answer all paths below a prefix; see `bascule.wsgi` for others.

        Its lifespan begins behind `on_startup` and ends before the clean-up; middlewares and
        signals of this one stand around it. Resources with a longer prefix win over it, be they
        routes, applications inside or mounts, and what was added first where prefixes are the same;
        applications of domains come before. It has all methods, and answers 404 itself.

        Args:
            prefix: of the paths; the application finds it in its ``root_path``.
            asgi_app: of ASGI 3, or 2; one of ours is one too, see `add_subapp` for these.
            name: to find it by in the router.

        Raises:
            RuntimeError: this one is frozen.
            TypeError: the prefix is not str, or `asgi_app` is no ASGI application.
            ValueError: the prefix is empty; the name is taken or not one.
        """
        prefix = _check_prefix(prefix)
        if self._frozen:
            raise RuntimeError("Cannot mount an application in a frozen one")
        if asgi_app is self:
            raise RuntimeError("Cannot mount an application in itself")
        from .mounts import MountResource

        resource = MountResource(prefix, asgi_app, name=name, logger=self.logger)
        self._router.register_resource(resource)
        self._mounts.append(resource)
        return resource

    def _add_subapp(
        self, make_resource: "Callable[[Application], _ResourceT]", subapp: "Application"
    ) -> _ResourceT:
        if self._frozen:
            raise RuntimeError("Cannot add sub application to frozen application")
        if self._router.frozen:  # told before the other's paths are changed
            raise RuntimeError("Cannot register a resource into frozen router.")
        if not isinstance(subapp, Application):
            raise TypeError(f"Sub-application must be web.Application, got {subapp!r:.200}")
        if subapp._frozen:
            raise RuntimeError("Cannot add frozen application")
        if subapp is self:
            raise RuntimeError("Cannot add an application to itself")
        resource = make_resource(subapp)
        self._router.register_resource(resource)
        self._register_subapp_signals(subapp)
        self._subapps.append(subapp)
        subapp.pre_freeze()
        return resource

    def _register_subapp_signals(self, subapp: "Application") -> None:
        async def on_startup(app: Application) -> None:
            await subapp.startup()

        async def on_shutdown(app: Application) -> None:
            await subapp.shutdown()

        async def on_cleanup(app: Application) -> None:
            await subapp.cleanup()

        self._on_startup.append(on_startup)
        self._on_shutdown.append(on_shutdown)
        self._on_cleanup.append(on_cleanup)

    # -- freezing

    @property
    def pre_frozen(self) -> bool:
        """Whether its routes, middlewares and signals can no longer be changed."""
        return self._pre_frozen

    def pre_freeze(self) -> None:
        """Let router, middlewares and signals be changed no more, also of applications inside."""
        if self._pre_frozen:
            return
        self._pre_frozen = True
        self._router.freeze()
        self.exception_handlers.freeze()
        for part in (
            self._middlewares,
            self._on_response_prepare,
            self._cleanup_ctx,
            self._on_startup,
            self._on_shutdown,
            self._on_cleanup,
        ):
            part.freeze()
        self._adapted = tuple(adapt(each, self) for each in self._middlewares)
        for subapp in self._subapps:
            subapp.pre_freeze()

    @property
    def frozen(self) -> bool:
        """Whether it can no longer be changed, its data included."""
        return self._frozen

    def freeze(self) -> None:
        """Let it be changed no more; of its data only with a warning."""
        if self._frozen:
            return
        self.pre_freeze()
        self._frozen = True
        for subapp in self._subapps:
            subapp.freeze()

    @property
    def _middleware_functions(self) -> tuple[RequestMiddleware, ...]:
        if self._adapted is None:  # not frozen: a request in a test, or of an owner who patches
            return tuple(adapt(each, self) for each in self._middlewares)
        return self._adapted

    # -- its life

    def make_handler(
        self,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        access_log_class: type[AbstractAccessLogger] = AccessLogger,
        **kwargs: Any,
    ) -> Server:
        """Deprecated: freeze it and make a server for it; start-up and the rest are the caller's.

        Args:
            loop: without effect; the running loop is used.
            access_log_class: what writes the access log.
            kwargs: of `Server`; `handler_args` go before them.
        """
        warn_deprecated("Application.make_handler(...) is deprecated, use AppRunner API instead")
        self._set_loop(loop)
        self.freeze()
        options = {"access_log_class": access_log_class, "debug": self._debug, **kwargs}
        options |= self._handler_args
        options.pop("raise_errors", None)  # for hosts
        return Server(self._handle, request_factory=self._make_request, **options)

    async def startup(self) -> None:
        """Enter the contexts, then call the other receivers of `on_startup`; then start the
        applications that are mounted here.

        Until it has returned, routes can be added and receivers appended to other signals.
        """
        self._set_loop(None)
        self._is_starting = True
        try:
            await self._on_startup.send(self)
        finally:
            self._is_starting = False
        await self._mounts.startup()

    async def shutdown(self) -> None:
        """Send `on_shutdown`; connections are still open."""
        await self._on_shutdown.send(self)

    async def cleanup(self) -> None:
        """End the applications that are mounted here, leave the contexts, then call the other
        receivers of `on_cleanup`.

        Each has its turn, whatever those before it raise. After a start-up that failed the
        contexts that were entered are left, also in applications inside, and no more.

        Raises:
            BaseException: the error of one step, as it is.
            CleanupError: the errors of several.
        """
        if self._on_cleanup.frozen:
            receivers = [partial(receiver, self) for receiver in self._on_cleanup]
            await run_all([self._mounts.shutdown, *receivers])
        else:
            await self._leave_contexts()

    async def _leave_contexts(self) -> None:
        inside = [subapp._leave_contexts for subapp in self._subapps]
        contexts = partial(self._cleanup_ctx._on_cleanup, self)
        await run_all([self._mounts.shutdown, contexts, *inside])

    async def _start(self) -> None:
        """Start it up and freeze it; what begins its life calls this."""
        self._on_startup.freeze()
        await self.startup()
        self.freeze()

    async def __aenter__(self) -> "Application":
        """Start it, for tests and inside the lifespan of another application."""
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
        # Set behind it: a class that is called with keywords costs twice as much.
        request = Request(exchange)
        request._client_max_size = self._client_max_size
        request._client_max_fields = self._client_max_fields
        if self._guards_bodies:
            request._limit_streams = self._limit_streams
            request._max_inflation = self._max_inflation
        return request

    async def _handle(self, request: Request) -> StreamResponse:
        """Find the route of a request and call its handler, within all that stands around it."""
        request._match_info = match_info = await self._router.resolve(request)
        chain = self._chains.enter(match_info, self)
        if chain.signals:
            request._prepare_hook = chain.prepare_hook
        if chain.client_max_size is not None:
            request._client_max_size = chain.client_max_size
        if not request._head.is_plain and hdrs.EXPECT in request.headers:
            response = await match_info.expect_handler(request)
            if response is not None:
                return response
        return await chain.handler(request)

    # -- ASGI

    async def __call__(self, scope: Mapping[str, Any], receive: "Receive", send: "Send") -> None:
        """Answer a call of an ASGI host: ``http``, ``websocket`` and ``lifespan``.

        Raises:
            RuntimeError: the scope is of another type.
        """
        calls = self._asgi_calls or self._make_calls()
        await calls.answer(scope, receive, send)

    def _make_calls(self) -> "AsgiCalls":
        from .asgi_calls import AsgiCalls  # what hosts need is loaded when one calls

        self._asgi_calls = AsgiCalls(self, self._life)
        return self._asgi_calls

    # -- RSGI, granian's own interface

    async def __rsgi__(self, scope: "RsgiScope", protocol: Any) -> None:
        """Answer a call of granian, ``http`` or ``ws``.

        Args:
            scope: of the call.
            protocol: of the call; Any: granian has one for each kind.
        """
        calls = self._asgi_calls or self._make_calls()
        await calls.answer_rsgi(scope, protocol)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start it up, called by granian before any request comes.

        Within a program whose loop runs already, which is no place to wait, start-up is begun;
        requests wait for it.

        Raises:
            Exception: what start-up raised, which ends the worker.
        """
        self._life.start_in(loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Clean it up, called by granian behind the last request; begun only where the loop runs.

        Raises:
            Exception: what clean-up raised.
        """
        self._life.stop_in(loop)


def _check_prefix(prefix: str) -> str:
    if not isinstance(prefix, str):
        raise TypeError("Prefix must be str")
    prefix = prefix.rstrip("/")
    if not prefix:
        raise ValueError("Prefix cannot be empty")
    return prefix
