"""The client's end of a WebSocket over HTTP/2 (RFC 8441)."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import h2.events as h2
from h2.config import H2Configuration
from h2.connection import H2Connection
from httpx import URL
from multidict import CIMultiDict
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from support.sockets import LOST, Closed, Refused, Socket
from support.wire import PATIENCE

Fields = Mapping[str, str] | Iterable[tuple[str, str]]

_READ_SIZE = 65536
_MESSAGES = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class Http2Socket(Socket):
    """One extended CONNECT over a connection of its own.

    What comes is acknowledged when somebody waits for it, so that a client that does not read
    stops its server.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self._frames = Protocol(Side.CLIENT, max_size=None)
        self._stream = 0
        self._has_settings = False
        self._news = asyncio.Condition()
        self._readers = 0
        self._unacknowledged = 0
        self._status = 0
        self._head: CIMultiDict[str] | None = None
        self._body = bytearray()
        self._is_over = False
        self._messages: list[str | bytes] = []
        self._fragments: list[Frame] = []
        self._pongs = 0
        self._task = asyncio.create_task(self._read())
        self.subprotocol: str | None = None
        self.fields: CIMultiDict[str] = CIMultiDict()

    # -- the handshake

    async def connect(self, url: URL, target: str, pairs: list[tuple[str, str]]) -> None:
        """Ask for the WebSocket.

        Raises:
            NotImplementedError: the server has none.
            Refused: it was answered otherwise.
            ConnectionResetError: it was not answered.
        """
        self._http2.initiate_connection()
        self._flush()
        await self._until(lambda: self._has_settings)
        if not self._http2.remote_settings.enable_connect_protocol:
            raise NotImplementedError("the server has no WebSockets (RFC 8441)")
        self._stream = self._http2.get_next_available_stream_id()
        self._http2.send_headers(self._stream, [*_pseudo_fields(url, target), *_lowered(pairs)])
        self._flush()
        await self._until(lambda: self._head is not None)
        if self._head is None:
            raise ConnectionResetError("cut")
        if self._status != 200:
            await self._until(lambda: self._is_over)
            raise Refused(self._status, self._head.items(), bytes(self._body))
        self.fields = self._head
        self.subprotocol = self._head.get("Sec-WebSocket-Protocol")

    # -- what comes

    async def _read(self) -> None:
        while data := await self._read_some():
            for event in self._http2.receive_data(data):
                self._take(event)
            self._flush()
            await self._tell()
        self._is_over = True
        await self._tell()

    async def _read_some(self) -> bytes:
        try:
            return await self._reader.read(_READ_SIZE)
        except ConnectionError:
            return b""

    def _take(self, event: h2.Event) -> None:
        if isinstance(event, h2.RemoteSettingsChanged):
            self._has_settings = True
        elif isinstance(event, h2.ResponseReceived):
            self._head = CIMultiDict((str(name), str(value)) for name, value in event.headers)
            self._status = int(self._head.pop(":status"))
        elif isinstance(event, h2.DataReceived):
            self._unacknowledged += event.flow_controlled_length
            self._acknowledge()
            self._take_data(event.data)
        elif isinstance(event, h2.StreamEnded | h2.StreamReset | h2.ConnectionTerminated):
            self._is_over = True

    def _acknowledge(self) -> None:
        if self._readers and self._unacknowledged:
            self._http2.acknowledge_received_data(self._unacknowledged, self._stream)
            self._unacknowledged = 0

    def _take_data(self, data: bytes) -> None:
        if self._status != 200:
            self._body += data
            return
        self._frames.receive_data(data)
        for frame in self._frames.events_received():
            assert isinstance(frame, Frame)
            self._take_frame(frame)
        if replies := b"".join(self._frames.data_to_send()):  # to pings, and to a close
            self._http2.send_data(self._stream, replies)

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            self._pongs += 1
        elif frame.opcode in _MESSAGES:
            self._fragments.append(frame)
            if frame.fin:
                data = b"".join(bytes(each.data) for each in self._fragments)
                is_text = self._fragments[0].opcode is Opcode.TEXT
                self._messages.append(data.decode() if is_text else data)
                self._fragments.clear()

    async def _until(self, is_so: Any) -> None:
        """Wait until something is so, or all is over."""
        self._readers += 1
        try:
            self._acknowledge()
            self._flush()
            async with asyncio.timeout(PATIENCE), self._news:
                await self._news.wait_for(lambda: self._is_over or is_so())
        finally:
            self._readers -= 1

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _receive(self) -> str | bytes | Closed:
        await self._until(lambda: self._messages or self._frames.close_rcvd)
        if self._messages:
            return self._messages.pop(0)
        close = self._frames.close_rcvd
        return Closed(LOST) if close is None else Closed(close.code, close.reason)

    # -- what goes

    def _flush(self) -> None:
        if not self._writer.is_closing():
            self._writer.write(self._http2.data_to_send())

    async def _send_frames(self) -> None:
        data = memoryview(b"".join(self._frames.data_to_send()))
        while data and not self._is_over:
            room = min(
                self._http2.local_flow_control_window(self._stream),
                self._http2.max_outbound_frame_size,
            )
            if room <= 0:
                await self._until(lambda: self._http2.local_flow_control_window(self._stream) > 0)
                continue
            self._http2.send_data(self._stream, bytes(data[:room]))
            data = data[room:]
            self._flush()
        await self._writer.drain()

    async def send(self, data: str | bytes) -> None:
        if isinstance(data, str):
            self._frames.send_text(data.encode())
        else:
            self._frames.send_binary(data)
        await self._send_frames()

    async def ping(self) -> None:
        before = self._pongs
        self._frames.send_ping(b"ping")
        await self._send_frames()
        await self._until(lambda: self._pongs > before)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self._frames.close_rcvd is None and not self._is_over:
            self._frames.send_close(code, reason)
            await self._send_frames()
            await self._until(lambda: self._frames.close_rcvd)

    async def abort(self) -> None:
        self._writer.transport.abort()

    async def leave(self) -> None:
        await self.abort()
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([self._task])
        self._task.result()


def _pseudo_fields(url: URL, target: str) -> list[tuple[str, str]]:
    return [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", url.scheme),
        (":path", target),
        (":authority", url.netloc.decode("ascii")),
        ("sec-websocket-version", "13"),
    ]


def _lowered(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in pairs]


async def connect_by_http2(
    url: URL, target: str, *, subprotocols: Iterable[str] = (), fields: Fields = ()
) -> Http2Socket:
    assert url.port is not None
    pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
    if offered := ", ".join(subprotocols):
        pairs.append(("sec-websocket-protocol", offered))
    sock = Http2Socket(*await asyncio.open_connection(url.host, url.port))
    try:
        await sock.connect(url, target, pairs)
    except BaseException:
        await sock.leave()
        raise
    return sock
