"""The client in memory: answers that are streamed, left, cut, or never come; ASGI applications."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from bascule import web
from bascule.streams import PayloadAccessError
from bascule.testing import Client, ClientError, ServerDisconnectedError
from support.requests import app_of, ok

PIECE = b"x" * 16 * 1024


async def step(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def talking(handler: Any, **options: Any) -> Client:
    return Client(app_of(handler), **options)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


# -- streaming ------------------------------------------------------------------------------------


class Writing:
    """A handler that writes pieces, and what became of it."""

    def __init__(self, count: int = 10_000, piece: bytes = PIECE, pause: bool = False) -> None:
        self.written = 0
        self.end = "running"
        self._count = count
        self._piece = piece
        self._pause = pause

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        try:
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(self._count):
                await response.write(self._piece)
                self.written += 1
            if self._pause:
                await asyncio.Event().wait()
            self.end = "done"
        except BaseException as exc:
            self.end = type(exc).__mro__[0].__name__
            raise
        return response


async def test_a_write_waits_while_64_kib_are_unread() -> None:
    writing = Writing()
    async with talking(writing) as client, client.stream("GET", "/") as answer:
        await step(100)
        assert (writing.end, writing.written) == ("running", 4)
        assert len(await answer.content.readany()) == 5 * len(PIECE)
        await step(100)
        assert writing.written == 9


async def test_a_stream_is_read_while_it_is_written() -> None:
    turns = [asyncio.Event() for _ in range(3)]

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number, turn in enumerate(turns):
            await turn.wait()
            await response.write(b"%d" % number)
        return response

    async with talking(handler) as client, client.stream("GET", "/") as answer:
        assert (answer.status, answer.closed) == (200, False)
        seen = []
        turns[0].set()
        async for chunk in answer.iter_chunks():
            seen.append(chunk)
            turns[min(len(seen), 2)].set()
        assert seen == [(b"0", True), (b"1", True), (b"2", True)]
        await answer.finished()
        assert answer.closed


async def test_a_head_is_seen_before_any_body() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"X": "y"})
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    async with talking(handler, shutdown_timeout=0) as client:
        async with client.stream("GET", "/") as answer:
            assert answer.headers["X"] == "y"


async def test_a_handler_whose_client_left_early_gets_a_reset_at_its_next_write() -> None:
    writing = Writing()
    async with talking(writing) as client:
        async with client.stream("GET", "/") as answer:
            assert await answer.content.readany()
        await answer.finished()
        assert writing.end == "ClientConnectionResetError"
        with pytest.raises(ClientError, match="The answer was closed"):
            await answer.content.readany()


async def test_handler_cancellation_cancels_a_handler_whose_client_has_left() -> None:
    writing = Writing(count=1, pause=True)
    async with talking(writing, handler_cancellation=True) as client:
        async with client.stream("GET", "/") as answer:
            assert await answer.content.readany() == PIECE
        await answer.finished()
    assert writing.end == "CancelledError"


async def test_without_it_a_handler_goes_on() -> None:
    may_end = asyncio.Event()
    ended = False

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal ended
        response = web.StreamResponse()
        await response.prepare(request)
        await may_end.wait()
        ended = True
        return response

    async with talking(handler) as client:
        async with client.stream("GET", "/") as answer:
            pass
        await step()
        may_end.set()
        await answer.finished()
    assert ended


async def test_a_cancelled_request_leaves_too() -> None:
    writing = Writing(count=1, piece=b"", pause=True)
    async with talking(writing, handler_cancellation=True) as client:
        asking = asyncio.ensure_future(client.get("/"))
        await step()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await step()
        assert writing.end == "CancelledError"


async def test_a_client_that_has_left_sends_no_more_of_its_body() -> None:
    closed: list[bool] = []

    async def body() -> AsyncIterator[bytes]:
        try:
            while True:
                yield PIECE
        finally:
            closed.append(True)

    async with talking(Writing(count=1, pause=True), shutdown_timeout=0) as client:
        async with client.stream("POST", "/", data=body()):
            await step()
            assert closed == []
        await step()
        assert closed == [True]


async def test_writes_of_an_answer_that_is_kept_whole_do_not_wait() -> None:
    async with talking(Writing(count=100)) as client:
        assert len(await (await client.get("/")).read()) == 100 * len(PIECE)


async def test_others_run_while_an_answer_is_written() -> None:
    """Though its writes do not wait; else no time limit would ever come."""
    seen = []
    writing = Writing(count=100)

    async def look() -> None:
        while writing.end == "running":
            seen.append(writing.written)
            await asyncio.sleep(0)

    async with talking(writing) as client:
        await asyncio.gather(client.get("/"), look())
    assert max(b - a for a, b in pairwise(seen)) == 5


async def test_an_answer_that_does_not_end_is_not_kept_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bascule.testing.streamed._MAX_WHOLE", 2**20)
    writing = Writing()
    async with talking(writing) as client:
        with pytest.raises(ClientError, match=r"larger than 1 MiB: use Client\.stream"):
            await client.get("/")
        assert writing.end == "ClientConnectionResetError"


async def test_an_open_answer_is_left_when_the_client_ends() -> None:
    writing = Writing()
    async with talking(writing) as client:
        await client.stream("GET", "/")
    assert writing.end == "ClientConnectionResetError"


async def test_handlers_that_run_on_are_cancelled_at_the_end() -> None:
    writing = Writing(count=1, pause=True)
    async with talking(writing, shutdown_timeout=0) as client:
        async with client.stream("GET", "/"):
            pass
    assert writing.end == "CancelledError"


async def test_an_answer_is_complete_when_the_application_is_done() -> None:
    """What a handler does behind its answer has been done."""
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write_eof()
        await step()
        seen.append("done")
        return response

    async with talking(handler) as client:
        await client.get("/")
        assert seen == ["done"]


async def test_redirections_are_followed_before_a_stream() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/":
            raise web.HTTPFound("/end")
        return web.Response(text="end")

    async with talking(handler) as client, client.stream("GET", "/") as answer:
        assert (await answer.text(), len(answer.history)) == ("end", 1)


async def test_the_rest_of_a_redirection_is_left() -> None:
    ends: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/end":
            return web.Response()
        response = web.StreamResponse(status=302, headers={"Location": "/end"})
        await response.prepare(request)
        try:
            while True:
                await response.write(PIECE)
        except ConnectionResetError:
            ends.append("reset")
            raise

    async with talking(handler) as client, client.stream("GET", "/") as answer:
        await answer.finished()
        assert (answer.url.path, ends) == ("/end", ["reset"])


async def test_a_stream_by_other_ways_of_reading() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=b"one\ntwo\n")

    async with talking(handler) as client:
        ways: list[list[Any]] = []
        async with client.stream("GET", "/") as answer:
            ways.append([piece async for piece in answer.iter_any()])
        async with client.stream("GET", "/") as answer:
            ways.append([piece async for piece in answer.iter_chunked(3)])
        async with client.stream("GET", "/") as answer:
            ways.append([line async for line in answer.content])
        async with client.stream("GET", "/") as answer:
            ways.append([chunk async for chunk in answer.iter_chunks()])
    assert ways == [
        [b"one\ntwo\n"],
        [b"one", b"\ntw", b"o\n"],
        [b"one\n", b"two\n"],
        [(b"one\ntwo\n", False)],  # of a length, not in chunks
    ]


# -- what goes wrong ------------------------------------------------------------------------------


async def fail_early(request: web.Request) -> web.Response:
    raise ZeroDivisionError("early")


async def fail_late(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"abc")
    await step()
    raise ZeroDivisionError("late")


async def fall_short(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "5"})
    await response.prepare(request)
    await response.write(b"abc")
    return response


async def test_an_error_is_a_500_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    async with talking(fail_early) as client:
        answer = await client.get("/")
    assert (answer.status, isinstance(answer.error, ZeroDivisionError)) == (500, True)
    assert [(each.name, each.message) for each in caplog.records] == [
        ("bascule.server", "Error handling request from 127.0.0.1")
    ]


async def test_what_is_answered_is_no_error() -> None:
    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPInternalServerError

    async with talking(handler, raise_app_exceptions=True) as client:
        assert (await client.get("/")).status == 500


@pytest.mark.parametrize("handler", [fail_early, fail_late])
async def test_an_error_of_the_application_is_raised_where_that_is_wanted(handler: Any) -> None:
    async with talking(handler, raise_app_exceptions=True) as client:
        with pytest.raises(ZeroDivisionError) as caught:
            await client.get("/")
        assert caught.traceback[-1].name == handler.__name__


async def test_an_error_inside_a_stream_is_raised_where_that_is_wanted() -> None:
    async with talking(fail_late, raise_app_exceptions=True) as client:
        async with client.stream("GET", "/") as answer:
            assert await answer.content.readany() == b"abc"
            with pytest.raises(ZeroDivisionError, match="late"):
                await answer.content.readany()


async def test_an_error_of_sending_is_raised_too() -> None:
    app = app_of(ok)

    async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
        raise ZeroDivisionError

    app.on_response_prepare.append(on_prepare)
    async with Client(app, raise_app_exceptions=True) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/")


@pytest.mark.parametrize("handler", [fail_late, fall_short])
async def test_an_answer_that_was_cut_is_told_to_its_reader(handler: Any) -> None:
    async with talking(handler) as client:
        with pytest.raises(ConnectionResetError, match="inside its answer") as caught:
            await client.get("/")
        assert isinstance(caught.value, ServerDisconnectedError)
        assert caught.value.__cause__ is not None
        async with client.stream("GET", "/") as answer:
            assert await answer.content.read(3) == b"abc"
            with pytest.raises(ServerDisconnectedError):
                await answer.read()


async def test_a_cut_is_seen_at_once() -> None:
    """Whatever the handler does then."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"abc")
        request._exchange.abort(ZeroDivisionError())
        await asyncio.Event().wait()
        return response

    async with talking(handler, shutdown_timeout=0) as client:
        async with client.stream("GET", "/") as answer:
            with pytest.raises(ServerDisconnectedError):
                await answer.read()


async def test_what_comes_behind_a_length_is_cut_off() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "2"})
        await response.prepare(request)
        await response.write(b"abc")
        return response

    async with talking(handler) as client:
        assert await (await client.get("/")).read() == b"ab"


async def test_an_answer_that_was_dropped_before_its_head() -> None:
    async def handler(request: web.Request) -> web.Response:
        request.task.cancel()
        await asyncio.Event().wait()
        raise AssertionError

    async with talking(handler) as client:
        with pytest.raises(ServerDisconnectedError, match="before it answered") as caught:
            await client.get("/")
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)


@pytest.mark.parametrize("steps", range(4))
async def test_a_request_that_the_end_of_its_client_overtakes_is_told(steps: int) -> None:
    """However far it had come."""
    client = await talking(Writing(count=0, pause=True), shutdown_timeout=0).__aenter__()
    asking = asyncio.ensure_future(client.get("/"))
    await step(steps)
    ending = asyncio.create_task(client.__aexit__(None, None, None))
    with pytest.raises((ServerDisconnectedError, RuntimeError), match=r"dropped|not running"):
        await asking
    await ending


class Outcome(BaseException):
    """What a test's framework raises to end it, such as ``pytest.fail`` does."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, Outcome])
async def test_what_ends_a_test_or_a_program_is_raised_from_the_request(
    error: type[BaseException],
) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise error

    async with talking(handler) as client:
        with pytest.raises(error):
            await client.get("/")
        with pytest.raises(error):
            await client.stream("GET", "/")


async def test_what_ends_a_test_is_raised_from_a_stream() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a")
        await step()
        raise Outcome

    async with talking(handler) as client, client.stream("GET", "/") as answer:
        with pytest.raises(Outcome):
            await answer.read()


async def test_an_error_of_a_streamed_body_is_raised_from_a_stream() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        await step()
        raise ZeroDivisionError

    async with talking(Writing(count=1, pause=True), shutdown_timeout=0) as client:
        async with client.stream("POST", "/", data=body()) as answer:
            assert await answer.content.readany() == PIECE
            with pytest.raises(ZeroDivisionError):
                await answer.read()


async def test_a_missing_return_is_an_error_too() -> None:
    async def handler(request: web.Request) -> None:
        pass

    async with talking(handler, raise_app_exceptions=True) as client:
        with pytest.raises(RuntimeError, match="Missing return statement"):
            await client.get("/")


async def test_an_error_outside_the_handlers_is_a_500_too() -> None:
    app = app_of(ok)

    def fail(exchange: Any) -> web.Request:
        raise ZeroDivisionError

    app._make_request = fail  # type: ignore[method-assign]  # as those who patch it do
    async with Client(app) as client:
        answer = await client.get("/")
    assert (answer.status, type(answer.error)) == (500, ZeroDivisionError)


async def test_a_body_cannot_be_read_behind_its_answer() -> None:
    requests: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        requests.append(request)
        return web.Response()

    async with talking(handler) as client:
        await client.post("/", data=b"abc")
        with pytest.raises(PayloadAccessError):
            await requests[0].read()


async def test_an_application_that_never_answers_is_given_up_and_cancelled() -> None:
    ends: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        raise AssertionError

    async with talking(handler, timeout=0.001, shutdown_timeout=1000) as client:
        with pytest.raises(
            TimeoutError, match=r"GET http://localhost/x was not answered within 0\.001 s"
        ):
            await client.get("/x")
        with pytest.raises(TimeoutError):
            await client.stream("GET", "/x")
        with pytest.raises(TimeoutError, match=r"within 0\.002 s"):
            await client.get("/x", timeout=0.002)
    assert ends == ["cancelled"] * 3


async def pass_time(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the clock of the loop go on at once."""
    loop = asyncio.get_running_loop()
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + seconds)
    await step()


async def test_a_stream_that_stops_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is that of each read."""
    async with talking(Writing(count=1, pause=True), shutdown_timeout=0) as client:
        async with client.stream("GET", "/x", timeout=100) as answer:
            await pass_time(monkeypatch, 99)
            assert await answer.content.readany() == PIECE
            reading = asyncio.ensure_future(answer.content.readany())
            await step()
            await pass_time(monkeypatch, 99)
            assert not reading.done()
            await pass_time(monkeypatch, 2)
            with pytest.raises(TimeoutError, match=r"answer to GET /x came within 100 s"):
                await reading


async def test_an_application_that_is_never_done_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write_eof()
        await asyncio.Event().wait()
        return response

    async with talking(handler) as client:
        asking = asyncio.ensure_future(client.get("/"))
        await step()
        await pass_time(monkeypatch, 61)
        with pytest.raises(TimeoutError, match=r"was not done with within 60\.0 s"):
            await asking


async def test_a_timeout_of_the_handler_is_not_the_client_s() -> None:
    async def handler(request: web.Request) -> web.Response:
        raise TimeoutError

    async with talking(handler) as client:
        assert (await client.get("/")).status == 504


# -- applications of ASGI -------------------------------------------------------------------------


def starlette(seen: list[str]) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        seen.append("up")
        yield {"number": 7}
        seen.append("down")

    async def home(request: StarletteRequest) -> PlainTextResponse:
        body = (await request.body()).decode()
        task = BackgroundTask(seen.append, "background")
        return PlainTextResponse(f"{request.state.number} {request.url} {body}", background=task)

    async def endless(request: StarletteRequest) -> StreamingResponse:
        async def numbers() -> AsyncIterator[str]:
            while True:
                yield "x" * 1024

        return StreamingResponse(numbers())

    async def boom(request: StarletteRequest) -> PlainTextResponse:
        raise ZeroDivisionError

    routes = [
        Route("/", home, methods=["GET", "POST"]),
        Route("/endless", endless),
        Route("/boom", boom),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


async def test_an_application_of_asgi() -> None:
    seen: list[str] = []
    async with Client(starlette(seen)) as client:
        answer = await client.post("/?q", data=pieces(b"a", b"b"))
        assert await answer.text() == "7 http://localhost/?q ab"
        assert seen == ["up", "background"]
        boom = await client.get("/boom")
        assert (boom.status, type(boom.error)) == (500, ZeroDivisionError)
    assert seen == ["up", "background", "down"]


async def test_a_stream_of_asgi_that_is_left() -> None:
    seen: list[str] = []
    async with Client(starlette(seen)) as client:
        async with client.stream("GET", "/endless") as answer:
            assert (await answer.content.readexactly(100_000))[:2] == b"xx"
        await answer.finished()
        assert seen == ["up"]


async def test_an_error_of_asgi_is_raised_where_that_is_wanted() -> None:
    async with Client(starlette([]), raise_app_exceptions=True) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/boom")


async def test_an_application_of_asgi_without_lifespan() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"c"})

    for lifespan in ("auto", "off"):
        async with Client(application, lifespan=lifespan) as client:
            answer = await client.get("/")
            assert (answer.headers["A"], await answer.read()) == ("b", b"c")


# -- options of the application -------------------------------------------------------------------


async def test_handler_args_of_the_application_count(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bascule.access")
    args = {"access_log": logging.getLogger("bascule.access"), "access_log_format": "%r %s"}
    app = app_of(fail_early, handler_args={**args, "debug": True})
    async with Client(app) as client:
        assert "ZeroDivisionError" in await (await client.get("/x")).text()
    assert caplog.messages[-1] == "GET /x HTTP/1.1 500"


@pytest.mark.parametrize("change", ["level", "filter", "disabled"])
async def test_the_logger_of_errors_is_the_given_one(
    change: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Also as it is later; what it is told is seen at the answer all the same."""
    logger = logging.getLogger(f"mine.{change}")
    async with talking(fail_early, logger=logger) as client:
        await client.get("/")
        [record] = caplog.records
        assert (record.name, record.filename) == (logger.name, "handling.py")
        if change == "level":
            logger.setLevel(logging.CRITICAL)
        elif change == "filter":
            logger.addFilter(lambda record: False)
        else:
            logger.disabled = True
        assert isinstance((await client.get("/")).error, ZeroDivisionError)
        assert len(caplog.records) == 1


def test_no_client_leaves_a_logger_behind() -> None:
    before = set(logging.Logger.manager.loggerDict)
    Client(web.Application())
    assert set(logging.Logger.manager.loggerDict) == before
