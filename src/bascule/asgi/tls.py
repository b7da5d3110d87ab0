"""What the ASGI TLS extension tells of a connection (version 0.2)."""

import ssl
from typing import Any, Final
from weakref import WeakKeyDictionary

from ..exchange import Exchange
from ..wire.certificates import dump_subject

__all__ = ["describe_tls"]

# Any: the specification types the entries one by one.
Description = dict[str, Any]

# As they are on the wire (RFC 8446 section 4.2.1 and its predecessors).
_VERSIONS: Final = {
    "SSLv3": 0x0300,
    "TLSv1": 0x0301,
    "TLSv1.1": 0x0302,
    "TLSv1.2": 0x0303,
    "TLSv1.3": 0x0304,
}
# Steps of a handshake are few; more of them mean that it will not end.
_MAX_STEPS: Final = 10

# None of this changes while a connection or a context lives.
_connections: "WeakKeyDictionary[Any, Description]" = WeakKeyDictionary()
_own_certificates: "WeakKeyDictionary[ssl.SSLContext, str | None]" = WeakKeyDictionary()
_suites: "WeakKeyDictionary[ssl.SSLContext, dict[str, int]]" = WeakKeyDictionary()


def describe_tls(exchange: Exchange) -> Description | None:
    """Tell of the TLS of an exchange; None where nothing is known of it.

    What a host tells in a scope of its own is handed on.
    """
    ssl_object = exchange.extra("ssl_object")
    if ssl_object is None:
        scope = exchange.extra("scope") or {}
        found: Description | None = (scope.get("extensions") or {}).get("tls")
        return found
    description = _connections.get(ssl_object)
    if description is None:
        description = _connections[ssl_object] = _describe(ssl_object)
    return {**description, "client_cert_chain": list(description["client_cert_chain"])}


def _describe(ssl_object: Any) -> Description:  # Any: an SSLObject, or an SSLSocket
    certificate: bytes | None = ssl_object.getpeercert(binary_form=True)
    cipher = ssl_object.cipher()
    context = ssl_object.context  # the one that the client's server name has led to
    return {
        "server_cert": _find_own_certificate(context),
        "client_cert_chain": _read_chain(ssl_object, certificate) if certificate else [],
        "client_cert_name": _read_name(certificate) if certificate else None,
        # A client whose certificate does not verify has no connection.
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(ssl_object.version()),
        "cipher_suite": _number_suites(context).get(cipher[0]) if cipher else None,
    }


def _read_chain(ssl_object: Any, certificate: bytes) -> list[str]:
    """Give the certificates that the client has shown, in PEM, its own first."""
    if hasattr(ssl_object, "get_unverified_chain"):  # Python 3.13
        return [ssl.DER_cert_to_PEM_cert(each) for each in ssl_object.get_unverified_chain()]
    # Before, the same was there, but not public, and gave objects that know their PEM.
    inner: Any = getattr(ssl_object, "_sslobj", None)  # Any: it is private
    if hasattr(inner, "get_unverified_chain"):
        return [each.public_bytes() for each in inner.get_unverified_chain()]
    return [ssl.DER_cert_to_PEM_cert(certificate)]


def _read_name(certificate: bytes) -> str | None:
    """Give the subject of a certificate; None where OpenSSL has read one and we cannot."""
    try:
        return dump_subject(certificate)
    except ValueError:
        return None


def _number_suites(context: ssl.SSLContext) -> dict[str, int]:
    """Give the numbers of cipher suites by the names that OpenSSL has for them."""
    numbers = _suites.get(context)
    if numbers is None:
        # The upper half of OpenSSL's number says which protocol it is of.
        numbers = {suite["name"]: suite["id"] & 0xFFFF for suite in context.get_ciphers()}
        _suites[context] = numbers
    return numbers


def _find_own_certificate(context: ssl.SSLContext) -> str | None:
    """Find out which certificate a context shows, in PEM; None where it cannot be found out.

    The ssl module does not tell what a context was loaded with: a client in memory is shown it.
    """
    if context not in _own_certificates:
        try:
            shown = _shake_hands(context)
        except (OSError, ValueError):  # a context that takes no such client, or has none
            shown = None
        _own_certificates[context] = ssl.DER_cert_to_PEM_cert(shown) if shown else None
    return _own_certificates[context]


def _shake_hands(context: ssl.SSLContext) -> bytes | None:
    """Let a context shake hands with a client that looks at its certificate, in DER."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    client = client_context.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_MAX_STEPS):
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            pass
        else:
            return client.getpeercert(binary_form=True)
        try:
            server.do_handshake()
        except ssl.SSLWantReadError:
            pass
    return None
