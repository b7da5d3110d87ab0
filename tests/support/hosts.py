"""The hosts that behaviour tests run on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from bascule import testing, web
from support.clients import Answer, Client, HttpxClient, MemoryClient
from support.guests import (
    Host,
    granian_guest,
    granian_http2_guest,
    granian_rsgi_guest,
    granian_rsgi_http2_guest,
    hypercorn_guest,
    hypercorn_http2_guest,
    mounted_guest,
    uvicorn_guest,
    uvicorn_httptools_guest,
)

__all__ = [
    "HOSTS",
    "MATRIX",
    "Answer",
    "Client",
    "Host",
    "asgi_transport",
    "memory",
    "own_socket",
    "uvicorn_guest",
]


@asynccontextmanager
async def memory(app: web.Application, **options: Any) -> AsyncIterator[Client]:
    app._handler_args.update(options)
    async with testing.Client(app, logger=app.logger) as client:
        client.headers.clear()
        yield MemoryClient(client)


@asynccontextmanager
async def own_socket(app: Any, **options: Any) -> AsyncIterator[Client]:
    runner = web.AppRunner(app, shutdown_timeout=5, **options)
    try:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with httpx.AsyncClient(base_url=site.name, trust_env=False) as client:
            yield HttpxClient(client, "socket", has_connection=True)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def asgi_transport(app: web.Application, **options: Any) -> AsyncIterator[Client]:
    app._handler_args.update(options)
    async with app:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield HttpxClient(client, "asgi", app=app)


# Each behaviour test runs on these.
HOSTS: dict[str, Host] = {
    "memory": memory,
    "socket": own_socket,
    "asgi": asgi_transport,
    "uvicorn": uvicorn_guest,
}
# Each behaviour test runs on these too with ``--matrix``; else those marked ``every_host`` do.
MATRIX: dict[str, Host] = {
    "uvicorn-httptools": uvicorn_httptools_guest,
    "hypercorn": hypercorn_guest,
    "hypercorn-h2": hypercorn_http2_guest,
    "granian": granian_guest,
    "granian-h2": granian_http2_guest,
    "granian-rsgi": granian_rsgi_guest,
    "granian-rsgi-h2": granian_rsgi_http2_guest,
    "mount": mounted_guest,
}
