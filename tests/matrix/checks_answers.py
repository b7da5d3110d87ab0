"""Checks of what a client sees of answers that are made at once, files among them."""

import asyncio
import gzip
import json
import zlib

from .checks import Record, check, record
from .clients import Client, Power

_EXCEPTIONS = [
    "HTTPOk",
    "HTTPCreated",
    "HTTPAccepted",
    "HTTPNonAuthoritativeInformation",
    "HTTPNoContent",
    "HTTPResetContent",
    "HTTPPartialContent",
    "HTTPMultipleChoices",
    "HTTPMovedPermanently",
    "HTTPFound",
    "HTTPSeeOther",
    "HTTPNotModified",
    "HTTPUseProxy",
    "HTTPTemporaryRedirect",
    "HTTPPermanentRedirect",
    "HTTPBadRequest",
    "HTTPUnauthorized",
    "HTTPPaymentRequired",
    "HTTPForbidden",
    "HTTPNotFound",
    "HTTPMethodNotAllowed",
    "HTTPNotAcceptable",
    "HTTPProxyAuthenticationRequired",
    "HTTPRequestTimeout",
    "HTTPConflict",
    "HTTPGone",
    "HTTPLengthRequired",
    "HTTPPreconditionFailed",
    "HTTPRequestEntityTooLarge",
    "HTTPRequestURITooLong",
    "HTTPUnsupportedMediaType",
    "HTTPRequestRangeNotSatisfiable",
    "HTTPExpectationFailed",
    "HTTPMisdirectedRequest",
    "HTTPUnprocessableEntity",
    "HTTPFailedDependency",
    "HTTPUpgradeRequired",
    "HTTPPreconditionRequired",
    "HTTPTooManyRequests",
    "HTTPRequestHeaderFieldsTooLarge",
    "HTTPUnavailableForLegalReasons",
    "HTTPInternalServerError",
    "HTTPNotImplemented",
    "HTTPBadGateway",
    "HTTPServiceUnavailable",
    "HTTPGatewayTimeout",
    "HTTPVersionNotSupported",
    "HTTPVariantAlsoNegotiates",
    "HTTPInsufficientStorage",
    "HTTPNotExtended",
    "HTTPNetworkAuthenticationRequired",
]


async def _records(client: Client, *targets: str) -> Record:
    return [record(await client.get(each)) for each in targets]


@check()
async def check_text_json_and_bytes(client: Client) -> Record:
    return await _records(client, "/", "/answer/text", "/answer/json", "/answer/bytes")


@check()
async def check_charset_of_an_answer(client: Client) -> Record:
    return await _records(client, "/answer/charset")


@check()
async def check_empty_answers(client: Client) -> Record:
    return await _records(client, "/answer/empty", "/stream/empty")


@check()
async def check_statuses(client: Client) -> Record:
    statuses = (200, 201, 202, 203, 205, 206, 226, 299, 300, 399, 400, 418, 451, 499, 500, 599)
    return await _records(client, *(f"/answer/status/{each}" for each in statuses))


@check()
async def check_statuses_without_a_body(client: Client) -> Record:
    seen = await _records(client, "/answer/status/204", "/answer/status/304")
    return [*seen, record(await client.ask("POST", "/answer/status/204"))]


@check()
async def check_head(client: Client) -> Record:
    targets = (
        "/",
        "/answer/json",
        "/answer/bytes",
        "/nowhere",
        "/file/hello.txt",
        "/stream/pieces",
    )
    return [record(await client.ask("HEAD", each)) for each in targets]


@check(Power.WIRE)
async def check_reason_phrase(client: Client) -> Record:
    async with client.open_wire() as wire:
        path = f"{client.prefix}/answer/reason".encode()
        await wire.send(b"GET %s HTTP/1.1\r\nHost: rich.test\r\n\r\n" % path)
        return (await wire.read_head())[0].decode()


@check()
async def check_duplicate_and_large_fields_of_an_answer(client: Client) -> Record:
    return record(await client.get("/answer/fields"), without=["x-text"])


@check()
async def check_fields_of_an_answer_beyond_ascii(client: Client) -> Record:
    return (await client.get("/answer/fields")).fields["X-Text"]


@check(Power.SERVER)
async def check_one_date_and_one_server(client: Client) -> Record:
    fields = (await client.get("/")).fields
    return [len(fields.getall("Date", [])), len(fields.getall("Server", []))]


@check()
async def check_date_of_the_application(client: Client) -> Record:
    return (await client.get("/answer/date")).fields.getall("Date")


@check()
async def check_server_of_the_application(client: Client) -> Record:
    return (await client.get("/answer/server")).fields.getall("Server")


@check(Power.WIRE)
async def check_framing_belongs_to_the_server(client: Client) -> Record:
    async with client.open_wire() as wire:
        path = f"{client.prefix}/stream/chunked".encode()
        await wire.send(b"GET %s HTTP/1.1\r\nHost: rich.test\r\n\r\n" % path)
        _, fields, body = await wire.read_answer()
    return [fields.get(b"transfer-encoding", b"").decode(), body.decode()]


@check()
async def check_fields_of_connections(client: Client) -> Record:
    return await _records(client, "/answer/framing", "/answer/close")


@check(Power.WIRE)
async def check_connection_that_the_application_closes(client: Client) -> Record:
    async with client.open_wire() as wire:
        path = f"{client.prefix}/answer/close".encode()
        await wire.send(b"GET %s HTTP/1.1\r\nHost: rich.test\r\n\r\n" % path)
        head, _, body = (await wire.read_all()).partition(b"\r\n\r\n")
    return [b"connection: close" in head.lower(), body.decode()]


@check(Power.WIRE)
async def check_requests_in_a_row(client: Client) -> Record:
    """Sent without waiting for answers, on one connection."""
    paths = [f"{client.prefix}/item/{number}".encode() for number in range(5)]
    async with client.open_wire() as wire:
        for path in paths:
            await wire.send(b"GET %s HTTP/1.1\r\nHost: rich.test\r\n\r\n" % path)
        return [(await wire.read_answer())[2].decode() for _ in paths]


@check(Power.WIRE)
async def check_http_1_0(client: Client) -> Record:
    """A stream ends with the connection, and is not in chunks."""
    seen = []
    for target in ("/item/1", "/stream/pieces"):
        async with client.open_wire() as wire:
            path = f"{client.prefix}{target}".encode()
            await wire.send(b"GET %s HTTP/1.0\r\nHost: rich.test\r\n\r\n" % path)
            head, _, body = (await wire.read_all()).partition(b"\r\n\r\n")
        seen.append([head[9:12].decode(), b"transfer-encoding" in head.lower(), body.decode()])
    return seen


@check(Power.WIRE)
async def check_upgrade_that_is_not_known(client: Client) -> Record:
    async with client.open_wire() as wire:
        path = f"{client.prefix}/item/2".encode()
        fields = b"Host: rich.test\r\nConnection: upgrade\r\nUpgrade: something"
        await wire.send(b"GET %s HTTP/1.1\r\n%s\r\n\r\n" % (path, fields))
        status, _, body = await wire.read_answer()
    return [status[9:12].decode(), body.decode()]


@check()
async def check_compressed_answers(client: Client) -> Record:
    seen = []
    for accepted, query in (("gzip", ""), ("deflate", ""), ("gzip", "?coding=gzip"), ("br", "")):
        target = f"/answer/compressed{query}"
        answer = await client.get(target, fields={"Accept-Encoding": accepted})
        answer.body = _inflate(answer.body, answer.fields.get("Content-Encoding"))
        seen.append(record(answer, without=["content-length"]))
    return seen


@check()
async def check_compressed_stream(client: Client) -> Record:
    answer = await client.get("/stream/compressed", fields={"Accept-Encoding": "gzip"})
    answer.body = _inflate(answer.body, answer.fields.get("Content-Encoding"))
    return record(answer)


@check()
async def check_answer_that_is_encoded_before(client: Client) -> Record:
    answer = await client.get("/answer/encoded")
    answer.body = _inflate(answer.body, answer.fields.get("Content-Encoding"))
    return record(answer)


def _inflate(body: bytes, coding: str | None) -> bytes:
    if coding == "gzip":
        return gzip.decompress(body)
    return zlib.decompress(body) if coding == "deflate" else body


@check()
async def check_validators_of_an_answer(client: Client) -> Record:
    return record(await client.get("/answer/validators"), without=["etag"])


@check()
async def check_payloads(client: Client) -> Record:
    kinds = ("bytes-io", "string-io", "iterable", "bytearray")
    return await _records(client, *(f"/answer/payload/{each}" for each in kinds))


@check()
async def check_file_as_a_body(client: Client) -> Record:
    return await _records(client, "/attachment")


@check(Power.STATE)
async def check_behind_a_response_that_is_sent_twice(client: Client) -> Record:
    """What comes the second time is not defined (nothing, with aiohttp); other requests go on."""
    seen = record(await client.get("/answer/kept"))
    try:
        async with asyncio.timeout(1):
            await client.get("/answer/kept")
    except (TimeoutError, ConnectionResetError):
        pass
    return [seen, await _records(client, "/item/3")]


@check()
async def check_cookies_that_are_set_and_deleted(client: Client) -> Record:
    return await _records(client, "/cookies/set", "/cookies/delete")


@check()
async def check_http_exceptions(client: Client) -> Record:
    return await _records(client, *(f"/raise/{each}" for each in _EXCEPTIONS))


@check()
async def check_errors_before_the_head(client: Client) -> Record:
    return await _records(
        client, *(f"/fail/{each}" for each in ("value", "timeout", "none", "text"))
    )


@check()
async def check_error_page_for_browsers(client: Client) -> Record:
    return record(await client.get("/fail/value", fields={"Accept": "text/html"}))


@check()
async def check_error_that_a_middleware_answers(client: Client) -> Record:
    return await _records(client, "/fail/lookup")


@check()
async def check_steps_of_start_up(client: Client) -> Record:
    return json.loads((await client.get("/life")).body)


# -- files


@check()
async def check_file(client: Client) -> Record:
    targets = ("/static/hello.txt", "/file/hello.txt", "/static/gr%C3%B6%C3%9Fe%20a.txt")
    return await _records(client, *targets)


@check()
async def check_large_file(client: Client) -> Record:
    return [
        await _records(client, "/static/big.bin"),
        record(await client.ask("HEAD", "/file/big.bin")),
    ]


@check()
async def check_ranges_of_a_file(client: Client) -> Record:
    ranges = (
        "bytes=0-0",
        "bytes=5-",
        "bytes=-7",
        "bytes=100000-500000",
        "bytes=700000-",
        "bytes=9-1",
    )
    return [
        record(await client.get("/file/big.bin", fields={"Range": each}), without=["content-type"])
        for each in ranges
    ]


@check()
async def check_conditions_of_a_file(client: Client) -> Record:
    answer = await client.get("/static/hello.txt")
    tag, modified = answer.fields["ETag"].strip('"'), answer.fields["Last-Modified"]
    conditions = [
        {"If-None-Match": f'"{tag}"'},
        {"If-None-Match": '"other"'},
        {"If-Match": '"other"'},
        {"If-Modified-Since": modified},
        {"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"},
        {"If-Range": modified, "Range": "bytes=0-4"},
    ]
    return [record(await client.get("/static/hello.txt", fields=each)) for each in conditions]


@check()
async def check_file_that_is_compressed_before(client: Client) -> Record:
    seen = []
    for accepted in ("gzip", "identity"):
        answer = await client.get("/static/page.html", fields={"Accept-Encoding": accepted})
        answer.body = _inflate(answer.body, answer.fields.get("Content-Encoding"))
        seen.append(record(answer))
    return seen


@check()
async def check_file_that_is_compressed_on_its_way(client: Client) -> Record:
    target = "/file/big.bin?compress=1"
    answer = await client.get(target, fields={"Accept-Encoding": "deflate"})
    answer.body = _inflate(answer.body, answer.fields.get("Content-Encoding"))
    return record(answer)


@check()
async def check_files_that_are_not_there(client: Client) -> Record:
    targets = ("/static/no", "/static/../hello.txt", "/static/%2e%2e/rich.py", "/file/no")
    return [record(await client.get(each)) for each in targets]


@check()
async def check_index_of_a_directory(client: Client) -> Record:
    answer = await client.get("/static")
    return [answer.status, b"big.bin" in answer.body, answer.fields["Content-Type"]]
