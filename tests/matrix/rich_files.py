"""Endpoints of the matrix's application about files, and the files."""

import gzip
import os
from pathlib import Path
from typing import Any

__all__ = ["BIG_SIZE", "FileRoutes", "make_files"]

# Bytes; more than any server takes for one piece.
BIG_SIZE = 700_000
# Seconds since 1970; all files have the same age on all hosts.
_MODIFIED = 1_000_000_000


class FileRoutes:
    """Handlers that answer with files.

    Args:
        web: the module that the application is made of.
        files: a directory that `make_files` has filled.
    """

    def __init__(self, web: Any, files: Path) -> None:
        self.web = web
        self.files = files

    def routes(self) -> list[Any]:
        return [
            self.web.static("/static", self.files, name="static", show_index=True),
            self.web.get("/file/{name}", self.file),
            self.web.get("/attachment", self.attachment),
        ]

    async def file(self, request: Any) -> Any:
        response = self.web.FileResponse(self.files / request.match_info["name"])
        if request.query.get("compress"):
            response.enable_compression()
        return response

    async def attachment(self, request: Any) -> Any:
        return self.web.Response(body=(self.files / "hello.txt").open("rb"))


def make_files(directory: Path) -> None:
    """Fill a directory with files whose bytes and ages are always the same."""
    contents = {
        "hello.txt": b"hello from a file\n",
        "größe a.txt": "größe".encode(),
        "big.bin": bytes(number % 251 for number in range(BIG_SIZE)),
        "page.html": b"<p>page</p>" * 50,
        "page.html.gz": gzip.compress(b"<p>page</p>" * 50, mtime=0),
    }
    for name, content in contents.items():
        path = directory / name
        path.write_bytes(content)
        os.utime(path, (_MODIFIED, _MODIFIED))
