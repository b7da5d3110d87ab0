"""Where a server listens: TCP, a Unix socket, a named pipe, a socket that is bound already."""

import asyncio
import os
import socket
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from ssl import SSLContext
from typing import Any, Protocol

__all__ = ["BaseSite", "NamedPipeSite", "SiteOwner", "SockSite", "TCPSite", "UnixSite"]

_BACKLOG = 128
# What aiohttp takes for not given.
_TIMEOUT = 60.0


class SiteOwner(Protocol):
    """What a site needs of its runner."""

    @property
    def server(self) -> Callable[[], asyncio.BaseProtocol] | None:
        """The protocol factory; None before the runner was set up."""

    _shutdown_timeout: float

    def _reg_site(self, site: "BaseSite") -> None: ...

    def _check_site(self, site: "BaseSite") -> None: ...

    def _unreg_site(self, site: "BaseSite") -> None: ...


class BaseSite(ABC):
    """One address that a runner's server listens at, from `start` to `stop`.

    Subclasses create ``self._server`` in `start`, after calling this class's own.

    Args:
        runner: set up before the site is made.
        shutdown_timeout: deprecated, belongs to the runner; sets that of the runner.
        ssl_context: serve TLS with it.
        backlog: of the listening socket.

    Raises:
        RuntimeError: the runner was not set up.
    """

    __slots__ = ("_backlog", "_runner", "_server", "_ssl_context")

    def __init__(
        self,
        runner: SiteOwner,
        *,
        shutdown_timeout: float = _TIMEOUT,
        ssl_context: SSLContext | None = None,
        backlog: int = _BACKLOG,
    ) -> None:
        if shutdown_timeout != _TIMEOUT:
            warnings.warn(
                "shutdown_timeout should be set on BaseRunner", DeprecationWarning, stacklevel=3
            )
            runner._shutdown_timeout = shutdown_timeout
        if runner.server is None:
            raise RuntimeError("Call runner.setup() before making a site")
        self._runner = runner
        self._ssl_context = ssl_context
        self._backlog = backlog
        self._server: asyncio.AbstractServer | None = None

    @property
    @abstractmethod
    def name(self) -> str:
        """The address as a URL, real port included once started."""

    @abstractmethod
    async def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: it was started before.
            OSError: the address is taken or not allowed.
        """
        self._runner._reg_site(self)

    async def stop(self) -> None:
        """Stop listening; connections that are open go on.

        Raises:
            RuntimeError: it is not started.
        """
        self._runner._check_site(self)
        self._runner._unreg_site(self)
        if self._server is not None:
            try:
                await self._stop_accepting()
            finally:
                self._server.close()

    @property
    def _factory(self) -> Callable[[], asyncio.BaseProtocol]:
        """What makes the protocol of a connection: the server itself, not by way of the runner,
        since the loop may still hand over a connection when the runner has let go of it."""
        server = self._runner.server
        if server is None:
            raise RuntimeError("Call runner.setup() before starting a site")
        return server

    async def _stop_accepting(self) -> None:
        """Let connections that were accepted in this loop step become known before the close.

        asyncio accepts in one step and attaches to its server in the next; a server that is
        closed in between fails an assertion and leaves the connection open (seen on 3.11).
        """
        loop = asyncio.get_running_loop()
        if isinstance(loop, asyncio.SelectorEventLoop):
            for sock in self._sockets():
                loop.remove_reader(sock.fileno())
            await asyncio.sleep(0)

    @property
    def _scheme(self) -> str:
        return "https" if self._ssl_context else "http"

    def _sockets(self) -> list[Any]:  # Any: TransportSocket, which typeshed keeps private
        return list(getattr(self._server, "sockets", ()))


class TCPSite(BaseSite):
    """A host and port; port 0 lets the system choose.

    Args:
        host: name or address to bind, all interfaces when None or empty.
        port: 8080 when None, 8443 with TLS.
        reuse_address: as ``loop.create_server`` takes it.
        reuse_port: likewise.
    """

    __slots__ = ("_host", "_port", "_reuse_address", "_reuse_port")

    def __init__(
        self,
        runner: SiteOwner,
        host: str | None = None,
        port: int | None = None,
        *,
        shutdown_timeout: float = _TIMEOUT,
        ssl_context: SSLContext | None = None,
        backlog: int = _BACKLOG,
        reuse_address: bool | None = None,
        reuse_port: bool | None = None,
    ) -> None:
        super().__init__(
            runner, shutdown_timeout=shutdown_timeout, ssl_context=ssl_context, backlog=backlog
        )
        self._host = host
        self._port = port if port is not None else (8443 if ssl_context else 8080)
        self._reuse_address = reuse_address
        self._reuse_port = reuse_port

    @property
    def port(self) -> int:
        """The port; the real one once started."""
        sockets = self._sockets()
        return int(sockets[0].getsockname()[1]) if sockets else self._port

    @property
    def name(self) -> str:
        """Such as ``http://0.0.0.0:8080``."""
        host = self._host or "0.0.0.0"
        host = f"[{host}]" if ":" in host else host
        return f"{self._scheme}://{host}:{self.port}"

    async def start(self) -> None:
        """Bind and listen."""
        await super().start()
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._factory,
                self._host or None,
                self._port,
                ssl=self._ssl_context,
                backlog=self._backlog,
                reuse_address=self._reuse_address,
                reuse_port=self._reuse_port,
            )
        except BaseException:
            self._runner._unreg_site(self)
            raise


class UnixSite(BaseSite):
    """A Unix domain socket at a path, which is removed when the site stops."""

    __slots__ = ("_path",)

    def __init__(
        self,
        runner: SiteOwner,
        path: str | os.PathLike[str],
        *,
        shutdown_timeout: float = _TIMEOUT,
        ssl_context: SSLContext | None = None,
        backlog: int = _BACKLOG,
    ) -> None:
        super().__init__(
            runner, shutdown_timeout=shutdown_timeout, ssl_context=ssl_context, backlog=backlog
        )
        self._path = os.fspath(path)

    @property
    def name(self) -> str:
        """Such as ``http://unix:/run/app.sock:``."""
        return f"{self._scheme}://unix:{self._path}:"

    async def start(self) -> None:
        """Bind and listen; a stale socket at the path is replaced."""
        await super().start()
        try:
            self._server = await asyncio.get_running_loop().create_unix_server(
                self._factory,
                self._path,
                ssl=self._ssl_context,
                backlog=self._backlog,
            )
        except BaseException:
            self._runner._unreg_site(self)
            raise

    async def stop(self) -> None:
        """Stop listening and remove the socket from the file system."""
        await super().stop()
        try:
            os.unlink(self._path)
        except OSError:
            pass  # later Pythons remove it themselves, and others may have put something there


class NamedPipeSite(BaseSite):
    """A named pipe, on Windows with its proactor event loop.

    Raises:
        RuntimeError: the loop has no named pipes.
    """

    __slots__ = ("_path",)

    def __init__(self, runner: SiteOwner, path: str, *, shutdown_timeout: float = _TIMEOUT) -> None:
        loop = asyncio.get_event_loop()
        if not hasattr(loop, "start_serving_pipe"):
            raise RuntimeError("Named Pipes only available in proactor loop under windows")
        super().__init__(runner, shutdown_timeout=shutdown_timeout)
        self._path = path

    @property
    def name(self) -> str:
        """The path of the pipe."""
        return self._path

    async def start(self) -> None:
        """Listen at the pipe."""
        await super().start()
        loop: Any = asyncio.get_running_loop()  # Any: only the proactor loop has this method
        servers = await loop.start_serving_pipe(self._runner.server, self._path)
        self._server = servers[0]


class SockSite(BaseSite):
    """A socket that was made and bound elsewhere; it is closed when the site stops."""

    __slots__ = ("_sock",)

    def __init__(
        self,
        runner: SiteOwner,
        sock: socket.socket,
        *,
        shutdown_timeout: float = _TIMEOUT,
        ssl_context: SSLContext | None = None,
        backlog: int = _BACKLOG,
    ) -> None:
        super().__init__(
            runner, shutdown_timeout=shutdown_timeout, ssl_context=ssl_context, backlog=backlog
        )
        self._sock = sock

    @property
    def name(self) -> str:
        """The socket's address as a URL."""
        address = self._sock.getsockname()
        if self._sock.family == getattr(socket, "AF_UNIX", None):
            return f"{self._scheme}://unix:{address}:"
        host, port = address[:2]
        return f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def start(self) -> None:
        """Listen at the socket."""
        await super().start()
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._factory,
                sock=self._sock,
                ssl=self._ssl_context,
                backlog=self._backlog,
            )
        except BaseException:
            self._runner._unreg_site(self)
            raise
