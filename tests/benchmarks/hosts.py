"""Runs servers in their own process; each function imports what it needs alone."""

import asyncio
import importlib
import logging
from collections.abc import Callable
from typing import Any

from .serving import Place

__all__ = [
    "serve_granian",
    "serve_hosted",
    "serve_hypercorn",
    "serve_protocol",
    "serve_sanic",
    "serve_uvicorn",
    "serve_web",
]

_CANNED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n"
    b"Date: Sat, 21 Nov 2026 20:00:00 GMT\r\nServer: canned\r\n\r\nHello, world!"
)


def _load_app(name: str, place: Place) -> Any:
    """Make an application: `bascule`, `asgi`, `rsgi`, `starlette` or `blacksheep`."""
    if name == "bascule":
        web = importlib.import_module("bascule.web")
        return importlib.import_module("benchmarks.apps_web").make(web, place)
    return importlib.import_module(f"benchmarks.apps_{name}").make(place)


def _make_loop(name: str) -> asyncio.AbstractEventLoop:
    if name == "uvloop":
        loop: asyncio.AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
        return loop
    return asyncio.new_event_loop()


def _make_log(name: str) -> logging.Logger:
    """Make an access log that is written, though nowhere."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = logging.FileHandler("/dev/null")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    return logger


def _make_context(place: Place) -> Any:
    if not place.is_tls:
        return None
    ssl: Any = importlib.import_module("ssl")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(place.certificate, place.key)
    return context


def serve_web(place: Place, package: str, loop: str, **options: Any) -> None:
    """Serve the application of `aiohttp.web`'s API on the package's own server."""
    web: Any = importlib.import_module(f"{package}.web")
    app = importlib.import_module("benchmarks.apps_web").make(web, place)
    if place.is_full:
        options["access_log"] = _make_log(f"{package}.access")
    _run(web, app, place, loop, options)


def serve_hosted(place: Place, app: str, loop: str = "asyncio") -> None:
    """Serve an ASGI application on bascule's server."""
    _run(importlib.import_module("bascule.web"), _load_app(app, place), place, loop, {})


def _run(web: Any, app: Any, place: Place, loop: str, options: dict[str, Any]) -> None:
    made = _make_loop(loop)
    options = {"access_log": None, "ssl_context": _make_context(place), **options}
    web.run_app(app, sock=place.listen(), print=None, loop=made, backlog=4096, **options)


def serve_uvicorn(place: Place, app: str, http: str, loop: str = "asyncio") -> None:
    uvicorn: Any = importlib.import_module("uvicorn")
    options: dict[str, Any] = {"log_config": None, "access_log": False}
    if place.is_full:
        _make_log("uvicorn.access")
        options["access_log"] = True
    if place.is_tls:
        options |= {"ssl_certfile": place.certificate, "ssl_keyfile": place.key}
    made = _load_app(app, place)
    config = uvicorn.Config(made, http=http, loop=loop, backlog=4096, **options)
    server = uvicorn.Server(config)
    with asyncio.Runner(loop_factory=lambda: _make_loop(loop)) as runner:
        runner.run(server.serve(sockets=[place.listen()]))


def serve_hypercorn(place: Place, app: str) -> None:
    hypercorn: Any = importlib.import_module("hypercorn.asyncio")
    config: Any = importlib.import_module("hypercorn.config").Config()
    config.bind = [f"fd://{place.listen().detach()}"]
    config.backlog = 4096
    config.errorlog = None
    config.keep_alive_timeout = 75
    config.keep_alive_max_requests = 2**31
    if place.is_tls:
        config.certfile, config.keyfile = place.certificate, place.key
    asyncio.run(hypercorn.serve(_load_app(app, place), config))


# Where granian's worker finds the application: a module's name and an attribute.
_GRANIAN = {
    "asgi": "benchmarks.apps_asgi:app",
    "rsgi": "benchmarks.apps_rsgi:app",
    "starlette": "benchmarks.granian_starlette:app",
    "bascule": "benchmarks.granian_bascule:app",
}


def serve_granian(place: Place, app: str, interface: str = "asginl") -> None:
    """Serve by granian, which starts a process for its worker and binds by itself."""
    granian: Any = importlib.import_module("granian")
    constants: Any = importlib.import_module("granian.constants")
    options: dict[str, Any] = {}
    if place.is_tls:
        from pathlib import Path

        options = {"ssl_cert": Path(place.certificate), "ssl_key": Path(place.key)}
    sock = place.reserve()
    granian.Granian(
        _GRANIAN[app],
        address="127.0.0.1",
        port=sock.getsockname()[1],
        interface=constants.Interfaces(interface if app != "bascule" else interface[:4]),
        loop=constants.Loops("asyncio"),
        workers=1,
        backlog=4096,
        # Its default stops at 1024 connections, less than are held open.
        backpressure=4096,
        log_enabled=False,
        **options,
    ).serve()


def serve_sanic(place: Place, loop: str) -> None:
    app: Any = importlib.import_module("benchmarks.apps_sanic").make(place)
    app.config.USE_UVLOOP = loop == "uvloop"
    app.run(sock=place.listen(), single_process=True, access_log=False, motd=False)


def serve_protocol(place: Place, kind: str) -> None:
    """Serve canned answers, without a look at the request or with h11's."""
    factory = {"canned": _Canned, "h11": _make_refereed()}[kind]
    asyncio.run(_serve(factory, place))


async def _serve(factory: Callable[[], asyncio.Protocol], place: Place) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(factory, sock=place.listen(), backlog=4096)
    await server.serve_forever()


class _Canned(asyncio.Protocol):
    """Answers each read, as if it were one request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(_CANNED)  # type: ignore[attr-defined]  # it is a Transport


def _make_refereed() -> Callable[[], asyncio.Protocol]:
    """Give the protocol that does what h11's documentation shows, and no more."""
    try:
        import h11
    except ImportError:
        return asyncio.Protocol
    fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "13")]

    class Refereed(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport = transport
            self._h11 = h11.Connection(h11.SERVER)

        def data_received(self, data: bytes) -> None:
            self._h11.receive_data(data)
            while type(self._h11.next_event()) is h11.Request:
                self._h11.next_event()  # the end of the message, since none has a body
                events = [h11.Response(status_code=200, headers=fields), h11.Data(b"Hello, world!")]
                sent = b"".join(self._h11.send(each) or b"" for each in events)
                sent += self._h11.send(h11.EndOfMessage()) or b""
                self._transport.write(sent)  # type: ignore[attr-defined]  # it is a Transport
                self._h11.start_next_cycle()

    return Refereed
