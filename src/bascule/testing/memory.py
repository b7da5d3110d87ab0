"""An exchange in memory: the request is given, the answer is recorded."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from multidict import CIMultiDict

from ..exchange import (
    AnswerHead,
    Bytes,
    Channel,
    ClientConnectionResetError,
    Exchange,
    Fields,
    Head,
    NotSupported,
    Responder,
    _Event,
)
from ..streams import EMPTY_PAYLOAD, StreamReader
from ..wire.framing import BodyFraming
from ..wire.grammar import HttpVersion, HttpVersion11
from ..wire.head import check_fields

__all__ = ["MemoryChannel", "MemoryExchange"]

# Messages that a channel holds for a side that does not receive; the sender waits beyond it.
_QUEUE = 32


class MemoryExchange(Exchange):
    """One request given in memory, and the record of its answer.

    Args:
        method: of the request.
        target: of the request, as it would be sent.
        fields: of the request; a Host is put in where there is none.
        body: whole, or as pieces that the reader gets one by one; None for no body. A
            Content-Length is put in for a whole one, a Transfer-Encoding for pieces.
        version: HTTP version.
        scheme: of the connection.
        root_path: the prefix of a mount.
        extra: facts of the connection, by name.

    Attributes:
        informed: status and fields of each interim answer.
        answer: head of the answer; None until it has left.
        sent: bytes of its body.
        trailers: fields behind its body.
        complete: whether the answer has ended as its framing promised.
        cut_by: why the connection was dropped, if it was.
        channel: the peer's side, once the exchange has become a WebSocket.
    """

    __slots__ = (
        "_extra",
        "answer",
        "channel",
        "complete",
        "cut_by",
        "informed",
        "sent",
        "trailers",
    )

    def __init__(
        self,
        method: str = "GET",
        target: str = "/",
        *,
        fields: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes | Iterable[bytes] | None = None,
        version: HttpVersion = HttpVersion11,
        scheme: str = "http",
        root_path: str = "",
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        given: CIMultiDict[str] = CIMultiDict(fields)
        given.setdefault("Host", "localhost")
        if isinstance(body, bytes):
            given.setdefault("Content-Length", str(len(body)))
        elif body is not None:
            given.setdefault("Transfer-Encoding", "chunked")
        raw = tuple((n.encode(), v.encode("utf-8", "surrogateescape")) for n, v in given.items())
        head = Head(method, target, raw, version=version, scheme=scheme, root_path=root_path)
        super().__init__(head, _make_body(body))
        self._extra = {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 80), **(extra or {})}
        self.informed: list[tuple[int, list[tuple[str, str]]]] = []
        self.answer: AnswerHead | None = None
        self.sent = b""
        self.trailers: list[tuple[str, str]] = []
        self.complete = False
        self.cut_by: BaseException | None = None
        self.channel: MemoryChannel | None = None

    async def answered_by(self, responder: Responder) -> "MemoryExchange":
        """Let a responder answer; give this exchange."""
        await responder(self)
        await asyncio.sleep(0)  # a head that is still held leaves at the end of the step
        return self

    def extra(self, name: str, default: Any = None) -> Any:
        """Give what was given for this name."""
        return self._extra.get(name, default)

    async def accept(
        self, fields: Fields = (), *, subprotocol: str | None = None
    ) -> "MemoryChannel":
        """Become a WebSocket; the peer's side is in `channel`.

        Raises:
            NotSupported: the request has a body, which nobody could tell from frames.
        """
        if self.body is not EMPTY_PAYLOAD:
            raise NotSupported("A request with a body cannot become a WebSocket")
        pairs = list(fields)
        check_fields(pairs)
        self._move(_Event.ACCEPT)
        self.status = 101
        self.answer = AnswerHead(101, "", pairs, BodyFraming.NONE, True)
        ours, self.channel = MemoryChannel.pair(subprotocol)
        self.gone.then(partial(ours.lose, 1006))
        return ours

    async def _emit(
        self, head: AnswerHead | None, data: Bytes, end: bool, trailers: Fields
    ) -> None:
        if head is not None:
            self.answer = head
        self.sent += bytes(data)
        self.bytes_sent += len(data)
        if end:
            self.trailers = list(trailers)
            self.complete = True

    def _push(self, head: AnswerHead) -> None:
        self.answer = head

    async def _emit_inform(self, status: int, fields: list[tuple[str, str]]) -> None:
        self.informed.append((status, fields))

    def _cut(self, cause: BaseException) -> None:
        self.cut_by = cause
        self.complete = False


def _make_body(body: bytes | Iterable[bytes] | None) -> StreamReader:
    if body is None or body == b"":
        return EMPTY_PAYLOAD
    if isinstance(body, bytes):
        reader = StreamReader()
        reader.feed_data(body)
        reader.feed_eof()
        return reader
    return _Pieces(body).reader


class _Pieces:
    """A source that gives a body piece by piece, each a chunk, as its reader asks for more."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self.reader = StreamReader(source=self)

    def starved(self) -> None:
        """Feed the next piece, or the end."""
        piece = next(filter(None, self._pieces), None)
        if piece is None:
            self.reader.feed_eof()
            return
        self.reader.feed_data(piece)
        self.reader.end_chunk()

    def drained(self) -> None:
        """Do nothing: pieces come when they are wanted."""


class MemoryChannel(Channel):
    """One side of a WebSocket in memory; made in pairs."""

    def __init__(self, subprotocol: str | None = None) -> None:
        self.subprotocol = subprotocol
        self._peer: MemoryChannel | None = None
        self._inbox: deque[str | bytes] = deque()
        # Set when a message, room for one, or an end has come.
        self._changed = asyncio.Event()

    @classmethod
    def pair(cls, subprotocol: str | None = None) -> "tuple[MemoryChannel, MemoryChannel]":
        """Make both sides of a channel."""
        one, other = cls(subprotocol), cls(subprotocol)
        one._peer, other._peer = other, one
        return one, other

    async def send(self, message: str | bytes) -> None:
        """Send one message to the other side; waits while its queue is full."""
        while True:
            peer = self._peer
            if peer is None or self.close_code is not None or peer.close_code is not None:
                raise ClientConnectionResetError("Cannot write to closing transport")
            if len(peer._inbox) < _QUEUE:
                peer._inbox.append(message)
                peer._changed.set()
                return
            await self._wait()

    async def receive(self) -> str | bytes | None:
        """Wait for a message of the other side; None once either side has closed and what was
        sent before that was received."""
        while not self._inbox:
            peer = self._peer
            if self.close_code is None and peer is not None and peer.close_code is not None:
                self.close_code = peer.close_code
            if self.close_code is not None or peer is None:
                return None
            await self._wait()
        message = self._inbox.popleft()
        if self._peer is not None:
            self._peer._changed.set()
        return message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close both sides; what was sent before is still received."""
        self.lose(code)

    def lose(self, code: int) -> None:
        """End this side, as `close` does or since the peer has left; waits of both sides end."""
        if self.close_code is None:
            self.close_code = code
            self._changed.set()
            if self._peer is not None:
                self._peer._changed.set()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
