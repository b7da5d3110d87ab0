"""Typed keys of the mappings that applications, requests and responses are."""

import inspect
import warnings
from typing import Any, Generic, TypeVar, get_args

from .deprecation import warn_deprecated

__all__ = [
    "AppKey",
    "BaseKey",
    "NotAppKeyWarning",
    "RequestKey",
    "ResponseKey",
    "warn_about_str",
    "warn_once_about_str",
]

_T = TypeVar("_T")
# Keys of requests and responses that were warned of; programs that make keys up would fill it.
_warned: set[tuple[str, object]] = set()
_MAX_WARNED = 1000
_CHAPTERS = {
    "AppKey": "application-s-config",
    "RequestKey": "request-s-storage",
    "ResponseKey": "response-s-storage",
}


class NotAppKeyWarning(UserWarning):
    """A plain string was used as a key of an application, a request or a response."""


warnings.filterwarnings("ignore", category=NotAppKeyWarning, append=True)


class BaseKey(Generic[_T]):
    """A key with the type of its value; equal to itself alone.

    Args:
        name: for people; the module that makes the key is put in front of it.
        t: type of the value, for people too.
    """

    __slots__ = ("__orig_class__", "_name", "_t")

    __orig_class__: type[object]

    def __init__(self, name: str, t: type[_T] | None = None) -> None:
        self._name = f"{_calling_module()}.{name}"
        self._t = t

    # Keys are ordered by name, and come before anything else, so that mappings with keys of all
    # kinds can be sorted.

    def __lt__(self, other: object) -> bool:
        return self._name < other._name if isinstance(other, BaseKey) else True

    def __le__(self, other: object) -> bool:
        return self is other or self < other

    def __gt__(self, other: object) -> bool:
        return self._name > other._name if isinstance(other, BaseKey) else False

    def __ge__(self, other: object) -> bool:
        return self is other or self > other

    def __repr__(self) -> str:
        t: Any = self._t  # Any: a type, or whatever stands between the brackets of AppKey[...]
        if t is None and (arguments := get_args(getattr(self, "__orig_class__", None))):
            t = arguments[0]
        return f"<{type(self).__name__}({self._name}, type={_describe(t)})>"


class AppKey(BaseKey[_T]):
    """A typed key of an application's mapping."""

    __slots__ = ()


class RequestKey(BaseKey[_T]):
    """A typed key of a request's mapping."""

    __slots__ = ()


class ResponseKey(BaseKey[_T]):
    """A typed key of a response's mapping."""

    __slots__ = ()


def warn_about_str(kind: str) -> None:
    """Warn, at the line of the application, that a typed key is preferred to a string."""
    warn_deprecated(
        f"It is recommended to use web.{kind} instances for keys.\n"
        f"https://docs.aiohttp.org/en/stable/web_advanced.html#{_CHAPTERS[kind]}",
        NotAppKeyWarning,
    )


def warn_once_about_str(kind: str, key: object) -> None:
    """Warn the first time that a program uses a key, as aiohttp does for requests and responses,
    which are many."""
    if (kind, key) not in _warned and len(_warned) < _MAX_WARNED:
        _warned.add((kind, key))
        warn_about_str(kind)


def _describe(t: Any) -> str:  # Any: as above
    if t is None:
        return "<<Unknown>>"
    if isinstance(t, type):
        return t.__qualname__ if t.__module__ == "builtins" else f"{t.__module__}.{t.__qualname__}"
    return repr(t)


def _calling_module() -> str:
    """Name the module of the nearest frame at module level, as aiohttp does."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            return str(frame.f_globals["__name__"])
        frame = frame.f_back
    return ""
