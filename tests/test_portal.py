"""The client for plain functions, and the loop in a thread that it runs on; no pytest plugin."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from bascule import web
from bascule.testing import Portal, ServerDisconnectedError, SyncClient
from support.requests import app_of, ok, read_back


@pytest.fixture(autouse=True)
def _no_leaked_threads() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert {t for t in threading.enumerate() if t.name == "bascule-portal"} <= before


@contextmanager
def talking(handler: Any, **options: Any) -> Iterator[SyncClient]:
    with SyncClient(app_of(handler), **options) as client:
        yield client


# -- the portal -----------------------------------------------------------------------------------


async def give(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


async def fail(error: BaseException) -> None:
    raise error


def test_a_coroutine_runs_in_a_loop_of_another_thread() -> None:
    async def tell_thread() -> tuple[threading.Thread, asyncio.AbstractEventLoop]:
        return threading.current_thread(), asyncio.get_running_loop()

    with Portal() as portal:
        thread, loop = portal.call(tell_thread())
        assert thread is not threading.current_thread()
        assert portal.call(tell_thread()) == (thread, loop)
    assert not thread.is_alive()
    assert loop.is_closed()


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("x"), KeyboardInterrupt(), SystemExit(3), asyncio.CancelledError()]
)
def test_errors_come_out_and_the_loop_goes_on(error: BaseException) -> None:
    with Portal() as portal:
        with pytest.raises(BaseException) as caught:  # its type is compared below
            portal.call(fail(error))
        names = {type(error).__name__, caught.type.__name__}
        assert len(names) == 1, "concurrent.futures has a CancelledError of its own, so named"
        assert portal.call(give(1)) == 1


def test_the_context_of_the_caller_is_seen() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    variable.set(7)

    async def tell_variable() -> int:
        return variable.get()

    with Portal() as portal:
        assert portal.call(tell_variable()) == 7


def test_a_portal_is_open_inside_its_block_only() -> None:
    portal = Portal()
    with pytest.raises(RuntimeError, match="not open"):
        portal.call(give(1))
    with portal:
        with pytest.raises(RuntimeError, match="is open"):
            portal.__enter__()
    with pytest.raises(RuntimeError, match="not open"):
        portal.call(give(1))
    with portal:  # again
        assert portal.call(give(1)) == 1


def test_a_portal_is_not_called_in_its_own_loop() -> None:
    async def call_again(portal: Portal) -> None:
        portal.call(give(1))

    with Portal() as portal:
        with pytest.raises(RuntimeError, match="own loop"):
            portal.call(call_again(portal))


def test_what_still_runs_is_cancelled_at_the_end() -> None:
    ends: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cancelled")

    async def begin() -> None:
        tasks.append(asyncio.create_task(wait()))
        await asyncio.sleep(0)

    with Portal() as portal:
        portal.call(begin())
    assert ends == ["cancelled"]


def test_an_interrupted_wait_cancels_its_coroutine(monkeypatch: pytest.MonkeyPatch) -> None:
    """As KeyboardInterrupt does, which comes to the main thread wherever it is."""
    began, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    class Interrupted(asyncio.futures.concurrent.futures.Future[Any]):
        def result(self, timeout: float | None = None) -> Any:
            began.wait()
            raise KeyboardInterrupt

    with Portal() as portal:
        monkeypatch.setattr("concurrent.futures.Future", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            portal.call(wait())
        monkeypatch.undo()
        assert ended.wait(5)


def test_a_loop_that_cannot_be_made_is_told() -> None:
    def make() -> asyncio.AbstractEventLoop:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Portal(make):
        pass


def test_a_loop_of_ones_own() -> None:
    made: list[asyncio.AbstractEventLoop] = []

    def make() -> asyncio.AbstractEventLoop:
        made.append(asyncio.new_event_loop())
        return made[0]

    async def tell_loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    with Portal(make) as portal:
        assert portal.call(tell_loop()) is made[0]


# -- the client -----------------------------------------------------------------------------------


async def tell(request: web.Request) -> web.Response:
    response = web.json_response({"line": f"{request.method} {request.rel_url}"}, status=201)
    response.set_cookie("a", "b")
    return response


def test_a_request_and_its_answer() -> None:
    with talking(tell) as client:
        answer = client.get("/x", params={"y": "z"})
    assert (answer.status, answer.reason, answer.ok, answer.method) == (201, "Created", True, "GET")
    assert (answer.content_type, answer.charset) == ("application/json", "utf-8")
    assert (str(answer.url), answer.history, answer.error) == ("http://localhost/x?y=z", (), None)
    assert answer.headers["Content-Length"] == "22"
    assert answer.cookies["a"].value == "b"
    assert repr(answer) == "<SyncAnswer GET http://localhost/x?y=z [201 Created]>"


def test_a_body_is_at_hand_in_the_block_and_behind_it() -> None:
    with talking(tell) as client:
        answers = [client.get("/x"), client.get("/x")]
        assert answers[0].json() == {"line": "GET /x"}
    for answer in answers:
        assert answer.content == answer.read() == b'{"line": "GET /x"}'
        assert answer.text == '{"line": "GET /x"}'
        assert answer.json() == {"line": "GET /x"}


METHODS = ["get", "post", "put", "patch", "delete", "options"]


@pytest.mark.parametrize("name", METHODS)
def test_each_method_has_a_call(name: str) -> None:
    with talking(tell) as client:
        assert getattr(client, name)("/x").json() == {"line": f"{name.upper()} /x"}
        assert client.request(name, "/x").json() == {"line": f"{name.upper()} /x"}


def test_head_has_a_call() -> None:
    with talking(tell) as client:
        assert (client.head("/x").status, client.head("/x").content) == (201, b"")


def test_cookies_are_kept_and_redirections_followed() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/":
            found = web.HTTPFound("/home")
            found.set_cookie("session", "1")
            raise found
        return web.json_response(dict(request.cookies))

    with talking(handler, cookies={"a": "b"}) as client:
        answer = client.get("/")
        assert answer.json() == {"a": "b", "session": "1"}
        assert [each.status for each in answer.history] == [302]
        assert client.cookie_jar.filter_cookies(client.make_url("/"))["session"].value == "1"
        client.cookie_jar.clear()
        assert client.get("/home").json() == {}
        client.headers["Cookie"] = "x=y"
        assert client.get("/home").json() == {"x": "y"}


def test_a_stream_is_read_while_it_is_written() -> None:
    turns = [threading.Event() for _ in range(3)]

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number, turn in enumerate(turns):
            await asyncio.to_thread(turn.wait)
            await response.write(b"%d\n" % number)
        return response

    with talking(handler) as client, client.stream("GET", "/") as answer:
        assert answer.status == 200
        pieces = answer.iter_chunks()
        for number, turn in enumerate(turns):
            turn.set()
            assert next(pieces) == (b"%d\n" % number, True)
        assert list(pieces) == []


def test_other_ways_of_reading_a_stream() -> None:
    ways: list[tuple[Callable[[Any], Any], Any]] = [
        (lambda answer: list(answer.iter_any()), [b"one\ntwo\n"]),
        (lambda answer: list(answer.iter_lines()), [b"one\n", b"two\n"]),
        (lambda answer: list(answer.iter_chunked(5)), [b"one\nt", b"wo\n"]),
        (lambda answer: answer.text, "one\ntwo\n"),
    ]
    with talking(read_back) as client:
        for read, expected in ways:
            with client.stream("POST", "/", data="one\ntwo\n") as answer:
                assert read(answer) == expected


def test_a_stream_that_is_left_early() -> None:
    ended = threading.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(1024))
        finally:
            ended.set()

    with talking(handler) as client:
        with client.stream("GET", "/") as answer:
            assert next(answer.iter_any())[:1] == b"\0"
        assert ended.wait(5)


def test_a_body_of_pieces() -> None:
    async def asynchronous() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    with talking(read_back) as client:
        assert client.post("/", data=iter([b"a", b"b"])).content == b"ab"
        assert client.post("/", data=asynchronous()).content == b"ab"


async def boom(request: web.Request) -> web.Response:
    raise ZeroDivisionError


def test_errors_of_the_application() -> None:
    with talking(boom) as client:
        answer = client.get("/")
        assert (answer.status, type(answer.error)) == (500, ZeroDivisionError)
        with pytest.raises(Exception, match="500, 'Internal Server Error'"):
            answer.raise_for_status()
    with talking(boom, raise_app_exceptions=True) as client:
        with pytest.raises(ZeroDivisionError) as caught:
            client.get("/")
        assert caught.traceback[-1].name == "boom"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_is_raised_from_the_request(error: type[BaseException]) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise error

    with talking(handler) as client:
        with pytest.raises(error):
            client.get("/")
        assert client.portal.call(give(1)) == 1


def test_an_answer_that_was_cut() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "9"})
        await response.prepare(request)
        await response.write(b"abc")
        return response

    with talking(handler) as client:
        with pytest.raises(ServerDisconnectedError):
            client.get("/")


def test_an_application_that_never_answers() -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with talking(handler, timeout=0.001) as client:
        with pytest.raises(TimeoutError, match="was not answered"):
            client.get("/")


def living(seen: list[str], fail: str = "") -> web.Application:
    async def context(app: web.Application) -> AsyncIterator[None]:
        seen.append("up")
        if fail == "up":
            raise ZeroDivisionError
        yield
        seen.append("down")
        if fail == "down":
            raise ZeroDivisionError

    app = app_of(ok)
    app.cleanup_ctx.append(context)
    return app


def test_the_application_lives_as_long_as_the_block() -> None:
    seen: list[str] = []
    with SyncClient(living(seen)) as client:
        assert client.get("/").text == "/"
        assert seen == ["up"]
    assert seen == ["up", "down"]


@pytest.mark.parametrize("place", ["up", "down"])
def test_errors_of_start_and_end_are_raised(place: str) -> None:
    """And the thread ends, as after every test here."""
    with pytest.raises(ZeroDivisionError):
        with SyncClient(living([], fail=place)):
            assert place == "down"


def test_the_application_is_cleaned_up_behind_an_error() -> None:
    seen: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        with SyncClient(living(seen)):
            raise KeyboardInterrupt
    assert seen == ["up", "down"]


def test_a_client_is_used_while_it_is_entered_only_and_once() -> None:
    client = SyncClient(app_of(ok))
    with pytest.raises(RuntimeError, match="not open"):
        client.get("/")
    with client:
        with pytest.raises(RuntimeError, match="is open"):
            client.__enter__()
        assert client.get("/").status == 200
    with pytest.raises(RuntimeError, match="not open"):
        client.get("/")
    with pytest.raises(RuntimeError, match="entered once"):
        client.__enter__()


def test_what_is_no_application_is_refused() -> None:
    with pytest.raises(TypeError, match=r"should be web\.Application"):
        SyncClient("app")


def test_several_clients_at_once() -> None:
    with talking(ok) as one, talking(tell) as other:
        assert (one.get("/a").text, other.get("/b").json()) == ("/a", {"line": "GET /b"})


def test_several_threads_at_once() -> None:
    barrier = threading.Barrier(4)

    async def handler(request: web.Request) -> web.Response:
        await asyncio.to_thread(barrier.wait, 10)
        return web.Response(text=request.path)

    with talking(handler) as client, ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(client.get, ["/0", "/1", "/2", "/3"]))
    assert [answer.status for answer in answers] == [200] * 4


async def test_it_may_be_used_where_a_loop_runs() -> None:
    """It waits there, as any plain function does."""
    with talking(ok) as client:
        assert client.get("/x").text == "/x"


def test_nothing_is_logged_on_the_way(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with talking(ok) as client:
        client.get("/")
    assert caplog.records == []
