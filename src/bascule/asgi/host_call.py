"""An HTTP call of an ASGI application that we host: its receive and send over an exchange."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, Literal

from ..exchange import ClientConnectionResetError, Exchange, State
from ..streams import PayloadAccessError, RequestPayloadError, StreamReader
from ..wire.framing import has_field, has_no_content
from ..wire.grammar import HttpVersion10, list_tokens
from .answering import (
    AnswerStart,
    Block,
    HalfClosed,
    Opening,
    dump_block,
    phrase,
    read_body,
    read_headers,
    read_start,
    read_value,
    start_answer,
)
from .file_bodies import FilePart, find_part, open_part, send_part

__all__ = ["HttpCall"]

# Seconds that a stream gets to end by itself when the server stops, before its application is told
# that the client has left: frameworks cancel what they are at then.
_STREAM_GRACE: Final = 1.0
# Pieces of so many bytes gain nothing by leaving with others, and are not copied for that.
_LARGE: Final = 64 * 1024
# No answer can be sent any more.
_AT_END: Final = (State.ENDED, State.SWITCHED, State.GONE)
# Members by names of the module: to look one up in its class costs ten times as much (Python 3.11).
_OPEN = State.OPEN
_HELD = State.HELD
_STARTED = State.STARTED
_ENDED = State.ENDED


class _End(Enum):
    """What ends the answer.

    BODY               the last piece of the body
    TRAILERS           trailers, which were promised; the body goes on
    NOTHING_BUT_TRAILERS   trailers; the body is complete

    TRAILERS -> NOTHING_BUT_TRAILERS with the last piece of the body.
    """

    BODY = "the last http.response.body"
    TRAILERS = "http.response.trailers, behind the body"
    NOTHING_BUT_TRAILERS = "http.response.trailers"


class HttpCall:
    """One ``http`` call of an application: its receive and send, until it returns.

    The order of its messages is the exchange's own state; what the exchange would call an error
    is told here in the words of the ASGI specification. What a plain answer does not need, such
    as an event to wait for, is made when it is asked for.

    Args:
        exchange: that the application answers.
        logger: told of messages that are ignored.
        body: of the request, where it is not the one of the exchange any more.
        opening: what begins the answer; None for the exchange itself.

    Attributes:
        refusal: why the body of the request could not be read to its end, if it is at fault.
        is_dismissed: the application was told that its client has left since the server stops; it
            need not complete its answer.
    """

    # No __slots__: most calls have none of what follows, and are spared setting it.

    _opening: Opening | None = None
    _body_ended = False
    # A receive() reads the body; set when it has, and None while no other one waits for that.
    _is_reading = False
    _turn: asyncio.Event | None = None
    _end = _End.BODY
    _trailers: Sequence[tuple[str, str]] = ()
    _start: AnswerStart | None = None
    # The message that began the answer, and its head, as long as the body has not come.
    _held: tuple[Mapping[str, Any], Block] | None = None
    # Set once nothing but http.disconnect is to be received; None while nobody waits for it.
    _over: asyncio.Event | None = None
    _waiting = 0
    _returned = False
    # A piece of the body was sent that is not the last one.
    _streams = False
    # Takes further pieces, where nothing else is to be thought of.
    _take: Callable[[bytes], Awaitable[None] | None] | None = None
    # The application runs now, and `pause` will be called when it waits for something.
    is_running = False
    _goodbye: asyncio.TimerHandle | None = None
    # The server stops, and the application hears of it only by an error of `send`.
    _refuses = False
    is_dismissed = False
    refusal: RequestPayloadError | None = None

    # Told to our own applications that are hosted here: nothing stands between that drops files.
    sends_files: Final = True

    def __init__(
        self,
        exchange: Exchange,
        logger: logging.Logger,
        *,
        body: StreamReader | None = None,
        opening: Opening | None = None,
    ) -> None:
        self._exchange = exchange
        self._logger = logger
        self._body = exchange.body if body is None else body
        if opening is not None:
            self._opening = opening

    @property
    def is_started(self) -> bool:
        """Whether the answer has begun."""
        return self._held is not None or self._exchange.state is not _OPEN

    def close(self) -> None:
        """Let a receive() that still waits in another task end."""
        self._returned = True
        if self._over is not None:
            self._over.set()
            self._exchange.gone.forget(self._over.set)
        if self._streams:
            self._exchange.stopping.forget(self._stop)
        if self._goodbye is not None:
            self._goodbye.cancel()

    # -- receive

    async def receive(self) -> dict[str, Any]:
        """Give the next piece of the body; then wait for the client's leaving, or for the end of
        the response, and give ``http.disconnect``. Called in several tasks, it gives each message
        to one of them."""
        while self._is_reading:
            await self._wait_for_turn()
        if not self._body_ended and self._exchange._state is not _ENDED:
            body = self._body
            whole = body.take_whole(0)
            if whole is not None:
                self._body_ended = True
                return {"type": "http.request", "body": whole, "more_body": False}
            self._is_reading = True
            try:
                data = await body.readany()
                self._body_ended = body.at_eof()
                return {"type": "http.request", "body": data, "more_body": not self._body_ended}
            except RequestPayloadError as exc:
                self.refusal = exc
                return {"type": "http.disconnect"}
            except (ConnectionError, PayloadAccessError):
                return {"type": "http.disconnect"}
            finally:
                self._is_reading = False
                if self._turn is not None:
                    self._turn.set()
                    self._turn = None
        if not (self._returned or self._exchange.state is _ENDED):
            await self._wait()
            if self._exchange.gone and self._exchange.state not in _AT_END:
                # It has ended its half, and may be there or not: WSGI applications answer it.
                return HalfClosed(type="http.disconnect")
        return {"type": "http.disconnect"}

    async def _wait_for_turn(self) -> None:
        if self._turn is None:
            self._turn = asyncio.Event()
        await self._turn.wait()

    async def _wait(self) -> None:
        if self._over is None:
            self._over = asyncio.Event()
            self._exchange.gone.then(self._over.set)
            self._exchange.watch()
        self._waiting += 1
        try:
            await self._over.wait()
        finally:
            self._waiting -= 1

    # -- send

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a piece of the response; returns when its data is in the send buffer.

        What comes behind a complete response is ignored.

        Raises:
            OSError: the client has left.
            ValueError: an unknown type of message, or contents that cannot be sent.
            RuntimeError: a message out of order.
        """
        kind = message["type"]
        if self._take is not None:
            data = message.get("body")
            if (
                kind == "http.response.body"
                and message.get("more_body")
                and type(data) is bytes
                and len(data) < _LARGE
            ):
                left = self._take(data)
                if left is not None:
                    await left
                return
        elif self._held is not None:
            if kind == "http.response.body" and not message.get("more_body"):
                rest = self._send_held(message)
                if rest is not False:
                    if rest is not None:
                        await rest
                    return
            self._release()
        elif kind == "http.response.start" and self._hold(message):
            return
        if self._exchange.state is _ENDED:
            self._logger.debug("%s behind the end of the response ignored", kind)
        elif kind == "http.response.start":
            await self._send_start(message)
        elif kind == "http.response.body":
            await self._send_body(message)
        elif kind in _MORE:
            await _MORE[kind](self, message)
        else:
            raise ValueError(f"Unexpected ASGI message {kind!r}")

    def _hold(self, message: Mapping[str, Any]) -> bool:
        """Keep the head of an answer until its body comes, which most have in one piece and at
        once; say whether it was. It is kept until the application waits for something, or to the
        end of this step of the event loop.

        Raises:
            TypeError: as of `read_start`.
            ValueError: likewise.
        """
        if (
            self._opening is not None
            or self._exchange._state is not _OPEN
            or message.get("trailers")
        ):
            return False
        block = dump_block(message)
        if block is None:
            return False
        self._held = message, block
        if not self.is_running:
            self._exchange.at_step_end(self._release_late)
        return True

    def pause(self) -> None:
        """The application waits for something."""
        self.is_running = False
        if self._held is not None:
            try:
                self._release_late()
            except Exception:  # it is none of the application's, which must go on
                self._logger.exception("Error in an answer")

    def _release_late(self) -> None:
        """Begin the answer whose body has not come in the same step of the event loop."""
        if self._held is not None and self._exchange._state is _OPEN and not self._returned:
            self._release()

    def _send_held(self, message: Mapping[str, Any]) -> Awaitable[None] | Literal[False] | None:
        """Send the answer that was held, with all of its body, if it can be done at once."""
        assert self._held is not None  # asked by `send`
        line, lines, length = self._held[1]
        body = message.get("body") or b""
        if type(body) is not bytes or length not in (None, len(body)):
            return False
        if length is None:
            lines += b"Content-Length: %d\r\n" % len(body)
        left = self._exchange.answer_block(line, lines, body)
        if left is not False:
            self._held = None
            if self._over is not None:
                self._over.set()
        return left

    def _release(self) -> None:
        """Begin the answer that was held."""
        assert self._held is not None  # asked by those who call
        message, _ = self._held
        self._held = None
        self._start = start_answer(self._exchange, message)

    async def _send_start(self, message: Mapping[str, Any]) -> None:
        if self._exchange.state in (_HELD, _STARTED):
            raise RuntimeError("http.response.start was sent before")
        if self._opening is None:
            self._start = start_answer(self._exchange, message)
        else:
            status, fields = self._start = read_start(message)
            await self._opening.start(status, phrase(status), fields)
        if message.get("trailers") and self._takes_trailers():
            self._end = _End.TRAILERS

    async def _send_body(self, message: Mapping[str, Any]) -> None:
        self._check_body("http.response.body")
        data = read_body(message)
        if message.get("more_body"):
            if self._refuses or not self._streams:
                self._check_stream()
            await self._exchange.write(data)
            if not self._refuses:
                self._take = getattr(self._exchange, "take", None)
        elif self._end is _End.BODY:
            self._take = None
            await self._exchange.write_eof(data)
            self._finish()
        else:
            self._take = None
            self._end = _End.NOTHING_BUT_TRAILERS
            await self._exchange.write(data)

    def _check_body(self, kind: str) -> None:
        if self._exchange.state is _OPEN:
            raise RuntimeError(f"{kind} was sent before http.response.start")
        if self._end is _End.NOTHING_BUT_TRAILERS:
            raise RuntimeError(f"{kind} was sent behind the last piece of the body")

    def _finish(self) -> None:
        """The response is complete."""
        if self._over is not None:
            self._over.set()

    # -- trailers and early hints

    def _takes_trailers(self) -> bool:
        """Whether the client has said that it takes trailers (RFC 9110 section 6.5.1)."""
        head = self._exchange.head
        wishes = (value for name, value in head.raw_fields if name.lower() == b"te")
        return head.version > HttpVersion10 and b"trailers" in list_tokens(wishes)

    async def _send_trailers(self, message: Mapping[str, Any]) -> None:
        if self._end is not _End.NOTHING_BUT_TRAILERS:
            raise RuntimeError("http.response.trailers was sent before the end of the body")
        self._trailers = [*self._trailers, *read_headers(message.get("headers") or ())]
        if not message.get("more_trailers"):
            await self._exchange.write_eof(b"", self._trailers)
            self._finish()

    async def _send_hint(self, message: Mapping[str, Any]) -> None:
        """Send early hints (RFC 8297), as long as the head of the response has not left."""
        links = [("Link", read_value(link)) for link in message.get("links") or ()]
        if self._exchange.state in (_OPEN, _HELD):
            await self._exchange.inform(103, links)
        else:
            self._logger.debug("An early hint behind the head of the response ignored")

    # -- files

    async def _send_path(self, message: Mapping[str, Any]) -> None:
        """Send a file as the whole body."""
        self._check_body("http.response.pathsend")
        if self._streams:
            raise RuntimeError("http.response.pathsend was sent behind a piece of the body")
        is_held = self._take_back()
        part = await open_part(message["path"])
        try:
            await self._send_part(part, is_held, more=False)
        finally:
            await part.close()

    async def _send_open_file(self, message: Mapping[str, Any]) -> None:
        """Send some of a file as a piece of the body."""
        self._check_body("http.response.zerocopysend")
        is_held = self._take_back()
        part = await find_part(message["file"], message.get("offset"), message.get("count"))
        more = bool(message.get("more_body"))
        if more:
            self._check_stream()
        await self._send_part(part, is_held, more=more)

    def _take_back(self) -> bool:
        """Take back a head that is held, unless somebody else has made it; say whether it is."""
        return self._opening is None and self._exchange.withdraw()

    async def _send_part(self, part: FilePart, is_held: bool, *, more: bool) -> None:
        """Send bytes of a file.

        Args:
            part: of the file.
            is_held: the head was taken back while the file was looked at, so that an error of
                that is answered with 500; now it can tell the length too.
            more: it is not the last piece of the body.
        """
        assert self._start is not None  # checked before
        status, fields = self._start
        if is_held:
            if not more and self._end is _End.BODY and not _tells_of_body(status, fields):
                fields.append(("Content-Length", str(part.count)))
            self._exchange.start(status, phrase(status), fields)
        if self._exchange.head.method != "HEAD" and not has_no_content(status):
            await send_part(self._exchange, part)
        if not more:
            await self._send_body({})

    # -- streams, and the server's stop

    def _check_stream(self) -> None:
        """Take note that the body goes on.

        Raises:
            ClientConnectionResetError: the server stops.
        """
        if not self._streams:
            self._streams = True
            self._exchange.stopping.then(self._stop)
        if self._refuses:
            raise ClientConnectionResetError("The server stops")

    def _stop(self) -> None:
        """The server stops: what has no end is to end now, what may have one gets a little time,
        and what has told its length all the time there is."""
        assert self._start is not None  # the body has begun
        fields = self._start[1]
        if has_field(fields, "content-length"):
            return
        if _is_of_events(fields):
            self._say_goodbye()
        else:
            loop = asyncio.get_running_loop()
            self._goodbye = loop.call_later(_STREAM_GRACE, self._say_goodbye)

    def _say_goodbye(self) -> None:
        """Tell the application that its client has left: by receive(), if it listens there."""
        self.is_dismissed = True
        if self._over is not None and self._waiting:
            self._over.set()
            return
        self._refuses = True
        self._take = None
        if self._over is None:
            self._over = asyncio.Event()
        self._over.set()


def _tells_of_body(status: int, fields: list[tuple[str, str]]) -> bool:
    """Whether a head says how long its body is, or has none."""
    return (
        has_no_content(status)
        or has_field(fields, "content-length")
        or has_field(fields, "transfer-encoding")
    )


def _is_of_events(fields: list[tuple[str, str]]) -> bool:
    """Whether a body is a stream of events, which has no end (HTML standard, section 9.2)."""
    return any(
        name.lower() == "content-type" and value.lower().startswith("text/event-stream")
        for name, value in fields
    )


_MORE: Final = {
    "http.response.early_hint": HttpCall._send_hint,
    "http.response.trailers": HttpCall._send_trailers,
    "http.response.pathsend": HttpCall._send_path,
    "http.response.zerocopysend": HttpCall._send_open_file,
}
