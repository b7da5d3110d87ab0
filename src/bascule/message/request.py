"""The request that a handler holds.

Long, since each name of the reference's class stands here; what they do is in modules of its own.
"""

import asyncio
import copy
import json
import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

from multidict import CIMultiDict, CIMultiDictProxy, MultiDictProxy, MultiMapping
from yarl import URL

from ..exchange import Exchange, Head, RawFields, State
from ..streams import EmptyStreamReader, StreamReader
from ..wire import hdrs
from ..wire.conditions import ETag, join_field, parse_etags, parse_range
from ..wire.cookies import parse_cookies
from ..wire.fields import find_charset, parse_content_type, parse_date
from ..wire.grammar import HttpVersion, split_target
from .decompression import MAX_INFLATION, DecodedReader, check_inflation, decode_body
from .deprecation import warn_deprecated
from .exceptions import HTTPRequestEntityTooLarge
from .facade import ProtocolFacade
from .handmade import Message, make_by_hand, message_of_head
from .keys import RequestKey, warn_once_about_str
from .malformed import blame_peer
from .stream import LooseHeaders, StreamResponse

if TYPE_CHECKING:
    from .forms import FormValue
    from .multipart import MultipartReader

__all__ = ["BaseRequest"]

# Hosts that are written as URLs write them: nothing to lower, encode or, as a port, leave out.
_PLAIN_AUTHORITY = re.compile(r"[a-z0-9.-]+(?::(?:[1-9][0-9]{3}|[1-5][0-9]{4}))?")
_T = TypeVar("_T")
_U = TypeVar("_U")
_SelfT = TypeVar("_SelfT", bound="BaseRequest")


class BaseRequest(MutableMapping[str | RequestKey[Any], Any]):
    """One HTTP request; it lives until its answer is complete. Also a mapping for its data.

    Names and behaviour are those of ``aiohttp.web.BaseRequest``; what costs something is built
    on first use.

    Args:
        exchange: what the request came by.
        client_max_size: most bytes that `read`, `text`, `json` and `post` take; 0 for no limit.
        client_max_fields: most fields of a form; 0 for no limit.
        task: handles the request; the running one when None.
    """

    from_message = classmethod(make_by_hand)
    POST_METHODS: Final = frozenset(
        {hdrs.METH_PATCH, hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_TRACE, hdrs.METH_DELETE}
    )

    __slots__ = (
        "__dict__",  # applications put attributes of their own here
        "__weakref__",
        "_client_max_fields",
        "_client_max_size",
        "_exchange",
        "_head",
        "_prepare_hook",
        "_task",
    )

    # What most requests never have: a request gets an attribute of its own with the first use.

    _facade: ProtocolFacade | None = None
    _content: StreamReader | None = None
    # Whether content codings of the body are taken off; set by the server.
    _auto_decompress = True
    _host: str | None = None
    _remote: str | None = None
    _limit_streams = False
    _max_inflation = MAX_INFLATION
    _state: dict[str | RequestKey[Any], Any] | None = None
    _read_bytes: bytes | None = None
    _post: "MultiDictProxy[FormValue] | None" = None
    _rel_url: URL | None = None
    _url: URL | None = None
    _cookies: Mapping[str, str] | None = None
    _content_type: tuple[str, dict[str, str]] | None = None

    def __init__(
        self,
        exchange: Exchange,
        *,
        client_max_size: int = 1024**2,
        client_max_fields: int = 1000,
        task: "asyncio.Task[None] | None" = None,
    ) -> None:
        self._exchange = exchange
        # That of the exchange, unless `clone` has put another in its place.
        self._head = exchange.head
        self._client_max_size = client_max_size
        self._client_max_fields = client_max_fields
        self._task = task or exchange.task or asyncio.current_task()
        # Runs the on_response_prepare signals; set by the application that took the request.
        self._prepare_hook: Callable[[Any, StreamResponse], Awaitable[None]] | None = None

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

    # -- the body

    @property
    def content(self) -> StreamReader:
        """The body as a stream; a content coding is taken off, as long as it is gzip, deflate or,
        with their libraries, br and zstd."""
        if self._content is None:
            body = self._exchange.body
            if self._auto_decompress and self._head.may_have(b"content-encoding"):
                coding = join_field(self.headers, hdrs.CONTENT_ENCODING)
                if coding is not None and not isinstance(body, EmptyStreamReader):
                    body = decode_body(body, coding, self._max_inflation)
            self._content = body
            if self._limit_streams:
                self._limit_content()
        return self._content

    @property
    def body_exists(self) -> bool:
        """Whether the request has a body, by its framing."""
        return not isinstance(self._exchange.body, EmptyStreamReader)

    @property
    def has_body(self) -> bool:
        """Deprecated: whether some of the body is still to be read."""
        warn_deprecated("Deprecated, use .can_read_body #2005")
        return self.can_read_body

    @property
    def can_read_body(self) -> bool:
        """Whether some of the body is still to be read."""
        return not self.content.at_eof()

    @property
    def client_max_size(self) -> int:
        """Most bytes that `read`, `text`, `json` and `post` take; 0 for no limit.

        A handler or a middleware may set it, before the body is read.
        """
        return self._client_max_size

    @client_max_size.setter
    def client_max_size(self, size: int) -> None:
        self._client_max_size = size
        if self._limit_streams:
            self._limit_content()

    @property
    def limit_streams(self) -> bool:
        """Whether `client_max_size` bounds also what is read of `content` and of the parts of
        `multipart`, all of it together, as it is after decoding.

        What is read beyond it raises HTTPRequestEntityTooLarge, and so does any reading of a body
        that is declared to be longer. It is what the application was made with; a handler or a
        middleware may set it, before the body is read.
        """
        return self._limit_streams

    @limit_streams.setter
    def limit_streams(self, value: bool) -> None:
        self._limit_streams = value
        self._limit_content()

    @property
    def max_inflation(self) -> int:
        """How many bytes a body that comes compressed may become for each that has come, beyond
        its first MiB; 0 for any number.

        What is read beyond it raises HTTPRequestEntityTooLarge. It does not count where
        `client_max_size` bounds what is read. A handler or a middleware may set it, before the
        body is read.
        """
        return self._max_inflation

    @max_inflation.setter
    def max_inflation(self, ratio: int) -> None:
        self._max_inflation = check_inflation(ratio)
        self._limit_content()

    def _limit_content(self) -> None:
        """Hold the reader of the body, if there is one already, to the limits."""
        if self._content is not None:
            size = self._client_max_size if self._limit_streams else 0
            declared = self.content_length or 0
            self._content.limit_to(size or 0, HTTPRequestEntityTooLarge, declared=declared)
            self._guard_content()

    def _guard_content(self, limit: int = 0) -> None:
        """Hold a body that is decoded to its inflation, unless it is read within a limit."""
        body = self.content
        if isinstance(body, DecodedReader):
            is_bounded = limit or (self._limit_streams and self._client_max_size)
            body.max_inflation = 0 if is_bounded else self._max_inflation

    @property
    def client_max_fields(self) -> int:
        """Most fields of a form; 0 for no limit."""
        return self._client_max_fields

    async def read(self) -> bytes:
        """Read the whole body; remembered, so it can be asked for again.

        Raises:
            HTTPRequestEntityTooLarge: it is longer than `client_max_size`.
        """
        if self._read_bytes is None:
            body, limit = self.content, self._client_max_size
            whole = body.take_whole(limit) if type(body) is StreamReader else None
            self._read_bytes = await self._read_within(limit) if whole is None else whole
        return self._read_bytes

    async def _read_within(self, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        body = self.content
        is_decoded = isinstance(body, DecodedReader)
        if is_decoded:
            self._guard_content(limit)
        try:
            while part := await body.readany():
                size += len(part)
                if limit and size > limit:
                    raise HTTPRequestEntityTooLarge(max_size=limit, actual_size=size)
                parts.append(part)
        except asyncio.CancelledError:
            # That of aiohttp, which a request made by hand may have, has only the deprecated name.
            put_back = getattr(body, "_put_back", body.unread_data)
            put_back(b"".join(parts))
            raise
        finally:
            if is_decoded:
                self._guard_content()
        return b"".join(parts)

    async def text(self) -> str:
        """Read the whole body as text, in its charset or UTF-8.

        A handler that lets these errors pass has the request answered 400.

        Raises:
            LookupError: the charset is not one of text.
            UnicodeDecodeError: the body is not of that charset.
        """
        data = await self.read()
        try:
            return data.decode(find_charset(self.charset or "utf-8")) if data else ""
        except (LookupError, UnicodeError) as exc:
            blame_peer(exc)
            raise

    async def json(self, *, loads: Callable[[str], Any] = json.loads) -> Any:
        """Read the whole body as JSON.

        A handler that lets these errors pass has the request answered 400.

        Raises:
            ValueError: it is none, as `loads` says; by default a `json.JSONDecodeError`.
            RecursionError: it is nested too deeply.
            LookupError: as of `text`.
            UnicodeDecodeError: as of `text`.
        """
        text = await self.text()
        try:
            return loads(text)
        except (ValueError, RecursionError) as exc:
            blame_peer(exc)
            raise

    async def post(self) -> "MultiDictProxy[FormValue]":
        """Read a form, urlencoded or multipart; remembered. Other bodies give an empty one.

        Raises:
            HTTPRequestEntityTooLarge: the body or its number of fields is beyond the limits.
            HTTPBadRequest: it is not a form.
        """
        if self._post is None:
            from .forms import FormLimits, read_form

            limits = FormLimits(self._client_max_size, self._client_max_fields)
            readable = self.method in self.POST_METHODS
            media, parameters = self._parsed_content_type()
            self._guard_content(limits.max_size)
            try:
                self._post = await read_form(self, media if readable else None, parameters, limits)
            finally:
                self._guard_content()
        return self._post

    async def multipart(self) -> "MultipartReader":
        """Give the reader of a multipart body; `client_max_size` bounds what is read at once of its
        parts, and with `limit_streams` all of it.

        Raises:
            HTTPBadRequest: the media type is another one, or names no valid boundary.
        """
        from .multipart import MultipartReader

        limit = self._client_max_size or sys.maxsize
        return MultipartReader(
            self.headers,
            self.content,
            client_max_size=limit,
            max_size_error_cls=HTTPRequestEntityTooLarge,
        )

    async def release(self) -> None:
        """Read the rest of the body and throw it away."""
        while await self.content.readany():
            pass

    # -- before the answer

    async def send_early_hints(self, headers: LooseHeaders) -> None:
        """Tell the client what the answer will want, such as ``Link: </style.css>; rel=preload``,
        while it is still being made (103, RFC 8297). It may be done several times.

        Our own server sends the fields to clients of HTTP/1.1. A host with the ASGI extension for
        early hints gets their Link fields; under other hosts, and to HTTP/1.0, nothing is sent.

        Args:
            headers: what is hinted; nothing about a body.

        Raises:
            RuntimeError: the head of the answer has been sent.
            ValueError: fields that cannot be sent.
        """
        exchange = self._exchange
        if exchange.state in (State.STARTED, State.ENDED, State.SWITCHED):
            raise RuntimeError("Cannot send early hints: the head of the answer has been sent")
        await exchange.inform(103, CIMultiDict(headers).items())

    # -- another like it

    def clone(
        self: _SelfT,
        *,
        method: str | None = None,
        rel_url: "str | URL | None" = None,
        headers: LooseHeaders | None = None,
        scheme: str | None = None,
        host: str | None = None,
        remote: str | None = None,
        client_max_size: int | None = None,
        client_max_fields: int | None = None,
    ) -> _SelfT:
        """Make a request that differs in what is given; body, answer and connection are the same.

        Its data is a copy. What is None stays as it is.

        Raises:
            RuntimeError: the body was read already.
        """
        if self._read_bytes:
            raise RuntimeError("Cannot clone request after reading its content")
        clone = self._copy(method=method, rel_url=rel_url, headers=headers, scheme=scheme)
        clone._host = self._host if host is None else host
        clone._remote = self._remote if remote is None else remote
        if client_max_size is not None:
            clone.client_max_size = client_max_size
        if client_max_fields is not None:
            clone._client_max_fields = client_max_fields
        return clone

    def _copy(
        self: _SelfT,
        *,
        method: str | None = None,
        rel_url: "str | URL | None" = None,
        headers: LooseHeaders | None = None,
        scheme: str | None = None,
    ) -> _SelfT:
        """Make a request with another head; its body may have been read."""
        head = self._head
        url = None if rel_url is None else URL(rel_url)
        clone = copy.copy(self)
        clone._head = Head(
            head.method if method is None else method,
            head.target if url is None else str(url),
            head.raw_fields if headers is None else _dump_fields(headers),
            version=head.version,
            scheme=head.scheme if scheme is None else scheme,
            root_path=head.root_path,
            keep_alive=head.keep_alive,
        )
        clone._state = None if self._state is None else dict(self._state)
        clone._rel_url = url.relative() if url is not None and url.absolute else url
        clone._url = None
        if headers is not None:
            clone._cookies = clone._content_type = None
        return clone

    # -- the connection

    @property
    def transport(self) -> "asyncio.Transport | None":
        """The transport of the connection; None once it is gone. Under a host it tells what the
        host does, and drops the connection at most."""
        exchange = self._exchange
        if exchange.protocol is None:
            return cast("asyncio.Transport", self.protocol.transport)
        transport: asyncio.Transport | None = exchange.transport
        return transport

    @property
    def protocol(self) -> Any:  # Any: a `RequestHandler` on a server of ours, or its stand-in
        """The protocol of the connection; under a host what stands for it."""
        protocol = self._exchange.protocol
        if protocol is None:
            if self._facade is None:
                self._facade = ProtocolFacade(self._exchange)
            protocol = self._facade
        return protocol

    @property
    def writer(self) -> Any:  # Any: the methods of aiohttp's AbstractStreamWriter
        """What the body of the answer is written to."""
        return self._exchange.writer

    @property
    def _payload_writer(self) -> Any:  # Any: as of `writer`
        return self.writer  # the name that aiohttp's users know

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Deprecated: the event loop."""
        warn_deprecated("request.loop property is deprecated")
        loop: asyncio.AbstractEventLoop | None = getattr(self._exchange, "loop", None)
        return loop or asyncio.get_running_loop()  # the former of a request made by hand

    @property
    def message(self) -> Message:
        """Deprecated: the head as aiohttp's parsers give it."""
        warn_deprecated("Request.message is deprecated")
        message: Message | None = getattr(self._exchange, "message", None)
        return message or message_of_head(self._head)

    @property
    def task(self) -> "asyncio.Task[None]":
        """The task that handles this request; cancelling it cuts the connection."""
        return cast("asyncio.Task[None]", self._task)

    async def wait_for_disconnection(self) -> None:
        """Wait until the client has left; best in a task beside the one that answers.

        Under a host that tells of it only behind the body, that is to be read first.
        """
        self._exchange.watch()
        await self._exchange.gone

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Look up a fact of the connection, such as ``peername`` or ``ssl_object``."""
        return self._exchange.extra(name, default)

    def _close_files(self) -> None:
        """Close the uploads of a form that was read, at the end of the request."""
        if self._post is None:
            return
        from .forms import FileField

        for value in self._post.values():
            if isinstance(value, FileField):
                value.file.close()


def _dump_fields(headers: LooseHeaders) -> RawFields:
    return tuple(
        (name.encode("utf-8"), value.encode("utf-8", "surrogateescape"))
        for name, value in CIMultiDict(headers).items()
    )


def _dump_address(address: Any) -> str | None:  # Any: of whatever family
    if isinstance(address, tuple | list):
        host = str(address[0])
        return f"[{host}]" if ":" in host else host
    return address or None


def _is_whole(target: str) -> bool:
    """Whether a target is in origin form, and its URL reads the same."""
    return target[:1] == "/" and target[1:2] != "/" and target[-1:] != "?" and "#" not in target
