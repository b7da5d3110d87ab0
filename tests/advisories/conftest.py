"""Fixtures of the tests that are named by advisories."""

import logging
from collections.abc import Iterator

import pytest

# Without it -O would take the asserts of a module that is no test.
pytest.register_assert_rewrite("advisories.attacks")


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What a peer sends leaves no traceback and no long line in the log."""
    caplog.set_level(logging.INFO)
    yield
    for record in caplog.get_records("call"):
        message = record.getMessage()
        assert record.exc_info is None, message
        assert message.isascii(), message
        assert message.isprintable(), message
        assert record.name == "aiohttp.access" or len(message) <= 200, message
