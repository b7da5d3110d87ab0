"""The abstract classes of ``aiohttp.abc`` that applications and their tools build on."""

from .app.access import AbstractAccessLogger, AbstractAsyncAccessLogger
from .message.writer import AbstractStreamWriter
from .routing.abstract import AbstractMatchInfo, AbstractRouter, AbstractView

__all__ = [
    "AbstractAccessLogger",
    "AbstractAsyncAccessLogger",
    "AbstractMatchInfo",
    "AbstractRouter",
    "AbstractStreamWriter",
    "AbstractView",
]
