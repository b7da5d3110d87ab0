"""Our rules for request heads: the guard that stands beside the h11 grammar.

h11 alone accepts heads that RFC 9112 forbids or that two servers may read differently: folded
fields, a Content-Length beside a Transfer-Encoding, any version number, any target form, any Host
value, methods without end. Each rule of ours is stated here once; whatever reads a head answers
to it: the patterns of the two kinds of lines and the tables are public for that reason.
"""

import re
from collections.abc import Iterable, Set
from ipaddress import IPv6Address
from typing import NamedTuple

from yarl import URL

__all__ = [
    "FIELD_LINE",
    "MAX_METHOD_SIZE",
    "REQUEST_LINE",
    "SINGLETONS",
    "TOKEN",
    "BadRequest",
    "Framing",
    "HttpVersion",
    "HttpVersion10",
    "HttpVersion11",
    "check_authority",
    "check_head",
    "frame_request",
    "is_token",
    "list_tokens",
    "split_target",
]


class HttpVersion(NamedTuple):
    """An HTTP version, major and minor; compares as a tuple."""

    major: int
    minor: int


HttpVersion10 = HttpVersion(1, 0)
HttpVersion11 = HttpVersion(1, 1)


class BadRequest(Exception):
    """The peer's head or body breaks a rule; it is answered and the connection closed.

    Attributes:
        status: the status code to answer with.
        detail: what was found, short, without the peer's bytes unescaped.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Framing(NamedTuple):
    """What a request head says of its body and of its connection (RFC 9112 sections 6 and 9).

    Attributes:
        content_length: length of the body in bytes; None when chunked; 0 when there is none.
        chunked: the body comes in chunks.
        keep_alive: the connection may go on after the answer.
        expect_continue: the client waits for 100 Continue before it sends the body.
        upgrade: the client offers another protocol, so bytes behind the body may be of that one.
        version: 1.0 or 1.1; a later minor version is served as 1.1 (RFC 9110 section 2.5).
        is_plain: it has no Expect and no Upgrade, whatever these would say.
    """

    content_length: int | None
    chunked: bool
    keep_alive: bool
    expect_continue: bool
    upgrade: bool
    version: HttpVersion
    is_plain: bool = True

    @property
    def has_body(self) -> bool:
        """Whether body bytes follow the head."""
        return self.chunked or bool(self.content_length)


# Patterns are possessive wherever a peer says how long something is, hence linear.
TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"  # RFC 9110 section 5.6.2
# RFC 9112 section 3: one blank between the parts, the version in these letters; nothing but
# visible ASCII in a target (RFC 3986 has no other characters).
REQUEST_LINE = (
    rb"(?P<method>" + TOKEN + rb") (?P<target>[!-~]++) HTTP/(?P<version>[0-9]\.[0-9])\r\n"
)
# RFC 9112 section 5 and RFC 9110 section 5.5: no blank before the colon, no control character but
# HTAB; a line that begins with a blank, which would go on with the one before, has no name.
FIELD_LINE = rb"(?P<name>" + TOKEN + rb"):(?P<value>[\t -~\x80-\xff]*+)\r\n"
_NO_OPTIONS: frozenset[bytes] = frozenset()
# The longest registered method has 17 characters (UPDATEREDIRECTREF).
MAX_METHOD_SIZE = 32
# What may stand in a head once only, as aiohttp has it; parsers disagree which of two counts.
# Host, Content-Length and Transfer-Encoding have rules of their own.
SINGLETONS = frozenset(
    {
        b"content-location",
        b"content-range",
        b"content-type",
        b"etag",
        b"max-forwards",
        b"server",
        b"user-agent",
    }
)

# Fields that frame a message, or that have a rule.
_TELLING = SINGLETONS | {
    b"host",
    b"content-length",
    b"connection",
    b"transfer-encoding",
    b"upgrade",
    b"expect",
}
_TOKEN = re.compile(TOKEN.decode())
_HEAD = re.compile(
    REQUEST_LINE + rb"(?:" + re.sub(rb"\?P<\w+>", rb"?:", FIELD_LINE) + rb")*+\r\n",
)
_REQUEST_LINE = re.compile(REQUEST_LINE)
# RFC 3986 section 3.2.2: reg-name or an IPv6 literal, then an optional port.
_AUTHORITY = re.compile(
    rb"(?:(?:[A-Za-z0-9\-._~!$&'()*+,;=]++|%[0-9A-Fa-f]{2})*+"
    rb"|\[(?P<address>[0-9A-Fa-f:.]++)(?:%25[A-Za-z0-9\-._~]++)?\])"
    rb"(?::(?P<port>[0-9]{0,5}+))?"
)
_ABSOLUTE = re.compile(rb"(?P<scheme>https?)://(?P<authority>[^/?#]++)(?P<rest>.*)", re.I | re.S)
# Control characters other than HTAB, CR and LF (RFC 9110 section 5.5).
_CONTROLS = bytes([*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])
_TRANSFER_ENCODING = re.compile(rb"\r\ntransfer-encoding:([^\r]*+)\r\n")
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*+[0-9]{1,18}+[ \t]*+\r\n")


def is_token(text: str) -> bool:
    """Say whether `text` is an RFC 9110 token: a method, a field name."""
    return _TOKEN.fullmatch(text) is not None


def list_tokens(values: Iterable[bytes]) -> set[bytes]:
    """Collect the lower-cased elements of comma lists, over all their field lines."""
    return {item.strip(b" \t").lower() for value in values for item in value.split(b",")}


def check_head(head: bytes) -> None:
    """Check a complete head, from the request line to the empty line, as it came.

    These rules need the bytes, since a parser folds and joins what they look at: the syntax of
    its lines (RFC 9112 sections 3 and 5), one Content-Length at most and that a plain number
    (section 6.3), none beside a Transfer-Encoding (section 6.1), and of that one value, which is
    chunked.

    Raises:
        BadRequest: 400; 501 for codings in front of chunked.
    """
    if _HEAD.fullmatch(head) is None:
        raise BadRequest(400, _find_fault(head))
    low = head.lower()
    lengths = low.count(b"\r\ncontent-length:")
    if lengths > 1:
        raise BadRequest(400, "Duplicate 'Content-Length' header found.")
    if lengths and _CONTENT_LENGTH.search(low) is None:
        raise BadRequest(400, "Invalid Content-Length")
    encodings = low.count(b"\r\ntransfer-encoding:")
    if encodings > 1 or (encodings and lengths):
        raise BadRequest(400, "Ambiguous message framing")
    if encodings:
        _check_coding(low)


def frame_request(
    method: bytes, target: bytes, version: bytes, fields: Iterable[tuple[bytes, bytes]]
) -> Framing:
    """Decide how a parsed request is framed, and refuse what must not be served.

    Args:
        method: as sent.
        target: as sent.
        version: the digits of the version, such as ``b"1.1"``.
        fields: names as sent and stripped values, after `check_head`.

    Raises:
        BadRequest: 400 for a bad method, target or Host, for a repeated field that may stand
            once, for a Transfer-Encoding in HTTP/1.0; 501 for a method too long to be any
            (RFC 9112 section 3); 505 for a version other than 1.x.
    """
    http_version = _parse_version(version)
    _check_method(method)
    _check_target(method, target)
    length: int | None = 0
    coding = b""
    host: bytes | None = None
    connection: list[bytes] = []
    upgrade = expect = False
    is_plain = True
    seen: set[bytes] = set()
    for name, value in fields:
        name = name.lower()
        if name not in _TELLING:
            continue
        if name == b"host":
            if host is not None:
                raise BadRequest(400, "Duplicate 'Host' header found.")
            host = value
        elif name == b"content-length":
            length = int(value)
        elif name == b"connection":
            connection.append(value)
        elif name == b"transfer-encoding":
            coding, length = value.lower(), None
        elif name == b"upgrade":
            upgrade, is_plain = True, False
        elif name == b"expect":
            # However odd: who is answered otherwise while it waits sends no body, and what comes
            # next would be read as that.
            expect, is_plain = expect or b"100-continue" in value.lower(), False
        else:
            _see_once(name, seen)
    _check_host(host, http_version)
    if coding and http_version == HttpVersion10:
        raise BadRequest(400, "Transfer-Encoding in HTTP/1.0")
    options = list_tokens(connection) if connection else _NO_OPTIONS
    is_new = http_version >= HttpVersion11
    return Framing(
        length,
        bool(coding),
        _keeps_alive(http_version, options),
        expect and is_new,
        (upgrade and is_new and b"upgrade" in options) or method == b"CONNECT",
        http_version,
        is_plain,
    )


def _see_once(name: bytes, seen: set[bytes]) -> None:
    """Note a field that may stand once.

    Raises:
        BadRequest: it was seen.
    """
    if name in seen:
        raise BadRequest(400, f"Duplicate {name.decode().title()!r} header found.")
    seen.add(name)


def _check_method(method: bytes) -> None:
    if len(method) > MAX_METHOD_SIZE:
        raise BadRequest(501, f"Method longer than {MAX_METHOD_SIZE} bytes")
    if not method.isupper():
        raise BadRequest(400, "Methods are upper-case")  # they are case-sensitive, RFC 9110 9.1


def _check_host(host: bytes | None, version: HttpVersion) -> None:
    if host is not None:
        check_authority(host, "Host header")
    elif version >= HttpVersion11:  # h11 asks for it in 1.1 alone
        raise BadRequest(400, "Missing 'Host' header in request.")


def check_authority(value: bytes, where: str) -> None:
    """Hold a host with its optional port to RFC 3986 section 3.2, without user information.

    A host without a name passes: an empty Host is what a target without an authority has
    (RFC 9112 section 3.2).

    Args:
        value: stripped of blanks.
        where: it stands, for the message.

    Raises:
        BadRequest: 400.
    """
    match = _AUTHORITY.fullmatch(value)
    if (
        match is None
        or int(match["port"] or 0) > 65535
        or (match["address"] is not None and not _is_ipv6(match["address"]))
        or (b"xn--" in value.lower() and not _is_idna(value))
    ):
        raise BadRequest(400, f"Invalid host in {where}")


def split_target(target: str) -> tuple[str, str, str]:
    """Split a checked request target into authority, path and query, all as sent.

    The authority is empty but for the absolute form; the path of ``http://host`` is ``/``
    (RFC 9112 section 3.2.2), that of ``*`` and of CONNECT the target itself.
    """
    authority = ""
    if not target.startswith("/"):
        scheme, separator, rest = target.partition("://")
        if separator and scheme.lower() in ("http", "https"):
            end = min((i for i in (rest.find("/"), rest.find("?")) if i >= 0), default=len(rest))
            authority, target = rest[:end], rest[end:]
            if not target.startswith("/"):
                target = "/" + target
    path, _, query = target.partition("?")
    return authority, path, query


def _find_fault(head: bytes) -> str:
    """Say what is wrong with the lines of a head, the most telling first."""
    if len(head.translate(None, _CONTROLS)) != len(head) or head.count(b"\r") != head.count(
        b"\r\n"
    ):
        return "Control character in the head"
    if b"\r\n " in head or b"\r\n\t" in head:
        return "Folded header field"
    return "Illegal header line" if _REQUEST_LINE.match(head) else "Illegal request line"


def _check_coding(low: bytes) -> None:
    """Without chunked at its end a body has no end that is known: 400 (RFC 9112 section 6.3);
    with codings in front of it the body is understood, but not decoded here: 501."""
    match = _TRANSFER_ENCODING.search(low)
    codings = [coding.strip(b" \t") for coding in match[1].split(b",")] if match else [b""]
    if codings[-1] != b"chunked" or codings.count(b"chunked") > 1:
        raise BadRequest(400, "Transfer-Encoding does not end in chunked")
    if len(codings) > 1:
        raise BadRequest(501, "Unsupported Transfer-Encoding")


def _parse_version(version: bytes) -> HttpVersion:
    if version[:2] != b"1.":
        raise BadRequest(505, "Only HTTP/1.x is spoken here")
    return HttpVersion10 if version == b"1.0" else HttpVersion11


def _check_target(method: bytes, target: bytes) -> None:
    """Hold a target to the four forms of RFC 9112 section 3.2; none has a fragment."""
    if b"#" in target:
        raise BadRequest(400, "Fragment in the request target")
    if method == b"CONNECT":
        match = _AUTHORITY.fullmatch(target)
        if match is None or not match["port"] or target.startswith(b":"):
            raise BadRequest(400, "Invalid target of CONNECT")
        check_authority(target, "request target")
        return
    if target[:1] == b"/" or (target == b"*" and method == b"OPTIONS"):
        return
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise BadRequest(400, "Invalid request target")
    authority = absolute["authority"]
    if authority[:1] == b":":
        raise BadRequest(400, "Request target without a host")
    check_authority(authority, "request target")


def _is_ipv6(address: bytes) -> bool:
    try:
        IPv6Address(address.decode("ascii"))
    except ValueError:
        return False
    return True


def _is_idna(authority: bytes) -> bool:
    """Say whether a host can be decoded: who asks for the URL of a request must not fail."""
    try:
        URL.build(scheme="http", authority=authority.decode("ascii")).host  # noqa: B018
    except ValueError:
        return False
    return True


def _keeps_alive(version: HttpVersion, options: Set[bytes]) -> bool:
    """Apply RFC 9112 section 9.3: close wins, 1.1 persists, 1.0 only on request."""
    if b"close" in options:
        return False
    return version >= HttpVersion11 or b"keep-alive" in options
