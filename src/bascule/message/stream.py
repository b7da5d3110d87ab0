"""The answer that a handler writes piece by piece; every other kind is built on it.

Long, since each name of the reference's class stands here; what they do is in modules of its own.
"""

import asyncio
import math
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any, Protocol, TypeVar, overload

from multidict import CIMultiDict, CIMultiDictProxy, istr

from ..exchange import Bytes, Exchange
from ..wire import hdrs
from ..wire.coding import ContentCoding
from ..wire.conditions import ETag, dump_etag, parse_etag
from ..wire.cookies import EXPIRED, dump_morsel, set_morsel
from ..wire.fields import dump_content_type, dump_date, parse_content_type, parse_date
from ..wire.framing import check_trailers, has_no_content
from ..wire.grammar import HttpVersion, HttpVersion10, HttpVersion11
from .compression import Compression
from .deprecation import warn_deprecated
from .keys import ResponseKey, warn_once_about_str

__all__ = ["Answerable", "LooseHeaders", "StreamResponse", "is_empty"]

_T = TypeVar("_T")
_U = TypeVar("_U")
LooseHeaders = (
    Mapping[str, str]
    | Mapping[istr, str]
    | CIMultiDict[str]
    | CIMultiDictProxy[str]
    | Iterable[tuple[str | istr, str]]
)

# Bytes of a piece that are compressed in the event loop: some 2 ms by gzip.
_MOST_IN_LOOP = 64 * 1024

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Answerable(Protocol):
    """What a response needs of the request it answers; every request has it."""

    _exchange: Exchange
    _prepare_hook: Callable[[Any, Any], Awaitable[None]] | None

    @property
    def version(self) -> HttpVersion:
        """The HTTP version of the request."""

    @property
    def method(self) -> str:
        """The method."""

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The header fields."""

    @property
    def path(self) -> str:
        """The decoded path."""

    @property
    def task(self) -> "asyncio.Task[None]":
        """The task that handles the request."""


class StreamResponse(MutableMapping[str | ResponseKey[Any], Any]):
    """An answer whose body is written piece by piece. Also a mapping for its data.

    Its life: headers are set, `prepare` decides the head, `write` sends pieces, `write_eof`
    ends it. Names and behaviour are those of ``aiohttp.web.StreamResponse``.

    Args:
        status: status code.
        reason: reason phrase; the standard one when None.
        headers: copied, never changed.

    Raises:
        ValueError: the reason holds a line break.
    """

    # No __slots__ here: HTTPException is a response and an Exception, and two fixed layouts
    # do not combine in one class.

    # What most responses never have: one gets an attribute of its own with the first use.

    # Fields behind the body.
    _trailers: CIMultiDict[str] | None = None
    _state: dict[str | ResponseKey[Any], Any] | None = None
    _cookies: SimpleCookie | None = None
    _keep_alive: bool | None = None
    _chunked = False
    _compression: Compression | None = None
    _request: Answerable | None = None
    _exchange: Exchange | None = None
    _ended = False
    _must_be_empty = False
    # The fields, once somebody has asked for them.
    _multidict: CIMultiDict[str] | None = None
    # Takes pieces of the body without waiting, where the exchange does.
    _take: Callable[[bytes], Awaitable[None] | None] | None = None
    # Nothing but a body of bytes has been said of it; see `Response._send_plain`.
    _is_plain = False

    def __init__(
        self,
        *,
        status: int = 200,
        reason: str | None = None,
        headers: LooseHeaders | None = None,
    ) -> None:
        if headers is not None:
            self._multidict = CIMultiDict(headers)
        self._set_status(status, reason)

    # -- the mapping

    @overload
    def __getitem__(self, key: ResponseKey[_T]) -> _T: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    def __getitem__(self, key: str | ResponseKey[Any]) -> Any:
        if self._state is None:
            raise KeyError(key)
        return self._state[key]

    @overload
    def __setitem__(self, key: ResponseKey[_T], value: _T) -> None: ...
    @overload
    def __setitem__(self, key: str, value: Any) -> None: ...
    def __setitem__(self, key: str | ResponseKey[Any], value: Any) -> None:
        if self._state is None:
            self._state = {}
        if not isinstance(key, ResponseKey):
            warn_once_about_str("ResponseKey", key)
        self._state[key] = value

    @overload  # type: ignore[override]  # a typed key gives a typed value
    def get(self, key: ResponseKey[_T], default: None = ...) -> _T | None: ...
    @overload
    def get(self, key: ResponseKey[_T], default: _U) -> _T | _U: ...
    @overload
    def get(self, key: str, default: Any = ...) -> Any: ...
    def get(self, key: str | ResponseKey[Any], default: Any = None) -> Any:
        """Look up what it holds, or give the default."""
        return default if self._state is None else self._state.get(key, default)

    def __delitem__(self, key: str | ResponseKey[Any]) -> None:
        if self._state is None:
            raise KeyError(key)
        del self._state[key]

    def __len__(self) -> int:
        return len(self._state or ())

    def __iter__(self) -> Iterator[str | ResponseKey[Any]]:
        return iter(self._state or ())

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        if self._ended:
            info = "eof"
        elif self._request is not None:
            info = f"{self._request.method} {self._request.path} "
        else:
            info = "not prepared"
        return f"<{type(self).__name__} {self.reason} {info}>"

    # -- the head

    @property
    def prepared(self) -> bool:
        """Whether the head was decided."""
        return self._exchange is not None or self._ended

    # Names that subclasses of others know from aiohttp, such as those of aiohttp-sse.

    @property
    def _req(self) -> Answerable | None:
        return self._request

    @property
    def _payload_writer(self) -> Exchange | None:
        return self._exchange

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """The task that handles the request; None before `prepare`."""
        return self._request.task if self._request is not None else None

    @property
    def status(self) -> int:
        """The status code."""
        return self._status

    @property
    def reason(self) -> str:
        """The reason phrase."""
        return self._reason

    def set_status(self, status: int, reason: str | None = None) -> None:
        """Change status and reason.

        Raises:
            AssertionError: the head was decided already.
        """
        if self.prepared:
            raise AssertionError(
                "Cannot change the response status code after the headers have been sent"
            )
        self._set_status(status, reason)

    def _set_status(self, status: int, reason: str | None) -> None:
        self._status = int(status)
        if reason is None:
            reason = _PHRASES.get(self._status, "")
        elif "\r" in reason or "\n" in reason:
            raise ValueError("Reason cannot contain \\r or \\n")
        self._reason = reason

    @property
    def headers(self) -> CIMultiDict[str]:
        """The header fields, to be changed until `prepare`."""
        return self._headers

    @property
    def _headers(self) -> CIMultiDict[str]:
        if self._multidict is None:
            self._multidict = self._build_headers()
        return self._multidict

    def _build_headers(self) -> CIMultiDict[str]:
        """Make the fields as they are, or were sent, without having been asked for before."""
        return CIMultiDict()

    @property
    def cookies(self) -> SimpleCookie:
        """The cookies that will be set."""
        if self._cookies is None:
            self._cookies = SimpleCookie()
            self._is_plain = False
        return self._cookies

    @property
    def trailers(self) -> CIMultiDict[str]:
        """Fields behind the body, for what is known only when it has been made, such as a digest.

        They may be set until the answer is ended. Those that are there before `prepare`, perhaps
        with an empty value, are announced in the field Trailer, unless that is set by hand, and
        make a body of known length go in chunks; hosts with the ASGI extension for trailers get
        them only when they were announced. Where there is no place for them they are not sent: to
        HTTP/1.0, with a Content-Length set by hand, without a body, under other hosts. Whether the
        client asked for them by ``TE: trailers`` does not count: proxies and clients may always
        drop them (RFC 9110 section 6.5.1), so nothing should depend on them.

        Raises:
            ValueError: by `prepare` and `write_eof`, for fields that have to be known before the
                body: those of framing, routing, authentication, content and the like.
        """
        if self._trailers is None:
            self._trailers = CIMultiDict()
            self._is_plain = False
        return self._trailers

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection goes on after this answer; None before that is known."""
        if self._keep_alive is None and self._ended and self._exchange is not None:
            return self._exchange.goes_on
        return self._keep_alive

    def force_close(self) -> None:
        """End the connection after this answer."""
        self._keep_alive = False
        self._is_plain = False

    @property
    def chunked(self) -> bool:
        """Whether chunked transfer coding was asked for."""
        return self._chunked

    def enable_chunked_encoding(self, chunk_size: int | None = None) -> None:
        """Ask for chunked transfer coding.

        Args:
            chunk_size: deprecated, without effect.

        Raises:
            RuntimeError: a Content-Length is set.
        """
        if hdrs.CONTENT_LENGTH in self._headers:
            raise RuntimeError("You can't enable chunked encoding when a content length is set")
        self._is_plain = False
        if chunk_size is not None:
            warn_deprecated("Chunk size is deprecated #1615")
        self._chunked = True

    @property
    def compression(self) -> bool:
        """Whether compression was asked for."""
        return self._compression is not None

    def enable_compression(
        self, force: bool | ContentCoding | None = None, strategy: int | None = None
    ) -> None:
        """Let the body be compressed, if the client accepts it.

        A body that has a Content-Encoding already is left as it is. Arguments and errors are those
        of `Compression`.
        """
        self._compression = Compression(force, strategy)
        self._is_plain = False

    @property
    def content_length(self) -> int | None:
        """The declared length of the body in bytes; None takes it away."""
        length = self._headers.get(hdrs.CONTENT_LENGTH)
        return None if length is None else int(length)

    @content_length.setter
    def content_length(self, value: int | None) -> None:
        if value is None:
            self._headers.pop(hdrs.CONTENT_LENGTH, None)
            return
        if self._chunked:
            raise RuntimeError("You can't set content length when chunked encoding is enable")
        self._headers[hdrs.CONTENT_LENGTH] = str(int(value))

    @property
    def content_type(self) -> str:
        """The media type without its parameters."""
        return self._parsed_content_type()[0]

    @content_type.setter
    def content_type(self, value: str) -> None:
        _, parameters = self._parsed_content_type()
        self._headers[hdrs.CONTENT_TYPE] = dump_content_type(str(value), parameters)

    @property
    def charset(self) -> str | None:
        """The charset of the media type; None takes it away."""
        return self._parsed_content_type()[1].get("charset")

    @charset.setter
    def charset(self, value: str | None) -> None:
        media, parameters = self._parsed_content_type()
        if media == "application/octet-stream":
            raise RuntimeError(
                "Setting charset for application/octet-stream doesn't make sense, "
                "setup content_type first"
            )
        if value is None:
            parameters.pop("charset", None)
        else:
            parameters["charset"] = str(value).lower()
        self._headers[hdrs.CONTENT_TYPE] = dump_content_type(media, parameters)

    @property
    def last_modified(self) -> datetime | None:
        """The Last-Modified field as an aware time; set from a datetime, seconds or text."""
        return parse_date(self._headers.get(hdrs.LAST_MODIFIED))

    @last_modified.setter
    def last_modified(self, value: datetime | float | str | None) -> None:
        if value is None:
            self._headers.pop(hdrs.LAST_MODIFIED, None)
        elif isinstance(value, int | float):
            self._headers[hdrs.LAST_MODIFIED] = dump_date(math.ceil(value))
        elif isinstance(value, datetime):
            seconds = value.replace(tzinfo=value.tzinfo or UTC).timestamp()
            self._headers[hdrs.LAST_MODIFIED] = dump_date(math.ceil(seconds))
        elif isinstance(value, str):
            self._headers[hdrs.LAST_MODIFIED] = value
        else:
            raise TypeError(f"Unsupported type for last_modified: {type(value).__name__}")

    @property
    def etag(self) -> ETag | None:
        """The entity tag; set from its value, or from a tag that may be weak. None takes it away.

        Raises:
            ValueError: when set to what is no entity tag.
        """
        return parse_etag(self._headers.get(hdrs.ETAG))

    @etag.setter
    def etag(self, value: ETag | str | None) -> None:
        if value is None:
            self._headers.pop(hdrs.ETAG, None)
            return
        if not isinstance(value, ETag | str):
            raise ValueError(
                f"Unsupported etag type: {type(value)}. etag must be str, ETag or None"
            )
        tag = ETag(value) if isinstance(value, str) else value
        self._headers[hdrs.ETAG] = dump_etag(tag)

    def _parsed_content_type(self) -> tuple[str, dict[str, str]]:
        media, parameters = parse_content_type(self._headers.get(hdrs.CONTENT_TYPE))
        return media, parameters

    # -- cookies

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        expires: str | None = None,
        domain: str | None = None,
        max_age: int | str | None = None,
        path: str = "/",
        secure: bool | None = None,
        httponly: bool | None = None,
        version: str | None = None,
        samesite: str | None = None,
        partitioned: bool | None = None,
    ) -> None:
        """Set a cookie; attributes that are None are left as they are.

        Raises:
            CookieError: `partitioned` in a Python that does not know it, before 3.14.
            ValueError: an attribute holds a semicolon or a control character, with which it
                could add attributes of its own.
        """
        set_morsel(
            self.cookies,
            name,
            value,
            {
                "expires": expires,
                "domain": domain,
                "max-age": None if max_age is None else str(max_age),
                "path": path,
                "secure": secure,
                "httponly": httponly,
                "version": version,
                "samesite": samesite,
                "partitioned": partitioned,
            },
        )

    def del_cookie(
        self,
        name: str,
        *,
        domain: str | None = None,
        path: str = "/",
        secure: bool | None = None,
        httponly: bool | None = None,
        samesite: str | None = None,
    ) -> None:
        """Make the client forget a cookie, by an expiry in the past."""
        self.cookies.pop(name, None)
        self.set_cookie(
            name,
            "",
            max_age=0,
            expires=EXPIRED,
            domain=domain,
            path=path,
            secure=secure,
            httponly=httponly,
            samesite=samesite,
        )

    # -- sending

    async def prepare(self, request: Answerable) -> Exchange | None:
        """Decide the head for `request`; it leaves with the first piece of the body, or at the
        end of this step of the event loop.

        Returns:
            what the body is written to; None after the answer has ended.

        Raises:
            ConnectionResetError: the peer has left.
        """
        if self._ended:
            return None
        if self._exchange is not None:
            return self._exchange
        self._must_be_empty = is_empty(request.method, self._status)
        return await self._start(request)

    async def _start(self, request: Answerable) -> Exchange:
        exchange = request._exchange
        await self._complete_fields(request, exchange)
        self._exchange = exchange  # receivers of the signal see it as prepared
        try:
            if request._prepare_hook is not None:
                await request._prepare_hook(request, self)
            self._begin(exchange)
        except BaseException:
            self._exchange = None
            raise
        return exchange

    def _begin(self, exchange: Exchange) -> None:
        """Hand the head over."""
        close = not self._keep_alive
        exchange.start(self._status, self._reason, self._headers.items(), close=close)
        if not self._is_encoding():
            self._take = getattr(exchange, "take", None)

    async def _complete_fields(self, request: Answerable, exchange: Exchange) -> None:
        self._request = request
        self._is_plain = False  # it belongs to this request now
        compression = self._compression
        if compression is not None and hdrs.CONTENT_ENCODING not in self._headers:
            accepted = request.headers.get(hdrs.ACCEPT_ENCODING)
            if compression.choose(accepted, self._status):
                await self._start_compression(compression)
        self._prepare_headers(request, exchange)

    async def _start_compression(self, compression: Compression) -> None:
        """Make ready for a coding that was chosen: the length is not known any more."""
        self._headers.pop(hdrs.CONTENT_LENGTH, None)

    async def _compress_late(self, coding: ContentCoding, request: Answerable) -> None:
        """Compress an answer whose fields are complete; while its prepare hook runs, no later.

        A stream to HTTP/1.0 is left as it is: its length would be missed there.
        """
        if request.version < HttpVersion11 and not self._has_whole_body():
            return
        compression = Compression(coding, is_live=True)
        compression.choose(None, self._status)
        if self._must_be_empty and not self._has_body():  # a declared length is that of another
            await StreamResponse._start_compression(self, compression)
        else:
            await self._start_compression(compression)
        if compression.coding is None:
            return
        self._compression = compression
        self._headers[hdrs.CONTENT_ENCODING] = compression.coding
        if hdrs.CONTENT_LENGTH not in self._headers and not self._must_be_empty:
            self._headers[hdrs.TRANSFER_ENCODING] = "chunked"

    def _has_body(self) -> bool:
        """Whether it holds its body, and is not told it piece by piece."""
        return False

    def _has_whole_body(self) -> bool:
        """Whether all of the body is known before it leaves."""
        return False

    def _is_encoding(self) -> bool:
        """Whether pieces of the body are compressed on their way."""
        return self._compression is not None and self._compression.coding is not None

    def _prepare_headers(self, request: Answerable, exchange: Exchange) -> None:
        """Complete the fields, in the order in which aiohttp puts them on the wire."""
        headers = self._headers
        if self._keep_alive is None:
            self._keep_alive = exchange.keeps_alive
        if self._trailers:
            self._announce_trailers(self._trailers, request)
        self._declare_length()
        for morsel in (self._cookies or {}).values():
            headers.add(hdrs.SET_COOKIE, dump_morsel(morsel))
        if self._compression is not None and self._compression.coding is not None:
            headers[hdrs.CONTENT_ENCODING] = self._compression.coding
        self._frame(request)
        if self._status not in (204, 304) and self._status >= 200:
            self._default_content_type()
        for name, value in exchange.default_fields:
            headers.setdefault(name, value)
        if hdrs.CONNECTION not in headers:
            if request.version == HttpVersion10:
                if self._keep_alive:
                    headers[hdrs.CONNECTION] = "keep-alive"
            elif not self._keep_alive:
                headers[hdrs.CONNECTION] = "close"

    def _announce_trailers(self, trailers: CIMultiDict[str], request: Answerable) -> None:
        """Name the fields that come behind the body, and have it sent in chunks."""
        check_trailers(trailers.items())
        headers = self._headers
        is_measured = hdrs.CONTENT_LENGTH in headers or has_no_content(self._status)
        if request.version >= HttpVersion11 and not is_measured:
            self._chunked = True
            headers.setdefault(hdrs.TRAILER, ", ".join(dict.fromkeys(trailers)))

    def _declare_length(self) -> None:
        """Set the Content-Length where it is known; aiohttp has it in front of the cookies."""

    def _frame(self, request: Answerable) -> None:
        """Say in the fields how the body ends (RFC 9112 section 6)."""
        headers, version = self._headers, request.version
        if self._chunked:
            if version < HttpVersion11:
                raise RuntimeError(
                    f"Using chunked encoding is forbidden for HTTP/{version.major}.{version.minor}"
                )
            if not self._must_be_empty:
                headers[hdrs.TRANSFER_ENCODING] = "chunked"
        elif self._must_be_empty:
            if has_no_content(self._status):
                headers.pop(hdrs.CONTENT_LENGTH, None)
                headers.pop(hdrs.TRANSFER_ENCODING, None)
        elif self.content_length is None:
            if version >= HttpVersion11:
                headers[hdrs.TRANSFER_ENCODING] = "chunked"
            else:
                self._keep_alive = False

    def _default_content_type(self) -> None:
        if self._headers.get(hdrs.CONTENT_LENGTH) != "0":
            self._headers.setdefault(hdrs.CONTENT_TYPE, "application/octet-stream")

    async def write(self, data: Bytes) -> None:
        """Send a piece of the body; waits while the peer does not read.

        Raises:
            RuntimeError: before `prepare`, or after the end.
            ConnectionResetError: the peer has left.
        """
        if self._take is not None and type(data) is bytes:
            left = self._take(data)
            if left is not None:
                await left
            return
        if not isinstance(data, bytes | bytearray | memoryview):
            raise AssertionError(f"data argument must be byte-ish ({type(data)!r})")
        if self._ended:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._exchange is None:
            raise RuntimeError("Cannot call write() before prepare()")
        if self._is_encoding():
            data = await self._encode(self._compression.write, data)  # type: ignore[union-attr]  # asked just now
            if not data:
                return
        await self._exchange.write(data)

    async def drain(self) -> None:
        """Send what is held and wait until the transport has room; deprecated, write() does."""
        if self._ended:
            raise AssertionError("EOF has already been sent")
        if self._exchange is None:
            raise AssertionError("Response has not been started")
        warnings.warn(
            "drain method is deprecated, use await resp.write()", DeprecationWarning, stacklevel=2
        )
        await self._exchange.drain()

    async def write_eof(self, data: Bytes = b"") -> None:
        """End the answer; a second call does nothing."""
        if self._ended:
            return
        if self._exchange is None:
            raise AssertionError("Response has not been started")
        self._take = None
        if self._is_encoding():
            data = await self._encode(self._compression.end, data)  # type: ignore[union-attr]  # asked just now
        if self._trailers:
            await self._exchange.write_eof(data, self._trailers.items())
        else:
            await self._exchange.write_eof(data)
        self._ended = True

    async def _encode(self, encode: Callable[[Bytes], bytes], data: Bytes) -> bytes:
        """Compress a piece, a large one in a thread; nothing where there is no body."""
        if self._must_be_empty:
            return b""
        if len(data) <= _MOST_IN_LOOP:
            return encode(data)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(None, encode, bytes(data))
        except asyncio.CancelledError:
            # The thread goes on with the encoder, which nobody else may use then, and what it makes
            # is lost.
            self._compression = None
            if self._exchange is not None:
                self._exchange.abort(RuntimeError("Compressing the answer was cancelled"))
            raise

    @property
    def output_length(self) -> int:
        """Deprecated: bytes sent for this answer."""
        warn_deprecated("output_length is deprecated")
        if self._exchange is None:
            raise AssertionError("Response has not been started")
        return self._exchange.bytes_sent

    @property
    def body_length(self) -> int:
        """Bytes sent for this answer; 0 before `prepare`."""
        return self._exchange.bytes_sent if self._exchange is not None else 0


def is_empty(method: str, status: int) -> bool:
    """Whether an answer has no body on the wire."""
    return (
        method == hdrs.METH_HEAD
        or has_no_content(status)
        or (method == hdrs.METH_CONNECT and 200 <= status < 300)
    )
