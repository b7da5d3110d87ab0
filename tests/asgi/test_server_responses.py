"""How an ASGI application of others answers on our server: rules S60 to S109."""

import asyncio
import contextvars
import errno
import logging
from typing import Any

import pytest

from support.asgi_role import (
    GET,
    LAST_GET,
    START,
    Application,
    answer_to,
    body,
    get,
    opened,
    post,
    raised_by,
    read_rest,
    start,
)
from support.wire import PATIENCE, Wire

HEAD = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST_CHUNK = b"\r\n0\r\n\r\n"


def sending(*messages: Any) -> Any:
    """Make a handler that sends messages."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return handler


async def fields_of(*messages: Any) -> list[bytes]:
    """Give the fields of an answer, as they came."""
    answer = await answer_to(sending(*messages))
    return answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]


async def answers_to(handler: Any, *requests: bytes) -> list[tuple[bytes, Any, bytes]]:
    """Give the answers to requests that come one behind another on one connection."""
    answers = []
    async with opened(Application(handler)) as (_, wire):
        for data in requests:
            await wire.send(data)
            answers.append(await wire.read_answer())
    return answers


# -- heads and framing


async def test_s60_status_and_headers() -> None:
    """Status, headers, their order and their repetitions come to the client."""
    headers = ((b"x-b", b"1"), (b"x-a", b"2"), (b"x-b", b"3"), (b"set-cookie", b"a=b"))
    answer = await answer_to(sending(start(*headers, status=418), body()))
    lines = answer.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 418 I'm a Teapot"
    assert lines[1:5] == [b"x-b: 1", b"x-a: 2", b"x-b: 3", b"set-cookie: a=b"]


async def test_s61_no_headers() -> None:
    """A start without headers has none."""
    message = {"type": "http.response.start", "status": 204}
    assert (await answer_to(sending(message, body()))).startswith(b"HTTP/1.1 204 No Content\r\n")


async def test_s62_headers_are_any_iterables() -> None:
    """Headers may be a generator, and its items lists."""
    pairs = ([name, b"1"] for name in (b"x-a", b"x-b"))
    assert (await fields_of({**START, "headers": pairs}, body()))[:2] == [b"x-a: 1", b"x-b: 1"]


async def test_s63_a_body_message_without_keys() -> None:
    """A missing body is empty, and a missing more_body says that it is the last."""
    (answer,) = await answers_to(sending(START, {"type": "http.response.body"}), GET)
    assert answer[2] == b""


async def test_s64_no_length_on_http_1_1() -> None:
    """Without Content-Length a streamed body is sent in chunks, and the connection goes on."""
    handler = sending(START, body(b"abc", True), body(b"de"))
    for _, fields, data in await answers_to(handler, GET, GET):
        assert (fields[b"transfer-encoding"], data) == (b"chunked", b"abcde")


async def test_s65_no_length_on_http_1_0() -> None:
    """An HTTP/1.0 client gets no chunks; the end of the connection ends the body."""
    answer = await answer_to(
        sending(START, body(b"abc", True), body(b"de")), b"GET / HTTP/1.0\r\n\r\n"
    )
    assert b"transfer-encoding" not in answer.lower()
    assert answer.endswith(b"\r\n\r\nabcde")


async def test_s66_a_length() -> None:
    """A Content-Length is used as it is."""
    handler = sending(start((b"content-length", b"5")), body(b"abc", True), body(b"de"))
    for _, fields, data in await answers_to(handler, GET, GET):
        assert (fields[b"content-length"], data) == (b"5", b"abcde")
        assert b"transfer-encoding" not in fields


@pytest.mark.parametrize("coding", [b"chunked", b"gzip, chunked", b"identity"])
async def test_s67_transfer_encodings_are_ours(coding: bytes) -> None:
    """A Transfer-Encoding of the application's is ignored: there is at most one, the server's."""
    handler = sending(start((b"transfer-encoding", coding)), body(b"abc", True), body(b"de"))
    for _, fields, data in await answers_to(handler, GET, GET):
        assert (fields[b"transfer-encoding"], data) == (b"chunked", b"abcde")


async def test_s68_transfer_encoding_and_length() -> None:
    """A Transfer-Encoding beside a Content-Length does not come to the client."""
    headers = ((b"transfer-encoding", b"chunked"), (b"content-length", b"3"))
    (answer,) = await answers_to(sending(start(*headers), body(b"abc")), GET)
    assert b"transfer-encoding" not in answer[1]
    assert (answer[1][b"content-length"], answer[2]) == (b"3", b"abc")


async def test_s69_each_piece_is_flushed() -> None:
    """Each piece of a body leaves before the next is sent."""
    go_on = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for piece in (b"one", b"two"):
            await send(body(piece, True))
            await go_on.wait()
            go_on.clear()
        await send(body())

    async with opened(Application(handler)) as (_, wire):
        await wire.send(GET)
        await wire.read_head()
        for piece in (b"3\r\none\r\n", b"3\r\ntwo\r\n"):
            async with asyncio.timeout(PATIENCE):
                assert await wire.reader.readexactly(8) == piece
            go_on.set()


async def test_s70_the_start_is_held() -> None:
    """The start of a response is held: an error behind it can still be answered with 500."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        raise ValueError("too early")

    assert (await answer_to(handler)).startswith(b"HTTP/1.1 500 ")


# -- answers without a body


@pytest.mark.parametrize(
    "messages",
    [
        [start((b"content-length", b"5")), body(b"abcde")],
        [start((b"content-length", b"5")), body()],
    ],
)
async def test_s71_head(messages: list[Any]) -> None:
    """HEAD is answered without body, the Content-Length kept, and the connection goes on."""
    async with opened(Application(sending(*messages))) as (_, wire):
        for _ in range(2):
            await wire.send(HEAD)
            first, fields = await wire.read_head()
            assert (first, fields[b"content-length"]) == (b"HTTP/1.1 200 OK", b"5")


async def test_s72_head_of_a_stream() -> None:
    """HEAD of a streamed response has no body, and the connection goes on."""
    handler = sending(START, body(b"abc", True), body(b"de"))
    async with opened(Application(handler)) as (_, wire):
        for _ in range(2):
            await wire.send(HEAD)
            assert (await wire.read_head())[0] == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("messages", [[body()], [body(b"abc")], [body(b"abc", True), body()]])
async def test_s73_204(messages: list[Any]) -> None:
    """204 has no body and no Transfer-Encoding, and the connection goes on."""
    async with opened(Application(sending(start(status=204), *messages))) as (_, wire):
        for _ in range(2):
            await wire.send(GET)
            first, fields = await wire.read_head()
            assert first == b"HTTP/1.1 204 No Content"
            assert not {b"transfer-encoding", b"content-length"} & fields.keys()


async def test_s74_304_with_a_body() -> None:
    """What is sent as body of a 304 by mistake does not leak into the next answer."""
    handler = sending(start((b"content-length", b"3"), status=304), body(b"abc"))
    async with opened(Application(handler)) as (_, wire):
        for _ in range(2):
            await wire.send(GET)
            assert (await wire.read_head())[0] == b"HTTP/1.1 304 Not Modified"


# -- connections


async def tell_path(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(body(scope["raw_path"]))


async def test_s75_pipelining() -> None:
    """Pipelined requests are answered in order."""
    paths = [b"/%d" % number for number in range(20)]
    async with opened(Application(tell_path)) as (_, wire):
        await wire.send(b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in paths))
        assert [(await wire.read_answer())[2] for _ in paths] == paths


async def test_s76_keep_alive() -> None:
    """A connection serves many requests."""
    assert len(await answers_to(tell_path, *[GET] * 50)) == 50


async def test_s77_the_client_closes() -> None:
    """A client's Connection: close is honoured."""
    answer = await answer_to(tell_path, LAST_GET)
    assert b"connection: close" in answer.lower()


async def test_s78_the_application_closes() -> None:
    """An application's Connection: close is honoured."""
    handler = sending(start((b"connection", b"close")), body(b"abc"))
    answer = await answer_to(handler, GET)
    assert answer.lower().count(b"connection: close") == 1
    assert answer.endswith(b"abc")


# -- messages that are wrong


@pytest.mark.parametrize(
    "message",
    [body(b"more"), body(b"more", True), START, {"type": "nonsense"}, {"type": "x", "y": 1}],
)
async def test_s79_messages_behind_the_end(message: Any) -> None:
    """Messages behind a complete response are ignored, and leave no trace."""
    handler = sending(START, body(b"abc"), message, message)
    app = Application(handler)
    async with opened(app) as (_, wire):
        for _ in range(2):
            await wire.send(GET)
            assert (await wire.read_answer())[2] == b"abc"
        await app.ended(2)
    assert app.errors == [None, None]


async def test_s80_unknown_messages() -> None:
    """An unknown type of message raises."""
    assert isinstance(await raised_by({"type": "http.response.nonsense"}), ValueError)


@pytest.mark.parametrize("pair", [("x", b"y"), (b"x", "y"), (b"x", 1)])
async def test_s81_headers_that_are_no_bytes(pair: Any) -> None:
    """Text in headers raises."""
    assert isinstance(await raised_by({**START, "headers": [pair]}), TypeError)


async def test_s82_a_body_before_the_start() -> None:
    """A body before the start raises."""
    assert isinstance(await raised_by(body(b"x")), RuntimeError)


async def test_s83_two_starts() -> None:
    """A second start raises."""
    assert isinstance(await raised_by(START, START), RuntimeError)
    assert isinstance(await raised_by(START, body(b"x", True), START), RuntimeError)


async def test_s84_no_status() -> None:
    """A start without status raises."""
    assert isinstance(await raised_by({"type": "http.response.start"}), KeyError)


async def test_s85_keys_that_are_not_known() -> None:
    """Keys that are not known do not matter."""
    messages = [{**START, "future": 1}, {**body(b"abc"), "future": {}}]
    (answer,) = await answers_to(sending(*messages), GET)
    assert answer[2] == b"abc"


async def test_s86_a_body_of_text() -> None:
    """Text as body raises."""
    assert isinstance(await raised_by(START, {**body(), "body": "text"}), TypeError)


# -- clients that leave, and errors


def endless(told: Any, kind: Any = START) -> Any:
    """Make a handler that streams until send() raises."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(kind)
        try:
            while True:
                await send(body(b"x" * 65536, True))
        except OSError as exc:
            told(exc)
            raise

    return handler


@pytest.mark.parametrize("way", ["close", "abort"])
async def test_s87_send_raises_once_the_client_has_left(way: str) -> None:
    """send() raises an OSError once the client has left, and goes on to do so."""
    raised: list[OSError] = []

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        try:
            await endless(raised.append)(scope, receive, send)
        except OSError:
            with pytest.raises(OSError):
                await send(body(b"x", True))
            with pytest.raises(OSError):
                await send(body(b""))

    app = Application(handler)
    async with opened(app) as (_, wire):
        await wire.send(GET)
        await wire.read_head()
        getattr(wire.writer.transport, way)()
        await app.ended()
    assert app.errors == [None]
    assert len(raised) == 1


async def wrap(scope: Any, receive: Any, send: Any) -> None:
    """Raise as frameworks do: from it, behind it, and in groups of it."""
    try:
        await endless(lambda exc: None)(scope, receive, send)
    except OSError as exc:
        kind = scope["path"]
        if kind == "/from":
            raise RuntimeError("disconnected") from exc
        if kind == "/behind":
            raise RuntimeError("disconnected") from None
        if kind == "/group":
            raise BaseExceptionGroup("of tasks", [exc, ExceptionGroup("more", [exc])]) from None
        raise


@pytest.mark.parametrize("kind", ["as it is", "from", "behind", "group"])
async def test_s88_that_error_is_not_logged(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """That OSError is not logged when it leaves the application, as it is or in another one."""
    app = Application(wrap)
    async with opened(app) as (_, wire):
        await wire.send(get(target=f"/{kind.split()[0]}"))
        await wire.read_head()
        wire.writer.transport.abort()
        await app.ended()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_s88_other_errors_of_the_application_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An OSError of the application's own is an error."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        raise ConnectionResetError(errno.ECONNRESET, "of its database")

    assert (await answer_to(handler)).startswith(b"HTTP/1.1 500 ")
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_s88_groups_with_another_error_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An error of the application's own is not lost beside that OSError."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        try:
            await endless(lambda exc: None)(scope, receive, send)
        except OSError as exc:
            raise ExceptionGroup("both", [exc, ValueError("its own")]) from None

    app = Application(handler)
    async with opened(app) as (_, wire):
        await wire.send(GET)
        await wire.read_head()
        wire.writer.transport.abort()
        await app.ended()
    assert [r.levelname for r in caplog.records if r.levelno >= logging.WARNING] == ["ERROR"]


async def test_s89_an_error_before_the_start() -> None:
    """An error before the start is answered with 500, well-formed."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("no")

    async with opened(Application(handler)) as (_, wire):
        await wire.send(GET)
        first, fields, data = await wire.read_answer()
    assert first == b"HTTP/1.1 500 Internal Server Error"
    assert len(data) == int(fields[b"content-length"])


async def test_s90_an_error_behind_the_start() -> None:
    """An error inside a body in chunks leaves it without its end."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(b"abc", True))
        raise ValueError("no")

    assert not (await answer_to(handler)).endswith(LAST_CHUNK)


async def test_s91_no_response() -> None:
    """An application that returns without a response is answered for with 500."""
    assert (await answer_to(sending())).startswith(b"HTTP/1.1 500 ")


async def test_s92_half_a_response() -> None:
    """A response that is not completed has no end, and the connection does."""
    assert not (await answer_to(sending(START, body(b"abc", True)))).endswith(LAST_CHUNK)


@pytest.mark.parametrize("swallow", [False, True])
async def test_s93_too_few_bytes(swallow: bool) -> None:
    """Fewer bytes than declared end the connection, whatever the application makes of it."""

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(start((b"content-length", b"10")))
            await send(body(b"abc"))
        except Exception:
            if not swallow:
                raise

    assert not (await answer_to(handler, GET)).partition(b"\r\n\r\n")[2].strip(b"abc")


@pytest.mark.parametrize(
    "messages", [[body(b"abcde")], [body(b"ab", True), body(b"cde", True), body(b"f")]]
)
async def test_s94_too_many_bytes(messages: list[Any]) -> None:
    """What goes beyond the declared length is never sent."""
    handler = sending(start((b"content-length", b"3")), *messages)
    for answer in await answers_to(handler, GET, GET):
        assert answer[2] == b"abc"


async def test_s95_send_waits_for_the_client() -> None:
    """send() waits while the client does not read."""
    sent = 0

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send(START)
        for _ in range(512):
            await send(body(bytes(2**16), True))
            sent += 2**16
        await send(body())

    async with opened(Application(handler)) as (served, wire):
        await wire.send(GET)
        connection = await served.alone()
        async with asyncio.timeout(PATIENCE):
            while connection.room() is None:
                await asyncio.sleep(0)
        assert sent < 32 * 2**20
        assert len((await wire.read_answer())[2]) == 32 * 2**20


async def test_s96_a_large_response() -> None:
    """10 MB in one message come through."""
    data = bytes(range(256)) * 40_000
    (answer,) = await answers_to(sending(START, body(data)), GET)
    assert answer[2] == data


@pytest.mark.parametrize(
    "pair", [(b"x", b"a\r\ny: b"), (b"x\r\ny", b"a"), (b"x", b"a\nb"), (b"x", b"a\0")]
)
async def test_s97_response_splitting(pair: Any) -> None:
    """Headers that would be more than one field are refused."""
    assert isinstance(await raised_by(start(pair)), ValueError)


async def test_s98_date() -> None:
    """There is one Date; the application's own wins."""
    assert len([f for f in await fields_of(START, body()) if f.lower().startswith(b"date:")]) == 1
    fields = await fields_of(start((b"Date", b"mine")), body())
    assert [f for f in fields if f.lower().startswith(b"date:")] == [b"Date: mine"]


async def test_s99_server() -> None:
    """The application's own Server is the only one."""
    fields = await fields_of(start((b"server", b"mine")), body())
    assert [f for f in fields if f.lower().startswith(b"server:")] == [b"server: mine"]


# -- bodies that nobody reads, and malformed requests


async def test_s100_an_answer_before_the_body_is_read() -> None:
    """An answer that comes before a large body is read reaches the client."""
    async with opened(Application(sending(START, body(b"no")))) as (_, wire):
        sending_it = asyncio.ensure_future(wire.send(post(b"x" * 1000, length=64 * 2**20)))
        assert (await wire.read_answer())[2] == b"no"
        await sending_it
        assert await read_rest(wire) == b""


async def test_s101_a_body_that_is_not_read() -> None:
    """A small body that nobody has read does not break the next request."""
    assert len(await answers_to(sending(START, body()), post(b"abc"), post(b"def"), GET)) == 3


@pytest.mark.parametrize("data", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost x\r\n\r\n"])
async def test_s102_malformed_requests(data: bytes) -> None:
    """A malformed request is answered with 400."""
    assert (await answer_to(tell_path, data)).startswith(b"HTTP/1.1 400 ")


async def test_s103_two_framings() -> None:
    """Content-Length beside Transfer-Encoding is refused, and what follows is no request."""
    data = post(b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", "Transfer-Encoding: chunked")
    answer = await answer_to(tell_path, data)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_s104_no_host() -> None:
    """HTTP/1.1 without Host is answered with 400."""
    assert (await answer_to(tell_path, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_s105_requests_run_concurrently() -> None:
    """Requests of several connections run beside one another."""
    together = asyncio.Barrier(5)

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await together.wait()
        await send(START)
        await send(body())

    async with opened(Application(handler)) as (served, first):
        others = [Wire(*await asyncio.open_connection("127.0.0.1", served.port)) for _ in range(4)]
        for wire in (first, *others):
            await wire.send(GET)
        for wire in (first, *others):
            assert (await wire.read_answer())[0] == b"HTTP/1.1 200 OK"
        for wire in others:
            await wire.close()


async def test_s106_upgrades_that_are_not_known() -> None:
    """An Upgrade to something else is ignored."""
    fields = ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk")
    for answer in await answers_to(tell_path, get(*fields), GET):
        assert answer[0] == b"HTTP/1.1 200 OK"


# -- contexts

_VARIABLE: contextvars.ContextVar[bytes] = contextvars.ContextVar("_VARIABLE", default=b"unset")


async def mark(scope: Any, receive: Any, send: Any) -> None:
    """Tell what the context has, and change it."""
    found = _VARIABLE.get()
    _VARIABLE.set(b"leaked")
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send(START)
    await send(body(found))


async def test_s107_contexts_of_requests() -> None:
    """What a request puts into its context the next one on the connection does not see."""
    assert [answer[2] for answer in await answers_to(mark, GET, GET)] == [b"unset", b"unset"]


async def test_s108_contexts_of_pipelined_requests() -> None:
    """Neither does a pipelined one."""
    async with opened(Application(mark)) as (_, wire):
        await wire.send(GET * 5 + post(b"abc") + GET)
        assert [(await wire.read_answer())[2] for _ in range(7)] == [b"unset"] * 7


async def test_s109_contexts_behind_large_uploads() -> None:
    """Nor one behind an upload for which reading was paused and resumed."""
    async with opened(Application(mark)) as (_, wire):
        for data in (post(bytes(8 * 2**20)), GET, post(bytes(8 * 2**20)), GET):
            _, answer = await asyncio.gather(wire.send(data), wire.read_answer())
            assert answer[2] == b"unset"
