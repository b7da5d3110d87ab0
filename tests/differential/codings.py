"""Programs about content codings, and the differences of them that are meant."""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import brotli  # type: ignore[import-untyped,unused-ignore]

from bascule.wire.coding import zstd

from .pairwise import pairwise

__all__ = ["CODING_DIFFERENCES", "RECEIVED", "SENT", "CodingDifference", "application"]

assert zstd is not None, "the tests need backports.zstd"

PLAIN = b"hello " * 1000

SENT = pairwise(
    {
        "kind": ["text", "bytes", "long", "empty", "coded", "measured", "chunked", "stream"],
        "accept": [
            None,
            "gzip",
            "deflate",
            "GZIP, Deflate",
            "identity",
            "br",
            "zstd",
            "*",
            "x-gzip-x",
            "gzip;q=0",
            "gzip;q=0, deflate",
            "deflate;q=0.0, gzip;q=0.1",
        ],
        "force": [None, "deflate", "gzip", "identity"],
        "strategy": [None, zlib.Z_HUFFMAN_ONLY],
        "status": [200, 404, 204],
        "method": ["GET", "HEAD"],
        "version": ["1.1", "1.0"],
    }
)


def _raw_deflate(data: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return machine.compress(data) + machine.flush()


BODIES = {
    "plain": PLAIN,
    "br": brotli.compress(PLAIN),
    "cut br": brotli.compress(PLAIN)[:-1],
    "br and junk": brotli.compress(PLAIN) + b"junk",
    "zstd": zstd.compress(PLAIN),
    "frames": zstd.compress(PLAIN) + zstd.compress(b"more"),
    "cut zstd": zstd.compress(PLAIN)[:-1],
    "zstd and junk": zstd.compress(PLAIN) + b"junk",
    "gzip": gzip.compress(PLAIN, mtime=0),
    "members": gzip.compress(PLAIN, mtime=0) + gzip.compress(b"more", mtime=0),
    "zlib": zlib.compress(PLAIN),
    "raw": _raw_deflate(PLAIN),
    "cut gzip": gzip.compress(PLAIN, mtime=0)[:-9],
    "cut zlib": zlib.compress(PLAIN)[:-5],
    "gzip and junk": gzip.compress(PLAIN, mtime=0) + b"junk",
    "empty": b"",
    "bomb": gzip.compress(bytes(3_000_000), mtime=0),
}
RECEIVED = pairwise(
    {
        "body": [*BODIES],
        "coding": [
            "gzip",
            "GZip",
            "deflate",
            "br",
            "BR",
            "zstd",
            "Zstd",
            "identity",
            "x-own",
            "gzip, deflate",
            None,
        ],
        "chunked": [False, True],
        "how": ["read", "text", "stream", "release"],
    }
)
RECEIVED.append({"body": "bomb", "coding": "gzip", "chunked": False, "how": "stream"})


def application(web: Any) -> Any:
    """Make the application under test, of either library."""

    async def send(request: Any) -> Any:
        case = SENT[int(request.match_info["number"])]
        response = _respond(web, case)
        force = case["force"] and web.ContentCoding[case["force"]]
        response.enable_compression(force, case["strategy"])
        if case["kind"] != "stream":
            return response
        await response.prepare(request)
        for at in range(0, len(PLAIN), 500):
            await response.write(PLAIN[at : at + 500])
        await response.write_eof()
        return response

    async def receive(request: Any) -> Any:
        how = request.query["how"]
        if how == "read":
            seen = await request.read()
        elif how == "text":
            seen = (await request.text()).encode()
        elif how == "stream":
            seen = b"".join([piece async for piece in request.content.iter_any()])
        else:
            await request.release()
            seen = b""
        facts = [request.content_length, request.body_exists, request.can_read_body]
        return web.Response(text=f"{zlib.crc32(seen)} {len(seen)} {facts}")

    app = web.Application(client_max_size=1_000_000)
    app.router.add_route("*", "/send/{number}", send)
    app.router.add_post("/receive", receive)
    return app


def _respond(web: Any, case: dict[str, Any]) -> Any:
    kind, status = case["kind"], case["status"]
    if kind == "stream":
        return web.StreamResponse(status=status)
    if kind == "empty":
        return web.Response(status=status)
    if kind == "text":
        return web.Response(text=PLAIN.decode(), status=status)
    headers = {"coded": {"Content-Encoding": "x-own"}, "measured": {"Content-Length": "6000"}}
    body = PLAIN * 3 if kind == "long" else PLAIN
    response = web.Response(body=body, status=status, headers=headers.get(kind))
    if kind == "chunked" and case["version"] == "1.1":
        response.enable_chunked_encoding()
    return response


@dataclass(frozen=True, slots=True)
class CodingDifference:
    """One intended difference.

    Attributes:
        name: of the difference.
        reason: one sentence.
        holds: whether a case that is sent, or received, shows it.
    """

    name: str
    reason: str
    holds: Callable[[dict[str, Any]], bool]


def _is_coded(case: dict[str, Any]) -> bool:
    """Whether aiohttp chooses a coding for a body that is sent."""
    accept = (case["accept"] or "").lower()
    if case["force"] is not None:
        return bool(case["force"] != "identity")
    return "deflate" in accept or "gzip" in accept


def _is_refused(case: dict[str, Any]) -> bool:
    return case["force"] is None and case["accept"] in ("gzip;q=0", "deflate;q=0.0, gzip;q=0.1")


def _is_body(case: dict[str, Any]) -> bool:
    return case["status"] != 204 and case["kind"] not in ("empty", "coded")


# Bodies that are of a coding, and those that are cut short.
_BODIES_OF = {
    "gzip": ("gzip", "members", "bomb", "empty"),
    "deflate": ("zlib", "raw", "empty"),
    "br": ("br", "empty"),
    "zstd": ("zstd", "frames", "empty"),
}
_CUTS_OF = {"gzip": "cut gzip", "deflate": "cut zlib", "br": "cut br", "zstd": "cut zstd"}


def _is_cut(case: dict[str, Any]) -> bool:
    """Whether the body of a request is of the coding that it names, but for its end."""
    return bool(_CUTS_OF.get((case["coding"] or "").lower()) == case["body"])


def _is_no_text(case: dict[str, Any]) -> bool:
    """Whether a body that is left as it came is asked for as text, and is none."""
    is_left = (case["coding"] or "").lower() not in _BODIES_OF
    return case["how"] == "text" and is_left and case["body"] not in ("plain", "empty")


def _is_bomb(case: dict[str, Any]) -> bool:
    """Whether a stream is read that grows a thousandfold."""
    decodes = (case["coding"] or "").lower() == "gzip"
    return decodes and case["body"] == "bomb" and case["how"] in ("stream", "release")


def _is_broken(case: dict[str, Any]) -> bool:
    """Whether the body of a request is not of the coding that it names."""
    bodies = _BODIES_OF.get((case["coding"] or "").lower())
    return bodies is not None and case["body"] not in bodies and not _is_cut(case)


CODING_DIFFERENCES = [
    CodingDifference(
        name="a body is never compressed by a coding that is refused by q=0",
        reason="RFC 9110 section 12.4.2; aiohttp looks for the name alone.",
        holds=lambda case: "kind" in case and _is_refused(case) and _is_body(case),
    ),
    CodingDifference(
        name="a body that has a Content-Encoding is not compressed once more",
        reason="aiohttp puts its own coding in the place of the field, so that nobody can read it.",
        holds=lambda case: case.get("kind") == "coded" and _is_coded(case),
    ),
    CodingDifference(
        name="where there is no body nothing is compressed",
        reason="aiohttp answers 500 for a Response, and sends the end of a stream of gzip.",
        holds=lambda case: (
            "kind" in case
            and _is_coded(case)
            and (case["kind"] == "empty" or case["status"] == 204)
        ),
    ),
    CodingDifference(
        name="the strategy of compression counts for whole bodies too",
        reason="aiohttp hands it to zlib for streams alone.",
        holds=lambda case: (
            "kind" in case
            and case["strategy"] is not None
            and case["kind"] != "stream"
            and case["method"] == "GET"
            and _is_coded(case)
            and _is_body(case)
        ),
    ),
    CodingDifference(
        name="a compressed body that is malformed is the fault of the client",
        reason="It is answered 400; aiohttp answers 500.",
        holds=lambda case: "body" in case and _is_broken(case),
    ),
    CodingDifference(
        name="a body that is no text is the fault of the client",
        reason="Where a handler lets the error of text() pass: 400; aiohttp answers 500.",
        holds=lambda case: "body" in case and _is_no_text(case),
    ),
    CodingDifference(
        name="a stream that inflates to more than 100 times its size is refused",
        reason="Beyond the first MiB, where client_max_size does not bound it: 413; max_inflation "
        "sets it, 0 for none.",
        holds=lambda case: "body" in case and _is_bomb(case),
    ),
    CodingDifference(
        name="a compressed body that is cut short is refused",
        reason="aiohttp takes what there is of it for the whole.",
        holds=lambda case: "body" in case and _is_cut(case),
    ),
]
