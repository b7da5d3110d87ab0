"""The applications that are mounted in one of ours: their lifespans."""

from functools import partial
from typing import Protocol

from .signals import run_all

__all__ = ["Mounts"]


class _Mounted(Protocol):
    """One that is mounted, with its lifespan."""

    async def startup(self) -> None: ...

    async def shutdown(self) -> None: ...


class Mounts:
    """The applications that are mounted in one of ours."""

    __slots__ = ("_resources",)

    def __init__(self) -> None:
        self._resources: list[_Mounted] = []

    def append(self, resource: _Mounted) -> None:
        """Add an application."""
        self._resources.append(resource)

    async def startup(self) -> None:
        """Start them, in order; the first error ends it."""
        for resource in self._resources:
            await resource.startup()

    async def shutdown(self) -> None:
        """Shut down those that were started, the last one first, all of them whatever they raise.

        Raises:
            BaseException: the error of one, as it is.
            CleanupError: the errors of several.
        """
        await run_all([partial(resource.shutdown) for resource in reversed(self._resources)])
