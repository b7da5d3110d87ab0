"""What some hosts of the behaviour tests cannot do, whatever application they serve."""

from enum import Enum

__all__ = ["LACKS", "Feature"]


class Feature(Enum):
    """Something that a test needs of its host, or of the client that speaks with it.

    A test that makes no sense without one calls ``client.require(feature)``, which skips it where
    it is lacking; one that sees something else there asks ``client.lacks(feature)``.
    """

    CUTS = "a client can tell an answer that has ended early"
    DROPS = "a connection can be dropped without an answer"
    LEAVING = "a client can leave before its answer has come"
    LENGTHS = "only the application says how long its answers are"
    TRAILERS = "fields behind a body"
    SOCKETS = "WebSockets"
    REDIRECTED_SOCKETS = "the client of a WebSocket follows redirects"
    ACCEPTANCE_FIELDS = "the fields of a WebSocket's acceptance"
    CLOSE_CODES = "the code with which a client closes its WebSocket"
    CLOSES = "a close of a WebSocket's client is no loss"
    CLOSE_REASONS = "the reason with which a client closes its WebSocket"
    SOCKET_LOSSES = "the loss of a WebSocket's client is no close"
    SOCKET_STOPS = "sending waits for the client of a WebSocket"
    SUBPROTOCOLS = "the subprotocol of a WebSocket"
    REFUSALS = "fields and body of an answer that refuses a WebSocket"
    SENT_CLOSE_CODES = "the code with which the application closes a WebSocket"
    DISTINCT_PATHS = "a path in which %2F is no slash"
    DOTS = "a path arrives with the dots that were sent"
    LINE_BREAKS = "paths with line breaks"
    WIDE_FIELDS = "values of fields beyond ASCII"
    STREAM_STOPS = "sending waits for the client of an answer"


_NO_CONNECTION = "there is no connection"
_HTTPX_CUT = "httpx's transport takes what came before an error for the whole"
_HTTPX_500 = "httpx's transport answers 500 for a call that fails"
_HTTPX_H2 = "httpx leaves a stream of HTTP/2 without a word"
_UVICORN_500 = "uvicorn answers 500 for a call that fails before its head"
_HYPERCORN_500 = "hypercorn answers 500 for a call that fails before its head"
_GRANIAN_500 = "granian answers 500 for a call that fails before its head"
_UVICORN_TRAILERS = "uvicorn sends no trailers"
_GRANIAN_TRAILERS = "granian sends no trailers"
_GRANIAN_LENGTH = "granian adds the length of a body that comes in one piece"
_HYPERCORN_CLOSE = "hypercorn tells of any close as of a loss, 1006"
_UVICORN_LOSS = "uvicorn tells of a loss as of a close without a code, 1005"
_RSGI_CUT = "granian's RSGI has no way to cut an answer in chunks: it ends it as if it were whole"
_RSGI_TRAILERS = "granian's RSGI has no trailers"
_RSGI_PATHS = "granian's RSGI gives the path decoded only"
_RSGI_FIELDS = "granian's RSGI does not show values of fields that are not ASCII"
_RSGI_STOPS = "granian's RSGI keeps in memory what the client of an answer does not read"
_RSGI_CLOSES = "granian's RSGI has no codes and reasons of closes"
_RSGI_ACCEPTANCE = "granian's RSGI has no fields of an acceptance"
_HTTPX_DOTS = "httpx resolves dots before it sends"
_NO_REDIRECTS = "the client of these tests follows none"

# Who lacks what, and why. `tests/behaviour/test_features.py` watches the hosts with applications
# that are not ours: an entry that is not, or no longer, true fails there.
LACKS: dict[Feature, dict[str, str]] = {
    Feature.CUTS: {
        "asgi": _HTTPX_CUT,
        "mount": _HTTPX_CUT,
        "hypercorn-h2": "hypercorn keeps a stream open whose application has failed",
        "granian-rsgi": _RSGI_CUT,
        "granian-rsgi-h2": _RSGI_CUT,
    },
    Feature.DROPS: {
        "asgi": _HTTPX_500,
        "mount": _HTTPX_500,
        "uvicorn": _UVICORN_500,
        "uvicorn-httptools": _UVICORN_500,
        "hypercorn": _HYPERCORN_500,
        "hypercorn-h2": _HYPERCORN_500,
        "granian": _GRANIAN_500,
        "granian-h2": _GRANIAN_500,
        "granian-rsgi": _GRANIAN_500,
        "granian-rsgi-h2": _GRANIAN_500,
    },
    Feature.LEAVING: {
        "memory": _NO_CONNECTION,
        "asgi": _NO_CONNECTION,
        "mount": _NO_CONNECTION,
        "hypercorn-h2": _HTTPX_H2,
        "granian-h2": _HTTPX_H2,
        "granian-rsgi-h2": _HTTPX_H2,
    },
    Feature.LENGTHS: {
        "granian": _GRANIAN_LENGTH,
        "granian-h2": _GRANIAN_LENGTH,
    },
    Feature.TRAILERS: {
        "asgi": "httpx's transport knows no trailers",
        "mount": "httpx's transport knows no trailers",
        "uvicorn": _UVICORN_TRAILERS,
        "uvicorn-httptools": _UVICORN_TRAILERS,
        "hypercorn": "hypercorn sends trailers over HTTP/2 only",
        "granian": _GRANIAN_TRAILERS,
        "granian-h2": _GRANIAN_TRAILERS,
        "granian-rsgi": _RSGI_TRAILERS,
        "granian-rsgi-h2": _RSGI_TRAILERS,
    },
    Feature.SOCKETS: {
        "granian-h2": "granian has no WebSockets over HTTP/2 (RFC 8441)",
        "granian-rsgi-h2": "granian has no WebSockets over HTTP/2 (RFC 8441)",
    },
    Feature.REDIRECTED_SOCKETS: {
        "memory": _NO_REDIRECTS,
        "asgi": _NO_REDIRECTS,
        "mount": _NO_REDIRECTS,
        "hypercorn-h2": _NO_REDIRECTS,
    },
    Feature.ACCEPTANCE_FIELDS: {
        "granian": "granian drops the fields of an acceptance",
        "granian-rsgi": _RSGI_ACCEPTANCE,
    },
    Feature.CLOSE_CODES: {
        "hypercorn": _HYPERCORN_CLOSE,
        "hypercorn-h2": _HYPERCORN_CLOSE,
        "granian-rsgi": _RSGI_CLOSES,
    },
    Feature.CLOSES: {
        "hypercorn": _HYPERCORN_CLOSE,
        "hypercorn-h2": _HYPERCORN_CLOSE,
    },
    Feature.CLOSE_REASONS: {
        "hypercorn": _HYPERCORN_CLOSE,
        "hypercorn-h2": _HYPERCORN_CLOSE,
        "granian": "granian tells of no reasons",
        "granian-rsgi": _RSGI_CLOSES,
    },
    Feature.SOCKET_LOSSES: {
        "uvicorn": _UVICORN_LOSS,
        "uvicorn-httptools": _UVICORN_LOSS,
        "granian": "granian tells of a loss as of a close without a code, 1005",
    },
    Feature.SOCKET_STOPS: {
        "memory": _NO_CONNECTION,
        "asgi": _NO_CONNECTION,
        "mount": _NO_CONNECTION,
        "hypercorn-h2": "hypercorn waits for no client of a WebSocket over HTTP/2",
    },
    Feature.SUBPROTOCOLS: {
        "granian-rsgi": _RSGI_ACCEPTANCE,
    },
    Feature.REFUSALS: {
        "granian-rsgi": "granian's RSGI refuses a WebSocket with a status and no more",
    },
    Feature.SENT_CLOSE_CODES: {
        "granian-rsgi": _RSGI_CLOSES,
    },
    Feature.DISTINCT_PATHS: {
        "granian-rsgi": _RSGI_PATHS,
        "granian-rsgi-h2": _RSGI_PATHS,
    },
    Feature.DOTS: {
        "asgi": _HTTPX_DOTS,
        "mount": _HTTPX_DOTS,
    },
    Feature.LINE_BREAKS: {
        "mount": "Starlette's mounts match no path with a line break",
    },
    Feature.WIDE_FIELDS: {
        "granian-rsgi": _RSGI_FIELDS,
        "granian-rsgi-h2": _RSGI_FIELDS,
    },
    Feature.STREAM_STOPS: {
        "granian-rsgi": _RSGI_STOPS,
        "granian-rsgi-h2": _RSGI_STOPS,
    },
}
