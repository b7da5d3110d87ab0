"""A logger that also tells each exchange which error its application raised."""

import logging
import sys
from contextvars import ContextVar
from typing import Any

from .streamed import StreamedExchange

__all__ = ["Witness", "answering"]

# The exchange that the running task answers, in tasks of requests and those they begin.
answering: ContextVar[StreamedExchange] = ContextVar("bascule.testing.answering")


class Witness(logging.Logger):
    """Passes every record on to another logger, and keeps the error of a request at its exchange.

    What a server of ours logs with a traceback is what nobody in the application has handled; it
    is so of native applications and of hosted ones, of handlers and of bodies that fail later.

    Args:
        logger: told of everything, as if this one were not there.
    """

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logger.name)
        self._logger = logger

    def error(self, msg: object, *args: Any, exc_info: Any = None, **kwargs: Any) -> None:
        """Log an error, as `exception` does too, and keep it if a request is being answered."""
        error = exc_info if isinstance(exc_info, BaseException) else None
        if exc_info is True:
            error = sys.exception()
        exchange = answering.get(None)
        if exchange is not None and exchange.error is None:
            exchange.error = error
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # the caller's line, not this one
        super().error(msg, *args, exc_info=exc_info, **kwargs)

    def isEnabledFor(self, level: int) -> bool:
        """Ask the other logger, whose level may change."""
        return self._logger.isEnabledFor(level)

    def handle(self, record: logging.LogRecord) -> None:
        """Let the other logger handle a record, with its own filters."""
        self._logger.handle(record)
