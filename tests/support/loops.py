"""Both kinds of event loop, for what differs in them."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import trustme
import uvloop

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def run_in(loop: str, scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario to its end in a loop of that kind; what it leaves behind warns."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(scenario)


async def settle() -> None:
    """Let the loop do everything that it can do now."""
    for _ in range(50):
        await asyncio.sleep(0)


def make_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make TLS contexts of a server at ``localhost`` and of its clients."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client
