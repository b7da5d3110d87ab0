"""The access log: aiohttp's format language, one line for each answer."""

import asyncio
import contextvars
import datetime
import json
import logging
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import aiohttp.web
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from bascule import web
from bascule.app.access import KeyMethod
from bascule.server.connection import Phase
from bascule.testing import MemoryExchange
from support.hosts import HOSTS, Client
from support.requests import GET, app_of, ok, request
from support.wire import PATIENCE, Served, Wire, serve

# -- What is logged, and by whom ------------------------------------------------------------------


class Lines(logging.Handler):
    """Keeps records, and lets a test wait for the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.records: asyncio.Queue[logging.LogRecord] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.put_nowait(record)

    async def next(self) -> logging.LogRecord:
        async with asyncio.timeout(PATIENCE):
            return await self.records.get()

    async def line(self) -> str:
        return (await self.next()).getMessage()

    @property
    def is_empty(self) -> bool:
        return self.records.empty()


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What reaches the logger of the test, at INFO."""
    logger, handler = logging.getLogger("test.access"), Lines()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


LOGGER = logging.getLogger("test.access")
FIELDS = CIMultiDict({"User-Agent": "me", "X-In": "i"})


def made(**fields: str) -> web.Request:
    return web.Request(MemoryExchange("GET", "/p?q=1", fields={**FIELDS, **fields}))


class Answered:
    """What a logger asks of a response."""

    status = 418
    body_length = 42

    def __init__(self, **fields: str) -> None:
        self.headers = CIMultiDict({"X-Out": "o", **fields})


ANSWERED: Any = Answered()  # Any: stands in for a response


def log_one(log_format: str, seconds: float = 1.2345671, **kwargs: Any) -> None:
    asked = kwargs.get("request", made())
    answered = kwargs.get("response", ANSWERED)
    kwargs.get("cls", web.AccessLogger)(LOGGER, log_format).log(asked, answered, seconds)


# -- The format -----------------------------------------------------------------------------------

FORMATS = {
    "%a": "127.0.0.1",
    "%P": f"<{os.getpid()}>",
    "%r": "GET /p?q=1 HTTP/1.1",
    "%s %b": "418 42",
    "%T %Tf %D": "1 1.234567 1234567",
    "%Tx%Tff%ss": "1x1.234567f418s",
    "%{X-In}i %{x-in}i %{None}i": "i i -",
    "%{X-Out}o %{None}o": "o -",
    "%a %a": "127.0.0.1 127.0.0.1",
    "%q %{X-In}z %{X-In} %{}i": "%q %{X-In}z %{X-In} %{}i",
    "%d %5s %-5s %(x)s %\n": "%d %5s %-5s %(x)s %\n",
    "%{%s}i %{a b}i": "%{418}i %{a b}i",
    "text": "text",
    "": "",
}
# Where aiohttp logs an error, or takes the second sign for that of an atom.
SIGNS = {
    "%%": "%",
    "100%% %a": "100% 127.0.0.1",
    "%%a": "%a",
    "%%%a": "%127.0.0.1",
    "%%%%s": "%%s",
    "%% %q %s%": "% %q 418%",
}


@pytest.mark.parametrize("log_format", [*FORMATS, *SIGNS])
async def test_formats(log_format: str, lines: Lines) -> None:
    log_one(log_format)
    assert await lines.line() == {**FORMATS, **SIGNS}[log_format]
    assert lines.is_empty


@pytest.mark.parametrize("log_format", [*FORMATS, "%a %t %r %s %b %{User-Agent}i %{X-In}i %{X}o"])
async def test_formats_are_those_of_aiohttp(log_format: str, lines: Lines) -> None:
    """Lines and extra fields."""
    asked = SimpleNamespace(
        remote="127.0.0.1",
        method="GET",
        path_qs="/p?q=1",
        version=aiohttp.HttpVersion11,
        headers=FIELDS,
    )
    for cls in (aiohttp.web.AccessLogger, web.AccessLogger):  # type: ignore[attr-defined]  # it is there
        log_one(log_format, cls=cls, request=asked)
    theirs, ours = await lines.next(), await lines.next()
    assert mask(ours.getMessage()) == mask(theirs.getMessage())
    assert mask(repr(extra_of(ours))) == mask(repr(extra_of(theirs)))


OWN = [*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"]


def extra_of(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in OWN}


def mask(line: str) -> str:
    """Hide times, after a look at their shape."""
    return re.sub(r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]", "[TIME]", line)


@pytest.mark.parametrize("seconds", [0, 0.4, 0.5, 1.5, 2.5, 1e-7, 12345.678901234, -1])
async def test_durations_are_those_of_aiohttp(seconds: float, lines: Lines) -> None:
    for cls in (aiohttp.web.AccessLogger, web.AccessLogger):  # type: ignore[attr-defined]  # it is there
        log_one("%T %Tf %D", seconds, cls=cls)
    assert await lines.line() == await lines.line()


@pytest.mark.parametrize("name", ["LOG_FORMAT", "LOG_FORMAT_MAP", "FORMAT_RE", "CLEANUP_RE"])
def test_the_language_is_that_of_aiohttp(name: str) -> None:
    theirs = aiohttp.web.AccessLogger  # type: ignore[attr-defined]  # it is there
    assert getattr(web.AccessLogger, name) == getattr(theirs, name)


@pytest.mark.parametrize("log_format", ["%O", "%{HOME}e"])
def test_an_atom_that_nothing_fills_is_an_error_at_once(log_format: str) -> None:
    """As with aiohttp, whose documentation has ``%{}e``, and whose code has not."""
    for cls in (aiohttp.web.AccessLogger, web.AccessLogger):  # type: ignore[attr-defined]  # it is there
        with pytest.raises(KeyError):
            cls(LOGGER, log_format)


async def test_values_are_in_the_record(lines: Lines) -> None:
    log_one("%a %t %P %r %s %b %T %Tf %D %{User-Agent}i %{X-In}i %{X-Out}o")
    extra = extra_of(await lines.next())
    moment = datetime.datetime.strptime(
        extra.pop("request_start_time"), "[%d/%b/%Y:%H:%M:%S %z]"
    ).timestamp()
    assert abs(time.time() - 1.23 - moment) < PATIENCE
    assert extra == {
        "remote_address": "127.0.0.1",
        "process_id": f"<{os.getpid()}>",
        "first_request_line": "GET /p?q=1 HTTP/1.1",
        "response_status": 418,
        "response_size": 42,
        "request_time": "1",
        "request_time_frac": "1.234567",
        "request_time_micro": "1234567",
        "request_header": {"User-Agent": "me", "X-In": "i"},
        "response_header": {"X-Out": "o"},
    }


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone cannot be changed")
@pytest.mark.parametrize(
    ("now", "told"),
    [
        (1_751_364_000, "[01/Jul/2025:11:59:59 +0200]"),
        (1_735_729_200, "[01/Jan/2025:11:59:59 +0100]"),
        # The answer began in summer and ended in winter: its start is told in summer time.
        (1_761_440_400, "[26/Oct/2025:02:59:59 +0200]"),
    ],
)
async def test_the_start_is_told_in_local_time(
    now: int, told: str, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda: float(now))
            log_one("%t", 1.0)
        assert await lines.line() == told
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_without_a_request(lines: Lines) -> None:
    log_one("%a %r %s %{A}i %{B}o", request=None)
    assert await lines.line() == "- - 418 (no headers) -"


async def test_nothing_a_client_sends_breaks_the_line(lines: Lines) -> None:
    odd = "é\ttab\x1b[2J\r\n\u2028\udcff\\"
    safe = r"é\ttab\x1b[2J\r\n\u2028\udcff" + "\\"
    log_one(
        "%{X-In}i|%{X-Out}o", request=made(**{"X-In": odd}), response=Answered(**{"X-Out": odd})
    )
    record = await lines.next()
    assert record.getMessage() == f"{safe}|{safe}"
    assert extra_of(record)["request_header"] == {"X-In": safe}


async def test_an_error_in_logging_goes_no_further(lines: Lines) -> None:
    log_one("%s", response=object())
    record = await lines.next()
    assert (record.getMessage(), record.levelname) == ("Error in logging", "ERROR")
    assert record.exc_info is not None


class Disguised(web.AccessLogger):
    """Replaces and adds atoms, each in another way."""

    FORMAT_RE = re.compile(r"%(\{([A-Za-z0-9\-_]+)\}([ioe])|[atPrsbODQ]|Tf?)")
    LOG_FORMAT_MAP = {**web.AccessLogger.LOG_FORMAT_MAP, "Q": "queue", "e": "environ"}

    @staticmethod
    def _format_a(request: Any, response: Any, time: float) -> str:
        return "somebody"

    def _format_Q(self, request: Any, response: Any, time: float) -> str:
        return f"Q{time}"

    @staticmethod
    def _format_e(key: str, request: Any, response: Any, time: float) -> str:
        return key.lower()


async def test_a_subclass_replaces_and_adds_atoms(lines: Lines) -> None:
    log_one("%a %s %Q %{HOME}e", 2.0, cls=Disguised)
    record = await lines.next()
    assert record.getMessage() == "somebody 418 Q2.0 home"
    extra = extra_of(record)
    assert (extra["queue"], extra["environ"]) == ("Q2.0", {"HOME": "home"})
    log_one("%a", 2.0)
    assert await lines.line() == "127.0.0.1"


async def test_a_subclass_replaces_the_line(lines: Lines) -> None:
    """Works with aiohttp too."""

    class Line(web.AccessLogger):
        def _format_line(self, request: Any, response: Any, time: float) -> Any:
            return [("one", 1)]

    class Compiled(web.AccessLogger):
        def compile_format(self, log_format: str) -> tuple[str, list[KeyMethod]]:
            return "<%s>", [KeyMethod("two", lambda request, response, time: 2)]

    log_one("[%a]", cls=Line)
    log_one("[%a]", cls=Compiled)
    one, two = await lines.next(), await lines.next()
    assert (one.getMessage(), extra_of(one)) == ("[1]", {"one": 1})
    assert (two.getMessage(), extra_of(two)) == ("<2>", {"two": 2})


# -- The same requests on aiohttp and on bascule --------------------------------------------------

ALL = '%a %t "%r" %s %b %P %T %{User-Agent}i|%{X-Odd}i|%{X-Out}o|%{Content-Length}o|%{Location}o'


def make_app(web: Any) -> Any:
    """An application of either; heads are alike but for what is under test."""

    async def hello(request: Any) -> Any:
        return web.Response(text="hello", headers={"X-Out": "é"})

    async def boom(request: Any) -> Any:
        raise RuntimeError("boom")

    async def streamed(request: Any) -> Any:
        response = web.StreamResponse(headers={"X-Out": "s"})
        response.content_type = "text/plain"
        await response.prepare(request)
        for piece in (b"one", b"two"):
            await response.write(piece)
        return response

    async def found(request: Any) -> Any:
        raise web.HTTPFound("/hello?from=found")

    async def put_server(request: Any, response: Any) -> None:
        response.headers["Server"] = "s"

    app = web.Application()
    for handler in (hello, boom, streamed, found):
        app.router.add_route("*", f"/{handler.__name__}", handler)
    app.router.add_route("GET", "/only", hello)
    app.on_response_prepare.append(put_server)
    return app


REQUESTS = {
    "plain": request("/hello", "User-Agent: me"),
    "HEAD": request("/hello", method="HEAD"),
    "HTTP/1.0": request("/hello", version="1.0"),
    "query": request('/hello?a=%20&b="q"&%zz&c=d+e'),
    "encoded path": request("/h%1b%0a%C3%A9"),
    "absolute target": request("http://host.test/hello?x"),
    "asterisk": request("*", method="OPTIONS"),
    "404": request("/nothing"),
    "405": request("/only", method="DELETE"),
    "417": request("/hello", "Expect: tea", method="POST"),
    "500": request("/boom"),
    "500 for HEAD": request("/boom", method="HEAD"),
    "redirect": request("/found"),
    "streamed": request("/streamed"),
    "streamed over HTTP/1.0": request("/streamed", version="1.0"),
    "body": request("/hello", "Content-Length: 3", method="POST") + b"abc",
    "repeated field": request("/hello", "X-Odd: one", "X-Odd: two"),
    "empty field": request("/hello", "X-Odd:"),
    "quotes and signs": request("/hello", 'X-Odd: "a" %s %(x)s \\n \\x1b {0}'),
    "UTF-8": request("/hello", "X-Odd: é€"),
}


@asynccontextmanager
async def logging_server(web: Any, lines: Lines, log_format: str) -> AsyncIterator[int]:
    """Serve `make_app` with either server; give the port."""
    runner = web.AppRunner(make_app(web), access_log=LOGGER, access_log_format=log_format)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def line_of(web: Any, lines: Lines, data: bytes, log_format: str = ALL) -> str:
    async with logging_server(web, lines, log_format) as port:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
        try:
            await wire.send(data)
            return await lines.line()
        finally:
            await wire.close()


@pytest.mark.parametrize("name", REQUESTS)
async def test_lines_are_those_of_aiohttp(name: str, lines: Lines) -> None:
    theirs = await line_of(aiohttp.web, lines, REQUESTS[name])
    ours = await line_of(web, lines, REQUESTS[name])
    assert mask(ours) == mask(theirs)
    assert lines.is_empty


async def test_odd_bytes_are_escaped_where_aiohttp_writes_them(lines: Lines) -> None:
    data = request("/hello", "X-Odd: a\tb@").replace(b"@", b"\x80\xff")
    theirs = await line_of(aiohttp.web, lines, data, "%{X-Odd}i")
    ours = await line_of(web, lines, data, "%{X-Odd}i")
    assert (theirs, ours) == ("a\tb\udc80\udcff", r"a\tb\udc80\udcff")


# -- Every host -----------------------------------------------------------------------------------

VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")


def write(self: web.AbstractAccessLogger, request: Any, response: Any, time: float) -> None:
    assert isinstance(time, float)
    assert 0 <= time < PATIENCE
    self.logger.info("%s %s %s", request.path, response.status, VARIABLE.get())


class Custom(web.AbstractAccessLogger):
    """Writes what it sees to its logger."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        write(self, request, response, time)


class Async(web.AbstractAsyncAccessLogger):
    """Does so behind a wait."""

    async def log(
        self, request: web.BaseRequest, response: web.StreamResponse, time: float
    ) -> None:
        await asyncio.sleep(0)
        write(self, request, response, time)


class Waiting(web.AbstractAccessLogger):
    """Does so without saying it."""

    async def log(self, *args: Any) -> None:
        await asyncio.sleep(0)
        write(self, *args)


LogTo = Callable[..., Awaitable[Client]]


@pytest.fixture
def serve_logged(serve: Any) -> LogTo:
    """Serve an application on each host, with an access log."""

    async def serve_it(app: Any, cls: Any = web.AccessLogger, log_format: str = ALL) -> Client:
        options: dict[str, Any] = {
            "access_log": LOGGER,
            "access_log_class": cls,
            "access_log_format": log_format,
        }
        client: Client = await serve(app, **options)
        return client

    return serve_it


async def test_every_atom_on_every_host(lines: Lines, serve_logged: LogTo) -> None:
    atoms = "%a %t %P %r %s %b %T %Tf %D %{X-In}i %{X-Out}o %{Content-Length}o 100%%"
    client = await serve_logged(make_app(web), log_format=atoms)
    answer = await client.request("PUT", "/hello?a=b%20c", fields={"X-In": "i"})
    line = mask(await lines.line())
    match = re.fullmatch(
        rf"127\.0\.0\.1 \[TIME\] <{os.getpid()}> PUT /hello\?a=b%20c HTTP/1\.1 200 (\d+) "
        r"0 0\.\d{6} \d+ i é 5 100%",
        line,
    )
    assert match, line
    head = int(match[1]) - len(answer.body)
    assert head > 100 if client.host == "socket" else head == 0


@pytest.mark.parametrize(
    ("method", "target", "told"),
    [
        ("HEAD", "/hello", "HEAD /hello 200"),
        ("GET", "/nothing", "GET /nothing 404"),
        ("GET", "/boom", "GET /boom 500"),
        ("GET", "/streamed", "GET /streamed 200"),
    ],
)
async def test_kinds_of_answers_on_every_host(
    method: str, target: str, told: str, lines: Lines, serve_logged: LogTo
) -> None:
    client = await serve_logged(make_app(web), log_format="%r %s")
    answer = await client.request(method, target)
    line = await lines.line()
    assert line.replace(" HTTP/1.1", "") == told
    assert line.endswith(str(answer.status))


@pytest.mark.parametrize("cls", [Custom, Async, Waiting])
async def test_loggers_see_the_variables_of_the_request(
    cls: Any, lines: Lines, serve_logged: LogTo
) -> None:
    @web.middleware
    async def set_variable(request: web.Request, handler: Any) -> Any:
        VARIABLE.set(f"{VARIABLE.get()}, set for {request.path}")
        return await handler(request)

    client = await serve_logged(app_of(ok, middlewares=[set_variable]), cls)
    for path in ("/one", "/two"):
        await asyncio.create_task(client.get(path))  # else in-process hosts share our context
        assert await lines.line() == f"{path} 200 unset, set for {path}"


class Failing(Custom):
    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        raise LookupError("log")


class FailingLate(Async):
    async def log(
        self, request: web.BaseRequest, response: web.StreamResponse, time: float
    ) -> None:
        await asyncio.sleep(0)
        raise LookupError("log")


class FailingToSay(Custom):
    @property
    def enabled(self) -> bool:
        raise LookupError("enabled")


@pytest.mark.parametrize("cls", [Failing, FailingLate, FailingToSay])
async def test_a_failing_logger_harms_no_answer(
    cls: Any, serve_logged: LogTo, caplog: pytest.LogCaptureFixture
) -> None:
    """aiohttp closes the connection, since the error is not expected there."""
    client = await serve_logged(app_of(ok), cls)
    for _ in range(2):
        assert (await client.get("/")).text == "/"
    assert caplog.messages[0] == "Error in logging"
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize("host", ["socket", "asgi", "uvicorn"])
async def test_what_the_application_asks_for_comes_first(host: str, lines: Lines) -> None:
    """Under hosts it is all there is."""
    args = {"access_log": LOGGER, "access_log_class": Custom, "access_log_format": "ignored"}
    other = {} if host != "socket" else {"access_log": None, "access_log_format": "%O"}
    async with HOSTS[host](app_of(ok, handler_args=args), **other) as client:
        await client.get("/a")
        assert await lines.line() == "/a 200 unset"


@pytest.mark.parametrize("host", ["asgi", "uvicorn"])
async def test_under_hosts_there_is_no_log_but_on_demand(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bascule.access")
    app = app_of(ok, handler_args={"access_log_class": Failing, "access_log_format": "%s"})
    async with HOSTS[host](app) as client:
        await client.get("/")
    assert not [record for record in caplog.records if record.name == "bascule.access"]


async def test_a_class_that_is_no_logger_is_refused() -> None:
    text = "web.AbstractAccessLogger or bascule.web.AbstractAsyncAccessLogger, got <class 'int'>"
    with pytest.raises(TypeError, match=text):
        web.AppRunner(app_of(ok), access_log_class=int)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(TypeError, match="access_log_class must be subclass"):
        web.AppRunner(app_of(ok), access_log=None, access_log_class=5)  # type: ignore[arg-type]  # likewise
    with pytest.raises(TypeError, match="access_log_class must be subclass"):
        web.AppRunner(app_of(ok, handler_args={"access_log_class": dict}))


# -- On and off -----------------------------------------------------------------------------------


async def test_one_line_for_each_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bascule.access")
    async with serve(app_of(ok)) as served:
        answer = await served.exchange(GET + request("/%1b", "User-Agent: a\x80b"))
    assert len(caplog.messages) == 2
    assert '"GET / HTTP/1.1" 200 ' in caplog.messages[0]
    assert all(message.isprintable() for message in caplog.messages)
    sizes = [re.findall(r"\" 200 (\d+) ", message) for message in caplog.messages]
    assert sum(int(size) for (size,) in sizes) == len(answer)


class Switched(Custom):
    """Can be off; then it must not be called."""

    on = False

    @property
    def enabled(self) -> bool:
        return self.on


async def test_what_is_off_is_not_called(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(app_of(ok), access_log=LOGGER, access_log_class=Switched) as served:
        await served.exchange(request("/off"))
        monkeypatch.setattr(Switched, "on", True)
        await served.exchange(request("/on"))
    assert await lines.line() == "/on 200 unset"
    assert lines.is_empty


async def test_without_info_nothing_is_formatted(lines: Lines) -> None:
    class Formatting(web.AccessLogger):
        @staticmethod
        def _format_s(request: Any, response: Any, time: float) -> int:
            raise AssertionError("formatted")

    LOGGER.setLevel(logging.WARNING)
    options = {"access_log": LOGGER, "access_log_class": Formatting, "access_log_format": "%s"}
    async with serve(app_of(ok), **options) as served:
        assert (await served.exchange(GET)).startswith(b"HTTP/1.1 200 OK\r\n")
    assert lines.is_empty


async def test_none_makes_no_logger(caplog: pytest.LogCaptureFixture) -> None:
    class Unmade(Custom):
        def __init__(self, *args: Any) -> None:
            raise AssertionError("made")

    caplog.set_level(logging.INFO)
    async with serve(app_of(ok), access_log=None, access_log_class=Unmade) as served:
        assert (await served.exchange(GET)).startswith(b"HTTP/1.1 200 OK\r\n")
    assert not caplog.messages


# -- Clients that leave, and loggers that wait ----------------------------------------------------


async def flood(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65536)
        await asyncio.sleep(0)


async def trickle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"x")
    await asyncio.Event().wait()
    return response


@pytest.mark.parametrize(("handler", "cancellation"), [(flood, False), (trickle, True)])
async def test_a_client_that_leaves_is_told_of(
    handler: Any, cancellation: bool, lines: Lines
) -> None:
    """With the status that nginx has for it; aiohttp writes no line then."""
    options = {"access_log": LOGGER, "access_log_format": "%s %b", "shutdown_timeout": 0}
    app = app_of(handler)
    async with serve(app, handler_cancellation=cancellation, **options) as served:
        async with served.connect() as wire:
            await wire.send(GET)
            await wire.read_head()
            wire.writer.transport.abort()
        status, size = (await lines.line()).split()
    assert status == "499"
    assert int(size) > 100


@pytest.mark.parametrize("ended", [False, True])
async def test_an_error_behind_the_head_is_told_with_what_was_sent(
    ended: bool, lines: Lines
) -> None:
    async def late(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "3"})
        await response.prepare(request)
        await response.write(b"one" if ended else b"o")
        if ended:
            await response.write_eof()
        raise RuntimeError("late")

    options = {"access_log": LOGGER, "access_log_format": "%s %b"}
    async with serve(app_of(late), **options) as served:
        answer = await served.exchange(GET)
    assert await lines.line() == f"500 {len(answer)}"


@asynccontextmanager
async def serve_held(**options: Any) -> AsyncIterator[tuple[Served, asyncio.Event, asyncio.Event]]:
    """Serve with a logger that says when it was begun, and waits to be let go."""
    begun, go = asyncio.Event(), asyncio.Event()

    class Held(web.AbstractAsyncAccessLogger):
        async def log(self, *args: Any) -> None:
            begun.set()
            try:
                await go.wait()
            except asyncio.CancelledError:
                self.logger.info("cancelled")
                raise
            self.logger.info("let go")

    async with serve(app_of(ok), access_log=LOGGER, access_log_class=Held, **options) as served:
        yield served, begun, go


async def test_an_answer_does_not_wait_for_its_logger(lines: Lines) -> None:
    async with serve_held() as (served, begun, go), served.connect() as wire:
        await wire.send(GET)
        assert (await wire.read_answer())[2] == b"/"
        await begun.wait()
        assert lines.is_empty
        go.set()
        assert await lines.line() == "let go"


async def test_a_client_that_leaves_does_not_cancel_a_logger(lines: Lines) -> None:
    """It has the whole answer; only handlers are cancelled."""
    async with serve_held(handler_cancellation=True) as (served, begun, go):
        async with served.connect() as wire:
            await wire.send(GET)
            await wire.read_answer()
            await begun.wait()
            connection = await served.alone()
            wire.writer.transport.abort()
        async with asyncio.timeout(PATIENCE):
            while connection.phase is Phase.TURN and not connection._half_closed:
                await asyncio.sleep(0)
        go.set()
        assert await lines.line() == "let go"


async def test_a_server_that_ends_cancels_a_logger(lines: Lines) -> None:
    async with serve_held(shutdown_timeout=0) as (served, begun, _), served.connect() as wire:
        await wire.send(GET)
        await begun.wait()
        await served.runner.cleanup()
        assert await lines.line() == "cancelled"
    assert lines.is_empty


# -- Applications of others -----------------------------------------------------------------------


@pytest.mark.parametrize("cls", [Custom, Async])
async def test_hosted_applications_have_every_logger(cls: Any, lines: Lines) -> None:
    async def hosted(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "no lifespan here"
        VARIABLE.set("set by the application")
        await send({"type": "http.response.start", "status": 201})
        await send({"type": "http.response.body", "body": b"abc"})

    async with serve(hosted, access_log=LOGGER, access_log_class=cls) as served:
        await served.exchange(request("/p"))
    assert await lines.line() == "/p 201 set by the application"


async def test_a_failing_logger_harms_no_hosted_application(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hosted(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "no lifespan here"
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    async with serve(hosted, access_log_class=Failing) as served:
        assert (await served.exchange(GET * 2)).count(b"HTTP/1.1 204 ") == 2
    assert caplog.messages == ["Error in logging"] * 2


# -- JSON -----------------------------------------------------------------------------------------


def to_json(message: object = "m", *args: Any, **kwargs: Any) -> Any:
    """Format one record, and read it as a strict reader does."""
    record = LOGGER.makeRecord("n", logging.INFO, "file", 1, message, args, None, **kwargs)
    return read(web.JSONFormatter().format(record))


def read(line: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert line.isascii()
    assert line.isprintable()
    return json.loads(line, parse_constant=refuse)


async def test_the_access_log_in_json(lines: Lines) -> None:
    lines.setFormatter(web.JSONFormatter())
    log_one("%a %s %{X-In}i %{X-Out}o")
    record = await lines.next()
    record.created = 1_751_364_000.25
    assert json.loads(lines.format(record)) == {
        "time": "2025-07-01T10:00:00.250Z",
        "level": "INFO",
        "logger": "test.access",
        "message": "127.0.0.1 418 i o",
        "remote_address": "127.0.0.1",
        "response_status": 418,
        "request_header": {"X-In": "i"},
        "response_header": {"X-Out": "o"},
    }


def test_exceptions_and_stacks_in_json() -> None:
    try:
        raise LookupError("what\nwas")
    except LookupError as exc:
        record = logging.makeLogRecord(
            {"exc_info": (LookupError, exc, exc.__traceback__), "stack_info": "Stack:\n  here"}
        )
    told = read(web.JSONFormatter().format(record))
    assert told["exception"].startswith("Traceback (most recent call last):\n")
    assert told["exception"].endswith("LookupError: what\nwas")
    assert told["stack"] == "Stack:\n  here"


class Unspeakable:
    def __repr__(self) -> str:
        raise LookupError("repr")


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 0


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, None),
        (True, True),
        (2**64 - 1, 2**64 - 1),
        (2**64, "18446744073709551616"),
        (10**5000, "<int without a repr>"),
        (0.1, 0.1),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ("a\n\x1b€\ud800", "a\n\x1b€\\ud800"),
        (b"b\x00", "b'b\\x00'"),
        ((1, {2}), [1, [2]]),
        (CIMultiDict([("A", "1"), ("a", "2")]), {"A": "1", "a": "2"}),
        ({1: 2, "1": 3, None: 4}, {"1": 2, "1_": 3, "None": 4}),
        (datetime.date(2025, 7, 1), "datetime.date(2025, 7, 1)"),
        (nested(7), [[[[[["[0]"]]]]]]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_in_json(value: Any, told: Any) -> None:
    assert to_json(extra={"value": value})["value"] == told


def test_what_has_no_repr_and_no_end_in_json() -> None:
    told = to_json(extra={"value": Unspeakable(), "loop": LOOP, "long": b"x" * 10**6})
    assert "Unspeakable" in told["value"]
    assert len(json.dumps(told)) < 2000


def test_extra_fields_never_hide_those_of_the_record() -> None:
    told = to_json(extra={"level": 1, "level_": 2, "exception": 3, "stack": 4, "taskname": 5})
    assert (told["level"], told["level_"], told["level__"]) == ("INFO", 1, 2)
    assert (told["exception"], told["stack"], told["taskname"]) == (3, 4, 5)


def test_arguments_that_do_not_fit_the_message() -> None:
    assert to_json("%d %s", "x")["message"] == "'%d %s' % ('x',)"
    assert to_json(Unspeakable())["message"].startswith("<")


PLAIN = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(st.characters(codec="utf-8"))
)
ODD = st.one_of(
    PLAIN,
    st.floats(),
    st.integers(),
    st.binary(),
    st.text(),
    st.complex_numbers(),
    st.builds(object),
    st.builds(Unspeakable),
    st.just(LOOP),
    st.builds(partial, st.just(int)),
)
VALUES = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.none() | st.binary(), inner)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.text(), st.dictionaries(st.text().filter(lambda name: name not in OWN), VALUES))
def test_any_record_is_one_line_of_json(message: str, extra: dict[str, Any]) -> None:
    told = to_json(message, extra=extra)
    assert list(told)[:4] == ["time", "level", "logger", "message"]
    assert len(told) == 4 + len(extra)


@settings(deadline=None)
@given(st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3), max_leaves=5))
def test_plain_values_are_themselves_in_json(value: Any) -> None:
    depth, inner = 0, value
    while isinstance(inner, list) and inner:
        depth, inner = depth + 1, inner[0]
    if depth <= 3:
        assert to_json(extra={"value": value})["value"] == value
