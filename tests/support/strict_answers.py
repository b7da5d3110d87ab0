"""A client that takes nothing but what RFC 9112 allows: bytes to answers."""

import re
from dataclasses import dataclass, field

__all__ = ["Answer", "check_fields", "read_answers"]

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([^\x00-\x08\x0a-\x1f\x7f]*)")
_CHUNK = re.compile(rb"[0-9a-f]{1,16}")


@dataclass
class Answer:
    """One answer as it stood on the wire.

    Attributes:
        is_whole: its end was there.
    """

    status: int
    reason: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    is_whole: bool = True
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)

    def values(self, name: bytes) -> list[bytes]:
        """Give the values of a field, whose name is given in lower case."""
        return [value for known, value in self.fields if known.lower() == name]


def check_fields(fields: list[tuple[bytes, bytes]]) -> None:
    """Refuse fields that would not go over a wire as they are."""
    for name, value in fields:
        if _FIELD.fullmatch(name + b": " + value) is None:
            raise ValueError(f"Not a field: {name!r} {value!r}")


def read_answers(raw: bytes, *methods: str) -> list[Answer]:
    """Read all answers of a connection that the server has ended, interim ones among them.

    Args:
        raw: everything it has sent.
        methods: of the requests, in order; GET when they are fewer than the final answers.

    Raises:
        ValueError: something is not as it has to be; an answer that is cut is not whole.
    """
    left = list(methods)
    answers: list[Answer] = []
    while raw:
        head, end, rest = raw.partition(b"\r\n\r\n")
        if not end:
            raise ValueError(f"Half a head: {raw!r:.200}")
        answer = _read_head(head)
        answers.append(answer)
        raw = rest
        if answer.status >= 200:
            raw = _read_body(answer, rest, left.pop(0) if left else "GET")
        if not answer.is_whole and raw:
            raise ValueError(f"Bytes behind a cut: {raw!r:.200}")
    return answers


def _read_head(head: bytes) -> Answer:
    first, *lines = head.split(b"\r\n")
    found = _STATUS_LINE.fullmatch(first)
    if found is None:
        raise ValueError(f"Not a status line: {first!r:.200}")
    return Answer(int(found[1]), found[2], _read_fields(lines))


def _read_fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    fields = []
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise ValueError(f"Not a field: {line!r:.200}")
        fields.append((found[1], found[2]))
    return fields


def _read_body(answer: Answer, raw: bytes, method: str) -> bytes:
    """Take the body off; give what is behind it (RFC 9112 section 6.3)."""
    lengths, codings = answer.values(b"content-length"), answer.values(b"transfer-encoding")
    if len(lengths) > 1 or len(codings) > 1 or (lengths and codings):
        raise ValueError(f"Framed twice: {answer.fields!r}")
    if answer.status == 204 and (lengths or codings):
        raise ValueError(f"204 with framing: {answer.fields!r}")
    if method == "HEAD" or answer.status in (204, 304):
        return raw
    if codings:
        if codings != [b"chunked"]:
            raise ValueError(f"Not a coding of ours: {codings!r}")
        return _read_chunks(answer, raw)
    size = int(lengths[0]) if lengths else len(raw)
    answer.body, rest = raw[:size], raw[size:]
    answer.is_whole = len(answer.body) == size
    return rest


def _read_chunks(answer: Answer, raw: bytes) -> bytes:
    while True:
        line, end, rest = raw.partition(b"\r\n")
        if not end:
            answer.is_whole = False
            return b""
        if _CHUNK.fullmatch(line) is None:
            raise ValueError(f"Not the size of a chunk: {line!r:.200}")
        size = int(line, 16)
        if not size:
            return _read_trailers(answer, rest)
        answer.body += rest[:size]
        if len(rest) < size + 2:
            answer.is_whole = False
            return b""
        if rest[size : size + 2] != b"\r\n":
            raise ValueError(f"A chunk without its end: {rest[size : size + 2]!r}")
        raw = rest[size + 2 :]


def _read_trailers(answer: Answer, raw: bytes) -> bytes:
    if raw.startswith(b"\r\n"):
        return raw[2:]
    block, end, rest = raw.partition(b"\r\n\r\n")
    answer.is_whole = bool(end)
    answer.trailers = _read_fields(block.split(b"\r\n")) if end else []
    return rest
