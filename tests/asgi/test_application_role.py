"""What the ASGI specifications ask of an application, number by number, by a host's messages.

The numbers are those of the checklist that bascule is held to: one test or more for each.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Generator
from typing import Any

import pytest

from bascule import web
from support.scripted_host import (
    END,
    GONE,
    ScriptedHost,
    app_of,
    http_scope,
    piece,
    socket_app_of,
    socket_scope,
)

STREAMED = http_scope(method="POST", headers=[(b"host", b"h"), (b"transfer-encoding", b"chunked")])
CONNECT = {"type": "websocket.connect"}
START, BODY = "http.response.start", "http.response.body"


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def read(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"one")
    await response.write(b"two")
    return response


# -- 1 to 5: the call, and the life


def test_01_the_call_is_a_coroutine_function_of_the_class() -> None:
    """So do uvicorn and asgiref know ASGI 3 from ASGI 2, in subclasses too."""

    with pytest.warns(DeprecationWarning, match="Inheritance class Derived"):

        class Derived(web.Application):
            pass

    assert inspect.iscoroutinefunction(Derived().__call__)
    assert inspect.iscoroutinefunction(web.Application().__call__)
    assert list(inspect.signature(web.Application.__call__).parameters) == [
        "self",
        "scope",
        "receive",
        "send",
    ]


async def test_02_an_unknown_scope_is_an_error_and_nothing_is_sent() -> None:
    host = ScriptedHost()
    with pytest.raises(RuntimeError, match="'rsgi' is not supported"):
        await web.Application()({"type": "rsgi"}, host.receive, host.send)
    assert (host.received, host.sent) == (0, [])


def living_app(seen: list[Any], failing: str = "") -> web.Application:
    """Make an application that tells each step of its life, and of the task it is made in."""
    app = app_of(hello)

    def step(name: str) -> Any:
        async def take(app: web.Application) -> None:
            seen.append((name, asyncio.current_task()))
            if name == failing:
                raise ValueError(f"{name} failed")

        return take

    async def context(app: web.Application) -> AsyncIterator[None]:
        await step("enter")(app)
        yield
        await step("leave")(app)

    app.cleanup_ctx.append(context)
    app.on_startup.append(step("startup"))
    app.on_shutdown.append(step("shutdown"))
    app.on_cleanup.append(step("cleanup"))
    return app


async def live(app: web.Application, *phases: str) -> list[Any]:
    host = ScriptedHost(*({"type": f"lifespan.{phase}"} for phase in phases))
    try:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, host.receive, host.send)
    except ValueError:
        pass
    return host.sent


async def test_03_each_phase_is_answered_once_and_the_call_returns() -> None:
    sent = await live(living_app([]), "startup", "shutdown")
    assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


async def test_03_nothing_is_sent_before_it_is_received() -> None:
    host, app = ScriptedHost(), web.Application()
    calling = asyncio.create_task(app({"type": "lifespan"}, host.receive, host.send))
    while not host.received:
        await asyncio.sleep(0)
    assert host.sent == []
    calling.cancel()
    await asyncio.wait([calling])


async def test_03_a_start_that_fails_is_told_and_leaves_what_was_entered() -> None:
    seen: list[Any] = []
    sent = await live(living_app(seen, "startup"), "startup")
    assert sent == [{"type": "lifespan.startup.failed", "message": "startup failed"}]
    assert [name for name, _ in seen] == ["enter", "startup", "leave"]


async def test_03_a_clean_up_that_fails_is_told() -> None:
    sent = await live(living_app([], "cleanup"), "startup", "shutdown")
    assert sent[1] == {"type": "lifespan.shutdown.failed", "message": "cleanup failed"}


async def test_04_the_steps_have_aiohttps_order_and_one_task() -> None:
    seen: list[Any] = []
    await live(living_app(seen), "startup", "shutdown")
    assert [name for name, _ in seen] == ["enter", "startup", "shutdown", "leave", "cleanup"]
    assert len({task for _, task in seen}) == 1


def test_04_an_application_lives_twice_and_in_a_second_loop() -> None:
    seen: list[Any] = []
    app = living_app(seen)
    for _ in range(2):
        asyncio.run(_live_twice(app))
    assert len(seen) == 20


async def _live_twice(app: web.Application) -> None:
    for _ in range(2):
        assert len(await live(app, "startup", "shutdown")) == 2


async def test_05_without_a_lifespan_many_first_requests_start_it_once() -> None:
    seen: list[Any] = []
    app, hosts = living_app(seen), [ScriptedHost() for _ in range(10)]
    await asyncio.gather(*(app(http_scope(), host.receive, host.send) for host in hosts))
    assert {host.body for host in hosts} == {b"hello"}
    assert [name for name, _ in seen] == ["enter", "startup"]
    async with app:
        pass
    assert [name for name, _ in seen][2:] == ["shutdown", "leave", "cleanup"]


async def test_05_a_lazy_start_that_fails_is_500_for_all_who_wait() -> None:
    app, hosts = living_app([], "startup"), [ScriptedHost() for _ in range(3)]
    await asyncio.gather(*(app(http_scope(), host.receive, host.send) for host in hosts))
    assert [host.status for host in hosts] == [500, 500, 500]


# -- 6 to 9: the answer


@pytest.mark.parametrize("handler", [hello, stream])
@pytest.mark.parametrize("version", ["1.0", "1.1", "2"])
async def test_06_one_start_then_bodies_of_which_the_last_ends(handler: Any, version: str) -> None:
    host = await ScriptedHost(END).call(app_of(handler), http_scope(http_version=version))
    bodies = host.sent[1:]
    assert [message["type"] for message in host.sent] == [START] + [BODY] * len(bodies)
    assert [message["more_body"] for message in bodies] == [True] * (len(bodies) - 1) + [False]
    assert type(host.status) is int
    for name, value in host.sent[0]["headers"]:
        assert (type(name), type(value)) == (bytes, bytes)
        assert name == name.lower()


@pytest.mark.parametrize(("version", "closing"), [("1.1", True), ("2", False), ("3", False)])
async def test_06_fields_of_the_connection_are_the_hosts(version: str, closing: bool) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        fields = {"Keep-Alive": "timeout=1", "Upgrade": "x", "Proxy-Connection": "keep-alive"}
        response = web.StreamResponse(headers=fields)
        response.enable_chunked_encoding()
        response.force_close()
        await response.prepare(request)
        return response

    scope = http_scope(http_version=version, headers=[(b"host", b"h")])
    if version != "1.1":
        del scope["headers"][0]
    host = await ScriptedHost(END).call(app_of(handler), scope)
    assert (b"connection" in host.headers) is closing
    assert host.headers.keys() <= {b"connection", b"content-type"}


async def test_07_a_plain_answer_has_a_length_and_a_stream_has_none() -> None:
    assert (await ScriptedHost().call(app_of(hello))).headers[b"content-length"] == b"5"
    assert b"content-length" not in (await ScriptedHost().call(app_of(stream))).headers


@pytest.mark.parametrize(
    ("method", "status", "length"),
    [("HEAD", 200, b"5"), ("GET", 204, None), ("GET", 304, None)],
)
async def test_07_answers_without_a_body(method: str, status: int, length: bytes | None) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, text="hello" if status == 200 else None)

    host = await ScriptedHost().call(app_of(handler), http_scope(method=method))
    assert (host.status, host.headers.get(b"content-length")) == (status, length)
    assert host.sent[1:] == [{"type": BODY, "body": b"", "more_body": False}]


async def test_08_an_error_before_the_start_is_500() -> None:
    async def handler(request: web.Request) -> web.Response:
        raise ValueError("before")

    host = await ScriptedHost().call(app_of(handler))
    assert (host.status, host.sent[-1]["more_body"]) == (500, False)


async def test_08_an_error_behind_the_start_leaves_the_call_and_ends_no_body() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await stream(request)
        raise ValueError("behind")

    host = ScriptedHost()
    with pytest.raises(ValueError, match="behind"):
        await host.call(app_of(handler))
    assert host.types == ["start", "body", "body"]
    assert all(message["more_body"] for message in host.sent[1:])


async def test_09_a_write_waits_for_the_host() -> None:
    seen, may_go_on = [], asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(3):
            await response.write(b"x")
            seen.append(number)
        return response

    class SlowHost(ScriptedHost):
        async def send(self, message: Any) -> None:
            await super().send(message)
            if len(self.sent) == 2:  # the first piece
                await may_go_on.wait()

    host = SlowHost()
    calling = asyncio.create_task(host.call(app_of(handler)))
    await host.until_sent(2)
    for _ in range(10):
        await asyncio.sleep(0)
    assert seen == []
    may_go_on.set()
    await calling
    assert seen == [0, 1, 2]


# -- 10 to 12: the scope


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"raw_path": None, "client": None, "server": None},
        {"headers": iter([[b"Host", b"h"], [b"X-Name", b"v"]])},
        {"extensions": None, "root_path": None, "scheme": None, "unknown": object()},
    ],
)
async def test_10_mandatory_keys_are_enough(changes: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.path} {request.headers['host']} {request.remote}")

    host = await ScriptedHost().call(app_of(handler), http_scope(**changes))
    assert host.body == b"/ h None"


@pytest.mark.parametrize(
    ("path", "root_path", "tail", "whole"),
    [
        ("/r/x", "/r", "x", "/r/x"),
        ("/x", "/r", "x", "/r/x"),
        ("/r/r/x", "/r", "r/x", "/r/r/x"),
        ("/rx", "/r", "rx", "/r/rx"),
        ("/r", "/r", "", "/r"),
        ("/x", "/r/", "x", "/r/x"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_11_the_root_path_in_each_shape(
    kind: str, path: str, root_path: str, tail: str, whole: str
) -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.match_info["tail"], request.path))
        return web.Response()

    make = http_scope if kind == "http" else socket_scope
    host = ScriptedHost(CONNECT) if kind == "websocket" else ScriptedHost()
    await host.call(app_of(handler), make(path=path, root_path=root_path))
    assert seen == [(tail, whole)]


async def test_12_the_scope_stays_as_it_is() -> None:
    scope = http_scope(state={"a": 1}, extensions={}, root_path="/r", path="/r/x")
    before = {**scope, "headers": [*scope["headers"]], "state": {"a": 1}, "extensions": {}}
    await ScriptedHost().call(app_of(stream), scope)
    assert scope == before


@pytest.mark.parametrize(
    ("make", "scheme", "expected"),
    [
        (http_scope, "http", "http://h/ False"),
        (http_scope, "https", "https://h/ True"),
        (socket_scope, "ws", "http://h/ False"),
        (socket_scope, "wss", "https://h/ True"),
    ],
)
async def test_12_schemes(make: Any, scheme: str, expected: str) -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(f"{request.url} {request.secure}")
        return web.Response()

    await ScriptedHost(CONNECT).call(app_of(handler), make(scheme=scheme))
    assert seen == [expected]


async def test_12_no_host_and_cookies_in_pieces() -> None:
    async def handler(request: web.Request) -> web.Response:
        fields = request.headers.getall("Cookie")
        return web.json_response([request.host, dict(request.cookies), fields])

    fields = [(b"cookie", b"a=1"), (b"cookie", b"b=2")]
    scope = http_scope(headers=fields, server=("srv", 8000), http_version="2")
    host = await ScriptedHost(END).call(app_of(handler), scope)
    assert host.body == b'["srv", {"a": "1", "b": "2"}, ["a=1; b=2"]]'


# -- 13 to 15: the body


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.request", "body": b"abc"}],
        [piece(b"a", True), {"type": "http.request", "more_body": True}, piece(b"bc", False)],
        [piece(b"", True), {"type": "http.request", "body": b"abc", "new": 1}],
    ],
)
async def test_13_bodies_in_whatever_messages(messages: Any) -> None:
    assert (await ScriptedHost(*messages).call(app_of(read), STREAMED)).body == b"abc"


@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_13_a_body_that_nobody_reads_is_asked_for_behind_the_answer_alone(
    version: str,
) -> None:
    """What comes soon is thrown away there; the end of the answer waits a moment for it."""
    host = await ScriptedHost(piece(b"abc", True), piece(b"def")).call(
        app_of(hello), {**STREAMED, "http_version": version}
    )
    assert (host.body, host.received_first, host.messages) == (b"hello", 0, [])


async def test_13_a_body_that_never_comes_keeps_no_answer_back() -> None:
    async with asyncio.timeout(5):
        host = await ScriptedHost().call(app_of(hello), STREAMED)
    assert (host.body, host.sent[-1]["more_body"]) == (b"hello", False)


async def test_13_a_short_body_that_nobody_has_read_is_taken_before_the_end_on_http_2() -> None:
    scope = http_scope(method="POST", http_version="2", headers=[(b"content-length", b"6")])
    host = await ScriptedHost(piece(b"abc", True), piece(b"def")).call(app_of(hello), scope)
    assert (host.body, host.received_first, host.messages) == (b"hello", 0, [])


async def test_14_a_body_that_breaks_off_is_an_error_of_its_reader() -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        try:
            seen.append(await request.read())
        except ConnectionResetError as exc:
            seen.append(type(exc))
        return web.Response()

    host = await ScriptedHost(piece(b"half", True), GONE).call(app_of(handler), STREAMED)
    assert len(seen) == 1
    assert issubclass(seen[0], ConnectionResetError)
    assert host.sent == []


async def test_15_the_limit_ends_a_body_while_it_comes() -> None:
    host = ScriptedHost(*(piece(b"x" * 1000, True) for _ in range(100)))
    await host.call(app_of(read, client_max_size=5000), STREAMED)
    assert host.status == 413
    assert 5 <= host.received_first < 10


async def test_15_a_length_over_the_limit_does_not_matter_until_it_is_read() -> None:
    """As in aiohttp, whose handlers may read such a body piece by piece."""
    scope = http_scope(method="POST", headers=[(b"host", b"h"), (b"content-length", b"6000")])
    host = await ScriptedHost(piece(b"x" * 6000)).call(app_of(hello, client_max_size=5000), scope)
    assert (host.status, host.received_first) == (200, 0)


# -- 16 to 19: leaving, cancelling, awaitables, extensions


async def test_16_a_handler_goes_on_when_its_client_has_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(request: web.Request) -> web.Response:
        host.error = OSError("gone")
        seen.append("went on")
        return web.Response()

    seen: list[str] = []
    host = ScriptedHost()
    await host.call(app_of(handler))
    assert (seen, host.sent) == (["went on"], [])
    assert [each for each in caplog.records if each.levelname != "DEBUG"] == []


@pytest.mark.parametrize("is_told_by_send", [True, False])
@pytest.mark.parametrize("messages", [(), (END,)])
async def test_16_writing_to_a_client_that_has_left_is_a_reset(
    is_told_by_send: bool, messages: Any
) -> None:
    """Also where the host tells by `receive` alone, which may have the end of no body first."""
    seen = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = await stream(request)
        if is_told_by_send:
            host.error = OSError("gone")
        host.leaving.set()
        try:
            async with asyncio.timeout(5):
                while True:
                    await response.write(b"more")
                    await asyncio.sleep(0)
        except ConnectionResetError as exc:
            seen.append(type(exc).__name__)
            raise

    host = ScriptedHost(*messages)
    await host.call(app_of(handler))
    assert seen == ["ClientConnectionResetError"]


async def test_17_a_call_that_is_cancelled_cancels_its_handler() -> None:
    seen, begun = [], asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            seen.append("finally")
        return web.Response()

    host, app = ScriptedHost(), app_of(handler)
    async with app:
        calling = asyncio.ensure_future(app(http_scope(), host.receive, host.send))
        await begun.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
    assert (seen, host.sent) == (["finally"], [])


class NoCoroutine:
    """What granian's functions give: it can be awaited, and nothing else."""

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        self._awaitable = awaitable

    def __await__(self) -> Generator[Any, None, Any]:
        return self._awaitable.__await__()


@pytest.mark.parametrize("handler", [hello, read, stream])
async def test_18_awaitables_that_are_no_coroutines(handler: Any) -> None:
    host, app = ScriptedHost(piece(b"hello")), app_of(handler)
    async with app:
        await app(
            STREAMED,
            lambda: NoCoroutine(host.receive()),
            lambda message: NoCoroutine(host.send(message)),
        )
    assert host.body == (b"onetwo" if handler is stream else b"hello")


def builtin_send(host: ScriptedHost) -> Any:
    """Make a `send` that is no function of Python, as that of hosts which send files is; behind
    the functions of middlewares files are read instead."""

    def sending() -> Generator[Any, Any, None]:
        awaitable = None
        while True:
            awaitable = host.send((yield awaitable))

    sender = sending()
    next(sender)
    return sender.send


EXTENSIONS = {
    "pathsend": {"http.response.pathsend": {}},
    "zerocopysend": {"http.response.zerocopysend": {}},
    "none": {},
}


@pytest.mark.parametrize("offered", EXTENSIONS)
async def test_19_files_by_extensions_where_they_are_offered(tmp_path: Any, offered: str) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(bytes(300_000))

    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    host, app = ScriptedHost(), app_of(handler)
    async with app:
        await app(http_scope(extensions=EXTENSIONS[offered]), host.receive, builtin_send(host))
    kinds = set(host.types[1:])
    assert kinds - {"body"} == ({offered} if offered != "none" else set())
    assert len(host.body) == (300_000 if offered == "none" else 0)


@pytest.mark.parametrize("offered", [True, False])
async def test_19_hints_where_they_are_offered(offered: bool) -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.send_early_hints({"Link": "</a.css>; rel=preload"})
        return web.Response()

    scope = http_scope(extensions={"http.response.early_hint": {}} if offered else {})
    host = await ScriptedHost().call(app_of(handler), scope)
    assert host.types == (["early_hint"] if offered else []) + ["start", "body"]


# -- 20: WebSockets


async def echo(ws: web.WebSocketResponse) -> None:
    async for message in ws:
        if message.type is web.WSMsgType.TEXT:
            await ws.send_str(message.data)
        else:
            await ws.send_bytes(message.data)


def closed(code: int | None, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


async def test_20_the_whole_of_a_websocket() -> None:
    host = ScriptedHost(
        CONNECT,
        {"type": "websocket.receive", "text": "t"},
        {"type": "websocket.receive", "bytes": b"b", "text": None},
        closed(1000),
    )
    scope = socket_scope(
        subprotocols=["two", "one"],
        headers=[(b"host", b"h"), (b"sec-websocket-key", b"k"), (b"upgrade", b"websocket")],
    )
    await host.call(socket_app_of(echo, protocols=("one",)), scope)
    accepted, *sent = host.sent
    assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", "one")
    assert not [name for name, _ in accepted["headers"] if name.startswith(b"sec-websocket")]
    assert sent == [
        {"type": "websocket.send", "text": "t"},
        {"type": "websocket.send", "bytes": b"b"},
    ]


async def test_20_it_is_closed_once_with_code_and_reason() -> None:
    async def close(ws: web.WebSocketResponse) -> None:
        await ws.close(code=4001, message=b"why")
        await ws.close(code=4002)

    host = ScriptedHost(CONNECT, closed(4001))
    await host.call(socket_app_of(close), socket_scope())
    assert host.sent[1:] == [{"type": "websocket.close", "code": 4001, "reason": "why"}]


async def test_20_the_clients_code_is_told_and_sending_behind_it_fails() -> None:
    seen: list[Any] = []

    async def handler(ws: web.WebSocketResponse) -> None:
        message = await ws.receive()
        seen.extend([message.type.name, message.data, message.extra, ws.close_code])
        with pytest.raises(ConnectionError):
            await ws.send_str("late")

    host = ScriptedHost(CONNECT, closed(4321, "bye"))
    await host.call(socket_app_of(handler), socket_scope())
    assert seen == ["CLOSE", 4321, "bye", 4321]
    assert host.types == ["accept"]


@pytest.mark.parametrize("denies", [True, False])
async def test_20_a_route_that_is_missing_refuses(denies: bool) -> None:
    offered = {"websocket.http.response": {}} if denies else {}
    host = ScriptedHost(CONNECT)
    await host.call(web.Application(), socket_scope(extensions=offered))
    if denies:
        assert host.types == ["start", "body"]
        assert host.status == 404
    else:
        assert host.types == ["close"]


async def test_20_an_error_of_the_handler_closes_with_1011() -> None:
    async def fail(ws: web.WebSocketResponse) -> None:
        raise ValueError

    host = await ScriptedHost(CONNECT).call(socket_app_of(fail), socket_scope())
    assert host.sent[1:] == [{"type": "websocket.close", "code": 1011}]


async def test_20_gone_in_the_handshake() -> None:
    host = await ScriptedHost(closed(1006)).call(socket_app_of(echo), socket_scope())
    assert host.sent == []


async def test_20_a_code_that_the_host_refuses_becomes_1000() -> None:
    class Daphne(ScriptedHost):
        async def send(self, message: Any) -> None:
            if message.get("code") == 1011:
                raise ValueError("a code that it does not send")
            await super().send(message)

    async def fail(ws: web.WebSocketResponse) -> None:
        raise ValueError

    host = await Daphne(CONNECT).call(socket_app_of(fail), socket_scope())
    assert host.sent[1:] == [{"type": "websocket.close", "code": 1000}]


async def test_20_no_receive_is_pending_when_it_closes() -> None:
    """Granian would hold the close back."""
    pending = 0

    class Granian(ScriptedHost):
        async def receive(self) -> Any:
            nonlocal pending
            pending += 1
            try:
                return await super().receive()
            finally:
                pending -= 1

        async def send(self, message: Any) -> None:
            if message["type"] == "websocket.close":
                assert pending == 0
                self.messages.append(closed(1000))
            await super().send(message)

    async def handler(ws: web.WebSocketResponse) -> None:
        receiving = asyncio.create_task(ws.receive())
        await asyncio.sleep(0)
        await ws.close()
        await receiving

    host = await Granian(CONNECT).call(socket_app_of(handler), socket_scope())
    assert host.types == ["accept", "close"]
