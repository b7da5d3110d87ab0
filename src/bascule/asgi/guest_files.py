"""Messages by which an ASGI host is told to send a file itself, where it offers to."""

from collections.abc import Container, Mapping
from types import BuiltinMethodType
from typing import Any, Final

from .lent_files import find_path

__all__ = ["PATHSEND", "find_offers", "make_file_message"]

# Extensions of the ASGI specification, and their messages.
PATHSEND: Final = "http.response.pathsend"
_ZEROCOPYSEND: Final = "http.response.zerocopysend"


def find_offers(scope: Mapping[str, Any], send: Any) -> Container[str]:
    """Find the extensions of a host that its messages may be of.

    Middlewares between may drop what they do not know: brotli-asgi the body that is a path,
    Starlette's GZipMiddleware and BaseHTTPMiddleware the one that is a descriptor. So files are
    sent as such only where `send` is seen to be the host's own: granian's is no function of
    Python, and that of our server is a method of what says so by its attribute ``sends_files``.

    Args:
        scope: of the call.
        send: of the call.
    """
    is_own = getattr(getattr(send, "__self__", None), "sends_files", False)
    if is_own or isinstance(send, BuiltinMethodType):
        return scope.get("extensions") or ()
    return ()


def make_file_message(
    extensions: Container[str], file: Any, offset: int, count: int, *, is_all: bool
) -> dict[str, Any] | None:
    """Write the message that has part of a file sent; None when the host takes none.

    A whole file that is the whole body goes by its path, since hosts with an event loop of their
    own open it there; anything else by its descriptor.

    Args:
        extensions: that the host offers.
        file: open for reading; Any: as of `Exchange.send_file`.
        offset: of the first byte.
        count: of the bytes.
        is_all: nothing else belongs to the body.
    """
    if is_all and offset == 0 and PATHSEND in extensions:
        path = find_path(file, count)
        if path is not None:
            return {"type": PATHSEND, "path": path}
    if _ZEROCOPYSEND in extensions and hasattr(file, "fileno"):
        return {
            "type": _ZEROCOPYSEND,
            "file": file,
            "offset": offset,
            "count": count,
            "more_body": True,
        }
    return None
