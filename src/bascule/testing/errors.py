"""What a client in memory raises; the names are those that aiohttp's client has."""

from collections.abc import Sequence
from dataclasses import dataclass

from multidict import CIMultiDictProxy
from yarl import URL

__all__ = [
    "ClientError",
    "ClientResponseError",
    "ContentTypeError",
    "RedirectClientError",
    "RequestInfo",
    "ServerDisconnectedError",
    "TooManyRedirects",
    "WSServerHandshakeError",
]


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """The request that an answer belongs to, as it was sent.

    Attributes:
        url: without its fragment.
        method: of the request.
        headers: its fields.
        real_url: with its fragment.
    """

    url: URL
    method: str
    headers: CIMultiDictProxy[str]
    real_url: URL


class ClientError(Exception):
    """A request could not be made, or its answer could not be taken."""


class ServerDisconnectedError(ClientError, ConnectionResetError):
    """The application dropped the connection before its answer was complete."""


class RedirectClientError(ClientError, ValueError):
    """A redirection that cannot be followed."""


class ClientResponseError(ClientError):
    """An answer is not what its reader wanted.

    Attributes:
        request_info: the request.
        history: the redirections before it.
        status: of the answer.
        message: what is wrong; the reason phrase for a status that is.
        headers: of the answer.
    """

    def __init__(
        self,
        request_info: RequestInfo,
        history: Sequence[object] = (),
        *,
        status: int = 0,
        message: str = "",
        headers: CIMultiDictProxy[str] | None = None,
    ) -> None:
        super().__init__(request_info, history)
        self.request_info = request_info
        self.history = history
        self.status = status
        self.message = message
        self.headers = headers

    def __str__(self) -> str:
        info = self.request_info
        return f"{self.status}, {self.message!r}, {info.method} {info.real_url}"


class ContentTypeError(ClientResponseError):
    """The content type is not the one that was expected."""


class TooManyRedirects(ClientResponseError):
    """There were more redirections than the client follows."""


class WSServerHandshakeError(ClientResponseError):
    """The application has answered a request for a WebSocket otherwise.

    Attributes:
        body: of its answer.
    """

    body = b""
