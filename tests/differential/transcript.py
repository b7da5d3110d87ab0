"""What one server sent in one conversation, and the two ways of looking at it."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from .answers import Answer

__all__ = ["Transcript", "View"]


@dataclass(frozen=True, slots=True)
class Transcript:
    """What one server sent, up to the answer of the sentinel.

    Attributes:
        raw: all bytes but the sentinel's answer, masked.
        answers: those that were read, interim ones too.
        stays_open: a further request on the connection was answered.
        problem: how the answers break RFC 9112, if they do.
    """

    raw: bytes
    answers: tuple[Answer, ...]
    stays_open: bool
    problem: str | None = None

    @property
    def outcome(self) -> tuple[tuple[int, ...], bool]:
        """The class of each status, and whether the connection stays open."""
        return tuple(answer.status // 100 for answer in self.answers), self.stays_open

    def __str__(self) -> str:
        lines = [f"    {line!r}" for line in self.raw.splitlines(keepends=True)[:60]]
        lines.append(f"    -- {'stays open' if self.stays_open else 'closed'}")
        if any(not answer.complete for answer in self.answers):
            lines.append("    -- cut before its end")
        if self.problem is not None:
            lines.append(f"    -- malformed: {self.problem}")
        return "\n".join(lines)


class View(Enum):
    """What is compared: all bytes, or the class of each status; and whether the end came."""

    BYTES = "bytes"
    OUTCOME = "outcome"

    def of(self, transcript: Transcript) -> Any:
        """Give what is compared of a transcript."""
        if self is View.BYTES:
            return transcript.raw, transcript.stays_open
        return transcript.outcome
