"""A client's end of a WebSocket that sends one message again and again, and looks at each echo."""

import socket
import struct
import zlib

from .answers import Wrong
from .workloads import Socket

__all__ = ["Echo"]

_HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
_OFFER = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
_ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
_TEXT, _FINAL, _COMPRESSED = 0x1, 0x80, 0x40
_TAIL = b"\x00\x00\xff\xff"


class Echo:
    """One socket; the message is on its way once at a time."""

    def __init__(self, sock: socket.socket, asks: Socket) -> None:
        self.sock = sock
        self._asks = asks
        self._frame = _make_frame(asks)
        self._expected = _make_head(len(asks.data), 0) + asks.data
        self._held = b""
        self._inflate = zlib.decompressobj(wbits=-15)
        self._resets = False
        self._shake_hands()

    def _shake_hands(self) -> None:
        self.sock.sendall(_HANDSHAKE + (_OFFER if self._asks.deflate else b"") + b"\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = self.sock.recv(1)
            if not piece:
                raise Wrong(f"the connection was cut after {head!r}")
            head += piece
        if not head.startswith(b"HTTP/1.1 101 ") or _ACCEPT not in head:
            raise Wrong(f"no handshake: {head!r}")
        if (b"permessage-deflate" in head) is not self._asks.deflate:
            raise Wrong("the server declines to compress, or compresses unasked")
        self._resets = b"server_no_context_takeover" in head

    def warm_up(self, times: int) -> None:
        for _ in range(times):
            self.ask()
            while not self.take():
                pass

    def ask(self) -> None:
        self.sock.sendall(self._frame)

    def take(self) -> bool:
        data = self.sock.recv(2**18)
        if not data:
            raise Wrong("the connection was cut")
        self._held += data
        if not self._asks.deflate and len(self._held) < len(self._expected):
            return False
        if self._asks.deflate and not self._is_complete():
            return False
        if not self._asks.deflate and self._held != self._expected:
            raise Wrong(f"{self._held[:100]!r} instead of {self._expected[:100]!r}")
        self._held = b""
        return True

    def _is_complete(self) -> bool:
        """Read the frame that is held, if it is there, and see that it is the message."""
        held = self._held
        if len(held) < 4:
            return False
        size, start = held[1], 2
        if size == 126:
            size, start = int.from_bytes(held[2:4], "big"), 4
        if len(held) < start + size:
            return False
        if held[0] == _FINAL | _COMPRESSED | _TEXT:
            if self._resets:
                self._inflate = zlib.decompressobj(wbits=-15)
            data = self._inflate.decompress(held[start:] + _TAIL)
        else:
            data = held[start:]
        if data != self._asks.data or len(held) != start + size:
            raise Wrong(f"another echo: {held[:100]!r}")
        return True


def _make_frame(asks: Socket) -> bytes:
    """Write the message as a client does: masked, compressed if asked for."""
    data, first = asks.data, _FINAL | _TEXT
    if asks.deflate:
        stream = zlib.compressobj(wbits=-15)
        data = (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]
        first |= _COMPRESSED
    key = b"\x37\xfa\x21\x3d"
    masked = bytes(each ^ key[at % 4] for at, each in enumerate(data))
    return bytes([first]) + _make_head(len(data), 0x80)[1:] + key + masked


def _make_head(size: int, mask: int) -> bytes:
    first = _FINAL | _TEXT
    if size < 126:
        return struct.pack("!BB", first, mask | size)
    if size < 65536:
        return struct.pack("!BBH", first, mask | 126, size)
    return struct.pack("!BBQ", first, mask | 127, size)
