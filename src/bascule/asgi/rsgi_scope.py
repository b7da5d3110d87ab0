"""The scope of granian's own interface, RSGI: a request head that reads it when asked, and the
ASGI scope that says the same.

RSGI gives the path decoded, and keeps it from telling ``%2F`` from a slash: the target is the path
quoted again, so ``/a%2Fb`` arrives as ``/a/b``. Values of fields that are not ASCII are not shown
by granian at all.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, Protocol
from urllib.parse import quote

from multidict import CIMultiDict, CIMultiDictProxy

from ..exchange import Head, RawFields
from ..wire.grammar import HttpVersion, HttpVersion10, HttpVersion11, list_tokens
from ..wire.handshake import list_subprotocols
from .scope import ASGI_VERSIONS, PATH_SAFE, Scope, stand_in_for_tls

__all__ = ["RsgiFields", "RsgiHead", "RsgiScope", "asgi_scope_of_rsgi", "fact_of_rsgi"]

_VERSIONS: Final = {
    "1": HttpVersion10,
    "1.0": HttpVersion10,
    "1.1": HttpVersion11,
    "2": HttpVersion(2, 0),
    "3": HttpVersion(3, 0),
}
# What `quote` would leave as it is; most paths are, and a match is cheaper.
_is_plain_path = re.compile(rf"[A-Za-z0-9{re.escape(PATH_SAFE)}]*").fullmatch
# A query comes as it was sent, which may be more than ASCII.
_QUERY_SAFE: Final = "".join(map(chr, range(0x21, 0x7F)))


class RsgiFields(Protocol):
    """The header fields of a scope; names in lower case."""

    def __contains__(self, name: str) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def get(self, name: str) -> str | None:
        """Give the first value of a name."""

    def items(self) -> list[tuple[str, str]]:
        """Give all pairs, those of one name together."""


class RsgiScope(Protocol):
    """What is told of a request (RSGI specification 1.6)."""

    proto: str
    http_version: str
    server: str
    client: str
    scheme: str
    method: str
    path: str
    query_string: str
    authority: str | None
    headers: RsgiFields


class RsgiHead(Head):
    """The head of a request that is read from a scope piece by piece, as it is asked for.

    Attributes:
        scope: that it is read from.
        announces_body: its fields announce a body: in HTTP/1 there is none without.
    """

    __slots__ = ("_pairs", "announces_body", "scope")

    def __init__(self, scope: RsgiScope) -> None:
        # What `Head` would set is set here, or found out below.
        self.scope = scope
        self.method = scope.method
        self.version = _VERSIONS.get(scope.http_version, HttpVersion11)
        self.root_path = ""
        self._fields: CIMultiDictProxy[str] | None = None
        self._pairs: list[tuple[str, str]] | None = None
        fields = scope.headers
        self.is_plain = not ("expect" in fields or "upgrade" in fields)
        length = fields.get("content-length")
        self.announces_body = length not in (None, "0") or (
            length is None and "transfer-encoding" in fields
        )
        self.target = self._make_target()

    def _make_target(self) -> str:
        scope = self.scope
        path, query = scope.path, scope.query_string
        target = path if _is_plain_path(path) else quote(path, safe=PATH_SAFE)
        if query:
            target += "?" + (query if query.isascii() else quote(query, safe=_QUERY_SAFE))
        if self.version < (2, 0) and scope.authority:
            # Of an absolute target, which wins over Host (RFC 9112 section 3.2.2).
            return f"{self.scheme}://{scope.authority}{target}"
        return target

    def may_have(self, name: bytes) -> bool:
        """Whether there is a field of that name, in lower case."""
        return name.decode("ascii") in self.scope.headers

    @property
    def fields(self) -> CIMultiDictProxy[str]:
        """The fields as a multidict, built on first use."""
        if self._fields is None:
            self._fields = CIMultiDictProxy(CIMultiDict(self.pairs))
        return self._fields

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The fields in the host's order: with a Host also where HTTP has another place for it,
        and with one Cookie, which HTTP/2 splits (RFC 9113 section 8.2.3)."""
        if self._pairs is None:
            pairs = self.scope.headers.items()
            if self.version >= (2, 0):
                pairs = _read_like_http1(pairs, self.scope.authority)
            self._pairs = pairs
        return self._pairs

    @property
    def scheme(self) -> str:  # type: ignore[override]  # never set here
        """The scheme, of the connection."""
        return "https" if self.scope.scheme in ("https", "wss") else "http"

    @property
    def raw_fields(self) -> RawFields:
        """The fields as bytes."""
        return [(name.encode("ascii"), value.encode("utf-8")) for name, value in self.pairs]

    @property
    def keep_alive(self) -> bool:  # type: ignore[override]  # never set here
        """Whether the connection may serve another request."""
        connection = self.scope.headers.get("connection")
        if connection is None:
            return self.version > HttpVersion10
        options = list_tokens([connection.encode("utf-8")])
        return b"close" not in options and (
            self.version > HttpVersion10 or b"keep-alive" in options
        )


def _read_like_http1(pairs: list[tuple[str, str]], authority: str | None) -> list[tuple[str, str]]:
    cookies = [value for name, value in pairs if name == "cookie"]
    if len(cookies) > 1:
        pairs = [pair for pair in pairs if pair[0] != "cookie"]
        pairs.append(("cookie", "; ".join(cookies)))
    if authority:
        pairs = [("host", authority), *(pair for pair in pairs if pair[0] != "host")]
    return pairs


def fact_of_rsgi(scope: RsgiScope, name: str, default: Any = None) -> Any:
    """Give what a scope tells of the connection: ``peername``, ``sockname``, ``sslcontext`` where
    there is TLS, and ``scope``, an ASGI one that says the same."""
    if name == "peername":
        return _parse_address(scope.client) or default
    if name == "sockname":
        return _parse_address(scope.server) or default
    if name == "sslcontext" and scope.scheme in ("https", "wss"):
        return stand_in_for_tls()
    return default


def _parse_address(text: str) -> tuple[str, int] | None:
    """Read host and port; None for what is neither, as with Unix sockets."""
    host, separator, port = text.rpartition(":")
    if not separator or not (port.isascii() and port.isdecimal()):
        return None
    return host.removeprefix("[").removesuffix("]"), int(port)


def asgi_scope_of_rsgi(head: RsgiHead) -> Scope:
    """Describe a request as an ASGI host would (ASGI HTTP and WebSocket specification 2.5)."""
    scope = head.scope
    path, _, query = head.target.partition("?")
    if path[:1] not in ("/", "*"):
        path = "/" + path.partition("://")[2].partition("/")[2]
    is_socket = scope.proto == "ws"
    scheme = head.scheme
    described: Scope = {
        "type": "websocket" if is_socket else "http",
        "asgi": dict(ASGI_VERSIONS),
        "http_version": f"{head.version.major}.{head.version.minor}",
        "scheme": scheme.replace("http", "ws") if is_socket else scheme,
        "path": scope.path,
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": list(head.raw_fields),
        "client": _parse_address(scope.client),
        "server": _parse_address(scope.server),
        "state": {},
        "extensions": {},
    }
    if is_socket:
        described["subprotocols"] = list_subprotocols(head.fields)
        described["extensions"] = {"websocket.http.response": {}}
    else:
        described["method"] = head.method
    return described
