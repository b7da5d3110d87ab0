"""A WebSocket of an ASGI application that we host: its receive and send over a channel."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from enum import Enum
from typing import Any, Final

from ..channel import Channel, ChannelOptions, ChannelState, ClientConnectionResetError
from ..exchange import Exchange, State, fail
from ..wire.frames import NO_CODE, WSCloseCode, WSMessage, WSMsgType, cut_reason, is_sendable_code
from ..wire.handshake import check_subprotocol
from .answering import log_error, read_headers, send_answer, start_answer
from .scope import Scope

__all__ = ["SocketCall", "serve_socket_call"]

# As uvicorn bounds messages: applications that move over keep what they could receive.
_OPTIONS: Final = ChannelOptions(max_size=16 * 1024 * 1024 + 1, autoping=True, autoclose=True)


async def serve_socket_call(
    application: Any,  # Any: an ASGI 3 callable
    scope: Scope,
    exchange: Exchange,
    logger: logging.Logger,
) -> None:
    """Let an application answer a request for a WebSocket.

    Its errors end here: 500 before the acceptance, a close of 1011 behind it. An OSError that
    `send` raised since the client had left is no error.
    """
    call = SocketCall(exchange)
    try:
        await application(scope, call.receive, call.send)
    except ClientConnectionResetError:
        await call.end()
    except Exception as exc:
        log_error(exc, logger)
        await call.fail(exc)
    else:
        if call.phase is _Phase.CONNECTING:
            logger.error("The ASGI application returned without accepting or closing")
        await call.end()
    finally:
        call.close()


class _Phase(Enum):
    """What an application may send next.

    CONNECTING -> ACCEPTED | DENYING | CLOSED   it accepts, answers otherwise, or closes
    ACCEPTED   -> CLOSED                        it closes
    DENYING    -> CLOSED                        its answer is complete
    """

    CONNECTING = "accept, close or another answer"
    ACCEPTED = "messages"
    DENYING = "the body of the refusal"
    CLOSED = "nothing"


# Members by names of the module: to look one up in its class costs ten times as much (Python 3.11).
_TEXT: Final = WSMsgType.TEXT
_BINARY: Final = WSMsgType.BINARY
_ACCEPTED: Final = _Phase.ACCEPTED


class SocketCall:
    """One ``websocket`` call of an application, until it returns."""

    __slots__ = ("_channel", "_decided", "_disconnect", "_exchange", "_told", "phase")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._channel: Channel | None = None
        self._told = False
        # Set when the handshake was answered, or the client has left before that.
        self._decided = asyncio.Event()
        self._disconnect: dict[str, Any] | None = None
        self.phase = _Phase.CONNECTING
        exchange.gone.then(self._decided.set)

    def close(self) -> None:
        """Let a receive() that still waits in another task end."""
        self._decided.set()
        self._exchange.gone.forget(self._decided.set)

    @property
    def is_accepted(self) -> bool:
        """Whether the application has taken up the WebSocket, which may have ended since."""
        return self._channel is not None

    # -- receive

    async def receive(self) -> dict[str, Any]:
        """Give ``websocket.connect``, then messages once it is accepted, then the disconnect."""
        if not self._told:
            self._told = True
            return {"type": "websocket.connect"}
        if self._channel is None:
            await self._decided.wait()
        channel = self._channel
        if channel is None:
            return _disconnect(WSCloseCode.ABNORMAL_CLOSURE)
        while self._disconnect is None:
            message = await channel.receive()
            kind = message.type
            if kind is _TEXT:
                return {"type": "websocket.receive", "text": message.data, "bytes": None}
            if kind is _BINARY:
                return {"type": "websocket.receive", "text": None, "bytes": message.data}
            self._disconnect = self._disconnect or self._read_end(message, channel)
        return self._disconnect

    def _read_end(self, message: WSMessage, channel: Channel) -> dict[str, Any]:
        """Say how it has ended (ASGI WebSocket specification, Disconnect)."""
        if message.type is WSMsgType.CLOSE:
            return _disconnect(message.data, message.extra or "")
        if message.type is WSMsgType.ERROR:
            code = getattr(message.data, "code", WSCloseCode.ABNORMAL_CLOSURE)
            return _disconnect(code, str(message.data))
        if message.type is WSMsgType.CLOSING:  # the server stops
            return _disconnect(WSCloseCode.GOING_AWAY)
        return _disconnect(channel.close_code or WSCloseCode.ABNORMAL_CLOSURE)

    # -- send

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; returns when its data is in the send buffer.

        Raises:
            OSError: the client has left.
            ValueError: an unknown type of message, or contents that cannot be sent.
            RuntimeError: a message out of order.
        """
        kind = message["type"]
        if kind == "websocket.send" and self.phase is _ACCEPTED:  # as nearly all are
            rest = self._push(message)
            if rest is not None:
                await rest
            return
        allowed = _SENT_IN.get(kind)
        if allowed is None:
            raise ValueError(f"Unexpected ASGI message {kind!r}")
        if self.phase not in allowed:
            if self.phase is _Phase.CLOSED and self._exchange.gone:
                raise ClientConnectionResetError("Cannot write to closing transport")
            raise RuntimeError(f"Unexpected ASGI message {kind!r}: next is {self.phase.value}")
        if kind == "websocket.accept":
            await self._accept(message)
        elif kind == "websocket.close":
            await self._send_close(message)
        else:
            await self._deny(kind, message)

    async def _accept(self, message: Mapping[str, Any]) -> None:
        fields = read_headers(message.get("headers") or ())
        subprotocol = message.get("subprotocol") or None
        if subprotocol is not None:
            check_subprotocol(subprotocol)
        self._channel = await self._exchange.accept(
            fields, subprotocol=subprotocol, options=_OPTIONS
        )
        self.phase = _Phase.ACCEPTED
        self._decided.set()

    def _push(self, message: Mapping[str, Any]) -> Awaitable[None] | None:
        """Begin to send data; give what is to be awaited, if anything is."""
        text, data = message.get("text"), message.get("bytes")
        if (text is None) == (data is None):
            raise ValueError("websocket.send has exactly one of text and bytes")
        assert self._channel is not None  # the phase says so
        if text is not None:
            if not isinstance(text, str):
                raise TypeError(f"text must be str, got {type(text).__name__}")
            return self._channel.push(_TEXT, text)
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"bytes must be bytes, got {type(data).__name__}")
        return self._channel.push(_BINARY, data)

    async def _send_close(self, message: Mapping[str, Any]) -> None:
        channel = self._channel
        if channel is None:
            await self._refuse()
            return
        if channel.state is not ChannelState.OPEN:  # the client's close came first
            self.phase = _Phase.CLOSED
            return
        code, reason = message.get("code"), message.get("reason") or ""
        code = WSCloseCode.OK if code is None else code
        if code != NO_CODE and not is_sendable_code(code):
            raise ValueError(f"Not the code of a close: {code!r}")
        self.phase = _Phase.CLOSED
        if self._disconnect is None:
            self._disconnect = _disconnect(code, reason)
        channel.call_back()
        await channel.close(code, b"" if code == NO_CODE else cut_reason(reason.encode("utf-8")))

    async def _refuse(self) -> None:
        """A close before the acceptance means 403."""
        self.phase = _Phase.CLOSED
        await self._exchange.respond(403, "Forbidden", self._exchange.default_fields)
        self._decided.set()

    async def _deny(self, kind: str, message: Mapping[str, Any]) -> None:
        if kind == "websocket.http.response.start":
            start_answer(self._exchange, message)
            self.phase = _Phase.DENYING
        elif await send_answer(self._exchange, message):
            self.phase = _Phase.CLOSED
            self._decided.set()

    # -- the end

    async def end(self) -> None:
        """The application has returned: what it left open ends."""
        if self._channel is not None:
            await self._close_channel(self._channel, WSCloseCode.OK)
        elif self._exchange.state in (State.OPEN, State.HELD, State.STARTED):
            await fail(self._exchange, RuntimeError("The handshake was not answered"))

    async def fail(self, cause: Exception) -> None:
        """The application has failed."""
        if self._channel is not None:
            await self._close_channel(self._channel, WSCloseCode.INTERNAL_ERROR)
        else:
            await fail(self._exchange, cause)

    async def _close_channel(self, channel: Channel, code: int) -> None:
        if channel.state is ChannelState.OPEN:
            try:
                await channel.close(code)
            except ClientConnectionResetError:
                pass  # it has ended anyway


def _disconnect(code: int, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": int(code), "reason": reason}


_SENT_IN: Final = {
    "websocket.accept": (_Phase.CONNECTING,),
    "websocket.send": (_Phase.ACCEPTED,),
    "websocket.close": (_Phase.CONNECTING, _Phase.ACCEPTED),
    "websocket.http.response.start": (_Phase.CONNECTING,),
    "websocket.http.response.body": (_Phase.DENYING,),
}
