"""A host for others' ASGI applications: their scope, receive and send over an exchange."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from asgiref.compatibility import guarantee_single_callable

from ..exchange import ClientConnectionResetError, Exchange, State, fail
from ..streams import PayloadAccessError, RequestPayloadError
from ..wire.handshake import BadHandshake
from .answering import log_error, send_answer, start_answer
from .host_socket import serve_socket_call
from .scope import Scope, scope_of_head, socket_scope_of_head

__all__ = ["Host"]


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
        self._application = guarantee_single_callable(application)  # type: ignore[no-untyped-call]  # asgiref leaves it untyped
        self._state = state
        self._logger = logger

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one exchange.

        The application's own errors end here: 500 while its head has not left, else the
        connection is cut, so that the client can tell. An OSError that `send` raised since the
        client had left is no error.
        """
        if exchange.asks_for_websocket:
            await self._serve_socket(exchange)
            return
        call = _Call(exchange, self._logger)
        scope = self._make_scope(exchange)
        try:
            await self._application(scope, call.receive, call.send)
        except ClientConnectionResetError:
            return
        except Exception as exc:
            log_error(exc, self._logger)
            await fail(exchange, exc)
            return
        finally:
            call.close()
        if exchange.state in (State.OPEN, State.HELD, State.STARTED):
            started = exchange.state is not State.OPEN
            what = "completing its" if started else "a"
            self._logger.error("The ASGI application returned without %s response", what)
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
        )
        await serve_socket_call(self._application, scope, exchange, self._logger)

    def _make_scope(self, exchange: Exchange) -> Scope:
        return scope_of_head(
            exchange.head,
            client=exchange.extra("peername"),
            server=exchange.extra("sockname"),
            state=self._state,
        )


class _Call:
    """One call of an application: its receive and send, until it returns.

    The order of its messages is the exchange's own state; what the exchange would call an error
    is told here in the words of the ASGI specification.
    """

    __slots__ = ("_body_ended", "_exchange", "_logger", "_over")

    def __init__(self, exchange: Exchange, logger: logging.Logger) -> None:
        self._exchange = exchange
        self._logger = logger
        self._body_ended = False
        self._over = asyncio.Event()
        exchange.gone.then(self._over.set)

    def close(self) -> None:
        """Let a receive() that still waits in another task end."""
        self._over.set()
        self._exchange.gone.forget(self._over.set)

    async def receive(self) -> dict[str, Any]:
        """Give the next piece of the body; then wait for the client's leaving, or for the end of
        the response, and give ``http.disconnect``."""
        if not self._body_ended and self._exchange.state is not State.ENDED:
            body = self._exchange.body
            try:
                data = await body.readany()
                self._body_ended = body.at_eof()
                return {"type": "http.request", "body": data, "more_body": not self._body_ended}
            except (ConnectionError, RequestPayloadError, PayloadAccessError):
                return {"type": "http.disconnect"}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a piece of the response; returns when its data is in the send buffer.

        What comes behind a complete response is ignored.

        Raises:
            OSError: the client has left.
            ValueError: an unknown type of message, or fields that cannot be sent.
            RuntimeError: a message out of order.
        """
        kind = message["type"]
        if self._exchange.state is State.ENDED:
            self._logger.debug("%s behind the end of the response ignored", kind)
        elif kind == "http.response.start":
            self._start(message)
        elif kind == "http.response.body":
            await self._send_body(message)
        else:
            raise ValueError(f"Unexpected ASGI message {kind!r}")

    def _start(self, message: Mapping[str, Any]) -> None:
        if self._exchange.state in (State.HELD, State.STARTED):
            raise RuntimeError("http.response.start was sent before")
        start_answer(self._exchange, message)

    async def _send_body(self, message: Mapping[str, Any]) -> None:
        if self._exchange.state is State.OPEN:
            raise RuntimeError("http.response.body was sent before http.response.start")
        if await send_answer(self._exchange, message):
            self._over.set()
