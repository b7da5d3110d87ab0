"""What is no request is refused like in aiohttp, in a kind of words of its own."""

import pytest

from differential.echoes import build_intake
from differential.frame import Call, Case, compare
from differential.transcript import View

_HOST = b"Host: example.test\r\n"


def _get(*fields: bytes, line: bytes = b"GET /described HTTP/1.1") -> bytes:
    return b"\r\n".join([line, b"Host: example.test", *fields, b"", b""])


def _post(*fields: bytes, body: bytes = b"", path: bytes = b"/read") -> bytes:
    return _get(*fields, line=b"POST " + path + b" HTTP/1.1") + body


_CHUNKED = b"Transfer-Encoding: chunked"

REQUESTS = {
    "line/empty-target": b"GET  HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/no-version": b"GET /described\r\n" + _HOST + b"\r\n",
    "line/two-blanks": b"GET  /described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/blank-behind": b"GET /described HTTP/1.1 \r\n" + _HOST + b"\r\n",
    "line/blank-in-target": b"GET /des cribed HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/tab": b"GET\t/described\tHTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/leading-blank": b" GET /described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/two-leading-crlf": b"\r\n\r\nGET /described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/junk": b"\x00\x01\x02\x03\r\n\r\n",
    "line/tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 30 + b"\r\n\r\n",
    "line/http-2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "line/method-not-token": b"G(T /described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/method-non-ascii": b"G\xc3\x89T /described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/non-ascii-target": b"GET /\xc3\xa9 HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/control-in-target": b"GET /a\x01b HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/relative-target": b"GET described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/star-of-get": b"GET * HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/absolute-no-host": b"GET http:///described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/absolute-bad-port": b"GET http://a:b/described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/absolute-port-only": b"GET http://:80/described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/authority-of-get": b"GET example.test:80 HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/other-scheme": b"GET ftp://example.test/described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/connect-path": b"CONNECT /described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/connect-no-port": b"CONNECT example.test HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/user": b"GET http://user@example.test/described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/fragment": b"GET /described#part HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/method-lower-case": b"get /described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/method-unknown": b"XYZ /described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "line/connect": b"CONNECT example.test:80 HTTP/1.1\r\n" + _HOST + b"\r\n",
    "version/1.2": b"GET /described HTTP/1.2\r\n" + _HOST + b"\r\n",
    "version/2.0": b"GET /described HTTP/2.0\r\n" + _HOST + b"\r\n",
    "version/0.9": b"GET /described HTTP/0.9\r\n" + _HOST + b"\r\n",
    "version/1": b"GET /described HTTP/1\r\n" + _HOST + b"\r\n",
    "version/1.10": b"GET /described HTTP/1.10\r\n" + _HOST + b"\r\n",
    "version/01.1": b"GET /described HTTP/01.1\r\n" + _HOST + b"\r\n",
    "version/lower-case": b"GET /described http/1.1\r\n" + _HOST + b"\r\n",
    "version/other": b"GET /described HTTPS/1.1\r\n" + _HOST + b"\r\n",
    "host/absent": b"GET /described HTTP/1.1\r\n\r\n",
    "host/twice": _get(b"Host: example.test"),
    "host/twice-other-case": _get(b"HOST: other.test"),
    "host/blank-inside": b"GET /described HTTP/1.1\r\nHost: a b\r\n\r\n",
    "host/path": b"GET /described HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "host/user": b"GET /described HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "host/bad-port": b"GET /described HTTP/1.1\r\nHost: a:b\r\n\r\n",
    "host/octet-too-large": b"GET /described HTTP/1.1\r\nHost: [::256.1.1.1]\r\n\r\n",
    "host/literal-of-junk": b"GET /described HTTP/1.1\r\nHost: [zz]\r\n\r\n",
    "host/literal-open": b"GET /described HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "host/literal": b"GET /described HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "host/bad-escape": b"GET /described HTTP/1.1\r\nHost: a%zz\r\n\r\n",
    "host/escape": b"GET /described HTTP/1.1\r\nHost: a%41b\r\n\r\n",
    "host/bad-idna": b"GET /described HTTP/1.1\r\nHost: xn--a-ecp.ru\r\n\r\n",
    "host/idna": b"GET /described HTTP/1.1\r\nHost: xn--strae-oqa.de\r\n\r\n",
    "host/absolute-bad-literal": b"GET http://[zz]/described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "host/absolute-bad-escape": b"GET http://a%zz/described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "method/32": b"M" * 32 + b" /described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "method/33": b"M" * 33 + b" /described HTTP/1.1\r\n" + _HOST + b"\r\n",
    "host/comma": b"GET /described HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "field/no-colon": _get(b"X-A"),
    "field/blank-before-colon": _get(b"X-A : 1"),
    "field/empty-name": _get(b": 1"),
    "field/name-not-token": _get(b"X(A): 1"),
    "field/name-non-ascii": _get("é: 1".encode()),
    "field/leading-blank": b"GET /described HTTP/1.1\r\n X-A: 1\r\n" + _HOST + b"\r\n",
    "field/folded": _get(b"X-A: 1", b" 2"),
    "field/folded-tab": _get(b"X-A: 1", b"\t2"),
    "field/nul": _get(b"X-A: a\x00b"),
    "field/control": _get(b"X-A: a\x01b"),
    "field/del": _get(b"X-A: a\x7fb"),
    "field/bare-cr": _get(b"X-A: a\rb"),
    "field/bare-lf": _get(b"X-A: a\nX-B: b"),
    "field/lf-line-ends": b"GET /described HTTP/1.1\nHost: example.test\n\n",
    "field/content-type-twice": _get(b"Content-Type: a/b", b"content-type: c/d"),
    "length/twice": _post(b"Content-Length: 1", b"Content-Length: 1", body=b"x"),
    "length/two-values": _post(b"Content-Length: 1, 1", body=b"x"),
    "length/plus": _post(b"Content-Length: +1", body=b"x"),
    "length/minus": _post(b"Content-Length: -1", body=b"x"),
    "length/underscore": _post(b"Content-Length: 1_0", body=b"x" * 10),
    "length/hex": _post(b"Content-Length: 0x1", body=b"x"),
    "length/blank": _post(b"Content-Length: 1 1", body=b"x"),
    "length/empty": _post(b"Content-Length:", body=b""),
    "length/huge": _post(b"Content-Length: " + b"9" * 30),
    "length/other-digits": _post("Content-Length: ٣".encode()),
    "length/leading-zeros": _post(b"Content-Length: 001", body=b"x"),
    "coding/with-length": _post(_CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"),
    "coding/with-length-first": _post(b"Content-Length: 5", _CHUNKED, body=b"0\r\n\r\n"),
    "coding/twice": _post(_CHUNKED, _CHUNKED, body=b"0\r\n\r\n"),
    "coding/unknown": _post(b"Transfer-Encoding: xyz", body=b"0\r\n\r\n"),
    "coding/identity": _post(b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "coding/not-last": _post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"),
    "coding/gzip-chunked": _post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "coding/vertical-tab": _post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "coding/comma": _post(b"Transfer-Encoding: chunked,", body=b"0\r\n\r\n"),
    "coding/1.0": b"POST /read HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk/size-not-hex": _post(_CHUNKED, body=b"x\r\nhello\r\n0\r\n\r\n"),
    "chunk/size-empty": _post(_CHUNKED, body=b"\r\nhello\r\n0\r\n\r\n"),
    "chunk/size-minus": _post(_CHUNKED, body=b"-5\r\nhello\r\n0\r\n\r\n"),
    "chunk/size-0x": _post(_CHUNKED, body=b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk/size-underscore": _post(_CHUNKED, body=b"0_5\r\nhello\r\n0\r\n\r\n"),
    "chunk/size-huge": _post(_CHUNKED, body=b"f" * 40 + b"\r\nhello\r\n0\r\n\r\n"),
    "chunk/leading-blank": _post(_CHUNKED, body=b" 5\r\nhello\r\n0\r\n\r\n"),
    "chunk/too-long": _post(_CHUNKED, body=b"4\r\nhello\r\n0\r\n\r\n"),
    "chunk/lf-line-ends": _post(_CHUNKED, body=b"5\nhello\n0\n\n"),
    "chunk/bare-cr-in-extension": _post(_CHUNKED, body=b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "chunk/extension": _post(_CHUNKED, body=b'5;a=b;c="d;e"\r\nhello\r\n0\r\n\r\n'),
    "chunk/extension-no-name": _post(_CHUNKED, body=b"5;=b\r\nhello\r\n0\r\n\r\n"),
    "chunk/extension-no-value": _post(_CHUNKED, body=b"5;a=\r\nhello\r\n0\r\n\r\n"),
    "chunk/extension-open-quote": _post(_CHUNKED, body=b'5;a="b\r\nhello\r\n0\r\n\r\n'),
    "chunk/extension-no-token": _post(_CHUNKED, body=b"5;a(b\r\nhello\r\n0\r\n\r\n"),
    "chunk/extension-of-last": _post(_CHUNKED, body=b"5\r\nhello\r\n0;=\r\n\r\n"),
    "chunk/trailers-long": _post(
        _CHUNKED, body=b"5\r\nhello\r\n0\r\n" + b"A: %s\r\n" % (b"a" * 8000) * 12 + b"\r\n"
    ),
    "coding/gzip-and-deflate": _post(
        *(b"Content-Encoding: gzip", b"Content-Encoding: deflate", b"Content-Length: 5"),
        body=b"hello",
    ),
    "coding/identity-twice": _post(
        *(b"Content-Encoding: identity", b"Content-Encoding: identity", b"Content-Length: 5"),
        body=b"hello",
    ),
    "chunk/lf-in-extension": _post(_CHUNKED, body=b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    "chunk/blank-before-extension": _post(_CHUNKED, body=b"5 ;a\r\nhello\r\n0\r\n\r\n"),
    "chunk/trailer-length": _post(_CHUNKED, body=b"5\r\nhello\r\n0\r\nContent-Length: 7\r\n\r\n"),
    "chunk/trailer-coding": _post(
        _CHUNKED, body=b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"
    ),
    "chunk/bad-trailer": _post(_CHUNKED, body=b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n"),
    "chunk/unread-bad-size": _post(_CHUNKED, body=b"x\r\nhello\r\n0\r\n\r\n", path=b"/ignore"),
    "chunk/unread-too-long": _post(_CHUNKED, body=b"4\r\nhello\r\n0\r\n\r\n", path=b"/ignore"),
    "size/line": b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n",
    "size/field": _get(b"X-A: " + b"x" * 9000),
    "size/name": _get(b"X" * 9000 + b": a"),
    "size/fields": _get(*[b"X-A: a"] * 200),
    "size/head": _get(*[b"X-A: " + b"x" * 8000] * 20),
    "size/line-without-end": b"GET /" + b"x" * 20000,
    "size/field-without-end": b"GET /described HTTP/1.1\r\nX-A: " + b"x" * 20000,
}

_PART = b'--B\r\nContent-Disposition: form-data; name="a"\r\n'
_END = b"\r\n--B--\r\n"
_MULTIPART = "multipart/form-data; boundary=B"
_URLENCODED = "application/x-www-form-urlencoded"

# Content-Type and body of what says that it is a form.
FORMS = {
    "no-name": (_MULTIPART, b"--B\r\nContent-Disposition: form-data\r\n\r\nx" + _END),
    "no-disposition": (_MULTIPART, b"--B\r\n\r\nx" + _END),
    "not-text": (_MULTIPART, _PART + b"\r\n\xff" + _END),
    "unknown-charset-of-part": (
        _MULTIPART,
        _PART + b"Content-Type: text/plain; charset=nonsense\r\n\r\nx" + _END,
    ),
    "unterminated": (_MULTIPART, _PART + b"\r\nx\r\n"),
    "cut-in-header": (_MULTIPART, b"--B\r\nContent-Dispo"),
    "header-without-colon": (_MULTIPART, _PART + b"junk\r\n\r\nx" + _END),
    "nested": (
        _MULTIPART,
        _PART + b"Content-Type: multipart/mixed; boundary=C\r\n\r\n--C--\r\n" + _END,
    ),
    "no-boundary-in-body": (_MULTIPART, b"nothing of the kind"),
    "empty": (_MULTIPART, b""),
    "no-boundary": ("multipart/form-data", _PART + b"\r\nx" + _END),
    "empty-boundary": ("multipart/form-data; boundary=", _PART + b"\r\nx" + _END),
    "long-boundary": ("multipart/form-data; boundary=" + "B" * 71, _PART + b"\r\nx" + _END),
    "other-boundary": ("multipart/form-data; boundary=C", _PART + b"\r\nx" + _END),
    "unknown-charset": (f"{_URLENCODED}; charset=nonsense", b"a=1"),
    "not-text-urlencoded": (_URLENCODED, b"a=\xff"),
}

BODIES = {
    "json": (b"/json", "application/json", b"{bad"),
    "json-empty": (b"/json", "application/json", b""),
    "json-not-text": (b"/json", "application/json", b'"\xff"'),
    "json-nested": (b"/json", "application/json", b"[" * 4000),
    "text": (b"/text", "text/plain", b"\xff"),
    "text-unknown-charset": (b"/text", "text/plain; charset=nonsense", b"x"),
    "text-of-no-charset": (b"/text", "text/plain; charset=rot13", b"x"),
}

PIPELINES = {
    "behind-close": (
        _get(b"Connection: close") + _get(),
        ("GET", "GET"),
    ),
    "behind-1.0": (b"GET /described HTTP/1.0\r\n\r\n" + _get(), ("GET", "GET")),
    "junk-behind": (_get() + b"\x00junk\r\n\r\n", ("GET", "GET")),
    "malformed-behind": (_get() + _get(b"X-A : 1"), ("GET", "GET")),
    "malformed-behind-two": (_get() + _get() + _get(b"X-A : 1"), ("GET", "GET", "GET")),
}


def _form(kind: str, body: bytes, path: bytes = b"/post") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return _post(b"Content-Type: " + kind.encode(), length, body=body, path=path)


CASES = [
    *(
        Case(f"malformed/{name}", build_intake, Call(data), View.OUTCOME)
        for name, data in REQUESTS.items()
    ),
    *(
        Case(f"malformed/form/{name}", build_intake, Call(_form(*form)), View.OUTCOME)
        for name, form in FORMS.items()
    ),
    *(
        Case(f"malformed/body/{name}", build_intake, Call(_form(*body, path)), View.OUTCOME)
        for name, (path, *body) in BODIES.items()
    ),
    *(
        Case(f"malformed/pipeline/{name}", build_intake, Call(*pipeline), View.OUTCOME)
        for name, pipeline in PIPELINES.items()
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_malformed_requests_fare_as_in_aiohttp(case: Case) -> None:
    """The class of the status is the same, and so is what becomes of the connection."""
    await compare(case)
