"""The answer that is a stream of server-sent events."""

import asyncio
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from ..exchange import ClientConnectionResetError, Exchange, State
from ..wire import hdrs
from ..wire.coding import ContentCoding
from .response_head import Answerable, LooseHeaders
from .stream import StreamResponse

__all__ = ["EventSourceResponse", "ServerSentEvent"]

# Proxies give up on connections that are silent for 30 to 60 s.
_PING_INTERVAL: Final = 15.0
# Seconds before each comment that finds out whether a client is still there.
_PROBES: Final = (0.0, 0.05, 0.5, 2.0)
_SEPARATORS: Final = ("\r\n", "\n", "\r")


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event of a stream (HTML Standard, section Server-sent events).

    Attributes:
        data: its text, which may have several lines.
        event: its name; "message" to browsers when None.
        id: what a browser sends as Last-Event-ID when it comes back.
        retry: milliseconds after which it comes back.
        comment: text that is sent along and that browsers do not show.
    """

    data: str | None = None
    event: str | None = None
    id: str | None = None
    retry: int | None = None
    comment: str | None = None

    def dump(self, separator: str = "\n") -> bytes:
        """Write it as bytes.

        Raises:
            TypeError: `retry` is not int.
            ValueError: a line break in name or id, or a NUL in the id, with which either could say
                more than it should.
        """
        lines = []
        if self.comment is not None:
            lines += [f": {line}" for line in _split(self.comment)]
        for name, value in (("id", self.id), ("event", self.event)):
            if value is not None:
                lines.append(f"{name}: {_check(name, str(value))}")
        if self.data is not None:
            lines += [f"data: {line}" for line in _split(str(self.data))]
        if self.retry is not None:
            if not isinstance(self.retry, int):
                raise TypeError(f"retry must be int, got {self.retry!r:.100}")
            lines.append(f"retry: {self.retry}")
        return "".join(f"{line}{separator}" for line in [*lines, ""]).encode("utf-8")


def _split(text: str) -> list[str]:
    """Split into lines as a browser would: at CR LF, CR and LF, and at nothing else."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _check(name: str, value: str) -> str:
    if any(character in value for character in "\r\n\0"):
        raise ValueError(f"Line break or NUL in the {name} of an event: {value!r:.100}")
    return value


class EventSourceResponse(StreamResponse):
    """A stream of server-sent events, which lasts until it is ended, the client leaves or the
    server stops.

    As a context, where the body of the block sends; it is left quietly at either end::

        async with web.EventSourceResponse(request) as events:
            async for line in source:
                await events.send(line, event="line")
        return events

    Or of an asynchronous iterable of texts, mappings and `ServerSentEvent`, which is closed at
    either end::

        return web.EventSourceResponse(events=generate())

    Or as aiohttp-sse has it: made without a request, prepared, sent to.

    Args:
        request: for the form as a context.
        events: for the form of an iterable.
        status: status code.
        reason: reason phrase; the standard one when None.
        headers: copied, never changed.
        sep: what ends a line: CR LF, LF or CR.
        ping_interval: seconds of silence after which a comment is sent, so that proxies keep the
            connection and a client that has left is noticed.
    """

    def __init__(
        self,
        request: Answerable | None = None,
        *,
        events: AsyncIterable[Any] | None = None,  # Any: str, a mapping or a ServerSentEvent
        status: int = 200,
        reason: str | None = None,
        headers: LooseHeaders | None = None,
        sep: str | None = None,
        ping_interval: float = _PING_INTERVAL,
    ) -> None:
        super().__init__(status=status, reason=reason, headers=headers)
        if sep is not None and sep not in _SEPARATORS:
            raise ValueError(f"sep is CR LF, LF or CR, got {sep!r:.100}")
        self.headers[hdrs.CONTENT_TYPE] = "text/event-stream"
        self.headers.setdefault(hdrs.CACHE_CONTROL, "no-cache")
        self.headers.setdefault("X-Accel-Buffering", "no")  # nginx would wait for more
        self._for = request
        self._events = events
        self._sep = sep or "\n"
        self.ping_interval = ping_interval
        self._pinging: asyncio.Task[None] | None = None
        self._sent_at = 0.0
        self._turn = asyncio.Lock()
        self._over = asyncio.Event()
        self._guard: _Guard | None = None

    def enable_compression(
        self, force: bool | ContentCoding | None = None, strategy: int | None = None
    ) -> None:
        """Refuse: events would wait until there is enough to compress.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("Streams of events are not compressed")

    # -- the stream

    async def prepare(self, request: Answerable) -> Exchange | None:
        """Decide the head; from here on comments fill the silence."""
        exchange = await super().prepare(request)
        if exchange is not None and self._pinging is None and not self._over.is_set():
            self._sent_at = asyncio.get_running_loop().time()
            if self._must_be_empty:  # to HEAD: nothing would ever be sent
                self.stop_streaming()
                return exchange
            self._pinging = asyncio.create_task(self._ping(), name="bascule-ping")
            # A head that is taken back, for an error page, says so to nobody.
            request.task.add_done_callback(self._task_over)
            exchange.gone.then(self._client_left)
            exchange.stopping.then(self.stop_streaming)
        return exchange

    def _task_over(self, task: "asyncio.Task[None]") -> None:
        self.stop_streaming()

    def _client_left(self) -> None:
        """End the stream. Where the client has ended its own half, it may have left altogether:
        that shows only when something is sent."""
        if self._exchange is None or self._exchange.state is State.GONE:
            self.stop_streaming()
        elif self._pinging is not None:
            self._pinging.cancel()
            self._pinging = asyncio.create_task(self._ping(_PROBES), name="bascule-ping")

    async def send(
        self,
        data: str,
        id: str | None = None,
        event: str | None = None,
        retry: int | None = None,
        *,
        comment: str | None = None,
    ) -> None:
        """Send an event; waits while the client does not read. See `ServerSentEvent`.

        Raises:
            ConnectionResetError: the client has left.
        """
        await self.send_event(ServerSentEvent(data, event, id, retry, comment))

    async def send_event(self, event: ServerSentEvent) -> None:
        """Send an event; see `send`."""
        await self._send_bytes(event.dump(self._sep))

    async def comment(self, text: str = "") -> None:
        """Send a comment, which browsers do not show."""
        await self._send_bytes(ServerSentEvent(comment=text).dump(self._sep))

    async def _send_bytes(self, data: bytes) -> None:
        async with self._turn:  # one task sends at a time
            await self.write(data)
        self._sent_at = asyncio.get_running_loop().time()

    async def _ping(self, pauses: Iterable[float] = ()) -> None:
        """Send comments: behind these pauses, then behind each silence."""
        loop = asyncio.get_running_loop()
        try:
            for pause in pauses:
                await asyncio.sleep(pause)
                await self.comment("ping")
            while True:
                wait = self._sent_at + self._ping_interval - loop.time()
                if wait > 0:
                    await asyncio.sleep(wait)
                else:
                    await self.comment("ping")
        except (ClientConnectionResetError, RuntimeError):
            self.stop_streaming()

    async def wait(self) -> None:
        """Wait until the stream has ended, for whatever reason."""
        await self._over.wait()

    def stop_streaming(self) -> None:
        """End the stream; any task may."""
        if self._over.is_set():
            return
        self._over.set()
        if self._pinging is not None:
            self._pinging.cancel()
        if self._request is not None:  # whose task, and exchange, may live longer
            self._request.task.remove_done_callback(self._task_over)
            self._request._exchange.gone.forget(self._client_left)
            self._request._exchange.stopping.forget(self.stop_streaming)
        if self._guard is not None:
            self._guard.cancel()

    def is_connected(self) -> bool:
        """Whether events can be sent."""
        return self.prepared and not self._ended and not self._over.is_set()

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event that the client has seen, if it comes back.

        Raises:
            RuntimeError: before `prepare`.
        """
        request = self._for or self._request
        if request is None:
            raise RuntimeError("EventSource request must be prepared first")
        return request.headers.get("Last-Event-ID")

    @property
    def ping_interval(self) -> float:
        """Seconds of silence after which a comment is sent."""
        return self._ping_interval

    @ping_interval.setter
    def ping_interval(self, value: float) -> None:
        if not isinstance(value, int | float):
            raise TypeError(f"ping interval must be int or float, got {value!r:.100}")
        if value <= 0:
            raise ValueError(f"ping interval must be more than 0, got {value!r}")
        self._ping_interval = value

    # -- its forms

    async def __aenter__(self) -> "EventSourceResponse":
        """Prepare it for the request it was made with.

        Raises:
            RuntimeError: it was made without one.
        """
        if self._for is None:
            raise RuntimeError("EventSourceResponse(request) is entered, and this has no request")
        await self.prepare(self._for)
        self._guard = _Guard()
        if self._over.is_set():
            self._guard.interrupt()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """End the stream; what its end has interrupted is not raised."""
        guard, self._guard = self._guard, None
        ended = guard is not None and await guard.has_caught(exc)
        quiet = ended or isinstance(exc, ClientConnectionResetError)
        if exc is None or quiet:
            await self._finish()
        else:
            self.stop_streaming()
        return quiet

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        """End the stream, behind the events of its iterable."""
        events, self._events = self._events, None
        try:
            if events is not None and not self._ended and self.prepared:
                await self._stream(events)
        finally:
            self.stop_streaming()
        await super().write_eof(data)

    async def _stream(self, events: AsyncIterable[Any]) -> None:
        guard = self._guard = _Guard()
        try:
            if not self._over.is_set():
                async for event in events:
                    await self.send_event(_make_event(event))
        except asyncio.CancelledError as exc:
            if not await guard.has_caught(exc):
                raise
        except ClientConnectionResetError as exc:
            await guard.has_caught(exc)
        finally:
            self._guard = None
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()

    async def _finish(self) -> None:
        try:
            await self.write_eof()
        except ClientConnectionResetError:
            self.stop_streaming()


def _make_event(event: Any) -> ServerSentEvent:
    if isinstance(event, ServerSentEvent):
        return event
    if isinstance(event, Mapping):
        return ServerSentEvent(**event)
    return ServerSentEvent(str(event))


class _Guard:
    """Interrupts the task it was made in, and tells that from other cancellations."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._interrupted = False

    def cancel(self) -> None:
        """Interrupt; but not the task that ends its own stream."""
        if asyncio.current_task() is not self._task:
            self.interrupt()

    def interrupt(self) -> None:
        """Interrupt at the task's next wait."""
        if self._task is not None and not self._interrupted:
            self._interrupted = True
            self._task.cancel()

    async def has_caught(self, exc: BaseException | None) -> bool:
        """Take the interruption back; give whether `exc` was nothing but it."""
        if not self._interrupted or self._task is None:
            return False
        self._interrupted = False
        if not isinstance(exc, asyncio.CancelledError):
            try:
                await asyncio.sleep(0)  # it strikes here if it has not yet
            except asyncio.CancelledError:
                pass
        left = self._task.uncancel()
        return isinstance(exc, asyncio.CancelledError) and left == 0
