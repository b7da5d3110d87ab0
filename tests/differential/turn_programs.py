"""Programs that take turns of a runner and of sites, in any order."""

import asyncio
import socket
from pathlib import Path
from typing import Any

from .steps import make_socket, note

__all__ = ["turns"]


def turns(web: Any, case: dict[str, Any]) -> None:
    """Take turns of a runner and a site; say what each raises, and what there is behind it."""

    async def live() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            await _Turns(web, case, taken).take()

    asyncio.run(live())


class _Turns:
    """A runner and a site, and what is done with them."""

    def __init__(self, web: Any, case: dict[str, Any], taken: socket.socket) -> None:
        self.web = web
        self.case = case
        self.taken = taken
        self.runner = self.make_runner()
        self.site: Any = None
        self.opened: list[socket.socket] = []

    def make_runner(self) -> Any:
        """Make the runner, of an application that says what it is told."""
        web = self.web

        async def answer(request: Any) -> Any:
            return web.Response()

        def receiver(what: str) -> Any:
            async def receive(app: Any) -> None:
                note(what)

            return receive

        if self.case["runner"] == "server":
            return web.ServerRunner(web.Server(answer))
        app = web.Application()
        for what in ("startup", "shutdown", "cleanup"):
            getattr(app, f"on_{what}").append(receiver(f"on_{what}"))
        return web.AppRunner(app)

    async def take(self) -> None:
        """Take the turns, and clean up."""
        for turn in [*self.case["before"], self.case["first"], self.case["then"], "cleanup"]:
            try:
                await getattr(self, turn)()
                told = ""
            except Exception as exc:
                told = f"{type(exc).__name__}: {exc}"
            note(f"{turn} -> {told}")
            runner = self.runner
            there = len(runner.sites), len(runner.addresses), runner.server is not None
            note(*there, Path("s.sock").exists())
        for sock in self.opened:
            sock.close()

    async def nothing(self) -> None:
        """Do nothing."""

    async def setup(self) -> None:
        """Start what is served."""
        await self.runner.setup()

    async def make(self) -> None:
        """Make another site."""
        web, kind = self.web, self.case["site"]
        if kind == "tcp":
            self.site = web.TCPSite(self.runner, "127.0.0.1", 0)
        elif kind == "taken":
            self.site = web.TCPSite(self.runner, "127.0.0.1", self.taken.getsockname()[1])
        elif kind == "unix":
            self.site = web.UnixSite(self.runner, "s.sock")
        else:
            self.opened.append(make_socket("tcp"))
            make = web.SockSite if kind == "sock" else _define_site(web)
            self.site = make(self.runner, self.opened[-1])

    async def start(self) -> None:
        """Start the last site."""
        if self.site is not None:
            await self.site.start()

    async def stop(self) -> None:
        """Stop the last site."""
        if self.site is not None:
            await self.site.stop()

    async def shutdown(self) -> None:
        """Tell what is served that the end is near."""
        await self.runner.shutdown()

    async def cleanup(self) -> None:
        """Clean up."""
        await self.runner.cleanup()


def _define_site(web: Any) -> Any:
    """Define a site as users do: it makes the server itself."""

    class Site(web.BaseSite):  # type: ignore[misc]  # of either implementation
        def __init__(self, runner: Any, sock: socket.socket) -> None:
            super().__init__(runner)
            self._sock = sock

        @property
        def name(self) -> str:
            return "a user's"

        async def start(self) -> None:
            await super().start()
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._runner.server, sock=self._sock)

    return Site
