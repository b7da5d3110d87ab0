"""From an exchange to the answer of a native application: requests, error pages, access log."""

import asyncio
import logging
import traceback
import warnings
from collections.abc import Awaitable
from time import monotonic
from typing import Any, Protocol

from ..exchange import ClientConnectionResetError, Exchange, Responder, State
from ..message.exceptions import HTTPException
from ..message.malformed import is_of_peer
from ..message.request import BaseRequest
from ..message.response import Response
from ..message.stream import StreamResponse
from ..streams import PayloadTimeoutError, RequestPayloadError
from ..wire import hdrs
from ..wire.fields import show_text
from ..wire.grammar import BadRequest
from .access import AbstractAccessLogger, tell

__all__ = ["Handler", "Handling", "LoggedResponder"]


_OVER = (State.ENDED, State.GONE)
_UNDER_WAY = (State.STARTED, State.SENDING)
# Members by names of the module: to look one up in its class costs ten times as much (Python 3.11).
_OPEN = State.OPEN
_HELD = State.HELD
_STARTED = State.STARTED
_ENDED = State.ENDED
_SWITCHED = State.SWITCHED


class Handler(Protocol):
    """What answers requests: an application."""

    def _make_request(self, exchange: Exchange) -> BaseRequest: ...

    def _handle(self, request: Any) -> Awaitable[StreamResponse]: ...


class Handling:
    """The responder of a native application.

    Whatever a handler does, its exchange ends here: with its response, with an error page while
    the head has not left, or cut.

    Args:
        app: makes requests of exchanges, and answers them.
        logger: told of errors.
        access_logger: told of answers; None for none.
        debug: show tracebacks to clients; None for what the event loop says.
        handler_cancellation: cancel a handler whose client has left.
        auto_decompress: take content codings off the bodies of requests.
        raise_errors: errors of handlers that were answered 500 are raised to the host, too.
    """

    def __init__(
        self,
        app: Handler,
        *,
        logger: logging.Logger,
        access_logger: AbstractAccessLogger | None = None,
        debug: bool | None = None,
        handler_cancellation: bool = False,
        auto_decompress: bool = True,
        raise_errors: bool = False,
    ) -> None:
        self._app = app
        self._logger = logger
        self.access_logger = access_logger
        self.debug = asyncio.get_running_loop().get_debug() if debug is None else debug
        self.handler_cancellation = handler_cancellation
        self._auto_decompress = auto_decompress
        self._raise_errors = raise_errors
        self._is_simple = not handler_cancellation and auto_decompress and access_logger is None

    def __call__(self, exchange: Exchange) -> Awaitable[Any]:
        """Answer one exchange, when awaited."""
        if self._is_simple and exchange.task is not None:
            return self._answer(self._app._make_request(exchange), exchange)
        return self._answer_and_tell(exchange)

    async def _answer_and_tell(self, exchange: Exchange) -> None:
        """Answer in the task that awaits, with what was asked for besides: cancellation, an access
        log."""
        request = self._app._make_request(exchange)
        if not self._auto_decompress:
            request._auto_decompress = False
        response: StreamResponse | None = None
        if self.handler_cancellation:
            with _Cancellation(request.task, exchange):
                response = await self._answer(request, exchange)
        else:
            response = await self._answer(request, exchange)
        if self.access_logger is not None:
            if response is None:  # its handler was cancelled
                response = _Told(exchange, 499, "Client Closed Request")
            time = monotonic() - exchange.started_at
            left = tell(self.access_logger, request, response, time, self._logger)
            if left is not None:
                await left

    async def _answer(self, request: BaseRequest, exchange: Exchange) -> StreamResponse:
        """Run the handler and send its response to the end; give what is told of it in the log."""
        try:
            try:
                response = await self._app._handle(request)
            except Exception as exc:
                response = self._explain(exc, request, exchange)
            else:
                # Asked in this order since most are of that very class, and plain.
                if (
                    isinstance(response, Response)
                    and response._is_plain
                    and exchange._state is _OPEN
                ):
                    if request._prepare_hook is None:
                        left = response._send_plain(request, exchange)
                        if left is None:
                            return response
                        if left is not False:
                            try:
                                await left
                            except Exception as exc:
                                left = _fail(exc)
                                return await self._finish(request, response, exchange, left)
                            return response
                    elif response._is_sent_whole(exchange):
                        whole = response._send_whole(request, exchange)
                        return await self._finish(request, response, exchange, whole)
                elif isinstance(response, HTTPException):
                    _warn_about_returned()
                elif not isinstance(response, StreamResponse):
                    response = self._complain_about(response, exchange)
            if self._is_to_be_sent(response, exchange):
                response = await self._finish(request, response, exchange)
            else:
                await self._discard(response)
        finally:
            if request._post is not None:
                request._close_files()
        return response

    def _is_to_be_sent(self, response: StreamResponse, exchange: Exchange) -> bool:
        """Whether an answer is still owed; to a WebSocket that was lost, none is."""
        if exchange.state is _SWITCHED and isinstance(response, _Told):
            return False
        return exchange.state not in _OVER or response.prepared

    # -- the handler

    def _explain(self, exc: Exception, request: BaseRequest, exchange: Exchange) -> StreamResponse:
        """Make a response of what the application raised.

        An error behind a head that has left cuts the exchange; the response is for the log then.
        """
        if isinstance(exc, HTTPException):
            return exc
        if isinstance(exc, ClientConnectionResetError):
            self._logger.debug("Ignored premature client disconnection", exc_info=exc)
            if exchange.state in _UNDER_WAY:  # the transport is closing, and has not said so yet
                exchange.abort(exc)
            return _Told(exchange, 499, "Client Closed Request")
        if isinstance(exc, RequestPayloadError):
            status = 408 if isinstance(exc, PayloadTimeoutError) else 400
            if isinstance(exc.__cause__, BadRequest):  # as where it had come with the head
                status = exc.__cause__.status
            return Response(status=status, text=f"{status}: {exc}")
        if isinstance(exc, TimeoutError):
            self._logger.debug("Request handler timed out.", exc_info=exc)
            page = Response(status=504, content_type="text/plain")
            page.force_close()
            return page
        if is_of_peer(exc):
            self._logger.debug("Malformed request from %s", request.remote, exc_info=exc)
            page = Response(status=400, text="400: Malformed request")
        else:
            page = self._handle_error(request, exc)
        if exchange.state is not _ENDED:
            if exchange.withdraw():
                return page
            exchange.abort(exc)
        return _Told(exchange, page.status)

    # Any: what a handler returned by mistake
    def _complain_about(self, result: Any, exchange: Exchange) -> Response:
        try:
            if result is None:
                raise RuntimeError("Missing return statement on request handler")
            raise RuntimeError(f"Web-handler should return a response instance, got {result!r}")
        except RuntimeError as exc:
            self._logger.exception("%s", exc)
            if exchange.state not in _OVER and not exchange.withdraw():
                exchange.abort(exc)
                return _Told(exchange, 500)
        return Response(status=500, text="500: Internal Server Error")

    def make_error_page(
        self,
        request: BaseRequest,
        status: int,
        exc: BaseException | None,
        message: str | None = None,
    ) -> Response:
        """Log an error and make the page that tells of it.

        Args:
            request: that met the error.
            status: of the page.
            exc: the error; None for none.
            message: the whole text of a page that is not of status 500.
        """
        if status == 500:
            return self._handle_error(request, exc)
        self._logger.exception("Error handling request from %s", request.remote, exc_info=exc)
        response = Response(status=status, text=message)
        response.force_close()
        return response

    def _handle_error(self, request: BaseRequest, exc: BaseException | None) -> Response:
        """Log an error and make the page that tells of it, in the client's kind of text."""
        self._logger.exception("Error handling request from %s", request.remote, exc_info=exc)
        if self._raise_errors and exc is not None:
            request._exchange.fail(exc)
        trace = _format_trace(exc) if self.debug and exc else None
        title = "500 Internal Server Error"
        sentence = "Server got itself in trouble"
        if "text/html" in request.headers.get(hdrs.ACCEPT, ""):
            told = sentence
            if trace is not None:
                import html

                told = f"<h2>Traceback:</h2>\n<pre>{html.escape(trace)}</pre>"
            text = (
                f"<html><head><title>{title}</title></head><body>\n<h1>{title}</h1>"
                f"\n{told}\n</body></html>\n"
            )
            response = Response(status=500, text=text, content_type="text/html")
        else:
            response = Response(status=500, text=f"{title}\n\n{trace or sentence}")
        response.force_close()
        return response

    # -- the answer

    async def _finish(
        self,
        request: BaseRequest,
        response: StreamResponse,
        exchange: Exchange,
        left: Awaitable[None] | None = None,
    ) -> StreamResponse:
        """Send a response to its end, or what is left of that; give the one that was sent."""
        try:
            await (left or self._send(request, response, exchange))
        except ClientConnectionResetError:
            self._logger.debug("Ignored premature client disconnection", exc_info=True)
            exchange.abort(ClientConnectionResetError("Connection lost"))
        except Exception as exc:
            page = self._handle_error(request, exc)
            await self._discard(response)
            if not exchange.withdraw():
                exchange.abort(exc)
                return response
            await self._send_page(request, page, exchange)
            return page
        return response

    async def _send(
        self, request: BaseRequest, response: StreamResponse, exchange: Exchange
    ) -> None:
        if not response.prepared and exchange.state is not _OPEN:
            self._give_way(response, exchange)
        if isinstance(response, Response) and response._is_sent_whole(exchange):
            await response._send_whole(request, exchange)
            return
        await response.prepare(request)
        await response.write_eof()
        if exchange.state in (_OPEN, _HELD, _STARTED):
            raise RuntimeError(f"{response!r} was prepared for another request")

    async def _discard(self, response: StreamResponse) -> None:
        """Close what the body of a response holds that is not sent."""
        try:
            if isinstance(response, Response):
                await response._close_payloads()
        except Exception as exc:
            self._logger.exception("Error closing the body of %r", response, exc_info=exc)

    def _give_way(self, response: StreamResponse, exchange: Exchange) -> None:
        """Another answer was begun before this one: it is taken back, or cut where it has left."""
        if not exchange.withdraw():
            raise RuntimeError(f"{response!r} comes after the head of another response was sent")

    async def _send_page(self, request: BaseRequest, page: Response, exchange: Exchange) -> None:
        request._prepare_hook = None  # it may be what failed
        try:
            await page.prepare(request)
            await page.write_eof()
        except ClientConnectionResetError as exc:
            exchange.abort(exc)


async def _fail(exc: Exception) -> None:
    """Raise an error where it is awaited."""
    raise exc


def _warn_about_returned() -> None:
    warnings.warn(
        "returning HTTPException object is deprecated "
        "(#2415) and will be removed, "
        "please raise the exception instead",
        DeprecationWarning,
        stacklevel=3,
    )


def _format_trace(exc: BaseException) -> str:
    """Give a traceback as a page can show it: what is no text in it is escaped."""
    return show_text("".join(traceback.format_exception(exc)))


class _Cancellation:
    """Cancels a task while it is inside when the client leaves, and keeps that from going further:
    the task may be the host's own."""

    __slots__ = ("_cancelled", "_exchange", "_task")

    def __init__(self, task: "asyncio.Task[None]", exchange: Exchange) -> None:
        self._task = task
        self._exchange = exchange
        self._cancelled = False

    def __enter__(self) -> None:
        self._exchange.gone.then(self._cancel)
        self._exchange.watch()

    def __exit__(self, kind: Any, exc: BaseException | None, traceback: Any) -> bool:
        self._exchange.gone.forget(self._cancel)
        if not self._cancelled or not isinstance(exc, asyncio.CancelledError):
            return False
        self._task.uncancel()
        self._exchange.abort(ClientConnectionResetError("Connection lost"))
        return True

    def _cancel(self) -> None:
        if asyncio.current_task() is not self._task:  # which is told by its own read or write
            self._cancelled = True
            self._task.cancel()


class LoggedResponder:
    """A responder with an access log around it, for applications that are not native."""

    def __init__(
        self, responder: Responder, access_logger: AbstractAccessLogger, logger: logging.Logger
    ) -> None:
        self._responder = responder
        self._access_logger = access_logger
        self._logger = logger

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one exchange, and tell of it."""
        await self._responder(exchange)
        response = _Told(exchange, exchange.status or (499 if exchange.gone else 500))
        time = monotonic() - exchange.started_at
        left = tell(self._access_logger, BaseRequest(exchange), response, time, self._logger)
        if left is not None:
            await left


class _Told(Response):
    """What the access log shows of an answer that is not all of a response object's making."""

    def __init__(self, exchange: Exchange, status: int, reason: str | None = None) -> None:
        super().__init__(status=status, reason=reason)
        self._told = exchange

    @property
    def body_length(self) -> int:
        """Bytes sent, whatever they were."""
        return self._told.bytes_sent
