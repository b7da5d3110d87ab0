"""Calls of an ASGI host for requests, each answered in the host's own task."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from ..exchange import (
    AnswerHead,
    Bytes,
    ClientConnectionResetError,
    Exchange,
    Fields,
    Responder,
    State,
)
from ..streams import EMPTY_PAYLOAD
from .guest import BODILESS, DRAIN_TIME, GuestExchange
from .guest_call import Receive, Send, keep_from_host

__all__ = ["serve_http"]

# Bytes of an answer that some hosts do not take at once: HTTP/2's first window.
_WINDOW = 65535
# Members of an enum are slow to come by.
_ENDED, _GONE = State.ENDED, State.GONE


async def serve_http(
    scope: Mapping[str, Any],
    receive: Receive,
    send: Send,
    responder: Responder,
    loop: asyncio.AbstractEventLoop | None = None,
) -> None:
    """Answer one ``http`` call of a host, in the host's own task.

    Args:
        scope: of the call.
        receive: of the call.
        send: of the call.
        responder: answers it.
        loop: the running one, if it is at hand: to ask for it costs.

    Raises:
        Exception: what aborted the answer after its head had left, so that the host cuts it; or
            what the host is to be told of behind an answer.
    """
    if scope.get("http_version", "1.1")[0] == "1":
        exchange = GuestExchange(scope, receive, send, loop)
    else:
        exchange = _StreamExchange(scope, receive, send, loop)
        await exchange.look_for_body()
    try:
        try:
            await responder(exchange)
        except (Exception, asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as exc:
            await keep_from_host(exc, exchange)
        if exchange._state is not _ENDED and exchange._state is not _GONE:
            exchange.abort(RuntimeError("The responder left without an answer"))
        if exchange._pending:  # what was written before an error is on its way
            await exchange._emit_pending()
    except ClientConnectionResetError:
        if not exchange.gone:
            raise
    finally:
        if exchange._watcher is not None or exchange._pushing is not None:
            await exchange.settle()
    if exchange.aborted is not None:
        raise exchange.aborted


class _StreamExchange(GuestExchange):
    """One ``http`` call over a stream of HTTP/2 or 3, where a body need not be announced."""

    __slots__ = ()

    async def look_for_body(self) -> None:
        """Ask the host whether there is a body, where there should be none.

        Nothing is asked where the client waits for a 100, which the host would send for it.
        """
        fields = self.head.fields
        length = fields.get("Content-Length", "0" if self.head.method in BODILESS else None)
        if length == "0" and "Expect" not in fields:
            try:
                async with asyncio.timeout(DRAIN_TIME):
                    # The end may be a message of its own.
                    while not (self.body.is_eof() or self.body.total_bytes or self.gone):
                        await self._pull()
            except TimeoutError:
                return  # the client holds its end back, and may say something yet
            if self.body.is_eof() and not self.body.total_bytes:
                self.body = EMPTY_PAYLOAD

    def answer_plain(
        self, status: int, reason: str, content_type: str | None, body: bytes
    ) -> Awaitable[None] | None:
        """Answer as ever, but not in one go where the host may have to wait."""
        if len(body) > _WINDOW:
            return Exchange.answer_plain(self, status, reason, content_type, body)
        return super().answer_plain(status, reason, content_type, body)

    def answer_listed(
        self, status: int, reason: str, fields: list[tuple[str, str]], body: bytes
    ) -> Awaitable[None] | None:
        """Answer likewise."""
        if len(body) > _WINDOW:
            return Exchange.answer_listed(self, status, reason, fields, body)
        return super().answer_listed(status, reason, fields, body)

    async def _emit(
        self, head: AnswerHead | None, data: Bytes, end: bool, trailers: Fields
    ) -> None:
        """Send as ever, but listen for the client's leaving where the host may have to wait."""
        if len(data) > _WINDOW:
            self._watch()
        await super()._emit(head, data, end, trailers)
