"""The exchange of a request for its answer, which each kind of server and host fills in.

Long, since each way to answer is a path through one table of states.
"""

import asyncio
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

from ..channel import Channel, ChannelOptions, ClientConnectionResetError
from ..streams import EMPTY_PAYLOAD, StreamReader
from ..wire.framing import BodyFraming, check_interim, check_trailers, has_field, has_no_content
from ..wire.grammar import HttpVersion10
from ..wire.handshake import BadHandshake, check_handshake, list_subprotocols, wants_websocket
from ..wire.head import Role, check_fields, check_status, find_role
from .answer import AnswerHead, Bytes, Fields, frame_answer
from .gone import Gone
from .head import Head
from .states import TABLE, Event, State

__all__ = ["Exchange", "NotSupported", "Responder"]

# A whole interim answer as bytes.
_INTERIM_HEAD: Final = re.compile(rb"HTTP/1\.[01] (1\d\d)(?: [^\r\n]*)?\r\n\r\n")
# Members by names of the module: to look one up in its class costs ten times as much (Python 3.11).
_FRAMED_NONE = BodyFraming.NONE
_FRAMED_LENGTH = BodyFraming.LENGTH
_FRAMED_CHUNKED = BodyFraming.CHUNKED
_ROLE_LENGTH = Role.LENGTH
_OPEN = State.OPEN
_HELD = State.HELD
_ENDED = State.ENDED
_GONE = State.GONE
_SENDING = State.SENDING
_ON_INFORM = Event.INFORM
_ON_START = Event.START
_ON_RESPOND = Event.RESPOND
_ON_WRITE = Event.WRITE
_ON_WRITE_EOF = Event.WRITE_EOF
_ON_WITHDRAW = Event.WITHDRAW
_ON_LEAVE = Event.LEAVE
_ON_ABORT = Event.ABORT
_ON_SEND_FILE = Event.SEND_FILE
_ON_SENT = Event.SENT


class NotSupported(RuntimeError):
    """This host has no such power; the message names what was asked for."""


class Exchange(ABC):
    """One request and its answer; it lives from the request's head to the answer's last byte.

    A responder may send in one task at a time. `write`, `drain` and `write_eof` are named as in
    aiohttp's ``AbstractStreamWriter``, so that payloads written for that one fit.

    What the three kinds of exchange differ in is behind hooks: `_emit`, `_push`, `_emit_inform`,
    `_cut` and `extra`, and for files `_can_send` and `_emit_file`.

    Attributes:
        head: the request's head.
        body: the request's body.
        status: of the answer; 0 until it was decided.
        task: answers the request; None where that is for others to know.
        bytes_sent: what was handed to the transport for the answer.
        goes_on: whether the connection goes on behind the answer, as its head tells.
        started_at: `time.monotonic` when the exchange began.
    """

    __slots__ = (
        "_bodiless",
        "_gone",
        "_held",
        "_held_handle",
        "_remaining",
        "_state",
        "_stopping",
        "body",
        "bytes_sent",
        "goes_on",
        "head",
        "started_at",
        "status",
        "task",
    )

    def __init__(self, head: Head, body: StreamReader = EMPTY_PAYLOAD) -> None:
        self.head = head
        self.body = body
        self._gone: Gone | None = None
        self.task: asyncio.Task[Any] | None = None
        self.goes_on = head.keep_alive
        self.status = 0
        self.bytes_sent = 0
        self.started_at = time.monotonic()
        self._state = _OPEN
        self._stopping: Gone | None = None
        self._held: AnswerHead | None = None
        self._held_handle: asyncio.Handle | None = None
        self._bodiless = False
        # Bytes still owed of a declared Content-Length; None when none was declared.
        self._remaining: int | None = None

    # -- questions

    @property
    def state(self) -> State:
        """Where the answer stands."""
        return self._state

    def extra(self, name: str, default: Any = None) -> Any:  # Any: transports give what they have
        """Look up a fact of the connection, such as ``peername`` or ``ssl_object``."""
        return default

    @property
    def gone(self) -> Gone:
        """Whether the peer has left."""
        if self._gone is None:
            self._gone = Gone()
        return self._gone

    @property
    def addresses(self) -> tuple[Any, Any]:  # Any: of whatever family
        """The address of the peer, and that of the own socket; None where it is not known."""
        return self.extra("peername"), self.extra("sockname")

    @property
    def stopping(self) -> Gone:
        """Whether the server stops: an answer without an end should end now."""
        if self._stopping is None:
            self._stopping = Gone()
        return self._stopping

    @property
    def protocol(self) -> Any:  # Any: the server's own kind
        """The protocol of the connection; None where a host keeps it to itself."""
        return None

    @property
    def transport(self) -> Any:  # Any: an asyncio transport, or what stands for it
        """The transport of the connection; None where a host keeps it to itself."""
        return None

    @property
    def writer(self) -> Any:  # Any: what has the methods of aiohttp's AbstractStreamWriter
        """What bodies are written to."""
        return self

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection may go on behind this answer, as far as is known now."""
        return self.head.keep_alive

    @property
    def default_fields(self) -> list[tuple[str, str]]:
        """Fields that this transport wants in an answer that lacks them (Date, Server)."""
        return []

    # -- answering

    async def inform(self, status: int, fields: Fields = ()) -> None:
        """Send an interim answer, 100 to 199; nothing goes to an HTTP/1.0 client.

        Source: RFC 9110 section 15.2.

        Raises:
            ValueError: a final status or 101, which `accept` sends; fields as of `start`, or that
                speak of a body.
        """
        pairs = list(fields)
        if status < 100 or status == 101 or status >= 200:
            raise ValueError(f"Not the status of an interim answer: {status!r}")
        check_status(status, "")
        check_fields(pairs)
        check_interim(pairs)
        self._move(_ON_INFORM)
        if self.head.version > HttpVersion10 and self._state is not _GONE:
            await self._emit_inform(status, pairs)

    def start(self, status: int, reason: str, fields: Fields, *, close: bool = False) -> None:
        """Decide the head of the answer. It is held until the first byte of the body, `drain`,
        `write_eof` or the end of this step of the event loop, to leave in one piece with what
        follows it.

        Args:
            status: 200 to 999.
            reason: the phrase, may be empty.
            fields: a Content-Length among them declares the length; a Transfer-Encoding is
                taken as a wish for chunks and never contradicts a Content-Length.
            close: end the connection after this answer.

        Raises:
            RuntimeError: the answer was decided before.
            ClientConnectionResetError: the peer has left.
            ValueError: a Content-Length that is not a number, a name that is not a token, a
                value or reason with a control character.
        """
        head = frame_answer(
            self.head, status, reason, list(fields), close=close or not self.keeps_alive
        )
        self._move(_ON_START)
        self._adopt(head)
        self._held = head
        self._held_handle = asyncio.get_running_loop().call_soon(self._release)

    async def respond(
        self,
        status: int,
        reason: str,
        fields: Fields,
        body: bytes = b"",
        *,
        close: bool = False,
    ) -> None:
        """Send a whole answer in one call; a missing Content-Length is filled in."""
        pairs = list(fields)
        if not (has_no_content(status) or _has_length(pairs)):
            pairs.append(("Content-Length", str(len(body))))
        head = frame_answer(self.head, status, reason, pairs, close=close or not self.keeps_alive)
        self._move(_ON_RESPOND)
        self._adopt(head)
        await self._finish(head, body, ())

    def answer_plain(
        self, status: int, reason: str, content_type: str | None, body: bytes
    ) -> Awaitable[None] | None:
        """Send a whole answer of which nothing is to be said but what its body is; to a request
        whose method has answers with a body.

        It says on the wire what `respond` would, with `default_fields`.

        Args:
            status: 200 to 999, of an answer that may have a body.
            reason: printable.
            content_type: printable, in front of the length; None puts the default behind it,
                where there is a body.
            body: all of it.

        Returns:
            what is to be awaited; None when all is done. Nothing has been sent before that, or all.
        """
        fields = [] if content_type is None else [("Content-Type", content_type)]
        fields.append(("Content-Length", str(len(body))))
        if content_type is None and body:
            fields.append(("Content-Type", "application/octet-stream"))
        return self.answer_listed(status, reason, fields + self.default_fields, body)

    def answer_described(
        self, status: int, reason: str, fields: list[tuple[str, str]], body: bytes
    ) -> Awaitable[None] | None:
        """Send a whole answer of which a few fields say more than what its body is; see
        `answer_plain`.

        Args:
            status: likewise.
            reason: likewise.
            fields: checked, in front of the length; a Content-Type among them where there is a
                body, none is about the framing or the connection, and Date and Server are missing.
            body: all of it.

        Returns:
            as `answer_plain` does.
        """
        fields.append(("Content-Length", str(len(body))))
        return self.answer_listed(status, reason, fields + self.default_fields, body)

    def answer_listed(
        self, status: int, reason: str, fields: list[tuple[str, str]], body: bytes
    ) -> Awaitable[None] | None:
        """Send a whole answer with all of its fields; see `answer_plain`.

        Args:
            status: likewise.
            reason: likewise.
            fields: checked; a Content-Length is that of the body and stands once, and none is about
                the framing or the connection besides.
            body: all of it.

        Returns:
            as `answer_plain` does.
        """
        return self.respond(status, reason, fields, body)

    def at_step_end(self, callback: Callable[[], object]) -> None:
        """Call back at the end of this step of the event loop, whatever has become of this."""
        asyncio.get_running_loop().call_soon(callback)

    def answer_block(
        self, status_line: bytes, block: bytes, body: bytes
    ) -> Awaitable[None] | Literal[False] | None:
        """Send a whole answer of which the head is bytes already, where that is possible.

        Args:
            status_line: of HTTP/1.1, of an answer that has a body, with its CRLF.
            block: field lines, checked: a Content-Length is that of the body and stands once, none
                is about the framing or the connection besides, and Date and Server are missing.
            body: all of it.

        Returns:
            False where it cannot, and nothing was sent; else as `answer_plain`.
        """
        return False

    async def write(self, data: Bytes) -> None:
        """Send a piece of the body; returns when the transport has room again.

        What goes beyond a declared Content-Length is cut off. Before the answer the head of an
        interim one may be written, which is how handlers of expectations send 100 in aiohttp.

        Raises:
            RuntimeError: the answer was not started, or has ended.
            ClientConnectionResetError: the peer has left.
        """
        try:
            head = self._leave_held(_ON_WRITE)
        except RuntimeError:
            interim = _INTERIM_HEAD.fullmatch(data) if self._state is _OPEN else None
            if interim is None:
                raise
            await self.inform(int(interim[1]))
            return
        data = self._count(_count_in_bytes(data))
        if data or head:
            await self._emit(head, data, False, ())

    async def drain(self) -> None:
        """Send what is held and wait until the transport has room."""
        await self._emit(self._leave_held(_ON_WRITE), b"", False, ())

    async def write_eof(self, data: Bytes = b"", trailers: Fields = ()) -> None:
        """End the answer, with a last piece of body; a second call does nothing.

        When fewer bytes came than were declared the connection is cut, since the client could
        not tell otherwise (RFC 9112 section 8).

        Args:
            data: the last piece.
            trailers: fields behind the body; dropped where it is not sent in chunks, since there
                is no place for them then (RFC 9112 section 7.1.2).

        Raises:
            ValueError: a trailer that may not be one, fields as of `start`.
        """
        if self._state is _ENDED:
            return
        trailers = list(trailers)
        if trailers:
            check_trailers(trailers)
        data = _count_in_bytes(data)
        whole = self._state is _HELD
        head = self._leave_held(_ON_WRITE_EOF)
        if whole and head and head.framing is _FRAMED_CHUNKED and not trailers:
            self._prefer_length(head, len(data))
        await self._finish(head, data, trailers if trailers and self._takes_trailers else ())

    async def send_file(self, file: Any, offset: int, count: int) -> bool:  # Any: a binary file
        """Send part of a file as body without copying it, where the transport can.

        What goes beyond a declared Content-Length is not sent, and nothing of it to who gets no
        body. A file that has become shorter ends early, and `write_eof` will cut the connection.
        Nothing else may be sent meanwhile; when this fails or is cancelled the exchange is aborted.

        Args:
            file: open for reading, or its descriptor; it stays open, and where it stands is of no
                account.
            offset: of the first byte.
            count: of the bytes.

        Returns:
            False when it cannot: nothing of the file was sent, and the caller copies the bytes.

        Raises:
            RuntimeError: the answer was not started, or has ended.
            ClientConnectionResetError: the peer has left.
            OSError: the file cannot be read.
        """
        self._check(_ON_WRITE)
        if self._remaining is not None:
            count = min(count, self._remaining)
        if self._bodiless or count <= 0:
            return True
        if not self._can_send(file, offset, count):
            return False
        head = self._leave_held(_ON_SEND_FILE)
        try:
            sent = await self._emit_file(head, file, offset, count)
        except asyncio.CancelledError:
            self.abort(RuntimeError("Sending a file was cancelled"))
            raise
        except BaseException as exc:  # how much has left is not known: nothing can follow
            self.abort(exc)
            raise
        if self._state is _SENDING:  # the peer may have left just now
            self._move(_ON_SENT)
        if sent is not None and self._remaining is not None:
            self._remaining -= sent
        return sent is not None

    def fail(self, cause: BaseException) -> None:  # noqa: B027 - most have nobody to tell
        """Take note of an error that gets an answer: a host is told of it behind that answer."""

    def watch(self) -> None:  # noqa: B027 - most are told without it
        """Listen for the peer's leaving where a host tells of it only when asked; `gone` has it
        then. Nothing happens while some of the body is to come."""

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols that a client offers for its WebSocket, in its order."""
        return list_subprotocols(self.head.fields)

    @property
    def asks_for_websocket(self) -> bool:
        """Whether the request is for a WebSocket, well or badly; one with a body is not."""
        head = self.head
        # Most requests have no such field: their multidict is not built for this question.
        if head.is_plain or not any(
            len(name) == 7 and name.lower() == b"upgrade" for name, _ in head.raw_fields
        ):
            return False
        return self.body is EMPTY_PAYLOAD and wants_websocket(head.version, head.fields)

    def check_handshake(self) -> None:
        """Find out whether the request asks for a WebSocket as it must.

        Raises:
            BadHandshake: it does not, or has a body, which nobody could tell from frames.
        """
        check_handshake(self.head.method, self.head.version, self.head.fields)
        if self.body is not EMPTY_PAYLOAD:
            raise BadHandshake("A request with a body cannot become a WebSocket")

    def propose(
        self, options: ChannelOptions, subprotocol: str | None = None
    ) -> list[tuple[str, str]]:
        """Give the fields that `accept` will send on its own account, with these arguments."""
        return []

    async def accept(
        self,
        fields: Fields = (),
        *,
        subprotocol: str | None = None,
        options: ChannelOptions = ChannelOptions(),  # noqa: B008  # it never changes
    ) -> Channel:
        """Take up the WebSocket that the request asks for.

        Args:
            fields: of the answer; those of `propose` win over them.
            subprotocol: one that the client has offered.
            options: how the WebSocket is kept.

        Raises:
            BadHandshake: it asks for none.
            NotSupported: this exchange cannot become a WebSocket.
            ClientConnectionResetError: the peer has left.
        """
        raise NotSupported("This exchange cannot become a WebSocket")

    def withdraw(self) -> bool:
        """Take back a head that is still held, so that another answer may be given.

        Returns:
            Whether an answer may be started now.
        """
        if TABLE[self._state][_ON_WITHDRAW] is None:
            return False
        self._move(_ON_WITHDRAW)
        self._take_held()
        self.status = 0
        self._remaining = None
        return True

    def abort(self, cause: BaseException) -> None:
        """Drop the connection, whatever was sent; a held head is not sent."""
        self._move(_ON_ABORT)
        self._lose(cause)
        self._cut(cause)

    def leave(self, cause: BaseException) -> None:
        """Take note that the peer has left; said by the transport."""
        self._move(_ON_LEAVE)
        self._lose(cause)

    # -- hooks

    @abstractmethod
    async def _emit(
        self, head: AnswerHead | None, data: Bytes, end: bool, trailers: Fields
    ) -> None:
        """Send a head, bytes of the body, its end: any of them; wait while there is no room."""

    @abstractmethod
    def _push(self, head: AnswerHead) -> None:
        """Send a head that was held until the end of the loop step, without waiting."""

    @abstractmethod
    async def _emit_inform(self, status: int, fields: list[tuple[str, str]]) -> None:
        """Send an interim answer."""

    @abstractmethod
    def _cut(self, cause: BaseException) -> None:
        """Drop the connection now."""

    def _can_send(self, file: Any, offset: int, count: int) -> bool:  # Any: see `send_file`
        """Say whether `_emit_file` is worth a try; the head may still be held."""
        return False

    async def _emit_file(
        self, head: AnswerHead | None, file: Any, offset: int, count: int
    ) -> int | None:
        """Send a head and part of a file.

        Returns:
            bytes of the file that were sent; None when it cannot be sent in this way after all.
        """
        raise NotSupported("This exchange sends no files")

    # -- within

    def _move(self, event: Event) -> None:
        self._state = self._check(event)

    def _check(self, event: Event) -> State:
        """Give the state that an event leads to."""
        state = TABLE[self._state][event]
        if state is None:
            if self._state is _GONE:
                raise ClientConnectionResetError("Cannot write to closing transport")
            raise RuntimeError(
                f"Cannot {event.name.lower()} when the answer is {self._state.name.lower()}"
            )
        return state

    def _lose(self, cause: BaseException) -> None:
        self._take_held()
        self.gone.set(cause)
        if not self.body.is_eof():
            self.body.set_exception(cause)

    def _adopt(self, head: AnswerHead) -> None:
        """Hold the body to a head that was accepted."""
        self.status = head.status
        self._bodiless = head.framing is _FRAMED_NONE
        self._remaining = head.length

    def _take_held(self) -> AnswerHead | None:
        head = self._held
        if head is not None:
            self._held = None
            if self._held_handle is not None:
                self._held_handle.cancel()
                self._held_handle = None
        return head

    def _leave_held(self, event: Event) -> AnswerHead | None:
        self._move(event)
        return self._take_held()

    def _release(self) -> None:
        """Send the held head at the end of the loop step that decided it."""
        self._held_handle = None
        if self._state is _HELD:
            head = self._leave_held(_ON_WRITE)
            try:
                if head is not None:
                    self._push(head)
            except Exception as exc:  # a callback has nobody to raise to
                self.abort(exc)

    async def _finish(self, head: AnswerHead | None, data: Bytes, trailers: Fields) -> None:
        data = self._count(data)
        missing = bool(self._remaining) and not self._bodiless
        await self._emit(head, data, not missing, trailers)
        if missing:
            self._cut(RuntimeError(f"The answer ended {self._remaining} bytes short"))

    @property
    def _takes_trailers(self) -> bool:
        """Whether the body is sent in chunks, which trailers may follow; of its later versions
        HTTP says the same in other ways."""
        is_measured = self._remaining is not None
        return not (self._bodiless or is_measured) and self.head.version > HttpVersion10

    def _count(self, data: Bytes) -> Bytes:
        """Give the part of `data` that belongs on the wire, and count it."""
        if self._bodiless:
            return b""
        remaining = self._remaining
        if remaining is not None:
            if len(data) > remaining:
                data = data[:remaining]
            self._remaining = remaining - len(data)
        return data

    def _prefer_length(self, head: AnswerHead, size: int) -> None:
        """Turn an answer that is whole before its head left from chunks to a length,
        unless chunks were asked for."""
        if not has_field(head.fields, "transfer-encoding"):
            head.framing = _FRAMED_LENGTH
            head.fields.append(("Content-Length", str(size)))
            self._remaining = size


def _has_length(fields: list[tuple[str, str]]) -> bool:
    return _ROLE_LENGTH in [find_role(name) for name, _ in fields]


def _count_in_bytes(data: Bytes) -> Bytes:
    """Make of a view of larger items one whose length is its size."""
    if isinstance(data, memoryview) and (data.itemsize != 1 or data.ndim != 1):
        return data.cast("B") if data.c_contiguous else data.tobytes()
    return data


Responder = Callable[[Exchange], Awaitable[None]]
