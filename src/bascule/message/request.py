"""The request that a handler holds."""

import asyncio
import copy
import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from multidict import CIMultiDict, MultiDictProxy
from yarl import URL

from ..exchange import Exchange, Head, RawFields, State
from ..streams import EmptyStreamReader, StreamReader
from ..wire import hdrs
from ..wire.conditions import join_field
from ..wire.fields import find_charset
from .decompression import MAX_INFLATION, DecodedReader, check_inflation, decode_body
from .deprecation import warn_deprecated
from .exceptions import HTTPRequestEntityTooLarge
from .facade import ProtocolFacade
from .handmade import Message, make_by_hand, message_of_head
from .malformed import blame_peer
from .request_head import RequestHead
from .response_head import LooseHeaders
from .stream import StreamResponse

if TYPE_CHECKING:
    from .forms import FormValue
    from .multipart import MultipartReader

__all__ = ["BaseRequest"]

_SelfT = TypeVar("_SelfT", bound="BaseRequest")


class BaseRequest(RequestHead):
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
        "_client_max_fields",
        "_client_max_size",
        "_prepare_hook",
        "_task",
    )

    # What most requests never have: a request gets an attribute of its own with the first use.

    _facade: ProtocolFacade | None = None
    _content: StreamReader | None = None
    # Whether content codings of the body are taken off; set by the server.
    _auto_decompress = True
    _limit_streams = False
    _max_inflation = MAX_INFLATION
    _read_bytes: bytes | None = None
    _post: "MultiDictProxy[FormValue] | None" = None

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
