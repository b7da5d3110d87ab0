"""The hosts of the matrix: where the application runs, and a client of it there."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from .adapters import in_mangum, in_memory, in_test_client, in_transport
from .clients import Client, PortClient, Power
from .processes import reserve_port, run_server
from .programs import PREFIX
from .rich_application import Settings

__all__ = ["HOSTS", "ORACLES", "Host"]

Serve = Callable[[Settings], AbstractAsyncContextManager[Client]]


@dataclass(frozen=True)
class Host:
    """Where the application runs.

    Attributes:
        title: as the README calls it.
        serve: starts the application there, and gives a client.
        is_plain: it is part of a plain run of the tests.
        is_below_prefix: the application is mounted.
    """

    title: str
    serve: Serve
    is_plain: bool = False
    is_below_prefix: bool = False


def _process(*arguments: str, http2: bool = False, prefix: str = "", lacks: str = "") -> Serve:
    """Serve in a process that says its port."""

    @asynccontextmanager
    async def serve(settings: Settings) -> AsyncIterator[Client]:
        async with run_server(arguments, settings.to_environment()) as port:
            yield _make_client(port, http2, prefix, lacks)

    return serve


def _make_client(port: int, http2: bool, prefix: str, lacks: str) -> Client:
    client = PortClient(port, http2=http2, prefix=prefix)
    missing = {Power[name] for name in lacks.split()}
    if http2:
        missing.add(Power.WIRE)
    if prefix:
        missing.add(Power.DOMAIN)
    client.powers = frozenset(Power) - missing
    return client


def _granian(http2: bool, *options: str) -> Serve:
    """It does not say its port, and binds one that is bound already; its interface is RSGI unless
    an option says otherwise."""

    @asynccontextmanager
    async def serve(settings: Settings) -> AsyncIterator[Client]:
        with reserve_port() as sock:
            port = sock.getsockname()[1]
            version = "2" if http2 else "1"
            arguments = ["granian", *options, "--http", version, "--no-access-log"]
            arguments += ["--port", str(port), "matrix.native:app"]
            async with run_server(arguments, settings.to_environment(), port=port):
                yield _make_client(port, http2, "", "SOCKET DROP" if http2 else "")

    return serve


_UVICORN = ("uvicorn", "--port", "0", "--no-access-log", "--timeout-graceful-shutdown", "5")
_HYPERCORN = ("hypercorn", "--bind", "127.0.0.1:0", "--graceful-timeout", "5")
_ASGI = ("--interface", "asgi")
_NATIVE = "matrix.native:app"

HOSTS: dict[str, Host] = {
    "own": Host(
        "own server",
        _process("bascule", _NATIVE, "--host", "127.0.0.1", "--port", "0"),
        is_plain=True,
    ),
    "runner": Host(
        "AppRunner in a running program",
        _process("matrix.programs", "bascule"),
    ),
    "memory": Host("bascule.testing.Client", in_memory),
    "uvicorn-h11": Host(
        "uvicorn (h11)", _process(*_UVICORN, "--http", "h11", _NATIVE), is_plain=True
    ),
    "uvicorn-httptools": Host(
        "uvicorn (httptools)", _process(*_UVICORN, "--http", "httptools", _NATIVE)
    ),
    "hypercorn": Host("hypercorn, HTTP/1.1", _process(*_HYPERCORN, _NATIVE)),
    "hypercorn-http2": Host("hypercorn, HTTP/2", _process(*_HYPERCORN, _NATIVE, http2=True)),
    "granian": Host("granian, HTTP/1.1", _granian(False, *_ASGI)),
    "granian-http2": Host("granian, HTTP/2", _granian(True, *_ASGI)),
    "granian-rsgi": Host("granian (RSGI), HTTP/1.1", _granian(False)),
    "granian-rsgi-http2": Host("granian (RSGI), HTTP/2", _granian(True)),
    "daphne": Host("daphne", _process("daphne", "-b", "127.0.0.1", "-p", "0", _NATIVE)),
    "starlette": Host(
        "mounted in Starlette (uvicorn)",
        _process(*_UVICORN, "--http", "h11", "matrix.mounts:in_starlette", prefix=PREFIX),
        is_below_prefix=True,
    ),
    "fastapi": Host(
        "mounted in FastAPI (uvicorn)",
        _process(*_UVICORN, "--http", "h11", "matrix.mounts:in_fastapi", prefix=PREFIX),
        is_below_prefix=True,
    ),
    "transport": Host("httpx.ASGITransport", in_transport),
    "test-client": Host("Starlette's TestClient", in_test_client),
    "mangum": Host("mangum (API Gateway, lifespan auto)", in_mangum, is_plain=True),
}

# What the expected answers come from: the application on aiohttp, alone and below the prefix.
ORACLES = {
    False: _process("matrix.programs", "aiohttp"),
    True: _process("matrix.programs", "aiohttp-below", prefix=PREFIX),
}
