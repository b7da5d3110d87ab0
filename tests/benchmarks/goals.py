"""What was to be reached, beside what a run shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from .measuring import Pair, Run
from .ratios import close_ratio_of

__all__ = ["GOALS", "PAIRS", "Goal", "make_goal_table"]

_MIB = 2**20


@dataclass(frozen=True)
class Goal:
    """A ratio, or a size in bytes, that is not to be exceeded.

    Attributes:
        title: what the table says.
        workload: what is asked of both servers.
        server, base: whose cost is divided by whose; without a base it is the growth of memory.
        goal: to be reached.
        least: what has to be reached.
    """

    title: str
    workload: str
    server: str
    base: str
    goal: float
    least: float

    def measure(self, run: Run) -> float | None:
        """Give what a run shows; None if it did not measure that."""
        if self.base:
            return close_ratio_of(run, self.workload, self.server, self.base)
        size = run.memory.get(self.workload, {}).get(self.server)
        return None if size is None else size / _MIB

    def judge(self, value: float | None) -> str:
        if value is None:
            return "not measured"
        # Judged is what is shown: two places behind the point.
        if round(value, 2) <= self.goal:
            return "reached"
        return "enough" if round(value, 2) <= self.least else "**missed**"


def _own(title: str, workload: str, goal: float, least: float, server: str = "bascule") -> Goal:
    return Goal(title, workload, server, "aiohttp", goal, least)


_UVICORN, _STARLETTE = "bascule-on-uvicorn", "starlette-uvicorn-httptools"
_HOST, _RAW = "asgi-on-bascule", "asgi-uvicorn-httptools"

GOALS: Sequence[Goal] = (
    _own("plaintext", "plaintext", 0.48, 0.55),
    _own("plaintext, uvloop", "plaintext", 0.36, 0.42, "bascule-uvloop"),
    _own("12 varying headers", "varying", 0.52, 0.60),
    _own("all headers and URL touched", "touched", 0.72, 0.85),
    _own("JSON", "json", 0.52, 0.60),
    _own("1 000 routes", "routes", 0.48, 0.55),
    _own("POST 1 KB", "post", 0.52, 0.60),
    _own("connection per request", "close", 0.78, 0.85),
    _own("messages that go to h11", "referee", 1.4, 1.7),
    _own("1 MB file", "file", 0.32, 0.45),
    Goal(
        "1 MB file, uvloop (of aiohttp, uvloop)",
        "file",
        "bascule-uvloop",
        "aiohttp-uvloop",
        0.15,
        0.20,
    ),
    _own("1 000 streamed chunks", "stream", 0.14, 0.20),
    _own("upload 100 MB", "upload", 0.82, 0.90),
    Goal("upload 100 MB, growth of memory in MB", "upload", "bascule", "", 4, 4),
    _own("WebSocket echo, 16 B", "ws16", 0.85, 0.95),
    _own("WebSocket echo, 64 KB", "ws64k", 0.85, 0.95),
    _own("WebSocket echo, 1 KB compressed", "ws-deflate", 0.85, 0.95),
    _own("bytes of an idle connection", "idle", 0.42, 0.50),
    _own("CPU of a start", "startup", 0.58, 0.65),
    _own("5 middlewares, signal, access log", "full", 0.65, 0.75),
    Goal(
        "guest of uvicorn httptools (of Starlette there)",
        "plaintext",
        _UVICORN,
        _STARLETTE,
        0.80,
        0.88,
    ),
    Goal(
        "guest of granian, ASGI (of Starlette there)",
        "plaintext",
        "bascule-on-granian",
        "starlette-granian",
        0.82,
        0.90,
    ),
    Goal("guest, 1 000 routes (of Starlette there)", "routes", _UVICORN, _STARLETTE, 0.12, 0.15),
    Goal("host of an ASGI function (of uvicorn httptools)", "plaintext", _HOST, _RAW, 0.60, 0.70),
    Goal("host, 12 varying headers (of uvicorn httptools)", "varying", _HOST, _RAW, 0.90, 1.00),
)


# What is measured for them beside the rounds of all servers.
PAIRS: Sequence[Pair] = [(each.workload, each.server, each.base) for each in GOALS if each.base]


def make_goal_table(run: Run) -> str:
    """Write the goals with what was measured as a table."""
    lines = [
        "| CPU of bascule / of aiohttp | goal | at least | measured | |",
        "|---|---|---|---|---|",
    ]
    for each in GOALS:
        value = each.measure(run)
        shown = "" if value is None else f"{value:.2f}"
        lines.append(
            f"| {each.title} | {each.goal:.2f} | {each.least:.2f} | {shown} | {each.judge(value)} |"
        )
    return "\n".join(lines)
