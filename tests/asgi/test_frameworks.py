"""Applications of other frameworks on our server and in native ones, and native ones in them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from bascule import web
from support.clients import Client
from support.frameworks import FRAMEWORKS, has, make
from support.hosts import HOSTS, own_socket, uvicorn_guest
from support.sockets import Refused

# -- one application, written for each of them


async def check_json(client: Client, framework: str, prefix: str) -> None:
    fields = {"Content-Type": "application/json"}
    answer = await client.post(f"{prefix}/json", body=b'{"a": 2, "b": 3}', fields=fields)
    assert (answer.status, answer.fields["Content-Type"][:16]) == (200, "application/json")
    assert json.loads(answer.body) == {"sum": 5, "left": "state", "url": f"{prefix}/json"}
    assert (await client.get(f"{prefix}/nowhere")).status == 404
    assert (await client.get(f"{prefix}/json")).status in (400, 405)


async def check_upload(client: Client, framework: str, prefix: str) -> None:
    made = httpx.Request("POST", "http://x/", files={"file": ("a.txt", b"x" * 200_000)})
    data, fields = made.read(), {"Content-Type": made.headers["Content-Type"]}
    sent = [data, [data[:100_000], data[100_000:]]]
    if framework.startswith("django"):
        del sent[1]  # it reads no more of a form than Content-Length says
    for body in sent:
        answer = await client.post(f"{prefix}/upload", body=body, fields=fields)
        assert (answer.status, json.loads(answer.body)) == (200, ["a.txt", 200_000])


async def check_stream(client: Client, framework: str, prefix: str) -> None:
    answer = await client.get(f"{prefix}/stream")
    assert (answer.status, answer.body) == (200, b"0\n1\n2\n")
    assert "Content-Length" not in answer.fields
    assert answer.fields["Content-Type"].startswith("text/plain")


async def check_websocket(client: Client, framework: str, prefix: str) -> None:
    if not has(framework, "websocket"):
        with pytest.raises((Refused, ConnectionResetError)):
            await client.ws_connect(f"{prefix}/ws")
        return
    async with await client.ws_connect(f"{prefix}/ws") as ws:
        await ws.send("text")
        assert await ws.receive() == "TEXT"
        await ws.send(b"ab" * 50_000)
        assert await ws.receive() == b"ba" * 50_000
        await ws.close()


CHECKS = {
    "json": check_json,
    "upload": check_upload,
    "stream": check_stream,
    "websocket": check_websocket,
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("check", CHECKS)
async def test_on_our_server(framework: str, check: str) -> None:
    log: list[str] = []
    expected = ["up", "down"] if has(framework, "lifespan") else []
    async with own_socket(make(framework, log)) as client:
        assert log == expected[:1]
        await CHECKS[check](client, framework, "")
    assert log == expected


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("host", HOSTS)
async def test_mounted_in_a_native_application(framework: str, host: str) -> None:
    """Below an application inside, too, on every host."""
    log: list[str] = []
    app, inside = web.Application(), web.Application()
    inside.mount("/deep", make(framework, log))
    app.add_subapp("/inside", inside)
    expected = ["up", "down"] if has(framework, "lifespan") else []
    async with HOSTS[host](app) as client:
        for check in CHECKS.values():
            await check(client, framework, "/inside/deep")
        assert log == expected[:1]
    assert log == expected


@pytest.mark.parametrize("host", HOSTS)
async def test_the_example(host: str) -> None:
    app = import_module("examples.mounted").app
    async with HOSTS[host](app) as client:
        fields = {"Content-Type": "application/x-www-form-urlencoded", "X-Name": "Ann"}
        answer = await client.post("/old/", body=b"gift=cake", fields=fields)
        assert (answer.text, answer.fields["X-Site"]) == (
            "Hello, Ann! Thanks for cake.\n",
            "The site",
        )
        answer = await client.get("/api/items/1", fields=fields)
        assert json.loads(answer.body) == {"name": "one", "url": "/api/items/1"}
        assert (await client.get("/api/items/1")).status == 403
        assert json.loads((await client.get("/")).body) == ["/api/items/1", "/old/"]


# -- a native application in others


def in_starlette(native: web.Application, lifespan: Any) -> Any:
    return Starlette(routes=[Mount("/native", native)], lifespan=lifespan)


def in_fastapi(native: web.Application, lifespan: Any) -> Any:
    parent = import_module("fastapi").FastAPI(lifespan=lifespan)
    parent.mount("/native", native)
    return parent


@pytest.mark.parametrize("host", [own_socket, uvicorn_guest])
@pytest.mark.parametrize("put_inside", [in_starlette, in_fastapi])
async def test_native_application_inside(put_inside: Any, host: Any) -> None:
    """Its life is held by the parent's lifespan; mounted applications have none of their own."""
    log: list[str] = []
    key = web.AppKey("key", str)

    async def context(app: web.Application) -> AsyncIterator[None]:
        app[key] = "set at start"
        log.append("up")
        yield
        log.append("down")

    async def tell(request: web.Request) -> web.Response:
        url = request.app.router["item"].url_for(id="8")
        return web.Response(text=f"{request.app[key]} {request.path} {url}")

    async def talk(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(f"{request.path} {message.data}")
        return ws

    native = web.Application()
    native.cleanup_ctx.append(context)
    native.add_routes([web.get("/items/{id}", tell, name="item"), web.get("/ws", talk)])

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        log.append("parent up")
        async with native:
            yield
        log.append("parent down")

    async with host(put_inside(native, lifespan)) as client:
        answer = await client.get("/native/items/7")
        assert log == ["parent up", "up"]
        assert (answer.status, answer.text) == (200, "set at start /native/items/7 /native/items/8")
        assert (await client.get("/native/else")).text == "404: Not Found"
        async with await client.ws_connect("/native/ws") as ws:
            await ws.send("x")
            assert await ws.receive() == "/native/ws x"
            await ws.close()
    assert log == ["parent up", "up", "down", "parent down"]


@pytest.mark.parametrize("put_inside", [in_starlette, in_fastapi])
async def test_native_application_inside_is_its_lifespan(put_inside: Any) -> None:
    """Where the parent has nothing else to start: the application is a context manager."""
    log: list[str] = []

    async def start(app: web.Application) -> None:
        log.append("up")

    async def stop(app: web.Application) -> None:
        log.append("down")

    native = web.Application()
    native.on_startup.append(start)
    native.on_cleanup.append(stop)
    async with own_socket(put_inside(native, lambda _: native)) as client:
        assert (await client.get("/native/else")).text == "404: Not Found"
        assert log == ["up"]
    assert log == ["up", "down"]
