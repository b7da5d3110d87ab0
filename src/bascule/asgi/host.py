"""A host for others' ASGI applications: their scope, receive and send over an exchange."""

import logging
from collections.abc import Coroutine, Generator, Mapping
from types import CoroutineType, coroutine
from typing import Any, Final

from ..exchange import ClientConnectionResetError, Exchange, State, fail
from ..wire.handshake import BadHandshake
from .answering import log_error
from .host_call import HttpCall
from .host_socket import serve_socket_call
from .scope import Scope, scope_of_head, socket_scope_of_head
from .tls import describe_tls

__all__ = ["Host", "HttpCall"]

_UNFINISHED: Final = (State.OPEN, State.HELD, State.STARTED, State.SENDING)


class Host:
    """A responder that answers with an ASGI application.

    Args:
        application: of ASGI 3, or 2.
        state: what the application's lifespan put there; each request gets a shallow copy.
        logger: told of the application's errors.
    """

    def __init__(
        self,
        application: Any,  # Any: a callable of either ASGI shape
        *,
        state: Mapping[str, Any] | None = None,
        logger: logging.Logger,
    ) -> None:
        from asgiref.compatibility import guarantee_single_callable

        self._application = guarantee_single_callable(application)  # type: ignore[no-untyped-call]  # asgiref leaves it untyped
        self._state = state
        self._logger = logger

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one exchange.

        The application's own errors end here: 500 while its head has not left, else the
        connection is cut, so that the client can tell. An OSError that `send` raised since the
        client had left is no error.
        """
        if not exchange.head.is_plain and exchange.asks_for_websocket:
            await self._serve_socket(exchange)
            return
        call = HttpCall(exchange, self._logger)
        scope = self._make_scope(exchange)
        try:
            steps = self._application(scope, call.receive, call.send)
            if type(steps) is CoroutineType:
                await _run(steps, call)
            else:
                await steps
        except ClientConnectionResetError:
            return
        except Exception as exc:
            if call.refusal is None:
                log_error(exc, self._logger)
            await fail(exchange, call.refusal or exc)
            return
        finally:
            call.close()
        if call.refusal is not None:
            await fail(exchange, call.refusal)
        elif exchange._state in _UNFINISHED:
            started = call.is_started
            what = "completing its" if started else "a"
            is_over = call.is_dismissed or exchange.gone
            level = logging.DEBUG if is_over else logging.ERROR
            self._logger.log(level, "The ASGI application returned without %s response", what)
            await fail(exchange, RuntimeError("The response is not complete"))

    async def _serve_socket(self, exchange: Exchange) -> None:
        """Answer a request for a WebSocket; a malformed one does not reach the application."""
        try:
            exchange.check_handshake()
        except BadHandshake as exc:
            fields = [("Content-Type", "text/plain; charset=utf-8"), *exc.fields.items()]
            fields += exchange.default_fields
            await exchange.respond(400, "Bad Request", fields, str(exc).encode("utf-8"))
            return
        scope = socket_scope_of_head(
            exchange.head,
            client=exchange.extra("peername"),
            server=exchange.extra("sockname"),
            subprotocols=exchange.subprotocols,
            state=self._state,
            tls=describe_tls(exchange) if exchange.head.scheme == "https" else None,
        )
        await serve_socket_call(self._application, scope, exchange, self._logger)

    def _make_scope(self, exchange: Exchange) -> Scope:
        client, server = exchange.addresses
        head = exchange.head
        tls = describe_tls(exchange) if head.scheme == "https" else None
        return scope_of_head(head, client=client, server=server, state=self._state, tls=tls)


# Any: what a coroutine yields is between it and the event loop.
@coroutine
def _run(steps: Coroutine[Any, Any, None], call: HttpCall) -> Generator[Any, Any, None]:
    """Run an application as ``await`` does, and tell its call of each wait: what the call has held
    back leaves then. A callback of the event loop would cost each request a poll for input."""
    call.is_running = True
    try:
        waited = steps.send(None)
        while True:
            call.pause()
            try:
                given = yield waited
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as exc:  # a cancellation is the application's
                call.is_running = True
                waited = steps.throw(exc)
            else:
                call.is_running = True
                waited = steps.send(given)
    except StopIteration:
        return
