"""Forms and other bodies that mean no good: the fault of the client, and quietly so, on every
host."""

import asyncio
import json
import logging
from typing import Any

import pytest

from bascule import BodyPartReader, web
from bascule.testing import Client
from bascule.testing.errors import ServerDisconnectedError
from support.bodies import MIB

URLENCODED = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=B"
MIXED = "multipart/mixed; boundary=B"
END = b"\r\n--B--\r\n"


def field(head: bytes = b'form-data; name="a"', data: bytes = b"x", more: bytes = b"") -> bytes:
    return b"--B\r\nContent-Disposition: " + head + b"\r\n" + more + b"\r\n" + data + b"\r\n"


FILE = field(b'form-data; name="a"; filename="b"', b"x" * (2 * MIB))


async def read_form(request: web.Request) -> Any:
    return [
        [name, value.filename if isinstance(value, web.FileField) else str(value)]
        for name, value in (await request.post()).items()
    ]


async def read_json(request: web.Request) -> Any:
    return await request.json()


async def read_text(request: web.Request) -> Any:
    return await request.text()


async def read_range(request: web.Request) -> Any:
    return str(request.http_range)


def read_parts(method: str) -> Any:
    async def read(request: web.Request) -> Any:
        found = []
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            found.append(await getattr(part, method)())
        return found

    return read


def make_app(work: Any, **options: Any) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(await work(request))

    app = web.Application(**options)
    app.router.add_post("/", handler)
    return app


def loud(caplog: Any) -> list[str]:
    """Give what was logged that somebody would be woken by."""
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


LF_FORM = field().replace(b"\r\n", b"\n") + b"--B--\n"
BROKEN: list[tuple[Any, str, bytes]] = [
    # Boundaries.
    (read_form, "multipart/form-data", field() + END),
    (read_form, "multipart/form-data; boundary=", field() + END),
    (read_form, "multipart/form-data; boundary=C", field() + END),
    (read_form, f"multipart/form-data; boundary={'b' * 71}", b"--" + b"b" * 71 + b"--"),
    (read_form, "multipart/form-data; boundary=C; boundary=B", field() + END),
    (read_form, 'multipart/form-data; boundary="B "', field() + END),
    (read_form, 'multipart/form-data; boundary="B\tC"', b"--B\tC--"),
    # What ends early, at every kind of place, and what never begins.
    *((read_form, PARTS, (field() + END)[:at]) for at in (0, 2, 3, 5, 20, 40, 48, 52, 54, 58)),
    (read_form, PARTS, b"\r\n" * 1000),
    (read_form, PARTS, LF_FORM),
    # Heads of parts.
    (read_form, PARTS, b"--B\r\n\r\nx" + END),
    (read_form, PARTS, field(b"form-data") + END),
    (read_form, PARTS, field(b'form-data; name="a"; name="b"') + END),
    (read_form, PARTS, field(b'form-data; name="a') + END),
    (read_form, PARTS, field(b"=?utf-8?q?a?=") + END),
    (read_form, PARTS, field(more=b"Content-Disposition: form-data; name=b\r\n") + END),
    (read_form, PARTS, field(more=b" folded: x\r\n") + END),
    (read_form, PARTS, field(more=b"A B: x\r\n") + END),
    (read_form, PARTS, field(more=b": x\r\n") + END),
    (read_form, PARTS, field(b'form-data; name="a\0b"') + END),
    (read_form, PARTS, field(b'form-data; name="a"; filename="b\rc"') + END),
    (read_form, PARTS, field(more=b"Content-Type: multipart/mixed; boundary=C\r\n") + END),
    (read_form, PARTS, field(more=b"Content-Transfer-Encoding: x-uuencode\r\n") + END),
    # Data that is not of its coding or its charset.
    (read_form, PARTS, field(data=b"\xff") + END),
    (read_form, PARTS, field(data=b"a", more=b"Content-Transfer-Encoding: base64\r\n") + END),
    *(
        (read_form, PARTS, field(more=b"Content-Type: text/plain; charset=%b\r\n" % charset) + END)
        for charset in (b"no-such", b"hex", b"zlib", b"rot13", b"idna", b"punycode", b"undefined")
    ),
    *(
        (read_form, f"{URLENCODED}; charset={charset}", b"a=b")
        for charset in ("no-such", "hex", "zlib_codec", "bz2", "rot13", "idna", "unicode_escape")
    ),
    (read_form, f'{URLENCODED}; charset="utf-8\\\\"', b"a=b"),
    # Parts that handlers read one by one.
    *((read_parts(method), "text/plain", b"x") for method in ("read", "text", "json", "form")),
    (read_parts("read"), "multipart/mixed", b"x"),
    (read_parts("text"), MIXED, b"--B\r\n\r\n\xff" + END),
    (read_parts("text"), MIXED, b"--B\r\nContent-Type: a/b; charset=no-such\r\n\r\nx" + END),
    (read_parts("form"), MIXED, b"--B\r\nContent-Type: a/b; charset=no-such\r\n\r\nx" + END),
    (read_parts("form"), MIXED, b"--B\r\n\r\n\xff" + END),
    (read_parts("json"), MIXED, b"--B\r\n\r\n{bad" + END),
    (read_parts("json"), MIXED, b"--B\r\n\r\n" + b"[" * 200_000 + END),
    (read_parts("json"), MIXED, b"--B\r\n\r\n" + b"1" * 9999 + END),
    # Other bodies that handlers have decoded.
    *((read_json, "application/json", body) for body in (b"", b"{bad", b"\xff", b"[1, ]", b"\0")),
    *((read_json, "application/json", body) for body in (b"[" * 200_000, b'{"a":' * 200_000)),
    (read_json, "application/json", b"1" * 9999),
    (read_json, "application/json; charset=no-such", b"{}"),
    (read_json, "application/json; charset=utf-16", b"{}x"),
    (read_text, "text/plain", b"\xff"),
    (read_text, "text/plain; charset=ascii", b"\x80"),
    (read_text, "text/plain; charset=rot13", b"x"),
    (read_text, "text/plain; charset=idna", b"x" * 70),
    (read_text, "text/plain; charset=punycode", b"x-" + b"9" * 5000),
]


async def test_broken_bodies_are_the_fault_of_the_client(serve: Any, caplog: Any) -> None:
    """CVE-2024-30251, CVE-2022-23833 and their kin: 400, and nobody is told."""

    async def handler(request: web.Request) -> web.Response:
        work, _, _ = BROKEN[int(request.match_info["number"])]
        return web.json_response(await work(request))

    app = web.Application(client_max_size=4 * MIB)
    app.router.add_post("/{number}", handler)
    client = await serve(app)
    wrong = {}
    for number, (_, media, body) in enumerate(BROKEN):
        answer = await client.post(f"/{number}", fields={"Content-Type": media}, body=body)
        if answer.status != 400 or "Traceback" in answer.text:
            wrong[number] = (media, body[:100], answer.status)
    assert wrong == {}
    assert loud(caplog) == []


async def test_a_range_that_is_none_is_the_fault_of_the_client(serve: Any, caplog: Any) -> None:
    client = await serve(make_app(read_range))
    for asked in ("bytes=5-1", "lines=1", "bytes=0x0-", "bytes=" + "9" * 5000 + "-"):
        assert (await client.post("/", fields={"Range": asked}, body=b"")).status == 400
    assert loud(caplog) == []


@pytest.mark.parametrize(
    ("work", "media", "body", "kind"),
    [
        (read_json, "application/json", b"{bad", json.JSONDecodeError),
        (read_json, "application/json", b"[" * 200_000, RecursionError),
        (read_text, "text/plain", b"\xff", UnicodeDecodeError),
        (read_text, "text/plain; charset=no-such", b"x", LookupError),
        (read_parts("text"), MIXED, b"--B\r\n\r\n\xff" + END, UnicodeDecodeError),
        (read_parts("json"), MIXED, b"--B\r\n\r\n{bad" + END, json.JSONDecodeError),
    ],
    ids=["json", "nested", "text", "charset", "part", "part of json"],
)
async def test_handlers_catch_what_parsers_raise(
    serve: Any, work: Any, media: str, body: bytes, kind: type[Exception]
) -> None:
    """By its very type, as in aiohttp."""

    async def catch(request: web.Request) -> Any:
        try:
            return await work(request)
        except Exception as exc:
            return type(exc) is kind

    answer = await (await serve(make_app(catch))).post(
        "/", fields={"Content-Type": media}, body=body
    )
    assert (answer.status, answer.text) == (200, "true")


async def test_errors_of_a_handler_of_its_own_are_500(serve: Any, caplog: Any) -> None:
    """Though they are of the same types, or come of one that was marked."""

    async def own(request: web.Request) -> Any:
        return json.loads("{bad")

    async def raised_from(request: web.Request) -> Any:
        try:
            await request.json()
        except ValueError as exc:
            raise RuntimeError("of the handler") from exc

    async def of_loads(request: web.Request) -> Any:
        return await request.json(loads=lambda text: text.no_such_name)  # type: ignore[attr-defined]

    for work in (own, raised_from, of_loads):
        answer = await (await serve(make_app(work))).post("/", body=b"{bad")
        assert answer.status == 500
    assert len(loud(caplog)) >= 3


async def test_a_broken_body_behind_the_head_of_an_answer_cuts_it() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        await request.json()
        return response

    app = web.Application()
    app.router.add_post("/", handler)
    async with Client(app) as client:
        with pytest.raises(ServerDisconnectedError):
            await (await client.post("/", data=b"{bad")).read()


# -- what is taken, and how


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"a=1;b=2", [["a", "1;b=2"]]),  # CVE-2021-23336, CVE-2026-53538
        (b"a=1&amp;b=2", [["a", "1"], ["amp;b", "2"]]),
        (b"a&=b&&c=&", [["a", ""], ["", "b"], ["c", ""]]),
        (b"a=%zz%4&b=%", [["a", "%zz%4"], ["b", "%"]]),
        (b"a=%ff&b=%c0%ae%c0%ae%2f", [["a", "\ufffd"], ["b", "\ufffd\ufffd\ufffd\ufffd/"]]),
        (b"a=%00%0d%0a&a=2", [["a", "\0\r\n"], ["a", "2"]]),
        (b"a=b=c", [["a", "b=c"]]),
        (b"__proto__=1&__class__=2&a[0][b]=3", None),
    ],
)
async def test_an_urlencoded_form_is_read_in_one_way(serve: Any, body: bytes, form: Any) -> None:
    client = await serve(make_app(read_form))
    answer = await client.post("/", fields={"Content-Type": URLENCODED}, body=body)
    if form is None:
        form = [["__proto__", "1"], ["__class__", "2"], ["a[0][b]", "3"]]
    assert (answer.status, json.loads(answer.text)) == (200, form)


@pytest.mark.parametrize(
    ("head", "name", "filename"),
    [
        # What a guard in front has looked at counts (CVE-2026-53537).
        (b"form-data; name=\"a\"; name*=utf-8''b", "a", "x"),
        (b"form-data; name*=utf-8''b; name=\"a\"", "a", "x"),
        (b'form-data; name="a"; filename="c.txt"; filename*=utf-8\'\'c.php', "a", "c.txt"),
        (b'form-data; name="a"; filename*=utf-8\'\'c.php; filename="c.txt"', "a", "c.txt"),
        (b"form-data; name=\"a\"; filename*=utf-8''c.php", "a", "c.php"),
        (b'form-data; name="a"; filename*0=c; filename*1=.php; filename=d', "a", "d"),
        # The name of a file is what the client says, and no path (CVE-2026-24486, CVE-2021-28658).
        (b'form-data; name="a"; filename="../../etc/passwd"', "a", "../../etc/passwd"),
        (b'form-data; name="a"; filename="/etc/passwd"', "a", "/etc/passwd"),
        (b'form-data; name="a"; filename="C:\\dir\\x"', "a", "C:\\dir\\x"),
        (b'form-data; name="a"; filename="..%2f..%2fx%00"', "a", "..%2f..%2fx%00"),
        (b"form-data; name=\"a\"; filename*=utf-8''..%2Fx", "a", "../x"),
        (b"form-data; name=\"a\"; filename*=utf-8''a%00b", "a", "x"),  # controls: as if absent
        (b"form-data; name=\"a\"; filename*=utf-8''a%0D%0Ab", "a", "x"),
        (b'form-data; name="../a"', "../a", "x"),
        (b'form-data; name=""', "", "x"),
    ],
)
async def test_names_are_what_the_client_says(
    serve: Any, head: bytes, name: str, filename: str
) -> None:
    client = await serve(make_app(read_form))
    body = field(head) + END[2:]
    answer = await client.post("/", fields={"Content-Type": PARTS}, body=body)
    assert (answer.status, json.loads(answer.text)) == (200, [[name, filename]])


async def test_the_first_boundary_counts(serve: Any) -> None:
    client = await serve(make_app(read_form))
    fields = {"Content-Type": "multipart/form-data; boundary=B; boundary=C; BOUNDARY=D"}
    answer = await client.post("/", fields=fields, body=field() + END[2:])
    assert (answer.status, answer.text) == (200, '[["a", "x"]]')


@pytest.mark.parametrize(
    ("media", "body"),
    [
        (URLENCODED, b"&".join([b"a=" + b"x" * 1000] * 11)),
        (URLENCODED, b"a=" + b"%41" * 3400),
        (PARTS, field(data=b"x" * 1000) * 11 + b"--B--"),
        (PARTS, field(b'form-data; name="a"; filename="b"', b"x" * 1000) * 11 + b"--B--"),
        (PARTS, field(data=b"x" * 1000, more=b"A: b\r\n" * 100) * 8 + b"--B--"),
        (PARTS, field(more=b"Content-Transfer-Encoding: base64\r\n", data=b" " * 10_000) + END),
        (PARTS, field() + END + b"\r\n" * 5000),
        (PARTS, b"\r\n" * 5000 + field() + END),
        (PARTS, b"\r\n" * 5000 + b"x" * 60_000),
    ],
)
async def test_the_whole_form_has_the_limit(serve: Any, media: str, body: bytes) -> None:
    """CVE-2025-69228, CVE-2024-49767, PYSEC-2026-249: not each field, and not what is decoded."""
    client = await serve(make_app(read_form, client_max_size=10_000))
    answer = await client.post("/", fields={"Content-Type": media}, body=body)
    assert answer.status == 413
    assert answer.text.startswith("Maximum request body size 10000 exceeded")


# -- what is left behind: files that are left open fail the test


@pytest.mark.parametrize("work", ["raise", "return"])
async def test_uploads_are_closed_whatever_the_handler_does(serve: Any, work: str) -> None:
    kept: list[Any] = []

    async def handle(request: web.Request) -> Any:
        form = await request.post()
        kept.extend(form.getall("a"))
        if work == "raise":
            raise web.HTTPForbidden
        return len(form)

    client = await serve(make_app(handle, client_max_size=8 * MIB))
    body = FILE * 2 + b"--B--"
    answer = await client.post("/", fields={"Content-Type": PARTS}, body=body)
    assert answer.status == (403 if work == "raise" else 200)
    assert [value.file.closed for value in kept] == [True, True]


@pytest.mark.parametrize(
    ("end", "status"), [(b"--B\r\nbad\r\n", 400), (b"", 400), (field() * 1001, 413)]
)
async def test_uploads_in_front_of_an_error_are_closed(
    serve: Any, caplog: Any, end: bytes, status: int
) -> None:
    client = await serve(make_app(read_form, client_max_size=8 * MIB))
    answer = await client.post("/", fields={"Content-Type": PARTS}, body=FILE + end)
    assert answer.status == status
    assert loud(caplog) == []


async def test_uploads_are_closed_when_the_client_leaves() -> None:
    """In the middle of a file that is on the disk already."""
    reading = asyncio.Event()
    ended: list[BaseException] = []

    async def handle(request: web.Request) -> Any:
        reading.set()
        try:
            return len(await request.post())
        except BaseException as exc:
            ended.append(exc)
            raise

    runner = web.AppRunner(make_app(handle, client_max_size=8 * MIB))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = int(site.name.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\nContent-Type: " + PARTS
        writer.write(head.encode() + b"\r\n\r\n" + FILE[:-100])
        await writer.drain()
        await reading.wait()
        writer.transport.abort()  # type: ignore[attr-defined]
        async with asyncio.timeout(30):
            while not ended:
                await asyncio.sleep(0.01)
    finally:
        await runner.cleanup()
    assert len(ended) == 1


# -- the log


async def test_many_bad_pieces_make_no_log(serve: Any, caplog: Any) -> None:
    """CVE-2025-69230, CVE-2025-47287: cookies, fields, parts."""

    async def work(request: web.Request) -> Any:
        found = [len(request.cookies), len(request.query), len(request.forwarded)]
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            found.append(len(part.name or "") + len(part.filename or ""))
        return len(found)

    caplog.set_level(logging.INFO)
    client = await serve(make_app(work))
    fields = {
        "Cookie": '="; a b; ;;,; =;' * 100,
        "Forwarded": 'for="; =;,;' * 100,
        "Content-Type": f'{MIXED}; ="; x' + '; a="b' * 100,
        "Accept-Encoding": ";q=x," * 100,
        "If-None-Match": '"' * 1000,
    }
    body = field(b'form-data; name="\xff; filename=a; filename=b') * 500 + b"--B--"
    before = len(caplog.records)
    answer = await client.post("/?" + "&%zz=%;=" * 100, fields=fields, body=body)
    assert (answer.status, answer.text) == (200, "503")
    ours = [each for each in caplog.records[before:] if each.name.startswith("bascule")]
    assert len(ours) <= 1, [each.getMessage() for each in ours]
