"""An application whose answers are put together of a body, a status and fields set by hand."""

import io
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from typing import Any

__all__ = ["BODIES", "FIELDS", "FRAMED_STATUSES", "WISHES", "build_framings", "is_stream"]

PIECES = (b"one, ", b"", b"two")
_WHOLE = b"one, two"
FRAMED_STATUSES = (200, 204, 205, 206, 304, 404, 500)


async def _generate() -> AsyncIterator[bytes]:
    for piece in PIECES:
        yield piece


async def _generate_nothing() -> AsyncIterator[bytes]:
    for piece in ():
        yield piece


def _payload(web: Any, size: int | None) -> Any:
    """Make a payload of the library that `web` is of, whose length may not be known."""
    base = _base_of_payloads(web)

    class Own(base):  # type: ignore[misc, valid-type]  # of either library
        def __init__(self) -> None:
            super().__init__(None, headers={"X-Own": "1", "Content-Type": "x/own"})
            self._size = size

        def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
            return _WHOLE.decode()

        async def write(self, writer: Any) -> None:
            for piece in PIECES:
                await writer.write(piece)

    return Own()


def _base_of_payloads(web: Any) -> Any:
    return import_module(f"{web.__name__.partition('.')[0]}.payload").Payload


# What a Response is made of, given its `web` module; those of streams write themselves.
BODIES: dict[str, Callable[[Any], Any] | tuple[bytes, ...]] = {
    "none": lambda web: None,
    "empty": lambda web: b"",
    "bytes": lambda web: _WHOLE,
    "bytearray": lambda web: bytearray(_WHOLE),
    "text": lambda web: "naïve ☃",
    "io": lambda web: io.BytesIO(_WHOLE),
    "empty-io": lambda web: io.BytesIO(),
    "generator": lambda web: _generate(),
    "empty-generator": lambda web: _generate_nothing(),
    "payload": lambda web: _payload(web, None),
    "sized-payload": lambda web: _payload(web, len(_WHOLE)),
    "stream": PIECES,
    "empty-stream": (),
}
FIELDS: dict[str, dict[str, str]] = {
    "no-fields": {},
    "length": {"Content-Length": "8"},
    "short-length": {"Content-Length": "3"},
    "long-length": {"Content-Length": "12"},
    "length-0": {"content-length": "0"},
    "chunks": {"Transfer-Encoding": "chunked"},
    "type": {"Content-Type": "text/x-test; a=b"},
    "coding": {"Content-Encoding": "x-own"},
    "close": {"Connection": "close"},
    "keep-alive": {"connection": "keep-alive"},
    "upgrade": {"Connection": "x-own"},
}


def _wish_nothing(response: Any) -> None:
    """Leave a response as it is made."""


WISHES: dict[str, Callable[[Any], None]] = {
    "plain": _wish_nothing,
    "force-close": lambda response: response.force_close(),
    "enable-chunks": lambda response: response.enable_chunked_encoding(),
}


def is_stream(body: str) -> bool:
    """Say whether a body is written piece by piece."""
    return isinstance(BODIES[body], tuple)


def build_framings(web: Any) -> Any:
    """Make the application: `/framed?body=&status=&fields=&wish=`."""

    async def framed(request: Any) -> Any:
        query = request.query
        body, headers = BODIES[query["body"]], FIELDS[query["fields"]]
        status = int(query["status"])
        if isinstance(body, tuple):
            response = web.StreamResponse(status=status, headers=headers)
        else:
            response = web.Response(body=body(web), status=status, headers=headers)
        if "Content-Length" not in response.headers:
            WISHES[query["wish"]](response)
        elif query["wish"] == "force-close":
            response.force_close()
        if isinstance(body, tuple):
            await response.prepare(request)
            for piece in body:
                await response.write(piece)
        return response

    app = web.Application()
    app.router.add_route("*", "/framed", framed)
    return app
