"""Writes what a run has shown as tables, and puts them into the README."""

from collections.abc import Sequence

from .goals import make_goal_table
from .measuring import Run
from .ratios import BASE, figure_of, ratio_of
from .servers import SERVERS
from .workloads import WORKLOADS

__all__ = ["BEGIN", "END", "make_full_tables", "make_readme", "write_between"]

BEGIN = "<!-- benchmarks: written by python -m tests.benchmarks --write-readme -->"
END = "<!-- end of benchmarks -->"
# Servers of the README's table; the whole one is in results.md.
_SHOWN = {
    "bascule": "bascule",
    "bascule-uvloop": "bascule, uvloop",
    "aiohttp-uvloop": "aiohttp, uvloop",
    "aiohttp-pure": "aiohttp, pure",
    "starlette-uvicorn-h11": "Starlette, uvicorn h11",
    "starlette-uvicorn-httptools": "Starlette, uvicorn httptools",
    "starlette-granian": "Starlette, granian",
    "sanic-uvloop": "sanic, uvloop",
}
# Workloads of one table each.
_GROUPS = (
    ["plaintext", "varying", "touched", "json", "routes", "post", "referee", "tls", "close"],
    ["full", "body64k", "file", "stream", "upload", "upload-chunked"],
    ["ws16", "ws64k", "ws-deflate", "idle", "startup"],
)


def make_full_tables(run: Run) -> str:
    """Write all servers and workloads, the goals, and why some figures are missing."""
    parts = [_make_table(run, group) for group in _GROUPS]
    parts += [make_goal_table(run), _make_failures(run)]
    return "\n\n".join(filter(None, parts))


def _make_table(run: Run, group: Sequence[str]) -> str:
    """Write some workloads: the ratio, and the figure in brackets."""
    names = [each for each in group if run.figures.get(each)]
    servers = [each for each in SERVERS if any(each in run.figures[name] for name in names)]
    if not names:
        return ""
    titles = " | ".join(f"{WORKLOADS[name].title} ({WORKLOADS[name].unit})" for name in names)
    lines = [f"| | {titles} |", "|---|" + "---|" * len(names)]
    for server in servers:
        cells = " | ".join(_make_cell(run, name, server) for name in names)
        lines.append(f"| {SERVERS[server].title} | {cells} |")
    return "\n".join(lines)


def _make_cell(run: Run, workload: str, server: str) -> str:
    figure, ratio = figure_of(run, workload, server), ratio_of(run, workload, server)
    if figure is None or server in run.failures.get(workload, {}):
        return ""
    shown = f"{figure:.1f}" if figure < 1000 else f"{figure:.0f}"
    return f"({shown})" if ratio is None else f"{ratio:.2f} ({shown})"


def _make_failures(run: Run) -> str:
    lines = []
    for workload, failures in run.failures.items():
        for server, reason in failures.items():
            where = "" if workload == "*" else f", {WORKLOADS[workload].title}"
            lines.append(f"- {SERVERS[server].title}{where}: {reason}")
    return "\n".join(lines)


def make_readme(run: Run, picture: str) -> str:
    """Write what the README shows: the picture, the main servers, and the goals."""
    servers = {name: title for name, title in _SHOWN.items() if _is_measured(run, name)}
    lines = [f"| CPU, × {BASE} | {' | '.join(servers.values())} |", "|---|" + "---|" * len(servers)]
    for group in _GROUPS:
        for name in group:
            if ratios := [ratio_of(run, name, server) for server in servers]:
                cells = " | ".join("" if each is None else f"{each:.2f}" for each in ratios)
                lines.append(f"| {WORKLOADS[name].title} | {cells} |")
    table = "\n".join(lines)
    alternative = "CPU per request of servers beside aiohttp's"
    return f"![{alternative}]({picture})\n\n{table}\n\n{make_goal_table(run)}"


def _is_measured(run: Run, server: str) -> bool:
    return any(server in figures for figures in run.figures.values())


def write_between(text: str, block: str) -> str:
    """Put a block between the marks in a text.

    Raises:
        ValueError: the marks are missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README lacks the marks {BEGIN!r} and {END!r}")
    return f"{before}{begin}\n\n{block}\n\n{end}{after}"
