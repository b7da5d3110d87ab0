"""The clients of behaviour tests: one small interface over all hosts."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from multidict import CIMultiDict
from yarl import URL

from bascule import testing
from support.features import LACKS, Feature
from support.http2_sockets import connect_by_http2
from support.sockets import (
    NO_CODE,
    Closed,
    Socket,
    connect_by_asgi,
    connect_by_wire,
    connect_in_memory,
)

Fields = Mapping[str, str] | Iterable[tuple[str, str]]
Body = bytes | list[bytes] | None


@dataclass
class Answer:
    """What a client saw."""

    status: int
    fields: CIMultiDict[str]
    body: bytes
    reason: str = ""

    @property
    def text(self) -> str:
        return self.body.decode()


class Client:
    """Sends requests to one application on one host.

    Attributes:
        host: its name, for the few tests that expect something else somewhere.
        has_connection: whether Connection, Date and reason phrases are ours to see.
        prefix: of all targets, where the application is mounted.
    """

    host = ""
    has_connection = False
    prefix = ""

    async def request(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> Answer:
        raise NotImplementedError

    async def ws_connect(
        self, target: str, *, subprotocols: Iterable[str] = (), fields: Fields = ()
    ) -> Socket:
        """Open a WebSocket.

        Raises:
            Refused: it was answered otherwise.
            ConnectionResetError: it was not answered.
        """
        raise NotImplementedError

    def lacks(self, feature: Feature) -> bool:
        """Whether the host cannot do something, or its client."""
        return self.host in LACKS[feature]

    def require(self, feature: Feature) -> None:
        """Skip the test where the host cannot do something."""
        if self.lacks(feature):
            pytest.skip(LACKS[feature][self.host])

    def sees(self, code: int, reason: str = "") -> Closed:
        """Give what it sees of a close of the application."""
        if self.lacks(Feature.SENT_CLOSE_CODES):
            return Closed(NO_CODE)
        return Closed(code, reason)

    async def get(self, target: str, **kwargs: Any) -> Answer:
        return await self.request("GET", target, **kwargs)

    async def post(self, target: str, **kwargs: Any) -> Answer:
        return await self.request("POST", target, **kwargs)


@dataclass
class MemoryClient(Client):
    """No host at all: the client in memory that users have for their tests."""

    client: testing.Client
    host: str = "memory"
    has_connection: bool = False

    async def request(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> Answer:
        url = URL(f"http://127.0.0.1{target}", encoded=True)
        pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
        answer = await self.client.request(
            method, url, headers=pairs, data=body, allow_redirects=False
        )
        return Answer(answer.status, CIMultiDict(answer.headers), await answer.read())

    async def ws_connect(self, target: str, **kwargs: Any) -> Socket:
        return await connect_in_memory(self.client, target, **kwargs)


@dataclass
class HttpxClient(Client):
    """A client of a server, or of an ASGI transport, by httpx.

    Attributes:
        app: what WebSockets call directly, since httpx has none.
        is_http2: whether WebSockets go over HTTP/2, as httpx was told to do.
    """

    httpx: httpx.AsyncClient
    host: str
    has_connection: bool = False
    app: Any = None
    prefix: str = ""
    is_http2: bool = False

    async def request(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> Answer:
        async def pieces() -> AsyncIterator[bytes]:
            for piece in body or ():
                assert isinstance(piece, bytes)
                yield piece

        content = pieces() if isinstance(body, list) else body
        pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
        request = self.httpx.build_request(method, "/", headers=pairs, content=content)
        path = (self.prefix + target).encode("ascii")
        request.url = request.url.copy_with(raw_path=path)
        request.extensions["target"] = path  # dots in it stay, but not in `ASGITransport`
        try:
            answer = await self.httpx.send(request)
        except (httpx.RemoteProtocolError, httpx.ReadError) as exc:
            raise ConnectionResetError("cut") from exc
        raw = CIMultiDict(answer.headers.multi_items())
        return Answer(answer.status_code, raw, answer.content, answer.reason_phrase)

    async def ws_connect(self, target: str, **kwargs: Any) -> Socket:
        self.require(Feature.SOCKETS)
        target = self.prefix + target
        if self.app is not None:
            return await connect_by_asgi(self.app, target, **kwargs)
        if self.is_http2:
            return await connect_by_http2(self.httpx.base_url, target, **kwargs)
        return await connect_by_wire(str(self.httpx.base_url).rstrip("/"), target, **kwargs)
