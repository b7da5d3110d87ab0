"""What a directory of files may be told beyond aiohttp: its pages, and fields of its answers."""

import os
import posixpath
from pathlib import PurePath
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from ..message.response_head import LooseHeaders
from ..wire import hdrs
from ..wire.conditions import join_field
from ..wire.fields import parse_codings
from ..wire.head import check_fields

__all__ = ["StaticFields", "StaticPages"]

_PAGE_TYPE: Final = "text/html"
# What admits a page without naming it.
_WILDCARDS: Final = ("text/*", "*/*")
_CACHEABLE: Final = (200, 206, 304)


class StaticPages:
    """Which files answer paths that are no files.

    Args:
        index: name of the file that answers for its directory.
        fallback: path, below the directory, of the file that answers for what is missing.

    Raises:
        ValueError: the index is not a mere name, or the fallback leads out of the directory.
    """

    __slots__ = ("fallback", "index")

    def __init__(self, index: str | None, fallback: str | os.PathLike[str] | None) -> None:
        if index is not None and (not isinstance(index, str) or not _is_name(index)):
            raise ValueError(f"index must be the name of a file, got {index!r}")
        self.index = index
        self.fallback: str | None = None
        if fallback is not None:
            path = fallback if isinstance(fallback, str) else PurePath(fallback).as_posix()
            if not all(map(_is_name, path.split("/"))):
                raise ValueError(
                    f"fallback must be the path of a file below the directory, got {fallback!r}"
                )
            self.fallback = path

    def falls_back(self, filename: str, fields: CIMultiDictProxy[str]) -> bool:
        """Say whether a request that found nothing is for a page (see `StaticResource`)."""
        if self.fallback is None:
            return False
        accept = join_field(fields, hdrs.ACCEPT)
        weights = parse_codings(accept)  # names and weights are written as in Accept-Encoding
        if _PAGE_TYPE in weights:
            return weights[_PAGE_TYPE] > 0
        if accept and not any(weights.get(wildcard) for wildcard in _WILDCARDS):
            return False
        return "." not in posixpath.basename(filename.rstrip("/"))


class StaticFields:
    """Fields of the answers with a file.

    Args:
        headers: fields; they may be given as a mapping or as pairs.
        max_age: seconds that caches may keep a file for; None for not saying anything.

    Raises:
        ValueError: the fields cannot be sent, or the seconds are no whole number from 0.
    """

    __slots__ = ("_cache_control", "_headers")

    def __init__(self, headers: LooseHeaders | None, max_age: int | None) -> None:
        self._headers = CIMultiDict(headers or ())
        check_fields(self._headers.items())
        if max_age is not None and (
            isinstance(max_age, bool) or not isinstance(max_age, int) or max_age < 0
        ):
            raise ValueError(f"max_age must be a number of seconds from 0, got {max_age!r}")
        self._cache_control = "" if max_age is None else f"public, max-age={max_age}"

    @property
    def are_any(self) -> bool:
        """Whether there are any."""
        return bool(self._headers or self._cache_control)

    def add_to(self, headers: CIMultiDict[str], status: int, *, is_fallback: bool) -> None:
        """Add the fields to those of an answer.

        Args:
            headers: of the answer.
            status: of the answer; errors are not to be kept.
            is_fallback: it is the file that is fallen back to.
        """
        headers.extend(self._headers)
        if self._cache_control and status in _CACHEABLE:
            value = "no-cache" if is_fallback else self._cache_control
            headers.setdefault(hdrs.CACHE_CONTROL, value)


def _is_name(name: str) -> bool:
    """Say whether this is one segment of a path, and nothing that leads elsewhere."""
    return name not in ("", ".", "..") and not any(sign in name for sign in "/\\\0")
