"""Each bound and each clock of a connection: that it is a keyword, a flag, and holds."""

import asyncio
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

from bascule import serve as serve_block
from bascule import web
from bascule.app.limit_flags import FLAGS
from bascule.cli import main
from bascule.server.options import ConnectionOptions
from bascule.server.rates import BodyRate
from bascule.wire.head import HeadLimits
from support.frames import BINARY, CLOSE, frame
from support.programs import program
from support.requests import GET, app_of, ok, read_back, request
from support.wire import PATIENCE, Wire, serve

OPTIONS = {
    one.name: one.default
    for one in (*dataclasses.fields(ConnectionOptions), *dataclasses.fields(HeadLimits))
    if one.name != "limits"
}
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


async def until(condition: Any) -> Any:
    async with asyncio.timeout(PATIENCE):
        while not (found := condition()):
            await asyncio.sleep(0)
    return found


class Clock:
    """The clock of a server, driven by hand."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._time = server.now()
        server.now = lambda: self._time

    def wait(self, seconds: float) -> None:
        """Let time pass, and the sweeper look."""
        self._time += seconds
        self._server.sweep(self._time)


# -- keywords


BAD_SECONDS = [-1, math.nan, True, None, "1", [1]]
BAD_COUNTS = [-1, True, 1.5, math.nan, "1", [1]]
FROM_ZERO = {"keepalive_timeout", "lingering_time", "farewell_time", "body_rate_grace"}
COUNTS_FROM_ZERO = {"lingering_size", "max_read_ahead", "log_rate", "max_chunk_extensions"}
OPTIONAL = {"min_body_rate", "keepalive_requests", "limit_connections"}
NO_NUMBERS = {"tcp_keepalive", "server_header", "ws_window_bits", "ws_memory_level"}


def make_bad_values() -> list[tuple[str, Any]]:
    """Pair each option that is a number with what it cannot be."""
    rows: list[tuple[str, Any]] = []
    for name, default in OPTIONS.items():
        if name in NO_NUMBERS:
            continue
        if isinstance(default, float):
            values = BAD_SECONDS + ([] if name in FROM_ZERO else [0])
        else:
            values = BAD_COUNTS + ([] if name in COUNTS_FROM_ZERO else [0])
            values += [] if name in OPTIONAL else [None]
        rows += [(name, value) for value in values]
    return rows


@pytest.mark.parametrize(("name", "value"), make_bad_values())
async def test_values_without_sense_are_refused_at_set_up(name: str, value: Any) -> None:
    runner = web.AppRunner(web.Application(), **{name: value})
    with pytest.raises((TypeError, ValueError), match=f"^{name} should be .*, got "):
        await runner.setup()
    await runner.cleanup()


@pytest.mark.parametrize("value", ["x\r\nX: y", "x\ny", "\0"])
async def test_a_server_header_that_is_none_is_refused_at_set_up(value: str) -> None:
    runner = web.AppRunner(web.Application(), server_header=value)
    with pytest.raises(ValueError, match="Control character in the header field 'Server'"):
        await runner.setup()
    await runner.cleanup()


@pytest.mark.parametrize("name", OPTIONS)
async def test_each_option_is_a_keyword(name: str) -> None:
    """Of runners, of `serve` and of bare servers; the smallest and the endless make sense."""
    values = [OPTIONS[name]]
    if isinstance(values[0], float):
        values += [0 if name in FROM_ZERO else 0.001, math.inf]
    elif name in COUNTS_FROM_ZERO:
        values.append(0)
    elif name in OPTIONAL:
        values += [None, 1]
    for value in values:
        kind = HeadLimits if hasattr(HeadLimits(), name) else ConnectionOptions
        assert getattr(kind(**{name: value}), name) == value
        runner = serve_block(web.Application(), **{name: value}).runner
        await runner.setup()
        for options in (runner.server.options, web.Server(ok, **{name: value}).options):
            found = getattr(options.limits if kind is HeadLimits else options, name)
            assert found == value
        await runner.cleanup()


# -- flags


def test_each_option_has_a_flag_that_help_tells_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert {flag.option for flag in FLAGS} == set(OPTIONS)
    for flag in FLAGS:
        place = told.index(f"\n  {flag.flags[0]} ") if flag.metavar else told.index(flag.flags[0])
        for name in flag.flags:
            assert name in told[place : place + 90]
        if flag.metavar:
            assert "(default: " in " ".join(told[place:].split()[:60])
    for name in ("--timeout-keep-alive", "--limit-concurrency", "--h11-max-incomplete-event-size"):
        assert name in told  # uvicorn's
    assert "--backlog COUNT" in told


SHOWN = """
import json
from bascule import web

async def show(request):
    options = request.protocol._manager.options
    return web.json_response({name: getattr(options, name) for name in %r}
        | {name: getattr(options.limits, name) for name in %r})

app = web.Application()
app.router.add_get("/", show)
"""


async def test_flags_set_the_options(tmp_path: Path) -> None:
    limits = {one.name for one in dataclasses.fields(HeadLimits)}
    (tmp_path / "shown.py").write_text(SHOWN % (sorted(set(OPTIONS) - limits), sorted(limits)))
    wanted: dict[str, Any] = {}
    arguments = ["shown:app", "--port", "0", "--backlog", "7"]
    for number, flag in enumerate(FLAGS):
        value: Any = 9 if flag.option.startswith("ws_") else 5000 + number
        if flag.option == "http":
            value = "h11"
        wanted[flag.option] = value if flag.metavar else flag.off
        arguments += [flag.flags[-1], *([str(value)] if flag.metavar else [])]
    async with program("-m", "bascule", *arguments, cwd=tmp_path) as running:
        port = int((await running.url()).rpartition(":")[2])
        wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
        await wire.send(GET)
        assert json.loads((await wire.read_answer())[2]) == wanted
        await wire.close()
        assert await running.end(15) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--head-timeout", "0"], "head_timeout should be a number of seconds above 0, got 0.0"),
        (["--send-timeout", "nan"], "above 0, got nan"),
        (["--timeout-keep-alive", "soon"], "0 or more, got 'soon'"),
        (["--limit-concurrency", "0"], "an int of at least 1 or 'auto' or None, got 0"),
        (["--max-headers", "none"], "an int of at least 1, got 'none'"),
        (["--ws-window-bits", "8"], "ws_window_bits should be 9 to 15, got 8"),
        (["--backlog", "0"], "'0' is no number of connections"),
        (["--backlog", "4294967296"], "'4294967296' is no number of connections"),
    ],
)
def test_flags_refuse_values(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["module:app", *arguments])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert message in told
    assert arguments[0] in told
    assert told.count("\n") == 2


# -- clocks


async def test_a_dripped_head_ends_with_its_clock() -> None:
    """A byte each second does not make the whole head longer than its time."""
    async with serve(app_of(ok), head_timeout=15) as served, served.connect() as wire:
        await wire.send(b"G")
        connection = await served.alone()
        await until(lambda: connection._reader)
        clock = Clock(served.runner.server)
        for byte in GET[1:15]:
            before = len(connection._reader._buffer)
            await wire.send(bytes([byte]))
            await until(lambda before=before: len(connection._reader._buffer) > before)
            clock.wait(1)
        clock.wait(2)
        assert (await wire.read_all()).startswith(b"HTTP/1.1 408 ")


async def drip(wire: Wire, connection: Any, clock: Clock, count: int) -> int:
    """Send so many bytes of a body, each 59 seconds behind the one before; give those taken."""
    await until(lambda: connection._cycle is not None)
    for number in range(count):
        await until(lambda: connection._cycle is None or connection._cycle.body.is_waiting)
        clock.wait(59)
        if connection._cycle is None or not connection._cycle.body.is_waiting:
            return number
        before = connection._cycle.body.total_bytes
        await wire.send(b"a")
        await until(
            lambda before=before: (
                connection._cycle is None or connection._cycle.body.total_bytes > before
            )
        )
    return count


@pytest.mark.parametrize(("rate", "taken"), [(None, 20), (240, 0)])
async def test_a_dripped_body_is_bounded_by_a_rate(rate: int | None, taken: int) -> None:
    """Each of its bytes comes in time; only the rate that is asked for ends it."""
    head = request("/", "Content-Length: 20", method="POST")
    async with serve(app_of(read_back), min_body_rate=rate) as served, served.connect() as wire:
        await wire.send(head)
        connection = await served.alone()
        clock = Clock(served.runner.server)
        assert await drip(wire, connection, clock, 20) == taken
        if taken == 20:
            assert (await wire.read_answer())[2] == b"a" * 20
        else:
            assert (await wire.read_all()).startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_keeps_to_its_rate_is_read() -> None:
    async with serve(app_of(read_back), min_body_rate=5) as served, served.connect() as wire:
        await wire.send(request("/", "Content-Length: 250", method="POST"))
        connection = await served.alone()
        clock = Clock(served.runner.server)
        for number in range(5):
            body = await until(lambda: connection._cycle and connection._cycle.body)
            await until(lambda body=body: body.is_waiting)
            clock.wait(4)
            await wire.send(b"a" * 50)
            await until(lambda body=body, count=50 * number: body.total_bytes > count)
        assert (await wire.read_answer())[2] == b"a" * 250


async def test_a_body_rate_does_not_count_what_a_handler_computes() -> None:
    go_on = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        first = await request.content.readexactly(1)
        await go_on.wait()
        return web.Response(body=first + await request.content.read())

    app = app_of(handler)
    async with serve(app, min_body_rate=100) as served, served.connect() as wire:
        connection = await served.alone()
        for _ in range(2):
            go_on.clear()
            await wire.send(request("/", "Content-Length: 3", method="POST") + b"a")
            clock = Clock(served.runner.server)
            await until(lambda: connection._cycle and connection._cycle.body.total_bytes == 1)
            clock.wait(10_000)
            go_on.set()
            await until(lambda: connection._cycle.body.is_waiting)
            clock.wait(4)
            await wire.send(b"bc")
            assert (await wire.read_answer())[2] == b"abc"


def test_a_rate_is_measured_while_somebody_waits() -> None:
    rate = BodyRate(10, 5)
    assert not rate.is_too_low(100)
    rate.begin_wait(100)
    rate.begin_wait(104)  # it waits already
    assert not rate.is_too_low(105)
    assert rate.is_too_low(105.1)
    rate.add(52, 105.1)
    assert not rate.is_too_low(1000)
    rate.begin_wait(1000)
    assert not rate.is_too_low(1000.05)
    assert rate.is_too_low(1000.2)


@pytest.mark.parametrize("seconds", [0.5, 7])
async def test_a_peer_has_its_time_to_read_the_last_answer(seconds: float) -> None:
    async with (
        serve(app_of(ok), farewell_time=seconds) as served,
        served.connect() as wire,
    ):
        await wire.send(b"bad request\r\n\r\n" + bytes(200_000))
        assert (await wire.read_all()).startswith(b"HTTP/1.1 400 ")
        connection = await served.alone()
        clock = Clock(served.runner.server)
        clock.wait(seconds - 0.1)
        await asyncio.sleep(0)
        assert connection.phase.name == "FAREWELL"
        clock.wait(0.2)
        await until(lambda: connection.phase.name == "LOST")


async def test_no_clock_runs_while_a_websocket_is_open() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_bytes(message.data)
        return ws

    async with serve(app_of(handler)) as served, served.connect() as wire:
        await wire.send(UPGRADE)
        await wire.read_head()
        clock = Clock(served.runner.server)
        for _ in range(3):
            clock.wait(100_000)
        await wire.send(frame(BINARY, b"here"))
        assert await wire.reader.readexactly(6) == b"\x82\x04here"


async def test_time_limits_of_infinity_switch_clocks_off() -> None:
    names = [name for name, value in OPTIONS.items() if isinstance(value, float)]
    async with (
        serve(app_of(read_back), **dict.fromkeys(names, math.inf)) as served,
        served.connect() as wire,
    ):
        connection = await served.alone()
        clock = Clock(served.runner.server)
        clock.wait(10**9)
        await wire.send(GET + request("/", "Content-Length: 2", method="POST")[:-2])
        await wire.read_answer()
        await until(lambda: connection._reader)
        clock.wait(10**9)
        await wire.send(b"\r\na")
        await until(lambda: connection._cycle and connection._cycle.body.is_waiting)
        clock.wait(10**9)
        await wire.send(b"b")
        assert (await wire.read_answer())[2] == b"ab"


# -- counts and sizes


async def test_a_connection_serves_so_many_requests() -> None:
    async with serve(app_of(ok), keepalive_requests=3) as served, served.connect() as wire:
        await wire.send(GET * 5)
        for number in range(3):
            _, fields, _ = await wire.read_answer()
            assert fields.get(b"connection") == (b"close" if number == 2 else None)
        assert await wire.read_all() == b""
        assert served.runner.server.requests_count == 3  # type: ignore[union-attr]
    async with serve(app_of(ok), keepalive_requests=1) as served, served.connect() as wire:
        await wire.send(GET * 2)
        assert (await wire.read_all()).count(b"HTTP/1.1 200 OK") == 1


@pytest.mark.parametrize(
    ("options", "sent", "status"),
    [
        ({}, b"1" + b";a=b" * 60 + b"\r\na\r\n0\r\n\r\n", 200),
        ({}, b"1" + b";a=b" * 64 + b"\r\na\r\n0\r\n\r\n", 400),
        ({"max_chunk_line": 8}, b"1;a=bcd\r\na\r\n0\r\n\r\n", 200),
        ({"max_chunk_line": 8}, b"1;a=bcdef\r\na\r\n0\r\n\r\n", 400),
        ({"max_chunk_extensions": 4}, b"1;a=b\r\na\r\n1;a=b\r\na\r\n0\r\n\r\n", 400),
        ({"max_chunk_extensions": 4}, b"4;a=b\r\naaaa\r\n4;a=b\r\naaaa\r\n0\r\n\r\n", 200),
        ({"max_chunk_extensions": 0}, b"1;a\r\na\r\n0\r\n\r\n", 400),
        ({"max_chunk_extensions": 0}, b"1\r\na\r\n0\r\n\r\n", 200),
        ({"max_line_size": 10}, None, 414),
        ({"max_line_size": 16}, None, 200),
        ({"max_field_size": 6}, None, 431),
        ({"max_headers": 1}, None, 431),
        ({"max_headers": 2}, None, 200),
        ({"max_head_size": 30}, None, 431),
    ],
)
async def test_sizes_of_heads_and_chunk_lines(
    options: dict[str, int], sent: bytes | None, status: int
) -> None:
    if sent is None:
        data = request("/1", "Accept: *")
    else:
        data = request("/", "Transfer-Encoding: chunked", method="POST") + sent
    async with serve(app_of(read_back), **options) as served, served.connect() as wire:
        await wire.send(data)
        first, _ = await wire.read_head()
        assert int(first.split()[1]) == status


@pytest.mark.parametrize("size", [0, 10_000])
async def test_bytes_of_further_requests_pause_reading(size: int) -> None:
    go_on = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await go_on.wait()
        return web.Response()

    async with serve(app_of(handler), max_read_ahead=size) as served, served.connect() as wire:
        await wire.send(GET)
        connection = await served.alone()
        await until(lambda: connection.task)
        await wire.send(b"G" * size)
        await until(lambda: len(connection._ahead) == size)
        assert connection.is_reading
        await wire.send(b"G")
        await until(lambda: not connection.is_reading)
        go_on.set()


@pytest.mark.parametrize(("limit", "closes"), [(5, True), (20, False)])
async def test_fragments_of_a_message(limit: int, closes: bool) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_bytes(message.data)
        return ws

    async with serve(app_of(handler), ws_max_fragments=limit) as served, served.connect() as wire:
        await wire.send(UPGRADE)
        await wire.read_head()
        pieces = [frame(BINARY, b"a", fin=False), *[frame(0, b"b", fin=False)] * 8, frame(0, b"c")]
        await wire.send(b"".join(pieces))
        first = (await wire.reader.readexactly(1))[0] & 0x0F
        assert first == (CLOSE if closes else BINARY)
