"""Others' ASGI applications for tests: of one handler, told of and listened to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from support.wire import PATIENCE, Served, Wire, serve

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST_GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
START = {"type": "http.response.start", "status": 200, "headers": []}

# Any: ASGI's own types are dicts.
Handler = Callable[[Any, Any, Any], Awaitable[Any]]


def body(data: bytes = b"", more: bool = False) -> dict[str, Any]:
    """Make a piece of a response body."""
    return {"type": "http.response.body", "body": data, "more_body": more}


def start(*headers: tuple[bytes, bytes], status: int = 200, **more: Any) -> dict[str, Any]:
    """Make the start of a response."""
    return {"type": "http.response.start", "status": status, "headers": [*headers], **more}


def post(data: bytes, *fields: str, length: int | None = None) -> bytes:
    """Make a request with a body, or with its beginning."""
    size = len(data) if length is None else length
    lines = ["POST / HTTP/1.1", "Host: x", f"Content-Length: {size}", *fields, "", ""]
    return "\r\n".join(lines).encode() + data


def get(*fields: str, target: str = "/") -> bytes:
    """Make a request."""
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


async def reply(scope: Any, receive: Any, send: Any) -> None:
    """Answer with nothing."""
    await send(START)
    await send(body())


class Application:
    """An application without a lifespan, whose calls are kept.

    Attributes:
        scopes: of its calls.
        told: what its handler has to say.
        errors: that left the handler, or None, call by call.
    """

    def __init__(self, handler: Handler = reply) -> None:
        self.handler = handler
        self.scopes: list[Any] = []
        self.told: asyncio.Queue[Any] = asyncio.Queue()
        self.errors: list[BaseException | None] = []
        self._changed = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        self.scopes.append(scope)
        try:
            await self.handler(scope, receive, send)
        except BaseException as exc:
            self.errors.append(exc)
            raise
        else:
            self.errors.append(None)
        finally:
            self._changed.set()

    async def next(self) -> Any:
        """Give the next thing that was told."""
        async with asyncio.timeout(PATIENCE):
            return await self.told.get()

    async def ended(self, count: int = 1) -> None:
        """Wait until some calls have ended."""
        async with asyncio.timeout(PATIENCE):
            while len(self.errors) < count:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def opened(app: Any, **options: Any) -> AsyncIterator[tuple[Served, Wire]]:
    """Serve an application, and connect to it; nothing goes to the access log."""
    options.setdefault("access_log", None)
    async with serve(app, **options) as served, served.connect() as wire:
        yield served, wire


async def scope_of(data: bytes = GET, **options: Any) -> dict[str, Any]:
    """Give the scope of a request."""
    app = Application()
    async with opened(app, **options) as (_, wire):
        await wire.send(data)
        await wire.read_answer()
    scope: dict[str, Any] = app.scopes[0]
    return scope


async def answer_to(handler: Handler, data: bytes = LAST_GET) -> bytes:
    """Give all bytes that come until the server closes the connection, or cuts it."""
    async with opened(Application(handler)) as (_, wire):
        await wire.send(data)
        return await read_rest(wire)


async def read_rest(wire: Wire) -> bytes:
    """Read until the connection ends in any way."""
    data = b""
    async with asyncio.timeout(PATIENCE):
        try:
            while piece := await wire.reader.read(65536):
                data += piece
        except ConnectionError:
            pass
    return data


async def raised_by(*messages: Any) -> BaseException | None:
    """Give what `send` raises for the last of some messages."""
    raised: list[BaseException | None] = []

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        for message in messages[:-1]:
            await send(message)
        try:
            await send(messages[-1])
        except Exception as exc:
            raised.append(exc)
            raise
        raised.append(None)

    await answer_to(handler)
    return raised[0]
