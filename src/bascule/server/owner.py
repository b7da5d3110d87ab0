"""What a connection needs of its server."""

import logging
from collections.abc import Callable
from contextvars import Context
from typing import Protocol, TypeVar

from ..exchange import Responder
from ..wire.lane import Lane
from .complaints import Complaints
from .options import ConnectionOptions

__all__ = ["Owner"]

_ConnectionT = TypeVar("_ConnectionT", contravariant=True)


class Owner(Protocol[_ConnectionT]):
    """What a connection needs of its server."""

    responder: Responder
    options: ConnectionOptions
    logger: logging.Logger
    complaints: Complaints
    context: Context
    lane: Lane | None
    second: int
    date: str
    ending: bytes
    last_ending: bytes
    kept_ending: bytes
    final_request: int
    requests_count: int
    stopping: bool

    def now(self) -> float:
        """Give the time of the loop's clock, in seconds."""

    def opened(self, connection: _ConnectionT) -> None:
        """Take note of a new connection."""

    def left(self) -> None:
        """Take note that the transport of a connection is lost."""

    def closed(self, connection: _ConnectionT) -> None:
        """Take note that a connection has ended."""

    def at_step_end(self, callback: Callable[[], object]) -> None:
        """Call back at the end of this step of the event loop."""

    def turn_to(self, second: int) -> None:
        """Write the end of heads anew, which has a date."""

    def exit(self, cause: BaseException) -> bool:
        """Be told of SystemExit or KeyboardInterrupt out of a responder; say if it is taken."""
