"""A strict reader of HTTP/1.1 answers that keeps every byte it was sent."""

import asyncio
import re
from dataclasses import dataclass

__all__ = ["Answer", "AnswerReader", "MalformedAnswer"]

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2}) [\t\x20-\x7e\x80-\xff]*")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([\t\x20-\x7e\x80-\xff]*)")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]+")


class MalformedAnswer(Exception):
    """The answer breaks RFC 9112; the message says how."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, interim or final.

    Attributes:
        status: its status code.
        complete: the peer sent all that the framing announced.
        is_last: the end of the connection ends it, or has cut it; where it ends it, the body
            is not read yet.
    """

    status: int
    complete: bool
    is_last: bool


class AnswerReader(asyncio.Protocol):
    """The client's end of one connection; it reads the answers on it in order.

    A protocol and no ``asyncio.StreamReader``, since that one forgets what came before a reset.

    Attributes:
        data: everything received so far.
        ended: the peer has closed or reset the connection.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = False
        self._position = 0
        self._news = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        self.data += data
        self._news.set()

    def eof_received(self) -> bool:
        """The peer has ended its half, which ends the conversation."""
        self.ended = True
        self._news.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, however that came."""
        self.eof_received()

    async def read_answer(self, method: str) -> Answer | None:
        """Read the next answer; None when the connection ended before its first byte.

        Args:
            method: of the request that it answers, since that decides about the body.

        Raises:
            MalformedAnswer: what came is no answer.
        """
        if not await self._has(1):
            return None
        line = await self._read_line()
        fields = await self._read_fields()
        if line is None or fields is None:
            return Answer(0, complete=False, is_last=True)
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise MalformedAnswer(f"status line {line!r}")
        status = int(match[1])
        return await self._read_body(status, method, fields)

    async def read_until(self, mark: bytes) -> bool:
        """Read on until the input ends with `mark`; False when it ended without."""
        while not self.data.endswith(mark):
            if not await self._receive():
                return False
        return True

    async def _read_body(
        self, status: int, method: str, fields: list[tuple[bytes, bytes]]
    ) -> Answer:
        lengths = [value for name, value in fields if name == b"content-length"]
        codings = [value for name, value in fields if name == b"transfer-encoding"]
        if len(lengths) > 1 or len(codings) > 1 or (lengths and codings):
            raise MalformedAnswer(f"ambiguous framing: {lengths} {codings}")
        if (status < 200 or status == 204) and (lengths or codings):
            raise MalformedAnswer(f"{status} with framing fields: {lengths} {codings}")
        if method == "HEAD" or status < 200 or status in (204, 304):
            return Answer(status, complete=True, is_last=False)
        if codings:
            complete = await self._read_chunks(codings[0])
        elif lengths:
            if not lengths[0].isdigit():
                raise MalformedAnswer(f"Content-Length {lengths[0]!r}")
            complete = await self._skip(int(lengths[0]))
        else:
            return Answer(status, complete=True, is_last=True)
        return Answer(status, complete, is_last=not complete)

    async def _read_chunks(self, coding: bytes) -> bool:
        if coding.lower() != b"chunked":
            raise MalformedAnswer(f"Transfer-Encoding {coding!r}")
        while (line := await self._read_line()) is not None:
            if _CHUNK_SIZE.fullmatch(line) is None:
                raise MalformedAnswer(f"chunk size {line!r}")
            size = int(line, 16)
            if not size:
                return await self._read_fields() is not None
            if not await self._skip(size):
                return False
            end = await self._read_line()
            if end:
                raise MalformedAnswer(f"{end!r} behind a chunk")
        return False

    async def _read_fields(self) -> list[tuple[bytes, bytes]] | None:
        fields: list[tuple[bytes, bytes]] = []
        while line := await self._read_line():
            match = _FIELD.fullmatch(line)
            if match is None:
                raise MalformedAnswer(f"header field {line!r}")
            fields.append((match[1].lower(), match[2].strip(b" \t")))
        return None if line is None else fields

    async def _read_line(self) -> bytes | None:
        """Read up to CRLF; None when the input ends before it."""
        while (end := self.data.find(b"\r\n", self._position)) < 0:
            if not await self._receive():
                self._position = len(self.data)
                return None
        line = bytes(self.data[self._position : end])
        self._position = end + 2
        return line

    async def _skip(self, size: int) -> bool:
        complete = await self._has(size)
        self._position = min(self._position + size, len(self.data))
        return complete

    async def _has(self, size: int) -> bool:
        while len(self.data) < self._position + size:
            if not await self._receive():
                return False
        return True

    async def _receive(self) -> bool:
        """Wait for more; False at the end of the connection."""
        size = len(self.data)
        while size == len(self.data) and not self.ended:
            self._news.clear()
            await self._news.wait()
        return size < len(self.data)
