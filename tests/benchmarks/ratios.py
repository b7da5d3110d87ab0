"""Figures of a run beside each other."""

import statistics

from .measuring import Run, pair_key

__all__ = ["BASE", "close_ratio_of", "figure_of", "ratio_of"]

# The server whose cost is 1.
BASE = "aiohttp"


def figure_of(run: Run, workload: str, server: str) -> float | None:
    """Give the median over the rounds; None if there is none."""
    figures = run.figures.get(workload, {}).get(server)
    return statistics.median(figures) if figures else None


def ratio_of(run: Run, workload: str, server: str, base: str = BASE) -> float | None:
    """Give the median of the ratios of each round; None if one of both has no figure.

    A server that failed has no more figures than rounds before that: it has no ratio either.
    """
    figures = run.figures.get(workload, {})
    ours, theirs = figures.get(server, []), figures.get(base, [])
    failures = run.failures.get(workload, {})
    if not ours or not theirs or server in failures or base in failures:
        return None
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def close_ratio_of(run: Run, workload: str, server: str, base: str) -> float | None:
    """Give the median of the ratios of two servers that were measured one right behind the other;
    what `ratio_of` gives where they were not."""
    ratios = run.pairs.get(workload, {}).get(pair_key(server, base))
    failures = run.failures.get(workload, {})
    if not ratios or server in failures or base in failures:
        return ratio_of(run, workload, server, base)
    return statistics.median(ratios)
