"""Test cases of `unittest` around an application at a socket."""

import asyncio
import warnings
from typing import Any
from unittest import IsolatedAsyncioTestCase

from ..app.application import Application, Request
from .testclient import TestClient
from .testserver import TestServer

__all__ = ["AioHTTPTestCase", "unittest_run_loop"]


class AioHTTPTestCase(IsolatedAsyncioTestCase):
    """Tests of an application, which each of them serves anew and asks by a client.

    Subclasses define `get_application`. What they do around each test goes into `setUpAsync` and
    `tearDownAsync`, with a call of this class's own.

    Attributes:
        app: the application.
        server: serves it.
        client: asks it.
        loop: the event loop of the test.
    """

    app: Any  # Any: an Application, or what else `TestServer` takes
    server: TestServer
    client: TestClient[Request, Application]
    loop: asyncio.AbstractEventLoop

    async def get_application(self) -> Any:
        """Make the application; subclasses define this."""
        return self.get_app()

    def get_app(self) -> Any:
        """Obsolete: make the application; called by `get_application`.

        Raises:
            RuntimeError: neither is defined.
        """
        raise RuntimeError("Did you forget to define get_application()?")

    async def asyncSetUp(self) -> None:
        """Take note of the loop, then call `setUpAsync`."""
        self.loop = asyncio.get_running_loop()
        await self.setUpAsync()

    async def setUpAsync(self) -> None:
        """Make the application, serve it and make its client."""
        self.app = await self.get_application()
        self.server = await self.get_server(self.app)
        self.client = await self.get_client(self.server)
        await self.client.start_server()

    async def asyncTearDown(self) -> None:
        """Call `tearDownAsync`."""
        await self.tearDownAsync()

    async def tearDownAsync(self) -> None:
        """Close client and server."""
        await self.client.close()

    async def get_server(self, app: Any) -> TestServer:
        """Make the server; it is started later."""
        return TestServer(app)

    async def get_client(self, server: TestServer) -> TestClient[Request, Application]:
        """Make the client of a server."""
        return TestClient(server)


def unittest_run_loop(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Give `func` back; deprecated, since test cases run coroutine functions themselves."""
    warnings.warn(
        "Decorator `@unittest_run_loop` is no longer needed in aiohttp 3.8+",
        DeprecationWarning,
        stacklevel=2,
    )
    return func
