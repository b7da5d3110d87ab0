"""The command line: sends the cases to servers in one run, and compares what they hold."""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from strictness.cases import Case, find_fault
from strictness.catalogue import CASES
from strictness.peers import PEERS, run_cases

__all__ = ["main", "make_table"]

# By server and by the name of a case: in what its outcome is not allowed, None if it is.
Faults = Mapping[str, Mapping[str, str | None]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; give 1 if a case fails on our own server."""
    options = _parse(arguments)
    cases = [case for case in CASES if not options.case or case.name.startswith(*options.case)]
    faults = asyncio.run(_run_all(options.servers or list(PEERS), cases))
    table = make_table(faults, cases)
    print(table)  # noqa: T201
    if options.write_table:
        options.write_table.write_text(table + "\n", encoding="utf-8")
    if options.list:
        _list(faults, cases)
    return _report(faults)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.strictness", description=__doc__)
    parser.add_argument("servers", nargs="*", help="those to run; all if none is named")
    parser.add_argument(
        "--case",
        action="append",
        default=[],
        metavar="PREFIX",
        help="run the cases alone whose names begin so",
    )
    parser.add_argument("--list", action="store_true", help="tell what each server does not hold")
    parser.add_argument(
        "--write-table", type=Path, metavar="FILE", help="write the table there too"
    )
    options = parser.parse_args(arguments)
    for name in options.servers:
        if name not in PEERS:
            parser.error(f"no such server: {name!r}; they are {', '.join(PEERS)}")
    for prefix in options.case:
        if not any(case.name.startswith(prefix) for case in CASES):
            parser.error(f"no case begins with {prefix!r}")
    options.case = [tuple(options.case)] if options.case else []
    return options


async def _run_all(servers: list[str], cases: list[Case]) -> dict[str, dict[str, str | None]]:
    faults = {}
    for server in servers:
        print(f"{server} ...", file=sys.stderr, flush=True)  # noqa: T201
        outcomes = await run_cases(server, cases)
        faults[server] = {
            case.name: find_fault(case, outcomes[case.name], is_peer=not _is_ours(server))
            for case in cases
        }
    return faults


def _is_ours(server: str) -> bool:
    return server.partition("-")[0] == "bascule"


def _report(faults: Faults) -> int:
    """Tell in which cases our own server fails; give 1 if in any."""
    status = 0
    for server, found in faults.items():
        for name, fault in found.items():
            if fault and _is_ours(server):
                status = 1
                print(f"{server}: {name}: {fault}", file=sys.stderr)  # noqa: T201
    return status


def make_table(faults: Faults, cases: Sequence[Case]) -> str:
    """Write how many cases of each group each server holds, bounds of our own choice left out."""
    cases = [case for case in cases if not case.is_own]
    groups: dict[str, list[str]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case.name)
    groups["**all**"] = [case.name for case in cases]
    titles = [f"{server} {_version(server)}".strip() for server in faults]
    lines = [f"| rules | cases | {' | '.join(titles)} |", "|---" * (len(titles) + 2) + "|"]
    for group, names in groups.items():
        held = [str(sum(not found[name] for name in names)) for found in faults.values()]
        lines.append(f"| {group} | {len(names)} | {' | '.join(held)} |")
    return "\n".join(lines)


def _version(server: str) -> str:
    if _is_ours(server):
        return ""
    return version(server.partition("-")[0])


def _list(faults: Faults, cases: Sequence[Case]) -> None:
    sources = {case.name: case.source for case in cases}
    for server, found in faults.items():
        for name, fault in found.items():
            if fault:
                print(f"{server}: {name} ({sources[name]}): {fault}")  # noqa: T201
