"""Whatever an application raises, wherever it does: the server lives, the client can tell."""

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bascule import web
from bascule.abc import AbstractAccessLogger
from support.asgi_role import read_rest
from support.requests import request
from support.scripted_host import ScriptedHost, http_scope
from support.strict_answers import read_answers
from support.wire import Served, serve


class Odd(BaseException):
    """Neither an error nor an exit."""


class Dumb(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


def _cyclic() -> Exception:
    first, second = ValueError("first"), KeyError("second")
    first.__context__, second.__context__ = second, first
    return first


def _deep() -> BaseException:
    try:
        _deep()
    except RecursionError as exc:
        return exc.with_traceback(None)
    raise AssertionError("not reached")


ERRORS: dict[str, Callable[[], BaseException]] = {
    "exit": lambda: SystemExit(3),
    "interrupt": KeyboardInterrupt,
    "generator exit": GeneratorExit,
    "cancelled": asyncio.CancelledError,
    "odd": Odd,
    "group of exits": lambda: BaseExceptionGroup("g", [SystemExit(3), ValueError("v")]),
    "group of cancellations": lambda: BaseExceptionGroup("g", [asyncio.CancelledError()]),
    "group": lambda: ExceptionGroup("g", [ExceptionGroup("h", [ValueError("v")])]),
    "stop": StopIteration,
    "async stop": StopAsyncIteration,
    "dumb": Dumb,
    "recursion": _deep,
    "memory": MemoryError,
    "cyclic": _cyclic,
    "surrogate": lambda: ValueError("\ud800\udcff"),
    "assertion": AssertionError,
    "reset of another": lambda: ConnectionResetError("of the database"),
    "broken pipe": lambda: BrokenPipeError(32, "of a program"),
    "unicode": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
}
# Raised by a handler of its own accord, it cuts the connection, as cancelling its task does; it is
# no error to be told of.
QUIET = ("cancelled",)

Build = Callable[[Callable[[], BaseException]], web.Application]


def _app(handler: Any, **options: Any) -> web.Application:
    async def fine(request: web.Request) -> web.Response:
        return web.Response(text="fine")

    app = web.Application(**options)
    app.router.add_get("/fine", fine)
    app.router.add_get("/", handler)
    return app


async def _answer(request: web.Request) -> web.Response:
    return web.Response(text="answer")


def _before(make: Callable[[], BaseException]) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        raise make()

    return _app(handler)


def _held(make: Callable[[], BaseException]) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        await web.StreamResponse(headers={"X": "held"}).prepare(request)
        raise make()

    return _app(handler)


def _started(make: Callable[[], BaseException]) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"beginning")
        raise make()

    return _app(handler)


def _measured(make: Callable[[], BaseException]) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        response = web.StreamResponse(headers={"Content-Length": "20"})
        await response.prepare(request)
        await response.write(b"beginning")
        raise make()

    return _app(handler)


def _compressed(make: Callable[[], BaseException]) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        response = web.StreamResponse()
        response.enable_compression(web.ContentCoding.gzip)
        await response.prepare(request)
        await response.write(bytes(100_000))
        raise make()

    return _app(handler)


def _ended(make: Callable[[], BaseException]) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text="answer")
        await response.prepare(request)
        await response.write_eof()
        raise make()

    return _app(handler)


def _finally(make: Callable[[], BaseException]) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        try:
            raise LookupError("first")
        finally:
            raise make()

    return _app(handler)


def _middleware(make: Callable[[], BaseException]) -> web.Application:
    @web.middleware
    async def raising(request: web.Request, handler: Any) -> Any:
        if request.path != "/fine":
            raise make()
        return await handler(request)

    return _app(_answer, middlewares=[raising])


def _middleware_behind(make: Callable[[], BaseException]) -> web.Application:
    @web.middleware
    async def raising(request: web.Request, handler: Any) -> Any:
        response = await handler(request)
        if request.path != "/fine":
            raise make()
        return response

    return _app(_answer, middlewares=[raising])


def _signal(make: Callable[[], BaseException]) -> web.Application:
    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        if request.path != "/fine":
            raise make()

    app = _app(_answer)
    app.on_response_prepare.append(prepare)
    return app


def _body(make: Callable[[], BaseException]) -> web.Application:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"beginning"
        raise make()

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=pieces())

    return _app(handler)


def _first_piece(make: Callable[[], BaseException]) -> web.Application:
    async def pieces() -> AsyncIterator[bytes]:
        raise make()
        yield b""  # what makes it a generator

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=pieces())

    return _app(handler)


def _events(make: Callable[[], BaseException]) -> web.Application:
    async def events() -> AsyncIterator[str]:
        yield "beginning"
        raise make()

    async def handler(request: web.Request) -> web.EventSourceResponse:
        return web.EventSourceResponse(events=events())

    return _app(handler)


def _reading(make: Callable[[], BaseException]) -> web.Application:
    """The error comes from a task of the handler."""

    async def handler(request: web.Request) -> web.Response:
        async def inner() -> None:
            await asyncio.sleep(0)
            raise make()

        await inner()
        raise AssertionError("not reached")

    return _app(handler)


# Where it is raised, and the statuses of a whole answer; 0 for one that is cut.
PLACES: dict[str, tuple[Build, tuple[int, ...]]] = {
    "before the start": (_before, (500,)),
    "behind a wait": (_reading, (500,)),
    "in finally": (_finally, (500,)),
    "head held": (_held, (500,)),
    "head sent": (_started, (0,)),
    "length declared": (_measured, (0,)),
    "compressed": (_compressed, (0,)),
    "behind the end": (_ended, (200,)),
    "middleware": (_middleware, (500,)),
    "middleware behind": (_middleware_behind, (500,)),
    "signal": (_signal, (500,)),
    "body": (_body, (0,)),
    "first piece": (_first_piece, (500, 0)),
    "events": (_events, (0,)),
}
# At most places one of each kind says it all.
KINDS = ("exit", "cancelled", "odd", "group of exits", "group", "stop", "dumb", "cyclic")
CASES = [
    pytest.param(place, error, id=f"{place}/{error}")
    for place in PLACES
    for error in (ERRORS if place in ("before the start", "head sent") else KINDS)
]


def _watch(app: web.Application) -> list[weakref.ref[Any]]:
    """Keep weak references to the requests of an application."""
    kept: list[weakref.ref[Any]] = []
    made = app._make_request

    def make_request(*args: Any) -> Any:
        request = made(*args)
        kept.append(weakref.ref(request))
        return request

    app._make_request = make_request  # type: ignore[method-assign]  # as tracers patch it
    return kept


def _check_log(log: pytest.LogCaptureFixture, error: str) -> None:
    told = [record for record in log.records if record.levelno >= logging.WARNING]
    assert len(told) == (error not in QUIET), [record.getMessage() for record in told]


async def _exchange(served: Served, data: bytes) -> bytes:
    async with served.connect() as wire:
        await wire.send(data)
        return await read_rest(wire)


@pytest.mark.parametrize(("place", "error"), CASES)
async def test_a_server_outlives_it(
    place: str, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    build, statuses = PLACES[place]
    app = build(ERRORS[error])
    kept = _watch(app)
    async with serve(app, access_log=None) as served, served.connect() as other:
        await other.send(request("/fine"))
        assert (await other.read_answer())[2] == b"fine"
        raw = await _exchange(served, request("/", "Connection: close"))
        _check_answer(raw, (0,) if error in QUIET and statuses != (200,) else statuses)
        await other.send(request("/fine"))
        assert (await other.read_answer())[2] == b"fine"
        _check_log(caplog, error)
    for record in caplog.records:  # pytest keeps them, and they the error with its frames
        record.exc_info, record.args = None, ()
    gc.collect()
    assert [ref() for ref in kept] == [None, None, None]


def _check_answer(raw: bytes, statuses: tuple[int, ...]) -> None:
    answers = read_answers(raw)
    assert len(answers) <= 1
    status = answers[0].status if answers and answers[0].is_whole else 0
    assert status in statuses
    if status == 500:
        assert b"X: held" not in raw
        assert answers[0].values(b"connection") == [b"close"]


@pytest.mark.parametrize(("place", "error"), CASES)
async def test_a_host_outlives_it(place: str, error: str, caplog: pytest.LogCaptureFixture) -> None:
    """What would end the loop of a host is kept from it, and nothing is said twice."""
    build, statuses = PLACES[place]
    host = ScriptedHost()
    app = build(ERRORS[error])
    raised: BaseException | None = None
    try:
        await host.call(app, http_scope())
    except (Exception, asyncio.CancelledError, GeneratorExit) as exc:
        raised = exc
    is_whole = bool(host.sent) and not host.sent[-1].get("more_body", True)
    if error not in (*QUIET, "generator exit"):
        assert (host.status if is_whole else 0) in statuses
    assert is_whole or raised is not None  # so that the host cuts it
    assert host.types.count("start") <= 1
    if error != "generator exit":
        _check_log(caplog, error)


async def test_a_write_to_a_closing_transport_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The loss of the connection is told later: with uvloop each client that resets is met so."""
    over = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"beginning")
        request.transport.abort()  # type: ignore[union-attr]  # it is there
        try:
            await response.write(b"more")
        finally:
            over.set()
        raise AssertionError("not reached")

    logged: list[int] = []

    class Logger(AbstractAccessLogger):
        def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
            logged.append(response.status)

    async with serve(_app(handler), access_log_class=Logger) as served:
        await _exchange(served, request("/"))
        await over.wait()
    assert logged == [499]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# -- beside the answer


class _RaisingLogger(AbstractAccessLogger):
    make: Callable[[], BaseException]

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        if request.path != "/fine":
            raise self.make()


@pytest.mark.parametrize("error", KINDS)
async def test_an_access_logger_may_fail(error: str, caplog: pytest.LogCaptureFixture) -> None:
    logger = type("Raising", (_RaisingLogger,), {"make": staticmethod(ERRORS[error])})
    app = _app(_answer)
    async with serve(app, access_log_class=logger, access_log=logging.getLogger("a")) as served:
        _check_answer(await _exchange(served, request("/", "Connection: close")), (200,))
        _check_answer(await _exchange(served, request("/fine", "Connection: close")), (200,))
    _check_log(caplog, error)


@pytest.mark.parametrize("error", KINDS)
async def test_an_exception_handler_may_fail(error: str, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise LookupError("first")

    async def handle(request: web.Request, exc: Exception) -> web.Response:
        raise ERRORS[error]()

    app = _app(handler)
    app.exception_handlers[LookupError] = handle
    async with serve(app, access_log=None) as served:
        raw = await _exchange(served, request("/", "Connection: close"))
        _check_answer(raw, (0,) if error in QUIET else (500,))
        _check_answer(await _exchange(served, request("/fine", "Connection: close")), (200,))
    _check_log(caplog, error)


HANDSHAKE = request(
    "/",
    "Upgrade: websocket",
    "Connection: upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("accepts", [True, False], ids=["accepted", "asked"])
async def test_a_websocket_handler_may_fail(
    accepts: bool, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        if accepts:
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            await ws.send_str("hello")
        raise ERRORS[error]()

    async with serve(_app(handler), access_log=None) as served:
        raw = await _exchange(served, HANDSHAKE)
        if accepts:
            assert raw.startswith(b"HTTP/1.1 101 ")
            assert raw.count(b"HTTP/1.1") == 1
        else:
            _check_answer(raw, (0,) if error in QUIET else (500,))
        _check_answer(await _exchange(served, request("/fine", "Connection: close")), (200,))
    _check_log(caplog, error)


@pytest.mark.parametrize("error", KINDS)
@pytest.mark.parametrize("state", ["before", "held", "sent", "ended"])
@pytest.mark.parametrize("is_mounted", [True, False], ids=["mounted", "alone"])
async def test_a_hosted_application_may_fail(
    is_mounted: bool, state: str, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan")
        start = {"type": "http.response.start", "status": 200, "headers": []}
        if scope["path"].endswith("/fine"):
            await send(start)
            await send({"type": "http.response.body", "body": b"fine"})
            return
        if state != "before":
            await send(start)
        if state in ("sent", "ended"):
            more = state == "sent"
            await send({"type": "http.response.body", "body": b"x", "more_body": more})
        raise ERRORS[error]()

    app: Any = application
    if is_mounted:
        app = web.Application()
        app.mount("/in", application)
    async with serve(app, access_log=None) as served:
        raw = await _exchange(served, request("/in/", "Connection: close"))
        expected = {"before": 500, "held": 500, "sent": 0, "ended": 200}[state]
        _check_answer(raw, (0,) if error in QUIET and expected != 200 else (expected,))
        _check_answer(await _exchange(served, request("/in/fine", "Connection: close")), (200,))
    _check_log(caplog, error)
