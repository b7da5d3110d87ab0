"""What stands behind a message on its connection, and how much of anything may come."""

from collections.abc import Iterator
from dataclasses import replace

from .cases import Case, Refused, Served
from .messages import CHUNKED, HELLO, get, post, refused, seen, served

__all__ = ["list_limits", "list_pipelines", "list_upgrades"]

_AFTER = "CVE-2024-49768 (waitress)"
_BAD = {
    "line": (get(line=b"nonsense"), 400),
    "version": (get(line=b"GET /case HTTP/2.0"), 505),
    "field": (get(b"X-A : 1"), 400),
    "host": (get(host=b"Host: a b"), 400),
    "length": (post(b"Content-Length: +5", body=b"hello"), 400),
    "both": (post(b"Content-Length: 5", CHUNKED, body=HELLO), 400),
    "coding": (post(b"Transfer-Encoding: gzip, chunked", body=HELLO), 501),
    "long-line": (get(line=b"GET /" + b"x" * 9000 + b" HTTP/1.1"), 414),
    "long-field": (get(b"X-A: " + b"x" * 9000), 431),
    "bytes": (b"\0\1\2\3\r\n\r\n", 400),
}


def list_pipelines() -> Iterator[Case]:
    """Requests in front of a fault are served, in order; nothing behind it is."""
    for name, (data, status) in _BAD.items():
        for count in (1, 2):
            what = f"pipeline/{name}-behind-{count}"
            case = refused(what, _AFTER, get() * count + data, status, before=count)
            yield replace(case, is_own="long-" in name)
        case = refused(f"pipeline/requests-behind-{name}", _AFTER, data + get() * 3, status)
        yield replace(case, is_own="long-" in name)
    body = seen((b"Content-Length", b"5"), method="POST", body=b"hello")
    pair = (b"Transfer-Encoding", b"chunked")
    data = post(b"Content-Length: 5", body=b"hello") + post(CHUNKED, body=HELLO) + get()
    source = "CVE-2023-46137 (twisted)"
    chunked = seen(pair, method="POST", body=b"hello")
    yield served("pipeline/in-order", source, data, body, chunked, seen())
    yield served("pipeline/empty-lines-between", "RFC 9112 section 2.2", get() + b"\r\n", seen())
    yield refused(
        "pipeline/two-empty-lines-between", "RFC 9112 section 2.2", get() + b"\r\n\r\n", before=1
    )
    surplus = post(b"Content-Length: 4", body=b"hello\r\n")
    short = seen((b"Content-Length", b"4"), method="POST", body=b"hell")
    what = Refused(before=(short,))
    yield Case("pipeline/surplus-byte", "RFC 9112 section 6.3", surplus, (what,))
    expecting = post(b"Content-Length: 5", b"Expect: 100-continue", body=b"hello")
    pairs = [(b"Content-Length", b"5"), (b"Expect", b"100-continue")]
    request = seen(*pairs, method="POST", body=b"hello")
    yield served("pipeline/expectation", "RFC 9110 section 10.1.1", expecting, request)
    for name, values in _CLOSES.items():
        data = get(*(b"Connection: " + value for value in values))
        request = seen(*((b"Connection", value) for value in values))
        yield served(f"pipeline/{name}", "RFC 9112 section 9.6", data, request, goes_on=False)


_CLOSES = {
    "behind-close": [b"close"],
    "behind-close-among-others": [b"keep-alive, CLOSE"],
    "behind-close-on-second-line": [b"keep-alive", b"close"],
}

# -- other protocols

_SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: strict.test\r\n\r\n"
_UPGRADE = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")]
_KEYS = [
    (b"Sec-WebSocket-Version", b"13"),
    (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
]
_DESYNC = "CVE-2026-69243 (aiohttp)"


def list_upgrades() -> Iterator[Case]:
    """Bytes behind a request for another protocol: of that, or a request; never both."""
    length = (b"Content-Length", b"%d" % len(_SMUGGLED))
    chunked = (b"Transfer-Encoding", b"chunked")
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(_SMUGGLED), _SMUGGLED)
    for target in ("/case", "/socket"):
        for name, frame, body in (("length", length, _SMUGGLED), ("chunks", chunked, chunk)):
            pairs = [*_UPGRADE, *_KEYS, frame]
            line = b"GET " + target.encode() + b" HTTP/1.1"
            data = get(*map(_line, pairs), line=line) + body
            yield _upgrade(f"{name}-for-{target[1:]}", _DESYNC, data, target, pairs, _SMUGGLED)
    for target in ("/case", "/socket"):
        pairs = [*_UPGRADE, *_KEYS]
        data = get(*map(_line, pairs), line=b"GET " + target.encode() + b" HTTP/1.1")
        yield _upgrade(f"request-behind-{target[1:]}", _DESYNC, data, target, pairs)
    for name, values in _NO_UPGRADES.items():
        pairs = [*_UPGRADE, *_KEYS]
        pairs[0] = (b"Upgrade", values)
        data = get(*map(_line, pairs))
        yield _upgrade(name, "RFC 9110 section 7.8", data, "/case", pairs)
    connect = get(line=b"CONNECT strict.test:443 HTTP/1.1")
    request = seen(method="CONNECT", target="strict.test:443")
    source = "RFC 9110 section 9.3.6"
    either = (Served((request,), goes_on=False), Refused(frozenset({400, 404, 405, 501})))
    yield Case("upgrade/request-behind-connect", source, connect, either)


_NO_UPGRADES = {"h2c": b"h2c", "unknown": b"xyz", "tls": b"TLS/1.0", "list": b"h2c, websocket"}


def _line(pair: tuple[bytes, bytes]) -> bytes:
    return b": ".join(pair)


def _upgrade(
    name: str,
    source: str,
    data: bytes,
    target: str,
    pairs: list[tuple[bytes, bytes]],
    body: bytes = b"",
) -> Case:
    """It is served, its body read or not, or refused; a connection that goes on goes on behind it.

    ``/socket`` becomes a WebSocket if it has no body: then nothing behind it is a request.
    """
    whole = seen(*pairs, target=target, body=body)
    head = seen(*pairs, target=target)
    allowed: list[Refused | Served] = [Refused(in_body=bool(body))]
    for request in dict.fromkeys([whole, head]):
        allowed.append(Served((request,), goes_on=False))
        if target == "/case" or body:
            allowed.append(Served((request,)))
    return Case(f"upgrade/{name}", source, data, tuple(allowed))


# -- limits

_LIMIT = "CVE-2026-54277 (aiohttp)"


def list_limits() -> Iterator[Case]:
    """Each limit to the byte."""
    fixed = len(b"GET / HTTP/1.1")
    for size, fits in ((8190, True), (8191, False)):
        target = b"/" + b"x" * (size - fixed)
        data = get(line=b"GET " + target + b" HTTP/1.1")
        yield _limited(f"line-of-{size}", _LIMIT, data, fits, 414, target=target.decode())
        value = b"x" * (size - len(b"X-A: "))
        data = get(b"X-A: " + value)
        yield _limited(f"field-of-{size}", _LIMIT, data, fits, 431, (b"X-A", value))
        name = b"x" * (size - len(b": 1"))
        yield _limited(f"name-of-{size}", _LIMIT, get(name + b": 1"), fits, 431, (name, b"1"))
    for count, fits in ((127, True), (128, False)):
        pairs = [(b"X-%d" % n, b"1") for n in range(count)]
        data = get(*map(_line, pairs))
        yield _limited(f"fields-{count + 1}", "RFC 6585 section 5", data, fits, 431, *pairs)
    empty = len(get()) + len(b"X-A: \r\n") * 9
    for size, fits in ((65536, True), (65537, False)):
        lengths = [8000] * 8 + [size - empty - 64000]
        pairs = [(b"X-A", b"x" * length) for length in lengths]
        data = get(*map(_line, pairs))
        yield _limited(f"head-of-{size}", "RFC 6585 section 5", data, fits, 431, *pairs)
    for name, data, status in (
        ("line-without-end", b"GET /" + b"x" * 20000, 414),
        ("field-without-end", b"GET /case HTTP/1.1\r\nX-A: " + b"x" * 20000, 431),
        ("fields-without-end", b"GET /case HTTP/1.1\r\n" + b"X-A: 1\r\n" * 2000, 431),
        ("blanks-without-end", get()[:-2] + b"X-A:" + b" " * 70000 + b"1\r\n\r\n", 431),
        ("many-fields-with-host", get(*[b"A:"] * 9000), 431),
    ):
        yield refused(f"limit/{name}", _LIMIT, data, status)


def _limited(
    name: str,
    source: str,
    data: bytes,
    fits: bool,
    status: int,
    *pairs: tuple[bytes, bytes],
    target: str = "/case",
) -> Case:
    if fits:
        case = served(f"limit/{name}", source, data, seen(*pairs, target=target))
    else:
        case = refused(f"limit/{name}", source, data, status)
    return replace(case, is_own=True)
