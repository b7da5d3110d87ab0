"""The differences of requests and responses, as objects, that are meant."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

__all__ = ["MESSAGE_DIFFERENCES", "MessageDifference"]


@dataclass(frozen=True, slots=True)
class MessageDifference:
    """One intended difference.

    Attributes:
        name: of the difference.
        reason: one sentence.
        cases: shell patterns of the names of the cases, all of which show it.
    """

    name: str
    reason: str
    cases: tuple[str, ...]

    def covers(self, case: str) -> bool:
        """Say whether a case shows it."""
        return any(fnmatchcase(case, pattern) for pattern in self.cases)


MESSAGE_DIFFERENCES = [
    MessageDifference(
        name="parameters of a Content-Type keep their quotes",
        reason="aiohttp writes those with blanks or semicolons anew without, which breaks them.",
        cases=("set/content type of *;*", "set/charset/3", "set/type beside 'x/y; c=*"),
    ),
    MessageDifference(
        name="a media type is two tokens",
        reason="RFC 9110 section 8.3.1; one with other letters is read as if there was none.",
        cases=("set/content_type/7",),
    ),
    MessageDifference(
        name="a cookie whose path is None has none",
        reason="As with its other attributes; aiohttp writes Path=None.",
        cases=("cookie/no path",),
    ),
    MessageDifference(
        name="a request can be in a set",
        reason="It is compared by identity; aiohttp's has no hash.",
        cases=("request/hash",),
    ),
]
