"""An exchange in memory: the request is given, the answer is recorded."""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from multidict import CIMultiDict

from ..channel import ChannelOptions
from ..exchange import (
    AnswerHead,
    Bytes,
    ClientConnectionResetError,
    Event,
    Exchange,
    Fields,
    Head,
    NotSupported,
    Responder,
)
from ..streams import EMPTY_PAYLOAD, StreamReader
from ..wire.framing import BodyFraming
from ..wire.grammar import HttpVersion, HttpVersion11
from ..wire.head import check_fields
from .channel import MemoryChannel

__all__ = ["MemoryExchange"]


class MemoryExchange(Exchange):
    """One request given in memory, and the record of its answer.

    Args:
        method: of the request.
        target: of the request, as it would be sent.
        fields: of the request; a Host is put in where there is none.
        body: whole, or as pieces that the reader gets one by one, or as a reader that others feed;
            None for no body. A Content-Length is put in for a whole one, a Transfer-Encoding for
            the others, unless there is a Content-Length.
        version: HTTP version.
        scheme: of the connection.
        root_path: the prefix of a mount.
        extra: facts of the connection, by name.
        websocket: it asks for a WebSocket, whatever its fields say.

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
        "_websocket",
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
        body: bytes | Iterable[bytes] | StreamReader | None = None,
        version: HttpVersion = HttpVersion11,
        scheme: str = "http",
        root_path: str = "",
        extra: Mapping[str, Any] | None = None,
        websocket: bool = False,
    ) -> None:
        given: CIMultiDict[str] = CIMultiDict(fields)
        given.setdefault("Host", "localhost")
        if isinstance(body, bytes):
            given.setdefault("Content-Length", str(len(body)))
        elif body is not None and "Content-Length" not in given:
            given.setdefault("Transfer-Encoding", "chunked")
        raw = tuple((n.encode(), v.encode("utf-8", "surrogateescape")) for n, v in given.items())
        head = Head(method, target, raw, version=version, scheme=scheme, root_path=root_path)
        super().__init__(head, _make_body(body))
        self._extra = {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 80), **(extra or {})}
        self._websocket = websocket
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

    @property
    def asks_for_websocket(self) -> bool:
        """Whether the request is for a WebSocket."""
        return self._websocket or super().asks_for_websocket

    def check_handshake(self) -> None:
        """Find out whether the request asks for a WebSocket."""
        if not self._websocket:
            super().check_handshake()

    async def accept(
        self,
        fields: Fields = (),
        *,
        subprotocol: str | None = None,
        options: ChannelOptions = ChannelOptions(),  # noqa: B008  # it never changes
    ) -> MemoryChannel:
        """Become a WebSocket; the peer's side is in `channel`.

        Raises:
            NotSupported: the request has a body, which nobody could tell from frames.
        """
        if self.body is not EMPTY_PAYLOAD:
            raise NotSupported("A request with a body cannot become a WebSocket")
        self._check(Event.ACCEPT)
        if self.gone:
            raise ClientConnectionResetError("Connection lost")
        pairs = list(fields)
        check_fields(pairs)
        self._move(Event.ACCEPT)
        self.status = 101
        self.answer = AnswerHead(101, "", pairs, BodyFraming.NONE, True)
        ours, self.channel = MemoryChannel.pair(options, subprotocol=subprotocol)
        self.gone.then(partial(ours.lost, ClientConnectionResetError("Connection lost")))
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
        if self.channel is not None:
            self.channel.lost(ClientConnectionResetError("Connection lost"))


def _make_body(body: bytes | Iterable[bytes] | StreamReader | None) -> StreamReader:
    if body is None or body == b"":
        return EMPTY_PAYLOAD
    if isinstance(body, StreamReader):
        return body
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
