"""Pieces of a streamed answer that leave together, message by message."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bascule import web

Write = Callable[[web.StreamResponse], Any]

SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "GET",
    "path": "/",
    "query_string": b"",
    "headers": [(b"host", b"h")],
}


class Call:
    """One call by a host, whose client stays, or leaves behind so many messages."""

    def __init__(self, *, broken_after: int | None = None) -> None:
        self.sent: list[dict[str, Any]] = []
        self.broken_after = broken_after

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError("nothing comes")

    async def send(self, message: dict[str, Any]) -> None:
        if self.broken_after is not None and len(self.sent) >= self.broken_after:
            raise OSError("gone")
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(m["body"] for m in self.sent if m["type"] == "http.response.body")


async def stream(write: Write, made: Call, **headers: str) -> Call:
    """Stream an answer in a call of a host; errors that the host gets are raised."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await write(response)
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    async with app:
        await app(SCOPE, made.receive, made.send)
    return made


def read_bodies(made: Call) -> list[tuple[bytes, bool]]:
    """Give the messages of the body: what is in them, and whether more comes."""
    return [(m["body"], m["more_body"]) for m in made.sent if m["type"] == "http.response.body"]


async def test_pieces_behind_the_first_leave_with_the_end() -> None:
    async def write(response: web.StreamResponse) -> None:
        for piece in (b"a", b"b", b"", b"c"):
            await response.write(piece)
        await response.write_eof(b"d")

    made = await stream(write, Call())
    assert read_bodies(made) == [(b"a", True), (b"bcd", False)]


async def test_pieces_leave_by_the_end_of_the_step() -> None:
    made = Call()
    left = []

    async def write(response: web.StreamResponse) -> None:
        for piece in (b"a", b"b", b"c"):
            await response.write(piece)
        left.append(made.body)
        for _ in range(20):
            await asyncio.sleep(0)
        await response.write(b"d")
        left.append(made.body)

    await stream(write, made)
    assert left == [b"a", b"abcd"]
    assert read_bodies(made) == [(b"a", True), (b"bc", True), (b"d", True), (b"", False)]


async def test_a_piece_alone_in_its_step_is_sent_at_once() -> None:
    made = Call()
    left = []

    async def write(response: web.StreamResponse) -> None:
        for _ in range(3):
            await response.write(b"x")
            left.append(made.body)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    await stream(write, made)
    assert left == [b"x", b"xx", b"xxx"]
    assert read_bodies(made) == [(b"x", True)] * 3 + [(b"", False)]


async def test_no_more_than_64_kib_wait() -> None:
    made = Call()
    sizes = []

    async def write(response: web.StreamResponse) -> None:
        for number in range(200):
            await response.write(b"%04d" % number * 256)
            sizes.append((number + 1) * 1024 - len(made.body))

    await stream(write, made)
    assert max(sizes) == 63 * 1024
    assert made.body == b"".join(b"%04d" % number * 256 for number in range(200))


class Slow(Call):
    """A host that takes a piece when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.room = asyncio.Event()

    async def send(self, message: dict[str, Any]) -> None:
        if len(self.sent) >= 2:
            await self.room.wait()
        await super().send(message)


@pytest.mark.parametrize("size", [100, 2**16], ids=["behind the step", "at 64 KiB"])
async def test_a_host_that_takes_nothing_is_waited_for(size: int) -> None:
    made = Slow()
    written = []

    async def write(response: web.StreamResponse) -> None:
        await response.write(b"a")
        for _ in range(3):
            await response.write(b"b" * size)
            written.append(size)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(stream(write, made))
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(written) < 3
        made.room.set()
        await task
    assert made.body == b"a" + b"b" * size * 3


async def test_pieces_are_sent_before_an_error_cuts_the_answer() -> None:
    async def write(response: web.StreamResponse) -> None:
        for piece in (b"a", b"b", b"c"):
            await response.write(piece)
        raise ValueError("wrong")

    made = Call()
    with pytest.raises(ValueError, match="wrong"):
        await stream(write, made)
    assert read_bodies(made) == [(b"a", True), (b"bc", True)]


async def test_a_client_that_leaves_between_is_told_of_by_the_next_write() -> None:
    made = Call(broken_after=2)
    raised = []

    async def write(response: web.StreamResponse) -> None:
        try:
            await response.write(b"a")
            await response.write(b"b")
            for _ in range(20):
                await asyncio.sleep(0)
            await response.write(b"c")
        except ConnectionResetError as exc:
            raised.append(exc)
            raise

    await stream(write, made)
    assert made.body == b"a"
    assert len(raised) == 1


async def test_an_error_of_the_host_reaches_the_next_write() -> None:
    class Broken(Call):
        async def send(self, message: dict[str, Any]) -> None:
            if len(self.sent) >= 2:
                raise LookupError("no such message")
            await super().send(message)

    async def write(response: web.StreamResponse) -> None:
        await response.write(b"a")
        await response.write(b"b")
        for _ in range(20):
            await asyncio.sleep(0)
        await response.write(b"c")

    with pytest.raises(LookupError, match="no such message"):
        await stream(write, Broken())


async def test_a_declared_length_is_kept_to_by_each_piece() -> None:
    async def write(response: web.StreamResponse) -> None:
        for piece in (b"ab", b"cd", b"ef"):
            await response.write(piece)

    made = await stream(write, Call(), **{"Content-Length": "5"})
    assert made.body == b"abcde"


async def test_what_was_sent_is_counted() -> None:
    counted = []

    async def write(response: web.StreamResponse) -> None:
        for piece in (b"a", b"b", b"c"):
            await response.write(piece)
        for _ in range(5):
            await asyncio.sleep(0)
        counted.append(response.body_length)
        await response.write(b"d")
        await response.write(b"e")
        await response.write_eof()
        counted.append(response.body_length)

    await stream(write, Call())
    assert counted == [3, 5]
