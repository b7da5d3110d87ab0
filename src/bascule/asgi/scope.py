"""The ASGI scope of a request head, and the head of a scope."""

import ssl
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache, partial
from typing import Any, Final
from urllib.parse import quote, unquote

from ..exchange import Exchange, Head, RawFields
from ..wire.certificates import decode_certificate
from ..wire.grammar import HttpVersion, HttpVersion10, HttpVersion11, list_tokens, split_target
from .tls import describe_tls

__all__ = [
    "ASGI_VERSIONS",
    "PATH_SAFE",
    "Scope",
    "ScopeHead",
    "fact_of_scope",
    "head_of_scope",
    "scope_of_exchange",
    "scope_of_head",
    "socket_scope_of_head",
    "stand_in_for_tls",
]

# Any: a scope is a dict whose values the specification types one by one.
Scope = dict[str, Any]

# 2.4 promises that send() raises an OSError once the client has left; 2.5 adds the reason of a
# WebSocket's end.
ASGI_VERSIONS: Final = {"version": "3.0", "spec_version": "2.5"}

# What is not quoted in a path.
PATH_SAFE: Final = "/:@!$&'()*+,;=~-._"
# Fields that say how a request goes on.
_MARKED: Final = frozenset(
    {b"connection", b"content-length", b"expect", b"transfer-encoding", b"upgrade"}
)
# Names of fields as they were sent, lowered.
_lowered: dict[bytes, bytes] = {}
_MAX_KNOWN_NAMES: Final = 1024
_MAX_KNOWN_SIZE: Final = 64
_SECURE: Final = frozenset({"https", "wss"})
_VERSIONS: Final = {"1.1": HttpVersion11, "1.0": HttpVersion10}


def socket_scope_of_head(
    head: Head,
    *,
    client: Any,
    server: Any,
    subprotocols: list[str],
    state: Mapping[str, Any] | None = None,
    tls: dict[str, Any] | None = None,
) -> Scope:
    """Describe a request for a WebSocket (ASGI WebSocket specification 2.5).

    Args:
        head: of the request.
        client: see `scope_of_head`.
        server: likewise.
        subprotocols: that the client offers, in its order.
        state: likewise.
        tls: likewise.
    """
    scope = scope_of_head(head, client=client, server=server, state=state)
    del scope["method"]
    scope["type"] = "websocket"
    scope["scheme"] = "wss" if head.scheme == "https" else "ws"
    scope["subprotocols"] = subprotocols
    extensions: dict[str, Any] = {"websocket.http.response": {}}
    if tls is not None:
        extensions["tls"] = tls
    scope["extensions"] = extensions
    return scope


def scope_of_head(
    head: Head,
    *,
    client: Any,
    server: Any,
    state: Mapping[str, Any] | None = None,
    tls: dict[str, Any] | None = None,
) -> Scope:
    """Describe a request to a hosted ASGI application (ASGI HTTP specification 2.5).

    Args:
        head: of the request.
        client: address of the peer: a tuple of host and port, or what its family has.
        server: address of the socket; a path for a Unix socket.
        state: of the lifespan; copied shallowly.
        tls: the extension of that name; None on a plain connection.
    """
    target = head.target
    if target[:1] == "/":
        authority = ""
        raw_path, _, query = target.partition("?")
    else:
        authority, raw_path, query = split_target(target)
    path = unquote(raw_path, errors="replace") if "%" in raw_path else raw_path
    root_path = head.root_path
    block = head.block
    fields = _lower_names(head.raw_fields) if block is None else _read_block(block)
    if authority:  # it counts, and Host is to be ignored (RFC 9112 section 3.2.2)
        fields = [pair for pair in fields if pair[0] != b"host"]
        fields.insert(0, (b"host", authority.encode("ascii")))
    if root_path and path[:1] == "/" and not _is_under(path, root_path):
        path = root_path + path  # a proxy has taken it off; the raw path stays as it came
    extensions: dict[str, Any] = {
        "http.response.early_hint": {},
        "http.response.trailers": {},
        "http.response.pathsend": {},
        "http.response.zerocopysend": {},
    }
    if tls is not None:
        extensions["tls"] = tls
    scope: Scope = {
        "type": "http",
        "asgi": ASGI_VERSIONS.copy(),
        "http_version": "1.1" if head.version is HttpVersion11 else _dump_version(head.version),
        "method": head.method.upper(),
        "scheme": head.scheme,
        "path": path,
        "raw_path": raw_path.encode() if target.isascii() else raw_path.encode("ascii", "replace"),
        "query_string": query.encode("ascii", "replace") if query else b"",
        "root_path": root_path,
        "headers": fields,
        "client": _host_and_port(client),
        "server": _host_and_port(server),
        "extensions": extensions,
    }
    if state is not None:
        scope["state"] = dict(state)
    return scope


def _dump_version(version: HttpVersion) -> str:
    return f"{version.major}.{version.minor}"


def _lower_names(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(_lowered.get(name) or _learn_name(name), value) for name, value in fields]


def _read_block(block: bytes) -> list[tuple[bytes, bytes]]:
    """Read field lines that the lane has recognised; it spares making a list of them as sent."""
    pairs = []
    known = _lowered.get
    for line in block[1:-2].split(b"\r\n"):
        name, _, value = line.partition(b":")
        pairs.append((known(name) or _learn_name(name), value.strip(b" \t")))
    return pairs


def _learn_name(name: bytes) -> bytes:
    """Lower the name of a field, and remember those that come first."""
    lowered = name.lower()
    if len(_lowered) < _MAX_KNOWN_NAMES and len(name) <= _MAX_KNOWN_SIZE:
        _lowered[name] = lowered
    return lowered


def scope_of_exchange(exchange: Exchange) -> Scope:
    """Give the scope of an exchange: that of its host or, where there is none, one that says the
    same; it has an empty state then."""
    known: Scope | None = exchange.extra("scope")
    if known is not None:
        return known
    make: Any = scope_of_head
    if exchange.asks_for_websocket:
        make = partial(socket_scope_of_head, subprotocols=exchange.subprotocols)
    scope: Scope = make(
        exchange.head,
        client=exchange.extra("peername"),
        server=exchange.extra("sockname"),
        state={},
        tls=describe_tls(exchange) if exchange.head.scheme == "https" else None,
    )
    return scope


def head_of_scope(scope: Mapping[str, Any]) -> "ScopeHead":
    """Read a host's scope as a request head."""
    return ScopeHead(scope)


class ScopeHead(Head):
    """The head of a request that a host's scope describes; the scope is not changed.

    Hosts disagree on whether the path holds the root path; here the target always does. Where there
    is no raw path it is the path, quoted. The fields are read when they are asked for, but for
    those that say how the request goes on.

    Attributes:
        announces_body: its fields announce a body, by a length or a coding: in HTTP/1 there is none
            without.
    """

    __slots__ = ("_headers", "announces_body")

    def __init__(self, scope: Mapping[str, Any]) -> None:
        # What `Head` would set is set here, or found out below: each request comes by here.
        headers = scope["headers"]
        if not isinstance(headers, list | tuple):
            headers = list(headers)
        self._headers: Sequence[tuple[bytes, bytes]] | None = headers
        marked: list[tuple[bytes, bytes]] | None = None
        for pair in headers:
            if pair[0] in _MARKED:
                if marked is None:
                    marked = [pair]
                else:
                    marked.append(pair)
        raw_path: bytes | None = scope.get("raw_path")
        root_path = scope.get("root_path")
        path = raw_path.decode("latin-1") if raw_path else ""
        if root_path or path != scope["path"] or path[:1] != "/":
            root_path = str(root_path or "").rstrip("/")
            path = _find_path(scope, path, root_path)
        query: bytes | None = scope.get("query_string")
        version = _VERSIONS.get(scope.get("http_version") or "1.1") or _parse_version(scope)
        self.method = scope.get("method") or "GET"
        self.target = f"{path}?{query.decode('latin-1')}" if query else path
        self.version = version
        self.scheme = "https" if scope.get("scheme") in _SECURE else "http"
        self.root_path = root_path or ""
        self._fields = None
        self.keep_alive = version is not HttpVersion10
        self.is_plain = True
        self.announces_body = False
        if marked is not None:
            self._read_marked(marked)

    def _read_marked(self, marked: list[tuple[bytes, bytes]]) -> None:
        for name, value in marked:
            if name == b"content-length":
                self.announces_body = self.announces_body or value != b"0"
            elif name == b"transfer-encoding":
                self.announces_body = True
            elif name == b"connection":
                self.keep_alive = _keeps_alive(self.version, marked)
            else:
                self.is_plain = False

    @property
    def raw_fields(self) -> RawFields:
        """The names and values as the host gives them, but for what is split in HTTP/2."""
        headers = self._headers
        if headers is not None:
            self._headers = None
            self._raw_fields = _read_headers(headers)
        return self._raw_fields

    def may_have(self, name: bytes) -> bool:
        """Whether there is a field of that name, in lower case."""
        headers = self._raw_fields if self._headers is None else self._headers
        return name in [pair[0].lower() for pair in headers]


def _find_path(scope: Mapping[str, Any], path: str, root_path: str) -> str:
    """Give the path of a target, quoted, with the root path in front."""
    if not path or not _says_the_same(path, scope["path"], root_path):
        path = quote(scope["path"], safe=PATH_SAFE)  # middlewares may have put another in
    quoted_root = quote(root_path, safe=PATH_SAFE)
    if not _is_under(path, quoted_root) and not _is_under(path, root_path):
        path = quoted_root + path
    return path


def _read_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return _join_cookies([(bytes(n), bytes(v)) for n, v in headers])


def _says_the_same(raw_path: str, path: str, root_path: str) -> bool:
    """Whether a raw path is that of a path, either of them perhaps without the root path; hosts
    decode what is no UTF-8 in ways of their own."""
    if raw_path == path:
        return True
    decoded = unquote(raw_path, errors="replace")
    return decoded in (path, root_path + path) or root_path + decoded == path or "\ufffd" in decoded


def fact_of_scope(scope: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """Give what a host's scope tells of the connection: ``peername``, ``sockname``, ``scope``, and
    ``peercert`` where it has the TLS extension.

    Of TLS there is a ``sslcontext``, which says that it is there and no more: by it programs for
    aiohttp find out.
    """
    if name == "scope":
        return scope
    if name == "sslcontext" and scope.get("scheme") in ("https", "wss"):
        return stand_in_for_tls()
    if name == "peercert":
        return _find_certificate(scope, default)
    key = {"peername": "client", "sockname": "server"}.get(name)
    value = scope.get(key) if key else None
    if value is None:
        return default
    # A port as text is granian's way.
    return tuple(
        int(part) if index and _is_number(part) else part for index, part in enumerate(value)
    )


def _find_certificate(scope: Mapping[str, Any], default: Any) -> Any:
    """Give the client's certificate as the module ssl would; a malformed one counts for none."""
    chain = ((scope.get("extensions") or {}).get("tls") or {}).get("client_cert_chain")
    try:
        return decode_certificate(ssl.PEM_cert_to_DER_cert(next(iter(chain)))) if chain else default
    except ValueError:
        return default


def _is_number(part: Any) -> bool:
    return isinstance(part, str) and part.isdecimal()


@cache
def stand_in_for_tls() -> ssl.SSLContext:
    """Make what stands for the TLS contexts of hosts, which they keep to themselves."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def _is_under(path: str, root: str) -> bool:
    return not root or (path.startswith(root) and path[len(root) :][:1] in ("", "/"))


def _parse_version(scope: Mapping[str, Any]) -> HttpVersion:
    major, _, minor = str(scope["http_version"]).partition(".")
    return HttpVersion(int(major), int(minor or 0))


def _keeps_alive(version: HttpVersion, fields: list[tuple[bytes, bytes]]) -> bool:
    options = list_tokens(value for name, value in fields if name == b"connection")
    return b"close" not in options and (version >= (1, 1) or b"keep-alive" in options)


def _join_cookies(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Join the Cookie fields that HTTP/2 splits (RFC 9113 section 8.2.3)."""
    cookies = [value for name, value in fields if name.lower() == b"cookie"]
    if len(cookies) < 2:
        return fields
    joined = [pair for pair in fields if pair[0].lower() != b"cookie"]
    joined.append((b"cookie", b"; ".join(cookies)))
    return joined


@lru_cache(maxsize=1024)
def _host_and_port(address: Any) -> tuple[str, int | None] | None:
    if isinstance(address, tuple) and len(address) >= 2:
        port = address[1]  # of a Unix socket a host has none
        return str(address[0]), None if port is None else int(port)
    if isinstance(address, bytes):
        address = address.decode("utf-8", "surrogateescape")
    return (address, None) if address else None
