"""Fixtures of the tests of pure functions: they open nothing and start no tasks, so the watch over
that is left out."""

import pytest


@pytest.fixture(autouse=True)
def no_leaks() -> None:
    """Watch nothing."""


@pytest.fixture(autouse=True)
def no_leaked_tasks() -> None:
    """Watch nothing, without a loop for each test."""
