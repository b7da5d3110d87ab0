"""Programs that serve: run_app in processes of their own and in ours, and runners."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from bascule import web
from support.programs import get, program
from support.wire import PATIENCE

SLOW = """
import asyncio, sys
from bascule import web

STOPPING = web.AppKey("stopping", asyncio.Event)

async def slow(request):
    print("started", flush=True)
    await request.app[STOPPING].wait()
    if "never" in request.query:
        await asyncio.Event().wait()
    return web.Response(text="slow but whole")

async def stop(app):
    app[STOPPING].set()

async def leave(request):
    raise SystemExit(3)

async def around(app):
    app[STOPPING] = asyncio.Event()
    print("entered", flush=True)
    yield
    print("left", flush=True)

app = web.Application()
app.add_routes([web.get("/slow", slow), web.get("/leave", leave)])
app.cleanup_ctx.append(around)
app.on_shutdown.append(stop)

async def make():
    return app

if __name__ == "__main__":
    web.run_app(make(), host="127.0.0.1", port=0, shutdown_timeout=60, access_log=None)
    print("quiet end", flush=True)
"""


@pytest.fixture
def slow_program(tmp_path: Path) -> str:
    path = tmp_path / "slow_program.py"
    path.write_text(SLOW)
    return str(path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_behind_the_answers(slow_program: str, number: int) -> None:
    async with program(slow_program) as running:
        url = await running.url()
        answer = asyncio.create_task(get(f"{url}/slow"))
        await running.read_until("started")
        status = await running.end(number)
        assert (await answer).text == "slow but whole"
    assert status == 0
    assert running.output.startswith("entered\n======== Running on http://127.0.0.1:")
    assert running.output.endswith("left\nquiet end\n")


async def test_a_second_signal_shortens_the_wait(slow_program: str) -> None:
    async with program(slow_program) as running:
        url = await running.url()
        answer = asyncio.create_task(get(f"{url}/slow?never"))
        await running.read_until("started")
        running.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):  # the first has been taken once nobody listens
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
                except ConnectionError:
                    break
                writer.close()
        status = await running.end(signal.SIGTERM)
        with pytest.raises(httpx.HTTPError):
            await answer
    assert status == 0
    assert running.output.endswith("left\nquiet end\n")


HANGING = """
import asyncio
from bascule import web

async def hang(place):
    try:
        print(f"{place} hangs", flush=True)
        await asyncio.Event().wait()
    finally:
        print(f"{place} is cancelled", flush=True)

async def around(app):
    print("entered", flush=True)
    yield
    print("left", flush=True)

app = web.Application()
app.cleanup_ctx.append(around)

async def make():
    if PLACE == "make":
        await hang("make")
    return app

async def start(app):
    if PLACE == "start-up":
        await hang("start-up")

async def stop(app):
    if PLACE == "shutdown":
        await hang("shutdown")

async def clean(app):
    if PLACE == "clean-up":
        await hang("clean-up")

app.on_startup.append(start)
app.on_shutdown.append(stop)
app.on_cleanup.append(clean)
web.run_app(make(), host="127.0.0.1", port=0, handle_signals=SIGNALS)
print("quiet end", flush=True)
"""


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "left alone"])
@pytest.mark.parametrize(
    ("place", "steps"),
    [
        ("make", "make hangs\nmake is cancelled\nquiet end\n"),
        ("start-up", "entered\nstart-up hangs\nstart-up is cancelled\nleft\nquiet end\n"),
    ],
)
async def test_a_signal_ends_a_start_that_hangs(place: str, steps: str, taken: bool) -> None:
    """What it has begun is undone, and nothing was announced."""
    code = HANGING.replace("PLACE", repr(place)).replace("SIGNALS", str(taken))
    async with program("-c", code) as running:
        await running.read_until("hangs")
        assert await running.end(signal.SIGINT) == 0
    assert running.output == steps


AGAIN = """
import os, signal

async def interrupt_again(place):
    for _ in range(2):
        print(f"{place} is interrupted", flush=True)
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(10):  # loop steps: the signal has been taken by then
            await asyncio.sleep(0)
    await asyncio.Event().wait()
"""


@pytest.mark.parametrize(
    ("place", "steps"),
    [
        (
            "shutdown",
            "shutdown is interrupted\nshutdown is interrupted\nleft\nquiet end\n",
        ),
        (
            "clean-up",
            "left\nclean-up is interrupted\nclean-up is interrupted\nquiet end\n",
        ),
    ],
)
async def test_a_third_signal_ends_a_clean_up_that_hangs(place: str, steps: str) -> None:
    """The first asks for the end, the second is for answers in progress only."""
    code = AGAIN + HANGING.replace("PLACE", repr(place)).replace("SIGNALS", "True")
    async with program("-c", code.replace("await hang(", "await interrupt_again(")) as running:
        await running.url()
        assert await running.end(signal.SIGINT) == 0
    assert running.output.partition("to quit)\n")[2] == steps


@pytest.mark.parametrize(
    "place", ["interrupt()", "asyncio.get_running_loop().call_soon(interrupt)"]
)
async def test_an_interrupt_cleans_up_where_signals_are_left_alone(
    slow_program: str, place: str
) -> None:
    """It may strike within the program's own task, or beside it in the loop."""
    path = Path(slow_program)
    program_text, _, _ = path.read_text().partition("if __name__")
    path.write_text(
        program_text + "def interrupt():\n"
        "    raise KeyboardInterrupt\n"
        "def announce(text):\n"
        f"    {place}\n"
        "web.run_app(app, host='127.0.0.1', port=0, handle_signals=False, print=announce)\n"
        "print('quiet end', flush=True)\n"
    )
    async with program(slow_program) as running:
        assert await running.end() == 0
    assert running.output == "entered\nleft\nquiet end\n"


async def test_a_runner_takes_signals_when_told_to(tmp_path: Path) -> None:
    path = tmp_path / "taking.py"
    path.write_text(
        "import asyncio, signal\n"
        "from bascule import web\n"
        "async def main():\n"
        "    runner = web.AppRunner(web.Application(), handle_signals=True)\n"
        "    await runner.setup()\n"
        "    print('Running on nothing ==', flush=True)\n"
        "    try:\n"
        "        await asyncio.Event().wait()\n"
        "    finally:\n"
        "        await runner.cleanup()\n"
        "        print('cleaned up', flush=True)\n"
        "asyncio.run(main())\n"
    )
    async with program(str(path)) as running:
        await running.url()
        assert await running.end(signal.SIGTERM) == 1  # GracefulExit.code
    assert "cleaned up" in running.output


async def test_a_handlers_exit_ends_it_with_that_status(slow_program: str) -> None:
    async with program(slow_program) as running:
        answer = await get(f"{await running.url()}/leave")
        assert answer.status_code == 500
        assert await running.end() == 3
    assert running.output.endswith("left\n")


# -- run_app in this process


def run_until_asked(app: web.Application, **options: Any) -> str:
    """Serve, get one answer by a task of the program's own, and end; give that answer."""
    answers: list[str] = []

    async def ask(url: str) -> None:
        answers.append((await get(url)).text)
        raise web.GracefulExit

    tasks: list[asyncio.Task[None]] = []

    def announce(text: str) -> None:
        tasks.append(asyncio.get_running_loop().create_task(ask(text.split()[3])))

    web.run_app(app, host="127.0.0.1", port=0, print=announce, **options)
    for task in tasks:
        assert isinstance(task.exception(), web.GracefulExit)
    return answers[0]


@pytest.fixture
def own_loop() -> Iterator[None]:
    """Let run_app set the loop of this thread, as it does, and set it back."""
    before = asyncio.get_event_loop_policy().get_event_loop()
    yield
    asyncio.set_event_loop(before)


@pytest.mark.usefixtures("own_loop")
def test_run_app_runs_in_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")
    loop = uvloop.new_event_loop()
    assert run_until_asked(make_app(), loop=loop) == "hello"
    assert loop.is_closed()


def test_run_app_runs_in_several_threads_at_once() -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(run_until_asked, [make_app() for _ in range(4)]))
    assert answers == ["hello"] * 4


# -- runners in a loop that is running


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


def make_app() -> web.Application:
    app = web.Application()
    app.router.add_get("/", hello)
    return app


async def test_one_runner_on_several_sites(tmp_path: Path) -> None:
    runner = web.AppRunner(make_app())
    await runner.setup()
    with socket.create_server(("127.0.0.1", 0)) as bound:
        sites = [
            web.TCPSite(runner, "127.0.0.1", 0),
            web.UnixSite(runner, tmp_path / "socket"),
            web.SockSite(runner, bound),
        ]
        for site in sites:
            await site.start()
        assert runner.sites == set(sites)
        assert len(runner.addresses) == 3
        assert (await get(sites[0].name)).text == "hello"
        assert (await get(sites[2].name)).text == "hello"
        await sites[0].stop()
        with pytest.raises(httpx.ConnectError):
            await get(sites[0].name)
        assert (await get(sites[2].name)).text == "hello"
        await runner.cleanup()
    assert runner.sites == set()


async def test_a_unix_socket_has_the_permissions_that_it_was_given(tmp_path: Path) -> None:
    runner = web.AppRunner(make_app())
    await runner.setup()
    path = tmp_path / "socket"
    site = web.UnixSite(runner, path, mode=0o640)
    await site.start()
    assert path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(TypeError, match="mode should be an int such as 0o660, got '660'"):
        web.UnixSite(runner, path, mode="660")  # type: ignore[arg-type]  # what is tested
    await runner.cleanup()


async def test_sites_share_a_port_when_both_say_so() -> None:
    runner = web.AppRunner(make_app())
    await runner.setup()
    first = web.TCPSite(runner, "127.0.0.1", 0, reuse_port=True)
    await first.start()
    second = web.TCPSite(runner, "127.0.0.1", first.port, reuse_port=True)
    await second.start()
    assert first.name == second.name
    await first.stop()
    assert (await get(second.name)).text == "hello"
    await runner.cleanup()


async def test_a_site_of_a_users_own_making_serves(tmp_path: Path) -> None:
    """It makes the server itself, as aiohttp-wsgi does."""

    class OwnSite(web.BaseSite):
        @property
        def name(self) -> str:
            return "own"

        async def start(self) -> None:
            await super().start()
            self._server = await asyncio.start_unix_server(self.greet, tmp_path / "own")

        async def greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello")
            writer.close()

    runner = web.AppRunner(make_app())
    await runner.setup()
    site = OwnSite(runner)
    await site.start()
    assert (runner.sites, runner.addresses) == ({site}, [str(tmp_path / "own")])
    reader, writer = await asyncio.open_unix_connection(tmp_path / "own")
    assert await reader.read() == b"hello"
    writer.close()
    await writer.wait_closed()
    await runner.cleanup()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_unix_connection(tmp_path / "own")


async def test_runner_touches_no_signals() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    runner = web.AppRunner(make_app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    await runner.cleanup()


async def test_the_server_of_a_runner_tells_whom_it_serves() -> None:
    app = make_app()
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    try:
        server = runner.server
        assert isinstance(server, web.Server)
        assert server.request_handler == app._handle
        assert server.request_factory == app._make_request
        assert server.handler_cancellation is True
    finally:
        await runner.cleanup()


async def test_the_time_limit_of_a_site_goes_to_its_runner() -> None:
    """Deprecated: it was the site's once."""
    runner = web.AppRunner(make_app(), shutdown_timeout=7)
    await runner.setup()
    try:
        web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=60.0)
        assert runner._shutdown_timeout == 7
        with pytest.warns(DeprecationWarning, match="should be set on BaseRunner") as caught:
            web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=5)
        assert (runner._shutdown_timeout, caught[0].filename) == (5, __file__)
    finally:
        await runner.cleanup()


async def test_sites_need_a_runner_that_is_set_up() -> None:
    runner = web.AppRunner(make_app())
    with pytest.raises(RuntimeError, match=r"Call runner\.setup\(\) before making a site"):
        web.TCPSite(runner, "127.0.0.1", 0)
    await runner.cleanup()


@pytest.mark.parametrize("count", [1, 40])
async def test_requests_that_the_system_has_taken_are_answered_at_the_end(count: int) -> None:
    """Their connections were established, and all bytes sent, before the clean-up was asked for."""
    runner = web.AppRunner(make_app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(runner.addresses[0])) for _ in range(count)
        ]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            client.settimeout(0)  # what is not there by then does not come
        await runner.cleanup()
        answers = [client.recv(1000).partition(b"\r\n")[0] for client in clients]
    assert answers == [b"HTTP/1.1 200 OK"] * count


async def test_site_starts_once_and_stops_once() -> None:
    runner = web.AppRunner(make_app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    with pytest.raises(RuntimeError, match="is not registered"):
        await site.stop()
    await site.start()
    with pytest.raises(RuntimeError, match="is already registered"):
        await site.start()
    await runner.cleanup()


async def test_an_address_that_is_taken_leaves_nothing_open() -> None:
    runner = web.AppRunner(make_app())
    await runner.setup()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        site = web.TCPSite(runner, "127.0.0.1", taken.getsockname()[1])
        with pytest.raises(OSError, match="address already in use"):
            await site.start()
    assert runner.sites == set()
    await runner.cleanup()


async def test_failed_start_leaves_entered_contexts_at_cleanup() -> None:
    seen: list[str] = []

    def context(name: str, error: Exception | None = None) -> Any:
        async def around(app: web.Application) -> AsyncIterator[None]:
            if error is not None:
                raise error
            seen.append(f"enter {name}")
            yield
            seen.append(f"leave {name}")

        return around

    app = make_app()
    app.cleanup_ctx.extend([context("a"), context("b", ValueError("no")), context("c")])
    runner = web.AppRunner(app)
    with pytest.raises(ValueError, match="no"):
        await runner.setup()
    await runner.cleanup()
    assert seen == ["enter a", "leave a"]


async def test_errors_on_the_way_out_are_all_told() -> None:
    def context(error: Exception) -> Any:
        async def around(app: web.Application) -> AsyncIterator[None]:
            yield
            raise error

        return around

    app = make_app()
    app.cleanup_ctx.extend([context(ValueError("a")), context(KeyError("b"))])
    runner = web.AppRunner(app)
    await runner.setup()
    with pytest.raises(web.CleanupError) as caught:
        await runner.cleanup()
    assert [repr(error) for error in caught.value.exceptions] == [
        "KeyError('b')",
        "ValueError('a')",
    ]


async def test_unknown_options_are_told_of_and_ignored(caplog: pytest.LogCaptureFixture) -> None:
    runner = web.AppRunner(make_app(), no_such_option=1, max_line_size=100)
    await runner.setup()
    assert "no_such_option" in caplog.text
    assert runner.server is not None
    assert runner.server.options.limits.max_line_size == 100
    await runner.cleanup()


async def test_access_logger_must_be_one() -> None:
    with pytest.raises(TypeError, match="access_log_class must be subclass"):
        web.AppRunner(make_app(), access_log_class=int)  # type: ignore[arg-type]
