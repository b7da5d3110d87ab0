"""Heads of requests of all kinds, for tests that compare the lane with the parser beside it.

Some are mild, most of which the lane takes; some are mild but for one byte or one line; and some
are of any pieces at all.
"""

import random
from collections.abc import Sequence
from functools import lru_cache

from bascule.server.referee import Incoming, judge
from bascule.wire.grammar import BadRequest
from bascule.wire.head import HeadLimits, HeadReader
from bascule.wire.lane import CHUNKED, Lane, split_block

__all__ = ["choose_limits", "compare", "compare_pieces", "make_head"]

_NAMES = (
    *(b"Host", b"host", b"HOST", b"User-Agent", b"user-agent", b"Accept", b"Cookie", b"Connection"),
    *(b"connection", b"Content-Length", b"content-length", b"Content-length", b"Content-Type"),
    *(b"Transfer-Encoding", b"Upgrade", b"Expect", b"ETag", b"Server", b"Content-Range", b"X-A"),
    *(
        b"X_B",
        b"X-\xe9",
        b"Bad Name",
        b"",
        b"Sec-WebSocket-Key",
        b"Content-Length ",
        b"Max-Forwards",
    ),
)
_VALUES = (
    *(b"x", b"", b"localhost", b"localhost:8080", b"a:65535", b"a:65536", b"a:60123", b"[::1]:80"),
    *(b"xn--a-ecp.ru", b"user@host", b"a b", b"a/b", b"close", b"Close", b"keep-alive"),
    *(b"Keep-Alive", b"Upgrade", b"keep-alive, Upgrade", b"close, x", b"5", b"0", b"005", b"+5"),
    *(b"5,5", b"1_0", b"\xb2", b"9" * 18, b"9" * 19, b"chunked", b"identity", b"100-continue"),
    *(b"websocket", b"a\tb", b"a\x01b", b"a\x7fb", b"caf\xc3\xa9", b"\xff\xfe", b"  pad  "),
    *(b"\tpad\t", b"a\rb", b"a\nb", b"a\r\n b", b"a\x00b", b"\x85x\xa0", b"v" * 300),
)
_SEPARATORS = (*[b": "] * 9, b":", b":\t", b" : ", b":  ")
_ENDS = (*[b"\r\n"] * 40, b"\n", b"\r", b"\r\r\n")
_METHODS = (*[b"GET"] * 6, b"POST", b"HEAD", b"PUT", b"get", b"CONNECT", b"OPTIONS", b"FOO", b"G T")
_TARGETS = (
    *[b"/"] * 4,
    *(b"/a?b=c", b"/a%20b", b"*", b"http://h/x", b"h:1", b"/a b", b"/\xe9", b"//x", b"/a#f"),
    *(b"/\x7f", b"/\x01", b"@h", b"?q", b"x" * 40, b'/"<>'),
)
_VERSIONS = (*[b"HTTP/1.1"] * 14, b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ")
_BEHIND = (b"", b"", b"12345", b"GET / HTTP/1.1\r\n\r\n", b"\r\n")
# Small ones, so that heads of a few fields pass them.
_LIMITS = (
    *[HeadLimits()] * 4,
    HeadLimits(max_line_size=60, max_field_size=80, max_head_size=200, max_headers=3),
)


# Of these every combination is well-formed, but for repeated fields.
_MILD_METHODS = (b"GET", b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH")
_MILD_TARGETS = (
    b"/",
    b"/a?b=c&d",
    b"/a%20b",
    b"//x",
    b"/?",
    b'/"<>\\^`{|}~',
    b"/*",
    b"/@:80",
    b"/%zz",
)
_MILD_HOSTS = (
    b"localhost",
    b"a.b:8080",
    b"127.0.0.1:65535",
    b"x_y",
    b"a-b",
    b"h:0",
    b"LOCALHOST:1",
)
_MILD_FRAMINGS = (
    *[b""] * 5,
    *(b"Content-Length: 0", b"Content-Length: 5", b"content-length:\t00012", b"CONTENT-LENGTH: 7 "),
    *(b"Transfer-Encoding: chunked", b"transfer-encoding:CHUNKED\t", b"Connection: close"),
    *(b"connection:Keep-Alive", b"Connection: CLOSE ", b"Content-Length: " + b"9" * 18),
)
_MILD_NAMES = (b"Accept", b"X_B", b"Cookie", b"cookie", b"Hosts", b"X-Host", b"!#$%&'*+-.^_`|~0aZ")
_MILD_NAMES += (
    b"User-Agent",
    b"Content-Type",
    b"TE",
    b"Trailer",
    b"Keep-Alive",
    b"Content-Lengths",
)
_MILD_VALUES = (
    b"x",
    b"",
    b"a b",
    b"a\tb",
    b"caf\xc3\xa9",
    b"\xff\xfe",
    b"host: x",
    b"a:b",
    b'"q, \\""',
)
_MILD_VALUES += (b"v" * 70, b"\x85x\xa0", b"close", b"chunked")
_MILD_SEPARATORS = (b": ", b": ", b":", b":\t", b":  ")
# Whole lines that change what a head means, or that no head may have.
_ODD_LINES = (
    *(b"Host: b", b"host:", b"Content-Length: 5", b"Content-Length: +5", b"Content-Length: 5, 5"),
    *(b"Content-Length:", b"Content-Length: \xb2", b"Content-Length: 1_0", b"Transfer-Encoding:"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Connection: close, x"),
    *(b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: xchunked", b"Connection: TE"),
    *(b"Connection: upgrade", b"Upgrade: h2c", b"Expect: 100-continue", b"Expect: x", b" folded"),
    *(
        b"Content-Type: a",
        b"User-Agent: b",
        b"ETag: x",
        b"Max-Forwards: 1",
        b"Server: s",
        b"a b: c",
    ),
    *(b"Content-Length : 5", b": x", b"noline", b"X: a\x00b", b"X: a\x7f", b"X: a\rb", b"X: a\nb"),
    *(
        b"Connection: keep-alive\r\nConnection: close",
        b"\xe9: x",
        b"Host\t: x",
        b"Y: " + b"w" * 500,
    ),
)


def make_head(random: random.Random) -> bytes:
    """Make a head that is well-formed or nearly so, and bytes behind it."""
    kind = random.random()
    if kind < 0.2:
        return _make_wild(random)
    if kind < 0.6:
        return _make_mild(random, 0)
    head = _make_mild(random, 1 if random.random() < 0.6 else 0)
    return _spoil_byte(random, head) if random.random() < 0.6 else head


def _make_mild(random: random.Random, odd_lines: int) -> bytes:
    """Make a head of ordinary pieces, and so many lines that are not."""
    choose = random.choice
    lines = [b"Host: " + choose(_MILD_HOSTS)] if random.random() < 0.98 else []
    lines += [line] if (line := choose(_MILD_FRAMINGS)) else []
    names = random.sample(_MILD_NAMES, random.randrange(4))
    lines += [name + choose(_MILD_SEPARATORS) + choose(_MILD_VALUES) for name in names]
    lines += [choose(_ODD_LINES) for _ in range(odd_lines)]
    random.shuffle(lines)
    first = choose(_MILD_METHODS) + b" " + choose(_MILD_TARGETS) + b" HTTP/1.1"
    return b"\r\n".join([first, *lines, b"", choose(_BEHIND)])


def _spoil_byte(random: random.Random, head: bytes) -> bytes:
    """Put a byte in, or in the place of another."""
    at = random.randrange(len(head))
    return head[:at] + random.randbytes(1) + head[at + random.randrange(2) :]


def _make_wild(random: random.Random) -> bytes:
    choose = random.choice
    head = choose(_METHODS) + b" " + choose(_TARGETS) + b" " + choose(_VERSIONS) + choose(_ENDS)
    lines = [_make_line(random, _NAMES[:3], _VALUES[2:7])] if random.random() < 0.85 else []
    lines += [_make_line(random, _NAMES, _VALUES) for _ in range(random.randrange(5))]
    random.shuffle(lines)
    head += b"".join(lines) + choose(_ENDS) + choose(_BEHIND)
    return _spoil_byte(random, head) if random.random() < 0.2 else head


def _make_line(random: random.Random, names: Sequence[bytes], values: Sequence[bytes]) -> bytes:
    choose = random.choice
    return choose(names) + choose(_SEPARATORS) + choose(values) + choose(_ENDS)


@lru_cache(maxsize=1024)
def _lane_of(limits: HeadLimits) -> Lane:
    """Give the lane of limits: the same for all heads, as a server has it, since it remembers."""
    return Lane(limits)


def compare(data: bytes, limits: HeadLimits) -> bool:
    """Compare what the lane reads with what the parser does; say whether the lane took it.

    Raises:
        AssertionError: they differ.
    """
    seen = _lane_of(limits).recognise(data)
    if seen is None:
        return False
    method, target, block, length, keep_alive, end = seen
    incoming, rest = _parse(data, limits)
    if incoming is None:
        raise AssertionError(f"The lane accepts what the parser refuses: {data!r}")
    framing = incoming.framing
    found = (method, target, list(split_block(block)), length, keep_alive, data[end:])
    wanted = (
        incoming.method,
        incoming.target,
        list(incoming.raw_fields),
        CHUNKED if framing.chunked else framing.content_length,
        framing.keep_alive,
        rest,
    )
    if found != wanted or framing.expect_continue or framing.upgrade or not framing.is_plain:
        raise AssertionError(f"{data!r}: {found!r} is not {wanted!r}")
    return True


def compare_pieces(data: bytes, cut: int, limits: HeadLimits) -> None:
    """Compare what is read of a head in two pieces with what is read of it at once.

    Raises:
        AssertionError: they differ.
    """
    whole, seen = _gather([data], limits), _lane_of(limits).recognise(data)
    if _gather([data[:cut], data[cut:]], limits) != whole:
        raise AssertionError(f"Cut at {cut}: {data!r}")
    if seen is not None and (isinstance(whole, str) or len(whole[0]) != seen[5]):
        raise AssertionError(f"The lane sees another end: {data!r}")
    first = _lane_of(limits).recognise(data[:cut])
    if first != (seen if seen is not None and cut >= seen[5] else None):
        raise AssertionError(f"The lane takes the beginning of a head, up to {cut}: {data!r}")


def _gather(pieces: list[bytes], limits: HeadLimits) -> tuple[bytes, bytes] | str:
    """Give a head and what is behind it, or what keeps it from being one."""
    reader = HeadReader(limits)
    found: tuple[bytes, bytes] | None = None
    try:
        for piece in pieces:
            found = reader.feed(piece) if found is None else (found[0], found[1] + piece)
    except BadRequest as exc:
        return f"{exc.status} {exc.detail}"
    return "not complete" if found is None else found


def _parse(data: bytes, limits: HeadLimits) -> tuple[Incoming | None, bytes]:
    try:
        complete = HeadReader(limits).feed(data)
        return (None, b"") if complete is None else (judge(complete[0], limits), complete[1])
    except BadRequest:
        return None, b""


def choose_limits(random: random.Random) -> HeadLimits:
    """Choose limits of heads, wide ones or narrow."""
    return random.choice(_LIMITS)
