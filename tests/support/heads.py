"""Heads of requests of all kinds, for tests that compare the lane with the parser beside it."""

import random
from collections.abc import Sequence

from bascule.server.referee import Incoming, judge
from bascule.wire.grammar import BadRequest
from bascule.wire.head import HeadLimits, HeadReader
from bascule.wire.lane import Lane, split_block

__all__ = ["choose_limits", "compare", "make_head"]

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
    HeadLimits(),
    HeadLimits(),
    HeadLimits(max_line_size=60, max_field_size=80, max_head_size=200, max_headers=3),
)


def make_head(random: random.Random) -> bytes:
    """Make a head that is well-formed or nearly so, and bytes behind it."""
    choose = random.choice
    head = choose(_METHODS) + b" " + choose(_TARGETS) + b" " + choose(_VERSIONS) + choose(_ENDS)
    lines = [_make_line(random, _NAMES[:3], _VALUES[2:7])] if random.random() < 0.85 else []
    lines += [_make_line(random, _NAMES, _VALUES) for _ in range(random.randrange(5))]
    random.shuffle(lines)
    head += b"".join(lines) + choose(_ENDS) + choose(_BEHIND)
    if random.random() < 0.2:
        at = random.randrange(len(head))
        head = head[:at] + random.randbytes(1) + head[at + random.randrange(2) :]
    return head


def _make_line(random: random.Random, names: Sequence[bytes], values: Sequence[bytes]) -> bytes:
    choose = random.choice
    return choose(names) + choose(_SEPARATORS) + choose(values) + choose(_ENDS)


def compare(data: bytes, limits: HeadLimits) -> bool:
    """Compare what the lane reads with what the parser does; say whether the lane took it.

    Raises:
        AssertionError: they differ.
    """
    seen = Lane(limits).recognise(data)
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
        framing.content_length,
        framing.keep_alive,
        rest,
    )
    if found != wanted or framing.chunked or framing.expect_continue or framing.upgrade:
        raise AssertionError(f"{data!r}: {found!r} is not {wanted!r}")
    return True


def _parse(data: bytes, limits: HeadLimits) -> tuple[Incoming | None, bytes]:
    try:
        complete = HeadReader(limits).feed(data)
        return (None, b"") if complete is None else (judge(complete[0], limits), complete[1])
    except BadRequest:
        return None, b""


def choose_limits(random: random.Random) -> HeadLimits:
    """Choose limits of heads, wide ones or narrow."""
    return random.choice(_LIMITS)
