"""What a hosted application hands over never says more on the wire than it should.

ASGI and WSGI applications alone on our server, mounted in a native application there, and mounted
in one that is the guest of another host, which must not be handed bad bytes either.
"""

import enum
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import bascule
from bascule import web
from support.asgi_role import read_rest
from support.requests import request
from support.scripted_host import ScriptedHost, http_scope, socket_scope
from support.strict_answers import check_fields, read_answers
from support.wire import Served, serve

VALUES = {
    "crlf": b"a\r\nInjected: 1",
    "crlf crlf": b"a\r\n\r\nInjected",
    "lf": b"a\nInjected: 1",
    "cr": b"a\rInjected: 1",
    "nul": b"a\0Injected",
    "control": b"a\x1fInjected",
    "del": b"a\x7fInjected",
    "lone surrogate": "a\ud800Injected".encode("utf-8", "surrogatepass") + b"\r",
    "text": "Injected",
    "none": None,
}
NAMES = {
    **VALUES,
    "space": b"Injected: 1, X",
    "colon": b"Injected:1",
    "empty": b"",
    "tab": b"X\tInjected",
    "bytes": b"X\xff",
    "not ascii": "Xé".encode(),
}
STATUSES = {
    "99": 99,
    "1000": 1000,
    "zero": 0,
    "negative": -1,
    "true": True,
    "float": 200.5,
    "text": "200 OK\r\nInjected: 1",
    "none": None,
    "interim": 103,
    "switching": 101,
}
SUBPROTOCOLS = {
    "crlf": "a\r\nInjected: 1",
    "lf": "a\nInjected: 1",
    "nul": "a\0Injected",
    "list": "a, Injected",
    "space": "a Injected",
    "not ascii": "é",
    "surrogate": "a\ud800",
    "bytes": b"a",
    "number": 1,
}

# Makes the messages of an answer with something bad in it.
Messages = Callable[[Any], list[dict[str, Any]]]


def _start(status: Any = 200, *headers: Any, **more: Any) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": [*headers], **more}


def _body(data: Any = b"x", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def _trailers(*headers: Any) -> list[dict[str, Any]]:
    announced = _start(200, (b"trailer", b"X"), trailers=True)
    return [announced, _body(), {"type": "http.response.trailers", "headers": [*headers]}]


def _denied(*args: Any) -> list[dict[str, Any]]:
    messages = [_start(*args), _body()]
    return [{**each, "type": f"websocket.{each['type']}"} for each in messages]


def _accepted(**contents: Any) -> list[dict[str, Any]]:
    return [{"type": "websocket.accept", **contents}]


HTTP: dict[str, tuple[Messages, dict[str, Any]]] = {
    "status": (lambda bad: [_start(bad), _body()], STATUSES),
    "name": (lambda bad: [_start(200, (bad, b"a")), _body()], NAMES),
    "value": (lambda bad: [_start(200, (b"x", bad)), _body()], VALUES),
    "length": (
        lambda bad: [_start(200, (b"content-length", bad)), _body()],
        {
            "sign": b"+1",
            "space": b"1 1",
            "list": b"1, 1",
            "not ascii": "١".encode(),
            "long": b"9" * 5000,
        },
    ),
    "trailer name": (lambda bad: _trailers((bad, b"a")), NAMES),
    "trailer value": (lambda bad: _trailers((b"x", bad)), VALUES),
    "link": (
        lambda bad: [{"type": "http.response.early_hint", "links": [bad]}, _start(), _body()],
        VALUES,
    ),
}
SOCKET: dict[str, tuple[Messages, dict[str, Any]]] = {
    "subprotocol": (lambda bad: _accepted(subprotocol=bad), SUBPROTOCOLS),
    "name": (lambda bad: _accepted(headers=[(bad, b"a")]), NAMES),
    "value": (lambda bad: _accepted(headers=[(b"x", bad)]), VALUES),
    "status of a denial": (lambda bad: _denied(bad), STATUSES),
    "name of a denial": (lambda bad: _denied(200, (bad, b"a")), NAMES),
    "value of a denial": (lambda bad: _denied(200, (b"x", bad)), VALUES),
}


def _list(table: dict[str, tuple[Messages, dict[str, Any]]]) -> list[Any]:
    return [
        pytest.param(make(bad), id=f"{name}/{kind}")
        for name, (make, texts) in table.items()
        for kind, bad in texts.items()
    ]


def _sending(messages: list[dict[str, Any]]) -> Any:
    """Make an application that sends these messages."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        if scope["type"] == "websocket":
            await receive()
        for message in messages:
            await send(message)

    return application


def _mounted(application: Any) -> web.Application:
    native = web.Application()
    native.mount("/in", application)
    return native


ROADS = {"alone": lambda application: application, "mounted": _mounted}
LAST_GET = request("/in/", "TE: trailers", "Connection: close")
HANDSHAKE = request(
    "/in/",
    "Upgrade: websocket",
    "Connection: upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: a, b",
)


async def _check_on_own_server(app: Any, data: bytes, log: pytest.LogCaptureFixture) -> None:
    async with serve(app, access_log=None) as served:
        raw = await _exchange(served, data)
    assert b"Injected" not in raw
    answers = read_answers(raw)
    assert answers[-1].status == 500 or not answers[-1].is_whole
    assert [answer.status for answer in answers[:-1]] == []
    _check_log(log)


async def _exchange(served: Served, data: bytes) -> bytes:
    async with served.connect() as wire:
        await wire.send(data)
        return await read_rest(wire)


def _check_log(log: pytest.LogCaptureFixture) -> None:
    """The application got an error that says what is wrong, and it is logged once."""
    told = [record for record in log.records if record.levelno >= logging.WARNING]
    assert len(told) == 1
    assert told[0].exc_info
    assert issubclass(told[0].exc_info[0] or object, ValueError | TypeError)


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("messages", _list(HTTP))
async def test_nothing_is_injected_by_an_asgi_application(
    messages: list[Any], road: str, caplog: pytest.LogCaptureFixture
) -> None:
    await _check_on_own_server(ROADS[road](_sending(messages)), LAST_GET, caplog)


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("messages", _list(SOCKET))
async def test_nothing_is_injected_into_a_handshake(
    messages: list[Any], road: str, caplog: pytest.LogCaptureFixture
) -> None:
    """GHSA of uvicorn: CR and LF in the subprotocol or the fields of `websocket.accept`."""
    await _check_on_own_server(ROADS[road](_sending(messages)), HANDSHAKE, caplog)


@pytest.mark.parametrize("messages", [*_list(HTTP), *_list(SOCKET)])
async def test_no_host_is_handed_bad_bytes(
    messages: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    offers = ("http.response.early_hint", "http.response.trailers", "websocket.http.response")
    extensions: dict[str, Any] = {name: {} for name in offers}
    is_socket = messages[0]["type"].startswith("websocket.")
    if is_socket:
        host = ScriptedHost({"type": "websocket.connect"})
        scope = socket_scope(path="/in/", extensions=extensions, subprotocols=["a", "b"])
    else:
        host = ScriptedHost()
        scope = http_scope(path="/in/", extensions=extensions, headers=[(b"te", b"trailers")])
    with suppress(Exception):  # a cut, behind an answer that has begun
        await host.call(_mounted(_sending(messages)), scope)
    assert "accept" not in host.types
    for message in host.sent:
        check_fields(list(message.get("headers", ())))
        assert "Injected" not in str(message)
        if message["type"].endswith("start") and not message.get("trailers"):
            assert message["status"] == 500
    _check_log(caplog)


class _Status(int, enum.Enum):
    """Shows itself as its name."""

    FINE = 200


@pytest.mark.parametrize("road", ROADS)
async def test_a_status_is_sent_in_digits(road: str) -> None:
    messages = [_start(_Status.FINE), _body()]
    async with serve(ROADS[road](_sending(messages))) as served:
        (answer,) = read_answers(await _exchange(served, LAST_GET))
    assert (answer.status, answer.body) == (200, b"x")


# -- WSGI

TEXTS = {key: value.decode("latin-1") for key, value in VALUES.items() if isinstance(value, bytes)}
WSGI = {
    **{f"value/{key}": ("200 OK", [("X", text)]) for key, text in TEXTS.items()},
    **{f"reason/{key}": (f"200 {text}", []) for key, text in TEXTS.items()},
    **{
        f"name/{key}": ("200 OK", [(value.decode("latin-1"), "a")])
        for key, value in NAMES.items()
        if isinstance(value, bytes)
    },
    "value/not latin-1": ("200 OK", [("X", "\u20ac")]),
    "status/99": ("99 OK", []),
    "status/1000": ("1000 OK", []),
    "status/sign": ("+20 OK", []),
    "status/digits": ("٢٠٠ OK", []),
    "status/interim": ("103 Early", []),
}


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize(("status", "headers"), WSGI.values(), ids=WSGI)
async def test_nothing_is_injected_by_a_wsgi_application(
    status: str, headers: list[Any], road: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A reason phrase is not taken over, so nothing in it does harm."""

    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, headers)
        return [b"x"]

    if status.startswith("200 ") and status != "200 OK":
        async with serve(ROADS[road](bascule.wsgi(application)), access_log=None) as served:
            (answer,) = read_answers(await _exchange(served, LAST_GET))
        assert answer.status == 500 or answer.reason == b"OK"
        return
    app = ROADS[road](bascule.wsgi(application))
    await _check_on_own_server(app, LAST_GET, caplog)
