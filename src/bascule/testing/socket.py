"""The client's side of a WebSocket in memory, with the surface of aiohttp's client."""

import asyncio
import json as json_module
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import TracebackType
from typing import Any

from multidict import CIMultiDictProxy

from ..channel import ClientConnectionResetError
from ..message.websocket import WSMessageTypeError
from ..wire.frames import CLOSED, NO_CODE, WSCloseCode, WSMessage, WSMsgType, cut_reason
from .answers import Answer
from .channel import MemoryChannel
from .hosting import Call

__all__ = ["ClientSocket", "SocketContext"]

_LAST = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED)


class ClientSocket:
    """A WebSocket of an application, from its acceptance on, as `Client.ws_connect` gives it.

    A close of the application is answered at once, as are its pings.

    Args:
        call: the request that it was opened by.
        channel: its client's side.
        answer: the 101.
        timeout: seconds that a `receive` and the end of the handler are waited for; None for no
            limit.
        raises: what the application did not handle is raised at the end.
    """

    def __init__(
        self,
        call: Call,
        channel: MemoryChannel,
        answer: Answer,
        *,
        timeout: float | None,
        raises: bool,
    ) -> None:
        self._call = call
        self._channel = channel
        self._answer = answer
        self._timeout = timeout
        self._raises = raises
        self._closed = False

    # -- what it is

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """Fields of the acceptance."""
        return self._answer.headers

    @property
    def protocol(self) -> str | None:
        """The subprotocol that the application chose."""
        return self._channel.subprotocol

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._closed

    @property
    def close_code(self) -> int | None:
        """The code of the application's close, 0 where it had none; 1006 after a loss."""
        code = self._channel.close_code
        return 0 if code == NO_CODE else code

    @property
    def error(self) -> BaseException | None:
        """What the application raised, as far as is known now."""
        return self._answer.error

    # -- sending

    async def send_str(self, data: str) -> None:
        """Send a text message; waits while the application does not receive.

        Raises:
            ConnectionResetError: it is closed.
        """
        if not isinstance(data, str):
            raise TypeError(f"data argument must be str ({type(data)!r})")
        await self._channel.send(WSMsgType.TEXT, data)

    async def send_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message; see `send_str`."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data argument must be byte-ish ({type(data)!r})")
        await self._channel.send(WSMsgType.BINARY, data)

    async def send_json(
        self, data: Any, *, dumps: Callable[[Any], str] = json_module.dumps
    ) -> None:
        """Send a text message of JSON; see `send_str`."""
        await self.send_str(dumps(data))

    async def ping(self, message: bytes = b"") -> None:
        """Send a ping; the pong is not told of."""
        await self._channel.send(WSMsgType.PING, message)

    # -- receiving

    async def receive(self, timeout: float | None = None) -> WSMessage:
        """Wait for the next message.

        Args:
            timeout: seconds; that of the client when None.

        Returns:
            a message; CLOSE with code and reason; CLOSED behind the end, and after a loss.

        Raises:
            TimeoutError: nothing came in time.
        """
        if self._closed:
            return CLOSED
        limit = self._timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(limit):
                message = await self._channel.receive()
        except TimeoutError:
            raise TimeoutError(f"No message came within {limit} s") from None
        self._closed = message.type in _LAST
        if message.type is WSMsgType.CLOSE:
            return message._replace(data=self.close_code)
        return message

    async def receive_str(self, *, timeout: float | None = None) -> str:
        """Wait for a text message.

        Raises:
            TypeError: another kind came.
        """
        text: str = await self._receive_only(WSMsgType.TEXT, timeout)
        return text

    async def receive_bytes(self, *, timeout: float | None = None) -> bytes:
        """Wait for a binary message; see `receive_str`."""
        data: bytes = await self._receive_only(WSMsgType.BINARY, timeout)
        return data

    async def receive_json(
        self, *, loads: Callable[[str], Any] = json_module.loads, timeout: float | None = None
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

    def __aiter__(self) -> "ClientSocket":
        return self

    async def __anext__(self) -> WSMessage:
        message = await self.receive()
        if message.type in _LAST:
            raise StopAsyncIteration
        return message

    # -- its end

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"") -> bool:
        """Close it, and wait for the application's close; messages before that are thrown away.

        Returns:
            False if it was closed already.

        Raises:
            TimeoutError: the application did not close in time.
        """
        if self._closed:
            return False
        await self._channel.close(code, cut_reason(message))
        try:
            async with asyncio.timeout(self._timeout):
                while not self._closed:
                    await self.receive()
        except TimeoutError:
            raise TimeoutError(f"The application did not close within {self._timeout} s") from None
        return True

    def leave(self) -> None:
        """Leave without a close: the application sees a lost connection."""
        self._closed = True
        self._channel.drop(ClientConnectionResetError("The client has left"))
        self._call.leave()

    async def end(self) -> None:
        """Close it, and wait until the application is done with it.

        Raises:
            TimeoutError: it was not done in time, and was cancelled.
            Exception: what it raised, where that is raised to its client.
        """
        try:
            async with asyncio.timeout(self._timeout):
                await self.close()
                await self._call.ended()
        except TimeoutError:
            self._call.cancel()
            message = f"The application was not done with its WebSocket within {self._timeout} s"
            raise TimeoutError(message) from None
        finally:
            self.leave()
        exchange = self._call.exchange
        if exchange.interrupt is not None:
            raise exchange.interrupt
        if self._raises and exchange.error is not None:
            raise exchange.error


class SocketContext(Awaitable[ClientSocket]):
    """A request for a WebSocket: to be awaited, or entered, which ends it behind the block.

    Args:
        connecting: gives it.
    """

    def __init__(self, connecting: Coroutine[Any, Any, ClientSocket]) -> None:
        self._connecting = connecting
        self._socket: ClientSocket | None = None

    def __await__(self) -> Generator[Any, Any, ClientSocket]:
        return self._connecting.__await__()

    async def __aenter__(self) -> ClientSocket:
        """Open it.

        Raises:
            WSServerHandshakeError: the application refused.
        """
        self._socket = await self._connecting
        return self._socket

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it; behind an error of the block without waiting."""
        assert self._socket is not None  # set when it was entered
        if exc is None:
            await self._socket.end()
        else:
            self._socket.leave()
