"""WSGI applications on our server, mounted in native applications, and under other hosts."""

import asyncio
import contextvars
import logging
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import httpx
import pytest

import bascule
from bascule import web
from support.hosts import asgi_transport, own_socket, uvicorn_guest
from support.programs import program
from support.sockets import Refused, connect_by_wire
from support.wire import PATIENCE, serve

PLAIN = {"Content-Type": "text/plain"}


def mounted(app: Any, **options: Any) -> web.Application:
    native = web.Application()
    native.mount("/old", bascule.wsgi(app, **options))
    return native


def answer(*pieces: bytes, status: str = "200 OK", headers: Any = ()) -> Any:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response(status, list(headers))
        return list(pieces)

    return app


async def environ_of(
    target: str = "/", *, host: Any = own_socket, wrap: Any = bascule.wsgi, **kwargs: Any
) -> dict[str, Any]:
    seen: list[dict[str, Any]] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append({**environ, "body": environ["wsgi.input"].read()})
        start_response("204 No Content", [])
        return []

    async with host(wrap(app)) as client:
        found = await client.request(kwargs.pop("method", "GET"), target, **kwargs)
        assert found.status == 204
    return seen[0]


# -- the environment


@pytest.mark.parametrize("host", [own_socket, uvicorn_guest])
async def test_environ(host: Any) -> None:
    """PEP 3333, "environ Variables"; RFC 3875 for what it takes over."""
    fields = [("Content-Type", "text/x"), ("X-Two", "1"), ("X-Two", "2"), ("Cookie", "a=1")]
    fields += [("Cookie", "b=2"), ("Host", "example.org:81")]
    target = "/a%20b/%C3%BC/c%2Fd?x=%20y"
    environ = await environ_of(target, host=host, method="POST", fields=fields, body=b"12345")
    assert environ["REQUEST_METHOD"] == "POST"
    assert (environ["SCRIPT_NAME"], environ["QUERY_STRING"]) == ("", "x=%20y")
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/a b/ü/c/d"
    assert environ["REQUEST_URI"] == environ["RAW_URI"] == target
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/x", "5")
    assert (environ["HTTP_X_TWO"], environ["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")
    assert (environ["SERVER_NAME"], environ["HTTP_HOST"]) == ("127.0.0.1", "example.org:81")
    assert environ["SERVER_PORT"].isdecimal()
    assert (environ["SERVER_PROTOCOL"], environ["GATEWAY_INTERFACE"]) == ("HTTP/1.1", "CGI/1.1")
    assert environ["SERVER_SOFTWARE"].startswith("bascule/")
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"].isdecimal()) == ("127.0.0.1", True)
    assert (environ["wsgi.version"], environ["wsgi.url_scheme"]) == ((1, 0), "http")
    assert environ["wsgi.errors"] is sys.stderr
    assert environ["wsgi.input_terminated"] is environ["wsgi.multithread"] is True
    assert environ["wsgi.run_once"] is False
    assert environ["body"] == b"12345"
    assert "HTTP_CONTENT_TYPE" not in environ


async def test_the_prefix_of_a_mount_is_the_script_name() -> None:
    environ = await environ_of("/old/x/y", wrap=mounted)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/old", "/x/y")


async def test_a_path_that_is_not_utf_8_comes_as_it_was_sent() -> None:
    environ = await environ_of("/%ff%FE")
    assert environ["PATH_INFO"] == "/\xff\xfe"


async def test_fields_that_look_like_others_are_dropped() -> None:
    """nginx's and Django's rule for underscores; CVE-2016-5385 for the other."""
    fields = [("X_Forwarded_For", "6.6.6.6"), ("Proxy", "http://evil"), ("X-Fine", "1")]
    environ = await environ_of(fields=fields)
    assert environ["HTTP_X_FINE"] == "1"
    assert not {"HTTP_X_FORWARDED_FOR", "HTTP_PROXY"} & environ.keys()


def run(app: Any, scope: dict[str, Any], messages: list[Any]) -> list[Any]:
    """Call an application as a host that leaves out what it may."""

    async def call() -> list[Any]:
        sent: list[Any] = []
        inbox = iter(messages)

        async def receive() -> Any:
            for message in inbox:
                return message
            return await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return sent

    return asyncio.run(call())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"server": None}, ("h", "81")),
        ({"server": ("/run/x.sock", None)}, ("h", "81")),
        ({"server": None, "headers": [], "scheme": "https"}, ("localhost", "443")),
        ({"server": ("1.2.3.4", 8000)}, ("1.2.3.4", "8000")),
    ],
)
def test_the_name_of_the_server_is_always_told(changes: Any, told: tuple[str, str]) -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append((environ["SERVER_NAME"], environ["SERVER_PORT"], "REMOTE_ADDR" in environ))
        start_response("200 OK", [])
        return [b"x"]

    scope = {"type": "http", "method": "GET", "path": "/", "headers": iter([(b"host", b"h:81")])}
    messages = [{"type": "http.request"}]
    sent = run(bascule.wsgi(app), {**scope, **changes}, messages)
    assert seen == [(*told, False)]
    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]},
        {"type": "http.response.body", "body": b"x", "more_body": False},
    ]


async def test_it_is_wsgi_by_the_validator_of_the_standard_library() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        data = environ["wsgi.input"].read(100)
        environ["wsgi.input"].readline(5)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [data]

    checked = validator(app)
    async with own_socket(bascule.wsgi(checked)) as client:
        found = await client.post("/x", body=b"12345", fields=PLAIN)
        assert (found.status, found.body) == (200, b"12345")


# -- bodies


@pytest.mark.parametrize("host", [own_socket, asgi_transport, uvicorn_guest])
@pytest.mark.parametrize(
    "sent", [b"", b"1\n2\n", b"x" * 3_000_000, [b"a\n", b"b" * 100_000, b"", b"c"]]
)
async def test_bodies_go_both_ways(host: Any, sent: Any) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        file = environ["wsgi.input"]
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield file.readline()
        while piece := file.read(50_000):
            yield piece
        assert file.read() == b""

    async with host(mounted(app)) as client:
        found = await client.post("/old/", body=sent, fields=PLAIN)
        assert found.body == (b"".join(sent) if isinstance(sent, list) else sent)


async def test_the_first_piece_is_seen_before_the_last_is_sent() -> None:
    """Streams are streams: nothing is spooled, nothing gathered."""

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        for line in environ["wsgi.input"]:
            yield line.upper()

    async with serve(bascule.wsgi(app)) as served, served.connect() as wire:
        await wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for word in (b"one\n", b"two\n"):
            await wire.send(b"4\r\n%b\r\n" % word)
            if word == b"one\n":
                await wire.read_head()
            async with asyncio.timeout(PATIENCE):
                assert await wire.reader.readexactly(9) == b"4\r\n%b\r\n" % word.upper()
        await wire.send(b"0\r\n\r\n")
        assert await wire.reader.readexactly(5) == b"0\r\n\r\n"


async def test_100_continue_comes_when_the_body_is_read() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/no":
            start_response("403 Forbidden", [])
            return [b"no"]
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    async with serve(bascule.wsgi(app)) as served:
        async with served.connect() as wire:
            await wire.send(head % b"/no")
            assert (await wire.read_head())[0] == b"HTTP/1.1 403 Forbidden"
        async with served.connect() as wire:
            await wire.send(head % b"/yes")
            assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await wire.send(b"ab")
            assert (await wire.read_answer())[2] == b"ab"


SCOPE = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"9")]}


async def let_threads_run() -> None:
    for _ in range(50):
        await asyncio.to_thread(int)


async def test_the_application_waits_until_a_piece_is_sent() -> None:
    made = 0
    blocked, gate = asyncio.Event(), asyncio.Event()
    sent: list[bytes] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        nonlocal made
        start_response("200 OK", [])
        for _ in range(100):
            made += 1
            yield b"x"

    async def receive() -> Any:
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        blocked.set()
        await gate.wait()
        sent.append(message.get("body", b""))

    call = asyncio.create_task(bascule.wsgi(app)(SCOPE, receive, send))
    async with asyncio.timeout(PATIENCE):
        await blocked.wait()
        await let_threads_run()
        assert made == 1
        gate.set()
        await call
    assert b"".join(sent) == b"x" * 100


async def test_the_host_is_asked_for_what_is_read_and_no_more() -> None:
    received = 0
    begun = asyncio.Event()
    go_on = threading.Event()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        first = environ["wsgi.input"].read(1)
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(PATIENCE)
        start_response("200 OK", [])
        return [first + environ["wsgi.input"].read()]

    async def receive() -> Any:
        nonlocal received
        if received == 20:
            return await asyncio.Event().wait()
        received += 1
        return {"type": "http.request", "body": b"x", "more_body": received < 20}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    loop = asyncio.get_running_loop()
    call = asyncio.create_task(bascule.wsgi(app)(SCOPE, receive, send))
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
        await let_threads_run()
        assert received == 1
        go_on.set()
        await call
    assert sent[-1]["body"] == b"x" * 20


# -- answers


@pytest.mark.parametrize(
    ("pieces", "headers", "length", "body"),
    [
        ([b"abc"], [], "3", b"abc"),
        ([b"abc", b"d"], [], None, b"abcd"),
        ([b"", b"abc", b"", b"d"], [("Content-Length", "4")], "4", b"abcd"),
        ([b"abc", b"de"], [("Content-Length", "4")], "4", b"abcd"),
        ([], [], "0", b""),
        ([b"x"], [("Transfer-Encoding", "gzip"), ("Connection", "x"), ("X", "1")], "1", b"x"),
    ],
)
async def test_answers(pieces: Any, headers: Any, length: str | None, body: bytes) -> None:
    async with own_socket(bascule.wsgi(answer(*pieces, headers=headers))) as client:
        found = await client.get("/")
        assert (found.fields.get("Content-Length"), found.body) == (length, body)
        assert found.fields.get("Transfer-Encoding") == (None if length else "chunked")
        assert found.fields.get("Connection") is None
        found = await client.request("HEAD", "/")
        assert (found.status, found.body) == (200, b"")
        assert length in (None, "0") or found.fields["Content-Length"] == length


def test_no_host_is_sent_more_than_the_length_that_was_told() -> None:
    """Some answer that by an error: uvicorn."""
    app = answer(b"abc", b"de", b"f", headers=[("Content-Length", "4")])
    sent = run(bascule.wsgi(app), {**SCOPE, "headers": []}, [{"type": "http.request"}])
    assert [message.get("body") for message in sent[1:]] == [b"abc", b"d"]
    assert [message.get("more_body") for message in sent[1:]] == [True, False]


async def test_the_callable_write_sends_at_once() -> None:
    go_on = threading.Event()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"one")
        assert go_on.wait(PATIENCE)
        return [b"two"]

    async with serve(bascule.wsgi(app)) as served, served.connect() as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await wire.read_head()
        assert await wire.reader.readexactly(8) == b"3\r\none\r\n"
        go_on.set()
        assert await wire.reader.readexactly(13) == b"3\r\ntwo\r\n0\r\n\r\n"


async def test_an_error_page_takes_the_place_of_a_head_that_has_not_left() -> None:
    """PEP 3333, "Error Handling": `exc_info`."""
    raised: list[str] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("X-First", "1")])
        if environ["PATH_INFO"] == "/late":
            yield b"sent"
        try:
            raise ValueError("oops")
        except ValueError:
            try:
                start_response("503 Sorry", [("X-Second", "1")], sys.exc_info())
            except ValueError as exc:
                raised.append(str(exc))
                raise
        yield b"page"

    async with own_socket(bascule.wsgi(app)) as client:
        found = await client.get("/")
        assert (found.status, found.body) == (503, b"page")
        assert "X-Second" in found.fields
        assert "X-First" not in found.fields
        with pytest.raises(ConnectionError):
            await client.get("/late")
    assert raised == ["oops"]


def two_heads(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    start_response("200 OK", [])
    return []


def no_head(environ: Any, start_response: Any) -> list[bytes]:
    return [b"x"]


def no_head_no_body(environ: Any, start_response: Any) -> list[bytes]:
    return []


def raising(environ: Any, start_response: Any) -> list[bytes]:
    raise KeyError("inside")


def stopping(environ: Any, start_response: Any) -> list[bytes]:
    raise StopIteration


def nothing(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])


def whole(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    return b"not in a list"


MISTAKES = [
    (two_heads, "start_response was called before"),
    (no_head, "has to call start_response first"),
    (no_head_no_body, "has to call start_response"),
    (raising, "KeyError: 'inside'"),
    (stopping, "StopIteration"),
    (nothing, "should give an iterable, got None"),
    (whole, "should give pieces of bytes"),
    (answer("text"), "should give bytes, got 'text'"),  # type: ignore[arg-type]  # a mistake
    (answer(b"x", status="OK"), "three digits, got 'OK'"),
    (answer(b"x", status=200), "status should be str, got 200"),  # type: ignore[arg-type]
    (answer(b"x", headers=[("X", 1)]), "headers should be str"),
    (answer(b"x", headers=[("X", "a\r\nb: c")]), "Control character in the header"),
    (answer(b"x", headers=[("Content-Length", "2")]), "1 bytes short"),
]


@pytest.mark.parametrize(("app", "text"), MISTAKES)
@pytest.mark.parametrize("wrap", [lambda app: bascule.wsgi(app), mounted], ids=["alone", "mount"])
async def test_mistakes_are_500_or_a_cut_logged_once(
    app: Any, text: str, wrap: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with own_socket(wrap(app)) as client:
        try:
            assert (await client.get("/old/")).status == 500
        except ConnectionError:
            assert "short" in text  # its head has left
    records = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(records) == 1
    assert records[0].exc_info
    assert text in caplog.text


@pytest.mark.parametrize("fails", [False, True])
async def test_pieces_are_closed_in_any_case(fails: bool) -> None:
    closed: list[str] = []

    class Pieces(list[bytes]):
        def close(self) -> None:
            closed.append("closed")

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Pieces([b"x", "text" if fails else b"y"])  # type: ignore[list-item]  # a mistake

    async with own_socket(bascule.wsgi(app)) as client:
        try:
            assert (await client.get("/")).body == b"xy"
        except ConnectionError:
            assert fails
    assert closed == ["closed"]


# -- who leaves


@pytest.mark.parametrize("host", [own_socket, uvicorn_guest])
async def test_a_client_that_leaves_ends_the_stream(
    host: Any, caplog: pytest.LogCaptureFixture
) -> None:
    closed = threading.Event()
    begun = threading.Event()

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b"x" * 1000
                begun.set()
        finally:
            closed.set()

    async with host(mounted(app)) as client:
        request = asyncio.create_task(client.get("/old/"))
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        request.cancel()
        await asyncio.wait([request])
        assert await asyncio.to_thread(closed.wait, PATIENCE)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_body_that_stops_coming_is_an_error_of_reading() -> None:
    errors: list[Exception] = []
    done = threading.Event()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            environ["wsgi.input"].read()
        except OSError as exc:
            errors.append(exc)
            done.set()
            raise
        return []

    async with serve(bascule.wsgi(app)) as served:
        async with served.connect() as wire:
            await wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        assert await asyncio.to_thread(done.wait, PATIENCE)
    assert isinstance(errors[0], ConnectionResetError)


# -- threads


def count_threads() -> int:
    return sum(thread.name.startswith("bascule-wsgi") for thread in threading.enumerate())


async def test_only_so_many_calls_run_at_a_time_and_threads_end() -> None:
    most = running = 0
    lock = threading.Lock()
    go_on = threading.Event()
    full = threading.Barrier(3)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        nonlocal most, running
        with lock:
            running += 1
            most = max(most, running)
        if not go_on.is_set():
            full.wait(PATIENCE)
            assert go_on.wait(PATIENCE)
        with lock:
            running -= 1
        start_response("200 OK", [])
        return [b"x"]

    async with own_socket(mounted(app, threads=2)) as client:
        requests = [asyncio.create_task(client.get("/old/")) for _ in range(8)]
        await asyncio.to_thread(full.wait, PATIENCE)
        go_on.set()
        answers = await asyncio.gather(*requests)
        assert [found.status for found in answers] == [200] * 8
        assert count_threads() == 2
    assert most == 2
    async with asyncio.timeout(PATIENCE):
        while count_threads():
            await asyncio.sleep(0.001)


async def test_who_leaves_before_its_turn_is_not_served() -> None:
    called: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        called.append(environ["PATH_INFO"])
        begun.set()
        assert go_on.wait(PATIENCE)
        start_response("200 OK", [])
        return [b"x"]

    async with serve(bascule.wsgi(app, threads=1)) as served:
        async with served.connect() as first:
            await first.send(b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await asyncio.to_thread(begun.wait, PATIENCE)
            async with served.connect() as second:
                await second.send(b"GET /second HTTP/1.1\r\nHost: x\r\n\r\n")
                server: Any = served.runner.server
                async with asyncio.timeout(PATIENCE):
                    while len(server.connections) < 2:
                        await asyncio.sleep(0)
                second.writer.transport.abort()
            async with asyncio.timeout(PATIENCE):
                while len(server.connections) > 1:
                    await asyncio.sleep(0.001)
            go_on.set()
            assert (await first.read_answer())[2] == b"x"
    assert called == ["/first"]


@pytest.mark.parametrize("path", ["/", "/old/"])
@pytest.mark.parametrize("size", [0, 100_000])
async def test_who_ends_its_half_behind_its_request_is_answered(path: str, size: int) -> None:
    """As by native applications; what tells of it is in no message that ASGI applications need."""

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        data = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(data) + 4))])
        yield data
        yield b"fine"

    request = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
    async with serve(mounted(app) if path == "/old/" else bascule.wsgi(app)) as served:
        raw = await served.exchange(request + bytes(size))
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == bytes(size) + b"fine"


async def test_the_stop_of_the_server_ends_what_has_no_end() -> None:
    ended, begun = threading.Event(), threading.Event()

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b"x"
                begun.set()
        finally:
            ended.set()

    async with serve(bascule.wsgi(app), shutdown_timeout=0.1) as served:
        async with served.connect() as wire:
            await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await asyncio.to_thread(begun.wait, PATIENCE)
            await served.runner.cleanup()
            assert await asyncio.to_thread(ended.wait, PATIENCE)


async def test_threads_see_the_context_of_the_request() -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")

    @web.middleware
    async def log_in(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        user.set("ann")
        return await handler(request)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [user.get().encode()]

    native = web.Application(middlewares=[log_in])
    native.mount("/old", bascule.wsgi(app))
    async with own_socket(native) as client:
        assert (await client.get("/old/")).body == b"ann"


async def test_it_serves_again_behind_its_end_and_in_two_places() -> None:
    bridge = bascule.wsgi(answer(b"x"))
    for _ in range(2):
        native = web.Application()
        native.mount("/a", bridge)
        native.mount("/b", bridge)
        async with own_socket(native) as client:
            assert (await client.get("/a/")).body == (await client.get("/b/")).body == b"x"


async def test_a_web_socket_is_refused() -> None:
    async with own_socket(mounted(answer(b"x"))) as client:
        base = str(client.httpx.base_url).rstrip("/")  # type: ignore[attr-defined]  # it has one
        with pytest.raises(Refused) as info:
            await connect_by_wire(base, "/old/")
    assert info.value.answer.status == 403


PROGRAM = """
import bascule
from bascule import web

def call(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield environ["wsgi.input"].read().upper()

app = bascule.wsgi(call)
if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=0)
"""


@pytest.mark.parametrize("arguments", [["old.py"], ["-m", "bascule", "old:app", "--port", "0"]])
async def test_alone_by_run_app_and_the_command_line(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text(PROGRAM)
    async with program(*arguments, cwd=tmp_path) as running:
        url = await running.url()
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.post(url, content=b"abc")).text == "ABC"
        assert await running.end(signal.SIGTERM) == 0
    assert "Traceback" not in running.output


# -- what is refused


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError


class Asynchronous:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("app", "text"),
    [
        (None, "should be a WSGI one, got None"),
        (asgi, "if it is an ASGI application, it needs no bridge"),
        (Asynchronous(), "if it is an ASGI application, it needs no bridge"),
        (lambda: None, "if it makes an application, call it"),
        (lambda a, b, c: None, r"other arguments than \(environ, start_response\)"),
    ],
)
def test_what_is_no_wsgi_application_is_refused(app: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        bascule.wsgi(app)


@pytest.mark.parametrize(
    ("threads", "error"), [(0, ValueError), (True, TypeError), ("2", TypeError)]
)
def test_the_number_of_threads_is_checked(threads: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="threads should be"):
        bascule.wsgi(answer(), threads=threads)


def test_its_name_tells_what_it_calls() -> None:
    assert repr(bascule.wsgi(raising)).startswith("wsgi(<function raising at ")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_middleware_may_give_a_body_again(method: str) -> None:
    """At once, whenever it is asked: the loop goes on, and the body is had once."""
    bodies: list[bytes] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        bodies.append(environ["wsgi.input"].read())
        start_response("200 OK", [])
        return [b"hello"]

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x" * 1000, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {},
        "http_version": "1.1",
        "method": method,
        "path": "/",
        "query_string": b"",
        "headers": [(b"content-length", b"1000")] if method == "POST" else [],
    }
    async with asyncio.timeout(PATIENCE):
        await bascule.wsgi(app)(scope, receive, send)
    assert bodies == [b"x" * 1000]
    assert b"".join(each.get("body", b"") for each in sent) == b"hello"
