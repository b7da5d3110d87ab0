"""A server inside a program that is running already, as an asynchronous context."""

import asyncio
import socket
from collections.abc import Iterable
from ssl import SSLContext
from types import TracebackType
from typing import Any

from ..server.sites import BaseSite
from .binding import Binding, PathLike
from .runners import AppRunner

__all__ = ["Serving", "serve"]


def serve(
    app: Any,  # Any: an Application, or a callable of either ASGI shape
    *,
    host: str | Iterable[str] | None = None,
    port: int | None = None,
    path: PathLike | Iterable[PathLike] | None = None,
    sock: socket.socket | Iterable[socket.socket] | None = None,
    ssl_context: SSLContext | None = None,
    backlog: int = 128,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    **kwargs: Any,
) -> "Serving":
    """Serve an application while a block runs: ``async with bascule.serve(app) as server:``.

    Signals, logging and ``sys.exit`` are left alone.

    Args:
        app: a native application or an ASGI one.
        host: addresses to bind; 127.0.0.1 when None.
        port: port to bind; 0 or None for any that is free. TCP is served when a host or a port is
            given, or nothing else is.
        path: Unix sockets to bind, besides.
        sock: sockets that are bound already, besides.
        ssl_context: serve TLS with it.
        backlog: of listening sockets.
        reuse_address: as ``loop.create_server`` takes it.
        reuse_port: likewise.
        kwargs: of `AppRunner`, such as ``shutdown_timeout``, ``root_path`` and ``lifespan``.

    Raises:
        TypeError: `app` is no application.
    """
    if host is not None or port is not None or (path is None and sock is None):
        host = "127.0.0.1" if host is None else host
        port = 0 if port is None else port
    binding = Binding(host, port, path, sock, ssl_context, backlog, reuse_address, reuse_port)
    return Serving(AppRunner(app, **kwargs), binding)


class Serving:
    """A server from the beginning of a block to its end.

    Entered, it has started the application and listens; what goes wrong there is raised, with
    nothing left open. Left, also by an error or a cancellation, it stops listening, lets answers in
    progress end within ``shutdown_timeout``, and cleans up. Cancelled while it does so, it waits
    for no answer any more. Start-up and clean-up run in one task of its own, so that the block may
    be entered in one task and left in another.

    Attributes:
        runner: of the application.
    """

    def __init__(self, runner: AppRunner, binding: Binding) -> None:
        self.runner = runner
        self._binding = binding
        self._sites: list[BaseSite] = []
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()

    @property
    def urls(self) -> list[str]:
        """What it listens at, as URLs, real ports included."""
        return [site.name for site in self._sites]

    @property
    def url(self) -> str:
        """The first of `urls`."""
        return self.urls[0]

    @property
    def addresses(self) -> list[Any]:
        """The addresses of its sockets, as ``getsockname`` gives them."""
        return self.runner.addresses

    @property
    def ports(self) -> list[int]:
        """The ports of its TCP sockets."""
        return [address[1] for address in self.addresses if isinstance(address, tuple)]

    @property
    def port(self) -> int:
        """The first of `ports`."""
        return self.ports[0]

    async def __aenter__(self) -> "Serving":
        """Start the application, and listen.

        Raises:
            Exception: what the start raised, or the bind.
            RuntimeError: it was entered before.
        """
        if self._task is not None:
            raise RuntimeError("A server can be entered once; call serve() again for another")
        loop = asyncio.get_running_loop()
        started = loop.create_future()
        self._task = loop.create_task(self._live(started), name="bascule-serve")
        try:
            await asyncio.wait([started, self._task], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            await _outwait(self._task)
            raise
        if not started.done():
            await self._task  # raises
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, and clean up.

        Raises:
            Exception: what clean-up raised.
        """
        assert self._task is not None  # made when it was entered
        self._ending.set()
        try:
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if not self._task.done():  # it is this wait that was cancelled
                await self._end_now(self._task)
            raise

    async def _end_now(self, task: "asyncio.Task[None]") -> None:
        """Wait for no answer any more; cancelled once more, drop connections too."""
        self.runner.hurry()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await _outwait(task)
            raise

    async def _live(self, started: "asyncio.Future[None]") -> None:
        self._sites = await self._binding.open(self.runner)
        started.set_result(None)
        try:
            await self._ending.wait()
        finally:
            await self.runner.cleanup()


async def _outwait(task: "asyncio.Task[None]") -> None:
    """Wait for the end of a task that cleans up, whatever cancels this wait; each cancellation is
    passed on to it."""
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
