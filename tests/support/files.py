"""A directory of files, and applications that serve it."""

import gzip
import os
from pathlib import Path
from typing import Any

from bascule import web
from bascule.app.handling import Handling

TEN = b"0123456789"
BIG = bytes(range(256)) * 1024
SECONDS = 784111777
# What clients may decode on the way: the same five letters.
GZIP = gzip.compress(b"plain", mtime=0)
BROTLI = b"\x0b\x02\x80plain\x03"


def make_root(above: Path) -> Path:
    """Make a directory of files, all of the same time, beside one that is not for the public."""
    root = above / "root"
    root.mkdir()
    put(root, "ten.txt", TEN)
    put(root, "empty.txt", b"")
    put(root, "big.bin", BIG)
    put(root, "style.css", b"plain")
    put(root, "style.css.gz", GZIP)
    put(root, "style.css.br", BROTLI)
    put(root, "only.html.gz", GZIP)
    put(root, "sub/a b.txt", b"blank")
    put(above, "secret.txt", b"secret")
    return root


def put(directory: Path, name: str, data: bytes) -> Path:
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (SECONDS, SECONDS))
    return path


def file_app(path: Path | str, *args: Any, **kwargs: Any) -> web.Application:
    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(path, *args, **kwargs)

    app = web.Application()
    app.router.add_route("*", "/", handler)
    return app


def static_app(directory: Path, prefix: str = "/static", **kwargs: Any) -> web.Application:
    app = web.Application()
    app.router.add_static(prefix, directory, **kwargs)
    return app


def memory_handling(app: web.Application) -> Any:
    app.freeze()
    return Handling(app, logger=app.logger)
