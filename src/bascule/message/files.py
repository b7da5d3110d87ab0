"""Answers whose body is a file."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

from ..exchange import Exchange
from ..wire import hdrs
from ..wire.conditions import dump_content_range
from ..wire.framing import has_no_content
from .lookup import Found, Wish, find_file, read_piece
from .stream import Answerable, LooseHeaders, StreamResponse

__all__ = ["FileResponse"]

# As in aiohttp: a way out where a file system and sendfile do not get along.
_NO_SENDFILE: Final = bool(os.environ.get("AIOHTTP_NOSENDFILE"))


class FileResponse(StreamResponse):
    """An answer with a file: whole, a part that was asked for, or none when the client has it.

    The file is looked up when the response is prepared, and sent to its end there; files that
    cannot be sent turn it into an empty 403 or 404. All of it happens in threads.

    Args:
        path: of the file; ``.br`` and ``.gz`` files beside it are sent to who accepts them.
        chunk_size: most bytes that are read at once.
        status: kept unless the answer becomes another one than the whole file.
        reason: reason phrase.
        headers: copied; a Content-Type among them is kept.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        chunk_size: int = 256 * 1024,
        status: int = 200,
        reason: str | None = None,
        headers: LooseHeaders | None = None,
    ) -> None:
        super().__init__(status=status, reason=reason, headers=headers)
        self._path = Path(path)
        self._chunk_size = chunk_size
        self._found: Found | None = None

    @classmethod
    def _of_found(cls, path: Path, chunk_size: int, found: Found) -> "FileResponse":
        """Make a response of what was found already; a file that is open is closed."""
        response = cls(path, chunk_size)
        if found.file is None:
            response._found = found
        else:  # to be held open by nobody while others have the response
            found.file.close()
        return response

    async def prepare(self, request: Answerable) -> Exchange | None:
        """Look the file up, decide the head, and send everything.

        The file is closed behind it, also when it fails or is cancelled.

        Raises:
            ConnectionResetError: the peer has left.
            OSError: the file cannot be read, for other reasons than those answered 403 and 404.
        """
        if self.prepared:
            return await super().prepare(request)
        # What was found before counts only while the answer is still what it was then.
        found = self._found if self._status == 200 else None
        self._found = None
        if found is None:
            found = await self._find(make_wish(request, self._status))
        try:
            self._describe(found)
            exchange = await super().prepare(request)
            if exchange is not None:
                await self._send(found, exchange)
            return exchange
        finally:
            if found.file is not None:
                await _run_in_thread(found.file.close)

    async def _find(self, wish: Wish) -> Found:
        looking = _run_in_thread(find_file, self._path, wish)
        try:
            return await asyncio.shield(looking)
        except asyncio.CancelledError:
            looking.add_done_callback(_close_found)  # the thread goes on, and may open the file
            raise

    def _describe(self, found: Found) -> None:
        """Set the status and the fields, in the order in which aiohttp has them."""
        verdict, headers = found.verdict, self._headers
        if verdict.status != 200:
            self._set_status(verdict.status, None)
        if verdict.status == 412:
            headers[hdrs.CONTENT_LENGTH] = "0"
            return
        if verdict.status not in (200, 206):
            headers.pop(hdrs.CONTENT_LENGTH, None)
        if found.current is None:
            return
        if verdict.status == 416:
            headers[hdrs.CONTENT_RANGE] = dump_content_range(found.current.size)
            return
        if verdict.status != 304:
            headers.setdefault(hdrs.CONTENT_TYPE, found.media_type)
        if found.coding:
            self._name_coding(found.coding, verdict.status)
        self.etag = found.current.etag
        self.last_modified = found.current.modified
        if verdict.status != 304:
            self._describe_bytes(found)

    def _name_coding(self, coding: str, status: int) -> None:
        """Tell of a content coding; 304 has a Vary too (RFC 9110 section 15.4.5)."""
        headers = self._headers
        if status != 304:
            headers[hdrs.CONTENT_ENCODING] = coding
        given = headers.get(hdrs.VARY)
        headers[hdrs.VARY] = f"{given}, {hdrs.ACCEPT_ENCODING}" if given else hdrs.ACCEPT_ENCODING

    def _describe_bytes(self, found: Found) -> None:
        assert found.current is not None  # or there would be no bytes
        verdict, headers = found.verdict, self._headers
        if not self._chunked:
            headers[hdrs.CONTENT_LENGTH] = str(verdict.stop - verdict.start)
        headers[hdrs.ACCEPT_RANGES] = "bytes"
        if verdict.status == 206:
            part = dump_content_range(found.current.size, verdict.start, verdict.stop)
            headers[hdrs.CONTENT_RANGE] = part

    async def _send(self, found: Found, exchange: Exchange) -> None:
        if found.file is not None:
            offset, count = found.verdict.start, found.verdict.stop - found.verdict.start
            # Without the length of the file its bytes do not leave as they are.
            as_it_is = self._headers.get(hdrs.CONTENT_LENGTH) == str(count)
            if (
                _NO_SENDFILE
                or not as_it_is
                or not (await exchange.send_file(found.file, offset, count))
            ):
                await self._copy(found.file, offset, count)
        await super().write_eof(found.data)

    async def _copy(self, file: BinaryIO, offset: int, count: int) -> None:
        """Send a part of a file piece by piece; one that has become shorter ends early, at which
        the exchange cuts the connection."""
        stop = offset + count
        while offset < stop:
            size = min(self._chunk_size, stop - offset)
            piece = await _run_in_thread(read_piece, file, offset, size)
            if not piece:
                return
            await self.write(piece)
            offset += len(piece)


def make_wish(request: Answerable, status: int) -> Wish:
    """Tell what an answer of this status to a request wants of a file."""
    bodiless = has_no_content(status)
    return Wish(
        request.method,
        request.headers,
        is_conditional=200 <= status < 300 and not bodiless,
        is_empty=bodiless or request.method == hdrs.METH_HEAD,
    )


def _run_in_thread(function: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
    """Any: as `run_in_executor` has it."""
    return asyncio.get_running_loop().run_in_executor(None, function, *args)


def _close_found(looking: "asyncio.Future[Found]") -> None:
    """Close a file that was found for nobody."""
    if looking.cancelled() or looking.exception() is not None:
        return
    file = looking.result().file
    if file is not None:
        _run_in_thread(file.close)
