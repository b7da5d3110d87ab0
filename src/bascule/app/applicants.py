"""Objects that are handed over to be served, and what is said of those that cannot be."""

import inspect
from types import ModuleType
from typing import Any

from .application import Application

__all__ = ["check_application"]

_ASGI_3 = ("scope", "receive", "send")
_ASGI_2 = ("scope",)


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
    if isinstance(app, Application):
        return None
    if isinstance(app, type) and issubclass(app, Application):
        return ", the class itself; call it"
    if isinstance(app, ModuleType):
        return ", a module; name the application in it"
    if inspect.isawaitable(app):
        return ", which is to be awaited first"
    if not callable(app):
        return ""
    if _takes(app, _ASGI_3):
        return None
    if _takes(app, _ASGI_2) and not inspect.iscoroutinefunction(app):
        return None
    if _takes(app, ()):
        return ", which takes no scope; if it makes an application, call it"
    return ", which takes other arguments than (scope, receive, send)"


def _takes(function: Any, names: tuple[str, ...]) -> bool:
    """Say whether it can be called with so many arguments; yes, where nothing is known."""
    try:
        inspect.signature(function).bind(*names)
    except TypeError:
        return False
    except ValueError:  # it is written in C, and does not say
        return True
    return True
