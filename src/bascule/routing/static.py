"""A directory whose files answer the paths below a prefix."""

import errno
import os
import posixpath
import stat
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from yarl import URL

from ..message.disk import run_on_disk
from ..message.exceptions import HTTPForbidden, HTTPMovedPermanently, HTTPNotFound
from ..message.files import FileResponse, check_max_ranges, make_wish
from ..message.lookup import MISSING, Found, Wish, find_file, is_lately_found, is_missing
from ..message.request import BaseRequest
from ..message.response import Response
from ..message.response_head import LooseHeaders
from ..message.stream import StreamResponse
from ..wire import hdrs
from .abstract import ExpectHandler, Handler
from .match import UrlMappingMatchInfo
from .paths import add_root, match_path, unquote_value
from .resources import PrefixResource
from .routes import AbstractRoute, Resolved, ResourceRoute
from .static_names import is_refused
from .static_options import StaticFields, StaticPages

__all__ = ["StaticResource"]

_PAGE = (
    "<html>\n<head>\n<title>{title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n"
    "<ul>\n{entries}\n</ul>\n</body>\n</html>"
)
# What stays as it is in the path of a link, besides letters and digits.
_PLAIN_IN_LINKS = "/@:=+$,;!()*'&~"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request asks of a directory.

    Attributes:
        filename: below the directory.
        root: root path of the application.
        url: of the request; only where it may be redirected.
        wish: what is wanted of the file.
    """

    filename: str
    root: str
    url: URL | None
    wish: Wish


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
        index: name of the file that answers for a directory it lies in, ``index.html`` as a rule;
            where there is none, or it may not be read, the directory is answered as without.
            A path without a slash at its end is sent to that with one by 301, so that links in
            the page are relative to the directory.
        fallback: file below the directory that answers, with 200, paths where there is none: the
            page of an application that finds its way by itself. Browsers ask for a page by naming
            ``text/html`` in Accept, and get it; requests that take anything get it unless their
            path ends in a name with a dot; scripts, images and data that are missing stay 404.
        headers: fields of every answer with a file, also where it says that the client has it.
        max_age: seconds that caches may keep a file for, told in Cache-Control unless `headers`
            has one. The file of `fallback` is never to be kept without asking, since it names
            what is new.
        max_ranges: see `FileResponse`.

    Raises:
        ValueError: there is no such directory, or a bad option.
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
        index: str | None = None,
        fallback: str | os.PathLike[str] | None = None,
        headers: LooseHeaders | None = None,
        max_age: int | None = None,
        max_ranges: int = 1,
    ) -> None:
        super().__init__(prefix, name=name)
        self._directory = _find_directory(directory)
        # In front of the names of files: those that are asked for by their own names are known so.
        self._place = os.path.join(self._directory, "")
        self._expect_handler = expect_handler
        self._chunk_size = chunk_size
        self._show_index = show_index
        self._follow_symlinks = follow_symlinks
        self._append_version = append_version
        self._pages = StaticPages(index, fallback)
        self._fields = StaticFields(headers, max_age)
        self._max_ranges = check_max_ranges(max_ranges)
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
        """Build the URL of a file; within a request behind the root path.

        Args:
            filename: below the directory; slashes in front of it are dropped.
            append_version: add a digest of the content as a query, if the file is there. The file
                is read for that, in the calling thread. None for what the resource was told.
        """
        name = filename.as_posix() if isinstance(filename, PurePath) else str(filename)
        name = name.lstrip("/")
        path = URL.build(path=f"/{name}").raw_path
        url = URL.build(path=add_root(self._prefix.rstrip("/") + path), encoded=True)
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
            HTTPMovedPermanently: a directory with an index whose path lacks the slash.
        """
        asked = _Asked(
            request.match_info["filename"],
            request._head.root_path,
            None if self._pages.index is None else request.rel_url,
            make_wish(request, 200, self._max_ranges),
        )
        if is_lately_found(f"{self._place}{asked.filename}", asked.wish):
            return self._answer(asked)
        response: StreamResponse = await run_on_disk(self._answer, asked)
        return response

    # -- on the disk, in threads, unless the system has all of it in its memory

    def _answer(self, asked: "_Asked") -> StreamResponse:
        path = self._locate(asked.filename)
        if path is None:
            raise HTTPNotFound
        if "\\" in asked.filename:  # what separates segments elsewhere is in no name here
            return self._respond(path, MISSING)
        try:
            if _is_directory(path):
                return self._answer_for_directory(path, asked)
        except PermissionError:
            raise HTTPForbidden from None
        except OSError as exc:
            if is_missing(exc):  # it has gone since
                raise HTTPNotFound from None
            raise
        found = find_file(str(path), asked.wish)
        if found.verdict.status == 404:
            return self._fall_back(asked) or self._respond(path, found)
        return self._respond(path, found)

    def _answer_for_directory(self, path: Path, asked: "_Asked") -> StreamResponse:
        """Answer with the index of a directory, else its list, else what is fallen back to."""
        index = self._find_index(asked)
        if index is not None:
            return index
        if not self._show_index:
            response = self._fall_back(asked)
            if response is not None:
                return response
            raise HTTPForbidden
        return self._list(path, asked)

    def _find_index(self, asked: "_Asked") -> StreamResponse | None:
        name, url, wish = self._pages.index, asked.url, asked.wish
        path = None if name is None else self._locate(f"{asked.filename}/{name}".lstrip("/"))
        if path is None or url is None:
            return None
        has_slash = url.raw_path.endswith("/")
        found = find_file(str(path), wish if has_slash else wish._replace(is_empty=True))
        if found.verdict.status in (403, 404):
            return None
        if not has_slash:
            query = f"?{url.raw_query_string}" if url.raw_query_string else ""
            # Two slashes in front would be another host.
            place = f"/{url.raw_path.lstrip('/')}/{query}"
            raise HTTPMovedPermanently(URL(place, encoded=True))
        return self._respond(path, found)

    def _fall_back(self, asked: "_Asked") -> StreamResponse | None:
        """Answer with the page for paths where there is nothing; None for who wants no page."""
        name = self._pages.fallback
        if name is None or not self._pages.falls_back(asked.filename, asked.wish.fields):
            return None
        path = self._locate(name)
        found = MISSING if path is None else find_file(str(path), asked.wish)
        if path is None or found.verdict.status == 404:
            return None
        return self._respond(path, found)

    def _respond(self, path: Path, found: Found) -> FileResponse:
        response = FileResponse(path, self._chunk_size, max_ranges=self._max_ranges)
        response._adopt(found)
        is_fallback = found.current is not None and self._is_fallback(path)
        if found.current is not None and self._fields.are_any:
            self._fields.add_to(response.headers, found.verdict.status, is_fallback=is_fallback)
        if is_fallback or (self._pages.fallback is not None and found.verdict.status == 404):
            response.headers.add(hdrs.VARY, hdrs.ACCEPT)
        return response

    def _is_fallback(self, path: Path) -> bool:
        name = self._pages.fallback
        return name is not None and path == self._locate(name)

    def _locate(self, filename: str) -> Path | None:
        """Give the path of a file, symbolic links resolved; None when it leads outside."""
        if is_refused(filename):
            return None
        # Behind a link ".." is the directory above the target, so unless links may lead anywhere
        # the name is followed as it stands, step by step.
        followed = posixpath.normpath(filename) if self._follow_symlinks else filename
        path = Path(os.path.realpath(self._directory / followed))
        if self._follow_symlinks or path.is_relative_to(self._directory):
            return path
        return None

    def _list(self, path: Path, asked: "_Asked") -> StreamResponse:
        """Make the page of a directory; links begin with the root path of the application."""
        import html

        if path.is_relative_to(self._directory):
            place = path.relative_to(self._directory).as_posix()
        else:  # behind a symbolic link
            place = posixpath.normpath(asked.filename)
        base = _quote(asked.root) + self._prefix.rstrip("/")
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
    import hashlib

    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return urlsafe_b64encode(digest).decode("ascii")
