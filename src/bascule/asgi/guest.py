"""Our application as a guest of an ASGI host: an exchange over its scope, receive and send."""

import asyncio
from asyncio import current_task
from collections.abc import Awaitable, Mapping
from time import monotonic
from typing import Any

from ..exchange import (
    AnswerHead,
    Bytes,
    ClientConnectionResetError,
    Event,
    Exchange,
    Fields,
    State,
)
from ..streams import EMPTY_PAYLOAD, StreamReader
from ..wire.framing import BodyFraming, has_field
from ..wire.grammar import HttpVersion11
from .guest_call import HostCall, Receive, Send, encode_fields
from .guest_files import PATHSEND, find_offers, make_file_message
from .scope import ScopeHead

__all__ = [
    "BODILESS",
    "DRAIN_SIZE",
    "DRAIN_TIME",
    "HOP_BY_HOP",
    "GuestExchange",
    "has_short_rest",
]

# An extension that a host may offer, and its message.
_TRAILERS = "http.response.trailers"
# Methods whose requests have no body, but for odd ones (RFC 9110 section 9.3).
BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"})
# Messages that are asked for behind a body until one tells of the client's leaving.
_MOST_LEFT_OVER = 4
# Bytes of a body that wait for the end of a step of the loop at most.
_PENDING_SIZE = 64 * 1024
# Shared by all that have no such piece; never changed.
_NONE: list[bytes] = []
# Bytes of a request that are thrown away behind its answer, and seconds in which they, or the end
# of a request without a body, come.
DRAIN_SIZE = 64 * 1024
DRAIN_TIME = 1.0
# Content-Type fields as messages have them, of the first so many types.
_typed: dict[str, tuple[bytes, bytes]] = {}
_MAX_TYPES = 256
_MAX_TYPE_SIZE = 100
# Names of fields as messages have them, of the first so many.
_named: dict[str, bytes] = {}
_MAX_NAMES = 1024
# Fields that belong to a connection, which is the host's (RFC 9110 section 7.6.1).
HOP_BY_HOP = frozenset({"transfer-encoding", "keep-alive", "upgrade", "proxy-connection", "te"})
_HOST_FIELDS = frozenset({name.encode("ascii") for name in HOP_BY_HOP} | {b"connection"})
# Members of an enum are slow to come by.
_OPEN, _STARTED, _ENDED = State.OPEN, State.STARTED, State.ENDED


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
        "_is_stepping",
        "_is_watched",
        "_owes_trailers",
        "_pending",
        "_pending_size",
        "_pushing",
        "_watcher",
        "aborted",
    )

    def __init__(
        self,
        scope: Mapping[str, Any],
        receive: Receive,
        send: Send,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        head = ScopeHead(scope)
        # All that the classes above set is set here: three calls less for each request. A test
        # holds this to what they say.
        self.head = head
        self.goes_on = head.keep_alive
        self.task = current_task(loop)
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
        if head.announces_body or (head.version is not HttpVersion11 and head.version >= (2, 0)):
            self.body = StreamReader(source=self)
        self._pushing: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        # The client's leaving is asked for, by more than a stream.
        self._is_watched = False
        self._is_pulling = False
        self._owes_trailers = False
        # The host has got the path of a file, with which the answer is whole.
        self._is_passed_on = False
        # Pieces of the body that wait for the end of this step of the loop, and whether that will
        # be told of.
        self._pending = _NONE
        self._pending_size = 0
        self._is_stepping = False
        self.aborted: BaseException | None = None

    def answer_plain(
        self, status: int, reason: str, content_type: str | None, body: bytes
    ) -> Awaitable[None] | None:
        """Send head and body as the two messages that they are."""
        if not self.body._eof or self._watcher is not None or self.head.method == "HEAD":
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
        if not self.body._eof or self._watcher is not None or self.head.method == "HEAD":
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

    # -- pieces that leave together

    def take(self, data: bytes) -> Awaitable[None] | None:
        """Take a piece of the body. The first in a step of the loop is sent at once; those behind
        it leave together: by the end of the step, at 64 KiB, or with what is sent next.

        Returns:
            what is to be awaited; None when there is nothing to wait for.
        """
        if not self._is_stepping:
            self._is_stepping = True
            asyncio.get_running_loop().call_soon(self._end_step)
            return self.write(data)
        if (
            self._state is not _STARTED
            or self._remaining is not None
            or self._bodiless
            or self._pushing is not None
            or not data
        ):
            return self.write(data)
        if self._pending is _NONE:
            self._pending = []
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size < _PENDING_SIZE:
            return None
        return self._emit(None, b"", False, ())

    def _take_pending(self) -> bytes:
        pending, self._pending, self._pending_size = self._pending, _NONE, 0
        return b"".join(pending)

    def _end_step(self) -> None:
        """Send what was taken in this step of the loop, from a task: sending may have to wait."""
        self._is_stepping = False
        if self._pending and self._state is _STARTED:
            self._pushing = asyncio.get_running_loop().create_task(
                self._emit_pending(), name="bascule-push"
            )

    async def _emit_pending(self) -> None:
        data = self._take_pending()
        try:
            await self._pass_on_while_there(
                {"type": "http.response.body", "body": data, "more_body": True}
            )
        except ClientConnectionResetError:
            return  # the next write of the handler says so
        self.bytes_sent += len(data)

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
        if self._pending:
            data = self._take_pending() + data
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
                    {"type": _TRAILERS, "headers": encode_fields(trailers), "more_trailers": False}
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
        if self._pending:
            await self._emit(None, b"", False, ())
        elif self._pushing is not None:
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

    def leave(self, cause: BaseException) -> None:
        """Take note that the client has left: what waits to be sent is for nobody."""
        self._pending = _NONE
        super().leave(cause)

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
                if self.state is not State.ENDED or self._senders:
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
