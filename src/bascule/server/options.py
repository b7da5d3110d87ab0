"""What may be set for the connections of a server."""

from dataclasses import dataclass, field

from ..wire.head import HeadLimits

__all__ = ["ConnectionOptions"]


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Times in seconds, sizes in bytes; every wait and every buffer of a connection has a bound.

    Attributes:
        keepalive_timeout: an idle connection after an answer; 0 closes after each answer.
            aiohttp's default for runners is an hour, ``run_app`` passes 75.
        first_byte_timeout: a new connection until its first byte (as nginx and gunicorn bound it).
        head_timeout: a head, from its first byte to its empty line; 408 past it.
        body_timeout: between two reads of a body while a handler waits for it; 408 past it.
        send_timeout: bytes are queued and the peer takes none; the connection is dropped.
        lingering_time: an unread body after its answer is read and thrown away for so long,
        lingering_size: and up to so many bytes, before the connection is closed.
        read_bufsize: low-water mark of a request body; reading pauses at twice that.
        ws_window_bits: of compressed WebSocket messages, 9 to 15; clients are asked to keep to it.
        ws_memory_level: of their compressor, 1 to 9.
        tcp_keepalive: switch on SO_KEEPALIVE for accepted sockets.
        server_header: value of the Server field; none is sent when empty.
        http: ``"auto"`` reads heads of ordinary requests by a lane beside h11, ``"h11"`` reads all
            by h11; what is accepted, refused and answered is the same.
        limits: of request heads.

    Raises:
        ValueError: zlib knows no such window or memory level; `http` is neither.
    """

    keepalive_timeout: float = 3630.0
    first_byte_timeout: float = 30.0
    head_timeout: float = 15.0
    body_timeout: float = 60.0
    send_timeout: float = 60.0
    lingering_time: float = 10.0
    lingering_size: int = 256 * 1024
    read_bufsize: int = 2**18
    ws_window_bits: int = 12
    ws_memory_level: int = 5
    tcp_keepalive: bool = True
    server_header: str = ""
    http: str = "auto"
    limits: HeadLimits = field(default_factory=HeadLimits)

    def __post_init__(self) -> None:
        """Find out now what would fail with the first compressed message."""
        if self.ws_window_bits not in range(9, 16):
            raise ValueError(f"ws_window_bits should be 9 to 15, got {self.ws_window_bits!r}")
        if self.ws_memory_level not in range(1, 10):
            raise ValueError(f"ws_memory_level should be 1 to 9, got {self.ws_memory_level!r}")
        if self.http not in ("auto", "h11"):
            raise ValueError(f"http should be 'auto' or 'h11', got {self.http!r:.50}")
