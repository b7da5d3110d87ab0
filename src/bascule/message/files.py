"""Answers whose body is a file."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

from ..exchange import Exchange
from ..wire import hdrs
from ..wire.conditions import dump_content_range, join_field
from ..wire.framing import has_no_content
from .byteranges import ByteRanges
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
        max_ranges: most parts that one request may ask for; beyond aiohttp. Where it is above 1,
            several parts are answered in a ``multipart/byteranges`` body, those that overlap or
            touch as one; more than that are refused with 416. Files that are sent compressed are
            sent whole instead.

    Raises:
        ValueError: `max_ranges` is not at least 1.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        chunk_size: int = 256 * 1024,
        status: int = 200,
        reason: str | None = None,
        headers: LooseHeaders | None = None,
        *,
        max_ranges: int = 1,
    ) -> None:
        super().__init__(status=status, reason=reason, headers=headers)
        self._path = Path(path)
        self._chunk_size = chunk_size
        self._max_ranges = check_max_ranges(max_ranges)
        self._found: Found | None = None
        self._byteranges: ByteRanges | None = None

    def _adopt(self, found: Found) -> None:
        """Take what was found already; a file that is open is closed with the response."""
        self._found = found

    def __del__(self) -> None:
        # One that was never prepared, since a middleware has answered otherwise.
        found = getattr(self, "_found", None)  # it is not there when the path was none
        if found is not None and found.file is not None:
            found.file.close()

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
        found, self._found = self._found, None
        if found is not None and self._status != 200:
            if found.file is not None:
                await _run_in_thread(found.file.close)
            found = None
        if found is None:
            found = await self._find(make_wish(request, self._status, self._max_ranges))
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
        given = join_field(headers, hdrs.VARY)
        headers[hdrs.VARY] = f"{given}, {hdrs.ACCEPT_ENCODING}" if given else hdrs.ACCEPT_ENCODING

    def _describe_bytes(self, found: Found) -> None:
        assert found.current is not None  # or there would be no bytes
        verdict, headers = found.verdict, self._headers
        length = verdict.count
        if verdict.parts:
            media_type = headers[hdrs.CONTENT_TYPE]
            self._byteranges = ByteRanges(media_type, found.current.size, verdict.parts)
            headers[hdrs.CONTENT_TYPE] = self._byteranges.content_type
            length = self._byteranges.length
        if not self._chunked:
            headers[hdrs.CONTENT_LENGTH] = str(length)
        headers[hdrs.ACCEPT_RANGES] = "bytes"
        if verdict.status == 206 and not verdict.parts:
            part = dump_content_range(found.current.size, verdict.start, verdict.stop)
            headers[hdrs.CONTENT_RANGE] = part

    async def _send(self, found: Found, exchange: Exchange) -> None:
        ranges, verdict, data = self._byteranges, found.verdict, found.data
        if found.file is not None:
            if ranges is None:
                await self._send_part(found.file, verdict.start, verdict.stop, exchange)
            else:
                for head, (start, stop) in zip(ranges.heads, verdict.parts, strict=True):
                    await self.write(head)
                    await self._send_part(found.file, start, stop, exchange)
                data = ranges.tail
        elif ranges is not None and data:
            data = ranges.fill(data, verdict.parts)
        await super().write_eof(data)

    async def _send_part(self, file: BinaryIO, start: int, stop: int, exchange: Exchange) -> None:
        # Without a length the bytes do not leave as they are: in chunks, or compressed.
        as_it_is = hdrs.CONTENT_LENGTH in self._headers and not self._is_encoding()
        if _NO_SENDFILE or not as_it_is or not await exchange.send_file(file, start, stop - start):
            await self._copy(file, start, stop)

    async def _copy(self, file: BinaryIO, start: int, stop: int) -> None:
        """Send a part of a file piece by piece; one that has become shorter ends early, at which
        the connection is cut."""
        while start < stop:
            size = min(self._chunk_size, stop - start)
            piece = await _run_in_thread(read_piece, file, start, size)
            if not piece:
                self._cut_short(stop - start)
                return
            await self.write(piece)
            start += len(piece)

    def _cut_short(self, missing: int) -> None:
        """Cut the connection: chunks would not tell that something is missing."""
        if self._exchange is not None:
            self._exchange.abort(RuntimeError(f"The file ended {missing} bytes early"))


def check_max_ranges(max_ranges: int) -> int:
    """Give it back.

    Raises:
        ValueError: it is not at least 1.
    """
    if not isinstance(max_ranges, int) or max_ranges < 1:
        raise ValueError(f"max_ranges must be at least 1, got {max_ranges!r}")
    return max_ranges


def make_wish(request: Answerable, status: int, max_ranges: int = 1) -> Wish:
    """Tell what an answer of this status to a request wants of a file."""
    bodiless = has_no_content(status)
    return Wish(
        request.method,
        request.headers,
        is_conditional=200 <= status < 300 and not bodiless,
        is_empty=bodiless or request.method == hdrs.METH_HEAD,
        max_ranges=max_ranges,
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
