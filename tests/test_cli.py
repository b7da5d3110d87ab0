"""The command line, in processes of its own."""

import asyncio
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bascule.app.tls_files import TlsFilesError, load_tls
from bascule.cli import main
from support.programs import ROOT, get, program

LIVING = ("living_program:app", "--app-dir", str(ROOT / "tests/asgi"), "--port", "0")


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
        assert Path(path).stat().st_mode & 0o777 == 0o666  # a proxy of another user may connect
        transport = httpx.AsyncHTTPTransport(uds=path)
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.get("http://x/you")).text == "Hello, you!\n"
        assert await running.end(signal.SIGTERM) == 0
    assert not Path(path).exists()


async def test_a_socket_gets_the_permissions_of_the_one_it_replaces(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    path.chmod(0o660)
    async with program("-m", "bascule", "examples.hello:app", "--uds", str(path)) as running:
        await running.url()
        assert path.stat().st_mode & 0o777 == 0o660
        assert await running.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "'nothing' is not of the form module:attribute"),
        ([".nothing:app"], "'.nothing:app' is not of the form module:attribute"),
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


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what the TLS flags name."""
    directory = tmp_path_factory.mktemp("tls")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    chain, key = certificate.cert_chain_pems[0].bytes(), certificate.private_key_pem.bytes()
    (directory / "certificate").write_bytes(chain)
    (directory / "key").write_bytes(key)
    (directory / "both").write_bytes(key + chain)
    (directory / "clients").write_bytes(authority.cert_pem.bytes())
    (directory / "nonsense").write_bytes(b"\x00nonsense\n")
    (directory / "other").write_bytes(_dump_key(serialization.NoEncryption()))
    locked = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (directory / "locked").write_bytes(locked)
    return directory


def _dump_key(encryption: serialization.KeySerializationEncryption) -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


async def test_command_line_serves_tls_to_known_clients_below_a_prefix(
    files: Path, authority: trustme.CA
) -> None:
    options = ["--ssl-certfile", str(files / "certificate"), "--ssl-keyfile", str(files / "key")]
    options += ["--ssl-ca-certs", str(files / "clients"), "--ssl-cert-reqs", "2"]
    context = ssl.create_default_context(cafile=str(files / "clients"))
    own = authority.issue_cert("someone@example.org", common_name="Someone")
    own.configure_cert(context)
    async with program("-m", "bascule", *LIVING, *options, "--root-path", "/api") as running:
        url = await running.url()
        assert url.startswith("https://127.0.0.1:")
        async with httpx.AsyncClient(verify=context, trust_env=False) as client:
            for path in ("/", "/api/"):
                shown = (await client.get(url + path)).text
                assert shown.startswith("https /api /api/ CN=Someone,")
        strange = ssl.create_default_context(cafile=str(files / "clients"))
        async with httpx.AsyncClient(verify=strange, trust_env=False) as client:
            with pytest.raises(httpx.TransportError):
                await client.get(url)
        assert await running.end(signal.SIGTERM) == 0


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the command line run in this process, and undo what it does to it."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "living_program", raising=False)
    logger = logging.getLogger("bascule.access")
    level = logger.level
    yield
    logger.setLevel(level)
    asyncio.set_event_loop(None)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("mode", "arguments", "status", "message"),
    [
        ("", ["--root-path", "api"], 2, "root_path should begin with '/', got 'api'"),
        ("", ["--ssl-keyfile", "key"], 2, "need a certificate (ssl-certfile)"),
        ("startup failed", [], 3, "living_program:app: no database"),
        ("none", ["--lifespan", "on"], 3, "has no lifespan, which lifespan='on' requires"),
        ("startup raises", ["--lifespan", "on"], 3, "failed to start: ValueError('no cache')"),
    ],
)
def test_command_line_does_not_start(
    mode: str,
    arguments: list[str],
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MODE", mode)
    with pytest.raises(SystemExit) as caught:
        main([*LIVING, *arguments])
    assert caught.value.code == status
    shown = capsys.readouterr()
    assert shown.err.splitlines()[-1].startswith("bascule: error: ")
    assert message in shown.err
    assert "Running on" not in shown.out


@pytest.mark.usefixtures("here")
def test_command_line_always_starts_a_native_application(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["examples.hello:app", "--app-dir", str(ROOT), "--lifespan", "off"])
    assert caught.value.code == 2
    assert "a web.Application is always started" in capsys.readouterr().err


async def test_command_line_leaves_a_lifespan_out() -> None:
    arguments = ("-m", "bascule", *LIVING, "--lifespan", "off")
    async with program(*arguments, MODE="startup failed") as running:
        assert (await get(await running.url())).text == "http  /"
        assert await running.end(signal.SIGTERM) == 0
    assert "told startup" not in running.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lifespan", "maybe"], "--lifespan: invalid choice: 'maybe'"),
        (["--ssl-cert-reqs", "3"], "--ssl-cert-reqs: invalid choice: 3"),
        (["--timeout-graceful-shutdown", "-1"], "'-1' is no number of seconds"),
        (["--timeout-graceful-shutdown", "inf"], "'inf' is no number of seconds"),
        (["--timeout-graceful-shutdown", "soon"], "'soon' is no number of seconds"),
        (["--port", "65536"], "65536 is none of 0 to 65535"),
    ],
)
def test_command_line_refuses_values(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["examples.hello:app", *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_command_line_tells_of_each_switch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert max(len(line) for line in shown.splitlines()) <= 80
    for switch in (
        "--root-path PATH",
        "--lifespan {auto,on,off}",
        "--uds PATH",
        "--ssl-keyfile FILE",
        "--ssl-certfile FILE",
        "--ssl-ca-certs FILE",
        "--ssl-cert-reqs {0,1,2}",
        "--timeout-graceful-shutdown SECONDS",
    ):
        assert f"\n  {switch}" in shown


@pytest.mark.parametrize(
    ("names", "mode"),
    [
        ({"certfile": "certificate", "keyfile": "key"}, ssl.CERT_NONE),
        ({"certfile": "both"}, ssl.CERT_NONE),
        ({"certfile": "certificate", "keyfile": "locked", "password": "secret"}, ssl.CERT_NONE),
        ({"certfile": "both", "ca_certs": "clients", "cert_reqs": 1}, ssl.CERT_OPTIONAL),
        ({"certfile": "both", "ca_certs": "clients", "cert_reqs": 2}, ssl.CERT_REQUIRED),
        ({"certfile": "both", "ca_certs": "clients"}, ssl.CERT_NONE),
    ],
)
def test_tls_is_made_of_files(files: Path, names: dict[str, str | int], mode: int) -> None:
    assert _load(files, names).verify_mode is mode


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"keyfile": "key"}, "need a certificate"),
        ({"certfile": "both", "cert_reqs": 2}, "those that they lead to are needed"),
        ({"certfile": "missing"}, "cannot read '.*missing': No such file"),
        ({"certfile": "both", "keyfile": "missing"}, "cannot read '.*missing': No such file"),
        ({"certfile": "certificate"}, "no certificate with its key in .*certificate: "),
        ({"certfile": "nonsense"}, "no certificate with its key in .*nonsense: "),
        ({"certfile": "certificate", "keyfile": "other"}, "in .*certificate and .*other: "),
        ({"certfile": "certificate", "keyfile": "locked"}, "encrypted: a password is needed"),
        (
            {"certfile": "certificate", "keyfile": "locked", "password": "guess"},
            "the password is wrong",
        ),
        ({"certfile": "both", "ca_certs": "missing"}, "cannot read '.*missing': No such file"),
        ({"certfile": "both", "ca_certs": "nonsense"}, "no certificates in .*nonsense"),
    ],
)
def test_tls_files_that_are_wrong(files: Path, names: dict[str, str | int], message: str) -> None:
    with pytest.raises(TlsFilesError, match=message):
        _load(files, names)


def _load(files: Path, names: dict[str, str | int]) -> ssl.SSLContext:
    given = {**names}
    for name in ("certfile", "keyfile", "ca_certs"):
        if name in given:
            given[name] = str(files / str(given[name]))
    certfile = given.pop("certfile", None)
    return load_tls(certfile, **given)  # type: ignore[arg-type]  # a table of all kinds
