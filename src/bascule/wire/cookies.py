"""Cookies: the Cookie field, read as leniently as aiohttp does, and those that answers set."""

import re
from collections.abc import Mapping
from http.cookies import Morsel, SimpleCookie
from typing import Any

__all__ = ["EXPIRED", "dump_morsel", "parse_cookies", "set_morsel"]

# An expiry that has passed, which makes a client forget.
EXPIRED = "Thu, 01 Jan 1970 00:00:00 GMT"

# A name is anything but separators and controls; a value is quoted (semicolons allowed inside)
# or runs to the next semicolon. Possessive, hence linear in the length of the field.
_GAP = re.compile(r"[ \t;]*+")
_PAIR = re.compile(
    r"(?P<name>[^\x00-\x20=;,\"\x7f]++)(?:[ \t]*+=[ \t]*+"
    r'(?:(?P<quoted>"(?:[^"\\]|\\.)*+")(?=[ \t]*+(?:;|$))|(?P<plain>[^;]*+))|(?=[ \t;]|$))'
)
_ESCAPE = re.compile(r"\\(?:([0-3][0-7][0-7])|(.))")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def parse_cookies(value: str) -> dict[str, str]:
    """Read the pairs of a Cookie field (RFC 6265 section 5.4, and its practice).

    A malformed piece is skipped up to its semicolon, and a name alone has an empty value.

    Quoted values lose their quotes, and escapes in them are resolved, octal ones too, as
    ``http.cookies`` writes them. The last of equal names wins, as in aiohttp.
    """
    cookies: dict[str, str] = {}
    position, size = 0, len(value)
    while (position := _end_of_gap(value, position)) < size:
        match = _PAIR.match(value, position)
        if match is None:
            semicolon = value.find(";", position)
            position = size if semicolon < 0 else semicolon + 1
            continue
        position = match.end()
        quoted = match["quoted"]
        plain = match["plain"] or ""
        cookies[match["name"]] = plain.strip(" \t") if quoted is None else _unquote(quoted)
    return cookies


def _end_of_gap(value: str, position: int) -> int:
    gap = _GAP.match(value, position)
    return gap.end() if gap else position


def _unquote(quoted: str) -> str:
    return _ESCAPE.sub(_resolve, quoted[1:-1])


def _resolve(match: re.Match[str]) -> str:
    octal: str | None = match[1]
    return chr(int(octal, 8)) if octal else str(match[2])


def set_morsel(cookies: SimpleCookie, name: str, value: str, attributes: Mapping[str, Any]) -> None:
    """Set a cookie among those of an answer; attributes that are None are left as they are.

    Raises:
        CookieError: an attribute, or a name, that `http.cookies` does not know.
        ValueError: an attribute holds a semicolon or a control character, with which it could add
            attributes of its own.
    """
    if name in cookies and cookies[name].coded_value == '""':
        del cookies[name]  # deleted before, with an expiry that must not stay
    cookies[name] = value
    morsel = cookies[name]
    if attributes.get("expires") is None and morsel["expires"] == EXPIRED:
        morsel["expires"] = ""
    for key, given in attributes.items():
        if given is None:
            continue
        _check_part(f"attribute {key!r}", given)
        morsel[key] = given


def dump_morsel(morsel: Morsel[Any]) -> str:
    """Write the value of a Set-Cookie field.

    Programs also set morsels by hand, or load what a client has sent, past `set_morsel`.

    Raises:
        ValueError: the value or an attribute holds a semicolon or a control character.
    """
    _check_part("value", morsel.coded_value)
    for key, given in morsel.items():
        if given:
            _check_part(f"attribute {key!r}", given)
    return morsel.OutputString()


def _check_part(what: str, given: Any) -> None:  # Any: what `str` will make text of
    text = given if isinstance(given, str) else str(given)
    if ";" in text or not (text.isprintable() or _CONTROL.search(text) is None):
        raise ValueError(f"Invalid {what} of a cookie: {text!r:.100}")
