"""What routing is made of, for those who bring their own: the classes of ``aiohttp.abc``."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from ..message.exceptions import HTTPException
from ..message.request import BaseRequest
from ..message.stream import StreamResponse

__all__ = [
    "AbstractMatchInfo",
    "AbstractRouter",
    "AbstractView",
    "ExpectHandler",
    "Handler",
    "HandlerOf",
    "RequestMiddleware",
]

_RequestT = TypeVar("_RequestT", bound=BaseRequest)

# Any: the request of the applications above; routing passes it on and takes no interest in it.
Handler = Callable[[Any], Awaitable[StreamResponse]]
# The same where it is registered: some kind of request it must be.
HandlerOf = Callable[[_RequestT], Awaitable[StreamResponse]]
ExpectHandler = Callable[[Any], Awaitable[StreamResponse | None]]


class RequestMiddleware(Protocol):
    """A coroutine function around handlers; the handler is given by that name, as in aiohttp."""

    def __call__(self, request: Any, /, handler: Any) -> Awaitable[StreamResponse]:
        """Answer a request, perhaps by the handler."""


class AbstractRouter(ABC):
    """What finds out who answers a request."""

    def __init__(self) -> None:
        self._frozen = False

    def post_init(self, app: Any) -> None:  # noqa: B027 - subclasses need not know of it
        """Be told of the application it belongs to; called by nobody, as in aiohttp."""

    @property
    def frozen(self) -> bool:
        """Whether resources can no longer be added."""
        return self._frozen

    def freeze(self) -> None:
        """Accept no more resources."""
        self._frozen = True

    @abstractmethod
    async def resolve(self, request: Any) -> "AbstractMatchInfo":
        """Find who answers a request; an HTTPException raised here is its answer."""


class AbstractMatchInfo(ABC):
    """What was found for a request."""

    @property
    @abstractmethod
    def handler(self) -> Handler:
        """What answers the request."""

    @property
    @abstractmethod
    def expect_handler(self) -> ExpectHandler:
        """What decides about an Expect field."""

    @property
    @abstractmethod
    def http_exception(self) -> HTTPException | None:
        """What the handler raises when nothing was found, else None."""

    @abstractmethod
    def get_info(self) -> dict[str, Any]:
        """Describe the route for people and tools."""

    @property
    @abstractmethod
    def apps(self) -> tuple[Any, ...]:
        """The applications on the way, outermost first."""

    @abstractmethod
    def add_app(self, app: Any) -> None:
        """Put an application in front of those on the way."""

    @abstractmethod
    def freeze(self) -> None:
        """End the resolution: no application can be added any more."""


class AbstractView(ABC, Generic[_RequestT]):
    """A handler that is a class: made for a request, then awaited."""

    def __init__(self, request: _RequestT) -> None:
        self._request = request

    @property
    def request(self) -> _RequestT:
        """The request it was made for."""
        return self._request

    @abstractmethod
    def __await__(self) -> Iterator[Any]:
        """Answer the request."""
