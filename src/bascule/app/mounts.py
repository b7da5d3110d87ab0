"""ASGI applications mounted in one of ours: the resource of their prefix."""

import logging
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import quote, unquote

from yarl import URL

from ..asgi.inner import InnerApplication
from ..asgi.lifespan import Lifespan
from ..asgi.shapes import find_asgi_mistake
from ..exchange import Exchange, Head, RawFields, State
from ..message.exceptions import HTTPBadRequest, HTTPTemporaryRedirect
from ..message.request import BaseRequest
from ..message.stream import StreamResponse
from ..routing.match import UrlMappingMatchInfo
from ..routing.paths import add_root, match_path, unquote_value
from ..routing.resources import PrefixResource
from ..routing.routes import AbstractRoute, Resolved, ResourceRoute
from ..wire import hdrs
from ..wire.grammar import split_target
from ..wire.handshake import BadHandshake
from .mounted import MountedExchange
from .replay import find_replay

__all__ = ["MountResource"]


class MountResource(PrefixResource):
    """An ASGI application that answers all paths below a prefix, whatever the method.

    The prefix itself is redirected to the prefix with a slash, as links of the application inside
    would lead elsewhere; a WebSocket, whose clients follow none, is handed on.

    Args:
        prefix: of the paths, with whole segments.
        application: of ASGI 3, or 2.
        name: to find it by in the router.
        logger: told of what the application does wrong behind its answers.

    Raises:
        TypeError: it is no ASGI application.
    """

    def __init__(
        self,
        prefix: str,
        application: Any,  # Any: a callable of either ASGI shape
        *,
        name: str | None = None,
        logger: logging.Logger,
    ) -> None:
        mistake = find_asgi_mistake(application)
        if mistake is not None:
            raise TypeError(
                f"The second argument should be an ASGI application, got {application!r:.200}"
                f"{mistake}"
            )
        super().__init__(prefix, name=name)
        self._application = application
        self._inner = InnerApplication(application, logger=logger)
        self._logger = logger
        self._lifespan: Lifespan | None = None
        self._route = ResourceRoute(hdrs.METH_ANY, self._handle, self)

    def __repr__(self) -> str:
        name = f"'{self.name}' " if self.name is not None else ""
        return f"<MountResource {name}{self._prefix} -> {self._application!r:.200}>"

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[AbstractRoute]:
        yield self._route

    def get_info(self) -> dict[str, Any]:
        """Give ``prefix`` and ``asgi_app``."""
        return {"prefix": self._prefix, "asgi_app": self._application}

    def url_for(self, *, path: str = "") -> URL:  # type: ignore[override]  # it takes a path
        """Build the URL of the prefix, or of a path of the application inside.

        Args:
            path: decoded; a slash in front of it may be left out.
        """
        below = URL.build(path=f"/{path.removeprefix('/')}").raw_path if path else ""
        return URL.build(path=add_root(self._prefix + below), encoded=True)

    async def resolve(self, request: BaseRequest) -> Resolved:
        """Take each request whose path lies below the prefix."""
        path, prefix = match_path(request), self._literal
        if not path.startswith(prefix) or path[len(prefix) :][:1] not in ("", "/"):
            return None, set()
        values = {"path": unquote_value(path[len(prefix) :])}
        return UrlMappingMatchInfo(values, self._route), set()

    # -- requests

    async def _handle(self, request: Any) -> StreamResponse:  # Any: a request with a match_info
        """Let the application answer; give its answer, which is prepared and sent.

        Raises:
            HTTPTemporaryRedirect: the path is the prefix itself.
            HTTPBadRequest: a request for a WebSocket that is malformed.
            ConnectionResetError: the client has left.
            Exception: what the application has raised before its answer was complete.
        """
        outer: Exchange = request._exchange
        if outer.state is State.ENDED:
            raise RuntimeError("The request was answered before")
        if outer.asks_for_websocket:
            _check_handshake(outer)
        elif not request.match_info["path"]:
            raise HTTPTemporaryRedirect(self._find_slash(request))
        exchange = self._make_exchange(request)
        state = None if self._lifespan is None else self._lifespan.state
        try:
            await self._inner.answer(exchange, outer, state)
        except BaseException:
            await exchange.settle()  # what it gives is behind this error
            raise
        error = await exchange.settle()
        if error is not None:
            raise error
        # The application has answered, or an error would have been raised.
        response = cast("StreamResponse", exchange.response)
        await response.write_eof()
        return response

    def _find_slash(self, request: BaseRequest) -> URL:
        root = quote(request._head.root_path, safe=_PATH_SAFE)
        query = split_target(request._head.target)[2]
        return URL.build(path=f"{root}{self._prefix}/", query_string=query, encoded=True)

    def _make_exchange(self, request: BaseRequest) -> MountedExchange:
        """Show the request as middlewares have left it, below the prefix, with a body that was
        read already given once more."""
        head, body = request._head, request._exchange.body
        fields = head.raw_fields
        if request._host is not None:
            fields = _replace(fields, {b"host": request._host.encode("utf-8", "surrogateescape")})
        replay = find_replay(request)
        if replay is not None:
            body = replay.reader
            fields = _replace(
                fields,
                {b"content-length": b"%d" % replay.size},
                without={b"transfer-encoding", b"content-encoding"},
            )
        inner = Head(
            head.method,
            _put_under_root(head),
            fields,
            version=head.version,
            scheme=head.scheme,
            root_path=head.root_path + unquote(self._prefix),
            keep_alive=head.keep_alive,
        )
        return MountedExchange(request, inner, body)

    # -- the life of the application inside

    async def startup(self) -> None:
        """Start the application inside; one that has no lifespan is served without.

        Raises:
            LifespanError: it said that it failed.
        """
        self._lifespan = Lifespan(self._application, logger=self._logger)
        await self._lifespan.startup()

    async def shutdown(self) -> None:
        """Shut the application inside down, if it was started.

        Raises:
            LifespanError: it said that it failed.
        """
        lifespan, self._lifespan = self._lifespan, None
        if lifespan is not None:
            await lifespan.shutdown()


_PATH_SAFE = "/:@!$&'()*+,;=~-._"


def _check_handshake(exchange: Exchange) -> None:
    try:
        exchange.check_handshake()
    except BadHandshake as exc:
        raise HTTPBadRequest(text=str(exc), headers=exc.fields) from exc


def _replace(
    fields: RawFields, new: dict[bytes, bytes], *, without: set[bytes] | None = None
) -> RawFields:
    dropped = new.keys() | (without or set())
    return [*((n, v) for n, v in fields if n.lower() not in dropped), *new.items()]


def _put_under_root(head: Head) -> str:
    """Give the target with the root path in front: behind some proxies it is left out."""
    root = head.root_path
    if not root:
        return head.target
    _, path, query = split_target(head.target)
    decoded = unquote(path)
    if not (decoded.startswith(root) and decoded[len(root) :][:1] in ("", "/")):
        path = quote(root, safe=_PATH_SAFE) + path
    return f"{path}?{query}" if query else path
