"""Several parts of a file in one answer, the same on every host."""

import re
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import pytest

from bascule import web
from support.files import BIG, GZIP, TEN, file_app, make_root, put, static_app

Part = tuple[str, bytes]

_WRONG: list[Any] = [0, -1, 1.5, "2", None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


def read_parts(answer: Any) -> list[Part]:
    """Take a body apart with the standard library's reader, which must use up all of it."""
    assert answer.fields["Content-Length"] == str(len(answer.body))
    assert "Content-Range" not in answer.fields  # RFC 9110 section 15.3.7.2
    media_type = answer.fields["Content-Type"]
    match = re.fullmatch(r"multipart/byteranges; boundary=([0-9a-f]{32})", media_type)
    assert match is not None
    assert answer.body.startswith(f"--{match[1]}\r\n".encode())
    assert answer.body.endswith(f"\r\n--{match[1]}--\r\n".encode())
    head = f"Content-Type: {media_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + answer.body)
    assert not message.defects
    parts = []
    for part in message.get_payload():
        assert sorted(part.keys()) == ["Content-Range", "Content-Type"]
        assert part["Content-Type"] == "text/plain"
        parts.append((part["Content-Range"], part.get_payload(decode=True)))
    return parts


@pytest.mark.parametrize(
    ("field", "parts"),
    [
        ("bytes=0-1,4-5", [("bytes 0-1/10", b"01"), ("bytes 4-5/10", b"45")]),
        ("bytes= 0-1 ,\t-2,", [("bytes 0-1/10", b"01"), ("bytes 8-9/10", b"89")]),
        ("BYTES=8-,0-0", [("bytes 8-9/10", b"89"), ("bytes 0-0/10", b"0")]),
        ("bytes=0-1,20-30,4-5", [("bytes 0-1/10", b"01"), ("bytes 4-5/10", b"45")]),
        # What overlaps or touches is sent once, in the place of the first of it.
        ("bytes=6-7,0-2,1-3", [("bytes 6-7/10", b"67"), ("bytes 0-3/10", b"0123")]),
        ("bytes=4-5,8-9,0-1,2-2", [
            ("bytes 4-5/10", b"45"), ("bytes 8-9/10", b"89"), ("bytes 0-2/10", b"012"),
        ]),
    ],
)  # fmt: skip
async def test_parts_are_sent_in_the_order_of_asking(
    serve: Any, root: Path, field: str, parts: list[Part]
) -> None:
    client = await serve(file_app(root / "ten.txt", max_ranges=4))
    answer = await client.get("/", fields={"Range": field})
    assert (answer.status, read_parts(answer)) == (206, parts)
    assert answer.fields["Accept-Ranges"] == "bytes"
    assert "ETag" in answer.fields


async def test_the_parts_of_a_text_may_look_like_boundaries(serve: Any, root: Path) -> None:
    put(root, "tricky.txt", b"--\r\n--a--\r\n\r\n--")
    client = await serve(file_app(root / "tricky.txt", max_ranges=4))
    answer = await client.get("/", fields={"Range": "bytes=0-3,6-9"})
    assert [body for _, body in read_parts(answer)] == [b"--\r\n", b"a--\r"]


@pytest.mark.parametrize(
    ("field", "content_range", "body"),
    [
        ("bytes=1-2,3-4", "bytes 1-4/10", b"1234"),
        ("bytes=1-2,99-", "bytes 1-2/10", b"12"),
        ("bytes=-9,0-5", "bytes 0-9/10", TEN),
        ("bytes=1-2", "bytes 1-2/10", b"12"),
        ("bytes=1-2,", "bytes 1-2/10", b"12"),
    ],
)
async def test_what_comes_to_one_part_is_sent_as_one(
    serve: Any, root: Path, field: str, content_range: str, body: bytes
) -> None:
    """RFC 9110 section 15.3.7.2: not as multipart."""
    client = await serve(file_app(root / "ten.txt", max_ranges=4))
    answer = await client.get("/", fields={"Range": field})
    assert (answer.status, answer.body) == (206, body)
    assert answer.fields["Content-Range"] == content_range
    assert answer.fields["Content-Type"] == "text/plain"


@pytest.mark.parametrize(
    "field",
    [
        "bytes=0-0,2-2,4-4,6-6,8-8",
        "bytes=0-0,0-0,0-0,0-0,0-0",
        "bytes=20-,30-31",
        "bytes=0-1,x",
        "bytes=0-1,3-2",
        "bytes=0-1,-",
        "bytes=,",
        "bytes=" + "0-0," * 1000,
    ],
)
async def test_too_many_parts_and_what_is_none_are_refused(
    serve: Any, root: Path, field: str
) -> None:
    client = await serve(file_app(root / "ten.txt", max_ranges=4))
    answer = await client.get("/", fields={"Range": field})
    assert (answer.status, answer.body) == (416, b"")
    assert answer.fields["Content-Range"] == "bytes */10"


async def test_big_parts_are_sent_piece_by_piece(serve: Any, root: Path) -> None:
    put(root, "big.txt", BIG)
    client = await serve(static_app(root, max_ranges=3))
    answer = await client.get(
        "/static/big.txt", fields={"Range": "bytes=200000-,0-99999,150000-150000"}
    )
    assert read_parts(answer) == [
        ("bytes 200000-262143/262144", BIG[200000:]),
        ("bytes 0-99999/262144", BIG[:100000]),
        ("bytes 150000-150000/262144", BIG[150000:150001]),
    ]


async def test_no_more_is_sent_than_the_file_holds(serve: Any, root: Path) -> None:
    """A small request must not make a huge answer (CVE-2011-3192)."""
    put(root, "big.txt", BIG)
    client = await serve(static_app(root, max_ranges=100))
    field = "bytes=" + ",".join(f"{start}-" for start in range(100))
    answer = await client.get("/static/big.txt", fields={"Range": field})
    assert (answer.status, answer.body) == (206, BIG)


async def test_conditions_count_as_for_one_part(serve: Any, root: Path) -> None:
    client = await serve(file_app(root / "ten.txt", max_ranges=4))
    several = {"Range": "bytes=0-1,4-5"}
    etag = (await client.get("/")).fields["ETag"]
    assert (await client.get("/", fields={**several, "If-None-Match": etag})).status == 304
    assert (await client.get("/", fields={**several, "If-Range": '"x"'})).body == TEN
    assert (await client.get("/", fields={**several, "If-Range": etag})).status == 206
    assert (await client.get("/", fields={"Range": "items=0-1,4-5"})).body == TEN
    head = await client.request("HEAD", "/", fields=several)
    assert (head.status, head.fields["Content-Length"]) == (200, "10")
    assert (await client.post("/", fields=several)).body == TEN


async def test_what_is_sent_compressed_is_sent_whole(serve: Any, root: Path) -> None:
    """It could not be told whether each part or all of them are compressed."""
    client = await serve(static_app(root, max_ranges=4))
    fields = {"Range": "bytes=0-0,2-2", "Accept-Encoding": "gzip"}
    answer = await client.get("/static/style.css", fields=fields)
    assert (answer.status, answer.fields["Content-Encoding"]) == (200, "gzip")
    assert answer.body in (GZIP, b"plain")  # as clients decode it


async def test_without_the_option_several_parts_are_refused(serve: Any, root: Path) -> None:
    """As in aiohttp."""
    client = await serve(static_app(root))
    answer = await client.get("/static/ten.txt", fields={"Range": "bytes=0-1,4-5"})
    assert (answer.status, answer.fields["Content-Range"]) == (416, "bytes */10")


def test_at_least_one_part_is_allowed(root: Path) -> None:
    for wrong in _WRONG:
        with pytest.raises(ValueError, match="max_ranges must be at least 1, got"):
            web.FileResponse(root / "ten.txt", max_ranges=wrong)
