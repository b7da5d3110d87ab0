"""The program that serves the matrix's application by a runner, aiohttp's or bascule's.

python -m matrix.programs aiohttp
"""

import asyncio
import importlib
import logging
import signal
import sys
from typing import Any

from .rich_application import Settings, make_application

__all__ = ["PREFIX"]

# Below which the application is mounted in others.
PREFIX = "/mounted"


async def _run(name: str) -> None:
    """Serve by an AppRunner, in a program that is running already."""
    module: Any = importlib.import_module({"bascule": "bascule.web"}.get(name, "aiohttp.web"))
    settings = Settings.from_environment()
    if name == "aiohttp-below":
        settings = Settings(settings.files, settings.life, settings.cancels, has_domain=False)
    app = make_application(module, settings)
    if name == "aiohttp-below":
        app = _put_below(module, app, settings)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    runner = module.AppRunner(app, shutdown_timeout=5)
    await runner.setup()
    try:
        site = module.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(f"Running on {site.name}", flush=True)  # noqa: T201  # the harness waits for it
        await ended.wait()
    finally:
        await runner.cleanup()


def _put_below(module: Any, app: Any, settings: Settings) -> Any:
    """Put it below the prefix of the mounts; options of connections are the outer one's."""
    args = {"handler_cancellation": True} if settings.cancels else None
    outer = module.Application(client_max_size=app._client_max_size, handler_args=args)
    outer.add_subapp(PREFIX, app)
    return outer


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(_run(sys.argv[1]))
