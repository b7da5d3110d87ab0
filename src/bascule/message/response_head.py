"""The head of an answer, as handlers fill it in.

Long, since each name of the reference's class stands here; what they do is in modules of its own.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any, Protocol, TypeVar, overload

from multidict import CIMultiDict, CIMultiDictProxy, istr

from ..exchange import Exchange
from ..wire import hdrs
from ..wire.coding import ContentCoding
from ..wire.conditions import ETag, dump_etag, parse_etag
from ..wire.cookies import EXPIRED, set_morsel
from ..wire.fields import dump_content_type, dump_date, parse_content_type, parse_date
from ..wire.grammar import HttpVersion
from .compression import Compression
from .deprecation import warn_deprecated
from .keys import ResponseKey, warn_once_about_str

__all__ = ["PHRASES", "Answerable", "LooseHeaders", "ResponseHead"]

_T = TypeVar("_T")
_U = TypeVar("_U")
LooseHeaders = (
    Mapping[str, str]
    | Mapping[istr, str]
    | CIMultiDict[str]
    | CIMultiDictProxy[str]
    | Iterable[tuple[str | istr, str]]
)

PHRASES = {status.value: status.phrase for status in HTTPStatus}


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


class ResponseHead(MutableMapping[str | ResponseKey[Any], Any]):
    """What is said of an answer before its body. Also a mapping for its data.

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
    # The fields, once somebody has asked for them.
    _multidict: CIMultiDict[str] | None = None
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
            reason = PHRASES.get(self._status, "")
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
