"""Checks of what a handler sees of its request."""

import asyncio
import gzip
import json

from .checks import Record, check, record
from .clients import Client, Fields, Power
from .rich_application import MAX_SIZE

_BIG = bytes(number % 253 for number in range(1_500_000))


async def _read(client: Client, target: str, fields: Fields = ()) -> Record:
    answer = await client.get(target, fields=fields)
    return json.loads(answer.body) if answer.status == 200 else record(answer)


# -- the head


@check()
async def check_url_and_its_parts(client: Client) -> Record:
    return await _read(client, "/facts?a=1&b=%C3%BC+c")


@check()
async def check_all_methods(client: Client) -> Record:
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
    return [record(await client.ask(each, "/facts"), without=["x-outer"]) for each in methods]


@check()
async def check_method_not_allowed(client: Client) -> Record:
    asked = [("GET", "/only-post"), ("POST", "/several"), ("HEAD", "/facts/a/b")]
    return [record(await client.ask(*each)) for each in asked]


@check()
async def check_not_found(client: Client) -> Record:
    return [record(await client.get(each)) for each in ("/nowhere", "/item/x", "/item/")]


@check()
async def check_options(client: Client) -> Record:
    return record(await client.ask("OPTIONS", "/several"))


@check()
async def check_view(client: Client) -> Record:
    asked = [("GET", "/view?q"), ("POST", "/view"), ("PUT", "/view")]
    return [record(await client.ask(*each)) for each in asked]


@check(Power.BYTES)
async def check_encoded_slashes_and_percent_signs(client: Client) -> Record:
    return [
        await _read(client, target)
        for target in ("/facts/a%2Fb/c%2Fd", "/facts/a%25b/x", "/facts/%2e%2E/x?y=%2F")
    ]


@check()
async def check_non_ascii_paths(client: Client) -> Record:
    targets = ("/%D0%BF%D1%83%D1%82%D1%8C", "/a%20b", "/facts/%C3%BC/a%20b;c=d,e@f")
    return [await _read(client, target) for target in targets]


@check()
async def check_path_that_is_not_utf_8(client: Client) -> Record:
    return (await client.get("/facts/a/%FF")).status < 500


@check()
async def check_url_for(client: Client) -> Record:
    return await _read(client, "/link")


@check()
async def check_application_inside(client: Client) -> Record:
    return [record(await client.get(each)) for each in ("/sub", "/sub/where/x%20y/", "/sub/no")]


@check()
async def check_normalized_paths(client: Client) -> Record:
    targets = ("/sub/where/1?a=b", "/sub//where//1/", "/sub/where//1")
    return [record(await client.get(each)) for each in targets]


@check(Power.DOMAIN)
async def check_application_of_a_domain(client: Client) -> Record:
    fields = {"Host": "inner.test"}
    return [
        record(await client.get("/where/1/", fields=each), without=["x-outer"])
        for each in (fields, {})
    ]


@check()
async def check_query(client: Client) -> Record:
    targets = ("/query", "/query?a=1&a=2&b&c=%26%3D&d=x+y&=z", "/query?%C3%BC=%F0%9F%98%80")
    return [await _read(client, target) for target in targets]


@check()
async def check_cookies(client: Client) -> Record:
    return await _read(client, "/cookies", [("Cookie", 'a=1; b="q v"; c=d=e'), ("X-Other", "1")])


@check()
async def check_several_cookie_fields(client: Client) -> Record:
    """(aiohttp reads the first alone.)"""
    return (await _read(client, "/cookies", [("Cookie", "a=1"), ("Cookie", "b=2")]))["a"]


@check()
async def check_duplicate_fields(client: Client) -> Record:
    fields = [("X-Many", "1"), ("x-other", " spaced "), ("X-Many", "2"), ("X-Empty", "")]
    fields = [(name, value.strip()) for name, value in fields]
    return await _read(client, "/fields?name=x-many&name=x-other&name=x-empty", fields)


@check(Power.BYTES)
async def check_fields_beyond_ascii(client: Client) -> Record:
    return await _read(client, "/fields?name=x-text", [("X-Text", "größe")])


@check()
async def check_many_and_large_fields(client: Client) -> Record:
    fields = [(f"X-Field-{number}", "v" * 50) for number in range(60)]
    seen = await _read(
        client, "/fields?name=x-field-59&name=x-large", [*fields, ("X-Large", "l" * 6000)]
    )
    return [len(value) for values in seen["values"].values() for value in values]


@check()
async def check_conditions_ranges_and_forwarded(client: Client) -> Record:
    fields = {
        "If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT",
        "If-None-Match": '"a", "b"',
        "If-Match": 'W/"c"',
        "Range": "bytes=5-9",
        "Forwarded": 'for=1.2.3.4;proto=https, for="[::1]"',
    }
    return await _read(client, "/conditions", fields)


@check()
async def check_task_and_protocol(client: Client) -> Record:
    return await _read(client, "/task")


@check()
async def check_transport(client: Client) -> Record:
    return await _read(client, "/transport")


@check(Power.STREAM)
async def check_transport_that_is_aborted(client: Client) -> Record:
    """The handler drops the connection: its answer is not seen. (A host may say 500 instead.)"""
    seen = []
    for target in ("/transport/abort", "/transport/close"):
        try:
            answer = await client.get(target)
            seen.append(answer.status if answer.status < 500 else "failed")
        except ConnectionResetError:
            seen.append("failed")
    return seen


# -- bodies


@check()
async def check_body_with_a_length(client: Client) -> Record:
    answers = [await client.post("/read", body=each) for each in (b"data", b"", _BIG[:200_000])]
    return [record(each) for each in answers]


@check()
async def check_body_in_pieces(client: Client) -> Record:
    answer = await client.post("/read", body=[b"one", b"two" * 1000, b"three"])
    return record(answer)


@check()
async def check_request_without_a_body(client: Client) -> Record:
    return record(await client.post("/read"))


@check()
async def check_large_upload(client: Client) -> Record:
    return record(await client.post("/pieces", body=[_BIG[:700_000], _BIG[700_000:]]))


@check()
async def check_lines_of_a_body(client: Client) -> Record:
    return record(await client.post("/lines", body=[b"a\nb", b"c\n", b"d"]))


@check()
async def check_json_body(client: Client) -> Record:
    bodies = ('{"ü": [1, 2.5, null]}'.encode(), b"{", b"")
    fields = {"Content-Type": "application/json"}
    return [record(await client.post("/json", body=each, fields=fields)) for each in bodies]


@check()
async def check_text_in_its_charset(client: Client) -> Record:
    fields = {"Content-Type": "text/plain; charset=latin-1"}
    return record(await client.post("/text", body="größe".encode("latin-1"), fields=fields))


@check()
async def check_urlencoded_form(client: Client) -> Record:
    fields = {"Content-Type": "application/x-www-form-urlencoded"}
    return record(await client.post("/form", body=b"a=1&a=2&b=x+y%C3%BC&c=", fields=fields))


def _make_form(content: bytes) -> tuple[Fields, bytes]:
    fields = {"Content-Type": "multipart/form-data; boundary=edge"}
    return fields, (
        b'--edge\r\nContent-Disposition: form-data; name="text"\r\n\r\n'
        b"gr\xc3\xb6\xc3\x9fe\r\n"
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
        b"Content-Type: application/x-bytes\r\n\r\n" + content + b"\r\n--edge--\r\n"
    )


@check()
async def check_upload_by_a_form(client: Client) -> Record:
    fields, body = _make_form(_BIG[:150_000])
    return [
        record(await client.post(each, body=body, fields=fields))
        for each in ("/form", "/multipart")
    ]


@check()
async def check_form_that_is_too_large(client: Client) -> Record:
    fields, body = _make_form(_BIG[: MAX_SIZE + 1])
    return record(await client.post("/form", body=[body[:1000], body[1000:]], fields=fields))


@check()
async def check_body_that_is_too_large(client: Client) -> Record:
    body = _BIG[: MAX_SIZE + 1]
    answers = [await client.post("/read", body=each) for each in (body, [body[:9], body[9:]])]
    return [each.status for each in answers]


@check()
async def check_compressed_body(client: Client) -> Record:
    body = gzip.compress(b"inflated" * 1000, mtime=0)
    return record(await client.post("/read", body=body, fields={"Content-Encoding": "gzip"}))


@check()
async def check_body_that_is_not_read(client: Client) -> Record:
    bodies: list[bytes | list[bytes]] = [b"small", [b"in", b"pieces"], _BIG[:50_000]]
    return [record(await client.post("/unread", body=each)) for each in bodies]


@check()
async def check_large_body_that_is_not_read(client: Client) -> Record:
    return record(await client.post("/unread", body=_BIG[:100_000]))


@check(Power.WIRE)
async def check_connection_behind_a_body_that_is_not_read(client: Client) -> Record:
    """The next request on the connection is not mistaken for the body."""
    async with client.open_wire() as wire:
        await wire.send(_post(client, "/unread", b"Content-Length: 5") + b"12345")
        first, _, body = await wire.read_answer()
        await wire.send(_get(client, "/item/1"))
        second, _, more = await wire.read_answer()
    return [first[9:12].decode(), body.decode(), second[9:12].decode(), more.decode()]


@check(Power.WIRE)
async def check_chunked_body_with_extensions_and_trailers(client: Client) -> Record:
    async with client.open_wire() as wire:
        await wire.send(_post(client, "/pieces", b"Transfer-Encoding: chunked"))
        await wire.send(b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n")
        status, _, body = await wire.read_answer()
    return [status[9:12].decode(), body.decode()]


@check(Power.WIRE)
async def check_100_continue(client: Client) -> Record:
    """It comes before the body is sent; for an expectation that is left to the server, and for one
    that the application answers itself."""
    seen = []
    for target in ("/read", "/expect"):
        async with client.open_wire() as wire:
            await wire.send(_post(client, target, b"Expect: 100-continue\r\nContent-Length: 4"))
            interim = await wire.reader.readuntil(b"\r\n\r\n")
            await wire.send(b"data")
            status, _, body = await wire.read_answer()
        seen.append([interim[9:12].decode(), status[9:12].decode(), body.decode()])
    return seen


@check(Power.WIRE)
async def check_expectations_that_are_refused(client: Client) -> Record:
    """(An expectation other than 100-continue may be refused by the host.)"""
    seen = []
    for target, expected in (("/expect?refuse=1", b"100-continue"), ("/read", b"the-unknown")):
        async with client.open_wire() as wire:
            await wire.send(_post(client, target, b"Expect: %s\r\nContent-Length: 4" % expected))
            status, _, body = await wire.read_answer()
        seen.append([status[9:12].decode(), body.decode()])
    return seen


@check(Power.WIRE, Power.LEAVE)
async def check_client_that_leaves_within_its_body(client: Client) -> Record:
    key = "leaves-within-body"
    async with client.open_wire() as wire:
        await wire.send(_post(client, f"/body/{key}", b"Content-Length: 100") + b"first")
        await client.read_journal(key, 2)
    return await client.read_journal(key, 3)


@check(Power.WIRE)
async def check_body_is_seen_while_it_comes(client: Client) -> Record:
    key = "body-while-it-comes"
    async with client.open_wire() as wire:
        await wire.send(_post(client, f"/body/{key}", b"Content-Length: 10") + b"first")
        before = list(await client.read_journal(key, 2))
        await wire.send(b"after")
        status, _, body = await wire.read_answer()
    return [before, status[9:12].decode(), body.decode(), await client.read_journal(key, 3)]


@check(Power.WIRE, slow=True)
async def check_upload_waits_for_its_handler(client: Client) -> Record:
    """A handler that does not read keeps its client from sending on."""
    key, size = "upload-waits", 24 * 2**20
    async with client.open_wire() as wire:
        await wire.send(_post(client, f"/gated/{key}", b"Content-Length: %d" % size))
        sending = asyncio.create_task(wire.send(bytes(size)))
        await client.read_journal(key, 1)
        done, _ = await asyncio.wait([sending], timeout=0.7)
        await client.open_gate(key)
        await sending
        status, _, body = await wire.read_answer()
    return [bool(done), status[9:12].decode(), body.decode()]


def _post(client: Client, target: str, fields: bytes) -> bytes:
    path = (client.prefix + target).encode()
    return b"POST %s HTTP/1.1\r\nHost: rich.test\r\n%s\r\n\r\n" % (path, fields)


def _get(client: Client, target: str) -> bytes:
    path = (client.prefix + target).encode()
    return b"GET %s HTTP/1.1\r\nHost: rich.test\r\n\r\n" % path
