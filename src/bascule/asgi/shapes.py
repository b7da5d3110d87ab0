"""What others' applications look like from outside: how they are called."""

import inspect
from types import ModuleType
from typing import Any

__all__ = ["find_asgi_mistake", "takes"]

_ASGI_3 = ("scope", "receive", "send")
_ASGI_2 = ("scope",)
_WSGI = ("environ", "start_response")


def find_asgi_mistake(app: Any) -> str | None:  # Any: whatever a user hands over
    """Say what is wrong with an object that should be an ASGI application, as the end of a
    sentence that names it; None when nothing is."""
    if isinstance(app, ModuleType):
        return ", a module; name the application in it"
    if inspect.isawaitable(app):
        return ", which is to be awaited first"
    if not callable(app):
        return ""
    if takes(app, _ASGI_3):
        return None
    if takes(app, _ASGI_2) and not inspect.iscoroutinefunction(app):
        return None
    if takes(app, ()):
        return ", which takes no scope; if it makes an application, call it"
    if takes(app, _WSGI) and not inspect.iscoroutinefunction(app):
        return ", which takes two arguments; if it is a WSGI application, use bascule.wsgi() on it"
    return ", which takes other arguments than (scope, receive, send)"


def takes(function: Any, names: tuple[str, ...]) -> bool:  # Any: a callable
    """Say whether it can be called with so many arguments; yes, where nothing is known."""
    try:
        signature = inspect.signature(function)
    except TypeError:  # its class keeps `__call__` in a slot, as Sentry's middleware does
        return takes(function.__call__, names)
    except ValueError:  # it is written in C, and does not say
        return True
    try:
        signature.bind(*names)
    except TypeError:
        return False
    return True
