"""Our application as a guest of an ASGI host: an exchange over its scope, receive and send."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..exchange import (
    AnswerHead,
    Bytes,
    ClientConnectionResetError,
    Exchange,
    Fields,
    Head,
    Responder,
    State,
)
from ..streams import EMPTY_PAYLOAD, StreamReader
from .scope import fact_of_scope, head_of_scope

__all__ = ["GuestExchange", "HostCall", "Receive", "Send", "Serve", "serve_http"]

# Any: messages are dicts whose values the specification types one by one.
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Serve = Callable[[Mapping[str, Any], Receive, Send, Responder], Awaitable[None]]

# Fields that belong to a connection, which is the host's (RFC 9110 section 7.6.1).
_HOP_BY_HOP = frozenset({"transfer-encoding", "keep-alive", "upgrade", "proxy-connection", "te"})


async def serve_http(
    scope: Mapping[str, Any], receive: Receive, send: Send, responder: Responder
) -> None:
    """Answer one ``http`` call of a host, in the host's own task.

    Raises:
        Exception: what aborted the answer after its head had left, so that the host cuts it.
    """
    exchange = GuestExchange(scope, receive, send)
    try:
        await responder(exchange)
        if exchange.state not in (State.ENDED, State.GONE):
            exchange.abort(RuntimeError("The responder left without an answer"))
    except ClientConnectionResetError:
        if not exchange.gone:
            raise
    finally:
        await exchange.settle()
    if exchange.aborted is not None:
        raise exchange.aborted


class HostCall(Exchange):
    """A call of an ASGI host, of either kind: what it tells, and what is said to it.

    Args:
        scope: of the call; never changed.
        body: of the request.
        receive: of the call.
        send: of the call.
    """

    __slots__ = ("_receive", "_scope", "_send")

    def __init__(
        self, scope: Mapping[str, Any], head: Head, body: StreamReader, receive: Receive, send: Send
    ) -> None:
        super().__init__(head, body)
        self._scope = scope
        self._receive = receive
        self._send = send

    def extra(self, name: str, default: Any = None) -> Any:
        """Give what the scope tells of the connection: ``peername``, ``sockname``, ``scope``."""
        return fact_of_scope(self._scope, name, default)

    async def _emit_inform(self, status: int, fields: list[tuple[str, str]]) -> None:
        """Do nothing: interim answers are the host's business."""

    async def _pass_on(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            ClientConnectionResetError: the host says that the client has left.
        """
        try:
            await self._send(message)
        except OSError as exc:
            self._client_left(exc)
            raise ClientConnectionResetError("Cannot write to closing transport") from exc

    def _client_left(self, exc: BaseException | None) -> None:
        cause = ClientConnectionResetError("Connection lost")
        cause.__cause__ = exc
        self.leave(cause)


class GuestExchange(HostCall):
    """One ``http`` call of an ASGI host.

    `receive` is awaited when the handler reads, not before: that is when hosts send 100 Continue,
    and how they stop a client whose body nobody takes. An answer that is streamed is watched for
    the client's leaving, since few hosts raise out of `send`.

    Attributes:
        aborted: why the host has to cut the answer, if it has to.
    """

    __slots__ = ("_pushing", "_watcher", "aborted")

    def __init__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        head = head_of_scope(scope)
        body = self._make_body(head.fields, head.version >= (2, 0))
        super().__init__(scope, head, body, receive, send)
        self._pushing: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.aborted: BaseException | None = None

    def _make_body(self, fields: Mapping[str, str], may_be_unannounced: bool) -> StreamReader:
        """Without length or coding there is no body in HTTP/1; later versions need neither."""
        length = fields.get("Content-Length")
        if length == "0" or (
            length is None and "Transfer-Encoding" not in fields and not may_be_unannounced
        ):
            return EMPTY_PAYLOAD
        return StreamReader(source=self)

    # -- the body's source

    def starved(self) -> Awaitable[None]:
        """Ask the host for the next piece of the body."""
        return self._pull()

    def drained(self) -> None:
        """Nothing to do: the host is asked only when something is wanted."""

    async def _pull(self) -> None:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._client_left(None)
            return
        self.body.feed_data(message.get("body") or b"")
        if not message.get("more_body"):
            self.body.feed_eof()

    # -- the hooks

    async def _emit(
        self, head: AnswerHead | None, data: Bytes, end: bool, trailers: Fields
    ) -> None:
        if self._pushing is not None:
            await asyncio.shield(self._pushing)
            self._pushing = None
        if not end:
            self._watch()
        try:
            if head is not None:
                await self._pass_on(_start_message(head, self.head.version < (2, 0)))
            if data or end or head is not None:
                await self._pass_on(
                    {"type": "http.response.body", "body": bytes(data), "more_body": not end}
                )
        except asyncio.CancelledError:
            # Whether the host has the message is not known: nothing can follow it.
            self.abort(RuntimeError("Sending to the host was cancelled"))
            raise
        self.bytes_sent += len(data)

    def _push(self, head: AnswerHead) -> None:
        """Send the head from a task, with an empty piece of body: some hosts keep a head back
        until they see one."""
        self._pushing = asyncio.get_running_loop().create_task(
            self._emit_pushed(head), name="bascule-push"
        )

    async def _emit_pushed(self, head: AnswerHead) -> None:
        try:
            await self._pass_on(_start_message(head, self.head.version < (2, 0)))
            await self._pass_on({"type": "http.response.body", "body": b"", "more_body": True})
            self._watch()
        except ClientConnectionResetError:
            pass  # the next write of the handler says so

    def _cut(self, cause: BaseException) -> None:
        if self.aborted is None and not isinstance(cause, ClientConnectionResetError):
            self.aborted = cause

    # -- the client's leaving

    def _watch(self) -> None:
        """Listen for the client's leaving while an answer is streamed, the body being read."""
        if self._watcher is None and not self.gone and self.body.is_eof():
            self._watcher = asyncio.get_running_loop().create_task(
                self._wait_for_disconnect(), name="bascule-watch"
            )

    async def _wait_for_disconnect(self) -> None:
        message = await self._receive()
        if message["type"] == "http.disconnect" and self.state is not State.ENDED:
            self._client_left(None)

    async def settle(self) -> None:
        """End what was begun beside the call."""
        tasks = [task for task in (self._watcher, self._pushing) if task is not None]
        for task in tasks:
            if task is self._watcher or self.state is State.GONE:
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for task, result in zip(tasks, results, strict=True):
            if task is self._pushing and isinstance(result, Exception):
                raise result


def _start_message(head: AnswerHead, is_http1: bool) -> dict[str, Any]:
    """Write a head as ``http.response.start``, without what is the host's to say."""
    headers = []
    for name, value in head.fields:
        low = name.lower()
        if low in _HOP_BY_HOP:
            continue
        if low == "connection" and not (is_http1 and head.close):
            continue
        headers.append((low.encode("ascii"), value.encode("utf-8", "surrogateescape")))
    return {"type": "http.response.start", "status": head.status, "headers": headers}
