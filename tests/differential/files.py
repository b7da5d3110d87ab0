"""A directory of files in every state that matters, and an application that serves it."""

import atexit
import mimetypes
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["AFTER", "BEFORE", "DIGITS", "ETAG", "THEN", "build_files"]

DIGITS = b"0123456789"
SECONDS = 784111777
THEN = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
ETAG = '"ae1b981bc490a00-a"'  # of the digits

_FILES = {
    "digits.txt": DIGITS,
    "empty.txt": b"",
    "big.bin": DIGITS * 10_000,
    "style.css": b"plain",
    "style.css.gz": b"gz",
    "style.css.br": b"brot",
    "only.html.gz": b"gz",
    "typed.own": b"own",
    "back\\slash": b"x",
    "sub/a b.txt": b"blank",
    "sub/percent%20.txt": b"percent",
    "sub/index": b"",
    "sub/d<i>\"'r/B": b"",
    "sub/d<i>\"'r/a": b"",
    "sub/and/x&y": b"",
    "../secret.txt": b"secret",
}
_LINKS = {
    "in": "digits.txt",
    "out": "../secret.txt",
    "inside": "sub",
    "outside": "..",
    "loop": "loop",
    "dangling": "nowhere",
    "linked.css": "style.css",
    "linked.css.gz": "../secret.txt",
}


@cache
def _directory() -> Path:
    """Make the directory, once a run."""
    above = Path(tempfile.mkdtemp(prefix="bascule-files-"))
    atexit.register(shutil.rmtree, above)
    root = above / "root"
    for name, data in _FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (SECONDS, SECONDS))
    for name, target in _LINKS.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "fifo")
    # A type that no server knows of itself.
    mimetypes.add_type("text/own; charset=utf-8", ".own")
    return root


def build_files(web: Any) -> Any:
    """Serve the directory in several ways, and single files by handlers."""
    root = _directory()
    app = web.Application()
    app.router.add_static("/static", root)
    app.router.add_static("/small-chunks", root, chunk_size=1000)
    app.router.add_static("/index", root, show_index=True)
    app.router.add_static("/follow", root, show_index=True, follow_symlinks=True)
    app.router.add_static("/quoted a/é", root)
    inner = web.Application()
    inner.router.add_static("/static", root, show_index=True)
    app.add_subapp("/inner", inner)
    resource = app.router.add_static("/options", root)
    resource.set_options_route(_tell_name(web))
    for name, make in _RESPONSES.items():
        app.router.add_route("*", f"/{name}", _answer_with(web, root, make))
    app.router.add_get("/conditions", _tell_conditions(web))
    return app


def _answer_with(web: Any, root: Path, make: Any) -> Any:
    async def handler(request: Any) -> Any:
        return make(web, root)

    return handler


def _tell_name(web: Any) -> Any:
    async def handler(request: Any) -> Any:
        return web.Response(text=request.match_info["filename"])

    return handler


def _tell_conditions(web: Any) -> Any:
    async def handler(request: Any) -> Any:
        told = [request.if_match, request.if_none_match, request.if_modified_since]
        told += [request.if_unmodified_since, request.if_range]
        try:
            told.append(request.http_range)
        except ValueError as exc:
            told.append(exc)
        response = web.Response(text="\n".join(map(repr, told)))
        response.last_modified = request.if_modified_since
        if request.if_match:
            response.etag = request.if_match[0]
        return response

    return handler


def _chunked(web: Any, root: Path) -> Any:
    response = web.FileResponse(root / "digits.txt")
    response.enable_chunked_encoding()
    return response


def _decorated(web: Any, root: Path) -> Any:
    headers = {"X-A": "1", "Content-Type": "a/b", "ETag": '"own"', "Last-Modified": BEFORE}
    response = web.FileResponse(root / "digits.txt", reason="Fine", headers=headers)
    response.set_cookie("a", "b")
    response.force_close()
    return response


_RESPONSES: dict[str, Any] = {
    "page": lambda web, root: web.FileResponse(root / "digits.txt", status=404),
    "made": lambda web, root: web.FileResponse(root / "digits.txt", status=201),
    "no-content": lambda web, root: web.FileResponse(root / "digits.txt", status=204),
    "decorated": _decorated,
    "chunked": _chunked,
    "varied": lambda web, root: web.FileResponse(root / "style.css", headers={"Vary": "Cookie"}),
    "link": lambda web, root: web.FileResponse(root / "in"),
    "linked-out": lambda web, root: web.FileResponse(str(root / "out")),
    "missing": lambda web, root: web.FileResponse(root / "missing", headers={"X-A": "1"}),
    "directory": lambda web, root: web.FileResponse(root),
    "fifo": lambda web, root: web.FileResponse(root / "fifo"),
    "device": lambda web, root: web.FileResponse("/dev/null"),
    "nul": lambda web, root: web.FileResponse(root / "nul\0"),
    "long": lambda web, root: web.FileResponse(root / ("x" * 300)),
}
