"""One line of log for what a peer did wrong, and not more of them than a reader can take."""

import logging
from collections.abc import Callable
from typing import Any

__all__ = ["Complaints"]

_MAX_LINE = 200


class Complaints:
    """Writes about bad input: one escaped line each, at most `rate` a second, then a count.

    Args:
        logger: written to at INFO, without tracebacks.
        clock: gives seconds.
        rate: lines a second.
    """

    __slots__ = ("_clock", "_held_back", "_logger", "_rate", "_second", "_written")

    def __init__(
        self, logger: logging.Logger, clock: Callable[[], float], *, rate: int = 10
    ) -> None:
        self._logger = logger
        self._clock = clock
        self._rate = rate
        self._second = 0
        self._written = 0
        self._held_back = 0

    def add(self, peer: Any, detail: str) -> None:  # Any: an address of whatever family
        """Log what was found about `peer`, escaped and cut to 200 characters."""
        second = int(self._clock())
        if second != self._second:
            if self._held_back:
                self._logger.info("%d more complaints about peers held back", self._held_back)
            self._second, self._written, self._held_back = second, 0, 0
        if self._written >= self._rate:
            self._held_back += 1
            return
        self._written += 1
        where = peer[0] if isinstance(peer, tuple) else (peer or "local peer")
        self._logger.info("%s", ascii(f"{where}: {detail}")[1:-1][:_MAX_LINE])
