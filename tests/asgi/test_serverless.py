"""Native applications in AWS Lambda, behind mangum: a gateway's event in, its answer out."""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mangum import Mangum
from starlette.applications import Starlette
from starlette.routing import Mount

from bascule import web
from support.lambda_events import EVENTS

Make = Callable[..., dict[str, Any]]
PAIRS = [("Host", "api.test"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Port", "443")]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.fixture(params=EVENTS)
def make(request: pytest.FixtureRequest) -> Make:
    """Make an event in each form."""
    return EVENTS[request.param]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The loop of Lambda's one thread, which goes on from event to event."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    assert not asyncio.all_tasks(loop)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    asyncio.set_event_loop(None)


def app_of(handler: Any) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    return app


def ask(app: Any, event: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Have an event answered, from the application's start to its end."""
    answer: dict[str, Any] = Mangum(app, **{"lifespan": "auto", **options})(event, None)
    return answer


def body_of(answer: dict[str, Any]) -> bytes:
    body: str = answer["body"]
    return base64.b64decode(body) if answer["isBase64Encoded"] else body.encode()


def fields_of(answer: dict[str, Any], name: str) -> list[str]:
    """Give the values of a field, wherever the form of answer has them."""
    if name == "set-cookie" and "cookies" in answer:
        return list(answer["cookies"])
    many = answer.get("multiValueHeaders", {})
    return list(many.get(name) or [answer["headers"][name]])


async def tell(request: web.Request) -> web.Response:
    return web.json_response(
        {
            "method": request.method,
            "path": request.path,
            "query": list(request.query.items()),
            "url": str(request.url.origin()),
            "cookies": dict(request.cookies),
            "name": request.headers.get("X-Name"),
            "remote": request.remote,
            "exists": request.can_read_body,
        }
    )


@pytest.mark.usefixtures("loop")
def test_requests_are_told_as_they_are(make: Make) -> None:
    pairs = [*PAIRS, ("X-Name", "v"), ("Cookie", "a=1; b=2")]
    answer = ask(app_of(tell), make("GET", "/items/a%20b?q=1&q=2&r=%26", pairs))
    told = json.loads(body_of(answer))
    assert (answer["statusCode"], told.pop("remote")) == (200, told_remote(make))
    assert told == {
        "method": "GET",
        "path": "/items/a b",
        "query": [["q", "1"], ["q", "2"], ["r", "&"]],
        "url": "https://api.test",
        "cookies": {"a": "1", "b": "2"},
        "name": "v",
        "exists": False,
    }


def told_remote(make: Make) -> str:
    """A load balancer tells of its client in X-Forwarded-For alone."""
    return "" if make is EVENTS["balancer"] else "203.0.113.7"


@pytest.mark.usefixtures("loop")
def test_bodies_are_bytes_both_ways(make: Make) -> None:
    async def reverse(request: web.Request) -> web.Response:
        data = await request.read()
        return web.Response(body=data[::-1], content_type="image/png")

    pairs = [*PAIRS, ("Content-Length", str(len(PNG))), ("Content-Type", "image/png")]
    answer = ask(app_of(reverse), make("POST", "/", pairs, PNG))
    assert answer["isBase64Encoded"] is True
    assert body_of(answer) == PNG[::-1]


@pytest.mark.usefixtures("loop")
def test_forms_with_files_are_read(make: Make) -> None:
    async def form(request: web.Request) -> web.Response:
        sent = (await request.post())["file"]
        assert isinstance(sent, web.FileField)
        return web.Response(text=f"{sent.filename} {len(sent.file.read())}")

    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="p.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + PNG + b"\r\n--b--\r\n"
    )
    pairs = [*PAIRS, ("Content-Length", str(len(body)))]
    pairs.append(("Content-Type", "multipart/form-data; boundary=b"))
    assert body_of(ask(app_of(form), make("POST", "/", pairs, body))) == b"p.png 264"


@pytest.mark.usefixtures("loop")
def test_several_cookies_are_set(make: Make) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text="x")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2", httponly=True)
        return response

    answer = ask(app_of(handler), make("GET", "/", PAIRS))
    assert sorted(fields_of(answer, "set-cookie")) == ["a=1; Path=/", "b=2; HttpOnly; Path=/"]


@pytest.mark.usefixtures("loop")
def test_streams_and_errors_become_whole_answers(make: Make) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/fail":
            raise ValueError("a fault")
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(3):
            await response.write(f"{number};".encode())
            await asyncio.sleep(0)
        return response

    app = app_of(handler)
    assert body_of(ask(app, make("GET", "/", PAIRS))) == b"0;1;2;"
    assert ask(app, make("GET", "/fail", PAIRS))["statusCode"] == 500


@pytest.mark.usefixtures("loop")
def test_heads_have_no_body(make: Make) -> None:
    answer = ask(app_of(tell), make("HEAD", "/", PAIRS))
    assert (answer["statusCode"], body_of(answer)) == (200, b"")


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("name", [name for name in EVENTS if name != "balancer"])
def test_a_base_path_that_the_gateway_maps_is_taken_off(name: str) -> None:
    """Balancers map none."""
    app = web.Application()
    app.router.add_get("/items/{id}", tell)
    event = EVENTS[name]("GET", "/shop/items/7", PAIRS)
    answer = ask(app, event, api_gateway_base_path="/shop")
    assert json.loads(body_of(answer))["path"] == "/items/7"


@pytest.mark.usefixtures("loop")
def test_an_application_that_is_mounted_there_keeps_its_prefix(make: Make) -> None:
    async def where(request: web.Request) -> web.Response:
        url = request.app.router["item"].url_for(id="8")
        return web.json_response([request.path, str(url), request.match_info["id"]])

    app = web.Application()
    app.router.add_get("/items/{id}", where, name="item")
    outer = Starlette(routes=[Mount("/shop", app)], lifespan=lambda _: app)
    answer = ask(outer, make("GET", "/shop/items/7", PAIRS))
    assert json.loads(body_of(answer)) == ["/shop/items/7", "/shop/items/8", "7"]


def living_app(seen: list[str]) -> web.Application:
    async def context(app: web.Application) -> Any:
        seen.append("enter")
        yield
        seen.append("leave")

    async def handler(request: web.Request) -> web.Response:
        seen.append("request")
        return web.Response()

    app = app_of(handler)
    app.cleanup_ctx.append(context)
    return app


@pytest.mark.usefixtures("loop")
def test_with_a_lifespan_each_event_is_a_life(make: Make) -> None:
    seen: list[str] = []
    app = living_app(seen)
    for _ in range(2):
        assert ask(app, make("GET", "/", PAIRS))["statusCode"] == 200
    assert seen == ["enter", "request", "leave"] * 2


def test_without_a_lifespan_the_first_event_starts_one_life_for_all(
    make: Make, loop: asyncio.AbstractEventLoop
) -> None:
    seen: list[str] = []
    app = living_app(seen)
    for _ in range(3):
        assert ask(app, make("GET", "/", PAIRS), lifespan="off")["statusCode"] == 200
    assert seen == ["enter", "request", "request", "request"]
    loop.run_until_complete(_end(app))
    assert seen[-1] == "leave"


async def _end(app: web.Application) -> None:
    async with app:
        pass


@pytest.mark.usefixtures("loop")
def test_without_a_lifespan_a_start_that_fails_is_500(make: Make) -> None:
    async def fail(app: web.Application) -> None:
        raise ValueError("no database")

    app = app_of(tell)
    app.on_startup.append(fail)
    assert ask(app, make("GET", "/", PAIRS), lifespan="off")["statusCode"] == 500


# -- what Lambda has no place for


@pytest.mark.usefixtures("loop")
def test_a_websocket_is_asked_for_in_vain(make: Make) -> None:
    """Events of HTTP have no connection that could become one."""

    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        assert not ws.can_prepare(request)
        await ws.prepare(request)
        return ws

    pairs = [*PAIRS, ("Upgrade", "websocket"), ("Connection", "Upgrade")]
    pairs += [("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")]
    answer = ask(app_of(handler), make("GET", "/", pairs))
    assert answer["statusCode"] in (400, 500, 501)
