"""Forms that were captured from real clients, sent to programs that tell all that they read."""

import json
from typing import Any

from .captured_forms import CAPTURED

__all__ = ["REQUESTS", "build_forms"]

_PATHS = ("post", "multipart")


def _aim(request: bytes, path: bytes) -> bytes:
    """Send a captured request to another path."""
    method, _, rest = request.split(b" ", 2)
    return b"%b %b %b" % (method, path, rest)


REQUESTS: dict[str, bytes] = {
    f"{path}/{name}": _aim(request, b"/" + path.encode())
    for path in _PATHS
    for name, request in CAPTURED.items()
    if path == "post" or b"\r\ncontent-type: multipart/" in request.lower()
}


def build_forms(web: Any) -> Any:
    """Make the application: `/post` reads by `request.post`, `/multipart` part by part."""

    async def post(request: Any) -> Any:
        form = await request.post()
        return _answer([[name, _tell(value)] for name, value in form.items()])

    def _tell(value: Any) -> Any:
        if not isinstance(value, web.FileField):
            return [type(value).__name__, repr(value)]
        data = value.file.read()
        fields = list(value.headers.items())
        return [value.name, value.filename, value.content_type, repr(data), fields]

    async def multipart(request: Any) -> Any:
        return _answer(await _walk(await request.multipart()))

    async def _walk(reader: Any) -> list[Any]:
        told: list[Any] = []
        async for part in reader:
            fields = list(part.headers.items())
            if hasattr(part, "fetch_next_part"):
                told.append([fields, await _walk(part)])
                continue
            names = [part.name, part.filename, part.get_charset("none")]
            data = await part.read(decode=True)
            told.append([fields, names, repr(bytes(data)), part.at_eof()])
        return told

    def _answer(told: Any) -> Any:
        return web.Response(text=json.dumps(told, indent=1))

    app = web.Application()
    app.router.add_post("/post", post)
    app.router.add_post("/multipart", multipart)
    return app
