"""Resources that hand requests on to an application inside: by a prefix, or by the host."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Protocol

from yarl import URL

from ..message.request import BaseRequest
from ..wire import hdrs
from ..wire.grammar import split_target
from .abstract import AbstractMatchInfo
from .match import UrlMappingMatchInfo
from .paths import match_path
from .resources import PrefixResource
from .routes import AbstractRoute, Resolved

__all__ = [
    "AbstractRuleMatching",
    "Domain",
    "InnerApplication",
    "MaskDomain",
    "MatchedSubAppResource",
    "PrefixedSubAppResource",
]


# Names are no longer (RFC 1035 section 2.3.4), and a port and brackets take a few more.
_MAX_HOST = 255 + 8


class _Router(Protocol):
    """What a resource asks of the router of an application inside."""

    def resources(self) -> Any: ...

    def routes(self) -> Any: ...

    def index_resource(self, resource: Any) -> None: ...

    def unindex_resource(self, resource: Any) -> None: ...

    async def resolve(self, request: Any) -> AbstractMatchInfo: ...


class InnerApplication(Protocol):
    """What a resource asks of the application inside."""

    @property
    def router(self) -> Any:  # Any: a `_Router`, or whatever the user has brought
        """Its router."""


class PrefixedSubAppResource(PrefixResource):
    """An application that answers all paths below a prefix.

    Its own resources get the prefix, so that their URLs are those of requests.
    """

    def __init__(self, prefix: str, app: InnerApplication) -> None:
        super().__init__(prefix)
        self._app = app
        self._prefix_resources(prefix)

    def __repr__(self) -> str:
        return f"<PrefixedSubAppResource {self._prefix} -> {self._app!r}>"

    def __len__(self) -> int:
        return len(self._app.router.routes())

    def __iter__(self) -> Iterator[AbstractRoute]:
        return iter(self._app.router.routes())

    def _prefix_resources(self, prefix: str) -> None:
        router: _Router = self._app.router
        for resource in router.resources():
            if isinstance(resource, MatchedSubAppResource):
                resource.add_prefix(prefix)
                continue
            router.unindex_resource(resource)
            resource.add_prefix(prefix)
            router.index_resource(resource)

    def add_prefix(self, prefix: str) -> None:
        """Put a prefix in front, also of the resources inside."""
        super().add_prefix(prefix)
        self._prefix_resources(prefix)

    def url_for(self, *args: str, **kwargs: str) -> URL:
        """Fail: the resources inside have URLs, it has none."""
        raise RuntimeError(".url_for() is not supported by sub-application root")

    def get_info(self) -> dict[str, Any]:
        """Give ``app`` and ``prefix``."""
        return {"app": self._app, "prefix": self._prefix}

    async def resolve(self, request: BaseRequest) -> Resolved:
        """Find the route inside, if the path lies below the prefix; what is not found there is not
        found anywhere."""
        path, prefix = match_path(request), self._literal
        if not path.startswith(prefix) or path[len(prefix) :][:1] not in ("", "/"):
            return None, set()
        return await _resolve_inside(self._app, request), set()


async def _resolve_inside(app: InnerApplication, request: BaseRequest) -> UrlMappingMatchInfo:
    router: _Router = app.router
    found: Any = await router.resolve(request)  # Any: it holds for routers of all kinds
    found.add_app(app)
    info: UrlMappingMatchInfo = found
    return info


class AbstractRuleMatching(ABC):
    """A rule by which requests are handed on."""

    @abstractmethod
    async def match(self, request: BaseRequest) -> bool:
        """Say whether a request is one of these."""

    @abstractmethod
    def get_info(self) -> dict[str, Any]:
        """Describe it."""

    @property
    @abstractmethod
    def canonical(self) -> str:
        """The rule as a string."""


class Domain(AbstractRuleMatching):
    """Requests for one host; with a port in it, for that port alone.

    Raises:
        TypeError: the domain is not str.
        ValueError: it is not a domain.
    """

    re_part = re.compile(r"(?!-)[a-z\d-]{1,63}(?<!-)")

    def __init__(self, domain: str) -> None:
        super().__init__()
        self._domain = self.validation(domain)

    @property
    def canonical(self) -> str:
        """The domain, lower-case, in ASCII."""
        return self._domain

    def validation(self, domain: str) -> str:
        """Check a domain; give it lower-case, IDNA-encoded, without a port that is 80."""
        if not isinstance(domain, str):
            raise TypeError("Domain must be str")
        domain = domain.rstrip(".").lower()
        if not domain:
            raise ValueError("Domain cannot be empty")
        if "://" in domain:
            raise ValueError("Scheme not supported")
        url = URL(f"http://{domain}")
        host = url.raw_host
        if not host or not all(self.re_part.fullmatch(part) for part in host.split(".")):
            raise ValueError("Domain not valid")
        return host if url.port == 80 else f"{host}:{url.port}"

    async def match(self, request: BaseRequest) -> bool:
        """Compare the host of the request: that of an absolute target, which goes before the Host
        field (RFC 9112 section 3.2.2). Requests without either are not for it."""
        host = request._host or split_target(request._head.target)[0]
        host = host or request.headers.get(hdrs.HOST, "")
        return 0 < len(host) <= _MAX_HOST and self.match_domain(host)

    def match_domain(self, host: str) -> bool:
        """Compare a host, with its port or without: a domain without a port takes any."""
        host = host.lower()
        return host == self._domain or (
            ":" not in self._domain and host.partition(":")[0] == self._domain
        )

    def get_info(self) -> dict[str, Any]:
        """Give ``domain``."""
        return {"domain": self._domain}


class MaskDomain(Domain):
    """Requests for all hosts that a mask covers: ``*`` in it stands for any characters but a
    colon."""

    re_part = re.compile(r"(?!-)[a-z\d\*-]{1,63}(?<!-)")

    def __init__(self, domain: str) -> None:
        super().__init__(domain)
        pattern = self._domain.replace(".", r"\.").replace("*", "[^:]*")
        self._canonical = f"{pattern}(:.*)?"
        self._mask = re.compile(_compile_mask(self._domain), re.IGNORECASE)

    @property
    def canonical(self) -> str:
        """The mask as a regular expression."""
        return self._canonical

    def match_domain(self, host: str) -> bool:
        """Compare a host with the mask."""
        return self._mask.fullmatch(host) is not None


def _compile_mask(domain: str) -> str:
    """Make an expression of a mask whose time grows with the host alone: what a star has taken up
    to the first place where the mask goes on is not given back."""
    head, *middle = (re.escape(part) for part in domain.split("*"))
    pattern = head
    if middle:
        *middle, tail = middle
        pattern += "".join(f"(?>[^:]*?{part})" for part in middle) + f"[^:]*{tail}"
    return pattern if ":" in domain else f"{pattern}(:.*)?"


class MatchedSubAppResource(PrefixedSubAppResource):
    """An application that answers the requests that a rule picks, whatever their path."""

    def __init__(self, rule: AbstractRuleMatching, app: InnerApplication) -> None:
        super().__init__("", app)
        self._rule = rule

    def __repr__(self) -> str:
        return f"<MatchedSubAppResource -> {self._app!r}>"

    def _prefix_resources(self, prefix: str) -> None:
        if prefix:
            super()._prefix_resources(prefix)

    @property
    def canonical(self) -> str:
        """The rule."""
        return self._rule.canonical

    def get_info(self) -> dict[str, Any]:
        """Give ``app`` and ``rule``."""
        return {"app": self._app, "rule": self._rule}

    async def resolve(self, request: BaseRequest) -> Resolved:
        """Find the route inside, if the rule picks the request."""
        if not await self._rule.match(request):
            return None, set()
        return await _resolve_inside(self._app, request), set()
