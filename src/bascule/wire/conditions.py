"""Conditional requests: their fields, and the verdict on them (RFC 9110 sections 13 and 14)."""

import re
from dataclasses import dataclass
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from . import hdrs
from .fields import parse_date

__all__ = [
    "ANY_ETAG",
    "ETag",
    "Validators",
    "Verdict",
    "dump_content_range",
    "dump_etag",
    "dump_etags",
    "dump_range",
    "join_field",
    "judge",
    "parse_etag",
    "parse_etags",
    "parse_range",
]

Fields = CIMultiDict[str] | CIMultiDictProxy[str]

Span = tuple[int, int]

ANY_ETAG: Final = "*"

_VALUE = r"[\x21\x23-\x7e\x80-\xff]++"
_VALUE_ONLY = re.compile(_VALUE)
_ETAG = re.compile(f'(W/)?"({_VALUE})"')
# An entity tag in a list, behind the empty elements that RFC 9110 section 5.6.1.2 has skipped.
_ELEMENT = re.compile(rf"[ \t,]*+{_ETAG.pattern}[ \t]*+(?=,|\Z)")
# So many digits write any size there is; more would only cost time.
_RANGE = re.compile(r"bytes=([0-9]{0,99})-([0-9]{0,99})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ETag:
    """An entity tag (RFC 9110 section 8.8.3); the value ``*`` stands for any."""

    value: str
    is_weak: bool = False


@dataclass(frozen=True, slots=True)
class Validators:
    """What a representation is recognised by.

    Attributes:
        etag: strong.
        modified: seconds since the epoch, whole.
        size: in bytes.
    """

    etag: ETag
    modified: int
    size: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a request makes of a representation.

    Attributes:
        status: 200 to go on, or 206, 304, 412, 416.
        start: of the bytes to send, inclusive.
        stop: of the bytes to send, exclusive.
        parts: start and stop of each part to send, where there are several; else empty.
    """

    status: int
    start: int = 0
    stop: int = 0
    parts: tuple[Span, ...] = ()

    @property
    def count(self) -> int:
        """Bytes to send of the representation."""
        if self.parts:
            return sum(stop - start for start, stop in self.parts)
        return self.stop - self.start


# -- entity tags


def parse_etag(value: str | None) -> ETag | None:
    """Read one entity tag, or ``*``; None when absent or malformed."""
    if value == ANY_ETAG:
        return ETag(ANY_ETAG)
    match = _ETAG.fullmatch(value or "")
    return None if match is None else ETag(match[2], match[1] is not None)


def dump_etag(tag: ETag) -> str:
    """Write an entity tag.

    Raises:
        ValueError: the value holds what an entity tag cannot.
    """
    if tag.value == ANY_ETAG:
        return ANY_ETAG
    if _VALUE_ONLY.fullmatch(tag.value) is None:
        raise ValueError(f"Value {tag.value!r:.200} is not a valid etag. Maybe it contains '\"'?")
    return f'W/"{tag.value}"' if tag.is_weak else f'"{tag.value}"'


def parse_etags(value: str | None) -> tuple[ETag, ...] | None:
    """Read a list of entity tags, up to the first that is malformed.

    Returns:
        the tags; that of the value ``*`` alone for ``*``; None when absent or empty.
    """
    if not value:
        return None
    if value == ANY_ETAG:
        return (ETag(ANY_ETAG),)
    tags = []
    position = 0
    while match := _ELEMENT.match(value, position):
        tags.append(ETag(match[2], match[1] is not None))
        position = match.end()
    return tuple(tags)


def dump_etags(tags: tuple[ETag, ...]) -> str:
    """Write a list of entity tags."""
    return ", ".join(map(dump_etag, tags))


# -- ranges


def parse_range(value: str | None) -> slice:
    """Read a Range field as a slice; a suffix has a negative start (RFC 9110 section 14.2).

    Raises:
        ValueError: not a single range of bytes; the messages are those of aiohttp.
    """
    if value is None:
        return slice(None, None, 1)
    match = _RANGE.fullmatch(value)
    if match is None:
        raise ValueError("range not in acceptable format")
    first, last = match.groups()
    if not first:
        if not last:
            raise ValueError("No start or end of range specified")
        return slice(-int(last), None, 1)
    if not last:
        return slice(int(first), None, 1)
    if int(first) > int(last):
        raise ValueError("start cannot be after end")
    return slice(int(first), int(last) + 1, 1)


def dump_range(asked: slice) -> str:
    """Write a slice, as of `parse_range`, as a Range field."""
    if asked.start < 0:
        return f"bytes={asked.start}"
    last = "" if asked.stop is None else asked.stop - 1
    return f"bytes={asked.start}-{last}"


def dump_content_range(size: int, start: int = 0, stop: int = 0) -> str:
    """Write a Content-Range: of the bytes from start to stop, or without them of the size alone."""
    span = f"{start}-{stop - 1}" if stop else "*"
    return f"bytes {span}/{size}"


# -- the verdict


def join_field(fields: Fields, name: str) -> str | None:
    """Give the values of a list field as one (RFC 9110 section 5.3); None when absent."""
    values = fields.getall(name, None)
    return None if values is None else ", ".join(values)


def judge(method: str, fields: Fields, current: Validators, *, max_ranges: int = 1) -> Verdict:
    """Hold the conditions of a request, in their order, against a representation that exists.

    Source: RFC 9110 section 13.2.2; a Range counts for GET alone (section 14.2).

    Args:
        method: of the request.
        fields: of the request.
        current: of the representation.
        max_ranges: that one Range may ask for; more are refused.
    """
    safe = method in (hdrs.METH_GET, hdrs.METH_HEAD)
    expected = parse_etags(join_field(fields, hdrs.IF_MATCH))
    if expected is not None:
        if not _is_among(current.etag, expected, weakly=False):
            return Verdict(412)
    elif _is_older(_parse_seconds(fields, hdrs.IF_UNMODIFIED_SINCE), current):
        return Verdict(412)
    known = parse_etags(join_field(fields, hdrs.IF_NONE_MATCH))
    if known is not None:
        if _is_among(current.etag, known, weakly=True):
            return Verdict(304 if safe else 412)
    elif safe:
        seen = _parse_seconds(fields, hdrs.IF_MODIFIED_SINCE)
        if seen is not None and seen >= current.modified:
            return Verdict(304)
    if method == hdrs.METH_GET and _wants_part(fields, current):
        asked = fields[hdrs.RANGE]
        if max_ranges > 1 and "," in asked:
            return _select_several(asked, current.size, max_ranges)
        return _select(asked, current.size)
    return Verdict(200, 0, current.size)


def _is_among(tag: ETag, tags: tuple[ETag, ...], *, weakly: bool) -> bool:
    """Compare an entity tag with those of a list (RFC 9110 section 8.8.3.2)."""
    if len(tags) == 1 and tags[0].value == ANY_ETAG:
        return True
    return any(tag.value == each.value and (weakly or not each.is_weak) for each in tags)


def _parse_seconds(fields: Fields, name: str) -> float | None:
    date = parse_date(fields.get(name))
    return None if date is None else date.timestamp()


def _is_older(seconds: float | None, current: Validators) -> bool:
    return seconds is not None and seconds < current.modified


def _wants_part(fields: Fields, current: Validators) -> bool:
    """Say whether Range is to be followed: a unit that is unknown is ignored, and so is a Range
    whose If-Range names another representation (RFC 9110 sections 13.1.5 and 14.2)."""
    asked = fields.get(hdrs.RANGE)
    if asked is None:
        return False
    unit, equals, _ = asked.partition("=")
    if equals and unit.strip().lower() != "bytes":
        return False
    known = fields.get(hdrs.IF_RANGE)
    if known is None:
        return True
    tag = parse_etag(known)
    if tag is not None:
        return tag == current.etag
    return _parse_seconds(fields, hdrs.IF_RANGE) == current.modified


def _select(asked: str, size: int) -> Verdict:
    try:
        span = _clip(parse_range(asked), size)
    except ValueError:
        return Verdict(416)
    return Verdict(416) if span is None else Verdict(206, *span)


def _select_several(asked: str, size: int, max_ranges: int) -> Verdict:
    """Choose the parts of a Range with commas; those that cannot be had are left out.

    Source: RFC 9110 sections 14.2 and 15.3.7.2.
    """
    unit, _, value = asked.partition("=")
    elements = [element for each in value.split(",") if (element := each.strip(" \t"))]
    if not 0 < len(elements) <= max_ranges:
        return Verdict(416)
    try:
        spans = [_clip(parse_range(f"{unit}={element}"), size) for element in elements]
    except ValueError:
        return Verdict(416)
    parts = _coalesce([span for span in spans if span is not None])
    if len(parts) == 1:
        return Verdict(206, *parts[0])
    return Verdict(206, parts=tuple(parts)) if parts else Verdict(416)


def _clip(part: slice, size: int) -> Span | None:
    """Give the bytes of a range that are there; None when there are none."""
    start = part.start
    if start < 0:
        start = max(0, size + start)
    stop = size if part.stop is None else min(part.stop, size)
    return (start, stop) if start < stop else None


def _coalesce(spans: list[Span]) -> list[Span]:
    """Join what overlaps or touches, so that no byte is sent twice; the rest keeps its order, each
    in the place of the first that was joined."""
    joined: list[tuple[int, int, int]] = []
    for start, stop, place in sorted((*span, place) for place, span in enumerate(spans)):
        if joined and start <= joined[-1][1]:
            first, end, earliest = joined[-1]
            joined[-1] = (first, max(end, stop), min(earliest, place))
        else:
            joined.append((start, stop, place))
    return [(start, stop) for start, stop, _ in sorted(joined, key=lambda each: each[2])]
