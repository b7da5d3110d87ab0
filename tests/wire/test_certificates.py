"""Certificates are read as the module ssl reads them."""

import datetime
import ssl
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from bascule.wire.certificates import decode_certificate, dump_subject


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def show(authority: trustme.CA, own: trustme.LeafCert) -> tuple[bytes, Any]:
    """Let a server show a certificate in memory; give its bytes, and what ssl reads in them."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.configure_cert(server_context)
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    authority.configure_trust(client_context)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(down, up)
    server = server_context.wrap_bio(up, down, server_side=True)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            pass
    data = client.getpeercert(binary_form=True)
    assert data is not None
    return data, client.getpeercert()


@pytest.mark.parametrize(
    ("identities", "options"),
    [
        (["example.org"], {}),
        (["*.example.org", "xn--bcher-kva.example", "127.0.0.1", "2001:db8::1"], {}),
        (["someone@example.org"], {"common_name": "Smith, J.", "organization_name": "A+B"}),
        (["x"], {"common_name": "Bücher 書", "organization_unit_name": "Ünit"}),
        (["x"], {"not_after": datetime.datetime(2061, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)}),
        (["x"], {"not_before": datetime.datetime(1999, 12, 31, tzinfo=datetime.UTC)}),
        (["x"], {"key_type": trustme.KeyType.RSA}),
    ],
)
def test_a_certificate_says_what_ssl_says(
    authority: trustme.CA, identities: list[str], options: dict[str, Any]
) -> None:
    data, known = show(authority, authority.issue_cert(*identities, **options))
    assert decode_certificate(data) == known


def make(*names: x509.RelativeDistinguishedName) -> bytes:
    """Make a certificate of its own, without extensions."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(names)
    now = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 0xABC, now, now)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_names_may_have_several_attributes_a_step() -> None:
    step = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CH"),
        x509.NameAttribute(x509.ObjectIdentifier("1.2.3.4"), "own"),
    ]
    found = decode_certificate(
        make(
            x509.RelativeDistinguishedName(step),
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@b")]),
        )
    )
    first, second = found["subject"]
    assert set(first) == {("countryName", "CH"), ("1.2.3.4", "own")}
    assert second == (("emailAddress", "a@b"),)
    assert found["notBefore"] == "Jan  2 03:04:05 2026 GMT"
    assert found["serialNumber"] == "0ABC"
    assert "subjectAltName" not in found


@pytest.mark.parametrize("read", [decode_certificate, dump_subject])
def test_what_is_cut_off_is_no_certificate(authority: trustme.CA, read: Any) -> None:
    data, _ = show(authority, authority.issue_cert("example.org", common_name="x"))
    for size in range(len(data)):
        with pytest.raises(ValueError):
            read(data[:size])


def test_changed_bytes_raise_nothing_else(authority: trustme.CA) -> None:
    data, _ = show(authority, authority.issue_cert("example.org", "127.0.0.1", common_name="x"))
    for at in range(len(data)):
        for value in (0, 0x30, 0x80, 0xFF):
            changed = bytearray(data)
            changed[at] = value
            try:
                decode_certificate(bytes(changed))
            except ValueError:
                pass
