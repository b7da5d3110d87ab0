"""Draws the ratios to aiohttp as bars, a panel for each of the main workloads."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

from .measuring import Run
from .ratios import BASE, ratio_of
from .servers import SERVERS
from .workloads import WORKLOADS

__all__ = ["draw"]

_PANELS = ("plaintext", "varying", "json", "routes", "post", "file", "stream", "ws16")
_COLUMNS = 2
# From top to bottom; all others are in the tables.
_SHOWN = [
    "bascule",
    "bascule-uvloop",
    "bascule-on-uvicorn",
    "bascule-on-granian-rsgi",
    "asgi-on-bascule",
    "aiohttp",
    "aiohttp-uvloop",
    "aiohttp-pure",
    "starlette-uvicorn-h11",
    "starlette-uvicorn-httptools",
    "starlette-hypercorn",
    "starlette-granian",
    "asgi-uvicorn-httptools",
    "rsgi-granian",
    "sanic-uvloop",
    "blacksheep",
]
# Bars end here, since a few servers are many times as dear; their figure stands in the bar.
_MOST = 3.0
_COLOURS = {
    "own": "#1a6fb4",
    "guest": "#6fb0de",
    "host": "#6fb0de",
    "peer": "#9a9a9a",
}
_MEANINGS = {
    "bascule's own server": "own",
    "bascule as a guest or a host": "guest",
    "others": "peer",
}


def draw(run: Run, path: Path) -> None:
    """Write the picture of a run as a PNG, legible where it is shown 900 pixels wide."""
    mpl.use("Agg")
    from matplotlib import pyplot

    panels = [each for each in _PANELS if run.figures.get(each)]
    servers = [each for each in _SHOWN if _is_shown(run, each, panels)]
    if not panels or not servers:
        raise ValueError("nothing of the run can be drawn")
    rows = -(-len(panels) // _COLUMNS)
    height = 1.0 + rows * (0.62 + 0.19 * len(servers))
    with pyplot.rc_context({"font.size": 8.5, "font.family": "DejaVu Sans"}):
        figure, axes = pyplot.subplots(
            rows, _COLUMNS, figsize=(9.6, height), sharey=True, squeeze=False, layout="constrained"
        )
        for panel, axis in zip(panels, axes.flat, strict=False):
            _draw_panel(run, panel, servers, axis)
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        _explain(figure, pyplot)
        figure.savefig(path, dpi=150)
        pyplot.close(figure)


def _is_shown(run: Run, server: str, panels: list[str]) -> bool:
    return any(ratio_of(run, each, server) is not None for each in panels)


def _draw_panel(run: Run, panel: str, servers: list[str], axis: Any) -> None:
    titles = [SERVERS[each].title for each in servers]
    for row, server in enumerate(servers):
        ratio = ratio_of(run, panel, server)
        if ratio is None:
            continue
        shown = min(ratio, _MOST)
        axis.barh(row, shown, height=0.72, color=_COLOURS[SERVERS[server].role])
        inside = ratio > _MOST * 0.85
        axis.text(
            shown + (-0.04 if inside else 0.04),
            row,
            f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}",
            va="center",
            ha="right" if inside else "left",
            color="white" if inside else "black",
            fontsize=7.5,
            # Lets a figure be read where it crosses the line.
            bbox=None if inside else {"facecolor": "white", "edgecolor": "none", "pad": 0.4},
        )
    axis.set_title(WORKLOADS[panel].title, fontsize=10, fontweight="bold", loc="left")
    axis.set_xlim(0, _MOST)
    axis.set_yticks(range(len(servers)), titles)
    axis.set_ylim(len(servers) - 0.4, -0.6)
    axis.axvline(1, color="black", linewidth=0.8, linestyle=":", zorder=1.5)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _explain(figure: Any, pyplot: Any) -> None:
    handles = [
        pyplot.Rectangle((0, 0), 1, 1, color=_COLOURS[role], label=meaning)
        for meaning, role in _MEANINGS.items()
    ]
    figure.suptitle(f"CPU time of the server, {BASE} = 1 (shorter is better)", fontsize=12)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
