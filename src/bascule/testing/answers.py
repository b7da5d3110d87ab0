"""The answer that a client in memory gets, with the surface of aiohttp's ``ClientResponse``."""

import json as json_module
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from http.cookies import SimpleCookie
from types import TracebackType
from typing import Any, TypeVar

from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ..exchange import AnswerHead
from ..streams import StreamReader
from ..wire.fields import find_charset, parse_content_type
from .cookies import parse_set_cookies
from .errors import ClientError, ClientResponseError, ContentTypeError, RequestInfo
from .hosting import Call

__all__ = ["Answer", "AnswerContext"]

_ErrorT = TypeVar("_ErrorT", bound=ClientResponseError)
_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+?\+)?json", re.ASCII)


class Answer:
    """An answer of the application, from its head on.

    Of `Client.stream` it is open: the application may still be writing, and is seen to wait where
    nobody reads. Of the other calls it is complete.

    Attributes:
        status: status code.
        reason: reason phrase; empty where the application gave none.
        headers: fields, without those that only a connection needs.
        content: reader of the body.
        history: the redirections before it.
        request_info: the request.
        error: what the application raised, where it is known: why there is a 500.
    """

    def __init__(
        self, call: Call, head: AnswerHead, request_info: RequestInfo, history: "tuple[Answer, ...]"
    ) -> None:
        self._call = call
        self._head = head
        self._body: bytes | None = None
        self.request_info = request_info
        self.history = history
        self.headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict(head.fields))

    def __repr__(self) -> str:
        info = self.request_info
        return f"<Answer {info.method} {info.real_url} [{self.status} {self.reason}]>"

    @property
    def call(self) -> Call:
        """The request as it is answered; for this package."""
        return self._call

    # -- its head

    @property
    def status(self) -> int:
        """Status code."""
        return self._head.status

    @property
    def reason(self) -> str:
        """Reason phrase; empty where the application gave none."""
        return self._head.reason

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    @property
    def method(self) -> str:
        """Method of the request."""
        return self.request_info.method

    @property
    def url(self) -> URL:
        """URL of the request, the last one of redirections, without its fragment."""
        return self.request_info.url

    @property
    def real_url(self) -> URL:
        """The same with its fragment."""
        return self.request_info.real_url

    @property
    def cookies(self) -> SimpleCookie:
        """The cookies that this answer sets."""
        return parse_set_cookies(self.headers.getall("Set-Cookie", ()))

    @property
    def content_type(self) -> str:
        """Media type, lower-cased; ``application/octet-stream`` where there is none."""
        return parse_content_type(self.headers.get("Content-Type"))[0]

    @property
    def charset(self) -> str | None:
        """The charset that the content type names."""
        return parse_content_type(self.headers.get("Content-Type"))[1].get("charset")

    @property
    def content_length(self) -> int | None:
        """Length of the body in bytes, where it is declared."""
        return self._head.length

    @property
    def informed(self) -> list[tuple[int, CIMultiDictProxy[str]]]:
        """Status and fields of each interim answer."""
        interim = self._call.exchange.informed
        return [(status, CIMultiDictProxy(CIMultiDict(fields))) for status, fields in interim]

    @property
    def trailers(self) -> CIMultiDictProxy[str]:
        """The fields behind the body; empty until it has been sent to its end."""
        return CIMultiDictProxy(CIMultiDict(self._call.exchange.trailers))

    @property
    def error(self) -> BaseException | None:
        """What the application raised, as far as is known now."""
        return self._call.exchange.error

    def raise_for_status(self) -> None:
        """Raise for an error.

        Raises:
            ClientResponseError: the status is 400 or above. Its cause is `error`.
        """
        if not self.ok:
            raise self.complain(ClientResponseError, self.reason) from self.error

    # -- its body

    @property
    def content(self) -> StreamReader:
        """Reader of the body."""
        return self._call.exchange.content

    async def read(self) -> bytes:
        """Read the body to its end, or what is left of it; a second call gives the same.

        Raises:
            ServerDisconnectedError: the application did not send it to its end.
        """
        if self._body is None:
            self._body = await self.content.read()
        return self._body

    async def text(self, encoding: str | None = None, errors: str = "strict") -> str:
        """Read the body as text, in its charset, or else in UTF-8.

        Args:
            encoding: used in place of the charset.
            errors: as of ``bytes.decode``.
        """
        return (await self.read()).decode(encoding or self.get_encoding(), errors)

    async def json(
        self,
        *,
        encoding: str | None = None,
        loads: Callable[[str], Any] = json_module.loads,
        content_type: str | None = "application/json",
    ) -> Any:
        """Read the body as JSON; None of an empty one.

        Args:
            encoding: used in place of the charset.
            loads: parses the text.
            content_type: what the content type has to be; None or empty for any. JSON's stands for
                ``application/*+json`` too.

        Raises:
            ContentTypeError: it has another content type.
        """
        if content_type and not self._is_of_type(content_type):
            found = self.headers.get("Content-Type", "")
            message = f"Attempt to decode JSON with unexpected mimetype: {found}"
            raise self.complain(ContentTypeError, message)
        body = (await self.read()).strip()
        return loads(body.decode(encoding or self.get_encoding())) if body else None

    def get_encoding(self) -> str:
        """Give the codec of the charset; UTF-8 where there is none that is known."""
        try:
            return find_charset(self.charset or "utf-8")
        except LookupError:
            return "utf-8"

    def iter_any(self) -> AsyncIterator[bytes]:
        """Iterate over the body in pieces as they come."""
        return self.content.iter_any()

    def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        """Iterate over the body as it was written: pieces, and whether a write ends there. Only a
        body without a Content-Length has chunks."""
        return self.content.iter_chunks()

    def iter_chunked(self, n: int) -> AsyncIterator[bytes]:
        """Iterate over the body in pieces of at most `n` bytes."""
        return self.content.iter_chunked(n)

    # -- its end

    @property
    def closed(self) -> bool:
        """Whether nothing more will come: it is complete, was cut, or was left."""
        return self.content.is_eof() or self.content.exception() is not None

    def close(self) -> None:
        """Leave an answer that is not complete: the application sees that its client has gone, and
        what was not read is lost. What is complete stays as it is."""
        if not self.content.is_eof():
            self._call.leave()
            self.content.close(ClientError("The answer was closed"))

    def release(self) -> None:
        """Do as `close` does; named as in aiohttp."""
        self.close()

    async def finished(self) -> None:
        """Wait until the application is done with the request, whatever it does behind the
        answer's last byte; its errors are not raised."""
        await self._call.ended()

    async def __aenter__(self) -> "Answer":
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- within

    def _is_of_type(self, expected: str) -> bool:
        if expected == "application/json":
            return _JSON_TYPE.fullmatch(self.content_type) is not None
        return expected in self.headers.get("Content-Type", "").lower()

    def complain(self, kind: type[_ErrorT], message: str) -> _ErrorT:
        """Make an error of this answer."""
        info, history = self.request_info, self.history
        return kind(info, history, status=self.status, message=message, headers=self.headers)


class AnswerContext(Coroutine[Any, Any, Answer]):
    """A request that is sent when it is awaited, or by ``async with``, whose block closes its
    answer."""

    __slots__ = ("_answer", "_request")

    def __init__(self, request: Coroutine[Any, Any, Answer]) -> None:
        self._request = request
        self._answer: Answer | None = None

    def __await__(self) -> Generator[Any, None, Answer]:
        return self._request.__await__()

    async def __aenter__(self) -> Answer:
        self._answer = await self._request
        return self._answer

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._answer is not None:
            self._answer.close()

    # A coroutine, so that a task can be made of it.

    def send(self, value: Any) -> Any:
        """Go on; called by a task."""
        return self._request.send(value)

    def throw(self, *error: Any) -> Any:
        """Go on with an error; called by a task."""
        return self._request.throw(*error)

    def close(self) -> None:
        """End without sending; called where nobody awaits it."""
        self._request.close()
