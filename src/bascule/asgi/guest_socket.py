"""Our application as a guest of an ASGI host: an exchange and a channel over ``websocket``."""

import asyncio
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from ..channel import Channel, ChannelOptions, ChannelState, ClientConnectionResetError, Payload
from ..exchange import AnswerHead, Bytes, Event, Fields, Responder, State
from ..streams import EMPTY_PAYLOAD
from ..wire.frames import (
    NO_CODE,
    WebSocketError,
    WSCloseCode,
    WSMessage,
    WSMsgType,
    make_message,
)
from ..wire.head import check_fields
from .guest_call import HostCall, Receive, Send, contain
from .scope import head_of_scope

__all__ = ["GuestChannel", "GuestSocket", "serve_websocket"]

_logger = logging.getLogger("bascule.websocket")

_DENIAL = "websocket.http.response"
# Bytes of a denial that are gathered into one message: some hosts take no second one.
_DENIAL_SIZE = 64 * 1024
# Seconds behind our close in which messages of the client are thrown away.
_DRAIN = 1.0
# Fields of an acceptance that are the host's to say.
_HOSTS_OWN = frozenset({"connection", "upgrade", "date", "server", "content-length"})


async def serve_websocket(
    scope: Mapping[str, Any], receive: Receive, send: Send, responder: Responder
) -> None:
    """Answer one ``websocket`` call of a host, in the host's own task.

    A responder that fails behind the acceptance ends the WebSocket with 1011.

    Raises:
        Exception: what aborted the answer before its acceptance, so that the host refuses it; what
            the host raised at any close, so that it drops the connection itself.
    """
    exchange = GuestSocket(scope, receive, send)
    try:
        await contain(responder, exchange)
        if exchange.state in (State.OPEN, State.HELD, State.STARTED):
            exchange.abort(RuntimeError("The responder left without an answer"))
    except ClientConnectionResetError:
        if not exchange.gone:
            raise
    finally:
        await exchange.settle()
    if exchange.refusal is not None:
        raise exchange.refusal
    if exchange.aborted is not None and exchange.channel is None:
        raise exchange.aborted


class GuestSocket(HostCall):
    """One ``websocket`` call of an ASGI host.

    An ordinary answer refuses it: as it is where the host has ``websocket.http.response``, else
    with the 403 that a close before the acceptance means.

    Attributes:
        aborted: why the host has to cut it, if it has to.
        refusal: what the host raised when it was asked to close, whatever the code.
        channel: once it was accepted.
    """

    __slots__ = (
        "_connected",
        "_connecting",
        "_denial",
        "_denial_head",
        "_refusing",
        "aborted",
        "channel",
        "refusal",
    )

    def __init__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        super().__init__(scope, head_of_scope(scope), EMPTY_PAYLOAD, receive, send)
        self._connected = False
        self._connecting = asyncio.Lock()
        self._refusing: asyncio.Task[None] | None = None
        self._denial_head: AnswerHead | None = None
        self._denial = bytearray()
        self.aborted: BaseException | None = None
        self.refusal: Exception | None = None
        self.channel: GuestChannel | None = None

    # -- the handshake, which the host has checked

    @property
    def asks_for_websocket(self) -> bool:
        """Whether the request is for a WebSocket: the host has said so."""
        return True

    def check_handshake(self) -> None:
        """Do nothing: the host has done it."""

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols that a client offers."""
        return list(self._scope.get("subprotocols") or ()) or super().subprotocols

    async def accept(
        self,
        fields: Fields = (),
        *,
        subprotocol: str | None = None,
        options: ChannelOptions = ChannelOptions(),  # noqa: B008  # it never changes
    ) -> "GuestChannel":
        """Accept it; frames, their compression and heartbeats are the host's business."""
        pairs = list(fields)
        check_fields(pairs)
        if subprotocol is not None:
            check_fields([("Sec-WebSocket-Protocol", subprotocol)])
        await self._connect()
        self._move(Event.ACCEPT)
        self.status = 101
        headers = [
            (name.lower().encode("ascii"), value.encode("utf-8", "surrogateescape"))
            for name, value in pairs
            if name.lower() not in _HOSTS_OWN and not name.lower().startswith("sec-websocket-")
        ]
        await self._pass_on(
            {"type": "websocket.accept", "subprotocol": subprotocol, "headers": headers}
        )
        if options.heartbeat:
            _tell_of_pings()
        self.channel = GuestChannel(self, options, subprotocol=subprotocol)
        return self.channel

    async def _connect(self) -> None:
        """Receive the host's first message, which comes before ours."""
        async with self._connecting:
            if self._connected:
                return
            self._connected = True
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._client_left(None)
                raise ClientConnectionResetError("Connection lost")

    # -- a refusal

    async def _emit(
        self, head: AnswerHead | None, data: Bytes, end: bool, trailers: Fields
    ) -> None:
        if not end and self._refusing is None:
            self._begin_to_refuse()
        if not self._can_deny:
            if end and self._refusing is None:
                await self._connect()
                await self._pass_on({"type": "websocket.close"})
            return
        self._denial_head = head or self._denial_head
        self._denial += data
        self.bytes_sent += len(data)
        if end or len(self._denial) >= _DENIAL_SIZE:
            await self._connect()
            await self._send_denial(end)

    async def _send_denial(self, end: bool) -> None:
        head, self._denial_head = self._denial_head, None
        if head is not None:
            headers = [
                (name.lower().encode("ascii"), value.encode("utf-8", "surrogateescape"))
                for name, value in head.fields
                if name.lower() not in ("connection", "transfer-encoding")
            ]
            await self._pass_on(
                {"type": f"{_DENIAL}.start", "status": head.status, "headers": headers}
            )
        data, self._denial = bytes(self._denial), bytearray()
        await self._pass_on({"type": f"{_DENIAL}.body", "body": data, "more_body": not end})

    @property
    def _can_deny(self) -> bool:
        """Whether the host takes an ordinary answer for a refusal."""
        return _DENIAL in (self._scope.get("extensions") or {})

    def _push(self, head: AnswerHead) -> None:
        self._denial_head = head
        self._begin_to_refuse()

    def _begin_to_refuse(self) -> None:
        """The refusal is a stream, which may have no end of its own."""
        self._refusing = asyncio.get_running_loop().create_task(
            self._refuse_by_stream(), name="bascule-refuse"
        )

    async def _refuse_by_stream(self) -> None:
        """Refuse at once where nobody would see the stream; else watch for the client's leaving."""
        try:
            await self._connect()
            if not self._can_deny:
                await self._pass_on({"type": "websocket.close"})
                self._client_left(None)
            elif (await self._receive())["type"] == "websocket.disconnect":
                self._client_left(None)
        except ClientConnectionResetError:
            pass  # the next write of the handler says so

    # -- the end

    def _cut(self, cause: BaseException) -> None:
        if self.aborted is None and not isinstance(cause, ClientConnectionResetError):
            self.aborted = cause

    async def settle(self) -> None:
        """End what was begun beside the call, and the WebSocket if it is open."""
        if self._refusing is not None:
            if self._can_deny or self.state is State.GONE:
                self._refusing.cancel()
            await asyncio.wait([self._refusing])
        if self.channel is not None:
            await self.channel.settle(self.aborted)


class GuestChannel(Channel):
    """A WebSocket that a host keeps for us.

    The host is asked for a message when somebody waits for one and, once something was sent, as
    long as there is room for what comes. That call outlives a wait, so that a time-out or a
    cancellation loses nothing; it ends before a close, which some hosts hold back else.

    Args:
        exchange: what it comes from.
        options: how it is kept.
        subprotocol: what was agreed on.
    """

    def __init__(
        self, exchange: GuestSocket, options: ChannelOptions, *, subprotocol: str | None = None
    ) -> None:
        super().__init__(options, subprotocol=subprotocol)
        self._exchange = exchange
        self._pulling: asyncio.Task[None] | None = None
        # Something was sent: from now on the client's leaving is watched for, since not every host
        # tells of it when more is sent.
        self._watches = False

    # -- receiving

    def listen(self) -> "asyncio.Future[WSMessage | None] | None":
        """Begin to wait for a message, and ask the host for it."""
        waiter = super().listen()
        if waiter is not None:
            self._listen()
        return waiter

    def _listen(self) -> None:
        if self._pulling is None:
            self._pulling = asyncio.get_running_loop().create_task(
                self._pull(), name="bascule-pull"
            )

    async def _pull(self) -> None:
        try:
            message = await self._exchange._receive()
            if message["type"] == "websocket.receive":
                await self._take(message)
            elif message["type"] == "websocket.disconnect":
                self._disconnected(message)
        except Exception as exc:  # the host's own error: nothing comes any more
            self._lose(exc)
        finally:
            self._pulling = None
        wanted = self._watches or (bool(self._waiters) and not self._inbox)
        if wanted and self._is_expecting() and not self._is_full():
            self._listen()

    def _resume(self) -> None:
        if self._watches and self._is_expecting():
            self._listen()

    async def _take(self, message: Mapping[str, Any]) -> None:
        text: str | None = message.get("text")
        data: str | bytes = (message.get("bytes") or b"") if text is None else text
        limit = self.options.max_size
        if limit and _measure(data, limit) >= limit:
            error = WebSocketError(
                WSCloseCode.MESSAGE_TOO_BIG, f"Message size {len(data)} exceeds limit {limit}"
            )
            # The receiver is told behind the close: the call may end as soon as it is.
            await self._send_close(error.code, "")
            self._fail(error)
            return
        kind = WSMsgType.BINARY if text is None else WSMsgType.TEXT
        self._deliver(make_message(kind, data, self.options.decode_text))

    def _disconnected(self, message: Mapping[str, Any]) -> None:
        code = message.get("code") or NO_CODE
        if code == WSCloseCode.ABNORMAL_CLOSURE:
            self._exchange._client_left(None)
            self._lose(ClientConnectionResetError("Connection lost"))
        else:
            is_received = bool(self._waiters)
            self._deliver(WSMessage(WSMsgType.CLOSE, code, message.get("reason") or ""))
            if not is_received:  # else its receiver learns of the close before the connection ends
                self._exchange._client_left(None)

    # -- sending

    async def _emit(self, kind: WSMsgType, data: Payload, compress: int | None) -> None:
        if kind > WSMsgType.BINARY:
            _tell_of_pings()
            return
        if self._state is not ChannelState.OPEN:
            raise ClientConnectionResetError("Cannot write to closing transport")
        message: dict[str, Any] = {"type": "websocket.send"}
        if kind is WSMsgType.TEXT:
            message["text"] = data if isinstance(data, str) else bytes(data).decode("utf-8")
        else:
            message["bytes"] = data.encode("utf-8") if isinstance(data, str) else bytes(data)
        try:
            await self._exchange._pass_on_while_there(message)
        except ClientConnectionResetError as exc:
            self._lose(exc)
            raise
        self._exchange.bytes_sent += len(data)
        if not self._watches:
            self._watches = True
            if not self._is_full():
                self._listen()

    async def _emit_close(self, code: int, reason: bytes) -> None:
        """Send a close; the client's, for which the host waits, is taken if it comes soon."""
        if self._state is ChannelState.CLOSED:
            # The client's came first, and the host has answered it: the connection ends.
            asyncio.get_running_loop().call_soon(self._exchange._client_left, None)
            return
        await self._stop_pulling()
        sent = await self._send_close(code, reason.decode("utf-8"))
        await self._drain()
        self._close_came(WSMessage(WSMsgType.CLOSE, sent, ""))

    async def _drain(self) -> None:
        """Take what the client sent before it saw our close, for a moment: hosts whose queue is
        full of it would not come to the close."""
        try:
            async with asyncio.timeout(_DRAIN):
                while (await self._exchange._receive())["type"] != "websocket.disconnect":
                    pass
        except Exception:  # the time is over, or the host has nothing more to tell
            _logger.debug("A WebSocket was closed without the client's close", exc_info=True)

    async def _send_close(self, code: int, reason: str) -> int:
        """Send a close, with 1000 where the host refuses its code; give the code that was sent."""
        code = WSCloseCode.OK if code == NO_CODE else code
        # Hosts take messages of plain types only.
        message: dict[str, Any] = {"type": "websocket.close", "code": int(code)}
        if reason:
            message["reason"] = reason
        try:
            await self._exchange._pass_on(message)
        except ClientConnectionResetError:
            pass  # it is closed, one way or the other
        except Exception as exc:
            if code == WSCloseCode.OK:
                self._exchange.refusal = exc
                return code
            _logger.debug("The host refused the close code %s", code, exc_info=True)
            return await self._send_close(WSCloseCode.OK, "")
        return code

    def _push_close(self, code: int, reason: bytes) -> None:
        """Do nothing: the host has answered the client's close."""

    # -- the end

    def _cut(self, cause: BaseException) -> None:
        self._exchange.abort(cause)

    async def settle(self, cause: BaseException | None) -> None:
        """End what was begun, and close it if it is open: with 1011 behind an error."""
        await self._stop_pulling()
        is_open = self._state in (ChannelState.OPEN, ChannelState.CLOSING)
        if is_open or (cause is not None and self.lost_by is cause):
            code = WSCloseCode.OK if cause is None else WSCloseCode.INTERNAL_ERROR
            self._lose(cause or ClientConnectionResetError("The WebSocket was left open"))
            if not self._exchange.gone or cause is not None:
                await self._send_close(code, "")

    async def _stop_pulling(self) -> None:
        pulling = self._pulling
        if pulling is not None and pulling is not asyncio.current_task():
            pulling.cancel()
            await asyncio.wait([pulling])


def _measure(data: str | bytes, limit: int) -> int:
    """Give the size of a message in bytes, as far as it decides about the limit."""
    if isinstance(data, str) and not data.isascii() and len(data) * 4 >= limit:
        return len(data.encode("utf-8"))
    return len(data)


@cache  # said once
def _tell_of_pings() -> None:
    _logger.debug("Pings and heartbeats are without effect: they are the ASGI host's business")
