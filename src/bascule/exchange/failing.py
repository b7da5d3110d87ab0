"""The end of an exchange whose responder has failed."""

from ..channel import ClientConnectionResetError
from ..streams import PayloadTimeoutError, RequestPayloadError
from .exchange import Exchange
from .states import State

__all__ = ["fail"]

_ENDED = State.ENDED


async def fail(exchange: Exchange, cause: BaseException) -> None:
    """End an exchange whose responder has failed: with 500 while its head has not left, else with
    a cut, so that the client can tell; an answer that is whole stays as it is.

    Where the body of the request is at fault, the answer is 400, or 408 when it stopped coming.
    """
    if exchange.state is _ENDED:
        return
    if not exchange.withdraw():
        exchange.abort(cause)
        return
    fields = [("Content-Type", "text/plain; charset=utf-8"), *exchange.default_fields]
    status, reason, text = 500, "Internal Server Error", _TROUBLE
    if isinstance(cause, RequestPayloadError):
        is_late = isinstance(cause, PayloadTimeoutError)
        status, reason = (408, "Request Timeout") if is_late else (400, "Bad Request")
        text = f"{status}: {cause}".encode("utf-8", "replace")
    try:
        await exchange.respond(status, reason, fields, text, close=True)
    except ClientConnectionResetError as exc:
        exchange.abort(exc)


_TROUBLE = b"500 Internal Server Error\n\nServer got itself in trouble"
