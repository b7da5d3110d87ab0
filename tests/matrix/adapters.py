"""Clients of hosts that have no port: transports and test clients of others, and Lambda."""

import asyncio
import base64
import warnings
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import httpx
from mangum import Mangum
from multidict import CIMultiDict
from starlette.websockets import WebSocketDisconnect
from yarl import URL

from bascule import testing, web
from support.lambda_events import make_rest_event
from support.sockets import Closed, Refused, Socket, connect_in_memory

from .clients import (
    HOST,
    Answer,
    Body,
    Client,
    Fields,
    Power,
    Streamed,
    build_request,
    fields_of,
    pairs_of,
)
from .rich_application import Settings, make_application

with warnings.catch_warnings():  # it wants a successor of httpx
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient, WebSocketDenialResponse, WebSocketTestSession

__all__ = ["in_mangum", "in_memory", "in_test_client", "in_transport"]

_T = TypeVar("_T")


def _make(settings: Settings) -> web.Application:
    app: web.Application = make_application(web, settings)
    return app


# -- bascule's own client


class MemoryClient(Client):
    """The client that users have for tests in memory."""

    powers = frozenset(Power) - {Power.WIRE, Power.SERVER}

    def __init__(self, client: testing.Client) -> None:
        self.client = client
        client.headers.clear()

    async def ask(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> Answer:
        async with self.stream(method, target, fields=fields, body=body) as streamed:
            return Answer(streamed.status, streamed.fields, await streamed.read_until(2**62))

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> AsyncIterator[Streamed]:
        async with self.client.stream(
            method,
            URL(f"http://{HOST}{target}", encoded=True),
            headers=pairs_of(fields),
            data=body,
            allow_redirects=False,
        ) as answer:
            yield _MemoryStreamed(answer)

    async def open_socket(
        self, target: str, *, subprotocols: Iterable[str] = (), fields: Fields = ()
    ) -> Socket:
        return await connect_in_memory(
            self.client, target, subprotocols=subprotocols, fields=fields
        )


class _MemoryStreamed(Streamed):
    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.status = answer.status
        self.fields = CIMultiDict(answer.headers)

    async def read_piece(self) -> bytes:
        piece: bytes = await self._answer.content.readany()
        return piece

    async def leave(self) -> None:
        self._answer.close()


@asynccontextmanager
async def in_memory(settings: Settings) -> AsyncIterator[Client]:
    async with testing.Client(_make(settings)) as client:
        yield MemoryClient(client)


# -- httpx.ASGITransport


class TransportClient(Client):
    """httpx with the application in place of a network: answers come when they are whole, and
    there is no lifespan."""

    powers = frozenset(Power) - {
        Power.SERVER,
        Power.WIRE,
        Power.STREAM,
        Power.SOCKET,
        Power.DROP,
        Power.LEAVE,
    }

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.httpx = client
        client.headers.clear()

    async def ask(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> Answer:
        request = build_request(self.httpx, method, target, fields, body)
        answer = await self.httpx.send(request, stream=True)
        data = b"".join([piece async for piece in answer.aiter_raw()])
        return Answer(answer.status_code, fields_of(answer), data)


@asynccontextmanager
async def in_transport(settings: Settings) -> AsyncIterator[Client]:
    app = _make(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    # httpx tells the application no port where the URL has none.
    base_url = f"http://{HOST}:8080"
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
        try:
            yield TransportClient(client)
        finally:
            async with app:  # the first request has started it; this ends it
                pass


# -- Starlette's TestClient


class StarletteClient(Client):
    """The client for plain functions; it runs the application in a thread of its own."""

    powers = frozenset(Power) - {
        Power.SERVER,
        Power.WIRE,
        Power.STREAM,
        Power.LEAVE,
        Power.DROP,
        Power.BYTES,
    }

    def __init__(self, client: TestClient, executor: ThreadPoolExecutor) -> None:
        self.client = client
        self._executor = executor
        client.headers.clear()

    async def ask(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> Answer:
        whole = b"".join(body) if isinstance(body, list) else body
        request = build_request(self.client, method, target, fields, whole)
        send = partial(self.client.send, request, stream=True)
        answer = await asyncio.get_running_loop().run_in_executor(self._executor, send)
        return Answer(answer.status_code, fields_of(answer), b"".join(answer.iter_raw()))

    async def open_socket(
        self, target: str, *, subprotocols: Iterable[str] = (), fields: Fields = ()
    ) -> Socket:
        names, headers = list(subprotocols), dict(pairs_of(fields))
        session = self.client.websocket_connect(target, names or None, headers=headers)
        try:
            await asyncio.to_thread(session.__enter__)
        except WebSocketDenialResponse as exc:
            raise Refused(exc.status_code, exc.headers.multi_items(), exc.content) from exc
        except WebSocketDisconnect as exc:
            raise Refused(403, [], b"") from exc
        return _SessionSocket(session)


class _SessionSocket(Socket):
    """A WebSocket of the test client, whose calls wait in threads."""

    def __init__(self, session: WebSocketTestSession) -> None:
        self._session = session
        self._end: Closed | None = None
        self.subprotocol = session.accepted_subprotocol
        headers = session.extra_headers or []
        self.fields = CIMultiDict((name.decode(), value.decode()) for name, value in headers)

    async def _receive(self) -> str | bytes | Closed:
        if self._end is not None:
            return self._end
        message = await asyncio.to_thread(self._session.receive)
        if message["type"] == "websocket.close":
            self._end = Closed(message.get("code", 1000), message.get("reason") or "")
            return self._end
        text: str | None = message.get("text")
        data: bytes = message.get("bytes") or b""
        return data if text is None else text

    async def send(self, data: str | bytes) -> None:
        send = self._session.send_text if isinstance(data, str) else self._session.send_bytes
        await asyncio.to_thread(send, data)  # type: ignore[arg-type]  # the right one was chosen

    async def ping(self) -> None:
        """Do nothing: pings are not the application's to see."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self._end = self._end or Closed(code, reason)
        await asyncio.to_thread(self._session.close, code, reason)

    async def abort(self) -> None:
        await self.close(1006)

    async def leave(self) -> None:
        try:
            await asyncio.to_thread(self._session.__exit__, None, None, None)
        except ValueError:
            pass  # the test client raises again what the handler has raised


@asynccontextmanager
async def in_test_client(settings: Settings) -> AsyncIterator[Client]:
    client = TestClient(
        _make(settings),
        base_url=f"http://{HOST}",
        raise_server_exceptions=False,
        follow_redirects=False,
        backend_options={"debug": False},
    )
    # Each request that waits keeps a thread.
    with ThreadPoolExecutor(32) as executor:
        await asyncio.to_thread(client.__enter__)
        try:
            yield StarletteClient(client, executor)
        finally:
            await asyncio.to_thread(client.__exit__, None, None, None)


# -- mangum


class MangumClient(Client):
    """AWS Lambda behind an API Gateway: each request is an event, and mangum's lifespan ``auto``
    starts and ends the application for each."""

    powers = frozenset({Power.DOMAIN})

    def __init__(self, call: Callable[[dict[str, Any]], Any]) -> None:
        self._call = call

    async def ask(
        self, method: str, target: str, *, fields: Fields = (), body: Body = None
    ) -> Answer:
        whole = b"".join(body) if isinstance(body, list) else body
        pairs = pairs_of(fields)
        if whole is not None or method in ("POST", "PUT", "PATCH"):
            pairs.append(("Content-Length", str(len(whole or b""))))
        pairs.append(("X-Forwarded-Proto", "http"))
        said = await self._call(make_rest_event(method, target, pairs, whole))
        headers: CIMultiDict[str] = CIMultiDict(said["headers"])
        for name, values in said["multiValueHeaders"].items():
            headers.extend((name, value) for value in values)
        data = said["body"]
        content = base64.b64decode(data) if said["isBase64Encoded"] else data.encode()
        return Answer(said["statusCode"], headers, content)


@asynccontextmanager
async def in_mangum(settings: Settings) -> AsyncIterator[Client]:
    handler = Mangum(_make(settings), lifespan="auto")
    # Lambda calls from one thread, which has a loop of its own.
    with ThreadPoolExecutor(1) as executor:

        async def call(event: dict[str, Any]) -> Any:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(executor, handler, event, None)

        executor.submit(_set_loop).result()
        try:
            yield MangumClient(call)
        finally:
            executor.submit(lambda: asyncio.get_event_loop().close()).result()


def _set_loop() -> None:
    loop = asyncio.new_event_loop()
    loop.set_debug(False)
    asyncio.set_event_loop(loop)
