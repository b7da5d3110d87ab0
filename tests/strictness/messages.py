"""Requests as bytes, and what an application should see of them."""

from .cases import Case, Refused, Seen, Served

__all__ = [
    "CHUNKED",
    "HELLO",
    "HOST",
    "Pairs",
    "chunks",
    "get",
    "post",
    "refused",
    "seen",
    "served",
    "upload",
]

Pairs = tuple[tuple[bytes, bytes], ...]

HOST = b"Host: strict.test"
CHUNKED = b"Transfer-Encoding: chunked"
# A body of 5 bytes, in one chunk and the last.
HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def get(*fields: bytes, line: bytes = b"GET /case HTTP/1.1", host: bytes = HOST) -> bytes:
    """Write a request without a body."""
    return b"\r\n".join([line, host, *fields, b"", b""])


def post(*fields: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    """Write a request with whatever frames its body, and the body."""
    return get(*fields, line=b"POST /case HTTP/" + version) + body


def upload(body: bytes) -> bytes:
    """Write a request with a body in chunks, as given."""
    return post(CHUNKED, body=body)


def chunks(*sizes: int) -> bytes:
    """Write chunks of such sizes, without the last."""
    return b"".join(b"%x\r\n%b\r\n" % (size, b"x" * size) for size in sizes)


def seen(
    *fields: tuple[bytes, bytes],
    method: str = "GET",
    target: str = "/case",
    host: bytes | None = b"strict.test",
    body: bytes = b"",
) -> Seen:
    """Tell what an application sees, Host in front of the fields."""
    pairs = [] if host is None else [(b"Host", host)]
    return Seen.of(method, target, [*pairs, *fields], body)


def refused(
    name: str, source: str, data: bytes, *statuses: int, in_body: bool = False, before: int = 0
) -> Case:
    """Make a case that is refused, with 400 unless told otherwise."""
    expected = frozenset(statuses or (400,))
    return Case(name, source, data, (Refused(expected, (seen(),) * before, in_body),))


def served(name: str, source: str, data: bytes, *requests: Seen, goes_on: bool = True) -> Case:
    """Make a case that is served."""
    return Case(name, source, data, (Served(requests, goes_on),))
