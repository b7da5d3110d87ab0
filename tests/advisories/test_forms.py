"""Advisories on readers of forms: limits, work, names."""

import asyncio
import logging
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from advisories.attacks import MIB, assert_linear, form, head, peak_memory
from bascule import web
from support.requests import app_of
from support.wire import serve

FIELD = b'--B\r\nContent-Disposition: form-data; name="a"\r\n'
FILE = b'--B\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n'
END = b"--B--\r\n"
MULTIPART = {"Content-Type": "multipart/form-data; boundary=B"}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


def cases(*pairs: tuple[str, bytes]) -> pytest.MarkDecorator:
    """Give a test bodies of forms, each by the identifier of an advisory."""
    return pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in pairs])


async def post(request: web.Request) -> web.Response:
    found = [
        (name, value.filename if isinstance(value, web.FileField) else str(value)[:100])
        for name, value in (await request.post()).items()
    ]
    return web.json_response(found[:20])


# -- bounds


@cases(
    ("CVE-2026-31958", FIELD + b"\r\n\r\n"),
    ("CVE-2026-91990", b"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n"),
    ("CVE-2023-30798 fields", FIELD + b"\r\nx\r\n"),
    ("CVE-2023-30798 files", FILE + b"\r\nx\r\n"),
    ("CVE-2023-25577 fields", FIELD + b"\r\n\r\n"),
    ("CVE-2023-25577 files", FILE + b"\r\n\r\n"),
    ("CVE-2023-24580", FILE + b"\r\nx\r\n"),
)
async def test_parts_are_counted_while_they_come(serve: Any, body: bytes) -> None:
    """Parts had no limit, or one that was looked at when all had been read: each took much more
    memory than it had come in."""
    client = await serve(app_of(post, client_max_size=0))
    with peak_memory() as peaks:
        answer = await client.post("/", fields=MULTIPART, body=body * 3_000 + END)
    assert answer.status == 413
    assert peaks[0] < 6 * MIB


async def test_PYSEC_2026_249_limits_of_urlencoded_forms(serve: Any) -> None:
    """The limits of forms held for multipart ones alone."""
    client = await serve(app_of(post))
    many = await client.post("/", fields=URLENCODED, body=b"a=b&" * 1000)
    large = await client.post("/", fields=URLENCODED, body=b"a=" + b"b" * MIB)
    assert (many.status, large.status) == (413, 413)


@cases(
    ("CVE-2024-47874", FIELD + b"\r\n"),
    ("CVE-2024-49767", b'--B\r\nContent-Disposition: form-data; name="a"; filename=""\r\n\r\n'),
    ("CVE-2024-49767 file", FILE + b"\r\n"),
    ("GHSA-v9pg-7xvm-68hf", b"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n"),
)
async def test_fields_are_measured_while_they_come(body: bytes) -> None:
    """A part that was no file, or that came in chunks, was kept in memory without limit."""

    async with serve(app_of(post)) as served, served.connect() as wire:
        data = body + b"x" * (32 * MIB)
        with peak_memory() as peaks:
            await wire.send(head("Transfer-Encoding: chunked", *map(": ".join, MULTIPART.items())))
            sending = asyncio.create_task(_send_chunks(wire, data))
            assert (await wire.read_head())[0].startswith(b"HTTP/1.1 413 ")
            await wire.close()
            await sending
    assert peaks[0] < 6 * MIB


async def _send_chunks(wire: Any, data: bytes) -> None:
    try:
        for at in range(0, len(data), 65536):
            piece = data[at : at + 65536]
            await wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            await asyncio.sleep(0)
    except ConnectionError:
        pass


async def test_CVE_2025_54121_uploads_are_written_by_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A large upload went to the disk in the loop, and everybody waited."""
    threads: list[threading.Thread] = []
    rollover = tempfile.SpooledTemporaryFile.rollover

    def note(self: Any) -> None:
        threads.append(threading.current_thread())
        rollover(self)

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", note)
    body = FILE + b"\r\n" + bytes(4 * MIB) + b"\r\n" + END
    async with serve(app_of(post, client_max_size=0)) as served:
        assert (await served.exchange(form(body))).startswith(b"HTTP/1.1 200 ")
    assert threads
    assert threading.main_thread() not in threads


@cases(
    ("CVE-2026-42561", b"--B\r\n" + b"X: y\r\n" * 20_000),
    ("CVE-2026-42561 long", b"--B\r\nX: " + b"y" * MIB),
    ("CVE-2026-42561 many", b"--B\r\n" + (b"A: " + b"b" * 7000 + b"\r\n") * 20),
)
async def test_heads_of_parts_have_limits(serve: Any, body: bytes) -> None:
    """The head of a part could go on for ever."""
    client = await serve(app_of(post, client_max_size=0))
    with peak_memory() as peaks:
        assert (await client.post("/", fields=MULTIPART, body=body)).status == 413
    assert peaks[0] < 2 * MIB + 4 * len(body)


async def test_CVE_2026_33034_the_bytes_count_not_their_length() -> None:
    """A Content-Length that was missing passed the limit of a body by."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    async with serve(app_of(handler)) as served:
        for lines, data in (
            (["Transfer-Encoding: chunked"], b"%x\r\n%b\r\n0\r\n\r\n" % (2 * MIB, bytes(2 * MIB))),
            ([f"Content-Length: {2 * MIB}"], bytes(2 * MIB)),
        ):
            async with served.connect() as wire:
                await wire.send(head(*lines))
                sending = asyncio.create_task(_send_all(wire, data))
                assert (await wire.read_head())[0].startswith(b"HTTP/1.1 413 ")
                await wire.close()
                await sending


async def _send_all(wire: Any, data: bytes) -> None:
    try:
        await wire.send(data)
    except ConnectionError:
        pass


@pytest.mark.parametrize("length", [0, 3, 10**9])
async def test_CVE_2026_33034_hosts_that_tell_another_length(length: int) -> None:
    """The same under a host that hands on whatever it was told."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    app = app_of(handler)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(b"content-length", b"%d" % length)],
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": bytes(MIB // 2), "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    async with app:
        await app(scope, receive, send)
    # A host that says there is no body is believed: nothing of it is read.
    assert sent[0]["status"] == (413 if length else 200)
    assert length or sent[1]["body"] == b"0"


# -- work


@cases(
    ("CVE-2023-46136 CR", b"\r"),
    ("CVE-2023-46136 LF", b"\n"),
    ("CVE-2023-46136 CRLF", b"\r\n"),
    ("CVE-2023-46136 dashes", b"\r\n--"),
    ("CVE-2023-46136 boundary", b"\r\n--A"),
    ("CVE-2022-23833", b"\r\n-"),
)
@pytest.mark.parametrize("start", [FILE, FIELD], ids=["file", "field"])
async def test_boundaries_are_looked_for_once(start: bytes, body: bytes) -> None:
    """Data that looks like a delimiter was searched again with each piece that came."""

    def ask(size: int) -> bytes:
        return form(start + b"\r\n" + body * (size // len(body)) + b"x\r\n" + END)

    await assert_linear(ask, 100_000, app_of(post))


@cases(
    ("CVE-2024-53981 CR", b"\r"),
    ("CVE-2024-53981 LF", b"\n"),
    ("CVE-2026-40347 CRLF", b"\r\n"),
    ("CVE-2026-40347 dashes", b"--"),
)
@pytest.mark.parametrize("where", ["preamble", "epilogue"])
async def test_nothing_is_done_for_what_is_no_part(
    body: bytes, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each byte in front of the first part, and behind the last, was an event and a line of log."""
    caplog.set_level(logging.DEBUG)
    part = FIELD + b"\r\nx\r\n" + END

    def ask(size: int) -> bytes:
        filler = body * (size // len(body))
        return form(filler + b"\r\n" + part if where == "preamble" else part + filler)

    await assert_linear(ask, 100_000, app_of(post))
    own = [
        each
        for each in caplog.records
        if each.name.startswith("bascule") and "access" not in each.name
    ]
    assert len(own) <= 6  # of six requests


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param("a" * 10, id="CVE-2024-24762 token"),
        pytest.param('; a="', id="CVE-2024-24762 quotes"),
        pytest.param(" \t", id="CVE-2024-24762 blanks"),
        pytest.param(";" * 10, id="CVE-2026-28356 semicolons"),
        pytest.param('\\"', id="CVE-2026-28356 escapes"),
        pytest.param(";a=b", id="CVE-2025-67726 parameters"),
        pytest.param('; a="\\', id="CVE-2025-67726 both"),
    ],
)
@pytest.mark.parametrize("where", ["media", "disposition"])
async def test_parameters_take_linear_work(piece: str, where: str) -> None:
    """A regular expression for parameters took quadratic or exponential time."""

    async def handler(request: web.Request) -> web.Response:
        await request.post()
        return web.Response(text=repr(request.content_type) + repr(request.charset))

    def ask(size: int) -> bytes:
        evil = piece * (size // len(piece))
        if where == "media":
            return form(b"", f'multipart/form-data; boundary="{evil}!')
        part = f'--B\r\nContent-Disposition: form-data; name="a"; b="{evil}!\r\n\r\nx\r\n--B--\r\n'
        return form(part.encode())

    await assert_linear(ask, 1900, app_of(handler))


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(b"&", id="CVE-2026-53539 empty"),
        pytest.param(b"a=b&", id="CVE-2026-53539 pairs"),
        pytest.param(b";", id="CVE-2026-53539 semicolons"),
        pytest.param(b"%", id="CVE-2026-53539 percents"),
        pytest.param(b"&", id="CVE-2026-82397 empty"),
        pytest.param(b"=&", id="CVE-2026-82397 blank pairs"),
        pytest.param(b"+", id="CVE-2026-82397 blanks"),
    ],
)
async def test_separators_take_linear_work(piece: bytes) -> None:
    """Millions of separators stopped the loop, or took quadratic time."""

    def ask(size: int) -> bytes:
        data = piece * (size // len(piece))
        return form(data, "application/x-www-form-urlencoded")

    await assert_linear(ask, 30_000, app_of(post))


@pytest.mark.parametrize("filler", [b" ", b"\r\n", b"a ", b"\n", b"!"])
async def test_CVE_2026_33033_blanks_in_base64(filler: bytes) -> None:
    """For each piece of blanks more was read until four digits were there."""

    def ask(size: int) -> bytes:
        part = FILE + b"Content-Transfer-Encoding: base64\r\n\r\n"
        return form(part + filler * (size // len(filler)) + b"YWJj\r\n" + END)

    await assert_linear(ask, 100_000, app_of(post))


async def test_CVE_2025_47287_a_line_of_log_for_each_part(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each part that could not be read was a line in the log."""
    caplog.set_level(logging.DEBUG)
    body = b"--B\r\nContent-Disposition: form-data; name=\r\n\r\nx\r\n" * 900 + END
    async with serve(app_of(post)) as served:
        assert (await served.exchange(form(body))).startswith(b"HTTP/1.1 400 ")
    assert len([each for each in caplog.records if each.name.startswith("bascule")]) <= 2


# -- names


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("../../evil", id="CVE-2026-24486 parents"),
        pytest.param("/tmp/evil", id="CVE-2026-24486 absolute"),
        pytest.param("..\\..\\evil", id="CVE-2021-28658 backslashes"),
        pytest.param("..&#x2F;evil", id="CVE-2021-28658 entities"),
        pytest.param("x/../../evil", id="CVE-2021-31542 inside"),
        pytest.param("%2e%2e%2fevil", id="CVE-2021-31542 encoded"),
    ],
)
async def test_names_of_uploads_are_no_paths(
    serve: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file was made where the client had said. Here its name is text and no more: what is kept
    of a file has no name at all."""
    directory = tmp_path / "a" / "b"
    directory.mkdir(parents=True)
    monkeypatch.chdir(directory)
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    seen: list[list[Path]] = []

    async def handler(request: web.Request) -> web.Response:
        field = (await request.post())["a"]
        assert isinstance(field, web.FileField)
        seen.append([path for path in tmp_path.rglob("*") if path.is_file()])
        return web.Response(text=field.filename)

    client = await serve(app_of(handler, client_max_size=0))
    part = f'--B\r\nContent-Disposition: form-data; name="a"; filename="{name}"\r\n\r\n'.encode()
    answer = await client.post("/", fields=MULTIPART, body=part + bytes(2 * MIB) + b"\r\n" + END)
    assert answer.status == 200
    assert seen == [[]]


@pytest.mark.parametrize("order", [1, -1])
async def test_CVE_2026_53537_plain_names_win(serve: Any, order: int) -> None:
    """What a guard in front had looked at was replaced by an extended parameter, which RFC 7578
    forbids."""
    pairs = ['filename="good.txt"', "filename*=UTF-8''evil.php", 'name="a"', "name*=UTF-8''evil"]
    line = "; ".join(["Content-Disposition: form-data", *pairs[::order]])
    client = await serve(app_of(post))
    body = f"--B\r\n{line}\r\n\r\nx\r\n--B--\r\n".encode()
    assert (await client.post("/", fields=MULTIPART, body=body)).text == '[["a", "good.txt"]]'


async def test_CVE_2026_53538_semicolons_in_forms(serve: Any) -> None:
    """A guard in front saw one field where there were two."""
    client = await serve(app_of(post))
    answer = await client.post("/", fields=URLENCODED, body=b"a=1;b=2&c=3")
    assert answer.text == '[["a", "1;b=2"], ["c", "3"]]'
