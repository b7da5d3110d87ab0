"""Faults of field lines, line ends and single bytes (RFC 9112 sections 2.2 and 5)."""

from collections.abc import Callable, Iterator

from .cases import Case
from .messages import CHUNKED, HOST, get, post, refused, seen, served, upload

__all__ = ["list_bytes", "list_fields", "list_line_ends"]

_FIELD = "RFC 9112 section 5"
_DELIMITERS = b'"(),/;<=>?@[\\]{} \t'
_SINGLETONS = [
    "Content-Location",
    "Content-Range",
    "Content-Type",
    "ETag",
    "Max-Forwards",
    "Server",
    "User-Agent",
]


def list_fields() -> Iterator[Case]:
    """Names, colons, folding, and what may stand once."""
    for name, lines in _BAD_FIELDS.items():
        yield refused(f"field/{name}", _FIELD, get(*lines))
    for code in _DELIMITERS:
        data = get(b"X%cA: 1" % code)
        yield refused(f"field/name-{code:#04x}", "CVE-2023-47627 (aiohttp)", data)
    for name, fold in _FOLDS.items():
        source = "RFC 9112 section 5.2"
        yield refused(f"field/{name}", source, get(b"X-A: 1" + fold, b"X-B: 2"))
        yield refused(f"field/{name}-at-the-end", source, get(b"X-A: 1" + fold))
        yield refused(f"field/{name}-behind-host", source, get(host=HOST + fold))
    for line in (b" X-A: 1", b"\tX-A: 1", b" ", b"\t", b" Host: other.test"):
        data = get(host=line + b"\r\n" + HOST)
        yield refused(f"field/first-is-{line.decode()!r}", "RFC 9112 section 2.2", data)
    for field in _SINGLETONS:
        line = field.encode() + b": a"
        yield refused(f"field/two-{field}", "RFC 9110 section 5.3", get(line, b"X-A: 1", line))
    for name, line, value in _GOOD_FIELDS:
        pair = (line.partition(b":")[0], value)
        yield served(f"field/good-{name}", _FIELD, get(line), seen(pair))


_BAD_FIELDS = {
    "no-colon": [b"X-A"],
    "no-colon-last": [b"X-A: 1", b"X-B"],
    "no-name": [b": 1"],
    "only-colon": [b":"],
    "blank-before-colon": [b"X-A : 1"],
    "tab-before-colon": [b"X-A\t: 1"],
    "blank-before-colon-of-length": [b"Content-Length : 5"],
    "blank-before-colon-of-coding": [b"Transfer-Encoding : chunked"],
    "blank-in-name": [b"X A: 1"],
    "name-non-ascii": ["é: 1".encode()],
    "name-latin-1": [b"\xe9: 1"],
    "name-long-s": ["Transfer-Encoding: chunked".replace("s", "ſ").encode()],
    "name-kelvin": ["\u212aeep: 1".encode()],
    "second-request-line": [b"GET /smuggled HTTP/1.1"],
    "host-with-blank": [b"Host : other.test"],
}
_FOLDS = {
    "folded": b"\r\n 2",
    "folded-by-tab": b"\r\n\t2",
    "folded-empty": b"\r\n ",
    "folded-twice": b"\r\n 2\r\n 3",
}
_GOOD_FIELDS = [
    ("no-blank", b"X-A:1", b"1"),
    ("many-blanks", b"X-A: \t 1 \t ", b"1"),
    ("empty", b"X-A:", b""),
    ("blanks-only", b"X-A: \t ", b""),
    ("colons", b"X-A: a:b:c", b"a:b:c"),
    ("leading-colon", b"X-A::", b":"),
    ("tab-inside", b"X-A: a\tb", b"a\tb"),
    ("obs-text", b"X-A: \x80\xa0\xff", b"\x80\xa0\xff"),
    ("visible", b"X-A: !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    ("odd-name", b"!#$%&'*+-.^_`|~0aZ: 1", b"1"),
    ("underscore", b"X_A: 1", b"1"),
    ("value-like-a-length", b"X-A: Content-Length: 5", b"Content-Length: 5"),
    ("name-like-a-length", b"X-Content-Length: 5", b"5"),
]

# -- line ends

_ENDS = {"lf": b"\n", "cr": b"\r", "cr-cr-lf": b"\r\r\n", "lf-cr": b"\n\r", "nul-crlf": b"\0\r\n"}
# Where each of them stands in place of CRLF. The word behind the bar says that it is in a body.
_LINES: dict[str, Callable[[bytes], bytes]] = {
    "request-line": lambda end: b"GET /case HTTP/1.1" + end + HOST + b"\r\n\r\n",
    "host": lambda end: b"GET /case HTTP/1.1\r\n" + HOST + end + b"X-A: 1\r\n\r\n",
    "last-field": lambda end: get(b"X-A: 1")[:-4] + end + b"\r\n",
    "empty-line": lambda end: get(b"X-A: 1")[:-2] + end,
    "all-lines": lambda end: get(b"X-A: 1").replace(b"\r\n", end),
    "chunk-size|": lambda end: upload(b"5" + end + b"hello\r\n0\r\n\r\n"),
    "chunk-extension|": lambda end: upload(b"5;a=b" + end + b"hello\r\n0\r\n\r\n"),
    "chunk-data|": lambda end: upload(b"5\r\nhello" + end + b"0\r\n\r\n"),
    "last-chunk|": lambda end: upload(b"5\r\nhello\r\n0" + end + b"\r\n"),
    "trailer|": lambda end: upload(b"5\r\nhello\r\n0\r\nX-A: 1" + end + b"\r\n"),
    "trailers-end|": lambda end: upload(b"5\r\nhello\r\n0\r\nX-A: 1\r\n" + end),
    "end-of-body|": lambda end: upload(b"5\r\nhello\r\n0\r\n" + end),
}
_END_SOURCES = {
    "chunk-data|": "CVE-2025-43859 (h11)",
    "chunk-size|": "CVE-2025-22871 (Go)",
    "chunk-extension|": "CVE-2024-52304 (aiohttp)",
    "empty-line": "CVE-2025-23167 (llhttp)",
    "host": "CVE-2023-30589 (llhttp)",
}


def list_line_ends() -> Iterator[Case]:
    """Each line ended by something other than CRLF."""
    for place, build in _LINES.items():
        for name, end in _ENDS.items():
            source = _END_SOURCES.get(place, "RFC 9112 section 2.2")
            what = f"line-end/{name}-of-{place.rstrip('|')}"
            yield refused(what, source, build(end), in_body="|" in place)
    spoilt = get(b"X-A: 1")[:-2] + b"\rX"
    yield refused("line-end/cr-and-letter-for-empty-line", "CVE-2025-23167 (llhttp)", spoilt)
    for tail in (b"XX", b"\r", b"X\n", b"\rX", b"  "):
        data = upload(b"5\r\nhello" + tail + b"0\r\n\r\n")
        what = f"line-end/{tail.decode()!r}-behind-chunk-data"
        yield refused(what, "CVE-2025-43859 (h11)", data, in_body=True)


# -- single bytes

_CONTROLS = [*range(0x20), 0x7F]
# Bytes that some take for blanks, digits or line ends.
_NOTABLE = [0x00, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x1C, 0x1F, 0x7F, 0x80, 0x85, 0xA0, 0xAD, 0xFF]

# Where a byte is put, which is 400 there; in front of the bar a name, behind it what holds:
# "b": it is in a body, "t": HTAB may stand there, "o": bytes above ASCII may.
_PLACES: dict[str, Callable[[bytes], bytes]] = {
    "target|": lambda byte: get(line=b"GET /ca" + byte + b"se HTTP/1.1"),
    "field-name|": lambda byte: get(b"X-" + byte + b"A: 1"),
    "value|to": lambda byte: get(b"X-A: a" + byte + b"b"),
    "extension-value|bo": lambda byte: upload(b'5;a="b' + byte + b'c"\r\nhello\r\n0\r\n\r\n'),
    "trailer-value|bto": lambda byte: upload(b"5\r\nhello\r\n0\r\nX-A: a" + byte + b"b\r\n\r\n"),
    "in-front|": lambda byte: byte + get(),
    "method|": lambda byte: get(line=b"GE" + byte + b"T /case HTTP/1.1"),
    "behind-method|": lambda byte: get(line=b"GET" + byte + b" /case HTTP/1.1"),
    "before-target|": lambda byte: get(line=b"GET " + byte + b"/case HTTP/1.1"),
    "behind-target|": lambda byte: get(line=b"GET /case" + byte + b" HTTP/1.1"),
    "version|": lambda byte: get(line=b"GET /case HTTP/1" + byte + b".1"),
    "behind-version|": lambda byte: get(line=b"GET /case HTTP/1.1" + byte),
    "before-name|": lambda byte: get(byte + b"X-A: 1"),
    "before-colon|": lambda byte: get(b"X-A" + byte + b": 1"),
    "host|": lambda byte: get(host=b"Host: strict" + byte + b"test"),
    "before-length|t": lambda byte: post(b"Content-Length:" + byte + b"5", body=b"hello"),
    "behind-length|t": lambda byte: post(b"Content-Length: 5" + byte, body=b"hello"),
    "in-length|": lambda byte: post(b"Content-Length: 0" + byte + b"5", body=b"hello"),
    "before-coding|t": lambda byte: post(
        b"Transfer-Encoding:" + byte + b"chunked", body=b"5\r\nhello\r\n0\r\n\r\n"
    ),
    "behind-coding|t": lambda byte: post(CHUNKED + byte, body=b"5\r\nhello\r\n0\r\n\r\n"),
    "before-size|b": lambda byte: upload(byte + b"5\r\nhello\r\n0\r\n\r\n"),
    "behind-size|b": lambda byte: upload(b"5" + byte + b"\r\nhello\r\n0\r\n\r\n"),
    "extension-name|b": lambda byte: upload(b"5;a" + byte + b"b\r\nhello\r\n0\r\n\r\n"),
    "trailer-name|b": lambda byte: upload(b"5\r\nhello\r\n0\r\nX-" + byte + b"A: 1\r\n\r\n"),
}
# Each control byte stands in these; in the others only those that are notable.
_THOROUGH = ["target|", "field-name|", "value|to", "extension-value|bo", "trailer-value|bto"]
_BYTE_SOURCES = {
    "value|to": "CVE-2026-34520 (aiohttp)",
    "extension-value|bo": "CVE-2021-22960 (llhttp)",
    "extension-name|b": "CVE-2021-22960 (llhttp)",
    "before-coding|t": "CVE-2019-16789 (waitress)",
    "behind-coding|t": "CVE-2019-16789 (waitress)",
    "before-length|t": "CVE-2022-24801 (twisted)",
    "in-length|": "CVE-2025-69224 (aiohttp)",
}


def list_bytes() -> Iterator[Case]:
    """Control characters, and bytes that are taken for others, at each kind of place."""
    for place, build in _PLACES.items():
        codes = sorted({*_CONTROLS, *_NOTABLE}) if place in _THOROUGH else _NOTABLE
        name, _, rules = place.partition("|")
        for code in codes:
            if not _may_stand(code, place):
                source = _BYTE_SOURCES.get(place, "RFC 9110 section 5.5")
                data = build(bytes([code]))
                yield refused(f"byte/{code:#04x}-{name}", source, data, in_body="b" in rules)


def _may_stand(code: int, place: str) -> bool:
    """Such bytes are among the good cases, or make no other message."""
    rules = place.partition("|")[2]
    if place == "extension-value|bo" and code == 0x09:
        return True
    return (code == 0x09 and "t" in rules) or (code >= 0x80 and "o" in rules)
