"""What the servers are asked: the requests of each workload, and the bodies that must come back."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from .bodies import CHUNK, CHUNKS, GREETING, LARGE

__all__ = [
    "FILE_SIZE",
    "IDLE",
    "ROUTES",
    "WORKLOADS",
    "Exchange",
    "Socket",
    "Upload",
    "Workload",
]

KIB, MIB = 2**10, 2**20
FILE_SIZE = MIB
# Routes of the application, each /routeN/{id}; asked for is the one in the middle.
ROUTES = 1000
# Connections that are held open to see what each takes.
IDLE = 2000
# Different heads of a workload: more than any memory of heads that a server may have would hold.
_VARIETY = 4096


@dataclass(frozen=True)
class Exchange:
    """A request in bytes, and the body of its answer; None if only JSON's meaning counts."""

    request: bytes
    body: bytes | None


@dataclass(frozen=True)
class Upload:
    """A body in equal pieces, between a head and an end; answered by its size in digits."""

    head: bytes
    piece: bytes
    times: int
    end: bytes
    answer: bytes


@dataclass(frozen=True)
class Socket:
    """A message that is echoed over a WebSocket."""

    data: bytes
    deflate: bool = False


@dataclass(frozen=True)
class Workload:
    """One row of the comparison.

    Attributes:
        title: what the table says.
        asks: what is sent.
        kind: how: `kept` (connections that stay open), `close`, `upload`, `socket`, `idle`
            (connections that are opened and held) or `startup`.
        unit: of the figure.
        connections: at once.
        variant: of the server: `tls`, or `full` (middlewares, signal, access log).
        only: names of the servers it makes sense for; all if empty.
    """

    title: str
    asks: Sequence[Exchange] | Upload | Socket
    kind: str = "kept"
    unit: str = "µs"
    connections: int = 64
    variant: str = ""
    only: Sequence[str] = field(default=())


def _get(target: str, fields: str = "", *, version: str = "1.1") -> bytes:
    return f"GET {target} HTTP/{version}\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode()


def _post(target: str, body: bytes, fields: str = "") -> bytes:
    head = f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}Content-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


def _browser(number: int) -> str:
    """Eleven fields of a browser behind a proxy, beside Host; most differ in each request."""
    mixed = number * 2654435761 % 2**32
    return (
        f"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:{100 + number % 40}.0) Gecko/20100101\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
        f"Accept-Language: en-GB,en;q=0.{1 + number % 9},de;q=0.3\r\n"
        "Accept-Encoding: gzip, deflate, br, zstd\r\n"
        f"Referer: http://127.0.0.1/somewhere/{number}\r\n"
        f"Cookie: session={mixed:032x}; theme=dark\r\n"
        "Connection: keep-alive\r\n"
        f"Traceparent: 00-{mixed:032x}-{mixed:016x}-01\r\n"
        f"X-Request-Id: {mixed:08x}-{number:04x}\r\n"
        f"X-Forwarded-For: 192.0.2.{number % 256}\r\n"
        "Priority: u=0, i\r\n"
    )


_HELLO = GREETING.encode()
_PLAIN = [Exchange(_get("/"), _HELLO)]
_VARYING = [Exchange(_get("/", _browser(number)), _HELLO) for number in range(_VARIETY)]
_TOUCHED = [
    Exchange(_get(f"/touch?n={number}", _browser(number)), b"%d 12" % number)
    for number in range(_VARIETY)
]
_ROUTED = [
    Exchange(_get(f"/route{ROUTES // 2}/{number}"), b"%d" % number) for number in range(_VARIETY)
]
_POSTED = [
    Exchange(_post("/post", bytes([letter]) * KIB), b"1024 %d" % letter)
    for letter in b"abcdefghijklmnopqrstuvwxyz"
]
# h11's business: HTTP/1.0 that keeps the connection, and a target in absolute form.
_REFEREED = [
    Exchange(_get("/", "Connection: keep-alive\r\n", version="1.0"), _HELLO),
    Exchange(_get("http://127.0.0.1/"), _HELLO),
]


def _upload(size: int, *, chunked: bool) -> Upload:
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    head = f"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\n{framing}\r\n\r\n".encode()
    data = bytes(range(256)) * (16 * KIB // 256)
    piece = (b"%x\r\n" % len(data) + data + b"\r\n" if chunked else data) * 16
    end = b"0\r\n\r\n" if chunked else b""
    return Upload(head, piece, size // (256 * KIB), end, b"%d" % size)


def _text(size: int) -> bytes:
    item = b'{"id": 12345, "name": "an item of a list", "price": 9.95, "tags": ["a", "b"]}, '
    return (item * (size // len(item) + 1))[:size]


_FULL = ("aiohttp", "aiohttp-uvloop", "aiohttp-pure", "bascule", "bascule-uvloop", "bascule-h11")
_FULL += ("starlette-uvicorn-httptools",)

WORKLOADS: dict[str, Workload] = {
    "plaintext": Workload("plaintext", _PLAIN),
    "varying": Workload("12 varying headers", _VARYING),
    "touched": Workload("all headers and URL touched", _TOUCHED),
    "json": Workload("JSON", [Exchange(_get("/json"), None)]),
    "routes": Workload("1 000 routes", _ROUTED),
    "post": Workload("POST 1 KB", _POSTED),
    "referee": Workload("messages that go to h11", _REFEREED),
    "body64k": Workload("64 KB body", [Exchange(_get("/large"), LARGE)], connections=32),
    "file": Workload("1 MB file", [Exchange(_get("/file"), b"z" * FILE_SIZE)], connections=8),
    "stream": Workload(
        "1 000 streamed chunks", [Exchange(_get("/stream"), CHUNK * CHUNKS)], connections=8
    ),
    "upload": Workload(
        "upload 100 MB", _upload(100 * MIB, chunked=False), "upload", "µs/MB", connections=1
    ),
    "upload-chunked": Workload(
        "chunked upload 100 MB", _upload(100 * MIB, chunked=True), "upload", "µs/MB", connections=1
    ),
    "ws16": Workload("WebSocket echo, 16 B", Socket(_text(16)), "socket", connections=32),
    "ws64k": Workload("WebSocket echo, 64 KB", Socket(_text(64 * KIB)), "socket", connections=8),
    "ws-deflate": Workload(
        "WebSocket echo, 1 KB compressed", Socket(_text(KIB), deflate=True), "socket"
    ),
    "close": Workload(
        "connection per request",
        [Exchange(_get("/", "Connection: close\r\n"), _HELLO)],
        "close",
        connections=32,
    ),
    "tls": Workload("TLS", _PLAIN, variant="tls"),
    "full": Workload("5 middlewares, signal, access log", _PLAIN, variant="full", only=_FULL),
    "idle": Workload("idle connection", _PLAIN, "idle", "bytes", connections=IDLE),
    "startup": Workload("start-up", _PLAIN, "startup", "ms", connections=1),
}
