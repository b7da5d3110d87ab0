"""Looking like Windows, as far as the names of files go."""

import os
from functools import partial
from typing import Any

import pytest

from bascule.routing import static
from bascule.routing.static_names import is_refused

__all__ = ["pretend_windows"]


def pretend_windows(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hold names of files to what counts on Windows; the list gets those that are looked up."""
    looked_up: list[str] = []
    realpath = os.path.realpath

    def note(path: Any, **options: Any) -> Any:  # Any: as os.path has it
        looked_up.append(str(path))
        return realpath(path, **options)

    monkeypatch.setattr(static, "is_refused", partial(is_refused, windows=True))
    monkeypatch.setattr(os.path, "realpath", note)
    return looked_up
