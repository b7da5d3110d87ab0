"""The chat and the dashboard among the examples, run as programs, by real clients."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from support.programs import program
from support.wire import PATIENCE

_DASHBOARD = """
import functools, runpy
from bascule import web
web.run_app = functools.partial(web.run_app, host="127.0.0.1", port=0)
runpy.run_path("examples/dashboard.py", run_name="__main__")
"""


async def receive(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Receive up to an event of this kind."""
    async with asyncio.timeout(PATIENCE):
        while (event := json.loads(await socket.recv()))["type"] != kind:
            pass
    return dict(event)


async def test_those_in_a_room_hear_each_other(tmp_path: Path) -> None:
    database = str(tmp_path / "chat.sqlite3")
    arguments = ("-m", "examples.chat", "--port", "0", "--database", database)
    async with program(*arguments) as running:
        url = (await running.url()).replace("http", "ws")
        async with connect(f"{url}/rooms/lobby/socket?name=Ann", proxy=None) as ann:
            assert (await receive(ann, "members"))["names"] == ["Ann"]
            async with connect(f"{url}/rooms/lobby/socket?name=Ben", proxy=None) as ben:
                assert (await receive(ann, "members"))["names"] == ["Ann", "Ben"]
                async with connect(f"{url}/rooms/garden/socket?name=Eve", proxy=None) as eve:
                    await receive(eve, "members")
                    await ben.send("hello \N{WAVING HAND SIGN}")
                    said = await receive(ann, "message")
                    assert (said["name"], said["text"]) == ("Ben", "hello \N{WAVING HAND SIGN}")
                    assert (await receive(ben, "message"))["text"] == said["text"]
                    await eve.send("nobody here")
                    assert (await receive(eve, "message"))["name"] == "Eve"
            assert (await receive(ann, "members"))["names"] == ["Ann"]
            async with connect(f"{url}/rooms/lobby/socket?name=Late", proxy=None) as late:
                assert await receive(late, "message") == said
            running.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                await receive(ann, "never")
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
            assert await asyncio.wait_for(running.process.wait(), PATIENCE) == 0


async def test_the_chat_has_pages_and_refuses_the_nameless(tmp_path: Path) -> None:
    database = str(tmp_path / "chat.sqlite3")
    async with program("-m", "examples.chat", "--port", "0", "--database", database) as running:
        async with httpx.AsyncClient(base_url=await running.url(), trust_env=False) as client:
            answer = await client.get("/", follow_redirects=True)
            assert (answer.status_code, answer.url.path) == (200, "/rooms/lobby")
            assert answer.headers["content-type"] == "text/html"
            assert "new WebSocket(" in answer.text
            answer = await client.get("/rooms/lobby/socket")
            assert (answer.status_code, answer.text) == (400, "Who are you? Say ?name=...")
            answer = await client.get("/rooms/lobby/socket?name=Ann")
            assert answer.status_code == 400
        assert await running.end(signal.SIGTERM) == 0


async def test_the_dashboard_streams_and_goes_on_where_a_client_left() -> None:
    async with program("-c", _DASHBOARD, DASHBOARD_INTERVAL="0.02") as running:
        async with httpx.AsyncClient(base_url=await running.url(), trust_env=False) as client:
            assert 'new EventSource("/stream")' in (await client.get("/")).text
            async with client.stream("GET", "/stream") as answer:
                assert answer.headers["content-type"] == "text/event-stream"
                seen = await read_events(answer, 3)
            assert [number for number, _ in seen] == [1, 2, 3]
            assert set(seen[0][1]) == {"time", "load", "lag", "tasks"}
            headers = {"Last-Event-ID": "2"}
            async with client.stream("GET", "/stream", headers=headers) as answer:
                assert [number for number, _ in await read_events(answer, 2)] == [3, 4]
                # A stream is open: the stop does not wait for it.
                assert await running.end(signal.SIGTERM) == 0


async def read_events(answer: httpx.Response, count: int) -> list[tuple[int, dict[str, Any]]]:
    events: list[tuple[int, dict[str, Any]]] = []
    number = 0
    async with asyncio.timeout(PATIENCE):
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                number = int(value)
            elif name == "data":
                events.append((number, json.loads(value)))
                if len(events) == count:
                    break
    return events
