"""An exchange in memory whose answer is read while it is being given."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from multidict import CIMultiDict

from ..channel import ChannelOptions
from ..exchange import AnswerHead, Bytes, Fields
from ..streams import PayloadAccessError, StreamReader
from ..wire.framing import BodyFraming
from .channel import MemoryChannel
from .errors import ClientError, ServerDisconnectedError
from .memory import MemoryExchange

__all__ = ["StreamedExchange"]

# Low-water mark in bytes of what waits for the client to read it; a write waits beyond twice that,
# 64 KiB, which is where asyncio's transports ask to pause.
_LOW = 32 * 1024
# Bytes of an answer that is kept whole; one that does not end would fill the memory.
_MAX_WHOLE = 256 * 2**20


class StreamedExchange(MemoryExchange):
    """One request given in memory, and its answer on its way to a client in the same loop.

    It is made inside the running loop. A stream's writes wait while more than 64 KiB wait to be
    read; an answer that is not one is kept whole, up to 256 MiB.

    Args:
        method: of the request.
        target: of the request, as it would be sent.
        fields: of the request.
        body: whole, or as a reader that the client feeds.
        read_timeout: seconds that a read of the answer waits for its next bytes; None for ever.
        is_stream: let writes wait.
        facts: scheme, root_path, extra: as of `MemoryExchange`.

    Attributes:
        answered: done once the answer's head has left, or none will.
        content: body of the answer.
        error: what the application was seen to raise, if it did.
        interrupt: what it raised that is no Exception, such as KeyboardInterrupt, or what
            ``pytest.fail`` raises: always for the client.
        raises_error: a reader of an answer that was cut is told `error`, not of the cut.
    """

    __slots__ = (
        "_is_stream",
        "_let_others_run_at",
        "_more",
        "_read_timeout",
        "_room",
        "answered",
        "content",
        "error",
        "interrupt",
        "raises_error",
    )

    def __init__(
        self,
        method: str,
        target: str,
        *,
        fields: CIMultiDict[str],
        body: bytes | StreamReader | None = None,
        read_timeout: float | None = None,
        is_stream: bool = True,
        facts: Mapping[str, Any] | None = None,  # Any: as MemoryExchange takes them
    ) -> None:
        super().__init__(method, target, fields=fields.items(), body=body, **(facts or {}))
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.content = StreamReader(_LOW if is_stream else _MAX_WHOLE // 2, source=self)
        self.error: BaseException | None = None
        self.interrupt: BaseException | None = None
        self.raises_error = False
        self._read_timeout = read_timeout
        self._is_stream = is_stream
        self._let_others_run_at = 2 * _LOW
        # What the reader of the answer waits for, and what its writer does.
        self._more: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self.gone.then(self._wake_all)

    def close(self) -> None:
        """Take note that the responder is done: nothing will come any more."""
        self.body.close(PayloadAccessError("The answer to this request is complete"))
        if not self.complete and self.content.exception() is None:
            self.content.set_exception(self._explain_end())
        self._wake_all()

    def _explain_end(self) -> BaseException:
        if self.interrupt is not None:
            return self.interrupt
        if self.raises_error and self.error is not None:
            return self.error
        when = "before it answered" if self.answer is None else "inside its answer"
        error = ServerDisconnectedError(f"The application dropped the connection {when}")
        error.__cause__ = self.error or self.cut_by or self.gone.cause
        return error

    async def accept(
        self,
        fields: Fields = (),
        *,
        subprotocol: str | None = None,
        options: ChannelOptions = ChannelOptions(),  # noqa: B008  # it never changes
    ) -> MemoryChannel:
        """Become a WebSocket; the client's side is in `channel`."""
        channel = await super().accept(fields, subprotocol=subprotocol, options=options)
        self._tell()
        return channel

    # -- the source of the answer's body

    def starved(self) -> Awaitable[None]:
        """Wait until more of the answer has come.

        Raises:
            TimeoutError: it did not come in time.
        """
        return self._wait_for_more()

    async def _wait_for_more(self) -> None:
        self._more = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._read_timeout):
                await self._more
        except TimeoutError:
            raise TimeoutError(
                f"Nothing more of the answer to {self.head.method} {self.head.target} came "
                f"within {self._read_timeout} s"
            ) from None
        finally:
            self._more = None

    def drained(self) -> None:
        """Let a writer that waits for room go on."""
        _settle(self._room)

    # -- the hooks

    async def _emit(
        self, head: AnswerHead | None, data: Bytes, end: bool, trailers: Fields
    ) -> None:
        if head is not None:
            self.answer = head
        if data:
            self.bytes_sent += len(data)
            self.content.feed_data(bytes(data))
            if self.answer is not None and self.answer.framing is BodyFraming.CHUNKED:
                self.content.end_chunk()
        if end:
            self.trailers = list(trailers)
            self.complete = True
            self.content.feed_eof()
        self._tell()
        if not end:
            await self._hold_back()

    async def _hold_back(self) -> None:
        """Wait while too much waits to be read; without that, let others run now and then."""
        if self.content.is_full:
            if not self._is_stream:
                size = f"{_MAX_WHOLE // 2**20} MiB"
                error = ClientError(f"The answer is larger than {size}: use Client.stream()")
                self.content.set_exception(error)
            await self._wait_for_room()
        elif not self._is_stream and self.bytes_sent > self._let_others_run_at:
            self._let_others_run_at = self.bytes_sent + 2 * _LOW
            await asyncio.sleep(0)

    async def _wait_for_room(self) -> None:
        if self._room is None or self._room.done():
            self._room = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._room)  # others may wait for the same room

    def _push(self, head: AnswerHead) -> None:
        self.answer = head
        self._tell()

    def _cut(self, cause: BaseException) -> None:
        super()._cut(cause)
        self.content.set_exception(self._explain_end())
        self._tell()

    def _tell(self) -> None:
        """Let the client see what has come."""
        _settle(self.answered)
        _settle(self._more)

    def _wake_all(self) -> None:
        self._tell()
        _settle(self._room)


def _settle(future: "asyncio.Future[None] | None") -> None:
    if future is not None and not future.done():
        future.set_result(None)
