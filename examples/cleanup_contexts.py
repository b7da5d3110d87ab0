"""What lives as long as the application: `python examples/cleanup_contexts.py`.

A context manager opens a database, then a generator starts a task that writes to it what handlers
put in a queue. At the end they are left in reverse: nothing that was queued is lost. Try
`curl -d hello http://127.0.0.1:8080/`, `curl http://127.0.0.1:8080/`, and Ctrl+C.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

from bascule import web

DATABASE = web.AppKey("database", sqlite3.Connection)
QUEUE = web.AppKey("queue", asyncio.Queue[str])


@asynccontextmanager
async def open_database(app: web.Application) -> AsyncIterator[None]:
    """A context manager; this database is in memory, so that it never blocks the loop."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE lines (text)")
        app[DATABASE] = database
        yield
        print("Lines at the end:", count(database))


async def start_writer(app: web.Application) -> AsyncIterator[None]:
    """A generator: what stands before `yield` is done at the start, the rest at the end."""
    queue = app[QUEUE] = asyncio.Queue(maxsize=100)
    task = asyncio.create_task(write(queue, app[DATABASE]))
    yield
    await queue.join()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def write(queue: asyncio.Queue[str], database: sqlite3.Connection) -> None:
    while True:
        text = await queue.get()
        with database:
            database.execute("INSERT INTO lines VALUES (?)", [text])
        queue.task_done()


def count(database: sqlite3.Connection) -> int:
    (lines,) = database.execute("SELECT count(*) FROM lines").fetchone()
    return int(lines)


async def add_line(request: web.Request) -> web.Response:
    await request.app[QUEUE].put(await request.text())  # waits while the queue is full
    return web.Response(status=202)


async def count_lines(request: web.Request) -> web.Response:
    await request.app[QUEUE].join()
    return web.json_response({"lines": count(request.app[DATABASE])})


app = web.Application()
app.cleanup_ctx.extend([open_database, start_writer])
app.add_routes([web.post("/", add_line), web.get("/", count_lines)])

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
