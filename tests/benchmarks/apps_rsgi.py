"""The application as one function of RSGI, granian's own interface."""

import json
from typing import Any

from .bodies import GREETING, JSON_BODY, LARGE

__all__ = ["app"]

_TEXT = [("content-type", "text/plain; charset=utf-8")]


async def app(scope: Any, protocol: Any) -> None:
    if scope.proto != "http":
        await _echo(await protocol.accept())
        return
    path = scope.path
    if path == "/":
        protocol.response_str(200, _TEXT, GREETING)
    elif path == "/json":
        fields = [("content-type", "application/json")]
        protocol.response_str(200, fields, json.dumps(JSON_BODY))
    elif path.startswith("/route"):
        protocol.response_str(200, _TEXT, path.rpartition("/")[2])
    elif path == "/large":
        protocol.response_bytes(200, _TEXT, LARGE)
    elif path == "/post":
        data = await protocol()
        protocol.response_str(200, _TEXT, f"{len(data)} {data[-1]}")
    else:
        size = 0
        async for piece in protocol:
            size += len(piece)
        protocol.response_str(200, _TEXT, str(size))


async def _echo(transport: Any) -> None:
    while (message := await transport.receive()).kind != 0:
        await transport.send_str(message.data)
