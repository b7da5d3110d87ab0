"""The differences between aiohttp and bascule that are meant, one entry each.

An entry covers cases by name (shell patterns) and rewrites aiohttp's transcript into the one that
bascule must give. Several entries may cover a case; they are applied in the order of the list, and
one that finds nothing to rewrite leaves the transcript alone. So a difference without an entry
fails, and so does one that is other than its entry says; that each pattern of each entry still
finds something to rewrite is a test of its own, in `test_differences`.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from urllib.parse import unquote_to_bytes as unquote

from . import file_rewrites as files
from .answers import Answer
from .transcript import Transcript

__all__ = ["EXPECTED_DIFFERENCES", "Difference"]

Rewrite = Callable[[Transcript, bytes], Transcript]


@dataclass(frozen=True, slots=True)
class Difference:
    """One intended difference.

    Attributes:
        name: of the difference.
        reason: one sentence.
        cases: shell patterns of the names of the cases in which it may occur.
        rewrite: makes of aiohttp's transcript what bascule's must be, given what was sent.
    """

    name: str
    reason: str
    cases: tuple[str, ...]
    rewrite: Rewrite

    def covers(self, case: str) -> bool:
        """Say whether it may occur in a case."""
        return any(fnmatchcase(case, pattern) for pattern in self.cases)


# -- rewrites of bytes

_DEFAULT_TYPE = b"Content-Type: application/octet-stream\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def _split(theirs: Transcript) -> tuple[bytes, bytes]:
    """Split at the end of the first head, which keeps its last CRLF."""
    head, _, body = theirs.raw.partition(b"\r\n\r\n")
    return head + b"\r\n", body


def _has(head: bytes, name: bytes) -> bool:
    return b"\r\n" + name + b":" in head.lower()


def _speak_1_1(theirs: Transcript, sent: bytes) -> Transcript:
    return replace(theirs, raw=re.sub(rb"\AHTTP/1\.0 ", b"HTTP/1.1 ", theirs.raw))


def _add_default_type_for_head(theirs: Transcript, sent: bytes) -> Transcript:
    head, body = _split(theirs)
    if (
        not sent.startswith(b"HEAD ")
        or not theirs.raw
        or re.match(rb"HTTP/1\.. (?:204|304) ", head)
        or b"\r\nContent-Length: 0\r\n" in head
        or _has(head, b"content-type")
    ):
        return theirs
    return replace(theirs, raw=_insert(head, _DEFAULT_TYPE) + b"\r\n" + body)


def _add_length_0(theirs: Transcript, sent: bytes) -> Transcript:
    head, body = _split(theirs)
    if _has(head, b"content-length") or re.match(rb"HTTP/1\.. (?:204|304) ", head):
        return theirs
    before_cookies, cookies, rest = head.partition(b"\r\nSet-Cookie: ")
    length = b"Content-Length: 0\r\n"
    if cookies:
        head = before_cookies + b"\r\n" + length + cookies[2:] + rest
    else:
        head = _insert(head, length)
    return replace(theirs, raw=head + b"\r\n" + body)


def _insert(head: bytes, line: bytes) -> bytes:
    """Put a field where aiohttp puts those it completes: before Date, Server and Connection."""
    match = re.search(rb"\r\n(?:Date: <now>|Server: <server>|Connection: [a-z-]+\r\n\Z)", head)
    place = match.start() + 2 if match else len(head)
    return head[:place] + line + head[place:]


def _send_no_body(theirs: Transcript, sent: bytes) -> Transcript:
    head, _ = _split(theirs)
    return replace(theirs, raw=head + b"\r\n", problem=None) if theirs.raw else theirs


def _send_no_body_for_head(theirs: Transcript, sent: bytes) -> Transcript:
    return _send_no_body(theirs, sent) if sent.startswith(b"HEAD ") else theirs


def _close_where_announced(theirs: Transcript, sent: bytes) -> Transcript:
    head, _ = _split(theirs)
    return replace(theirs, stays_open=theirs.stays_open and b"\r\nConnection: close" not in head)


def _close_where_short(theirs: Transcript, sent: bytes) -> Transcript:
    head, body = _split(theirs)
    match = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    is_short = match is not None and int(match[1]) > len(body)
    return replace(theirs, stays_open=theirs.stays_open and not is_short)


def _close_behind_endless_body(theirs: Transcript, sent: bytes) -> Transcript:
    endless = theirs.problem == "a body without an end"
    return replace(theirs, stays_open=theirs.stays_open and not endless)


def _close(theirs: Transcript, sent: bytes) -> Transcript:
    return replace(theirs, stays_open=False)


def _cut_at_second_head(theirs: Transcript, sent: bytes) -> Transcript:
    end = theirs.raw.find(b"HTTP/1.", 1)
    return theirs if end < 0 else replace(theirs, raw=theirs.raw[:end], stays_open=False)


def _cut_at_declared_length(theirs: Transcript, sent: bytes) -> Transcript:
    head, body = _split(theirs)
    match = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    length = int(match[1]) if match else len(body)
    return replace(theirs, raw=head + b"\r\n" + body[:length])


def _drop_coding_field(theirs: Transcript, sent: bytes) -> Transcript:
    """Drop the field; what is then without an end is ended by the connection."""
    raw = theirs.raw.replace(b"Transfer-Encoding: chunked\r\n", b"", 1)
    endless = not _has(raw, b"content-length") and not sent.startswith(b"HEAD ")
    return replace(theirs, raw=raw, stays_open=theirs.stays_open and not endless)


def _drop_continue(theirs: Transcript, sent: bytes) -> Transcript:
    return replace(theirs, raw=theirs.raw.removeprefix(_CONTINUE))


def _drop_continue_and_close(theirs: Transcript, sent: bytes) -> Transcript:
    return _announce_close(_drop_continue(theirs, sent), sent)


def _cut_and_announce_close(theirs: Transcript, sent: bytes) -> Transcript:
    return _announce_close(_cut_at_second_head(theirs, sent), sent)


def _announce_close(theirs: Transcript, sent: bytes) -> Transcript:
    """Close, and say so in the answer (RFC 9112 section 9.6)."""
    head, body = _split(theirs)
    if not _has(head, b"connection"):
        head += b"Connection: close\r\n"
    return replace(theirs, raw=head + b"\r\n" + body, stays_open=False)


def _give(status: bytes, text: bytes, *, page: bool) -> Rewrite:
    """Answer in full, whatever aiohttp did; as an error page, which ends the connection, or not."""

    def rewrite(theirs: Transcript, sent: bytes) -> Transcript:
        method, _, version = sent.partition(b"\r\n")[0].split(b" ")
        keeps = not page and b"Connection: close" not in sent
        persistent = version == b"HTTP/1.1" or b"Connection: keep-alive" in sent
        head = (
            b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
            b"Date: <now>\r\nServer: <server>\r\n" % (status, len(text))
        )
        if version == b"HTTP/1.1" and not keeps:
            head += b"Connection: close\r\n"
        if version == b"HTTP/1.0" and keeps and persistent:
            head += b"Connection: keep-alive\r\n"
        body = b"" if method == b"HEAD" else text
        return Transcript(head + b"\r\n" + body, (), keeps and persistent)

    return rewrite


def _tell(old: object, new: object) -> Rewrite:
    """Replace the JSON that aiohttp's handler told, or a piece of it, and the length with it."""

    def rewrite(theirs: Transcript, sent: bytes) -> Transcript:
        head, body = _split(theirs)
        told = body.replace(_json(old), _json(new))
        length = b"\r\nContent-Length: %d\r\n"
        head = head.replace(length % len(body), length % len(told))
        return replace(theirs, raw=head + b"\r\n" + told)

    return rewrite


def _chain(*rewrites: Rewrite) -> Rewrite:
    """Do one rewrite behind the other."""

    def rewrite(theirs: Transcript, sent: bytes) -> Transcript:
        for each in rewrites:
            theirs = each(theirs, sent)
        return theirs

    return rewrite


def _drop_leaked_trailer(theirs: Transcript, sent: bytes) -> Transcript:
    """Take the trailer X-B: 2 out of what the second handler told, and out of its length."""
    told, raw = b'[\n"X-B",\n"2"\n],\n', b'[\n"58 2d 42",\n"32"\n],\n'
    lengths = b"Content-Length: 386\r\n", b"Content-Length: 348\r\n"
    return replace(theirs, raw=theirs.raw.replace(told, b"").replace(raw, b"").replace(*lengths))


def _allow_get_too(theirs: Transcript, sent: bytes) -> Transcript:
    raw = theirs.raw.replace(b"\r\nAllow: POST\r\n", b"\r\nAllow: GET,POST\r\n")
    return replace(theirs, raw=raw.replace(b'["POST"]', b'["GET", "POST"]'))


def _redirect(location: bytes) -> Rewrite:
    page = _give(b"308 Permanent Redirect", b"308: Permanent Redirect", page=False)

    def rewrite(theirs: Transcript, sent: bytes) -> Transcript:
        ours = page(theirs, sent)
        field = b"\r\nLocation: %b\r\nContent-Length" % location
        return replace(ours, raw=ours.raw.replace(b"\r\nContent-Length", field))

    return rewrite


def _find_nothing_where_cut(theirs: Transcript, sent: bytes) -> Transcript:
    """Answer 404 in place of a redirection to a path that is cut."""
    path = re.sub(rb"//+", b"/", sent.split(b" ")[1].partition(b"?")[0])
    match = re.search(rb"\r\nLocation: ([^\r?]*)", theirs.raw)
    if match is None or path.endswith(b"/") or unquote(match[1]) == unquote(path):
        return theirs
    return _give(b"404 Not Found", b"404: Not Found", page=False)(theirs, sent)


def _json(value: object) -> bytes:
    return json.dumps(value, indent=0).encode()


# -- rewrites of outcomes


def _fare(*classes: int, stays_open: bool = False) -> Rewrite:
    """Give answers of these status classes, and keep the connection or not."""
    answers = tuple(Answer(each * 100, complete=True, is_last=False) for each in classes)

    def rewrite(theirs: Transcript, sent: bytes) -> Transcript:
        return Transcript(b"", answers, stays_open)

    return rewrite


_PAGE = b"500 Internal Server Error\n\nServer got itself in trouble"

EXPECTED_DIFFERENCES: list[Difference] = [
    # -- answers
    Difference(
        name="an error before the head has left is answered 500",
        reason="The client learns more from a page than from a cut, and a head that is not sent "
        "can be taken back.",
        cases=(
            "shape/prepared-then-error/*",
            "shape/response-header-crlf/*",
            "shape/response-header-name-crlf/*",
            "shape/response-header-nul/*",
            "shape/response-header-int/*",
            "shape/response-chunked/*/1.0*",
            "shape/response-chunked-empty/*/1.0*",
            "shape/signal-fails/*",
            "made/*/chunked/*/1.0*",
            "nest/*/raise-*/*",
            "raised/*/chunked/*/1.0*",
            "framed/*/enable-chunks/*/1.0*",
        ),
        rewrite=lambda theirs, sent: (
            theirs
            if theirs.raw
            and b"prepared-then-error" not in sent
            # What aiohttp sends behind the Content-Length when a stream was begun before.
            and b"\r\n37\r\n500 Internal" not in theirs.raw
            else _give(b"500 Internal Server Error", _PAGE, page=True)(theirs, sent)
        ),
    ),
    Difference(
        name="an HTTPException before the head has left is answered",
        reason="aiohttp sends a second head behind the first; a held head is taken back.",
        cases=("shape/prepared-then-http-exception/*",),
        rewrite=_give(b"404 Not Found", b"404: Not Found", page=False),
    ),
    Difference(
        name="a second answer is never sent behind a first",
        reason="aiohttp sends a second head in the middle of a body; the connection is cut.",
        cases=("shape/written-then-http-exception/*", "shape/another-response-than-prepared/*"),
        rewrite=_cut_at_second_head,
    ),
    Difference(
        name="requests of HTTP/1.0 are answered in HTTP/1.1",
        reason="RFC 9110 section 2.5: the version of an answer is the highest the server speaks.",
        cases=("*/1.0", "*/1.0-keep-alive", "head/raw/1.0*", "expect/1.0*", "pipeline/1.0*"),
        rewrite=_speak_1_1,
    ),
    Difference(
        name="no body behind an answer to HEAD",
        reason="RFC 9110 section 9.3.2; aiohttp sends what a StreamResponse writes.",
        cases=("shape/*/HEAD/*", "made/stream-*/HEAD/*", "framed/stream/*/HEAD/*"),
        rewrite=_send_no_body_for_head,
    ),
    Difference(
        name="answers to HEAD have the Content-Length: 0 of those to GET",
        reason="RFC 9110 section 9.3.2; aiohttp leaves it out where the body is empty but there.",
        cases=(
            "shape/raise-205/HEAD/*",
            "shape/raise-404-empty-text/HEAD/*",
            "shape/raise-timeout-error/HEAD/*",
            "shape/response-body-removed/HEAD/*",
            "shape/response-text-empty/HEAD/*",
            "made/empty*/HEAD/*",
            "raised/*/nothing/HEAD/*",
            "raised/*/cookies/HEAD/*",
            "raised/*/no-body/HEAD/*",
            "page/*/timeout/*/HEAD",
        ),
        rewrite=_add_length_0,
    ),
    Difference(
        name="answers to HEAD have the default Content-Type of those to GET",
        reason="RFC 9110 section 9.3.2; aiohttp leaves it out.",
        cases=(
            "shape/*/HEAD/*",
            "made/*/HEAD/*",
            "raised/*/HEAD/*",
            "file/*/HEAD",
            "file/met/*/HEAD/*",
            "framed/*/HEAD/*",
        ),
        rewrite=_add_default_type_for_head,
    ),
    Difference(
        name="no body behind 204 and 304",
        reason="RFC 9110 section 6.4.1; aiohttp sends what a StreamResponse writes.",
        cases=(
            *("made/stream-[13]/204/*", "made/stream-[13]/304/*"),
            *("framed/stream/204/*", "framed/stream/304/*"),
        ),
        rewrite=_send_no_body,
    ),
    Difference(
        name="Connection: close set by a handler closes",
        reason="RFC 9112 section 9.6; aiohttp says close and goes on.",
        cases=(
            "made/*/connection-close/*",
            "framed/*/close/*",
            "shape/stream-connection-close-header/*",
            "shape/signal-closes/*",
        ),
        rewrite=_close_where_announced,
    ),
    Difference(
        name="a body that only the end of the connection ends is ended",
        reason="RFC 9112 section 6.3; aiohttp keeps the connection when HTTP/1.0 asked for that.",
        cases=("*/1.0-keep-alive",),
        rewrite=_close_behind_endless_body,
    ),
    Difference(
        name="an answer shorter than its Content-Length cuts the connection",
        reason="RFC 9112 section 8: the client could not tell otherwise.",
        cases=(
            "shape/stream-with-length-too-short/[GP]*",
            "shape/response-length-header-too-short/[GP]*",
            "shape/response-length-header-without-body/[GP]*",
            "framed/*/long-length/*/[GPD]*",
            "framed/*empty*/*length/*/[GPD]*",
        ),
        rewrite=_close_where_short,
    ),
    Difference(
        name="a Response is cut at its Content-Length",
        reason="RFC 9112 section 6.3: the rest would be read as the next answer.",
        cases=(
            "shape/response-length-header-too-long/[GP]*",
            "framed/*/short-length/*/[GPD]*",
            "framed/*/length-0/*/[GPD]*",
        ),
        rewrite=_cut_at_declared_length,
    ),
    Difference(
        name="a Transfer-Encoding set by a handler does not contradict the framing",
        reason="RFC 9112 section 6.1: it is a wish for chunks, dropped where there are none.",
        cases=(
            "shape/response-transfer-encoding-header/*",
            "shape/stream-transfer-encoding-header/*/1.0*",
            "framed/*/chunks/*/1.0*",
            *(f"framed/{body}/*/chunks/*" for body in ("none", "bytes*", "*io")),
            "framed/sized-payload/*/chunks/*",
        ),
        rewrite=_drop_coding_field,
    ),
    Difference(
        name="the status of an answer is 200 to 999",
        reason="RFC 9110 section 15: behind an interim answer the client waits for another; the "
        "handler's mistake is answered 500.",
        cases=("framed-status/1*", "framed-status/99/*", "framed-status/0/*"),
        rewrite=_give(b"500 Internal Server Error", _PAGE, page=True),
    ),
    # -- requests
    Difference(
        name="100 Continue is sent at the first read of the body",
        reason="RFC 9110 section 10.1.1: none is needed once the body comes, or without a body.",
        cases=(
            *("expect/sends/*", "expect/upper-case", "expect/no-body", "router/by-*/expect"),
            *("forms/*/curl*/expect", "forms/*/curl*/quoted-printable"),
        ),
        rewrite=_drop_continue,
    ),
    Difference(
        name="a connection ends behind an answer without 100 Continue",
        reason="RFC 9110 section 10.1.1: the client may or may not send the body now.",
        cases=("expect/waits-in-vain/*",),
        rewrite=_drop_continue_and_close,
    ),
    Difference(
        name="a connection ends behind the answer of an expect handler",
        reason="RFC 9110 section 10.1.1: aiohttp takes the next request for the body.",
        cases=("expect/waits/expect-own", "expect/waits/expect-answering"),
        rewrite=_cut_and_announce_close,
    ),
    Difference(
        name="several Cookie fields are joined",
        reason="RFC 9113 section 8.2.3: hosts may hand on the crumbs of HTTP/2; aiohttp reads the "
        "first field only.",
        cases=("cookies/two-fields",),
        rewrite=_tell({"a": "1"}, {"a": "3", "b": "2"}),
    ),
    Difference(
        name="the value of a cookie goes on to the semicolon",
        reason="RFC 6265 section 5.2; aiohttp ends it at a blank and begins another cookie there.",
        cases=("cookies/comma", "cookies/blanks-inside"),
        rewrite=lambda theirs, sent: _tell(
            {"a": "1,", "b": "2", "c": "3"}, {"a": "1, b=2", "c": "3"}
        )(
            _tell({"a": "1", "2": "", "3": "", "b": "4"}, {"a": "1 2 3", "b": "4"})(theirs, sent),
            sent,
        ),
    ),
    Difference(
        name="the name of a cookie holds any character but separators",
        reason="RFC 6265 section 5.2; aiohttp drops cookies with some of them.",
        cases=("cookies/odd-names-2", "cookies/non-ascii"),
        rewrite=lambda theirs, sent: _tell(
            {"a:b": "1", "c<d>": "2", "e?f": "3"},
            {"a:b": "1", "c<d>": "2", "e?f": "3", "g\\h": "4"},
        )(_tell({"a": "é", "b": "☃"}, {"a": "é", "b": "☃", "ключ": "1"})(theirs, sent), sent),
    ),
    Difference(
        name="trailers are dropped",
        reason="RFC 9110 section 6.5.1; aiohttp gives the last one to the next request.",
        cases=("pipeline/trailers",),
        rewrite=_drop_leaked_trailer,
    ),
    Difference(
        name="a large body that nobody reads ends the connection",
        reason="Its bytes cost more than a new connection; aiohttp reads on for ten seconds.",
        cases=("body/unread-3m", "body/unread-3m-unrouted"),
        rewrite=_announce_close,
    ),
    Difference(
        name="a large body in chunks that nobody reads ends the connection",
        reason="As above; that it is large is not known when the answer's head leaves.",
        cases=("body/unread-3m-chunked",),
        rewrite=_close,
    ),
    Difference(
        name="a backslash in the name of a file is kept",
        reason="Browsers send it as it is; only quotes and backslashes are escaped by it.",
        cases=(
            *("multipart/file-backslash", "forms/*/curl*/quoted"),
            *("forms/*/Chromium*/fetch-files", "forms/*/Chromium*/form-multipart"),
        ),
        rewrite=_chain(
            _tell("C:dira.txt", "C:\\dir\\a.txt"),
            _tell("q%22uo;tes.txt", "q%22uo;te\\s.txt"),
            _tell("n%22ame", "n%22a\\me"),
        ),
    ),
    Difference(
        name="a form whose field _charset_ names the charset of the others is read by post()",
        reason="RFC 7578 section 4.6, as browsers make it; aiohttp's post() fails.",
        cases=("forms/*/Chromium*/form-charset", "forms/*/Chromium*/form-multipart-latin-1"),
        rewrite=_fare(2, stays_open=True),
    ),
    Difference(
        name="filename wins over filename* in forms",
        reason="RFC 7578 section 4.2 forbids the second, so guards in front do not look at it.",
        cases=("multipart/file-both-names",),
        rewrite=_tell("é.txt", "a.txt"),
    ),
    # -- routing
    Difference(
        name="dynamic paths whose literal parts need quoting match",
        reason="Plain ones do; aiohttp compares the quoted literal with the decoded path.",
        cases=("routing/quoted-literal/*",),
        rewrite=_fare(2, stays_open=True),
    ),
    Difference(
        name="prefixes of sub-applications that need quoting match",
        reason="Plain paths do; aiohttp compares the quoted prefix with the decoded path.",
        cases=("routing/quoted-prefix/*",),
        rewrite=_fare(2, stays_open=True),
    ),
    Difference(
        name="a 405 of a sub-application names the methods of resources before it too",
        reason="RFC 9110 section 15.5.6: Allow lists those of the target, whoever answers them.",
        cases=("precedence/405-before/*",),
        rewrite=_allow_get_too,
    ),
    Difference(
        name="normalize_path_middleware removes nothing but slashes",
        reason="aiohttp cuts the last character of paths that do not end in a slash, too.",
        cases=("normalize/remove/*", "normalize/remove-unmerged/*"),
        rewrite=_find_nothing_where_cut,
    ),
    Difference(
        name="normalize_path_middleware redirects within the host that was asked",
        reason="aiohttp takes an absolute target for a path: it merges its slashes, and redirects "
        "to whatever host it names.",
        cases=("normalize-absolute/*other.test*", "normalize-absolute/*example.test*"),
        rewrite=lambda theirs, sent: _redirect(b"/b/?x" if b"//other.test" in sent else b"/a")(
            theirs, sent
        ),
    ),
    Difference(
        name="normalize_path_middleware takes an encoded slash for no slash",
        reason="Resources do; aiohttp appends none behind it unless it merges them as well.",
        cases=("normalize-encoded-slash/*",),
        rewrite=lambda theirs, sent: _redirect(
            re.sub(rb"%2F(?=\?|\Z)", b"%2F/", sent.split(b" ")[1])
        )(theirs, sent),
    ),
    # -- outcomes
    Difference(
        name="an absolute target without a path asks for /",
        reason="RFC 9112 section 3.2.1 and RFC 9110 section 4.2.3.",
        cases=("route/absolute-no-path*",),
        rewrite=_fare(2, stays_open=True),
    ),
    Difference(
        name="any upper-case token is a method",
        reason="RFC 9110 section 9.1; aiohttp's parser has a list of those it knows.",
        cases=("malformed/line/method-unknown", "malformed/method/32"),
        rewrite=_fare(2, stays_open=True),
    ),
    Difference(
        name="heads are read more strictly",
        reason="RFC 9112 sections 2 to 6, and RFC 9110 sections 4.2.4 and 7.2.",
        cases=(
            "malformed/line/no-version",
            "malformed/line/two-blanks",
            "malformed/line/two-leading-crlf",
            "malformed/line/fragment",
            "malformed/line/other-scheme",
            "malformed/line/user",
            "malformed/line/connect-path",
            "malformed/line/connect-no-port",
            "malformed/host/blank-inside",
            "malformed/host/path",
            "malformed/host/user",
            "malformed/host/comma",
            "malformed/host/octet-too-large",
            "malformed/host/literal-*",
            "malformed/host/bad-*",
            "malformed/host/absolute-bad-escape",
            "malformed/coding/1.0",
            "malformed/size/head",
        ),
        rewrite=_fare(4),
    ),
    Difference(
        name="methods of more than 32 bytes are not implemented",
        reason="RFC 9112 section 3: 501; aiohttp answers 400 to all that it does not know.",
        cases=("malformed/method/33",),
        rewrite=_fare(5),
    ),
    Difference(
        name="malformed extensions of chunks are refused",
        reason="RFC 9112 section 7.1.1; who reads them otherwise may see another end of the line.",
        cases=("malformed/chunk/extension-no-*", "malformed/chunk/extension-of-last"),
        rewrite=_fare(4),
    ),
    Difference(
        name="trailers are counted with the fields of their head",
        reason="One budget for what a client may make the server hold: 431.",
        cases=("malformed/chunk/trailers-long",),
        rewrite=_fare(4),
    ),
    Difference(
        name="several Content-Encoding fields count as one list",
        reason="RFC 9110 section 5.3; a list is left as it came, like any coding that is unknown.",
        cases=("malformed/coding/gzip-and-deflate",),
        rewrite=_fare(2, stays_open=True),
    ),
    Difference(
        name="only HTTP/1.x is spoken",
        reason="RFC 9110 section 15.6.6: 505; aiohttp answers in whatever version was asked.",
        cases=("malformed/version/2.0", "malformed/version/0.9", "malformed/line/http-2-preface"),
        rewrite=_fare(5),
    ),
    Difference(
        name="a later minor version is served",
        reason="RFC 9110 section 2.5.",
        cases=("malformed/version/1.2",),
        rewrite=_fare(2, stays_open=True),
    ),
    Difference(
        name="a transfer coding besides chunked is not implemented",
        reason="RFC 9112 section 6.1: 501; aiohttp takes the coded bytes for the body.",
        cases=("malformed/coding/gzip-chunked",),
        rewrite=_fare(5),
    ),
    Difference(
        name="framing fields in trailers are ignored",
        reason="RFC 9110 section 6.5.1.",
        cases=("malformed/chunk/trailer-length", "malformed/chunk/trailer-coding"),
        rewrite=_fare(2, stays_open=True),
    ),
    Difference(
        name="a malformed form is the fault of the client",
        reason="RFC 9110 section 15.5.1: 400; in aiohttp the handler fails, which is 500.",
        cases=(
            *("malformed/form/*", "forms/post/curl*/several-in-one", "forms/post/curl*/nested"),
            *("forms/post/aiohttp*/nested-in-form", "forms/multipart/email*/folded"),
        ),
        rewrite=lambda theirs, sent: (
            _fare(4, stays_open=True)(theirs, sent) if theirs.outcome[0] == (5,) else theirs
        ),
    ),
    Difference(
        name="a body that is no JSON or no text is the fault of the client",
        reason="Where a handler lets the error of json() or text() pass: 400, nothing in the log; "
        "in aiohttp 500 and a traceback.",
        cases=(
            *("malformed/body/*", "text/bad-utf-8", "text/unknown-charset"),
            *("json/empty", "json/bad", "json/latin-1"),
        ),
        rewrite=_fare(4, stays_open=True),
    ),
    Difference(
        name="undecodable bytes in a urlencoded form are replaced",
        reason="Those that are percent-encoded are, too.",
        cases=("malformed/form/not-text-urlencoded",),
        rewrite=_fare(2, stays_open=True),
    ),
    Difference(
        name="what comes behind the last request is ignored",
        reason="RFC 9112 section 9.6; aiohttp answers 400 instead of the request.",
        cases=("malformed/pipeline/behind-close", "malformed/pipeline/behind-1.0"),
        rewrite=_fare(2),
    ),
    Difference(
        name="requests in front of a malformed one are answered",
        reason="RFC 9112 section 9.3.2; aiohttp drops them when they came in one piece.",
        cases=("malformed/pipeline/junk-behind", "malformed/pipeline/malformed-behind*"),
        rewrite=lambda theirs, sent: _fare(*[2] * (sent.count(b"GET /") - (b"X-A : " in sent)), 4)(
            theirs, sent
        ),
    ),
    # -- files
    Difference(
        name="the field ETag is spelled as in RFC 9110",
        reason="Section 8.8.3; names are the same in any case.",
        cases=("file/*",),
        rewrite=files.spell_etag,
    ),
    Difference(
        name="Range counts for GET alone",
        reason="RFC 9110 section 14.2.",
        cases=("file/different/head-range/*", "file/different/post-range/*"),
        rewrite=lambda theirs, sent: files.give_digits(
            b"201 Created" if sent.startswith(b"POST") else b"200 OK"
        )(theirs, sent),
    ),
    Difference(
        name="an unknown unit of ranges is ignored",
        reason="RFC 9110 section 14.2; aiohttp answers 416.",
        cases=("file/different/unit-unknown",),
        rewrite=files.give_digits(b"200 OK"),
    ),
    Difference(
        name="If-Range names an entity tag or the very date",
        reason="RFC 9110 section 13.1.5; aiohttp knows dates only, and takes later ones.",
        cases=("file/different/if-range/*",),
        rewrite=files.give_digits(b"200 OK"),
    ),
    Difference(
        name="lists of entity tags may have empty elements",
        reason="RFC 9110 section 5.6.1.2; aiohttp stops reading there.",
        cases=("file/different/tags/*",),
        rewrite=files.unmodified,
    ),
    Difference(
        name="files that are error pages answer no conditions",
        reason="RFC 9110 section 13.2.1: what is asked for is not there.",
        cases=("file/different/page/*",),
        rewrite=files.give_digits(b"404 Not Found"),
    ),
    Difference(
        name="conditions of other methods are never answered 304",
        reason="RFC 9110 section 13.1.2: 412; and dates are ignored (section 13.1.3).",
        cases=("file/different/post-none-match", "file/different/post-modified"),
        rewrite=lambda theirs, sent: (
            files.refuse if b"If-None-Match" in sent else files.give_digits(b"201 Created")
        )(theirs, sent),
    ),
    Difference(
        name="codings are accepted by their whole names, and never with q=0",
        reason="RFC 9110 section 12.5.3; aiohttp looks for the letters anywhere in the field.",
        cases=("file/different/coding/*",),
        rewrite=files.give_plain_style,
    ),
    Difference(
        name="Vary keeps what it named, and comes with a 304 too",
        reason="RFC 9110 sections 12.5.5 and 15.4.5.",
        cases=("file/different/vary/*",),
        rewrite=files.add_vary_to_304,
    ),
    Difference(
        name="impossible names of files are not found",
        reason="Too long, with a NUL or with a backslash; aiohttp fails, or serves the last.",
        cases=("file/different/name/*",),
        rewrite=files.find_nothing,
    ),
    Difference(
        name="types of files are those of the module mimetypes",
        reason="Programs edit its tables; aiohttp has its own.",
        cases=("file/different/type/*",),
        rewrite=files.name_own_type,
    ),
    Difference(
        name="a FileResponse may be chunked",
        reason="In aiohttp it fails.",
        cases=("file/different/chunked",),
        rewrite=files.give_chunks,
    ),
    Difference(
        name="prefixes of static files that need quoting match",
        reason="Plain paths do; aiohttp compares the quoted prefix with the decoded path.",
        cases=("file/different/quoted-prefix",),
        rewrite=files.give_digits(b"200 OK"),
    ),
    Difference(
        name="links in the index of a directory are escaped",
        reason="An ampersand in a name could begin a character reference.",
        cases=("file/different/index-link",),
        rewrite=files.escape_links,
    ),
    Difference(
        name="a directory behind a symbolic link is listed",
        reason="Where links are followed; aiohttp fails.",
        cases=("file/different/index-outside",),
        rewrite=files.list_outside,
    ),
    Difference(
        name="a zone in a date counts",
        reason="RFC 5322 section 3.3; aiohttp takes the time for GMT.",
        cases=("file/told/zone",),
        rewrite=files.convert_zone,
    ),
]
