"""The recipes among the examples, run in each way that their readers may run them."""

import runpy
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp.web
import httpx

from support.hosts import HOSTS
from support.programs import ROOT, Program, program

# As `python FILE` does, but on any port that is free.
_RUN = """
import functools, runpy, sys
from bascule import web
web.run_app = functools.partial(web.run_app, port=0)
runpy.run_path(sys.argv[1], run_name="__main__")
"""
# Fields that are the host's, or follow from the body.
_HOSTS_OWN = {"connection", "content-length", "date", "server"}

PLAIN = {"content-type": "text/plain; charset=utf-8"}
JSON = {"content-type": "application/json; charset=utf-8"}

Start = Callable[[str], AbstractAsyncContextManager[httpx.AsyncClient]]


@asynccontextmanager
async def run_program(name: str) -> AsyncIterator[tuple[httpx.AsyncClient, Program]]:
    async with program("-c", _RUN, f"examples/{name}.py") as running:
        async with httpx.AsyncClient(base_url=await running.url(), trust_env=False) as client:
            yield client, running


@asynccontextmanager
async def as_program(name: str) -> AsyncIterator[httpx.AsyncClient]:
    async with run_program(name) as (client, running):
        yield client
        assert await running.end(signal.SIGTERM) == 0


@asynccontextmanager
async def as_server(name: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run a recipe on our server in this process, which starts sooner than a program."""
    app = runpy.run_path(str(ROOT / f"examples/{name}.py"))["app"]
    async with HOSTS["socket"](app) as client:
        yield client.httpx  # type: ignore[attr-defined]  # a socket's is an HttpxClient


@asynccontextmanager
async def as_guest(name: str) -> AsyncIterator[httpx.AsyncClient]:
    app = runpy.run_path(str(ROOT / f"examples/{name}.py"))["app"]
    async with HOSTS["uvicorn"](app) as client:
        yield client.httpx  # type: ignore[attr-defined]  # uvicorn's is an HttpxClient


@asynccontextmanager
async def on_aiohttp(name: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run a recipe with aiohttp.web in place of ours: its import is all that is changed."""
    path = ROOT / f"examples/{name}.py"
    source = path.read_text().replace("\nfrom bascule import ", "\nfrom aiohttp import ")
    assert "import bascule" not in source
    names = {"__name__": name, "__file__": str(path)}
    exec(compile(source, path, "exec"), names)
    runner = aiohttp.web.AppRunner(names["app"])
    try:
        await runner.setup()
        site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with httpx.AsyncClient(base_url=base_url, trust_env=False) as client:
            yield client
    finally:
        await runner.cleanup()


WAYS: dict[str, Start] = {"program": as_program, "guest": as_guest}
# For recipes with many tests; each of them has one that runs it as a program, too.
OUR_WAYS: dict[str, Start] = {"server": as_server, "guest": as_guest}
EVERY_WAY: dict[str, Start] = {**OUR_WAYS, "aiohttp": on_aiohttp}


@dataclass
class Step:
    """A request to a recipe, and its answer."""

    line: str
    status: int
    text: str = ""
    fields: Mapping[str, str] = field(default_factory=lambda: PLAIN)
    body: bytes | None = None
    sent: Mapping[str, str | bytes] = field(default_factory=dict)


async def take(client: httpx.AsyncClient, step: Step) -> Step:
    """Send the request of a step; give the step with the answer that came."""
    method, target = step.line.split(" ", 1)
    answer = await client.request(
        method, target, content=step.body, headers=httpx.Headers(dict(step.sent))
    )
    fields = {name: value for name, value in answer.headers.items() if name not in _HOSTS_OWN}
    return Step(step.line, answer.status_code, answer.text, fields, step.body, step.sent)
