"""The one client interface of the matrix, and the client of everything that has a port."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

import httpx
from multidict import CIMultiDict

from support.sockets import Socket, connect_by_wire
from support.wire import PATIENCE, Wire

__all__ = ["HOST", "Answer", "Body", "Client", "Fields", "PortClient", "Power", "Streamed"]

# What clients ask for, wherever the host is: so that answers can be compared.
HOST = "rich.test"

Fields = Mapping[str, str] | Iterable[tuple[str, str]]
Body = bytes | list[bytes] | None


class Power(Enum):
    """What a client can do besides asking for a whole answer; the value says what is missing."""

    SERVER = "has no server, which says its name and the date"
    WIRE = "has no HTTP/1.1 connection that bytes can be sent to"
    STREAM = "gives an answer when it is whole"
    CONCURRENT = "answers one request after the other"
    LEAVE = "has no clients that leave"
    SOCKET = "opens no WebSockets"
    DROP = "has no connection of a WebSocket that can be lost"
    STATE = "keeps no application between requests"
    BYTES = "gives heads to the application as text"
    VARIANT = "is not started anew for it"
    LIFE = "does not end while it is looked at"
    DOMAIN = "is below a prefix, where aiohttp takes no domains"


@dataclass
class Answer:
    """What a client saw; `fields` as they came."""

    status: int
    fields: CIMultiDict[str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Streamed(ABC):
    """An answer that is read as it comes."""

    status: int
    fields: CIMultiDict[str]

    @abstractmethod
    async def read_piece(self) -> bytes:
        """Give what has come next; nothing at the end.

        Raises:
            ConnectionResetError: it was cut.
        """

    async def read_until(self, size: int) -> bytes:
        """Give at least so many bytes, or all there are."""
        data = b""
        while len(data) < size and (piece := await self.read_piece()):
            data += piece
        return data

    @abstractmethod
    async def leave(self) -> None:
        """Go away, whether it has ended or not."""


class Client(ABC):
    """Asks one application on one host.

    Attributes:
        prefix: below which it stands.
        powers: what can be done with it.
    """

    prefix = ""
    powers: frozenset[Power] = frozenset(Power)

    @abstractmethod
    async def ask(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> Answer:
        """Send a request, and read its answer to the end.

        Raises:
            ConnectionResetError: it was cut.
        """

    async def get(self, target: str, **kwargs: Any) -> Answer:
        return await self.ask("GET", target, **kwargs)

    async def post(self, target: str, **kwargs: Any) -> Answer:
        return await self.ask("POST", target, **kwargs)

    def stream(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> AbstractAsyncContextManager[Streamed]:
        """Send a request, and read its answer as it comes."""
        raise NotImplementedError

    async def open_socket(
        self, target: str, *, subprotocols: Iterable[str] = (), fields: Fields = ()
    ) -> Socket:
        """Open a WebSocket.

        Raises:
            Refused: it was answered otherwise.
            ConnectionResetError: it was not answered.
        """
        raise NotImplementedError

    def open_wire(self) -> AbstractAsyncContextManager[Wire]:
        """Connect; what is sent is the check's business."""
        raise NotImplementedError

    # -- the journal of the application

    async def read_journal(self, key: str, count: int) -> Any:
        """Give the events under a key, once there are so many."""
        answer = await self.get(f"/seen/{key}?count={count}")
        return httpx.Response(200, content=answer.body).json()

    async def open_gate(self, key: str) -> None:
        """Let the handlers go on that wait there."""
        assert (await self.post(f"/open/{key}")).status == 200


def pairs_of(fields: Fields) -> list[tuple[str, str]]:
    """Give fields as pairs, with a Host if there is none."""
    pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
    if not any(name.lower() == "host" for name, _ in pairs):
        pairs.insert(0, ("Host", HOST))
    return pairs


class PortClient(Client):
    """A client of a server that listens on a port of this machine.

    Args:
        port: it listens on.
        prefix: below which the application stands.
        http2: speak HTTP/2 from the first byte on.
    """

    def __init__(self, port: int, *, prefix: str = "", http2: bool = False) -> None:
        self.port = port
        self.prefix = prefix
        self.base_url = f"http://127.0.0.1:{port}"
        self._is_http2 = http2

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[httpx.AsyncClient]:
        """Each request has a connection of its own: a check sees nothing of those before it."""
        async with httpx.AsyncClient(
            base_url=self.base_url,
            trust_env=False,
            verify=False,  # there is no TLS; making ready for it would take most of the time
            http1=not self._is_http2,
            http2=self._is_http2,
            timeout=PATIENCE,
        ) as client:
            client.headers.clear()
            yield client

    async def ask(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> Answer:
        async with self.stream(method, target, fields=fields, body=body) as streamed:
            data = b""
            while piece := await streamed.read_piece():
                data += piece
        return Answer(streamed.status, streamed.fields, data)

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> AsyncIterator[Streamed]:
        async with self._connect() as connected:
            request = build_request(connected, method, self.prefix + target, fields, body)
            try:
                answer = await connected.send(request, stream=True)
            except httpx.TransportError as exc:
                raise ConnectionResetError("cut") from exc
            streamed = _HttpxStreamed(answer)
            try:
                yield streamed
            finally:
                await streamed.leave()

    async def open_socket(
        self, target: str, *, subprotocols: Iterable[str] = (), fields: Fields = ()
    ) -> Socket:
        return await connect_by_wire(
            self.base_url, self.prefix + target, subprotocols=subprotocols, fields=fields
        )

    @asynccontextmanager
    async def open_wire(self) -> AsyncIterator[Wire]:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port))
        try:
            yield wire
        finally:
            await wire.close()


class _HttpxStreamed(Streamed):
    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer
        self.status = answer.status_code
        self.fields = fields_of(answer)
        self._pieces = answer.aiter_raw()

    async def read_piece(self) -> bytes:
        try:
            return await anext(self._pieces, b"")
        except httpx.TransportError as exc:
            raise ConnectionResetError("cut") from exc

    async def leave(self) -> None:
        await self._answer.aclose()


def build_request(
    client: httpx.AsyncClient | httpx.Client, method: str, target: str, fields: Fields, body: Body
) -> httpx.Request:
    """Make a request whose target and fields are sent as they are."""

    async def pieces() -> AsyncIterator[bytes]:
        for piece in body or ():
            assert isinstance(piece, bytes)
            yield piece

    content = pieces() if isinstance(body, list) else body
    raw = [(name.encode(), value.encode()) for name, value in pairs_of(fields)]
    request = client.build_request(method, "/", headers=raw, content=content)
    request.url = request.url.copy_with(raw_path=target.encode("ascii"))
    return request


def fields_of(answer: httpx.Response) -> CIMultiDict[str]:
    """Give the fields of an answer in one encoding, whatever httpx has guessed."""
    pairs = [(n.decode(), v.decode("utf-8", "replace")) for n, v in answer.headers.raw]
    return CIMultiDict(pairs)
