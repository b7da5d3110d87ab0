"""The command line, in processes of its own."""

import signal
import sys
from pathlib import Path

import httpx
import pytest

from support.programs import ROOT, get, program


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
