"""The head of a request, as handlers read it.

Long, since each name of the reference's class stands here; what they do is in modules of its own.
"""

import re
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar, overload

from multidict import CIMultiDictProxy, MultiMapping
from yarl import URL

from ..exchange import Exchange, Head, RawFields
from ..wire import hdrs
from ..wire.conditions import ETag, join_field, parse_etags, parse_range
from ..wire.cookies import parse_cookies
from ..wire.fields import parse_content_type, parse_date
from ..wire.grammar import HttpVersion, split_target
from .keys import RequestKey, warn_once_about_str
from .malformed import blame_peer

__all__ = ["RequestHead"]

# Hosts that are written as URLs write them: nothing to lower, encode or, as a port, leave out.
_PLAIN_AUTHORITY = re.compile(r"[a-z0-9.-]+(?::(?:[1-9][0-9]{3}|[1-5][0-9]{4}))?")
_T = TypeVar("_T")
_U = TypeVar("_U")


class RequestHead(MutableMapping[str | RequestKey[Any], Any]):
    """What is known of a request before its body. Also a mapping for its data."""

    __slots__ = (
        "__dict__",  # applications put attributes of their own here
        "__weakref__",
        "_exchange",
        "_head",
    )

    _exchange: Exchange
    _head: Head

    # What most requests never have: a request gets an attribute of its own with the first use.

    _host: str | None = None
    _remote: str | None = None
    _state: dict[str | RequestKey[Any], Any] | None = None
    _rel_url: URL | None = None
    _url: URL | None = None
    _cookies: Mapping[str, str] | None = None
    _content_type: tuple[str, dict[str, str]] | None = None

    # -- the mapping

    @overload
    def __getitem__(self, key: RequestKey[_T]) -> _T: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    def __getitem__(self, key: str | RequestKey[Any]) -> Any:
        if self._state is None:
            raise KeyError(key)
        return self._state[key]

    @overload
    def __setitem__(self, key: RequestKey[_T], value: _T) -> None: ...
    @overload
    def __setitem__(self, key: str, value: Any) -> None: ...
    def __setitem__(self, key: str | RequestKey[Any], value: Any) -> None:
        if self._state is None:
            self._state = {}
        if not isinstance(key, RequestKey):
            warn_once_about_str("RequestKey", key)
        self._state[key] = value

    @overload  # type: ignore[override]  # a typed key gives a typed value
    def get(self, key: RequestKey[_T], default: None = ...) -> _T | None: ...
    @overload
    def get(self, key: RequestKey[_T], default: _U) -> _T | _U: ...
    @overload
    def get(self, key: str, default: Any = ...) -> Any: ...
    def get(self, key: str | RequestKey[Any], default: Any = None) -> Any:
        """Look up what it holds, or give the default."""
        return default if self._state is None else self._state.get(key, default)

    def __delitem__(self, key: str | RequestKey[Any]) -> None:
        if self._state is None:
            raise KeyError(key)
        del self._state[key]

    def __len__(self) -> int:
        return len(self._state or ())

    def __iter__(self) -> Iterator[str | RequestKey[Any]]:
        return iter(self._state or ())

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        path = self.path.encode("ascii", "backslashreplace").decode("ascii")
        return f"<{type(self).__name__} {self.method} {path} >"

    # -- the head

    @property
    def method(self) -> str:
        """The method."""
        return self._head.method

    @property
    def version(self) -> HttpVersion:
        """The HTTP version, major and minor."""
        return self._head.version

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The header fields; values are UTF-8 with surrogateescape."""
        return self._head.fields

    @property
    def raw_headers(self) -> RawFields:
        """The header fields as bytes, in order, spelled as received."""
        return self._head.raw_fields

    @property
    def keep_alive(self) -> bool:
        """Whether the client lets the connection go on."""
        return self._head.keep_alive

    @property
    def scheme(self) -> str:
        """``http`` or ``https``, of the connection; a target's own scheme is never believed."""
        return self._head.scheme

    @property
    def secure(self) -> bool:
        """Whether the connection is TLS."""
        return self.scheme == "https"

    @property
    def host(self) -> str:
        """The host, with its port if it was sent: of an absolute target, else of the Host field,
        else the address of the server's own socket, without its port."""
        if self._host is not None:
            return self._host
        target = self._head.target
        authority = "" if target[:1] == "/" else split_target(target)[0]
        host = authority or self.headers.get(hdrs.HOST)
        if host is not None:
            return host
        return _dump_address(self.get_extra_info("sockname")) or ""

    @property
    def remote(self) -> str | None:
        """The address of the peer; None where the transport has none."""
        if self._remote is not None:
            return self._remote
        peer = self.get_extra_info("peername")
        if isinstance(peer, tuple | list):
            return str(peer[0])
        return str(peer) if peer else None

    @property
    def rel_url(self) -> URL:
        """The target's path and query as a relative URL."""
        if self._rel_url is None:
            _, path, query = split_target(self._head.target)
            self._rel_url = URL.build(path=path, query_string=query, encoded=True)
        return self._rel_url

    @property
    def url(self) -> URL:
        """The absolute URL, as far as the request tells it."""
        if self._url is None:
            self._url = self._build_url()
        return self._url

    def _build_url(self) -> URL:
        host, scheme, target = self.host, self.scheme, self._head.target
        if (
            self._rel_url is None
            and target[:1] == "/"
            and "/." not in target
            and _PLAIN_AUTHORITY.fullmatch(host)
        ):
            # Nothing is to be normalised: it is made in one step, not of a base and a reference.
            path, _, query = target.partition("?")
            return URL.build(
                scheme=scheme, authority=host, path=path, query_string=query, encoded=True
            )
        if not host:
            return self.rel_url
        return URL.build(scheme=scheme, authority=host).join(self.rel_url)

    @property
    def path(self) -> str:
        """The path, percent-decoded."""
        return self.rel_url.path

    @property
    def path_qs(self) -> str:
        """The path with the query, as sent."""
        target = self._head.target
        if self._rel_url is None and target.isascii() and _is_whole(target):
            return target
        return str(self.rel_url)

    @property
    def raw_path(self) -> str:
        """The request target as sent."""
        return self._head.target

    @property
    def query(self) -> MultiMapping[str]:
        """The query parameters; blank values are kept."""
        return self.rel_url.query

    @property
    def query_string(self) -> str:
        """The query, percent-decoded."""
        return self.rel_url.query_string

    @property
    def forwarded(self) -> tuple[Mapping[str, str], ...]:
        """The elements of all Forwarded fields, the client's own proxy first (RFC 7239)."""
        from ..wire.forwarded import parse_forwarded

        return parse_forwarded(self.headers.getall(hdrs.FORWARDED, []))

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies, read-only; malformed ones are skipped."""
        if self._cookies is None:
            values = self.headers.getall(hdrs.COOKIE, [])
            self._cookies = MappingProxyType(parse_cookies("; ".join(values)))
        return self._cookies

    # -- conditions

    @property
    def if_match(self) -> tuple[ETag, ...] | None:
        """The entity tags of If-Match, up to the first that is malformed."""
        return parse_etags(join_field(self.headers, hdrs.IF_MATCH))

    @property
    def if_none_match(self) -> tuple[ETag, ...] | None:
        """The entity tags of If-None-Match, up to the first that is malformed."""
        return parse_etags(join_field(self.headers, hdrs.IF_NONE_MATCH))

    @property
    def if_modified_since(self) -> datetime | None:
        """The date of If-Modified-Since, aware; None when it is not one."""
        return parse_date(self.headers.get(hdrs.IF_MODIFIED_SINCE))

    @property
    def if_unmodified_since(self) -> datetime | None:
        """The date of If-Unmodified-Since, aware; None when it is not one."""
        return parse_date(self.headers.get(hdrs.IF_UNMODIFIED_SINCE))

    @property
    def if_range(self) -> datetime | None:
        """The date of If-Range, aware; None when it is an entity tag."""
        return parse_date(self.headers.get(hdrs.IF_RANGE))

    @property
    def http_range(self) -> slice:
        """The Range as a slice; a suffix has a negative start.

        A handler that lets the error pass has the request answered 400.

        Raises:
            ValueError: it is not a single range of bytes.
        """
        try:
            return parse_range(self.headers.get(hdrs.RANGE))
        except ValueError as exc:
            blame_peer(exc)
            raise

    # -- the content's description

    def _parsed_content_type(self) -> tuple[str, dict[str, str]]:
        if self._content_type is None:
            self._content_type = parse_content_type(self.headers.get(hdrs.CONTENT_TYPE))
        return self._content_type

    @property
    def content_type(self) -> str:
        """The media type without parameters; ``application/octet-stream`` when not sent."""
        return self._parsed_content_type()[0]

    @property
    def charset(self) -> str | None:
        """The charset parameter of the media type."""
        return self._parsed_content_type()[1].get("charset")

    @property
    def content_length(self) -> int | None:
        """The declared length of the body in bytes."""
        length = self.headers.get(hdrs.CONTENT_LENGTH)
        return None if length is None else int(length)

    # -- the connection

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Look up a fact of the connection, such as ``peername`` or ``ssl_object``."""
        return self._exchange.extra(name, default)


def _dump_address(address: Any) -> str | None:  # Any: of whatever family
    if isinstance(address, tuple | list):
        host = str(address[0])
        return f"[{host}]" if ":" in host else host
    return address or None


def _is_whole(target: str) -> bool:
    """Whether a target is in origin form, and its URL reads the same."""
    return target[:1] == "/" and target[1:2] != "/" and target[-1:] != "?" and "#" not in target
