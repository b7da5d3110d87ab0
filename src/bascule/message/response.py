"""Answers whose body is known before they leave: bytes, text, JSON, files, all payloads."""

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from concurrent.futures import Executor
from typing import Any, Literal

from multidict import CIMultiDict

from ..exchange import Bytes, ClientConnectionResetError, Exchange, State
from ..wire import hdrs
from ..wire.framing import has_no_content
from ..wire.grammar import HttpVersion10
from ..wire.head import Role, check_roles
from .compression import Compression
from .payloads import LookupError, PayloadLike, close_payloads, get_payload
from .response_head import PHRASES, Answerable, LooseHeaders, ResponseHead
from .stream import StreamResponse, is_empty

__all__ = ["Response"]

# Members by names of the module: to look one up in its class costs ten times as much (Python 3.11).
_ROLE_NONE = Role.NONE
_ROLE_LENGTH = Role.LENGTH
_ROLE_CODING = Role.CODING
_ROLE_CONNECTION = Role.CONNECTION
_ROLE_DATE = Role.DATE
_ROLE_SERVER = Role.SERVER
_OPEN = State.OPEN


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
    _body: bytes | bytearray | PayloadLike | None = None
    _compressed: bytes | None = None
    _zlib_executor_size = 4096
    _zlib_executor: Executor | None = None
    # The type of the body while no fields have been made.
    _typed: str | None = None
    # The fields that were asked for, once the answer has left: what was sent with them is put there
    # if they are asked for again.
    _own_fields: CIMultiDict[str] | None = None
    # Whether the class sends answers as this one does.
    _may_be_plain = True

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
        if headers is not None:
            self._multidict = CIMultiDict(headers)
        if type(status) is int and reason is None:
            self._status, self._reason = status, PHRASES.get(status, "")
        else:
            self._set_status(status, reason)
        if zlib_executor_size != 4096:
            self._zlib_executor_size = zlib_executor_size
        if zlib_executor is not None:
            self._zlib_executor = zlib_executor
        if content_type is not None or charset is not None:
            self._check_type(content_type)
        if text is not None:
            if not isinstance(text, str):
                raise TypeError(f"text argument must be str ({type(text)!r})")
            if headers is None:  # as most are
                charset = charset or "utf-8"
                self._typed = f"{content_type or 'text/plain'}; charset={charset}"
            else:
                charset = self._type_text(content_type, charset)
            self._body = text.encode(charset)
        else:
            if content_type is not None:
                self._type_body(content_type, charset)
            if type(body) is bytes:
                self._body = body
            elif body is not None:
                self.body = body
        self._is_plain = self._may_be_plain

    def _type_text(self, content_type: str | None, charset: str | None) -> str:
        """Put the type of a text among the fields that were given; give its charset."""
        if hdrs.CONTENT_TYPE not in self._headers:
            charset = charset or "utf-8"
            self._headers[hdrs.CONTENT_TYPE] = f"{content_type or 'text/plain'}; charset={charset}"
        elif self.charset is None:
            self.charset = charset = "utf-8"
        else:
            charset = self.charset
        return charset

    def _type_body(self, content_type: str, charset: str | None) -> None:
        described = content_type if charset is None else f"{content_type}; charset={charset}"
        if self._multidict is None:
            self._typed = described
        else:
            self._headers[hdrs.CONTENT_TYPE] = described

    def __init_subclass__(cls, **kwargs: Any) -> None:  # Any: as of `type`
        """Find out whether the class changes how answers are made or sent."""
        super().__init_subclass__(**kwargs)
        ours = {name for each in (ResponseHead, StreamResponse, Response) for name in vars(each)}
        names = {name for name in vars(cls) if name in ours and not name.startswith("__")}
        if names:
            cls._may_be_plain = False

    def _check_type(self, content_type: str | None) -> None:
        if content_type is not None and "charset" in content_type:
            raise ValueError("charset must not be in content_type argument")
        if self._multidict is not None and hdrs.CONTENT_TYPE in self._multidict:
            raise ValueError(
                "passing both Content-Type header and content_type or charset params is forbidden"
            )

    def _build_headers(self) -> CIMultiDict[str]:
        headers = self._own_fields
        if headers is None:
            headers = CIMultiDict()
            if self._typed is not None:
                headers[hdrs.CONTENT_TYPE] = self._typed
        if self._ended and self._exchange is not None:  # sent by `_send_plain`
            self._tell_sent(headers, self._exchange)
        return headers

    def _tell_sent(self, headers: CIMultiDict[str], exchange: Exchange) -> None:
        """Complete the fields by what was sent on the wire beside them."""
        size = len(self._body) if isinstance(self._body, bytes) else 0
        headers[hdrs.CONTENT_LENGTH] = str(size)
        if size:
            headers.setdefault(hdrs.CONTENT_TYPE, "application/octet-stream")
        headers.extend(exchange.default_fields)
        if exchange.head.version == HttpVersion10:
            if exchange.goes_on:
                headers[hdrs.CONNECTION] = "keep-alive"
        elif not exchange.goes_on:
            headers[hdrs.CONNECTION] = "close"

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
        if self._ended and self._multidict is None:
            self._multidict = self._build_headers()  # they tell of the body that was sent
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

    def _send_plain(
        self, request: Answerable, exchange: Exchange
    ) -> Awaitable[None] | Literal[False] | None:
        """Send the whole answer at once, where nothing but its body has been said of it, and
        nobody has put something in the place of how answers are sent.

        Returns:
            False where it cannot, and nothing was done; else what is to be awaited, None when all
            is done.
        """
        cls, own, body = type(self), self.__dict__, self._body
        status, reason, typed = self._status, self._reason, self._typed
        if (
            (status != 200 and (not 200 <= status <= 999 or status in (204, 304)))
            or exchange.head.method not in _PLAIN_METHODS
            or cls.prepare is not _PREPARE
            or cls.write_eof is not _WRITE_EOF
            or StreamResponse.write_eof is not _END
            or "prepare" in own
            or "write_eof" in own
            or not reason.isprintable()
            or not (typed is None or typed.isprintable())
        ):
            return False
        if body is None:
            body = b""
        elif type(body) is not bytes:
            return False
        fields = self._multidict
        try:
            if fields is None:
                left = exchange.answer_plain(status, reason, typed, body)
            else:
                described = _describe(fields, body)
                if described is None:
                    return False
                left = exchange.answer_described(status, reason, described, body)
                self._own_fields, self._multidict = fields, None
        except ClientConnectionResetError as exc:
            left = _fail(exc)
        self._request = request
        self._exchange = exchange
        self._ended = True
        self._is_plain = False
        return left

    def _complete_plain(self, body: bytes, exchange: Exchange) -> bool:
        """Complete the fields of an answer by the usual ones, where that is all there is to do;
        say whether it was."""
        roles: Sequence[Role] = ()
        if self._multidict is not None:  # or there is the type alone, which has no role
            try:
                roles = check_roles(self._multidict.items())
            except ValueError:
                return False  # it is told where such answers are sent
        fields = self._headers
        if _ROLE_CODING in roles or _ROLE_CONNECTION in roles or _ROLE_LENGTH in roles:
            return False
        fields[hdrs.CONTENT_LENGTH] = str(len(body))
        if body:
            fields.setdefault(hdrs.CONTENT_TYPE, "application/octet-stream")
        if _ROLE_DATE in roles or _ROLE_SERVER in roles:
            for name, value in exchange.default_fields:
                fields.setdefault(name, value)
        else:
            fields.extend(exchange.default_fields)
        return True

    def _is_sent_whole(self, exchange: Exchange) -> bool:
        """Whether head and body can leave in one call: nobody has put something in the place of
        how answers are sent, nothing was sent of it, and its body is bytes."""
        cls = type(self)
        return (
            cls._may_be_plain
            and exchange._state is _OPEN
            and self._exchange is None
            and not self._ended
            and cls.prepare is _PREPARE
            and cls.write_eof is _WRITE_EOF
            and StreamResponse.write_eof is _END
            and not ("prepare" in self.__dict__ or "write_eof" in self.__dict__)
            and self._has_whole_body()
        )

    async def _send_whole(self, request: Answerable, exchange: Exchange) -> None:
        """Do what `prepare` and `write_eof` would, in one go as far as it goes."""
        head, body = exchange.head, self._body
        if (
            self._is_plain
            and head.method in _PLAIN_METHODS
            and self._status not in (204, 304)
            and head.version != HttpVersion10
            and (body is None or type(body) is bytes)
            and exchange.keeps_alive
            and self._complete_plain(body or b"", exchange)
        ):
            self._keep_alive = True
            self._request = request
            self._is_plain = False
        else:
            self._must_be_empty = is_empty(request.method, self._status)
            await self._complete_fields(request, exchange)
        self._exchange = exchange  # receivers of the signal see it as prepared
        try:
            if request._prepare_hook is not None:
                await request._prepare_hook(request, self)
            if self._chunked or self._trailers or self._is_encoding() or not self._has_whole_body():
                self._begin(exchange)
                await self.write_eof()
                return
            whole: Any = self._body if self._compressed is None else self._compressed
            if whole is None or self._must_be_empty:
                whole = b""
            left = self._respond(exchange, whole)
            if left is not None:
                await left
            self._ended = True
        except BaseException:
            if exchange.state is _OPEN:
                self._exchange = None
            raise

    def _respond(self, exchange: Exchange, body: bytes) -> Awaitable[None] | None:
        """Send the head, of which all fields are there, and the body."""
        status, reason = self._status, self._reason
        fields = list(self._headers.items())
        roles = check_roles(fields)
        if (
            roles.count(_ROLE_LENGTH) == 1
            and _ROLE_CODING not in roles
            and _ROLE_CONNECTION not in roles
            and self._keep_alive
            and not self._must_be_empty
            and 200 <= status <= 999
            and reason.isprintable()
            and type(body) is bytes
            and self._headers[hdrs.CONTENT_LENGTH] == str(len(body))
        ):
            return exchange.answer_listed(status, reason, fields, body)
        return exchange.respond(status, reason, fields, body, close=not self._keep_alive)

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


def _describe(fields: CIMultiDict[str], body: bytes) -> list[tuple[str, str]] | None:
    """Give fields as `Exchange.answer_described` wants them; None where they are not such."""
    described = list(fields.items())
    try:
        roles = check_roles(described)
    except ValueError:
        return None  # it is told where such answers are sent
    if roles.count(_ROLE_NONE) != len(roles) or (body and hdrs.CONTENT_TYPE not in fields):
        return None
    return described


async def _fail(exc: Exception) -> None:
    """Raise an error where it is awaited."""
    raise exc


# Looked up anew for each answer: users may replace them.
_PREPARE = Response.prepare
_WRITE_EOF = Response.write_eof
_END = StreamResponse.write_eof
# Whose answers have bodies.
_PLAIN_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


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
