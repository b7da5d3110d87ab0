"""Answers whose body is a file."""

import os
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

from multidict import CIMultiDict

from ..exchange import Exchange, State
from ..wire import hdrs
from ..wire.conditions import dump_content_range, dump_etag, join_field
from ..wire.fields import dump_date
from ..wire.framing import has_no_content
from ..wire.grammar import HttpVersion10
from .byteranges import ByteRanges
from .disk import run_on_disk
from .lookup import Found, Wish, find_file, find_lately, read_piece
from .response_head import Answerable, LooseHeaders
from .stream import StreamResponse

__all__ = ["FileResponse"]

# As in aiohttp: a way out where a file system and sendfile do not get along.
_NO_SENDFILE: Final = bool(os.environ.get("AIOHTTP_NOSENDFILE"))
# Files up to this size are closed in the event loop. Nothing is written back behind a descriptor
# that only reads, so that it does not wait as a rule; only the last one of a file that was removed
# has its blocks to free, which takes its time where they are many.
_QUICKLY_FREED: Final = 16 * 1024 * 1024


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

    # The fields that `_send_usual` has sent, but for those of the server.
    _listed: list[tuple[str, str]] | None = None

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
        self._place = _plain_path(path)
        self._chunk_size = chunk_size
        self._max_ranges = check_max_ranges(max_ranges) if max_ranges != 1 else 1
        self._found: Found | None = None
        self._byteranges: ByteRanges | None = None

    @property
    def _path(self) -> Path:
        """Give the path of the file; subclasses of others know this name from aiohttp."""
        return Path(self._place)

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
                await run_on_disk(found.file.close)
            found = None
        if found is None:
            wish = make_wish(request, self._status, self._max_ranges)
            found = find_lately(self._place, wish)
            if found is None:
                found = await run_on_disk(find_file, self._place, wish, release=_close_found)
        try:
            if self._is_usual(request, found):
                sent = await self._send_usual(request, found)
                if sent is not None:
                    return sent
            self._describe(found)
            exchange = await super().prepare(request)
            if exchange is not None:
                await self._send(found, exchange)
            return exchange
        finally:
            file = found.file
            if file is not None:
                if found.current is None or found.current.size > _QUICKLY_FREED:
                    await run_on_disk(file.close)
                else:
                    file.close()

    def _is_usual(self, request: Answerable, found: Found) -> bool:
        """Say whether the answer is a whole file, to a request that goes on with the connection,
        and nothing has been said of it, nor put in the place of how answers are sent."""
        verdict, head = found.verdict, request._exchange.head
        return (
            verdict.status == 200
            and found.current is not None
            and head.method == hdrs.METH_GET
            and head.version != HttpVersion10
            and self._multidict is None
            and self._cookies is None
            and self._compression is None
            and self._keep_alive is None
            and not self._chunked
            and not self._trailers
            and self._reason == "OK"
            and request._prepare_hook is None
            and request._exchange._state is State.OPEN
            and request._exchange.keeps_alive
            and type(self) is FileResponse
            and StreamResponse.prepare is _PREPARE
            and StreamResponse.write_eof is _END
            and "write_eof" not in self.__dict__
            and found.media_type.isprintable()
            and (found.file is not None or len(found.data) == verdict.count)
        )

    async def _send_usual(self, request: Answerable, found: Found) -> Exchange | None:
        """Send head and body in one go; None where that cannot be, and nothing was done."""
        exchange, verdict = request._exchange, found.verdict
        if found.file is None:
            fields = _list_fields(found)
            left = exchange.answer_listed(200, "OK", fields + exchange.default_fields, found.data)
            self._settle(request, fields)
            if left is not None:
                await left
            self._ended = True
            return exchange
        answer = getattr(exchange, "answer_file", None)
        if answer is None or _NO_SENDFILE:
            return None
        fields, lines = _tell(found)
        self._exchange = exchange
        start, stop = verdict.start, verdict.stop
        sent = await answer(lines, found.file.fileno(), start, stop - start)
        if sent is None:
            self._exchange = None
            return None
        self._settle(request, fields)
        if not sent:
            await self._copy(found.file, start, stop)
        if exchange._state is _ENDED:
            self._ended = True
        else:
            await super().write_eof()
        return exchange

    def _settle(self, request: Answerable, fields: list[tuple[str, str]]) -> None:
        """Remember what was sent."""
        self._request = request
        self._exchange = request._exchange
        self._keep_alive = True
        self._listed = fields

    def _build_headers(self) -> CIMultiDict[str]:
        headers = super()._build_headers()
        if self._listed is not None and self._exchange is not None:
            headers.extend(self._listed)
            headers.extend(self._exchange.default_fields)
        return headers

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
            piece = await run_on_disk(read_piece, file, start, size)
            if not piece:
                self._cut_short(stop - start)
                return
            await self.write(piece)
            start += len(piece)

    def _cut_short(self, missing: int) -> None:
        """Cut the connection: chunks would not tell that something is missing."""
        if self._exchange is not None:
            self._exchange.abort(RuntimeError(f"The file ended {missing} bytes early"))


_ENDED: Final = State.ENDED
# As long as they are still these, nobody has put something in their place.
_PREPARE = StreamResponse.prepare
_END = StreamResponse.write_eof


def _tell(found: Found) -> tuple[list[tuple[str, str]], bytes]:
    """List the fields of a whole file, and write them as lines; both are kept with the file."""
    known, key = found.known, (found.media_type, found.coding)
    if known is not None and known.told is not None and known.told[0] == key:
        told: tuple[list[tuple[str, str]], bytes] = known.told[1]
        return told
    fields = _list_fields(found)
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields])
    told = fields, lines.encode("utf-8", "surrogateescape")
    if known is not None:
        known.told = key, told
    return told


def _list_fields(found: Found) -> list[tuple[str, str]]:
    """List the fields of a whole file, as `FileResponse._describe` sets them."""
    current = found.current
    assert current is not None  # or there would be no file
    fields: list[tuple[str, str]] = [(hdrs.CONTENT_TYPE, found.media_type)]
    if found.coding:
        fields.append((hdrs.CONTENT_ENCODING, found.coding))
        fields.append((hdrs.VARY, hdrs.ACCEPT_ENCODING))
    fields += (
        (hdrs.ETAG, dump_etag(current.etag)),
        (hdrs.LAST_MODIFIED, _dump_date(current.modified)),
        (hdrs.CONTENT_LENGTH, str(current.size)),
        (hdrs.ACCEPT_RANGES, "bytes"),
    )
    return fields


# Of few files each is asked for often, or many were made in the same second.
_dump_date = lru_cache(maxsize=1024)(dump_date)


def _plain_path(path: str | os.PathLike[str]) -> str:
    """Write a path as `pathlib` would.

    Raises:
        TypeError: it is none.
    """
    is_plain = (
        type(path) is str
        and path[:1] == "/" == os.sep
        and path[-1] != "/"
        and "//" not in path
        and "/." not in path
    )
    return path if is_plain else str(Path(path))  # type: ignore[return-value]  # a str if plain


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
    bodiless = status != 200 and has_no_content(status)
    method = request.method
    return Wish(
        method,
        request.headers,
        is_conditional=200 <= status < 300 and not bodiless,
        is_empty=bodiless or method == hdrs.METH_HEAD,
        max_ranges=max_ranges,
    )


def _close_found(found: Found) -> None:
    """Close a file that was found for nobody."""
    if found.file is not None:
        found.file.close()
