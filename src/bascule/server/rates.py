"""How fast a body comes, measured while somebody waits for it."""

__all__ = ["BodyRate"]


class BodyRate:
    """Measures one body. The time in which its reader does something else does not count.

    Args:
        rate: bytes a second that are asked for.
        grace: seconds of waiting in which nothing is asked for.
    """

    __slots__ = ("_came", "_grace", "_rate", "_waited", "_waiting_since")

    def __init__(self, rate: float, grace: float) -> None:
        self._rate = rate
        self._grace = grace
        self._came = 0
        self._waited = 0.0
        self._waiting_since: float | None = None

    def begin_wait(self, now: float) -> None:
        """A reader begins to wait."""
        if self._waiting_since is None:
            self._waiting_since = now

    def add(self, size: int, now: float) -> None:
        """Bytes have come; a reader that waited does so no more."""
        self._came += size
        if self._waiting_since is not None:
            self._waited += now - self._waiting_since
            self._waiting_since = None

    def is_too_low(self, now: float) -> bool:
        """Say if the body comes more slowly than it is asked to."""
        waited = self._waited
        if self._waiting_since is not None:
            waited += now - self._waiting_since
        return waited > self._grace and self._came < waited * self._rate
