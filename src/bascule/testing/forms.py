"""Bodies of requests from forms: urlencoded, and multipart with files."""

import io
import mimetypes
import secrets
from collections.abc import Iterable, Mapping
from os.path import basename
from typing import IO, Any, TypeAlias
from urllib.parse import urlencode

__all__ = [
    "FileValue",
    "Files",
    "FormFields",
    "dump_multipart",
    "dump_urlencoded",
    "list_pairs",
]

FileContent: TypeAlias = bytes | str | IO[bytes]
# Content alone, or (file name, content), or (file name, content, content type).
FileValue: TypeAlias = (
    FileContent | tuple[str | None, FileContent] | tuple[str | None, FileContent, str]
)
Files: TypeAlias = Mapping[str, FileValue] | Iterable[tuple[str, FileValue]]
FormFields: TypeAlias = Mapping[str, Any] | Iterable[tuple[str, Any]]

# As browsers escape names (HTML, section 4.10.21.8): there is no other escape that all can read.
_NAME_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def list_pairs(fields: FormFields) -> list[tuple[str, Any]]:
    """List the pairs of a form; a list as the value of a name is one pair for each element."""
    pairs: list[tuple[str, Any]] = []
    for name, value in fields.items() if isinstance(fields, Mapping) else fields:
        pairs += [(name, each) for each in (value if isinstance(value, list) else [value])]
    return pairs


def dump_urlencoded(pairs: Iterable[tuple[str, Any]]) -> bytes:
    """Write pairs as ``application/x-www-form-urlencoded``, in UTF-8."""
    return urlencode([(name, _text(value)) for name, value in pairs]).encode("ascii")


def dump_multipart(
    pairs: Iterable[tuple[str, Any]], files: Iterable[tuple[str, Any]]
) -> tuple[str, bytes]:
    """Write fields and files as ``multipart/form-data`` (RFC 7578); files are read whole.

    Returns:
        the content type, and the body.
    """
    boundary = f"bascule-{secrets.token_hex(16)}"
    parts = [_dump_field(name, value) for name, value in pairs]
    parts += [_dump_file(name, value) for name, value in files]
    lead = f"--{boundary}\r\n".encode("ascii")
    body = b"".join(lead + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode("ascii")
    return f"multipart/form-data; boundary={boundary}", body


def _dump_field(name: str, value: Any) -> bytes:
    return _dump_head(name, None, None) + _read(value if _is_binary(value) else _text(value))


def _dump_file(name: str, value: Any) -> bytes:
    filename, content, content_type = _parse_file(name, value)
    if content_type is None and filename is not None:
        content_type = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    return _dump_head(name, filename, content_type) + _read(content)


def _parse_file(name: str, value: Any) -> tuple[str | None, Any, str | None]:
    if isinstance(value, tuple):
        filename, content, *rest = value
        return filename, content, rest[0] if rest else None
    path = getattr(value, "name", None)
    return basename(path) if isinstance(path, str) else name, value, None


def _dump_head(name: str, filename: str | None, content_type: str | None) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name.translate(_NAME_ESCAPES)}"'
    if filename is not None:
        disposition += f'; filename="{filename.translate(_NAME_ESCAPES)}"'
    lines = [disposition]
    if content_type is not None:
        if not content_type.isprintable():
            raise ValueError(f"Not a content type: {content_type!r:.100}")
        lines.append(f"Content-Type: {content_type}")
    return "\r\n".join([*lines, "", ""]).encode()


def _is_binary(value: Any) -> bool:
    return isinstance(value, bytes | bytearray | memoryview)


def _text(value: Any) -> str:
    """Write the value of a field; numbers too, as query strings have them."""
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(f"The value of a form's field must be str, int or float, got {value!r:.100}")


def _read(content: Any) -> bytes:
    if isinstance(content, io.IOBase) or hasattr(content, "read"):
        content = content.read()
    if isinstance(content, str):
        return content.encode()
    if _is_binary(content):
        return bytes(content)
    raise TypeError(f"The content of a file must be bytes, str or a file, got {content!r:.100}")
