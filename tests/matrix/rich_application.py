"""The application of the matrix: all that aiohttp.web does, written against its names alone.

The same files make it of `aiohttp.web` and of `bascule.web`: what the first answers is what the
second is expected to answer, on every host.
"""

import asyncio
import contextvars
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .journal import JournalRoutes
from .rich_answers import AnswerRoutes
from .rich_files import FileRoutes
from .rich_requests import RequestRoutes
from .rich_sockets import SocketRoutes
from .rich_streams import StreamRoutes

__all__ = ["MAX_SIZE", "Settings", "make_application"]

# Bytes of a body that is read at once, so that a check can send more.
MAX_SIZE = 256 * 1024

_set_at_start: contextvars.ContextVar[str] = contextvars.ContextVar("set_at_start")


@dataclass(frozen=True)
class Settings:
    """What the harness decides about an application.

    Attributes:
        files: a directory of files to serve, see `site_files`.
        life: a file that gets a line for each step of the application's life.
        cancels: handlers are cancelled when their client leaves.
        has_domain: an application for a domain is inside; aiohttp takes none below a prefix.
    """

    files: Path
    life: Path
    cancels: bool = False
    has_domain: bool = True

    def to_environment(self) -> dict[str, str]:
        """Write it for a process that `from_environment` reads it in."""
        return {
            "MATRIX_FILES": str(self.files),
            "MATRIX_LIFE": str(self.life),
            "MATRIX_CANCELS": str(int(self.cancels)),
        }

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read what `to_environment` has written."""
        return cls(
            Path(os.environ["MATRIX_FILES"]),
            Path(os.environ["MATRIX_LIFE"]),
            cancels=os.environ["MATRIX_CANCELS"] == "1",
        )


# Any, here and in all modules of the application: `web` is aiohttp's or bascule's, and so are the
# requests and responses of its handlers.
def make_application(web: Any, settings: Settings) -> Any:
    """Make it of either module that has the names of `aiohttp.web`."""
    return _Maker(web, settings).make()


class _Maker:
    """Puts it together: life, middlewares, signals, routes, applications inside."""

    def __init__(self, web: Any, settings: Settings) -> None:
        self.web = web
        self.settings = settings
        self.steps = web.AppKey("steps", list)

    def make(self) -> Any:
        web = self.web
        app = web.Application(
            middlewares=[_middleware(web, self.mark), _middleware(web, self.map_lookup_errors)],
            client_max_size=MAX_SIZE,
            handler_args={"handler_cancellation": True} if self.settings.cancels else None,
        )
        journal = JournalRoutes(web)
        app.cleanup_ctx.extend([self.outer_context, journal.context, self.inner_context])
        app.on_startup.append(self.on_startup)
        app.on_shutdown.append(self.on_shutdown)
        app.on_cleanup.append(self.on_cleanup)
        app.on_response_prepare.append(self.on_response_prepare)
        for part in (RequestRoutes, AnswerRoutes, StreamRoutes, SocketRoutes):
            app.add_routes(part(web, journal).routes())
        app.add_routes(journal.routes())
        app.add_routes(FileRoutes(web, self.settings.files).routes())
        app.router.add_get("/life", self.life)
        app.add_subapp("/sub", self.make_inner())
        if self.settings.has_domain:
            app.add_domain("inner.test", self.make_domain())
        return app

    # -- applications inside

    def make_inner(self) -> Any:
        web = self.web
        normalize = web.normalize_path_middleware()
        inner = web.Application(middlewares=[_middleware(web, self.mark_inner), normalize])
        inner.on_response_prepare.append(self.on_inner_prepare)
        inner.router.add_get("/where/{id}/", self.where, name="where")
        inner.router.add_get("", self.where)
        return inner

    def make_domain(self) -> Any:
        domain = self.web.Application()
        domain.router.add_get("/where/{id}/", self.where)
        return domain

    async def where(self, request: Any) -> Any:
        """Tell which application answers, and what it and those around it hold."""
        return self.web.json_response(
            {
                "path": request.path,
                "match": dict(request.match_info),
                "has_steps_itself": self.steps in request.app,
                "has_steps_outside": self.steps in request.config_dict,
                "url": str(request.app.router["where"].url_for(id="a b"))
                if "where" in request.app.router
                else None,
            }
        )

    # -- life

    def note(self, step: str) -> None:
        with self.settings.life.open("a") as file:
            file.write(f"{step}\n")

    async def outer_context(self, app: Any) -> AsyncIterator[None]:
        app[self.steps] = ["outer"]
        self.note("enter outer")
        yield
        self.note("leave outer")

    async def inner_context(self, app: Any) -> AsyncIterator[None]:
        app[self.steps].append("inner")
        self.note("enter inner")
        task = asyncio.current_task()
        yield
        same = "the same task" if asyncio.current_task() is task else "another task"
        self.note(f"leave inner in {same}")

    async def on_startup(self, app: Any) -> None:
        _set_at_start.set("set at start")
        app[self.steps].append("startup")
        self.note("startup")

    async def on_shutdown(self, app: Any) -> None:
        self.note("shutdown")

    async def on_cleanup(self, app: Any) -> None:
        self.note("cleanup")

    async def life(self, request: Any) -> Any:
        """Tell what start-up did, and what it left in the context."""
        return self.web.json_response(
            {"steps": request.app[self.steps], "variable": _set_at_start.get("not set")}
        )

    # -- around handlers

    async def mark(self, request: Any, handler: Any) -> Any:
        request["marks"] = ["outer"]
        response = await handler(request)
        if not response.prepared:
            response.headers["X-Outer"] = ",".join(request["marks"])
        return response

    async def mark_inner(self, request: Any, handler: Any) -> Any:
        request["marks"].append("inner")
        response = await handler(request)
        response.headers["X-Inner"] = ",".join(request["marks"])
        return response

    async def map_lookup_errors(self, request: Any, handler: Any) -> Any:
        try:
            return await handler(request)
        except LookupError as exc:
            return self.web.json_response({"missing": exc.args[0]}, status=404)

    async def on_response_prepare(self, request: Any, response: Any) -> None:
        response.headers["X-Prepared"] = f"{request.method} {response.status}"

    async def on_inner_prepare(self, request: Any, response: Any) -> None:
        response.headers["X-Inner-Prepared"] = response.headers["X-Prepared"]


def _middleware(web: Any, method: Any) -> Any:
    """Make a middleware of a method, which cannot be marked as one."""

    @web.middleware  # type: ignore[untyped-decorator]  # of either module
    async def middleware(request: Any, handler: Any) -> Any:
        return await method(request, handler)

    return middleware
