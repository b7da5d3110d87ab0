"""Resources: sets of paths, and who answers each method on them."""

import keyword
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from yarl import URL

from ..message.request import BaseRequest
from ..wire import hdrs
from .abstract import AbstractView, ExpectHandler, HandlerOf, RequestMiddleware
from .match import UrlMappingMatchInfo
from .paths import add_root, decode_literal, match_path, quote_path, unquote_value
from .routes import AbstractResource, Resolved, ResourceRoute

__all__ = [
    "NAME_SPLIT",
    "DynamicResource",
    "PlainResource",
    "PrefixResource",
    "Resource",
    "check_name",
]

_RequestT = TypeVar("_RequestT", bound=BaseRequest)

NAME_SPLIT = re.compile(r"[.:-]")


class Resource(AbstractResource):
    """A resource whose routes are added one by one."""

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._routes: dict[str, ResourceRoute] = {}

    def __len__(self) -> int:
        return len(self._routes)

    def __iter__(self) -> Iterator[ResourceRoute]:
        return iter(self._routes.values())

    def add_route(
        self,
        method: str,
        handler: HandlerOf[_RequestT] | type[AbstractView[Any]],
        *,
        expect_handler: ExpectHandler | None = None,
        client_max_size: int | None = None,
        timeout: float | None = None,
        middlewares: Iterable[RequestMiddleware] = (),
    ) -> ResourceRoute:
        """Add a route; see `AbstractRoute` for the arguments.

        Raises:
            RuntimeError: the method is taken, or any is.
        """
        taken = self._routes.get(method.upper()) or self._routes.get(hdrs.METH_ANY)
        if taken is not None:
            raise RuntimeError(
                f"Added route will never be executed, method {taken.method} is already registered"
            )
        route = ResourceRoute(method, handler, self, expect_handler=expect_handler)
        route.client_max_size = client_max_size
        route.timeout = timeout
        route.middlewares = tuple(middlewares)
        self.register_route(route)
        return route

    def register_route(self, route: ResourceRoute) -> None:
        """Add a route that was made for this resource."""
        if not isinstance(route, ResourceRoute):
            raise AssertionError(f"Instance of Route class is required, got {route!r}")
        self._routes[route.method] = route

    def match(self, path: str) -> dict[str, str] | None:
        """Compare a path in the form of `match_path`.

        Returns:
            the values of its variable parts; None if it is not one of these paths.
        """
        raise NotImplementedError

    async def resolve(self, request: BaseRequest) -> Resolved:
        """Find the route of a request, or the methods that there are for its path."""
        values = self.match(match_path(request))
        if values is None:
            return None, set()
        route = self._routes.get(request.method) or self._routes.get(hdrs.METH_ANY)
        found = None if route is None else UrlMappingMatchInfo(values, route)
        return found, set(self._routes)

    def _name_for_repr(self) -> str:
        return f"'{self.name}' " if self.name is not None else ""


class PlainResource(Resource):
    """One path, as registered; empty for the root, or within a prefix for the prefix itself."""

    def __init__(self, path: str, *, name: str | None = None) -> None:
        super().__init__(name=name)
        if path and not path.startswith("/"):
            raise AssertionError(f"A path begins with a slash: {path!r:.200}")
        self._path = path
        # What paths are compared with: the path as registered, behind decoded prefixes.
        self._literal = path

    def __repr__(self) -> str:
        return f"<PlainResource {self._name_for_repr()} {self._path}>"

    @property
    def canonical(self) -> str:
        """The path."""
        return self._path

    def freeze(self) -> None:
        """Take an empty path for the root."""
        if not self._path:
            self._path = self._literal = "/"

    @property
    def index_key(self) -> str:
        """The path in the form that paths are compared in."""
        return self._literal.rstrip("/")

    def add_prefix(self, prefix: str) -> None:
        """Put a prefix in front."""
        check_prefix(prefix)
        self._path = quote_path(prefix) + self._path
        self._literal = decode_literal(prefix) + self._literal

    def match(self, path: str) -> dict[str, str] | None:
        """Compare a path with the one registered."""
        return {} if path == self._literal else None

    def raw_match(self, path: str) -> bool:
        """Say whether this is its path."""
        return self._path == path

    def get_info(self) -> dict[str, Any]:
        """Give ``path``."""
        return {"path": self._path}

    def url_for(self) -> URL:  # type: ignore[override]  # as in aiohttp: a plain path has no parts
        """Build the URL of the path, as registered; within a request behind the root path."""
        return URL.build(path=add_root(self._path), encoded=True)


class DynamicResource(Resource):
    """Paths with variable parts: ``{name}`` is one segment, ``{name:regex}`` what it matches.

    Literal parts are quoted for URLs, and compared decoded.

    Attributes:
        regexes: the expressions of its variable parts, in order.

    Raises:
        ValueError: unbalanced braces, a bad name or a bad expression.
    """

    DYN = re.compile(r"\{(?P<var>[_a-zA-Z][_a-zA-Z0-9]*)\}")
    DYN_WITH_RE = re.compile(r"\{(?P<var>[_a-zA-Z][_a-zA-Z0-9]*):(?P<re>.+)\}")
    GOOD = "[^{}/]+"
    # What stands between braces may hold balanced braces of its own, one level deep.
    _SPLIT = re.compile(r"(\{[_a-zA-Z][^{}]*(?:\{[^{}]*\}[^{}]*)*\})")

    def __init__(self, path: str, *, name: str | None = None) -> None:
        super().__init__(name=name)
        if not path.startswith("/"):
            raise AssertionError(path)
        self._orig_path = path
        self.regexes: list[str] = []
        pattern = self._formatter = ""
        for part in self._SPLIT.split(path):
            variable = self.DYN.fullmatch(part) or self.DYN_WITH_RE.fullmatch(part)
            if variable is not None:
                regex = variable.groupdict().get("re", self.GOOD)
                self.regexes.append(regex)
                pattern += f"(?P<{variable['var']}>{regex})"
                self._formatter += f"{{{variable['var']}}}"
            elif "{" in part or "}" in part:
                raise ValueError(f"Invalid path '{path}'['{part}']")
            else:
                pattern += re.escape(decode_literal(part))
                self._formatter += quote_path(part)
        try:
            self._pattern = re.compile(pattern)
        except re.error as exc:
            raise ValueError(f"Bad pattern '{pattern}': {exc}") from None
        # Of how many slashes its paths are, where that is known and an expression could try a long
        # path in many ways: parts of one segment share its characters out.
        self._slashes: int | None = None
        if "}{" in re.sub(r"\}[^/{]*\{", "}{", self._formatter) and all(
            regex == self.GOOD for regex in self.regexes
        ):
            self._slashes = self._formatter.count("/")

    def __repr__(self) -> str:
        return f"<DynamicResource {self._name_for_repr()} {self._formatter}>"

    @property
    def canonical(self) -> str:
        """The path with the names of its variable parts."""
        return self._formatter

    @property
    def index_key(self) -> str:
        """The whole segments in front of the first variable part."""
        literal = self._formatter.partition("{")[0].rpartition("/")[0]
        return decode_literal(literal).rstrip("/")

    @property
    def segments(self) -> list[str | None]:
        """What its paths split into at slashes; None for segments with a variable part."""
        parts = self._formatter.split("/")
        return [None if "{" in part else decode_literal(part) for part in parts]

    def add_prefix(self, prefix: str) -> None:
        """Put a prefix in front."""
        check_prefix(prefix)
        self._pattern = re.compile(re.escape(decode_literal(prefix)) + self._pattern.pattern)
        self._formatter = quote_path(prefix) + self._formatter
        if self._slashes is not None:
            self._slashes += prefix.count("/")

    def match(self, path: str) -> dict[str, str] | None:
        """Compare a path; give the values of its variable parts, decoded."""
        if self._slashes is not None and path.count("/") != self._slashes:
            return None
        match = self._pattern.fullmatch(path)
        if match is None:
            return None
        return {name: unquote_value(value) for name, value in match.groupdict("").items()}

    def raw_match(self, path: str) -> bool:
        """Say whether it was registered with this path."""
        return self._orig_path == path

    def get_info(self) -> dict[str, Any]:
        """Give ``formatter`` and ``pattern``."""
        return {"formatter": self._formatter, "pattern": self._pattern}

    def url_for(self, **parts: str) -> URL:
        """Build a URL, the values quoted; within a request behind the root path.

        Raises:
            KeyError: a part is missing.
            TypeError: a part is not str.
        """
        quoted = {name: _quote_part(value) for name, value in parts.items()}
        return URL.build(path=add_root(self._formatter.format_map(quoted)), encoded=True)


class PrefixResource(AbstractResource):
    """All paths below a literal prefix, whole segments of it."""

    def __init__(self, prefix: str, *, name: str | None = None) -> None:
        if prefix and not prefix.startswith("/"):
            raise AssertionError(prefix)
        if prefix not in ("", "/") and prefix.endswith("/"):
            raise AssertionError(prefix)
        super().__init__(name=name)
        self._prefix = quote_path(prefix)
        self._literal = decode_literal(self._prefix).rstrip("/")

    @property
    def canonical(self) -> str:
        """The prefix, quoted."""
        return self._prefix

    @property
    def index_key(self) -> str:
        """The prefix in the form that paths are compared in."""
        return self._literal

    def add_prefix(self, prefix: str) -> None:
        """Put a prefix in front."""
        check_prefix(prefix)
        self._prefix = quote_path(prefix) + self._prefix
        self._literal = decode_literal(self._prefix).rstrip("/")

    def raw_match(self, prefix: str) -> bool:
        """Say no: it has no path of its own."""
        return False


def check_prefix(prefix: str) -> None:
    """Hold a prefix to whole segments, without a slash at its end."""
    if not prefix.startswith("/") or prefix.endswith("/"):
        raise AssertionError(prefix)


def check_name(name: str) -> None:
    """Check the name of a resource: identifiers joined by dots, dashes or colons.

    Raises:
        ValueError: it is not one.
    """
    for part in NAME_SPLIT.split(name):
        if keyword.iskeyword(part):
            raise ValueError(
                f"Incorrect route name {name!r}, python keywords cannot be used for route name"
            )
        if not part.isidentifier():
            raise ValueError(
                f"Incorrect route name {name!r}, the name should be a sequence of python "
                "identifiers separated by dash, dot or column"
            )


def _quote_part(value: str) -> str:
    if not isinstance(value, str):
        raise TypeError("Argument should be str")
    return URL.build(path=value, encoded=False).raw_path
