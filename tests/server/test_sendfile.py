"""Files that the system sends by itself: on asyncio and uvloop, to peers of every kind."""

import asyncio
import contextlib
import functools
import gc
import inspect
import io
import os
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from bascule import web
from bascule.server.sendfile import FileSender
from support.files import BIG, TEN, file_app, make_root, put, static_app
from support.requests import GET, app_of, request
from support.wire import PATIENCE, Served, Wire, serve

pytestmark = pytest.mark.skipif(not hasattr(os, "sendfile"), reason="the system cannot")

# More than the buffers on the way can hold.
HUGE = 64 * 2**20
PIECE = 2**20
_FACTORIES = ["asyncio", "uvloop"]


def on_each_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in an event loop of each kind."""

    def run(loop_name: str, **kwargs: Any) -> None:
        factory = None
        if loop_name != "asyncio":
            factory = pytest.importorskip(loop_name).new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(test(**kwargs))

    functools.update_wrapper(run, test)
    del run.__wrapped__  # type: ignore[attr-defined]  # pytest would ask it what it takes
    signature = inspect.signature(test)
    parameters = [
        inspect.Parameter("loop_name", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        *(
            each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for each in signature.parameters.values()
        ),
    ]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return pytest.mark.parametrize("loop_name", _FACTORIES)(run)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = make_root(tmp_path)
    os.truncate(put(root, "huge.bin", b"begin"), HUGE)
    return root


@pytest.fixture(autouse=True)
def no_leaked_descriptors(root: Path) -> Iterator[None]:
    """No socket and no file may stay open behind a test."""

    def list_them() -> list[str]:
        gc.collect()
        links = []
        for descriptor in os.listdir("/proc/self/fd"):
            try:
                links.append(os.readlink(f"/proc/self/fd/{descriptor}"))
            except OSError:
                continue
        return sorted(link for link in links if link.startswith(("socket:", str(root))))

    if not Path("/proc/self/fd").exists():
        yield
        return
    before = list_them()
    yield
    assert list_them() == before


class Asked:
    """An application whose handler sends files by the exchange, and what came of it."""

    def __init__(self, tell: Callable[[Any], Coroutine[Any, Any, Any]], **headers: str) -> None:
        self._tell = tell
        self._headers = headers
        self.told: list[Any] = []
        self.app = app_of(self._handle)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=self._headers)
        await response.prepare(request)
        try:
            self.told.append(await self._tell(request._exchange))
        except Exception as exc:
            self.told.append(exc)
            raise
        return response


async def until(is_true: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_true():
            await asyncio.sleep(0)


async def until_stuck(served: Served) -> Any:
    """Wait until the system has taken of a file what it can hold; give the connection."""
    connection = await served.alone()
    await until(lambda: connection._sender is not None)
    left = None
    while left != (left := connection._sender.left):
        for _ in range(200):
            await asyncio.sleep(0)
    assert 0 < left < HUGE
    return connection


async def begin_huge(wire: Wire, target: str = "/") -> None:
    """Ask for the huge file and read no more than the head."""
    await wire.send(request(target))
    _, fields = await wire.read_head()
    assert fields[b"content-length"] == str(HUGE).encode()


async def count_rest(wire: Wire) -> int:
    """Count the bytes that come until the server closes, or cuts."""
    size = 0
    async with asyncio.timeout(PATIENCE):
        try:
            while piece := await wire.reader.read(2**20):
                size += len(piece)
        except ConnectionError:
            pass
    return size


# -- what arrives


@on_each_loop
async def test_files_arrive_one_behind_the_other(root: Path) -> None:
    """Whole, in part, small and as a head alone, on one connection and asked for at once."""
    async with serve(static_app(root)) as served, served.connect() as wire:
        await wire.send(
            request("/static/big.bin")
            + request("/static/big.bin", "Range: bytes=1000-200999")
            + request("/static/ten.txt")
            + request("/static/big.bin", "Range: bytes=-150000")
        )
        bodies = [(await wire.read_answer())[2] for _ in range(4)]
        assert bodies == [BIG, BIG[1000:201000], TEN, BIG[-150000:]]
        await wire.send(request("/static/big.bin", method="HEAD") + request("/static/big.bin"))
        first, fields = await wire.read_head()
        assert (first, fields[b"content-length"]) == (b"HTTP/1.1 200 OK", b"%d" % len(BIG))
        assert (await wire.read_answer())[2] == BIG


@on_each_loop
async def test_a_huge_file_arrives(root: Path) -> None:
    async with serve(file_app(root / "huge.bin")) as served, served.connect() as wire:
        await begin_huge(wire)
        async with asyncio.timeout(PATIENCE):
            assert await wire.reader.readexactly(5) == b"begin"
            left = HUGE - 5
            while left:
                piece = await wire.reader.read(2**20)
                assert not piece.strip(b"\0")
                left -= len(piece)
        await wire.send(request("/", "Range: bytes=0-4"))
        assert (await wire.read_answer())[2] == b"begin"


@on_each_loop
async def test_http_1_0_gets_files(root: Path) -> None:
    async with serve(static_app(root)) as served, served.connect() as wire:
        await wire.send(request("/static/big.bin", "Connection: keep-alive", version="1.0"))
        _, fields, body = await wire.read_answer()
        assert (fields[b"connection"], body) == (b"keep-alive", BIG)
        await wire.send(request("/static/big.bin", version="1.0"))
        head, _, body = (await wire.read_all()).partition(b"\r\n\r\n")
        assert body == BIG
        assert b"Transfer-Encoding" not in head


@on_each_loop
async def test_a_peer_that_has_ended_its_half_gets_its_file(root: Path) -> None:
    async with serve(file_app(root / "big.bin")) as served:
        assert (await served.exchange(GET)).endswith(b"\r\n\r\n" + BIG)


@on_each_loop
async def test_a_file_stands_behind_what_was_written_before(root: Path) -> None:
    """The transport may still have to write that; what follows stands behind the file."""
    with open(root / "big.bin", "rb") as file:  # noqa: ASYNC230 - costs nothing here

        async def tell(exchange: Any) -> bool:
            for _ in range(4):
                await exchange.write(b"x" * 2**20)
            sent: bool = await exchange.send_file(file, 10, 100_000)
            await exchange.write(b"end")
            sent &= await exchange.send_file(file, 0, 10_000)  # more than was promised
            await exchange.write_eof(b"")
            return sent

        size = 4 * 2**20 + 100_013
        asked = Asked(tell, **{"Content-Length": str(size)})
        async with serve(asked.app) as served, served.connect(limit=4096) as wire:
            for _ in range(2):
                await wire.send(GET)
                body = (await wire.read_answer())[2]
                assert body[: 4 * 2**20] == b"x" * (4 * 2**20)
                assert body[4 * 2**20 :] == BIG[10:100_010] + b"end" + BIG[:10]
    assert asked.told == [True, True]


@on_each_loop
async def test_who_gets_no_body_gets_no_file(root: Path) -> None:
    with open(root / "big.bin", "rb") as file:  # noqa: ASYNC230 - costs nothing here

        async def tell(exchange: Any) -> bool:
            sent: bool = await exchange.send_file(file, 0, len(BIG))
            return sent

        asked = Asked(tell, **{"Content-Length": str(len(BIG))})
        async with serve(asked.app) as served, served.connect() as wire:
            await wire.send(request("/", method="HEAD") + GET)
            _, fields = await wire.read_head()
            assert fields[b"content-length"] == str(len(BIG)).encode()
            assert (await wire.read_answer())[2] == BIG
    assert asked.told == [True, True]


# -- where it is possible


@on_each_loop
async def test_bodies_of_a_length_are_sent_by_the_system(root: Path) -> None:
    """An open file, and its descriptor; where the file stands is of no account."""
    with open(root / "big.bin", "rb") as file:  # noqa: ASYNC230 - costs nothing here
        for given in (file, file.fileno()):

            async def tell(exchange: Any, given: Any = given) -> bool:
                sent: bool = await exchange.send_file(given, 0, len(BIG))
                return sent

            asked = Asked(tell, **{"Content-Length": str(len(BIG))})
            async with serve(asked.app) as served, served.connect() as wire:
                await wire.send(GET)
                assert (await wire.read_answer())[2] == BIG
            assert asked.told == [True]


@on_each_loop
async def test_chunks_and_what_is_no_file_are_not(root: Path) -> None:
    with open(root / "big.bin", "rb") as file:  # noqa: ASYNC230 - costs nothing here
        fields = {"Content-Length": "3"}
        for given, headers in ((file, {}), (io.BytesIO(b"abc"), fields), (object(), fields)):

            async def tell(exchange: Any, given: Any = given) -> bool:
                sent: bool = await exchange.send_file(given, 0, 3)
                await exchange.write(b"own")
                return sent

            asked = Asked(tell, **headers)
            async with serve(asked.app) as served, served.connect() as wire:
                await wire.send(GET)
                assert (await wire.read_answer())[2] == b"own"
            assert asked.told == [False]


@on_each_loop
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no such file system")
async def test_what_the_system_refuses_to_send_may_be_written_instead() -> None:
    """Some file systems cannot, and nothing can with what is no file; the head has left by then."""
    one, other = socket.socketpair()
    with one, other, open("/proc/self/status", "rb") as file:  # noqa: ASYNC230 - costs nothing here
        for given in (file, one):

            async def tell(exchange: Any, given: Any = given) -> bool:
                sent: bool = await exchange.send_file(given, 0, 3)
                await exchange.write(b"own")
                return sent

            asked = Asked(tell, **{"Content-Length": "3"})
            async with serve(asked.app) as served, served.connect() as wire:
                for _ in range(2):
                    await wire.send(GET)
                    assert (await wire.read_answer())[2] == b"own"
            assert asked.told == [False, False]


@on_each_loop
async def test_under_tls_files_are_read(root: Path) -> None:
    authority = trustme.CA()
    theirs, ours = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(theirs)
    authority.issue_cert("127.0.0.1").configure_cert(ours)
    with open(root / "big.bin", "rb") as file:  # noqa: ASYNC230 - costs nothing here

        async def tell(exchange: Any) -> bool:
            sent: bool = await exchange.send_file(file, 0, 3)
            await exchange.write(b"own")
            return sent

        asked = Asked(tell, **{"Content-Length": "3"})
        asked.app.add_subapp("/files", static_app(root))
        app = web.Application()
        app.add_subapp("/files", static_app(root))
        app.add_subapp("/asked", asked.app)
        async with serve(app, ssl_context=ours) as served, served.connect(ssl=theirs) as wire:
            await wire.send(request("/files/static/big.bin") + request("/asked/"))
            assert (await wire.read_answer())[2] == BIG
            assert (await wire.read_answer())[2] == b"own"
    assert asked.told == [False]


# -- what goes wrong on the way


@on_each_loop
async def test_a_peer_may_leave_in_the_middle(root: Path) -> None:
    """Its handler learns of it, and nothing stays open."""
    ended: list[BaseException | None] = []

    async def watch(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        try:
            await response.prepare(request)
        except ConnectionResetError as exc:
            ended.append(exc)
            raise
        return response

    app = web.Application(middlewares=[web.middleware(watch)])
    app.router.add_static("/static", root)
    async with serve(app) as served:
        for _ in range(3):
            async with served.connect(limit=4096) as wire:
                await begin_huge(wire, "/static/huge.bin")
                await until_stuck(served)
                wire.writer.transport.abort()
            await until(lambda: not served.runner.server.connections)  # type: ignore[union-attr]
    assert [type(each) for each in ended] == [web.ClientConnectionResetError] * 3


@on_each_loop
async def test_a_handler_may_be_cancelled_in_the_middle(root: Path) -> None:
    """The client can tell that the file is not whole, since the connection is cut."""
    async with serve(file_app(root / "huge.bin")) as served:
        async with served.connect(limit=4096) as wire:
            await begin_huge(wire)
            connection = await until_stuck(served)
            connection.task.cancel()
            assert await count_rest(wire) < HUGE
        await until(lambda: not served.runner.server.connections)  # type: ignore[union-attr]


@on_each_loop
async def test_nothing_follows_a_file_that_was_given_up(root: Path) -> None:
    """How much of it has left is not known to the handler, which may go on after all."""
    with open(root / "huge.bin", "rb") as file:  # noqa: ASYNC230 - costs nothing here

        async def tell(exchange: Any) -> bool:
            sending = asyncio.create_task(exchange.send_file(file, 0, HUGE))
            await giving_up.wait()
            sending.cancel()
            await asyncio.wait([sending])
            with pytest.raises(web.ClientConnectionResetError):
                await exchange.write(b"more")
            return sending.cancelled()

        giving_up = asyncio.Event()
        asked = Asked(tell, **{"Content-Length": str(2 * HUGE)})
        async with serve(asked.app) as served, served.connect(limit=4096) as wire:
            await wire.send(GET)
            await wire.read_head()
            await until_stuck(served)
            giving_up.set()
            assert await count_rest(wire) < HUGE
        assert asked.told == [True]


@on_each_loop
async def test_a_file_may_shrink_in_the_middle(root: Path) -> None:
    """RFC 9112 section 8: the client must be able to tell."""
    async with serve(file_app(root / "huge.bin")) as served:
        async with served.connect(limit=4096) as wire:
            await begin_huge(wire)
            await until_stuck(served)
            os.truncate(root / "huge.bin", 5)
            assert await count_rest(wire) < HUGE
        await until(lambda: not served.runner.server.connections)  # type: ignore[union-attr]


@on_each_loop
async def test_a_peer_that_takes_nothing_of_a_file_is_dropped(root: Path) -> None:
    """`send_timeout` counts from the last byte that it took; the clock is moved by hand."""
    async with serve(file_app(root / "huge.bin"), send_timeout=60) as served:
        async with served.connect(limit=4096) as wire:
            await begin_huge(wire)
            connection = await until_stuck(served)
            server = served.runner.server
            assert isinstance(server, web.Server)
            now = server.now()
            server.sweep(now)
            server.sweep(now + 59)
            left = connection._sender.left
            async with asyncio.timeout(PATIENCE):
                while connection._sender.left == left:
                    await wire.reader.readexactly(4096)
            await until_stuck(served)
            server.sweep(now + 61)  # it has taken something in between
            server.sweep(now + 120)
            assert connection._sender is not None
            server.sweep(now + 122)
            await until(lambda: not server.connections)
            assert await count_rest(wire) < HUGE


@on_each_loop
async def test_a_stop_waits_for_the_rest_of_a_file(root: Path) -> None:
    async with serve(file_app(root / "huge.bin"), shutdown_timeout=PATIENCE) as served:
        async with served.connect(limit=4096) as wire:
            await begin_huge(wire)
            await until_stuck(served)
            stopping = asyncio.create_task(served.runner.cleanup())
            for _ in range(20):
                await asyncio.sleep(0)
            assert not stopping.done()
            assert await count_rest(wire) == HUGE
            await stopping


@on_each_loop
async def test_a_stop_without_patience_cuts_a_file(root: Path) -> None:
    async with serve(file_app(root / "huge.bin"), shutdown_timeout=0.0) as served:
        async with served.connect(limit=4096) as wire:
            await begin_huge(wire)
            await until_stuck(served)
            await served.runner.cleanup()
            assert await count_rest(wire) < HUGE


@on_each_loop
async def test_a_default_timeout_of_sockets_does_not_hold_the_loop_up(root: Path) -> None:
    """Programs set one for libraries that block; here there is no room even for the head."""
    one, other = socket.socketpair()
    with one, other, open(root / "ten.txt", "rb") as file:  # noqa: ASYNC230 - costs nothing here
        one.setblocking(False)
        filled = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                filled += one.send(bytes(2**16))
        socket.setdefaulttimeout(PATIENCE)
        try:
            sender = FileSender(one, b"head", file.fileno(), 2, 5)
            sending = asyncio.create_task(sender.run())
            await asyncio.sleep(0)
            assert sender.left == 9
            other.settimeout(PATIENCE)
            while filled:
                filled -= len(other.recv(filled))
            assert await sending == 5
            assert other.recv(100) == b"head" + TEN[2:7]
        finally:
            socket.setdefaulttimeout(None)


@on_each_loop
async def test_many_files_are_sent_at_once(root: Path) -> None:
    """None waits for another, and peers that leave take nothing with them."""

    async def fetch(served: Served, number: int) -> None:
        async with served.connect(limit=4096) as wire:
            await wire.send(request("/static/big.bin"))
            if number % 3:
                assert (await wire.read_answer())[2] == BIG
            else:
                await wire.read_head()
                wire.writer.transport.abort()

    async with serve(static_app(root)) as served:
        await asyncio.gather(*(fetch(served, number) for number in range(30)))
        await until(lambda: not served.runner.server.connections)  # type: ignore[union-attr]
