"""A directory whose files answer the paths below a prefix."""

import asyncio
import errno
import hashlib
import html
import os
import posixpath
import stat
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from yarl import URL

from ..message.exceptions import HTTPForbidden, HTTPNotFound
from ..message.files import FileResponse, make_wish
from ..message.lookup import MISSING, Wish, find_file, is_missing
from ..message.request import BaseRequest
from ..message.response import Response
from ..message.stream import StreamResponse
from ..wire import hdrs
from .abstract import ExpectHandler, Handler
from .match import UrlMappingMatchInfo
from .paths import match_path, unquote_value
from .resources import PrefixResource
from .routes import AbstractRoute, Resolved, ResourceRoute

__all__ = ["StaticResource"]

_PAGE = (
    "<html>\n<head>\n<title>{title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n"
    "<ul>\n{entries}\n</ul>\n</body>\n</html>"
)
# What stays as it is in the path of a link, besides letters and digits.
_PLAIN_IN_LINKS = "/@:=+$,;!()*'&~"


class StaticResource(PrefixResource):
    """The files of a directory, below a prefix.

    Names are made plain before the disk is touched: none leads out of the directory, and unless
    `follow_symlinks` no symbolic link does. All work on the disk but that of `url_for` happens in
    threads.

    Args:
        prefix: of the paths, with whole segments.
        directory: ``~`` is the home directory; symbolic links to it are resolved now.
        name: to find it by in the router.
        expect_handler: called for requests with an Expect field.
        chunk_size: most bytes that are read of a file at once.
        show_index: answer a directory with a list of what is in it instead of 403.
        follow_symlinks: let symbolic links lead out of the directory.
        append_version: let `url_for` tell the content of the file.

    Raises:
        ValueError: there is no such directory.
    """

    VERSION_KEY = "v"

    def __init__(
        self,
        prefix: str,
        directory: str | os.PathLike[str],
        *,
        name: str | None = None,
        expect_handler: ExpectHandler | None = None,
        chunk_size: int = 256 * 1024,
        show_index: bool = False,
        follow_symlinks: bool = False,
        append_version: bool = False,
    ) -> None:
        super().__init__(prefix, name=name)
        self._directory = _find_directory(directory)
        self._expect_handler = expect_handler
        self._chunk_size = chunk_size
        self._show_index = show_index
        self._follow_symlinks = follow_symlinks
        self._append_version = append_version
        self._routes: dict[str, ResourceRoute] = {}
        for method in (hdrs.METH_GET, hdrs.METH_HEAD):
            self._add_route(method, self._handle)

    def __repr__(self) -> str:
        name = f"'{self.name}'" if self.name is not None else ""
        return f"<StaticResource {name} {self._prefix} -> {self._directory!r}>"

    def __len__(self) -> int:
        return len(self._routes)

    def __iter__(self) -> Iterator[AbstractRoute]:
        return iter(self._routes.values())

    def _add_route(self, method: str, handler: Handler) -> None:
        self._routes[method] = ResourceRoute(
            method, handler, self, expect_handler=self._expect_handler
        )

    def set_options_route(self, handler: Handler) -> None:
        """Add a handler for OPTIONS.

        Raises:
            RuntimeError: there is one.
        """
        if hdrs.METH_OPTIONS in self._routes:
            raise RuntimeError("OPTIONS route was set already")
        self._add_route(hdrs.METH_OPTIONS, handler)

    def get_info(self) -> dict[str, Any]:
        """Give ``directory``, ``prefix`` and ``routes``, by method."""
        return {"directory": self._directory, "prefix": self._prefix, "routes": self._routes}

    def url_for(  # type: ignore[override]  # as in aiohttp: it takes a path, and a flag
        self, *, filename: str | os.PathLike[str], append_version: bool | None = None
    ) -> URL:
        """Build the URL of a file.

        Args:
            filename: below the directory; slashes in front of it are dropped.
            append_version: add a digest of the content as a query, if the file is there. The file
                is read for that, in the calling thread. None for what the resource was told.
        """
        name = filename.as_posix() if isinstance(filename, PurePath) else str(filename)
        name = name.lstrip("/")
        path = URL.build(path=f"/{name}").raw_path
        url = URL.build(path=self._prefix.rstrip("/") + path, encoded=True)
        if self._append_version if append_version is None else append_version:
            version = self._find_version(name)
            if version is not None:
                return url.with_query({self.VERSION_KEY: version})
        return url

    def _find_version(self, name: str) -> str | None:
        """Give the digest of a file; None when there is none that would be served."""
        path = self._locate(name)
        try:
            status = None if path is None else os.stat(path)
            if path is None or status is None or not stat.S_ISREG(status.st_mode):
                return None
            return _digest(path, status.st_mtime_ns, status.st_size)
        except (OSError, ValueError):
            return None

    # -- lookup

    async def resolve(self, request: BaseRequest) -> Resolved:
        """Find the route of a request whose path lies below the prefix, also when it is made
        plain."""
        path, prefix = match_path(request), self._literal
        if not _is_below(path, prefix) or not _is_below(posixpath.normpath(path), prefix):
            return None, set()
        methods = set(self._routes)
        route = self._routes.get(request.method)
        if route is None:
            return None, methods
        filename = unquote_value(path[len(prefix) + 1 :])
        return UrlMappingMatchInfo({"filename": filename}, route), methods

    async def _handle(self, request: Any) -> StreamResponse:  # Any: a request with a match_info
        """Answer with a file, or with the list of a directory.

        Raises:
            HTTPForbidden: a directory that is not listed, or a place that may not be looked into.
            HTTPNotFound: a name that leads out of the directory, or round in a circle.
        """
        filename, root = request.match_info["filename"], request._head.root_path
        response: StreamResponse = await asyncio.get_running_loop().run_in_executor(
            None, self._answer, filename, root, make_wish(request, 200)
        )
        return response

    # -- on the disk, in threads

    def _answer(self, filename: str, root: str, wish: Wish) -> StreamResponse:
        path = self._locate(filename)
        if path is None:
            raise HTTPNotFound
        if "\\" in filename:  # what separates segments elsewhere is in no name here
            return FileResponse._of_found(path, self._chunk_size, MISSING)
        try:
            if _is_directory(path):
                return self._list(path, filename, root)
        except PermissionError:
            raise HTTPForbidden from None
        found = find_file(path, wish)
        return FileResponse._of_found(path, self._chunk_size, found)

    def _locate(self, filename: str) -> Path | None:
        """Give the path of a file, symbolic links resolved; None when it leads outside."""
        name = posixpath.normpath(filename)
        if name.startswith(("/", "../")) or name == ".." or "\0" in name or _is_foreign(name):
            return None
        # Behind a link ".." is the directory above the target, so unless links may lead anywhere
        # the name is followed as it stands, step by step.
        followed = name if self._follow_symlinks else filename
        path = Path(os.path.realpath(self._directory / followed))
        if self._follow_symlinks or path.is_relative_to(self._directory):
            return path
        return None

    def _list(self, path: Path, filename: str, root: str) -> StreamResponse:
        """Make the page of a directory; links begin with the root path of the application."""
        if not self._show_index:
            raise HTTPForbidden
        if path.is_relative_to(self._directory):
            place = path.relative_to(self._directory).as_posix()
        else:  # behind a symbolic link
            place = posixpath.normpath(filename)
        base = _quote(root) + self._prefix.rstrip("/")
        base += "" if place == "." else f"/{_quote(place)}"
        entries = "\n".join(
            f'<li><a href="{html.escape(f"{base}/{_quote(name)}", quote=False)}">'
            f"{html.escape(_show(name))}{'/' if is_directory else ''}</a></li>"
            for name, is_directory in _read_directory(path)
        )
        title = html.escape(f"Index of /{_show(place)}")
        page = _PAGE.format(title=title, entries=entries)
        return Response(text=page, content_type="text/html")


def _find_directory(directory: str | os.PathLike[str]) -> Path:
    path = Path(directory).expanduser().absolute()
    try:
        path = path.resolve(strict=True)
    except FileNotFoundError as exc:
        raise ValueError(f"'{directory}' does not exist") from exc
    if not path.is_dir():
        raise ValueError(f"'{directory}' is not a directory")
    return path


def _is_below(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) :][:1] in ("", "/")


def _is_foreign(name: str) -> bool:
    """Say whether a name could mean something of Windows' own there: a drive, a share, a stream."""
    return os.name == "nt" and (":" in name or "\\" in name)


def _is_directory(path: Path) -> bool:
    """Say whether a path is a directory; what is missing is none.

    Raises:
        HTTPNotFound: symbolic links go round in a circle.
    """
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise HTTPNotFound from None
        if is_missing(exc):
            return False
        raise


def _read_directory(path: Path) -> list[tuple[str, bool]]:
    """Give the names in a directory, sorted, and which are directories themselves."""
    with os.scandir(path) as entries:
        return sorted((entry.name, os.path.isdir(entry.path)) for entry in entries)


def _quote(name: str) -> str:
    return quote(os.fsencode(name), safe=_PLAIN_IN_LINKS)


def _show(name: str) -> str:
    """Replace what is not text in a name."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@lru_cache(maxsize=256)
def _digest(path: Path, modified: int, size: int) -> str:
    """Give the digest of a file; it is read again when its time or its size has changed."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return urlsafe_b64encode(digest).decode("ascii")
