"""A client of an application for tests that are plain functions."""

import json as json_module
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from types import TracebackType
from typing import Any, TypeVar, Unpack

from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ..wire.frames import WSCloseCode, WSMessage, WSMsgType
from .answers import Answer, AnswerContext
from .client import Client, ClientOptions
from .cookies import CookieJar
from .outgoing import RequestOptions
from .portal import Portal
from .socket import ClientSocket, SocketContext

__all__ = ["SyncAnswer", "SyncClient", "SyncSocket"]

T = TypeVar("T")


class SyncClient:
    """A `Client` for tests without a loop: ``with SyncClient(app) as client:``.

    The application runs in a loop in a thread of this client alone, from the beginning of the block
    to its end. Answers are complete, except those of `stream`. Several threads may use it at once.

    Args:
        app: a native application, or an ASGI one.
        options: see `Client`.

    Raises:
        TypeError: `app` is no application.
        ValueError: as of `Client`.

    Attributes:
        app: the application.
        portal: runs coroutines in the loop of the application.
    """

    def __init__(self, app: Any, **options: Unpack[ClientOptions]) -> None:
        self.app = app
        self.portal = Portal()
        self._client = Client(app, **options)

    def __enter__(self) -> "SyncClient":
        """Start the thread, and the application in it.

        Raises:
            Exception: what the start raised; the thread has ended then.
            RuntimeError: it was entered before.
        """
        self.portal.__enter__()
        try:
            self.portal.call(self._client.__aenter__())
        except BaseException:
            self.portal.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Clean the application up, and end the thread.

        Raises:
            Exception: what clean-up raised.
        """
        try:
            self.portal.call(self._client.__aexit__(exc_type, exc, traceback))
        finally:
            self.portal.__exit__(exc_type, exc, traceback)

    @property
    def cookie_jar(self) -> CookieJar:
        """The cookies it has; to be changed between requests only."""
        return self._client.cookie_jar

    @property
    def headers(self) -> CIMultiDict[str]:
        """Fields of each request."""
        return self._client.headers

    def make_url(self, path: str | URL) -> URL:
        """Give the absolute URL of a path, as it will be asked for."""
        return self._client.make_url(path)

    # -- requests

    def get(self, path: str | URL, **options: Unpack[RequestOptions]) -> "SyncAnswer":
        """Send a GET; see `Client.request`."""
        return self._send(self._client.get(path, **options))

    def post(self, path: str | URL, **options: Unpack[RequestOptions]) -> "SyncAnswer":
        """Send a POST; see `Client.request`."""
        return self._send(self._client.post(path, **options))

    def put(self, path: str | URL, **options: Unpack[RequestOptions]) -> "SyncAnswer":
        """Send a PUT; see `Client.request`."""
        return self._send(self._client.put(path, **options))

    def patch(self, path: str | URL, **options: Unpack[RequestOptions]) -> "SyncAnswer":
        """Send a PATCH; see `Client.request`."""
        return self._send(self._client.patch(path, **options))

    def delete(self, path: str | URL, **options: Unpack[RequestOptions]) -> "SyncAnswer":
        """Send a DELETE; see `Client.request`."""
        return self._send(self._client.delete(path, **options))

    def head(self, path: str | URL, **options: Unpack[RequestOptions]) -> "SyncAnswer":
        """Send a HEAD; see `Client.request`."""
        return self._send(self._client.head(path, **options))

    def options(self, path: str | URL, **options: Unpack[RequestOptions]) -> "SyncAnswer":
        """Send an OPTIONS; see `Client.request`."""
        return self._send(self._client.options(path, **options))

    def request(
        self, method: str, path: str | URL, **options: Unpack[RequestOptions]
    ) -> "SyncAnswer":
        """Send a request; give its complete answer. See `Client.request`."""
        return self._send(self._client.request(method, path, **options))

    @contextmanager
    def stream(
        self, method: str, path: str | URL, **options: Unpack[RequestOptions]
    ) -> Iterator["SyncAnswer"]:
        """Send a request, and give its answer as soon as its head has come. See
        `Client.stream`."""
        request = self._client.stream(method, path, **options)
        answer = self._send(request)
        try:
            yield answer
        finally:
            answer.close()

    @contextmanager
    def ws_connect(
        self,
        path: str | URL,
        *,
        protocols: Iterable[str] = (),
        **options: Unpack[RequestOptions],
    ) -> Iterator["SyncSocket"]:
        """Open a WebSocket for the time of a block. See `Client.ws_connect`."""
        connecting = self._client.ws_connect(path, protocols=protocols, **options)
        socket = self.portal.call(_open(connecting))
        try:
            yield SyncSocket(socket, self.portal.call)
        except BaseException:
            self.portal.call(_leave(socket))
            raise
        self.portal.call(socket.end())

    def _send(self, request: AnswerContext) -> "SyncAnswer":
        return SyncAnswer(self.portal.call(request), self.portal.call)


class SyncAnswer:
    """An `Answer` for tests without a loop: what has to be awaited of that is at hand here.

    Args:
        answer: what it stands for.
        call: runs a coroutine of it, and waits.
    """

    def __init__(self, answer: Answer, call: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._answer = answer
        self._call = call

    def __repr__(self) -> str:
        return f"<Sync{repr(self._answer)[1:]}"

    @property
    def status(self) -> int:
        """Status code."""
        return self._answer.status

    @property
    def reason(self) -> str:
        """Reason phrase; empty where the application gave none."""
        return self._answer.reason

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self._answer.ok

    @property
    def method(self) -> str:
        """Method of the request."""
        return self._answer.method

    @property
    def url(self) -> URL:
        """URL of the request, the last one of redirections, without its fragment."""
        return self._answer.url

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """Fields, without those that only a connection needs."""
        return self._answer.headers

    @property
    def cookies(self) -> SimpleCookie:
        """The cookies that this answer sets."""
        return self._answer.cookies

    @property
    def content_type(self) -> str:
        """Media type, lower-cased."""
        return self._answer.content_type

    @property
    def charset(self) -> str | None:
        """The charset that the content type names."""
        return self._answer.charset

    @property
    def history(self) -> "tuple[SyncAnswer, ...]":
        """The redirections before it."""
        return tuple(SyncAnswer(answer, self._call) for answer in self._answer.history)

    @property
    def informed(self) -> list[tuple[int, CIMultiDictProxy[str]]]:
        """Status and fields of each interim answer."""
        return self._answer.informed

    @property
    def trailers(self) -> CIMultiDictProxy[str]:
        """The fields behind the body; empty until it has been sent to its end."""
        return self._answer.trailers

    @property
    def error(self) -> BaseException | None:
        """What the application raised, as far as is known now."""
        return self._answer.error

    def raise_for_status(self) -> None:
        """Raise for an error; see `Answer.raise_for_status`."""
        self._answer.raise_for_status()

    # -- its body

    @property
    def content(self) -> bytes:
        """The body, or what is left of it; a stream is read to its end."""
        return self.read()

    @property
    def text(self) -> str:
        """The body as text, in its charset, or else in UTF-8."""
        return self._run(self._answer.text())

    def read(self) -> bytes:
        """Read the body to its end, or what is left of it; see `Answer.read`."""
        return self._run(self._answer.read())

    def json(
        self,
        *,
        encoding: str | None = None,
        loads: Callable[[str], Any] = json_module.loads,
        content_type: str | None = "application/json",
    ) -> Any:
        """Read the body as JSON; see `Answer.json`."""
        answer = self._answer
        return self._run(answer.json(encoding=encoding, loads=loads, content_type=content_type))

    def iter_any(self) -> Iterator[bytes]:
        """Iterate over the body in pieces as they come."""
        return self._iterate(self._answer.iter_any())

    def iter_chunks(self) -> Iterator[tuple[bytes, bool]]:
        """Iterate over the body as it was written; see `Answer.iter_chunks`."""
        return self._iterate(self._answer.iter_chunks())

    def iter_chunked(self, n: int) -> Iterator[bytes]:
        """Iterate over the body in pieces of at most `n` bytes."""
        return self._iterate(self._answer.iter_chunked(n))

    def iter_lines(self) -> Iterator[bytes]:
        """Iterate over the lines of the body, with their ends."""
        return self._iterate(aiter(self._answer.content))

    def close(self) -> None:
        """Leave an answer that is not complete; see `Answer.close`."""
        self._call(_close(self._answer))

    def _iterate(self, pieces: AsyncIterator[T]) -> Iterator[T]:
        end = object()
        while (piece := self._run(_next(pieces, end))) is not end:
            yield piece

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that reads the body; here, if all of it has come, also when the loop has
        ended."""
        if not self._answer.closed:
            result: T = self._call(coroutine)
            return result
        try:
            coroutine.send(None)
        except StopIteration as end:
            value: T = end.value
            return value
        raise RuntimeError("An answer that is closed was waited for")


class SyncSocket:
    """A `ClientSocket` for tests without a loop.

    Args:
        socket: what it stands for.
        call: runs a coroutine of it, and waits.
    """

    def __init__(
        self, socket: ClientSocket, call: Callable[[Coroutine[Any, Any, Any]], Any]
    ) -> None:
        self._socket = socket
        self._call = call

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """Fields of the acceptance."""
        return self._socket.headers

    @property
    def protocol(self) -> str | None:
        """The subprotocol that the application chose."""
        return self._socket.protocol

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._socket.closed

    @property
    def close_code(self) -> int | None:
        """The code of the application's close; see `ClientSocket.close_code`."""
        return self._socket.close_code

    def send_str(self, data: str) -> None:
        """Send a text message."""
        self._call(self._socket.send_str(data))

    def send_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message."""
        self._call(self._socket.send_bytes(data))

    def send_json(self, data: Any, *, dumps: Callable[[Any], str] = json_module.dumps) -> None:
        """Send a text message of JSON."""
        self._call(self._socket.send_json(data, dumps=dumps))

    def receive(self, timeout: float | None = None) -> WSMessage:
        """Wait for the next message; see `ClientSocket.receive`."""
        message: WSMessage = self._call(self._socket.receive(timeout))
        return message

    def receive_str(self, *, timeout: float | None = None) -> str:
        """Wait for a text message."""
        text: str = self._call(self._socket.receive_str(timeout=timeout))
        return text

    def receive_bytes(self, *, timeout: float | None = None) -> bytes:
        """Wait for a binary message."""
        data: bytes = self._call(self._socket.receive_bytes(timeout=timeout))
        return data

    def receive_json(
        self, *, loads: Callable[[str], Any] = json_module.loads, timeout: float | None = None
    ) -> Any:
        """Wait for a text message, and parse it as JSON."""
        return self._call(self._socket.receive_json(loads=loads, timeout=timeout))

    def __iter__(self) -> Iterator[WSMessage]:
        """Iterate over the messages up to the close."""
        while (message := self.receive()).type <= WSMsgType.BINARY:
            yield message

    def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"") -> bool:
        """Close it; see `ClientSocket.close`."""
        closed: bool = self._call(self._socket.close(code=code, message=message))
        return closed


async def _open(connecting: SocketContext) -> ClientSocket:
    return await connecting


async def _leave(socket: ClientSocket) -> None:
    socket.leave()


async def _next(pieces: AsyncIterator[Any], end: object) -> Any:
    return await anext(pieces, end)


async def _close(answer: Answer) -> None:
    answer.close()
