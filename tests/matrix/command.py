"""The command line of the matrix: runs hosts, prints the table, rewrites that of the README."""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path

from .black_box import NAMES, Oracle, Outcome, run_host
from .hosts import HOSTS
from .reasons import REASONS, reasons_of

__all__ = ["BEGIN", "END", "main", "make_reasons", "make_table", "write_between"]

_README = Path(__file__).parent.parent.parent / "README.md"
BEGIN = "<!-- matrix: written by python -m tests.matrix --write-readme -->"
END = "<!-- end of matrix -->"

Outcomes = Mapping[str, Mapping[str, Outcome]]


def main() -> int:
    """Run it; give 1 if a check fails without a reason, or a reason is stale."""
    options = _parse()
    sys.tracebacklimit = 0
    logging.disable(logging.CRITICAL)  # of applications that fail because they are asked to
    outcomes = asyncio.run(_run_all(options.hosts or list(HOSTS), options.check))
    table = make_table(outcomes)
    text = f"{table}\n\n{make_reasons(outcomes)}".rstrip()
    print(text)  # noqa: T201
    if options.output:
        options.output.write_text(text + "\n")
    if options.write_readme:
        _README.write_text(write_between(_README.read_text(), table))
    return _report(outcomes, options.verbose)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("hosts", nargs="*", help="those to run on; all if none is named")
    parser.add_argument("--check", action="append", default=[], help="run this check alone")
    parser.add_argument("--verbose", action="store_true", help="show what differs")
    parser.add_argument("--output", type=Path, help="write the table to this file too")
    parser.add_argument("--write-readme", action="store_true", help="rewrite the README's table")
    options = parser.parse_args()
    for name in (*options.hosts, *options.check):
        if name not in HOSTS and name not in NAMES:
            parser.error(f"no such host or check: {name!r}; hosts are {', '.join(HOSTS)}")
    if options.write_readme and (options.hosts or options.check):
        parser.error("the README has the table of all hosts and checks")
    return options


async def _run_all(hosts: list[str], names: list[str]) -> dict[str, dict[str, Outcome]]:
    outcomes = {}
    async with Oracle.make(names) as oracle:
        for name in hosts:
            print(f"{HOSTS[name].title} ...", file=sys.stderr, flush=True)  # noqa: T201
            # In a task of its own: what an application sets in its context stays there.
            outcomes[name] = await asyncio.create_task(run_host(HOSTS[name], oracle))
    return outcomes


def _report(outcomes: Outcomes, verbose: bool) -> int:
    """Tell of failures without a reason, and of reasons without a failure."""
    status = 0
    for host, checks in outcomes.items():
        reasons = reasons_of(host)
        for name, outcome in checks.items():
            fails = not outcome.passed and not outcome.missing
            reason = reasons.get(name)
            if reason is not None and not reason.always and not outcome.missing:
                continue
            if fails != (reason is not None):
                status = 1
                what = "fails" if fails else "no longer fails"
                print(f"{host}: {name}: {what}", file=sys.stderr)  # noqa: T201
                if fails and verbose:
                    _show(outcome)
    return status


def _show(outcome: Outcome) -> None:
    for title, what in (("expected", outcome.expected), ("seen", outcome.seen)):
        text = json.dumps(what, ensure_ascii=False, default=str)
        print(f"    {title}: {text[:3000]}", file=sys.stderr)  # noqa: T201


def make_table(outcomes: Outcomes) -> str:
    """Write host x passed/total as a table."""
    lines = ["| Host | passed | not possible there |", "|---|---|---|"]
    for host, checks in outcomes.items():
        asked = [each for each in checks.values() if not each.missing]
        passed = sum(each.passed for each in asked)
        left = len(checks) - len(asked) or ""
        lines.append(f"| {HOSTS[host].title} | {passed}/{len(asked)} | {left} |")
    return "\n".join(lines)


def make_reasons(outcomes: Outcomes) -> str:
    """Write the reasons for what fails on some hosts."""
    lines = []
    for reason in REASONS:
        titles = [HOSTS[host].title for host in reason.hosts if host in outcomes]
        if titles:
            checks = ", ".join(reason.checks)
            lines.append(f"- *{checks}* ({', '.join(titles)}): {reason.text}.")
    return "\n".join(lines)


def write_between(text: str, table: str) -> str:
    """Put the table between the marks in a text.

    Raises:
        ValueError: the marks are missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README lacks the marks {BEGIN!r} and {END!r}")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"
