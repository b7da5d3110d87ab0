"""What curl, httpx and aiohttp's client are made to send, case by case."""

import io
import subprocess
from collections.abc import AsyncIterator
from importlib import metadata
from typing import Any

import aiohttp
import httpx

__all__ = ["CURLS", "CURL_FILES", "read_version", "send_by_aiohttp", "send_by_httpx"]

_LINES = b"one\r\ntwo\n\r\n--three\r"
# Files that curl finds where it runs.
CURL_FILES = {
    "a.txt": b"hello\n",
    "b.bin": bytes(range(256)),
    "empty": b"",
    'q"uo;te\\s.txt': b"quotes",
    "n\xe4ive \u20ac.txt": b"not ascii",
    "lines.txt": _LINES,
}

# Arguments, and what comes by the standard input.
CURLS: dict[str, tuple[list[str], bytes]] = {
    "data": (["-d", "a=1&b=2", "-d", "c=%20+"], b""),
    "data-urlencode": (["--data-urlencode", "a=\xe9 \u20ac&=+%\r\n"], b""),
    "data-binary": (["--data-binary", "a=1&b=\xe9 c\r\n"], b""),
    "json": (["--json", '{"a": 1}'], b""),
    "fields": (["-F", "a=b", "-F", "a=c", "-F", "empty=", "-F", "\xe9=\u20ac"], b""),
    "file": (["-F", "a=b", "-F", "file=@a.txt", "-F", "c=d"], b""),
    "files": (["-F", "f=@a.txt", "-F", "f=@b.bin", "-F", "f=@empty"], b""),
    "quoted": (["-F", 'f=@"q\\"uo;te\\\\s.txt"', "-F", 'n"a\\me=x'], b""),
    "quoted-percent": (["--form-escape", "-F", 'f=@"q\\"uo;te\\\\s.txt"', "-F", 'n"a\\me=x'], b""),
    "not-ascii": (["-F", "f=@n\xe4ive \u20ac.txt"], b""),
    "typed": (["-F", "f=@a.txt;type=text/x-y;filename=x/../y.z", "-F", "a=b;type=text/html"], b""),
    "typed-charset": (["-F", "a=b;type=text/plain; charset=latin-1"], b""),
    "json-field": (["-F", 'a={"b": 1};type=application/json'], b""),
    "from-file": (["-F", "a=<lines.txt", "-F", "f=@lines.txt"], b""),
    "standard-input": (["-F", "f=@-"], b"of no length\n" * 3),
    "own-fields": (["-F", 'f=@a.txt;headers="X-A: b"'], b""),
    "base64": (["-F", "f=@b.bin;encoder=base64", "-F", "a=\xe9;encoder=base64"], b""),
    "quoted-printable": (
        ["-F", "f=@lines.txt;encoder=quoted-printable", "-F", "a=\xe9 =;encoder=quoted-printable"],
        b"",
    ),
    "seven-bit": (["-F", "a=b;encoder=7bit", "-F", "c=d;encoder=8bit;type=text/plain"], b""),
    "several-in-one": (["-F", "a=b", "-F", "f=@a.txt,b.bin"], b""),
    "nested": (
        [
            *("-F", "=(;type=multipart/alternative", "-F", "=one", "-F", "=a <b>;type=text/html"),
            *("-F", "=)", "-F", "f=@a.txt"),
        ],
        b"",
    ),
    "expect": (["-H", "Expect: 100-continue", "-F", "a=b"], b""),
    "1.0": (["-0", "-F", "a=b"], b""),
    "chunked": (["-H", "Transfer-Encoding: chunked", "-F", "a=b"], b""),
}

_HTTPX: dict[str, dict[str, Any]] = {
    "data": {"data": {"a": "\xe9 \u20ac&=+%\r\n", "b": ["1", "2"], "c": "", "d": 1, "e": True}},
    "files": {"data": {"a": "b"}, "files": {"f": b"bytes", "g": ("g.txt", io.BytesIO(b"io"))}},
    "names": {
        "files": [
            ("f", ("n\xe4ive \u20ac.txt", b"x")),
            ("f", ('q"uo;te\\s.txt', b"y", "text/x-y")),
            ("f", ("line\r\nbreak", b"z")),
            ('n"a\\m\r\ne\xe9', ("empty", b"")),
        ]
    },
    "no-name": {"files": {"f": (None, b"no file"), "g": (None, "t\xe9xt", "text/plain")}},
    "own-fields": {"files": {"f": ("a", _LINES, "text/plain; charset=latin-1", {"X-A": "b"})}},
    "boundary": {
        "files": {"f": b"x"},
        "headers": {"Content-Type": "multipart/form-data; boundary=own"},
    },
}


async def _generate() -> AsyncIterator[bytes]:
    yield b"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n"
    yield b"b\r\n--B--\r\n"


async def send_by_httpx(url: str) -> None:
    """Send the cases of httpx; the last part of the target names the case."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for name, arguments in _HTTPX.items():
            await client.post(url + name, **arguments)
        fields = {"Content-Type": 'multipart/form-data; boundary="B"'}
        await client.post(f"{url}chunked", content=_generate(), headers=fields)


def _form(*rows: tuple[tuple[Any, ...], dict[str, Any]], **options: Any) -> aiohttp.FormData:
    form = aiohttp.FormData(**options)
    for arguments, more in rows:
        form.add_field(*arguments, **more)
    return form


def _name_files(**options: Any) -> aiohttp.FormData:
    return _form(
        (("f", b"x"), {"filename": "n\xe4ive \u20ac.txt"}),
        (("f", b"y"), {"filename": 'q"uo;te\\s.txt', "content_type": "text/x-y"}),
        (("f", io.BytesIO(b"")), {"filename": "empty"}),
        # Names of fields beyond ASCII it sends unquoted only; else it fails.
        (('n"a\\me' + ("\xe9" if options else ""), "text \u20ac"), {}),
        **options,
    )


def _mix(subtype: str) -> aiohttp.MultipartWriter:
    with aiohttp.MultipartWriter(subtype) as writer:
        writer.append("text \xe9")
        writer.append(bytes(99), {"Content-Encoding": "gzip"})
        writer.append(bytes(99), {"Content-Encoding": "deflate"})
        writer.append(_LINES, {"Content-Transfer-Encoding": "base64"})
        writer.append(_LINES, {"Content-Transfer-Encoding": "quoted-printable"})
        writer.append_json({"a": 1})
        writer.append_form({"b": "c d"})
    return writer


def _nest() -> aiohttp.MultipartWriter:
    with aiohttp.MultipartWriter("mixed") as writer:
        writer.append("before")
        writer.append(_mix("related"))
        writer.append("behind")
    return writer


def _nest_in_form() -> aiohttp.MultipartWriter:
    with aiohttp.MultipartWriter("form-data") as writer:
        part = writer.append("b")
        part.set_content_disposition("form-data", name="a")
        with aiohttp.MultipartWriter("mixed") as inner:
            inner.append("one").set_content_disposition("attachment", filename="1.txt")
        writer.append(inner).set_content_disposition("form-data", name="files")
    return writer


def _make_bodies() -> dict[str, Any]:
    return {
        "pairs": {"a": "\xe9 \u20ac&=+%\r\n", "b": ""},
        "latin-1": _form((("a", "\xe9"), {}), charset="latin-1"),
        "multipart": _form((("a", "b"), {}), (("a", "\u20ac"), {}), default_to_multipart=True),
        "multipart-latin-1": _form(
            (("a", "\xe9"), {}), default_to_multipart=True, charset="latin-1"
        ),
        "names": _name_files(),
        "names-unquoted": _name_files(quote_fields=False),
        "typed": _form((("a", '{"b": 1}'), {"content_type": "application/json"})),
        "bytes": _form((("a", b"bytes"), {"content_type": "application/octet-stream"})),
        "of-no-length": _form((("f", _generate()), {"filename": "g"})),
        "mixed": _mix("mixed"),
        "related": _mix("related"),
        "nested": _nest(),
        "nested-in-form": _nest_in_form(),
        "boundary": aiohttp.MultipartWriter("form-data", boundary="a b'(c)"),
    }


async def send_by_aiohttp(url: str) -> None:
    """Send the cases of aiohttp's client; the last part of the target names the case."""
    async with aiohttp.ClientSession() as client:
        for name, body in _make_bodies().items():
            async with client.post(url + name, data=body):
                pass


def read_version(client: str) -> str:
    """Tell the version of a package, or name and version of a program."""
    if client in ("httpx", "aiohttp"):
        return metadata.version(client)
    output = subprocess.run([client, "--version"], capture_output=True, check=True, text=True)
    return " ".join(output.stdout.split()[:2])
