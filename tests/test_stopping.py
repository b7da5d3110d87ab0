"""Real processes are stopped while they answer: no request that was accepted is lost.

*Accepted* is a request whose connection was established and whose last byte had been handed to the
system when the stop was asked for. Of requests that were pipelined on a connection, it is the first
one that has no answer yet. An upload counts from its head on: its body is read to its end. An
accepted request is *answered in full* when the client read all bytes of a well-formed answer; a
WebSocket, when it was closed with 1001.

``python tests/test_stopping.py`` prints the table.
"""

import asyncio
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import h11
import pytest

from stopping_program import FIRST, REST

PROGRAM = Path(__file__).with_name("stopping_program.py")
# A safety net: a program that needs so many seconds for a step has failed.
PATIENCE = 30
# Seconds that answers get where they are waited for, and where they never end.
LONG, SHORT = 60.0, 0.3
# A stop takes no more seconds than this when everything it waits for has come, on a busy machine.
BOUND = 10.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """What clients do while the program is stopped.

    Attributes:
        name: of the scenario.
        path: of the requests.
        app: our own, or a foreign ASGI application.
        connections: that clients have open.
        pipelined: requests that each sends at once.
        body: of a request; its second half is sent behind the beginning of the stop.
        unseen: so many of the connections are made while the program's loop is blocked.
        timeout: seconds that answers get.
        ends: whether answers come to an end, once they are let.
    """

    name: str
    path: str
    app: str = "native"
    connections: int = 1
    pipelined: int = 1
    body: bytes = b""
    unseen: int = 0
    timeout: float = LONG
    ends: bool = True

    @property
    def answer(self) -> bytes:
        """The body of each answer."""
        if self.body:
            return self.body
        return FIRST + REST if self.path == "/stream" else REST

    @property
    def is_websocket(self) -> bool:
        """Whether the connections are WebSockets."""
        return self.path == "/websocket"

    @property
    def is_idle(self) -> bool:
        """Whether the answers are there before the stop."""
        return self.path == "/quick" and not self.unseen


BODY = bytes(range(256)) * 1000
BUSY = Scenario("busy handler", "/busy")
SCENARIOS = [
    Scenario("idle keep-alive", "/quick", connections=20),
    BUSY,
    Scenario("streaming response", "/stream"),
    Scenario("upload in progress", "/upload", body=BODY),
    Scenario("foreign ASGI, busy", "/busy", app="asgi"),
    Scenario("foreign ASGI, streaming", "/stream", app="asgi"),
    Scenario("foreign ASGI, upload", "/upload", app="asgi", body=BODY),
    Scenario("100 connections", "/busy", connections=100),
    Scenario("20 connections, 3 pipelined on each", "/busy", connections=20, pipelined=3),
    Scenario("50 connections not yet seen", "/quick", connections=50, unseen=50),
    Scenario("WebSocket", "/websocket", connections=20),
]
ENDLESS = Scenario("busy handler that never ends", "/busy", timeout=SHORT, ends=False)
TRIGGERS = ("SIGTERM", "SIGINT", "cancellation", "second signal", "second cancellation")


@dataclass(slots=True)
class Stop:
    """How a stop went."""

    scenario: Scenario
    trigger: str
    accepted: int = 0
    answered: int = 0
    status: int | None = None
    seconds: float = 0.0
    output: str = ""
    failure: str = ""

    @property
    def is_hurried(self) -> bool:
        """Whether answers are cut: they were asked to be, or do not end in time."""
        return self.trigger.startswith("second") or not self.scenario.ends


@dataclass(slots=True)
class Client:
    """A connection, and all bytes that came."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: bytes = b""

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read_until(self, end: bytes) -> None:
        while end not in self.received:
            data = await self.reader.read(65536)
            assert data, f"closed before {end!r}: {self.received!r:.500}"
            self.received += data

    async def read_all(self) -> None:
        try:
            while data := await self.reader.read(65536):
                self.received += data
        except ConnectionResetError:
            pass
        self.writer.close()


@dataclass(slots=True)
class Program:
    """The program under test, and its clients."""

    stop: Stop
    process: asyncio.subprocess.Process
    port: int = 0
    clients: list[Client] = field(default_factory=list)

    async def read_line(self) -> str:
        assert self.process.stdout is not None
        line = (await self.process.stdout.readline()).decode()
        assert line, f"ended early: {self.stop}"
        self.stop.output += line
        return line

    async def read_port(self) -> int:
        """Read on to the line that tells where it runs; in debug mode asyncio may have said before
        that the start took long."""
        start = "Running on http://127.0.0.1:"
        while start not in (line := await self.read_line()):
            pass
        return int(line.partition(start)[2].split()[0])

    async def read_entries(self, count: int) -> None:
        while count:
            count -= (await self.read_line()) == "entered\n"

    def say(self, words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(words.encode())

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    def ask_to_stop(self) -> None:
        """Send the signal that the trigger means, or have the task cancelled."""
        if self.stop.trigger.endswith("cancellation"):
            self.say("cancel\n")
        else:
            name = {"second signal": "SIGTERM"}.get(self.stop.trigger, self.stop.trigger)
            self.process.send_signal(signal.Signals[name])

    async def wait_for_stop(self) -> None:
        """Wait until nobody listens any more."""
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except ConnectionError:
                return
            writer.close()


async def run(scenario: Scenario, trigger: str) -> Stop:
    """Play a scenario in a process of its own.

    What fails is told in the outcome: the other plays go on. (Raised, it would have them cancelled,
    and the start of a process that is cancelled never comes to an end in CPython 3.11.)
    """
    stop = Stop(scenario, trigger)
    way = "cancel" if trigger.endswith("cancellation") else "signals"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(PROGRAM), scenario.app, way, str(scenario.timeout)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    program = Program(stop, process)
    try:
        async with asyncio.timeout(PATIENCE):
            await _play(program)
    except Exception as exc:
        stop.failure = repr(exc)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # else its pipe warns
    return stop


async def _play(program: Program) -> None:
    stop, scenario = program.stop, program.stop.scenario
    program.port = await program.read_port()
    await _send_requests(program)
    began = time.monotonic()
    program.ask_to_stop()
    if scenario.unseen:
        program.say("unblock\n")
    elif not scenario.is_idle:
        await _go_on_behind_stop(program)
    await asyncio.gather(*(client.read_all() for client in program.clients))
    assert program.process.stdout is not None
    stop.output += (await program.process.stdout.read()).decode()
    stop.status = await program.process.wait()
    stop.seconds = time.monotonic() - began
    stop.accepted = len(program.clients)
    stop.answered = sum(is_answered(client.received, scenario) for client in program.clients)


async def _send_requests(program: Program) -> None:
    """Send what is accepted before the stop, and wait until it is."""
    scenario = program.stop.scenario
    if scenario.unseen:
        await (await program.connect()).send(make_request("/wait_blocked"))
        await program.read_entries(1)
    data = make_request(scenario.path, scenario.body) * scenario.pipelined
    data += scenario.body[: len(scenario.body) // 2]
    for _ in range(scenario.connections):
        await (await program.connect()).send(data)
    if scenario.unseen:
        return
    await program.read_entries(scenario.connections)
    for client in program.clients:
        if scenario.is_idle:
            await client.read_until(scenario.answer)
        elif scenario.path == "/stream":
            await client.read_until(FIRST)


async def _go_on_behind_stop(program: Program) -> None:
    """Let the answers be finished, or hurry the program."""
    await program.wait_for_stop()
    scenario = program.stop.scenario
    if scenario.is_websocket:
        for client in program.clients:
            await client.read_until(GOING_AWAY)
            if not program.stop.is_hurried:
                await client.send(CLOSED)
    if program.stop.trigger.startswith("second"):
        program.ask_to_stop()
    elif scenario.is_websocket:
        return
    elif scenario.ends:
        program.say("go\n")
        for client in program.clients:
            await client.send(scenario.body[len(scenario.body) // 2 :])


# Frames (RFC 6455): close, of two bytes of payload, going away; the same from a client, masked.
GOING_AWAY = b"\x88\x02\x03\xe9"
CLOSED = b"\x88\x82\0\0\0\0\x03\xe9"


def make_request(path: str, body: bytes = b"") -> bytes:
    """Make a request, without its body."""
    method = "POST" if body else "GET"
    fields = f"Content-Length: {len(body)}\r\n" if body else ""
    if path == "/websocket":
        fields = (
            "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        )
    return f"{method} {path} HTTP/1.1\r\nHost: stop.example\r\n{fields}\r\n".encode()


def is_answered(received: bytes, scenario: Scenario) -> bool:
    """Say whether a request was answered in full, as the docstring of this module says."""
    if scenario.is_websocket:
        head, _, frames = received.partition(b"\r\n\r\n")
        return head.startswith(b"HTTP/1.1 101 ") and frames == GOING_AWAY
    return is_whole(received, scenario.answer)


def is_whole(received: bytes, body: bytes) -> bool:
    """Say whether the first answer is complete, in the judgement of h11, and the one expected."""
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("Host", "stop.example")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(received)
    reader.receive_data(b"")
    found = b""
    try:
        while not isinstance(event := reader.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                found += event.data
            elif not isinstance(event, h11.Response) or event.status_code != 200:
                return False
    except h11.RemoteProtocolError:
        return False
    return found == body


# Its answers wait for nothing that a second signal could shorten.
UNHURRIED = ("50 connections not yet seen",)
PLAYS = [
    *((scenario, trigger) for scenario in SCENARIOS for trigger in TRIGGERS[:3]),
    *((scenario, "second signal") for scenario in SCENARIOS if scenario.name not in UNHURRIED),
    (BUSY, "second cancellation"),
    *((ENDLESS, trigger) for trigger in TRIGGERS[:3]),
]


async def run_all() -> list[Stop]:
    """Play all, a few at a time."""
    room = asyncio.Semaphore(4)

    async def play(scenario: Scenario, trigger: str) -> Stop:
        async with room:
            return await run(scenario, trigger)

    return await asyncio.gather(*(play(*each) for each in PLAYS))


@pytest.fixture(scope="module")
def stops() -> dict[tuple[str, str], Stop]:
    """How each of them went."""
    return {(stop.scenario.name, stop.trigger): stop for stop in asyncio.run(run_all())}


@pytest.mark.parametrize(
    ("scenario", "trigger"), PLAYS, ids=[f"{each.name}, {trigger}" for each, trigger in PLAYS]
)
def test_a_stop_loses_nothing_that_was_accepted(
    stops: dict[tuple[str, str], Stop], scenario: Scenario, trigger: str
) -> None:
    """The process ends in time and well, cleaned up; what is cut was asked to be."""
    stop = stops[scenario.name, trigger]
    assert not stop.failure, stop.output
    ends = ["cancelled", "quiet end"] if trigger.endswith("cancellation") else ["quiet end"]
    assert stop.output.splitlines()[-1 - len(ends) :] == ["cleaned up", *ends]
    assert stop.status == 0
    assert stop.seconds < BOUND
    assert stop.accepted == scenario.connections + bool(scenario.unseen)
    is_told = scenario.is_idle or scenario.is_websocket  # all there is, before the second signal
    if not stop.is_hurried or is_told or scenario.unseen:
        assert stop.answered == stop.accepted
    else:
        assert stop.answered == 0


def dump_table(stops: list[Stop]) -> str:
    """Tell of stops, a line each."""
    lines = [
        "| scenario | stopped by | accepted | answered in full | exit status | seconds |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {stop.scenario.name} | {stop.trigger} | {stop.accepted} | {stop.answered} "
        f"| {stop.status} | {stop.seconds:.2f} |"
        for stop in stops
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(dump_table(asyncio.run(run_all())) + "\n")
