"""How many calls a request costs: a guard of its speed that no busy machine can upset.

Counted are the calls of functions, Python's and C's, of one request on each of the main roads;
asyncio's own and those of this program are left out. A count that has grown by more than the margin
fails. Where that is meant, or a count has become smaller, write the table anew:

    python tests/test_call_counts.py --update
"""

import asyncio
import importlib
import io
import json
import logging
import re
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

# Calls per request, as counted on the Python below.
BOUNDS: dict[str, int] = {
    "plaintext": 60,
    "12 headers": 60,
    "12 headers, all and the URL touched": 145,
    "JSON": 68,
    "dynamic route": 74,
    "POST of 1 KB": 77,
    "3 streamed chunks": 226,
    "HTTP/1.0, by h11": 194,
    "5 middlewares, signal and access log": 210,
    "WebSocket echo": 40,
    "host of an ASGI function": 118,
    "guest of an ASGI host": 47,
}
PYTHON = (3, 11)
# What a count may be larger than its bound: dependencies of other versions call a little more.
MARGIN = 0.05
_TIMES = 15

Ask = Callable[[], Awaitable[None]]
Road = Callable[[], "AsyncIterator[Ask]"]
_ROADS: dict[str, Road] = {}


def _road(name: str) -> Callable[[Road], Road]:
    """Name a road: an asynchronous generator which gives a function that makes one request."""

    def add(road: Road) -> Road:
        _ROADS[name] = road
        return road

    return add


class _Counter:
    """Counts calls while it is installed as the profile function of this thread."""

    def __init__(self) -> None:
        self.count = 0
        self._counted: dict[CodeType, bool] = {}

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        if event == "c_call":
            self.count += self._is_counted(frame)
        elif event == "call":
            caller = frame.f_back
            # A function of asyncio counts if it is called from outside of asyncio.
            self.count += self._is_counted(frame) or (
                caller is not None and self._is_counted(caller)
            )

    def _is_counted(self, frame: FrameType) -> bool:
        code = frame.f_code
        if code not in self._counted:
            self._counted[code] = _is_product(code.co_filename)
        return self._counted[code]


_ASYNCIO = str(Path(asyncio.__file__).parent)


def _is_product(name: str) -> bool:
    """Tell whether it is neither the loop nor the harness."""
    return not name.startswith((_ASYNCIO, __file__, "<frozen")) and "selectors" not in name


async def count_calls(name: str) -> float:
    """Give the calls of one request on a road: the median of some, behind a few to warm up."""
    counts = []
    asyncio.get_running_loop().set_debug(False)  # which has tasks remember where they come from
    async with asynccontextmanager(_ROADS[name])() as ask:
        for _ in range(5):
            await ask()
        for _ in range(_TIMES):
            counter = _Counter()
            sys.setprofile(counter)
            try:
                await ask()
            finally:
                sys.setprofile(None)
            counts.append(counter.count)
    return statistics.median(counts)


class _Transport(asyncio.Transport):
    """Takes what a server writes."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closing = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 50000) if name in ("peername", "sockname") else default

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def close(self) -> None:
        self.closing = True

    abort = close


@asynccontextmanager
async def _connect(app: Any, **options: Any) -> AsyncIterator[tuple[Any, _Transport]]:
    """Give a connection of bascule's own server, and where it writes."""
    from bascule import web

    runner = web.AppRunner(app, **{"access_log": None, **options})
    await runner.setup()
    assert runner.server is not None
    protocol, transport = runner.server(), _Transport()
    protocol.connection_made(transport)
    try:
        yield protocol, transport
    finally:
        protocol.connection_lost(None)
        await runner.cleanup()


async def _exchange(protocol: Any, transport: _Transport, data: bytes, end: bytes) -> None:
    """Send some bytes, and wait until the answer has come, by its last ones."""
    transport.written.clear()
    protocol.data_received(data)
    for _ in range(1000):
        if transport.written and transport.written[-1].endswith(end):
            return
        await asyncio.sleep(0)
    raise AssertionError(f"the answer does not end with {end!r}: {transport.written!r}")


async def _serve(
    app: Any, request: bytes, end: bytes = b"Hello, world!", **options: Any
) -> AsyncIterator[Ask]:
    async with _connect(app, **options) as (protocol, transport):

        async def ask() -> None:
            await _exchange(protocol, transport, request, end)
            assert transport.written[0].startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))

        yield ask
        assert not transport.closing


def _make_app(**options: Any) -> Any:
    from bascule import web

    app = web.Application(**options)

    async def plaintext(request: web.Request) -> web.Response:
        return web.Response(text="Hello, world!")

    async def give_json(request: web.Request) -> web.Response:
        return web.json_response({"message": "Hello, world!", "number": 42})

    async def item(request: web.Request) -> web.Response:
        return web.Response(text=request.match_info["id"])

    async def post(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    async def touch(request: web.Request) -> web.Response:
        text = f"{request.url.query['n']} {len(list(request.headers.items()))}"
        return web.Response(text=text, headers={"X-Path": request.path})

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(3):
            await response.write(b"x" * 1024)
        await response.write_eof()
        return response

    async def echo(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    app.router.add_get("/", plaintext)
    app.router.add_get("/json", give_json)
    app.router.add_get("/items/{id}", item)
    app.router.add_post("/post", post)
    app.router.add_get("/touch", touch)
    app.router.add_get("/stream", stream)
    app.router.add_get("/ws", echo)
    return app


def _get(target: str, fields: str = "", *, version: str = "1.1") -> bytes:
    return f"GET {target} HTTP/{version}\r\nHost: localhost\r\n{fields}\r\n".encode()


_FIELDS = "".join(f"X-Field-{number}: value {number}\r\n" for number in range(11))


@_road("plaintext")
async def _plaintext() -> AsyncIterator[Ask]:
    async for ask in _serve(_make_app(), _get("/")):
        yield ask


@_road("12 headers")
async def _headers() -> AsyncIterator[Ask]:
    async for ask in _serve(_make_app(), _get("/", _FIELDS)):
        yield ask


@_road("12 headers, all and the URL touched")
async def _touched() -> AsyncIterator[Ask]:
    async for ask in _serve(_make_app(), _get("/touch?n=1", _FIELDS), b"\r\n\r\n1 12"):
        yield ask


@_road("JSON")
async def _json() -> AsyncIterator[Ask]:
    async for ask in _serve(_make_app(), _get("/json"), b'"number": 42}'):
        yield ask


@_road("dynamic route")
async def _dynamic() -> AsyncIterator[Ask]:
    async for ask in _serve(_make_app(), _get("/items/4711"), b"\r\n\r\n4711"):
        yield ask


@_road("POST of 1 KB")
async def _post() -> AsyncIterator[Ask]:
    head = b"POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1024\r\n\r\n"
    async for ask in _serve(_make_app(), head + bytes(1024), b"\r\n\r\n1024"):
        yield ask


@_road("3 streamed chunks")
async def _stream() -> AsyncIterator[Ask]:
    async for ask in _serve(_make_app(), _get("/stream"), b"0\r\n\r\n"):
        yield ask


@_road("HTTP/1.0, by h11")
async def _old() -> AsyncIterator[Ask]:
    request = _get("/", "Connection: keep-alive\r\n", version="1.0")
    async for ask in _serve(_make_app(), request):
        yield ask


@_road("5 middlewares, signal and access log")
async def _full() -> AsyncIterator[Ask]:
    from bascule import web

    def make_middleware(number: int) -> Any:
        key = web.RequestKey(f"seen{number}", bool)

        @web.middleware
        async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
            request[key] = True
            response: web.StreamResponse = await handler(request)
            return response

        return middleware

    async def sign(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Signed"] = "yes"

    app = _make_app(middlewares=[make_middleware(number) for number in range(5)])
    app.on_response_prepare.append(sign)
    logger = logging.Logger("access", logging.INFO)
    logger.addHandler(logging.StreamHandler(io.StringIO()))
    async for ask in _serve(app, _get("/"), access_log=logger):
        yield ask


@_road("WebSocket echo")
async def _echo() -> AsyncIterator[Ask]:
    fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    fields += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    # "a message", masked with a key of zeros.
    frame = b"\x81\x89" + bytes(4) + b"a message"
    async with _connect(_make_app()) as (protocol, transport):
        await _exchange(protocol, transport, _get("/ws", fields), b"\r\n\r\n")

        async def ask() -> None:
            await _exchange(protocol, transport, frame, b"\x81\x09a message")

        yield ask


async def _hosted(scope: Any, receive: Any, send: Any) -> None:
    """Be an ASGI application of one function."""
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    fields = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"Hello, world!"})


@_road("host of an ASGI function")
async def _host() -> AsyncIterator[Ask]:
    async for ask in _serve(_hosted, _get("/", _FIELDS)):
        yield ask


@_road("guest of an ASGI host")
async def _guest() -> AsyncIterator[Ask]:
    sent: list[dict[str, Any]] = []
    fields = [(b"host", b"localhost")]
    fields += [(b"x-field-%d" % number, b"value") for number in range(11)]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    app = _make_app()
    async with app:

        async def ask() -> None:
            sent.clear()
            await app(_make_scope(fields), receive, send)
            assert sent[0]["status"] == 200
            assert b"".join(each.get("body", b"") for each in sent[1:]) == b"Hello, world!"

        yield ask


def _make_scope(fields: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": fields,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }


@pytest.fixture(scope="module")
def counts() -> dict[str, float]:
    """Count in a process of its own: what is remembered of names and types is bounded, and other
    tests fill it with theirs."""
    command = [sys.executable, __file__, "--json"]
    counted: dict[str, float] = json.loads(subprocess.check_output(command))
    return counted


@pytest.mark.skipif(
    sys.version_info[:2] != PYTHON
    or sys.implementation.name != "cpython"
    or sys.flags.dev_mode,  # in which objects look at what is set on them
    reason="calls are counted as CPython 3.11 makes them, not in its development mode",
)
@pytest.mark.parametrize("name", _ROADS)
def test_a_request_costs_no_more_calls_than_it_did(name: str, counts: dict[str, float]) -> None:
    """What is added to the road of every request shows here, however fast the machine is."""
    count, bound = counts[name], BOUNDS[name]
    assert count <= bound * (1 + MARGIN), (
        f"{name}: {count:g} calls instead of {bound}; if that is meant, run "
        "`python tests/test_call_counts.py --update`"
    )


def test_each_road_has_a_bound() -> None:
    assert BOUNDS.keys() == _ROADS.keys()


async def _count_all() -> dict[str, int]:
    return {name: round(await asyncio.create_task(count_calls(name))) for name in _ROADS}


def main() -> None:
    """Show what is counted beside the bounds; `--update` makes bounds of it."""
    if sys.version_info[:2] != PYTHON:
        sys.exit(f"The bounds are those of Python {'.'.join(map(str, PYTHON))}")
    counts = asyncio.run(_count_all())
    if "--json" in sys.argv[1:]:
        print(json.dumps(counts))  # noqa: T201
        return
    print(importlib.import_module("bascule").__file__)  # noqa: T201
    for name, count in counts.items():
        print(f"{name:40} {count:5} (bound {BOUNDS.get(name, 'none')})")  # noqa: T201
    if "--update" in sys.argv[1:]:
        _write(counts)


def _write(counts: dict[str, int]) -> None:
    path = Path(__file__)
    lines = "".join(f"    {json.dumps(name)}: {count},\n" for name, count in counts.items())
    table = f"BOUNDS: dict[str, int] = {{\n{lines}}}\n"
    pattern = re.compile(r"^BOUNDS: .*?^}\n", re.MULTILINE | re.DOTALL)
    path.write_text(pattern.sub(lambda _: table, path.read_text(), count=1))


if __name__ == "__main__":
    main()
