"""The index of a router: which resources may answer a path, in order, without looking at all."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from .resources import DynamicResource, PlainResource, Resource
from .routes import AbstractResource, ResourceRoute

__all__ = ["Bucket", "Entry", "Index"]

Match = Callable[[str], dict[str, str] | None]

# Up to so many resources are compared one after another faster than a shelf is found.
_SMALL: Final = 8
# Expressions that match no slash, among them classes of ranges that begin behind it; of others it
# is not known.
_WITHIN_SEGMENT = re.compile(
    r"(?:(?:\\[dw]|\[(?:[A-Za-z0-9_](?:-[A-Za-z0-9_])?)+\]|[A-Za-z0-9_-])"
    r"(?:[+*?]|\{[0-9]+(?:,[0-9]*)?\})?)+"
)


class Entry(NamedTuple):
    """A resource in the index.

    Attributes:
        order: grows with each resource that is added; the lower wins.
        resource: what is found.
        match: how it compares paths; None where its class answers for itself.
    """

    order: int
    resource: AbstractResource
    match: Match | None


class Index:
    """Resources by the literal segments they begin with, and among those by one they go on with.

    A lookup takes the segments of a path off its end, one by one, so the longest prefix wins. Of
    those with the same prefix the resource added first wins.

    Attributes:
        buckets: the resources by their literal prefixes.
        longest: most characters of a path for whose whole there may be resources.
        direct: routes by methods, of the resource that comes first for a target that is just its
            path, by that path.
    """

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.direct: dict[str, dict[str, ResourceRoute]] = {}
        self.longest = 0
        self._count = 0

    def add(self, resource: AbstractResource) -> None:
        """Let a resource be found."""
        match = None
        if isinstance(resource, Resource) and type(resource).resolve is Resource.resolve:
            match = resource.match
        key = resource.index_key
        # One more than the key: a path may have a slash behind it.
        self.longest = max(self.longest, len(key) + 1)
        self._count += 1
        self.buckets.setdefault(key, Bucket()).add(Entry(self._count, resource, match))
        self._list_direct(key)

    def remove(self, resource: AbstractResource) -> None:
        """Let a resource be found no more; its paths have not changed since it was added."""
        key = resource.index_key
        self.buckets[key].remove(resource)
        if type(resource) is PlainResource:
            self.direct.pop(resource._literal, None)
        self._list_direct(key)

    def _list_direct(self, key: str) -> None:
        """List the paths with this prefix that nothing in front of their resources could match."""
        for entry in self.buckets[key].entries:
            resource = entry.resource
            if type(resource) is not PlainResource or not resource._literal:
                break  # an empty path becomes that of the root
            if "%" not in resource._literal and "?" not in resource._literal:
                self.direct.setdefault(resource._literal, resource._routes)

    def start(self, path: str) -> str:
        """Give the longest prefix of a path that there may be resources for."""
        if len(path) > self.longest:
            return path[: self.longest + 1].rpartition("/")[0]
        return path


# Where a resource stands: how many segments its paths have, which of them is one literal, and that.
_Shelf = tuple[int, int, str]


class Bucket:
    """The resources with the same literal prefix.

    Attributes:
        entries: all of them, in order.
        few: the same where they are so few that `find` would not pay; else nothing.
    """

    __slots__ = ("_loose", "_shelves", "entries", "few")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.few: list[Entry] = []
        self._shelves: dict[_Shelf, list[Entry]] | None = None
        self._loose: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Put one behind the others."""
        self.entries.append(entry)
        self._forget()

    def remove(self, resource: AbstractResource) -> None:
        """Take one out."""
        self.entries = [entry for entry in self.entries if entry.resource is not resource]
        self._forget()

    def _forget(self) -> None:
        """Forget what was found out of the entries as they were."""
        self.few = self.entries if len(self.entries) <= _SMALL else []
        self._shelves = None

    def find(self, path: str) -> list[Entry]:
        """Give those that may answer a path, in order."""
        if self._shelves is None:
            self._shelves = self._sort()
        segments = path.split("/")
        count = len(segments)
        found = list(self._loose)
        for position, segment in enumerate(segments):
            found += self._shelves.get((count, position, segment), ())
        found.sort()
        return found

    def _sort(self) -> dict[_Shelf, list[Entry]]:
        shelves: dict[_Shelf, list[Entry]] = {}
        self._loose = []
        for entry in self.entries:
            shelf = _choose_shelf(entry)
            (self._loose if shelf is None else shelves.setdefault(shelf, [])).append(entry)
        return shelves


def _choose_shelf(entry: Entry) -> _Shelf | None:
    """Find the last literal segment of a resource; None if it has none of its own, or if the
    number of its segments is not fixed."""
    resource = entry.resource
    if entry.match is None or not isinstance(resource, DynamicResource):
        return None
    if not all(map(_stays_within_segment, resource.regexes)):
        return None
    segments = resource.segments
    fixed = resource.index_key.count("/") + 1
    for position in range(len(segments) - 1, fixed - 1, -1):
        segment = segments[position]
        if segment is not None:
            return len(segments), position, segment
    return None


def _stays_within_segment(regex: str) -> bool:
    return regex == DynamicResource.GOOD or _WITHIN_SEGMENT.fullmatch(regex) is not None
