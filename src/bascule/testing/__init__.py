"""Tools for tests: clients of an application and an exchange, all in memory, without sockets."""

from .answers import Answer
from .channel import MemoryChannel
from .client import Client
from .cookies import CookieJar
from .errors import (
    ClientError,
    ClientResponseError,
    ContentTypeError,
    RedirectClientError,
    RequestInfo,
    ServerDisconnectedError,
    TooManyRedirects,
    WSServerHandshakeError,
)
from .memory import MemoryExchange
from .portal import Portal
from .socket import ClientSocket
from .streamed import StreamedExchange
from .sync import SyncAnswer, SyncClient, SyncSocket

__all__ = [
    "Answer",
    "Client",
    "ClientError",
    "ClientResponseError",
    "ClientSocket",
    "ContentTypeError",
    "CookieJar",
    "MemoryChannel",
    "MemoryExchange",
    "Portal",
    "RedirectClientError",
    "RequestInfo",
    "ServerDisconnectedError",
    "StreamedExchange",
    "SyncAnswer",
    "SyncClient",
    "SyncSocket",
    "TooManyRedirects",
    "WSServerHandshakeError",
]
