"""Our application as a guest of granian over RSGI, its own interface: an exchange over a scope and
a protocol.

RSGI has less than ASGI: no reason phrases, no interim answers, no trailers, and no way to cut an
answer that has begun. Sending does not wait for a client that does not read, and an answer in
chunks that breaks off looks whole to it; one with a Content-Length does not.
"""

import asyncio
from asyncio import current_task
from collections.abc import AsyncIterator, Awaitable
from time import monotonic
from typing import Any, Final, Protocol

from ..exchange import (
    AnswerHead,
    Bytes,
    ClientConnectionResetError,
    Event,
    Exchange,
    Fields,
    Responder,
    State,
)
from ..streams import EMPTY_PAYLOAD, RequestPayloadError, StreamReader
from ..wire.framing import BodyFraming
from ..wire.grammar import HttpVersion11
from .guest import BODILESS, DRAIN_SIZE, DRAIN_TIME, HOP_BY_HOP, has_short_rest
from .guest_call import keep_from_host
from .lent_files import find_path
from .rsgi_scope import RsgiHead, RsgiScope, asgi_scope_of_rsgi, fact_of_rsgi

__all__ = ["HttpProtocol", "RsgiExchange", "serve_rsgi_http"]

# Empty pieces at the end of a body: one is there always, and more behind one that was cut off;
# over HTTP/2 there is no end of them then, so that somebody has to stop asking.
_MOST_EMPTY: Final = 4
# Trailers, which would be announced by a field, are not sent.
_HOSTS_OWN: Final = HOP_BY_HOP | {"trailer"}
_NOT_SAID: Final = _HOSTS_OWN | {"connection"}
# Members of an enum are slow to come by.
_OPEN, _ENDED, _GONE = State.OPEN, State.ENDED, State.GONE


class StreamTransport(Protocol):
    """What the pieces of an answer are sent by; the answer ends when nobody holds it any more."""

    def send_bytes(self, data: bytes) -> Awaitable[None]:
        """Send a piece."""


class HttpProtocol(Protocol):
    """What a request is read by, and answered (RSGI specification 1.6)."""

    def __aiter__(self) -> "AsyncIterator[bytes]":
        """Begin to read the body."""

    def client_disconnect(self) -> Awaitable[None]:
        """Wait until the client has left; no future at all once it has."""

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Answer without a body."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer with a body."""

    def response_file(self, status: int, headers: list[tuple[str, str]], file: str) -> None:
        """Answer with a file, by its path."""

    def response_file_range(
        self, status: int, headers: list[tuple[str, str]], file: str, start: int, end: int
    ) -> None:
        """Answer with part of a file; the end is behind its last byte."""

    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> StreamTransport:
        """Begin an answer."""


async def serve_rsgi_http(
    scope: RsgiScope,
    protocol: HttpProtocol,
    responder: Responder,
    loop: asyncio.AbstractEventLoop | None = None,
) -> None:
    """Answer one ``http`` call of granian, in its own task.

    Args:
        scope: of the call.
        protocol: of the call.
        responder: answers it.
        loop: the running one, if it is at hand: to ask for it costs.

    Raises:
        Exception: what aborted the answer, which granian logs and, before the head, answers 500;
            or what it is to be told of behind an answer.
    """
    exchange = RsgiExchange(scope, protocol, loop)
    version = exchange.head.version
    if version is not HttpVersion11 and version >= (2, 0):
        await exchange.look_for_body()
    try:
        try:
            await responder(exchange)
        except (Exception, asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as exc:
            await keep_from_host(exc, exchange)
        if exchange._state is not _ENDED and exchange._state is not _GONE:
            exchange.abort(RuntimeError("The responder left without an answer"))
    except ClientConnectionResetError:
        if not exchange.gone:
            raise
    finally:
        exchange.settle()
    if exchange.aborted is not None:
        raise exchange.aborted


class RsgiExchange(Exchange):
    """One ``http`` call of granian.

    The host is asked for a piece of the body when the handler reads, not before: that is when it
    sends 100 Continue, and how it stops a client whose body nobody takes.

    Attributes:
        aborted: why the answer is not whole, if it is not; or what the host is to be told of.
    """

    __slots__ = ("_empty", "_leaving", "_piece", "_pieces", "_protocol", "_stream", "aborted")

    head: RsgiHead

    def __init__(
        self,
        scope: RsgiScope,
        protocol: HttpProtocol,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        head = RsgiHead(scope)
        # What the class above sets is set here: a call less for each request. A test holds this to
        # what it says.
        self.head = head
        self.goes_on = head.keep_alive
        self.task = current_task(loop)
        self._gone = self._stopping = None
        self.status = self.bytes_sent = 0
        self.started_at = monotonic()
        self._state = _OPEN
        self._held = self._held_handle = self._remaining = None
        self._bodiless = False
        self.body: StreamReader = EMPTY_PAYLOAD
        if head.announces_body or (head.version is not HttpVersion11 and head.version >= (2, 0)):
            self.body = StreamReader(source=self)
        self._protocol = protocol
        self._stream: StreamTransport | None = None
        # What the host is being asked for; a piece is lost when that is cancelled.
        self._pieces: AsyncIterator[bytes] | None = None
        self._piece: asyncio.Future[bytes] | None = None
        # Pieces that were empty.
        self._empty = 0
        # Done when the client leaves.
        self._leaving: asyncio.Future[None] | None = None
        self.aborted: BaseException | None = None

    def extra(self, name: str, default: Any = None) -> Any:
        """Give what the scope tells of the connection: ``peername``, ``sockname``, ``scope``."""
        if name == "scope":
            return asgi_scope_of_rsgi(self.head)
        return fact_of_rsgi(self.head.scope, name, default)

    # -- the body's source

    def starved(self) -> Awaitable[None]:
        """Ask the host for the next piece of the body."""
        return self._pull()

    def drained(self) -> None:
        """Nothing to do: the host is asked only when something is wanted."""

    async def _pull(self) -> None:
        """Feed the next piece, or the end."""
        while not (data := await self._next_piece()):
            if self.gone:
                return
            if data is None or self._empty >= _MOST_EMPTY:
                self._end_body()
                return
            self._empty += 1
        self.body.feed_data(data)
        if self.body.total_bytes == self._declared_size():
            self.body.feed_eof()

    async def _next_piece(self) -> bytes | None:
        """Wait for a piece, which may be empty; None behind the last. A cancelled wait loses
        none."""
        data: bytes | None = None
        try:
            if self._piece is None:
                if self._pieces is None:
                    self._pieces = self._protocol.__aiter__()
                self._piece = asyncio.ensure_future(self._pieces.__anext__())
            data = await asyncio.shield(self._piece)
        except StopAsyncIteration:
            pass
        except RuntimeError as exc:  # the host's, for a lost connection
            self._client_left(exc)
        self._piece = None
        return data

    def _declared_size(self) -> int | None:
        length = self.head.scope.headers.get("content-length")
        return int(length) if length is not None else None  # the host has checked it

    def _end_body(self) -> None:
        """Feed the end of the body if it is whole, which the host does not say.

        One with a length was cut off when bytes of it are missing. One in chunks has one empty
        piece at its end, and more where it was cut off or malformed; trailers look the same, and
        are refused with it. Over HTTP/2 it is seen by the client's leaving.
        """
        size = self._declared_size()
        if size is not None:
            is_cut = self.body.total_bytes < size
        elif self.head.version >= (2, 0):
            # Of a request that has sent nothing, nothing can be missing.
            is_cut = bool(self.body.total_bytes) and self._has_left()
            is_cut = is_cut or self._empty >= _MOST_EMPTY
        elif self._empty > 1:
            self.body.set_exception(RequestPayloadError("The body of the request was cut off"))
            return
        else:
            is_cut = False
        if is_cut:
            self._client_left()
        else:
            self.body.feed_eof()

    def _has_left(self) -> bool:
        """Ask the host whether the client has left; the question is taken back, since granian fails
        at its end, before the application's clean-up, where one is still open."""
        leaving = self._protocol.client_disconnect()
        if not asyncio.isfuture(leaving):
            return True
        leaving.cancel()
        return False

    async def look_for_body(self) -> None:
        """Ask the host whether there is a body, where there should be none: over HTTP/2 it need
        not be announced.

        Nothing is asked where the client waits for a 100, which the host would send for it.
        """
        fields = self.head.scope.headers
        length = fields.get("content-length")
        if (length or ("0" if self.head.method in BODILESS else None)) != "0":
            return
        if "expect" not in fields:
            try:
                async with asyncio.timeout(DRAIN_TIME):
                    await self._pull()
            except TimeoutError:
                return  # the client holds its end back, and may say something yet
            if self.body.is_eof() and not self.body.total_bytes:
                self.body = EMPTY_PAYLOAD

    async def _drain(self) -> None:
        """Throw away the rest of the request, as far as it is short and comes soon."""
        room = DRAIN_SIZE
        try:
            async with asyncio.timeout(DRAIN_TIME):
                while room > 0:
                    data = await self._next_piece()
                    if not data:
                        return
                    room -= len(data)
        except TimeoutError:
            pass  # it does not come soon

    # -- the hooks

    def answer_plain(
        self, status: int, reason: str, content_type: str | None, body: bytes
    ) -> Awaitable[None] | None:
        """Answer in one call of the host's, where nothing else is to be thought of."""
        if not self.body._eof or self.head.method == "HEAD" or not self.goes_on:
            return super().answer_plain(status, reason, content_type, body)
        length = ("Content-Length", str(len(body)))
        if content_type is not None:
            headers = [("Content-Type", content_type), length]
        elif body:
            headers = [length, ("Content-Type", "application/octet-stream")]
        else:
            headers = [length]
        self._answer_whole(status, headers, body)
        return None

    def answer_listed(
        self, status: int, reason: str, fields: list[tuple[str, str]], body: bytes
    ) -> Awaitable[None] | None:
        """Answer likewise."""
        if not self.body._eof or self.head.method == "HEAD" or not self.goes_on:
            return super().answer_listed(status, reason, fields, body)
        headers = [pair for pair in fields if pair[0].lower() not in _NOT_SAID]
        self._answer_whole(status, headers, body)
        return None

    def _answer_whole(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        if self._state is _OPEN:
            self._state = _ENDED
        else:
            self._move(Event.RESPOND)
        self.status = status
        if body:
            self._protocol.response_bytes(status, headers, body)
            self.bytes_sent = len(body)
        else:
            self._protocol.response_empty(status, headers)

    async def _emit(
        self, head: AnswerHead | None, data: Bytes, end: bool, trailers: Fields
    ) -> None:
        """Send a head, a piece of body, or both.

        The end of an answer is kept until that of the request is there: granian closes the
        connection of a client that has more to give, which would cost it the answer.
        """
        if end and self.body is not EMPTY_PAYLOAD and self._piece is None and has_short_rest(self):
            await self._drain()
        if head is not None:
            if end and self._is_one_call(head):
                self._answer(head, data)
                return
            self._begin(head)
        stream = self._stream
        if data and stream is not None:
            try:
                await stream.send_bytes(bytes(data))
            except RuntimeError as exc:  # the host's, for an answer whose client has left
                self._client_left(exc)
                raise ClientConnectionResetError("Cannot write to closing transport") from exc
            except asyncio.CancelledError:
                # Whether the host has it is not known: nothing can follow.
                self.abort(RuntimeError("Sending to the host was cancelled"))
                raise
            self.bytes_sent += len(data)
        if end:
            self._stream = None

    def _is_one_call(self, head: AnswerHead) -> bool:
        """Whether a whole answer goes in one call, for which granian fills in a length that is
        missing; it must not where chunks were asked for, nor for the answer to HEAD."""
        if head.framing is BodyFraming.NONE:
            return head.length is not None or self.head.method != "HEAD"
        return head.framing is BodyFraming.LENGTH

    def _answer(self, head: AnswerHead, data: Bytes) -> None:
        if data:
            self._protocol.response_bytes(head.status, self._dump_fields(head), bytes(data))
            self.bytes_sent += len(data)
        else:
            self._protocol.response_empty(head.status, self._dump_fields(head))

    def _dump_fields(self, head: AnswerHead) -> list[tuple[str, str]]:
        return _dump_fields(head, is_http1=self.head.version < (2, 0))

    def _begin(self, head: AnswerHead) -> None:
        self._stream = self._protocol.response_stream(head.status, self._dump_fields(head))
        self.watch()

    def _push(self, head: AnswerHead) -> None:
        self._begin(head)

    def _can_send(self, file: Any, offset: int, count: int) -> bool:
        held = self._held
        return held is not None and self._find_file(held, file, offset, count) is not None

    def _find_file(self, head: AnswerHead, file: Any, offset: int, count: int) -> str | None:
        """Give the path of a file that can be opened again; it must be all of the body."""
        if head.length != count:
            return None
        return find_path(file, offset + count, is_all=offset == 0 and head.status != 206)

    async def _emit_file(
        self, head: AnswerHead | None, file: Any, offset: int, count: int
    ) -> int | None:
        path = None if head is None else self._find_file(head, file, offset, count)
        if head is None or path is None:  # or `_can_send` would have said so
            return None
        if offset == 0 and head.status != 206:
            self._protocol.response_file(head.status, self._dump_fields(head), path)
        else:
            end = offset + count
            fields = self._dump_fields(head)
            self._protocol.response_file_range(head.status, fields, path, offset, end)
        self.bytes_sent += count
        return count

    async def _emit_inform(self, status: int, fields: list[tuple[str, str]]) -> None:
        """Do nothing: RSGI has no interim answers, and 100 is sent by the host."""

    def _cut(self, cause: BaseException) -> None:
        if self.aborted is None and not isinstance(cause, ClientConnectionResetError):
            self.aborted = cause
        self._stream = None

    def fail(self, cause: BaseException) -> None:
        """Take note of an error, which is raised out of the call."""
        if self.aborted is None:
            self.aborted = cause

    # -- the client's leaving

    def watch(self) -> None:
        """Listen for the client's leaving, whether the body is read or not."""
        if self._leaving is not None or self.gone:
            return
        leaving = self._protocol.client_disconnect()
        if asyncio.isfuture(leaving):
            self._leaving = leaving
            leaving.add_done_callback(self._left)
        else:
            self._client_left()

    def _left(self, leaving: "asyncio.Future[None]") -> None:
        if not leaving.cancelled() and self.state is not State.ENDED:
            self._client_left(leaving.exception())

    def _client_left(self, exc: BaseException | None = None) -> None:
        cause = ClientConnectionResetError("Connection lost")
        cause.__cause__ = exc
        self.leave(cause)

    def settle(self) -> None:
        """End what was begun beside the call."""
        self._stream = None
        if self._leaving is not None:
            self._leaving.remove_done_callback(self._left)
            self._leaving.cancel()
        if self._piece is not None:
            self._piece.cancel()


def _dump_fields(head: AnswerHead, *, is_http1: bool) -> list[tuple[str, str]]:
    """Write the fields of a head, without what is the host's to say, or cannot be kept."""
    is_said = is_http1 and head.close
    return [
        pair
        for pair in head.fields
        if (low := pair[0].lower()) not in _HOSTS_OWN and (is_said or low != "connection")
    ]
