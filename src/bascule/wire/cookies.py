"""The Cookie field, read as leniently as aiohttp does (RFC 6265 section 5.4 and its practice)."""

import re

__all__ = ["parse_cookies"]

# A name is anything but separators and controls; a value is quoted (semicolons allowed inside)
# or runs to the next semicolon. Possessive, hence linear in the length of the field.
_GAP = re.compile(r"[ \t;]*+")
_PAIR = re.compile(
    r"(?P<name>[^\x00-\x20=;,\"\x7f]++)(?:[ \t]*+=[ \t]*+"
    r'(?:(?P<quoted>"(?:[^"\\]|\\.)*+")(?=[ \t]*+(?:;|$))|(?P<plain>[^;]*+))|(?=[ \t;]|$))'
)
_ESCAPE = re.compile(r"\\(?:([0-3][0-7][0-7])|(.))")


def parse_cookies(value: str) -> dict[str, str]:
    """Read the pairs of a Cookie field; a malformed piece is skipped up to its semicolon, and a
    name alone has an empty value.

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
