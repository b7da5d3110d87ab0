"""Programs that end: by an error or a signal somewhere, or with a client connected."""

import asyncio
import contextvars
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

from .steps import note, raise_error

__all__ = ["end", "flight"]

_CONTEXT: contextvars.ContextVar[str] = contextvars.ContextVar("CONTEXT", default="nothing")


def end(web: Any, case: dict[str, Any]) -> None:
    """Run an application that ends by an error or a signal somewhere; say every step."""
    errors = {
        "GracefulExit": web.GracefulExit,
        "KeyboardInterrupt": KeyboardInterrupt,
        "SystemExit": lambda: SystemExit(3),
        "ValueError": lambda: ValueError("found"),
        "CancelledError": asyncio.CancelledError,
        "SIGINT": lambda: os.kill(os.getpid(), signal.SIGINT),
        "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
    }

    def act(place: str) -> None:
        note(place)
        if case["place"] == place:
            raised = errors[case["error"].partition(" ")[0]]()
            if raised is not None:
                raise raised

    def announce(text: str) -> None:
        found = re.search(r"http://(\S+)", text)
        case["address"] = found[1] if found else ""
        act("print")
        running.set()

    running = asyncio.Event()
    app: Any = _make_app(web, case, act, running)
    options: dict[str, Any] = {"handle_signals": not case["error"].endswith("untaken")}
    loop = None
    if case["loop"] != "none":
        loop = options["loop"] = asyncio.new_event_loop()
        loop.set_debug(case["loop"] == "debug")
        loop.set_exception_handler(_tell_context)
    if case["app"] == "coroutine":
        app = _give(app, act)
    try:
        web.run_app(app, host="127.0.0.1", port=0, print=announce, access_log=None, **options)
    finally:
        _tell_what_is_left(loop)
    note("quiet end")


async def _give(app: Any, act: Callable[[str], None]) -> Any:
    _CONTEXT.set("set while it was made")
    act("make")
    return app


def _tell_context(loop: Any, context: dict[str, Any]) -> None:
    note("exception handler:", context["message"], repr(context.get("exception")))


def _tell_what_is_left(loop: asyncio.AbstractEventLoop | None) -> None:
    if loop is not None:
        note("loop closed:", loop.is_closed())
    try:
        left = asyncio.get_event_loop_policy().get_event_loop()
        note("there is a loop, closed:", left.is_closed(), "the one given:", left is loop)
    except RuntimeError:
        note("there is no loop")
    note(*(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)))


def _make_app(web: Any, case: dict[str, Any], act: Callable[[str], None], running: Any) -> Any:
    app = web.Application()
    tasks: list[asyncio.Task[None]] = []

    def receiver(place: str) -> Any:
        async def receive(app: Any) -> None:
            note("context:", _CONTEXT.get())
            act(place)

        return receive

    async def context(app: Any) -> AsyncIterator[None]:
        act("enter")
        yield
        act("leave")

    async def start(app: Any) -> None:
        _CONTEXT.set(_CONTEXT.get() + ", at start-up")
        asyncio.get_running_loop().set_exception_handler(_tell_context)
        tasks.extend(_start_tasks(web, case, act, running))

    async def handle(request: Any) -> Any:
        act("handler")
        return web.Response(text="whole")

    app.router.add_get("/", handle)
    app.cleanup_ctx.append(context)
    app.on_startup.append(start)
    for place in ("startup", "shutdown", "cleanup"):
        getattr(app, f"on_{place}").append(receiver(place))
    return app


def _start_tasks(
    web: Any, case: dict[str, Any], act: Callable[[str], None], running: asyncio.Event
) -> list[asyncio.Task[None]]:
    """Start what works beside the server: what ends it, and what is left over at the end."""
    loop = asyncio.get_running_loop()
    made: list[asyncio.Task[None]] = []

    async def trigger() -> None:
        await running.wait()
        if case["place"] == "handler":
            await _ask(case["address"])
        elif case["place"] == "callback":
            loop.call_soon(act, "callback")
        elif case["place"] == "task":
            made.append(loop.create_task(work()))
        if _goes_on(case):
            loop.call_soon(raise_error, web.GracefulExit())

    async def work() -> None:
        act("task")

    async def leftover() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            note("left-over task is cancelled")
            if case["leftover"] == "failing":
                raise KeyError("of the left-over task")

    made.append(loop.create_task(trigger()))
    if case["leftover"] != "none":
        made.append(loop.create_task(leftover()))
    return made


def _goes_on(case: dict[str, Any]) -> bool:
    """Say whether the program is still serving behind what happens to it."""
    if case["place"] in ("task", "callback", "handler"):
        return case["error"] in ("ValueError", "CancelledError")
    return case["place"] in ("shutdown", "leave", "cleanup", "make")


async def _ask(address: str) -> None:
    """Send a request, and say what came."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        note("answer:", answer.partition(b"\r\n")[0].decode())
    finally:
        writer.close()


# -- clean-up with a client connected


def flight(web: Any, case: dict[str, Any]) -> None:
    """Clean a runner up while a client is connected; say what becomes of the two."""
    asyncio.run(_Flight(web, case).fly())


class _Flight:
    """A runner, and a client of its own loop."""

    def __init__(self, web: Any, case: dict[str, Any]) -> None:
        self.web = web
        self.case = case
        self.entered, self.released = asyncio.Event(), asyncio.Event()
        self.address: Any = None
        self.writer: Any = None

    async def fly(self) -> None:
        """Set up, connect, and clean up."""
        app = self.web.Application()
        app.router.add_route("*", "/", self.handle)
        app.on_shutdown.append(self.shut_down)
        app.on_cleanup.append(self.clean_up)
        timeout = 0.1 if self.case["handler"] != "released" else 1.0
        runner = self.web.AppRunner(app, access_log=None, shutdown_timeout=timeout)
        await runner.setup()
        site = self.web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.address = runner.addresses[0]
        reader, self.writer = await asyncio.open_connection(*self.address)
        await self.send(reader, self.writer)
        if self.case["ends"] == "site first":
            await site.stop()
        await runner.cleanup()
        note("received:", (await _read_rest(reader)).partition(b"\r\n")[0])
        self.writer.close()

    async def send(self, reader: Any, writer: Any) -> None:
        """Let the client send what it does before the clean-up."""
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
        sent = self.case["sent"]
        if sent == "idle":
            writer.write(head + b"body")
            await reader.readuntil(b"whole")
            note("first answer is here")
        elif sent == "half a head":
            writer.write(head[:20])
        elif sent != "nothing":
            writer.write(head + (b"body" if sent == "all" else b"bo"))
            await self.entered.wait()

    async def handle(self, request: Any) -> Any:
        """Answer when the application shuts down, or not."""
        self.entered.set()
        handler = self.case["handler"]
        try:
            await request.read()
            if self.case["sent"] == "idle":
                return self.web.Response(text="whole")
            await (asyncio.Event() if handler != "released" else self.released).wait()
        except asyncio.CancelledError:
            note("handler is cancelled")
            if handler == "never":
                raise
        return self.web.Response(text="whole")

    async def shut_down(self, app: Any) -> None:
        """Try to connect, and let the request and its handler come to their end."""
        try:
            _, writer = await asyncio.open_connection(*self.address)
            writer.close()
            note("shutdown: connected")
        except OSError as exc:
            note("shutdown:", type(exc).__name__)
        if self.case["sent"] == "half a body" and self.case["handler"] == "released":
            self.writer.write(b"dy")
        self.released.set()

    async def clean_up(self, app: Any) -> None:
        """Say that it is time."""
        note("cleanup")


async def _read_rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b"reset"
