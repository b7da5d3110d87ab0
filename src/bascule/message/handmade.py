"""Requests made by hand: of a message, and of objects that stand for the connection it came by."""

import platform
import time
from collections.abc import Awaitable, Generator
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol, cast

from multidict import CIMultiDict, CIMultiDictProxy, MultiMapping
from yarl import URL

from bascule import __version__

from ..channel import Channel, ChannelOptions, Payload
from ..exchange import (
    AnswerHead,
    Bytes,
    Event,
    Exchange,
    Fields,
    Head,
    NotSupported,
    RawFields,
    State,
    frame_answer,
)
from ..streams import StreamReader
from ..wire.fields import dump_date
from ..wire.frames import WSMsgType, dump_close, dump_frame_head
from ..wire.framing import BodyFraming, has_no_content
from ..wire.grammar import HttpVersion
from ..wire.handshake import check_handshake, dump_accept
from ..wire.head import check_fields, dump_head, status_line

__all__ = [
    "HandmadeChannel",
    "HandmadeExchange",
    "Message",
    "RawRequestMessage",
    "make_by_hand",
    "message_of_head",
]

_SERVER = f"Python/{'.'.join(platform.python_version_tuple()[:2])} bascule/{__version__}"


class RawRequestMessage(NamedTuple):
    """The head of a request, as aiohttp's parsers give it.

    Attributes:
        method: as sent.
        path: the request target as sent.
        version: HTTP version.
        headers: the fields.
        raw_headers: the same as bytes, in order, spelled as received.
        should_close: the client ends the connection behind the answer.
        compression: the coding of the body that was taken off, if any.
        upgrade: the client wants another protocol.
        chunked: the body comes in chunks.
        url: the target as a URL, absolute where the target is.
    """

    method: str
    path: str
    version: HttpVersion
    headers: CIMultiDictProxy[str]
    raw_headers: RawFields
    should_close: bool
    compression: str | None
    upgrade: bool
    chunked: bool
    url: URL

    def __repr__(self) -> str:
        pairs = zip(self._fields, self, strict=True)
        return f"<RawRequestMessage({', '.join(f'{name}={value!r}' for name, value in pairs)})>"


class Message(Protocol):
    """What a request is made of: the attributes of `RawRequestMessage`, ours or aiohttp's."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def version(self) -> tuple[int, int]: ...
    @property
    def headers(self) -> MultiMapping[str]: ...
    @property
    def raw_headers(self) -> RawFields: ...
    @property
    def should_close(self) -> bool: ...
    @property
    def url(self) -> URL: ...


def make_by_hand(
    cls: Any,  # Any: a class of requests; they are known a step above
    message: Message,
    payload: Any,
    protocol: Any,
    payload_writer: Any,
    task: Any,
    loop: Any,
    *,
    client_max_size: int = 1024**2,
    client_max_fields: int = 1000,
    state: dict[Any, Any] | None = None,
    scheme: str | None = None,
    host: str | None = None,
    remote: str | None = None,
) -> Any:
    """Make a request by hand, of what aiohttp's constructor takes; needs no running loop.

    What stands for a connection may be a mock, or anything with the methods that are used.

    Args:
        cls: what is made; it is the class of which this is a method.
        message: the head of the request.
        payload: its body: a `StreamReader`, ours or aiohttp's.
        protocol: of the connection; its ``transport`` tells the facts of it.
        payload_writer: told of the answer, by the methods of aiohttp's ``AbstractStreamWriter``.
        task: handles the request; the running one when None.
        loop: the event loop.
        client_max_size: most bytes that `read`, `text`, `json` and `post` take; 0 for no limit.
        client_max_fields: most fields of a form; 0 for no limit.
        state: the data of the request, not copied.
        scheme: ``http`` or ``https``; as the transport says when None.
        host: goes before the Host field.
        remote: goes before the address of the peer.
    """
    exchange = HandmadeExchange(message, payload, protocol, payload_writer, scheme=scheme)
    exchange.loop = loop
    request = cls(
        exchange, client_max_size=client_max_size, client_max_fields=client_max_fields, task=task
    )
    request._state = state
    request._host = host
    request._remote = remote
    request._rel_url = message.url.relative() if message.url.absolute else message.url
    request._prepare_hook = _send_signals
    return request


def message_of_head(head: Head) -> RawRequestMessage:
    """Tell a head as aiohttp's parsers would."""
    fields = head.fields
    return RawRequestMessage(
        method=head.method,
        path=head.target,
        version=head.version,
        headers=fields,
        raw_headers=tuple(head.raw_fields),
        should_close=not head.keep_alive,
        compression=None,
        upgrade="Upgrade" in fields,
        chunked="Transfer-Encoding" in fields,
        url=URL(head.target, encoded=True),
    )


async def _send_signals(request: Any, response: Any) -> None:  # Any: as above
    """Run ``on_response_prepare`` of the applications that the request was given by hand."""
    match_info = getattr(request, "_match_info", None)
    for app in () if match_info is None else match_info.apps:
        await app.on_response_prepare.send(request, response)


class _MessageHead(Head):
    """The head of a request whose fields are given as a multidict."""

    __slots__ = ()

    def __init__(self, message: Message, scheme: str) -> None:
        super().__init__(
            message.method,
            message.path,
            message.raw_headers,
            version=HttpVersion(*message.version),
            scheme=scheme,
            keep_alive=not message.should_close,
        )
        headers = message.headers
        if not isinstance(headers, CIMultiDictProxy):
            headers = CIMultiDictProxy(CIMultiDict(headers))
        self._fields = headers


class HandmadeExchange(Exchange):
    """One request made by hand, whose answer is told to a writer.

    The writer is told at once, never held back, so that a test can look at it behind ``prepare``;
    and of every answer, since one request often stands for many in a test. Trailers have no
    place there and are dropped.

    Args:
        message: the head of the request.
        payload: its body.
        protocol: see `make_by_hand`.
        writer: likewise.
        scheme: likewise.

    Attributes:
        loop: the event loop that was given for it.
        message: the head that was given.
    """

    __slots__ = ("_begun", "_protocol", "_writer", "loop", "message")

    def __init__(
        self,
        message: Message,
        payload: Any,  # Any: see `make_by_hand`
        protocol: Any,
        writer: Any,
        *,
        scheme: str | None = None,
    ) -> None:
        self._protocol = protocol
        self._writer = writer
        self._begun: _Begun | None = None
        self.message = message
        self.loop: Any = None
        if scheme is None:
            scheme = "https" if self.extra("sslcontext") else "http"
        super().__init__(_MessageHead(message, scheme), cast("StreamReader", payload))

    @property
    def protocol(self) -> Any:
        """What stands for the protocol of the connection."""
        return self._protocol

    @property
    def transport(self) -> Any:
        """What stands for its transport."""
        return getattr(self._protocol, "transport", None)

    @property
    def writer(self) -> Any:
        """What is told of the answer."""
        return self._writer

    def extra(self, name: str, default: Any = None) -> Any:
        """Ask the transport, by its name alone: transports of tests seldom take a default."""
        transport = self.transport
        value = None if transport is None else transport.get_extra_info(name)
        return default if value is None else value

    @property
    def default_fields(self) -> list[tuple[str, str]]:
        """Date and Server."""
        return [("Date", dump_date(time.time())), ("Server", _SERVER)]

    # -- answering

    def start(self, status: int, reason: str, fields: Fields, *, close: bool = False) -> None:
        """Tell the writer the head now; see `Exchange.start`."""
        self._begin_anew()
        head = frame_answer(
            self.head, status, reason, list(fields), close=close or not self.keeps_alive
        )
        self._move(Event.START)
        self._adopt(head)
        self._move(Event.WRITE)
        self._push(head)

    async def respond(
        self,
        status: int,
        reason: str,
        fields: Fields,
        body: bytes = b"",
        *,
        close: bool = False,
    ) -> None:
        """Tell the writer a whole answer; see `Exchange.respond`."""
        self._begin_anew()
        await super().respond(status, reason, fields, body, close=close)

    def propose(
        self, options: ChannelOptions, subprotocol: str | None = None
    ) -> list[tuple[str, str]]:
        """Give what an acceptance says of the handshake (RFC 6455 section 4.2.2); nothing is
        compressed."""
        head = self.head
        key = check_handshake(head.method, head.version, head.fields)
        chosen = [] if subprotocol is None else [("Sec-WebSocket-Protocol", subprotocol)]
        return [
            ("Upgrade", "websocket"),
            ("Connection", "upgrade"),
            ("Sec-WebSocket-Accept", dump_accept(key)),
            *chosen,
        ]

    async def accept(
        self,
        fields: Fields = (),
        *,
        subprotocol: str | None = None,
        options: ChannelOptions = ChannelOptions(),  # noqa: B008  # it never changes
    ) -> "HandmadeChannel":
        """Tell the writer 101; frames are written to the transport."""
        if self.transport is None:
            raise NotSupported("Without a transport this request cannot become a WebSocket")
        pairs: CIMultiDict[str] = CIMultiDict(fields)
        for name, value in self.propose(options, subprotocol):
            pairs[name] = value
        for name, value in self.default_fields:
            pairs.setdefault(name, value)
        check_fields(pairs.items())
        self._begin_anew()
        self._move(Event.ACCEPT)
        self.status = 101
        await self._writer.write_headers("HTTP/1.1 101 Switching Protocols", pairs)
        await self._writer.drain()
        return HandmadeChannel(self.transport, options, subprotocol)

    def _begin_anew(self) -> None:
        if self._state in (State.STARTED, State.ENDED, State.SWITCHED):
            self._state = State.OPEN

    # -- hooks

    async def _emit(
        self, head: AnswerHead | None, data: Bytes, end: bool, trailers: Fields
    ) -> None:
        if head is not None:
            self._push(head)
        begun, self._begun = self._begun, None
        if begun is not None:
            await begun
        self.bytes_sent += len(data)
        if end:
            await self._writer.write_eof(data)
        elif data:
            await self._writer.write(data)
        else:
            await self._writer.drain()

    def _push(self, head: AnswerHead) -> None:
        self._begun = _Begun(self._write_headers(head))

    async def _write_headers(self, head: AnswerHead) -> None:
        writer = self._writer
        writer.length = 0 if has_no_content(head.status) else head.length
        if head.framing is BodyFraming.CHUNKED:
            writer.enable_chunking()
        major, minor = self.head.version
        line = f"HTTP/{major}.{minor} {head.status} {head.reason}"
        await writer.write_headers(line, CIMultiDict(head.fields))

    async def _emit_inform(self, status: int, fields: list[tuple[str, str]]) -> None:
        reason = HTTPStatus(status).phrase if status in _INTERIM else ""
        await self._writer.write(dump_head(status_line(status, reason), fields))

    def _cut(self, cause: BaseException) -> None:
        if self.transport is not None:
            self.transport.abort()


_INTERIM = {each.value for each in HTTPStatus if each < 200}


class HandmadeChannel(Channel):
    """The WebSocket of a request made by hand: it writes frames to what stands for the transport.

    Nothing comes from a peer, since there is none.

    Args:
        transport: has ``write`` and ``abort``.
        options: see `Channel`.
        subprotocol: likewise.
    """

    def __init__(self, transport: Any, options: ChannelOptions, subprotocol: str | None) -> None:
        super().__init__(options, subprotocol=subprotocol)
        self._transport = transport

    async def _emit(self, kind: WSMsgType, data: Payload, compress: int | None) -> None:
        self._write(kind, data.encode("utf-8") if isinstance(data, str) else bytes(data))

    def _push_close(self, code: int, reason: bytes) -> None:
        self._write(WSMsgType.CLOSE, dump_close(code, reason))

    def _write(self, kind: WSMsgType, data: bytes) -> None:
        self._transport.write(dump_frame_head(kind, len(data)) + data)

    def _cut(self, cause: BaseException) -> None:
        self._transport.abort()


class _Begun:
    """A coroutine that has run up to its first wait, and is awaited from there on.

    Heads are decided by a function, writers take them by a coroutine function: those of tests
    never wait, and have taken it when the function returns.
    """

    __slots__ = ("_steps", "_waits_for")

    def __init__(self, awaitable: Awaitable[None]) -> None:
        self._steps: Generator[Any, Any, None] | None = awaitable.__await__()
        self._waits_for: Any = None
        try:
            self._waits_for = next(self._steps)
        except StopIteration:
            self._steps = None

    def __await__(self) -> Generator[Any, Any, None]:
        """Go on with it to its end."""
        if self._steps is not None:
            yield self._waits_for
            yield from self._steps
