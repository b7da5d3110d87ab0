"""Our application as a guest of an ASGI host: an exchange over its scope, receive and send."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Any

from ..exchange import (
    AnswerHead,
    Bytes,
    ClientConnectionResetError,
    Event,
    Exchange,
    Fields,
    Head,
    Responder,
    State,
    fail,
)
from ..streams import EMPTY_PAYLOAD, StreamReader
from ..wire.framing import BodyFraming, has_field
from .guest_files import PATHSEND, find_offers, make_file_message
from .scope import fact_of_scope, read_scope

__all__ = [
    "BODILESS",
    "DRAIN_SIZE",
    "DRAIN_TIME",
    "HOP_BY_HOP",
    "GuestExchange",
    "HostCall",
    "Receive",
    "Send",
    "Serve",
    "contain",
    "has_short_rest",
    "serve_http",
]

_logger = logging.getLogger("bascule.asgi")

# Any: messages are dicts whose values the specification types one by one.
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Serve = Callable[[Mapping[str, Any], Receive, Send, Responder], Awaitable[None]]

# Extensions that a host may offer, and their messages.
_EARLY_HINT = "http.response.early_hint"
_TRAILERS = "http.response.trailers"
# Methods whose requests have no body, but for odd ones (RFC 9110 section 9.3).
BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"})
# Messages that are asked for behind a body until one tells of the client's leaving.
_MOST_LEFT_OVER = 4
# Bytes of an answer that some hosts do not take at once: HTTP/2's first window.
_WINDOW = 65535
# Bytes of a request that are thrown away behind its answer, and seconds in which they, or the end
# of a request without a body, come.
DRAIN_SIZE = 64 * 1024
DRAIN_TIME = 1.0
# Fields that belong to a connection, which is the host's (RFC 9110 section 7.6.1).
# Content-Type fields as messages have them, of the first so many types.
_typed: dict[str, tuple[bytes, bytes]] = {}
_MAX_TYPES = 256
_MAX_TYPE_SIZE = 100
# Names of fields as messages have them, of the first so many.
_named: dict[str, bytes] = {}
_MAX_NAMES = 1024
HOP_BY_HOP = frozenset({"transfer-encoding", "keep-alive", "upgrade", "proxy-connection", "te"})
_HOST_FIELDS = frozenset({name.encode("ascii") for name in HOP_BY_HOP} | {b"connection"})
# Members of an enum are slow to come by.
_OPEN, _ENDED, _GONE = State.OPEN, State.ENDED, State.GONE


async def serve_http(
    scope: Mapping[str, Any], receive: Receive, send: Send, responder: Responder
) -> None:
    """Answer one ``http`` call of a host, in the host's own task.

    Raises:
        Exception: what aborted the answer after its head had left, so that the host cuts it; or
            what the host is to be told of behind an answer.
    """
    if scope.get("http_version", "1.1")[0] == "1":
        exchange = GuestExchange(scope, receive, send)
    else:
        exchange = _StreamExchange(scope, receive, send)
        await exchange.look_for_body()
    try:
        try:
            await responder(exchange)
        except (Exception, asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as exc:
            await _keep_from_host(exc, exchange)
        if exchange._state is not _ENDED and exchange._state is not _GONE:
            exchange.abort(RuntimeError("The responder left without an answer"))
    except ClientConnectionResetError:
        if not exchange.gone:
            raise
    finally:
        if exchange._watcher is not None or exchange._pushing is not None:
            await exchange.settle()
    if exchange.aborted is not None:
        raise exchange.aborted


async def contain(responder: Responder, exchange: Exchange) -> None:
    """Let a responder answer; what would end the host, such as SystemExit, ends in the log.

    asyncio lets SystemExit and KeyboardInterrupt out of the event loop, and with them go all other
    requests of the host; few hosts catch them, or groups that hold them.

    Raises:
        Exception: what the responder raises; also its cancellation, and that it is closed.
    """
    try:
        await responder(exchange)
    except (Exception, asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as exc:
        await _keep_from_host(exc, exchange)


async def _keep_from_host(exc: BaseException, exchange: Exchange) -> None:
    _logger.exception("%s from a request kept from the host", type(exc).__name__)
    cause = RuntimeError(f"The handler has raised {type(exc).__name__}")
    cause.__cause__ = exc
    await fail(exchange, cause)


class HostCall(Exchange):
    """A call of an ASGI host, of either kind: what it tells, and what is said to it.

    Args:
        scope: of the call; never changed.
        body: of the request.
        receive: of the call.
        send: of the call.
    """

    __slots__ = ("_receive", "_scope", "_send", "_senders")

    def __init__(
        self, scope: Mapping[str, Any], head: Head, body: StreamReader, receive: Receive, send: Send
    ) -> None:
        super().__init__(head, body)
        self._scope = scope
        self._receive = receive
        self._send = send
        # Tasks whose sending ends when the client leaves.
        self._senders: set[asyncio.Task[Any]] | None = None

    def extra(self, name: str, default: Any = None) -> Any:
        """Give what the scope tells of the connection: ``peername``, ``sockname``, ``scope``."""
        return fact_of_scope(self._scope, name, default)

    def _is_offered(self, extension: str) -> bool:
        """Whether the host has an extension."""
        return extension in (self._scope.get("extensions") or ())

    async def _emit_inform(self, status: int, fields: list[tuple[str, str]]) -> None:
        """Send the links of early hints, if the host takes them; the rest is its own business."""
        if status != 103 or not self._is_offered(_EARLY_HINT):
            return
        links = [value for name, value in _encode(fields) if name == b"link"]
        if links:
            await self._pass_on({"type": _EARLY_HINT, "links": links})

    async def _pass_on(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            ClientConnectionResetError: the host says that the client has left.
        """
        try:
            await self._send(message)
        except OSError as exc:
            self._client_left(exc)
            raise ClientConnectionResetError("Cannot write to closing transport") from exc

    async def _pass_on_while_there(self, message: dict[str, Any]) -> None:
        """Send a message, but give up once the client is known to have left: hypercorn comes not
        back from sending more than an HTTP/2 window to one that has.

        Raises:
            ClientConnectionResetError: it has left.
        """
        task = asyncio.current_task()
        assert task is not None  # this is a coroutine
        if self._senders is None:
            self._senders = set()
        self._senders.add(task)
        before = task.cancelling()
        try:
            await self._pass_on(message)
        except asyncio.CancelledError as exc:
            # As asyncio.timeout does it: somebody else may have cancelled the task, too.
            if task in self._senders or task.uncancel() > before:
                raise
            raise ClientConnectionResetError("Cannot write to closing transport") from exc
        finally:
            self._senders.discard(task)

    def _client_left(self, exc: BaseException | None) -> None:
        cause = ClientConnectionResetError("Connection lost")
        cause.__cause__ = exc
        self.leave(cause)
        if self._senders:
            senders, self._senders = self._senders - {asyncio.current_task()}, set()
            for task in senders:
                task.cancel()


class GuestExchange(HostCall):
    """One ``http`` call of an ASGI host.

    `receive` is awaited when the handler reads, not before: that is when hosts send 100 Continue,
    and how they stop a client whose body nobody takes. An answer that is streamed is watched for
    the client's leaving, since few hosts raise out of `send`.

    Attributes:
        aborted: why the host has to cut the answer, if it has to; or what it is to be told of.
    """

    __slots__ = (
        "_is_passed_on",
        "_is_pulling",
        "_is_watched",
        "_owes_trailers",
        "_pushing",
        "_watcher",
        "aborted",
    )

    def __init__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        head, has_body = read_scope(scope)
        # All that the classes above set is set here: three calls less for each request. A test
        # holds this to what they say.
        self.head = head
        self.goes_on = head.keep_alive
        self.task = asyncio.current_task()
        self._gone = self._stopping = None
        self.status = self.bytes_sent = 0
        self.started_at = monotonic()
        self._state = _OPEN
        self._held = self._held_handle = self._remaining = None
        self._bodiless = False
        self._scope = scope
        self._receive = receive
        self._send = send
        self._senders = None
        self.body: StreamReader = EMPTY_PAYLOAD
        if has_body or head.version >= (2, 0):
            self.body = StreamReader(source=self)
        self._pushing: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        # The client's leaving is asked for, by more than a stream.
        self._is_watched = False
        self._is_pulling = False
        self._owes_trailers = False
        # The host has got the path of a file, with which the answer is whole.
        self._is_passed_on = False
        self.aborted: BaseException | None = None

    def answer_plain(
        self, status: int, reason: str, content_type: str | None, body: bytes
    ) -> Awaitable[None] | None:
        """Send head and body as the two messages that they are."""
        if self.body is not EMPTY_PAYLOAD or self.head.method == "HEAD":
            return super().answer_plain(status, reason, content_type, body)
        length = (b"content-length", b"%d" % len(body))
        if content_type is not None:
            typed = _typed.get(content_type) or _learn_type(content_type)
            headers = [typed, length]
        elif body:
            headers = [length, (b"content-type", b"application/octet-stream")]
        else:
            headers = [length]
        return self._send_whole(status, headers, body)

    def answer_listed(
        self, status: int, reason: str, fields: list[tuple[str, str]], body: bytes
    ) -> Awaitable[None] | None:
        """Send them likewise."""
        if self.body is not EMPTY_PAYLOAD or self.head.method == "HEAD":
            return super().answer_listed(status, reason, fields, body)
        headers = []
        for name, value in fields:
            low = _named.get(name) or _learn_name(name)
            if low not in _HOST_FIELDS:
                headers.append((low, value.encode("utf-8", "surrogateescape")))
        return self._send_whole(status, headers, body)

    async def _send_whole(
        self, status: int, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> None:
        if not self.goes_on and self.head.version < (2, 0):
            headers.append((b"connection", b"close"))
        if self._state is _OPEN:
            self._state = _ENDED
        else:
            self._move(Event.RESPOND)
        self.status = status
        send = self._send
        try:
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})
        except OSError as exc:
            self._client_left(exc)
            raise ClientConnectionResetError("Cannot write to closing transport") from exc
        except asyncio.CancelledError:
            # Whether the host has the message is not known: nothing can follow it.
            self.abort(RuntimeError("Sending to the host was cancelled"))
            raise
        self.bytes_sent += len(body)

    # -- the body's source

    def starved(self) -> Awaitable[None]:
        """Ask the host for the next piece of the body."""
        return self._pull()

    def drained(self) -> None:
        """Nothing to do: the host is asked only when something is wanted."""

    async def _pull(self) -> None:
        self._is_pulling = True
        try:
            message = await self._receive()
        finally:
            self._is_pulling = False
        if message["type"] == "http.disconnect":
            self._client_left(None)
            return
        self.body.feed_data(message.get("body") or b"")
        if not message.get("more_body"):
            self.body.feed_eof()
            if self._is_watched:
                self._watch()

    async def _drain(self) -> None:
        """Throw away the rest of the request, as far as it is short and comes soon."""
        room = DRAIN_SIZE
        try:
            async with asyncio.timeout(DRAIN_TIME):
                while room > 0:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        self._client_left(None)
                        return
                    if not message.get("more_body"):
                        return
                    room -= len(message.get("body") or b"")
        except TimeoutError:
            pass  # it does not come soon

    # -- the hooks

    async def _emit(
        self, head: AnswerHead | None, data: Bytes, end: bool, trailers: Fields
    ) -> None:
        """Send a head, a piece of body, or both.

        The end of an answer is kept until that of the request is there. What comes behind it would
        cost the client its answer, where the host then closes a connection that has more to give,
        and under hypercorn all streams of the connection; aiohttp lingers for the same reason.
        """
        if self._is_passed_on:
            return
        if self._pushing is not None:
            await self._wait_for_push(self._pushing)
        if end and self.body is not EMPTY_PAYLOAD and not self._is_pulling and has_short_rest(self):
            await self._emit(head, data, False, ())
            await self._drain()
            head, data = None, b""
        if not end:
            self._watch()
        pass_on = self._pass_on if self._watcher is None else self._pass_on_while_there
        try:
            if head is not None:
                await self._pass_on(self._make_start(head))
            if data or end or head is not None:
                await pass_on(
                    {"type": "http.response.body", "body": bytes(data), "more_body": not end}
                )
            if end and self._owes_trailers:
                await self._pass_on(
                    {"type": _TRAILERS, "headers": _encode(trailers), "more_trailers": False}
                )
        except asyncio.CancelledError:
            # Whether the host has the message is not known: nothing can follow it.
            self.abort(RuntimeError("Sending to the host was cancelled"))
            raise
        self.bytes_sent += len(data)

    def _can_send(self, file: Any, offset: int, count: int) -> bool:
        return self._make_file_message(self._held, file, offset, count) is not None

    async def _emit_file(
        self, head: AnswerHead | None, file: Any, offset: int, count: int
    ) -> int | None:
        message = self._make_file_message(head, file, offset, count)
        assert message is not None  # or `_can_send` would have said so
        if self._pushing is not None:
            await self._wait_for_push(self._pushing)
        if head is not None:
            await self._pass_on(self._make_start(head))
        if message["type"] == PATHSEND:
            self._is_passed_on = True
        else:
            self._watch()
        await self._pass_on(message)
        self.bytes_sent += count
        return count

    def _make_file_message(
        self, head: AnswerHead | None, file: Any, offset: int, count: int
    ) -> dict[str, Any] | None:
        extensions = find_offers(self._scope, self._send)
        is_all = head is not None and head.length == count
        return make_file_message(extensions, file, offset, count, is_all=is_all)

    async def _wait_for_push(self, pushing: "asyncio.Task[None]") -> None:
        await asyncio.shield(pushing)
        self._pushing = None

    def _make_start(self, head: AnswerHead) -> dict[str, Any]:
        """Write a head as ``http.response.start``; trailers are promised where they are announced
        and the host takes them, else they are not announced either."""
        message = _start_message(head, self.head.version < (2, 0))
        if head.framing is BodyFraming.CHUNKED and has_field(head.fields, "trailer"):
            self._owes_trailers = self._is_offered(_TRAILERS)
            if self._owes_trailers:
                message["trailers"] = True
            else:
                message["headers"] = [pair for pair in message["headers"] if pair[0] != b"trailer"]
        return message

    def _push(self, head: AnswerHead) -> None:
        """Send the head from a task, with an empty piece of body: some hosts keep a head back
        until they see one."""
        self._pushing = asyncio.get_running_loop().create_task(
            self._emit_pushed(head), name="bascule-push"
        )

    async def _emit_pushed(self, head: AnswerHead) -> None:
        try:
            await self._pass_on(self._make_start(head))
            await self._pass_on({"type": "http.response.body", "body": b"", "more_body": True})
            self._watch()
        except ClientConnectionResetError:
            pass  # the next write of the handler says so

    def _cut(self, cause: BaseException) -> None:
        if self.aborted is None and not isinstance(cause, ClientConnectionResetError):
            self.aborted = cause

    def fail(self, cause: BaseException) -> None:
        """Take note of an error, which is raised out of the call."""
        if self.aborted is None:
            self.aborted = cause

    # -- the client's leaving

    def watch(self) -> None:
        """Listen for the client's leaving, once the body is read."""
        self._is_watched = True
        self._watch()

    def _watch(self) -> None:
        """Listen for the client's leaving while an answer is streamed, the body being read."""
        if self._watcher is None and not self.gone and self.body.is_eof():
            self._watcher = asyncio.get_running_loop().create_task(
                self._wait_for_disconnect(), name="bascule-watch"
            )

    async def _wait_for_disconnect(self) -> None:
        # A request without a body has the end of one to give. A host that gives more than that has
        # no leaving to tell, and would be asked for ever.
        for _ in range(_MOST_LEFT_OVER):
            if (await self._receive())["type"] == "http.disconnect":
                if self.state is not State.ENDED:
                    self._client_left(None)
                return

    async def settle(self) -> None:
        """End what was begun beside the call."""
        if self._watcher is None and self._pushing is None:
            return
        tasks = [task for task in (self._watcher, self._pushing) if task is not None]
        for task in tasks:
            if task is self._watcher or self.state is State.GONE:
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for task, result in zip(tasks, results, strict=True):
            if task is self._pushing and isinstance(result, Exception):
                raise result


class _StreamExchange(GuestExchange):
    """One ``http`` call over a stream of HTTP/2 or 3, where a body need not be announced."""

    __slots__ = ()

    async def look_for_body(self) -> None:
        """Ask the host whether there is a body, where there should be none.

        Nothing is asked where the client waits for a 100, which the host would send for it.
        """
        fields = self.head.fields
        length = fields.get("Content-Length", "0" if self.head.method in BODILESS else None)
        if length == "0" and "Expect" not in fields:
            try:
                async with asyncio.timeout(DRAIN_TIME):
                    # The end may be a message of its own.
                    while not (self.body.is_eof() or self.body.total_bytes or self.gone):
                        await self._pull()
            except TimeoutError:
                return  # the client holds its end back, and may say something yet
            if self.body.is_eof() and not self.body.total_bytes:
                self.body = EMPTY_PAYLOAD

    async def _emit(
        self, head: AnswerHead | None, data: Bytes, end: bool, trailers: Fields
    ) -> None:
        """Send as ever, but listen for the client's leaving where the host may have to wait."""
        if len(data) > _WINDOW:
            self._watch()
        await super()._emit(head, data, end, trailers)


def _learn_type(content_type: str) -> tuple[bytes, bytes]:
    """Write a Content-Type as messages have it, and remember that of the frequent ones."""
    pair = (b"content-type", content_type.encode("utf-8", "surrogateescape"))
    if len(_typed) < _MAX_TYPES and len(content_type) <= _MAX_TYPE_SIZE:
        _typed[content_type] = pair
    return pair


def _learn_name(name: str) -> bytes:
    """Write a name as messages have it, and remember that of the frequent ones."""
    low = name.lower().encode("ascii")
    if len(_named) < _MAX_NAMES and len(name) <= _MAX_TYPE_SIZE:
        _named[name] = low
    return low


def has_short_rest(exchange: Exchange) -> bool:
    """Whether something is left of a request's body that is short, as far as it is known.

    A client that waits for 100 Continue is not told to go on for this.
    """
    body, head = exchange.body, exchange.head
    if body.is_eof() or exchange.gone:
        return False
    fields = head.fields
    if "Expect" in fields and head.version < (2, 0) and not body.total_bytes:
        return False
    length = fields.get("Content-Length", "")
    return not length.isdecimal() or int(length) - body.total_bytes <= DRAIN_SIZE


def _start_message(head: AnswerHead, is_http1: bool) -> dict[str, Any]:
    """Write a head as ``http.response.start``, without what is the host's to say."""
    headers = []
    for name, value in head.fields:
        low = name.lower()
        if low in HOP_BY_HOP:
            continue
        if low == "connection" and not (is_http1 and head.close):
            continue
        headers.append((low.encode("ascii"), value.encode("utf-8", "surrogateescape")))
    return {"type": "http.response.start", "status": head.status, "headers": headers}


def _encode(fields: Fields) -> list[tuple[bytes, bytes]]:
    """Write fields as messages have them."""
    return [
        (name.lower().encode("ascii"), value.encode("utf-8", "surrogateescape"))
        for name, value in fields
    ]
