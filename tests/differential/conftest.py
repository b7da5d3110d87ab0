"""Fixtures of the differential tests: the watch over leaks, at a price that thousands can pay."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def no_leaks() -> Iterator[None]:
    """Collect once a module instead of once a test, since a collection costs more than a test."""
    yield
    gc.collect()
