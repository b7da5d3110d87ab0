"""WebSockets by raw frames: built as clients send them, and read as servers do."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from bascule import web
from support.wire import PATIENCE, Served, Wire, serve

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"
# First bytes of what a server sends: final frames.
SENT_TEXT, SENT_BINARY, SENT_CLOSE, SENT_PING, SENT_PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
# Close frames of a server, as they are read.
NORMAL = (SENT_CLOSE, b"\x03\xe8")
GOING_AWAY = (SENT_CLOSE, b"\x03\xe9")
PROTOCOL_ERROR = (SENT_CLOSE, b"\x03\xea")
INVALID_TEXT = (SENT_CLOSE, b"\x03\xef")
TOO_BIG = (SENT_CLOSE, b"\x03\xf1")
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: ws.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)

# The first byte of a frame, and its payload.
Sent = tuple[int, bytes]


def frame(
    opcode: int,
    data: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes = MASK,
    form: int | None = None,
    size: int | None = None,
) -> bytes:
    """Build a frame, right or wrong.

    Args:
        opcode: of the frame.
        data: its payload, before it is masked.
        fin: whether it is the last of its message.
        rsv: the three reserved bits; 4 is that of compression.
        mask: the masking key; empty for a frame that is not masked.
        form: how the length is written: in 7, 16 or 64 bits; None for the shortest.
        size: the length that is told; None for that of the data.
    """
    size = len(data) if size is None else size
    if form is None:
        form = 7 if size < 126 else 16 if size < 65536 else 64
    first, second = fin << 7 | rsv << 4 | opcode, 0x80 if mask else 0
    head = {
        7: lambda: bytes((first, second | size)),
        16: lambda: struct.pack("!BBH", first, second | 126, size),
        64: lambda: struct.pack("!BBQ", first, second | 127, size),
    }[form]()
    return head + mask + (apply_mask(data, mask) if mask else data)


def apply_mask(data: bytes, mask: bytes) -> bytes:
    """Mask data, or unmask them (RFC 6455 section 5.3)."""
    key = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(len(data), "big")


def close_frame(code: int | None = None, reason: bytes = b"") -> bytes:
    """Build a close frame; without a code it is empty."""
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason)


def fragments(opcode: int, pieces: list[bytes], rsv: int = 0) -> bytes:
    """Build a message of several frames."""
    last = len(pieces) - 1
    return b"".join(
        frame(CONT if number else opcode, piece, fin=number == last, rsv=0 if number else rsv)
        for number, piece in enumerate(pieces)
    )


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut data at some places; those past the end wrap around."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:stop] for start, stop in pairwise(edges)]


def handshake(*fields: str) -> bytes:
    """Build an opening handshake with more fields."""
    return HANDSHAKE + b"".join(f"{line}\r\n".encode() for line in fields) + b"\r\n"


@dataclass
class Peer:
    """The client's end of a WebSocket.

    Attributes:
        wire: the connection.
        fields: of the 101, names lower-cased.
    """

    wire: Wire
    fields: dict[bytes, bytes]

    async def send(self, data: bytes) -> None:
        await self.wire.send(data)

    async def read(self) -> Sent:
        """Read a frame of the server's."""
        async with asyncio.timeout(PATIENCE):
            first, size = await self.wire.reader.readexactly(2)
            assert size < 128, "a server masks nothing (RFC 6455 section 5.1)"
            if size > 125:
                length = await self.wire.reader.readexactly(2 if size == 126 else 8)
                size = int.from_bytes(length, "big")
            return first, await self.wire.reader.readexactly(size)

    async def read_rest(self) -> list[Sent]:
        """Read all frames until the server ends the connection."""
        found = []
        while True:
            try:
                found.append(await self.read())
            except asyncio.IncompleteReadError:
                return found


@dataclass
class Story:
    """What the handler of a WebSocket saw.

    Attributes:
        messages: type, data and extra of each message.
        ended: set at the end of the handler.
    """

    messages: list[tuple[Any, ...]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _ws: web.WebSocketResponse | None = None

    @property
    def ws(self) -> web.WebSocketResponse:
        assert self._ws is not None
        return self._ws

    @property
    def channel(self) -> Any:
        return self.ws._channel

    async def wait(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.ended.wait()

    async def until(self, condition: Callable[[], object]) -> None:
        """Step on until something holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0)


Handler = Callable[[web.WebSocketResponse, Story], Any]


async def listen(ws: web.WebSocketResponse, story: Story) -> None:
    """Keep all messages."""
    async for message in ws:
        story.messages.append(tuple(message))


async def echo(ws: web.WebSocketResponse, story: Story) -> None:
    """Send back all text and bytes."""
    async for message in ws:
        story.messages.append(tuple(message))
        if message.type is web.WSMsgType.TEXT:
            await ws.send_str(message.data)
        elif message.type is web.WSMsgType.BINARY:
            await ws.send_bytes(message.data)


def app_of(handler: Handler, story: Story, **options: Any) -> web.Application:
    """Make an application of which all is WebSockets of a handler's."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        ws = story._ws = web.WebSocketResponse(**options)
        await ws.prepare(request)
        try:
            await handler(ws, story)
        finally:
            story.ended.set()
        return ws

    app = web.Application()
    app.router.add_get("/", handle)
    return app


@asynccontextmanager
async def connect(served: Served, *fields: str, behind: bytes = b"") -> AsyncIterator[Peer]:
    """Open a WebSocket; some bytes may follow the handshake at once."""
    async with served.connect() as wire:
        await wire.send(handshake(*fields) + behind)
        status, answer = await wire.read_head()
        assert status == b"HTTP/1.1 101 Switching Protocols"
        yield Peer(wire, answer)


@asynccontextmanager
async def opened(
    handler: Handler = listen, *fields: str, behind: bytes = b"", **options: Any
) -> AsyncIterator[tuple[Peer, Story]]:
    """Serve a handler, and open a WebSocket to it."""
    story = Story()
    async with serve(app_of(handler, story, **options)) as served:
        async with connect(served, *fields, behind=behind) as peer:
            yield peer, story
