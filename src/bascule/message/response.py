"""Answers that are whole before they leave: bytes, text, JSON."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from ..exchange import Bytes
from ..wire import hdrs
from ..wire.framing import has_no_content
from .compression import Compression
from .stream import LooseHeaders, StreamResponse

__all__ = ["Response", "json_bytes_response", "json_response"]

_MISSING: Any = object()  # stands for "not given" where None has a meaning


class Response(StreamResponse):
    """An answer with its whole body.

    Args:
        body: bytes; text as UTF-8.
        status: status code.
        reason: reason phrase.
        text: the body as text; ``text/plain`` unless said otherwise.
        headers: copied.
        content_type: media type, without a charset.
        charset: of the text, UTF-8 by default.
        zlib_executor_size: bytes of a body beyond which it is compressed in a thread.
        zlib_executor: of that thread; the default one of the loop when None.

    Raises:
        ValueError: arguments that contradict each other.
        TypeError: `text` is not a str.
    """

    def __init__(
        self,
        *,
        body: Any = None,  # Any: what a body may be grows with the payloads that are known
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
        if hdrs.CONTENT_TYPE in self._headers and (content_type or charset):
            raise ValueError(
                "passing both Content-Type header and content_type or charset params is forbidden"
            )
        self._body: bytes | bytearray | None = None
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
    def body(self) -> bytes | bytearray | None:
        """The body; setting it forgets a Content-Length that no longer holds."""
        return self._body

    @body.setter
    def body(self, body: Any) -> None:
        if isinstance(body, str):
            self._headers.setdefault(hdrs.CONTENT_TYPE, "text/plain; charset=utf-8")
            body = body.encode(self.charset or "utf-8")
        elif isinstance(body, memoryview):
            body = bytes(body)
        elif body is not None and not isinstance(body, bytes | bytearray):
            raise ValueError(f"Unsupported body type {type(body)!r}")
        self._body = body

    @property
    def text(self) -> str | None:
        """The body as text in its charset; setting it sets type and charset where missing."""
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
        self._body = text.encode(self.charset or "utf-8")

    @property
    def content_length(self) -> int | None:
        """The length of the body in bytes, or the one given in the headers; not to be set."""
        if self._chunked:
            return None
        given = self._headers.get(hdrs.CONTENT_LENGTH)
        if given is not None:
            return int(given)
        if self._compressed is not None:
            return len(self._compressed)
        return 0 if self._body is None else len(self._body)

    @content_length.setter
    def content_length(self, value: int | None) -> None:
        raise RuntimeError("Content length is set automatically")

    async def _start_compression(self, compression: Compression) -> None:
        """Compress the body, which is whole; a large one in a thread."""
        body = self._body
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
        """The body was compressed as a whole."""
        return False

    def _declare_length(self) -> None:
        if not self._chunked and hdrs.CONTENT_LENGTH not in self._headers:
            body = self._body if self._compressed is None else self._compressed
            size = 0 if body is None else len(body)
            if not has_no_content(self._status):
                self._headers[hdrs.CONTENT_LENGTH] = str(size)

    async def write_eof(self, data: Bytes = b"") -> None:
        """End the answer with its body."""
        if self._ended:
            return
        body = self._body if self._compressed is None else self._compressed
        await super().write_eof(data if body is None or self._must_be_empty else body)


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
        if text is not None or body is not None:
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
