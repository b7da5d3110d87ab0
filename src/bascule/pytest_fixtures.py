"""The fixtures that every test run of pytest has where bascule is installed.

Nothing is imported before one of them is used. Their names are none of aiohttp's, which belong to
pytest-aiohttp; `bascule.pytest_plugin` has those.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing.factories import ClientFactory, RawServerFactory, ServerFactory


@pytest.fixture
def bascule_client(request: pytest.FixtureRequest) -> "ClientFactory":
    """``await bascule_client(app, **kwargs)`` gives a bascule.testing.Client, in memory."""
    from .testing.factories import ClientFactory

    return ClientFactory(request)


@pytest.fixture
def bascule_server(request: pytest.FixtureRequest) -> "ServerFactory":
    """``await bascule_server(app, **kwargs)`` gives a bascule.test_utils.TestServer, started."""
    from .testing.factories import ServerFactory

    return ServerFactory(request)


@pytest.fixture
def bascule_raw_server(request: pytest.FixtureRequest) -> "RawServerFactory":
    """``await bascule_raw_server(handler)`` gives a bascule.test_utils.RawTestServer, started."""
    from .testing.factories import RawServerFactory

    return RawServerFactory(request)


@pytest.fixture
async def _bascule_anyio_lease() -> AsyncIterator[None]:
    """Keep anyio's event loop open behind the test, until other fixtures were torn down."""
    yield  # noqa: PT022  # anyio holds its loop for generators alone
