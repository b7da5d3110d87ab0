"""Requests and coroutine functions for tests of single handlers, made of mocks."""

import asyncio
from ssl import SSLContext
from typing import Any, cast
from unittest import mock

from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ..app.application import Application, Request
from ..app.signals import Signal
from ..message.handmade import RawRequestMessage
from ..routing.match import UrlMappingMatchInfo
from ..streams import EMPTY_PAYLOAD, StreamReader
from ..wire import hdrs
from ..wire.grammar import HttpVersion, HttpVersion11

__all__ = ["make_mocked_coro", "make_mocked_request"]

# What a connection of ours has by default, too.
_LIMITS = {"max_line_length": 8190, "max_field_size": 8190, "max_headers": 128}
_OF_ITEMS = ("__getitem__", "__setitem__", "__delitem__", "__contains__", "__iter__", "__len__")
_NOT_GIVEN: Any = mock.sentinel.not_given
_SOCKNAME = ("127.0.0.1", 80)


def make_mocked_coro(return_value: Any = _NOT_GIVEN, raise_exception: Any = _NOT_GIVEN) -> Any:
    """Make a mock that is called like a coroutine function.

    Args:
        return_value: what its coroutines give.
        raise_exception: what they raise, if anything.
    """

    async def coro(*args: Any, **kwargs: Any) -> Any:
        if raise_exception is not _NOT_GIVEN:
            raise raise_exception
        return return_value

    return mock.Mock(wraps=coro)


def make_mocked_request(
    method: str,
    path: str,
    headers: Any = None,
    *,
    match_info: Any = _NOT_GIVEN,
    version: HttpVersion = HttpVersion11,
    closing: bool = False,
    app: Any = None,
    writer: Any = _NOT_GIVEN,
    protocol: Any = _NOT_GIVEN,
    transport: Any = _NOT_GIVEN,
    payload: StreamReader = EMPTY_PAYLOAD,
    sslcontext: SSLContext | None = None,
    client_max_size: int = 1024**2,
    client_max_fields: int = 1000,
    loop: Any = ...,
) -> Request:
    """Make a request for a test of a handler: a real one, around mocks.

    No running loop is needed. Responses can be prepared with it; what is sent is told to the
    writer.

    Args:
        method: of the request.
        path: the request target.
        headers: mapping or pairs.
        match_info: the values of the path's variable parts.
        version: HTTP version; 1.0 closes the connection.
        closing: the client ends the connection behind the answer.
        app: stands for the application; when None a mock that stores items and has an empty
            ``on_response_prepare``.
        writer: told of the answer; a mock of aiohttp's ``AbstractStreamWriter`` when not given.
        protocol: of the connection; it is given the transport.
        transport: tells the facts of the connection, by its ``get_extra_info(name)``.
        payload: the body.
        sslcontext: makes the connection TLS.
        client_max_size: see `BaseRequest`.
        client_max_fields: likewise.
        loop: the event loop; the running one, else a mock, when not given.
    """
    if transport is _NOT_GIVEN:
        transport = _make_transport(sslcontext)
    if writer is _NOT_GIVEN:
        writer = _make_writer(transport)
    if protocol is _NOT_GIVEN:
        protocol = mock.Mock(**_LIMITS)
    protocol.transport = transport
    protocol.writer = writer
    request = Request.from_message(
        _make_message(method, path, CIMultiDict(headers or {}), HttpVersion(*version), closing),
        payload,
        protocol,
        writer,
        mock.Mock(),
        _find_loop() if loop is ... else loop,
        client_max_size=client_max_size,
        client_max_fields=client_max_fields,
        scheme="https" if sslcontext else "http",
    )
    values = {} if match_info is _NOT_GIVEN else dict(match_info)
    request._match_info = found = UrlMappingMatchInfo(values, mock.Mock())
    found.add_app(_make_app() if app is None else app)
    return cast("Request", request)


def _make_message(
    method: str, path: str, headers: CIMultiDict[str], version: HttpVersion, closing: bool
) -> RawRequestMessage:
    return RawRequestMessage(
        method.upper(),
        path,
        version,
        CIMultiDictProxy(headers),
        tuple((name.encode("utf-8"), value.encode("utf-8")) for name, value in headers.items()),
        closing or version < HttpVersion11,
        None,
        headers.get(hdrs.CONNECTION, "").lower() == "upgrade" and hdrs.UPGRADE in headers,
        "chunked" in headers.get(hdrs.TRANSFER_ENCODING, "").lower(),
        URL(path),
    )


def _make_transport(sslcontext: SSLContext | None) -> mock.Mock:
    transport = mock.Mock()
    transport.get_extra_info = {"sslcontext": sslcontext, "sockname": _SOCKNAME}.get
    return transport


def _make_writer(transport: Any) -> mock.Mock:
    writer = mock.Mock()
    for name in ("write_headers", "write", "write_eof", "drain"):
        setattr(writer, name, make_mocked_coro(None))
    writer.transport = transport
    return writer


def _make_app() -> Any:
    """Make a mock of an application that stores items."""
    app = mock.MagicMock(spec=Application)
    app._debug = False
    state: dict[Any, Any] = {}
    app.get = state.get
    for name in _OF_ITEMS:
        getattr(app, name).side_effect = getattr(state, name)
    app.on_response_prepare = Signal(app)
    app.on_response_prepare.freeze()
    return app


def _find_loop() -> Any:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return mock.Mock()
