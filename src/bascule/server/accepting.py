"""Accepting connections: as many as there may be, as fast as they come, and no faster.

The event loops have acceptors of their own. asyncio's logs a traceback for each try when the
process is out of descriptors, 128 in a row (seen on 3.11); uvloop's closes
connections that wait. Neither can be paused. So sockets are bound by the loop, and accepted from
here, with public means: ``add_reader`` and ``connect_accepted_socket``.
"""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from enum import Enum
from ssl import SSLContext, SSLError
from typing import Any, Protocol

from .complaints import Complaints
from .descriptors import CENSUS, find_limit
from .options import ConnectionOptions

__all__ = ["Listener", "Receiver", "listen"]

# Connections that are accepted in one step of the loop.
_BATCH = 64
# Seconds until a paused acceptor tries again, besides when a connection ends: descriptors may
# also come back from the application's files, or from servers in other threads.
_RETRY = 0.25
# Seconds that a loop takes for the times of TLS: uvloop counts milliseconds in 64 bits.
_SHORTEST, _LONGEST = 0.1, 86400.0
# accept(2): errors of the connection that was to be accepted, which are passed over.
_OF_THE_PEER = frozenset(
    {
        errno.ECONNABORTED,
        errno.EPROTO,
        errno.ENETDOWN,
        errno.ENOPROTOOPT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EOPNOTSUPP,
        errno.ENETUNREACH,
        errno.EPERM,  # a firewall's rules forbid it
    }
)


class Receiver(Protocol):
    """What an acceptor needs of its server."""

    options: ConnectionOptions
    logger: logging.Logger
    complaints: Complaints
    arrivals: set[asyncio.Task[None]]
    expected: int

    def prepare(self, sock: socket.socket) -> Callable[[], asyncio.BaseProtocol]:
        """Set up a socket that is about to listen; give what makes the protocols of its
        connections."""


class _State(Enum):
    """ACCEPTING <-> PAUSED, and from either -> CLOSED."""

    ACCEPTING = "the socket is watched"
    PAUSED = "nobody looks at the socket; peers wait in its backlog"
    CLOSED = "the socket is closed"


class Listener:
    """A server of the loop's that accepts connections by acceptors of ours.

    It has of asyncio's servers what a server that accepts already is asked for.

    Args:
        server: of the loop, not serving; it is closed with this one.
        acceptors: one for each of its sockets.
    """

    def __init__(self, server: asyncio.AbstractServer, acceptors: "list[_Acceptor]") -> None:
        self._server = server
        self._acceptors = acceptors

    @property
    def sockets(self) -> list[Any]:  # Any: TransportSocket, which typeshed keeps private
        """The sockets that listen; none once it is closed."""
        return list(getattr(self._server, "sockets", ()))

    def take_in(self) -> None:
        """Accept the connections that the system has established, if they are not too many."""
        for acceptor in self._acceptors:
            acceptor.take_in()

    def close(self) -> None:
        """Listen no more; connections that are open go on."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._server.close()

    def is_serving(self) -> bool:
        """Say if connections are accepted, now or after a pause."""
        return any(not acceptor.is_closed for acceptor in self._acceptors)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Give the loop it belongs to."""
        return self._server.get_loop()

    async def wait_closed(self) -> None:
        """Wait for what closes with it."""
        await self._server.wait_closed()


async def listen(
    creating: Coroutine[Any, Any, asyncio.AbstractServer],
    receiver: Receiver,
    *,
    ssl_context: SSLContext | None,
    backlog: int,
) -> asyncio.AbstractServer | Listener:
    """Listen at the sockets of a server that is being created without serving.

    A loop that cannot watch sockets, as that of Windows cannot, accepts by itself.

    Raises:
        OSError: the server could not be created, or its address is listened at already.
    """
    server = await creating
    acceptors: list[_Acceptor] = []
    try:
        for sock in getattr(server, "sockets", ()):
            copy = socket.socket(fileno=os.dup(sock.fileno()))
            acceptors.append(_Acceptor(copy, receiver, ssl_context))
        for acceptor in acceptors:
            acceptor.start(backlog)
    except NotImplementedError:
        for acceptor in acceptors:
            acceptor.close()
        await server.start_serving()
        return server
    except BaseException:
        Listener(server, acceptors).close()
        raise
    return Listener(server, acceptors) if acceptors else server


class _Acceptor:
    """Accepts at one socket, from `start` to `close`; pauses while there is no room.

    Args:
        sock: bound; it is closed with the acceptor.
        receiver: gets the connections.
        ssl_context: for TLS.
    """

    __slots__ = ("_factory", "_limit", "_loop", "_receiver", "_retry", "_sock", "_state", "_tls")

    def __init__(
        self, sock: socket.socket, receiver: Receiver, ssl_context: SSLContext | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._receiver = receiver
        self._limit = find_limit(receiver.options.limit_connections)
        self._factory = receiver.prepare(sock)
        self._tls = _dump_tls(ssl_context, receiver.options)
        self._state = _State.PAUSED
        self._retry: asyncio.TimerHandle | None = None

    @property
    def is_closed(self) -> bool:
        """Whether it accepts nothing any more."""
        return self._state is _State.CLOSED

    def start(self, backlog: int) -> None:
        """Listen, and begin to accept.

        Raises:
            NotImplementedError: the loop cannot watch sockets.
            OSError: somebody else listens at the address.
        """
        self._sock.setblocking(False)
        self._sock.listen(backlog)
        self._loop.add_reader(self._sock, self._accept_ready)
        self._state = _State.ACCEPTING

    def close(self) -> None:
        """Stop accepting, and close the socket."""
        if self._state is _State.ACCEPTING:
            self._loop.remove_reader(self._sock)
        self._forget_retry()
        self._state = _State.CLOSED
        self._sock.close()

    def take_in(self) -> None:
        """Accept what the system has established."""
        if self._state is _State.ACCEPTING:
            self._accept_ready()

    # -- accepting

    def _accept_ready(self) -> None:
        if not self._accept_batch():
            self._loop.remove_reader(self._sock)
            self._pause()

    def _accept_batch(self) -> bool:
        """Accept connections that wait; say if more may come, or there is no room for any."""
        room = 0 if self._limit is None else CENSUS.count_room(self._limit)
        for number in range(_BATCH):
            if (
                number >= room
                and self._limit is not None
                and not CENSUS.has_room(self._limit, is_needed=not number)
            ):
                if number:
                    return True  # the loop will tell if another one waits
                self._say("limit", f"Accepting pauses: limit_connections is {self._limit}")
                return False
            try:
                sock, address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return True
            except OSError as exc:
                if exc.errno in _OF_THE_PEER:
                    continue
                self._say("error", f"Accepting pauses: {exc.strerror or repr(exc)}")
                return False
            sock.setblocking(False)
            if self._tls:
                self._begin_handshake(sock, address)
            else:
                self._receiver.expected += 1
                self._go_through(self._loop.connect_accepted_socket(self._factory, sock), sock)
        return True

    def _go_through(self, making: Coroutine[Any, Any, Any], sock: socket.socket) -> None:
        """Go on with the making of a connection without TLS, which waits for one step of the loop:
        a task of its own would cost more than all the rest of it."""
        receiver = self._receiver
        try:
            waited = making.send(None)
        except StopIteration:
            pass
        except OSError:
            sock.close()  # the peer has left before there was a transport
        except Exception:  # of what makes protocols, or of the loop's
            sock.close()
            receiver.logger.exception("Error in accepting a connection")
        else:
            if waited is None:
                self._loop.call_soon(self._go_through, making, sock)
            else:
                waited.add_done_callback(lambda _: self._go_through(making, sock))
            return
        receiver.expected -= 1
        CENSUS.freed(self._loop)

    def _begin_handshake(self, sock: socket.socket, address: Any) -> None:
        task = self._loop.create_task(self._shake_hands(sock, address), name="bascule-accept")
        if not task.done():  # as one may be that was begun eagerly
            self._receiver.arrivals.add(task)

    async def _shake_hands(self, sock: socket.socket, address: Any) -> None:
        """Make a connection with TLS of an accepted socket."""
        receiver = self._receiver
        try:
            await self._loop.connect_accepted_socket(self._factory, sock, **self._tls)
        except OSError as exc:  # SSLError among them
            receiver.complaints.add(address, f"TLS handshake failed: {_tell(exc)}")
        except Exception:  # of what makes protocols, or of the loop's
            sock.close()
            receiver.logger.exception("Error in accepting a connection")
        finally:
            receiver.arrivals.discard(asyncio.current_task())
            CENSUS.freed(self._loop)

    def _say(self, what: str, message: str) -> None:
        if CENSUS.may_say(what):
            self._receiver.logger.warning("%s", message)

    # -- pauses

    def _pause(self) -> None:
        """Leave new connections to the backlog, until there may be room."""
        self._state = _State.PAUSED
        self._retry = self._loop.call_later(_RETRY, self._go_on)
        CENSUS.wait(self._loop, self._go_on)

    def _go_on(self) -> None:
        """Accept what waits, and watch the socket again, if there is room."""
        self._forget_retry()
        if self._state is not _State.PAUSED:
            return
        if self._accept_batch():
            self._loop.add_reader(self._sock, self._accept_ready)
            self._state = _State.ACCEPTING
        else:
            self._pause()

    def _forget_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        CENSUS.wait_no_more(self._loop, self._go_on)


def _dump_tls(ssl_context: SSLContext | None, options: ConnectionOptions) -> dict[str, Any]:
    """Give what ``connect_accepted_socket`` is to be told of TLS."""
    if ssl_context is None:
        return {}
    return {
        "ssl": ssl_context,
        "ssl_handshake_timeout": min(options.first_byte_timeout, _LONGEST),
        "ssl_shutdown_timeout": min(max(options.farewell_time, _SHORTEST), _LONGEST),
    }


def _tell(exc: OSError) -> str:
    if isinstance(exc, SSLError) and exc.reason:
        return exc.reason.replace("_", " ").lower()
    return exc.strerror or str(exc) or type(exc).__name__
