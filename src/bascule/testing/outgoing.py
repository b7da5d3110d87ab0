"""A request as a client is about to send it."""

import base64
import io
import json as json_module
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypedDict

from multidict import CIMultiDict
from yarl import URL, Query

from ..wire.head import check_fields
from .forms import Files, FormFields, dump_multipart, dump_urlencoded, list_pairs
from .upload import Pieces

__all__ = ["Data", "HeaderFields", "Outgoing", "RequestOptions", "make_outgoing"]

HeaderFields: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
Data: TypeAlias = FormFields | bytes | bytearray | memoryview | str | io.IOBase | Pieces

# Methods whose requests say that they have no body (RFC 9110 section 8.6).
_WITH_BODY = frozenset({"PATCH", "POST", "PUT"})


class RequestOptions(TypedDict, total=False):
    """What a request may have besides its method and path.

    Attributes:
        params: appended to the query of the path.
        headers: fields; each replaces those that the client sends by default.
        cookies: sent with this request besides those of the client, by name.
        auth: user and password, for an Authorization field.
        json: sent as JSON; None for none.
        data: the body. A mapping or pairs are a form; bytes, text and files are sent as they are;
            iterators of bytes, asynchronous ones too, are streamed while the application reads.
        files: sent as a form with the fields of `data`, by name: content, or a tuple of file name,
            content and, if wanted, content type.
        allow_redirects: follow redirections; as the client does by default.
        follow_redirects: another name of it.
        max_redirects: how many are followed; as of the client by default.
        timeout: seconds, as of the client by default; None for no limit.
    """

    params: Query
    headers: HeaderFields | None
    cookies: Mapping[str, str] | None
    auth: tuple[str, ...] | None
    json: Any
    data: Data | None
    files: Files | None
    allow_redirects: bool
    follow_redirects: bool
    max_redirects: int
    timeout: float | None


@dataclass(frozen=True)
class Outgoing:
    """A request, ready to be sent; a redirection makes another of it.

    Attributes:
        method: upper-cased.
        url: absolute.
        headers: without Host and Cookie, unless they were given.
        body: whole, or in pieces; None for none.
        cookies: for this request alone.
        is_handshake: it asks for a WebSocket.
    """

    method: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes | Pieces | None = None
    cookies: Mapping[str, str] = field(default_factory=dict)
    is_handshake: bool = False

    @property
    def length(self) -> int | None:
        """The Content-Length that was given for a body, in bytes."""
        value = self.headers.get("Content-Length")
        return None if value is None else int(value)


def make_outgoing(
    method: str, url: URL, defaults: CIMultiDict[str], options: RequestOptions
) -> Outgoing:
    """Make a request of what a user has asked for.

    Raises:
        TypeError: a body of a type that is not known.
        ValueError: two bodies; a field that cannot be sent; a length that is not the body's.
    """
    if params := options.get("params"):
        url = url.extend_query(params)
    headers = defaults.copy()
    given: CIMultiDict[str] = CIMultiDict(options.get("headers") or ())
    headers.update(given)
    check_fields(list(headers.items()))
    content_type, body = _make_body(options)
    if content_type is not None:
        headers.setdefault("Content-Type", content_type)
    if auth := options.get("auth"):
        token = base64.b64encode(":".join(auth[:2]).encode()).decode("ascii")
        headers["Authorization"] = f"Basic {token}"
    if body is None and method.upper() in _WITH_BODY:
        headers.setdefault("Content-Length", "0")
    request = Outgoing(method.upper(), url, headers, body, dict(options.get("cookies") or {}))
    if body is None or isinstance(body, bytes):
        _check_length(request)
    return request


def _check_length(request: Outgoing) -> None:
    size = len(request.body) if isinstance(request.body, bytes) else 0
    if request.length not in (None, size):
        raise ValueError(f"Content-Length is {request.length}, and the body has {size} bytes")


def _make_body(options: RequestOptions) -> tuple[str | None, bytes | Pieces | None]:
    """Give the content type, if the body has one, and the body."""
    json, data, files = options.get("json"), options.get("data"), options.get("files")
    if json is not None:
        if data is not None or files is not None:
            raise ValueError("data and json parameters can not be used at the same time")
        return "application/json", json_module.dumps(json).encode()
    if files is not None:
        if data is not None and not _is_form(data):
            raise ValueError("A form with files has fields as its data, nothing else")
        return dump_multipart(list_pairs(data or ()), list_pairs(files))  # type: ignore[arg-type]  # a form, see above
    if data is None:
        return None, None
    if _is_form(data):
        return _make_form(list_pairs(data))  # type: ignore[arg-type]  # just asked
    return _make_plain_body(data)


def _is_form(data: Any) -> bool:
    """Whether it is a mapping, or a sequence of pairs; bytes in a sequence are pieces."""
    if isinstance(data, Mapping):
        return True
    return isinstance(data, list | tuple) and all(isinstance(each, tuple) for each in data)


def _make_form(pairs: list[tuple[str, Any]]) -> tuple[str, bytes]:
    """Write a form; with files among its values, as multipart, as aiohttp does."""
    files = [(name, value) for name, value in pairs if hasattr(value, "read")]
    if files:
        return dump_multipart([pair for pair in pairs if pair not in files], files)
    return "application/x-www-form-urlencoded", dump_urlencoded(pairs)


def _make_plain_body(data: Any) -> tuple[str, bytes | Pieces]:
    binary = "application/octet-stream"
    if isinstance(data, str):
        return "text/plain; charset=utf-8", data.encode()
    if isinstance(data, bytes | bytearray | memoryview):
        return binary, bytes(data)
    if hasattr(data, "read"):
        content = data.read()
        return binary, content.encode() if isinstance(content, str) else content
    if isinstance(data, AsyncIterable | Iterable):
        return binary, data
    raise TypeError(f"The body of a request cannot be made of {data!r:.100}")
