"""The WSGI environment of an ASGI scope (PEP 3333)."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final
from urllib.parse import unquote, unquote_to_bytes

from .. import __version__

__all__ = ["make_environ"]

# Fields whose variables would say something else than they do: `HTTP_PROXY` is where libraries
# look for a proxy of their own (CVE-2016-5385, "httpoxy").
_DROPPED: Final = frozenset({"proxy"})
_PORTS: Final = {"http": "80", "https": "443"}


def make_environ(scope: Mapping[str, Any], body: BinaryIO, *, is_threaded: bool) -> dict[str, Any]:
    """Describe a request to a WSGI application.

    Fields of one name are joined. A field with an underscore in its name is dropped: its variable
    would be that of another field, which a proxy may have vouched for.

    Args:
        scope: of an ``http`` call.
        body: of the request; it ends where the body does, whatever its length is said to be.
        is_threaded: the application may be called again meanwhile, in another thread.
    """
    script_name, path_info = _split_path(scope)
    query = (scope.get("query_string") or b"").decode("latin-1")
    target = (scope.get("raw_path") or path_info.encode("latin-1")).decode("latin-1")
    scheme = str(scope.get("scheme") or "http")
    environ: dict[str, Any] = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": f"bascule/{__version__}",
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version') or '1.1'}",
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": script_name,
        "PATH_INFO": path_info,
        "QUERY_STRING": query,
        # As they were sent; not of the specification, but asked for by frameworks.
        "REQUEST_URI": f"{target}?{query}" if query else target,
        "RAW_URI": f"{target}?{query}" if query else target,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": is_threaded,
        "wsgi.multiprocess": True,  # as far as is known here
        "wsgi.run_once": False,
    }
    environ.update(_list_fields(scope))
    _describe_ends(environ, scope, scheme)
    return environ


def _split_path(scope: Mapping[str, Any]) -> tuple[str, str]:
    """Give the root path and the path behind it, as bytes in text."""
    path: str = scope["path"]
    raw: bytes | None = scope.get("raw_path")
    data = path.encode("utf-8", "surrogateescape")
    # What is not UTF-8 is in the raw path only; some hosts have the root path only in the other.
    if raw and unquote(raw.decode("latin-1"), errors="replace") == path:
        data = unquote_to_bytes(raw)
    root = str(scope.get("root_path") or "").rstrip("/").encode("utf-8", "surrogateescape")
    if data.startswith(root) and data[len(root) :][:1] in (b"", b"/"):
        data = data[len(root) :]
    return root.decode("latin-1"), data.decode("latin-1")


def _list_fields(scope: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    values: dict[str, list[str]] = {}
    for raw_name, raw_value in scope["headers"]:
        name = bytes(raw_name).decode("latin-1").lower()
        if "_" not in name and name not in _DROPPED:
            values.setdefault(name, []).append(bytes(raw_value).decode("latin-1"))
    for name, found in values.items():
        variable = name.upper().replace("-", "_")
        if name in ("content-type", "content-length"):
            yield variable, found[0]  # there is one
        else:
            yield f"HTTP_{variable}", ("; " if name == "cookie" else ",").join(found)


def _describe_ends(environ: dict[str, Any], scope: Mapping[str, Any], scheme: str) -> None:
    """Say who talks to whom; of a Unix socket the Host field tells, as far as it goes."""
    client, server = scope.get("client"), scope.get("server")
    if client:
        environ["REMOTE_ADDR"] = str(client[0])
        environ["REMOTE_PORT"] = str(client[1])
    if server and server[1] is not None:
        environ["SERVER_NAME"], environ["SERVER_PORT"] = str(server[0]), str(server[1])
        return
    name, port = _split_host(environ.get("HTTP_HOST", ""))
    environ["SERVER_NAME"] = name or "localhost"
    environ["SERVER_PORT"] = port or _PORTS.get(scheme, "80")


def _split_host(host: str) -> tuple[str, str]:
    name, _, port = host.rpartition(":")
    return (name, port) if name and port.isdecimal() else (host, "")
