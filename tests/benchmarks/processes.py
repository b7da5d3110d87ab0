"""Starts and ends the processes of a run, and reads what they use."""

import compileall
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .answers import Wrong
from .load import connect
from .servers import SERVERS

__all__ = ["Generator", "Running", "Setting"]

_TESTS = Path(__file__).parent.parent
# Seconds that a server has for its start and for its end.
_PATIENCE = 30


class Setting:
    """What the servers of a run share: a copy of bascule too, so that one run measures one thing.

    Attributes:
        environment: of their processes.
        certificate: path of the certificate that clients trust.
        pythons: programs that run servers, by name, where they are not the usual one.
    """

    def __init__(self, directory: Path, pythons: dict[str, str]) -> None:
        self.pythons = pythons
        self.certificate, key, file = (directory / name for name in ("cert", "key", "file"))
        _make_certificate(self.certificate, key)
        source = _copy_package(directory)
        self.environment = {
            # Coverage, were it measured, would follow into processes: it is not what they cost.
            **{name: text for name, text in os.environ.items() if "COVERAGE_" not in name},
            "PYTHONPATH": os.pathsep.join(
                [str(source), str(_TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            "BENCHMARK_FILE": str(file),
            "BENCHMARK_CERTIFICATE": str(self.certificate),
            "BENCHMARK_KEY": str(key),
        }

    def python_of(self, server: str) -> str:
        return self.pythons.get(server.partition("-")[0], sys.executable)


def _copy_package(directory: Path) -> Path:
    """Copy the package that would be imported, compiled as an installed one is."""
    import bascule

    copied = directory / "source"
    shutil.copytree(Path(bascule.__file__).parent, copied / "bascule")
    # What serves is compiled too: its own start is not to count.
    shutil.copytree(Path(__file__).parent, copied / "benchmarks")
    compileall.compile_dir(copied, quiet=2)
    return copied


def _make_certificate(certificate: Path, key: Path) -> None:
    import trustme

    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    key.write_bytes(made.private_key_pem.bytes())
    chain = [each.bytes() for each in made.cert_chain_pems]
    certificate.write_bytes(b"".join(chain) + authority.cert_pem.bytes())


class Running:
    """One server in a process of its own, with the processes that it starts."""

    def __init__(self, name: str, setting: Setting, variant: str = "", routes: int = 0) -> None:
        read, write = os.pipe()
        environment = {
            **setting.environment,
            **SERVERS[name].environment,
            "BENCHMARK_VARIANT": variant,
            "BENCHMARK_ROUTES": str(routes),
        }
        self._process = subprocess.Popen(
            [setting.python_of(name), "-m", "benchmarks.serving", name, str(write)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if "BENCHMARK_SHOW" not in os.environ else None,
            pass_fds=[write],
            start_new_session=True,
        )
        os.close(write)
        with open(read) as pipe:
            line = pipe.readline()
        try:
            if not line:
                raise Wrong(f"it ended with status {self._process.wait()} before it listened")
            self.port = int(line)
            self._wait()
        except BaseException:
            self.end()
            raise

    def _wait(self) -> None:
        """Wait until it listens: some say their port before they do."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                connect(self.port).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def end(self) -> None:
        """End it with what it has started: all of its session, and nothing else."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(1)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()

    def cpu_time(self) -> float:
        """Read the user and system time of all its processes with their threads, in seconds."""
        # The clock of a process has nanoseconds where /proc has hundredths of a second; its number
        # is made as clock_getcpuclockid(3) makes it.
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self._tree())

    def resident_size(self) -> int:
        """Read how much memory it has, in bytes."""
        return self._sum("VmRSS")

    def peak_size(self) -> int:
        """Read how much it had at most since `forget_peak`, in bytes."""
        return self._sum("VmHWM")

    def forget_peak(self) -> None:
        for pid in self._tree():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def _sum(self, name: str) -> int:
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in self._tree()]
        return sum(int(text.partition(f"{name}:")[2].split()[0]) for text in texts) * 1024

    def _tree(self) -> list[int]:
        return [self._process.pid, *_children(self._process.pid)]


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from _children(int(child))


class Generator:
    """The process that loads servers."""

    def __init__(self, setting: Setting) -> None:
        self._certificate = str(setting.certificate)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load"],
            env=setting.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def prepare(self, workload: str, port: int) -> None:
        """Open the connections of a workload, and warm the server up."""
        step = {"workload": workload, "port": port, "certificate": self._certificate}
        self._tell({"do": "prepare", **step})

    def go(self, seconds: float) -> int:
        """Load the server for some seconds, and give how much it did."""
        return int(self._tell({"do": "go", "seconds": seconds})["done"])

    def end(self) -> None:
        """Close the connections."""
        self._tell({"do": "end"})

    def _tell(self, step: dict[str, Any]) -> dict[str, Any]:
        """Have it do a step.

        Raises:
            Wrong: the server failed.
        """
        assert self._process.stdin is not None  # both are pipes
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(step) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that makes the load has ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Wrong(answer["error"])
        return answer

    def close(self) -> None:
        # Its input ends, so it does; leaving the block waits for that and closes both pipes.
        with self._process:
            pass
