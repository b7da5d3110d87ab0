"""Event loops for tests that run their coroutines themselves."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["loop_context", "setup_test_loop", "teardown_test_loop"]


@contextmanager
def loop_context(
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    fast: bool = False,
) -> Iterator[asyncio.AbstractEventLoop]:
    """Give an event loop that is the current one inside the block, and is closed behind it.

    Args:
        loop_factory: makes it.
        fast: do not collect garbage behind it.
    """
    loop = setup_test_loop(loop_factory)
    try:
        yield loop
    finally:
        teardown_test_loop(loop, fast=fast)


def setup_test_loop(
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> asyncio.AbstractEventLoop:
    """Make an event loop the current one; `teardown_test_loop` ends it."""
    loop = loop_factory()
    asyncio.set_event_loop(loop)
    return loop


def teardown_test_loop(loop: asyncio.AbstractEventLoop, fast: bool = False) -> None:
    """Close an event loop behind its callbacks that are due; there is no current one then.

    Args:
        loop: of `setup_test_loop`; may be closed already.
        fast: do not collect garbage, which makes what was left behind warn in this test's name.
    """
    if not loop.is_closed():
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
    if not fast:
        gc.collect()
    asyncio.set_event_loop(None)
