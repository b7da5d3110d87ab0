"""Calls of a host, over ASGI or granian's RSGI, answered by a native application."""

import logging
from asyncio import get_running_loop
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Protocol

from ..asgi.guest_call import Receive, Send
from ..asgi.guest_http import serve_http
from ..asgi.guest_socket import serve_websocket
from ..asgi.lifespan import serve_lifespan
from ..asgi.rsgi import serve_rsgi_http
from ..asgi.rsgi_scope import RsgiScope
from ..asgi.rsgi_socket import serve_rsgi_websocket
from ..exchange import Responder, fail
from ..routing.paths import root_path
from .access import make_access_logger
from .handling import Handler, Handling
from .life import Life, Living

__all__ = ["AsgiCalls", "Callee"]

_ACCESS_LOG_NAMES = ("access_log_class", "access_log_format")
_Serve = Callable[[Mapping[str, Any], Receive, Send, Responder], Awaitable[None]]
_SERVE: dict[str, _Serve] = {"http": serve_http, "websocket": serve_websocket}


class Callee(Handler, Living, Protocol):
    """What answers them: an application."""

    logger: logging.Logger
    _handler_args: dict[str, Any]
    _debug: bool | None


class AsgiCalls:
    """Answers the calls of ASGI hosts, one host after another.

    The application is started by the host's lifespan or, where there is none, by the first
    request.

    Args:
        app: that is called.
        life: of the application.
    """

    def __init__(self, app: Callee, life: Life) -> None:
        self._app = app
        self._life = life
        self._handling: Handling | None = None

    def answer(
        self, scope: Mapping[str, Any], receive: Receive, send: Send
    ) -> Coroutine[Any, Any, None]:
        """Answer one call, ``http``, ``websocket`` or ``lifespan``, when awaited.

        Raises:
            RuntimeError: the scope is of another type.
        """
        life = self._life
        loop = life._up_in
        if (
            scope["type"] == "http"
            and self._handling is not None
            and loop is not None
            and loop is get_running_loop()
            and not life._set_at_start
            and (scope.get("root_path") or "") == root_path.get()
        ):
            return serve_http(scope, receive, send, self._handling, loop)
        return self._answer(scope, receive, send)

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a call that is not the usual one."""
        kind = scope["type"]
        if kind == "lifespan":
            await serve_lifespan(receive, send, self._life)
        elif kind in _SERVE:
            await self._serve(_SERVE[kind], scope, receive, send)
        else:
            raise RuntimeError(f"ASGI scope type {kind!r} is not supported")

    async def _serve(
        self, serve: _Serve, scope: Mapping[str, Any], receive: Receive, send: Send
    ) -> None:
        if not self._life.is_running and (failing := await self._start_late()):
            await serve(scope, receive, send, failing)
            return
        self._life.enter_context()
        if self._handling is None:
            self._handling = self._make_handling()
        root = str(scope.get("root_path") or "").rstrip("/")
        if root == root_path.get():
            await serve(scope, receive, send, self._handling)
            return
        token = root_path.set(root)
        try:
            await serve(scope, receive, send, self._handling)
        finally:
            root_path.reset(token)

    def answer_rsgi(self, scope: RsgiScope, protocol: Any) -> Coroutine[Any, Any, None]:
        """Answer one call of granian over RSGI, ``http`` or ``ws``, when awaited.

        Args:
            scope: of the call.
            protocol: of the call; Any: its kind is told by the scope.
        """
        life = self._life
        loop = life._up_in
        if (
            scope.proto == "http"
            and self._handling is not None
            and loop is not None
            and loop is get_running_loop()
            and not life._set_at_start
        ):
            return serve_rsgi_http(scope, protocol, self._handling, loop)
        return self._answer_rsgi(scope, protocol)

    async def _answer_rsgi(self, scope: RsgiScope, protocol: Any) -> None:
        """Answer a call that is not the usual one."""
        serve: Any = serve_rsgi_websocket if scope.proto == "ws" else serve_rsgi_http
        if not self._life.is_running and (failing := await self._start_late()):
            await serve(scope, protocol, failing)
            return
        self._life.enter_context()
        if self._handling is None:
            self._handling = self._make_handling()
        await serve(scope, protocol, self._handling)

    async def _start_late(self) -> Responder | None:
        """Start the application for a request; give what says so where it does not start."""
        try:
            await self._life.start_lazily()
        except Exception as exc:
            self._app.logger.exception("The application failed to start")
            return partial(fail, cause=exc)
        return None

    def _make_handling(self) -> Handling:
        app = self._app
        args = app._handler_args
        log = {name: args[name] for name in _ACCESS_LOG_NAMES if name in args}
        return Handling(
            app,
            logger=args.get("logger", app.logger),
            # None unless asked for: hosts write logs of their own.
            access_logger=make_access_logger(args.get("access_log"), **log),
            debug=args.get("debug", app._debug),
            handler_cancellation=bool(args.get("handler_cancellation")),
            auto_decompress=bool(args.get("auto_decompress", True)),
            raise_errors=bool(args.get("raise_errors")),
        )
