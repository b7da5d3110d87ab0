"""What a connection sends: bytes and files, as long as there is room, to a peer that takes them."""

import asyncio
from typing import Any

from ..exchange import Bytes, ClientConnectionResetError
from .sendfile import CannotSend, FileSender, has_sendfile

__all__ = ["Sending", "closing_error"]


class Sending(asyncio.Protocol):
    """The sending half of a connection."""

    __slots__ = (
        "_loop",
        "_room",
        "_scheme",
        "_sender",
        "_stalled_since",
        "_taken",
        "_transport",
        "_written",
    )

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._scheme = "http"
        # Waits until the transport takes more; None while it does.
        self._room: asyncio.Future[None] | None = None
        # Writes to the socket beside the transport, which then has nothing to write.
        self._sender: FileSender | None = None
        # Bytes handed to the transport, and those of them that the peer has taken.
        self._written = self._taken = 0
        self._stalled_since = 0.0

    def pause_writing(self) -> None:
        """The transport's buffer is above its high-water mark."""
        if self._room is None:
            self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        """The transport's buffer has fallen below its low-water mark."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def _is_stalled(self, now: float, limit: float) -> bool:
        """Whether bytes are queued and the peer has taken none for so many seconds."""
        queued = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if self._sender is not None:
            queued += self._sender.left
        taken = self._written - queued
        if not queued or taken != self._taken:
            self._taken, self._stalled_since = taken, now
            return False
        return now - self._stalled_since > limit

    def limit_writes(self, size: int) -> None:
        """Set how many bytes may be queued before there is no room."""
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high=size)

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # Any: as asyncio has it
        """Look up a fact of the transport."""
        if self._transport is None:
            return default
        return self._transport.get_extra_info(name, default)

    def write(self, data: Bytes) -> None:
        """Hand bytes to the transport.

        Raises:
            ClientConnectionResetError: it is closing.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise closing_error()
        self._written += len(data)
        transport.write(data)

    def write_frame(self, data: bytes) -> asyncio.Future[None] | None:
        """Hand bytes to the transport, and give the room for more, in one call; see `write`."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise closing_error()
        self._written += len(data)
        transport.write(data)
        return None if self._room is None else self.room()

    def room(self) -> asyncio.Future[None] | None:
        """Give what to await before more is written; None when there is room."""
        if self._room is not None and self._room.cancelled():  # with the task that awaited it
            self._room = self._loop.create_future()
        return self._room

    @property
    def sends_files(self) -> bool:
        """Whether `send_file` is worth a try: not where bytes are encrypted on their way."""
        return (
            has_sendfile() and self._scheme == "http" and self.get_extra_info("socket") is not None
        )

    async def send_file(self, prefix: bytes, file: int, offset: int, count: int) -> int | None:
        """Send bytes, and part of a file behind them; returns when the system has all of it.

        Args:
            prefix: the bytes in front.
            file: descriptor.
            offset: of the first byte.
            count: of the bytes, at least 1.

        Returns:
            bytes of the file that were sent, fewer when it has become shorter; None when it cannot
            be sent so, while the prefix was.

        Raises:
            ClientConnectionResetError: the connection is lost, or closing.
            OSError: the file cannot be read.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise closing_error()
        if transport.get_write_buffer_size():
            await self._wait_until_written(transport)
        sock = transport.get_extra_info("socket")
        sender = FileSender(sock, prefix, file, offset, count)
        self._written += sender.left
        try:
            sent = sender.send_now()
            if sent is None:
                self._sender = sender
                sent = await sender.run()
            return sent
        except CannotSend:
            return None
        except (ConnectionError, TimeoutError) as exc:
            if isinstance(exc, ClientConnectionResetError):
                raise
            raise ClientConnectionResetError("Connection lost") from exc
        finally:
            self._written -= sender.left
            self._sender = None

    async def _wait_until_written(self, transport: asyncio.Transport) -> None:
        """Wait until the transport has nothing more to write; uvloop writes later as a rule."""
        transport.set_write_buffer_limits(high=0)
        try:
            while (room := self.room()) is not None:
                await asyncio.shield(room)
        finally:
            if not transport.is_closing():
                transport.set_write_buffer_limits()
        if transport.is_closing():
            raise closing_error()


def closing_error() -> ClientConnectionResetError:
    """Make the error of writing to a transport that is closing."""
    return ClientConnectionResetError("Cannot write to closing transport")
