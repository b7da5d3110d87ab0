"""A call over ASGI sets all that it has in one place, for speed; held here to its classes."""

import asyncio
from typing import Any

from bascule.asgi.guest import GuestExchange
from bascule.asgi.scope import head_of_scope
from bascule.exchange import Exchange

SCOPE: dict[str, Any] = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "headers": [(b"host", b"x")],
}


async def receive() -> Any:
    raise NotImplementedError


async def send(message: Any) -> None:
    raise NotImplementedError


class Plain(Exchange):
    """An exchange as its own class begins it."""

    __slots__ = ()

    _emit = _emit_inform = _push = _cut = None  # type: ignore[assignment]  # never sent by


async def test_a_call_begins_as_every_exchange_does() -> None:
    call = GuestExchange(SCOPE, receive, send)
    plain = Plain(head_of_scope(SCOPE))
    assert call.task is asyncio.current_task()
    for name in set(Exchange.__slots__) - {"head", "started_at", "task"}:
        assert getattr(call, name) == getattr(plain, name), name
    assert call.started_at <= plain.started_at


async def test_all_that_a_call_has_is_set() -> None:
    call = GuestExchange(SCOPE, receive, send)
    names = {name for cls in GuestExchange.__mro__ for name in getattr(cls, "__slots__", ())}
    assert {name for name in names if not hasattr(call, name)} == set()
