"""A client of raw frames, and its conversations with aiohttp and with bascule, step by step."""

import asyncio
import re
import struct
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "KEY",
    "Client",
    "Program",
    "Talk",
    "Talked",
    "close_frame",
    "deflate",
    "frame",
    "handshake",
    "hold",
    "serving",
    "tell",
]

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
_MASK = b"\x01\x02\x03\x04"
# Only a net under the tests: every wait ends with an event.
_PATIENCE = 15.0
# Behind a handler, in which a connection that is to be closed is: those that stay open pay it.
_GRACE = 1.0
_OPCODES = {0: "CONTINUATION", 1: "TEXT", 2: "BINARY", 8: "CLOSE", 9: "PING", 10: "PONG"}

Case = dict[str, Any]


# -- bytes


def handshake(
    *,
    method: str = "GET",
    version: str = "1.1",
    upgrade: str | None = "websocket",
    connection: str | None = "Upgrade",
    wanted: str | None = "13",
    key: bytes | None = KEY,
    more: str = "",
    target: str = "/",
) -> bytes:
    """Write a request for a WebSocket; `more` are lines of its own."""
    lines = [f"{method} {target} HTTP/{version}", "Host: example.test"]
    fields = {"Upgrade": upgrade, "Connection": connection, "Sec-WebSocket-Version": wanted}
    lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
    if key is not None:
        lines.append(f"Sec-WebSocket-Key: {key.decode('latin-1')}")
    return "\r\n".join([*lines, *([more] if more else []), "", ""]).encode("latin-1")


def frame(
    opcode: int,
    data: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bool = True,
    bits: int = 7,
    size: int | None = None,
) -> bytes:
    """Write a frame; its length in so many bits, or more where it must, and perhaps untrue."""
    size = len(data) if size is None else size
    masked = 0x80 if mask else 0
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if size < 126 and bits == 7:
        head += bytes([masked | size])
    elif size < 65536 and bits < 64:
        head += struct.pack("!BH", masked | 126, size)
    else:
        head += struct.pack("!BQ", masked | 127, size)
    if not mask:
        return head + data
    return head + _MASK + bytes(b ^ _MASK[i % 4] for i, b in enumerate(data))


def close_frame(code: int | None = 1000, reason: bytes = b"") -> bytes:
    """Write a close; None for one without a code."""
    return frame(8, b"" if code is None else struct.pack("!H", code) + reason)


def deflate(data: bytes, compressor: Any = None) -> bytes:
    """Compress a message (RFC 7692 section 7.2.1)."""
    compressor = compressor or zlib.compressobj(wbits=-12)
    done: bytes = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return done[:-4]


# -- words


def show(data: Any) -> str:
    """Show data; a sum for what is long."""
    if isinstance(data, str | bytes | bytearray | memoryview) and len(data) > 60:
        raw = data.encode() if isinstance(data, str) else bytes(data)
        return f"{type(data).__name__} of {len(data)}, {zlib.crc32(raw):08x}"
    return repr(data)


def tell(what: Any) -> str:
    """Tell of a message, an error, a code, or anything else."""
    if isinstance(what, BaseException):
        code = f"{int(what.code)} " if hasattr(what, "code") else ""
        # aiohttp raises one of its client's errors, or the plain one.
        name = type(what).__name__.replace("ClientConnectionReset", "ConnectionReset")
        return f"{name}: {code}{what}"[:160]
    if isinstance(what, tuple) and hasattr(what, "extra"):
        data = what.data
        shown = tell(data) if isinstance(data, BaseException) else show(_plain(data))
        return f"{what.type.name} {shown} {what.extra!r}"
    return show(_plain(what))


def _plain(value: Any) -> Any:
    """Take the name off a code, since a name is there or not."""
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


@dataclass(frozen=True, slots=True)
class Talked:
    """What a handler saw, step by step, what the client got, and how the connection ended."""

    steps: tuple[str, ...]
    head: tuple[str, ...]
    got: tuple[str, ...]
    end: str

    def __str__(self) -> str:
        got = [f"client: {each}" for each in (*self.head, *self.got)]
        lines = [*self.steps, *got, f"-- {self.end}"]
        return "\n".join(f"    {line}" for line in lines)


# -- both ends of a conversation


class Client:
    """The client's end: it sends bytes, and notes the frames that come.

    Attributes:
        head: of the answer to its request, and its body.
        got: the frames that came.
        answers: let a close be answered with the same.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head: list[str] = []
        self.got: list[str] = []
        self.answers = True
        self._reader = reader
        self._writer = writer
        self._inflater: Any = None
        self._window = 15
        self._is_fresh = False

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def send_slowly(self, data: bytes) -> None:
        """Send byte by byte, each as it may well arrive; of much the rest at once."""
        for byte in data[:40]:
            self._writer.write(bytes([byte]))
            await asyncio.sleep(0)
        self._writer.write(data[40:])

    def leave(self) -> None:
        """Reset the connection."""
        self._writer.transport.abort()

    def finish(self) -> None:
        """Send an end, and go on reading."""
        if not self._writer.transport.is_closing():
            self._writer.write_eof()

    async def open(self, request: bytes) -> bool:
        """Send a request, and note what is answered; say whether it is a WebSocket now."""
        self.send(request)
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            self.head.append("no answer")
            return False
        first, *fields = head.decode("latin-1").split("\r\n")[:-2]
        hidden = ("Date:", "Server:")
        kept = [line for line in fields if not line.startswith(hidden)]
        self.head += [first, *kept]
        if " 101 " in first:
            agreed = next((line for line in kept if "permessage-deflate" in line), "")
            bits = re.search(r"server_max_window_bits=(\d+)", agreed)
            self._window = int(bits[1]) if bits else 15
            self._is_fresh = "server_no_context_takeover" in agreed
            return True
        length = next((line[15:] for line in fields if line.startswith("Content-Length:")), "0")
        if not request.startswith(b"HEAD") and int(length):
            self.head.append(repr((await self._reader.readexactly(int(length))).decode()))
        return False

    async def take(self) -> bool:
        """Wait for a frame, and note it; False at the end."""
        try:
            first, second = await self._reader.readexactly(2)
            if bytes([first, second]) == b"HT":
                await self._take_http()
                return True
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8))
            self._note(first, second >> 7, await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        return True

    async def take_all(self) -> None:
        """Note frames up to the end."""
        while await self.take():
            pass

    async def _take_http(self) -> None:
        head = await self._reader.readuntil(b"\r\n\r\n")
        self.got.append(f"HT{head.partition(bytes([13]))[0].decode()} behind the 101")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
        await self._reader.readexactly(int(length or 0))

    def _note(self, first: int, mask: int, data: bytes) -> None:
        opcode, rsv, notes = first & 0x0F, first >> 4 & 7, ""
        if opcode == 8 and self.answers:
            self.answers = False
            self.send(frame(8, data))
        if rsv & 4 and opcode < 8:
            data, notes = self._inflate(data), " compressed"
        notes += f" rsv {rsv & 3}" if rsv & 3 else ""
        notes += "" if first & 0x80 else " not final"
        notes += " masked" if mask else ""
        shown = show(data)
        if opcode == 8 and len(data) > 1:
            shown = f"{int.from_bytes(data[:2])} {show(data[2:])}"
        self.got.append(f"{_OPCODES.get(opcode, opcode)} {shown}{notes}")

    def _inflate(self, data: bytes) -> bytes:
        if self._inflater is None or self._is_fresh:
            self._inflater = zlib.decompressobj(wbits=-self._window)
        try:
            inflated: bytes = self._inflater.decompress(data + b"\0\0\xff\xff")
        except zlib.error:
            self._inflater = None
            return b"what cannot be inflated"
        return inflated


@dataclass
class Talk:
    """One conversation, as handler and client see it.

    Attributes:
        web: the module that serves.
        case: what is to be said.
        steps: what the handler saw.
        done: set when the handler has ended.
        begun: whether it has begun.
        number: of the conversation, among those that one server holds.
        ws: what on_shutdown closes, if the case says so.
    """

    web: Any
    case: Case
    steps: list[str] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    begun: bool = False
    number: int = 0
    ws: Any = None
    _reached: dict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))

    def request(self, **how: Any) -> bytes:
        """Write a handshake that leads here."""
        return handshake(target=f"/{self.number}", **how)

    def note(self, *words: Any) -> None:
        self.steps.append(" ".join(str(word) for word in words))

    def reach(self, point: str) -> None:
        """Let those go on that wait for a point."""
        self._reached[point].set()

    async def wait(self, point: str) -> None:
        await self._reached[point].wait()

    async def attempt(self, what: str, call: Callable[[], Any], ws: Any = None) -> Any:
        """Call something, note what came of it, and how the WebSocket is then.

        Returns:
            the result; an error that was raised.
        """
        try:
            result = call()
            if isinstance(result, Awaitable):
                result = await result
        except asyncio.CancelledError:
            self.note(what, "->", "cancelled", self.state(ws))
            raise
        except Exception as exc:
            result = exc
        self.note(what, "->", tell(result), self.state(ws))
        return result

    def state(self, ws: Any) -> str:
        if ws is None:
            return ""
        code, error = ws.close_code, ws.exception()
        shown = "" if error is None else f" {tell(error)}"
        return f"| {'closed' if ws.closed else 'open'} {code if code is None else int(code)}{shown}"


@dataclass(frozen=True, slots=True)
class Program:
    """What a handler does, and what the client does up to the point where it only reads on."""

    serve: Callable[[Talk, Any], Awaitable[Any]]
    ask: Callable[[Talk, Client], Awaitable[None]]


@asynccontextmanager
async def serving(web: Any, talks: list[tuple[Talk, Program]], **options: Any) -> Any:
    """Serve all conversations, each at a path of its own; give runner and port."""

    async def handler(request: Any) -> Any:
        talk, program = talks[int(request.match_info["number"])]
        talk.begun = True
        try:
            return await program.serve(talk, request)
        except BaseException as exc:
            talk.note("raised", tell(exc))
            raise
        finally:
            talk.done.set()

    async def on_prepare(request: Any, response: Any) -> None:
        talk, _ = talks[int(request.match_info["number"])]
        if (hook := talk.case.get("hook")) is not None:
            talk.note("hook", response.status, response.prepared)
            await HOOKS[hook](response)

    async def on_shutdown(app: Any) -> None:
        for talk, _ in talks:
            if talk.case.get("on_shutdown") == "closes":
                closed = await talk.ws.close(code=1001, message=b"shutdown")
                talk.note("on_shutdown", closed, talk.state(talk.ws))

    app = web.Application()
    app.on_shutdown.append(on_shutdown)
    app.router.add_route("*", "/{number}", handler)
    app.on_response_prepare.append(on_prepare)
    runner = web.AppRunner(app, access_log=None, **{"shutdown_timeout": 0.5, **options})
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner, runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _do_nothing(response: Any) -> None:
    pass


async def _add_fields(response: Any) -> None:
    response.headers["X-Hook"] = "yes"
    response.set_cookie("hooked", "1")


async def _fail(response: Any) -> None:
    raise ValueError("hook")


HOOKS = {"nothing": _do_nothing, "fields": _add_fields, "fails": _fail}


async def hold(talk: Talk, program: Program, port: int) -> Talked:
    """Hold a conversation to its end."""
    end = "closed"
    async with _connected(port) as client:
        reading: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(_PATIENCE):
                await program.ask(talk, client)
                reading = asyncio.create_task(client.take_all())
                if talk.begun:
                    await talk.done.wait()
                if not (await asyncio.wait([reading], timeout=_GRACE))[0]:
                    end = "stays open"
                    client.finish()
                await reading
        except TimeoutError:
            end = "gave up"
        finally:
            if reading is not None:
                reading.cancel()
    return Talked(tuple(talk.steps), tuple(client.head), tuple(client.got), end)


@asynccontextmanager
async def _connected(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
