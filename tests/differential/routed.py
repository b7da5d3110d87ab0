"""Applications that tell of every request what the router has found for it."""

import json
import re
from collections.abc import Mapping
from typing import Any

from .transcript import Transcript

__all__ = ["describe", "find_seen", "tell_routes", "telling"]

_SEEN = "X-Seen"


def tell_routes(web: Any, **options: Any) -> Any:
    """Make an application whose answers, refusals too, have what was found in a field."""

    @web.middleware
    async def tell(request: Any, handler: Any) -> Any:
        try:
            answer = await handler(request)
        except web.HTTPException as exc:
            exc.headers[_SEEN] = _describe_match(request.match_info)
            raise
        answer.headers[_SEEN] = _describe_match(request.match_info)
        return answer

    return web.Application(middlewares=[tell], **options)


def telling(web: Any, name: str) -> Any:
    """Make a handler that answers with a name."""

    async def handler(request: Any) -> Any:
        return web.Response(text=name)

    return handler


def find_seen(transcript: Transcript) -> Any:
    """Give what the router had found, from the first answer."""
    match = re.search(rb"\r\nX-Seen: ([^\r]+)", transcript.raw)
    assert match is not None, transcript.raw
    return json.loads(match[1])


def _describe_match(found: Any) -> str:
    """Tell all that a match info has to tell, in ASCII."""
    route = found.route
    error = found.http_exception
    return json.dumps(
        {
            "match": dict(found),
            "repr": describe(found),
            "method": route.method,
            "name": route.name,
            "canonical": route.resource and route.resource.canonical,
            "info": describe(found.get_info()),
            "url": _describe_url(route, found),
            "apps": len(found.apps),
            "current": found.apps.index(found.current_app),
            "error": error and [error.status, sorted(getattr(error, "allowed_methods", ()))],
        }
    )


def _describe_url(route: Any, parts: Mapping[str, str]) -> str:
    try:
        return str(route.url_for(**parts))
    except RuntimeError as exc:
        return str(exc)


def describe(value: Any) -> Any:
    """Bring a value into a form that is the same for both packages, and can be JSON."""
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, Mapping) and type(value) is dict:
        return {name: describe(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [describe(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(map(describe, value))
    if isinstance(value, re.Pattern):
        return value.pattern
    text = value if isinstance(value, str) else repr(value)
    text = re.sub(r"\b0x[0-9a-f]+", "0x", text)
    return re.sub(r"\b(?:bascule|aiohttp)(?:\.\w+)*\.", "", text)
