"""The command line of the comparison: runs it, prints the tables, draws, writes the README's part.

Each server runs in a process of its own, with a loop of its own, and is loaded over loopback by
another process. The figure is the user and system time of the server's processes over what they
did, the median of the rounds; the ratio is the median of the ratios to aiohttp in the same round,
and says more than the figure where others use the machine too. For the ratios that goals are about,
both servers are measured again, one right behind the other. Each answer is checked.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .goals import PAIRS
from .measuring import Extent, Run, measure_all
from .servers import SERVERS
from .tables import make_full_tables, make_readme, write_between
from .workloads import WORKLOADS

__all__ = ["main"]

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
_QUICK = ("aiohttp", "bascule", "bascule-uvloop", "bascule-on-uvicorn", "asgi-on-bascule")
_QUICK_WORKLOADS = ("plaintext", "varying", "json", "post", "file", "stream", "ws16", "close")
_PACKAGES = (
    "aiohttp starlette uvicorn hypercorn granian blacksheep h11 httptools uvloop multidict yarl"
)


def main() -> int:
    """Run it; give 1 if nothing was measured."""
    options = _parse()
    start = time.monotonic()
    if options.load:
        run = Run(**json.loads(options.load.read_text())["run"])
    else:
        with tempfile.TemporaryDirectory() as directory:
            run = measure_all(
                options.only,
                options.servers,
                Extent(options.rounds, options.pairs, options.seconds),
                dict(options.python),
                Path(directory),
                PAIRS,
            )
    tables = make_full_tables(run)
    print(f"{tables}\n\n{time.monotonic() - start:.0f} s")
    _write(options, run, tables)
    return 0 if run.figures else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    # Many short rounds: neighbours of a machine come and go by the second, and both costs of a
    # ratio are to meet the same ones.
    parser.add_argument("--rounds", type=int, default=16, help="of each workload (default: 16)")
    parser.add_argument(
        "--pairs", type=int, default=60, help="of both servers of each goal (default: 60)"
    )
    parser.add_argument("--seconds", type=float, default=0.05, help="of load per round")
    parser.add_argument("--only", type=_names(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--servers", type=_names(SERVERS), default=list(SERVERS))
    parser.add_argument("--quick", action="store_true", help="a look, in about a minute")
    parser.add_argument(
        "--python",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=PROGRAM",
        help="run the servers of that name with another Python, which has them installed",
    )
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--load", type=Path, help="show what such a file has; measure nothing")
    parser.add_argument("--plot", type=Path, help="draw the main workloads as this PNG")
    parser.add_argument(
        "--write-readme",
        action="store_true",
        help="write results.json, .md and .png beside this program, and the README's part",
    )
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.pairs, options.seconds = 2, 0, 0.4
        options.only = [each for each in options.only if each in _QUICK_WORKLOADS]
        options.servers = [each for each in options.servers if each in _QUICK]
    if options.rounds < 1 or options.pairs < 0 or options.seconds <= 0:
        parser.error("there must be a round, and it must take time")
    if options.write_readme and options.quick:
        parser.error("the README has the figures of a whole run")
    return options


def _names(known: Mapping[str, object]) -> Callable[[str], list[str]]:
    """Make the type of an option that takes names between commas."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        unknown = [each for each in names if each not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"no {unknown[0]!r} among {', '.join(known)}")
        return names

    return parse


def _pair(text: str) -> tuple[str, str]:
    name, equals, program = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PROGRAM")
    return name, program


def _write(options: argparse.Namespace, run: Run, tables: str) -> None:
    if options.json:
        options.json.write_text(_dump(options, run))
    if options.plot:
        from .plot import draw

        draw(run, options.plot)
    if options.write_readme:
        from .plot import draw

        picture = _HERE / "results.png"
        if not options.load:
            (_HERE / "results.json").write_text(_dump(options, run))
        (_HERE / "results.md").write_text(f"{tables}\n")
        draw(run, picture)
        readme = _ROOT / "README.md"
        block = make_readme(run, str(picture.relative_to(_ROOT)))
        readme.write_text(write_between(readme.read_text(), block))


def _dump(options: argparse.Namespace, run: Run) -> str:
    about = {
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
        "python": sys.version,
        "machine": platform.platform(),
        "rounds": options.rounds,
        "pairs": options.pairs,
        "seconds": options.seconds,
        "versions": {each: _version(each) for each in _PACKAGES.split()},
    }
    return json.dumps({"about": about, "run": asdict(run)}, indent=1) + "\n"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
