"""The differences of the access log that are meant; `test_access_log` shows each of them.

Lines of the log are compared there with aiohttp's, and what follows is written out in full.
"""

from dataclasses import dataclass

__all__ = ["LOG_DIFFERENCES", "LogDifference"]


@dataclass(frozen=True, slots=True)
class LogDifference:
    """One intended difference.

    Attributes:
        name: of the difference.
        reason: one sentence.
    """

    name: str
    reason: str


LOG_DIFFERENCES = [
    LogDifference(
        name="percent signs in the format of the access log are written as documented",
        reason="aiohttp logs an error for most of them.",
    ),
    LogDifference(
        name="the access log escapes what cannot be printed",
        reason="aiohttp writes tabs and lone bytes of clients into the line as they are.",
    ),
    LogDifference(
        name="atoms of the access log can be added and overridden in a subclass",
        reason="aiohttp ignores the one and fails at the other.",
    ),
    LogDifference(
        name="an error in an access logger is logged and goes no further",
        reason="aiohttp closes the connection for errors in loggers of users.",
    ),
    LogDifference(
        name="answers that were cut are in the access log",
        reason="With 499 when the client has left, with 500 when the handler failed behind the "
        "head; aiohttp writes no line.",
    ),
    LogDifference(
        name="an access logger may be a coroutine",
        reason="aiohttp never awaits it.",
    ),
    LogDifference(
        name="an access logger is asked for each answer whether it is enabled",
        reason="Switching a log on is seen on connections that are open already.",
    ),
    LogDifference(
        name="requests that are refused for a malformed head are not in the access log",
        reason="They are told to the server's logger, which cannot be flooded.",
    ),
]
