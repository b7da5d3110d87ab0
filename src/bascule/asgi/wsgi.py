"""WSGI applications as ASGI ones: called in threads, of which there are only so many."""

import contextvars
import inspect
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .guest_call import Receive, Send
from .shapes import takes
from .wsgi_call import WsgiCall

__all__ = ["WsgiBridge", "wsgi"]

# Any: PEP 3333 leaves the types of both to its readers.
WsgiApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]


def wsgi(app: WsgiApplication, *, threads: int = 16) -> "WsgiBridge":
    """Make an ASGI application of a WSGI one, such as those of Flask and Django.

    It can be mounted in a native one, ``app.mount("/old", bascule.wsgi(flask_app))``, or be served
    alone: ``web.run_app(bascule.wsgi(flask_app))``, or ``python -m bascule module:name`` where the
    module has ``name = bascule.wsgi(flask_app)``, or by any ASGI host.

    Bodies are streamed both ways, each side waiting for the other. A call of the application has a
    thread until its response is sent; a client that reads slowly, or a stream without an end, keeps
    one, so there should be more of them than such clients. A call that does not end keeps the
    process from ending, since Python waits for its threads. Calls that wait for a thread wait in
    order, as many as there are connections; one whose client leaves meanwhile is not made.

    Args:
        app: to be called.
        threads: most calls at a time, 16 unless said otherwise.

    Raises:
        TypeError: it is no WSGI application.
        ValueError: no thread is allowed.
    """
    mistake = _find_mistake(app)
    if mistake is not None:
        raise TypeError(f"The application should be a WSGI one, got {app!r:.200}{mistake}")
    if isinstance(threads, bool) or not isinstance(threads, int):
        raise TypeError(f"threads should be int, got {threads!r:.200}")
    if threads < 1:
        raise ValueError(f"threads should be 1 or more, got {threads!r}")
    return WsgiBridge(app, threads)


def _find_mistake(app: Any) -> str | None:  # Any: whatever a user hands over
    if not callable(app):
        return ""
    if inspect.iscoroutinefunction(app) or (
        inspect.iscoroutinefunction(getattr(app, "__call__", None))  # noqa: B004
        and not isinstance(app, type)
    ):
        return ", which is asynchronous; if it is an ASGI application, it needs no bridge"
    if takes(app, ("environ", "start_response")):
        return None
    if takes(app, ()):
        return ", which takes no arguments; if it makes an application, call it"
    return ", which takes other arguments than (environ, start_response)"


class WsgiBridge:
    """An ASGI application that calls a WSGI one in threads.

    The threads are begun when there are requests for them, and end with the host's lifespan; where
    there is none they end with the process. It may be served again behind that, by other loops too.

    Args:
        app: to be called.
        threads: most calls at a time.
    """

    def __init__(self, app: WsgiApplication, threads: int) -> None:
        self._app = app
        self._threads = threads
        self._executor: ThreadPoolExecutor | None = None
        # Calls that wait for a thread, or have one.
        self._works: set[Future[None]] = set()
        # Hosts whose lifespan has begun: it may be mounted in several places.
        self._lives = 0

    @property
    def application(self) -> WsgiApplication:
        """What it calls."""
        return self._app

    def __repr__(self) -> str:
        return f"wsgi({self._app!r:.200}, threads={self._threads})"

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a call of an ASGI host.

        A WebSocket is refused: WSGI has none.

        Raises:
            RuntimeError: the scope is of another type.
            Exception: what the application has raised.
        """
        kind = scope["type"]
        if kind == "http":
            await self._answer(scope, receive, send)
        elif kind == "lifespan":
            await self._live(receive, send)
        elif kind == "websocket":
            await receive()
            await send({"type": "websocket.close"})
        else:
            raise RuntimeError(f"ASGI scope type {kind!r} is not supported")

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="bascule-wsgi")
        is_queued = len(self._works) >= self._threads
        call = WsgiCall(
            self._app, scope, receive, send, is_threaded=self._threads > 1, is_queued=is_queued
        )
        # The thread sees the context variables of what stands around this call.
        run = contextvars.copy_context().run
        work = self._executor.submit(run, call.work)
        self._works.add(work)
        work.add_done_callback(self._works.discard)
        await call.attend(work)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Answer a lifespan; the application has none, but the threads have."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._lives += 1
                await send({"type": "lifespan.startup.complete"})
            else:
                self._lives -= 1
                if not self._lives:
                    self._end_threads()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _end_threads(self) -> None:
        """Let the threads end; one that is still in a call does so behind that."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)
