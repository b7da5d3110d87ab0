"""Measures servers in turns, so that a busy machine is busy for all of them."""

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .answers import Wrong
from .processes import Generator, Running, Setting
from .servers import SERVERS, why_missing
from .workloads import FILE_SIZE, ROUTES, WORKLOADS, Upload, Workload

__all__ = ["Figures", "Run", "measure_all"]

Figures = dict[str, dict[str, list[float]]]
_MIB = 2**20
# Rounds of what takes longer than a round of load: a start, 100 MB; and memory hardly varies.
_MOST_ROUNDS = {"idle": 3, "startup": 3, "upload": 5}


@dataclass
class Run:
    """What came out of a run.

    Attributes:
        figures: one for each round, by workload and server.
        failures: why a server has none, by workload and server; by `*` for all.
        memory: bytes that a server grew by at most while it took an upload.
    """

    figures: Figures = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)
    memory: dict[str, dict[str, int]] = field(default_factory=dict)


def measure_all(
    workloads: Sequence[str],
    servers: Sequence[str],
    rounds: int,
    seconds: float,
    pythons: dict[str, str],
    directory: Path,
) -> Run:
    """Measure workload by workload, and in each the servers in turns.

    Args:
        pythons: programs that run servers, by name, where they are not the usual one.
        directory: for files of the run.
    """
    (directory / "file").write_bytes(b"z" * FILE_SIZE)
    run = Run()
    setting = Setting(directory, pythons)
    able = []
    for name in servers:
        reason = why_missing(name, setting.python_of(name))
        if reason:
            run.failures.setdefault("*", {})[name] = reason
            _tell(f"{name}: left out, {reason}")
        else:
            able.append(name)
    generator = Generator(setting)
    try:
        with _fleet(setting) as get:
            _Measuring(run, generator, setting, get, seconds).measure(workloads, able, rounds)
    finally:
        generator.close()
    return run


Get = Callable[[str, str], Running]


@contextmanager
def _fleet(setting: Setting) -> Iterator[Get]:
    """Give a function that starts a server when it is first asked for; all end at last."""
    running: dict[tuple[str, str], Running] = {}

    def get(name: str, variant: str) -> Running:
        if (name, variant) not in running:
            running[name, variant] = Running(name, setting, variant, ROUTES)
        return running[name, variant]

    try:
        yield get
    finally:
        for each in running.values():
            each.end()


class _Measuring:
    """Fills a run."""

    def __init__(
        self, run: Run, generator: Generator, setting: Setting, get: Get, seconds: float
    ) -> None:
        self._run = run
        self._generator = generator
        self._setting = setting
        self._get = get
        self._seconds = seconds

    def measure(self, workloads: Sequence[str], servers: Sequence[str], rounds: int) -> None:
        for workload in workloads:
            start = time.monotonic()
            only = WORKLOADS[workload].only
            able = [
                each
                for each in servers
                if workload not in SERVERS[each].lacks.split() and (not only or each in only)
            ]
            for _ in range(min(rounds, _MOST_ROUNDS.get(WORKLOADS[workload].kind, rounds))):
                # In another order each time: who comes after whom is not to matter.
                for server in random.sample(able, len(able)):
                    if server not in self._run.failures.get(workload, {}):
                        self._measure_one(workload, server)
            _tell(f"{workload}: {len(able)} servers, {time.monotonic() - start:.0f} s")

    def _measure_one(self, workload: str, server: str) -> None:
        kinds = {"startup": self._start_up, "idle": self._idle, "upload": self._upload}
        measure = kinds.get(WORKLOADS[workload].kind, self._cpu)
        try:
            figure = measure(workload, server)
        except (Wrong, OSError) as exc:
            reason = str(exc)
            self._run.failures.setdefault(workload, {})[server] = reason
            _tell(f"{workload}: {server}: {reason}")
            return
        self._run.figures.setdefault(workload, {}).setdefault(server, []).append(figure)

    @contextmanager
    def _connected(self, workload: str, running: Running) -> Iterator[None]:
        try:
            self._generator.prepare(workload, running.port)
            yield
        finally:
            self._generator.end()

    def _cpu(self, workload: str, server: str) -> float:
        """Give microseconds of CPU per request."""
        running = self._get(server, WORKLOADS[workload].variant)
        with self._connected(workload, running):
            self._generator.go(self._seconds / 5)  # until it is warm; not counted
            before = running.cpu_time()
            done = self._generator.go(self._seconds)
            return (running.cpu_time() - before) / done * 1e6

    def _upload(self, workload: str, server: str) -> float:
        """Give microseconds of CPU per mebibyte, and note the growth of memory."""
        running = self._get(server, WORKLOADS[workload].variant)
        with self._connected(workload, running):
            running.forget_peak()
            before, size = running.cpu_time(), running.resident_size()
            done = self._generator.go(self._seconds)
            used, most = running.cpu_time() - before, running.peak_size()
        notes = self._run.memory.setdefault(workload, {})
        notes[server] = max(notes.get(server, 0), most - size)
        return used / (done * _size_of(WORKLOADS[workload]) / _MIB) * 1e6

    def _idle(self, workload: str, server: str) -> float:
        """Give the bytes that a connection takes which had one request and is kept open."""
        running = Running(server, self._setting)
        try:
            with self._connected("plaintext", running):
                self._generator.go(0.2)
            before = running.resident_size()
            with self._connected(workload, running):
                return (running.resident_size() - before) / WORKLOADS[workload].connections
        finally:
            running.end()

    def _start_up(self, workload: str, server: str) -> float:
        """Give milliseconds of CPU from the start of the program to its first answer."""
        running = Running(server, self._setting)
        try:
            with self._connected(workload, running):
                return running.cpu_time() * 1e3
        finally:
            running.end()


def _size_of(workload: Workload) -> int:
    assert isinstance(workload.asks, Upload)
    return int(workload.asks.answer)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
