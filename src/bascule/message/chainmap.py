"""The data of nested applications as one read-only mapping."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, overload

from .keys import AppKey

__all__ = ["ChainMapProxy"]

_T = TypeVar("_T")
_U = TypeVar("_U")
_AnyKey = str | AppKey[Any]


class ChainMapProxy(Mapping[_AnyKey, Any]):
    """Several mappings, looked through in order; the first that has a key wins."""

    __slots__ = ("_maps",)

    def __init__(self, maps: Iterable[Mapping[_AnyKey, Any]]) -> None:
        self._maps = tuple(maps)

    def __init_subclass__(cls) -> None:
        raise TypeError(f"Inheritance class {cls.__name__} from ChainMapProxy is forbidden")

    @overload
    def __getitem__(self, key: AppKey[_T]) -> _T: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    def __getitem__(self, key: str | AppKey[Any]) -> Any:
        for mapping in self._maps:
            if key in mapping:
                return mapping[key]
        raise KeyError(key)

    @overload  # type: ignore[override]  # a typed key gives a typed value
    def get(self, key: AppKey[_T], default: None = ...) -> _T | None: ...
    @overload
    def get(self, key: AppKey[_T], default: _U) -> _T | _U: ...
    @overload
    def get(self, key: str, default: Any = ...) -> Any: ...
    def get(self, key: str | AppKey[Any], default: Any = None) -> Any:
        """Look a key up, or give the default."""
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key: object) -> bool:
        return any(key in mapping for mapping in self._maps)

    def __iter__(self) -> Iterator[_AnyKey]:
        return iter(dict.fromkeys(key for mapping in reversed(self._maps) for key in mapping))

    def __len__(self) -> int:
        return len(set().union(*self._maps))

    def __bool__(self) -> bool:
        return any(self._maps)

    def __repr__(self) -> str:
        return f"ChainMapProxy({', '.join(map(repr, self._maps))})"
