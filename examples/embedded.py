"""A server beside a bot, in one program: `python examples/embedded.py`, and Ctrl-C to stop it.

The program keeps its signals, its logging and its event loop; the server is one more thing in it.
It is entered inside the task group, so it stops before the bot does, and answers in progress still
get what they wait for.
"""

import asyncio
import contextlib

import bascule
from bascule import web


class Bot:
    """What the program is about: it ticks twice a second."""

    def __init__(self) -> None:
        self.ticks = 0
        self.ticked = asyncio.Condition()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            async with self.ticked:
                self.ticks += 1
                self.ticked.notify_all()


BOT = web.AppKey("BOT", Bot)


async def count(request: web.Request) -> web.Response:
    return web.json_response({"ticks": request.app[BOT].ticks})


async def wait_for_next(request: web.Request) -> web.Response:
    bot = request.app[BOT]
    async with bot.ticked:
        await bot.ticked.wait()
        return web.json_response({"ticks": bot.ticks})


def create_app(bot: Bot) -> web.Application:
    app = web.Application()
    app[BOT] = bot
    app.add_routes([web.get("/", count), web.get("/next", wait_for_next)])
    return app


async def main() -> None:
    bot = Bot()
    async with asyncio.TaskGroup() as group:
        group.create_task(bot.run())
        async with bascule.serve(create_app(bot), shutdown_timeout=5) as server:  # at a free port
            print(f"Counting at {server.url} (Ctrl-C to stop)", flush=True)
            await asyncio.Event().wait()  # asyncio.run cancels this at Ctrl-C


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
    print("\nStopped.", flush=True)
