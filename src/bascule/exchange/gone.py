"""Whether somebody has left."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

__all__ = ["Gone"]


class Gone:
    """Whether somebody has left: a flag, its cause, and an awaitable.

    That of the peer is set also when it has merely ended its sending half after a whole request (a
    closed and a half-closed connection look alike until something is written); an answer may then
    still be written, and is.
    """

    __slots__ = ("_callbacks", "cause")

    def __init__(self) -> None:
        self.cause: BaseException | None = None
        self._callbacks: list[Callable[[], object]] = []

    def __bool__(self) -> bool:
        return self.cause is not None

    def __await__(self) -> Generator[Any, None, None]:
        """Wait until the peer has left; any number of tasks may."""
        if self.cause is None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

            def wake() -> None:
                if not waiter.done():
                    waiter.set_result(None)

            self._callbacks.append(wake)
            try:
                yield from waiter
            finally:
                self.forget(wake)

    def then(self, callback: Callable[[], object]) -> None:
        """Call back once the peer has left; at once if it has."""
        if self.cause is None:
            self._callbacks.append(callback)
        else:
            callback()

    def forget(self, callback: Callable[[], object]) -> None:
        """Take back what `then` was given; nothing happens if it was called."""
        if callback in self._callbacks:
            self._callbacks.remove(callback)

    def set(self, cause: BaseException) -> None:
        """Declare the peer gone; the first cause stays."""
        if self.cause is None:
            self.cause = cause
            callbacks, self._callbacks = self._callbacks, []
            for callback in callbacks:
                callback()
