"""Bad text in each place of an answer, on either server: is it sent, or refused?"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from .differences import Difference

__all__ = ["OUTPUTS", "OUTPUT_DIFFERENCES", "find_outcome"]

# Any: bascule.web or aiohttp.web, and their responses.
Make = Callable[[Any, Any, str], Awaitable[Any]]

_TEXTS = {
    "crlf": "a\r\nInjected: 1",
    "lf": "a\nInjected: 1",
    "nul": "a\0Injected",
    "semicolon": "a; Injected=1",
    "space": "Injected: 1, X",
    "empty": "",
}


async def _name(web: Any, request: Any, text: str) -> Any:
    return web.Response(headers={text: "a"})


async def _value(web: Any, request: Any, text: str) -> Any:
    return web.Response(headers={"X": text})


async def _reason(web: Any, request: Any, text: str) -> Any:
    return web.Response(reason=text)


async def _content_type(web: Any, request: Any, text: str) -> Any:
    return web.Response(body=b"x", content_type=text)


async def _location(web: Any, request: Any, text: str) -> Any:
    raise web.HTTPFound("/" + text)


async def _cookie_path(web: Any, request: Any, text: str) -> Any:
    response = web.Response()
    response.set_cookie("a", "b", path=text)
    return response


async def _cookie_domain(web: Any, request: Any, text: str) -> Any:
    response = web.Response()
    response.set_cookie("a", "b", domain=text)
    return response


async def _cookie_value(web: Any, request: Any, text: str) -> Any:
    response = web.Response()
    response.set_cookie("a", text)
    return response


async def _morsel(web: Any, request: Any, text: str) -> Any:
    response = web.Response()
    response.cookies["a"] = "b"
    response.cookies["a"]["path"] = text
    return response


async def _loaded(web: Any, request: Any, text: str) -> Any:
    response = web.Response()
    response.cookies.load(f'a="{text}"')
    return response


_PLACES: dict[str, Make] = {
    "name": _name,
    "value": _value,
    "reason": _reason,
    "content-type": _content_type,
    "location": _location,
    "cookie path": _cookie_path,
    "cookie domain": _cookie_domain,
    "cookie value": _cookie_value,
    "morsel": _morsel,
    "loaded": _loaded,
}
OUTPUTS: dict[str, tuple[Make, str]] = {
    f"{place}/{kind}": (make, text)
    for place, make in _PLACES.items()
    for kind, text in _TEXTS.items()
}
_REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def find_outcome(web: Any, make: Make, text: str) -> str:
    """Serve an answer; tell what became of it: "sent", or "refused" by an error."""

    async def handler(request: Any) -> Any:
        return await make(web, request, text)

    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
        writer.write(_REQUEST)
        raw = await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    finally:
        await runner.cleanup()
    return "refused" if raw[9:12] in (b"500", b"") else "sent"


def _refuse(theirs: Any, sent: Any) -> Any:
    return "refused"


OUTPUT_DIFFERENCES: list[Difference] = [
    Difference(
        name="a name of a field that is no token is refused",
        reason="With a blank, a colon or nothing in it, it is another field to who reads it.",
        cases=("name/semicolon", "name/space", "name/empty"),
        rewrite=_refuse,
    ),
    Difference(
        name="a cookie is never sent with a semicolon or a control character in its value or an "
        "attribute, whoever put it there",
        reason="It would add attributes of its own.",
        cases=("cookie path/*", "cookie domain/*", "morsel/*", "loaded/*"),
        rewrite=_refuse,
    ),
]
