"""The process of one server: ``python -m benchmarks.serving NAME PIPE``, its port on the pipe.

It imports no more than the server needs, since what a start takes is measured too.
"""

import os
import resource
import socket
import sys

__all__ = ["Place"]


class Place:
    """Where a server listens, and what it serves with.

    Attributes:
        variant: nothing, `tls` or `full`.
        routes: how many routes its application has, beside the other ones.
        file: path of the file that is downloaded.
        certificate, key: paths, for `tls`.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self.variant = os.environ.get("BENCHMARK_VARIANT", "")
        self.routes = int(os.environ.get("BENCHMARK_ROUTES", "0"))
        self.file = os.environ.get("BENCHMARK_FILE", "")
        self.certificate = os.environ.get("BENCHMARK_CERTIFICATE", "")
        self.key = os.environ.get("BENCHMARK_KEY", "")

    @property
    def is_full(self) -> bool:
        return self.variant == "full"

    @property
    def is_tls(self) -> bool:
        return self.variant == "tls"

    def listen(self) -> socket.socket:
        """Listen on a free port, and say which."""
        # The protocol is named: asyncio sets TCP_NODELAY on no connection of a socket without.
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        sock.listen(4096)
        self._announce(sock)
        return sock

    def reserve(self) -> socket.socket:
        """Keep a free port for a server that binds it a second time, and say which."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", 0))
        self._announce(sock)
        return sock

    def _announce(self, sock: socket.socket) -> None:
        os.write(self._pipe, b"%d\n" % sock.getsockname()[1])
        os.close(self._pipe)


def _main() -> None:
    from benchmarks import hosts
    from benchmarks.servers import SERVERS

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server = SERVERS[sys.argv[1]]
    getattr(hosts, server.run)(Place(int(sys.argv[2])), **server.options)


if __name__ == "__main__":
    _main()
