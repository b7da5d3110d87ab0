"""Others' ASGI applications on our server, by the letter of the specification."""

import asyncio
import logging
from typing import Any

import pytest

from bascule import web
from bascule.asgi.lifespan import LifespanError
from support.wire import PATIENCE, Served, serve

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
START = {"type": "http.response.start", "status": 200, "headers": []}


def body(data: bytes = b"", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def http(handler: Any) -> Any:
    """Make an application of a coroutine function for HTTP alone."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError("no lifespan here")
        await handler(scope, receive, send)

    return application


async def scope_of(data: bytes, **options: Any) -> dict[str, Any]:
    scopes = []

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send(START)
        await send(body())

    async with serve(http(handler), **options) as served:
        await served.exchange(data)
    scope: dict[str, Any] = scopes[0]
    return scope


async def test_scope() -> None:
    scope = await scope_of(
        b"GET /a%20b%2Fc/%D0%BF?x=%20y HTTP/1.1\r\nHost: h:1\r\nX-Two: 1\r\nX-two:  2 \r\n"
        b"X-Raw: \xff\r\n\r\n"
    )
    assert scope["type"] == "http"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert (scope["http_version"], scope["method"], scope["scheme"]) == ("1.1", "GET", "http")
    assert scope["path"] == "/a b/c/п"
    assert scope["raw_path"] == b"/a%20b%2Fc/%D0%BF"
    assert (scope["query_string"], scope["root_path"]) == (b"x=%20y", "")
    assert scope["headers"] == [
        (b"host", b"h:1"),
        (b"x-two", b"1"),
        (b"x-two", b"2"),
        (b"x-raw", b"\xff"),
    ]
    assert (scope["client"][0], scope["server"][0]) == ("127.0.0.1", "127.0.0.1")
    assert isinstance(scope["server"][1], int)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://other.example/p?q", "/p", b"q"),
        (b"http://other.example", "/", b""),
        (b"/%ff", "/\ufffd", b""),
        (b"/a?b?c", "/a", b"b?c"),
    ],
)
async def test_scope_of_targets(target: bytes, path: str, query: bytes) -> None:
    scope = await scope_of(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (scope["path"], scope["query_string"]) == (path, query)


async def test_options_of_the_server_as_a_whole() -> None:
    scope = await scope_of(b"OPTIONS * HTTP/1.0\r\n\r\n")
    assert (scope["path"], scope["http_version"]) == ("*", "1.0")


async def test_bodies_both_ways() -> None:
    async def handler(scope: Any, receive: Any, send: Any) -> None:
        data, more = b"", True
        while more:
            message = await receive()
            assert message["type"] == "http.request"
            data += message["body"]
            more = message["more_body"]
        await send({**START, "headers": ((n, v) for n, v in [(b"x-size", b"%d" % len(data))])})
        await send(body(data[:10], True))
        await send({"type": "http.response.body", "body": data[10:]})
        await send(body(b"ignored behind the end"))
        assert (await receive())["type"] == "http.disconnect"
        assert (await receive())["type"] == "http.disconnect"

    async with serve(http(handler)) as served, served.connect() as wire:
        for data in (b"", b"12345", bytes(500_000)):
            head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data)
            _, (_, fields, got) = await asyncio.gather(wire.send(head + data), wire.read_answer())
            assert (got, fields[b"x-size"]) == (data, b"%d" % len(data))


async def test_a_short_answer_gets_a_length_and_one_date() -> None:
    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "headers": [(b"date", b"mine"), (b"server", b"mine too")]})
        await send(body(b"abc"))

    async with serve(http(handler)) as served:
        answer = await served.exchange(GET)
    assert answer == (
        b"HTTP/1.1 200 OK\r\ndate: mine\r\nserver: mine too\r\nContent-Length: 3\r\n\r\nabc"
    )


async def test_a_transfer_encoding_of_the_application_is_ignored() -> None:
    async def handler(scope: Any, receive: Any, send: Any) -> None:
        fields = [(b"transfer-encoding", b"gzip, chunked"), (b"content-length", b"3")]
        await send({**START, "headers": fields})
        await send(body(b"abc"))

    async with serve(http(handler)) as served:
        answer = await served.exchange(GET)
    assert b"transfer-encoding" not in answer.lower()
    assert answer.endswith(b"\r\n\r\nabc")


async def test_each_piece_is_sent_before_the_next() -> None:
    go_on = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(b"one", True))
        await go_on.wait()
        await send(body(b"two"))

    async with serve(http(handler)) as served, served.connect() as wire:
        await wire.send(GET)
        await wire.read_head()
        assert await wire.reader.readexactly(8) == b"3\r\none\r\n"
        go_on.set()
        assert await wire.reader.readexactly(13) == b"3\r\ntwo\r\n0\r\n\r\n"


async def test_head_leaves_without_a_body() -> None:
    go_on = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await go_on.wait()
        await send(body(b""))

    async with serve(http(handler)) as served, served.connect() as wire:
        await wire.send(GET)
        assert (await wire.read_head())[0] == b"HTTP/1.1 200 OK"
        go_on.set()
        assert await wire.reader.readexactly(5) == b"0\r\n\r\n"


async def test_a_client_that_leaves_is_told_of() -> None:
    told = asyncio.Event()
    errors: list[BaseException] = []

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        await send(body(b"x", True))
        assert (await receive())["type"] == "http.disconnect"
        try:
            while True:
                await send(body(b"x" * 65536, True))
        except OSError as exc:
            errors.append(exc)
            told.set()
            raise

    async with serve(http(handler)) as served:
        async with served.connect() as wire:
            await wire.send(GET)
            await wire.read_head()
        async with asyncio.timeout(PATIENCE):
            await told.wait()
    assert len(errors) == 1


async def test_the_error_of_send_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    done = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(START)
            while True:
                await send(body(b"x" * 65536, True))
        finally:
            done.set()

    async with serve(http(handler)) as served:
        async with served.connect() as wire:
            await wire.send(GET)
            await wire.read_head()
            wire.writer.transport.abort()
        async with asyncio.timeout(PATIENCE):
            await done.wait()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_body_that_stops_coming_is_a_disconnect() -> None:
    messages: list[str] = []
    done = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            messages.append(message["type"])
            if message["type"] == "http.disconnect":
                done.set()
                return

    async with serve(http(handler)) as served:
        await served.exchange(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        async with asyncio.timeout(PATIENCE):
            await done.wait()
    assert messages[-1] == "http.disconnect"


@pytest.mark.parametrize(
    ("messages", "error", "answer"),
    [
        ([body(b"x")], RuntimeError, b"HTTP/1.1 500 "),
        ([START, START], RuntimeError, b"HTTP/1.1 500 "),
        ([{"type": "http.response.start"}], KeyError, b"HTTP/1.1 500 "),
        ([{"type": "http.response.nonsense"}], ValueError, b"HTTP/1.1 500 "),
        ([{**START, "headers": [("x", "y")]}], TypeError, b"HTTP/1.1 500 "),
        ([{**START, "headers": [(b"x", b"y\r\nz: 1")]}], ValueError, b"HTTP/1.1 500 "),
        ([{**START, "headers": [(b"x y", b"z")]}], ValueError, b"HTTP/1.1 500 "),
        ([{**START, "status": "200"}], TypeError, b"HTTP/1.1 500 "),
        ([START, {**body(), "body": "text"}], TypeError, b"HTTP/1.1 500 "),
        ([START, body(b"x", True), START], RuntimeError, b""),
    ],
)
async def test_messages_out_of_order_or_form_raise(
    messages: list[Any], error: type[Exception], answer: bytes
) -> None:
    raised: list[BaseException] = []

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        try:
            for message in messages:
                await send(message)
        except Exception as exc:
            raised.append(exc)
            raise

    async with serve(http(handler)) as served:
        async with served.connect() as wire:
            await wire.send(GET)
            try:
                got = await wire.read_all()
            except ConnectionResetError:
                got = b""
    assert [type(exc) for exc in raised] == [error]
    if answer:
        assert got.startswith(answer)
    else:
        assert not got.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("messages", "whole"),
    [([], True), ([START], True), ([START, body(b"x", True)], False)],
)
async def test_an_application_that_returns_too_early(
    messages: list[Any], whole: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    async with serve(http(handler), access_log=None) as served:
        async with served.connect() as wire:
            await wire.send(GET)
            try:
                got = await wire.read_all()
            except ConnectionResetError:
                got = b""
        assert got.startswith(b"HTTP/1.1 500 ") == whole
        assert not got.endswith(b"\r\n0\r\n\r\n")
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1


async def test_an_error_behind_a_whole_response_is_logged_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "status": 500})
        await send(body(b"a page of its own"))
        raise ValueError("as Starlette raises behind its error page")

    async with serve(http(handler), access_log=None) as served, served.connect() as wire:
        for _ in range(2):
            await wire.send(GET)
            assert (await wire.read_answer())[2] == b"a page of its own"
    assert len(caplog.records) == 2


async def test_send_waits_while_the_client_does_not_read() -> None:
    sent = 0

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send(START)
        for _ in range(512):
            await send(body(bytes(2**16), True))
            sent += 2**16
        await send(body())

    async with serve(http(handler)) as served, served.connect() as wire:
        await wire.send(GET)
        connection = await served.alone()
        async with asyncio.timeout(PATIENCE):
            while connection.room() is None:
                await asyncio.sleep(0)
        assert sent < 32 * 2**20
        assert len((await wire.read_answer())[2]) == 32 * 2**20


async def test_asgi_2_applications_are_served() -> None:
    class Old:
        def __init__(self, scope: Any) -> None:
            if scope["type"] != "http":
                raise RuntimeError("no lifespan here")

        async def __call__(self, receive: Any, send: Any) -> None:
            await send(START)
            await send(body(b"old"))

    async with serve(Old) as served:
        assert (await served.exchange(GET)).endswith(b"old")


async def test_access_log_of_a_hosted_application(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "status": 201})
        await send(body(b"abc"))

    caplog.set_level(logging.INFO, "bascule.access")
    async with serve(http(handler)) as served:
        answer = await served.exchange(b"GET /p HTTP/1.1\r\nHost: x\r\nUser-Agent: me\r\n\r\n")
    line = caplog.messages[-1]
    assert f'"GET /p HTTP/1.1" 201 {len(answer)} "-" "me"' in line


# -- lifespan


class Living:
    """An application with a lifespan that does as it is told."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.seen: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.live(scope, receive, send)
            return
        assert scope["state"] == {"shared": self.seen}
        scope["state"]["own"] = 1
        self.seen.append("request")
        await send(START)
        await send(body())

    async def live(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["asgi"]["version"] == "3.0"
        for _ in range(2):
            kind = (await receive())["type"].removeprefix("lifespan.")
            self.seen.append(kind)
            scope["state"]["shared"] = self.seen
            answer = self.answers.get(kind, "complete")
            if isinstance(answer, Exception):
                raise answer
            await send({"type": f"lifespan.{kind}.{answer}", "message": "because"})
            if answer == "failed":
                return
        self.seen.append("returned")


async def get_twice(served: Served) -> None:
    for _ in range(2):
        assert (await served.exchange(GET)).startswith(b"HTTP/1.1 200 OK")


async def test_lifespan() -> None:
    application = Living()
    async with serve(application) as served:
        assert application.seen == ["startup"]
        await get_twice(served)
    assert application.seen == ["startup", "request", "request", "shutdown", "returned"]


async def test_failed_startup_is_the_callers_to_know() -> None:
    application = Living(startup="failed")
    runner = web.AppRunner(application)
    with pytest.raises(LifespanError, match="because"):
        await runner.setup()
    await runner.cleanup()
    assert application.seen == ["startup"]


async def test_failed_shutdown_is_told_and_nothing_stays_open() -> None:
    application = Living(shutdown="failed")
    runner = web.AppRunner(application)
    await runner.setup()
    with pytest.raises(LifespanError, match="because"):
        await runner.cleanup()
    assert runner.server is None


async def test_an_application_without_lifespan_is_served() -> None:
    application = Living(startup=RuntimeError("what is a lifespan?"))
    application.answers["startup"] = RuntimeError("no")

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan")
        await send(START)
        await send(body())

    async with serve(handler) as served:
        await get_twice(served)


async def test_a_lifespan_that_dies_later_harms_nothing() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            raise RuntimeError("later")
        await send(START)
        await send(body())

    async with serve(application) as served:
        await get_twice(served)


@pytest.mark.parametrize("thing", [None, 7, "module:app"])
def test_what_is_no_application_is_refused(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"should be web\.Application instance or an ASGI"):
        web.AppRunner(thing)
