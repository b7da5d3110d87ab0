"""An ASGI application inside one of ours: its calls, whose errors go on to the one around it."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from ..exchange import ClientConnectionResetError, Exchange, State
from .answering import log_error
from .host_call import HttpCall
from .host_socket import SocketCall
from .scope import Scope, scope_of_head, socket_scope_of_head
from .tls import describe_tls

__all__ = ["InnerApplication"]

# What a scope says of the request itself; the inner one says it anew.
_OF_THE_REQUEST: Final = frozenset(
    {
        "type",
        "asgi",
        "http_version",
        "method",
        "scheme",
        "path",
        "raw_path",
        "query_string",
        "root_path",
        "headers",
        "client",
        "server",
        "extensions",
        "subprotocols",
        "state",
    }
)
# Where routers of others keep their place: an outer one would be asked for the URLs of an inner.
_OF_ROUTERS: Final = frozenset({"app", "app_root_path", "endpoint", "path_params", "router"})


class InnerApplication:
    """An ASGI application that answers some of the requests of one of ours.

    Its errors are the caller's, as those of any handler, as long as another answer can be given
    or the connection has to be cut; behind that they are logged here.

    Args:
        application: of ASGI 3, or 2.
        logger: told of errors behind its answer.
    """

    def __init__(self, application: Any, *, logger: logging.Logger) -> None:
        from asgiref.compatibility import guarantee_single_callable

        self._application = guarantee_single_callable(application)  # type: ignore[no-untyped-call]  # asgiref leaves it untyped
        self._logger = logger

    async def answer(
        self, exchange: Exchange, outer: Exchange, state: Mapping[str, Any] | None
    ) -> None:
        """Answer a request; one for a WebSocket, whose handshake the caller has checked, too.

        Args:
            exchange: the request as the application is to see it, with its root path.
            outer: the exchange behind that one, whose state tells what can still be done.
            state: what the application's lifespan put there; None where it is not started.

        Raises:
            ClientConnectionResetError: the client has left before the answer was complete.
            RuntimeError: the application has returned before that.
            Exception: what the application has raised before that.
        """
        if exchange.asks_for_websocket:
            await self._answer_socket(exchange, outer, state)
        else:
            await self._answer_http(exchange, outer, state)

    async def _answer_http(
        self, exchange: Exchange, outer: Exchange, state: Mapping[str, Any] | None
    ) -> None:
        call = HttpCall(exchange, self._logger)
        scope = scope_of_head(
            exchange.head,
            client=exchange.extra("peername"),
            server=exchange.extra("sockname"),
            state=state,
            tls=describe_tls(exchange) if exchange.head.scheme == "https" else None,
        )
        try:
            await self._application(_let_through(exchange, scope), call.receive, call.send)
        except Exception as exc:
            _check_body(call, outer)
            if outer.state is not State.ENDED:
                raise
            log_error(exc, self._logger)
        else:
            _check_body(call, outer)
            _check_end(exchange, outer, is_dismissed=call.is_dismissed)
        finally:
            call.close()

    async def _answer_socket(
        self, exchange: Exchange, outer: Exchange, state: Mapping[str, Any] | None
    ) -> None:
        call = SocketCall(exchange)
        scope = socket_scope_of_head(
            exchange.head,
            client=exchange.extra("peername"),
            server=exchange.extra("sockname"),
            subprotocols=exchange.subprotocols,
            state=state,
            tls=describe_tls(exchange) if exchange.head.scheme == "https" else None,
        )
        try:
            await self._application(_let_through(exchange, scope), call.receive, call.send)
        except Exception as exc:
            if not call.is_accepted and outer.state is not State.ENDED:
                raise
            log_error(exc, self._logger)
            await call.fail(exc)
        else:
            if not call.is_accepted:
                _check_end(exchange, outer)
            await call.end()
        finally:
            call.close()


def _check_body(call: HttpCall, outer: Exchange) -> None:
    """See whether the body of the request was at fault, as long as that can be answered.

    Raises:
        RequestPayloadError: it was.
    """
    if call.refusal is not None and outer.state in (State.OPEN, State.HELD):
        raise call.refusal


def _check_end(exchange: Exchange, outer: Exchange, *, is_dismissed: bool = False) -> None:
    """See whether an application that has returned has answered.

    Args:
        exchange: the request as the application has seen it.
        outer: the exchange behind that one.
        is_dismissed: it was told to end, as the server stops.

    Raises:
        ClientConnectionResetError: it has not, and the client has left, or it was told to end.
        RuntimeError: it has not.
    """
    if outer.state is State.ENDED:
        return
    if outer.gone or is_dismissed:
        lost = ClientConnectionResetError("Connection lost")
        outer.abort(lost)
        raise lost
    what = "a" if exchange.state is State.OPEN else "completing its"
    raise RuntimeError(f"The ASGI application returned without {what} response")


def _let_through(exchange: Exchange, scope: Scope) -> Scope:
    """Keep what ASGI middlewares around the outer application have told, such as a session."""
    outer = exchange.extra("scope")
    if isinstance(outer, Mapping):
        for name, value in outer.items():
            if name not in _OF_THE_REQUEST and name not in _OF_ROUTERS:
                scope[name] = value
    return scope
