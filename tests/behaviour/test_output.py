"""What an application hands over never says more on the wire than it should.

Each place of an answer and each kind of bad text, on the road of the own server, raw, and on that
of an ASGI guest, whose messages are looked at as a host would see them.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError
from typing import Any

import pytest
from yarl import URL

from bascule import MultipartWriter, web
from bascule.payload import BytesPayload
from support.requests import app_of, request
from support.scripted_host import ScriptedHost, http_scope
from support.strict_answers import Answer, check_fields, read_answers
from support.wire import serve as serve_raw

# Texts that would end a line, or that no line may hold (RFC 9110 section 5.5).
BREAKS = {
    "crlf": "a\r\nInjected: 1",
    "crlf crlf": "a\r\n\r\n<injected>",
    "lf": "a\nInjected: 1",
    "cr": "a\rInjected: 1",
    "nul": "a\0Injected",
    "control": "a\x1fInjected",
    "vertical tab": "a\x0bInjected",
    "del": "a\x7fInjected",
    "lone surrogate": "a\ud800Injected",
}
# What is no token (RFC 9110 section 5.6.2).
NO_TOKENS = {
    **BREAKS,
    "space": "Injected: 1, X",
    "colon": "Injected:1",
    "space in front": " Injected",
    "empty": "",
    "tab": "X\tInjected",
    "not ascii": "Xé",
    "bytes": "X\udc80",
    "separators": "X(Injected)",
}
SEMICOLON = {"semicolon": "a; Injected=1"}
FINE = {"not ascii": "é", "bytes": "a\udc80b", "tab": "a\tb", "punctuation": 'a:b; "c", d=e<>&'}

# Makes a response of a bad text; what it raises is the application's error.
Make = Callable[[web.Request, str], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Place:
    """A place of an answer where text of the application stands.

    Attributes:
        make: puts it there.
        texts: that must be refused there.
        raises: with what; nothing when the text is made harmless.
    """

    make: Make
    texts: dict[str, str]
    raises: tuple[type[Exception], ...] = (ValueError,)


def _of(make: Callable[[str], Any]) -> Make:
    async def made(request: web.Request, text: str) -> web.StreamResponse:
        response: web.StreamResponse = make(text)
        if isinstance(response, web.HTTPException):
            raise response
        return response

    return made


def _after(change: Callable[[web.Response, str], Any]) -> Make:
    """Make a response and change it."""

    def make(text: str) -> web.Response:
        response = web.Response(text="x")
        change(response, text)
        return response

    return _of(make)


def _cookie(**attributes: Any) -> Make:
    """Set a cookie with a text where the ellipsis stands."""

    def change(response: web.Response, text: str) -> None:
        filled = {key: text if value is ... else value for key, value in attributes.items()}
        response.set_cookie(**{"name": "a", "value": "b", **filled})

    return _after(change)


def _morsel(key: str) -> Make:
    def change(response: web.Response, text: str) -> None:
        response.cookies["a"] = "b"
        response.cookies["a"][key] = text

    return _after(change)


LATE = web.ResponseKey("late", str)


class _Shown:
    """Something that is no text and becomes it on the wire."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


async def _hinted(request: web.Request, text: str) -> web.StreamResponse:
    await request.send_early_hints({"Link": text})
    return web.Response(text="x")


async def _hinted_by_name(request: web.Request, text: str) -> web.StreamResponse:
    await request.send_early_hints({text: "a"})
    return web.Response(text="x")


async def _streamed(request: web.Request, text: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"X": text})
    await response.prepare(request)
    await response.write(b"x")
    return response


async def _events(request: web.Request, text: str) -> web.StreamResponse:
    return web.EventSourceResponse(headers={"X": text}, events=_none())


async def _none() -> AsyncIterator[str]:
    return
    yield ""  # what makes it a generator


async def _file(request: web.Request, text: str) -> web.StreamResponse:
    return web.FileResponse(__file__, headers={"X": text})


async def _signalled(request: web.Request, text: str) -> web.StreamResponse:
    response = web.Response(text="x")
    response[LATE] = text
    return response


def _payload_type(text: str) -> web.Response:
    return web.Response(body=BytesPayload(b"x", content_type=text))


def _multipart(text: str) -> web.Response:
    writer = MultipartWriter(text)
    writer.append("x")
    return web.Response(body=writer)


def _part(headers: Callable[[str], dict[str, str]]) -> Make:
    def make(text: str) -> web.Response:
        writer = MultipartWriter()
        writer.append("x", headers(text))
        return web.Response(body=writer)

    return _of(make)


PLACES: dict[str, Place] = {
    "name": Place(_of(lambda text: web.Response(headers={text: "a"})), NO_TOKENS),
    "value": Place(_of(lambda text: web.Response(headers={"X": text})), BREAKS),
    "value of a stream": Place(_streamed, BREAKS),
    "value of events": Place(_events, BREAKS),
    "value of a file": Place(_file, BREAKS),
    "value of an error": Place(_of(lambda text: web.HTTPGone(headers={"X": text})), BREAKS),
    "value by a signal": Place(_signalled, BREAKS),
    "reason": Place(_of(lambda text: web.Response(reason=text)), BREAKS),
    "reason of an error": Place(_of(lambda text: web.HTTPGone(reason=text)), BREAKS),
    "reason set late": Place(_after(lambda r, text: r.set_status(200, text)), BREAKS),
    "content_type": Place(_of(lambda text: web.Response(text="x", content_type=text)), BREAKS),
    "content_type of bytes": Place(
        _of(lambda text: web.Response(body=b"x", content_type=text)), BREAKS
    ),
    "content_type set": Place(_after(lambda r, text: setattr(r, "content_type", text)), BREAKS),
    "charset": Place(
        _of(lambda text: web.Response(body=b"x", content_type="a/b", charset=text)), BREAKS
    ),
    "charset of text": Place(
        _of(lambda text: web.Response(text="x", charset=text)), BREAKS, (LookupError, ValueError)
    ),
    "charset set": Place(_after(lambda r, text: setattr(r, "charset", text)), BREAKS),
    "payload type": Place(_of(_payload_type), BREAKS),
    "location": Place(_of(lambda text: web.HTTPFound("/" + text)), BREAKS, ()),
    "location of a host": Place(_of(lambda text: web.HTTPFound("//h/" + text)), BREAKS, ()),
    "location by hand": Place(
        _of(lambda text: web.Response(status=302, headers={"Location": text})), BREAKS
    ),
    "location url": Place(
        _of(lambda text: web.HTTPFound(URL("/" + text, encoded=True))),
        {key: text for key, text in BREAKS.items() if not set(text) & {"\r", "\n"}},
    ),
    "allow": Place(_of(lambda text: web.HTTPMethodNotAllowed("GET", [text])), BREAKS),
    "legal link": Place(
        _of(lambda text: web.HTTPUnavailableForLegalReasons("http://h/" + text)), BREAKS, ()
    ),
    "last_modified": Place(_after(lambda r, text: setattr(r, "last_modified", text)), BREAKS),
    "etag": Place(
        _after(lambda r, text: setattr(r, "etag", text)), {**BREAKS, "quote": 'a", "Injected'}
    ),
    "cookie name": Place(
        _cookie(name=...),
        # `http.cookies` lets a colon stand there, which says nothing to anybody.
        {key: text for key, text in (NO_TOKENS | SEMICOLON).items() if key != "colon"},
        (ValueError, CookieError),
    ),
    "cookie value": Place(
        _cookie(value=...),
        {**{k: v for k, v in BREAKS.items() if k != "lone surrogate"}, **SEMICOLON},
        (),
    ),
    "cookie surrogate": Place(_cookie(value=...), {"lone surrogate": "a\ud800"}),
    **{
        f"cookie {key}": Place(_cookie(**{key: ...}), {**BREAKS, **SEMICOLON})
        for key in ("domain", "path", "samesite", "max_age", "expires", "version")
    },
    "cookie path object": Place(
        _after(lambda r, text: r.set_cookie("a", "b", path=_Shown(text))),  # type: ignore[arg-type]  # the mistake
        {**BREAKS, **SEMICOLON},
    ),
    "deleted cookie": Place(
        _after(lambda r, text: r.del_cookie("a", domain=text)), {**BREAKS, **SEMICOLON}
    ),
    **{
        f"morsel {key}": Place(_morsel(key), {**BREAKS, **SEMICOLON})
        for key in ("domain", "path", "samesite", "max-age", "expires", "comment")
    },
    "loaded cookie": Place(_after(lambda r, text: r.cookies.load(f'a="{text}"')), SEMICOLON),
    "trailer name": Place(_after(lambda r, text: r.trailers.add(text, "a")), NO_TOKENS),
    "trailer value": Place(_after(lambda r, text: r.trailers.add("X", text)), BREAKS),
    "trailer header": Place(_of(lambda text: web.Response(headers={"Trailer": text})), BREAKS),
    "early hint": Place(_hinted, BREAKS),
    "name of an early hint": Place(_hinted_by_name, NO_TOKENS),
    "multipart subtype": Place(_of(_multipart), BREAKS),
    "part value": Place(_part(lambda text: {"X": text}), BREAKS),
    "part name": Place(_part(lambda text: {text: "a"}), NO_TOKENS),
    "part type": Place(_part(lambda text: {"Content-Type": text}), BREAKS),
}
CASES = [
    pytest.param(place, text, id=f"{name}/{kind}")
    for name, place in PLACES.items()
    for kind, text in place.texts.items()
]


def _app(make: Make, text: str) -> web.Application:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await make(request, text)

    async def late(request: web.Request, response: web.StreamResponse) -> None:
        if response.get(LATE) is not None:
            response.headers["X"] = response[LATE]

    app = app_of(handler)
    app.on_response_prepare.append(late)
    return app


async def _answers_of_guest(app: web.Application) -> list[Answer]:
    """Call an application as a host would, and read its messages strictly."""
    extensions = {"http.response.early_hint": {}, "http.response.trailers": {}}
    host = ScriptedHost()
    try:
        await host.call(app, http_scope(extensions=extensions, headers=[(b"te", b"trailers")]))
    except Exception:
        if not host.sent:  # only an answer that has begun may be cut so
            raise
    answers: list[Answer] = []
    for message in host.sent:
        kind = message["type"].rpartition(".")[2]
        if kind == "early_hint":
            answers.append(Answer(103, b"", [(b"link", link) for link in message["links"]]))
        elif kind == "start":
            answers.append(Answer(message["status"], b"", list(message["headers"]), is_whole=False))
        elif kind == "trailers":
            answers[-1].trailers = list(message["headers"])
        else:
            answers[-1].body += message["body"]
            answers[-1].is_whole = not message["more_body"]
    for answer in answers:
        check_fields(answer.fields)
        check_fields(answer.trailers)
    return answers


def _judge(place: Place, answers: list[Answer], log: pytest.LogCaptureFixture) -> None:
    """Nothing was injected; the application got the error, and the client a 500 or a cut."""
    told = [record.exc_info[0] for record in log.records if record.exc_info]
    for answer in answers:
        names = [name.lower() for name, _ in [*answer.fields, *answer.trailers]]
        assert b"injected" not in names
        assert not answer.body.startswith(b"<injected>")
    final = answers[-1]
    if place.raises:
        assert final.status == 500 or not final.is_whole
        assert len(told) == 1
        assert issubclass(told[0] or object, place.raises)
        assert all(b"Injected" not in value for _, value in final.fields)
    else:
        assert final.status != 500
        assert final.is_whole
        assert told == []
    for value in final.values(b"set-cookie"):
        assert {each.split("=")[0].strip() for each in value.decode().split(";")} == {"a", "Path"}


@pytest.mark.parametrize(("place", "text"), CASES)
async def test_nothing_is_injected_by_an_own_server(
    place: Place, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve_raw(_app(place.make, text), access_log=None) as served:
        raw = await served.exchange(request("/", "TE: trailers", "Connection: close"))
    _judge(place, read_answers(raw), caplog)


@pytest.mark.parametrize(("place", "text"), CASES)
async def test_nothing_is_injected_by_a_guest(
    place: Place, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    _judge(place, await _answers_of_guest(_app(place.make, text)), caplog)


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
async def test_what_is_harmless_goes_out_as_it_is(text: str) -> None:
    """RFC 9110 section 5.5: HTAB and obs-text may stand in a value, and in a reason."""
    expected = text.encode("utf-8", "surrogateescape")

    async def handler(request: web.Request) -> web.Response:
        return web.Response(headers={"X": text}, reason=text)

    async with serve_raw(app_of(handler)) as served:
        (answer,) = read_answers(await served.exchange(request("/")))
    assert (answer.values(b"x"), answer.reason) == ([expected], expected)
    (answer,) = await _answers_of_guest(app_of(handler))
    assert answer.values(b"x") == [expected]


# -- statuses


@pytest.mark.parametrize("status", [99, 1000, 0, -1, True, False, 100, 101, 103, 199, 10**30])
async def test_a_status_that_is_none_is_a_500(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """RFC 9112 section 4: three digits; RFC 9110 section 15.2: 1xx answers are interim."""
    place = Place(_of(lambda text: web.Response(status=status)), {})
    async with serve_raw(_app(place.make, ""), access_log=None) as served:
        _judge(place, read_answers(await served.exchange(request("/"))), caplog)
    caplog.clear()
    _judge(place, await _answers_of_guest(_app(place.make, "")), caplog)


@pytest.mark.parametrize("status", ["200", 200.7, HTTPStatus.OK])
async def test_a_status_becomes_an_int(status: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status)

    async with serve_raw(app_of(handler)) as served:
        (answer,) = read_answers(await served.exchange(request("/")))
    assert (answer.status, answer.reason) == (200, b"OK")


# -- parts of multipart bodies


@pytest.mark.parametrize("text", [*BREAKS.values(), 'a"; name="Injected', "a\\"])
@pytest.mark.parametrize("quoted", [True, False], ids=["quoted", "as is"])
@pytest.mark.parametrize("key", ["name", "filename"])
async def test_names_of_parts_stay_within_their_quotes(key: str, quoted: bool, text: str) -> None:
    """CVE-2026-50269: the head of a part is a head."""
    payload = BytesPayload(b"x", headers={})
    writer = MultipartWriter("form-data", boundary="B")
    try:
        payload.set_content_disposition("form-data", quote_fields=quoted, **{key: text})
        writer.append(payload)
        body = await writer.as_bytes()
    except ValueError:
        assert text in BREAKS.values()
        return
    head = body.split(b"\r\n\r\n")[0].removeprefix(b"--B\r\n")
    lines = [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n")]
    check_fields(lines)  # type: ignore[arg-type]  # of pairs
    disposition = dict(lines)[b"Content-Disposition"]
    assert disposition.replace(b"\\\\", b"").replace(b'\\"', b"").count(b'"') in (0, 2)


@pytest.mark.parametrize("text", BREAKS.values(), ids=BREAKS)
def test_a_boundary_stays_within_its_quotes(text: str) -> None:
    with pytest.raises(ValueError, match="boundary"):
        MultipartWriter(boundary=text)


# -- what a client sent


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ("Upgrade: <b>\xff", 400),
        ("Connection: \xff\r\nUpgrade: websocket", 400),
        ("Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: \xff", 400),
        ("Expect: <b>\xff", 417),
    ],
    ids=["upgrade", "connection", "version", "expect"],
)
async def test_bytes_of_a_client_are_shown_and_make_no_error(
    field: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """aiohttp's `Sec-WebSocket-Version: \xb2` is a 500; what is shown is never HTML."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        return response

    data = request("/", field.replace("\xff", "@")).replace(b"@", b"\xff")
    async with serve_raw(app_of(handler)) as served:
        (answer,) = read_answers(await served.exchange(data))
    assert answer.status == status
    assert answer.values(b"content-type") == [b"text/plain; charset=utf-8"]
    assert b"\\udcff" in answer.body
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_the_log_of_unknown_subprotocols_is_bounded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.WebSocketResponse(protocols=["ours"])
        await response.prepare(request)
        return response

    fields = [
        "Upgrade: websocket",
        "Connection: upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Sec-WebSocket-Protocol: {'x' * 4000}, {'y' * 4000}",
    ]
    async with serve_raw(app_of(handler), access_log=None) as served:
        await served.exchange(request("/", *fields))
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(record.getMessage()) < 400


@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
async def test_a_page_of_a_traceback_shows_what_is_no_text(
    accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise ValueError("<b>\ud800\udcff")

    async with serve_raw(app_of(handler), debug=True, access_log=None) as served:
        (answer,) = read_answers(await served.exchange(request("/", f"Accept: {accept}")))
    assert answer.status == 500
    assert b"\\ud800\\udcff" in answer.body
    assert (b"<b>" in answer.body) == (accept == "text/plain")
    assert len([record for record in caplog.records if record.exc_info]) == 1
