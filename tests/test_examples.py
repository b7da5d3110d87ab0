"""The examples, used as their readers would."""

import io
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples import hello
from examples.board import create_app
from support.hosts import HOSTS
from support.programs import ROOT, get, program
from support.wire import PATIENCE


@pytest.mark.parametrize("host", HOSTS)
async def test_hello(host: str) -> None:
    async with HOSTS[host](hello.app) as client:
        assert (await client.get("/")).text == "Hello, world!\n"
        assert (await client.get("/you")).text == "Hello, you!\n"


async def test_embedded() -> None:
    async with program("examples/embedded.py") as running:
        url = (await running.read_until(r"Counting at (\S+)"))[1]
        assert (await get(url)).json()["ticks"] >= 0
        assert (await get(url + "/next")).json()["ticks"] >= 1
        assert await running.end(signal.SIGINT) == 0
    assert "Traceback" not in running.output


# Makes the terminal at its standard input the controlling one, so that Ctrl-C is a signal.
IN_A_TERMINAL = """
import fcntl, runpy, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
runpy.run_path("examples/embedded.py", run_name="__main__")
"""


class Terminal:
    """A terminal with a session of its own, and what it shows."""

    def __init__(self, code: str) -> None:
        self.screen = ""
        self.keyboard, there = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", "-c", code],
            cwd=ROOT,
            stdin=there,
            stdout=there,
            stderr=there,
            start_new_session=True,
        )
        os.close(there)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.keyboard)

    def read(self) -> bool:
        """Read some of what is shown; tell whether there was something."""
        ready, _, _ = select.select([self.keyboard], [], [], PATIENCE)
        assert ready, f"nothing more behind {self.screen!r}"
        try:
            data = os.read(self.keyboard, 4096)
        except OSError:  # Linux: nobody has the other end any more
            data = b""
        self.screen += data.decode()
        return bool(data)

    def read_until(self, pattern: str) -> re.Match[str]:
        """Read until something is shown."""
        while not (match := re.search(pattern, self.screen)):
            assert self.read(), self.screen
        return match

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self.keyboard, keys)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_embedded_stops_gracefully_at_ctrl_c_in_a_terminal() -> None:
    """An answer in progress is completed, and the screen shows no more than it should."""
    with Terminal(IN_A_TERMINAL) as terminal:
        url = terminal.read_until(r"Counting at (\S+) \(Ctrl-C to stop\)\r\n")[1]
        port = httpx.URL(url).port
        assert port is not None
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall(b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
            terminal.press(b"\x03")
            answer = client.makefile("rb").read()
        while terminal.read():
            pass
        assert terminal.process.wait(PATIENCE) == 0
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert re.search(rb'\r\n\r\n{"ticks": \d+}$', answer)
    assert terminal.screen == f"Counting at {url} (Ctrl-C to stop)\r\n^C\r\nStopped.\r\n"


@pytest.fixture(params=["socket", "uvicorn", "asgi"])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return HOSTS[request.param](create_app(str(tmp_path / "board.sqlite3")))


async def test_board_takes_a_form_with_a_file(board: Any) -> None:
    async with board as client:
        http: httpx.AsyncClient = client.httpx
        hostile = '<b>"../../etc/passwd'
        answer = await http.post(
            "/pastes",
            data={"title": "<script>alert(1)</script>", "text": "a & b\n"},
            files={"file": (hostile, io.BytesIO(b"\0\1<html>"), "text/html")},
        )
        assert (answer.status_code, answer.text) == (303, "303: See Other")
        page = await http.get(answer.headers["Location"])
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(1)" in page.text
        raw = await http.get(answer.headers["Location"] + "/raw")
        assert (raw.text, raw.headers["Content-Type"]) == ("a & b\n", "text/plain; charset=utf-8")
        file = await http.get(answer.headers["Location"] + "/file")
        assert file.content == b"\0\1<html>"
        assert file.headers["Content-Type"] == "application/octet-stream"
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        assert re.match(r"attachment; filename=", file.headers["Content-Disposition"])
        assert "/" not in file.headers["Content-Disposition"]


async def test_board_has_an_api(board: Any) -> None:
    async with board as client:
        http: httpx.AsyncClient = client.httpx
        made = await http.post("/api/pastes", json={"title": "t", "text": "x" * 1000})
        assert made.status_code == 201
        number = made.json()["id"]
        assert (await http.get(f"/api/pastes/{number}")).json()["text"] == "x" * 1000
        assert (await http.post("/api/pastes", json={"title": 7})).status_code in (400, 422)
        assert (await http.put("/api/pastes")).headers["Allow"] == "GET,HEAD,POST"
        assert (await http.delete(f"/api/pastes/{number}")).status_code == 204
        gone = await http.get(f"/api/pastes/{number}")
        assert gone.status_code == 404
        assert gone.headers["Content-Type"].startswith("application/json")
        csv = await http.get("/export.csv")
        assert csv.headers["Content-Type"].startswith("text/csv")
        assert (await http.head("/export.csv")).content == b""


async def test_board_refuses_what_is_too_large_or_foreign(board: Any) -> None:
    async with board as client:
        http: httpx.AsyncClient = client.httpx
        answer = await http.post("/pastes", files={"file": ("f", bytes(3_000_000))})
        assert answer.status_code == 413
        foreign = {"Origin": "http://evil.example"}
        answer = await http.post("/pastes", data={"text": "x"}, headers=foreign)
        assert answer.status_code == 403


async def test_board_is_a_program(tmp_path: Path) -> None:
    database = str(tmp_path / "b.sqlite3")
    command = ["-m", "examples.board", "--port", "0", "--database", database]
    async with program(*command) as running:
        url = await running.url()
        assert "<form" in (await get(url)).text
        assert json.loads((await get(f"{url}/api/pastes")).text) is not None
        assert await running.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*.py")), ids=lambda path: path.name)
def test_examples_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 80
