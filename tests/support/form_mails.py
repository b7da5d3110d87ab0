"""Bodies of mail as the package `email` of the standard library writes them, sent as requests."""

import email.policy
from email.message import EmailMessage
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import EmailPolicy

__all__ = ["write_mails"]

# Neither aiohttp nor bascule reads fields of parts that are folded, but for a case of its own.
_POLICY = email.policy.SMTP.clone(max_line_length=998)
_FOLDING = email.policy.SMTP.clone(max_line_length=78)


def _write_message(policy: EmailPolicy) -> EmailMessage:
    """Text, HTML with a picture, and two files, as mail programs nest them."""
    mail = EmailMessage(policy=policy)
    mail.set_content("gr\xfc\xdfe \u20ac\n")
    mail.add_alternative("<p>gr\xfc\xdfe \u20ac <img src=cid:a></p>\n", subtype="html")
    html = mail.get_payload()[1]  # type: ignore[index]  # a list behind add_alternative
    assert isinstance(html, EmailMessage)
    html.add_related(b"\x89PNG", maintype="image", subtype="png", cid="<a>")
    mail.add_attachment(
        bytes(range(256)), maintype="x", subtype="y", filename="n\xe4ive \u20ac.bin"
    )
    mail.add_attachment("text", filename="a" * 90 + '"b;c.txt')
    return mail


def _write_related() -> MIMEMultipart:
    related = MIMEMultipart("related", boundary="==related==")
    related.preamble = "This is a message in parts.\n"
    related.epilogue = "This is what comes behind.\n"
    related.attach(MIMEText("text", "plain", "us-ascii"))
    related.attach(MIMEApplication(bytes(99), "pdf", name="a.pdf"))
    return related


def _write_mixed() -> MIMEMultipart:
    mixed = MIMEMultipart("mixed", boundary="a b'c/d")
    related = _write_related()
    related.epilogue = None  # which aiohttp takes for parts of what is around it
    mixed.attach(related)
    mixed.attach(MIMEMultipart("alternative", "==alt==", [MIMEText("x"), MIMEText("y", "html")]))
    mixed.attach(MIMEText("\xe9" * 50, "plain", "latin-1"))
    return mixed


def _write_form() -> MIMEMultipart:
    """A form made with the tools of mail: coded, with names in the way of mail."""
    form = MIMEMultipart("form-data", boundary="form")
    for name, filename, text in [("a", None, "b"), ("f", "n\xe4ive.txt", "text")]:
        part = MIMEText(text, "plain", "utf-8")
        part.add_header("Content-Disposition", "form-data", name=name)
        if filename is not None:
            part.set_param("filename", filename, "Content-Disposition", charset="utf-8")
        form.attach(part)
    return form


def write_mails() -> dict[str, bytes]:
    """Give requests by the names of the cases."""
    mails = {
        "message": _write_message(_POLICY),
        "folded": _write_message(_FOLDING),
        "related": _write_related(),
        "mixed": _write_mixed(),
        "form": _write_form(),
    }
    requests = {}
    for name, mail in mails.items():
        data = mail.as_bytes(policy=_FOLDING if name == "folded" else _POLICY)
        _, _, body = data.partition(b"\r\n\r\n")
        media = " ".join(str(mail["Content-Type"]).split()).encode()
        requests[name] = (
            b"POST /%b HTTP/1.1\r\nHost: 127.0.0.1\r\nMIME-Version: 1.0\r\nContent-Type: %b\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (name.encode(), media, len(body), body)
        )
    return requests
