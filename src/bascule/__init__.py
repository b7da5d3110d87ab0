"""aiohttp.web applications on their own server and under any ASGI host, and ASGI applications too.

Nothing is imported before it is asked for, so that the command line and the pytest plugin load
only what they need.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import payload as payload
    from . import web as web
    from .app.serving import serve as serve
    from .asgi.wsgi import wsgi as wsgi
    from .message.keys import AppKey as AppKey
    from .message.multipart import MultipartReader as MultipartReader
    from .message.multipart_writer import MultipartWriter as MultipartWriter
    from .message.parts import BodyPartReader as BodyPartReader
    from .message.websocket import WSMessageTypeError as WSMessageTypeError
    from .wire import hdrs as hdrs
    from .wire.frames import WebSocketError as WebSocketError
    from .wire.frames import WSCloseCode as WSCloseCode
    from .wire.frames import WSMessage as WSMessage
    from .wire.frames import WSMsgType as WSMsgType

__all__ = [
    "AppKey",
    "BodyPartReader",
    "MultipartReader",
    "MultipartWriter",
    "WSCloseCode",
    "WSMessage",
    "WSMessageTypeError",
    "WSMsgType",
    "WebSocketError",
    "__version__",
    "hdrs",
    "payload",
    "serve",
    "web",
    "wsgi",
]

_MODULES = {
    "web": "bascule.web",
    "hdrs": "bascule.wire.hdrs",
    "payload": "bascule.payload",
}
_HOMES = {
    "serve": "bascule.app.serving",
    "wsgi": "bascule.asgi.wsgi",
    "BodyPartReader": "bascule.message.parts",
    "MultipartReader": "bascule.message.multipart",
    "MultipartWriter": "bascule.message.multipart_writer",
    "WSCloseCode": "bascule.wire.frames",
    "WSMessage": "bascule.wire.frames",
    "WSMessageTypeError": "bascule.message.websocket",
    "WSMsgType": "bascule.wire.frames",
    "WebSocketError": "bascule.wire.frames",
}


def __getattr__(name: str) -> Any:  # Any: a module or a class (PEP 562)
    from importlib import import_module

    if name in _MODULES:
        return import_module(_MODULES[name])
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, "bascule.web")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
