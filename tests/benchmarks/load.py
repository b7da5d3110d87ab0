"""The process that loads a server: ``python -m benchmarks.load``, told by lines of JSON.

It is plain sockets and epoll, so that it costs less than what it measures. Each line that comes in
is one step (`prepare`, `go`, `end`), and each is answered by one line.
"""

import json
import resource
import select
import socket
import ssl
import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

from .answers import Wrong, check, find_end
from .sockets import Echo
from .workloads import WORKLOADS, Exchange, Socket, Upload, Workload

__all__ = ["Session", "make_session"]

# Seconds that a server may be silent.
PATIENCE = 20
_WARM_UP = 4
_GOOD = (b"HTTP/1.1 200", b"HTTP/1.0 200")


class Session(Protocol):
    """One server under load; made with its connections open, and warmed up."""

    def run(self, seconds: float) -> int:
        """Ask until the time is over, take what still comes, and tell how much was done."""

    def close(self) -> None: ...


def make_session(workload: Workload, port: int, certificate: str = "") -> Session:
    """Connect to a server and warm it up; each answer of that is checked in full.

    Raises:
        Wrong: it answers something else.
        OSError: it is not there, or is silent.
    """
    if isinstance(workload.asks, Upload):
        return _Uploads(workload.asks, port)
    if isinstance(workload.asks, Socket):
        return _Kept([Echo(connect(port), workload.asks) for _ in range(workload.connections)])
    if workload.kind == "close":
        return _Closing(workload, port)
    context = _trust(certificate) if workload.variant == "tls" else None
    clients = []
    for number in range(workload.connections):
        clients.append(_Client(connect(port, context), workload.asks, number * 67))
        if workload.kind == "idle":
            clients[-1].warm_up(1)
    return _Kept(clients, times=0 if workload.kind == "idle" else _WARM_UP)


def connect(port: int, context: ssl.SSLContext | None = None) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(sock, server_hostname="127.0.0.1") if context else sock


def _trust(certificate: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


class _Talker(Protocol):
    """A connection that waits for one answer at a time."""

    sock: socket.socket

    def warm_up(self, times: int) -> None: ...

    def ask(self) -> None:
        """Send the next request."""

    def take(self) -> bool:
        """Read what has come, and tell whether the answer is complete."""


class _Kept:
    """Connections that stay open, each with one request on its way."""

    def __init__(self, clients: Sequence[_Talker], times: int = _WARM_UP) -> None:
        self._clients = {each.sock.fileno(): each for each in clients}
        for each in clients:
            each.warm_up(times)

    def run(self, seconds: float) -> int:
        clients, done = self._clients, 0
        with select.epoll() as poll:
            for fd, client in clients.items():
                poll.register(fd, select.EPOLLIN)
                client.ask()
            waiting, deadline = len(clients), time.monotonic() + seconds
            while waiting:
                ready = poll.poll(PATIENCE)
                if not ready:
                    raise TimeoutError(f"{waiting} answers did not come")
                asks = time.monotonic() < deadline
                for fd, _ in ready:
                    client = clients[fd]
                    if client.take():
                        done += 1
                        if asks:
                            client.ask()
                        else:
                            waiting -= 1
        return done

    def close(self) -> None:
        for each in self._clients.values():
            each.sock.close()


class _Client:
    """One connection for requests and their answers."""

    def __init__(self, sock: socket.socket, asks: Sequence[Exchange], start: int) -> None:
        self.sock = sock
        self._asks = asks
        self._next = start
        self._exchange = asks[0]
        self._held: list[bytes] = []
        self._left = 0  # bytes that are known to be missing
        self._count = 0

    def warm_up(self, times: int) -> None:
        for _ in range(times):
            self.ask()
            while not self.take(in_full=True):
                pass

    def ask(self) -> None:
        self._exchange = self._asks[self._next % len(self._asks)]
        self._next += 1
        self.sock.sendall(self._exchange.request)

    def take(self, in_full: bool = False) -> bool:
        data = self.sock.recv(2**18)
        if not data:
            raise Wrong("the connection was cut")
        body = self._exchange.body
        if not self._held and body is not None and not in_full:
            # An answer that came in one piece, the usual case.
            end = data.find(b"\r\n\r\n") + 4 + len(body)
            if end == len(data) and data.endswith(body) and data.startswith(_GOOD):
                return True
        self._held.append(data)
        self._left -= len(data)
        return self._left <= 0 and self._finish(in_full)

    def _finish(self, in_full: bool) -> bool:
        """See whether what has come is a whole answer, and the right one."""
        data = b"".join(self._held)
        end = find_end(data)
        if not end:
            self._held = [data]
            # As long as the body is not there by its size alone, looking again is in vain.
            self._left = len(self._exchange.body or b"") - len(data)
            return False
        if end != len(data):
            raise Wrong(f"{len(data) - end} bytes too many: {data[end : end + 100]!r}")
        self._held = []
        self._left = 0
        self._count += 1
        if in_full or len(data) < 2**17 or self._count % 16 == 0:
            check(data, self._exchange)
        return True


class _Closing:
    """Connections for one request each."""

    def __init__(self, workload: Workload, port: int) -> None:
        assert not isinstance(workload.asks, (Upload, Socket))
        self._exchange = workload.asks[0]
        self._connections = workload.connections
        self._port = port
        for _ in range(workload.connections):
            sock, data = self._open(), b""
            while piece := sock.recv(65536):
                data += piece
            check(data, self._exchange)
            sock.close()

    def _open(self) -> socket.socket:
        sock = connect(self._port)
        # A reset instead of a FIN: what has come is complete, and no port stays in TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.sendall(self._exchange.request)
        return sock

    def run(self, seconds: float) -> int:
        open_: dict[int, tuple[socket.socket, list[bytes]]] = {}
        done, deadline = 0, time.monotonic() + seconds
        with select.epoll() as poll:

            def add() -> None:
                sock = self._open()
                open_[sock.fileno()] = (sock, [])
                poll.register(sock, select.EPOLLIN)

            for _ in range(self._connections):
                add()
            while open_:
                ready = poll.poll(PATIENCE)
                if not ready:
                    raise TimeoutError(f"{len(open_)} connections did not end")
                for fd, _ in ready:
                    sock, pieces = open_[fd]
                    if data := sock.recv(65536):
                        pieces.append(data)
                        continue
                    check(b"".join(pieces), self._exchange)
                    poll.unregister(fd)
                    del open_[fd]
                    sock.close()
                    done += 1
                    if time.monotonic() < deadline:
                        add()
        return done

    def close(self) -> None:
        pass


class _Uploads:
    """One connection that uploads, one body after another."""

    def __init__(self, upload: Upload, port: int) -> None:
        self._upload = upload
        self._sock = connect(port)

    def run(self, seconds: float) -> int:
        """Upload at least once."""
        done, deadline = 0, time.monotonic() + seconds
        while not done or time.monotonic() < deadline:
            self._send()
            done += 1
        return done

    def _send(self) -> None:
        upload, data = self._upload, b""
        self._sock.sendall(upload.head)
        for _ in range(upload.times):
            self._sock.sendall(upload.piece)
        if upload.end:
            self._sock.sendall(upload.end)
        while not find_end(data):
            piece = self._sock.recv(65536)
            if not piece:
                raise Wrong("the connection was cut")
            data += piece
        check(data, Exchange(b"", upload.answer))

    def close(self) -> None:
        self._sock.close()


def main() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    session: Session | None = None
    for line in sys.stdin:
        step = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            if step["do"] == "prepare":
                workload = WORKLOADS[step["workload"]]
                session = make_session(workload, step["port"], step["certificate"])
            elif step["do"] == "go" and session is not None:
                start = time.monotonic()
                answer["done"] = session.run(step["seconds"])
                answer["elapsed"] = time.monotonic() - start
            elif session is not None:
                session.close()
                session = None
        except (Wrong, OSError, ValueError) as exc:
            answer["error"] = f"{type(exc).__name__}: {exc}"
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
