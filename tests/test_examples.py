"""The examples, used as their readers would."""

import io
import json
import re
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples import hello
from examples.board import create_app
from support.hosts import HOSTS
from support.programs import ROOT, get, program


@pytest.mark.parametrize("host", HOSTS)
async def test_hello(host: str) -> None:
    async with HOSTS[host](hello.app) as client:
        assert (await client.get("/")).text == "Hello, world!\n"
        assert (await client.get("/you")).text == "Hello, you!\n"


async def test_embedded() -> None:
    async with program("examples/embedded.py") as running:
        url = (await running.read_until(r"Counting at (\S+)"))[1]
        assert (await get(url)).json()["ticks"] >= 1
        assert await running.end(signal.SIGINT) == 0
    assert "Traceback" not in running.output


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
