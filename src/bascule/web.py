"""The names of ``aiohttp.web``, served by bascule.

What not every program uses is imported when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from .app.access import AbstractAccessLogger, AbstractAsyncAccessLogger, AccessLogger
from .app.application import Application, Handler, Middleware, Request
from .app.protocol import RequestHandler, Server, access_logger
from .app.run import run_app
from .app.runners import AppRunner, BaseRunner, GracefulExit, ServerRunner
from .app.signals import CleanupError
from .exchange import ClientConnectionResetError
from .message.exceptions import (
    HTTPAccepted,
    HTTPBadGateway,
    HTTPBadRequest,
    HTTPClientError,
    HTTPConflict,
    HTTPCreated,
    HTTPError,
    HTTPException,
    HTTPExpectationFailed,
    HTTPFailedDependency,
    HTTPForbidden,
    HTTPFound,
    HTTPGatewayTimeout,
    HTTPGone,
    HTTPInsufficientStorage,
    HTTPInternalServerError,
    HTTPLengthRequired,
    HTTPMethodNotAllowed,
    HTTPMisdirectedRequest,
    HTTPMove,
    HTTPMovedPermanently,
    HTTPMultipleChoices,
    HTTPNetworkAuthenticationRequired,
    HTTPNoContent,
    HTTPNonAuthoritativeInformation,
    HTTPNotAcceptable,
    HTTPNotExtended,
    HTTPNotFound,
    HTTPNotImplemented,
    HTTPNotModified,
    HTTPOk,
    HTTPPartialContent,
    HTTPPaymentRequired,
    HTTPPermanentRedirect,
    HTTPPreconditionFailed,
    HTTPPreconditionRequired,
    HTTPProxyAuthenticationRequired,
    HTTPRedirection,
    HTTPRequestEntityTooLarge,
    HTTPRequestHeaderFieldsTooLarge,
    HTTPRequestRangeNotSatisfiable,
    HTTPRequestTimeout,
    HTTPRequestURITooLong,
    HTTPResetContent,
    HTTPSeeOther,
    HTTPServerError,
    HTTPServiceUnavailable,
    HTTPSuccessful,
    HTTPTemporaryRedirect,
    HTTPTooManyRequests,
    HTTPUnauthorized,
    HTTPUnavailableForLegalReasons,
    HTTPUnprocessableEntity,
    HTTPUnsupportedMediaType,
    HTTPUpgradeRequired,
    HTTPUseProxy,
    HTTPVariantAlsoNegotiates,
    HTTPVersionNotSupported,
)
from .message.json_responses import json_bytes_response, json_response
from .message.keys import AppKey, NotAppKeyWarning, RequestKey, ResponseKey
from .message.request import BaseRequest
from .message.response import Response
from .message.stream import StreamResponse
from .routing.dispatcher import UrlDispatcher
from .routing.match import UrlMappingMatchInfo
from .routing.middlewares import middleware, normalize_path_middleware
from .routing.resources import DynamicResource, PlainResource, Resource
from .routing.routes import AbstractResource, AbstractRoute, ResourceRoute
from .routing.subapps import PrefixedSubAppResource
from .server.sites import BaseSite, NamedPipeSite, SockSite, TCPSite, UnixSite
from .streams import PayloadAccessError, RequestPayloadError
from .wire.coding import ContentCoding
from .wire.conditions import ETag
from .wire.frames import WSMsgType

if TYPE_CHECKING:
    from .app.json_log import JSONFormatter
    from .app.views import View
    from .message.eventsource import EventSourceResponse, ServerSentEvent
    from .message.files import FileResponse
    from .message.forms import FileField
    from .message.websocket import WebSocketReady, WebSocketResponse
    from .routing.compressing import compress_middleware as compress_middleware
    from .routing.static import StaticResource
    from .routing.tables import (
        AbstractRouteDef,
        RouteDef,
        RouteTableDef,
        StaticDef,
        delete,
        get,
        head,
        options,
        patch,
        post,
        put,
        route,
        static,
        view,
    )

__all__ = [
    "AbstractAccessLogger",
    "AbstractAsyncAccessLogger",
    "AbstractResource",
    "AbstractRoute",
    "AbstractRouteDef",
    "AccessLogger",
    "AppKey",
    "AppRunner",
    "Application",
    "BaseRequest",
    "BaseRunner",
    "BaseSite",
    "CleanupError",
    "ClientConnectionResetError",
    "ContentCoding",
    "DynamicResource",
    "ETag",
    "EventSourceResponse",
    "FileField",
    "FileResponse",
    "GracefulExit",
    "HTTPAccepted",
    "HTTPBadGateway",
    "HTTPBadRequest",
    "HTTPClientError",
    "HTTPConflict",
    "HTTPCreated",
    "HTTPError",
    "HTTPException",
    "HTTPExpectationFailed",
    "HTTPFailedDependency",
    "HTTPForbidden",
    "HTTPFound",
    "HTTPGatewayTimeout",
    "HTTPGone",
    "HTTPInsufficientStorage",
    "HTTPInternalServerError",
    "HTTPLengthRequired",
    "HTTPMethodNotAllowed",
    "HTTPMisdirectedRequest",
    "HTTPMove",
    "HTTPMovedPermanently",
    "HTTPMultipleChoices",
    "HTTPNetworkAuthenticationRequired",
    "HTTPNoContent",
    "HTTPNonAuthoritativeInformation",
    "HTTPNotAcceptable",
    "HTTPNotExtended",
    "HTTPNotFound",
    "HTTPNotImplemented",
    "HTTPNotModified",
    "HTTPOk",
    "HTTPPartialContent",
    "HTTPPaymentRequired",
    "HTTPPermanentRedirect",
    "HTTPPreconditionFailed",
    "HTTPPreconditionRequired",
    "HTTPProxyAuthenticationRequired",
    "HTTPRedirection",
    "HTTPRequestEntityTooLarge",
    "HTTPRequestHeaderFieldsTooLarge",
    "HTTPRequestRangeNotSatisfiable",
    "HTTPRequestTimeout",
    "HTTPRequestURITooLong",
    "HTTPResetContent",
    "HTTPSeeOther",
    "HTTPServerError",
    "HTTPServiceUnavailable",
    "HTTPSuccessful",
    "HTTPTemporaryRedirect",
    "HTTPTooManyRequests",
    "HTTPUnauthorized",
    "HTTPUnavailableForLegalReasons",
    "HTTPUnprocessableEntity",
    "HTTPUnsupportedMediaType",
    "HTTPUpgradeRequired",
    "HTTPUseProxy",
    "HTTPVariantAlsoNegotiates",
    "HTTPVersionNotSupported",
    "Handler",
    "JSONFormatter",
    "Middleware",
    "NamedPipeSite",
    "NotAppKeyWarning",
    "PayloadAccessError",
    "PlainResource",
    "PrefixedSubAppResource",
    "Request",
    "RequestHandler",
    "RequestKey",
    "RequestPayloadError",
    "Resource",
    "ResourceRoute",
    "Response",
    "ResponseKey",
    "RouteDef",
    "RouteTableDef",
    "Server",
    "ServerRunner",
    "ServerSentEvent",
    "SockSite",
    "StaticDef",
    "StaticResource",
    "StreamResponse",
    "TCPSite",
    "UnixSite",
    "UrlDispatcher",
    "UrlMappingMatchInfo",
    "View",
    "WSMsgType",
    "WebSocketReady",
    "WebSocketResponse",
    "access_logger",
    "delete",
    "get",
    "head",
    "json_bytes_response",
    "json_response",
    "middleware",
    "normalize_path_middleware",
    "options",
    "patch",
    "post",
    "put",
    "route",
    "run_app",
    "static",
    "view",
]

# Where the names are that are imported when they are asked for.
_MODULES = {
    "app.json_log": ("JSONFormatter",),
    "app.views": ("View",),
    "message.eventsource": (
        "EventSourceResponse",
        "ServerSentEvent",
    ),
    "message.files": ("FileResponse",),
    "message.forms": ("FileField",),
    "message.websocket": (
        "WebSocketReady",
        "WebSocketResponse",
    ),
    "routing.compressing": ("compress_middleware",),
    "routing.static": ("StaticResource",),
    "routing.tables": (
        "AbstractRouteDef",
        "RouteDef",
        "RouteTableDef",
        "StaticDef",
        "delete",
        "get",
        "head",
        "options",
        "patch",
        "post",
        "put",
        "route",
        "static",
        "view",
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:  # Any: a class or a function (PEP 562)
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__package__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
