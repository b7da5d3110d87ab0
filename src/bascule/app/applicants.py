"""Objects that are handed over to be served, and what is said of those that cannot be."""

from typing import Any

from ..asgi.shapes import find_asgi_mistake
from .application import Application

__all__ = ["check_application"]


def check_application(app: Any) -> None:  # Any: whatever a user hands over
    """Refuse what is neither a native application nor an ASGI one.

    Raises:
        TypeError: the text says what it is, and what was meant perhaps.
    """
    hint = _find_mistake(app)
    if hint is not None:
        # The text begins as aiohttp's does.
        raise TypeError(
            "The first argument should be web.Application instance or an ASGI application, "
            f"got {app!r:.200}{hint}"
        )


def _find_mistake(app: Any) -> str | None:
    """Say what is wrong with it; None when nothing is."""
    if isinstance(app, type) and issubclass(app, Application):
        return ", the class itself; call it"
    return find_asgi_mistake(app)
