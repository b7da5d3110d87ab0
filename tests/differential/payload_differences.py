"""The differences about bodies that are meant."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["PAYLOAD_DIFFERENCES", "PayloadDifference"]


@dataclass(frozen=True, slots=True)
class PayloadDifference:
    """One intended difference.

    Attributes:
        name: of the difference.
        reason: one sentence.
        holds: whether a case, of `CASES` or of `WRITTEN`, shows it.
    """

    name: str
    reason: str
    holds: Callable[[dict[str, Any]], bool]


def _is_sent(case: dict[str, Any]) -> bool:
    """Whether a case of `CASES` has a body that is known, as `_is_written` one of `WRITTEN`."""
    return "method" in case and case["body"] not in ("number", "list", "path")


def _is_bodiless(case: dict[str, Any]) -> bool:
    return case["status"] in (204, 304)


def _is_written(case: dict[str, Any]) -> bool:
    if "subtype" not in case or case["first"] in ("number", "list", "path"):
        return False
    if case["head"] in ("injected", "injected name"):
        return False
    if case["subtype"] == "form-data":
        return case["coding"] is None and case["transfer"] is None
    return case["coding"] != "br" and case["transfer"] != "8bit"


def _is_plain(case: dict[str, Any]) -> bool:
    """Whether the first part of a case of `WRITTEN` is in no coding."""
    plain = (None, "", "identity", "binary")
    return case["coding"] in plain and case["transfer"] in plain


PAYLOAD_DIFFERENCES = [
    PayloadDifference(
        name="a text file goes in chunks",
        reason="Its bytes are counted when line ends and encoding are done; aiohttp takes the size "
        "of the file, which may be another.",
        holds=lambda case: (
            _is_sent(case)
            and case["body"] == "text file"
            and case["headers"] != "length"
            and case["coding"] in (None, "identity")
            and not (case["chunked"] and case["version"] == "1.1")
            and not _is_bodiless(case)
        ),
    ),
    PayloadDifference(
        name="a part that is a text file has no Content-Length",
        reason="As above.",
        holds=lambda case: _is_written(case) and case["first"] == "text file" and _is_plain(case),
    ),
    PayloadDifference(
        name="a str as body is in the charset of its Content-Type",
        reason="aiohttp sends UTF-8 whatever the Content-Type says.",
        holds=lambda case: _is_sent(case) and case["body"] == "text" and case["headers"] == "latin",
    ),
    PayloadDifference(
        name="bytes are cut at the Content-Length",
        reason="RFC 9112 section 6.3: the rest would be read as the next answer.",
        holds=lambda case: (
            _is_sent(case)
            and case["body"] in ("bytes", "bytearray")
            and case["headers"] == "length"
            and case["coding"] in (None, "identity")
            and case["method"] != "HEAD"
            and not _is_bodiless(case)
        ),
    ),
    PayloadDifference(
        name="where there is no body nothing is compressed",
        reason="aiohttp names the coding of a body that is not there.",
        holds=lambda case: (
            _is_sent(case) and _is_bodiless(case) and case["coding"] in ("gzip", "deflate")
        ),
    ),
    PayloadDifference(
        name="answers to HEAD have the default Content-Type of those to GET",
        reason="RFC 9110 section 9.3.2; aiohttp leaves it out.",
        holds=lambda case: (
            _is_sent(case)
            and case["method"] == "HEAD"
            and case["body"] in ("bytes", "bytearray")
            and case["headers"] in ("none", "disposition", "length")
            and not _is_bodiless(case)
        ),
    ),
]
