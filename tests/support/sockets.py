"""The client's end of a WebSocket, alike on every host."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import unquote

import websockets
from multidict import CIMultiDict
from websockets.asyncio.client import ClientConnection, connect
from yarl import URL

from bascule import WSMsgType
from bascule.testing import Client, ClientSocket, WSServerHandshakeError
from support.wire import PATIENCE

Fields = Mapping[str, str] | Iterable[tuple[str, str]]

LOST = 1006
NO_CODE = 1005


@dataclass(frozen=True)
class Closed:
    """How the server has ended a WebSocket: 1006 without a close, 1005 for one without a code."""

    code: int
    reason: str = ""


@dataclass
class Refusal:
    """What a client got in place of a WebSocket."""

    status: int
    fields: CIMultiDict[str]
    body: bytes


class Refused(Exception):
    """The handshake was answered otherwise."""

    def __init__(self, status: int, fields: Iterable[tuple[str, str]], body: bytes) -> None:
        super().__init__(status, body)
        self.answer = Refusal(status, CIMultiDict(fields), body)


class Socket(ABC):
    """A WebSocket as its client holds it; leaving it as a context drops what is open.

    Attributes:
        subprotocol: that was agreed on.
        fields: of the acceptance.
    """

    subprotocol: str | None
    fields: CIMultiDict[str]

    async def receive(self) -> str | bytes | Closed:
        """Wait for the next message, or the end."""
        async with asyncio.timeout(PATIENCE):
            return await self._receive()

    @abstractmethod
    async def _receive(self) -> str | bytes | Closed: ...

    @abstractmethod
    async def send(self, data: str | bytes) -> None: ...

    @abstractmethod
    async def ping(self) -> None:
        """Send a ping, and wait for its pong where pings are to be seen."""

    @abstractmethod
    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close, and wait for the server's."""

    @abstractmethod
    async def abort(self) -> None:
        """Drop the connection; what is left of the server's side may still run."""

    @abstractmethod
    async def leave(self) -> None:
        """Drop the connection if it is open, and wait for what was begun here."""

    async def __aenter__(self) -> "Socket":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.leave()


# -- in memory


class MemorySocket(Socket):
    """That of the client in memory which users have for their tests."""

    def __init__(self, socket: ClientSocket) -> None:
        self._socket = socket
        self.subprotocol = socket.protocol
        self.fields = CIMultiDict(socket.headers)

    async def _receive(self) -> str | bytes | Closed:
        message = await self._socket.receive()
        if message.type is WSMsgType.CLOSE:
            return Closed(message.data or NO_CODE, message.extra or "")
        if message.type is WSMsgType.CLOSED:
            return Closed(self._socket.close_code or LOST)
        data: str | bytes = message.data
        return data

    async def send(self, data: str | bytes) -> None:
        if isinstance(data, str):
            await self._socket.send_str(data)
        else:
            await self._socket.send_bytes(data)

    async def ping(self) -> None:
        await self._socket.ping(b"ping")

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._socket.close(code=code, message=reason.encode())

    async def abort(self) -> None:
        self._socket.leave()

    async def leave(self) -> None:
        await self.abort()


async def connect_in_memory(
    client: Client, target: str, *, subprotocols: Iterable[str] = (), fields: Fields = ()
) -> MemorySocket:
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    url = URL(f"http://127.0.0.1{target}", encoded=True)
    connecting = client.ws_connect(url, protocols=subprotocols, headers=list(pairs))
    try:
        return MemorySocket(await connecting)
    except WSServerHandshakeError as exc:
        assert exc.headers is not None  # noqa: PT017
        raise Refused(exc.status, exc.headers.items(), exc.body) from exc


def _offer(fields: Fields, subprotocols: Iterable[str]) -> list[tuple[str, str]]:
    pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
    offered = ", ".join(subprotocols)
    return [*pairs, ("Sec-WebSocket-Protocol", offered)] if offered else pairs


# -- over a connection


class WireSocket(Socket):
    """A connection of the websockets library's client."""

    def __init__(self, connection: ClientConnection) -> None:
        assert connection.response is not None
        self.connection = connection
        self.subprotocol = connection.subprotocol
        self.fields = CIMultiDict(connection.response.headers.raw_items())

    async def _receive(self) -> str | bytes | Closed:
        try:
            data: str | bytes = await self.connection.recv()
        except websockets.ConnectionClosed as exc:
            return Closed(LOST) if exc.rcvd is None else Closed(exc.rcvd.code, exc.rcvd.reason)
        return data

    async def send(self, data: str | bytes) -> None:
        await self.connection.send(data)

    async def ping(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await (await self.connection.ping())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.connection.close(code, reason)

    async def abort(self) -> None:
        self.connection.transport.abort()

    async def leave(self) -> None:
        self.connection.transport.abort()
        async with asyncio.timeout(PATIENCE):
            await self.connection.wait_closed()


async def connect_by_wire(
    base_url: str, target: str, *, subprotocols: Iterable[str] = (), fields: Fields = ()
) -> WireSocket:
    try:
        connection = await connect(
            base_url.replace("http", "ws", 1) + target,
            subprotocols=list(subprotocols) or None,  # type: ignore[arg-type]  # a new type of str
            additional_headers=fields,
            proxy=None,
            max_size=None,
            ping_interval=None,
            close_timeout=PATIENCE,
        )
    except websockets.InvalidStatus as exc:
        answer = exc.response
        fields = answer.headers.raw_items()
        raise Refused(answer.status_code, fields, bytes(answer.body or b"")) from exc
    except websockets.InvalidMessage as exc:
        raise ConnectionResetError("cut") from exc
    return WireSocket(connection)


# -- by the letter of the ASGI specification


class _Phase(Enum):
    """How far one call has come; LOST is the client's doing, OVER the application's."""

    CONNECTING = 0
    DENYING = 1
    ACCEPTED = 2
    LOST = 3
    OVER = 4


_ALLOWED = {
    "accept": _Phase.CONNECTING,
    "send": _Phase.ACCEPTED,
    "http.response.start": _Phase.CONNECTING,
    "http.response.body": _Phase.DENYING,
}


_PLAIN = {str, bytes, int, bool, list, type(None)}


class AsgiSocket(Socket):
    """A host of one ``websocket`` call that takes nothing that the specification forbids.

    Attributes:
        decided: whether it is known if it was accepted.
        was_accepted: whether it was.
        denial: the answer where it was not; a close means 403.
        mistakes: messages of the application that are against the specification.
        failure: what the call has raised.
    """

    def __init__(self) -> None:
        self._inbox: asyncio.Queue[str | bytes | Closed] = asyncio.Queue()
        self._outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._outbox.put_nowait({"type": "websocket.connect"})
        self._phase = _Phase.CONNECTING
        self.denial = Refusal(403, CIMultiDict(), b"")
        self._task: asyncio.Task[None] | None = None
        self._end: Closed | None = None
        self.decided = asyncio.Event()
        self.was_accepted = False
        self.mistakes: list[Any] = []
        self.failure: BaseException | None = None
        self.subprotocol: str | None = None
        self.fields = CIMultiDict()

    def begin(self, app: Any, scope: dict[str, Any]) -> None:
        self._task = asyncio.create_task(self._call(app, scope))

    async def _call(self, app: Any, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._give, self._take)
        except Exception as exc:
            self.failure = exc
        if self._phase is _Phase.CONNECTING:
            self.denial.status = 500
        elif self._phase is _Phase.ACCEPTED:
            self._over(Closed(LOST))
        self._phase = _Phase.OVER
        self.decided.set()

    async def _give(self) -> dict[str, Any]:
        return await self._outbox.get()

    async def _take(self, message: dict[str, Any]) -> None:
        if not {type(value) for value in message.values()} <= _PLAIN:
            self.mistakes.append(message)
        if self._phase is _Phase.LOST:
            raise OSError("the client has left")
        kind = message["type"].removeprefix("websocket.")
        is_close = kind == "close" and self._phase in (_Phase.CONNECTING, _Phase.ACCEPTED)
        if not is_close and _ALLOWED.get(kind) is not self._phase:
            self.mistakes.append(message)
            raise RuntimeError(f"unexpected {kind} when {self._phase}")
        getattr(self, f"_take_{kind.replace('.', '_')}")(message)

    def _take_accept(self, message: dict[str, Any]) -> None:
        self._phase = _Phase.ACCEPTED
        self.was_accepted = True
        self.subprotocol = message.get("subprotocol")
        self.fields = CIMultiDict((n.decode(), v.decode()) for n, v in message.get("headers", ()))
        self.decided.set()

    def _take_send(self, message: dict[str, Any]) -> None:
        text, data = message.get("text"), message.get("bytes")
        if (text is None) == (data is None):
            self.mistakes.append(message)
        self._inbox.put_nowait(str(text) if data is None else data)

    def _take_close(self, message: dict[str, Any]) -> None:
        if self._phase is _Phase.CONNECTING:
            self._phase = _Phase.OVER
            self.decided.set()
        else:
            self._over(Closed(message.get("code", 1000), message.get("reason") or ""))

    def _take_http_response_start(self, message: dict[str, Any]) -> None:
        self._phase = _Phase.DENYING
        fields = [(n.decode(), v.decode()) for n, v in message.get("headers", ())]
        self.denial = Refusal(message["status"], CIMultiDict(fields), b"")

    def _take_http_response_body(self, message: dict[str, Any]) -> None:
        self.denial.body += message.get("body", b"")
        if not message.get("more_body"):
            self._phase = _Phase.OVER
            self.decided.set()

    def _over(self, end: Closed) -> None:
        self._phase = _Phase.OVER
        self._inbox.put_nowait(end)
        self._disconnect(end)

    def _disconnect(self, end: Closed) -> None:
        message = {"type": "websocket.disconnect", "code": end.code, "reason": end.reason}
        self._outbox.put_nowait(message)

    # -- the client's side

    async def _receive(self) -> str | bytes | Closed:
        if self._end is not None:
            return self._end
        message = await self._inbox.get()
        if isinstance(message, Closed):
            self._end = message
        return message

    async def send(self, data: str | bytes) -> None:
        is_text = isinstance(data, str)
        text, binary = (data, None) if is_text else (None, data)
        self._outbox.put_nowait({"type": "websocket.receive", "text": text, "bytes": binary})

    async def ping(self) -> None:
        """Do nothing: pings are not the application's to see."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self._phase is _Phase.ACCEPTED:
            self._phase = _Phase.LOST
            end = Closed(code, reason)
            self._disconnect(end)
            self._inbox.put_nowait(end)

    async def abort(self) -> None:
        if self._phase is _Phase.ACCEPTED:
            self._phase = _Phase.LOST
            self._disconnect(Closed(LOST))
            self._inbox.put_nowait(Closed(LOST))

    async def leave(self) -> None:
        await self.abort()
        assert self._task is not None
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([self._task])
        assert not self.mistakes, self.mistakes


async def connect_by_asgi(
    app: Any, target: str, *, subprotocols: Iterable[str] = (), fields: Fields = ()
) -> AsgiSocket:
    path, _, query = target.partition("?")
    pairs = [("Host", "127.0.0.1"), *_offer(fields, subprotocols)]
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in pairs],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "subprotocols": list(subprotocols),
        "extensions": {"websocket.http.response": {}},
    }
    sock = AsgiSocket()
    sock.begin(app, scope)
    async with asyncio.timeout(PATIENCE):
        await sock.decided.wait()
    if sock.was_accepted:
        return sock
    await sock.leave()
    raise Refused(sock.denial.status, sock.denial.fields.items(), sock.denial.body)
