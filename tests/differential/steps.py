"""What the programs under test print, and what several of them make."""

import socket
import sys

__all__ = ["make_socket", "note", "raise_error"]


def note(*what: object) -> None:
    """Print a step."""
    sys.stdout.write(" ".join(map(str, what)) + "\n")
    sys.stdout.flush()


def make_socket(name: str) -> socket.socket:
    """Bind a socket of a family: tcp, tcp6 or unix."""
    if name == "unix":
        sock = socket.socket(socket.AF_UNIX)
        sock.bind("bound.sock")
    elif name == "tcp6":
        sock = socket.socket(socket.AF_INET6)
        sock.bind(("::1", 0))
    else:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
    return sock


def raise_error(exc: BaseException) -> None:
    """Raise, as a callback of a loop."""
    raise exc
