"""What hostile clients cost a server, and what its other clients feel of it, beside its peers.

Usage: python tests/benchmarks/hostile_clients.py
           [-s SERVER ...] [-c SCENARIO ...] [-p PART] [-t SECONDS]

Each server runs in a process of its own, with the same application. A scenario is run against it
by one process while another one, the canary, asks for ``/`` over new connections all the time.
For each a row tells of the server's process: resident memory, in MiB, at its height and some time
after the end, beside what it was before; descriptors after the end, beside the same; CPU time; how
long the canary has waited, in ms, at the median and at most, and how many of its requests failed;
what was logged, in lines and tracebacks. A server begins each scenario afresh, behind a warm-up.
"""

import argparse
import asyncio
import importlib
import logging
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from support.hostile import GET, SCENARIOS
from support.hostile_apps import make_native, run_asgi

_SPAWN = multiprocessing.get_context("spawn")
# Seconds that a server gets to forget its clients.
_SETTLE = 3.0
_CANARY_PAUSE = 0.02
_CANARY_PATIENCE = 5.0


# -- the servers


def _run_native(package: str, sock: socket.socket) -> None:
    web: Any = importlib.import_module(f"{package}.web")
    web.run_app(make_native(web), sock=sock, print=None, access_log=None)


def _run_hosting(sock: socket.socket) -> None:
    from bascule import web

    web.run_app(run_asgi, sock=sock, print=None, access_log=None)


def _run_uvicorn(http: str, sock: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(run_asgi, http=http, lifespan="off", access_log=False, loop="asyncio")
    uvicorn.Server(config).run([sock])


SERVERS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "bascule": (_run_native, ("bascule",)),
    "bascule, ASGI": (_run_hosting, ()),
    "aiohttp": (_run_native, ("aiohttp",)),
    "uvicorn, h11": (_run_uvicorn, ("h11",)),
    "uvicorn, httptools": (_run_uvicorn, ("httptools",)),
}


def _serve(name: str, sock: socket.socket, log: str) -> None:
    """Run a server in this process; everything it says goes to a file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    logging.basicConfig(level=logging.INFO)
    run, arguments = SERVERS[name]
    run(*arguments, sock)


# -- the canary


def _sing(port: int, pipe: Connection) -> None:
    """Ask for ``/`` until told to stop; give the seconds of each answer, None for a failure."""
    took: list[float | None] = []
    while not pipe.poll():
        began = time.perf_counter()
        try:
            with socket.create_connection(("127.0.0.1", port), _CANARY_PATIENCE) as sock:
                sock.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                answer = b""
                while piece := sock.recv(4096):
                    answer += piece
            is_fine = answer.startswith(b"HTTP/1.1 200 ") and answer.rstrip(b"\r\n0").endswith(
                b"ok"
            )
        except OSError:
            is_fine = False
        took.append(time.perf_counter() - began if is_fine else None)
        time.sleep(_CANARY_PAUSE)
    pipe.send(took)


# -- measuring


@dataclass
class _State:
    """What the kernel knows of a process; memory in MiB, CPU time in seconds."""

    memory: float
    descriptors: int
    cpu: float

    @classmethod
    def of(cls, pid: int) -> "_State":
        process = Path(f"/proc/{pid}")
        lines = (process / "status").read_text().splitlines()
        (resident,) = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
        ticks = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
        cpu = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        return cls(int(resident) / 1024, len(list((process / "fd").iterdir())), cpu)


async def _measure(
    name: str, pid: int, port: int, count: int, hold: float
) -> tuple[_State, float, float]:
    """Run a scenario; give the state before it, the height of memory, and the seconds it took."""
    scenario, _ = SCENARIOS[name]
    before = _State.of(pid)
    height, began = before.memory, time.perf_counter()
    running = asyncio.ensure_future(scenario(port, count, hold))
    while not running.done():
        await asyncio.wait([running], timeout=0.05)
        height = max(height, _State.of(pid).memory)
    running.result()
    return before, height, time.perf_counter() - began


def _wait_until_it_answers(port: int) -> None:
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as sock:
                sock.sendall(GET)
                if sock.recv(100):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError("The server does not answer")


def _run(server: str, name: str, part: float, hold: float) -> list[str]:
    """Give a row of the table."""
    count = max(1, int(SCENARIOS[name][1] * part))
    with socket.socket() as sock, tempfile.NamedTemporaryFile("r", errors="replace") as log:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        sock.listen(1024)
        port = sock.getsockname()[1]
        process = _SPAWN.Process(target=_serve, args=(server, sock, log.name), daemon=True)
        process.start()
        ours, theirs = _SPAWN.Pipe()
        canary = _SPAWN.Process(target=_sing, args=(port, theirs), daemon=True)
        try:
            _wait_until_it_answers(port)
            canary.start()
            time.sleep(1)  # both have imported what they need, and answered some requests
            found = asyncio.run(_measure(name, process.pid or 0, port, count, hold))
            ours.send(None)
            took = ours.recv()
            time.sleep(_SETTLE)
            after = _State.of(process.pid or 0)
            text = log.read()
        finally:
            for each in (canary, process):
                if each.pid is not None:
                    each.kill()
                    each.join()
    return [f"{name} ({count})", server, *_tell(*found, after, took), *_tell_log(text)]


def _tell(
    before: _State, height: float, seconds: float, after: _State, took: list[float | None]
) -> list[str]:
    fine = [1000 * each for each in took if each is not None]
    return [
        f"{height - before.memory:+.1f}",
        f"{after.memory - before.memory:+.1f}",
        f"{after.descriptors - before.descriptors:+d}",
        f"{after.cpu - before.cpu:.1f}",
        f"{seconds:.1f}",
        f"{statistics.median(fine):.1f}" if fine else "-",
        f"{max(fine):.0f}" if fine else "-",
        f"{len(took) - len(fine)}/{len(took)}",
    ]


def _tell_log(text: str) -> list[str]:
    return [str(text.count("\n")), str(text.count("Traceback (most recent"))]


_HEADS = (
    "scenario",
    "server",
    "RSS high",
    "RSS after",
    "fds",
    "CPU s",
    "s",
    "canary p50",
    "max",
    "failed",
    "log lines",
    "tracebacks",
)


def main() -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-s", "--server", nargs="+", choices=SERVERS, default=[*SERVERS])
    parser.add_argument("-c", "--scenario", nargs="+", choices=SCENARIOS, default=[*SCENARIOS])
    parser.add_argument("-p", "--part", type=float, default=1.0, help="of the usual counts")
    parser.add_argument("-t", "--hold", type=float, default=5.0, help="seconds that clients stay")
    options = parser.parse_args()
    print(f"| {' | '.join(_HEADS)} |\n|{'---|' * len(_HEADS)}", flush=True)
    for name in options.scenario:
        for server in options.server:
            print(f"| {' | '.join(_run(server, name, options.part, options.hold))} |", flush=True)


if __name__ == "__main__":
    main()
