"""One connection: bytes in, exchanges out, in order, one at a time.

Long, since the phases of a connection and all that may happen in each are read together.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from time import time
from typing import Any, Literal

from ..channel import ChannelState
from ..exchange import BlockHead, ClientConnectionResetError, Head, State, fail
from ..streams import (
    EMPTY_PAYLOAD,
    PayloadAccessError,
    PayloadTimeoutError,
    RequestPayloadError,
    StreamReader,
)
from ..wire.grammar import BadRequest
from ..wire.head import HeadReader, dump_head, find_plain_end, status_line
from ..wire.lane import CHUNKED
from .channel import SocketChannel
from .cycle import JOIN_SIZE, Cycle
from .cycle_wire import Answering
from .options import DeflateSettings
from .owner import Owner
from .phases import Phase
from .rates import BodyRate
from .referee import Chunked, Counted, Decoder, judge
from .refusals import dump_refusal
from .sending import Sending, closing_error

__all__ = ["Connection", "Owner", "Phase", "switch_on_keepalive"]

# States of an exchange whose responder has done all there was to do.
_OVER = (State.ENDED, State.SWITCHED, State.GONE)


# Members by names of the module: to look one up in its class costs ten times as much (Python 3.11).
_OPEN = State.OPEN
_HELD = State.HELD
_ENDED = State.ENDED
_SWITCHED = State.SWITCHED
_HEAD = Phase.HEAD
_BODY = Phase.BODY
_TURN = Phase.TURN
_CHANNEL = Phase.CHANNEL
_FAREWELL = Phase.FAREWELL
_CLOSED = Phase.CLOSED
_LOST = Phase.LOST


class Connection(Sending):
    """The server's end of one connection, from its accept to its loss.

    Requests are read one at a time: while one is being answered, bytes behind it are kept, and
    reading pauses, so that a peer can make no more pile up than one read of the transport. Each
    request runs in a task and a context of its own.
    """

    __slots__ = (
        "_ahead",
        "_channel",
        "_condemned",
        "_continue",
        "_cycle",
        "_decoder",
        "_discarded",
        "_half_closed",
        "_is_unkept",
        "_owner",
        "_rate",
        "_reader",
        "_reading",
        "_served",
        "_since",
        "_task",
        "addresses",
        "is_prepared",
        "phase",
    )

    def __init__(self, owner: "Owner[Connection]") -> None:
        Sending.__init__(self)
        self._owner = owner
        # The options of the socket are set, by who accepted it.
        self.is_prepared = False
        self.phase = _HEAD
        # Gathers a head that has not come at once.
        self._reader: HeadReader | None = None
        self._decoder: Decoder | None = None
        # Of the current body, where a rate is asked for.
        self._rate: BodyRate | None = None
        self._cycle: Cycle | None = None
        self._channel: SocketChannel | None = None
        self._task: asyncio.Task[None] | None = None
        # Of the peer and of the own socket, once they are asked for.
        self.addresses: tuple[Any, Any] | None = None
        # Bytes behind the current message.
        self._ahead = b""
        # The client waits for 100 Continue before it sends the body.
        self._continue = False
        # No request is taken up after the current answer.
        self._condemned = owner.options.keepalive_timeout <= 0 or owner.final_request == 1
        # The answer in progress is to be the last, unless that is taken back.
        self._is_unkept = False
        # The peer has ended its half: what it sent before is served, and nothing comes any more.
        self._half_closed = False
        self._served = 0
        self._discarded = 0
        self._reading = True
        # Start of the wait that `check` measures, by the loop's clock.
        self._since = owner.now()

    # -- the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve a transport."""
        self._transport = transport  # type: ignore[assignment]  # asyncio hands a Transport to Protocols
        if transport.get_extra_info("sslcontext") is not None:
            self._scheme = "https"
        if not self.is_prepared and self._owner.options.tcp_keepalive:
            switch_on_keepalive(transport.get_extra_info("socket"))
        self._owner.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End: the exchange in progress learns that its peer has left."""
        if self.phase is _BODY and self._cycle is not None:
            self._complain("Connection lost inside a request body")
        self.phase = _LOST
        self._owner.left()
        if (
            self._cycle is None
            and self._room is None
            and self._channel is None
            and self._sender is None
        ):
            self._owner.closed(self)  # as most end: nobody waits for anything
        else:
            self._tell_of_loss(exc)

    def _tell_of_loss(self, exc: BaseException | None) -> None:
        cause = ClientConnectionResetError("Connection lost")
        cause.__cause__ = exc
        if self._room is not None and not self._room.done():
            self._room.set_exception(cause)
            self._room.exception()  # retrieved here: nobody may be waiting for it any more
        if self._sender is not None:
            self._sender.stop(cause)
        if self._channel is not None:
            self._channel.lost(cause)
        if self._cycle is not None:
            self._cycle.leave(cause)
        else:
            self._owner.closed(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes, by the phase; behind the last request they are thrown away."""
        phase = self.phase
        if phase is _HEAD:
            self._read_head(data)
        elif phase is _BODY:
            self._read_body(data)
        elif phase is _TURN:
            self._keep(data)
        elif phase is _CHANNEL and self._channel is not None:
            self._channel.feed(data)

    def eof_received(self) -> bool:
        """The peer has ended its sending half.

        Returns:
            Whether the transport stays open: for a complete request in progress, which is still
            answered.
        """
        if self.phase is _TURN and self._cycle is not None:
            self._half_closed = True
            self._cycle.gone.set(_half_closed())
            return self._scheme == "http"  # asyncio closes TLS transports whatever is said here
        if self.phase is _HEAD and self._reader:
            self._complain("Connection closed inside a request head")
        return False

    # -- the server calls

    @property
    def is_condemned(self) -> bool:
        """Whether no further request is served."""
        return self._condemned or self._is_unkept or (self._half_closed and not self._ahead)

    @property
    def has_much_unread(self) -> bool:
        """Whether the body is too long to be read away, or may never come: its client still waits
        for 100 Continue, so nothing behind the answer could be told from it."""
        unread = self._decoder.unread if self._decoder is not None else None
        return self._continue or (unread or 0) > self._owner.options.lingering_size

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task of the request being answered."""
        return self._task

    @property
    def was_served(self) -> bool:
        """Whether a request was answered."""
        return self._served > 0

    def idle_for(self, now: float) -> float | None:
        """Give the seconds for which it has waited for a request; None while it is in use."""
        if self.phase is not _HEAD or self._reader or self._cycle is not None:
            return None
        return now - self._since

    def go_away(self) -> None:
        """Tell a WebSocket, or the answer in progress, that the server stops."""
        if self._channel is not None:
            if self.phase is _CHANNEL:
                self._channel.go_away()
        elif self._cycle is not None:
            self._cycle.stopping.set(ConnectionAbortedError("The server stops"))

    def finish(self) -> None:
        """Serve no further request: close when idle, else after the answer in progress."""
        self._condemned = True
        if self._cycle is None and self.phase is not _FAREWELL:
            self._close()

    def abort(self) -> None:
        """Drop the transport, and with it what is not sent yet."""
        self._mark_closed()
        if self._transport is not None:
            self._transport.abort()

    def check(self, now: float) -> None:
        """Compare the clock with the time limit of what this connection waits for."""
        options = self._owner.options
        if self._is_stalled(now, options.send_timeout):
            self._complain(f"Peer took no byte for {options.send_timeout} s")
            self.cut(TimeoutError("The peer does not read"))
            return
        waited = now - self._since
        if self.phase is _HEAD:
            self._check_head(waited)
        elif self.phase is _BODY:
            self._check_body(now)
        elif (
            self.phase is _FAREWELL and waited > options.farewell_time and not self._is_answering()
        ):
            self.abort()

    def _is_answering(self) -> bool:
        return self._cycle is not None and self._channel is None

    def _check_head(self, waited: float) -> None:
        options = self._owner.options
        if self._reader:
            if waited > options.head_timeout:
                self._refuse(BadRequest(408, f"No whole head within {options.head_timeout} s"))
        elif waited > (options.keepalive_timeout if self._served else options.first_byte_timeout):
            self._close()

    def _check_body(self, now: float) -> None:
        options = self._owner.options
        waited = now - self._since
        if self._cycle is None:
            if waited > options.lingering_time:
                self._say_farewell()
        elif not self._cycle.body.is_waiting:
            return
        elif waited > options.body_timeout:
            detail = f"No byte of the body within {options.body_timeout} s"
            self._spoil(BadRequest(408, detail))
        elif self._rate is not None and self._rate.is_too_low(now):
            detail = f"A body at less than {options.min_body_rate} bytes a second"
            self._spoil(BadRequest(408, detail))

    # -- reading

    def _read_head(self, data: bytes) -> None:
        owner = self._owner
        if self._reader is None and owner.lane is not None:
            ordinary = owner.lane.recognise(data)
            if ordinary is not None:
                method, target, block, length, keep_alive, end = ordinary
                head = BlockHead(method, target, block, self._scheme, keep_alive)
                if not length:
                    rest = data[end:] if end != len(data) else b""
                    self._take_up(head, EMPTY_PAYLOAD, None, rest)
                    return
                body = StreamReader(owner.options.read_bufsize, self)
                if length == CHUNKED:
                    fields = block.count(b"\r\n")
                    chunked = Chunked(owner.options.limits, head_fields=fields, head_size=end)
                    self._take_up(head, body, chunked, data[end:])
                    return
                if len(data) - end < length:
                    self._take_up(head, body, Counted(length), data[end:])
                    return
                body.feed_whole(data[end : end + length])
                self._take_up(head, body, None, data[end + length :])
                return
        self._read_any_head(data)

    def _read_any_head(self, data: bytes) -> None:
        """Read a head that may be of any kind, and in pieces."""
        limits = self._owner.options.limits
        try:
            end = find_plain_end(data, limits) if self._reader is None else -1
            if end < 0:
                complete = self._gather(data)
                if complete is None:
                    return
                whole, rest = complete
            else:
                whole, rest = data[:end], data[end:]
            incoming = judge(whole, limits)
        except BadRequest as exc:
            self._refuse(exc)
            return
        framing = incoming.framing
        head = Head(
            incoming.method,
            incoming.target,
            incoming.raw_fields,
            version=framing.version,
            scheme=self._scheme,
            keep_alive=framing.keep_alive,
            is_plain=framing.is_plain,
        )
        self._continue = framing.expect_continue and framing.has_body
        decoder = incoming.decoder
        body: StreamReader = EMPTY_PAYLOAD
        if decoder is not None:
            body = StreamReader(self._owner.options.read_bufsize, source=self)
        self._take_up(head, body, decoder, rest)

    def _gather(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Take a piece of a head; give the head and what came behind it, once it is complete.

        Raises:
            BadRequest: as `HeadReader.feed` does.
        """
        reader = self._reader
        if reader is None:
            reader = self._reader = HeadReader(self._owner.options.limits)
        if not reader:
            self._since = self._owner.now()
        return reader.feed(data)

    def _take_up(
        self, head: Head, body: StreamReader, decoder: Decoder | None, rest: bytes
    ) -> None:
        """Begin the exchange of an accepted head.

        Args:
            head: of the request.
            body: of the request.
            decoder: of what is still to come of the body; None for nothing.
            rest: what came behind all that.
        """
        owner = self._owner
        self._reader = None
        self._decoder = decoder
        if decoder is None:
            self.phase = _TURN
        else:
            self.phase = _BODY
            if owner.options.min_body_rate is not None:
                self._rate = BodyRate(owner.options.min_body_rate, owner.options.body_rate_grace)
        cycle = self._cycle = Cycle(self, head, body)
        if self._half_closed:
            cycle.gone.set(_half_closed())
        owner.requests_count += 1
        if rest:
            self.data_received(rest)
            if self._cycle is None:
                return
        self._task = cycle.task = asyncio.Task(
            self._serve(cycle),
            loop=self._loop,
            name="bascule-request",
            context=owner.context.copy(),
        )

    def _read_body(self, data: bytes) -> None:
        self._continue = False
        cycle = self._cycle
        if cycle is None:
            self._discarded += len(data)
        else:
            self._since = self._owner.now()
            if self._rate is not None:
                self._rate.add(len(data), self._since)
        body = None if cycle is None else cycle.body
        assert self._decoder is not None  # the phase BODY is entered with one
        try:
            rest = self._decoder.feed(data, body)
        except BadRequest as exc:
            self._spoil(exc)
            return
        if rest is not None:
            self._end_message(rest)
        elif body is not None and body.is_full:
            self.pause_reading()
        elif self._discarded > self._owner.options.lingering_size:
            self._say_farewell()

    def _end_message(self, rest: bytes) -> None:
        """The current message is complete; `rest` came behind it."""
        self.phase = _TURN
        self._decoder = None
        self._keep(rest)
        if self._cycle is None:
            self._next()

    def _keep(self, data: bytes) -> None:
        """Keep bytes for the turn of the next request; some are read on, so that the peer's
        leaving is seen behind them."""
        self._ahead += data
        if len(self._ahead) > self._owner.options.max_read_ahead:
            self.pause_reading()

    def _spoil(self, exc: BadRequest) -> None:
        """The body cannot be read on: tell its reader, serve nothing more."""
        self._complain(exc.detail)
        self._condemned = True
        if self._cycle is None:
            self._say_farewell()
            return
        if self._task is None:  # it came with the head: no handler has seen the request
            self._cycle = None
            self._answer_refusal(exc)
            return
        self.phase = _FAREWELL
        self.pause_reading()
        error_class = PayloadTimeoutError if exc.status == 408 else RequestPayloadError
        error = error_class(exc.detail)
        error.__cause__ = exc
        self._cycle.body.set_exception(error)

    # -- the body's source

    def starved(self) -> Awaitable[None] | None:
        """A reader of the body waits: ask the client for it, read on, and time the wait."""
        cycle = self._cycle
        if self._continue and cycle is not None and cycle.state in (_OPEN, _HELD):
            self._continue = False
            self.write(dump_head(status_line(100, "Continue"), ()))
        self._since = self._owner.now()
        if self._rate is not None:
            self._rate.begin_wait(self._since)
        if not self._reading:
            self.resume_reading()
        return None

    def forget_continue(self) -> None:
        """The application has sent 100 Continue itself."""
        self._continue = False

    def drained(self) -> None:
        """There is room for more of the body."""
        if not self._reading and self.phase is _BODY:
            self.resume_reading()

    def pause_reading(self) -> None:
        """Take no more bytes from the peer."""
        if self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes again."""
        if not self._reading and self._transport is not None:
            self._reading = True
            if not self._transport.is_closing():
                self._transport.resume_reading()

    # -- a WebSocket

    @property
    def deflate_settings(self) -> DeflateSettings:
        """Memory that compression of a WebSocket may take."""
        options = self._owner.options
        return DeflateSettings(options.ws_window_bits, options.ws_memory_level)

    @property
    def max_fragments(self) -> int:
        """Fragments of a WebSocket message that are taken however small they are."""
        return self._owner.options.ws_max_fragments

    @property
    def is_reading(self) -> bool:
        """Whether bytes are taken from the peer."""
        return self._reading

    def switch(self, channel: SocketChannel) -> None:
        """Hand all bytes behind the request to a channel, those first that are here already."""
        self._channel = channel
        self.phase = _CHANNEL
        ahead, self._ahead = self._ahead, b""
        self.resume_reading()
        if ahead:
            channel.feed(ahead)
        if self._owner.stopping:
            channel.go_away()

    def leave_channel(self, *, at_once: bool) -> None:
        """Close behind what the channel wrote; unless at once, the peer may read that first."""
        if self.phase is not _CHANNEL:
            return
        if at_once:
            self._close()
        else:
            self._say_farewell()

    def _leave_switched(self) -> None:
        """The responder of a WebSocket has returned: what it left open ends."""
        if self.phase is not _CHANNEL or self._channel is None:
            return
        if self._channel.state is ChannelState.CLOSING:
            self._say_farewell()
        else:
            self._channel.drop(RuntimeError("The responder left without a close"))

    # -- answering

    async def _serve(self, cycle: Cycle) -> None:
        """Tell the story of one request: have it answered, then see how the connection goes on."""
        try:
            await self._owner.responder(cycle)
            if cycle._state not in _OVER:
                await fail(cycle, RuntimeError("The responder left without an answer"))
        except ClientConnectionResetError as exc:
            cycle.abort(exc)
        except asyncio.CancelledError as exc:
            cycle.abort(exc)
            raise
        except (SystemExit, KeyboardInterrupt) as exc:
            if not self._owner.exit(exc):
                self._owner.logger.error("%r from a request ignored", exc)
            await fail(cycle, exc)
        except BaseException as exc:  # a responder's own errors end here, not in the loop
            self._owner.logger.exception("Error in a responder")
            await fail(cycle, exc)
        finally:
            self._answered(cycle)

    def _answered(self, cycle: Cycle) -> None:
        """Decide how the connection goes on behind an answer."""
        self._task = self._cycle = None
        gone = cycle._gone
        if gone is not None and gone.cause is not None:
            gone.cause.__traceback__ = None  # its frames hold the request, and that the cause
        if cycle.body is not EMPTY_PAYLOAD:
            cycle.body.close(PayloadAccessError("The answer to this request is complete"))
        owner = self._owner
        self._served += 1
        self._since = owner.now()
        phase, state = self.phase, cycle._state
        if (
            phase is _TURN
            and state is _ENDED
            and cycle.goes_on
            and self._reading
            and not self._ahead
            and not (self._condemned or self._is_unkept or self._half_closed or owner.stopping)
        ):
            self._condemned = self._served + 1 == owner.final_request
            self.phase = _HEAD  # as most go on
        else:
            self._go_on(cycle)

    def _go_on(self, cycle: Cycle) -> None:
        """Go on behind an answer where it is not just the next request that is waited for."""
        phase, state = self.phase, cycle._state
        if phase is _LOST:
            self._owner.closed(self)
        if phase is _CLOSED or phase is _LOST:
            return
        if state is _SWITCHED:
            self._leave_switched()
        elif state is not _ENDED:
            self.abort()
        elif (
            not cycle.goes_on
            or self._condemned
            or self._is_unkept
            or self._owner.stopping
            or (self._half_closed and not self._ahead)
        ):
            self._say_farewell()
        else:
            if self._served + 1 == self._owner.final_request:
                self._condemned = True
            if phase is not _TURN:
                self._linger()
            else:
                self._next()

    def _next(self) -> None:
        """Turn to the next request, of which bytes may be here already."""
        self.phase = _HEAD
        if not self._reading:
            self.resume_reading()
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            self._read_head(ahead)
        if self._half_closed and self.phase in (_HEAD, _BODY):
            self._complain("Connection closed inside a request")
            self._close()

    def _linger(self) -> None:
        """Read away what is left of an unread body, within bounds, to keep the connection."""
        self._discarded = 0
        if self.has_much_unread:
            self._say_farewell()
        else:
            self.resume_reading()

    # -- ending

    def _refuse(self, exc: BadRequest) -> None:
        """Answer a head that is not served, and end the connection."""
        self._complain(exc.detail)
        self._owner.requests_count += 1
        self.phase = _FAREWELL  # whatever comes behind it is unread
        self._answer_refusal(exc)

    def _answer_refusal(self, exc: BadRequest) -> None:
        try:
            self.write(dump_refusal(exc))
        except ClientConnectionResetError:
            pass  # it has left, and farewell with it
        self._say_farewell()

    def _say_farewell(self) -> None:
        """Close, and before that let the peer read the answer if it is still sending."""
        unread = self._ahead if self.phase is _TURN else self.phase is not _HEAD or self._reader
        transport = self._transport
        if not unread or transport is None or not transport.can_write_eof():
            self._close()
            return
        self.phase = _FAREWELL
        self._since = self._owner.now()
        try:
            transport.write_eof()
        except OSError:  # the peer has gone, which reading paused did not show
            self._close()
            return
        self.resume_reading()

    def _close(self) -> None:
        self._mark_closed()
        if self._transport is not None:
            self._transport.close()

    def _mark_closed(self) -> None:
        if self.phase is not _LOST:
            self.phase = _CLOSED

    def _complain(self, detail: str) -> None:
        self._owner.complaints.add(self.get_extra_info("peername"), detail)

    # -- the cycle calls

    @property
    def server_header(self) -> str:
        """Value of the Server field."""
        return self._owner.options.server_header

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport; None before there is one, and once it is gone."""
        return None if self.phase is _LOST else self._transport

    def write_plain(
        self,
        cycle: Answering,
        start: bytes,
        body: bytes,
        *,
        is_dated: bool = False,
        is_old: bool = False,
    ) -> asyncio.Future[None] | Literal[False] | None:
        """Write an answer in one piece, while the request is all read, the connection goes on as
        the request lets it, and there is room.

        Raises:
            ClientConnectionResetError: the transport is closing.
        """
        if (
            self.phase is not _TURN
            or self._room is not None
            or self._condemned
            or self._is_unkept
            or self._half_closed
        ):
            return False
        transport = self._transport
        if transport is None or transport.is_closing():
            raise closing_error()
        if is_dated:
            ending = b"\r\n" if cycle.goes_on else b"Connection: close\r\n\r\n"
        else:
            owner = self._owner
            second = int(time())
            if second != owner.second:
                owner.turn_to(second)
            cycle.date = owner.date
            if is_old:
                ending = owner.kept_ending if cycle.goes_on else owner.ending
            else:
                ending = owner.ending if cycle.goes_on else owner.last_ending
        cycle.bytes_sent = size = len(start) + len(ending) + len(body)
        self._written += size
        if size <= JOIN_SIZE:
            transport.write(start + ending + body)
        else:
            transport.write(start + ending)
            transport.write(body)
        return self._room

    def at_step_end(self, callback: Callable[[], object]) -> None:
        """Call back at the end of this step of the event loop."""
        self._owner.at_step_end(callback)

    def end_plain(self, cycle: Answering) -> bytes | None:
        """Give what ends the head of an answer with a Date where `write_plain` would write it."""
        if (
            self.phase is not _TURN
            or self._room is not None
            or self._condemned
            or self._is_unkept
            or self._half_closed
            or not cycle.goes_on
        ):
            return None
        owner = self._owner
        second = int(time())
        if second != owner.second:
            owner.turn_to(second)
        cycle.date = owner.date
        return owner.ending

    def cut(self, cause: BaseException) -> None:
        """Drop the connection now."""
        self.abort()


def _half_closed() -> ClientConnectionResetError:
    return ClientConnectionResetError("The peer has ended its half")


def switch_on_keepalive(sock: Any) -> None:  # Any: a TransportSocket, or a stand-in of it
    """Have the system look whether a silent peer is still there; sockets that are accepted at one
    that listens have it from that."""
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
