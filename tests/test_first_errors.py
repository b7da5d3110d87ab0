"""What people meet first: addresses that cannot be had, and objects that cannot be served."""

import asyncio
import contextlib
import os
import re
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import bascule
from bascule import web
from support.programs import program

LOG = web.AppKey("LOG", list[str])
NOBODY = 65534


def make_app() -> web.Application:
    """An application that writes down its life."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        app[LOG].append("up")
        yield
        app[LOG].append("down")

    app = web.Application()
    app[LOG] = []
    app.cleanup_ctx.append(context)
    return app


# -- where it cannot listen, inside a program

Place = dict[str, Any]
PLACES: dict[str, tuple[Callable[[Path, int], Place], type[Exception], str, str]] = {
    "a port that is taken": (
        lambda path, port: {"port": port},
        OSError,
        "address already in use",
        "Cannot listen at http://127.0.0.1:{port}: port {port} is taken by this process itself",
    ),
    "a port that is taken, at all addresses": (
        lambda path, port: {"host": "", "port": port},
        OSError,
        "address already in use",
        "Cannot listen at http://0.0.0.0:{port}: port {port} is taken by this process itself",
    ),
    "an address of another machine": (
        lambda path, port: {"host": "203.0.113.1"},
        OSError,
        "cannot assign requested address",
        "Cannot listen at http://203.0.113.1:0: no network interface of this machine has the "
        "address '203.0.113.1'",
    ),
    "a host that is none": (
        lambda path, port: {"host": "not a host.invalid"},
        socket.gaierror,
        "[Errno ",
        "Cannot listen at http://not a host.invalid:0: the host 'not a host.invalid' is not known",
    ),
    "a regular file": (
        lambda path, port: {"path": path / "file"},
        OSError,
        "is already in use",
        "Cannot listen at http://unix:{path}/file:: '{path}/file' is a regular file, which was "
        "left as it is",
    ),
    "a directory": (
        lambda path, port: {"path": path},
        OSError,
        "is already in use",
        "Cannot listen at http://unix:{path}:: '{path}' is a directory, which was left as it is",
    ),
    "a directory that is not there": (
        lambda path, port: {"path": path / "no" / "socket"},
        FileNotFoundError,
        "No such file or directory",
        "Cannot listen at http://unix:{path}/no/socket:: there is no directory '{path}/no'",
    ),
    "a file for a directory": (
        lambda path, port: {"path": path / "file" / "socket"},
        NotADirectoryError,
        "Not a directory",
        "Cannot listen at http://unix:{path}/file/socket:: there is no directory '{path}/file'",
    ),
    "a path that is too long": (
        lambda path, port: {"path": "x" * 108},
        OSError,
        "AF_UNIX path too long",
        "the path has 108 bytes, and those of Unix sockets 107 at most",
    ),
}


@contextlib.contextmanager
def listening(host: str = "127.0.0.1") -> Any:
    """Give a port at which this process listens."""
    with socket.create_server((host, 0)) as taken:
        yield taken.getsockname()[1]


@pytest.mark.parametrize("name", PLACES)
async def test_an_address_that_cannot_be_had_is_told_with_its_reason(
    tmp_path: Path, name: str
) -> None:
    """The error is the system's; a note says more. Nothing stays open, and the start is undone."""
    make_place, error, text, note = PLACES[name]
    (tmp_path / "file").write_text("kept")
    app = make_app()
    with listening() as port:
        good = {"sock": socket.create_server(("127.0.0.1", 0))}
        with pytest.raises(error, match=re.escape(text)) as caught:
            async with bascule.serve(app, **make_place(tmp_path, port), **good):
                raise AssertionError("it serves")
        good["sock"].close()
    assert note.format(port=port, path=tmp_path) in "\n".join(caught.value.__notes__)
    assert app[LOG] == ["up", "down"]
    assert (tmp_path / "file").read_text() == "kept"


async def test_sites_that_listened_already_are_closed(tmp_path: Path) -> None:
    """TCP comes first, then Unix sockets."""
    (tmp_path / "file").touch()
    with listening() as port:
        pass
    with pytest.raises(OSError, match="already in use"):
        async with bascule.serve(
            make_app(), port=port, path=[tmp_path / "good", tmp_path / "file"]
        ):
            raise AssertionError("it serves")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    assert not (tmp_path / "good").exists()


async def test_a_site_that_failed_may_be_started_again() -> None:
    runner = web.AppRunner(make_app())
    await runner.setup()
    with listening() as port:
        site = web.TCPSite(runner, "127.0.0.1", port)
        with pytest.raises(OSError, match="already in use"):
            await site.start()
        assert runner.sites == set()
    await site.start()
    assert runner.addresses == [("127.0.0.1", port)]
    await runner.cleanup()


async def test_a_start_that_is_cancelled_listens_nowhere() -> None:
    """asyncio forgets a server whose creator is cancelled in the step behind the creation."""
    runner = web.AppRunner(make_app())
    await runner.setup()
    with listening() as port:
        pass
    site = web.TCPSite(runner, "127.0.0.1", port)
    starting = asyncio.create_task(site.start())
    while not _is_taken(port):
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not _is_taken(port)
    assert runner.sites == set()
    await runner.cleanup()


def _is_taken(port: int) -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


# -- arguments that will not do

ARGUMENTS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "a port above all": (
        {"port": 70000},
        OverflowError,
        "port should be an int from 0 to 65535, got 70000",
    ),
    "a port below all": (
        {"host": "", "port": -1},
        OverflowError,
        "port should be an int from 0 to 65535, got -1",
    ),
    "half a port": ({"port": 80.5}, TypeError, "port should be an int from 0 to 65535, got 80.5"),
    "a host of another type": (
        {"host": 7},
        TypeError,
        "host should be a str or several of these, got 7",
    ),
    "a path of another type": (
        {"path": 7},
        TypeError,
        "path should be a str or os.PathLike or several of these, got 7",
    ),
    "several paths, one of another type": (
        {"path": [7]},
        TypeError,
        "path should be a str or an os.PathLike, got 7",
    ),
    "a socket of another type": (
        {"sock": 7},
        TypeError,
        "sock should be a socket.socket or several of these, got 7",
    ),
    "several sockets, one of another type": (
        {"sock": ["x"]},
        TypeError,
        "sock should be a socket.socket, got 'x'",
    ),
    "a file for a TLS context": (
        {"ssl_context": "cert.pem"},
        TypeError,
        "ssl_context should be an ssl.SSLContext or None, got 'cert.pem'; certificate files go "
        "into one with its load_cert_chain()",
    ),
    "the class for a TLS context": (
        {"ssl_context": True},
        TypeError,
        "ssl_context should be an ssl.SSLContext or None, got True; certificate files go into one "
        "with its load_cert_chain()",
    ),
}


@pytest.mark.parametrize("name", ARGUMENTS)
async def test_an_argument_that_will_not_do_is_named_with_what_is_expected(name: str) -> None:
    arguments, error, text = ARGUMENTS[name]
    app = make_app()
    with pytest.raises(error) as caught:
        async with bascule.serve(app, **arguments):
            raise AssertionError("it serves")
    assert str(caught.value) == text
    assert app[LOG] == ["up", "down"]


async def test_digits_are_a_port() -> None:
    """As for asyncio, and so for aiohttp."""
    async with bascule.serve(make_app(), port="0") as server:  # type: ignore[arg-type]
        assert server.port > 0


async def test_ssl_contexts_of_any_make_are_taken() -> None:
    """asyncio asks for no more than the wrapping of a pair of buffers."""

    class Context:
        wrap_bio = ssl.SSLContext.wrap_bio

    async with bascule.serve(make_app(), ssl_context=Context()) as server:  # type: ignore[arg-type]
        assert server.url.startswith("https://")


# -- objects that are no applications


async def make() -> web.Application:
    return make_app()


async def handle(request: web.Request) -> web.Response:
    return web.Response()


class Double:
    """An application of ASGI 2."""

    def __init__(self, scope: Any) -> None:
        pass

    async def __call__(self, receive: Any, send: Any) -> None:
        pass


class Promise:
    """Something to be awaited."""

    def __await__(self) -> Any:
        raise AssertionError("not awaited by a constructor")

    def __repr__(self) -> str:
        return "a promise"


BEGINNING = "The first argument should be web.Application instance or an ASGI application, got "
OBJECTS: dict[str, tuple[Any, str]] = {
    "None": (None, "None"),
    "a number": (7, "7"),
    "a name": ("module:app", "'module:app'"),
    "an instance of nothing": (object(), "<object object at 0x…>"),
    "the class": (
        web.Application,
        "<class 'bascule.app.application.Application'>, the class itself; call it",
    ),
    "a module": (sys, "<module 'sys' (built-in)>, a module; name the application in it"),
    "a coroutine function": (
        make,
        "<function make at 0x…>, which takes no scope; if it makes an application, call it",
    ),
    "a function": (
        make_app,
        "<function make_app at 0x…>, which takes no scope; if it makes an application, call it",
    ),
    "a handler": (
        handle,
        "<function handle at 0x…>, which takes other arguments than (scope, receive, send)",
    ),
    "a promise": (Promise(), "a promise, which is to be awaited first"),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_that_is_no_application_is_named_with_what_is_expected(name: str) -> None:
    found, told = OBJECTS[name]
    with pytest.raises(TypeError) as caught:
        web.AppRunner(found)
    assert re.sub(r"0x\w+", "0x…", str(caught.value)) == BEGINNING + told
    with pytest.raises(TypeError):
        bascule.serve(found)


@pytest.mark.parametrize("app", [Double, lambda scope, receive, send: None, dict])
def test_what_may_be_an_application_is_taken(app: Any) -> None:
    """Also classes, and functions that do not say what they take."""
    web.AppRunner(app)


@pytest.mark.parametrize("found", [None, web.Application(), handle])
def test_a_server_runner_takes_servers_only(found: Any) -> None:
    with pytest.raises(TypeError, match=r"should be web\.Server instance, got "):
        web.ServerRunner(found)


# -- turns in a wrong order


async def test_a_runner_is_set_up_once() -> None:
    app = make_app()
    runner = web.AppRunner(app)
    await runner.setup()
    with pytest.raises(RuntimeError, match="is already set up; clean it up before a new start"):
        await runner.setup()
    assert app[LOG] == ["up"]
    await runner.cleanup()
    await runner.setup()
    await runner.cleanup()
    assert app[LOG] == ["up", "down", "up", "down"]


async def test_a_set_up_that_failed_may_be_tried_again() -> None:
    errors = [ValueError("not yet")]

    async def start(app: web.Application) -> None:
        if errors:
            raise errors.pop()

    app = web.Application()
    app.on_startup.append(start)
    runner = web.AppRunner(app)
    with pytest.raises(ValueError, match="not yet"):
        await runner.setup()
    await runner.setup()
    assert runner.server is not None
    await runner.cleanup()


@pytest.mark.parametrize("app", [make_app, make])
async def test_run_app_in_a_running_loop_names_what_is_for_that(app: Any) -> None:
    """It begins as asyncio's own text does. A coroutine is closed, not left behind."""
    with pytest.raises(
        RuntimeError, match=r"while another loop is running; .*bascule\.serve\(app\)"
    ):
        web.run_app(app())


@pytest.mark.parametrize("app", [make_app, make])
def test_run_app_in_a_closed_loop_says_so(app: Any) -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        web.run_app(app(), loop=loop)


async def test_clean_up_without_a_start_does_nothing() -> None:
    app = make_app()
    await web.AppRunner(app).cleanup()
    assert app[LOG] == []


async def test_a_site_is_not_started_behind_clean_up() -> None:
    runner = web.AppRunner(make_app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await runner.cleanup()
    with pytest.raises(RuntimeError, match=r"Call runner\.setup\(\) before starting a site"):
        await site.start()
    assert runner.sites == set()


async def test_a_unix_socket_of_another_server_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with bascule.serve(make_app(), path=path):
        path.unlink()
        async with bascule.serve(make_app(), path=path):
            pass
        path.touch()
    assert path.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract sockets")
async def test_an_abstract_socket_leaves_no_file() -> None:
    async with bascule.serve(make_app(), path=f"\0bascule-{os.getpid()}") as server:
        assert server.addresses == [f"\0bascule-{os.getpid()}".encode()]


# -- what one sees

OTHER = """
import signal, socket
with socket.create_server(("127.0.0.1", 0)) as taken:
    print("port", taken.getsockname()[1], flush=True)
    signal.pause()
"""
COMMAND = """
import os, sys
import bascule.cli, bascule.web
import shutil  # which argparse loads late; the other user may not read the library

if {uid} and not os.getuid():
    os.setuid({uid})
bascule.cli.main(sys.argv[1:])
"""


async def run_command(*arguments: str, uid: int = 0) -> tuple[int, str]:
    """Run the command line, as another user perhaps; give its exit status and what it printed."""
    code = COMMAND.format(uid=uid)
    # The other user may not write where coverage is collected.
    env = {"COVERAGE_PROCESS_CONFIG": None} if uid else {}
    async with program("-c", code, "examples.hello:app", *arguments, **env) as running:
        return await running.end(), running.output


@contextlib.asynccontextmanager
async def listening_elsewhere() -> AsyncIterator[tuple[int, int]]:
    """Give the number of another process, and the port at which it listens."""
    async with program("-c", OTHER) as running:
        found = await running.read_until(r"port (\d+)")
        yield running.process.pid, int(found[1])
        running.process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell")
async def test_the_command_line_names_who_has_the_port() -> None:
    async with listening_elsewhere() as (pid, port):
        status, output = await run_command("--port", str(port))
    assert status == 2
    command = f"{sys.executable} -X dev -W error -c {OTHER}".replace("\n", "?")
    assert output == (
        f"bascule: error: cannot listen at http://127.0.0.1:{port}: "
        f"port {port} is taken by process {pid} ({command:.80})\n"
    )


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
async def test_the_command_line_says_when_the_system_does_not_tell() -> None:
    async with listening_elsewhere() as (_, port):
        status, output = await run_command("--port", str(port), uid=NOBODY)
    assert status == 2
    assert output.endswith("is taken by another program; the system does not tell which\n")


async def test_the_command_line_says_what_may_not_be_done(tmp_path: Path) -> None:
    directory = tmp_path / "closed"
    directory.mkdir(mode=0o555)
    status, output = await run_command("--uds", str(directory / "socket"), uid=NOBODY)
    assert status == 2
    assert output.splitlines()[-1] == (  # asyncio has logged a line of its own before
        f"bascule: error: cannot listen at http://unix:{directory}/socket:: "
        f"no permission to create a file in the directory '{directory}'"
    )
    assert "Traceback" not in output


def _are_low_ports_free() -> bool:
    path = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    return path.exists() and int(path.read_text()) <= 80


@pytest.mark.skipif(_are_low_ports_free(), reason="low ports are for everyone here")
async def test_the_command_line_says_who_may_have_low_ports() -> None:
    status, output = await run_command("--port", "80", uid=NOBODY)
    assert (status, output) == (
        2,
        "bascule: error: cannot listen at http://127.0.0.1:80: no permission to bind port 80; "
        "ports below 1024 are for privileged users\n",
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--port", "70000"], "argument --port: 70000 is none of 0 to 65535"),
        (["--port", "http"], "argument --port: invalid int value: 'http'"),
        (["--host", "203.0.113.1"], "has the address '203.0.113.1'"),
        (["--uds", "/no/such/directory/x"], "there is no directory '/no/such/directory'"),
    ],
)
async def test_the_command_line_answers_mistakes_with_a_line(
    arguments: list[str], line: str
) -> None:
    status, output = await run_command(*arguments)
    assert status == 2
    assert output.splitlines()[-1].startswith("bascule: error: ")
    assert output.splitlines()[-1].endswith(line)
    assert "Traceback" not in output


async def test_the_command_line_shows_where_a_start_failed(tmp_path: Path) -> None:
    """Its traceback, also when it is an error of the system; it is not told as one of a bind."""
    (tmp_path / "failing.py").write_text(
        "from bascule import web\n"
        "async def start(app):\n"
        "    raise ConnectionRefusedError(111, 'no database')\n"
        "app = web.Application()\n"
        "app.on_startup.append(start)\n"
    )
    async with program("-m", "bascule", "failing:app", "--port", "0", cwd=tmp_path) as running:
        assert await running.end() == 1
    assert "cannot listen" not in running.output
    assert running.output.endswith("ConnectionRefusedError: [Errno 111] no database\n")


async def test_run_app_shows_the_reason_behind_the_traceback() -> None:
    code = (
        "from bascule import web\nweb.run_app(web.Application(), host='127.0.0.1', port={port})\n"
    )
    with listening() as port:
        async with program("-c", code.format(port=port)) as running:
            assert await running.end() == 1
    lines = running.output.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2].startswith("OSError: [Errno 98] error while attempting to bind on address")
    assert lines[-1].startswith(f"Cannot listen at http://127.0.0.1:{port}: port {port} is taken")
    assert "ResourceWarning" not in running.output
