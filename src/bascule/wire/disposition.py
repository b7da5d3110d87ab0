"""Content-Disposition of a part: its type, its name, its file name."""

import re
from urllib.parse import quote, unquote_to_bytes

__all__ = ["parse_content_disposition"]

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
# RFC 9110 section 5.6.6, with optional space around the "=" as in aiohttp. Possessive: a piece
# that does not match is given up at once and ends the reading, so that the work is linear.
_TYPE = re.compile(rf"[ \t]*+({_TOKEN})[ \t]*+")
_ESCAPED, _RAW = (
    re.compile(
        rf";[ \t]*+(?:(?P<name>{_TOKEN})[ \t]*+=[ \t]*+"
        rf'(?:"(?P<quoted>{quoted})"|(?P<token>{_TOKEN}))[ \t]*+)?+',
        re.DOTALL,
    )
    for quoted in (r'(?:[^"\\]|\\.)*+', r'[^"]*+')
)
_ESCAPE = re.compile(r'\\(["\\])')
# RFC 8187 section 3.2.1; ISO-8859-1 is from its predecessor, RFC 5987.
_EXTENDED = re.compile(
    r"(?P<charset>utf-8|iso-8859-1)'[A-Za-z0-9\-]*+'"
    r"(?P<value>(?:[!#$&+\-.^_`|~0-9A-Za-z]|%[0-9A-Fa-f]{2})*+)",
    re.IGNORECASE | re.ASCII,
)
# RFC 2231 section 3: mail programs cut long names, browsers never.
_SECTION = re.compile(r"(?P<name>[^*]++)\*(?P<number>0|[1-9][0-9]{0,3})(?P<extended>\*?)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def parse_content_disposition(value: str) -> tuple[str | None, dict[str, str]]:
    r"""Parse a Content-Disposition field (RFC 6266, RFC 7578 section 4.2).

    In a quoted string only ``\"`` and ``\\`` are escapes, since browsers send any other backslash
    as it is (``C:\dir``); what they percent-encode in names (``%22``, ``%0D``, ``%0A``) stays so.
    They do the same with one at the end of a name (``name="dir\"; filename="a"``): where reading
    it as an escape leads nowhere, no backslash is one, as in aiohttp.

    An extended parameter (``filename*=UTF-8''...``) is decoded and stands under its plain name.
    When both are there, ``form-data`` takes the plain one (RFC 7578 forbids the other, so that a
    guard in front of us has not looked at it), any other type the extended one (RFC 6266). One
    that cannot be decoded, or holds control characters, is ignored, as if it were absent. One that
    comes in sections (``filename*0=...; filename*1=...``) counts where it does not come whole.

    Args:
        value: the field value, without control characters, as in `PartBegin`.

    Returns:
        the type and the parameters, type and names lower-cased; None and no parameters when the
        syntax is wrong or a parameter comes twice.
    """
    match = _TYPE.match(value)
    if match is None:
        return None, {}
    parameters = _parse_parameters(value, match.end(), _ESCAPED)
    if parameters is None and "\\" in value:
        parameters = _parse_parameters(value, match.end(), _RAW)
    if parameters is None:
        return None, {}
    kind = match[1].lower()
    if "*" not in value:
        return kind, parameters
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    for name, text in (_join_sections(parameters) | parameters).items():
        if not name.endswith("*"):
            plain[name] = text
        elif (decoded := _decode_extended(text)) is not None:
            extended[name[:-1]] = decoded
    return kind, extended | plain if kind == "form-data" else plain | extended


def _parse_parameters(value: str, position: int, piece: re.Pattern[str]) -> dict[str, str] | None:
    """Read ``; name=value`` pieces to the end; None when something else or a name twice is there.

    A piece may be empty (RFC 9110 section 5.6.6).
    """
    parameters: dict[str, str] = {}
    while match := piece.match(value, position):
        position = match.end()
        name, quoted = match["name"], match["quoted"]
        if name is None:
            continue
        name = name.lower()
        if name in parameters:
            return None
        if quoted is not None and "\\" in quoted and piece is _ESCAPED:
            quoted = _ESCAPE.sub(r"\1", quoted)
        parameters[name] = match["token"] if quoted is None else quoted
    return parameters if position == len(value) else None


def _join_sections(parameters: dict[str, str]) -> dict[str, str]:
    """Join what comes in sections, from number 0 to the first that is missing.

    If one of them is extended, the whole is: its charset stands in the first.
    """
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, text in parameters.items():
        if match := _SECTION.fullmatch(name):
            of_name = sections.setdefault(match["name"], {})
            of_name[int(match["number"])] = text, bool(match["extended"])
    joined = {}
    for name, of_name in sections.items():
        found: list[tuple[str, bool]] = []
        while (section := of_name.get(len(found))) is not None:
            found.append(section)
        if any(extended for _, extended in found):
            texts = [
                text if extended else quote(text, safe="", errors="surrogateescape")
                for text, extended in found
            ]
            joined[f"{name}*"] = "".join(texts)
        elif found:
            joined[name] = "".join(text for text, _ in found)
    return joined


def _decode_extended(text: str) -> str | None:
    match = _EXTENDED.fullmatch(text)
    if match is None:
        return None
    try:
        decoded = unquote_to_bytes(match["value"]).decode(match["charset"])
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(decoded) else decoded
