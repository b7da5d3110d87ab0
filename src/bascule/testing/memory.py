"""An exchange in memory: the request is given, the answer is recorded."""

import asyncio
from collections.abc import Iterable, Mapping
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
    Responder,
    _Event,
)
from ..streams import EMPTY_PAYLOAD, StreamReader
from ..wire.framing import BodyFraming
from ..wire.grammar import HttpVersion, HttpVersion11

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
        """Become a WebSocket; the peer's side is in `channel`."""
        self._move(_Event.ACCEPT)
        self.status = 101
        self.answer = AnswerHead(101, "", list(fields), BodyFraming.NONE, True)
        ours, self.channel = MemoryChannel.pair(subprotocol)
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
    reader = StreamReader()
    for piece in (body,) if isinstance(body, bytes) else body:
        reader.feed_data(piece)
        reader.end_chunk()
    reader.feed_eof()
    return reader


class MemoryChannel(Channel):
    """One side of a WebSocket in memory; made in pairs."""

    def __init__(self, subprotocol: str | None = None) -> None:
        self.subprotocol = subprotocol
        self._peer: MemoryChannel | None = None
        self._queue: asyncio.Queue[str | bytes | None] = asyncio.Queue(_QUEUE)

    @classmethod
    def pair(cls, subprotocol: str | None = None) -> "tuple[MemoryChannel, MemoryChannel]":
        """Make both sides of a channel."""
        one, other = cls(subprotocol), cls(subprotocol)
        one._peer, other._peer = other, one
        return one, other

    async def send(self, message: str | bytes) -> None:
        """Send one message to the other side; waits while its queue is full."""
        if self.close_code is not None or self._peer is None:
            raise ClientConnectionResetError("Cannot write to closing transport")
        await self._peer._queue.put(message)

    async def receive(self) -> str | bytes | None:
        """Wait for a message of the other side; None once it has closed."""
        if self.close_code is not None and self._queue.empty():
            return None
        message = await self._queue.get()
        if message is None and self._peer is not None and self.close_code is None:
            self.close_code = self._peer.close_code
        return message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close both sides; what was sent before is still received."""
        if self.close_code is None and self._peer is not None:
            self.close_code = code
            await self._peer._queue.put(None)
