"""A part of a file on its way to a socket, without a copy of it in this process."""

import asyncio
import errno
import os
import socket
from typing import Any, Final

__all__ = ["CannotSend", "FileSender", "descriptor_of", "has_sendfile"]

# Bytes that one call may take, so that a fast peer leaves the loop to others in between; larger
# steps were not measured to be cheaper (tests/benchmarks/file_downloads.py).
_STEP: Final = 1024 * 1024
# More follows at once: the head leaves in one packet with the first bytes of the file.
_MORE: Final = getattr(socket, "MSG_MORE", 0)
# Of sockets that never wait.
_NONBLOCK: Final = getattr(socket, "SOCK_NONBLOCK", 0)
_STREAM: Final = socket.SOCK_STREAM | _NONBLOCK
# What systems say of files, or sockets, that sendfile cannot handle.
_CANNOT: Final = frozenset(
    getattr(errno, name)
    for name in ("EINVAL", "ENOSYS", "ENOTSOCK", "ENOTSUP", "EOPNOTSUPP", "EOVERFLOW", "ESPIPE")
    if hasattr(errno, name)
)


_HAS_SENDFILE: Final = hasattr(os, "sendfile")


class CannotSend(Exception):
    """The system does not send this file to this socket; nothing of it was sent."""


def has_sendfile() -> bool:
    """Say whether the system can do it at all."""
    return _HAS_SENDFILE


def descriptor_of(file: Any) -> int | None:  # Any: what a caller says is a file
    """Give the descriptor of an open file, or of what is one already; None when there is none."""
    if isinstance(file, int):
        return file
    try:
        descriptor: int = file.fileno()
    except (AttributeError, OSError, ValueError):  # of memory, or closed
        return None
    return descriptor


class FileSender:
    """One sending, from its first byte to the last that the system has taken.

    What the system takes at once is sent by the transport's own descriptor. That is not for others
    to watch, so that where more is left a second descriptor is made, and closed again. The event
    loop takes a step whenever the peer has made room; no task wakes up before the end.

    Args:
        sock: of the transport; nobody else may write to it meanwhile.
        prefix: bytes that go in front of the file.
        file: descriptor; it stays open.
        offset: of the first byte.
        count: of the bytes, at least 1.

    Attributes:
        left: bytes not sent yet, those of the prefix among them.
    """

    __slots__ = ("_descriptor", "_done", "_file", "_offset", "_prefix", "_sock", "_start", "left")

    def __init__(self, sock: Any, prefix: bytes, file: int, offset: int, count: int) -> None:
        # Any: a socket, or what stands for it in asyncio and uvloop
        self._sock = sock
        self._descriptor: int = sock.fileno()
        self._prefix = prefix
        self._file = file
        self._start = self._offset = offset
        self.left = len(prefix) + count
        self._done: asyncio.Future[None] | None = None

    def send_now(self) -> int | None:
        """Send what the system takes at once.

        Returns:
            what `run` does; None when more is left, which is for `run`.

        Raises:
            as `run` does.
        """
        return self._offset - self._start if self._advance() else None

    async def run(self) -> int:
        """Send everything; what was sent when it is cancelled is not told.

        Returns:
            bytes of the file that were sent, fewer than were asked for when it has become shorter.

        Raises:
            CannotSend: another way has to be taken; the prefix was sent.
            OSError: a connection error, or the file cannot be read.
        """
        loop = asyncio.get_running_loop()
        descriptor = self._descriptor = os.dup(self._descriptor)
        try:
            self._done = loop.create_future()
            loop.add_writer(descriptor, self._go_on)
            try:
                await self._done
            finally:
                loop.remove_writer(descriptor)
        finally:
            os.close(descriptor)
        return self._offset - self._start

    def stop(self, cause: BaseException) -> None:
        """End it with an error: the transport is gone."""
        if self._done is not None and not self._done.done():
            self._done.set_exception(cause)

    def _go_on(self) -> None:
        done = self._done
        if done is None or done.done():
            return  # it ends in this step of the loop
        try:
            if self._advance():
                done.set_result(None)
        except Exception as exc:
            done.set_exception(exc)

    def _advance(self) -> bool:
        """Send what the socket takes now; give whether that was all there is."""
        prefix = self._prefix
        try:
            if prefix:
                # asyncio wraps the socket in one that does not write; uvloop has none.
                sock = getattr(self._sock, "_sock", None) if self._done is None else None
                if type(sock) is socket.socket:
                    sent = sock.send(prefix, _MORE)
                else:
                    sent = _send_more(self._descriptor, prefix)
                self._prefix = prefix[sent:]
                self.left -= sent
                if self._prefix:
                    return False
            left = self.left
            sent = os.sendfile(
                self._descriptor, self._file, self._offset, left if left < _STEP else _STEP
            )
        except BlockingIOError:
            return False
        except OSError as exc:
            if exc.errno in _CANNOT and not self._prefix and self._offset == self._start:
                raise CannotSend(str(exc)) from exc
            raise
        self._offset += sent
        self.left = left = left - sent
        return left == 0 or sent == 0  # nothing comes of a file that ends here


def _send_more(descriptor: int, data: bytes) -> int:
    """Send bytes that more will follow; give how many the socket has taken.

    Raises:
        OSError: as `socket.send` does; BlockingIOError when it takes none.
    """
    # Its family does not matter, and the rest is told so that the system need not be asked.
    sock = socket.SocketType(socket.AF_INET, _STREAM, 0, descriptor)
    if not _NONBLOCK:  # it has the program's default timeout, where that cannot be told at once
        sock.settimeout(0)
    try:
        return sock.send(data, _MORE)
    finally:
        sock.detach()  # the descriptor stays the transport's
