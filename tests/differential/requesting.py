"""Request bytes, written out from their parts."""

__all__ = ["PROTOCOLS", "request"]

# Version and fields of the four ways in which a connection may go on or end.
PROTOCOLS = {
    "1.1": ("HTTP/1.1", {"Host": "example.test"}),
    "1.1-close": ("HTTP/1.1", {"Host": "example.test", "Connection": "close"}),
    "1.0": ("HTTP/1.0", {}),
    "1.0-keep-alive": ("HTTP/1.0", {"Connection": "keep-alive"}),
}


def request(
    method: str = "GET",
    target: str = "/",
    fields: dict[str, str] | None = None,
    body: bytes = b"",
    *,
    protocol: str = "1.1",
) -> bytes:
    """Write a request; a body gets a Content-Length unless `fields` frame it."""
    version, own = PROTOCOLS[protocol]
    fields = {**own, **(fields or {})}
    if body and not {"Content-Length", "Transfer-Encoding"} & fields.keys():
        fields["Content-Length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target} {version}\r\n{lines}\r\n".encode() + body
