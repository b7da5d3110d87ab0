"""The differences that are meant and that tests outside this folder show.

Those of the access log are shown by `test_access_log`, which compares lines with aiohttp's; that of
domains by `server.test_bare_server`.
"""

from dataclasses import dataclass

__all__ = ["OUTSIDE_DIFFERENCES", "OutsideDifference"]


@dataclass(frozen=True, slots=True)
class OutsideDifference:
    """One intended difference.

    Attributes:
        name: of the difference.
        reason: one sentence.
    """

    name: str
    reason: str


OUTSIDE_DIFFERENCES = [
    OutsideDifference(
        name="percent signs in the format of the access log are written as documented",
        reason="aiohttp logs an error for most of them.",
    ),
    OutsideDifference(
        name="the access log escapes what cannot be printed",
        reason="aiohttp writes tabs and lone bytes of clients into the line as they are.",
    ),
    OutsideDifference(
        name="atoms of the access log can be added and overridden in a subclass",
        reason="aiohttp ignores the one and fails at the other.",
    ),
    OutsideDifference(
        name="an error in an access logger is logged and goes no further",
        reason="aiohttp closes the connection for errors in loggers of users.",
    ),
    OutsideDifference(
        name="answers that were cut are in the access log",
        reason="With 499 when the client has left, with 500 when the handler failed behind the "
        "head; aiohttp writes no line.",
    ),
    OutsideDifference(
        name="an access logger may be a coroutine",
        reason="aiohttp never awaits it.",
    ),
    OutsideDifference(
        name="an access logger is asked for each answer whether it is enabled",
        reason="Switching a log on is seen on connections that are open already.",
    ),
    OutsideDifference(
        name="requests that are refused for a malformed head are not in the access log",
        reason="They are told to the server's logger, which cannot be flooded.",
    ),
    OutsideDifference(
        name="a domain is compared with the host of an absolute target",
        reason="It goes before the Host field (RFC 9112 section 3.2.2), in request.host too.",
    ),
]
