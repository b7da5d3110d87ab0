"""One call of a WSGI application: in its thread, and in the event loop that attends to it."""

import asyncio
import io
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, cast

from ..exchange import ClientConnectionResetError
from .answering import HalfClosed
from .environ import make_environ
from .guest_call import Receive, Send

__all__ = ["WsgiCall"]

_logger = logging.getLogger("bascule.wsgi")

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
_Headers = list[tuple[bytes, bytes]]

# Fields that a WSGI application may not send: they are its server's (PEP 3333, "Other HTTP
# Features"; RFC 9110 section 7.6.1).
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Bytes of the request's body that are read ahead of the application, besides the last message.
_READ_AHEAD: Final = 64 * 1024
# Seconds after which a thread looks whether the loop it waits for is closed.
_LOOK: Final = 1.0
# Messages that are asked for behind a body until one tells of the client's leaving.
_MOST_LEFT_OVER: Final = 4
# Causes of an error that are looked at.
_MAX_CHAIN: Final = 10


class _LeftError(ClientConnectionResetError):
    """The client has left, or the host has ended the call."""


class WsgiCall:
    """A request, and its answer by a WSGI application.

    The application runs in `work`, in a thread, and there asks for what only the loop can do: the
    next piece of the body, and to have messages sent. `attend` does it, in the host's own task, and
    the thread waits for it; so each side goes as fast as the other one allows.

    Args:
        app: to be called.
        scope: of the host's call.
        receive: of the host's call.
        send: likewise.
        is_threaded: see `make_environ`.
        is_queued: it has to wait for a thread.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        scope: Mapping[str, Any],
        receive: Receive,
        send: Send,
        *,
        is_threaded: bool,
        is_queued: bool = False,
    ) -> None:
        self._app = app
        self._scope = {**scope, "headers": list(scope["headers"])}  # hosts may give an iterator
        self._receive = receive
        self._send = send
        self._is_threaded = is_threaded
        self._is_queued = is_queued
        self._loop = asyncio.get_running_loop()
        # What the thread wants to have sent, and what tells it when it was; None at its end.
        self._outbox: asyncio.Queue[tuple[list[dict[str, Any]], Future[None]] | None]
        self._outbox = asyncio.Queue()
        # What tells the thread of the next piece of the body, while it waits for one.
        self._reader: Future[bytes] | None = None
        self._wanted = asyncio.Event()
        self._piece: bytes | None = None
        self._has_all = False
        # Why nothing can be sent or read any more; set by the loop, seen by the thread.
        self._over: Exception | None = None
        self._error: BaseException | None = None

    # -- in the loop

    async def attend(self, work: "Future[None]") -> None:
        """Do what the thread asks for, until the application has ended.

        Cancelled, it leaves the thread alone: whatever that asks for next fails there.

        Args:
            work: of the thread.

        Raises:
            Exception: what the application has raised, unless its client has left.
        """
        work.add_done_callback(self._tell_end)
        listener = self._loop.create_task(self._listen(work), name="bascule-wsgi-listen")
        try:
            while (order := await self._outbox.get()) is not None:
                await self._carry_out(*order)
        finally:
            self._end(_LeftError("The call has ended"))
            self._refuse_orders()
            work.cancel()  # if it has not begun
            listener.cancel()
            await asyncio.wait([listener])
        self._tell_error()

    def _tell_end(self, work: "Future[None]") -> None:
        try:
            self._loop.call_soon_threadsafe(self._outbox.put_nowait, None)
        except RuntimeError:
            pass  # the loop is closed: nobody waits for it

    def _order(self, order: tuple[list[dict[str, Any]], "Future[None]"]) -> None:
        """The thread wants messages to be sent."""
        if self._over is None:
            self._outbox.put_nowait(order)
        else:
            order[1].set_exception(self._over)

    def _refuse_orders(self) -> None:
        while not self._outbox.empty():
            order = self._outbox.get_nowait()
            if order is not None:
                order[1].set_exception(_LeftError("The call has ended"))

    async def _carry_out(self, messages: list[dict[str, Any]], done: "Future[None]") -> None:
        if self._over is not None:
            done.set_exception(self._over)
            return
        try:
            for message in messages:
                await self._send(message)
        except asyncio.CancelledError:
            done.set_exception(_LeftError("The call was cancelled"))
            raise
        except OSError as exc:
            self._end(_left(exc))
            done.set_exception(_left(exc))
        except Exception as exc:  # a message that the host refuses: the application's mistake
            done.set_exception(exc)
        else:
            done.set_result(None)

    async def _listen(self, work: "Future[None]") -> None:
        """Receive the pieces of the body, each when it is wanted, then the client's leaving.

        A request without a body is listened to at once, so that an application whose client has
        left is not called at all if it still waits for a thread.
        """
        if not _has_body(self._scope):
            self._wanted.set()
        # Behind the body there is nothing to give but the client's leaving; what gives more, as
        # middlewares do that give a body again, would be asked for ever.
        left_over = _MOST_LEFT_OVER
        try:
            while self._over is None and left_over:
                left_over -= self._has_all
                await self._receive_one()
        except Exception as exc:  # the host's own: the thread is told of it
            self._end(exc)
        if self._over is not None:
            work.cancel()  # if it has not begun

    async def _receive_one(self) -> None:
        while not self._has_all and self._reader is None and not self._wanted.is_set():
            await self._wanted.wait()
        self._wanted.clear()
        message = await self._receive()
        if message["type"] == "http.disconnect":
            if self._has_all and isinstance(message, HalfClosed) and not self._is_queued:
                return  # it may well wait for its answer; if it does not, sending will fail
            self._end(_LeftError("The client has left"))
            return
        if self._has_all:
            return
        self._has_all = not message.get("more_body")
        self._piece = (self._piece or b"") + bytes(message.get("body") or b"")
        self._hand_over()

    def _want(self, reader: "Future[bytes]") -> None:
        """The thread waits for a piece of the body."""
        self._reader = reader
        self._hand_over()
        if self._reader is not None:
            self._wanted.set()

    def _hand_over(self) -> None:
        """Give the thread what there is, if it waits: a piece, the end, or the error."""
        reader = self._reader
        if reader is None:
            return
        if self._piece:
            piece, self._piece = self._piece, None
            reader.set_result(piece)
        elif self._has_all:
            reader.set_result(b"")
        elif self._over is not None:
            reader.set_exception(self._over)
        else:
            return
        self._reader = None

    def _end(self, cause: Exception) -> None:
        if self._over is None:
            self._over = cause
        self._hand_over()

    def _tell_error(self) -> None:
        error = cause = self._error
        for _ in range(_MAX_CHAIN):
            if cause is None:
                break
            if isinstance(cause, _LeftError):
                _logger.debug("The WSGI application was left by its client", exc_info=error)
                return
            cause = cause.__cause__ or cause.__context__
        if error is not None:
            raise error

    # -- in the thread

    def work(self) -> None:
        """Call the application and send what it gives; `attend` tells of its error."""
        self._is_queued = False
        try:
            answer = _Answer(self._scope["method"], self._post)
            body = io.BufferedReader(_Input(self._pull), _READ_AHEAD)
            environ = make_environ(self._scope, cast("Any", body), is_threaded=self._is_threaded)
            _run(self._app, environ, answer)
        except BaseException as exc:  # a future could not hold all of them
            self._error = exc

    def _post(self, messages: list[dict[str, Any]]) -> None:
        """Have messages sent; returns when the host has taken them."""
        done: Future[None] = Future()
        if self._over is not None:
            raise self._over
        self._ask(self._order, (messages, done), done)

    def _pull(self) -> bytes:
        """Have the next piece of the body received; empty at its end."""
        reader: Future[bytes] = Future()
        piece: bytes = self._ask(self._want, reader, reader)
        return piece

    def _ask(self, function: Callable[[Any], object], argument: Any, answer: "Future[Any]") -> Any:
        """Call a function in the loop, and wait for an answer.

        Raises:
            ConnectionResetError: the client has left, or the call was ended.
        """
        try:
            self._loop.call_soon_threadsafe(function, argument)
        except RuntimeError as exc:
            raise _LeftError("The event loop is closed") from exc
        while True:
            try:
                return answer.result(_LOOK)
            except TimeoutError:
                if answer.done():
                    raise
                if self._loop.is_closed():
                    raise _LeftError("The event loop is closed") from None


def _has_body(scope: Mapping[str, Any]) -> bool:
    """Whether there may be a body: it is asked for when it is wanted, as hosts answer
    ``Expect: 100-continue`` then. In versions behind HTTP/1 nothing announces it."""
    if not str(scope.get("http_version") or "1.1").startswith("1"):
        return True
    names = {bytes(name).lower(): bytes(value) for name, value in scope["headers"]}
    return b"transfer-encoding" in names or names.get(b"content-length", b"0") != b"0"


def _left(cause: OSError) -> _LeftError:
    error = _LeftError("The client has left")
    error.__cause__ = cause
    return error


class _Input(io.RawIOBase):
    """The body of a request, as the file that WSGI applications read."""

    def __init__(self, pull: Callable[[], bytes]) -> None:
        self._pull = pull
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # Any: a writable buffer
        if not self._rest:
            self._rest = memoryview(self._pull())
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


# -- the answer


def _run(app: Callable[..., Iterable[bytes]], environ: dict[str, Any], answer: "_Answer") -> None:
    """Call the application, send the pieces of its body, and close that in any case.

    Raises:
        Exception: what it raises, and what is wrong with what it gives.
    """
    pieces = app(environ, answer.start_response)
    try:
        if not isinstance(pieces, Iterable):
            raise TypeError(f"A WSGI application should give an iterable, got {pieces!r:.200}")
        if isinstance(pieces, bytes | str):
            raise TypeError(
                f"A WSGI application should give pieces of bytes, got {pieces!r:.200} itself"
            )
        is_one = hasattr(pieces, "__len__") and len(cast("Any", pieces)) == 1
        for piece in pieces:
            answer.write(piece, is_all=is_one)
            if answer.is_over:
                break
        answer.finish()
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


class _Answer:
    """What a WSGI application answers; its head leaves with the first bytes of its body.

    Args:
        method: of the request.
        post: sends messages.

    Attributes:
        is_over: nothing more is to be sent.
    """

    def __init__(self, method: str, post: Callable[[list[dict[str, Any]]], None]) -> None:
        self._is_head = method == "HEAD"
        self._post = post
        self._status: int | None = None
        self._headers: _Headers = []
        self._has_started = False
        # Bytes that are missing of a declared length; None where none was.
        self._missing: int | None = None
        self.is_over = False

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: _ExcInfo | None = None,
        /,
    ) -> Callable[[bytes], None]:
        """Take up status and headers (PEP 3333, "The start_response() Callable").

        Raises:
            AssertionError: it was called before, and no error has come since.
            BaseException: the error that was given, where the head has left already.
        """
        try:
            if exc_info is not None and self._has_started:
                raise exc_info[1].with_traceback(exc_info[2])
            if exc_info is None and self._status is not None:
                raise AssertionError("start_response was called before, without exc_info now")
        finally:
            exc_info = None  # else it keeps this frame alive
        self._status = _read_status(status)
        self._headers = _read_headers(headers)
        lengths = [value for name, value in self._headers if name == b"content-length"]
        self._missing = int(lengths[0]) if lengths else None
        return self.write

    def write(self, data: bytes, *, is_all: bool = False) -> None:
        """Send a piece of the body; what goes beyond a declared length is cut off.

        Args:
            data: of the body.
            is_all: there is nothing else.

        Raises:
            ConnectionResetError: the client has left.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"A WSGI application should give bytes, got {data!r:.200}")
        if self._status is None:
            raise AssertionError("A WSGI application has to call start_response first")
        if not data or self.is_over:
            return
        if is_all and self._missing is None and self._status not in (204, 304):
            self._headers.append((b"content-length", b"%d" % len(data)))
            self._missing = len(data)
        if self._is_head:
            self._end(b"")
            return
        if self._missing is not None:
            data = data[: self._missing]
            self._missing -= len(data)
        if self._missing == 0:
            self._end(data)
        else:
            self._post([*self._take_start(), _body(data, more=True)])

    def finish(self) -> None:
        """End the answer, at the end of the body.

        Raises:
            AssertionError: there was none.
            RuntimeError: it was shorter than its length was said to be.
        """
        if self._status is None:
            raise AssertionError("A WSGI application has to call start_response")
        if self.is_over:
            return
        if self._missing and not self._is_head and self._status not in (204, 304):
            raise RuntimeError(f"The body of the answer ended {self._missing} bytes short")
        self._end(b"")

    def _end(self, data: bytes) -> None:
        self.is_over = True
        self._post([*self._take_start(), _body(data, more=False)])

    def _take_start(self) -> list[dict[str, Any]]:
        if self._has_started:
            return []
        self._has_started = True
        start = {
            "type": "http.response.start",
            "status": self._status,
            "headers": self._headers,
        }
        return [start]


def _body(data: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": bytes(data), "more_body": more}


def _read_status(status: str) -> int:
    """Read a status, such as ``200 OK``; its phrase has no place in ASGI."""
    if not isinstance(status, str):
        raise TypeError(f"The status should be str, got {status!r:.200}")
    code = status[:3]
    if not (code.isascii() and code.isdecimal() and len(code) == 3 and status[3:4] in ("", " ")):
        raise ValueError(f"The status should begin with three digits, got {status!r:.200}")
    return int(code)


def _read_headers(headers: list[tuple[str, str]]) -> _Headers:
    if not isinstance(headers, list):
        raise TypeError(f"The headers should be a list, got {headers!r:.200}")
    read = []
    for name, value in headers:
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError(f"Names and values of headers should be str, got {name, value!r:.200}")
        if name.lower() not in _HOP_BY_HOP:
            read.append((name.lower().encode("latin-1"), value.encode("latin-1")))
    return read
