"""The black box: asks an application all that there is to ask, and compares what came."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from . import checks_answers, checks_requests, checks_sockets, checks_streams
from .checks import CHECKS, Check, Record
from .clients import Client, Power
from .hosts import ORACLES, Host, Serve
from .rich_application import Settings
from .rich_files import make_files

__all__ = ["LIFE", "NAMES", "Oracle", "Outcome", "run_host"]

# What is looked at once a host has ended.
LIFE = "life from start to end"
# Seconds that one check may take.
_PATIENCE = 20.0

assert checks_answers, checks_requests  # imported for the checks that they make
assert checks_sockets, checks_streams
NAMES = (*CHECKS, LIFE)


class Broken(str):
    """What a check shows that ended with an error of its own: it equals nothing."""

    __slots__ = ()


@dataclass(frozen=True)
class Outcome:
    """What a check has shown on a host.

    Attributes:
        expected: what aiohttp's server has shown.
        seen: what the host has shown.
        missing: what the host does not have, so that it was not asked.
    """

    expected: Record = None
    seen: Record = None
    missing: str = ""

    @property
    def passed(self) -> bool:
        return not (self.missing or isinstance(self.seen, Broken)) and self.expected == self.seen


async def _run(serve: Serve, names: Iterable[str], files: Path) -> dict[str, Record | Power]:
    """Give what the checks show; the power that a client lacks where it cannot be asked.

    Nothing runs in debug mode, where pages of errors show tracebacks: those of two servers differ.
    """
    asyncio.get_running_loop().set_debug(False)
    wanted = [CHECKS[name] for name in names if name in CHECKS]
    with tempfile.NamedTemporaryFile("r") as life:
        settings = Settings(files, Path(life.name))
        async with serve(settings) as client:
            seen = {
                each.name: await _run_check(each, client) for each in wanted if not each.cancels
            }
            powers = client.powers
        seen[LIFE] = life.read().splitlines() if Power.LIFE in powers else Power.LIFE
        cancelling = [each for each in wanted if each.cancels]
        if not cancelling or Power.VARIANT not in powers:
            return {**seen, **{each.name: Power.VARIANT for each in cancelling}}
        async with serve(replace(settings, cancels=True)) as client:
            return {**seen, **{each.name: await _run_check(each, client) for each in cancelling}}


async def _run_check(check: Check, client: Client) -> Record | Power:
    missing = sorted(check.needs - client.powers, key=list(Power).index)
    if missing:
        return missing[0]
    try:
        async with asyncio.timeout(_PATIENCE):
            return await check.run(client)
    except Exception as exc:  # whatever it is, it is not what was expected
        return Broken(f"{type(exc).__name__}: {exc}"[:500])


class Oracle:
    """Knows what aiohttp's own server shows; asks it once.

    Args:
        files: a directory that `make_files` has filled.
        names: of the checks; all of them if empty.
    """

    def __init__(self, files: Path, names: Iterable[str] = ()) -> None:
        self.files = files
        self.names = list(names) or list(NAMES)
        self._known: dict[bool, dict[str, Record | Power]] = {}

    @classmethod
    @asynccontextmanager
    async def make(cls, names: Iterable[str] = ()) -> AsyncIterator["Oracle"]:
        """Make one, with files that are there as long as the context."""
        with tempfile.TemporaryDirectory() as directory:
            make_files(Path(directory))
            yield cls(Path(directory), names)

    async def ask(self, is_below_prefix: bool) -> dict[str, Record | Power]:
        """Give what the checks show there, also for an application below a prefix.

        Raises:
            RuntimeError: a check is broken: it fails on aiohttp itself.
        """
        if is_below_prefix not in self._known:
            known = await _run(ORACLES[is_below_prefix], self.names, self.files)
            broken = {name: shown for name, shown in known.items() if isinstance(shown, Broken)}
            if broken:
                raise RuntimeError(f"Checks that fail on aiohttp: {broken}")
            self._known[is_below_prefix] = known
        return self._known[is_below_prefix]


async def run_host(host: Host, oracle: Oracle) -> dict[str, Outcome]:
    """Ask the application on a host all that there is to ask."""
    expected = await oracle.ask(host.is_below_prefix)
    seen = await _run(host.serve, oracle.names, oracle.files)
    return {
        name: Outcome(missing=shown.value)
        if isinstance(shown, Power)
        else Outcome(expected[name], shown)
        for name, shown in seen.items()
    }
