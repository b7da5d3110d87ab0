"""A call over ASGI or RSGI sets all it has in one place, for speed; held here to its classes."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bascule.asgi.guest import GuestExchange
from bascule.asgi.rsgi import RsgiExchange
from bascule.asgi.scope import head_of_scope
from bascule.exchange import Exchange
from support.scripted_rsgi import RsgiCall, RsgiScope

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


def make_guest() -> Exchange:
    return GuestExchange(SCOPE, receive, send)


def make_rsgi_guest() -> Exchange:
    return RsgiExchange(RsgiScope(), RsgiCall())


@pytest.mark.parametrize("make", [make_guest, make_rsgi_guest])
async def test_a_call_begins_as_every_exchange_does(make: Callable[[], Exchange]) -> None:
    call = make()
    plain = Plain(head_of_scope(SCOPE))
    assert call.task is asyncio.current_task()
    for name in set(Exchange.__slots__) - {"head", "started_at", "task"}:
        assert getattr(call, name) == getattr(plain, name), name
    assert call.started_at <= plain.started_at


@pytest.mark.parametrize("make", [make_guest, make_rsgi_guest])
async def test_all_that_a_call_has_is_set(make: Callable[[], Exchange]) -> None:
    call = make()
    names = {name for cls in type(call).__mro__ for name in getattr(cls, "__slots__", ())}
    assert {name for name in names if not hasattr(call, name)} == set()


@pytest.mark.parametrize("make", [make_guest, make_rsgi_guest])
@pytest.mark.parametrize("name", [b"host", b"content-encoding"])
async def test_fields_are_found_without_being_decoded(
    make: Callable[[], Exchange], name: bytes
) -> None:
    head = make().head
    is_there = head.may_have(name)
    assert is_there == (name in [each.lower() for each, _ in head.raw_fields])
    assert head.may_have(name) == is_there
