"""Lists of coroutine functions that an application calls at the turns of its life."""

import sys
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    MutableSequence,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial, total_ordering
from inspect import iscoroutine
from typing import Any, Generic, ParamSpec, TypeVar, overload

__all__ = ["CleanupContext", "CleanupError", "FrozenList", "Signal", "run_all"]

_T = TypeVar("_T")
_P = ParamSpec("_P")
_ReceiverT = TypeVar("_ReceiverT", bound=Callable[..., Awaitable[Any]])


@total_ordering
class FrozenList(MutableSequence[_T], Generic[_T]):
    """A list that can be frozen; changing it after that is a RuntimeError.

    It compares like a list, also with lists; frozen it can be hashed.
    """

    __slots__ = ("_frozen", "_items")

    def __init__(self, items: Iterable[_T] = ()) -> None:
        self._items = list(items)
        self._frozen = False

    @property
    def frozen(self) -> bool:
        """Whether it can no longer be changed."""
        return self._frozen

    def freeze(self) -> None:
        """Let it be changed no more."""
        self._frozen = True

    def _check(self) -> None:
        if self._frozen:
            raise RuntimeError("Cannot modify frozen list.")

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...
    def __getitem__(self, index: int | slice) -> _T | list[_T]:
        return self._items[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._check()
        self._items[index] = value

    def __delitem__(self, index: int | slice) -> None:
        self._check()
        del self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[_T]:
        return iter(self._items)

    def _items_of(self, other: object) -> list[_T] | None:
        if isinstance(other, FrozenList):
            return other._items
        return other if isinstance(other, list) else None

    def __eq__(self, other: object) -> bool:
        items = self._items_of(other)
        return NotImplemented if items is None else self._items == items

    def __lt__(self, other: object) -> bool:
        items: Any = self._items_of(other)
        return NotImplemented if items is None else bool(self._items < items)

    def __hash__(self) -> int:
        if not self._frozen:
            raise RuntimeError("Cannot hash unfrozen list.")
        return hash(tuple(self._items))

    def __repr__(self) -> str:
        return f"<FrozenList(frozen={self._frozen}, {self._items!r})>"

    def index(self, value: Any, start: int = 0, stop: int = sys.maxsize) -> int:
        """Find an item.

        Raises:
            ValueError: it is not there.
        """
        return self._items.index(value, start, stop)

    def remove(self, value: _T) -> None:
        """Take an item out.

        Raises:
            ValueError: it is not there.
        """
        self._check()
        self._items.remove(value)

    def clear(self) -> None:
        """Take all items out."""
        self._check()
        self._items.clear()

    def insert(self, index: int, value: _T) -> None:
        """Put an item in."""
        self._check()
        self._items.insert(index, value)


class Signal(FrozenList[Callable[_P, Awaitable[Any]]], Generic[_P]):
    """Coroutine functions that are called one after another; also a decorator that adds one."""

    __slots__ = ("_owner",)

    def __init__(self, owner: object = None) -> None:
        super().__init__()
        self._owner = owner

    def __repr__(self) -> str:
        return f"<Signal owner={self._owner!r}, frozen={self._frozen}, {self._items!r}>"

    def __call__(self, func: _ReceiverT) -> _ReceiverT:
        """Add a receiver; give it back."""
        self.append(func)
        return func

    async def send(self, *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Call them in order; the first error ends it.

        Raises:
            RuntimeError: the list is not frozen yet.
        """
        if not self._frozen:
            raise RuntimeError("Cannot send non-frozen signal.")
        for receiver in self._items:
            await receiver(*args, **kwargs)


class CleanupError(RuntimeError):
    """Several steps of a clean-up failed."""

    @property
    def exceptions(self) -> list[BaseException]:
        """What they raised, in the order in which they were taken."""
        exceptions: list[BaseException] = self.args[1]
        return exceptions


async def run_all(steps: Iterable[Callable[[], Awaitable[Any]]]) -> None:
    """Take all steps of a clean-up, one after another, whatever they raise.

    Raises:
        BaseException: the error of one, as it is; of several the one that ends the program.
        CleanupError: the errors of several.
    """
    errors: list[BaseException] = []
    for step in steps:
        try:
            await step()
        except CleanupError as exc:
            errors += exc.exceptions
        except BaseException as exc:  # told below, after the others had their turn
            errors.append(exc)
    for error in errors:
        if len(errors) == 1 or isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
    if errors:
        raise CleanupError("Multiple errors on cleanup stage", errors)


_AppT = TypeVar("_AppT")
_Context = Callable[[_AppT], AsyncIterator[None] | AbstractAsyncContextManager[None]]


class CleanupContext(FrozenList[_Context[_AppT]], Generic[_AppT]):
    """Contexts that are entered at start-up, in order, and left at clean-up, in reverse.

    Each is an async generator function with one ``yield``, or a function that gives an async
    context manager.
    """

    __slots__ = ("_entered",)

    def __init__(self) -> None:
        super().__init__()
        self._entered: list[AbstractAsyncContextManager[None]] = []

    async def _on_startup(self, app: _AppT) -> None:
        """Enter them; the first error ends it, and those entered stay to be left."""
        for function in self._items:
            manager = _make_manager(function, app)
            await manager.__aenter__()
            self._entered.append(manager)

    async def _on_cleanup(self, app: _AppT) -> None:
        """Leave those entered, all of them, whatever they raise.

        Raises:
            BaseException: the error of one, as it is.
            CleanupError: the errors of several.
        """
        entered, self._entered = self._entered, []
        await run_all(partial(manager.__aexit__, None, None, None) for manager in reversed(entered))


def _make_manager(function: _Context[_AppT], app: _AppT) -> AbstractAsyncContextManager[None]:
    made: Any = function(app)  # Any: whatever a user's function gives
    if hasattr(made, "__aenter__"):
        manager: AbstractAsyncContextManager[None] = made
        return manager
    if hasattr(made, "__anext__"):
        return asynccontextmanager(lambda: made)()
    if iscoroutine(made):
        made.close()
    raise TypeError(f"{function!r} gave neither an async generator nor a context manager")
