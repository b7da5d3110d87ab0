"""The answer that a handler writes piece by piece; every other kind is built on it."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable

from multidict import CIMultiDict

from ..exchange import Bytes, Exchange
from ..wire import hdrs
from ..wire.coding import ContentCoding
from ..wire.cookies import dump_morsel
from ..wire.framing import check_trailers, has_no_content
from ..wire.grammar import HttpVersion10, HttpVersion11
from .compression import Compression
from .deprecation import warn_deprecated
from .response_head import Answerable, ResponseHead

__all__ = ["StreamResponse", "is_empty"]

# Bytes of a piece that are compressed in the event loop: some 2 ms by gzip.
_MOST_IN_LOOP = 64 * 1024


class StreamResponse(ResponseHead):
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

    # What most responses never have: one gets an attribute of its own with the first use.

    # Takes pieces of the body without waiting, where the exchange does.
    _take: Callable[[bytes], Awaitable[None] | None] | None = None
    _must_be_empty = False

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
