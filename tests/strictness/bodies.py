"""Faults of message framing: lengths, transfer codings, chunks and trailers (RFC 9112 6 and 7)."""

from collections.abc import Iterator
from dataclasses import replace

from .cases import Case
from .messages import CHUNKED, HELLO, get, post, refused, seen, served, upload

__all__ = ["list_both", "list_chunks", "list_codings", "list_lengths", "list_trailers"]

_LENGTH = "RFC 9112 section 6.3"
_CODING = "RFC 9112 section 6.1"
# What is smuggled where two servers find different ends.
_SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: strict.test\r\n\r\n"


def _length(value: bytes) -> bytes:
    return b"Content-Length: " + value


def list_lengths() -> Iterator[Case]:
    """All that is no plain number, and more than one."""
    for name, (value, source) in _BAD_LENGTHS.items():
        yield refused(f"content-length/{name}", source, post(_length(value), body=b"hello"))
        if name in ("plus", "minus", "underscore", "list", "blank-inside", "hex"):
            data = post(_length(value), body=b"hello", version=b"1.0")
            yield refused(f"content-length/{name}-in-1.0", source, data)
    for name, lines in _TWO_LENGTHS.items():
        source = "CVE-2020-10108 (twisted)"
        yield refused(f"content-length/{name}", source, post(*lines, body=b"hello"))
    for name, value in _GOOD_LENGTHS.items():
        data = post(_length(value), body=b"hello")
        field = (b"Content-Length", value.strip())
        request = seen(field, method="POST", body=b"hello")
        yield served(f"content-length/good-{name}", _LENGTH, data, request)
    for method in ("GET", "DELETE", "OPTIONS", "HEAD", "BREW"):
        data = get(_length(b"5"), line=method.encode() + b" /case HTTP/1.1") + b"hello"
        request = seen((b"Content-Length", b"5"), method=method, body=b"hello")
        name = f"content-length/body-of-{method}"
        yield served(name, "CVE-2020-35863 (hyper)", data, request)
    hidden = get(_length(b"%d" % len(_SMUGGLED))) + _SMUGGLED
    request = seen((b"Content-Length", b"%d" % len(_SMUGGLED)), body=_SMUGGLED)
    yield served("content-length/request-as-body", "CVE-2022-29361 (werkzeug)", hidden, request)
    yield served("content-length/none", _LENGTH, post(), seen(method="POST"))


_BAD_LENGTHS = {
    "plus": (b"+5", "GHSA-qppv-j76h-2rpx (tornado)"),
    "minus": (b"-5", "GHSA-qppv-j76h-2rpx (tornado)"),
    "minus-zero": (b"-0", _LENGTH),
    "underscore": (b"0_5", "CVE-2023-47627 (aiohttp)"),
    "underscore-inside": (b"5_0", "CVE-2023-47627 (aiohttp)"),
    "hex": (b"0x5", "CVE-2022-24761 (waitress)"),
    "octal": (b"0o5", _LENGTH),
    "binary": (b"0b101", _LENGTH),
    "list": (b"5, 5", "CVE-2019-16792 (waitress)"),
    "list-without-blank": (b"5,5", "CVE-2019-16792 (waitress)"),
    "list-of-others": (b"5, 6", "CVE-2019-16792 (waitress)"),
    "list-with-empty": (b"5,", _LENGTH),
    "list-empty-first": (b",5", _LENGTH),
    "semicolon": (b"5;a", _LENGTH),
    "blank-inside": (b"5 5", _LENGTH),
    "tab-inside": (b"5\t5", _LENGTH),
    "empty": (b"", _LENGTH),
    "blanks": (b" \t ", _LENGTH),
    "fraction": (b"5.0", _LENGTH),
    "exponent": (b"5e0", _LENGTH),
    "letters": (b"five", _LENGTH),
    "quoted": (b'"5"', _LENGTH),
    "arabic-digit": ("٥".encode(), "CVE-2025-69224 (aiohttp)"),
    "full-width-digit": ("５".encode(), "CVE-2025-69224 (aiohttp)"),
    "superscript": (b"\xb2", "CVE-2025-69224 (aiohttp)"),
    "letters-behind": (b"5a", _LENGTH),
    "non-breaking-blank": (b"\xa05", "CVE-2022-24801 (twisted)"),
    "19-digits": (b"9" * 19, _LENGTH),
    "2-to-the-64": (b"18446744073709551621", _LENGTH),
    "30-digits": (b"9" * 30, "h11 0.15"),
    "5000-digits": (b"9" * 5000, "h11 0.15"),
    "5000-zeros": (b"0" * 5000 + b"5", "h11 0.15"),
}
_TWO_LENGTHS = {
    "two": [_length(b"5"), _length(b"6")],
    "two-equal": [_length(b"5"), _length(b"5")],
    "two-other-case": [_length(b"5"), b"content-LENGTH: 0"],
    "two-apart": [_length(b"5"), b"X-A: 1", _length(b"0")],
    "second-empty": [_length(b"5"), _length(b"")],
    "first-bad": [_length(b"x"), _length(b"5")],
    "three": [_length(b"5")] * 3,
    "folded-in-front": [b"X-A: 1", b" Content-Length: 5"],
    "folded": [b"Content-Length:", b" 5"],
}
_GOOD_LENGTHS = {"plain": b"5", "leading-zeros": b"005", "blanks-around": b" \t5 \t"}


def list_codings() -> Iterator[Case]:
    """Chunked, once, in HTTP/1.1, or nothing."""
    for name, (value, source) in _BAD_CODINGS.items():
        line = b"Transfer-Encoding: " + value
        yield refused(f"transfer-encoding/{name}", source, post(line, body=HELLO))
    for name, value in _OTHER_CODINGS.items():
        line = b"Transfer-Encoding: " + value
        yield refused(f"transfer-encoding/{name}", _CODING, post(line, body=HELLO), 400, 501)
    for name, lines in _TWO_CODINGS.items():
        source = "CVE-2020-8287 (llhttp)"
        yield refused(f"transfer-encoding/{name}", source, post(*lines, body=HELLO))
    for value in (b"chunked", b"identity", b"gzip, chunked", b"gzip", b""):
        line = b"Transfer-Encoding: " + value
        for suffix, fields in (("", ()), ("-kept-alive", (b"Connection: keep-alive",))):
            data = post(line, *fields, body=HELLO, version=b"1.0")
            name = f"transfer-encoding/1.0-{value.decode()}{suffix}"
            yield refused(name, "RFC 9112 section 6.1 (1.0)", data, 400, 501)
    for value in (b"chunked", b"Chunked", b"CHUNKED", b" \tchunked\t "):
        data = post(b"Transfer-Encoding:" + value, body=HELLO)
        pair = (b"Transfer-Encoding", value.strip())
        name = f"transfer-encoding/good-{value.decode()!r}"
        yield served(name, "RFC 9112 section 7", data, seen(pair, method="POST", body=b"hello"))


_BAD_CODINGS = {
    "identity": (b"identity", _CODING),
    "gzip": (b"gzip", "CVE-2024-6827 (gunicorn)"),
    "unknown": (b"xyz", "CVE-2024-6827 (gunicorn)"),
    "empty": (b"", _CODING),
    "x-in-front": (b"xchunked", "CVE-2019-16786 (waitress)"),
    "x-behind": (b"chunkedx", "CVE-2019-16786 (waitress)"),
    "blank-inside": (b"chunk ed", _CODING),
    "two-words": (b"chunked identity", "CVE-2022-32213 (llhttp)"),
    "quoted": (b'"chunked"', _CODING),
    "single-quoted": (b"'chunked'", _CODING),
    "parameter": (b"chunked;a=b", _CODING),
    "colon": (b": chunked", _CODING),
    "null": (b"null", _CODING),
    "not-last": (b"chunked, gzip", "CVE-2022-32213 (llhttp)"),
    "before-identity": (b"chunked, identity", "CVE-2024-1135 (gunicorn)"),
    "twice": (b"chunked, chunked", "RFC 9112 section 7.1"),
    "comma-behind": (b"chunked,", _CODING),
    "long-s": ("chunked".replace("k", "\u212a").encode(), _CODING),
    "next-line": (b"\x85chunked", "CVE-2019-16789 (waitress)"),
    "non-breaking-blank": (b"chunked\xa0", "CVE-2019-16789 (waitress)"),
}
_OTHER_CODINGS = {
    "gzip-chunked": b"gzip, chunked",
    "identity-chunked": b"identity, chunked",
    "unknown-chunked": b"xyz, chunked",
    "comma-in-front": b",chunked",
    "tab-before-comma": b"gzip\t,chunked",
}
_TWO_CODINGS = {
    "two-lines": [CHUNKED, CHUNKED],
    "two-lines-second-identity": [CHUNKED, b"Transfer-Encoding: identity"],
    "two-lines-first-identity": [b"Transfer-Encoding: identity", CHUNKED],
    "two-lines-second-other": [CHUNKED, b"Transfer-Encoding: cow"],
    "two-lines-other-case": [CHUNKED, b"tRANSFER-eNCODING: gzip"],
    "two-lines-second-empty": [CHUNKED, b"Transfer-Encoding:"],
    "folded": [b"Transfer-Encoding:", b" chunked"],
    "folded-behind": [b"Transfer-Encoding: chunked", b" , identity"],
    "folded-in-front": [b"X-A: 1", b" Transfer-Encoding: chunked"],
}


def list_both() -> Iterator[Case]:
    """Content-Length beside Transfer-Encoding, in any order and spelling."""
    lengths = {"right": b"5", "of-chunks": b"15", "zero": b"0", "wrong": b"3", "bad": b"x"}
    codings = (b"chunked", b"Chunked", b"identity", b"xchunked", b"gzip, chunked", b"")
    for name, value in lengths.items():
        for coding in codings:
            first, second = _length(value), b"Transfer-Encoding: " + coding
            what = f"length-and-coding/{name}-{coding.decode()}"
            source = "CVE-2023-47641 (aiohttp)"
            yield refused(what, source, post(first, second, body=HELLO), 400, 501)
            yield refused(f"{what}-behind", source, post(second, first, body=HELLO), 400, 501)
    tail = b"0\r\n\r\n" + _SMUGGLED
    for name, version in (("1.1", b"1.1"), ("1.0", b"1.0")):
        data = post(_length(b"%d" % len(tail)), CHUNKED, body=tail, version=version)
        source = "GHSA-753j-mpmx-qq6g (tornado)"
        yield refused(f"length-and-coding/request-behind-last-chunk-{name}", source, data)


_CHUNK = "RFC 9112 section 7.1"


def list_chunks() -> Iterator[Case]:
    """Sizes, extensions and ends of chunks."""
    for name, (size, source) in _BAD_SIZES.items():
        data = upload(size + b"\r\nhello\r\n0\r\n\r\n")
        yield refused(f"chunk-size/{name}", source, data, in_body=True)
        if name in ("plus", "minus", "0x", "empty", "blank-in-front", "blank-behind"):
            last = upload(b"5\r\nhello\r\n" + size.replace(b"5", b"0") + b"\r\n\r\n")
            yield refused(f"chunk-size/{name}-of-the-last", source, last, in_body=True)
    for name, (extension, source) in _BAD_EXTENSIONS.items():
        data = upload(b"5" + extension + b"\r\nhello\r\n0\r\n\r\n")
        yield refused(f"chunk-extension/{name}", source, data, in_body=True)
        last = upload(b"5\r\nhello\r\n0" + extension + b"\r\n\r\n")
        yield refused(f"chunk-extension/{name}-of-the-last", source, last, in_body=True)
    for name, body in _BAD_DATA.items():
        yield refused(f"chunk-data/{name}", _CHUNK, upload(body), in_body=True)
    for name, extension in _GOOD_EXTENSIONS.items():
        data = upload(b"5" + extension + b"\r\nhello\r\n0" + extension + b"\r\n\r\n")
        yield _uploaded(f"chunk-extension/good-{name}", "RFC 9112 section 7.1.1", data)
    for name, body in _GOOD_CHUNKS.items():
        yield _uploaded(f"chunk-data/good-{name}", _CHUNK, upload(body))
    yield _uploaded("chunk-data/good-empty", _CHUNK, upload(b"0\r\n\r\n"), b"")
    inner = b"%x\r\n%b\r\n0\r\n\r\n" % (len(_SMUGGLED), _SMUGGLED)
    yield _uploaded("chunk-data/request-as-body", _CHUNK, upload(inner), _SMUGGLED)


def _uploaded(name: str, source: str, data: bytes, body: bytes = b"hello") -> Case:
    request = seen((b"Transfer-Encoding", b"chunked"), method="POST", body=body)
    return served(name, source, data, request)


_BAD_SIZES = {
    "empty": (b"", _CHUNK),
    "plus": (b"+5", "GHSA-qppv-j76h-2rpx (tornado)"),
    "minus": (b"-5", "GHSA-qppv-j76h-2rpx (tornado)"),
    "0x": (b"0x5", "CVE-2022-24801 (twisted)"),
    "0X": (b"0X5", "CVE-2022-24801 (twisted)"),
    "x-in-front": (b"x5", _CHUNK),
    "h-behind": (b"5h", _CHUNK),
    "underscore": (b"0_5", "GHSA-qppv-j76h-2rpx (tornado)"),
    "letters": (b"five", _CHUNK),
    "blank-in-front": (b" 5", "CVE-2022-24801 (twisted)"),
    "tab-in-front": (b"\t5", "CVE-2022-24801 (twisted)"),
    "blank-behind": (b"5 ", _CHUNK),
    "tab-behind": (b"5\t", _CHUNK),
    "blank-inside": (b"0 5", _CHUNK),
    "comma": (b"5,5", _CHUNK),
    "fraction": (b"5.0", _CHUNK),
    "quoted": (b'"5"', _CHUNK),
    "arabic-digit": ("٥".encode(), "CVE-2025-69224 (aiohttp)"),
    "full-width-digit": ("５".encode(), "CVE-2025-69224 (aiohttp)"),
    "superscript": (b"\xb5", "CVE-2025-69224 (aiohttp)"),
    "17-digits": (b"0" * 16 + b"5", _CHUNK),
    "2-to-the-64-and-5": (b"10000000000000005", _CHUNK),
    "2-to-the-32-and-5-of-17": (b"00000000100000005", _CHUNK),
    "40-digits": (b"f" * 40, _CHUNK),
    "200-zeros": (b"0" * 200 + b"5", _CHUNK),
    "8000-zeros": (b"0" * 8000 + b"5", "CVE-2024-22019 (node)"),
}
_BAD_EXTENSIONS = {
    "blank-in-front": (b" ;a=b", "RFC 9112 section 7.1.1"),
    "tab-in-front": (b"\t;a=b", "RFC 9112 section 7.1.1"),
    "no-semicolon": (b"g", _CHUNK),
    "comma": (b",a=b", _CHUNK),
    "nothing-behind": (b";", "RFC 9112 section 7.1.1"),
    "no-name": (b";=b", "RFC 9112 section 7.1.1"),
    "no-value": (b";a=", "RFC 9112 section 7.1.1"),
    "two-semicolons": (b";;a", "RFC 9112 section 7.1.1"),
    "blank-in-name": (b";a b", "RFC 9112 section 7.1.1"),
    "name-non-ascii": (b";\xe9=1", "CVE-2021-22960 (llhttp)"),
    "unquoted-blank": (b";a=b c", "RFC 9112 section 7.1.1"),
    "open-quote": (b';a="b', "RFC 9112 section 7.1.1"),
    "quote-and-more": (b';a="b"c', "RFC 9112 section 7.1.1"),
    "escaped-end": (b';a="b\\"', "RFC 9112 section 7.1.1"),
    "bare-cr": (b";a\rb", "gunicorn 25.3"),
    "bare-lf": (b";a\nb", "CVE-2024-52304 (aiohttp)"),
    "lf-and-chunk": (b";\n5", "CVE-2022-24761 (waitress)"),
    "nul": (b";a\0b", "CVE-2021-22960 (llhttp)"),
    "delete": (b";a\x7f", "CVE-2021-22960 (llhttp)"),
    "255-bytes": (b";" + b"a" * 256, "CVE-2024-22019 (node)"),
    "9000-bytes": (b";" + b"a" * 9000, "CVE-2024-22019 (node)"),
}
_BAD_DATA = {
    "longer-than-size": b"4\r\nhello\r\n0\r\n\r\n",
    "shorter-than-size": b"6\r\nhello\r\n0\r\n\r\n",
    "no-end": b"5\r\nhello0\r\n\r\n",
    "junk-for-end": b"5\r\nhelloXX0\r\n\r\n",
    "empty-line-in-front": b"\r\n" + HELLO,
    "empty-line-between": b"5\r\nhello\r\n\r\n0\r\n\r\n",
    "request-behind-data": b"5\r\nhello\r\n" + _SMUGGLED,
    "head-for-chunks": _SMUGGLED,
    "second-chunk-bad": b"5\r\nhello\r\nz\r\nhello\r\n0\r\n\r\n",
    "extensions-flood": (b"1;" + b"e" * 250 + b"\r\nx\r\n") * 80 + b"0\r\n\r\n",
}
_GOOD_EXTENSIONS = {
    "name": b";a",
    "value": b";a=b",
    "quoted": b';a="b c;d\\"e\t\x80"',
    "empty-quoted": b';a=""',
    "two": b";a=b;c",
    "blanks": b";\ta = b ; c=d",
    "signature": b";chunk-signature=" + b"ab" * 32,
}
_GOOD_CHUNKS = {
    "one": HELLO,
    "leading-zeros": b"0005\r\nhello\r\n0000\r\n\r\n",
    "sixteen-digits": b"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n",
    "two": b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    "five": b"1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n",
}


def list_trailers() -> Iterator[Case]:
    """Fields behind a body are read to their end, counted, and never taken for headers.

    Too many of them are 431; or 400, as any broken body, where the application is running already.
    """
    for name, (lines, source) in _BAD_TRAILERS.items():
        data = upload(b"5\r\nhello\r\n0\r\n" + lines + b"\r\n")
        yield refused(f"trailer/{name}", source, data, in_body=True)
    for name, lines in _FLOODS.items():
        data = upload(b"5\r\nhello\r\n0\r\n" + lines + b"\r\n")
        yield refused(f"trailer/{name}", "CVE-2026-22815 (aiohttp)", data, 431, 400, in_body=True)
    fields = [b"X-%d: 1" % n for n in range(100)]
    trailers = b"".join(b"Y-%d: 1\r\n" % n for n in range(100))
    data = post(CHUNKED, *fields, body=b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n")
    source = "CVE-2026-22815 (aiohttp)"
    case = refused("trailer/with-the-head-too-many", source, data, 431, 400, in_body=True)
    yield replace(case, is_own=True)
    fields = [b"X-%d: " % n + b"x" * 8000 for n in range(6)]
    trailers = b"".join(b"Y-%d: " % n + b"y" * 8000 + b"\r\n" for n in range(3))
    data = post(CHUNKED, *fields, body=b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n")
    case = refused("trailer/with-the-head-too-large", source, data, 431, 400, in_body=True)
    yield replace(case, is_own=True)
    for name, lines in _GOOD_TRAILERS.items():
        data = upload(b"5\r\nhello\r\n0\r\n" + lines + b"\r\n")
        source = "RFC 9110 section 6.5.1" if "-" in name else "CVE-2025-53643 (aiohttp)"
        yield _uploaded(f"trailer/unmerged-{name}", source, data)


_BAD_TRAILERS = {
    "no-colon": (b"junk\r\n", _CHUNK),
    "no-name": (b": 1\r\n", _CHUNK),
    "blank-before-colon": (b"X-A : 1\r\n", _CHUNK),
    "folded": (b"X-A: 1\r\n 2\r\n", "RFC 9112 section 5.2"),
    "blank-in-front": (b" X-A: 1\r\n", "RFC 9112 section 5.2"),
    "bare-lf": (b"X-A: 1\n", "CVE-2025-22871 (Go)"),
    "bare-cr": (b"X-A: 1\rX-B: 2\r\n", "RFC 9112 section 2.2"),
    "request": (b"GET /smuggled HTTP/1.1\r\nHost: strict.test\r\n", _CHUNK),
    "name-non-ascii": ("é: 1\r\n".encode(), _CHUNK),
    "name-quoted": (b'"X": 1\r\n', _CHUNK),
}
_FLOODS = {
    "too-many": b"X-A: 1\r\n" * 130,
    "too-long": b"X-A: " + b"x" * 8300 + b"\r\n",
    "too-large": (b"X-A: " + b"x" * 8000 + b"\r\n") * 9,
}
_GOOD_TRAILERS = {
    "field": b"X-A: 1\r\n",
    "host": b"Host: evil.test\r\n",
    "cookie": b"Cookie: admin=1\r\n",
    "authorization": b"Authorization: Basic eDp5\r\n",
    "x-forwarded-for": b"X-Forwarded-For: 127.0.0.1\r\n",
    "content-length": b"Content-Length: 7\r\n",
    "transfer-encoding": b"Transfer-Encoding: chunked\r\n",
    "two-fields": b"X-A: 1\r\nX-B: 2\r\n",
}
