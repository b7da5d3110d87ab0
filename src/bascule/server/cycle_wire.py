"""What an exchange needs of the connection that it came by."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal, Protocol

from .channel import ChannelWire, SocketChannel
from .options import DeflateSettings

__all__ = ["Answering", "Wire"]


class Answering(Protocol):
    """What a connection knows of an exchange whose answer it writes.

    Attributes:
        date: of the answer.
        bytes_sent: of it.
    """

    date: str
    bytes_sent: int

    @property
    def goes_on(self) -> bool:
        """Whether the request lets the connection go on behind its answer."""


class Wire(ChannelWire, Protocol):
    """What a cycle needs of its connection."""

    addresses: tuple[Any, Any] | None

    def at_step_end(self, callback: Callable[[], object]) -> None:
        """Call back at the end of this step of the event loop."""

    @property
    def server_header(self) -> str:
        """Value of the Server field; none is sent when empty."""

    def write_plain(
        self,
        cycle: Answering,
        start: bytes,
        body: bytes,
        *,
        is_dated: bool = False,
        is_old: bool = False,
    ) -> asyncio.Future[None] | Literal[False] | None:
        """Write an answer in one piece, where nothing stands in the way of that.

        Args:
            cycle: learns its date and size.
            start: of the head.
            body: all of it.
            is_dated: the head has a Date and all that a server puts in.
            is_old: the client speaks HTTP/1.0, and must be told that the connection goes on, not
                that it ends; of no effect where the head has all.

        Returns:
            False where something does: nothing was written; else what to await for room, None
            when there is.
        """

    def end_plain(self, cycle: Answering) -> bytes | None:
        """Give what ends the head of an answer to a cycle, which learns its date: the fields of a
        server, and the empty line; None where `write_plain` would not write the answer."""

    @property
    def deflate_settings(self) -> DeflateSettings:
        """Memory that compression of a WebSocket may take."""

    def switch(self, channel: SocketChannel) -> None:
        """Hand all bytes behind the request to a channel."""

    def forget_continue(self) -> None:
        """The client is told to go on with its body: the first read need not do it."""

    @property
    def sends_files(self) -> bool:
        """Whether `send_file` is worth a try."""

    async def send_file(self, prefix: bytes, file: int, offset: int, count: int) -> int | None:
        """Send bytes, and part of a file behind them; None when that could not be sent."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport; None once it is gone."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Look up a fact of the transport."""

    @property
    def is_condemned(self) -> bool:
        """Whether the connection ends behind the answer in progress."""

    @property
    def has_much_unread(self) -> bool:
        """Whether so much of the body is unread that it is not worth reading away."""
