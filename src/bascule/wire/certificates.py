"""The name in a certificate, written as text: a little of DER, and RFC 4514."""

from collections.abc import Iterator
from typing import Final

__all__ = ["dump_subject"]

_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
# Names that are written for their object identifiers (RFC 4514 section 3, and of RFC 4519 what
# certificates have; the others are dotted numbers).
_DESCRIPTORS: Final = {
    "2.5.4.3": "CN",
    "2.5.4.4": "sn",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.17": "postalCode",
    "2.5.4.42": "givenName",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.46": "dnQualifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
# Encodings of the string types (X.690 section 8.23): UTF8, Numeric, Printable, Teletex (Latin-1 in
# practice), IA5, Universal and BMP.
_CHARSETS: Final = {
    0x0C: "utf-8",
    0x12: "ascii",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}

# A tag, and the contents.
Element = tuple[int, bytes]


def dump_subject(certificate: bytes) -> str:
    """Write the subject of a certificate as text, the last name first (RFC 4514).

    Args:
        certificate: X.509, in DER.

    Raises:
        ValueError: it is not a certificate.
    """
    (_, body), *_ = _read_elements(certificate)
    (_, to_be_signed), *_ = _read_elements(body)
    fields = [pair for pair in _read_elements(to_be_signed) if pair[0] != _VERSION]
    # serialNumber, signature, issuer, validity, subject (RFC 5280 section 4.1)
    if len(fields) < 5 or fields[4][0] != _SEQUENCE:
        raise ValueError("Not a certificate: it has no subject")
    names = [_dump_set(contents) for _, contents in _read_elements(fields[4][1])]
    return ",".join(reversed(names))


def _dump_set(contents: bytes) -> str:
    """Write what names one step, mostly a single attribute."""
    return "+".join(_dump_attribute(pair) for _, pair in _read_elements(contents))


def _dump_attribute(pair: bytes) -> str:
    elements = list(_read_elements(pair, keep_heads=True))
    if len(elements) != 2:
        raise ValueError("Not a name: an attribute is a type and a value")
    (_, kind), (tag, value) = elements
    oid = _dump_oid(_strip_head(kind))
    charset = _CHARSETS.get(tag)
    descriptor = _DESCRIPTORS.get(oid)
    if descriptor is None or charset is None:  # then the value is its encoding (section 2.4)
        return f"{descriptor or oid}=#{value.hex()}"
    return f"{descriptor}={_escape(_strip_head(value).decode(charset))}"


def _escape(text: str) -> str:
    r"""Escape what has a meaning in names: ``Smith\, Jane`` (RFC 4514 section 2.4)."""
    escaped = "".join(f"\\{c}" if c in '"+,;<>\\' else "\\00" if c == "\0" else c for c in text)
    if escaped[:1] in ("#", " "):
        escaped = "\\" + escaped
    if len(text) > 1 and text.endswith(" "):
        escaped = escaped[:-1] + "\\ "
    return escaped


def _dump_oid(contents: bytes) -> str:
    """Write an object identifier (X.690 section 8.19)."""
    numbers, number = [], 0
    for byte in contents:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        raise ValueError("Not an object identifier: it is empty")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))


def _read_elements(data: bytes, *, keep_heads: bool = False) -> Iterator[Element]:
    """Read the elements of DER one behind another (X.690 section 8.1)."""
    at = 0
    while at < len(data):
        tag, start, end = _read_head(data, at)
        yield tag, data[at if keep_heads else start : end]
        at = end


def _strip_head(element: bytes) -> bytes:
    _, start, end = _read_head(element, 0)
    return element[start:end]


def _read_head(data: bytes, at: int) -> tuple[int, int, int]:
    """Read tag and length; give the tag, and where contents begin and end."""
    if len(data) < at + 2:
        raise ValueError("Not DER: it ends inside an element")
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    if start + length > len(data):
        raise ValueError("Not DER: it ends inside an element")
    return tag, start, start + length
