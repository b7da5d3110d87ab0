"""`python -m tests.strictness`, on a few cases and two servers."""

import os
import subprocess
import sys
from pathlib import Path

from strictness.cases import CANARY_SEEN, Case, Outcome, Refused, Seen, Served, find_fault
from strictness.command import make_table
from strictness.wires import bytewise, cut_at

_ROOT = Path(__file__).parent.parent.parent


def test_the_command_compares_servers(tmp_path: Path) -> None:
    table = tmp_path / "table.md"
    command = [sys.executable, "-m", "tests.strictness", "bascule", "aiohttp"]
    command += ["--case", "length-and-coding/right", "--case", "content-length/good"]
    done = subprocess.run(
        [*command, "--list", "--write-table", str(table)],
        cwd=_ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text = table.read_text("utf-8")
    assert done.stdout.startswith(text.rstrip())
    first, _, *rows = text.splitlines()
    assert first.startswith("| rules | cases | bascule | aiohttp 3.")
    assert [row.split(" | ")[:3] for row in rows] == [
        ["| content-length", "3", "3"],
        ["| length-and-coding", "12", "12"],
        ["| **all**", "15", "15"],
    ]


def test_unknown_servers_and_cases_are_told() -> None:
    for argument in (["nginx"], ["--case", "nonsense"]):
        done = subprocess.run(
            [sys.executable, "-m", "tests.strictness", *argument],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        assert repr(argument[-1]) in done.stderr


_SEEN = Seen("GET", "/case", ())
_BAD = Case("a/b", "RFC", b"x", (Refused(),))
_GOOD = Case("a/c", "RFC", b"y", (Served((_SEEN,)),))


def test_what_is_no_refusal() -> None:
    """The judge itself: a test that lets all pass shows nothing."""
    assert find_fault(_BAD, Outcome((400,), True, True, ())) is None
    for outcome in (
        Outcome((400,), True, False, ()),  # left open
        Outcome((400,), False, True, ()),
        Outcome((), False, True, ()),
        Outcome((200,), True, True, ()),
        Outcome((404,), True, True, ()),
        Outcome((400, 200), True, True, ()),
        Outcome((400,), True, True, (_SEEN,)),
        Outcome((400,), True, True, (CANARY_SEEN,)),
        Outcome((400,), True, True, (Seen("GET", "/case", (), broken=True),)),
    ):
        assert find_fault(_BAD, outcome)


def test_what_of_a_peer_is_no_refusal() -> None:
    assert find_fault(_BAD, Outcome((), False, True, ()), is_peer=True) is None
    assert find_fault(_BAD, Outcome((500,), False, True, ()), is_peer=True) is None
    for outcome in (
        Outcome((), False, False, ()),
        Outcome((200,), True, True, ()),
        Outcome((400,), True, True, (CANARY_SEEN,)),
    ):
        assert find_fault(_BAD, outcome, is_peer=True)


def test_what_is_not_served() -> None:
    assert find_fault(_GOOD, Outcome((200, 200), True, True, (_SEEN, CANARY_SEEN))) is None
    for outcome in (
        Outcome((200, 200), True, False, (_SEEN, CANARY_SEEN)),
        Outcome((200,), True, True, (_SEEN,)),
        Outcome((400,), True, True, ()),
        Outcome((200, 200), True, True, (CANARY_SEEN, _SEEN)),
        Outcome((200, 200), True, True, (_SEEN, _SEEN, CANARY_SEEN)),
        Outcome((200, 200), True, True, (Seen("GET", "/case", (), b"x"), CANARY_SEEN)),
        Outcome((200, 200), True, True, (Seen("PUT", "/case", ()), CANARY_SEEN)),
    ):
        assert find_fault(_GOOD, outcome)


def test_pieces_are_the_whole() -> None:
    data = bytes(range(100))
    assert b"".join(bytewise(data)) == b"".join(cut_at(data, [3, 999, 50, 3])) == data
    assert make_table({"bascule": {"a/b": None, "a/c": "x"}}, [_BAD, _GOOD]).count("| 2 | 1 |") == 2
