"""Checks that fail on a host, each with the reason why it cannot be otherwise."""

from dataclasses import dataclass

__all__ = ["REASONS", "Reason", "reasons_of"]

_UVICORN = ("uvicorn-h11", "uvicorn-httptools", "starlette", "fastapi")
_HYPERCORN = ("hypercorn", "hypercorn-http2")
_GRANIAN = ("granian", "granian-http2")
_RSGI = ("granian-rsgi", "granian-rsgi-http2")


@dataclass(frozen=True)
class Reason:
    """Why checks fail on some hosts.

    Attributes:
        checks: their names.
        hosts: likewise.
        text: the reason.
        always: they fail each time.
    """

    checks: tuple[str, ...]
    hosts: tuple[str, ...]
    text: str
    always: bool = True


REASONS: tuple[Reason, ...] = (
    Reason(
        ("reason phrase",),
        (*_UVICORN, "hypercorn", "granian", "granian-rsgi", "daphne"),
        "ASGI and RSGI have no reason phrase: hosts send that of the status, or none",
    ),
    Reason(
        ("date of the application", "server of the application"),
        (*_UVICORN, *_HYPERCORN),
        "the host sends a Date and a Server of its own beside the application's",
    ),
    Reason(
        ("one date and one server",),
        ("daphne",),
        "the host sends no Date, and what it does not send bascule leaves to it",
    ),
    Reason(
        ("http 1 0",),
        ("uvicorn-httptools",),
        "the host answers HTTP/1.0 in chunks, which that version does not know",
    ),
    Reason(
        ("socket that is lost",),
        (*_UVICORN, "granian"),
        "the host tells of a lost connection as of a close without a code (1005)",
    ),
    Reason(
        ("close of the client",),
        (*_HYPERCORN, "granian", "granian-rsgi", "daphne"),
        "the host drops the code or the reason of the client's close",
    ),
    Reason(
        ("expectations that are refused",),
        ("hypercorn", "daphne"),
        "the host asks for the body before the application has seen the request",
    ),
    Reason(
        ("duplicate fields",),
        (*_GRANIAN, *_RSGI, "daphne", "mangum"),
        "the host groups fields of the same name, or joins their values",
    ),
    Reason(
        ("empty answers", "ranges of a file", "files that are not there"),
        ("granian", "granian-rsgi"),
        "the host adds a Content-Length of 0 to empty answers that have none",
    ),
    Reason(
        ("fields of an acceptance",),
        ("granian", "granian-rsgi", "daphne"),
        "the host drops the fields of a WebSocket's acceptance",
    ),
    Reason(
        ("large body that is not read",),
        ("hypercorn-http2", "granian-http2", "granian-rsgi-http2"),
        "the host resets the stream of a large body that is not read behind its answer, "
        "which httpx takes for an error if it is still sending",
        always=False,
    ),
    Reason(
        ("body that is not read", "large body that is not read"),
        ("granian", "granian-rsgi"),
        "the host cuts the connection of a body that is not read, at times in front of its answer",
        always=False,
    ),
    Reason(
        ("handler waits for a client that does not read",),
        ("uvicorn-httptools",),
        "the host answers HTTP/1.0 in chunks, of which more arrives than was written",
    ),
    Reason(
        (
            "body is seen while it comes",
            "client that leaves within its body",
            "echo goes both ways at once",
            "upload waits for its handler",
        ),
        ("daphne",),
        "the host reads the whole body before it calls the application",
    ),
    Reason(
        ("handler waits for a client that does not read",),
        ("daphne",),
        "the host keeps all that is written in memory, however slowly the client reads",
    ),
    Reason(
        ("life from start to end",),
        ("daphne",),
        "the host has no lifespan: the first request starts the application, nothing ends it",
    ),
    Reason(
        ("connection that the application closes", "error behind the head"),
        ("daphne",),
        "the host does not close a connection that it is asked to close, nor one whose answer "
        "has failed",
    ),
    Reason(
        ("socket echoes text and bytes", "socket that pushes"),
        ("daphne",),
        "the host does not send empty messages",
    ),
    Reason(
        ("codes of a close", "message that is too large", "close by another task"),
        ("daphne",),
        "the host sends no reason of a close, and of the codes 1000 and 3000 to 4999 only",
    ),
    Reason(
        ("socket whose handler fails",),
        ("daphne",),
        "the host sends no code that says so: it gets 1000 in place of 1011",
    ),
    Reason(
        ("socket whose handler fails before", "socket that is refused"),
        ("daphne",),
        "the host refuses WebSockets with 403 only",
    ),
    Reason(
        ("encoded slashes and percent signs",),
        _RSGI,
        "RSGI gives the path decoded, in which `%2F` is a slash",
    ),
    Reason(
        ("fields beyond ascii",),
        _RSGI,
        "the host does not show the values of fields that are not ASCII",
    ),
    Reason(
        ("chunked body with extensions and trailers",),
        ("granian-rsgi",),
        "the host tells of a body with trailers as of one that was cut off: it is refused with 400",
    ),
    Reason(
        ("error behind the head",),
        _RSGI,
        "RSGI has no way to cut an answer in chunks: it ends as if it were whole",
    ),
    Reason(
        ("handler waits for a client that does not read",),
        ("granian-rsgi",),
        "the host keeps all that is written in memory, however slowly the client reads",
    ),
    Reason(
        ("subprotocols",),
        ("granian-rsgi",),
        "RSGI has no subprotocols: the client is told of none",
    ),
    Reason(
        (
            "socket of json",
            "socket that pushes",
            "codes of a close",
            "socket whose handler returns",
            "socket whose handler fails",
            "sockets and others on one route",
            "message that is too large",
            "receive that is given up",
            "pings",
            "close by another task",
        ),
        ("granian-rsgi",),
        "RSGI closes WebSockets without a code",
    ),
    Reason(
        ("socket that is refused",),
        ("granian-rsgi",),
        "RSGI refuses WebSockets with a status and no more",
    ),
    Reason(
        ("duplicate and large fields of an answer", "fields of an answer beyond ascii"),
        ("test-client",),
        "the client takes fields of an answer in ASCII only",
    ),
    Reason(
        ("body in pieces",),
        ("test-client", "mangum"),
        "the host joins a body before it calls the application, and knows its length then",
    ),
    Reason(
        ("view", "query"),
        ("mangum",),
        "the gateway's event has the query taken apart: `q` and `q=` are the same in it",
    ),
    Reason(
        ("several cookie fields",),
        ("mangum",),
        "the host joins fields of the same name by a comma, Cookie too",
    ),
)


def reasons_of(host: str) -> dict[str, Reason]:
    """Give the reasons for a host, by check."""
    return {check: each for each in REASONS if host in each.hosts for check in each.checks}
