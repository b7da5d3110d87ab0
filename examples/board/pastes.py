"""What the board knows of a paste, from the draft to the list."""

from dataclasses import dataclass

__all__ = ["Attachment", "Draft", "Listing", "Paste", "Summary"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """An uploaded file; its name is already harmless."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked paste that is not stored yet."""

    title: str
    text: str
    attachment: Attachment | None = None


@dataclass(frozen=True, slots=True)
class Paste:
    """A stored paste without the content of its file; `created` is ISO 8601 in UTC."""

    id: int
    created: str
    title: str
    text: str
    file_name: str | None
    file_size: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list shows of a paste."""

    id: int
    created: str
    title: str
    excerpt: str
    file_name: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the list, newest paste first; pages count from 1."""

    pastes: list[Summary]
    page: int
    pages: int
    total: int
