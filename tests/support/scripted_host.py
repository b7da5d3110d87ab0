"""An ASGI host whose every message is written by hand."""

import asyncio
from typing import Any

from bascule import web

__all__ = [
    "END",
    "GONE",
    "ScriptedHost",
    "app_of",
    "http_scope",
    "piece",
    "socket_app_of",
    "socket_scope",
]

# Any, here and below: messages and scopes are dicts whose values the specification types.
Message = dict[str, Any]

END: Message = {"type": "http.request", "body": b"", "more_body": False}
GONE: Message = {"type": "http.disconnect"}


def http_scope(**changes: Any) -> Message:
    """Make the smallest scope of a request that the specification allows, with changes to it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [(b"host", b"h")],
        **changes,
    }


def socket_scope(**changes: Any) -> Message:
    """Make the same for a WebSocket."""
    scope = http_scope(type="websocket")
    del scope["method"]
    return {**scope, **changes}


def piece(body: bytes, more: bool = False) -> Message:
    """Make a piece of a request's body."""
    return {"type": "http.request", "body": body, "more_body": more}


def app_of(handler: Any, **kwargs: Any) -> web.Application:
    """Make an application that answers everything by one handler."""
    app = web.Application(**kwargs)
    app.router.add_route("*", "/{tail:.*}", handler)
    return app


def socket_app_of(handler: Any, **options: Any) -> web.Application:
    """Make an application that accepts every WebSocket, and hands it to one function."""

    async def accept(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(**options)
        await ws.prepare(request)
        await handler(ws)
        return ws

    return app_of(accept)


class ScriptedHost:
    """One call by a host that has its messages ready; behind them the client stays until it leaves.

    Attributes:
        received: how often the application has asked for a message.
        received_first: how often it had before it sent one.
        sent: what it has sent.
        leaving: set it to let the client leave.
        error: what `send` raises, once it is set.
    """

    sends_files = True  # as bascule's own host tells bascule's applications

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)
        self.received = self.received_first = 0
        self.sent: list[Message] = []
        self.leaving = asyncio.Event()
        self.error: BaseException | None = None
        self._changed = asyncio.Event()

    async def receive(self) -> Message:
        self.received += 1
        if not self.messages:
            await self.leaving.wait()
            return GONE
        return self.messages.pop(0)

    async def send(self, message: Message) -> None:
        if self.error is not None:
            raise self.error
        if not self.sent:
            self.received_first = self.received
        self.sent.append(message)
        self._changed.set()
        self._changed = asyncio.Event()

    async def until_sent(self, count: int) -> None:
        """Wait until so many messages were sent."""
        async with asyncio.timeout(5):
            while len(self.sent) < count:
                await self._changed.wait()

    async def call(self, app: Any, scope: Message | None = None) -> "ScriptedHost":
        """Call an application, from its start to its end."""
        async with app:
            await app(http_scope() if scope is None else scope, self.receive, self.send)
        return self

    @property
    def types(self) -> list[str]:
        return [message["type"].rpartition(".")[2] for message in self.sent]

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)
