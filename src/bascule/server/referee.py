"""One request through a fresh h11 connection: the head judged, the body decoded.

Messages of HTTP/1.1 are independent at their boundaries, so each gets a connection object of its
own, used by public names only. A reader of ordinary heads can stand beside this at the same
boundary: what it must produce is an `Incoming`.
"""

from dataclasses import dataclass
from typing import Protocol

import h11

from ..exchange import RawFields
from ..streams import StreamReader
from ..wire.grammar import BadRequest, Framing, check_head, frame_request
from ..wire.head import HeadLimits

__all__ = ["Decoder", "Incoming", "judge"]


class Decoder(Protocol):
    """Takes the transfer framing off a body."""

    @property
    def unread(self) -> int | None:
        """Bytes still to come, where the framing tells."""

    def feed(self, data: bytes, body: StreamReader | None) -> bytes | None:
        """Decode bytes into `body`, or throw them away.

        Returns:
            None while the message goes on; what came behind its end, once it ended.

        Raises:
            BadRequest: the framing is broken.
        """


@dataclass(slots=True)
class Incoming:
    """A request head that was accepted, and how to read what follows it."""

    method: str
    target: str
    raw_fields: RawFields
    framing: Framing
    decoder: Decoder | None


def judge(head: bytes, limits: HeadLimits) -> Incoming:
    """Parse a complete head with h11, under the rules of `wire.grammar`.

    Raises:
        BadRequest: with h11's status hint where h11 objects.
    """
    check_head(head)
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.max_head_size)
    try:
        connection.receive_data(head)
        request = connection.next_event()
    except h11.RemoteProtocolError as exc:
        raise BadRequest(exc.error_status_hint, _first_upper(exc)) from exc
    if not isinstance(request, h11.Request):
        raise BadRequest(400, "Bad request line")
    method, target = request.method, request.target
    framing = frame_request(method, target, request.http_version, request.headers)
    return Incoming(
        method=method.decode("ascii"),
        target=target.decode("ascii"),
        raw_fields=request.headers.raw_items(),
        framing=framing,
        decoder=_decoder(framing, connection),
    )


def _decoder(framing: Framing, connection: h11.Connection) -> Decoder | None:
    if framing.chunked:
        return _Chunked(connection)
    return _Counted(framing.content_length) if framing.content_length else None


def _first_upper(exc: Exception) -> str:
    text = str(exc)
    return text[:1].upper() + text[1:]


class _Counted:
    """A body of known length: counting is all there is to do, so h11 sees none of it."""

    __slots__ = ("unread",)

    def __init__(self, length: int) -> None:
        self.unread: int | None = length

    def feed(self, data: bytes, body: StreamReader | None) -> bytes | None:
        unread = self.unread or 0
        size = len(data)
        if size < unread:
            self.unread = unread - size
            if body is not None:
                body.feed_data(data)
            return None
        self.unread = 0
        if body is not None:
            body.feed_data(data if size == unread else data[:unread])
            body.feed_eof()
        return data[unread:]


class _Chunked:
    """A body in chunks, decoded by the h11 connection that read its head."""

    __slots__ = ("_connection",)

    unread = None

    def __init__(self, connection: h11.Connection) -> None:
        self._connection = connection

    def feed(self, data: bytes, body: StreamReader | None) -> bytes | None:
        connection = self._connection
        try:
            if data:
                connection.receive_data(data)
            while (event := connection.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Data):
                    if body is not None:
                        body.feed_data(bytes(event.data))
                        if event.chunk_end:
                            body.end_chunk()
                elif isinstance(event, h11.EndOfMessage):
                    if body is not None:
                        body.feed_eof()
                    return connection.trailing_data[0]
        except h11.RemoteProtocolError as exc:
            raise BadRequest(400, _first_upper(exc)) from exc
        return None
