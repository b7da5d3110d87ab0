"""A TLS context made of files, as command lines name them."""

import os
import ssl

__all__ = ["TlsFilesError", "load_tls"]


class TlsFilesError(Exception):
    """No TLS context can be made of the files; the text says which of them is wrong, and how."""


def load_tls(
    certfile: str | None,
    keyfile: str | None = None,
    password: str | None = None,
    *,
    ca_certs: str | None = None,
    cert_reqs: int = ssl.CERT_NONE,
) -> ssl.SSLContext:
    """Make the context of a server.

    Args:
        certfile: its certificate in PEM, followed by those that lead to a known one.
        keyfile: its key, where it is not in the same file.
        password: of the key; nobody is asked for it.
        ca_certs: certificates that those of clients have to lead to.
        cert_reqs: whether clients show one: 0 no, 1 those that have one, 2 all.

    Raises:
        TlsFilesError: a file is missing or wrong, or they do not fit together.
    """
    if certfile is None:
        raise TlsFilesError("a key, or certificates of clients, need a certificate (ssl-certfile)")
    if cert_reqs and ca_certs is None:
        raise TlsFilesError(
            "to ask clients for certificates, those that they lead to are needed (ssl-ca-certs)"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    _load_certificate(context, certfile, keyfile, password)
    if ca_certs is not None:
        _load_clients(context, ca_certs)
    context.verify_mode = ssl.VerifyMode(cert_reqs)
    return context


def _load_certificate(
    context: ssl.SSLContext, certfile: str, keyfile: str | None, password: str | None
) -> None:
    asked = False

    def give_password() -> str:  # in its absence OpenSSL would ask the terminal
        nonlocal asked
        asked = True
        return password or ""

    for path in filter(None, (certfile, keyfile)):
        _check_readable(path)
    try:
        context.load_cert_chain(certfile, keyfile, give_password)
    except (ssl.SSLError, ValueError) as exc:
        if asked:
            what = "the password is wrong" if password else "it is encrypted: a password is needed"
            raise TlsFilesError(f"cannot read the key in {keyfile or certfile!r}: {what}") from exc
        files = certfile if keyfile is None else f"{certfile} and {keyfile}"
        raise TlsFilesError(f"no certificate with its key in {files}: {_tell(exc)}") from exc


def _load_clients(context: ssl.SSLContext, ca_certs: str) -> None:
    _check_readable(ca_certs)
    try:
        context.load_verify_locations(ca_certs)
    except (ssl.SSLError, ValueError) as exc:
        raise TlsFilesError(f"no certificates in {ca_certs}: {_tell(exc)}") from exc


def _check_readable(path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as exc:
        raise TlsFilesError(f"cannot read {os.fspath(path)!r}: {exc.strerror}") from exc


def _tell(exc: Exception) -> str:
    """Give OpenSSL's own word for what is wrong."""
    reason = getattr(exc, "reason", None)
    return reason.replace("_", " ").lower() if isinstance(reason, str) else str(exc)
