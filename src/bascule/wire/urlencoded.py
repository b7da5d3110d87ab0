"""Forms of the type application/x-www-form-urlencoded: text to pairs."""

import re
from typing import Final

__all__ = ["parse_urlencoded"]

_DIGITS = "0123456789abcdefABCDEF"
_OCTETS: Final = {
    (high + low).encode(): bytes([int(high + low, 16)]) for high in _DIGITS for low in _DIGITS
}
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_TEXT_ESCAPE: Final = re.compile("%[0-9A-Fa-f]{2}")
_ASCII_RUN: Final = re.compile("[\x00-\x7f]+")


def parse_urlencoded(text: str, charset: str) -> list[tuple[str, str]]:
    """Split a form into names and values, empty values among them.

    The same as `urllib.parse.parse_qsl`, which takes a second for a mebibyte of lone percent signs.

    Args:
        text: of the form; what is not ASCII in it stays as it is.
        charset: of what is escaped; bytes that are none of it are replaced.
    """
    pairs = []
    for field in text.split("&"):
        if field:
            name, _, value = field.partition("=")
            pairs.append((_unquote(name, charset), _unquote(value, charset)))
    return pairs


def _unquote(text: str, charset: str) -> str:
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    if _TEXT_ESCAPE.search(text) is None and b"%".decode(charset, "replace") == "%":
        return text
    return _ASCII_RUN.sub(lambda run: _unquote_ascii(run[0], charset), text)


def _unquote_ascii(text: str, charset: str) -> str:
    data = _ESCAPE.sub(lambda escape: _OCTETS[escape[1]], text.encode("ascii"))
    return data.decode(charset, "replace")
