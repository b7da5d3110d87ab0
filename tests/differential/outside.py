"""The differences that are meant and that tests outside this folder show.

Those of the access log are shown by `test_access_log`, which compares lines with aiohttp's; that of
domains by `server.test_bare_server`; that of expectations by `advisories.test_roads`; that of
ranges by `behaviour.test_hostile_forms`; those of bounds by `server.test_bounds`,
`server.test_descriptors` and `server.test_exhaustion`; that of cut bodies by
`server.test_cut_bodies`.
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
    OutsideDifference(
        name="an expectation besides 100-continue ends the connection when the body did not come",
        reason="What comes behind the answer may be that body, or the next request.",
    ),
    OutsideDifference(
        name="a Range field that is none is answered 400 where the handler lets the error of "
        "`http_range` pass",
        reason="It is the fault of the client, and nothing for the log.",
    ),
    OutsideDifference(
        name="options that make no sense are refused before a server listens",
        reason="A limit of nothing or of less would be found by the first client.",
    ),
    OutsideDifference(
        name="connections beyond the limit of the process wait until others end",
        reason="aiohttp takes them until it is out of descriptors; `run_app` and the command line "
        "set the limit.",
    ),
    OutsideDifference(
        name="a server out of descriptors pauses, and says so in one line",
        reason="aiohttp writes a traceback for each attempt to accept.",
    ),
    OutsideDifference(
        name="a body cut short that only the end of the connection ends is cut by a reset",
        reason="A client of HTTP/1.0 would take it for whole.",
    ),
]
