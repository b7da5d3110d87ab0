"""Programs that serve: run_app and the command line in processes of their own, runners in ours."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bascule import web
from support.programs import ROOT, get, program
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


async def test_the_command_is_installed_and_takes_its_options(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("from examples.hello import app\n")
    command = str(Path(sys.executable).parent / "bascule")
    options = ["--app-dir", str(tmp_path), "--log-level", "warning", "--port", "0"]
    async with program(command, "elsewhere:app", *options, PYTHONPATH=str(ROOT)) as running:
        assert (await get(await running.url())).text == "Hello, world!\n"
        assert await running.end(signal.SIGTERM) == 0
    assert "GET /" not in running.output
    async with program("-m", "bascule", "--version") as running:
        assert await running.end() == 0
    assert running.output.startswith("bascule 0.")
    options = ["--no-access-log", "--port", "0"]
    async with program("-m", "bascule", "examples.hello:app", *options) as running:
        await get(await running.url())
        assert await running.end(signal.SIGTERM) == 0
    assert "GET /" not in running.output


async def test_a_handlers_exit_ends_it_with_that_status(slow_program: str) -> None:
    async with program(slow_program) as running:
        answer = await get(f"{await running.url()}/leave")
        assert answer.status_code == 500
        assert await running.end() == 3
    assert running.output.endswith("left\n")


async def test_a_port_that_is_taken_is_an_error(slow_program: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with program("-m", "bascule", "examples.hello:app", "--port", port) as running:
            assert await running.end() == 2
    assert "bascule: error: cannot listen:" in running.output
    assert "Traceback" not in running.output


@pytest.mark.parametrize("app", ["examples.hello:app", "foreign:app"])
async def test_command_line_serves_native_and_asgi_applications(tmp_path: Path, app: str) -> None:
    (tmp_path / "foreign.py").write_text(
        "async def app(scope, receive, send):\n"
        "    assert scope['type'] == 'http'\n"
        "    await send({'type': 'http.response.start', 'status': 200})\n"
        "    await send({'type': 'http.response.body', 'body': b'Hello, world!\\n'})\n"
    )
    directory = ROOT if app.startswith("examples") else tmp_path
    async with program("-m", "bascule", "run", app, "--port", "0", cwd=directory) as running:
        answer = await get(await running.url())
        assert answer.text == "Hello, world!\n"
        assert await running.end(signal.SIGINT) == 0
    assert '"GET / HTTP/1.1" 200' in running.output


@pytest.mark.parametrize("name", ["make", "make_later", "make_with_defaults"])
async def test_command_line_calls_what_makes_an_application(tmp_path: Path, name: str) -> None:
    (tmp_path / "made.py").write_text(
        "from bascule import web\n"
        "NAME = web.AppKey('NAME', str)\n"
        "async def hello(request):\n"
        "    return web.Response(text=request.app[NAME])\n"
        "def make(name='made'):\n"
        "    app = web.Application()\n"
        "    app[NAME] = name\n"
        "    app.router.add_get('/', hello)\n"
        "    return app\n"
        "async def make_later():\n"
        "    return make()\n"
        "def make_with_defaults(name='made', **more):\n"
        "    return make(name)\n"
    )
    arguments = ("-m", "bascule", f"made:{name}", "--port", "0")
    async with program(*arguments, cwd=tmp_path) as running:
        assert (await get(await running.url())).text == "made"
        assert await running.end(signal.SIGINT) == 0


async def test_command_line_serves_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    async with program("-m", "bascule", "examples.hello:app", "--uds", path) as running:
        assert await running.url() == f"http://unix:{path}:"
        transport = httpx.AsyncHTTPTransport(uds=path)
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.get("http://x/you")).text == "Hello, you!\n"
        assert await running.end(signal.SIGTERM) == 0
    assert not Path(path).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "'nothing' is not of the form module:attribute"),
        (["no_such_module:app"], "no module 'no_such_module'"),
        (["examples.hello:nothing"], "has no attribute 'nothing'"),
        (["examples.hello:__name__"], "should be web.Application instance or an ASGI"),
    ],
)
async def test_command_line_errors_are_one_line(arguments: list[str], message: str) -> None:
    async with program("-m", "bascule", *arguments) as running:
        assert await running.end() == 2
    assert message in running.output
    assert "Traceback" not in running.output


async def test_command_line_shows_an_error_inside_the_module(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import not_installed_anywhere\n")
    async with program("-m", "bascule", "broken:app", cwd=tmp_path) as running:
        assert await running.end() == 1
    assert "No module named 'not_installed_anywhere'" in running.output


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
