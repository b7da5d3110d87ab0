"""The answer that opens a WebSocket.

Long, since opening, both directions and the close share its state.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import GenericAlias
from typing import Any, Final

from ..channel import Channel, ChannelOptions, ClientConnectionResetError
from ..exchange import Bytes, Exchange, NotSupported
from ..wire import hdrs
from ..wire.cookies import dump_morsel
from ..wire.frames import (
    CLOSED,
    MAX_CONTROL_SIZE,
    NO_CODE,
    WSCloseCode,
    WSMessage,
    WSMsgType,
    cut_reason,
    is_sendable_code,
)
from ..wire.handshake import BadHandshake, choose_subprotocol
from .exceptions import HTTPBadRequest
from .response_head import Answerable
from .stream import StreamResponse

__all__ = ["WSMessageTypeError", "WebSocketReady", "WebSocketResponse"]

_logger = logging.getLogger("bascule.websocket")

# Subprotocols of a client that the log tells of.
_MAX_TOLD: Final = 20
# Calls of receive() behind the end that are answered; a loop that misses the end stops there.
_MAX_CALLS_BEHIND_THE_END: Final = 4
# Codes that mean a close without one: what aiohttp shows for an empty close, and RFC 6455's own.
_NO_CODES = (0, NO_CODE)
_TEXT, _BINARY = WSMsgType.TEXT, WSMsgType.BINARY
_LAST = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED)


class WSMessageTypeError(TypeError):
    """The message that came is not of the type that was asked for."""


@dataclass(frozen=True)
class WebSocketReady:
    """What `WebSocketResponse.can_prepare` has found; true if a WebSocket can be opened.

    Attributes:
        ok: whether it can.
        protocol: the subprotocol that would be chosen, if any.
    """

    ok: bool
    protocol: str | None

    def __bool__(self) -> bool:
        return self.ok


class WebSocketResponse(StreamResponse):
    """A WebSocket, opened by `prepare`; the messages of the client come by `receive` or iteration.

    Names and behaviour are those of ``aiohttp.web.WebSocketResponse``. Under an ASGI host frames
    are the host's business: pings, heartbeat and compression are without effect there.

    Args:
        timeout: seconds that `close` waits for the client's close; an object with an attribute
            ``ws_close`` may stand for it.
        receive_timeout: seconds that `receive` waits; None or 0 for no limit.
        autoclose: answer the client's close.
        autoping: answer pings, and hide pings and pongs.
        heartbeat: seconds of silence after which the client is pinged; it is lost when nothing
            comes within half of that. None for never.
        protocols: subprotocols that are known.
        compress: let messages be compressed.
        max_msg_size: messages of so many bytes or more are refused; 0 for no limit.
        writer_limit: bytes that may be queued before sending waits.
        decode_text: give text as str; else as bytes, unchecked.
    """

    # ``WebSocketResponse[bool]`` is written where aiohttp's is generic in `decode_text`.
    __class_getitem__: Any = classmethod(GenericAlias)  # Any: as typing has it

    def __init__(
        self,
        *,
        timeout: Any = 10.0,  # Any: seconds, or an object of them as aiohttp's client takes
        receive_timeout: float | None = None,
        autoclose: bool = True,
        autoping: bool = True,
        heartbeat: float | None = None,
        protocols: Iterable[str] = (),
        compress: bool = True,
        max_msg_size: int = 4 * 1024 * 1024,
        writer_limit: int = 256 * 1024,
        decode_text: bool = True,
    ) -> None:
        super().__init__(status=101)
        self._timeout: float = getattr(timeout, "ws_close", timeout)
        self._receive_timeout: float | None = getattr(timeout, "ws_receive", receive_timeout)
        self._autoclose = autoclose
        self._protocols = tuple(protocols)
        self._options = ChannelOptions(
            max_size=max_msg_size,
            compress=bool(compress),
            write_limit=writer_limit,
            heartbeat=heartbeat,
            autoping=autoping,
            decode_text=decode_text,
        )
        self._compress: bool | int = compress
        self._protocol: str | None = None
        self._channel: Channel | None = None
        self._closing = False
        self._closed = False
        self._close_code: int | None = None
        self._exception: BaseException | None = None
        self._receiving = False
        self._close_done: asyncio.Future[None] | None = None
        self._calls_behind_the_end = 0

    # -- opening

    def can_prepare(self, request: Answerable) -> WebSocketReady:
        """Find out whether `prepare` would open a WebSocket for a request.

        Raises:
            RuntimeError: it is open already.
        """
        if self._channel is not None:
            raise RuntimeError("Already started")
        try:
            return WebSocketReady(True, self._shake_hands(request._exchange))
        except BadHandshake:
            return WebSocketReady(False, None)

    def _shake_hands(self, exchange: Exchange) -> str | None:
        """Check the handshake; give the subprotocol to agree on."""
        exchange.check_handshake()
        return choose_subprotocol(exchange.subprotocols, self._protocols)

    async def prepare(self, request: Answerable) -> Exchange:
        """Open the WebSocket; a second call does nothing.

        Returns:
            the exchange, which stands for aiohttp's writer.

        Raises:
            HTTPBadRequest: the request does not ask for a WebSocket as it must.
            ConnectionResetError: the client has left.
        """
        if self._exchange is not None:
            return self._exchange
        exchange = request._exchange
        try:
            protocol = self._shake_hands(exchange)
            if exchange.gone:
                raise ClientConnectionResetError("Connection lost")
            self._warn_about_protocols(request, exchange, protocol)
            await self._open(request, exchange, protocol)
        except BadHandshake as exc:
            raise HTTPBadRequest(text=str(exc), headers=exc.fields) from exc
        except NotSupported as exc:
            raise HTTPBadRequest(text=str(exc)) from exc
        return exchange

    def _warn_about_protocols(
        self, request: Answerable, exchange: Exchange, protocol: str | None
    ) -> None:
        if protocol is None and self._protocols and (offered := exchange.subprotocols):
            _logger.warning(
                "%s: Client protocols %.200s don’t overlap server-known ones %r",
                getattr(request, "remote", None),
                repr(offered[:_MAX_TOLD]),
                self._protocols,
            )

    async def _open(self, request: Answerable, exchange: Exchange, protocol: str | None) -> None:
        self._set_status(101, None)
        self._keep_alive = False
        headers = self._headers
        headers.pop(hdrs.CONTENT_LENGTH, None)
        for name, value in exchange.propose(self._options, protocol):
            headers[name] = value
        for morsel in (self._cookies or {}).values():
            headers.add(hdrs.SET_COOKIE, dump_morsel(morsel))
        for name, value in exchange.default_fields:
            headers.setdefault(name, value)
        self._request = request
        self._exchange = exchange  # receivers of the signal see it as prepared
        try:
            if request._prepare_hook is not None:
                await request._prepare_hook(request, self)
            self._channel = await exchange.accept(
                headers.items(), subprotocol=protocol, options=self._options
            )
        except BaseException:
            self._exchange = None
            raise
        self._protocol = protocol
        self._compress = self._channel.compress

    # -- what it is

    @property
    def prepared(self) -> bool:
        """Whether it was opened."""
        return self._channel is not None

    @property
    def closed(self) -> bool:
        """Whether it is closed, or a task is closing it."""
        return self._closed

    @property
    def close_code(self) -> int | None:
        """The code of the client's close, 0 where it had none; 1006 after a loss; None before."""
        return self._close_code

    @property
    def ws_protocol(self) -> str | None:
        """The subprotocol that was agreed on."""
        return self._protocol

    @property
    def compress(self) -> bool | int:
        """Window bits of compressed messages, 0 for none; before `prepare` what was asked for."""
        return self._compress

    def exception(self) -> BaseException | None:
        """Give what has ended it, if that was an error."""
        return self._exception

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Look up a fact of the connection, such as ``peername``; the default before `prepare`."""
        return default if self._exchange is None else self._exchange.extra(name, default)

    # -- sending

    async def send_str(self, data: str, compress: int | None = None) -> None:
        """Send a text message; waits while the client does not read.

        Args:
            data: what to send.
            compress: window bits for this message, 0 for none; None for what was agreed on.

        Raises:
            RuntimeError: before `prepare`.
            TypeError: it is not str.
            ConnectionResetError: it is closed.
        """
        channel = self._channel or self._opened()
        if not isinstance(data, str):
            raise TypeError(f"data argument must be str ({type(data)!r})")
        try:
            rest = channel.push(_TEXT, data, compress)
            if rest is not None:
                await rest
        except ClientConnectionResetError:
            data.encode("utf-8")  # what cannot be sent in any state is told first
            raise

    async def send_bytes(self, data: Bytes, compress: int | None = None) -> None:
        """Send a binary message; see `send_str`."""
        channel = self._channel or self._opened()
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data argument must be byte-ish ({type(data)!r})")
        rest = channel.push(_BINARY, data, compress)
        if rest is not None:
            await rest

    async def send_json(
        self, data: Any, compress: int | None = None, *, dumps: Callable[[Any], str] = json.dumps
    ) -> None:
        """Send a text message of JSON; see `send_str`."""
        await self.send_str(dumps(data), compress)

    async def send_json_bytes(
        self, data: Any, compress: int | None = None, *, dumps: Callable[[Any], bytes]
    ) -> None:
        """Send a binary message of JSON that was dumped as bytes; see `send_str`."""
        await self.send_bytes(dumps(data), compress)

    async def send_frame(
        self, message: bytes, opcode: WSMsgType, compress: int | None = None
    ) -> None:
        """Send a frame of any kind.

        Args:
            message: its payload.
            opcode: TEXT, BINARY, PING or PONG; CLOSE closes it with the code and the reason of the
                payload.
            compress: see `send_str`.

        Raises:
            ValueError: another opcode, or a control frame of more than 125 bytes.
        """
        channel = self._opened()
        _check_bytes(message)
        if opcode in (WSMsgType.PING, WSMsgType.PONG):
            await self._send_control(WSMsgType(opcode), message)
        elif opcode == WSMsgType.CLOSE:
            if self._closed:
                raise ClientConnectionResetError("Cannot write to closing transport")
            code = int.from_bytes(message[:2], "big") if len(message) > 1 else NO_CODE
            await self.close(code=code, message=message[2:])
        elif opcode in (WSMsgType.TEXT, WSMsgType.BINARY):
            await channel.send(WSMsgType(opcode), message, compress)
        else:
            raise ValueError(f"Not the opcode of a whole message: {opcode!r}")

    async def ping(self, message: bytes = b"") -> None:
        """Send a ping; under an ASGI host, which has its own, nothing.

        Raises:
            ValueError: more than 125 bytes.
        """
        await self._send_control(WSMsgType.PING, message)

    async def pong(self, message: bytes = b"") -> None:
        """Send a pong that nobody has asked for; see `ping`."""
        await self._send_control(WSMsgType.PONG, message)

    async def _send_control(self, kind: WSMsgType, message: bytes) -> None:
        channel = self._opened()
        _check_bytes(message)
        if len(message) > MAX_CONTROL_SIZE:
            raise ValueError(f"A ping or pong has at most 125 bytes, got {len(message)}")
        await channel.send(kind, message)

    def _opened(self) -> Channel:
        if self._channel is None:
            raise RuntimeError("Call .prepare() first")
        return self._channel

    # -- receiving

    async def receive(self, timeout: float | None = None) -> WSMessage:
        """Wait for the next message; a time-out or a cancellation loses none.

        Args:
            timeout: seconds; None or 0 for ``receive_timeout``.

        Returns:
            a message; CLOSE when the client closes; CLOSING when another task begins to close;
            CLOSED behind the end; ERROR when the client has broken the protocol or does not answer
            the pings of the heartbeat.

        Raises:
            RuntimeError: before `prepare`; while another task receives; the fifth time behind
                the end.
            TimeoutError: nothing came in time; the WebSocket stays open.
        """
        channel = self._channel or self._opened()
        if self._receiving:
            raise RuntimeError("Concurrent call to receive() is not allowed")
        if self._closed:
            return self._tell_closed()
        if self._closing:
            return WSMessage(WSMsgType.CLOSING, None, None)
        timeout = timeout or self._receive_timeout or None  # 0 is no limit, as in aiohttp
        self._receiving = True
        try:
            if timeout is not None:
                async with asyncio.timeout(timeout):
                    message = await channel.receive()
            elif (waiter := channel.listen()) is None:
                message = await channel.receive()
            else:  # what Channel.receive does, without its coroutine
                try:
                    given = await waiter
                except asyncio.CancelledError:
                    channel.leave(waiter)
                    raise
                message = given or await channel.receive()
        finally:
            self._receiving = False
        if message[0] > _BINARY:
            message = await self._take_note(message, channel)
        return message

    def _tell_closed(self) -> WSMessage:
        self._calls_behind_the_end += 1
        if self._calls_behind_the_end > _MAX_CALLS_BEHIND_THE_END:
            raise RuntimeError("WebSocket connection is closed.")
        return CLOSED

    async def _take_note(self, message: WSMessage, channel: Channel) -> WSMessage:
        """Act on what tells of the connection."""
        kind = message.type
        if kind is WSMsgType.CLOSE:
            self._closing = True
            self._close_code = _show_code(message.data)
            if self._autoclose:
                await self.close()
            return message._replace(data=self._close_code)
        if kind is WSMsgType.CLOSING and not self._closed:  # the server stops, and has said so
            self._end(WSCloseCode.GOING_AWAY, None)
        elif kind is WSMsgType.CLOSED:
            self._end(WSCloseCode.ABNORMAL_CLOSURE, channel.lost_by)
        elif kind is WSMsgType.ERROR:
            self._end(WSCloseCode.ABNORMAL_CLOSURE, message.data)
        return message

    async def receive_str(self, *, timeout: float | None = None) -> str:
        """Wait for a text message; with ``decode_text=False`` it is bytes.

        Raises:
            WSMessageTypeError: another kind came.
        """
        text: str = await self._receive_only(WSMsgType.TEXT, timeout)
        return text

    async def receive_bytes(self, *, timeout: float | None = None) -> bytes:
        """Wait for a binary message.

        Raises:
            WSMessageTypeError: another kind came.
        """
        data: bytes = await self._receive_only(WSMsgType.BINARY, timeout)
        return data

    async def receive_json(
        self, *, loads: Callable[[Any], Any] = json.loads, timeout: float | None = None
    ) -> Any:
        """Wait for a text message, and parse it as JSON."""
        return loads(await self.receive_str(timeout=timeout))

    async def _receive_only(self, kind: WSMsgType, timeout: float | None) -> Any:
        message = await self.receive(timeout)
        if message.type is not kind:
            raise WSMessageTypeError(
                f"Received message {message.type}:{message.data!r} is not WSMsgType.{kind.name}"
            )
        return message.data

    def __aiter__(self) -> "WebSocketResponse":
        return self

    async def __anext__(self) -> WSMessage:
        message = await self.receive()
        if message[0] > _BINARY and message[0] in _LAST:
            raise StopAsyncIteration
        return message

    # -- closing

    async def close(
        self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True
    ) -> bool:
        """Close it: send a close, then wait for the client's, within ``timeout`` seconds.

        What else comes meanwhile is thrown away. A task that receives gets CLOSING.

        Args:
            code: 1000 to 1014 or 3000 to 4999, but not those that RFC 6455 keeps off the wire; 0
                and 1005 send a close without a code, and 1006 drops the connection without a
                close. Any other drops it too, and `exception` tells why.
            message: the reason, UTF-8; cut at 123 bytes.
            drain: without effect; nothing is held back.

        Returns:
            False if it was closed already, or another task is at it.

        Raises:
            RuntimeError: before `prepare`.
        """
        channel = self._opened()
        if self._closed:
            return False
        self._closed = True
        self._close_done = asyncio.get_running_loop().create_future()
        try:
            await self._close(channel, code, message)
        finally:
            self._close_done.set_result(None)
        return True

    async def _close(self, channel: Channel, code: int, message: bytes) -> None:
        if self._receiving:
            channel.call_back()
        try:
            await self._send_close(channel, code, message)
            if self._close_code is None:
                async with asyncio.timeout(self._timeout):
                    await self._wait_for_close(channel)
            self._end(self._close_code, None)
        except asyncio.CancelledError:
            channel.drop(ClientConnectionResetError("The close was cancelled"))
            self._end(WSCloseCode.ABNORMAL_CLOSURE, None)
            raise
        except Exception as exc:  # a close has ended in any case; `exception` tells how
            channel.drop(exc)
            self._end(self._close_code or WSCloseCode.ABNORMAL_CLOSURE, exc)

    async def _send_close(self, channel: Channel, code: int, message: bytes | str) -> None:
        if code in _NO_CODES:
            code, message = NO_CODE, b""
        elif not is_sendable_code(code):
            if code == WSCloseCode.ABNORMAL_CLOSURE:
                raise ClientConnectionResetError("The connection was dropped by its handler")
            raise ValueError(f"Not the code of a close: {code!r}")
        reason = message.encode("utf-8") if isinstance(message, str) else bytes(message)
        await channel.close(int(code), cut_reason(reason))

    async def _wait_for_close(self, channel: Channel) -> None:
        """Receive up to the client's close.

        Raises:
            Exception: what came in place of it.
        """
        while self._receiving:  # noqa: ASYNC110  # a step or two: it was called back
            await asyncio.sleep(0)
        while self._close_code is None:
            message = await channel.receive()
            if message.type is WSMsgType.CLOSE:
                self._close_code = _show_code(message.data)
            if message.type is WSMsgType.ERROR:
                raise message.data
            if message.type is WSMsgType.CLOSED:
                raise channel.lost_by or ClientConnectionResetError("Connection lost")

    def _end(self, code: int | None, exception: BaseException | None) -> None:
        self._closed = True
        self._close_code = code
        if exception is not None:
            self._exception = exception

    async def write(self, data: Bytes) -> None:
        """Refuse: a WebSocket has messages, no body.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("Cannot call .write() for websocket")

    async def write_eof(self) -> None:  # type: ignore[override]  # there is no body, as in aiohttp
        """Close it, if it is open, at the end of its handler."""
        if self._ended:
            return
        if self._channel is None:
            raise RuntimeError("Response has not been started")
        if not await self.close() and self._close_done is not None:
            await asyncio.shield(self._close_done)  # another task is at it, within its time
        self._ended = True


def _check_bytes(message: object) -> None:
    if not isinstance(message, bytes | bytearray | memoryview):
        raise TypeError(f"message argument must be byte-ish ({type(message)!r})")


def _show_code(code: int) -> int:
    """Give the code of a close as aiohttp shows it: 0 where there was none."""
    return 0 if code == NO_CODE else code
