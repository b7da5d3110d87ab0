"""One small application, written for six frameworks: what a test expects of each is the same.

Each module has a function ``make(log)`` for an ASGI application with these routes, and is imported
by those that need it, as some frameworks take their time.

- ``POST /json`` gives the sum of ``a`` and ``b``, what its start has left, and its URL, as JSON;
- ``POST /upload`` gives name and size of the file in the form's field ``file``;
- ``GET /stream`` gives three lines one by one;
- ``/ws`` is a WebSocket that gives back text in capitals and bytes reversed.

An application with a lifespan writes ``up`` and ``down`` into the log.
"""

from importlib import import_module
from typing import Any

__all__ = ["FRAMEWORKS", "has", "make"]

# Where each is made, and what it has beyond the rest.
_BOTH = {"websocket", "lifespan"}
FRAMEWORKS: dict[str, tuple[str, str, set[str]]] = {
    "django": ("of_django", "make", set()),
    "django-wsgi": ("of_django", "make_wsgi", set()),
    "falcon": ("of_falcon", "make", _BOTH),
    "fastapi": ("of_fastapi", "make", _BOTH),
    "flask": ("of_flask", "make", set()),
    "litestar": ("of_litestar", "make", _BOTH),
    "quart": ("of_quart", "make", _BOTH),
}


def make(framework: str, log: list[str]) -> Any:
    """Make the application of a framework."""
    module, function, _ = FRAMEWORKS[framework]
    return getattr(import_module(f"support.frameworks.{module}"), function)(log)


def has(framework: str, feature: str) -> bool:
    """Say whether it has ``websocket``, or ``lifespan``."""
    return feature in FRAMEWORKS[framework][2]
