"""Sockets for servers of tests, at ports that are free."""

import os
import socket
import sys

__all__ = ["get_port_socket", "get_unused_port_socket", "unused_port"]

# On Windows it would let two servers share a port.
_REUSE_ADDRESS = os.name == "posix" and sys.platform != "cygwin"


def get_unused_port_socket(
    host: str, family: socket.AddressFamily = socket.AF_INET
) -> socket.socket:
    """Make a socket that is bound to a free port of `host`."""
    return get_port_socket(host, 0, family)


def get_port_socket(host: str, port: int, family: socket.AddressFamily) -> socket.socket:
    """Make a TCP socket that is bound to a port of `host`; port 0 lets the system choose.

    Raises:
        OSError: the address is taken, or not of this machine; no socket is left open.
    """
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if _REUSE_ADDRESS:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def unused_port() -> int:
    """Give a port of this machine that was free a moment ago; another may take it meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port
