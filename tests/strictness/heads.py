"""Faults of request lines, targets, versions and hosts (RFC 9112 sections 2 and 3)."""

from collections.abc import Iterator

from .cases import Case
from .messages import get, refused, seen, served

__all__ = ["list_hosts", "list_request_lines", "list_targets", "list_versions"]

_LINE = "RFC 9112 section 3"
_DELIMITERS = b'"(),/:;<=>?@[\\]{}'


def list_request_lines() -> Iterator[Case]:
    """Each part of a request line missing, doubled, or with what may not stand in it."""
    for name, line in _BAD_LINES.items():
        yield refused(f"request-line/{name}", _LINE, get(line=line))
    for code in _DELIMITERS:
        line = b"GE%cT /case HTTP/1.1" % code
        yield refused(f"request-line/method-{code:#04x}", "RFC 9110 section 5.6.2", get(line=line))
    for method in ("get", "Get", "post", "options", "connect", "gET"):
        line = method.encode() + b" /case HTTP/1.1"
        yield refused(f"request-line/method-{method}", "RFC 9110 section 9.1", get(line=line))
    for size in (33, 64, 1000, 8000):
        line = b"M" * size + b" /case HTTP/1.1"
        name = f"request-line/method-of-{size}"
        yield refused(name, "RFC 9112 section 3 (501)", get(line=line), 501)
    for method in ("PATCH", "M-SEARCH", "UPDATEREDIRECTREF", "X!#$%&'*+.^_`|~0", "BREW"):
        line = method.encode() + b" /case HTTP/1.1"
        yield served(
            f"request-line/good-method-{method}", _LINE, get(line=line), seen(method=method)
        )
    yield served("request-line/one-empty-line", "RFC 9112 section 2.2", b"\r\n" + get(), seen())
    for name, prefix in _BAD_PREFIXES.items():
        yield refused(f"request-line/{name}", "RFC 9112 section 2.2", prefix + get())


_BAD_LINES = {
    "empty-target": b"GET  HTTP/1.1",
    "two-blanks-before-target": b"GET  /case HTTP/1.1",
    "two-blanks-before-version": b"GET /case  HTTP/1.1",
    "blank-in-front": b" GET /case HTTP/1.1",
    "tab-in-front": b"\tGET /case HTTP/1.1",
    "blank-behind": b"GET /case HTTP/1.1 ",
    "tab-behind": b"GET /case HTTP/1.1\t",
    "tabs-between": b"GET\t/case\tHTTP/1.1",
    "tab-before-version": b"GET /case\tHTTP/1.1",
    "blank-in-target": b"GET /ca se HTTP/1.1",
    "version-twice": b"GET /case HTTP/1.1 HTTP/1.1",
    "no-version": b"GET /case",
    "no-version-but-blank": b"GET /case ",
    "only-method": b"GET",
    "method-and-version": b"GET HTTP/1.1",
    "no-method": b"/case HTTP/1.1",
    "blank-for-method": b" /case HTTP/1.1",
    "only-version": b"HTTP/1.1",
    "answer": b"HTTP/1.1 200 OK",
    "field-for-line": b"Host: other.test",
    "method-non-ascii": b"G\xc3\x89T /case HTTP/1.1",
    "method-latin-1": b"G\xc9T /case HTTP/1.1",
    "method-quoted": b'"GET" /case HTTP/1.1',
    "percent-for-blank": b"GET%20/case%20HTTP/1.1",
    "non-breaking-blank": b"GET\xa0/case\xa0HTTP/1.1",
    "next-line": b"GET\x85/case\x85HTTP/1.1",
}
_BAD_PREFIXES = {
    "two-empty-lines": b"\r\n\r\n",
    "three-empty-lines": b"\r\n\r\n\r\n",
    "bare-lf-in-front": b"\n",
    "bare-cr-in-front": b"\r",
    "lf-cr-in-front": b"\n\r",
    "cr-cr-lf-in-front": b"\r\r\n",
    "blank-line-in-front": b" \r\n",
    "nul-in-front": b"\0",
    "byte-order-mark": b"\xef\xbb\xbf",
    "tls-greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "http-2-settings": b"\x00\x00\x00\x04\x00\x00\x00\x00\x00\r\n\r\n",
    "answer-in-front": b"HTTP/1.1 200 OK\r\n\r\n",
}

_TARGET = "RFC 9112 section 3.2"
_AUTHORITY = "RFC 3986 section 3.2"


def list_targets() -> Iterator[Case]:
    """The four forms, each where it may and may not stand."""
    for name, line in _BAD_TARGETS.items():
        yield refused(f"target/{name}", _TARGET, get(line=line + b" HTTP/1.1"))
    for name, authority in _BAD_AUTHORITIES.items():
        line = b"GET http://" + authority + b"/case HTTP/1.1"
        source = "CVE-2022-33124 (aiohttp)" if name in _ADVISED else _AUTHORITY
        yield refused(f"target/absolute-{name}", source, get(line=line))
    for name, port in _BAD_PORTS.items():
        line = b"CONNECT strict.test" + port + b" HTTP/1.1"
        yield refused(f"target/connect-{name}", "RFC 9112 section 3.2.3", get(line=line))
    for name, target in _GOOD_TARGETS.items():
        line = b"GET " + target.encode() + b" HTTP/1.1"
        yield served(f"target/good-{name}", _TARGET, get(line=line), seen(target=target))
    for name, authority in _GOOD_AUTHORITIES.items():
        line = b"GET http://" + authority + b"/case HTTP/1.1"
        yield served(f"target/good-absolute-{name}", _AUTHORITY, get(line=line), seen())
    star = get(line=b"OPTIONS * HTTP/1.1")
    yield served(
        "target/good-star", "RFC 9112 section 3.2.4", star, seen(method="OPTIONS", target="*")
    )


_BAD_TARGETS = {
    "at-host": b"GET @strict.test",
    "at-path": b"GET @/case",
    "query-only": b"GET ?q",
    "dots": b"GET ../case",
    "dot": b"GET ./case",
    "relative": b"GET case",
    "backslash": b"GET \\case",
    "authority-of-get": b"GET strict.test:80",
    "authority-of-options": b"OPTIONS strict.test:80",
    "port-only": b"GET :80",
    "star-of-get": b"GET *",
    "star-of-post": b"POST *",
    "star-and-more": b"OPTIONS *a",
    "star-and-path": b"OPTIONS */case",
    "two-stars": b"OPTIONS **",
    "fragment": b"GET /case#part",
    "fragment-only": b"GET #part",
    "fragment-of-absolute": b"GET http://strict.test#@evil.test/case",
    "non-ascii": b"GET /caf\xc3\xa9",
    "latin-1": b"GET /caf\xe9",
    "full-width-slash": b"GET \xef\xbc\x8fcase",
    "no-host": b"GET http:///case",
    "no-host-but-query": b"GET http://?q",
    "no-host-but-port": b"GET http://:80/case",
    "only-scheme": b"GET http:",
    "only-scheme-and-slashes": b"GET http://",
    "one-slash": b"GET http:/case",
    "no-slashes": b"GET http:case",
    "other-scheme": b"GET ftp://strict.test/case",
    "web-socket-scheme": b"GET ws://strict.test/case",
    "file-scheme": b"GET file:///etc/passwd",
    "script": b"GET javascript:alert(1)",
    "scheme-and-more": b"GET xhttp://strict.test/case",
    "scheme-with-blank": b"GET http ://strict.test/case",
    "connect-path": b"CONNECT /case",
    "connect-star": b"CONNECT *",
    "connect-absolute": b"CONNECT http://strict.test:443/",
    "connect-user": b"CONNECT user@strict.test:443",
    "connect-with-path": b"CONNECT strict.test:443/case",
    "connect-no-host": b"CONNECT :443",
}
# They stand in absolute targets and in Host alike.
_BAD_AUTHORITIES = {
    "user": b"user@strict.test",
    "user-and-password": b"user:secret@strict.test",
    "empty-user": b"@strict.test",
    "two-users": b"a@b@strict.test",
    "port-letters": b"strict.test:http",
    "port-65536": b"strict.test:65536",
    "port-99999": b"strict.test:99999",
    "port-of-20-digits": b"strict.test:" + b"9" * 20,
    "port-minus": b"strict.test:-1",
    "port-plus": b"strict.test:+80",
    "port-underscore": b"strict.test:8_0",
    "port-other-digits": b"strict.test:\xd9\xa3",
    "two-ports": b"strict.test:80:80",
    "open-bracket": b"[::1",
    "close-bracket": b"::1]",
    "empty-brackets": b"[]",
    "no-brackets": b"1::1",
    "name-in-brackets": b"[strict.test]",
    "five-digits-in-brackets": b"[12345::1]",
    "two-gaps-in-brackets": b"[1::2::3]",
    "nine-groups-in-brackets": b"[1:2:3:4:5:6:7:8:9]",
    "ipv4-in-brackets": b"[127.0.0.1]",
    "dots-in-brackets": b"[....]",
    "future-address": b"[v1.a]",
    "zone-unescaped": b"[fe80::1%eth0]",
    "behind-brackets": b"[::1]evil.test",
    "bad-percent": b"strict%zz.test",
    "half-percent": b"strict%4",
    "backslash": b"strict.test\\evil.test",
    "angle": b"<strict.test>",
    "quotes": b'"strict.test"',
    "caret": b"strict^test",
    "pipe": b"strict|test",
    "braces": b"{strict.test}",
    "non-ascii": b"str\xc3\xafct.test",
    "latin-1": b"str\xefct.test",
    # What cannot be decoded hung one server, and is an error to whoever asks for the URL.
    "idna-undecodable": b"xn--a-ecp.ru",
    "idna-upper-case": b"XN--A-ECP.ru:80",
    "idna-empty": b"xn--.test",
    "idna-junk": b"xn--99999999999.test",
}
_ADVISED = {"open-bracket", "close-bracket", "two-gaps-in-brackets", "idna-undecodable"}
_BAD_PORTS = {
    "no-port": b"",
    "empty-port": b":",
    "port-letters": b":https",
    "port-65536": b":65536",
    "port-of-20-digits": b":" + b"4" * 20,
}
_GOOD_TARGETS = {
    "root": "/",
    "two-slashes": "//case",
    "dots": "/a/../b",
    "query": "/case?q=1&r=//x",
    "absolute-in-path": "/http://evil.test/",
    "absolute-in-query": "/?http://evil.test/",
    "at": "/@evil.test",
    "escapes": "/%2e%2e/%00",
    "bad-escape": "/%zz",
    "visible-ascii": "/\"<>[]\\^`{|}~!$&'()*+,;=:@%",
}
_GOOD_AUTHORITIES = {
    "same-as-host": b"strict.test",
    "other-than-host": b"other.test:8080",
    "empty-port": b"strict.test:",
    "ipv6": b"[::1]:80",
    "ipv6-and-ipv4": b"[::ffff:127.0.0.1]",
    "ipv6-zone": b"[fe80::1%25eth0]",
    "escape": b"strict%2Dtest",
    "sub-delimiters": b"a!$&'()*+,;=b",
    "dots": b"a..b",
    "long-label": b"a" * 200,
    "idna": b"xn--strae-oqa.de:80",
}

_VERSION = "RFC 9112 section 2.3"


def list_versions() -> Iterator[Case]:
    """1.0 and 1.1 are served; 505 for other majors, 400 for what is no version."""
    for version in _OTHER_MAJORS:
        line = b"GET /case HTTP/" + version.encode()
        yield refused(f"version/{version}", _VERSION, get(line=line), 505)
    for name, word in _NO_VERSIONS.items():
        yield refused(f"version/{name}", _VERSION, get(line=b"GET /case " + word))
    for minor in "29":
        data = get(line=b"GET /case HTTP/1." + minor.encode())
        either = (
            *served("", "", data, seen()).allowed,
            *refused("", "", data, 505).allowed,
        )
        yield Case(f"version/1.{minor}", "RFC 9110 section 2.5", data, either)
    old = get(line=b"GET /case HTTP/1.0")
    yield served("version/1.0", "RFC 9112 section 9.3", old, seen(), goes_on=False)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield refused("version/http-2-preface", "RFC 9113 section 3.4", preface, 505)


_OTHER_MAJORS = ["0.0", "0.9", "2.0", "2.1", "3.0", "9.9"]
_NO_VERSIONS = {
    "two-digits": b"HTTP/1.10",
    "two-digits-minor-1": b"HTTP/1.11",
    "two-digits-major": b"HTTP/11.1",
    "leading-zero": b"HTTP/01.1",
    "leading-zero-minor": b"HTTP/1.01",
    "lower-case": b"http/1.1",
    "mixed-case": b"Http/1.1",
    "no-minor": b"HTTP/1",
    "no-minor-but-dot": b"HTTP/1.",
    "no-major": b"HTTP/.1",
    "no-digits": b"HTTP/",
    "no-slash": b"HTTP1.1",
    "three-parts": b"HTTP/1.1.1",
    "comma": b"HTTP/1,1",
    "minus": b"HTTP/-1.1",
    "plus": b"HTTP/+1.1",
    "hex": b"HTTP/1.a",
    "letters": b"HTTP/x.y",
    "blank-inside": b"HTTP/1. 1",
    "blank-behind-slash": b"HTTP/ 1.1",
    "other-digits": b"HTTP/\xd9\xa1.\xd9\xa1",
    "superscript": b"HTTP/1.\xb9",
    "other-name": b"HTTPS/1.1",
    "misspelt": b"HTTQ/1.1",
    "icy": b"ICY/1.1",
    "quoted": b'"HTTP/1.1"',
}

_HOST = "RFC 9112 section 3.2"


def list_hosts() -> Iterator[Case]:
    """One Host, and that a host."""
    for name, value in {**_BAD_AUTHORITIES, **_BAD_HOSTS}.items():
        source = "CVE-2026-48710 (starlette)" if name in ("path", "query") else _HOST
        yield refused(f"host/{name}", source, get(host=b"Host: " + value))
    for name, lines in _HOST_LINES.items():
        yield refused(f"host/{name}", "CVE-2026-34525 (aiohttp)", get(host=b"\r\n".join(lines)))
    absent = b"GET /case HTTP/1.1\r\nX-A: 1\r\n\r\n"
    yield refused("host/absent", _HOST, absent)
    yield refused("host/absent-and-no-field", _HOST, b"GET /case HTTP/1.1\r\n\r\n")
    absolute = get(b"Host: other.test", line=b"GET http://strict.test/case HTTP/1.1")
    yield refused("host/two-beside-an-absolute-target", _HOST, absolute)
    old = b"GET /case HTTP/1.0\r\n\r\n"
    yield served("host/absent-in-1.0", _HOST, old, seen(host=None), goes_on=False)
    two = get(b"Host: other.test", line=b"GET /case HTTP/1.0")
    yield refused("host/two-in-1.0", _HOST, two)
    for name, value in _GOOD_HOSTS.items():
        data = get(host=b"Host: " + value)
        yield served(f"host/good-{name}", _HOST, data, seen(host=value))


_BAD_HOSTS = {
    "blank-inside": b"strict test",
    "tab-inside": b"strict\ttest",
    "list": b"strict.test, other.test",
    "path": b"strict.test/admin",
    "query": b"strict.test?admin",
    "fragment": b"strict.test#admin",
    "url": b"http://strict.test",
    "slash": b"/",
}
_HOST_LINES = {
    "two": [b"Host: strict.test", b"Host: other.test"],
    "two-equal": [b"Host: strict.test", b"Host: strict.test"],
    "two-other-case": [b"Host: strict.test", b"hOST: other.test"],
    "two-apart": [b"Host: strict.test", b"X-A: 1", b"Host: other.test"],
    "second-empty": [b"Host: strict.test", b"Host:"],
    "first-empty": [b"Host:", b"Host: strict.test"],
    "three": [b"Host: a", b"Host: b", b"Host: c"],
}
_GOOD_HOSTS = {
    "port": b"strict.test:8080",
    "port-65535": b"strict.test:65535",
    "empty-port": b"strict.test:",
    "ipv4": b"127.0.0.1",
    "ipv6": b"[::1]",
    "ipv6-port": b"[2001:db8::1]:443",
    "underscore": b"strict_test",
    "upper-case": b"STRICT.Test",
    "empty": b"",
    "idna": b"xn--strae-oqa.de",
}
