"""Values of header fields: parse and dump pairs."""

import codecs
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from encodings import normalize_encoding
from encodings.aliases import aliases
from time import gmtime

__all__ = [
    "dump_content_type",
    "dump_date",
    "find_charset",
    "parse_codings",
    "parse_content_type",
    "parse_date",
    "parse_parameters",
    "show_text",
]

_last_date: tuple[int, str] = (-1, "")
# In dates (RFC 9110 section 5.6.7), whatever the locale.
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# token or quoted-string after the "=" (RFC 9110 section 5.6.6); possessive, hence linear.
_PARAMETER = re.compile(
    r";[ \t]*+(?:(?P<name>[!#$%&\'*+\-.^_`|~0-9A-Za-z]++)[ \t]*+=[ \t]*+"
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<token>[^;" \t]*+)))?[ \t]*+'
)
_MEDIA = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]++/[!#$%&'*+\-.^_`|~0-9a-z]++")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++")
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_CHARSET = re.compile(r"[\w.:()+ -]{1,40}", re.ASCII)
# Names of encodings, those of modules without an alias too.
_KNOWN_CHARSETS = frozenset(
    {
        *aliases,
        *aliases.values(),
        *("cp1006", "cp720", "cp737", "cp856", "cp874", "cp875", "koi8_t", "koi8_u", "utf_8_sig"),
        *("mac_arabic", "mac_croatian", "mac_farsi", "mac_romanian", "palmos"),
    }
)
_ESCAPE = re.compile(r"\\(.)")
_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


def dump_date(seconds: float) -> str:
    """Write a time as an HTTP date (RFC 9110 section 5.6.7), remembering the last second.

    Args:
        seconds: since the epoch, as `time.time` gives it.
    """
    global _last_date
    second = int(seconds)
    if _last_date[0] != second:
        _last_date = (second, _write_date(second))
    return _last_date[1]


def _write_date(second: int) -> str:
    year, month, day, hour, minute, rest, weekday = gmtime(second)[:7]
    name = _WEEKDAYS[weekday]
    return f"{name}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{rest:02} GMT"


def parse_date(value: str | None) -> datetime | None:
    """Read an HTTP date as an aware time in UTC; None when absent or not a date."""
    if value is None:
        return None
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(value)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def parse_content_type(value: str | None) -> tuple[str, dict[str, str]]:
    """Read a Content-Type field as a lower-cased media type and its parameters.

    A missing or unreadable type is ``application/octet-stream`` (RFC 9110 section 8.3, as
    aiohttp does).
    """
    if not value:
        return "application/octet-stream", {}
    media, separator, rest = value.partition(";")
    media = media.strip(" \t").lower()
    if _MEDIA.fullmatch(media) is None:
        media = "application/octet-stream"
    parameters: dict[str, str] = {}
    for name, text in parse_parameters(separator + rest):
        if text:
            parameters.setdefault(name, text)  # the first counts, as in aiohttp
    return media, parameters


def show_text(text: str) -> str:
    """Escape the bytes of a field that are no text, which could not be shown in a body."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def dump_content_type(media: str, parameters: Mapping[str, str]) -> str:
    """Write a media type and its parameters; values that are no tokens are quoted."""
    return media + "".join(f"; {name}={_dump_value(text)}" for name, text in parameters.items())


def _dump_value(text: str) -> str:
    if not text or _TOKEN.fullmatch(text) is not None:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def find_charset(name: str) -> str:
    """Give the codec of a charset that a peer has named.

    Raises:
        LookupError: there is none, or it is not a charset: some codecs of Python transform bytes,
            or take quadratic time.
    """
    # What Python is asked for it remembers for ever, found or not: only names that it has are.
    if _CHARSET.fullmatch(name) is None:
        raise LookupError(f"unknown encoding: {name!r:.50}")
    known = normalize_encoding(name).lower().replace(".", "_")
    if known not in _KNOWN_CHARSETS:
        raise LookupError(f"unknown encoding: {name}")  # as Python says it
    codec = codecs.lookup(known)
    if codec.name in _NO_CHARSETS or not codec._is_text_encoding:
        raise LookupError(f"unknown charset: {name!r:.50}")
    return codec.name


def parse_codings(value: str | None) -> dict[str, float]:
    """Read an Accept-Encoding field as codings and their weights (RFC 9110 section 12.5.3).

    Names are lower-cased, ``x-gzip`` is ``gzip``; a weight that is malformed is 0.
    """
    codings = {}
    for element in (value or "").split(","):
        name, *parameters = (part.strip(" \t") for part in element.lower().split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        if name:
            matches = _WEIGHT.fullmatch(weight) is not None
            codings["gzip" if name == "x-gzip" else name] = float(weight) if matches else 0.0
    return codings


def parse_parameters(value: str) -> Iterator[tuple[str, str]]:
    """Walk the ``; name=value`` parameters of a field, names lower-cased, quotes resolved.

    Reading stops at the first piece that is not one (RFC 9110 section 5.6.6).
    """
    position = 0
    while match := _PARAMETER.match(value, position):
        position = match.end()
        name, quoted = match["name"], match["quoted"]
        if name:
            yield name.lower(), match["token"] if quoted is None else _ESCAPE.sub(r"\1", quoted)
