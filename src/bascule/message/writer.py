"""What bodies are written to, in the shape that aiohttp's payloads expect."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

from multidict import CIMultiDict

from ..exchange import Exchange

__all__ = ["AbstractStreamWriter"]


class AbstractStreamWriter(ABC):
    """A writer of one message; every `Exchange` counts as one.

    It is there to be implemented by tests and by payloads' own writers.

    Attributes:
        buffer_size: bytes that were written since the last drain.
        output_size: bytes that were written in all.
        length: bytes of the body that may still be written; None for no limit.
    """

    buffer_size: int = 0
    output_size: int = 0
    length: int | None = 0
    # Told of each piece: offset and size.
    on_body_write: Callable[[int, int], None] | None = None

    @property
    def transport(self) -> asyncio.WriteTransport | None:
        """The transport, if there is one."""
        return None

    @abstractmethod
    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Write a piece of the body."""

    @abstractmethod
    async def write_eof(self, chunk: bytes = b"") -> None:
        """Write the last piece."""

    @abstractmethod
    async def drain(self) -> None:
        """Wait until there is room."""

    @abstractmethod
    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
        """Compress what is written from now on."""

    @abstractmethod
    def enable_chunking(self) -> None:
        """Write in chunks."""

    @abstractmethod
    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        """Write the head."""

    def send_headers(self) -> None:  # noqa: B027  # as in aiohttp: most have nothing to send
        """Send a head that was held back."""


AbstractStreamWriter.register(Exchange)  # type: ignore[type-abstract]  # it is only asked about
