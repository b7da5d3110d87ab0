"""ASGI applications by hand, for what no framework would do."""

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

Call = Callable[[Any, Any, Any], Awaitable[None]]


def start(
    status: int = 200, headers: Iterable[tuple[bytes, bytes]] = (), **more: Any
) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers), **more}


def body(data: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def read_all(receive: Any) -> bytes:
    """Read the whole body of a request."""
    pieces, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("disconnected")
        pieces.append(message["body"])
        more = message["more_body"]
    return b"".join(pieces)


def of_http(handler: Call) -> Call:
    """Make an application without a lifespan."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await handler(scope, receive, send)

    return application


@of_http
async def mirror(scope: Any, receive: Any, send: Any) -> None:
    """Tell what was asked for, as JSON."""
    told = {
        **{key: scope[key] for key in ("type", "method", "scheme", "path", "root_path")},
        "raw_path": scope["raw_path"].decode(),
        "query": scope["query_string"].decode(),
        "client": scope["client"] and scope["client"][0],
        "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
        "body": (await read_all(receive)).decode("latin-1"),
        "has_state": "state" in scope,
    }
    data = json.dumps(told).encode()
    await send(start(200, [(b"content-type", b"application/json"), (b"x-inner", b"1")]))
    await send(body(data))


class Living:
    """An application with a lifespan that it writes into a log."""

    def __init__(
        self, name: str, log: list[str], *, fails: str = "", state: dict[str, Any] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self.fails = fails
        self.state = state or {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        data = json.dumps(scope.get("state")).encode()
        await send(start())
        await send(body(data))

    async def _live(self, scope: Any, receive: Any, send: Any) -> None:
        scope["state"].update(self.state)
        for phase in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{phase}"
            self.log.append(f"{self.name} {phase}")
            if self.fails == phase:
                await send({"type": f"lifespan.{phase}.failed", "message": f"{self.name} is ill"})
                return
            await send({"type": f"lifespan.{phase}.complete"})
