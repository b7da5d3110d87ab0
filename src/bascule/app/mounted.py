"""What an application that is mounted in one of ours answers: an exchange over our request."""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from multidict import CIMultiDict

from ..channel import Channel, ChannelOptions
from ..exchange import (
    AnswerHead,
    Bytes,
    ClientConnectionResetError,
    Event,
    Exchange,
    Fields,
    Gone,
    Head,
    State,
)
from ..message.request import BaseRequest
from ..message.stream import StreamResponse
from ..streams import StreamReader
from ..wire import hdrs

__all__ = ["MountedExchange"]


class MountedExchange(Exchange):
    """One request of ours as an application inside sees it.

    Its answer is made a response of ours, which is prepared when the answer's head leaves: so what
    is sent on that occasion is sent, and the middlewares around see it. What the response cannot
    say, and all of a WebSocket, goes on to the exchange of the request.

    Args:
        request: ours.
        head: of the request, as the application inside is to see it.
        body: likewise.

    Attributes:
        response: of ours, once it is prepared.
    """

    __slots__ = ("_outer", "_pushing", "_request", "response")

    def __init__(self, request: BaseRequest, head: Head, body: StreamReader) -> None:
        super().__init__(head, body)
        self._request = request
        self._outer = request._exchange
        self._pushing: asyncio.Task[None] | None = None
        self._gone = self._outer.gone
        self.started_at = self._outer.started_at
        self.response: StreamResponse | None = None

    # -- what the exchange of the request knows

    def extra(self, name: str, default: Any = None) -> Any:
        """Look up a fact of the connection; a peer that a middleware has put in its place wins."""
        if name == "peername" and self._request._remote is not None:
            return (self._request._remote, 0)
        return self._outer.extra(name, default)

    @property
    def stopping(self) -> Gone:
        """Whether the server stops."""
        return self._outer.stopping

    @property
    def protocol(self) -> Any:
        """The protocol of the connection."""
        return self._outer.protocol

    @property
    def transport(self) -> Any:
        """The transport of the connection."""
        return self._outer.transport

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection may go on."""
        return self._outer.keeps_alive

    @property
    def default_fields(self) -> list[tuple[str, str]]:
        """Fields that the transport wants in an answer."""
        return self._outer.default_fields

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols that a client offers."""
        return self._outer.subprotocols

    @property
    def asks_for_websocket(self) -> bool:
        """Whether the request is for a WebSocket."""
        return self._outer.asks_for_websocket

    def check_handshake(self) -> None:
        """Find out whether the request asks for a WebSocket as it must."""
        self._outer.check_handshake()

    def propose(
        self, options: ChannelOptions, subprotocol: str | None = None
    ) -> list[tuple[str, str]]:
        """Give the fields that `accept` will send on its own account."""
        return self._outer.propose(options, subprotocol)

    def watch(self) -> None:
        """Listen for the client's leaving."""
        self._outer.watch()

    # -- the answer

    async def _emit(
        self, head: AnswerHead | None, data: Bytes, end: bool, trailers: Fields
    ) -> None:
        await self._wait_for_push()
        try:
            if head is not None:
                await self._open(head)
            response = cast("StreamResponse", self.response)  # the head came first
            if end:
                if trailers:
                    response.trailers.extend(trailers)
                await response.write_eof(data)
            elif data:
                await response.write(data)
            else:
                await self._outer.drain()
        except ClientConnectionResetError as exc:
            self.leave(exc)
            raise

    async def _open(self, head: AnswerHead) -> None:
        fields = (pair for pair in head.fields if pair[0].lower() != "transfer-encoding")
        response = _MountedResponse(head.status, head.reason, fields)
        if head.close:
            response.force_close()
        await response.prepare(self._request)
        self.response = response

    def _push(self, head: AnswerHead) -> None:
        self._pushing = asyncio.get_running_loop().create_task(
            self._open_pushed(head), name="bascule-push"
        )

    async def _open_pushed(self, head: AnswerHead) -> None:
        try:
            await self._open(head)
        except ClientConnectionResetError as exc:
            self.leave(exc)  # the next write says so

    async def _wait_for_push(self) -> None:
        if self._pushing is not None:
            await asyncio.shield(self._pushing)
            self._pushing = None

    async def _emit_inform(self, status: int, fields: list[tuple[str, str]]) -> None:
        await self._outer.inform(status, fields)

    def _can_send(self, file: Any, offset: int, count: int) -> bool:
        return True  # as far as the exchange of the request can

    async def _emit_file(
        self, head: AnswerHead | None, file: Any, offset: int, count: int
    ) -> int | None:
        await self._wait_for_push()
        if head is not None:
            await self._open(head)
        response = cast("StreamResponse", self.response)  # the head came first
        if response._is_encoding():  # its bytes have to pass the compressor
            return None
        return count if await self._outer.send_file(file, offset, count) else None

    def _cut(self, cause: BaseException) -> None:
        self._outer.abort(cause)

    async def settle(self) -> BaseException | None:
        """End what was begun beside the call, which is over: a head that was not sent is not.

        Returns:
            what the sending of the head has raised, if it has.
        """
        self.withdraw()
        pushing, self._pushing = self._pushing, None
        if pushing is None:
            return None
        if self._outer.state is State.OPEN:  # it waits for something still
            pushing.cancel()
        await asyncio.wait([pushing])
        return None if pushing.cancelled() else pushing.exception()

    # -- a WebSocket

    async def accept(
        self,
        fields: Fields = (),
        *,
        subprotocol: str | None = None,
        options: ChannelOptions = ChannelOptions(),  # noqa: B008  # it never changes
    ) -> Channel:
        """Take up the WebSocket by the exchange of the request."""
        self._check(Event.ACCEPT)
        response = _MountedSocket(101, "Switching Protocols", fields)
        channel = await response.open(self._request, subprotocol, options)
        self._move(Event.ACCEPT)
        self.status = 101
        self.response = response
        return channel


class _MountedResponse(StreamResponse):
    """An answer of an application inside; what it says of its content is left as it is."""

    def __init__(self, status: int, reason: str, fields: Iterable[tuple[str, str]]) -> None:
        super().__init__(status=status, reason=reason, headers=CIMultiDict(fields))

    def _default_content_type(self) -> None:
        """Leave the type unsaid where the application does."""


class _MountedSocket(_MountedResponse):
    """A WebSocket of an application inside; its messages are not ours to see."""

    async def open(
        self, request: BaseRequest, subprotocol: str | None, options: ChannelOptions
    ) -> Channel:
        exchange = request._exchange
        headers = self._headers
        headers.pop(hdrs.CONTENT_LENGTH, None)
        for name, value in exchange.propose(options, subprotocol):
            headers[name] = value
        for name, value in exchange.default_fields:
            headers.setdefault(name, value)
        self._keep_alive = False
        self._request = request
        self._exchange = exchange  # receivers of the signal see it as prepared
        try:
            if request._prepare_hook is not None:
                await request._prepare_hook(request, self)
            return await exchange.accept(headers.items(), subprotocol=subprotocol, options=options)
        except BaseException:
            self._exchange = None
            raise

    async def write(self, data: Bytes) -> None:
        """Refuse: a WebSocket has messages, no body.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("Cannot call .write() for websocket")

    async def write_eof(self, data: Bytes = b"") -> None:
        """Do nothing: the application inside has ended it."""
        self._ended = True
