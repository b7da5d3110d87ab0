"""Rewrites of aiohttp's answers with files: what must be different in bascule's."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from .files import DIGITS, ETAG, THEN
from .transcript import Transcript

__all__ = [
    "add_vary_to_304",
    "convert_zone",
    "escape_links",
    "find_nothing",
    "give_chunks",
    "give_digits",
    "give_plain_style",
    "list_outside",
    "name_own_type",
    "refuse",
    "spell_etag",
    "unmodified",
]

Rewrite = Callable[[Transcript, bytes], Transcript]

_NOT_FOUND = (
    b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Type: application/octet-stream\r\nDate: <now>\r\nServer: <server>\r\n\r\n0\r\n\r\n"
)
_FILE = (
    b"HTTP/1.1 %b\r\nContent-Type: text/plain\r\nETag: %b\r\nLast-Modified: %b\r\n"
    b"Content-Length: 10\r\nAccept-Ranges: bytes\r\nDate: <now>\r\nServer: <server>\r\n\r\n"
)


def spell_etag(theirs: Transcript, sent: bytes) -> Transcript:
    return replace(theirs, raw=theirs.raw.replace(b"\r\nEtag: ", b"\r\nETag: "))


def _give(raw: bytes, theirs: Transcript, sent: bytes) -> Transcript:
    return Transcript(raw, (), stays_open=True)


find_nothing: Rewrite = partial(_give, _NOT_FOUND)


def give_digits(status: bytes) -> Rewrite:
    """Answer with the whole file."""
    head = _FILE % (status, ETAG.encode(), THEN.encode())

    def rewrite(theirs: Transcript, sent: bytes) -> Transcript:
        return _give(head + (b"" if sent.startswith(b"HEAD") else DIGITS), theirs, sent)

    return rewrite


give_chunks: Rewrite = partial(
    _give,
    (_FILE % (b"200 OK", ETAG.encode(), THEN.encode()))
    .replace(b"Content-Length: 10\r\n", b"")
    .replace(b"bytes\r\n", b"bytes\r\nTransfer-Encoding: chunked\r\n")
    + b"a\r\n%b\r\n0\r\n\r\n" % DIGITS,
)


def give_plain_style(theirs: Transcript, sent: bytes) -> Transcript:
    """Answer with the file itself instead of its compressed neighbour."""
    raw = re.sub(rb"Content-Encoding: [a-z]+\r\nVary: Accept-Encoding\r\n", b"", theirs.raw)
    raw = re.sub(rb'-\d"\r\n', b'-5"\r\n', raw)
    head = raw.partition(b"\r\n\r\n")[0]
    head = re.sub(rb"Content-Length: \d+", b"Content-Length: 5", head)
    return replace(theirs, raw=head + b"\r\n\r\nplain")


def add_vary_to_304(theirs: Transcript, sent: bytes) -> Transcript:
    raw = theirs.raw.replace(
        b"304 Not Modified\r\n", b"304 Not Modified\r\nVary: Accept-Encoding\r\n"
    )
    if b"/varied" in sent:
        raw = raw.replace(b"Vary: Accept-Encoding", b"Vary: Cookie, Accept-Encoding")
    return replace(theirs, raw=raw)


def unmodified(theirs: Transcript, sent: bytes) -> Transcript:
    """Answer 304 instead of with the file."""
    raw = theirs.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    raw = raw.replace(b"200 OK", b"304 Not Modified")
    for name in (b"Content-Type", b"Content-Length", b"Accept-Ranges"):
        raw = re.sub(name + rb": [^\r]*\r\n", b"", raw)
    return replace(theirs, raw=raw)


def refuse(theirs: Transcript, sent: bytes) -> Transcript:
    """Answer 412 instead of 304."""
    raw = b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n"
    return _give(raw + b"Date: <now>\r\nServer: <server>\r\n\r\n", theirs, sent)


def convert_zone(theirs: Transcript, sent: bytes) -> Transcript:
    raw = theirs.raw.replace(b"09:49:37 GMT", b"08:49:37 GMT")
    return replace(theirs, raw=raw.replace(b"6, 9, 49, 37", b"6, 8, 49, 37"))


def name_own_type(theirs: Transcript, sent: bytes) -> Transcript:
    raw = theirs.raw.replace(b"application/octet-stream", b"text/own; charset=utf-8")
    return replace(theirs, raw=raw)


def escape_links(theirs: Transcript, sent: bytes) -> Transcript:
    raw = theirs.raw.replace(b'/x&y">', b'/x&amp;y">')
    length = len(raw.partition(b"\r\n\r\n")[2])
    return replace(theirs, raw=re.sub(rb"(?<=Content-Length: )\d+", b"%d" % length, raw))


def list_outside(theirs: Transcript, sent: bytes) -> Transcript:
    page = (
        b"<html>\n<head>\n<title>Index of /outside</title>\n</head>\n<body>\n"
        b"<h1>Index of /outside</h1>\n<ul>\n"
        b'<li><a href="/follow/outside/root">root/</a></li>\n'
        b'<li><a href="/follow/outside/secret.txt">secret.txt</a></li>\n'
        b"</ul>\n</body>\n</html>"
    )
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n"
        b"Date: <now>\r\nServer: <server>\r\n\r\n" % len(page)
    )
    return _give(head + page, theirs, sent)
