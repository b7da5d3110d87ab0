"""The table of limits in SECURITY.md says what is in force."""

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from advisories.table import ADVISORIES
from bascule import MultipartReader, __version__, web
from bascule.app.limit_flags import FLAGS
from bascule.cli import main
from bascule.message import forms, part_stream
from bascule.server import complaints
from bascule.server.options import ConnectionOptions
from bascule.wire.grammar import MAX_METHOD_SIZE
from bascule.wire.head import HeadLimits
from bascule.wire.multipart import Limits

PAGE = (Path(__file__).parents[1] / "SECURITY.md").read_text("utf-8")
OPTIONS = {
    each.name: each.default
    for each in (*dataclasses.fields(ConnectionOptions), *dataclasses.fields(HeadLimits))
}
# Options of connections that are no limits.
OTHERS = {"http", "limits", "tcp_keepalive", "server_header"}
# What has no keyword.
FIXED = {
    "method": MAX_METHOD_SIZE,
    "length of such a line": complaints._MAX_LINE,
    "head of a part": part_stream._MAX_HEAD_SIZE,
    "in front of the first part": Limits().max_preamble_size,
    "parts inside of parts": part_stream._MAX_DEPTH,
    "upload that stays in memory": forms._SPOOL_SIZE,
    "uploads of a form that stay in memory": forms._MEMORY_SIZE,
}


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the table."""

    limit: str
    default: str
    unit: str
    keyword: str
    flag: str
    beyond: str

    @property
    def names(self) -> list[str]:
        """The keyword, and the owner where it has one."""
        return re.findall(r"`(\w+)`", self.keyword)


def read_rows() -> list[Row]:
    section = PAGE.partition("## Limits")[2]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [Row(*(cell.strip() for cell in line.split("|")[1:-1])) for line in lines[1:]]


ROWS = read_rows()


def dump(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def find_default(row: Row) -> str:
    """Write the default that is in force."""
    if not row.names:
        return str(FIXED[row.limit])
    name, *owners = row.names
    if owners:
        owner = MultipartReader if owners == ["MultipartReader"] else getattr(web, owners[0])
        return dump(inspect.signature(owner).parameters[name].default)
    return dump(OPTIONS[name])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.limit)
def test_the_table_says_what_is_in_force(row: Row) -> None:
    apart = {"keepalive_timeout": "75", "limit_connections": "auto"}
    default = find_default(row)
    if row.names and row.names[0] in apart:
        default = f"{apart[row.names[0]]} by `run_app`, else {default}"
    assert row.default == default


def test_the_table_has_every_option() -> None:
    shown = [row.names[0] for row in ROWS if len(row.names) == 1]
    assert len(shown) == len(set(shown))
    assert set(shown) == set(OPTIONS) - OTHERS
    assert {row.limit for row in ROWS if not row.names} == set(FIXED)


def test_the_table_has_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    shown = {row.names[0]: row.flag.strip("`") for row in ROWS if len(row.names) == 1}
    assert shown == {
        each.option: each.flags[0] for each in FLAGS if each.metavar != "ENGINE" and each.metavar
    }
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    told = capsys.readouterr().out
    assert all(row.flag.strip("`") in told for row in ROWS)


def test_what_run_app_passes_is_told() -> None:
    """Where nothing else is said."""
    assert inspect.signature(web.run_app).parameters["keepalive_timeout"].default == 75
    assert OPTIONS["keepalive_timeout"] == 3630
    told = re.sub(r"\s+", " ", inspect.getdoc(web.run_app) or "")
    assert "``limit_connections`` is ``auto`` here" in told


def test_the_supported_version_is_this_one() -> None:
    assert f"| {__version__.rpartition('.')[0]}.x | yes |" in PAGE


def test_the_command_that_it_names_prints_the_advisories() -> None:
    assert "`python -m tests.advisories`" in PAGE
    assert len(ADVISORIES) > 100
