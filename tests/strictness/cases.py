"""What a case is: bytes that a server gets, and what may become of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CANARY", "CANARY_SEEN", "Case", "Refused", "Seen", "Served", "find_fault"]

# Behind each case, on its connection: shows where the server took the message to end, and whether
# anything is parsed behind an error. The server closes behind it, so that nobody need wait.
CANARY = b"GET /canary HTTP/1.1\r\nHost: canary.test\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Seen:
    """A request as an application has seen it.

    Attributes:
        method: as it was given to the application.
        target: without scheme and authority, since not all servers hand them on.
        fields: names lower-cased, and values decoded as Latin-1.
        body: all of it.
        broken: the body ended with an error.
    """

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""
    broken: bool = False

    @classmethod
    def of(
        cls,
        method: str,
        target: str,
        fields: Iterable[tuple[bytes, bytes]],
        body: bytes = b"",
        *,
        broken: bool = False,
    ) -> "Seen":
        """Make one of what an application holds."""
        pairs = tuple(
            (name.decode("latin-1").lower(), _text(name, value)) for name, value in fields
        )
        return cls(method, _to_origin(target), pairs, body, broken)

    def to_json(self) -> dict[str, Any]:
        """Give what `from_json` takes."""
        return {**vars(self), "body": self.body.decode("latin-1")}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Seen":
        """Read what `to_json` gave."""
        fields = tuple((name, value) for name, value in record.pop("fields"))
        body = record.pop("body").encode("latin-1")
        return cls(**record, fields=fields, body=body)


def _text(name: bytes, value: bytes) -> str:
    text = value.decode("latin-1")
    # The one value that a parser may write anew, since its letters mean the same in any case.
    return text.lower() if name.lower() == b"transfer-encoding" else text


def _to_origin(target: str) -> str:
    scheme, separator, rest = target.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return target
    path = rest[len(rest.partition("/")[0].partition("?")[0]) :]
    return path if path.startswith("/") else "/" + path


CANARY_SEEN = Seen.of("GET", "/canary", [(b"Host", b"canary.test"), (b"Connection", b"close")])


@dataclass(frozen=True)
class Refused:
    """The bytes are answered with an error, the connection ends, and nothing more is parsed.

    Attributes:
        statuses: one of them is the answer.
        before: requests in front of the fault, which are served.
        in_body: the fault is in a body, so the application may have been called; it must learn
            that the body is broken.
    """

    statuses: frozenset[int] = frozenset({400})
    before: tuple[Seen, ...] = ()
    in_body: bool = False


@dataclass(frozen=True)
class Served:
    """The application sees these requests and no others.

    Attributes:
        requests: all of them but the canary.
        goes_on: the canary is served behind them; else the connection ends.
    """

    requests: tuple[Seen, ...]
    goes_on: bool = True


@dataclass(frozen=True)
class Case:
    """Bytes with the rule that they break, or that they keep to where others do not.

    Attributes:
        name: ``group/what``, the same in each run.
        source: section of an RFC, or the identifier of an advisory.
        data: sent with the canary behind it.
        allowed: what may become of it; one of them.
        is_own: a bound of our own choice, no rule: others may have another one.
    """

    name: str
    source: str
    data: bytes
    allowed: tuple[Refused | Served, ...] = field(default=(Refused(),))
    is_own: bool = False

    @property
    def group(self) -> str:
        """The rules that it belongs to."""
        return self.name.partition("/")[0]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        statuses: of final answers, in order, and 101.
        says_close: the last answer names ``Connection: close``.
        closed: the server has ended the connection.
        seen: requests that the application was called with.
    """

    statuses: tuple[int, ...]
    says_close: bool
    closed: bool
    seen: tuple[Seen, ...]


def find_fault(case: Case, outcome: Outcome, *, is_peer: bool = False) -> str | None:
    """Say in what an outcome is none of those allowed; None if it is.

    Args:
        case: that was sent.
        outcome: what became of it.
        is_peer: any status of an error will do, or none before the end of the connection; so will
            a refusal of all that came, where only a part of it is bad.
    """
    faults = [
        _refused_fault(allowed, outcome, is_peer)
        if isinstance(allowed, Refused)
        else _served_fault(allowed, outcome, is_peer)
        for allowed in case.allowed
    ]
    return None if None in faults else " / ".join(str(each) for each in faults)


def _refused_fault(allowed: Refused, outcome: Outcome, is_peer: bool) -> str | None:
    whole = tuple(seen for seen in outcome.seen if not seen.broken)
    before = allowed.before[: len(whole)] if is_peer else allowed.before
    if whole != before:
        return f"reached the application: {_show(whole[len(allowed.before) :] or whole)}"
    if len(outcome.seen) > len(whole) and not allowed.in_body:
        return f"called the application: {_show(outcome.seen)}"
    if not outcome.closed:
        return f"left open, {_tell(outcome)}"
    errors = outcome.statuses[len(before) :]
    if is_peer:
        return None if not errors or errors[0] >= 400 else f"answered {errors}"
    if len(errors) != 1 or errors[0] not in allowed.statuses:
        return f"answered {errors}, not {sorted(allowed.statuses)}"
    return None if outcome.says_close else "does not say that it closes"


def _served_fault(allowed: Served, outcome: Outcome, is_peer: bool) -> str | None:
    if is_peer and not allowed.goes_on and _refused_fault(Refused(), outcome, True) is None:
        return None
    expected = allowed.requests + ((CANARY_SEEN,) if allowed.goes_on else ())
    if outcome.seen != expected:
        return f"not served as it should: {_tell(outcome)}, saw {_show(outcome.seen)}"
    return None if outcome.closed else f"left open, {_tell(outcome)}"


def _tell(outcome: Outcome) -> str:
    return f"answered {outcome.statuses}" if outcome.statuses else "no answer"


def _show(seen: tuple[Seen, ...]) -> str:
    return "; ".join(
        f"{each.method} {each.target} {list(each.fields)} {each.body!r}"[:300] for each in seen
    )
