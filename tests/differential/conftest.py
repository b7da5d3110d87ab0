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


@pytest.fixture(autouse=True, scope="module")
def uncovered() -> Iterator[None]:
    """Do not measure coverage: what runs here runs in other tests too, and these, which are half of
    all, would take twice as long."""
    stopped: list[Coverage] = []
    # Processes of pytest-xdist have two, of which one waits for the end of the other.
    while Coverage is not None and (measuring := Coverage.current()) is not None:
        measuring.stop()
        stopped.append(measuring)
    yield
    while stopped:
        stopped.pop().start()
