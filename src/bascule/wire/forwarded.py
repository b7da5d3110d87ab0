"""The Forwarded field (RFC 7239)."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

__all__ = ["parse_forwarded"]

_PAIR = re.compile(
    r"(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]++)="
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"'
    r"|(?P<token>[!#$%&'*+\-.^_`|~0-9A-Za-z]++(?::[0-9]++)?))[ \t]*+"
)
_SEPARATORS = ("", ";", ",", " ", "\t")
_GAP = re.compile(r"[ \t;]*+")
_ESCAPE = re.compile(r"\\(.)")


def parse_forwarded(values: Iterable[str]) -> tuple[Mapping[str, str], ...]:
    """Read all elements of all fields, in order; names are lower-cased, quotes taken off.

    A malformed piece is skipped up to its comma, and what its element said before stays. Each
    character is looked at once. A port behind an address that is not quoted is taken, as aiohttp
    does.
    """
    elements: list[Mapping[str, str]] = []
    for value in values:
        elements += _parse(value)
    return tuple(elements)


def _parse(value: str) -> list[Mapping[str, str]]:
    elements: list[dict[str, str]] = [{}]
    at = 0
    while at < len(value):
        at = _GAP.match(value, at).end()  # type: ignore[union-attr]  # it always matches
        pair = _PAIR.match(value, at)
        if pair is not None:
            quoted = pair["quoted"]
            text = pair["token"] if quoted is None else _ESCAPE.sub(r"\1", quoted)
            elements[-1][pair["name"].lower()] = text
            at = pair.end()
        if value[at : at + 1] not in _SEPARATORS:
            comma = value.find(",", at)
            at = len(value) if comma < 0 else comma
        if value[at : at + 1] == ",":
            elements.append({})
        at += 1
    return [MappingProxyType(element) for element in elements]
