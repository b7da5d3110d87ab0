"""Applications of other frameworks on our server, by our runner and our command line."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Mount, Route

from bascule import web
from support.hosts import own_socket, uvicorn_guest
from support.programs import program


async def test_starlette() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        seen.append("up")
        yield {"number": 7}
        seen.append("down")

    async def home(request: Request) -> JSONResponse:
        body = await request.body()
        client = request.client.host if request.client else None
        return JSONResponse([request.state.number, client, body.decode(), str(request.url)])

    async def stream(request: Request) -> StreamingResponse:
        async def numbers() -> AsyncIterator[str]:
            for number in range(5):
                yield f"{number}\n"

        return StreamingResponse(numbers())

    async def boom(request: Request) -> JSONResponse:
        raise ValueError("boom")

    routes = [
        Route("/", home, methods=["GET", "POST"]),
        Route("/stream", stream),
        Route("/boom", boom),
    ]
    async with own_socket(Starlette(routes=routes, lifespan=lifespan)) as client:
        answer = await client.post("/?q=%C3%BC", body=[b"a", b"b"])
        number, host, body, url = httpx.Response(200, content=answer.body).json()
        assert (number, host, body) == (7, "127.0.0.1", "ab")
        assert url.endswith("/?q=%C3%BC")
        assert (await client.get("/stream")).body == b"0\n1\n2\n3\n4\n"
        assert (await client.get("/boom")).status == 500
        assert (await client.get("/nowhere")).status == 404
        assert seen == ["up"]
    assert seen == ["up", "down"]


async def test_native_application_inside_starlette() -> None:
    """Its life is held by the parent's lifespan; mounted applications have none of their own."""
    log: list[str] = []
    key = web.AppKey("key", str)

    async def context(app: web.Application) -> AsyncIterator[None]:
        app[key] = "set at start"
        log.append("up")
        yield
        log.append("down")

    async def tell(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.app[key]} {request.match_info['id']}")

    native = web.Application()
    native.cleanup_ctx.append(context)
    native.router.add_get("/items/{id}", tell)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        log.append("parent up")
        async with native:
            yield
        log.append("parent down")

    parent = Starlette(routes=[Mount("/native", native)], lifespan=lifespan)
    for host in (own_socket, uvicorn_guest):
        log.clear()
        async with host(parent) as client:
            answer = await client.get("/native/items/7")
            assert log == ["parent up", "up"]
            assert (answer.status, answer.text) == (200, "set at start 7")
            assert (await client.get("/native/else")).text == "404: Not Found"
        assert log == ["parent up", "up", "down", "parent down"]


DJANGO = """
from django.conf import settings
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x")
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

async def home(request):
    return JsonResponse({"path": request.path, "method": request.method})

def plain(request):
    return HttpResponse("plain " + request.GET["q"])

def upload(request):
    return JsonResponse({name: [file.name, file.size] for name, file in request.FILES.items()})

async def stream(request):
    async def numbers():
        for number in range(3):
            yield f"{number}\\n"
    return StreamingHttpResponse(numbers())

urlpatterns = [path("", home), path("plain", plain), path("up", upload), path("stream", stream)]
app = get_asgi_application()
"""


async def test_django(tmp_path: Path) -> None:
    (tmp_path / "project.py").write_text(DJANGO)
    async with program("-m", "bascule", "project:app", "--port", "0", cwd=tmp_path) as running:
        async with httpx.AsyncClient(base_url=await running.url(), trust_env=False) as client:
            assert (await client.get("/")).json() == {"path": "/", "method": "GET"}
            assert (await client.get("/plain?q=%C3%BC")).text == "plain ü"
            answer = await client.post("/up", files={"file": ("a.txt", b"12345")})
            assert answer.json() == {"file": ["a.txt", 5]}
            assert (await client.get("/stream")).text == "0\n1\n2\n"
            assert (await client.get("/nowhere")).status_code == 404
        assert await running.end(signal.SIGTERM) == 0
    assert "Traceback" not in running.output
