"""The middleware that compresses answers for the clients that take it."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import translate
from typing import Any, Final

from multidict import CIMultiDict

from ..message.stream import StreamResponse
from ..wire import hdrs
from ..wire.coding import ContentCoding, is_installed, negotiate_coding
from ..wire.conditions import join_field
from .abstract import Handler, RequestMiddleware
from .middlewares import middleware

__all__ = ["COMPRESSIBLE_TYPES", "compress_middleware"]

COMPRESSIBLE_TYPES: Final = (
    "text/*",
    "application/json",
    "application/*+json",
    "application/x-ndjson",
    "application/javascript",
    "application/x-javascript",
    "application/xml",
    "application/*+xml",
    "application/wasm",
    "application/vnd.ms-fontobject",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/svg+xml",
    "image/vnd.microsoft.icon",
    "image/x-icon",
)
# Below about this size a body leaves in one packet, compressed or not.
_MINIMUM_SIZE: Final = 1024
_EVENT_STREAM: Final = "text/event-stream"
# Fields that speak of the very bytes of the body.
_FIELDS_OF_BYTES: Final = (hdrs.CONTENT_RANGE, "Content-Digest", "Repr-Digest", hdrs.CONTENT_MD5)


def compress_middleware(
    *,
    minimum_size: int = _MINIMUM_SIZE,
    types: Iterable[str] = COMPRESSIBLE_TYPES,
    codings: Iterable[str] = ("br", "zstd", "gzip", "deflate"),
) -> RequestMiddleware:
    """Make a middleware that compresses answers by the coding that a client likes best.

    It counts for every answer that is prepared for a request that came by it, also for streams,
    files and errors that are raised. What is written to a stream can be read by the client at
    once, at some cost in size. The answers have ``Vary: Accept-Encoding``, and a strong entity tag
    becomes a weak one, since the bytes are others. Left alone are answers that

    - have a Content-Encoding, or a Content-Range, or digests of their bytes;
    - say ``Cache-Control: no-transform``;
    - have called `enable_compression` themselves;
    - are smaller, or of another type. Events are compressed only if their type,
      ``text/event-stream``, is given by that name.

    Answers that hold both a secret and what somebody else can choose are better not compressed
    over TLS: their size tells of what they have in common (BREACH).

    Args:
        minimum_size: bytes of the smallest body that is compressed; one whose size is not known
            always is.
        types: media types; ``*`` in them stands for anything.
        codings: names of content codings, best first; of those that a client likes equally the
            first is taken. Those whose library is not installed are left out.

    Raises:
        ValueError: a coding is not known.
    """
    chosen = _Choice(minimum_size, [each.lower() for each in types], _list_codings(codings))

    @middleware
    async def compress(request: Any, handler: Handler) -> StreamResponse:
        before = request._prepare_hook

        async def prepare(request: Any, response: StreamResponse) -> None:
            if before is not None:  # signals may still change what decides here
                await before(request, response)
            await chosen.apply(request, response)

        request._prepare_hook = prepare
        return await handler(request)

    return compress


def _list_codings(names: Iterable[str]) -> list[ContentCoding]:
    codings = []
    for name in names:
        if name not in {each.value for each in ContentCoding} or name == "identity":
            raise ValueError(f"Unknown content coding {name!r:.100}")
        codings.append(ContentCoding(name))
    return [coding for coding in codings if is_installed(coding)]


class _Choice:
    """What a middleware compresses, and how."""

    def __init__(
        self, minimum_size: int, types: Sequence[str], codings: Sequence[ContentCoding]
    ) -> None:
        self._minimum_size = minimum_size
        self._types = re.compile("|".join(map(translate, types)) or r"(?!)")
        self._has_events = _EVENT_STREAM in types
        self._codings = codings

    async def apply(self, request: Any, response: StreamResponse) -> None:
        """Compress a response that is being prepared, or leave it."""
        status, headers = response.status, response.headers
        if response.compression or not self._may_be_coded(status, response):
            return
        _vary_by_coding(headers)
        accepted = join_field(request.headers, hdrs.ACCEPT_ENCODING)
        coding = negotiate_coding(accepted, self._codings)
        if coding is None or status == 206:
            return
        if status != 304:
            await response._compress_late(coding, request)
        if status == 304 or hdrs.CONTENT_ENCODING in headers:
            _weaken_etag(headers)
            headers.popall(hdrs.ACCEPT_RANGES, None)  # which would be of other bytes

    def _may_be_coded(self, status: int, response: StreamResponse) -> bool:
        """Whether what is answered here is compressed for some clients.

        A 304 has no type; it has the fields that choose among what is kept, if they are those of
        the answer that a client holds (RFC 9110 section 15.4.5).
        """
        headers = response.headers
        if status < 200 or status == 204 or hdrs.CONTENT_ENCODING in headers:
            return False
        if "no-transform" in _list_tokens(headers, hdrs.CACHE_CONTROL):
            return False
        if status == 304:
            return True
        if status == 206:
            return self._is_of_type(response.content_type)
        if any(name in headers for name in _FIELDS_OF_BYTES):
            return False
        length = headers.get(hdrs.CONTENT_LENGTH)
        is_small = length is not None and length.isdecimal() and int(length) < self._minimum_size
        return not is_small and self._is_of_type(response.content_type)

    def _is_of_type(self, media: str) -> bool:
        if media == _EVENT_STREAM:
            return self._has_events
        return self._types.match(media) is not None


def _vary_by_coding(headers: CIMultiDict[str]) -> None:
    """Say that the answer depends on Accept-Encoding, besides what it depends on already."""
    names = _list_tokens(headers, hdrs.VARY)
    if "*" not in names and "accept-encoding" not in names:
        given = join_field(headers, hdrs.VARY)
        headers[hdrs.VARY] = f"{given}, {hdrs.ACCEPT_ENCODING}" if given else hdrs.ACCEPT_ENCODING


def _weaken_etag(headers: CIMultiDict[str]) -> None:
    """Let an entity tag say that the answer means the same, not that it is the same bytes."""
    tag = headers.get(hdrs.ETAG, "")
    if tag.startswith('"'):
        headers[hdrs.ETAG] = f"W/{tag}"


def _list_tokens(headers: CIMultiDict[str], name: str) -> set[str]:
    return {each.strip(" \t").lower() for each in (join_field(headers, name) or "").split(",")}
