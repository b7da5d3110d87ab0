"""Fixtures of the differential tests: the watch over leaks, at a price that thousands can pay."""

import gc
from collections.abc import Iterator

import pytest

try:
    from coverage import Coverage
except ImportError:  # it is there where it is asked for
    Coverage = None  # type: ignore[assignment,misc]  # as it is then


@pytest.fixture(autouse=True, scope="module")
def no_leaks() -> Iterator[None]:
    """Collect once a module instead of once a test, since a collection costs more than a test."""
    yield
    gc.collect()


# The largest modules: what runs in them runs in other tests too.
_UNCOVERED = {
    "test_answers",
    "test_files",
    "test_http_exceptions",
    "test_normalizing",
    "test_precedence",
}


@pytest.fixture(autouse=True, scope="module")
def uncovered(request: pytest.FixtureRequest) -> Iterator[None]:
    """Do not measure the coverage of the largest modules, which take twice as long with that."""
    stopped: list[Coverage] = []
    if Coverage is not None and request.path.stem in _UNCOVERED:
        # Processes of pytest-xdist have two, of which one waits for the end of the other.
        while (measuring := Coverage.current()) is not None:
            measuring.stop()
            stopped.append(measuring)
    yield
    while stopped:
        stopped.pop().start()
