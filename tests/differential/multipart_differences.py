"""How reading multipart bodies differs from aiohttp on purpose."""

from dataclasses import dataclass
from typing import Any

from .multiparts import Raised

__all__ = ["MULTIPART_DIFFERENCES", "MultipartDifference"]


def _refuse(text: str, *kinds: str) -> Raised:
    return Raised(frozenset({"ValueError", *kinds}), text)


def _part(data: bytes = b"x", fields: tuple[tuple[str, str], ...] = ()) -> list[Any]:
    """What is told of a part that was read."""
    return [list(fields), None, None, "none", [bytearray(data), b"", None], True]


def _nested(told: list[Any], boundary: str = "C") -> list[Any]:
    media = f"multipart/mixed; boundary={boundary}"
    return [["multipart", [("Content-Type", media)], told], _part(b"z"), None, True]


def _unequal(length: str) -> list[Any]:
    error = _refuse("Reader did not read all the data or it is malformed")
    return [[[("Content-Length", length)], None, None, "none", error, False], error, False]


_NO_TYPE = _refuse("multipart/* content type expected", "AssertionError")
_IN_PART = _refuse("Multipart body ended inside of a part")
_IN_DELIMITER = _refuse("Multipart body ended inside of a delimiter")
_NO_END = [[], None, None, "none", _IN_PART, False]
_LF = [_refuse("Invalid boundary b'--B\\n', expected b'--B'"), False]


@dataclass(frozen=True)
class MultipartDifference:
    """One intended difference.

    Attributes:
        name: of the difference; a row of the README.
        reason: one sentence.
        outcomes: what comes of codes here, by their names.
    """

    name: str
    reason: str
    outcomes: dict[str, Any]


MULTIPART_DIFFERENCES: list[MultipartDifference] = [
    MultipartDifference(
        name="a malformed multipart body is the fault of the client",
        reason="What its readers raise is answered 400, or 413 where a limit is passed, is a "
        "ValueError throughout, and tells what was found.",
        outcomes={
            "boundary/too long": _refuse(f"boundary b'{'x' * 71}' is too long (70 chars max)"),
            "malformed/blank in name": [_refuse("Invalid HTTP header: b'A b: c'"), False],
            "malformed/nul in value": [_refuse("Invalid HTTP header: b'A: b\\x00c'"), False],
            "limit/fields": [_refuse("Too many fields in a part: more than 128"), False],
            "limit/fields given": [_refuse("Too many fields in a part: more than 2"), False],
            "limit/field": [_refuse("Field of a part larger than 8190 bytes"), False],
            "limit/field given": [_refuse("Field of a part larger than 10 bytes"), False],
            "limit/line": [_refuse(f"line longer than 131072 bytes: b'{'x' * 100}'")],
        },
    ),
    MultipartDifference(
        name="a multipart body that ends early has no part whose head is incomplete",
        reason="aiohttp gives one, with the fields that came.",
        outcomes={
            "ended/in part": [_NO_END, _IN_PART, False],
            "ended/behind part": [_NO_END, _IN_PART, False],
            "ended/in head": [_IN_PART, False],
            "ended/in field": [_IN_PART, False],
            "ended/behind boundary": [_IN_PART, False],
            "ended/in boundary": [_IN_DELIMITER, False],
            "ended/in second boundary": [_part(), _IN_DELIMITER, False],
            "ended/in close": [_part(), _IN_DELIMITER, False],
            "ended/part not read": [[[], None, None, "none", "left", False], _IN_PART, False],
        },
    ),
    MultipartDifference(
        name="a multipart type is a type, and its boundary printable ASCII",
        reason="RFC 2046 section 5.1.1, somewhat wider; aiohttp waits for what cannot come.",
        outcomes={
            "type/no slash": _NO_TYPE,
            "type/two slashes": _NO_TYPE,
            "type/no subtype": _NO_TYPE,
            "boundary/empty": _refuse(
                "boundary missed for Content-Type: multipart/mixed; boundary="
            ),
            "boundary/blank at its end": _refuse("Invalid boundary b'B '"),
            "boundary/not ascii": _refuse("Invalid boundary b'\\xc3\\xa9'"),
            "boundary/control": _refuse("Invalid boundary b'B\\x01'"),
        },
    ),
    MultipartDifference(
        name="lines of a multipart body end with CRLF",
        reason="RFC 2046 section 5.1.1; aiohttp takes LF behind a boundary, and nowhere else.",
        outcomes={"body/lines end with LF": _LF, "body/first line ends with LF": _LF},
    ),
    MultipartDifference(
        name="no line begins with a boundary and goes on, in the preamble either",
        reason="RFC 2046 section 5.1.1; aiohttp refuses it in parts only.",
        outcomes={
            "body/preamble like boundary": [
                _refuse("Invalid boundary b'--BC', expected b'--B'"),
                False,
            ],
            "nested/longer boundary": [
                [
                    *("multipart", [("Content-Type", "multipart/mixed; boundary=BB")]),
                    [_refuse("Could not find starting boundary b'--BB'"), False],
                ],
                _refuse("Invalid boundary b'--BB', expected b'--B'"),
                False,
            ],
        },
    ),
    MultipartDifference(
        name="lines of an empty part can be read",
        reason="aiohttp takes the boundary behind it for a field of the next.",
        outcomes={
            "body/lines of empty parts": [[[], None, None, "none", [], True]] * 2 + [None, True]
        },
    ),
    MultipartDifference(
        name="the field _charset_ of a form names the charset of the others",
        reason="RFC 7578 section 4.6; aiohttp means to, and fails at the next boundary.",
        outcomes={
            "body/charset": [
                [
                    [("Content-Disposition", "form-data; name=a")],
                    *("a", None, "latin-1", "é", True),
                ],
                None,
                True,
            ],
        },
    ),
    MultipartDifference(
        name="the boundary alone says where a part ends",
        reason="A Content-Length that says otherwise is refused, and nothing behind it is given.",
        outcomes={
            "length/short": _unequal("2"),
            "length/long": _unequal("5"),
            "length/over a boundary": _unequal("8"),
        },
    ),
    MultipartDifference(
        name="a multipart body in a part ends where the part does",
        reason="RFC 2046 section 5.1.2: whatever is wrong or left over in it, the parts behind it "
        "are read.",
        outcomes={
            "ended/nested": _nested([_NO_END, _IN_PART, False]),
            "nested/left malformed": bytearray(b"z"),
            "nested/no CRLF": _nested([_part(), None, True]),
            "nested/epilogue": _nested([_part(), None, True]),
            "nested/empty": _nested([_refuse("Could not find starting boundary b'--C'"), False]),
            "nested/other boundary": _nested(
                [_refuse("Could not find starting boundary b'--C'"), False]
            ),
            "nested/same boundary": _nested(
                [_refuse("Could not find starting boundary b'--B'"), False], "B"
            ),
        },
    ),
    MultipartDifference(
        name="multipart bodies are at most 16 deep in each other",
        reason="Each level costs work for each byte; aiohttp ends at Python's recursion limit.",
        outcomes={"nested/17 deep": _refuse("bodies nested more than 16 deep")},
    ),
    MultipartDifference(
        name="fetch_next_part gives the next part",
        reason="aiohttp's does within its own methods only.",
        outcomes={"reader/fetch": bytearray(b"x")},
    ),
    MultipartDifference(
        name="chunks of a part have any size",
        reason="Nothing in how parts are read asks for more than a byte.",
        outcomes={
            "part/small chunk": [b"x", b"y"],
            "part/no chunk": [_refuse("Chunk size must be at least 1, got 0")],
        },
    ),
    MultipartDifference(
        name="all ways of reading a part go on where the last one ended",
        reason="aiohttp loses bytes between lines and chunks, and tells the end a line late.",
        outcomes={
            "part/line and rest": [b"a\n", bytearray(b"b\r\nc")],
            "part/chunk and line": [b"abcdef", b"gh\n"],
            "part/last line": [b"only", True],
        },
    ),
    MultipartDifference(
        name="codecs that are no charsets are not known",
        reason="Some of Python's transform bytes, or take quadratic time.",
        outcomes={
            "part/text of a codec": [Raised(frozenset({"LookupError"}), "unknown charset: 'hex'")]
        },
    ),
    MultipartDifference(
        name="names of parts are read like those of forms",
        reason="A backslash is kept, and the plain parameter wins in forms (RFC 7578 section 4.2).",
        outcomes={
            "name/backslash": [[None, "C:\\dir\\a"]],
            "name/both in a form": [[None, "a"]],
        },
    ),
    MultipartDifference(
        name="deflate in the format of zlib is read",
        reason="That is what RFC 9110 section 8.4.1.2 calls so.",
        outcomes={"coding/zlib": [bytearray(b"hello")]},
    ),
    MultipartDifference(
        name="what a part inflates to is whole",
        reason="aiohttp gives the begin of what is cut, and of what is beyond its limit.",
        outcomes={
            "coding/cut gzip": [_refuse("gzip data ended early")],
            "coding/decode what inflates to much": [_refuse("262144")],
        },
    ),
]
