"""Answers whose body is known before they leave: bytes, text, JSON, files, all payloads."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any

from ..exchange import Bytes, Exchange
from ..wire import hdrs
from ..wire.framing import has_no_content
from .compression import Compression
from .payloads import LookupError, PayloadLike, close_payloads, get_payload
from .stream import Answerable, LooseHeaders, StreamResponse

__all__ = ["Response", "json_bytes_response", "json_response"]

_MISSING: Any = object()  # stands for "not given" where None has a meaning


class Response(StreamResponse):
    """An answer with its body: bytes, or a payload, which is written when the answer is ended.

    A payload is closed behind that, and also when the answer fails or another body took its place:
    that one may still be reading from it.

    Args:
        body: bytes, text, a file, an async iterable, a payload, or whatever else payloads are
            registered for; its header fields fill in what is missing.
        status: status code.
        reason: reason phrase.
        text: the body as text; ``text/plain`` unless said otherwise.
        headers: copied.
        content_type: media type, without a charset.
        charset: of the text, UTF-8 by default.
        zlib_executor_size: bytes of a body beyond which it is compressed in a thread.
        zlib_executor: of that thread; the default one of the loop when None.

    Raises:
        ValueError: arguments that contradict each other; a body of an unknown type.
        TypeError: `text` is not a str.
    """

    # Payloads that were bodies of this before; shared by all that had none.
    _replaced: tuple[PayloadLike, ...] = ()

    def __init__(
        self,
        *,
        body: Any = None,  # Any: what a body may be is in a registry
        status: int = 200,
        reason: str | None = None,
        text: str | None = None,
        headers: LooseHeaders | None = None,
        content_type: str | None = None,
        charset: str | None = None,
        zlib_executor_size: int = 4096,
        zlib_executor: Executor | None = None,
    ) -> None:
        if body is not None and text is not None:
            raise ValueError("body and text are not allowed together")
        super().__init__(status=status, reason=reason, headers=headers)
        self._zlib_executor_size = zlib_executor_size
        self._zlib_executor = zlib_executor
        self._compressed: bytes | None = None
        if content_type is not None and "charset" in content_type:
            raise ValueError("charset must not be in content_type argument")
        is_described = content_type is not None or charset is not None
        if is_described and hdrs.CONTENT_TYPE in self._headers:
            raise ValueError(
                "passing both Content-Type header and content_type or charset params is forbidden"
            )
        self._body: bytes | bytearray | PayloadLike | None = None
        if text is not None:
            self._set_text(text, content_type, charset)
            return
        if content_type is not None:
            suffix = f"; charset={charset}" if charset is not None else ""
            self._headers[hdrs.CONTENT_TYPE] = content_type + suffix
        self.body = body

    def _set_text(self, text: str, content_type: str | None, charset: str | None) -> None:
        if not isinstance(text, str):
            raise TypeError(f"text argument must be str ({type(text)!r})")
        if hdrs.CONTENT_TYPE in self._headers:
            if self.charset is None:
                self.charset = "utf-8"
            self._body = text.encode(self.charset or "utf-8")
            return
        charset = charset or "utf-8"
        self._headers[hdrs.CONTENT_TYPE] = f"{content_type or 'text/plain'}; charset={charset}"
        self._body = text.encode(charset)

    @property
    def body(self) -> Any:  # Any: PayloadLike would make every handler ask for bytes first
        """The body: bytes, a payload or None; set from whatever a body may be.

        Raises:
            ValueError: nothing is known to make a payload of it.
        """
        return self._body

    @body.setter
    def body(self, body: Any) -> None:
        if body is not None and not isinstance(body, bytes | bytearray):
            body = self._make_payload(body)
            for name, value in body.headers.items():
                self._headers.setdefault(name, value)
        self._replace_body(body)

    def _make_payload(self, body: Any) -> PayloadLike:
        charset = self.charset if isinstance(body, str) else None
        try:
            payload: PayloadLike = (
                get_payload(body) if charset is None else get_payload(body, encoding=charset)
            )
        except LookupError as exc:
            raise ValueError(f"Unsupported body type {type(body)!r}") from exc
        return payload

    def _replace_body(self, body: bytes | bytearray | PayloadLike | None) -> None:
        before = self._body
        if not (before is body or before is None or isinstance(before, bytes | bytearray)):
            self._replaced = (*self._replaced, before)
        self._body = body

    @property
    def text(self) -> str | None:
        """The body as text in its charset; setting it sets type and charset where missing.

        Raises:
            TypeError: the body is a stream.
        """
        if self._body is None:
            return None
        return self._body.decode(self.charset or "utf-8")

    @text.setter
    def text(self, text: str) -> None:
        if not isinstance(text, str):
            raise AssertionError(f"text argument must be str ({type(text)!r})")
        if self.content_type == "application/octet-stream":
            self.content_type = "text/plain"
        if self.charset is None:
            self.charset = "utf-8"
        self._replace_body(text.encode(self.charset or "utf-8"))

    @property
    def content_length(self) -> int | None:
        """The length of the body in bytes, or the one given in the headers; not to be set.

        That of a payload is not known before `prepare`.
        """
        if self._chunked:
            return None
        given = self._headers.get(hdrs.CONTENT_LENGTH)
        if given is not None:
            return int(given)
        if self._compressed is not None:
            return len(self._compressed)
        body = self._body
        if body is None:
            return 0
        return len(body) if isinstance(body, bytes | bytearray) else None

    @content_length.setter
    def content_length(self, value: int | None) -> None:
        raise RuntimeError("Content length is set automatically")

    # -- sending

    def _start(self, request: Answerable) -> Coroutine[Any, Any, Exchange]:
        start = super()._start(request)
        # Most have no payload, and are spared the frame of a coroutine.
        return start if self._has_whole_body() else self._start_or_close(start)

    async def _start_or_close(self, start: Coroutine[Any, Any, Exchange]) -> Exchange:
        try:
            return await start
        except BaseException:
            await self._close_payloads()
            raise

    def _has_body(self) -> bool:
        return self._body is not None

    def _has_whole_body(self) -> bool:
        """Whether the body is nothing or bytes, and no payload waits to be closed."""
        body = self._body
        return (body is None or isinstance(body, bytes | bytearray)) and not self._replaced

    async def _start_compression(self, compression: Compression) -> None:
        """Compress a body that is whole, a large one in a thread; a payload later, as a stream."""
        body = self._body
        if not (body is None or isinstance(body, bytes | bytearray)):
            await super()._start_compression(compression)
            return
        if not body:
            compression.coding = None
            return
        if len(body) > self._zlib_executor_size:
            loop = asyncio.get_running_loop()
            self._compressed = await loop.run_in_executor(
                self._zlib_executor, compression.end, bytes(body)
            )
        else:
            self._compressed = compression.end(body)
        if hdrs.CONTENT_LENGTH in self._headers:
            self._headers[hdrs.CONTENT_LENGTH] = str(len(self._compressed))

    def _is_encoding(self) -> bool:
        """Whether the body is compressed while it is written, since it is a payload."""
        return self._compressed is None and super()._is_encoding()

    def _declare_length(self) -> None:
        if self._chunked or hdrs.CONTENT_LENGTH in self._headers or has_no_content(self._status):
            return
        body = self._body if self._compressed is None else self._compressed
        size: int | None
        if body is None:
            size = 0
        elif isinstance(body, bytes | bytearray):
            size = len(body)
        else:
            size = None if self._is_encoding() else body.size
        if size is not None:
            self._headers[hdrs.CONTENT_LENGTH] = str(size)

    async def write_eof(self, data: Bytes = b"") -> None:
        """End the answer with its body."""
        if self._ended:
            return
        body = self._body if self._compressed is None else self._compressed
        if self._replaced or not (body is None or isinstance(body, bytes | bytearray)):
            await self._write_payload(body)
        else:
            await super().write_eof(data if body is None or self._must_be_empty else body)

    async def _write_payload(self, body: bytes | bytearray | PayloadLike | None) -> None:
        """End the answer with a payload, and close it whatever happens."""
        exchange = self._exchange
        if exchange is None:
            raise AssertionError("Response has not been started")
        try:
            if body is None or self._must_be_empty:
                await super().write_eof()
            elif isinstance(body, bytes | bytearray):
                await super().write_eof(body)
            else:
                await body.write(_Compressor(self) if self._is_encoding() else exchange)
                await super().write_eof()
        except Exception:
            exchange.withdraw()  # the head would leave while the payload is closed
            raise
        finally:
            await self._close_payloads()

    async def _close_payloads(self) -> None:
        body, payloads = self._body, self._replaced
        self._replaced = ()
        if not (body is None or isinstance(body, bytes | bytearray)):
            payloads = (*payloads, body)
        await close_payloads(payloads)


class _Compressor:
    """What payloads are written to when they are compressed on their way."""

    __slots__ = ("_response",)

    def __init__(self, response: Response) -> None:
        self._response = response

    async def write(self, data: Bytes) -> None:
        """Compress a piece and send what is ready."""
        await self._response.write(data)

    async def drain(self) -> None:
        """Do nothing: `write` waits."""

    async def write_eof(self, data: Bytes = b"") -> None:
        """Take a last piece; the response ends itself."""
        if data:
            await self._response.write(data)


def json_response(
    data: Any = _MISSING,
    *,
    text: str | None = None,
    body: bytes | None = None,
    status: int = 200,
    reason: str | None = None,
    headers: LooseHeaders | None = None,
    content_type: str = "application/json",
    dumps: Callable[[Any], str] = json.dumps,
) -> Response:
    """Make a response of data as JSON, or of a text or body that is JSON already.

    Raises:
        ValueError: more than one of data, text and body is given.
    """
    if data is not _MISSING:
        if text or body:
            raise ValueError("only one of data, text, or body should be specified")
        text = dumps(data)
    return Response(
        text=text,
        body=body,
        status=status,
        reason=reason,
        headers=headers,
        content_type=content_type,
    )


def json_bytes_response(
    data: Any = _MISSING,
    *,
    dumps: Callable[[Any], bytes],
    body: bytes | None = None,
    status: int = 200,
    reason: str | None = None,
    headers: LooseHeaders | None = None,
    content_type: str = "application/json",
) -> Response:
    """Make a response of data as JSON by an encoder that gives bytes, or of a body that is JSON.

    Raises:
        ValueError: both data and body are given.
    """
    if data is not _MISSING:
        if body is not None:
            raise ValueError("only one of data or body should be specified")
        body = dumps(data)
    return Response(
        body=body, status=status, reason=reason, headers=headers, content_type=content_type
    )
