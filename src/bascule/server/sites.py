"""Where a server listens: TCP, a Unix socket, a named pipe, a socket that is bound already."""

import asyncio
import os
import socket
import warnings
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from ssl import SSLContext
from typing import Any, Protocol, TypeVar

from .accepting import Listener, listen
from .bind_errors import add_reason
from .server import ConnectionSet

__all__ = ["BaseSite", "NamedPipeSite", "SiteOwner", "SockSite", "TCPSite", "UnixSite"]

_BACKLOG = 128
# What aiohttp takes for not given.
_TIMEOUT = 60.0
# What asyncio gets to end the creation of a server that nobody waits for any more.
_CREATION = 1.0

_ServerT = TypeVar("_ServerT")


class SiteOwner(Protocol):
    """What a site needs of its runner."""

    @property
    def server(self) -> ConnectionSet | None:
        """What makes protocols; None before the runner was set up."""

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
        TypeError: `ssl_context` is none.
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
        if ssl_context is not None and not hasattr(ssl_context, "wrap_bio"):
            raise TypeError(
                f"ssl_context should be an ssl.SSLContext or None, got {ssl_context!r:.200}; "
                "certificate files go into one with its load_cert_chain()"
            )
        self._runner = runner
        self._ssl_context = ssl_context
        self._backlog = backlog
        self._server: asyncio.AbstractServer | Listener | None = None

    @property
    @abstractmethod
    def name(self) -> str:
        """The address as a URL, real port included once started."""

    @abstractmethod
    async def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: it was started before, or its runner was cleaned up.
            OSError: the address is taken or not allowed; a note says more.
        """
        if self._runner.server is None:
            raise RuntimeError("Call runner.setup() before starting a site")
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
    def _factory(self) -> ConnectionSet:
        """What makes the protocol of a connection: the server itself, not by way of the runner,
        since the loop may still hand over a connection when the runner has let go of it."""
        server = self._runner.server
        assert server is not None  # `start` has looked
        return server

    async def _open(
        self,
        creating: Coroutine[Any, Any, asyncio.AbstractServer],
        where: Any,  # Any: as `add_reason` takes it
    ) -> None:
        """Keep the server that is being created; a failure leaves the site as it was."""
        listening = listen(
            creating, self._factory, ssl_context=self._ssl_context, backlog=self._backlog
        )
        try:
            server = await _outlive(listening)
        except BaseException as exc:
            if self._is_registered():
                self._runner._unreg_site(self)
            if isinstance(exc, Exception):
                add_reason(exc, self.name, where)
            raise
        if not self._is_registered():
            server.close()
            raise RuntimeError(f"{self.name} was stopped while it started")
        self._server = server

    def _is_registered(self) -> bool:
        """Whether nobody has stopped it, or its runner, meanwhile."""
        try:
            self._runner._check_site(self)
        except RuntimeError:
            return False
        return True

    async def _stop_accepting(self) -> None:
        """Take in the connections that the system has established, and close behind that: a
        client whose connect has returned may have sent its request."""
        if isinstance(self._server, Listener):
            self._server.take_in()

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

    Raises:
        TypeError: the port is no number.
        OverflowError: it is none of 0 to 65535.
    """

    __slots__ = ("_host", "_last_port", "_port", "_reuse_address", "_reuse_port")

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
        _check_port(self._port)
        self._last_port = self._port
        self._reuse_address = reuse_address
        self._reuse_port = reuse_port

    @property
    def port(self) -> int:
        """The port; the real one once started, also behind the stop."""
        sockets = self._sockets()
        return int(sockets[0].getsockname()[1]) if sockets else self._last_port

    @property
    def name(self) -> str:
        """Such as ``http://0.0.0.0:8080``."""
        host = self._host or "0.0.0.0"
        host = f"[{host}]" if ":" in host else host
        return f"{self._scheme}://{host}:{self.port}"

    async def start(self) -> None:
        """Bind and listen."""
        await super().start()
        await self._open(
            asyncio.get_running_loop().create_server(
                self._factory,
                self._host,
                self._port,
                ssl=self._ssl_context,
                backlog=self._backlog,
                reuse_address=self._reuse_address,
                reuse_port=self._reuse_port,
                start_serving=False,
            ),
            (self._host, self._port),
        )
        self._last_port = self.port


class UnixSite(BaseSite):
    """A Unix domain socket at a path, which is removed when the site stops.

    Args:
        runner: as `BaseSite` takes it, and what is not named here.
        path: of the socket; a stale one there is replaced.
        mode: permissions of the socket, such as 0o660; None leaves them to the umask. aiohttp has
            no such parameter.

    Raises:
        TypeError: `path` is none, or `mode`.
    """

    __slots__ = ("_inode", "_mode", "_path")

    def __init__(
        self,
        runner: SiteOwner,
        path: str | os.PathLike[str],
        *,
        shutdown_timeout: float = _TIMEOUT,
        ssl_context: SSLContext | None = None,
        backlog: int = _BACKLOG,
        mode: int | None = None,
    ) -> None:
        super().__init__(
            runner, shutdown_timeout=shutdown_timeout, ssl_context=ssl_context, backlog=backlog
        )
        if not isinstance(path, str | bytes | os.PathLike):
            raise TypeError(f"path should be a str or an os.PathLike, got {path!r:.200}")
        if mode is not None and not isinstance(mode, int):
            raise TypeError(f"mode should be an int such as 0o660, got {mode!r:.200}")
        self._path = path
        self._mode = mode
        self._inode: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """Such as ``http://unix:/run/app.sock:``."""
        return f"{self._scheme}://unix:{self._path}:"

    async def start(self) -> None:
        """Bind and listen; a stale socket at the path is replaced.

        Raises:
            OSError: the path is taken or cannot be bound, or its permissions not be set.
        """
        await super().start()
        await self._open(
            asyncio.get_running_loop().create_unix_server(
                self._factory,
                self._path,
                ssl=self._ssl_context,
                backlog=self._backlog,
                start_serving=False,
            ),
            self._path,
        )
        self._inode = _read_inode(self._path)
        if self._mode is not None:
            os.chmod(self._path, self._mode)

    async def stop(self) -> None:
        """Stop listening, and remove the socket from the file system, if it is still ours."""
        await super().stop()
        if self._inode is not None and _read_inode(self._path) == self._inode:
            try:
                os.unlink(self._path)
            except OSError:
                pass  # it may have lost the right to, since; the next server replaces the file


def _read_inode(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Tell one file from another at the same path; None where there is none."""
    try:
        facts = os.stat(path, follow_symlinks=False)
    except (OSError, ValueError):  # ValueError: an abstract socket's name begins with NUL
        return None
    return facts.st_dev, facts.st_ino


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
        await self._open(self._create_pipe(), self._path)

    async def _create_pipe(self) -> asyncio.AbstractServer:
        loop: Any = asyncio.get_running_loop()  # Any: only the proactor loop has this method
        servers: list[asyncio.AbstractServer] = await loop.start_serving_pipe(
            self._factory, self._path
        )
        return servers[0]


class SockSite(BaseSite):
    """A socket that was made and bound elsewhere; it is closed when the site stops.

    Raises:
        TypeError: `sock` is no socket.
    """

    __slots__ = ("_name", "_sock")

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
        if not hasattr(sock, "getsockname"):
            raise TypeError(f"sock should be a socket.socket, got {sock!r:.200}")
        self._sock = sock
        self._name = self._make_name()

    @property
    def name(self) -> str:
        """The socket's address as a URL."""
        return self._name

    def _make_name(self) -> str:
        address = self._sock.getsockname()
        if self._sock.family == getattr(socket, "AF_UNIX", None):
            return f"{self._scheme}://unix:{address}:"
        host, port = address[:2]
        return f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def start(self) -> None:
        """Listen at the socket."""
        await super().start()
        address = self._sock.getsockname()
        await self._open(
            asyncio.get_running_loop().create_server(
                self._factory,
                sock=self._sock,
                ssl=self._ssl_context,
                backlog=self._backlog,
                start_serving=False,
            ),
            address[:2] if isinstance(address, tuple) else address,
        )


async def _outlive(creating: Coroutine[Any, Any, _ServerT]) -> _ServerT:
    """Await the creation of a server; cancelled, leave none behind.

    asyncio yields once behind the creation, and forgets a server whose creator is cancelled there,
    though it listens (seen on 3.11). So the creation is let come to its end, and what it made is
    closed.
    """
    task = asyncio.ensure_future(creating)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_close_created)
        try:
            await asyncio.wait([task], timeout=_CREATION)
        finally:
            task.cancel()
        raise


def _close_created(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _check_port(port: Any) -> None:  # Any: whatever a user gives
    """Refuse what is no port: the system would take 70000 for 4464, and 80.5 for 80.

    Raises:
        TypeError: it is no number; strings are left to the system, as with aiohttp.
        OverflowError: it is none of 0 to 65535.
    """
    if isinstance(port, str | bytes):
        return
    if not hasattr(port, "__index__"):
        raise TypeError(f"port should be an int from 0 to 65535, got {port!r:.200}")
    if not 0 <= port <= 65535:
        raise OverflowError(f"port should be an int from 0 to 65535, got {port!r:.200}")
