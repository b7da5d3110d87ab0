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
# What systems say of files, or sockets, that sendfile cannot handle.
_CANNOT: Final = frozenset(
    getattr(errno, name)
    for name in ("EINVAL", "ENOSYS", "ENOTSOCK", "ENOTSUP", "EOPNOTSUPP", "EOVERFLOW", "ESPIPE")
    if hasattr(errno, name)
)


class CannotSend(Exception):
    """The system does not send this file to this socket; nothing of it was sent."""


def has_sendfile() -> bool:
    """Say whether the system can do it at all."""
    return hasattr(os, "sendfile")


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

    The socket of a transport is not for others to watch, so that a second descriptor of it is made
    and closed again. The event loop takes a step whenever the peer has made room; no task wakes up
    before the end.

    Args:
        sock: of the transport; nobody else may write to it meanwhile.
        prefix: bytes that go in front of the file.
        file: descriptor; it stays open.
        offset: of the first byte.
        count: of the bytes, at least 1.

    Attributes:
        left: bytes not sent yet, those of the prefix among them.
    """

    __slots__ = ("_done", "_file", "_loop", "_offset", "_prefix", "_socket", "_start", "left")

    def __init__(self, sock: Any, prefix: bytes, file: int, offset: int, count: int) -> None:
        # Any: a socket, or what stands for it in asyncio and uvloop
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(
            sock.family, sock.type, sock.proto, fileno=os.dup(sock.fileno())
        )
        self._socket.setblocking(False)  # whatever the program's default is
        self._prefix = prefix
        self._file = file
        self._start = self._offset = offset
        self.left = len(prefix) + count
        self._done: asyncio.Future[None] | None = None

    async def run(self) -> int:
        """Send everything; what was sent when it is cancelled is not told.

        Returns:
            bytes of the file that were sent, fewer than were asked for when it has become shorter.

        Raises:
            CannotSend: another way has to be taken; the prefix was sent.
            OSError: a connection error, or the file cannot be read.
        """
        try:
            if not self._advance():
                self._done = self._loop.create_future()
                self._loop.add_writer(self._socket, self._go_on)
                await self._done
        finally:
            if self._done is not None:
                self._loop.remove_writer(self._socket)
            self._socket.close()
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
        try:
            if self._prefix:
                sent = self._socket.send(self._prefix, _MORE)
                self._prefix = self._prefix[sent:]
                self.left -= sent
            return not self._prefix and self._send_piece()
        except BlockingIOError:
            return False

    def _send_piece(self) -> bool:
        size = min(self.left, _STEP)
        try:
            sent = os.sendfile(self._socket.fileno(), self._file, self._offset, size)
        except OSError as exc:
            if exc.errno in _CANNOT and self._offset == self._start:
                raise CannotSend(str(exc)) from exc
            raise
        self._offset += sent
        self.left -= sent
        return self.left == 0 or sent == 0  # nothing comes of a file that ends here
