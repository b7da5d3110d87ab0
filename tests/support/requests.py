"""Requests as bytes, and applications of one handler."""

from typing import Any

from bascule import web

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def app_of(handler: Any, **kwargs: Any) -> web.Application:
    app = web.Application(**kwargs)
    app.router.add_route("*", "/{tail:.*}", handler)
    return app


async def ok(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


async def read_back(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


def request(path: str, *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: x", *fields, "", ""]
    return "\r\n".join(lines).encode()
