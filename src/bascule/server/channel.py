"""A WebSocket over the transport that its request came by."""

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol

from ..channel import (
    Channel,
    ChannelOptions,
    ChannelState,
    ClientConnectionResetError,
    Payload,
)
from ..wire.frames import (
    WebSocketError,
    WSCloseCode,
    WSMessage,
    WSMsgType,
    dump_close,
    dump_frame,
    dump_frame_head,
)

if TYPE_CHECKING:
    from .deflate import Deflate

__all__ = ["ChannelWire", "SocketChannel"]

# Up to here the head and the payload of a frame are joined into one write.
_JOIN_SIZE = 64 * 1024


_BINARY = WSMsgType.BINARY

# Messages that are read in one step of the loop, pings among them.
_BATCH = 128


class ChannelWire(Protocol):
    """What a channel needs of its connection."""

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""

    def write_frame(self, data: bytes) -> asyncio.Future[None] | None:
        """Hand bytes to the transport, and give the room for more, in one call."""

    def room(self) -> asyncio.Future[None] | None:
        """Give what to await before more is written; None when there is room."""

    def limit_writes(self, size: int) -> None:
        """Set how many bytes may be queued before there is no room."""

    def pause_reading(self) -> None:
        """Take no more bytes from the peer."""

    def resume_reading(self) -> None:
        """Take bytes again."""

    @property
    def is_reading(self) -> bool:
        """Whether bytes are taken from the peer."""

    @property
    def max_fragments(self) -> int:
        """Fragments of a message that are taken however small they are."""

    def leave_channel(self, *, at_once: bool) -> None:
        """Close behind what was written."""

    def cut(self, cause: BaseException) -> None:
        """Drop the connection."""


class Meter(Protocol):
    """What counts the bytes of an answer."""

    bytes_sent: int


class SocketChannel(Channel):
    """The server's end of a WebSocket, from the 101 to the end of its connection.

    Args:
        wire: the connection.
        meter: what bytes are counted for.
        options: how it is kept.
        subprotocol: what was agreed on.
        deflate: what compression was agreed on.
    """

    def __init__(
        self,
        wire: ChannelWire,
        meter: Meter,
        options: ChannelOptions,
        *,
        subprotocol: str | None = None,
        deflate: "Deflate | None" = None,
    ) -> None:
        from .assembler import Assembler  # loads the websockets library

        bits = deflate.window_bits if deflate is not None else 0
        super().__init__(options, subprotocol=subprotocol, compress=bits)
        self._wire = wire
        self._meter = meter
        self._deflate = deflate
        self._assembler = Assembler(
            options.max_size,
            decode_text=options.decode_text,
            deflate=deflate,
            max_fragments=wire.max_fragments,
        )
        # The payload of a pong that is owed since there was no room; newer ones replace it.
        self._owed_pong: bytes | None = None
        self._paying: asyncio.Task[None] | None = None
        self._heart = _Heart(self, options.heartbeat) if options.heartbeat else None
        wire.limit_writes(options.write_limit)

    # -- the connection calls

    def feed(self, data: bytes) -> None:
        """Take bytes of the peer; those who wait for their messages run in the next step of the
        loop, as all of it that has come to other connections is read first."""
        if self._heart is not None:
            self._heart.heard()
        assembler = self._assembler
        if self._inbox:  # there may be no room for more
            assembler.feed(data)
            self._read_on()
            return
        try:
            message = assembler.read_first(data)
        except WebSocketError as exc:
            self._fail(exc)
            return
        if message is not None:
            if message[0] > _BINARY:
                self._deliver(message)
            elif not (self._waiters and self._hand_over(message)):
                self._put(message)
            if assembler.buffer:
                self._read_on()

    def lost(self, cause: BaseException) -> None:
        """Take note that the connection is gone."""
        self._lose(cause)
        self._stop_helpers()

    def go_away(self) -> None:
        """Close it since the server stops: 1001, and whoever receives learns of it."""
        if self._state is ChannelState.OPEN and self._begin_close():
            self._recall()
            self._push_close(WSCloseCode.GOING_AWAY, b"")

    # -- reading

    def _read_on(self) -> None:
        """Read messages as long as there is room for them, and others have had their turn."""
        try:
            assembler = self._assembler
            for _ in range(_BATCH):
                if self._is_full():
                    self._wire.pause_reading()
                    return
                message = assembler.next_message()
                if message is None:
                    return
                if message.type <= _BINARY:
                    self._put(message)
                else:
                    self._deliver(message)
                if not assembler.has_bytes:
                    return
        except WebSocketError as exc:
            self._fail(exc)
            return
        self._wire.pause_reading()
        asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        if self._is_expecting():
            self._wire.resume_reading()
            self._read_on()

    def _begin_close(self) -> bool:
        self._stop_heart()  # the limit of the closing handshake bounds the rest
        return super()._begin_close()

    def _close_came(self, message: WSMessage) -> None:
        self._stop_heart()  # the peer may send nothing more (RFC 6455 section 5.5.1)
        super()._close_came(message)
        if self._state is ChannelState.CLOSED:
            self._over()

    def _fail(self, error: Exception) -> None:
        if isinstance(error, WebSocketError) and self._state is ChannelState.OPEN:
            self._write_close(error.code, b"")
        super()._fail(error)
        self._stop_helpers()
        self._wire.leave_channel(at_once=False)

    # -- writing

    def push(
        self, kind: WSMsgType, data: Payload, compress: int | None = None
    ) -> Awaitable[None] | None:
        """Send a message; see `Channel.push`."""
        if self._state:  # not OPEN
            self._check_sending()
        if isinstance(data, str):
            data = data.encode()
        deflate = self._deflate
        rsv1 = False
        if deflate is not None and compress != 0 and kind <= _BINARY:
            rsv1 = True
            data = deflate.encode_message(data, compress)
        elif type(data) is not bytes:
            data = bytes(data)
        if len(data) <= _JOIN_SIZE:
            frame = dump_frame(kind, data, rsv1=rsv1)
            self._meter.bytes_sent += len(frame)
            room = self._wire.write_frame(frame)
        else:
            self._write_frame(kind, data, rsv1)
            room = self._wire.room()
        return asyncio.shield(room) if room is not None else None  # others may wait for the same

    def _push_close(self, code: int, reason: bytes) -> None:
        self._write_close(code, reason)
        if self._state is ChannelState.CLOSED:
            self._over()

    def _write_frame(self, kind: int, data: bytes, rsv1: bool) -> None:
        size = len(data)
        if size <= _JOIN_SIZE:
            frame = dump_frame(kind, data, rsv1=rsv1)
            self._meter.bytes_sent += len(frame)
            self._wire.write(frame)
        else:
            head = dump_frame_head(kind, size, rsv1=rsv1)
            self._meter.bytes_sent += len(head) + size
            self._wire.write(head)
            self._wire.write(data)

    def _write_close(self, code: int, reason: bytes) -> None:
        try:
            self._write_frame(WSMsgType.CLOSE, dump_close(code, reason), False)
        except ClientConnectionResetError as exc:
            self._lose(exc)

    def _answer_ping(self, data: bytes) -> None:
        """Send a pong at once, or the latest one when there is room again: a peer that pings and
        does not read makes nothing grow (RFC 6455 section 5.5.3)."""
        if not self._is_open():
            return
        if (room := self._wire.room()) is None:
            self._write_control(WSMsgType.PONG, data)
            return
        self._owed_pong = data
        if self._paying is None:
            self._paying = asyncio.get_running_loop().create_task(
                self._pay_pong(room), name="bascule-pong"
            )

    async def _pay_pong(self, room: "asyncio.Future[None]") -> None:
        try:
            await asyncio.shield(room)
        except ClientConnectionResetError:
            return
        finally:
            self._paying = None
        if self._owed_pong is not None and self._is_open():
            self._write_control(WSMsgType.PONG, self._owed_pong)
        self._owed_pong = None

    def _write_control(self, kind: WSMsgType, data: bytes) -> None:
        try:
            self._write_frame(kind, data, False)
        except ClientConnectionResetError:
            pass  # `lost` follows

    # -- the end

    def _over(self) -> None:
        """Both closes were sent: the server closes the connection (RFC 6455 section 7.1.1)."""
        self._stop_helpers()
        self._wire.leave_channel(at_once=True)

    def _cut(self, cause: BaseException) -> None:
        self._stop_helpers()
        self._wire.cut(cause)

    def _stop_heart(self) -> None:
        if self._heart is not None:
            self._heart.stop()

    def _stop_helpers(self) -> None:
        self._stop_heart()
        if self._paying is not None:
            self._paying.cancel()

    def give_up(self, cause: Exception) -> None:
        """Cut the connection to a peer that is gone; whoever receives is told of it."""
        super()._fail(cause)
        self._cut(cause)

    def ping_peer(self) -> None:
        """Ask for a sign of life."""
        if self._state is ChannelState.OPEN:
            self._write_control(WSMsgType.PING, b"")

    @property
    def is_listening(self) -> bool:
        """Whether the peer could be heard now."""
        return self._wire.is_reading


class _Heart:
    """Pings a peer of which nothing is heard, and finds out that it is gone.

    One timer; whatever comes from the peer only notes the time. While reading is paused nobody can
    tell whether the peer is alive, so it is not judged then.
    """

    def __init__(self, channel: SocketChannel, interval: float) -> None:
        self._channel = channel
        self._interval = interval
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(interval, self._beat)

    def heard(self) -> None:
        """Take note that something came."""
        self._heard_at = self._loop.time()

    def stop(self) -> None:
        """Beat no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        rest = self._heard_at + self._interval - self._loop.time()
        if rest > 0 or not self._channel.is_listening:
            wait = rest if rest > 0 else self._interval / 2
            self._timer = self._loop.call_later(wait, self._beat)
            return
        self._channel.ping_peer()
        self._timer = self._loop.call_later(self._interval / 2, self._judge, self._loop.time())

    def _judge(self, pinged_at: float) -> None:
        if self._heard_at >= pinged_at or not self._channel.is_listening:
            self._timer = None
            self._beat()
            return
        self._timer = None
        self._channel.give_up(TimeoutError(f"No PONG received after {self._interval / 2} seconds"))
