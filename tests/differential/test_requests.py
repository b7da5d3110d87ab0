"""What a handler sees of a request, and what becomes of the connection, is as in aiohttp."""

from typing import Any

import pytest

from differential.echoes import build_intake
from differential.frame import Call, Case, compare
from differential.requesting import PROTOCOLS, request
from differential.transcript import View

_FORM = "application/x-www-form-urlencoded"


# What is no text or no JSON, whose answer has words of its own.
_REFUSED = frozenset(
    {"text/bad-utf-8", "text/unknown-charset", "json/empty", "json/bad", "json/latin-1"}
)


def _case(name: str, data: bytes, *methods: str, **more: Any) -> Case:
    view = View.OUTCOME if name in _REFUSED else View.BYTES
    return Case(name, build_intake, Call(data, methods, **more), view)


# -- heads

_HEADS = {
    "few": {"Host": "example.test"},
    "spelling": {"X-UPPER": "A", "x-lower": "b", "X-mIxEd": "C"},
    "blanks": {"Host": "example.test", "X-A": "  a  b  ", "X-Tab": "\ta\tb\t", "X-Empty": ""},
    "utf-8": {"Host": "example.test", "X-A": "naïve ☃"},
    "host-port": {"Host": "example.test:8080"},
    "host-empty": {"Host": ""},
    "host-ipv6": {"Host": "[::1]:80"},
    "host-upper-case": {"Host": "EXAMPLE.Test"},
    "connection-list": {"Host": "example.test", "Connection": "x-a, close, x-b"},
    "connection-upper-case": {"Host": "example.test", "Connection": "CLOSE"},
    "connection-both": {"Host": "example.test", "Connection": "keep-alive, close"},
    "connection-keep-alive": {"Host": "example.test", "Connection": "keep-alive"},
    "upgrade-unknown": {
        "Host": "example.test",
        "Connection": "Upgrade",
        "Upgrade": "something/1",
    },
    "upgrade-h2c": {
        "Host": "example.test",
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAMAAABkAAQAAP__",
    },
    "upgrade-without-connection": {"Host": "example.test", "Upgrade": "websocket"},
    "many": {"Host": "example.test", **{f"X-{n}": str(n) for n in range(100)}},
    "long-value": {"Host": "example.test", "X-Long": "x" * 8000},
    "punctuation-name": {"Host": "example.test", "X!#$%&'*+-.^_`|~1": "a"},
    "content-length-0": {"Host": "example.test", "Content-Length": "0"},
}
_RAW_HEADS = {
    "leading-crlf": b"\r\nGET /head HTTP/1.1\r\nHost: example.test\r\n\r\n",
    "repeated": b"GET /head HTTP/1.1\r\nHost: example.test\r\nX-A: 1\r\nx-a: 2\r\nX-A: 3\r\n\r\n",
    "no-blank-behind-colon": b"GET /head HTTP/1.1\r\nHost:example.test\r\nX-A:1\r\n\r\n",
    "latin-1-value": b"GET /head HTTP/1.1\r\nHost: example.test\r\nX-A: \xe9\xff\r\n\r\n",
    "1.0-with-host": b"GET /head HTTP/1.0\r\nHost: example.test\r\n\r\n",
    "1.0-two-connections": b"GET /head HTTP/1.0\r\nConnection: a\r\nConnection: keep-alive\r\n\r\n",
    "absolute-target": b"GET http://example.org/head?a=1 HTTP/1.1\r\nHost: example.test\r\n\r\n",
    "own-method": b"M-SEARCH /head HTTP/1.1\r\nHost: example.test\r\n\r\n",
}

# -- cookies

_COOKIES = {
    "one": "a=1",
    "two": "a=1; b=2",
    "no-blank": "a=1;b=2",
    "blanks": "  a = 1 ;  b=2  ",
    "duplicate": "a=1; b=2; a=3",
    "empty-value": "a=; b=2",
    "no-equals": "a; b=2",
    "no-name": "=1; b=2",
    "equals-in-value": "a=b=c; d==",
    "quoted": 'a="1 2"; b="x"',
    "quoted-semicolon": 'a="1; 2"; b=3',
    "quoted-escapes": 'a="x\\"y\\\\z"; b="\\073\\054\\303\\251"',
    "quoted-unterminated": 'a="1; b=2',
    "quoted-rest": 'a="1"x; b=2',
    "octal-unquoted": "a=\\073; b=2",
    "odd-names": "a{b}=1; c/d=2; [e]=3; (f)=4; g@h=5",
    "odd-names-2": "a:b=1; c<d>=2; e?f=3; g\\h=4",
    "attribute-names": "Path=/x; Domain=y; Secure=1; a=2",
    "attribute-names-bare": "a=1; Secure; HttpOnly; b=2",
    "attribute-names-behind": "a=1; Path=/; b=2; Max-Age=3; Expires=now",
    "dollar": "$Version=1; a=1; $Path=/",
    "non-ascii": "a=é; b=☃; ключ=1",
    "comma": "a=1, b=2; c=3",
    "json": 'a={"x":1,"y":"z"}; b=2',
    "blanks-inside": "a=1 2 3; b=4",
    "tab": "a=1;\tb=2",
    "semicolons": ";;a=1;;b=2;;",
    "case": "A=1; a=2",
    "percent": "a=%20%3B; b=+",
    "long": "a=" + "x" * 4000,
    "empty": "",
    "quote-inside": 'a=x"y"; b=2',
    "name-blank": "a b=1; c=2",
    "control-escape": 'a="\\012\\015"; b=2',
    "empty-quoted": 'a=""; b=2',
}

# -- content types

_CONTENT_TYPES = {
    "absent": None,
    "empty": "",
    "plain": "text/plain",
    "charset": "text/plain; charset=latin-1",
    "charset-upper-case": "Text/PLAIN; Charset=UTF-8",
    "charset-quoted": 'text/plain; charset="utf-8"',
    "no-blank": "text/plain;charset=utf-8",
    "more-parameters": 'multipart/form-data; boundary="a b"; charset=x',
    "no-slash": "text",
    "two-slashes": "a/b/c",
    "semicolon": "text/plain;",
    "only-parameters": "; charset=utf-8",
    "blanks": " text/plain ; charset = utf-8 ",
    "comma": "text/plain, text/html",
    "empty-charset": "text/plain; charset=",
    "charset-twice": "text/plain; charset=a; charset=b",
}

# -- bodies

_BODY = b"first line\nsecond \x00\xff line"


def _post(path: str, body: bytes, *, protocol: str = "1.1", **fields: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return request("POST", path, named, body, protocol=protocol)


def _chunked(path: str, body: bytes, **fields: str) -> bytes:
    return _post(path, body, Transfer_Encoding="chunked", **fields)


_CHUNKS = {
    "one": b"5\r\nhello\r\n0\r\n\r\n",
    "two": b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    "none": b"0\r\n\r\n",
    "hex": b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "zeros": b"0005\r\nhello\r\n000\r\n\r\n",
    "extension": b"5;a=b\r\nhello\r\n0;last\r\n\r\n",
    "extension-quoted": b'5;a="b c";d\r\nhello\r\n0\r\n\r\n',
    "trailer": b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n",
    "trailers": b"5\r\nhello\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n",
}

_FORMS = {
    "simple": b"a=1&b=2",
    "empty": b"",
    "blank-values": b"a=&b&c=3",
    "duplicates": b"a=1&b=2&a=3",
    "plus": b"a=b+c&d=e%2Bf",
    "encoded": b"%C3%A9=%E2%98%83&a%26b=c%3Dd",
    "raw-utf-8": "é=☃".encode(),
    "bad-escape": b"a=%zz&b=%&c=%2",
    "bad-utf-8": b"a=%FF&b=%C3",
    "semicolon": b"a=1;b=2",
    "ampersands": b"&&a=1&&b=2&",
    "equals": b"a=b=c&=d&=",
    "newline": b"a=1&b=2\r\n",
    "newline-inside": b"a=1\r\n2&b=2",
    "nul": b"a=%00&b=\x00",
    "blank": b"a=1 2& b = 3 ",
}

_PART = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n'
_END = b"--B--\r\n"


def _part(disposition: bytes, data: bytes, *more: bytes) -> bytes:
    lines = b"".join(line + b"\r\n" for line in more)
    return (
        b"--B\r\nContent-Disposition: " + disposition + b"\r\n" + lines + b"\r\n" + data + b"\r\n"
    )


_MULTIPARTS = {
    "text": _PART + _END,
    "no-last-crlf": _PART + b"--B--",
    "two": _PART + _part(b'form-data; name="b"', b"two") + _END,
    "duplicates": _PART + _part(b'form-data; name="a"', b"two") + _END,
    "empty-value": _part(b'form-data; name="a"', b"") + _END,
    "no-parts": _END,
    "preamble": b"preamble\r\n" + _PART + _END,
    "epilogue": _PART + _END + b"epilogue\r\n",
    "file": _part(b'form-data; name="f"; filename="a.txt"', b"data", b"Content-Type: text/x-a")
    + _END,
    "file-no-type": _part(b'form-data; name="f"; filename="a.bin"', b"\x00\xff\r\n\r\n") + _END,
    "file-empty": _part(b'form-data; name="f"; filename="a.txt"', b"") + _END,
    "file-not-chosen": _part(
        b'form-data; name="f"; filename=""', b"", b"Content-Type: application/octet-stream"
    )
    + _END,
    "file-and-text": _PART
    + _part(b'form-data; name="f"; filename="a.txt"', b"data")
    + _part(b'form-data; name="c"', b"three")
    + _END,
    "file-quoted-name": _part(b'form-data; name="f"; filename="a \\"b\\".txt"', b"x") + _END,
    "file-browser-quotes": _part(b'form-data; name="f"; filename="a%22b.txt"', b"x") + _END,
    "file-backslash": _part(b'form-data; name="f"; filename="C:\\dir\\a.txt"', b"x") + _END,
    "file-utf-8-name": _part('form-data; name="f"; filename="é☃.txt"'.encode(), b"x") + _END,
    "file-star-name": _part(b"form-data; name=f; filename*=utf-8''%E2%98%83.txt", b"x") + _END,
    "file-both-names": _part(
        b"form-data; name=f; filename=a.txt; filename*=UTF-8''%C3%A9.txt", b"x"
    )
    + _END,
    "file-path-name": _part(b'form-data; name="f"; filename="../../etc/passwd"', b"x") + _END,
    "utf-8-name": _part('form-data; name="é"'.encode(), "☃".encode()) + _END,
    "token-name": _part(b"form-data; name=a", b"x") + _END,
    "charset": _part(b'form-data; name="a"', b"\xe9", b"Content-Type: text/plain; charset=latin-1")
    + _END,
    "not-text": _part(b'form-data; name="a"', b"{}", b"Content-Type: application/json") + _END,
    "bytes": _part(b'form-data; name="a"', b"\x00\xff", b"Content-Type: image/x") + _END,
    "base64": _part(b'form-data; name="a"', b"aGVsbG8=", b"Content-Transfer-Encoding: base64")
    + _END,
    "quoted-printable": _part(
        b'form-data; name="a"', b"=C3=A9=3D", b"Content-Transfer-Encoding: quoted-printable"
    )
    + _END,
    "binary": _part(b'form-data; name="a"', b"x", b"Content-Transfer-Encoding: binary") + _END,
    "lines": _part(b'form-data; name="a"', b"\r\n--A\r\n\r\n--\r\n-B\r\n") + _END,
    "boundary-inside-line": _part(b'form-data; name="a"', b"x--B y") + _END,
    "padding": b'--B  \r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--B--  \r\n',
    "header-spelling": b'--B\r\ncontent-disposition:form-data;name="a"\r\n\r\nx\r\n' + _END,
    "too-large": _part(b'form-data; name="a"', b"x" * 5000) + _END,
    "file-too-large": _part(b'form-data; name="f"; filename="a"', b"x" * 5000) + _END,
}

_TEXTS = {
    "utf-8": ("text/plain; charset=utf-8", "é☃".encode()),
    "no-charset": ("text/plain", "é☃".encode()),
    "latin-1": ("text/plain; charset=latin-1", b"\xe9"),
    "utf-16": ("text/plain; charset=utf-16", "é☃".encode("utf-16")),
    "bad-utf-8": ("text/plain", b"\xff"),
    "unknown-charset": ("text/plain; charset=nonsense", b"x"),
    "no-type": ("", b"x"),
    "bom": ("text/plain", b"\xef\xbb\xbfx"),
}

_JSONS = {
    "object": b'{"a": [1, "\xc3\xa9", null]}',
    "empty": b"",
    "bad": b"{",
    "blank": b" 1 ",
    "latin-1": b'"\xe9"',
}

_BIG = b"x" * 3_000_000


def _pipelined(*requests: bytes) -> bytes:
    return b"".join(requests)


CASES = [
    *(
        _case(f"head/{name}", request(target="/head", fields=fields))
        for name, fields in _HEADS.items()
    ),
    *(_case(f"head/raw/{name}", data) for name, data in _RAW_HEADS.items()),
    *(
        _case(f"head/protocol/{protocol}", request(target="/head?a=1", protocol=protocol))
        for protocol in PROTOCOLS
    ),
    *(
        _case(f"cookies/{name}", request(target="/cookies", fields={"Cookie": value}))
        for name, value in _COOKIES.items()
    ),
    _case(
        "cookies/two-fields",
        b"GET /cookies HTTP/1.1\r\nHost: example.test\r\nCookie: a=1\r\nCookie: b=2; a=3\r\n\r\n",
    ),
    _case(
        "cookies/latin-1",
        b"GET /cookies HTTP/1.1\r\nHost: example.test\r\nCookie: a=\xe9; b=2\r\n\r\n",
    ),
    *(
        _case(
            f"described/{name}",
            request("POST", "/described", {} if value is None else {"Content-Type": value}, b"x"),
        )
        for name, value in _CONTENT_TYPES.items()
    ),
    _case("described/no-body", request("POST", "/described")),
    _case("described/length-0", request("POST", "/described", {"Content-Length": "0"})),
    _case("described/get-with-body", request("GET", "/described", {}, b"x")),
    _case("described/chunked", _chunked("/described", _CHUNKS["one"])),
    # bodies
    *(
        _case(f"body/{path}/{framing}", make(f"/{path}"))
        for path in (
            "read",
            "size",
            "by-exactly",
            "release",
            "half",
            "ignore",
            "refuse",
            "fail",
            "stream",
        )
        for framing, make in {
            "length": lambda path: _post(path, _BODY),
            "chunked": lambda path: _chunked(path, b"%x\r\n%b\r\n0\r\n\r\n" % (len(_BODY), _BODY)),
            "none": lambda path: request("POST", path),
            "length-0": lambda path: request("POST", path, {"Content-Length": "0"}),
        }.items()
    ),
    *(
        _case(f"body/{path}/protocol/{protocol}", _post(f"/{path}", _BODY, protocol=protocol))
        for path in ("read", "ignore", "stream")
        for protocol in PROTOCOLS
    ),
    *(
        _case(f"body/{path}/get", request("GET", f"/{path}", {}, _BODY))
        for path in ("read", "ignore")
    ),
    *(
        _case(f"chunked/{path}/{name}", _chunked(f"/{path}", data))
        for path in ("read", "ignore")
        for name, data in _CHUNKS.items()
    ),
    _case("body/coding-upper-case", _post("/read", _CHUNKS["one"], Transfer_Encoding="Chunked")),
    _case("body/limit-exact", _post("/read", b"x" * 4096)),
    _case("body/limit-beyond", _post("/read", b"x" * 4097)),
    _case(
        "body/limit-beyond-chunked", _chunked("/read", b"1001\r\n" + b"x" * 4097 + b"\r\n0\r\n\r\n")
    ),
    _case("body/large-read", _post("/size", _BIG)),
    _case("body/unread-small-unrouted", _post("/nowhere", b"x" * 1000)),
    _case("body/unread-small-405", request("PUT", "/only-post", {}, b"x" * 1000)),
    _case("body/unread-100k", _post("/ignore", b"x" * 100_000)),
    _case(
        "body/unread-100k-chunked",
        _chunked("/ignore", b"%x\r\n%b\r\n0\r\n\r\n" % (100_000, b"x" * 100_000)),
    ),
    _case("body/unread-3m", _post("/ignore", _BIG)),
    _case("body/unread-3m-unrouted", _post("/nowhere", _BIG)),
    _case(
        "body/unread-3m-chunked",
        _chunked("/ignore", b"%x\r\n%b\r\n0\r\n\r\n" % (len(_BIG), _BIG)),
    ),
    _case("body/unread-close", _post("/ignore", b"x" * 1000, Connection="close")),
    # text and json
    *(
        _case(f"text/{name}", _post("/text", body, **({"Content_Type": kind} if kind else {})))
        for name, (kind, body) in _TEXTS.items()
    ),
    *(
        _case(f"json/{name}", _post("/json", body, Content_Type="application/json"))
        for name, body in _JSONS.items()
    ),
    # forms
    *(
        _case(f"form/{name}", _post("/post", body, Content_Type=_FORM))
        for name, body in _FORMS.items()
    ),
    _case("form/no-type", _post("/post", b"a=1")),
    _case("form/empty-type", _post("/post", b"a=1", Content_Type="")),
    _case("form/other-type", _post("/post", b"a=1", Content_Type="text/plain")),
    _case("form/upper-case-type", _post("/post", b"a=1", Content_Type=_FORM.upper())),
    _case(
        "form/charset", _post("/post", b"a=%E9&b=\xe9", Content_Type=f"{_FORM}; charset=latin-1")
    ),
    _case("form/many-fields", _post("/post", b"&".join([b"a"] * 1001), Content_Type=_FORM)),
    _case("form/most-fields", _post("/post", b"&".join([b"a"] * 1000), Content_Type=_FORM)),
    _case("form/too-large", _post("/post", b"a=" + b"x" * 4095, Content_Type=_FORM)),
    *(
        _case(f"form/method/{method}", request(method, "/post", {"Content-Type": _FORM}, b"a=1"))
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")
    ),
    *(
        _case(
            f"multipart/{name}",
            _post("/post", body, Content_Type="multipart/form-data; boundary=B")
            if body
            else request(
                "POST",
                "/post",
                {"Content-Type": "multipart/form-data; boundary=B", "Content-Length": "0"},
            ),
        )
        for name, body in _MULTIPARTS.items()
    ),
    *(
        _case(f"multipart/type/{name}", _post("/post", _PART + _END, Content_Type=kind))
        for name, kind in {
            "quoted": 'multipart/form-data; boundary="B"',
            "upper-case": "Multipart/Form-Data; Boundary=B",
            "mixed": "multipart/mixed; boundary=B",
            "charset": "multipart/form-data; boundary=B; charset=utf-8",
        }.items()
    ),
    _case(
        "multipart/chunked",
        _chunked(
            "/post",
            b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(_PART), _PART, len(_END), _END),
            Content_Type="multipart/form-data; boundary=B",
        ),
    ),
    # expectations
    *(
        _case(
            f"expect/waits/{path}",
            request("POST", f"/{path}", {"Expect": "100-continue", "Content-Length": "5"}),
            behind_continue=b"hello",
        )
        for path in ("read", "text", "stream", "size", "expect-own", "expect-answering")
    ),
    *(
        _case(
            f"expect/waits-in-vain/{path}",
            request("POST", f"/{path}", {"Expect": "100-continue", "Content-Length": "5"}),
            behind_continue=b"hello",
        )
        for path in ("ignore", "refuse", "nowhere", "fail", "post")
    ),
    *(
        _case(f"expect/sends/{path}", _post(f"/{path}", b"hello", Expect="100-continue"))
        for path in ("read", "ignore", "nowhere", "expect-own", "expect-answering")
    ),
    _case("expect/other", _post("/read", b"hello", Expect="something")),
    _case("expect/other-unrouted", _post("/nowhere", b"hello", Expect="something")),
    _case("expect/upper-case", _post("/read", b"hello", Expect="100-Continue")),
    _case("expect/no-body", request("GET", "/read", {"Expect": "100-continue"})),
    _case("expect/1.0", _post("/read", b"hello", Expect="100-continue", protocol="1.0")),
    _case("expect/1.0-other", _post("/read", b"hello", Expect="something", protocol="1.0")),
    # pipelines
    _case(
        "pipeline/three",
        _pipelined(request(target="/head?1"), request(target="/head?2"), request(target="/head?3")),
        "GET",
        "GET",
        "GET",
    ),
    _case(
        "pipeline/with-bodies",
        _pipelined(_post("/read", b"one"), _chunked("/read", _CHUNKS["two"]), _post("/text", b"3")),
        "POST",
        "POST",
        "POST",
    ),
    _case(
        "pipeline/unread-bodies",
        _pipelined(
            _post("/ignore", b"GET / HTTP/1.1\r\n\r\n"),
            _chunked("/refuse", _CHUNKS["extension"]),
            request(target="/head"),
        ),
        "POST",
        "POST",
        "GET",
    ),
    _case(
        "pipeline/trailers",
        _pipelined(_chunked("/read", _CHUNKS["trailers"]), request(target="/head")),
        "POST",
        "GET",
    ),
    _case(
        "pipeline/head-between",
        _pipelined(
            request(target="/head?1"), request("HEAD", "/head?2"), request(target="/nowhere")
        ),
        "GET",
        "HEAD",
        "GET",
    ),
    _case(
        "pipeline/error-first",
        _pipelined(request(target="/fail"), request(target="/head")),
        "GET",
        "GET",
    ),
    _case(
        "pipeline/streams",
        _pipelined(_post("/stream", b"one"), _post("/stream", b"two"), request(target="/head")),
        "POST",
        "POST",
        "GET",
    ),
    _case(
        "pipeline/fifty",
        _pipelined(*(request(target=f"/described?{n}") for n in range(50))),
        *["GET"] * 50,
    ),
    _case(
        "pipeline/crlf-between",
        _pipelined(request(target="/head?1"), b"\r\n", request(target="/head?2")),
        "GET",
        "GET",
    ),
    _case(
        "pipeline/1.0-keep-alive-then-1.1",
        _pipelined(
            request(target="/described", protocol="1.0-keep-alive"), request(target="/head")
        ),
        "GET",
        "GET",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_requests_are_seen_as_in_aiohttp(case: Case) -> None:
    """The echo of heads and bodies, and the life of the connection, are the same."""
    await compare(case)
