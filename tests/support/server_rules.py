"""The table of the rules for ASGI servers that ours keeps, by the tests that are named for them.

Usage: python tests/support/server_rules.py > TABLE

Runs the tests and writes the table, in Markdown. A rule has a number: S for HTTP, W for WebSockets,
E for extensions, L for start and end, H for HTTP/2; ``test_s21_s22_client_and_server`` shows two.
"""

import ast
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from xml.etree import ElementTree

import pytest

__all__ = ["NUMBERS", "list_tests"]

_TESTS = sorted((Path(__file__).parents[1] / "asgi").glob("test_server_*.py"))
_RANGES = [("S", 1, 32), ("S", 40, 56), ("S", 60, 117), ("W", 1, 42), ("E", 1, 9), ("L", 1, 18)]
NUMBERS = [f"{kind}{n:02}" for kind, first, last in _RANGES for n in range(first, last + 1)]
NUMBERS.insert(NUMBERS.index("W23") + 1, "W23B")
# Rules that cannot hold, and why.
_REASONS = {f"H0{n}": "HTTP/2 is not spoken here" for n in range(1, 6)}


def list_tests() -> Iterator[tuple[str, list[str], str]]:
    """Give the name of each test, the numbers that it shows, and the rule in its own words."""
    for path in _TESTS:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                match = re.match(r"test_((?:[swel]\d+b?_)+)", node.name)
                numbers = match[1].rstrip("_").upper().split("_") if match else []
                yield node.name, numbers, " ".join((ast.get_docstring(node) or "").split())


def _run() -> tuple[int, dict[str, bool]]:
    """Run the tests; say how pytest has ended, and which tests have passed in all their cases."""
    with tempfile.TemporaryDirectory() as directory:
        report = os.path.join(directory, "report.xml")
        with redirect_stdout(sys.stderr):
            status = int(pytest.main(["-q", f"--junitxml={report}", *map(str, _TESTS)]))
        passed: dict[str, bool] = {}
        for case in ElementTree.parse(report).iter("testcase"):
            name = case.get("name", "").partition("[")[0]
            passed[name] = passed.get(name, True) and not len(case.findall("*"))
    return status, passed


def _make_table(passed: dict[str, bool]) -> Iterator[str]:
    rows: dict[str, list[tuple[str, str]]] = {}
    for name, numbers, rule in list_tests():
        for number in numbers:
            rows.setdefault(number, []).append((name, rule))
    yield "| number | holds | rule | shown by |\n|---|---|---|---|\n"
    for number in NUMBERS:
        shown = rows.get(number, [])
        holds = bool(shown) and all(passed.get(name, False) for name, _ in shown)
        rule = " ".join(rule for _, rule in shown)
        names = ", ".join(f"`{name}`" for name, _ in shown)
        yield f"| {number} | {'yes' if holds else 'no'} | {rule} | {names} |\n"
    for number, reason in _REASONS.items():
        yield f"| {number} | no | {reason} | |\n"


if __name__ == "__main__":
    status, passed = _run()
    sys.stdout.writelines(_make_table(passed))
    sys.exit(status)
