"""What certificates say: a little of DER and of X.509 (RFC 5280), and names as text (RFC 4514)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

__all__ = ["decode_certificate", "dump_subject"]

_SEQUENCE: Final = 0x30
_UTC_TIME: Final = 0x17
# Optional fields of a certificate, by their tags.
_VERSION: Final = 0xA0
_EXTENSIONS: Final = 0xA3
_ALTERNATIVE_NAMES: Final = "2.5.29.17"
# Names of what a certificate is for besides its subject, as the module ssl calls them.
_KINDS: Final = {0x81: "email", 0x82: "DNS", 0x86: "URI"}
_IP_ADDRESS: Final = 0x87
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
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
# The same in the words of the module ssl, which has them from OpenSSL.
_LONG_NAMES: Final = {
    "2.5.4.3": "commonName",
    "2.5.4.4": "surname",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "countryName",
    "2.5.4.7": "localityName",
    "2.5.4.8": "stateOrProvinceName",
    "2.5.4.9": "streetAddress",
    "2.5.4.10": "organizationName",
    "2.5.4.11": "organizationalUnitName",
    "2.5.4.12": "title",
    "2.5.4.17": "postalCode",
    "2.5.4.42": "givenName",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.46": "dnQualifier",
    "0.9.2342.19200300.100.1.1": "userId",
    "0.9.2342.19200300.100.1.25": "domainComponent",
    "1.2.840.113549.1.9.1": "emailAddress",
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
    subject = _read_fields(certificate).subject
    names = [_dump_set(contents) for _, contents in _read_elements(subject)]
    return ",".join(reversed(names))


def decode_certificate(certificate: bytes) -> dict[str, Any]:
    """Give what a certificate says, as ``ssl.SSLSocket.getpeercert`` does: subject, issuer,
    version, serial number, validity, and other names of the kinds DNS, IP address, email and URI.

    Args:
        certificate: X.509, in DER.

    Raises:
        ValueError: it is not a certificate.
    """
    fields = _read_fields(certificate)
    found: dict[str, Any] = {
        "subject": _decode_name(fields.subject),
        "issuer": _decode_name(fields.issuer),
        "version": fields.version,
        "serialNumber": _dump_serial(fields.serial),
    }
    begin, end = _read_elements(fields.validity)
    found["notBefore"], found["notAfter"] = _dump_time(*begin), _dump_time(*end)
    others = _decode_others(fields.extensions)
    if others:
        found["subjectAltName"] = others
    return found


class _Fields(NamedTuple):
    """Fields of a certificate, their contents in DER (RFC 5280 section 4.1)."""

    version: int
    serial: bytes
    issuer: bytes
    validity: bytes
    subject: bytes
    extensions: bytes


def _read_fields(certificate: bytes) -> _Fields:
    (_, body), *_ = _read_elements(certificate)
    (_, to_be_signed), *_ = _read_elements(body)
    named = dict(_read_elements(to_be_signed))
    rest = [pair for pair in _read_elements(to_be_signed) if pair[0] != _VERSION]
    # serialNumber, signature, issuer, validity, subject
    if len(rest) < 5 or rest[4][0] != _SEQUENCE:
        raise ValueError("Not a certificate: it has no subject")
    version = named.get(_VERSION, b"\2\1\0")[-1:] or b"\0"
    values = [contents for _, contents in rest]
    return _Fields(
        version[0] + 1, values[0], values[2], values[3], values[4], named.get(_EXTENSIONS, b"")
    )


def _decode_name(name: bytes) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Give the steps of a name, each with its attributes, mostly one."""
    return tuple(
        tuple(_decode_attribute(pair) for _, pair in _read_elements(step))
        for _, step in _read_elements(name)
    )


def _decode_attribute(pair: bytes) -> tuple[str, str]:
    elements = list(_read_elements(pair))
    if len(elements) != 2:
        raise ValueError("Not a name: an attribute is a type and a value")
    (_, kind), (tag, value) = elements
    oid = _dump_oid(kind)
    return _LONG_NAMES.get(oid, oid), value.decode(_CHARSETS.get(tag, "latin-1"))


def _decode_others(extensions: bytes) -> tuple[tuple[str, str], ...]:
    """Give the other names of the subject (RFC 5280 section 4.2.1.6)."""
    for _, listed in _read_elements(extensions):
        for _, extension in _read_elements(listed):
            (_, oid), *_, (_, value) = _read_elements(extension)
            if _dump_oid(oid) == _ALTERNATIVE_NAMES:
                (_, names), *_ = _read_elements(value)
                return tuple(_decode_others_of(names))
    return ()


def _decode_others_of(names: bytes) -> Iterator[tuple[str, str]]:
    for tag, value in _read_elements(names):
        if tag in _KINDS:
            yield _KINDS[tag], value.decode("latin-1")
        elif tag == _IP_ADDRESS:
            yield "IP Address", _dump_address(value)


def _dump_address(value: bytes) -> str:
    if len(value) not in (4, 16):
        raise ValueError("Not an IP address")
    if len(value) == 4:
        return ".".join(map(str, value))
    return ":".join(f"{value[at] << 8 | value[at + 1]:X}" for at in range(0, 16, 2))


def _dump_serial(number: bytes) -> str:
    digits = f"{int.from_bytes(number, 'big'):X}"
    return digits.zfill(len(digits) + len(digits) % 2)


def _dump_time(tag: int, value: bytes) -> str:
    """Write a time as OpenSSL does: ``Jan  5 09:34:43 2018 GMT`` (RFC 5280 section 4.1.2.5)."""
    text = value.decode("ascii")
    if tag == _UTC_TIME:  # of 1950 to 2049
        text = ("19" if text[:2] >= "50" else "20") + text
    time = datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    return f"{_MONTHS[time.month - 1]} {time.day:2} {time:%H:%M:%S} {time.year} GMT"


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
