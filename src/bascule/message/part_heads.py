"""Heads of parts as they are written: their fields, and Content-Disposition."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from multidict import CIMultiDict

from ..wire.head import check_fields, dump_head

__all__ = ["dump_content_disposition", "dump_part_head"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# What may stand within quotes (RFC 9110 section 5.6.4), in ASCII.
_QUOTABLE = re.compile(r"[\t\x20-\x7e]*")
_TO_ESCAPE = re.compile(r'(["\\])')


def dump_part_head(headers: CIMultiDict[str]) -> bytes:
    """Write the head of a part, with the empty line behind it.

    Raises:
        ValueError: a name is not a token, or a value holds CR, LF or NUL.
    """
    fields = list(headers.items())
    check_fields(fields)
    return dump_head("", fields)


def dump_content_disposition(
    kind: str, parameters: Mapping[str, str], *, quote_fields: bool = True, charset: str = "utf-8"
) -> str:
    """Write a Content-Disposition (RFC 6266, RFC 7578).

    Args:
        kind: ``attachment``, ``form-data`` or another type.
        parameters: such as ``name`` and ``filename``.
        quote_fields: percent-encode names of files, and write others that are not ASCII as
            extended parameters (RFC 8187); else all go out as they are, as browsers do it.
        charset: of what is encoded.

    Raises:
        ValueError: the type, or the name of a parameter, is not a token.
    """
    if _TOKEN.fullmatch(kind) is None:
        raise ValueError(f"bad content disposition type {kind!r}")
    pieces = [kind]
    for name, value in parameters.items():
        if _TOKEN.fullmatch(name) is None:
            raise ValueError(f"bad content disposition parameter {name!r}={value!r}")
        if quote_fields and name == "filename":
            pieces.append(f'{name}="{quote(value, "", encoding=charset)}"')
        elif quote_fields and _QUOTABLE.fullmatch(value) is None:
            pieces.append(f"{name}*={charset}''{quote(value, '', encoding=charset)}")
        else:
            escaped = _TO_ESCAPE.sub(r"\\\1", value)
            pieces.append(f'{name}="{escaped}"')
    return "; ".join(pieces)
