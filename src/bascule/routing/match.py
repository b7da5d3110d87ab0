"""What a router has found for a request."""

from typing import Any

from ..message.exceptions import HTTPException
from .abstract import AbstractMatchInfo, ExpectHandler, Handler
from .routes import AbstractRoute, SystemRoute

__all__ = ["MatchInfoError", "UrlMappingMatchInfo"]


class UrlMappingMatchInfo(dict[str, str], AbstractMatchInfo):
    """The values of a path's variable parts, and the route that was found."""

    _current_app: Any = None  # Any: applications, a floor above
    _frozen = False

    # Those on the way, outermost first; shared while there are none.
    _apps: list[Any] = []

    def __init__(self, match_dict: dict[str, str], route: AbstractRoute) -> None:
        if match_dict:
            self.update(match_dict)
        self._route = route

    @property
    def handler(self) -> Handler:
        """The handler of the route."""
        return self._route.handler

    @property
    def expect_handler(self) -> ExpectHandler:
        """What decides about an Expect field."""
        return self._route.handle_expect_header

    @property
    def route(self) -> AbstractRoute:
        """The route that was found."""
        return self._route

    @property
    def http_exception(self) -> HTTPException | None:
        """What the request will be answered with when no route was found."""
        return None

    def get_info(self) -> dict[str, Any]:
        """Describe the route."""
        return self._route.get_info()

    @property
    def apps(self) -> tuple[Any, ...]:
        """The applications on the way, outermost first."""
        return tuple(self._apps)

    @property
    def current_app(self) -> Any:
        """The application that is handling the request now; it can be set to one of `apps`."""
        if self._current_app is None:
            raise AssertionError("The request is not resolved yet")
        return self._current_app

    @current_app.setter
    def current_app(self, app: Any) -> None:
        if app not in self._apps:
            raise RuntimeError(f"Expected one of the following apps {self._apps!r}, got {app!r}")
        self._current_app = app

    def add_app(self, app: Any) -> None:
        """Put an application in front of those on the way.

        Raises:
            RuntimeError: the resolution is over.
        """
        if self._frozen:
            raise RuntimeError("Cannot change apps stack after .freeze() call")
        if self._current_app is None:
            self._current_app = app
        self._apps = [app, *self._apps]

    def freeze(self) -> None:
        """End the resolution."""
        self._frozen = True

    def _settle(self, app: Any, apps: list[Any]) -> None:
        """Add one application and end the resolution, with a list of that one, which is kept."""
        self._current_app = app
        self._apps = apps
        self._frozen = True

    def __repr__(self) -> str:
        return f"<MatchInfo {super().__repr__()}: {self._route}>"


class MatchInfoError(UrlMappingMatchInfo):
    """What is found when nothing is found."""

    def __init__(self, http_exception: HTTPException) -> None:
        super().__init__({}, SystemRoute(http_exception))
        self._exception = http_exception

    @property
    def http_exception(self) -> HTTPException:
        """What the request will be answered with."""
        return self._exception

    def __repr__(self) -> str:
        return f"<MatchInfoError {self._exception.status}: {self._exception.reason}>"
