"""A call of an ASGI host, of either kind: what it tells, and what is said to it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..exchange import ClientConnectionResetError, Exchange, Fields, Head, Responder, fail
from ..streams import StreamReader
from .scope import fact_of_scope

__all__ = ["HostCall", "Receive", "Send", "contain", "encode_fields", "keep_from_host"]

_logger = logging.getLogger("bascule.asgi")

# Any: messages are dicts whose values the specification types one by one.
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

# An extension that a host may offer, and its message.
_EARLY_HINT = "http.response.early_hint"


async def contain(responder: Responder, exchange: Exchange) -> None:
    """Let a responder answer; what would end the host, such as SystemExit, ends in the log.

    asyncio lets SystemExit and KeyboardInterrupt out of the event loop, and with them go all other
    requests of the host; few hosts catch them, or groups that hold them.

    Raises:
        Exception: what the responder raises; also its cancellation, and that it is closed.
    """
    try:
        await responder(exchange)
    except (Exception, asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as exc:
        await keep_from_host(exc, exchange)


async def keep_from_host(exc: BaseException, exchange: Exchange) -> None:
    """Let what would end the host end in the log, and the exchange with it."""
    _logger.exception("%s from a request kept from the host", type(exc).__name__)
    cause = RuntimeError(f"The handler has raised {type(exc).__name__}")
    cause.__cause__ = exc
    await fail(exchange, cause)


class HostCall(Exchange):
    """A call of an ASGI host, of either kind: what it tells, and what is said to it.

    Args:
        scope: of the call; never changed.
        body: of the request.
        receive: of the call.
        send: of the call.
    """

    __slots__ = ("_receive", "_scope", "_send", "_senders")

    def __init__(
        self, scope: Mapping[str, Any], head: Head, body: StreamReader, receive: Receive, send: Send
    ) -> None:
        super().__init__(head, body)
        self._scope = scope
        self._receive = receive
        self._send = send
        # Tasks whose sending ends when the client leaves.
        self._senders: set[asyncio.Task[Any]] | None = None

    def extra(self, name: str, default: Any = None) -> Any:
        """Give what the scope tells of the connection: ``peername``, ``sockname``, ``scope``."""
        return fact_of_scope(self._scope, name, default)

    def _is_offered(self, extension: str) -> bool:
        """Whether the host has an extension."""
        return extension in (self._scope.get("extensions") or ())

    async def _emit_inform(self, status: int, fields: list[tuple[str, str]]) -> None:
        """Send the links of early hints, if the host takes them; the rest is its own business."""
        if status != 103 or not self._is_offered(_EARLY_HINT):
            return
        links = [value for name, value in encode_fields(fields) if name == b"link"]
        if links:
            await self._pass_on({"type": _EARLY_HINT, "links": links})

    async def _pass_on(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            ClientConnectionResetError: the host says that the client has left.
        """
        try:
            await self._send(message)
        except OSError as exc:
            self._client_left(exc)
            raise ClientConnectionResetError("Cannot write to closing transport") from exc

    async def _pass_on_while_there(self, message: dict[str, Any]) -> None:
        """Send a message, but give up once the client is known to have left: hypercorn comes not
        back from sending more than an HTTP/2 window to one that has.

        Raises:
            ClientConnectionResetError: it has left.
        """
        task = asyncio.current_task()
        assert task is not None  # this is a coroutine
        if self._senders is None:
            self._senders = set()
        self._senders.add(task)
        before = task.cancelling()
        try:
            await self._pass_on(message)
        except asyncio.CancelledError as exc:
            # As asyncio.timeout does it: somebody else may have cancelled the task, too.
            if task in self._senders or task.uncancel() > before:
                raise
            raise ClientConnectionResetError("Cannot write to closing transport") from exc
        finally:
            self._senders.discard(task)

    def _client_left(self, exc: BaseException | None) -> None:
        cause = ClientConnectionResetError("Connection lost")
        cause.__cause__ = exc
        self.leave(cause)
        if self._senders:
            senders, self._senders = self._senders - {asyncio.current_task()}, set()
            for task in senders:
                task.cancel()


def encode_fields(fields: Fields) -> list[tuple[bytes, bytes]]:
    """Write fields as messages have them."""
    return [
        (name.lower().encode("ascii"), value.encode("utf-8", "surrogateescape"))
        for name, value in fields
    ]
