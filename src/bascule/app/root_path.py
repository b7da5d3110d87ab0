"""A prefix that an application is served under: what its requests look like then."""

from urllib.parse import quote

from yarl import URL

from ..exchange import Exchange, Head, Responder
from ..routing.paths import root_path
from ..wire.grammar import split_target

__all__ = ["Rooted", "read_root_path"]

# What stands in a path unquoted (RFC 3986 section 3.3).
_PATH_SAFE = "/:@!$&'()*+,;=~-._"


def read_root_path(text: object) -> str:
    """Check a prefix; give it without a slash at its end.

    Raises:
        TypeError: it is not str.
        ValueError: it does not begin with a slash, or holds what no path does.
    """
    if not isinstance(text, str):
        raise TypeError(f"root_path should be str, got {text!r:.200}")
    if not text:
        return ""
    if not text.startswith("/"):
        raise ValueError(f"root_path should begin with '/', got {text!r:.200}")
    if any(c in "?#%" or not c.isprintable() for c in text):
        raise ValueError(
            f"root_path should be a decoded path, without query, fragment or escapes, "
            f"got {text!r:.200}"
        )
    return text.rstrip("/")


class Rooted:
    """A responder for requests below a prefix, which a proxy in front may have taken off or not.

    Args:
        responder: answers them.
        prefix: decoded, without a slash at its end.
        is_native: of an application of ours: targets that lack the prefix get it, and URLs that
            are built while a request is answered. A host tells its application in scopes.
    """

    def __init__(self, responder: Responder, prefix: str, *, is_native: bool) -> None:
        self._responder = responder
        self._prefix = prefix
        self._quoted = quote(prefix, safe=_PATH_SAFE)
        self._is_native = is_native

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one exchange."""
        head = exchange.head
        target = head.target
        if self._is_native:
            target = self._complete(target)
            root_path.set(self._prefix)  # ends with the task, which is this request's
        exchange.head = Head(
            head.method,
            target,
            head.raw_fields,
            version=head.version,
            scheme=head.scheme,
            root_path=self._prefix,
            keep_alive=head.keep_alive,
        )
        await self._responder(exchange)

    def _complete(self, target: str) -> str:
        """Put the prefix into the path of a target that lacks it; ``*`` has none."""
        authority, path, _ = split_target(target)
        if not path.startswith("/") or self._is_inside(path):
            return target
        start = target.index("://") + 3 + len(authority) if authority else 0
        rest = target[start:]
        return f"{target[:start]}{self._quoted}{rest if rest.startswith('/') else '/' + rest}"

    def _is_inside(self, path: str) -> bool:
        decoded = URL.build(path=path, encoded=True).path_safe  # an encoded slash parts nothing
        rest = decoded.removeprefix(self._prefix)
        return rest != decoded and rest[:1] in ("", "/")
