"""Our applications under ASGI hosts, message by message."""

import asyncio
import logging
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from bascule import web


def scope(**changes: Any) -> dict[str, Any]:
    """The smallest scope that the specification allows, and changes to it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [(b"host", b"h")],
        **changes,
    }


def app_of(handler: Any, **kwargs: Any) -> web.Application:
    app = web.Application(**kwargs)
    app.router.add_route("*", "/{tail:.*}", handler)
    return app


class Call:
    """One call of an application by a host that has all its messages ready."""

    def __init__(self, messages: Any = (), *, broken_after: int | None = None) -> None:
        self.messages = list(messages)
        self.received = 0
        self.sent: list[dict[str, Any]] = []
        self.broken_after = broken_after
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        self.received += 1
        if self.messages:
            message: dict[str, Any] = self.messages.pop(0)
            return message
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if self.broken_after is not None and len(self.sent) >= self.broken_after:
            raise OSError("gone")
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(m["body"] for m in self.sent if m["type"] == "http.response.body")


async def call(app: web.Application, *messages: Any, **changes: Any) -> Call:
    # Hosts tell of the end of each request; where a body need not be announced, it is asked for.
    made = Call(messages or ([{"type": "http.request"}] if "http_version" in changes else ()))
    async with app:
        await app(scope(**changes), made.receive, made.send)
    return made


async def test_answer_is_one_start_and_one_body() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="x", headers={"X-Mixed": "ü"})

    made = await call(app_of(handler))
    assert made.sent == [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"x-mixed", "ü".encode()),
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", b"1"),
            ],
        },
        {"type": "http.response.body", "body": b"x", "more_body": False},
    ]
    assert made.received == 0


async def test_fields_of_the_connection_stay_the_hosts() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Keep-Alive": "timeout=5"})
        response.enable_chunked_encoding()
        response.force_close()
        await response.prepare(request)
        await response.write(b"x")
        return response

    made = await call(app_of(handler))
    names = [name for name, _ in made.sent[0]["headers"]]
    assert names == [b"content-type", b"connection"]
    made = await call(app_of(handler), http_version="2", headers=[(b"host", b"h")])
    assert [name for name, _ in made.sent[0]["headers"]] == [b"content-type"]


@pytest.mark.parametrize(
    ("changes", "target", "tail"),
    [
        ({"path": "/a b"}, "/a%20b", "a b"),
        ({"path": "/a b", "raw_path": None}, "/a%20b", "a b"),
        ({"path": "/a/b", "raw_path": b"/a%2Fb"}, "/a%2Fb", "a/b"),
        ({"path": "/r/x", "root_path": "/r"}, "/r/x", "x"),
        ({"path": "/x", "root_path": "/r"}, "/r/x", "x"),
        ({"path": "/r", "root_path": "/r"}, "/r", ""),
        ({"path": "/rx", "root_path": "/r"}, "/r/rx", "rx"),
        ({"path": "/x", "root_path": "/r/"}, "/r/x", "x"),
        ({"path": "/x", "root_path": "/ü"}, "/%C3%BC/x", "x"),
    ],
)
async def test_target_is_rebuilt(changes: Any, target: str, tail: str) -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.raw_path, request.match_info["tail"]))
        return web.Response()

    await call(app_of(handler), **changes)
    assert seen == [(target, tail)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("http", "h", None, (1, 1), "http://h/")),
        ({"scheme": "https", "client": ["1.2.3.4", 5]}, ("https", "h", "1.2.3.4", (1, 1), None)),
        ({"http_version": "2"}, ("http", "h", None, (2, 0), None)),
        ({"http_version": "1"}, ("http", "h", None, (1, 0), None)),
        ({"headers": [], "server": ["::1", 80]}, ("http", "[::1]", None, (1, 1), None)),
    ],
)
async def test_request_tells_of_the_scope(changes: Any, expected: Any) -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        url = str(request.url) if expected[4] else None
        seen.append((request.scheme, request.host, request.remote, request.version, url))
        assert request.get_extra_info("scope")["type"] == "http"
        return web.Response()

    await call(app_of(handler), **changes)
    assert seen == [expected]


async def test_cookies_split_by_http_2_are_joined() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(dict(request.cookies))

    fields = [(b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")]
    made = await call(app_of(handler), http_version="2", headers=fields)
    assert made.body == b'{"a": "1", "b": "2"}'


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.request"}],
        [
            {"type": "http.request", "more_body": True},
            {"type": "http.request", "body": b"a", "more_body": True, "unknown": 1},
            {"type": "http.request", "body": b"", "more_body": True},
            {"type": "http.request", "body": b"b", "more_body": False},
        ],
    ],
)
async def test_body_comes_in_whatever_messages(messages: list[Any]) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    fields = [(b"host", b"h"), (b"content-length", b"2")]
    made = await call(app_of(handler), *messages, method="POST", headers=fields)
    assert made.body == b"ab"
    assert made.received == len(messages)


async def test_a_body_that_breaks_off_is_never_taken_for_whole() -> None:
    errors: list[BaseException] = []

    async def handler(request: web.Request) -> web.Response:
        try:
            await request.read()
        except ConnectionResetError as exc:
            errors.append(exc)
            raise
        raise AssertionError("not reached")

    made = await call(
        app_of(handler),
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.disconnect"},
        method="POST",
        headers=[(b"content-length", b"9")],
    )
    assert len(errors) == 1
    assert made.sent == []


async def test_an_error_behind_the_head_leaves_the_call() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        raise ValueError("late")

    app, made = app_of(handler), Call()
    async with app:
        with pytest.raises(ValueError, match="late"):
            await app(scope(), made.receive, made.send)
    assert made.sent[-1]["more_body"] is True


async def test_a_send_that_fails_is_a_reset(caplog: pytest.LogCaptureFixture) -> None:
    errors: list[BaseException] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x")
        except ConnectionResetError as exc:
            errors.append(exc)
            raise

    app, made = app_of(handler), Call(broken_after=3)
    async with app:
        await app(scope(), made.receive, made.send)
    assert len(errors) == 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_stream_learns_that_its_client_left_where_send_says_nothing() -> None:
    """Few hosts raise out of send, so the disconnect message is watched for."""
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x")
                await asyncio.sleep(0)
        finally:
            ended.set()

    app, made = app_of(handler), Call()
    async with app:
        running = asyncio.create_task(app(scope(), made.receive, made.send))  # type: ignore[arg-type]
        while not made.received:
            await asyncio.sleep(0)
        made.gone.set()
        await running
    assert ended.is_set()


async def test_a_host_that_tells_of_no_leaving_is_not_asked_for_ever() -> None:
    """Scripts that stand in for hosts often give the same message again and again, at once."""
    received = 0

    async def receive() -> dict[str, Any]:
        nonlocal received
        received += 1
        return {"type": "http.request", "body": b"", "more_body": False}

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x")
            await asyncio.sleep(0)
        return response

    app, made = app_of(handler), Call()
    async with app:
        await app(scope(), receive, made.send)  # type: ignore[arg-type]  # as hosts do
    assert made.body == b"x" * 100
    assert received < 10


async def test_head_is_sent_when_nothing_follows_in_that_step() -> None:
    go_on = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await go_on.wait()
        await response.write(b"late")
        return response

    app, made = app_of(handler), Call()
    async with app:
        running = asyncio.create_task(app(scope(), made.receive, made.send))  # type: ignore[arg-type]
        while len(made.sent) < 2:
            await asyncio.sleep(0)
        assert [message["type"] for message in made.sent] == [
            "http.response.start",
            "http.response.body",
        ]
        assert (made.sent[1]["body"], made.sent[1]["more_body"]) == (b"", True)
        go_on.set()
        await running
    assert made.body == b"late"
    assert made.sent[-1]["more_body"] is False


async def test_cancelled_by_the_host() -> None:
    started = asyncio.Event()
    seen = []

    async def handler(request: web.Request) -> web.Response:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("finally")
        raise AssertionError("not reached")

    app, made = app_of(handler), Call()
    async with app:
        running = asyncio.create_task(app(scope(), made.receive, made.send))  # type: ignore[arg-type]
        await started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert (seen, made.sent) == (["finally"], [])


async def test_scope_is_not_changed() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str(request.url))

    app, made, given = app_of(handler), Call(), scope(root_path="/r")
    async with app:
        await app(given, made.receive, made.send)
    assert given == scope(root_path="/r")


async def test_other_scopes_are_refused() -> None:
    app, made = web.Application(), Call()
    with pytest.raises(RuntimeError, match="'webtransport' is not supported"):
        await app({"type": "webtransport"}, made.receive, made.send)


# -- lifespan and lazy start


def living_app(seen: list[str], error: BaseException | None = None) -> web.Application:
    async def context(app: web.Application) -> Any:
        seen.append("enter")
        task = asyncio.current_task()
        yield
        assert asyncio.current_task() is task
        seen.append("leave")

    async def startup(app: web.Application) -> None:
        if error is not None:
            raise error
        seen.append("startup")

    async def handler(request: web.Request) -> web.Response:
        seen.append("request")
        return web.Response()

    app = app_of(handler)
    app.cleanup_ctx.append(context)
    app.on_startup.append(startup)
    return app


async def test_lifespan() -> None:
    seen: list[str] = []
    app = living_app(seen)
    for _ in range(2):
        host = ApplicationCommunicator(app, {"type": "lifespan", "asgi": {"version": "3.0"}})
        await host.send_input({"type": "lifespan.startup"})
        assert await host.receive_output() == {"type": "lifespan.startup.complete"}
        made = Call()
        await app(scope(), made.receive, made.send)
        await host.send_input({"type": "lifespan.shutdown"})
        assert await host.receive_output() == {"type": "lifespan.shutdown.complete"}
        await host.wait()
    assert seen == ["enter", "startup", "request", "leave"] * 2


async def test_failed_start_is_told_to_the_host() -> None:
    seen: list[str] = []
    app = living_app(seen, ValueError("no database"))
    host = ApplicationCommunicator(app, {"type": "lifespan", "asgi": {"version": "3.0"}})
    await host.send_input({"type": "lifespan.startup"})
    assert await host.receive_output() == {
        "type": "lifespan.startup.failed",
        "message": "no database",
    }
    with pytest.raises(ValueError, match="no database"):
        await host.wait()
    assert seen == ["enter", "leave"]


async def test_without_lifespan_the_first_request_starts_once() -> None:
    seen: list[str] = []
    app = living_app(seen)
    calls = [Call() for _ in range(5)]
    await asyncio.gather(*(app(scope(), made.receive, made.send) for made in calls))
    assert seen == ["enter", "startup"] + ["request"] * 5
    await app._life.stop()
    assert seen[-1] == "leave"


async def test_a_lazy_start_that_fails_is_500_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[str] = []
    app = living_app(seen, ValueError("no database"))
    for _ in range(2):
        made = Call()
        await app(scope(), made.receive, made.send)
        assert made.sent[0]["status"] == 500
    assert seen == ["enter", "leave"] * 2
    assert caplog.text.count("The application failed to start") == 2


def test_an_application_starts_anew_in_a_new_loop() -> None:
    seen: list[str] = []
    app = living_app(seen)

    async def use() -> None:
        made = Call()
        await app(scope(), made.receive, made.send)

    asyncio.run(use())
    asyncio.run(use())
    assert seen == ["enter", "startup", "request", "leave"] * 2


# -- faults that were found once


async def test_a_host_whose_receive_never_waits_does_not_spin() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(3):
            await asyncio.sleep(0)
            await response.write(b"x")
        return response

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    app, made = app_of(handler), Call()
    async with app:
        await app(scope(), receive, made.send)
    assert made.body == b"xxx"


async def test_an_error_of_receive_does_not_spoil_a_whole_answer() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(3):
            await asyncio.sleep(0)
            await response.write(b"x")
        return response

    async def receive() -> dict[str, Any]:
        raise RuntimeError("asked too often")

    app, made = app_of(handler), Call()
    async with app:
        await app(scope(), receive, made.send)
    assert made.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.mark.parametrize("pushed", [True, False])
async def test_a_cancelled_write_never_loses_the_head(pushed: bool) -> None:
    """Whether the host has the head is not known then, so the answer is cut."""
    may_send = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if pushed:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        writing = asyncio.create_task(response.write(b"one"))
        while not waiting:
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait([writing])
        may_send.set()
        await response.write(b"two")
        return response

    waiting = []
    made = Call()

    async def send(message: dict[str, Any]) -> None:
        waiting.append(message)
        await may_send.wait()
        await made.send(message)

    app = app_of(handler)
    async with app:
        try:
            await app(scope(), made.receive, send)
        except RuntimeError as exc:
            assert "cancelled" in str(exc)  # noqa: PT017  # the other outcome is fine, too
    kinds = [message["type"] for message in made.sent]
    assert kinds == [] or kinds[0] == "http.response.start"


async def test_handler_cancellation_ends_with_the_handler() -> None:
    """The task is the host's: it goes on behind the call."""
    seen = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        raise AssertionError("not reached")

    app = app_of(handler, handler_args={"handler_cancellation": True})
    made = Call()

    async def host() -> str:
        await app(scope(), made.receive, made.send)
        return "went on"

    async with app:
        running = asyncio.create_task(host())
        while not made.received:
            await asyncio.sleep(0)
        made.gone.set()
        assert await running == "went on"
    assert seen == ["cancelled"]


async def test_a_start_waits_for_an_end_that_is_under_way() -> None:
    seen: list[str] = []
    app = living_app(seen)
    go_on = asyncio.Event()

    async def cleanup(app: web.Application) -> None:
        seen.append("cleaning")
        await go_on.wait()
        seen.append("clean")

    app.on_cleanup.append(cleanup)
    await app._life.start()
    stopping = asyncio.create_task(app._life.stop())
    while "cleaning" not in seen:
        await asyncio.sleep(0)
    starting = asyncio.create_task(app._life.start())
    await asyncio.sleep(0)
    stopping.cancel()  # which does not stop the cleaning
    go_on.set()
    await starting
    once = ["enter", "startup", "leave", "cleaning", "clean"]
    assert seen == [*once, "enter", "startup"]
    await app._life.stop()
    assert seen == once * 2


async def test_no_request_starts_an_application_that_its_host_has_shut_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[str] = []
    app = living_app(seen)
    host = ApplicationCommunicator(app, {"type": "lifespan", "asgi": {"version": "3.0"}})
    for phase in ("startup", "shutdown"):
        await host.send_input({"type": f"lifespan.{phase}"})
        assert (await host.receive_output())["type"] == f"lifespan.{phase}.complete"
    await host.wait()
    made = Call()
    await app(scope(), made.receive, made.send)
    assert made.sent[0]["status"] == 500
    assert seen == ["enter", "startup", "leave"]
