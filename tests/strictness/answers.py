"""What a client has read, taken apart without a parser that a test would have to trust."""

import re
from dataclasses import dataclass

__all__ = ["Answers", "read_answers"]

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n")


@dataclass(frozen=True)
class Answers:
    """The answers of one connection.

    Attributes:
        statuses: of final answers and of 101, in order.
        says_close: the last of them names ``Connection: close``.
        rest: bytes that are no answer.
    """

    statuses: tuple[int, ...] = ()
    says_close: bool = False
    rest: bytes = b""


def read_answers(data: bytes) -> Answers:
    """Take answers apart by their framing, to the first bytes that are none."""
    statuses: list[int] = []
    says_close = False
    while match := _STATUS.match(data):
        head, _, rest = data.partition(b"\r\n\r\n")
        status = int(match[1])
        if status == 101 or status >= 200:
            statuses.append(status)
            says_close = b"\r\nconnection: close" in head.lower()
        data = b"" if status == 101 else rest[_size_of_body(head.lower() + b"\r\n", rest, status) :]
    return Answers(tuple(statuses), says_close, data)


def _size_of_body(head: bytes, rest: bytes, status: int) -> int:
    if status < 200 or status in (204, 304):
        return 0
    if length := _LENGTH.search(head):
        return int(length[1])
    if b"\r\ntransfer-encoding: chunked" in head:
        return rest.find(b"0\r\n\r\n") + 5
    # Answers to HEAD and CONNECT have no body; others without a length end with the connection.
    return 0 if _STATUS.match(rest) else len(rest)
