"""Content-Disposition of a part: its type, its name, its file name."""

import re
from urllib.parse import unquote_to_bytes

__all__ = ["parse_content_disposition"]

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
# RFC 9110 section 5.6.6, with optional space around the "=" as in aiohttp. Possessive: a piece
# that does not match is given up at once and ends the reading, so that the work is linear.
_TYPE = re.compile(rf"[ \t]*+({_TOKEN})[ \t]*+")
_PIECE = re.compile(
    rf";[ \t]*+(?:(?P<name>{_TOKEN})[ \t]*+=[ \t]*+"
    rf'(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<token>{_TOKEN}))[ \t]*+)?+',
    re.DOTALL,
)
_ESCAPE = re.compile(r'\\(["\\])')
# RFC 8187 section 3.2.1; ISO-8859-1 is from its predecessor, RFC 5987.
_EXTENDED = re.compile(
    r"(?P<charset>utf-8|iso-8859-1)'[A-Za-z0-9\-]*+'"
    r"(?P<value>(?:[!#$&+\-.^_`|~0-9A-Za-z]|%[0-9A-Fa-f]{2})*+)",
    re.IGNORECASE | re.ASCII,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def parse_content_disposition(value: str) -> tuple[str | None, dict[str, str]]:
    r"""Parse a Content-Disposition field (RFC 6266, RFC 7578 section 4.2).

    In a quoted string only ``\"`` and ``\\`` are escapes, since browsers send any other backslash
    as it is (``C:\dir``); what they percent-encode in names (``%22``, ``%0D``, ``%0A``) stays so.

    An extended parameter (``filename*=UTF-8''...``) is decoded and stands under its plain name.
    When both are there, ``form-data`` takes the plain one (RFC 7578 forbids the other, so that a
    guard in front of us has not looked at it), any other type the extended one (RFC 6266). One
    that cannot be decoded, or holds control characters, is ignored, as if it were absent.

    Args:
        value: the field value, without control characters, as in `PartBegin`.

    Returns:
        the type and the parameters, type and names lower-cased; None and no parameters when the
        syntax is wrong or a parameter comes twice.
    """
    match = _TYPE.match(value)
    parameters = _parse_parameters(value, match.end()) if match else None
    if match is None or parameters is None:
        return None, {}
    kind = match[1].lower()
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    for name, text in parameters.items():
        if not name.endswith("*"):
            plain[name] = text
        elif (decoded := _decode_extended(text)) is not None:
            extended[name[:-1]] = decoded
    return kind, extended | plain if kind == "form-data" else plain | extended


def _parse_parameters(value: str, position: int) -> dict[str, str] | None:
    """Read ``; name=value`` pieces to the end; None when something else or a name twice is there.

    A piece may be empty (RFC 9110 section 5.6.6).
    """
    parameters: dict[str, str] = {}
    while match := _PIECE.match(value, position):
        position = match.end()
        name, quoted = match["name"], match["quoted"]
        if name is None:
            continue
        name = name.lower()
        if name in parameters:
            return None
        parameters[name] = match["token"] if quoted is None else _ESCAPE.sub(r"\1", quoted)
    return parameters if position == len(value) else None


def _decode_extended(text: str) -> str | None:
    match = _EXTENDED.fullmatch(text)
    if match is None:
        return None
    try:
        decoded = unquote_to_bytes(match["value"]).decode(match["charset"])
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(decoded) else decoded
