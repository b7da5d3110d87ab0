"""One request through a fresh h11 connection: its head judged, and how to read its body.

Messages of HTTP/1.1 are independent at their boundaries, so each gets a connection object of its
own, used by public names only. A reader of ordinary heads can stand beside this at the same
boundary: what it must produce is an `Incoming`.
"""

from dataclasses import dataclass
from typing import Protocol

from ..exchange import RawFields
from ..streams import StreamReader
from ..wire.chunks import ChunkDecoder
from ..wire.grammar import BadRequest, Framing, check_head, frame_request
from ..wire.head import HeadLimits

__all__ = ["Chunked", "Counted", "Decoder", "Incoming", "judge"]


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
    import h11  # loaded by the first message that needs it

    check_head(head)
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.max_head_size)
    try:
        connection.receive_data(head)
        request = connection.next_event()
    except h11.RemoteProtocolError as exc:
        raise BadRequest(exc.error_status_hint, _tell(exc)) from exc
    if not isinstance(request, h11.Request):
        raise BadRequest(400, "Bad request line")
    method, target, fields = request.method, request.target, request.headers.raw_items()
    framing = frame_request(method, target, request.http_version, fields)
    return Incoming(
        method.decode("ascii"),
        target.decode("ascii"),
        fields,
        framing,
        _decoder(framing, limits, head),
    )


def _decoder(framing: Framing, limits: HeadLimits, head: bytes) -> Decoder | None:
    if framing.chunked:
        fields = head.count(b"\r\n") - 2  # without the request line and the empty one
        return Chunked(limits, head_fields=fields, head_size=len(head))
    return Counted(framing.content_length) if framing.content_length else None


def _tell(exc: Exception) -> str:
    """Give h11's words, without the peer's bytes that it appends."""
    text = str(exc).partition(": bytearray(")[0]
    return text[:1].upper() + text[1:]


class Counted:
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


class Chunked:
    """A body in chunks; see `ChunkDecoder` for the arguments."""

    __slots__ = ("_decoder",)

    unread = None

    def __init__(self, limits: HeadLimits, *, head_fields: int, head_size: int) -> None:
        self._decoder = ChunkDecoder(limits, head_fields=head_fields, head_size=head_size)

    def feed(self, data: bytes, body: StreamReader | None) -> bytes | None:
        pieces, ends, rest = self._decoder.feed(data)
        if body is not None:
            body.feed_chunks(pieces, ends)
            if self._decoder.ended:
                body.feed_eof()
        return rest if self._decoder.ended else None
