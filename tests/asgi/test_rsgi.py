"""Our applications under granian's own interface, call by call."""

import asyncio
import contextvars
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bascule import web
from bascule.streams import RequestPayloadError
from support.scripted_rsgi import RsgiCall, RsgiScope

TEXT = ("Content-Type", "text/plain; charset=utf-8")


def app_of(handler: Any, **kwargs: Any) -> web.Application:
    app = web.Application(**kwargs)
    app.router.add_route("*", "/{tail:.*}", handler)
    return app


async def call(handler: Any, made: RsgiCall | None = None, **facts: Any) -> RsgiCall:
    """Answer one call, and give it."""
    made = made or RsgiCall()
    app = app_of(handler)
    async with app:
        await app.__rsgi__(RsgiScope(**facts), made)
    return made


# -- the answer


async def test_an_answer_is_one_call() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="x", headers={"X-Mixed": "ü"})

    made = await call(handler)
    fields = [("X-Mixed", "ü"), TEXT, ("Content-Length", "1")]
    (got,) = made.sent
    assert (got[0], got[1], sorted(got[2]), got[3]) == ("bytes", 200, sorted(fields), b"x")


@pytest.mark.parametrize(
    ("method", "response", "expected"),
    [
        ("GET", {"status": 204}, ("empty", 204, [])),
        ("GET", {"status": 304}, ("empty", 304, [])),
        ("HEAD", {"text": "abc"}, ("empty", 200, [("Content-Length", "3"), TEXT])),
        ("GET", {"text": ""}, ("empty", 200, [("Content-Length", "0"), TEXT])),
    ],
    ids=["204", "304", "head", "empty"],
)
async def test_an_answer_without_a_body_is_empty(method: str, response: Any, expected: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(**response)

    (got,) = (await call(handler, method=method)).sent
    assert (got[0], got[1], sorted(got[2])) == expected


async def test_a_head_answer_of_unknown_length_says_none() -> None:
    """An empty answer would get a length of 0 from granian."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write_eof()
        return response

    made = await call(handler, method="HEAD")
    assert [each[0] for each in made.sent] == ["stream", "end"]


async def test_a_streamed_answer_goes_piece_by_piece() -> None:
    over = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a")
        await response.write(bytearray(b"b"))
        await response.write_eof(b"c")
        assert made.sent[-1] == ("end",)  # the client need not wait for the handler
        over.set()
        return response

    made = RsgiCall()
    await call(handler, made)
    assert over.is_set()
    assert made.sent[0][:2] == ("stream", 200)
    assert b"".join(each[1] for each in made.sent[1:-1]) == b"abc"
    assert made.leaving is not None
    assert made.leaving.cancelled()


async def test_a_head_leaves_before_the_body() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [each[0] for each in made.sent] == ["stream"]
        return response

    made = RsgiCall()
    await call(handler, made)
    assert [each[0] for each in made.sent] == ["stream", "end"]


async def test_chunks_that_were_asked_for_are_sent_as_such() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text="x")
        response.enable_chunked_encoding()
        return response

    made = await call(handler)
    assert [each[0] for each in made.sent] == ["stream", "piece", "end"]
    assert not {name.lower() for name, _ in made.sent[0][2]} & {
        "transfer-encoding",
        "content-length",
    }


@pytest.mark.parametrize(
    ("version", "expected"), [("1.1", ["Connection"]), ("2", [])], ids=["1.1", "2"]
)
async def test_fields_of_a_connection_are_the_hosts(version: str, expected: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(headers={"Keep-Alive": "5", "Upgrade": "x", "Trailer": "y"})
        response.force_close()
        return response

    made = await call(handler, http_version=version)
    (got,) = made.sent
    left = [name for name, _ in got[2] if name not in ("Content-Length", "Content-Type")]
    assert left == expected


async def test_trailers_and_hints_are_left_out() -> None:
    """RSGI has neither."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await request.send_early_hints({"Link": "</a>"})
        response = web.StreamResponse(headers={"Trailer": "X-Sum"})
        response.trailers["X-Sum"] = "1"
        await response.prepare(request)
        await response.write(b"x")
        return response

    made = await call(handler)
    assert [each[0] for each in made.sent] == ["stream", "piece", "end"]
    assert "Trailer" not in dict(made.sent[0][2])


async def test_a_value_that_cannot_be_sent_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """RSGI takes text, which bytes that are no UTF-8 are not."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(headers={"X": "caf\udce9"})

    made = RsgiCall()
    with pytest.raises(UnicodeEncodeError):
        await call(handler, made)
    assert made.sent == []  # granian answers 500


# -- files


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.txt"
    path.write_bytes(bytes(range(256)) * 1024)
    return path


async def test_a_file_goes_by_its_path(page: Path) -> None:
    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(page)

    (got,) = (await call(handler)).sent
    page.unlink()
    assert got[:2] == ("file", 200)
    assert Path(got[3]).read_bytes() == bytes(range(256)) * 1024
    assert dict(got[2])["Content-Length"] == str(2**18)


async def test_a_range_of_a_file_goes_by_its_path(page: Path) -> None:
    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(page)

    (got,) = (await call(handler, headers=[("range", "bytes=10-99999")])).sent
    assert (got[0], got[1], got[4:]) == ("range", 206, (10, 100_000))
    assert os.path.samefile(got[3], page)
    assert dict(got[2])["Content-Range"] == f"bytes 10-99999/{2**18}"


async def test_a_file_that_is_not_all_of_the_body_is_copied(page: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"before")
        with page.open("rb") as file:
            assert not await request._exchange.send_file(file, 0, 2**18)
        return response

    made = await call(handler)
    assert [each[0] for each in made.sent] == ["stream", "piece", "end"]


async def test_a_file_in_front_of_more_is_copied(page: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(2**18 + 1)})
        await response.prepare(request)
        with page.open("rb") as file:
            assert not await request._exchange.send_file(file, 0, 2**18)
            await response.write(file.read())
        await response.write(b"x")
        return response

    made = await call(handler)
    assert made.sent[0][0] == "stream"


# -- the request


@pytest.mark.parametrize(
    ("facts", "target"),
    [
        ({"path": "/a/b"}, "/a/b"),
        ({"path": "/a b/ü?"}, "/a%20b/%C3%BC%3F"),
        ({"path": "/a%2Fb"}, "/a%252Fb"),
        ({"path": "/a", "query_string": "x=%20&y"}, "/a?x=%20&y"),
        ({"path": "/a", "query_string": "x=é"}, "/a?x=%C3%A9"),
        ({"path": "*", "method": "OPTIONS"}, "*"),
        ({"path": "/a", "authority": "other:81"}, "http://other:81/a"),
        ({"path": "/a", "authority": "other", "http_version": "2"}, "/a"),
    ],
)
async def test_the_target_is_made_of_path_and_query(facts: Any, target: str) -> None:
    targets: list[str] = []

    @web.middleware
    async def look(request: web.Request, handler: Any) -> web.StreamResponse:
        targets.append(request._exchange.head.target)
        response: web.StreamResponse = await handler(request)
        return response

    app = web.Application(middlewares=[look])
    async with app:
        await app.__rsgi__(RsgiScope(**facts), RsgiCall())
    assert targets == [target]


@pytest.mark.parametrize(
    ("facts", "host"),
    [
        ({"headers": [("host", "a")]}, "a"),
        ({"headers": [("host", "a")], "authority": "b"}, "b"),
        ({"authority": "b", "http_version": "2"}, "b"),
        ({"headers": [("host", "a")], "authority": "b", "http_version": "2"}, "b"),
    ],
)
async def test_the_authority_is_the_host(facts: Any, host: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.host)

    assert (await call(handler, **facts)).sent[0][3] == host.encode()


async def test_the_request_tells_of_its_connection() -> None:
    facts: dict[str, Any] = {}

    async def handler(request: web.Request) -> web.Response:
        facts.update(
            remote=request.remote,
            peer=request.get_extra_info("peername"),
            socket=request.get_extra_info("sockname"),
            none=request.get_extra_info("cipher", "none"),
            secure=request.secure,
            tls=request.get_extra_info("sslcontext") is not None,
            version=tuple(request.version),
            cookies=dict(request.cookies),
            raw=tuple(request.raw_headers),
        )
        return web.Response()

    cookies = [("cookie", "a=1"), ("cookie", "b=2")]
    await call(
        handler,
        scheme="https",
        client="[::1]:5",
        server="unix",
        http_version="2",
        headers=cookies,
        authority="h",
    )
    assert facts == {
        "remote": "::1",
        "peer": ("::1", 5),
        "socket": None,
        "none": "none",
        "secure": True,
        "tls": True,
        "version": (2, 0),
        "cookies": {"a": "1", "b": "2"},
        "raw": ((b"host", b"h"), (b"cookie", b"a=1; b=2")),
    }


async def test_the_request_has_a_scope_of_asgi() -> None:
    scopes: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        scopes.append(request.scope)
        return web.Response()

    await call(
        handler, path="/a b", query_string="x=1", headers=[("host", "h"), ("x", "ü")], client=""
    )
    assert scopes[0] == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"x=1",
        "root_path": "",
        "headers": [(b"host", b"h"), (b"x", "ü".encode())],
        "client": None,
        "server": ("127.0.0.1", 80),
        "state": {},
        "extensions": {},
    }


# -- its body


def chunked(*pieces: Any, **kwargs: Any) -> tuple[RsgiCall, dict[str, Any]]:
    return RsgiCall(pieces, **kwargs), {
        "method": "POST",
        "headers": [("transfer-encoding", "chunked")],
    }


def measured(size: int, *pieces: Any, **kwargs: Any) -> tuple[RsgiCall, dict[str, Any]]:
    return RsgiCall(pieces, **kwargs), {
        "method": "POST",
        "headers": [("content-length", str(size))],
    }


def streamed(*pieces: Any, **kwargs: Any) -> tuple[RsgiCall, dict[str, Any]]:
    return RsgiCall(pieces, **kwargs), {"method": "POST", "http_version": "2"}


async def outcome(made: RsgiCall, facts: dict[str, Any]) -> Any:
    """Give the body that a handler reads, or the kind of error that it meets."""
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        try:
            seen.append(await request.read())
        except Exception as exc:
            seen.append(type(exc))
            raise
        return web.Response()

    await asyncio.wait_for(call(handler, made, **facts), 10)
    return seen[0]


async def test_the_body_is_asked_for_when_it_is_wanted() -> None:
    asked = []

    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0)
        asked.append(made.asked)
        assert await request.content.readany() == b"ab"
        asked.append(made.asked)
        assert await request.read() == b"cd"
        asked.append(made.asked)
        return web.Response()

    made, facts = measured(4, b"ab", b"cd", b"")
    await call(handler, made, **facts)
    assert asked == [0, 1, 2]


@pytest.mark.parametrize(
    "given",
    [
        measured(3, b"abc", b""),
        chunked(b"a", b"bc", b""),
        chunked(b"abc"),
        streamed(b"abc", b""),
        streamed(b"a", b"bc", b"", b""),
    ],
    ids=["measured", "chunked", "no empty piece", "http 2", "empty last frame"],
)
async def test_a_body_that_is_whole_is_read(given: Any) -> None:
    assert await outcome(*given) == b"abc"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (measured(10, b"abc", b"", b""), ConnectionResetError),
        (measured(10, b"abc", RuntimeError("RSGI transport is closed")), ConnectionResetError),
        (chunked(b"abc", RuntimeError("RSGI transport is closed")), ConnectionResetError),
        (chunked(b"abc", b"", b""), RequestPayloadError),
        (streamed(b"abc", endless=True), ConnectionResetError),
    ],
    ids=["measured", "measured, told", "chunked, told", "chunked", "endless"],
)
async def test_a_body_that_was_cut_off_is_not_taken_for_whole(
    given: Any, error: type[Exception]
) -> None:
    """granian says so by empty pieces at most, over HTTP/2 by no end of them."""
    assert issubclass(await outcome(*given), error)
    assert given[0].asked < 10


async def test_a_body_in_chunks_that_was_cut_off_is_400() -> None:
    made, facts = chunked(b"abc", b"", b"")
    await outcome(made, facts)
    assert made.sent[0][1] == 400


async def test_a_stream_that_was_reset_is_not_taken_for_whole() -> None:
    made, facts = streamed(b"abc", b"")
    made.is_closed = True
    assert issubclass(await outcome(made, facts), ConnectionResetError)


async def test_no_question_is_left_open() -> None:
    """granian fails at its end where one is, and cleans nothing up."""
    made, facts = streamed(b"abc", b"")
    assert await outcome(made, facts) == b"abc"
    assert made.leaving is not None
    assert made.leaving.cancelled()
    made = RsgiCall([b""])
    await outcome(made, {"http_version": "2"})
    assert made.leaving is None


async def test_a_cancelled_read_loses_nothing() -> None:
    piece: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.Response:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await request.read()
        piece.set_result(b"abc")
        return web.Response(body=await request.read())

    made, facts = measured(3, piece)
    await call(handler, made, **facts)
    assert made.sent[0][3] == b"abc"


async def test_a_short_body_that_is_not_read_is_thrown_away() -> None:
    """granian closes the connection of a client that has more to give."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="x")

    made, facts = measured(6, b"abc", b"def", b"")
    await call(handler, made, **facts)
    assert (made.asked, made.sent[0][0]) == (3, "bytes")
    made, facts = measured(10**9, b"abc")
    await call(handler, made, **facts)
    assert made.asked == 0


@pytest.mark.parametrize(
    ("method", "headers", "pieces", "exists"),
    [
        ("GET", [], [b""], False),
        ("GET", [], [b"abc", b""], True),
        ("POST", [("content-length", "0")], [b""], False),
        ("POST", [("content-length", "3")], [b"abc"], True),
    ],
)
async def test_a_body_over_http_2_need_not_be_announced(
    method: str, headers: Any, pieces: Any, exists: bool
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.body_exists} {(await request.read()).decode()}")

    made = await call(handler, RsgiCall(pieces), method=method, headers=headers, http_version="2")
    assert made.sent[0][3] == (b"True abc" if exists else b"False ")


# -- errors, and the client's leaving


async def test_an_error_is_answered_500() -> None:
    async def handler(request: web.Request) -> web.Response:
        raise ValueError("broken")

    made = await call(handler)
    assert made.sent[0][:2] == ("bytes", 500)


async def test_an_error_behind_the_head_is_told_to_the_host() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        raise ValueError("broken")

    made = RsgiCall()
    with pytest.raises(ValueError, match="broken"):
        await call(handler, made)
    assert [each[0] for each in made.sent] == ["stream", "piece", "end"]


async def test_a_handler_learns_that_its_client_has_left() -> None:
    started = asyncio.Event()
    ended: list[Any] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        started.set()
        try:
            await request._exchange.gone
            await response.write(b"y")
        except ConnectionResetError as exc:
            ended.append(type(exc).__mro__[1])
            raise
        return response

    made = RsgiCall()
    async with asyncio.TaskGroup() as group:
        group.create_task(call(handler, made))
        await started.wait()
        made.leave()
    assert ended == [ConnectionResetError]


async def test_a_write_to_a_client_that_has_left_is_a_reset() -> None:
    errors: list[Any] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        made.is_closed = True  # and nobody has told
        try:
            await response.write(b"y")
        except ConnectionResetError as exc:
            errors.append(exc)
            raise
        return response

    made = RsgiCall()
    await call(handler, made)
    assert len(errors) == 1


async def test_a_handler_may_be_cancelled_when_its_client_leaves() -> None:
    waiting = asyncio.Event()
    cancelled = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return web.Response()

    app = app_of(handler, handler_args={"handler_cancellation": True})
    made = RsgiCall()
    async with app, asyncio.timeout(10):
        answering = asyncio.create_task(app.__rsgi__(RsgiScope(), made))
        await waiting.wait()
        made.leave()
        await answering
    assert cancelled.is_set()
    assert made.sent == []


# -- the life

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE")


class Diary:
    """An application that keeps what happened, and in which tasks it was started and ended."""

    def __init__(self) -> None:
        self.app = web.Application()
        self.notes: list[str] = []
        self.tasks: set[Any] = set()
        self.app.cleanup_ctx.append(self._context)
        self.app.on_shutdown.append(self._note_shutdown)
        self.app.router.add_get("/", self._answer)

    async def _context(self, app: web.Application) -> AsyncIterator[None]:
        self.tasks.add(asyncio.current_task())
        await asyncio.sleep(0)
        VARIABLE.set("set at start")
        self.notes.append("up")
        yield
        await asyncio.sleep(0)
        self.tasks.add(asyncio.current_task())
        self.notes.append("down")

    async def _note_shutdown(self, app: web.Application) -> None:
        self.notes.append("shutdown")

    async def _answer(self, request: web.Request) -> web.Response:
        self.notes.append("request")
        return web.Response(text=VARIABLE.get())


WHOLE = ["up", "request", "shutdown", "down"]


def test_hooks_of_granian_start_and_end_it() -> None:
    """granian calls them while its loop does not run."""
    diary, made = Diary(), RsgiCall()
    app = diary.app
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        app.__rsgi_init__(loop)
        assert diary.notes == ["up"]
        runner.run(app.__rsgi__(RsgiScope(), made))
        app.__rsgi_del__(loop)
    assert diary.notes == WHOLE
    assert len(diary.tasks) == 1
    assert made.sent[0][3] == b"set at start"


async def test_hooks_within_a_loop_that_runs_are_waited_for_by_requests() -> None:
    """As granian's embedded server calls them."""
    diary, made = Diary(), RsgiCall()
    app = diary.app
    loop = asyncio.get_running_loop()
    app.__rsgi_init__(loop)
    assert diary.notes == []
    await app.__rsgi__(RsgiScope(), made)
    app.__rsgi_del__(loop)
    async with asyncio.timeout(10):
        while diary.notes != WHOLE:
            await asyncio.sleep(0)
    await app._life.stop()
    assert made.sent[0][3] == b"set at start"


def test_a_start_that_fails_ends_the_worker() -> None:
    async def fail(app: web.Application) -> None:
        raise RuntimeError("no database")

    app = web.Application()
    app.on_startup.append(fail)
    with asyncio.Runner() as runner:
        with pytest.raises(RuntimeError, match="no database"):
            app.__rsgi_init__(runner.get_loop())


def test_a_clean_up_that_fails_is_told() -> None:
    async def fail(app: web.Application) -> None:
        raise RuntimeError("no end")

    app = web.Application()
    app.on_cleanup.append(fail)
    with asyncio.Runner() as runner:
        app.__rsgi_init__(runner.get_loop())
        with pytest.raises(RuntimeError, match="no end"):
            app.__rsgi_del__(runner.get_loop())


async def test_a_start_that_fails_in_a_loop_that_runs_is_told_to_requests(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(app: web.Application) -> None:
        raise RuntimeError("no database")

    app, made = web.Application(), RsgiCall()
    app.on_startup.append(fail)
    app.__rsgi_init__(asyncio.get_running_loop())
    await app.__rsgi__(RsgiScope(), made)
    assert made.sent[0][1] == 500
    assert "The application failed to start" in caplog.messages


async def test_without_hooks_the_first_request_starts_it() -> None:
    diary, made = Diary(), RsgiCall()
    app = diary.app
    await app.__rsgi__(RsgiScope(), made)
    assert diary.notes == ["up", "request"]
    await app._life.stop()
    assert diary.notes == WHOLE


async def test_nothing_is_answered_while_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    ending, may_end = asyncio.Event(), asyncio.Event()

    async def end(app: web.Application) -> None:
        ending.set()
        await may_end.wait()

    diary, made = Diary(), RsgiCall()
    diary.app.on_shutdown.append(end)
    loop = asyncio.get_running_loop()
    diary.app.__rsgi_init__(loop)
    await diary.app._life.start()
    diary.app.__rsgi_del__(loop)
    await ending.wait()
    await diary.app.__rsgi__(RsgiScope(), made)
    may_end.set()
    await diary.app._life.stop()
    assert made.sent[0][1] == 500
    assert "request" not in diary.notes


def test_nothing_is_answered_behind_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    diary, made = Diary(), RsgiCall()
    app = diary.app
    with asyncio.Runner() as runner:
        app.__rsgi_init__(runner.get_loop())
        app.__rsgi_del__(runner.get_loop())
        runner.run(app.__rsgi__(RsgiScope(), made))
    assert made.sent[0][1] == 500
    assert diary.notes == ["up", "shutdown", "down"]
