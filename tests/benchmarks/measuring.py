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

__all__ = ["Extent", "Figures", "Pair", "Run", "measure_all", "pair_key"]

Figures = dict[str, dict[str, list[float]]]
# A workload, a server, and the one whose cost is 1.
Pair = tuple[str, str, str]
_MIB = 2**20
# Rounds of what takes longer than a round of load: a start, 100 MB; and memory hardly varies.
_MOST_ROUNDS = {"idle": 3, "startup": 3, "upload": 5}
_MOST_PAIRS = {"idle": 3, "startup": 20, "upload": 20}


@dataclass
class Run:
    """What came out of a run.

    Attributes:
        figures: one for each round, by workload and server.
        failures: why a server has none, by workload and server; by `*` for all.
        memory: bytes that a server grew by at most while it took an upload.
        pairs: ratios of two servers that were measured one right behind the other, by workload and
            `pair_key`.
    """

    figures: Figures = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    pairs: Figures = field(default_factory=dict)


@dataclass(frozen=True)
class Extent:
    """How long a run measures.

    Attributes:
        rounds: of each workload over all servers.
        pairs: times that two servers are measured one right behind the other, for each ratio that
            is asked for.
        seconds: of load.
    """

    rounds: int
    pairs: int
    seconds: float


def pair_key(server: str, base: str) -> str:
    """Give the key of what a server costs by what another does."""
    return f"{server}/{base}"


def measure_all(
    workloads: Sequence[str],
    servers: Sequence[str],
    extent: Extent,
    pythons: dict[str, str],
    directory: Path,
    wanted: Sequence[Pair] = (),
) -> Run:
    """Measure workload by workload, and in each the servers in turns, then pairs of them.

    Args:
        pythons: programs that run servers, by name, where they are not the usual one.
        directory: for files of the run.
        wanted: pairs that are measured one right behind the other.
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
            measuring = _Measuring(run, generator, setting, get, extent)
            for workload in workloads:
                measuring.measure(workload, able)
                measuring.measure_pairs(
                    workload, [(a, b) for name, a, b in wanted if name == workload]
                )
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
        self, run: Run, generator: Generator, setting: Setting, get: Get, extent: Extent
    ) -> None:
        self._run = run
        self._generator = generator
        self._setting = setting
        self._get = get
        self._extent = extent

    def measure(self, workload: str, servers: Sequence[str]) -> None:
        """Measure all servers that can do a workload, round by round."""
        start = time.monotonic()
        only = WORKLOADS[workload].only
        able = [
            each
            for each in servers
            if workload not in SERVERS[each].lacks.split() and (not only or each in only)
        ]
        rounds = self._extent.rounds
        for _ in range(min(rounds, _MOST_ROUNDS.get(WORKLOADS[workload].kind, rounds))):
            # In another order each time: who comes after whom is not to matter.
            for server in random.sample(able, len(able)):
                figure = self._measure_one(workload, server)
                if figure is not None:
                    figures = self._run.figures.setdefault(workload, {})
                    figures.setdefault(server, []).append(figure)
        _tell(f"{workload}: {len(able)} servers, {time.monotonic() - start:.0f} s")

    def measure_pairs(self, workload: str, pairs: Sequence[tuple[str, str]]) -> None:
        """Measure both servers of each pair one right behind the other, in any order: what others
        do on the machine changes by the second."""
        start = time.monotonic()
        times = self._extent.pairs
        measured = self._run.figures.get(workload, {})
        able = [pair for pair in pairs if measured.keys() >= {*pair}]
        for _ in range(min(times, _MOST_PAIRS.get(WORKLOADS[workload].kind, times))):
            for pair in able:
                got = {name: self._measure_one(workload, name) for name in random.sample(pair, 2)}
                ours, theirs = (got[name] for name in pair)
                if ours and theirs:
                    ratios = self._run.pairs.setdefault(workload, {})
                    ratios.setdefault(pair_key(*pair), []).append(ours / theirs)
        if able and times:
            _tell(f"{workload}: {len(able)} pairs, {time.monotonic() - start:.0f} s")

    def _measure_one(self, workload: str, server: str) -> float | None:
        """Give one figure; None for a server that fails, or has failed."""
        if server in self._run.failures.get(workload, {}):
            return None
        kinds = {"startup": self._start_up, "idle": self._idle, "upload": self._upload}
        measure = kinds.get(WORKLOADS[workload].kind, self._cpu)
        try:
            return measure(workload, server)
        except (Wrong, OSError) as exc:
            reason = str(exc)
            self._run.failures.setdefault(workload, {})[server] = reason
            _tell(f"{workload}: {server}: {reason}")
            return None

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
            self._generator.go(self._extent.seconds / 5)  # until it is warm; not counted
            before = running.cpu_time()
            done = self._generator.go(self._extent.seconds)
            return (running.cpu_time() - before) / done * 1e6

    def _upload(self, workload: str, server: str) -> float:
        """Give microseconds of CPU per mebibyte, and note the growth of memory."""
        running = self._get(server, WORKLOADS[workload].variant)
        with self._connected(workload, running):
            running.forget_peak()
            before, size = running.cpu_time(), running.resident_size()
            done = self._generator.go(self._extent.seconds)
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
