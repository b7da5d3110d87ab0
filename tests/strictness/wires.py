"""Cases on their way to a server: over a socket, or cut as told into a protocol."""

import asyncio
import ssl
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from .cases import CANARY, Case

__all__ = ["MemoryClient", "bytewise", "cut_at", "exchange"]


async def exchange(
    case: Case,
    port: int,
    taken: set[int],
    *,
    patience: float,
    context: ssl.SSLContext | None = None,
) -> tuple[int, bytes, bool]:
    """Send a case and the canary in one write, and read until the server ends the connection.

    Args:
        case: to send.
        port: of the server.
        taken: ports of clients by which requests are known already.
        patience: seconds.
        context: of TLS.

    Returns:
        the client's port, what was read, and whether the server ended the connection in time.
    """
    while True:
        name = None if context is None else "127.0.0.1"
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=name
        )
        own = writer.get_extra_info("sockname")[1]
        if own not in taken:
            break
        await _close(writer)
    taken.add(own)
    writer.write(case.data + CANARY)
    received, closed = await _read(reader, patience)
    await _close(writer)
    return own, received, closed


async def _read(reader: asyncio.StreamReader, patience: float) -> tuple[bytes, bool]:
    received = b""
    try:
        async with asyncio.timeout(patience):
            while data := await reader.read(65536):
                received += data
    except TimeoutError:
        return received, False
    except (ConnectionError, ssl.SSLError):
        pass  # an end too: of a server that had bytes left to read
    return received, True


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(5):
            await writer.wait_closed()
    except (OSError, TimeoutError, ssl.SSLError):
        pass


def bytewise(data: bytes) -> list[bytes]:
    """Cut into single bytes."""
    return [data[i : i + 1] for i in range(len(data))]


def cut_at(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut at the places, in any order."""
    bounds = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[a:b] for a, b in pairwise(bounds) if a < b]


class MemoryClient(asyncio.Transport):
    """A client's end without a socket: each piece reaches the protocol as it was cut.

    Args:
        protocol: of the server, new.
        number: stands for the client's port.
    """

    def __init__(self, protocol: Any, number: int) -> None:
        super().__init__()
        self._protocol = protocol
        self._number = number
        self._paused: asyncio.Event = asyncio.Event()
        self._paused.set()
        self._ended = asyncio.Event()
        self.received = bytearray()

    async def exchange(self, pieces: list[bytes], *, with_steps: bool, patience: float) -> bool:
        """Feed the pieces, and wait for the server's end.

        Args:
            pieces: in order.
            with_steps: let the server's tasks run between two pieces.
            patience: seconds.

        Returns:
            whether the server ended the connection in time.
        """
        self._protocol.connection_made(self)
        try:
            async with asyncio.timeout(patience):
                for piece in pieces:
                    if with_steps:
                        await asyncio.sleep(0)
                        await asyncio.sleep(0)
                    if not self._paused.is_set():
                        await self._wait_for_room()
                    if self._ended.is_set():
                        break
                    self._protocol.data_received(piece)
                await self._ended.wait()
        except TimeoutError:
            self._protocol.connection_lost(None)
            return False
        self._protocol.connection_lost(None)
        return True

    async def _wait_for_room(self) -> None:
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._paused, self._ended)]
        _, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    # -- what the server calls

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Know the number as the port of the peer."""
        return ("127.0.0.1", self._number) if name == "peername" else default

    def write(self, data: Any) -> None:
        self.received += data

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        for data in list_of_data:
            self.write(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._end()

    def close(self) -> None:
        self._end()

    def abort(self) -> None:
        self._end()

    def is_closing(self) -> bool:
        return self._ended.is_set()

    def pause_reading(self) -> None:
        self._paused.clear()

    def resume_reading(self) -> None:
        self._paused.set()

    def is_reading(self) -> bool:
        return self._paused.is_set()

    def _end(self) -> None:
        self._ended.set()
        self._paused.set()
