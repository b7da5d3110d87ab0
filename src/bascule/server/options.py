"""What may be set for the connections of a server."""

from dataclasses import dataclass, field
from typing import Literal

from ..wire.bounds import check_count, check_seconds
from ..wire.head import HeadLimits, check_fields

__all__ = ["ConnectionLimit", "ConnectionOptions", "DeflateSettings"]

ConnectionLimit = int | Literal["auto"] | None

_TIMES = ("first_byte_timeout", "head_timeout", "body_timeout", "send_timeout")
# 0 means: at once.
_TIMES_FROM_ZERO = ("keepalive_timeout", "lingering_time", "farewell_time", "body_rate_grace")


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Times in seconds, sizes in bytes; every wait and every buffer of a connection has a bound.

    No clock runs while a handler computes or a WebSocket is open. A time of infinity switches its
    clock off.

    Attributes:
        keepalive_timeout: an idle connection after an answer; 0 closes after each answer.
            aiohttp's default for runners is an hour, ``run_app`` passes 75.
        first_byte_timeout: a new connection until its first byte (as nginx and gunicorn bound it);
            the same again for a TLS handshake.
        head_timeout: a head, from its first byte to its empty line; 408 past it.
        body_timeout: between two reads of a body while a handler waits for it; 408 past it.
        min_body_rate: bytes a second of a body while a handler waits for it; 408 below it. None,
            the default, lets a body drip.
        body_rate_grace: seconds of waiting in which that rate need not be reached, as Kestrel has
            it.
        send_timeout: bytes are queued and the peer takes none; the connection is dropped.
        lingering_time: an unread body after its answer is read and thrown away for so long,
        lingering_size: and up to so many bytes, before the connection is closed.
        farewell_time: what a peer gets to read the last answer, before the reset that its unread
            bytes would provoke (RFC 9112 section 9.6), and for the end of TLS.
        read_bufsize: low-water mark of a request body; reading pauses at twice that.
        max_read_ahead: of further requests that come while one is answered; reading pauses beyond.
        keepalive_requests: that a connection serves before it is closed; None for no limit.
        limit_connections: connections of all servers of this process beyond which accepting
            pauses: new ones wait in the backlog. Near it those are closed that have been idle
            for longest. ``auto`` takes what descriptors the process may open, less 64; None, the
            default of runners, is for no limit. ``run_app`` and the command line pass ``auto``.
        log_rate: lines a second about what peers did wrong; what is more is counted in one line.
        ws_window_bits: of compressed WebSocket messages, 9 to 15; clients are asked to keep to it.
        ws_memory_level: of their compressor, 1 to 9.
        ws_max_fragments: of a WebSocket message that are taken however small they are; beyond it
            they hold 64 bytes each on average, or the message is refused.
        tcp_keepalive: switch on SO_KEEPALIVE for accepted sockets.
        server_header: value of the Server field; none is sent when empty.
        http: ``"auto"`` reads heads of ordinary requests by a lane beside h11, ``"h11"`` reads all
            by h11; what is accepted, refused and answered is the same.
        limits: of request heads and chunked bodies.

    Raises:
        TypeError: a bound is no number.
        ValueError: it makes no sense: negative, NaN, 0 where nothing could be served; or zlib
            knows no such window or memory level; `http` is neither.
    """

    keepalive_timeout: float = 3630.0
    first_byte_timeout: float = 30.0
    head_timeout: float = 15.0
    body_timeout: float = 60.0
    min_body_rate: int | None = None
    body_rate_grace: float = 5.0
    send_timeout: float = 60.0
    lingering_time: float = 10.0
    lingering_size: int = 256 * 1024
    farewell_time: float = 2.0
    read_bufsize: int = 2**18
    max_read_ahead: int = 64 * 1024
    keepalive_requests: int | None = None
    limit_connections: ConnectionLimit = None
    log_rate: int = 10
    ws_window_bits: int = 12
    ws_memory_level: int = 5
    ws_max_fragments: int = 1000
    tcp_keepalive: bool = True
    server_header: str = ""
    http: str = "auto"
    limits: HeadLimits = field(default_factory=HeadLimits)

    def __post_init__(self) -> None:
        """Find out now what would fail with some later request."""
        for name in _TIMES:
            check_seconds(name, getattr(self, name))
        for name in _TIMES_FROM_ZERO:
            check_seconds(name, getattr(self, name), zero=True)
        for name in ("lingering_size", "max_read_ahead", "log_rate"):
            check_count(name, getattr(self, name), least=0)
        for name in ("read_bufsize", "ws_max_fragments"):
            check_count(name, getattr(self, name))
        for name in ("min_body_rate", "keepalive_requests"):
            check_count(name, getattr(self, name), optional=True)
        if self.limit_connections != "auto":
            check_count("limit_connections", self.limit_connections, optional=True, others="'auto'")
        if self.ws_window_bits not in range(9, 16):
            raise ValueError(f"ws_window_bits should be 9 to 15, got {self.ws_window_bits!r}")
        if self.ws_memory_level not in range(1, 10):
            raise ValueError(f"ws_memory_level should be 1 to 9, got {self.ws_memory_level!r}")
        if self.http not in ("auto", "h11"):
            raise ValueError(f"http should be 'auto' or 'h11', got {self.http!r:.50}")
        check_fields([("Server", self.server_header)])


@dataclass(frozen=True, slots=True)
class DeflateSettings:
    """Memory that the compression of WebSocket messages may take, on both sides.

    The defaults are those that websockets has measured to save nine tenths of zlib's memory for a
    few percent of size: a compressor of 32 KiB, and 4 KiB of window to inflate with.

    Attributes:
        window_bits: of what is sent, 9 to 15; the client is asked to keep to the same.
        memory_level: of zlib's compressor, 1 to 9.
        level: of its effort, 0 to 9, or -1 for zlib's own choice, 6. Above 3 it looks for better
            matches than the first, which takes up to three times as long for a few percent of size.
    """

    window_bits: int = 12
    memory_level: int = 5
    level: int = 3
