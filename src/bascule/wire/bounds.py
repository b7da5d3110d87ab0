"""Checks of numbers that bound something: a size, a count, a time, a rate."""

from typing import Any

__all__ = ["check_count", "check_seconds"]


def check_count(
    name: str, value: Any, *, least: int = 1, optional: bool = False, others: str = ""
) -> None:
    """Refuse what is no number of bytes, lines or the like.

    Args:
        name: what it was given as.
        value: what was given.
        least: the smallest that makes sense.
        optional: whether None is taken, for no bound.
        others: what else is taken, for the message.

    Raises:
        TypeError: it is no int; True and False are none.
        ValueError: it is too small.
    """
    if optional and value is None:
        return
    choices = [f"an int of at least {least}", *filter(None, [others]), *["None"] * optional]
    wanted = f"{name} should be {' or '.join(choices)}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{wanted}, got {value!r:.200}")
    if value < least:
        raise ValueError(f"{wanted}, got {value!r:.200}")


def check_seconds(name: str, value: Any, *, zero: bool = False) -> None:
    """Refuse what is no time; infinity is one, and switches a clock off.

    Args:
        name: what it was given as.
        value: what was given.
        zero: whether 0 makes sense.

    Raises:
        TypeError: it is no number; True and False are none.
        ValueError: it is negative, not a number, or 0 without sense.
    """
    wanted = f"{name} should be a number of seconds{', 0 or more' if zero else ' above 0'}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{wanted}, got {value!r:.200}")
    if not (value >= 0 if zero else value > 0):  # neither holds for NaN
        raise ValueError(f"{wanted}, got {value!r:.200}")
