"""A WebSocket from its handshake to its end, seen alike from every server, host and test.

An exchange that was accepted becomes a `Channel`: whole messages both ways, pings, and closes. What
the kinds of channel differ in is behind four hooks; the state is one table, here.
"""

import asyncio
from abc import ABC, abstractmethod
from asyncio import Future
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from .wire.frames import CLOSED, CLOSING, WSCloseCode, WSMessage, WSMsgType

__all__ = [
    "Channel",
    "ChannelOptions",
    "ChannelState",
    "ClientConnectionResetError",
    "Payload",
]

Payload = str | bytes | bytearray | memoryview

# Bytes of messages that wait to be received; reading pauses beyond it.
_INBOX_SIZE: Final = 128 * 1024
# What a message counts for besides its data, so that empty ones have a bound too.
_MESSAGE_COST: Final = 128


# Messages that may be taken without a step of the loop, so that a flood leaves others their turn.
_TAKEN_IN_A_ROW: Final = 64


class ClientConnectionResetError(ConnectionResetError):
    """The peer has left: nothing can be sent to it any more."""


@dataclass(frozen=True, slots=True)
class ChannelOptions:
    """How a WebSocket is kept.

    Attributes:
        max_size: messages of so many bytes or more are refused, inflated or not; 0 for no limit.
        compress: let messages be compressed, if the client offers it.
        write_limit: bytes that may be queued before `Channel.send` waits.
        heartbeat: seconds without a byte of the peer after which it is pinged; None for never. It
            is lost when nothing comes within half of that. Where pings are the host's, it
            is without effect.
        autoping: answer pings, and hide pings and pongs.
        autoclose: answer a close with the same code, at once.
        decode_text: give text as str; else as the bytes that came, which nobody has checked.
    """

    max_size: int = 4 * 1024 * 1024
    compress: bool = True
    write_limit: int = 256 * 1024
    heartbeat: float | None = None
    autoping: bool = True
    autoclose: bool = False
    decode_text: bool = True


class ChannelState(IntEnum):
    """Where the closing handshake stands (RFC 6455 section 7)."""

    OPEN = 0
    CLOSING = 1  # our close is sent, the peer's is awaited
    CLOSE_RECEIVED = 2  # the peer's close has come, ours is to be sent
    CLOSED = 3  # both were
    LOST = 4  # dropped by either side without that


# Messages may come up to this state.
_LAST_EXPECTING: Final = ChannelState.CLOSING


class _Event(IntEnum):
    """What happens to a channel: `SEND` and `CLOSE` by its owner, the others by the peer's side."""

    SEND = 0
    CLOSE = 1
    CLOSE_CAME = 2
    LOSE = 3


_S = ChannelState
# The state behind each event; None is an error, the same state is no change.
_TRANSITIONS: Final = {
    _S.OPEN: (_S.OPEN, _S.CLOSING, _S.CLOSE_RECEIVED, _S.LOST),
    _S.CLOSING: (None, _S.CLOSING, _S.CLOSED, _S.LOST),
    # Data may still be sent behind the peer's close, until ours.
    _S.CLOSE_RECEIVED: (_S.CLOSE_RECEIVED, _S.CLOSED, _S.CLOSE_RECEIVED, _S.LOST),
    _S.CLOSED: (None, _S.CLOSED, _S.CLOSED, _S.CLOSED),
    _S.LOST: (None, _S.LOST, _S.LOST, _S.LOST),
}


class Channel(ABC):
    """A WebSocket that an exchange has become.

    Any task may receive, each message going to one of them, and any may send.

    Args:
        options: how it is kept.
        subprotocol: what was agreed on in the handshake, if anything.
        compress: window bits of our compressed messages; 0 where none are.

    Attributes:
        close_code: of the peer's close; 1006 once the channel was lost; None before.
        lost_by: why it was lost, if it was.
    """

    def __init__(
        self, options: ChannelOptions, *, subprotocol: str | None = None, compress: int = 0
    ) -> None:
        self.options = options
        self.subprotocol = subprotocol
        self.compress = compress
        self.close_code: int | None = None
        self.lost_by: BaseException | None = None
        self._state = ChannelState.OPEN
        self._inbox: deque[WSMessage] = deque()
        self._inbox_size = 0
        # Messages that were at hand when they were asked for, without a wait in between.
        self._taken = 0
        # The next `receive` that would wait is called back.
        self._is_recalled = False
        # Those who receive wait here, in order, and only while there is nothing to be received; the
        # result of each is its message, or None when it is to look again.
        self._waiters: deque[Future[WSMessage | None]] = deque()

    @property
    def state(self) -> ChannelState:
        """Where the closing handshake stands."""
        return self._state

    # -- receiving

    async def receive(self) -> WSMessage:
        """Wait for the next message. A cancelled wait loses none.

        Returns:
            TEXT, BINARY, PING, PONG; CLOSE with code and reason, which is the last; ERROR with a
            `WebSocketError` or a TimeoutError, likewise; CLOSING when it was called back by
            `call_back`; CLOSED, now and ever after, when nothing comes any more.
        """
        if self._taken >= _TAKEN_IN_A_ROW:
            self._taken = 0
            await asyncio.sleep(0)
        self._taken += 1
        while (waiter := self.listen()) is not None:
            try:
                message = await waiter
            except asyncio.CancelledError:
                self.leave(waiter)
                raise
            if message is not None:
                return message
        return self._take_next()

    def listen(self) -> "Future[WSMessage | None] | None":
        """Begin to wait for a message, as `receive` does; for those who have no time for one
        coroutine more.

        Returns:
            what is to be awaited at once, and `leave` to be called with it when that is cancelled:
            it gives the message, or None where it is to be asked for again. None while nothing has
            to be waited for: then `receive` gives what there is.
        """
        if self._inbox or self._is_recalled or self._state > _LAST_EXPECTING:
            return None
        self._taken = 0
        waiter: Future[WSMessage | None] = Future()
        self._waiters.append(waiter)
        return waiter

    def _take_next(self) -> WSMessage:
        """Take what is to be received while nothing has to be waited for."""
        inbox = self._inbox
        if inbox:
            was_full = self._inbox_size > _INBOX_SIZE
            message = inbox.popleft()
            self._inbox_size = self._inbox_size - _size(message) if inbox else 0
            if was_full and not self._is_full():
                self._resume()
            return message
        if self._is_recalled:
            self._is_recalled = False
            return CLOSING
        return CLOSED

    def leave(self, waiter: "Future[WSMessage | None]") -> None:
        """Let one wait no more; the message that it was given already is another's."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
            return
        message = None if waiter.cancelled() else waiter.result()
        if message is not None and message is not CLOSING and not self._hand_over(message):
            self._inbox.appendleft(message)
            self._inbox_size += _size(message)

    def _recall(self) -> None:
        """Call back those who receive now, or else whoever does next."""
        self._is_recalled = not self._hand_over(CLOSING)
        self.call_back()

    def call_back(self) -> None:
        """Let each `receive` that waits now return CLOSING."""
        while self._hand_over(CLOSING):
            pass

    def _is_expecting(self) -> bool:
        return self._state <= _LAST_EXPECTING

    def _is_open(self) -> bool:
        """Whether messages may be sent."""
        return self._state in (ChannelState.OPEN, ChannelState.CLOSE_RECEIVED)

    def _is_full(self) -> bool:
        return self._inbox_size > _INBOX_SIZE

    def _put(self, message: WSMessage) -> None:
        """Give a message to the one that has waited longest, or to whoever receives next."""
        if not (self._waiters and self._hand_over(message)):
            self._inbox.append(message)
            self._inbox_size += _size(message)

    def _hand_over(self, message: WSMessage | None) -> bool:
        """Wake the one that has waited longest; False if nobody waits."""
        waiters = self._waiters
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():  # it may have been cancelled in this step
                waiter.set_result(message)
                return True
        return False

    def _release(self) -> None:
        """Let all look again who wait: nothing comes any more."""
        while self._hand_over(None):
            pass

    # -- sending

    async def send(self, kind: WSMsgType, data: Payload, compress: int | None = None) -> None:
        """Send a message, a ping or a pong; waits while the peer does not read.

        Args:
            kind: TEXT, BINARY, PING or PONG.
            data: of a text str, or its UTF-8; of a ping or pong at most 125 bytes.
            compress: window bits for this message, 0 for none; None for what was agreed on.

        Raises:
            ClientConnectionResetError: a close was sent, or the peer has left.
        """
        rest = self.push(kind, data, compress)
        if rest is not None:
            await rest

    def push(
        self, kind: WSMsgType, data: Payload, compress: int | None = None
    ) -> Awaitable[None] | None:
        """Begin to send; see `send`.

        Returns:
            what is to be awaited at once; None when nothing is left to be done.
        """
        self._check_sending()
        return self._emit(kind, data, compress)

    def _check_sending(self) -> None:
        if self._state:  # not OPEN
            self._move(_Event.SEND)

    async def close(self, code: int = WSCloseCode.OK, reason: bytes = b"") -> None:
        """Send a close; the peer's is then to be received. A second call does nothing.

        Args:
            code: one that may be sent, or 1005 for a close without a code.
            reason: UTF-8, at most 123 bytes.

        Raises:
            ClientConnectionResetError: the peer has left.
        """
        if self._begin_close():
            await self._emit_close(code, reason)

    def _begin_close(self) -> bool:
        """Take note of our close; say whether it is to be sent."""
        before = self._state
        self._move(_Event.CLOSE)
        return self._state is not before

    def drop(self, cause: BaseException) -> None:
        """Cut the connection without a close."""
        if self._state not in (ChannelState.CLOSED, ChannelState.LOST):
            self._lose(cause)
            self._cut(cause)

    # -- what comes from the peer's side

    def _deliver(self, message: WSMessage) -> None:
        """Take up a message of the peer."""
        kind = message.type
        if kind is WSMsgType.CLOSE:
            self._close_came(message)
        elif kind is WSMsgType.PING and self.options.autoping:
            self._answer_ping(message.data)
        elif kind is not WSMsgType.PONG or not self.options.autoping:
            self._put(message)

    def _close_came(self, message: WSMessage) -> None:
        self._move(_Event.CLOSE_CAME)
        self.close_code = message.data
        self._put(message)
        self._release()
        if self.options.autoclose and self._begin_close():
            self._push_close(message.data, b"")

    def _fail(self, error: Exception) -> None:
        """End it by the peer's fault; what came before is still received, then the error."""
        self._put(WSMessage(WSMsgType.ERROR, error, None))
        self._lose(error)

    def _lose(self, cause: BaseException) -> None:
        """Take note that nothing comes any more, and nothing goes."""
        if self._state in (ChannelState.CLOSED, ChannelState.LOST):
            return
        self._move(_Event.LOSE)
        self.lost_by = cause
        self.close_code = WSCloseCode.ABNORMAL_CLOSURE
        self._release()

    def _move(self, event: _Event) -> None:
        state = _TRANSITIONS[self._state][event]
        if state is None:
            raise ClientConnectionResetError("Cannot write to closing transport")
        self._state = state

    # -- hooks

    def _emit(self, kind: WSMsgType, data: Payload, compress: int | None) -> Awaitable[None] | None:
        """Send a message, for a `push` that is not the channel's own; give what to await."""
        raise NotImplementedError(f"{type(self).__name__} sends by a `push` of its own")

    async def _emit_close(self, code: int, reason: bytes) -> None:
        """Send a close."""
        self._push_close(code, reason)

    @abstractmethod
    def _push_close(self, code: int, reason: bytes) -> None:
        """Send a close, without waiting."""

    @abstractmethod
    def _cut(self, cause: BaseException) -> None:
        """Drop the connection now."""

    # The rest may be left out.

    def _answer_ping(self, data: bytes) -> None:  # noqa: B027
        """Send a pong, without waiting."""

    def _resume(self) -> None:  # noqa: B027
        """There is room in the inbox again."""


def _size(message: WSMessage) -> int:
    data = message[1]
    return _MESSAGE_COST + (len(data) if isinstance(data, (str, bytes)) else 0)
