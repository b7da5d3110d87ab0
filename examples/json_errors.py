"""Limits and middlewares of single routes, JSON for every error: `python examples/json_errors.py`.

This goes beyond aiohttp: `timeout`, `client_max_size` and `middlewares` of a route, and
`app.exception_handlers`, by class or status, for what handlers, middlewares and router raise. Try
`curl -H "Authorization: Bearer t" -d '{"text": "x"}' http://127.0.0.1:8080/notes`, and `/report`.
"""

import asyncio
import hmac
import json

from bascule import web

NOTES = web.AppKey("notes", list[str])
TOKEN = web.AppKey("token", str)


class BadNoteError(Exception):
    """What was sent is no note; a part of the program that knows nothing of HTTP tells so."""


def parse_note(document: bytes) -> str:
    try:
        text = json.loads(document)["text"]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise BadNoteError("A note is a JSON object with a text") from None
    if not isinstance(text, str):
        raise BadNoteError("The text of a note is a string")
    return text


async def answer_http_error(request: web.Request, exc: web.HTTPError) -> web.StreamResponse:
    """Put JSON in place of the text; status and fields, as the Allow of a 405, stay."""
    message = (exc.text or exc.reason).removeprefix(f"{exc.status}: ")
    exc.text = json.dumps({"status": exc.status, "error": message})
    exc.content_type = "application/json"
    raise exc


async def answer_bad_note(request: web.Request, exc: BadNoteError) -> web.Response:
    return web.json_response({"status": 422, "error": str(exc)}, status=422)


async def answer_bug(request: web.Request, exc: Exception) -> web.Response:
    request.app.logger.error("Bug at %s %r", request.method, request.path, exc_info=exc)
    return web.json_response({"status": 500, "error": "Internal Server Error"}, status=500)


@web.middleware
async def require_token(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
    if not hmac.compare_digest(given, f"Bearer {request.app[TOKEN]}".encode()):
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
    return await handler(request)


async def add_note(request: web.Request) -> web.Response:
    request.app[NOTES].append(parse_note(await request.read()))
    return web.json_response({"notes": len(request.app[NOTES])}, status=201)


async def report(request: web.Request) -> web.Response:
    lengths = [len(note) for note in request.app[NOTES]]
    average = sum(lengths) / len(lengths)  # a bug while there are none
    await asyncio.Event().wait()  # stands for what takes too long
    return web.json_response({"average": average})


app = web.Application()
app[NOTES], app[TOKEN] = [], "t"
app.exception_handlers[web.HTTPError] = answer_http_error
app.exception_handlers[BadNoteError] = answer_bad_note
app.exception_handlers[Exception] = answer_bug
app.router.add_post("/notes", add_note, client_max_size=1024, middlewares=[require_token])
app.router.add_get("/report", report, timeout=0.1)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
