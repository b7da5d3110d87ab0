"""The same application on aiohttp and on bascule, asked the same bytes, and the answers compared.

`compare` is all that a test needs. The only bytes that may differ freely are the values of Date and
Server that the servers themselves put in, and boundaries of multipart answers; everything else is
either equal or stands in `differences.EXPECTED_DIFFERENCES`.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any

import aiohttp.web
import pytest

import bascule.web

from .answers import Answer, AnswerReader, MalformedAnswer
from .differences import EXPECTED_DIFFERENCES
from .transcript import Transcript, View

__all__ = ["Build", "Call", "Case", "compare", "record"]

Build = Callable[[Any], Any]  # takes a `web` module, gives an application of it

# Only a net under the tests: every wait ends with an event, in milliseconds.
_PATIENCE = 10.0
_ALIVE_PATH = "/__alive"
_ALIVE_BODY = b"alive-4f9c1d27e0b35a68"
_SENTINEL = f"GET {_ALIVE_PATH} HTTP/1.1\r\nHost: example.test\r\n\r\n".encode()

_DATE = re.compile(rb"(?<=\r\nDate: )[^\r\n]+GMT(?=\r\n)")
_SERVER = re.compile(rb"(?<=\r\nServer: )Python/3\.\d+ (?:aiohttp|bascule)/[\w.+-]+(?=\r\n)")
_BOUNDARY = re.compile(rb"boundary=([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class Call:
    """What a client sends on one connection, and how many answers it waits for.

    Attributes:
        data: sent at once, without waiting.
        methods: of the requests in `data`, one for each final answer; that of the first line
            when empty.
        behind_continue: sent once 100 Continue has come.
        impatient: the sentinel is sent at once behind the data and no answer is read apart, for
            answers whose end cannot be told.
    """

    data: bytes
    methods: tuple[str, ...] = ()
    behind_continue: bytes = b""
    impatient: bool = False

    def expected(self) -> tuple[str, ...]:
        """Give the methods whose answers are awaited."""
        first = self.data.lstrip(b"\r\n").partition(b" ")[0].decode("latin-1")
        return self.methods or (first,)


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison.

    Attributes:
        name: unique; `EXPECTED_DIFFERENCES` refers to it.
        build: makes the application.
        call: what is sent to it.
        view: what is compared.
        options: of the runner.
    """

    name: str
    build: Build
    call: Call
    view: View = View.BYTES
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


async def record(web: ModuleType, case: Case) -> Transcript:
    """Hold the conversation of a case with the server of one `web` module."""
    async with _serving(web, case) as port:
        loop = asyncio.get_running_loop()
        transport, reader = await loop.create_connection(AnswerReader, "127.0.0.1", port)
        try:
            async with asyncio.timeout(_PATIENCE):
                return await _converse(reader, transport, case.call)
        except TimeoutError:
            sent = bytes(reader.data[:4000])
            pytest.fail(f"{case}: {web.__name__} came to no end behind {sent!r}", pytrace=False)
        finally:
            transport.abort()


async def compare(case: Case) -> None:
    """Run a case on both servers; fail the test unless they agree or differ as expected."""
    theirs = await record(aiohttp.web, case)
    ours = await record(bascule.web, case)
    expected = theirs
    for difference in EXPECTED_DIFFERENCES:
        if difference.covers(case.name):
            expected = difference.rewrite(expected, case.call.data)
    if ours.problem is not None:
        _fail(case, theirs, ours, "bascule's answer is malformed")
    if case.view.of(ours) != case.view.of(expected):
        what = "the answers differ" if expected == theirs else "they differ otherwise than listed"
        _fail(case, theirs, ours, what)


def _fail(case: Case, theirs: Transcript, ours: Transcript, what: str) -> None:
    sent = "\n".join(f"    {line!r}" for line in case.call.data[:2000].splitlines(keepends=True))
    pytest.fail(
        f"{case.name}: {what}\n  sent\n{sent}\n  aiohttp\n{theirs}\n  bascule\n{ours}",
        pytrace=False,
    )


@asynccontextmanager
async def _serving(web: ModuleType, case: Case) -> AsyncIterator[int]:
    """Serve the application of a case; give the port."""

    async def alive(request: Any) -> Any:
        return web.Response(body=_ALIVE_BODY)

    app = case.build(web)
    app.router.add_route("GET", _ALIVE_PATH, alive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0, **case.options)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _converse(reader: AnswerReader, transport: asyncio.Transport, call: Call) -> Transcript:
    answers: list[Answer] = []
    problem = None
    if call.impatient:
        transport.write(call.data)
    else:
        answers, problem = await _ask(reader, transport, call)
    # Behind a body that only the end of the connection ends the sentinel must not be answered.
    transport.write(_SENTINEL)
    stays_open = await reader.read_until(_ALIVE_BODY)
    raw = bytes(reader.data)
    if stays_open:
        raw = raw[: raw.rfind(b"HTTP/1.", 0, raw.rfind(_ALIVE_BODY))]
        if answers and answers[-1].is_last:
            problem = problem or "a body without an end"
    return Transcript(_mask(raw), tuple(answers), stays_open, problem)


async def _ask(
    reader: AnswerReader, transport: asyncio.Transport, call: Call
) -> tuple[list[Answer], str | None]:
    """Send what a call says and read its answers; transports buffer, so nothing waits."""
    answers: list[Answer] = []
    transport.write(call.data)
    try:
        for method in call.expected():
            while answer := await reader.read_answer(method):
                answers.append(answer)
                if answer.status == 100 and call.behind_continue:
                    transport.write(call.behind_continue)
                if answer.status >= 200 or answer.is_last:
                    break
    except MalformedAnswer as exc:
        return answers, str(exc)
    return answers, None


def _mask(raw: bytes) -> bytes:
    """Blank the values that differ between any two servers and moments."""
    raw = _DATE.sub(_mask_date, raw)
    raw = _SERVER.sub(b"<server>", raw)
    for boundary in _BOUNDARY.findall(raw):
        raw = raw.replace(boundary, b"<boundary>")
    return raw


def _mask_date(match: re.Match[bytes]) -> bytes:
    """Blank a Date that is now; one that a handler set stays."""
    age = time.time() - parsedate_to_datetime(match[0].decode("ascii")).timestamp()
    return b"<now>" if abs(age) < 60 else match[0]
