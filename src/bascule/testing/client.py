"""A client of an application, inside the same program: no server, no sockets."""

import platform
from collections.abc import Iterable, Mapping
from dataclasses import replace
from logging import Logger
from types import TracebackType
from typing import Any, Literal, TypedDict, Unpack

from multidict import CIMultiDict
from yarl import URL

from bascule import __version__

from ..app.protocol import server_logger
from .answers import Answer, AnswerContext
from .cookies import CookieJar
from .hosting import Hosting, HostingOptions
from .outgoing import HeaderFields, RequestOptions, make_outgoing
from .sending import Sender, Sending
from .socket import ClientSocket, SocketContext
from .span import Span

__all__ = ["Client", "ClientOptions"]

# What every handshake has; the key is the example of RFC 6455 section 1.3.
_HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
_USER_AGENT = "Python/{} bascule/{}".format(
    ".".join(platform.python_version_tuple()[:2]), __version__
)


class ClientOptions(TypedDict, total=False):
    """What a client may be told besides its application; see `Client`."""

    base_url: str | URL
    headers: HeaderFields | None
    cookies: Mapping[str, str] | None
    follow_redirects: bool
    max_redirects: int
    timeout: float | None
    raise_app_exceptions: bool
    lifespan: Literal["auto", "off"]
    root_path: str
    peername: Any
    extra: Mapping[str, Any] | None
    handler_cancellation: bool
    shutdown_timeout: float
    logger: Logger
    debug: bool | None


class Client:
    """A client of one application, in the same loop: ``async with Client(app) as client:``.

    Entered, it has started the application; left, also by an error or a cancellation, it has
    cleaned it up. Each request is answered in a task of its own, as on a server, in a copy of the
    context where start-up ended. All hosts are the application's own: absolute URLs and
    redirections to any host are asked of it, with that host in the Host field.

    ``await client.get("/")`` gives an `Answer` that is complete, once the application is done with
    the request; up to 256 MiB are kept. ``async with client.stream("GET", "/") as answer:`` gives
    it as soon as its head has come. An answer has no fields that a connection or a server puts in
    (Connection, Date, Server, Transfer-Encoding), and its body is not decompressed.

    Args:
        app: a native application, or an ASGI one, whose lifespan is run if it has one.
        base_url: scheme, host and port that paths are asked of; with ``https`` requests are secure.
        headers: fields of each request; they replace Accept and User-Agent, the defaults.
        cookies: by name, of the host of `base_url`.
        follow_redirects: follow redirections.
        max_redirects: how many are followed before `TooManyRedirects`.
        timeout: seconds that a complete answer may take, redirections included; of `stream`, its
            head and each read. Behind it the handler is cancelled. None for no limit.
        raise_app_exceptions: raise out of the request what the application did not handle, instead
            of giving its 500, or its cut, to the client.
        lifespan: ``auto`` to start the application and clean it up, ``off`` where somebody else
            does: so a second client, with other cookies, can ask an application that is running.
        root_path: the prefix that the application is served under; paths are asked for with it.
        peername: address of the client.
        extra: facts of the connection, by name, as of `MemoryExchange`.
        handler_cancellation: cancel a handler whose client has left; as of `AppRunner`, what the
            application has in its ``handler_args`` goes before.
        shutdown_timeout: seconds that handlers get at the end which are still running.
        logger: told of errors.
        debug: show tracebacks in error pages; None for what the application or the loop says.

    Attributes:
        app: the application.
        cookie_jar: the cookies it has.
        headers: fields of each request.

    Raises:
        TypeError: `app` is no application.
        ValueError: `base_url` is not a scheme of HTTP and a host; `lifespan` is neither.
    """

    def __init__(
        self,
        app: Any,  # Any: an Application, or a callable of either ASGI shape
        *,
        base_url: str | URL = "http://localhost",
        headers: HeaderFields | None = None,
        cookies: Mapping[str, str] | None = None,
        follow_redirects: bool = True,
        max_redirects: int = 10,
        timeout: float | None = 60.0,
        raise_app_exceptions: bool = False,
        lifespan: Literal["auto", "off"] = "auto",
        root_path: str = "",
        peername: Any = ("127.0.0.1", 1),  # Any: an address of any family
        extra: Mapping[str, Any] | None = None,  # Any: transports give what they have
        handler_cancellation: bool = False,
        shutdown_timeout: float = 1.0,
        logger: Logger = server_logger,
        debug: bool | None = None,
    ) -> None:
        if lifespan not in ("auto", "off"):
            raise ValueError(f"lifespan should be 'auto' or 'off', got {lifespan!r:.100}")
        options = HostingOptions(
            lifespan == "auto", logger, debug, handler_cancellation, shutdown_timeout
        )
        self._hosting = Hosting(app, options)
        self.app = app
        self._base_url = _check_base(URL(base_url))
        self.headers: CIMultiDict[str] = CIMultiDict({"Accept": "*/*", "User-Agent": _USER_AGENT})
        self.headers.update(CIMultiDict(headers or ()))
        self.cookie_jar = CookieJar()
        self.cookie_jar.update_cookies(cookies or {}, self._base_url)
        self._follows = follow_redirects
        self._max_redirects = max_redirects
        self._timeout = timeout
        facts = {"root_path": root_path, "extra": {"peername": peername, **(extra or {})}}
        self._sender = Sender(self._hosting, self.cookie_jar, facts, raise_app_exceptions)
        self._span: Span | None = None

    # -- its life

    async def __aenter__(self) -> "Client":
        """Start the application.

        Raises:
            Exception: what the start raised; the application has been cleaned up behind it.
            RuntimeError: it was entered before.
        """
        if self._span is not None:
            raise RuntimeError("A client can be entered once; make another")
        self._span = Span(self._hosting.run(), "bascule-client", self._hosting.hurry)
        await self._span.enter()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave answers that are open, wait for handlers, and clean the application up.

        Raises:
            Exception: what clean-up raised.
        """
        assert self._span is not None  # made when it was entered
        await self._span.leave()

    # -- requests

    def get(self, path: str | URL, **options: Unpack[RequestOptions]) -> AnswerContext:
        """Send a GET; see `request`."""
        return self.request("GET", path, **options)

    def post(self, path: str | URL, **options: Unpack[RequestOptions]) -> AnswerContext:
        """Send a POST; see `request`."""
        return self.request("POST", path, **options)

    def put(self, path: str | URL, **options: Unpack[RequestOptions]) -> AnswerContext:
        """Send a PUT; see `request`."""
        return self.request("PUT", path, **options)

    def patch(self, path: str | URL, **options: Unpack[RequestOptions]) -> AnswerContext:
        """Send a PATCH; see `request`."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str | URL, **options: Unpack[RequestOptions]) -> AnswerContext:
        """Send a DELETE; see `request`."""
        return self.request("DELETE", path, **options)

    def head(self, path: str | URL, **options: Unpack[RequestOptions]) -> AnswerContext:
        """Send a HEAD; see `request`."""
        return self.request("HEAD", path, **options)

    def options(self, path: str | URL, **options: Unpack[RequestOptions]) -> AnswerContext:
        """Send an OPTIONS; see `request`."""
        return self.request("OPTIONS", path, **options)

    def request(
        self, method: str, path: str | URL, **options: Unpack[RequestOptions]
    ) -> AnswerContext:
        """Send a request, when the result is awaited or entered; give its complete answer.

        Args:
            method: of the request.
            path: path and query, or an absolute URL. Text is quoted where it needs to be, a `URL`
                that was made with ``encoded=True`` is sent as it is.
            options: see `RequestOptions`.

        Raises:
            ServerDisconnectedError: the application dropped the connection.
            TooManyRedirects: there were more redirections than are followed.
            RedirectClientError: one cannot be followed.
            TimeoutError: the answer was not complete in time.
            ClientError: it is too large to be kept.
            Exception: what the application raised, with `raise_app_exceptions`; what a streamed
                body raised.
        """
        return AnswerContext(self._request(method, path, options, is_stream=False))

    def stream(
        self, method: str, path: str | URL, **options: Unpack[RequestOptions]
    ) -> AnswerContext:
        """Send a request, and give its answer as soon as its head has come.

        The application writes while it is read; it waits while more than 64 KiB are unread. At the
        end of the block the client leaves: with an answer that is not complete, the application
        sees a lost connection. Arguments and errors are those of `request`; an answer that is cut
        is told by its reader.
        """
        return AnswerContext(self._request(method, path, options, is_stream=True))

    def ws_connect(
        self,
        path: str | URL,
        *,
        protocols: Iterable[str] = (),
        **options: Unpack[RequestOptions],
    ) -> SocketContext:
        """Open a WebSocket, when the result is awaited or entered; redirections are not followed.

        Args:
            path: see `request`.
            protocols: subprotocols to offer, in this order.
            options: `params`, `headers`, `cookies`, `auth` and `timeout` of `RequestOptions`; the
                last is also that of `ClientSocket.receive` and of the handler's end.

        Raises:
            WSServerHandshakeError: the application has answered otherwise.
            TimeoutError: it has not answered in time.
        """
        return SocketContext(self._connect(path, tuple(protocols), options))

    def make_url(self, path: str | URL) -> URL:
        """Give the absolute URL of a path, as it will be asked for."""
        if isinstance(path, URL):
            absolute, text = path.absolute, str(path)
        else:
            absolute, text = path.startswith(("http://", "https://")), path
        if not absolute:
            text = str(self._base_url) + (text if text.startswith("/") else f"/{text}")
        return URL(text, encoded=isinstance(path, URL))

    # -- within

    async def _connect(
        self, path: str | URL, protocols: tuple[str, ...], options: RequestOptions
    ) -> ClientSocket:
        if not self._hosting.is_running:
            raise RuntimeError("The application is not running: use `async with client:`")
        request = make_outgoing("GET", self.make_url(path), self.headers, options)
        request.headers.update(_HANDSHAKE)
        if protocols:
            request.headers["Sec-WebSocket-Protocol"] = ", ".join(protocols)
        request = replace(request, is_handshake=True)
        return await self._sender.connect(request, options.get("timeout", self._timeout))

    async def _request(
        self, method: str, path: str | URL, options: RequestOptions, *, is_stream: bool
    ) -> Answer:
        if not self._hosting.is_running:
            raise RuntimeError("The application is not running: use `async with client:`")
        request = make_outgoing(method, self.make_url(path), self.headers, options)
        follows = options.get("allow_redirects", options.get("follow_redirects", self._follows))
        limit = options.get("max_redirects", self._max_redirects) if follows else None
        sending = Sending(self._sender, options.get("timeout", self._timeout), is_stream)
        return await sending.run(request, limit)


def _check_base(url: URL) -> URL:
    if url.scheme not in ("http", "https") or not url.host or url != url.origin():
        raise ValueError(f"base_url should be http(s)://host[:port], got {str(url)!r:.200}")
    return url.origin()
