"""The application: routes, middlewares, limits and the life of the storage."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

from bascule import web

from . import api, views
from .drafts import MAX_FILE_SIZE, MAX_TEXT_SIZE
from .middlewares import readable_errors, security_headers
from .storage import STORAGE, Storage

__all__ = ["create_app"]

# Title, part heads and boundaries of a form, or the escapes of a JSON document.
_FORM_OVERHEAD = 64 * 1024


def create_app(database: Path | str) -> web.Application:
    """Make a board.

    Args:
        database: the SQLite file that keeps the pastes, made when missing, or ``":memory:"``.
    """
    app = web.Application(
        middlewares=[security_headers, readable_errors],
        client_max_size=MAX_TEXT_SIZE + MAX_FILE_SIZE + _FORM_OVERHEAD,
    )
    app.add_routes(views.routes)
    app.add_routes(api.routes)
    app.cleanup_ctx.append(_storage_context(database))
    return app


def _storage_context(database: Path | str) -> Callable[[web.Application], AsyncIterator[None]]:
    """Open the storage when the application starts, close it when it ends."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        storage = app[STORAGE] = await Storage.open(database)
        yield
        await storage.close()

    return context
