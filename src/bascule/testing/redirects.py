"""Which request follows a redirection."""

from dataclasses import replace

from yarl import URL

from .errors import RedirectClientError
from .outgoing import Outgoing

__all__ = ["follow", "is_redirect"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Fields that describe a body; they go with it.
_OF_BODY = ("Content-Encoding", "Content-Language", "Content-Length", "Content-Location")
# Fields that are meant for one host.
_OF_HOST = ("Authorization", "Cookie", "Host", "Proxy-Authorization")


def is_redirect(status: int) -> bool:
    """Whether an answer of this status that has a Location sends its client elsewhere."""
    return status in _REDIRECTS


def follow(request: Outgoing, status: int, location: str) -> Outgoing:
    """Make the request that a redirection asks for.

    303 makes any method GET, 301 and 302 make POST so; HEAD stays. Others, and 307 and 308, repeat
    method and body (RFC 9110 sections 15.4.2 to 15.4.9, as browsers and aiohttp take them). What
    is meant for one host, such as Authorization, does not go to another. A Location without a
    fragment inherits the request's (section 10.2.2).

    Raises:
        RedirectClientError: it leads away from HTTP, or asks again for a body that was streamed.
    """
    url = _resolve(request.url, location)
    headers = request.headers.copy()
    method, body = request.method, request.body
    if _becomes_get(method, status):
        method, body = "GET", None
        for name in (*_OF_BODY, "Content-Type", "Transfer-Encoding"):
            headers.popall(name, None)
    elif body is not None and not isinstance(body, bytes):
        raise RedirectClientError(
            f"{status} asks for the body of {method} {request.url} again, which was streamed"
        )
    cookies = request.cookies
    if _is_foreign(request.url, url):
        cookies = {}
        for name in _OF_HOST:
            headers.popall(name, None)
    return replace(request, method=method, url=url, headers=headers, body=body, cookies=cookies)


def _becomes_get(method: str, status: int) -> bool:
    return (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST")


def _resolve(base: URL, location: str) -> URL:
    try:
        found = URL(location)
        url = base.join(found)
    except ValueError as exc:
        raise RedirectClientError(f"The Location is no URL: {location!r:.200}") from exc
    if url.scheme not in ("http", "https") or (found.scheme and not found.host):
        raise RedirectClientError(f"The Location is no URL of HTTP: {location!r:.200}")
    return url if url.fragment else url.with_fragment(base.fragment or None)


def _is_foreign(here: URL, there: URL) -> bool:
    """Whether another server would be asked; one that is asked by TLS from now on is the same."""
    if here.host != there.host:
        return True
    if here.is_default_port() and there.is_default_port() and there.scheme == "https":
        return False
    return (here.scheme, here.port) != (there.scheme, there.port)
