"""The rules for request heads, one row each."""

import re
import string

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.wire.grammar import (
    FIELD_LINE,
    MAX_METHOD_SIZE,
    REQUEST_LINE,
    SINGLETONS,
    BadRequest,
    Framing,
    HttpVersion,
    HttpVersion10,
    HttpVersion11,
    check_authority,
    check_head,
    frame_request,
    is_token,
    list_tokens,
    split_target,
)

Pairs = list[tuple[bytes, bytes]]

# -- check_head -----------------------------------------------------------------------------------

CONTROL = "Control character in the head"
FOLDED = "Folded header field"
DUPLICATE = "Duplicate 'Content-Length' header found."
LENGTH = "Invalid Content-Length"
AMBIGUOUS = "Ambiguous message framing"
UNENDED = "Transfer-Encoding does not end in chunked"

GOOD_BLOCKS = [
    pytest.param(b"", id="no field"),
    pytest.param(b"Host: a\r\n", id="a field"),
    pytest.param(b"A:\r\n", id="empty value"),
    pytest.param(b"A: b\tc\t\r\n", id="tabs"),
    pytest.param(b"A: \x80\xff\xc3\xa9\r\n", id="bytes above ASCII"),
    pytest.param(b"Transfer-Encoding:\tChunked \r\n", id="chunked in other letters"),
    pytest.param(b"Content-Length: 0\r\n", id="no length"),
    pytest.param(b"content-length:5\r\n", id="no space"),
    pytest.param(b"CONTENT-LENGTH: \t 5 \t \r\nA: b\r\n", id="space around a length"),
    pytest.param(b"Content-Length: 007\r\n", id="leading zeros"),
    pytest.param(b"Content-Length: 999999999999999999\r\n", id="18 digits"),
    pytest.param(b"Transfer-Encoding: chunked\r\n", id="a transfer coding"),
    pytest.param(b"X-Content-Length: a\r\nX-Content-Length: b\r\n", id="a field named alike"),
    pytest.param(b"A: content-length: x\r\n", id="a value named alike"),
]

BAD_BLOCKS = [
    *(
        pytest.param(b"A: b" + bytes([code]) + b"c\r\n", CONTROL, id=f"control {code:#04x}")
        for code in (*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F)
    ),
    pytest.param(b"A: b\rc\r\n", CONTROL, id="bare CR"),
    pytest.param(b"A: b\r\r\n", CONTROL, id="CR before the line end"),
    pytest.param(b"A\x00: b\r\n", CONTROL, id="control in a name"),
    pytest.param(b"A: b\r\n c\r\n", FOLDED, id="folded with a space"),
    pytest.param(b"A: b\r\n\tc\r\n", FOLDED, id="folded with a tab"),
    pytest.param(b" A: b\r\n", FOLDED, id="space before the first field"),
    pytest.param(b"A: b\r\n \r\n", FOLDED, id="line of spaces"),
    pytest.param(b"Content-Length: 5\r\nContent-Length: 5\r\n", DUPLICATE, id="equal lengths"),
    pytest.param(b"Content-Length: 5\r\nA: b\r\nCONTENT-length:6\r\n", DUPLICATE, id="two lengths"),
    pytest.param(b"Content-Length:\r\n", LENGTH, id="empty length"),
    pytest.param(b"Content-Length: \r\n", LENGTH, id="length of spaces"),
    pytest.param(b"Content-Length: +5\r\n", LENGTH, id="plus"),
    pytest.param(b"Content-Length: -5\r\n", LENGTH, id="minus"),
    pytest.param(b"Content-Length: 5, 5\r\n", LENGTH, id="list"),
    pytest.param(b"Content-Length: 5 5\r\n", LENGTH, id="space inside"),
    pytest.param(b"Content-Length: 1_0\r\n", LENGTH, id="underscore"),
    pytest.param(b"Content-Length: 0x5\r\n", LENGTH, id="hexadecimal"),
    pytest.param(b"Content-Length: 5.0\r\n", LENGTH, id="fraction"),
    pytest.param("Content-Length: \u0665\r\n".encode(), LENGTH, id="other digits"),
    pytest.param(b"Content-Length: 1000000000000000000\r\n", LENGTH, id="19 digits"),
    pytest.param(
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", AMBIGUOUS, id="length and coding"
    ),
    pytest.param(
        b"transfer-encoding:chunked\r\ncontent-length:5\r\n", AMBIGUOUS, id="coding and length"
    ),
    pytest.param(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        AMBIGUOUS,
        id="two codings",
    ),
]


@pytest.mark.parametrize(
    ("coding", "status", "detail"),
    [
        (b"", 400, UNENDED),
        (b" \t", 400, UNENDED),
        (b"gzip", 400, UNENDED),
        (b"identity", 400, UNENDED),
        (b"chunked, identity", 400, UNENDED),
        (b"chunked, chunked", 400, UNENDED),
        (b"chunked,", 400, UNENDED),
        (b"chunked;a=b", 400, UNENDED),
        (b'"chunked"', 400, UNENDED),
        (b"xchunked", 400, UNENDED),
        (b"gzip, chunked", 501, "Unsupported Transfer-Encoding"),
        (b"a\t,b , chunked", 501, "Unsupported Transfer-Encoding"),
        (b",chunked", 501, "Unsupported Transfer-Encoding"),
    ],
)
def test_only_one_transfer_coding_is_known(coding: bytes, status: int, detail: str) -> None:
    """RFC 9112 sections 6.1 and 6.3."""
    with pytest.raises(BadRequest) as caught:
        check_head(b"POST / HTTP/1.1\r\nTransfer-Encoding:" + coding + b"\r\nA: b\r\n\r\n")
    assert (caught.value.status, caught.value.detail) == (status, detail)


@pytest.mark.parametrize("block", GOOD_BLOCKS)
def test_heads_that_pass(block: bytes) -> None:
    check_head(b"POST /x HTTP/1.1\r\n" + block + b"\r\n")


@pytest.mark.parametrize(("block", "detail"), BAD_BLOCKS)
def test_heads_that_are_refused(block: bytes, detail: str) -> None:
    """RFC 9110 section 5.5; RFC 9112 sections 5.2, 6.1, 6.3."""
    with pytest.raises(BadRequest) as caught:
        check_head(b"POST /x HTTP/1.1\r\nHost: a\r\n" + block + b"\r\n")
    assert (caught.value.status, caught.value.detail) == (400, detail)


@pytest.mark.parametrize(
    "line", [b"GET /\x00 HTTP/1.1", b"GET /\r HTTP/1.1", b"GET\x0b/ HTTP/1.1", b"\x7f"]
)
def test_a_control_in_the_request_line_is_refused(line: bytes) -> None:
    with pytest.raises(BadRequest, match=CONTROL):
        check_head(line + b"\r\n\r\n")


VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
TOKENS = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"
DELIMITERS = "".join(sorted(set(VISIBLE) - set(TOKENS))).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1",
        b"GET / HTTP/0.9",  # a version, though one that is not served
        b"get http://a HTTP/9.9",
        b"G " + VISIBLE.encode() + b" HTTP/1.0",
        TOKENS.encode() + b" * HTTP/1.1",
    ],
)
def test_request_lines_that_pass(line: bytes) -> None:
    check_head(line + b"\r\n\r\n")
    assert re.fullmatch(REQUEST_LINE, line + b"\r\n")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET",
        b"GET /",
        b"GET / ",
        b"GET  HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET\t/\tHTTP/1.1",
        b"GET /\t HTTP/1.1",
        b"GET / HTTP/1",
        b"GET / HTTP/1.",
        b"GET / HTTP/.1",
        b"GET / HTTP/1.10",
        b"GET / HTTP/11.1",
        b"GET / HTTP/1.a",
        b"GET / HTTP/1,1",
        b"GET / HTTP/\xd9\xa1.1",
        b"GET / http/1.1",
        b"GET / HTTPS/1.1",
        b"GET / HTTP 1.1",
        b"GET /\x80 HTTP/1.1",
        b"G\xc9T / HTTP/1.1",
        *(b"G%cT / HTTP/1.1" % code for code in DELIMITERS),
    ],
)
def test_request_lines_that_are_refused(line: bytes) -> None:
    """RFC 9112 section 3."""
    with pytest.raises(BadRequest) as caught:
        check_head(line + b"\r\nHost: a\r\n\r\n")
    assert (caught.value.status, caught.value.detail) == (400, "Illegal request line")
    assert not re.fullmatch(REQUEST_LINE, line + b"\r\n")


@pytest.mark.parametrize(
    "line",
    [
        b"A",
        b": b",
        b":",
        b"A : b",
        b"A\t: b",
        b"A b: c",
        b"\xe9: b",
        b"GET / HTTP/1.1",
        *(b"A%cA: b" % code for code in DELIMITERS.replace(b":", b"")),
    ],
)
def test_field_lines_that_are_refused(line: bytes) -> None:
    """RFC 9112 section 5."""
    for lines in ([line], [b"Host: a", line], [line, b"Host: a"]):
        with pytest.raises(BadRequest) as caught:
            check_head(b"\r\n".join([b"GET / HTTP/1.1", *lines, b"", b""]))
        assert (caught.value.status, caught.value.detail) == (400, "Illegal header line")
    assert not re.fullmatch(FIELD_LINE, line + b"\r\n")


@pytest.mark.parametrize(
    "head", [b"", b"\r\n", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nA: b\r\n"]
)
def test_a_head_ends_with_its_empty_line(head: bytes) -> None:
    with pytest.raises(BadRequest):
        check_head(head)


_WORDS = ["GET", "get", " ", "/", "*", "HTTP/1.1", "HTTP/1.0", "\r\n", "\n", "\r", "\t", "\0"]
_WORDS += ["Host", ":", "a", "b c", "\x80", "(", "Content-Length: 3", "Transfer-Encoding: chunked"]
HEADS = st.lists(st.sampled_from(_WORDS), max_size=12).map(
    lambda words: "".join(words).encode("latin-1")
)


@settings(deadline=None, max_examples=500)
@given(st.sampled_from([b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n"]), HEADS)
def test_what_passes_h11_reads_alike(start: bytes, rest: bytes) -> None:
    """Our grammar is within that of h11, but for what only its own state knows."""
    head = start + rest + b"\r\n\r\n"
    head = head[: head.index(b"\r\n\r\n") + 4]
    try:
        check_head(head)
        match = re.match(REQUEST_LINE, head)
        assert match is not None
        method, target, version = match.groups()
        lines = [line.partition(b":") for line in head.split(b"\r\n")[1:-2]]
        fields = [(name.lower(), value.strip(b" \t")) for name, _, value in lines]
        frame_request(method, target, version, fields)
    except BadRequest:
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head)
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method, request.target) == (method, target)
    assert (request.http_version, list(request.headers)) == (version, fields)


# -- frame_request --------------------------------------------------------------------------------

HOST = (b"host", b"a")


def frame(
    *fields: tuple[bytes, bytes],
    method: bytes = b"GET",
    target: bytes = b"/",
    version: bytes = b"1.1",
) -> Framing:
    return frame_request(method, target, version, [HOST, *fields])


def refuse(*fields: tuple[bytes, bytes], **line: bytes) -> tuple[int, str]:
    with pytest.raises(BadRequest) as caught:
        frame(*fields, **line)
    return caught.value.status, caught.value.detail


def test_a_plain_request() -> None:
    assert frame() == Framing(
        content_length=0,
        chunked=False,
        keep_alive=True,
        expect_continue=False,
        upgrade=False,
        version=HttpVersion11,
    )


@pytest.mark.parametrize(
    ("fields", "content_length", "chunked", "has_body"),
    [
        pytest.param([], 0, False, False, id="none"),
        pytest.param([(b"x-content-length", b"5")], 0, False, False, id="another field"),
        pytest.param([(b"content-length", b"0")], 0, False, False, id="zero"),
        pytest.param([(b"content-length", b"007")], 7, False, True, id="length"),
        pytest.param(
            [(b"content-length", b"999999999999999999")], 10**18 - 1, False, True, id="18 digits"
        ),
        pytest.param([(b"transfer-encoding", b"chunked")], None, True, True, id="chunked"),
        pytest.param([(b"transfer-encoding", b"CHUNKED")], None, True, True, id="upper case"),
    ],
)
def test_how_a_body_is_framed(
    fields: Pairs, content_length: int | None, chunked: bool, has_body: bool
) -> None:
    """RFC 9112 section 6.3."""
    framing = frame(*fields)
    assert framing.content_length == content_length
    assert framing.chunked is chunked
    assert framing.has_body is has_body


@pytest.mark.parametrize("coding", [b"chunked", b"gzip"])
def test_http_1_0_has_no_transfer_codings(coding: bytes) -> None:
    """RFC 9112 section 6.1: a Transfer-Encoding in HTTP/1.0 is faulty framing."""
    answer = refuse((b"transfer-encoding", coding), version=b"1.0")
    assert answer == (400, "Transfer-Encoding in HTTP/1.0")


@pytest.mark.parametrize(
    ("digits", "version"),
    [(b"1.0", HttpVersion10), (b"1.1", HttpVersion11), (b"1.2", HttpVersion11), (b"1.9", (1, 1))],
)
def test_versions_that_are_served(digits: bytes, version: HttpVersion) -> None:
    """RFC 9110 section 2.5: a later minor version is served as the latest that we know."""
    assert frame(version=digits).version == version


@pytest.mark.parametrize("digits", [b"0.9", b"2.0", b"3.0", b"11.1", b"1", b""])
def test_versions_that_are_not_served(digits: bytes) -> None:
    assert refuse(version=digits) == (505, "Only HTTP/1.x is spoken here")


def test_versions_compare_as_tuples() -> None:
    assert HttpVersion10 < HttpVersion11 == (1, 1) < HttpVersion(2, 0)


@pytest.mark.parametrize("method", [b"GET", b"M-SEARCH", b"X", b"BASELINE-CONTROL", b"!A"])
def test_methods_that_are_served(method: bytes) -> None:
    frame(method=method)


@pytest.mark.parametrize("method", [b"get", b"Get", b"gET", b"connect", b"options"])
def test_methods_are_upper_case(method: bytes) -> None:
    """They are case-sensitive (RFC 9110 section 9.1)."""
    assert refuse(method=method) == (400, "Methods are upper-case")


@pytest.mark.parametrize(("size", "fits"), [(MAX_METHOD_SIZE, True), (MAX_METHOD_SIZE + 1, False)])
def test_a_method_has_an_end(size: int, fits: bool) -> None:
    """RFC 9112 section 3: 501 for one that is longer than any that is known."""
    assert MAX_METHOD_SIZE == 32
    if fits:
        frame(method=b"M" * size)
    else:
        assert refuse(method=b"M" * size) == (501, "Method longer than 32 bytes")


def test_host_stands_once() -> None:
    for host in (b"a", b"b", b""):
        assert refuse((b"host", host)) == (400, "Duplicate 'Host' header found.")


SINGLE = [
    b"content-location",
    b"content-range",
    b"content-type",
    b"etag",
    b"max-forwards",
    b"server",
    b"user-agent",
]


@pytest.mark.parametrize("name", SINGLE)
def test_some_fields_stand_once(name: bytes) -> None:
    assert set(SINGLE) == SINGLETONS
    frame((name, b"a"))
    status, detail = refuse((name, b"a"), (b"x", b"y"), (name, b"a"))
    assert (status, detail.lower()) == (400, f"duplicate '{name.decode()}' header found.")


def test_other_fields_may_be_repeated() -> None:
    frame((b"cookie", b"a"), (b"cookie", b"b"), (b"x", b"y"), (b"x", b"y"), (b"etag", b"c"))


TARGET = "Invalid request target"
TARGET_HOST = "Invalid host in request target"
CONNECT = "Invalid target of CONNECT"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        (b"GET", b"/"),
        (b"GET", b"/a/b?c=d&e"),
        (b"GET", b"//a//b"),
        (b"GET", b"/http://a"),
        (b"GET", b"/%zz"),
        (b"OPTIONS", b"/"),
        (b"OPTIONS", b"*"),
        (b"GET", b"http://a"),
        (b"GET", b"http://a/"),
        (b"GET", b"HTTPS://A.b:443/c?d"),
        (b"GET", b"http://a?b"),
        (b"GET", b"http://a:/"),
        (b"GET", b"http://a:65535/"),
        (b"GET", b"http://[::1]:8080/"),
        (b"GET", b"http://[fe80::1%25eth0]/"),
        (b"OPTIONS", b"http://a"),
        (b"CONNECT", b"a:443"),
        (b"CONNECT", b"[::1]:443"),
        (b"CONNECT", b"127.0.0.1:1"),
    ],
)
def test_targets_that_are_served(method: bytes, target: bytes) -> None:
    """RFC 9112 section 3.2: origin, absolute, authority, asterisk."""
    frame(method=method, target=target)


@pytest.mark.parametrize(
    ("method", "target", "detail"),
    [
        (b"GET", b"", TARGET),
        (b"GET", b"*", TARGET),
        (b"OPTIONS", b"*a", TARGET),
        (b"OPTIONS", b"**", TARGET),
        (b"GET", b"a", TARGET),
        (b"GET", b"a/b", TARGET),
        (b"GET", b"?a", TARGET),
        (b"GET", b"a:80", TARGET),
        (b"GET", b"/a#b", "Fragment in the request target"),
        (b"GET", b"http://good#@evil/x", "Fragment in the request target"),
        (b"OPTIONS", b"*#", "Fragment in the request target"),
        (b"CONNECT", b"a#:443", "Fragment in the request target"),
        (b"GET", b"ftp://a/", TARGET),
        (b"GET", b"ws://a/", TARGET),
        (b"GET", b"http:/a/", TARGET),
        (b"GET", b"http:a", TARGET),
        (b"GET", b"http://", TARGET),
        (b"GET", b"http:///a", TARGET),
        (b"GET", b"http://?a", TARGET),
        (b"GET", b"xhttp://a/", TARGET),
        (b"GET", b"http://:80/", "Request target without a host"),
        (b"GET", b"http://:/", "Request target without a host"),
        (b"GET", b"http://user@a/", TARGET_HOST),
        (b"GET", b"http://user:secret@a/", TARGET_HOST),
        (b"GET", b"http://a b/", TARGET_HOST),
        (b"GET", b"http://a:b/", TARGET_HOST),
        (b"GET", b"http://a:65536/", TARGET_HOST),
        (b"GET", b"http://a:000080/", TARGET_HOST),
        (b"GET", b"http://a:1:2/", TARGET_HOST),
        (b"GET", b"http://[::1/", TARGET_HOST),
        (b"GET", b"http://::1/", "Request target without a host"),
        (b"GET", b"http://1::1/", TARGET_HOST),
        (b"GET", b"http://[::1]a/", TARGET_HOST),
        (b"GET", b"http://a\\b/", TARGET_HOST),
        (b"CONNECT", b"/", CONNECT),
        (b"CONNECT", b"a", CONNECT),
        (b"CONNECT", b"a:", CONNECT),
        (b"CONNECT", b":443", CONNECT),
        (b"CONNECT", b"*", CONNECT),
        (b"CONNECT", b"http://a:443", CONNECT),
        (b"CONNECT", b"user@a:443", CONNECT),
        (b"CONNECT", b"a:443/", CONNECT),
        (b"CONNECT", b"a:443443", CONNECT),
    ],
)
def test_targets_that_are_refused(method: bytes, target: bytes, detail: str) -> None:
    assert refuse(method=method, target=target) == (400, detail)


@pytest.mark.parametrize("target", [b"a:65536", b"a:99999"])
def test_connect_knows_the_highest_port(target: bytes) -> None:
    assert refuse(method=b"CONNECT", target=target)[0] == 400


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"a",
        b"A.b-c_d~e",
        b"a:",
        b"a:0",
        b"a:65535",
        b"127.0.0.1:80",
        b"[::1]",
        b"[::1]:80",
        b"[::ffff:1.2.3.4]",
        b"[fe80::1%25eth0]:80",
        b"%41",
        b"a!$&'()*+,;=",
    ],
)
def test_hosts_that_are_served(host: bytes) -> None:
    frame_request(b"GET", b"/", b"1.1", [(b"host", host)])


@pytest.mark.parametrize(
    "host",
    [
        b"a b",
        b"a\tb",
        b"a/b",
        b"a?b",
        b"a#b",
        b"user@a",
        b"user:secret@a",
        b"a:b",
        b"a:-1",
        b"a:65536",
        b"a:99999",
        b"a:000080",
        b"a:80:80",
        b"::1",
        b"[::1",
        b"::1]",
        b"[]",
        b"[a]:80x",
        b"[g::1]",
        b"[::1]a",
        b"[fe80::1%eth0]",
        b"[v1.a]",
        b"[....]",
        b"[1]",
        b"[:]",
        b"[1::2::3]",
        b"[12345::]",
        b"[1:2:3:4:5:6:7:8:9]",
        b"[127.0.0.1]",
        b"[::1%25]",
        b"a%",
        b"a%4",
        b"a%zz",
        b"a%4g:80",
        b"a\\b",
        b"a<b",
        b'"a"',
        b"a\x80",
        b"http://a",
        b"a\n",
    ],
)
def test_hosts_that_are_refused(host: bytes) -> None:
    """RFC 9112 section 3.2."""
    with pytest.raises(BadRequest) as caught:
        frame_request(b"GET", b"/", b"1.1", [(b"host", host)])
    assert (caught.value.status, caught.value.detail) == (400, "Invalid host in Host header")
    with pytest.raises(BadRequest, match="Invalid host in it"):
        check_authority(host, "it")


@pytest.mark.parametrize(
    ("version", "lines", "keep_alive"),
    [
        (b"1.1", [], True),
        (b"1.1", [b"keep-alive"], True),
        (b"1.1", [b"close"], False),
        (b"1.1", [b"Close"], False),
        (b"1.1", [b"upgrade,\tclose"], False),
        (b"1.1", [b"keep-alive", b"close"], False),
        (b"1.1", [b"close", b"keep-alive"], False),
        (b"1.1", [b"closed, not-close, close-not"], True),
        (b"1.1", [b""], True),
        (b"1.0", [], False),
        (b"1.0", [b"Keep-Alive"], True),
        (b"1.0", [b"te , keep-alive"], True),
        (b"1.0", [b"te", b"keep-alive"], True),
        (b"1.0", [b"keep-alive, close"], False),
        (b"1.0", [b"keep-alives"], False),
        (b"1.2", [], True),
    ],
)
def test_which_connections_go_on(version: bytes, lines: list[bytes], keep_alive: bool) -> None:
    """RFC 9112 section 9.3."""
    framing = frame(*((b"connection", line) for line in lines), version=version)
    assert framing.keep_alive is keep_alive


@pytest.mark.parametrize(
    ("version", "value", "expected"),
    [
        (b"1.1", b"100-continue", True),
        (b"1.1", b"100-Continue", True),
        (b"1.2", b"100-continue", True),
        (b"1.0", b"100-continue", False),
        (b"1.1", b"100", False),
        (b"1.1", b"", False),
        (b"1.1", b"100-continue, x", True),
        (b"1.1", b"x 100-continue", True),
    ],
)
def test_which_clients_expect_continue(version: bytes, value: bytes, expected: bool) -> None:
    """RFC 9110 section 10.1.1: the expectation of an HTTP/1.0 client is ignored.

    Whoever may read it among others may wait, so that the body never comes.
    """
    assert frame((b"expect", value), version=version).expect_continue is expected
    for pair in ((b"expect", b"x"), (b"x-a", b"100-continue")):
        fields = [(b"expect", value), pair]
        assert frame(*fields, version=version).expect_continue is expected
        assert frame(*reversed(fields), version=version).expect_continue is expected


@pytest.mark.parametrize(
    ("fields", "method", "target", "upgrade"),
    [
        ([(b"upgrade", b"websocket"), (b"connection", b"upgrade")], b"GET", b"/", True),
        ([(b"connection", b"x, UPGRADE"), (b"upgrade", b"h2c")], b"GET", b"/", True),
        (
            [(b"connection", b"x"), (b"connection", b"upgrade"), (b"upgrade", b"y")],
            b"GET",
            b"/",
            True,
        ),
        ([(b"upgrade", b"websocket")], b"GET", b"/", False),
        ([(b"connection", b"upgrade")], b"GET", b"/", False),
        ([(b"upgrade", b"websocket"), (b"connection", b"upgrades")], b"GET", b"/", False),
        ([], b"CONNECT", b"a:1", True),
        ([], b"GET", b"/", False),
    ],
)
def test_which_clients_offer_another_protocol(
    fields: Pairs, method: bytes, target: bytes, upgrade: bool
) -> None:
    """RFC 9110 section 7.8: the field counts only where Connection names it."""
    assert frame(*fields, method=method, target=target).upgrade == upgrade


def test_http_1_0_offers_no_other_protocol() -> None:
    """RFC 9110 section 7.8: an Upgrade that comes in HTTP/1.0 must be ignored."""
    fields = [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]
    assert frame(*fields, version=b"1.0").upgrade is False


@settings(deadline=None)
@given(st.binary(max_size=30), st.binary(max_size=30), st.sampled_from([b"GET", b"CONNECT"]))
def test_any_target_and_host_is_framed_or_refused(
    target: bytes, host: bytes, method: bytes
) -> None:
    try:
        frame_request(method, target, b"1.1", [(b"host", host)])
    except BadRequest:
        return
    assert not set(host) & set(b" /?#@\\\r\n")


def test_http_1_1_has_a_host() -> None:
    """RFC 9112 section 3.2; an HTTP/1.0 client need not send one."""
    for version in (b"1.1", b"1.2"):
        with pytest.raises(BadRequest) as caught:
            frame_request(b"GET", b"/", version, [(b"a", b"b")])
        assert (caught.value.status, caught.value.detail) == (
            400,
            "Missing 'Host' header in request.",
        )
    assert frame_request(b"GET", b"/", b"1.0", []).version == HttpVersion10


# -- the small ones -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a", "GET", "x-Y_z", "!#$%&'*+-.^_`|~09", "1"])
def test_tokens(text: str) -> None:
    assert is_token(text)


@pytest.mark.parametrize(
    "text", ["", " ", "a b", "a\n", "a:", "(a)", "a/b", "é", "ı", "\u212a", "a\x00", '"a"', "a,b"]
)
def test_what_is_no_token(text: str) -> None:
    """RFC 9110 section 5.6.2; nothing outside of ASCII, whatever its case folds to."""
    assert not is_token(text)


def test_lists_are_joined_over_their_lines() -> None:
    assert list_tokens([b"A ,\tb", b"c", b"a"]) == {b"a", b"b", b"c"}
    assert list_tokens([]) == set()


@pytest.mark.parametrize(
    ("target", "authority", "path", "query"),
    [
        ("/", "", "/", ""),
        ("/a%20b?c=d?e", "", "/a%20b", "c=d?e"),
        ("/a?", "", "/a", ""),
        ("//a/b", "", "//a/b", ""),
        ("/?http://b/", "", "/", "http://b/"),
        ("http://a", "a", "/", ""),
        ("http://a/", "a", "/", ""),
        ("http://a/b/c?d", "a", "/b/c", "d"),
        ("HTTPS://A:8443/b", "A:8443", "/b", ""),
        ("http://a?b", "a", "/", "b"),
        ("http://a?b/c", "a", "/", "b/c"),
        ("http://a//b", "a", "//b", ""),
        ("http://a/b?c=http://d/e", "a", "/b", "c=http://d/e"),
        ("http://[::1]:80/a", "[::1]:80", "/a", ""),
        ("*", "", "*", ""),
        ("a:443", "", "a:443", ""),
        ("[::1]:443", "", "[::1]:443", ""),
        ("", "", "", ""),
    ],
)
def test_the_parts_of_a_target(target: str, authority: str, path: str, query: str) -> None:
    """RFC 9112 sections 3.2 and 3.3."""
    assert split_target(target) == (authority, path, query)


@pytest.mark.parametrize("target", [b"http://good#@evil/x", b"http://good#", b"http://good#x?y"])
def test_the_authority_of_a_target_is_the_one_that_was_checked(target: bytes) -> None:
    """A fragment is not part of any target form: refused, or at least no part of the authority."""
    try:
        frame(target=target)
    except BadRequest:
        return
    assert split_target(target.decode())[0] == "good"


@settings(deadline=None)
@given(st.text(st.sampled_from("ht:p/s?#[]@a0.")).map("http://a".__add__) | st.text(max_size=20))
def test_any_target_is_split(target: str) -> None:
    authority, path, query = split_target(target)
    assert "/" not in authority
    assert "?" not in authority + path
    assert target.endswith(query)
