"""The opening handshake of a WebSocket (RFC 6455 section 4)."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any

from multidict import MultiMapping

from . import hdrs
from .fields import show_text
from .grammar import HttpVersion, HttpVersion11, is_token

__all__ = [
    "BadHandshake",
    "Extension",
    "check_handshake",
    "check_subprotocol",
    "choose_subprotocol",
    "dump_accept",
    "list_subprotocols",
    "parse_extensions",
    "wants_websocket",
]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# 13 is the version of RFC 6455; the frames of the drafts 7 and 8 are the same.
_VERSIONS = ("13", "8", "7")

# The name of an extension that is offered, and its parameters in order.
Extension = tuple[str, list[tuple[str, str | None]]]

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rf"[ \t]*;[ \t]*({_TOKEN})(?:[ \t]*=[ \t]*(?:({_TOKEN})|\"({_TOKEN})\"))?")
_NAME = re.compile(rf"[ \t]*({_TOKEN})")
_END = re.compile(r"[ \t]*(?:,|\Z)")


class BadHandshake(ValueError):
    """The request is no handshake that can be accepted; the text says what is wrong.

    Attributes:
        fields: for the answer that refuses it.
    """

    def __init__(self, text: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(show_text(text))
        self.fields = dict(fields or {})


def wants_websocket(version: HttpVersion, fields: MultiMapping[str]) -> bool:
    """Whether a request asks for a WebSocket, well or badly."""
    return version == HttpVersion11 and _names(fields, hdrs.UPGRADE, "websocket")


def check_handshake(method: str, version: HttpVersion, fields: MultiMapping[str]) -> str:
    """Check that a request is an opening handshake; give its key.

    Raises:
        BadHandshake: it is none, or of an unknown version (RFC 6455 section 4.2.1).
    """
    if version != HttpVersion11 or not _names(fields, hdrs.UPGRADE, "websocket"):
        upgrade = fields.get(hdrs.UPGRADE)
        raise BadHandshake(
            f'No WebSocket UPGRADE hdr: {upgrade}\n Can "Upgrade" only to "WebSocket".'
        )
    if not _names(fields, hdrs.CONNECTION, "upgrade"):
        raise BadHandshake(f"No CONNECTION upgrade hdr: {fields.get(hdrs.CONNECTION)}")
    if method != "GET":
        raise BadHandshake(f"Handshake error: the method is {method}, not GET")
    wanted = fields.get(hdrs.SEC_WEBSOCKET_VERSION, "")
    if wanted not in _VERSIONS:
        known: dict[str, str] = {hdrs.SEC_WEBSOCKET_VERSION: ", ".join(_VERSIONS)}
        raise BadHandshake(f"Unsupported version: {wanted}", known)
    keys = fields.getall(hdrs.SEC_WEBSOCKET_KEY, [])
    key = keys[0] if keys else None
    if key is None or len(keys) > 1 or not _is_key(key):
        raise BadHandshake(f"Handshake error: {key!r}")
    return key


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def _names(fields: MultiMapping[str], name: str, token: str) -> bool:
    """Whether a list field has this token, in any case."""
    values: list[Any] = fields.getall(name, [])
    return any(item.strip().lower() == token for value in values for item in value.split(","))


def dump_accept(key: str) -> str:
    """Prove that the handshake was understood (RFC 6455 section 4.2.2)."""
    import hashlib

    digest = hashlib.sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def list_subprotocols(fields: MultiMapping[str]) -> list[str]:
    """Give the subprotocols that a client offers, in its order."""
    values: list[Any] = fields.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, [])
    items = (item.strip() for value in values for item in value.split(","))
    return [item for item in items if item]


def choose_subprotocol(offered: Iterable[str], known: Iterable[str]) -> str | None:
    """Choose the client's first that the server knows; None for none."""
    known = list(known)
    return next((protocol for protocol in offered if protocol in known), None)


def check_subprotocol(name: str) -> None:
    """Refuse a subprotocol that would say more than its name in the answer's field.

    Raises:
        TypeError: it is not str.
        ValueError: it is not a token (RFC 6455 section 4.1).
    """
    if not isinstance(name, str):
        raise TypeError(f"subprotocol must be str, got {name!r:.100}")
    if not is_token(name):
        raise ValueError(f"Invalid subprotocol {name!r:.100}")


def parse_extensions(fields: MultiMapping[str]) -> list[Extension]:
    """Parse the extensions that a client offers, in its order (RFC 6455 section 9.1).

    Fields that are malformed offer nothing.
    """
    offers: list[Extension] = []
    for value in fields.getall(hdrs.SEC_WEBSOCKET_EXTENSIONS, []):
        parsed = _parse_extensions(value)
        if parsed is None:
            return []
        offers += parsed
    return offers


def _parse_extensions(value: str) -> list[Extension] | None:
    offers: list[Extension] = []
    at = 0
    while at < len(value):
        if (empty := _END.match(value, at)) is not None:  # an element that is empty, or the end
            at = empty.end()
            continue
        name = _NAME.match(value, at)
        if name is None:
            return None
        at = name.end()
        parameters: list[tuple[str, str | None]] = []
        while (parameter := _PARAMETER.match(value, at)) is not None:
            parameters.append((parameter[1], parameter[2] or parameter[3]))
            at = parameter.end()
        end = _END.match(value, at)
        if end is None:
            return None
        at = end.end()
        offers.append((name[1], parameters))
    return offers
