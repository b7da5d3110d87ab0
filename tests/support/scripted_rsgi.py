"""A host of granian's own interface, RSGI, in memory: what it tells is given, what it is told is
kept."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

__all__ = ["RsgiCall", "RsgiScope"]

Pairs = list[tuple[str, str]]


class _Fields:
    """Fields as granian's: names in lower case, the first of several values."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs

    def __contains__(self, name: str) -> bool:
        return any(name == each for each, _ in self._pairs)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._pairs))

    def get(self, name: str) -> str | None:
        return next((value for each, value in self._pairs if each == name), None)

    def items(self) -> Pairs:
        return list(self._pairs)


class RsgiScope:
    """A scope; what is not given is that of the smallest request."""

    def __init__(self, *, headers: Iterable[tuple[str, str]] = (), **facts: Any) -> None:
        self.proto = "http"
        self.http_version = "1.1"
        self.server = "127.0.0.1:80"
        self.client = "127.0.0.1:1234"
        self.scheme = "http"
        self.method = "GET"
        self.path = "/"
        self.query_string = ""
        self.authority: str | None = None
        self.headers = _Fields(list(headers))
        vars(self).update(facts)


class _Stream:
    def __init__(self, call: "RsgiCall") -> None:
        self._call = call

    async def send_bytes(self, data: bytes) -> None:
        if self._call.is_closed:
            raise RuntimeError("RSGI transport is closed")
        assert type(data) is bytes
        self._call.sent.append(("piece", data))

    def __del__(self) -> None:
        self._call.sent.append(("end",))


class RsgiCall:
    """The protocol of one call.

    Args:
        pieces: of the body, each bytes, or a future of them; the end is told behind.
        endless: empty pieces come behind them for ever.

    Attributes:
        sent: the calls that answered, in order.
        asked: how many pieces were asked for.
        is_closed: the client has left.
    """

    def __init__(self, pieces: Iterable[Any] = (), *, endless: bool = False) -> None:
        self._pieces = list(pieces)
        self._endless = endless
        self._is_reading = False
        self.sent: list[Any] = []
        self.asked = 0
        self.is_closed = False
        self.leaving: asyncio.Future[None] | None = None

    # -- the body

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._is_reading = True
        return self

    def __anext__(self) -> "asyncio.Future[bytes]":
        assert self._is_reading
        self.asked += 1
        piece: Any = self._pieces.pop(0) if self._pieces else (b"" if self._endless else None)
        if isinstance(piece, asyncio.Future):
            return piece
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if piece is None:
            future.set_exception(StopAsyncIteration("stream exhausted"))
        elif isinstance(piece, Exception):
            future.set_exception(piece)
        else:
            future.set_result(piece)
        return future

    # -- the client

    def client_disconnect(self) -> Any:
        if self.is_closed:
            return _done()
        if self.leaving is None or self.leaving.done():
            self.leaving = asyncio.get_running_loop().create_future()
        return self.leaving

    def leave(self) -> None:
        """Let the client leave."""
        self.is_closed = True
        if self.leaving is not None:
            self.leaving.set_result(None)

    # -- the answer

    def response_empty(self, status: int, headers: Pairs) -> None:
        self._answer("empty", status, headers)

    def response_bytes(self, status: int, headers: Pairs, body: bytes) -> None:
        assert type(body) is bytes
        self._answer("bytes", status, headers, body)

    def response_file(self, status: int, headers: Pairs, file: str) -> None:
        self._answer("file", status, headers, file)

    def response_file_range(
        self, status: int, headers: Pairs, file: str, start: int, end: int
    ) -> None:
        self._answer("range", status, headers, file, start, end)

    def response_stream(self, status: int, headers: Pairs) -> _Stream:
        self._answer("stream", status, headers)
        return _Stream(self)

    def _answer(self, kind: str, status: int, headers: Pairs, *rest: Any) -> None:
        for name, value in headers:  # as granian does
            (name + value).encode("utf-8")
        self.sent.append((kind, status, headers, *rest))


class _Nothing:
    """What granian gives to be awaited when there is nothing to wait for."""

    def __await__(self) -> Iterator[Any]:
        return iter(())


def _done() -> Any:
    return _Nothing()
