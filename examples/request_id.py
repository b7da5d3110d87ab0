"""An id in every log line of a request, and in its answer: `python examples/request_id.py`.

Each request runs in a context of its own, so a middleware sets a context variable and a filter of
the log's handler reads it: also for the traceback of an error, and for the line of the access log.
Try `curl -i http://127.0.0.1:8080/` and `curl -i -H "X-Request-ID: mine" http://127.0.0.1:8080/bug`.
"""

import asyncio
import logging
import re
import uuid
from contextvars import ContextVar

from bascule import web

FIELD = "X-Request-ID"
# What a client may choose: nothing long, and nothing that could break or forge a line of the log.
ACCEPTABLE = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}")

logger = logging.getLogger("examples.request_id")
request_id: ContextVar[str] = ContextVar("request_id", default="-")


@web.middleware
async def identify(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    """Take the client's id or make one. It is not reset here: the access log comes later."""
    given = request.headers.get(FIELD, "")
    request_id.set(given if ACCEPTABLE.fullmatch(given) else uuid.uuid4().hex)
    return await handler(request)


async def tell_id(request: web.Request, response: web.StreamResponse) -> None:
    """Put the id into every answer, those to errors included."""
    response.headers[FIELD] = request_id.get()


def add_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()
    return True


def set_up_logging() -> None:
    handler = logging.StreamHandler()
    handler.addFilter(add_id)  # of the handler: filters of a logger see its own records alone
    form = "%(asctime)s %(levelname)s [%(request_id)s] %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, handlers=[handler], format=form)


async def hello(request: web.Request) -> web.Response:
    logger.info("Saying hello")
    await asyncio.to_thread(logger.info, "Said it in a thread")  # which copies the context
    return web.Response(text="Hello!\n")


async def bug(request: web.Request) -> web.Response:
    raise ValueError("a bug")


app = web.Application(middlewares=[identify])
app.on_response_prepare.append(tell_id)
app.add_routes([web.get("/", hello), web.get("/bug", bug)])

if __name__ == "__main__":
    set_up_logging()
    web.run_app(app, host="127.0.0.1")
