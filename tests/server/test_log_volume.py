"""Whatever peers do, a line of log each at the most: no traceback, no warning of the loop's."""

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from bascule import serve, web
from support.loops import LOOPS, make_contexts, run_in
from support.requests import GET, app_of, request
from support.wire import PATIENCE

SERVER_TLS, CLIENT_TLS = make_contexts()
HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(190)


class Peer:
    """A peer that misbehaves: a plain socket, so that nothing of asyncio's is between."""

    def __init__(self, port: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.port = port

    async def connect(self) -> None:
        await self.loop.sock_connect(self.sock, ("127.0.0.1", self.port))

    async def send(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.sock, data)

    async def read(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.loop.sock_recv(self.sock, 65536)
            except ConnectionError:
                return b""

    async def read_all(self) -> None:
        while await self.read():
            pass

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


@contextlib.asynccontextmanager
async def peer_of(server: Any) -> AsyncIterator[Peer]:
    peer = Peer(server.port)
    await peer.connect()
    try:
        yield peer
    finally:
        peer.sock.close()


async def stream(request: web.Request) -> web.StreamResponse:
    """Give more than any peer takes, for as long as it is there."""
    if request.method == "POST":
        return web.Response(body=await request.read())
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(2000):
        await response.write(bytes(4096))
        await asyncio.sleep(0)
    return response


async def send_garbage(peer: Peer) -> None:
    await peer.send(b"\x00\x01\x02\x80\r\n\r\n" * 100)
    await peer.read_all()


async def send_a_greeting(peer: Peer) -> None:
    await peer.send(HELLO)
    await peer.read_all()


async def send_long_lines(peer: Peer) -> None:
    with contextlib.suppress(ConnectionError):
        await peer.send(b"GET /" + b"\x1b[31m\xff" * 5000)
    await peer.read_all()


async def send_half_a_greeting(peer: Peer) -> None:
    await peer.send(HELLO[:20])


async def send_a_request(peer: Peer) -> None:
    await peer.send(GET)
    await peer.read_all()


async def reset_at_once(peer: Peer) -> None:
    peer.reset()


async def reset_inside_a_head(peer: Peer) -> None:
    await peer.send(GET[:10])
    peer.reset()


async def reset_inside_a_body(peer: Peer) -> None:
    await peer.send(request("/", "Content-Length: 100", method="POST") + b"half")
    peer.reset()


async def reset_inside_the_answer(peer: Peer) -> None:
    await peer.send(GET)
    await peer.read()
    peer.reset()


async def leave_inside_the_answer(peer: Peer) -> None:
    await peer.send(GET)
    await peer.read()


PLAIN = [
    send_garbage,
    send_a_greeting,
    send_long_lines,
    reset_at_once,
    reset_inside_a_head,
    reset_inside_a_body,
    reset_inside_the_answer,
    leave_inside_the_answer,
]
ENCRYPTED = [send_garbage, send_a_request, send_half_a_greeting, reset_at_once, reset_inside_a_head]


def check(caplog: pytest.LogCaptureFixture) -> None:
    """One line at most, of ours, and bounded."""
    for record in caplog.records:
        assert record.name == "bascule.server", record.getMessage()
        assert record.levelno == logging.INFO, record.getMessage()
        assert not record.exc_info
        assert record.getMessage().isprintable()
        assert record.getMessage().isascii()
        assert len(record.getMessage()) <= 200
    assert len(caplog.records) <= 1


async def misbehave(act: Callable[[Peer], Awaitable[None]], **options: Any) -> None:
    async with serve(app_of(stream), access_log=None, shutdown_timeout=5, **options) as server:
        async with peer_of(server) as peer:
            await act(peer)
        connections = server.runner.server
        async with asyncio.timeout(PATIENCE):
            while connections.held or connections.connections or not server.runner.server:
                await asyncio.sleep(0)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("act", PLAIN)
def test_plain_peers(act: Any, loop: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run_in(loop, misbehave(act))
    check(caplog)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("act", ENCRYPTED)
def test_peers_of_tls(act: Any, loop: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run_in(loop, misbehave(act, ssl_context=SERVER_TLS))
    check(caplog)
    if act in (send_garbage, send_a_request):
        assert "TLS handshake failed" in caplog.text


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("end", ["close_notify", "garbage", "reset", "leave"])
def test_peers_that_break_tls_inside_an_answer(
    end: str, loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio warns for each write to a connection that is closed already."""

    async def scenario() -> None:
        async with serve(
            app_of(stream), access_log=None, ssl_context=SERVER_TLS, farewell_time=0.1
        ) as server:
            async with peer_of(server) as peer:
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = CLIENT_TLS.wrap_bio(incoming, outgoing, server_hostname="localhost")
                await exchange(peer, tls.do_handshake, incoming, outgoing)
                tls.write(GET)
                await peer.send(outgoing.read())
                await peer.read()
                if end == "close_notify":
                    with contextlib.suppress(ssl.SSLError):
                        tls.unwrap()
                    await peer.send(outgoing.read())
                elif end == "garbage":
                    await peer.send(b"no TLS at all" * 10)
                elif end == "reset":
                    peer.reset()
                if end in ("close_notify", "garbage"):
                    await peer.read_all()
            connections = server.runner.server
            async with asyncio.timeout(PATIENCE):
                while connections.held or connections.connections:
                    await asyncio.sleep(0)

    caplog.set_level(logging.INFO)
    run_in(loop, scenario())
    check(caplog)


async def exchange(
    peer: Peer, step: Callable[[], object], incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
) -> None:
    """Take a step of TLS, with the bytes that it needs."""
    while True:
        try:
            step()
        except ssl.SSLWantReadError:
            await peer.send(outgoing.read())
            incoming.write(await peer.read())
        else:
            await peer.send(outgoing.read())
            return


@pytest.mark.parametrize("loop", LOOPS)
def test_a_flood_of_failures_is_counted(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    """Ten lines a second, of whatever kind, or what is asked for; then a count."""

    async def scenario() -> None:
        async with serve(
            app_of(stream), access_log=None, ssl_context=SERVER_TLS, log_rate=3
        ) as server:
            connections = server.runner.server
            real = connections.now()
            connections.complaints._clock = lambda: real
            for _ in range(20):
                async with peer_of(server) as peer:
                    await send_garbage(peer)
            async with asyncio.timeout(PATIENCE):
                while connections.held:
                    await asyncio.sleep(0)
            assert len(caplog.records) == 3
            connections.complaints._clock = lambda: real + 1
            async with peer_of(server) as peer:
                await send_garbage(peer)
            async with asyncio.timeout(PATIENCE):
                while connections.held:
                    await asyncio.sleep(0)

    caplog.set_level(logging.INFO)
    run_in(loop, scenario())
    said = [record.getMessage() for record in caplog.records]
    assert said[3] == "17 more complaints about peers held back"
    assert len(said) == 5
