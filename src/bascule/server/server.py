"""The set of connections of one server, and their farewell."""

import asyncio
import contextvars
import logging
import socket
import time
from collections.abc import Callable

from ..exchange import Responder
from ..wire.fields import dump_date
from ..wire.head import check_fields
from ..wire.lane import Lane
from .complaints import Complaints
from .connection import Connection, switch_on_keepalive
from .descriptors import CENSUS
from .options import ConnectionOptions

__all__ = ["ConnectionSet"]

_SWEEP_INTERVAL = 1.0
# What a cancelled handler gets to clean up in before its connection is dropped under it.
_LAST_WAIT = 1.0
# Seconds that a connection without a byte is left alone for, however many there are.
_FIRST_PATIENCE = 5.0


class ConnectionSet:
    """Makes connections, keeps them to their time limits, and ends them.

    Calling it gives the protocol for a new connection, so that it can be handed to
    ``loop.create_server``. It belongs to the loop it was made in; requests run in copies of the
    context it was made in.

    Args:
        responder: answers each request.
        options: of each connection.
        logger: for complaints about peers and errors of responders.
        on_exit: told of SystemExit and KeyboardInterrupt out of a responder.

    Attributes:
        requests_count: requests taken up since the start, refused ones too.
        arrivals: tasks of connections that are accepted and not made yet.
        expected: how many are accepted besides, to be made in this step of the loop or the next.
        loop: the one it belongs to.
    """

    def __init__(
        self,
        responder: Responder,
        *,
        options: ConnectionOptions | None = None,
        logger: logging.Logger,
        on_exit: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.responder = responder
        self.options = options = options or ConnectionOptions()
        self.lane = Lane(options.limits) if options.http == "auto" else None
        # The number of the request that is the last on its connection; 0 for none.
        self.final_request = options.keepalive_requests or 0
        self._server_line = _dump_server(options.server_header)
        self.turn_to(int(time.time()))
        self.logger = logger
        self.context = contextvars.copy_context()
        self.requests_count = 0
        self.stopping = False
        self.arrivals: set[asyncio.Task[None]] = set()
        self.expected = 0
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time
        self.complaints = Complaints(logger, self.now, rate=self.options.log_rate)
        self._on_exit = on_exit
        self._at_step_end: list[Callable[[], object]] = []
        # In the order they were opened in.
        self._connections: dict[Connection, None] = {}
        # Those whose transport is not lost yet.
        self._open = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._hurried = asyncio.Event()
        self._sweeper: asyncio.TimerHandle | None = None
        CENSUS.join(self)

    def __call__(self) -> Connection:
        """Make the protocol of a new connection."""
        return Connection(self)

    def prepare(self, sock: socket.socket) -> Callable[[], Connection]:
        """Set up a socket that is about to listen; give what makes the protocols of its
        connections."""
        if self.options.tcp_keepalive:
            switch_on_keepalive(sock)

        def make() -> Connection:
            connection = self()
            connection.is_prepared = True
            return connection

        return make

    @property
    def connections(self) -> list[Connection]:
        """The connections that are open."""
        return list(self._connections)

    @property
    def held(self) -> int:
        """Descriptors of its connections, those that are being accepted among them."""
        return self._open + len(self.arrivals) + self.expected

    def list_idle(self) -> list[tuple[tuple[bool, float], Callable[[], None]]]:
        """Give what nobody would miss, to be closed while there are too many connections: those
        that wait for another request, the idlest first, then those that never sent a byte."""
        now = self.now()
        return [
            ((not connection.was_served, -idle), connection.finish)
            for connection in self._connections
            if (idle := connection.idle_for(now)) is not None
            and (connection.was_served or idle > _FIRST_PATIENCE)
        ]

    # -- what connections call

    def at_step_end(self, callback: Callable[[], object]) -> None:
        """Call back at the end of this step of the event loop; one callback of the loop does for
        all connections."""
        if not self._at_step_end:
            self.loop.call_soon(self._end_step)
        self._at_step_end.append(callback)

    def _end_step(self) -> None:
        callbacks, self._at_step_end = self._at_step_end, []
        for callback in callbacks:
            try:
                callback()
            except Exception:  # whatever is wrong with one must not keep the others from it
                self.logger.exception("Error in a connection")

    def turn_to(self, second: int) -> None:
        """Write what ends the heads of plain answers for another second since the epoch: Date,
        Server, and where a connection ends, that; where one with HTTP/1.0 goes on, that."""
        self.second = second
        self.date = dump_date(second)
        line = f"Date: {self.date}\r\n{self._server_line}"
        self.ending = f"{line}\r\n".encode()
        self.last_ending = f"{line}Connection: close\r\n\r\n".encode()
        self.kept_ending = f"{line}Connection: keep-alive\r\n\r\n".encode()

    def opened(self, connection: Connection) -> None:
        """Take note of a new connection; the sweeper runs while there is one."""
        self._connections[connection] = None
        self._open += 1
        self._empty.clear()
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(_SWEEP_INTERVAL, self._sweep)
        if self.stopping:
            connection.finish()

    def closed(self, connection: Connection) -> None:
        """Take note that a connection has ended."""
        self._connections.pop(connection, None)
        if not self._connections:
            self._stop_sweeper()
            self._empty.set()

    def left(self) -> None:
        """Take note that the transport of a connection is lost; its responder may go on."""
        self._open -= 1
        CENSUS.freed(self.loop)

    def exit(self, cause: BaseException) -> bool:
        """Pass on a responder's wish to end the program."""
        if self._on_exit is None:
            return False
        self._on_exit(cause)
        return True

    def sweep(self, now: float) -> None:
        """Hold every connection to its time limits."""
        for connection in list(self._connections):
            try:
                connection.check(now)
            except Exception:  # whatever is wrong with one must not keep the others from it
                self.logger.exception("Error in a connection")
                connection.abort()

    def _sweep(self) -> None:
        self._sweeper = self.loop.call_later(_SWEEP_INTERVAL, self._sweep)
        self.sweep(self.now())

    def _stop_sweeper(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    # -- the farewell

    def close_idle(self) -> None:
        """Serve no new request: idle connections close now, busy ones after their answer."""
        self.stopping = True
        for connection in list(self._connections):
            connection.finish()

    def hurry(self) -> None:
        """Shorten the wait of `shutdown` that is going on, or that comes."""
        self._hurried.set()

    async def shutdown(self, timeout: float | None = None) -> None:
        """End all connections: wait for answers in progress, then cancel, then drop.

        Args:
            timeout: seconds to wait for answers; None waits for them without limit.

        Cancelled itself, it drops what is left at once.
        """
        self.close_idle()
        for arrival in list(self.arrivals):
            arrival.cancel()
        for connection in list(self._connections):
            connection.go_away()
        try:
            await self._wait(timeout, self._empty, self._hurried)
            if self._connections:
                for connection in list(self._connections):
                    if connection.task is not None:
                        connection.task.cancel()
                await self._wait(_LAST_WAIT, self._empty)
        finally:
            for connection in list(self._connections):
                connection.abort()
            self._connections.clear()  # also of those whose task was cancelled before it began
            self._stop_sweeper()
        await asyncio.sleep(0)  # lets connection_lost come for those dropped just now

    async def _wait(self, timeout: float | None, *events: asyncio.Event) -> None:
        """Wait for the first of some events, or for the time to pass."""
        if any(event.is_set() for event in events):
            return
        waits = [self.loop.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _dump_server(value: str) -> str:
    """Write the Server field as a line, if there is one."""
    if not value:
        return ""
    check_fields([("Server", value)])
    return f"Server: {value}\r\n"
