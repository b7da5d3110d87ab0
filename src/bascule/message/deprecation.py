"""Warnings that point at the line of the application, however deep the library is in a call."""

import sys
import warnings

__all__ = ["warn_deprecated"]

_PACKAGE = __name__.partition(".")[0]
# What stands between an application and the library: the methods of mappings, making a class.
_BETWEEN = frozenset({"abc", "collections.abc"})


def warn_deprecated(message: str, category: type[Warning] = DeprecationWarning) -> None:
    """Warn at the nearest line that is not the library's own."""
    frame = sys._getframe(1)
    level = 2
    while frame.f_back is not None and _is_own(str(frame.f_globals.get("__name__", ""))):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def _is_own(module: str) -> bool:
    return module in _BETWEEN or module == _PACKAGE or module.startswith(f"{_PACKAGE}.")
