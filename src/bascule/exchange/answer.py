"""An answer's head, and how it frames the body."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..wire.framing import (
    BodyFraming,
    asks_to_close,
    clean_framing,
    declared_length,
    has_no_content,
)
from ..wire.grammar import HttpVersion10
from ..wire.head import Role, check_roles, check_status
from .head import Head

__all__ = ["AnswerHead", "Bytes", "Fields", "frame_answer"]

# Names and values as text; UTF-8 with surrogateescape joins them to the bytes on the wire.
Fields = Iterable[tuple[str, str]]
Bytes = bytes | bytearray | memoryview

# Members by names of the module: to look one up in its class costs ten times as much (Python 3.11).
_FRAMED_NONE = BodyFraming.NONE
_FRAMED_LENGTH = BodyFraming.LENGTH
_FRAMED_CHUNKED = BodyFraming.CHUNKED
_FRAMED_CLOSE = BodyFraming.CLOSE
_ROLE_LENGTH = Role.LENGTH
_ROLE_CODING = Role.CODING
_ROLE_CONNECTION = Role.CONNECTION


@dataclass(slots=True)
class AnswerHead:
    """The head of an answer, framed, ready to be sent.

    Attributes:
        status: status code.
        reason: reason phrase; hosts that have none drop it.
        fields: cleaned fields; those that frame are there and agree with `framing`.
        framing: how the body ends.
        close: the connection ends after this answer.
        length: of the body in bytes, where it is declared.
    """

    status: int
    reason: str
    fields: list[tuple[str, str]]
    framing: BodyFraming
    close: bool
    length: int | None = field(default=None, compare=False)


def frame_answer(
    head: Head, status: int, reason: str, fields: list[tuple[str, str]], *, close: bool
) -> AnswerHead:
    """Decide how the body of an answer ends, and make its fields agree with that.

    Args:
        head: of the request.
        status: 200 to 999.
        reason: the phrase.
        fields: of the answer; changed in place.
        close: the connection ends behind it.

    Raises:
        ValueError: as of `Exchange.start`.

    Source: RFC 9112 section 6.3; RFC 9110 sections 6.4.1 and 8.6.
    """
    if status < 200:
        raise ValueError(f"Not the status of a final answer: {status!r}")
    check_status(status, reason)
    roles = check_roles(fields)
    length = declared_length(fields) if _ROLE_LENGTH in roles else None
    if has_no_content(status):
        length, framing = (length if status == 304 else None), _FRAMED_NONE
    elif head.method == "HEAD":
        framing = _FRAMED_NONE
    elif head.method == "CONNECT" and status < 300:
        # The connection would be a tunnel now, which is not offered: nothing may follow.
        length, framing, close = None, _FRAMED_NONE, True
    elif length is not None:
        framing = _FRAMED_LENGTH
    elif head.version > HttpVersion10:
        framing = _FRAMED_CHUNKED
    else:
        framing, close = _FRAMED_CLOSE, True
    if _ROLE_CODING in roles or roles.count(_ROLE_LENGTH) > (length is not None):
        clean_framing(fields, framing, length)
    close = close or (_ROLE_CONNECTION in roles and asks_to_close(fields))
    return AnswerHead(status, reason, fields, framing, close, length)
