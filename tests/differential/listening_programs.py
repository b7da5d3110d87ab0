"""Programs that say where they listen, in a loop that creates nothing."""

import asyncio
import selectors
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .steps import make_socket, note, raise_error

__all__ = ["RecordingLoop", "listen", "site"]


class _Socket:
    """A socket of the recording loop: an address. What stands behind it may be listened at."""

    family = socket.AF_INET

    def __init__(self, address: Any) -> None:
        self._address = address
        self._socket = socket.create_server(("127.0.0.1", 0))

    def fileno(self) -> int:
        """Give the descriptor of what stands behind it."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close what stands behind it."""
        self._socket.close()

    def getsockname(self) -> Any:
        """Give the address."""
        return self._address


class _Server:
    """A server of the recording loop."""

    def __init__(self, addresses: list[Any]) -> None:
        self.sockets = [_Socket(address) for address in addresses]

    def close(self) -> None:
        """Note it."""
        note("close", [sock.getsockname() for sock in self.sockets])
        for sock in self.sockets:
            sock.close()
        self.sockets = []

    async def wait_closed(self) -> None:
        """Be closed already."""


class _IdleSelector(selectors.SelectSelector):
    """Calls back when its loop has nothing to do."""

    def __init__(self, on_idle: Callable[[], None]) -> None:
        super().__init__()
        self._on_idle = on_idle

    def select(self, timeout: float | None = None) -> Any:
        """Wait, but not for long."""
        if timeout is not None and timeout < 60:
            return super().select(timeout)
        self._on_idle()
        return []


class RecordingLoop(asyncio.SelectorEventLoop):
    """Notes what it is told to create, and creates nothing; port 0 becomes 50000.

    When it has nothing to do it raises what it was made with.
    """

    def __init__(self, end: type[BaseException]) -> None:
        super().__init__(_IdleSelector(lambda: self._end(end)))

    def _end(self, end: type[BaseException]) -> None:
        self.call_soon(raise_error, end())

    async def create_server(  # type: ignore[override]  # as few parameters as sites give
        self, factory: Any, host: Any = None, port: Any = None, *, sock: Any = None, **options: Any
    ) -> Any:
        """Note where TCP is served."""
        where = "a socket" if sock is not None else (host, port)
        note("create_server", where, _tell_options(options))
        if sock is not None:
            return _Server([sock.getsockname()])
        hosts = ["0.0.0.0", "::"] if host is None else [host]
        return _Server([(each, port or 50000) for each in hosts])

    async def create_unix_server(  # type: ignore[override]  # as few parameters as sites give
        self, factory: Any, path: Any = None, **options: Any
    ) -> Any:
        """Note where a Unix socket is served."""
        note("create_unix_server", repr(path), _tell_options(options))
        return _Server([path])


def _tell_options(options: dict[str, Any]) -> dict[str, Any]:
    return {
        name: "context" if isinstance(value, ssl.SSLContext) else value
        for name, value in sorted(options.items())
        if name != "start_serving"  # bascule accepts by itself what the loop's server would
    }


def _make_place(case: dict[str, Any], opened: list[socket.socket]) -> dict[str, Any]:
    """Make the arguments that say where to listen; None is not given."""
    place = {name: case[name] for name in ("host", "port") if case[name] is not None}
    if case["path"] is not None:
        place["path"] = Path("p.sock") if case["path"] == "Path" else case["path"]
    if case["sock"] is not None:
        names = case["sock"] if isinstance(case["sock"], list) else [case["sock"]]
        opened += [make_socket(name) for name in names]
        place["sock"] = list(opened) if isinstance(case["sock"], list) else opened[0]
    if case["ssl"]:
        place["ssl_context"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    return place


def listen(web: Any, case: dict[str, Any]) -> None:
    """Run an application at some places, and say what is created and what is printed."""

    def announce(*args: Any, **kwargs: Any) -> None:
        note("banner", args, kwargs)

    loop = RecordingLoop(web.GracefulExit)
    opened: list[socket.socket] = []
    options = {"print": announce if case["print"] else None, **case["options"]}
    try:
        web.run_app(web.Application(), loop=loop, **_make_place(case, opened), **options)
    finally:
        note("closed", loop.is_closed())
        for sock in opened:
            sock.close()


def site(web: Any, case: dict[str, Any]) -> None:
    """Make a site by hand; say its name, its port and its addresses on the way."""

    async def live() -> None:
        runner = web.AppRunner(web.Application(), shutdown_timeout=7)
        await runner.setup()
        opened: list[socket.socket] = []
        try:
            made = _make_site(web, case, runner, opened)
            note("made", made.name, getattr(made, "port", None), runner.addresses)
            await made.start()
            note("started", made.name, getattr(made, "port", None), runner.addresses)
            await made.stop()
            note("stopped", made.name, getattr(made, "port", None), runner.addresses)
        finally:
            await runner.cleanup()
            for sock in opened:
                sock.close()

    loop = RecordingLoop(web.GracefulExit)
    try:
        loop.run_until_complete(live())
    finally:
        loop.close()


def _make_site(web: Any, case: dict[str, Any], runner: Any, opened: list[socket.socket]) -> Any:
    options = dict(case["options"])
    if case["ssl"]:
        options["ssl_context"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    kind, _, value = case["site"].partition(" ")
    if kind == "tcp":
        host, _, port = value.rpartition("/")
        return web.TCPSite(runner, _read(host), _read(port), **options)
    if kind == "unix":
        return web.UnixSite(runner, Path(value) if case["ssl"] else value, **options)
    if kind == "pipe":
        return web.NamedPipeSite(runner, value)
    opened.append(make_socket(value))
    return web.SockSite(runner, opened[0], **options)


def _read(value: str) -> Any:
    return None if value == "None" else int(value) if value.isdigit() else value
