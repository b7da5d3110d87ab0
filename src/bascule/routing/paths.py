"""How the paths of requests and the paths of resources are brought into one form to compare."""

import re
from contextvars import ContextVar
from typing import Final
from urllib.parse import quote

from yarl import URL

from ..message.request import BaseRequest
from ..wire.grammar import split_target

__all__ = [
    "add_root",
    "decode_literal",
    "match_path",
    "quote_path",
    "root_path",
    "unquote_value",
]

# Where the application that answers the request at hand is mounted, decoded; URLs begin with it.
root_path: Final[ContextVar[str]] = ContextVar("bascule_root_path", default="")

_ESCAPE = re.compile("%(?:2F|25)")
_ESCAPED = {"%2F": "/", "%25": "%"}


def match_path(request: BaseRequest) -> str:
    """Give the path of a request in the form that resources are compared with.

    It is percent-decoded but for ``%2F`` and ``%25``, which would otherwise be read as what they
    stand for; what is not UTF-8 stays encoded too. A root path that the application is mounted
    at is taken off.
    """
    head = request._head
    path = head.target
    if "?" in path or path[:1] != "/":
        path = split_target(path)[1]
    if "%" in path:
        path = request.rel_url.path_safe
    if head.root_path:
        path = _strip_root(path, head.root_path)
    return path


def _strip_root(path: str, root_path: str) -> str:
    """Take a root path off at a segment boundary, if it is there: hosts that mount an application
    disagree on whether the path still holds it."""
    if path.startswith(root_path) and path[len(root_path) :][:1] in ("", "/"):
        return path[len(root_path) :] or "/"
    return path


def quote_path(path: str) -> str:
    """Quote what a path may not hold as it is; escapes that are there stay."""
    return URL.build(path=path).raw_path.replace("%25", "%")


def add_root(path: str) -> str:
    """Put the root path in front of a quoted path that a URL is made of; outside requests there is
    none."""
    root = root_path.get()
    return quote(root, safe="/:@!$&'()*+,;=~") + path if root else path


def decode_literal(path: str) -> str:
    """Give a literal path, quoted or not, in the form of `match_path`."""
    return URL.build(path=quote_path(path), encoded=True).path_safe if path else path


def unquote_value(value: str) -> str:
    """Decode what `match_path` has left encoded in the value of a variable part."""
    return _ESCAPE.sub(lambda match: _ESCAPED[match[0]], value) if "%" in value else value
