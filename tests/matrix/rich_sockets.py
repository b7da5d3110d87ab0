"""Endpoints of the matrix's application about WebSockets."""

import asyncio
from typing import Any

from .journal import JournalRoutes

__all__ = ["MAX_MESSAGE", "SocketRoutes"]

# Bytes of the largest message that one of the endpoints takes.
MAX_MESSAGE = 5000


class SocketRoutes:
    """Handlers that open WebSockets, or refuse to.

    Args:
        web: the module that the application is made of.
        journal: where handlers write down what their clients cannot be told.
    """

    def __init__(self, web: Any, journal: JournalRoutes) -> None:
        self.web = web
        self.journal = journal

    def routes(self) -> list[Any]:
        web = self.web
        return [
            web.get("/ws/echo", self.echo),
            web.get("/ws/json", self.json),
            web.get("/ws/facts", self.facts),
            web.get("/ws/protocol", self.protocol),
            web.get("/ws/fields", self.fields),
            web.get("/ws/push", self.push),
            web.get("/ws/close/{code}", self.close),
            web.get("/ws/return", self.return_open),
            web.get("/ws/error", self.error),
            web.get("/ws/error-before", self.error_before),
            web.get("/ws/refuse/{status}", self.refuse),
            web.get("/ws/plain", self.plain),
            web.get("/ws/limited", self.limited),
            web.get("/ws/timeout", self.timeout),
            web.get("/ws/both", self.both),
            web.get("/ws/ping", self.ping),
            web.get("/ws/journal/{key}", self.iterate),
            web.get("/ws/closed-by-other/{key}", self.closed_by_other),
            web.get("/ws/send-after/{key}", self.send_after),
        ]

    async def open(self, request: Any, **options: Any) -> Any:
        ws = self.web.WebSocketResponse(**options)
        await ws.prepare(request)
        return ws

    async def echo(self, request: Any) -> Any:
        ws = await self.open(request)
        async for message in ws:
            if message.type is self.web.WSMsgType.TEXT:
                await ws.send_str(f"text {message.data}")
            elif message.type is self.web.WSMsgType.BINARY:
                await ws.send_bytes(message.data[::-1])
        return ws

    async def json(self, request: Any) -> Any:
        ws = await self.open(request)
        await ws.send_json({"got": await ws.receive_json()})
        await ws.send_str(f"str {await ws.receive_str()}")
        await ws.send_bytes(await ws.receive_bytes())
        return ws

    async def facts(self, request: Any) -> Any:
        ws = self.web.WebSocketResponse()
        ready = ws.can_prepare(request)
        await ws.prepare(request)
        await ws.send_json(
            {
                "ready": [ready.ok, ready.protocol],
                "method": request.method,
                "scheme": request.url.scheme,
                "path_qs": request.url.path_qs,
                "secure": request.secure,
                "path": request.path,
                "query": list(request.query.items()),
                "cookies": dict(request.cookies),
                "prepared": ws.prepared,
                "closed": ws.closed,
                "status": ws.status,
            }
        )
        return ws

    async def protocol(self, request: Any) -> Any:
        ws = await self.open(request, protocols=("two", "one"))
        await ws.send_str(str(ws.ws_protocol))
        return ws

    async def fields(self, request: Any) -> Any:
        ws = self.web.WebSocketResponse()
        ws.headers["X-Accepted"] = "yes"
        ws.set_cookie("socket", "1")
        await ws.prepare(request)
        return ws

    async def push(self, request: Any) -> Any:
        ws = await self.open(request)
        for number in range(3):
            await ws.send_str(f"push {number}")
        await ws.send_str("")
        await ws.send_bytes(b"")
        await ws.send_bytes(bytes(100_000))
        await ws.close()
        return ws

    async def close(self, request: Any) -> Any:
        ws = await self.open(request)
        await ws.close(code=int(request.match_info["code"]), message=b"bye")
        return ws

    async def return_open(self, request: Any) -> Any:
        ws = await self.open(request)
        await ws.send_str("returning")
        return ws

    async def error(self, request: Any) -> Any:
        ws = await self.open(request)
        await ws.send_str("failing")
        raise ValueError("in the middle")

    async def error_before(self, request: Any) -> Any:
        raise ValueError("before the acceptance")

    async def refuse(self, request: Any) -> Any:
        status = int(request.match_info["status"])
        return self.web.Response(status=status, text="refused", headers={"X-Why": "because"})

    async def plain(self, request: Any) -> Any:
        if not self.web.WebSocketResponse().can_prepare(request):
            return self.web.Response(text="for others")
        ws = await self.open(request)
        await ws.send_str("for sockets")
        return ws

    async def limited(self, request: Any) -> Any:
        ws = await self.open(request, max_msg_size=MAX_MESSAGE)
        async for message in ws:
            await ws.send_str(str(len(message.data)))
        return ws

    async def timeout(self, request: Any) -> Any:
        """Give a receive up, and lose nothing by it."""
        ws = await self.open(request)
        try:
            await ws.receive(timeout=0.01)
        except TimeoutError:
            await ws.send_str("timed out")
        waiting = asyncio.create_task(ws.receive_str())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        await ws.send_str("cancelled")
        await ws.send_str(f"text {await ws.receive_str()}")
        return ws

    async def both(self, request: Any) -> Any:
        """Send from one task while another receives."""
        ws = await self.open(request)

        async def send_all() -> None:
            for number in range(20):
                await ws.send_str(str(number))
                await asyncio.sleep(0)

        sending = asyncio.create_task(send_all())
        received = [await ws.receive_str() for _ in range(20)]
        await sending
        await ws.send_json(received)
        return ws

    async def ping(self, request: Any) -> Any:
        ws = await self.open(request, heartbeat=30, autoping=True)
        await ws.ping(b"from the server")
        await ws.pong(b"unasked")
        await ws.send_str("pinged")
        return ws

    async def iterate(self, request: Any) -> Any:
        """Write down how it ends."""
        journal, key = self.journal.of(request), request.match_info["key"]
        ws = await self.open(request)
        journal.add(key, "open")
        while True:
            message = await ws.receive()
            is_data = message.type in (self.web.WSMsgType.TEXT, self.web.WSMsgType.BINARY)
            if not is_data:
                break
            journal.add(key, f"got {message.data}")
        journal.add(key, f"{message.type.name} {message.data} {message.extra}")
        journal.add(key, f"code {ws.close_code} closed {ws.closed}")
        return ws

    async def closed_by_other(self, request: Any) -> Any:
        """Be closed by another task while receiving."""
        journal, key = self.journal.of(request), request.match_info["key"]
        ws = await self.open(request)

        async def close() -> None:
            await journal.pass_gate(key)
            await ws.close(code=4001, message=b"by another task")

        closing = asyncio.create_task(close())
        message = await ws.receive()
        journal.add(key, message.type.name)
        await closing
        return ws

    async def send_after(self, request: Any) -> Any:
        """Send to a client that has left."""
        journal, key = self.journal.of(request), request.match_info["key"]
        ws = await self.open(request)
        async for _ in ws:
            pass
        try:
            await ws.send_str("too late")
        except ConnectionError:
            journal.add(key, "connection error")
        else:
            journal.add(key, "sent")
        return ws
